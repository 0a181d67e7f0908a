#include "store/bans.h"

#include "store/db/db.h"
#include "store/store_priv.h"

#define BAN_PAGE 256

DB_SQL(sql_ban_page,
	"SELECT network, kind, reason, made_by, made_ns, until_ns FROM ban WHERE network > $1 "
	"ORDER BY network LIMIT 256");
DB_SQL(sql_ban_set,
	"INSERT INTO ban (network, kind, reason, made_by, made_ns, until_ns) "
	"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (network) DO UPDATE SET kind = $2, reason = $3, "
	"made_by = $4, made_ns = $5, until_ns = $6");
DB_SQL(sql_ban_remove, "DELETE FROM ban WHERE network = $1");
DB_SQL(sql_ban_ended,
	"DELETE FROM ban WHERE network IN (SELECT network FROM ban WHERE until_ns > 0 AND "
	"until_ns <= $1 ORDER BY until_ns LIMIT 256)");

struct bans_read {
	struct arena *a;
	int64_t now_ns;
	struct span after;
	struct ban_row *rows;
	size_t count, cap, page;
};

/* Rows are few as a rule: the array grows with them. */
static struct ban_row *next_row(struct bans_read *r)
{
	if (r->count == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : BAN_PAGE;
		struct ban_row *rows = ARENA_ARRAY(r->a, struct ban_row, cap);

		for (size_t i = 0; i < r->count; i++)
			rows[i] = r->rows[i];
		r->rows = rows;
		r->cap = cap;
	}
	return &r->rows[r->count];
}

static int read_page(struct db *db, void *arg, struct err *e)
{
	struct bans_read *r = arg;
	struct db_stmt *st = db_query(db, e, &sql_ban_page, "t", r->after);
	bool is_row = false;
	int rc = st ? 0 : -1;

	r->page = 0;
	while (st && r->count < BAN_ROWS_MAX && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct ban_row *row = next_row(r);

		*row = (struct ban_row){.network = arena_span(r->a, db_col_span(st, 0)),
			.kind = db_col_i64(st, 1) == BAN_ALLOW ? BAN_ALLOW : BAN_REFUSE,
			.reason = arena_span(r->a, db_col_span(st, 2)),
			.made_by = arena_span(r->a, db_col_span(st, 3)),
			.made_ns = db_col_i64(st, 4),
			.until_ns = db_col_i64(st, 5)};
		r->page++;
		r->after = row->network;
		if (row->until_ns == 0 || row->until_ns > r->now_ns)
			r->count++;
	}
	db_done(st);
	return rc;
}

FIBER int bans_load(struct store *s, struct arena *a, int64_t now_ns, struct ban_row **rows_r,
	size_t *count_r, struct err *e)
{
	struct bans_read r = {.a = a, .now_ns = now_ns};

	do {
		if (store_read(s, "bans", read_page, &r, e) < 0)
			return -1;
	} while (r.page == BAN_PAGE);
	*rows_r = r.rows;
	*count_r = r.count;
	return 0;
}

/* With it go some of those that have ended, so that the table stays as long as what counts. */
static int write_row(struct db *db, void *arg, struct err *e)
{
	const struct ban_row *r = arg;

	if (db_run(db, e, &sql_ban_ended, "i", r->made_ns) < 0)
		return -1;
	return db_run(db, e, &sql_ban_set, "tittii", r->network, (int64_t)r->kind, r->reason,
		r->made_by, r->made_ns, r->until_ns);
}

FIBER int ban_set(struct store *s, const struct ban_row *row, struct err *e)
{
	return store_write(s, "ban", write_row, (void *)row, e);
}

struct ban_later {
	struct ban_row row; /* first: the closure's argument */
	struct arena *arena;
};

static void free_later(void *arg)
{
	struct ban_later *l = arg;
	struct arena *a = l->arena;

	arena_free(&a);
}

void ban_set_later(struct store *s, const struct ban_row *row)
{
	struct arena *a = arena_new();
	struct ban_later *l = ARENA_NEW(a, struct ban_later);

	l->arena = a;
	l->row = *row;
	l->row.network = arena_span(a, row->network);
	l->row.reason = arena_span(a, row->reason);
	l->row.made_by = arena_span(a, row->made_by);
	store_write_later(s, "ban", write_row, l, free_later);
}

static int remove_row(struct db *db, void *arg, struct err *e)
{
	const struct span *network = arg;

	if (db_run(db, e, &sql_ban_remove, "t", *network) < 0)
		return -1;
	if (db_changes(db) == 0)
		return err_set(e, ERR_NOT_FOUND,
			"nothing is said of the network " SPAN_FMT " (see: yizhan ban list)",
			SPAN_ARG(*network));
	return 0;
}

FIBER int ban_remove(struct store *s, struct span network, struct err *e)
{
	return store_write(s, "ban remove", remove_row, &network, e);
}
