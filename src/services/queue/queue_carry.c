/* Connections of a site: when one more is opened, what travels on it, and what its end tells of the
 * site. */

#include "base/mem.h"
#include "run/fiber.h"
#include "services/queue/queue_priv.h"

/* One connection; lives in its fiber's frame. */
struct site_carrier {
	struct list_node node; /* in the shard */
	struct fiber *fiber;
	struct queue_site *site;
	int64_t began_ns; /* mono */
	bool is_up;
	bool is_ending; /* takes no further letter */
	unsigned letters;
	bool is_new; /* counted in carriers_new: nobody knows yet whether the site lives */
};

/* ---- how many connections ----------------------------------------------------------------------- */

static bool is_proven(const struct queue_site *site)
{
	return site->up > 0 || site->delivered_ns;
}

/* All sites of a shard share its connections. Those that nobody has reached yet may use half of them:
 * however many are dead, the others go on. */
static bool may_open(const struct queue_site *site)
{
	const struct queue_shard *sh = site->shard;

	return queue_counted(&sh->connections) < sh->carriers_max &&
		(is_proven(site) || sh->carriers_new < (sh->carriers_max + 1) / 2);
}

/* A connection has become free, for the site that has waited longest. */
static void feed_hungry(struct queue_shard *sh, struct list_node *hungry)
{
	while (!list_empty(hungry) && queue_counted(&sh->connections) < sh->carriers_max) {
		struct queue_site *site = LIST_ITEM(
			list_pop_front(hungry), struct queue_site, hungry);

		queue_site_tend(site);
		if (list_linked(&site->hungry))
			break;
	}
}

static void carrier_freed(struct queue_shard *sh)
{
	if (sh->is_stopping)
		return;
	feed_hungry(sh, &sh->hungry);
	feed_hungry(sh, &sh->hungry_new);
}

static void no_longer_new(struct site_carrier *c)
{
	struct queue_shard *sh = c->site->shard;

	if (!c->is_new)
		return;
	c->is_new = false;
	sh->carriers_new--;
	carrier_freed(sh);
}

/* A letter went through: as many successes as there are connections allow one more. */
static void window_grow(struct queue_site *site)
{
	if (site->window >= site->limits.connections.value || ++site->successes < site->window)
		return;
	site->successes = 0;
	site->window++;
	queue_site_tend(site);
}

static void window_shrink(struct queue_site *site)
{
	site->successes = 0;
	site->window = site->window > 1 ? site->window / 2 : 1;
}

/* ---- what travels on a connection --------------------------------------------------------------- */

static void feed_up(void *ctx)
{
	struct site_carrier *c = ctx;
	struct queue_site *site = c->site;

	c->is_up = true;
	site->up++;
	if (site->fails == 0 && site->window < QUEUE_WINDOW_FIRST &&
		site->window < site->limits.connections.value) {
		site->window = QUEUE_WINDOW_FIRST;
		/* The first that waits is this connection's own: one letter needs no second one. */
		if (site->ready.count > 1)
			queue_site_tend(site);
	}
	no_longer_new(c);
}

/* Somebody else could use the connection that waits for letters. */
static bool is_wanted_elsewhere(const struct queue_shard *sh)
{
	return !list_empty(&sh->hungry) || !list_empty(&sh->hungry_new);
}

/* It has carried its share, or there are more connections than the site is allowed by now. */
static bool is_enough(const struct site_carrier *c)
{
	const struct queue_site *site = c->site;
	unsigned messages = site->limits.messages.value;

	return site->shard->is_stopping || c->is_ending || (messages && c->letters >= messages) ||
		site->carriers > queue_rate_window(site);
}

