#pragma once
/* The POP3 server dialogue (RFC 1939): what is said, never what is decided. Decisions come from the table
 * `struct pop3_decider`; this file knows the states, the grammar, the limits and the timeouts, which
 * messages are marked as deleted, and the dots. One call serves one connection until it ends.
 *
 * CAPA (RFC 2449) with TOP UIDL USER SASL RESP-CODES AUTH-RESP-CODE LOGIN-DELAY PIPELINING EXPIRE STLS UTF8
 * LANG IMPLEMENTATION; each can be switched off. APOP is not offered: it needs passwords that are kept in
 * clear. A password in clear is taken under TLS only. Messages go only at QUIT, all in one call of `update`:
 * a connection that ends in any other way removes nothing (RFC 1939 section 6). */

#include "base/log.h"
#include "net/stream.h"
#include "net/tls.h"
#include "proto/pop3/pop3_syntax.h"
#include "proto/sasl/sasl_server.h"

#define POP3_SERVER_REST_NS CLOCK_SEC

struct pop3_server_limits {
	unsigned commands_clear; /* 60 before somebody has logged in */
	unsigned auth_failures;  /* 6: failed logins, then the end */
	unsigned errors;         /* 100: wrong commands, then the end */
	int64_t auth_delay_ns;   /* 1 s before a login is refused */
	int64_t idle_ns;         /* 10 min, the least that RFC 1939 section 3 allows */
	int64_t login_ns;        /* 10 min: by then somebody must have logged in */
	int64_t write_ns;        /* 5 min for what is on its way to the client, 256 KiB at most */
};
void pop3_server_limits_default(struct pop3_server_limits *l);

/* Capabilities as CAPA tells them. id, name */
#define POP3_FEATURES(X)                                                                           \
	X(TOP, "TOP")                                                                              \
	X(UIDL, "UIDL")                                                                            \
	X(USER, "USER")                                                                            \
	X(SASL, "SASL")                                                                            \
	X(RESP_CODES, "RESP-CODES")                                                                \
	X(AUTH_RESP_CODE, "AUTH-RESP-CODE")                                                        \
	X(LOGIN_DELAY, "LOGIN-DELAY")                                                              \
	X(PIPELINING, "PIPELINING")                                                                \
	X(EXPIRE, "EXPIRE")                                                                        \
	X(STLS, "STLS")                                                                            \
	X(UTF8, "UTF8")                                                                            \
	X(LANG, "LANG")                                                                            \
	X(IMPLEMENTATION, "IMPLEMENTATION")
enum pop3_feature {
#define X(id, name) POP3_FEATURE_##id,
	POP3_FEATURES(X)
#undef X
		POP3_FEATURE_COUNT
};
#define POP3_BIT(id) (1u << POP3_FEATURE_##id)
const char *pop3_feature_str(enum pop3_feature f);
/** Its bit; 0: there is no such capability. */
unsigned pop3_feature_bit(struct span name);

#define POP3_EXPIRE_NEVER UINT32_MAX

struct pop3_server_opts {
	const char *hostname; /* in the greeting */
	const char *software; /* "Yizhan" in IMPLEMENTATION, or NULL */
	struct pop3_server_limits limits;
	bool is_tls_implicit;    /* handshake before the greeting */
	struct tls_server *tls;  /* NULL: no STLS */
	bool is_clear_allowed;   /* passwords without TLS too (a Unix socket) */
	unsigned features_off;   /* POP3_BIT */
	int64_t login_delay_sec; /* told by CAPA, kept by the decider; 0 none */
	uint32_t expire_days;    /* as in CAPA. 0: what was retrieved goes at QUIT */
	bool is_utf8_needed;     /* headers with octets beyond ASCII only in UTF8 mode */
	const struct log *log;
	const bool *is_draining; /* when true: the end at the next command */
};

