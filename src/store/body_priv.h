#pragma once
/* A body's bytes in memory, shared by the stage that received them, the handles on the stored body
 * and the cache (docs/memory.md: reference counted, thread-safe). */

#include <stdatomic.h>

#include "store/body.h"

struct body_mem {
	_Atomic int refs;
	size_t len, cap;
	char bytes[];
};

struct body_mem *body_mem_new(size_t cap);
struct body_mem *body_mem_ref(struct body_mem *m);
void body_mem_unref(struct body_mem **m); /* NULL inside is allowed */

/* Bodies that were just accepted and wait for their first delivery, under a budget; the oldest go
 * first. Thread-safe. */
struct body_cache;
struct body_cache *body_cache_new(uint64_t budget);
void body_cache_free(struct body_cache **c);
void body_cache_put(struct body_cache *c, uint64_t blob_id, struct body_mem *m);
struct body_mem *body_cache_get(struct body_cache *c, uint64_t blob_id); /* a reference, or NULL */
void body_cache_drop(struct body_cache *c, uint64_t blob_id);
uint64_t body_cache_octets(struct body_cache *c);

/** A handle whose bytes are in memory (m may be NULL). */
struct body *body_new(struct store *s, uint64_t blob_id, uint64_t len, struct body_mem *m);