static FIBER struct outbound_parcel *feed_next(void *ctx)
{
	struct site_carrier *c = ctx;
	struct queue_site *site = c->site;
	const struct outbound_opts *o = site->shard->q->opts.outbound;
	int64_t deadline = loop_now_ns() + (o->idle_ns ? o->idle_ns : OUTBOUND_IDLE_NS);
	int64_t spare = loop_now_ns() + QUEUE_SPARE_NS;
	struct outbound_parcel *p = NULL;

	while (!is_enough(c)) {
		int64_t wait = site->ready.count ? queue_rate_letter_wait(site) : 0;

		if (wait == 0 && (p = queue_site_pop(site)))
			break;
		if (wait > 0)
			queue_rate_wake(site, wait);
		if (loop_now_ns() >= deadline ||
			(is_wanted_elsewhere(site->shard) && loop_now_ns() >= spare))
			return NULL;
		site->idle++;
		fiber_cond_wait(
			&site->more, is_wanted_elsewhere(site->shard) ? spare : deadline, NULL);
		site->idle--;
		if (fiber_is_cancelled(fiber_self()))
			return NULL;
	}
	if (!p)
		return NULL;
	c->letters++;
	queue_rate_letter(site);
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
	struct queue_heard heard = queue_reply_heard(site, p);

	queue_count(&sh->under_way, -1);
	site->rate_count++;
	site->used_ns = loop_now_ns();
	c->is_ending = heard.is_next_host;
	if (heard.is_slow) {
		window_shrink(site);
	} else if (is_any_delivered(p)) {
		site->fails = 0;
		site->delivered_ns = site->used_ns;
		queue_pool_worked(site, p);
		window_grow(site);
	}
	if (queue_pool_resume(sh, p))
		return;
	queue_done(sh, p);
	while (queue_counted(&sh->unsettled) > QUEUE_UNSETTLED_MAX) {
		if (fiber_cond_wait(&sh->done_room, CLOCK_NEVER, NULL) < 0)
			return;
	}
}

static const struct outbound_feed site_feed = {.up = feed_up, .next = feed_next, .done = feed_done};

/* Nothing can be delivered for a while. */
void queue_site_down_until(struct queue_site *site, int64_t retry_ns)
{
	site->down_ns = loop_now_ns();
	site->retry_ns = retry_ns;
	log_event(site->shard->q->opts.log, LOG_WARN, "queue.site.down", LF("site", site->name),
		LF_STR("reason", site->why.text), LF_INT("fails", site->fails),
		LF_INT("waiting", site->ready.count),
		LF_INT("retry_s", (site->retry_ns - site->down_ns) / CLOCK_SEC));
	queue_site_give_back(site, OUTBOUND_TEMPORARY);
}

static void site_down(struct queue_site *site)
{
	int64_t now = loop_now_ns(), pause = queue_ladder_ns(site->fails, loop_random());

	/* A host that took mail a moment ago is being restarted rather than gone: look again soon, once. */
	if (site->delivered_ns && now - site->delivered_ns < QUEUE_BLINK_WITHIN_NS) {
		pause = QUEUE_BLINK_NS;
		site->delivered_ns = 0;
		site->fails = 0;
	}
	queue_site_down_until(site, now + pause);
}

/* A connection failed or broke. `delivered` letters went over it before. */
static void site_failed(const struct site_carrier *c, unsigned delivered, const struct err *e)
{
	struct queue_site *site = c->site;
	int64_t was_ns = site->retry_ns; /* may lie ahead although it was forgiven */
	struct queue_heard heard;

	/* Begun before the site went down: that failure has been counted. */
	if (site->retry_ns > loop_now_ns() && c->began_ns <= site->down_ns)
		return;
	heard = queue_reply_error(site, e);
	if (site->retry_ns != was_ns) /* it asked for a pause */
		return;
	err_copy(&site->why, e);
	if (e->again == ERR_AGAIN_NEVER && !c->is_up && !heard.is_slow) {
		queue_pool_failed(site, e);
		log_event(site->shard->q->opts.log, LOG_WARN, "queue.site.never",
			LF("site", site->name), LF_STR("reason", e->text));
		queue_site_give_back(site, OUTBOUND_PERMANENT);
		return;
	}
	if (delivered > 0)
		return;
	if (site->up > 0) { /* others work: the destination wants fewer connections */
		window_shrink(site);
		return;
	}
	site->fails++;
	site->window = 1;
	site->successes = 0;
	if (!c->is_up || site->fails >= QUEUE_SITE_FAILS) {
		queue_pool_failed(site, e);
		site_down(site);
	}
}

const struct queue_carrier *queue_carrier_of(const struct queue *q, struct span destination)
{
	for (size_t i = 0; i < QUEUE_CARRIERS_MAX && q->opts.carriers[i].scheme; i++) {
		if (span_starts(destination, span_str(q->opts.carriers[i].scheme)))
			return &q->opts.carriers[i];
	}
	return NULL;
}

/* The hosts as they were found, but for one that is the last choice for a time. */
static struct queue_way *way_now(struct queue_site *site)
{
	const struct outbound_way *from = site->way ? site->way->way : NULL;
	struct outbound_hops *hops;
	struct queue_way *way;
	size_t n = 0;

