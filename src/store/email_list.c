/* The list of a mailbox by time, straight from its tables: any page of it, the place of any Email in it, its
 * length. Days are added up, so a page far down costs what one at the top does. */

#include "store/email_list.h"

#include "store/email_priv.h"

#define TOP 1000 /* places that are walked over rather than counted */

DB_SQL(sql_list_total,
	"SELECT emails, threads FROM mailbox_count WHERE mailbox_id = $1 AND account_id = $2");
DB_SQL(sql_days_down,
	"SELECT day, emails, newest, oldest FROM email_day WHERE mailbox_id = $1 ORDER BY day DESC");
DB_SQL(sql_days_up,
	"SELECT day, emails, newest, oldest FROM email_day WHERE mailbox_id = $1 ORDER BY day");
DB_SQL(sql_days_above,
	"SELECT COALESCE(SUM(emails), 0), COALESCE(SUM(newest), 0), COALESCE(SUM(oldest), 0) "
	"FROM email_day WHERE mailbox_id = $1 AND day > $2");
DB_SQL(sql_days_below,
	"SELECT COALESCE(SUM(emails), 0), COALESCE(SUM(newest), 0), COALESCE(SUM(oldest), 0) "
	"FROM email_day WHERE mailbox_id = $1 AND day < $2");

#define PAGE_DOWN(table, ns, id)                                                                   \
	"SELECT " id " FROM " table " WHERE mailbox_id = $1 AND " ns " <= $2 ORDER BY " ns         \
	" DESC, " id " DESC LIMIT $3 OFFSET $4"
#define PAGE_UP(table, ns, id)                                                                     \
	"SELECT " id " FROM " table " WHERE mailbox_id = $1 AND " ns " >= $2 ORDER BY " ns ", " id \
	" LIMIT $3 OFFSET $4"
#define BEFORE_DOWN(table, ns, id)                                                                 \
	"SELECT COUNT(*) FROM " table " WHERE mailbox_id = $1 AND " ns " >= $2 AND " ns            \
	" <= $3 AND (" ns " > $2 OR " id " > $4)"
#define BEFORE_UP(table, ns, id)                                                                   \
	"SELECT COUNT(*) FROM " table " WHERE mailbox_id = $1 AND " ns " <= $2 AND " ns            \
	" >= $3 AND (" ns " < $2 OR " id " < $4)"
DB_SQL(sql_emails_down, PAGE_DOWN("email_box", "received_ns", "email_id"));
DB_SQL(sql_emails_up, PAGE_UP("email_box", "received_ns", "email_id"));
DB_SQL(sql_threads_down, PAGE_DOWN("thread_box", "newest_ns", "newest_email"));
DB_SQL(sql_threads_up, PAGE_UP("thread_box", "oldest_ns", "oldest_email"));
DB_SQL(sql_emails_before_down, BEFORE_DOWN("email_box", "received_ns", "email_id"));
DB_SQL(sql_emails_before_up, BEFORE_UP("email_box", "received_ns", "email_id"));
DB_SQL(sql_threads_before_down, BEFORE_DOWN("thread_box", "newest_ns", "newest_email"));
DB_SQL(sql_threads_before_up, BEFORE_UP("thread_box", "oldest_ns", "oldest_email"));

DB_SQL(sql_list_email,
	"SELECT x.received_ns, b.thread_id, b.entered FROM email x CROSS JOIN email_box b ON "
	"b.mailbox_id = $3 AND b.received_ns = x.received_ns AND b.email_id = x.email_id "
	"WHERE x.account_id = $1 AND x.email_id = $2");
DB_SQL(sql_list_thread,
	"SELECT newest_email, oldest_email FROM thread_box WHERE mailbox_id = $1 AND thread_id = $2");

static size_t at_most(size_t n, size_t max)
{
	return n < max ? n : max;
}

