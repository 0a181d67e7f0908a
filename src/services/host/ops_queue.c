#include "base/enc.h"
#include "store/spool.h"
#include "services/host/host_priv.h"
#include "services/host/ops_priv.h"

static int state_of(struct span text, int *state_r, struct err *e)
{
	*state_r = -1;
	if (!text.len)
		return 0;
	for (int i = 0; i < SPOOL_STATES; i++) {
		if (span_eq(text, span_str(spool_state_str((enum spool_state)i)))) {
			*state_r = i;
			return 0;
		}
	}
	return err_set(e, ERR_SYNTAX, "state is waiting, active or held");
}

/* id, sender, recipient, destination, state. */
static int filter_of(struct ops_call *c, struct spool_filter *f, bool *is_any_r, struct err *e)
{
	struct span id = json_in_text(c->args, "id");

	*f = (struct spool_filter){
		.sender = json_in_text(c->args, "sender"),
		.recipient = json_in_text(c->args, "recipient"),
		.destination = json_in_text(c->args, "destination"),
	};
	if (id.len && !enc_get_id(id, &f->msg_id))
		return err_set(e, ERR_SYNTAX, "\"" SPAN_FMT "\" is no queue id",
			SPAN_ARG(span_sub(id, 0, 64)));
	if (state_of(json_in_text(c->args, "state"), &f->state, e) < 0)
		return -1;
	*is_any_r = id.len || f->sender.len || f->recipient.len || f->destination.len ||
		f->state >= 0;
	return 0;
}

static void put_item(struct ops_call *c, const struct spool_item *it, bool is_full)
{
	struct json_out *j = ops_row(c);

	ops_put_id(j, "id", it->msg_id);
	json_kv_span(j, "recipient", it->address);
	json_kv_span(j, "sender", it->env.reverse_path);
	json_kv_str(j, "state", spool_state_str(it->state));
	json_kv_span(j, "destination", it->destination);
	json_kv_u64(j, "size", it->prefix.len + it->blob_len);
	json_kv_u64(j, "attempts", it->attempts);
	ops_put_time(j, "arrived_at", it->arrived_ns);
	ops_put_time(j, "next_at", it->state == SPOOL_WAITING ? it->next_ns : 0);
	ops_put_time(j, "expires_at", it->expires_ns);
	json_key(j, "last");
	if (it->last_ns) {
		json_open_object(j);
		ops_put_time(j, "at", it->last_ns);
		json_kv_u64(j, "code", it->last_code);
		json_kv_span(j, "enhanced", it->last_enhanced);
		json_kv_span(j, "text", it->last_text);
		json_kv_span(j, "host", it->last_host);
		json_close(j);
	} else {
		json_null(j);
	}
	if (!is_full)
		return;
	json_kv_span(j, "orcpt", it->orcpt);
	json_kv_span(j, "envid", it->env.envid);
	json_kv_span(j, "origin", it->env.origin);
	json_kv_span(j, "peer", it->env.peer);
	json_kv_bool(j, "smtputf8", it->env.is_smtputf8);
	/* a lease without end belongs to the running process */
	ops_put_time(j, "lease_until",
		it->state == SPOOL_ACTIVE && it->lease_ns < CLOCK_NEVER ? it->lease_ns : 0);
	json_kv_bool(j, "delay_told", it->is_delay_told);
}

static FIBER int list(
	struct ops_call *c, struct spool_filter *f, bool is_full, uint64_t *count_r, struct err *e)
{
	size_t count;

	*count_r = 0;
	do {
		struct arena *page = arena_new();
		struct spool_item *items = NULL;
		int rc = spool_list(c->ctx->store, page, f, &items, &count, e);

		for (size_t i = 0; rc == 0 && i < count; i++) {
			f->after_rcpt_id = items[i].rcpt_id;
			put_item(c, &items[i], is_full);
			rc = ops_row_end(c, e);
		}
		arena_free(&page);
		if (rc < 0)
			return -1;
		*count_r += count;
	} while (count);
	return 0;
}

FIBER int op_queue_list(struct ops_call *c, struct err *e)
{
	struct spool_filter f;
	bool is_any;
	uint64_t count;

	if (filter_of(c, &f, &is_any, e) < 0)
		return -1;
	return list(c, &f, false, &count, e);
}

FIBER int op_queue_show(struct ops_call *c, struct err *e)
{
	struct spool_filter f;
	struct span id;
	bool is_any;
	uint64_t count;

	if (ops_need(c, "id", &id, e) < 0 || filter_of(c, &f, &is_any, e) < 0 ||
		list(c, &f, true, &count, e) < 0)
		return -1;
	return count
		? 0
		: err_set(e, ERR_NOT_FOUND, "the queue has no message " SPAN_FMT, SPAN_ARG(id));
}

static FIBER int act(struct ops_call *c, enum spool_action action, struct err *e)
{
	struct spool_filter f;
	bool is_any;
	uint64_t changed = 0;

	if (filter_of(c, &f, &is_any, e) < 0)
		return -1;
	/* "drop" with a forgotten argument must not empty the queue */
	if (!is_any && !json_in_bool(c->args, "all"))
		return err_set(e, ERR_SYNTAX, "say which: an id, a filter, or all");
	if (c->ctx->host && (action == SPOOL_RETRY || action == SPOOL_RELEASE))
		host_queue_forgive(c->ctx->host);
	if (spool_act(c->ctx->store, &f, action, loop_wall_ns(), &changed, e) < 0)
		return -1;
	/* active rows obey when they are settled: what is in memory comes back for that */
	if (c->ctx->host && (action == SPOOL_HOLD || action == SPOOL_DROP))
		host_queue_recall(c->ctx->host);
	if (!changed && f.msg_id)
		return err_set(e, ERR_NOT_FOUND,
			"nothing to change: no such message, or it is not in that state");
	json_kv_u64(ops_row(c), "changed", changed);
	return ops_row_end(c, e);
}

FIBER int op_queue_retry(struct ops_call *c, struct err *e)
{
	return act(c, SPOOL_RETRY, e);
}

FIBER int op_queue_hold(struct ops_call *c, struct err *e)
{
	return act(c, SPOOL_HOLD, e);
}

FIBER int op_queue_release(struct ops_call *c, struct err *e)
{
	return act(c, SPOOL_RELEASE, e);
}

FIBER int op_queue_drop(struct ops_call *c, struct err *e)
{
	return act(c, SPOOL_DROP, e);
}
