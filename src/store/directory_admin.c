#include "store/directory.h"

#include "base/clock.h"
#include "store/db/db.h"
#include "store/directory_priv.h"
#include "store/mailbox.h"
#include "store/store_priv.h"
#include "store/verifier.h"

/* Lists are read in pages of DIRECTORY_PAGE rows, each its own read transaction. */
struct directory_page {
	struct arena *a;
	struct span after;       /* the last name seen: the next page begins behind it */
	struct span after_local; /* accounts and aliases: with the domain in `after` */
	struct span domain;      /* "" for all */
	char *rows;
	size_t size, count, cap, page_count;
};

static void *directory_row(struct directory_page *p, size_t size)
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

static FIBER int directory_pages(
	struct store *s, const char *name, store_fn *page, struct directory_page *p, struct err *e)
{
	do {
		p->page_count = 0;
		if (store_read(s, name, page, p, e) < 0)
			return -1;
	} while (p->page_count == DIRECTORY_PAGE);
	return 0;
}

static int directory_there(struct err *e, const char *what, struct span name)
{
	err_set(e, ERR_EXISTS, "%s '" SPAN_FMT "' is there already", what, SPAN_ARG(name));
	return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
}

static int directory_missing(struct err *e, const char *what, struct span name)
{
	err_set(e, ERR_NOT_FOUND, "there is no %s '" SPAN_FMT "'", what, SPAN_ARG(name));
	return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
}

/* --- routes -------------------------------------------------------------------------------- */

DB_SQL(sql_route_page,
	"SELECT domain, next_hop, is_lmtp FROM route WHERE domain > $1 ORDER BY domain LIMIT 256");
DB_SQL(sql_route_add, "INSERT INTO route (domain, next_hop, is_lmtp) VALUES ($1, $2, $3)");
DB_SQL(sql_route_set,
	"INSERT INTO route (domain, next_hop, is_lmtp) VALUES ($1, $2, $3) "
	"ON CONFLICT (domain) DO UPDATE SET next_hop = excluded.next_hop, "
	"is_lmtp = excluded.is_lmtp");
DB_SQL(sql_route_remove, "DELETE FROM route WHERE domain = $1");

struct directory_route_change {
	struct directory_route route;
	bool is_add;
};