	if (!from || site->avoid_until_ns <= loop_now_ns())
		return site->way ? queue_way_ref(site->way) : NULL;
	way = NEW(struct queue_way);
	atomic_init(&way->refs, 1);
	way->base = queue_way_ref(site->way);
	way->arena = arena_new();
	way->way = ARENA_NEW(way->arena, struct outbound_way);
	*way->way = *from;
	hops = ARENA_NEW(way->arena, struct outbound_hops);
	*hops = *from->hops;
	hops->hosts = ARENA_ARRAY(way->arena, struct outbound_host, hops->count);
	for (unsigned last = 0; last < 2; last++) {
		for (size_t i = 0; i < from->hops->count; i++) {
			const struct outbound_host *host = &from->hops->hosts[i];

			if (span_eq_nocase(host->name, site->avoid) != (last == 1))
				continue;
			hops->hosts[n] = *host;
			if (last == 1)
				hops->hosts[n].pref = UINT16_MAX;
			n++;
		}
	}
	way->way->hops = hops;
	return way;
}

static FIBER int site_carrier(void *arg)
{
	struct queue_site *site = arg;
	struct site_carrier c = {.site = site,
		.fiber = fiber_self(),
		.began_ns = loop_now_ns(),
		.is_new = site->opening_new > 0};
	struct queue_shard *sh = site->shard;
	struct queue_way *way = way_now(site);
	struct outbound_carrier o = {.opts = sh->q->opts.outbound,
		.destination = site->destination,
		.way = way ? way->way : NULL,
		.rcpt_max = site->limits.recipients.value,
		.feed = &site_feed,
		.ctx = &c,
		.memory = &site->memory};
	struct outbound_steps steps = {.arena = arena_new()};
	const struct queue_carrier *own = queue_carrier_of(sh->q, site->destination);
	struct err e = {0};
	int rc;

	site->opening_new -= c.is_new;
	list_push_back(&sh->carrier_list, &c.node);
	o.steps = &steps;
	rc = own ? own->carry(own->arg, &o, &e) : outbound_carry(&o, &e);
	list_remove(&c.node);
	if (c.is_up)
		site->up--;
	site->carriers--;
	queue_count(&sh->connections, -1);
	if (rc == 0 && c.is_up)
		site->fails = 0;
	if (rc < 0 && !sh->is_stopping) {
		site->steps = c.is_up ? NULL : &steps;
		site_failed(&c, o.delivered, &e);
		site->steps = NULL;
	}
	arena_free(&steps.arena);
	queue_way_unref(&way);
	no_longer_new(&c);
	if (!sh->is_stopping)
		queue_site_tend(site);
	carrier_freed(sh);
	return 0;
}

/* Nobody could ever look at what waits: no fiber can be had. */
static void no_carrier(struct queue_site *site, const struct err *e)
{
	log_event(site->shard->q->opts.log, LOG_ERROR, "queue.carrier", LF("site", site->name),
		LF_STR("reason", e->text));
	if (site->carriers > 0)
		return;
	err_copy(&site->why, e);
	site->down_ns = loop_now_ns();
	site->retry_ns = site->down_ns + queue_ladder_ns(1, loop_random());
	queue_site_give_back(site, OUTBOUND_TEMPORARY);
}

static void open_one(struct queue_site *site)
{
	struct queue_shard *sh = site->shard;
	bool is_new = !is_proven(site);
	struct err e = {0};

	if (site->carriers == 0) { /* a new spell of work: its rate is measured from here */
		site->rate_from_ns = loop_now_ns();
		site->rate_count = 0;
	}
	if (fiber_start(&sh->carriers, "carrier", site_carrier, site, &e) < 0) {
		no_carrier(site, &e);
		return;
	}
	queue_rate_connect(site);
	site->carriers++;
	site->opening_new += is_new;
	sh->carriers_new += is_new;
	queue_count(&sh->connections, 1);
}

void queue_site_tend(struct queue_site *site)
{
	struct queue_shard *sh = site->shard;
	int64_t wait;

	if (site->ready.count == 0 || sh->is_stopping)
		return;
	if (site->idle > 0 && queue_rate_is_slow(site)) {
		/* whom the rate allows one takes it: more connections would only wait */
		fiber_cond_broadcast(&site->more);
		return;
	}
	if (site->idle > 0)
		fiber_cond_signal(&site->more);
	if (site->ready.count <= site->idle || site->carriers >= queue_rate_window(site))
		return;
	wait = queue_rate_letter_wait(site);
	if (wait < queue_rate_connect_wait(site))
		wait = queue_rate_connect_wait(site);
	if (wait > 0) {
		queue_rate_wake(site, wait);
		return;
	}
	if (may_open(site)) {
		open_one(site);
	} else if (!list_linked(&site->hungry)) {
		list_push_back(is_proven(site) ? &sh->hungry : &sh->hungry_new, &site->hungry);
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
	fiber_cond_broadcast(&sh->wakes_changed);
	fiber_group_cancel(&sh->lookups);
}
