/* The search file: opening it, beginning it anew, its connections. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/must.h"
#include "store/search_priv.h"

DB_SQL(search_sql_version, "SELECT version FROM search_version WHERE id = 1");
DB_SQL(search_sql_set_version,
	"INSERT INTO search_version (id, version) VALUES (1, $1) "
	"ON CONFLICT (id) DO UPDATE SET version = excluded.version");

/* SQLite's own, behind this door only. number << 40 | n are the ids. A number is never used again: what
 * an account left behind is nobody else's. */
static const char schema_probe[] =
	"CREATE TABLE IF NOT EXISTS search_version (id INTEGER PRIMARY KEY, version INTEGER NOT NULL)";
static const char schema[] =
	"CREATE TABLE search_account (number INTEGER PRIMARY KEY AUTOINCREMENT, "
	"account_id INTEGER NOT NULL UNIQUE, upto INTEGER NOT NULL, documents INTEGER NOT NULL, "
	"text_octets INTEGER NOT NULL, kept_octets INTEGER NOT NULL);"
	"CREATE TABLE search_text (id INTEGER PRIMARY KEY, kept BLOB NOT NULL);"
	"CREATE VIRTUAL TABLE search_index USING fts5(tokens, content='', detail=none, columnsize=0, "
	"tokenize='tokens');";

struct search *search_new(struct store *s)
{
	struct search *x = NEW(struct search);
	struct buf b;

	x->s = s;
	buf_init(&b, 64 * 1024);
	buf_printf(&b, "%s/search.db", s->dir);
	x->file = buf_steal(&b, NULL);
	x->lane = work_lane_new("search", SEARCH_READERS, SEARCH_LANE_QUEUE);
	pthread_rwlock_init(&x->lock, NULL);
	pthread_mutex_init(&x->writer_lock, NULL);
	pthread_mutex_init(&x->pool_lock, NULL);
	pthread_cond_init(&x->pool_changed, NULL);
	return x;
}

static void close_file(struct search *x)
{
	for (size_t i = 0; i < SEARCH_READERS; i++) {
		db_close(&x->readers[i].db);
		search_packer_free(&x->readers[i].packer);
	}
	x->idle_count = 0;
	search_packer_free(&x->packer);
	db_close(&x->writer);
	x->is_open = false;
}

void search_free(struct search **x)
{
	struct search *y = *x;

	if (!y)
		return;
	work_lane_free(&y->lane);
	close_file(y);
	pthread_cond_destroy(&y->pool_changed);
	pthread_mutex_destroy(&y->pool_lock);
	pthread_mutex_destroy(&y->writer_lock);
	pthread_rwlock_destroy(&y->lock);
	free(y->file);
	free(y);
	*x = NULL;
}

/* ---- opening ---- */

static int begin_schema(struct db *db, struct err *e)
{
	if (db_begin(db, e) < 0)
		return -1;
	if (db_exec(db, schema, e) < 0 ||
		db_run(db, e, &search_sql_set_version, "i", (int64_t)SEARCH_VERSION) < 0 ||
		db_commit(db, e) < 0) {
		db_rollback(db);
		return -1;
	}
	return 0;
}

/* ERR_VERSION: it is another version's. */
static int open_writer(struct search *x, const struct db_opts *opts, struct err *e)
{
	int64_t version = 0;
	bool is_found;

	if (db_open(opts, &x->writer, e) < 0)
		return -1;
	if (db_exec(x->writer, schema_probe, e) < 0 ||
		db_get(x->writer, e, NULL, &search_sql_version, &is_found, ":i", &version) < 0)
		return -1;
	if (!is_found)
		return begin_schema(x->writer, e);
	return version == SEARCH_VERSION
		? 0
		: err_set(e, ERR_VERSION, "%s is of version %lld", x->file, (long long)version);
}

static int open_all(struct search *x, struct err *e)
{
	struct db_opts opts = {.path = x->file,
		.vfs = x->s->vfs,
		.role = DB_WRITER,
		.is_derived = true,
		.page_size = SEARCH_PAGE_SIZE,
		.is_fsync_off = x->s->is_fsync_off};

	if (open_writer(x, &opts, e) < 0)
		return -1;
	x->packer = search_packer_new();
	opts.role = DB_READER;
	for (size_t i = 0; i < SEARCH_READERS; i++) {
		if (db_open(&opts, &x->readers[i].db, e) < 0)
			return -1;
		x->readers[i].packer = search_packer_new();
		x->idle[x->idle_count++] = &x->readers[i];
	}
	x->is_open = true;
	return 0;
}

/* Of another version it is worth nothing; a damaged one may be wanted by who looks for the cause. */
static int move_aside(struct search *x, const struct err *why, struct err *e)
{
	static const char *const parts[] = {"-wal", "-shm", ""};
	struct arena *a = arena_new();
	int rc = 0;

	if (x->s->log)
		log_event(x->s->log, why->code == ERR_VERSION ? LOG_INFO : LOG_ERROR,
			"search.begun-anew", LF_STR("reason", why->text));
	for (size_t i = 0; i < ARRAY_LEN(parts) && rc == 0; i++) {
		const char *from = arena_printf(a, "%s%s", x->file, parts[i]);
		const char *to = arena_printf(a, "%s.damaged%s", x->file, parts[i]);

		rc = why->code == ERR_VERSION ? unlink(from) : rename(from, to);
		if (rc < 0 && errno == ENOENT)
			rc = 0;
		else if (rc < 0)
			err_sys(e, errno, "moving %s aside", from);
	}
	arena_free(&a);
	return rc;
}

