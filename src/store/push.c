#include "store/push.h"

#include "base/must.h"
#include "run/loop.h"
#include "store/db/db.h"
#include "store/store_priv.h"

#define PUSH_LIST_MAX 4096

DB_SQL(sql_push_count, "SELECT COUNT(*) FROM push_subscription WHERE account_id = $1");
DB_SQL(sql_push_expired,
	"DELETE FROM push_subscription WHERE account_id = $1 AND expires_ns <= $2");
DB_SQL(sql_push_add,
	"INSERT INTO push_subscription (id, account_id, device, url, p256dh, auth, types, code, "
	"is_verified, expires_ns) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9)");
DB_SQL(sql_push_update,
	"UPDATE push_subscription SET types = $3, is_verified = $4, expires_ns = $5 WHERE id = $1 "
	"AND account_id = $2");
DB_SQL(sql_push_remove, "DELETE FROM push_subscription WHERE id = $1 AND account_id = $2");
#define PUSH_COLUMNS                                                                               \
	"SELECT id, account_id, device, url, p256dh, auth, types, code, is_verified, expires_ns "  \
	"FROM push_subscription "
DB_SQL(sql_push_of, PUSH_COLUMNS "WHERE account_id = $1 AND expires_ns > $2");
DB_SQL(sql_push_all, PUSH_COLUMNS "WHERE id > $1 AND expires_ns > $2 ORDER BY id");

struct push_new {
	struct push *p;
	int64_t now_ns;
};

static int push_insert(struct db *db, void *arg, struct err *e)
{
	const struct push_new *x = arg;
	const struct push *p = x->p;
	int64_t account = (int64_t)p->account_id, count = 0;
	bool is_found;

	if (db_run(db, e, &sql_push_expired, "ii", account, x->now_ns) < 0 ||
		db_get(db, e, NULL, &sql_push_count, &is_found, "i:i", account, &count) < 0)
		return -1;
	if (count >= PUSH_MAX)
		return err_set(e, ERR_LIMIT, "at most %d subscriptions of an account", PUSH_MAX);
	return db_run(db, e, &sql_push_add, "iitttttti", (int64_t)p->id, account, p->device, p->url,
		p->p256dh, p->auth, p->types, p->code, p->expires_ns);
}

FIBER int push_add(struct store *s, struct push *p, struct err *e)
{
	struct push_new x = {.p = p, .now_ns = loop_wall_ns()};

	p->id = store_new_id(s);
	return store_write(s, "push.add", push_insert, &x, e);
}

static int push_change(struct db *db, void *arg, struct err *e)
{
	const struct push *p = arg;

	if (db_run(db, e, &sql_push_update, "iitii", (int64_t)p->id, (int64_t)p->account_id,
		    p->types, (int64_t)p->is_verified, p->expires_ns) < 0)
		return -1;
	return db_changes(db) ? 0 : err_set(e, ERR_NOT_FOUND, "no such subscription");
}

FIBER int push_update(struct store *s, const struct push *p, struct err *e)
{
	return store_write(s, "push.update", push_change, (void *)p, e);
}

static int push_drop(struct db *db, void *arg, struct err *e)
{
	const struct push *p = arg;

	if (db_run(db, e, &sql_push_remove, "ii", (int64_t)p->id, (int64_t)p->account_id) < 0)
		return -1;
	return db_changes(db) ? 0 : err_set(e, ERR_NOT_FOUND, "no such subscription");
}

FIBER int push_remove(struct store *s, uint64_t account_id, uint64_t id, struct err *e)
{
	struct push p = {.id = id, .account_id = account_id};

	return store_write(s, "push.remove", push_drop, &p, e);
}

struct push_look {
	struct arena *a;
	uint64_t account_id;
	int64_t now_ns;
	struct push *list;
	size_t count;
};

static int push_read(struct db *db, void *arg, struct err *e)
{
	struct push_look *x = arg;
	const struct db_sql *sql = x->account_id ? &sql_push_of : &sql_push_all;
	struct db_stmt *st = db_query(db, e, sql, "ii", (int64_t)x->account_id, x->now_ns);
	bool is_row = false;
	int rc = st ? 0 : -1;

	x->count = 0;
	while (rc == 0 && x->count < (x->account_id ? PUSH_MAX : PUSH_LIST_MAX) &&
		(rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct push *p = &x->list[x->count++];
		int64_t id, account, is_verified;
		struct span *texts[] = {
			&p->device, &p->url, &p->p256dh, &p->auth, &p->types, &p->code};

		db_cols(st, "iittttttii", &id, &account, &p->device, &p->url, &p->p256dh, &p->auth,
			&p->types, &p->code, &is_verified, &p->expires_ns);
		for (size_t i = 0; i < ARRAY_LEN(texts); i++)
			*texts[i] = arena_span(x->a, *texts[i]);
		p->id = (uint64_t)id;
		p->account_id = (uint64_t)account;
		p->is_verified = is_verified;
	}
	db_done(st);
	return rc;
}

FIBER int push_list(struct store *s, struct arena *a, uint64_t account_id, struct push **list_r,
	size_t *count_r, struct err *e)
{
	struct push_look x = {.a = a, .account_id = account_id, .now_ns = loop_wall_ns()};

	x.list = ARENA_ARRAY(a, struct push, account_id ? PUSH_MAX + 1 : PUSH_LIST_MAX);
	if (store_read(s, "push.list", push_read, &x, e) < 0)
		return -1;
	*list_r = x.list;
	*count_r = x.count;
	return 0;
}
