#include "store/push.h"

#include "base/must.h"
#include "run/loop.h"
#include "store/account.h"
#include "store/db/db.h"
#include "store/store_priv.h"

#define PUSH_LIST_MAX 4096

DB_SQL(sql_push_count, "SELECT COUNT(*) FROM push_subscription WHERE account_id = $1");
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
DB_SQL(sql_push_of, PUSH_COLUMNS "WHERE account_id = $1");
DB_SQL(sql_push_all, PUSH_COLUMNS "WHERE id > $1 ORDER BY id");
/* Whether a login still counts; $2 is its own number. */
#define LOGIN_COUNTS "a.id = $1 AND a.is_suspended = 0 AND a.removed_ns = 0"
DB_SQL(sql_push_by_own,
	"SELECT a.scopes_off FROM account a WHERE " LOGIN_COUNTS " AND a.credential = $2");
DB_SQL(sql_push_by_app,
	"SELECT a.scopes_off FROM app_password p JOIN account a ON a.id = p.account_id WHERE "
	"p.id = $2 AND (p.expires_ns = 0 OR p.expires_ns > $3) AND " LOGIN_COUNTS);
DB_SQL(sql_push_by_session,
	"SELECT a.scopes_off FROM web_session s JOIN account a ON a.id = s.account_id WHERE "
	"s.id = $2 AND s.expires_ns > $3 AND a.credential = s.credential AND " LOGIN_COUNTS);
DB_SQL(sql_push_by_any, "SELECT a.scopes_off FROM account a WHERE " LOGIN_COUNTS);

/* ---- by what login ---- */

/* The column `code` has it in front: "a0123.secret". */
#define BY_SESSION 's'
#define BY_APP     'a'
#define BY_TOKEN   't'
#define BY_OWN     'p'

void push_by(
	struct buf *b, uint64_t session_id, uint64_t app_id, uint64_t credential, bool is_token)
{
	char kind = session_id ? BY_SESSION : app_id ? BY_APP : is_token ? BY_TOKEN : BY_OWN;
	uint64_t number = session_id ? session_id : app_id ? app_id : credential;

	buf_char(b, kind);
	buf_u64(b, number);
}

static void split_code(struct push *p)
{
	struct span code = p->code;

	p->by = SPAN("");
	if (span_find(code, '.') >= 0)
		span_cut(code, '.', &p->by, &p->code);
}

static int is_live(struct db *db, const struct push *p, int64_t now_ns, bool *is_r, struct err *e)
{
	int64_t account = (int64_t)p->account_id, scopes_off = 0;
	char kind = p->by.len ? p->by.ptr[0] : 0;
	uint64_t number = 0;
	int rc;

	*is_r = false;
	if (p->expires_ns <= now_ns || (kind && !span_u64(span_skip(p->by, 1), &number)))
		return 0;
	if (kind == BY_SESSION || kind == BY_APP)
		rc = db_get(db, e, NULL, kind == BY_APP ? &sql_push_by_app : &sql_push_by_session,
			is_r, "iii:i", account, (int64_t)number, now_ns, &scopes_off);
	else if (kind)
		rc = db_get(db, e, NULL, &sql_push_by_own, is_r, "ii:i", account, (int64_t)number,
			&scopes_off);
	else
		rc = db_get(db, e, NULL, &sql_push_by_any, is_r, "i:i", account, &scopes_off);
	*is_r = *is_r && !((unsigned)scopes_off & ACCOUNT_SCOPE_WEB);
	return rc;
}

/* ---- making, changing, destroying ---- */

struct push_new {
	const struct push *p;
	struct span code; /* as it is kept */
};

static int push_insert(struct db *db, void *arg, struct err *e)
{
	const struct push_new *x = arg;
	const struct push *p = x->p;
	int64_t account = (int64_t)p->account_id, count = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_push_count, &is_found, "i:i", account, &count) < 0)
		return -1;
	if (count >= PUSH_MAX)
		return err_set(e, ERR_LIMIT, "at most %d subscriptions of an account", PUSH_MAX);
	return db_run(db, e, &sql_push_add, "iitttttti", (int64_t)p->id, account, p->device, p->url,
		p->p256dh, p->auth, p->types, x->code, p->expires_ns);
}

