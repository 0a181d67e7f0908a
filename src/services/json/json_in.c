#include "services/json/json_in.h"

#include <jansson.h>
#include <stdlib.h>

static const json_t *in(const struct json_in *v)
{
	return (const json_t *)v;
}

static const struct json_in *out(const json_t *v)
{
	return (const struct json_in *)v;
}

/* The next of {}[], that stands in no string; '\0': there is none. */
static char next_mark(struct span text, size_t *at)
{
	bool is_quoted = false;

	while (*at < text.len) {
		char c = text.ptr[(*at)++];

		if (c == '"')
			is_quoted = !is_quoted;
		else if (is_quoted)
			*at += c == '\\';
		else if (c == '{' || c == '[' || c == '}' || c == ']' || c == ',')
			return c;
	}
	return '\0';
}

/* Before jansson looks: it goes down as deep as the text does, on the stack. */
bool json_in_is_shallow(struct span text, unsigned max)
{
	unsigned depth = 0;
	size_t at = 0;
	char c;

	while ((c = next_mark(text, &at))) {
		if ((c == '{' || c == '[') && ++depth > max)
			return false;
		if ((c == '}' || c == ']') && depth)
			depth--;
	}
	return true;
}

size_t json_in_values(struct span text)
{
	size_t count = 1, at = 0;
	char c;

	while ((c = next_mark(text, &at)))
		count += c == ',' || c == '{' || c == '[';
	return count;
}

struct json_in *json_in_parse_any(struct span text, size_t max, unsigned depth, struct err *e)
{
	json_error_t why;
	json_t *doc;

	if (text.len > max) {
		err_set(e, ERR_LIMIT, "more than %zu octets of JSON", max);
		return NULL;
	}
	if (!json_in_is_shallow(text, depth)) {
		err_set(e, ERR_LIMIT, "more than %u levels of JSON", depth);
		return NULL;
	}
	doc = json_loadb(text.ptr ? text.ptr : "", text.len,
		JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
	if (!doc)
		err_set(e, ERR_SYNTAX, "JSON: %s", why.text);
	return (struct json_in *)doc;
}

struct json_in *json_in_parse(struct span text, struct err *e)
{
	json_error_t why;
	bool is_deep;
	json_t *doc;

