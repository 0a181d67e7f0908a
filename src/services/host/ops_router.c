/* Operations on where mail goes: routes, forwards, recipients of relay domains, and what the router would
 * decide. */

#include "store/directory.h"
#include "services/host/host_priv.h"
#include "services/host/ops_priv.h"
#include "services/router/router.h"

static FIBER int done(struct ops_call *c, const char *key, struct span value, struct err *e)
{
	json_kv_span(ops_row(c), key, value);
	return ops_row_end(c, e);
}

static struct span *texts(struct ops_call *c, const char *name, size_t *count_r)
{
	const struct json_in *list = json_in_get(c->args, name);
	struct span *spans = ARENA_ARRAY(c->arena, struct span, json_in_count(list));

	*count_r = json_in_count(list);
	for (size_t i = 0; i < *count_r; i++)
		spans[i] = json_in_span(json_in_at(list, i));
	return spans;
}

/* ---- routes ----------------------------------------------------------------------------------- */

static FIBER int route_set(struct ops_call *c, bool is_add, struct err *e)
{
	struct directory_route route = {.is_lmtp = json_in_bool(c->args, "lmtp"),
		.domain = json_in_text(c->args, "domain"),
		.sender = json_in_text(c->args, "sender"),
		.next_hop = json_in_text(c->args, "next_hop"),
		.egress = json_in_text(c->args, "egress")};
	struct span key;

	/* "route add --sender @example.org HOP": the one word there is */
	if (route.sender.len && !route.next_hop.len) {
		route.next_hop = route.domain;
		route.domain = SPAN_NONE;
	}
	if (route.sender.len && route.domain.len)
		return err_set(e, ERR_SYNTAX, "a route is by domain or by sender, not by both");
	if (!route.sender.len && ops_need(c, "domain", &route.domain, e) < 0)
		return -1;
	if (!route.next_hop.len)
		return err_set(e, ERR_SYNTAX, "the next hop is missing");
	/* A route that the router could not follow is refused here, not at the first letter. */
	if (router_hop_key(c->arena, route.next_hop, route.is_lmtp, &key, e) < 0 ||
		directory_route_set(c->ctx->store, &route, is_add, e) < 0)
		return -1;
	return route.sender.len ? done(c, "sender", route.sender, e)
				: done(c, "domain", route.domain, e);
}

FIBER int op_route_add(struct ops_call *c, struct err *e)
{
	return route_set(c, true, e);
}

FIBER int op_route_set(struct ops_call *c, struct err *e)
{
	return route_set(c, false, e);
}

FIBER int op_route_remove(struct ops_call *c, struct err *e)
{
	struct span domain, sender = json_in_text(c->args, "sender");

	if (sender.len) {
		if (directory_sender_route_remove(c->ctx->store, sender, e) < 0)
			return -1;
		return done(c, "sender", sender, e);
	}
	if (ops_need(c, "domain", &domain, e) < 0 ||
		directory_route_remove(c->ctx->store, domain, e) < 0)
		return -1;
	return done(c, "domain", domain, e);
}

