#include "run_test.h"

#include <pthread.h>
#include <signal.h>

/* A trace of letters: the order in which things happened. */
struct story {
	char text[256];
	size_t len;
	struct fiber_group group;
	struct fiber *other;
};

static void tell(struct story *s, char c)
{
	MUST(s->len < sizeof(s->text) - 1);
	s->text[s->len++] = c;
}

struct teller {
	struct story *story;
	char letter;
	int64_t ns;
};

static FIBER int tell_after_sleep(void *arg)
{
	struct teller *t = arg;
	struct err e = {0};

	if (t->ns >= 0)
		assert_int_equal(fiber_sleep(t->ns, &e), 0);
	tell(t->story, t->letter);
	return 0;
}

/* ---- deadlines --------------------------------------------------------------------------- */

static FIBER int deadlines_main(void *arg)
{
	struct story *s = arg;
	struct teller t[] = {
		{s, 'c', 30 * CLOCK_MS},
		{s, 'a', 10 * CLOCK_MS},
		{s, '0', -1},
		{s, 'd', 31 * CLOCK_MS},
		{s, 'b', 20 * CLOCK_MS},
		{s, '1', 0},
	};

	fiber_group_init(&s->group);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(fiber_start(&s->group, "t", tell_after_sleep, &t[i], NULL), 0);
	fiber_group_join(&s->group);
	assert_int_equal(s->group.count, 0);
	return 0;
}

static void deadlines_pass_in_order(void **state)
{
	struct story sim = {{0}, 0}, uv = {{0}, 0};

	run_sim(deadlines_main, &sim);
	assert_string_equal(sim.text, "01abcd");
	run_uv(deadlines_main, &uv);
	assert_string_equal(uv.text, "01abcd");
}

