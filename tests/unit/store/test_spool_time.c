/* Priorities, scheduled letters, what is told of once, and the orders of administrators. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "run/fiber.h"
#include "store/outbox.h"
#include "store/spool_priv.h"
#include "store_fixture.h"

#define NOW FIXTURE_NOW

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

/* A letter to one recipient that waits. */
static uint64_t put(struct fixture *f, const struct spool_envelope *env, int64_t arrived_ns)
{
	struct letter x;
	struct err e = {0};
	uint64_t id;

	letter_init(f, &x, 100);
	if (env) {
		struct span path = x.l.env.reverse_path;

		x.l.env = *env;
		x.l.env.reverse_path = path;
		x.l.env.origin = SPAN("smtp");
	}
	x.l.arrived_ns = arrived_ns;
	letter_remote(&x, "b@b.test", "b.test");
	if (spool_accept(f->s, &x.l, false, &e) < 0)
		fail_msg("%s", e.text);
	id = x.l.id;
	letter_fini(&x);
	return id;
}

static struct spool_item *claim(
	struct fixture *f, int64_t now, size_t max, size_t *count_r, int64_t *next_r)
{
	struct spool_item *items;
	struct err e = {0};

	if (spool_claim(f->s, f->a, now, CLOCK_NEVER, max, &items, count_r, next_r, &e) < 0)
		fail_msg("%s", e.text);
	return items;
}

static struct spool_item look(struct fixture *f, uint64_t id)
{
	struct spool_filter filter = {.msg_id = id, .state = -1};
	struct spool_item *items;
	size_t count;

	assert_int_equal(spool_list(f->s, f->a, &filter, &items, &count, NULL), 0);
	assert_int_equal(count, 1);
	return items[0];
}

static uint64_t order(struct fixture *f, uint64_t id, struct spool_order o)
{
	struct spool_filter filter = {.msg_id = id, .state = -1};
	uint64_t changed = 99;
	struct err e = {0};

	if (!o.now_ns)
		o.now_ns = NOW + 7;
	o.by = SPAN("root");
	if (spool_act(f->s, &filter, &o, &changed, &e) < 0)
		fail_msg("%s", e.text);
	return changed;
}

static void settle(struct fixture *f, const struct spool_item *it, struct spool_result r)
{
	r.msg_id = it->msg_id;
	r.rcpt_id = it->rcpt_id;
	r.outcome = r.outcome ? r.outcome : SPOOL_DEFERRED;
	r.is_attempt = true;
	r.text = SPAN("later");
	r.at_ns = NOW + 5;
	if (!r.next_ns)
		r.next_ns = NOW + CLOCK_HOUR;
	assert_int_equal(spool_settle(f->s, &r, 1, NULL, 0, NULL), 0);
}

/* ---- claims ------------------------------------------------------------------------------------- */

