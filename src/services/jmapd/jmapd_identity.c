/* Identity (RFC 8621 section 6): under which names and addresses somebody writes. */
#include "services/jmapd/jmapd_send.h"

#include <string.h>

#include "base/enc.h"
#include "store/account.h"

#define IDENTITY_TEXT_MAX      (64 * 1024) /* octets of a signature */
#define IDENTITY_NAME_MAX      500
#define IDENTITY_ADDRESSES_MAX 100

static const char *const identity_properties[] = {"id", "name", "email", "replyTo", "bcc",
	"textSignature", "htmlSignature", "mayDelete", NULL};
static const struct jmap_type identity_type = {
	"Identity", 'I', identity_properties, OBJECT_IDENTITY};

/* The first who asks finds what the directory says that he may write as. */
static FIBER int make_first(struct jmap_call *c, const struct jmap_account *account, struct err *e)
{
	struct store *s = jmapd_opts_of(c->d)->store;
	struct account_identity *list;
	struct outbox_identity *made;
	size_t count;

	if (account_identities(s, c->a, account->id, &list, &count, e) < 0)
		return -1;
	count = count < OUTBOX_IDENTITIES / 2 ? count : OUTBOX_IDENTITIES / 2;
	made = ARENA_ARRAY(c->a, struct outbox_identity, count + 1);
	for (size_t i = 0; i < count; i++) {
		bool is_pattern = list[i].address.len && list[i].address.ptr[0] == '@';

		made[i] = (struct outbox_identity){.id = store_new_id(s),
			.account_id = account->id,
			.name = list[i].name.len ? list[i].name : c->user.name,
			/* RFC 8621 section 6: "*" for any local part */
			.email = span_str(arena_printf(c->a, "%s" SPAN_FMT, is_pattern ? "*" : "",
				SPAN_ARG(list[i].address))),
			.rank = (int)i};
	}
	return count ? outbox_identities_first(s, account->id, made, count, e) : 0;
}

FIBER int jmap_identities(struct jmap_call *c, const struct jmap_account *account,
	struct outbox_identity **list_r, size_t *count_r, struct err *e)
{
	struct store *s = jmapd_opts_of(c->d)->store;

	if (outbox_identities(s, c->a, account->id, list_r, count_r, e) < 0)
		return -1;
	if (*count_r)
		return 0;
	if (make_first(c, account, e) < 0)
		return -1;
	return outbox_identities(s, c->a, account->id, list_r, count_r, e);
}

/* ---- get ---- */

static void put_json(struct json_out *j, const char *key, struct span json)
{
	json_key(j, key);
	if (json.len)
		json_raw(j, json);
	else
		json_null(j);
}

static void put(struct jmap_call *c, const struct jmap_get *g, const struct outbox_identity *i)
{
	struct json_out *j = c->out;

	json_open_object(j);
	json_key(j, "id");
	jmap_put_id(j, 'I', i->id);
	if (jmap_get_wants(g, "name"))
		json_kv_span(j, "name", i->name);
	if (jmap_get_wants(g, "email"))
		json_kv_span(j, "email", i->email);
	if (jmap_get_wants(g, "replyTo"))
		put_json(j, "replyTo", i->reply_to);
	if (jmap_get_wants(g, "bcc"))
		put_json(j, "bcc", i->bcc);
	if (jmap_get_wants(g, "textSignature"))
		json_kv_span(j, "textSignature", i->text_signature);
	if (jmap_get_wants(g, "htmlSignature"))
		json_kv_span(j, "htmlSignature", i->html_signature);
	if (jmap_get_wants(g, "mayDelete"))
		json_kv_bool(j, "mayDelete", i->may_delete);
	json_close(j);
}

static const struct outbox_identity *find(
	const struct outbox_identity *list, size_t count, uint64_t id)
{
	for (size_t i = 0; id && i < count; i++)
		if (list[i].id == id)
			return &list[i];
	return NULL;
}

