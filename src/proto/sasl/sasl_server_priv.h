#pragma once
/* Between sasl_server.c and sasl_server_scram.c. */

#include "proto/sasl/sasl_priv.h"
#include "proto/sasl/sasl_server.h"

struct sasl_server_kind;

struct sasl_server {
	const struct sasl_server_kind *kind;
	const struct sasl_server_opts *opts;
	const struct sasl_decider *decider;
	void *ctx;
	unsigned steps;
	bool is_begun, is_over;
	const char *why;
	struct buf user, authzid;
	/* SCRAM, between the messages */
	bool is_known;
	struct sasl_keys keys;
	struct buf nonce; /* ours at first (a test may have put one), then both */
	struct buf bound; /* GS2 header and the binding it names */
	struct buf auth;  /* AuthMessage so far */
};

typedef FIBER int sasl_server_fn(struct sasl_server *s, struct span response, struct buf *challenge,
	enum sasl_verdict *verdict_r, struct err *e);

struct sasl_server_kind {
	const char *name;
	sasl_server_fn *step;
	enum scram_hash hash;
	bool is_clear, needs_binding;
};

FIBER int sasl_server_scram(struct sasl_server *s, struct span response, struct buf *challenge,
	enum sasl_verdict *verdict_r, struct err *e);
/** Is a -PLUS among what this connection is offered? */
bool sasl_server_offers_plus(const struct sasl_server_opts *o);
int sasl_server_malformed(struct sasl_server *s, struct err *e);
void sasl_server_refuse(struct sasl_server *s, const char *why, enum sasl_verdict *verdict_r);
/** The credentials are right: accepted if the user may act for whom he names. */
FIBER int sasl_server_accept(struct sasl_server *s, enum sasl_verdict *verdict_r, struct err *e);
/** Keep a name the client gives, prepared. false: it cannot be one. */
bool sasl_server_name(struct buf *to, struct span name);
