/* Sessions of the page and who tried to log in. */

#include "store/web_login.h"

#include "base/clock.h"
#include "store/account.h"
#include "store/account_priv.h"
#include "store/directory_priv.h"
#include "store/object.h"
#include "store/store_priv.h"
#include "store/web_login_priv.h"

#define WEB_SESSION_PAGE 256

/* ---- sessions ---- */

DB_SQL(sql_session_add,
	"INSERT INTO web_session (id, account_id, token_hash, credential, created_ns, used_ns, "
	"expires_ns, peer, agent) VALUES ($1, $2, $3, $4, $5, $5, $6, $7, $8)");
DB_SQL(sql_session_ended,
	"DELETE FROM web_session WHERE id IN (SELECT id FROM web_session WHERE expires_ns <= $1 "
	"ORDER BY expires_ns LIMIT 256)");
DB_SQL(sql_session_beyond,
	"DELETE FROM web_session WHERE account_id = $1 AND id IN (SELECT id FROM web_session "
	"WHERE account_id = $1 ORDER BY used_ns DESC LIMIT 256 OFFSET $2)");
#define SESSION_COUNTS                                                                             \
	"s.expires_ns > $2 AND a.credential = s.credential AND a.is_suspended = 0 AND "            \
	"a.removed_ns = 0"
DB_SQL(sql_session_find,
	"SELECT s.id, s.account_id, s.credential, s.created_ns, s.used_ns, s.expires_ns, s.peer, "
	"s.agent, a.local, a.domain, a.name, a.scopes_off FROM web_session s "
	"JOIN account a ON a.id = s.account_id WHERE s.token_hash = $1 AND " SESSION_COUNTS);
DB_SQL(sql_session_still,
	"SELECT a.scopes_off FROM web_session s JOIN account a ON a.id = s.account_id "
	"WHERE s.id = $1 AND " SESSION_COUNTS);
DB_SQL(sql_session_list,
	"SELECT s.id, s.created_ns, s.used_ns, s.expires_ns, s.peer, s.agent FROM web_session s "
	"JOIN account a ON a.id = s.account_id WHERE s.account_id = $1 AND " SESSION_COUNTS
	" ORDER BY s.used_ns DESC LIMIT 256");
DB_SQL(sql_session_used, "UPDATE web_session SET used_ns = $2, expires_ns = $3 WHERE id = $1");
DB_SQL(sql_session_end, "DELETE FROM web_session WHERE id = $1 AND account_id = $2");
DB_SQL(sql_session_end_all, "DELETE FROM web_session WHERE account_id = $1 AND id <> $2");
DB_SQL(sql_session_keep,
	"UPDATE web_session SET credential = (SELECT credential FROM account WHERE id = $1) "
	"WHERE id = $2 AND account_id = $1");

struct session_write {
	const struct web_session *s;
	struct span token_hash;
	uint64_t account_id, id;
	size_t max;
	int64_t now_ns, expires_ns;
};

static int session_add(struct db *db, void *arg, struct err *e)
{
	struct session_write *w = arg;
	const struct web_session *s = w->s;

	if (db_run(db, e, &sql_session_ended, "i", w->now_ns) < 0 ||
		db_run(db, e, &sql_session_add, "iibiiitt", (int64_t)s->id, (int64_t)s->account_id,
			w->token_hash, (int64_t)s->credential, w->now_ns, s->expires_ns,
			span_sub(s->peer, 0, WEB_SESSION_PEER_MAX),
			span_sub(s->agent, 0, WEB_SESSION_AGENT_MAX)) < 0)
		return -1;
	if (db_run(db, e, &sql_session_beyond, "ii", (int64_t)s->account_id, (int64_t)w->max) < 0)
		return -1;
	return object_changed_tx(db, s->account_id, OBJECT_SESSION, s->id, OBJECT_CREATED, NULL, e);
}

FIBER int web_session_add(struct store *store, const struct web_session *s, struct span token_hash,
	size_t max, int64_t now_ns, struct err *e)
{
	struct session_write w = {.s = s, .token_hash = token_hash, .max = max, .now_ns = now_ns};

	return store_write(store, "session.add", session_add, &w, e);
}

struct session_read {
	struct arena *a;
	struct span token_hash;
	uint64_t id, account_id;
	int64_t now_ns;
	struct web_session *s;
	size_t count;
	bool is_found;
};

static int session_find(struct db *db, void *arg, struct err *e)
{
	struct session_read *r = arg;
	struct web_session *s = r->s;
	int64_t id = 0, account = 0, credential = 0, off = 0;
	struct span local, domain;

	if (db_get(db, e, r->a, &sql_session_find, &r->is_found, "bi:iiiiiittttti", r->token_hash,
		    r->now_ns, &id, &account, &credential, &s->created_ns, &s->used_ns,
		    &s->expires_ns, &s->peer, &s->agent, &local, &domain, &s->name, &off) < 0)
		return -1;
	r->is_found = r->is_found && !(off & ACCOUNT_SCOPE_WEB);
	if (!r->is_found)
		return 0;
	s->id = (uint64_t)id;
	s->account_id = (uint64_t)account;
	s->credential = (uint64_t)credential;
	s->address = directory_join(r->a, local, domain);
	return 0;
}

