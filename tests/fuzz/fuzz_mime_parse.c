/* Any cut gives the same tree, its places are in order, and what is read from it can be shown. The first
 * octet chooses the size of pieces and whether the limits are small. */
#include "proto/mail/mime_imap.h"

#include "base/must.h"
#include "proto/mail/mime_bodies.h"

static struct mime_tree *parse(struct arena *a, struct span in, size_t step, bool is_small)
{
	static const struct mime_limits small = {.parts = 4,
		.depth = 3,
		.params = 4,
		.header_octets = 200,
		.fields = 8,
		.defects = 3};
	struct mime_parser *p = mime_parser_new(a, is_small ? &small : NULL);

	for (; in.len; in = span_skip(in, step))
		mime_parser_feed(p, span_sub(in, 0, step));
	return mime_parser_end(&p);
}

static void check(struct arena *a, const struct mime_part *p)
{
	const struct mime_part *up = p->parent;
	struct mime_envelope envelope;
	struct mime_body body;

	MUST(p->header_offset <= p->body_offset && p->body_offset <= p->end_offset);
	MUST(!up || (up->body_offset <= p->header_offset && p->end_offset <= up->end_offset));
	MUST(!p->next || p->end_offset <= p->next->header_offset);
	mime_envelope(a, p, &envelope);
	mime_body(a, p, &body);
	mime_part_filename(a, p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned mode = size ? data[0] : 0;
	struct span in = span_skip(span_of(data, size), 1);
	struct arena *a = arena_new();
	struct mime_tree *one = parse(a, in, in.len, mode & 1);
	struct mime_tree *two = parse(a, in, mode / 2 % 8 + 1, mode & 1);
	const struct mime_part *p = one->root, *q = two->root;
	struct mime_bodies bodies;

	MUST(one->part_count == two->part_count && one->defects == two->defects);
	MUST(one->size == in.len && two->size == in.len);
	for (; p && q; p = mime_part_next(p), q = mime_part_next(q)) {
		MUST(p->body_offset == q->body_offset && p->end_offset == q->end_offset);
		MUST(p->body_lines == q->body_lines && p->kind == q->kind);
		MUST(p->defects == q->defects && p->field_count == q->field_count);
		check(a, p);
	}
	MUST(!p && !q);
	mime_preview(a, one, in);
	mime_bodies(a, one, &bodies);
	MUST(bodies.text.count <= one->part_count && bodies.html.count <= one->part_count);
	MUST(bodies.attachments.count <= one->part_count);
	arena_free(&a);
	return 0;
}
