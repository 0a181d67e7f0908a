/* Roads: what leads from a domain to its site. A domain is looked up once, by one of a bounded number
 * of fibers; its letters wait for it meanwhile. What the look-up finds out about the domain (no such
 * domain, no answer) concerns that domain alone, whatever other domains its hosts may serve. */

#include <stdlib.h>

#include "base/mem.h"
#include "run/fiber.h"
#include "services/queue/queue_priv.h"

struct queue_way *queue_way_ref(struct queue_way *w)
{
	MUST(atomic_fetch_add(&w->refs, 1) > 0);
	return w;
}

void queue_way_unref(struct queue_way **wp)
{
	struct queue_way *w = *wp;

	*wp = NULL;
	if (!w || atomic_fetch_sub(&w->refs, 1) > 1)
		return;
	queue_way_unref(&w->base);
	arena_free(&w->arena);
	free(w);
}

static void road_free(struct queue_road *road)
{
	struct list_node *n;

	while ((n = list_pop_front(&road->waiting))) {
		struct outbound_parcel *p = LIST_ITEM(n, struct outbound_parcel, node);

		outbound_parcel_free(&p);
	}
	list_remove(&road->node);
	queue_way_unref(&road->way);
	free((char *)road->name.ptr);
	free(road);
}

void queue_roads_free(struct queue_shard *sh)
{
	struct span name;
	void *road;

	for (size_t at = 0; hash_map_next(&sh->roads, &at, &name, &road);) {
		hash_map_remove(&sh->roads, name);
		road_free(road);
	}
}

/* Forget what nobody waits for and what need not be remembered. As for sites, it runs when their
 * number has doubled. */
static void roads_sweep(struct queue_shard *sh)
{
	int64_t now = loop_now_ns();
	struct span name;
	void *value;

	for (size_t at = 0; hash_map_next(&sh->roads, &at, &name, &value);) {
		struct queue_road *road = value;

		if (road->is_asked || road->waiting_count > 0 || road->retry_ns > now ||
			(road->way && road->way->way->until_ns > now &&
				road->used_ns + CLOCK_MIN > now) ||
			(road->fails > 0 && road->used_ns + QUEUE_LADDER_MAX_NS > now))
			continue;
		hash_map_remove(&sh->roads, name);
		road_free(road);
	}
	sh->roads_sweep_at = hash_map_count(&sh->roads) * 2;
	if (sh->roads_sweep_at < QUEUE_SITES_SWEEP)
		sh->roads_sweep_at = QUEUE_SITES_SWEEP;
}

static struct queue_road *road_of(struct queue_shard *sh, struct span destination)
{
	struct queue_road *road = hash_map_get(&sh->roads, destination);

	if (!road) {
		if (hash_map_count(&sh->roads) >= sh->roads_sweep_at)
			roads_sweep(sh);
		road = NEW(struct queue_road);
		road->shard = sh;
		road->name = span_of(mem_dup(destination.ptr, destination.len), destination.len);
		list_init(&road->waiting);
		list_init(&road->node);
		hash_map_set(&sh->roads, road->name, road);
	}
	road->used_ns = loop_now_ns();
	return road;
}

static bool road_is_down(const struct queue_road *road)
{
	return road->retry_ns > loop_now_ns() && !queue_is_forgiven(road->shard->q, road->down_ns);
}

static bool road_is_full(const struct queue_road *road)
{
	return road->waiting_count >= road->shard->q->opts.ready_max / QUEUE_SITE_SHARE;
}

bool queue_road_has_room(const struct queue_shard *sh, struct span destination)
{
	const struct queue_road *road = hash_map_get(&sh->roads, destination);

	if (!road)
		return queue_site_has_room(sh, destination);
	if (road_is_full(road) || road_is_down(road))
		return false;
	return !road->way || queue_site_has_room(sh, road->way->way->key);
}

/* ---- what a look-up found ----------------------------------------------------------------------- */

static struct outbound_parcel *road_pop(struct queue_road *road)
{
	struct list_node *n = list_pop_front(&road->waiting);
	struct outbound_parcel *p;

	if (!n)
		return NULL;
	p = LIST_ITEM(n, struct outbound_parcel, node);
	road->waiting_count--;
	queue_count_ready(road->shard, p, -1);
	return p;
}

/* `is_kept`: the domain had been looked up for another letter. */
static void go_on(struct queue_road *road, struct outbound_parcel *p, bool is_kept)
{
	p->way = queue_way_ref(road->way);
	outbound_steps_put(&p->way->way->steps, is_kept, p->arena, &p->steps);
	queue_site_join(road->shard, p);
}

