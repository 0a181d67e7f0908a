/* The loader: claims rows that are due and hands them to the shards as parcels. Due times are wall
 * clock, for they outlive the process; waits are monotonic and at most QUEUE_LOOK_NS long, so that
 * a clock that was set is noticed within a minute. */

#include "run/fiber.h"
#include "services/queue/queue_priv.h"

#define LOAD_LEASE_UNTIL CLOCK_NEVER     /* while we live we know what we hold */
#define LOAD_SET_BACK_NS CLOCK_MIN       /* a clock that went back by more was set */
#define LOAD_RETRY_NS    (5 * CLOCK_SEC) /* after an error of the store */
#define LOAD_LOCAL_SLICE 256

static void kick_arrived(struct loop_msg *msg)
{
	struct queue_loader *l = CONTAINER_OF(msg, struct queue_loader, kick_msg);

	atomic_store(&l->is_posted, false);
	if (l->fiber)
		fiber_wake(l->fiber);
}

static void loader_wake(struct queue *q)
{
	struct loop *loop = atomic_load(&q->shards[0].loop);

	if (!loop || atomic_exchange(&q->loader.is_posted, true))
		return;
	q->loader.kick_msg = (struct loop_msg){.fn = kick_arrived};
	loop_post(loop, &q->loader.kick_msg);
}

void queue_kick(struct queue *q)
{
	atomic_store(&q->loader.is_due, true);
	loader_wake(q);
}

void queue_due_at(struct queue *q, int64_t wall_ns)
{
	if (wall_ns < atomic_load_explicit(&q->loader.planned_ns, memory_order_relaxed))
		queue_kick(q);
}

uint64_t queue_held(const struct queue *q)
{
	uint64_t held = 0;

	for (unsigned i = 0; i < q->opts.shards; i++)
		held += queue_counted(&q->shards[i].ready) + queue_counted(&q->shards[i].unsettled);
	return held;
}

static uint64_t held_max(const struct queue *q)
{
	return (uint64_t)q->opts.shards * q->opts.ready_max;
}

void queue_loader_room(struct queue *q)
{
	if (atomic_load_explicit(&q->loader.is_short, memory_order_relaxed) &&
		queue_held(q) < held_max(q) / 4 * 3 && atomic_exchange(&q->loader.is_short, false))
		queue_kick(q);
}

void queue_left(struct queue *q)
{
	if (!atomic_exchange(&q->loader.is_noticed, true))
		loader_wake(q);
}

/* Runs on the writer's thread after each commit that touched the queue. */
static void store_changed(void *arg)
{
	queue_left(arg);
}

/* ---- rows to parcels -------------------------------------------------------------------------- */

static void rcpt_of(struct arena *a, const struct spool_item *item, struct outbound_rcpt *r)
{
	*r = (struct outbound_rcpt){.rcpt_id = item->rcpt_id,
		.address = arena_span(a, item->address),
		.orcpt = arena_span(a, item->orcpt),
		.notify = item->notify,
		.attempts = item->attempts,
		.delays_told = item->delays_told,
		.is_by_told = item->is_by_told,
		.is_given_up = item->is_given_up};
}

/* It was claimed for something else than an attempt: it is given up, or its deadline (RFC 2852) has
 * come, which its sender is told, or which ends it. */
static bool is_event(const struct spool_item *item, int64_t wall_ns)
{
	return item->is_given_up ||
		(item->env.by_mode && item->env.by_ns <= wall_ns &&
			item->env.by_ns > item->arrived_ns &&
			(item->env.by_mode == SPOOL_BY_RETURN || !item->is_by_told));
}

static bool is_same_trip(const struct spool_item *a, const struct spool_item *b)
{
	return a->msg_id == b->msg_id && span_eq(a->destination, b->destination) &&
		span_eq(a->sender, b->sender) && span_eq(a->rcpt_prefix, b->rcpt_prefix);
}

/* A parcel from `count` rows of one letter to one destination. */
static struct outbound_parcel *parcel_of(
	struct store *s, const struct spool_item *items, size_t count)
{
	struct outbound_parcel *p = outbound_parcel_new(count);
	const struct spool_item *first = &items[0];

