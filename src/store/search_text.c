#include "store/search_text.h"

#include <string.h>

#include "proto/mail/mail_word.h"
#include "proto/mail/mime_text.h"
#include "store/body_reading.h"

struct making {
	struct arena *work;
	struct body_reading reading;
	struct buf *header, *parts, *body; /* where things go */
	bool is_cut;
};

/* ---- fields ---- */

/* "Name: value\n"; folds undone, encoded words decoded. */
static void put_field(struct making *m, struct buf *b, struct span name, struct span value)
{
	struct span text = span_trim(mail_word_decode(m->work, value));

	if (name.len + text.len + 3 > buf_room(b)) {
		m->is_cut = true;
		return;
	}
	buf_span_put(b, name);
	buf_str(b, ": ");
	buf_span_put(b, text);
	buf_char(b, '\n');
}

static void put_fields(struct making *m, struct buf *b, const struct mime_part *p)
{
	for (size_t i = 0; i < p->field_count; i++)
		put_field(m, b, p->fields[i].name, p->fields[i].value);
}

struct prefix_reading {
	struct making *m;
	struct buf *out;
};

static void take_prefix_field(void *arg, const struct mail_field *f)
{
	struct prefix_reading *r = arg;

	put_field(r->m, r->out, f->name, f->value);
}

static void put_prefix(struct making *m, struct span prefix)
{
	struct prefix_reading r = {m, m->header};
	struct mail_header h;

	mail_header_init(&h, take_prefix_field, &r);
	mail_header_feed(&h, prefix);
	mail_header_finish(&h);
	mail_header_fini(&h);
}

/* ---- bodies ---- */

/* CRLF becomes LF in what was put from `from` on. */
static void join_line_ends(struct buf *b, size_t from)
{
	struct span s = span_skip(buf_span(b), from);
	char *out = b->mem ? b->mem + b->from + from : NULL;
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] != '\r' || i + 1 == s.len || s.ptr[i + 1] != '\n')
			out[n++] = s.ptr[i];
	buf_truncate(b, from + n);
}

/* The part's text, as far as there is room in `out`. */
static int decode(struct making *m, const struct mime_part *p, struct buf *out, struct err *e)
{
	struct mime_text *t = mime_text_new(p, false);
	uint64_t at = p->body_offset;
	int rc = 0;

	while (rc == 0 && at < p->end_offset && buf_ok(out)) {
		struct span piece;

		rc = body_reading_at(&m->reading, at, p->end_offset, &piece, e);
		if (rc < 0 || !piece.len)
			break;
		/* three octets may come of one: what does not fit is lost, in small pieces little */
		piece = span_sub(piece, 0, 4096);
		mime_text_feed(t, piece, out);
		at += piece.len;
	}
	if (buf_ok(out))
		mime_text_end(t, out);
	if (!buf_ok(out)) {
		m->is_cut = true;
		out->is_full = false;
	}
	mime_text_free(&t);
	return rc;
}

static void put_cut(struct making *m, struct buf *b, struct span s)
{
	size_t room = buf_room(b);

	if (s.len > room)
		m->is_cut = true;
	buf_span_put(b, span_sub(s, 0, room));
}

static int put_text(struct making *m, const struct mime_part *p, struct err *e)
{
	struct buf source, shown;
	int rc;

	buf_init(&source, SEARCH_TEXT_MAX);
	buf_init(&shown, SEARCH_TEXT_MAX + 64);
	rc = decode(m, p, &source, e);
	join_line_ends(&source, 0);
	if (buf_len(m->body))
		put_cut(m, m->body, SPAN("\n"));
	/* RFC 8621 section 4.4.1: markup is ignored; RFC 9051 section 6.4.4 allows it */
	if (span_eq(p->type.subtype, SPAN("html"))) {
		mime_text_of_html(buf_span(&source), &shown);
		put_cut(m, m->body, buf_span(&shown));
	} else {
		put_cut(m, m->body, buf_span(&source));
	}
	buf_fini(&source);
	buf_fini(&shown);
	return rc;
}

static int put_parts(struct making *m, const struct mime_tree *t, struct err *e)
{
	for (const struct mime_part *p = t->root; p; p = mime_part_next(p)) {
		struct span name;

		if (p != t->root)
			put_fields(m, m->parts, p);
		name = mime_part_filename(m->work, p);
		if (name.len)
			put_field(m, m->parts, SPAN("filename"), name);
		if (p->kind != MIME_LEAF || !span_eq(p->type.type, SPAN("text")))
			continue;
		if (!buf_room(m->body))
			m->is_cut = true;
		else if (put_text(m, p, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- the whole ---- */

static int make(struct making *m, struct span prefix, uint64_t octets, struct err *e)
{
	struct mime_parser *p = mime_parser_new(m->work, NULL);
	uint64_t at = 0;
	struct mime_tree *t;
	int rc = 0;

	mime_parser_allow_from_line(p);
	put_prefix(m, prefix);
	while (rc == 0 && at < octets) {
		struct span piece;

		rc = body_reading_at(&m->reading, at, octets, &piece, e);
		if (rc < 0 || !piece.len)
			break;
		mime_parser_feed(p, piece);
		at += piece.len;
	}
	t = mime_parser_end(&p);
	if (rc < 0)
		return -1;
	put_fields(m, m->header, t->root);
	return put_parts(m, t, e);
}

int search_text_make(struct store *s, struct arena *a, struct span prefix, uint64_t blob_id,
	uint64_t octets, struct search_doc *doc_r, struct err *e)
{
	struct making m = {.work = arena_new(),
		.header = arena_buf(a, SEARCH_HEADER_MAX),
		.parts = arena_buf(a, SEARCH_HEADER_MAX),
		.body = arena_buf(a, SEARCH_TEXT_MAX)};
	int rc;

	body_reading_init(&m.reading, s, blob_id, octets);
	rc = make(&m, prefix, octets, e);
	if (rc == 0) {
		doc_r->header = buf_span(m.header);
		doc_r->parts = buf_span(m.parts);
		doc_r->body = buf_span(m.body);
		doc_r->is_cut = m.is_cut;
	}
	body_reading_fini(&m.reading);
	arena_free(&m.work);
	return rc;
}
