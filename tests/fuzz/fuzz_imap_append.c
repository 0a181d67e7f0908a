/* Segments (cut at NUL) of APPEND: events come in their order, whatever is fed. */
#include "proto/imap/imap_syntax.h"

#include "base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct span rest = span_of(data, size), segment;
	struct imap_append ap = {0};
	struct imap_dialect d = {.is_utf8 = size & 1};
	enum imap_append_next next = IMAP_APPEND_STREAM;
	struct imap_append_event *ev;
	struct err e = {0};
	bool is_open = false;
	size_t n;

	while (next == IMAP_APPEND_STREAM && span_cut(rest, '\0', &segment, &rest)) {
		if (imap_append_feed(a, &ap, segment, &d, &ev, &n, &next, &e) < 0) {
			MUST(e.code == ERR_SYNTAX || e.code == ERR_LIMIT);
			break;
		}
		for (size_t i = 0; i < n; i++) {
			MUST(is_open == (ev[i].kind != IMAP_APPEND_MESSAGE));
			is_open = ev[i].kind != IMAP_APPEND_END;
			MUST(ev[i].kind != IMAP_APPEND_DATA || i + 1 == n);
		}
		MUST(next != IMAP_APPEND_DONE || !is_open);
		MUST(next != IMAP_APPEND_STREAM || ev[n - 1].kind == IMAP_APPEND_DATA);
	}
	arena_free(&a);
	return 0;
}
