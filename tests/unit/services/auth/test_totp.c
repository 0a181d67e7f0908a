/* Codes by the clock (RFC 6238 appendix B) and recovery codes. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "services/auth/totp.h"

#define SECRET SPAN("12345678901234567890")

/* The vectors of SHA-1. */
static const struct {
	int64_t sec;
	const char *code;
} vectors[] = {
	{59, "94287082"},
	{1111111109, "07081804"},
	{1111111111, "14050471"},
	{1234567890, "89005924"},
	{2000000000, "69279037"},
	{20000000000, "65353130"},
};

static void the_vectors_of_rfc_6238(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		struct buf b;

		buf_init(&b, 8);
		totp_code(SECRET, vectors[i].sec / TOTP_STEP_SEC, 8, &b);
		assert_string_equal(buf_cstr(&b), vectors[i].code);
		buf_fini(&b);
	}
}

/* RFC 4226 appendix D: counters 0 to 9 with six digits. */
static void the_vectors_of_rfc_4226(void **state)
{
	static const char *const codes[] = {"755224", "287082", "359152", "969429", "338314",
		"254676", "287922", "162583", "399871", "520489"};

	for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
		struct buf b;

		buf_init(&b, 8);
		totp_code(SECRET, (int64_t)i, 6, &b);
		assert_string_equal(buf_cstr(&b), codes[i]);
		buf_fini(&b);
	}
}

/* The step that 359152 is of is the third one: 60 to 89 s. */
static const struct {
	const char *name, *typed;
	int64_t now_sec, step;
} windows[] = {
	{"its own time, first second", "359152", 60, 2},
	{"its own time, last second", "359152", 89, 2},
	{"a step late", "359152", 119, 2},
	{"two steps late", "359152", 120, 0},
	{"a step early", "359152", 30, 2},
	{"two steps early", "359152", 29, 0},
	{"with a blank within", "359 152", 75, 2},
	{"with blanks around", " 359152 ", 75, 2},
	{"a digit less", "35915", 75, 0},
	{"a digit more", "3591520", 75, 0},
	{"eight digits of the same", "37359152", 75, 0},
	{"nothing", "", 75, 0},
	{"letters", "abcdef", 75, 0},
	{"a code that nobody shows", "000000", 75, 0},
};

static void a_code_counts_within_its_window(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(windows); i++)
		if (totp_step_of(SECRET, span_str(windows[i].typed), windows[i].now_sec) !=
			windows[i].step)
			fail_msg("%s", windows[i].name);
}

/* RFC 4648 section 10, without padding. */
static void base32_is_without_padding(void **state)
{
	static const char *const pairs[][2] = {{"", ""}, {"f", "MY"}, {"fo", "MZXQ"},
		{"foo", "MZXW6"}, {"foob", "MZXW6YQ"}, {"fooba", "MZXW6YTB"},
		{"foobar", "MZXW6YTBOI"}};

	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		struct buf b;

		buf_init(&b, 64);
		totp_put_base32(&b, span_str(pairs[i][0]));
		assert_string_equal(buf_cstr(&b), pairs[i][1]);
		buf_fini(&b);
	}
}

static void the_url_holds_what_an_app_needs(void **state)
{
	struct buf b;

	buf_init(&b, 1024);
	totp_put_url(&b, SECRET, SPAN("mx.example"), SPAN("a+b@example"));
	assert_string_equal(buf_cstr(&b),
		"otpauth://totp/mx.example:a%2Bb%40example"
		"?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=mx.example");
	buf_fini(&b);
}

static bool hash_is(struct span typed, struct span hash)
{
	struct buf b;
	bool is;

	buf_init(&b, RECOVERY_HASH);
	is = recovery_hash(typed, &b) && span_eq(buf_span(&b), hash);
	buf_fini(&b);
	return is;
}

static void recovery_codes_are_known_again_as_people_type_them(void **state)
{
	struct arena *a = arena_new();
	struct span *codes, *hashes;
	struct err e = {0};
	struct buf typed;

	assert_int_equal(recovery_make(a, &codes, &hashes, &e), 0);
	buf_init(&typed, 64);
	for (int i = 0; i < RECOVERY_CODES; i++) {
		assert_int_equal(codes[i].len, RECOVERY_CHARS + 3);
		assert_true(hash_is(codes[i], hashes[i]));
		for (int k = 0; k < i; k++)
			assert_false(span_eq(codes[i], codes[k]));
		buf_clear(&typed);
		for (size_t k = 0; k < codes[i].len; k++)
			if (codes[i].ptr[k] != '-')
				buf_char(&typed,
					(char)(codes[i].ptr[k] >= 'a' ? codes[i].ptr[k] - 32
								      : codes[i].ptr[k]));
		assert_true(hash_is(buf_span(&typed), hashes[i]));
		assert_false(hash_is(span_skip(codes[i], 1), hashes[i]));
	}
	assert_false(hash_is(SPAN(""), hashes[0]));
	buf_fini(&typed);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_vectors_of_rfc_6238),
		cmocka_unit_test(the_vectors_of_rfc_4226),
		cmocka_unit_test(a_code_counts_within_its_window),
		cmocka_unit_test(base32_is_without_padding),
		cmocka_unit_test(the_url_holds_what_an_app_needs),
		cmocka_unit_test(recovery_codes_are_known_again_as_people_type_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