	p->msg_id = first->msg_id;
	p->body = body_open(s, first->blob_id, first->blob_len);
	p->env = first->env;
	p->env.reverse_path = arena_span(p->arena, first->env.reverse_path);
	p->env.envid = arena_span(p->arena, first->env.envid);
	p->env.origin = arena_span(p->arena, first->env.origin);
	p->env.peer = arena_span(p->arena, first->env.peer);
	queue_parcel_own(p, first->sender, first->rcpt_prefix, first->prefix);
	queue_parcel_aim(p, first->destination);
	p->arrived_ns = first->arrived_ns;
	p->expires_ns = first->expires_ns;
	p->is_loaded = true;
	p->is_expiry_fixed = first->is_expiry_fixed;
	for (size_t i = 0; i < count; i++)
		rcpt_of(p->arena, &items[i], &p->rcpts[i]);
	return p;
}

/* Settled at once, with the reason of the last attempt: the settler knows what the event is. What goes
 * on is due right behind it. */
static void settle_event(struct queue *q, const struct spool_item *item, struct outbound_parcel *p)
{
	p->is_untried = true;
	p->next_ns = loop_wall_ns();
	p->host = arena_span(p->arena, item->last_host);
	for (size_t i = 0; i < p->rcpt_count; i++) {
		struct outbound_rcpt *r = &p->rcpts[i];

		r->verdict = OUTBOUND_TEMPORARY;
		r->code = item[i].last_code;
		r->enhanced = arena_span(p->arena, item[i].last_enhanced);
		r->text = item[i].last_text.len ? arena_span(p->arena, item[i].last_text)
						: SPAN("it has not been tried yet");
	}
	queue_done(&q->shards[0], p); /* the loader's own */
}

static void hand_out(struct queue *q, const struct spool_item *items, size_t count)
{
	int64_t wall = loop_wall_ns();

	for (size_t i = 0, n; i < count; i += n) {
		bool is_due_event = is_event(&items[i], wall);
		struct outbound_parcel *p;

		for (n = 1; i + n < count && n < OUTBOUND_RCPT_MAX; n++) {
			if (!is_same_trip(&items[i], &items[i + n]) ||
				is_event(&items[i + n], wall) != is_due_event)
				break;
		}
		p = parcel_of(q->opts.store, &items[i], n);
		if (is_due_event)
			settle_event(q, &items[i], p);
		else
			queue_route(q, queue_home(q, items[i].destination), p);
	}
}

/* ---- looking ---------------------------------------------------------------------------------- */

/* Local recipients that were too many for the accepting transaction, or were held until now. */
static FIBER int load_local(struct queue *q, struct err *e)
{
	struct arena *a = arena_new();
	bool is_left = true;
	int rc = 0;

	while (rc == 0 && is_left && !atomic_load(&q->is_stopping)) {
		struct spool_item *told;
		size_t count = 0;

		rc = spool_deliver_local(
			q->opts.store, a, LOAD_LOCAL_SLICE, &is_left, &told, &count, e);
		if (rc == 0)
			queue_report_local(&q->shards[0], told, count);
		arena_reset(a);
	}
	arena_free(&a);
	return rc;
}

/* Is memory full? Then queue_loader_room() calls when it no longer is; asked twice, so that its call
 * is not missed. */
static bool is_short(struct queue *q)
{
	atomic_store(&q->loader.is_short, queue_held(q) >= held_max(q));
	if (atomic_load(&q->loader.is_short) && queue_held(q) < held_max(q))
		atomic_store(&q->loader.is_short, false);
	return atomic_load(&q->loader.is_short);
}

/* Claim page after page while there are due rows and room for them. */
static FIBER int load_due(struct queue *q, int64_t *next_ns_r, struct err *e)
{
	struct arena *a = arena_new();
	size_t count = QUEUE_PAGE;
	int rc = 0;

	*next_ns_r = CLOCK_NEVER;
	while (rc == 0 && count > 0 && !atomic_load(&q->is_stopping)) {
		int64_t wall = loop_wall_ns();
		struct spool_item *items;

		if (is_short(q))
			break;
		rc = spool_claim(q->opts.store, a, wall, LOAD_LEASE_UNTIL, QUEUE_PAGE, &items,
			&count, next_ns_r, e);
		if (rc == 0)
			hand_out(q, items, count);
		if (rc == 0 && *next_ns_r > wall)
			count = 0;
		arena_reset(a);
	}
	arena_free(&a);
	return rc;
}

static int64_t longest_step(const struct queue *q)
{
	const struct queue_rules *rules = &q->shards[0].rules;
	int64_t longest = QUEUE_LADDER_MAX_NS;

	for (size_t i = 0; i < SPOOL_CLASSES; i++) {
		const struct queue_rule *r = &rules->classes[i];

		for (size_t k = 0; k < r->step_count; k++) {
			if (r->steps_ns[k] / 5 * 6 > longest) /* spread by 20 % */
				longest = r->steps_ns[k] / 5 * 6;
		}
	}
	return longest;
}

