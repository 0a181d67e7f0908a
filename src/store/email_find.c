/* Queries of any kind: candidates from the narrowest table that has all of them, what the filter and the sort
 * ask beyond it, then the filter, the order, and one of each thread. The result is of the state that was read
 * first: what changed meanwhile is told by the changes since that state. */

#include "store/email_find.h"

#include <stdlib.h>
#include <string.h>

/* ---- statements ---- */

/* the last two: of these flags, those have to be set */
DB_SQL(sql_find_box,
	"SELECT b.email_id, b.thread_id, b.received_ns, b.flags FROM email_box b WHERE "
	"b.mailbox_id = $1 AND b.received_ns <= $2 AND (b.received_ns < $2 OR b.email_id < $3) AND "
	"(b.flags & $5) = $6 ORDER BY b.received_ns DESC, b.email_id DESC LIMIT $4");
/* of partial indexes: they say the flag as a number */
DB_SQL(sql_find_unseen,
	"SELECT b.email_id, b.thread_id, b.received_ns, b.flags FROM email_box b WHERE "
	"b.mailbox_id = $1 AND b.received_ns <= $2 AND (b.received_ns < $2 OR b.email_id < $3) AND "
	"(b.flags & 1) = 0 AND (b.flags & $5) = $6 ORDER BY b.received_ns DESC, b.email_id DESC "
	"LIMIT $4");
DB_SQL(sql_find_flagged,
	"SELECT b.email_id, b.thread_id, b.received_ns, b.flags FROM email_box b WHERE "
	"b.mailbox_id = $1 AND b.received_ns <= $2 AND (b.received_ns < $2 OR b.email_id < $3) AND "
	"(b.flags & 4) = 4 AND (b.flags & $5) = $6 ORDER BY b.received_ns DESC, b.email_id DESC "
	"LIMIT $4");
_Static_assert(MAILBOX_SEEN == 1 && MAILBOX_FLAGGED == 4, "the two above say it as a number");
DB_SQL(sql_find_box_wide,
	"SELECT b.email_id, b.thread_id, b.received_ns, b.flags, x.size, x.keywords FROM email_box b "
	"CROSS JOIN email x ON x.account_id = $7 AND x.email_id = b.email_id WHERE "
	"b.mailbox_id = $1 AND b.received_ns <= $2 AND (b.received_ns < $2 OR b.email_id < $3) AND "
	"(b.flags & $5) = $6 ORDER BY b.received_ns DESC, b.email_id DESC LIMIT $4");
DB_SQL(sql_find_all,
	"SELECT email_id, thread_id, received_ns, flags, size, keywords FROM email WHERE "
	"account_id = $1 AND email_id > $2 AND (flags & $4) = $5 ORDER BY email_id LIMIT $3");
DB_SQL(sql_find_one,
	"SELECT email_id, thread_id, received_ns, flags, size, keywords FROM email WHERE "
	"account_id = $1 AND email_id = $2");
DB_SQL(sql_find_boxes, "SELECT mailbox_id FROM email_row WHERE account_id = $1 AND email_id = $2");
DB_SQL(sql_find_keys,
	"SELECT f.flags, f.sent_ns, f.subject, f.from_name, f.to_name FROM email_row r CROSS JOIN "
	"message m ON m.id = r.message_id CROSS JOIN body_fact f ON f.blob_id = m.blob_id WHERE "
	"r.account_id = $1 AND r.email_id = $2 ORDER BY r.message_id LIMIT 1");
DB_SQL(sql_find_thread,
	"SELECT email_id, flags, keywords FROM email WHERE account_id = $1 AND thread_id = $2");
DB_SQL(sql_find_box_of, "SELECT 1 FROM mailbox WHERE id = $1 AND account_id = $2");

/* ---- the plan ---- */

struct candidate {
	uint64_t id, thread_id;
	int64_t received_ns, sent_ns, size;
	unsigned flags;
	struct span keywords;
	uint64_t *boxes; /* those that he sees */
	size_t box_count;
	unsigned some, all; /* bits of find.twords: in the thread */
	struct span subject, from, to;
};

