#pragma once
/* struct secret: bytes that are wiped on release, compared in constant time, and that the logger
 * cannot print (it is not a span). */

#include "base/span.h"

struct arena;

struct secret {
	char *bytes; /* owned, NUL-ended */
	size_t len;
};

void secret_init(struct secret *s, struct span bytes);
/** Wipe and free. */
void secret_fini(struct secret *s);
/** Constant time in the content (the length is not hidden). */
bool secret_eq(struct span a, struct span b);
void secret_wipe(void *p, size_t n);
/** Wipe these bytes, which lie in the arena, when it ends. */
void secret_guard(struct arena *a, struct span bytes);
