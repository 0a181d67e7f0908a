#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/enc.h"
#include "base/buf.h"
#include "base/must.h"
#include "services/imapd/imapd_fetch.h"
#include "services/imapd/imapd_fetch_runs.h"

static const struct uid_range view_runs[] = {{1, 3}, {7, 7}, {10, 20}};

static char *text(struct arena *a, const struct fetch_runs *r)
{
	struct buf *b = arena_buf(a, 1000);

	for (size_t i = 0; i < r->count; i++)
		buf_printf(b, "%s%u-%u", i ? " " : "", r->list[i].first, r->list[i].last);
	return arena_str(a, buf_span(b));
}

struct runs_case {
	const char *name;
	struct uid_range ranges[3];
	size_t count;
	const char *want;
	uint64_t total;
};
static const struct runs_case cases[] = {
	{"all", {{1, UINT32_MAX}}, 1, "1-3 7-7 10-20", 15},
	{"nothing", {{4, 6}, {21, 30}}, 2, "", 0},
	{"pieces", {{2, 2}, {3, 8}, {20, 40}}, 3, "2-2 3-3 7-7 20-20", 4},
	{"one of many", {{12, 13}}, 1, "12-13", 2},
};

static void what_is_wanted_and_there(void **state)
{
	struct uidset *view = uidset_new(view_runs, ARRAY_LEN(view_runs));

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct fetch_runs r = fetch_runs_in(a, view, cases[i].ranges, cases[i].count);
		struct fetch_walk w = {.runs = &r};
		uint64_t n = 0;

		print_message("# %s\n", cases[i].name);
		assert_string_equal(text(a, &r), cases[i].want);
		assert_int_equal(r.total, cases[i].total);
		for (uint32_t last = 0; fetch_walk_peek(&w); fetch_walk_take(&w), n++) {
			assert_true(fetch_walk_peek(&w) > last);
			last = fetch_walk_peek(&w);
		}
		assert_int_equal(n, r.total);
		arena_free(&a);
	}
	uidset_unref(&view);
}

static void slices_by_position(void **state)
{
	struct uidset *view = uidset_new(view_runs, ARRAY_LEN(view_runs));
	struct arena *a = arena_new();
	struct fetch_runs all = fetch_runs_in(a, view, cases[0].ranges, 1), r;

	r = fetch_runs_slice(a, &all, 0, 4);
	assert_string_equal(text(a, &r), "1-3 7-7");
	r = fetch_runs_slice(a, &all, 2, 4);
	assert_string_equal(text(a, &r), "3-3 7-7 10-11");
	r = fetch_runs_slice(a, &all, 14, 100);
	assert_string_equal(text(a, &r), "20-20");
	r = fetch_runs_slice(a, &all, 15, 1);
	assert_int_equal(r.total, 0);
	arena_free(&a);
	uidset_unref(&view);
}

static void what_is_gone_is_a_set(void **state)
{
	static const uint32_t uids[] = {9, 3, 4, 5, 4, 100};
	struct arena *a = arena_new();
	struct buf *b = arena_buf(a, 1000);
	struct fetch_gone g = {0};

	for (size_t i = 0; i < ARRAY_LEN(uids); i++)
		fetch_gone_add(a, &g, uids[i]);
	fetch_gone_put(b, &g);
	assert_string_equal(buf_cstr(b), "3:5,9,100");
	arena_free(&a);
}

static void flags_and_object_ids(void **state)
{
	struct arena *a = arena_new();
	struct buf *b = arena_buf(a, 1000);
	uint64_t id;

	imapd_put_flags(b, 0, SPAN(""));
	imapd_put_flags(b, MAILBOX_SEEN, SPAN(""));
	imapd_put_flags(b, 0, SPAN("$Junk x"));
	imapd_put_flags(b, MAILBOX_SEEN | MAILBOX_ANSWERED | MAILBOX_DRAFT, SPAN("$Junk"));
	assert_string_equal(buf_cstr(b), "()(\\Seen)($Junk x)(\\Answered \\Seen \\Draft $Junk)");
	buf_clear(b);
	enc_put_object(b, IMAPD_THREAD, 123456789);
	assert_int_equal(buf_len(b), 14);
	assert_true(enc_get_object(buf_span(b), IMAPD_THREAD, &id));
	assert_int_equal(id, 123456789);
	assert_false(enc_get_object(buf_span(b), IMAPD_EMAIL, &id));
	assert_false(enc_get_object(SPAN("T"), IMAPD_THREAD, &id));
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_wanted_and_there),
		cmocka_unit_test(slices_by_position),
		cmocka_unit_test(what_is_gone_is_a_set),
		cmocka_unit_test(flags_and_object_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
