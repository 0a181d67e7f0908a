#pragma once
/* struct arena: memory with one lifetime (process > session > transaction > command). A function
 * whose first parameter is an arena leaves its result there. Deferred closers run in reverse when
 * the arena is reset or freed: on success, on error and on cancellation alike. Not thread-safe:
 * an arena belongs to one fiber or thread at a time. */

#include <stdarg.h>
#include <stddef.h>

#include "base/span.h"

struct arena;
struct buf;

struct arena *arena_new(void);
/** Run the deferred closers and free everything; *a becomes NULL. NULL inside is allowed. */
void arena_free(struct arena **a);
/** Run the deferred closers and forget everything, one small block kept for reuse. */
void arena_reset(struct arena *a);

/** Zeroed, aligned for any type, never NULL. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((returns_nonnull));
#define ARENA_NEW(a, type)      ((type *)arena_alloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_alloc_array((a), sizeof(type), (n)))
void *arena_alloc_array(struct arena *a, size_t size, size_t n) __attribute__((returns_nonnull));

/** Copies; the copy of a span has a NUL behind it (not counted). */
struct span arena_span(struct arena *a, struct span s);
char *arena_str(struct arena *a, struct span s) __attribute__((returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), returns_nonnull));

/** Call fn(arg) when the arena ends (or is reset). Last in, first out. */
void arena_defer(struct arena *a, void (*fn)(void *arg), void *arg);

/** An empty buffer of at most `max` octets (base/buf.h) whose memory goes with the arena. */
struct buf *arena_buf(struct arena *a, size_t max) __attribute__((returns_nonnull));

/** Bytes handed out since the last reset (for budgets). */
size_t arena_used(const struct arena *a);
