#include "services/jmapd/jmapd_contact_card.h"

#include <string.h>

#include "base/enc.h"
#include "base/must.h"
#include "run/loop.h"
#include "store/contact.h"

/* Contact: people, a type of our own (docs/jmap.md). */

#define SUGGEST_MAX 20

static const char *const contact_properties[] = {
	"id", "name", "emails", "phones", "org", "note", "isKept", "sentCount", "lastUsed", NULL};
static const struct jmap_type contact_type = {
	.name = "Contact", .kind = 'C', .properties = contact_properties, .object = OBJECT_CONTACT};

static struct store *store_of(const struct jmap_call *c)
{
	return jmapd_opts_of(c->d)->store;
}

/* ---- Contact/get ---- */

static void put_emails(struct json_out *j, const struct contact *x)
{
	json_key(j, "emails");
	json_open_array(j);
	for (size_t i = 0; i < x->address_count; i++) {
		json_open_object(j);
		json_kv_span(j, "email", x->addresses[i].address);
		json_kv_span(j, "label", x->addresses[i].label);
		json_close(j);
	}
	json_close(j);
}

static void put_contact(struct json_out *j, const struct jmap_get *g, const struct contact *x)
{
	json_open_object(j);
	json_key(j, "id");
	jmap_put_id(j, 'C', x->id);
	if (jmap_get_wants(g, "name"))
		json_kv_span(j, "name", x->name);
	if (jmap_get_wants(g, "emails"))
		put_emails(j, x);
	if (jmap_get_wants(g, "phones")) {
		json_key(j, "phones");
		json_raw(j, x->phones.len ? x->phones : SPAN("[]"));
	}
	if (jmap_get_wants(g, "org"))
		json_kv_span(j, "org", x->org);
	if (jmap_get_wants(g, "note"))
		json_kv_span(j, "note", x->note);
	if (jmap_get_wants(g, "isKept"))
		json_kv_bool(j, "isKept", x->is_kept);
	if (jmap_get_wants(g, "sentCount"))
		json_kv_u64(j, "sentCount", x->sent);
	if (jmap_get_wants(g, "lastUsed")) {
		json_key(j, "lastUsed");
		if (x->used_ns)
			jmap_put_date(j, x->used_ns);
		else
			json_null(j);
	}
	json_close(j);
}

/* ids null: the first JMAP_GET_MAX by name; more of them are requestTooLarge (RFC 8620 section 5.1). */
static FIBER int all_ids(struct jmap_call *c, struct jmap_get *g, struct err *e)
{
	struct contact_query q = {.text = SPAN(""), .kept = -1, .limit = CONTACT_PAGE};

	if (contact_query(store_of(c), c->a, g->account->id, &q, e) < 0)
		return -1;
	if (q.total > JMAP_GET_MAX)
		return jmap_fail(
			c, "requestTooLarge", e, "there are more contacts than one get tells");
	g->numbers = q.ids;
	g->count = q.count;
	return 0;
}

static FIBER int contact_get_method(struct jmap_call *c, struct err *e)
{
	struct jmap_get g = {0};
	struct contact *list;
	uint64_t state;

	if (jmap_get_begin(c, &g, &contact_type, e) < 0 ||
		object_state(store_of(c), g.account->id, OBJECT_CONTACT, &state, e) < 0 ||
		(g.is_all && g.account->is_own && all_ids(c, &g, e) < 0))
		return -1;
	list = ARENA_ARRAY(c->a, struct contact, g.count + 1);
	if (g.account->is_own && g.count &&
		contact_get(store_of(c), c->a, g.account->id, g.numbers, g.count, list, e) < 0)
		return -1;
	json_key(c->out, "list");
	json_open_array(c->out);
	for (size_t i = 0; i < g.count; i++) {
		if (list[i].id)
			put_contact(c->out, &g, &list[i]);
		else if (!g.is_all)
			jmap_get_missing(c, &g, g.ids[i]);
	}
	json_close(c->out);
	jmap_get_end(c, &g, state);
	return 0;
}

static FIBER int contact_changes(struct jmap_call *c, struct err *e)
{
	return jmap_changes_of_objects(c, &contact_type, e);
}

/* ---- Contact/query ---- */

static int read_filter(struct jmap_call *c, struct contact_query *q, struct err *e)
{
	const struct json_in *filter = json_in_get(c->args, "filter"), *value;
	const char *name;
	void *at = NULL;

	if (!json_in_is_object(filter))
		return 0;
	while (json_in_next(filter, &at, &name, &value)) {
		if (strcmp(name, "text") == 0 && json_in_is_text(value))
			q->text = json_in_span(value);
		else if (strcmp(name, "isKept") == 0 && json_in_is_bool(value))
			q->kept = json_in_truth(value);
		else
			return jmap_fail(c, "unsupportedFilter", e, "a filter has text and isKept");
	}
	return 0;
}

