/* What an IMAP server says: whatever it is, it ends, within the limits, and is within what was said. */
#include "base/must.h"
#include "proto/imap/imap_response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void is_within(struct span s, size_t size)
{
	MUST(s.len <= size);
	for (size_t i = 0; i < s.len; i++) /* all of it can be read */
		MUST(s.ptr[i] || !s.ptr[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size);
	struct arena *a = arena_new();
	struct imap_response r;
	struct imap_fetched f;
	struct imap_listed l;
	struct imap_namespaces n;
	uint64_t literal;
	size_t at;

	if (imap_response_literal(text, &literal, &at))
		MUST(at < size);
	if (imap_response_parse(a, text, &r, NULL) == 0) {
		struct imap_words w = r.words;
		struct imap_word word;

		is_within(r.text, size);
		is_within(r.code, size);
		do {
			word = imap_word_next(&w);
			is_within(word.text, size);
			MUST(w.depth <= IMAP_RESPONSE_DEPTH_MAX);
		} while (word.kind != IMAP_WORD_END && word.kind != IMAP_WORD_BAD);
		w = r.words;
		if (r.said == IMAP_SAID_NONE && r.words.a &&
			imap_fetched_parse(&w, &f, NULL) == 0) {
			is_within(f.flags, size);
			is_within(f.body, size);
		}
		w = r.words;
		if (r.words.a && imap_listed_parse(&w, false, &l, NULL) == 0)
			MUST(l.wire.len && !span_has_line_break(l.wire));
		w = r.words;
		if (r.words.a && imap_namespaces_parse(&w, &n))
			MUST(n.foreign_count <= IMAP_FOREIGN_MAX);
	}
	arena_free(&a);
	return 0;
}
