/* Any text: a tag list is refused with a reason, or each tag lies in the text, in order, and is found
 * by its name. The words of each value come to an end. */
#include <string.h>

#include "base/must.h"
#include "proto/trust/dkim_tags.h"

static bool is_within(struct span s, struct span in)
{
	return s.ptr >= in.ptr && s.ptr + s.len <= in.ptr + in.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct dkim_tags tags;
	struct err e = {0};
	struct buf out;

	if (dkim_tags_parse(in, &tags, &e) < 0) {
		MUST(e.code != ERR_NONE && e.text[0]);
		return 0;
	}
	MUST(tags.count > 0 && tags.count <= DKIM_TAGS_MAX);
	for (size_t i = 0; i < tags.count; i++) {
		const struct dkim_tag *t = &tags.tag[i];
		struct span rest = t->value, word;
		size_t words = 0;

		MUST(is_within(t->name, in) && is_within(t->raw, in) &&
			is_within(t->value, t->raw));
		MUST(span_find(t->value, ';') < 0);
		while (dkim_tags_word(&rest, &word))
			MUST(++words <= t->value.len + 1);
		buf_init(&out, size);
		dkim_tags_base64(t->value, &out);
		buf_fini(&out);
	}
	return 0;
}
