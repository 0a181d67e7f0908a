#include "mailbox_box.h"

#include <sys/stat.h>

#include "store/db/db.h"

static void play_flags(struct store_fixture *f)
{
	struct box box = make_box(f, "alice");
	struct mailbox_msg *list, msg;
	uint64_t before, modseq;
	uint32_t uids[] = {1, 3, 99};
	struct err e = {0};
	size_t count;

	for (int i = 0; i < 3; i++)
		deliver(f, box, "Subject: hello\r\nFrom: Bob <bob@example.net>\r\n\r\ntext\r\n");
	before = info_of(f, box).highest_modseq;
	assert_int_equal(info_of(f, box).unseen, 3);
	assert_ok(mailbox_flags(f->s, box.id, uids, 3, MAILBOX_SEEN, 0, &modseq, &e), &e);
	assert_true(modseq > before);
	assert_int_equal(info_of(f, box).highest_modseq, modseq);
	assert_int_equal(info_of(f, box).unseen, 1);
	assert_ok(mailbox_list(f->s, f->a, box.id, 0, 0, &list, &count, &e), &e);
	assert_int_equal(count, 3);
	assert_int_equal(list[0].flags, MAILBOX_SEEN);
	assert_int_equal(list[0].modseq, modseq);
	assert_int_equal(list[1].flags, 0);
	assert_true(list[1].modseq < modseq);
	assert_span(list[0].subject, "hello");
	assert_int_equal(list[0].size, list[0].prefix.len + list[0].blob_len);
	/* nothing changes: no MODSEQ is spent (RFC 7162 section 3.1.3) */
	assert_ok(mailbox_flags(f->s, box.id, uids, 2, MAILBOX_SEEN, 0, &before, &e), &e);
	assert_int_equal(info_of(f, box).highest_modseq, modseq);
	assert_ok(mailbox_flags(f->s, box.id, uids, 1, 0, MAILBOX_SEEN, NULL, &e), &e);
	assert_int_equal(info_of(f, box).unseen, 2);
	assert_ok(mailbox_message(f->s, f->a, box.id, 2, &msg, &e), &e);
	assert_int_equal(msg.uid, 2);
	ASSERT_ERR(mailbox_message(f->s, f->a, box.id, 4, &msg, &e), ERR_NOT_FOUND);
	assert_int_equal(findings(f), 0);
}

static void flags_move_modseq_and_counters(void **state)
{
	store_play(state, play_flags);
}

#define MANY 300

static void play_expunge(struct store_fixture *f)
{
	struct box box = make_box(f, "alice"), other = make_box(f, "bob");
	struct mailbox_msg *list;
	struct directory_account acc;
	uint32_t uids[] = {1, 2, 150};
	struct store_stats stats;
	struct err e = {0};
	uint64_t gone;
	size_t count;

	for (int i = 0; i < MANY; i++)
		deliver(f, box, "Subject: x\r\n\r\ny\r\n");
	deliver(f, other, "Subject: keep\r\n\r\ny\r\n");
	assert_ok(mailbox_expunge(f->s, box.id, uids, 3, &gone, &e), &e);
	assert_int_equal(gone, 3);
	assert_int_equal(info_of(f, box).messages, MANY - 3);
	assert_ok(mailbox_list(f->s, f->a, box.id, 140, 20, &list, &count, &e), &e);
	assert_int_equal(count, 20);
	for (size_t i = 0; i < count; i++)
		assert_int_not_equal(list[i].uid, 150);
	assert_int_equal(findings(f), 0);
	assert_ok(mailbox_expunge(f->s, box.id, NULL, 0, &gone, &e), &e);
	assert_int_equal(gone, MANY - 3);
	assert_int_equal(info_of(f, box).messages, 0);
	assert_int_equal(info_of(f, box).octets, 0);
	assert_int_equal(info_of(f, box).uidnext, MANY + 1); /* UIDs are never used again */
	assert_int_equal(info_of(f, other).messages, 1);
	assert_ok(store_stats(f->s, &stats, &e), &e);
	assert_int_equal(stats.messages, 1);
	assert_ok(directory_account_find(f->s, f->a, SPAN("alice@example.org"), &acc, &e), &e);
	assert_int_equal(acc.messages, 0);
	assert_int_equal(acc.octets, 0);
	assert_int_equal(findings(f), 0);
	assert_ok(directory_account_remove(f->s, SPAN("bob@example.org"), &e), &e);
	assert_int_equal(findings(f), 0);
}

static void expunge_leaves_no_trace_but_tombstones(void **state)
{
	store_play(state, play_expunge);
}

