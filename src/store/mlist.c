#include "store/mlist.h"

#include "base/clock.h"
#include "base/must.h"
#include "store/db/db.h"
#include "store/directory.h"
#include "store/directory_priv.h"
#include "store/store_priv.h"

/* ---- words ---- */

static const char *word(const char *const *words, size_t count, int n)
{
	return n >= 0 && (size_t)n < count ? words[n] : NULL;
}

const char *mlist_post_str(int p)
{
	static const char *const words[] = {"members", "anyone", "moderated", "owners"};

	return word(words, ARRAY_LEN(words), p);
}

const char *mlist_join_str(int j)
{
	static const char *const words[] = {"open", "owners"};

	return word(words, ARRAY_LEN(words), j);
}

const char *mlist_rewrite_str(int r)
{
	static const char *const words[] = {"needed", "always", "never"};

	return word(words, ARRAY_LEN(words), r);
}

int mlist_address(struct arena *a, struct span text, struct span *local_r, struct span *domain_r,
	struct err *e)
{
	return directory_address(a, text, local_r, domain_r, e);
}

/* ---- lists ---- */

#define LIST_COLUMNS                                                                               \
	"id, domain, local, title, post, join_kind, rewrite, subject_prefix, footer, octets_max, " \
	"is_reply_to_list, members, created_ns"
DB_SQL(sql_list_get, "SELECT " LIST_COLUMNS " FROM list WHERE id = $1");
DB_SQL(sql_list_find, "SELECT " LIST_COLUMNS " FROM list WHERE domain = $1 AND local = $2");
DB_SQL(sql_list_page,
	"SELECT " LIST_COLUMNS " FROM list WHERE domain >= $1 AND (domain, local) > ($1, $2) "
	"ORDER BY domain, local LIMIT 256");
DB_SQL(sql_list_add,
	"INSERT INTO list (id, domain, local, title, post, join_kind, rewrite, subject_prefix, "
	"footer, octets_max, is_reply_to_list, members, created_ns) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 0, $12)");
DB_SQL(sql_list_set,
	"UPDATE list SET title = $2, post = $3, join_kind = $4, rewrite = $5, subject_prefix = $6, "
	"footer = $7, octets_max = $8, is_reply_to_list = $9 WHERE id = $1");
DB_SQL(sql_list_taken_account, "SELECT id FROM account WHERE domain = $1 AND local = $2");
DB_SQL(sql_list_taken_address, "SELECT account_id FROM address WHERE domain = $1 AND local = $2");
DB_SQL(sql_list_taken_alias, "SELECT n FROM alias WHERE domain = $1 AND local = $2 LIMIT 1");
DB_SQL(sql_list_drop, "DELETE FROM list WHERE id = $1");
DB_SQL(sql_list_drop_members, "DELETE FROM list_member WHERE list_id = $1");
DB_SQL(sql_list_drop_pending, "DELETE FROM list_pending WHERE list_id = $1");

static void take_list(struct db_stmt *st, struct arena *a, struct mlist_info *l)
{
	int64_t id, post, join, rewrite, octets, reply, members;

	db_cols(st, "ittt", &id, &l->domain, &l->local, &l->title);
	post = db_col_i64(st, 4);
	join = db_col_i64(st, 5);
	rewrite = db_col_i64(st, 6);
	octets = db_col_i64(st, 9);
	reply = db_col_i64(st, 10);
	members = db_col_i64(st, 11);
	l->id = (uint64_t)id;
	l->domain = arena_span(a, l->domain);
	l->local = arena_span(a, l->local);
	l->title = arena_span(a, l->title);
	l->post = (enum mlist_post)post;
	l->join = (enum mlist_join)join;
	l->rewrite = (enum mlist_rewrite)rewrite;
	l->subject_prefix = arena_span(a, db_col_span(st, 7));
	l->footer = arena_span(a, db_col_span(st, 8));
	l->octets_max = (uint64_t)octets;
	l->is_reply_to_list = reply != 0;
	l->members = (uint64_t)members;
	l->created_ns = db_col_i64(st, 12);
}

struct mlist_change {
	const struct mlist_info *list;
	struct span local, domain;
	uint64_t id;
};

static int mlist_check(const struct mlist_info *l, struct err *e)
{
	if (span_has_line_break(l->title) || span_has_line_break(l->subject_prefix) ||
		l->title.len > MLIST_SETTINGS_MAX || l->subject_prefix.len > 100 ||
		l->footer.len > MLIST_SETTINGS_MAX)
		return err_set(e, ERR_SYNTAX,
			"title, subject prefix or footer is too long, or has line breaks");
	return 0;
}

