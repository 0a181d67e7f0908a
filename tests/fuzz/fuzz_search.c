/* Octets are a needle and a text: what the matcher finds is what the index would not miss, and what the index
 * is sure of the matcher finds. The index is the document's tokens themselves. */

#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "store/search_token.h"

#define TEXT_MAX 4096

static bool has_token(struct span tokens, struct span token)
{
	struct span rest = tokens, one;

	while (rest.len) {
		span_cut(rest, ' ', &one, &rest);
		if (span_eq(one, token))
			return true;
	}
	return false;
}

/* "a" AND ("b" OR "c"): the expressions that search_query writes. */
static bool is_met(struct span *rest, struct span tokens);

static bool is_one_met(struct span *rest, struct span tokens)
{
	struct span token;
	bool is_true;

	if (span_starts(*rest, SPAN("("))) {
		*rest = span_skip(*rest, 1);
		is_true = is_met(rest, tokens);
		MUST(span_starts(*rest, SPAN(")")));
		*rest = span_skip(*rest, 1);
		return is_true;
	}
	MUST(span_starts(*rest, SPAN("\"")));
	*rest = span_skip(*rest, 1);
	MUST(span_cut(*rest, '"', &token, rest));
	return has_token(tokens, token);
}

static bool is_met(struct span *rest, struct span tokens)
{
	bool is_true = is_one_met(rest, tokens);

	for (;;) {
		if (span_starts(*rest, SPAN(" AND "))) {
			*rest = span_skip(*rest, 5);
			is_true = is_one_met(rest, tokens) && is_true;
		} else if (span_starts(*rest, SPAN(" OR "))) {
			*rest = span_skip(*rest, 4);
			is_true = is_one_met(rest, tokens) || is_true;
		} else {
			return is_true;
		}
	}
}

static bool is_expression_met(struct span expression, struct span tokens)
{
	bool is_true = is_met(&expression, tokens);

	MUST(!expression.len);
	return is_true;
}

static void check(struct arena *a, const struct search_needle *needle, const struct search_doc *doc)
{
	struct buf *tokens = arena_buf(a, SEARCH_TOKENS_BYTES);
	bool is_there = search_match(needle, 1, doc, NULL);
	struct search_query q;
	bool is_sure, is_maybe;

	MUST(search_tokens(tokens, doc));
	search_query(a, needle, &q);
	is_sure = q.sure.len && is_expression_met(q.sure, buf_span(tokens));
	is_maybe = !q.maybe.len || is_expression_met(q.maybe, buf_span(tokens));
	MUST(!is_sure || is_there);
	MUST(!is_there || is_sure || (is_maybe && !q.is_exact));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct search_doc doc = {.n = 1};
	struct search_needle needle = {.name = SPAN("X-Ab")};
	struct span all = span_of(data, size), head;
	struct arena *a;

	if (size < 2 || size > TEXT_MAX)
		return 0;
	needle.field = (enum search_field)(data[0] % SEARCH_FIELDS);
	needle.how = data[0] & 128 ? SEARCH_WORDS : SEARCH_SUBSTRING;
	all = span_skip(all, 1);
	span_cut(all, '\xff', &needle.text, &all);
	span_cut(all, '\xff', &head, &all);
	doc.header = head;
	span_cut(all, '\xff', &doc.parts, &doc.body);
	if (needle.text.len > SEARCH_NEEDLE_MAX)
		return 0;
	a = arena_new();
	check(a, &needle, &doc);
	arena_free(&a);
	return 0;
}
