/* What has been moved in: sources, items, where they are now, and the end of their account. */

#include "store_test.h"

#include "base/clock.h"
#include "store/account_admin.h"
#include "store/db/db.h"
#include "store/directory.h"
#include "store/moved.h"

static uint64_t set_up(struct store_fixture *f)
{
	struct directory_account acc = {.address = SPAN("alice@example.org")};
	struct err e = {0};

	assert_ok(directory_domain_set(f->s, SPAN("example.org"), DIRECTORY_DOMAIN_LOCAL, true, &e),
		&e);
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), &e);
	assert_ok(directory_account_find(f->s, f->a, acc.address, &acc, &e), &e);
	return acc.id;
}

static void play_sources(struct store_fixture *f)
{
	uint64_t account = set_up(f);
	struct moved_source one, again, other;
	struct err e = {0};

	assert_ok(moved_source(f->s, account, SPAN("a@b:993/INBOX"), 7, &one, &e), &e);
	assert_int_equal(one.modseq, 0);
	assert_ok(moved_seen(f->s, one.id, 99, &e), &e);
	assert_ok(moved_source(f->s, account, SPAN("a@b:993/INBOX"), 7, &again, &e), &e);
	assert_int_equal(again.id, one.id);
	assert_int_equal(again.modseq, 99);
	assert_ok(moved_source(f->s, account, SPAN("a@b:993/INBOX"), 8, &other, &e), &e);
	assert_int_not_equal(other.id, one.id);
	assert_int_equal(other.modseq, 0);
}

static void play_items(struct store_fixture *f)
{
	uint64_t account = set_up(f);
	struct moved_source source;
	struct moved_item items[] = {
		{.item = SPAN("\0\0\0\1"), .message_id = 5, .flags = SPAN("\\Seen")},
		{.item = SPAN("\0\0\0\2"), .message_id = 6}};
	struct moved_item look[] = {
		{.item = SPAN("\0\0\0\2")}, {.item = SPAN("\0\0\0\1")}, {.item = SPAN("\0\0\0\3")}};
	struct moved_item *list;
	struct err e = {0};
	size_t count;

	assert_ok(moved_source(f->s, account, SPAN(""), 0, &source, &e), &e);
	assert_ok(moved_put(f->s, source.id, items, 2, &e), &e);
	assert_ok(moved_look(f->s, f->a, source.id, look, 3, &e), &e);
	assert_int_equal(look[0].message_id, 6);
	assert_int_equal(look[0].mailbox_id, 0); /* no such message */
	assert_true(span_eq(look[1].flags, SPAN("\\Seen")));
	assert_int_equal(look[2].message_id, 0);
	items[0].flags = SPAN("\\Answered");
	assert_ok(moved_put(f->s, source.id, items, 1, &e), &e);
	assert_ok(moved_list(f->s, f->a, source.id, SPAN_NONE, &list, &count, &e), &e);
	assert_int_equal(count, 2);
	assert_true(span_eq(list[0].item, SPAN("\0\0\0\1")));
	assert_true(span_eq(list[0].flags, SPAN("\\Answered")));
	assert_ok(moved_list(f->s, f->a, source.id, list[0].item, &list, &count, &e), &e);
	assert_int_equal(count, 1);
	assert_int_equal(list[0].message_id, 6);
}

static int count_rows(struct db *db, void *arg, struct err *e)
{
	DB_SQL(sql_test_rows,
		"SELECT (SELECT COUNT(*) FROM moved), (SELECT COUNT(*) FROM moved_source)");
	int64_t *n = arg;
	bool is_found;

	return db_get(db, e, NULL, &sql_test_rows, &is_found, ":ii", &n[0], &n[1]);
}

static void play_end(struct store_fixture *f)
{
	uint64_t account = set_up(f);
	struct moved_source source;
	struct moved_item *items = ARENA_ARRAY(f->a, struct moved_item, MOVED_PAGE);
	struct err e = {0};
	int64_t rows[2];

	for (size_t i = 0; i < MOVED_PAGE; i++)
		items[i] = (struct moved_item){
			.item = span_str(arena_printf(f->a, "%04zu", i)), .message_id = i + 1};
	for (uint32_t validity = 1; validity < 3; validity++) {
		assert_ok(moved_source(f->s, account, SPAN("x"), validity, &source, &e), &e);
		assert_ok(moved_put(f->s, source.id, items, MOVED_PAGE, &e), &e);
	}
	assert_ok(account_remove(f->s, SPAN("alice@example.org"), CLOCK_DAY, &e), &e);
	assert_ok(account_purge(f->s, account, &e), &e);
	assert_ok(store_read(f->s, "test.rows", count_rows, rows, &e), &e);
	assert_int_equal(rows[0], 0);
	assert_int_equal(rows[1], 0);
}

static void a_source_is_found_again_by_name_and_uidvalidity(void **state)
{
	store_play(state, play_sources);
}

static void items_are_noted_and_looked_up(void **state)
{
	store_play(state, play_items);
}

static void what_was_noted_goes_with_the_account(void **state)
{
	store_play(state, play_end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_source_is_found_again_by_name_and_uidvalidity,
			store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			items_are_noted_and_looked_up, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			what_was_noted_goes_with_the_account, store_set_up, store_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
