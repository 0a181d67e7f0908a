#include "services/jmapd/jmapd_core_priv.h"

#include "base/enc.h"

/* /set as it is the same for all types (RFC 8620 section 5.3). */

/* What has become of each, gathered while it is done: three lists of the good, three of the others. */
struct outcome {
	struct buf *buf;
	struct json_out json;
	size_t count;
};
enum outcomes { CREATED, UPDATED, DESTROYED, NOT_CREATED, NOT_UPDATED, NOT_DESTROYED, OUTCOMES };
static const char *const outcome_names[OUTCOMES] = {
	"created", "updated", "destroyed", "notCreated", "notUpdated", "notDestroyed"};

/* What was refused, and may be possible once others have changed. */
struct refusal {
	enum outcomes which;
	struct span name;
	const struct json_in *object;
	struct jmap_set_error why;
};

struct work {
	struct jmap_set *s;
	struct jmap_call *c;
	const struct json_in *create, *update, *destroy; /* NULL: none */
	struct outcome outcomes[OUTCOMES];
	struct refusal *late; /* NULL: refusals stand */
	size_t late_count;
	struct hash_map ours; /* ids that were made, changed, destroyed */
};

static struct json_out *open_outcome(struct work *w, enum outcomes which)
{
	struct outcome *o = &w->outcomes[which];

	if (!o->buf) {
		o->buf = arena_buf(w->c->a, JMAP_ANSWER_MAX);
		json_out_init(&o->json, o->buf);
		if (which == DESTROYED)
			json_open_array(&o->json);
		else
			json_open_object(&o->json);
	}
	o->count++;
	return &o->json;
}

void jmap_put_set_error(struct json_out *j, const struct jmap_set_error *why)
{
	json_open_object(j);
	json_kv_str(j, "type", why->type);
	if (why->description)
		json_kv_str(j, "description", why->description);
	if (why->properties) {
		json_key(j, "properties");
		json_open_array(j);
		for (size_t i = 0;
			(!why->property_count || i < why->property_count) && why->properties[i];
			i++)
			json_str(j, why->properties[i]);
		json_close(j);
	}
	if (why->existing_id.len)
		json_kv_span(j, "existingId", why->existing_id);
	if (why->more.len) {
		buf_char(j->buf, ',');
		buf_span_put(j->buf, why->more);
	}
	json_close(j);
}

static void refuse(
	struct work *w, enum outcomes which, struct span id, const struct jmap_set_error *why)
{
	struct json_out *j = open_outcome(w, which);

	json_key_span(j, id);
	jmap_put_set_error(j, why);
}

/* Refused as things are now. */
static void refuse_now(struct work *w, enum outcomes which, struct span name,
	const struct json_in *object, const struct jmap_set_error *why)
{
	if (w->late && w->late_count < JMAP_SET_MAX)
		w->late[w->late_count++] = (struct refusal){which, name, object, *why};
	else
		refuse(w, which, which == NOT_CREATED ? name : jmap_id_text(w->c, name), why);
}

static void note_ours(struct work *w, struct span id)
{
	hash_map_set(&w->ours, arena_span(w->c->a, id), w);
}

/* ---- in the order of need ---- */

struct creation {
	struct span name;
	const struct json_in *object;
	enum { WAITS, BEGUN, PLACED } how;
};
struct order {
	struct hash_map by_name;
	struct creation **list; /* in the order of making */
	size_t count;
	unsigned depth;
};

static void place(struct order *o, struct creation *cr);

static void place_named(struct order *o, struct span text)
{
	struct creation *cr;

	if (text.len < 2 || text.ptr[0] != '#' || !jmap_is_id(span_skip(text, 1)))
		return;
	cr = hash_map_get(&o->by_name, span_skip(text, 1));
	if (cr)
		place(o, cr);
}

/* What another one is named by stands in values and in names of members (mailboxIds). */
static void place_needed(struct order *o, const struct json_in *v)
{
	const struct json_in *value;
	const char *name;
	void *at = NULL;

	if (json_in_is_text(v))
		place_named(o, json_in_span(v));
	for (size_t i = 0; json_in_is_array(v) && i < json_in_count(v); i++)
		place_needed(o, json_in_at(v, i));
	while (json_in_is_object(v) && json_in_next(v, &at, &name, &value)) {
		place_named(o, span_str(name));
		place_needed(o, value);
	}
}

/* A ring is broken where it began: there the reference is not known yet, and that is what is told. A chain
 * that is longer than CHAIN_MAX is broken too: a fiber's stack is small. */
#define CHAIN_MAX 40
static void place(struct order *o, struct creation *cr)
{
	if (cr->how != WAITS || o->depth == CHAIN_MAX)
		return;
	cr->how = BEGUN;
	o->depth++;
	place_needed(o, cr->object);
	o->depth--;
	cr->how = PLACED;
	o->list[o->count++] = cr;
}

