/* Threads (RFC 8621 section 3). */
#include "services/jmapd/jmapd_email.h"

static const char *const properties[] = {"id", "emailIds", NULL};
static const struct jmap_type thread_type = {"Thread", 'T', properties, 0};
static void put_thread(struct jmap_call *c, const struct jmap_get *g, const struct email_thread *t)
{
	json_open_object(c->out);
	json_key(c->out, "id");
	jmap_put_id(c->out, 'T', t->id);
	if (jmap_get_wants(g, "emailIds")) {
		json_key(c->out, "emailIds");
		json_open_array(c->out);
		for (size_t i = 0; i < t->count; i++)
			jmap_put_id(c->out, 'M', t->emails[i]);
		json_close(c->out);
	}
	json_close(c->out);
}

static FIBER int get(struct jmap_call *c, struct err *e)
{
	struct store *store = jmapd_opts_of(c->d)->store;
	struct email_thread *list;
	struct email_states states;
	struct jmap_get g;
	uint64_t state;

	if (jmap_get_begin(c, &g, &thread_type, e) < 0)
		return -1;
	if (g.is_all) /* there is no bound to how many they are (RFC 8620 section 5.1) */
		return jmap_fail(c, "requestTooLarge", e, "Threads have to be named");
	list = ARENA_ARRAY(c->a, struct email_thread, g.count + 1);
	if (email_states(store, g.account->id, &states, e) < 0)
		return err_wrap(e, "the state of threads");
	state = states.thread;
	if (g.count &&
		email_threads(store, c->a, &g.account->eyes, g.numbers, g.count, list, &state, e) <
			0)
		return err_wrap(e, "reading threads");
	json_key(c->out, "list");
	json_open_array(c->out);
	for (size_t i = 0; i < g.count; i++)
		if (list[i].count)
			put_thread(c, &g, &list[i]);
		else
			jmap_get_missing(c, &g, g.ids[i]);
	json_close(c->out);
	jmap_get_end(c, &g, state);
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
	if (email_thread_changes(jmapd_opts_of(c->d)->store, c->a, &ch.account->eyes, &result, e) <
		0)
		return jmap_changes_failed(c, e);
	jmap_changes_end(c, &ch, &result, 'T');
	return 0;
}

const struct jmap_method jmap_thread_methods[] = {
	{"Thread/get", JMAP_CAP_PLACE_MAIL, JMAP_MAY_PACK, get},
	{"Thread/changes", JMAP_CAP_PLACE_MAIL, JMAP_MAY_PACK, changes},
	{0},
};
