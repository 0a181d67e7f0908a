#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/smtp/smtp_syntax.h"

static const struct {
	const char *in, *fixed;
	int64_t bad_at; /* strict: -1 is none */
	uint64_t line_max;
} cases[] = {
	{"", "", -1, 0},
	{"a", "a\r\n", -1, 1},
	{"a\r\n", "a\r\n", -1, 1},
	{"a\n", "a\r\n", 1, 1},
	{"a\r", "a\r\n", 1, 1},
	{"a\rb", "a\r\nb\r\n", 1, 1},
	{"\n", "\r\n", 0, 0},
	{"\r", "\r\n", 0, 0},
	{"\r\r\n", "\r\n\r\n", 0, 0},
	{"\n\r", "\r\n\r\n", 0, 0},
	{"\r\n\n", "\r\n\r\n", 2, 0},
	{"a\n.\nb", "a\r\n.\r\nb\r\n", 1, 1},
	{"a\n.\r\nb", "a\r\n.\r\nb\r\n", 1, 1},
	{"a\r.\r\nb", "a\r\n.\r\nb\r\n", 1, 1},
	{"abc\r\nde\r\n.\r\n\r\nfghi", "abc\r\nde\r\n.\r\n\r\nfghi\r\n", -1, 4},
};

static void take_all(struct smtp_eol *f, struct span in, size_t cut, unsigned seed, struct buf *out)
{
	struct span run;

	while (in.len && !f->is_bad) {
		size_t n = cut ? cut : 1 + (size_t)(seed = seed * 1103515245 + 12345) / 65536 % 7;
		struct span piece = span_sub(in, 0, n);

		in = span_skip(in, piece.len);
		while (piece.len && !f->is_bad) {
			piece = span_skip(piece, smtp_eol_take(f, piece, &run));
			buf_span_put(out, run);
		}
	}
	buf_span_put(out, smtp_eol_finish(f));
}

static void line_ends_are_mended_or_refused_at_any_cut_behaviours_61_62(void **state)
{
	static const size_t cuts[] = {SIZE_MAX, 1, 2, 3, 0, 0, 0, 0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t k = 0; k < ARRAY_LEN(cuts); k++) {
			struct smtp_eol fix = {0}, strict = {.is_strict = true};
			struct span in = span_str(cases[i].in);
			struct buf out;

			buf_init(&out, 4096);
			take_all(&fix, in, cuts[k], (unsigned)k, &out);
			assert_string_equal(buf_len(&out) ? buf_cstr(&out) : "", cases[i].fixed);
			assert_int_equal(fix.in, in.len);
			assert_int_equal(fix.out, strlen(cases[i].fixed));
			assert_int_equal(fix.line_max, cases[i].line_max);
			buf_clear(&out);
			take_all(&strict, in, cuts[k], (unsigned)k, &out);
			assert_int_equal(strict.is_bad, cases[i].bad_at >= 0);
			if (strict.is_bad)
				assert_int_equal(strict.bad_at, cases[i].bad_at);
			else
				assert_string_equal(
					buf_len(&out) ? buf_cstr(&out) : "", cases[i].fixed);
			buf_fini(&out);
		}
}

/* Whatever goes in, behind the dot writer no line end but CRLF and no end of data stands. */
static void nothing_smuggles_behaviours_60_61(void **state)
{
	static const char alphabet[] = "\r\n.a\xff";
	unsigned seed = 7;

	for (int round = 0; round < 5000; round++) {
		struct smtp_eol f = {0};
		char text[16];
		size_t n = (size_t)round % sizeof(text);
		struct buf mid, out;
		bool at_start = true, has_8bit = false;

		for (size_t i = 0; i < n; i++) {
			seed = seed * 1103515245 + 12345;
			text[i] = alphabet[seed / 65536 % 5];
			has_8bit = has_8bit || text[i] == '\xff';
		}
		buf_init(&mid, 4096);
		buf_init(&out, 4096);
		take_all(&f, span_of(text, n), 0, seed, &mid);
		assert_int_equal(f.is_8bit, has_8bit);
		smtp_dot_stuff(&out, buf_span(&mid), &at_start);
		assert_true(at_start);
		assert_true(span_find_span(buf_span(&out), SPAN("\r\n.\r\n")) < 0);
		assert_false(span_starts(buf_span(&out), SPAN(".\r\n")));
		for (size_t i = 0; i < buf_len(&out); i++) {
			const char *s = buf_span(&out).ptr;

			if (s[i] == '\n')
				assert_true(i > 0 && s[i - 1] == '\r');
			if (s[i] == '\r')
				assert_true(i + 1 < buf_len(&out) && s[i + 1] == '\n');
		}
		buf_fini(&mid);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(line_ends_are_mended_or_refused_at_any_cut_behaviours_61_62),
		cmocka_unit_test(nothing_smuggles_behaviours_60_61),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