static int mlist_add_tx(struct db *db, void *arg, struct err *e)
{
	static const struct db_sql *const taken[] = {
		&sql_list_taken_account, &sql_list_taken_address, &sql_list_taken_alias};
	struct mlist_change *c = arg;
	const struct mlist_info *l = c->list;
	enum directory_domain_kind kind;
	struct db_stmt *st;
	bool is_taken = false;

	if (directory_domain_kind(db, c->domain, &kind, e) < 0)
		return -1;
	if (kind != DIRECTORY_DOMAIN_LOCAL)
		return err_set(e, ERR_NOT_FOUND, "there is no local domain '" SPAN_FMT "'",
			SPAN_ARG(c->domain));
	for (size_t i = 0; i < ARRAY_LEN(taken) && !is_taken; i++) {
		if (db_get(db, e, NULL, taken[i], &is_taken, "tt:-", c->domain, c->local) < 0)
			return -1;
	}
	if (!is_taken &&
		db_get(db, e, NULL, &sql_list_find, &is_taken, "tt:-", c->domain, c->local) < 0)
		return -1;
	if (is_taken)
		return err_set(e, ERR_EXISTS,
			"an account, alias or list bears the name '" SPAN_FMT "@" SPAN_FMT "'",
			SPAN_ARG(c->local), SPAN_ARG(c->domain));
	st = db_prepare(db, &sql_list_add, e);
	if (!st)
		return -1;
	db_bind_i64(st, 1, (int64_t)c->id);
	db_bind_text(st, 2, c->domain);
	db_bind_text(st, 3, c->local);
	db_bind_text(st, 4, l->title);
	db_bind_i64(st, 5, l->post);
	db_bind_i64(st, 6, l->join);
	db_bind_i64(st, 7, l->rewrite);
	db_bind_text(st, 8, l->subject_prefix);
	db_bind_text(st, 9, l->footer);
	db_bind_i64(st, 10, (int64_t)l->octets_max);
	db_bind_i64(st, 11, l->is_reply_to_list);
	db_bind_i64(st, 12, clock_wall_ns());
	store_changed(db, STORE_DIRECTORY);
	return db_finish(st, e);
}

FIBER int mlist_add(struct store *s, const struct mlist_info *list, uint64_t *id_r, struct err *e)
{
	struct arena *a = arena_new();
	struct mlist_change c = {.list = list, .id = store_new_id(s)};
	int rc = mlist_check(list, e);

	if (rc == 0)
		rc = directory_domain_name(a, list->domain, &c.domain, e);
	c.local = directory_local_part(a, list->local);
	if (rc == 0 && (!c.local.len || c.local.len > 50 || span_find(c.local, '@') >= 0))
		rc = err_set(e, ERR_SYNTAX, "a list's name has 1 to 50 octets");
	if (rc == 0)
		rc = store_write(s, "list.add", mlist_add_tx, &c, e);
	*id_r = c.id;
	arena_free(&a);
	return rc;
}

static int mlist_set_tx(struct db *db, void *arg, struct err *e)
{
	const struct mlist_info *l = arg;
	struct db_stmt *st = db_prepare(db, &sql_list_set, e);

	if (!st)
		return -1;
	db_bind_i64(st, 1, (int64_t)l->id);
	db_bind_text(st, 2, l->title);
	db_bind_i64(st, 3, l->post);
	db_bind_i64(st, 4, l->join);
	db_bind_i64(st, 5, l->rewrite);
	db_bind_text(st, 6, l->subject_prefix);
	db_bind_text(st, 7, l->footer);
	db_bind_i64(st, 8, (int64_t)l->octets_max);
	db_bind_i64(st, 9, l->is_reply_to_list);
	return db_finish(st, e);
}

FIBER int mlist_set(struct store *s, const struct mlist_info *list, struct err *e)
{
	struct mlist_info l = *list;

	return mlist_check(list, e) < 0 ? -1 : store_write(s, "list.set", mlist_set_tx, &l, e);
}

