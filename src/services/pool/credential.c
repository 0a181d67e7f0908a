#include "services/pool/credential.h"

#include "services/pool/pool_priv.h"

/* Under the lock. */
static const struct road_credential *find(
	const struct pools *p, struct span next_hop, struct span sender)
{
	const struct pool_tables *t = p->tables;

	for (size_t i = 0; t && i < t->credential_count; i++) {
		if (span_eq(t->credentials[i].next_hop, next_hop) &&
			span_eq_nocase(t->credentials[i].sender, sender))
			return &t->credentials[i];
	}
	return NULL;
}

static bool has_member(const struct road_pool *pool, struct span next_hop)
{
	for (size_t i = 0; i < pool->member_count; i++) {
		struct span member = pool->members[i].next_hop;

		if (span_starts(member, SPAN("lmtp:")))
			member = span_skip(member, 5);
		if (span_eq(member, next_hop))
			return true;
	}
	return false;
}

/* Under the lock: its own, or that of a pool which it is a member of. */
static const struct road_credential *find_wide(
	const struct pools *p, struct arena *a, struct span next_hop, struct span sender)
{
	const struct road_credential *c = find(p, next_hop, sender);

	for (size_t i = 0; !c && p->tables && i < p->tables->pool_count; i++) {
		const struct road_pool *pool = &p->tables->pools[i];

		if (has_member(pool, next_hop))
			c = find(p,
				span_str(arena_printf(a, "pool:" SPAN_FMT, SPAN_ARG(pool->name))),
				sender);
	}
	return c;
}

/* What stands behind "|as=". */
static struct span as_of(struct span destination)
{
	struct span rest = span_skip(destination, pool_base(destination).len), word;

	while (rest.len) {
		struct span all = rest;

		span_cut(all, '|', &word, &rest);
		if (span_starts(word, SPAN("as=")))
			return span_skip(word, 3);
	}
	return SPAN_NONE;
}

bool credential_find(struct pools *p, struct arena *a, struct span destination,
	struct road_credential *credential_r)
{
	struct span next_hop = pool_base(destination), as = as_of(destination);
	const struct road_credential *c = NULL;

	if (span_starts(next_hop, SPAN("lmtp:")))
		next_hop = span_skip(next_hop, 5);
	pthread_mutex_lock(&p->lock);
	if (as.len)
		c = find_wide(p, a, next_hop, as);
	if (!c)
		c = find_wide(p, a, next_hop, SPAN_NONE);
	if (c) {
		*credential_r = (struct road_credential){.next_hop = arena_span(a, c->next_hop),
			.sender = arena_span(a, c->sender),
			.username = arena_span(a, c->username),
			.secret = arena_span(a, c->secret),
			.mechs = arena_span(a, c->mechs),
			.is_clear_allowed = c->is_clear_allowed};
	}
	pthread_mutex_unlock(&p->lock);
	return c != NULL;
}
