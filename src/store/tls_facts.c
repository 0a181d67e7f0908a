/* Overrides and MTA-STS policies. tls_results.c has what TLSRPT counts. */

#include "store/tls_facts.h"

#include <string.h>

#include "base/must.h"
#include "store/db/db.h"
#include "store/directory_priv.h"
#include "store/store_priv.h"

#define TLS_LABELS_MAX 127 /* of a domain's name (RFC 1035 section 2.3.4) */

static const char *const level_names[] = {
#define X(id, name) [TLS_LEVEL_##id] = name,
	TLS_LEVELS(X)
#undef X
};

const char *tls_level_str(enum tls_level l)
{
	return (unsigned)l < TLS_LEVEL_COUNT ? level_names[l] : "?";
}

bool tls_level_parse(struct span name, enum tls_level *level_r)
{
	for (size_t i = 0; i < TLS_LEVEL_COUNT; i++)
		if (span_eq_nocase(name, span_str(level_names[i]))) {
			*level_r = (enum tls_level)i;
			return true;
		}
	return false;
}

/* ---- overrides ---- */

DB_SQL(sql_override_set,
	"INSERT INTO tls_override (match, level, note) VALUES ($1, $2, $3) "
	"ON CONFLICT (match) DO UPDATE SET level = excluded.level, note = excluded.note");
DB_SQL(sql_override_remove, "DELETE FROM tls_override WHERE match = $1");
DB_SQL(sql_override_find, "SELECT level, note FROM tls_override WHERE match = $1");
DB_SQL(sql_override_page,
	"SELECT match, level, note FROM tls_override WHERE match > $1 ORDER BY match LIMIT 256");

static bool is_hop(struct span match)
{
	return span_starts(match, SPAN("[")) || span_starts(match, SPAN("unix:/")) ||
		span_starts(match, SPAN("pool:")) || span_starts(match, SPAN("lmtp:"));
}

static int override_match(struct arena *a, struct span text, struct span *match_r, struct err *e)
{
	struct span name;

	if (text.len > TLS_MATCH_MAX || span_has_line_break(text))
		return directory_bad(e, "a domain or next hop", text);
	if (is_hop(text)) {
		*match_r = arena_span(a, text);
		return 0;
	}
	if (!span_starts(text, SPAN(".")))
		return directory_domain_name(a, text, match_r, e);
	if (directory_domain_name(a, span_skip(text, 1), &name, e) < 0)
		return -1;
	*match_r = span_str(arena_printf(a, "." SPAN_FMT, SPAN_ARG(name)));
	return 0;
}

