/* What of a list waits for somebody's word. */

#include "base/clock.h"
#include "store/db/db.h"
#include "store/mlist.h"
#include "store/store_priv.h"

#define PENDING_COLUMNS                                                                            \
	"token, list_id, kind, address, subject, msg_id, verdict, made_ns, expires_ns"
DB_SQL(sql_pending_get,
	"SELECT " PENDING_COLUMNS " FROM list_pending WHERE token = $1 AND expires_ns > $2");
DB_SQL(sql_pending_of,
	"SELECT " PENDING_COLUMNS " FROM list_pending WHERE msg_id = $1 AND msg_id <> 0");
DB_SQL(sql_pending_all,
	"SELECT " PENDING_COLUMNS " FROM list_pending WHERE list_id = $1 AND kind = $2 "
	"ORDER BY address LIMIT 1000");
DB_SQL(sql_pending_recent,
	"SELECT made_ns FROM list_pending WHERE list_id = $1 AND kind = $2 AND address = $3 "
	"AND made_ns > $4 LIMIT 1");
DB_SQL(sql_pending_count, "SELECT count(*) FROM list_pending WHERE list_id = $1 AND kind = $2");
DB_SQL(sql_pending_add,
	"INSERT INTO list_pending (token, list_id, kind, address, subject, msg_id, verdict, made_ns, "
	"expires_ns) VALUES ($1, $2, $3, $4, $5, $6, 0, $7, $8)");
DB_SQL(sql_pending_decide, "UPDATE list_pending SET verdict = $2 WHERE token = $1");
DB_SQL(sql_pending_drop, "DELETE FROM list_pending WHERE token = $1");
DB_SQL(sql_pending_sweep, "DELETE FROM list_pending WHERE expires_ns <= $1");

struct pending_look {
	struct arena *a;
	struct span token;
	uint64_t list_id, msg_id;
	enum mlist_pending_kind kind;
	enum mlist_verdict verdict;
	struct mlist_pending *rows;
	size_t count, max;
	bool is_all;
};

static void take_pending(struct db_stmt *st, struct arena *a, struct mlist_pending *p)
{
	*p = (struct mlist_pending){.token = arena_span(a, db_col_span(st, 0)),
		.list_id = (uint64_t)db_col_i64(st, 1),
		.kind = (enum mlist_pending_kind)db_col_i64(st, 2),
		.address = arena_span(a, db_col_span(st, 3)),
		.subject = arena_span(a, db_col_span(st, 4)),
		.msg_id = (uint64_t)db_col_i64(st, 5),
		.verdict = (enum mlist_verdict)db_col_i64(st, 6),
		.made_ns = db_col_i64(st, 7),
		.expires_ns = db_col_i64(st, 8)};
}

