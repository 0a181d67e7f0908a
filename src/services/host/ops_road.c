/* Roads: pools of next hops, where connections go out from, how to log in. */

#include <string.h>

#include "store/road.h"
#include "services/host/host_priv.h"
#include "services/host/ops_priv.h"
#include "services/pool/egress.h"
#include "services/router/router.h"

/* The server has the new tables before the command says that it is done. */
static FIBER int changed(struct ops_call *c, struct err *e)
{
	return c->ctx->host ? host_road_changed(c->ctx->host, e) : 0;
}

static FIBER int done(struct ops_call *c, const char *key, struct span value, struct err *e)
{
	if (changed(c, e) < 0)
		return -1;
	json_kv_span(ops_row(c), key, value);
	return ops_row_end(c, e);
}

/* ---- pools -------------------------------------------------------------------------------------- */

static int policy_of(struct span text, enum road_policy *policy_r, struct err *e)
{
	for (int i = 0; i < ROAD_POLICY_COUNT; i++) {
		if (span_eq(text, span_str(road_policy_str((enum road_policy)i)))) {
			*policy_r = (enum road_policy)i;
			return 0;
		}
	}
	return err_set(e, ERR_SYNTAX, "policy is order, weight or random");
}

/* "host:port", "lmtp:unix:/path" */
static int hop_of(struct arena *a, struct span text, struct span *key_r, struct err *e)
{
	bool is_lmtp = span_starts(text, SPAN("lmtp:"));

	if (is_lmtp)
		text = span_skip(text, 5);
	if (span_starts(text, SPAN("pool:")))
		return err_set(e, ERR_SYNTAX, "a pool within a pool");
	return router_hop_key(a, text, is_lmtp, key_r, e);
}

/* A member with "=WEIGHT" behind it. */
static int member_of(struct arena *a, struct span text, struct road_member *m, struct err *e)
{
	ptrdiff_t at = span_rfind(text, '=');

	*m = (struct road_member){.weight = 1};
	if (at > 0) {
		if (!span_u64_max(span_skip(text, (size_t)at + 1), ROAD_WEIGHT_MAX, &m->weight) ||
			!m->weight)
			return err_set(e, ERR_SYNTAX,
				"\"" SPAN_FMT "\": behind = stands a weight of 1 to %d",
				SPAN_ARG(span_sub(text, 0, 80)), ROAD_WEIGHT_MAX);
		text = span_sub(text, 0, (size_t)at);
	}
	return hop_of(a, text, &m->next_hop, e);
}

static int members_of(struct ops_call *c, struct road_pool *pool, struct err *e)
{
	const struct json_in *members = json_in_get(c->args, "members");

	pool->member_count = json_in_count(members);
	if (pool->member_count > ROAD_MEMBERS_MAX)
		return err_set(e, ERR_SYNTAX, "a pool has 1 to %d members", ROAD_MEMBERS_MAX);
	pool->members = ARENA_ARRAY(c->arena, struct road_member, pool->member_count + 1);
	for (size_t i = 0; i < pool->member_count; i++) {
		if (member_of(c->arena, json_in_span(json_in_at(members, i)), &pool->members[i],
			    e) < 0)
			return -1;
	}
	return 0;
}

/* Take a member out, or in again. */
static int switch_member(
	struct ops_call *c, struct road_pool *pool, const char *word, bool is_off, struct err *e)
{
	struct span text = json_in_text(c->args, word), key;

	if (!text.len)
		return 0;
	if (hop_of(c->arena, text, &key, e) < 0)
		return -1;
	for (size_t i = 0; i < pool->member_count; i++) {
		if (span_eq(pool->members[i].next_hop, key)) {
			pool->members[i].is_off = is_off;
			return 0;
		}
	}
	return err_set(e, ERR_NOT_FOUND, "the pool has no member " SPAN_FMT, SPAN_ARG(key));
}

static FIBER int pool_find(
	struct ops_call *c, struct span name, struct road_pool *pool_r, struct err *e)
{
	struct road_pool *list = NULL;
	size_t count = 0;