static int override_write(struct db *db, void *arg, struct err *e)
{
	const struct tls_override *o = arg;

	if (db_run(db, e, &sql_override_set, "tit", o->match, (int64_t)o->level, o->note) < 0)
		return -1;
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int tls_override_set(struct store *s, const struct tls_override *o, struct err *e)
{
	struct arena *a = arena_new();
	struct tls_override row = *o;
	int rc = -1;

	if (o->note.len > TLS_NOTE_MAX || span_has_line_break(o->note))
		directory_bad(e, "a note (one line, at most 200 octets)", o->note);
	else if (override_match(a, o->match, &row.match, e) == 0)
		rc = store_write(s, "tls.override", override_write, &row, e);
	arena_free(&a);
	return rc;
}

static int override_delete(struct db *db, void *arg, struct err *e)
{
	struct span *match = arg;

	if (db_run(db, e, &sql_override_remove, "t", *match) < 0)
		return -1;
	if (db_changes(db) == 0) {
		err_set(e, ERR_NOT_FOUND, "there is no TLS override for '" SPAN_FMT "'",
			SPAN_ARG(*match));
		return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
	}
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int tls_override_remove(struct store *s, struct span match, struct err *e)
{
	struct arena *a = arena_new();
	struct span name;
	int rc = -1;

	if (override_match(a, match, &name, e) == 0)
		rc = store_write(s, "tls.override", override_delete, &name, e);
	arena_free(&a);
	return rc;
}

struct override_page {
	struct arena *a;
	struct tls_override *rows;
	size_t count, cap, page_count;
};

static struct tls_override *override_row(struct override_page *p)
{
	if (p->count == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 16;
		struct tls_override *grown = ARENA_ARRAY(p->a, struct tls_override, cap);

		for (size_t i = 0; i < p->count; i++)
			grown[i] = p->rows[i];
		p->rows = grown;
		p->cap = cap;
	}
	p->page_count++;
	return &p->rows[p->count++];
}

static int override_page(struct db *db, void *arg, struct err *e)
{
	struct override_page *p = arg;
	struct span after = p->count ? p->rows[p->count - 1].match : SPAN_NONE;
	struct db_stmt *st = db_query(db, e, &sql_override_page, "t", after);
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct tls_override *o = override_row(p);
		int64_t level;

		db_cols(st, "tit", &o->match, &level, &o->note);
		o->match = arena_span(p->a, o->match);
		o->note = arena_span(p->a, o->note);
		o->level = (enum tls_level)level;
	}
	db_done(st);
	return rc;
}

FIBER int tls_override_list(struct store *s, struct arena *a, struct tls_override **list_r,
	size_t *count_r, struct err *e)
{
	struct override_page p = {.a = a};

	do {
		p.page_count = 0;
		if (store_read(s, "tls.overrides", override_page, &p, e) < 0)
			return -1;
	} while (p.page_count == STORE_PAGE_ROWS);
	*list_r = p.rows;
	*count_r = p.count;
	return 0;
}

struct override_look {
	struct arena *a;
	struct span destination;
	struct tls_override *row;
	bool *is_found;
};

static int override_get(struct db *db, struct override_look *l, struct span match, struct err *e)
{
	int64_t level = 0;

	if (db_get(db, e, l->a, &sql_override_find, l->is_found, "t:it", match, &level,
		    &l->row->note) < 0)
		return -1;
	if (*l->is_found) {
		l->row->match = arena_span(l->a, match);
		l->row->level = (enum tls_level)level;
	}
	return 0;
}

static int override_look(struct db *db, void *arg, struct err *e)
{
	struct override_look *l = arg;
	struct span rest = l->destination;

	if (override_get(db, l, rest, e) < 0)
		return -1;
	if (is_hop(rest))
		return 0;
	for (int i = 0; i < TLS_LABELS_MAX && !*l->is_found; i++) {
		ptrdiff_t dot = span_find(span_skip(rest, 1), '.');

		if (dot < 0)
			break;
		rest = span_skip(rest, (size_t)dot + 1);
		if (override_get(db, l, rest, e) < 0)
			return -1;
	}
	return 0;
}

FIBER int tls_override_find(struct store *s, struct arena *a, struct span destination,
	struct tls_override *row_r, bool *is_found_r, struct err *e)
{
	struct override_look l = {
		.a = a, .destination = destination, .row = row_r, .is_found = is_found_r};

	*row_r = (struct tls_override){0};
	*is_found_r = false;
	return store_read(s, "tls.override", override_look, &l, e);
}

/* ---- MTA-STS policies ---- */

DB_SQL(sql_sts_find,
	"SELECT policy_id, body, fetched_ns, refreshed_ns, expires_ns FROM sts_policy "
	"WHERE domain = $1");
DB_SQL(sql_sts_put,
	"INSERT INTO sts_policy (domain, policy_id, body, fetched_ns, refreshed_ns, expires_ns) "
	"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (domain) DO UPDATE SET "
	"policy_id = excluded.policy_id, body = excluded.body, fetched_ns = excluded.fetched_ns, "
	"refreshed_ns = excluded.refreshed_ns, expires_ns = excluded.expires_ns");
DB_SQL(sql_sts_page,
	"SELECT domain, expires_ns FROM sts_policy WHERE domain > $1 ORDER BY domain LIMIT 256");
DB_SQL(sql_sts_remove, "DELETE FROM sts_policy WHERE domain = $1");

struct sts_look {
	struct arena *a;
	struct span domain;
	struct sts_fact *fact;
	bool *is_found;
};

static int sts_look(struct db *db, void *arg, struct err *e)
{
	struct sts_look *l = arg;
	struct sts_fact *f = l->fact;

	return db_get(db, e, l->a, &sql_sts_find, l->is_found, "t:ttiii", l->domain, &f->id,
		&f->body, &f->fetched_ns, &f->refreshed_ns, &f->expires_ns);
}

FIBER int sts_fact_find(struct store *s, struct arena *a, struct span domain,
	struct sts_fact *fact_r, bool *is_found_r, struct err *e)
{
	struct sts_look l = {.a = a, .domain = domain, .fact = fact_r, .is_found = is_found_r};

	*fact_r = (struct sts_fact){.domain = domain};
	*is_found_r = false;
	return store_read(s, "sts.policy", sts_look, &l, e);
}

static int sts_write(struct db *db, void *arg, struct err *e)
{
	const struct sts_fact *f = arg;

	return db_run(db, e, &sql_sts_put, "tttiii", f->domain, f->id, f->body, f->fetched_ns,
		f->refreshed_ns, f->expires_ns);
}

FIBER int sts_fact_put(struct store *s, const struct sts_fact *fact, struct err *e)
{
	struct sts_fact row = *fact;

	return store_write(s, "sts.policy", sts_write, &row, e);
}

struct sts_sweep {
	struct arena *a;
	struct span after, old[STORE_PAGE_ROWS];
	size_t count, seen;
	int64_t before_ns;
};

static int sts_sweep_page(struct db *db, void *arg, struct err *e)
{
	struct sts_sweep *w = arg;
	struct db_stmt *st = db_query(db, e, &sql_sts_page, "t", w->after);
	bool is_row = false;
	int rc = -1;

	w->count = w->seen = 0;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct span domain;
		int64_t expires_ns;

		db_cols(st, "ti", &domain, &expires_ns);
		w->after = arena_span(w->a, domain);
		w->seen++;
		if (expires_ns < w->before_ns)
			w->old[w->count++] = w->after;
	}
	db_done(st);
	for (size_t i = 0; i < w->count && rc == 0; i++)
		rc = db_run(db, e, &sql_sts_remove, "t", w->old[i]);
	return rc;
}

FIBER int sts_fact_sweep(struct store *s, int64_t before_ns, struct err *e)
{
	struct arena *a = arena_new();
	struct sts_sweep *w = ARENA_NEW(a, struct sts_sweep);
	int rc;

	w->a = a;
	w->before_ns = before_ns;
	do {
		struct span after = w->after;

		rc = store_write(s, "sts.sweep", sts_sweep_page, w, e);
		if (span_eq(after, w->after))
			break;
	} while (rc == 0 && w->seen == STORE_PAGE_ROWS);
	arena_free(&a);
	return rc;
}
