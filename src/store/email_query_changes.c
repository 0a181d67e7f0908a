/* Email/queryChanges (RFC 8620 section 5.6): for a mailbox's list what came and went is known exactly; for any
 * other query all that may have changed is told as removed, and added again where it stands now. */

#include "store/email.h"

#include <stdlib.h>
#include <string.h>

#include "store/email_find.h"
#include "store/email_list.h"

#define INDEX_BY_ONE 64 /* places that are counted one by one; more: the list is read */

DB_SQL(sql_qc_entered,
	"SELECT email_id, thread_id FROM email_box WHERE mailbox_id = $1 AND entered > $2 LIMIT $3");
DB_SQL(sql_qc_left,
	"SELECT email_id, thread_id, entered FROM email_left WHERE mailbox_id = $1 AND modseq > $2 "
	"LIMIT $3");
DB_SQL(sql_qc_thread_box,
	"SELECT b.email_id FROM email m CROSS JOIN email_box b ON b.mailbox_id = $3 AND "
	"b.received_ns = m.received_ns AND b.email_id = m.email_id WHERE m.account_id = $1 AND "
	"m.thread_id = $2");
DB_SQL(sql_qc_changed,
	"SELECT email_id, thread_id FROM email WHERE account_id = $1 AND changed > $2 LIMIT $3");
DB_SQL(sql_qc_gone,
	"SELECT email_id, thread_id FROM email_gone WHERE account_id = $1 AND modseq > $2 LIMIT $3");
DB_SQL(sql_qc_left_any,
	"SELECT email_id, thread_id, mailbox_id FROM email_left WHERE account_id = $1 AND "
	"modseq > $2 LIMIT $3");
DB_SQL(sql_qc_thread, "SELECT email_id FROM email WHERE account_id = $1 AND thread_id = $2");

struct asking {
	struct arena *a; /* the work's */
	const struct email_eyes *eyes;
	struct email_query_changes *c;
	struct email_list l;
	struct email_ids removed, changed, threads;
	struct email_added *added;
	size_t added_count;
	bool are_threads_wanted;
};

static int cannot(struct err *e)
{
	return err_set(e, ERR_STATE, "changes of this query since that state cannot be told");
}

static int begin(struct db *db, struct asking *x, struct email_at *at, struct err *e)
{
	if (email_at_tx(db, x->eyes->account_id, at, e) < 0)
		return -1;
	if ((int64_t)x->c->since > at->upto || (int64_t)x->c->since < at->forgotten)
		return cannot(e);
	return email_same_sight_tx(db, x->eyes, x->c->since, e);
}

/* Ids of the first column, threads of the second; from and to: columns behind them are looked at by `is`. */
static int gather(struct db *db, struct asking *x, const struct db_sql *sql, uint64_t of,
	bool (*is)(const struct asking *x, struct db_stmt *st), struct email_ids *ids,
	struct err *e)
{
	struct db_stmt *st = db_query(db, e, sql, "iii", (int64_t)of, (int64_t)x->c->since,
		(int64_t)EMAIL_CHANGES_MAX + 1);
	bool is_row = false;
	size_t rows = 0;
	int rc = -1;

	for (; st && (rc = db_step(st, &is_row, e)) == 0 && is_row; rows++) {
		email_ids_put(x->a, &x->threads, (uint64_t)db_col_i64(st, 1));
		if (!is || is(x, st))
			email_ids_put(x->a, ids, (uint64_t)db_col_i64(st, 0));
	}
	db_done(st);
	if (rc == 0 && rows > EMAIL_CHANGES_MAX)
		return cannot(e);
	return rc;
}

/* ---- a mailbox's list ---- */

static bool was_in(const struct asking *x, struct db_stmt *st)
{
	return (uint64_t)db_col_i64(st, 2) <= x->c->since;
}

/* All that its list may have shown of a thread, and what it shows now. */
static int gather_thread(struct db *db, struct asking *x, uint64_t thread_id, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_qc_thread_box, "iii",
		(int64_t)x->eyes->account_id, (int64_t)thread_id, (int64_t)x->l.mailbox_id);
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		email_ids_put(x->a, &x->removed, (uint64_t)db_col_i64(st, 0));
		email_ids_put(x->a, &x->changed, (uint64_t)db_col_i64(st, 0));
	}
	db_done(st);
	return rc;
}

