#include "store/verifier_import.h"

/* OpenSSL has a type of that name, which nothing here needs. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#undef ERR_STATE
#include <argon2.h>
#include <crypt.h>
#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/secret.h"
#include "store/account.h"

enum import_kind {
	IMPORT_PLAIN,
	IMPORT_CRYPT,  /* crypt(3): the text says which */
	IMPORT_DIGEST, /* of the password */
	IMPORT_SALTED, /* of the password and the salt, which stands behind the digest */
	IMPORT_PBKDF2, /* $1$salt$rounds$key in hex: HMAC-SHA-1 */
	IMPORT_ARGON2,
	IMPORT_SCRAM_SHA256,
	IMPORT_SCRAM_SHA1,
};

enum import_coding { IMPORT_TEXT, IMPORT_BASE64, IMPORT_HEX };

struct import_scheme {
	const char *name;
	enum import_kind kind;
	enum import_coding coding; /* unless a suffix says another */
	const EVP_MD *(*md)(void);
	const char *prefix; /* of the text; NULL any */
};

/* What Dovecot and LDAP servers write between braces. MD5 without "$1$" is LDAP's. */
static const struct import_scheme schemes[] = {
	{"PLAIN", IMPORT_PLAIN, IMPORT_TEXT, NULL, NULL},
	{"CLEAR", IMPORT_PLAIN, IMPORT_TEXT, NULL, NULL},
	{"CLEARTEXT", IMPORT_PLAIN, IMPORT_TEXT, NULL, NULL},
	{"CRYPT", IMPORT_CRYPT, IMPORT_TEXT, NULL, NULL},
	{"DES-CRYPT", IMPORT_CRYPT, IMPORT_TEXT, NULL, NULL},
	{"MD5-CRYPT", IMPORT_CRYPT, IMPORT_TEXT, NULL, "$1$"},
	{"SHA256-CRYPT", IMPORT_CRYPT, IMPORT_TEXT, NULL, "$5$"},
	{"SHA512-CRYPT", IMPORT_CRYPT, IMPORT_TEXT, NULL, "$6$"},
	{"BLF-CRYPT", IMPORT_CRYPT, IMPORT_TEXT, NULL, "$2"},
	{"MD5", IMPORT_CRYPT, IMPORT_TEXT, NULL, "$1$"},
	{"MD5", IMPORT_DIGEST, IMPORT_BASE64, EVP_md5, NULL},
	{"PLAIN-MD5", IMPORT_DIGEST, IMPORT_HEX, EVP_md5, NULL},
	{"LDAP-MD5", IMPORT_DIGEST, IMPORT_BASE64, EVP_md5, NULL},
	{"SMD5", IMPORT_SALTED, IMPORT_BASE64, EVP_md5, NULL},
	{"SHA", IMPORT_DIGEST, IMPORT_BASE64, EVP_sha1, NULL},
	{"SHA1", IMPORT_DIGEST, IMPORT_BASE64, EVP_sha1, NULL},
	{"SSHA", IMPORT_SALTED, IMPORT_BASE64, EVP_sha1, NULL},
	{"SHA256", IMPORT_DIGEST, IMPORT_BASE64, EVP_sha256, NULL},
	{"SSHA256", IMPORT_SALTED, IMPORT_BASE64, EVP_sha256, NULL},
	{"SHA512", IMPORT_DIGEST, IMPORT_BASE64, EVP_sha512, NULL},
	{"SSHA512", IMPORT_SALTED, IMPORT_BASE64, EVP_sha512, NULL},
	{"PBKDF2", IMPORT_PBKDF2, IMPORT_TEXT, EVP_sha1, "$1$"},
	{"ARGON2I", IMPORT_ARGON2, IMPORT_TEXT, NULL, "$argon2i$"},
	{"ARGON2ID", IMPORT_ARGON2, IMPORT_TEXT, NULL, "$argon2id$"},
	{"SCRAM-SHA-256", IMPORT_SCRAM_SHA256, IMPORT_TEXT, NULL, NULL},
	{"SCRAM-SHA-1", IMPORT_SCRAM_SHA1, IMPORT_TEXT, NULL, NULL},
};

