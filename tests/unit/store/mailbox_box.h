#pragma once
/* A mailbox with letters in it, for tests of mailboxes. */

#include "store_test.h"

#include "store/directory.h"
#include "store/mailbox.h"
#include "store/spool.h"

/* out of line: their frames are their own */
#define APART __attribute__((unused, noinline))

struct box {
	uint64_t account_id, id;
};

APART static struct box make_box(struct store_fixture *f, const char *name)
{
	struct directory_account acc = {
		.address = span_str(arena_printf(f->a, "%s@example.org", name))};
	struct mailbox_info info;
	struct err e = {0};

	assert_ok(
		directory_domain_set(f->s, SPAN("example.org"), DIRECTORY_DOMAIN_LOCAL, false, &e),
		&e);
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), &e);
	assert_ok(directory_account_find(f->s, f->a, acc.address, &acc, &e), &e);
	assert_ok(mailbox_find(f->s, f->a, acc.id, SPAN("inbox"), &info, &e), &e);
	assert_int_equal(info.messages, 0);
	assert_int_equal(info.uidnext, 1);
	return (struct box){acc.id, info.id};
}

APART static void deliver(struct store_fixture *f, struct box box, const char *body)
{
	struct spool_rcpt_new rcpt = {.address = SPAN("alice@example.org"),
		.is_local = true,
		.account_id = box.account_id,
		.folder = SPAN("INBOX"),
		.prefix = SPAN("Return-Path: <>\r\n")};
	struct spool_new letter = {.id = store_new_id(f->s), .rcpts = &rcpt, .rcpt_count = 1};
	struct err e = {0};

	letter.arrived_ns = loop_wall_ns();
	letter.expires_ns = letter.arrived_ns + CLOCK_DAY;
	letter.env.origin = SPAN("smtp");
	letter.body = stage_new(f->s);
	assert_ok(stage_put(letter.body, span_str(body), &e), &e);
	assert_ok(spool_accept(f->s, &letter, false, &e), &e);
	assert_true(rcpt.uid > 0);
	stage_free(&letter.body);
}

APART static void tell_finding(void *arg, const char *text)
{
	(void)arg;
	print_error("%s\n", text);
}

/* The same when something should be wrong. */
APART static uint64_t damages(struct store_fixture *f)
{
	struct err e = {0};
	uint64_t n;

	assert_ok(store_check(f->s, NULL, NULL, NULL, &n, &e), &e);
	return n;
}

APART static uint64_t findings(struct store_fixture *f)
{
	struct err e = {0};
	uint64_t n;

	assert_ok(store_check(f->s, tell_finding, NULL, NULL, &n, &e), &e);
	return n;
}

APART static struct mailbox_info info_of(struct store_fixture *f, struct box box)
{
	struct mailbox_info info;
	struct err e = {0};

	assert_ok(mailbox_find(f->s, f->a, box.account_id, SPAN("INBOX"), &info, &e), &e);
	return info;
}

APART static struct mailbox_info info_by_id(struct store_fixture *f, uint64_t mailbox_id)
{
	struct mailbox_info info;
	struct err e = {0};

	assert_ok(mailbox_by_id(f->s, f->a, mailbox_id, &info, &e), &e);
	return info;
}
