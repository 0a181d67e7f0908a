/* Who logs in under a name, and whether that still counts. */

#include "store/account.h"

#include "run/loop.h"
#include "store/account_priv.h"
#include "store/directory_priv.h"
#include "store/store_priv.h"

const char *account_kind_str(enum account_kind k)
{
	static const char *const words[] = {
#define X(id, word) word,
		ACCOUNT_KINDS(X)
#undef X
	};

	return k < ACCOUNT_KIND_COUNT ? words[k] : "?";
}

DB_SQL(sql_account_move, "UPDATE account SET credential = $2 WHERE id = $1");
DB_SQL(sql_account_there, "SELECT id FROM account WHERE id = $1");

int account_gone(struct err *e, uint64_t id)
{
	err_set(e, ERR_NOT_FOUND, "account %llu is gone", (unsigned long long)id);
	return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
}

int account_must_be(struct db *db, uint64_t id, struct err *e)
{
	bool is_found;

	if (db_get(db, e, NULL, &sql_account_there, &is_found, "i:-", (int64_t)id) < 0)
		return -1;
	return is_found ? 0 : account_gone(e, id);
}

int account_moved(struct db *db, uint64_t id, struct err *e)
{
	if (db_run(db, e, &sql_account_move, "ii", (int64_t)id,
		    (int64_t)store_new_id(store_of(db))) < 0)
		return -1;
	if (db_changes(db) == 0)
		return account_gone(e, id);
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

/* --- who logs in --------------------------------------------------------------------------- */

#define LOGIN_COLUMNS                                                                              \
	"id, local, domain, name, kind, is_suspended, removed_ns, credential, scram_sha256, "      \
	"scram_sha1, imported, scopes_off, imap_off, "                                             \
	"(SELECT COUNT(*) FROM totp WHERE totp.account_id = account.id AND is_on = 1)"
DB_SQL(sql_login_primary, "SELECT " LOGIN_COLUMNS " FROM account WHERE domain = $1 AND local = $2");
DB_SQL(sql_login_address,
	"SELECT " LOGIN_COLUMNS " FROM account WHERE id = "
	"(SELECT account_id FROM address WHERE domain = $1 AND local = $2)");
DB_SQL(sql_login_id, "SELECT " LOGIN_COLUMNS " FROM account WHERE id = $1");
DB_SQL(sql_login_app, "SELECT id, account_id FROM app_password WHERE key_hash = $1 LIMIT 1");
DB_SQL(sql_login_domain, "SELECT name FROM domain WHERE kind = 1 LIMIT 2");
DB_SQL(sql_login_apps,
	"SELECT id, name, key_hash, scram_sha256, scopes, networks, created_ns, expires_ns, "
	"used_ns, used_from FROM app_password WHERE account_id = $1 ORDER BY name LIMIT 50");

_Static_assert(DIRECTORY_DOMAIN_LOCAL == 1, "sql_login_domain asks for local domains");
_Static_assert(ACCOUNT_APP_PASSWORDS_MAX == 50, "sql_login_apps reads them all");

struct account_look {
	struct arena *a;
	struct span local, domain; /* domain "": the only local one */
	uint64_t id;               /* instead of a name */
	struct account_login *login;
	bool is_found;
	struct account_app_password *apps;
	size_t app_count;
};

static int account_apps(
	struct db *db, struct account_look *look, uint64_t account_id, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_login_apps, "i", (int64_t)account_id);
	bool is_row = false;
	int result = -1;

	look->apps = ARENA_ARRAY(look->a, struct account_app_password, ACCOUNT_APP_PASSWORDS_MAX);
	look->app_count = 0;
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		struct account_app_password *p = &look->apps[look->app_count++];
		int64_t id, scopes;

		db_cols(st, "itttitiiit", &id, &p->name, &p->key_hash, &p->scram_sha256, &scopes,
			&p->networks, &p->created_ns, &p->expires_ns, &p->used_ns, &p->used_from);
		p->id = (uint64_t)id;
		p->account_id = account_id;
		p->scopes = (unsigned)scopes;
		p->name = arena_span(look->a, p->name);
		p->key_hash = arena_span(look->a, p->key_hash);
		p->scram_sha256 = arena_span(look->a, p->scram_sha256);
		p->networks = arena_span(look->a, p->networks);
		p->used_from = arena_span(look->a, p->used_from);
	}
	db_done(st);
	return result;
}