/* What stands without braces. */
static const struct import_scheme bare[] = {
	{"Argon2i", IMPORT_ARGON2, IMPORT_TEXT, NULL, "$argon2i$"},
	{"Argon2id", IMPORT_ARGON2, IMPORT_TEXT, NULL, "$argon2id$"},
	{"SCRAM-SHA-256", IMPORT_SCRAM_SHA256, IMPORT_TEXT, NULL, "SCRAM-SHA-256$"},
	{"SCRAM-SHA-1", IMPORT_SCRAM_SHA1, IMPORT_TEXT, NULL, "SCRAM-SHA-1$"},
	{"crypt", IMPORT_CRYPT, IMPORT_TEXT, NULL, "$"},
};

/* A hash taken apart. Spans are octets, in the arena. */
struct import {
	const struct import_scheme *scheme;
	struct span text; /* decoded; CRYPT and ARGON2: NUL-ended */
	struct span digest, salt;
	int rounds;
	struct verifier scram;
};

/* --- taking apart -------------------------------------------------------------------------- */

static int import_bad(struct err *e, const char *what, const char *of)
{
	err_set(e, ERR_SYNTAX, "a hash of %s that is %s", of, what);
	return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
}

static int import_costly(struct err *e, const char *of)
{
	err_set(e, ERR_LIMIT, "a hash of %s that takes too long to check", of);
	return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
}

static bool import_decode(
	struct arena *a, enum import_coding coding, struct span text, struct span *octets_r)
{
	struct buf *b = arena_buf(a, ACCOUNT_IMPORTED_MAX);

	if (coding == IMPORT_TEXT)
		buf_span_put(b, text);
	else if (!(coding == IMPORT_HEX ? enc_get_hex : enc_get_base64)(b, text))
		return false;
	*octets_r = arena_span(a, buf_span(b));
	return buf_ok(b);
}

/* "{SSHA.b64}…": which scheme, which coding, and what stands behind. */
static int import_braces(
	struct span hash, struct import *im, enum import_coding *coding_r, struct err *e)
{
	struct span name, suffix, rest;
	bool has_suffix;

	if (!span_cut(span_skip(hash, 1), '}', &name, &rest))
		return import_bad(e, "without its second brace", "{SCHEME}");
	name = span_sub(name, 0, VERIFIER_IMPORT_SCHEME_MAX);
	has_suffix = span_cut(name, '.', &name, &suffix);
	for (size_t i = 0; i < ARRAY_LEN(schemes) && !im->scheme; i++) {
		const struct import_scheme *s = &schemes[i];

		if (!span_eq_nocase(name, span_str(s->name)))
			continue;
		if (i + 1 < ARRAY_LEN(schemes) && strcmp(s[1].name, s->name) == 0 &&
			!span_starts(rest, span_str(s->prefix)))
			continue;
		im->scheme = s;
	}
	if (!im->scheme) {
		err_set(e, ERR_SYNTAX,
			"the scheme {" SPAN_FMT "} is not known; set a password instead",
			SPAN_ARG(name));
		return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
	}
	*coding_r = im->scheme->coding;
	if (has_suffix &&
		(span_eq_nocase(suffix, SPAN("b64")) || span_eq_nocase(suffix, SPAN("base64"))))
		*coding_r = IMPORT_BASE64;
	else if (has_suffix && span_eq_nocase(suffix, SPAN("hex")))
		*coding_r = IMPORT_HEX;
	else if (has_suffix)
		return import_bad(e, "in a coding other than .b64 or .hex", im->scheme->name);
	im->text = rest;
	return 0;
}

/* A traditional hash of DES: 13 characters, the first two of them the salt. */
static bool import_is_des(struct span hash)
{
	if (hash.len != 13)
		return false;
	for (size_t i = 0; i < hash.len; i++) {
		char c = hash.ptr[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '.' && c <= '9')))
			return false;
	}
	return true;
}

/* A number of the alphabet that crypt(3) counts in. */
static int import_crypt_digit(char c)
{
	const char *digits = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : 64;
}

