/* Threads in mailboxes, days of lists, and counters: the parts of the index of Emails that a list shows. */

#include "store/email_priv.h"

DB_SQL(sql_tbox_get,
	"SELECT emails, newest_ns, newest_email, oldest_ns, oldest_email FROM thread_box "
	"WHERE mailbox_id = $1 AND thread_id = $2");
DB_SQL(sql_tbox_put,
	"INSERT INTO thread_box (mailbox_id, thread_id, emails, newest_ns, newest_email, "
	"oldest_ns, oldest_email) VALUES ($1, $2, 1, $3, $4, $3, $4)");
DB_SQL(sql_tbox_set,
	"UPDATE thread_box SET emails = $3, newest_ns = $4, newest_email = $5, oldest_ns = $6, "
	"oldest_email = $7 WHERE mailbox_id = $1 AND thread_id = $2");
DB_SQL(sql_tbox_emails,
	"UPDATE thread_box SET emails = $3 WHERE mailbox_id = $1 AND thread_id = $2");
DB_SQL(sql_tbox_drop, "DELETE FROM thread_box WHERE mailbox_id = $1 AND thread_id = $2");
#define THREAD_IN_BOX                                                                              \
	"SELECT b.received_ns, b.email_id FROM email m CROSS JOIN email_box b ON "                 \
	"b.mailbox_id = $3 AND b.received_ns = m.received_ns AND b.email_id = m.email_id "         \
	"WHERE m.account_id = $1 AND m.thread_id = $2 "
DB_SQL(sql_tbox_newest, THREAD_IN_BOX "ORDER BY m.received_ns DESC, m.email_id DESC LIMIT 1");
DB_SQL(sql_tbox_oldest, THREAD_IN_BOX "ORDER BY m.received_ns, m.email_id LIMIT 1");
DB_SQL(sql_count_add,
	"INSERT INTO mailbox_count (mailbox_id, account_id, emails, unread, threads, "
	"unread_threads, changed) VALUES ($1, $2, $3, $4, $5, $6, $7) "
	"ON CONFLICT (mailbox_id) DO UPDATE SET emails = emails + excluded.emails, "
	"unread = unread + excluded.unread, threads = threads + excluded.threads, "
	"unread_threads = unread_threads + excluded.unread_threads, changed = excluded.changed");
DB_SQL(sql_count_forget,
	"DELETE FROM mailbox_count WHERE mailbox_id = $1 AND emails = 0 AND unread = 0 AND "
	"threads = 0 AND unread_threads = 0 AND NOT EXISTS (SELECT 1 FROM mailbox WHERE id = $1)");
DB_SQL(sql_day_add,
	"INSERT INTO email_day (mailbox_id, day, emails, newest, oldest) "
	"VALUES ($1, $2, $3, $4, $5) ON CONFLICT (mailbox_id, day) DO UPDATE SET "
	"emails = emails + excluded.emails, newest = newest + excluded.newest, "
	"oldest = oldest + excluded.oldest");
DB_SQL(sql_day_forget,
	"DELETE FROM email_day WHERE mailbox_id = $1 AND day = $2 AND emails = 0 AND newest = 0 AND "
	"oldest = 0");

/* ---- what is written once for many ---- */

static int write_count(struct email_work *w, const struct email_work_count *c, struct err *e)
{
	if (!c->emails && !c->unread && !c->threads && !c->unread_threads)
		return 0;
	w->counts_at = c->modseq;
	if (db_run(w->db, e, &sql_count_add, "iiiiiii", c->mailbox_id, w->account_id, c->emails,
		    c->unread, c->threads, c->unread_threads, c->modseq) < 0)
		return -1;
	if (c->emails >= 0 && c->threads >= 0 && c->unread_threads >= 0)
		return 0;
	return db_run(w->db, e, &sql_count_forget, "i", c->mailbox_id);
}

static int write_day(struct email_work *w, const struct email_work_day *d, struct err *e)
{
	if (!d->emails && !d->newest && !d->oldest)
		return 0;
	if (db_run(w->db, e, &sql_day_add, "iiiii", d->mailbox_id, d->day, d->emails, d->newest,
		    d->oldest) < 0)
		return -1;
	if (d->emails >= 0 && d->newest >= 0 && d->oldest >= 0)
		return 0;
	return db_run(w->db, e, &sql_day_forget, "ii", d->mailbox_id, d->day);
}

static int flush_counts(struct email_work *w, struct err *e)
{
	for (size_t i = 0; i < w->count_count; i++)
		if (write_count(w, &w->counts[i], e) < 0)
			return -1;
	w->count_count = 0;
	return 0;
}

static int flush_days(struct email_work *w, struct err *e)
{
	for (size_t i = 0; i < w->day_count; i++)
		if (write_day(w, &w->days[i], e) < 0)
			return -1;
	w->day_count = 0;
	return 0;
}

int email_flush_tx(struct email_work *w, struct err *e)
{
	return flush_counts(w, e) < 0 ? -1 : flush_days(w, e);
}

/* The one that was met last is most often met again: it stands first. */
static struct email_work_count *find_count(struct email_work *w, int64_t mailbox_id)
{
	for (size_t i = w->count_count; i-- > 0;)
		if (w->counts[i].mailbox_id == mailbox_id)
			return &w->counts[i];
	return NULL;
}

