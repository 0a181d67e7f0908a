#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/must.h"
#include "store/db/db.h"
#include "store/store_priv.h"
#include "store_fixture.h"

DB_SQL(sql_put, "INSERT INTO setting (name, value) VALUES ($1, $2)");
DB_SQL(sql_find, "SELECT value FROM setting WHERE name = $1");

struct put {
	struct span name;
	bool is_failing_before, is_failing_after;
	int runs;
};

static int put_closure(struct db *db, void *arg, struct err *e)
{
	struct put *p = arg;

	p->runs++;
	if (p->is_failing_before)
		return err_set(e, ERR_NOT_FOUND, "before");
	store_count(db, STORE_COUNT_MESSAGES, 1);
	if (db_run(db, e, &sql_put, "tt", p->name, SPAN("v")) < 0)
		return -1;
	return p->is_failing_after ? err_set(e, ERR_STATE, "after") : 0;
}

static int find_closure(struct db *db, void *arg, struct err *e)
{
	struct put *p = arg;
	bool is_found;

	if (db_get(db, e, NULL, &sql_find, &is_found, "t", p->name) < 0)
		return -1;
	return is_found ? 0 : err_set(e, ERR_NOT_FOUND, "no such setting");
}

static void what_was_written_is_read_again_after_reopening(void **state)
{
	struct fixture *f = *state;
	struct put p = {.name = SPAN("a")}, absent = {.name = SPAN("b")};
	struct err e = {0};

	assert_int_equal(store_write_blocking(f->s, "put", put_closure, &p, &e), 0);
	assert_int_equal(store_read_blocking(f->s, "find", find_closure, &p, &e), 0);
	assert_int_equal(store_read_blocking(f->s, "find", find_closure, &absent, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	fixture_reopen(f);
	assert_int_equal(store_read_blocking(f->s, "find", find_closure, &p, &e), 0);
	assert_int_equal(fixture_number(f, "SELECT value FROM counter WHERE id = 1"), 1);
}

static int write_on_reader(struct db *db, void *arg, struct err *e)
{
	return db_run(db, e, &sql_put, "tt", SPAN("x"), SPAN("y"));
}

static void a_reader_cannot_write(void **state)
{
	struct fixture *f = *state;
	struct err e = {0};

	assert_int_equal(store_read_blocking(f->s, "write", write_on_reader, NULL, &e), -1);
	assert_int_equal(e.code, ERR_IO);
}

static void the_directory_is_private_and_locked(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = {.dir = f->dir};
	struct err e = {0};
	struct stat st;
	char want[64];

	assert_null(store_open(&opts, &e));
	assert_int_equal(e.code, ERR_BUSY);
	snprintf(want, sizeof(want), "held by pid %d", (int)getpid());
	if (!strstr(e.text, want))
		fail_msg("%s", e.text);
	assert_int_equal(stat(arena_printf(f->a, "%s/yizhan.db", f->dir), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	opts.dir = arena_printf(f->a, "%s/new", f->dir);
	struct store *other = store_open(&opts, &e);

	assert_non_null(other);
	assert_int_equal(stat(opts.dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	store_close(&other);
}

/* Closures that wait together: fibers that all start before the writer answers one. */
#define TOGETHER 40

struct together {
	struct fixture *f;
	struct put puts[TOGETHER];
	char names[TOGETHER][8];
	struct err errs[TOGETHER];
	int results[TOGETHER];
	size_t next;
	atomic_bool are_all_there;
};

/* Keeps the writer busy until all have come. */
static int hold_writer(struct db *db, void *arg, struct err *e)
{
	struct together *t = arg;

	while (!atomic_load(&t->are_all_there))
		usleep(100);
	return 0;
}

static int together_last(void *arg)
{
	struct together *t = arg;

	MUST(t->next == TOGETHER);
	atomic_store(&t->are_all_there, true);
	return 0;
}

static int together_one(void *arg)
{
	struct together *t = arg;
	size_t i = t->next++;

	t->results[i] = store_write(t->f->s, "together", put_closure, &t->puts[i], &t->errs[i]);
	return 0;
}

static int together_main(void *arg)
{
	struct together *t = arg;
	struct fiber_group g;

	fiber_group_init(&g);
	store_write_later(t->f->s, "hold", hold_writer, t, NULL);
	for (size_t i = 0; i < TOGETHER; i++)
		MUST(fiber_start(&g, "one", together_one, t, NULL) == 0);
	MUST(fiber_start(&g, "last", together_last, t, NULL) == 0);
	fiber_group_join(&g);
	return 0;
}

static void closures_that_fail_do_so_alone(void **state)
{
	struct fixture *f = *state;
	struct together *t = ARENA_NEW(f->a, struct together);
	size_t good = 0, groups;

	t->f = f;
	for (size_t i = 0; i < TOGETHER; i++) {
		snprintf(t->names[i], sizeof(t->names[i]), "n%zu", i / 2 * 2 + (i % 8 != 7));
		t->puts[i].name = span_str(t->names[i]);
		t->puts[i].is_failing_before = i % 5 == 1;
		t->puts[i].is_failing_after = i % 7 == 2;
	}
	fixture_run(f, together_main, t);
	for (size_t i = 0; i < TOGETHER; i++) {
		const struct put *p = &t->puts[i];

		if (p->is_failing_before) {
			assert_int_equal(t->results[i], -1);
			assert_int_equal(t->errs[i].code, ERR_NOT_FOUND);
		} else if (t->results[i] < 0) {
			assert_true(t->errs[i].code == ERR_EXISTS ||
				(p->is_failing_after && t->errs[i].code == ERR_STATE));
		} else {
			assert_false(p->is_failing_after);
			good++;
			assert_int_equal(
				store_read_blocking(f->s, "f", find_closure, (void *)p, NULL), 0);
		}
	}
	assert_true(good > 5 && good < TOGETHER - 10);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM setting"), good);
	assert_int_equal(fixture_number(f, "SELECT value FROM counter WHERE id = 1"), good);
	/* the sweep at start may have been one, the held writer is one or in the last one */
	groups = atomic_load(&f->s->commits);
	assert_in_range(groups, 1, 3);
}

static void ids_grow_and_survive_a_clock_that_went_back(void **state)
{
	struct fixture *f = *state;
	uint64_t first = store_new_id(f->s), last = first, high;
	struct put p = {.name = SPAN("a")};

	for (int i = 0; i < 1000; i++) {
		uint64_t id = store_new_id(f->s);

		assert_true(id > last);
		last = id;
	}
	high = store_new_ids(f->s, 100);
	assert_true(store_new_id(f->s) >= high + 100);
	/* ids of a clock a day ahead, made durable, then the clock is right again */
	atomic_store(&f->s->last_id, last + ((uint64_t)86400000 << 22));
	last = store_new_id(f->s);
	assert_int_equal(store_write_blocking(f->s, "put", put_closure, &p, NULL), 0);
	fixture_reopen(f);
	assert_true(store_new_id(f->s) > last);
}

static void count_up(void *arg)
{
	++*(int *)arg;
}

static int change_closure(struct db *db, void *arg, struct err *e)
{
	const struct put *p = arg;

	store_changed(db, STORE_DIRECTORY);
	return p->is_failing_after ? err_set(e, ERR_STATE, "no") : 0;
}

static void the_feed_tells_of_committed_changes_only(void **state)
{
	struct fixture *f = *state;
	struct put good = {0}, bad = {.is_failing_after = true};
	int directory = 0, queue = 0;
	uint64_t generation = store_directory_generation(f->s);

	store_subscribe(f->s, STORE_DIRECTORY, count_up, &directory);
	store_subscribe(f->s, STORE_QUEUE, count_up, &queue);
	store_write_blocking(f->s, "bad", change_closure, &bad, NULL);
	assert_int_equal(store_directory_generation(f->s), generation);
	store_write_blocking(f->s, "good", change_closure, &good, NULL);
	assert_int_equal(store_directory_generation(f->s), generation + 1);
	store_close(&f->s); /* the writer has told by then */
	assert_int_equal(directory, 1);
	assert_int_equal(queue, 0);
	fixture_reopen(f);
}

static int big_closure(struct db *db, void *arg, struct err *e)
{
	static const char filler[4096] = "x";
	char name[32];

	for (int i = 0; i < 200; i++) {
		snprintf(name, sizeof(name), "%d-%d", *(int *)arg, i);
		if (db_run(db, e, &sql_put, "tt", span_str(name), span_of(filler, 4096)) < 0)
			return -1;
	}
	return 0;
}

static int read_for_a_while(struct db *db, void *arg, struct err *e)
{
	struct put p = {.name = SPAN("0-0")};

	find_closure(db, &p, e);
	usleep(10000);
	return find_closure(db, &p, e);
}

#define SLOW_READERS 50

struct slow_readers {
	struct fixture *f;
	atomic_bool is_over;
	_Atomic uint64_t reads;
};

static void *read_all_the_time(void *arg)
{
	struct slow_readers *slow = arg;

	while (!atomic_load(&slow->is_over)) {
		store_read_blocking(slow->f->s, "slow", read_for_a_while, NULL, NULL);
		atomic_fetch_add(&slow->reads, 1);
	}
	return NULL;
}

/* 100 MB and more through the log while 50 readers stand in line for the connections, and each holds its
 * snapshot for 10 ms: there is no moment without one, but for the gate. */
static void the_log_stays_short_under_slow_readers(void **state)
{
	struct fixture *f = *state;
	struct slow_readers slow = {.f = f};
	uint64_t longest = 0, shortest = UINT64_MAX;
	pthread_t threads[SLOW_READERS];
	int writes = 0;

	for (int i = 0; i < SLOW_READERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, &slow), 0);
	for (; writes < 120 || (shortest > f->s->wal_start / 2 && writes < 600); writes++) {
		uint64_t wal;

		assert_int_equal(store_write_blocking(f->s, "big", big_closure, &writes, NULL), 0);
		wal = atomic_load(&f->s->wal_bytes);
		longest = wal > longest ? wal : longest;
		if (longest > f->s->wal_start && wal < shortest)
			shortest = wal;
	}
	atomic_store(&slow.is_over, true);
	for (int i = 0; i < SLOW_READERS; i++)
		pthread_join(threads[i], NULL);
	assert_true(atomic_load(&slow.reads) > SLOW_READERS);
	assert_true(longest > f->s->wal_start);
	assert_true(longest < 2 * STORE_WAL_MAX);
	assert_true(shortest < f->s->wal_start / 2);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM setting"), writes * 200);
}

static void a_store_of_a_newer_version_is_refused(void **state)
{
	struct fixture *f = *state;
	struct store_opts opts = {.dir = f->dir};
	struct err e = {0};

	store_close(&f->s);
	fixture_text(f, "UPDATE schema_version SET version = version + 9999");
	assert_null(store_open(&opts, &e));
	assert_int_equal(e.code, ERR_VERSION);
	fixture_text(f, "UPDATE schema_version SET version = version - 9999");
	fixture_reopen(f);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(what_was_written_is_read_again_after_reopening),
		CASE(a_reader_cannot_write),
		CASE(the_directory_is_private_and_locked),
		CASE(closures_that_fail_do_so_alone),
		CASE(ids_grow_and_survive_a_clock_that_went_back),
		CASE(the_feed_tells_of_committed_changes_only),
		CASE(the_log_stays_short_under_slow_readers),
		CASE(a_store_of_a_newer_version_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
