#include "store/road.h"

#include "base/must.h"
#include "store/db/db.h"
#include "store/store_priv.h"

#define ROAD_PAGE 256

const char *road_policy_str(enum road_policy p)
{
	static const char *const words[] = {
#define X(id, word) word,
		ROAD_POLICIES(X)
#undef X
	};

	MUST(p < ROAD_POLICY_COUNT);
	return words[p];
}

/* --- what all three tables need ------------------------------------------------------------ */

/* A list that is read in pages of ROAD_PAGE rows, each its own read transaction. */
struct road_page {
	struct arena *a;
	struct span after[2]; /* the key of the last row seen */
	int64_t after_n;
	char *rows;
	size_t count, cap, page_count;
};

static void *road_row(struct road_page *p, size_t size)
{
	if (p->count == p->cap) {
		size_t cap = p->cap ? p->cap * 2 : 16;
		char *grown = arena_alloc_array(p->a, size, cap);

		for (size_t i = 0; i < p->count * size; i++)
			grown[i] = p->rows[i];
		p->rows = grown;
		p->cap = cap;
	}
	return p->rows + p->count++ * size;
}

static FIBER int road_pages(
	struct store *s, const char *name, store_fn *page, struct road_page *p, struct err *e)
{
	p->after_n = -1;
	do {
		p->page_count = 0;
		if (store_read(s, name, page, p, e) < 0)
			return -1;
	} while (p->page_count == ROAD_PAGE);
	return 0;
}

static int road_bad(struct err *e, const char *what, struct span text)
{
	return err_set(
		e, ERR_SYNTAX, "'" SPAN_FMT "' is not %s", SPAN_ARG(span_sub(text, 0, 80)), what);
}

static int road_check_name(struct span name, const char *what, struct err *e)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char c = span_lower((unsigned char)name.ptr[i]);

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
			    c == '.'))
			return road_bad(e, what, name);
	}
	return name.len && name.len <= ROAD_NAME_MAX ? 0 : road_bad(e, what, name);
}

static int road_check_text(struct span text, const char *what, struct err *e)
{
	if (text.len <= ROAD_TEXT_MAX && !span_has_line_break(text) && span_find(text, 0) < 0)
		return 0;
	return road_bad(e, what, text);
}

static int road_check_weight(uint64_t weight, struct err *e)
{
	if (weight >= 1 && weight <= ROAD_WEIGHT_MAX)
		return 0;
	return err_set(e, ERR_SYNTAX, "a weight is 1 to %d", ROAD_WEIGHT_MAX);
}

static int road_missing(struct err *e, const char *what, struct span name)
{
	return err_set(e, ERR_NOT_FOUND, "there is no %s '" SPAN_FMT "'", what, SPAN_ARG(name));
}

/* --- pools --------------------------------------------------------------------------------- */

DB_SQL(sql_road_pool_add, "INSERT INTO pool (name, policy) VALUES ($1, $2)");
DB_SQL(sql_road_pool_set, "UPDATE pool SET policy = $2 WHERE name = $1");
DB_SQL(sql_road_pool_remove, "DELETE FROM pool WHERE name = $1");
DB_SQL(sql_road_member_add,
	"INSERT INTO pool_member (pool, n, next_hop, weight, is_off) VALUES ($1, $2, $3, $4, $5)");
DB_SQL(sql_road_member_remove, "DELETE FROM pool_member WHERE pool = $1");
DB_SQL(sql_road_pool_page,
	"SELECT p.name, p.policy, m.n, m.next_hop, m.weight, m.is_off FROM pool p "
	"JOIN pool_member m ON m.pool = p.name WHERE (p.name, m.n) > ($1, $2) "
	"ORDER BY p.name, m.n LIMIT 256");
DB_SQL(sql_road_hop_route, "SELECT domain FROM route WHERE next_hop = $1 LIMIT 1");
DB_SQL(sql_road_hop_sender, "SELECT sender FROM sender_route WHERE next_hop = $1 LIMIT 1");

