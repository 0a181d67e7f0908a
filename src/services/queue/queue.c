#include "services/queue/queue.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "run/fiber.h"
#include "services/queue/queue_priv.h"
#include "services/router/destination.h"

static void shard_init(struct queue *q, unsigned index)
{
	struct queue_shard *sh = &q->shards[index];

	sh->q = q;
	sh->index = index;
	hash_map_init(&sh->sites, q->key);
	hash_map_init(&sh->roads, q->key);
	sh->sweep_at = sh->roads_sweep_at = QUEUE_SITES_SWEEP;
	list_init(&sh->to_look_up);
	list_init(&sh->hungry);
	list_init(&sh->hungry_new);
	heap_init(&sh->wakes);
	fiber_cond_init(&sh->wakes_changed);
	sh->shape = shape_ref(q->shape);
	sh->carriers_max = (q->opts.connections_all + q->opts.shards - 1) / q->opts.shards;
	sh->deadline_ns = CLOCK_NEVER;
	if (q->opts.rules)
		sh->rules = *q->opts.rules;
	else
		queue_rules_default(&sh->rules);
	list_init(&sh->done);
	fiber_cond_init(&sh->done_more);
	fiber_cond_init(&sh->done_room);
}

struct queue *queue_new(const struct queue_opts *opts)
{
	size_t size = sizeof(struct queue) + opts->shards * sizeof(struct queue_shard);
	struct queue *q = aligned_alloc(64, (size + 63) & ~(size_t)63);

	MUST(q && opts->shards >= 1 && opts->shards <= QUEUE_SHARDS_MAX);
	memset(q, 0, size);
	q->opts = *opts;
	if (q->opts.connections == 0)
		q->opts.connections = QUEUE_CONNECTIONS;
	if (q->opts.connections_all == 0)
		q->opts.connections_all = QUEUE_CARRIERS_ALL;
	if (q->opts.ready_max == 0)
		q->opts.ready_max = QUEUE_READY_MAX;
	if (q->opts.ready_bytes_max == 0)
		q->opts.ready_bytes_max = QUEUE_READY_BYTES_MAX;
	if (q->opts.drain_ns == 0)
		q->opts.drain_ns = QUEUE_DRAIN_NS;
	MUST(getrandom(&q->key, sizeof(q->key), 0) == sizeof(q->key));
	atomic_init(&q->loader.planned_ns, CLOCK_NEVER);
	MUST(pthread_mutex_init(&q->shape_lock, NULL) == 0);
	q->shape = shape_new(NULL, q->opts.connections);
	for (unsigned i = 0; i < opts->shards; i++)
		shard_init(q, i);
	q->opts.rules = NULL;
	return q;
}

struct rules_msg {
	struct loop_msg msg;
	struct queue_shard *shard;
	struct queue_rules rules;
};

static void rules_arrived(struct loop_msg *msg)
{
	struct rules_msg *m = CONTAINER_OF(msg, struct rules_msg, msg);

	m->shard->rules = m->rules;
	free(m);
}

void queue_rules_set(struct queue *q, const struct queue_rules *rules)
{
	for (unsigned i = 0; i < q->opts.shards; i++) {
		struct queue_shard *sh = &q->shards[i];
		struct loop *loop = atomic_load(&sh->loop);
		struct rules_msg *m;

		if (!loop) /* it has ended, or its loop begins with what queue_new was told */
			continue;
		m = NEW(struct rules_msg);
		*m = (struct rules_msg){{.fn = rules_arrived}, sh, *rules};
		loop_post(loop, &m->msg);
	}
}

void queue_free(struct queue **qp)
{
	struct queue *q = *qp;

	if (!q)
		return;
	*qp = NULL;
	for (unsigned i = 0; i < q->opts.shards; i++) {
		queue_roads_free(&q->shards[i]);
		hash_map_fini(&q->shards[i].roads);
		queue_sites_free(&q->shards[i]);
		hash_map_fini(&q->shards[i].sites);
		heap_fini(&q->shards[i].wakes);
		shape_unref(&q->shards[i].shape);
	}
	shape_unref(&q->shape);
	pthread_mutex_destroy(&q->shape_lock);
	free(q);
}

/* ---- letters that were just accepted ---------------------------------------------------------- */

static bool is_same_trip(const struct spool_rcpt_new *a, const struct spool_rcpt_new *b)
{
	return !b->is_local && span_eq(a->destination, b->destination) &&
		span_eq(a->sender, b->sender) && span_eq(a->prefix, b->prefix);
}

