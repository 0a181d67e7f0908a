/* What an account logs in with: passwords, app passwords, client certificates. */

#include "base/clock.h"
#include "run/loop.h"
#include "store/account_admin.h"
#include "store/account_priv.h"
#include "store/directory_priv.h"
#include "store/object.h"
#include "store/store_priv.h"
#include "store/verifier.h"

/* --- passwords ----------------------------------------------------------------------------- */

DB_SQL(sql_password_set,
	"UPDATE account SET scram_sha256 = $2, scram_sha1 = $3, imported = $4 WHERE id = $1");
DB_SQL(sql_password_upgrade,
	"UPDATE account SET scram_sha256 = $2, scram_sha1 = $3, imported = '' "
	"WHERE id = $1 AND imported = $4");
DB_SQL(sql_password_kind, "SELECT kind FROM account WHERE id = $1");

struct account_password {
	uint64_t id;
	struct span scram_sha256, scram_sha1, imported;
};

/* Nobody logs in as a team or a group: its members do, as themselves. */
static int account_must_be_person(struct db *db, uint64_t id, struct err *e)
{
	int64_t kind = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_password_kind, &is_found, "i:i", (int64_t)id, &kind) < 0)
		return -1;
	if (!is_found)
		return account_gone(e, id);
	if (kind == ACCOUNT_PERSON)
		return 0;
	err_set(e, ERR_STATE,
		"nobody logs in as a %s: give its members their rights (yizhan account member add)",
		account_kind_str((enum account_kind)kind));
	return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
}

static int account_password_write(struct db *db, void *arg, struct err *e)
{
	struct account_password *p = arg;

	if (account_must_be_person(db, p->id, e) < 0 ||
		db_run(db, e, &sql_password_set, "ittt", (int64_t)p->id, p->scram_sha256,
			p->scram_sha1, p->imported) < 0)
		return -1;
	return account_moved(db, p->id, e);
}

static FIBER int account_verifiers(struct store *s, struct arena *a, struct span password,
	bool is_sha1, struct account_password *p, struct err *e)
{
	if (!password.len) {
		err_set(e, ERR_SYNTAX, "a password must not be empty");
		return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
	}
	if (verifier_make(s, a, password, &p->scram_sha256, e) < 0)
		return -1;
	return is_sha1 ? verifier_make_sha1(s, a, password, &p->scram_sha1, e) : 0;
}

FIBER int account_password_set(
	struct store *s, uint64_t id, struct span password, bool is_sha1, struct err *e)
{
	struct arena *a = arena_new();
	struct account_password p = {.id = id};
	int result = -1;

	if (account_verifiers(s, a, password, is_sha1, &p, e) == 0)
		result = store_write(s, "account.password", account_password_write, &p, e);
	arena_free(&a);
	return result;
}

FIBER int account_password_remove(struct store *s, uint64_t id, struct err *e)
{
	struct account_password p = {.id = id};

	return store_write(s, "account.password", account_password_write, &p, e);
}

static int account_password_exchange(struct db *db, void *arg, struct err *e)
{
	struct account_password *p = arg;

	/* It takes nothing away, so nobody needs to hear of it. */
	return db_run(db, e, &sql_password_upgrade, "ittt", (int64_t)p->id, p->scram_sha256,
		p->scram_sha1, p->imported);
}

FIBER int account_password_upgrade(struct store *s, uint64_t id, struct span imported,
	struct span password, bool is_sha1, struct err *e)
{
	struct arena *a = arena_new();
	struct account_password p = {.id = id, .imported = imported};
	int result = -1;

	if (imported.len == 0)
		err_set(e, ERR_STATE, "account %llu has no imported hash", (unsigned long long)id);
	else if (account_verifiers(s, a, password, is_sha1, &p, e) == 0)
		result = store_write(s, "account.upgrade", account_password_exchange, &p, e);
	arena_free(&a);
	return result;
}

/* --- app passwords ------------------------------------------------------------------------- */

DB_SQL(sql_app_count, "SELECT COUNT(*) FROM app_password WHERE account_id = $1");
DB_SQL(sql_app_add,
	"INSERT INTO app_password (id, account_id, name, key_hash, scram_sha256, scopes, networks, "
	"created_ns, expires_ns, used_ns, used_from) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '')");
DB_SQL(sql_app_remove, "DELETE FROM app_password WHERE account_id = $1 AND name = $2");
DB_SQL(sql_app_used, "SELECT used_ns FROM app_password WHERE id = $1");
DB_SQL(sql_app_use, "UPDATE app_password SET used_ns = $2, used_from = $3 WHERE id = $1");

static bool account_is_hex(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
			return false;
	return s.len == ACCOUNT_HEX_SHA256;
}

