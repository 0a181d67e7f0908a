/* Which way mail takes: routes by domain, by sender, whose login, which reverse-path. */

#include "base/must.h"
#include "run/loop.h"
#include "services/router/destination.h"
#include "services/router/router_priv.h"

/* ---- by domain -------------------------------------------------------------------------------- */

FIBER int router_road(struct router_walk *w, const struct router_hop *h, bool is_relay,
	struct router_target *t, struct err *e)
{
	struct router_record *rec = w->q->record;
	struct span domain = h->domain;
	struct arena *a = w->a;
	struct directory_route route = {0};
	bool is_found = false;

	if (directory_route(w->r->opts.store, a, domain, &route, &is_found, e) < 0)
		return -1;
	t->is_relay = is_relay;
	t->is_open = !is_relay && (!is_found || span_eq(route.domain, SPAN("*")));
	t->destination = SPAN_NONE;
	t->egress = route.egress;
	if (is_found) {
		router_note(rec, ROUTER_STEP_ROUTE, h->depth, route.domain,
			"next hop " SPAN_FMT "%s%s" SPAN_FMT, SPAN_ARG(route.next_hop),
			route.is_lmtp ? " by LMTP" : "", route.egress.len ? ", egress " : "",
			SPAN_ARG(route.egress));
		if (router_hop_key(a, route.next_hop, route.is_lmtp, &t->destination, e) < 0)
			return -1;
	}
	if (t->destination.len)
		return 0;
	router_note(
		rec, ROUTER_STEP_MX, h->depth, SPAN_NONE, "the MX of " SPAN_FMT, SPAN_ARG(domain));
	t->destination = domain;
	return 0;
}

/* ---- by sender -------------------------------------------------------------------------------- */

/* What is known of a sender, under names that no address has: "\1" cannot stand in one. */
static FIBER int sender_route(struct router *r, struct arena *a, struct span sender,
	struct directory_route *route_r, struct err *e)
{
	struct span name = span_str(arena_printf(a, "\1<" SPAN_FMT, SPAN_ARG(sender)));
	struct router_cached *c = hash_map_get(&r->cache, name);
	uint64_t generation = r->generation;
	bool is_found = false;

	if (c) {
		*route_r = (struct directory_route){.sender = arena_span(a, c->route.sender),
			.next_hop = arena_span(a, c->route.next_hop),
			.egress = arena_span(a, c->route.egress)};
		return 0;
	}
	if (directory_sender_route(r->opts.store, a, sender, route_r, &is_found, e) < 0)
		return -1;
	c = router_cache_put(r, generation, name);
	if (c)
		c->route = (struct directory_route){.sender = arena_span(c->arena, route_r->sender),
			.next_hop = arena_span(c->arena, route_r->next_hop),
			.egress = arena_span(c->arena, route_r->egress)};
	return 0;
}

static FIBER int login(struct router *r, struct arena *a, struct span hop, struct span sender,
	struct span *as_r, struct err *e)
{
	struct span name = span_str(
		arena_printf(a, "\1" SPAN_FMT "<" SPAN_FMT, SPAN_ARG(hop), SPAN_ARG(sender)));
	struct router_cached *c = hash_map_get(&r->cache, name);
	uint64_t generation = r->generation;

	if (c) {
		*as_r = arena_span(a, c->as);
		return 0;
	}
	if (directory_login(r->opts.store, a, hop, sender, as_r, e) < 0)
		return -1;
	c = router_cache_put(r, generation, name);
	if (c)
		c->as = arena_span(c->arena, *as_r);
	return 0;
}

static FIBER int is_ours(
	struct router *r, struct arena *a, struct span domain, bool *is_ours_r, struct err *e)
{
	struct span name = span_str(arena_printf(a, "\1=" SPAN_FMT, SPAN_ARG(domain)));
	struct router_cached *c = hash_map_get(&r->cache, name);
	uint64_t generation = r->generation;
	enum directory_domain_kind kind;

	if (c) {
		*is_ours_r = c->is_ours;
		return 0;
	}
	if (directory_domain_find(r->opts.store, a, domain, &kind, e) < 0)
		return -1;
	*is_ours_r = kind == DIRECTORY_DOMAIN_LOCAL;
	c = router_cache_put(r, generation, name);
	if (c)
		c->is_ours = *is_ours_r;
	return 0;
}

/* ---- all of it -------------------------------------------------------------------------------- */

