/* SQLite as the store's engine: WAL, synchronous=FULL, one connection a thread. */

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/must.h"
#include "store/db/db_fts.h"
#include "store/db/db_priv.h"
#include "store/db/vfs_gather.h"

enum fixed { FIXED_BEGIN, FIXED_COMMIT, FIXED_SAVEPOINT, FIXED_RELEASE, FIXED_ROLLBACK_TO, FIXED };

struct sqlite_db {
	struct db db;
	sqlite3 *handle;
	sqlite3_stmt *fixed[FIXED];
	enum db_role role;
	uint64_t page_size;
	uint64_t log_frames;
	bool is_fsync_off;
};

struct sqlite_stmt {
	struct db_stmt st;
	sqlite3_stmt *handle;
};

/* sql_claim: ordered by the partial index on waiting rows. */
DB_SQL(sql_integrity, "PRAGMA integrity_check(100)");
DB_SQL(sql_claim,
	"SELECT id FROM queue_rcpt WHERE state = 0 AND destination = $1 AND priority = $2 "
	"AND next_ns <= $3 ORDER BY next_ns LIMIT $4");

#define DB_MMAP_MAX     (8ULL << 30)
#define DB_SQL_MAX      (16 * 1024)
#define DB_BUSY_WAIT_MS 5000 /* only another process or a closing connection makes us wait */

static struct sqlite_db *self(const struct db *db)
{
	return (struct sqlite_db *)(void *)db;
}

static sqlite3_stmt *stmt(const struct db_stmt *st)
{
	return ((const struct sqlite_stmt *)(const void *)st)->handle;
}

static enum err_code code_of(sqlite3 *handle, int rc)
{
	switch (rc & 0xff) {
	case SQLITE_FULL: return ERR_FULL;
	case SQLITE_IOERR: {
		int sys = handle ? sqlite3_system_errno(handle) : 0;

		return sys == ENOSPC || sys == EDQUOT || sys == EFBIG ? ERR_FULL : ERR_IO;
	}
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: return ERR_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED: return ERR_BUSY;
	case SQLITE_CONSTRAINT: return ERR_EXISTS;
	case SQLITE_CANTOPEN:
	case SQLITE_READONLY:
	case SQLITE_PERM: return ERR_IO;
	case SQLITE_TOOBIG: return ERR_LIMIT;
	default: return ERR_STATE;
	}
}

static int fail(struct sqlite_db *s, int rc, const char *what, struct err *e)
{
	int sys = sqlite3_system_errno(s->handle);

	err_set(e, code_of(s->handle, rc), "%s: %s (%d)", what, sqlite3_errmsg(s->handle),
		sqlite3_extended_errcode(s->handle));
	if (e && (rc & 0xff) == SQLITE_IOERR)
		e->sys_errno = sys;
	return -1;
}

/* ---- `$N` to `?N` ---- */

static bool is_name_char(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		c == '_' || c >= 0x80;
}

/* The length of a quoted piece, a comment, or 0 when none starts here. */
static size_t opaque_length(struct span s)
{
	char c = s.ptr[0];
	ptrdiff_t end;

	if (c == '\'' || c == '"') {
		/* a doubled quote ends one piece and starts the next: same result */
		end = span_find(span_skip(s, 1), c);
		return end < 0 ? s.len : (size_t)end + 2;
	}
	if (span_starts(s, SPAN("--"))) {
		end = span_find(s, '\n');
		return end < 0 ? s.len : (size_t)end + 1;
	}
	if (span_starts(s, SPAN("/*"))) {
		end = span_find_span(span_skip(s, 2), SPAN("*/"));
		return end < 0 ? s.len : (size_t)end + 4;
	}
	return 0;
}

void db_sqlite_rewrite(struct buf *out, struct span sql)
{
	unsigned char before = ' ';

	while (sql.len) {
		size_t n = opaque_length(sql);

		if (n) {
			buf_put(out, sql.ptr, n);
		} else {
			bool is_param = sql.ptr[0] == '$' && sql.len > 1 && sql.ptr[1] >= '1' &&
				sql.ptr[1] <= '9' && !is_name_char(before);

			n = 1;
			buf_char(out, is_param ? '?' : sql.ptr[0]);
		}
		before = (unsigned char)sql.ptr[n - 1];
		sql = span_skip(sql, n);
	}
}

/* ---- opening ---- */