static FIBER int identity_get(struct jmap_call *c, struct err *e)
{
	struct outbox_identity *list;
	struct jmap_get g;
	size_t count;
	uint64_t state;

	if (jmap_get_begin(c, &g, &identity_type, e) < 0 ||
		jmap_identities(c, g.account, &list, &count, e) < 0 ||
		object_state(
			jmapd_opts_of(c->d)->store, g.account->id, OBJECT_IDENTITY, &state, e) < 0)
		return -1;
	json_key(c->out, "list");
	json_open_array(c->out);
	for (size_t i = 0; g.is_all && i < count; i++)
		put(c, &g, &list[i]);
	for (size_t i = 0; !g.is_all && i < g.count; i++) {
		const struct outbox_identity *one = find(list, count, g.numbers[i]);

		if (one)
			put(c, &g, one);
		else
			jmap_get_missing(c, &g, g.ids[i]);
	}
	json_close(c->out);
	jmap_get_end(c, &g, state);
	return 0;
}

static FIBER int identity_changes(struct jmap_call *c, struct err *e)
{
	return jmap_changes_of_objects(c, &identity_type, e);
}

/* ---- set ---- */

/* null in a patch is the default (RFC 8620 section 5.3). */
static bool take_text(
	const struct json_in *v, size_t max, bool is_line, bool is_patch, struct span *text_r)
{
	if (is_patch && json_in_is_null(v)) {
		*text_r = SPAN("");
		return true;
	}
	*text_r = json_in_span(v);
	return json_in_is_text(v) && text_r->len <= max &&
		!(is_line && span_has_line_break(*text_r)) && span_find(*text_r, '\0') < 0;
}

/* An EmailAddress (RFC 8621 section 4.1.2.3): its name is null where it was not said. */
static bool take_address(const struct json_in *one, struct json_out *j)
{
	const struct json_in *v, *name = json_in_get(one, "name");
	struct span email = json_in_text(one, "email");
	const char *member;
	void *at = NULL;

	if (!json_in_is_object(one) || !email.len || span_has_line_break(email) ||
		(name && !json_in_is_null(name) && !json_in_is_text(name)))
		return false;
	while (json_in_next(one, &at, &member, &v))
		if (strcmp(member, "name") && strcmp(member, "email"))
			return false;
	json_open_object(j);
	json_key(j, "name");
	if (name && json_in_is_text(name))
		json_span(j, json_in_span(name));
	else
		json_null(j);
	json_kv_span(j, "email", email);
	json_close(j);
	return true;
}

/* EmailAddress[] or null, kept as JSON. */
static bool take_addresses(struct arena *a, const struct json_in *v, struct span *json_r)
{
	struct buf *b = arena_buf(a, JMAP_PLAIN_MAX);
	struct json_out j;

	*json_r = SPAN("");
	if (json_in_is_null(v))
		return true;
	if (!json_in_is_array(v) || json_in_count(v) > IDENTITY_ADDRESSES_MAX)
		return false;
	json_out_init(&j, b);
	json_open_array(&j);
	for (size_t i = 0; i < json_in_count(v); i++)
		if (!take_address(json_in_at(v, i), &j))
			return false;
	json_close(&j);
	*json_r = buf_span(b);
	return buf_ok(b);
}

/* One member; false: it cannot be set so. */
static bool take_member(struct arena *a, struct outbox_identity *i, struct span name,
	const struct json_in *v, bool is_patch)
{
	if (span_eq(name, SPAN("name")))
		return take_text(v, IDENTITY_NAME_MAX, true, is_patch, &i->name);
	if (span_eq(name, SPAN("replyTo")))
		return take_addresses(a, v, &i->reply_to);
	if (span_eq(name, SPAN("bcc")))
		return take_addresses(a, v, &i->bcc);
	if (span_eq(name, SPAN("textSignature")))
		return take_text(v, IDENTITY_TEXT_MAX, false, is_patch, &i->text_signature);
	if (span_eq(name, SPAN("htmlSignature")))
		return take_text(v, IDENTITY_TEXT_MAX, false, is_patch, &i->html_signature);
	return false;
}

