#include "store/directory.h"

#include "base/clock.h"
#include "store/db/db.h"
#include "store/directory_priv.h"
#include "store/store_priv.h"

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
	"(SELECT COUNT(*) FROM alias x WHERE x.domain = d.name AND x.n = 0), "
	"quota_octets, accounts_max FROM domain d WHERE name > $1 ORDER BY name LIMIT 256");
DB_SQL(sql_domain_add,
	"INSERT INTO domain (name, kind, check_kind, quota_octets, accounts_max) "
	"VALUES ($1, $2, $3, $4, $5)");
DB_SQL(sql_domain_set,
	"INSERT INTO domain (name, kind, check_kind, quota_octets, accounts_max) "
	"VALUES ($1, $2, $3, $4, $5) ON CONFLICT (name) DO UPDATE SET kind = excluded.kind, "
	"check_kind = excluded.check_kind, quota_octets = excluded.quota_octets, "
	"accounts_max = excluded.accounts_max");
DB_SQL(sql_domain_remove, "DELETE FROM domain WHERE name = $1");
DB_SQL(sql_domain_account, "SELECT id FROM account WHERE domain = $1 LIMIT 1");
DB_SQL(sql_domain_alias, "SELECT n FROM alias WHERE domain = $1 LIMIT 1");
DB_SQL(sql_domain_list, "SELECT id FROM list WHERE domain = $1 LIMIT 1");
DB_SQL(sql_domain_recipients, "DELETE FROM relay_rcpt WHERE domain = $1");

struct directory_domain_change {
	struct span name;
	enum directory_domain_kind kind;
	enum directory_check check;
	uint64_t quota_octets, accounts_max;
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
		"domain '" SPAN_FMT "' has accounts, aliases or lists; remove them first (yizhan "
		"account list " SPAN_FMT "; one that waits for its end: account remove --now)",
		SPAN_ARG(name), SPAN_ARG(name));
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
	if (db_run(db, &why, c->is_add ? &sql_domain_add : &sql_domain_set, "tiiii", c->name,
		    (int64_t)c->kind, (int64_t)c->check, (int64_t)c->quota_octets,
		    (int64_t)c->accounts_max) < 0)
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
	struct directory_domain_change c = {.kind = domain->kind,
		.check = domain->check,
		.is_add = is_add,
		.quota_octets = domain->quota_octets,
		.accounts_max = domain->accounts_max};
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
		int64_t kind, check, accounts, aliases, quota, max;

		db_cols(st, "tiiiiii", &d->name, &kind, &check, &accounts, &aliases, &quota, &max);
		d->quota_octets = (uint64_t)quota;
		d->accounts_max = (uint64_t)max;
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

/* --- aliases ------------------------------------------------------------------------------- */

DB_SQL(sql_alias_page,
	"SELECT domain, local, n, target FROM alias WHERE (domain, local) > ($1, $2) "
	"ORDER BY domain, local, n LIMIT 1024");
DB_SQL(sql_alias_add, "INSERT INTO alias (domain, local, n, target) VALUES ($1, $2, $3, $4)");
DB_SQL(sql_alias_remove, "DELETE FROM alias WHERE domain = $1 AND local = $2");
DB_SQL(sql_alias_list_taken, "SELECT id FROM list WHERE domain = $1 AND local = $2");
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
	if (db_get(db, e, NULL, &sql_alias_list_taken, &is_taken, "tt:-", c->domain, c->local) < 0)
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
