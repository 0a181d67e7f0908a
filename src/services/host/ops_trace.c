#include "base/enc.h"
#include "store/spool.h"
#include "services/host/host_priv.h"
#include "services/host/ops_priv.h"
#include "services/trail/queue_why.h"

/* The station log's answer: each letter a row, then its events, then the recipients that still wait, then
 * the letters that came from it. */

#define TRACE_DEPTH_MAX   5   /* a report about a copy of a list's post … */
#define TRACE_LETTERS_MAX 200 /* told in one answer */

struct trace_walk {
	struct ops_call *c;
	size_t told;
};

static FIBER int put_letter(
	struct ops_call *c, const struct trail_letter *l, unsigned depth, struct err *e)
{
	struct json_out *j = ops_row(c);

	json_kv_str(j, "what", "letter");
	ops_put_id(j, "id", l->msg_id);
	json_kv_span(j, "message_id", l->message_id);
	if (l->parent_id)
		ops_put_id(j, "parent", l->parent_id);
	json_kv_u64(j, "depth", depth);
	ops_put_time(j, "at", l->at_ns);
	return ops_row_end(c, e);
}

static FIBER int put_event(struct ops_call *c, const struct trail_event *ev, struct err *e)
{
	struct json_out *j = ops_row(c);

	json_kv_str(j, "what", "event");
	ops_put_id(j, "id", ev->msg_id);
	ops_put_time(j, "at", trail_time(ev->id));
	json_kv_str(j, "event", trail_kind_str(ev->kind));
	json_kv_span(j, "recipient", ev->rcpt);
	json_key(j, "facts");
	json_raw(j, ev->facts.len ? ev->facts : SPAN("{}"));
	json_kv_span(j, "conversation", ev->talk);
	return ops_row_end(c, e);
}

static FIBER int put_events(struct ops_call *c, uint64_t msg_id, struct err *e)
{
	struct trail_event *list;
	uint64_t after = 0;
	size_t count = TRAIL_SLICE;
	struct arena *a = arena_new();
	int rc = 0;

	while (rc == 0 && count == TRAIL_SLICE) {
		arena_reset(a);
		rc = trail_events(c->ctx->store, a, msg_id, after, &list, &count, e);
		for (size_t i = 0; rc == 0 && i < count; i++) {
			rc = put_event(c, &list[i], e);
			after = list[i].id;
		}
	}
	arena_free(&a);
	return rc;
}

/* Recipients that are still in the queue. */
static FIBER int put_waiting(struct ops_call *c, uint64_t msg_id, struct err *e)
{
	struct spool_filter f = {.msg_id = msg_id, .state = -1};
	struct spool_item *items;
	struct hash_map down;
	size_t count = 0;
	int rc = 0;

	if (spool_list(c->ctx->store, c->arena, &f, &items, &count, e) < 0)
		return -1;
	if (!count)
		return 0;
	ops_down_sites(c, &down);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct spool_item *it = &items[i];
		struct json_out *j = ops_row(c);
		struct queue_why why;

		ops_ask_site(it, &down);
		queue_why(c->arena, it, loop_wall_ns(), &why);
		json_kv_str(j, "what", "waiting");
		ops_put_id(j, "id", it->msg_id);
		json_kv_span(j, "recipient", it->address);
		json_kv_str(j, "state", spool_state_str(it->state));
		json_kv_span(j, "destination", it->destination);
		json_kv_u64(j, "attempts", it->attempts);
		json_kv_str(j, "next", queue_next_str(why.next));
		ops_put_time(j, "next_at", why.next_ns);
		ops_put_time(j, "expires_at", it->expires_ns);
		json_kv_span(j, "reason", why.reason);
		rc = ops_row_end(c, e);
	}
	hash_map_fini(&down);
	return rc;
}

static FIBER int put_tree(
	struct trace_walk *w, const struct trail_letter *l, unsigned depth, struct err *e)
{
	struct ops_call *c = w->c;
	struct trail_letter *children;
	size_t count = 0;

	if (w->told++ >= TRACE_LETTERS_MAX)
		return 0;
	if (put_letter(c, l, depth, e) < 0 || put_events(c, l->msg_id, e) < 0 ||
		put_waiting(c, l->msg_id, e) < 0)
		return -1;
	if (depth >= TRACE_DEPTH_MAX)
		return 0;
	if (trail_children(c->ctx->store, c->arena, l->msg_id, &children, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (put_tree(w, &children[i], depth + 1, e) < 0)
			return -1;
	}
	return 0;
}

/* "id": a queue id, or a Message-ID with or without angle brackets. */
FIBER int op_trace(struct ops_call *c, struct err *e)
{
	struct trace_walk w = {.c = c};
	struct trail_letter *list, one;
	struct span word;
	size_t count = 0;
	uint64_t id;

	if (ops_need(c, "id", &word, e) < 0)
		return -1;
	if (c->ctx->host)
		host_trail_flush(c->ctx->host);
	if (enc_get_id(word, &id)) {
		if (trail_get(c->ctx->store, c->arena, id, &one, e) < 0)
			return err_set(e, ERR_NOT_FOUND,
				"the station log has no letter " SPAN_FMT
				" (it is kept for a time: trail { keep })",
				SPAN_ARG(word));
		return put_tree(&w, &one, 0, e);
	}
	if (word.len > 2 && word.ptr[0] == '<')
		word = trail_message_id(word);
	if (trail_find(c->ctx->store, c->arena, word, &list, &count, e) < 0)
		return -1;
	if (!count)
		return err_set(e, ERR_NOT_FOUND,
			"the station log has no letter with the Message-ID <" SPAN_FMT ">",
			SPAN_ARG(span_sub(word, 0, 200)));
	for (size_t i = 0; i < count; i++) {
		if (put_tree(&w, &list[i], 0, e) < 0)
			return -1;
	}
	return 0;
}
