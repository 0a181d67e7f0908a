/* Opening and closing the store: the data directory, its lock, migrations, threads, ids. */

#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "store/blob.h"
#include "store/body_priv.h"
#include "store/facts.h"
#include "store/schema/schema.h"
#include "store/email_find.h"
#include "store/search_priv.h"
#include "store/store_priv.h"

DB_SQL(sql_counters, "SELECT id, value FROM counter WHERE id > 0 AND id < 100 ORDER BY id");

#define STORE_EPOCH_MS 1577836800000LL /* 2020-01-01: ids count from here */

/* ---- the directory ---- */

static char *format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *format(const char *fmt, ...)
{
	struct buf b;
	va_list ap;

	buf_init(&b, 64 * 1024);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	return buf_steal(&b, NULL);
}

static int sync_dir(const char *dir, struct err *e)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fd < 0 ? -1 : fsync(fd);
	int sys = errno;

	if (fd >= 0)
		close(fd);
	return rc < 0 ? err_sys(e, sys, "syncing %s", dir) : 0;
}

static int make_dir(const char *dir, struct err *e)
{
	char *copy, *up;
	int rc;

	if (mkdir(dir, 0700) < 0)
		return errno == EEXIST ? 0 : err_sys(e, errno, "making %s", dir);
	copy = mem_dup(dir, span_str(dir).len);
	up = dirname(copy);
	rc = sync_dir(up, e);
	free(copy);
	return rc;
}

static int who_holds(int fd, const char *dir, struct err *e)
{
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	struct span pid = span_trim(span_of(text, n > 0 ? (size_t)n : 0));

	return err_set(e, ERR_BUSY, "%s is in use: held by pid " SPAN_FMT, dir,
		SPAN_ARG(pid.len ? pid : SPAN("unknown")));
}

/* The lock lives as long as the descriptor: a killed process leaves none behind. */
int store_lock(const char *dir, struct err *e)
{
	char *path = format("%s/lock", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	int rc = 0;

	if (fd < 0)
		rc = err_sys(e, errno, "opening %s", path);
	else if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		rc = errno == EWOULDBLOCK ? who_holds(fd, dir, e)
					  : err_sys(e, errno, "locking %s", path);
	else if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", (int)getpid()) < 0)
		rc = err_sys(e, errno, "writing %s", path);
	if (rc < 0 && fd >= 0)
		close(fd);
	free(path);
	return rc < 0 ? -1 : fd;
}

static int lock_dir(struct store *s, struct err *e)
{
	s->lock_fd = store_lock(s->dir, e);
	return s->lock_fd < 0 ? -1 : 0;
}

/* SQLite makes the log and the index with the mode that the file has. */
static int make_file(const char *file, struct err *e)
{
	int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_sys(e, errno, "making %s", file);
	close(fd);
	return 0;
}

/* ---- ids ---- */

uint64_t store_time_id(int64_t wall_ns)
{
	int64_t ms = wall_ns / CLOCK_MS - STORE_EPOCH_MS;

	return (uint64_t)(ms > 0 ? ms : 1) << 22;
}

int64_t store_id_time(uint64_t id)
{
	return ((int64_t)(id >> 22) + STORE_EPOCH_MS) * CLOCK_MS;
}

uint64_t store_new_ids(struct store *s, uint64_t count)
{
	uint64_t now = store_time_id(clock_wall_ns());
	uint64_t last = atomic_load_explicit(&s->last_id, memory_order_relaxed);
	uint64_t first;

	do {
		first = (last > now ? last : now) + 1;
	} while (!atomic_compare_exchange_weak(&s->last_id, &last, first + count - 1));
	return first;
}

uint64_t store_new_id(struct store *s)
{
	return store_new_ids(s, 1);
}

/* ---- opening ---- */

static int load_counters(struct store *s, struct db *db, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_counters, "");
	int64_t id, value;
	bool is_row = false;
	int rc = st ? 0 : -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		db_cols(st, "ii", &id, &value);
		if (id > 0 && id < STORE_COUNTERS)
			atomic_store(&s->counts[id], value);
	}
	db_done(st);
	/* from the durable mark on nothing was ever given out, whatever the clock says */
	atomic_store(&s->last_id, (uint64_t)atomic_load(&s->counts[STORE_COUNT_ID_HIGH]));
	return rc;
}

