#pragma once
/* The client's side of SASL (RFC 4422): one exchange, challenge in, response out, whatever the protocol
 * around it (SMTP now; IMAP, POP3, ManageSieve). Mechanisms come from GNU SASL, but for OAUTHBEARER and
 * XOAUTH2, which are written here; which ones may be used is our own list (sasl_mechs).
 *
 *	struct sasl_client *c = sasl_client_new("SCRAM-SHA-256", &opts, &e);
 *	sasl_client_step(c, SPAN_NULL, &out, &e);	// initial response, when is_first
 *	while (… 334 challenge …)
 *		sasl_client_step(c, challenge, &out, &e);
 *	sasl_client_verify(c, &e);			// after the server's success
 *	sasl_client_free(&c);
 *
 * Octets are raw here: base64 is the protocol's. Pure; no I/O; does not yield. One thread at a time;
 * secrets are wiped when it is freed. */

#include "base/buf.h"
#include "base/err.h"

#define SASL_MECH_MAX       20 /* RFC 4422 section 3.1 */
#define SASL_RESPONSE_MAX   (64 * 1024)
#define SASL_CHALLENGES_MAX 16 /* more is a server that does not end */

struct sasl_mech {
	const char *name;   /* "SCRAM-SHA-256-PLUS" */
	unsigned strength;  /* higher is tried first */
	bool is_first;      /* the client speaks first */
	bool is_clear;      /* shows the secret to whoever reads along: under TLS only */
	bool needs_binding; /* -PLUS */
	bool needs_token;   /* OAuth access token instead of a password */
	bool needs_password;
};
/** Strongest first; *count_r of them. */
const struct sasl_mech *sasl_mechs(size_t *count_r);
/** NULL: not one of ours. Any case. */
const struct sasl_mech *sasl_mech_find(struct span name);

struct sasl_client_opts { /* spans are copied; "" for none */
	struct span user, password, authzid, realm;
	struct span token;         /* OAuth */
	struct span service, host; /* "smtp", the name the user gave */
	unsigned port;             /* OAUTHBEARER tells it */
	/* Channel binding (RFC 5929, RFC 9266): what both ends of this TLS connection can compute;
	 * "" where it is not to be had. */
	struct span tls_exporter, tls_unique;
	/* What the server offers ("PLAIN SCRAM-SHA-256 ..."), as given to sasl_client_choose: a
	 * SCRAM that could bind tells the server that it saw no -PLUS there, so that a list
	 * shortened on the way is found out (RFC 5802 section 6). "": not told. */
	struct span offered;
	bool has_tls;
};

struct sasl_client;
/** ERR_UNSUPPORTED: no such mechanism here; ERR_STATE: something it needs is missing (said which). */
struct sasl_client *sasl_client_new(
	struct span mech, const struct sasl_client_opts *opts, struct err *e);
void sasl_client_free(struct sasl_client **c);
/** The answer to a challenge, appended to `out` (which the caller wipes). `challenge.ptr` NULL: the
 * initial response. ERR_PROTO: the server does not do what the mechanism says (a wrong nonce, server
 * signature, iterations; too many challenges): answer "*" and give up. */
int sasl_client_step(struct sasl_client *c, struct span challenge, struct buf *out, struct err *e);
/** The server says success: has it shown that it knows the secret where the mechanism wants that
 * (SCRAM)? ERR_PROTO when not. */
int sasl_client_verify(struct sasl_client *c, struct err *e);
/** OAUTHBEARER, XOAUTH2: what the server said about the token (JSON of RFC 7628 section 3.2.2); "". */
struct span sasl_client_detail(const struct sasl_client *c);

/** Which of the offered ones ("PLAIN LOGIN …") to try, strongest first, or in the order of `wanted` ("":
 * any of ours); clear ones only with `may_clear`; what `opts` cannot feed is left out. At most `max`
 * go to mechs_r; their count. */
size_t sasl_client_choose(struct span offered, struct span wanted, bool may_clear,
	const struct sasl_client_opts *opts, const struct sasl_mech **mechs_r, size_t max);