static FIBER int may_write_as(
	struct jmap_call *c, uint64_t account_id, struct span address, bool *may_r, struct err *e)
{
	const struct jmapd_opts *o = jmapd_opts_of(c->d);
	enum account_way way;

	if (account_may_send(o->store, account_id, address, o->separator, &way, e) < 0)
		return -1;
	*may_r = way != ACCOUNT_NOT_ITS;
	return 0;
}

/* Are they kept otherwise than they were said? */
static bool is_completed(const struct json_in *addresses)
{
	for (size_t i = 0; i < json_in_count(addresses); i++)
		if (!json_in_get(json_in_at(addresses, i), "name"))
			return true;
	return false;
}

static void tell_completed(
	struct buf *b, const struct json_in *object, const struct outbox_identity *i)
{
	if (is_completed(json_in_get(object, "replyTo")))
		buf_printf(b, ",\"replyTo\":" SPAN_FMT, SPAN_ARG(i->reply_to));
	if (is_completed(json_in_get(object, "bcc")))
		buf_printf(b, ",\"bcc\":" SPAN_FMT, SPAN_ARG(i->bcc));
}

/* What the server has set: the defaults too (RFC 8620 section 5.3). */
static void tell_created(struct jmap_call *c, const struct json_in *object,
	const struct outbox_identity *i, struct span *id_r, struct span *server_set_r)
{
	static const struct {
		const char *name, *json;
	} defaults[] = {{"name", "\"\""}, {"replyTo", "null"}, {"bcc", "null"},
		{"textSignature", "\"\""}, {"htmlSignature", "\"\""}};
	struct buf *b = arena_buf(c->a, JMAP_PLAIN_MAX);

	enc_put_object(b, 'I', i->id);
	*id_r = arena_span(c->a, buf_span(b));
	buf_clear(b);
	buf_printf(b, "{\"id\":\"" SPAN_FMT "\",\"mayDelete\":true", SPAN_ARG(*id_r));
	for (size_t n = 0; n < sizeof(defaults) / sizeof(defaults[0]); n++)
		if (!json_in_get(object, defaults[n].name))
			buf_printf(b, ",\"%s\":%s", defaults[n].name, defaults[n].json);
	tell_completed(b, object, i);
	buf_char(b, '}');
	*server_set_r = buf_span(b);
}

static FIBER int create(struct jmap_set *set, const struct json_in *object, struct span *id_r,
	struct span *server_set_r, struct jmap_set_error *why_r, struct err *e)
{
	struct jmap_call *c = set->call;
	struct store *s = jmapd_opts_of(c->d)->store;
	struct outbox_identity made = {.id = store_new_id(s),
		.account_id = set->account->id,
		.may_delete = true,
		.rank = 1000};
	const struct json_in *v;
	struct err why = {0};
	const char *name;
	bool may = false;
	void *at = NULL;

	while (json_in_next(object, &at, &name, &v)) {
		if (span_eq(span_str(name), SPAN("email")) && json_in_is_text(v)) {
			made.email = json_in_span(v);
		} else if (!take_member(c->a, &made, span_str(name), v, false)) {
			jmap_bad_property_too(c->a, why_r, name, "it cannot be set, or not so");
		}
	}
	if (!made.email.len)
		jmap_bad_property_too(c->a, why_r, "email", "an address is needed");
	if (why_r->type)
		return 0;
	if (may_write_as(c, set->account->id, made.email, &may, e) < 0)
		return -1;
	if (!may) {
		*why_r = (struct jmap_set_error){.type = "forbiddenFrom",
			.description = "you may not write under this address"};
		return 0;
	}
	if (outbox_identity_put(s, &made, true, &why) < 0) {
		if (why.code != ERR_LIMIT)
			return err_copy(e, &why);
		*why_r = (struct jmap_set_error){.type = "overQuota"};
		return 0;
	}
	tell_created(c, object, &made, id_r, server_set_r);
	return 0;
}

