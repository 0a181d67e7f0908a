#pragma once
/* The client side of SMTP and LMTP, as one straight line: greeting, EHLO, STARTTLS, transactions,
 * QUIT. The outbound carrier runs it on a fiber, the library on a blocking socket: it knows only
 * the stream it is given. No globals, no look-ups, no decisions about trying again.
 *
 *	struct smtp_client c;
 *	smtp_client_init(&c, stream, &(struct smtp_client_opts){.hostname = "mx.example"});
 *	if (smtp_client_greet(&c, &e) == 0 && smtp_client_send(&c, &txn, &e) == 0)
 *		...			// each txn.rcpts[i].fate is decided
 *	smtp_client_quit(&c, NULL);
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
	bool is_helo_only;     /* HELO at once */
	bool no_rset;          /* never RSET by ourselves */
	unsigned features_off; /* enum smtp_feature bits not to use although offered */
	bool keeps_lines;      /* replies keep their lines as sent (smtp_reply.lines) */
	struct smtp_client_timeouts timeouts;
};

struct smtp_client {
	struct stream *stream;
	struct smtp_client_opts opts;
	struct arena *arena; /* of the session */
	struct arena *said;  /* what the last EHLO said: reset with caps */
	struct smtp_caps caps;
	struct smtp_reply_parser parser; /* parser.reply: the last reply; code 0: none came */
	/* Kept, with all their lines; code 0: none yet. */
	struct smtp_reply greeting;
	struct smtp_reply hello; /* to the last EHLO, LHLO or HELO */
	struct smtp_reply ehlo;  /* EHLO's refusal, when HELO was said because of it */
	struct smtp_reply auth;  /* the last word of AUTH */
	bool is_esmtp;
	bool is_over; /* 421, or the connection broke: no further command */
	uint64_t transactions;
	size_t outstanding; /* commands whose reply has not been read */
};

void smtp_client_init(
	struct smtp_client *c, struct stream *stream, const struct smtp_client_opts *opts);
void smtp_client_fini(struct smtp_client *c);

/* A reply that refuses is ERR_REPLY with its code and enhanced code (scope peer), and stands in
 * c->parser.reply. A connection that is lost, or a peer that breaks the protocol, is another code, and
 * c->is_over. */

/** Read the greeting, no more. */
FIBER int smtp_client_greeting(struct smtp_client *c, struct err *e);

enum smtp_hello {
	SMTP_HELLO_ANY,  /* EHLO, and HELO where that is refused with 5yz (RFC 5321 section 3.2);
	                  * LHLO in LMTP; HELO with opts.is_helo_only */
	SMTP_HELLO_EHLO, /* EHLO (LHLO) alone */
	SMTP_HELLO_HELO
};
/** What was offered before is forgotten first. When both are refused c->ehlo and c->hello have the
 * two replies. */
FIBER int smtp_client_hello(struct smtp_client *c, enum smtp_hello verb, struct err *e);
/** Both: greeting and SMTP_HELLO_ANY. */
FIBER int smtp_client_greet(struct smtp_client *c, struct err *e);

/** STARTTLS, handshake, EHLO again; what was said in clear is forgotten (RFC 3207 section 4.2).
 * ERR_REPLY when the peer refuses the command (the session goes on in clear if the caller wants),
 * ERR_TLS when the handshake fails (it does not). */
FIBER int smtp_client_starttls(struct smtp_client *c, struct tls_client *tls, struct span name,
	bool is_verify, struct err *e);
/** The same with all that can be said; `verdict_r` as tls_connect_with() has it. */
FIBER int smtp_client_starttls_with(struct smtp_client *c, struct tls_client *tls,
	const struct tls_connect_opts *opts, struct tls_verdict *verdict_r, struct err *e);
/** Its first part: 220 has been read, nothing stands behind it (ERR_TLS otherwise: an injection), the
 * capabilities are forgotten; the handshake and EHLO are the caller's. */
FIBER int smtp_client_starttls_ask(struct smtp_client *c, struct err *e);

/** One command line, as it stands (CR, LF, NUL are refused: ERR_SYNTAX); its reply is in
 * c->parser.reply until the next command. Any code is 0; -1 only when there was no reply. */
FIBER int smtp_client_command(
	struct smtp_client *c, struct span line, int64_t timeout_ns, struct err *e);
/** Its two halves, for commands that have no reply or several. */
FIBER int smtp_client_put(
	struct smtp_client *c, struct span line, int64_t timeout_ns, struct err *e);
