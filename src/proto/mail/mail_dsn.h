#pragma once
/* Delivery status notifications (RFC 3464; RFC 6533 for SMTPUTF8 messages): what a sender gets to
 * read when a message failed, waits, or arrived. Pure: the caller brings the original.
 *
 *	mail_dsn_read_original(a, header, now_sec, &original);	// language, hops
 *	mail_dsn_put_head(&b, &dsn);	// header, text, machine part, begin of the original part
 *	mail_dsn_put_original(&b, &dsn, octets);
 *			// whole when mail_dsn_is_full(&dsn), else its header section
 *	mail_dsn_put_tail(&b, &dsn);
 *
 * It is sent from the null reverse-path, and never for a message that came from one. The text for
 * people is at most 72 columns wide, in 7-bit octets whatever its language; words of others cannot
 * forge a field, a part or a direction of writing in it. */

#include "base/arena.h"
#include "base/buf.h"
#include "proto/mail/mail_cause.h"

#define MAIL_DSN_ORIGINAL_MAX (50 * 1024) /* larger originals come back as their header only */
#define MAIL_DSN_TEXT_MAX     900 /* octets of a reply that are shown: a line has at most 998 */
#define MAIL_DSN_RCPTS_MAX    100 /* told of in one report */
#define MAIL_DSN_HOPS_MAX     12 /* rows of the table of stations; of more the middle is left out */
#define MAIL_DSN_HOPS_FIRST   3  /* of which these are the first */
#define MAIL_DSN_NEXT_MAX     3  /* next attempts that are told */

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

/* What the text is written in. */
enum mail_dsn_words {
	MAIL_DSN_HINT, /* English, with a line of Chinese behind its first: nothing is known */
	MAIL_DSN_EN,
	MAIL_DSN_ZH,
	MAIL_DSN_BOTH, /* the whole text in English, then in Chinese */
};

struct mail_dsn_rcpt {
	enum mail_dsn_action action;
	struct span address;  /* final recipient, "local@domain" */
	struct span orcpt;    /* "rfc822;addr" decoded, "" when not given */
	unsigned code;        /* reply of the next hop; 0: it said none, `text` is our own reason */
	struct span enhanced; /* "5.1.1" (RFC 3463); what is none, or does not fit: by the action */
	struct span text;
	struct span remote_host;  /* "mx.example [192.0.2.1]", "" when none was reached */
	int64_t last_attempt_sec; /* 0: not told */
	int64_t retry_until_sec;  /* delayed; 0: not told */
	int64_t next_sec[MAIL_DSN_NEXT_MAX]; /* delayed: the next attempts; 0: no more are told */
};

/* A station that the original came through. */
struct mail_dsn_hop {
	struct span station; /* its name */
	int64_t at_sec;      /* 0: its date cannot be read */
	int64_t delay_sec;   /* since the station before; < 0: not known */
	bool is_clock_wrong;
};

struct mail_dsn {
	struct span host;     /* ours: Reporting-MTA, and behind MAILER-DAEMON@ */
	struct span to;       /* the reverse-path of the original */
	struct span queue_id; /* of the original */
	struct span envid;    /* decoded, "" when not given */
	uint64_t id, random;  /* Message-ID and boundary */
	int64_t arrived_sec, now_sec;
	int64_t deliver_by_sec; /* its deadline (RFC 2852 section 5), 0: none */
	int zone_minutes;
	enum mail_dsn_words words;
	const struct mail_dsn_rcpt *rcpts; /* at least one, at most MAIL_DSN_RCPTS_MAX */
	size_t rcpt_count;
	const struct mail_dsn_hop *hops; /* oldest first, at most MAIL_DSN_HOPS_MAX */
	size_t hop_count;
	size_t hops_left_out; /* behind the first MAIL_DSN_HOPS_FIRST */
	uint64_t original_len;
	bool is_headers_only; /* RET=HDRS */
	bool is_smtputf8;     /* the report itself is: an ASCII reader's server may not take that */
	bool is_global;       /* the original came with SMTPUTF8 and has UTF-8 */
	bool is_8bit;         /* what comes back of the original is not 7-bit */
	bool is_binary;       /* the original came as BINARYMIME: its body does not go back */
};

/** Does the whole original go back? Only with a failure (RFC 3461 section 4.3). */
bool mail_dsn_is_full(const struct mail_dsn *d);
void mail_dsn_put_head(struct buf *b, const struct mail_dsn *d);
/** As it is; in base64 or quoted-printable where the part may be coded and would else be 8-bit: a
 * global original in a report that is not SMTPUTF8 (RFC 6532 section 3.7), and a header section. */
void mail_dsn_put_original(struct buf *b, const struct mail_dsn *d, struct span original);
void mail_dsn_put_tail(struct buf *b, const struct mail_dsn *d);

/* What the header of the original tells. */
struct mail_dsn_original {
	enum mail_dsn_words words; /* what its author reads, as far as the header shows */
	bool is_automatic;         /* no person waits for it (RFC 3834, mailing lists) */
	struct mail_dsn_hop *hops;
	size_t hop_count, hops_left_out;
};
/** `header`: the section, with our own Received first; octets may end within or behind it. Lives in
 * `a`. */
void mail_dsn_read_original(
	struct arena *a, struct span header, int64_t now_sec, struct mail_dsn_original *original_r);

/** Is this the address of a mail system itself, which nothing is ever reported to
 * ("MAILER-DAEMON@…", "double-bounce@…")? */
bool mail_dsn_is_daemon(struct span address);
/** Does this address collect reports by its name ("list-bounces@…", "owner-list@…")? */
bool mail_dsn_is_collector(struct span address);