static int read_sort(struct jmap_call *c, struct contact_query *q, struct err *e)
{
	const struct json_in *sort = json_in_get(c->args, "sort");
	struct span property = json_in_text(json_in_at(sort, 0), "property");

	if (!json_in_is_array(sort) || !json_in_count(sort) || span_eq(property, SPAN("name")))
		return 0;
	if (!span_eq(property, SPAN("lastUsed")))
		return jmap_fail(
			c, "unsupportedSort", e, "contacts are sorted by name or lastUsed");
	q->order = CONTACT_BY_USE;
	return 0;
}

static FIBER int contact_query_method(struct jmap_call *c, struct err *e)
{
	struct contact_query q = {.text = SPAN(""), .kept = -1};
	int64_t position = 0, limit = CONTACT_PAGE;
	struct jmap_account *account;
	bool wants_total = false;
	uint64_t state;

	if (jmap_account(c, &account, e) < 0 || read_filter(c, &q, e) < 0 ||
		read_sort(c, &q, e) < 0 ||
		jmap_arg_int(c, "position", 0, CONTACT_MAX, &position, e) < 0 ||
		jmap_arg_int(c, "limit", 0, CONTACT_MAX, &limit, e) < 0 ||
		jmap_arg_bool(c, "calculateTotal", &wants_total, e) < 0 ||
		object_state(store_of(c), account->id, OBJECT_CONTACT, &state, e) < 0)
		return -1;
	q.position = (size_t)position;
	q.limit = limit < CONTACT_PAGE ? (size_t)limit : CONTACT_PAGE;
	if (account->is_own && contact_query(store_of(c), c->a, account->id, &q, e) < 0)
		return -1;
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', account->id);
	json_key(c->out, "queryState");
	jmap_put_state(c->out, state);
	json_kv_bool(c->out, "canCalculateChanges", false);
	json_kv_i64(c->out, "position", position);
	if (wants_total)
		json_kv_u64(c->out, "total", q.total);
	if (limit > CONTACT_PAGE)
		json_kv_u64(c->out, "limit", CONTACT_PAGE);
	json_key(c->out, "ids");
	json_open_array(c->out);
	for (size_t i = 0; i < q.count; i++)
		jmap_put_id(c->out, 'C', q.ids[i]);
	json_close(c->out);
	return 0;
}

/* ---- Contact/suggest ---- */

static FIBER int contact_suggest_method(struct jmap_call *c, struct err *e)
{
	struct contact_suggestion *list;
	struct jmap_account *account;
	struct span text = SPAN("");
	int64_t limit = 8;
	size_t count = 0;

	if (jmap_account(c, &account, e) < 0 || jmap_arg_text(c, "text", &text, e) < 0 ||
		jmap_arg_int(c, "limit", 1, SUGGEST_MAX, &limit, e) < 0)
		return -1;
	if (account->is_own &&
		contact_suggest(store_of(c), c->a, account->id, span_sub(text, 0, CONTACT_TEXT_MAX),
			(size_t)limit, loop_wall_ns(), &list, &count, e) < 0)
		return -1;
	json_key(c->out, "list");
	json_open_array(c->out);
	for (size_t i = 0; i < count; i++) {
		json_open_object(c->out);
		json_key(c->out, "id");
		jmap_put_id(c->out, 'C', list[i].id);
		json_kv_span(c->out, "name", list[i].name);
		json_kv_span(c->out, "email", list[i].address);
		json_close(c->out);
	}
	json_close(c->out);
	return 0;
}

/* ---- Contact/set ---- */

/* "emails": [{"email": …, "label": …}] */
static bool read_emails(struct arena *a, const struct json_in *list, struct contact *x)
{
	struct contact_address *to;

	if (!json_in_is_array(list) || json_in_count(list) > CONTACT_ADDRESSES_MAX)
		return false;
	to = ARENA_ARRAY(a, struct contact_address, json_in_count(list) + 1);
	for (size_t i = 0; i < json_in_count(list); i++) {
		to[i].address = arena_span(a, json_in_text(json_in_at(list, i), "email"));
		to[i].label = arena_span(a, json_in_text(json_in_at(list, i), "label"));
	}
	x->addresses = to;
	x->address_count = json_in_count(list);
	return true;
}

/* "phones": [{"number": …, "label": …}], kept as it is read. */
static bool read_phones(struct arena *a, const struct json_in *list, struct contact *x)
{
	struct buf *b = arena_buf(a, CONTACT_PHONES_MAX * 2);
	struct json_out j;

	if (!json_in_is_array(list))
		return false;
	json_out_init(&j, b);
	json_open_array(&j);
	for (size_t i = 0; i < json_in_count(list); i++) {
		json_open_object(&j);
		json_kv_span(&j, "number", json_in_text(json_in_at(list, i), "number"));
		json_kv_span(&j, "label", json_in_text(json_in_at(list, i), "label"));
		json_close(&j);
	}
	json_close(&j);
	x->phones = json_in_count(list) ? buf_span(b) : SPAN("");
	return buf_ok(b);
}

