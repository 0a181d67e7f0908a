/* Loops on several threads log people in while passwords change: cache, guard and books are shared. Runs
 * under the thread sanitizer too (tools/test, threads). */
#include "auth_stage.h"

#include <semaphore.h>

#include "store/store_limits.h"

#define LOOPS    3
#define ACCOUNTS 6
#define CHANGES  24
#define SESSIONS 8 /* of each loop: idle, in its book */

struct person {
	uint64_t id;
	char *address;
	/* Password n is "wonder n". It is good from when `done` is n until `begun` is n + 1. */
	_Atomic unsigned begun, done;
};

struct shared {
	struct stage *stage;
	struct person people[ACCOUNTS];
	atomic_bool is_over;
	atomic_uint right, old, seated, ended, still;
	struct auth_counters counters;
};

struct worker {
	struct shared *shared;
	unsigned index;
	pthread_t thread;
	struct stream *near, *far;
	struct auth_book *book;
};

struct session {
	struct worker *worker;
	struct person *person;
};

static __attribute__((noinline)) FIBER unsigned log_in(
	struct worker *w, struct auth_conn *c, const struct person *p, unsigned version)
{
	struct stage_login l = {.mech = loop_random() % 4 ? "PLAIN" : "SCRAM-SHA-256",
		.user = p->address,
		.binding = NULL};
	struct arena *a = arena_new();
	struct err e = {0};
	unsigned code;

	l.password = arena_printf(a, "wonder %u", version);
	auth_conn_init(c, w->shared->stage->auth, ACCOUNT_SCOPE_SUBMIT, w->near);
	code = stage_sasl(c, &l, &e);
	arena_free(&a);
	return code;
}

static FIBER void attempt(struct worker *w)
{
	struct shared *sh = w->shared;
	struct person *p = &sh->people[loop_random() % ACCOUNTS];
	bool is_old = loop_random() % 4 == 0;
	unsigned version = atomic_load(&p->done);
	struct auth_conn c;
	unsigned code;

	if (is_old && version == 0)
		return;
	code = log_in(w, &c, p, is_old ? version - 1 : version);
	auth_conn_fini(&c);
	/* What was replaced before we began is over for ever. */
	if (is_old)
		assert_int_equal(code, 535);
	/* What was good all the time lets in. */
	else if (atomic_load(&p->begun) == version)
		assert_int_equal(code, 235);
	atomic_fetch_add(is_old ? &sh->old : &sh->right, 1);
}

static FIBER int session_main(void *arg)
{
	struct session *s = arg;
	struct worker *w = s->worker;
	struct auth_mark mark = {0};
	struct auth_conn c;
	struct err e = {0};

	if (log_in(w, &c, s->person, atomic_load(&s->person->done)) == 235) {
		auth_book_add(w->book, &mark, &c);
		atomic_fetch_add(&w->shared->seated, 1);
		while (fiber_park(CLOCK_NEVER, &e) == 0)
			;
		auth_book_remove(w->book, &mark);
		atomic_fetch_add(mark.is_ended ? &w->shared->ended : &w->shared->still, 1);
	}
	auth_conn_fini(&c);
	return 0;
}

static FIBER int worker_main(void *arg)
{
	struct worker *w = arg;
	struct fiber_group book, sessions;
	struct session list[SESSIONS];

	stream_pair(&w->near, &w->far, 0);
	assert_true(addr_parse_ip(SPAN("192.0.2.7"), 1234, &w->near->peer));
	w->book = auth_book_new(w->shared->stage->auth);
	fiber_group_init(&book);
	fiber_group_init(&sessions);
	fiber_start(&book, "book", auth_book_main, w->book, NULL);
	for (unsigned i = 0; i < SESSIONS; i++) {
		list[i] = (struct session){w, &w->shared->people[(w->index + i) % ACCOUNTS]};
		fiber_start(&sessions, "session", session_main, &list[i], NULL);
	}
	while (!atomic_load(&w->shared->is_over)) {
		attempt(w);
		fiber_yield(NULL);
	}
	/* The last notice arrives. */
	fiber_sleep(50 * CLOCK_MS, NULL);
	fiber_group_cancel(&sessions);
	fiber_group_join(&sessions);
	fiber_group_cancel(&book);
	fiber_group_join(&book);
	auth_book_free(&w->book);
	stream_free(&w->near);
	stream_free(&w->far);
	return 0;
}

static void *thread_main(void *arg)
{
	const struct loop_opts opts = {.name = "worker"};
	struct loop *l = loop_new_uv(&opts, NULL);

	assert_non_null(l);
	assert_int_equal(loop_run(l, worker_main, arg, NULL), 0);
	loop_free(&l);
	return NULL;
}