struct road_pool_change {
	const struct road_pool *pool;
	bool is_add;
	struct span key; /* "pool:NAME" */
};

static int road_pool_write(struct db *db, void *arg, struct err *e)
{
	struct road_pool_change *c = arg;
	const struct road_pool *p = c->pool;
	struct err why = {0};

	if (db_run(db, &why, c->is_add ? &sql_road_pool_add : &sql_road_pool_set, "ti", p->name,
		    (int64_t)p->policy) < 0)
		return why.code == ERR_EXISTS
			? err_set(e, ERR_EXISTS, "pool '" SPAN_FMT "' is there already",
				  SPAN_ARG(p->name))
			: err_copy(e, &why);
	if (!c->is_add && db_changes(db) == 0)
		return road_missing(e, "pool", p->name);
	if (db_run(db, e, &sql_road_member_remove, "t", p->name) < 0)
		return -1;
	for (size_t i = 0; i < p->member_count; i++) {
		const struct road_member *m = &p->members[i];

		if (db_run(db, e, &sql_road_member_add, "titii", p->name, (int64_t)i, m->next_hop,
			    (int64_t)m->weight, (int64_t)m->is_off) < 0)
			return -1;
	}
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int road_pool_set(struct store *s, const struct road_pool *pool, bool is_add, struct err *e)
{
	struct road_pool_change c = {.pool = pool, .is_add = is_add};

	if (road_check_name(pool->name, "a pool's name", e) < 0)
		return -1;
	if (pool->member_count < 1 || pool->member_count > ROAD_MEMBERS_MAX)
		return err_set(e, ERR_SYNTAX, "a pool has 1 to %d members", ROAD_MEMBERS_MAX);
	for (size_t i = 0; i < pool->member_count; i++) {
		const struct road_member *m = &pool->members[i];

		if (road_check_text(m->next_hop, "a next hop", e) < 0 ||
			road_check_weight(m->weight, e) < 0)
			return -1;
		for (size_t k = 0; k < i; k++) {
			if (span_eq(m->next_hop, pool->members[k].next_hop))
				return err_set(e, ERR_SYNTAX,
					"'" SPAN_FMT "' stands twice in the pool",
					SPAN_ARG(m->next_hop));
		}
	}
	return store_write(s, "road.pool", road_pool_write, &c, e);
}

/* A route that leads to what is to be removed would defer all its mail. */
static int road_check_unrouted(struct db *db, struct span hop, struct err *e)
{
	const struct db_sql *sqls[] = {&sql_road_hop_route, &sql_road_hop_sender};
	struct arena *a = arena_new();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(sqls); i++) {
		struct span whose = SPAN_NONE;
		bool is_found;

		rc = db_get(db, e, a, sqls[i], &is_found, "t:t", hop, &whose);
		if (rc == 0 && is_found)
			rc = err_set(e, ERR_STATE,
				"the route of '" SPAN_FMT "' leads there; change it first",
				SPAN_ARG(whose));
	}
	arena_free(&a);
	return rc;
}

