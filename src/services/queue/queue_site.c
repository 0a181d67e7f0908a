/* Sites: a destination, what waits for it, its connections, and what is known of its health. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/fiber.h"
#include "services/queue/queue_priv.h"

static void site_tend(struct queue_site *site);

bool queue_is_pinned(const struct queue *q)
{
	return q->opts.connections < q->opts.shards;
}

unsigned queue_home(const struct queue *q, struct span destination)
{
	return (unsigned)(hash_bytes(&q->key, destination) % q->opts.shards);
}

static void site_free(struct queue_site *site)
{
	struct list_node *n;

	while ((n = list_pop_front(&site->ready))) {
		struct outbound_parcel *p = LIST_ITEM(n, struct outbound_parcel, node);

		outbound_parcel_free(&p);
	}
	free((char *)site->name.ptr);
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

		if (site->ready_count > 0 || site->carriers > 0 || site->retry_ns > now ||
			(site->fails > 0 && site->used_ns + QUEUE_LADDER_MAX_NS > now) ||
			site->memory.tls_broken_ns > now)
			continue;
		hash_map_remove(&sh->sites, site->name);
		site_free(site);
		queue_count(&sh->site_count, -1);
	}
	sh->sweep_at = hash_map_count(&sh->sites) * 2;
	if (sh->sweep_at < QUEUE_SITES_SWEEP)
		sh->sweep_at = QUEUE_SITES_SWEEP;
}

static struct queue_site *site_new(struct queue_shard *sh, struct span destination)
{
	const struct queue *q = sh->q;
	struct queue_site *site = NEW(struct queue_site);

	site->shard = sh;
	site->name = span_of(mem_dup(destination.ptr, destination.len), destination.len);
	list_init(&site->ready);
	fiber_cond_init(&site->more);
	site->window_max = queue_is_pinned(q) ? q->opts.connections
					      : q->opts.connections / q->opts.shards;
	site->window = site->window_max < QUEUE_WINDOW_FIRST ? site->window_max
							     : QUEUE_WINDOW_FIRST;
	hash_map_set(&sh->sites, site->name, site);
	queue_count(&sh->site_count, 1);
	return site;
}

static struct queue_site *site_of(struct queue_shard *sh, struct span destination)
{
	struct queue_site *site = hash_map_get(&sh->sites, destination);

	if (!site) {
		if (hash_map_count(&sh->sites) >= sh->sweep_at)
			sites_sweep(sh);
		site = site_new(sh, destination);
	}
	site->used_ns = loop_now_ns();
	return site;
}

static bool site_is_full(const struct queue_site *site)
{
	return site->ready_count >= site->shard->q->opts.ready_max / QUEUE_SITE_SHARE;
}

/* After a failure nothing is tried until retry_ns, unless somebody has asked for it since. */
static bool site_is_down(const struct queue_site *site)
{
	return site->retry_ns > loop_now_ns() &&
		site->down_ns >
		atomic_load_explicit(&site->shard->q->forgiven_ns, memory_order_relaxed);
}

bool queue_site_has_room(const struct queue_shard *sh, struct span destination)
{
	const struct queue_site *site = hash_map_get(&sh->sites, destination);

	return !site || (!site_is_full(site) && !site_is_down(site));
}

/* ---- back to the store ------------------------------------------------------------------------ */

/* The site is down: the parcel comes back when the site may be tried again, a little spread so that
 * not all come at once. */
static void defer(struct queue_site *site, struct outbound_parcel *p)
{
	int64_t wait = site->retry_ns - loop_now_ns();

	p->is_untried = true;
	p->next_ns = loop_wall_ns() + wait + (int64_t)(loop_random() % (uint64_t)(10 * CLOCK_SEC));
	outbound_parcel_settle(p, OUTBOUND_TEMPORARY, &site->why);
	queue_done(site->shard, p);
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
	p->next_ns = site->pace_ns;
	err_set(&e, ERR_BUSY, "many letters wait for this destination");
	outbound_parcel_settle(p, OUTBOUND_TEMPORARY, &e);
	queue_done(site->shard, p);
}

static struct outbound_parcel *site_pop(struct queue_site *site)
{
	struct queue_shard *sh = site->shard;
	struct list_node *n = list_pop_front(&site->ready);
	struct outbound_parcel *p;

	if (!n)
		return NULL;
	p = LIST_ITEM(n, struct outbound_parcel, node);
	site->ready_count--;
	queue_count(&sh->ready, -1);
	queue_count(&sh->ready_bytes, -(int64_t)p->bytes);
	return p;
}

