#pragma once
/* Small allocations: zeroed, and never NULL. When memory is out, the hook is called and must not
 * return; the default hook prints one line and aborts. An embedder of libyizhan may set its own.
 * Anything whose size a peer decides goes through struct buf, which has a cap and reports. */

#include <stddef.h>

/** Zeroed memory of `n` bytes; the caller frees it with free(). Never NULL. */
void *mem_alloc(size_t n) __attribute__((malloc, returns_nonnull));

/** Grow or shrink `p` to `n` bytes; new bytes are not zeroed. Never NULL for n > 0. */
void *mem_realloc(void *p, size_t n) __attribute__((returns_nonnull));

/** Copy of `n` bytes with a NUL behind them; the caller frees. */
char *mem_dup(const void *p, size_t n) __attribute__((malloc, returns_nonnull));

/** Set what is called when memory is out (process-wide, set once before any thread starts). */
void mem_set_out_hook(void (*hook)(size_t wanted));

#define NEW(type) ((type *)mem_alloc(sizeof(type)))
