#include "store/directory.h"

#include "base/clock.h"
#include "store/db/db.h"
#include "store/directory_priv.h"
#include "store/mailbox.h"
#include "store/store_priv.h"
#include "store/verifier.h"

void *directory_row(struct directory_page *p, size_t size)
{
	if (p->count == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 16;
		char *grown = arena_alloc_array(p->a, size, cap);

		for (size_t i = 0; i < p->count * size; i++)
			grown[i] = p->rows[i];
		p->rows = grown;
		p->cap = cap;
	}
	p->page_count++;
	return p->rows + p->count++ * size;
}

FIBER int directory_pages(
	struct store *s, const char *name, store_fn *page, struct directory_page *p, struct err *e)
{
	do {
		p->page_count = 0;
		if (store_read(s, name, page, p, e) < 0)
			return -1;
	} while (p->page_count == DIRECTORY_PAGE);
	return 0;
}

int directory_there(struct err *e, const char *what, struct span name)
{
	err_set(e, ERR_EXISTS, "%s '" SPAN_FMT "' is there already", what, SPAN_ARG(name));
	return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
}

int directory_missing(struct err *e, const char *what, struct span name)
{
	err_set(e, ERR_NOT_FOUND, "there is no %s '" SPAN_FMT "'", what, SPAN_ARG(name));
	return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
}

/* --- domains ------------------------------------------------------------------------------- */

DB_SQL(sql_domain_page,
	"SELECT name, kind, check_kind, (SELECT COUNT(*) FROM account a WHERE a.domain = d.name), "
	"(SELECT COUNT(*) FROM alias x WHERE x.domain = d.name AND x.n = 0) "
	"FROM domain d WHERE name > $1 ORDER BY name LIMIT 256");
DB_SQL(sql_domain_add, "INSERT INTO domain (name, kind, check_kind) VALUES ($1, $2, $3)");
DB_SQL(sql_domain_set,
	"INSERT INTO domain (name, kind, check_kind) VALUES ($1, $2, $3) "
	"ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, check_kind = excluded.check_kind");
DB_SQL(sql_domain_remove, "DELETE FROM domain WHERE name = $1");
DB_SQL(sql_domain_account, "SELECT id FROM account WHERE domain = $1 LIMIT 1");
DB_SQL(sql_domain_alias, "SELECT n FROM alias WHERE domain = $1 LIMIT 1");
DB_SQL(sql_domain_list, "SELECT id FROM list WHERE domain = $1 LIMIT 1");
DB_SQL(sql_domain_recipients, "DELETE FROM relay_rcpt WHERE domain = $1");

struct directory_domain_change {
	struct span name;
	enum directory_domain_kind kind;
	enum directory_check check;
	bool is_add;
};

static int directory_domain_is_used(struct db *db, struct span name, bool *is_used_r, struct err *e)
{
	const struct db_sql *what[] = {&sql_domain_account, &sql_domain_alias, &sql_domain_list};

	*is_used_r = false;
	for (size_t i = 0; i < ARRAY_LEN(what) && !*is_used_r; i++)
		if (db_get(db, e, NULL, what[i], is_used_r, "t:-", name) < 0)
			return -1;
	return 0;
}

static int directory_domain_in_use(struct err *e, struct span name)
{
	return err_set(e, ERR_STATE,
		"domain '" SPAN_FMT "' has accounts, aliases or lists; remove them first",
		SPAN_ARG(name));
}

