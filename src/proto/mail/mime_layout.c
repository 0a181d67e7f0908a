#include "proto/mail/mime_layout.h"

#include "proto/mail/mime_imap.h"

/* head:	version, flags, 0, 0, count (4)
 * a part:	RECORD octets: its numbers, then where its texts begin in the pool, and their lengths
 * pool:	texts of all parts, one behind the other */
#define HEAD   8
#define RECORD (3 * 8 + 6 * 4 + 2 + 3 + 1 + 4 + MIME_LAYOUT_STRING_COUNT * 2)

static void put_le(struct buf *b, uint64_t v, unsigned octets)
{
	for (unsigned i = 0; i < octets; i++)
		buf_char(b, (char)(v >> (8 * i)));
}

static uint64_t get_le(const char **at, unsigned octets)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < octets; i++)
		v |= (uint64_t)(unsigned char)(*at)[i] << (8 * i);
	*at += octets;
	return v;
}

/* ---- writing ---- */

static bool has_value(const struct mime_value *v, struct span name, struct span value)
{
	const struct mime_param *p = mime_value_param(v, name);

	return p && span_eq_nocase(p->value, value);
}

static unsigned flags_of(const struct mime_part *p)
{
	unsigned flags = 0;

	if (p->has_8bit)
		flags |= MIME_LAYOUT_8BIT;
	if (p->has_nul)
		flags |= MIME_LAYOUT_NUL;
	if (has_value(&p->type, SPAN("format"), SPAN("flowed")))
		flags |= MIME_LAYOUT_FLOWED;
	if (has_value(&p->type, SPAN("delsp"), SPAN("yes")))
		flags |= MIME_LAYOUT_DELSP;
	if (p->raw[MIME_FIELD_CONTENT_TYPE].ptr)
		flags |= MIME_LAYOUT_HAS_TYPE;
	return flags;
}

static struct span unfolded(struct arena *a, struct span raw)
{
	return raw.ptr ? mail_unfold(a, raw) : SPAN("");
}

static void strings_of(
	struct arena *a, const struct mime_part *p, struct span s[MIME_LAYOUT_STRING_COUNT])
{
	const struct mime_param *charset = mime_value_param(&p->type, SPAN("charset"));

	s[MIME_LAYOUT_TYPE] = p->type.type;
	s[MIME_LAYOUT_SUBTYPE] = p->type.subtype;
	s[MIME_LAYOUT_CHARSET] = charset ? charset->value : SPAN("");
	s[MIME_LAYOUT_NAME] = mime_part_filename(a, p);
	s[MIME_LAYOUT_DISPOSITION] = p->disposition.type;
	s[MIME_LAYOUT_ENCODING] = p->encoding_text;
	s[MIME_LAYOUT_ID] = unfolded(a, p->raw[MIME_FIELD_CONTENT_ID]);
	s[MIME_LAYOUT_LANGUAGE] = unfolded(a, p->raw[MIME_FIELD_CONTENT_LANGUAGE]);
	s[MIME_LAYOUT_LOCATION] = unfolded(a, p->raw[MIME_FIELD_CONTENT_LOCATION]);
	for (unsigned i = 0; i < MIME_LAYOUT_STRING_COUNT; i++)
		s[i] = span_sub(s[i], 0, MIME_LAYOUT_STRING_MAX);
}

/* How many parts p and all below it are. */
static uint32_t parts_below(const struct mime_part *p)
{
	const struct mime_part *end = p, *q;
	uint32_t n = 0;

	while (end && !end->next)
		end = end->parent;
	end = end ? end->next : NULL;
	for (q = p; q != end; q = mime_part_next(q))
		n++;
	return n;
}

struct place { /* the part under way, and the indexes of those it stands in */
	uint32_t index, depth;
	uint32_t *above;
};

static void put_record(struct buf *b, struct buf *pool, struct arena *a, const struct mime_part *p,
	const struct place *at)
{
	struct span s[MIME_LAYOUT_STRING_COUNT];
	bool is_in_multipart = p->parent && p->parent->kind == MIME_MULTIPART;

	put_le(b, p->header_offset, 8);
	put_le(b, p->body_offset, 8);
	put_le(b, p->end_offset, 8);
	put_le(b, p->header_lines, 4);
	put_le(b, p->body_lines, 4);
	put_le(b, at->depth ? at->above[at->depth - 1] : MIME_LAYOUT_NONE, 4);
	put_le(b, is_in_multipart && p->next ? at->index + parts_below(p) : MIME_LAYOUT_NONE, 4);
	put_le(b, p->first ? at->index + 1 : MIME_LAYOUT_NONE, 4);
	put_le(b, p->number, 4);
	put_le(b, p->depth, 2);
	put_le(b, p->kind, 1);
	put_le(b, p->encoding, 1);
	put_le(b, flags_of(p), 1);
	put_le(b, 0, 1);
	put_le(b, buf_len(pool), 4);
	strings_of(a, p, s);
	for (unsigned i = 0; i < MIME_LAYOUT_STRING_COUNT; i++) {
		put_le(b, s[i].len, 2);
		buf_span_put(pool, s[i]);
	}
}