struct find {
	struct store *s;
	struct arena *a; /* of the work */
	const struct email_eyes *eyes;
	const struct email_query *q;
	struct email_text texts[EMAIL_TEXTS_MAX];
	size_t text_count;
	struct span twords[EMAIL_TWORDS_MAX]; /* keywords that are asked of threads */
	size_t tword_count, nodes;
	bool wants_wide, wants_boxes, wants_keys;
	uint64_t box;                   /* candidates: all of this mailbox, */
	const struct email_text *text;  /* or what has this text; else all */
	int64_t flags_asked, flags_set; /* those of candidates that all of the result have so */
	/* reading */
	struct candidate *list;
	size_t count, cap, at, step;
	bool is_end;
	int64_t last_ns;
	uint64_t last_id;
};

static unsigned flag_of(struct span word)
{
	static const struct {
		const char *name;
		unsigned flag;
	} flags[] = {{"$seen", MAILBOX_SEEN}, {"$answered", MAILBOX_ANSWERED},
		{"$flagged", MAILBOX_FLAGGED}, {"$draft", MAILBOX_DRAFT}};

	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++)
		if (span_eq_nocase(word, span_str(flags[i].name)))
			return flags[i].flag;
	return 0;
}

static bool has_keyword(unsigned flags, struct span keywords, struct span word)
{
	unsigned flag = flag_of(word);

	if (flag)
		return flags & flag;
	return (flags & EMAIL_BIT_WORDS) && email_has_word(keywords, word);
}

static int plan_tword(struct find *f, struct span word, struct err *e)
{
	for (size_t i = 0; i < f->tword_count; i++)
		if (span_eq_nocase(f->twords[i], word))
			return 0;
	if (f->tword_count == EMAIL_TWORDS_MAX)
		return err_set(e, ERR_LIMIT, "too many keywords of threads are asked for");
	f->twords[f->tword_count++] = word;
	return 0;
}

static size_t tword_at(const struct find *f, struct span word)
{
	size_t i = 0;

	while (i + 1 < f->tword_count && !span_eq_nocase(f->twords[i], word))
		i++;
	return i;
}

static int plan_text(struct find *f, const struct email_filter *x, struct err *e)
{
	if (f->text_count == EMAIL_TEXTS_MAX)
		return err_set(e, ERR_LIMIT, "a filter has at most %d conditions about texts",
			EMAIL_TEXTS_MAX);
	return email_text_plan(f->a, x, &f->texts[f->text_count++], e);
}

static int plan_filter(struct find *f, const struct email_filter *x, unsigned depth, struct err *e)
{
	if (depth > EMAIL_FILTER_DEPTH || ++f->nodes > EMAIL_FILTER_NODES)
		return err_set(e, ERR_LIMIT, "the filter is too large");
	for (size_t i = 0; i < x->kid_count; i++)
		if (plan_filter(f, &x->kids[i], depth + 1, e) < 0)
			return -1;
	switch (x->op) {
	case EMAIL_IN_MAILBOX:
	case EMAIL_IN_OTHER_THAN: f->wants_boxes = true; return 0;
	case EMAIL_MIN_SIZE:
	case EMAIL_MAX_SIZE: f->wants_wide = true; return 0;
	case EMAIL_HAS_KEYWORD:
	case EMAIL_NOT_KEYWORD: f->wants_wide = f->wants_wide || !flag_of(x->text); return 0;
	case EMAIL_ALL_IN_THREAD:
	case EMAIL_SOME_IN_THREAD:
	case EMAIL_NONE_IN_THREAD: return plan_tword(f, x->text, e);
	default: return email_is_text(x->op) ? plan_text(f, x, e) : 0;
	}
}

