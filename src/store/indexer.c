#include "store/indexer.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "store/indexer_priv.h"
#include "store/mailbox.h"

DB_SQL(sql_owed,
	"SELECT id, blob_id, blob_octets FROM message WHERE thread_id = 0 ORDER BY id DESC LIMIT $1");
DB_SQL(sql_owed_count, "SELECT COUNT(*) FROM message WHERE thread_id = 0");

/* ---- waiting ---- */

/* With the lock held: until somebody wakes it, or so long. */
static void wait_for(struct indexer *x, int64_t ns)
{
	int64_t until = clock_mono_ns() + ns;
	struct timespec t = {until / CLOCK_SEC, until % CLOCK_SEC};

	pthread_cond_timedwait(&x->changed, &x->lock, &t);
}

/* Sleep, but not longer than the process lives. False: it is to end. */
static bool rest(struct indexer *x, int64_t ns)
{
	int64_t until = clock_mono_ns() + ns;
	bool is_stopping;

	pthread_mutex_lock(&x->lock);
	x->stats.is_resting = true;
	while (!x->is_stopping && clock_mono_ns() < until)
		wait_for(x, until - clock_mono_ns());
	x->stats.is_resting = false;
	is_stopping = x->is_stopping;
	pthread_mutex_unlock(&x->lock);
	return !is_stopping;
}

bool indexer_give_way(struct indexer *x)
{
	int64_t until = clock_mono_ns() + INDEXER_WAIT_MAX;

	while (writer_waiting(x->s->writer) > 0 && clock_mono_ns() < until)
		if (!rest(x, CLOCK_MS))
			return false;
	return true;
}

static void wake(struct indexer *x)
{
	pthread_mutex_lock(&x->lock);
	x->is_woken = true;
	x->stats.is_idle = false;
	pthread_cond_signal(&x->changed);
	pthread_mutex_unlock(&x->lock);
}

void indexer_look_again(struct indexer *x)
{
	indexer_note_account(x, 0);
	wake(x);
}

static void mailboxes_changed(void *arg, const struct mailbox_notice *list, size_t count)
{
	struct indexer *x = arg;

	for (size_t i = 0; i < count; i++)
		indexer_note_account(x, list[i].account_id);
	wake(x);
}

/* ---- facts ---- */

struct owed {
	struct facts_want list[INDEXER_BATCH];
	size_t count;
	int64_t missing;
	bool is_counted;
};

static int read_owed(struct db *db, void *arg, struct err *e)
{
	struct owed *o = arg;
	struct db_stmt *st = db_query(db, e, &sql_owed, "i", (int64_t)INDEXER_BATCH);
	bool is_row = false, is_found;
	int rc = st ? 0 : -1;

	o->count = 0;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		int64_t id, blob, octets;

		db_cols(st, "iii", &id, &blob, &octets);
		o->list[o->count++] = (struct facts_want){
			(uint64_t)id, (uint64_t)blob, (uint64_t)octets};
	}
	db_done(st);
	o->missing = (int64_t)o->count;
	if (rc == 0 && o->is_counted)
		return db_get(db, e, NULL, &sql_owed_count, &is_found, ":i", &o->missing);
	return rc;
}

/* The oldest of them first, so that threads begin with their first letter. */
static void turn_round(struct owed *o)
{
	for (size_t i = 0; i < o->count / 2; i++) {
		struct facts_want w = o->list[i];

		o->list[i] = o->list[o->count - 1 - i];
		o->list[o->count - 1 - i] = w;
	}
}

/* *is_more_r: a batch was made, there may be more. */
static int make_facts(struct indexer *x, bool *is_more_r, struct err *e)
{
	struct arena *a = arena_new();
	struct owed *o = ARENA_NEW(a, struct owed);
	struct facts_batch b;
	int rc;

	o->is_counted = x->rounds++ % INDEXER_COUNT_ROUNDS == 0;
	rc = store_read_blocking(x->s, "indexer.owed", read_owed, o, e);
	turn_round(o);
	facts_batch_init(&b, x->s, a, o->list, o->count);
	if (rc == 0 && o->count) {
		rc = store_read_blocking(x->s, "indexer.look", facts_look_batch, &b, e);
		if (rc == 0)
			rc = facts_make_batch(&b, e);
		if (rc == 0 && indexer_give_way(x))
			rc = store_write_blocking(x->s, "indexer.facts", facts_put_batch, &b, e);
	}
	*is_more_r = rc == 0 && o->count > 0;
	pthread_mutex_lock(&x->lock);
	if (rc == 0) {
		x->stats.facts += b.facts;
		x->stats.threads += b.threads;
		if (o->is_counted || !o->count)
			x->stats.missing_facts = (uint64_t)o->missing;
		else if (x->stats.missing_facts > b.threads)
			x->stats.missing_facts -= b.threads;
		x->writes += o->count > 0;
	}
	pthread_mutex_unlock(&x->lock);
	arena_free(&a);
	return rc;
}

