/* Further addresses, members, send-as, renaming. */

#include "store/account_admin.h"

#include "base/clock.h"
#include "store/account_priv.h"
#include "store/directory_priv.h"
#include "store/mailbox_priv.h"
#include "store/store_priv.h"

/* RFC 2142 sections 3 to 5, and names that mean the machine or that authorities ask for certificates at. */
bool account_is_reserved(struct span local)
{
	static const char *const names[] = {"postmaster", "abuse", "noc", "security", "hostmaster",
		"usenet", "news", "webmaster", "www", "uucp", "ftp", "mailer-daemon", "root",
		"admin", "administrator"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (span_eq_nocase(local, span_str(names[i])))
			return true;
	return false;
}

DB_SQL(sql_free_account, "SELECT id FROM account WHERE domain = $1 AND local = $2");
DB_SQL(sql_free_address, "SELECT account_id FROM address WHERE domain = $1 AND local = $2");
DB_SQL(sql_free_alias, "SELECT n FROM alias WHERE domain = $1 AND local = $2 LIMIT 1");
DB_SQL(sql_free_list, "SELECT id FROM list WHERE domain = $1 AND local = $2");

int account_address_is_free(struct db *db, struct span local, struct span domain, struct err *e)
{
	static const struct {
		const struct db_sql *sql;
		const char *what;
	} tables[] = {{&sql_free_account, "account"}, {&sql_free_address, "account"},
		{&sql_free_alias, "alias"}, {&sql_free_list, "mailing list"}};

	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		bool is_taken = false;

		if (db_get(db, e, NULL, tables[i].sql, &is_taken, "tt:-", domain, local) < 0)
			return -1;
		if (is_taken) {
			err_set(e, ERR_EXISTS, "%s '" SPAN_FMT "@" SPAN_FMT "' is there already",
				tables[i].what, SPAN_ARG(local), SPAN_ARG(domain));
			return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
		}
	}
	return 0;
}

/* --- one shape for what is done to an account ---------------------------------------------- */

DB_SQL(sql_admin_find, "SELECT id, kind FROM account WHERE domain = $1 AND local = $2");

struct account_deed {
	struct span local, domain;             /* of the account */
	struct span other_local, other_domain; /* of what it is done with */
	struct span address, other;            /* whole, as they are stored */
	unsigned rights;
	bool is_add, is_kept;
};

static int account_deed_id(
	struct db *db, const struct account_deed *d, int64_t *id_r, int64_t *kind_r, struct err *e)
{
	bool is_found;

	if (db_get(db, e, NULL, &sql_admin_find, &is_found, "tt:ii", d->domain, d->local, id_r,
		    kind_r) < 0)
		return -1;
	return is_found ? 0 : directory_missing(e, "account", d->address);
}

/* Both addresses, or the first and a pattern. */
static FIBER int account_do(struct store *s, const char *name, store_fn *fn, struct span address,
	struct span other, struct account_deed *d, struct err *e)
{
	struct arena *a = arena_new();
	int result = -1;

	if (directory_address(a, address, &d->local, &d->domain, e) < 0)
		goto out;
	if (span_starts(other, SPAN("@"))) {
		if (directory_domain_name(a, span_skip(other, 1), &d->other_domain, e) < 0)
			goto out;
	} else if (directory_address(a, other, &d->other_local, &d->other_domain, e) < 0) {
		goto out;
	}
	if (span_eq(d->other_local, SPAN("*"))) {
		directory_bad(e, "an address ('*' is a catch-all: yizhan alias add)", other);
		goto out;
	}
	d->address = directory_join(a, d->local, d->domain);
	d->other = directory_join(a, d->other_local, d->other_domain);
	result = store_write(s, name, fn, d, e);
out:
	arena_free(&a);
	return result;
}

struct account_texts {
	struct arena *a;
	uint64_t id;
	const struct db_sql *sql;
	struct span *list;
	size_t count, max;
};

static int account_texts_read(struct db *db, void *arg, struct err *e)
{
	struct account_texts *t = arg;
	struct db_stmt *st = db_query(db, e, t->sql, "i", (int64_t)t->id);
	bool is_row = false;
	int result = -1;

	t->count = 0;
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row && t->count < t->max)
		t->list[t->count++] = arena_span(t->a, db_col_span(st, 0));
	db_done(st);
	return result;
}

