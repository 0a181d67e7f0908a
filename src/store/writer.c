/* The store's one writer thread: group commit.
 *
 * All closures that wait run in one transaction, which is committed once; then all are answered. A
 * closure that fails before it wrote anything simply fails. When one fails after it wrote, the
 * transaction is rolled back and the group runs again with a savepoint around each: savepoints
 * keep a copy of every page that is touched, so the common case does without. When a commit fails
 * for want of room, each closure gets a transaction of its own, so that one too large for the disk
 * does not take the others with it. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "run/bell.h"
#include "run/fault.h"
#include "store/store_priv.h"

DB_SQL(sql_counter,
	"INSERT INTO counter (id, value) VALUES ($1, $2) "
	"ON CONFLICT (id) DO UPDATE SET value = excluded.value");

struct writer {
	struct store *s;
	struct db *db;
	pthread_t thread;
	pthread_mutex_t lock;
	struct bell bell;
	struct writer_job *first, **last; /* FIFO */
	_Atomic size_t waiting;           /* in it */
	bool is_stopping;

	/* the group under way: this thread's alone */
	struct writer_job *jobs[STORE_GROUP_MAX];
	size_t count;
	int64_t deltas[STORE_COUNTERS];
	unsigned topics;
	struct mailbox_notice notices[MAILBOX_NOTICES_MAX];
	size_t notice_count;
	bool are_notices_many; /* more than there is room for */
	uint64_t log_bytes, log_before;
	int64_t complained_ns, looked_ns;
	bool is_log_short; /* it was shortened for want of room, and nothing committed since */
	uint64_t log_next; /* length at which it is shortened in any case */
};

struct store *store_of(const struct db *db)
{
	return db_owner(db);
}

void store_count(struct db *db, enum store_counter counter, int64_t delta)
{
	store_of(db)->writer->deltas[counter] += delta;
}

void store_changed(struct db *db, enum store_topic topic)
{
	store_of(db)->writer->topics |= 1U << topic;
}

void store_changed_mailbox(struct db *db, uint64_t account_id, uint64_t mailbox_id)
{
	struct writer *w = store_of(db)->writer;

	w->topics |= 1U << STORE_MAILBOX;
	/* from the end: one closure tells the same again and again */
	for (size_t i = w->notice_count; i-- > 0;)
		if (w->notices[i].mailbox_id == mailbox_id &&
			w->notices[i].account_id == account_id)
			return;
	if (w->notice_count == MAILBOX_NOTICES_MAX)
		w->are_notices_many = true;
	else
		w->notices[w->notice_count++] = (struct mailbox_notice){account_id, mailbox_id};
}

/* ---- one group ---- */

enum attempt { ATTEMPT_DONE, ATTEMPT_AGAIN, ATTEMPT_LOST };

struct tally { /* what a failed closure must not leave behind in memory */
	int64_t deltas[STORE_COUNTERS];
	unsigned topics;
	size_t notice_count;
	bool are_notices_many;
};

static void tally_save(const struct writer *w, struct tally *t)
{
	memcpy(t->deltas, w->deltas, sizeof(t->deltas));
	t->topics = w->topics;
	t->notice_count = w->notice_count;
	t->are_notices_many = w->are_notices_many;
}

static void tally_restore(struct writer *w, const struct tally *t)
{
	memcpy(w->deltas, t->deltas, sizeof(t->deltas));
	w->topics = t->topics;
	w->notice_count = t->notice_count;
	w->are_notices_many = t->are_notices_many;
}

static void tally_clear(struct writer *w)
{
	memset(w->deltas, 0, sizeof(w->deltas));
	w->topics = 0;
	w->notice_count = 0;
	w->are_notices_many = false;
}

static void give_up(struct writer_job *job, const struct err *why)
{
	job->rc = -1;
	job->is_over = true;
	if (why != &job->err)
		err_copy(&job->err, why);
}

