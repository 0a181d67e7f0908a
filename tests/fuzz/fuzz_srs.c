/* Any local part, taken back; any sender, there and back again. */

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "proto/mail/srs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct srs_keys keys = {.keys = {SPAN("a key")}, .count = 1};
	struct span text = span_of(data, size), back = SPAN_NONE, there;
	struct arena *a = arena_new();

	if (memchr(data ? (const char *)data : "", 0, size) == NULL) {
		srs_reverse(a, &keys, text, 86400, &back);
		there = srs_forward(a, &keys, text, SPAN("us.example"), 86400);
		MUST(there.len <= SRS_PATH_MAX);
		if (there.len) {
			struct span local = span_sub(there, 0, (size_t)span_rfind(there, '@'));
			struct span was = span_sub(text, 0, (size_t)span_rfind(text, '@'));

			/* of an address that is one already, the front is written anew */
			if (!srs_is(was)) {
				MUST(srs_reverse(a, &keys, local, 86400, &back) == SRS_OK);
				MUST(span_eq(back, text));
			}
		}
	}
	arena_free(&a);
	return 0;
}
