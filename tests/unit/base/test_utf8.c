#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "base/utf8.h"
#include "lib/death.h"

/* First and last of every length, and what lies just outside (RFC 3629 section 3 and 4). */
static void boundaries(void **state)
{
	static const struct {
		const char *name;
		struct span in;
		size_t length;
		uint32_t code;
	} cases[] = {
		{"NUL", {"\0", 1}, 1, 0},
		{"last of one", {"\x7f", 1}, 1, 0x7f},
		{"first of two", {"\xc2\x80", 2}, 2, 0x80},
		{"last of two", {"\xdf\xbf", 2}, 2, 0x7ff},
		{"first of three", {"\xe0\xa0\x80", 3}, 3, 0x800},
		{"below the surrogates", {"\xed\x9f\xbf", 3}, 3, 0xd7ff},
		{"above the surrogates", {"\xee\x80\x80", 3}, 3, 0xe000},
		{"last of three", {"\xef\xbf\xbf", 3}, 3, 0xffff},
		{"first of four", {"\xf0\x90\x80\x80", 4}, 4, 0x10000},
		{"last of all", {"\xf4\x8f\xbf\xbf", 4}, 4, 0x10ffff},
		{"empty", {"", 0}, 0, 0},
		{"lone tail", {"\x80", 1}, 0, 0},
		{"last lone tail", {"\xbf", 1}, 0, 0},
		{"overlong NUL", {"\xc0\x80", 2}, 0, 0},
		{"overlong DEL", {"\xc1\xbf", 2}, 0, 0},
		{"overlong three", {"\xe0\x9f\xbf", 3}, 0, 0},
		{"overlong four", {"\xf0\x8f\xbf\xbf", 4}, 0, 0},
		{"first surrogate", {"\xed\xa0\x80", 3}, 0, 0},
		{"last surrogate", {"\xed\xbf\xbf", 3}, 0, 0},
		{"above U+10FFFF", {"\xf4\x90\x80\x80", 4}, 0, 0},
		{"lead F5", {"\xf5\x80\x80\x80", 4}, 0, 0},
		{"lead FF", {"\xff\xbf\xbf\xbf", 4}, 0, 0},
		{"cut two", {"\xc2", 1}, 0, 0},
		{"cut three", {"\xe2\x82", 2}, 0, 0},
		{"cut four", {"\xf0\x9f\x93", 3}, 0, 0},
		{"bad second", {"\xc2\x41", 2}, 0, 0},
		{"bad third", {"\xe2\x82\x41", 3}, 0, 0},
		{"bad fourth", {"\xf0\x9f\x93\xc0", 4}, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct span s = cases[i].in;
		uint32_t code = 99;

		if (utf8_length_at(s) != cases[i].length)
			print_error("case: %s\n", cases[i].name);
		assert_int_equal(utf8_length_at(s), cases[i].length);
		assert_int_equal(utf8_is_valid(s), cases[i].length > 0 || s.len == 0);
		assert_int_equal(utf8_take(&s, &code), cases[i].length > 0);
		assert_int_equal(code, cases[i].length ? cases[i].code : 99);
		assert_int_equal(s.len, cases[i].in.len - cases[i].length);
	}
}

static void every_scalar_value_comes_back(void **state)
{
	for (uint32_t code = 0; code <= 0x10ffff; code++) {
		char out[4];
		struct span s;
		uint32_t back = 0;

		if (code == 0xd800)
			code = 0xe000;
		s = span_of(out, utf8_put(out, code));
		assert_true(utf8_is_valid(s) && utf8_take(&s, &back));
		assert_true(back == code && s.len == 0);
	}
}

static void validity_of_whole_texts(void **state)
{
	assert_true(utf8_is_valid(SPAN("驿站 é ok")));
	assert_false(utf8_is_valid(SPAN("good then \xff")));
	assert_false(utf8_is_valid(SPAN("cut at the end \xe9\xa9")));
	assert_true(utf8_is_valid(SPAN_NONE));
}

static void put_code(void *arg)
{
	char out[4];

	utf8_put(out, *(uint32_t *)arg);
}

static void putting_no_scalar_value_ends_the_process(void **state)
{
	uint32_t bad[] = {0xd800, 0xdfff, 0x110000};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_true(death_aborts(put_code, &bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(boundaries),
		cmocka_unit_test(every_scalar_value_comes_back),
		cmocka_unit_test(validity_of_whole_texts),
		cmocka_unit_test(putting_no_scalar_value_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
