#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/imap/imap_set_syntax.h"

struct set_case {
	const char *text;
	uint32_t star;
	const char *resolved; /* NULL: refused */
};

static const struct set_case cases[] = {
	{"1", 9, "1"},
	{"*", 9, "9"},
	{"*", 0, ""},
	{"1:*", 9, "1:9"},
	{"*:1", 9, "1:9"},
	{"12:*", 9, "9:12"}, /* RFC 9051 section 9: UID FETCH 12:* always has the last message */
	{"*:*", 9, "9"},
	{"2:4", 9, "2:4"},
	{"4:2", 9, "2:4"},
	{"2,4:7,9,12:*", 15, "2,4:7,9,12:15"},
	{"*:4,5:7", 10, "4:10"}, /* RFC 9051 section 9: example */
	{"5,1,3", 9, "1,3,5"},
	{"5,4,3,2,1,1,1", 9, "1:5"},
	{"1:5,3:9,11", 20, "1:9,11"},
	{"1:5,6:9", 20, "1:9"},
	{"4294967295", 9, "4294967295"},
	{"1:4294967295,7,4294967295", 9, "1:4294967295"},
	{"1:*,3", 0, "3"},
	{"0", 9, NULL},
	{"00001", 9, NULL},
	{"4294967296", 9, NULL},
	{"99999999999999999999999", 9, NULL},
	{"", 9, NULL},
	{",", 9, NULL},
	{"1,", 9, NULL},
	{",1", 9, NULL},
	{"1:", 9, NULL},
	{":1", 9, NULL},
	{"1::2", 9, NULL},
	{"1:2:3", 9, NULL},
	{"1-2", 9, NULL},
	{"1, 2", 9, NULL},
	{"**", 9, NULL},
	{"$", 9, NULL},
	{"1,$", 9, NULL},
	{"-1", 9, NULL},
};

static void sets_are_parsed_and_resolved(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct set_case *c = &cases[i];
		struct arena *a = arena_new();
		struct buf *b = arena_buf(a, 4096);
		struct imap_set s;
		struct err e = {0};
		int rc = imap_set_parse(a, span_str(c->text), false, &s, &e);

		print_message("# %s\n", c->text);
		assert_int_equal(rc, c->resolved ? 0 : -1);
		if (rc == 0) {
			imap_set_put(b, &s);
			if (strcmp(c->text, "*:*") != 0) /* written "*" */
				assert_string_equal(buf_cstr(b), c->text);
			buf_clear(b);
			imap_set_resolve(a, &s, c->star, &s);
			assert_false(imap_set_has_star(&s));
			imap_set_put(b, &s);
			assert_string_equal(buf_cstr(b), c->resolved);
		} else {
			assert_int_equal(e.code, ERR_SYNTAX);
		}
		arena_free(&a);
	}
}

static void saved_result_stands_alone(void **state)
{
	struct arena *a = arena_new();
	struct buf *b = arena_buf(a, 16);
	struct imap_set s;

	assert_int_equal(imap_set_parse(a, SPAN("$"), true, &s, NULL), 0);
	assert_true(s.is_saved);
	imap_set_put(b, &s);
	assert_string_equal(buf_cstr(b), "$");
	assert_int_equal(imap_set_parse(a, SPAN("$,1"), true, &s, NULL), -1);
	assert_int_equal(imap_set_parse_known(a, SPAN("1:*"), &s, NULL), -1);
	assert_int_equal(imap_set_parse_known(a, SPAN("1:7,9"), &s, NULL), 0);
	arena_free(&a);
}

static void numbers_are_found(void **state)
{
	struct arena *a = arena_new();
	struct imap_set s;

	assert_int_equal(imap_set_parse(a, SPAN("7,2:4,4294967295"), false, &s, NULL), 0);
	imap_set_resolve(a, &s, 9, &s);
	assert_int_equal(imap_set_count(&s), 5);
	for (uint32_t n = 1; n < 12; n++)
		assert_int_equal(imap_set_has(&s, n), (n >= 2 && n <= 4) || n == 7);
	assert_true(imap_set_has(&s, UINT32_MAX));
	assert_false(imap_set_has(&s, UINT32_MAX - 1));
	s.count = 0;
	assert_false(imap_set_has(&s, 1));
	assert_int_equal(imap_set_count(&s), 0);
	arena_free(&a);
}

static void too_many_ranges_are_refused(void **state)
{
	struct arena *a = arena_new();
	struct buf *b = arena_buf(a, 1 << 20);
	struct imap_set s;
	struct err e = {0};

	for (unsigned i = 1; i <= 20000; i++)
		buf_printf(b, "%s%u", i > 1 ? "," : "", 2 * i);
	assert_int_equal(imap_set_parse(a, buf_span(b), false, &s, &e), 0);
	buf_str(b, ",1");
	assert_int_equal(imap_set_parse(a, buf_span(b), false, &s, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	arena_free(&a);
}

static void writer_joins_runs(void **state)
{
	static const uint32_t numbers[] = {1, 2, 3, 5, 7, 8, 9, 4294967294, 4294967295};
	struct imap_set_writer w;
	struct buf b;

	buf_init(&b, 100);
	imap_set_writer_init(&w, &b);
	imap_set_writer_end(&w);
	assert_int_equal(buf_len(&b), 0);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		imap_set_writer_add(&w, numbers[i]);
	imap_set_writer_end(&w);
	assert_string_equal(buf_cstr(&b), "1:3,5,7:9,4294967294:4294967295");
	buf_clear(&b);
	imap_set_writer_init(&w, &b);
	imap_set_writer_add_range(&w, 4, 6);
	imap_set_writer_add_range(&w, 7, 7);
	imap_set_writer_add(&w, 2); /* an order of their own is kept (COPYUID) */
	imap_set_writer_end(&w);
	assert_string_equal(buf_cstr(&b), "4:7,2");
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sets_are_parsed_and_resolved),
		cmocka_unit_test(saved_result_stands_alone),
		cmocka_unit_test(numbers_are_found),
		cmocka_unit_test(too_many_ranges_are_refused),
		cmocka_unit_test(writer_joins_runs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