int email_count_add(struct email_work *w, int64_t mailbox_id, int64_t emails, int64_t unread,
	int64_t threads, int64_t unread_threads, struct err *e)
{
	struct email_work_count *c = find_count(w, mailbox_id);

	if (!c) {
		if (w->count_count == EMAIL_WORK_COUNTS && flush_counts(w, e) < 0)
			return -1;
		c = &w->counts[w->count_count++];
		*c = (struct email_work_count){.mailbox_id = mailbox_id};
	}
	c->emails += emails;
	c->unread += unread;
	c->threads += threads;
	c->unread_threads += unread_threads;
	c->modseq = w->modseq;
	return 0;
}

int email_day_add(struct email_work *w, int64_t mailbox_id, int64_t received_ns, int64_t emails,
	int64_t newest, int64_t oldest, struct err *e)
{
	int64_t day = email_day(received_ns);
	struct email_work_day *d = NULL;

	for (size_t i = w->day_count; !d && i-- > 0;)
		if (w->days[i].day == day && w->days[i].mailbox_id == mailbox_id)
			d = &w->days[i];
	if (!d) {
		if (w->day_count == EMAIL_WORK_DAYS && flush_days(w, e) < 0)
			return -1;
		d = &w->days[w->day_count++];
		*d = (struct email_work_day){.mailbox_id = mailbox_id, .day = day};
	}
	d->emails += emails;
	d->newest += newest;
	d->oldest += oldest;
	return 0;
}

/* ---- a thread in a mailbox ---- */

struct place {
	int64_t ns, email_id;
};
struct tbox {
	bool is_there;
	int64_t emails;
	struct place newest, oldest;
};

static bool is_before(struct place a, struct place b)
{
	return a.ns < b.ns || (a.ns == b.ns && a.email_id < b.email_id);
}

static int tbox_get(
	struct email_work *w, int64_t mailbox_id, int64_t thread_id, struct tbox *t, struct err *e)
{
	*t = (struct tbox){0};
	return db_get(w->db, e, NULL, &sql_tbox_get, &t->is_there, "ii:iiiii", mailbox_id,
		thread_id, &t->emails, &t->newest.ns, &t->newest.email_id, &t->oldest.ns,
		&t->oldest.email_id);
}

/* The list's days follow its newest and oldest. */
static int tbox_set(struct email_work *w, int64_t mailbox_id, int64_t thread_id,
	const struct tbox *was, const struct tbox *is, struct err *e)
{
	if (is->newest.ns != was->newest.ns &&
		(email_day_add(w, mailbox_id, was->newest.ns, 0, -1, 0, e) < 0 ||
			email_day_add(w, mailbox_id, is->newest.ns, 0, 1, 0, e) < 0))
		return -1;
	if (is->oldest.ns != was->oldest.ns &&
		(email_day_add(w, mailbox_id, was->oldest.ns, 0, 0, -1, e) < 0 ||
			email_day_add(w, mailbox_id, is->oldest.ns, 0, 0, 1, e) < 0))
		return -1;
	if (is->newest.email_id == was->newest.email_id &&
		is->oldest.email_id == was->oldest.email_id)
		return db_run(w->db, e, &sql_tbox_emails, "iii", mailbox_id, thread_id, is->emails);
	return db_run(w->db, e, &sql_tbox_set, "iiiiiii", mailbox_id, thread_id, is->emails,
		is->newest.ns, is->newest.email_id, is->oldest.ns, is->oldest.email_id);
}

int email_thread_box_add(struct email_work *w, int64_t mailbox_id, int64_t thread_id,
	int64_t received_ns, int64_t email_id, int *came_r, struct err *e)
{
	struct place p = {received_ns, email_id};
	struct tbox was, is;

	*came_r = 0;
	if (tbox_get(w, mailbox_id, thread_id, &was, e) < 0)
		return -1;
	if (!was.is_there) {
		*came_r = 1;
		return db_run(w->db, e, &sql_tbox_put, "iiii", mailbox_id, thread_id, received_ns,
			       email_id) < 0
			? -1
			: email_day_add(w, mailbox_id, received_ns, 0, 1, 1, e);
	}
	is = was;
	is.emails++;
	if (is_before(is.newest, p))
		is.newest = p;
	if (is_before(p, is.oldest))
		is.oldest = p;
	return tbox_set(w, mailbox_id, thread_id, &was, &is, e);
}

static int find_end(struct email_work *w, const struct db_sql *sql, int64_t thread_id,
	int64_t mailbox_id, struct place *p, struct err *e)
{
	bool is_found;

	return db_get(w->db, e, NULL, sql, &is_found, "iii:ii", w->account_id, thread_id,
		mailbox_id, &p->ns, &p->email_id);
}

int email_thread_box_take(struct email_work *w, int64_t mailbox_id, int64_t thread_id,
	int64_t received_ns, int64_t email_id, int *came_r, struct err *e)
{
	struct tbox was, is;

	*came_r = 0;
	if (tbox_get(w, mailbox_id, thread_id, &was, e) < 0)
		return -1;
	if (was.emails <= 1) {
		*came_r = -1;
		return db_run(w->db, e, &sql_tbox_drop, "ii", mailbox_id, thread_id) < 0
			? -1
			: email_day_add(w, mailbox_id, received_ns, 0, -1, -1, e);
	}
	is = was;
	is.emails--;
	if ((was.newest.email_id == email_id &&
		    find_end(w, &sql_tbox_newest, thread_id, mailbox_id, &is.newest, e) < 0) ||
		(was.oldest.email_id == email_id &&
			find_end(w, &sql_tbox_oldest, thread_id, mailbox_id, &is.oldest, e) < 0))
		return -1;
	return tbox_set(w, mailbox_id, thread_id, &was, &is, e);
}
