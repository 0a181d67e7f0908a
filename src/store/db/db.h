#pragma once
/* The small SQL door: a connection, prepared statements that are made once, transactions. SQL above
 * it is written once, in the dialect that SQLite and PostgreSQL share (RETURNING, ON CONFLICT,
 * parameters `$1` ... `$n`); what differs is a function or a word of the driver.
 *
 *	DB_SQL(sql_find, "SELECT uidnext, name FROM mailbox WHERE id = $1");
 *
 *	struct db_stmt *st = db_query(db, e, &sql_find, "i", (int64_t)id);
 *	bool is_row;
 *	if (!st || db_step(st, &is_row, e) < 0)
 *		return -1;
 *	if (is_row)
 *		db_cols(st, "it", &uidnext, &name);	// spans live until the next step or done
 *	db_done(st);
 *
 * A connection belongs to one thread at a time. Nothing here yields: it blocks, and therefore runs
 * only on the writer thread, a work lane, or before any loop exists.
 *
 * Errors: ERR_FULL (disk full), ERR_IO, ERR_CORRUPT, ERR_BUSY (another process holds the file),
 * ERR_EXISTS (a uniqueness or other constraint), ERR_STATE (a statement that does not prepare: our
 * bug, told by its text). */

#include <stdarg.h>

#include "base/arena.h"
#include "base/err.h"

struct db;
struct db_stmt;
struct db_driver;

/* A statement text. All of a program's lie in one linker section, so that each has a number (the
 * connection's cache is an array) and tests can walk them all (EXPLAIN QUERY PLAN). */
struct db_sql {
	const char *text;
	const char *name;
} __attribute__((aligned(16)));