FIBER int web_session_find(struct store *store, struct arena *a, struct span token_hash,
	int64_t now_ns, struct web_session *s_r, bool *is_found_r, struct err *e)
{
	struct session_read r = {.a = a, .token_hash = token_hash, .now_ns = now_ns, .s = s_r};

	*s_r = (struct web_session){0};
	*is_found_r = false;
	if (store_read(store, "session.find", session_find, &r, e) < 0)
		return -1;
	*is_found_r = r.is_found;
	return 0;
}

static int session_still(struct db *db, void *arg, struct err *e)
{
	struct session_read *r = arg;
	int64_t off = 0;

	if (db_get(db, e, NULL, &sql_session_still, &r->is_found, "ii:i", (int64_t)r->id, r->now_ns,
		    &off) < 0)
		return -1;
	r->is_found = r->is_found && !(off & ACCOUNT_SCOPE_WEB);
	return 0;
}

FIBER int web_session_still(
	struct store *store, uint64_t id, int64_t now_ns, bool *is_r, struct err *e)
{
	struct session_read r = {.id = id, .now_ns = now_ns};

	if (store_read(store, "session.still", session_still, &r, e) < 0)
		return -1;
	*is_r = r.is_found;
	return 0;
}

static int session_used(struct db *db, void *arg, struct err *e)
{
	struct session_write *w = arg;

	return db_run(db, e, &sql_session_used, "iii", (int64_t)w->id, w->now_ns, w->expires_ns);
}

FIBER int web_session_used(
	struct store *store, uint64_t id, int64_t now_ns, int64_t expires_ns, struct err *e)
{
	struct session_write w = {.id = id, .now_ns = now_ns, .expires_ns = expires_ns};

	return store_write(store, "session.used", session_used, &w, e);
}

static int session_end(struct db *db, void *arg, struct err *e)
{
	struct session_write *w = arg;

	if (db_run(db, e, &sql_session_end, "ii", (int64_t)w->id, (int64_t)w->account_id) < 0)
		return -1;
	if (db_changes(db) == 0)
		return err_set(e, ERR_NOT_FOUND, "no such session");
	/* streams that are open with it look whether they still may */
	store_changed(db, STORE_DIRECTORY);
	return object_changed_tx(
		db, w->account_id, OBJECT_SESSION, w->id, OBJECT_DESTROYED, NULL, e);
}

FIBER int web_session_end(struct store *store, uint64_t account_id, uint64_t id, struct err *e)
{
	struct session_write w = {.id = id, .account_id = account_id};

	return store_write(store, "session.end", session_end, &w, e);
}

static int session_end_all(struct db *db, void *arg, struct err *e)
{
	struct session_write *w = arg;

	if (db_run(db, e, &sql_session_end_all, "ii", (int64_t)w->account_id, (int64_t)w->id) < 0)
		return -1;
	if (db_changes(db) == 0)
		return 0;
	store_changed(db, STORE_DIRECTORY);
	/* of which is not told one by one: who looks reads the list anew */
	return object_changed_tx(
		db, w->account_id, OBJECT_SESSION, w->account_id, OBJECT_UPDATED, NULL, e);
}

FIBER int web_session_end_all(struct store *store, uint64_t account_id, uint64_t but, struct err *e)
{
	struct session_write w = {.id = but, .account_id = account_id};

	return store_write(store, "session.end", session_end_all, &w, e);
}

static int session_keep(struct db *db, void *arg, struct err *e)
{
	struct session_write *w = arg;

	return web_session_keep_tx(db, w->account_id, w->id, e);
}

int web_session_keep_tx(struct db *db, uint64_t account_id, uint64_t id, struct err *e)
{
	return id ? db_run(db, e, &sql_session_keep, "ii", (int64_t)account_id, (int64_t)id) : 0;
}

FIBER int web_session_keep(struct store *store, uint64_t account_id, uint64_t id, struct err *e)
{
	struct session_write w = {.id = id, .account_id = account_id};

	return store_write(store, "session.keep", session_keep, &w, e);
}

static int session_list(struct db *db, void *arg, struct err *e)
{
	struct session_read *r = arg;
	struct db_stmt *st = db_query(
		db, e, &sql_session_list, "ii", (int64_t)r->account_id, r->now_ns);
	bool is_row = false;
	int rc = -1;

	r->count = 0;
	r->s = ARENA_ARRAY(r->a, struct web_session, WEB_SESSION_PAGE);
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct web_session *s = &r->s[r->count++];
		int64_t id;

		db_cols(st, "iiiitt", &id, &s->created_ns, &s->used_ns, &s->expires_ns, &s->peer,
			&s->agent);
		s->id = (uint64_t)id;
		s->account_id = r->account_id;
		s->peer = arena_span(r->a, s->peer);
		s->agent = arena_span(r->a, s->agent);
	}
	db_done(st);
	return rc;
}

