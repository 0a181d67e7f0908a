/* What a session begins with, and what happened since. */

#include <stdlib.h>

#include "store/mailbox.h"
#include "store/mailbox_priv.h"

/* ---- what happened since ---- */

DB_SQL(sql_changes_live,
	"SELECT uid, modseq, flags, keywords FROM message "
	"WHERE mailbox_id = $1 AND (modseq, uid) > ($2, $3) ORDER BY modseq, uid LIMIT $4");
DB_SQL(sql_changes_gone,
	"SELECT uid, modseq FROM tombstone "
	"WHERE mailbox_id = $1 AND (modseq, uid) > ($2, $3) ORDER BY modseq, uid LIMIT $4");

#define UID_ALL 4294967295LL

struct changes {
	struct arena *a;
	uint64_t mailbox_id;
	struct mailbox_since since;
	size_t max, count;
	struct mailbox_info *info;
	struct mailbox_change *list;
	bool is_more;
};

static int mailbox_is_gone(struct err *e)
{
	return err_set(e, ERR_NOT_FOUND, "the mailbox is gone");
}

/* Within a MODSEQ those that are there come first, then those that are gone. uid 0: the cursor stands
 * behind its MODSEQ. */
static struct db_stmt *query_side(
	struct db *db, const struct changes *c, bool is_gone, struct err *e)
{
	const struct mailbox_since *s = &c->since;
	int64_t uid = UID_ALL;

	if (s->uid && s->is_gone == is_gone)
		uid = s->uid;
	else if (s->uid && is_gone)
		uid = 0;
	return db_query(db, e, is_gone ? &sql_changes_gone : &sql_changes_live, "iiii",
		(int64_t)c->mailbox_id, (int64_t)s->modseq, uid, (int64_t)(c->max + 1));
}

static void take_live(struct changes *c, struct db_stmt *st)
{
	struct mailbox_change *x = &c->list[c->count++];

	*x = (struct mailbox_change){.uid = (uint32_t)db_col_i64(st, 0),
		.modseq = (uint64_t)db_col_i64(st, 1),
		.flags = (unsigned)db_col_i64(st, 2),
		.keywords = arena_span(c->a, db_col_span(st, 3))};
}

static void take_gone(struct changes *c, struct db_stmt *st)
{
	c->list[c->count++] = (struct mailbox_change){.uid = (uint32_t)db_col_i64(st, 0),
		.modseq = (uint64_t)db_col_i64(st, 1),
		.is_gone = true};
}

static int merge(struct changes *c, struct db_stmt *live, struct db_stmt *gone, struct err *e)
{
	bool has_live = false, has_gone = false;

	if (db_step(live, &has_live, e) < 0 || db_step(gone, &has_gone, e) < 0)
		return -1;
	while (c->count < c->max && (has_live || has_gone)) {
		bool is_live = has_live &&
			(!has_gone || db_col_i64(live, 1) <= db_col_i64(gone, 1));

		(is_live ? take_live : take_gone)(c, is_live ? live : gone);
		if (db_step(is_live ? live : gone, is_live ? &has_live : &has_gone, e) < 0)
			return -1;
	}
	c->is_more = has_live || has_gone;
	return 0;
}

static int changes_read(struct db *db, void *arg, struct err *e)
{
	struct changes *c = arg;
	struct mailbox_info unused, *info = c->info ? c->info : &unused;
	struct db_stmt *live, *gone;
	bool is_found = false;
	int rc = -1;

	if (mailbox_by_id_tx(db, c->a, c->mailbox_id, info, &is_found, e) < 0)
		return -1;
	if (!is_found)
		return mailbox_is_gone(e);
	c->count = 0;
	c->is_more = false;
	if (info->highest_modseq < c->since.modseq ||
		(info->highest_modseq == c->since.modseq && !c->since.uid))
		return 0;
	live = query_side(db, c, false, e);
	gone = live ? query_side(db, c, true, e) : NULL;
	if (gone)
		rc = merge(c, live, gone, e);
	db_done(gone);
	db_done(live);
	return rc;
}

FIBER int mailbox_changes(struct store *s, struct arena *a, uint64_t mailbox_id,
	struct mailbox_since *since, size_t max, struct mailbox_info *info_r,
	struct mailbox_change **list_r, size_t *count_r, bool *is_more_r, struct err *e)
{
	struct changes c = {.a = a, .mailbox_id = mailbox_id, .since = *since, .info = info_r};