static void tell_priorities(struct fixture *f)
{
	static const int priorities[] = {0, -9, 3, 0, 9, 3};
	static const int want[] = {4, 2, 5, 0, 3, 1};
	uint64_t ids[ARRAY_LEN(priorities)];
	struct spool_item *items;
	size_t count;
	int64_t next;

	for (size_t i = 0; i < ARRAY_LEN(priorities); i++)
		ids[i] = put(
			f, &(struct spool_envelope){.priority = priorities[i]}, NOW + (int64_t)i);
	put(f, &(struct spool_envelope){.priority = 5}, NOW + CLOCK_HOUR); /* urgent, not due */
	items = claim(f, NOW + 100, 4, &count, &next);
	assert_int_equal(count, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(items[i].msg_id, ids[want[i]]);
	assert_int_equal(items[0].env.priority, 9);
	assert_true(next == NOW + 100); /* there may be more */
	items = claim(f, NOW + 100, 4, &count, &next);
	assert_int_equal(count, 2);
	assert_int_equal(items[0].msg_id, ids[want[4]]);
	assert_int_equal(items[1].env.priority, -9);
	assert_true(next == NOW + CLOCK_HOUR);
}

static void what_is_urgent_is_claimed_first(void **state)
{
	on_fiber(*state, tell_priorities);
}

static void tell_flags(struct fixture *f)
{
	struct spool_item *it;
	size_t count;
	int64_t next;
	uint64_t id = put(f,
		&(struct spool_envelope){.class = SPOOL_CLASS_BULK,
			.by_mode = SPOOL_BY_NOTIFY,
			.by_trace = true,
			.by_ns = NOW + CLOCK_MIN,
			.is_requiretls = true},
		NOW);

	it = claim(f, NOW, 9, &count, &next);
	assert_int_equal(count, 1);
	assert_int_equal(it->env.class, SPOOL_CLASS_BULK);
	assert_int_equal(it->env.by_mode, SPOOL_BY_NOTIFY);
	assert_true(it->env.by_trace && it->env.is_requiretls && !it->env.is_tls_optional);
	assert_true(it->env.by_ns == NOW + CLOCK_MIN);
	assert_true(!it->is_by_told && it->delays_told == 0 && !it->is_expiry_fixed);
	settle(f, it, (struct spool_result){.delays_told = 1});
	assert_int_equal(look(f, id).delays_told, 1);
	it = claim(f, NOW + CLOCK_HOUR, 9, &count, &next);
	/* what was told stays told, and more than can be kept is as much as can */
	settle(f, it, (struct spool_result){.delays_told = 9, .is_by_told = true});
	assert_int_equal(look(f, id).delays_told, SPOOL_RCPT_DELAYS);
	assert_true(look(f, id).is_by_told);
	it = claim(f, NOW + CLOCK_HOUR, 9, &count, &next);
	settle(f, it, (struct spool_result){0});
	assert_true(look(f, id).is_by_told && look(f, id).delays_told == SPOOL_RCPT_DELAYS);
}

static void what_was_told_is_kept(void **state)
{
	on_fiber(*state, tell_flags);
}

/* ---- scheduled ---------------------------------------------------------------------------------- */

static void tell_scheduled(struct fixture *f)
{
	const struct spool_envelope env = {.release_ns = NOW + CLOCK_DAY};
	uint64_t id = put(f, &env, NOW);
	size_t count;
	int64_t next;

	claim(f, NOW + CLOCK_HOUR, 9, &count, &next);
	assert_int_equal(count, 0);
	assert_true(next == NOW + CLOCK_DAY);
	/* "try now" does not mean what its sender put off; a hold gives it back to him; release does */
	assert_int_equal(order(f, id, (struct spool_order){.action = SPOOL_RETRY}), 0);
	assert_int_equal(order(f, id, (struct spool_order){.action = SPOOL_HOLD}), 1);
	assert_true(span_eq(look(f, id).held_by, SPAN("root")) && look(f, id).held_ns == NOW + 7);
	assert_int_equal(order(f, id, (struct spool_order){.action = SPOOL_RELEASE}), 1);
	assert_true(look(f, id).next_ns == NOW + CLOCK_DAY && look(f, id).held_by.len == 0);
	assert_int_equal(order(f, id, (struct spool_order){.action = SPOOL_RELEASE}), 1);
	assert_true(look(f, id).next_ns == NOW + 7);
	assert_int_equal(order(f, id, (struct spool_order){.action = SPOOL_RELEASE}), 0);
	claim(f, NOW + CLOCK_HOUR, 9, &count, &next);
	assert_int_equal(count, 1);
}

static void a_scheduled_letter_waits_for_its_time(void **state)
{
	on_fiber(*state, tell_scheduled);
}

static size_t deliver(struct fixture *f, size_t *told_r)
{
	size_t before = (size_t)fixture_number(f, "SELECT count(*) FROM message");
	struct spool_item *told;
	bool is_left;

	assert_int_equal(spool_deliver_local(f->s, f->a, 100, &is_left, &told, told_r, NULL), 0);
	assert_false(is_left);
	if (*told_r)
		assert_true(span_eq(told[0].address, SPAN("bob@yizhan.test")));
	return (size_t)fixture_number(f, "SELECT count(*) FROM message") - before;
}

static void tell_scheduled_local(struct fixture *f)
{
	uint64_t bob = fixture_account(f, "bob");
	int64_t now = loop_wall_ns(), next;
	struct letter x;
	struct err e = {0};
	size_t told, count;

	letter_init(f, &x, 100);
	x.l.arrived_ns = now;
	x.l.env.release_ns = now + CLOCK_DAY;
	letter_local(&x, bob);
	letter_local(&x, bob);
	x.rcpts[0].notify = SPOOL_NOTIFY_SUCCESS;
	assert_true(spool_is_scheduled(&x.l));
	if (spool_accept(f->s, &x.l, false, &e) < 0)
		fail_msg("%s", e.text);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM message"), 0);
	assert_int_equal(deliver(f, &told), 0);
	/* the loader hears when it is due */
	claim(f, now, 9, &count, &next);
	assert_true(count == 0 && next == now + CLOCK_DAY);
	/* a row that waits for its time can be dropped, or released early */
	assert_int_equal(
		order(f, x.l.id, (struct spool_order){.action = SPOOL_HOLD, .now_ns = now}), 0);
	assert_int_equal(
		order(f, x.l.id, (struct spool_order){.action = SPOOL_RELEASE, .now_ns = now}), 2);
	assert_int_equal(deliver(f, &told), 2);
	assert_int_equal(told, 1); /* who asked is told now, and was not before */
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM queue_rcpt"), 0);
	assert_true(fixture_number(f, "SELECT max(received_ns) FROM message") == now + CLOCK_DAY);
	letter_fini(&x);
}

static void a_scheduled_letter_for_a_mailbox_waits_too(void **state)
{
	on_fiber(*state, tell_scheduled_local);
}

/* ---- orders ------------------------------------------------------------------------------------- */

static void tell_expire(struct fixture *f)
{
	uint64_t id = put(f, NULL, NOW);
	struct spool_item *it;
	size_t count;
	int64_t next;

	/* held, tried, waiting: each is due at once and fails when it is claimed */
	order(f, id, (struct spool_order){.action = SPOOL_HOLD});
	assert_int_equal(order(f, id, (struct spool_order){.action = SPOOL_EXPIRE}), 1);
	assert_int_equal(look(f, id).state, SPOOL_WAITING);
	it = claim(f, NOW + 7, 9, &count, &next);
	assert_true(count == 1 && it->is_given_up);
	assert_int_equal(order(f, id, (struct spool_order){.action = SPOOL_EXPIRE}), 0);

	id = put(f, NULL, NOW);
	it = claim(f, NOW, 9, &count, &next);
	assert_int_equal(order(f, id, (struct spool_order){.action = SPOOL_EXPIRE}), 1);
	assert_int_equal(look(f, id).state, SPOOL_ACTIVE);
	settle(f, it, (struct spool_result){0});
	assert_true(look(f, id).is_given_up && look(f, id).next_ns == NOW + 5);
}

static void what_is_given_up_is_due_at_once(void **state)
{
	on_fiber(*state, tell_expire);
}

static void tell_reroute(struct fixture *f)
{
	struct spool_order o = {.action = SPOOL_REROUTE, .next_hop = SPAN("[lab.test]:25")};
	uint64_t id = put(f, NULL, NOW);
	struct spool_item *it, now;
	size_t count;
	int64_t next;

	it = claim(f, NOW, 9, &count, &next);
	assert_int_equal(order(f, id, o), 1);
	now = look(f, id);
	assert_true(now.state == SPOOL_ACTIVE && span_eq(now.destination, SPAN("[lab.test]:25")));
	assert_true(span_eq(now.rerouted_from, SPAN("b.test")));
	/* what was under way ends, and the row is due by its new way at once */
	settle(f, it, (struct spool_result){0});
	assert_true(look(f, id).next_ns == NOW + 5 && look(f, id).state == SPOOL_WAITING);
	assert_int_equal(order(f, id, o), 0);
	/* a second way: where the router had sent it is kept */
	o.next_hop = SPAN("[other.test]:25");
	assert_int_equal(order(f, id, o), 1);
	assert_true(span_eq(look(f, id).rerouted_from, SPAN("b.test")));
	/* a hold that was asked for stays, and a held row stays held */
	it = claim(f, NOW + 9, 9, &count, &next);
	assert_int_equal(order(f, id, (struct spool_order){.action = SPOOL_HOLD}), 1);
	o.next_hop = SPAN("[third.test]:25");
	assert_int_equal(order(f, id, o), 1);
	settle(f, it, (struct spool_result){0});
	assert_int_equal(look(f, id).state, SPOOL_HELD);
	o.next_hop = SPAN("[fourth.test]:25");
	assert_int_equal(order(f, id, o), 1);
	assert_int_equal(look(f, id).state, SPOOL_HELD);
}

static void a_rerouted_row_goes_its_new_way(void **state)
{
	on_fiber(*state, tell_reroute);
}

static void tell_tls_words(struct fixture *f)
{
	struct spool_order o = {.action = SPOOL_REROUTE, .next_hop = SPAN("[lab.test]:25")};
	struct letter x;

	letter_init(f, &x, 10);
	letter_remote(&x, "b@b.test", "b.test|tls=required");
	assert_int_equal(spool_accept(f->s, &x.l, false, NULL), 0);
	assert_int_equal(order(f, x.l.id, o), 1);
	assert_true(span_eq(look(f, x.l.id).destination, SPAN("[lab.test]:25|tls=required")));
	assert_int_equal(order(f, x.l.id, o), 0);
	o.next_hop = SPAN("unix:/run/lab");
	assert_int_equal(order(f, x.l.id, o), 1);
	assert_true(span_eq(look(f, x.l.id).destination, SPAN("unix:/run/lab")));
	letter_fini(&x);
}

static void what_a_letter_says_of_tls_goes_with_it(void **state)
{
	on_fiber(*state, tell_tls_words);
}

static void tell_worth(struct fixture *f)
{
	struct spool_order o = {.action = SPOOL_PRIORITY, .priority = 4};
	uint64_t id = put(f, NULL, NOW),
		 first = put(f, &(struct spool_envelope){.priority = 1}, NOW);
	struct spool_item *it;
	size_t count;
	int64_t next;

	assert_int_equal(order(f, id, o), 1);
	assert_int_equal(order(f, id, o), 0);
	it = claim(f, NOW + 1, 1, &count, &next);
	assert_true(count == 1 && it->msg_id == id);
	it = claim(f, NOW + 1, 1, &count, &next);
	assert_true(count == 1 && it->msg_id == first);

	/* an end that comes before the next attempt brings an attempt with it */
	settle(f, it, (struct spool_result){0});
	o = (struct spool_order){.action = SPOOL_LIFETIME, .expires_ns = NOW + CLOCK_MIN};
	assert_int_equal(order(f, first, o), 1);
	assert_true(look(f, first).is_expiry_fixed);
	assert_true(look(f, first).expires_ns == NOW + CLOCK_MIN);
	assert_true(look(f, first).next_ns == NOW + CLOCK_MIN);
}

static void priority_and_lifetime_can_be_edited(void **state)
{
	on_fiber(*state, tell_worth);
}

/* ---- amending ----------------------------------------------------------------------------------- */

static struct spool_amend amend_of(const struct spool_item *it)
{
	return (struct spool_amend){.rcpt_id = it->rcpt_id,
		.was = it->address,
		.was_next = it->destination,
		.address = SPAN("new@c.test"),
		.orcpt = SPAN("rfc822;b@b.test"),
		.destination = SPAN("c.test")};
}

static void tell_amend(struct fixture *f)
{
	uint64_t bob = fixture_account(f, "bob"), id = put(f, NULL, NOW), other = put(f, NULL, NOW);
	struct spool_item it = look(f, id);
	struct spool_amend rows[2] = {amend_of(&it), amend_of(&it)};
	size_t count, told;
	int64_t next;

	/* the second was read before somebody else changed it */
	it = look(f, other);
	rows[1] = amend_of(&it);
	rows[1].was = SPAN("elsewhere@b.test");
	assert_int_equal(spool_amend(f->s, rows, 2, NOW + 3, NULL), 0);
	assert_true(rows[0].is_done && !rows[1].is_done);
	it = look(f, id);
	assert_true(span_eq(it.address, SPAN("new@c.test")) &&
		span_eq(it.destination, SPAN("c.test")) && it.next_ns == NOW + 3 &&
		span_eq(it.orcpt, SPAN("rfc822;b@b.test")));
	assert_true(span_eq(look(f, other).address, SPAN("b@b.test")));

	/* to a mailbox here, while it is being tried */
	claim(f, NOW + 3, 9, &count, &next);
	assert_int_equal(count, 2);
	it = look(f, id);
	rows[0] = amend_of(&it);
	rows[0].is_local = true;
	rows[0].account_id = bob;
	rows[0].destination = SPAN("INBOX");
	rows[0].prefix = SPAN("Return-Path: <a>\r\n");
	assert_int_equal(spool_amend(f->s, rows, 1, NOW + 4, NULL), 0);
	assert_true(rows[0].is_done && look(f, id).state == SPOOL_ACTIVE);
	settle(f, &it, (struct spool_result){0});
	assert_int_equal(look(f, id).state, SPOOL_LOCAL);
	assert_int_equal(deliver(f, &told), 1);

	/* a held one is not delivered behind the back of who holds it */
	it = look(f, other);
	settle(f, &it, (struct spool_result){0});
	order(f, other, (struct spool_order){.action = SPOOL_HOLD});
	it = look(f, other);
	rows[0].rcpt_id = it.rcpt_id;
	rows[0].was = it.address;
	rows[0].was_next = it.destination;
	assert_int_equal(spool_amend(f->s, rows, 1, NOW + 4, NULL), 0);
	assert_false(rows[0].is_done);
	rows[0] = amend_of(&it);
	assert_int_equal(spool_amend(f->s, rows, 1, NOW + 4, NULL), 0);
	assert_true(rows[0].is_done && look(f, other).state == SPOOL_HELD);
}

static void amended_rows_are_the_ones_that_were_read(void **state)
{
	on_fiber(*state, tell_amend);
}

/* ---- many --------------------------------------------------------------------------------------- */

struct seen {
	unsigned calls, stop_at;
	uint64_t seen;
};

static FIBER int note_progress(void *arg, uint64_t seen, struct err *e)
{
	struct seen *s = arg;

	s->seen = seen;
	return ++s->calls == s->stop_at ? err_set(e, ERR_CANCELLED, "enough") : 0;
}

static void tell_progress(struct fixture *f)
{
	struct spool_filter all = {.state = -1};
	struct seen seen = {.stop_at = 2};
	struct spool_order o = {.action = SPOOL_HOLD,
		.now_ns = NOW,
		.by = SPAN("root"),
		.progress = note_progress,
		.arg = &seen};
	uint64_t changed;

	for (int i = 0; i < 3 * SPOOL_SLICE; i++)
		put(f, NULL, NOW);
	assert_int_equal(spool_act(f->s, &all, &o, &changed, NULL), -1);
	assert_int_equal(changed, 2 * SPOOL_SLICE); /* what was done stays done */
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM queue_rcpt WHERE state = 2"),
		2 * SPOOL_SLICE);
	seen = (struct seen){0};
	assert_int_equal(spool_act(f->s, &all, &o, &changed, NULL), 0);
	assert_int_equal(changed, SPOOL_SLICE);
	assert_true(seen.calls >= 3 && seen.seen == 3 * SPOOL_SLICE);
}