static int directory_route_write(struct db *db, void *arg, struct err *e)
{
	struct directory_route_change *c = arg;
	struct err why = {0};

	if (db_run(db, &why, c->is_add ? &sql_route_add : &sql_route_set, "tti", c->route.domain,
		    c->route.next_hop, (int64_t)c->route.is_lmtp) < 0)
		return why.code == ERR_EXISTS ? directory_there(e, "route", c->route.domain)
					      : err_copy(e, &why);
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

/* "host:port", "[192.0.2.1]:25", "[2001:db8::1]:25", "unix:/path", "pool:NAME". */
static bool directory_next_hop_is_sane(struct span hop)
{
	ptrdiff_t colon = span_rfind(hop, ':');
	struct span host = span_sub(hop, 0, colon > 0 ? (size_t)colon : 0);
	uint64_t port;

	if (hop.len > DIRECTORY_DOMAIN_MAX + 8 || span_has_line_break(hop) ||
		span_find(hop, ' ') >= 0)
		return false;
	if (span_starts(hop, SPAN("unix:/")))
		return true;
	if (span_starts(hop, SPAN("pool:")))
		return hop.len > 5 && span_find(hop, '|') < 0;
	if (host.len == 0 || !span_u64_max(span_skip(hop, host.len + 1), 65535, &port) || port == 0)
		return false;
	return host.ptr[0] == '[' ? host.ptr[host.len - 1] == ']' : span_find(host, ':') < 0;
}

FIBER int directory_route_set(
	struct store *s, const struct directory_route *route, bool is_add, struct err *e)
{
	struct arena *a = arena_new();
	struct directory_route_change c = {.route = *route, .is_add = is_add};
	int result = -1;

	if (!span_eq(route->domain, SPAN("*")) &&
		directory_domain_name(a, route->domain, &c.route.domain, e) < 0)
		goto out;
	if (!directory_next_hop_is_sane(route->next_hop)) {
		directory_bad(e, "a next hop (host:port, [address]:port, unix:/path or pool:NAME)",
			route->next_hop);
		goto out;
	}
	result = store_write(s, "directory.route", directory_route_write, &c, e);
out:
	arena_free(&a);
	return result;
}

static int directory_route_delete(struct db *db, void *arg, struct err *e)
{
	struct span *name = arg;

	if (db_run(db, e, &sql_route_remove, "t", *name) < 0)
		return -1;
	if (db_changes(db) == 0)
		return directory_missing(e, "route", *name);
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int directory_route_remove(struct store *s, struct span domain, struct err *e)
{
	struct arena *a = arena_new();
	struct span name = domain;
	int result = -1;

	if (span_eq(domain, SPAN("*")) || directory_domain_name(a, domain, &name, e) == 0)
		result = store_write(s, "directory.route", directory_route_delete, &name, e);
	arena_free(&a);
	return result;
}

static int directory_route_page(struct db *db, void *arg, struct err *e)
{
	struct directory_page *p = arg;
	struct db_stmt *st = db_query(db, e, &sql_route_page, "t", p->after);
	bool is_row = false;
	int result = -1;

	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		struct directory_route *r = directory_row(p, sizeof(*r));
		int64_t is_lmtp;

		db_cols(st, "tti", &r->domain, &r->next_hop, &is_lmtp);
		r->domain = p->after = arena_span(p->a, r->domain);
		r->next_hop = arena_span(p->a, r->next_hop);
		r->is_lmtp = is_lmtp != 0;
	}
	db_done(st);
	return result;
}

FIBER int directory_route_list(struct store *s, struct arena *a, struct directory_route **list_r,
	size_t *count_r, struct err *e)
{
	struct directory_page p = {.a = a};

	if (directory_pages(s, "directory.routes", directory_route_page, &p, e) < 0)
		return -1;
	*list_r = (void *)p.rows;
	*count_r = p.count;
	return 0;
}

/* --- domains ------------------------------------------------------------------------------- */

DB_SQL(sql_domain_page,
	"SELECT name, kind, (SELECT COUNT(*) FROM account a WHERE a.domain = d.name), "
	"(SELECT COUNT(*) FROM alias x WHERE x.domain = d.name AND x.n = 0) "
	"FROM domain d WHERE name > $1 ORDER BY name LIMIT 256");
DB_SQL(sql_domain_add, "INSERT INTO domain (name, kind) VALUES ($1, $2)");
DB_SQL(sql_domain_set,
	"INSERT INTO domain (name, kind) VALUES ($1, $2) "
	"ON CONFLICT (name) DO UPDATE SET kind = excluded.kind");
DB_SQL(sql_domain_remove, "DELETE FROM domain WHERE name = $1");
DB_SQL(sql_domain_account, "SELECT id FROM account WHERE domain = $1 LIMIT 1");
DB_SQL(sql_domain_alias, "SELECT n FROM alias WHERE domain = $1 LIMIT 1");

struct directory_domain_change {
	struct span name;
	enum directory_domain_kind kind;
	bool is_add;
};

static int directory_domain_is_used(struct db *db, struct span name, bool *is_used_r, struct err *e)
{
	if (db_get(db, e, NULL, &sql_domain_account, is_used_r, "t:-", name) < 0)
		return -1;
	if (*is_used_r)
		return 0;
	return db_get(db, e, NULL, &sql_domain_alias, is_used_r, "t:-", name);
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
		return err_set(e, ERR_STATE,
			"domain '" SPAN_FMT "' has accounts or aliases; remove them first",
			SPAN_ARG(c->name));
	if (db_run(db, &why, c->is_add ? &sql_domain_add : &sql_domain_set, "ti", c->name,
		    (int64_t)c->kind) < 0)
		return why.code == ERR_EXISTS ? directory_there(e, "domain", c->name)
					      : err_copy(e, &why);
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int directory_domain_set(struct store *s, struct span name, enum directory_domain_kind kind,
	bool is_add, struct err *e)
{
	struct arena *a = arena_new();
	struct directory_domain_change c = {.kind = kind, .is_add = is_add};
	int result = -1;

	if (directory_domain_name(a, name, &c.name, e) == 0)
		result = store_write(s, "directory.domain", directory_domain_write, &c, e);
	arena_free(&a);
	return result;
}

static int directory_domain_delete(struct db *db, void *arg, struct err *e)
{
	struct span *name = arg;
	bool is_used = false;

	if (directory_domain_is_used(db, *name, &is_used, e) < 0)
		return -1;
	if (is_used)
		return err_set(e, ERR_STATE,
			"domain '" SPAN_FMT "' has accounts or aliases; remove them first",
			SPAN_ARG(*name));
	if (db_run(db, e, &sql_domain_remove, "t", *name) < 0)
		return -1;
	if (db_changes(db) == 0)
		return directory_missing(e, "domain", *name);
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
		int64_t kind, accounts, aliases;

		db_cols(st, "tiii", &d->name, &kind, &accounts, &aliases);
		d->name = p->after = arena_span(p->a, d->name);
		d->kind = (enum directory_domain_kind)kind;
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
	"id, local, domain, name, is_suspended, quota_octets, messages, octets, created_ns"
DB_SQL(sql_account_find,
	"SELECT " ACCOUNT_COLUMNS " FROM account WHERE domain = $1 AND local = $2");
DB_SQL(sql_account_page,
	"SELECT " ACCOUNT_COLUMNS " FROM account WHERE (domain, local) > ($1, $2) "
	"ORDER BY domain, local LIMIT 256");
DB_SQL(sql_account_add,
	"INSERT INTO account (id, domain, local, name, is_suspended, scram_sha256, quota_octets, "
	"messages, octets, modseq, created_ns) VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 1, $8)");
DB_SQL(sql_account_set,
	"UPDATE account SET name = $3, is_suspended = $4, quota_octets = $5 "
	"WHERE domain = $1 AND local = $2");
DB_SQL(sql_account_verifier,
	"UPDATE account SET scram_sha256 = $3 WHERE domain = $1 AND local = $2");
DB_SQL(sql_account_inbox,
	"INSERT INTO mailbox (id, account_id, name, uidvalidity, uidnext, highest_modseq, messages, "
	"unseen, octets) VALUES ($1, $2, 'INBOX', $3, 1, 1, 0, 0, 0)");
DB_SQL(sql_account_remove, "DELETE FROM account WHERE id = $1");
DB_SQL(sql_account_addresses, "DELETE FROM address WHERE account_id = $1");
DB_SQL(sql_account_mailboxes, "DELETE FROM mailbox WHERE account_id = $1");
DB_SQL(sql_account_address_taken, "SELECT n FROM alias WHERE domain = $1 AND local = $2 LIMIT 1");

struct directory_account_change {
	struct store *store;
	struct directory_account acc;
	struct span local, domain, verifier;
	bool is_add, has_password;
	uint64_t id, mailbox_id;
	int64_t now_ns;
};

static int directory_must_be_local(struct db *db, struct span domain, struct err *e)
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
	if (db_run(db, e, &sql_account_set, "tttii", c->domain, c->local, c->acc.name,
		    (int64_t)c->acc.is_suspended, (int64_t)c->acc.quota_octets) < 0)
		return -1;
	if (db_changes(db) == 0)
		return directory_missing(e, "account", address);
	if (c->has_password &&
		db_run(db, e, &sql_account_verifier, "ttt", c->domain, c->local, c->verifier) < 0)
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
	int64_t id, is_suspended, quota, messages, octets;
	struct span local, domain;

	db_cols(st, "itttiiiii", &id, &local, &domain, &r->name, &is_suspended, &quota, &messages,
		&octets, &r->created_ns);
	r->id = (uint64_t)id;
	r->address = directory_join(a, local, domain);
	r->name = arena_span(a, r->name);
	r->is_suspended = is_suspended != 0;
	r->quota_octets = (uint64_t)quota;
	r->messages = (uint64_t)messages;
	r->octets = (uint64_t)octets;
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

FIBER int directory_alias_set(
	struct store *s, const struct directory_alias *alias, bool is_add, struct err *e)
{
	struct arena *a = arena_new();
	struct directory_alias_change c = {.target_count = alias->target_count, .is_add = is_add};
	int result = -1;

	if (directory_address(a, alias->address, &c.local, &c.domain, e) < 0)
		goto out;
	if (alias->target_count == 0 || alias->target_count > DIRECTORY_ALIAS_TARGETS_MAX) {
		err_set(e, ERR_LIMIT, "an alias has 1 to %d targets, not %zu",
			DIRECTORY_ALIAS_TARGETS_MAX, alias->target_count);
		goto out;
	}
	c.targets = ARENA_ARRAY(a, struct span, c.target_count);
	for (size_t i = 0; i < c.target_count; i++) {
		struct span local, domain;

		if (directory_address(a, alias->targets[i], &local, &domain, e) < 0)
			goto out;
		c.targets[i] = directory_join(a, local, domain);
	}
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

	if (directory_address(a, address, &c.local, &c.domain, e) == 0)
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
