/* Mailboxes that go and mailboxes that get another name. */

#include "store_test.h"

#include "store/directory.h"
#include "store/mailbox.h"
#include "store/stage.h"

static uint64_t alice(struct store_fixture *f)
{
	struct directory_account acc = {.address = SPAN("alice@our.example")};
	struct err e = {0};

	assert_ok(
		directory_domain_set(f->s, SPAN("our.example"), DIRECTORY_DOMAIN_LOCAL, false, &e),
		&e);
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), &e);
	assert_ok(directory_account_find(f->s, f->a, acc.address, &acc, &e), &e);
	return acc.id;
}

static uint64_t make(struct store_fixture *f, uint64_t account, const char *name)
{
	struct err e = {0};
	uint64_t id = 0;

	assert_ok(mailbox_create(f->s, account, span_str(name), SPAN(""), &id, &e), &e);
	return id;
}

static uint64_t find(struct store_fixture *f, uint64_t account, const char *name)
{
	struct mailbox_info info;
	struct err e = {0};

	return mailbox_find(f->s, f->a, account, span_str(name), &info, &e) < 0 ? 0 : info.id;
}

static void put(struct store_fixture *f, uint64_t mailbox)
{
	struct mailbox_append_item item = {.stage = stage_new(f->s), .received_ns = 1};
	struct mailbox_append op = {.mailbox_id = mailbox, .items = &item, .count = 1};
	struct err e = {0};

	assert_ok(stage_put(item.stage, SPAN("Subject: x\r\n\r\nx\r\n"), &e), &e);
	assert_ok(mailbox_append(f->s, &op, &e), &e);
}

static void no_finding(void *arg, const char *text)
{
	(void)arg;
	print_error("%s\n", text);
}

static void assert_sound(struct store_fixture *f)
{
	uint64_t findings = 0;
	struct err e = {0};

	assert_ok(store_check(f->s, no_finding, NULL, NULL, &findings, &e), &e);
	assert_int_equal(findings, 0);
}

static void play_one_goes_with_its_mail(struct store_fixture *f)
{
	uint64_t account = alice(f), work = make(f, account, "Work"), id;
	struct mailbox_gone_cursor cursor = {0};
	struct mailbox_info info;
	struct mailbox_gone *gone;
	uint32_t before;
	size_t count;
	struct err e = {0};

	make(f, account, "Work/Below");
	put(f, work);
	put(f, work);
	assert_ok(mailbox_by_id(f->s, f->a, work, &info, &e), &e);
	before = info.uidvalidity;
	assert_ok(mailbox_delete(f->s, work, &e), &e);
	assert_true(find(f, account, "Work") == 0);
	assert_true(find(f, account, "Work/Below") != 0);
	ASSERT_ERR(mailbox_delete(f->s, work, &e), ERR_NOT_FOUND);
	err_clear(&e);
	ASSERT_ERR(mailbox_delete(f->s, find(f, account, "INBOX"), &e), ERR_DENIED);
	err_clear(&e);
	assert_ok(
		mailbox_gone_list(f->s, f->a, account, SPAN("Work"), 0, &cursor, &gone, &count, &e),
		&e);
	assert_int_equal(count, 2);
	id = make(f, account,
		"Work"); /* the same name is another mailbox (RFC 9051 section 2.3.1.1) */
	assert_ok(mailbox_by_id(f->s, f->a, id, &info, &e), &e);
	assert_true(info.uidvalidity > before);
	assert_sound(f);
}

static void play_names_below_follow(struct store_fixture *f)
{
	uint64_t account = alice(f), old = make(f, account, "W\xc3\xb6rk"),
		 below = make(f, account, "W\xc3\xb6rk/\xc3\xa4/b");
	uint64_t beside = make(f, account, "W\xc3\xb6rkshop");
	struct err e = {0};

	ASSERT_ERR(mailbox_rename(f->s, old, SPAN("W\xc3\xb6rk/x"), &e), ERR_DENIED);
	err_clear(&e);
	ASSERT_ERR(mailbox_rename(f->s, old, SPAN("Sent"), &e), ERR_EXISTS);
	err_clear(&e);
	assert_ok(mailbox_rename(f->s, old, SPAN("New/Place"), &e), &e);
	assert_true(find(f, account, "New/Place") == old);
	assert_true(find(f, account, "New/Place/\xc3\xa4/b") == below);
	assert_true(find(f, account, "W\xc3\xb6rkshop") == beside);
	assert_true(find(f, account, "New") != 0);
	assert_true(find(f, account, "W\xc3\xb6rk") == 0);
	assert_sound(f);
}

static void play_inbox_gives_its_mail(struct store_fixture *f)
{
	uint64_t account = alice(f), inbox = find(f, account, "INBOX"),
		 below = make(f, account, "INBOX/Below");
	struct mailbox_info info;
	struct err e = {0};

	put(f, inbox);
	put(f, inbox);
	assert_ok(mailbox_rename(f->s, inbox, SPAN("Old mail"), &e), &e);
	assert_true(find(f, account, "INBOX") == inbox);
	assert_true(find(f, account, "INBOX/Below") == below);
	assert_ok(mailbox_by_id(f->s, f->a, inbox, &info, &e), &e);
	assert_int_equal(info.messages, 0);
	assert_ok(mailbox_by_id(f->s, f->a, find(f, account, "Old mail"), &info, &e), &e);
	assert_int_equal(info.messages, 2);
	assert_sound(f);
}

static size_t into_itself(struct store_fixture *f, uint64_t mailbox, bool is_move)
{
	/* as "1:4294967295" asks */
	static const struct uid_range all = {1, UINT32_MAX};
	struct mailbox_copy op = {.from_id = mailbox,
		.to_id = mailbox,
		.ranges = &all,
		.range_count = 1,
		.is_move = is_move,
		.arena = arena_new()};
	struct err e = {0};

	assert_ok(mailbox_copy(f->s, &op, &e), &e);
	arena_free(&op.arena);
	return op.count;
}

static void play_a_copy_into_itself_ends(struct store_fixture *f)
{
	uint64_t account = alice(f), work = make(f, account, "Work");
	size_t count = 1;

	put(f, work);
	/* more than one transaction holds */
	for (; count <= MAILBOX_COPY_AT_ONCE; count *= 2)
		assert_int_equal(into_itself(f, work, false), count);
	assert_int_equal(into_itself(f, work, true), count);
	assert_int_equal(into_itself(f, work, false), count);
	assert_sound(f);
}

static void a_copy_into_itself_ends(void **state)
{
	store_play(state, play_a_copy_into_itself_ends);
}

static void one_goes_with_its_mail(void **state)
{
	store_play(state, play_one_goes_with_its_mail);
}

static void names_below_follow(void **state)
{
	store_play(state, play_names_below_follow);
}

static void inbox_gives_its_mail(void **state)
{
	store_play(state, play_inbox_gives_its_mail);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
	const struct CMUnitTest tests[] = {
		T(one_goes_with_its_mail),
		T(names_below_follow),
		T(inbox_gives_its_mail),
		T(a_copy_into_itself_ends),
	};

	return cmocka_run_group_tests_name("store/mailbox_move", tests, NULL, NULL);
}