static int directory_domain_write(struct db *db, void *arg, struct err *e)
{
	struct directory_domain_change *c = arg;
	struct err why = {0};
	bool is_used = false;

	if (c->kind != DIRECTORY_DOMAIN_LOCAL &&
		directory_domain_is_used(db, c->name, &is_used, e) < 0)
		return -1;
	if (is_used)
		return directory_domain_in_use(e, c->name);
	if (db_run(db, &why, c->is_add ? &sql_domain_add : &sql_domain_set, "tii", c->name,
		    (int64_t)c->kind, (int64_t)c->check) < 0)
		return why.code == ERR_EXISTS ? directory_there(e, "domain", c->name)
					      : err_copy(e, &why);
	if (c->kind == DIRECTORY_DOMAIN_LOCAL &&
		db_run(db, e, &sql_domain_recipients, "t", c->name) < 0)
		return -1;
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int directory_domain_put(
	struct store *s, const struct directory_domain *domain, bool is_add, struct err *e)
{
	struct arena *a = arena_new();
	struct directory_domain_change c = {
		.kind = domain->kind, .check = domain->check, .is_add = is_add};
	int result = -1;

	if (domain->kind != DIRECTORY_DOMAIN_RELAY && domain->check != DIRECTORY_CHECK_NONE)
		err_set(e, ERR_SYNTAX, "only a relay domain has its recipients checked elsewhere");
	else if (directory_domain_name(a, domain->name, &c.name, e) == 0)
		result = store_write(s, "directory.domain", directory_domain_write, &c, e);
	arena_free(&a);
	return result;
}

FIBER int directory_domain_set(struct store *s, struct span name, enum directory_domain_kind kind,
	bool is_add, struct err *e)
{
	struct directory_domain domain = {.name = name, .kind = kind};

	return directory_domain_put(s, &domain, is_add, e);
}

static int directory_domain_delete(struct db *db, void *arg, struct err *e)
{
	struct span *name = arg;
	bool is_used = false;

	if (directory_domain_is_used(db, *name, &is_used, e) < 0)
		return -1;
	if (is_used)
		return directory_domain_in_use(e, *name);
	if (db_run(db, e, &sql_domain_remove, "t", *name) < 0)
		return -1;
	if (db_changes(db) == 0)
		return directory_missing(e, "domain", *name);
	if (db_run(db, e, &sql_domain_recipients, "t", *name) < 0)
		return -1;
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int directory_domain_remove(struct store *s, struct span text, struct err *e)
{
	struct arena *a = arena_new();
	struct span name;
	int result = -1;

	if (directory_domain_name(a, text, &name, e) == 0)
		result = store_write(s, "directory.domain", directory_domain_delete, &name, e);
	arena_free(&a);
	return result;
}

static int directory_domain_page(struct db *db, void *arg, struct err *e)
{
	struct directory_page *p = arg;
	struct db_stmt *st = db_query(db, e, &sql_domain_page, "t", p->after);
	bool is_row = false;
	int result = -1;

	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		struct directory_domain *d = directory_row(p, sizeof(*d));
		int64_t kind, check, accounts, aliases;

		db_cols(st, "tiiii", &d->name, &kind, &check, &accounts, &aliases);
		d->name = p->after = arena_span(p->a, d->name);
		d->kind = (enum directory_domain_kind)kind;
		d->check = (enum directory_check)check;
		d->accounts = (uint64_t)accounts;
		d->aliases = (uint64_t)aliases;
	}
	db_done(st);
	return result;
}

FIBER int directory_domain_list(struct store *s, struct arena *a, struct directory_domain **list_r,
	size_t *count_r, struct err *e)
{
	struct directory_page p = {.a = a};

	if (directory_pages(s, "directory.domains", directory_domain_page, &p, e) < 0)
		return -1;
	*list_r = (void *)p.rows;
	*count_r = p.count;
	return 0;
}

/* --- accounts ------------------------------------------------------------------------------ */

#define ACCOUNT_COLUMNS                                                                            \
	"id, local, domain, name, is_suspended, quota_octets, messages, octets, created_ns, "      \
	"is_forward_only, (SELECT COUNT(*) FROM forward f WHERE f.account_id = account.id)"
DB_SQL(sql_account_find,
	"SELECT " ACCOUNT_COLUMNS " FROM account WHERE domain = $1 AND local = $2");
DB_SQL(sql_account_page,
	"SELECT " ACCOUNT_COLUMNS " FROM account WHERE (domain, local) > ($1, $2) "
	"ORDER BY domain, local LIMIT 256");
DB_SQL(sql_account_add,
	"INSERT INTO account (id, domain, local, name, is_suspended, scram_sha256, quota_octets, "
	"messages, octets, modseq, created_ns, credential) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 1, $8, $1)");
/* Suspension and a new password take a right away: credential moves (store/account.h). */
DB_SQL(sql_account_set,
	"UPDATE account SET name = $3, credential = CASE WHEN is_suspended = $4 THEN credential "
	"ELSE $6 END, is_suspended = $4, quota_octets = $5 WHERE domain = $1 AND local = $2");
DB_SQL(sql_account_verifier,
	"UPDATE account SET scram_sha256 = $3, scram_sha1 = '', imported = '', credential = $4 "
	"WHERE domain = $1 AND local = $2");
DB_SQL(sql_account_inbox,
	"INSERT INTO mailbox (id, account_id, name, uidvalidity, uidnext, highest_modseq, messages, "
	"unseen, octets) VALUES ($1, $2, 'INBOX', $3, 1, 1, 0, 0, 0)");
DB_SQL(sql_account_remove, "DELETE FROM account WHERE id = $1");
DB_SQL(sql_account_addresses, "DELETE FROM address WHERE account_id = $1");
DB_SQL(sql_account_forwards, "DELETE FROM forward WHERE account_id = $1");
DB_SQL(sql_account_mailboxes, "DELETE FROM mailbox WHERE account_id = $1");
DB_SQL(sql_account_address_taken, "SELECT n FROM alias WHERE domain = $1 AND local = $2 LIMIT 1");
DB_SQL(sql_account_list_taken, "SELECT id FROM list WHERE domain = $1 AND local = $2");

struct directory_account_change {
	struct store *store;
	struct directory_account acc;
	struct span local, domain, verifier;
	bool is_add, has_password;
	uint64_t id, mailbox_id;
	int64_t now_ns;
};

int directory_must_be_local(struct db *db, struct span domain, struct err *e)
{
	enum directory_domain_kind kind;

	if (directory_domain_kind(db, domain, &kind, e) < 0)
		return -1;
	if (kind != DIRECTORY_DOMAIN_LOCAL)
		return err_set(e, ERR_NOT_FOUND,
			"'" SPAN_FMT "' is not a local domain here; add it first: "
			"yizhan domain add " SPAN_FMT,
			SPAN_ARG(domain), SPAN_ARG(domain));
	return 0;
}

static int directory_account_add(
	struct db *db, struct directory_account_change *c, struct span address, struct err *e)
{
	struct err why = {0};
	bool is_taken;

	if (directory_must_be_local(db, c->domain, e) < 0 ||
		db_get(db, e, NULL, &sql_account_address_taken, &is_taken, "tt:-", c->domain,
			c->local) < 0)
		return -1;
	if (is_taken)
		return directory_there(e, "alias", address);
	if (db_get(db, e, NULL, &sql_account_list_taken, &is_taken, "tt:-", c->domain, c->local) <
		0)
		return -1;
	if (is_taken)
		return directory_there(e, "mailing list", address);
	if (db_run(db, &why, &sql_account_add, "itttitii", (int64_t)c->id, c->domain, c->local,
		    c->acc.name, (int64_t)c->acc.is_suspended, c->verifier,
		    (int64_t)c->acc.quota_octets, c->now_ns) < 0)
		return why.code == ERR_EXISTS ? directory_there(e, "account", address)
					      : err_copy(e, &why);
	/* RFC 3501 section 2.3.1.1: UIDVALIDITY only grows; seconds of creation do. */
	return db_run(db, e, &sql_account_inbox, "iii", (int64_t)c->mailbox_id, (int64_t)c->id,
		c->now_ns / CLOCK_SEC);
}

static int directory_account_write(struct db *db, void *arg, struct err *e)
{
	struct directory_account_change *c = arg;
	struct span address = c->acc.address;

	if (c->is_add) {
		if (directory_account_add(db, c, address, e) < 0)
			return -1;
		store_changed(db, STORE_DIRECTORY);
		return 0;
	}
	if (db_run(db, e, &sql_account_set, "tttiii", c->domain, c->local, c->acc.name,
		    (int64_t)c->acc.is_suspended, (int64_t)c->acc.quota_octets, (int64_t)c->id) < 0)
		return -1;
	if (db_changes(db) == 0)
		return directory_missing(e, "account", address);
	if (c->has_password &&
		db_run(db, e, &sql_account_verifier, "ttti", c->domain, c->local, c->verifier,
			(int64_t)c->id) < 0)
		return -1;
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int directory_account_set(struct store *s, const struct directory_account *acc,
	struct span password, bool is_add, struct err *e)
{
	struct arena *a = arena_new();
	struct directory_account_change c = {.acc = *acc, .is_add = is_add, .store = s};
	int result = -1;

	if (directory_address(a, acc->address, &c.local, &c.domain, e) < 0)
		goto out;
	if (span_eq(c.local, SPAN("*"))) {
		directory_bad(e, "an account's address ('*' is a catch-all: yizhan alias add)",
			acc->address);
		goto out;
	}
	c.acc.address = directory_join(a, c.local, c.domain);
	if (acc->name.len > DIRECTORY_NAME_MAX || span_has_line_break(acc->name)) {
		directory_bad(e, "a display name", acc->name);
		goto out;
	}
	c.has_password = password.len > 0;
	if (c.has_password && verifier_make(s, a, password, &c.verifier, e) < 0)
		goto out;
	c.id = store_new_id(s);
	c.mailbox_id = store_new_id(s);
	c.now_ns = loop_wall_ns();
	result = store_write(s, "directory.account", directory_account_write, &c, e);
out:
	arena_free(&a);
	return result;
}

static void directory_account_cols(struct arena *a, struct db_stmt *st, struct directory_account *r)
{
	int64_t id, is_suspended, quota, messages, octets, is_only, forwards;
	struct span local, domain;

	db_cols(st, "itttiiiiiii", &id, &local, &domain, &r->name, &is_suspended, &quota, &messages,
		&octets, &r->created_ns, &is_only, &forwards);
	r->id = (uint64_t)id;
	r->address = directory_join(a, local, domain);
	r->name = arena_span(a, r->name);
	r->is_suspended = is_suspended != 0;
	r->quota_octets = (uint64_t)quota;
	r->messages = (uint64_t)messages;
	r->octets = (uint64_t)octets;
	r->forwards = (uint64_t)forwards;
	r->is_forward_only = is_only && forwards;
}

struct directory_account_look {
	struct arena *a;
	struct span local, domain;
	struct directory_account *acc;
};

static int directory_account_look(struct db *db, void *arg, struct err *e)
{
	struct directory_account_look *look = arg;
	struct db_stmt *st = db_query(db, e, &sql_account_find, "tt", look->domain, look->local);
	bool is_row = false;
	int result = st ? db_step(st, &is_row, e) : -1;

	if (is_row)
		directory_account_cols(look->a, st, look->acc);
	db_done(st);
	if (result == 0 && !is_row)
		return directory_missing(
			e, "account", directory_join(look->a, look->local, look->domain));
	return result;
}

FIBER int directory_account_find(struct store *s, struct arena *a, struct span address,
	struct directory_account *acc_r, struct err *e)
{
	struct directory_account_look look = {.a = a, .acc = acc_r};

	*acc_r = (struct directory_account){0};
	if (directory_address(a, address, &look.local, &look.domain, e) < 0)
		return -1;
	return store_read(s, "directory.account", directory_account_look, &look, e);
}

static int directory_account_page(struct db *db, void *arg, struct err *e)
{
	struct directory_page *p = arg;
	struct db_stmt *st = db_query(db, e, &sql_account_page, "tt", p->after, p->after_local);
	bool is_row = false;
	int result = -1;

	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		struct span local = db_col_span(st, 1), domain = db_col_span(st, 2);

		if (p->domain.len && !span_eq(domain, p->domain))
			break;
		p->after = arena_span(p->a, domain);
		p->after_local = arena_span(p->a, local);
		directory_account_cols(
			p->a, st, directory_row(p, sizeof(struct directory_account)));
	}
	db_done(st);
	return result;
}

FIBER int directory_account_list(struct store *s, struct arena *a, struct span domain,
	struct directory_account **list_r, size_t *count_r, struct err *e)
{
	struct directory_page p = {.a = a};

	if (domain.len && directory_domain_name(a, domain, &p.domain, e) < 0)
		return -1;
	p.after = p.domain; /* (domain, "") sorts before each of the domain's accounts */
	if (directory_pages(s, "directory.accounts", directory_account_page, &p, e) < 0)
		return -1;
	*list_r = (void *)p.rows;
	*count_r = p.count;
	return 0;
}

/* The mail of an account goes in slices before the account itself (mailbox_empty). */
static int directory_account_delete(struct db *db, void *arg, struct err *e)
{
	struct directory_account *acc = arg;

	if (db_run(db, e, &sql_account_remove, "i", (int64_t)acc->id) < 0)
		return -1;
	if (db_changes(db) == 0)
		return directory_missing(e, "account", acc->address);
	if (db_run(db, e, &sql_account_addresses, "i", (int64_t)acc->id) < 0 ||
		db_run(db, e, &sql_account_forwards, "i", (int64_t)acc->id) < 0 ||
		db_run(db, e, &sql_account_mailboxes, "i", (int64_t)acc->id) < 0)
		return -1;
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int directory_account_remove(struct store *s, struct span address, struct err *e)
{
	struct arena *a = arena_new();
	struct directory_account acc;
	struct mailbox_info *folders;
	size_t count;
	int result = -1;

	if (directory_account_find(s, a, address, &acc, e) < 0)
		goto out;
	/* Suspended first, so that nothing is delivered while the mailboxes are emptied. */
	acc.is_suspended = true;
	if (directory_account_set(s, &acc, SPAN_NONE, false, e) < 0 ||
		mailbox_folders(s, a, acc.id, &folders, &count, e) < 0)
		goto out;
	for (size_t i = 0; i < count; i++)
		if (mailbox_expunge(s, folders[i].id, NULL, 0, NULL, e) < 0)
			goto out;
	result = store_write(s, "directory.account", directory_account_delete, &acc, e);
out:
	arena_free(&a);
	return result;
}

/* --- aliases ------------------------------------------------------------------------------- */

DB_SQL(sql_alias_page,
	"SELECT domain, local, n, target FROM alias WHERE (domain, local) > ($1, $2) "
	"ORDER BY domain, local, n LIMIT 1024");
DB_SQL(sql_alias_add, "INSERT INTO alias (domain, local, n, target) VALUES ($1, $2, $3, $4)");
DB_SQL(sql_alias_remove, "DELETE FROM alias WHERE domain = $1 AND local = $2");
DB_SQL(sql_alias_account_taken,
	"SELECT id FROM account WHERE domain = $1 AND local = $2 UNION ALL "
	"SELECT account_id FROM address WHERE domain = $1 AND local = $2 LIMIT 1");

struct directory_alias_change {
	struct span local, domain;
	size_t target_count;
	struct span *targets;
	bool is_add;
};

static int directory_alias_write(struct db *db, void *arg, struct err *e)
{
	struct directory_alias_change *c = arg;
	struct err why = {0};
	bool is_taken;

	if (directory_must_be_local(db, c->domain, e) < 0 ||
		db_get(db, e, NULL, &sql_alias_account_taken, &is_taken, "tt:-", c->domain,
			c->local) < 0)
		return -1;
	if (is_taken)
		return directory_there(e, "account", c->local);
	if (db_get(db, e, NULL, &sql_account_list_taken, &is_taken, "tt:-", c->domain, c->local) <
		0)
		return -1;
	if (is_taken)
		return directory_there(e, "mailing list", c->local);
	if (!c->is_add && db_run(db, e, &sql_alias_remove, "tt", c->domain, c->local) < 0)
		return -1;
	for (size_t i = 0; i < c->target_count; i++)
		if (db_run(db, &why, &sql_alias_add, "ttit", c->domain, c->local, (int64_t)i,
			    c->targets[i]) < 0)
			return why.code == ERR_EXISTS ? directory_there(e, "alias", c->local)
						      : err_copy(e, &why);
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

int directory_targets(struct arena *a, const struct span *targets, size_t count,
	struct span **targets_r, struct err *e)
{
	*targets_r = ARENA_ARRAY(a, struct span, count);
	for (size_t i = 0; i < count; i++) {
		struct span local, domain;

		if (directory_address(a, targets[i], &local, &domain, e) < 0)
			return -1;
		if (span_eq(local, SPAN("*")))
			return directory_bad(e, "somebody's address", targets[i]);
		(*targets_r)[i] = directory_join(a, local, domain);
	}
	return 0;
}

/* "@domain" is the domain's catch-all. */
static int directory_alias_address(struct arena *a, struct span text, struct span *local_r,
	struct span *domain_r, struct err *e)
{
	if (!span_starts(text, SPAN("@")))
		return directory_address(a, text, local_r, domain_r, e);
	*local_r = SPAN("*");
	return directory_domain_name(a, span_skip(text, 1), domain_r, e);
}

FIBER int directory_alias_set(
	struct store *s, const struct directory_alias *alias, bool is_add, struct err *e)
{
	struct arena *a = arena_new();
	struct directory_alias_change c = {.target_count = alias->target_count, .is_add = is_add};
	int result = -1;

	if (directory_alias_address(a, alias->address, &c.local, &c.domain, e) < 0)
		goto out;
	if (alias->target_count == 0 || alias->target_count > DIRECTORY_ALIAS_TARGETS_MAX) {
		err_set(e, ERR_LIMIT, "an alias has 1 to %d targets, not %zu",
			DIRECTORY_ALIAS_TARGETS_MAX, alias->target_count);
		goto out;
	}
	if (directory_targets(a, alias->targets, c.target_count, &c.targets, e) == 0)
		result = store_write(s, "directory.alias", directory_alias_write, &c, e);
out:
	arena_free(&a);
	return result;
}

static int directory_alias_delete(struct db *db, void *arg, struct err *e)
{
	struct directory_alias_change *c = arg;

	if (db_run(db, e, &sql_alias_remove, "tt", c->domain, c->local) < 0)
		return -1;
	if (db_changes(db) == 0)
		return directory_missing(e, "alias", c->local);
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int directory_alias_remove(struct store *s, struct span address, struct err *e)
{
	struct arena *a = arena_new();
	struct directory_alias_change c = {0};
	int result = -1;

	if (directory_alias_address(a, address, &c.local, &c.domain, e) == 0)
		result = store_write(s, "directory.alias", directory_alias_delete, &c, e);
	arena_free(&a);
	return result;
}

static void directory_alias_target(struct arena *a, struct directory_alias *r, struct span target)
{
	size_t n = r->target_count;

	if ((n & (n - 1)) == 0) { /* full at each power of two */
		struct span *grown = ARENA_ARRAY(a, struct span, n ? n * 2 : 1);

		for (size_t i = 0; i < n; i++)
			grown[i] = r->targets[i];
		r->targets = grown;
	}
	r->targets[r->target_count++] = arena_span(a, target);
}

/* A page takes whole aliases only: LIMIT 1024 holds at least one (at most 1000 targets), and an
 * alias that the limit cut is dropped and begins the next page. */
#define DIRECTORY_ALIAS_ROWS 1024

static int directory_alias_page(struct db *db, void *arg, struct err *e)
{
	struct directory_page *p = arg;
	struct db_stmt *st = db_query(db, e, &sql_alias_page, "tt", p->after, p->after_local);
	struct directory_alias *r = NULL;
	struct span before = p->after, before_local = p->after_local;
	size_t rows = 0;
	bool is_row = false;
	int result = -1;

	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		struct span domain = db_col_span(st, 0), local = db_col_span(st, 1);

		if (p->domain.len && !span_eq(domain, p->domain))
			break;
		if (!r || db_col_i64(st, 2) == 0) {
			before = p->after;
			before_local = p->after_local;
			p->after = arena_span(p->a, domain);
			p->after_local = arena_span(p->a, local);
			r = directory_row(p, sizeof(*r));
			*r = (struct directory_alias){
				.address = directory_join(p->a, local, domain)};
		}
		rows++;
		directory_alias_target(p->a, r, db_col_span(st, 3));
	}
	db_done(st);
	if (result == 0 && rows == DIRECTORY_ALIAS_ROWS && p->page_count > 1) {
		p->count--;
		p->page_count = DIRECTORY_PAGE; /* there is more */
		p->after = before;
		p->after_local = before_local;
	} else {
		p->page_count = 0;
	}
	return result;
}

FIBER int directory_alias_list(struct store *s, struct arena *a, struct span domain,
	struct directory_alias **list_r, size_t *count_r, struct err *e)
{
	struct directory_page p = {.a = a};

	if (domain.len && directory_domain_name(a, domain, &p.domain, e) < 0)
		return -1;
	p.after = p.domain;
	if (directory_pages(s, "directory.aliases", directory_alias_page, &p, e) < 0)
		return -1;
	*list_r = (void *)p.rows;
	*count_r = p.count;
	return 0;
}
