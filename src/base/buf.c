#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

#define BUF_FIRST 256

void buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void buf_fini(struct buf *b)
{
	free(b->mem);
	buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
	b->from = b->to = 0;
	b->is_full = false;
}

size_t buf_room(const struct buf *b)
{
	return b->max - buf_len(b);
}

size_t buf_spare(const struct buf *b)
{
	size_t spare = b->cap - b->to;

	return spare < buf_room(b) ? spare : buf_room(b);
}

char *buf_reserve(struct buf *b, size_t n)
{
	if (b->is_full || n > buf_room(b)) {
		b->is_full = true;
		return NULL;
	}
	if (n <= b->cap - b->to && b->mem)
		return b->mem + b->to;
	/* Slide down first: a buffer that is consumed from the front need not grow. */
	if (b->from) {
		memmove(b->mem, b->mem + b->from, b->to - b->from);
		b->to -= b->from;
		b->from = 0;
	}
	if (n > b->cap - b->to || !b->mem) {
		size_t want = b->to + n, cap = b->cap ? b->cap : BUF_FIRST;

		while (cap < want)
			cap *= 2;
		if (cap > b->max && b->max >= want)
			cap = b->max;
		b->mem = mem_realloc(b->mem, cap + 1); /* +1: room for buf_cstr's NUL */
		b->cap = cap;
	}
	return b->mem + b->to;
}

void buf_added(struct buf *b, size_t n)
{
	MUST(n <= b->cap - b->to);
	b->to += n;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
	char *at;

	if (n == 0)
		return;
	at = buf_reserve(b, n);
	if (!at)
		return;
	memcpy(at, p, n);
	b->to += n;
}

void buf_span_put(struct buf *b, struct span s)
{
	buf_put(b, s.ptr, s.len);
}

void buf_str(struct buf *b, const char *s)
{
	buf_put(b, s, strlen(s));
}

void buf_char(struct buf *b, char c)
{
	buf_put(b, &c, 1);
}

/* One put for sign and digits: a number that does not fit leaves nothing behind. */
static void buf_number(struct buf *b, bool is_negative, uint64_t v)
{
	char digits[21];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	if (is_negative)
		digits[--at] = '-';
	buf_put(b, digits + at, sizeof(digits) - at);
}

void buf_u64(struct buf *b, uint64_t v)
{
	buf_number(b, false, v);
}

void buf_i64(struct buf *b, int64_t v)
{
	buf_number(b, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	char *at;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	MUST(n >= 0);
	at = buf_reserve(b, (size_t)n);
	if (!at)
		return;
	/* The byte for the NUL is always there: cap + 1 bytes are allocated. */
	vsnprintf(at, (size_t)n + 1, fmt, ap);
	b->to += (size_t)n;
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_consume(struct buf *b, size_t n)
{
	MUST(n <= buf_len(b));
	b->from += n;
	if (b->from == b->to)
		b->from = b->to = 0;
}

void buf_truncate(struct buf *b, size_t n)
{
	MUST(n <= buf_len(b));
	b->to = b->from + n;
}

const char *buf_cstr(struct buf *b)
{
	if (!b->mem) {
		b->mem = mem_alloc(BUF_FIRST + 1);
		b->cap = BUF_FIRST;
	}
	b->mem[b->to] = '\0';
	return b->mem + b->from;
}

char *buf_steal(struct buf *b, size_t *len_r)
{
	size_t len = buf_len(b);
	char *mem;

	buf_cstr(b);
	mem = b->mem;
	if (b->from)
		memmove(mem, mem + b->from, len + 1);
	if (len_r)
		*len_r = len;
	buf_init(b, b->max);
	return mem;
}
