#include "proto/trust/dkim_key.h"

/* OpenSSL's type of that name meets our error code. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#undef ERR_STATE
#include <stdlib.h>

#include "base/enc.h"
#include "base/mem.h"
#include "base/secret.h"
#include "proto/trust/dkim_tags.h"

#define ED25519_LEN 32
#define DER_MAX     4096

/* ---- records ---------------------------------------------------------------------------------- */

/* h=, s= and t= are lists; without them everything is allowed and nothing is said. */
static bool allows(const struct dkim_tags *tags, const char *name, struct span word)
{
	const struct dkim_tag *t = dkim_tags_get(tags, name);

	return !t || dkim_tags_has(t->value, word) ||
		(name[0] == 's' && dkim_tags_has(t->value, SPAN("*")));
}

static int read_key(
	struct arena *a, const struct dkim_tags *tags, struct dkim_record *r, struct err *e)
{
	const struct dkim_tag *p = dkim_tags_get(tags, "p");
	struct buf *key = arena_buf(a, DER_MAX);

	if (!p)
		return err_set(e, ERR_SYNTAX, "the key record has no p=");
	r->is_revoked = !p->value.len;
	if (r->is_revoked)
		return 0;
	if (!dkim_tags_base64(p->value, key))
		return err_set(e, ERR_SYNTAX, "p= of the key record is no base64");
	r->key = buf_span(key);
	if (r->is_known && r->algorithm == DKIM_ED25519_SHA256 && r->key.len != ED25519_LEN)
		return err_set(e, ERR_SYNTAX, "p= of an Ed25519 key is not of %d octets",
			ED25519_LEN); /* RFC 8463 section 4.2 */
	return 0;
}

int dkim_record_parse(struct arena *a, const struct dkim_dialect *d, struct span text,
	struct dkim_record *record_r, struct err *e)
{
	struct dkim_tags *tags = ARENA_NEW(a, struct dkim_tags);
	const struct dkim_tag *v, *k, *t;

	*record_r = (struct dkim_record){.is_known = true, .algorithm = DKIM_RSA_SHA256};
	if (text.len > DKIM_RECORD_MAX)
		return err_set(e, ERR_LIMIT, "the key record is too long");
	if (dkim_tags_parse(text, tags, e) < 0)
		return err_wrap(e, "key record");
	v = dkim_tags_get(tags, "v");
	if (v && (v != &tags->tag[0] || !span_eq(v->value, span_str(d->key_version))))
		return err_set(e, ERR_SYNTAX,
			"v= of the key record is not %s, or does not come first", d->key_version);
	k = dkim_tags_get(tags, "k");
	if (k)
		record_r->is_known = dkim_algorithm_parse_key(k->value, &record_r->algorithm);
	t = dkim_tags_get(tags, "t");
	record_r->is_testing = t && dkim_tags_has(t->value, SPAN("y"));
	record_r->is_exact = t && dkim_tags_has(t->value, SPAN("s"));
	record_r->has_service = allows(tags, "s", span_str(d->service));
	record_r->has_sha256 = allows(tags, "h", SPAN("sha256"));
	return read_key(a, tags, record_r, e);
}

/* A SubjectPublicKeyInfo, or the bare RSAPublicKey that the text of RFC 6376 speaks of. */
static EVP_PKEY *open_public(const struct dkim_record *r)
{
	const unsigned char *p = (const unsigned char *)r->key.ptr;
	EVP_PKEY *k;

	if (!r->is_known || !r->key.len)
		return NULL;
	if (r->algorithm == DKIM_ED25519_SHA256)
		return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, p, r->key.len);
	k = d2i_PUBKEY(NULL, &p, (long)r->key.len);
	if (!k) {
		p = (const unsigned char *)r->key.ptr;
		k = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)r->key.len);
	}
	if (k && EVP_PKEY_get_base_id(k) != EVP_PKEY_RSA) {
		EVP_PKEY_free(k);
		k = NULL;
	}
	return k;
}

static unsigned bits_of(const EVP_PKEY *k, enum dkim_algorithm a)
{
	int bits = a == DKIM_ED25519_SHA256 ? 8 * ED25519_LEN : EVP_PKEY_get_bits(k);

	return bits > 0 ? (unsigned)bits : 0;
}

unsigned dkim_record_bits(const struct dkim_record *r)
{
	EVP_PKEY *k = open_public(r);
	unsigned bits = k ? bits_of(k, r->algorithm) : 0;

	EVP_PKEY_free(k);
	return bits;
}

static bool is_ed25519_signed(EVP_PKEY *k, const unsigned char *digest, struct span sig)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool is_good = ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k) == 1 &&
		EVP_DigestVerify(
			ctx, (const unsigned char *)sig.ptr, sig.len, digest, DKIM_DIGEST_LEN) == 1;

	EVP_MD_CTX_free(ctx);
	return is_good;
}

