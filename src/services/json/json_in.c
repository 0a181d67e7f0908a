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

static bool is_shallow(const json_t *v, unsigned depth)
{
	const char *name;
	json_t *member;
	size_t i;

	if (!json_is_object(v) && !json_is_array(v))
		return true;
	if (depth >= JSON_IN_DEPTH)
		return false;
	json_array_foreach((json_t *)v, i, member)
	{
		if (!is_shallow(member, depth + 1))
			return false;
	}
	json_object_foreach((json_t *)v, name, member)
	{
		if (!is_shallow(member, depth + 1))
			return false;
	}
	return true;
}

struct json_in *json_in_parse(struct span text, struct err *e)
{
	json_error_t why;

	if (text.len > JSON_IN_MAX) {
		err_set(e, ERR_LIMIT, "more than %d octets of JSON", JSON_IN_MAX);
		return NULL;
	}
	json_t *doc = json_loadb(text.ptr ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, &why);
	if (!doc) {
		err_set(e, ERR_SYNTAX, "JSON: %s", why.text);
		return NULL;
	}
	if (!json_is_object(doc) || !is_shallow(doc, 0)) {
		json_decref(doc);
		err_set(e, ERR_SYNTAX, "JSON: an object of at most %d levels is expected",
			JSON_IN_DEPTH);
		return NULL;
	}
	return (struct json_in *)doc;
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
	return 0;
}

void json_in_put(struct buf *b, const struct json_in *v)
{
	json_dump_callback(in(v), put_piece, b, JSON_COMPACT | JSON_ENCODE_ANY);
}