static int mlist_remove_tx(struct db *db, void *arg, struct err *e)
{
	int64_t id = (int64_t) * (uint64_t *)arg;

	if (db_run(db, e, &sql_list_drop_members, "i", id) < 0 ||
		db_run(db, e, &sql_list_drop_pending, "i", id) < 0 ||
		db_run(db, e, &sql_list_drop, "i", id) < 0)
		return -1;
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int mlist_remove(struct store *s, uint64_t id, struct err *e)
{
	return store_write(s, "list.remove", mlist_remove_tx, &id, e);
}

struct mlist_look {
	struct arena *a;
	uint64_t id, msg_id;
	struct span local, domain, after, only; /* only: a domain, "" all */
	enum mlist_pending_kind kind;
	struct mlist_info *lists;
	struct mlist_member *members;
	struct mlist_pending *pending;
	size_t count;
	bool is_more;
};

static int mlist_one(struct db *db, void *arg, struct err *e)
{
	struct mlist_look *l = arg;
	struct db_stmt *st = l->id ? db_query(db, e, &sql_list_get, "i", (int64_t)l->id)
				   : db_query(db, e, &sql_list_find, "tt", l->domain, l->local);
	bool is_row = false;
	int rc = st ? db_step(st, &is_row, e) : -1;

	l->count = rc == 0 && is_row;
	if (l->count)
		take_list(st, l->a, l->lists);
	db_done(st);
	return rc;
}

static FIBER int mlist_look_one(struct store *s, struct mlist_look *l, struct err *e)
{
	if (store_read(s, "list.find", mlist_one, l, e) < 0)
		return -1;
	return l->count ? 0 : err_set(e, ERR_NOT_FOUND, "there is no such list");
}

FIBER int mlist_get(
	struct store *s, struct arena *a, uint64_t id, struct mlist_info *list_r, struct err *e)
{
	struct mlist_look l = {.a = a, .id = id, .lists = list_r};

	return mlist_look_one(s, &l, e);
}

FIBER int mlist_find(struct store *s, struct arena *a, struct span address,
	struct mlist_info *list_r, struct err *e)
{
	struct mlist_look l = {.a = a, .lists = list_r};

	if (directory_address(a, address, &l.local, &l.domain, e) < 0)
		return -1;
	return mlist_look_one(s, &l, e);
}

static int mlist_page(struct db *db, void *arg, struct err *e)
{
	struct mlist_look *l = arg;
	struct db_stmt *st = db_query(db, e, &sql_list_page, "tt", l->domain, l->local);
	bool is_row = false;
	size_t rows = 0;
	int rc = st ? 0 : -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct mlist_info one;

		rows++;
		take_list(st, l->a, &one);
		l->domain = one.domain;
		l->local = one.local;
		if (l->only.len && !span_eq(one.domain, l->only))
			continue;
		if (l->count % MLIST_PAGE == 0) {
			struct mlist_info *more = ARENA_ARRAY(
				l->a, struct mlist_info, l->count + MLIST_PAGE);

			for (size_t i = 0; i < l->count; i++)
				more[i] = l->lists[i];
			l->lists = more;
		}
		l->lists[l->count++] = one;
	}
	db_done(st);
	l->is_more = rows == MLIST_PAGE;
	return rc;
}

FIBER int mlist_all(struct store *s, struct arena *a, struct span domain,
	struct mlist_info **list_r, size_t *count_r, struct err *e)
{
	struct mlist_look l = {.a = a};

	if (domain.len && directory_domain_name(a, domain, &l.only, e) < 0)
		return -1;
	do {
		if (store_read(s, "list.all", mlist_page, &l, e) < 0)
			return -1;
	} while (l.is_more);
	*list_r = l.lists;
	*count_r = l.count;
	return 0;
}

/* ---- members ---- */

#define MEMBER_COLUMNS "address, name, role, state, bounce_score, bounce_ns, joined_ns"
DB_SQL(sql_list_member,
	"SELECT " MEMBER_COLUMNS " FROM list_member WHERE list_id = $1 AND address = $2");
DB_SQL(sql_list_members,
	"SELECT " MEMBER_COLUMNS " FROM list_member WHERE list_id = $1 AND address > $2 "
	"ORDER BY address LIMIT 256");
DB_SQL(sql_list_member_add,
	"INSERT INTO list_member (list_id, address, name, role, state, bounce_score, bounce_ns, "
	"joined_ns) VALUES ($1, $2, $3, $4, $5, 0, 0, $6) ON CONFLICT (list_id, address) DO NOTHING");
DB_SQL(sql_list_member_set,
	"UPDATE list_member SET name = $3, role = $4, state = $5, "
	"bounce_score = CASE WHEN $5 = 0 THEN 0 ELSE bounce_score END "
	"WHERE list_id = $1 AND address = $2");
