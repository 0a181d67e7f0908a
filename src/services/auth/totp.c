#include "services/auth/totp.h"

/* OpenSSL has a type of that name, which nothing here needs. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#undef ERR_STATE

#include "base/must.h"
#include "base/secret.h"

#define RECOVERY_GROUP 4

/* RFC 4226 section 5.3: dynamic truncation. */
static uint32_t truncated(struct span secret, int64_t step)
{
	unsigned char counter[8], mac[SHA_DIGEST_LENGTH];
	unsigned len = sizeof(mac), at;

	for (int i = 0; i < 8; i++)
		counter[i] = (unsigned char)((uint64_t)step >> (56 - 8 * i));
	MUST(HMAC(EVP_sha1(), secret.ptr, (int)secret.len, counter, sizeof(counter), mac, &len));
	at = mac[SHA_DIGEST_LENGTH - 1] & 0xf;
	return (uint32_t)(mac[at] & 0x7f) << 24 | (uint32_t)mac[at + 1] << 16 |
		(uint32_t)mac[at + 2] << 8 | mac[at + 3];
}

void totp_code(struct span secret, int64_t step, unsigned digits, struct buf *code)
{
	uint32_t n = truncated(secret, step), below = 1;

	for (unsigned i = 0; i < digits; i++)
		below *= 10;
	buf_printf(code, "%0*u", (int)digits, (unsigned)(n % below));
}

int64_t totp_step_of(struct span secret, struct span typed, int64_t now_sec)
{
	int64_t now = now_sec / TOTP_STEP_SEC, found = 0;
	struct buf digits, code;

	buf_init(&digits, TOTP_CODE_TYPED);
	buf_init(&code, TOTP_DIGITS);
	for (size_t i = 0; i < typed.len && i < TOTP_CODE_TYPED; i++)
		if (typed.ptr[i] != ' ')
			buf_char(&digits, typed.ptr[i]);
	for (int64_t step = now - TOTP_WINDOW; step <= now + TOTP_WINDOW; step++) {
		buf_clear(&code);
		totp_code(secret, step, TOTP_DIGITS, &code);
		if (step > 0 && secret_eq(buf_span(&code), buf_span(&digits)))
			found = step;
	}
	secret_wipe(code.mem, code.cap);
	buf_fini(&code);
	buf_fini(&digits);
	return found;
}

int totp_secret_make(struct arena *a, struct span *secret_r, struct err *e)
{
	unsigned char *p = arena_alloc(a, TOTP_SECRET);

	if (RAND_bytes(p, TOTP_SECRET) != 1)
		return err_set(e, ERR_STATE, "no random octets");
	*secret_r = span_of(p, TOTP_SECRET);
	secret_guard(a, *secret_r);
	return 0;
}

void totp_put_base32(struct buf *b, struct span s)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
	uint32_t bits = 0;
	unsigned count = 0;

	for (size_t i = 0; i < s.len; i++) {
		bits = bits << 8 | (unsigned char)s.ptr[i];
		for (count += 8; count >= 5; count -= 5)
			buf_char(b, letters[bits >> (count - 5) & 31]);
		bits &= (1u << count) - 1;
	}
	if (count)
		buf_char(b, letters[bits << (5 - count) & 31]);
}

/* Everything but unreserved characters (RFC 3986 section 2.3). */
static void put_escaped(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i], low = span_lower(c);

		if ((low >= 'a' && low <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
			c == '_' || c == '~')
			buf_char(b, (char)c);
		else
			buf_printf(b, "%%%02X", c);
	}
}

void totp_put_url(struct buf *b, struct span secret, struct span issuer, struct span address)
{
	buf_str(b, "otpauth://totp/");
	put_escaped(b, issuer);
	buf_char(b, ':');
	put_escaped(b, address);
	buf_str(b, "?secret=");
	totp_put_base32(b, secret);
	buf_str(b, "&issuer=");
	put_escaped(b, issuer);
}

bool recovery_hash(struct span typed, struct buf *hash)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	struct buf folded;
	bool is_ok;

	buf_init(&folded, RECOVERY_CHARS);
	for (size_t i = 0; i < typed.len && buf_ok(&folded); i++)
		if (typed.ptr[i] != ' ' && typed.ptr[i] != '-')
			buf_char(&folded, (char)span_lower((unsigned char)typed.ptr[i]));
	is_ok = buf_ok(&folded) && buf_len(&folded) == RECOVERY_CHARS;
	SHA256((const unsigned char *)buf_span(&folded).ptr, buf_len(&folded), digest);
	buf_put(hash, digest, sizeof(digest));
	if (folded.mem)
		secret_wipe(folded.mem, folded.cap);
	buf_fini(&folded);
	return is_ok && buf_ok(hash);
}

int recovery_make(struct arena *a, struct span **codes_r, struct span **hashes_r, struct err *e)
{
	static const char letters[] = "abcdefghjkmnpqrstvwxyz0123456789";
	unsigned char random[RECOVERY_CHARS];
	struct span *codes = ARENA_ARRAY(a, struct span, RECOVERY_CODES);
	struct span *hashes = ARENA_ARRAY(a, struct span, RECOVERY_CODES);

	for (int k = 0; k < RECOVERY_CODES; k++) {
		struct buf *text = arena_buf(a, 2 * RECOVERY_CHARS);
		struct buf *hash = arena_buf(a, RECOVERY_HASH);

		if (RAND_bytes(random, sizeof(random)) != 1)
			return err_set(e, ERR_STATE, "no random octets");
		for (size_t i = 0; i < sizeof(random); i++) {
			if (i && i % RECOVERY_GROUP == 0)
				buf_char(text, '-');
			buf_char(text, letters[random[i] % (sizeof(letters) - 1)]);
		}
		MUST(recovery_hash(buf_span(text), hash));
		codes[k] = buf_span(text);
		hashes[k] = buf_span(hash);
		secret_guard(a, codes[k]);
	}
	secret_wipe(random, sizeof(random));
	*codes_r = codes;
	*hashes_r = hashes;
	return 0;
}