static bool is_as_it_is(const struct outbox_identity *i, struct span id_text, const char *name,
	const struct json_in *v)
{
	if (span_eq(span_str(name), SPAN("id")))
		return span_eq(json_in_span(v), id_text);
	if (span_eq(span_str(name), SPAN("email")))
		return span_eq(json_in_span(v), i->email);
	return span_eq(span_str(name), SPAN("mayDelete")) && json_in_is_bool(v) &&
		json_in_truth(v) == i->may_delete;
}

static FIBER int update(struct jmap_set *set, uint64_t id, struct span id_text,
	const struct json_in *patch, struct span *server_set_r, struct jmap_set_error *why_r,
	struct err *e)
{
	struct jmap_call *c = set->call;
	const struct outbox_identity *found;
	struct outbox_identity *list, now;
	const struct json_in *v;
	const char *name;
	struct buf *b;
	void *at = NULL;
	size_t count;

	if (jmap_identities(c, set->account, &list, &count, e) < 0)
		return -1;
	found = find(list, count, id);
	if (!found) {
		*why_r = (struct jmap_set_error){.type = "notFound"};
		return 0;
	}
	now = *found;
	while (json_in_next(patch, &at, &name, &v)) {
		if (take_member(c->a, &now, span_str(name), v, true) ||
			is_as_it_is(found, id_text, name, v))
			continue;
		jmap_bad_property_too(c->a, why_r, name, "it cannot be changed, or not so");
	}
	if (why_r->type)
		return 0;
	if (outbox_identity_put(jmapd_opts_of(c->d)->store, &now, false, e) < 0)
		return -1;
	b = arena_buf(c->a, JMAP_PLAIN_MAX);
	tell_completed(b, patch, &now);
	if (buf_len(b)) /* without its first comma */
		*server_set_r = span_str(
			arena_printf(c->a, "{" SPAN_FMT "}", SPAN_ARG(span_skip(buf_span(b), 1))));
	return 0;
}

static FIBER int destroy(struct jmap_set *set, uint64_t id, struct span id_text,
	struct jmap_set_error *why_r, struct err *e)
{
	struct outbox_identity *list;
	const struct outbox_identity *found;
	bool was_there = false;
	size_t count;

	if (jmap_identities(set->call, set->account, &list, &count, e) < 0)
		return -1;
	found = find(list, count, id);
	if (!found)
		*why_r = (struct jmap_set_error){.type = "notFound"};
	else if (!found->may_delete)
		*why_r = (struct jmap_set_error){.type = "forbidden",
			.description = "an address of the account itself stays"};
	else
		return outbox_identity_remove(
			jmapd_opts_of(set->call->d)->store, set->account->id, id, &was_there, e);
	return 0;
}

static const struct jmap_set_type identity_set_type = {
	.type = &identity_type, .create = create, .update = update, .destroy = destroy};

static FIBER int identity_set(struct jmap_call *c, struct err *e)
{
	struct jmap_account *account;
	struct outbox_identity *list;
	size_t count;

	/* the first ones come before the state that is told */
	if (jmap_account(c, &account, e) < 0 || jmap_identities(c, account, &list, &count, e) < 0)
		return -1;
	return jmap_set_run(c, &identity_set_type, NULL, e);
}

const struct jmap_method jmap_identity_methods[] = {
	{"Identity/get", JMAP_CAP_PLACE_SUBMISSION, JMAP_MAY_PACK, identity_get},
	{"Identity/changes", JMAP_CAP_PLACE_SUBMISSION, 0, identity_changes},
	{"Identity/set", JMAP_CAP_PLACE_SUBMISSION, JMAP_CHANGES_STATE, identity_set},
	{NULL, 0, 0, NULL},
};
