#include <string.h>

#include "base/enc.h"
#include "base/json_out.h"
#include "services/acme/acme_priv.h"

#define P256_BYTES 32
#define SHA256_MAX 32
#define SIGN_BYTES 128 /* an ECDSA signature of P-256 in DER has at most 72 */
#define HEADER_MAX 8192

/* RFC 7515 section 2: base64url without padding. */
void acme_put_b64(struct buf *b, struct span s)
{
	struct buf plain;
	struct span text;

	buf_init(&plain, s.len * 2 + 8);
	enc_put_base64(&plain, s);
	text = buf_span(&plain);
	for (size_t i = 0; i < text.len && text.ptr[i] != '='; i++)
		buf_char(b, text.ptr[i] == '+' ? '-' : text.ptr[i] == '/' ? '_' : text.ptr[i]);
	buf_fini(&plain);
}

bool acme_get_b64(struct buf *b, struct span text)
{
	struct buf plain;
	bool is_good;

	buf_init(&plain, text.len + 8);
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		buf_char(&plain, c == '-' ? '+' : c == '_' ? '/' : c);
	}
	while (buf_len(&plain) % 4)
		buf_char(&plain, '=');
	is_good = enc_get_base64(b, buf_span(&plain));
	buf_fini(&plain);
	return is_good;
}

static int no_key(struct err *e, const char *what)
{
	return err_set(e, ERR_TLS, "%s", what);
}

static bool put_coordinate(struct json_out *j, const char *name, EVP_PKEY *key, const char *param)
{
	unsigned char octets[P256_BYTES];
	BIGNUM *n = NULL;
	struct buf b;
	bool is_good = EVP_PKEY_get_bn_param(key, param, &n) == 1 &&
		BN_bn2binpad(n, octets, P256_BYTES) == P256_BYTES;

	BN_free(n);
	if (!is_good)
		return false;
	buf_init(&b, 2 * P256_BYTES);
	acme_put_b64(&b, span_of(octets, P256_BYTES));
	json_kv_span(j, name, buf_span(&b));
	buf_fini(&b);
	return true;
}

int acme_put_jwk(struct buf *b, EVP_PKEY *key, struct err *e)
{
	struct json_out j;
	bool is_good;

	/* RFC 7638 section 3.2: what is needed, in this order, without blanks */
	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_str(&j, "crv", "P-256");
	json_kv_str(&j, "kty", "EC");
	is_good = put_coordinate(&j, "x", key, OSSL_PKEY_PARAM_EC_PUB_X) &&
		put_coordinate(&j, "y", key, OSSL_PKEY_PARAM_EC_PUB_Y);
	json_close(&j);
	return is_good ? 0 : no_key(e, "the account key is none of ECDSA P-256");
}

int acme_put_thumbprint(struct buf *b, EVP_PKEY *key, struct err *e)
{
	unsigned char digest[SHA256_MAX];
	struct buf jwk;
	int rc;

	buf_init(&jwk, HEADER_MAX);
	rc = acme_put_jwk(&jwk, key, e);
	if (rc == 0 &&
		EVP_Digest(buf_span(&jwk).ptr, buf_len(&jwk), digest, NULL, EVP_sha256(), NULL) !=
			1)
		rc = no_key(e, "SHA-256 fails");
	buf_fini(&jwk);
	if (rc == 0)
		acme_put_b64(b, span_of(digest, sizeof(digest)));
	return rc;
}

/* RFC 7518 section 3.4: R and S, 32 octets each. */
static int sign_es256(EVP_PKEY *key, struct span input, struct buf *out, struct err *e)
{
	unsigned char der[SIGN_BYTES], raw[2 * P256_BYTES];
	const unsigned char *at = der;
	size_t len = sizeof(der);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	ECDSA_SIG *sig = NULL;
	bool is_good = md && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSign(md, der, &len, (const unsigned char *)input.ptr, input.len) == 1;

	EVP_MD_CTX_free(md);
	if (is_good)
		sig = d2i_ECDSA_SIG(NULL, &at, (long)len);
	is_good = sig && BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, P256_BYTES) == P256_BYTES &&
		BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + P256_BYTES, P256_BYTES) == P256_BYTES;
	ECDSA_SIG_free(sig);
	if (!is_good)
		return no_key(e, "the account key does not sign");
	acme_put_b64(out, span_of(raw, sizeof(raw)));
	return 0;
}

static int sign_hs256(struct span mac, struct span input, struct buf *out, struct err *e)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0;

	if (!HMAC(EVP_sha256(), mac.ptr, (int)mac.len, (const unsigned char *)input.ptr, input.len,
		    digest, &len))
		return no_key(e, "HMAC fails");
	acme_put_b64(out, span_of(digest, len));
	return 0;
}

static int put_header(struct buf *b, const struct acme_sign *s, struct err *e)
{
	struct json_out j;
	struct buf jwk;
	int rc = 0;

	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_str(&j, "alg", s->key ? "ES256" : "HS256");
	if (s->kid) {
		json_kv_str(&j, "kid", s->kid);
	} else {
		buf_init(&jwk, HEADER_MAX);
		rc = acme_put_jwk(&jwk, s->key, e);
		json_key(&j, "jwk");
		if (rc == 0)
			json_raw(&j, buf_span(&jwk));
		else
			json_null(&j);
		buf_fini(&jwk);
	}
	if (s->nonce)
		json_kv_str(&j, "nonce", s->nonce);
	json_kv_str(&j, "url", s->url);
	json_close(&j);
	return rc;
}

int acme_put_jws(struct buf *b, const struct acme_sign *s, struct err *e)
{
	struct buf header, input, signature;
	struct span protected_part, payload;
	struct json_out j;
	int rc;

	buf_init(&header, HEADER_MAX);
	buf_init(&input, ACME_BODY_MAX);
	buf_init(&signature, 2 * SIGN_BYTES);
	rc = put_header(&header, s, e);
	/* RFC 7515 section 5.1: what is signed is both, with a dot between */
	acme_put_b64(&input, buf_span(&header));
	buf_char(&input, '.');
	acme_put_b64(&input, s->payload);
	if (rc == 0)
		rc = s->key ? sign_es256(s->key, buf_span(&input), &signature, e)
			    : sign_hs256(s->mac, buf_span(&input), &signature, e);
	span_cut(buf_span(&input), '.', &protected_part, &payload);
	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_span(&j, "protected", protected_part);
	json_kv_span(&j, "payload", payload);
	json_kv_span(&j, "signature", buf_span(&signature));
	json_close(&j);
	if (rc == 0 && (!buf_ok(b) || !buf_ok(&input) || !buf_ok(&header)))
		rc = err_set(e, ERR_LIMIT, "a request over %d octets", ACME_BODY_MAX);
	buf_fini(&header);
	buf_fini(&input);
	buf_fini(&signature);
	return rc;
}
