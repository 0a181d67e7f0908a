#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/must.h"
#include "services/imapd/imapd_session_priv.h"

/* What changes do to the UIDs that a client has been told of. */

#define TALLY_MAX 8

struct delta_case {
	const char *name;
	struct uid_range runs[3]; /* first 0: the end */
	int changes[TALLY_MAX];   /* a UID; negative: gone */
	const char *gone, *added, *vanished;
};

static const struct delta_case cases[] = {
	{"nothing", {{1, 5}}, {0}, "", "", ""},
	{"flags of what is there", {{1, 5}}, {3, 5}, "", "", ""},
	{"new ones, in any order", {{1, 5}}, {8, 6, 7}, "", "6:8", ""},
	{"a new one that has changed again", {{1, 5}}, {6, 7, 6}, "", "6:7", ""},
	{"came and went", {{1, 5}}, {6, -6, 7}, "", "7", "6"},
	{"went, of what is there", {{1, 5}, {9, 9}}, {-9, -2, -3}, "2:3,9", "", ""},
	{"went before", {{1, 5}}, {-8, -2}, "2", "", "8"},
	{"an empty mailbox", {{0, 0}}, {1, -1, 2}, "", "2", "1"},
};

static void assert_ranges(
	const char *name, const struct uid_range *list, size_t count, const char *wanted)
{
	struct imap_set_writer w;
	struct buf b;

	buf_init(&b, 1000);
	imap_set_writer_init(&w, &b);
	for (size_t i = 0; i < count; i++)
		imap_set_writer_add_range(&w, list[i].first, list[i].last);
	imap_set_writer_end(&w);
	if (!span_eq(buf_span(&b), span_str(wanted)))
		fail_msg("%s: %s, not %s", name, buf_cstr(&b), wanted);
	buf_fini(&b);
}

static void play(const struct delta_case *c)
{
	uint32_t uids[TALLY_MAX];
	bool is_gone[TALLY_MAX];
	struct imapd_tally t = {.uids = uids, .is_gone = is_gone};
	struct arena *a = arena_new();
	struct imapd_delta d;
	struct uid_range *vanished;
	struct uidset *u;
	size_t runs = 0, count;

	while (runs < ARRAY_LEN(c->runs) && c->runs[runs].first)
		runs++;
	u = uidset_new(c->runs, runs);
	for (; t.count < TALLY_MAX && c->changes[t.count]; t.count++) {
		is_gone[t.count] = c->changes[t.count] < 0;
		uids[t.count] = (uint32_t)abs(c->changes[t.count]);
	}
	imapd_delta(a, u, &t, &d);
	assert_ranges(c->name, d.gone, d.gone_count, c->gone);
	assert_ranges(c->name, d.added, d.added_count, c->added);
	vanished = imapd_tally_vanished(a, &t, u, NULL, &count);
	assert_ranges(c->name, vanished, count, c->vanished);
	uidset_unref(&u);
	arena_free(&a);
}

static void changes_are_what_has_gone_and_what_has_come(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		play(&cases[i]);
}

static void sessions_share_what_they_have_alike(void **state)
{
	static const struct uid_range five = {1, 5}, six = {1, 6};
	struct imapd_views *v = imapd_views_new();
	struct uidset *a = uidset_new(&five, 1), *b = uidset_new(&five, 1),
		      *c = uidset_new(&six, 1);
	struct uidset *was = a;

	imapd_views_share(v, 7, 1, 10, &a);
	assert_ptr_equal(a, was);
	imapd_views_share(v, 7, 1, 10, &b);
	assert_ptr_equal(b, was);
	/* a newer one is kept; an older one stays its session's own */
	was = c;
	imapd_views_share(v, 7, 1, 11, &c);
	imapd_views_share(v, 7, 1, 10, &a);
	assert_int_equal(uidset_count(a), 5);
	uidset_unref(&b);
	b = uidset_new(&six, 1);
	imapd_views_share(v, 7, 1, 11, &b);
	assert_ptr_equal(b, was);
	uidset_unref(&a);
	uidset_unref(&b);
	uidset_unref(&c);
	imapd_views_free(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_what_has_gone_and_what_has_come),
		cmocka_unit_test(sessions_share_what_they_have_alike),
	};

	return cmocka_run_group_tests_name("imapd_view", tests, NULL, NULL);
}
