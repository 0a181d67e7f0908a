/* Email/get and Email/changes (RFC 8621 sections 4.2 and 4.3). */
#include "services/jmapd/jmapd_email.h"

#include "base/must.h"

static const struct jmap_type email_type = {.name = "Email", .kind = 'M'};

struct getting {
	struct jmap_call *c;
	struct jmap_get get;
	struct jmap_email_want want;
	uint64_t state;
	bool has_state;
};

/* RFC 8620 section 5.1: all there are, when they are no more than may be told at once. */
static FIBER int all_ids(struct getting *g, struct err *e)
{
	struct jmap_call *c = g->c;
	struct email_query q = {.limit = JMAP_GET_MAX + 1};

	if (email_query(jmapd_opts_of(c->d)->store, c->a, &g->get.account->eyes, &q, e) < 0)
		return err_wrap(e, "all Emails");
	if (q.count > JMAP_GET_MAX)
		return jmap_fail(c, "requestTooLarge", e, "there are too many Emails: name them");
	g->get.numbers = q.ids;
	g->get.count = q.count;
	g->get.ids = NULL;
	return 0;
}

static FIBER int load_extras(struct getting *g, struct arena *a, const struct email *list,
	size_t count, void **states, struct err *e)
{
	bool is_wanted[JMAP_EMAIL_EXTRAS_MAX] = {false};

	for (size_t i = 0; i < g->want.count; i++)
		if (g->want.list[i].id == JMAP_EMAIL_EXTRA)
			is_wanted[g->want.list[i].extra] = true;
	for (size_t i = 0; jmap_email_extras[i].name; i++) {
		MUST(i < JMAP_EMAIL_EXTRAS_MAX);
		if (is_wanted[i] &&
			jmap_email_extras[i].load(
				g->c, g->get.account, a, list, count, &states[i], e) < 0)
			return err_wrap(e, "%s", jmap_email_extras[i].name);
	}
	return 0;
}

static FIBER int get_page(
	struct getting *g, struct arena *a, size_t from, size_t count, struct err *e)
{
	struct jmap_call *c = g->c;
	struct email *list = ARENA_ARRAY(a, struct email, count);
	struct jmap_email_item *items = ARENA_ARRAY(a, struct jmap_email_item, count);
	void *extras[JMAP_EMAIL_EXTRAS_MAX] = {NULL};
	uint64_t state;

	if (email_get(jmapd_opts_of(c->d)->store, a, &g->get.account->eyes, g->get.numbers + from,
		    count, jmap_email_columns(&g->want), list, &state, e) < 0)
		return err_wrap(e, "reading Emails");
	/* what a later page tells may be newer: whoever asks for changes since the first hears of it */
	if (!g->has_state)
		g->state = state;
	g->has_state = true;
	for (size_t i = 0; i < count; i++)
		if (!list[i].row_count && g->get.ids)
			jmap_get_missing(c, &g->get, g->get.ids[from + i]);
	if (jmap_email_read(c, a, &g->want, list, count, items, e) < 0 ||
		load_extras(g, a, list, count, extras, e) < 0)
		return -1;
	return jmap_put_emails(c, a, &g->want, items, count, extras, e);
}

static FIBER int get_pages(struct getting *g, struct err *e)
{
	int rc = 0;

	for (size_t at = 0; at < g->get.count && rc == 0; at += JMAP_EMAIL_PAGE) {
		size_t left = g->get.count - at;
		struct arena *a = arena_new();

		rc = get_page(g, a, at, left < JMAP_EMAIL_PAGE ? left : JMAP_EMAIL_PAGE, e);
		arena_free(&a);
	}
	return rc;
}

static FIBER int get(struct jmap_call *c, struct err *e)
{
	struct getting *g = ARENA_NEW(c->a, struct getting);
	struct email_states states;

	g->c = c;
	if (jmap_get_begin(c, &g->get, &email_type, e) < 0 ||
		jmap_email_want(c, g->get.properties, g->get.property_count, false, &g->want, e) <
			0 ||
		(g->get.is_all && all_ids(g, e) < 0))
		return -1;
	/* codes and links that open accounts stand in bodies and fields, and anybody can write beside them */
	c->is_plain = (g->want.needs & (JMAP_NEED_VALUES | JMAP_NEED_HEADER)) != 0;
	json_key(c->out, "list");
	json_open_array(c->out);
	if (get_pages(g, e) < 0)
		return -1;
	json_close(c->out);
	if (!g->has_state) {
		if (email_states(jmapd_opts_of(c->d)->store, g->get.account->id, &states, e) < 0)
			return err_wrap(e, "the state of Emails");
		g->state = states.email;
	}
	jmap_get_end(c, &g->get, g->state);
	return 0;
}

static FIBER int changes(struct jmap_call *c, struct err *e)
{
	struct jmap_changes ch;
	struct email_changes result = {0};

	if (jmap_changes_begin(c, &ch, e) < 0)
		return -1;
	result.since = ch.since;
	result.max = ch.max;
	if (email_changes(jmapd_opts_of(c->d)->store, c->a, &ch.account->eyes, &result, e) < 0)
		return jmap_changes_failed(c, e);
	jmap_changes_end(c, &ch, &result, 'M');
	return 0;
}

/* ERR_STATE of the store: `since` is none of its states, or too old. */
int jmap_changes_failed(struct jmap_call *c, struct err *e)
{
	if (e && e->code == ERR_STATE)
		return jmap_fail(c, "cannotCalculateChanges", e,
			"what changed since that state is not known any more");
	return -1;
}

const struct jmap_method jmap_email_methods[] = {
	{"Email/get", JMAP_CAP_PLACE_MAIL, JMAP_MAY_PACK, get},
	{"Email/changes", JMAP_CAP_PLACE_MAIL, JMAP_MAY_PACK, changes},
	{"Email/query", JMAP_CAP_PLACE_MAIL, JMAP_MAY_PACK, jmap_email_query},
	{"Email/queryChanges", JMAP_CAP_PLACE_MAIL, JMAP_MAY_PACK, jmap_email_query_changes},
	{"Email/parse", JMAP_CAP_PLACE_MAIL, 0, jmap_email_parse},
	{"SearchSnippet/get", JMAP_CAP_PLACE_MAIL, 0, jmap_snippet_get},
	{0},
};