#define DB_SQL(id, sql)                                                                            \
	static const struct db_sql id                                                              \
		__attribute__((section("yizhan_sql"), used, aligned(16))) = {sql, #id}

/** All statements of this program: the first, and how many. */
const struct db_sql *db_sql_all(size_t *count_r);

enum db_role { DB_WRITER, DB_READER };

struct db_opts {
	const struct db_driver *driver; /* NULL: db_driver_sqlite() */
	const char *path;               /* SQLite: the file */
	const char *vfs;                /* SQLite: name of the VFS, NULL the default */
	enum db_role role;              /* a reader cannot write */
	unsigned page_size;             /* of a new file; 0: DB_PAGE_SIZE */
	unsigned cache_kib;             /* 0: DB_CACHE_KIB */
	bool is_fsync_off;              /* tests only */
	bool is_derived; /* what can be made anew: a commit does not wait for the disk. Full text. */
};

#define DB_PAGE_SIZE 4096
#define DB_CACHE_KIB (16 * 1024)

const struct db_driver *db_driver_sqlite(void);

int db_open(const struct db_opts *opts, struct db **db_r, struct err *e);
/** Finalizes all statements. NULL inside is allowed. */
void db_close(struct db **db);
/** What the connection's owner hangs on it (the store's writer). */
void db_set_owner(struct db *db, void *owner);
void *db_owner(const struct db *db);

/* One call for a statement. `types` has a letter a parameter:
 *	i int64_t	t struct span (text)	b struct span (bytes)	n NULL (no argument)
 * Integers MUST be passed as int64_t (cast literals). A span with a NULL pointer is bound as an
 * empty value, not as NULL. Spans are borrowed until the statement is done. */

/** Run to the end, rows ignored. */
int db_run(struct db *db, struct err *e, const struct db_sql *sql, const char *types, ...);
/** Rows that the last INSERT, UPDATE or DELETE of this connection touched. */
uint64_t db_changes(const struct db *db);
/** Run, and take the columns of the first row as db_cols does (bytes into the arena `a`, which may
 * be NULL when no column is a span). `types` is "parameters:columns", e.g. "i:it". *is_found_r
 * tells whether there was a row; when not, the outputs are left alone. Further rows are run to the
 * end, so RETURNING statements have done all their work. */
int db_get(struct db *db, struct err *e, struct arena *a, const struct db_sql *sql,
	bool *is_found_r, const char *types, ...);
/** Bind and leave ready to be stepped; the caller ends with db_done(), also after an error of
 * db_step. NULL on error. A statement can run once at a time on a connection. */
struct db_stmt *db_query(
	struct db *db, struct err *e, const struct db_sql *sql, const char *types, ...);

int db_step(struct db_stmt *st, bool *is_row_r, struct err *e);
/** Columns of the current row from the first on: i -> int64_t *, t and b -> struct span * (valid
 * until the next db_step or db_done), `-` skips one. NULL is read as 0 or an empty span. */
void db_cols(struct db_stmt *st, const char *types, ...);
bool db_col_is_null(struct db_stmt *st, unsigned col); /* from 0 */
int64_t db_col_i64(struct db_stmt *st, unsigned col);
struct span db_col_span(struct db_stmt *st, unsigned col);
/** Ends the run; the statement stays prepared. NULL is allowed. */
void db_done(struct db_stmt *st);

/* The same by hand, for the statements that run for every message. Parameters count from 1. */
struct db_stmt *db_prepare(struct db *db, const struct db_sql *sql, struct err *e);
void db_bind_i64(struct db_stmt *st, unsigned param, int64_t value);
void db_bind_text(struct db_stmt *st, unsigned param, struct span text);
void db_bind_bytes(struct db_stmt *st, unsigned param, struct span bytes);
void db_bind_null(struct db_stmt *st, unsigned param);
/** Step to the end and done. */
int db_finish(struct db_stmt *st, struct err *e);

/** Statements without parameters and rows, `;` between: migrations. Not cached. */
int db_exec(struct db *db, const char *sql, struct err *e);

/* Transactions. A writer's begin takes the write lock at once. Commit is durable when it returns 0;
 * when it fails the caller rolls back. Rollback always works. Savepoints nest by name: one level is
 * enough here. */
int db_begin(struct db *db, struct err *e);
int db_commit(struct db *db, struct err *e);
void db_rollback(struct db *db);
int db_savepoint(struct db *db, struct err *e);
int db_release(struct db *db, struct err *e);
int db_rollback_to(struct db *db, struct err *e); /* and release */
bool db_in_transaction(const struct db *db);
/** Grows with each row written: tells whether a closure has changed anything. */
uint64_t db_total_changes(const struct db *db);

/* What differs between the engines. */

/** A word of the schema texts (`@int`, `@id`, `@text`, `@bytes`, `@keyed`; `@lanes`: the triggers that
 * keep queue_lane), or NULL. */
const char *db_word(const struct db *db, struct span word);
/** The engine's own look at its files: rows of one text column, "ok" when all is well. */
const struct db_sql *db_sql_integrity(const struct db *db);
/** How due queue rows of one priority are claimed (SKIP LOCKED where several machines compete).
 * Parameters: priority, now, how many; returns the ids. */
const struct db_sql *db_sql_claim(const struct db *db);
/** Tell other machines that `topic` changed; part of the transaction. Nothing on SQLite. */
int db_notify(struct db *db, const char *topic, struct err *e);
/** Copy pages of the log back into the file (SQLite's WAL; nothing elsewhere). `is_restart` waits
 * for nobody, but lets the next transaction begin at the log's start when no reader is in the way.
 * *left_r: log frames that are not yet copied. */
int db_checkpoint(
	struct db *db, bool is_restart, uint64_t *frames_r, uint64_t *left_r, struct err *e);
/** While it is on, what is deleted or replaced is overwritten in the pages that it leaves (secrets). Off again before the
 * transaction ends: it writes more. Nothing where the engine has no such thing. */
int db_wipe(struct db *db, bool is_on, struct err *e);
/** Give free pages beyond `keep` octets back to the file system, at most `slice` octets; inside a
 * transaction. Nothing where the engine does that itself. */
int db_shrink(struct db *db, uint64_t keep, uint64_t slice, struct err *e);
uint64_t db_page_size(const struct db *db);
/** Log frames (pages) after the last commit of this connection. */
uint64_t db_log_frames(const struct db *db);
/** Consistent copy of an open store into a file that must not exist. */
int db_snapshot(struct db *db, const char *file,
	void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct err *e);
