#include "proto/mail/mime_layout.h"

static void add_param(struct arena *a, struct mime_value *v, struct span name, struct span value)
{
	struct mime_param *p;

	if (!v->params)
		v->params = ARENA_ARRAY(a, struct mime_param, 4);
	p = &v->params[v->param_count++];
	p->name = name;
	p->value = value;
	p->charset = SPAN("utf-8"); /* decoded already */
}

/* Fields that it kept, as if they had been written so. */
static void set_raw(struct mime_part *p, enum mime_field_id id, struct span text)
{
	if (text.len)
		p->raw[id] = text;
}

static void set_values(struct arena *a, struct mime_part *p, const struct mime_layout_part *from)
{
	const struct span *s = from->strings;

	p->type.type = s[MIME_LAYOUT_TYPE];
	p->type.subtype = s[MIME_LAYOUT_SUBTYPE];
	p->disposition.type = s[MIME_LAYOUT_DISPOSITION];
	p->encoding = from->encoding;
	p->encoding_text = s[MIME_LAYOUT_ENCODING];
	if (s[MIME_LAYOUT_CHARSET].len)
		add_param(a, &p->type, SPAN("charset"), s[MIME_LAYOUT_CHARSET]);
	if (from->flags & MIME_LAYOUT_FLOWED)
		add_param(a, &p->type, SPAN("format"), SPAN("flowed"));
	if (from->flags & MIME_LAYOUT_DELSP)
		add_param(a, &p->type, SPAN("delsp"), SPAN("yes"));
	if (s[MIME_LAYOUT_NAME].len)
		add_param(a, &p->disposition, SPAN("filename"), s[MIME_LAYOUT_NAME]);
	if (from->flags & MIME_LAYOUT_HAS_TYPE)
		p->raw[MIME_FIELD_CONTENT_TYPE] = SPAN("");
	set_raw(p, MIME_FIELD_CONTENT_ID, s[MIME_LAYOUT_ID]);
	set_raw(p, MIME_FIELD_CONTENT_LANGUAGE, s[MIME_LAYOUT_LANGUAGE]);
	set_raw(p, MIME_FIELD_CONTENT_LOCATION, s[MIME_LAYOUT_LOCATION]);
}

static void hang(struct mime_part *parts, struct mime_part *p, uint32_t parent)
{
	struct mime_part *up = parent == MIME_LAYOUT_NONE ? NULL : &parts[parent];

	p->parent = up;
	if (!up)
		return;
	if (up->last)
		up->last->next = p;
	else
		up->first = p;
	up->last = p;
	p->number = ++up->child_count;
	p->depth = up->depth + 1;
}

struct mime_tree *mime_layout_tree(struct arena *a, const struct mime_layout *l)
{
	struct mime_tree *t = ARENA_NEW(a, struct mime_tree);
	struct mime_part *parts = ARENA_ARRAY(a, struct mime_part, l->count);

	for (uint32_t i = 0; i < l->count; i++) {
		struct mime_layout_part from;
		struct mime_part *p = &parts[i];

		mime_layout_part(l, i, &from);
		p->kind = from.kind;
		p->header_offset = from.header_offset;
		p->body_offset = from.body_offset;
		p->end_offset = from.end_offset;
		p->header_lines = from.header_lines;
		p->body_lines = from.body_lines;
		p->preamble_end = p->body_offset;
		p->epilogue_offset = p->end_offset;
		p->has_8bit = from.flags & MIME_LAYOUT_8BIT;
		p->has_nul = from.flags & MIME_LAYOUT_NUL;
		set_values(a, p, &from);
		/* a damaged row that belongs to nobody hangs below the root */
		hang(parts, p, i && from.parent == MIME_LAYOUT_NONE ? 0 : from.parent);
	}
	t->root = parts;
	t->part_count = l->count;
	t->size = parts[0].end_offset;
	t->is_crlf = l->flags & MIME_LAYOUT_CRLF;
	return t;
}
