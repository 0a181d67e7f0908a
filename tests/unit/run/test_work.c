#include "run_test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

/* ---- calls ------------------------------------------------------------------------------- */

struct called {
	struct fiber_call call;
	pthread_t thread;
	int delay_us;
	int answer;
};

static void *answer_thread(void *arg)
{
	struct called *c = arg;

	if (c->delay_us)
		usleep((useconds_t)c->delay_us);
	c->answer = 42;
	fiber_call_done(&c->call);
	return NULL;
}

static FIBER int call_once(void *arg)
{
	struct called c = {.delay_us = *(int *)arg};

	fiber_call_init(&c.call);
	assert_int_equal(pthread_create(&c.thread, NULL, answer_thread, &c), 0);
	fiber_call_wait(&c.call);
	assert_int_equal(c.answer, 42);
	assert_int_equal(pthread_join(c.thread, NULL), 0);
	return 0;
}

static FIBER int calls_main(void *arg)
{
	int delays[] = {0, 5000, 100, 0, 2000, 0, 0, 1000};
	struct fiber_group g;

	fiber_group_init(&g);
	for (int round = 0; round < 5; round++) {
		for (size_t i = 0; i < ARRAY_LEN(delays); i++)
			assert_int_equal(fiber_start(&g, "call", call_once, &delays[i], NULL), 0);
		/* A call under way cannot be cancelled: its frame is in the other's hands. */
		if (round % 2) {
			assert_int_equal(fiber_yield(NULL), 0);
			fiber_group_cancel(&g);
		}
		fiber_group_join(&g);
		g.is_cancelled = false;
	}
	return 0;
}

static void threads_answer_calls(void **state)
{
	run_uv(calls_main, NULL);
}

static FIBER int answer_myself_main(void *arg)
{
	struct fiber_call c;

	/* The answer comes before the wait. */
	fiber_call_init(&c);
	fiber_call_done(&c);
	assert_int_equal(fiber_yield(NULL), 0);
	assert_int_equal(fiber_yield(NULL), 0);
	assert_true(c.is_done);
	fiber_call_wait(&c);
	fiber_call_init(&c);
	fiber_call_done(&c);
	fiber_call_wait(&c);
	return 0;
}

static void an_answer_may_come_before_the_wait(void **state)
{
	run_sim(answer_myself_main, NULL);
	run_uv(answer_myself_main, NULL);
}

/* ---- posts from many threads --------------------------------------------------------------- */

enum { POSTERS = 3, POSTS = 3000 };

struct tally {
	struct loop *loop;
	struct fiber *waiter;
	size_t seen[POSTERS], total;
	bool is_out_of_order;
};

struct posted {
	struct loop_msg msg;
	struct tally *tally;
	size_t poster, nr;
};

struct poster {
	struct tally *tally;
	size_t nr;
	pthread_t thread;
	struct posted msgs[POSTS];
};

static void count_post(struct loop_msg *msg)
{
	struct posted *p = CONTAINER_OF(msg, struct posted, msg);
	struct tally *t = p->tally;

	MUST(loop_current() == t->loop && !fiber_self());
	if (t->seen[p->poster] != p->nr)
		t->is_out_of_order = true;
	t->seen[p->poster]++;
	if (++t->total == (size_t)POSTERS * POSTS)
		fiber_wake(t->waiter);
}

static void *poster_thread(void *arg)
{
	struct poster *p = arg;

	for (size_t i = 0; i < POSTS; i++) {
		p->msgs[i] = (struct posted){{NULL, count_post}, p->tally, p->nr, i};
		loop_post(p->tally->loop, &p->msgs[i].msg);
		if (i % 500 == 0)
			usleep(200);
	}
	return NULL;
}

static FIBER int posts_main(void *arg)
{
	struct tally t = {.loop = loop_current(), .waiter = fiber_self()};
	struct poster *posters = calloc(POSTERS, sizeof(*posters));

	for (size_t i = 0; i < POSTERS; i++) {
		posters[i].tally = &t;
		posters[i].nr = i;
		assert_int_equal(
			pthread_create(&posters[i].thread, NULL, poster_thread, &posters[i]), 0);
	}
	while (t.total < (size_t)POSTERS * POSTS)
		assert_int_equal(fiber_park(loop_now_ns() + 20 * CLOCK_SEC, NULL), 0);
	assert_false(t.is_out_of_order);
	for (size_t i = 0; i < POSTERS; i++)
		assert_int_equal(pthread_join(posters[i].thread, NULL), 0);
	free(posters);
	return 0;
}

static void posts_of_many_threads_arrive_once_and_in_order(void **state)
{
	run_uv(posts_main, NULL);
}

/* ---- lanes ------------------------------------------------------------------------------- */

struct square {
	struct work_lane *lane;
	int n, result;
	int64_t hold_us;
	pthread_t where;
	enum err_code code;
	atomic_int *running, *most;
};

static int square_work(void *arg, struct err *e)
{
	struct square *s = arg;

	assert_null(fiber_self());
	s->where = pthread_self();
	if (s->running) {
		int now = atomic_fetch_add(s->running, 1) + 1;
		int most = atomic_load(s->most);

		while (now > most && !atomic_compare_exchange_weak(s->most, &most, now))
			;
	}
	if (s->hold_us)
		usleep((useconds_t)s->hold_us);
	if (s->running)
		atomic_fetch_sub(s->running, 1);
	if (s->n < 0)
		return err_set(e, ERR_SYNTAX, "negative");
	s->result = s->n * s->n;
	return s->n;
}