struct finish {
	struct router *r;
	struct arena *a;
	const struct router_question *q;
	struct span sender, sender_domain; /* keys; "" the null sender */
	bool is_srs;                       /* the sender is not ours, and there is a key */
};

static struct span domain_of(struct span address)
{
	return span_skip(address, (size_t)(span_rfind(address, '@') + 1));
}

static FIBER int take_sender_route(struct finish *f, struct router_target *t, struct err *e)
{
	struct directory_route route = {0};
	struct span key;

	if (!t->is_open || !f->sender.len || !f->r->facts.has_sender_routes)
		return 0;
	if (sender_route(f->r, f->a, f->sender, &route, e) < 0)
		return -1;
	if (!route.next_hop.len)
		return 0;
	router_note(f->q->record, ROUTER_STEP_SENDER_ROUTE, 0, route.sender,
		"next hop " SPAN_FMT "%s" SPAN_FMT, SPAN_ARG(route.next_hop),
		route.egress.len ? ", egress " : "", SPAN_ARG(route.egress));
	if (router_hop_key(f->a, route.next_hop, false, &key, e) < 0)
		return -1;
	if (!key.len)
		key = router_domain_key(f->a, domain_of(t->address));
	t->destination = key;
	t->egress = route.egress;
	return 0;
}

/* The key with what keeps connections apart. */
static FIBER int take_login(struct finish *f, struct router_target *t, struct err *e)
{
	bool may_log_in = f->sender.len && f->r->facts.has_logins;
	struct destination d;

	if (!t->egress.len && !may_log_in)
		return 0;
	if (destination_cut(t->destination, &d, e) < 0)
		return -1;
	d.egress = t->egress;
	if (may_log_in && !d.is_lmtp) {
		if (login(f->r, f->a, d.base, f->sender, &d.as, e) < 0)
			return -1;
		if (d.as.len)
			router_note(f->q->record, ROUTER_STEP_LOGIN, 0, d.as,
				"the login of this sender at " SPAN_FMT, SPAN_ARG(d.base));
	}
	if (d.egress.len || d.as.len)
		t->destination = destination_join(f->a, &d);
	return 0;
}

/* RFC 7208 section 2.4: what is passed on to elsewhere goes under a name of ours, or the next hop finds
 * us among those who may not send for the sender's domain. The message is left as it was signed. */
static void take_srs(struct finish *f, struct router_target *t)
{
	struct span ours;

	if (!f->is_srs || !t->via.len)
		return;
	ours = router_domain_key(f->a, domain_of(t->via));
	t->sender = srs_forward(f->a, &f->r->srs, f->q->sender, ours, loop_wall_ns() / CLOCK_SEC);
	router_note(f->q->record, ROUTER_STEP_SRS, 0, SPAN_NONE, "%s" SPAN_FMT,
		t->sender.len ? "goes on from " : "the sender is too long to be rewritten: ",
		SPAN_ARG(t->sender.len ? t->sender : f->q->sender));
}

static FIBER int finish_begin(struct finish *f, const struct router_answer *ans, struct err *e)
{
	bool is_passed_on = false, is_own = false;

	f->sender = router_address_key(f->a, f->q->sender);
	if (!f->sender.len)
		return 0;
	f->sender_domain = domain_of(f->sender);
	for (size_t i = 0; i < ans->target_count; i++)
		is_passed_on |= ans->targets[i].via.len && !ans->targets[i].is_local &&
			!ans->targets[i].is_list;
	if (!is_passed_on || !f->r->srs.count)
		return 0;
	if (is_ours(f->r, f->a, f->sender_domain, &is_own, e) < 0)
		return -1;
	f->is_srs = !is_own;
	return 0;
}

FIBER int router_road_finish(struct router *r, struct arena *a, const struct router_question *q,
	struct router_answer *ans, struct err *e)
{
	struct finish f = {.r = r, .a = a, .q = q};

	if (finish_begin(&f, ans, e) < 0)
		return -1;
	for (size_t i = 0; i < ans->target_count; i++) {
		struct router_target *t = &ans->targets[i];

		if (!t->is_local && !t->is_list) {
			if (take_sender_route(&f, t, e) < 0 || take_login(&f, t, e) < 0)
				return -1;
			take_srs(&f, t);
		}
		router_note(q->record, ROUTER_STEP_TARGET, 0, SPAN_NONE, SPAN_FMT " %s" SPAN_FMT,
			SPAN_ARG(t->address), t->is_local ? "into its mailbox" : "to ",
			SPAN_ARG(t->destination));
	}
	return 0;
}
