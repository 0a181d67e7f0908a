#include "services/pool/pool.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/secret.h"
#include "services/pool/pool_priv.h"

/* ---- life ------------------------------------------------------------------------------------- */

struct pools *pools_new(const struct pool_opts *opts)
{
	struct pools *p = NEW(struct pools);
	struct hash_key key;

	MUST(getrandom(&key, sizeof(key), 0) == sizeof(key));
	p->opts = *opts;
	pthread_mutex_init(&p->lock, NULL);
	hash_map_init(&p->members, key);
	hash_map_init(&p->ptrs, key);
	fiber_cond_init(&p->changed);
	return p;
}

void pool_tables_free(struct pool_tables **tp)
{
	struct pool_tables *t = *tp;
	struct arena *a;

	*tp = NULL;
	if (!t)
		return;
	for (size_t i = 0; i < t->credential_count; i++)
		secret_wipe((char *)t->credentials[i].secret.ptr, t->credentials[i].secret.len);
	a = t->arena; /* t lies in it */
	arena_free(&a);
}

static void member_free(struct pool_member *m)
{
	free((char *)m->next_hop.ptr);
	free((char *)m->probe.ptr);
	free(m);
}

void pool_ptrs_clear(struct pools *p)
{
	struct span name;
	void *r;

	for (size_t at = 0; hash_map_next(&p->ptrs, &at, &name, &r);) {
		hash_map_remove(&p->ptrs, name);
		free(r);
	}
}

