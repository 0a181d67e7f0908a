#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "base/span.h"

static void assert_span(struct span s, const char *want)
{
	assert_int_equal(s.len, strlen(want));
	assert_true(span_eq(s, span_str(want)));
}

static void equality_and_order(void **state)
{
	static const struct {
		struct span a, b;
		bool is_equal, is_equal_nocase;
		int order;
	} cases[] = {
		{{"", 0}, {NULL, 0}, true, true, 0},
		{{"a", 1}, {"a", 1}, true, true, 0},
		{{"a", 1}, {"A", 1}, false, true, 1},
		{{"a", 1}, {"ab", 2}, false, false, -1},
		{{"b", 1}, {"ab", 2}, false, false, 1},
		{{"\xff", 1}, {"a", 1}, false, false, 1},
		{{"a\0b", 3}, {"a\0c", 3}, false, false, -1},
		{{"@", 1}, {"`", 1}, false, false, -1},
		{{"[", 1}, {"{", 1}, false, false, -1},
		{{"\xc3\x84", 2}, {"\xc3\xa4", 2}, false, false, -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int order = span_cmp(cases[i].a, cases[i].b);

		assert_int_equal(span_eq(cases[i].a, cases[i].b), cases[i].is_equal);
		assert_int_equal(span_eq_nocase(cases[i].a, cases[i].b), cases[i].is_equal_nocase);
		assert_int_equal((order > 0) - (order < 0), cases[i].order);
		order = span_cmp(cases[i].b, cases[i].a);
		assert_int_equal((order > 0) - (order < 0), -cases[i].order);
	}
}

static void starts_and_ends(void **state)
{
	assert_true(span_starts(SPAN("MAIL FROM"), SPAN("MAIL")));
	assert_false(span_starts(SPAN("mail FROM"), SPAN("MAIL")));
	assert_true(span_starts_nocase(SPAN("mail FROM"), SPAN("MAIL")));
	assert_false(span_starts(SPAN("MA"), SPAN("MAIL")));
	assert_false(span_starts_nocase(SPAN("MA"), SPAN("MAIL")));
	assert_true(span_starts(SPAN_NONE, SPAN("")));
	assert_true(span_ends_nocase(SPAN("a.EXAMPLE"), SPAN(".example")));
	assert_false(span_ends_nocase(SPAN("example"), SPAN(".example")));
	assert_true(span_ends_nocase(SPAN_NONE, SPAN_NONE));
}

static void finding(void **state)
{
	static const struct {
		const char *in, *needle;
		ptrdiff_t at;
	} cases[] = {
		{"", "", 0},
		{"abc", "", 0},
		{"abc", "abc", 0},
		{"abc", "abcd", -1},
		{"", "a", -1},
		{"xabab", "ab", 1},
		{"aaab", "aab", 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(span_find_span(span_str(cases[i].in), span_str(cases[i].needle)),
			cases[i].at);
	assert_int_equal(span_find(SPAN("a@b@c"), '@'), 1);
	assert_int_equal(span_rfind(SPAN("a@b@c"), '@'), 3);
	assert_int_equal(span_find(SPAN("abc"), '@'), -1);
	assert_int_equal(span_find(SPAN_NONE, 'a'), -1);
	assert_int_equal(span_rfind(SPAN_NONE, 'a'), -1);
	assert_int_equal(span_find(SPAN("a\0b"), '\0'), 1);
}

static void sub_and_skip_are_clipped(void **state)
{
	assert_span(span_sub(SPAN("hello"), 1, 3), "ell");
	assert_span(span_sub(SPAN("hello"), 1, SIZE_MAX), "ello");
	assert_span(span_sub(SPAN("hello"), 9, 3), "");
	assert_span(span_sub(SPAN("hello"), SIZE_MAX, SIZE_MAX), "");
	assert_span(span_skip(SPAN("hello"), 2), "llo");
	assert_span(span_skip(SPAN("hello"), 6), "");
	assert_null(span_skip(SPAN_NONE, 3).ptr);
}

static void trimming(void **state)
{
	static const struct {
		const char *in, *want;
	} cases[] = {{"", ""}, {"  ", ""}, {" a b ", "a b"}, {"\r\n\ta\r\n", "a"}, {"a", "a"}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_span(span_trim(span_str(cases[i].in)), cases[i].want);
	assert_span(span_trim(SPAN_NONE), "");
}

static void cutting(void **state)
{
	static const struct {
		const char *in;
		bool was_there;
		const char *head, *tail;
	} cases[] = {
		{"a@b", true, "a", "b"},
		{"a@b@c", true, "a", "b@c"},
		{"@", true, "", ""},
		{"a@", true, "a", ""},
		{"ab", false, "ab", ""},
		{"", false, "", ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct span head, tail = span_str(cases[i].in);

		/* the outputs may be the input */
		assert_int_equal(span_cut(tail, '@', &head, &tail), cases[i].was_there);
		assert_span(head, cases[i].head);
		assert_span(tail, cases[i].tail);
	}
}

static void words(void **state)
{
	struct span s = SPAN("  one\ttwo   three ");

	assert_span(span_word(&s), "one");
	assert_span(span_word(&s), "two");
	assert_span(span_word(&s), "three");
	assert_span(span_word(&s), "");
	assert_span(span_word(&s), "");
	assert_int_equal(s.len, 0);
}

static void whole_numbers(void **state)
{
	static const struct {
		const char *text;
		bool is_number;
		uint64_t value;
	} cases[] = {
		{"0", true, 0},
		{"007", true, 7},
		{"18446744073709551615", true, UINT64_MAX},
		{"18446744073709551616", false, 0},
		{"99999999999999999999999", false, 0},
		{"", false, 0},
		{"-1", false, 0},
		{"+1", false, 0},
		{" 1", false, 0},
		{"1 ", false, 0},
		{"0x1", false, 0},
		{"1e3", false, 0},
	};
	uint64_t v;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		v = 4242;
		assert_int_equal(span_u64(span_str(cases[i].text), &v), cases[i].is_number);
		assert_true(v == (cases[i].is_number ? cases[i].value : 4242));
	}
	assert_true(span_u64_max(SPAN("65535"), 65535, &v));
	assert_true(v == 65535);
	assert_false(span_u64_max(SPAN("65536"), 65535, &v));
	assert_true(v == 65535);
}

static void line_breaks_and_ascii(void **state)
{
	assert_false(span_has_line_break(SPAN("plain text\t")));
	assert_false(span_has_line_break(SPAN_NONE));
	assert_true(span_has_line_break(SPAN("a\rb")));
	assert_true(span_has_line_break(SPAN("a\nb")));
	assert_true(span_has_line_break(SPAN("a\0b")));
	assert_true(span_is_ascii(SPAN("\x01\x7f ~")));
	assert_true(span_is_ascii(SPAN_NONE));
	assert_false(span_is_ascii(SPAN("\x80")));
	for (size_t len = 1; len < 600; len += 7) {
		char text[600];

		memset(text, 'a', len);
		assert_true(span_is_ascii(span_of(text, len)));
		for (size_t at = 0; at < len; at += 3) {
			text[at] = '\xe9';
			assert_false(span_is_ascii(span_of(text, len)));
			text[at] = 'a';
		}
	}
	assert_false(span_is_ascii(SPAN("驿")));
}

static void strings(void **state)
{
	assert_int_equal(span_str(NULL).len, 0);
	assert_span(span_str("x"), "x");
	assert_int_equal(SPAN("a\0b").len, 3);
	assert_int_equal(span_lower('A'), 'a');
	assert_int_equal(span_lower('Z'), 'z');
	assert_int_equal(span_lower('@'), '@');
	assert_int_equal(span_lower('['), '[');
	assert_int_equal(span_lower(0xc4), 0xc4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equality_and_order),
		cmocka_unit_test(starts_and_ends),
		cmocka_unit_test(finding),
		cmocka_unit_test(sub_and_skip_are_clipped),
		cmocka_unit_test(trimming),
		cmocka_unit_test(cutting),
		cmocka_unit_test(words),
		cmocka_unit_test(whole_numbers),
		cmocka_unit_test(line_breaks_and_ascii),
		cmocka_unit_test(strings),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
