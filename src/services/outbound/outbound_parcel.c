#include <stdlib.h>

#include "base/mem.h"
#include "services/outbound/outbound.h"

struct outbound_parcel *outbound_parcel_new(size_t rcpt_count)
{
	struct arena *a = arena_new();
	struct outbound_parcel *p = ARENA_NEW(a, struct outbound_parcel);

	list_init(&p->node);
	p->arena = a;
	p->rcpt_count = rcpt_count;
	p->rcpts = ARENA_ARRAY(a, struct outbound_rcpt, rcpt_count);
	return p;
}

void outbound_parcel_free(struct outbound_parcel **pp)
{
	struct outbound_parcel *p = *pp;
	struct arena *a;

	if (!p)
		return;
	*pp = NULL;
	a = p->arena;
	if (p->body)
		body_unref(&p->body);
	arena_free(&a); /* p lies in it */
}

/* The reason without what led to it: people read it in reports. */
static struct span reason(struct arena *a, const struct err *e)
{
	struct span text = span_str(e->text);

	if (text.len == 0)
		text = span_str(err_code_str(e->code));
	return arena_span(a, span_sub(text, 0, OUTBOUND_TEXT_MAX));
}

void outbound_parcel_settle(
	struct outbound_parcel *p, enum outbound_verdict verdict, const struct err *e)
{
	struct span text = SPAN_NONE, enhanced = SPAN_NONE;

	for (size_t i = 0; i < p->rcpt_count; i++) {
		struct outbound_rcpt *r = &p->rcpts[i];

		if (r->verdict != OUTBOUND_PENDING)
			continue;
		if (text.ptr == NULL) {
			text = reason(p->arena, e);
			if (e->enh_class)
				enhanced = span_str(arena_printf(p->arena, "%u.%u.%u", e->enh_class,
					e->enh_subject, e->enh_detail));
		}
		r->verdict = verdict;
		r->code = e->smtp;
		r->enhanced = enhanced;
		r->text = text;
	}
}
