#include "base/enc.h"
#include "base/hash.h"
#include "store/spool.h"
#include "services/trail/queue_why.h"
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
	return err_set(e, ERR_SYNTAX, "state is waiting, active, held or local");
}

/* id, sender, recipient, destination, state. */
int ops_queue_filter(struct ops_call *c, struct spool_filter *f, bool *is_any_r, struct err *e)
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

static const char *class_str(enum spool_class k)
{
	static const char *const words[SPOOL_CLASSES] = {[SPOOL_CLASS_NORMAL] = "normal",
		[SPOOL_CLASS_REPORT] = "report",
		[SPOOL_CLASS_BULK] = "bulk"};

	return (unsigned)k < SPOOL_CLASSES ? words[k] : "unknown";
}

/* What its sender asked of the time to come, and what administrators did. */
static void put_times(struct json_out *j, const struct spool_item *it)
{
	static const char *const modes[] = {
		[SPOOL_BY_NONE] = "", [SPOOL_BY_RETURN] = "return", [SPOOL_BY_NOTIFY] = "notify"};

	json_kv_bool(j, "expiry_fixed", it->is_expiry_fixed);
	ops_put_time(j, "release_at", it->env.release_ns);
	ops_put_time(j, "deliver_by", it->env.by_ns);
	json_kv_str(j, "deliver_by_mode",
		it->env.by_mode <= SPOOL_BY_NOTIFY ? modes[it->env.by_mode] : "");
	json_kv_bool(j, "deliver_by_told", it->is_by_told);
	json_kv_bool(j, "requiretls", it->env.is_requiretls);
	json_kv_bool(j, "tls_optional", it->env.is_tls_optional);
	json_kv_span(j, "held_by", it->held_by);
	ops_put_time(j, "held_at", it->held_ns);
	json_kv_span(j, "rerouted_from", it->rerouted_from);
	json_kv_bool(j, "given_up", it->is_given_up);
}

static void put_item(struct ops_call *c, struct spool_item *it, bool is_full)
{
	struct json_out *j = ops_row(c);
	struct arena *a = arena_new();
	struct queue_why why;

	if (c->ctx->host)
		it->expires_ns = host_queue_expires_ns(c->ctx->host, it);
	queue_why(a, it, loop_wall_ns(), &why);
	ops_put_id(j, "id", it->msg_id);
	json_kv_span(j, "recipient", it->address);
	json_kv_span(j, "sender", it->env.reverse_path);
	json_kv_str(j, "state", spool_state_str(it->state));
	json_kv_span(j, "destination", it->destination);
	json_kv_str(j, "class", class_str(it->env.class));
	json_kv_i64(j, "priority", it->env.priority);
	json_kv_u64(j, "size", it->prefix.len + it->blob_len);
	json_kv_u64(j, "attempts", it->attempts);
	ops_put_time(j, "arrived_at", it->arrived_ns);
	json_kv_str(j, "next", queue_next_str(why.next));
	ops_put_time(j, "next_at", why.next_ns);
	json_kv_span(j, "why", why.reason);
	arena_free(&a);
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
	json_kv_u64(j, "delays_told", it->delays_told);
	put_times(j, it);
}

FIBER void ops_down_sites(struct ops_call *c, struct hash_map *down)
{
	struct queue_site_info *sites;
	size_t count = 0;

	hash_map_init(down, (struct hash_key){loop_random(), loop_random()});
	if (!c->ctx->host)
		return;
	host_queue_sites(c->ctx->host, c->arena, &sites, &count);
	for (size_t i = 0; i < count; i++) {
		if (sites[i].until_ns > loop_wall_ns() && sites[i].why.len)
			hash_map_set(down, sites[i].destination, &sites[i]);
	}
}

void ops_ask_site(struct spool_item *it, const struct hash_map *down)
{
	const struct queue_site_info *site;

	if (it->state != SPOOL_WAITING || it->last_ns || it->next_ns > loop_wall_ns())
		return;
	site = hash_map_get(down, it->destination);
	if (!site)
		return;
	it->last_text = site->why;
	it->last_ns = it->arrived_ns;
	it->next_ns = site->until_ns;
}

static FIBER int list(
	struct ops_call *c, struct spool_filter *f, bool is_full, uint64_t *count_r, struct err *e)
{
	struct hash_map down;
	size_t count;