/* Has the clock been set back? Then what was due in five minutes may now seem to be due tomorrow.
 * Two signs: the clocks have moved apart, or nothing is due before any ladder could have put it. */
static bool is_set_back(struct queue *q, int64_t next_ns)
{
	int64_t wall = loop_wall_ns(), offset = wall - loop_now_ns();
	bool is_back = offset < q->loader.clock_offset_ns - LOAD_SET_BACK_NS;

	q->loader.clock_offset_ns = offset;
	if (next_ns == CLOCK_NEVER || next_ns <= wall + longest_step(q) + CLOCK_HOUR)
		return is_back;
	/* So late by its sender's wish (FUTURERELEASE): found out once, for all moments from here on. */
	if (!is_back && q->loader.far_ns && next_ns >= q->loader.far_ns)
		return false;
	q->loader.far_ns = next_ns;
	return true;
}

/* Everything that waits is tried now, but for what its sender has put off: a few attempts too many, none too late. */
static FIBER int retry_all(struct queue *q, struct err *e)
{
	struct spool_filter all = {.state = SPOOL_WAITING};
	uint64_t changed = 0;
	int rc = spool_act(q->opts.store, &all,
		&(struct spool_order){.action = SPOOL_RETRY, .now_ns = loop_wall_ns()}, &changed,
		e);

	log_event(q->opts.log, LOG_WARN, "queue.clock.back", LF_INT("rows", changed));
	return rc;
}

/* Look once; tells when to look again (wall). */
static FIBER int64_t look(struct queue *q)
{
	struct err e = {0};
	int64_t next;

	q->loader.looked_ns = loop_now_ns();
	if (load_local(q, &e) < 0 || load_due(q, &next, &e) < 0) {
		log_event(q->opts.log, LOG_ERROR, "queue.load", LF_STR("reason", e.text));
		return loop_wall_ns() + LOAD_RETRY_NS;
	}
	if (is_set_back(q, next) && !atomic_load(&q->is_stopping)) {
		if (retry_all(q, &e) < 0)
			log_event(q->opts.log, LOG_ERROR, "queue.load", LF_STR("reason", e.text));
		return loop_wall_ns() + LOAD_RETRY_NS / 5;
	}
	return atomic_load(&q->loader.is_short) ? CLOCK_NEVER : next;
}

/* Sleep until `next_ns` (wall), a kick, or a notice that is not too soon after the last look. */
static FIBER void loader_wait(struct queue *q, int64_t next_ns)
{
	struct queue_loader *l = &q->loader;
	int64_t wait = next_ns == CLOCK_NEVER ? QUEUE_LOOK_NS : next_ns - loop_wall_ns();
	int64_t until;

	if (wait > QUEUE_LOOK_NS)
		wait = QUEUE_LOOK_NS;
	atomic_store(&l->planned_ns, loop_wall_ns() + wait);
	until = loop_now_ns() + wait;
	while (!atomic_load(&q->is_stopping) && !atomic_exchange(&l->is_due, false)) {
		int64_t now = loop_now_ns(), soon = l->looked_ns + QUEUE_NOTICE_GAP_NS;
		int64_t end = atomic_load(&l->is_noticed) && soon < until ? soon : until;

		if (now >= end || fiber_is_cancelled(fiber_self()))
			break;
		fiber_park(end, NULL);
	}
	atomic_store(&l->is_noticed, false);
	atomic_store(&l->planned_ns, CLOCK_NEVER); /* whatever is due while it looks: look again */
}

static bool is_all_up(const struct queue *q)
{
	for (unsigned i = 0; i < q->opts.shards; i++) {
		if (!atomic_load(&q->shards[i].loop))
			return false;
	}
	return true;
}

FIBER int queue_loader(void *queue)
{
	struct queue *q = queue;

	q->loader.fiber = fiber_self();
	q->loader.clock_offset_ns = loop_wall_ns() - loop_now_ns();
	store_subscribe(q->opts.store, STORE_QUEUE, store_changed, q);
	while (!atomic_load(&q->is_stopping) && !fiber_is_cancelled(fiber_self())) {
		int64_t next = is_all_up(q) ? look(q) : CLOCK_NEVER;

		loader_wait(q, next);
	}
	q->loader.fiber = NULL;
	return 0;
}