void queue_parcel_own(
	struct outbound_parcel *p, struct span sender, struct span own_prefix, struct span prefix)
{
	p->prefix = own_prefix.len ? span_str(arena_printf(p->arena, SPAN_FMT SPAN_FMT,
					     SPAN_ARG(own_prefix), SPAN_ARG(prefix)))
				   : arena_span(p->arena, prefix);
	if (sender.len == 0)
		return;
	p->has_own_sender = true;
	p->env.reverse_path = span_eq(sender, SPAN("<>")) ? SPAN_NONE
							  : arena_span(p->arena, sender);
}

void queue_parcel_aim(struct outbound_parcel *p, struct span destination)
{
	struct span key = arena_span(p->arena, destination);

	p->destination = destination_with_tls(
		p->arena, key, spool_is_tls_demanded(&p->env), p->env.is_tls_optional);
}

/* One parcel of up to OUTBOUND_RCPT_MAX recipients from `first` on that go to the same destination;
 * `*taken` marks them. */
static struct outbound_parcel *parcel_of(const struct spool_new *letter, size_t first, bool *taken)
{
	const struct spool_rcpt_new *head = &letter->rcpts[first];
	struct outbound_parcel *p;
	size_t count = 0;

	for (size_t i = first; i < letter->rcpt_count && count < OUTBOUND_RCPT_MAX; i++)
		count += !taken[i] && is_same_trip(head, &letter->rcpts[i]);
	p = outbound_parcel_new(count);
	p->msg_id = letter->id;
	p->body = body_ref(letter->stored);
	p->bytes = body_len(p->body) < BODY_CHUNK ? body_len(p->body) : BODY_CHUNK;
	p->env = letter->env;
	p->env.reverse_path = arena_span(p->arena, letter->env.reverse_path);
	p->env.envid = arena_span(p->arena, letter->env.envid);
	p->env.origin = arena_span(p->arena, letter->env.origin);
	p->env.peer = arena_span(p->arena, letter->env.peer);
	queue_parcel_own(p, head->sender, head->prefix, letter->prefix);
	queue_parcel_aim(p, head->destination);
	p->arrived_ns = letter->arrived_ns;
	p->expires_ns = letter->expires_ns;
	count = 0;
	for (size_t i = first; i < letter->rcpt_count && count < p->rcpt_count; i++) {
		const struct spool_rcpt_new *from = &letter->rcpts[i];

		if (taken[i] || !is_same_trip(head, from))
			continue;
		taken[i] = true;
		p->rcpts[count++] = (struct outbound_rcpt){.rcpt_id = from->rcpt_id,
			.address = arena_span(p->arena, from->address),
			.orcpt = arena_span(p->arena, from->orcpt),
			.notify = from->notify};
	}
	return p;
}

static void parcel_arrived(struct loop_msg *msg)
{
	struct outbound_parcel *p = CONTAINER_OF(msg, struct outbound_parcel, msg);

	queue_site_take(p->owner, p);
}

void queue_route(struct queue *q, unsigned index, struct outbound_parcel *p)
{
	struct queue_shard *sh = &q->shards[index];
	struct loop *loop = atomic_load(&sh->loop);

	if (loop == loop_current()) {
		queue_site_take(sh, p);
		return;
	}
	/* A shard that has ended takes nothing; its rows stay leased until the next start. */
	if (loop == NULL) {
		queue_way_unref(&p->way);
		outbound_parcel_free(&p);
		return;
	}
	p->owner = sh;
	p->msg = (struct loop_msg){.fn = parcel_arrived};
	loop_post(loop, &p->msg);
}

/* Another thread's sites cannot be looked at, its counters can. */
static bool has_room(const struct queue *q, unsigned index, struct span destination)
{
	unsigned home = queue_home(q, destination);
	const struct queue_shard *sh = &q->shards[home];

	if (!atomic_load_explicit(&sh->loop, memory_order_relaxed) ||
		queue_counted(&sh->ready) + queue_counted(&sh->unsettled) >= q->opts.ready_max ||
		queue_counted(&sh->ready_bytes) >= q->opts.ready_bytes_max)
		return false;
	return home != index || queue_road_has_room(sh, destination);
}

bool queue_wants(const struct queue *q, unsigned index, const struct spool_new *letter)
{
	if (atomic_load_explicit(&q->is_stopping, memory_order_relaxed) || letter->is_held ||
		letter->env.release_ns > letter->arrived_ns)
		return false;
	if (letter->rcpt_count > q->opts.ready_max / QUEUE_SITE_SHARE)
		return false;
	for (size_t i = 0; i < letter->rcpt_count; i++) {
		if (!letter->rcpts[i].is_local && !has_room(q, index, letter->rcpts[i].destination))
			return false;
	}
	return true;
}