static void play_backup(struct store_fixture *f)
{
	struct box box = make_box(f, "alice");
	const char *file = arena_printf(f->a, "%s/copy.db", f->dir);
	struct stat st;
	struct err e = {0};

	deliver(f, box, "Subject: before\r\n\r\ny\r\n");
	assert_ok(store_backup(f->s, file, NULL, NULL, &e), &e);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	ASSERT_ERR(store_backup(f->s, file, NULL, NULL, &e), ERR_EXISTS);
	deliver(f, box, "Subject: after\r\n\r\ny\r\n");
	ASSERT_ERR(store_restore(f->dir, file, &e), ERR_BUSY);
	store_close(&f->s);
	assert_ok(store_restore(f->dir, file, &e), &e);
	store_fixture_open(f);
	assert_int_equal(info_of(f, box).messages, 1);
	assert_int_equal(findings(f), 0);
	assert_int_equal(
		access(arena_printf(f->a, "%s/yizhan.db.before-restore", f->dir), F_OK), 0);
}

static void a_backup_comes_back_as_it_was(void **state)
{
	store_play(state, play_backup);
}

static void put_file(const char *name, const char *text, size_t len)
{
	FILE *to = fopen(name, "w");

	assert_non_null(to);
	assert_int_equal(fwrite(text, 1, len, to), len);
	assert_int_equal(fclose(to), 0);
}

static void play_bad_restore(struct store_fixture *f)
{
	const char *file = arena_printf(f->a, "%s/bad.db", f->dir);
	static char noise[8192];
	struct err e = {0};

	store_close(&f->s);
	assert_int_equal(store_restore(f->dir, "/nonexistent/copy.db", &e), -1);
	memset(noise, 'x', sizeof(noise));
	put_file(file, noise, sizeof(noise));
	ASSERT_ERR(store_restore(f->dir, file, &e), ERR_CORRUPT);
	assert_int_equal(
		truncate(file, 0), 0); /* an empty file is an empty database, not a store */
	ASSERT_ERR(store_restore(f->dir, file, &e), ERR_CORRUPT);
	store_fixture_open(f); /* what was there is there still */
	assert_int_equal(findings(f), 0);
}

static void a_damaged_backup_is_refused(void **state)
{
	store_play(state, play_bad_restore);
}

DB_SQL(sql_test_break_refs, "UPDATE blob SET refs = refs + 1");
DB_SQL(sql_test_break_counter, "UPDATE mailbox SET messages = messages + 1");
DB_SQL(sql_test_break_chunk, "UPDATE blob_chunk SET data = 'short'");
DB_SQL(sql_test_break_uid, "UPDATE mailbox SET uidnext = 1 WHERE messages > 0");
DB_SQL(sql_test_break_usage, "UPDATE account SET octets = octets + 1");
DB_SQL(sql_test_break_body, "DELETE FROM blob");
DB_SQL(sql_test_break_mailbox, "DELETE FROM mailbox");

static int run_break(struct db *db, void *arg, struct err *e)
{
	return db_run(db, e, arg, "");
}

static void play_breaks(struct store_fixture *f)
{
	static const struct db_sql *const breaks[] = {&sql_test_break_refs, &sql_test_break_usage,
		&sql_test_break_counter, &sql_test_break_chunk, &sql_test_break_uid,
		&sql_test_break_body, &sql_test_break_mailbox};
	struct box box = make_box(f, "alice");
	uint64_t before = 0;
	struct err e = {0};

	deliver(f, box, "Subject: x\r\n\r\ny\r\n");
	assert_int_equal(findings(f), 0);
	for (size_t i = 0; i < ARRAY_LEN(breaks); i++) {
		uint64_t after;

		assert_ok(store_write(f->s, "break", run_break, (void *)breaks[i], &e), &e);
		after = damages(f);
		/* the last two take rows away that others' findings were about */
		if (after == 0 || (i < 5 && after <= before))
			fail_msg("check does not see %s", breaks[i]->name);
		before = after;
	}
}

static void check_finds_each_kind_of_damage(void **state)
{
	store_play(state, play_breaks);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
	const struct CMUnitTest tests[] = {
		T(flags_move_modseq_and_counters),
		T(expunge_leaves_no_trace_but_tombstones),
		T(a_backup_comes_back_as_it_was),
		T(a_damaged_backup_is_refused),
		T(check_finds_each_kind_of_damage),
	};

	return cmocka_run_group_tests_name("store/mailbox", tests, NULL, NULL);
}
