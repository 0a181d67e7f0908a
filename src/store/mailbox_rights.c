/* Who may do what in which mailbox (RFC 4314), and what a name leads to. One function answers it for all
 * protocols. Nothing here tells apart what is not there and what may not be looked up. */

#include <stdlib.h>

#include "store/account.h"
#include "store/directory_priv.h"
#include "store/mailbox_priv.h"

/* Of a mailbox's owner: whoever is gone or suspended shares nothing. */
DB_SQL(sql_rights_owner,
	"SELECT kind, local, domain FROM account WHERE id = $1 AND removed_ns = 0 AND is_suspended = 0");
DB_SQL(sql_rights_member,
	"SELECT rights FROM account_member WHERE account_id = $1 AND member_id = $2");
DB_SQL(sql_rights_address, "SELECT local, domain FROM account WHERE id = $1");
/* Rows for everybody, for himself, and for groups and teams that he belongs to. */
DB_SQL(sql_rights_acl,
	"SELECT identifier, rights FROM mailbox_acl WHERE mailbox_id = $1 AND identifier IN "
	"('anyone', '-anyone', $2, '-' || $2) UNION ALL "
	"SELECT x.identifier, x.rights FROM account_member m JOIN account g ON g.id = m.account_id "
	"JOIN mailbox_acl x ON x.mailbox_id = $1 AND x.identifier IN "
	"(g.local || '@' || g.domain, '-' || g.local || '@' || g.domain) WHERE m.member_id = $3");
DB_SQL(sql_rights_account,
	"SELECT id, kind FROM account WHERE domain = $1 AND local = $2 AND removed_ns = 0 AND "
	"is_suspended = 0");

struct asker {
	uint64_t id;
	struct span address; /* primary; "" : nobody */
};

static int asker_read(
	struct db *db, struct arena *a, uint64_t account_id, struct asker *who, struct err *e)
{
	struct span local, domain;
	bool is_found;

	*who = (struct asker){.id = account_id};
	if (db_get(db, e, a, &sql_rights_address, &is_found, "i:tt", (int64_t)account_id, &local,
		    &domain) < 0)
		return -1;
	if (is_found)
		who->address = directory_join(a, local, domain);
	return 0;
}

/* What membership of a team is worth (RFC 4314 section 4 says what each letter opens). */
static unsigned rights_of_member(int64_t member)
{
	unsigned rights = 0;

	if (member & (ACCOUNT_RIGHT_READ | ACCOUNT_RIGHT_WRITE | ACCOUNT_RIGHT_MANAGE))
		rights |= MAILBOX_RIGHT_LOOKUP | MAILBOX_RIGHT_READ | MAILBOX_RIGHT_SEEN;
	if (member & (ACCOUNT_RIGHT_WRITE | ACCOUNT_RIGHT_MANAGE))
		rights |= MAILBOX_RIGHT_ALL & ~(unsigned)MAILBOX_RIGHT_ADMIN;
	if (member & ACCOUNT_RIGHT_MANAGE)
		rights |= MAILBOX_RIGHT_ADMIN;
	return rights;
}

static int rights_of_acl(struct db *db, uint64_t mailbox_id, const struct asker *who,
	unsigned *rights_r, struct err *e)
{
	struct db_stmt *st = db_query(
		db, e, &sql_rights_acl, "iti", (int64_t)mailbox_id, who->address, (int64_t)who->id);
	unsigned given = 0, taken = 0;
	bool is_row = false;
	int result = -1;

	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		struct span identifier;
		int64_t rights;

		db_cols(st, "ti", &identifier, &rights);
		/* RFC 4314 section 2: the rights of an identifier behind '-' are taken away in the end. */
		if (identifier.len && identifier.ptr[0] == '-')
			taken |= (unsigned)rights;
		else
			given |= (unsigned)rights;
	}
	db_done(st);
	*rights_r = given & ~taken;
	return result;
}

/* `owner_kind` is that of the owner, or negative when he shares nothing. The same questions are asked
 * whatever the answers are. */