static int road_pool_delete(struct db *db, void *arg, struct err *e)
{
	struct road_pool_change *c = arg;

	if (road_check_unrouted(db, c->key, e) < 0 ||
		db_run(db, e, &sql_road_pool_remove, "t", c->pool->name) < 0)
		return -1;
	if (db_changes(db) == 0)
		return road_missing(e, "pool", c->pool->name);
	if (db_run(db, e, &sql_road_member_remove, "t", c->pool->name) < 0)
		return -1;
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int road_pool_remove(struct store *s, struct span name, struct err *e)
{
	struct arena *a = arena_new();
	struct road_pool pool = {.name = name};
	struct road_pool_change c = {
		.pool = &pool, .key = span_str(arena_printf(a, "pool:" SPAN_FMT, SPAN_ARG(name)))};
	int rc = store_write(s, "road.pool", road_pool_delete, &c, e);

	arena_free(&a);
	return rc;
}

static int road_pool_page(struct db *db, void *arg, struct err *e)
{
	struct road_page *p = arg;
	struct db_stmt *st = db_query(db, e, &sql_road_pool_page, "ti", p->after[0], p->after_n);
	struct road_pool *pool = p->count ? &((struct road_pool *)(void *)p->rows)[p->count - 1]
					  : NULL;
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct span name, next_hop;
		int64_t policy, weight, is_off;

		db_cols(st, "tiitii", &name, &policy, &p->after_n, &next_hop, &weight, &is_off);
		if (!pool || !span_eq(pool->name, name)) {
			pool = road_row(p, sizeof(*pool));
			*pool = (struct road_pool){.name = arena_span(p->a, name),
				.policy = policy >= 0 && policy < ROAD_POLICY_COUNT
					? (enum road_policy)policy
					: ROAD_ORDER,
				.members = ARENA_ARRAY(p->a, struct road_member, ROAD_MEMBERS_MAX)};
			p->after[0] = pool->name;
		}
		p->page_count++;
		if (pool->member_count < ROAD_MEMBERS_MAX)
			pool->members[pool->member_count++] = (struct road_member){
				.next_hop = arena_span(p->a, next_hop),
				.weight = weight < 1 ? 1 : (uint64_t)weight,
				.is_off = is_off != 0};
	}
	db_done(st);
	return rc;
}

FIBER int road_pool_list(
	struct store *s, struct arena *a, struct road_pool **list_r, size_t *count_r, struct err *e)
{
	struct road_page p = {.a = a};

	if (road_pages(s, "road.pools", road_pool_page, &p, e) < 0)
		return -1;
	*list_r = (void *)p.rows;
	*count_r = p.count;
	return 0;
}

/* --- egress -------------------------------------------------------------------------------- */

DB_SQL(sql_road_egress_next, "SELECT n FROM egress WHERE name = $1 ORDER BY n DESC LIMIT 1");
DB_SQL(sql_road_egress_add,
	"INSERT INTO egress (name, n, address4, address6, hostname, proxy, weight, need_ptr) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8)");
DB_SQL(sql_road_egress_set,
	"UPDATE egress SET address4 = $3, address6 = $4, hostname = $5, proxy = $6, weight = $7, "
	"need_ptr = $8 WHERE name = $1 AND n = $2");
DB_SQL(sql_road_egress_remove, "DELETE FROM egress WHERE name = $1");
DB_SQL(sql_road_egress_remove_one, "DELETE FROM egress WHERE name = $1 AND n = $2");
DB_SQL(sql_road_egress_page,
	"SELECT name, n, address4, address6, hostname, proxy, weight, need_ptr FROM egress "
	"WHERE (name, n) > ($1, $2) ORDER BY name, n LIMIT 256");
DB_SQL(sql_road_egress_route, "SELECT domain FROM route WHERE egress = $1 LIMIT 1");
DB_SQL(sql_road_egress_sender, "SELECT sender FROM sender_route WHERE egress = $1 LIMIT 1");

struct road_egress_change {
	struct road_egress egress;
	bool is_add;
	int64_t n; /* remove: < 0 all */
};

