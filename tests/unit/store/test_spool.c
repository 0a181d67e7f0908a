#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "lib/death.h"
#include "store/mailbox.h"
#include "store/body_priv.h"
#include "store/spool_priv.h"
#include "store_fixture.h"

#define NOW          (10 * CLOCK_DAY)
#define COUNT(table) fixture_number(f, "SELECT count(*) FROM " table)

struct story {
	struct fixture *f;
	void (*tell)(struct fixture *f);
};

static int tell_main(void *arg)
{
	struct story *s = arg;

	s->tell(s->f);
	return 0;
}

static void on_fiber(struct fixture *f, void (*tell)(struct fixture *f))
{
	struct story s = {f, tell};

	fixture_run(f, tell_main, &s);
}

static void accept(struct fixture *f, struct letter *x, bool is_lease)
{
	struct err e = {0};

	if (spool_accept(f->s, &x->l, is_lease, &e) < 0)
		fail_msg("%s", e.text);
}

static struct spool_item *claim(struct fixture *f, int64_t now, size_t *count_r, int64_t *next_r)
{
	struct spool_item *items;
	struct err e = {0};

	if (spool_claim(f->s, f->a, now, now + CLOCK_HOUR, 10, &items, count_r, next_r, &e) < 0)
		fail_msg("%s", e.text);
	return items;
}

static void settle(struct fixture *f, const struct spool_item *it, enum spool_outcome outcome)
{
	struct spool_result r = {.msg_id = it->msg_id,
		.rcpt_id = it->rcpt_id,
		.outcome = outcome,
		.next_ns = NOW + CLOCK_HOUR,
		.is_attempt = true,
		.code = 451,
		.enhanced = SPAN("4.2.0"),
		.text = SPAN("451 later"),
		.host = SPAN("mx.b.test"),
		.at_ns = NOW};

	assert_int_equal(spool_settle(f->s, &r, 1, NULL, 0, NULL), 0);
}

static void check_empty(struct fixture *f)
{
	struct store_stats stats;

	assert_int_equal(COUNT("queue_rcpt"), 0);
	assert_int_equal(COUNT("queue_msg"), 0);
	assert_int_equal(COUNT("blob"), 0);
	assert_int_equal(COUNT("blob_chunk"), 0);
	assert_int_equal(store_stats(f->s, &stats, NULL), 0);
	assert_int_equal(stats.queue_messages, 0);
	assert_int_equal(stats.queue_rcpts, 0);
}

/* ---- remote ---- */

static void tell_remote(struct fixture *f)
{
	struct spool_item *items;
	struct store_stats stats;
	struct letter x;
	size_t count;
	int64_t next;

	letter_init(f, &x, 4000);
	x.l.env = (struct spool_envelope){.reverse_path = SPAN("a@a.test"),
		.envid = SPAN("id"),
		.ret = SPOOL_RET_HDRS,
		.body_type = SPOOL_BODY_8BIT,
		.is_smtputf8 = true,
		.origin = SPAN("smtp"),
		.peer = SPAN("peer")};
	letter_remote(&x, "b@b.test", "[b]:25");
	letter_remote(&x, "c@c.test", "[c]:25");
	x.rcpts[0].notify = SPOOL_NOTIFY_SUCCESS | SPOOL_NOTIFY_DELAY;
	x.rcpts[0].orcpt = SPAN("rfc822;b@b.test");
	accept(f, &x, false);
	assert_non_null(x.l.stored);
	store_stats(f->s, &stats, NULL);
	assert_int_equal(stats.queue_messages, 1);
	assert_int_equal(stats.queue_rcpts, 2);

	items = claim(f, NOW, &count, &next);
	assert_int_equal(count, 2);
	assert_true(next == CLOCK_NEVER);
	assert_int_equal(items[0].msg_id, x.l.id);
	assert_int_equal(items[0].rcpt_id, x.rcpts[0].rcpt_id);
	assert_int_equal(items[0].blob_len, 4000);
	assert_true(span_eq(items[0].env.reverse_path, SPAN("a@a.test")));
	assert_true(span_eq(items[0].env.envid, SPAN("id")));
	assert_int_equal(items[0].env.ret, SPOOL_RET_HDRS);
	assert_int_equal(items[0].env.body_type, SPOOL_BODY_8BIT);
	assert_true(items[0].env.is_smtputf8);
	assert_true(span_eq(items[0].orcpt, SPAN("rfc822;b@b.test")));
	assert_int_equal(items[0].notify, SPOOL_NOTIFY_SUCCESS | SPOOL_NOTIFY_DELAY);
	assert_true(span_eq(items[0].prefix, SPAN("Received: by us\r\n")));
	assert_int_equal(items[0].state, SPOOL_ACTIVE);
	assert_true(span_eq(items[1].destination, SPAN("[c]:25")));

	settle(f, &items[0], SPOOL_DELIVERED);
	assert_int_equal(COUNT("queue_msg"), 1);
	settle(f, &items[1], SPOOL_FAILED);
	check_empty(f);
	assert_int_equal(body_cache_octets(f->s->bodies), 0);
	letter_fini(&x);
}