static int open_db(struct store *s, const struct db_opts *opts, struct err *e)
{
	struct db *db;
	unsigned from;

	if (db_open(opts, &db, e) < 0)
		return -1;
	db_set_owner(db, s);
	if (schema_migrate(db, s->file, &from, e) < 0 || load_counters(s, db, e) < 0 ||
		blob_doom_orphans(db, e) < 0) {
		db_close(&db);
		return -1;
	}
	s->writer_db = db;
	s->wal_bytes = 0;
	if (s->log && from != schema_newest)
		log_event(s->log, LOG_INFO, "store.migrated", LF_INT("from", from),
			LF_INT("to", schema_newest));
	return 0;
}

static unsigned hash_threads(void)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (cores < 1)
		return 1;
	return cores > STORE_HASH_THREADS_MAX ? STORE_HASH_THREADS_MAX : (unsigned)cores;
}

static int start_threads(
	struct store *s, const struct db_opts *opts, unsigned readers, struct err *e)
{
	s->readers = readers_new(s, opts, readers, e);
	if (!s->readers)
		return -1;
	s->checkpointer = checkpointer_new(s, opts, e);
	if (!s->checkpointer)
		return -1;
	s->writer = writer_new(s, s->writer_db, e);
	if (!s->writer)
		return -1;
	s->read_lane = work_lane_new("store-read", readers, STORE_READ_QUEUE_MAX);
	s->stage_lane = work_lane_new("store-stage", STORE_STAGE_THREADS, STORE_STAGE_QUEUE_MAX);
	s->hash_lane = work_lane_new_nice(
		"store-hash", hash_threads(), STORE_HASH_QUEUE_MAX, STORE_HASH_NICE);
	s->facts_lane = work_lane_new("store-facts", FACTS_LANE_THREADS, FACTS_LANE_QUEUE);
	return 0;
}

struct store *store_open(const struct store_opts *opts, struct err *e)
{
	struct store *s = NEW(struct store);
	struct db_opts d = {0};

	s->dir = mem_dup(opts->dir, span_str(opts->dir).len);
	s->file = format("%s/yizhan.db", opts->dir);
	s->lock_fd = -1;
	s->log = opts->log;
	s->stage_mem_max = opts->stage_mem_max ? opts->stage_mem_max : STORE_STAGE_MEM_MAX;
	s->stage_disk_max = opts->stage_disk_max ? opts->stage_disk_max : STORE_STAGE_DISK_MAX;
	s->wal_max = opts->wal_max ? opts->wal_max : STORE_WAL_MAX;
	s->wal_start = s->wal_max / STORE_WAL_START_OF * STORE_WAL_START_PART;
	s->bodies = body_cache_new(STORE_BODY_CACHE);
	pthread_mutex_init(&s->subscriber_lock, NULL);
	d.path = s->file;
	d.vfs = opts->vfs;
	s->vfs = opts->vfs ? mem_dup(opts->vfs, span_str(opts->vfs).len) : NULL;
	s->is_fsync_off = opts->is_fsync_off;
	s->search = search_new(s);
	s->kept_emails = email_kept_new();
	d.is_fsync_off = opts->is_fsync_off;
	d.role = DB_WRITER;
	if (make_dir(s->dir, e) < 0 || lock_dir(s, e) < 0 ||
		(!opts->vfs && make_file(s->file, e) < 0) || open_db(s, &d, e) < 0 ||
		start_threads(s, &d, opts->readers ? opts->readers : STORE_READERS, e) < 0) {
		store_close(&s);
		return NULL;
	}
	store_look_for_room(s);
	blob_sweep_later(s);
	return s;
}

