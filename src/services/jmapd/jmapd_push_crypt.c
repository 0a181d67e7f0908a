/* OpenSSL has a type of this name */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#undef ERR_STATE

#include <string.h>

#include "base/enc.h"
#include "services/jmapd/jmapd_core_priv.h"

/* Message encryption for push (RFC 8291): one record of aes128gcm (RFC 8188). */

#define SALT   16
#define HASH   32
#define KEY    16
#define NONCE  12
#define TAG    16
#define RECORD 4096

void jmap_push_random(void *p, size_t n)
{
	MUST(RAND_bytes(p, (int)n) == 1);
}

/* HKDF with one block of output (RFC 5869): extract is HMAC(salt, secret), expand HMAC(prk, info 0x01). */
static void hmac(struct span key, struct span text, unsigned char out[HASH])
{
	unsigned len = HASH;

	MUST(HMAC(EVP_sha256(), key.ptr, (int)key.len, (const unsigned char *)text.ptr, text.len,
		out, &len));
}

static EVP_PKEY *peer_key(struct span point)
{
	EVP_PKEY *key = EVP_PKEY_new();
	EVP_PKEY *params = EVP_EC_gen("P-256");

	if (key && params && EVP_PKEY_copy_parameters(key, params) == 1 &&
		EVP_PKEY_set1_encoded_public_key(
			key, (const unsigned char *)point.ptr, point.len) == 1) {
		EVP_PKEY_free(params);
		return key;
	}
	EVP_PKEY_free(params);
	EVP_PKEY_free(key);
	return NULL;
}

static bool derive(EVP_PKEY *own, EVP_PKEY *peer, unsigned char secret[HASH])
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(own, NULL);
	size_t len = HASH;
	bool is_good = ctx && EVP_PKEY_derive_init(ctx) == 1 &&
		EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
		EVP_PKEY_derive(ctx, secret, &len) == 1 && len == HASH;

	EVP_PKEY_CTX_free(ctx);
	return is_good;
}

static bool seal(
	const unsigned char *key, const unsigned char *nonce, struct span plain, struct buf *b)
{
	EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
	unsigned char *out = (unsigned char *)buf_reserve(b, plain.len + 1 + TAG);
	static const unsigned char last = 2; /* RFC 8188 section 2: the last record */
	int n = 0, total = 0;
	bool is_good = ctx && out &&
		EVP_EncryptInit_ex(ctx, EVP_aes_128_gcm(), NULL, key, nonce) == 1 &&
		EVP_EncryptUpdate(ctx, out, &n, (const unsigned char *)plain.ptr, (int)plain.len) ==
			1;

	total = n;
	is_good = is_good && EVP_EncryptUpdate(ctx, out + total, &n, &last, 1) == 1;
	total += n;
	is_good = is_good && EVP_EncryptFinal_ex(ctx, out + total, &n) == 1;
	total += n;
	is_good = is_good && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, TAG, out + total) == 1;
	if (is_good)
		buf_added(b, (size_t)total + TAG);
	EVP_CIPHER_CTX_free(ctx);
	return is_good;
}

struct parties {
	struct span own_point, peer_point, auth;
	unsigned char secret[HASH];
};

/* RFC 8291 section 3.4 */
static bool encrypt(struct arena *a, const struct parties *p, struct span plain, struct buf *b)
{
	unsigned char prk[HASH], ikm[HASH], key[HASH], nonce[HASH], salt[SALT];
	struct buf *info = arena_buf(a, 256);
	bool is_good;

	buf_put(info, "WebPush: info", sizeof("WebPush: info"));
	buf_span_put(info, p->peer_point);
	buf_span_put(info, p->own_point);
	buf_char(info, 1);
	hmac(p->auth, span_of(p->secret, HASH), prk);
	hmac(span_of(prk, HASH), buf_span(info), ikm);
	jmap_push_random(salt, SALT);
	hmac(span_of(salt, SALT), span_of(ikm, HASH), prk);
	hmac(span_of(prk, HASH), SPAN("Content-Encoding: aes128gcm\0\1"), key);
	hmac(span_of(prk, HASH), SPAN("Content-Encoding: nonce\0\1"), nonce);
	buf_put(b, salt, SALT);
	buf_put(b, (const char[]){0, 0, RECORD >> 8, RECORD & 255, PUSH_KEY_OCTETS}, 5);
	buf_span_put(b, p->own_point);
	is_good = seal(key, nonce, plain, b);
	secret_wipe(prk, sizeof(prk));
	secret_wipe(ikm, sizeof(ikm));
	secret_wipe(key, sizeof(key));
	return is_good && buf_ok(b);
}

int jmap_push_encrypt(struct arena *a, struct span p256dh, struct span auth, struct span plain,
	struct buf *b, struct err *e)
{
	struct buf *point = arena_buf(a, 256), *secret_text = arena_buf(a, 256);
	struct parties p = {0};
	unsigned char *own_octets = NULL;
	EVP_PKEY *own = NULL, *peer = NULL;
	size_t own_len = 0;
	bool is_good = enc_get_base64url(point, p256dh) && buf_len(point) == PUSH_KEY_OCTETS &&
		enc_get_base64url(secret_text, auth) && buf_len(secret_text) == PUSH_AUTH_OCTETS &&
		plain.len <= PUSH_PLAIN_MAX;

	if (is_good) {
		peer = peer_key(buf_span(point));
		own = EVP_EC_gen("P-256");
		own_len = own ? EVP_PKEY_get1_encoded_public_key(own, &own_octets) : 0;
	}
	p.own_point = span_of(own_octets, own_len);
	p.peer_point = buf_span(point);
	p.auth = buf_span(secret_text);
	is_good = is_good && peer && own_len == PUSH_KEY_OCTETS && derive(own, peer, p.secret) &&
		encrypt(a, &p, plain, b);
	secret_wipe(p.secret, sizeof(p.secret));
	OPENSSL_free(own_octets);
	EVP_PKEY_free(own);
	EVP_PKEY_free(peer);
	return is_good ? 0 : err_set(e, ERR_SYNTAX, "the keys of the subscription are none");
}