	if (road_pool_list(c->ctx->store, c->arena, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (span_eq(list[i].name, name)) {
			*pool_r = list[i];
			return 0;
		}
	}
	return err_set(e, ERR_NOT_FOUND, "there is no pool '" SPAN_FMT "'", SPAN_ARG(name));
}

static FIBER int pool_write(struct ops_call *c, bool is_add, struct err *e)
{
	struct span name, policy = json_in_text(c->args, "policy");
	struct road_pool pool = {.policy = ROAD_ORDER}, given = {0};

	if (ops_need(c, "pool", &name, e) < 0 || members_of(c, &given, e) < 0 ||
		(!is_add && pool_find(c, name, &pool, e) < 0))
		return -1;
	pool.name = name;
	if (given.member_count) {
		pool.member_count = given.member_count;
		pool.members = given.members;
	}
	if ((policy.len && policy_of(policy, &pool.policy, e) < 0) ||
		switch_member(c, &pool, "off", true, e) < 0 ||
		switch_member(c, &pool, "on", false, e) < 0 ||
		road_pool_set(c->ctx->store, &pool, is_add, e) < 0)
		return -1;
	return done(c, "pool", name, e);
}

FIBER int op_pool_add(struct ops_call *c, struct err *e)
{
	return pool_write(c, true, e);
}

FIBER int op_pool_set(struct ops_call *c, struct err *e)
{
	return pool_write(c, false, e);
}

FIBER int op_pool_remove(struct ops_call *c, struct err *e)
{
	struct span name;

	if (ops_need(c, "pool", &name, e) < 0 || road_pool_remove(c->ctx->store, name, e) < 0)
		return -1;
	return done(c, "pool", name, e);
}

static FIBER int put_member(
	struct ops_call *c, const struct road_pool *pool, size_t i, struct err *e)
{
	const struct road_member *m = &pool->members[i];
	struct json_out *j = ops_row(c);
	struct pool_health health = {0};
	int64_t wait;

	if (c->ctx->host)
		pool_health(c->ctx->host->pools, c->arena, m->next_hop, &health);
	json_kv_span(j, "pool", pool->name);
	json_kv_str(j, "policy", road_policy_str(pool->policy));
	json_kv_span(j, "member", m->next_hop);
	json_kv_u64(j, "weight", m->weight);
	json_kv_str(j, "state",
		m->is_off               ? "off"
			: !c->ctx->host ? "unknown"
			: health.is_up  ? "up"
					: "down");
	ops_put_time(j, "since", health.since_ns);
	json_kv_u64(j, "picks", health.picks);
	json_kv_u64(j, "delivered", health.delivered);
	json_kv_u64(j, "downs", health.downs);
	json_kv_span(j, "reason", health.is_up ? SPAN_NONE : health.reason);
	wait = health.is_up || !health.is_known ? 0 : health.retry_ns - loop_now_ns();
	json_kv_i64(j, "probe_s", wait > 0 ? wait / CLOCK_SEC : 0);
	return ops_row_end(c, e);
}

FIBER int op_pool_list(struct ops_call *c, struct err *e)
{
	struct road_pool *list = NULL;
	size_t count = 0;

	if (road_pool_list(c->ctx->store, c->arena, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < list[i].member_count; k++) {
			if (put_member(c, &list[i], k, e) < 0)
				return -1;
		}
	}
	return 0;
}

/* ---- egress ------------------------------------------------------------------------------------- */

static void take(struct ops_call *c, const char *name, struct span *text_r)
{
	if (json_in_get(c->args, name))
		*text_r = json_in_text(c->args, name);
}

static int egress_args(struct ops_call *c, struct road_egress *g, struct err *e)
{
	struct egress form;

	take(c, "address4", &g->address4);
	take(c, "address6", &g->address6);
	take(c, "hostname", &g->hostname);
	take(c, "proxy", &g->proxy);
	if (json_in_get(c->args, "weight") && !json_in_u64(c->args, "weight", &g->weight))
		return err_set(e, ERR_SYNTAX, "a weight is 1 to %d", ROAD_WEIGHT_MAX);
	if (json_in_get(c->args, "require_ptr"))
		g->is_ptr_needed = json_in_bool(c->args, "require_ptr");
	if (!g->address4.len && !g->address6.len && !g->hostname.len && !g->proxy.len)
		return err_set(e, ERR_SYNTAX,
			"an egress is a source address, a name for EHLO or a proxy: say one");
	return egress_read(g, &form, e);
}

FIBER int op_egress_add(struct ops_call *c, struct err *e)
{
	struct road_egress g = {.weight = 1};
	uint64_t n = 0;

	if (ops_need(c, "egress", &g.name, e) < 0 || egress_args(c, &g, e) < 0 ||
		road_egress_set(c->ctx->store, &g, true, &n, e) < 0 || changed(c, e) < 0)
		return -1;
	json_kv_span(ops_row(c), "egress", g.name);
	json_kv_u64(&c->json, "n", n);
	return ops_row_end(c, e);
}

/* The row that is meant: by its number, or the only one. */
static FIBER int egress_find(
	struct ops_call *c, struct span name, struct road_egress *g, struct err *e)
{
	struct road_egress *list = NULL;
	size_t count = 0, found = 0;
	uint64_t n = 0;
	bool has_n = json_in_u64(c->args, "n", &n);

