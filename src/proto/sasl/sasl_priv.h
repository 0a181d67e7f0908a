#pragma once
/* Between the files of this room. */

#include "base/secret.h"
#include "proto/sasl/sasl_client.h"
#include "proto/sasl/sasl_prep.h"
#include "proto/sasl/sasl_scram.h"

#define SASL_TEXT_MAX   (16 * 1024) /* a name or a secret the caller gives */
#define SASL_DETAIL_MAX (8 * 1024)

struct sasl_client_kind;
struct sasl_gnu;

/* SCRAM, between the messages. */
struct sasl_client_scram {
	enum scram_hash hash;
	struct buf nonce; /* ours; a test may have put one */
	struct buf bound; /* GS2 header and channel binding, as the final message shows them */
	struct buf auth;  /* AuthMessage so far: the client's first message, bare */
	unsigned char signature[SCRAM_HASH_MAX]; /* owed by the server */
};

struct sasl_client {
	const struct sasl_mech *mech;
	const struct sasl_client_kind *kind;
	struct sasl_client_opts opts; /* the spans lie in `text` */
	struct secret text;
	unsigned steps;
	bool is_over;     /* no challenge may follow */
	bool is_verified; /* the server has shown what the mechanism wants of it */
	struct buf detail;
	struct sasl_client_scram scram;
	struct sasl_gnu *gnu;
};

/* What a mechanism does with a challenge; steps counts from 0. */
typedef int sasl_client_fn(
	struct sasl_client *c, struct span challenge, struct buf *out, struct err *e);

struct sasl_client_kind {
	sasl_client_fn *step;
	enum scram_hash scram;
	bool is_gnu;
	bool needs_user, needs_host;
	bool is_asked;  /* only when the caller names it */
	bool is_spare;  /* the same where there is a password or a token, or no TLS */
	bool is_mutual; /* the server must show something before its success counts */
};

/* sasl_client_scram.c */
sasl_client_fn sasl_client_scram;
void sasl_client_scram_init(struct sasl_client_scram *s, enum scram_hash hash);
void sasl_client_scram_fini(struct sasl_client_scram *s);
/* sasl_gnu.c */
sasl_client_fn sasl_client_gnu;
bool sasl_gnu_has(const char *mech);
void sasl_gnu_free(struct sasl_gnu **g);

/** The server is at fault: ERR_PROTO, scope peer. */
int sasl_fault(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3), cold));

/** Is the word in the list, any case? */
bool sasl_lists(struct span list, struct span name);
