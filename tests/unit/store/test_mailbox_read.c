/* Reading a mailbox: pages, and what happened since. */

#include "mailbox_box.h"

#define MANY 600

static __attribute__((noinline)) struct uidset *open_box(
	struct store_fixture *f, struct box box, struct mailbox_info *info)
{
	struct uidset *u;
	struct err e = {0};

	assert_ok(mailbox_open(f->s, f->a, box.id, info, &u, &e), &e);
	return u;
}

static size_t read_pages(
	struct store_fixture *f, struct mailbox_cursor c, unsigned want, uint32_t *uids)
{
	size_t total = 0, count = 0;
	struct err e = {0};

	do {
		struct mailbox_msg *list;

		assert_ok(mailbox_page(f->s, f->a, &c, want, &list, &count, &e), &e);
		assert_true(count <= 256);
		for (size_t i = 0; i < count; i++) {
			uids[total++] = list[i].uid;
			if (want & MAILBOX_WANT_BODY)
				assert_non_null(list[i].body.ptr);
		}
	} while (count);
	return total;
}

static void play_pages(struct store_fixture *f)
{
	static const struct uid_range ranges[] = {{1, 10}, {12, 12}, {100, 550}, {5000, 6000}};
	struct box box = make_box(f, "alice");
	struct mailbox_cursor c = {.mailbox_id = box.id, .ranges = ranges, .count = 4};
	uint32_t *uids = ARENA_ARRAY(f->a, uint32_t, MANY), one = 12;
	struct mailbox_msg *list;
	struct err e = {0};
	uint64_t modseq;
	size_t count;

	for (int i = 0; i < MANY; i++)
		deliver(f, box, i % 7 ? "Subject: hello\r\n\r\ntext\r\n" : "");
	assert_int_equal(read_pages(f, c, MAILBOX_WANT_ROW, uids), 10 + 1 + 451);
	assert_int_equal(uids[0], 1);
	assert_int_equal(uids[10], 12);
	assert_int_equal(uids[11], 100);
	assert_int_equal(uids[461], 550);
	assert_int_equal(read_pages(f, c, MAILBOX_WANT_HEAD | MAILBOX_WANT_BODY, uids), 462);
	assert_int_equal(read_pages(f, c, MAILBOX_WANT_FACTS | MAILBOX_WANT_PARTS, uids), 462);
	modseq = info_of(f, box).highest_modseq;
	assert_ok(mailbox_flags(f->s, box.id, &one, 1, MAILBOX_SEEN, 0, NULL, &e), &e);
	c.changed_since = modseq;
	assert_int_equal(read_pages(f, c, MAILBOX_WANT_ROW, uids), 1);
	assert_int_equal(uids[0], 12);
	c.changed_since = 0;
	assert_ok(mailbox_page(
			  f->s, f->a, &c, MAILBOX_WANT_BODY | MAILBOX_WANT_HEAD, &list, &count, &e),
		&e);
	assert_span(list[1].body, "Subject: hello\r\n\r\ntext\r\n");
	assert_int_equal(list[1].n, list[1].modseq);
	assert_int_equal(list[1].email_id, list[1].id);
}

static void pages_hold_what_the_ranges_name(void **state)
{
	store_play(state, play_pages);
}

static void play_large(struct store_fixture *f)
{
	static const struct uid_range all = {1, UINT32_MAX};
	struct box box = make_box(f, "alice");
	struct mailbox_cursor c = {.mailbox_id = box.id, .ranges = &all, .count = 1};
	static const size_t sizes[] = {500000, 400000, 300000, 2000000, 10};
	static const size_t pages[] = {2, 1, 2, 0};
	char *text = arena_alloc(f->a, 2000001);
	struct mailbox_msg *list;
	struct err e = {0};
	size_t count, at = 0;

	memset(text, 'x', 2000000);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		deliver(f, box, arena_str(f->a, span_of(text, sizes[i])));
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		assert_ok(mailbox_page(f->s, f->a, &c, MAILBOX_WANT_BODY, &list, &count, &e), &e);
		assert_int_equal(count, pages[i]);
		for (size_t k = 0; k < count; k++, at++) {
			assert_int_equal(list[k].blob_len, sizes[at]);
			assert_int_equal(list[k].body.ptr != NULL, sizes[at] < 1000000);
			if (list[k].body.ptr)
				assert_int_equal(list[k].body.len, sizes[at]);
		}
	}
	assert_int_equal(at, ARRAY_LEN(sizes));
}