static int plan_sort(struct find *f, struct err *e)
{
	for (size_t i = 0; i < f->q->sort_count; i++) {
		const struct email_sort *s = &f->q->sort[i];

		f->wants_keys = f->wants_keys || s->key == EMAIL_SORT_SENT ||
			s->key == EMAIL_SORT_FROM || s->key == EMAIL_SORT_TO ||
			s->key == EMAIL_SORT_SUBJECT;
		f->wants_wide = f->wants_wide || s->key == EMAIL_SORT_SIZE ||
			(s->key == EMAIL_SORT_KEYWORD && !flag_of(s->keyword));
		if ((s->key == EMAIL_SORT_ALL_IN_THREAD || s->key == EMAIL_SORT_SOME_IN_THREAD) &&
			plan_tword(f, s->keyword, e) < 0)
			return -1;
	}
	return 0;
}

static const struct email_text *text_of(const struct find *f, const struct email_filter *x)
{
	for (size_t i = 0; i < f->text_count; i++)
		if (f->texts[i].f == x)
			return &f->texts[i];
	return NULL;
}

static void plan_flags(struct find *f, const struct email_filter *x)
{
	unsigned flag = 0;

	if (x->op == EMAIL_HAS_KEYWORD || x->op == EMAIL_NOT_KEYWORD)
		flag = flag_of(x->text) || x->op == EMAIL_NOT_KEYWORD ? flag_of(x->text)
								      : EMAIL_BIT_WORDS;
	else if (x->op == EMAIL_HAS_ATTACHMENT)
		flag = EMAIL_BIT_ATTACHMENT;
	if (flag & f->flags_asked)
		return; /* asked twice: the filter itself decides */
	f->flags_asked |= flag;
	if (x->op == EMAIL_HAS_KEYWORD || (x->op == EMAIL_HAS_ATTACHMENT && x->number))
		f->flags_set |= flag;
}

/* What all of the result have: a text (its Emails are known), else a mailbox. */
static void plan_narrow(struct find *f, const struct email_filter *x)
{
	const struct email_text *t;

	if (!x)
		return;
	if (x->op == EMAIL_AND || (x->op == EMAIL_OR && x->kid_count == 1)) {
		for (size_t i = 0; i < x->kid_count; i++)
			plan_narrow(f, &x->kids[i]);
		return;
	}
	t = email_is_text(x->op) ? text_of(f, x) : NULL;
	if (t && !t->is_all && (!f->text || t->ids.count < f->text->ids.count))
		f->text = t;
	if (x->op == EMAIL_IN_MAILBOX && !f->box)
		f->box = x->id;
	plan_flags(f, x);
}

/* ---- reading candidates ---- */

static struct candidate *add(struct find *f)
{
	if (f->count == f->cap) {
		struct candidate *was = f->list;

		f->cap = f->cap ? f->cap * 2 : 256;
		f->list = ARENA_ARRAY(f->a, struct candidate, f->cap);
		if (f->count)
			memcpy(f->list, was, f->count * sizeof(*was));
	}
	return &f->list[f->count++];
}

static void take_candidate(struct find *f, struct db_stmt *st, bool is_wide)
{
	struct candidate *c = add(f);
	int64_t id, thread, flags;

	*c = (struct candidate){0};
	if (is_wide)
		db_cols(st, "iiiiit", &id, &thread, &c->received_ns, &flags, &c->size,
			&c->keywords);
	else
		db_cols(st, "iiii", &id, &thread, &c->received_ns, &flags);
	c->id = (uint64_t)id;
	c->thread_id = (uint64_t)thread;
	c->flags = (unsigned)flags;
	c->sent_ns = c->received_ns;
	c->keywords = c->keywords.len ? arena_span(f->a, c->keywords) : SPAN("");
}

static const struct db_sql *box_sql(const struct find *f)
{
	if ((f->flags_asked & MAILBOX_FLAGGED) && (f->flags_set & MAILBOX_FLAGGED))
		return &sql_find_flagged;
	if ((f->flags_asked & MAILBOX_SEEN) && !(f->flags_set & MAILBOX_SEEN))
		return &sql_find_unseen;
	return &sql_find_box;
}

