#include "services/jmapd/jmapd_core_priv.h"

#include "base/enc.h"

/* /get and /changes as they are the same for all types (RFC 8620 sections 5.1 and 5.2). */

/* ---- /get ---- */

static int check_properties(
	struct jmap_call *c, struct jmap_get *g, const struct jmap_type *type, struct err *e)
{
	if (jmap_arg_texts(c, "properties", &g->properties, &g->property_count, e) < 0)
		return -1;
	if (g->property_count > JMAP_PROPERTIES_MAX)
		return jmap_fail(
			c, "requestTooLarge", e, "more than %d properties", JMAP_PROPERTIES_MAX);
	for (size_t i = 0; type->properties && i < g->property_count; i++) {
		bool is_known = false;

		for (size_t k = 0; type->properties[k] && !is_known; k++)
			is_known = span_eq(span_str(type->properties[k]), g->properties[i]);
		if (!is_known)
			return jmap_fail_argument(
				c, e, "properties", "one of them is no property of the type");
	}
	return 0;
}

int jmap_arg_ids(
	struct jmap_call *c, const char *name, struct span **ids_r, size_t *count_r, struct err *e)
{
	struct hash_map seen;
	struct span *ids;
	size_t count, kept = 0;

	if (jmap_arg_texts(c, name, ids_r, &count, e) < 0)
		return -1;
	ids = *ids_r;
	if (count > JMAP_GET_MAX)
		return jmap_fail(c, "requestTooLarge", e, "more than %d ids", JMAP_GET_MAX);
	for (size_t i = 0; i < count; i++)
		if (!jmap_is_id(ids[i]) &&
			!(ids[i].len && ids[i].ptr[0] == '#' && jmap_is_id(span_skip(ids[i], 1))))
			return jmap_fail_argument(c, e, name, "one of them is no Id");
	hash_map_init(&seen, (struct hash_key){loop_random(), loop_random()});
	for (size_t i = 0; i < count; i++) {
		ids[i] = jmap_id_text(c, ids[i]);
		if (!hash_map_set(&seen, ids[i], ids))
			ids[kept++] = ids[i];
	}
	hash_map_fini(&seen);
	*count_r = kept;
	return 0;
}

int jmap_get_ids(
	struct jmap_call *c, struct jmap_get *g, const struct jmap_type *type, struct err *e)
{
	if (jmap_arg_ids(c, "ids", &g->ids, &g->count, e) < 0)
		return -1;
	g->is_all = !g->ids;
	g->numbers = ARENA_ARRAY(c->a, uint64_t, g->count + 1);
	g->not_found = ARENA_ARRAY(c->a, struct span, g->count + 1);
	for (size_t i = 0; i < g->count; i++)
		if (!type->kind || !enc_get_object(g->ids[i], type->kind, &g->numbers[i]))
			g->numbers[i] = 0;
	return 0;
}

static void put_account(struct jmap_call *c, const struct jmap_account *account)
{
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', account->id);
}

FIBER int jmap_get_begin(
	struct jmap_call *c, struct jmap_get *g, const struct jmap_type *type, struct err *e)
{
	*g = (struct jmap_get){0};
	if (jmap_account(c, &g->account, e) < 0 || jmap_get_ids(c, g, type, e) < 0 ||
		check_properties(c, g, type, e) < 0)
		return -1;
	put_account(c, g->account);
	return 0;
}

bool jmap_get_wants(const struct jmap_get *g, const char *property)
{
	/* the id is always there (RFC 8620 section 5.1) */
	if (!g->properties || span_eq(span_str(property), SPAN("id")))
		return true;
	for (size_t i = 0; i < g->property_count; i++)
		if (span_eq(g->properties[i], span_str(property)))
			return true;
	return false;
}

void jmap_get_missing(struct jmap_call *c, struct jmap_get *g, struct span id)
{
	/* each id of the client's at most once: there is room */
	if (g->not_found_count < g->count)
		g->not_found[g->not_found_count++] = id;
}