static void long_orders_tell_how_far_they_are(void **state)
{
	on_fiber(*state, tell_progress);
}

/* ---- the check ---------------------------------------------------------------------------------- */

static int run_sql(struct db *db, void *sql, struct err *e)
{
	return db_exec(db, sql, e);
}

static void say(struct fixture *f, const char *sql)
{
	assert_int_equal(store_write(f->s, "spoil", run_sql, (void *)(uintptr_t)sql, NULL), 0);
}

static void note_finding(void *arg, const char *text)
{
	*(unsigned *)arg += strstr(text, "has no next event") != NULL;
}

static void tell_check(struct fixture *f)
{
	static const struct {
		const char *set;
		unsigned findings;
	} t[] = {
		{"state = 0", 0},
		{"next_ns = 0", 1},
		{"state = 1, lease_ns = 9", 0},
		{"state = 1, lease_ns = 0", 1},
		{"state = 2, held_ns = 9", 0},
		{"state = 2", 1},
		{"state = 3", 0},
		{"state = 3, next_ns = 0", 1},
		{"state = 4", 1},
		{"attempts = 1, last_text = 'no'", 0},
		{"attempts = 1, last_code = 450", 0}, /* a reply without text is a reason */
		{"attempts = 1", 1},
	};

	put(f, NULL, NOW);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		unsigned found = 0;
		uint64_t all;

		say(f,
			"UPDATE queue_rcpt SET state = 0, next_ns = 5, lease_ns = 0, held_ns = 0, "
			"attempts = 0, last_text = '', last_code = 0");
		say(f, arena_printf(f->a, "UPDATE queue_rcpt SET %s", t[i].set));
		assert_int_equal(store_check(f->s, note_finding, &found, NULL, &all, NULL), 0);
		if (found != t[i].findings)
			fail_msg("%s: %u findings", t[i].set, found);
	}
}

