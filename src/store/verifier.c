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
#include "store/pbkdf2.h"
#include "store/store_priv.h"

#define VERIFIER_SALT     16
#define VERIFIER_SALT_MAX 64
#define VERIFIER_TEXT_MAX 512

struct verifier_keys {
	unsigned char stored[SHA256_DIGEST_LENGTH], server[SHA256_DIGEST_LENGTH];
};

static const EVP_MD *verifier_md(enum verifier_hash hash)
{
	return hash == VERIFIER_SHA1 ? EVP_sha1() : EVP_sha256();
}

static size_t verifier_len(enum verifier_hash hash)
{
	return hash == VERIFIER_SHA1 ? SHA_DIGEST_LENGTH : SHA256_DIGEST_LENGTH;
}

static bool verifier_hmac(
	enum verifier_hash hash, const unsigned char *key, const char *text, unsigned char *out)
{
	unsigned len = SHA256_DIGEST_LENGTH;

	return HMAC(verifier_md(hash), key, (int)verifier_len(hash), (const unsigned char *)text,
		       strlen(text), out, &len) != NULL;
}

/* Hi(password, salt, i) */
static bool verifier_salted(enum verifier_hash hash, struct span password, struct span salt,
	int iterations, unsigned char *salted)
{
	if (hash == VERIFIER_SHA256) {
		pbkdf2_sha256(password, salt, (unsigned)iterations, salted);
		return true;
	}
	return PKCS5_PBKDF2_HMAC(password.ptr ? password.ptr : "", (int)password.len,
		       (const unsigned char *)salt.ptr, (int)salt.len, iterations,
		       verifier_md(hash), (int)verifier_len(hash), salted) == 1;
}

/* RFC 5802 section 3: SaltedPassword := Hi(password, salt, i); ClientKey := HMAC(SaltedPassword,
 * "Client Key"); StoredKey := H(ClientKey); ServerKey := HMAC(SaltedPassword, "Server Key"). */
static bool verifier_derive(enum verifier_hash hash, struct span password, struct span salt,
	int iterations, struct verifier_keys *keys)
{
	unsigned char salted[SHA256_DIGEST_LENGTH], client[SHA256_DIGEST_LENGTH];
	size_t len = verifier_len(hash);
	bool is_ok = verifier_salted(hash, password, salt, iterations, salted) &&
		verifier_hmac(hash, salted, "Client Key", client) &&
		EVP_Digest(client, len, keys->stored, NULL, verifier_md(hash), NULL) == 1 &&
		verifier_hmac(hash, salted, "Server Key", keys->server);

	secret_wipe(salted, sizeof(salted));
	secret_wipe(client, sizeof(client));
	return is_ok;
}

static void verifier_put(struct buf *b, const struct verifier *v)
{
	buf_printf(b, "%u:", v->iterations);
	enc_put_base64(b, v->salt);
	buf_char(b, ':');
	enc_put_base64(b, v->stored);
	buf_char(b, ':');
	enc_put_base64(b, v->server);
}

struct span verifier_text(struct arena *a, const struct verifier *verifier)
{
	struct buf *b = arena_buf(a, VERIFIER_TEXT_MAX);

	verifier_put(b, verifier);
	return buf_span(b);
}

struct verifier_job {
	enum verifier_hash hash;
	struct span password;
	struct buf text;
};

static int verifier_work(void *arg, struct err *e)
{
	struct verifier_job *job = arg;
	unsigned char salt[VERIFIER_SALT];
	struct verifier_keys keys;
	struct verifier v = {.iterations = VERIFIER_ITERATIONS,
		.salt = span_of(salt, sizeof(salt)),
		.stored = span_of(keys.stored, verifier_len(job->hash)),
		.server = span_of(keys.server, verifier_len(job->hash))};

	if (RAND_bytes(salt, sizeof(salt)) != 1 ||
		!verifier_derive(job->hash, job->password, v.salt, VERIFIER_ITERATIONS, &keys))
		return err_set(e, ERR_STATE, "deriving a password verifier failed");
	verifier_put(&job->text, &v);
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

static FIBER int verifier_make_as(struct store *s, struct arena *a, enum verifier_hash hash,
	struct span password, struct span *verifier_r, struct err *e)
{
	struct verifier_job job = {.password = password, .hash = hash};
	int result;

	if (!verifier_password_is_sane(password)) {
		err_set(e, ERR_SYNTAX,
			"a password is at most %d octets of UTF-8 without control characters",
			VERIFIER_PASSWORD_MAX);
		return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
	}
	buf_init(&job.text, VERIFIER_TEXT_MAX);
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

FIBER int verifier_make(struct store *s, struct arena *a, struct span password,
	struct span *verifier_r, struct err *e)
{
	return verifier_make_as(s, a, VERIFIER_SHA256, password, verifier_r, e);
}

FIBER int verifier_make_sha1(struct store *s, struct arena *a, struct span password,
	struct span *verifier_r, struct err *e)
{
	return verifier_make_as(s, a, VERIFIER_SHA1, password, verifier_r, e);
}

static bool verifier_octets(struct arena *a, struct span text, struct span *octets_r)
{
	struct buf *b = arena_buf(a, VERIFIER_TEXT_MAX);

	if (!enc_get_base64(b, text) || !buf_ok(b))
		return false;
	*octets_r = buf_span(b);
	return true;
}

bool verifier_parse(
	struct arena *a, struct span text, enum verifier_hash hash, struct verifier *verifier_r)
{
	struct verifier *v = verifier_r;
	struct span part[4] = {SPAN_NONE};
	uint64_t iterations = 0;

	*v = (struct verifier){0};
	if (text.len > VERIFIER_TEXT_MAX)
		return false;
	for (size_t i = 0; i < 4; i++)
		span_cut(text, ':', &part[i], &text);
	if (text.len || !span_u64_max(part[0], VERIFIER_ITERATIONS_MAX, &iterations) ||
		!iterations || !verifier_octets(a, part[1], &v->salt) || !v->salt.len ||
		v->salt.len > VERIFIER_SALT_MAX || !verifier_octets(a, part[2], &v->stored) ||
		!verifier_octets(a, part[3], &v->server))
		return false;
	v->iterations = (unsigned)iterations;
	return v->stored.len == verifier_len(hash) && v->server.len == verifier_len(hash);
}

bool verifier_keys_fit(
	const struct verifier *verifier, enum verifier_hash hash, struct span password)
{
	struct verifier_keys keys;
	bool fits = password.len <= VERIFIER_PASSWORD_MAX &&
		verifier_derive(hash, password, verifier->salt, (int)verifier->iterations, &keys) &&
		secret_eq(verifier->stored, span_of(keys.stored, verifier_len(hash)));

	secret_wipe(&keys, sizeof(keys));
	return fits;
}

bool verifier_fits(struct span verifier, struct span password)
{
	struct arena *a = arena_new();
	struct verifier v;
	bool is_sound = verifier_parse(a, verifier, VERIFIER_SHA256, &v) &&
		password.len <= VERIFIER_PASSWORD_MAX;
	bool fits;

	if (!is_sound)
		v = (struct verifier){
			.iterations = VERIFIER_ITERATIONS, .salt = SPAN("no such account!")};
	fits = verifier_keys_fit(&v, VERIFIER_SHA256, span_sub(password, 0, VERIFIER_PASSWORD_MAX));
	arena_free(&a);
	return is_sound && fits;
}
