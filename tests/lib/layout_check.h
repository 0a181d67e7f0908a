#pragma once
/* A packed layout tells what the tree told that it was made from. Tests and fuzzers share this. */

#include "base/must.h"
#include "proto/mail/mime_imap.h"
#include "proto/mail/mime_layout.h"

static inline uint32_t layout_index(const struct mime_tree *t, const struct mime_part *part)
{
	uint32_t i = 0;

	for (const struct mime_part *p = t->root; p; p = mime_part_next(p), i++)
		if (p == part)
			return i;
	return MIME_LAYOUT_NONE;
}

static inline void layout_check_part(
	const struct mime_tree *t, const struct mime_part *p, const struct mime_layout_part *q)
{
	MUST(p->header_offset == q->header_offset && p->body_offset == q->body_offset);
	MUST(p->end_offset == q->end_offset && p->number == q->number && p->depth == q->depth);
	MUST(p->header_lines == q->header_lines && p->body_lines == q->body_lines);
	MUST(q->kind == (p->first ? p->kind : MIME_LEAF) && p->encoding == q->encoding);
	MUST(q->parent == layout_index(t, p->parent) && q->first == layout_index(t, p->first));
	MUST(q->next == layout_index(t, p->next));
	MUST(!(q->flags & MIME_LAYOUT_8BIT) == !p->has_8bit);
	MUST(span_eq(
		span_sub(p->type.type, 0, MIME_LAYOUT_STRING_MAX), q->strings[MIME_LAYOUT_TYPE]));
	MUST(span_eq(span_sub(p->type.subtype, 0, MIME_LAYOUT_STRING_MAX),
		q->strings[MIME_LAYOUT_SUBTYPE]));
	MUST(span_eq(span_sub(p->encoding_text, 0, MIME_LAYOUT_STRING_MAX),
		q->strings[MIME_LAYOUT_ENCODING]));
	MUST(span_eq(span_sub(p->disposition.type, 0, MIME_LAYOUT_STRING_MAX),
		q->strings[MIME_LAYOUT_DISPOSITION]));
}

/** The section number that a part goes by leads to it, in both. */
static inline void layout_check_at(const struct mime_tree *t, const struct mime_layout *l,
	const unsigned *numbers, size_t count)
{
	const struct mime_part *p = mime_part_at(t, numbers, count);
	struct mime_layout_part q;
	bool is_there = mime_layout_at(l, numbers, count, &q);

	MUST(is_there == (p != NULL));
	MUST(!p || layout_index(t, p) == q.index);
}

static inline void layout_check(struct arena *a, const struct mime_tree *t)
{
	struct buf *b = arena_buf(a, MIME_LAYOUT_MAX);
	struct mime_layout l;
	uint32_t i = 0;

	mime_layout_put(b, a, t);
	MUST(buf_ok(b) && mime_layout_open(buf_span(b), &l));
	MUST(l.count == t->part_count);
	MUST(!(l.flags & MIME_LAYOUT_AMBIGUOUS) == !mime_tree_is_ambiguous(t));
	for (const struct mime_part *p = t->root; p; p = mime_part_next(p), i++) {
		struct mime_layout_part q;

		mime_layout_part(&l, i, &q);
		layout_check_part(t, p, &q);
	}
	for (unsigned n = 0; n < 4 * 4 * 4; n++) {
		unsigned numbers[3] = {n % 4, n / 4 % 4, n / 16};

		for (size_t count = 0; count <= 3; count++)
			layout_check_at(t, &l, numbers, count);
	}
}
