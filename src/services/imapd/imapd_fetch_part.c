/* BODY[section]: octets of a message, found by its layout. */
#include <string.h>

#include "proto/imap/imap_out.h"
#include "services/imapd/imapd_fetch_priv.h"

/* ---- octets ---- */

void fetch_source_init(struct fetch_source *src, struct store *s, const struct mailbox_msg *m)
{
	*src = (struct fetch_source){.prefix = m->prefix, .size = m->prefix.len + m->blob_len};
	if (m->body.ptr || !m->blob_len) {
		src->whole = m->body;
		return;
	}
	src->body = body_open(s, m->blob_id, m->blob_len);
	src->arena = arena_new();
}

void fetch_source_fini(struct fetch_source *src)
{
	body_unref(&src->body);
	arena_free(&src->arena);
}

FIBER int fetch_source_piece(
	struct fetch_source *src, uint64_t at, uint64_t end, struct span *piece_r, struct err *e)
{
	uint64_t index;

	if (at < src->prefix.len) {
		*piece_r = span_sub(src->prefix, (size_t)at, (size_t)(end - at));
		return 0;
	}
	end -= src->prefix.len;
	at -= src->prefix.len;
	if (!src->body) {
		*piece_r = span_sub(src->whole, (size_t)at, (size_t)(end - at));
		return piece_r->len ? 0 : err_set(e, ERR_CORRUPT, "a body is shorter than its row");
	}
	index = at / BODY_CHUNK;
	if (!src->chunk.ptr || src->index != index) {
		arena_reset(src->arena);
		src->chunk = SPAN_NONE;
		if (body_chunk(src->body, index, src->arena, &src->chunk, e) < 0)
			return -1;
		src->index = index;
	}
	*piece_r = span_sub(src->chunk, (size_t)(at % BODY_CHUNK), (size_t)(end - at));
	return piece_r->len ? 0 : err_set(e, ERR_CORRUPT, "a body is shorter than its row");
}

void fetch_cut(const struct imap_fetch_item *item, uint64_t *from, uint64_t *to)
{
	uint64_t len = *to - *from;

	if (!item->has_partial)
		return;
	/* RFC 9051 section 6.4.5: beyond the end there is nothing, "" */
	if (item->offset >= len) {
		*from = *to;
		return;
	}
	*from += item->offset;
	if (*to - *from > item->length)
		*to = *from + item->length;
}

/* No literal may hold NUL (RFC 9051 section 9, CHAR8): it becomes 0x80, so that nothing else moves. */
static struct span without_nul(struct arena *a, struct span s)
{
	char *copy;

	if (!s.len || !memchr(s.ptr, 0, s.len))
		return s;
	copy = arena_alloc(a, s.len);
	for (size_t i = 0; i < s.len; i++)
		copy[i] = s.ptr[i] ? s.ptr[i] : (char)0x80;
	return span_of(copy, s.len);
}

static FIBER int put_octets(struct fetch *f, struct span s, struct err *e)
{
	struct arena *a = NULL;
	int rc;

	if (s.len && memchr(s.ptr, 0, s.len)) {
		a = arena_new();
		s = without_nul(a, s);
	}
	if (s.len <= IMAPD_FETCH_PIECE) {
		imap_put(f->s, s);
		rc = imap_relieve(f->s, e);
	} else {
		rc = imap_write(f->s, s, e);
	}
	arena_free(&a);
	return rc;
}

/* The connection is of no use with half a literal on it. */
static int lost(struct fetch *f, struct err *e)
{
	imap_end(f->s, "a body could not be read to its end", "Message could not be read");
	return err_set(e, ERR_IO, "a body could not be read to its end");
}

static FIBER int put_range(
	struct fetch *f, struct fetch_source *src, uint64_t from, uint64_t to, struct err *e)
{
	struct span piece = SPAN_NONE;

	/* the first octets before the head: what is gone meanwhile is told as nothing */
	if (from < to && fetch_source_piece(src, from, to, &piece, e) < 0) {
		f->is_expunge_issued = true;
		imap_put(f->s, SPAN("NIL"));
		return 0;
	}
	imap_put_literal_head(imap_out(f->s), to - from, false);
	while (from < to) {
		if (put_octets(f, piece, e) < 0)
			return -1;
		from += piece.len;
		if (from < to && fetch_source_piece(src, from, to, &piece, e) < 0)
			return lost(f, e);
	}
	return 0;
}

/* ---- where ---- */

bool fetch_part(const struct mailbox_msg *m, const struct imap_section *x, struct mime_layout *l_r,
	struct mime_layout_part *p_r)
{
	return m->facts && mime_layout_open(m->facts->layout, l_r) &&
		mime_layout_at(l_r, x->numbers, x->depth, p_r);
}

