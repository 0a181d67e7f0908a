/* Letters to a pool of next hops: each picks its member when it enters its shard, and picks again when
 * that member fails. The member's site is that of the same next hop without a pool; who is up is
 * services/pool's to say, for all shards. */

#include "run/fiber.h"
#include "services/pool/pool.h"
#include "services/queue/queue_priv.h"

static struct pools *pools_of(const struct queue_shard *sh)
{
	return sh->q->opts.outbound->pools;
}

bool queue_is_pool(struct span destination)
{
	return span_starts(destination, SPAN("pool:"));
}

bool queue_pool_pick(struct queue_shard *sh, struct outbound_parcel *p)
{
	int64_t retry_ns = loop_now_ns() + QUEUE_PACE_MIN_NS;
	struct err e = {0};

	if (p->pool.len == 0)
		p->pool = p->destination;
	if (!pools_of(sh))
		err_set(&e, ERR_CONFIG, "pools of next hops are not set up");
	else if (pool_pick(pools_of(sh), p->arena, p->pool, &p->destination, &retry_ns, &e) == 0)
		return true;
	p->destination = p->pool;
	queue_defer(sh, p, retry_ns, &e);
	return false;
}

bool queue_pool_again(struct queue_shard *sh, struct outbound_parcel *p)
{
	/* Not the member's fault: then it would only be picked once more. */
	if (p->pool.len == 0 || pool_is_up(pools_of(sh), p->destination))
		return false;
	p->destination = p->pool;
	queue_site_take(sh, p);
	return true;
}

bool queue_pool_is_up(struct queue_shard *sh, const struct outbound_parcel *p)
{
	return pools_of(sh) && pool_is_known_up(pools_of(sh), p->destination);
}

void queue_pool_failed(const struct queue_site *site, const struct err *e)
{
	if (pools_of(site->shard))
		pool_failed(pools_of(site->shard), site->destination, e);
}

void queue_pool_worked(const struct queue_site *site, const struct outbound_parcel *p)
{
	if (p->pool.len > 0)
		pool_worked(pools_of(site->shard), site->destination, 1);
}

bool queue_pool_resume(struct queue_shard *sh, struct outbound_parcel *p)
{
	if (p->pool.len == 0 || !p->is_cut || sh->is_stopping || p->resumes == QUEUE_RESUMES_MAX)
		return false;
	p->resumes++;
	p->is_cut = false;
	for (size_t i = 0; i < p->rcpt_count; i++)
		p->rcpts[i].verdict = OUTBOUND_PENDING;
	p->destination = p->pool;
	queue_site_take(sh, p);
	return true;
}
