/* Whatever stands in a Received field, what is read of it lies within it or in the arena, bounded, and
 * folding changes nothing. */
#include "proto/mail/received.h"

#include <string.h>

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct received r, again;

	received_parse(a, span_of(data, size), &r);
	MUST(r.text.len <= size && r.helo.len <= size && r.by.len <= size);
	MUST(arena_used(a) <= 64 * size + 65536);
	received_parse(a, r.text, &again);
	MUST(span_eq(r.by, again.by) && span_eq(r.helo, again.helo));
	MUST(r.has_date == again.has_date && r.kind == again.kind && r.tls == again.tls);
	arena_free(&a);
	return 0;
}
