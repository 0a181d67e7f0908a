#pragma once
/* DKIM (RFC 6376, RFC 8301, RFC 8463): the names that all parts of it share. The parts:
 *
 *	dkim_tags.h	"a=b; c=d", strictly
 *	dkim_canon.h	header and body in the forms that are signed
 *	dkim_key.h	key records of the DNS, and private keys
 *	dkim_message.h	a message that streams by once: its fields, and digests of its body
 *	dkim_sign.h	signature fields for it
 *	dkim_verify.h	what its signatures are worth
 *
 * What tells one kind of signature field from another is data (struct dkim_dialect), so that a second
 * pair of fields beside DKIM-Signature needs a table, not a second room. Pure; OpenSSL computes. */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define DKIM_DIGEST_LEN     32  /* SHA-256 */
#define DKIM_TAGS_MAX       40  /* of one list */
#define DKIM_NAMES_MAX      512 /* in h= */
#define DKIM_SIGNATURES_MAX 10  /* that are looked at in one message */
#define DKIM_BODIES_MAX     8   /* different digests of one body */
#define DKIM_LINE_MAX       78  /* of a field that we write (RFC 5322 section 2.1.1) */
#define DKIM_FIELD_MAX      (16 * 1024)
#define DKIM_RSA_BITS_MIN   1024 /* RFC 8301 section 3.2: less is no signature */
#define DKIM_RSA_BITS_MAX   8192
#define DKIM_SIGN_BITS_MIN  2048 /* of keys that we make */
#define DKIM_SIGN_BITS_MAX  4096

/* algorithm, its name in a=, the key's type in k= */
#define DKIM_ALGORITHMS(X)                                                                         \
	X(RSA_SHA256, "rsa-sha256", "rsa")                                                         \
	X(ED25519_SHA256, "ed25519-sha256", "ed25519")
enum dkim_algorithm {
#define X(id, name, key) DKIM_##id,
	DKIM_ALGORITHMS(X)
#undef X
		DKIM_ALGORITHM_COUNT
};
const char *dkim_algorithm_str(enum dkim_algorithm a);
/** "rsa", "ed25519" */
const char *dkim_algorithm_key_str(enum dkim_algorithm a);
bool dkim_algorithm_parse(struct span name, enum dkim_algorithm *a_r);
bool dkim_algorithm_parse_key(struct span type, enum dkim_algorithm *a_r);

#define DKIM_CANONS(X)                                                                             \
	X(SIMPLE, "simple")                                                                        \
	X(RELAXED, "relaxed")
enum dkim_canon {
#define X(id, name) DKIM_##id,
	DKIM_CANONS(X)
#undef X
		DKIM_CANON_COUNT
};
const char *dkim_canon_str(enum dkim_canon c);
bool dkim_canon_parse(struct span name, enum dkim_canon *c_r);

/* How often a field's name stands in h= (RFC 6376 section 5.4, 8.15). */
enum dkim_cover {
	DKIM_COVER_ALWAYS,  /* once more than there are, also when there is none: nobody adds one */
	DKIM_COVER_SEALED,  /* when there is one, once more than there are */
	DKIM_COVER_PRESENT, /* as often as there are */
};
struct dkim_rule {
	const char *name;
	enum dkim_cover cover;
};

/* One kind of signature field. */
struct dkim_dialect {
	const char *field;             /* "DKIM-Signature" */
	const char *version;           /* of v= in it */
	const char *key_version;       /* of v= in the key's record */
	const char *key_label;         /* "_domainkey": between selector and domain */
	const char *service;           /* that s= of the key must allow */
	const struct dkim_rule *rules; /* the fields that we sign, in the order of h= */
	size_t rule_count;
};
extern const struct dkim_dialect dkim_rfc6376;

/** "selector._domainkey.domain", in `a`. */
struct span dkim_key_name(
	struct arena *a, const struct dkim_dialect *d, struct span selector, struct span domain);
/** Labels of letters, digits, "-" and "_", of 63 octets at most, joined by dots (RFC 6376 section
 * 3.1: a selector may have several). */
bool dkim_is_selector(struct span s);
/** Is `domain` the same as `parent` or below it? ASCII case does not count. */
bool dkim_is_within(struct span domain, struct span parent);
