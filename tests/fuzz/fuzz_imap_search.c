/* Any search program behind SEARCH: a tree within its limits, whose texts are UTF-8. */
#include "proto/imap/imap_syntax.h"

#include "base/must.h"
#include "base/utf8.h"

static size_t walk(const struct imap_key *k, size_t depth)
{
	size_t n = 0, children = 0;

	MUST(depth <= 2 * IMAP_DEPTH_MAX + 2); /* a level may be a NOT with its FLAG */
	for (const struct imap_key *c = k->child; c; c = c->next, children++)
		n += walk(c, depth + 1);
	MUST(k->op != IMAP_OP_NOT || children == 1);
	MUST(k->op != IMAP_OP_OR || children == 2);
	MUST(k->op < IMAP_OP_COUNT && utf8_is_valid(k->text));
	return n + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct buf *b = arena_buf(a, size + 16);
	struct imap_dialect d = {0};
	struct imap_command c;
	struct err e = {0};

	buf_str(b, size & 1 ? "a SEARCH " : "a UID SORT ");
	buf_put(b, data, size);
	if (imap_command_parse(a, buf_span(b), &d, &c, &e) == 0 &&
		imap_search_to_utf8(a, &c.find.search, &e) == 0)
		MUST(walk(c.find.search.root, 0) == c.find.search.keys);
	arena_free(&a);
	return 0;
}