/* A quota that is spent (the scope says so) is its owner's trouble alone. */
static bool is_disk_trouble(const struct err *e)
{
	return e->code == ERR_IO || (e->code == ERR_FULL && e->scope == ERR_SCOPE_SELF);
}

/* Run one closure inside the transaction. LOST: the transaction is gone or must go. */
static enum attempt run_closure(
	struct writer *w, struct writer_job *job, bool is_saved, struct err *e)
{
	uint64_t before = db_total_changes(w->db);
	struct tally t;

	tally_save(w, &t);
	if (is_saved && db_savepoint(w->db, e) < 0)
		return ATTEMPT_LOST;
	err_clear(&job->err);
	job->rc = job->fn(w->db, job->arg, &job->err);
	if (job->rc == 0)
		return is_saved && db_release(w->db, e) < 0 ? ATTEMPT_LOST : ATTEMPT_DONE;
	tally_restore(w, &t);
	if (!db_in_transaction(w->db) || is_disk_trouble(&job->err)) {
		err_copy(e, &job->err); /* disk trouble is everybody's */
		return ATTEMPT_LOST;
	}
	give_up(job, &job->err);
	if (is_saved)
		return db_rollback_to(w->db, e) < 0 ? ATTEMPT_LOST : ATTEMPT_DONE;
	return db_total_changes(w->db) == before ? ATTEMPT_DONE : ATTEMPT_AGAIN;
}

static void watch_slice(struct writer *w, const struct writer_job *job, int64_t ns)
{
	if (ns > STORE_SLICE_WARN_NS && w->s->log)
		log_event(w->s->log, LOG_WARN, "store.slow", LF_STR("closure", job->name),
			LF_INT("us", ns / CLOCK_US));
}

static enum attempt run_closures(
	struct writer *w, struct writer_job **jobs, size_t count, bool is_saved, struct err *e)
{
	int64_t start = clock_mono_ns();

	for (size_t i = 0; i < count; i++) {
		enum attempt how;
		int64_t end;

		if (jobs[i]->is_over)
			continue;
		how = run_closure(w, jobs[i], is_saved, e);
		end = clock_mono_ns();
		watch_slice(w, jobs[i], end - start);
		start = end;
		if (how != ATTEMPT_DONE)
			return how;
	}
	return ATTEMPT_DONE;
}

/* The counters that moved, and the reserve of ids when it runs low: what is durable was made from
 * ids below a durable mark, so a clock that jumps back cannot give one out twice. */
static int flush_counters(struct writer *w, struct err *e)
{
	uint64_t last = atomic_load(&w->s->last_id);
	uint64_t high = (uint64_t)w->s->counts[STORE_COUNT_ID_HIGH];

	if (last + ((STORE_ID_AHEAD_MS / 2ULL) << 22) > high)
		w->deltas[STORE_COUNT_ID_HIGH] = (int64_t)(last +
			((uint64_t)STORE_ID_AHEAD_MS << 22) - high);
	for (int c = 1; c < STORE_COUNTERS; c++)
		if (w->deltas[c] &&
			db_run(w->db, e, &sql_counter, "ii", (int64_t)c,
				atomic_load(&w->s->counts[c]) + w->deltas[c]) < 0)
			return -1;
	return 0;
}

static void note_commit(struct writer *w, size_t closures, int64_t start_ns, int64_t ended_ns)
{
	struct store *s = w->s;

	for (int c = 1; c < STORE_COUNTERS; c++)
		if (w->deltas[c])
			atomic_fetch_add(&s->counts[c], w->deltas[c]);
	w->log_bytes = db_log_frames(w->db) * db_page_size(w->db);
	w->is_log_short = false;
	atomic_fetch_add_explicit(&s->commits, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&s->closures, closures, memory_order_relaxed);
	atomic_store_explicit(&s->wal_bytes, w->log_bytes, memory_order_relaxed);
	atomic_store_explicit(&s->last_commit_ns, ended_ns - start_ns, memory_order_relaxed);
	if (ended_ns > w->looked_ns + STORE_ROOM_CHECK) {
		w->looked_ns = ended_ns;
		store_look_for_room(s);
	}
	if (w->topics & 1U << STORE_DIRECTORY)
		atomic_fetch_add(&s->directory_generation, 1);
}