static int place_by_one(struct db *db, struct asking *x, struct err *e)
{
	for (size_t i = 0; i < x->changed.count; i++) {
		uint64_t index = 0;
		bool is_in;

		if (email_list_index_tx(db, &x->l, x->changed.list[i], &is_in, &index, e) < 0)
			return -1;
		if (is_in)
			x->added[x->added_count++] = (struct email_added){
				x->changed.list[i], index};
	}
	return 0;
}

static void place_in(struct asking *x, const struct email_places *p)
{
	for (size_t i = 0; i < x->changed.count; i++) {
		size_t index;

		if (email_places_find(p, x->changed.list[i], &index))
			x->added[x->added_count++] = (struct email_added){
				x->changed.list[i], index};
	}
}

static int place_all(struct db *db, struct asking *x, uint64_t total, struct err *e)
{
	uint64_t *ids;
	struct email_places p;
	size_t count;

	x->added = ARENA_ARRAY(x->a, struct email_added, x->changed.count + 1);
	if (x->changed.count <= INDEX_BY_ONE)
		return place_by_one(db, x, e);
	ids = ARENA_ARRAY(x->a, uint64_t, total + 1);
	if (email_list_page_tx(db, &x->l, 0, total, ids, &count, e) < 0)
		return -1;
	email_places_of(x->a, ids, count, &p);
	place_in(x, &p);
	return 0;
}

/* RFC 8620 section 5.6, upToId: what stands behind it need not be told; this list never reorders. */
static int cut_list(struct db *db, struct asking *x, struct err *e)
{
	uint64_t index = 0;
	size_t n = 0;
	bool is_in = false;

	if (!x->c->up_to)
		return 0;
	if (email_list_index_tx(db, &x->l, x->c->up_to, &is_in, &index, e) < 0)
		return -1;
	for (size_t i = 0; i < x->added_count; i++)
		if (!is_in || x->added[i].index <= index)
			x->added[n++] = x->added[i];
	x->added_count = n;
	return 0;
}

static int read_list(struct db *db, void *arg, struct err *e)
{
	struct asking *x = arg;
	uint64_t box = x->l.mailbox_id, total = 0;
	struct email_at at;

	if (begin(db, x, &at, e) < 0)
		return -1;
	x->c->state = (uint64_t)at.emails > x->c->since ? (uint64_t)at.emails : x->c->since;
	if (email_sees(x->eyes, box) && email_list_total_tx(db, &x->l, &total, e) < 0)
		return -1;
	x->c->total = total;
	if (!email_sees(x->eyes, box))
		return 0;
	if (gather(db, x, &sql_qc_entered, box, NULL, &x->changed, e) < 0 ||
		gather(db, x, &sql_qc_left, box, was_in, &x->removed, e) < 0)
		return -1;
	email_ids_sort(&x->threads);
	for (size_t i = 0; x->l.collapses && i < x->threads.count; i++)
		if (gather_thread(db, x, x->threads.list[i], e) < 0)
			return -1;
	email_ids_sort(&x->changed);
	email_ids_sort(&x->removed);
	if (x->changed.count > EMAIL_CHANGES_MAX || x->removed.count > EMAIL_CHANGES_MAX)
		return cannot(e);
	return place_all(db, x, total, e) < 0 ? -1 : cut_list(db, x, e);
}

/* ---- any query ---- */

static bool is_his(const struct asking *x, struct db_stmt *st)
{
	return email_sees(x->eyes, (uint64_t)db_col_i64(st, 2));
}

static int gather_whole_thread(struct db *db, struct asking *x, uint64_t thread_id, struct err *e)
{
	struct db_stmt *st = db_query(
		db, e, &sql_qc_thread, "ii", (int64_t)x->eyes->account_id, (int64_t)thread_id);
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		email_ids_put(x->a, &x->changed, (uint64_t)db_col_i64(st, 0));
	db_done(st);
	return rc;
}

