/* Conditions about texts (RFC 8621 section 4.4.1): search narrows, kept texts decide, and what they do not
 * know is read itself. */

#include <stdlib.h>

#include "run/loop.h"
#include "store/email_find.h"
#include "store/search_text.h"

#define PAGE_ROWS 64 /* messages that are read themselves, of one read */

DB_SQL(sql_words_row,
	"SELECT r.email_id FROM message m CROSS JOIN email_row r ON r.message_id = m.id "
	"WHERE m.account_id = $1 AND m.n = $2");
DB_SQL(sql_words_text,
	"SELECT m.n, m.email_id, m.blob_id, m.blob_octets, m.prefix FROM message m WHERE "
	"m.account_id = $1 AND m.n >= $2 ORDER BY m.n LIMIT $3");

bool email_is_text(enum email_filter_op op)
{
	return op >= EMAIL_TEXT;
}

/* ---- what is asked ---- */

static enum search_field field_of(enum email_filter_op op)
{
	switch (op) {
	case EMAIL_FROM: return SEARCH_FROM;
	case EMAIL_TO: return SEARCH_TO;
	case EMAIL_CC: return SEARCH_CC;
	case EMAIL_BCC: return SEARCH_BCC;
	case EMAIL_SUBJECT: return SEARCH_SUBJECT;
	case EMAIL_BODY: return SEARCH_BODY;
	case EMAIL_HEADER:
	case EMAIL_LIST_ID:
	case EMAIL_MESSAGE_ID: return SEARCH_HEADER;
	default: return SEARCH_TEXT;
	}
}

static int add_needle(struct email_text *t, enum search_how how, struct span text, struct err *e)
{
	if (!text.len && t->needle_count)
		return 0;
	if (text.len > SEARCH_NEEDLE_MAX || t->needle_count == EMAIL_NEEDLES)
		return err_set(e, ERR_LIMIT, "a text that is looked for is too long");
	t->needles[t->needle_count++] = (struct search_needle){.field = field_of(t->f->op),
		.how = how,
		.name = t->f->op == EMAIL_LIST_ID      ? SPAN("List-Id")
			: t->f->op == EMAIL_MESSAGE_ID ? SPAN("Message-ID")
						       : t->f->name,
		.text = text};
	return 0;
}

/* RFC 8621 section 4.4.1: a phrase stands in quotes, a backslash in front of one takes its meaning away; all
 * words and phrases have to be there. */
static int plan_words(struct arena *a, struct email_text *t, struct err *e)
{
	struct span rest = t->f->text;
	struct buf *words = arena_buf(a, rest.len + 1), *piece = arena_buf(a, rest.len + 1);
	char quote = 0;

	for (size_t i = 0; i <= rest.len; i++) {
		char c = i < rest.len ? rest.ptr[i] : quote ? quote : ' ';

		if (c == '\\' && i + 1 < rest.len &&
			(rest.ptr[i + 1] == '"' || rest.ptr[i + 1] == '\'' ||
				rest.ptr[i + 1] == '\\')) {
			buf_char(quote ? piece : words, rest.ptr[++i]);
		} else if (!quote && (c == '"' || c == '\'') &&
			(i == 0 || rest.ptr[i - 1] == ' ')) {
			quote = c;
			buf_clear(piece);
		} else if (quote && c == quote) {
			quote = 0;
			if (buf_len(piece) &&
				add_needle(t, SEARCH_SUBSTRING, arena_span(a, buf_span(piece)), e) <
					0)
				return -1;
		} else {
			buf_char(quote ? piece : words, c);
		}
	}
	if (!span_trim(buf_span(words)).len)
		return 0;
	return add_needle(t, SEARCH_WORDS, arena_span(a, span_trim(buf_span(words))), e);
}

int email_text_plan(
	struct arena *a, const struct email_filter *f, struct email_text *t, struct err *e)
{
	*t = (struct email_text){.f = f};
	t->is_part = f->op == EMAIL_ATTACHMENT_NAME || f->op == EMAIL_ATTACHMENT_TYPE;
	if (f->op == EMAIL_HEADER)
		return add_needle(t, SEARCH_SUBSTRING, f->has_text ? f->text : SPAN(""), e);
	if (t->is_part || f->op == EMAIL_LIST_ID || f->op == EMAIL_MESSAGE_ID)
		return add_needle(t, SEARCH_SUBSTRING, span_trim(f->text), e);
	if (plan_words(a, t, e) < 0)
		return -1;
	t->is_all = !t->needle_count;
	return 0;
}

/* ---- asking ---- */

struct wording {
	struct store *s;
	struct arena *a; /* the result's */
	const struct email_eyes *eyes;
	struct email_text *t;
	const struct search_wait *wait;
	struct search_set sure, open; /* have it; have to be looked at */
	uint64_t upto;                /* above: not read yet */
	/* a page of numbers that have it */
	uint64_t ns[EMAIL_FIND_WIDE];
	size_t n_count;
};

