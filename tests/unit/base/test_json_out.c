#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "base/json_out.h"
#include "base/must.h"
#include "lib/death.h"

#define BAD "\xef\xbf\xbd"

static void quoting(void **state)
{
	static const struct {
		const char *name;
		struct span in;
		const char *want;
	} cases[] = {
		{"empty", {"", 0}, "\"\""},
		{"plain", {"abc", 3}, "\"abc\""},
		{"quote and backslash", {"a\"b\\c/", 6}, "\"a\\\"b\\\\c/\""},
		{"line breaks and tab", {"\r\n\t", 3}, "\"\\r\\n\\t\""},
		{"NUL and controls", {"\0\x01\x1f\x7f", 4}, "\"\\u0000\\u0001\\u001f\\u007f\""},
		{"C1 control", {"\xc2\x9b[2J", 5}, "\"\\u009b[2J\""},
		{"no-break space stays", {"\xc2\xa0", 2}, "\"\xc2\xa0\""},
		{"line separator", {"\xe2\x80\xa8\xe2\x80\xa9", 6}, "\"\\u2028\\u2029\""},
		{"utf-8 stays", {"驿站\xf0\x9f\x93\xac", 10}, "\"驿站\xf0\x9f\x93\xac\""},
		{"latin-1 byte", {"caf\xe9!", 5}, "\"caf" BAD "!\""},
		{"cut character", {"a\xe9\xa9", 3}, "\"a" BAD BAD "\""},
		{"surrogate", {"\xed\xa0\x80", 3}, "\"" BAD BAD BAD "\""},
		{"overlong slash", {"\xc0\xaf", 2}, "\"" BAD BAD "\""},
		{"above U+10FFFF", {"\xf4\x90\x80\x80", 4}, "\"" BAD BAD BAD BAD "\""},
		{"quote behind a bad lead", {"\xe9\"", 2}, "\"" BAD "\\\"\""},
	};
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_quote(&b, cases[i].in);
		if (strcmp(buf_cstr(&b), cases[i].want) != 0)
			print_error("case: %s\n", cases[i].name);
		assert_string_equal(buf_cstr(&b), cases[i].want);
		buf_clear(&b);
	}
	buf_fini(&b);
}

static void commas_and_nesting(void **state)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, 1000);
	json_out_init(&j, &b);
	json_open_object(&j);
	json_kv_u64(&j, "u", UINT64_MAX);
	json_kv_i64(&j, "i", INT64_MIN);
	json_kv_bool(&j, "t", true);
	json_kv_bool(&j, "f", false);
	json_kv_str(&j, "s", "x");
	json_kv_str(&j, "null", NULL);
	json_kv_span(&j, "p", SPAN("y"));
	json_key(&j, "a");
	json_open_array(&j);
	json_open_array(&j);
	json_close(&j);
	json_open_object(&j);
	json_close(&j);
	json_u64(&j, 1);
	json_null(&j);
	json_raw(&j, SPAN("[2]"));
	json_close(&j);
	json_key_span(&j, SPAN("q\"k"));
	json_double(&j, 0.5);
	json_close(&j);
	assert_string_equal(buf_cstr(&b),
		"{\"u\":18446744073709551615,\"i\":-9223372036854775808,\"t\":true,\"f\":false,"
		"\"s\":\"x\",\"null\":null,\"p\":\"y\",\"a\":[[],{},1,null,[2]],\"q\\\"k\":0.5}");
	buf_fini(&b);
}

static void numbers_json_does_not_have(void **state)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, 100);
	json_out_init(&j, &b);
	json_open_array(&j);
	json_double(&j, INFINITY);
	json_double(&j, NAN);
	json_close(&j);
	assert_string_equal(buf_cstr(&b), "[null,null]");
	buf_fini(&b);
}

static void full_buffer_stops_quietly(void **state)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, 5);
	json_out_init(&j, &b);
	json_open_object(&j);
	json_kv_str(&j, "key", "value");
	json_close(&j);
	assert_false(buf_ok(&b));
	assert_true(buf_len(&b) <= 5);
	buf_fini(&b);
}

enum misuse { CLOSE_NOTHING, VALUE_WITHOUT_KEY, KEY_IN_ARRAY, CLOSE_AFTER_KEY, TWO_KEYS, TOO_DEEP };

static void do_misuse(void *arg)
{
	struct json_out j;
	struct buf b;

	buf_init(&b, 1000);
	json_out_init(&j, &b);
	switch (*(enum misuse *)arg) {
	case CLOSE_NOTHING: json_close(&j); break;
	case VALUE_WITHOUT_KEY:
		json_open_object(&j);
		json_u64(&j, 1);
		break;
	case KEY_IN_ARRAY:
		json_open_array(&j);
		json_key(&j, "k");
		break;
	case CLOSE_AFTER_KEY:
		json_open_object(&j);
		json_key(&j, "k");
		json_close(&j);
		break;
	case TWO_KEYS:
		json_open_object(&j);
		json_key(&j, "k");
		json_key(&j, "k");
		break;
	case TOO_DEEP:
		for (int i = 0; i <= JSON_OUT_DEPTH; i++)
			json_open_array(&j);
		break;
	}
}

static void wrong_structure_ends_the_process(void **state)
{
	for (enum misuse m = CLOSE_NOTHING; m <= TOO_DEEP; m++)
		assert_true(death_aborts(do_misuse, &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quoting),
		cmocka_unit_test(commas_and_nesting),
		cmocka_unit_test(numbers_json_does_not_have),
		cmocka_unit_test(full_buffer_stops_quietly),
		cmocka_unit_test(wrong_structure_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