void pools_free(struct pools **pp)
{
	struct pools *p = *pp;
	struct span name;
	void *m;

	if (!p)
		return;
	*pp = NULL;
	for (size_t at = 0; hash_map_next(&p->members, &at, &name, &m);)
		member_free(m);
	hash_map_fini(&p->members);
	pool_ptrs_clear(p);
	hash_map_fini(&p->ptrs);
	pool_tables_free(&p->tables);
	free((char *)p->watched.ptr);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* ---- tables ----------------------------------------------------------------------------------- */

struct pool_member *pool_member_of(struct pools *p, struct span destination)
{
	return hash_map_get(&p->members, pool_base(destination));
}

static void member_list(struct pools *p, struct span next_hop)
{
	struct pool_member *m = hash_map_get(&p->members, next_hop);

	if (!m) {
		m = NEW(struct pool_member);
		m->next_hop = span_of(mem_dup(next_hop.ptr, next_hop.len), next_hop.len);
		hash_map_set(&p->members, next_hop, m);
	}
	m->is_listed = true;
}

struct pool_tables *pool_tables_swap(struct pools *p, struct pool_tables *fresh)
{
	struct pool_tables *was = p->tables;
	struct span name;
	void *value;

	for (size_t at = 0; hash_map_next(&p->members, &at, &name, &value);)
		((struct pool_member *)value)->is_listed = false;
	for (size_t i = 0; i < fresh->pool_count; i++) {
		for (size_t k = 0; k < fresh->pools[i].member_count; k++)
			member_list(p, fresh->pools[i].members[k].next_hop);
	}
	if (p->watched.len)
		member_list(p, p->watched);
	for (size_t at = 0; hash_map_next(&p->members, &at, &name, &value);) {
		struct pool_member *m = value;

		if (m->is_listed || m->is_probing)
			continue;
		hash_map_remove(&p->members, m->next_hop);
		member_free(m);
	}
	p->tables = fresh;
	return was;
}

/* ---- picking ---------------------------------------------------------------------------------- */

static bool is_usable(const struct pools *p, const struct pool_member *m, int64_t now_ns)
{
	return !m->is_down || (!p->opts.probe && now_ns >= m->retry_ns);
}

static const struct road_pool *pool_find(const struct pools *p, struct span name)
{
	for (size_t i = 0; p->tables && i < p->tables->pool_count; i++) {
		if (span_eq(p->tables->pools[i].name, name))
			return &p->tables->pools[i];
	}
	return NULL;
}

/* One of those that are up, as the policy has it; NULL: none is. */
static struct pool_member *choose(struct pools *p, const struct road_pool *pool)
{
	struct pool_member *up[ROAD_MEMBERS_MAX];
	uint64_t weights[ROAD_MEMBERS_MAX], sum = 0, at;
	int64_t now = loop_now_ns();
	size_t count = 0;

	for (size_t i = 0; i < pool->member_count; i++) {
		const struct road_member *r = &pool->members[i];
		struct pool_member *m = hash_map_get(&p->members, r->next_hop);

		if (r->is_off || !is_usable(p, m, now))
			continue;
		if (pool->policy == ROAD_ORDER)
			return m;
		weights[count] = pool->policy == ROAD_WEIGHT ? r->weight : 1;
		sum += weights[count];
		up[count++] = m;
	}
	if (count == 0)
		return NULL;
	at = loop_random() % sum;
	for (size_t i = 0; i < count; i++) {
		if (at < weights[i])
			return up[i];
		at -= weights[i];
	}
	return up[count - 1];
}

/* Why there is none, and when there may be one. */
static int none_up(
	const struct pools *p, const struct road_pool *pool, int64_t *retry_ns_r, struct err *e)
{
	const struct pool_member *first = NULL;
	size_t on = 0;

	*retry_ns_r = CLOCK_NEVER;
	for (size_t i = 0; i < pool->member_count; i++) {
		const struct road_member *r = &pool->members[i];
		const struct pool_member *m = hash_map_get(&p->members, r->next_hop);

		if (r->is_off)
			continue;
		on++;
		if (!first)
			first = m;
		if (m->retry_ns < *retry_ns_r)
			*retry_ns_r = m->retry_ns;
	}
	if (first) {
		err_set(e, ERR_IO,
			"all %zu members of the pool " SPAN_FMT " are down; " SPAN_FMT ": %s", on,
			SPAN_ARG(pool->name), SPAN_ARG(first->next_hop), first->reason);
	} else {
		*retry_ns_r = loop_now_ns() + POOL_BACKOFF_MAX_NS;
		err_set(e, ERR_IO, "all members of the pool " SPAN_FMT " are switched off",
			SPAN_ARG(pool->name));
	}
	err_smtp(e, 0, 4, 4, 1);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

int pool_pick(struct pools *p, struct arena *a, struct span destination, struct span *member_r,
	int64_t *retry_ns_r, struct err *e)
{
	struct span base = pool_base(destination);
	const struct road_pool *pool;
	struct pool_member *m = NULL;
	int rc = 0;

	pthread_mutex_lock(&p->lock);
	pool = pool_find(p, span_skip(base, strlen("pool:")));
	if (pool)
		m = choose(p, pool);
	if (m) {
		m->picks++;
		*member_r = span_str(arena_printf(a, SPAN_FMT SPAN_FMT, SPAN_ARG(m->next_hop),
			SPAN_ARG(span_skip(destination, base.len))));
	} else if (pool) {
		rc = none_up(p, pool, retry_ns_r, e);
	} else {
		*retry_ns_r = loop_now_ns() + POOL_BACKOFF_MAX_NS;
		err_set(e, ERR_NOT_FOUND, "there is no pool " SPAN_FMT,
			SPAN_ARG(span_skip(base, strlen("pool:"))));
		err_smtp(e, 0, 4, 3, 5); /* RFC 3463: system incorrectly configured */
		rc = err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	}
	pthread_mutex_unlock(&p->lock);
	return rc;
}

/* ---- health ----------------------------------------------------------------------------------- */

static void wake_arrived(struct loop_msg *msg)
{
	struct pools *p = CONTAINER_OF(msg, struct pools, wake_msg);

	atomic_store(&p->is_waking, false);
	p->is_woken = true;
	fiber_cond_broadcast(&p->changed);
}

void pool_keeper_wake(struct pools *p)
{
	struct loop *loop = atomic_load(&p->loop);

	if (!loop || atomic_exchange(&p->is_waking, true))
		return;
	p->wake_msg = (struct loop_msg){.fn = wake_arrived};
	loop_post(loop, &p->wake_msg);
}

/* 5 s, 15 s, 60 s, then 5 minutes; a tenth either way, so that probes do not march in step. */
static int64_t backoff(unsigned fails)
{
	static const int64_t steps[] = {
		POOL_BACKOFF_FIRST_NS, 15 * CLOCK_SEC, CLOCK_MIN, POOL_BACKOFF_MAX_NS};
	size_t last = ARRAY_LEN(steps) - 1;
	int64_t step = steps[fails - 1 < last ? fails - 1 : last];

	return step - step / 10 + (int64_t)(loop_random() % (uint64_t)(step / 5));
}

static void take_reason(struct pool_member *m, const struct err *why)
{
	struct span text = span_sub(span_str(why->text), 0, sizeof(m->reason) - 1);

	memcpy(m->reason, text.ptr, text.len);
	m->reason[text.len] = 0;
}

bool pool_put_down(struct pool_member *m, struct span destination, const struct err *why)
{
	bool was_up = !m->is_down;

	m->fails++;
	m->retry_ns = loop_now_ns() + backoff(m->fails);
	take_reason(m, why);
	if (was_up) {
		m->is_down = true;
		m->downs++;
		m->since_ns = loop_wall_ns();
		free((char *)m->probe.ptr);
		m->probe = span_of(mem_dup(destination.ptr, destination.len), destination.len);
	}
	return was_up;
}

void pool_failed(struct pools *p, struct span member, const struct err *why)
{
	struct pool_member *m;
	bool was_up = false;
	int64_t retry_ns = 0;
	unsigned fails = 0;

	pthread_mutex_lock(&p->lock);
	m = pool_member_of(p, member);
	/* Down already: that this was begun before is no further failure. */
	if (m && is_usable(p, m, loop_now_ns())) {
		was_up = pool_put_down(m, member, why);
		retry_ns = m->retry_ns;
		fails = m->fails;
	}
	pthread_mutex_unlock(&p->lock);
	if (!was_up)
		return;
	log_event(p->opts.log, LOG_WARN, "pool.member.down", LF("member", pool_base(member)),
		LF_STR("reason", why->text), LF_INT("fails", fails),
		LF_INT("probe_s", (retry_ns - loop_now_ns()) / CLOCK_SEC));
	pool_keeper_wake(p);
}

int64_t pool_put_up(struct pool_member *m)
{
	int64_t since = m->since_ns, now = loop_wall_ns();

	if (!m->is_down)
		return -1;
	m->is_down = false;
	m->since_ns = now;
	return now > since ? now - since : 0;
}

void pool_tell_up(struct pools *p, struct span member, int64_t down_ns, const char *by)
{
	if (down_ns >= 0)
		log_event(p->opts.log, LOG_INFO, "pool.member.up", LF("member", member),
			LF_STR("by", by), LF_INT("down_s", down_ns / CLOCK_SEC));
}

void pool_worked(struct pools *p, struct span member, unsigned letters)
{
	struct pool_member *m;
	int64_t down_ns = -1;

	pthread_mutex_lock(&p->lock);
	m = pool_member_of(p, member);
	if (m) {
		m->delivered += letters;
		m->fails = 0;
		down_ns = pool_put_up(m);
	}
	pthread_mutex_unlock(&p->lock);
	pool_tell_up(p, pool_base(member), down_ns, "mail");
}

void pools_watch(struct pools *p, struct span next_hop)
{
	pthread_mutex_lock(&p->lock);
	free((char *)p->watched.ptr);
	p->watched = span_of(mem_dup(next_hop.ptr ? next_hop.ptr : "", next_hop.len), next_hop.len);
	if (next_hop.len)
		member_list(p, next_hop);
	pthread_mutex_unlock(&p->lock);
}

static bool is_up(struct pools *p, struct span member, bool is_stranger_up)
{
	const struct pool_member *m;
	bool result;

	pthread_mutex_lock(&p->lock);
	m = pool_member_of(p, member);
	result = m ? is_usable(p, m, loop_now_ns()) : is_stranger_up;
	pthread_mutex_unlock(&p->lock);
	return result;
}

bool pool_is_up(struct pools *p, struct span member)
{
	return is_up(p, member, true);
}

bool pool_is_known_up(struct pools *p, struct span member)
{
	return is_up(p, member, false);
}

void pools_forgive(struct pools *p)
{
	struct span name;
	void *m;

	pthread_mutex_lock(&p->lock);
	for (size_t at = 0; hash_map_next(&p->members, &at, &name, &m);)
		((struct pool_member *)m)->retry_ns = 0;
	pthread_mutex_unlock(&p->lock);
	pool_keeper_wake(p);
}

void pool_health(struct pools *p, struct arena *a, struct span next_hop, struct pool_health *h_r)
{
	const struct pool_member *m;

	*h_r = (struct pool_health){.is_up = true};
	pthread_mutex_lock(&p->lock);
	m = pool_member_of(p, next_hop);
	if (m)
		*h_r = (struct pool_health){.is_known = true,
			.is_up = !m->is_down,
			.since_ns = m->since_ns,
			.retry_ns = m->retry_ns,
			.fails = m->fails,
			.picks = m->picks,
			.delivered = m->delivered,
			.downs = m->downs,
			.reason = arena_span(a, span_str(m->reason))};
	pthread_mutex_unlock(&p->lock);
}

void pool_counts(struct pools *p, struct pool_counts *counts_r)
{
	struct span name;
	void *m;

	*counts_r = (struct pool_counts){0};
	pthread_mutex_lock(&p->lock);
	counts_r->pools = p->tables ? (unsigned)p->tables->pool_count : 0;
	counts_r->members = (unsigned)hash_map_count(&p->members);
	for (size_t at = 0; hash_map_next(&p->members, &at, &name, &m);)
		counts_r->down += ((struct pool_member *)m)->is_down;
	pthread_mutex_unlock(&p->lock);
}
