/* Power cuts and failing disks. A story of accepts, deliveries, results and expunges runs on fibers
 * and writes down what it was told; the power goes at each sync in turn; after the reboot the store
 * must hold all that was promised, once, and be sound.
 *
 * YIZHAN_CRASH_ROUNDS=N runs N random cuts, and every sync and write instead of some (make
 * test-long). */

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/must.h"
#include "powercut_vfs.h"
#include "store/blob.h"
#include "store/mailbox.h"
#include "store/spool_priv.h"
#include "store_fixture.h"

#define LETTERS   24
#define FIBERS    4
#define RCPTS     3
#define MANY      (SPOOL_LOCAL_NOW + 10)
#define SMALL_WAL (192 * 1024) /* checkpoints happen within the story */

enum promise { PROMISE_NONE, PROMISE_ASKED, PROMISE_KEPT, PROMISE_REFUSED };

struct told_rcpt {
	uint64_t id;
	bool is_local;
	enum promise settled;
	enum spool_outcome outcome;
};

struct told { /* one letter */
	struct told_rcpt *rcpts;
	size_t count;
	enum promise accepted;
};

struct story {
	struct fixture *f;
	uint64_t accounts[2];
	struct told letters[LETTERS];
	size_t next;
	uint64_t seed;
	enum promise expunged;
	bool is_fault_only; /* a failing disk, no cut: errors have to be exact */
	struct err strange; /* an error of the wrong kind */
};

static uint64_t roll(struct story *st, uint64_t sides)
{
	st->seed = st->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (st->seed >> 33) % sides;
}

/* Every failure in this file is the disk's. */
static void judge(struct story *st, const struct err *e)
{
	if (e->code != ERR_FULL && e->code != ERR_IO && !st->strange.code)
		st->strange = *e;
}

/* ---- the story ---- */

static void make_rcpts(struct story *st, struct told *t, struct spool_rcpt_new *rcpts, size_t count)
{
	t->count = count;
	t->rcpts = mem_alloc(count * sizeof(*t->rcpts));
	for (size_t i = 0; i < count; i++) {
		bool is_local = count > RCPTS || roll(st, 2);

		t->rcpts[i].is_local = is_local;
		rcpts[i] = (struct spool_rcpt_new){.address = SPAN("x@y.test"),
			.is_local = is_local,
			.account_id = st->accounts[roll(st, 2)],
			.folder = SPAN("INBOX"),
			.prefix = SPAN("Return-Path: <>\r\n"),
			.destination = SPAN("y.test")};
	}
}

static void settle(struct story *st, struct told *t, const struct spool_new *l)
{
	for (size_t i = 0; i < t->count; i++) {
		struct spool_result r = {.msg_id = l->id,
			.rcpt_id = t->rcpts[i].id,
			.outcome = (enum spool_outcome)roll(st, 3),
			.next_ns = FIXTURE_NOW + CLOCK_HOUR,
			.is_attempt = true,
			.text = SPAN("a reason"),
			.at_ns = FIXTURE_NOW};
		struct err e = {0};

		if (t->rcpts[i].is_local)
			continue;
		t->rcpts[i].outcome = r.outcome;
		t->rcpts[i].settled = PROMISE_ASKED;
		if (spool_settle(st->f->s, &r, 1, NULL, 0, &e) == 0)
			t->rcpts[i].settled = PROMISE_KEPT;
		else
			judge(st, &e);
	}
}

static void one_letter(struct story *st, struct told *t, size_t number)
{
	size_t count = number == 7 ? MANY : 1 + roll(st, RCPTS);
	struct spool_rcpt_new *rcpts = mem_alloc(count * sizeof(*rcpts));
	bool is_lease = roll(st, 2);
	struct letter x;
	struct err e = {0};

	letter_init(st->f, &x, number % 8 == 3 ? BODY_CHUNK + 5000 : roll(st, 9000));
	make_rcpts(st, t, rcpts, count);
	x.l.rcpts = rcpts;
	x.l.rcpt_count = count;
	t->accepted = PROMISE_ASKED;
	if (spool_accept(st->f->s, &x.l, is_lease, &e) == 0)
		t->accepted = PROMISE_KEPT;
	else
		judge(st, &e);
	for (size_t i = 0; i < count; i++)
		t->rcpts[i].id = rcpts[i].rcpt_id;
	if (t->accepted == PROMISE_KEPT && is_lease)
		settle(st, t, &x.l);
	letter_fini(&x);
	free(rcpts);
}

