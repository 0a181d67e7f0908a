/* What changed since a state, of Emails, threads and mailboxes, for one asker. */

#include "store/email.h"

#include <stdlib.h>

#include "store/email_priv.h"

#define CHANGES_DEFAULT 10000
#define RAW_MAX         50000 /* rows of one look; more: cannotCalculateChanges */

DB_SQL(sql_changed_emails,
	"SELECT email_id, changed, created FROM email WHERE account_id = $1 AND changed > $2 "
	"ORDER BY changed, email_id LIMIT $3");
DB_SQL(sql_gone_emails,
	"SELECT email_id, modseq, created FROM email_gone WHERE account_id = $1 AND modseq > $2 "
	"ORDER BY modseq, email_id LIMIT $3");
DB_SQL(sql_left_emails,
	"SELECT email_id, modseq, entered, mailbox_id, thread_id FROM email_left WHERE "
	"account_id = $1 AND modseq > $2 ORDER BY modseq, mailbox_id, email_id LIMIT $3");
DB_SQL(sql_is_there, "SELECT 1 FROM email WHERE account_id = $1 AND email_id = $2");
DB_SQL(sql_was_there,
	"SELECT 1 FROM email_gone WHERE account_id = $1 AND email_id = $2 AND modseq > $3 AND "
	"created <= $3 LIMIT 1");
DB_SQL(sql_changed_threads,
	"SELECT thread_id, changed, created, first, emails FROM thread WHERE account_id = $1 AND "
	"changed > $2 ORDER BY changed, thread_id LIMIT $3");
DB_SQL(sql_entered_threads,
	"SELECT thread_id, entered FROM email_box WHERE mailbox_id = $1 AND entered > $2 "
	"ORDER BY entered LIMIT $3");
DB_SQL(sql_thread_one, "SELECT first FROM thread WHERE account_id = $1 AND thread_id = $2");
DB_SQL(sql_thread_rows, "SELECT email_id FROM email WHERE account_id = $1 AND thread_id = $2");
DB_SQL(sql_changed_counts,
	"SELECT mailbox_id, changed FROM mailbox_count WHERE account_id = $1 AND changed > $2 "
	"ORDER BY changed LIMIT $3");
DB_SQL(sql_changed_boxes,
	"SELECT object_id, changed, created, is_gone FROM object_change WHERE account_id = $1 AND "
	"kind = $2 AND changed > $3 ORDER BY changed, object_id LIMIT $4");

#define NEVER_THERE ((enum email_change_how)(EMAIL_DESTROYED + 1)) /* came and went: left out */

struct told {
	struct email_change change;
	int64_t modseq;
};

struct changing {
	struct arena *a;
	const struct email_eyes *eyes;
	struct email_changes *c;
	struct email_at at;
	int64_t state; /* that is led to, when all is told */
	struct told *list;
	size_t count, cap;
	bool is_too_many;
	bool has_parts; /* of one object, changed each at its own time */
};

static void tell(struct changing *x, int64_t id, int64_t modseq, enum email_change_how how)
{
	if (x->count == x->cap) {
		struct told *was = x->list;

		x->cap = x->cap ? x->cap * 2 : 64;
		x->list = ARENA_ARRAY(x->a, struct told, x->cap);
		for (size_t i = 0; i < x->count; i++)
			x->list[i] = was[i];
	}
	x->list[x->count++] = (struct told){{(uint64_t)id, how}, modseq};
}

/* ---- Emails ---- */

static int tell_live(struct db *db, struct changing *x, int64_t id, int64_t changed,
	int64_t created, struct err *e)
{
	int64_t since = (int64_t)x->c->since;
	bool is_seen, was_there = false;

	if (email_is_seen_tx(db, x->eyes, id, &is_seen, e) < 0)
		return -1;
	if (!is_seen)
		return 0; /* when it left his sight, that tells */
	if (created > since &&
		db_get(db, e, NULL, &sql_was_there, &was_there, "iii:-",
			(int64_t)x->eyes->account_id, id, since) < 0)
		return -1;
	/* the place of what is new is where it began: a list that ends before its last change has it */
	if (created > since && !was_there)
		tell(x, id, created, EMAIL_CREATED);
	else
		tell(x, id, changed, EMAIL_UPDATED);
	return 0;
}

static int live_emails(struct db *db, struct changing *x, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_changed_emails, "iii",
		(int64_t)x->eyes->account_id, (int64_t)x->c->since, (int64_t)RAW_MAX);
	int64_t id, changed = 0, created;
	bool is_row = false;
	size_t rows = 0;
	int rc = -1;

	for (; st && (rc = db_step(st, &is_row, e)) == 0 && is_row; rows++) {
		db_cols(st, "iii", &id, &changed, &created);
		if ((rc = tell_live(db, x, id, changed, created, e)) < 0)
			break;
	}
	db_done(st);
	x->is_too_many |= rows == RAW_MAX;
	return rc;
}

