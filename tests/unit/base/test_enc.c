#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/enc.h"
#include "base/must.h"

/* RFC 4648 section 10 */
static const struct {
	const char *bytes, *base64, *hex;
} vectors[] = {
	{"", "", ""},
	{"f", "Zg==", "66"},
	{"fo", "Zm8=", "666f"},
	{"foo", "Zm9v", "666f6f"},
	{"foob", "Zm9vYg==", "666f6f62"},
	{"fooba", "Zm9vYmE=", "666f6f6261"},
	{"foobar", "Zm9vYmFy", "666f6f626172"},
	{"\xfb\xff\xbf", "+/+/", "fbffbf"},
};

static void rfc4648_vectors(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		enc_put_base64(&b, span_str(vectors[i].bytes));
		assert_string_equal(buf_cstr(&b), vectors[i].base64);
		buf_clear(&b);
		assert_true(enc_get_base64(&b, span_str(vectors[i].base64)));
		assert_string_equal(buf_cstr(&b), vectors[i].bytes);
		buf_clear(&b);
		enc_put_hex(&b, span_str(vectors[i].bytes));
		assert_string_equal(buf_cstr(&b), vectors[i].hex);
		buf_clear(&b);
		assert_true(enc_get_hex(&b, span_str(vectors[i].hex)));
		assert_string_equal(buf_cstr(&b), vectors[i].bytes);
		buf_clear(&b);
	}
	buf_fini(&b);
}

static void every_byte_and_length_comes_back(void **state)
{
	struct buf text, back;
	char bytes[256];

	buf_init(&text, 1000);
	buf_init(&back, 256);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (char)(i * 167 + 13);
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		buf_clear(&text);
		buf_clear(&back);
		enc_put_base64(&text, span_of(bytes, n));
		assert_true(enc_get_base64(&back, buf_span(&text)));
		assert_true(span_eq(buf_span(&back), span_of(bytes, n)));
		buf_clear(&text);
		buf_clear(&back);
		enc_put_hex(&text, span_of(bytes, n));
		assert_true(enc_get_hex(&back, buf_span(&text)));
		assert_true(span_eq(buf_span(&back), span_of(bytes, n)));
	}
	buf_fini(&text);
	buf_fini(&back);
}

static void bad_base64_appends_nothing(void **state)
{
	static const char *const bad[] = {"Z", "Zg", "Zg=", "Zg===", "=", "====", "A===", "Zg=a",
		"Z=g=", "Zh==", "Zm9=", "Zg==Zg==", "Zm9v Zm9v", "Zm9v\r\n==", "Zm-_", "Zm9vYg=\n",
		"*m9v", "Zm9vZm9*", "Zm9v===="};
	struct buf b;

	buf_init(&b, 100);
	buf_str(&b, "kept");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(enc_get_base64(&b, span_str(bad[i])));
		assert_string_equal(buf_cstr(&b), "kept");
	}
	buf_fini(&b);
}

static void bad_hex_appends_nothing(void **state)
{
	static const char *const bad[] = {"6", "666", "6g", "g6", "66 6", "0x66", "66:6"};
	struct buf b;

	buf_init(&b, 100);
	buf_str(&b, "kept");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_false(enc_get_hex(&b, span_str(bad[i])));
		assert_string_equal(buf_cstr(&b), "kept");
	}
	assert_true(enc_get_hex(&b, SPAN("Aa")));
	assert_string_equal(buf_cstr(&b), "kept\xaa");
	buf_fini(&b);
}

static void past_the_cap_is_refused_whole(void **state)
{
	struct buf b;

	buf_init(&b, 4);
	assert_false(enc_get_base64(&b, SPAN("Zm9vYmFy")));
	assert_int_equal(buf_len(&b), 0);
	buf_clear(&b);
	assert_false(enc_get_hex(&b, SPAN("666f6f6261")));
	assert_int_equal(buf_len(&b), 0);
	buf_clear(&b);
	enc_put_base64(&b, SPAN("foob"));
	assert_int_equal(buf_len(&b), 0);
	assert_false(buf_ok(&b));
	buf_clear(&b);
	enc_put_hex(&b, SPAN("foo"));
	assert_int_equal(buf_len(&b), 0);
	assert_false(buf_ok(&b));
	buf_fini(&b);
}

static void ids_read_back_and_sort(void **state)
{
	static const struct {
		uint64_t id;
		const char *text;
	} cases[] = {
		{0, "0000000000000"},
		{1, "0000000000001"},
		{31, "000000000000Z"},
		{32, "0000000000010"},
		{0xffffffff, "0000003ZZZZZZ"},
		{INT64_MAX, "7ZZZZZZZZZZZZ"},
		{UINT64_MAX, "FZZZZZZZZZZZZ"},
	};
	struct buf b, before;

	buf_init(&b, 20);
	buf_init(&before, 20);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t id = 5;

		buf_clear(&b);
		enc_put_id(&b, cases[i].id);
		assert_string_equal(buf_cstr(&b), cases[i].text);
		assert_true(enc_get_id(buf_span(&b), &id));
		assert_true(id == cases[i].id);
		assert_true(span_cmp(buf_span(&before), buf_span(&b)) < 0);
		buf_clear(&before);
		buf_span_put(&before, buf_span(&b));
	}
	buf_fini(&b);
	buf_fini(&before);
}

static void bad_ids_are_refused(void **state)
{
	static const char *const bad[] = {"", "0", "000000000000", "00000000000000",
		"G000000000000", "000000000000I", "000000000000L", "000000000000O", "000000000000U",
		"000000000000 ", "000000000000-"};
	uint64_t id = 42;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(enc_get_id(span_str(bad[i]), &id));
	assert_true(id == 42);
	assert_true(enc_get_id(SPAN("000000000000z"), &id));
	assert_true(id == 31);
}

static void base64url_is_strict(void **state)
{
	static const char *const bad[] = {
		"A", "AA==", "AA=", "A+", "A/", "AB", "AAB", "A A", "AA\n"};
	struct buf b;

	buf_init(&b, 100);
	assert_true(enc_get_base64url(&b, SPAN("-_-_Zg")));
	assert_true(span_eq(buf_span(&b), SPAN("\xfb\xff\xbf\x66")));
	assert_true(enc_get_base64url(&b, SPAN("")));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(enc_get_base64url(&b, span_str(bad[i])));
	assert_int_equal(buf_len(&b), 4);
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc4648_vectors),
		cmocka_unit_test(every_byte_and_length_comes_back),
		cmocka_unit_test(bad_base64_appends_nothing),
		cmocka_unit_test(bad_hex_appends_nothing),
		cmocka_unit_test(past_the_cap_is_refused_whole),
		cmocka_unit_test(ids_read_back_and_sort),
		cmocka_unit_test(bad_ids_are_refused),
		cmocka_unit_test(base64url_is_strict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
