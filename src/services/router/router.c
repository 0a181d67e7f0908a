#include "services/router/router.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "services/router/router_priv.h"

/* A kept answer: one block of memory, or for a remote domain its destination. */
struct cached {
	struct arena *arena;
	struct router_answer answer;
	bool is_remote;          /* foreign domain: only for those who may relay */
	struct span destination; /* remote or relay domain */
};

struct router {
	struct router_opts opts;
	struct hash_map cache; /* "local@domain" or "@domain" to struct cached */
	uint64_t generation;   /* of the directory when the cache was begun */
};

/* One address on its way through the aliases. */
struct step {
	struct step *next;
	struct span local, domain; /* keys */
	struct span written;       /* as the alias or the client has it */
	unsigned depth;
};

struct walk {
	struct router *r;
	struct arena *a;
	struct router_answer *ans;
	size_t target_cap;
	struct hash_map seen; /* addresses and accounts met */
	struct step *first, **last;
	bool is_loop, is_too_many;
};

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
	err_set(e, v == ROUTER_NO_RELAY ? ERR_DENIED : ERR_NOT_FOUND, "%s", router_verdict_str(v));
	err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
	return err_smtp(e, triples[v].code, triples[v].cls, triples[v].subject, triples[v].detail);
}

struct router *router_new(const struct router_opts *opts)
{
	struct router *r = NEW(struct router);

	r->opts = *opts;
	hash_map_init(&r->cache, (struct hash_key){loop_random(), loop_random()});
	return r;
}

static void cache_clear(struct router *r)
{
	size_t at = 0;
	struct span name;
	void *value;

	while (hash_map_next(&r->cache, &at, &name, &value)) {
		struct cached *c = value;
		struct arena *arena = c->arena; /* the entry lives in its own arena */

		arena_free(&arena);
	}
	struct hash_key key = r->cache.key;
	hash_map_fini(&r->cache);
	hash_map_init(&r->cache, key);
}

void router_free(struct router **r)
{
	if (!*r)
		return;
	cache_clear(*r);
	hash_map_fini(&(*r)->cache);
	free(*r);
	*r = NULL;
}

static struct router_answer *answer_copy(
	struct arena *a, const struct router_answer *from, struct router_answer *to)
{
	*to = *from;
	to->targets = ARENA_ARRAY(a, struct router_target, from->target_count);
	for (size_t i = 0; i < from->target_count; i++) {
		to->targets[i] = from->targets[i];
		to->targets[i].address = arena_span(a, from->targets[i].address);
		to->targets[i].destination = arena_span(a, from->targets[i].destination);
	}
	return to;
}

/* Keep an answer, unless the directory moved while it was being found. */
static struct cached *cache_put(struct router *r, uint64_t generation, struct span key)
{
	if (generation != r->generation || generation != store_directory_generation(r->opts.store))
		return NULL;
	if (hash_map_count(&r->cache) >= ROUTER_CACHE_MAX)
		cache_clear(r);

	struct arena *arena = arena_new();
	struct cached *c = ARENA_NEW(arena, struct cached);

	c->arena = arena;
	struct cached *old = hash_map_set(&r->cache, key, c);
	if (old) {
		struct arena *old_arena = old->arena;
		arena_free(&old_arena);
	}
	return c;
}

static void cache_check(struct router *r)
{
	uint64_t now = store_directory_generation(r->opts.store);

	if (now != r->generation) {
		cache_clear(r);
		r->generation = now;
	}
}

static struct span address_join(struct arena *a, struct span local, struct span domain)
{
	char *p = arena_alloc(a, local.len + 1 + domain.len + 1);

	if (local.len)
		memcpy(p, local.ptr, local.len);
	p[local.len] = '@';
	if (domain.len)
		memcpy(p + local.len + 1, domain.ptr, domain.len);
	return span_of(p, local.len + 1 + domain.len);
}

/* RFC 5233: "alice+list" is alice's when nobody bears the whole name. */
static FIBER int lookup(
	struct walk *w, const struct step *s, struct directory_answer *dir_r, struct err *e)
{
	struct store *store = w->r->opts.store;
	char separator = w->r->opts.separator;

	if (directory_lookup(store, w->a, s->local, s->domain, dir_r, e) < 0)
		return -1;
	ptrdiff_t at = separator ? span_find(s->local, separator) : -1;
	if (dir_r->found != DIRECTORY_UNKNOWN_USER || at <= 0)
		return 0;
	return directory_lookup(
		store, w->a, span_sub(s->local, 0, (size_t)at), s->domain, dir_r, e);
}

static struct router_target *target_add(struct walk *w)
{
	struct router_answer *ans = w->ans;