/* The first row, when there is one. */
static int account_login_row(struct db_stmt *st, struct account_look *look, struct err *e)
{
	struct account_login *r = look->login;
	int64_t id, kind, is_suspended, removed_ns, credential, scopes_off, has_second;
	struct span local, domain;
	int result = st ? db_step(st, &look->is_found, e) : -1;

	if (look->is_found) {
		db_cols(st, "itttiiiitttiti", &id, &local, &domain, &r->name, &kind, &is_suspended,
			&removed_ns, &credential, &r->scram_sha256, &r->scram_sha1, &r->imported,
			&scopes_off, &r->imap_off, &has_second);
		r->has_second = has_second != 0;
		r->scopes_off = (unsigned)scopes_off;
		r->imap_off = arena_span(look->a, r->imap_off);
		r->id = (uint64_t)id;
		r->address = directory_join(look->a, local, domain);
		r->name = arena_span(look->a, r->name);
		r->kind = (enum account_kind)kind;
		r->is_suspended = is_suspended != 0;
		r->is_removed = removed_ns > 0;
		r->credential = (uint64_t)credential;
		r->scram_sha256 = arena_span(look->a, r->scram_sha256);
		r->scram_sha1 = arena_span(look->a, r->scram_sha1);
		r->imported = arena_span(look->a, r->imported);
	}
	db_done(st);
	return result;
}

/* "alice" alone is somebody only where it can be nobody else. */
static int account_only_domain(struct db *db, struct account_look *look, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_login_domain, "");
	struct span name = SPAN_NONE;
	size_t count = 0;
	bool is_row = false;
	int result = -1;

	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		name = arena_span(look->a, db_col_span(st, 0));
		count++;
	}
	db_done(st);
	if (count == 1)
		look->domain = name;
	return result;
}

static int account_login_read(struct db *db, void *arg, struct err *e)
{
	struct account_look *look = arg;

	*look->login = (struct account_login){0};
	look->is_found = false;
	if (look->id) {
		if (account_login_row(
			    db_query(db, e, &sql_login_id, "i", (int64_t)look->id), look, e) < 0)
			return -1;
	} else {
		if (!look->domain.len && account_only_domain(db, look, e) < 0)
			return -1;
		if (!look->domain.len)
			return 0;
		if (account_login_row(
			    db_query(db, e, &sql_login_primary, "tt", look->domain, look->local),
			    look, e) < 0)
			return -1;
		if (!look->is_found &&
			account_login_row(db_query(db, e, &sql_login_address, "tt", look->domain,
						  look->local),
				look, e) < 0)
			return -1;
	}
	if (!look->is_found && !look->id)
		look->login->address = directory_join(look->a, look->local, look->domain);
	if (!look->is_found || account_apps(db, look, look->login->id, e) < 0)
		return look->is_found ? -1 : 0;
	look->login->apps = look->apps;
	look->login->app_count = look->app_count;
	return 0;
}

struct span account_login_name(struct arena *a, struct span user)
{
	struct span local, domain;

	if (directory_address(a, user, &local, &domain, NULL) < 0)
		return directory_local_part(a, user);
	return directory_join(a, local, domain);
}

FIBER int account_login_find(struct store *s, struct arena *a, struct span user,
	struct account_login *login_r, bool *is_found_r, struct err *e)
{
	struct account_look look = {.a = a, .login = login_r};
	struct span address = user;

	*is_found_r = false;
	*login_r = (struct account_login){0};
	/* What can be no address is nobody: the same as an unknown one to who asks. */
	if (span_rfind(user, '@') < 0)
		address = directory_join(a, user, SPAN("invalid"));
	if (directory_address(a, address, &look.local, &look.domain, NULL) < 0)
		return 0;
	if (span_rfind(user, '@') < 0)
		look.domain = SPAN_NONE;
	if (store_read(s, "account.login", account_login_read, &look, e) < 0)
		return -1;
	*is_found_r = look.is_found;
	return 0;
}

