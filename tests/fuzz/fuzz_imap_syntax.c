/* Any command: it parses, or the client is owed one line that says why. */
#include "proto/imap/imap_syntax.h"

#include "base/must.h"
#include "proto/imap/imap_out.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct buf *b = arena_buf(a, 1 << 20);
	struct imap_dialect d = {.is_utf8 = size & 1};
	struct imap_command c;
	struct imap_literal lit;
	struct err e = {0};

	if (imap_literal_at_end(span_of(data, size), &lit))
		MUST(lit.at < size);
	if (imap_command_parse(a, span_of(data, size), &d, &c, &e) < 0) {
		MUST(e.code == ERR_SYNTAX || e.code == ERR_LIMIT);
		imap_refusal_put(b, c.tag, &e);
		MUST(buf_len(b) > 8 && span_find(buf_span(b), '\n') == (ptrdiff_t)buf_len(b) - 1);
	} else {
		MUST(c.tag.len && imap_verb_row(c.verb));
		for (size_t i = 0; i < c.fetch.what.count; i++)
			imap_put_fetch_name(b, &c.fetch.what.items[i]);
		MUST(c.verb != IMAP_FETCH || c.fetch.what.count);
		imap_put_flags(b, &c.store.flags);
		for (size_t i = 0; i < c.list.count; i++)
			imap_pattern_matches(c.list.patterns[i], SPAN("INBOX/a/b"));
	}
	arena_free(&a);
	return 0;
}