/* For its owner: gone from the account. For others: gone out of what they see. */
static int gone_emails(struct db *db, struct changing *x, struct err *e)
{
	bool is_all = x->eyes->is_all, is_row = false, is_there;
	struct db_stmt *st = db_query(db, e, is_all ? &sql_gone_emails : &sql_left_emails, "iii",
		(int64_t)x->eyes->account_id, (int64_t)x->c->since, (int64_t)RAW_MAX);
	int64_t id, modseq = 0, created;
	size_t rows = 0;
	int rc = -1;

	for (; st && (rc = db_step(st, &is_row, e)) == 0 && is_row; rows++) {
		db_cols(st, "iii", &id, &modseq, &created);
		if (created > (int64_t)x->c->since ||
			(!is_all && !email_sees(x->eyes, (uint64_t)db_col_i64(st, 3))))
			continue;
		rc = is_all ? db_get(db, e, NULL, &sql_is_there, &is_there, "ii:-",
				      (int64_t)x->eyes->account_id, id)
			    : email_is_seen_tx(db, x->eyes, id, &is_there, e);
		if (rc < 0)
			break;
		if (!is_there)
			tell(x, id, modseq, EMAIL_DESTROYED);
	}
	db_done(st);
	x->is_too_many |= rows == RAW_MAX;
	return rc;
}

/* ---- threads ---- */

static int all_threads(struct db *db, struct changing *x, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_changed_threads, "iii",
		(int64_t)x->eyes->account_id, (int64_t)x->c->since, (int64_t)RAW_MAX);
	int64_t id, changed = 0, created, first, emails, since = (int64_t)x->c->since;
	bool is_row = false;
	size_t rows = 0;
	int rc = -1;

	for (; st && (rc = db_step(st, &is_row, e)) == 0 && is_row; rows++) {
		db_cols(st, "iiiii", &id, &changed, &created, &first, &emails);
		if (emails && created > since)
			tell(x, id, created, EMAIL_CREATED);
		else if (emails)
			tell(x, id, changed, EMAIL_UPDATED);
		else if (first <= since)
			tell(x, id, changed, EMAIL_DESTROYED);
	}
	db_done(st);
	x->is_too_many |= rows == RAW_MAX;
	return rc;
}

static int is_thread_seen(
	struct db *db, const struct changing *x, int64_t thread_id, bool *is_seen_r, struct err *e)
{
	struct db_stmt *st = db_query(
		db, e, &sql_thread_rows, "ii", (int64_t)x->eyes->account_id, thread_id);
	bool is_row = false;
	int rc = -1;

	*is_seen_r = false;
	while (st && !*is_seen_r && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		if ((rc = email_is_seen_tx(db, x->eyes, db_col_i64(st, 0), is_seen_r, e)) < 0)
			break;
	db_done(st);
	return rc;
}

static int tell_seen_thread(
	struct db *db, struct changing *x, int64_t id, int64_t modseq, struct err *e)
{
	int64_t first = 0;
	bool is_found, is_seen;

	if (db_get(db, e, NULL, &sql_thread_one, &is_found, "ii:i", (int64_t)x->eyes->account_id,
		    id, &first) < 0 ||
		is_thread_seen(db, x, id, &is_seen, e) < 0)
		return -1;
	if (is_seen && first > (int64_t)x->c->since)
		tell(x, id, first, EMAIL_CREATED);
	else
		tell(x, id, modseq, is_seen ? EMAIL_UPDATED : EMAIL_DESTROYED);
	return 0;
}

/* What came into and went out of the mailboxes that he sees. */
static int seen_threads(struct db *db, struct changing *x, struct err *e)
{
	int64_t id, modseq = 0, since = (int64_t)x->c->since;
	struct db_stmt *st;
	bool is_row = false;
	size_t rows = 0;
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < x->eyes->mailbox_count; i++) {
		st = db_query(db, e, &sql_entered_threads, "iii", (int64_t)x->eyes->mailboxes[i],
			since, (int64_t)RAW_MAX);
		rc = st ? 0 : -1;
		for (rows = 0; st && (rc = db_step(st, &is_row, e)) == 0 && is_row; rows++) {
			db_cols(st, "ii", &id, &modseq);
			if ((rc = tell_seen_thread(db, x, id, modseq, e)) < 0)
				break;
		}
		db_done(st);
		x->is_too_many |= rows == RAW_MAX;
	}
	if (rc < 0)
		return -1;
	st = db_query(db, e, &sql_left_emails, "iii", (int64_t)x->eyes->account_id, since,
		(int64_t)RAW_MAX);
	rc = st ? 0 : -1;
	for (rows = 0; st && (rc = db_step(st, &is_row, e)) == 0 && is_row; rows++) {
		modseq = db_col_i64(st, 1);
		if (email_sees(x->eyes, (uint64_t)db_col_i64(st, 3)) &&
			(rc = tell_seen_thread(db, x, db_col_i64(st, 4), modseq, e)) < 0)
			break;
	}
	db_done(st);
	x->is_too_many |= rows == RAW_MAX;
	return rc;
}

