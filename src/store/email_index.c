/* One change of a row of message, worked into the index of Emails: all of its tables go from what they were
 * to what they are in one closure. */

#include "store/email_priv.h"

DB_SQL(sql_email_get,
	"SELECT thread_id, received_ns, size, flags, keywords, created FROM email "
	"WHERE account_id = $1 AND email_id = $2");
DB_SQL(sql_email_rows,
	"SELECT message_id, mailbox_id, flags, keywords FROM email_row "
	"WHERE account_id = $1 AND email_id = $2");
DB_SQL(sql_row_put,
	"INSERT INTO email_row (message_id, account_id, mailbox_id, email_id, modseq, flags, "
	"keywords) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (message_id) DO UPDATE SET "
	"mailbox_id = excluded.mailbox_id, modseq = excluded.modseq, flags = excluded.flags, "
	"keywords = excluded.keywords");
DB_SQL(sql_row_drop, "DELETE FROM email_row WHERE message_id = $1");
DB_SQL(sql_row_seen, "UPDATE email_row SET modseq = $2 WHERE message_id = $1");
DB_SQL(sql_email_put,
	"INSERT INTO email (account_id, email_id, thread_id, received_ns, size, rows_count, flags, "
	"keywords, created, changed) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)");
DB_SQL(sql_email_set,
	"UPDATE email SET rows_count = $3, flags = $4, keywords = $5, changed = $6 "
	"WHERE account_id = $1 AND email_id = $2");
DB_SQL(sql_email_drop, "DELETE FROM email WHERE account_id = $1 AND email_id = $2");
DB_SQL(sql_email_gone,
	"INSERT INTO email_gone (account_id, modseq, email_id, thread_id, created) "
	"VALUES ($1, $2, $3, $4, $5) ON CONFLICT (account_id, modseq, email_id) DO NOTHING");
DB_SQL(sql_box_put,
	"INSERT INTO email_box (mailbox_id, received_ns, email_id, thread_id, flags, entered) "
	"VALUES ($1, $2, $3, $4, $5, $6)");
DB_SQL(sql_box_flags,
	"UPDATE email_box SET flags = $4 WHERE mailbox_id = $1 AND received_ns = $2 AND "
	"email_id = $3");
DB_SQL(sql_box_drop,
	"DELETE FROM email_box WHERE mailbox_id = $1 AND received_ns = $2 AND email_id = $3 "
	"RETURNING entered");
DB_SQL(sql_left,
	"INSERT INTO email_left (mailbox_id, modseq, email_id, account_id, thread_id, entered) "
	"VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (mailbox_id, modseq, email_id) DO UPDATE SET "
	"entered = CASE WHEN entered < excluded.entered THEN entered ELSE excluded.entered END");
DB_SQL(sql_thread_get,
	"SELECT emails, unread, first, created FROM thread WHERE account_id = $1 AND "
	"thread_id = $2");
DB_SQL(sql_thread_put,
	"INSERT INTO thread (account_id, thread_id, emails, unread, first, created, changed) "
	"VALUES ($1, $2, $3, $4, $5, $5, $5)");
DB_SQL(sql_thread_set,
	"UPDATE thread SET emails = $3, unread = $4, created = $5, changed = $6 "
	"WHERE account_id = $1 AND thread_id = $2");
DB_SQL(sql_thread_unread, "UPDATE thread SET unread = $3 WHERE account_id = $1 AND thread_id = $2");
DB_SQL(sql_thread_boxes, "SELECT mailbox_id FROM thread_box WHERE thread_id = $1");

/* An Email's rows: two, or some, not many: each is a copy that somebody has made. */
struct rows {
	struct row {
		int64_t message_id, mailbox_id, flags;
		struct span keywords;
	} * list;
	size_t count, cap;
};

struct whole {
	bool is_there;
	int64_t thread_id, received_ns, size, flags, created;
	struct span keywords;
};