static FIBER int account_texts(struct store *s, struct account_texts *t, struct span **list_r,
	size_t *count_r, struct err *e)
{
	t->list = ARENA_ARRAY(t->a, struct span, t->max);
	if (store_read(s, "account.texts", account_texts_read, t, e) < 0)
		return -1;
	*list_r = t->list;
	*count_r = t->count;
	return 0;
}

/* --- further addresses --------------------------------------------------------------------- */

DB_SQL(sql_address_add, "INSERT INTO address (domain, local, account_id) VALUES ($1, $2, $3)");
DB_SQL(sql_address_remove,
	"DELETE FROM address WHERE domain = $1 AND local = $2 AND account_id = $3");
DB_SQL(sql_address_count, "SELECT COUNT(*) FROM address WHERE account_id = $1");
DB_SQL(sql_address_list,
	"SELECT local || '@' || domain FROM address WHERE account_id = $1 LIMIT 200");

static int account_address_write(struct db *db, void *arg, struct err *e)
{
	struct account_deed *d = arg;
	int64_t id, kind, count = 0;
	bool is_found;

	if (account_deed_id(db, d, &id, &kind, e) < 0 ||
		directory_must_be_local(db, d->other_domain, e) < 0 ||
		account_address_is_free(db, d->other_local, d->other_domain, e) < 0 ||
		db_get(db, e, NULL, &sql_address_count, &is_found, "i:i", id, &count) < 0)
		return -1;
	if (count >= ACCOUNT_ADDRESSES_MAX)
		return err_set(e, ERR_LIMIT, "an account has at most %d further addresses",
			ACCOUNT_ADDRESSES_MAX);
	if (db_run(db, e, &sql_address_add, "tti", d->other_domain, d->other_local, id) < 0)
		return -1;
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int account_address_add(
	struct store *s, struct span address, struct span further, struct err *e)
{
	struct account_deed d = {0};

	if (span_starts(further, SPAN("@")))
		return directory_bad(e, "an address (local-part@domain)", further);
	return account_do(s, "account.address", account_address_write, address, further, &d, e);
}

static int account_address_delete(struct db *db, void *arg, struct err *e)
{
	struct account_deed *d = arg;
	int64_t id, kind;

	if (account_deed_id(db, d, &id, &kind, e) < 0 ||
		db_run(db, e, &sql_address_remove, "tti", d->other_domain, d->other_local, id) < 0)
		return -1;
	if (db_changes(db) == 0)
		return directory_missing(e, "further address", d->other);
	return account_moved(db, (uint64_t)id, e);
}

FIBER int account_address_remove(
	struct store *s, struct span address, struct span further, struct err *e)
{
	struct account_deed d = {0};

	return account_do(s, "account.address", account_address_delete, address, further, &d, e);
}

FIBER int account_address_list(struct store *s, struct arena *a, uint64_t id, struct span **list_r,
	size_t *count_r, struct err *e)
{
	struct account_texts t = {
		.a = a, .id = id, .sql = &sql_address_list, .max = ACCOUNT_ADDRESSES_MAX};

	return account_texts(s, &t, list_r, count_r, e);
}

/* --- members ------------------------------------------------------------------------------- */

DB_SQL(sql_member_get,
	"SELECT rights FROM account_member WHERE account_id = $1 AND member_id = $2");
DB_SQL(sql_member_count, "SELECT COUNT(*) FROM account_member WHERE account_id = $1");
DB_SQL(sql_member_put,
	"INSERT INTO account_member (account_id, member_id, rights) VALUES ($1, $2, $3) "
	"ON CONFLICT (account_id, member_id) DO UPDATE SET rights = excluded.rights");
DB_SQL(sql_member_remove, "DELETE FROM account_member WHERE account_id = $1 AND member_id = $2");
DB_SQL(sql_member_page,
	"SELECT m.member_id, a.local, a.domain, a.name, m.rights FROM account_member m "
	"JOIN account a ON a.id = m.member_id WHERE m.account_id = $1 AND m.member_id > $2 "
	"ORDER BY m.member_id LIMIT 256");

/* The team or group, the member, and what it may until now. */
static int account_member_ids(struct db *db, struct account_deed *d, int64_t *id_r,
	int64_t *member_r, int64_t *rights_r, bool *is_member_r, struct err *e)
{
	struct account_deed member = {
		.local = d->other_local, .domain = d->other_domain, .address = d->other};
	int64_t kind;

	if (account_deed_id(db, d, id_r, &kind, e) < 0)
		return -1;
	if (kind == ACCOUNT_PERSON)
		return err_set(e, ERR_STATE,
			"'" SPAN_FMT "' is a person: teams and groups have members (yizhan account "
			"add ADDRESS --kind team)",
			SPAN_ARG(d->address));
	if (account_deed_id(db, &member, member_r, &kind, e) < 0)
		return -1;
	*rights_r = 0;
	return db_get(
		db, e, NULL, &sql_member_get, is_member_r, "ii:i", *id_r, *member_r, rights_r);
}

static int account_member_write(struct db *db, void *arg, struct err *e)
{
	struct account_deed *d = arg;
	int64_t id, member, rights, count = 0;
	bool is_member, is_found;

	if (account_member_ids(db, d, &id, &member, &rights, &is_member, e) < 0 ||
		db_get(db, e, NULL, &sql_member_count, &is_found, "i:i", id, &count) < 0)
		return -1;
	if (is_member == d->is_add)
		return is_member ? directory_there(e, "member", d->other)
				 : directory_missing(e, "member", d->other);
	if (id == member)
		return err_set(e, ERR_SYNTAX, "nobody is a member of itself");
	if (d->is_add && count >= ACCOUNT_MEMBERS_MAX)
		return err_set(e, ERR_LIMIT, "a team or group has at most %d members",
			ACCOUNT_MEMBERS_MAX);
	if (db_run(db, e, &sql_member_put, "iii", id, member, (int64_t)d->rights) < 0 ||
		mailbox_circle_changed_tx(db, (uint64_t)id, e) < 0)
		return -1;
	if (rights & ~(int64_t)d->rights)
		return account_moved(db, (uint64_t)member, e);
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int account_member_set(struct store *s, struct span address, struct span member,
	unsigned rights, bool is_add, struct err *e)
{
	struct account_deed d = {.rights = rights, .is_add = is_add};

	if (!rights || (rights & ~(unsigned)ACCOUNT_RIGHT_ALL))
		return err_set(e, ERR_SYNTAX,
			"rights are read, write, send-as, receive, manage; without any it is no "
			"member");
	if (span_starts(member, SPAN("@")))
		return directory_bad(e, "an address (local-part@domain)", member);
	return account_do(s, "account.member", account_member_write, address, member, &d, e);
}

static int account_member_delete(struct db *db, void *arg, struct err *e)
{
	struct account_deed *d = arg;
	int64_t id, member, rights;
	bool is_member;

	if (account_member_ids(db, d, &id, &member, &rights, &is_member, e) < 0)
		return -1;
	if (!is_member)
		return directory_missing(e, "member", d->other);
	if (db_run(db, e, &sql_member_remove, "ii", id, member) < 0 ||
		mailbox_circle_changed_tx(db, (uint64_t)id, e) < 0)
		return -1;
	return account_moved(db, (uint64_t)member, e);
}

FIBER int account_member_remove(
	struct store *s, struct span address, struct span member, struct err *e)
{
	struct account_deed d = {0};

	return account_do(s, "account.member", account_member_delete, address, member, &d, e);
}

struct account_members {
	struct arena *a;
	uint64_t id;
	int64_t after;
	struct account_member *list;
	size_t count, page;
};

static int account_members_read(struct db *db, void *arg, struct err *e)
{
	struct account_members *l = arg;
	struct db_stmt *st = db_query(db, e, &sql_member_page, "ii", (int64_t)l->id, l->after);
	bool is_row = false;
	int result = -1;

	l->page = 0;
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row &&
		l->count < ACCOUNT_MEMBERS_MAX) {
		struct account_member *m = &l->list[l->count++];
		struct span local, domain;
		int64_t rights;

		db_cols(st, "ittti", &l->after, &local, &domain, &m->name, &rights);
		m->address = directory_join(l->a, local, domain);
		m->name = arena_span(l->a, m->name);
		m->rights = (unsigned)rights;
		l->page++;
	}
	db_done(st);
	return result;
}

FIBER int account_member_list(struct store *s, struct arena *a, uint64_t id,
	struct account_member **list_r, size_t *count_r, struct err *e)
{
	struct account_members l = {.a = a, .id = id};

	l.list = ARENA_ARRAY(a, struct account_member, ACCOUNT_MEMBERS_MAX);
	do {
		if (store_read(s, "account.members", account_members_read, &l, e) < 0)
			return -1;
	} while (l.page == ACCOUNT_PAGE);
	*list_r = l.list;
	*count_r = l.count;
	return 0;
}

/* --- send-as ------------------------------------------------------------------------------- */

DB_SQL(sql_send_as_count, "SELECT COUNT(*) FROM send_as WHERE account_id = $1");
DB_SQL(sql_send_as_add, "INSERT INTO send_as (account_id, pattern) VALUES ($1, $2)");
DB_SQL(sql_send_as_remove, "DELETE FROM send_as WHERE account_id = $1 AND pattern = $2");
DB_SQL(sql_send_as_list,
	"SELECT pattern FROM send_as WHERE account_id = $1 ORDER BY pattern LIMIT 100");

_Static_assert(ACCOUNT_SEND_AS_MAX == 100 && ACCOUNT_ADDRESSES_MAX == 200, "lists read them all");

static int account_send_as_write(struct db *db, void *arg, struct err *e)
{
	struct account_deed *d = arg;
	struct err why = {0};
	int64_t id, kind, count = 0;
	bool is_found;

	if (account_deed_id(db, d, &id, &kind, e) < 0 ||
		db_get(db, e, NULL, &sql_send_as_count, &is_found, "i:i", id, &count) < 0)
		return -1;
	if (count >= ACCOUNT_SEND_AS_MAX)
		return err_set(e, ERR_LIMIT, "an account writes as at most %d others",
			ACCOUNT_SEND_AS_MAX);
	if (db_run(db, &why, &sql_send_as_add, "it", id, d->other) < 0)
		return why.code == ERR_EXISTS ? directory_there(e, "send-as", d->other)
					      : err_copy(e, &why);
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int account_send_as_add(
	struct store *s, struct span address, struct span pattern, struct err *e)
{
	struct account_deed d = {0};

	return account_do(s, "account.send-as", account_send_as_write, address, pattern, &d, e);
}

static int account_send_as_delete(struct db *db, void *arg, struct err *e)
{
	struct account_deed *d = arg;
	int64_t id, kind;

	if (account_deed_id(db, d, &id, &kind, e) < 0 ||
		db_run(db, e, &sql_send_as_remove, "it", id, d->other) < 0)
		return -1;
	if (db_changes(db) == 0)
		return directory_missing(e, "send-as", d->other);
	return account_moved(db, (uint64_t)id, e);
}

FIBER int account_send_as_remove(
	struct store *s, struct span address, struct span pattern, struct err *e)
{
	struct account_deed d = {0};

	return account_do(s, "account.send-as", account_send_as_delete, address, pattern, &d, e);
}

FIBER int account_send_as_list(struct store *s, struct arena *a, uint64_t id, struct span **list_r,
	size_t *count_r, struct err *e)
{
	struct account_texts t = {
		.a = a, .id = id, .sql = &sql_send_as_list, .max = ACCOUNT_SEND_AS_MAX};

	return account_texts(s, &t, list_r, count_r, e);
}

/* --- another name -------------------------------------------------------------------------- */

DB_SQL(sql_rename, "UPDATE account SET domain = $2, local = $3 WHERE id = $1");

static int account_rename_write(struct db *db, void *arg, struct err *e)
{
	struct account_deed *d = arg;
	int64_t id, kind;

	if (account_deed_id(db, d, &id, &kind, e) < 0 ||
		directory_must_be_local(db, d->other_domain, e) < 0)
		return -1;
	/* One of its own further addresses may become the first. */
	if (db_run(db, e, &sql_address_remove, "tti", d->other_domain, d->other_local, id) < 0 ||
		account_address_is_free(db, d->other_local, d->other_domain, e) < 0 ||
		db_run(db, e, &sql_rename, "itt", id, d->other_domain, d->other_local) < 0)
		return -1;
	if (d->is_kept && db_run(db, e, &sql_address_add, "tti", d->domain, d->local, id) < 0)
		return -1;
	return account_moved(db, (uint64_t)id, e);
}

FIBER int account_rename(
	struct store *s, struct span address, struct span to, bool is_kept, struct err *e)
{
	struct account_deed d = {.is_kept = is_kept};

	if (span_starts(to, SPAN("@")))
		return directory_bad(e, "an address (local-part@domain)", to);
	return account_do(s, "account.rename", account_rename_write, address, to, &d, e);
}