	c.max = max == 0 || max > STORE_PAGE_ROWS ? STORE_PAGE_ROWS : max;
	c.list = ARENA_ARRAY(a, struct mailbox_change, c.max);
	if (store_read(s, "mailbox.changes", changes_read, &c, e) < 0)
		return -1;
	if (c.count) {
		const struct mailbox_change *last = &c.list[c.count - 1];

		*since = (struct mailbox_since){last->modseq, last->uid, last->is_gone};
	}
	*list_r = c.list;
	*count_r = c.count;
	*is_more_r = c.is_more;
	return 0;
}

/* ---- opening ---- */

DB_SQL(sql_open_ends,
	"SELECT (SELECT uid FROM message WHERE mailbox_id = $1 ORDER BY uid LIMIT 1), "
	"(SELECT uid FROM message WHERE mailbox_id = $1 ORDER BY uid DESC LIMIT 1)");
DB_SQL(sql_open_uids,
	"SELECT uid FROM message WHERE mailbox_id = $1 AND uid > $2 ORDER BY uid LIMIT $3");

#define OPEN_PAGE 16384 /* UIDs of one read: they are small */

struct runs {
	struct arena *a;
	struct uid_range *list;
	size_t count, cap;
};

static void runs_put(struct runs *r, uint32_t uid)
{
	if (r->count && r->list[r->count - 1].last + 1 == uid) {
		r->list[r->count - 1].last = uid;
		return;
	}
	if (r->count == r->cap) {
		struct uid_range *was = r->list;

		r->cap = r->cap ? r->cap * 2 : 16;
		r->list = ARENA_ARRAY(r->a, struct uid_range, r->cap);
		for (size_t i = 0; i < r->count; i++)
			r->list[i] = was[i];
	}
	r->list[r->count++] = (struct uid_range){uid, uid};
}

struct opening {
	struct arena *a;
	uint64_t mailbox_id;
	struct mailbox_info *info;
	struct runs runs;
	uint32_t after;
	bool is_begun, is_more;
};

/* Without a hole among its UIDs there is no need to read them. */
static int open_whole(struct db *db, struct opening *o, bool *is_whole_r, struct err *e)
{
	int64_t first = 0, last = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_open_ends, &is_found, "i:ii", (int64_t)o->mailbox_id, &first,
		    &last) < 0)
		return -1;
	*is_whole_r = !first || (uint64_t)(last - first + 1) == o->info->messages;
	if (!*is_whole_r || !first)
		return 0;
	runs_put(&o->runs, (uint32_t)first);
	o->runs.list[0].last = (uint32_t)last;
	return 0;
}

static int open_page(struct db *db, struct opening *o, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_open_uids, "iii", (int64_t)o->mailbox_id,
		(int64_t)o->after, (int64_t)OPEN_PAGE);
	size_t count = 0;
	bool is_row = false;
	int rc = -1;

	for (; st && (rc = db_step(st, &is_row, e)) == 0 && is_row; count++) {
		o->after = (uint32_t)db_col_i64(st, 0);
		runs_put(&o->runs, o->after);
	}
	db_done(st);
	o->is_more = count == OPEN_PAGE;
	return rc;
}

static int open_read(struct db *db, void *arg, struct err *e)
{
	struct opening *o = arg;
	bool is_found = false;

	if (o->is_begun)
		return open_page(db, o, e);
	o->is_begun = true;
	if (mailbox_by_id_tx(db, o->a, o->mailbox_id, o->info, &is_found, e) < 0)
		return -1;
	if (!is_found)
		return mailbox_is_gone(e);
	if (open_whole(db, o, &is_found, e) < 0)
		return -1;
	return is_found ? 0 : open_page(db, o, e);
}

static int by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

struct uids {
	uint32_t *list;
	size_t count, cap;
};

static void uids_put(struct arena *a, struct uids *u, uint32_t uid)
{
	if (u->count == u->cap) {
		uint32_t *was = u->list;

		u->cap = u->cap ? u->cap * 2 : 256;
		u->list = ARENA_ARRAY(a, uint32_t, u->cap);
		for (size_t i = 0; i < u->count; i++)
			u->list[i] = was[i];
	}
	u->list[u->count++] = uid;
}

static struct runs runs_of(struct arena *a, struct uids *u)
{
	struct runs r = {.a = a};

