/* Messages that clients bring, and those that they have thrown away. */

#include "store_test.h"

#include "store/directory.h"
#include "store/mailbox_priv.h"
#include "store/stage.h"

struct people {
	uint64_t account_id, inbox;
};

static struct people alice_with(struct store_fixture *f, uint64_t quota)
{
	struct directory_account acc = {
		.address = SPAN("alice@our.example"), .quota_octets = quota};
	struct mailbox_info info;
	struct err e = {0};

	assert_ok(
		directory_domain_set(f->s, SPAN("our.example"), DIRECTORY_DOMAIN_LOCAL, false, &e),
		&e);
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), &e);
	assert_ok(directory_account_find(f->s, f->a, acc.address, &acc, &e), &e);
	assert_ok(mailbox_find(f->s, f->a, acc.id, SPAN("INBOX"), &info, &e), &e);
	return (struct people){acc.id, info.id};
}

static struct stage *body(struct store_fixture *f, const char *text)
{
	struct stage *st = stage_new(f->s);
	struct err e = {0};

	assert_ok(stage_put(st, span_str(text), &e), &e);
	return st;
}

static struct mailbox_info look(struct store_fixture *f, uint64_t id)
{
	struct mailbox_info info;
	struct err e = {0};

	assert_ok(mailbox_by_id(f->s, f->a, id, &info, &e), &e);
	return info;
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

static void play_several_at_once(struct store_fixture *f)
{
	struct people p = alice_with(f, 0);
	const struct span words[] = {SPAN("$Forwarded"), SPAN("Blue"), SPAN("blue")};
	const struct span again[] = {SPAN("BLUE")};
	struct mailbox_append_item items[] = {
		{.stage = body(f, "Subject: one\r\n\r\n1\r\n"),
			.flags = MAILBOX_SEEN,
			.keywords = words,
			.keyword_count = 3,
			.received_ns = 1000},
		{.stage = body(f, "Subject: =?utf-8?q?tw=C3=B6?=\r\n\r\n2\r\n"),
			.keywords = again,
			.keyword_count = 1,
			.received_ns = 2000},
	};
	struct mailbox_append op = {.mailbox_id = p.inbox, .items = items, .count = 2};
	struct mailbox_msg *list;
	size_t count;
	struct err e = {0};

	assert_ok(mailbox_append(f->s, &op, &e), &e);
	assert_null(items[0].stage);
	assert_int_equal(items[0].uid, 1);
	assert_int_equal(items[1].uid, 2);
	assert_int_equal(op.uidvalidity, look(f, p.inbox).uidvalidity);
	assert_int_equal(op.modseq, look(f, p.inbox).highest_modseq);
	assert_ok(mailbox_list(f->s, f->a, p.inbox, 0, 0, &list, &count, &e), &e);
	assert_int_equal(count, 2);
	assert_span(list[0].keywords, "$Forwarded Blue");
	assert_span(list[1].keywords, "Blue");
	assert_span(list[1].subject, "tw\xc3\xb6");
	assert_int_equal(list[0].received_ns, 1000);
	assert_int_equal(look(f, p.inbox).unseen, 1);
	assert_sound(f);
}

static void play_all_or_none(struct store_fixture *f)
{
	struct people p = alice_with(f, 60);
	struct mailbox_append_item items[] = {
		{.stage = body(f, "Subject: one\r\n\r\nshort\r\n")},
		{.stage = body(f, "Subject: two\r\n\r\nand with this one it is too much\r\n")},
	};
	struct mailbox_append op = {.mailbox_id = p.inbox, .items = items, .count = 2};
	struct err e = {0};

	ASSERT_ERR(mailbox_append(f->s, &op, &e), ERR_FULL);
	err_clear(&e);
	assert_non_null(items[0].stage);
	assert_int_equal(look(f, p.inbox).messages, 0);
	op.count = 1;
	assert_ok(mailbox_append(f->s, &op, &e), &e);
	stage_free(&items[1].stage);
	items[0].stage = body(f, "Subject: three\r\n\r\n");
	op.mailbox_id = 4711;
	ASSERT_ERR(mailbox_append(f->s, &op, &e), ERR_NOT_FOUND);
	stage_free(&items[0].stage);
	assert_sound(f);
}

static void play_one_for_another(struct store_fixture *f)
{
	struct people p = alice_with(f, 0);
	struct mailbox_append_item item = {
		.stage = body(f, "Subject: draft\r\n\r\n1\r\n"), .flags = MAILBOX_DRAFT};
	struct mailbox_append op = {.mailbox_id = p.inbox, .items = &item, .count = 1};
	struct err e = {0};

	assert_ok(mailbox_append(f->s, &op, &e), &e);
	item.stage = body(f, "Subject: draft\r\n\r\n2\r\n");
	op.replace_mailbox_id = p.inbox;
	op.replace_uid = 1;
	op.keep_until_ns = 1;
	assert_ok(mailbox_append(f->s, &op, &e), &e);
	assert_int_equal(item.uid, 2);
	assert_int_equal(look(f, p.inbox).messages, 1);
	item.stage = body(f, "Subject: draft\r\n\r\n3\r\n"); /* UID 1 is gone: nothing happens */
	ASSERT_ERR(mailbox_append(f->s, &op, &e), ERR_NOT_FOUND);
	stage_free(&item.stage);
	assert_int_equal(look(f, p.inbox).messages, 1);
	assert_int_equal(look(f, p.inbox).uidnext, 3);
}

static struct mailbox_msg only_one(struct store_fixture *f, uint64_t mailbox_id)
{
	struct mailbox_msg *list;
	struct err e = {0};
	size_t count;