static FIBER int moving_deadlines_main(void *arg)
{
	/* Later, earlier, later again: the heap node is left behind and caught up with. */
	static const int64_t waits_ms[] = {50, 10, 5, 100, 1, 3, 3, 70};
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(waits_ms); i++) {
		int64_t deadline_ns = loop_now_ns() + waits_ms[i] * CLOCK_MS;

		assert_int_equal(fiber_park(deadline_ns, &e), -1);
		assert_int_equal(e.code, ERR_TIMEOUT);
		assert_int_equal(loop_now_ns(), deadline_ns);
	}
	/* A deadline that has passed already. */
	assert_int_equal(fiber_park(loop_now_ns() - CLOCK_HOUR, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_int_equal(fiber_park(INT64_MIN, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	return 0;
}

static void deadlines_may_move_both_ways(void **state)
{
	run_sim(moving_deadlines_main, NULL);
}

static FIBER int wake_other(void *arg)
{
	struct story *s = arg;

	assert_int_equal(fiber_sleep(CLOCK_MS, NULL), 0);
	fiber_wake(s->other);
	return 0;
}

static FIBER int abandoned_deadline_main(void *arg)
{
	struct story s = {{0}, 0};
	int64_t before_ns = loop_now_ns();

	s.other = fiber_self();
	fiber_group_init(&s.group);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(fiber_start(&s.group, "waker", wake_other, &s, NULL), 0);
		/* A day that is not waited for leaves no trace in virtual time. */
		assert_int_equal(fiber_park(loop_now_ns() + CLOCK_DAY, NULL), 0);
	}
	fiber_group_join(&s.group);
	assert_int_equal(fiber_sleep(CLOCK_SEC, NULL), 0);
	assert_int_equal(loop_now_ns() - before_ns, CLOCK_SEC + 5 * CLOCK_MS);
	return 0;
}

static void a_wait_that_ended_early_leaves_no_time(void **state)
{
	run_sim(abandoned_deadline_main, NULL);
}

static FIBER int sleep_is_not_early_main(void *arg)
{
	for (int i = 0; i < 5; i++) {
		int64_t from_ns = clock_mono_ns();

		/* A long slice before must not shorten the wait. */
		while (clock_mono_ns() - from_ns < 2 * CLOCK_MS)
			;
		from_ns = clock_mono_ns();
		assert_int_equal(fiber_sleep(3 * CLOCK_MS, NULL), 0);
		assert_true(clock_mono_ns() - from_ns >= 3 * CLOCK_MS);
	}
	return 0;
}

static void sleep_is_never_early(void **state)
{
	run_uv(sleep_is_not_early_main, NULL);
}

/* ---- cancellation ------------------------------------------------------------------------ */

struct victim {
	struct fiber_group group, children;
	struct fiber_cond cond;
	struct fiber_chan chan;
	FIBER int (*wait)(struct victim *v, struct err *e);
	enum err_code code, again;
	bool is_over;
	int pipe[2];
	struct loop_io *io;
};

static FIBER int wait_park(struct victim *v, struct err *e)
{
	return fiber_park(CLOCK_NEVER, e);
}
static FIBER int wait_park_deadline(struct victim *v, struct err *e)
{
	return fiber_park(loop_now_ns() + CLOCK_HOUR, e);
}
static FIBER int wait_sleep(struct victim *v, struct err *e)
{
	return fiber_sleep(CLOCK_HOUR, e);
}
static FIBER int wait_yield(struct victim *v, struct err *e)
{
	int rc = 0;

	while (rc == 0)
		rc = fiber_yield(e);
	return rc;
}
static FIBER int wait_cond(struct victim *v, struct err *e)
{
	return fiber_cond_wait(&v->cond, CLOCK_NEVER, e);
}
static FIBER int wait_get(struct victim *v, struct err *e)
{
	void *item;

	return fiber_chan_get(&v->chan, &item, CLOCK_NEVER, e);
}
static FIBER int wait_put(struct victim *v, struct err *e)
{
	fiber_chan_try_put(&v->chan, v);
	return fiber_chan_put(&v->chan, v, CLOCK_NEVER, e);
}
static FIBER int sleep_long(void *arg)
{
	assert_int_equal(fiber_sleep(CLOCK_DAY, NULL), -1);
	return 0;
}
static FIBER int wait_group(struct victim *v, struct err *e)
{
	struct fiber_group children;
	int rc;

	fiber_group_init(&children);
	assert_int_equal(fiber_start(&children, "child", sleep_long, NULL, NULL), 0);
	rc = fiber_group_wait(&children, CLOCK_NEVER, e);
	/* A join is deaf: it lasts until the child has gone, though we are cancelled. */
	fiber_group_cancel(&children);
	fiber_group_join(&children);
	assert_int_equal(children.count, 0);
	return rc;
}
static FIBER int wait_io(struct victim *v, struct err *e)
{
	struct loop_io *io;
	int rc;

	io = loop_io_new(v->pipe[0], e);
	rc = loop_io_wait(io, LOOP_READ, loop_now_ns() + CLOCK_HOUR, e);
	loop_io_free(&io);
	assert_null(io);
	return rc;
}

static FIBER int victim_fiber(void *arg)
{
	struct victim *v = arg;
	struct err e = {0};

	assert_int_equal(v->wait(v, &e), -1);
	v->code = e.code;
	assert_true(fiber_is_cancelled(fiber_self()));
	/* Every later wait fails at once as well. */
	err_clear(&e);
	assert_int_equal(fiber_park(CLOCK_NEVER, &e), -1);
	v->again = e.code;
	v->is_over = true;
	return 0;
}

static FIBER int cancel_main(void *arg)
{
	struct victim *v = arg;

	for (int turns = 0; turns < 3; turns++) {
		/* turns 0: cancelled before its first run. */
		fiber_group_init(&v->group);
		fiber_cond_init(&v->cond);
		fiber_chan_init(&v->chan, 1);
		v->is_over = false;
		v->code = v->again = ERR_NONE;
		assert_int_equal(fiber_start(&v->group, "victim", victim_fiber, v, NULL), 0);
		for (int i = 0; i < turns; i++)
			assert_int_equal(fiber_yield(NULL), 0);
		assert_false(v->is_over);
		fiber_group_cancel(&v->group);
		assert_false(v->is_over);
		fiber_group_join(&v->group);
		assert_true(v->is_over);
		assert_int_equal(v->code, ERR_CANCELLED);
		assert_int_equal(v->again, ERR_CANCELLED);
		fiber_chan_fini(&v->chan);
	}
	return 0;
}

static void every_wait_can_be_cancelled(void **state)
{
	static const struct {
		const char *name;
		FIBER int (*wait)(struct victim *v, struct err *e);
		bool needs_uv;
	} cases[] = {
		{"park", wait_park, false},
		{"park with a deadline", wait_park_deadline, false},
		{"sleep", wait_sleep, false},
		{"yield", wait_yield, false},
		{"cond", wait_cond, false},
		{"chan get", wait_get, false},
		{"chan put", wait_put, false},
		{"group wait", wait_group, false},
		{"descriptor", wait_io, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct victim v = {.wait = cases[i].wait};

		print_message("# %s\n", cases[i].name);
		assert_int_equal(pipe(v.pipe), 0);
		if (!cases[i].needs_uv)
			run_sim(cancel_main, &v);
		run_uv(cancel_main, &v);
		close(v.pipe[0]);
		close(v.pipe[1]);
	}
}

static FIBER int note_cancelled(void *arg)
{
	struct err e = {0};

	assert_int_equal(fiber_park(CLOCK_NEVER, &e), -1);
	*(enum err_code *)arg = e.code;
	return 0;
}

static FIBER int cancelled_group_main(void *arg)
{
	enum err_code code = ERR_NONE;
	struct fiber_group g;

	fiber_group_init(&g);
	fiber_group_cancel(&g);
	assert_int_equal(fiber_start(&g, "late", note_cancelled, &code, NULL), 0);
	fiber_group_join(&g);
	assert_int_equal(code, ERR_CANCELLED);
	return 0;
}

static void a_fiber_born_in_a_cancelled_group_runs_and_fails(void **state)
{
	run_sim(cancelled_group_main, NULL);
}

/* ---- groups ------------------------------------------------------------------------------ */

static FIBER int spawn_tree(void *arg)
{
	struct story *s = arg;
	struct fiber_group g;
	struct teller t[] = {{s, 'x', CLOCK_MS}, {s, 'y', 2 * CLOCK_MS}};

	fiber_group_init(&g);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(fiber_start(&g, "leaf", tell_after_sleep, &t[i], NULL), 0);
	fiber_group_join(&g);
	tell(s, 'p');
	return 0;
}

static FIBER int group_tree_main(void *arg)
{
	struct story *s = arg;
	struct err e = {0};

	fiber_group_init(&s->group);
	fiber_group_join(&s->group); /* an empty group is joined already */
	assert_int_equal(fiber_group_wait(&s->group, 0, &e), 0);
	assert_int_equal(fiber_start(&s->group, "tree", spawn_tree, s, NULL), 0);
	assert_int_equal(fiber_group_wait(&s->group, loop_now_ns() + CLOCK_US, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	tell(s, 't');
	assert_int_equal(fiber_group_wait(&s->group, loop_now_ns() + CLOCK_SEC, &e), 0);
	tell(s, 'm');
	return 0;
}

static void a_parent_outlives_its_children(void **state)
{
	struct story s = {{0}, 0};

	run_sim(group_tree_main, &s);
	assert_string_equal(s.text, "txypm");
}

/* ---- many -------------------------------------------------------------------------------- */

struct crowd {
	struct fiber_cond go;
	size_t waiting, gone;
};

static FIBER int wait_in_crowd(void *arg)
{
	struct crowd *c = arg;

	c->waiting++;
	assert_int_equal(fiber_cond_wait(&c->go, loop_now_ns() + CLOCK_HOUR, NULL), 0);
	c->gone++;
	return 0;
}

static FIBER int crowd_main(void *arg)
{
	/* ThreadSanitizer has room for 8,000. */
	size_t many = IS_TSAN ? 1000 : 10000;
	struct fiber_group g;
	struct crowd c = {.waiting = 0};

	fiber_group_init(&g);
	fiber_cond_init(&c.go);
	for (size_t i = 0; i < many; i++)
		assert_int_equal(fiber_start(&g, "one", wait_in_crowd, &c, NULL), 0);
	while (c.waiting < many)
		assert_int_equal(fiber_yield(NULL), 0);
	fiber_cond_broadcast(&c.go);
	fiber_group_join(&g);
	assert_int_equal(c.gone, many);
	return 0;
}

static void ten_thousand_fibers_park(void **state)
{
	run_uv(crowd_main, NULL);
	run_sim(crowd_main, NULL);
}

static FIBER int nothing(void *arg)
{
	(*(size_t *)arg)++;
	return 0;
}

static FIBER int churn_main(void *arg)
{
	size_t ran = 0;

	for (int i = 0; i < 3000; i++) {
		struct fiber_group g;

		fiber_group_init(&g);
		assert_int_equal(fiber_start(&g, "a", nothing, &ran, NULL), 0);
		assert_int_equal(fiber_start(&g, "b", nothing, &ran, NULL), 0);
		fiber_group_join(&g);
	}
	assert_int_equal(ran, 6000);
	return 0;
}

static void stacks_are_used_again(void **state)
{
	run_sim(churn_main, NULL);
}

#if !IS_TSAN /* it has room for 8,000 fibers, fewer than are allowed */
struct limit {
	size_t started;
	enum err_code code;
};

static FIBER int stack_limit_main(void *arg)
{
	struct limit *n = arg;
	struct fiber_group g;
	struct err e = {0};

	fiber_group_init(&g);
	while (n->started <= FIBER_STACKS_MAX && fiber_start(&g, "n", sleep_long, NULL, &e) == 0)
		n->started++;
	n->code = e.code;
	fiber_group_cancel(&g);
	fiber_group_join(&g);
	return 0;
}

static void too_many_fibers_are_refused(void **state)
{
	struct limit n = {0};

	run_sim(stack_limit_main, &n);
	assert_int_equal(n.code, ERR_LIMIT);
	/* Main has a stack too. */
	assert_int_equal(n.started, FIBER_STACKS_MAX - 1);
}
#endif

/* ---- stacks ------------------------------------------------------------------------------ */

static __attribute__((noinline)) int dive(volatile char *above, int depth)
{
	volatile char frame[1024];

	frame[0] = (char)depth;
	frame[1023] = above ? above[0] : 0;
	return depth > 0 ? dive(frame, depth - 1) + frame[0] : frame[1023];
}

static FIBER int overflow_fiber(void *arg)
{
	return dive(NULL, 1000);
}

static void die_of_overflow(void *arg)
{
	/* A sanitizer would catch it and explain. */
	signal(SIGSEGV, SIG_DFL);
	run_uv(overflow_fiber, NULL);
}

static void a_stack_that_overflows_hits_the_guard(void **state)
{
	char said[1024];
	int status = run_child(die_of_overflow, NULL, said, sizeof(said));

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
}

static FIBER int deep_then_idle(void *arg)
{
	dive(NULL, 24);
	assert_int_equal(fiber_sleep(2500 * CLOCK_MS, NULL), 0);
	/* What was given back can be used again. */
	dive(NULL, 24);
	return 0;
}

struct stacks {
	size_t used, count;
};

static void add_stack(const struct fiber_info *info, void *arg)
{
	struct stacks *s = arg;

	if (strcmp(info->name, "deep") != 0)
		return;
	assert_true(info->switches >= 1);
	assert_true(info->longest_slice_ns > 0);
	assert_true(info->stack_used >= 4096 && info->stack_used <= FIBER_STACK_BYTES);
	s->used += info->stack_used;
	s->count++;
}

static size_t resident_kib(void)
{
	size_t pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*u %zu", &pages), 1);
	fclose(f);
	return pages * 4;
}

static FIBER int trim_main(void *arg)
{
	enum { MANY = 600 };
	size_t before_kib, deep_kib, idle_kib;
	struct stacks s = {0, 0};
	struct fiber_group g;

	fiber_group_init(&g);
	before_kib = resident_kib();
	for (int i = 0; i < MANY; i++)
		assert_int_equal(fiber_start(&g, "deep", deep_then_idle, NULL, NULL), 0);
	assert_int_equal(fiber_sleep(300 * CLOCK_MS, NULL), 0);
	deep_kib = resident_kib() - before_kib;
	assert_int_equal(fiber_sleep(1700 * CLOCK_MS, NULL), 0);
	idle_kib = resident_kib() - before_kib;
	print_message(
		"# %d fibers 25 KiB deep: %zu KiB, idle: %zu KiB\n", MANY, deep_kib, idle_kib);
	fiber_each(add_stack, &s);
	assert_int_equal(s.count, MANY);
	/* The peak is remembered though the pages are gone. */
	assert_true(s.used / MANY >= 24 * 1024);
	/* The sanitizers' shadows stay, so that only the stacks' own pages can be counted on. */
	assert_true(deep_kib >= MANY * 24);
	assert_true(idle_kib + MANY * 20 <= deep_kib);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(idle_kib <= MANY * 4 + 512);
#endif
	fiber_group_join(&g);
	return 0;
}

static void idle_stacks_give_their_pages_back(void **state)
{
	run_uv(trim_main, NULL);
}

/* ---- switching --------------------------------------------------------------------------- */

static FIBER int yield_many(void *arg)
{
	for (int i = 0; i < 20000; i++)
		assert_int_equal(fiber_yield(NULL), 0);
	return 0;
}

static FIBER int cost_main(void *arg)
{
	struct fiber_group g;
	int64_t from_ns = clock_mono_ns();

	fiber_group_init(&g);
	for (int i = 0; i < 5; i++)
		assert_int_equal(fiber_start(&g, "y", yield_many, NULL, NULL), 0);
	fiber_group_join(&g);
	print_message("# a yield and a resume: %lld ns\n",
		(long long)((clock_mono_ns() - from_ns) / 100000));
	return 0;
}

static void switching_cost_is_printed(void **state)
{
	run_sim(cost_main, NULL);
}

static FIBER int names_main(void *arg)
{
	char longer[FIBER_NAME_MAX + 10];

	assert_string_equal(fiber_name(fiber_self()), "main");
	memset(longer, 'n', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	fiber_set_name(fiber_self(), longer);
	assert_int_equal(strlen(fiber_name(fiber_self())), FIBER_NAME_MAX - 1);
	fiber_set_name(fiber_self(), "short");
	assert_string_equal(fiber_name(fiber_self()), "short");
	return 0;
}

static void names_are_cut(void **state)
{
	assert_null(fiber_self());
	run_sim(names_main, NULL);
}

/* ---- misuse dies ------------------------------------------------------------------------- */

static FIBER int yield_in_quiet(void *arg)
{
	fiber_quiet_begin();
	fiber_quiet_begin();
	fiber_quiet_end();
	fiber_yield(NULL);
	return 0;
}
static FIBER int park_in_quiet(void *arg)
{
	fiber_quiet_begin();
	fiber_park(0, NULL);
	return 0;
}
static FIBER int return_in_quiet(void *arg)
{
	fiber_quiet_begin();
	return 0;
}
static FIBER int leave_a_child(void *arg)
{
	fiber_group_init(arg);
	fiber_start(arg, "orphan", sleep_long, NULL, NULL);
	return 0;
}
static FIBER int wait_for_nothing(void *arg)
{
	fiber_set_name(fiber_self(), "lonely");
	fiber_park(CLOCK_NEVER, NULL);
	return 0;
}

static void die_in_sim(void *arg)
{
	run_sim((int (*)(void *))arg, NULL);
}
static void die_with_group(void *arg)
{
	struct fiber_group g;

	run_sim(leave_a_child, &g);
}
static void die_outside(void *arg)
{
	fiber_park(0, NULL);
}

static void *wake_thread(void *arg)
{
	fiber_wake(arg);
	return NULL;
}
static FIBER int wake_from_elsewhere(void *arg)
{
	pthread_t thread;

	pthread_create(&thread, NULL, wake_thread, fiber_self());
	return fiber_park(loop_now_ns() + CLOCK_SEC, NULL);
}
static void die_in_uv(void *arg)
{
	run_uv((int (*)(void *))arg, NULL);
}

static void misuse_ends_the_process(void **state)
{
	const struct {
		void (*die)(void *arg);
		void *arg;
		const char *says;
	} cases[] = {
		{die_in_sim, (void *)yield_in_quiet, "quiet"},
		{die_in_sim, (void *)park_in_quiet, "quiet"},
		{die_in_sim, (void *)return_in_quiet, "quiet"},
		{die_with_group, NULL,
			"sim: main has returned and leaves fibers behind: fibers 'orphan'"},
		{die_in_sim, (void *)wait_for_nothing,
			"sim: deadlock, nothing will ever wake: fibers 'lonely' parked for 0 ms"},
		{die_in_uv, (void *)wake_from_elsewhere, "f->loop == loop_current()"},
		{die_outside, NULL, "only a fiber can wait"},
	};
	char said[1024];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int status = run_child(cases[i].die, cases[i].arg, said, sizeof(said));

		print_message("# %s", said);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
		assert_non_null(strstr(said, cases[i].says));
	}
}

static FIBER int quiet_main(void *arg)
{
	fiber_quiet_begin();
	fiber_quiet_begin();
	fiber_quiet_end();
	fiber_quiet_end();
	assert_int_equal(fiber_yield(NULL), 0);
	return 0;
}

static void quiet_nests_and_ends(void **state)
{
	run_sim(quiet_main, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deadlines_pass_in_order),
		cmocka_unit_test(deadlines_may_move_both_ways),
		cmocka_unit_test(a_wait_that_ended_early_leaves_no_time),
		cmocka_unit_test(sleep_is_never_early),
		cmocka_unit_test(every_wait_can_be_cancelled),
		cmocka_unit_test(a_fiber_born_in_a_cancelled_group_runs_and_fails),
		cmocka_unit_test(a_parent_outlives_its_children),
		cmocka_unit_test(ten_thousand_fibers_park),
		cmocka_unit_test(stacks_are_used_again),
#if !IS_TSAN
		cmocka_unit_test(too_many_fibers_are_refused),
#endif
		cmocka_unit_test(a_stack_that_overflows_hits_the_guard),
		cmocka_unit_test(idle_stacks_give_their_pages_back),
		cmocka_unit_test(switching_cost_is_printed),
		cmocka_unit_test(names_are_cut),
		cmocka_unit_test(misuse_ends_the_process),
		cmocka_unit_test(quiet_nests_and_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