static void a_message_goes_with_its_last_recipient(void **state)
{
	on_fiber(*state, tell_remote);
}

static void tell_deferred(struct fixture *f)
{
	struct spool_item *items;
	struct letter x;
	size_t count;
	int64_t next;

	letter_init(f, &x, 10);
	letter_remote(&x, "b@b.test", "b.test");
	accept(f, &x, true); /* claimed already */
	claim(f, NOW, &count, &next);
	assert_int_equal(count, 0);
	settle(f, &(struct spool_item){.msg_id = x.l.id, .rcpt_id = x.rcpts[0].rcpt_id},
		SPOOL_DEFERRED);
	claim(f, NOW, &count, &next);
	assert_int_equal(count, 0);
	assert_true(next == NOW + CLOCK_HOUR);
	items = claim(f, NOW + CLOCK_HOUR, &count, &next);
	assert_int_equal(count, 1);
	assert_int_equal(items[0].attempts, 1);
	assert_int_equal(items[0].last_code, 451);
	assert_true(span_eq(items[0].last_enhanced, SPAN("4.2.0")));
	assert_true(span_eq(items[0].last_text, SPAN("451 later")));
	assert_true(span_eq(items[0].last_host, SPAN("mx.b.test")));
	assert_int_equal(items[0].last_ns, NOW);
	settle(f, &items[0], SPOOL_DELIVERED);
	/* the row is gone: a second result is ignored */
	settle(f, &items[0], SPOOL_DELIVERED);
	settle(f, &items[0], SPOOL_DEFERRED);
	check_empty(f);
	letter_fini(&x);
}

static void a_deferred_recipient_comes_again_when_due(void **state)
{
	on_fiber(*state, tell_deferred);
}

static void tell_lease(struct fixture *f)
{
	struct spool_item *items;
	struct letter x;
	size_t count;
	int64_t next;

	letter_init(f, &x, 10);
	letter_remote(&x, "b@b.test", "b.test");
	accept(f, &x, false);
	claim(f, NOW, &count, &next);
	assert_int_equal(count, 1);
	claim(f, NOW + CLOCK_HOUR / 2, &count, &next);
	assert_int_equal(count, 0);
	items = claim(f, NOW + 2 * CLOCK_HOUR, &count, &next);
	assert_int_equal(count, 1);
	settle(f, &items[0], SPOOL_DELIVERED);
	check_empty(f);
	letter_fini(&x);
}

static void a_lease_that_ran_out_is_claimed_again(void **state)
{
	on_fiber(*state, tell_lease);
}

static void tell_leased_three(struct fixture *f)
{
	struct letter x;

	for (int i = 0; i < 3; i++) {
		letter_init(f, &x, 10);
		letter_remote(&x, "b@b.test", "b.test");
		accept(f, &x, true);
		letter_fini(&x);
	}
}