static int account_app_write(struct db *db, void *arg, struct err *e)
{
	struct account_app_password *app = arg;
	struct err why = {0};
	int64_t count = 0;
	bool is_found;

	if (account_must_be_person(db, app->account_id, e) < 0 ||
		db_get(db, e, NULL, &sql_app_count, &is_found, "i:i", (int64_t)app->account_id,
			&count) < 0)
		return -1;
	if (count >= ACCOUNT_APP_PASSWORDS_MAX)
		return err_set(e, ERR_LIMIT, "an account has at most %d app passwords",
			ACCOUNT_APP_PASSWORDS_MAX);
	if (db_run(db, &why, &sql_app_add, "iitttitii", (int64_t)app->id, (int64_t)app->account_id,
		    app->name, app->key_hash, app->scram_sha256, (int64_t)app->scopes,
		    app->networks, app->created_ns, app->expires_ns) < 0)
		return why.code == ERR_EXISTS ? directory_there(e, "app password", app->name)
					      : err_copy(e, &why);
	store_changed(db, STORE_DIRECTORY);
	return object_changed_tx(
		db, app->account_id, OBJECT_SESSION, app->id, OBJECT_CREATED, NULL, e);
}

FIBER int account_app_add(struct store *s, struct account_app_password *app, struct err *e)
{
	if (!app->name.len || app->name.len > ACCOUNT_APP_NAME_MAX ||
		span_has_line_break(app->name))
		return directory_bad(e, "a name of an app password (1 to 64 octets)", app->name);
	if (!app->scopes || (app->scopes & ~(unsigned)ACCOUNT_SCOPE_ALL))
		return err_set(
			e, ERR_SYNTAX, "an app password is for submit, imap, pop3, sieve, web");
	if (app->networks.len > ACCOUNT_NETWORKS_MAX || span_has_line_break(app->networks))
		return directory_bad(e, "a list of networks", app->networks);
	if (!account_is_hex(app->key_hash))
		return err_set(e, ERR_SYNTAX, "an app password is kept as SHA-256 in hex");
	if (!app->id)
		app->id = store_new_id(s);
	if (!app->created_ns)
		app->created_ns = loop_wall_ns();
	return store_write(s, "account.app", account_app_write, app, e);
}

static int account_app_delete(struct db *db, void *arg, struct err *e)
{
	struct account_app_password *app = arg;

	if (db_run(db, e, &sql_app_remove, "it", (int64_t)app->account_id, app->name) < 0)
		return -1;
	if (db_changes(db) == 0)
		return directory_missing(e, "app password", app->name);
	/* Its sessions end because it is gone (account_states); the account's others go on. */
	store_changed(db, STORE_DIRECTORY);
	return object_changed_tx(
		db, app->account_id, OBJECT_SESSION, app->account_id, OBJECT_UPDATED, NULL, e);
}

FIBER int account_app_remove(struct store *s, uint64_t account_id, struct span name, struct err *e)
{
	struct account_app_password app = {.account_id = account_id, .name = name};

	return store_write(s, "account.app", account_app_delete, &app, e);
}

struct account_use {
	uint64_t id;
	int64_t now_ns, used_ns;
	struct span from;
	bool is_found;
};

static int account_app_used_read(struct db *db, void *arg, struct err *e)
{
	struct account_use *u = arg;

	return db_get(db, e, NULL, &sql_app_used, &u->is_found, "i:i", (int64_t)u->id, &u->used_ns);
}

static int account_app_used_write(struct db *db, void *arg, struct err *e)
{
	struct account_use *u = arg;

	return db_run(db, e, &sql_app_use, "iit", (int64_t)u->id, u->now_ns, u->from);
}

/* A clock that was set back writes too. */
static bool account_is_use_fresh(int64_t used_ns, int64_t now_ns)
{
	return used_ns <= now_ns && now_ns - used_ns < ACCOUNT_USED_STEP_NS;
}

FIBER int account_app_used(
	struct store *s, uint64_t id, int64_t now_ns, struct span from, struct err *e)
{
	struct account_use u = {
		.id = id, .now_ns = now_ns, .from = span_sub(from, 0, ACCOUNT_NOTE_MAX)};

	if (store_read(s, "account.app", account_app_used_read, &u, e) < 0)
		return -1;
	if (!u.is_found || account_is_use_fresh(u.used_ns, now_ns))
		return 0;
	return store_write(s, "account.app", account_app_used_write, &u, e);
}

/* --- client certificates ------------------------------------------------------------------- */

#define CERTIFICATE_COLUMNS "spki_sha256, account_id, note, created_ns, expires_ns, used_ns"
DB_SQL(sql_certificate_find,
	"SELECT " CERTIFICATE_COLUMNS " FROM account_certificate WHERE spki_sha256 = $1");
DB_SQL(sql_certificate_list,
	"SELECT " CERTIFICATE_COLUMNS " FROM account_certificate WHERE account_id = $1 LIMIT 20");
DB_SQL(sql_certificate_count, "SELECT COUNT(*) FROM account_certificate WHERE account_id = $1");
DB_SQL(sql_certificate_add,
	"INSERT INTO account_certificate (spki_sha256, account_id, note, created_ns, expires_ns, "
	"used_ns) VALUES ($1, $2, $3, $4, $5, 0)");
DB_SQL(sql_certificate_remove,
	"DELETE FROM account_certificate WHERE spki_sha256 = $1 RETURNING account_id");

DB_SQL(sql_certificate_use, "UPDATE account_certificate SET used_ns = $2 WHERE spki_sha256 = $1");