static void road_found(struct queue_road *road, struct queue_way *way)
{
	struct outbound_parcel *p;

	queue_way_unref(&road->way);
	road->way = way;
	road->fails = 0;
	road->retry_ns = 0;
	while ((p = road_pop(road)))
		go_on(road, p, false);
}

/* The domain will never take mail, or cannot be looked up for now: the first letter stands for the
 * attempt that was made for all. */
static void road_failed(
	struct queue_road *road, const struct outbound_steps *steps, const struct err *e)
{
	struct queue_shard *sh = road->shard;
	bool is_never = e->again == ERR_AGAIN_NEVER, is_first = true;
	struct outbound_parcel *p;

	err_copy(&road->why, e);
	if (is_never) {
		road->fails = 0;
	} else {
		road->fails++;
		road->down_ns = loop_now_ns();
		road->retry_ns = road->down_ns + queue_ladder_ns(road->fails, loop_random());
	}
	log_event(sh->q->opts.log, LOG_WARN, is_never ? "queue.domain.never" : "queue.domain.down",
		LF("site", road->name), LF_STR("reason", e->text), LF_INT("fails", road->fails),
		LF_INT("waiting", road->waiting_count));
	while ((p = road_pop(road))) {
		if (is_never || is_first) {
			outbound_steps_put(steps, false, p->arena, &p->steps);
			outbound_parcel_settle(
				p, is_never ? OUTBOUND_PERMANENT : OUTBOUND_TEMPORARY, e);
			if (!is_never)
				p->next_ns = loop_wall_ns() + road->retry_ns - loop_now_ns();
			queue_done(sh, p);
		} else {
			queue_defer(sh, p, road->retry_ns, &road->why);
		}
		is_first = false;
	}
}

/* ---- looking up --------------------------------------------------------------------------------- */

static FIBER void look_up(struct queue_road *road)
{
	struct queue_shard *sh = road->shard;
	struct queue_way *way = NEW(struct queue_way);
	struct err e = {0};
	int rc;

	atomic_init(&way->refs, 1);
	way->arena = arena_new();
	rc = outbound_way_find(sh->q->opts.outbound, way->arena, road->name, &way->way, &e);
	road->is_asked = false;
	if (rc == 0) {
		road_found(road, way);
		return;
	}
	if (e.code != ERR_CANCELLED)
		road_failed(road, way->way ? &way->way->steps : NULL, &e);
	else if (!sh->is_stopping) /* nobody else would ever look at them again */
		queue_roads_recall(sh);
	queue_way_unref(&way);
}

static FIBER int look_ups(void *shard)
{
	struct queue_shard *sh = shard;
	struct list_node *n;

	while (!sh->is_stopping && (n = list_pop_front(&sh->to_look_up)))
		look_up(LIST_ITEM(n, struct queue_road, node));
	sh->lookups_now--;
	return 0;
}

static void ask(struct queue_road *road)
{
	struct queue_shard *sh = road->shard;
	struct err e = {0};

	if (road->is_asked)
		return;
	road->is_asked = true;
	list_push_back(&sh->to_look_up, &road->node);
	if (sh->lookups_now >= QUEUE_LOOKUPS_MAX) /* one of those will come to it */
		return;
	if (fiber_start(&sh->lookups, "look-up", look_ups, sh, &e) == 0)
		sh->lookups_now++;
	if (sh->lookups_now > 0)
		return;
	list_remove(&road->node);
	road->is_asked = false;
	road_failed(road, NULL, &e);
}

void queue_road_take(struct queue_shard *sh, struct outbound_parcel *p)
{
	struct queue_road *road = road_of(sh, p->destination);

	if (road_is_down(road)) {
		queue_defer(sh, p, road->retry_ns, &road->why);
	} else if (road->way && outbound_way_is_good(sh->q->opts.outbound, road->way->way) &&
		road->waiting_count == 0) {
		go_on(road, p, true);
	} else if (road_is_full(road) || queue_counted(&sh->ready) >= sh->q->opts.ready_max) {
		struct err e = {0};

		err_set(&e, ERR_BUSY, "many letters wait for this domain to be looked up");
		queue_defer(sh, p, loop_now_ns() + QUEUE_PACE_MIN_NS, &e);
	} else {
		list_push_back(&road->waiting, &p->node);
		road->waiting_count++;
		queue_count_ready(sh, p, 1);
		ask(road);
	}
}

void queue_roads_recall(struct queue_shard *sh)
{
	struct span name;
	void *road;

	for (size_t at = 0; hash_map_next(&sh->roads, &at, &name, &road);) {
		struct outbound_parcel *p;

		while ((p = road_pop(road)))
			queue_hand_back(sh, p);
	}
}
