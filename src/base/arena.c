#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/must.h"

#define ARENA_FIRST 1024
#define ARENA_BLOCK 8192
#define ARENA_ALIGN 16

struct arena_block {
	struct arena_block *next;
	size_t cap, used;
	_Alignas(ARENA_ALIGN) char mem[];
};

struct arena_closer {
	struct arena_closer *next;
	void (*fn)(void *arg);
	void *arg;
};

struct arena {
	struct arena_block *blocks; /* the first has room, or is the newest */
	struct arena_block *first;  /* small; kept at a reset */
	struct arena_closer *closers;
	size_t used;
};

static struct arena_block *arena_block_new(size_t cap)
{
	struct arena_block *b = mem_alloc(sizeof(*b) + cap);

	b->cap = cap;
	return b;
}

struct arena *arena_new(void)
{
	struct arena *a = NEW(struct arena);

	a->blocks = a->first = arena_block_new(ARENA_FIRST);
	return a;
}

static void arena_close(struct arena *a)
{
	while (a->closers) {
		struct arena_closer *c = a->closers;

		a->closers = c->next;
		c->fn(c->arg);
	}
}

void arena_reset(struct arena *a)
{
	arena_close(a);
	while (a->blocks) {
		struct arena_block *b = a->blocks;

		a->blocks = b->next;
		if (b != a->first)
			free(b);
	}
	a->blocks = a->first;
	a->first->next = NULL;
	/* What was handed out must be zero again for the next user. */
	memset(a->first->mem, 0, a->first->used);
	a->first->used = 0;
	a->used = 0;
}

void arena_free(struct arena **ap)
{
	struct arena *a = *ap;

	if (!a)
		return;
	*ap = NULL;
	arena_close(a);
	while (a->blocks) {
		struct arena_block *b = a->blocks;

		a->blocks = b->next;
		free(b);
	}
	free(a);
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_block *b = a->blocks;
	void *p;

	MUST(n < SIZE_MAX / 2);
	n = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (n > b->cap - b->used) {
		size_t cap = n > ARENA_BLOCK / 2 ? n : ARENA_BLOCK;
		struct arena_block *fresh = arena_block_new(cap);

		/* A large piece gets a block of its own behind the current one, whose room stays in
		 * use. */
		if (cap == n && b->used < b->cap) {
			fresh->next = b->next;
			b->next = fresh;
			fresh->used = n;
			a->used += n;
			return fresh->mem;
		}
		fresh->next = b;
		a->blocks = b = fresh;
	}
	p = b->mem + b->used;
	b->used += n;
	a->used += n;
	return p;
}

void *arena_alloc_array(struct arena *a, size_t size, size_t n)
{
	size_t total;

	MUST(!__builtin_mul_overflow(size, n, &total));
	return arena_alloc(a, total);
}

char *arena_str(struct arena *a, struct span s)
{
	char *p = arena_alloc(a, s.len + 1);

	if (s.len)
		memcpy(p, s.ptr, s.len);
	return p;
}

struct span arena_span(struct arena *a, struct span s)
{
	return span_of(arena_str(a, s), s.len);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	MUST(n >= 0);
	p = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return p;
}

void arena_defer(struct arena *a, void (*fn)(void *arg), void *arg)
{
	struct arena_closer *c = ARENA_NEW(a, struct arena_closer);

	c->fn = fn;
	c->arg = arg;
	c->next = a->closers;
	a->closers = c;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}

static void close_buf(void *arg)
{
	buf_fini(arg);
}

struct buf *arena_buf(struct arena *a, size_t max)
{
	struct buf *b = ARENA_NEW(a, struct buf);

	buf_init(b, max);
	arena_defer(a, close_buf, b);
	return b;
}
