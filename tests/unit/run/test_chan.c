#include "run_test.h"

/* ---- conditions -------------------------------------------------------------------------- */

struct waiters {
	struct fiber_cond cond;
	struct fiber_group group;
	char order[16];
	size_t count;
	int failed;
};

struct waiter {
	struct waiters *all;
	char name;
	int64_t wait_ns;
};

static FIBER int cond_waiter(void *arg)
{
	struct waiter *w = arg;
	int64_t deadline_ns = w->wait_ns ? loop_now_ns() + w->wait_ns : CLOCK_NEVER;

	if (fiber_cond_wait(&w->all->cond, deadline_ns, NULL) < 0)
		w->all->failed++;
	else
		w->all->order[w->all->count++] = w->name;
	return 0;
}

static FIBER int cond_order_main(void *arg)
{
	struct waiters all = {.count = 0};
	struct waiter w[] = {{&all, 'a', 0}, {&all, 'b', 0}, {&all, 'c', 0}, {&all, 'd', 0}};

	fiber_cond_init(&all.cond);
	fiber_group_init(&all.group);
	fiber_cond_signal(&all.cond); /* nobody waits: forgotten */
	for (size_t i = 0; i < ARRAY_LEN(w); i++)
		assert_int_equal(fiber_start(&all.group, "w", cond_waiter, &w[i], NULL), 0);
	assert_int_equal(fiber_yield(NULL), 0);
	fiber_cond_signal(&all.cond);
	assert_int_equal(fiber_yield(NULL), 0);
	assert_string_equal(all.order, "a");
	fiber_cond_signal(&all.cond);
	assert_int_equal(fiber_yield(NULL), 0);
	assert_string_equal(all.order, "ab");
	fiber_cond_broadcast(&all.cond);
	fiber_group_join(&all.group);
	assert_string_equal(all.order, "abcd");
	assert_int_equal(all.failed, 0);
	return 0;
}

static void signals_wake_in_order_of_waiting(void **state)
{
	run_sim(cond_order_main, NULL);
}

static FIBER int cond_leaver_main(void *arg)
{
	struct waiters all = {.count = 0};
	struct waiter first = {&all, 'x', 0}, second = {&all, 'y', 0};
	struct fiber_group leaving;

	fiber_cond_init(&all.cond);
	fiber_group_init(&all.group);
	fiber_group_init(&leaving);
	assert_int_equal(fiber_start(&leaving, "w", cond_waiter, &first, NULL), 0);
	assert_int_equal(fiber_start(&all.group, "w", cond_waiter, &second, NULL), 0);
	assert_int_equal(fiber_yield(NULL), 0);
	/* The first is on its way out but still stands in the line. */
	fiber_group_cancel(&leaving);
	fiber_cond_signal(&all.cond);
	fiber_group_join(&all.group);
	fiber_group_join(&leaving);
	assert_string_equal(all.order, "y");
	assert_int_equal(all.failed, 1);
	return 0;
}

static void a_signal_is_not_lost_on_one_who_leaves(void **state)
{
	run_sim(cond_leaver_main, NULL);
}

static FIBER int cond_then_cancel_main(void *arg)
{
	struct waiters all = {.count = 0};
	struct waiter w = {&all, 'x', 0};

	fiber_cond_init(&all.cond);
	fiber_group_init(&all.group);
	assert_int_equal(fiber_start(&all.group, "w", cond_waiter, &w, NULL), 0);
	assert_int_equal(fiber_yield(NULL), 0);
	fiber_cond_signal(&all.cond);
	fiber_group_cancel(&all.group);
	fiber_group_join(&all.group);
	/* Who was signalled first has the signal; its next wait fails. */
	assert_string_equal(all.order, "x");
	return 0;
}

static void a_signal_before_the_cancel_counts(void **state)
{
	run_sim(cond_then_cancel_main, NULL);
}

static FIBER int cond_timeout_main(void *arg)
{
	struct waiters all = {.count = 0};
	struct waiter w[] = {{&all, 'a', CLOCK_SEC}, {&all, 'b', 3 * CLOCK_SEC}};

	fiber_cond_init(&all.cond);
	fiber_group_init(&all.group);
	for (size_t i = 0; i < ARRAY_LEN(w); i++)
		assert_int_equal(fiber_start(&all.group, "w", cond_waiter, &w[i], NULL), 0);
	assert_int_equal(fiber_sleep(2 * CLOCK_SEC, NULL), 0);
	assert_int_equal(all.failed, 1);
	fiber_cond_signal(&all.cond);
	fiber_group_join(&all.group);
	assert_string_equal(all.order, "b");
	return 0;
}

static void a_timed_out_waiter_is_out_of_the_line(void **state)
{
	run_sim(cond_timeout_main, NULL);
}

/* ---- channels ---------------------------------------------------------------------------- */

struct pipe_run {
	struct fiber_chan chan;
	size_t items, got, sum;
	enum err_code end;
	int64_t pause_ns;
};

static FIBER int put_all(void *arg)
{
	struct pipe_run *p = arg;

	for (size_t i = 1; i <= p->items; i++) {
		if (p->pause_ns)
			assert_int_equal(fiber_sleep(p->pause_ns, NULL), 0);
		assert_int_equal(
			fiber_chan_put(&p->chan, (void *)(uintptr_t)i, CLOCK_NEVER, NULL), 0);
		assert_true(p->chan.count <= p->chan.cap);
	}
	fiber_chan_close(&p->chan);
	return 0;
}

static FIBER int get_all(void *arg)
{
	struct pipe_run *p = arg;
	struct err e = {0};
	void *item;

	while (fiber_chan_get(&p->chan, &item, CLOCK_NEVER, &e) == 0) {
		p->got++;
		p->sum += (uintptr_t)item;
		assert_int_equal((uintptr_t)item, p->got);
	}
	assert_null(item);
	p->end = e.code;
	return 0;
}