DB_SQL(sql_list_member_drop, "DELETE FROM list_member WHERE list_id = $1 AND address = $2");
DB_SQL(sql_list_member_count, "UPDATE list SET members = members + $2 WHERE id = $1");
DB_SQL(sql_list_member_score,
	"UPDATE list_member SET bounce_score = $3, bounce_ns = $4, state = $5 "
	"WHERE list_id = $1 AND address = $2");

static void take_member(struct db_stmt *st, struct arena *a, struct mlist_member *m)
{
	*m = (struct mlist_member){.address = arena_span(a, db_col_span(st, 0)),
		.name = arena_span(a, db_col_span(st, 1)),
		.role = (unsigned)db_col_i64(st, 2),
		.state = (enum mlist_state)db_col_i64(st, 3),
		.bounce_score = (uint32_t)db_col_i64(st, 4),
		.bounce_ns = db_col_i64(st, 5),
		.joined_ns = db_col_i64(st, 6)};
}

/* The form in which an address is a key. */
static int member_key(struct arena *a, struct span address, struct span *key_r, struct err *e)
{
	struct span local, domain;

	if (directory_address(a, address, &local, &domain, e) < 0)
		return -1;
	*key_r = directory_join(a, local, domain);
	return 0;
}

struct member_change {
	uint64_t list_id, added;
	const struct mlist_member *m;
	struct span *keys;
	size_t count;
	bool is_set, is_new;
};

static int member_put_one(struct db *db, struct member_change *c, size_t i, struct err *e)
{
	const struct mlist_member *m = &c->m[i];

	if (db_run(db, e, &sql_list_member_add, "ittiii", (int64_t)c->list_id, c->keys[i], m->name,
		    (int64_t)m->role, (int64_t)m->state,
		    m->joined_ns ? m->joined_ns : clock_wall_ns()) < 0)
		return -1;
	if (db_changes(db)) {
		c->added++;
		return 0;
	}
	if (!c->is_set)
		return 0;
	return db_run(db, e, &sql_list_member_set, "ittii", (int64_t)c->list_id, c->keys[i],
		m->name, (int64_t)m->role, (int64_t)m->state);
}

static int member_put_tx(struct db *db, void *arg, struct err *e)
{
	struct member_change *c = arg;
	int64_t members = 0;
	bool is_there;

	c->added = 0;
	if (db_get(db, e, NULL, &sql_list_get, &is_there, "i:-----------i", (int64_t)c->list_id,
		    &members) < 0)
		return -1;
	if (!is_there)
		return err_set(e, ERR_NOT_FOUND, "there is no such list");
	for (size_t i = 0; i < c->count; i++) {
		if (member_put_one(db, c, i, e) < 0)
			return -1;
	}
	if (c->added && (uint64_t)members + c->added > MLIST_MEMBERS_MAX)
		return err_set(e, ERR_LIMIT,
			"a list has at most %d members: %llu are there, %llu more would come",
			MLIST_MEMBERS_MAX, (unsigned long long)members,
			(unsigned long long)c->added);
	store_changed(db, STORE_DIRECTORY); /* owners are in the router's answers */
	return c->added ? db_run(db, e, &sql_list_member_count, "ii", (int64_t)c->list_id,
				  (int64_t)c->added)
			: 0;
}

static FIBER int member_put(struct store *s, struct member_change *c, struct err *e)
{
	struct arena *a = arena_new();
	int rc = 0;

	c->keys = ARENA_ARRAY(a, struct span, c->count + 1);
	for (size_t i = 0; rc == 0 && i < c->count; i++) {
		rc = member_key(a, c->m[i].address, &c->keys[i], e);
		if (rc == 0 && span_has_line_break(c->m[i].name))
			rc = err_set(e, ERR_SYNTAX, "a name has line breaks");
	}
	if (rc == 0)
		rc = store_write(s, "list.member", member_put_tx, c, e);
	arena_free(&a);
	return rc;
}

FIBER int mlist_member_put(struct store *s, uint64_t list_id, const struct mlist_member *m,
	bool *is_new_r, struct err *e)
{
	struct member_change c = {.list_id = list_id, .m = m, .count = 1, .is_set = true};
	int rc = member_put(s, &c, e);

	if (is_new_r)
		*is_new_r = rc == 0 && c.added > 0;
	return rc;
}

