/* Sites: hosts that take mail, what waits for them, and what is known of their health. queue_carry.c has
 * their connections, queue_road.c what leads from a domain to its site. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/fiber.h"
#include "services/queue/queue_priv.h"
#include "services/router/destination.h"

unsigned queue_home(const struct queue *q, struct span key)
{
	return (unsigned)(hash_bytes(&q->key, key) % q->opts.shards);
}

bool queue_is_forgiven(const struct queue *q, int64_t down_ns)
{
	return down_ns <= atomic_load_explicit(&q->forgiven_ns, memory_order_relaxed);
}

static void site_free(struct queue_site *site)
{
	queue_flows_fini(&site->ready);
	list_remove(&site->hungry);
	heap_remove(&site->shard->wakes, &site->wake);
	queue_way_unref(&site->way);
	free((char *)site->name.ptr);
	free((char *)site->destination.ptr);
	free((char *)site->avoid.ptr);
	free(site);
}

void queue_sites_free(struct queue_shard *sh)
{
	struct span name;
	void *site;

	for (size_t at = 0; hash_map_next(&sh->sites, &at, &name, &site);) {
		hash_map_remove(&sh->sites, name);
		site_free(site);
	}
}

/* Forget sites that have nothing to do and nothing to remember. Runs when the number of sites has
 * doubled, so its cost is spread over the letters that made them. */
static void sites_sweep(struct queue_shard *sh)
{
	int64_t now = loop_now_ns();
	struct span name;
	void *value;

	for (size_t at = 0; hash_map_next(&sh->sites, &at, &name, &value);) {
		struct queue_site *site = value;

		if (site->ready.count > 0 || site->carriers > 0 || site->retry_ns > now ||
			(site->fails > 0 && site->used_ns + QUEUE_LADDER_MAX_NS > now) ||
			site->slow_until_ns > now || site->memory.tls_broken_ns > now)
			continue;
		hash_map_remove(&sh->sites, site->name);
		site_free(site);
		queue_count(&sh->site_count, -1);
	}
	sh->sweep_at = hash_map_count(&sh->sites) * 2;
	if (sh->sweep_at < QUEUE_SITES_SWEEP)
		sh->sweep_at = QUEUE_SITES_SWEEP;
}

static struct queue_site *site_new(struct queue_shard *sh, struct span key, struct span destination)
{
	struct queue_site *site = NEW(struct queue_site);

	site->shard = sh;
	site->name = span_of(mem_dup(key.ptr, key.len), key.len);
	site->destination = span_of(mem_dup(destination.ptr, destination.len), destination.len);
	queue_flows_init(&site->ready);
	fiber_cond_init(&site->more);
	list_init(&site->hungry);
	site->window = 1;
	queue_rate_limits(site);
	hash_map_set(&sh->sites, site->name, site);
	queue_count(&sh->site_count, 1);
	return site;
}

static struct queue_site *site_of(struct queue_shard *sh, struct span key, struct span destination)
{
	struct queue_site *site = hash_map_get(&sh->sites, key);

	if (!site) {
		if (hash_map_count(&sh->sites) >= sh->sweep_at)
			sites_sweep(sh);
		site = site_new(sh, key, destination);
	}
	site->used_ns = loop_now_ns();
	return site;
}

static bool site_is_full(const struct queue_site *site)
{
	return site->ready.count >= site->shard->q->opts.ready_max / QUEUE_SITE_SHARE;
}

/* After a failure nothing is tried until retry_ns, unless somebody has asked for it since. */
static bool site_is_down(const struct queue_site *site)
{
	return site->retry_ns > loop_now_ns() && !queue_is_forgiven(site->shard->q, site->down_ns);
}

bool queue_site_has_room(const struct queue_shard *sh, struct span key)
{
	const struct queue_site *site = hash_map_get(&sh->sites, key);

	return !site || (!site_is_full(site) && !site_is_down(site));
}

/* ---- back to the store ------------------------------------------------------------------------ */

