/* What TLSRPT counts (RFC 8460): sums a day, never one row a session. */

#include <string.h>

#include "base/must.h"
#include "store/db/db.h"
#include "store/store_priv.h"
#include "store/tls_facts.h"

#define RESULT_COLUMNS                                                                             \
	"day, domain, policy, mx, kind, sessions, detail, peer, policy_text FROM tls_result "
#define RESULT_PAGE " ORDER BY domain, policy, mx, kind LIMIT 256"
DB_SQL(sql_result_add,
	"INSERT INTO tls_result (day, domain, policy, mx, kind, sessions, detail, peer, "
	"policy_text) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
	"ON CONFLICT (day, domain, policy, mx, kind) DO UPDATE SET "
	"sessions = tls_result.sessions + excluded.sessions, detail = excluded.detail, "
	"peer = excluded.peer, policy_text = excluded.policy_text");
DB_SQL(sql_result_page,
	"SELECT " RESULT_COLUMNS
	"WHERE day = $1 AND (domain, policy, mx, kind) > ($2, $3, $4, $5)" RESULT_PAGE);
DB_SQL(sql_result_page_of,
	"SELECT " RESULT_COLUMNS "WHERE day = $1 AND domain = $2 "
	"AND (policy, mx, kind) > ($3, $4, $5) ORDER BY policy, mx, kind LIMIT 256");
DB_SQL(sql_result_old,
	"SELECT " RESULT_COLUMNS "WHERE day < $1 ORDER BY day, domain, policy, mx, kind LIMIT 256");
DB_SQL(sql_result_remove,
	"DELETE FROM tls_result WHERE day = $1 AND domain = $2 AND policy = $3 AND mx = $4 "
	"AND kind = $5");

struct batch {
	const struct tls_result *rows;
	size_t count;
};

static int result_write(struct db *db, void *arg, struct err *e)
{
	const struct batch *b = arg;

	for (size_t i = 0; i < b->count; i++) {
		const struct tls_result *r = &b->rows[i];

		if (db_run(db, e, &sql_result_add, "ittttittt", r->day, r->domain, r->policy, r->mx,
			    r->kind, (int64_t)r->sessions, span_sub(r->detail, 0, TLS_DETAIL_MAX),
			    r->peer, r->policy_text) < 0)
			return -1;
	}
	return 0;
}

FIBER int tls_result_add(
	struct store *s, const struct tls_result *rows, size_t count, struct err *e)
{
	struct batch b = {rows, count};

	MUST(count <= TLS_RESULTS_BATCH);
	return count ? store_write(s, "tls.results", result_write, &b, e) : 0;
}

struct page {
	struct arena *a;
	int64_t day; /* or all before */
	struct span domain;
	struct tls_result after;
	struct tls_result *rows;
	size_t count;
};

static int result_rows(struct db_stmt *st, struct page *p, struct err *e)
{
	bool is_row = false;
	int rc = -1;

	p->count = 0;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct tls_result *r = &p->rows[p->count];
		struct span *texts[] = {&r->domain, &r->policy, &r->mx, &r->kind, &r->detail,
			&r->peer, &r->policy_text};
		int64_t sessions;

		MUST(p->count++ < STORE_PAGE_ROWS);
		db_cols(st, "ittttittt", &r->day, &r->domain, &r->policy, &r->mx, &r->kind,
			&sessions, &r->detail, &r->peer, &r->policy_text);
		r->sessions = (uint64_t)sessions;
		for (size_t i = 0; i < ARRAY_LEN(texts); i++)
			*texts[i] = arena_span(p->a, *texts[i]);
	}
	db_done(st);
	return rc;
}

static int result_page(struct db *db, void *arg, struct err *e)
{
	struct page *p = arg;
	const struct tls_result *f = &p->after;

	return result_rows(p->domain.len ? db_query(db, e, &sql_result_page_of, "itttt", p->day,
						   p->domain, f->policy, f->mx, f->kind)
					 : db_query(db, e, &sql_result_page, "itttt", p->day,
						   f->domain, f->policy, f->mx, f->kind),
		p, e);
}

FIBER int tls_result_list(struct store *s, struct arena *a, int64_t day, struct span domain,
	const struct tls_result *after, struct tls_result **rows_r, size_t *count_r, struct err *e)
{
	struct page p = {.a = a, .day = day, .domain = domain, .after = *after};

	p.rows = ARENA_ARRAY(a, struct tls_result, STORE_PAGE_ROWS);
	*rows_r = p.rows;
	*count_r = 0;
	if (store_read(s, "tls.results", result_page, &p, e) < 0)
		return -1;
	*count_r = p.count;
	return 0;
}

static int result_sweep(struct db *db, void *arg, struct err *e)
{
	struct page *p = arg;
	int rc = result_rows(db_query(db, e, &sql_result_old, "i", p->day), p, e);

	for (size_t i = 0; i < p->count && rc == 0; i++) {
		const struct tls_result *r = &p->rows[i];

		rc = db_run(db, e, &sql_result_remove, "itttt", r->day, r->domain, r->policy, r->mx,
			r->kind);
	}
	return rc;
}

FIBER int tls_result_sweep(struct store *s, int64_t before_day, struct err *e)
{
	struct arena *a = arena_new();
	struct page p = {.a = a, .day = before_day};
	int rc;

	do {
		arena_reset(a);
		p.rows = ARENA_ARRAY(a, struct tls_result, STORE_PAGE_ROWS);
		rc = store_write(s, "tls.sweep", result_sweep, &p, e);
	} while (rc == 0 && p.count == STORE_PAGE_ROWS);
	arena_free(&a);
	return rc;
}
