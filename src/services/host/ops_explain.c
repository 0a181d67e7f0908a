#include "store/directory.h"
#include "services/host/host_priv.h"
#include "services/host/ops_priv.h"
#include "services/router/destination.h"

/* What would be done with a message, and which row or setting decides it; nothing is sent, nothing is
 * changed. Each fact is a row: the part of the journey, what is so, and what decided. */

#define EXPLAIN_TARGETS_MAX 50

struct explain {
	struct ops_call *c;
	struct host *h;
	struct span from, to;
	struct addr ip;
	bool has_ip, is_relay;
};

static FIBER int say(
	struct ops_call *c, const char *part, struct span decided, struct span text, struct err *e)
{
	struct json_out *j = ops_row(c);

	json_kv_str(j, "part", part);
	json_kv_span(j, "text", text);
	json_kv_span(j, "decided_by", decided);
	return ops_row_end(c, e);
}

#define SAY(x, part, decided, e, ...)                                                              \
	say((x)->c, part, span_str(decided), span_str(arena_printf((x)->c->arena, __VA_ARGS__)), e)

/* ---- the client ---- */

static const struct addr_net *relay_net(const struct config *c, const struct addr *ip)
{
	for (size_t i = 0; i < c->relay_networks.count; i++) {
		if (addr_net_has(&c->relay_networks.items[i], ip))
			return &c->relay_networks.items[i];
	}
	return NULL;
}

static FIBER int explain_client(struct explain *x, struct err *e)
{
	const struct config *c = x->h->settings->config;

	x->is_relay = x->has_ip && relay_net(c, &x->ip);
	if (SAY(x, "client", x->has_ip ? "relay_networks in yizhan.conf" : "no --ip was given", e,
		    "%s",
		    x->is_relay ? "it may send to anywhere: it lies in relay_networks"
				: "it may send to the domains of this server only (unless it logs "
				  "in)") < 0)
		return -1;
	return SAY(x, "client", "limits in yizhan.conf", e,
		"messages up to %lld octets, %lld recipients each, %lld connections from one address",
		(long long)c->limits.message_octets, (long long)c->limits.recipients,
		(long long)c->limits.connections_ip);
}

/* ---- the way to a next hop ---- */

static FIBER int explain_host(struct explain *x, const struct outbound_hops *hops,
	struct outbound_host *host, struct err *e)
{
	struct err why = {0};
	struct buf b;
	int rc;

	buf_init(&b, 4096);
	if (outbound_addrs(&x->h->outbound, hops, host, &why) < 0) {
		if (why.code == ERR_CANCELLED) {
			buf_fini(&b);
			return err_copy(e, &why);
		}
		buf_printf(&b, "no address: %s", why.text);
	}
	for (size_t i = 0; i < host->addr_count; i++) {
		buf_str(&b, i ? ", " : "");
		addr_put(&b, &host->addrs[i]);
	}
	rc = SAY(x, "hosts",
		hops->is_fixed            ? "the route"
			: hops->is_secure ? "MX, validated by DNSSEC"
					  : "MX",
		e, "%s" SPAN_FMT "%s%s",
		hops->is_fixed ? ""
			       : arena_printf(x->c->arena, "preference %u: ", (unsigned)host->pref),
		SPAN_ARG(host->name), host->name.len ? " " : "", buf_cstr(&b));
	buf_fini(&b);
	return rc;
}

static const char *count_of(struct arena *a, unsigned n, const char *what)
{
	return n ? arena_printf(a, "%u %s", n, what) : arena_printf(a, "any number of %s", what);
}

static const char *row_name(
	struct explain *x, const struct shape *shape, const struct shape_row *row)
{
	return row ? arena_printf(x->c->arena, "shape " SPAN_FMT " (%s)", SPAN_ARG(row->match),
			     shape_source(shape, row))
		   : "no row";
}

static FIBER int explain_limits(
	struct explain *x, struct span destination, struct span key, struct err *e)
{
	struct shape *shape = host_shape_read(x->c->ctx->store, x->h->config, e);
	struct arena *a = x->c->arena;
	struct shape_limits l;
	int rc;

	if (!shape)
		return -1;
	shape_find(shape, destination, key, &l);
	rc = SAY(x, "limits", row_name(x, shape, l.connections.row), e, "%s at a time",
		count_of(a, l.connections.value, "connections"));
	if (rc == 0)
		rc = SAY(x, "limits", row_name(x, shape, l.messages.row), e, "%s on each",
			count_of(a, l.messages.value, "messages"));
	if (rc == 0)
		rc = SAY(x, "limits", row_name(x, shape, l.recipients.row), e,
			"%s in one transaction", count_of(a, l.recipients.value, "recipients"));
	if (rc == 0 && l.message_rate.rate.count)
		rc = SAY(x, "limits", row_name(x, shape, l.message_rate.row), e,
			"%u messages in %lld s at most", (unsigned)l.message_rate.rate.count,
			(long long)(l.message_rate.rate.period_ns / CLOCK_SEC));
	if (rc == 0 && l.connection_rate.rate.count)
		rc = SAY(x, "limits", row_name(x, shape, l.connection_rate.row), e,
			"%u new connections in %lld s at most",
			(unsigned)l.connection_rate.rate.count,
			(long long)(l.connection_rate.rate.period_ns / CLOCK_SEC));
	shape_unref(&shape);
	return rc;
}

