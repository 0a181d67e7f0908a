/* Routes: where mail goes by its recipient's domain, or by its sender. */

#include <string.h>

#include "store/db/db.h"
#include "store/directory.h"
#include "store/directory_priv.h"
#include "store/store_priv.h"

#define ROUTE_LABELS_MAX 127 /* a name of 253 octets has no more */

/* --- looking up ---------------------------------------------------------------------------- */

DB_SQL(sql_directory_route,
	"SELECT domain, next_hop, is_lmtp, egress FROM route WHERE domain = $1");
DB_SQL(sql_directory_sender_route,
	"SELECT sender, next_hop, egress FROM sender_route WHERE sender = $1");
DB_SQL(sql_directory_login, "SELECT sender FROM credential WHERE next_hop = $1 AND sender = $2");
DB_SQL(sql_directory_any_sender_route, "SELECT 1 FROM sender_route LIMIT 1");
DB_SQL(sql_directory_any_login, "SELECT 1 FROM credential WHERE sender <> '' LIMIT 1");
DB_SQL(sql_directory_srs_keys, "SELECT value FROM setting WHERE name = $1");

struct directory_route_look {
	struct arena *a;
	struct span key; /* a domain, or a sender */
	struct span next_hop;
	struct directory_route *route;
	struct span as;
	bool is_found;
};

static int directory_route_get(
	struct db *db, struct directory_route_look *look, struct span name, struct err *e)
{
	struct directory_route *r = look->route;
	int64_t is_lmtp = 0;

	if (db_get(db, e, look->a, &sql_directory_route, &look->is_found, "t:ttit", name,
		    &r->domain, &r->next_hop, &is_lmtp, &r->egress) < 0)
		return -1;
	r->is_lmtp = is_lmtp != 0;
	return 0;
}

/* The name, ".example.org" for each level above it, "*". */
static int directory_route_look(struct db *db, void *arg, struct err *e)
{
	struct directory_route_look *look = arg;
	struct span name = look->key;
	bool is_literal = span_starts(name, SPAN("["));

	look->is_found = false;
	if (directory_route_get(db, look, name, e) < 0)
		return -1;
	for (int i = 0; i < ROUTE_LABELS_MAX && !look->is_found && !is_literal; i++) {
		ptrdiff_t dot = span_find(span_skip(name, 1), '.');

		if (dot < 0)
			break;
		name = span_skip(name, (size_t)dot + 1);
		if (directory_route_get(db, look, name, e) < 0)
			return -1;
	}
	return look->is_found ? 0 : directory_route_get(db, look, SPAN("*"), e);
}

FIBER int directory_route(struct store *s, struct arena *a, struct span domain,
	struct directory_route *route_r, bool *is_found_r, struct err *e)
{
	struct directory_route_look look = {.a = a, .route = route_r};

	*route_r = (struct directory_route){0};
	if (directory_domain_name(a, domain, &look.key, NULL) < 0)
		look.key = arena_span(a, domain); /* an address literal */
	if (store_read(s, "directory.route", directory_route_look, &look, e) < 0)
		return -1;
	*is_found_r = look.is_found;
	return 0;
}

/* "user@domain" and "@domain" of a sender. */
static size_t directory_sender_names(struct arena *a, struct span sender, struct span names[2])
{
	struct span local, domain;

	if (directory_address(a, sender, &local, &domain, NULL) < 0)
		return 0;
	names[0] = directory_join(a, local, domain);
	names[1] = directory_join(a, SPAN_NONE, domain);
	return 2;
}

static int directory_sender_look(struct db *db, void *arg, struct err *e)
{
	struct directory_route_look *look = arg;
	struct span names[2];
	size_t count = directory_sender_names(look->a, look->key, names);

	look->is_found = false;
	for (size_t i = 0; i < count && !look->is_found; i++)
		if (db_get(db, e, look->a, &sql_directory_sender_route, &look->is_found, "t:ttt",
			    names[i], &look->route->sender, &look->route->next_hop,
			    &look->route->egress) < 0)
			return -1;
	return 0;
}