void mime_layout_put(struct buf *b, struct arena *a, const struct mime_tree *t)
{
	struct place at = {0};
	struct buf pool;

	buf_init(&pool, MIME_LAYOUT_MAX);
	at.above = ARENA_ARRAY(a, uint32_t, MIME_DEPTH_MAX + 2);
	put_le(b, MIME_LAYOUT_VERSION, 1);
	put_le(b,
		(mime_tree_is_ambiguous(t) ? MIME_LAYOUT_AMBIGUOUS : 0U) |
			(t->is_crlf ? MIME_LAYOUT_CRLF : 0U),
		1);
	put_le(b, 0, 2);
	put_le(b, t->part_count, 4);
	for (const struct mime_part *p = t->root; p; p = mime_part_next(p)) {
		at.depth = p->depth;
		at.above[p->depth] = at.index;
		put_record(b, &pool, a, p, &at);
		at.index++;
	}
	buf_span_put(b, buf_span(&pool));
	b->is_full |= pool.is_full;
	buf_fini(&pool);
}

/* ---- reading ---- */

bool mime_layout_open(struct span packed, struct mime_layout *l_r)
{
	const char *at = packed.ptr;
	uint64_t version, flags, count;

	if (packed.len < HEAD)
		return false;
	version = get_le(&at, 1);
	flags = get_le(&at, 1);
	get_le(&at, 2);
	count = get_le(&at, 4);
	if (version != MIME_LAYOUT_VERSION || !count || count > (packed.len - HEAD) / RECORD)
		return false;
	l_r->packed = packed;
	l_r->count = (uint32_t)count;
	l_r->flags = (unsigned)flags;
	return true;
}

/* Damaged numbers lead nowhere: links go forward (parents backward), offsets are in order. */
static void keep_sane(const struct mime_layout *l, struct mime_layout_part *p)
{
	if (p->parent >= p->index)
		p->parent = MIME_LAYOUT_NONE;
	if (p->next <= p->index || p->next >= l->count)
		p->next = MIME_LAYOUT_NONE;
	if (p->first <= p->index || p->first >= l->count)
		p->first = MIME_LAYOUT_NONE;
	if (p->kind > MIME_MESSAGE || p->first == MIME_LAYOUT_NONE)
		p->kind = MIME_LEAF;
	if (p->encoding > MIME_CTE_UNKNOWN)
		p->encoding = MIME_CTE_UNKNOWN;
	if (p->body_offset < p->header_offset)
		p->body_offset = p->header_offset;
	if (p->end_offset < p->body_offset)
		p->end_offset = p->body_offset;
}

void mime_layout_part(const struct mime_layout *l, uint32_t index, struct mime_layout_part *p_r)
{
	const char *at = l->packed.ptr + HEAD + (size_t)index * RECORD;
	struct span pool = span_skip(l->packed, HEAD + (size_t)l->count * RECORD);
	size_t from;

	p_r->index = index;
	p_r->header_offset = get_le(&at, 8);
	p_r->body_offset = get_le(&at, 8);
	p_r->end_offset = get_le(&at, 8);
	p_r->header_lines = get_le(&at, 4);
	p_r->body_lines = get_le(&at, 4);
	p_r->parent = (uint32_t)get_le(&at, 4);
	p_r->next = (uint32_t)get_le(&at, 4);
	p_r->first = (uint32_t)get_le(&at, 4);
	p_r->number = (uint32_t)get_le(&at, 4);
	p_r->depth = (uint32_t)get_le(&at, 2);
	p_r->kind = (enum mime_kind)get_le(&at, 1);
	p_r->encoding = (enum mime_encoding)get_le(&at, 1);
	p_r->flags = (unsigned)get_le(&at, 1);
	get_le(&at, 1);
	from = (size_t)get_le(&at, 4);
	for (unsigned i = 0; i < MIME_LAYOUT_STRING_COUNT; i++) {
		size_t len = (size_t)get_le(&at, 2);

		p_r->strings[i] = span_sub(pool, from, len);
		from += len;
	}
	keep_sane(l, p_r);
}

static bool child_at(const struct mime_layout *l, unsigned number, struct mime_layout_part *p)
{
	uint32_t index = p->first;

	while (index != MIME_LAYOUT_NONE) {
		mime_layout_part(l, index, p);
		if (p->number == number)
			return true;
		index = p->next;
	}
	return false;
}

/* What a section number 1 means in it: the body of a message without parts. */
static bool is_message_root(const struct mime_layout *l, const struct mime_layout_part *p)
{
	struct mime_layout_part up;

	if (p->parent == MIME_LAYOUT_NONE)
		return true;
	mime_layout_part(l, p->parent, &up);
	return up.kind == MIME_MESSAGE;
}

bool mime_layout_at(const struct mime_layout *l, const unsigned *numbers, size_t count,
	struct mime_layout_part *p_r)
{
	mime_layout_part(l, 0, p_r);
	for (size_t i = 0; i < count; i++) {
		/* RFC 9051 section 6.4.5.1: through a message to what is in it */
		if (i && p_r->kind == MIME_MESSAGE)
			mime_layout_part(l, p_r->first, p_r);
		if (p_r->kind == MIME_MULTIPART) {
			if (!child_at(l, numbers[i], p_r))
				return false;
		} else if (numbers[i] != 1 || !is_message_root(l, p_r)) {
			return false;
		}
	}
	return true;
}
