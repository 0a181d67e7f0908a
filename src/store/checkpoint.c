/* The checkpointer: copies the log's pages back into the file on a thread and connection of its
 * own, while the writer goes on. What it leaves is little when the writer must start the log over.
 * The same thread closes files whose last close takes a while, and asks for free pages to be given
 * back to the file system when there is nothing else to do. */

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/store_priv.h"

struct late_close {
	struct late_close *next;
	int fd;
};

struct checkpointer {
	struct store *s;
	struct db *db;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t told;
	uint64_t wal_bytes;  /* as the writer told last */
	uint64_t done_bytes; /* log length at the last run */
	bool is_told, is_asleep, is_idle, is_stopping;
	struct late_close *closes;
	atomic_bool is_ready; /* little is left to copy */
};

static uint64_t told_bytes(struct checkpointer *c)
{
	uint64_t bytes;

	pthread_mutex_lock(&c->lock);
	bytes = c->wal_bytes;
	pthread_mutex_unlock(&c->lock);
	return bytes;
}

/* Passes, each over what was written during the one before. */
static void run(struct checkpointer *c)
{
	uint64_t frames, left;
	struct err e = {0};

	atomic_store(&c->is_ready, false);
	for (int i = 0; i < STORE_WAL_PASSES; i++) {
		if (db_checkpoint(c->db, false, &frames, &left, &e) < 0) {
			if (c->s->log)
				log_event(c->s->log, LOG_ERROR, "store.checkpoint-failed",
					LF_STR("error", e.text));
			return;
		}
		if (told_bytes(c) <= (frames - left) * db_page_size(c->db) + STORE_WAL_REST)
			break;
	}
	atomic_store(&c->is_ready, told_bytes(c) > c->s->wal_start);
}

bool checkpointer_take_ready(struct checkpointer *c)
{
	return atomic_exchange(&c->is_ready, false);
}

static void close_files(struct checkpointer *c)
{
	while (c->closes) {
		struct late_close *late = c->closes;

		c->closes = late->next;
		pthread_mutex_unlock(&c->lock);
		close(late->fd);
		free(late);
		pthread_mutex_lock(&c->lock);
	}
}

void store_close_later(struct store *s, int fd)
{
	struct late_close *late = NEW(struct late_close);
	struct checkpointer *c = s->checkpointer;

	late->fd = fd;
	pthread_mutex_lock(&c->lock);
	late->next = c->closes;
	c->closes = late;
	pthread_cond_signal(&c->told);
	pthread_mutex_unlock(&c->lock);
}

/* True when there is something to copy: the log has grown by half its bound, or nothing was
 * committed for a while. */
static bool wait_for_work(struct checkpointer *c)
{
	int rc = 0;

	for (;;) {
		close_files(c);
		if (c->is_stopping)
			return false;
		if (c->wal_bytes >= c->s->wal_start && c->done_bytes < c->s->wal_start)
			return true;
		if (rc && !c->is_told && c->wal_bytes > c->done_bytes) {
			c->is_idle = true;
			return true;
		}
		c->is_told = false;
		if (c->wal_bytes > c->done_bytes) {
			int64_t at = clock_mono_ns() + STORE_WAL_IDLE;
			struct timespec until = {at / CLOCK_SEC, at % CLOCK_SEC};

			rc = pthread_cond_timedwait(&c->told, &c->lock, &until);
		} else {
			c->is_asleep = true;
			rc = pthread_cond_wait(&c->told, &c->lock);
			c->is_asleep = false;
		}
	}
}

static int shrink(struct db *db, void *arg, struct err *e)
{
	(void)arg;
	return db_shrink(db, STORE_SHRINK_KEEP, STORE_SHRINK_SLICE, e);
}

static void *checkpointer_main(void *arg)
{
	struct checkpointer *c = arg;
	bool is_idle;

	pthread_setname_np(pthread_self(), "store-copy");
	pthread_mutex_lock(&c->lock);
	while (wait_for_work(c)) {
		c->done_bytes = c->wal_bytes;
		is_idle = c->is_idle;
		c->is_idle = false;
		pthread_mutex_unlock(&c->lock);
		run(c);
		if (is_idle)
			store_write_later(c->s, "shrink", shrink, NULL, NULL);
		pthread_mutex_lock(&c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

struct checkpointer *checkpointer_new(struct store *s, const struct db_opts *opts, struct err *e)
{
	struct checkpointer *c = NEW(struct checkpointer);
	struct db_opts o = *opts;
	pthread_condattr_t attr;
	int rc;

	o.role = DB_WRITER;
	o.cache_kib = 64; /* a checkpoint goes by the log, not through the cache */
	c->s = s;
	if (db_open(&o, &c->db, e) < 0) {
		free(c);
		return NULL;
	}
	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->told, &attr);
	pthread_condattr_destroy(&attr);
	rc = pthread_create(&c->thread, NULL, checkpointer_main, c);
	if (rc) {
		err_sys(e, rc, "starting the checkpointer");
		db_close(&c->db);
		free(c);
		return NULL;
	}
	return c;
}

void checkpointer_stop(struct checkpointer *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->is_stopping = true;
	pthread_cond_signal(&c->told);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
}

void checkpointer_free(struct checkpointer **c)
{
	struct checkpointer *x = *c;

	if (!x)
		return;
	pthread_mutex_lock(&x->lock);
	close_files(x);
	pthread_mutex_unlock(&x->lock);
	db_close(&x->db);
	pthread_cond_destroy(&x->told);
	pthread_mutex_destroy(&x->lock);
	free(x);
	*c = NULL;
}

void checkpointer_tell(struct checkpointer *c, uint64_t wal_bytes)
{
	pthread_mutex_lock(&c->lock);
	c->is_told = true;
	if (wal_bytes < c->wal_bytes)
		c->done_bytes = 0; /* it was started over */
	c->wal_bytes = wal_bytes;
	/* it looks by itself once a second while there is something to copy */
	if (c->is_asleep || (wal_bytes >= c->s->wal_start && c->done_bytes < c->s->wal_start))
		pthread_cond_signal(&c->told);
	pthread_mutex_unlock(&c->lock);
}