int email_list_total_tx(struct db *db, const struct email_list *l, uint64_t *total_r, struct err *e)
{
	int64_t emails = 0, threads = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_list_total, &is_found, "ii:ii", (int64_t)l->mailbox_id,
		    (int64_t)l->account_id, &emails, &threads) < 0)
		return -1;
	*total_r = (uint64_t)(l->collapses ? threads : emails);
	return 0;
}

static int64_t day_count(const struct email_list *l, int64_t emails, int64_t newest, int64_t oldest)
{
	if (!l->collapses)
		return emails;
	return l->is_ascending ? oldest : newest;
}

static int64_t day_begin(int64_t day)
{
	return day <= INT64_MIN / EMAIL_DAY_NS ? INT64_MIN : day * EMAIL_DAY_NS;
}

static int64_t day_end(int64_t day)
{
	return day >= INT64_MAX / EMAIL_DAY_NS ? INT64_MAX : (day + 1) * EMAIL_DAY_NS - 1;
}

/* The day that the position is in, and how many stand before it. */
static int find_day(struct db *db, const struct email_list *l, uint64_t position, int64_t *bound_r,
	uint64_t *before_r, struct err *e)
{
	struct db_stmt *st = db_query(db, e, l->is_ascending ? &sql_days_up : &sql_days_down, "i",
		(int64_t)l->mailbox_id);
	int64_t day, emails, newest, oldest;
	bool is_row = false;
	int rc = -1;

	*before_r = 0;
	*bound_r = l->is_ascending ? INT64_MIN : INT64_MAX;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		uint64_t n;

		db_cols(st, "iiii", &day, &emails, &newest, &oldest);
		n = (uint64_t)day_count(l, emails, newest, oldest);
		*bound_r = l->is_ascending ? day_begin(day) : day_end(day);
		if (*before_r + n > position)
			break;
		*before_r += n;
	}
	db_done(st);
	return rc;
}

static const struct db_sql *page_sql(const struct email_list *l)
{
	if (l->collapses)
		return l->is_ascending ? &sql_threads_up : &sql_threads_down;
	return l->is_ascending ? &sql_emails_up : &sql_emails_down;
}

int email_list_page_tx(struct db *db, const struct email_list *l, uint64_t position, size_t limit,
	uint64_t *ids_r, size_t *count_r, struct err *e)
{
	int64_t bound = l->is_ascending ? INT64_MIN : INT64_MAX;
	uint64_t before = 0;
	struct db_stmt *st;
	bool is_row = false;
	int rc = -1;

	*count_r = 0;
	if (position > TOP && find_day(db, l, position, &bound, &before, e) < 0)
		return -1;
	st = db_query(db, e, page_sql(l), "iiii", (int64_t)l->mailbox_id, bound, (int64_t)limit,
		(int64_t)(position - before));
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		ids_r[(*count_r)++] = (uint64_t)db_col_i64(st, 0);
	db_done(st);
	return rc;
}

static const struct db_sql *before_sql(const struct email_list *l)
{
	if (l->collapses)
		return l->is_ascending ? &sql_threads_before_up : &sql_threads_before_down;
	return l->is_ascending ? &sql_emails_before_up : &sql_emails_before_down;
}

int email_list_look_tx(struct db *db, const struct email_list *l, uint64_t email_id,
	struct email_list_place *p, struct err *e)
{
	int64_t thread = 0, entered = 0, newest = 0, oldest = 0;
	bool is_found;

	*p = (struct email_list_place){0};
	if (db_get(db, e, NULL, &sql_list_email, &p->is_in_box, "iii:iii", (int64_t)l->account_id,
		    (int64_t)email_id, (int64_t)l->mailbox_id, &p->received_ns, &thread,
		    &entered) < 0)
		return -1;
	p->thread_id = (uint64_t)thread;
	p->entered = (uint64_t)entered;
	p->is_in_list = p->is_in_box;
	if (!p->is_in_box || !l->collapses)
		return 0;
	if (db_get(db, e, NULL, &sql_list_thread, &is_found, "ii:ii", (int64_t)l->mailbox_id,
		    thread, &newest, &oldest) < 0)
		return -1;
	p->is_in_list = (uint64_t)(l->is_ascending ? oldest : newest) == email_id;
	return 0;
}

