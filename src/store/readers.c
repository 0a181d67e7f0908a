/* Reader connections. A read is one snapshot and never outlives its closure, so that the log can
 * be started over: the writer closes the gate for that. */

#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "store/store_priv.h"

struct readers {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct db *idle[STORE_READERS_MAX];
	size_t idle_count, count;
	bool is_gate_closed;
};

static void cond_init_mono(pthread_cond_t *c)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(c, &attr);
	pthread_condattr_destroy(&attr);
}

struct readers *readers_new(
	struct store *s, const struct db_opts *opts, unsigned count, struct err *e)
{
	struct readers *r = NEW(struct readers);

	MUST(count > 0 && count <= STORE_READERS_MAX);
	pthread_mutex_init(&r->lock, NULL);
	cond_init_mono(&r->changed);
	for (r->count = 0; r->count < count; r->count++) {
		struct db_opts o = *opts;

		o.role = DB_READER;
		if (db_open(&o, &r->idle[r->count], e) < 0) {
			r->idle_count = r->count;
			readers_free(&r);
			return NULL;
		}
		db_set_owner(r->idle[r->count], s);
	}
	r->idle_count = r->count;
	return r;
}

void readers_free(struct readers **r)
{
	struct readers *x = *r;

	if (!x)
		return;
	MUST(x->idle_count == x->count);
	for (size_t i = 0; i < x->count; i++)
		db_close(&x->idle[i]);
	pthread_cond_destroy(&x->changed);
	pthread_mutex_destroy(&x->lock);
	free(x);
	*r = NULL;
}

bool readers_close_gate(struct readers *r, int64_t deadline_ns)
{
	struct timespec until = {deadline_ns / CLOCK_SEC, deadline_ns % CLOCK_SEC};
	bool is_quiet;
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	r->is_gate_closed = true;
	while (r->idle_count < r->count && rc == 0)
		rc = pthread_cond_timedwait(&r->changed, &r->lock, &until);
	is_quiet = r->idle_count == r->count;
	pthread_mutex_unlock(&r->lock);
	return is_quiet;
}

void readers_open_gate(struct readers *r)
{
	pthread_mutex_lock(&r->lock);
	r->is_gate_closed = false;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static struct db *take(struct readers *r)
{
	struct db *db;

	pthread_mutex_lock(&r->lock);
	while (r->is_gate_closed || r->idle_count == 0)
		pthread_cond_wait(&r->changed, &r->lock);
	db = r->idle[--r->idle_count];
	pthread_mutex_unlock(&r->lock);
	return db;
}

static void give_back(struct readers *r, struct db *db)
{
	pthread_mutex_lock(&r->lock);
	r->idle[r->idle_count++] = db;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

int store_read_blocking(struct store *s, const char *name, store_fn *fn, void *arg, struct err *e)
{
	struct db *db = take(s->readers);
	int64_t start = clock_mono_ns();
	int64_t ns;
	int rc = db_begin(db, e);

	if (rc == 0)
		rc = fn(db, arg, e);
	if (!db_in_transaction(db) || db_commit(db, NULL) < 0) /* nothing was written */
		db_rollback(db);
	give_back(s->readers, db);
	ns = clock_mono_ns() - start;
	if (ns > STORE_WAL_HOLD && s->log)
		log_event(s->log, LOG_WARN, "store.slow-read", LF_STR("closure", name),
			LF_INT("us", ns / CLOCK_US));
	return rc;
}

struct read_work {
	struct store *s;
	const char *name;
	store_fn *fn;
	void *arg;
};

static int run_read(void *arg, struct err *e)
{
	struct read_work *r = arg;

	return store_read_blocking(r->s, r->name, r->fn, r->arg, e);
}

FIBER int store_read(struct store *s, const char *name, store_fn *fn, void *arg, struct err *e)
{
	struct read_work r = {s, name, fn, arg};

	return work_run(s->read_lane, run_read, &r, e);
}
