/* Under which addresses an account may write. */

#include "store/account.h"
#include "store/account_priv.h"
#include "store/directory_priv.h"
#include "store/store_priv.h"

DB_SQL(sql_send_primary, "SELECT id FROM account WHERE domain = $1 AND local = $2");
DB_SQL(sql_send_address, "SELECT account_id FROM address WHERE domain = $1 AND local = $2");
DB_SQL(sql_send_alias,
	"SELECT target FROM alias WHERE domain = $1 AND local = $2 ORDER BY n LIMIT 2");
DB_SQL(sql_send_list, "SELECT id FROM list WHERE domain = $1 AND local = $2");
DB_SQL(sql_send_member,
	"SELECT rights FROM account_member WHERE account_id = $1 AND member_id = $2");
DB_SQL(sql_send_pattern, "SELECT pattern FROM send_as WHERE account_id = $1 AND pattern = $2");

struct account_send {
	uint64_t id;
	struct arena *a;
	struct span local, base, domain; /* base: without the sub-address; "" there is none */
	enum account_way way;
};

/* Whose address is it? 0: no account's. */
static int account_owner(
	struct db *db, struct span local, struct span domain, int64_t *id_r, struct err *e)
{
	bool is_found;

	*id_r = 0;
	if (db_get(db, e, NULL, &sql_send_primary, &is_found, "tt:i", domain, local, id_r) < 0)
		return -1;
	if (is_found)
		return 0;
	return db_get(db, e, NULL, &sql_send_address, &is_found, "tt:i", domain, local, id_r);
}

/* The only target of an alias; *count_r is 0, 1 or 2 (more). */
static int account_alias_target(struct db *db, struct arena *a, struct span local,
	struct span domain, struct span *target_r, size_t *count_r, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_send_alias, "tt", domain, local);
	bool is_row = false;
	int result = -1;

	*count_r = 0;
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		*target_r = arena_span(a, db_col_span(st, 0));
		++*count_r;
	}
	db_done(st);
	return result;
}

static int account_of_target(
	struct db *db, struct account_send *s, struct span target, struct err *e)
{
	struct span local, domain;
	int64_t owner = 0;

	if (directory_address(s->a, target, &local, &domain, NULL) < 0)
		return 0;
	if (account_owner(db, local, domain, &owner, e) < 0)
		return -1;
	if ((uint64_t)owner == s->id)
		s->way = ACCOUNT_ALIAS;
	return 0;
}

static int account_of_member(struct db *db, struct account_send *s, int64_t owner, struct err *e)
{
	int64_t rights = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_send_member, &is_found, "ii:i", owner, (int64_t)s->id,
		    &rights) < 0)
		return -1;
	if (rights & ACCOUNT_RIGHT_SEND)
		s->way = ACCOUNT_MEMBER;
	return 0;
}

/* A list's name, or that of a part of it (news-owner): those are no account's. */
static int account_send_list(
	struct db *db, struct account_send *s, struct span local, bool *is_taken_r, struct err *e)
{
	enum directory_list_part part;
	struct span name;

	if (db_get(db, e, NULL, &sql_send_list, is_taken_r, "tt:-", s->domain, local) < 0)
		return -1;
	if (*is_taken_r || !directory_list_cut(local, &name, &part))
		return 0;
	return db_get(db, e, NULL, &sql_send_list, is_taken_r, "tt:-", s->domain, name);
}

/* Who bears exactly this name decides; *is_taken_r: somebody does. */
static int account_send_name(
	struct db *db, struct account_send *s, struct span local, bool *is_taken_r, struct err *e)
{
	struct span target = SPAN_NONE;
	size_t targets = 0;
	int64_t owner = 0;

	if (account_owner(db, local, s->domain, &owner, e) < 0)
		return -1;
	*is_taken_r = owner != 0;
	if ((uint64_t)owner == s->id) {
		s->way = ACCOUNT_OWN;
		return 0;
	}
	if (owner)
		return account_of_member(db, s, owner, e);
	if (account_alias_target(db, s->a, local, s->domain, &target, &targets, e) < 0)
		return -1;
	*is_taken_r = targets > 0;
	if (targets == 1)
		return account_of_target(db, s, target, e);
	return targets ? 0 : account_send_list(db, s, local, is_taken_r, e);
}

static int account_send_pattern(
	struct db *db, struct account_send *s, struct span pattern, struct err *e)
{
	bool is_found = false;

	if (db_get(db, e, NULL, &sql_send_pattern, &is_found, "it:-", (int64_t)s->id, pattern) < 0)
		return -1;
	if (is_found)
		s->way = ACCOUNT_LISTED;
	return 0;
}

/* The order of the directory's questions (directory_look.c): whom mail to the address reaches first
 * is whose it is; the sub-address of an account is its own unless somebody bears the whole name. */
static int account_send_read(struct db *db, void *arg, struct err *e)
{
	struct account_send *s = arg;
	bool is_taken = false;

	s->way = ACCOUNT_NOT_ITS;
	if (account_send_name(db, s, s->local, &is_taken, e) < 0)
		return -1;
	if (!is_taken && s->base.len && account_send_name(db, s, s->base, &is_taken, e) < 0)
		return -1;
	if (!is_taken && account_send_name(db, s, SPAN("*"), &is_taken, e) < 0)
		return -1;
	if (s->way == ACCOUNT_NOT_ITS &&
		account_send_pattern(db, s, directory_join(s->a, s->local, s->domain), e) < 0)
		return -1;
	if (s->way == ACCOUNT_NOT_ITS && s->base.len &&
		account_send_pattern(db, s, directory_join(s->a, s->base, s->domain), e) < 0)
		return -1;
	if (s->way == ACCOUNT_NOT_ITS)
		return account_send_pattern(db, s, directory_join(s->a, SPAN_NONE, s->domain), e);
	return 0;
}