FIBER int push_add(struct store *s, struct push *p, struct err *e)
{
	struct push_new x = {.p = p};
	struct arena *a = arena_new();
	struct push *list;
	size_t count;
	int rc;

	p->id = store_new_id(s);
	x.code = span_str(
		arena_printf(a, SPAN_FMT "." SPAN_FMT, SPAN_ARG(p->by), SPAN_ARG(p->code)));
	/* those that are over make room */
	rc = push_list(s, a, p->account_id, &list, &count, e);
	if (rc == 0)
		rc = store_write(s, "push.add", push_insert, &x, e);
	arena_free(&a);
	return rc;
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

struct push_end {
	const struct push *list; /* id, account_id */
	size_t count;
	bool is_found; /* result: one of them was there */
};

/* "the server MUST securely erase the URL and encryption keys" (RFC 8620 section 7.2) */
static int push_drop(struct db *db, void *arg, struct err *e)
{
	struct push_end *x = arg;
	int rc = db_wipe(db, true, e);

	x->is_found = false;
	for (size_t i = 0; rc == 0 && i < x->count; i++) {
		rc = db_run(db, e, &sql_push_remove, "ii", (int64_t)x->list[i].id,
			(int64_t)x->list[i].account_id);
		x->is_found = x->is_found || db_changes(db);
	}
	if (db_wipe(db, false, rc == 0 ? e : NULL) < 0)
		rc = -1;
	return rc;
}

FIBER int push_remove(struct store *s, uint64_t account_id, uint64_t id, struct err *e)
{
	struct push p = {.id = id, .account_id = account_id};
	struct push_end x = {.list = &p, .count = 1};

	if (store_write(s, "push.remove", push_drop, &x, e) < 0)
		return -1;
	return x.is_found ? 0 : err_set(e, ERR_NOT_FOUND, "no such subscription");
}

/* ---- reading ---- */

struct push_look {
	struct arena *a;
	uint64_t account_id;
	int64_t now_ns;
	struct push *list, *over;
	size_t count, over_count;
};

static int read_rows(struct db *db, struct push_look *x, struct err *e)
{
	const struct db_sql *sql = x->account_id ? &sql_push_of : &sql_push_all;
	struct db_stmt *st = db_query(db, e, sql, "i", (int64_t)x->account_id);
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
		split_code(p);
	}
	db_done(st);
	return rc;
}

static int push_read(struct db *db, void *arg, struct err *e)
{
	struct push_look *x = arg;
	size_t kept = 0;

	if (read_rows(db, x, e) < 0)
		return -1;
	x->over_count = 0;
	for (size_t i = 0; i < x->count; i++) {
		bool is;

		if (is_live(db, &x->list[i], x->now_ns, &is, e) < 0)
			return -1;
		if (is)
			x->list[kept++] = x->list[i];
		else
			x->over[x->over_count++] = x->list[i];
	}
	x->count = kept;
	return 0;
}

FIBER int push_list(struct store *s, struct arena *a, uint64_t account_id, struct push **list_r,
	size_t *count_r, struct err *e)
{
	size_t max = account_id ? PUSH_MAX : PUSH_LIST_MAX;
	struct push_look x = {.a = a, .account_id = account_id, .now_ns = loop_wall_ns()};
	struct push_end end;

	x.list = ARENA_ARRAY(a, struct push, max + 1);
	x.over = ARENA_ARRAY(a, struct push, max + 1);
	if (store_read(s, "push.list", push_read, &x, e) < 0)
		return -1;
	end = (struct push_end){.list = x.over, .count = x.over_count};
	if (end.count && store_write(s, "push.end", push_drop, &end, e) < 0)
		return -1;
	*list_r = x.list;
	*count_r = x.count;
	return 0;
}

struct push_ask {
	const struct push *p;
	int64_t now_ns;
	bool is;
};

static int push_ask(struct db *db, void *arg, struct err *e)
{
	struct push_ask *x = arg;

	return is_live(db, x->p, x->now_ns, &x->is, e);
}

FIBER int push_still(struct store *s, const struct push *p, bool *is_r, struct err *e)
{
	struct push_ask x = {.p = p, .now_ns = loop_wall_ns()};

	if (store_read(s, "push.still", push_ask, &x, e) < 0)
		return -1;
	*is_r = x.is;
	return 0;
}