/* Of others only what they see now, or saw: the rest is not there for them. */
static int keep_seen(struct db *db, struct asking *x, struct err *e)
{
	size_t n = 0;
	bool is_seen;

	for (size_t i = 0; i < x->changed.count; i++) {
		if (email_is_seen_tx(db, x->eyes, (int64_t)x->changed.list[i], &is_seen, e) < 0)
			return -1;
		if (is_seen)
			x->changed.list[n++] = x->changed.list[i];
	}
	x->changed.count = n;
	return 0;
}

static int read_changed(struct db *db, void *arg, struct err *e)
{
	struct asking *x = arg;
	uint64_t account = x->eyes->account_id;
	struct email_at at;

	if (begin(db, x, &at, e) < 0 ||
		gather(db, x, &sql_qc_changed, account, NULL, &x->changed, e) < 0 ||
		(x->eyes->is_all ? gather(db, x, &sql_qc_gone, account, NULL, &x->removed, e)
				 : gather(db, x, &sql_qc_left_any, account, is_his, &x->removed,
					   e)) < 0)
		return -1;
	email_ids_sort(&x->threads);
	for (size_t i = 0; x->are_threads_wanted && i < x->threads.count; i++)
		if (gather_whole_thread(db, x, x->threads.list[i], e) < 0)
			return -1;
	email_ids_sort(&x->changed);
	return keep_seen(db, x, e);
}

/* The result first, then what changed: all that changed in between is told as changed, too. */
static FIBER int ask_any(struct store *s, struct asking *x, struct err *e)
{
	struct email_places p;
	uint64_t *ids;
	size_t count;

	x->are_threads_wanted = email_filter_is_of_threads(x->c->query);
	if (email_find(s, x->a, x->eyes, x->c->query, &ids, &count, &x->c->state, e) < 0 ||
		email_read(s, "email.query_changes", x->eyes->account_id, read_changed, x, e) < 0)
		return -1;
	for (size_t i = 0; i < x->changed.count; i++)
		email_ids_put(x->a, &x->removed, x->changed.list[i]);
	email_ids_sort(&x->removed);
	/* what the result still shows and is gone meanwhile stands in it, too */
	x->changed = x->removed;
	if (x->removed.count > EMAIL_CHANGES_MAX)
		return cannot(e);
	x->c->total = count;
	x->added = ARENA_ARRAY(x->a, struct email_added, x->changed.count + 1);
	email_places_of(x->a, ids, count, &p);
	place_in(x, &p);
	if (x->c->state < x->c->since)
		x->c->state = x->c->since;
	return 0;
}

/* ---- the answer ---- */

static int by_index(const void *a, const void *b)
{
	const struct email_added *x = a, *y = b;

	return (x->index > y->index) - (x->index < y->index);
}

static void answer(struct arena *a, struct asking *x)
{
	struct email_query_changes *c = x->c;

	c->is_too_many = c->max && x->removed.count + x->added_count > c->max;
	if (c->is_too_many)
		return;
	c->removed_count = x->removed.count;
	c->removed = ARENA_ARRAY(a, uint64_t, x->removed.count + 1);
	if (x->removed.count)
		memcpy(c->removed, x->removed.list, x->removed.count * sizeof(*c->removed));
	c->added_count = x->added_count;
	c->added = ARENA_ARRAY(a, struct email_added, x->added_count + 1);
	if (!x->added_count)
		return;
	memcpy(c->added, x->added, x->added_count * sizeof(*c->added));
	qsort(c->added, c->added_count, sizeof(*c->added), by_index);
}

FIBER int email_query_changes(struct store *s, struct arena *a, const struct email_eyes *eyes,
	struct email_query_changes *c, struct err *e)
{
	struct asking x = {.a = arena_new(), .eyes = eyes, .c = c};
	int rc;

	c->removed = NULL;
	c->added = NULL;
	c->removed_count = c->added_count = 0;
	c->is_too_many = false;
	if (email_list_of(c->query, eyes->account_id, &x.l))
		rc = email_read(s, "email.query_changes", eyes->account_id, read_list, &x, e);
	else
		rc = ask_any(s, &x, e);
	if (rc == 0)
		answer(a, &x);
	arena_free(&x.a);
	return rc;
}