static int letters_main(void *arg)
{
	struct story *st = arg;

	while (st->next < LETTERS && !powercut_is_dead()) {
		size_t number = st->next++;
		bool is_left = true;
		struct spool_item *told;
		size_t told_count;
		struct err e = {0};

		one_letter(st, &st->letters[number], number);
		if (number % 6 == 5 &&
			spool_deliver_local(
				st->f->s, st->f->a, 50, &is_left, &told, &told_count, &e) < 0)
			judge(st, &e);
	}
	return 0;
}

static int story_main(void *arg)
{
	struct story *st = arg;
	struct fiber_group g;

	fiber_group_init(&g);
	for (int i = 0; i < FIBERS; i++)
		MUST(fiber_start(&g, "letters", letters_main, st, NULL) == 0);
	fiber_group_join(&g);
	return 0;
}

/* ---- the store under test ---- */

static bool open_store(struct story *st, struct err *e)
{
	struct store_opts opts = {.dir = st->f->dir, .vfs = POWERCUT_VFS, .wal_max = SMALL_WAL};

	st->f->s = store_open(&opts, e);
	return st->f->s != NULL;
}

/* The directory itself stays: making one waits for the real disk. */
static void remove_store(struct fixture *f)
{
	static const char *const files[] = {"yizhan.db", "yizhan.db-wal", "yizhan.db-shm"};

	store_close(&f->s);
	for (size_t i = 0; i < ARRAY_LEN(files); i++)
		unlink(arena_printf(f->a, "%s/%s", f->dir, files[i]));
	powercut_reset();
}

static void begin(struct fixture *f, struct story *st, uint64_t seed)
{
	struct err e = {0};

	*st = (struct story){.f = f, .seed = seed};
	remove_store(f);
	if (!open_store(st, &e))
		fail_msg("%s", e.text);
	st->accounts[0] = fixture_account(f, "alice");
	st->accounts[1] = fixture_account(f, "bob");
}

static void end(struct story *st)
{
	for (size_t i = 0; i < LETTERS; i++)
		free(st->letters[i].rcpts);
}

/* ---- what must hold ---- */

struct view {
	struct fixture *f;
	sqlite3 *db;
	sqlite3_stmt *message, *row;
	uint64_t cut;
	int wrong;
};