/* ---- mailboxes ---- */

static int changed_counts(struct db *db, struct changing *x, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_changed_counts, "iii",
		(int64_t)x->eyes->account_id, (int64_t)x->c->since, (int64_t)RAW_MAX);
	int64_t id, changed = 0;
	bool is_row = false;
	size_t rows = 0;
	int rc = -1;

	for (; st && (rc = db_step(st, &is_row, e)) == 0 && is_row; rows++) {
		db_cols(st, "ii", &id, &changed);
		if (email_sees(x->eyes, (uint64_t)id))
			tell(x, id, changed, EMAIL_UPDATED);
	}
	db_done(st);
	x->is_too_many |= rows == RAW_MAX;
	return rc;
}

static int cannot(struct err *e)
{
	return err_set(e, ERR_STATE, "changes since that state cannot be told");
}

/* Who does not see all of them begins anew when one that he does not see has changed: perhaps he did. */
static int changed_boxes(struct db *db, struct changing *x, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_changed_boxes, "iiii",
		(int64_t)x->eyes->account_id, (int64_t)OBJECT_MAILBOX, (int64_t)x->c->since,
		(int64_t)RAW_MAX);
	int64_t id, changed = 0, created, is_gone, since = (int64_t)x->c->since;
	bool is_row = false;
	size_t rows = 0;
	int rc = -1;

	x->c->is_counts_only = true;
	for (; st && (rc = db_step(st, &is_row, e)) == 0 && is_row; rows++) {
		db_cols(st, "iiii", &id, &changed, &created, &is_gone);
		if (!email_sees(x->eyes, (uint64_t)id)) {
			rc = cannot(e);
			break;
		}
		x->c->is_counts_only = false;
		tell(x, id, !is_gone && created > since ? created : changed,
			is_gone && created > since ? NEVER_THERE
				: is_gone          ? EMAIL_DESTROYED
				: created > since  ? EMAIL_CREATED
						   : EMAIL_UPDATED);
	}
	db_done(st);
	x->is_too_many |= rows == RAW_MAX;
	return rc;
}

/* ---- the whole ---- */

static int by_id(const void *a, const void *b)
{
	const struct told *x = a, *y = b;

	if (x->change.id != y->change.id)
		return x->change.id < y->change.id ? -1 : 1;
	return (x->modseq > y->modseq) - (x->modseq < y->modseq);
}

static int by_modseq(const void *a, const void *b)
{
	const struct told *x = a, *y = b;

	if (x->modseq != y->modseq)
		return x->modseq < y->modseq ? -1 : 1;
	return (x->change.id > y->change.id) - (x->change.id < y->change.id);
}

/* Each once: created and gone count more than changed, and have their own place. Of two parts that changed the
 * first one's place counts: a page that ends before the other tells of it again, else nobody would hear of the
 * first. */
static void fold(struct changing *x)
{
	size_t n = 0;

	if (!x->count)
		return;
	qsort(x->list, x->count, sizeof(*x->list), by_id);
	for (size_t i = 0; i < x->count; i++) {
		if (!n || x->list[n - 1].change.id != x->list[i].change.id)
			x->list[n++] = x->list[i];
		else if (x->has_parts && x->list[i].change.how == EMAIL_UPDATED)
			continue;
		else if (x->list[n - 1].change.how == EMAIL_UPDATED ||
			x->list[i].change.how == EMAIL_DESTROYED)
			x->list[n - 1] = x->list[i];
	}
	x->count = 0;
	for (size_t i = 0; i < n; i++)
		if (x->list[i].change.how != NEVER_THERE)
			x->list[x->count++] = x->list[i];
	qsort(x->list, x->count, sizeof(*x->list), by_modseq);
}

/* The list may end behind a MODSEQ only: that is a state. RFC 8620 section 5.2: when no state lies within
 * maxChanges, they cannot be told. */