static FIBER int chan_flow_main(void *arg)
{
	static const struct {
		size_t cap, items;
		int64_t pause_ns;
	} cases[] = {{1, 100, 0}, {3, 100, 0}, {64, 100, 0}, {2, 0, 0}, {4, 10, CLOCK_MS}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pipe_run p = {.items = cases[i].items, .pause_ns = cases[i].pause_ns};
		struct fiber_group g;

		fiber_chan_init(&p.chan, cases[i].cap);
		fiber_group_init(&g);
		assert_int_equal(fiber_start(&g, "put", put_all, &p, NULL), 0);
		assert_int_equal(fiber_start(&g, "get", get_all, &p, NULL), 0);
		fiber_group_join(&g);
		assert_int_equal(p.got, p.items);
		assert_int_equal(p.sum, p.items * (p.items + 1) / 2);
		assert_int_equal(p.end, ERR_EOF);
		fiber_chan_fini(&p.chan);
	}
	return 0;
}

static void items_come_in_order_and_then_the_end(void **state)
{
	run_sim(chan_flow_main, NULL);
}

static FIBER int chan_closed_main(void *arg)
{
	struct fiber_chan c;
	struct err e = {0};
	void *item;
	int x = 0;

	fiber_chan_init(&c, 2);
	assert_true(fiber_chan_try_put(&c, &x));
	assert_int_equal(fiber_chan_put(&c, &x, CLOCK_NEVER, &e), 0);
	assert_false(fiber_chan_try_put(&c, &x));
	assert_int_equal(fiber_chan_put(&c, &x, loop_now_ns() + CLOCK_MS, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	fiber_chan_close(&c);
	fiber_chan_close(&c);
	assert_int_equal(fiber_chan_put(&c, &x, CLOCK_NEVER, &e), -1);
	assert_int_equal(e.code, ERR_EOF);
	assert_false(fiber_chan_try_put(&c, &x));
	/* What was put before the close still comes out. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(fiber_chan_get(&c, &item, CLOCK_NEVER, &e), 0);
		assert_ptr_equal(item, &x);
	}
	assert_int_equal(fiber_chan_get(&c, &item, CLOCK_NEVER, &e), -1);
	assert_int_equal(e.code, ERR_EOF);
	fiber_chan_fini(&c);
	return 0;
}

static void a_closed_channel_empties_and_takes_nothing(void **state)
{
	run_sim(chan_closed_main, NULL);
}

static FIBER int put_one_expect_eof(void *arg)
{
	struct err e = {0};

	assert_int_equal(fiber_chan_put(arg, arg, CLOCK_NEVER, &e), -1);
	assert_int_equal(e.code, ERR_EOF);
	return 0;
}

static FIBER int chan_close_wakes_main(void *arg)
{
	struct pipe_run p = {.items = 0};
	struct fiber_chan full;
	struct fiber_group g;

	fiber_group_init(&g);
	fiber_chan_init(&p.chan, 1);
	fiber_chan_init(&full, 1);
	assert_true(fiber_chan_try_put(&full, &p));
	assert_int_equal(fiber_start(&g, "get", get_all, &p, NULL), 0);
	assert_int_equal(fiber_start(&g, "put", put_one_expect_eof, &full, NULL), 0);
	assert_int_equal(fiber_start(&g, "put", put_one_expect_eof, &full, NULL), 0);
	assert_int_equal(fiber_yield(NULL), 0);
	fiber_chan_close(&p.chan);
	fiber_chan_close(&full);
	fiber_group_join(&g);
	assert_int_equal(p.end, ERR_EOF);
	fiber_chan_fini(&p.chan);
	fiber_chan_fini(&full);
	return 0;
}

static void closing_wakes_both_sides(void **state)
{
	run_sim(chan_close_wakes_main, NULL);
}

static FIBER int take_one(void *arg)
{
	struct pipe_run *p = arg;
	void *item;

	if (fiber_chan_get(&p->chan, &item, CLOCK_NEVER, NULL) == 0)
		p->got++;
	return 0;
}

static FIBER int chan_many_getters_main(void *arg)
{
	struct pipe_run p = {.items = 0};
	struct fiber_group g, quitters;

	fiber_group_init(&g);
	fiber_group_init(&quitters);
	fiber_chan_init(&p.chan, 8);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(fiber_start(&quitters, "quit", take_one, &p, NULL), 0);
		assert_int_equal(fiber_start(&g, "get", take_one, &p, NULL), 0);
	}
	assert_int_equal(fiber_yield(NULL), 0);
	fiber_group_cancel(&quitters);
	for (int i = 0; i < 4; i++)
		assert_true(fiber_chan_try_put(&p.chan, &p));
	fiber_group_join(&g);
	fiber_group_join(&quitters);
	assert_int_equal(p.got, 4);
	fiber_chan_fini(&p.chan);
	return 0;
}

static void no_item_is_lost_on_cancelled_getters(void **state)
{
	run_sim(chan_many_getters_main, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signals_wake_in_order_of_waiting),
		cmocka_unit_test(a_signal_is_not_lost_on_one_who_leaves),
		cmocka_unit_test(a_signal_before_the_cancel_counts),
		cmocka_unit_test(a_timed_out_waiter_is_out_of_the_line),
		cmocka_unit_test(items_come_in_order_and_then_the_end),
		cmocka_unit_test(a_closed_channel_empties_and_takes_nothing),
		cmocka_unit_test(closing_wakes_both_sides),
		cmocka_unit_test(no_item_is_lost_on_cancelled_getters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
