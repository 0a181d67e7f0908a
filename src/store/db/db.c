#include "store/db/db.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "store/db/db_priv.h"

extern const struct db_sql __start_yizhan_sql[];
extern const struct db_sql __stop_yizhan_sql[];

const struct db_sql *db_sql_all(size_t *count_r)
{
	*count_r = (size_t)(__stop_yizhan_sql - __start_yizhan_sql);
	return __start_yizhan_sql;
}

int db_open(const struct db_opts *opts, struct db **db_r, struct err *e)
{
	const struct db_driver *driver = opts->driver ? opts->driver : db_driver_sqlite();
	struct db *db;

	if (driver->open(opts, &db, e) < 0)
		return -1;
	db->driver = driver;
	db_sql_all(&db->stmt_count);
	db->stmts = mem_alloc(db->stmt_count * sizeof(struct db_stmt *));
	*db_r = db;
	return 0;
}

void db_close(struct db **db)
{
	struct db *d = *db;

	if (!d)
		return;
	for (size_t i = 0; i < d->stmt_count; i++)
		if (d->stmts[i])
			d->driver->finalize(d->stmts[i]);
	free(d->stmts);
	d->driver->close(d);
	*db = NULL;
}

void db_set_owner(struct db *db, void *owner)
{
	db->owner = owner;
}

void *db_owner(const struct db *db)
{
	return db->owner;
}

struct db_stmt *db_prepare(struct db *db, const struct db_sql *sql, struct err *e)
{
	size_t number = (size_t)(sql - __start_yizhan_sql);
	struct db_stmt *st;

	MUST(number < db->stmt_count);
	st = db->stmts[number];
	if (!st) {
		st = db->driver->prepare(db, sql, e);
		if (!st)
			return NULL;
		st->db = db;
		st->sql = sql;
		db->stmts[number] = st;
	}
	MUST(!st->is_busy);
	st->is_busy = true;
	return st;
}

void db_bind_i64(struct db_stmt *st, unsigned param, int64_t value)
{
	st->db->driver->bind_i64(st, param, value);
}

void db_bind_text(struct db_stmt *st, unsigned param, struct span text)
{
	st->db->driver->bind_span(st, param, text, true);
}

void db_bind_bytes(struct db_stmt *st, unsigned param, struct span bytes)
{
	st->db->driver->bind_span(st, param, bytes, false);
}

void db_bind_null(struct db_stmt *st, unsigned param)
{
	st->db->driver->bind_null(st, param);
}

int db_step(struct db_stmt *st, bool *is_row_r, struct err *e)
{
	MUST(st->is_busy);
	return st->db->driver->step(st, is_row_r, e);
}

void db_done(struct db_stmt *st)
{
	if (!st)
		return;
	st->db->driver->reset(st);
	st->is_busy = false;
}

int db_finish(struct db_stmt *st, struct err *e)
{
	bool is_row;
	int rc;

	do {
		rc = db_step(st, &is_row, e);
	} while (!rc && is_row);
	db_done(st);
	return rc;
}

/* A va_list is passed by pointer so that db_get can go on with the columns behind it. */
struct db_args {
	va_list ap;
};

static void bind_all(struct db_stmt *st, const char *types, struct db_args *args)
{
	for (unsigned param = 1; *types && *types != ':'; types++, param++) {
		switch (*types) {
		case 'i': db_bind_i64(st, param, va_arg(args->ap, int64_t)); break;
		case 't': db_bind_text(st, param, va_arg(args->ap, struct span)); break;
		case 'b': db_bind_bytes(st, param, va_arg(args->ap, struct span)); break;
		case 'n': db_bind_null(st, param); break;
		default: MUST(!"a letter of db_run's types");
		}
	}
}

static void take_cols(struct db_stmt *st, struct arena *a, const char *types, struct db_args *args)
{
	for (unsigned col = 0; *types; types++, col++) {
		switch (*types) {
		case 'i': *va_arg(args->ap, int64_t *) = db_col_i64(st, col); break;
		case 't':
		case 'b': {
			struct span s = db_col_span(st, col);

			*va_arg(args->ap, struct span *) = a ? arena_span(a, s) : s;
			break;
		}
		case '-': break;
		default: MUST(!"a letter of db_cols's types");
		}
	}
}