static void tell_lanes(struct fixture *f)
{
	struct spool_result r = {.outcome = SPOOL_DEFERRED,
		.next_ns = NOW + CLOCK_HOUR,
		.pause_ns = NOW + CLOCK_HOUR,
		.text = SPAN("down"),
		.at_ns = NOW};
	struct spool_filter dead = {.destination = SPAN("dead.test"), .state = SPOOL_WAITING};
	struct spool_order retry = {.action = SPOOL_RETRY, .now_ns = NOW};
	struct spool_item *items;
	size_t count, live = 0;
	uint64_t changed;
	int64_t next;

	for (int i = 0; i < 7; i++) {
		struct letter x;

		letter_init(f, &x, 10);
		letter_remote(&x, "a@dead.test", i < 6 ? "dead.test" : "live.test");
		letter_remote(&x, "b@dead.test", i < 6 ? "dead.test" : "live.test");
		accept(f, &x, false);
		letter_fini(&x);
	}
	/* some of each, however many of one were there before */
	items = claim(f, NOW, &count, &next);
	for (size_t i = 0; i < count; i++)
		live += span_eq(items[i].destination, SPAN("live.test"));
	assert_int_equal(count, 5 + 2);
	assert_int_equal(live, 2);
	assert_int_equal(next, NOW);
	/* one of them says that its destination is to be left alone: so are those that wait */
	for (size_t i = 0; i < count; i++) {
		r.msg_id = items[i].msg_id;
		r.rcpt_id = items[i].rcpt_id;
		r.outcome = span_eq(items[i].destination, SPAN("live.test")) ? SPOOL_DELIVERED
									     : SPOOL_DEFERRED;
		assert_int_equal(spool_settle(f->s, &r, 1, NULL, 0, NULL), 0);
	}
	claim(f, NOW, &count, &next);
	assert_int_equal(count, 0);
	assert_int_equal(next, NOW + CLOCK_HOUR);
	claim(f, NOW + CLOCK_HOUR - 1, &count, &next);
	assert_int_equal(count, 0);
	/* an administrator ends that */
	assert_int_equal(spool_act(f->s, &dead, &retry, &changed, NULL), 0);
	assert_int_equal(changed, 12);
	items = claim(f, NOW, &count, &next);
	assert_int_equal(count, 10);
	for (size_t i = 0; i < count; i++)
		settle(f, &items[i], SPOOL_DELIVERED);
	items = claim(f, NOW, &count, &next);
	assert_int_equal(count, 2);
	assert_true(next == CLOCK_NEVER);
	settle(f, &items[0], SPOOL_DELIVERED);
	settle(f, &items[1], SPOOL_DELIVERED);
	assert_int_equal(COUNT("queue_lane"), 0);
	check_empty(f);
}

static void destinations_take_turns_and_a_pause_is_for_all_that_waits_there(void **state)
{
	on_fiber(*state, tell_lanes);
}

static void tell_claim_three(struct fixture *f)
{
	size_t count;
	int64_t next;

	claim(f, clock_wall_ns(), &count, &next);
	assert_int_equal(count, 3);
}

static void leases_of_a_dead_process_are_given_up_at_start(void **state)
{
	struct fixture *f = *state;

	on_fiber(f, tell_leased_three);
	fixture_reopen(f);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM queue_rcpt WHERE state = 1"), 3);
	assert_int_equal(spool_recover_blocking(f->s, NULL), 0);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM queue_rcpt WHERE state = 0"), 3);
	on_fiber(f, tell_claim_three);
}

/* ---- local ---- */

