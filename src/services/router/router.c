#include "services/router/router.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "services/router/router_priv.h"

const char *router_verdict_str(enum router_verdict v)
{
	static const char *const texts[] = {
#define X(id, code, cls, subject, detail, text) text,
		ROUTER_VERDICTS(X)
#undef X
	};

	MUST(v < ROUTER_VERDICT_COUNT);
	return texts[v];
}

int router_verdict_err(enum router_verdict v, struct err *e)
{
	static const struct {
		unsigned code, cls, subject, detail;
	} triples[] = {
#define X(id, code, cls, subject, detail, text) {code, cls, subject, detail},
		ROUTER_VERDICTS(X)
#undef X
	};

	MUST(v < ROUTER_VERDICT_COUNT);
	err_set(e,
		v == ROUTER_UNVERIFIED         ? ERR_BUSY
			: v == ROUTER_NO_RELAY ? ERR_DENIED
					       : ERR_NOT_FOUND,
		"%s", router_verdict_str(v));
	err_scope_set(
		e, ERR_SCOPE_RCPT, v == ROUTER_UNVERIFIED ? ERR_AGAIN_LATER : ERR_AGAIN_NEVER);
	return err_smtp(e, triples[v].code, triples[v].cls, triples[v].subject, triples[v].detail);
}

struct router *router_new(const struct router_opts *opts)
{
	struct router *r = NEW(struct router);

	r->opts = *opts;
	r->facts_arena = arena_new();
	hash_map_init(&r->cache, (struct hash_key){loop_random(), loop_random()});
	hash_map_init(&r->asked, (struct hash_key){loop_random(), loop_random()});
	return r;
}

/* ---- what is kept ----------------------------------------------------------------------------- */

static void cache_clear(struct router *r)
{
	struct hash_key key = r->cache.key;
	size_t at = 0;
	struct span name;
	void *value;

	while (hash_map_next(&r->cache, &at, &name, &value)) {
		struct router_cached *c = value;
		struct arena *arena = c->arena; /* the entry lives in its own arena */

		arena_free(&arena);
	}
	hash_map_fini(&r->cache);
	hash_map_init(&r->cache, key);
}

void router_free(struct router **r)
{
	if (!*r)
		return;
	cache_clear(*r);
	hash_map_fini(&(*r)->cache);
	router_ask_free(*r);
	arena_free(&(*r)->facts_arena);
	free(*r);
	*r = NULL;
}

static struct span *spans_copy(struct arena *a, const struct span *from, size_t count)
{
	struct span *to = ARENA_ARRAY(a, struct span, count);

	for (size_t i = 0; i < count; i++)
		to[i] = arena_span(a, from[i]);
	return to;
}

static void answer_copy(struct arena *a, const struct router_answer *from, struct router_answer *to)
{
	*to = *from;
	to->targets = ARENA_ARRAY(a, struct router_target, from->target_count);
	for (size_t i = 0; i < from->target_count; i++) {
		struct router_target *t = &to->targets[i];

		*t = from->targets[i];
		t->address = arena_span(a, t->address);
		t->destination = arena_span(a, t->destination);
		t->via = arena_span(a, t->via);
		t->prefix = arena_span(a, t->prefix);
		t->egress = arena_span(a, t->egress);
		t->way = spans_copy(a, t->way, t->way_count);
	}
}

struct router_cached *router_cache_put(struct router *r, uint64_t generation, struct span name)
{
	if (generation != r->generation || generation != store_directory_generation(r->opts.store))
		return NULL;
	if (hash_map_count(&r->cache) >= ROUTER_CACHE_MAX)
		cache_clear(r);

	struct arena *arena = arena_new();
	struct router_cached *c = ARENA_NEW(arena, struct router_cached);

	c->arena = arena;
	struct router_cached *old = hash_map_set(&r->cache, name, c);
	if (old) {
		struct arena *old_arena = old->arena;
		arena_free(&old_arena);
	}
	return c;
}

/* Begin anew when the directory has changed, with what spares looking. */
static FIBER int cache_check(struct router *r, struct err *e)
{
	uint64_t now = store_directory_generation(r->opts.store);
	struct directory_facts facts;
	struct arena *a;

	if (now != r->generation) {
		cache_clear(r);
		r->generation = now;
		r->has_facts = false;
	}
	if (r->has_facts)
		return 0;
	a = arena_new();
	if (directory_facts(r->opts.store, a, &facts, e) < 0) {
		arena_free(&a);
		return -1;
	}
	/* Another fiber may have been here meanwhile: the last one stays. */
	arena_free(&r->facts_arena);
	r->facts_arena = a;
	r->facts = facts;
	router_srs_keys(a, facts.srs_keys, &r->srs);
	r->has_facts = now == r->generation;
	return 0;
}

struct span router_address_join(struct arena *a, struct span local, struct span domain)
{
	char *p = arena_alloc(a, local.len + 1 + domain.len + 1);

	if (local.len)
		memcpy(p, local.ptr, local.len);
	p[local.len] = '@';
	if (domain.len)
		memcpy(p + local.len + 1, domain.ptr, domain.len);
	return span_of(p, local.len + 1 + domain.len);
}

/* ---- answers ---------------------------------------------------------------------------------- */

/* An address on its way to its answer. */
struct asked {
	struct router_hop hop;
	struct span name, domain_name; /* in the cache: "local@domain", "@domain" */
	bool is_remote;
};

