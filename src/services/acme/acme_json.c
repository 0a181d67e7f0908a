#include <jansson.h>

#include "services/acme/acme_priv.h"

#define ACME_JSON_MAX ACME_BODY_MAX

static const json_t *in(const struct acme_doc *d)
{
	return (const json_t *)d;
}

static const struct acme_doc *out(const json_t *v)
{
	return (const struct acme_doc *)v;
}

static void doc_free(void *doc)
{
	json_decref(doc);
}

const struct acme_doc *acme_doc(struct arena *a, struct span text)
{
	json_t *doc = text.len && text.len <= ACME_JSON_MAX
		? json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL)
		: NULL;

	if (!doc)
		return NULL;
	arena_defer(a, doc_free, doc);
	return json_is_object(doc) ? out(doc) : NULL;
}

const struct acme_doc *acme_doc_get(const struct acme_doc *d, const char *name)
{
	return out(json_object_get(in(d), name));
}

const struct acme_doc *acme_doc_at(const struct acme_doc *d, size_t i)
{
	return out(json_array_get(in(d), i));
}

size_t acme_doc_count(const struct acme_doc *d)
{
	return json_array_size(in(d));
}

const char *acme_doc_str(const struct acme_doc *d)
{
	const char *text = json_string_value(in(d));

	return text && !span_has_line_break(span_of(text, json_string_length(in(d)))) ? text : "";
}

const char *acme_doc_text(const struct acme_doc *d, const char *name)
{
	return acme_doc_str(acme_doc_get(d, name));
}

bool acme_doc_is(const struct acme_doc *d, const char *name)
{
	return json_is_true(json_object_get(in(d), name));
}