static int look_pending(struct db *db, void *arg, struct err *e)
{
	struct pending_look *l = arg;
	struct db_stmt *st = l->is_all
		? db_query(db, e, &sql_pending_all, "ii", (int64_t)l->list_id, (int64_t)l->kind)
		: l->msg_id ? db_query(db, e, &sql_pending_of, "i", (int64_t)l->msg_id)
			    : db_query(db, e, &sql_pending_get, "ti", l->token, clock_wall_ns());
	bool is_row = false;
	int rc = st ? 0 : -1;

	l->count = 0;
	while (st && l->count < l->max && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		take_pending(st, l->a, &l->rows[l->count++]);
	db_done(st);
	return rc;
}

static FIBER int look_one(struct store *s, struct pending_look *l, struct err *e)
{
	if (store_read(s, "list.pending", look_pending, l, e) < 0)
		return -1;
	return l->count ? 0 : err_set(e, ERR_NOT_FOUND, "nothing waits under this token");
}

FIBER int mlist_pending_get(struct store *s, struct arena *a, struct span token,
	struct mlist_pending *p_r, struct err *e)
{
	struct pending_look l = {.a = a, .token = token, .rows = p_r, .max = 1};

	return look_one(s, &l, e);
}

FIBER int mlist_pending_of(
	struct store *s, struct arena *a, uint64_t msg_id, struct mlist_pending *p_r, struct err *e)
{
	struct pending_look l = {.a = a, .msg_id = msg_id, .rows = p_r, .max = 1};

	return look_one(s, &l, e);
}

FIBER int mlist_pending_all(struct store *s, struct arena *a, uint64_t list_id,
	enum mlist_pending_kind kind, struct mlist_pending **list_r, size_t *count_r, struct err *e)
{
	struct pending_look l = {
		.a = a, .list_id = list_id, .kind = kind, .max = MLIST_PENDING_MAX, .is_all = true};

	l.rows = ARENA_ARRAY(a, struct mlist_pending, l.max);
	if (store_read(s, "list.pending", look_pending, &l, e) < 0)
		return -1;
	*list_r = l.rows;
	*count_r = l.count;
	return 0;
}

struct pending_add {
	const struct mlist_pending *p;
	int64_t gap_ns;
};

static int add_tx(struct db *db, void *arg, struct err *e)
{
	const struct pending_add *x = arg;
	const struct mlist_pending *p = x->p;
	int64_t made, count = 0;
	bool is_found;

	/* What has expired takes nobody's room. */
	if (db_run(db, e, &sql_pending_sweep, "i", clock_wall_ns()) < 0)
		return -1;
	if (db_get(db, e, NULL, &sql_pending_recent, &is_found, "iiti:i", (int64_t)p->list_id,
		    (int64_t)p->kind, p->address, p->made_ns - x->gap_ns, &made) < 0)
		return -1;
	if (is_found && x->gap_ns)
		return err_set(e, ERR_BUSY, "asked for a moment ago already");
	if (db_get(db, e, NULL, &sql_pending_count, &is_found, "ii:i", (int64_t)p->list_id,
		    (int64_t)p->kind, &count) < 0)
		return -1;
	if (count >= MLIST_PENDING_MAX)
		return err_set(e, ERR_LIMIT, "too much of this list waits for somebody's word");
	return db_run(db, e, &sql_pending_add, "tiittiii", p->token, (int64_t)p->list_id,
		(int64_t)p->kind, p->address, p->subject, (int64_t)p->msg_id, p->made_ns,
		p->expires_ns);
}

FIBER int mlist_pending_add(
	struct store *s, const struct mlist_pending *p, int64_t gap_ns, struct err *e)
{
	struct pending_add x = {p, gap_ns};

	return store_write(s, "list.pending", add_tx, &x, e);
}

static int decide_tx(struct db *db, void *arg, struct err *e)
{
	const struct pending_look *l = arg;

	if (db_run(db, e, &sql_pending_decide, "ti", l->token, (int64_t)l->verdict) < 0)
		return -1;
	return db_changes(db) ? 0 : err_set(e, ERR_NOT_FOUND, "nothing waits under this token");
}

FIBER int mlist_pending_decide(
	struct store *s, struct span token, enum mlist_verdict verdict, struct err *e)
{
	struct pending_look l = {.token = token, .verdict = verdict};

	return store_write(s, "list.pending", decide_tx, &l, e);
}

static int drop_tx(struct db *db, void *arg, struct err *e)
{
	return db_run(db, e, &sql_pending_drop, "t", *(struct span *)arg);
}

FIBER int mlist_pending_remove(struct store *s, struct span token, struct err *e)
{
	return store_write(s, "list.pending", drop_tx, &token, e);
}

static int sweep_tx(struct db *db, void *arg, struct err *e)
{
	(void)arg;
	return db_run(db, e, &sql_pending_sweep, "i", clock_wall_ns());
}

FIBER int mlist_pending_sweep(struct store *s, struct err *e)
{
	return store_write(s, "list.sweep", sweep_tx, NULL, e);
}
