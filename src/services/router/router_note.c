/* What was decided, for those who ask why; and where a letter has been. */

#include <string.h>

#include "base/must.h"
#include "services/router/router_priv.h"

const char *router_step_str(enum router_step_kind k)
{
	static const char *const words[] = {
#define X(id, word) word,
		ROUTER_STEPS(X)
#undef X
	};

	MUST(k < ROUTER_STEP_COUNT);
	return words[k];
}

void router_note(struct router_record *rec, enum router_step_kind kind, unsigned depth,
	struct span row, const char *fmt, ...)
{
	struct router_step *s;
	struct buf b;
	va_list ap;

	if (!rec || rec->count >= ROUTER_STEPS_MAX)
		return;
	if (rec->count == rec->cap) {
		size_t cap = rec->cap ? rec->cap * 2 : 16;
		struct router_step *grown = ARENA_ARRAY(rec->a, struct router_step, cap);

		if (rec->count)
			memcpy(grown, rec->steps, rec->count * sizeof(*grown));
		rec->steps = grown;
		rec->cap = cap;
	}
	s = &rec->steps[rec->count++];
	buf_init(&b, 4096);
	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	*s = (struct router_step){.kind = kind,
		.depth = depth,
		.row = arena_span(rec->a, row),
		.text = arena_span(rec->a, buf_span(&b))};
	buf_fini(&b);
}

void router_delivered_add(struct router_delivered *d, struct span address)
{
	struct span key = router_address_key(d->a, span_trim(address));

	if (!key.len || d->count >= ROUTER_DELIVERED_MAX)
		return;
	if (d->count == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 8;
		struct span *grown = ARENA_ARRAY(d->a, struct span, cap);

		if (d->count)
			memcpy(grown, d->keys, d->count * sizeof(*grown));
		d->keys = grown;
		d->cap = cap;
	}
	d->keys[d->count++] = key;
}

struct span router_loop(const struct router_delivered *d, const struct router_target *t)
{
	for (size_t i = 0; i < d->count; i++) {
		for (size_t k = 0; k < t->way_count; k++) {
			if (span_eq(d->keys[i], t->way[k]))
				return t->way[k];
		}
	}
	return SPAN_NONE;
}