static int road_egress_write(struct db *db, void *arg, struct err *e)
{
	struct road_egress_change *c = arg;
	const struct road_egress *g = &c->egress;
	int64_t last = -1;
	bool is_found;

	if (c->is_add) {
		if (db_get(db, e, NULL, &sql_road_egress_next, &is_found, "t:i", g->name, &last) <
			0)
			return -1;
		if (last + 1 >= ROAD_EGRESS_MAX)
			return err_set(
				e, ERR_LIMIT, "an egress has at most %d rows", ROAD_EGRESS_MAX);
		c->n = last + 1;
	}
	if (db_run(db, e, c->is_add ? &sql_road_egress_add : &sql_road_egress_set, "tittttii",
		    g->name, c->n, g->address4, g->address6, g->hostname, g->proxy,
		    (int64_t)g->weight, (int64_t)g->is_ptr_needed) < 0)
		return -1;
	if (!c->is_add && db_changes(db) == 0)
		return err_set(e, ERR_NOT_FOUND, "egress '" SPAN_FMT "' has no row %lld",
			SPAN_ARG(g->name), (long long)c->n);
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int road_egress_set(struct store *s, const struct road_egress *egress, bool is_add,
	uint64_t *n_r, struct err *e)
{
	struct road_egress_change c = {
		.egress = *egress, .is_add = is_add, .n = (int64_t)egress->n};

	if (road_check_name(egress->name, "an egress' name", e) < 0 ||
		road_check_text(egress->hostname, "a host name", e) < 0 ||
		road_check_text(egress->proxy, "a proxy", e) < 0 ||
		road_check_text(egress->address4, "an address", e) < 0 ||
		road_check_text(egress->address6, "an address", e) < 0 ||
		road_check_weight(egress->weight, e) < 0 ||
		store_write(s, "road.egress", road_egress_write, &c, e) < 0)
		return -1;
	*n_r = (uint64_t)c.n;
	return 0;
}

static int road_egress_check_unrouted(struct db *db, struct span name, struct err *e)
{
	const struct db_sql *sqls[] = {&sql_road_egress_route, &sql_road_egress_sender};
	struct arena *a = arena_new();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < ARRAY_LEN(sqls); i++) {
		struct span whose = SPAN_NONE;
		bool is_found;

		rc = db_get(db, e, a, sqls[i], &is_found, "t:t", name, &whose);
		if (rc == 0 && is_found)
			rc = err_set(e, ERR_STATE,
				"the route of '" SPAN_FMT "' goes out from there; change it first",
				SPAN_ARG(whose));
	}
	arena_free(&a);
	return rc;
}

static int road_egress_delete(struct db *db, void *arg, struct err *e)
{
	struct road_egress_change *c = arg;
	struct span name = c->egress.name;
	int64_t last;
	bool is_left;
	int rc = c->n < 0 ? db_run(db, e, &sql_road_egress_remove, "t", name)
			  : db_run(db, e, &sql_road_egress_remove_one, "ti", name, c->n);

	if (rc < 0)
		return -1;
	if (db_changes(db) == 0)
		return road_missing(e, c->n < 0 ? "egress" : "such row of the egress", name);
	if (db_get(db, e, NULL, &sql_road_egress_next, &is_left, "t:i", name, &last) < 0 ||
		(!is_left && road_egress_check_unrouted(db, name, e) < 0))
		return -1; /* the savepoint takes it back */
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int road_egress_remove(struct store *s, struct span name, int64_t n, struct err *e)
{
	struct road_egress_change c = {.egress = {.name = name}, .n = n};

	return store_write(s, "road.egress", road_egress_delete, &c, e);
}

static int road_egress_page(struct db *db, void *arg, struct err *e)
{
	struct road_page *p = arg;
	struct db_stmt *st = db_query(db, e, &sql_road_egress_page, "ti", p->after[0], p->after_n);
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct road_egress *g = road_row(p, sizeof(*g));
		int64_t weight, need_ptr;

		db_cols(st, "tittttii", &g->name, &p->after_n, &g->address4, &g->address6,
			&g->hostname, &g->proxy, &weight, &need_ptr);
		p->after[0] = g->name = arena_span(p->a, g->name);
		g->n = (uint64_t)p->after_n;
		g->address4 = arena_span(p->a, g->address4);
		g->address6 = arena_span(p->a, g->address6);
		g->hostname = arena_span(p->a, g->hostname);
		g->proxy = arena_span(p->a, g->proxy);
		g->weight = weight < 1 ? 1 : (uint64_t)weight;
		g->is_ptr_needed = need_ptr != 0;
		p->page_count++;
	}
	db_done(st);
	return rc;
}

FIBER int road_egress_list(struct store *s, struct arena *a, struct road_egress **list_r,
	size_t *count_r, struct err *e)
{
	struct road_page p = {.a = a};

	if (road_pages(s, "road.egresses", road_egress_page, &p, e) < 0)
		return -1;
	*list_r = (void *)p.rows;
	*count_r = p.count;
	return 0;
}