FIBER int account_login_get(struct store *s, struct arena *a, uint64_t id,
	struct account_login *login_r, bool *is_found_r, struct err *e)
{
	struct account_look look = {.a = a, .login = login_r, .id = id};

	*is_found_r = false;
	*login_r = (struct account_login){0};
	if (id == 0)
		return 0;
	if (store_read(s, "account.login", account_login_read, &look, e) < 0)
		return -1;
	*is_found_r = look.is_found;
	return 0;
}

static int account_login_app_read(struct db *db, void *arg, struct err *e)
{
	struct account_look *look = arg;
	int64_t app = 0, account = 0;

	*look->login = (struct account_login){0};
	if (db_get(db, e, NULL, &sql_login_app, &look->is_found, "t:ii", look->local, &app,
		    &account) < 0)
		return -1;
	look->id = (uint64_t)account;
	if (!look->is_found || account_login_read(db, look, e) < 0)
		return look->is_found ? -1 : 0;
	for (size_t i = 0; i < look->app_count; i++) {
		if (look->apps[i].id == (uint64_t)app) {
			look->login->apps = &look->apps[i];
			look->login->app_count = 1;
			return 0;
		}
	}
	look->is_found = false;
	return 0;
}

FIBER int account_login_app(struct store *s, struct arena *a, struct span key_hash,
	struct account_login *login_r, bool *is_found_r, struct err *e)
{
	struct account_look look = {.a = a, .login = login_r, .local = key_hash};

	*is_found_r = false;
	*login_r = (struct account_login){0};
	if (store_read(s, "account.login", account_login_app_read, &look, e) < 0)
		return -1;
	*is_found_r = look.is_found;
	return 0;
}

static int account_app_list_read(struct db *db, void *arg, struct err *e)
{
	struct account_look *look = arg;

	return account_apps(db, look, look->id, e);
}

FIBER int account_app_list(struct store *s, struct arena *a, uint64_t account_id,
	struct account_app_password **list_r, size_t *count_r, struct err *e)
{
	struct account_look look = {.a = a, .id = account_id};

	if (store_read(s, "account.apps", account_app_list_read, &look, e) < 0)
		return -1;
	*list_r = look.apps;
	*count_r = look.app_count;
	return 0;
}

/* --- does it still count? ------------------------------------------------------------------ */

DB_SQL(sql_state,
	"SELECT credential FROM account WHERE id = $1 AND is_suspended = 0 AND removed_ns = 0");
DB_SQL(sql_state_app,
	"SELECT id FROM app_password WHERE id = $1 AND account_id = $2 AND "
	"(expires_ns = 0 OR expires_ns > $3)");

struct account_states_look {
	struct account_state *states;
	size_t count;
	int64_t now_ns;
};

static int account_states_read(struct db *db, void *arg, struct err *e)
{
	struct account_states_look *look = arg;

	for (size_t i = 0; i < look->count; i++) {
		struct account_state *st = &look->states[i];
		int64_t credential = 0;

		st->is_good = false;
		if (db_get(db, e, NULL, &sql_state, &st->is_good, "i:i", (int64_t)st->id,
			    &credential) < 0)
			return -1;
		st->is_good = st->is_good && (uint64_t)credential == st->credential;
		if (st->is_good && st->app_id &&
			db_get(db, e, NULL, &sql_state_app, &st->is_good, "iii:-",
				(int64_t)st->app_id, (int64_t)st->id, look->now_ns) < 0)
			return -1;
	}
	return 0;
}

FIBER int account_states(struct store *s, struct account_state *states, size_t count, struct err *e)
{
	struct account_states_look look = {.now_ns = loop_wall_ns()};

	for (size_t done = 0; done < count; done += look.count) {
		look.states = states + done;
		look.count = count - done < ACCOUNT_STATES_MAX ? count - done : ACCOUNT_STATES_MAX;
		if (store_read(s, "account.states", account_states_read, &look, e) < 0)
			return -1;
	}
	return 0;
}