static bool is_foreign(const struct router_answer *ans)
{
	return ans->target_count == 1 && !ans->is_alias && !ans->targets[0].is_local &&
		!ans->targets[0].is_list && !ans->targets[0].via.len;
}

/* What the walk found is kept: for a foreign domain once for all its addresses. */
static void keep(
	struct router *r, uint64_t generation, const struct asked *s, const struct router_walk *w)
{
	bool is_whole_domain = is_foreign(w->ans) && w->ans->check == DIRECTORY_CHECK_NONE;
	struct router_cached *c;

	if (w->is_uncached)
		return;
	c = router_cache_put(r, generation, is_whole_domain ? s->domain_name : s->name);
	if (!c)
		return;
	answer_copy(c->arena, w->ans, &c->answer);
	c->is_remote = is_foreign(w->ans) && !w->ans->targets[0].is_relay;
}

static bool from_cache(
	struct router *r, struct arena *a, struct asked *s, struct router_answer *ans)
{
	struct router_cached *c = hash_map_get(&r->cache, s->domain_name);

	if (!c)
		c = hash_map_get(&r->cache, s->name);
	if (!c)
		return false;
	answer_copy(a, &c->answer, ans);
	s->is_remote = c->is_remote;
	/* Delivered-To shows the address as this client wrote it. */
	if (!ans->is_alias && ans->target_count == 1)
		ans->targets[0].address = s->hop.written;
	return true;
}

static FIBER int fresh(struct router *r, struct arena *a, const struct router_question *q,
	struct asked *s, struct router_answer *ans, struct err *e)
{
	struct router_walk w = {.r = r, .a = a, .q = q, .ans = ans};
	uint64_t generation = r->generation;

	if (router_walk(&w, &s->hop, e) < 0)
		return -1;
	s->is_remote = is_foreign(ans) && !ans->targets[0].is_relay && !w.is_uncached;
	if (!q->record)
		keep(r, generation, s, &w);
	return 0;
}

/* RFC 5321 section 4.5.1: "postmaster" without a domain, and at our own host name, is always
 * somebody: the postmaster of the first domain that is ours. */
static FIBER int postmaster_domain(
	struct router *r, struct arena *a, struct span *domain_r, struct err *e)
{
	struct directory_domain *list = NULL;
	size_t count = 0;

	if (directory_domain_list(r->opts.store, a, &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		if (list[i].kind == DIRECTORY_DOMAIN_LOCAL) {
			*domain_r = list[i].name;
			return 0;
		}
	}
	return 0;
}

static int refuse(struct router_answer *ans, const struct router_question *q, enum router_verdict v)
{
	ans->verdict = v;
	ans->target_count = 0;
	router_note(q->record, ROUTER_STEP_REFUSED, 0, SPAN_NONE, "%s", router_verdict_str(v));
	return 0;
}

FIBER int router_resolve(struct router *r, struct arena *a, const struct router_question *q,
	struct router_answer *answer_r, struct err *e)
{
	struct router_answer *ans = answer_r;
	struct asked s = {.hop = {.local = router_local_key(a, q->local),
				  .domain = router_domain_key(a, q->domain)}};
	struct router_hop *h = &s.hop;

	*ans = (struct router_answer){.verdict = ROUTER_OK};
	if (cache_check(r, e) < 0)
		return -1;
	if (span_eq(h->local, SPAN("postmaster")) &&
		(!q->domain.len || span_eq(h->domain, span_str(r->opts.hostname)))) {
		if (postmaster_domain(r, a, &h->domain, e) < 0)
			return -1;
	} else if (!h->domain.len) {
		return refuse(ans, q, q->domain.len ? ROUTER_BAD_DOMAIN : ROUTER_UNKNOWN_USER);
	}
	if (!h->local.len || !h->domain.len)
		return refuse(ans, q, ROUTER_UNKNOWN_USER);
	h->written = router_address_join(a, q->local, q->domain.len ? q->domain : h->domain);
	s.name = router_address_join(a, h->local, h->domain);
	s.domain_name = span_skip(s.name, h->local.len);

	if ((q->record || !from_cache(r, a, &s, ans)) && fresh(r, a, q, &s, ans, e) < 0)
		return -1;
	if (ans->verdict == ROUTER_OK && s.is_remote && !q->may_relay)
		ans->verdict = ROUTER_NO_RELAY;
	if (ans->verdict == ROUTER_OK && ans->check >= DIRECTORY_CHECK_ASK)
		router_ask(r, a, q, ans);
	if (ans->verdict != ROUTER_OK)
		return refuse(ans, q, ans->verdict);
	return router_road_finish(r, a, q, ans, e);
}

FIBER int router_resolve_address(struct router *r, struct arena *a, struct span address,
	bool may_relay, struct router_answer *answer_r, struct err *e)
{
	ptrdiff_t at = span_rfind(address, '@');
	struct router_question q = {
		.local = span_sub(address, 0, at < 0 ? address.len : (size_t)at),
		.domain = at < 0 ? SPAN_NONE : span_skip(address, (size_t)at + 1),
		.may_relay = may_relay};

	return router_resolve(r, a, &q, answer_r, e);
}

void router_spool_rcpt(const struct router_target *t, struct spool_rcpt_new *rcpt_r)
{
	*rcpt_r = (struct spool_rcpt_new){
		.address = t->address,
		.is_local = t->is_local,
		.account_id = t->account_id,
		.folder = t->is_local ? SPAN("INBOX") : SPAN_NONE,
		.destination = t->destination,
		.sender = t->sender,
		.prefix = t->is_local ? SPAN_NONE : t->prefix,
	};
}
