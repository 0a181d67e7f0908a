#include "services/jmapd/jmapd_priv.h"

#include "base/must.h"

/* JSON Pointers with "*" (RFC 8620 section 3.7, RFC 6901). Pure. */

#define INDEX_MAX   1000000000
#define STEP_OCTETS 16 /* of a name, for one step */

/* "~1" is "/", "~0" is "~" (RFC 6901 section 4). NULL: an escape that is none, or a NUL. */
static const char *unescape(struct arena *a, struct span token)
{
	char *out = arena_str(a, token);
	size_t n = 0;

	for (size_t i = 0; i < token.len; i++) {
		char c = token.ptr[i];

		if (!c)
			return NULL;
		if (c == '~') {
			if (++i == token.len || (token.ptr[i] != '0' && token.ptr[i] != '1'))
				return NULL;
			c = token.ptr[i] == '0' ? '~' : '/';
		}
		out[n++] = c;
	}
	out[n] = '\0';
	return out;
}

static const struct json_in *step(struct arena *a, const struct json_in *at, struct span token)
{
	uint64_t index;

	if (json_in_is_object(at)) {
		const char *name = unescape(a, token);

		return name ? json_in_get(at, name) : NULL;
	}
	if (!json_in_is_array(at) || !span_u64_max(token, INDEX_MAX, &index))
		return NULL;
	if (token.len > 1 && token.ptr[0] == '0')
		return NULL;
	return index < json_in_count(at) ? json_in_at(at, (size_t)index) : NULL;
}

static bool take_steps(size_t *steps, size_t n)
{
	bool is_enough = *steps >= n;

	*steps -= is_enough ? n : *steps;
	return is_enough;
}

/* Of each element, what is an array piece by piece. */
static struct json_in *each(
	struct arena *a, const struct json_in *array, struct span path, size_t *steps)
{
	struct json_in *all = json_in_new_array();

	for (size_t i = 0; i < json_in_count(array); i++) {
		struct json_in *one = jmap_pointer(a, json_in_at(array, i), path, steps);

		if (!one || !take_steps(steps, 1 + json_in_count(one))) {
			json_in_free(&one);
			json_in_free(&all);
			return NULL;
		}
		if (json_in_is_array(one)) {
			for (size_t k = 0; k < json_in_count(one); k++)
				json_in_add(all, json_in_at(one, k));
		} else {
			json_in_add(all, one);
		}
		json_in_free(&one);
	}
	return all;
}

struct json_in *jmap_pointer(
	struct arena *a, const struct json_in *at, struct span path, size_t *steps)
{
	while (path.len) {
		ptrdiff_t end;
		struct span token;

		if (path.ptr[0] != '/')
			return NULL;
		path = span_skip(path, 1);
		end = span_find(path, '/');
		token = end < 0 ? path : span_sub(path, 0, (size_t)end);
		path = span_skip(path, token.len);
		if (json_in_is_array(at) && span_eq(token, SPAN("*")))
			return each(a, at, path, steps);
		at = take_steps(steps, 1 + token.len / STEP_OCTETS) ? step(a, at, token) : NULL;
		if (!at)
			return NULL;
	}
	return json_in_ref(at);
}
