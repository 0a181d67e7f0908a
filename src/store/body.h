#pragma once
/* A stored body: bytes with a reference count, in chunks of at most 256 KiB. Reading is by chunk,
 * so a 50 MB message streams in bounded memory. A small body that was just accepted is shared in
 * memory between the accepting and the delivering side (struct body is reference counted,
 * thread-safe: docs/memory.md). */

#include "store/store.h"

#define BODY_CHUNK (256 * 1024)

struct body; /* reference counted handle: id, length and, while cached, the bytes */

struct body *body_open(struct store *s, uint64_t blob_id, uint64_t len);
struct body *body_ref(struct body *b);
void body_unref(struct body **b);
uint64_t body_id(const struct body *b);
uint64_t body_len(const struct body *b);
/** Chunk `index` (0...): bytes valid until the next call on `a`'s lifetime. From memory when
 * cached, else one read of the store. Past the end: empty span. */
FIBER int body_chunk(
	struct body *b, uint64_t index, struct arena *a, struct span *bytes_r, struct err *e);
/** Without a fiber (tools, tests). */
int body_chunk_blocking(
	struct body *b, uint64_t index, struct arena *a, struct span *bytes_r, struct err *e);