static FIBER void begin_people(struct shared *sh)
{
	struct stage *s = sh->stage;
	struct guard_limits l;

	guard_limits_default(&l);
	l.account_failures = l.network_failures = 1000000;
	guard_limits_set(s->guard, &l, NULL, 0);
	stage_people(s);
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		struct person *p = &sh->people[i];

		p->address = arena_printf(s->a, "user%u@our.example", i);
		p->id = stage_account(s, p->address, "");
		stage_password(s, p->id, "wonder 0");
	}
}

static FIBER int threads_main(void *arg)
{
	struct stage *s = arg;
	struct shared *sh = ARENA_NEW(s->a, struct shared);
	struct worker workers[LOOPS];
	char text[16];

	sh->stage = s;
	begin_people(sh);
	for (unsigned i = 0; i < LOOPS; i++) {
		workers[i] = (struct worker){.shared = sh, .index = i};
		assert_int_equal(
			pthread_create(&workers[i].thread, NULL, thread_main, &workers[i]), 0);
	}
	while (atomic_load(&sh->seated) < LOOPS * SESSIONS)
		fiber_sleep(5 * CLOCK_MS, NULL);
	/* Everybody but the last gets new passwords. */
	for (unsigned i = 0; i < CHANGES; i++) {
		struct person *p = &sh->people[i % (ACCOUNTS - 1)];
		unsigned version = atomic_fetch_add(&p->begun, 1) + 1;

		snprintf(text, sizeof(text), "wonder %u", version);
		stage_password(s, p->id, text);
		atomic_store(&p->done, version);
		fiber_sleep(5 * CLOCK_MS, NULL);
	}
	atomic_store(&sh->is_over, true);
	for (unsigned i = 0; i < LOOPS; i++)
		pthread_join(workers[i].thread, NULL);
	auth_counters(s->auth, &sh->counters);
	assert_true(atomic_load(&sh->right) > 0 && atomic_load(&sh->old) > 0);
	assert_true(sh->counters.cached > 0 && sh->counters.derived > 0);
	/* Of each loop's sessions only those of the last person go on. */
	for (unsigned i = 0, last = 0; i < LOOPS; i++) {
		for (unsigned j = 0; j < SESSIONS; j++)
			last += (i + j) % ACCOUNTS == ACCOUNTS - 1;
		if (i == LOOPS - 1)
			assert_int_equal(atomic_load(&sh->still), last);
	}
	assert_int_equal(atomic_load(&sh->ended) + atomic_load(&sh->still), LOOPS * SESSIONS);
	stage_streams_free(s);
	return 0;
}

static void stage_real(int (*fn)(void *arg))
{
	struct stage s = {0};
	struct err e = {0};

	stage_begin(&s, false, false, true);
	if (loop_run(s.loop, fn, &s, &e) < 0)
		fail_msg("the fiber failed: %s", e.text);
	stage_end(&s);
}

static void loops_log_in_while_passwords_change(void **state)
{
	(void)state;
	stage_real(threads_main);
}

/* ---- the queue of the hash lane ---- */

static sem_t gate;

static int wait_at_the_gate(void *arg, struct err *e)
{
	(void)arg;
	(void)e;
	sem_wait(&gate);
	return 0;
}

static FIBER int occupy(void *arg)
{
	struct stage *s = arg;

	verifier_run(s->store, wait_at_the_gate, NULL, NULL);
	return 0;
}

static FIBER int full_main(void *arg)
{
	enum { JOBS = STORE_HASH_QUEUE_MAX + STORE_HASH_THREADS_MAX };
	struct stage *s = arg;
	struct fiber_group g;

	stage_people(s);
	assert_int_equal(stage_plain(s, "alice", "wonder"), 235);
	uint64_t before = stage_derived(s);

	sem_init(&gate, 0, 0);
	fiber_group_init(&g);
	for (unsigned i = 0; i < JOBS; i++) {
		assert_int_equal(fiber_start(&g, "job", occupy, s, NULL), 0);
		/* All threads are busy, then the queue fills. */
		if (i + 1 == STORE_HASH_THREADS_MAX || i + 1 == JOBS)
			fiber_sleep(50 * CLOCK_MS, NULL);
	}
	/* Who is remembered gets in; others come again, whoever they are. */
	assert_int_equal(stage_plain(s, "alice", "wonder"), 235);
	assert_int_equal(stage_plain(s, "bob", "wonder"), 454);
	assert_int_equal(stage_plain(s, "bob", "wrong"), 454);
	assert_int_equal(stage_plain(s, "nobody", "wrong"), 454);
	assert_int_equal(stage_derived(s), before);
	for (unsigned i = 0; i < JOBS; i++)
		sem_post(&gate);
	fiber_group_join(&g);
	assert_int_equal(stage_plain(s, "bob", "wonder"), 235);
	sem_destroy(&gate);
	stage_streams_free(s);
	return 0;
}

static void a_full_queue_is_told(void **state)
{
	(void)state;
	stage_real(full_main);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loops_log_in_while_passwords_change),
		cmocka_unit_test(a_full_queue_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