static bool import_crypt_is_costly(struct span text)
{
	struct span rest;
	uint64_t n = 0;

	if (span_starts(text, SPAN("$5$rounds=")) || span_starts(text, SPAN("$6$rounds="))) {
		span_cut(span_skip(text, 10), '$', &rest, &text);
		return !span_u64_max(rest, VERIFIER_IMPORT_ROUNDS_MAX, &n);
	}
	if (span_starts(text, SPAN("$2")))
		return text.len < 7 ||
			!span_u64_max(span_sub(text, 4, 2), VERIFIER_IMPORT_COST_MAX, &n);
	if (span_starts(text, SPAN("$7$")))
		return text.len < 4 ||
			import_crypt_digit(text.ptr[3]) > VERIFIER_IMPORT_SCRYPT_MAX ||
			/* r below 64, p = 1: five digits each, the lowest first */
			!span_starts(span_skip(text, 5), SPAN("..../...."));
	/* "$y$j9T$": flavour, then N, then r */
	if (span_starts(text, SPAN("$y$")) || span_starts(text, SPAN("$gy$"))) {
		rest = span_skip(text, text.ptr[1] == 'g' ? 4 : 3);
		return rest.len < 4 || rest.ptr[3] != '$' ||
			import_crypt_digit(rest.ptr[1]) + 1 > VERIFIER_IMPORT_SCRYPT_MAX;
	}
	if (span_starts(text, SPAN("$sha1$"))) {
		span_cut(span_skip(text, 6), '$', &rest, &text);
		return !span_u64_max(rest, VERIFIER_IMPORT_ROUNDS_MAX, &n);
	}
	return !(span_starts(text, SPAN("$1$")) || span_starts(text, SPAN("$5$")) ||
		span_starts(text, SPAN("$6$")) || import_is_des(text));
}

static int import_crypt(struct import *im, struct err *e)
{
	int salt;

	if (im->text.len >= CRYPT_OUTPUT_SIZE || memchr(im->text.ptr, 0, im->text.len))
		return import_bad(e, "too long", "crypt(3)");
	salt = crypt_checksalt(im->text.ptr);
	if (salt != CRYPT_SALT_OK && salt != CRYPT_SALT_METHOD_LEGACY &&
		salt != CRYPT_SALT_TOO_CHEAP)
		return import_bad(e, "not known here or not well-formed", "crypt(3)");
	/* The salt alone is no hash: "$6$salt" */
	if (!import_is_des(im->text) && span_rfind(im->text, '$') + 1 == (ptrdiff_t)im->text.len)
		return import_bad(e, "cut off", "crypt(3)");
	return import_crypt_is_costly(im->text) ? import_costly(e, "crypt(3)") : 0;
}

static int import_digest(struct import *im, struct err *e)
{
	size_t len = (size_t)EVP_MD_get_size(im->scheme->md());

	if (im->text.len < len || im->text.len > len + VERIFIER_IMPORT_SALT_MAX ||
		(im->scheme->kind == IMPORT_DIGEST) != (im->text.len == len))
		return import_bad(e, "of the wrong length", im->scheme->name);
	im->digest = span_sub(im->text, 0, len);
	im->salt = span_skip(im->text, len);
	return 0;
}

static int import_pbkdf2(struct arena *a, struct import *im, struct err *e)
{
	struct span rest = span_skip(im->text, 3), rounds, key;
	uint64_t n = 0;

	if (!span_starts(im->text, SPAN("$1$")) || !span_cut(rest, '$', &im->salt, &rest) ||
		!span_cut(rest, '$', &rounds, &key) || !span_u64(rounds, &n) || !n ||
		!import_decode(a, IMPORT_HEX, key, &im->digest) ||
		im->digest.len != (size_t)EVP_MD_get_size(im->scheme->md()))
		return import_bad(e, "not $1$salt$rounds$key", im->scheme->name);
	if (n > VERIFIER_IMPORT_ROUNDS_MAX)
		return import_costly(e, im->scheme->name);
	im->rounds = (int)n;
	return 0;
}

