/* The sites of all shards, for an administrator: each shard copies what it has while its loop does
 * nothing else, the asker waits. */

#include "run/fiber.h"
#include "services/queue/queue_priv.h"

/* A request to one shard; lives in the asker's frame. */
struct site_look {
	struct loop_msg msg;
	struct fiber_call call;
	struct queue_shard *shard;
	struct arena *arena; /* the asker's, who waits */
	struct queue_site_info *sites;
	size_t count, max;
};

static int64_t wall_of(int64_t mono_ns)
{
	return mono_ns > loop_now_ns() ? loop_wall_ns() + mono_ns - loop_now_ns() : 0;
}

static struct span rate_text(struct arena *a, const struct gcra_rate *r)
{
	struct span text;
	struct buf b;

	buf_init(&b, 100);
	gcra_put(&b, r);
	text = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return text;
}

static enum queue_site_state state_of(const struct queue_site *site)
{
	if (site->retry_ns > loop_now_ns() && !queue_is_forgiven(site->shard->q, site->down_ns))
		return QUEUE_SITE_DOWN;
	if (site->slow_until_ns > loop_now_ns())
		return QUEUE_SITE_SLOWED;
	if (site->up > 0)
		return QUEUE_SITE_UP;
	if (list_linked(&site->hungry))
		return QUEUE_SITE_QUEUED;
	return site->carriers > 0 ? QUEUE_SITE_CONNECTING : QUEUE_SITE_IDLE;
}

static void put_site(struct site_look *l, const struct queue_site *site)
{
	struct arena *a = l->arena;
	int64_t spell = loop_now_ns() - site->rate_from_ns;
	struct queue_site_info *i = &l->sites[l->count++];

	*i = (struct queue_site_info){.name = arena_span(a, site->name),
		.destination = arena_span(a, site->destination),
		.state = state_of(site),
		.connections = site->carriers,
		.idle = site->idle,
		.window = queue_rate_window(site),
		.connections_max = site->limits.connections.value,
		.waiting = site->ready.count,
		.fails = site->fails,
		.message_rate = rate_text(a, &site->limits.message_rate.rate),
		.connection_rate = rate_text(a, &site->limits.connection_rate.rate),
		.until_ns = wall_of(site->slow_until_ns),
		.next_ns = heap_linked(&site->wake) ? wall_of(site->wake.key) : 0,
		.why = SPAN_NONE};
	if (site->carriers > 0 && spell > 0)
		i->per_minute = site->rate_count * (uint64_t)CLOCK_MIN / (uint64_t)spell;
	if (i->state == QUEUE_SITE_DOWN)
		i->until_ns = i->next_ns = wall_of(site->retry_ns);
	if (site->why.code != ERR_NONE)
		i->why = arena_span(a, span_str(site->why.text));
}

/* Domains that are on no site yet, because they are being looked up, or cannot be. */
static void put_road(struct site_look *l, const struct queue_road *road)
{
	bool is_down = road->retry_ns > loop_now_ns() &&
		!queue_is_forgiven(road->shard->q, road->down_ns);

	if (!road->is_asked && !is_down)
		return;
	l->sites[l->count++] = (struct queue_site_info){.name = arena_span(l->arena, road->name),
		.destination = arena_span(l->arena, road->name),
		.state = is_down ? QUEUE_SITE_UNKNOWN : QUEUE_SITE_LOOKING,
		.waiting = road->waiting_count,
		.fails = road->fails,
		.until_ns = is_down ? wall_of(road->retry_ns) : 0,
		.next_ns = is_down ? wall_of(road->retry_ns) : 0,
		.message_rate = SPAN("none"),
		.connection_rate = SPAN("none"),
		.why = road->fails ? arena_span(l->arena, span_str(road->why.text)) : SPAN_NONE};
}

static void look(struct loop_msg *msg)
{
	struct site_look *l = CONTAINER_OF(msg, struct site_look, msg);
	struct queue_shard *sh = l->shard;
	struct span name;
	void *value;

	for (size_t at = 0; l->count < l->max && hash_map_next(&sh->sites, &at, &name, &value);)
		put_site(l, value);
	for (size_t at = 0; l->count < l->max && hash_map_next(&sh->roads, &at, &name, &value);)
		put_road(l, value);
	fiber_call_done(&l->call);
}

const char *queue_site_state_str(enum queue_site_state s)
{
	static const char *const words[] = {
#define X(id, word) word,
		QUEUE_SITE_STATES(X)
#undef X
	};

	return words[s];
}

FIBER void queue_sites(
	struct queue *q, struct arena *a, struct queue_site_info **sites_r, size_t *count_r)
{
	struct site_look l = {.msg.fn = look,
		.arena = a,
		.sites = ARENA_ARRAY(a, struct queue_site_info, QUEUE_SITES_TOLD_MAX),
		.max = QUEUE_SITES_TOLD_MAX};

	for (unsigned i = 0; i < q->opts.shards; i++) {
		struct loop *loop = atomic_load(&q->shards[i].loop);

		if (!loop)
			continue;
		l.shard = &q->shards[i];
		fiber_call_init(&l.call);
		loop_post(loop, &l.msg);
		fiber_call_wait(&l.call);
	}
	*sites_r = l.sites;
	*count_r = l.count;
}
