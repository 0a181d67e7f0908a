#pragma once
/* Inside submission. */

#include "services/submission/submission.h"

#define SUBMISSION_ADDRESS_MAX 254 /* octets (RFC 5321 section 4.5.3.1.3, without the brackets) */
#define SUBMISSION_SHOWN_MAX   (64 * 1024)

/* ---- submission_from.c: who a From, Sender or Resent- field names ---- */

struct submission_mailbox {
	struct span address; /* "local@domain" */
	struct span
		shown; /* the display name and comments, quotes undone, encoded words as written */
};
struct submission_names {
	struct span text; /* the field's value on one line, with domains where they were missing */
	bool is_changed;
	size_t count;
	struct submission_mailbox *items;
};
/** Only forms that every reader takes for the same: a list of [phrase] <dot-atom@dot-atom> or bare
 * addresses, comments without what an address is made of. Pure; lives in `a`. 550 5.6.0 and 5.7.1. */
int submission_names_parse(struct arena *a, const char *field, struct span value,
	struct span qualify, struct submission_names *names_r, struct err *e);
/** Does what is shown beside an address look like another one? `decoded`: encoded words undone. */
bool submission_is_shown_well(struct span decoded, struct span address);
/** May these encoded words stand in a name: nothing that would end a line? */
bool submission_are_words_safe(struct span raw);

/* ---- submission_rates.c ---- */

struct submission_rates;
enum submission_rate { SUBMISSION_MESSAGES, SUBMISSION_RECIPIENTS, SUBMISSION_RATE_KINDS };
struct submission_rates *submission_rates_new(void);
void submission_rates_free(struct submission_rates **r);
/** How long until one more is allowed; 0: it is counted. `key` is never 0. Thread-safe. */
int64_t submission_rates_take(struct submission_rates *r, uint64_t key, enum submission_rate kind,
	const struct gcra_rate *rate, int64_t now_ns);
/** Give back what was counted for nothing. */
void submission_rates_give(struct submission_rates *r, uint64_t key, enum submission_rate kind,
	const struct gcra_rate *rate, unsigned count);
/** Who still has something counted. */
size_t submission_rates_busy(struct submission_rates *r, int64_t now_ns);

struct submission {
	struct submission_opts opts;
	struct submission_rates *rates;
	/* atomic */
	uint64_t accepted, refused_senders, limited_messages, limited_recipients;
};
