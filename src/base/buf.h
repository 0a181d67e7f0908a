#pragma once
/* struct buf: a growing byte buffer with a cap given at init. When a put would pass the cap,
 * nothing is written, `is_full` sticks and every later put does nothing: check once, where it
 * matters (buf_ok). Bytes are consumed from the front without moving memory each time. */

#include <stdarg.h>

#include "base/span.h"

struct buf {
	char *mem;    /* owned; NULL until the first put */
	size_t from;  /* first byte not consumed */
	size_t to;    /* behind the last byte put */
	size_t cap;   /* allocated */
	size_t max;   /* never holds more than this many bytes */
	bool is_full; /* sticky: a put did not fit */
};

/** An empty buffer that holds at most `max` bytes. Allocates nothing yet. */
void buf_init(struct buf *b, size_t max);
/** Free the memory; the buffer is empty and usable again with the same cap. */
void buf_fini(struct buf *b);
/** Empty and not full, memory kept. */
void buf_clear(struct buf *b);

static inline size_t buf_len(const struct buf *b)
{
	return b->to - b->from;
}

static inline struct span buf_span(const struct buf *b)
{
	return span_of(b->mem ? b->mem + b->from : NULL, b->to - b->from);
}

static inline bool buf_ok(const struct buf *b)
{
	return !b->is_full;
}

/** How many bytes more would fit under the cap. */
size_t buf_room(const struct buf *b);

/** Make `n` bytes writable behind the end and return where, or NULL (and full) past the cap.
 * Write at most `n` bytes there, then tell how many with buf_added(). */
char *buf_reserve(struct buf *b, size_t n);
void buf_added(struct buf *b, size_t n);
/** How many bytes are writable behind the end without growing. */
size_t buf_spare(const struct buf *b);

void buf_put(struct buf *b, const void *p, size_t n);
void buf_span_put(struct buf *b, struct span s);
void buf_str(struct buf *b, const char *s);
void buf_char(struct buf *b, char c);
void buf_u64(struct buf *b, uint64_t v);
void buf_i64(struct buf *b, int64_t v);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/** Drop `n` bytes from the front (n <= buf_len). */
void buf_consume(struct buf *b, size_t n);
/** Keep the first `n` bytes only. */
void buf_truncate(struct buf *b, size_t n);

/** A NUL behind the bytes (not counted), valid until the next change. */
const char *buf_cstr(struct buf *b);

/** Hand the bytes to the caller as a NUL-ended heap string; the buffer is empty after. */
char *buf_steal(struct buf *b, size_t *len_r);