static int commit(struct writer *w, struct err *e)
{
	FAULT(COMMIT_BEFORE);
	if (db_commit(w->db, e) < 0)
		return -1;
	FAULT(COMMIT_AFTER);
	return 0;
}

/* One transaction for jobs[0 .. count). 0: committed (some may have failed alone). */
static int run_transaction(struct writer *w, struct writer_job **jobs, size_t count, struct err *e)
{
	enum attempt how;
	bool is_saved = false;

	do {
		int64_t start;

		tally_clear(w);
		if (db_begin(w->db, e) < 0)
			return -1;
		how = run_closures(w, jobs, count, is_saved, e);
		start = clock_mono_ns();
		if (how == ATTEMPT_DONE && flush_counters(w, e) == 0 && commit(w, e) == 0) {
			note_commit(w, count, start, clock_mono_ns());
			return 0;
		}
		db_rollback(w->db);
		is_saved = true;
	} while (how == ATTEMPT_AGAIN);
	tally_clear(w);
	return -1;
}

/* Anything may have changed, when there are more than fit. */
static size_t gather_notices(struct writer *w)
{
	if (w->are_notices_many) {
		w->notices[0] = (struct mailbox_notice){0};
		w->notice_count = 1;
	}
	return w->notice_count;
}

/* Who plays on one thread tells it himself, after the writer has gone on. */
static void hand_over_change(struct writer *w, struct writer_job *job)
{
	job->change = NEW(struct store_change);
	job->change->topics = w->topics;
	job->change->count = gather_notices(w);
	memcpy(job->change->notices, w->notices, job->change->count * sizeof(*w->notices));
	w->topics = 0;
}

static void answer(struct writer *w, struct writer_job **jobs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (jobs[i]->is_teller && w->topics)
			hand_over_change(w, jobs[i]);
		jobs[i]->done(jobs[i]); /* the job is gone after this */
	}
	if (w->topics)
		store_publish(w->s, w->topics, w->notices, gather_notices(w));
}

/* ---- the log ---- */

/* Let no reader begin, copy the rest of the log and start it over with the next commit. When
 * readers stay longer than the hold, mail goes on: the log grows for another step before that is
 * tried again. */
static void shorten_log(struct writer *w)
{
	struct readers *r = w->s->readers;
	uint64_t frames = 0, left = 1;
	struct err e = {0};

	readers_close_gate(r, clock_mono_ns() + STORE_WAL_HOLD);
	if (db_checkpoint(w->db, true, &frames, &left, &e) < 0 && w->s->log)
		log_event(w->s->log, LOG_ERROR, "store.checkpoint-failed", LF_STR("error", e.text));
	readers_open_gate(r);
	if (frames && !left) {
		w->log_bytes = 0;
		atomic_store(&w->s->wal_bytes, 0);
	}
	/* no frames: the checkpointer is at it */
	w->log_next = left || !frames ? w->log_bytes + w->s->wal_max / 4 : w->s->wal_max;
}

/* The disk is full: what was copied back already need not stay in the log, whose place serves the
 * transactions that make room again. Worth trying once after each commit. */
static bool find_room(struct writer *w, const struct err *e)
{
	if (e->code != ERR_FULL || w->is_log_short || !w->s->checkpointer)
		return false;
	w->is_log_short = true;
	shorten_log(w);
	return true;
}