static int rights_of(struct db *db, const struct asker *who, uint64_t mailbox_id, uint64_t owner_id,
	int64_t owner_kind, unsigned *rights_r, struct err *e)
{
	unsigned acl = 0;
	int64_t member = 0;
	bool is_found;

	if (owner_id == who->id) {
		*rights_r = MAILBOX_RIGHT_ALL;
		return 0;
	}
	if (db_get(db, e, NULL, &sql_rights_member, &is_found, "ii:i", (int64_t)owner_id,
		    (int64_t)who->id, &member) < 0 ||
		rights_of_acl(db, mailbox_id, who, &acl, e) < 0)
		return -1;
	*rights_r = owner_kind < 0 || who->address.len == 0
		? 0
		: acl | (owner_kind == ACCOUNT_TEAM ? rights_of_member(member) : 0);
	return 0;
}

/* --- a name ---------------------------------------------------------------------------------- */

struct resolve {
	struct arena *a;
	uint64_t account_id;
	struct span name;
	struct mailbox_ref *ref;
	bool is_found;
	/* of a new name */
	uint64_t owner_id;
	struct span inner;
	bool may_create, may_look;
	bool is_hidden; /* a level above is there and may not be looked up */
};

/* "Other Users/bob@our.example/Work" as (bob@our.example, Work): false: it is a name of his own. */
static bool take_owner(
	struct span name, bool *is_team_r, struct span *address_r, struct span *rest_r)
{
	static const char *const roots[] = {MAILBOX_OTHERS, MAILBOX_SHARED};

	for (size_t i = 0; i < ARRAY_LEN(roots); i++) {
		struct span root = span_str(roots[i]);
		struct span rest;

		if (!span_eq(span_sub(name, 0, root.len), root) || name.len <= root.len ||
			name.ptr[root.len] != '/')
			continue;
		rest = span_skip(name, root.len + 1);
		*is_team_r = i == 1;
		if (!span_cut(rest, '/', address_r, rest_r)) {
			*address_r = rest;
			*rest_r = SPAN("INBOX");
		}
		return true;
	}
	return false;
}

static struct span seen_name(struct arena *a, int64_t kind, struct span address, struct span folder)
{
	const char *root = kind == ACCOUNT_TEAM ? MAILBOX_SHARED : MAILBOX_OTHERS;

	if (span_eq(folder, SPAN("INBOX")))
		return mailbox_spanf(a, "%s/" SPAN_FMT, root, SPAN_ARG(address));
	return mailbox_spanf(
		a, "%s/" SPAN_FMT "/" SPAN_FMT, root, SPAN_ARG(address), SPAN_ARG(folder));
}

/* Whose it is and what it is called there; owner 0: nobody's. */
static int find_owner(struct db *db, struct arena *a, const struct asker *who, struct span name,
	uint64_t *owner_id_r, int64_t *kind_r, struct span *address_r, struct span *folder_r,
	struct err *e)
{
	struct span address, local, domain, at;
	bool is_team, is_found = false;
	int64_t id = 0, kind = -1;

	*owner_id_r = who->id;
	*kind_r = ACCOUNT_PERSON;
	*address_r = who->address;
	*folder_r = name;
	if (!take_owner(name, &is_team, &address, folder_r))
		return 0;
	address = mailbox_lower(a, address);
	local = domain = SPAN("");
	if (span_cut(address, '@', &local, &at))
		domain = at;
	if (db_get(db, e, NULL, &sql_rights_account, &is_found, "tt:ii", domain, local, &id,
		    &kind) < 0)
		return -1;
	if (!is_found || (kind == ACCOUNT_TEAM) != is_team || (uint64_t)id == who->id) {
		id = 0;
		kind = -1;
	}
	*owner_id_r = (uint64_t)id;
	*kind_r = kind;
	*address_r = address;
	return 0;
}

static int resolve_name(struct db *db, void *arg, struct err *e)
{
	struct resolve *x = arg;
	struct mailbox_info info = {0};
	struct span address, folder;
	struct asker who;
	uint64_t owner;
	int64_t kind;
	unsigned rights;
	bool is_there = false;

	x->is_found = false;
	if (asker_read(db, x->a, x->account_id, &who, e) < 0 ||
		find_owner(db, x->a, &who, x->name, &owner, &kind, &address, &folder, e) < 0 ||
		mailbox_find_tx(db, x->a, owner, folder, &info, &is_there, e) < 0 ||
		rights_of(db, &who, info.id, owner, kind, &rights, e) < 0)
		return -1;
	if (!is_there || !(rights & MAILBOX_RIGHT_LOOKUP))
		return 0;
	x->is_found = true;
	*x->ref = (struct mailbox_ref){.info = info,
		.rights = rights,
		.is_own = owner == who.id,
		.seen_name = owner == who.id ? info.name
					     : seen_name(x->a, kind, address, info.name)};
	return 0;
}