static void tell_local(struct fixture *f)
{
	uint64_t bob = fixture_account(f, "bob"), eve = fixture_account(f, "eve");
	struct store_stats stats;
	struct letter x;

	for (int i = 1; i <= 2; i++) {
		letter_init(f, &x, 1000);
		letter_local(&x, bob);
		letter_local(&x, eve);
		accept(f, &x, false);
		assert_int_equal(x.rcpts[0].uid, i);
		assert_int_equal(x.rcpts[1].uid, i);
		assert_null(x.l.stored);
		letter_fini(&x);
	}
	assert_int_equal(COUNT("message"), 4);
	assert_int_equal(COUNT("blob"), 2);
	assert_int_equal(COUNT("queue_msg"), 0);
	assert_int_equal(fixture_number(f, "SELECT refs FROM blob"), 2);
	assert_int_equal(fixture_number(f, "SELECT size FROM message"),
		1000 + (int64_t)strlen("Return-Path: <alice@a.test>\r\n"));
	assert_string_equal(fixture_text(f, "SELECT subject FROM message"), "a letter");
	assert_string_equal(fixture_text(f, "SELECT sender FROM message"), "Alice <alice@a.test>");
	assert_int_equal(fixture_number(f,
				 "SELECT count(*) FROM mailbox WHERE name = 'INBOX' AND "
				 "uidnext = 3 AND messages = 2 AND unseen = 2 AND octets > 2000"),
		2);
	assert_int_equal(fixture_number(f, "SELECT count(DISTINCT modseq) FROM message"), 2);
	assert_int_equal(fixture_number(f,
				 "SELECT count(*) FROM account a JOIN mailbox m ON "
				 "m.account_id = a.id AND m.highest_modseq = a.modseq "
				 "AND a.messages = 2 AND a.octets = m.octets"),
		2);
	store_stats(f->s, &stats, NULL);
	assert_int_equal(stats.messages, 4);
}

static void local_mail_is_there_when_it_is_accepted(void **state)
{
	on_fiber(*state, tell_local);
}

/* Whatever becomes of the recipients: the author's own copy is there once, read, without a prefix. */
static void tell_copy(struct fixture *f)
{
	uint64_t bob = fixture_account(f, "bob");
	struct letter x;

	for (int scheduled = 0; scheduled < 2; scheduled++) {
		letter_init(f, &x, 1000);
		letter_remote(&x, "b@b.test", "b.test");
		x.l.copy_account_id = bob;
		x.l.copy_folder = SPAN("Sent");
		x.l.copy_flags = MAILBOX_SEEN;
		x.l.env.release_ns = scheduled ? x.l.arrived_ns + CLOCK_HOUR : 0;
		accept(f, &x, false);
		letter_fini(&x);
	}
	assert_int_equal(COUNT("queue_rcpt"), 2);
	assert_int_equal(
		COUNT("message WHERE flags = 1 AND size = 1000 AND length(prefix) = 0"), 2);
	assert_int_equal(COUNT("mailbox WHERE name = 'Sent' AND messages = 2 AND unseen = 0 AND "
			       "uidnext = 3"),
		1);
	assert_int_equal(COUNT("blob WHERE refs = 2"), 2);
}

static void an_author_keeps_one_copy_and_it_is_no_recipient(void **state)
{
	on_fiber(*state, tell_copy);
}