/* Which part HEADER and TEXT mean: the message, or what is in a message/rfc822 part. */
static bool message_of(
	const struct mailbox_msg *m, const struct imap_section *x, struct mime_layout_part *p_r)
{
	struct mime_layout l;

	if (!fetch_part(m, x, &l, p_r))
		return false;
	if (!x->depth)
		return true;
	if (p_r->kind != MIME_MESSAGE)
		return false;
	mime_layout_part(&l, p_r->first, p_r);
	return true;
}

struct fetch_place fetch_place_of(const struct mailbox_msg *m, const struct imap_section *x)
{
	struct fetch_place at = {.to = m->prefix.len + m->blob_len};
	struct mime_layout_part p;
	struct mime_layout l;
	bool is_of_message = x->kind != IMAP_SECTION_ALL && x->kind != IMAP_SECTION_MIME;

	if (x->kind == IMAP_SECTION_ALL && !x->depth)
		return at;
	at.is_nil = is_of_message ? !message_of(m, x, &p) : !fetch_part(m, x, &l, &p);
	if (at.is_nil)
		return at;
	if (x->kind == IMAP_SECTION_ALL || x->kind == IMAP_SECTION_TEXT) {
		at.from = m->prefix.len + p.body_offset;
		at.to = m->prefix.len + p.end_offset;
	} else {
		/* the prefix is the beginning of the message's own header */
		at.from = p.index ? m->prefix.len + p.header_offset : 0;
		at.to = m->prefix.len + p.body_offset;
	}
	if (at.to > m->prefix.len + m->blob_len || at.from > at.to)
		at.is_nil = true; /* facts of another body: never told */
	return at;
}

/* ---- fields ---- */

static bool is_named(const struct imap_section *x, struct span name)
{
	for (size_t i = 0; i < x->field_count; i++)
		if (span_eq_nocase(x->fields[i], name))
			return true;
	return false;
}

/* Octets of the field at the front, with its folded lines. */
static size_t field_length(struct span s)
{
	size_t n = 0;

	do {
		const char *end = memchr(s.ptr + n, '\n', s.len - n);

		n = end ? (size_t)(end - s.ptr) + 1 : s.len;
	} while (n < s.len && (s.ptr[n] == ' ' || s.ptr[n] == '\t'));
	return n;
}

/* RFC 9051 section 6.4.5.1: the fields in their order, and the empty line. */
static void choose_fields(struct buf *b, struct span header, const struct imap_section *x)
{
	bool wants_named = x->kind == IMAP_SECTION_HEADER_FIELDS;

	while (header.len) {
		size_t n = field_length(header);
		struct span field = span_sub(header, 0, n), name, rest;

		header = span_skip(header, n);
		if (!span_cut(field, ':', &name, &rest))
			continue;
		if (is_named(x, span_trim(name)) == wants_named)
			buf_span_put(b, field);
	}
	buf_str(b, "\r\n");
}

static FIBER int put_fields(struct fetch *f, struct fetch_source *src, const struct fetch_place *at,
	const struct imap_fetch_item *item, struct err *e)
{
	struct arena *a = arena_new();
	struct buf *header = arena_buf(a, IMAPD_FETCH_HEADER_MAX);
	struct buf *chosen = arena_buf(a, IMAPD_FETCH_HEADER_MAX + 2);
	uint64_t from = at->from, to;
	struct span piece;
	int rc = 0;

	while (rc == 0 && from < at->to && buf_ok(header)) {
		rc = fetch_source_piece(src, from, at->to, &piece, e);
		if (rc == 0) {
			buf_span_put(header, span_sub(piece, 0, buf_room(header)));
			from += piece.len;
		}
	}
	if (rc < 0) {
		f->is_expunge_issued = true;
		imap_put(f->s, SPAN("NIL"));
		rc = 0;
	} else {
		choose_fields(chosen, buf_span(header), &item->section);
		from = 0;
		to = buf_len(chosen);
		fetch_cut(item, &from, &to);
		imap_put_literal_head(imap_out(f->s), to - from, false);
		rc = put_octets(
			f, span_sub(buf_span(chosen), (size_t)from, (size_t)(to - from)), e);
	}
	arena_free(&a);
	return rc;
}

FIBER int fetch_put_section(struct fetch *f, struct fetch_source *src, const struct mailbox_msg *m,
	const struct imap_fetch_item *item, struct err *e)
{
	struct fetch_place at = fetch_place_of(m, &item->section);
	enum imap_section_kind kind = item->section.kind;

	imap_put_fetch_name(imap_out(f->s), item);
	imap_put(f->s, SPAN(" "));
	if (at.is_nil) {
		imap_put(f->s, SPAN("NIL"));
		return 0;
	}
	if (kind == IMAP_SECTION_HEADER_FIELDS || kind == IMAP_SECTION_HEADER_FIELDS_NOT)
		return put_fields(f, src, &at, item, e);
	fetch_cut(item, &at.from, &at.to);
	return put_range(f, src, at.from, at.to, e);
}