void jmap_get_end(struct jmap_call *c, struct jmap_get *g, uint64_t state)
{
	struct buf *b = arena_buf(c->a, 32);

	buf_u64(b, state);
	jmap_get_end_text(c, g, buf_span(b));
}

void jmap_get_end_text(struct jmap_call *c, struct jmap_get *g, struct span state)
{
	json_kv_span(c->out, "state", state);
	jmap_get_end_missing(c, g);
}

void jmap_get_end_missing(struct jmap_call *c, const struct jmap_get *g)
{
	json_key(c->out, "notFound");
	json_open_array(c->out);
	for (size_t i = 0; i < g->not_found_count; i++)
		json_span(c->out, g->not_found[i]);
	json_close(c->out);
}

/* ---- /changes ---- */

FIBER int jmap_changes_begin(struct jmap_call *c, struct jmap_changes *ch, struct err *e)
{
	struct span since = SPAN_NONE;
	int64_t max = 0;

	*ch = (struct jmap_changes){0};
	if (jmap_account(c, &ch->account, e) < 0 || jmap_arg_text(c, "sinceState", &since, e) < 0 ||
		jmap_arg_int(c, "maxChanges", 1, JSON_IN_INT, &max, e) < 0)
		return -1;
	if (!since.ptr)
		return jmap_fail_argument(c, e, "sinceState", "a string is needed");
	if (!jmap_state_of(since, &ch->since))
		return jmap_fail(
			c, "cannotCalculateChanges", e, "the state is none of this server's");
	ch->max = (size_t)max;
	return 0;
}

static void put_state_named(struct json_out *j, const char *name, uint64_t state)
{
	json_key(j, name);
	jmap_put_state(j, state);
}

/* A singleton has one id for ever (RFC 8620 section 5). */
static void put_changed_id(struct json_out *j, char kind, uint64_t id)
{
	if (kind)
		jmap_put_id(j, kind, id);
	else
		json_str(j, "singleton");
}

void jmap_changes_end(struct jmap_call *c, const struct jmap_changes *ch,
	const struct email_changes *result, char kind)
{
	static const struct {
		const char *name;
		enum email_change_how how;
	} lists[] = {
		{"created", EMAIL_CREATED},
		{"updated", EMAIL_UPDATED},
		{"destroyed", EMAIL_DESTROYED},
	};

	put_account(c, ch->account);
	put_state_named(c->out, "oldState", ch->since);
	put_state_named(c->out, "newState", result->upto);
	json_kv_bool(c->out, "hasMoreChanges", result->is_more);
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		json_key(c->out, lists[i].name);
		json_open_array(c->out);
		for (size_t k = 0; k < result->count; k++)
			if (result->list[k].how == lists[i].how)
				put_changed_id(c->out, kind, result->list[k].id);
		json_close(c->out);
	}
}

FIBER int jmap_changes_of_objects(struct jmap_call *c, const struct jmap_type *type, struct err *e)
{
	struct jmap_changes ch;
	struct email_changes result = {0};
	struct object_change *list;
	struct err why = {0};

	if (jmap_changes_begin(c, &ch, e) < 0)
		return -1;
	if (object_changes(c->d->opts.store, c->a, ch.account->id, type->object, ch.since, ch.max,
		    &list, &result.count, &result.upto, &result.is_more, &why) < 0)
		return why.code == ERR_STATE
			? jmap_fail(c, "cannotCalculateChanges", e, "the state is not known")
			: err_copy(e, &why);
	result.list = ARENA_ARRAY(c->a, struct email_change, result.count + 1);
	for (size_t i = 0; i < result.count; i++)
		result.list[i] = (struct email_change){
			list[i].id, (enum email_change_how)list[i].how};
	jmap_changes_end(c, &ch, &result, type->kind);
	return 0;
}
