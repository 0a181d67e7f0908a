/* App passwords: five groups of four of 32 letters and digits that cannot be taken for one another. */

/* OpenSSL has a type of that name, which nothing here needs. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/rand.h>
#include <openssl/sha.h>
#undef ERR_STATE

#include "base/enc.h"
#include "store/verifier.h"
#include "services/auth/auth_priv.h"

#define APP_GROUP 4

bool auth_app_hash(struct span typed, struct buf *hex)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	struct buf folded;
	bool is_ok;

	buf_init(&folded, AUTH_APP_TYPED);
	buf_reserve(&folded, AUTH_APP_TYPED);
	for (size_t i = 0; i < typed.len && buf_ok(&folded); i++) {
		if (typed.ptr[i] != ' ' && typed.ptr[i] != '-')
			buf_char(&folded, (char)span_lower((unsigned char)typed.ptr[i]));
	}
	is_ok = buf_ok(&folded) && buf_len(&folded);
	SHA256((const unsigned char *)buf_span(&folded).ptr, buf_len(&folded), digest);
	enc_put_hex(hex, span_of(digest, sizeof(digest)));
	if (folded.mem)
		secret_wipe(folded.mem, folded.cap);
	buf_fini(&folded);
	return is_ok && buf_ok(hex);
}

FIBER int auth_app_make(struct store *s, struct arena *a, struct account_app_password *app,
	struct span *password_r, struct err *e)
{
	static const char letters[] = "abcdefghjkmnpqrstvwxyz0123456789";
	unsigned char random[AUTH_APP_CHARS];
	struct buf *text = arena_buf(a, AUTH_APP_TYPED);
	struct buf *hex = arena_buf(a, 2 * SHA256_DIGEST_LENGTH);

	if (RAND_bytes(random, sizeof(random)) != 1)
		return err_set(e, ERR_STATE, "no random octets");
	for (size_t i = 0; i < sizeof(random); i++) {
		if (i && i % APP_GROUP == 0)
			buf_char(text, '-');
		buf_char(text, letters[random[i] % (sizeof(letters) - 1)]);
	}
	secret_wipe(random, sizeof(random));
	MUST(auth_app_hash(buf_span(text), hex));
	app->key_hash = buf_span(hex);
	*password_r = buf_span(text);
	/* SCRAM has no way to fold what is typed: it knows the form that is shown. */
	return verifier_make(s, a, *password_r, &app->scram_sha256, e);
}