FIBER int directory_sender_route(struct store *s, struct arena *a, struct span sender,
	struct directory_route *route_r, bool *is_found_r, struct err *e)
{
	struct directory_route_look look = {.a = a, .key = sender, .route = route_r};

	*route_r = (struct directory_route){0};
	if (store_read(s, "directory.sender", directory_sender_look, &look, e) < 0)
		return -1;
	*is_found_r = look.is_found;
	return 0;
}

static int directory_login_look(struct db *db, void *arg, struct err *e)
{
	struct directory_route_look *look = arg;
	struct span names[2];
	size_t count = directory_sender_names(look->a, look->key, names);

	look->as = SPAN_NONE;
	look->is_found = false;
	for (size_t i = 0; i < count && !look->is_found; i++)
		if (db_get(db, e, look->a, &sql_directory_login, &look->is_found, "tt:t",
			    look->next_hop, names[i], &look->as) < 0)
			return -1;
	return 0;
}

FIBER int directory_login(struct store *s, struct arena *a, struct span next_hop,
	struct span sender, struct span *as_r, struct err *e)
{
	struct directory_route_look look = {.a = a, .key = sender, .next_hop = next_hop};

	if (store_read(s, "directory.login", directory_login_look, &look, e) < 0)
		return -1;
	*as_r = look.as;
	return 0;
}

struct directory_facts_look {
	struct arena *a;
	struct directory_facts *facts;
};

static int directory_facts_look(struct db *db, void *arg, struct err *e)
{
	struct directory_facts_look *look = arg;
	struct directory_facts *f = look->facts;
	bool is_found;

	*f = (struct directory_facts){0};
	if (db_get(db, e, NULL, &sql_directory_any_sender_route, &f->has_sender_routes, ":-") < 0 ||
		db_get(db, e, NULL, &sql_directory_any_login, &f->has_logins, ":-") < 0)
		return -1;
	return db_get(db, e, look->a, &sql_directory_srs_keys, &is_found, "t:t",
		SPAN(DIRECTORY_SRS_KEYS), &f->srs_keys);
}

FIBER int directory_facts(
	struct store *s, struct arena *a, struct directory_facts *facts_r, struct err *e)
{
	struct directory_facts_look look = {.a = a, .facts = facts_r};

	return store_read(s, "directory.facts", directory_facts_look, &look, e);
}

/* --- administration ------------------------------------------------------------------------ */

DB_SQL(sql_route_page,
	"SELECT domain, next_hop, is_lmtp, egress FROM route WHERE domain > $1 ORDER BY domain "
	"LIMIT 256");
DB_SQL(sql_route_add,
	"INSERT INTO route (domain, next_hop, is_lmtp, egress) VALUES ($1, $2, $3, $4)");
DB_SQL(sql_route_set,
	"INSERT INTO route (domain, next_hop, is_lmtp, egress) VALUES ($1, $2, $3, $4) "
	"ON CONFLICT (domain) DO UPDATE SET next_hop = excluded.next_hop, "
	"is_lmtp = excluded.is_lmtp, egress = excluded.egress");
DB_SQL(sql_route_remove, "DELETE FROM route WHERE domain = $1");
DB_SQL(sql_sender_route_page,
	"SELECT sender, next_hop, egress FROM sender_route WHERE sender > $1 ORDER BY sender "
	"LIMIT 256");
DB_SQL(sql_sender_route_add,
	"INSERT INTO sender_route (sender, next_hop, egress) VALUES ($1, $2, $3)");
DB_SQL(sql_sender_route_set,
	"INSERT INTO sender_route (sender, next_hop, egress) VALUES ($1, $2, $3) "
	"ON CONFLICT (sender) DO UPDATE SET next_hop = excluded.next_hop, egress = excluded.egress");
