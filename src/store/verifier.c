#include "store/verifier.h"

/* OpenSSL has a type of that name, which nothing here needs. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#undef ERR_STATE
#include <string.h>

#include "base/enc.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "store/store_priv.h"

#define VERIFIER_SALT 16

struct verifier_keys {
	unsigned char stored[SHA256_DIGEST_LENGTH], server[SHA256_DIGEST_LENGTH];
};

static bool verifier_hmac(const unsigned char *key, const char *text, unsigned char *out)
{
	unsigned len = SHA256_DIGEST_LENGTH;

	return HMAC(EVP_sha256(), key, SHA256_DIGEST_LENGTH, (const unsigned char *)text,
		       strlen(text), out, &len) != NULL;
}

/* RFC 5802 section 3: SaltedPassword := Hi(password, salt, i); ClientKey := HMAC(SaltedPassword,
 * "Client Key"); StoredKey := H(ClientKey); ServerKey := HMAC(SaltedPassword, "Server Key"). */
static bool verifier_derive(
	struct span password, struct span salt, int iterations, struct verifier_keys *keys)
{
	unsigned char salted[SHA256_DIGEST_LENGTH], client[SHA256_DIGEST_LENGTH];
	bool is_ok = PKCS5_PBKDF2_HMAC(password.ptr ? password.ptr : "", (int)password.len,
			     (const unsigned char *)salt.ptr, (int)salt.len, iterations,
			     EVP_sha256(), sizeof(salted), salted) == 1 &&
		verifier_hmac(salted, "Client Key", client) &&
		SHA256(client, sizeof(client), keys->stored) &&
		verifier_hmac(salted, "Server Key", keys->server);

	secret_wipe(salted, sizeof(salted));
	secret_wipe(client, sizeof(client));
	return is_ok;
}

struct verifier_job {
	struct span password;
	struct buf text;
};

static int verifier_work(void *arg, struct err *e)
{
	struct verifier_job *job = arg;
	unsigned char salt[VERIFIER_SALT];
	struct verifier_keys keys;

	if (RAND_bytes(salt, sizeof(salt)) != 1 ||
		!verifier_derive(
			job->password, span_of(salt, sizeof(salt)), VERIFIER_ITERATIONS, &keys))
		return err_set(e, ERR_STATE, "deriving a password verifier failed");
	buf_printf(&job->text, "%d:", VERIFIER_ITERATIONS);
	enc_put_base64(&job->text, span_of(salt, sizeof(salt)));
	buf_char(&job->text, ':');
	enc_put_base64(&job->text, span_of(keys.stored, sizeof(keys.stored)));
	buf_char(&job->text, ':');
	enc_put_base64(&job->text, span_of(keys.server, sizeof(keys.server)));
	secret_wipe(&keys, sizeof(keys));
	return 0;
}

static bool verifier_password_is_sane(struct span password)
{
	if (password.len > VERIFIER_PASSWORD_MAX || !utf8_is_valid(password))
		return false;
	for (size_t i = 0; i < password.len; i++)
		if ((unsigned char)password.ptr[i] < ' ' || password.ptr[i] == 0x7f)
			return false;
	return true;
}

FIBER int verifier_make(struct store *s, struct arena *a, struct span password,
	struct span *verifier_r, struct err *e)
{
	struct verifier_job job = {.password = password};
	int result;

	if (!verifier_password_is_sane(password)) {
		err_set(e, ERR_SYNTAX,
			"a password is at most %d octets of UTF-8 without control characters",
			VERIFIER_PASSWORD_MAX);
		return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
	}
	buf_init(&job.text, 256);
	result = verifier_run(s, verifier_work, &job, e);
	if (result == 0)
		*verifier_r = arena_span(a, buf_span(&job.text));
	buf_fini(&job.text);
	return result;
}

FIBER int verifier_run(struct store *s, work_fn *fn, void *arg, struct err *e)
{
	return work_run(s->hash_lane, fn, arg, e);
}

bool verifier_fits(struct span verifier, struct span password)
{
	struct span part[4] = {SPAN_NONE};
	struct verifier_keys keys;
	struct buf salt, stored;
	uint64_t iterations = 0;
	bool is_sound, fits;

	for (size_t i = 0; i < 4; i++)
		span_cut(verifier, ':', &part[i], &verifier);
	buf_init(&salt, 64);
	buf_init(&stored, 64);
	is_sound = span_u64_max(part[0], 10000000, &iterations) && iterations > 0 &&
		enc_get_base64(&salt, part[1]) && enc_get_base64(&stored, part[2]) &&
		buf_len(&stored) == sizeof(keys.stored) && password.len <= VERIFIER_PASSWORD_MAX;
	if (!is_sound) {
		buf_clear(&salt);
		buf_str(&salt, "no such account!");
		iterations = VERIFIER_ITERATIONS;
	}
	fits = verifier_derive(span_sub(password, 0, VERIFIER_PASSWORD_MAX), buf_span(&salt),
		       (int)iterations, &keys) &&
		is_sound && secret_eq(buf_span(&stored), span_of(keys.stored, sizeof(keys.stored)));
	secret_wipe(&keys, sizeof(keys));
	buf_fini(&salt);
	buf_fini(&stored);
	return fits;
}