static struct row *rows_add(struct arena *a, struct rows *r)
{
	if (r->count == r->cap) {
		struct row *was = r->list;

		r->cap = r->cap ? r->cap * 2 : 4;
		r->list = ARENA_ARRAY(a, struct row, r->cap);
		for (size_t i = 0; i < r->count; i++)
			r->list[i] = was[i];
	}
	return &r->list[r->count++];
}

static int load_email(struct email_work *w, int64_t email_id, struct whole *x, struct err *e)
{
	*x = (struct whole){0};
	return db_get(w->db, e, w->a, &sql_email_get, &x->is_there, "ii:iiiiti", w->account_id,
		email_id, &x->thread_id, &x->received_ns, &x->size, &x->flags, &x->keywords,
		&x->created);
}

static int load_rows(struct email_work *w, int64_t email_id, struct rows *r, struct err *e)
{
	struct db_stmt *st = db_query(w->db, e, &sql_email_rows, "ii", w->account_id, email_id);
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct row *x = rows_add(w->a, r);

		db_cols(st, "iiit", &x->message_id, &x->mailbox_id, &x->flags, &x->keywords);
		x->keywords = x->keywords.len ? arena_span(w->a, x->keywords) : SPAN("");
	}
	db_done(st);
	return rc;
}

/* ---- what its rows make of an Email ---- */

bool email_has_word(struct span words, struct span word)
{
	struct span one;

	while (words.len) {
		span_cut(words, ' ', &one, &words);
		if (span_eq_nocase(one, word))
			return true;
	}
	return false;
}

static struct span join_words(struct arena *a, const struct rows *r)
{
	struct buf *b;
	struct span rest, one;

	if (r->count == 1)
		return r->list[0].keywords.len ? mailbox_lower(a, r->list[0].keywords) : SPAN("");
	b = arena_buf(a, r->count * (MAILBOX_KEYWORDS_MAX * (MAILBOX_KEYWORD_MAX + 1)) + 1);
	for (size_t i = 0; i < r->count; i++) {
		rest = r->list[i].keywords;
		while (rest.len) {
			span_cut(rest, ' ', &one, &rest);
			if (email_has_word(buf_span(b), one))
				continue;
			if (buf_len(b))
				buf_char(b, ' ');
			buf_span_put(b, mailbox_lower(a, one));
		}
	}
	return buf_len(b) ? buf_span(b) : SPAN("");
}

static int64_t join_flags(const struct rows *r, struct span words, bool has_attachment)
{
	int64_t any = 0, all = MAILBOX_FLAGS_ALL;

	for (size_t i = 0; i < r->count; i++) {
		any |= r->list[i].flags;
		all &= r->list[i].flags;
	}
	any &= ~(int64_t)(MAILBOX_SEEN | MAILBOX_DELETED);
	return any | (all & MAILBOX_SEEN) | (has_attachment ? EMAIL_BIT_ATTACHMENT : 0) |
		(words.len ? EMAIL_BIT_WORDS : 0);
}

static bool has_box(const struct rows *r, int64_t mailbox_id)
{
	for (size_t i = 0; i < r->count; i++)
		if (r->list[i].mailbox_id == mailbox_id)
			return true;
	return false;
}

static bool is_first_of_box(const struct rows *r, size_t at)
{
	for (size_t i = 0; i < at; i++)
		if (r->list[i].mailbox_id == r->list[at].mailbox_id)
			return false;
	return true;
}

/* ---- the change ---- */

struct applying {
	struct email_work *w;
	const struct email_step *step;
	struct rows before, after;
	struct whole was, is;
	int64_t unread_before, unread_after; /* of the thread */
};

static int thread_came(struct applying *x, int64_t mailbox_id, int came, struct err *e)
{
	if (!came)
		return 0;
	return email_count_add(x->w, mailbox_id, 0, 0, came, x->unread_before > 0 ? came : 0, e);
}