	if (u->count)
		qsort(u->list, u->count, sizeof(*u->list), by_uid);
	for (size_t i = 0; i < u->count; i++)
		if (!i || u->list[i] != u->list[i - 1])
			runs_put(&r, u->list[i]);
	return r;
}

/* What happened while the pages were read: what came is above all that was there, what went is told. */
static FIBER int open_fit(
	struct store *s, struct opening *o, uint64_t modseq, struct uidset **u, struct err *e)
{
	struct mailbox_since since = {.modseq = modseq};
	struct arena *work = o->runs.a;
	struct uids gone = {0}, added = {0};
	uint32_t last = uidset_last(*u);
	struct uidset *all;
	bool is_more = true;
	struct runs r;

	while (is_more) {
		struct mailbox_change *list;
		size_t count;

		if (mailbox_changes(s, work, o->mailbox_id, &since, 0, o->info, &list, &count,
			    &is_more, e) < 0)
			return -1;
		for (size_t i = 0; i < count; i++)
			if (list[i].is_gone || list[i].uid > last)
				uids_put(work, list[i].is_gone ? &gone : &added, list[i].uid);
	}
	o->info->name = arena_span(o->a, o->info->name);
	o->info->special_use = arena_span(o->a, o->info->special_use);
	r = runs_of(work, &added);
	all = uidset_change(*u, NULL, 0, r.list, r.count);
	uidset_unref(u);
	r = runs_of(work, &gone);
	*u = uidset_change(all, r.list, r.count, NULL, 0);
	uidset_unref(&all);
	return 0;
}

FIBER int mailbox_open(struct store *s, struct arena *a, uint64_t mailbox_id,
	struct mailbox_info *info_r, struct uidset **uids_r, struct err *e)
{
	struct arena *work = arena_new();
	struct opening o = {.a = a, .mailbox_id = mailbox_id, .info = info_r, .runs = {.a = work}};
	bool is_one = true;
	int rc;

	*uids_r = NULL;
	rc = store_read(s, "mailbox.open", open_read, &o, e);
	for (; rc == 0 && o.is_more; is_one = false)
		rc = store_read(s, "mailbox.open", open_read, &o, e);
	if (rc == 0)
		*uids_r = uidset_new(o.runs.list, o.runs.count);
	if (rc == 0 && !is_one)
		rc = open_fit(s, &o, info_r->highest_modseq, uids_r, e);
	if (rc < 0)
		uidset_unref(uids_r);
	arena_free(&work);
	return rc;
}

/* ---- what SELECT tells ---- */

DB_SQL(sql_keywords, "SELECT name FROM mailbox_keyword WHERE mailbox_id = $1 ORDER BY folded");
DB_SQL(sql_first_unseen,
	"SELECT uid FROM message WHERE mailbox_id = $1 AND (flags & 1) = 0 ORDER BY uid LIMIT 1");

_Static_assert(MAILBOX_SEEN == 1, "sql_first_unseen says it as a number");

struct summary {
	struct arena *a;
	uint64_t mailbox_id;
	struct span *keywords;
	size_t count;
	int64_t first_unseen;
};

static int summary_read(struct db *db, void *arg, struct err *e)
{
	struct summary *y = arg;
	struct db_stmt *st = db_query(db, e, &sql_keywords, "i", (int64_t)y->mailbox_id);
	bool is_row = false;
	int rc = -1;

	y->count = 0;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row &&
		y->count < MAILBOX_KEYWORDS_MAX)
		y->keywords[y->count++] = arena_span(y->a, db_col_span(st, 0));
	db_done(st);
	if (rc < 0)
		return -1;
	return db_get(db, e, NULL, &sql_first_unseen, &is_row, "i:i", (int64_t)y->mailbox_id,
		&y->first_unseen);
}

FIBER int mailbox_summary(struct store *s, struct arena *a, uint64_t mailbox_id,
	struct span **keywords_r, size_t *count_r, uint32_t *first_unseen_r, struct err *e)
{
	struct summary y = {.a = a, .mailbox_id = mailbox_id};

	y.keywords = ARENA_ARRAY(a, struct span, MAILBOX_KEYWORDS_MAX);
	if (store_read(s, "mailbox.summary", summary_read, &y, e) < 0)
		return -1;
	*keywords_r = y.keywords;
	*count_r = y.count;
	*first_unseen_r = (uint32_t)y.first_unseen;
	return 0;
}
