#include "services/jmapd/jmapd_create.h"

struct creating {
	struct jmap_set set;
	const struct json_in *objects;
	struct json_out good, bad;
	struct buf *good_text, *bad_text;
	size_t good_count, bad_count;
};

static void begin(struct arena *a, struct json_out *j, struct buf **text)
{
	*text = arena_buf(a, JMAP_ANSWER_MAX);
	json_out_init(j, *text);
	json_open_object(j);
}

static void put_made(struct creating *x, struct span id, struct span server_set)
{
	if (server_set.len)
		json_raw(&x->good, server_set);
	else {
		json_open_object(&x->good);
		json_kv_span(&x->good, "id", id);
		json_close(&x->good);
	}
	x->good_count++;
}

static FIBER int create_all(struct creating *x, struct err *e)
{
	const struct json_in *object;
	const char *name;
	void *at = NULL;

	while (json_in_next(x->objects, &at, &name, &object)) {
		struct span id = SPAN_NONE, server_set = SPAN_NONE;
		struct jmap_set_error why = {0};

		if (x->set.type->create(&x->set, object, &id, &server_set, &why, e) < 0)
			return -1;
		json_key(why.type ? &x->bad : &x->good, name);
		if (why.type) {
			jmap_put_set_error(&x->bad, &why);
			x->bad_count++;
			continue;
		}
		put_made(x, id, server_set);
		jmap_created(x->set.call, span_str(name), id);
	}
	return 0;
}

static int read_objects(
	struct jmap_call *c, struct creating *x, const char *argument, struct err *e)
{
	const struct json_in *object;
	const char *name;
	void *at = NULL;
	size_t count = 0;

	x->objects = json_in_get(c->args, argument);
	if (!json_in_is_object(x->objects))
		return jmap_fail_argument(c, e, argument, "an object is expected");
	while (json_in_next(x->objects, &at, &name, &object)) {
		if (!jmap_is_id(span_str(name)) || !json_in_is_object(object))
			return jmap_fail_argument(c, e, argument, "ids and objects are expected");
		count++;
	}
	if (count > JMAP_SET_MAX)
		return jmap_fail(c, "requestTooLarge", e, "more than %d objects", JMAP_SET_MAX);
	return 0;
}

static void put_list(
	struct json_out *j, const char *name, struct json_out *list, struct buf *text, size_t count)
{
	json_close(list);
	json_key(j, name);
	if (count)
		json_raw(j, buf_span(text));
	else
		json_null(j);
}

/* Is nothing new but what was made here? Else the state before is told as null (RFC 8620 section 5.3). */
static FIBER int look_whose(struct creating *x, uint64_t was, bool *is_ours_r, struct err *e)
{
	struct email_changes c = {.since = was};
	struct err why = {0};

	*is_ours_r = false;
	if (x->set.type->changes(&x->set, &c, &why) < 0)
		return why.code == ERR_STATE ? 0 : err_copy(e, &why);
	for (size_t i = 0; i < c.count; i++)
		if (c.list[i].how != EMAIL_CREATED)
			return 0;
	*is_ours_r = !c.is_more && c.count == x->good_count;
	return 0;
}

FIBER int jmap_create_run(struct jmap_call *c, const struct jmap_set_type *type,
	const char *argument, void *arg, struct err *e)
{
	struct creating x = {.set = {.call = c, .type = type, .arg = arg}};
	struct span in_state = SPAN_NONE;
	uint64_t was, now, wanted;
	bool is_ours = true;

	if (jmap_account(c, &x.set.account, e) < 0 || read_objects(c, &x, argument, e) < 0 ||
		jmap_arg_text(c, "ifInState", &in_state, e) < 0 || type->state(&x.set, &was, e) < 0)
		return -1;
	if (in_state.ptr && (!jmap_state_of(in_state, &wanted) || wanted != was))
		return jmap_fail(c, "stateMismatch", e, "the state is another one now");
	begin(c->a, &x.good, &x.good_text);
	begin(c->a, &x.bad, &x.bad_text);
	if (create_all(&x, e) < 0 || type->state(&x.set, &now, e) < 0 ||
		(now != was && look_whose(&x, was, &is_ours, e) < 0))
		return -1;
	json_key(c->out, "accountId");
	jmap_put_id(c->out, 'A', x.set.account->id);
	json_key(c->out, "oldState");
	if (is_ours)
		jmap_put_state(c->out, was);
	else
		json_null(c->out);
	json_key(c->out, "newState");
	jmap_put_state(c->out, now);
	put_list(c->out, "created", &x.good, x.good_text, x.good_count);
	put_list(c->out, "notCreated", &x.bad, x.bad_text, x.bad_count);
	return 0;
}
