#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/mem.h"

void secret_init(struct secret *s, struct span bytes)
{
	s->bytes = mem_dup(bytes.ptr, bytes.len);
	s->len = bytes.len;
}

void secret_fini(struct secret *s)
{
	if (s->bytes)
		secret_wipe(s->bytes, s->len);
	free(s->bytes);
	s->bytes = NULL;
	s->len = 0;
}

bool secret_eq(struct span a, struct span b)
{
	unsigned char diff = 0;

	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		diff |= (unsigned char)(a.ptr[i] ^ b.ptr[i]);
	return diff == 0;
}

void secret_wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}

static void guard_end(void *arg)
{
	const struct span *bytes = arg;

	secret_wipe((char *)(uintptr_t)bytes->ptr, bytes->len);
}

void secret_guard(struct arena *a, struct span bytes)
{
	struct span *kept = ARENA_NEW(a, struct span);

	*kept = bytes;
	if (bytes.len)
		arena_defer(a, guard_end, kept);
}
