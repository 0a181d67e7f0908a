/* An address that is taken has no line break, keeps its limits and parses again from its parts. */
#include "proto/smtp/smtp_syntax.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_address a;
	struct arena *arena = arena_new();

	if (smtp_address_parse(span_of(data, size), size & 1, &a, NULL) == 0) {
		MUST(!span_has_line_break(a.whole) && a.whole.len == size);
		MUST(a.local.len <= SMTP_LOCAL_PART_MAX && a.domain.len <= SMTP_DOMAIN_MAX);
		MUST(a.domain.len == 0 || smtp_domain_is_valid(a.domain, a.is_utf8));
		MUST(smtp_local_unquote(arena, a.local).len <= a.local.len);
	}
	arena_free(&arena);
	return 0;
}