void queue_site_take(struct queue_shard *sh, struct outbound_parcel *p)
{
	struct queue_site *site;

	if (sh->is_stopping) { /* its rows stay leased until the next start */
		outbound_parcel_free(&p);
		return;
	}
	site = site_of(sh, p->destination);
	if (site_is_down(site)) {
		defer(site, p);
	} else if (site_is_full(site) || queue_counted(&sh->ready) >= sh->q->opts.ready_max) {
		put_back(site, p);
	} else {
		list_push_back(&site->ready, &p->node);
		site->ready_count++;
		queue_count(&sh->ready, 1);
		queue_count(&sh->ready_bytes, (int64_t)p->bytes);
		site_tend(site);
	}
}

/* ---- connections ------------------------------------------------------------------------------ */

/* One connection; lives in its fiber's frame. */
struct site_carrier {
	struct list_node node; /* in the shard */
	struct fiber *fiber;
	struct queue_site *site;
	int64_t began_ns; /* mono */
	bool is_up;
};

static void feed_up(void *ctx)
{
	struct site_carrier *c = ctx;

	c->is_up = true;
	c->site->up++;
}

static FIBER struct outbound_parcel *feed_next(void *ctx)
{
	struct site_carrier *c = ctx;
	struct queue_site *site = c->site;
	const struct outbound_opts *o = site->shard->q->opts.outbound;
	int64_t deadline = loop_now_ns() + (o->idle_ns ? o->idle_ns : OUTBOUND_IDLE_NS);
	struct outbound_parcel *p;

	for (;;) {
		int rc;

		if (site->shard->is_stopping)
			return NULL;
		p = site_pop(site);
		if (p)
			break;
		site->idle++;
		rc = fiber_cond_wait(&site->more, deadline, NULL);
		site->idle--;
		if (rc < 0 && site->ready_count == 0)
			return NULL;
	}
	queue_count(&site->shard->under_way, 1);
	return p;
}

static bool is_any_delivered(const struct outbound_parcel *p)
{
	for (size_t i = 0; i < p->rcpt_count; i++) {
		if (p->rcpts[i].verdict == OUTBOUND_DELIVERED)
			return true;
	}
	return false;
}

static FIBER void feed_done(void *ctx, struct outbound_parcel *p)
{
	struct site_carrier *c = ctx;
	struct queue_site *site = c->site;
	struct queue_shard *sh = site->shard;

	queue_count(&sh->under_way, -1);
	site->rate_count++;
	site->used_ns = loop_now_ns();
	if (is_any_delivered(p)) {
		site->fails = 0;
		site->delivered_ns = site->used_ns;
		if (site->window < site->window_max) {
			site->window++;
			site_tend(site);
		}
	}
	queue_done(sh, p);
	while (queue_counted(&sh->unsettled) > QUEUE_UNSETTLED_MAX) {
		if (fiber_cond_wait(&sh->done_room, CLOCK_NEVER, NULL) < 0)
			return;
	}
}

static const struct outbound_feed site_feed = {.up = feed_up, .next = feed_next, .done = feed_done};

/* Nothing that waits can be delivered, now (retry_ns) or ever. */
static void site_give_back(struct queue_site *site, enum outbound_verdict verdict)
{
	struct outbound_parcel *p;
	bool is_first = true;

	while ((p = site_pop(site))) {
		if (verdict == OUTBOUND_PERMANENT || is_first) {
			/* The first stands for the attempt that was made for all. */
			outbound_parcel_settle(p, verdict, &site->why);
			if (verdict != OUTBOUND_PERMANENT)
				p->next_ns = loop_wall_ns() + site->retry_ns - loop_now_ns();
			queue_done(site->shard, p);
		} else {
			defer(site, p);
		}
		is_first = false;
	}
}

/* Nothing can be delivered for a while. */
static void site_down(struct queue_site *site)
{
	int64_t pause = queue_ladder_ns(site->fails, loop_random());

	site->down_ns = loop_now_ns();
	/* A host that took mail a moment ago is being restarted rather than gone: look again soon, once. */
	if (site->delivered_ns && site->down_ns - site->delivered_ns < QUEUE_BLINK_WITHIN_NS) {
		pause = QUEUE_BLINK_NS;
		site->delivered_ns = 0;
		site->fails = 0;
	}
	site->retry_ns = site->down_ns + pause;
	log_event(site->shard->q->opts.log, LOG_WARN, "queue.site.down", LF("site", site->name),
		LF_STR("reason", site->why.text), LF_INT("fails", site->fails),
		LF_INT("waiting", site->ready_count),
		LF_INT("retry_s", (site->retry_ns - site->down_ns) / CLOCK_SEC));
	site_give_back(site, OUTBOUND_TEMPORARY);
}