static int enter(struct applying *x, int64_t mailbox_id, struct err *e)
{
	struct email_work *w = x->w;
	int came;

	w->threads_at = w->modseq; /* for who does not see all mailboxes a thread changes so, too */
	if (db_run(w->db, e, &sql_box_put, "iiiiii", mailbox_id, x->is.received_ns,
		    x->step->email_id, x->is.thread_id, x->is.flags, w->modseq) < 0 ||
		email_thread_box_add(w, mailbox_id, x->is.thread_id, x->is.received_ns,
			x->step->email_id, &came, e) < 0 ||
		email_day_add(w, mailbox_id, x->is.received_ns, 1, 0, 0, e) < 0 ||
		email_count_add(w, mailbox_id, 1, email_is_unread(x->is.flags), 0, 0, e) < 0)
		return -1;
	return thread_came(x, mailbox_id, came, e);
}

static int leave(struct applying *x, int64_t mailbox_id, struct err *e)
{
	struct email_work *w = x->w;
	int64_t entered = 0;
	bool is_found;
	int came;

	w->threads_at = w->modseq;
	if (db_get(w->db, e, NULL, &sql_box_drop, &is_found, "iii:i", mailbox_id,
		    x->was.received_ns, x->step->email_id, &entered) < 0 ||
		db_run(w->db, e, &sql_left, "iiiiii", mailbox_id, w->modseq, x->step->email_id,
			w->account_id, x->was.thread_id, entered) < 0 ||
		email_thread_box_take(w, mailbox_id, x->was.thread_id, x->was.received_ns,
			x->step->email_id, &came, e) < 0 ||
		email_day_add(w, mailbox_id, x->was.received_ns, -1, 0, 0, e) < 0 ||
		email_count_add(w, mailbox_id, -1, -email_is_unread(x->was.flags), 0, 0, e) < 0)
		return -1;
	return thread_came(x, mailbox_id, came, e);
}

static int stay(struct applying *x, int64_t mailbox_id, struct err *e)
{
	int64_t unread = email_is_unread(x->is.flags) - email_is_unread(x->was.flags);

	if (x->is.flags == x->was.flags)
		return 0;
	if (unread && email_count_add(x->w, mailbox_id, 0, unread, 0, 0, e) < 0)
		return -1;
	return db_run(x->w->db, e, &sql_box_flags, "iiii", mailbox_id, x->is.received_ns,
		x->step->email_id, x->is.flags);
}

static int change_boxes(struct applying *x, struct err *e)
{
	for (size_t i = 0; i < x->before.count; i++)
		if (is_first_of_box(&x->before, i) &&
			!has_box(&x->after, x->before.list[i].mailbox_id) &&
			leave(x, x->before.list[i].mailbox_id, e) < 0)
			return -1;
	for (size_t i = 0; i < x->after.count; i++) {
		int64_t box = x->after.list[i].mailbox_id;

		if (!is_first_of_box(&x->after, i))
			continue;
		if ((has_box(&x->before, box) ? stay(x, box, e) : enter(x, box, e)) < 0)
			return -1;
	}
	return 0;
}

static int change_row(struct applying *x, struct err *e)
{
	const struct email_step *s = x->step;

	if (!s->is.is_there)
		return db_run(x->w->db, e, &sql_row_drop, "i", s->message_id);
	return db_run(x->w->db, e, &sql_row_put, "iiiiiit", s->message_id, x->w->account_id,
		s->is.mailbox_id, s->email_id, s->row_modseq, s->is.flags, s->is.keywords);
}

static int change_email(struct applying *x, struct err *e)
{
	struct email_work *w = x->w;
	int64_t id = x->step->email_id;

	w->emails_at = w->modseq;
	if (!x->is.is_there) {
		if (db_run(w->db, e, &sql_email_drop, "ii", w->account_id, id) < 0)
			return -1;
		return db_run(w->db, e, &sql_email_gone, "iiiii", w->account_id, w->modseq, id,
			x->was.thread_id, x->was.created);
	}
	if (x->was.is_there)
		return db_run(w->db, e, &sql_email_set, "iiiiti", w->account_id, id,
			(int64_t)x->after.count, x->is.flags, x->is.keywords, w->modseq);
	w->arrived_at = w->modseq;
	return db_run(w->db, e, &sql_email_put, "iiiiiiiti", w->account_id, id, x->is.thread_id,
		x->is.received_ns, x->is.size, (int64_t)x->after.count, x->is.flags, x->is.keywords,
		w->modseq);
}

