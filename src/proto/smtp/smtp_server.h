#pragma once
/* The SMTP and LMTP server dialogue (RFC 5321, RFC 2033): what is said, never what is decided.
 * Decisions come from the table `struct smtp_decider`; this file knows the order of the talk, the
 * grammar, the limits and the timeouts. One call serves one connection until it ends.
 *
 * Strict where a mistake could become a second message: lines end with CR LF (commands too, unless
 * newlines are normalised), only CRLF.CRLF ends DATA, NUL is refused but with BODY=BINARYMIME, and
 * no envelope remains after a reply that ends or refuses DATA or BDAT. Lenient where it costs
 * nothing: a blank behind "FROM:", odd HELO names, octets sent before their turn (noted in the log).
 * The end of each session is one log event, "smtp.in.session".
 *
 * Extensions: PIPELINING SIZE 8BITMIME BINARYMIME CHUNKING SMTPUTF8 DSN ENHANCEDSTATUSCODES
 * STARTTLS LIMITS AUTH HELP; each can be switched off. DELIVERBY MT-PRIORITY FUTURERELEASE REQUIRETLS
 * ask something of what comes after the server: they are offered where the deciders say that it is
 * done (smtp_decider.extensions). */

#include "base/log.h"
#include "net/stream.h"
#include "net/tls.h"
#include "proto/sasl/sasl_server.h"
#include "proto/smtp/smtp_syntax.h"

/* RFC 5321 section 4.5.3: floors there, our defaults here; all can be set. */
struct smtp_server_limits {
	size_t command_line;     /* 2048 octets with CRLF (floor 512; extensions add to it) */
	size_t text_line;        /* 0: any; content lines longer than this are refused 5.6.0 */
	uint64_t message_octets; /* 52428800, in SIZE */
	size_t recipients;       /* 1000 a transaction, then 452 4.5.3; in LIMITS RCPTMAX */
	size_t transactions;     /* 1000 a connection, then 421 */
	unsigned errors_soft;    /* 5: from here each error reply waits errors_delay_ns */
	unsigned errors_hard;    /* 20: 421 4.7.0 and close */
	unsigned junk_commands;  /* 100 of NOOP/RSET/VRFY/HELP/EHLO between messages, then 421 */
	size_t bdat_commands;    /* 1000000 chunks a message */
	int64_t errors_delay_ns; /* 1 s */
	unsigned auth_failures;  /* 6: failed logins, then 421 4.7.0 */
	int64_t auth_delay_ns;   /* 1 s before each 535 */
	int64_t command_ns;      /* 5 min (RFC 5321 4.5.3.2.7) */
	int64_t data_ns;         /* 3 min between blocks, plus an overall floor of 500 octets/s */
	int64_t session_ns;      /* 0: none */
	int64_t by_min_seconds; /* 0: DELIVERBY in mode R may ask for any time, else 555 5.5.4 below */
	int64_t hold_max_ns;    /* 60 d: FUTURERELEASE, at most nine digits of seconds */
};
void smtp_server_limits_default(struct smtp_server_limits *l);

enum smtp_newlines { SMTP_NEWLINES_REFUSE, SMTP_NEWLINES_NORMALISE }; /* bare CR / LF in DATA */

struct smtp_server_opts {
	const char *hostname; /* in the greeting and EHLO reply */
	const char *software; /* "Yizhan" in the greeting, or NULL */
	struct smtp_server_limits limits;
	enum smtp_newlines newlines;
	bool is_lmtp;
	bool is_tls_implicit;   /* handshake before the greeting */
	struct tls_server *tls; /* NULL: no STARTTLS */
	unsigned features_off;  /* enum smtp_feature bits not to offer */
	const struct log *log;
	const bool *is_draining; /* when true: 421 4.3.2 at the next command boundary */
};

/* What the deciders see of the session. Strings live as long as the session (helo) or the
 * transaction (envelope). */
struct smtp_session {
	struct stream *stream;
	const struct smtp_server_opts *opts;
	const struct addr *peer, *local;
	const struct stream_tls *tls; /* NULL: clear */
	struct span helo;             /* "" before */
	bool is_esmtp, is_lmtp;
	/* "" when not logged in: who it is, for whom he acts (mostly himself), and how. Forgotten by
	 * STARTTLS. */
	struct span auth_user, auth_identity;
	const char *auth_mech;
	struct log log; /* child log: session id, peer */
	uint64_t id;    /* random */
	unsigned messages, errors;
	struct arena *arena; /* session */
	/* the transaction */
	bool has_mail;
	struct smtp_mail mail;   /* reverse-path and parameters */
	struct smtp_rcpt *rcpts; /* accepted ones */
	size_t rcpt_count;
	struct arena *txn;   /* transaction */
	bool is_binary_body; /* BODY=BINARYMIME: octets are content, not lines */
};