int mailbox_seen_tx(struct db *db, struct arena *a, uint64_t account_id, struct span seen_name,
	struct mailbox_info *info_r, bool *is_found_r, struct err *e)
{
	struct span address, folder;
	struct asker who;
	uint64_t owner;
	int64_t kind;

	*is_found_r = false;
	if (asker_read(db, a, account_id, &who, e) < 0 ||
		find_owner(db, a, &who, seen_name, &owner, &kind, &address, &folder, e) < 0)
		return -1;
	return mailbox_find_tx(db, a, owner, folder, info_r, is_found_r, e);
}

FIBER int mailbox_resolve(struct store *s, struct arena *a, uint64_t account_id, struct span name,
	struct mailbox_ref *ref_r, struct err *e)
{
	struct resolve x = {.a = a, .account_id = account_id, .name = name, .ref = ref_r};

	if (store_read(s, "mailbox.resolve", resolve_name, &x, e) < 0)
		return -1;
	return x.is_found ? 0 : err_set(e, ERR_NOT_FOUND, "there is no such mailbox");
}

struct rights_look {
	uint64_t mailbox_id, account_id;
	unsigned rights;
};

static int rights_look(struct db *db, void *arg, struct err *e)
{
	struct rights_look *x = arg;
	struct arena *a = arena_new();
	struct mailbox_info info = {0};
	struct asker who;
	int64_t kind = -1;
	bool is_there = false, is_owner = false;
	int result = -1;

	x->rights = 0;
	if (asker_read(db, a, x->account_id, &who, e) == 0 &&
		mailbox_by_id_tx(db, a, x->mailbox_id, &info, &is_there, e) == 0 &&
		db_get(db, e, NULL, &sql_rights_owner, &is_owner, "i:i--", (int64_t)info.account_id,
			&kind) == 0)
		result = rights_of(
			db, &who, info.id, info.account_id, is_owner ? kind : -1, &x->rights, e);
	if (!is_there)
		x->rights = 0;
	arena_free(&a);
	return result;
}

FIBER int mailbox_rights(struct store *s, uint64_t mailbox_id, uint64_t account_id,
	unsigned *rights_r, struct err *e)
{
	struct rights_look x = {.mailbox_id = mailbox_id, .account_id = account_id};

	if (store_read(s, "mailbox.rights", rights_look, &x, e) < 0)
		return -1;
	*rights_r = x.rights;
	return 0;
}

/* --- a name that is to be -------------------------------------------------------------------- */

/* The nearest level above that is there decides (RFC 4314 section 4, CREATE: "k" on a nearest existing
 * parent). In one's own tree one may always. */
static int look_above(
	struct db *db, struct resolve *x, const struct asker *who, int64_t kind, struct err *e)
{
	struct span name = x->inner;
	ptrdiff_t slash;

	x->may_create = x->may_look = x->owner_id == who->id;
	while (!x->may_create && (slash = span_rfind(name, '/')) > 0) {
		struct mailbox_info info;
		unsigned rights;
		bool is_there = false;

		name = span_sub(name, 0, (size_t)slash);
		if (mailbox_find_tx(db, x->a, x->owner_id, name, &info, &is_there, e) < 0)
			return -1;
		if (!is_there)
			continue;
		if (rights_of(db, who, info.id, x->owner_id, kind, &rights, e) < 0)
			return -1;
		/* The answer is that of the level above, as if this one were not there. */
		if (!(rights & MAILBOX_RIGHT_LOOKUP)) {
			x->is_hidden = true;
			continue;
		}
		x->may_look = true;
		x->may_create = !x->is_hidden && (rights & MAILBOX_RIGHT_CREATE);
		return 0;
	}
	return 0;
}

/* A level of another's tree without a parent that is there: his INBOX is what stands above it. */
static int look_at_root(
	struct db *db, struct resolve *x, const struct asker *who, int64_t kind, struct err *e)
{
	struct mailbox_info info = {0};
	unsigned rights;
	bool is_there = false;