/* A connection failed or broke. `delivered` letters went over it before. */
static void site_failed(const struct site_carrier *c, unsigned delivered, const struct err *e)
{
	struct queue_site *site = c->site;

	/* Begun before the site went down: that failure has been counted. */
	if (site->retry_ns > loop_now_ns() && c->began_ns <= site->down_ns)
		return;
	err_copy(&site->why, e);
	if (e->again == ERR_AGAIN_NEVER && !c->is_up) {
		log_event(site->shard->q->opts.log, LOG_WARN, "queue.site.never",
			LF("site", site->name), LF_STR("reason", e->text));
		site_give_back(site, OUTBOUND_PERMANENT);
		return;
	}
	if (delivered > 0)
		return;
	if (site->up > 0) { /* others work: the destination wants fewer connections */
		site->window = site->up;
		return;
	}
	site->fails++;
	site->window = 1;
	if (!c->is_up || site->fails >= QUEUE_SITE_FAILS)
		site_down(site);
}

const struct queue_carrier *queue_carrier_of(const struct queue *q, struct span destination)
{
	for (size_t i = 0; i < QUEUE_CARRIERS_MAX && q->opts.carriers[i].scheme; i++) {
		if (span_starts(destination, span_str(q->opts.carriers[i].scheme)))
			return &q->opts.carriers[i];
	}
	return NULL;
}

static FIBER int site_carrier(void *arg)
{
	struct site_carrier c = {.site = arg, .fiber = fiber_self(), .began_ns = loop_now_ns()};
	struct queue_site *site = c.site;
	struct queue_shard *sh = site->shard;
	struct outbound_carrier o = {.opts = sh->q->opts.outbound,
		.destination = site->name,
		.feed = &site_feed,
		.ctx = &c,
		.memory = &site->memory};
	const struct queue_carrier *own = queue_carrier_of(sh->q, site->name);
	struct err e = {0};
	int rc;

	list_push_back(&sh->carrier_list, &c.node);
	rc = own ? own->carry(own->arg, &o, &e) : outbound_carry(&o, &e);
	list_remove(&c.node);
	if (c.is_up)
		site->up--;
	site->carriers--;
	queue_count(&sh->connections, -1);
	if (rc == 0 && c.is_up)
		site->fails = 0;
	if (rc < 0 && !sh->is_stopping)
		site_failed(&c, o.delivered, &e);
	if (!sh->is_stopping)
		site_tend(site);
	return 0;
}

/* Letters wait: wake a connection that is idle, or open one more. */
static void site_tend(struct queue_site *site)
{
	struct queue_shard *sh = site->shard;
	struct err e = {0};

	if (site->ready_count == 0 || sh->is_stopping)
		return;
	if (site->idle > 0)
		fiber_cond_signal(&site->more);
	if (site->ready_count <= site->idle || site->carriers >= site->window)
		return;
	if (site->carriers == 0) { /* a new spell of work: its rate is measured from here */
		site->rate_from_ns = loop_now_ns();
		site->rate_count = 0;
	}
	if (fiber_start(&sh->carriers, "carrier", site_carrier, site, &e) == 0) {
		site->carriers++;
		queue_count(&sh->connections, 1);
		return;
	}
	log_event(sh->q->opts.log, LOG_ERROR, "queue.carrier", LF("site", site->name),
		LF_STR("reason", e.text));
	if (site->carriers == 0) { /* nobody would ever look at them again */
		err_copy(&site->why, &e);
		site->down_ns = loop_now_ns();
		site->retry_ns = site->down_ns + queue_ladder_ns(1, loop_random());
		site_give_back(site, OUTBOUND_TEMPORARY);
	}
}

void queue_sites_recall(struct queue_shard *sh)
{
	struct err e = {0};
	struct span name;
	void *site;

	err_set(&e, ERR_CANCELLED, "put back for an administrator");
	for (size_t at = 0; hash_map_next(&sh->sites, &at, &name, &site);) {
		struct outbound_parcel *p;

		while ((p = site_pop(site))) {
			p->is_untried = true;
			p->next_ns = loop_wall_ns();
			outbound_parcel_settle(p, OUTBOUND_TEMPORARY, &e);
			queue_done(sh, p);
		}
	}
}

void queue_sites_stop(struct queue_shard *sh)
{
	struct span name;
	void *site;

	for (size_t at = 0; hash_map_next(&sh->sites, &at, &name, &site);)
		fiber_cond_broadcast(&((struct queue_site *)site)->more);
	fiber_cond_broadcast(&sh->done_room);
	/* Who has no connection yet has no letter either: look-ups and connects need not be waited for. */
	LIST_EACH (n, &sh->carrier_list) {
		struct site_carrier *c = LIST_ITEM(n, struct site_carrier, node);

		if (!c->is_up)
			fiber_cancel(c->fiber);
	}
}