static size_t in_order(struct work *w, struct creation ***list_r)
{
	size_t count = json_in_size(w->create), n = 0;
	struct creation *all = ARENA_ARRAY(w->c->a, struct creation, count + 1);
	struct order o = {.list = ARENA_ARRAY(w->c->a, struct creation *, count + 1)};
	const struct json_in *value;
	const char *name;
	void *at = NULL;

	hash_map_init(&o.by_name, (struct hash_key){loop_random(), loop_random()});
	while (json_in_next(w->create, &at, &name, &value)) {
		all[n] = (struct creation){.name = span_str(name), .object = value};
		hash_map_set(&o.by_name, all[n].name, &all[n]);
		n++;
	}
	for (size_t i = 0; i < n; i++)
		place(&o, &all[i]);
	hash_map_fini(&o.by_name);
	*list_r = o.list;
	return n;
}

/* ---- create ---- */

static const struct jmap_set_error is_singleton = {
	.type = "singleton", .description = "There is exactly one of this type."};
static const struct jmap_set_error is_forbidden = {
	.type = "forbidden", .description = "This is not possible for this type."};
static const struct jmap_set_error is_not_found = {.type = "notFound"};

static const struct jmap_set_error *cannot(const struct jmap_type *type)
{
	return type->kind ? &is_forbidden : &is_singleton;
}

/* { "id": …, and what the server has set }: that may begin with the id, which stands once (RFC 7493 section 2.3) */
static void put_with_id(struct json_out *j, struct arena *a, struct span id, struct span server_set)
{
	struct span rest = span_trim(server_set);
	struct buf *b;
	struct json_out one;

	if (span_starts(rest, SPAN("{\"id\":"))) {
		json_raw(j, rest);
		return;
	}
	if (rest.len <= 2) {
		json_open_object(j);
		json_kv_span(j, "id", id);
		json_close(j);
		return;
	}
	b = arena_buf(a, JMAP_ANSWER_MAX);
	json_out_init(&one, b);
	json_open_object(&one);
	json_kv_span(&one, "id", id);
	buf_char(b, ',');
	buf_span_put(b, span_skip(rest, 1));
	json_raw(j, buf_span(b));
}

static FIBER int create_one(
	struct work *w, struct span name, const struct json_in *object, struct err *e)
{
	const struct jmap_set_type *t = w->s->type;
	struct span id = SPAN_NONE, server_set = SPAN_NONE;
	struct jmap_set_error why = {0};

	if (!t->create)
		why = *cannot(t->type);
	else if (t->create(w->s, object, &id, &server_set, &why, e) < 0)
		return -1;
	if (why.type) {
		refuse_now(w, NOT_CREATED, name, object, &why);
		return 0;
	}
	struct json_out *j = open_outcome(w, CREATED);
	json_key_span(j, name);
	put_with_id(j, w->c->a, id, server_set);
	jmap_created(w->c, name, id);
	note_ours(w, id);
	return 0;
}

static FIBER int create_all(struct work *w, struct err *e)
{
	struct creation **list;
	size_t count = w->create ? in_order(w, &list) : 0;

	for (size_t i = 0; i < count; i++)
		if (create_one(w, list[i]->name, list[i]->object, e) < 0 || fiber_breathe(e) < 0)
			return -1;
	return 0;
}

/* ---- update and destroy ---- */

static bool find_number(const struct work *w, struct span text, uint64_t *id_r)
{
	*id_r = 0;
	if (w->s->type->type->kind)
		return jmap_id_of(w->c, text, w->s->type->type->kind, id_r);
	return span_eq(text, SPAN("singleton"));
}

static bool is_destroyed_too(const struct work *w, struct span id)
{
	for (size_t i = 0; i < json_in_count(w->destroy); i++)
		if (span_eq(jmap_id_text(w->c, json_in_span(json_in_at(w->destroy, i))), id))
			return true;
	return false;
}

static FIBER int update_one(
	struct work *w, struct span name, const struct json_in *patch, struct err *e)
{
	static const struct jmap_set_error will_destroy = {.type = "willDestroy"};
	const struct jmap_set_type *t = w->s->type;
	struct span id = jmap_id_text(w->c, name), server_set = SPAN_NONE;
	struct jmap_set_error why = {0};
	uint64_t number;

	if (!find_number(w, name, &number))
		why = is_not_found;
	else if (is_destroyed_too(w, id))
		why = will_destroy;
	else if (!t->update)
		why = is_forbidden;
	else if (t->update(w->s, number, id, patch, &server_set, &why, e) < 0)
		return -1;
	if (why.type) {
		refuse_now(w, NOT_UPDATED, name, patch, &why);
		return 0;
	}
	note_ours(w, id);
	struct json_out *j = open_outcome(w, UPDATED);
	json_key_span(j, id);
	if (server_set.len)
		json_raw(j, server_set);
	else
		json_null(j);
	return 0;
}