	if (x->may_look || x->may_create)
		return 0;
	if (mailbox_find_tx(db, x->a, x->owner_id, SPAN("INBOX"), &info, &is_there, e) < 0 ||
		rights_of(db, who, info.id, x->owner_id, kind, &rights, e) < 0)
		return -1;
	x->may_look = is_there && (rights & MAILBOX_RIGHT_LOOKUP);
	x->may_create = x->may_look && !x->is_hidden && (rights & MAILBOX_RIGHT_CREATE);
	return 0;
}

static int resolve_new(struct db *db, void *arg, struct err *e)
{
	struct resolve *x = arg;
	struct mailbox_info info = {0};
	struct asker who;
	struct span address;
	int64_t kind;
	unsigned rights = 0;
	bool is_there = false;

	if (asker_read(db, x->a, x->account_id, &who, e) < 0 ||
		find_owner(db, x->a, &who, x->name, &x->owner_id, &kind, &address, &x->inner, e) <
			0 ||
		mailbox_find_tx(db, x->a, x->owner_id, x->inner, &info, &is_there, e) < 0 ||
		rights_of(db, &who, info.id, x->owner_id, kind, &rights, e) < 0 ||
		look_above(db, x, &who, kind, e) < 0 || look_at_root(db, x, &who, kind, e) < 0)
		return -1;
	x->is_found = is_there && (rights & MAILBOX_RIGHT_LOOKUP);
	/* Something is there that he may not see: as if he may not make one. */
	if (is_there && !x->is_found)
		x->may_create = false;
	return 0;
}

FIBER int mailbox_resolve_new(struct store *s, struct arena *a, uint64_t account_id,
	struct span name, uint64_t *owner_id_r, struct span *name_r, struct err *e)
{
	struct resolve x = {.a = a, .account_id = account_id, .name = name};

	if (mailbox_name_check(name, e) < 0)
		return -1;
	if (span_eq(name, SPAN(MAILBOX_OTHERS)) || span_eq(name, SPAN(MAILBOX_SHARED)))
		return err_set(e, ERR_DENIED, "under this name others' mailboxes are seen");
	if (store_read(s, "mailbox.resolve_new", resolve_new, &x, e) < 0)
		return -1;
	if (x.is_found)
		return err_set(e, ERR_EXISTS, "there is a mailbox of that name");
	if (x.owner_id == 0 || !x.may_look)
		return err_set(e, ERR_NOT_FOUND, "there is no such mailbox");
	if (!x.may_create)
		return err_set(e, ERR_DENIED, "you may not make mailboxes there");
	*owner_id_r = x.owner_id;
	*name_r = x.inner;
	return 0;
}

/* --- all that can be seen ---------------------------------------------------------------------- */

#define VISIBLE_COLUMNS                                                                            \
	"m.id, m.account_id, m.name, m.uidvalidity, m.uidnext, m.highest_modseq, m.messages, "     \
	"m.unseen, m.octets, m.deleted, m.deleted_octets, m.special_use, a.kind, a.local, "        \
	"a.domain"
DB_SQL(sql_visible_circles,
	"SELECT g.id, g.kind, g.local, g.domain FROM account_member m JOIN account g "
	"ON g.id = m.account_id WHERE m.member_id = $1 LIMIT 1000");
DB_SQL(sql_visible_team,
	"SELECT " VISIBLE_COLUMNS " FROM mailbox m JOIN account a ON a.id = m.account_id "
	"WHERE m.account_id = $1 AND m.name > $2 AND a.removed_ns = 0 AND a.is_suspended = 0 "
	"ORDER BY m.name LIMIT 256");
DB_SQL(sql_visible_acl,
	"SELECT " VISIBLE_COLUMNS " FROM mailbox_acl x JOIN mailbox m ON m.id = x.mailbox_id "
	"JOIN account a ON a.id = m.account_id WHERE x.identifier = $1 AND x.mailbox_id > $2 AND "
	"m.account_id <> $3 AND a.removed_ns = 0 AND a.is_suspended = 0 ORDER BY x.mailbox_id "
	"LIMIT 256");

/* Where to look: mailboxes of a team, or those that name somebody. */
struct circle {
	uint64_t team_id; /* 0: by identifier */
	struct span identifier;
};

struct visible {
	struct arena *a;
	uint64_t account_id;
	struct circle *circles; /* everybody, himself, groups and teams that he belongs to */
	size_t circle_count;
	const struct circle *circle; /* this page's */
	uint64_t after;
	struct span after_name;
	struct mailbox_ref *list;
	size_t count, cap, page;
};

