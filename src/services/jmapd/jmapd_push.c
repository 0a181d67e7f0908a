#include "services/jmapd/jmapd_core_priv.h"

#include <string.h>

#include "base/enc.h"
#include "run/loop.h"
#include "store/push.h"

/* PushSubscription/get and /set (RFC 8620 section 7.2): the user's own, without an account. What is secret (url,
 * keys) is never told again. */

#define LIFE_MAX_NS (30 * CLOCK_DAY)
#define DEVICE_MAX  255
#define URL_MAX     2000
#define TYPES_MAX   64
#define CODE_BYTES  16

/* ---- /get ---- */

static const char *const told[] = {
	"id", "deviceClientId", "verificationCode", "expires", "types", NULL};
static const struct jmap_type push_type = {.name = "PushSubscription",
	.kind = 'P',
	.properties = told,
	.object = OBJECT_PUSH,
	.is_without_account = true};

static bool is_among(const char *const *names, struct span name)
{
	for (size_t i = 0; names[i]; i++)
		if (span_eq(span_str(names[i]), name))
			return true;
	return false;
}

static bool wants(const struct span *names, size_t count, const char *name)
{
	for (size_t i = 0; names && i < count; i++)
		if (span_eq(names[i], span_str(name)))
			return true;
	return !names;
}

static void put_types(struct json_out *j, struct span types)
{
	struct span type;

	json_key(j, "types");
	if (!types.len) {
		json_null(j);
		return;
	}
	json_open_array(j);
	while (types.len) {
		span_cut(types, ' ', &type, &types);
		json_span(j, type);
	}
	json_close(j);
}

static void put_push(
	struct json_out *j, const struct push *p, const struct span *names, size_t count)
{
	json_open_object(j);
	json_key(j, "id");
	jmap_put_id(j, 'P', p->id);
	if (wants(names, count, "deviceClientId"))
		json_kv_span(j, "deviceClientId", p->device);
	if (wants(names, count, "verificationCode")) {
		json_key(j, "verificationCode");
		if (p->is_verified)
			json_span(j, p->code);
		else
			json_null(j);
	}
	if (wants(names, count, "expires")) {
		json_key(j, "expires");
		jmap_put_date(j, p->expires_ns);
	}
	if (wants(names, count, "types"))
		put_types(j, p->types);
	json_close(j);
}

static int check_names(struct jmap_call *c, const struct span *names, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		if (span_eq(names[i], SPAN("url")) || span_eq(names[i], SPAN("keys")))
			return jmap_fail(c, "forbidden", e, "url and keys are not told");
		if (!is_among(told, names[i]))
			return jmap_fail_argument(
				c, e, "properties", "one of them is no property of the type");
	}
	return 0;
}

static struct push *push_of(struct push *list, size_t count, uint64_t id)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].id == id)
			return &list[i];
	return NULL;
}

/* Those that this login has made; others are not there (RFC 8620 section 7.2.1). */
static FIBER int list_mine(
	struct jmap_call *c, struct push **list_r, size_t *count_r, struct err *e)
{
	struct push *list;
	size_t count, kept = 0;