/* --- credentials --------------------------------------------------------------------------- */

DB_SQL(sql_road_credential_set,
	"INSERT INTO credential (next_hop, sender, username, secret, mechs, is_clear) "
	"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (next_hop, sender) DO UPDATE SET "
	"username = excluded.username, secret = excluded.secret, mechs = excluded.mechs, "
	"is_clear = excluded.is_clear");
DB_SQL(sql_road_credential_remove, "DELETE FROM credential WHERE next_hop = $1 AND sender = $2");
DB_SQL(sql_road_credential_page,
	"SELECT next_hop, sender, username, secret, mechs, is_clear FROM credential "
	"WHERE (next_hop, sender) > ($1, $2) ORDER BY next_hop, sender LIMIT 256");

static int road_credential_write(struct db *db, void *arg, struct err *e)
{
	const struct road_credential *c = arg;

	if (db_run(db, e, &sql_road_credential_set, "ttttti", c->next_hop, c->sender, c->username,
		    c->secret, c->mechs, (int64_t)c->is_clear_allowed) < 0)
		return -1;
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int road_credential_set(
	struct store *s, const struct road_credential *credential, struct err *e)
{
	struct road_credential c = *credential;

	if (road_check_text(c.next_hop, "a next hop", e) < 0 ||
		road_check_text(c.sender, "a sender", e) < 0 ||
		road_check_text(c.username, "a user name", e) < 0 ||
		road_check_text(c.mechs, "a list of mechanisms", e) < 0)
		return -1;
	if (!c.next_hop.len || !c.username.len)
		return err_set(e, ERR_SYNTAX, "a login needs a next hop and a user name");
	/* never told what it is */
	if (!c.secret.len || c.secret.len > ROAD_TEXT_MAX || span_has_line_break(c.secret) ||
		span_find(c.secret, 0) >= 0)
		return err_set(
			e, ERR_SYNTAX, "the password is empty, too long or has a line break");
	return store_write(s, "road.credential", road_credential_write, &c, e);
}

static int road_credential_delete(struct db *db, void *arg, struct err *e)
{
	const struct road_credential *c = arg;

	if (db_run(db, e, &sql_road_credential_remove, "tt", c->next_hop, c->sender) < 0)
		return -1;
	if (db_changes(db) == 0)
		return road_missing(e, "login for", c->next_hop);
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int road_credential_remove(
	struct store *s, struct span next_hop, struct span sender, struct err *e)
{
	struct road_credential c = {.next_hop = next_hop, .sender = sender};

	return store_write(s, "road.credential", road_credential_delete, &c, e);
}

static int road_credential_page(struct db *db, void *arg, struct err *e)
{
	struct road_page *p = arg;
	struct db_stmt *st = db_query(
		db, e, &sql_road_credential_page, "tt", p->after[0], p->after[1]);
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct road_credential *c = road_row(p, sizeof(*c));
		int64_t is_clear;

		db_cols(st, "ttttti", &c->next_hop, &c->sender, &c->username, &c->secret, &c->mechs,
			&is_clear);
		p->after[0] = c->next_hop = arena_span(p->a, c->next_hop);
		p->after[1] = c->sender = arena_span(p->a, c->sender);
		c->username = arena_span(p->a, c->username);
		c->secret = arena_span(p->a, c->secret);
		c->mechs = arena_span(p->a, c->mechs);
		c->is_clear_allowed = is_clear != 0;
		p->page_count++;
	}
	db_done(st);
	return rc;
}

FIBER int road_credential_list(struct store *s, struct arena *a, struct road_credential **list_r,
	size_t *count_r, struct err *e)
{
	struct road_page p = {.a = a};

	if (road_pages(s, "road.credentials", road_credential_page, &p, e) < 0)
		return -1;
	*list_r = (void *)p.rows;
	*count_r = p.count;
	return 0;
}
