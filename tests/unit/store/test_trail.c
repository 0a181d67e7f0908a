#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "store/object.h"
#include "store/store_priv.h"
#include "store/trail.h"
#include "store_fixture.h"

static uint64_t tell(struct fixture *f, uint64_t msg_id, const char *message_id, uint64_t parent)
{
	struct trail_letter l = {msg_id, parent, span_str(message_id), store_id_time(msg_id)};
	struct trail_event ev = {store_new_id(f->s), msg_id, TRAIL_ACCEPTED, SPAN("a@b.test"),
		SPAN("{\"x\":1}"), SPAN("C: MAIL\n")};

	assert_int_equal(trail_write(f->s, &l, 1, &ev, 1, NULL), 0);
	return ev.id;
}

static FIBER int a_letter_is_found_by_id_message_id_and_parent(void *arg)
{
	struct fixture *f = arg;
	uint64_t id = store_new_id(f->s), copy = store_new_id(f->s);
	struct trail_letter one, *list;
	struct trail_event *events;
	struct err e = {0};
	size_t count;

	tell(f, id, "one@b.test", 0);
	tell(f, copy, "one@b.test", id);
	assert_int_equal(trail_get(f->s, f->a, id, &one, NULL), 0);
	assert_true(span_eq(one.message_id, SPAN("one@b.test")));
	assert_int_equal(trail_find(f->s, f->a, SPAN("one@b.test"), &list, &count, NULL), 0);
	assert_int_equal(count, 2);
	assert_int_equal(list[0].msg_id, id);
	assert_int_equal(trail_children(f->s, f->a, id, &list, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(list[0].msg_id, copy);
	assert_int_equal(trail_events(f->s, f->a, id, 0, &events, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(events[0].kind, TRAIL_ACCEPTED);
	assert_true(span_eq(events[0].facts, SPAN("{\"x\":1}")));
	assert_true(span_eq(events[0].talk, SPAN("C: MAIL\n")));
	/* what has no Message-ID is not found by its absence */
	assert_int_equal(trail_find(f->s, f->a, SPAN_NONE, &list, &count, NULL), 0);
	assert_int_equal(count, 0);
	assert_int_equal(trail_get(f->s, f->a, 12345, &one, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	return 0;
}

static FIBER int owners_find_their_letters_and_how_they_stand(void *arg)
{
	struct fixture *f = arg;
	uint64_t alice = fixture_account(f, "alice"), id = store_new_id(f->s),
		 other = store_new_id(f->s);
	struct trail_letter mine = {id, 0, SPAN("sent@b.test"), store_id_time(id), alice}, *list;
	struct trail_event failed = {
		store_new_id(f->s), id, TRAIL_FAILED, SPAN("x@c.test"), SPAN("{}"), SPAN("")};
	struct trail_standing st[2] = {
		{.message_id = SPAN("sent@b.test")}, {.message_id = SPAN("else@b.test")}};
	struct object_change *changes;
	uint64_t upto;
	bool is_more;
	size_t count;

	tell(f, other, "else@b.test", 0);
	assert_int_equal(trail_write(f->s, &mine, 1, &failed, 1, NULL), 0);
	assert_int_equal(trail_owned(f->s, f->a, alice, 0, &list, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(list[0].msg_id, id);
	assert_int_equal(list[0].owner_id, alice);
	assert_int_equal(trail_owned(f->s, f->a, alice, id, &list, &count, NULL), 0);
	assert_int_equal(count, 0);
	assert_int_equal(trail_standings(f->s, alice, st, 2, NULL), 0);
	assert_int_equal(st[0].msg_id, id);
	assert_int_equal(st[0].failed, 1);
	assert_int_equal(st[0].waiting, 0);
	assert_int_equal(st[1].msg_id, 0); /* somebody else's */
	/* and she hears of it */
	assert_int_equal(object_changes(f->s, f->a, alice, OBJECT_TRACE, 0, 0, &changes, &count,
				 &upto, &is_more, NULL),
		0);
	assert_int_equal(count, 1);
	assert_int_equal(changes[0].id, id);
	assert_int_equal(changes[0].how, OBJECT_CREATED);
	return 0;
}

static FIBER int events_come_in_order_and_in_pages(void *arg)
{
	struct fixture *f = arg;
	uint64_t id = store_new_id(f->s), after = 0;
	struct trail_event *events;
	size_t count, total = 0;

	for (unsigned i = 0; i < TRAIL_SLICE + 10; i++)
		tell(f, id, "", 0);
	do {
		assert_int_equal(trail_events(f->s, f->a, id, after, &events, &count, NULL), 0);
		for (size_t i = 0; i < count; i++) {
			assert_true(events[i].id > after);
			after = events[i].id;
		}
		total += count;
	} while (count == TRAIL_SLICE);
	assert_int_equal(total, TRAIL_SLICE + 10);
	return 0;
}

static FIBER int what_is_old_goes_in_slices_and_nothing_else(void *arg)
{
	struct fixture *f = arg;
	struct trail_letter *list;
	bool is_left = true;
	size_t count;
	unsigned calls = 0;
	int64_t long_ago = clock_wall_ns() - 30 * CLOCK_DAY;

	for (unsigned i = 0; i < TRAIL_SLICE * 2; i++) {
		struct trail_letter l = {store_time_id(long_ago) + i, 0, SPAN("old@b"), long_ago};
		struct trail_event ev = {.id = l.msg_id, .msg_id = l.msg_id};

		assert_int_equal(trail_write(f->s, &l, 1, &ev, 1, NULL), 0);
	}
	tell(f, store_new_id(f->s), "new@b", 0);
	while (is_left) {
		assert_int_equal(
			trail_sweep(f->s, clock_wall_ns() - 14 * CLOCK_DAY, &is_left, NULL), 0);
		calls++;
	}
	assert_int_equal(calls, 3);
	assert_int_equal(trail_find(f->s, f->a, SPAN("old@b"), &list, &count, NULL), 0);
	assert_int_equal(count, 0);
	assert_int_equal(trail_find(f->s, f->a, SPAN("new@b"), &list, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM trail_event"), 1);
	return 0;
}

static FIBER int an_id_knows_its_time(void *arg)
{
	struct fixture *f = arg;
	int64_t now = clock_wall_ns(), at = trail_time(store_new_id(f->s));

	assert_true(at - now < CLOCK_SEC && now - at < CLOCK_SEC);
	assert_int_equal(store_id_time(store_time_id(now)), now / CLOCK_MS * CLOCK_MS);
	return 0;
}

#define RUN(f)                                                                                     \
	static void f##_on_a_loop(void **state)                                                    \
	{                                                                                          \
		fixture_run(*state, f, *state);                                                    \
	}
RUN(a_letter_is_found_by_id_message_id_and_parent)
RUN(owners_find_their_letters_and_how_they_stand)
RUN(events_come_in_order_and_in_pages)
RUN(what_is_old_goes_in_slices_and_nothing_else)
RUN(an_id_knows_its_time)

#define CASE(f) cmocka_unit_test_setup_teardown(f##_on_a_loop, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_letter_is_found_by_id_message_id_and_parent),
		CASE(owners_find_their_letters_and_how_they_stand),
		CASE(events_come_in_order_and_in_pages),
		CASE(what_is_old_goes_in_slices_and_nothing_else),
		CASE(an_id_knows_its_time),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("store/trail", tests, NULL, NULL);
}