static struct db_stmt *query_page(struct db *db, struct find *f, struct err *e)
{
	int64_t account = (int64_t)f->eyes->account_id, page = EMAIL_FIND_PAGE;

	int64_t flags = f->flags_asked, set = f->flags_set;

	if (!f->box)
		return db_query(db, e, &sql_find_all, "iiiii", account, (int64_t)f->last_id, page,
			flags, set);
	if (!f->wants_wide)
		return db_query(db, e, box_sql(f), "iiiiii", (int64_t)f->box, f->last_ns,
			(int64_t)f->last_id, page, flags, set);
	return db_query(db, e, &sql_find_box_wide, "iiiiiii", (int64_t)f->box, f->last_ns,
		(int64_t)f->last_id, page, flags, set, account);
}

static int read_page(struct db *db, void *arg, struct err *e)
{
	struct find *f = arg;
	struct db_stmt *st = query_page(db, f, e);
	bool is_row = false, is_wide = !f->box || f->wants_wide;
	size_t rows = 0;
	int rc = -1;

	for (; st && (rc = db_step(st, &is_row, e)) == 0 && is_row; rows++) {
		take_candidate(f, st, is_wide);
		f->last_ns = f->list[f->count - 1].received_ns;
		f->last_id = f->list[f->count - 1].id;
	}
	db_done(st);
	f->is_end = rows < EMAIL_FIND_PAGE;
	return rc;
}

static int read_known(struct db *db, void *arg, struct err *e)
{
	struct find *f = arg;
	size_t end = f->at + EMAIL_FIND_WIDE;

	for (; f->at < f->text->ids.count && f->at < end; f->at++) {
		struct db_stmt *st = db_query(db, e, &sql_find_one, "ii",
			(int64_t)f->eyes->account_id, (int64_t)f->text->ids.list[f->at]);
		bool is_row = false;
		int rc = st ? db_step(st, &is_row, e) : -1;

		if (rc == 0 && is_row)
			take_candidate(f, st, true);
		db_done(st);
		if (rc < 0)
			return -1;
	}
	return 0;
}

static int look_at_box(struct db *db, void *arg, struct err *e)
{
	struct find *f = arg;
	bool is_found;

	if (db_get(db, e, NULL, &sql_find_box_of, &is_found, "ii:-", (int64_t)f->box,
		    (int64_t)f->eyes->account_id) < 0)
		return -1;
	f->is_end = !is_found;
	return 0;
}

static FIBER int read_candidates(struct find *f, struct err *e)
{
	if (f->text) {
		while (f->at < f->text->ids.count)
			if (store_read(f->s, "email.find", read_known, f, e) < 0)
				return -1;
		return 0;
	}
	if (f->box) {
		f->last_ns = INT64_MAX;
		f->last_id = INT64_MAX;
		f->is_end = !email_sees(f->eyes, f->box);
		if (!f->is_end && store_read(f->s, "email.find", look_at_box, f, e) < 0)
			return -1;
	}
	while (!f->is_end)
		if (store_read(f->s, "email.find", read_page, f, e) < 0)
			return -1;
	return 0;
}

/* ---- what is asked beyond them ---- */

static int read_boxes_of(struct db *db, struct find *f, struct candidate *c, struct err *e)
{
	struct db_stmt *st = db_query(
		db, e, &sql_find_boxes, "ii", (int64_t)f->eyes->account_id, (int64_t)c->id);
	struct email_ids boxes = {0};
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		if (email_sees(f->eyes, (uint64_t)db_col_i64(st, 0)))
			email_ids_put(f->a, &boxes, (uint64_t)db_col_i64(st, 0));
	db_done(st);
	c->boxes = boxes.list;
	c->box_count = boxes.count;
	return rc;
}

