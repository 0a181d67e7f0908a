/* What has to be read of Emails before they can be told. Most of what lists show stands in the facts; bodies
 * that did not fit the page are read where something of them is wanted only. */
#include "services/jmapd/jmapd_email.h"

#include <string.h>

#include "base/must.h"
#include "proto/mail/mime_layout.h"

struct reading {
	struct jmap_call *c;
	struct arena *a;
	const struct jmap_email_want *w;
	uint64_t octets; /* read so far, of all Emails of the page */
};

static void put_blob(struct json_out *j, const struct jmap_mail *m, const struct mime_part *p)
{
	jmap_put_blob_of_part(
		j, m->email_id, p->body_offset, p->end_offset - p->body_offset, p->encoding);
}

/* ---- ranges of a body that is not at hand ---- */

/* [from, to) as a piece of its own. */
static FIBER int read_range(struct reading *r, struct body *body, struct jmap_mail *m,
	uint64_t from, uint64_t to, struct err *e)
{
	uint64_t at = from;
	char *out;

	if (to <= from || jmap_mail_octets(m, from, to).ptr)
		return 0;
	r->octets += to - from;
	if (r->octets > JMAP_EMAIL_READ_MAX)
		return jmap_fail(r->c, "requestTooLarge", e, "ask for fewer Emails at once");
	out = arena_alloc(r->a, (size_t)(to - from));
	while (at < to) {
		struct arena *chunk = arena_new();
		struct span s;
		int rc = body_chunk(body, at / BODY_CHUNK, chunk, &s, e);

		s = span_sub(s, (size_t)(at % BODY_CHUNK), (size_t)(to - at));
		if (rc == 0 && s.len)
			memcpy(out + (at - from), s.ptr, s.len);
		at += s.len;
		arena_free(&chunk);
		if (rc < 0)
			return err_wrap(e, "a part of a body");
		if (!s.len)
			break; /* shorter than its layout says */
	}
	m->pieces[m->piece_count++] = (struct jmap_piece){from, span_of(out, at - from)};
	return 0;
}

/* Base64 as it should be tells its size by its length, its lines and its end; false: it is not. */
static FIBER int size_by_length(struct body *body, const struct mime_tree *t,
	const struct mime_part *p, uint64_t *size_r, bool *is_known_r, struct err *e)
{
	uint64_t octets = p->end_offset - p->body_offset, from, chars = octets - 2 * p->body_lines;
	struct arena *chunk;
	unsigned padding = 0;
	struct span s;
	int rc;

	*is_known_r = false;
	if (p->encoding != MIME_CTE_BASE64 || !t->is_crlf || octets < 8 ||
		octets < 2 * p->body_lines || chars % 4)
		return 0;
	from = p->end_offset - 4;
	if (from / BODY_CHUNK != (p->end_offset - 1) / BODY_CHUNK)
		return 0;
	chunk = arena_new();
	rc = body_chunk(body, from / BODY_CHUNK, chunk, &s, e);
	s = span_trim(span_sub(s, (size_t)(from % BODY_CHUNK), 4));
	while (padding < s.len && s.ptr[s.len - 1 - padding] == '=')
		padding++;
	*is_known_r = rc == 0 && s.len > padding && padding <= 2;
	*size_r = chars / 4 * 3 - padding;
	arena_free(&chunk);
	return rc;
}

/* Decoded octets of a part, counted chunk by chunk. */
static FIBER int size_by_reading(
	struct body *body, const struct mime_part *p, uint64_t *size_r, struct err *e)
{
	struct mime_decoder d;
	struct buf out;
	uint64_t at = p->body_offset;
	int rc = 0;

	*size_r = 0;
	mime_decoder_init(&d, p->encoding);
	buf_init(&out, 2 * BODY_CHUNK);
	while (at < p->end_offset && rc == 0) {
		struct arena *chunk = arena_new();
		struct span s;

		rc = body_chunk(body, at / BODY_CHUNK, chunk, &s, e);
		s = span_sub(s, (size_t)(at % BODY_CHUNK), (size_t)(p->end_offset - at));
		if (rc == 0)
			mime_decoder_feed(&d, s, &out);
		*size_r += buf_len(&out);
		buf_clear(&out);
		at = s.len ? at + s.len : p->end_offset;
		arena_free(&chunk);
	}
	mime_decoder_end(&d, &out);
	*size_r += buf_len(&out);
	buf_fini(&out);
	return rc;
}

static FIBER int read_sizes(
	struct reading *r, struct body *body, struct jmap_mail *m, struct err *e)
{
	uint64_t *sizes = ARENA_ARRAY(r->a, uint64_t, m->tree->part_count);

	m->sizes = sizes;
	for (const struct mime_part *p = m->tree->root; p; p = jmap_part_next(p)) {
		uint64_t *size = &sizes[p - m->tree->root];
		struct span s = jmap_mail_octets(m, p->body_offset, p->end_offset);
		bool is_known = false;

		if (p->encoding != MIME_CTE_BASE64 && p->encoding != MIME_CTE_QP)
			continue; /* its length (jmapd_email_body.c) */
		if (s.ptr) {
			*size = jmap_decoded_size(p->encoding, s);
			continue;
		}
		if (size_by_length(body, m->tree, p, size, &is_known, e) < 0 ||
			(!is_known && size_by_reading(body, p, size, e) < 0))
			return -1;
	}
	return 0;
}

