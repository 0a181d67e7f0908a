#include "store/dkim_keys.h"

#include "base/must.h"
#include "base/secret.h"
#include "store/db/db.h"
#include "store/directory_priv.h"
#include "store/store_limits.h"
#include "store/store_priv.h"

#define LABELS_MAX 8 /* domains above one that are looked at */

static const char *const states[] = {
#define X(id, name) [DKIM_KEYS_##id] = name,
	DKIM_KEYS_STATES(X)
#undef X
};

const char *dkim_keys_state_str(enum dkim_keys_state s)
{
	return s < DKIM_KEYS_STATE_COUNT ? states[s] : "?";
}

/* from, to: the moves that there are */
static const bool moves[DKIM_KEYS_STATE_COUNT][DKIM_KEYS_STATE_COUNT] = {
	[DKIM_KEYS_PENDING] = {[DKIM_KEYS_ACTIVE] = true},
	[DKIM_KEYS_ACTIVE] = {[DKIM_KEYS_RETIRING] = true},
	[DKIM_KEYS_RETIRING] = {[DKIM_KEYS_ACTIVE] = true},
};

#define COLUMNS "domain, selector, algorithm, state, is_wide, pem, created_ns, changed_ns"

DB_SQL(sql_dkim_keys_add,
	"INSERT INTO dkim_key (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
	"ON CONFLICT (domain, selector) DO NOTHING");
DB_SQL(sql_dkim_keys_count, "SELECT COUNT(*) FROM dkim_key WHERE domain = $1");
DB_SQL(sql_dkim_keys_state, "SELECT state FROM dkim_key WHERE domain = $1 AND selector = $2");
DB_SQL(sql_dkim_keys_move,
	"UPDATE dkim_key SET state = $3, changed_ns = $4 WHERE domain = $1 AND selector = $2");
DB_SQL(sql_dkim_keys_retire,
	"UPDATE dkim_key SET state = 2, changed_ns = $2 WHERE domain = $1 AND state = 1 AND "
	"algorithm IN (SELECT p.algorithm FROM dkim_key p WHERE p.domain = $1 AND p.state = 0)");
DB_SQL(sql_dkim_keys_begin,
	"UPDATE dkim_key SET state = 1, changed_ns = $2 WHERE domain = $1 AND state = 0");
DB_SQL(sql_dkim_keys_remove, "DELETE FROM dkim_key WHERE domain = $1 AND selector = $2");
DB_SQL(sql_dkim_keys_page,
	"SELECT " COLUMNS " FROM dkim_key WHERE (domain, selector) > ($1, $2) "
	"ORDER BY domain, selector LIMIT 256");
DB_SQL(sql_dkim_keys_of,
	"SELECT " COLUMNS " FROM dkim_key WHERE domain = $1 AND selector > $2 "
	"ORDER BY selector LIMIT 256");
DB_SQL(sql_dkim_keys_any, "SELECT 1 FROM dkim_key WHERE state = 1 LIMIT 1");

static int missing(struct err *e, struct span domain, struct span selector)
{
	err_set(e, ERR_NOT_FOUND, SPAN_FMT " has no key with the selector \"" SPAN_FMT "\"",
		SPAN_ARG(domain), SPAN_ARG(span_sub(selector, 0, 80)));
	return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
}

/* ---- changes ---- */

static int add(struct db *db, void *arg, struct err *e)
{
	const struct dkim_keys_row *r = arg;
	int64_t count = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_dkim_keys_count, &is_found, "t:i", r->domain, &count) < 0)
		return -1;
	if (count >= DKIM_KEYS_DOMAIN_MAX)
		return err_set(e, ERR_LIMIT, SPAN_FMT " has %d keys already: remove some",
			SPAN_ARG(r->domain), DKIM_KEYS_DOMAIN_MAX);
	if (db_run(db, e, &sql_dkim_keys_add, "tttiitii", r->domain, r->selector, r->algorithm,
		    (int64_t)r->state, (int64_t)r->is_wide, r->pem, r->created_ns,
		    r->changed_ns) < 0)
		return -1;
	if (db_changes(db) == 0)
		return err_set(e, ERR_EXISTS,
			SPAN_FMT " has a key with the selector \"" SPAN_FMT "\" already",
			SPAN_ARG(r->domain), SPAN_ARG(r->selector));
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int dkim_keys_add(struct store *s, const struct dkim_keys_row *row, struct err *e)
{
	struct arena *a = arena_new();
	struct dkim_keys_row r = *row;
	int rc = directory_domain_name(a, row->domain, &r.domain, e);

	if (rc == 0 && (!r.selector.len || r.selector.len > DKIM_KEYS_SELECTOR_MAX))
		rc = directory_bad(e, "a selector (1 to 63 octets)", r.selector);
	if (rc == 0 && (!r.pem.len || r.pem.len > DKIM_KEYS_PEM_MAX))
		rc = err_set(e, ERR_LIMIT, "the key is too long");
	if (rc == 0) {
		r.created_ns = r.changed_ns = loop_wall_ns();
		rc = store_write(s, "dkim_keys.add", add, &r, e);
	}
	arena_free(&a);
	return rc;
}

