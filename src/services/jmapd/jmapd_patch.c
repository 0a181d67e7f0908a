#include "services/jmapd/jmapd_priv.h"

#include "base/must.h"

/* PatchObject (RFC 8620 section 5.3): pointers with an implicit "/" in front. Pure. */

#define PATCH_DEPTH_MAX 16
#define PATCH_LINES_MAX 1000 /* each copies the object that it changes */

static const struct jmap_set_error bad_pointer = {
	.type = "invalidPatch", .description = "A path of the patch is no JSON Pointer."};
static const struct jmap_set_error too_many = {
	.type = "invalidPatch", .description = "A patch has too many paths."};
static const struct jmap_set_error prefix_of_another = {.type = "invalidPatch",
	.description = "A path of the patch is the beginning of another one."};
static const struct jmap_set_error leads_nowhere = {.type = "invalidPatch",
	.description = "A path of the patch leads through something that is no object."};

/* Escapes of RFC 6901 section 4. */
static bool unescape(struct arena *a, struct span token, struct span *text_r)
{
	char *out = arena_str(a, token);
	size_t n = 0;

	for (size_t i = 0; i < token.len; i++) {
		char c = token.ptr[i];

		if (c == '~') {
			if (++i == token.len || (token.ptr[i] != '0' && token.ptr[i] != '1'))
				return false;
			c = token.ptr[i] == '0' ? '~' : '/';
		}
		out[n++] = c;
	}
	out[n] = '\0';
	*text_r = span_of(out, n);
	return true;
}

static bool read_path(struct arena *a, struct span path, struct jmap_patch *p)
{
	struct span token;
	bool is_more = span_cut(path, '/', &token, &path);

	if (!token.len || !unescape(a, token, &p->property))
		return false;
	p->rest = is_more ? ARENA_ARRAY(a, struct span, PATCH_DEPTH_MAX) : NULL;
	while (is_more) {
		is_more = span_cut(path, '/', &token, &path);
		if (p->rest_count == PATCH_DEPTH_MAX ||
			!unescape(a, token, &p->rest[p->rest_count++]))
			return false;
	}
	return true;
}

/* "there MUST NOT be two patches in the PatchObject where the pointer of one is the prefix of the pointer of the
 * other" (RFC 8620 section 5.3) */
static bool has_beginning_of(struct arena *a, const struct json_in *patch, const char *name)
{
	struct span path = span_str(name);

	for (size_t i = 0; i < path.len; i++)
		if (path.ptr[i] == '/' && json_in_get(patch, arena_str(a, span_sub(path, 0, i))))
			return true;
	return false;
}

bool jmap_patch_read(struct arena *a, const struct json_in *patch, struct jmap_patch **list_r,
	size_t *count_r, struct jmap_set_error *why_r)
{
	size_t size = json_in_size(patch), n = 0;
	struct jmap_patch *list = ARENA_ARRAY(a, struct jmap_patch, size + 1);
	const struct json_in *value;
	const char *name;
	void *at = NULL;

	if (size > PATCH_LINES_MAX) {
		*why_r = too_many;
		return false;
	}
	while (json_in_next(patch, &at, &name, &value)) {
		list[n].value = value;
		if (!read_path(a, span_str(name), &list[n++])) {
			*why_r = bad_pointer;
			return false;
		}
		if (has_beginning_of(a, patch, name)) {
			*why_r = prefix_of_another;
			return false;
		}
	}
	*list_r = list;
	*count_r = n;
	return true;
}

/* ---- doing it ---- */

static struct json_in *copy_of(const struct json_in *object)
{
	struct json_in *copy = json_in_new_object();
	const struct json_in *value;
	const char *name;
	void *at = NULL;

	while (json_in_next(object, &at, &name, &value))
		json_in_set(copy, name, value);
	return copy;
}

static bool put(struct arena *a, struct json_in *object, struct span name,
	const struct jmap_patch *p, size_t at)
{
	const char *key = arena_str(a, name);
	const struct json_in *inner;
	struct json_in *copy;
	bool is_done;

	if (at == p->rest_count) {
		if (json_in_is_null(p->value))
			json_in_remove(object, key);
		else
			json_in_set(object, key, p->value);
		return true;
	}
	inner = json_in_get(object, key);
	if (!json_in_is_object(inner))
		return false;
	copy = copy_of(inner);
	is_done = put(a, copy, p->rest[at], p, at + 1);
	json_in_set(object, key, copy);
	json_in_free(&copy);
	return is_done;
}

struct json_in *jmap_patch_apply(struct arena *a, const struct json_in *object,
	const struct jmap_patch *list, size_t count, struct jmap_set_error *why_r)
{
	struct json_in *copy = copy_of(object);

	for (size_t i = 0; i < count; i++) {
		if (!put(a, copy, list[i].property, &list[i], 0)) {
			*why_r = leads_nowhere;
			json_in_free(&copy);
			return NULL;
		}
	}
	return copy;
}
