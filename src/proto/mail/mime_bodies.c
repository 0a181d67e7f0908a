#include "proto/mail/mime_bodies.h"

#include "base/must.h"

/* The algorithm of RFC 8621 section 4.1.4; `text` and `html` are NULL where that list is closed. */
struct walk {
	struct mime_part_list *text, *html, *attachments;
	bool is_in_alternative;
};

static void push(struct mime_part_list *l, const struct mime_part *p)
{
	if (l)
		l->items[l->count++] = p;
}

static bool is_media(const struct mime_part *p)
{
	return span_eq(p->type.type, SPAN("image")) || span_eq(p->type.type, SPAN("audio")) ||
		span_eq(p->type.type, SPAN("video"));
}

static bool has_name(const struct mime_part *p)
{
	return mime_value_param(&p->disposition, SPAN("filename")) ||
		mime_value_param(&p->type, SPAN("name"));
}

static bool is_plain(const struct mime_part *p)
{
	return mime_part_is(p, SPAN("text"), SPAN("plain"));
}

static bool is_html(const struct mime_part *p)
{
	return mime_part_is(p, SPAN("text"), SPAN("html"));
}

static bool is_inline(const struct mime_part *p, bool is_first, struct span within)
{
	if (mime_part_is_attachment(p) || !(is_plain(p) || is_html(p) || is_media(p)))
		return false;
	return is_first || (!span_eq(within, SPAN("related")) && (is_media(p) || !has_name(p)));
}

static void take_inline(struct walk *w, const struct mime_part *p, struct span within)
{
	if (span_eq(within, SPAN("alternative"))) {
		push(is_plain(p) ? w->text : is_html(p) ? w->html : w->attachments, p);
		return;
	}
	if (w->is_in_alternative) {
		if (is_plain(p))
			w->html = NULL;
		else if (is_html(p))
			w->text = NULL;
	}
	push(w->text, p);
	push(w->html, p);
	if ((!w->text || !w->html) && is_media(p))
		push(w->attachments, p);
}

/* Where an alternative has one kind only, it stands for the other too. */
static void fill(struct mime_part_list *to, size_t to_before, const struct mime_part_list *from,
	size_t from_before)
{
	if (to->count != to_before)
		return;
	for (size_t i = from_before; i < from->count; i++)
		push(to, from->items[i]);
}

/* `p` is the first of its siblings, or alone. As deep as the parser's limit. */
static void take_parts(struct walk w, const struct mime_part *p, struct span within)
{
	size_t text = w.text ? w.text->count : 0, html = w.html ? w.html->count : 0;
	bool is_first = true;

	for (; p; p = p->next, is_first = false) {
		if (span_eq(p->type.type, SPAN("multipart")) && p->child_count) {
			struct walk inner = w;

			inner.is_in_alternative |= span_eq(p->type.subtype, SPAN("alternative"));
			take_parts(inner, p->first, p->type.subtype);
		} else if (is_inline(p, is_first, within)) {
			take_inline(&w, p, within);
		} else {
			push(w.attachments, p);
		}
	}
	if (span_eq(within, SPAN("alternative")) && w.text && w.html) {
		fill(w.text, text, w.html, html);
		fill(w.html, html, w.text, text);
	}
}

void mime_bodies(struct arena *a, const struct mime_tree *t, struct mime_bodies *b_r)
{
	struct walk w = {&b_r->text, &b_r->html, &b_r->attachments, false};
	struct mime_part_list *lists[] = {&b_r->text, &b_r->html, &b_r->attachments};

	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		lists[i]->count = 0;
		lists[i]->items = ARENA_ARRAY(a, const struct mime_part *, t->part_count);
	}
	take_parts(w, t->root, SPAN("mixed"));
}

bool mime_has_attachment(const struct mime_bodies *b)
{
	for (size_t i = 0; i < b->attachments.count; i++) {
		const struct mime_part *p = b->attachments.items[i];

		if (!span_eq(p->disposition.type, SPAN("inline")) &&
			!(p->raw[MIME_FIELD_CONTENT_ID].ptr && !mime_part_is_attachment(p)))
			return true;
	}
	return false;
}