struct change {
	struct span domain, selector;
	enum dkim_keys_state to;
	bool is_forced;
	int64_t now_ns;
};

static int state_of(
	struct db *db, const struct change *c, enum dkim_keys_state *state_r, struct err *e)
{
	int64_t state = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_dkim_keys_state, &is_found, "tt:i", c->domain, c->selector,
		    &state) < 0)
		return -1;
	if (!is_found)
		return missing(e, c->domain, c->selector);
	if (state < 0 || state >= DKIM_KEYS_STATE_COUNT)
		return err_set(e, ERR_CORRUPT, "a key is in no state that there is");
	*state_r = (enum dkim_keys_state)state;
	return 0;
}

static int move(struct db *db, void *arg, struct err *e)
{
	const struct change *c = arg;
	enum dkim_keys_state state;

	if (state_of(db, c, &state, e) < 0)
		return -1;
	if (state == c->to)
		return 0;
	if (!moves[state][c->to])
		return err_set(e, ERR_STATE,
			"the key \"" SPAN_FMT "\" of " SPAN_FMT " is %s: it cannot become %s",
			SPAN_ARG(c->selector), SPAN_ARG(c->domain), dkim_keys_state_str(state),
			dkim_keys_state_str(c->to));
	if (db_run(db, e, &sql_dkim_keys_move, "ttii", c->domain, c->selector, (int64_t)c->to,
		    c->now_ns) < 0)
		return -1;
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

static int turn(struct db *db, void *arg, struct err *e)
{
	const struct change *c = arg;

	if (db_run(db, e, &sql_dkim_keys_retire, "ti", c->domain, c->now_ns) < 0 ||
		db_run(db, e, &sql_dkim_keys_begin, "ti", c->domain, c->now_ns) < 0)
		return -1;
	if (db_changes(db) == 0)
		return err_set(e, ERR_NOT_FOUND, SPAN_FMT " has no key that is pending",
			SPAN_ARG(c->domain));
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

static int drop(struct db *db, void *arg, struct err *e)
{
	const struct change *c = arg;
	enum dkim_keys_state state;

	if (state_of(db, c, &state, e) < 0)
		return -1;
	if (state == DKIM_KEYS_ACTIVE && !c->is_forced)
		return err_set(e, ERR_STATE,
			"the key \"" SPAN_FMT "\" of " SPAN_FMT " is active: retire it first",
			SPAN_ARG(c->selector), SPAN_ARG(c->domain));
	if (db_run(db, e, &sql_dkim_keys_remove, "tt", c->domain, c->selector) < 0)
		return -1;
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

static FIBER int change(
	struct store *s, const char *name, store_fn *fn, struct change c, struct err *e)
{
	struct arena *a = arena_new();
	int rc = directory_domain_name(a, c.domain, &c.domain, e);

	c.now_ns = loop_wall_ns();
	if (rc == 0)
		rc = store_write(s, name, fn, &c, e);
	arena_free(&a);
	return rc;
}

FIBER int dkim_keys_move(struct store *s, struct span domain, struct span selector,
	enum dkim_keys_state to, struct err *e)
{
	struct change c = {.domain = domain, .selector = selector, .to = to};

	MUST(to < DKIM_KEYS_STATE_COUNT);
	return change(s, "dkim_keys.move", move, c, e);
}

FIBER int dkim_keys_turn(struct store *s, struct span domain, struct err *e)
{
	struct change c = {.domain = domain};

	return change(s, "dkim_keys.turn", turn, c, e);
}

FIBER int dkim_keys_remove(
	struct store *s, struct span domain, struct span selector, bool is_forced, struct err *e)
{
	struct change c = {.domain = domain, .selector = selector, .is_forced = is_forced};

	return change(s, "dkim_keys.remove", drop, c, e);
}

/* ---- lists ---- */

struct page {
	struct arena *a;
	struct span domain; /* "": all */
	struct dkim_keys_row *rows;
	size_t count, cap, page_count;
};

static void wipe(void *arg)
{
	struct span *pem = arg;

	secret_wipe((char *)pem->ptr, pem->len);
}

static struct span secret_copy(struct arena *a, struct span pem)
{
	struct span *kept = ARENA_NEW(a, struct span);

	*kept = arena_span(a, pem);
	arena_defer(a, wipe, kept);
	return *kept;
}

static int read_rows(struct page *p, struct db_stmt *st, struct err *e)
{
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct dkim_keys_row r = {0};
		int64_t state, is_wide;

		db_cols(st, "tttiitii", &r.domain, &r.selector, &r.algorithm, &state, &is_wide,
			&r.pem, &r.created_ns, &r.changed_ns);
		r.domain = arena_span(p->a, r.domain);
		r.selector = arena_span(p->a, r.selector);
		r.algorithm = arena_span(p->a, r.algorithm);
		r.pem = secret_copy(p->a, r.pem);
		r.state = (enum dkim_keys_state)state;
		r.is_wide = is_wide != 0;
		if (p->count == p->cap) {
			struct dkim_keys_row *grown;

			p->cap = p->cap ? 2 * p->cap : 16;
			grown = ARENA_ARRAY(p->a, struct dkim_keys_row, p->cap);
			for (size_t i = 0; i < p->count; i++)
				grown[i] = p->rows[i];
			p->rows = grown;
		}
		p->rows[p->count++] = r;
		p->page_count++;
	}
	db_done(st);
	return rc;
}

static int read_page(struct db *db, void *arg, struct err *e)
{
	struct page *p = arg;
	struct dkim_keys_row none = {0}, *last = p->count ? &p->rows[p->count - 1] : &none;

	return read_rows(p,
		p->domain.len
			? db_query(db, e, &sql_dkim_keys_of, "tt", p->domain, last->selector)
			: db_query(db, e, &sql_dkim_keys_page, "tt", last->domain, last->selector),
		e);
}

FIBER int dkim_keys_list(struct store *s, struct arena *a, struct span domain,
	struct dkim_keys_row **list_r, size_t *count_r, struct err *e)
{
	struct page p = {.a = a};

	if (domain.len && directory_domain_name(a, domain, &p.domain, e) < 0)
		return -1;
	do {
		p.page_count = 0;
		if (store_read(s, "dkim_keys.list", read_page, &p, e) < 0)
			return -1;
	} while (p.page_count == STORE_PAGE_ROWS);
	*list_r = p.rows;
	*count_r = p.count;
	return 0;
}

/* Keep those that sign; returns how many. */
static size_t keep_active(struct page *p, bool is_above)
{
	size_t n = 0;

	for (size_t i = 0; i < p->count; i++) {
		if (p->rows[i].state == DKIM_KEYS_ACTIVE && (!is_above || p->rows[i].is_wide))
			p->rows[n++] = p->rows[i];
	}
	p->count = n;
	return n;
}

static int read_for(struct db *db, void *arg, struct err *e)
{
	struct page *p = arg;
	struct span at = p->domain;

	for (unsigned i = 0; i <= LABELS_MAX && at.len; i++) {
		ptrdiff_t dot = span_find(at, '.');

		p->count = 0;
		if (read_rows(p, db_query(db, e, &sql_dkim_keys_of, "tt", at, SPAN_NONE), e) < 0)
			return -1;
		if (keep_active(p, i > 0))
			return 0;
		at = dot < 0 ? SPAN_NONE : span_skip(at, (size_t)dot + 1);
	}
	return 0;
}

FIBER int dkim_keys_for(struct store *s, struct arena *a, struct span domain,
	struct dkim_keys_row **list_r, size_t *count_r, struct err *e)
{
	struct page p = {.a = a};

	*list_r = NULL;
	*count_r = 0;
	/* what is no domain has no key */
	if (directory_domain_name(a, domain, &p.domain, NULL) < 0)
		return 0;
	if (store_read(s, "dkim_keys.for", read_for, &p, e) < 0)
		return -1;
	*list_r = p.rows;
	*count_r = p.count;
	return 0;
}

static int read_any(struct db *db, void *arg, struct err *e)
{
	int64_t one;

	return db_get(db, e, NULL, &sql_dkim_keys_any, arg, ":i", &one);
}

FIBER int dkim_keys_any(struct store *s, bool *is_any_r, struct err *e)
{
	return store_read(s, "dkim_keys.any", read_any, is_any_r, e);
}