/* Each decision fills `r` (preset with the usual positive reply) and returns nothing else: a reply
 * code of 400 and above refuses. All may yield. `ctx` is the connection's. */
#define SMTP_SERVER_EXTENSIONS                                                                     \
	(SMTP_DELIVERBY | SMTP_MT_PRIORITY | SMTP_FUTURERELEASE | SMTP_REQUIRETLS)
struct smtp_decider {
	/** Once per connection before the greeting: 220, 421 or 554. */
	FIBER void (*connect)(void *ctx, struct smtp_session *s, struct smtp_reply *r);
	FIBER void (*helo)(void *ctx, struct smtp_session *s, struct smtp_reply *r);
	/** At EHLO, before `extensions` and `auth_offer` are asked, which cannot wait: look up what they
	 * need. NULL: nothing. */
	FIBER void (*prepare)(void *ctx, struct smtp_session *s);
	/** Which of SMTP_SERVER_EXTENSIONS this client is offered, whatever the listener; asked when it
	 * greets. NULL: none. REQUIRETLS is offered under TLS only. Does not yield. */
	unsigned (*extensions)(void *ctx, const struct smtp_session *s);
	/** May this client do anything yet? Asked before MAIL and VRFY; false: `r` says why not (530). NULL:
	 * everybody may. Does not yield. */
	bool (*admits)(void *ctx, const struct smtp_session *s, struct smtp_reply *r);
	/** May lower s->mail.priority, and says so then: 250 2.3.6 (RFC 6710 section 4.2). */
	FIBER void (*mail)(
		void *ctx, struct smtp_session *s, const struct smtp_mail *m, struct smtp_reply *r);
	/** `rcpt->user` may be set by the decider (it lives in s->txn). */
	FIBER void (*rcpt)(
		void *ctx, struct smtp_session *s, struct smtp_rcpt *rcpt, struct smtp_reply *r);
	/** Before 354, or before the first BDAT chunk's octets are taken. */
	FIBER void (*body_begin)(void *ctx, struct smtp_session *s, struct smtp_reply *r);
	/** Content octets, un-dotted, lines ending with CRLF unless is_binary_body; any cut. A
	 * refusal here is remembered; the rest of the body is read and dropped. */
	FIBER void (*body_data)(
		void *ctx, struct smtp_session *s, struct span octets, struct smtp_reply *r);
	/** The end: the point of no return is inside. In LMTP `replies` has one for each accepted
	 * recipient, in SMTP one. */
	FIBER void (*body_end)(
		void *ctx, struct smtp_session *s, struct smtp_reply *replies, size_t count);
	/* AUTH (RFC 4954), offered when auth_offer and sasl are set and the former says so. */
	/** What this session may log in with: fill `o`, but for has_tls and the channel bindings,
	 * which the dialogue knows; false: with nothing. Asked at EHLO and at AUTH. Clear mechanisms
	 * in it are kept back until there is TLS. Does not yield. */
	bool (*auth_offer)(void *ctx, const struct smtp_session *s, struct sasl_server_opts *o);
	const struct sasl_decider *sasl;
	/** The ctx that its questions get. NULL: that of this table. */
	void *(*sasl_ctx)(void *ctx);
	/** After an exchange, `r` preset with 235 or 535: may refuse a login that was right (432,
	 * 454, 421 …). s->auth_user is whom it is about when is_accepted. NULL: as it is. */
	FIBER void (*auth)(
		void *ctx, struct smtp_session *s, bool is_accepted, struct smtp_reply *r);
	/** The session's fiber was cancelled. NULL: because the server stops, which the client hears
	 * as 421 4.3.2. Otherwise the login counts no more, and these words go with 421 4.7.0. Does
	 * not yield. */
	const char *(*ended)(void *ctx, const struct smtp_session *s);
	/** The transaction is over, for whatever reason. Exactly once for each that began. */
	void (*reset)(void *ctx, struct smtp_session *s);
};

/** Serve until QUIT, error, drain or cancellation. The stream stays the caller's. Always 0 for an
 * orderly end; -1 tells the log why it ended. */
FIBER int smtp_server_run(struct stream *stream, const struct smtp_server_opts *opts,
	const struct smtp_decider *decider, void *ctx, struct err *e);
