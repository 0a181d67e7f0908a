#pragma once
/* Bounce: the reports that senders get (RFC 3461, 3464): could not be delivered, is delayed, was
 * relayed to where no further report comes from. It writes the report and says where it goes; the
 * caller spools it in the transaction that settles the recipients (spool_settle), so neither can be
 * without the other. */

#include "proto/mail/mail_dsn.h"
#include "services/router/router.h"
#include "services/sign/sign.h"

#define BOUNCE_LIFETIME_NS (2 * CLOCK_DAY)
#define BOUNCE_FULL_MAX    (50 * 1024) /* a longer letter comes back as its header alone */
#define BOUNCE_HEADER_MAX  (64 * 1024) /* of which this much */
#define BOUNCE_RCPTS_MAX   MAIL_DSN_RCPTS_MAX

enum bounce_kind {
	BOUNCE_FAILED,
	BOUNCE_DELAYED,
	BOUNCE_RELAYED,
	BOUNCE_DELIVERED,
	BOUNCE_EXPANDED
};
/* Auto: what the header of the letter shows that its author reads. */
enum bounce_language { BOUNCE_LANGUAGE_AUTO, BOUNCE_LANGUAGE_EN, BOUNCE_LANGUAGE_ZH };

struct bounce_rcpt {
	struct span address, orcpt;
	struct span enhanced; /* "5.1.1", or "" */
	unsigned code;        /* 0: no server has spoken, `text` is our own reason */
	struct span text, host;
	int64_t at_ns; /* of the last attempt */
	/* delayed: wall clock of the next attempts, as far as known; 0: no more */
	int64_t next_ns[MAIL_DSN_NEXT_MAX];
};

/* The letter that is reported about. */
struct bounce_letter {
	uint64_t msg_id;
	const struct spool_envelope *env;
	struct span prefix;
	struct body *body;   /* NULL: */
	struct stage *stage; /* it is not stored for itself, but still staged */
	int64_t arrived_ns, expires_ns;
	bool is_delay_asked; /* by NOTIFY=DELAY or DELIVERBY: then machines are told too */
	size_t rcpt_count;   /* 1 to BOUNCE_RCPTS_MAX */
	const struct bounce_rcpt *rcpts;
};

struct bounce_opts {
	struct store *store;
	const char *hostname;
	struct span double_bounces; /* address for reports whose sender is null; "": only the log */
	enum bounce_language language;
	struct signer *signer; /* of reports, by the key of `hostname`; NULL: they are not signed */
	const struct log *log;
};

/** Does this recipient's sender want a report of that kind? (RFC 3461 section 4.1; `notify` as in
 * spool_rcpt_new.) A null sender gets failures only, and those go to `double_bounces`. */
bool bounce_is_wanted(enum bounce_kind kind, unsigned notify);

/** Write the report. *is_owed_r false: nobody is to be told, letter_r is unset. So it is with a null
 * sender (or MAILER-DAEMON) and with mail between two addresses that collect reports, whose failures
 * go to the log and to `double_bounces` alone; and with the delay of what no person has written.
 * Everything lives in `a`, the staged body too. */
FIBER int bounce_write(const struct bounce_opts *o, struct router *router, struct arena *a,
	enum bounce_kind kind, const struct bounce_letter *about, struct spool_new *letter_r,
	bool *is_owed_r, struct err *e);

/** Tell the sender of a letter that was just accepted which of its local recipients have it, if any
 * of them asked (NOTIFY=SUCCESS). The letter's stage is still there. Nothing of the letter depends
 * on this: it is a transaction of its own, and what goes wrong is logged. */
FIBER void bounce_delivered(
	const struct bounce_opts *o, struct router *router, const struct spool_new *letter);
/** Tell it which of its recipients have become several (RFC 3461 section 5.2.7.3): the addresses as the
 * sender wrote them. */
FIBER void bounce_expanded(const struct bounce_opts *o, struct router *router,
	const struct spool_new *letter, const struct spool_rcpt_new *aliases, size_t count);