void queue_put(struct queue *q, unsigned index, const struct spool_new *letter)
{
	struct arena *a;
	bool *taken;

	/* While stopping, the rows stay leased; the next start makes them waiting. */
	if (atomic_load(&q->is_stopping) || letter->rcpt_count == 0)
		return;
	a = arena_new();
	taken = ARENA_ARRAY(a, bool, letter->rcpt_count);
	for (size_t i = 0; i < letter->rcpt_count; i++) {
		if (taken[i] || letter->rcpts[i].is_local)
			continue;
		queue_route(q, queue_home(q, letter->rcpts[i].destination),
			parcel_of(letter, i, taken));
	}
	arena_free(&a);
}

/* ---- the shard's life ------------------------------------------------------------------------- */

static void stop_arrived(struct loop_msg *msg)
{
	struct queue_shard *sh = CONTAINER_OF(msg, struct queue_shard, stop_msg);

	sh->is_stopping = true;
	queue_sites_stop(sh);
	if (sh->main)
		fiber_wake(sh->main);
}

static void recall_arrived(struct loop_msg *msg)
{
	struct queue_shard *sh = CONTAINER_OF(msg, struct queue_shard, recall_msg);

	atomic_store(&sh->is_recalled, false);
	if (!sh->is_stopping)
		queue_sites_recall(sh);
}

void queue_recall(struct queue *q)
{
	for (unsigned i = 0; i < q->opts.shards; i++) {
		struct queue_shard *sh = &q->shards[i];
		struct loop *loop = atomic_load(&sh->loop);

		if (!loop || atomic_exchange(&sh->is_recalled, true))
			continue;
		sh->recall_msg = (struct loop_msg){.fn = recall_arrived};
		loop_post(loop, &sh->recall_msg);
	}
}

void queue_forgive(struct queue *q)
{
	atomic_store_explicit(&q->forgiven_ns, loop_now_ns(), memory_order_relaxed);
}

void queue_stop(struct queue *q)
{
	if (atomic_exchange(&q->is_stopping, true))
		return;
	for (unsigned i = 0; i < q->opts.shards; i++) {
		struct queue_shard *sh = &q->shards[i];

		struct loop *loop = atomic_load(&sh->loop);

		sh->stop_msg = (struct loop_msg){.fn = stop_arrived};
		if (loop)
			loop_post(loop, &sh->stop_msg);
	}
	queue_kick(q);
}

/* Wait for queue_stop(), or for the caller to be cancelled. */
static FIBER void shard_wait(struct queue_shard *sh)
{
	while (!sh->is_stopping && !atomic_load(&sh->q->is_stopping)) {
		if (fiber_park(CLOCK_NEVER, NULL) < 0)
			break;
	}
	sh->is_stopping = true;
	queue_sites_stop(sh);
}

FIBER int queue_run(struct queue *q, unsigned index, struct router *router, struct err *e)
{
	struct queue_shard *sh = &q->shards[index];
	struct fiber_group own;
	int rc = 0;

	sh->router = router;
	sh->main = fiber_self();
	fiber_group_init(&sh->carriers);
	fiber_group_init(&sh->lookups);
	list_init(&sh->carrier_list);
	fiber_group_init(&own);
	atomic_store(&sh->loop, loop_current());
	queue_rate_reshape(sh);
	queue_kick(q); /* the loader waits for all shards */
	rc = fiber_start(&own, "queue-settle", queue_settler, sh, e);
	if (rc == 0)
		rc = fiber_start(&own, "queue-rates", queue_rate_waker, sh, e);
	if (rc == 0 && index == 0)
		rc = fiber_start(&own, "queue-load", queue_loader, q, e);
	if (rc == 0)
		shard_wait(sh);
	if (fiber_group_wait(&sh->carriers, loop_now_ns() + q->opts.drain_ns, NULL) < 0) {
		fiber_group_cancel(&sh->carriers);
		fiber_group_join(&sh->carriers);
	}
	fiber_group_cancel(&sh->lookups);
	fiber_group_join(&sh->lookups);
	sh->is_finished = true;
	fiber_cond_broadcast(&sh->done_more);
	if (rc < 0)
		fiber_group_cancel(&own);
	fiber_group_join(&own);
	atomic_store(&sh->loop, NULL);
	sh->main = NULL;
	return rc;
}

void queue_stats(const struct queue *q, struct queue_stats *stats_r)
{
	*stats_r = (struct queue_stats){0};
	for (unsigned i = 0; i < q->opts.shards; i++) {
		const struct queue_shard *sh = &q->shards[i];

		stats_r->ready += queue_counted(&sh->ready);
		stats_r->under_way += queue_counted(&sh->under_way);
		stats_r->unsettled += queue_counted(&sh->unsettled);
		stats_r->sites += queue_counted(&sh->site_count);
		stats_r->connections += queue_counted(&sh->connections);
		stats_r->delivered += queue_counted(&sh->delivered);
		stats_r->deferred += queue_counted(&sh->deferred);
		stats_r->failed += queue_counted(&sh->failed);
		stats_r->reports += queue_counted(&sh->reports);
	}
}
