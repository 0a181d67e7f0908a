#pragma once
/* Inside acme: acme.c (what is due), acme_order.c (the story of one certificate), acme_prove.c (one
 * name's proof), acme_talk.c (requests, nonces, the account), acme_jose.c (signatures), acme_cert.c
 * (keys and certificates), acme_json.c (what the authority says). */

/* OpenSSL's type of that name meets our error code (base/err.h). */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include <pthread.h>

#include "services/acme/acme.h"

#define ACME_NONCE_TRIES 10
#define ACME_POLL_NS     (3 * CLOCK_MIN) /* for a challenge or an order to be decided */
#define ACME_WAIT_NS     CLOCK_SEC       /* between two looks, when nothing is said */
#define ACME_WAIT_MAX_NS (30 * CLOCK_SEC)
#define ACME_WAITS_MAX   CLOCK_DAY /* of Retry-After */
#define ACME_URL_MAX     2048

/* ---- settings, as they were when something began ---- */
struct acme_plan {
	int refs;
	struct arena *arena;
	struct acme_settings s;
};

struct acme_answer {
	struct acme_answer *next;
	char *token, *text;
};

struct acme {
	struct acme_opts opts;
	struct acme_plan *plan;
	struct work_lane *lane;
	struct dns *dns;
	bool is_busy; /* one order at a time */
	struct fiber_cond changed;
	pthread_mutex_t lock; /* guards the answers */
	struct acme_answer *answers;
	size_t answer_count;
};

/* ---- acme_json.c ---- */
struct acme_doc;
/** Of an object; it goes with the arena. NULL: it is none. */
const struct acme_doc *acme_doc(struct arena *a, struct span text);
/** NULL and 0 for what is not there. */
const struct acme_doc *acme_doc_get(const struct acme_doc *d, const char *name);
const struct acme_doc *acme_doc_at(const struct acme_doc *d, size_t i);
size_t acme_doc_count(const struct acme_doc *d);
/** "" for what is no text; control characters make it one. */
const char *acme_doc_text(const struct acme_doc *d, const char *name);
const char *acme_doc_str(const struct acme_doc *d);
bool acme_doc_is(const struct acme_doc *d, const char *name); /* true? */

/* ---- acme_jose.c ---- */
void acme_put_b64(struct buf *b, struct span s); /* base64url, no padding */
bool acme_get_b64(struct buf *b, struct span text);
/** The public key as JWK, members in the order of RFC 7638. */
int acme_put_jwk(struct buf *b, EVP_PKEY *key, struct err *e);
int acme_put_thumbprint(struct buf *b, EVP_PKEY *key, struct err *e);
struct acme_sign {
	EVP_PKEY *key;   /* ES256; NULL: `mac` */
	struct span mac; /* HS256, for external accounts */
	const char *kid,
		*nonce; /* kid NULL: the key itself (jwk) is in the header; nonce NULL: none */
	const char *url;
	struct span payload;
};
/** A JWS in flattened JSON form (RFC 7515 section 7.2.2). */
int acme_put_jws(struct buf *b, const struct acme_sign *s, struct err *e);

/* ---- acme_cert.c ---- */
EVP_PKEY *acme_key_new(struct err *e);
EVP_PKEY *acme_key_read(struct span pem, struct err *e);
/** PEM, in `a`. */
int acme_key_put(struct arena *a, EVP_PKEY *key, struct span *pem_r, struct err *e);
/** RFC 8555 section 7.4: the request, in DER. `names` with blanks between. */
int acme_put_csr(struct buf *b, EVP_PKEY *key, struct span names, struct err *e);
/** RFC 8737 section 3: the certificate that answers a challenge, and its key, in `a`. */
int acme_make_alpn(struct arena *a, struct span name, struct span authorization,
	struct span *cert_r, struct span *key_r, struct err *e);
/** Is the chain for this key and all of the names? When does it begin and end? */
int acme_check_chain(struct span chain, struct span key, struct span names,
	int64_t *not_before_ns_r, int64_t *not_after_ns_r, struct err *e);
/** Normal form: A-labels, lower case, one blank between. ERR_SYNTAX. */
int acme_names(struct arena *a, struct span text, struct span *names_r, struct err *e);

/* ---- acme_talk.c ---- */
struct acme_talk {
	struct acme *acme;
	struct acme_plan *plan;
	struct arena *a;
	acme_step_fn *step; /* may be NULL */
	void *step_arg;
	EVP_PKEY *key;
	const char *kid, *nonce;
	const char *new_nonce, *new_account, *new_order;
	const char *terms,
		*problem; /* the last error's type, without "urn:ietf:params:acme:error:" */
	bool is_eab_wanted, is_new_account;
	bool is_forgotten; /* the authority does not know the account any more */
	int64_t retry_ns;  /* the authority wants to be left alone for so long; 0 it did not say */
};
struct acme_reply {
	long status;
	const char *location;
	const struct acme_doc *doc; /* NULL: no JSON */
	struct span body;
	int64_t retry_ns; /* Retry-After; 0 none */
};
/** Directory and account: then requests can be made. */
FIBER int acme_talk_begin(struct acme_talk *t, struct err *e);
void acme_talk_end(struct acme_talk *t);
/** A signed request; payload "": POST-as-GET (section 6.3). -1 for problem documents too. */
FIBER int acme_post(struct acme_talk *t, const char *url, struct span payload,
	struct acme_reply *reply_r, struct err *e);
/** The error that a problem document tells (section 6.7): what was said, and what can be done. */
int acme_problem(struct acme_talk *t, const struct acme_doc *problem, struct err *e);
FIBER int acme_say(struct acme_talk *t, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/** Wait before the next look; ERR_TIMEOUT behind the deadline. */
FIBER int acme_wait(
	const struct acme_reply *r, unsigned *tries, int64_t deadline_ns, struct err *e);

/* ---- acme_prove.c ---- */
/** Prove one name with a kind of challenge. *is_failed_r: the proof was not accepted. */
FIBER int acme_prove(struct acme_talk *t, const char *authorization, enum acme_challenge kind,
	bool *is_failed_r, struct err *e);

/* ---- acme_order.c ---- */
/** From where the row stands to a certificate in it; the row is kept in the store on the way. */
FIBER int acme_order(struct acme_talk *t, struct certificate *row, struct err *e);
