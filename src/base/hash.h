#pragma once
/* SipHash-2-4 (keyed, so that a peer cannot choose colliding names) and a string map on it. */

#include "base/span.h"

struct hash_key {
	uint64_t k0, k1;
};

uint64_t hash_bytes(const struct hash_key *key, struct span s);

/* Map from bytes to a pointer the caller owns; keys are copied. One thread at a time. */
struct hash_map {
	struct hash_key key;
	struct hash_slot *slots; /* open addressing, size a power of two */
	size_t size, used, dead;
};

void hash_map_init(struct hash_map *m, struct hash_key key);
/** Frees the keys, not the values. */
void hash_map_fini(struct hash_map *m);
void *hash_map_get(const struct hash_map *m, struct span name);
/** Insert or replace; returns the value that was there, or NULL. `value` must not be NULL. */
void *hash_map_set(struct hash_map *m, struct span name, void *value);
/** Remove; returns the value that was there, or NULL. */
void *hash_map_remove(struct hash_map *m, struct span name);
static inline size_t hash_map_count(const struct hash_map *m)
{
	return m->used;
}
/** Walk: start with *at = 0; false at the end. Removing the entry just returned is allowed. */
bool hash_map_next(const struct hash_map *m, size_t *at, struct span *name_r, void **value_r);
