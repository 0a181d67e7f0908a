/* Email/copy (RFC 8621 section 4.7): into another account; the octets are the same. */
#include "base/enc.h"
#include "run/loop.h"
#include "store/stage.h"
#include "services/jmapd/jmapd_create.h"
#include "services/jmapd/jmapd_write.h"

struct copying {
	struct jmap_account *from;
	struct jmap_boxes boxes;
	bool has_boxes;
	uint64_t *done; /* Emails of the other account that were copied */
	size_t done_count;
};

/* All octets of it, as they are kept. */
static FIBER int take_octets(
	struct store *s, const struct mailbox_msg *msg, struct stage *stage, struct err *e)
{
	struct body *body = body_open(s, msg->blob_id, msg->blob_len);
	int rc = stage_put(stage, msg->prefix, e);

	for (uint64_t i = 0; rc == 0; i++) {
		struct arena *a = arena_new();
		struct span piece;

		rc = body_chunk(body, i, a, &piece, e);
		if (rc == 0 && !piece.len) {
			arena_free(&a);
			break;
		}
		if (rc == 0)
			rc = stage_put(stage, piece, e);
		arena_free(&a);
	}
	body_unref(&body);
	return rc;
}

/* Keywords are those of the original unless others are told. */
static bool read_place(struct jmap_set *set, const struct json_in *object,
	const struct email *email, struct jmap_place *place, struct jmap_set_error *why_r)
{
	struct copying *x = set->arg;
	const struct json_in *keywords = json_in_get(object, "keywords");
	struct span rest = email->keywords, one;

	jmap_place_read(
		set->call, &x->boxes, json_in_get(object, "mailboxIds"), keywords, place, why_r);
	if (why_r->type || keywords)
		return !why_r->type;
	place->keywords.flags = email->flags & ~(unsigned)MAILBOX_DELETED;
	while (rest.len) {
		span_cut(rest, ' ', &one, &rest);
		if (one.len)
			jmap_keyword_add(set->call->a, &place->keywords, one);
	}
	return true;
}

static FIBER int copy_one(struct jmap_set *set, const struct json_in *object, struct stage **stage,
	struct span *id_r, struct span *server_set_r, struct jmap_set_error *why_r, struct err *e)
{
	struct copying *x = set->arg;
	struct jmap_call *c = set->call;
	const struct json_in *received = json_in_get(object, "receivedAt");
	struct store *s = jmapd_opts_of(c->d)->store;
	struct jmap_place place = {0};
	struct buf *b = arena_buf(c->a, 64);
	int64_t received_ns = 0;
	struct email email;
	uint64_t id = 0, state;

	if (!jmap_id_of(c, json_in_text(object, "id"), 'M', &id)) {
		*why_r = (struct jmap_set_error){.type = "notFound"};
		return 0;
	}
	if (email_get(s, c->a, &x->from->eyes, &id, 1, MAILBOX_WANT_HEAD, &email, &state, e) < 0)
		return -1;
	if (!email.row_count) {
		*why_r = (struct jmap_set_error){.type = "notFound"};
		return 0;
	}
	received_ns = email.msg.received_ns;
	if (received && !json_in_is_null(received) &&
		!jmap_date(json_in_span(received), &received_ns)) {
		jmap_bad_property(c->a, why_r, "receivedAt", "it cannot be set, or not so");
		return 0;
	}
	if (!read_place(set, object, &email, &place, why_r))
		return 0;
	if (take_octets(s, &email.msg, *stage, e) < 0)
		return -1;
	x->done[x->done_count++] = id;
	if (jmap_email_put(
		    c, set->account, &place, stage, received_ns, &id, server_set_r, why_r, e) < 0)
		return -1;
	x->done_count -= why_r->type != NULL;
	enc_put_object(b, 'M', id);
	*id_r = buf_span(b);
	return 0;
}

static FIBER int create(struct jmap_set *set, const struct json_in *object, struct span *id_r,
	struct span *server_set_r, struct jmap_set_error *why_r, struct err *e)
{
	static const char *const names[] = {"id", "mailboxIds", "keywords", "receivedAt"};
	struct copying *x = set->arg;
	const struct json_in *v;
	struct stage *stage;
	const char *name;
	void *at = NULL;
	int rc;