static struct mailbox_ref *visible_row(struct visible *v)
{
	if (v->count == v->cap) {
		size_t cap = v->cap ? v->cap * 2 : 32;
		struct mailbox_ref *grown = ARENA_ARRAY(v->a, struct mailbox_ref, cap);

		for (size_t i = 0; i < v->count; i++)
			grown[i] = v->list[i];
		v->list = grown;
		v->cap = cap;
	}
	return &v->list[v->count];
}

static int visible_circles(struct db *db, void *arg, struct err *e)
{
	struct visible *v = arg;
	struct asker who;
	struct db_stmt *st;
	bool is_row = false;
	int result = -1;

	if (asker_read(db, v->a, v->account_id, &who, e) < 0)
		return -1;
	v->circles = ARENA_ARRAY(v->a, struct circle, 2 + 2 * ACCOUNT_MEMBERS_MAX);
	v->circles[0] = (struct circle){.identifier = SPAN("anyone")};
	v->circles[1] = (struct circle){.identifier = who.address};
	v->circle_count = 2;
	st = db_query(db, e, &sql_visible_circles, "i", (int64_t)v->account_id);
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		struct span local, domain;
		int64_t id, kind;

		db_cols(st, "iitt", &id, &kind, &local, &domain);
		v->circles[v->circle_count++] = (struct circle){
			.identifier = directory_join(v->a, local, domain)};
		if (kind == ACCOUNT_TEAM)
			v->circles[v->circle_count++] = (struct circle){.team_id = (uint64_t)id};
	}
	db_done(st);
	return result;
}

static int visible_one(struct db *db, struct visible *v, struct db_stmt *st,
	const struct asker *who, struct err *e)
{
	struct mailbox_ref *ref = visible_row(v);
	struct span local, domain;
	int64_t kind;

	*ref = (struct mailbox_ref){0};
	mailbox_info_cols(v->a, st, &ref->info);
	kind = db_col_i64(st, 12);
	local = db_col_span(st, 13);
	domain = db_col_span(st, 14);
	v->page++;
	v->after = ref->info.id;
	v->after_name = ref->info.name;
	if (rights_of(db, who, ref->info.id, ref->info.account_id, kind, &ref->rights, e) < 0)
		return -1;
	if (!(ref->rights & MAILBOX_RIGHT_LOOKUP))
		return 0;
	ref->seen_name = seen_name(v->a, kind, directory_join(v->a, local, domain), ref->info.name);
	v->count++;
	return 0;
}

static int visible_page(struct db *db, void *arg, struct err *e)
{
	struct visible *v = arg;
	struct db_stmt *st;
	struct asker who;
	bool is_row = false;
	int result = -1;

	v->page = 0;
	if (asker_read(db, v->a, v->account_id, &who, e) < 0)
		return -1;
	st = v->circle->team_id ? db_query(db, e, &sql_visible_team, "it",
					  (int64_t)v->circle->team_id, v->after_name)
				: db_query(db, e, &sql_visible_acl, "tii", v->circle->identifier,
					  (int64_t)v->after, (int64_t)who.id);
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row)
		if ((result = visible_one(db, v, st, &who, e)) < 0)
			break;
	db_done(st);
	return result;
}

static int compare_refs(const void *x, const void *y)
{
	const struct mailbox_ref *a = x, *b = y;

	if (a->is_own != b->is_own)
		return a->is_own ? -1 : 1;
	return span_cmp(a->seen_name, b->seen_name);
}

/* One that is seen for two reasons is told once. */
static void sort_refs(struct visible *v)
{
	size_t n = 0;

	if (v->count == 0)
		return;
	qsort(v->list, v->count, sizeof(*v->list), compare_refs);
	for (size_t i = 0; i < v->count; i++)
		if (n == 0 || v->list[n - 1].info.id != v->list[i].info.id)
			v->list[n++] = v->list[i];
	v->count = n;
}

FIBER int mailbox_visible(struct store *s, struct arena *a, uint64_t account_id,
	struct mailbox_ref **list_r, size_t *count_r, struct err *e)
{
	struct visible v = {.a = a, .account_id = account_id};
	struct mailbox_info *own;
	size_t own_count;

