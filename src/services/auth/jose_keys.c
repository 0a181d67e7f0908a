/* Keys of a provider, and signatures. */

/* OpenSSL's type of that name meets our error code (base/err.h); nobody here needs theirs. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#undef ERR_STATE

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "base/mem.h"
#include "base/must.h"
#include "services/auth/jose.h"

#define P256_BYTES    32
#define ED25519_BYTES 32
#define RSA_BYTES     (JOSE_RSA_MAX / 8)
#define ECDSA_DER_MAX 80 /* of a P-256 signature */

struct jose_key {
	char *kid; /* owned; "" none */
	EVP_PKEY *pkey;
	unsigned algs; /* bits of enum jose_alg */
};

struct jose_keys {
	int refs; /* atomic */
	size_t count;
	struct jose_key keys[JOSE_KEYS_MAX];
};

/* ---- reading ---- */

static bool octets_of(const json_t *jwk, const char *name, size_t max, struct buf *b)
{
	const json_t *v = json_object_get(jwk, name);

	buf_init(b, max);
	return json_is_string(v) &&
		enc_get_base64url(b, span_of(json_string_value(v), json_string_length(v))) &&
		buf_len(b) > 0;
}

static EVP_PKEY *pkey_of(const char *kind, OSSL_PARAM_BLD *bld)
{
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, kind, NULL);
	EVP_PKEY *key = NULL;

	if (params && ctx && EVP_PKEY_fromdata_init(ctx) == 1 &&
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_free(params);
	return key;
}

/* RFC 7518 section 6.3.1. Small exponents but 1 are as good; even ones are no keys. */
static EVP_PKEY *rsa_of(const json_t *jwk)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *n = NULL, *e = NULL;
	EVP_PKEY *key = NULL;
	struct buf nb, eb;
	bool is_read = octets_of(jwk, "n", RSA_BYTES, &nb);

	is_read &= octets_of(jwk, "e", 8, &eb);
	if (is_read) {
		n = BN_bin2bn((const unsigned char *)buf_span(&nb).ptr, (int)buf_len(&nb), NULL);
		e = BN_bin2bn((const unsigned char *)buf_span(&eb).ptr, (int)buf_len(&eb), NULL);
	}
	if (bld && n && e && BN_num_bits(n) >= JOSE_RSA_MIN && BN_is_odd(n) && BN_is_odd(e) &&
		!BN_is_one(e) && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
		OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1)
		key = pkey_of("RSA", bld);
	BN_free(n);
	BN_free(e);
	OSSL_PARAM_BLD_free(bld);
	buf_fini(&nb);
	buf_fini(&eb);
	return key;
}

/* RFC 7518 section 6.2.1: both coordinates, whole. That the point is on the curve is checked. */
static EVP_PKEY *ec_of(const json_t *jwk)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx;
	EVP_PKEY *key = NULL;
	struct buf x, y, point;
	bool is_read = octets_of(jwk, "x", P256_BYTES, &x);

	is_read &= octets_of(jwk, "y", P256_BYTES, &y);
	buf_init(&point, 2 * P256_BYTES + 1);
	if (is_read && buf_len(&x) == P256_BYTES && buf_len(&y) == P256_BYTES) {
		buf_char(&point, 4); /* uncompressed (SEC 1 section 2.3.3) */
		buf_span_put(&point, buf_span(&x));
		buf_span_put(&point, buf_span(&y));
	}
	if (bld && buf_len(&point) &&
		OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) ==
			1 &&
		OSSL_PARAM_BLD_push_octet_string(
			bld, OSSL_PKEY_PARAM_PUB_KEY, buf_span(&point).ptr, buf_len(&point)) == 1)
		key = pkey_of("EC", bld);
	ctx = key ? EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL) : NULL;
	if (key && (!ctx || EVP_PKEY_public_check(ctx) != 1)) {
		EVP_PKEY_free(key);
		key = NULL;
	}
	EVP_PKEY_CTX_free(ctx);
	OSSL_PARAM_BLD_free(bld);
	buf_fini(&point);
	buf_fini(&x);
	buf_fini(&y);
	return key;
}

/* RFC 8037 section 2 */
static EVP_PKEY *okp_of(const json_t *jwk)
{
	EVP_PKEY *key = NULL;
	struct buf x;

	if (octets_of(jwk, "x", ED25519_BYTES, &x) && buf_len(&x) == ED25519_BYTES)
		key = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
			(const unsigned char *)buf_span(&x).ptr, buf_len(&x));
	buf_fini(&x);
	return key;
}

static bool says(const json_t *jwk, const char *name, const char *text)
{
	const char *s = json_string_value(json_object_get(jwk, name));

	return s && strcmp(s, text) == 0;
}

/* RFC 7517 sections 4.2, 4.3: for signatures, as far as it says what it is for. */
static bool is_for_signatures(const json_t *jwk)
{
	const json_t *ops = json_object_get(jwk, "key_ops");
	bool is_verify = !ops;

	for (size_t i = 0; i < json_array_size(ops); i++) {
		const char *op = json_string_value(json_array_get(ops, i));

		is_verify |= op && strcmp(op, "verify") == 0;
	}
	return is_verify && (!json_object_get(jwk, "use") || says(jwk, "use", "sig"));
}

#define BIT(alg) (1U << (alg))