static FIBER int square_fiber(void *arg)
{
	struct square *s = arg;
	struct err e = {0};

	if (work_run(s->lane, square_work, s, &e) < 0)
		s->code = e.code;
	return 0;
}

static FIBER int lane_results_main(void *arg)
{
	struct work_lane *lane = work_lane_new("squares", 2, 4);
	struct square s = {.n = 7}, bad = {.n = -1};
	struct err e = {0};
	size_t waiting, max;

	assert_int_equal(work_run(lane, square_work, &s, &e), 7);
	assert_int_equal(s.result, 49);
	assert_int_equal(e.code, ERR_NONE);
	assert_int_equal(work_run(lane, square_work, &bad, &e), -1);
	assert_int_equal(e.code, ERR_SYNTAX);
	*(bool *)arg = pthread_equal(s.where, pthread_self()) != 0;
	work_lane_depth(lane, &waiting, &max);
	assert_int_equal(waiting, 0);
	assert_int_equal(max, 4);
	work_lane_free(&lane);
	assert_null(lane);
	work_lane_free(&lane);
	return 0;
}

static void work_brings_its_result_and_its_error(void **state)
{
	bool is_here = true;

	run_uv(lane_results_main, &is_here);
	assert_false(is_here);
	run_sim(lane_results_main, &is_here);
	assert_true(is_here);
}

static FIBER int lane_full_main(void *arg)
{
	struct work_lane *lane = work_lane_new("narrow", 1, 2);
	struct square s[6];
	struct fiber_group g;
	size_t waiting, max, busy = 0;

	fiber_group_init(&g);
	for (size_t i = 0; i < ARRAY_LEN(s); i++)
		s[i] = (struct square){.lane = lane, .n = (int)i + 1, .hold_us = 20000};
	/* The thread holds the first one before the rest come. */
	assert_int_equal(fiber_start(&g, "w", square_fiber, &s[0], NULL), 0);
	do {
		assert_int_equal(fiber_sleep(CLOCK_MS, NULL), 0);
		work_lane_depth(lane, &waiting, &max);
	} while (waiting);
	for (size_t i = 1; i < ARRAY_LEN(s); i++)
		assert_int_equal(fiber_start(&g, "w", square_fiber, &s[i], NULL), 0);
	assert_int_equal(fiber_yield(NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(s); i++)
		busy += s[i].code == ERR_BUSY;
	fiber_group_join(&g);
	assert_int_equal(busy, 3);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(s[i].result, (i + 1) * (i + 1));
	/* Room again. */
	assert_int_equal(work_run(lane, square_work, &s[0], NULL), 1);
	work_lane_free(&lane);
	return 0;
}

static void a_full_lane_says_busy_at_once(void **state)
{
	run_uv(lane_full_main, NULL);
}

static FIBER int lane_parallel_main(void *arg)
{
	struct work_lane *lane = work_lane_new("wide", 3, 32);
	atomic_int running = 0, most = 0;
	struct square s[12];
	struct fiber_group g;

	fiber_group_init(&g);
	for (size_t i = 0; i < ARRAY_LEN(s); i++) {
		s[i] = (struct square){.lane = lane,
			.n = (int)i + 1,
			.hold_us = 10000,
			.running = &running,
			.most = &most};
		assert_int_equal(fiber_start(&g, "w", square_fiber, &s[i], NULL), 0);
	}
	assert_int_equal(fiber_yield(NULL), 0);
	/* Under way: neither cancelled nor forgotten. */
	fiber_group_cancel(&g);
	fiber_group_join(&g);
	for (size_t i = 0; i < ARRAY_LEN(s); i++)
		assert_int_equal(s[i].result, (i + 1) * (i + 1));
	assert_int_equal(most, 3);
	work_lane_free(&lane);
	return 0;
}

static void a_lane_works_with_all_its_threads(void **state)
{
	run_uv(lane_parallel_main, NULL);
}

static FIBER int cancelled_work_main(void *arg)
{
	struct work_lane *lane = work_lane_new("none", 1, 1);
	struct square s = {.lane = lane, .n = 3};
	struct fiber_group g;

	fiber_group_init(&g);
	fiber_group_cancel(&g);
	assert_int_equal(fiber_start(&g, "w", square_fiber, &s, NULL), 0);
	fiber_group_join(&g);
	assert_int_equal(s.code, ERR_CANCELLED);
	assert_int_equal(s.result, 0);
	work_lane_free(&lane);
	return 0;
}

static void a_cancelled_fiber_hands_nothing_over(void **state)
{
	run_uv(cancelled_work_main, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_answer_calls),
		cmocka_unit_test(an_answer_may_come_before_the_wait),
		cmocka_unit_test(posts_of_many_threads_arrive_once_and_in_order),
		cmocka_unit_test(work_brings_its_result_and_its_error),
		cmocka_unit_test(a_full_lane_says_busy_at_once),
		cmocka_unit_test(a_lane_works_with_all_its_threads),
		cmocka_unit_test(a_cancelled_fiber_hands_nothing_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