	assert_ok(mailbox_list(f->s, f->a, mailbox_id, 0, 0, &list, &count, &e), &e);
	assert_int_equal(count, 1);
	return list[0];
}

static void play_in_several_mailboxes(struct store_fixture *f)
{
	struct people p = alice_with(f, 200);
	const struct span word = SPAN("Blue");
	uint64_t boxes[3] = {0, 0, 4711};
	struct mailbox_append_item item = {.stage = body(f, "Subject: one\r\n\r\nshort\r\n"),
		.flags = MAILBOX_SEEN,
		.keywords = &word,
		.keyword_count = 1,
		.received_ns = 1000};
	struct mailbox_append op = {
		.mailbox_id = p.inbox, .items = &item, .count = 1, .also_in = boxes};
	struct err e = {0};

	assert_ok(mailbox_create(f->s, p.account_id, SPAN("A"), SPAN(""), &boxes[0], &e), &e);
	assert_ok(mailbox_create(f->s, p.account_id, SPAN("B"), SPAN(""), &boxes[1], &e), &e);
	op.also_in_count = 3; /* one is not there: it is in none */
	ASSERT_ERR(mailbox_append(f->s, &op, &e), ERR_NOT_FOUND);
	err_clear(&e);
	assert_non_null(item.stage);
	assert_int_equal(look(f, p.inbox).messages + look(f, boxes[0]).messages, 0);
	op.also_in_count = 2;
	assert_ok(mailbox_append(f->s, &op, &e), &e);
	assert_null(item.stage);
	for (size_t i = 0; i < 2; i++) {
		struct mailbox_msg m = only_one(f, boxes[i]);

		assert_true(m.id != item.id && m.email_id == only_one(f, p.inbox).email_id);
		assert_int_equal(m.flags, MAILBOX_SEEN);
		assert_span(m.keywords, "Blue");
		assert_int_equal(m.received_ns, 1000);
	}
	assert_int_equal(op.modseq, look(f, p.inbox).highest_modseq);
	assert_sound(f);
	/* there is room for it once, not thrice */
	item.stage = body(f, "Subject: two\r\n\r\n0123456789 0123456789 0123456789\r\n");
	ASSERT_ERR(mailbox_append(f->s, &op, &e), ERR_FULL);
	assert_int_equal(e.scope, ERR_SCOPE_RCPT);
	stage_free(&item.stage);
	assert_int_equal(look(f, p.inbox).messages, 1);
	assert_int_equal(look(f, boxes[1]).messages, 1);
	assert_sound(f);
}

struct out {
	uint64_t mailbox_id;
	uint32_t uid;
	int64_t now_ns;
	bool is_gone;
};

static int take_out(struct db *db, void *arg, struct err *e)
{
	struct out *o = arg;
	struct mailbox_tally t = {0};

	if (mailbox_take_out_tx(db, o->mailbox_id, o->uid, true, o->now_ns, &t, &o->is_gone, e) < 0)
		return -1;
	return mailbox_tally_tx(db, o->mailbox_id, &t, e);
}

static void play_thrown_away_and_brought_back(struct store_fixture *f)
{
	struct people p = alice_with(f, 0);
	const struct span words[] = {SPAN("Blue")};
	struct mailbox_append_item items[4] = {0};
	struct mailbox_append op = {.mailbox_id = p.inbox, .items = items, .count = 4};
	struct mailbox_gone *gone;
	struct mailbox_msg *list;
	struct mailbox_gone_cursor cursor = {0};
	uint64_t swept = 0;
	size_t count;
	struct err e = {0};

	for (size_t i = 0; i < 4; i++)
		items[i] = (struct mailbox_append_item){
			.stage = body(f, "Subject: x\r\n\r\nbody\r\n"),
			.keywords = words,
			.keyword_count = 1,
			.received_ns = (int64_t)i + 1};
	assert_ok(mailbox_append(f->s, &op, &e), &e);
	for (uint32_t uid = 1; uid <= 3; uid++) {
		struct out o = {p.inbox, uid, 100 + uid / 3, false};

		assert_ok(store_write(f->s, "test", take_out, &o, &e), &e);
		assert_true(o.is_gone);
	}
	assert_int_equal(look(f, p.inbox).messages, 1);
	assert_ok(mailbox_gone_list(
			  f->s, f->a, p.account_id, SPAN(""), 0, &cursor, &gone, &count, &e),
		&e);
	assert_int_equal(count, 3);
	assert_int_equal(gone[0].msg.uid, 3); /* the last one first, of equals the later row */
	assert_int_equal(gone[1].msg.uid, 2);
	assert_span(gone[0].folder, "INBOX");
	assert_ok(mailbox_gone_list(
			  f->s, f->a, p.account_id, SPAN(""), 0, &cursor, &gone, &count, &e),
		&e);
	assert_int_equal(count, 0);

	assert_ok(mailbox_undelete(f->s, p.account_id, items[1].id, SPAN(""), &e), &e);
	assert_ok(mailbox_undelete(f->s, p.account_id, items[2].id, SPAN("Back/Again"), &e), &e);
	ASSERT_ERR(mailbox_undelete(f->s, p.account_id, items[2].id, SPAN(""), &e), ERR_NOT_FOUND);
	err_clear(&e);
	ASSERT_ERR(
		mailbox_undelete(f->s, p.account_id + 1, items[0].id, SPAN(""), &e), ERR_NOT_FOUND);
	err_clear(&e);
	assert_ok(mailbox_list(f->s, f->a, p.inbox, 0, 0, &list, &count, &e), &e);
	assert_int_equal(count, 2);
	assert_int_equal(list[1].uid, 5);
	assert_span(list[1].keywords, "Blue");
	assert_int_equal(list[1].received_ns, 2);
	assert_true(list[1].email_id == items[1].id);

	assert_ok(mailbox_gone_sweep(f->s, 100, &swept, &e), &e);
	assert_int_equal(swept, 0);
	assert_ok(mailbox_gone_sweep(f->s, 200, &swept, &e), &e);
	assert_int_equal(swept, 1);
	ASSERT_ERR(mailbox_undelete(f->s, p.account_id, items[0].id, SPAN(""), &e), ERR_NOT_FOUND);
	assert_sound(f);
}

static void several_at_once(void **state)
{
	store_play(state, play_several_at_once);
}

static void all_or_none(void **state)
{
	store_play(state, play_all_or_none);
}

static void a_message_in_several_mailboxes(void **state)
{
	store_play(state, play_in_several_mailboxes);
}

static void one_for_another(void **state)
{
	store_play(state, play_one_for_another);
}

static void thrown_away_and_brought_back(void **state)
{
	store_play(state, play_thrown_away_and_brought_back);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(several_at_once),
		CASE(all_or_none),
		CASE(a_message_in_several_mailboxes),
		CASE(one_for_another),
		CASE(thrown_away_and_brought_back),
	};

	return cmocka_run_group_tests_name("store/mailbox_append", tests, NULL, NULL);
}