	if (text.len > JSON_IN_MAX) {
		err_set(e, ERR_LIMIT, "more than %d octets of JSON", JSON_IN_MAX);
		return NULL;
	}
	is_deep = !json_in_is_shallow(text, JSON_IN_DEPTH);
	doc = is_deep
		? NULL
		: json_loadb(text.ptr ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, &why);
	if (is_deep || (doc && !json_is_object(doc))) {
		json_decref(doc);
		err_set(e, ERR_SYNTAX, "JSON: an object of at most %d levels is expected",
			JSON_IN_DEPTH);
		return NULL;
	}
	if (!doc)
		err_set(e, ERR_SYNTAX, "JSON: %s", why.text);
	return (struct json_in *)doc;
}

struct json_in *json_in_ref(const struct json_in *v)
{
	return (struct json_in *)json_incref((json_t *)in(v));
}

struct json_in *json_in_new_object(void)
{
	return (struct json_in *)json_object();
}

struct json_in *json_in_new_array(void)
{
	return (struct json_in *)json_array();
}

void json_in_set(struct json_in *object, const char *name, const struct json_in *v)
{
	json_object_set((json_t *)object, name, (json_t *)in(v));
}

void json_in_remove(struct json_in *object, const char *name)
{
	json_object_del((json_t *)object, name);
}

bool json_in_is_same(const struct json_in *a, const struct json_in *b)
{
	return json_equal(in(a), in(b));
}

void json_in_add(struct json_in *array, const struct json_in *v)
{
	json_array_append((json_t *)array, (json_t *)in(v));
}

size_t json_in_size(const struct json_in *v)
{
	return json_is_object(in(v)) ? json_object_size(in(v)) : json_array_size(in(v));
}

void json_in_free(struct json_in **doc)
{
	json_decref((json_t *)*doc);
	*doc = NULL;
}

const struct json_in *json_in_get(const struct json_in *object, const char *name)
{
	return out(json_object_get(in(object), name));
}

bool json_in_is_text(const struct json_in *v)
{
	return json_is_string(in(v));
}

bool json_in_is_object(const struct json_in *v)
{
	return json_is_object(in(v));
}

bool json_in_is_array(const struct json_in *v)
{
	return json_is_array(in(v));
}

bool json_in_is_null(const struct json_in *v)
{
	return json_is_null(in(v));
}

bool json_in_is_bool(const struct json_in *v)
{
	return json_is_boolean(in(v));
}

bool json_in_is_int(const struct json_in *v)
{
	return json_is_integer(in(v));
}

bool json_in_truth(const struct json_in *v)
{
	return json_is_true(in(v));
}

int64_t json_in_int(const struct json_in *v)
{
	return json_integer_value(in(v));
}

struct span json_in_span(const struct json_in *text)
{
	return json_is_string(in(text))
		? span_of(json_string_value(in(text)), json_string_length(in(text)))
		: SPAN_NONE;
}

struct span json_in_text(const struct json_in *object, const char *name)
{
	return json_in_span(json_in_get(object, name));
}

bool json_in_u64(const struct json_in *object, const char *name, uint64_t *n_r)
{
	const json_t *v = json_object_get(in(object), name);

	if (!json_is_integer(v) || json_integer_value(v) < 0)
		return false;
	*n_r = (uint64_t)json_integer_value(v);
	return true;
}

bool json_in_bool(const struct json_in *object, const char *name)
{
	return json_is_true(json_object_get(in(object), name));
}

size_t json_in_count(const struct json_in *array)
{
	return json_array_size(in(array));
}

const struct json_in *json_in_at(const struct json_in *array, size_t i)
{
	return out(json_array_get(in(array), i));
}

bool json_in_next(const struct json_in *object, void **at, const char **name_r,
	const struct json_in **value_r)
{
	json_t *o = (json_t *)in(object);

	*at = *at ? json_object_iter_next(o, *at) : json_object_iter(o);
	if (!*at)
		return false;
	*name_r = json_object_iter_key(*at);
	*value_r = out(json_object_iter_value(*at));
	return true;
}

/* What comes from mail may hold escape sequences for a terminal: C0 and C1 become blanks. */
static void put_printable(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];
		bool is_c1 = c == 0xc2 && i + 1 < s.len && (unsigned char)s.ptr[i + 1] < 0xa0;

		if (is_c1)
			i++;
		buf_char(b, c < ' ' || c == 127 || is_c1 ? ' ' : (char)c);
	}
}

void json_in_put_plain(struct buf *b, const struct json_in *v)
{
	const json_t *j = in(v);

	switch (j ? json_typeof(j) : JSON_NULL) {
	case JSON_STRING: put_printable(b, json_in_span(v)); break;
	case JSON_INTEGER: buf_i64(b, json_integer_value(j)); break;
	case JSON_REAL: buf_printf(b, "%.3g", json_real_value(j)); break;
	case JSON_TRUE: buf_str(b, "yes"); break;
	case JSON_FALSE: buf_str(b, "no"); break;
	case JSON_NULL: break;
	case JSON_ARRAY:
		for (size_t i = 0; i < json_array_size(j); i++) {
			buf_str(b, i ? ", " : "");
			json_in_put_plain(b, out(json_array_get(j, i)));
		}
		break;
	case JSON_OBJECT: json_in_put(b, v); break;
	}
}

static int put_piece(const char *bytes, size_t n, void *arg)
{
	buf_put(arg, bytes, n);
	return buf_ok(arg) ? 0 : -1;
}

void json_in_put(struct buf *b, const struct json_in *v)
{
	json_dump_callback(in(v), put_piece, b, JSON_COMPACT | JSON_ENCODE_ANY);
}
