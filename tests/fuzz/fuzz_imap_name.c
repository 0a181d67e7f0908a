/* Names go both ways without loss, whatever their octets; patterns end. */
#include "proto/imap/imap_name_syntax.h"

#include "base/must.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct span s = span_of(data, size), name, head, tail;
	struct buf *b = arena_buf(a, 4 * size + 64), *back = arena_buf(a, 8 * size + 64);

	if (imap_utf7_decode(b, s)) { /* canonical: encoding gives the same octets */
		MUST(utf8_is_valid(buf_span(b)));
		MUST(imap_utf7_encode(back, buf_span(b)) && span_eq(buf_span(back), s));
	}
	buf_clear(b);
	buf_clear(back);
	if (imap_utf7_encode(b, s)) {
		MUST(imap_utf7_decode(back, buf_span(b)) && span_eq(buf_span(back), s));
		MUST(span_is_ascii(buf_span(b)));
	} else {
		MUST(!utf8_is_valid(s));
	}
	name = imap_name_decode(a, s, size & 1);
	MUST(!name.ptr || imap_name_is_text(name));
	span_cut(s, '\n', &head, &tail);
	if (imap_pattern_matches(head, tail))
		MUST(head.len || !tail.len);
	imap_pattern_matches_below(head, tail);
	imap_name_is_creatable(s);
	arena_free(&a);
	return 0;
}