/* "$argon2id$v=19$m=65536,t=3,p=1$salt$key" */
static int import_argon2(struct import *im, struct err *e)
{
	static const struct {
		const char *name;
		uint64_t max;
	} wants[] = {{"m=", VERIFIER_IMPORT_KIB_MAX}, {"t=", VERIFIER_IMPORT_PASSES_MAX},
		{"p=", VERIFIER_IMPORT_PASSES_MAX}};
	struct span rest = im->text, part;

	if (memchr(im->text.ptr, 0, im->text.len))
		return import_bad(e, "not well-formed", "Argon2");
	for (int i = 0; i < 3; i++)
		if (!span_cut(rest, '$', &part, &rest))
			return import_bad(e, "cut off", "Argon2");
	if (!span_starts(part, SPAN("v=")) || !span_cut(rest, '$', &part, &rest))
		return import_bad(e, "cut off", "Argon2");
	for (size_t i = 0; i < ARRAY_LEN(wants); i++) {
		struct span item;
		uint64_t n;

		span_cut(part, ',', &item, &part);
		if (!span_starts(item, span_str(wants[i].name)) ||
			!span_u64(span_skip(item, 2), &n))
			return import_bad(e, "not m=…,t=…,p=…", "Argon2");
		if (n > wants[i].max)
			return import_costly(e, "Argon2");
	}
	return span_cut(rest, '$', &part, &rest) && part.len && rest.len
		? 0
		: import_bad(e, "cut off", "Argon2");
}

/* Dovecot: "4096,salt,stored,server"; RFC 5803: "4096:salt$stored:server". */
static int import_scram(struct arena *a, struct import *im, struct err *e)
{
	enum verifier_hash hash = im->scheme->kind == IMPORT_SCRAM_SHA1 ? VERIFIER_SHA1
									: VERIFIER_SHA256;
	struct span text = im->text, name, rest;
	char *kept;

	if (im->scheme->prefix && span_cut(text, '$', &name, &rest))
		text = rest;
	kept = arena_str(a, text);
	for (char *p = kept; *p; p++)
		if (*p == ',' || *p == '$')
			*p = ':';
	if (!verifier_parse(a, span_str(kept), hash, &im->scram))
		return import_bad(e, "not iterations, salt and two keys", im->scheme->name);
	return im->scram.iterations > VERIFIER_IMPORT_ROUNDS_MAX
		? import_costly(e, im->scheme->name)
		: 0;
}

static int import_parse(struct arena *a, struct span hash, struct import *im, struct err *e)
{
	enum import_coding coding = IMPORT_TEXT;

	*im = (struct import){.text = hash};
	if (hash.len > ACCOUNT_IMPORTED_MAX || span_has_line_break(hash))
		return import_bad(e, "too long or of several lines", "some kind");
	if (span_starts(hash, SPAN("{"))) {
		if (import_braces(hash, im, &coding, e) < 0)
			return -1;
	} else {
		for (size_t i = 0; i < ARRAY_LEN(bare) && !im->scheme; i++)
			if (span_starts(hash, span_str(bare[i].prefix)))
				im->scheme = &bare[i];
		if (!im->scheme && import_is_des(hash))
			im->scheme = &bare[ARRAY_LEN(bare) - 1];
		if (!im->scheme)
			return import_bad(e, "of no known form ($6$…, {SSHA}…)", "some kind");
	}
	if (!import_decode(a, coding, im->text, &im->text))
		return import_bad(e, "not in its coding (base64 or hex)", im->scheme->name);
	if (span_starts(hash, SPAN("{")) && im->scheme->prefix &&
		!span_starts(im->text, span_str(im->scheme->prefix)))
		return import_bad(e, "of another kind than its scheme says", im->scheme->name);
	switch (im->scheme->kind) {
	case IMPORT_PLAIN: break;
	case IMPORT_CRYPT: return import_crypt(im, e);
	case IMPORT_DIGEST:
	case IMPORT_SALTED: return import_digest(im, e);
	case IMPORT_PBKDF2: return import_pbkdf2(a, im, e);
	case IMPORT_ARGON2: return import_argon2(im, e);
	case IMPORT_SCRAM_SHA256:
	case IMPORT_SCRAM_SHA1: return import_scram(a, im, e);
	}
	return im->text.len ? 0 : import_bad(e, "empty", im->scheme->name);
}

int verifier_import_check(struct span hash, struct err *e)
{
	struct arena *a = arena_new();
	struct import im;
	int result = import_parse(a, hash, &im, e);

	arena_free(&a);
	return result;
}