FIBER int smtp_client_get(struct smtp_client *c, int64_t timeout_ns, struct err *e);
/** QUIT; nobody waits long for the answer. Does nothing on a broken connection (then -1). The
 * capabilities are forgotten and c->is_over. -1 also when the answer is not 221. */
FIBER int smtp_client_quit(struct smtp_client *c, struct err *e);

#define SMTP_AUTH_CHALLENGES_MAX 16  /* a server that asks more often never ends */
#define SMTP_AUTH_LINE_MAX       512 /* RFC 4954 section 4: an initial response fits, or waits */
#define SMTP_AUTH_RESPONSE_MAX   (64 * 1024)
#define SMTP_AUTH_MECH_MAX       20 /* RFC 4422 section 3.1 */

/* One step of a SASL exchange; octets are raw, base64 is done here. */
struct smtp_auth_step {
	bool is_first;         /* asks for the initial response */
	struct span challenge; /* decoded */
	struct buf *response;  /* append here; wiped after use */
	bool has_response;     /* to is_first: there is one (it may be empty) */
};
/** -1: give up ("*" is sent when a challenge waits for its answer). */
typedef int smtp_auth_fn(void *arg, struct smtp_auth_step *step, struct err *e);
/** AUTH `mech` (RFC 4954). 0 after 235, and after 503 (already logged in). ERR_REPLY: refused, the
 * session goes on; ERR_PROTO: the exchange made no sense; or the step's own error. c->auth is the
 * last reply. Responses are masked in a trace. `step` is not called from within a wait. */
FIBER int smtp_client_auth(
	struct smtp_client *c, struct span mech, smtp_auth_fn *step, void *arg, struct err *e);
struct sasl_client;
/** The same with a mechanism of proto/sasl; checks at the end that the server has shown what it must. */
FIBER int smtp_client_auth_sasl(
	struct smtp_client *c, struct span mech, struct sasl_client *sasl, struct err *e);

static inline bool smtp_client_has(const struct smtp_client *c, enum smtp_feature f)
{
	return (c->caps.features & ~c->opts.features_off & (unsigned)f) != 0;
}

/** Are octets of the peer there to be read (or its end)? Never waits. */
FIBER bool smtp_client_has_input(struct smtp_client *c);

/* Content, from the first octet of the header on. Lines end with CRLF (octets as they are when the
 * transaction's body is BINARYMIME). */
struct smtp_source {
	/** The next run of octets, valid until the next call; empty at the end. May yield. */
	FIBER int (*next)(struct smtp_source *src, struct span *octets_r, struct err *e);
	/** Back to the first octet. NULL: can be read once. */
	void (*rewind)(struct smtp_source *src);
	bool keeps_bare; /* smtp_client_data: bare CR and LF go out as they are, dots behind LF doubled */
};

enum smtp_fate {
	SMTP_FATE_NONE, /* nothing was taken: the connection failed before, or it was not tried */
	SMTP_FATE_ACCEPTED, /* the peer has taken responsibility */
	SMTP_FATE_REFUSED,  /* reply says so: 4yz may work later */
	SMTP_FATE_UNKNOWN,  /* the connection was lost after the end of data, before the reply */
};

struct smtp_txn_rcpt {
	struct span address; /* "local@domain" */
	unsigned notify;     /* enum smtp_notify bits, 0: not given */
	struct span orcpt;   /* "rfc822;addr" decoded; "" */
	struct span extra;   /* further parameters as they stand, "X-FOO=1"; "" */
	/* results */
	enum smtp_fate fate;
	enum smtp_stage stage; /* that decided */
	bool is_taken;         /* RCPT was answered with 2yz */
	bool is_ours;          /* the reply is our own: the message needs what the peer lacks */
	bool is_dsn_passed;    /* NOTIFY went along: reports are the peer's duty now */
	struct smtp_reply reply;
	struct smtp_reply
		*rcpt_reply; /* to RCPT; owned, only with txn.keeps_rcpt_replies; NULL: none */
};

/** Is a refusal worth another attempt? 4yz, and 552 to RCPT (RFC 5321 section 4.5.3.1.10). */
static inline bool smtp_rcpt_is_temporary(const struct smtp_txn_rcpt *r)
{
	return r->fate == SMTP_FATE_REFUSED &&
		(r->reply.code < 500 ||
			(r->reply.code == 552 && r->stage == SMTP_STAGE_RCPT && !r->is_ours));
}