static bool begin_rsa(EVP_PKEY_CTX *ctx, int (*init)(EVP_PKEY_CTX *ctx))
{
	return ctx && init(ctx) == 1 && EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
		EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1;
}

bool dkim_record_verify(
	const struct dkim_record *r, const unsigned char digest[DKIM_DIGEST_LEN], struct span sig)
{
	EVP_PKEY *k = open_public(r);
	bool is_good = false;

	if (!k)
		return false;
	if (r->algorithm == DKIM_ED25519_SHA256) {
		is_good = is_ed25519_signed(k, digest, sig);
	} else {
		EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k, NULL);

		is_good = begin_rsa(ctx, EVP_PKEY_verify_init) &&
			EVP_PKEY_verify(ctx, (const unsigned char *)sig.ptr, sig.len, digest,
				DKIM_DIGEST_LEN) == 1;
		EVP_PKEY_CTX_free(ctx);
	}
	EVP_PKEY_free(k);
	return is_good;
}

void dkim_record_put_strings(struct buf *b, struct span text)
{
	for (size_t at = 0; at == 0 || at < text.len; at += DKIM_STRING_MAX) {
		struct span piece = span_sub(text, at, DKIM_STRING_MAX);

		buf_str(b, at ? " \"" : "\"");
		for (size_t i = 0; i < piece.len; i++) {
			if (piece.ptr[i] == '"' || piece.ptr[i] == '\\')
				buf_char(b, '\\');
			buf_char(b, piece.ptr[i]);
		}
		buf_char(b, '"');
	}
}

/* ---- private keys ----------------------------------------------------------------------------- */

struct dkim_pkey {
	EVP_PKEY *key;
	enum dkim_algorithm algorithm;
};

static struct dkim_pkey *wrap(EVP_PKEY *key, enum dkim_algorithm a)
{
	struct dkim_pkey *k = NEW(struct dkim_pkey);

	k->key = key;
	k->algorithm = a;
	return k;
}

void dkim_pkey_free(struct dkim_pkey **k)
{
	if (*k)
		EVP_PKEY_free((*k)->key); /* it wipes what is private */
	free(*k);
	*k = NULL;
}

struct dkim_pkey *dkim_pkey_generate(enum dkim_algorithm a, unsigned bits, struct err *e)
{
	EVP_PKEY *key = NULL;

	if (a == DKIM_RSA_SHA256 && (bits < DKIM_SIGN_BITS_MIN || bits > DKIM_SIGN_BITS_MAX)) {
		err_set(e, ERR_UNSUPPORTED, "an RSA key has %d to %d bits here (RFC 8301)",
			DKIM_SIGN_BITS_MIN, DKIM_SIGN_BITS_MAX);
		return NULL;
	}
	key = a == DKIM_RSA_SHA256 ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits)
				   : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	if (!key) {
		err_set(e, ERR_IO, "the key could not be made");
		return NULL;
	}
	return wrap(key, a);
}

/* Nobody is asked for a pass phrase. */
static int no_phrase(char *buf, int size, int is_writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)is_writing;
	(void)arg;
	return -1;
}

static EVP_PKEY *read_pem(struct span text)
{
	BIO *bio = BIO_new_mem_buf(text.ptr, (int)text.len);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_phrase, NULL) : NULL;

	BIO_free(bio);
	return key;
}

/* The seed alone, as RFC 8463 appendix A and other tools write it. */
static EVP_PKEY *read_seed(struct span text)
{
	struct buf raw;
	EVP_PKEY *key = NULL;

	buf_init(&raw, ED25519_LEN);
	if (enc_get_base64(&raw, span_trim(text)) && buf_len(&raw) == ED25519_LEN)
		key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL,
			(const unsigned char *)buf_span(&raw).ptr, ED25519_LEN);
	if (raw.mem)
		secret_wipe(raw.mem, raw.cap);
	buf_fini(&raw);
	return key;
}

struct dkim_pkey *dkim_pkey_read(struct span text, struct err *e)
{
	enum dkim_algorithm a;
	EVP_PKEY *key = NULL;