void verifier_import_scram(
	struct arena *a, struct span hash, struct span *sha256_r, struct span *sha1_r)
{
	struct import im;

	*sha256_r = *sha1_r = SPAN_NONE;
	if (import_parse(a, hash, &im, NULL) < 0)
		return;
	if (im.scheme->kind == IMPORT_SCRAM_SHA256)
		*sha256_r = verifier_text(a, &im.scram);
	else if (im.scheme->kind == IMPORT_SCRAM_SHA1)
		*sha1_r = verifier_text(a, &im.scram);
}

bool verifier_import_plain(struct arena *a, struct span hash, struct span *password_r)
{
	struct import im;

	if (import_parse(a, hash, &im, NULL) < 0 || im.scheme->kind != IMPORT_PLAIN)
		return false;
	*password_r = im.text;
	return true;
}

/* --- comparing ----------------------------------------------------------------------------- */

static bool import_crypt_fits(const struct import *im, const char *password)
{
	struct crypt_data *data;
	const char *got;
	bool fits;

	if (strlen(password) >= CRYPT_MAX_PASSPHRASE_SIZE)
		return false;
	data = NEW(struct crypt_data);
	got = crypt_r(password, im->text.ptr, data);
	fits = got && got[0] != '*' && secret_eq(span_str(got), im->text);
	secret_wipe(data, sizeof(*data));
	free(data);
	return fits;
}

static bool import_digest_fits(const struct import *im, struct span password)
{
	unsigned char got[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool fits = ctx && EVP_DigestInit_ex(ctx, im->scheme->md(), NULL) == 1 &&
		EVP_DigestUpdate(ctx, password.ptr, password.len) == 1 &&
		EVP_DigestUpdate(ctx, im->salt.ptr, im->salt.len) == 1 &&
		EVP_DigestFinal_ex(ctx, got, &len) == 1 && secret_eq(span_of(got, len), im->digest);

	EVP_MD_CTX_free(ctx);
	secret_wipe(got, sizeof(got));
	return fits;
}

static bool import_pbkdf2_fits(const struct import *im, struct span password)
{
	unsigned char got[EVP_MAX_MD_SIZE];
	bool fits = PKCS5_PBKDF2_HMAC(password.ptr ? password.ptr : "", (int)password.len,
			    (const unsigned char *)im->salt.ptr, (int)im->salt.len, im->rounds,
			    im->scheme->md(), (int)im->digest.len, got) == 1 &&
		secret_eq(span_of(got, im->digest.len), im->digest);

	secret_wipe(got, sizeof(got));
	return fits;
}

static bool import_fits(const struct import *im, const char *text, struct span password)
{
	switch (im->scheme->kind) {
	case IMPORT_PLAIN: return secret_eq(im->text, password);
	case IMPORT_CRYPT: return import_crypt_fits(im, text);
	case IMPORT_DIGEST:
	case IMPORT_SALTED: return import_digest_fits(im, password);
	case IMPORT_PBKDF2: return import_pbkdf2_fits(im, password);
	case IMPORT_ARGON2:
		return argon2_verify(im->text.ptr, password.ptr ? password.ptr : "", password.len,
			       span_starts(im->text, SPAN("$argon2id$")) ? Argon2_id : Argon2_i) ==
			ARGON2_OK;
	case IMPORT_SCRAM_SHA256: return verifier_keys_fit(&im->scram, VERIFIER_SHA256, password);
	case IMPORT_SCRAM_SHA1: return verifier_keys_fit(&im->scram, VERIFIER_SHA1, password);
	}
	return false;
}

bool verifier_imported_fits(struct span hash, struct span password)
{
	struct arena *a;
	struct import im;
	char *text;
	bool fits = false;

	if (password.len > VERIFIER_PASSWORD_MAX || span_has_line_break(password))
		return false;
	a = arena_new();
	text = arena_str(a, password); /* crypt(3) takes C strings */
	if (import_parse(a, hash, &im, NULL) == 0)
		fits = import_fits(&im, text, password);
	secret_wipe(text, password.len);
	arena_free(&a);
	return fits;
}