struct smtp_txn {
	struct span reverse_path; /* "" is the null sender */
	uint64_t size;            /* octets of the content, exactly */
	bool is_size_unknown;     /* then `size` is only declared (0: not even that) */
	enum smtp_body_type body;
	bool is_body_auto; /* 8BITMIME exactly when the content has 8-bit octets; where it can be read
	                    * only once: when it is offered */
	bool is_smtputf8;       /* the content may need it; addresses are looked at here */
	bool is_8bit_anyway;    /* send 8-bit content even where 8BITMIME is not offered */
	bool no_declare;        /* no SIZE, BODY, SMTPUTF8 by ourselves: `extra` says all */
	bool is_all_or_nothing; /* the first refused recipient ends it */
	bool is_dsn_required;   /* DSN parameters go along or the transaction does not */
	bool is_requiretls;     /* RFC 8689: under TLS and where offered, or not at all */
	bool keeps_rcpt_replies;
	enum smtp_ret ret;
	struct span envid; /* decoded; "" */
	struct span
		auth; /* AUTH= (RFC 4954 section 5): a mailbox or "<>", decoded; "": not given */
	/* DELIVERBY (RFC 2852). Not offered: mode N goes without, R does not go. */
	int64_t by_seconds;
	char by_mode; /* 'R', 'N'; 0: not asked */
	bool by_trace;
	/* FUTURERELEASE (RFC 4865); 0: not asked. Not offered: it does not go. */
	int64_t hold_for, hold_until; /* seconds; seconds since 1970 */
	/* MT-PRIORITY (RFC 6710). Not offered: goes without. */
	bool has_priority;
	int priority;
	struct span extra; /* further parameters as they stand; "" */
	struct smtp_source *source;
	struct smtp_txn_rcpt *rcpts; /* the caller's array; count at most caps.rcpt_max if told */
	size_t rcpt_count;
	/* result: the connection was lost before the peer said a word about this transaction. On a
	 * connection that had been idle it is most likely that it never read it. */
	bool is_unanswered;
	/* result: recipients with SMTP_FATE_NONE were left out because the peer takes no more in one
	 * transaction (452, 552); another transaction may take them. */
	bool is_cut;
	uint64_t octets; /* result: of the content that went out, before stuffing */
	struct err err;  /* result: why it was not decided; code NONE when it was */
};

/** Free the replies of the recipients. */
void smtp_txn_fini(struct smtp_txn *t);

/** One transaction. 0: it is decided and the session may go on (unless c->is_over); a recipient with
 * SMTP_FATE_NONE was given up for another's refusal (is_all_or_nothing) or left out (is_cut).
 * -1: the connection failed; `e` says how (scope peer), fates that were decided before stay, the
 * others are NONE, or UNKNOWN after the end of data. A failure of the source is scope msg; it ends
 * the connection too when part of the body is out (half a body cannot be taken back). */
FIBER int smtp_client_send(struct smtp_client *c, struct smtp_txn *t, struct err *e);
/** Several, in order. With PIPELINING and CHUNKING the next ones leave before the replies to the
 * last ones are read, as many as SMTP_WINDOW_… allow; RSET goes between them, so that nothing
 * of a refused one can reach the next. With PIPELINING alone an envelope leaves with the content before
 * it. 0: all are decided, or have failed for a reason of their own
 * (txn.err). -1: the connection failed: those that had not left are NONE, those on their way UNKNOWN. */
FIBER int smtp_client_send_many(
	struct smtp_client *c, struct smtp_txn *const *txns, size_t count, struct err *e);
/** DATA, the content, the dot, by itself. 0: parser.reply is the one that decided (to DATA when it is
 * not 354). -1: the connection failed, or the source. */
FIBER int smtp_client_data(struct smtp_client *c, struct smtp_source *source, struct err *e);

#define SMTP_CLIENT_PATH_MAX  4096 /* octets of an address; servers set the real limits */
#define SMTP_CLIENT_EXTRA_MAX 8192
#define SMTP_CLIENT_SMALL     (64 * 1024) /* content up to here may travel with its envelope */
/* What may be under way before replies are read: the replies (RFC 5321 section 4.5.3.1.5: 512 octets
 * each) fit into any socket's buffers, so that neither side waits for the other to read. */
#define SMTP_WINDOW_COMMANDS 128
#define SMTP_WINDOW_OCTETS   (256 * 1024)