static void run_alone(struct writer *w, struct writer_job *job)
{
	struct err e = {0};

	if (!job->is_over && run_transaction(w, &job, 1, &e) < 0 &&
		(!find_room(w, &e) || run_transaction(w, &job, 1, &e) < 0))
		give_up(job, &e);
	answer(w, &job, 1);
}

/* A full disk fails every group; once a second is often enough. */
static void complain(struct writer *w, const struct err *e)
{
	int64_t now = clock_mono_ns();

	if (!w->s->log || (w->complained_ns && now < w->complained_ns + CLOCK_SEC))
		return;
	w->complained_ns = now;
	log_event(w->s->log, LOG_ERROR, "store.commit-failed", LF_STR("error", e->text),
		LF_INT("closures", w->count));
}

static void run_group(struct writer *w)
{
	struct err e = {0};

	if (w->count == 1) {
		run_alone(w, w->jobs[0]);
	} else if (run_transaction(w, w->jobs, w->count, &e) == 0) {
		answer(w, w->jobs, w->count);
	} else {
		complain(w, &e);
		for (size_t i = 0; i < w->count; i++)
			run_alone(w, w->jobs[i]);
	}
}

/* ---- the thread ---- */

static void care_for_log(struct writer *w)
{
	bool is_ready, is_room_asked;

	if (!w->s->checkpointer)
		return;
	if (w->log_bytes < w->log_before)
		w->log_next = w->s->wal_max; /* it was started over */
	w->log_before = w->log_bytes;
	is_ready = w->log_bytes > w->s->wal_start && checkpointer_take_ready(w->s->checkpointer);
	checkpointer_tell(w->s->checkpointer, w->log_bytes);
	is_room_asked = atomic_exchange(&w->s->is_room_asked, false);
	if (is_ready || w->log_bytes > w->log_next || (is_room_asked && w->log_bytes))
		shorten_log(w);
}

static bool take_group(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	while (!w->first && !w->is_stopping)
		bell_sleep(&w->bell, &w->lock);
	for (w->count = 0; w->first && w->count < STORE_GROUP_MAX; w->count++) {
		w->jobs[w->count] = w->first;
		w->first = w->first->next;
	}
	if (!w->first)
		w->last = &w->first;
	atomic_fetch_sub_explicit(&w->waiting, w->count, memory_order_relaxed);
	pthread_mutex_unlock(&w->lock);
	return w->count > 0;
}

size_t writer_waiting(const struct writer *w)
{
	return atomic_load_explicit(&w->waiting, memory_order_relaxed);
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;

	pthread_setname_np(pthread_self(), "store-write");
	while (take_group(w)) {
		run_group(w);
		care_for_log(w);
	}
	return NULL;
}

struct writer *writer_new(struct store *s, struct db *db, struct err *e)
{
	struct writer *w = NEW(struct writer);
	int rc;

	w->s = s;
	w->db = db;
	w->last = &w->first;
	w->log_next = s->wal_max;
	pthread_mutex_init(&w->lock, NULL);
	bell_init(&w->bell);
	rc = pthread_create(&w->thread, NULL, writer_main, w);
	if (rc) {
		err_sys(e, rc, "starting the writer");
		free(w);
		return NULL;
	}
	return w;
}

void writer_free(struct writer **w)
{
	struct writer *x = *w;

	if (!x)
		return;
	pthread_mutex_lock(&x->lock);
	x->is_stopping = true;
	bell_ring(&x->bell, bell_claim(&x->bell, 1));
	pthread_mutex_unlock(&x->lock);
	pthread_join(x->thread, NULL);
	bell_fini(&x->bell);
	pthread_mutex_destroy(&x->lock);
	free(x);
	*w = NULL;
}