DB_SQL(sql_sender_route_remove, "DELETE FROM sender_route WHERE sender = $1");
DB_SQL(sql_route_pool, "SELECT policy FROM pool WHERE name = $1");
DB_SQL(sql_route_egress, "SELECT n FROM egress WHERE name = $1 LIMIT 1");

struct directory_route_change {
	struct directory_route route;
	bool is_add;
};

/* A route into a pool or out of an egress that is not there would hold mail back for days. */
static int directory_route_refers(struct db *db, const struct directory_route *r, struct err *e)
{
	bool is_there = true;

	if (span_starts(r->next_hop, SPAN("pool:")) &&
		db_get(db, e, NULL, &sql_route_pool, &is_there, "t:-", span_skip(r->next_hop, 5)) <
			0)
		return -1;
	if (!is_there)
		return directory_missing(e, "pool", span_skip(r->next_hop, 5));
	if (r->egress.len &&
		db_get(db, e, NULL, &sql_route_egress, &is_there, "t:-", r->egress) < 0)
		return -1;
	return is_there ? 0 : directory_missing(e, "egress", r->egress);
}

static int directory_route_write(struct db *db, void *arg, struct err *e)
{
	struct directory_route_change *c = arg;
	struct directory_route *r = &c->route;
	struct err why = {0};
	int result;

	if (directory_route_refers(db, r, e) < 0)
		return -1;
	if (r->sender.len)
		result = db_run(db, &why, c->is_add ? &sql_sender_route_add : &sql_sender_route_set,
			"ttt", r->sender, r->next_hop, r->egress);
	else
		result = db_run(db, &why, c->is_add ? &sql_route_add : &sql_route_set, "ttit",
			r->domain, r->next_hop, (int64_t)r->is_lmtp, r->egress);
	if (result < 0)
		return why.code == ERR_EXISTS
			? directory_there(e, "route", r->sender.len ? r->sender : r->domain)
			: err_copy(e, &why);
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

/* "host:port", "[192.0.2.1]:25", "[2001:db8::1]:25", "unix:/path", "pool:NAME", "mx", "mx:domain". */
static bool directory_next_hop_is_sane(struct arena *a, struct span hop)
{
	ptrdiff_t colon = span_rfind(hop, ':');
	struct span host = span_sub(hop, 0, colon > 0 ? (size_t)colon : 0), name;
	uint64_t port;

	if (hop.len > DIRECTORY_HOP_MAX || span_has_line_break(hop) || span_find(hop, ' ') >= 0 ||
		span_find(hop, '|') >= 0)
		return false;
	if (span_starts(hop, SPAN("unix:/")) || span_eq(hop, SPAN("mx")))
		return true;
	if (span_starts(hop, SPAN("pool:")))
		return hop.len > 5;
	if (span_starts(hop, SPAN("mx:")))
		return directory_domain_name(a, span_skip(hop, 3), &name, NULL) == 0;
	if (host.len == 0 || !span_u64_max(span_skip(hop, host.len + 1), 65535, &port) || port == 0)
		return false;
	return host.ptr[0] == '[' ? host.ptr[host.len - 1] == ']' : span_find(host, ':') < 0;
}

/* "*", ".domain" or "domain" as it is stored. */
static int directory_route_domain(
	struct arena *a, struct span text, struct span *domain_r, struct err *e)
{
	struct span name;

	*domain_r = text;
	if (span_eq(text, SPAN("*")))
		return 0;
	if (!span_starts(text, SPAN(".")))
		return directory_domain_name(a, text, domain_r, e);
	if (directory_domain_name(a, span_skip(text, 1), &name, e) < 0)
		return -1;
	*domain_r = span_str(arena_printf(a, "." SPAN_FMT, SPAN_ARG(name)));
	return 0;
}

/* "user@domain" or "@domain" as it is stored. */
static int directory_route_sender(
	struct arena *a, struct span text, struct span *sender_r, struct err *e)
{
	struct span local = SPAN_NONE, domain;

	if (span_starts(text, SPAN("@"))
			? directory_domain_name(a, span_skip(text, 1), &domain, e) < 0
			: directory_address(a, text, &local, &domain, e) < 0)
		return -1;
	*sender_r = directory_join(a, local, domain);
	return 0;
}

static int directory_route_check(struct arena *a, struct directory_route *r, struct err *e)
{
	if (r->sender.len ? directory_route_sender(a, r->sender, &r->sender, e) < 0
			  : directory_route_domain(a, r->domain, &r->domain, e) < 0)
		return -1;
	if (!directory_next_hop_is_sane(a, r->next_hop))
		return directory_bad(e,
			"a next hop (host:port, [address]:port, unix:/path, pool:NAME, mx)",
			r->next_hop);
	if (r->is_lmtp &&
		(span_starts(r->next_hop, SPAN("pool:")) || span_starts(r->next_hop, SPAN("mx"))))
		return err_set(
			e, ERR_SYNTAX, "LMTP is spoken to one host or socket, not to a pool");
	if (r->is_lmtp && r->sender.len)
		return err_set(e, ERR_SYNTAX, "a sender's route speaks SMTP");
	if (r->egress.len > DIRECTORY_EGRESS_MAX || span_has_line_break(r->egress) ||
		span_find(r->egress, '|') >= 0)
		return directory_bad(e, "the name of an egress", r->egress);
	return 0;
}

FIBER int directory_route_set(
	struct store *s, const struct directory_route *route, bool is_add, struct err *e)
{
	struct arena *a = arena_new();
	struct directory_route_change c = {.route = *route, .is_add = is_add};
	int result = -1;

	if (directory_route_check(a, &c.route, e) == 0)
		result = store_write(s, "directory.route", directory_route_write, &c, e);
	arena_free(&a);
	return result;
}

static int directory_route_delete(struct db *db, void *arg, struct err *e)
{
	const struct directory_route *r = arg;
	struct span name = r->sender.len ? r->sender : r->domain;

	if (db_run(db, e, r->sender.len ? &sql_sender_route_remove : &sql_route_remove, "t", name) <
		0)
		return -1;
	if (db_changes(db) == 0)
		return directory_missing(e, "route", name);
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int directory_route_remove(struct store *s, struct span domain, struct err *e)
{
	struct arena *a = arena_new();
	struct directory_route r = {0};
	int result = -1;

	if (directory_route_domain(a, domain, &r.domain, e) == 0)
		result = store_write(s, "directory.route", directory_route_delete, &r, e);
	arena_free(&a);
	return result;
}

FIBER int directory_sender_route_remove(struct store *s, struct span sender, struct err *e)
{
	struct arena *a = arena_new();
	struct directory_route r = {0};
	int result = -1;

	if (directory_route_sender(a, sender, &r.sender, e) == 0)
		result = store_write(s, "directory.route", directory_route_delete, &r, e);
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

		db_cols(st, "ttit", &r->domain, &r->next_hop, &is_lmtp, &r->egress);
		r->domain = p->after = arena_span(p->a, r->domain);
		r->next_hop = arena_span(p->a, r->next_hop);
		r->egress = arena_span(p->a, r->egress);
		r->is_lmtp = is_lmtp != 0;
	}
	db_done(st);
	return result;
}

static int directory_sender_route_page(struct db *db, void *arg, struct err *e)
{
	struct directory_page *p = arg;
	struct db_stmt *st = db_query(db, e, &sql_sender_route_page, "t", p->after);
	bool is_row = false;
	int result = -1;

	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		struct directory_route *r = directory_row(p, sizeof(*r));

		db_cols(st, "ttt", &r->sender, &r->next_hop, &r->egress);
		r->sender = p->after = arena_span(p->a, r->sender);
		r->next_hop = arena_span(p->a, r->next_hop);
		r->egress = arena_span(p->a, r->egress);
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
	p.after = SPAN_NONE;
	if (directory_pages(s, "directory.routes", directory_sender_route_page, &p, e) < 0)
		return -1;
	*list_r = (void *)p.rows;
	*count_r = p.count;
	return 0;
}