/* What the deciders see of the session. Spans live as long as it. */
struct pop3_session {
	struct stream *stream;
	const struct pop3_server_opts *opts;
	struct log log; /* child log: session id, peer */
	uint64_t id;    /* random */
	struct arena *arena;
	bool is_utf8;
	struct span user; /* who has logged in; "" nobody */
};

/* How an exchange of SASL ended. */
struct pop3_login {
	struct span user, identity;
	const char *mech;
	bool is_accepted;
};

/* What is in the mailbox for as long as the session lasts. */
struct pop3_drop {
	uint32_t count;
	uint64_t octets;
};

/* `ctx` is the connection's. Messages are numbered from 0 here. What goes wrong is the decider's to log: the
 * client hears a code and fixed words. */
struct pop3_decider {
	/** Before the greeting: NULL, or why this client may not come in. Does not yield. */
	const char *(*refuse)(void *ctx);
	/** Before mechanisms are offered, which cannot wait: look up what that needs. NULL: nothing. */
	FIBER void (*prepare)(void *ctx);
	/** As smtp_decider.auth_offer: fill `o`, but for has_tls and channel bindings. Does not yield. */
	bool (*auth_offer)(void *ctx, struct sasl_server_opts *o);
	const struct sasl_decider *sasl;
	void *(*sasl_ctx)(void *ctx);
	/** After an exchange. 0: logged in, *user_r lives as long as the session. -1: `e` has the reply of
	 * SMTP, 535 for wrong credentials, 4yz for trouble. */
	FIBER int (*login)(
		void *ctx, const struct pop3_login *login, struct span *user_r, struct err *e);
	/** USER and PASS, the same. */
	FIBER int (*password)(void *ctx, struct span user, struct span password,
		struct span *user_r, struct err *e);
	/** Open the mailbox of who has logged in. -1: *code_r says what to tell (POP3_CODE_NONE: our
	 * trouble), and nobody is logged in any more. */
	FIBER int (*open)(void *ctx, struct pop3_session *s, struct pop3_drop *drop_r,
		enum pop3_code *code_r, struct err *e);
	/** Logged out again: STLS, or the mailbox could not be opened. Does not yield. */
	void (*forget)(void *ctx);
	/** Before each command once somebody has logged in: does that still count? */
	FIBER bool (*still)(void *ctx);
	/** The session's fiber was cancelled because its login counts no more; else the server stops. Does
	 * not yield. */
	bool (*is_ended)(void *ctx);
	FIBER int (*size)(void *ctx, uint32_t i, uint64_t *octets_r, struct err *e);
	void (*uidl)(void *ctx, uint32_t i, struct buf *b); /* does not yield */
	/** The content: one message at a time. ERR_NOT_FOUND: somebody else has removed it. */
	FIBER int (*body_open)(void *ctx, uint32_t i, uint64_t *octets_r, struct err *e);
	/** The next octets; "" at its end. They live until the next call. */
	FIBER int (*body_next)(void *ctx, struct span *octets_r, struct err *e);
	/** After body_open, however it went; is_whole: the client has all of it (RETR). Does not yield. */
	void (*body_close)(void *ctx, uint32_t i, bool is_whole);
	/** The session waits for a command, or has got one. Does not yield. */
	void (*idle)(void *ctx, bool is_idle);
	/** It has waited for POP3_SERVER_REST_NS: let go of what costs memory. Does not yield. */
	void (*rest)(void *ctx);
	/** QUIT: remove these, all or none where that can be; what others have removed counts as removed.
	 * -1: not all are. */
	FIBER int (*update)(void *ctx, const uint32_t *gone, uint32_t count, struct err *e);
};

/** Serve until QUIT, error, drain or cancellation. The stream stays the caller's. Always 0 for an orderly
 * end; -1 tells the log why it ended. */
FIBER int pop3_server_run(struct stream *stream, const struct pop3_server_opts *opts,
	const struct pop3_decider *decider, void *ctx, struct err *e);