static bool key_read(const json_t *jwk, struct jose_key *k)
{
	const json_t *kid = json_object_get(jwk, "kid");
	unsigned said = json_object_get(jwk, "alg") ? 0 : ~0U;

	*k = (struct jose_key){0};
	if (!json_is_object(jwk) || !is_for_signatures(jwk) ||
		(kid && (!json_is_string(kid) || json_string_length(kid) > JOSE_KID_MAX)))
		return false;
#define X(id, name) said |= says(jwk, "alg", name) ? BIT(JOSE_##id) : 0;
	JOSE_ALGS(X)
#undef X
	if (says(jwk, "kty", "RSA")) {
		k->algs = said & (BIT(JOSE_RS256) | BIT(JOSE_PS256));
		k->pkey = k->algs ? rsa_of(jwk) : NULL;
	} else if (says(jwk, "kty", "EC") && says(jwk, "crv", "P-256")) {
		k->algs = said & BIT(JOSE_ES256);
		k->pkey = k->algs ? ec_of(jwk) : NULL;
	} else if (says(jwk, "kty", "OKP") && says(jwk, "crv", "Ed25519")) {
		k->algs = said & BIT(JOSE_EDDSA);
		k->pkey = k->algs ? okp_of(jwk) : NULL;
	}
	ERR_clear_error();
	if (k->pkey)
		k->kid = mem_dup(json_string_value(kid), json_string_length(kid));
	return k->pkey != NULL;
}

struct jose_keys *jose_keys_parse(struct span json, struct err *e)
{
	json_error_t why;
	json_t *doc = json.len <= JOSE_SET_MAX
		? json_loadb(json.ptr ? json.ptr : "", json.len, JSON_REJECT_DUPLICATES, &why)
		: NULL;
	const json_t *list = json_object_get(doc, "keys");
	struct jose_keys *k;

	if (!json_is_array(list)) {
		json_decref(doc);
		err_set(e, ERR_SYNTAX, "no set of keys (RFC 7517)");
		return NULL;
	}
	k = NEW(struct jose_keys);
	k->refs = 1;
	for (size_t i = 0; i < json_array_size(list) && k->count < JOSE_KEYS_MAX; i++) {
		if (key_read(json_array_get(list, i), &k->keys[k->count]))
			k->count++;
	}
	json_decref(doc);
	if (!k->count) {
		jose_keys_unref(&k);
		err_set(e, ERR_NOT_FOUND, "a set without a key of a kind that we take");
	}
	return k;
}

struct jose_keys *jose_keys_ref(struct jose_keys *k)
{
	MUST(__atomic_fetch_add(&k->refs, 1, __ATOMIC_RELAXED) > 0);
	return k;
}

void jose_keys_unref(struct jose_keys **k)
{
	struct jose_keys *was = *k;

	*k = NULL;
	if (!was)
		return;
	int left = __atomic_sub_fetch(&was->refs, 1, __ATOMIC_ACQ_REL);
	MUST(left >= 0);
	if (left)
		return;
	for (size_t i = 0; i < was->count; i++) {
		free(was->keys[i].kid);
		EVP_PKEY_free(was->keys[i].pkey);
	}
	free(was);
}

size_t jose_keys_count(const struct jose_keys *k)
{
	return k->count;
}

/* ---- verifying ---- */

/* RFC 7518 section 3.4: r and s, 32 octets each; OpenSSL wants DER. */
static int ecdsa_der(struct span raw, unsigned char *der)
{
	const unsigned char *p = (const unsigned char *)raw.ptr;
	ECDSA_SIG *sig = ECDSA_SIG_new();
	unsigned char *at = der;
	BIGNUM *r, *s;
	int len = 0;

	if (raw.len != 2 * P256_BYTES || !sig) {
		ECDSA_SIG_free(sig);
		return 0;
	}
	r = BN_bin2bn(p, P256_BYTES, NULL);
	s = BN_bin2bn(p + P256_BYTES, P256_BYTES, NULL);
	if (r && s && ECDSA_SIG_set0(sig, r, s) == 1) {
		len = i2d_ECDSA_SIG(sig, NULL);
		len = len > 0 && len <= ECDSA_DER_MAX ? i2d_ECDSA_SIG(sig, &at) : 0;
	} else {
		BN_free(r);
		BN_free(s);
	}
	ECDSA_SIG_free(sig);
	return len;
}

static bool signature_fits(EVP_PKEY *key, const struct jose_token *t)
{
	unsigned char der[ECDSA_DER_MAX];
	struct span sig = t->signature;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *ctx = NULL;
	bool is_good;

	if (t->alg == JOSE_ES256)
		sig = span_of(der, (size_t)ecdsa_der(t->signature, der));
	is_good = md && sig.len &&
		EVP_DigestVerifyInit(
			md, &ctx, t->alg == JOSE_EDDSA ? NULL : EVP_sha256(), NULL, key) == 1;
	/* RFC 7518 section 3.5: the salt is as long as the hash */
	if (is_good && t->alg == JOSE_PS256)
		is_good = EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
			EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1;
	is_good = is_good &&
		EVP_DigestVerify(md, (const unsigned char *)sig.ptr, sig.len,
			(const unsigned char *)t->signed_part.ptr, t->signed_part.len) == 1;
	EVP_MD_CTX_free(md);
	ERR_clear_error();
	return is_good;
}

int jose_verify(const struct jose_keys *k, const struct jose_token *t, struct err *e)
{
	const struct jose_key *one = NULL;
	size_t fitting = 0;

	for (size_t i = 0; i < k->count; i++) {
		const struct jose_key *key = &k->keys[i];

		if (!(key->algs & BIT(t->alg)) ||
			(t->kid.len && !span_eq(t->kid, span_str(key->kid))))
			continue;
		fitting++;
		one = one ? one : key;
	}
	if (!fitting)
		return err_set(e, ERR_NOT_FOUND, "the token's key is not among the provider's");
	if (!t->kid.len && fitting > 1)
		return err_set(e, ERR_NOT_FOUND, "the token names no key, and there are several");
	if (!signature_fits(one->pkey, t))
		return err_set(e, ERR_DENIED, "the token's signature does not hold");
	return 0;
}
