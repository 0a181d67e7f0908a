#pragma once
/* Answers of somebody who is away (RFC 3834). That a letter may want one is written down in the transaction that
 * delivers it; the responder works it off (services/jmapd/jmapd_responder.c). */

#include "store/db/db.h"
#include "store/store.h"

#define VACATION_TEXT_MAX (64 * 1024)
#define VACATION_TOLD_NS  (7 * CLOCK_DAY) /* a sender hears it once in that time */

struct vacation {
	uint64_t account_id;
	bool is_enabled;
	int64_t from_ns, to_ns;                    /* 0: no bound */
	struct span subject, text_body, html_body; /* "" none */
};
/** Never set: all zero. In `a`. */
FIBER int vacation_get(
	struct store *s, struct arena *a, uint64_t account_id, struct vacation *v_r, struct err *e);
FIBER int vacation_put(struct store *s, const struct vacation *v, struct err *e);

/** For closures that deliver: a message of an account came. */
int vacation_note_tx(struct db *db, uint64_t account_id, uint64_t message_id, struct err *e);

/* A letter that came while an answer was switched on. */
struct vacation_due {
	uint64_t message_id, account_id;
	bool is_there; /* the message is still there, and not in \Junk */
	uint64_t blob_id, blob_len;
	struct span prefix, subject; /* decoded */
	int64_t received_ns;
	struct vacation vacation;
};
/** At most 64, in `a`. */
FIBER int vacation_due(struct store *s, struct arena *a, struct vacation_due **list_r,
	size_t *count_r, struct err *e);
/** It is looked at. With an address: may that be told now? Then it counts as told from here on. */
FIBER int vacation_settle(struct store *s, const struct vacation_due *due, struct span address,
	int64_t now_ns, bool *may_r, struct err *e);