static FIBER int ask(struct wording *w, struct err *e)
{
	w->upto = UINT64_MAX;
	for (size_t i = 0; i < w->t->needle_count; i++) {
		struct search_hits hits = {0};
		int rc = search_find(
			w->s, w->eyes->account_id, &w->t->needles[i], w->wait, &hits, e);

		if (rc == 0) {
			search_set_or(&hits.maybe, &hits.sure);
			if (!i) {
				search_set_copy(&w->sure, &hits.sure);
				search_set_copy(&w->open, &hits.maybe);
			} else {
				search_set_and(&w->sure, &hits.sure);
				search_set_and(&w->open, &hits.maybe);
			}
			if (hits.upto < w->upto)
				w->upto = hits.upto;
		}
		search_hits_fini(&hits);
		if (rc < 0)
			return -1;
	}
	if (w->t->is_part) {
		search_set_fini(&w->sure);
		w->sure = (struct search_set){0};
	} else {
		search_set_minus(&w->open, &w->sure);
	}
	return 0;
}

static int read_ids(struct db *db, void *arg, struct err *e)
{
	struct wording *w = arg;

	for (size_t i = 0; i < w->n_count; i++) {
		int64_t email = 0;
		bool is_found;

		if (db_get(db, e, NULL, &sql_words_row, &is_found, "ii:i",
			    (int64_t)w->eyes->account_id, (int64_t)w->ns[i], &email) < 0)
			return -1;
		if (is_found)
			email_ids_put(w->a, &w->t->ids, (uint64_t)email);
	}
	return 0;
}

static FIBER int take(struct wording *w, uint64_t n, bool is_last, struct err *e)
{
	if (!is_last)
		w->ns[w->n_count++] = n;
	if (!w->n_count || (!is_last && w->n_count < EMAIL_FIND_WIDE))
		return 0;
	if (store_read(w->s, "email.words", read_ids, w, e) < 0)
		return -1;
	w->n_count = 0;
	return 0;
}

static bool is_late(const struct wording *w)
{
	return w->wait && w->wait->deadline_ns && loop_now_ns() > w->wait->deadline_ns;
}

/* ---- the message itself ---- */

struct text_page {
	struct wording *w;
	struct arena *a;
	uint64_t from;
	size_t max;
	struct text_row {
		uint64_t n, email_id, blob_id, octets;
		struct span prefix;
		bool has;
	} rows[PAGE_ROWS];
	size_t count;
};

static int read_texts(struct db *db, void *arg, struct err *e)
{
	struct text_page *p = arg;
	struct db_stmt *st = db_query(db, e, &sql_words_text, "iii",
		(int64_t)p->w->eyes->account_id, (int64_t)p->from, (int64_t)p->max);
	bool is_row = false;
	int rc = -1;

	p->count = 0;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct text_row *r = &p->rows[p->count++];
		int64_t n, email, blob, octets;

		db_cols(st, "iiiib", &n, &email, &blob, &octets, &r->prefix);
		*r = (struct text_row){.n = (uint64_t)n,
			.email_id = (uint64_t)email,
			.blob_id = (uint64_t)blob,
			.octets = (uint64_t)octets,
			.prefix = arena_span(p->a, r->prefix)};
	}
	db_done(st);
	return rc;
}

/* The type alone; texts and what holds other parts are no attachments, but for those with a type of their own
 * (text/csv). */
static void put_type(struct buf *b, struct span value)
{
	struct span type, rest;

	span_cut(value, ';', &type, &rest);
	type = span_trim(type);
	if (span_starts_nocase(type, SPAN("multipart/")) ||
		span_eq_nocase(type, SPAN("text/plain")) || span_eq_nocase(type, SPAN("text/html")))
		return;
	buf_span_put(b, type);
	buf_char(b, '\n');
}

/* What stands behind "Content-Type:", or behind the "filename:" that search_text.c has put there, decoded. */
static void put_values(struct buf *b, struct span lines, bool is_type)
{
	struct span name = is_type ? SPAN("Content-Type:") : SPAN("filename:"), line;

	while (lines.len) {
		span_cut(lines, '\n', &line, &lines);
		if (!span_starts_nocase(line, name))
			continue;
		line = span_trim(span_skip(line, name.len));
		if (is_type) {
			put_type(b, line);
		} else {
			buf_span_put(b, line);
			buf_char(b, '\n');
		}
	}
}