	*count_r = 0;
	ops_down_sites(c, &down);
	do {
		struct arena *page = arena_new();
		struct spool_item *items = NULL;
		int rc = spool_list(c->ctx->store, page, f, &items, &count, e);

		for (size_t i = 0; rc == 0 && i < count; i++) {
			f->after_rcpt_id = items[i].rcpt_id;
			ops_ask_site(&items[i], &down);
			put_item(c, &items[i], is_full);
			rc = ops_row_end(c, e);
		}
		arena_free(&page);
		if (rc < 0) {
			hash_map_fini(&down);
			return -1;
		}
		*count_r += count;
	} while (count);
	hash_map_fini(&down);
	return 0;
}

FIBER int op_queue_list(struct ops_call *c, struct err *e)
{
	struct spool_filter f;
	bool is_any;
	uint64_t count;

	if (ops_queue_filter(c, &f, &is_any, e) < 0)
		return -1;
	return list(c, &f, false, &count, e);
}

FIBER int op_queue_show(struct ops_call *c, struct err *e)
{
	struct spool_filter f;
	struct span id;
	bool is_any;
	uint64_t count;

	if (ops_need(c, "id", &id, e) < 0 || ops_queue_filter(c, &f, &is_any, e) < 0 ||
		list(c, &f, true, &count, e) < 0)
		return -1;
	return count
		? 0
		: err_set(e, ERR_NOT_FOUND, "the queue has no message " SPAN_FMT, SPAN_ARG(id));
}

void ops_queue_log(struct ops_call *c, const char *what, struct span target, uint64_t changed)
{
	if (c->ctx->host)
		log_event(&c->ctx->host->log, LOG_INFO, "queue.order", LF_STR("what", what),
			LF("by", c->ctx->by), LF("id", json_in_text(c->args, "id")),
			LF("sender", json_in_text(c->args, "sender")),
			LF("recipient", json_in_text(c->args, "recipient")),
			LF("destination", json_in_text(c->args, "destination")), LF("to", target),
			LF_INT("changed", changed));
}

struct order_call {
	struct ops_call *call;
	uint64_t total;
};

static FIBER int tell_progress(void *arg, uint64_t seen, struct err *e)
{
	const struct order_call *o = arg;

	/* one slice is done before a bar could be seen */
	return seen < o->total ? ops_progress(o->call, seen, o->total, e) : 0;
}

/* What is in memory comes back: rows that are active obey when they are settled. */
static bool is_recalling(enum spool_action action)
{
	return action == SPOOL_HOLD || action == SPOOL_DROP || action == SPOOL_EXPIRE ||
		action == SPOOL_REROUTE;
}

FIBER int ops_queue_obey(
	struct ops_call *c, struct spool_order *o, uint64_t *changed_r, struct err *e)
{
	struct order_call oc = {.call = c};
	struct store_stats stats;
	struct spool_filter f;
	bool is_any;
	int rc;

	*changed_r = 0;

	if (ops_queue_filter(c, &f, &is_any, e) < 0)
		return -1;
	/* "drop" with a forgotten argument must not empty the queue */
	if (!is_any && !json_in_bool(c->args, "all"))
		return err_set(e, ERR_SYNTAX, "say which: an id, a filter, or all");
	if (!f.msg_id && store_stats(c->ctx->store, &stats, e) < 0)
		return -1;
	oc.total = f.msg_id ? 0 : stats.queue_rcpts;
	o->now_ns = loop_wall_ns();
	o->by = c->ctx->by;
	o->progress = tell_progress;
	o->arg = &oc;
	if (c->ctx->host && (o->action == SPOOL_RETRY || o->action == SPOOL_RELEASE))
		host_queue_forgive(c->ctx->host);
	rc = spool_act(c->ctx->store, &f, o, changed_r, e);
	if (rc == 0 || *changed_r)
		ops_queue_log(c, spool_action_str(o->action), o->next_hop, *changed_r);
	if (c->ctx->host && is_recalling(o->action))
		host_queue_recall(c->ctx->host);
	return rc;
}

FIBER int ops_queue_tell(struct ops_call *c, uint64_t changed, struct err *e)
{
	if (!changed && json_in_text(c->args, "id").len)
		return err_set(e, ERR_NOT_FOUND,
			"nothing to change: no such message, or it is not in that state");
	json_kv_u64(ops_row(c), "changed", changed);
	return ops_row_end(c, e);
}

FIBER int ops_queue_order(struct ops_call *c, struct spool_order *o, struct err *e)
{
	uint64_t changed;

	return ops_queue_obey(c, o, &changed, e) < 0 ? -1 : ops_queue_tell(c, changed, e);
}

static FIBER int act(struct ops_call *c, enum spool_action action, struct err *e)
{
	return ops_queue_order(c, &(struct spool_order){.action = action}, e);
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

FIBER int op_queue_expire(struct ops_call *c, struct err *e)
{
	return act(c, SPOOL_EXPIRE, e);
}
