#include "store/shape.h"

#include "store/db/db.h"
#include "store/store_priv.h"

#define SHAPE_PAGE 256

DB_SQL(sql_shape_page,
	"SELECT match, connections, connection_rate, message_rate, messages, recipients, is_off, "
	"note FROM shape WHERE match > $1 ORDER BY match LIMIT 256");
DB_SQL(sql_shape_replies,
	"SELECT n, match, pattern, action, pause_ns, note FROM shape_reply WHERE n > $1 "
	"ORDER BY n LIMIT 256");
DB_SQL(sql_shape_set,
	"INSERT INTO shape (match, connections, connection_rate, message_rate, messages, "
	"recipients, is_off, note) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (match) DO "
	"UPDATE SET connections = $2, connection_rate = $3, message_rate = $4, messages = $5, "
	"recipients = $6, is_off = $7, note = $8");
DB_SQL(sql_shape_remove, "DELETE FROM shape WHERE match = $1");
DB_SQL(sql_shape_last, "SELECT n FROM shape_reply ORDER BY n DESC LIMIT 1");
DB_SQL(sql_shape_reply_set,
	"INSERT INTO shape_reply (n, match, pattern, action, pause_ns, note) "
	"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (n) DO UPDATE SET match = $2, pattern = $3, "
	"action = $4, pause_ns = $5, note = $6");
DB_SQL(sql_shape_reply_remove, "DELETE FROM shape_reply WHERE n = $1");

/* ---- reading ---- */

struct shape_read {
	struct arena *a;
	struct shape_rows *out;
	size_t page;
};

static int read_rows(struct db *db, void *arg, struct err *e)
{
	struct shape_read *r = arg;
	struct shape_rows *out = r->out;
	struct span after = out->count ? out->rows[out->count - 1].match : SPAN_NONE;
	struct db_stmt *st = db_query(db, e, &sql_shape_page, "t", after);
	bool is_row = false;
	int rc = st ? 0 : -1;

	r->page = 0;
	while (st && out->count < SHAPE_ROWS_MAX && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct shape_row *row = &out->rows[out->count++];

		r->page++;
		*row = (struct shape_row){.match = arena_span(r->a, db_col_span(st, 0)),
			.connections = (int)db_col_i64(st, 1),
			.connection_rate = arena_span(r->a, db_col_span(st, 2)),
			.message_rate = arena_span(r->a, db_col_span(st, 3)),
			.messages = (int)db_col_i64(st, 4),
			.recipients = (int)db_col_i64(st, 5),
			.is_off = db_col_i64(st, 6) != 0,
			.note = arena_span(r->a, db_col_span(st, 7))};
	}
	db_done(st);
	return rc;
}

static int read_replies(struct db *db, void *arg, struct err *e)
{
	struct shape_read *r = arg;
	struct shape_rows *out = r->out;
	int64_t after = out->reply_count ? (int64_t)out->replies[out->reply_count - 1].n
					 : INT64_MIN;
	struct db_stmt *st = db_query(db, e, &sql_shape_replies, "i", after);
	bool is_row = false;
	int rc = st ? 0 : -1;

	r->page = 0;
	while (st && out->reply_count < SHAPE_ROWS_MAX && (rc = db_step(st, &is_row, e)) == 0 &&
		is_row) {
		struct shape_reply *row = &out->replies[out->reply_count++];
		int64_t action = db_col_i64(st, 3);

		r->page++;
		*row = (struct shape_reply){.n = (uint64_t)db_col_i64(st, 0),
			.match = arena_span(r->a, db_col_span(st, 1)),
			.pattern = arena_span(r->a, db_col_span(st, 2)),
			/* of a newer version: no action of ours */
			.action = action >= 0 && action < SHAPE_ACTION_COUNT
				? (enum shape_action)action
				: SHAPE_NONE,
			.pause_ns = db_col_i64(st, 4),
			.note = arena_span(r->a, db_col_span(st, 5))};
	}
	db_done(st);
	return rc;
}

FIBER int shape_load(struct store *s, struct arena *a, struct shape_rows *rows_r, struct err *e)
{
	struct shape_read r = {.a = a, .out = rows_r};

	*rows_r = (struct shape_rows){.rows = ARENA_ARRAY(a, struct shape_row, SHAPE_ROWS_MAX),
		.replies = ARENA_ARRAY(a, struct shape_reply, SHAPE_ROWS_MAX)};
	do {
		if (store_read(s, "shape", read_rows, &r, e) < 0)
			return -1;
	} while (r.page == SHAPE_PAGE);
	do {
		if (store_read(s, "shape replies", read_replies, &r, e) < 0)
			return -1;
	} while (r.page == SHAPE_PAGE);
	return 0;
}

/* ---- writing ---- */

static int row_set(struct db *db, void *arg, struct err *e)
{
	const struct shape_row *r = arg;

	store_changed(db, STORE_DIRECTORY);
	return db_run(db, e, &sql_shape_set, "tittiiit", r->match, (int64_t)r->connections,
		r->connection_rate, r->message_rate, (int64_t)r->messages, (int64_t)r->recipients,
		(int64_t)r->is_off, r->note);
}

FIBER int shape_row_set(struct store *s, const struct shape_row *row, struct err *e)
{
	return store_write(s, "shape set", row_set, (void *)row, e);
}

static int row_remove(struct db *db, void *arg, struct err *e)
{
	const struct span *match = arg;

	if (db_run(db, e, &sql_shape_remove, "t", *match) < 0)
		return -1;
	if (db_changes(db) == 0)
		return err_set(e, ERR_NOT_FOUND,
			"there is no row of yours for '" SPAN_FMT
			"' (a built-in one is switched off with: shape set '" SPAN_FMT "' --off)",
			SPAN_ARG(*match), SPAN_ARG(*match));
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int shape_row_remove(struct store *s, struct span match, struct err *e)
{
	return store_write(s, "shape remove", row_remove, &match, e);
}

struct reply_change {
	const struct shape_reply *reply;
	uint64_t n;
};

static int reply_set(struct db *db, void *arg, struct err *e)
{
	struct reply_change *c = arg;
	const struct shape_reply *r = c->reply;
	int64_t last = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_shape_last, &is_found, ":i", &last) < 0)
		return -1;
	c->n = r->n ? r->n : (uint64_t)last + 1;
	store_changed(db, STORE_DIRECTORY);
	return db_run(db, e, &sql_shape_reply_set, "ittiit", (int64_t)c->n, r->match, r->pattern,
		(int64_t)r->action, r->pause_ns, r->note);
}

FIBER int shape_reply_set(
	struct store *s, const struct shape_reply *r, uint64_t *n_r, struct err *e)
{
	struct reply_change c = {.reply = r};

	if (store_write(s, "shape reply set", reply_set, &c, e) < 0)
		return -1;
	*n_r = c.n;
	return 0;
}

static int reply_remove(struct db *db, void *arg, struct err *e)
{
	const uint64_t *n = arg;

	if (db_run(db, e, &sql_shape_reply_remove, "i", (int64_t)*n) < 0)
		return -1;
	if (db_changes(db) == 0)
		return err_set(e, ERR_NOT_FOUND, "there is no reply %llu of yours",
			(unsigned long long)*n);
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int shape_reply_remove(struct store *s, uint64_t n, struct err *e)
{
	return store_write(s, "shape reply remove", reply_remove, &n, e);
}