/* Only what parts are called, or what they are, counts. */
static void keep_parts(struct arena *a, const struct email_text *t, struct search_doc *doc)
{
	bool is_type = t->f->op == EMAIL_ATTACHMENT_TYPE;
	struct buf *b = arena_buf(a, doc->header.len + doc->parts.len + 2);

	if (is_type)
		put_values(b, doc->header, true);
	put_values(b, doc->parts, is_type);
	doc->header = doc->body = SPAN("");
	doc->parts = buf_span(b);
}

static int match_texts(void *arg, struct err *e)
{
	struct text_page *p = arg;
	const struct email_text *t = p->w->t;

	for (size_t i = 0; i < p->count; i++) {
		struct text_row *r = &p->rows[i];
		struct search_doc doc = {.n = r->n};
		struct arena *a = arena_new();
		struct err why = {0};
		int rc = search_text_make(p->w->s, a, r->prefix, r->blob_id, r->octets, &doc, &why);

		if (rc == 0 && t->is_part)
			keep_parts(a, t, &doc);
		r->has = rc == 0 &&
			search_match(t->needles, t->needle_count, &doc, NULL) ==
				(1U << t->needle_count) - 1;
		arena_free(&a);
		if (rc < 0 && why.code != ERR_NOT_FOUND && why.code != ERR_CORRUPT)
			return err_copy(e, &why);
	}
	return 0;
}

/* `from` on; one of them, or as many as a page has. */
static FIBER int look_at_texts(
	struct wording *w, uint64_t from, size_t max, uint64_t *next_r, struct err *e)
{
	struct arena *a = arena_new();
	struct text_page *p = ARENA_NEW(a, struct text_page);
	int rc;

	p->w = w;
	p->a = a;
	p->from = from;
	p->max = max;
	rc = store_read(w->s, "email.texts", read_texts, p, e);
	if (rc == 0 && p->count)
		rc = search_work(w->s, match_texts, p, e);
	for (size_t i = 0; rc == 0 && i < p->count; i++)
		if (p->rows[i].has && (max > 1 || p->rows[i].n == from))
			rc = take(w, p->rows[i].n, false, e);
	*next_r = p->count == max ? p->rows[p->count - 1].n + 1 : 0;
	arena_free(&a);
	if (rc == 0 && is_late(w))
		return err_set(e, ERR_TIMEOUT, "the search takes too long");
	return rc;
}

/* ---- what is open ---- */

static FIBER int verify(struct wording *w, struct search_verdict *list, size_t count, struct err *e)
{
	struct search_look look = {.account_id = w->eyes->account_id,
		.needles = w->t->needles,
		.needle_count = w->t->needle_count,
		.list = list,
		.count = count};
	uint64_t next;

	if (!w->t->is_part && search_verify(w->s, &look, w->wait, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		const struct search_verdict *v = &list[i];

		if (v->found == v->asked) {
			if (take(w, v->n, false, e) < 0)
				return -1;
		} else if (!v->is_kept || v->is_cut) {
			if (look_at_texts(w, v->n, 1, &next, e) < 0)
				return -1;
		}
	}
	return 0;
}

static FIBER int verify_all(struct wording *w, struct err *e)
{
	struct arena *a = arena_new();
	struct search_verdict *list = ARENA_ARRAY(a, struct search_verdict, EMAIL_FIND_WIDE);
	uint64_t n = 0;
	size_t count = 0;
	int rc = 0;

	while (rc == 0 && search_set_next(&w->open, n, &n)) {
		list[count++] = (struct search_verdict){
			.n = n++, .asked = (1U << w->t->needle_count) - 1};
		if (count == EMAIL_FIND_WIDE) {
			rc = verify(w, list, count, e);
			count = 0;
		}
	}
	if (rc == 0 && count)
		rc = verify(w, list, count, e);
	arena_free(&a);
	return rc;
}

static FIBER int find_all(struct wording *w, struct err *e)
{
	uint64_t n = 0, next;

	if (ask(w, e) < 0)
		return -1;
	for (; search_set_next(&w->sure, n, &n); n++)
		if (take(w, n, false, e) < 0)
			return -1;
	if (verify_all(w, e) < 0)
		return -1;
	for (next = w->upto + 1; next && w->upto != UINT64_MAX;)
		if (look_at_texts(w, next, PAGE_ROWS, &next, e) < 0)
			return -1;
	return take(w, 0, true, e);
}

FIBER int email_text_find(struct store *s, struct arena *a, const struct email_eyes *eyes,
	struct email_text *t, const struct search_wait *wait, struct err *e)
{
	struct arena *work = arena_new();
	struct wording *w = ARENA_NEW(work, struct wording);
	int rc = 0;

	*w = (struct wording){.s = s, .a = a, .eyes = eyes, .t = t, .wait = wait};
	if (!t->is_all)
		rc = find_all(w, e);
	email_ids_sort(&t->ids);
	search_set_fini(&w->sure);
	search_set_fini(&w->open);
	arena_free(&work);
	return rc;
}