static int cut(struct changing *x, struct err *e)
{
	size_t max = x->c->max ? x->c->max : CHANGES_DEFAULT, n = x->count;

	if (x->is_too_many)
		return cannot(e);
	if (n > max) {
		for (n = max; n && x->list[n - 1].modseq == x->list[n].modseq; n--)
			;
		if (!n && x->c->max)
			return cannot(e);
		for (n = n ? n : max; n < x->count && x->list[n].modseq == x->list[n - 1].modseq;
			n++)
			;
	}
	x->c->is_more = n < x->count;
	x->c->upto = (uint64_t)(x->state > (int64_t)x->c->since ? x->state : (int64_t)x->c->since);
	if (x->c->is_more && x->list[n - 1].modseq < (int64_t)x->c->upto)
		x->c->upto = (uint64_t)x->list[n - 1].modseq;
	x->c->list = ARENA_ARRAY(x->a, struct email_change, n + 1);
	x->c->count = n;
	for (size_t i = 0; i < n; i++)
		x->c->list[i] = x->list[i].change;
	return 0;
}

static int begin(struct db *db, struct changing *x, struct err *e)
{
	if (email_at_tx(db, x->eyes->account_id, &x->at, e) < 0)
		return -1;
	if ((int64_t)x->c->since > x->at.upto || (int64_t)x->c->since < x->at.forgotten)
		return cannot(e);
	x->state = x->at.emails;
	return 0;
}

/* His sight may have changed with rights: then all may have. */
int email_same_sight_tx(struct db *db, const struct email_eyes *eyes, uint64_t since, struct err *e)
{
	int64_t changed;
	bool is_found;

	if (eyes->is_all)
		return 0;
	if (db_get(db, e, NULL, &sql_changed_boxes, &is_found, "iiii:-i--",
		    (int64_t)eyes->account_id, (int64_t)OBJECT_MAILBOX, (int64_t)since, (int64_t)1,
		    &changed) < 0)
		return -1;
	return is_found ? cannot(e) : 0;
}

static int read_emails(struct db *db, void *arg, struct err *e)
{
	struct changing *x = arg;

	if (begin(db, x, e) < 0 || email_same_sight_tx(db, x->eyes, x->c->since, e) < 0 ||
		live_emails(db, x, e) < 0 || gone_emails(db, x, e) < 0)
		return -1;
	fold(x);
	return cut(x, e);
}

static int read_threads(struct db *db, void *arg, struct err *e)
{
	struct changing *x = arg;

	if (begin(db, x, e) < 0 || email_same_sight_tx(db, x->eyes, x->c->since, e) < 0)
		return -1;
	x->state = x->at.threads;
	if ((x->eyes->is_all ? all_threads(db, x, e) : seen_threads(db, x, e)) < 0)
		return -1;
	fold(x);
	return cut(x, e);
}

static int read_boxes(struct db *db, void *arg, struct err *e)
{
	struct changing *x = arg;

	x->has_parts = true; /* counters, and all the rest */
	if (begin(db, x, e) < 0 ||
		email_boxes_at_tx(db, x->eyes->account_id, &x->at, &x->state, e) < 0 ||
		changed_counts(db, x, e) < 0 || changed_boxes(db, x, e) < 0)
		return -1;
	fold(x);
	return cut(x, e);
}

static FIBER int changes(struct store *s, struct arena *a, const struct email_eyes *eyes,
	struct email_changes *c, store_fn *fn, struct err *e)
{
	struct changing x = {.a = arena_new(), .eyes = eyes, .c = c};
	int rc;

	c->count = 0;
	c->is_counts_only = false;
	rc = email_read(s, "email.changes", eyes->account_id, fn, &x, e);
	if (rc == 0 && c->count) { /* the work's memory goes */
		struct email_change *kept = ARENA_ARRAY(a, struct email_change, c->count);

		for (size_t i = 0; i < c->count; i++)
			kept[i] = c->list[i];
		c->list = kept;
	}
	if (rc < 0 || !c->count)
		c->list = NULL;
	arena_free(&x.a);
	return rc;
}

FIBER int email_changes(struct store *s, struct arena *a, const struct email_eyes *eyes,
	struct email_changes *c, struct err *e)
{
	return changes(s, a, eyes, c, read_emails, e);
}

FIBER int email_thread_changes(struct store *s, struct arena *a, const struct email_eyes *eyes,
	struct email_changes *c, struct err *e)
{
	return changes(s, a, eyes, c, read_threads, e);
}

FIBER int email_mailbox_changes(struct store *s, struct arena *a, const struct email_eyes *eyes,
	struct email_changes *c, struct err *e)
{
	return changes(s, a, eyes, c, read_boxes, e);
}
