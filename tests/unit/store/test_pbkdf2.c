/* Our PBKDF2 against published vectors and OpenSSL's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>

#include "base/enc.h"
#include "base/must.h"
#include "store/pbkdf2.h"

/* RFC 7914 section 11 (its first 32 octets), and widely published ones. */
static const struct {
	const char *password, *salt, *key;
	unsigned iterations;
} vectors[] = {
	{"passwd", "salt", "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc", 1},
	{"Password", "NaCl", "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56",
		80000},
	{"password", "salt", "c5e478d59288c841aa530db6845c4c8d962893a001ce4e11a4963873aa98134a",
		4096},
};

static void vectors_are_met(void **state)
{
	unsigned char key[PBKDF2_SHA256];
	struct buf hex;

	(void)state;
	buf_init(&hex, 2 * sizeof(key));
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		pbkdf2_sha256(span_str(vectors[i].password), span_str(vectors[i].salt),
			vectors[i].iterations, key);
		buf_clear(&hex);
		enc_put_hex(&hex, span_of(key, sizeof(key)));
		assert_string_equal(buf_cstr(&hex), vectors[i].key);
	}
	buf_fini(&hex);
}

/* All lengths around the block of the hash. */
static void every_length_is_as_openssl_has_it(void **state)
{
	static const char text[] =
		"0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	unsigned char ours[PBKDF2_SHA256], theirs[PBKDF2_SHA256];

	(void)state;
	for (int len = 0; len < (int)sizeof(text); len++) {
		int salt = (len * 7) % (int)sizeof(text);

		pbkdf2_sha256(span_of(text, len), span_of(text, salt), 3, ours);
		assert_int_equal(PKCS5_PBKDF2_HMAC(text, len, (const unsigned char *)text, salt, 3,
					 EVP_sha256(), sizeof(theirs), theirs),
			1);
		assert_memory_equal(ours, theirs, sizeof(ours));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_are_met),
		cmocka_unit_test(every_length_is_as_openssl_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