	if (mailbox_folders(s, a, account_id, &own, &own_count, e) < 0)
		return -1;
	for (size_t i = 0; i < own_count; i++, v.count++)
		*visible_row(&v) = (struct mailbox_ref){.info = own[i],
			.seen_name = own[i].name,
			.rights = MAILBOX_RIGHT_ALL,
			.is_own = true};
	if (store_read(s, "mailbox.circles", visible_circles, &v, e) < 0)
		return -1;
	for (size_t i = 0; i < v.circle_count; i++) {
		v.circle = &v.circles[i];
		v.after = 0;
		v.after_name = SPAN("");
		do {
			if (store_read(s, "mailbox.visible", visible_page, &v, e) < 0)
				return -1;
		} while (v.page == STORE_PAGE_ROWS);
	}
	sort_refs(&v);
	*list_r = v.list;
	*count_r = v.count;
	return 0;
}

/* --- access control lists -------------------------------------------------------------------------- */

DB_SQL(sql_acl_list,
	"SELECT identifier, rights FROM mailbox_acl WHERE mailbox_id = $1 ORDER BY identifier LIMIT $2");
DB_SQL(sql_acl_count, "SELECT COUNT(*) FROM mailbox_acl WHERE mailbox_id = $1");
DB_SQL(sql_acl_put,
	"INSERT INTO mailbox_acl (mailbox_id, identifier, rights) VALUES ($1, $2, $3) "
	"ON CONFLICT (mailbox_id, identifier) DO UPDATE SET rights = excluded.rights");
DB_SQL(sql_acl_drop, "DELETE FROM mailbox_acl WHERE mailbox_id = $1 AND identifier = $2");
DB_SQL(sql_acl_account,
	"SELECT id FROM account WHERE domain = $1 AND local = $2 AND removed_ns = 0");
DB_SQL(sql_acl_address,
	"SELECT a.local, a.domain FROM address d JOIN account a ON a.id = d.account_id "
	"WHERE d.domain = $1 AND d.local = $2 AND a.removed_ns = 0");

struct acl {
	struct arena *a;
	uint64_t mailbox_id;
	struct span identifier;
	unsigned rights;
	struct mailbox_acl *list;
	size_t count;
};

static int acl_read(struct db *db, void *arg, struct err *e)
{
	struct acl *x = arg;
	struct mailbox_info info;
	struct span local, domain;
	struct db_stmt *st;
	bool is_there = false, is_owner = false, is_row = false;
	int result = -1;

	x->count = 0;
	if (mailbox_by_id_tx(db, x->a, x->mailbox_id, &info, &is_there, e) < 0)
		return -1;
	if (!is_there)
		return err_set(e, ERR_NOT_FOUND, "there is no such mailbox");
	if (db_get(db, e, x->a, &sql_rights_address, &is_owner, "i:tt", (int64_t)info.account_id,
		    &local, &domain) < 0)
		return -1;
	/* RFC 4314 section 3.3: whoever has rights is told, and the owner has all. */
	if (is_owner)
		x->list[x->count++] = (struct mailbox_acl){
			directory_join(x->a, local, domain), MAILBOX_RIGHT_ALL};
	st = db_query(db, e, &sql_acl_list, "ii", (int64_t)x->mailbox_id, (int64_t)MAILBOX_ACL_MAX);
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		struct mailbox_acl *row = &x->list[x->count];
		int64_t rights;

		db_cols(st, "ti", &row->identifier, &rights);
		row->identifier = arena_span(x->a, row->identifier);
		row->rights = (unsigned)rights;
		if (!is_owner || !span_eq(row->identifier, x->list[0].identifier))
			x->count++;
	}
	db_done(st);
	return result;
}

FIBER int mailbox_acl_list(struct store *s, struct arena *a, uint64_t mailbox_id,
	struct mailbox_acl **list_r, size_t *count_r, struct err *e)
{
	struct acl x = {.a = a, .mailbox_id = mailbox_id};

	x.list = ARENA_ARRAY(a, struct mailbox_acl, MAILBOX_ACL_MAX + 1);
	if (store_read(s, "mailbox.acl", acl_read, &x, e) < 0)
		return -1;
	*list_r = x.list;
	*count_r = x.count;
	return 0;
}

