#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The one process-wide pointer of this floor: out-of-memory has no context to be passed in. */
static void (*mem_out_hook)(size_t wanted);

static void __attribute__((noreturn, cold)) mem_out(size_t wanted)
{
	if (mem_out_hook)
		mem_out_hook(wanted);
	fprintf(stderr, "yizhan: out of memory (wanted %zu bytes)\n", wanted);
	abort();
}

void mem_set_out_hook(void (*hook)(size_t wanted))
{
	mem_out_hook = hook;
}

void *mem_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		mem_out(n);
	return p;
}

void *mem_realloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	if (!q)
		mem_out(n);
	return q;
}

char *mem_dup(const void *p, size_t n)
{
	char *q = malloc(n + 1);

	if (!q)
		mem_out(n + 1);
	if (n)
		memcpy(q, p, n);
	q[n] = '\0';
	return q;
}