static int read_thread_of(struct db *db, struct find *f, struct candidate *c, struct err *e)
{
	struct db_stmt *st = db_query(
		db, e, &sql_find_thread, "ii", (int64_t)f->eyes->account_id, (int64_t)c->thread_id);
	bool is_row = false, is_seen;
	int64_t id, flags;
	struct span words;
	int rc = -1;

	c->all = (1U << f->tword_count) - 1;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		db_cols(st, "iit", &id, &flags, &words);
		if ((rc = email_is_seen_tx(db, f->eyes, id, &is_seen, e)) < 0)
			break;
		for (size_t i = 0; is_seen && i < f->tword_count; i++) {
			if (has_keyword((unsigned)flags, words, f->twords[i]))
				c->some |= 1U << i;
			else
				c->all &= ~(1U << i);
		}
	}
	db_done(st);
	return rc;
}

static int read_keys_of(struct db *db, struct find *f, struct candidate *c, struct err *e)
{
	int64_t flags = 0, sent = 0;
	bool is_found;

	if (db_get(db, e, f->a, &sql_find_keys, &is_found, "ii:iittt", (int64_t)f->eyes->account_id,
		    (int64_t)c->id, &flags, &sent, &c->subject, &c->from, &c->to) < 0)
		return -1;
	if (is_found && (flags & FACT_DATE))
		c->sent_ns = sent;
	return 0;
}

static int read_more(struct db *db, void *arg, struct err *e)
{
	struct find *f = arg;
	size_t end = f->at + EMAIL_FIND_WIDE * 4;

	for (; f->at < f->count && f->at < end; f->at++) {
		struct candidate *c = &f->list[f->at];

		if ((f->step == 0 && f->wants_boxes && read_boxes_of(db, f, c, e) < 0) ||
			(f->step == 0 && f->tword_count && read_thread_of(db, f, c, e) < 0) ||
			(f->step == 1 && read_keys_of(db, f, c, e) < 0))
			return -1;
	}
	return 0;
}

static FIBER int read_further(struct find *f, size_t step, struct err *e)
{
	f->step = step;
	for (f->at = 0; f->at < f->count;)
		if (store_read(f->s, "email.more", read_more, f, e) < 0)
			return -1;
	return 0;
}

/* ---- the filter ---- */

static bool in_box(const struct find *f, const struct candidate *c, uint64_t id)
{
	if (!f->wants_boxes)
		return id == f->box; /* all of it are there */
	for (size_t i = 0; i < c->box_count; i++)
		if (c->boxes[i] == id)
			return true;
	return false;
}

/* RFC 8621 section 4.4.1: in at least one mailbox that is not among these. */
static bool in_other(const struct candidate *c, const struct email_filter *x)
{
	for (size_t i = 0; i < c->box_count; i++) {
		bool is_among = false;

		for (size_t k = 0; k < x->id_count && !is_among; k++)
			is_among = x->ids[k] == c->boxes[i];
		if (!is_among)
			return true;
	}
	return false;
}

static bool has_text(const struct find *f, const struct candidate *c, const struct email_filter *x)
{
	const struct email_text *t = text_of(f, x);

	return t && (t->is_all || email_ids_has(&t->ids, c->id));
}

static bool meets(const struct find *f, const struct candidate *c, const struct email_filter *x);

static bool meets_kids(
	const struct find *f, const struct candidate *c, const struct email_filter *x)
{
	bool any = false, all = true;

	for (size_t i = 0; i < x->kid_count; i++) {
		bool is_met = meets(f, c, &x->kids[i]);

		any = any || is_met;
		all = all && is_met;
	}
	return x->op == EMAIL_AND ? all : x->op == EMAIL_OR ? any : !any;
}