static int pragma(struct sqlite_db *s, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int pragma(struct sqlite_db *s, struct err *e, const char *fmt, ...)
{
	struct buf b;
	va_list ap;
	int rc;

	buf_init(&b, 512);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	rc = sqlite3_exec(s->handle, buf_cstr(&b), NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		fail(s, rc, buf_cstr(&b), e);
	buf_fini(&b);
	return rc == SQLITE_OK ? 0 : -1;
}

static int on_commit(void *arg, sqlite3 *handle, const char *name, int frames)
{
	struct sqlite_db *s = arg;

	(void)handle;
	(void)name;
	s->log_frames = (uint64_t)frames;
	return SQLITE_OK;
}

/* Once a process, before SQLite starts: no global statistics behind a mutex, and what a savepoint
 * keeps to roll back stays in memory. */
static void configure_library(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	sqlite3_config(SQLITE_CONFIG_STMTJRNL_SPILL, -1);
	sqlite3_initialize();
}

static int prepare_fixed(struct sqlite_db *s, struct err *e)
{
	const char *const texts[FIXED] = {
		[FIXED_BEGIN] = s->role == DB_WRITER ? "BEGIN IMMEDIATE" : "BEGIN",
		[FIXED_COMMIT] = "COMMIT",
		[FIXED_SAVEPOINT] = "SAVEPOINT one",
		[FIXED_RELEASE] = "RELEASE one",
		[FIXED_ROLLBACK_TO] = "ROLLBACK TO one",
	};

	for (int i = 0; i < FIXED; i++) {
		int rc = sqlite3_prepare_v3(
			s->handle, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &s->fixed[i], NULL);

		if (rc != SQLITE_OK)
			return fail(s, rc, texts[i], e);
	}
	return 0;
}

static int read_page_size(struct sqlite_db *s, struct err *e)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(s->handle, "PRAGMA page_size", -1, &st, NULL);

	if (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		s->page_size = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return s->page_size ? 0 : fail(s, rc, "PRAGMA page_size", e);
}

static const char *sync_word(const struct db_opts *opts)
{
	if (opts->is_fsync_off)
		return "OFF";
	return opts->is_derived ? "NORMAL" : "FULL";
}

static int set_up(struct sqlite_db *s, const struct db_opts *opts, struct err *e)
{
	sqlite3_extended_result_codes(s->handle, 1);
	sqlite3_busy_timeout(s->handle, DB_BUSY_WAIT_MS);
	/* page_size and auto_vacuum only take effect in a file that is still empty */
	if (s->role == DB_WRITER &&
		(pragma(s, e, "PRAGMA page_size=%u",
			 opts->page_size ? opts->page_size : DB_PAGE_SIZE) < 0 ||
			pragma(s, e, "PRAGMA auto_vacuum=INCREMENTAL") < 0 ||
			pragma(s, e, "PRAGMA journal_mode=WAL") < 0))
		return -1;
	if (opts->is_derived && db_fts_register(s->handle) != SQLITE_OK)
		return err_set(e, ERR_UNSUPPORTED, "this SQLite has no full text (FTS5)");
	if (pragma(s, e, "PRAGMA synchronous=%s", sync_word(opts)) < 0 ||
		pragma(s, e, "PRAGMA cache_size=-%u",
			opts->cache_kib ? opts->cache_kib : DB_CACHE_KIB) < 0 ||
		pragma(s, e, "PRAGMA temp_store=MEMORY") < 0 ||
		/* on in some builds: it would write every freed page once more */
		pragma(s, e, "PRAGMA secure_delete=OFF") < 0 ||
		(s->role == DB_READER && pragma(s, e, "PRAGMA query_only=1") < 0) ||
		/* a search looks at many pages once: not worth a copy each */
		(opts->is_derived && s->role == DB_READER &&
			pragma(s, e, "PRAGMA mmap_size=%llu", DB_MMAP_MAX) < 0))
		return -1;
	/* our own hook takes the place of SQLite's automatic checkpoint */
	sqlite3_wal_hook(s->handle, on_commit, s);
	return read_page_size(s, e) < 0 || prepare_fixed(s, e) < 0 ? -1 : 0;
}

static void sqlite_close(struct db *db)
{
	struct sqlite_db *s = self(db);

	for (int i = 0; i < FIXED; i++)
		sqlite3_finalize(s->fixed[i]);
	MUST(sqlite3_close(s->handle) == SQLITE_OK);
	free(s);
}

static int sqlite_open(const struct db_opts *opts, struct db **db_r, struct err *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct sqlite_db *s = NEW(struct sqlite_db);
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX |
		(opts->role == DB_WRITER ? SQLITE_OPEN_CREATE : 0);
	int rc;

	pthread_once(&once, configure_library);
	s->role = opts->role;
	s->is_fsync_off = opts->is_fsync_off;
	/* the log's writes may only gather where each commit syncs */
	rc = sqlite3_open_v2(opts->path, &s->handle, flags,
		opts->is_fsync_off || opts->is_derived ? opts->vfs : vfs_gather(opts->vfs));
	if (rc != SQLITE_OK)
		fail(s, rc, opts->path, e);
	else if (set_up(s, opts, e) == 0) {
		*db_r = &s->db;
		return 0;
	}
	err_wrap(e, "opening %s", opts->path);
	sqlite_close(&s->db);
	return -1;
}

/* ---- statements ---- */

static struct db_stmt *sqlite_prepare(struct db *db, const struct db_sql *sql, struct err *e)
{
	struct sqlite_db *s = self(db);
	struct sqlite_stmt *st = NEW(struct sqlite_stmt);
	struct buf text;
	int rc;

	buf_init(&text, DB_SQL_MAX);
	db_sqlite_rewrite(&text, span_str(sql->text));
	MUST(buf_ok(&text));
	rc = sqlite3_prepare_v3(s->handle, buf_cstr(&text), (int)buf_len(&text),
		SQLITE_PREPARE_PERSISTENT, &st->handle, NULL);
	buf_fini(&text);
	if (rc == SQLITE_OK)
		return &st->st;
	fail(s, rc, sql->name, e);
	free(st);
	return NULL;
}

static void sqlite_finalize(struct db_stmt *st)
{
	sqlite3_finalize(stmt(st));
	free(st);
}

static void sqlite_bind_i64(struct db_stmt *st, unsigned param, int64_t value)
{
	MUST(sqlite3_bind_int64(stmt(st), (int)param, value) == SQLITE_OK);
}

static void sqlite_bind_span(struct db_stmt *st, unsigned param, struct span s, bool is_text)
{
	const char *p = s.ptr ? s.ptr : "";
	int rc = is_text
		? sqlite3_bind_text64(stmt(st), (int)param, p, s.len, SQLITE_STATIC, SQLITE_UTF8)
		: sqlite3_bind_blob64(stmt(st), (int)param, p, s.len, SQLITE_STATIC);

	MUST(rc == SQLITE_OK);
}

static void sqlite_bind_null(struct db_stmt *st, unsigned param)
{
	MUST(sqlite3_bind_null(stmt(st), (int)param) == SQLITE_OK);
}

static int sqlite_step(struct db_stmt *st, bool *is_row_r, struct err *e)
{
	int rc = sqlite3_step(stmt(st));

	*is_row_r = rc == SQLITE_ROW;
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : fail(self(st->db), rc, st->sql->name, e);
}

static void sqlite_reset(struct db_stmt *st)
{
	sqlite3_reset(stmt(st)); /* repeats the error that step has told */
}

static bool sqlite_col_is_null(struct db_stmt *st, unsigned col)
{
	return sqlite3_column_type(stmt(st), (int)col) == SQLITE_NULL;
}

static int64_t sqlite_col_i64(struct db_stmt *st, unsigned col)
{
	return sqlite3_column_int64(stmt(st), (int)col);
}

static struct span sqlite_col_span(struct db_stmt *st, unsigned col)
{
	const void *p = sqlite3_column_blob(stmt(st), (int)col);

	return span_of(p, (size_t)sqlite3_column_bytes(stmt(st), (int)col));
}

static int sqlite_exec(struct db *db, const char *sql, struct err *e)
{
	int rc = sqlite3_exec(self(db)->handle, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : fail(self(db), rc, "exec", e);
}

/* ---- transactions ---- */

static int run_fixed(struct db *db, enum fixed which, const char *what, struct err *e)
{
	struct sqlite_db *s = self(db);
	int rc = sqlite3_step(s->fixed[which]);

	if (rc != SQLITE_DONE)
		fail(s, rc, what, e);
	sqlite3_reset(s->fixed[which]);
	return rc == SQLITE_DONE ? 0 : -1;
}

static int sqlite_begin(struct db *db, struct err *e)
{
	return run_fixed(db, FIXED_BEGIN, "begin", e);
}

static int sqlite_commit(struct db *db, struct err *e)
{
	return run_fixed(db, FIXED_COMMIT, "commit", e);
}

static void sqlite_rollback(struct db *db)
{
	/* SQLite may have rolled back by itself (disk full); then there is nothing to do */
	if (!sqlite3_get_autocommit(self(db)->handle))
		sqlite3_exec(self(db)->handle, "ROLLBACK", NULL, NULL, NULL);
	MUST(sqlite3_get_autocommit(self(db)->handle));
}

static int sqlite_savepoint(struct db *db, struct err *e)
{
	return run_fixed(db, FIXED_SAVEPOINT, "savepoint", e);
}

static int sqlite_release(struct db *db, struct err *e)
{
	return run_fixed(db, FIXED_RELEASE, "release", e);
}

static int sqlite_rollback_to(struct db *db, struct err *e)
{
	int rc = run_fixed(db, FIXED_ROLLBACK_TO, "rollback to", e);

	return rc < 0 ? rc : run_fixed(db, FIXED_RELEASE, "release", e);
}

static bool sqlite_in_transaction(const struct db *db)
{
	return !sqlite3_get_autocommit(self(db)->handle);
}

static uint64_t sqlite_changes(const struct db *db)
{
	return (uint64_t)sqlite3_changes64(self(db)->handle);
}

static uint64_t sqlite_total_changes(const struct db *db)
{
	return (uint64_t)sqlite3_total_changes64(self(db)->handle);
}

/* ---- what only this engine has ---- */

/* A row that begins to wait makes its lane due no later than itself. */
#define LANE_TRIGGER(name, event)                                                                  \
	"CREATE TRIGGER queue_lane_" name " AFTER " event                                          \
	" ON queue_rcpt WHEN new.state = 0 BEGIN "                                                 \
	"INSERT INTO queue_lane (priority, destination, next_ns, paused_ns) "                      \
	"VALUES (new.priority, new.destination, new.next_ns, 0) "                                  \
	"ON CONFLICT (destination, priority) DO UPDATE SET "                                       \
	"next_ns = max(paused_ns, excluded.next_ns) WHERE next_ns > excluded.next_ns; END; "

static const char *sqlite_word(struct span word)
{
	static const struct {
		struct span word;
		const char *text;
	} words[] = {
		{{"id", 2}, "INTEGER PRIMARY KEY"}, /* the row's own number: no second tree */
		{{"int", 3}, "INTEGER"}, {{"text", 4}, "TEXT"}, {{"bytes", 5}, "BLOB"},
		{{"lanes", 5},
			LANE_TRIGGER("insert", "INSERT") LANE_TRIGGER(
				"update", "UPDATE OF state, next_ns, destination, priority")},
		{{"keyed", 5}, "WITHOUT ROWID"}, /* the table is its primary key's tree */
	};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (span_eq(words[i].word, word))
			return words[i].text;
	return NULL;
}

static int sqlite_notify(struct db *db, const char *topic, struct err *e)
{
	(void)db;
	(void)topic;
	(void)e;
	return 0; /* all who listen live in this process */
}

/* A pass that did not reach the log's end leaves the file's pages to the kernel; written out here,
 * they need not be waited for in the pass that ends the log. */
static int sync_file(struct sqlite_db *s, struct err *e)
{
	sqlite3_file *file = NULL;
	int rc = sqlite3_file_control(s->handle, "main", SQLITE_FCNTL_FILE_POINTER, &file);

	if (rc == SQLITE_OK && file && file->pMethods)
		rc = file->pMethods->xSync(file, SQLITE_SYNC_NORMAL);
	return rc == SQLITE_OK ? 0 : fail(s, rc, "syncing", e);
}

static int sqlite_checkpoint(
	struct db *db, bool is_restart, uint64_t *frames_r, uint64_t *left_r, struct err *e)
{
	struct sqlite_db *s = self(db);
	int frames = 0, copied = 0;
	int rc;

	/* a restart that meets a reader gives up at once: the caller has held readers back */
	sqlite3_busy_timeout(s->handle, 0);
	rc = sqlite3_wal_checkpoint_v2(s->handle, NULL,
		is_restart ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE, &frames,
		&copied);
	sqlite3_busy_timeout(s->handle, DB_BUSY_WAIT_MS);
	*frames_r = frames > 0 ? (uint64_t)frames : 0;
	*left_r = frames > copied ? (uint64_t)(frames - copied) : 0;
	if (rc != SQLITE_OK && (rc & 0xff) != SQLITE_BUSY)
		return fail(s, rc, "checkpoint", e);
	return *left_r && !is_restart && !s->is_fsync_off ? sync_file(s, e) : 0;
}

static int sqlite_wipe(struct db *db, bool is_on, struct err *e)
{
	return pragma(self(db), e, "PRAGMA secure_delete=%s", is_on ? "ON" : "OFF");
}

static int sqlite_shrink(struct db *db, uint64_t keep, uint64_t slice, struct err *e)
{
	struct sqlite_db *s = self(db);
	uint64_t keep_pages = keep / s->page_size, pages = slice / s->page_size;
	sqlite3_stmt *st;
	uint64_t spare = 0;
	int rc = sqlite3_prepare_v2(s->handle, "PRAGMA freelist_count", -1, &st, NULL);

	if (rc == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		spare = (uint64_t)sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	if (rc != SQLITE_OK)
		return fail(s, rc, "PRAGMA freelist_count", e);
	if (spare <= keep_pages)
		return 0;
	if (pages > spare - keep_pages)
		pages = spare - keep_pages;
	return pragma(s, e, "PRAGMA incremental_vacuum(%llu)", (unsigned long long)pages);
}

static uint64_t sqlite_page_size(const struct db *db)
{
	return self(db)->page_size;
}

static uint64_t sqlite_log_frames(const struct db *db)
{
	return self(db)->log_frames;
}

#define SNAPSHOT_PAGES 256 /* a step; between steps others may write */

static int copy_pages(sqlite3_backup *backup,
	void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg)
{
	int rc;

	do {
		rc = sqlite3_backup_step(backup, SNAPSHOT_PAGES);
		if (progress) {
			int total = sqlite3_backup_pagecount(backup);

			progress(arg, (uint64_t)(total - sqlite3_backup_remaining(backup)),
				(uint64_t)total);
		}
	} while (rc == SQLITE_OK);
	return rc;
}

static int sqlite_snapshot(struct db *db, const char *file,
	void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct err *e)
{
	struct sqlite_db to = {0};
	sqlite3_backup *backup;
	int rc;

	if (access(file, F_OK) == 0)
		return err_set(e, ERR_EXISTS, "%s is there already", file);
	rc = sqlite3_open_v2(file, &to.handle,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK) {
		fail(&to, rc, file, e);
		sqlite3_close(to.handle);
		return -1;
	}
	sqlite3_extended_result_codes(to.handle, 1);
	backup = sqlite3_backup_init(to.handle, "main", self(db)->handle, "main");
	rc = backup ? copy_pages(backup, progress, arg) : sqlite3_errcode(to.handle);
	if (backup)
		sqlite3_backup_finish(backup);
	if (rc != SQLITE_DONE) {
		fail(&to, rc, file, e);
		sqlite3_close(to.handle);
		unlink(file);
		return err_wrap(e, "copying the store");
	}
	MUST(sqlite3_close(to.handle) == SQLITE_OK);
	return 0;
}

static const struct db_driver driver = {
	.name = "sqlite",
	.open = sqlite_open,
	.close = sqlite_close,
	.prepare = sqlite_prepare,
	.finalize = sqlite_finalize,
	.bind_i64 = sqlite_bind_i64,
	.bind_span = sqlite_bind_span,
	.bind_null = sqlite_bind_null,
	.step = sqlite_step,
	.reset = sqlite_reset,
	.col_is_null = sqlite_col_is_null,
	.col_i64 = sqlite_col_i64,
	.col_span = sqlite_col_span,
	.exec = sqlite_exec,
	.begin = sqlite_begin,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.savepoint = sqlite_savepoint,
	.release = sqlite_release,
	.rollback_to = sqlite_rollback_to,
	.in_transaction = sqlite_in_transaction,
	.changes = sqlite_changes,
	.total_changes = sqlite_total_changes,
	.word = sqlite_word,
	.sql_claim = &sql_claim,
	.sql_integrity = &sql_integrity,
	.notify = sqlite_notify,
	.checkpoint = sqlite_checkpoint,
	.wipe = sqlite_wipe,
	.shrink = sqlite_shrink,
	.page_size = sqlite_page_size,
	.log_frames = sqlite_log_frames,
	.snapshot = sqlite_snapshot,
};

const struct db_driver *db_driver_sqlite(void)
{
	return &driver;
}