/* False when the writer is stopping. */
static bool writer_try_push(struct writer *w, struct writer_job *job)
{
	unsigned asleep;
	bool is_stopping;

	job->next = NULL;
	job->is_over = false;
	pthread_mutex_lock(&w->lock);
	is_stopping = w->is_stopping;
	if (!is_stopping) {
		*w->last = job;
		w->last = &job->next;
		atomic_fetch_add_explicit(&w->waiting, 1, memory_order_relaxed);
	}
	asleep = bell_claim(&w->bell, 1);
	pthread_mutex_unlock(&w->lock);
	bell_ring(&w->bell, asleep);
	return !is_stopping;
}

void writer_push(struct writer *w, struct writer_job *job)
{
	MUST(writer_try_push(w, job));
}

/* ---- the doors ---- */

struct fiber_job {
	struct writer_job job;
	struct fiber_call call;
};

static void fiber_job_done(struct writer_job *job)
{
	fiber_call_done(&CONTAINER_OF(job, struct fiber_job, job)->call);
}

struct blocking_job {
	struct writer_job job;
	pthread_mutex_t lock;
	pthread_cond_t is_answered;
	bool is_done;
};

static void blocking_job_done(struct writer_job *job)
{
	struct blocking_job *j = CONTAINER_OF(job, struct blocking_job, job);

	pthread_mutex_lock(&j->lock);
	j->is_done = true;
	pthread_cond_signal(&j->is_answered);
	pthread_mutex_unlock(&j->lock);
}

int store_write_blocking(struct store *s, const char *name, store_fn *fn, void *arg, struct err *e)
{
	struct blocking_job j = {
		.job = {.name = name, .fn = fn, .arg = arg, .done = blocking_job_done},
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.is_answered = PTHREAD_COND_INITIALIZER};
	struct loop *l = loop_current();

	j.job.is_teller = l && loop_is_virtual(l);
	writer_push(s->writer, &j.job);
	pthread_mutex_lock(&j.lock);
	while (!j.is_done)
		pthread_cond_wait(&j.is_answered, &j.lock);
	pthread_mutex_unlock(&j.lock);
	if (j.job.change)
		store_publish(s, j.job.change->topics, j.job.change->notices, j.job.change->count);
	free(j.job.change);
	return j.job.rc < 0 ? err_copy(e, &j.job.err) : 0;
}

struct inline_write {
	struct store *s;
	const char *name;
	store_fn *fn;
	void *arg;
};

static int write_inline(void *arg, struct err *e)
{
	struct inline_write *w = arg;

	return store_write_blocking(w->s, w->name, w->fn, w->arg, e);
}

FIBER int store_write(struct store *s, const char *name, store_fn *fn, void *arg, struct err *e)
{
	struct fiber_job j = {.job = {.name = name, .fn = fn, .arg = arg, .done = fiber_job_done}};

	if (loop_is_virtual(loop_current())) {
		struct inline_write w = {s, name, fn, arg};

		return work_run(s->read_lane, write_inline, &w, e);
	}
	fiber_call_init(&j.call);
	writer_push(s->writer, &j.job);
	fiber_call_wait(&j.call);
	return j.job.rc < 0 ? err_copy(e, &j.job.err) : 0;
}

struct later_job {
	struct writer_job job;
	struct store *s;
	void (*done)(void *arg);
};

static void later_job_done(struct writer_job *job)
{
	struct later_job *j = CONTAINER_OF(job, struct later_job, job);

	if (job->rc < 0 && j->s->log)
		log_event(j->s->log, LOG_ERROR, "store.later-failed", LF_STR("closure", job->name),
			LF_STR("error", job->err.text));
	if (j->done)
		j->done(job->arg);
	free(j);
}

void store_write_later(
	struct store *s, const char *name, store_fn *fn, void *arg, void (*done)(void *arg))
{
	struct later_job *j = NEW(struct later_job);

	j->job = (struct writer_job){.name = name, .fn = fn, .arg = arg, .done = later_job_done};
	j->s = s;
	j->done = done;
	if (writer_try_push(s->writer, &j->job))
		return;
	if (done) /* closing: the next start finds it again */
		done(arg);
	free(j);
}
