#pragma once
/* A set of message numbers, compact where they are dense and where they are rare: chunks of 65,536
 * numbers, each a sorted list or a bitmap. Numbers are put in any order; ascending is fastest. One
 * thread at a time. All zero is an empty set. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct search_chunk;

struct search_set {
	struct search_chunk *chunks; /* owned, by their base */
	size_t chunk_count, chunk_cap;
	uint64_t count; /* numbers in the set */
};

void search_set_fini(struct search_set *set);
void search_set_put(struct search_set *set, uint64_t n);
bool search_set_has(const struct search_set *set, uint64_t n);
/** set = set and other, set or other, set without other. */
void search_set_and(struct search_set *set, const struct search_set *other);
void search_set_or(struct search_set *set, const struct search_set *other);
void search_set_minus(struct search_set *set, const struct search_set *other);
void search_set_copy(struct search_set *set, const struct search_set *from);
/** The smallest number >= from; false when there is none. */
bool search_set_next(const struct search_set *set, uint64_t from, uint64_t *n_r);
