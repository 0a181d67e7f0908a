#pragma once
/* The client side of SMTP and LMTP, as one straight line: greeting, EHLO, STARTTLS, transactions,
 * QUIT. The outbound carrier runs it on a fiber, the library on a blocking socket: it knows only
 * the stream it is given. No globals, no look-ups, no decisions about trying again.
 *
 *	struct smtp_client c;
 *	smtp_client_init(&c, stream, &(struct smtp_client_opts){.hostname = "mx.example"});
 *	if (smtp_client_greet(&c, &e) == 0 && smtp_client_send(&c, &txn, &e) == 0)
 *		...			// each txn.rcpts[i].fate is decided
 *	smtp_client_quit(&c);
 *	smtp_client_fini(&c);		// the stream stays the caller's
 *
 * What the peer says is hostile: replies are limited in line length, lines and text. */

#include "base/arena.h"
#include "net/stream.h"
#include "net/tls.h"
#include "proto/smtp/smtp_syntax.h"

/* Where in the talk something happened. */
#define SMTP_STAGES(X)                                                                             \
	X(GREETING, "greeting")                                                                    \
	X(HELLO, "EHLO")                                                                           \
	X(STARTTLS, "STARTTLS")                                                                    \
	X(AUTH, "AUTH")                                                                            \
	X(MAIL, "MAIL FROM")                                                                       \
	X(RCPT, "RCPT TO")                                                                         \
	X(DATA, "DATA")                                                                            \
	X(BODY, "message body")                                                                    \
	X(DOT, "end of data")                                                                      \
	X(OTHER, "command")
enum smtp_stage {
#define X(id, text) SMTP_STAGE_##id,
	SMTP_STAGES(X)
#undef X
		SMTP_STAGE_COUNT
};
const char *smtp_stage_str(enum smtp_stage s);

/* RFC 5321 section 4.5.3.2; nanoseconds, 0 takes the default. */
struct smtp_client_timeouts {
	int64_t greeting_ns; /* 5 min */
	int64_t hello_ns;    /* 5 min */
	int64_t mail_ns;     /* 5 min, MAIL and RCPT */
	int64_t data_ns;     /* 2 min, until 354 */
	int64_t block_ns;    /* 3 min, each write of the body */
	int64_t dot_ns;      /* 10 min: shorter makes duplicates */
	int64_t quit_ns;     /* 5 s: nothing depends on it */
};

struct smtp_client_opts {
	const char *hostname; /* for EHLO; borrowed */
	bool is_lmtp;
	unsigned features_off; /* enum smtp_feature bits not to use although offered */
	bool keeps_lines;      /* replies keep their lines as sent (smtp_reply.lines) */
	struct smtp_client_timeouts timeouts;
};

struct smtp_client {
	struct stream *stream;
	struct smtp_client_opts opts;
	struct arena *arena; /* what EHLO said */
	struct smtp_caps caps;
	struct smtp_reply_parser parser; /* the last reply */
	struct span greeting;            /* text of the 220 */
	bool is_esmtp;
	bool is_over; /* 421, or the connection broke: no further transaction */
	uint64_t transactions;
};

void smtp_client_init(
	struct smtp_client *c, struct stream *stream, const struct smtp_client_opts *opts);
void smtp_client_fini(struct smtp_client *c);

/** Read the greeting and say EHLO (or LHLO), HELO where EHLO is not known (RFC 5321 section 3.2).
 * ERR_REPLY with the reply's triple when the peer refuses; scope peer. */
FIBER int smtp_client_greet(struct smtp_client *c, struct err *e);
/** STARTTLS, handshake, EHLO again; what was said in clear is forgotten (RFC 3207 section 4.2).
 * ERR_REPLY when the peer refuses the command (the session goes on in clear if the caller wants),
 * ERR_TLS when the handshake fails (it does not). */
FIBER int smtp_client_starttls(struct smtp_client *c, struct tls_client *tls, struct span name,
	bool is_verify, struct err *e);
/** One command line, as it stands (CR, LF, NUL are refused: ERR_SYNTAX); its reply is in
 * c->parser.reply until the next command. Any code is 0; -1 only when there was no reply. */
FIBER int smtp_client_command(
	struct smtp_client *c, struct span line, int64_t timeout_ns, struct err *e);
/** QUIT; nobody waits long for the answer. Does nothing on a broken connection. */
FIBER void smtp_client_quit(struct smtp_client *c);

static inline bool smtp_client_has(const struct smtp_client *c, enum smtp_feature f)
{
	return (c->caps.features & ~c->opts.features_off & (unsigned)f) != 0;
}

/* Content, from the first octet of the header on. Lines end with CRLF (octets as they are when the
 * transaction's body is BINARYMIME). */
struct smtp_source {
	/** The next run of octets, valid until the next call; empty at the end. May yield. */
	FIBER int (*next)(struct smtp_source *src, struct span *octets_r, struct err *e);
	/** Back to the first octet. */
	void (*rewind)(struct smtp_source *src);
};

enum smtp_fate {
	SMTP_FATE_NONE,     /* not decided: the connection failed before; nothing was taken */
	SMTP_FATE_ACCEPTED, /* the peer has taken responsibility */
	SMTP_FATE_REFUSED,  /* reply says so: 4yz may work later */
	SMTP_FATE_UNKNOWN,  /* the connection was lost after the end of data, before the reply */
};

struct smtp_txn_rcpt {
	struct span address; /* "local@domain" */
	unsigned notify;     /* enum smtp_notify bits, 0: not given */
	struct span orcpt;   /* "rfc822;addr" decoded; "" */
	/* results */
	enum smtp_fate fate;
	enum smtp_stage stage; /* that decided */
	bool is_ours;          /* the reply is our own: the message needs what the peer lacks */
	bool is_dsn_passed;    /* NOTIFY went along: reports are the peer's duty now */
	struct smtp_reply reply;
};

struct smtp_txn {
	struct span reverse_path; /* "" is the null sender */
	uint64_t size;            /* octets of the content, exactly */
	enum smtp_body_type body;
	bool is_smtputf8;
	bool is_8bit_anyway; /* send 8-bit content even where 8BITMIME is not offered */
	enum smtp_ret ret;
	struct span envid; /* decoded; "" */
	struct smtp_source *source;
	struct smtp_txn_rcpt *rcpts; /* the caller's array; count at most caps.rcpt_max if told */
	size_t rcpt_count;
	/* result: the connection was lost before the peer said a word about this transaction. On a
	 * connection that had been idle it is most likely that it never read it. */
	bool is_unanswered;
};

/** Free the replies of the recipients. */
void smtp_txn_fini(struct smtp_txn *t);

/** One transaction. 0: every recipient's fate is decided and the session may go on (unless
 * c->is_over). -1: the connection failed; `e` says how (scope peer), fates that were decided before
 * stay, the others are NONE, or UNKNOWN after the end of data. A failure of the source is scope msg
 * and ends the connection too (half a body cannot be taken back). */
FIBER int smtp_client_send(struct smtp_client *c, struct smtp_txn *t, struct err *e);

#define SMTP_CLIENT_SMALL (64 * 1024) /* content up to here may travel with its envelope */