	if (ans->target_count >= ROUTER_TARGETS_MAX) {
		w->is_too_many = true;
		return NULL;
	}
	if (ans->target_count == w->target_cap) {
		size_t cap = w->target_cap ? w->target_cap * 4 : 1;
		struct router_target *grown = ARENA_ARRAY(w->a, struct router_target, cap);

		if (ans->target_count)
			memcpy(grown, ans->targets, ans->target_count * sizeof(*grown));
		ans->targets = grown;
		w->target_cap = cap;
	}
	return &ans->targets[ans->target_count++];
}

static bool seen_before(struct walk *w, struct span name)
{
	return hash_map_set(&w->seen, name, w) != NULL;
}

/* The destination key of a foreign domain: its route, or itself (a literal too). */
static FIBER int find_destination(
	struct router *r, struct arena *a, struct span domain, struct span *key_r, struct err *e)
{
	struct directory_route route = {0};
	bool is_found = false;

	if (directory_route(r->opts.store, a, domain, &route, &is_found, e) < 0)
		return -1;
	if (is_found)
		return router_hop_key(a, route.next_hop, route.is_lmtp, key_r, e);
	*key_r = domain;
	return 0;
}

static FIBER int remote_add(struct walk *w, const struct step *s, struct err *e)
{
	struct span key;

	if (find_destination(w->r, w->a, s->domain, &key, e) < 0)
		return -1;
	struct router_target *t = target_add(w);
	if (t) {
		t->address = s->written;
		t->destination = key;
	}
	return 0;
}

static void account_add(struct walk *w, const struct step *s, const struct directory_answer *dir)
{
	/* An account may be reached on many ways; it gets one copy. */
	if (seen_before(w, arena_span(w->a, span_of(&dir->account_id, sizeof(dir->account_id)))))
		return;
	struct router_target *t = target_add(w);
	if (t) {
		t->address = s->depth && dir->account.len ? dir->account : s->written;
		t->is_local = true;
		t->account_id = dir->account_id;
	}
}

static void step_add(struct walk *w, struct span address, unsigned depth)
{
	ptrdiff_t at = span_rfind(address, '@');
	struct step *s = ARENA_NEW(w->a, struct step);

	if (depth > ROUTER_ALIAS_DEPTH_MAX) {
		w->is_too_many = true;
		return;
	}
	s->written = address;
	s->depth = depth;
	s->local = router_local_key(w->a, at < 0 ? address : span_sub(address, 0, (size_t)at));
	s->domain = router_domain_key(
		w->a, at < 0 ? SPAN_NONE : span_skip(address, (size_t)at + 1));
	if (!s->local.len || !s->domain.len) {
		w->ans->dead_count++;
		return;
	}
	if (seen_before(w, address_join(w->a, s->local, s->domain))) {
		w->is_loop = true;
		return;
	}
	*w->last = s;
	w->last = &s->next;
}

/* What the directory says of one target of an alias. */
static FIBER int alias_step(
	struct walk *w, const struct step *s, const struct directory_answer *dir, struct err *e)
{
	switch (dir->found) {
	case DIRECTORY_UNKNOWN_DOMAIN:
	case DIRECTORY_RELAY_DOMAIN: return remote_add(w, s, e);
	case DIRECTORY_LIST:
	case DIRECTORY_UNKNOWN_USER: w->ans->dead_count++; return 0;
	case DIRECTORY_ACCOUNT:
		if (dir->is_suspended)
			w->ans->dead_count++;
		else
			account_add(w, s, dir);
		return 0;
	case DIRECTORY_ALIAS:
		for (size_t i = 0; i < dir->target_count && !w->is_too_many; i++)
			step_add(w, dir->targets[i], s->depth + 1);
		return 0;
	}
	MUST(!"a kind of answer that is none");
	return 0;
}

static FIBER int alias_walk(
	struct walk *w, struct step *s, struct directory_answer *dir, struct err *e)
{
	w->ans->is_alias = true;
	hash_map_init(&w->seen, w->r->cache.key);
	w->last = &w->first;
	seen_before(w, address_join(w->a, s->local, s->domain));

	int rc = alias_step(w, s, dir, e);
	for (struct step *at = w->first; !rc && at && !w->is_too_many; at = at->next) {
		struct directory_answer found = {0};

		rc = lookup(w, at, &found, e);
		if (!rc)
			rc = alias_step(w, at, &found, e);
	}
	hash_map_fini(&w->seen);
	if (rc < 0)
		return -1;
	if (w->is_too_many)
		w->ans->verdict = ROUTER_ALIAS_TOO_MANY;
	else if (w->ans->target_count)
		w->ans->verdict = ROUTER_OK;
	else
		w->ans->verdict = w->is_loop ? ROUTER_ALIAS_LOOP : ROUTER_UNKNOWN_USER;
	if (w->ans->verdict != ROUTER_OK)
		w->ans->target_count = 0;
	if (w->ans->dead_count && w->r->opts.log)
		log_event(w->r->opts.log, LOG_WARN, "router.alias.dead", LF("alias", s->written),
			LF_INT("dead", w->ans->dead_count), LF_INT("alive", w->ans->target_count));
	return 0;
}