	if (road_egress_list(c->ctx->store, c->arena, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (!span_eq(list[i].name, name) || (has_n && list[i].n != n))
			continue;
		*g = list[i];
		found++;
	}
	if (found == 0)
		return err_set(
			e, ERR_NOT_FOUND, "there is no such egress '" SPAN_FMT "'", SPAN_ARG(name));
	if (found > 1)
		return err_set(e, ERR_SYNTAX,
			"egress '" SPAN_FMT "' has %zu rows: say which with --row", SPAN_ARG(name),
			found);
	return 0;
}

FIBER int op_egress_set(struct ops_call *c, struct err *e)
{
	struct road_egress g = {0};
	struct span name;
	uint64_t n;

	if (ops_need(c, "egress", &name, e) < 0 || egress_find(c, name, &g, e) < 0 ||
		egress_args(c, &g, e) < 0 || road_egress_set(c->ctx->store, &g, false, &n, e) < 0)
		return -1;
	return done(c, "egress", name, e);
}

FIBER int op_egress_remove(struct ops_call *c, struct err *e)
{
	struct span name;
	uint64_t n = 0;
	bool has_n = json_in_u64(c->args, "n", &n);

	if (ops_need(c, "egress", &name, e) < 0 ||
		road_egress_remove(c->ctx->store, name, has_n ? (int64_t)n : -1, e) < 0)
		return -1;
	return done(c, "egress", name, e);
}

/* The proxy without its password. */
static void put_proxy(struct json_out *j, struct arena *a, struct span text)
{
	struct egress_proxy p;

	if (egress_proxy_read(text, &p, NULL) < 0 || !p.user.ptr)
		json_kv_span(j, "proxy", text);
	else
		json_kv_str(j, "proxy",
			arena_printf(a, "socks5://" SPAN_FMT ":***@" SPAN_FMT ":%u",
				SPAN_ARG(p.user), SPAN_ARG(p.host), p.port));
}

FIBER int op_egress_list(struct ops_call *c, struct err *e)
{
	struct road_egress *list = NULL;
	size_t count = 0;

	if (road_egress_list(c->ctx->store, c->arena, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		json_kv_span(j, "egress", list[i].name);
		json_kv_u64(j, "n", list[i].n);
		json_kv_span(j, "address4", list[i].address4);
		json_kv_span(j, "address6", list[i].address6);
		json_kv_span(j, "hostname", list[i].hostname);
		put_proxy(j, c->arena, list[i].proxy);
		json_kv_u64(j, "weight", list[i].weight);
		json_kv_bool(j, "require_ptr", list[i].is_ptr_needed);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

static FIBER int check_address(
	struct ops_call *c, const struct road_egress *g, struct span address, struct err *e)
{
	struct host *h = c->ctx->host;
	struct span ehlo = g->hostname.len ? g->hostname : span_str(h->config->hostname);
	struct span name = SPAN_NONE;
	struct json_out *j;
	struct addr a;
	bool is_back = false;

	if (!address.len)
		return 0;
	if (!addr_parse_ip(address, 0, &a))
		return err_set(e, ERR_SYNTAX, "'" SPAN_FMT "' is no address", SPAN_ARG(address));
	if (outbound_leads_back(h->dns, c->arena, &a, &name, &is_back, e) < 0)
		return -1;
	if (a.sa.sa_family == AF_INET6)
		egress_ptr_found(h->pools, &a, is_back);
	j = ops_row(c);
	json_kv_span(j, "egress", g->name);
	json_kv_u64(j, "n", g->n);
	json_kv_span(j, "address", address);
	json_kv_span(j, "name", name);
	json_kv_bool(j, "leads_back", is_back);
	json_kv_span(j, "ehlo", ehlo);
	json_kv_bool(j, "is_ehlo", is_back && span_eq_nocase(name, ehlo));
	return ops_row_end(c, e);
}

FIBER int op_egress_check(struct ops_call *c, struct err *e)
{
	struct span name = json_in_text(c->args, "egress");
	struct road_egress *list = NULL;
	size_t count = 0, found = 0;

	if (!c->ctx->host->dns)
		return err_set(e, ERR_STATE, "the resolver is not ready yet");
	if (road_egress_list(c->ctx->store, c->arena, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (name.len && !span_eq(list[i].name, name))
			continue;
		found++;
		if (check_address(c, &list[i], list[i].address4, e) < 0 ||
			check_address(c, &list[i], list[i].address6, e) < 0)
			return -1;
	}
	return found || !name.len
		? 0
		: err_set(e, ERR_NOT_FOUND, "there is no egress '" SPAN_FMT "'", SPAN_ARG(name));
}

/* ---- logins ------------------------------------------------------------------------------------- */

static int login_key(struct ops_call *c, struct span *key_r, struct err *e)
{
	struct span hop;

	if (ops_need(c, "next_hop", &hop, e) < 0)
		return -1;
	return router_hop_key(c->arena, hop, false, key_r, e);
}

/* "user@domain", "@domain" or nothing; domains as A-labels. */
static int login_sender(struct ops_call *c, struct span *sender_r, struct err *e)
{
	struct span text = json_in_text(c->args, "sender"), domain;
	ptrdiff_t at = span_rfind(text, '@');

	*sender_r = SPAN_NONE;
	if (!text.len)
		return 0;
	domain = at < 0 ? SPAN_NONE : router_domain_key(c->arena, span_skip(text, (size_t)at + 1));
	if (!domain.len || span_find(text, '|') >= 0)
		return err_set(e, ERR_SYNTAX,
			"a sender is user@domain or @domain, not \"" SPAN_FMT "\"",
			SPAN_ARG(span_sub(text, 0, 80)));
	*sender_r = span_str(arena_printf(c->arena, SPAN_FMT "@" SPAN_FMT,
		SPAN_ARG(span_sub(text, 0, (size_t)at)), SPAN_ARG(domain)));
	return 0;
}

FIBER int op_login_add(struct ops_call *c, struct err *e)
{
	struct road_credential login = {.secret = json_in_text(c->args, "password"),
		.mechs = json_in_text(c->args, "mechanisms"),
		.is_clear_allowed = json_in_bool(c->args, "allow_clear")};

	if (login_key(c, &login.next_hop, e) < 0 || login_sender(c, &login.sender, e) < 0 ||
		ops_need(c, "user", &login.username, e) < 0 ||
		road_credential_set(c->ctx->store, &login, e) < 0)
		return -1;
	return done(c, "next_hop", login.next_hop, e);
}

FIBER int op_login_remove(struct ops_call *c, struct err *e)
{
	struct span key, sender;

	if (login_key(c, &key, e) < 0 || login_sender(c, &sender, e) < 0 ||
		road_credential_remove(c->ctx->store, key, sender, e) < 0)
		return -1;
	return done(c, "next_hop", key, e);
}

FIBER int op_login_list(struct ops_call *c, struct err *e)
{
	struct road_credential *list = NULL;
	size_t count = 0;

	if (road_credential_list(c->ctx->store, c->arena, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		struct json_out *j = ops_row(c);

		json_kv_span(j, "next_hop", list[i].next_hop);
		json_kv_span(j, "sender", list[i].sender);
		json_kv_span(j, "user", list[i].username);
		json_kv_span(j, "mechanisms", list[i].mechs);
		json_kv_bool(j, "allow_clear", list[i].is_clear_allowed);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}