static void tell_gone_account(struct fixture *f)
{
	uint64_t bob = fixture_account(f, "bob");
	struct err e = {0};
	struct letter x;

	letter_init(f, &x, 100);
	letter_local(&x, bob);
	letter_remote(&x, "b@b.test", "b.test");
	letter_local(&x, 12345);
	assert_int_equal(spool_accept(f->s, &x.l, false, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	letter_fini(&x);
	assert_int_equal(COUNT("message"), 0);
	check_empty(f);
}

static void a_letter_is_accepted_for_all_or_for_none(void **state)
{
	on_fiber(*state, tell_gone_account);
}

static void tell_mixed(struct fixture *f)
{
	uint64_t bob = fixture_account(f, "bob");
	struct spool_item *items;
	struct letter x;
	size_t count;
	int64_t next;

	letter_init(f, &x, 3 * BODY_CHUNK + 5);
	letter_local(&x, bob);
	letter_remote(&x, "b@b.test", "b.test");
	accept(f, &x, false);
	assert_int_equal(COUNT("blob_chunk"), 4);
	assert_int_equal(fixture_number(f, "SELECT refs FROM blob"), 2);
	letter_fini(&x);
	items = claim(f, NOW, &count, &next);
	assert_int_equal(count, 1);
	struct body *b = body_open(f->s, items[0].blob_id, items[0].blob_len);
	struct span bytes;
	uint64_t octets = 0;

	for (uint64_t i = 0;; i++) {
		assert_int_equal(body_chunk(b, i, f->a, &bytes, NULL), 0);
		if (!bytes.len)
			break;
		octets += bytes.len;
	}
	assert_int_equal(octets, 3 * BODY_CHUNK + 5);
	body_unref(&b);
	settle(f, &items[0], SPOOL_DELIVERED);
	assert_int_equal(COUNT("blob_chunk"), 4); /* the mailbox holds it */
	assert_int_equal(fixture_number(f, "SELECT refs FROM blob"), 1);
}

static void a_large_body_serves_mailbox_and_queue(void **state)
{
	on_fiber(*state, tell_mixed);
}

static int nothing(struct db *db, void *arg, struct err *e)
{
	return 0;
}

static void tell_large(struct fixture *f)
{
	struct letter x;

	letter_init(f, &x, 20 * BODY_CHUNK + 5);
	letter_remote(&x, "b@b.test", "b.test");
	accept(f, &x, true);
	settle(f, &(struct spool_item){.msg_id = x.l.id, .rcpt_id = x.rcpts[0].rcpt_id},
		SPOOL_DELIVERED);
	letter_fini(&x);
	for (int i = 0; i < 50 && COUNT("blob"); i++)
		store_write(f->s, "turn", nothing, NULL, NULL);
	check_empty(f);
}

static void a_large_body_is_swept_after_its_last_recipient(void **state)
{
	on_fiber(*state, tell_large);
}

#define MANY 450

static void tell_many(struct fixture *f)
{
	uint64_t accounts[3] = {
		fixture_account(f, "a"), fixture_account(f, "b"), fixture_account(f, "c")};
	struct spool_rcpt_new *rcpts = ARENA_ARRAY(f->a, struct spool_rcpt_new, MANY);
	bool is_left = true;
	int slices = 0;
	struct letter x;

	letter_init(f, &x, 100);
	for (int i = 0; i < MANY; i++)
		rcpts[i] = (struct spool_rcpt_new){.is_local = true,
			.account_id = i == 7 ? 999 : accounts[i % 3],
			.folder = SPAN("INBOX"),
			.prefix = SPAN("p")};
	x.l.rcpts = rcpts;
	x.l.rcpt_count = MANY;
	accept(f, &x, false);
	assert_int_equal(COUNT("message"), 0);
	assert_int_equal(
		fixture_number(f, "SELECT count(*) FROM queue_rcpt WHERE state = 3"), MANY);
	while (is_left) {
		struct spool_item *told;
		size_t told_count;

		assert_int_equal(
			spool_deliver_local(f->s, f->a, 100, &is_left, &told, &told_count, NULL),
			0);
		assert_int_equal(told_count, 0); /* they were told at once */
		slices++;
	}
	assert_int_equal(slices, 5);
	/* the account that is gone has none, all others exactly one each */
	assert_int_equal(COUNT("message"), MANY - 1);
	assert_int_equal(fixture_number(f, "SELECT refs FROM blob"), MANY - 1);
	assert_int_equal(COUNT("queue_msg"), 0);
	assert_string_equal(fixture_text(f, "SELECT subject FROM message"), "a letter");
	assert_int_equal(fixture_number(f, "SELECT max(uid) FROM message"), MANY / 3);
	letter_fini(&x);
}

static void many_local_recipients_are_delivered_in_slices(void **state)
{
	on_fiber(*state, tell_many);
}

static void tell_report(struct fixture *f)
{
	uint64_t bob = fixture_account(f, "bob");
	struct spool_result r = {.outcome = SPOOL_FAILED, .at_ns = NOW};
	struct letter x, dsn;

	letter_init(f, &x, 100);
	letter_remote(&x, "b@b.test", "b.test");
	accept(f, &x, true);
	r.msg_id = x.l.id;
	r.rcpt_id = x.rcpts[0].rcpt_id;
	/* a report that cannot be accepted leaves the recipient as it was */
	letter_init(f, &dsn, 200);
	letter_local(&dsn, 4711);
	assert_int_equal(spool_settle(f->s, &r, 1, &dsn.l, 1, NULL), -1);
	assert_int_equal(COUNT("queue_rcpt"), 1);
	letter_fini(&dsn);
	letter_init(f, &dsn, 200);
	letter_local(&dsn, bob);
	assert_int_equal(spool_settle(f->s, &r, 1, &dsn.l, 1, NULL), 0);
	assert_int_equal(COUNT("queue_rcpt"), 0);
	assert_int_equal(COUNT("message"), 1);
	assert_int_equal(dsn.rcpts[0].uid, 1);
	letter_fini(&dsn);
	letter_fini(&x);
}

static void a_failure_and_its_report_are_one(void **state)
{
	on_fiber(*state, tell_report);
}

static void tell_nearly_full(struct fixture *f)
{
	struct letter x;
	struct err e = {0};

	letter_init(f, &x, 100);
	letter_remote(&x, "b@b.test", "b.test");
	store_write(f->s, "turn", nothing, NULL, NULL); /* nothing else makes the writer look */
	atomic_store(&f->s->room, STORE_ROOM_MIN);
	assert_int_equal(spool_accept(f->s, &x.l, true, &e), -1);
	assert_int_equal(e.code, ERR_FULL);
	assert_int_equal(e.smtp, 452);
	assert_int_equal(e.enh_class * 100 + e.enh_subject * 10 + e.enh_detail, 431);
	/* the refusal made the writer look: there is room on this disk */
	store_write(f->s, "turn", nothing, NULL, NULL);
	accept(f, &x, true);
	/* what is there can be settled however full the disk is */
	atomic_store(&f->s->room, 0);
	settle(f, &(struct spool_item){.msg_id = x.l.id, .rcpt_id = x.rcpts[0].rcpt_id},
		SPOOL_DELIVERED);
	assert_int_equal(atomic_load(&f->s->room_spoken_for), 0);
	check_empty(f);
	letter_fini(&x);
}

static void new_mail_is_refused_before_the_disk_is_full(void **state)
{
	on_fiber(*state, tell_nearly_full);
}

/* ---- administration ---- */

static uint64_t act(struct fixture *f, struct spool_filter filter, enum spool_action action)
{
	uint64_t changed = 999;
	struct err e = {0};

	if (spool_act(f->s, &filter,
		    &(struct spool_order){.action = action, .now_ns = NOW + 7, .by = SPAN("root")},
		    &changed, &e) < 0)
		fail_msg("%s", e.text);
	return changed;
}

static size_t list(struct fixture *f, struct spool_filter filter)
{
	struct spool_item *items;
	size_t count;

	assert_int_equal(spool_list(f->s, f->a, &filter, &items, &count, NULL), 0);
	return count;
}

static void tell_filters(struct fixture *f)
{
	struct letter x;
	uint64_t third = 0, last = 0;

	for (int i = 0; i < 600; i++) {
		letter_init(f, &x, 10);
		x.l.env.reverse_path = i % 2 ? SPAN("Eve@Odd.test") : SPAN("eve@even.test");
		letter_remote(&x, i % 3 ? "b@b.test" : "c@c.test", i % 3 ? "b.test" : "c.test");
		if (i == 5)
			letter_remote(&x, "d@d.test", "d.test");
		x.l.is_held = i % 100 == 99;
		accept(f, &x, false);
		if (i == 5) {
			third = x.l.id;
			last = x.rcpts[1].rcpt_id;
		}
		letter_fini(&x);
	}
	assert_int_equal(list(f, (struct spool_filter){.state = -1}), 256);
	assert_int_equal(list(f, (struct spool_filter){.state = -1, .max = 10000}), 601);
	assert_int_equal(list(f, (struct spool_filter){.state = SPOOL_HELD}), 6);
	assert_int_equal(list(f, (struct spool_filter){.state = -1, .msg_id = third}), 2);
	assert_int_equal(list(f,
				 (struct spool_filter){
					 .state = -1, .msg_id = third, .after_rcpt_id = last - 1}),
		1);
	assert_int_equal(list(f, (struct spool_filter){.state = -1, .msg_id = 12}), 0);
	assert_int_equal(list(f,
				 (struct spool_filter){
					 .state = -1, .max = 1000, .sender = SPAN("@odd.test")}),
		301);
	assert_int_equal(list(f,
				 (struct spool_filter){.state = -1,
					 .max = 1000,
					 .sender = SPAN("eve@odd.test"),
					 .recipient = SPAN("c@c.test")}),
		100);
	assert_int_equal(list(f,
				 (struct spool_filter){
					 .state = -1, .max = 1000, .destination = SPAN("d.test")}),
		1);

	assert_int_equal(act(f, (struct spool_filter){.state = -1}, SPOOL_HOLD), 595);
	assert_int_equal(list(f, (struct spool_filter){.state = SPOOL_HELD, .max = 1000}), 601);
	assert_int_equal(act(f, (struct spool_filter){.state = -1, .destination = SPAN("c.test")},
				 SPOOL_RELEASE),
		200);
	assert_int_equal(list(f, (struct spool_filter){.state = SPOOL_WAITING, .max = 1000}), 200);
	assert_int_equal(act(f, (struct spool_filter){.state = -1}, SPOOL_RETRY), 200);
	assert_int_equal(fixture_number(f,
				 "SELECT count(*) FROM queue_rcpt WHERE next_ns = 864000000000007"),
		200);
	assert_int_equal(act(f, (struct spool_filter){.state = SPOOL_HELD}, SPOOL_DROP), 401);
	assert_int_equal(act(f, (struct spool_filter){.state = -1}, SPOOL_DROP), 200);
	check_empty(f);
	assert_int_equal(body_cache_octets(f->s->bodies), 0);
}

static void filters_and_actions_reach_the_rows_they_name(void **state)
{
	on_fiber(*state, tell_filters);
}

static void tell_wishes(struct fixture *f)
{
	struct spool_item it;
	struct letter x;

	/* dropped while it was being tried */
	letter_init(f, &x, 10);
	letter_remote(&x, "b@b.test", "b.test");
	accept(f, &x, true);
	it = (struct spool_item){.msg_id = x.l.id, .rcpt_id = x.rcpts[0].rcpt_id};
	assert_int_equal(act(f, (struct spool_filter){.state = -1}, SPOOL_DROP), 1);
	assert_int_equal(COUNT("queue_rcpt"), 1);
	settle(f, &it, SPOOL_DEFERRED);
	check_empty(f);
	letter_fini(&x);

	/* held while it was being tried; then a late result says it arrived */
	letter_init(f, &x, 10);
	letter_remote(&x, "b@b.test", "b.test");
	accept(f, &x, true);
	it.rcpt_id = x.rcpts[0].rcpt_id;
	assert_int_equal(act(f, (struct spool_filter){.state = -1}, SPOOL_HOLD), 1);
	settle(f, &it, SPOOL_DEFERRED);
	assert_int_equal(list(f, (struct spool_filter){.state = SPOOL_HELD}), 1);
	settle(f, &it, SPOOL_DEFERRED);
	settle(f, &it, SPOOL_FAILED);
	assert_int_equal(list(f, (struct spool_filter){.state = SPOOL_HELD}), 1);
	settle(f, &it, SPOOL_DELIVERED);
	check_empty(f);
	letter_fini(&x);
}

static void what_is_wished_of_an_active_row_comes_true_when_it_is_settled(void **state)
{
	on_fiber(*state, tell_wishes);
}

static void move_wrongly(void *arg)
{
	spool_move(SPOOL_HELD, SPOOL_ACTIVE);
}

static void moves_that_the_table_lacks_end_the_process(void **state)
{
	(void)state;
	assert_true(spool_may_move(SPOOL_WAITING, SPOOL_ACTIVE));
	assert_false(spool_may_move(SPOOL_HELD, SPOOL_ACTIVE));
	assert_false(spool_may_move(SPOOL_LOCAL, SPOOL_WAITING));
	assert_false(spool_may_move(SPOOL_STATES, SPOOL_WAITING));
	assert_true(death_aborts(move_wrongly, NULL));
	assert_string_equal(spool_state_str(SPOOL_HELD), "held");
}

static const struct {
	const char *name, *head, *subject, *sender;
} heads[] = {
	{"plain", "Subject: s\r\nFrom: f\r\n\r\nSubject: body\r\n", "s", "f"},
	{"case and blanks", "SUBJECT :  s  \r\nfrom:\tf\t\r\n\r\n", "s", "f"},
	{"folded", "Subject: one\r\n two\r\n\tthree\r\n\r\n", "one two three", ""},
	{"the first one counts", "Subject: a\r\nSubject: b\r\n\r\n", "a", ""},
	{"none", "\r\nSubject: body\r\n", "", ""},
	{"a line that is no field ends it", "X: y\r\nnonsense\r\nSubject: s\r\n", "", ""},
	{"bare LF", "Subject: s\nFrom: f\n\n", "s", "f"},
	{"no line end", "Subject: s", "s", ""},
	{"empty", "", "", ""},
	{"UTF-8 stays", "Subject: \xe4\xbd\xa0\r\n\r\n", "\xe4\xbd\xa0", ""},
	{"other bytes do not", "Subject: a\xff\x01z\r\n\r\n", "a??z", ""},
};

static void subject_and_sender_are_found(void **state)
{
	struct arena *a = arena_new();
	char *wide = arena_alloc(a, 2000);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		struct deliver_head h;

		deliver_scan_head(a, span_str(heads[i].head), &h);
		if (!span_eq(h.subject, span_str(heads[i].subject)) ||
			!span_eq(h.sender, span_str(heads[i].sender)))
			fail_msg("%s: '" SPAN_FMT "' '" SPAN_FMT "'", heads[i].name,
				SPAN_ARG(h.subject), SPAN_ARG(h.sender));
	}
	/* cut at a whole character: 3 octets each, 256 is no multiple */
	memcpy(wide, "Subject:", 8);
	for (size_t i = 8; i + 3 < 1200; i += 3)
		memcpy(wide + i, "\xe4\xbd\xa0", 3);
	struct deliver_head h;

	deliver_scan_head(a, span_str(wide), &h);
	assert_int_equal(h.subject.len, 255);
	arena_free(&a);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_message_goes_with_its_last_recipient),
		CASE(a_deferred_recipient_comes_again_when_due),
		CASE(destinations_take_turns_and_a_pause_is_for_all_that_waits_there),
		CASE(a_lease_that_ran_out_is_claimed_again),
		CASE(leases_of_a_dead_process_are_given_up_at_start),
		CASE(local_mail_is_there_when_it_is_accepted),
		CASE(an_author_keeps_one_copy_and_it_is_no_recipient),
		CASE(a_letter_is_accepted_for_all_or_for_none),
		CASE(a_large_body_serves_mailbox_and_queue),
		CASE(a_large_body_is_swept_after_its_last_recipient),
		CASE(many_local_recipients_are_delivered_in_slices),
		CASE(a_failure_and_its_report_are_one),
		CASE(new_mail_is_refused_before_the_disk_is_full),
		CASE(filters_and_actions_reach_the_rows_they_name),
		CASE(what_is_wished_of_an_active_row_comes_true_when_it_is_settled),
		cmocka_unit_test(moves_that_the_table_lacks_end_the_process),
		cmocka_unit_test(subject_and_sender_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