FIBER int account_may_send(struct store *s, uint64_t id, struct span address, char separator,
	enum account_way *way_r, struct err *e)
{
	struct arena *a = arena_new();
	struct account_send look = {.a = a, .id = id};
	ptrdiff_t at;
	int result = 0;

	*way_r = ACCOUNT_NOT_ITS;
	/* What is no address of anybody's here is not its. Nor is a quoted local part: it may be another
	 * one's in disguise (RFC 5321 section 4.1.2: "bob"@ is bob@), and none is needed here. */
	if (directory_address(a, address, &look.local, &look.domain, NULL) == 0 &&
		!span_eq(look.local, SPAN("*")) && span_find(look.local, '"') < 0 && id) {
		at = separator ? span_find(look.local, separator) : -1;
		if (at > 0)
			look.base = span_sub(look.local, 0, (size_t)at);
		result = store_read(s, "account.send", account_send_read, &look, e);
		*way_r = look.way;
	}
	arena_free(&a);
	return result;
}

/* --- all of them --------------------------------------------------------------------------- */

DB_SQL(sql_identity_own, "SELECT local, domain, name FROM account WHERE id = $1");
DB_SQL(sql_identity_addresses,
	"SELECT local, domain, '' FROM address WHERE account_id = $1 LIMIT 256");
/* Aliases of which one target is this account and none is anybody else. */
DB_SQL(sql_identity_aliases,
	"SELECT x.local, x.domain, '' FROM account a JOIN alias x "
	"ON x.target = a.local || '@' || a.domain WHERE a.id = $1 AND x.n = 0 AND NOT EXISTS "
	"(SELECT 1 FROM alias y WHERE y.domain = x.domain AND y.local = x.local AND y.n = 1) "
	"LIMIT 256");
DB_SQL(sql_identity_further_aliases,
	"SELECT x.local, x.domain, '' FROM address d JOIN alias x "
	"ON x.target = d.local || '@' || d.domain WHERE d.account_id = $1 AND x.n = 0 AND NOT "
	"EXISTS (SELECT 1 FROM alias y WHERE y.domain = x.domain AND y.local = x.local AND "
	"y.n = 1) LIMIT 256");
DB_SQL(sql_identity_teams,
	"SELECT a.local, a.domain, a.name FROM account_member m JOIN account a "
	"ON a.id = m.account_id WHERE m.member_id = $1 AND (m.rights & 4) <> 0 LIMIT 256");
DB_SQL(sql_identity_team_addresses,
	"SELECT d.local, d.domain, '' FROM account_member m JOIN address d "
	"ON d.account_id = m.account_id WHERE m.member_id = $1 AND (m.rights & 4) <> 0 LIMIT 256");
DB_SQL(sql_identity_patterns,
	"SELECT pattern, '', '' FROM send_as WHERE account_id = $1 ORDER BY pattern LIMIT 256");

_Static_assert(ACCOUNT_RIGHT_SEND == 4, "the identities of teams");

struct account_identities {
	struct arena *a;
	uint64_t id;
	struct account_identity *list;
	size_t count, cap;
};

static void account_identity_add(
	struct account_identities *l, struct db_stmt *st, enum account_way way)
{
	struct account_identity *r;
	struct span local, domain, name;

	if (l->count == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 8;
		struct account_identity *grown = ARENA_ARRAY(l->a, struct account_identity, cap);

		for (size_t i = 0; i < l->count; i++)
			grown[i] = l->list[i];
		l->list = grown;
		l->cap = cap;
	}
	db_cols(st, "ttt", &local, &domain, &name);
	r = &l->list[l->count++];
	r->way = way;
	r->name = arena_span(l->a, name);
	if (way == ACCOUNT_LISTED)
		r->address = arena_span(l->a, local);
	else if (span_eq(local, SPAN("*")))
		r->address = directory_join(l->a, SPAN_NONE, domain);
	else
		r->address = directory_join(l->a, local, domain);
}

static int account_identities_read(struct db *db, void *arg, struct err *e)
{
	static const struct {
		const struct db_sql *sql;
		enum account_way way;
	} parts[] = {
		{&sql_identity_own, ACCOUNT_OWN},
		{&sql_identity_addresses, ACCOUNT_OWN},
		{&sql_identity_aliases, ACCOUNT_ALIAS},
		{&sql_identity_further_aliases, ACCOUNT_ALIAS},
		{&sql_identity_teams, ACCOUNT_MEMBER},
		{&sql_identity_team_addresses, ACCOUNT_MEMBER},
		{&sql_identity_patterns, ACCOUNT_LISTED},
	};
	struct account_identities *l = arg;

	l->count = 0;
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct db_stmt *st = db_query(db, e, parts[i].sql, "i", (int64_t)l->id);
		bool is_row = false;
		int result = -1;

		while (st && (result = db_step(st, &is_row, e)) == 0 && is_row)
			account_identity_add(l, st, parts[i].way);
		db_done(st);
		if (result < 0)
			return -1;
		if (i == 0 && l->count == 0)
			return account_gone(e, l->id);
	}
	return 0;
}

FIBER int account_identities(struct store *s, struct arena *a, uint64_t id,
	struct account_identity **list_r, size_t *count_r, struct err *e)
{
	struct account_identities l = {.a = a, .id = id};

	if (store_read(s, "account.identities", account_identities_read, &l, e) < 0)
		return -1;
	*list_r = l.list;
	*count_r = l.count;
	return 0;
}