static int64_t count_id(sqlite3_stmt *st, uint64_t id)
{
	int64_t n = -1;

	sqlite3_bind_int64(st, 1, (int64_t)id);
	if (sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_reset(st);
	return n;
}

static void wrong(struct view *v, size_t letter, size_t rcpt, const char *what, int64_t n)
{
	fprintf(stderr, "cut %llu: letter %zu recipient %zu: %s (%lld)\n",
		(unsigned long long)v->cut, letter, rcpt, what, (long long)n);
	v->wrong++;
}

static void check_local(
	struct view *v, const struct told *t, size_t letter, size_t i, bool is_refused_gone)
{
	int64_t here = count_id(v->message, t->rcpts[i].id) + count_id(v->row, t->rcpts[i].id);

	if (t->accepted == PROMISE_KEPT && here != 1)
		wrong(v, letter, i, "accepted, and not there once", here);
	else if (here > 1)
		wrong(v, letter, i, "there twice", here);
	else if (is_refused_gone && t->accepted == PROMISE_ASKED && here)
		wrong(v, letter, i, "refused, and there", here);
}

static void check_remote(
	struct view *v, const struct told *t, size_t letter, size_t i, bool is_refused_gone)
{
	const struct told_rcpt *r = &t->rcpts[i];
	int64_t rows = count_id(v->row, r->id);
	bool is_over = r->outcome != SPOOL_DEFERRED;

	if (t->accepted == PROMISE_KEPT && (r->settled == PROMISE_NONE || !is_over) && rows != 1)
		wrong(v, letter, i, "accepted, not settled, and not queued", rows);
	if (r->settled == PROMISE_KEPT && is_over && rows != 0)
		wrong(v, letter, i, "settled, and queued", rows);
	if (is_refused_gone && t->accepted == PROMISE_ASKED && rows)
		wrong(v, letter, i, "refused, and queued", rows);
	if (is_refused_gone && r->settled == PROMISE_ASKED && rows != 1)
		wrong(v, letter, i, "its result was refused, and it is not queued", rows);
}

static void on_finding(void *arg, const char *text)
{
	struct view *v = arg;

	fprintf(stderr, "cut %llu: %s\n", (unsigned long long)v->cut, text);
	v->wrong++;
}

static void check_promises(struct story *st, uint64_t cut)
{
	struct view v = {.f = st->f, .cut = cut};
	uint64_t findings = 0;
	struct err e = {0};

	assert_int_equal(
		sqlite3_open(arena_printf(st->f->a, "%s/yizhan.db", st->f->dir), &v.db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(v.db, "SELECT count(*) FROM message WHERE id = ?1", -1,
				 &v.message, NULL),
		SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(v.db, "SELECT count(*) FROM queue_rcpt WHERE id = ?1",
				 -1, &v.row, NULL),
		SQLITE_OK);
	for (size_t k = 0; k < LETTERS; k++)
		for (size_t i = 0; i < st->letters[k].count; i++)
			(st->letters[k].rcpts[i].is_local ? check_local : check_remote)(
				&v, &st->letters[k], k, i, st->is_fault_only);
	sqlite3_finalize(v.message);
	sqlite3_finalize(v.row);
	sqlite3_close(v.db);
	if (store_check(st->f->s, on_finding, &v, NULL, &findings, &e) < 0)
		fail_msg("check: %s", e.text);
	assert_int_equal(v.wrong, 0);
	assert_int_equal(findings, 0);
}

static int after_main(void *arg)
{
	struct story *st = arg;
	struct told t = {0};

	/* the queue goes on, and nothing new collides with what is there */
	one_letter(st, &t, 100);
	assert_int_equal(t.accepted, PROMISE_KEPT);
	free(t.rcpts);
	return 0;
}

static bool tell_until_cut(struct fixture *f, uint64_t cut, enum powercut_mode mode, uint64_t seed)
{
	struct story *st = ARENA_NEW(f->a, struct story);
	struct err e = {0};
	bool is_cut;

	begin(f, st, seed);
	powercut_at_sync(cut, mode, seed);
	fixture_run(f, story_main, st);
	store_close(&f->s);
	is_cut = powercut_is_dead();
	powercut_reboot();
	if (st->strange.code)
		fail_msg("cut %llu: %s", (unsigned long long)cut, st->strange.text);
	if (!open_store(st, &e))
		fail_msg("cut %llu: %s", (unsigned long long)cut, e.text);
	assert_int_equal(spool_recover_blocking(f->s, NULL), 0);
	check_promises(st, cut);
	fixture_run(f, after_main, st);
	end(st);
	return is_cut;
}

static bool is_long(void)
{
	return getenv("YIZHAN_CRASH_ROUNDS") != NULL;
}

static void each_sync(struct fixture *f, enum powercut_mode mode, uint64_t step)
{
	uint64_t cut = 1;

	while (tell_until_cut(f, cut, mode, 1000 + cut))
		cut += is_long() ? 1 : step;
	/* fewer would mean that the story does not reach what it is about */
	assert_true(cut > 20);
}

static void a_power_cut_at_each_sync_loses_and_doubles_nothing(void **state)
{
	each_sync(*state, POWERCUT_DROP, 1);
}

static void nor_does_one_that_leaves_torn_pages(void **state)
{
	each_sync(*state, POWERCUT_TEAR, 3);
}

static void nor_do_many_at_random(void **state)
{
	const char *text = getenv("YIZHAN_CRASH_ROUNDS");
	uint64_t rounds = text ? strtoull(text, NULL, 10) : 6;

	for (uint64_t i = 0; i < rounds; i++)
		tell_until_cut(*state, 1 + i * 7919 % 60, i % 2 ? POWERCUT_TEAR : POWERCUT_DROP,
			77 * i + 5);
}

/* The first start: directories, schema, locks. */
static void a_cut_while_the_store_is_made_leaves_a_store_or_none(void **state)
{
	struct fixture *f = *state;
	struct story st = {.f = f};
	struct err e = {0};
	bool is_cut = true;

	for (uint64_t cut = 1; is_cut; cut++) {
		remove_store(f);
		powercut_at_sync(cut, cut % 2 ? POWERCUT_TEAR : POWERCUT_DROP, cut);
		open_store(&st, &e);
		store_close(&f->s);
		is_cut = powercut_is_dead();
		powercut_reboot();
		if (!open_store(&st, &e))
			fail_msg("cut %llu: %s", (unsigned long long)cut, e.text);
		check_promises(&st, cut);
		assert_true(cut < 100);
	}
}

/* ---- failing disks ---- */

/* False when the story was over before. */
static bool fail_and_go_on(struct fixture *f, uint64_t at, uint64_t count, bool is_full)
{
	struct story *st = ARENA_NEW(f->a, struct story);
	struct err e = {0};
	uint64_t failed;

	begin(f, st, at);
	st->is_fault_only = true;
	powercut_fail_writes(at, count, is_full);
	fixture_run(f, story_main, st);
	powercut_fail_writes(0, 0, false);
	failed = powercut_failed();
	if (st->strange.code)
		fail_msg("fault %llu: %s", (unsigned long long)at, st->strange.text);
	check_promises(st, at);
	fixture_run(f, after_main, st);
	store_close(&f->s);
	if (!open_store(st, &e))
		fail_msg("fault %llu: %s", (unsigned long long)at, e.text);
	check_promises(st, at);
	end(st);
	return failed > 0;
}

static void each_write(struct fixture *f, bool is_full, uint64_t step)
{
	uint64_t at = 1, failed = 0;

	for (; fail_and_go_on(f, at, at % 2 ? 1 : 15, is_full); at += is_long() ? 1 : step)
		failed++;
	assert_true(failed > 5);
}

static void a_full_disk_refuses_and_loses_nothing(void **state)
{
	each_write(*state, true, 37);
}

static void an_input_output_error_refuses_and_loses_nothing(void **state)
{
	each_write(*state, false, 41);
}

static int full_main(void *arg)
{
	struct story *st = arg;
	struct letter x;
	struct err e = {0};

	letter_init(st->f, &x, 4000);
	letter_local(&x, st->accounts[0]);
	powercut_fail_writes(1, 1000000, true);
	assert_int_equal(spool_accept(st->f->s, &x.l, false, &e), -1);
	assert_int_equal(e.code, ERR_FULL);
	powercut_fail_writes(0, 0, false);
	assert_int_equal(spool_accept(st->f->s, &x.l, false, &e), 0);
	letter_fini(&x);
	return 0;
}

static void a_full_disk_is_told_as_such(void **state)
{
	struct fixture *f = *state;
	struct story *st = ARENA_NEW(f->a, struct story);

	begin(f, st, 1);
	fixture_run(f, full_main, st);
	assert_int_equal(fixture_number(f, "SELECT count(*) FROM message"), 1);
	end(st);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_power_cut_at_each_sync_loses_and_doubles_nothing),
		CASE(nor_does_one_that_leaves_torn_pages),
		CASE(nor_do_many_at_random),
		CASE(a_cut_while_the_store_is_made_leaves_a_store_or_none),
		CASE(a_full_disk_refuses_and_loses_nothing),
		CASE(an_input_output_error_refuses_and_loses_nothing),
		CASE(a_full_disk_is_told_as_such),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
