/* VacationResponse (RFC 8621 section 8): a singleton. Who answers is jmapd_responder.c. */
#include "services/jmapd/jmapd_write.h"
#include "store/vacation.h"

static const char *const vacation_properties[] = {
	"id", "isEnabled", "fromDate", "toDate", "subject", "textBody", "htmlBody", NULL};
static const struct jmap_type vacation_type = {
	"VacationResponse", 0, vacation_properties, OBJECT_VACATION};

static void put_date(struct json_out *j, const char *key, int64_t ns)
{
	json_key(j, key);
	if (ns)
		jmap_put_date(j, ns);
	else
		json_null(j);
}

static void put_text(struct json_out *j, const char *key, struct span text)
{
	json_key(j, key);
	if (text.len)
		json_span(j, text);
	else
		json_null(j);
}

static void put(struct jmap_call *c, const struct jmap_get *g, const struct vacation *v)
{
	struct json_out *j = c->out;

	json_open_object(j);
	json_kv_str(j, "id", "singleton");
	if (jmap_get_wants(g, "isEnabled"))
		json_kv_bool(j, "isEnabled", v->is_enabled);
	if (jmap_get_wants(g, "fromDate"))
		put_date(j, "fromDate", v->from_ns);
	if (jmap_get_wants(g, "toDate"))
		put_date(j, "toDate", v->to_ns);
	if (jmap_get_wants(g, "subject"))
		put_text(j, "subject", v->subject);
	if (jmap_get_wants(g, "textBody"))
		put_text(j, "textBody", v->text_body);
	if (jmap_get_wants(g, "htmlBody"))
		put_text(j, "htmlBody", v->html_body);
	json_close(j);
}

static FIBER int vacation_get_method(struct jmap_call *c, struct err *e)
{
	struct store *s = jmapd_opts_of(c->d)->store;
	struct vacation v;
	struct jmap_get g;
	uint64_t state;
	bool is_wanted;

	if (jmap_get_begin(c, &g, &vacation_type, e) < 0 ||
		object_state(s, g.account->id, OBJECT_VACATION, &state, e) < 0 ||
		vacation_get(s, c->a, g.account->id, &v, e) < 0)
		return -1;
	is_wanted = g.is_all;
	for (size_t i = 0; i < g.count; i++) {
		if (span_eq(g.ids[i], SPAN("singleton")))
			is_wanted = true;
		else
			jmap_get_missing(c, &g, g.ids[i]);
	}
	json_key(c->out, "list");
	json_open_array(c->out);
	if (is_wanted)
		put(c, &g, &v);
	json_close(c->out);
	jmap_get_end(c, &g, state);
	return 0;
}

static bool take_date(const struct json_in *v, int64_t *ns_r)
{
	*ns_r = 0;
	return json_in_is_null(v) || jmap_date(json_in_span(v), ns_r);
}

static bool take_text(const struct json_in *v, bool is_line, struct span *text_r)
{
	*text_r = json_in_span(v);
	if (json_in_is_null(v))
		return true;
	return json_in_is_text(v) && text_r->len <= VACATION_TEXT_MAX &&
		span_find(*text_r, '\0') < 0 && !(is_line && span_has_line_break(*text_r));
}

static bool take_member(struct vacation *v, struct span name, const struct json_in *value)
{
	if (span_eq(name, SPAN("isEnabled"))) {
		v->is_enabled = json_in_truth(value);
		return json_in_is_bool(value);
	}
	if (span_eq(name, SPAN("fromDate")))
		return take_date(value, &v->from_ns);
	if (span_eq(name, SPAN("toDate")))
		return take_date(value, &v->to_ns);
	if (span_eq(name, SPAN("subject")))
		return take_text(value, true, &v->subject);
	if (span_eq(name, SPAN("textBody")))
		return take_text(value, false, &v->text_body);
	if (span_eq(name, SPAN("htmlBody")))
		return take_text(value, false, &v->html_body);
	return span_eq(name, SPAN("id")) && span_eq(json_in_span(value), SPAN("singleton"));
}

/* RFC 8620 section 5.3: what is kept otherwise than the client said, "" as null for instance. */
static void tell_others(struct jmap_call *c, const struct vacation *v, const struct json_in *patch,
	struct span *server_set_r)
{
	static const struct jmap_get all = {0};
	struct buf *b = arena_buf(c->a, JMAP_ANSWER_MAX);
	const struct json_in *value;
	struct json_in *now, *others = json_in_new_object();
	struct jmap_call inner = *c;
	struct json_out j;
	const char *name;
	void *at = NULL;

	json_out_init(&j, b);
	inner.out = &j;
	put(&inner, &all, v);
	now = json_in_parse_any(buf_span(b), JMAP_ANSWER_MAX, JSON_OUT_DEPTH, NULL);
	while (now && json_in_next(patch, &at, &name, &value))
		if (!json_in_is_same(json_in_get(now, name), value))
			json_in_set(others, name, json_in_get(now, name));
	if (json_in_size(others)) {
		buf_clear(b);
		json_in_put(b, others);
		*server_set_r = buf_span(b);
	}
	json_in_free(&others);
	if (now)
		json_in_free(&now);
}

static FIBER int update(struct jmap_set *set, uint64_t id, struct span id_text,
	const struct json_in *patch, struct span *server_set_r, struct jmap_set_error *why_r,
	struct err *e)
{
	struct store *s = jmapd_opts_of(set->call->d)->store;
	const struct json_in *value;
	struct vacation v;
	const char *name;
	void *at = NULL;

	if (vacation_get(s, set->call->a, set->account->id, &v, e) < 0)
		return -1;
	while (json_in_next(patch, &at, &name, &value))
		if (!take_member(&v, span_str(name), value))
			jmap_bad_property_too(
				set->call->a, why_r, name, "it cannot be changed, or not so");
	if (why_r->type)
		return 0;
	tell_others(set->call, &v, patch, server_set_r);
	return vacation_put(s, &v, e);
}

static const struct jmap_set_type vacation_set_type = {.type = &vacation_type, .update = update};

static FIBER int vacation_set(struct jmap_call *c, struct err *e)
{
	return jmap_set_run(c, &vacation_set_type, NULL, e);
}

const struct jmap_method jmap_vacation_methods[] = {
	{"VacationResponse/get", JMAP_CAP_PLACE_VACATION, 0, vacation_get_method},
	{"VacationResponse/set", JMAP_CAP_PLACE_VACATION, JMAP_CHANGES_STATE, vacation_set},
	{NULL, 0, 0, NULL},
};