static FIBER int update_all(struct work *w, struct err *e)
{
	const struct json_in *patch;
	const char *name;
	void *at = NULL;

	while (w->update && json_in_next(w->update, &at, &name, &patch))
		if (update_one(w, span_str(name), patch, e) < 0 || fiber_breathe(e) < 0)
			return -1;
	return 0;
}

static FIBER int destroy_one(struct work *w, struct span name, struct err *e)
{
	const struct jmap_set_type *t = w->s->type;
	struct span id = jmap_id_text(w->c, name);
	struct jmap_set_error why = {0};
	uint64_t number;

	if (!find_number(w, name, &number))
		why = t->type->kind ? is_not_found : is_singleton;
	else if (!t->destroy)
		why = *cannot(t->type);
	else if (t->destroy(w->s, number, id, &why, e) < 0)
		return -1;
	if (why.type) {
		refuse_now(w, NOT_DESTROYED, name, NULL, &why);
		return 0;
	}
	note_ours(w, id);
	json_span(open_outcome(w, DESTROYED), id);
	return 0;
}

static FIBER int destroy_all(struct work *w, struct err *e)
{
	struct hash_map seen;
	int rc = 0;

	hash_map_init(&seen, (struct hash_key){loop_random(), loop_random()});
	for (size_t i = 0; rc == 0 && i < json_in_count(w->destroy); i++) {
		struct span name = json_in_span(json_in_at(w->destroy, i));

		if (!hash_map_set(&seen, jmap_id_text(w->c, name), w))
			rc = destroy_one(w, name, e) < 0 || fiber_breathe(e) < 0 ? -1 : 0;
	}
	hash_map_fini(&seen);
	return rc;
}

/* ---- once more ---- */

static FIBER int try_again(struct work *w, const struct refusal *r, struct err *e)
{
	switch (r->which) {
	case NOT_CREATED: return create_one(w, r->name, r->object, e);
	case NOT_UPDATED: return update_one(w, r->name, r->object, e);
	default: return destroy_one(w, r->name, e);
	}
}

/* As long as that helps. */
static FIBER int try_all_again(struct work *w, struct err *e)
{
	struct refusal *list;
	size_t count,
		done = w->outcomes[CREATED].count + w->outcomes[UPDATED].count +
		w->outcomes[DESTROYED].count;

	while (w->late_count && done) {
		list = w->late;
		count = w->late_count;
		w->late = ARENA_ARRAY(w->c->a, struct refusal, count);
		w->late_count = 0;
		for (size_t i = 0; i < count; i++)
			if (try_again(w, &list[i], e) < 0 || fiber_breathe(e) < 0)
				return -1;
		if (w->late_count == count)
			break;
	}
	list = w->late;
	count = w->late_count;
	w->late = NULL;
	for (size_t i = 0; i < count; i++)
		refuse_now(w, list[i].which, list[i].name, list[i].object, &list[i].why);
	return 0;
}

/* ---- the whole ---- */

static const struct json_in *given(struct jmap_call *c, const char *name)
{
	const struct json_in *v = json_in_get(c->args, name);

	return v && !json_in_is_null(v) ? v : NULL;
}

static int check_objects(struct jmap_call *c, const struct json_in *map, const char *name,
	bool is_named_by_client, struct err *e)
{
	const struct json_in *value;
	const char *id;
	void *at = NULL;

	if (map && !json_in_is_object(map))
		return jmap_fail_argument(c, e, name, "an object is expected");
	while (map && json_in_next(map, &at, &id, &value)) {
		struct span text = span_str(id);

		if (!json_in_is_object(value))
			return jmap_fail_argument(c, e, name, "an object of objects is expected");
		if (!is_named_by_client && text.len && text.ptr[0] == '#')
			text = span_skip(text, 1);
		if (!jmap_is_id(text))
			return jmap_fail_argument(c, e, name, "one of the names is no Id");
	}
	return 0;
}

static int take_arguments(struct work *w, struct err *e)
{
	struct jmap_call *c = w->c;
	struct span *ids;
	size_t id_count;

	w->create = given(c, "create");
	w->update = given(c, "update");
	w->destroy = given(c, "destroy");
	if (check_objects(c, w->create, "create", true, e) < 0 ||
		check_objects(c, w->update, "update", false, e) < 0 ||
		jmap_arg_texts(c, "destroy", &ids, &id_count, e) < 0)
		return -1;
	for (size_t i = 0; i < id_count; i++)
		if (!jmap_is_id(ids[i].len && ids[i].ptr[0] == '#' ? span_skip(ids[i], 1) : ids[i]))
			return jmap_fail_argument(c, e, "destroy", "one of them is no Id");
	if (json_in_size(w->create) + json_in_size(w->update) + id_count > JMAP_SET_MAX)
		return jmap_fail(c, "requestTooLarge", e, "more than %d objects", JMAP_SET_MAX);
	return 0;
}

