/* Any octets as a JMAP request, behind the path of a reference in the first line: what is taken is I-JSON within its
 * limits, references and patches lead somewhere or nowhere, and what was given stays as it was. */
#include <string.h>

#include "base/must.h"
#include "services/jmapd/jmapd_core_priv.h"

static struct span text_of(struct arena *a, const struct json_in *v)
{
	struct buf *b = arena_buf(a, JMAP_REQUEST_MAX * 8);

	json_in_put(b, v);
	return arena_span(a, buf_span(b));
}

static void patch(struct arena *a, const struct json_in *object, const struct json_in *patches)
{
	struct jmap_set_error why = {0};
	struct jmap_patch *list;
	size_t count;
	struct json_in *done;

	if (!jmap_patch_read(a, patches, &list, &count, &why)) {
		MUST(why.type);
		return;
	}
	done = jmap_patch_apply(a, object, list, count, &why);
	MUST(done || why.type);
	json_in_free(&done);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct span path, text;
	struct jmap_blob_name name;
	struct json_in *doc, *value;
	size_t steps = JMAP_REFERENCE_STEPS;
	int64_t ns;

	span_cut(span_of(data, size), '\n', &path, &text);
	jmap_date(path, &ns);
	if (jmap_blob_id(path, &name))
		MUST(jmap_is_id(path));
	doc = json_in_parse_any(text, JMAP_REQUEST_MAX, JMAP_DEPTH_MAX, NULL);
	if (doc) {
		struct span before = text_of(a, doc);
		const struct json_in *calls = json_in_get(doc, "methodCalls");

		value = jmap_pointer(a, doc, path, &steps);
		json_in_free(&value);
		patch(a, doc, doc);
		for (size_t i = 0; !jmap_request_fault(doc) && i < json_in_count(calls); i++)
			patch(a, doc, json_in_at(json_in_at(calls, i), 1));
		MUST(span_eq(before, text_of(a, doc)));
		MUST(jmap_plain_octets(doc) <= text.len); /* what is exempt is part of it */
	}
	json_in_free(&doc);
	arena_free(&a);
	return 0;
}
