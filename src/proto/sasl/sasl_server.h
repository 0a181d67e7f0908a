#pragma once
/* The server's side of SASL (RFC 4422): one exchange, response in, challenge out, whatever the
 * protocol around it. SCRAM-SHA-256(-PLUS), SCRAM-SHA-1(-PLUS), PLAIN, LOGIN, OAUTHBEARER, XOAUTH2,
 * EXTERNAL. What is true is decided by the table of questions; nothing is kept here beyond the
 * exchange.
 *
 *	struct sasl_server *s = sasl_server_new(mech, &opts, &decider, ctx, &e);
 *	do {
 *		if (sasl_server_step(s, response, &challenge, &verdict, &e) < 0)
 *			… malformed, or a question could not be answered …
 *	} while (verdict == SASL_MORE && … 334 challenge, read the response …);
 *	if (verdict == SASL_ACCEPTED) … sasl_server_user(s) …
 *	sasl_server_free(&s);
 *
 * An unknown user is asked what a known one is asked (a salt that stays the same, derived from
 * opts.secret) and refused at the same step after the same work. Octets are raw: base64 is the
 * protocol's. Questions may yield, so a step may; one fiber at a time. Secrets are wiped. */

#include "base/buf.h"
#include "base/err.h"
#include "run/fiber.h"

#define SASL_SERVER_RESPONSE_MAX (12 * 1024) /* RFC 4954 section 4: 12288 octets, as base64 */
#define SASL_SERVER_NAME_MAX     1024
#define SASL_SERVER_SECRET_MAX   (8 * 1024) /* a password or a token */
#define SASL_SERVER_SALT_MAX     64
#define SASL_SERVER_FAKE_SALT    16
#define SASL_SERVER_KEY_MAX      32
#define SASL_SERVER_SECRET_MIN   16 /* of opts.secret */

struct sasl_server_opts {      /* spans are borrowed for as long as the exchange lasts */
	const char *mechs;     /* "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN": the service's list */
	bool has_tls;          /* without it the clear ones are not offered … */
	bool is_clear_allowed; /* … but where this is set (a Unix socket) */
	/* Channel bindings of the connection (net/tls.h); "" where there is none. */
	struct span tls_exporter, tls_unique, tls_server_end_point;
	struct span secret;  /* at least SASL_SERVER_SECRET_MIN random octets, kept over restarts */
	unsigned iterations; /* told for users who have no keys: what the others have; 10000 */
	/* OAuth: what a client whose token is refused is told (RFC 7628 section 3.2.2); NULL, "": nothing. */
	const char *oauth_scope, *oauth_discovery;
};

/* What is kept of a password (RFC 5802 section 3). */
struct sasl_keys {
	unsigned iterations;
	unsigned char salt[SASL_SERVER_SALT_MAX];
	size_t salt_len;
	unsigned char stored[SASL_SERVER_KEY_MAX], server[SASL_SERVER_KEY_MAX];
};

/* The questions. 0 and the answer in *yes_r; -1: no answer can be had now (the peer is told to come
 * again). `yes_r` is false when they are asked. All may yield; NULL: always no. Names have gone
 * through SASLprep; spans live until the question is answered. */
struct sasl_decider {
	/** The keys of `user` for SCRAM-SHA-256 (or SHA-1); no: there are none. Then a salt of
	 * SASL_SERVER_FAKE_SALT octets, where one is given, is shown for him: it must be one for all ways
	 * to write his name where those of a user who is there have one. */
	FIBER int (*keys)(void *ctx, struct span user, bool is_sha1, struct sasl_keys *keys_r,
		bool *yes_r, struct err *e);
	/** Is it the password? As long for an unknown user as for a known one. */
	FIBER int (*password)(
		void *ctx, struct span user, struct span password, bool *yes_r, struct err *e);
	/** Is the token good? `claimed` ("": none) is whom the client says it is for; *user_r gets
	 * whom it is for. */
	FIBER int (*token)(void *ctx, struct span claimed, struct span token, struct buf *user_r,
		bool *yes_r, struct err *e);
	/** Whom does the connection itself speak for (a client certificate, a socket's peer)? */
	FIBER int (*external)(void *ctx, struct buf *user_r, bool *yes_r, struct err *e);
	/** May `user`, who has shown who he is, act for `authzid`, another name? */
	FIBER int (*may_act)(
		void *ctx, struct span user, struct span authzid, bool *yes_r, struct err *e);
};

enum sasl_verdict {
	SASL_MORE,     /* send the challenge (it may be empty) and read a response */
	SASL_ACCEPTED, /* nothing is to be sent but the protocol's success */
	SASL_REFUSED,  /* wrong credentials, whatever exactly is wrong */
};

/** Append what can be offered on this connection, blanks between, in the order of opts->mechs. */
void sasl_server_offer(const struct sasl_server_opts *opts, struct buf *list);

struct sasl_server;
/** ERR_UNSUPPORTED: not a mechanism of opts->mechs; ERR_TLS: only with TLS (RFC 4954: 538);
 * ERR_STATE: -PLUS without a channel binding. `opts` and `decider` stay the caller's. */
struct sasl_server *sasl_server_new(struct span mech, const struct sasl_server_opts *opts,
	const struct sasl_decider *decider, void *ctx, struct err *e);
void sasl_server_free(struct sasl_server **s);
/** `response.ptr` NULL: the client sent no initial response. The challenge is appended. ERR_SYNTAX: the
 * response cannot be read; ERR_LIMIT: too long; others come from a question. After -1 or a verdict
 * other than SASL_MORE the exchange is over. */
FIBER int sasl_server_step(struct sasl_server *s, struct span response, struct buf *challenge,
	enum sasl_verdict *verdict_r, struct err *e);
/** After SASL_ACCEPTED: who has logged in, and for whom (the same without an authzid). */
struct span sasl_server_user(const struct sasl_server *s);
struct span sasl_server_identity(const struct sasl_server *s);
/** For the log: why it was refused ("password", "channel binding", …); "" before. */
const char *sasl_server_why(const struct sasl_server *s);
const char *sasl_server_mech(const struct sasl_server *s);