/* One member into the contact; false: it is not of its kind, or nobody sets it. */
static bool take_member(
	struct arena *a, const char *name, const struct json_in *v, struct contact *x)
{
	struct {
		const char *name;
		struct span *to;
	} texts[] = {{"name", &x->name}, {"org", &x->org}, {"note", &x->note}};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (strcmp(name, texts[i].name) != 0)
			continue;
		if (!json_in_is_text(v) && !json_in_is_null(v))
			return false;
		*texts[i].to = json_in_is_text(v) ? arena_span(a, json_in_span(v)) : SPAN("");
		return true;
	}
	if (strcmp(name, "emails") == 0)
		return read_emails(a, v, x);
	if (strcmp(name, "phones") == 0)
		return read_phones(a, v, x);
	if (strcmp(name, "isKept") == 0 && json_in_is_bool(v)) {
		x->is_kept = json_in_truth(v);
		return true;
	}
	return false;
}

static FIBER int save(struct jmap_set *s, const struct json_in *members, struct contact *x,
	struct jmap_set_error *why_r, struct err *e)
{
	struct arena *a = s->call->a;
	const struct json_in *value;
	const char *name;
	void *at = NULL;
	uint64_t other;

	while (json_in_next(members, &at, &name, &value)) {
		const char **wrong;

		if (take_member(a, name, value, x))
			continue;
		wrong = ARENA_ARRAY(a, const char *, 2);
		wrong[0] = arena_printf(a, "%s", name);
		*why_r = (struct jmap_set_error){.type = "invalidProperties", .properties = wrong};
		return 0;
	}
	if (contact_put(store_of(s->call), s->account->id, x, &other, e) == 0)
		return 0;
	switch (e->code) {
	case ERR_EXISTS: {
		struct buf *b = arena_buf(a, 32);

		enc_put_object(b, 'C', other);
		*why_r = (struct jmap_set_error){
			.type = "alreadyExists", .existing_id = buf_span(b)};
		break;
	}
	case ERR_LIMIT: why_r->type = "tooLarge"; break;
	case ERR_SYNTAX: why_r->type = "invalidProperties"; break;
	case ERR_NOT_FOUND: why_r->type = "notFound"; break;
	default: return -1;
	}
	if (!why_r->description)
		why_r->description = arena_printf(a, "%s", e->text);
	err_clear(e);
	return 0;
}

static FIBER int contact_create(struct jmap_set *s, const struct json_in *object, struct span *id_r,
	struct span *server_set_r, struct jmap_set_error *why_r, struct err *e)
{
	struct contact x = {.is_kept = true,
		.name = SPAN(""),
		.org = SPAN(""),
		.note = SPAN(""),
		.phones = SPAN("")};
	struct buf *b = arena_buf(s->call->a, 32);

	if (!s->account->is_own) {
		why_r->type = "forbidden";
		return 0;
	}
	if (save(s, object, &x, why_r, e) < 0)
		return -1;
	if (why_r->type)
		return 0;
	enc_put_object(b, 'C', x.id);
	*id_r = buf_span(b);
	*server_set_r = SPAN("{\"sentCount\":0,\"lastUsed\":null}");
	return 0;
}

static FIBER int contact_update(struct jmap_set *s, uint64_t id, struct span id_text,
	const struct json_in *patch, struct span *server_set_r, struct jmap_set_error *why_r,
	struct err *e)
{
	struct contact x;

	(void)id_text, (void)server_set_r;
	if (contact_get(store_of(s->call), s->call->a, s->account->id, &id, 1, &x, e) < 0)
		return -1;
	if (!x.id || !s->account->is_own) {
		why_r->type = "notFound";
		return 0;
	}
	return save(s, patch, &x, why_r, e);
}

static FIBER int contact_destroy(struct jmap_set *s, uint64_t id, struct span id_text,
	struct jmap_set_error *why_r, struct err *e)
{
	(void)id_text;
	if (s->account->is_own && contact_remove(store_of(s->call), s->account->id, id, e) == 0)
		return 0;
	if (s->account->is_own && e->code != ERR_NOT_FOUND)
		return -1;
	err_clear(e);
	why_r->type = "notFound";
	return 0;
}

static FIBER int contact_set(struct jmap_call *c, struct err *e)
{
	static const struct jmap_set_type set = {.type = &contact_type,
		.create = contact_create,
		.update = contact_update,
		.destroy = contact_destroy};

	return jmap_set_run(c, &set, NULL, e);
}

const struct jmap_method jmap_contact_methods[] = {
	{"Contact/get", JMAP_CAP_PLACE_PAGE, 0, contact_get_method},
	{"Contact/changes", JMAP_CAP_PLACE_PAGE, 0, contact_changes},
	{"Contact/query", JMAP_CAP_PLACE_PAGE, 0, contact_query_method},
	{"Contact/suggest", JMAP_CAP_PLACE_PAGE, 0, contact_suggest_method},
	{"Contact/set", JMAP_CAP_PLACE_PAGE, JMAP_CHANGES_STATE, contact_set},
	{"Contact/import", JMAP_CAP_PLACE_PAGE, JMAP_CHANGES_STATE, jmap_contact_import},
	{"Contact/export", JMAP_CAP_PLACE_PAGE, 0, jmap_contact_export},
	{0},
};