/* The form that is kept: 'anyone', or an account's primary address, each perhaps behind '-'. */
static int acl_identifier(struct db *db, struct acl *x, struct span *kept_r, struct err *e)
{
	struct span text = mailbox_lower(x->a, x->identifier), local, domain;
	bool is_taken = text.len && text.ptr[0] == '-', is_found = false;

	if (is_taken)
		text = span_skip(text, 1);
	*kept_r = mailbox_lower(x->a, x->identifier);
	if (span_eq(text, SPAN("anyone")))
		return 0;
	if (span_cut(text, '@', &local, &domain)) {
		if (db_get(db, e, NULL, &sql_acl_account, &is_found, "tt:-", domain, local) < 0)
			return -1;
		if (is_found)
			return 0;
		if (db_get(db, e, x->a, &sql_acl_address, &is_found, "tt:tt", domain, local, &local,
			    &domain) < 0)
			return -1;
	}
	if (!is_found)
		return err_set(e, ERR_NOT_FOUND, "there is no '" SPAN_FMT "' here", SPAN_ARG(text));
	*kept_r = mailbox_spanf(x->a, "%s" SPAN_FMT "@" SPAN_FMT, is_taken ? "-" : "",
		SPAN_ARG(local), SPAN_ARG(domain));
	return 0;
}

static int acl_write(struct db *db, void *arg, struct err *e)
{
	struct acl *x = arg;
	struct mailbox_info info;
	struct span kept;
	int64_t count = 0;
	bool is_there = false;

	if (mailbox_by_id_tx(db, x->a, x->mailbox_id, &info, &is_there, e) < 0)
		return -1;
	if (!is_there)
		return err_set(e, ERR_NOT_FOUND, "there is no such mailbox");
	if (x->rights == 0) { /* also of those who are not here any more */
		kept = mailbox_lower(x->a, x->identifier);
		if (db_run(db, e, &sql_acl_drop, "it", (int64_t)x->mailbox_id, kept) < 0)
			return -1;
	} else {
		if (acl_identifier(db, x, &kept, e) < 0 ||
			db_get(db, e, NULL, &sql_acl_count, &is_there, "i:i",
				(int64_t)x->mailbox_id, &count) < 0)
			return -1;
		if (count >= MAILBOX_ACL_MAX)
			return err_set(e, ERR_LIMIT, "a mailbox's list has at most %d entries",
				MAILBOX_ACL_MAX);
		if (db_run(db, e, &sql_acl_put, "iti", (int64_t)x->mailbox_id, kept,
			    (int64_t)x->rights) < 0)
			return -1;
	}
	if (mailbox_told_tx(db, info.account_id, info.id, OBJECT_UPDATED, e) < 0)
		return -1;
	store_changed_mailbox(db, info.account_id, info.id);
	store_changed_mailbox(db, info.account_id, 0);
	return 0;
}

FIBER int mailbox_acl_set(struct store *s, uint64_t mailbox_id, struct span identifier,
	unsigned rights, struct err *e)
{
	struct acl x = {.a = arena_new(),
		.mailbox_id = mailbox_id,
		.identifier = identifier,
		.rights = rights & MAILBOX_RIGHT_ALL};
	int result = store_write(s, "mailbox.acl", acl_write, &x, e);

	arena_free(&x.a);
	return result;
}

/* --- who belongs to whom ------------------------------------------------------------------------- */

DB_SQL(sql_circle_own, "SELECT id, account_id FROM mailbox WHERE account_id = $1");
DB_SQL(sql_circle_named,
	"SELECT m.id, m.account_id FROM mailbox_acl x JOIN mailbox m ON m.id = x.mailbox_id "
	"WHERE x.identifier IN ($1, '-' || $1)");

static int tell_circle(struct db *db, struct db_stmt *st, struct err *e)
{
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		if ((rc = mailbox_told_tx(db, (uint64_t)db_col_i64(st, 1),
			     (uint64_t)db_col_i64(st, 0), OBJECT_UPDATED, e)) < 0)
			break;
	db_done(st);
	return rc;
}

int mailbox_circle_changed_tx(struct db *db, uint64_t account_id, struct err *e)
{
	struct arena *a = arena_new();
	struct asker circle;
	int rc = asker_read(db, a, account_id, &circle, e);

	if (rc == 0)
		rc = tell_circle(db, db_query(db, e, &sql_circle_own, "i", (int64_t)account_id), e);
	if (rc == 0)
		rc = tell_circle(db, db_query(db, e, &sql_circle_named, "t", circle.address), e);
	arena_free(&a);
	return rc;
}
