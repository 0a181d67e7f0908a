#pragma once
/* Delivery status notifications (RFC 3464; RFC 6533 for SMTPUTF8 messages): what a sender gets to
 * read when a message failed, waits, or arrived. Pure: the caller brings the original.
 *
 *	mail_dsn_put_head(&b, &dsn);	// header, text, machine part, begin of the original part
 *	mail_dsn_put_original(&b, &dsn, original);
 *			// whole when mail_dsn_is_full(&dsn), else its header section
 *	mail_dsn_put_tail(&b, &dsn);
 *
 * It is sent from the null reverse-path, and never for a message that came from one. */

#include "base/arena.h"
#include "base/buf.h"

#define MAIL_DSN_ORIGINAL_MAX (50 * 1024) /* larger originals come back as their header only */
#define MAIL_DSN_TEXT_MAX     900 /* octets of a reply that are shown: a line has at most 998 */

/* id, word of RFC 3464 section 2.3.3; the worst first */
#define MAIL_DSN_ACTIONS(X)                                                                        \
	X(FAILED, "failed")                                                                        \
	X(DELAYED, "delayed")                                                                      \
	X(DELIVERED, "delivered")                                                                  \
	X(RELAYED, "relayed")                                                                      \
	X(EXPANDED, "expanded")
enum mail_dsn_action {
#define X(id, word) MAIL_DSN_##id,
	MAIL_DSN_ACTIONS(X)
#undef X
		MAIL_DSN_ACTION_COUNT
};
const char *mail_dsn_action_str(enum mail_dsn_action a);

struct mail_dsn_rcpt {
	enum mail_dsn_action action;
	struct span address;           /* final recipient, "local@domain" */
	struct span orcpt;             /* "rfc822;addr" decoded, "" when not given */
	unsigned cls, subject, detail; /* RFC 3463; 0 0 0: by the action */
	struct span reply;             /* what the next hop said: "550 5.1.1 No such user", or "" */
	struct span reason;            /* our own words where there was no reply */
	struct span remote_host;       /* "mx.example [192.0.2.1]", "" when none was reached */
	int64_t last_attempt_sec;      /* 0: not told */
	int64_t retry_until_sec;       /* delayed: 0: not told */
};

struct mail_dsn {
	struct span host;     /* ours: Reporting-MTA, and behind MAILER-DAEMON@ */
	struct span to;       /* the reverse-path of the original */
	struct span queue_id; /* of the original */
	struct span envid;    /* decoded, "" when not given */
	uint64_t id, random;  /* Message-ID and boundary */
	int64_t arrived_sec, now_sec;
	int zone_minutes;
	const struct mail_dsn_rcpt *rcpts; /* at least one */
	size_t rcpt_count;
	uint64_t original_len;
	bool is_headers_only; /* RET=HDRS */
	bool is_smtputf8;     /* the report itself is: an ASCII reader's server may not take that */
	bool is_global;       /* the original came with SMTPUTF8 and has UTF-8 */
	bool is_8bit;         /* the original is not 7-bit */
	bool is_binary;       /* the original came as BINARYMIME: its body does not go back */
};

/** Does the whole original go back? Only with a failure (RFC 3461 section 4.3). */
bool mail_dsn_is_full(const struct mail_dsn *d);
void mail_dsn_put_head(struct buf *b, const struct mail_dsn *d);
/** As it is; a global original in a report that is not SMTPUTF8 in base64, which message/global may
 * be, unlike message/rfc822 (RFC 6532 section 3.7). */
void mail_dsn_put_original(struct buf *b, const struct mail_dsn *d, struct span original);
void mail_dsn_put_tail(struct buf *b, const struct mail_dsn *d);

/** Why, and what the sender can do, for an enhanced code (RFC 3463 and its registry): two plain
 * English sentences. Falls back to the subject, then to the class. Never NULL. */
const char *mail_dsn_cause(unsigned cls, unsigned subject, unsigned detail);
const char *mail_dsn_remedy(unsigned cls, unsigned subject, unsigned detail);