static FIBER int explain_pool(struct explain *x, struct span destination, struct err *e)
{
	struct span member;
	int64_t retry;
	struct err why = {0};

	if (pool_pick(x->h->outbound.pools, x->c->arena, destination, &member, &retry, &why) < 0)
		return SAY(x, "hosts", "the pool", e, "%s", why.text);
	return SAY(x, "hosts", "the pool", e,
		"one of several, chosen for each letter; now it would be " SPAN_FMT
		" (yizhan pool list shows all)",
		SPAN_ARG(member));
}

static FIBER int explain_way(struct explain *x, struct span destination, struct err *e)
{
	struct destination d;
	struct outbound_way *way;
	struct err why = {0};

	if (destination_cut(destination, &d, e) < 0)
		return -1;
	if (d.kind == DESTINATION_LIST)
		return SAY(x, "hosts", "the list", e,
			"goes to each member by itself: yizhan list members");
	if (d.kind == DESTINATION_POOL)
		return explain_pool(x, destination, e);
	if (outbound_way_find(&x->h->outbound, x->c->arena, destination, &way, &why) < 0) {
		if (why.code == ERR_CANCELLED)
			return err_copy(e, &why);
		return SAY(x, "hosts", "DNS", e, "%s: %s",
			why.again == ERR_AGAIN_NEVER ? "its mail goes back to the sender"
						     : "it waits and is tried again",
			why.text);
	}
	for (size_t i = 0; i < way->hops->count; i++) {
		if (explain_host(x, way->hops, &way->hops->hosts[i], e) < 0)
			return -1;
	}
	if (way->tls &&
		SAY(x, "tls", way->tls->why, e, "%s%s", tls_level_str(way->tls->level),
			way->tls->is_dane ? ", and what the hosts' TLSA records say" : "") < 0)
		return -1;
	return explain_limits(x, destination, way->key, e);
}

/* ---- the recipient ---- */

static FIBER int explain_steps(struct explain *x, const struct router_record *rec, struct err *e)
{
	for (size_t i = 0; i < rec->count; i++) {
		const struct router_step *s = &rec->steps[i];

		if (say(x->c, "route", s->row,
			    span_str(arena_printf(x->c->arena, "%*s" SPAN_FMT, (int)s->depth * 2,
				    "", SPAN_ARG(s->text))),
			    e) < 0)
			return -1;
	}
	return 0;
}

/* Destinations that were told already are not looked up twice. */
static bool is_told(const struct router_answer *ans, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (!ans->targets[k].is_local &&
			span_eq(ans->targets[k].destination, ans->targets[i].destination))
			return true;
	}
	return false;
}

static FIBER int explain_recipient(struct explain *x, struct err *e)
{
	struct arena *a = x->c->arena;
	struct router_record rec = {.a = a};
	struct router_question q = {.sender = x->from, .may_relay = x->is_relay, .record = &rec};
	ptrdiff_t at = span_rfind(x->to, '@');
	struct router_answer ans;
	struct err refusal = {0};

	q.local = at < 0 ? x->to : span_sub(x->to, 0, (size_t)at);
	q.domain = at < 0 ? SPAN_NONE : span_skip(x->to, (size_t)at + 1);
	struct router *r = ops_router(x->c);
	int rc = router_resolve(r, a, &q, &ans, e);

	router_free(&r);
	if (rc < 0 || explain_steps(x, &rec, e) < 0)
		return -1;
	if (ans.verdict != ROUTER_OK) {
		router_verdict_err(ans.verdict, &refusal);
		return SAY(x, "verdict", "the router", e, "RCPT is answered with %u %u.%u.%u %s",
			(unsigned)refusal.smtp, (unsigned)refusal.enh_class,
			(unsigned)refusal.enh_subject, (unsigned)refusal.enh_detail, refusal.text);
	}
	if (SAY(x, "verdict", "the router", e, "the recipient is taken (%zu target%s)",
		    ans.target_count, ans.target_count == 1 ? "" : "s") < 0)
		return -1;
	for (size_t i = 0; i < ans.target_count && i < EXPLAIN_TARGETS_MAX; i++) {
		if (!ans.targets[i].is_local && !is_told(&ans, i) &&
			explain_way(x, ans.targets[i].destination, e) < 0)
			return -1;
	}
	return 0;
}

static FIBER int explain_time(struct explain *x, struct err *e)
{
	const struct config *c = x->h->settings->config;

	return SAY(x, "time", "queue in yizhan.conf", e,
		"what cannot be delivered is tried again for %lld h, then it goes back to " SPAN_FMT,
		(long long)(c->queue.expire / CLOCK_HOUR),
		SPAN_ARG(x->from.len ? x->from : SPAN("nobody: the sender is null")));
}

FIBER int op_explain(struct ops_call *c, struct err *e)
{
	struct explain x = {.c = c, .h = c->ctx->host, .from = json_in_text(c->args, "from")};
	struct span ip = json_in_text(c->args, "ip");

	if (ops_need(c, "to", &x.to, e) < 0)
		return -1;
	x.has_ip = ip.len > 0;
	if (x.has_ip && !addr_parse_ip(ip, 0, &x.ip))
		return err_set(e, ERR_SYNTAX, "\"" SPAN_FMT "\" is no IP address",
			SPAN_ARG(span_sub(ip, 0, 64)));
	if (span_eq(x.from, SPAN("<>")))
		x.from = SPAN_NONE;
	if (explain_client(&x, e) < 0 || explain_recipient(&x, e) < 0)
		return -1;
	return explain_time(&x, e);
}