int email_list_index_tx(struct db *db, const struct email_list *l, uint64_t email_id, bool *is_in_r,
	uint64_t *index_r, struct err *e)
{
	struct email_list_place p;
	int64_t emails = 0, newest = 0, oldest = 0, same_day = 0, day;
	bool is_found;

	if (email_list_look_tx(db, l, email_id, &p, e) < 0)
		return -1;
	*is_in_r = p.is_in_list;
	if (!p.is_in_list)
		return 0;
	day = email_day(p.received_ns);
	if (db_get(db, e, NULL, l->is_ascending ? &sql_days_below : &sql_days_above, &is_found,
		    "ii:iii", (int64_t)l->mailbox_id, day, &emails, &newest, &oldest) < 0 ||
		db_get(db, e, NULL, before_sql(l), &is_found, "iiii:i", (int64_t)l->mailbox_id,
			p.received_ns, l->is_ascending ? day_begin(day) : day_end(day),
			(int64_t)email_id, &same_day) < 0)
		return -1;
	*index_r = (uint64_t)(day_count(l, emails, newest, oldest) + same_day);
	return 0;
}

bool email_list_of(const struct email_query *q, uint64_t account_id, struct email_list *l)
{
	const struct email_filter *f = q->filter;

	while (f && (f->op == EMAIL_AND || f->op == EMAIL_OR) && f->kid_count == 1)
		f = f->kids;
	if (!f || f->op != EMAIL_IN_MAILBOX ||
		(q->sort_count && q->sort[0].key != EMAIL_SORT_RECEIVED))
		return false;
	*l = (struct email_list){.account_id = account_id,
		.mailbox_id = f->id,
		.is_ascending = q->sort_count && !q->sort[0].is_descending,
		.collapses = q->collapses};
	return true;
}

/* RFC 8620 section 5.5: where a page begins. */
uint64_t email_page_begin(int64_t position, uint64_t total)
{
	if (position >= 0)
		return (uint64_t)position;
	return (uint64_t)-position > total ? 0 : total - (uint64_t)-position;
}

struct listing {
	struct arena *a;
	const struct email_eyes *eyes;
	struct email_query *q;
	struct email_list l;
};

static int list_read(struct db *db, void *arg, struct err *e)
{
	struct listing *x = arg;
	struct email_query *q = x->q;
	struct email_at at;
	uint64_t total = 0, index = 0;
	bool is_in = false;
	size_t limit;

	if (email_at_tx(db, x->eyes->account_id, &at, e) < 0)
		return -1;
	q->state = (uint64_t)at.emails;
	q->can_calculate = true;
	if (email_sees(x->eyes, x->l.mailbox_id) && email_list_total_tx(db, &x->l, &total, e) < 0)
		return -1;
	q->total = total;
	if (q->anchor) {
		if (total && email_list_index_tx(db, &x->l, q->anchor, &is_in, &index, e) < 0)
			return -1;
		q->is_anchor_missing = !is_in;
		if (!is_in)
			return 0;
		q->at = q->anchor_offset < 0 && (uint64_t)-q->anchor_offset > index
			? 0
			: index + (uint64_t)q->anchor_offset;
	} else {
		q->at = email_page_begin(q->position, total);
	}
	if (q->at >= total)
		return 0;
	limit = at_most(q->limit, total - q->at);
	q->ids = ARENA_ARRAY(x->a, uint64_t, limit + 1);
	return email_list_page_tx(db, &x->l, q->at, limit, q->ids, &q->count, e);
}

FIBER int email_list_query(struct store *s, struct arena *a, const struct email_eyes *eyes,
	const struct email_list *l, struct email_query *q, struct err *e)
{
	struct listing x = {a, eyes, q, *l};

	return email_read(s, "email.list", eyes->account_id, list_read, &x, e);
}