static FIBER int read_values(
	struct reading *r, struct body *body, struct jmap_mail *m, struct err *e)
{
	struct mime_bodies bodies;

	mime_bodies(r->a, m->tree, &bodies);
	for (const struct mime_part *p = m->tree->root; p; p = jmap_part_next(p)) {
		uint64_t end = p->end_offset, max = jmap_value_read_max(&r->w->values);

		if (!jmap_wants_value(&r->w->values, &bodies, p))
			continue;
		if (end - p->body_offset > max)
			end = p->body_offset + max;
		if (read_range(r, body, m, p->body_offset, end, e) < 0)
			return -1;
	}
	return 0;
}

/* What is wanted of a body that did not come with its row. */
static FIBER int read_pieces(
	struct reading *r, struct body *body, struct jmap_mail *m, struct err *e)
{
	unsigned needs = r->w->needs;
	uint64_t len = body_len(body), head = m->tree ? m->tree->root->body_offset : BODY_CHUNK;

	m->pieces = ARENA_ARRAY(r->a, struct jmap_piece, m->tree ? 2 * m->tree->part_count + 2 : 1);
	if (!m->tree && (needs & JMAP_NEED_PARTS)) /* it has to be parsed */
		return read_range(r, body, m, 0, len, e);
	if (read_range(r, body, m, 0, head < len ? head : len, e) < 0)
		return -1;
	if (needs & JMAP_NEED_PART_HEADERS)
		for (const struct mime_part *p = m->tree->root; p; p = jmap_part_next(p))
			if (read_range(r, body, m, p->header_offset, p->body_offset, e) < 0)
				return -1;
	if ((needs & JMAP_NEED_VALUES) && read_values(r, body, m, e) < 0)
		return -1;
	return needs & JMAP_NEED_SIZES ? read_sizes(r, body, m, e) : 0;
}

/* ---- one Email ---- */

static void take_layout(struct reading *r, struct jmap_email_item *item)
{
	struct mime_layout l;

	if (!item->facts || !mime_layout_open(item->facts->layout, &l))
		return; /* too large to be kept: it is parsed again */
	item->mail.tree = mime_layout_tree(r->a, &l);
	jmap_mail_tidy(item->mail.tree);
}

static bool needs_octets(const struct jmap_email_want *w, const struct jmap_email_item *item)
{
	const unsigned inside = JMAP_NEED_HEADER | JMAP_NEED_PART_HEADERS | JMAP_NEED_SIZES |
		JMAP_NEED_VALUES;

	return (w->needs & inside) || (!item->mail.tree && (w->needs & JMAP_NEED_PARTS)) ||
		jmap_email_needs_header(w, item);
}

static FIBER int read_email(
	struct reading *r, const struct email *m, struct jmap_email_item *item, struct err *e)
{
	struct body *body;
	int rc;

	item->email = m;
	item->facts = m->msg.facts;
	item->size = m->msg.size;
	item->mail.put_blob = put_blob;
	item->mail.email_id = m->id;
	if (r->w->needs & JMAP_NEED_PARTS)
		take_layout(r, item);
	if (!needs_octets(r->w, item))
		return 0;
	if (m->msg.body.ptr) {
		item->mail.pieces = ARENA_NEW(r->a, struct jmap_piece);
		item->mail.pieces[0].octets = m->msg.body;
		item->mail.piece_count = 1;
		return 0;
	}
	body = body_open(jmapd_opts_of(r->c->d)->store, m->msg.blob_id, m->msg.blob_len);
	rc = read_pieces(r, body, &item->mail, e);
	body_unref(&body);
	return rc;
}

/* Where a field came twice the last one counts here, in the envelope the first. */
bool jmap_email_has_envelope(const struct jmap_email_item *item)
{
	return item->facts && item->facts->envelope.len &&
		!(item->facts->flags & (FACT_AMBIGUOUS | FACT_UNTOLD));
}

bool jmap_email_needs_header(const struct jmap_email_want *w, const struct jmap_email_item *item)
{
	if (w->needs & JMAP_NEED_HEADER)
		return true;
	return (w->needs & JMAP_NEED_ENVELOPE) && !jmap_email_has_envelope(item);
}

unsigned jmap_email_columns(const struct jmap_email_want *w)
{
	unsigned want = MAILBOX_WANT_ROW;

	if (w->needs & (JMAP_NEED_ENVELOPE | JMAP_NEED_FACTS))
		want |= MAILBOX_WANT_FACTS;
	if (w->needs & (JMAP_NEED_PARTS | JMAP_NEED_VALUES))
		want |= MAILBOX_WANT_FACTS | MAILBOX_WANT_PARTS;
	if (w->needs & (JMAP_NEED_HEADER | JMAP_NEED_ENVELOPE))
		want |= MAILBOX_WANT_HEAD;
	if (w->needs &
		(JMAP_NEED_HEADER | JMAP_NEED_PART_HEADERS | JMAP_NEED_SIZES | JMAP_NEED_VALUES))
		want |= MAILBOX_WANT_BODY;
	return want;
}

FIBER int jmap_email_read(struct jmap_call *c, struct arena *a, const struct jmap_email_want *w,
	const struct email *list, size_t count, struct jmap_email_item *items_r, struct err *e)
{
	struct reading r = {c, a, w, 0};

	for (size_t i = 0; i < count; i++)
		if (list[i].row_count && read_email(&r, &list[i], &items_r[i], e) < 0)
			return -1;
	return 0;
}