void queue_defer(
	struct queue_shard *sh, struct outbound_parcel *p, int64_t retry_ns, const struct err *why)
{
	p->is_untried = true;
	p->pause_ns = loop_wall_ns() + retry_ns - loop_now_ns();
	p->next_ns = p->pause_ns + (int64_t)(loop_random() % (uint64_t)(10 * CLOCK_SEC));
	outbound_parcel_settle(p, OUTBOUND_TEMPORARY, why);
	queue_done(sh, p);
}

void queue_hand_back(struct queue_shard *sh, struct outbound_parcel *p)
{
	struct err e = {0};

	err_set(&e, ERR_CANCELLED, "put back for an administrator");
	p->is_untried = true;
	p->next_ns = loop_wall_ns();
	outbound_parcel_settle(p, OUTBOUND_TEMPORARY, &e);
	queue_done(sh, p);
}

/* After how long half of what waits here will have gone; soon, where nobody has been reached yet. */
static int64_t room_in(const struct queue_site *site, int64_t step)
{
	int64_t wait = step * (int64_t)(site->ready.count / 2 + 1);

	if (site->up == 0 && !site->delivered_ns)
		return QUEUE_PROBE_NS;
	return wait < QUEUE_PROBE_NS ? wait : QUEUE_PROBE_NS;
}

/* No room: look again when, at the rate of the last while, its turn will have come. */
static void put_back(struct queue_site *site, struct outbound_parcel *p)
{
	int64_t wall = loop_wall_ns(), now = loop_now_ns(), step;
	struct err e = {0};

	step = (now - site->rate_from_ns) / (int64_t)(site->rate_count + 1);
	if (step > CLOCK_SEC)
		step = CLOCK_SEC;
	if (site->pace_ns < wall + QUEUE_PACE_MIN_NS)
		site->pace_ns = wall + QUEUE_PACE_MIN_NS;
	if (site->pace_ns > wall + QUEUE_PACE_MAX_NS)
		site->pace_ns = wall + QUEUE_PACE_MAX_NS;
	site->pace_ns += step;
	p->is_untried = true;
	p->pause_ns = wall + room_in(site, step);
	p->next_ns = site->pace_ns;
	err_set(&e, ERR_BUSY, "many letters wait for this destination");
	outbound_parcel_settle(p, OUTBOUND_TEMPORARY, &e);
	queue_done(site->shard, p);
}

void queue_count_ready(struct queue_shard *sh, const struct outbound_parcel *p, int change)
{
	queue_count(&sh->ready, change);
	queue_count(&sh->ready_bytes, change * (int64_t)p->bytes);
}

struct outbound_parcel *queue_site_pop(struct queue_site *site)
{
	struct outbound_parcel *p = queue_flows_pop(&site->ready);

	if (p)
		queue_count_ready(site->shard, p, -1);
	return p;
}

void queue_site_give_back(struct queue_site *site, enum outbound_verdict verdict)
{
	struct outbound_parcel *p;
	bool is_first = true;

	while ((p = queue_site_pop(site))) {
		if (verdict == OUTBOUND_PERMANENT || is_first)
			outbound_steps_put(site->steps, false, p->arena, &p->steps);
		if (queue_pool_again(site->shard, p))
			continue;
		if (verdict == OUTBOUND_PERMANENT || is_first) {
			/* The first stands for the attempt that was made for all. */
			outbound_parcel_settle(p, verdict, &site->why);
			if (verdict != OUTBOUND_PERMANENT)
				p->next_ns = loop_wall_ns() + site->retry_ns - loop_now_ns();
			queue_done(site->shard, p);
		} else {
			queue_defer(site->shard, p, site->retry_ns, &site->why);
		}
		is_first = false;
	}
}

/* ---- the way of a parcel ------------------------------------------------------------------------ */

/* No room here, or none for what can as well wait in the store until somebody has been reached. */
static bool is_too_much(const struct queue_site *site, const struct outbound_parcel *p)
{
	const struct queue_shard *sh = site->shard;

	return site_is_full(site) || queue_counted(&sh->ready) >= sh->q->opts.ready_max ||
		(p->is_loaded && site->up == 0 && !site->delivered_ns &&
			site->ready.count >= QUEUE_PROBE_MAX);
}