	if (push_list(c->d->opts.store, c->a, c->user.account_id, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		if (!list[i].by.len || span_eq(list[i].by, c->user.by))
			list[kept++] = list[i];
	*list_r = list;
	*count_r = kept;
	return 0;
}

static FIBER int push_get(struct jmap_call *c, struct err *e)
{
	struct jmap_get g = {0};
	struct push *list;
	size_t count;

	if (jmap_get_ids(c, &g, &push_type, e) < 0 ||
		jmap_arg_texts(c, "properties", &g.properties, &g.property_count, e) < 0 ||
		check_names(c, g.properties, g.property_count, e) < 0 ||
		list_mine(c, &list, &count, e) < 0)
		return -1;
	json_key(c->out, "list");
	json_open_array(c->out);
	for (size_t i = 0; i < (g.is_all ? count : g.count); i++) {
		const struct push *p = g.is_all ? &list[i] : push_of(list, count, g.numbers[i]);

		if (p)
			put_push(c->out, p, g.properties, g.property_count);
		else
			jmap_get_missing(c, &g, g.ids[i]);
	}
	json_close(c->out);
	jmap_get_end_missing(c, &g);
	return 0;
}

/* ---- /set ---- */

static bool has_octets(struct arena *a, struct span text, size_t octets)
{
	struct buf *b = arena_buf(a, 256);

	return enc_get_base64url(b, text) && buf_len(b) == octets;
}

static bool read_keys(struct arena *a, const struct json_in *keys, struct push *p)
{
	if (!keys || json_in_is_null(keys))
		return true;
	p->p256dh = json_in_text(keys, "p256dh");
	p->auth = json_in_text(keys, "auth");
	return has_octets(a, p->p256dh, PUSH_KEY_OCTETS) &&
		has_octets(a, p->auth, PUSH_AUTH_OCTETS);
}

static bool read_types(struct arena *a, const struct json_in *types, struct push *p)
{
	struct buf *b = arena_buf(a, 4096);

	p->types = SPAN("");
	if (!types || json_in_is_null(types))
		return true;
	if (!json_in_is_array(types) || json_in_count(types) > TYPES_MAX)
		return false;
	for (size_t i = 0; i < json_in_count(types); i++) {
		struct span type = json_in_span(json_in_at(types, i));

		if (!jmap_is_id(type))
			return false;
		buf_str(b, i ? " " : "");
		buf_span_put(b, type);
	}
	p->types = buf_ok(b) ? buf_span(b) : SPAN("");
	return buf_ok(b);
}

/* Never longer than we like: the client reads what has become of it. */
static bool read_expires(const struct json_in *expires, struct push *p)
{
	int64_t most = loop_wall_ns() + LIFE_MAX_NS, ns;

	p->expires_ns = most / CLOCK_SEC * CLOCK_SEC;
	if (!expires || json_in_is_null(expires))
		return true;
	if (!jmap_date(json_in_span(expires), &ns) || ns <= loop_wall_ns())
		return false;
	p->expires_ns = ns < p->expires_ns ? ns : p->expires_ns;
	return true;
}

static struct span new_code(struct arena *a)
{
	unsigned char bytes[CODE_BYTES];
	struct buf *b = arena_buf(a, 64);

	jmap_push_random(bytes, sizeof(bytes));
	enc_put_hex(b, span_of(bytes, sizeof(bytes)));
	return buf_span(b);
}

/* RFC 8620 section 5.3: all that is at fault is told. */
static bool read_new(
	struct arena *a, const struct json_in *o, struct push *p, struct jmap_set_error *why_r)
{
	static const char *const known[] = {
		"deviceClientId", "url", "keys", "types", "expires", "verificationCode", NULL};
	const struct json_in *code = json_in_get(o, "verificationCode"), *value;
	const char *name;
	void *at = NULL;

	p->device = json_in_text(o, "deviceClientId");
	p->url = json_in_text(o, "url");
	if (!p->device.len || p->device.len > DEVICE_MAX)
		jmap_bad_property_too(a, why_r, "deviceClientId", "an id of the client is needed");
	if (!span_starts(p->url, SPAN("https://")) || p->url.len > URL_MAX ||
		span_has_line_break(p->url))
		jmap_bad_property_too(a, why_r, "url", "an https URL is needed");
	if (!read_keys(a, json_in_get(o, "keys"), p))
		jmap_bad_property_too(a, why_r, "keys", "p256dh and auth of RFC 8291 are needed");
	if (!read_types(a, json_in_get(o, "types"), p))
		jmap_bad_property_too(a, why_r, "types", "a list of types is needed");
	if (!read_expires(json_in_get(o, "expires"), p))
		jmap_bad_property_too(a, why_r, "expires", "a time to come is needed");
	if (code && !json_in_is_null(code))
		jmap_bad_property_too(a, why_r, "verificationCode", "it is told to the URL first");
	while (json_in_next(o, &at, &name, &value))
		if (!is_among(known, span_str(name)))
			jmap_bad_property_too(a, why_r, name, "it is not the client's to say");
	return !why_r->type;
}

/* RFC 8620 section 8.7: each new one is a request to whom its maker names; who makes and destroys them again and
 * again has us flood somebody else. */
static bool is_too_often(struct jmapd *d, uint64_t account_id)
{
	static const struct gcra_rate rate = {JMAP_PUSH_NEW, CLOCK_HOUR, JMAP_PUSH_NEW};
	static const struct hash_key key = {0x70757368, 0x6e6577};
	struct span id = span_of(&account_id, sizeof(account_id));
	bool is_often;

	pthread_mutex_lock(&d->lock);
	is_often = gcra_take(&d->push_new[hash_bytes(&key, id) % JMAP_PUSH_SLOTS], &rate,
			   loop_now_ns()) > 0;
	pthread_mutex_unlock(&d->lock);
	return is_often;
}

static FIBER int push_create(struct jmap_set *s, const struct json_in *object, struct span *id_r,
	struct span *server_set_r, struct jmap_set_error *why_r, struct err *e)
{
	struct jmap_call *c = s->call;
	struct push p = {.account_id = c->user.account_id, .by = c->user.by};
	struct buf *b = arena_buf(c->a, 256), *id = arena_buf(c->a, 64);
	struct err why = {0};
	struct json_out j;

	if (!read_new(c->a, object, &p, why_r))
		return 0;
	if (is_too_often(c->d, c->user.account_id)) {
		*why_r = (struct jmap_set_error){.type = "rateLimit"};
		return 0;
	}
	p.code = new_code(c->a);
	if (push_add(c->d->opts.store, &p, &why) < 0) {
		if (why.code != ERR_LIMIT)
			return err_copy(e, &why);
		*why_r = (struct jmap_set_error){.type = "overQuota"};
		return 0;
	}
	enc_put_object(id, 'P', p.id);
	*id_r = buf_span(id);
	json_out_init(&j, b);
	json_open_object(&j);
	json_key(&j, "expires");
	jmap_put_date(&j, p.expires_ns);
	json_kv_str(&j, "keys", NULL);
	json_close(&j);
	*server_set_r = buf_span(b);
	jmap_push_moved(c->d);
	return 0;
}

/* What the client may not change it may send back as it is (RFC 8620 section 5.3). */
static bool is_same(const struct push *p, struct span property, const struct json_in *value)
{
	struct span text = json_in_span(value);
	uint64_t id;

	if (span_eq(property, SPAN("id")))
		return enc_get_object(text, 'P', &id) && id == p->id;
	if (span_eq(property, SPAN("deviceClientId")))
		return span_eq(text, p->device);
	if (span_eq(property, SPAN("url")))
		return span_eq(text, p->url);
	if (span_eq(property, SPAN("verificationCode")))
		return json_in_is_null(value) && !p->is_verified;
	return span_eq(property, SPAN("keys")) && !p->p256dh.len && json_in_is_null(value);
}

static void patch_one(struct arena *a, struct push *p, const struct jmap_patch *line,
	struct jmap_set_error *why_r)
{
	const char *property = arena_str(a, line->property);

	if (line->rest_count) {
		*why_r = (struct jmap_set_error){.type = "invalidPatch"};
	} else if (is_same(p, line->property, line->value)) {
		return;
	} else if (span_eq(line->property, SPAN("verificationCode"))) {
		/* RFC 8620 section 7.2.2 */
		if (span_eq(json_in_span(line->value), p->code))
			p->is_verified = true;
		else
			jmap_bad_property_too(a, why_r, property, "it is another one");
	} else if (span_eq(line->property, SPAN("types"))) {
		if (!read_types(a, line->value, p))
			jmap_bad_property_too(a, why_r, property, "a list of types is needed");
	} else if (span_eq(line->property, SPAN("expires"))) {
		if (!read_expires(line->value, p))
			jmap_bad_property_too(a, why_r, property, "a time to come is needed");
	} else {
		jmap_bad_property_too(a, why_r, property, "the property cannot be changed");
	}
}

static FIBER int push_change(struct jmap_set *s, uint64_t id, struct span id_text,
	const struct json_in *patch, struct span *server_set_r, struct jmap_set_error *why_r,
	struct err *e)
{
	struct jmap_call *c = s->call;
	struct buf *b = arena_buf(c->a, 256);
	struct jmap_patch *lines;
	struct push *list, *p;
	size_t count, line_count;
	struct json_out j;
	int64_t was;

	if (list_mine(c, &list, &count, e) < 0)
		return -1;
	p = push_of(list, count, id);
	if (!p) {
		*why_r = (struct jmap_set_error){.type = "notFound"};
		return 0;
	}
	was = p->expires_ns;
	if (!jmap_patch_read(c->a, patch, &lines, &line_count, why_r))
		return 0;
	for (size_t i = 0; i < line_count; i++)
		patch_one(c->a, p, &lines[i], why_r);
	if (why_r->type)
		return 0;
	if (push_update(c->d->opts.store, p, e) < 0)
		return -1;
	jmap_push_moved(c->d);
	if (p->expires_ns == was)
		return 0;
	json_out_init(&j, b);
	json_open_object(&j);
	json_key(&j, "expires");
	jmap_put_date(&j, p->expires_ns);
	json_close(&j);
	*server_set_r = buf_span(b);
	return 0;
}

static FIBER int push_destroy(struct jmap_set *s, uint64_t id, struct span id_text,
	struct jmap_set_error *why_r, struct err *e)
{
	struct jmap_call *c = s->call;
	struct err why = {0};
	struct push *list;
	size_t count;

	if (list_mine(c, &list, &count, e) < 0)
		return -1;
	if (push_of(list, count, id) &&
		push_remove(c->d->opts.store, c->user.account_id, id, &why) == 0) {
		jmap_push_moved(c->d);
		return 0;
	}
	if (why.code && why.code != ERR_NOT_FOUND)
		return err_copy(e, &why);
	*why_r = (struct jmap_set_error){.type = "notFound"};
	return 0;
}

static const struct jmap_set_type push_set_type = {
	.type = &push_type, .create = push_create, .update = push_change, .destroy = push_destroy};

static FIBER int push_set(struct jmap_call *c, struct err *e)
{
	return jmap_set_run(c, &push_set_type, NULL, e);
}

const struct jmap_method jmap_push_methods[] = {
	{"PushSubscription/get", JMAP_CAP_PLACE_CORE, 0, push_get},
	{"PushSubscription/set", JMAP_CAP_PLACE_CORE, 0, push_set},
	{0},
};
