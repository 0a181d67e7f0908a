/* Sets and orders of ids. */

#include <stdlib.h>
#include <string.h>

#include "store/email_find.h"

void email_ids_put(struct arena *a, struct email_ids *x, uint64_t id)
{
	if (x->count == x->cap) {
		uint64_t *was = x->list;

		x->cap = x->cap ? x->cap * 2 : 64;
		x->list = ARENA_ARRAY(a, uint64_t, x->cap);
		if (x->count)
			memcpy(x->list, was, x->count * sizeof(*was));
	}
	x->list[x->count++] = id;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void email_ids_sort(struct email_ids *x)
{
	size_t n = 0;

	if (!x->count)
		return;
	qsort(x->list, x->count, sizeof(*x->list), by_number);
	for (size_t i = 0; i < x->count; i++)
		if (!n || x->list[n - 1] != x->list[i])
			x->list[n++] = x->list[i];
	x->count = n;
}

bool email_ids_has(const struct email_ids *x, uint64_t id)
{
	return x->count && bsearch(&id, x->list, x->count, sizeof(id), by_number);
}

static int by_place_id(const void *a, const void *b)
{
	const struct email_place *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

void email_places_of(struct arena *a, const uint64_t *ids, size_t count, struct email_places *p)
{
	p->list = ARENA_ARRAY(a, struct email_place, count + 1);
	p->count = count;
	for (size_t i = 0; i < count; i++)
		p->list[i] = (struct email_place){ids[i], i};
	if (count)
		qsort(p->list, count, sizeof(*p->list), by_place_id);
}

bool email_places_find(const struct email_places *p, uint64_t id, size_t *index_r)
{
	struct email_place key = {.id = id}, *x;

	x = p->count ? bsearch(&key, p->list, p->count, sizeof(key), by_place_id) : NULL;
	if (x)
		*index_r = x->index;
	return x != NULL;
}