FIBER int op_route_list(struct ops_call *c, struct err *e)
{
	struct directory_route *list = NULL;
	size_t count = 0;

	if (directory_route_list(c->ctx->store, c->arena, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		json_kv_span(j, "domain", list[i].domain);
		json_kv_span(j, "sender", list[i].sender);
		json_kv_span(j, "next_hop", list[i].next_hop);
		json_kv_bool(j, "lmtp", list[i].is_lmtp);
		json_kv_span(j, "egress", list[i].egress);
		json_kv_span(j, "unicode",
			directory_unicode(
				c->arena, list[i].sender.len ? list[i].sender : list[i].domain));
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- forwards --------------------------------------------------------------------------------- */

static FIBER int forward_row(struct ops_call *c, struct span address, struct err *e)
{
	struct span *targets = NULL;
	size_t count = 0;
	bool is_only = false;
	struct json_out *j;

	if (directory_forward_list(
		    c->ctx->store, c->arena, address, &targets, &count, &is_only, e) < 0)
		return -1;
	j = ops_row(c);
	json_kv_span(j, "address", address);
	json_key(j, "targets");
	json_open_array(j);
	for (size_t i = 0; i < count; i++)
		json_span(j, targets[i]);
	json_close(j);
	json_kv_bool(j, "keep", !is_only);
	return ops_row_end(c, e);
}

/* Without targets and --remove it only tells. */
FIBER int op_account_forward(struct ops_call *c, struct err *e)
{
	bool is_remove = json_in_bool(c->args, "remove");
	struct span address, *targets;
	size_t count;

	if (ops_need(c, "address", &address, e) < 0)
		return -1;
	targets = texts(c, "targets", &count);
	if (is_remove && count)
		return err_set(e, ERR_SYNTAX, "to remove the forwards takes no targets");
	if ((count || is_remove) &&
		directory_forward_set(c->ctx->store, address, targets, count,
			json_in_bool(c->args, "only"), e) < 0)
		return -1;
	return forward_row(c, address, e);
}

/* ---- recipients of relay domains -------------------------------------------------------------- */

static FIBER int recipients_change(struct ops_call *c, bool is_remove, struct err *e)
{
	struct span domain, *names;
	uint64_t changed = 0;
	struct json_out *j;
	size_t count;

	if (ops_need(c, "domain", &domain, e) < 0)
		return -1;
	names = texts(c, "names", &count);
	if (!count)
		return err_set(e, ERR_SYNTAX, "whom?");
	if (directory_recipients_change(
		    c->ctx->store, domain, names, count, is_remove, &changed, e) < 0)
		return -1;
	j = ops_row(c);
	json_kv_span(j, "domain", domain);
	json_kv_u64(j, "changed", changed);
	return ops_row_end(c, e);
}

FIBER int op_recipients_add(struct ops_call *c, struct err *e)
{
	return recipients_change(c, false, e);
}

FIBER int op_recipients_remove(struct ops_call *c, struct err *e)
{
	return recipients_change(c, true, e);
}

FIBER int op_recipients_list(struct ops_call *c, struct err *e)
{
	struct span domain, *locals = NULL;
	size_t count = 0;

	if (ops_need(c, "domain", &domain, e) < 0 ||
		directory_recipients_list(c->ctx->store, c->arena, domain, &locals, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		json_kv_span(j, "recipient", locals[i]);
		json_kv_span(j, "domain", domain);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- what would be done ----------------------------------------------------------------------- */

static void put_target(struct json_out *j, const struct router_target *t)
{
	json_open_object(j);
	json_kv_span(j, "address", t->address);
	json_kv_str(j, "kind", t->is_local ? "local" : t->is_list ? "list" : "remote");
	json_kv_span(j, "destination", t->destination);
	json_kv_span(j, "via", t->via);
	json_kv_span(j, "sender", t->sender);
	json_close(j);
}

static void put_answer(
	struct json_out *j, const struct router_answer *ans, const struct router_record *rec)
{
	json_key(j, "targets");
	json_open_array(j);
	for (size_t i = 0; i < ans->target_count; i++)
		put_target(j, &ans->targets[i]);
	json_close(j);
	json_key(j, "steps");
	json_open_array(j);
	for (size_t i = 0; i < rec->count; i++) {
		json_open_object(j);
		json_kv_str(j, "kind", router_step_str(rec->steps[i].kind));
		json_kv_u64(j, "depth", rec->steps[i].depth);
		json_kv_span(j, "row", rec->steps[i].row);
		json_kv_span(j, "text", rec->steps[i].text);
		json_close(j);
	}
	json_close(j);
}

struct router *ops_router(struct ops_call *c)
{
	struct host *h = c->ctx->host;
	struct router_opts opts = {.store = c->ctx->store, .separator = '+'};

	if (c->ctx->config) {
		opts.hostname = c->ctx->config->hostname;
		opts.separator = c->ctx->config->separator[0];
	}
	if (h) {
		opts.ask = host_router_ask;
		opts.ask_arg = &h->workers[0];
	}
	return router_new(&opts);
}

static FIBER int test(struct ops_call *c, struct router *r, struct router_question *q,
	struct span address, struct err *e)
{
	struct router_record rec = {.a = c->arena};
	struct router_answer ans, stranger;
	struct json_out *j;

	/* As a stranger at port 25 asks, and as one who may send anywhere. */
	if (router_resolve(r, c->arena, q, &stranger, e) < 0)
		return -1;
	q->may_relay = true;
	q->record = &rec;
	if (router_resolve(r, c->arena, q, &ans, e) < 0)
		return -1;
	j = ops_row(c);
	json_kv_span(j, "address", address);
	json_kv_span(j, "sender", q->sender);
	json_kv_str(j, "verdict", router_verdict_str(ans.verdict));
	json_kv_bool(j, "taken_from_strangers", stranger.verdict == ROUTER_OK);
	json_kv_bool(j, "taken_from_trusted", ans.verdict == ROUTER_OK);
	put_answer(j, &ans, &rec);
	return ops_row_end(c, e);
}

FIBER int op_route_test(struct ops_call *c, struct err *e)
{
	struct router_question q = {.sender = json_in_text(c->args, "from")};
	struct router *r;
	struct span address;
	ptrdiff_t at;
	int rc;

	if (ops_need(c, "address", &address, e) < 0)
		return -1;
	at = span_rfind(address, '@');
	q.local = span_sub(address, 0, at < 0 ? address.len : (size_t)at);
	q.domain = at < 0 ? SPAN_NONE : span_skip(address, (size_t)at + 1);
	if (span_eq(q.sender, SPAN("<>")))
		q.sender = SPAN_NONE;
	r = ops_router(c);
	rc = test(c, r, &q, address, e);
	router_free(&r);
	return rc;
}
