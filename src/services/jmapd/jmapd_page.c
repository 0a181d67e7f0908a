#include "services/jmapd/jmapd_priv.h"

#include <string.h>

#include "store/web_setting.h"

/* WebSettings: what the page remembers of its owner, one object "singleton" whose members are the page's own. */

#define SETTINGS_TRIES 5 /* when another tab changes them at the same moment */

static const char *const settings_properties[] = {"id", NULL};
static const struct jmap_type settings_type = {
	.name = "WebSettings", .properties = settings_properties, .object = OBJECT_SETTINGS};
#define SETTINGS_ID SPAN("singleton")

/* ---- WebSettings/get ---- */

static int put_members(struct jmap_call *c, struct span json, struct err *e)
{
	const struct json_in *value;
	struct json_in *doc;
	struct buf b;
	const char *name;
	void *at = NULL;

	json_open_object(c->out);
	json_kv_span(c->out, "id", SETTINGS_ID);
	if (json.len) {
		doc = json_in_parse(json, e);
		if (!doc)
			return -1;
		buf_init(&b, WEB_SETTING_MAX * 2);
		while (json_in_next(doc, &at, &name, &value)) {
			buf_clear(&b);
			json_in_put(&b, value);
			json_key(c->out, name);
			json_raw(c->out, buf_span(&b));
		}
		buf_fini(&b);
		json_in_free(&doc);
	}
	json_close(c->out);
	return 0;
}

static bool asks_for_it(const struct jmap_get *g)
{
	for (size_t i = 0; i < g->count; i++) {
		if (span_eq(g->ids[i], SETTINGS_ID))
			return true;
	}
	return g->is_all;
}

static FIBER int settings_get(struct jmap_call *c, struct err *e)
{
	struct jmap_get g = {0};
	struct span json;
	uint64_t state;

	if (jmap_get_begin(c, &g, &settings_type, e) < 0 ||
		object_state(jmapd_opts_of(c->d)->store, g.account->id, OBJECT_SETTINGS, &state,
			e) < 0 ||
		web_setting_get(jmapd_opts_of(c->d)->store, c->a, g.account->id, &json, e) < 0)
		return -1;
	json_key(c->out, "list");
	json_open_array(c->out);
	if (g.account->is_own && asks_for_it(&g) && put_members(c, json, e) < 0)
		return -1;
	json_close(c->out);
	for (size_t i = 0; i < g.count; i++) {
		if (!g.account->is_own || !span_eq(g.ids[i], SETTINGS_ID))
			jmap_get_missing(c, &g, g.ids[i]);
	}
	jmap_get_end(c, &g, state);
	return 0;
}

/* ---- WebSettings/set ---- */

/* What the patch makes of it, as text in c->a; ptr NULL and *why_r: it cannot be done. */
static int patched(struct jmap_call *c, struct span was, const struct jmap_patch *list,
	size_t count, struct span *now_r, struct jmap_set_error *why_r, struct err *e)
{
	struct json_in *doc = was.len ? json_in_parse(was, e) : json_in_new_object(), *now;
	struct buf *b;

	*now_r = SPAN_NONE;
	if (!doc)
		return -1;
	now = jmap_patch_apply(c->a, doc, list, count, why_r);
	json_in_free(&doc);
	if (!now)
		return 0;
	json_in_remove(now, "id");
	b = arena_buf(c->a, WEB_SETTING_MAX + 1);
	json_in_put(b, now);
	json_in_free(&now);
	if (buf_ok(b) && buf_len(b) <= WEB_SETTING_MAX)
		*now_r = buf_span(b);
	else
		*why_r = (struct jmap_set_error){
			.type = "tooLarge", .description = "settings are at most 64 KiB"};
	return 0;
}

static FIBER int settings_update(struct jmap_set *s, uint64_t id, struct span id_text,
	const struct json_in *patch, struct span *server_set_r, struct jmap_set_error *why_r,
	struct err *e)
{
	struct jmap_call *c = s->call;
	struct store *store = jmapd_opts_of(c->d)->store;
	struct jmap_patch *list;
	size_t count;
	bool is_done = false;

	(void)id, (void)server_set_r;
	if (!s->account->is_own || !span_eq(id_text, SETTINGS_ID)) {
		why_r->type = "notFound";
		return 0;
	}
	if (!jmap_patch_read(c->a, patch, &list, &count, why_r))
		return 0;
	for (unsigned i = 0; i < SETTINGS_TRIES && !is_done; i++) {
		struct span was, now;

		if (web_setting_get(store, c->a, s->account->id, &was, e) < 0 ||
			patched(c, was, list, count, &now, why_r, e) < 0)
			return -1;
		if (!now.ptr)
			return 0;
		if (web_setting_replace(store, s->account->id, was, now, &is_done, e) < 0)
			return -1;
	}
	if (!is_done)
		return err_set(e, ERR_BUSY, "the settings are changed by too many at once");
	return 0;
}

static FIBER int settings_set(struct jmap_call *c, struct err *e)
{
	static const struct jmap_set_type set = {.type = &settings_type, .update = settings_update};

	return jmap_set_run(c, &set, NULL, e);
}

const struct jmap_method jmap_page_methods[] = {
	{"WebSettings/get", JMAP_CAP_PLACE_PAGE, JMAP_MAY_PACK, settings_get},
	{"WebSettings/set", JMAP_CAP_PLACE_PAGE, JMAP_CHANGES_STATE, settings_set},
	{0},
};