/* Its Emails and those that are unread; when and how it came and went. */
static int change_thread(struct applying *x, struct err *e)
{
	struct email_work *w = x->w;
	int64_t thread = x->is.is_there ? x->is.thread_id : x->was.thread_id;
	int64_t emails = 0, unread = 0, first = 0, created = 0;
	int64_t came = x->is.is_there - x->was.is_there;
	bool is_found;

	if (db_get(w->db, e, NULL, &sql_thread_get, &is_found, "ii:iiii", w->account_id, thread,
		    &emails, &unread, &first, &created) < 0)
		return -1;
	x->unread_before = unread;
	x->unread_after = unread + (x->is.is_there && email_is_unread(x->is.flags)) -
		(x->was.is_there && email_is_unread(x->was.flags));
	if (came)
		w->threads_at = w->modseq;
	if (!is_found)
		return db_run(w->db, e, &sql_thread_put, "iiiii", w->account_id, thread, came,
			x->unread_after, w->modseq);
	if (came)
		return db_run(w->db, e, &sql_thread_set, "iiiiii", w->account_id, thread,
			emails + came, x->unread_after, emails ? created : w->modseq, w->modseq);
	if (x->unread_after == unread)
		return 0;
	return db_run(w->db, e, &sql_thread_unread, "iii", w->account_id, thread, x->unread_after);
}

/* RFC 8621 section 2, unreadThreads: the unread Email need not be in the mailbox itself. */
static int change_unread_threads(struct applying *x, struct err *e)
{
	int64_t thread = x->is.is_there ? x->is.thread_id : x->was.thread_id;
	int64_t way = (x->unread_after > 0) - (x->unread_before > 0);
	struct db_stmt *st;
	bool is_row = false;
	int rc = -1;

	if (!way)
		return 0;
	st = db_query(x->w->db, e, &sql_thread_boxes, "i", thread);
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		if ((rc = email_count_add(x->w, db_col_i64(st, 0), 0, 0, 0, way, e)) < 0)
			break;
	db_done(st);
	return rc;
}

static void work_out(struct applying *x)
{
	const struct email_step *s = x->step;

	for (size_t i = 0; i < x->before.count; i++)
		if (x->before.list[i].message_id != s->message_id)
			*rows_add(x->w->a, &x->after) = x->before.list[i];
	if (s->is.is_there)
		*rows_add(x->w->a, &x->after) = (struct row){
			s->message_id, s->is.mailbox_id, s->is.flags, s->is.keywords};
	if (!x->after.count)
		return;
	x->is = x->was;
	x->is.is_there = true;
	if (!x->was.is_there) {
		x->is.thread_id = s->thread_id;
		x->is.received_ns = s->received_ns;
		x->is.size = s->size;
		x->is.flags = s->has_attachment ? EMAIL_BIT_ATTACHMENT : 0;
	}
	x->is.keywords = join_words(x->w->a, &x->after);
	x->is.flags = join_flags(&x->after, x->is.keywords, x->is.flags & EMAIL_BIT_ATTACHMENT);
}

int email_apply_tx(struct email_work *w, const struct email_step *step, struct err *e)
{
	struct applying x = {.w = w, .step = step};

	if (step->was.is_there && step->is.is_there &&
		step->was.mailbox_id == step->is.mailbox_id && step->was.flags == step->is.flags &&
		span_eq(step->was.keywords, step->is.keywords))
		return db_run(w->db, e, &sql_row_seen, "ii", step->message_id, step->row_modseq);
	if (load_email(w, step->email_id, &x.was, e) < 0 ||
		(x.was.is_there && load_rows(w, step->email_id, &x.before, e) < 0))
		return -1;
	work_out(&x);
	/* the thread first: what its boxes count depends on it */
	if (change_row(&x, e) < 0 || change_email(&x, e) < 0 || change_thread(&x, e) < 0 ||
		change_boxes(&x, e) < 0)
		return -1;
	return change_unread_threads(&x, e);
}