	if (text.len <= DKIM_PEM_MAX) {
		key = read_pem(text);
		if (!key)
			key = read_seed(text);
	}
	if (!key) {
		err_set(e, ERR_SYNTAX,
			"that is no private key: PEM without a pass phrase, or the 32 octets of an "
			"Ed25519 key as base64, is read");
		return NULL;
	}
	a = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? DKIM_ED25519_SHA256 : DKIM_RSA_SHA256;
	if ((a == DKIM_RSA_SHA256 && EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA) ||
		bits_of(key, a) > DKIM_RSA_BITS_MAX ||
		(a == DKIM_RSA_SHA256 && bits_of(key, a) < DKIM_RSA_BITS_MIN)) {
		err_set(e, ERR_UNSUPPORTED,
			"the key is neither Ed25519 nor RSA of %d to %d bits (RFC 8301, RFC 8463)",
			DKIM_RSA_BITS_MIN, DKIM_RSA_BITS_MAX);
		EVP_PKEY_free(key);
		return NULL;
	}
	return wrap(key, a);
}

enum dkim_algorithm dkim_pkey_algorithm(const struct dkim_pkey *k)
{
	return k->algorithm;
}

unsigned dkim_pkey_bits(const struct dkim_pkey *k)
{
	return bits_of(k->key, k->algorithm);
}

int dkim_pkey_write(const struct dkim_pkey *k, struct buf *pem, struct err *e)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	char *text = NULL;
	long len = 0;

	if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, k->key, NULL, NULL, 0, NULL, NULL) != 1) {
		BIO_free(bio);
		return err_set(e, ERR_IO, "the key could not be written");
	}
	len = BIO_get_mem_data(bio, &text);
	buf_put(pem, text, (size_t)len);
	BIO_free(bio);
	return buf_ok(pem) ? 0 : err_set(e, ERR_LIMIT, "the key is too long");
}

int dkim_pkey_public(const struct dkim_pkey *k, struct buf *out, struct err *e)
{
	unsigned char raw[ED25519_LEN];
	size_t raw_len = sizeof(raw);
	unsigned char *der = NULL;
	int len;

	if (k->algorithm == DKIM_ED25519_SHA256) {
		if (EVP_PKEY_get_raw_public_key(k->key, raw, &raw_len) != 1)
			return err_set(e, ERR_IO, "the public key could not be written");
		buf_put(out, raw, raw_len);
	} else {
		len = i2d_PUBKEY(k->key, &der);
		if (len <= 0)
			return err_set(e, ERR_IO, "the public key could not be written");
		buf_put(out, der, (size_t)len);
		OPENSSL_free(der);
	}
	return buf_ok(out) ? 0 : err_set(e, ERR_LIMIT, "the public key is too long");
}

int dkim_pkey_record(const struct dkim_pkey *k, const struct dkim_dialect *d, bool is_exact,
	struct buf *out, struct err *e)
{
	struct buf raw;
	int rc;

	buf_init(&raw, DER_MAX);
	rc = dkim_pkey_public(k, &raw, e);
	if (rc == 0) {
		/* RFC 8301 section 3.1: no other hash shall do for this key */
		buf_printf(out, "v=%s; k=%s; h=sha256; %sp=", d->key_version,
			dkim_algorithm_key_str(k->algorithm), is_exact ? "t=s; " : "");
		enc_put_base64(out, buf_span(&raw));
		rc = buf_ok(out) ? 0 : err_set(e, ERR_LIMIT, "the record is too long");
	}
	buf_fini(&raw);
	return rc;
}

static bool sign_ed25519(EVP_PKEY *k, const unsigned char *digest, struct buf *sig, size_t max)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	char *out = buf_reserve(sig, max);
	bool is_good = ctx && out && EVP_DigestSignInit(ctx, NULL, NULL, NULL, k) == 1 &&
		EVP_DigestSign(ctx, (unsigned char *)out, &max, digest, DKIM_DIGEST_LEN) == 1;

	if (is_good)
		buf_added(sig, max);
	EVP_MD_CTX_free(ctx);
	return is_good;
}

static bool sign_rsa(EVP_PKEY *k, const unsigned char *digest, struct buf *sig, size_t max)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(k, NULL);
	char *out = buf_reserve(sig, max);
	bool is_good = begin_rsa(ctx, EVP_PKEY_sign_init) && out &&
		EVP_PKEY_sign(ctx, (unsigned char *)out, &max, digest, DKIM_DIGEST_LEN) == 1;

	if (is_good)
		buf_added(sig, max);
	EVP_PKEY_CTX_free(ctx);
	return is_good;
}

int dkim_pkey_sign(const struct dkim_pkey *k, const unsigned char digest[DKIM_DIGEST_LEN],
	struct buf *sig, struct err *e)
{
	size_t max = (size_t)EVP_PKEY_get_size(k->key);
	bool is_good = k->algorithm == DKIM_ED25519_SHA256 ? sign_ed25519(k->key, digest, sig, max)
							   : sign_rsa(k->key, digest, sig, max);

	return is_good ? 0 : err_set(e, ERR_IO, "the signature could not be computed");
}
