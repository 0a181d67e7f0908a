#pragma once
/* Signed tokens (JWS compact form, RFC 7515; JWT, RFC 7519) and the sets of keys that they are verified
 * with (JWK, RFC 7517). Pure: bytes in, verdict out; no clock, no I/O.
 *
 *	if (jose_token_parse(a, text, &t, &e) < 0) … it is no token, or of an algorithm that we refuse
 *	if (jose_verify(keys, &t, &e) < 0) … ERR_NOT_FOUND: the set may be old; ERR_DENIED: forged
 *	if (jose_claims_check(a, t.claims, &wanted, &claims, &e) < 0) … not for us, not now
 *
 * Strict: base64url without padding and with zero rest bits, JSON without duplicate names, no `crit`.
 * Keys that a token brings along (jwk, jku, x5c) are never looked at. RFC 8725 has the reasons. */

#include "base/arena.h"
#include "base/err.h"

#define JOSE_TOKEN_MAX (8 * 1024)
#define JOSE_SET_MAX   (256 * 1024)
#define JOSE_KEYS_MAX  64 /* of a set; those behind are passed over */
#define JOSE_KID_MAX   256
#define JOSE_NAME_MAX  320 /* octets of a user, an issuer, an audience */
#define JOSE_LEEWAY    60  /* seconds that clocks may differ */
#define JOSE_RSA_MIN   2048
#define JOSE_RSA_MAX   8192

/* id, name. No "none", and none with a shared secret. */
#define JOSE_ALGS(X)                                                                               \
	X(RS256, "RS256")                                                                          \
	X(PS256, "PS256")                                                                          \
	X(ES256, "ES256")                                                                          \
	X(EDDSA, "EdDSA")
enum jose_alg {
#define X(id, name) JOSE_##id,
	JOSE_ALGS(X)
#undef X
		JOSE_ALG_COUNT
};

struct jose_token {
	enum jose_alg alg;
	struct span kid; /* "": it names no key */
	struct span signed_part, signature;
	struct span claims; /* JSON; nothing in it is true before jose_verify */
};
/** Spans borrow from `text` or live in `a`. ERR_SYNTAX; ERR_UNSUPPORTED: an algorithm that we refuse. */
int jose_token_parse(struct arena *a, struct span text, struct jose_token *token_r, struct err *e);
/** Has it the shape of one (two dots)? */
bool jose_is_token(struct span text);

/* Counted: the provider's place for it, and each login that verifies with it. */
struct jose_keys;
/** Keys that cannot verify any of JOSE_ALGS are passed over. ERR_SYNTAX; ERR_NOT_FOUND: none is left. */
struct jose_keys *jose_keys_parse(struct span json, struct err *e);
struct jose_keys *jose_keys_ref(struct jose_keys *k);
void jose_keys_unref(struct jose_keys **k);
size_t jose_keys_count(const struct jose_keys *k);
/** ERR_NOT_FOUND: no key of that name, or it names none and there are several; ERR_DENIED: the signature
 * does not hold. Any thread. */
int jose_verify(const struct jose_keys *k, const struct jose_token *t, struct err *e);

/* What a token must say; "" and NULL: anything. */
struct jose_wanted {
	const char *issuer, *audience, *scope;
	const char *user_claim;
	int64_t now_sec;
	bool is_expiry_needed;
};
struct jose_claims {
	struct span user;
	int64_t expires_sec; /* 0: it does not say */
};
/** ERR_SYNTAX: no claims; ERR_DENIED: not good for us, and the text says why. Also for the answers of
 * introspection (RFC 7662), whose "active" is the caller's to read. */
int jose_claims_check(struct arena *a, struct span json, const struct jose_wanted *w,
	struct jose_claims *claims_r, struct err *e);
/** The answer of introspection: is the token active? ERR_SYNTAX. */
int jose_is_active(struct span json, bool *yes_r, struct err *e);