static FIBER int resolve_local(
	struct walk *w, struct step *s, struct directory_answer *dir, struct err *e)
{
	switch (dir->found) {
	case DIRECTORY_ACCOUNT: {
		if (dir->is_suspended) {
			w->ans->verdict = ROUTER_SUSPENDED;
			return 0;
		}
		struct router_target *t = target_add(w);

		t->address = s->written;
		t->is_local = true;
		t->account_id = dir->account_id;
		return 0;
	}
	case DIRECTORY_ALIAS: return alias_walk(w, s, dir, e);
	default: w->ans->verdict = ROUTER_UNKNOWN_USER; return 0;
	}
}

/* A foreign or relay domain: one target, and the question who may. */
static void answer_remote(
	const struct cached *c, struct span written, bool may_relay, struct walk *w)
{
	if (c->is_remote && !may_relay) {
		w->ans->verdict = ROUTER_NO_RELAY;
		return;
	}
	struct router_target *t = target_add(w);
	t->address = written;
	t->destination = arena_span(w->a, c->destination);
}

static FIBER int resolve_fresh(
	struct walk *w, struct step *s, struct span domain_name, bool may_relay, struct err *e)
{
	struct router *r = w->r;
	uint64_t generation = r->generation;
	struct directory_answer dir = {0};

	if (lookup(w, s, &dir, e) < 0)
		return -1;
	if (dir.found == DIRECTORY_UNKNOWN_DOMAIN || dir.found == DIRECTORY_RELAY_DOMAIN) {
		struct cached found = {.is_remote = dir.found == DIRECTORY_UNKNOWN_DOMAIN};

		if (find_destination(r, w->a, s->domain, &found.destination, e) < 0)
			return -1;
		struct cached *c = cache_put(r, generation, domain_name);
		if (c) {
			c->is_remote = found.is_remote;
			c->destination = arena_span(c->arena, found.destination);
		}
		answer_remote(&found, s->written, may_relay, w);
		return 0;
	}
	if (resolve_local(w, s, &dir, e) < 0)
		return -1;
	struct cached *c = cache_put(r, generation, address_join(w->a, s->local, s->domain));
	if (c)
		answer_copy(c->arena, w->ans, &c->answer);
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

FIBER int router_resolve(struct router *r, struct arena *a, struct span local, struct span domain,
	bool may_relay, struct router_answer *answer_r, struct err *e)
{
	struct router_answer *ans = answer_r;
	struct step s = {
		.local = router_local_key(a, local), .domain = router_domain_key(a, domain)};
	struct walk w = {.r = r, .a = a, .ans = ans};
	bool is_postmaster = span_eq(s.local, SPAN("postmaster"));

	*ans = (struct router_answer){.verdict = ROUTER_OK};
	cache_check(r);
	if (is_postmaster && (!domain.len || span_eq(s.domain, span_str(r->opts.hostname)))) {
		if (postmaster_domain(r, a, &s.domain, e) < 0)
			return -1;
	} else if (!s.domain.len) {
		ans->verdict = domain.len ? ROUTER_BAD_DOMAIN : ROUTER_UNKNOWN_USER;
		return 0;
	}
	if (!s.local.len || !s.domain.len) {
		ans->verdict = ROUTER_UNKNOWN_USER;
		return 0;
	}
	s.written = domain.len ? address_join(a, local, domain) : address_join(a, local, s.domain);

	struct span name = address_join(a, s.local, s.domain);
	struct span domain_name = span_skip(name, s.local.len);
	struct cached *c = hash_map_get(&r->cache, domain_name);

	if (c) {
		answer_remote(c, s.written, may_relay, &w);
		return 0;
	}
	c = hash_map_get(&r->cache, name);
	if (c) {
		answer_copy(a, &c->answer, ans);
		/* Delivered-To shows the address as this client wrote it. */
		if (!ans->is_alias && ans->target_count == 1)
			ans->targets[0].address = s.written;
		return 0;
	}
	return resolve_fresh(&w, &s, domain_name, may_relay, e);
}

FIBER int router_resolve_address(struct router *r, struct arena *a, struct span address,
	bool may_relay, struct router_answer *answer_r, struct err *e)
{
	ptrdiff_t at = span_rfind(address, '@');

	if (at < 0)
		return router_resolve(r, a, address, SPAN_NONE, may_relay, answer_r, e);
	return router_resolve(r, a, span_sub(address, 0, (size_t)at),
		span_skip(address, (size_t)at + 1), may_relay, answer_r, e);
}

void router_spool_rcpt(const struct router_target *t, struct spool_rcpt_new *rcpt_r)
{
	*rcpt_r = (struct spool_rcpt_new){
		.address = t->address,
		.is_local = t->is_local,
		.account_id = t->account_id,
		.folder = t->is_local ? SPAN("INBOX") : SPAN_NONE,
		.destination = t->destination,
	};
}
