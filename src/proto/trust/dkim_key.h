#pragma once
/* Keys: the record of a public key in the DNS (RFC 6376 section 3.6.1, RFC 8463 section 4), and private
 * keys that sign. OpenSSL computes; nothing else is asked. */

#include "proto/trust/dkim.h"

#define DKIM_RECORD_MAX 8192 /* octets of a record; a longer one is none */
#define DKIM_PEM_MAX    8192
#define DKIM_STRING_MAX 255 /* octets of one string of a TXT record (RFC 1035 section 3.3) */

/* ---- records ---- */

struct dkim_record {
	bool is_known; /* k= is a type that we know; else nothing below but the flags */
	enum dkim_algorithm algorithm;
	struct span key;  /* p=: DER of RSA, 32 octets of Ed25519 */
	bool is_revoked;  /* p= is empty */
	bool is_testing;  /* t=y */
	bool is_exact;    /* t=s: not for subdomains in i= */
	bool has_service; /* s= allows the dialect's service */
	bool has_sha256;  /* h= allows it */
};
/** The record lives in `a`. ERR_SYNTAX with a reason for people: it is none. */
int dkim_record_parse(struct arena *a, const struct dkim_dialect *d, struct span text,
	struct dkim_record *record_r, struct err *e);
/** Octets of an RSA modulus times eight; 256 for Ed25519; 0: that is no key. */
unsigned dkim_record_bits(const struct dkim_record *r);
/** Is it the signature of that digest? */
bool dkim_record_verify(
	const struct dkim_record *r, const unsigned char digest[DKIM_DIGEST_LEN], struct span sig);

/* ---- private keys ---- */

struct dkim_pkey; /* may be used by several threads at a time */

/** `bits` of RSA: DKIM_SIGN_BITS_MIN to _MAX; takes 100 ms and more. */
struct dkim_pkey *dkim_pkey_generate(enum dkim_algorithm a, unsigned bits, struct err *e);
/** PEM without a pass phrase, or 32 octets of Ed25519 as base64. ERR_SYNTAX; ERR_UNSUPPORTED: a key of
 * another kind, or an RSA key that is too short. */
struct dkim_pkey *dkim_pkey_read(struct span text, struct err *e);
/** Wiped. NULL inside is allowed. */
void dkim_pkey_free(struct dkim_pkey **k);
enum dkim_algorithm dkim_pkey_algorithm(const struct dkim_pkey *k);
unsigned dkim_pkey_bits(const struct dkim_pkey *k);
/** As PEM (PKCS #8): the caller wipes it. */
int dkim_pkey_write(const struct dkim_pkey *k, struct buf *pem, struct err *e);
/** What p= is, in octets. */
int dkim_pkey_public(const struct dkim_pkey *k, struct buf *out, struct err *e);
/** The record to publish: "v=DKIM1; k=rsa; h=sha256; p=…". `is_exact`: with t=s. */
int dkim_pkey_record(const struct dkim_pkey *k, const struct dkim_dialect *d, bool is_exact,
	struct buf *out, struct err *e);
int dkim_pkey_sign(const struct dkim_pkey *k, const unsigned char digest[DKIM_DIGEST_LEN],
	struct buf *sig, struct err *e);

/** A TXT record's text as a zone file has it: `"…" "…"`, strings of at most 255 octets. */
void dkim_record_put_strings(struct buf *b, struct span text);