static bool meets(const struct find *f, const struct candidate *c, const struct email_filter *x)
{
	switch (x->op) {
	case EMAIL_AND:
	case EMAIL_OR:
	case EMAIL_NOT: return meets_kids(f, c, x);
	case EMAIL_IN_MAILBOX: return in_box(f, c, x->id);
	case EMAIL_IN_OTHER_THAN: return in_other(c, x);
	case EMAIL_BEFORE: return c->received_ns < x->number;
	case EMAIL_AFTER: return c->received_ns >= x->number;
	case EMAIL_MIN_SIZE: return c->size >= x->number;
	case EMAIL_MAX_SIZE: return c->size < x->number;
	case EMAIL_ALL_IN_THREAD: return c->all & 1U << tword_at(f, x->text);
	case EMAIL_SOME_IN_THREAD: return c->some & 1U << tword_at(f, x->text);
	case EMAIL_NONE_IN_THREAD: return !(c->some & 1U << tword_at(f, x->text));
	case EMAIL_HAS_KEYWORD: return has_keyword(c->flags, c->keywords, x->text);
	case EMAIL_NOT_KEYWORD: return !has_keyword(c->flags, c->keywords, x->text);
	case EMAIL_HAS_ATTACHMENT: return !!(c->flags & EMAIL_BIT_ATTACHMENT) == !!x->number;
	default: return has_text(f, c, x);
	}
}

static void filter(struct find *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++) {
		const struct candidate *c = &f->list[i];

		if (!f->eyes->is_all && f->wants_boxes && !c->box_count)
			continue;
		if (!f->q->filter || meets(f, c, f->q->filter))
			f->list[n++] = *c;
	}
	f->count = n;
}

/* ---- the order ---- */

static int compare_numbers(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

static int compare_key(const struct find *f, const struct email_sort *s, const struct candidate *a,
	const struct candidate *b)
{
	unsigned bit;

	switch (s->key) {
	case EMAIL_SORT_RECEIVED: return compare_numbers(a->received_ns, b->received_ns);
	case EMAIL_SORT_SENT: return compare_numbers(a->sent_ns, b->sent_ns);
	case EMAIL_SORT_SIZE: return compare_numbers(a->size, b->size);
	case EMAIL_SORT_FROM: return span_cmp(a->from, b->from);
	case EMAIL_SORT_TO: return span_cmp(a->to, b->to);
	case EMAIL_SORT_SUBJECT: return span_cmp(a->subject, b->subject);
	case EMAIL_SORT_KEYWORD:
		return (int)has_keyword(a->flags, a->keywords, s->keyword) -
			(int)has_keyword(b->flags, b->keywords, s->keyword);
	default:
		bit = 1U << tword_at(f, s->keyword);
		if (s->key == EMAIL_SORT_ALL_IN_THREAD)
			return !!(a->all & bit) - !!(b->all & bit);
		return !!(a->some & bit) - !!(b->some & bit);
	}
}

static int compare(const void *x, const void *y, void *arg)
{
	static const struct email_sort newest = {.key = EMAIL_SORT_RECEIVED, .is_descending = true};
	const struct candidate *a = x, *b = y;
	const struct find *f = arg;
	const struct email_sort *sort = f->q->sort_count ? f->q->sort : &newest;
	size_t count = f->q->sort_count ? f->q->sort_count : 1;
	int n = 0;

	for (size_t i = 0; !n && i < count; i++) {
		n = compare_key(f, &sort[i], a, b);
		if (sort[i].is_descending)
			n = -n;
	}
	if (!n)
		n = ((a->id > b->id) - (a->id < b->id)) * (sort[0].is_descending ? -1 : 1);
	return n;
}

static int by_thread(const void *x, const void *y)
{
	const struct email_place *a = x, *b = y;

	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return (a->index > b->index) - (a->index < b->index);
}

/* RFC 8621 section 4.4.3: of a thread the first in the list stays. */
static void collapse(struct find *f)
{
	struct email_place *p = ARENA_ARRAY(f->a, struct email_place, f->count + 1);
	bool *stays = ARENA_ARRAY(f->a, bool, f->count + 1);
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++)
		p[i] = (struct email_place){f->list[i].thread_id, i};
	if (f->count)
		qsort(p, f->count, sizeof(*p), by_thread);
	for (size_t i = 0; i < f->count; i++)
		stays[p[i].index] = !i || p[i].id != p[i - 1].id;
	for (size_t i = 0; i < f->count; i++)
		if (stays[i])
			f->list[n++] = f->list[i];
	f->count = n;
}