FIBER int web_session_list(struct store *store, struct arena *a, uint64_t account_id,
	int64_t now_ns, struct web_session **list_r, size_t *count_r, struct err *e)
{
	struct session_read r = {.a = a, .account_id = account_id, .now_ns = now_ns};

	if (store_read(store, "session.list", session_list, &r, e) < 0)
		return -1;
	*list_r = r.s;
	*count_r = r.count;
	return 0;
}

/* ---- who tried to log in ---- */

DB_SQL(sql_event_add,
	"INSERT INTO login_event (id, account_id, is_good, protocol, mechanism, peer, agent, reason) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
DB_SQL(sql_event_beyond,
	"DELETE FROM login_event WHERE account_id = $1 AND id <= (SELECT id FROM login_event "
	"WHERE account_id = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)");
DB_SQL(sql_event_list,
	"SELECT id, is_good, protocol, mechanism, peer, agent, reason FROM login_event "
	"WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");

struct event_later {
	struct login_event ev; /* first: the closure's argument */
	struct arena *arena;
};

static int event_add(struct db *db, void *arg, struct err *e)
{
	const struct login_event *ev = arg;

	/* it may have ended meanwhile */
	if (account_must_be(db, ev->account_id, e) < 0)
		return -1;
	if (db_run(db, e, &sql_event_add, "iiittttt", (int64_t)ev->id, (int64_t)ev->account_id,
		    (int64_t)ev->is_good, ev->protocol, ev->mechanism, ev->peer, ev->agent,
		    ev->reason) < 0)
		return -1;
	return db_run(
		db, e, &sql_event_beyond, "ii", (int64_t)ev->account_id, (int64_t)LOGIN_EVENTS_MAX);
}

static void event_free(void *arg)
{
	struct event_later *l = arg;
	struct arena *a = l->arena;

	arena_free(&a);
}

void login_event_later(struct store *store, const struct login_event *ev)
{
	struct arena *a = arena_new();
	struct event_later *l = ARENA_NEW(a, struct event_later);

	l->arena = a;
	l->ev = *ev;
	l->ev.id = store_new_id(store);
	l->ev.protocol = arena_span(a, ev->protocol);
	l->ev.mechanism = arena_span(a, ev->mechanism);
	l->ev.peer = arena_span(a, span_sub(ev->peer, 0, WEB_SESSION_PEER_MAX));
	l->ev.agent = arena_span(a, span_sub(ev->agent, 0, WEB_SESSION_AGENT_MAX));
	l->ev.reason = arena_span(a, ev->reason);
	store_write_later(store, "login.event", event_add, l, event_free);
}

struct event_read {
	struct arena *a;
	uint64_t account_id, before;
	size_t max, count;
	struct login_event *list;
};

static int event_list(struct db *db, void *arg, struct err *e)
{
	struct event_read *r = arg;
	struct db_stmt *st = db_query(db, e, &sql_event_list, "iii", (int64_t)r->account_id,
		(int64_t)(r->before ? r->before : INT64_MAX), (int64_t)r->max);
	bool is_row = false;
	int rc = -1;

	r->count = 0;
	r->list = ARENA_ARRAY(r->a, struct login_event, r->max);
	while (st && r->count < r->max && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct login_event *ev = &r->list[r->count++];
		int64_t id, is_good;

		db_cols(st, "iittttt", &id, &is_good, &ev->protocol, &ev->mechanism, &ev->peer,
			&ev->agent, &ev->reason);
		ev->id = (uint64_t)id;
		ev->account_id = r->account_id;
		ev->is_good = is_good != 0;
		ev->protocol = arena_span(r->a, ev->protocol);
		ev->mechanism = arena_span(r->a, ev->mechanism);
		ev->peer = arena_span(r->a, ev->peer);
		ev->agent = arena_span(r->a, ev->agent);
		ev->reason = arena_span(r->a, ev->reason);
	}
	db_done(st);
	return rc;
}

FIBER int login_event_list(struct store *store, struct arena *a, uint64_t account_id,
	uint64_t before, size_t max, struct login_event **list_r, size_t *count_r, struct err *e)
{
	struct event_read r = {.a = a, .account_id = account_id, .before = before};

	r.max = max && max < WEB_SESSION_PAGE ? max : WEB_SESSION_PAGE;
	if (store_read(store, "login.events", event_list, &r, e) < 0)
		return -1;
	*list_r = r.list;
	*count_r = r.count;
	return 0;
}