void store_close(struct store **s)
{
	struct store *x = *s;

	if (!x)
		return;
	checkpointer_stop(x->checkpointer);
	writer_free(&x->writer); /* runs what is queued */
	if (x->read_lane)
		work_lane_free(&x->read_lane);
	if (x->stage_lane)
		work_lane_free(&x->stage_lane);
	if (x->hash_lane)
		work_lane_free(&x->hash_lane);
	if (x->facts_lane)
		work_lane_free(&x->facts_lane);
	checkpointer_free(&x->checkpointer);
	search_free(&x->search);
	email_kept_free(&x->kept_emails);
	readers_free(&x->readers);
	db_close(&x->writer_db); /* the last connection copies the log back and removes it */
	body_cache_free(&x->bodies);
	pthread_mutex_destroy(&x->subscriber_lock);
	if (x->lock_fd >= 0)
		close(x->lock_fd);
	free(x->file);
	free(x->vfs);
	free(x->dir);
	free(x);
	*s = NULL;
}

/* ---- change feed ---- */

void store_subscribe(struct store *s, enum store_topic topic, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&s->subscriber_lock);
	MUST(s->subscriber_count < STORE_SUBSCRIBERS_MAX);
	s->subscribers[s->subscriber_count++] = (struct store_subscriber){topic, fn, arg};
	pthread_mutex_unlock(&s->subscriber_lock);
}

void mailbox_subscribe_changes(struct store *s, mailbox_notice_fn *fn, void *arg)
{
	pthread_mutex_lock(&s->subscriber_lock);
	MUST(s->mailbox_subscriber_count < STORE_SUBSCRIBERS_MAX);
	s->mailbox_subscribers[s->mailbox_subscriber_count++] = (struct mailbox_subscriber){
		fn, arg};
	pthread_mutex_unlock(&s->subscriber_lock);
}

void store_publish(
	struct store *s, unsigned topics, const struct mailbox_notice *notices, size_t notice_count)
{
	pthread_mutex_lock(&s->subscriber_lock);
	for (size_t i = 0; i < s->subscriber_count; i++)
		if (topics & 1U << s->subscribers[i].topic)
			s->subscribers[i].fn(s->subscribers[i].arg);
	for (size_t i = 0; notice_count && i < s->mailbox_subscriber_count; i++)
		s->mailbox_subscribers[i].fn(s->mailbox_subscribers[i].arg, notices, notice_count);
	pthread_mutex_unlock(&s->subscriber_lock);
}

uint64_t store_directory_generation(const struct store *s)
{
	return atomic_load(&s->directory_generation);
}

/* ---- figures ---- */

int store_stats(struct store *s, struct store_stats *stats_r, struct err *e)
{
	struct stat st = {0};

	/* a look at the inode, no wait for the disk: allowed on a loop's thread */
	if (stat(s->file, &st) < 0 && errno != ENOENT)
		return err_sys(e, errno, "looking at %s", s->file);
	*stats_r = (struct store_stats){
		.commits = atomic_load(&s->commits),
		.closures = atomic_load(&s->closures),
		.wal_bytes = atomic_load(&s->wal_bytes),
		.db_bytes = (uint64_t)st.st_size,
		.stage_mem = atomic_load(&s->stage_mem),
		.stage_disk = atomic_load(&s->stage_disk),
		.last_commit_ns = atomic_load(&s->last_commit_ns),
		.messages = (uint64_t)atomic_load(&s->counts[STORE_COUNT_MESSAGES]),
		.queue_messages = (uint64_t)atomic_load(&s->counts[STORE_COUNT_QUEUE_MESSAGES]),
		.queue_rcpts = (uint64_t)atomic_load(&s->counts[STORE_COUNT_QUEUE_RCPTS]),
	};
	return 0;
}
