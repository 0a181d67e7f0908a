/* Any text: when it is a set what is written says the same, and resolved it holds what it held. */
#include "proto/imap/imap_set_syntax.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct span text = span_of(data, size);
	struct imap_set s, r, again;
	struct buf *b = arena_buf(a, size + 64), *out = arena_buf(a, 32 * size + 64);

	if (imap_set_parse(a, text, true, &s, NULL) == 0) {
		imap_set_put(b, &s);
		MUST(imap_set_parse(a, buf_span(b), true, &again, NULL) == 0);
		MUST(again.count == s.count && again.is_saved == s.is_saved);
		imap_set_resolve(a, &s, 1000, &r);
		for (size_t i = 0; i < r.count; i++) {
			MUST(r.ranges[i].first && r.ranges[i].first <= r.ranges[i].last);
			MUST(i == 0 || r.ranges[i].first > r.ranges[i - 1].last + 1);
			MUST(imap_set_has(&r, r.ranges[i].first) &&
				imap_set_has(&r, r.ranges[i].last));
		}
		for (size_t i = 0; i < s.count && !s.is_saved; i++)
			MUST(imap_set_has(&r, s.ranges[i].first ? s.ranges[i].first : 1000));
		imap_set_put(out, &r);
		if (r.count && !r.is_saved) {
			MUST(imap_set_parse_known(a, buf_span(out), &again, NULL) == 0);
			MUST(imap_set_count(&again) == imap_set_count(&r));
		}
	}
	arena_free(&a);
	return 0;
}
