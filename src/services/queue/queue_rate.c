/* How fast: the limits of a site by the table of shaping and by what its replies have asked for, and the
 * fiber that wakes it when a rate allows more. */

#include "run/fiber.h"
#include "services/queue/queue_priv.h"

void queue_rate_limits(struct queue_site *site)
{
	shape_find(site->shard->shape, site->destination, site->name, &site->limits);
	if (site->window > site->limits.connections.value)
		site->window = site->limits.connections.value;
}

static bool is_slow(const struct queue_site *site)
{
	return site->slow_until_ns > loop_now_ns();
}

unsigned queue_rate_window(const struct queue_site *site)
{
	return is_slow(site) && site->slow_window && site->slow_window < site->window
		? site->slow_window
		: site->window;
}

bool queue_rate_is_slow(const struct queue_site *site)
{
	return site->limits.message_rate.rate.count > 0 || (is_slow(site) && site->slow_step_ns);
}

static struct gcra_rate slow_rate(const struct queue_site *site)
{
	return (struct gcra_rate){.count = is_slow(site) && site->slow_step_ns,
		.period_ns = site->slow_step_ns,
		.burst = 1};
}

int64_t queue_rate_letter_wait(const struct queue_site *site)
{
	struct gcra_rate slow = slow_rate(site);
	int64_t now = loop_now_ns();
	int64_t a = gcra_wait(&site->message_rate, &site->limits.message_rate.rate, now);
	int64_t b = gcra_wait(&site->slow_rate, &slow, now);

	return a > b ? a : b;
}

void queue_rate_letter(struct queue_site *site)
{
	struct gcra_rate slow = slow_rate(site);

	gcra_take(&site->message_rate, &site->limits.message_rate.rate, loop_now_ns());
	gcra_take(&site->slow_rate, &slow, loop_now_ns());
}

int64_t queue_rate_connect_wait(const struct queue_site *site)
{
	return gcra_wait(&site->connection_rate, &site->limits.connection_rate.rate, loop_now_ns());
}

void queue_rate_connect(struct queue_site *site)
{
	gcra_take(&site->connection_rate, &site->limits.connection_rate.rate, loop_now_ns());
}

/* ---- when a rate allows more -------------------------------------------------------------------- */

void queue_rate_wake(struct queue_site *site, int64_t wait_ns)
{
	struct queue_shard *sh = site->shard;
	int64_t at = loop_now_ns() + wait_ns;

	if (heap_linked(&site->wake) && site->wake.key <= at)
		return;
	heap_move(&sh->wakes, &site->wake, at);
	if (heap_first(&sh->wakes) == &site->wake)
		fiber_cond_signal(&sh->wakes_changed);
}

FIBER int queue_rate_waker(void *shard)
{
	struct queue_shard *sh = shard;

	while (!sh->is_stopping && !fiber_is_cancelled(fiber_self())) {
		struct heap_node *first = heap_first(&sh->wakes);

		if (!first || first->key > loop_now_ns()) {
			fiber_cond_wait(&sh->wakes_changed, first ? first->key : CLOCK_NEVER, NULL);
			continue;
		}
		heap_remove(&sh->wakes, first);
		queue_site_tend(CONTAINER_OF(first, struct queue_site, wake));
	}
	return 0;
}

/* ---- a new table -------------------------------------------------------------------------------- */

void queue_rate_reshape(struct queue_shard *sh)
{
	struct shape *was = sh->shape;
	struct span name;
	void *site;

	pthread_mutex_lock(&sh->q->shape_lock);
	sh->shape = shape_ref(sh->q->shape);
	pthread_mutex_unlock(&sh->q->shape_lock);
	for (size_t at = 0; hash_map_next(&sh->sites, &at, &name, &site);)
		queue_rate_limits(site);
	for (size_t at = 0; hash_map_next(&sh->sites, &at, &name, &site);)
		queue_site_tend(site);
	shape_unref(&was);
}

static void reshape_arrived(struct loop_msg *msg)
{
	struct queue_shard *sh = CONTAINER_OF(msg, struct queue_shard, reshape_msg);

	atomic_store(&sh->is_reshaped, false);
	if (!sh->is_stopping)
		queue_rate_reshape(sh);
}

void queue_reshape(struct queue *q, struct shape *shape)
{
	struct shape *was;

	pthread_mutex_lock(&q->shape_lock);
	was = q->shape;
	q->shape = shape_ref(shape);
	pthread_mutex_unlock(&q->shape_lock);
	shape_unref(&was);
	for (unsigned i = 0; i < q->opts.shards; i++) {
		struct queue_shard *sh = &q->shards[i];
		struct loop *loop = atomic_load(&sh->loop);

		if (!loop || atomic_exchange(&sh->is_reshaped, true))
			continue;
		sh->reshape_msg = (struct loop_msg){.fn = reshape_arrived};
		loop_post(loop, &sh->reshape_msg);
	}
}