static bool is_worthless(const struct err *e)
{
	return e->code == ERR_CORRUPT || e->code == ERR_VERSION;
}

/* With the lock held alone. */
static int open_or_begin(struct search *x, struct err *e)
{
	struct err why = {.code = ERR_CORRUPT, .text = "it was found damaged"};

	if (x->is_open && !atomic_load(&x->is_damaged))
		return 0;
	close_file(x);
	if (!atomic_exchange(&x->is_damaged, false)) {
		if (open_all(x, &why) == 0)
			return 0;
		close_file(x);
		if (!is_worthless(&why))
			return err_copy(e, &why);
	}
	if (move_aside(x, &why, e) < 0 || open_all(x, e) < 0) {
		close_file(x);
		return -1;
	}
	return 0;
}

/* Then the lock is held with others. */
static int enter(struct search *x, struct err *e)
{
	for (;;) {
		int rc;

		pthread_rwlock_rdlock(&x->lock);
		if (x->is_open && !atomic_load(&x->is_damaged))
			return 0;
		pthread_rwlock_unlock(&x->lock);
		pthread_rwlock_wrlock(&x->lock);
		rc = open_or_begin(x, e);
		pthread_rwlock_unlock(&x->lock);
		if (rc < 0)
			return err_wrap(e, "the search index");
	}
}

static void leave(struct search *x, int rc, const struct err *e)
{
	if (rc < 0 && e && e->code == ERR_CORRUPT)
		atomic_store(&x->is_damaged, true);
	pthread_rwlock_unlock(&x->lock);
}

int search_rebuild(struct store *s, struct err *e)
{
	struct err why = {.code = ERR_VERSION, .text = "asked for"};
	int rc;

	pthread_rwlock_wrlock(&s->search->lock);
	close_file(s->search);
	rc = move_aside(s->search, &why, e);
	pthread_rwlock_unlock(&s->search->lock);
	return rc;
}

/* ---- using it ---- */

static int run_writer(struct search *x, search_fn *fn, void *arg, struct err *e)
{
	uint64_t frames, left;

	if (db_begin(x->writer, e) < 0)
		return -1;
	if (fn(x, x->writer, arg, e) < 0 || db_commit(x->writer, e) < 0) {
		db_rollback(x->writer);
		return -1;
	}
	/* what a reader is in the way of is copied back another time */
	if (db_log_frames(x->writer) > SEARCH_WAL_FRAMES &&
		db_checkpoint(x->writer, false, &frames, &left, e) < 0)
		return -1;
	return 0;
}

static int write_once(struct search *x, search_fn *fn, void *arg, struct err *e)
{
	int rc;

	if (enter(x, e) < 0)
		return -1;
	pthread_mutex_lock(&x->writer_lock);
	rc = run_writer(x, fn, arg, e);
	pthread_mutex_unlock(&x->writer_lock);
	leave(x, rc, e);
	return rc;
}

/* Once more when it was found damaged: then there is a new one. */
int search_write(struct store *s, search_fn *fn, void *arg, struct err *e)
{
	struct err first = {0};

	if (write_once(s->search, fn, arg, &first) == 0)
		return 0;
	return first.code == ERR_CORRUPT ? write_once(s->search, fn, arg, e) : err_copy(e, &first);
}

static struct search_reader *take(struct search *x)
{
	struct search_reader *r;

	pthread_mutex_lock(&x->pool_lock);
	while (!x->idle_count)
		pthread_cond_wait(&x->pool_changed, &x->pool_lock);
	r = x->idle[--x->idle_count];
	pthread_mutex_unlock(&x->pool_lock);
	return r;
}

static void give_back(struct search *x, struct search_reader *r)
{
	pthread_mutex_lock(&x->pool_lock);
	x->idle[x->idle_count++] = r;
	pthread_cond_signal(&x->pool_changed);
	pthread_mutex_unlock(&x->pool_lock);
}

static int read_once(struct search *x, search_read_fn *fn, void *arg, struct err *e)
{
	struct search_reader *r;
	int rc;

	if (enter(x, e) < 0)
		return -1;
	r = take(x);
	rc = db_begin(r->db, e);
	if (rc == 0)
		rc = fn(r, arg, e);
	if (!db_in_transaction(r->db) || db_commit(r->db, NULL) < 0) /* nothing was written */
		db_rollback(r->db);
	give_back(x, r);
	leave(x, rc, e);
	return rc;
}

int search_read(struct store *s, search_read_fn *fn, void *arg, struct err *e)
{
	struct err first = {0};

	if (read_once(s->search, fn, arg, &first) == 0)
		return 0;
	return first.code == ERR_CORRUPT ? read_once(s->search, fn, arg, e) : err_copy(e, &first);
}