static int work_out(void *arg, struct err *e)
{
	struct find *f = arg;

	(void)e;
	filter(f);
	return 0;
}

static int put_in_order(void *arg, struct err *e)
{
	struct find *f = arg;

	(void)e;
	if (f->count)
		qsort_r(f->list, f->count, sizeof(*f->list), compare, f);
	if (f->q->collapses)
		collapse(f);
	return 0;
}

/* ---- the whole ---- */

static FIBER int find_new(struct find *f, struct err *e)
{
	if ((f->q->filter && plan_filter(f, f->q->filter, 0, e) < 0) || plan_sort(f, e) < 0)
		return -1;
	for (size_t i = 0; i < f->text_count; i++)
		if (email_text_find(f->s, f->a, f->eyes, &f->texts[i], f->q->wait, e) < 0)
			return -1;
	plan_narrow(f, f->q->filter);
	if (f->text)
		f->box = 0;
	/* who does not see all has to be asked for each, but in one mailbox that he sees */
	if (!f->eyes->is_all && !f->box)
		f->wants_boxes = true;
	else if (f->box && f->nodes && !f->text)
		f->wants_boxes = f->wants_boxes && email_filter_asks_boxes(f->q->filter, f->box);
	if (read_candidates(f, e) < 0)
		return -1;
	if ((f->wants_boxes || f->tword_count) && read_further(f, 0, e) < 0)
		return -1;
	if (search_work(f->s, work_out, f, e) < 0)
		return -1;
	if (f->wants_keys && read_further(f, 1, e) < 0)
		return -1;
	return search_work(f->s, put_in_order, f, e);
}

/* Is it asked of another mailbox than that one? */
bool email_filter_asks_boxes(const struct email_filter *x, uint64_t box)
{
	if (x->op == EMAIL_IN_OTHER_THAN || (x->op == EMAIL_IN_MAILBOX && x->id != box))
		return true;
	for (size_t i = 0; i < x->kid_count; i++)
		if (email_filter_asks_boxes(&x->kids[i], box))
			return true;
	return false;
}

static bool asks_threads(const struct email_filter *x)
{
	if (x->op == EMAIL_ALL_IN_THREAD || x->op == EMAIL_SOME_IN_THREAD ||
		x->op == EMAIL_NONE_IN_THREAD)
		return true;
	for (size_t i = 0; i < x->kid_count; i++)
		if (asks_threads(&x->kids[i]))
			return true;
	return false;
}

bool email_filter_is_of_threads(const struct email_query *q)
{
	for (size_t i = 0; i < q->sort_count; i++)
		if (q->sort[i].key == EMAIL_SORT_ALL_IN_THREAD ||
			q->sort[i].key == EMAIL_SORT_SOME_IN_THREAD)
			return true;
	return q->collapses || (q->filter && asks_threads(q->filter));
}

FIBER int email_find(struct store *s, struct arena *a, const struct email_eyes *eyes,
	const struct email_query *q, uint64_t **ids_r, size_t *count_r, uint64_t *state_r,
	struct err *e)
{
	struct arena *work = arena_new();
	struct find *f = ARENA_NEW(work, struct find);
	struct span key = email_kept_key(work, eyes, q);
	struct email_states states;
	int rc = email_states(s, eyes->account_id, &states, e);

	*state_r = rc == 0 ? states.email : 0;
	f->s = s;
	f->a = work;
	f->eyes = eyes;
	f->q = q;
	if (rc == 0 && !email_kept_get(s->kept_emails, a, key, states.email, ids_r, count_r)) {
		rc = find_new(f, e);
		*count_r = f->count;
		*ids_r = ARENA_ARRAY(a, uint64_t, f->count + 1);
		for (size_t i = 0; rc == 0 && i < f->count; i++)
			(*ids_r)[i] = f->list[i].id;
		if (rc == 0)
			email_kept_put(s->kept_emails, key, states.email, *ids_r, f->count);
	}
	arena_free(&work);
	return rc;
}