static void bodies_come_while_the_page_has_room(void **state)
{
	store_play(state, play_large);
}

/* A client that was told of everything up to `modseq` in `u`. */
static void assert_folds(
	struct store_fixture *f, struct box box, uint64_t modseq, const bool *was, const bool *is)
{
	struct mailbox_since since = {.modseq = modseq};
	bool *now = ARENA_ARRAY(f->a, bool, 2 * MANY);
	uint64_t before = 0;
	bool is_more = true;
	struct err e = {0};

	memcpy(now, was, 2 * MANY * sizeof(bool));
	while (is_more) {
		struct mailbox_change *list;
		size_t count;

		assert_ok(mailbox_changes(
				  f->s, f->a, box.id, &since, 7, NULL, &list, &count, &is_more, &e),
			&e);
		for (size_t i = 0; i < count; i++) {
			assert_true(list[i].modseq > modseq);
			assert_true(list[i].modseq >= before);
			before = list[i].modseq;
			now[list[i].uid] = !list[i].is_gone;
		}
	}
	assert_memory_equal(now, is, 2 * MANY * sizeof(bool));
}

static void play_changes(struct store_fixture *f)
{
	struct box box = make_box(f, "alice");
	bool *steps[8], *is = ARENA_ARRAY(f->a, bool, 2 * MANY);
	uint64_t modseqs[8], modseq;
	struct mailbox_info info;
	struct uidset *u;
	struct err e = {0};

	for (size_t step = 0; step < 8; step++) {
		uint32_t uids[40];

		steps[step] = ARENA_ARRAY(f->a, bool, 2 * MANY);
		memcpy(steps[step], is, 2 * MANY * sizeof(bool));
		modseqs[step] = info_of(f, box).highest_modseq;
		for (size_t i = 0; i < 60; i++) {
			deliver(f, box, "x\r\n");
			is[step * 60 + i + 1] = true;
		}
		for (size_t i = 0; i < 40; i++) {
			uids[i] = (uint32_t)(step * 50 + i * 2);
			is[uids[i]] = false;
		}
		assert_ok(mailbox_expunge(f->s, box.id, uids, 40, NULL, &e), &e);
		for (size_t i = 0; i < 40; i++)
			uids[i]++;
		assert_ok(mailbox_flags(f->s, box.id, uids, 40, MAILBOX_SEEN, 0, &modseq, &e), &e);
	}
	for (size_t step = 0; step < 8; step++)
		assert_folds(f, box, modseqs[step], steps[step], is);
	u = open_box(f, box, &info);
	for (uint32_t uid = 1; uid < 2 * MANY; uid++)
		assert_int_equal(uidset_seq(u, uid) != 0, is[uid]);
	assert_int_equal(uidset_count(u), info.messages);
	uidset_unref(&u);
	assert_int_equal(findings(f), 0);
}

static void changes_folded_into_an_earlier_view_are_the_mailbox(void **state)
{
	store_play(state, play_changes);
}

static void play_gone(struct store_fixture *f)
{
	struct mailbox_since since = {.modseq = 1};
	struct mailbox_change *list;
	struct mailbox_info info;
	struct uidset *u = NULL;
	struct err e = {0};
	bool is_more;
	size_t count;

	ASSERT_ERR(mailbox_open(f->s, f->a, 4711, &info, &u, &e), ERR_NOT_FOUND);
	assert_null(u);
	ASSERT_ERR(mailbox_changes(f->s, f->a, 4711, &since, 0, &info, &list, &count, &is_more, &e),
		ERR_NOT_FOUND);
	ASSERT_ERR(mailbox_by_id(f->s, f->a, 4711, &info, &e), ERR_NOT_FOUND);
}

static void a_mailbox_that_is_gone_is_told_as_such(void **state)
{
	store_play(state, play_gone);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, store_set_up, store_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(pages_hold_what_the_ranges_name),
		CASE(bodies_come_while_the_page_has_room),
		CASE(changes_folded_into_an_earlier_view_are_the_mailbox),
		CASE(a_mailbox_that_is_gone_is_told_as_such),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