FIBER int mlist_member_add_many(struct store *s, uint64_t list_id, const struct mlist_member *m,
	size_t count, uint64_t *added_r, struct err *e)
{
	struct member_change c = {.list_id = list_id, .m = m, .count = count};
	int rc;

	MUST(count <= MLIST_PAGE);
	rc = member_put(s, &c, e);
	*added_r = rc == 0 ? c.added : 0;
	return rc;
}

static int member_remove_tx(struct db *db, void *arg, struct err *e)
{
	struct mlist_look *l = arg;

	if (db_run(db, e, &sql_list_member_drop, "it", (int64_t)l->id, l->after) < 0)
		return -1;
	if (!db_changes(db))
		return err_set(
			e, ERR_NOT_FOUND, "'" SPAN_FMT "' is not in the list", SPAN_ARG(l->after));
	store_changed(db, STORE_DIRECTORY);
	return db_run(db, e, &sql_list_member_count, "ii", (int64_t)l->id, (int64_t)-1);
}

FIBER int mlist_member_remove(struct store *s, uint64_t list_id, struct span address, struct err *e)
{
	struct arena *a = arena_new();
	struct mlist_look l = {.id = list_id};
	int rc = member_key(a, address, &l.after, e);

	if (rc == 0)
		rc = store_write(s, "list.member", member_remove_tx, &l, e);
	arena_free(&a);
	return rc;
}

static int members_page(struct db *db, void *arg, struct err *e)
{
	struct mlist_look *l = arg;
	struct db_stmt *st = db_query(db, e, l->is_more ? &sql_list_members : &sql_list_member,
		"it", (int64_t)l->id, l->after);
	bool is_row = false;
	int rc = st ? 0 : -1;

	l->count = 0;
	while (st && l->count < MLIST_PAGE && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		take_member(st, l->a, &l->members[l->count++]);
	db_done(st);
	return rc;
}

FIBER int mlist_member_get(struct store *s, struct arena *a, uint64_t list_id, struct span address,
	struct mlist_member *m_r, struct err *e)
{
	struct mlist_look l = {.a = a, .id = list_id, .members = m_r};

	if (member_key(a, address, &l.after, e) < 0 ||
		store_read(s, "list.member", members_page, &l, e) < 0)
		return -1;
	return l.count ? 0
		       : err_set(e, ERR_NOT_FOUND, "'" SPAN_FMT "' is not in the list",
				 SPAN_ARG(span_sub(address, 0, 200)));
}

FIBER int mlist_members(struct store *s, struct arena *a, uint64_t list_id, struct span after,
	struct mlist_member **list_r, size_t *count_r, struct err *e)
{
	struct mlist_look l = {.a = a, .id = list_id, .after = after, .is_more = true};

	l.members = ARENA_ARRAY(a, struct mlist_member, MLIST_PAGE);
	if (store_read(s, "list.members", members_page, &l, e) < 0)
		return -1;
	*list_r = l.members;
	*count_r = l.count;
	return 0;
}

struct member_bounce {
	uint64_t list_id;
	struct span key;
	int64_t now_ns;
	struct mlist_bounce *b;
};

static int bounced_tx(struct db *db, void *arg, struct err *e)
{
	struct member_bounce *x = arg;
	struct mlist_bounce *b = x->b;
	int64_t role, state, score, last;
	bool is_there;

	b->is_suspended = false;
	if (db_get(db, e, NULL, &sql_list_member, &is_there, "it:--iiii", (int64_t)x->list_id,
		    x->key, &role, &state, &score, &last) < 0)
		return -1;
	if (!is_there || state != MLIST_ACTIVE || (last && x->now_ns - last < b->gap_ns))
		return 0;
	for (int64_t past = last ? x->now_ns - last : 0; past >= b->half_ns && score;
		past -= b->half_ns)
		score /= 2;
	score += b->points;
	b->is_suspended = score >= b->limit;
	return db_run(db, e, &sql_list_member_score, "itiii", (int64_t)x->list_id, x->key, score,
		x->now_ns, (int64_t)(b->is_suspended ? MLIST_BOUNCING : MLIST_ACTIVE));
}

FIBER int mlist_member_bounced(struct store *s, uint64_t list_id, struct span address,
	struct mlist_bounce *b, struct err *e)
{
	struct arena *a = arena_new();
	struct member_bounce x = {.list_id = list_id, .now_ns = loop_wall_ns(), .b = b};
	int rc = member_key(a, address, &x.key, e);

	if (rc == 0)
		rc = store_write(s, "list.bounce", bounced_tx, &x, e);
	arena_free(&a);
	return rc;
}