/* The settler wakes up at the soonest deadline. */
static void note_deadline(struct queue_shard *sh, const struct outbound_parcel *p)
{
	if (p->env.by_mode == SPOOL_BY_NONE || p->env.by_ns <= loop_wall_ns() ||
		p->env.by_ns >= sh->deadline_ns)
		return;
	sh->deadline_ns = p->env.by_ns;
	fiber_cond_signal(&sh->done_more);
}

/* A destination with a row of its own in the table of shaping is a site of its own. */
static struct span site_key(const struct queue_shard *sh, const struct outbound_parcel *p)
{
	struct span key = p->way ? p->way->way->key : p->destination;
	struct span apart = shape_apart(sh->shape, p->destination);

	if (apart.len == 0)
		return key;
	return span_str(arena_printf(
		p->arena, SPAN_FMT "|shape=" SPAN_FMT, SPAN_ARG(key), SPAN_ARG(apart)));
}

/* At home. The way that was found last is the one that is used. */
static void site_take(struct queue_shard *sh, struct span key, struct outbound_parcel *p)
{
	struct queue_site *site = site_of(sh, key, p->destination);
	struct queue_way *way = p->way;

	p->way = NULL;
	if (way && (!site->way || site->way->way->until_ns < way->way->until_ns)) {
		struct queue_way *was = site->way;

		site->way = way;
		way = was;
	}
	queue_way_unref(&way);
	if (site_is_down(site) && queue_pool_again(sh, p))
		return;
	if (site_is_down(site) && queue_pool_is_up(sh, p))
		site->retry_ns = 0;
	if (site_is_down(site)) {
		queue_defer(sh, p, site->retry_ns, &site->why);
	} else if (is_too_much(site, p)) {
		put_back(site, p);
	} else {
		queue_flows_push(&site->ready, &sh->q->key, p);
		queue_count_ready(sh, p, 1);
		note_deadline(sh, p);
		queue_site_tend(site);
	}
}

void queue_site_join(struct queue_shard *sh, struct outbound_parcel *p)
{
	struct span key = site_key(sh, p);
	unsigned home = queue_home(sh->q, key);

	if (home == sh->index)
		site_take(sh, key, p);
	else
		queue_route(sh->q, home, p);
}

/* Is there nothing to look up? Then the destination is its site's key. */
static bool is_fixed(const struct queue *q, struct span destination)
{
	struct destination d;

	return queue_carrier_of(q, destination) || destination_cut(destination, &d, NULL) < 0 ||
		d.kind != DESTINATION_DOMAIN;
}

void queue_site_take(struct queue_shard *sh, struct outbound_parcel *p)
{
	if (sh->is_stopping) { /* its rows stay leased until the next start */
		queue_way_unref(&p->way);
		outbound_parcel_free(&p);
	} else if (queue_is_pool(p->destination) && !queue_pool_pick(sh, p)) {
		return;
	} else if (p->way) {
		site_take(sh, site_key(sh, p), p);
	} else if (is_fixed(sh->q, p->destination)) {
		queue_site_join(sh, p);
	} else {
		queue_road_take(sh, p);
	}
}

/* ---- all at once -------------------------------------------------------------------------------- */

void queue_sites_recall(struct queue_shard *sh)
{
	struct span name;
	void *site;

	queue_roads_recall(sh);
	for (size_t at = 0; hash_map_next(&sh->sites, &at, &name, &site);) {
		struct outbound_parcel *p;

		while ((p = queue_site_pop(site)))
			queue_hand_back(sh, p);
	}
}

void queue_sites_overdue(struct queue_shard *sh)
{
	int64_t wall = loop_wall_ns();
	struct span name;
	void *value;

	sh->deadline_ns = CLOCK_NEVER;
	for (size_t at = 0; hash_map_next(&sh->sites, &at, &name, &value);) {
		struct queue_site *site = value;
		struct outbound_parcel *p;
		struct err e = {0};

		err_set(&e, ERR_TIMEOUT, "its turn for a connection had not come");
		while ((p = queue_flows_pop_overdue(&site->ready, wall, &sh->deadline_ns))) {
			queue_count_ready(sh, p, -1);
			p->is_untried = true;
			p->next_ns = wall;
			outbound_parcel_settle(p, OUTBOUND_TEMPORARY, &e);
			queue_done(sh, p);
		}
	}
}
