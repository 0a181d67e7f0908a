/* The keys that session tickets are sealed with (RFC 5077 section 4, RFC 8446 section 4.6.1). Whoever
 * learns one can read what was said under its tickets: so none lives long. */

#include "net/tls_priv.h"

#include <openssl/core_names.h>
#include <string.h>

#include "base/secret.h"
#include "run/loop.h"

#define TLS_KEY_NS (12 * CLOCK_HOUR)

static bool tls_key_draw(struct tls_key *k)
{
	struct tls_key fresh = {.born_ns = loop_now_ns()};
	bool is_good = RAND_bytes(fresh.name, sizeof(fresh.name)) == 1 &&
		RAND_priv_bytes(fresh.cipher, sizeof(fresh.cipher)) == 1 &&
		RAND_priv_bytes(fresh.mac, sizeof(fresh.mac)) == 1;

	if (is_good)
		*k = fresh;
	secret_wipe(&fresh, sizeof(fresh));
	return is_good;
}

/* With the lock. Where nothing can be drawn the old key stays a while. */
static void turn(struct tls_keys *k)
{
	int64_t now_ns = loop_now_ns();
	struct tls_key was;

	if (now_ns - k->before.born_ns >= 2 * TLS_KEY_NS)
		secret_wipe(&k->before, sizeof(k->before));
	if (now_ns - k->now.born_ns < TLS_KEY_NS)
		return;
	was = k->now;
	if (tls_key_draw(&k->now)) {
		secret_wipe(&k->before, sizeof(k->before));
		if (now_ns - was.born_ns < 2 * TLS_KEY_NS)
			k->before = was;
	}
	secret_wipe(&was, sizeof(was));
}

int tls_keys_init(struct tls_keys *k, struct err *e)
{
	pthread_mutex_init(&k->lock, NULL);
	return tls_key_draw(&k->now) ? 0 : tls_err(e, "drawing ticket keys");
}

void tls_keys_fini(struct tls_keys *k)
{
	secret_wipe(&k->now, sizeof(k->now));
	secret_wipe(&k->before, sizeof(k->before));
	pthread_mutex_destroy(&k->lock);
}

void tls_keys_turn(struct tls_keys *k)
{
	pthread_mutex_lock(&k->lock);
	turn(k);
	pthread_mutex_unlock(&k->lock);
}

static bool mac_begin(EVP_MAC_CTX *mac, const struct tls_key *key)
{
	OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(
				       OSSL_MAC_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
		OSSL_PARAM_construct_end()};

	return EVP_MAC_init(mac, key->mac, sizeof(key->mac), params) == 1;
}

static int seal(const struct tls_key *key, unsigned char *name, unsigned char *iv,
	EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac)
{
	memcpy(name, key->name, sizeof(key->name));
	return RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) == 1 &&
			EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) == 1 &&
			mac_begin(mac, key)
		? 1
		: -1;
}

/* 1: good; 2: good, and a new ticket is to follow. In TLS 1.3 each is for one use (RFC 8446 appendix
 * C.4). */
static int unseal(const struct tls_key *key, const unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, bool is_renewed)
{
	if (EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->cipher, iv) != 1 ||
		!mac_begin(mac, key))
		return -1;
	return is_renewed ? 2 : 1;
}

int tls_on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int is_sealing)
{
	struct tls_config *c = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const struct tls_key *key = NULL;
	bool is_now;
	int rc = 0; /* not ours: a full handshake follows */

	/* TLS 1.2 has promised a ticket before the client's certificate came: it gets an empty one (RFC
	 * 5077 section 3.3). */
	if (is_sealing && SSL_get0_peer_certificate(ssl))
		return 0;

	pthread_mutex_lock(&c->keys.lock);
	turn(&c->keys);
	is_now = is_sealing || memcmp(name, c->keys.now.name, TLS_KEY_NAME) == 0;
	if (is_now)
		key = &c->keys.now;
	else if (c->keys.before.born_ns && memcmp(name, c->keys.before.name, TLS_KEY_NAME) == 0)
		key = &c->keys.before;
	if (is_sealing)
		rc = seal(key, name, iv, cipher, mac);
	else if (key)
		rc = unseal(key, iv, cipher, mac, !is_now || SSL_version(ssl) >= TLS1_3_VERSION);
	pthread_mutex_unlock(&c->keys.lock);
	return rc;
}