_Static_assert(ACCOUNT_CERTIFICATES_MAX == 20, "sql_certificate_list reads them all");

struct account_cert_look {
	struct arena *a;
	struct span spki;
	uint64_t account_id;
	struct account_certificate *list;
	size_t count;
};

static int account_cert_rows(struct db_stmt *st, struct account_cert_look *look, struct err *e)
{
	bool is_row = false;
	int result = -1;

	look->count = 0;
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		struct account_certificate *c = &look->list[look->count++];
		int64_t id;

		db_cols(st, "titiii", &c->spki_sha256, &id, &c->note, &c->created_ns,
			&c->expires_ns, &c->used_ns);
		c->account_id = (uint64_t)id;
		c->spki_sha256 = arena_span(look->a, c->spki_sha256);
		c->note = arena_span(look->a, c->note);
	}
	db_done(st);
	return result;
}

static int account_cert_find_read(struct db *db, void *arg, struct err *e)
{
	struct account_cert_look *look = arg;

	return account_cert_rows(db_query(db, e, &sql_certificate_find, "t", look->spki), look, e);
}

static int account_cert_list_read(struct db *db, void *arg, struct err *e)
{
	struct account_cert_look *look = arg;

	return account_cert_rows(
		db_query(db, e, &sql_certificate_list, "i", (int64_t)look->account_id), look, e);
}

FIBER int account_certificate_find(struct store *s, struct arena *a, struct span spki_sha256,
	struct account_certificate *cert_r, bool *is_found_r, struct err *e)
{
	struct account_cert_look look = {.a = a, .spki = spki_sha256, .list = cert_r};

	*cert_r = (struct account_certificate){0};
	if (store_read(s, "account.certificate", account_cert_find_read, &look, e) < 0)
		return -1;
	*is_found_r = look.count > 0;
	return 0;
}

static int account_cert_used_write(struct db *db, void *arg, struct err *e)
{
	struct account_certificate *c = arg;

	return db_run(db, e, &sql_certificate_use, "ti", c->spki_sha256, c->used_ns);
}

FIBER int account_certificate_used(
	struct store *s, const struct account_certificate *cert, int64_t now_ns, struct err *e)
{
	struct account_certificate c = {.spki_sha256 = cert->spki_sha256, .used_ns = now_ns};

	if (account_is_use_fresh(cert->used_ns, now_ns))
		return 0;
	return store_write(s, "account.certificate", account_cert_used_write, &c, e);
}

FIBER int account_certificate_list(struct store *s, struct arena *a, uint64_t account_id,
	struct account_certificate **list_r, size_t *count_r, struct err *e)
{
	struct account_cert_look look = {.a = a, .account_id = account_id};

	look.list = ARENA_ARRAY(a, struct account_certificate, ACCOUNT_CERTIFICATES_MAX);
	if (store_read(s, "account.certificates", account_cert_list_read, &look, e) < 0)
		return -1;
	*list_r = look.list;
	*count_r = look.count;
	return 0;
}

static int account_cert_write(struct db *db, void *arg, struct err *e)
{
	struct account_certificate *c = arg;
	struct err why = {0};
	int64_t count = 0;
	bool is_found;

	if (account_must_be_person(db, c->account_id, e) < 0 ||
		db_get(db, e, NULL, &sql_certificate_count, &is_found, "i:i",
			(int64_t)c->account_id, &count) < 0)
		return -1;
	if (count >= ACCOUNT_CERTIFICATES_MAX)
		return err_set(e, ERR_LIMIT, "an account has at most %d certificates",
			ACCOUNT_CERTIFICATES_MAX);
	if (db_run(db, &why, &sql_certificate_add, "titii", c->spki_sha256, (int64_t)c->account_id,
		    c->note, c->created_ns, c->expires_ns) < 0)
		return why.code == ERR_EXISTS ? directory_there(e, "certificate", c->spki_sha256)
					      : err_copy(e, &why);
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int account_certificate_add(
	struct store *s, const struct account_certificate *cert, struct err *e)
{
	struct account_certificate c = *cert;

	if (!account_is_hex(c.spki_sha256))
		return directory_bad(
			e, "the SHA-256 of a public key (64 digits of hex)", c.spki_sha256);
	if (c.note.len > ACCOUNT_NOTE_MAX || span_has_line_break(c.note))
		return directory_bad(e, "a note", c.note);
	if (!c.created_ns)
		c.created_ns = loop_wall_ns();
	return store_write(s, "account.certificate", account_cert_write, &c, e);
}

static int account_cert_delete(struct db *db, void *arg, struct err *e)
{
	struct span *spki = arg;
	int64_t id = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_certificate_remove, &is_found, "t:i", *spki, &id) < 0)
		return -1;
	if (!is_found)
		return directory_missing(e, "certificate", *spki);
	/* Which session it opened is not written down: all of the account log in again. */
	return account_moved(db, (uint64_t)id, e);
}

FIBER int account_certificate_remove(struct store *s, struct span spki_sha256, struct err *e)
{
	return store_write(s, "account.certificate", account_cert_delete, &spki_sha256, e);
}