static void the_check_finds_rows_without_a_next_event(void **state)
{
	on_fiber(*state, tell_check);
}

/* What the check finds after 3 letters were due and 2 of them were claimed then: the one that is left has
 * its lane behind the others. */
static uint64_t findings_after_claim(struct fixture *f, int64_t now_ns)
{
	uint64_t found;
	size_t count;
	int64_t next;

	for (int i = 0; i < 3; i++)
		put(f, NULL, NOW);
	claim(f, now_ns, 2, &count, &next);
	assert_int_equal(count, 2);
	assert_int_equal(store_check(f->s, NULL, NULL, NULL, &found, NULL), 0);
	return found;
}

static void tell_served_lane(struct fixture *f)
{
	assert_int_equal(findings_after_claim(f, clock_wall_ns()), 0);
}

static void a_lane_that_was_just_served_is_sound(void **state)
{
	on_fiber(*state, tell_served_lane);
}

static void tell_late_lane(struct fixture *f)
{
	assert_int_equal(findings_after_claim(f, clock_wall_ns() + CLOCK_DAY), 1);
}

static void a_lane_that_is_due_later_than_its_rows_is_found(void **state)
{
	on_fiber(*state, tell_late_lane);
}

static void tell_outbox_row(struct fixture *f)
{
	uint64_t bob = fixture_account(f, "bob");
	struct outbox_row row = {.id = 77,
		.account_id = bob,
		.envelope = SPAN("{}"),
		.replies = SPAN("[]"),
		.created_ns = FIXTURE_NOW};
	struct err e = {0};
	struct letter x, y;

	letter_init(f, &x, 100);
	letter_local(&x, bob);
	letter_remote(&x, "b@b.test", "b.test");
	x.l.outbox = &row;
	assert_int_equal(spool_accept(f->s, &x.l, false, &e), 0);
	assert_int_equal(fixture_number(f, "SELECT msg_id FROM email_submission WHERE id = 77"),
		(int64_t)x.l.id);
	letter_fini(&x);
	/* its row cannot be stored (the number is taken): nobody gets the letter */
	letter_init(f, &y, 100);
	letter_local(&y, bob);
	letter_remote(&y, "b@b.test", "b.test");
	y.l.outbox = &row;
	assert_int_equal(spool_accept(f->s, &y.l, false, &e), -1);
	letter_fini(&y);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM message"), 1);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM queue_rcpt"), 1);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM email_submission"), 1);
}

static void a_letter_and_what_its_author_sees_of_it_are_stored_together(void **state)
{
	on_fiber(*state, tell_outbox_row);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			what_is_urgent_is_claimed_first, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(
			what_was_told_is_kept, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(
			a_scheduled_letter_waits_for_its_time, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(a_scheduled_letter_for_a_mailbox_waits_too,
			fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_given_up_is_due_at_once, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(
			a_rerouted_row_goes_its_new_way, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(
			what_a_letter_says_of_tls_goes_with_it, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(
			priority_and_lifetime_can_be_edited, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(amended_rows_are_the_ones_that_were_read,
			fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(
			long_orders_tell_how_far_they_are, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(the_check_finds_rows_without_a_next_event,
			fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(
			a_lane_that_was_just_served_is_sound, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(a_lane_that_is_due_later_than_its_rows_is_found,
			fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(
			a_letter_and_what_its_author_sees_of_it_are_stored_together, fixture_set_up,
			fixture_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
