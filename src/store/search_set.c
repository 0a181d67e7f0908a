#include "store/search_set.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define CHUNK_BITS  65536
#define CHUNK_WORDS (CHUNK_BITS / 64)
#define LIST_MAX    4096 /* numbers of a list; more of them take a bitmap, 8 KiB as well */

struct search_chunk {
	uint64_t base;  /* number / CHUNK_BITS */
	uint32_t count; /* numbers here */
	uint32_t cap;   /* of the list */
	uint16_t *list; /* sorted; NULL when there is a bitmap */
	uint64_t *bits;
};

static void chunk_fini(struct search_chunk *c)
{
	free(c->list);
	free(c->bits);
}

void search_set_fini(struct search_set *set)
{
	for (size_t i = 0; i < set->chunk_count; i++)
		chunk_fini(&set->chunks[i]);
	free(set->chunks);
	*set = (struct search_set){0};
}

/* The first chunk whose base is not below `base`. */
static size_t chunk_at(const struct search_set *set, uint64_t base)
{
	size_t low = 0, high = set->chunk_count;

	if (high && set->chunks[high - 1].base < base)
		return high;
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (set->chunks[mid].base < base)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct search_chunk *chunk_find(const struct search_set *set, uint64_t base)
{
	size_t i = chunk_at(set, base);

	return i < set->chunk_count && set->chunks[i].base == base ? &set->chunks[i] : NULL;
}

static struct search_chunk *chunk_make(struct search_set *set, uint64_t base)
{
	size_t i = chunk_at(set, base);

	if (i < set->chunk_count && set->chunks[i].base == base)
		return &set->chunks[i];
	if (set->chunk_count == set->chunk_cap) {
		set->chunk_cap = set->chunk_cap ? set->chunk_cap * 2 : 4;
		set->chunks = mem_realloc(set->chunks, set->chunk_cap * sizeof(*set->chunks));
	}
	memmove(&set->chunks[i + 1], &set->chunks[i],
		(set->chunk_count - i) * sizeof(*set->chunks));
	set->chunk_count++;
	set->chunks[i] = (struct search_chunk){.base = base};
	return &set->chunks[i];
}

/* The first place of the list whose number is not below `low`. */
static uint32_t list_at(const struct search_chunk *c, uint16_t low)
{
	uint32_t from = 0, to = c->count;

	if (to && c->list[to - 1] < low)
		return to;
	while (from < to) {
		uint32_t mid = (from + to) / 2;

		if (c->list[mid] < low)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

static bool bit_is_set(const struct search_chunk *c, uint16_t low)
{
	return c->bits[low / 64] >> low % 64 & 1;
}

static bool chunk_has(const struct search_chunk *c, uint16_t low)
{
	uint32_t i;

	if (c->bits)
		return bit_is_set(c, low);
	i = list_at(c, low);
	return i < c->count && c->list[i] == low;
}

static void chunk_to_bits(struct search_chunk *c)
{
	if (c->bits)
		return;
	c->bits = mem_alloc(CHUNK_WORDS * sizeof(uint64_t));
	for (uint32_t i = 0; i < c->count; i++)
		c->bits[c->list[i] / 64] |= 1ULL << c->list[i] % 64;
	free(c->list);
	c->list = NULL;
	c->cap = 0;
}

static bool chunk_put(struct search_chunk *c, uint16_t low)
{
	uint32_t i;

	if (!c->bits && c->count == LIST_MAX)
		chunk_to_bits(c);
	if (c->bits) {
		if (bit_is_set(c, low))
			return false;
		c->bits[low / 64] |= 1ULL << low % 64;
		c->count++;
		return true;
	}
	i = list_at(c, low);
	if (i < c->count && c->list[i] == low)
		return false;
	if (c->count == c->cap) {
		c->cap = c->cap ? c->cap * 2 : 16;
		c->list = mem_realloc(c->list, c->cap * sizeof(*c->list));
	}
	memmove(&c->list[i + 1], &c->list[i], (c->count - i) * sizeof(*c->list));
	c->list[i] = low;
	c->count++;
	return true;
}

void search_set_put(struct search_set *set, uint64_t n)
{
	set->count += chunk_put(chunk_make(set, n / CHUNK_BITS), (uint16_t)(n % CHUNK_BITS));
}

bool search_set_has(const struct search_set *set, uint64_t n)
{
	const struct search_chunk *c = chunk_find(set, n / CHUNK_BITS);

	return c && chunk_has(c, (uint16_t)(n % CHUNK_BITS));
}

/* ---- operations ---- */

static void chunk_recount(struct search_chunk *c)
{
	c->count = 0;
	for (size_t i = 0; i < CHUNK_WORDS; i++)
		c->count += (uint32_t)__builtin_popcountll(c->bits[i]);
}

/* Keep what is (or is not) in `other`, which may be NULL: nothing. */
static void chunk_filter(struct search_chunk *c, const struct search_chunk *other, bool is_kept)
{
	uint32_t n = 0;

	if (c->bits && other && other->bits) {
		for (size_t i = 0; i < CHUNK_WORDS; i++)
			c->bits[i] &= is_kept ? other->bits[i] : ~other->bits[i];
		chunk_recount(c);
	} else if (c->bits) {
		for (uint32_t low = 0; low < CHUNK_BITS; low++)
			if (bit_is_set(c, (uint16_t)low) &&
				(other && chunk_has(other, (uint16_t)low)) != is_kept)
				c->bits[low / 64] &= ~(1ULL << low % 64);
		chunk_recount(c);
	} else {
		for (uint32_t i = 0; i < c->count; i++)
			if ((other && chunk_has(other, c->list[i])) == is_kept)
				c->list[n++] = c->list[i];
		c->count = n;
	}
}

static void set_filter(struct search_set *set, const struct search_set *other, bool is_kept)
{
	size_t n = 0;

	set->count = 0;
	for (size_t i = 0; i < set->chunk_count; i++) {
		struct search_chunk *c = &set->chunks[i];

		chunk_filter(c, chunk_find(other, c->base), is_kept);
		set->count += c->count;
		if (c->count)
			set->chunks[n++] = *c;
		else
			chunk_fini(c);
	}
	set->chunk_count = n;
}

void search_set_and(struct search_set *set, const struct search_set *other)
{
	set_filter(set, other, true);
}

void search_set_minus(struct search_set *set, const struct search_set *other)
{
	set_filter(set, other, false);
}

static void chunk_or(struct search_chunk *c, const struct search_chunk *other)
{
	if (!other->bits) {
		for (uint32_t i = 0; i < other->count; i++)
			chunk_put(c, other->list[i]);
		return;
	}
	chunk_to_bits(c);
	for (size_t i = 0; i < CHUNK_WORDS; i++)
		c->bits[i] |= other->bits[i];
	chunk_recount(c);
}

void search_set_or(struct search_set *set, const struct search_set *other)
{
	for (size_t i = 0; i < other->chunk_count; i++) {
		struct search_chunk *c = chunk_make(set, other->chunks[i].base);

		set->count -= c->count;
		chunk_or(c, &other->chunks[i]);
		set->count += c->count;
	}
}

void search_set_copy(struct search_set *set, const struct search_set *from)
{
	search_set_fini(set);
	search_set_or(set, from);
}

static bool chunk_next(const struct search_chunk *c, uint32_t from, uint32_t *low_r)
{
	uint32_t i;

	if (c->list) {
		i = list_at(c, (uint16_t)from);
		if (i == c->count)
			return false;
		*low_r = c->list[i];
		return true;
	}
	for (i = from / 64; c->bits && i < CHUNK_WORDS; i++) {
		uint64_t word = c->bits[i];

		if (i == from / 64)
			word &= ~0ULL << from % 64;
		if (word) {
			*low_r = i * 64 + (uint32_t)__builtin_ctzll(word);
			return true;
		}
	}
	return false;
}

bool search_set_next(const struct search_set *set, uint64_t from, uint64_t *n_r)
{
	for (size_t i = chunk_at(set, from / CHUNK_BITS); i < set->chunk_count; i++) {
		const struct search_chunk *c = &set->chunks[i];
		uint32_t low;

		if (chunk_next(c, c->base == from / CHUNK_BITS ? from % CHUNK_BITS : 0, &low)) {
			*n_r = c->base * CHUNK_BITS + low;
			return true;
		}
	}
	return false;
}