int db_run(struct db *db, struct err *e, const struct db_sql *sql, const char *types, ...)
{
	struct db_stmt *st = db_prepare(db, sql, e);
	struct db_args args;

	if (!st)
		return -1;
	va_start(args.ap, types);
	bind_all(st, types, &args);
	va_end(args.ap);
	return db_finish(st, e);
}

struct db_stmt *db_query(
	struct db *db, struct err *e, const struct db_sql *sql, const char *types, ...)
{
	struct db_stmt *st = db_prepare(db, sql, e);
	struct db_args args;

	if (!st)
		return NULL;
	va_start(args.ap, types);
	bind_all(st, types, &args);
	va_end(args.ap);
	return st;
}

int db_get(struct db *db, struct err *e, struct arena *a, const struct db_sql *sql,
	bool *is_found_r, const char *types, ...)
{
	struct db_stmt *st = db_prepare(db, sql, e);
	struct db_args args;
	bool is_row;
	int rc;

	*is_found_r = false;
	if (!st)
		return -1;
	va_start(args.ap, types);
	bind_all(st, types, &args);
	rc = db_step(st, &is_row, e);
	if (!rc && is_row) {
		const char *cols = types;

		while (*cols && *cols != ':')
			cols++;
		*is_found_r = true;
		if (*cols) {
			struct span rest = span_str(cols + 1);

			MUST(a || (span_find(rest, 't') < 0 && span_find(rest, 'b') < 0));
			take_cols(st, a, cols + 1, &args);
		}
		rc = db_finish(st, e);
	} else {
		db_done(st);
	}
	va_end(args.ap);
	return rc;
}

void db_cols(struct db_stmt *st, const char *types, ...)
{
	struct db_args args;

	va_start(args.ap, types);
	take_cols(st, NULL, types, &args);
	va_end(args.ap);
}

bool db_col_is_null(struct db_stmt *st, unsigned col)
{
	return st->db->driver->col_is_null(st, col);
}

int64_t db_col_i64(struct db_stmt *st, unsigned col)
{
	return st->db->driver->col_i64(st, col);
}

struct span db_col_span(struct db_stmt *st, unsigned col)
{
	return st->db->driver->col_span(st, col);
}

uint64_t db_changes(const struct db *db)
{
	return db->driver->changes(db);
}

uint64_t db_total_changes(const struct db *db)
{
	return db->driver->total_changes(db);
}

int db_exec(struct db *db, const char *sql, struct err *e)
{
	return db->driver->exec(db, sql, e);
}

int db_begin(struct db *db, struct err *e)
{
	return db->driver->begin(db, e);
}

int db_commit(struct db *db, struct err *e)
{
	return db->driver->commit(db, e);
}

void db_rollback(struct db *db)
{
	db->driver->rollback(db);
}

int db_savepoint(struct db *db, struct err *e)
{
	return db->driver->savepoint(db, e);
}

int db_release(struct db *db, struct err *e)
{
	return db->driver->release(db, e);
}

int db_rollback_to(struct db *db, struct err *e)
{
	return db->driver->rollback_to(db, e);
}

bool db_in_transaction(const struct db *db)
{
	return db->driver->in_transaction(db);
}

const char *db_word(const struct db *db, struct span word)
{
	return db->driver->word(word);
}

const struct db_sql *db_sql_integrity(const struct db *db)
{
	return db->driver->sql_integrity;
}

const struct db_sql *db_sql_claim(const struct db *db)
{
	return db->driver->sql_claim;
}

int db_notify(struct db *db, const char *topic, struct err *e)
{
	return db->driver->notify(db, topic, e);
}

int db_checkpoint(
	struct db *db, bool is_restart, uint64_t *frames_r, uint64_t *left_r, struct err *e)
{
	return db->driver->checkpoint(db, is_restart, frames_r, left_r, e);
}

int db_wipe(struct db *db, bool is_on, struct err *e)
{
	return db->driver->wipe ? db->driver->wipe(db, is_on, e) : 0;
}

int db_shrink(struct db *db, uint64_t keep, uint64_t slice, struct err *e)
{
	return db->driver->shrink(db, keep, slice, e);
}

uint64_t db_page_size(const struct db *db)
{
	return db->driver->page_size(db);
}

uint64_t db_log_frames(const struct db *db)
{
	return db->driver->log_frames(db);
}

int db_snapshot(struct db *db, const char *file,
	void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct err *e)
{
	return db->driver->snapshot(db, file, progress, arg, e);
}
