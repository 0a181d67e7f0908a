#pragma once
/* What a driver is: one table. db.c holds what all have in common (the statement cache, the binding
 * of variable arguments); a driver's struct begins with struct db, its statements with
 * struct db_stmt. */

#include "base/buf.h"
#include "store/db/db.h"

struct db {
	const struct db_driver *driver;
	void *owner;
	struct db_stmt **stmts; /* by the statement's number */
	size_t stmt_count;
};

struct db_stmt {
	struct db *db;
	const struct db_sql *sql;
	bool is_busy; /* between prepare and done */
};

struct db_driver {
	const char *name;
	int (*open)(const struct db_opts *opts, struct db **db_r, struct err *e);
	void (*close)(struct db *db); /* after its statements are gone */
	struct db_stmt *(*prepare)(struct db *db, const struct db_sql *sql, struct err *e);
	void (*finalize)(struct db_stmt *st);
	void (*bind_i64)(struct db_stmt *st, unsigned param, int64_t value);
	void (*bind_span)(struct db_stmt *st, unsigned param, struct span s, bool is_text);
	void (*bind_null)(struct db_stmt *st, unsigned param);
	int (*step)(struct db_stmt *st, bool *is_row_r, struct err *e);
	void (*reset)(struct db_stmt *st);
	bool (*col_is_null)(struct db_stmt *st, unsigned col);
	int64_t (*col_i64)(struct db_stmt *st, unsigned col);
	struct span (*col_span)(struct db_stmt *st, unsigned col);
	int (*exec)(struct db *db, const char *sql, struct err *e);
	int (*begin)(struct db *db, struct err *e);
	int (*commit)(struct db *db, struct err *e);
	void (*rollback)(struct db *db);
	int (*savepoint)(struct db *db, struct err *e);
	int (*release)(struct db *db, struct err *e);
	int (*rollback_to)(struct db *db, struct err *e);
	bool (*in_transaction)(const struct db *db);
	uint64_t (*changes)(const struct db *db);
	uint64_t (*total_changes)(const struct db *db);
	const char *(*word)(struct span word);
	const struct db_sql *sql_claim, *sql_integrity;
	int (*notify)(struct db *db, const char *topic, struct err *e);
	int (*checkpoint)(struct db *db, bool is_restart, uint64_t *frames_r, uint64_t *left_r,
		struct err *e);
	int (*wipe)(struct db *db, bool is_on, struct err *e);
	int (*shrink)(struct db *db, uint64_t keep, uint64_t slice, struct err *e);
	uint64_t (*page_size)(const struct db *db);
	uint64_t (*log_frames)(const struct db *db);
	int (*snapshot)(struct db *db, const char *file,
		void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
		struct err *e);
};

/** `$N` becomes `?N` outside literals, quoted names and comments. SQLite numbers `$N` by first
 * appearance, PostgreSQL by N; `?N` is SQLite's way to say the latter. */
void db_sqlite_rewrite(struct buf *out, struct span sql);