/* ---- when nothing else is to be done ---- */

static int sweep(struct indexer *x, struct err *e)
{
	struct arena *a = arena_new();
	struct facts_sweep *w = ARENA_NEW(a, struct facts_sweep);
	int rc;

	w->at = x->swept;
	rc = store_read_blocking(x->s, "indexer.sweep", facts_sweep_look, w, e);
	if (rc == 0 && w->count && indexer_give_way(x)) {
		x->writes++;
		rc = store_write_blocking(x->s, "indexer.sweep", facts_sweep_drop, w, e);
	}
	if (rc == 0)
		x->swept = w->next;
	arena_free(&a);
	return rc;
}

/* ---- the thread ---- */

static int work(struct indexer *x, bool *is_more_r, struct err *e)
{
	/* facts first: readers wait for them */
	if (make_facts(x, is_more_r, e) < 0)
		return -1;
	if (!*is_more_r && indexer_make_documents(x, is_more_r, e) < 0)
		return -1;
	return *is_more_r ? 0 : sweep(x, e);
}

/* While others write, a rest as long as this batch's work, several times. */
static bool be_modest(struct indexer *x, int64_t spent_ns)
{
	uint64_t closures = atomic_load_explicit(&x->s->closures, memory_order_relaxed);
	uint64_t others = closures - x->closures - x->writes;
	int64_t ns = spent_ns * INDEXER_REST;

	x->closures = closures;
	x->writes = 0;
	if (!others)
		return true;
	return rest(x, ns < INDEXER_REST_MAX ? ns : INDEXER_REST_MAX);
}

/* Until there is something to do; false: the end. */
static bool await(struct indexer *x)
{
	bool is_stopping;

	pthread_mutex_lock(&x->lock);
	x->stats.is_idle = !x->is_woken;
	if (!x->is_woken && !x->is_stopping)
		wait_for(x, INDEXER_LOOK);
	pthread_mutex_unlock(&x->lock);
	is_stopping = !rest(x, INDEXER_GATHER);
	pthread_mutex_lock(&x->lock);
	x->is_woken = false;
	pthread_mutex_unlock(&x->lock);
	return !is_stopping;
}

static void complain(struct indexer *x, const struct err *e)
{
	if (x->s->log)
		log_event(x->s->log, LOG_WARN, "indexer.trouble",
			LF_STR("code", err_code_str(e->code)), LF_STR("why", e->text));
}

static void *indexer_main(void *arg)
{
	struct indexer *x = arg;
	bool goes_on = true, is_more = true;

	pthread_setname_np(pthread_self(), "indexer");
	/* That it fails where the kernel does not allow it harms nobody. */
	(void)setpriority(PRIO_PROCESS, (id_t)gettid(), INDEXER_NICE);
	while (goes_on) {
		int64_t start = clock_mono_ns(), spent;
		struct err e = {0};
		int rc = work(x, &is_more, &e);

		spent = clock_mono_ns() - start;
		pthread_mutex_lock(&x->lock);
		x->stats.busy_ns += spent;
		pthread_mutex_unlock(&x->lock);
		if (rc < 0) {
			complain(x, &e);
			goes_on = rest(x, INDEXER_RETRY);
		} else {
			goes_on = is_more ? be_modest(x, spent) : await(x);
		}
	}
	return NULL;
}

struct indexer *indexer_new(struct store *s, struct err *e)
{
	struct indexer *x = NEW(struct indexer);
	pthread_condattr_t attr;
	int rc;

	x->s = s;
	x->closures = atomic_load(&s->closures);
	x->is_all_asked = true; /* nobody knows what was left undone */
	pthread_mutex_init(&x->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&x->changed, &attr);
	pthread_condattr_destroy(&attr);
	rc = pthread_create(&x->thread, NULL, indexer_main, x);
	if (rc) {
		err_sys(e, rc, "starting the indexer");
		x->is_stopping = true;
		indexer_free(&x);
		return NULL;
	}
	x->is_running = true;
	mailbox_subscribe_changes(s, mailboxes_changed, x);
	return x;
}

void indexer_stop(struct indexer *x)
{
	if (!x || !x->is_running)
		return;
	pthread_mutex_lock(&x->lock);
	x->is_stopping = true;
	pthread_cond_signal(&x->changed);
	pthread_mutex_unlock(&x->lock);
	pthread_join(x->thread, NULL);
	x->is_running = false;
}

void indexer_free(struct indexer **x)
{
	if (!*x)
		return;
	indexer_stop(*x);
	pthread_cond_destroy(&(*x)->changed);
	pthread_mutex_destroy(&(*x)->lock);
	free(*x);
	*x = NULL;
}

void indexer_stats(struct indexer *x, struct indexer_stats *stats_r)
{
	pthread_mutex_lock(&x->lock);
	*stats_r = x->stats;
	pthread_mutex_unlock(&x->lock);
}