static FIBER int state_of(struct jmap_set *s, uint64_t *modseq_r, struct err *e)
{
	if (s->type->state)
		return s->type->state(s, modseq_r, e);
	return object_state(
		s->call->d->opts.store, s->account->id, s->type->type->object, modseq_r, e);
}

static int check_state(struct work *w, uint64_t state, struct err *e)
{
	struct span wanted = SPAN_NONE;
	uint64_t number;

	if (jmap_arg_text(w->c, "ifInState", &wanted, e) < 0)
		return -1;
	if (wanted.ptr && (!jmap_state_of(wanted, &number) || number != state))
		return jmap_fail(w->c, "stateMismatch", e, "the state is another one now");
	return 0;
}

static void put_outcomes(struct work *w, uint64_t old_state, uint64_t new_state, bool is_ours)
{
	struct json_out *j = w->c->out;

	if (!w->s->type->type->is_without_account) {
		json_key(j, "accountId");
		jmap_put_id(j, 'A', w->s->account->id);
		json_key(j, "oldState");
		if (is_ours)
			jmap_put_state(j, old_state);
		else
			json_null(j);
		json_key(j, "newState");
		jmap_put_state(j, new_state);
	}
	for (size_t i = 0; i < OUTCOMES; i++) {
		struct outcome *o = &w->outcomes[i];

		json_key(j, outcome_names[i]);
		if (o->buf) {
			json_close(&o->json);
			json_raw(j, buf_span(o->buf));
		} else {
			json_null(j);
		}
	}
}

static FIBER int object_changes_of(struct work *w, struct email_changes *c, struct err *e)
{
	struct object_change *list;

	if (object_changes(w->c->d->opts.store, w->c->a, w->s->account->id,
		    w->s->type->type->object, c->since, 0, &list, &c->count, &c->upto, &c->is_more,
		    e) < 0)
		return -1;
	c->list = ARENA_ARRAY(w->c->a, struct email_change, c->count + 1);
	for (size_t i = 0; i < c->count; i++)
		c->list[i].id = list[i].id;
	return 0;
}

/* Is what has changed between the two states what was done here? Then who knew the old one knows the new one too;
 * else he is told null, and asks what else there was. */
static FIBER int look_whose(struct work *w, uint64_t old_state, bool *is_ours_r, struct err *e)
{
	struct email_changes c = {.since = old_state};
	struct buf *b = arena_buf(w->c->a, 64);
	char kind = w->s->type->type->kind;
	struct err why = {0};

	*is_ours_r = false;
	if ((w->s->type->changes ? w->s->type->changes(w->s, &c, &why)
				 : object_changes_of(w, &c, &why)) < 0)
		return why.code == ERR_STATE ? 0 : err_copy(e, &why);
	for (size_t i = 0; i < c.count && kind; i++) {
		buf_clear(b);
		enc_put_object(b, kind, c.list[i].id);
		if (!hash_map_get(&w->ours, buf_span(b)))
			return 0;
	}
	*is_ours_r = !c.is_more;
	return 0;
}

static FIBER int work_all(struct work *w, struct err *e)
{
	uint64_t old_state, new_state;
	bool is_ours = true, has_states = !w->s->type->type->is_without_account;

	if (take_arguments(w, e) < 0 || state_of(w->s, &old_state, e) < 0 ||
		check_state(w, old_state, e) < 0)
		return -1;
	if (w->s->type->is_entangled)
		w->late = ARENA_ARRAY(w->c->a, struct refusal, JMAP_SET_MAX);
	if (create_all(w, e) < 0 || update_all(w, e) < 0 || destroy_all(w, e) < 0 ||
		try_all_again(w, e) < 0 || state_of(w->s, &new_state, e) < 0)
		return -1;
	if (has_states && new_state != old_state && look_whose(w, old_state, &is_ours, e) < 0)
		return -1;
	put_outcomes(w, old_state, new_state, is_ours);
	return 0;
}

FIBER int jmap_set_run(
	struct jmap_call *c, const struct jmap_set_type *type, void *arg, struct err *e)
{
	struct jmap_set s = {.call = c, .type = type, .arg = arg};
	struct work w = {.s = &s, .c = c};
	int rc;

	if (type->type->is_without_account) {
		s.account = ARENA_NEW(c->a, struct jmap_account);
		jmap_own_account(&c->user, s.account);
	} else if (jmap_account(c, &s.account, e) < 0) {
		return -1;
	}
	hash_map_init(&w.ours, (struct hash_key){loop_random(), loop_random()});
	rc = work_all(&w, e);
	hash_map_fini(&w.ours);
	return rc;
}