	while (json_in_next(object, &at, &name, &v)) {
		bool is_known = false;

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			is_known |= span_eq(span_str(name), span_str(names[i]));
		if (!is_known) {
			jmap_bad_property(set->call->a, why_r, name, "it cannot be set, or not so");
			return 0;
		}
	}
	if (!x->has_boxes && jmap_boxes_read(set->call, set->account, &x->boxes, e) < 0)
		return -1;
	x->has_boxes = true;
	stage = stage_new(jmapd_opts_of(set->call->d)->store);
	rc = copy_one(set, object, &stage, id_r, server_set_r, why_r, e);
	stage_free(&stage);
	return rc;
}

static FIBER int state(struct jmap_set *set, uint64_t *modseq_r, struct err *e)
{
	struct email_states states;

	if (email_states(jmapd_opts_of(set->call->d)->store, set->account->id, &states, e) < 0)
		return -1;
	*modseq_r = states.email;
	return 0;
}

static const char *const email_properties[] = {"id", NULL};
static const struct jmap_type email_type = {"Email", 'M', email_properties, OBJECT_KIND_COUNT};
static const struct jmap_set_type copy_type = {
	.type = &email_type,
	.create = create,
	.state = state,
	.changes = jmap_email_set_changes,
};

/* RFC 8620 section 5.4: the account that it comes from, in the state that the client knows. */
static FIBER int find_from(struct jmap_call *c, struct copying *x, struct err *e)
{
	struct span from = SPAN_NONE, to = SPAN_NONE, in_state = SPAN_NONE;
	struct email_states states;
	uint64_t wanted;

	if (jmap_arg_text(c, "fromAccountId", &from, e) < 0 ||
		jmap_arg_text(c, "accountId", &to, e) < 0 ||
		jmap_arg_text(c, "ifFromInState", &in_state, e) < 0)
		return -1;
	if (!from.ptr)
		return jmap_fail_argument(c, e, "fromAccountId", "it is missing");
	if (span_eq(from, to))
		return jmap_fail_argument(c, e, "fromAccountId", "it is the same account");
	if (jmap_account_of(c, from, &x->from, e) < 0)
		return -1;
	if (!x->from)
		return jmap_fail(c, "fromAccountNotFound", e, "there is no such account");
	if (!in_state.ptr)
		return 0;
	if (email_states(jmapd_opts_of(c->d)->store, x->from->id, &states, e) < 0)
		return -1;
	if (!jmap_state_of(in_state, &wanted) || wanted != states.email)
		return jmap_fail(c, "stateMismatch", e, "the state is another one now");
	return 0;
}

/* onSuccessDestroyOriginal: an Email/set of the other account follows (RFC 8620 section 5.4). */
static int destroy_originals(struct jmap_call *c, const struct copying *x, struct err *e)
{
	struct span in_state = SPAN_NONE;
	bool is_wanted = false;
	struct json_out j;
	struct buf *b;

	if (jmap_arg_bool(c, "onSuccessDestroyOriginal", &is_wanted, e) < 0 ||
		jmap_arg_text(c, "destroyFromIfInState", &in_state, e) < 0)
		return -1;
	if (!is_wanted || !x->done_count)
		return 0;
	b = arena_buf(c->a, JMAP_PLAIN_MAX);
	json_out_init(&j, b);
	json_open_object(&j);
	json_key(&j, "accountId");
	jmap_put_id(&j, 'A', x->from->id);
	if (in_state.ptr)
		json_kv_span(&j, "ifInState", in_state);
	json_key(&j, "destroy");
	json_open_array(&j);
	for (size_t i = 0; i < x->done_count; i++)
		jmap_put_id(&j, 'M', x->done[i]);
	json_close(&j);
	json_close(&j);
	jmap_also(c, "Email/set", buf_span(b));
	return 0;
}

FIBER int jmap_email_copy(struct jmap_call *c, struct err *e)
{
	struct copying x = {.done = ARENA_ARRAY(c->a, uint64_t, JMAP_SET_MAX + 1)};

	if (find_from(c, &x, e) < 0)
		return -1;
	json_key(c->out, "fromAccountId");
	jmap_put_id(c->out, 'A', x.from->id);
	if (jmap_create_run(c, &copy_type, "create", &x, e) < 0)
		return -1;
	return destroy_originals(c, &x, e);
}
