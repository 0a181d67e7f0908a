/* What became of each letter, written down: the settler takes all parcels that are done, decides
 * what is next for each recipient, and settles them with the reports they cause in one transaction,
 * while the connections go on with other letters. */

#include "run/fault.h"
#include "run/fiber.h"
#include "services/queue/queue_priv.h"

#define SETTLE_RETRY_FIRST_NS (100 * CLOCK_MS) /* doubling while the store refuses */
#define SETTLE_RETRY_MAX_NS   (30 * CLOCK_SEC)
/* What is done is written a little later, together with what else gets done meanwhile: each commit
 * of its own would keep a letter that comes in waiting for the disk. */
#define SETTLE_GATHER_NS     (3 * CLOCK_MS)
#define SETTLE_GATHER_ENOUGH 64
#define SETTLE_REPORT_TRIES  3 /* then the results are settled without the reports */

struct settle_batch {
	struct arena *a;
	struct list_node parcels;
	size_t parcel_count;
	struct spool_result *results;
	size_t count, cap;
	struct queue_reports reports;
	int64_t soonest_ns; /* wall */
};

void queue_done(struct queue_shard *sh, struct outbound_parcel *p)
{
	list_push_back(&sh->done, &p->node);
	queue_count(&sh->unsettled, 1);
	fiber_cond_signal(&sh->done_more);
}

/* ---- deciding --------------------------------------------------------------------------------- */

const struct queue_rule *queue_rule_of(
	const struct queue_shard *sh, const struct outbound_parcel *p)
{
	return &sh->rules.classes[p->env.class < SPOOL_CLASSES ? p->env.class : SPOOL_CLASS_NORMAL];
}

int64_t queue_expires_ns(const struct queue_shard *sh, const struct outbound_parcel *p)
{
	return p->is_expiry_fixed
		? p->expires_ns
		: queue_rule_expires_ns(queue_rule_of(sh, p), p->arrived_ns, p->env.release_ns);
}

/* The notices that a letter of its age is owed, those that went out included. */
static unsigned delays_owed(const struct queue_shard *sh, const struct outbound_parcel *p,
	const struct outbound_rcpt *r, int64_t wall_ns)
{
	const struct queue_rule *rule = queue_rule_of(sh, p);
	int64_t from = p->env.release_ns > p->arrived_ns ? p->env.release_ns : p->arrived_ns;
	unsigned owed = 0;

	if (p->env.reverse_path.len == 0 || (r->notify != 0 && !(r->notify & SPOOL_NOTIFY_DELAY)))
		return r->delays_told;
	while (owed < rule->notice_count && wall_ns - from >= rule->notices_ns[owed])
		owed++;
	return owed > r->delays_told ? owed : r->delays_told;
}

/* Has its deadline (RFC 2852) passed, here? One that had passed before it came here was told then. */
static bool is_deadline_over(const struct outbound_parcel *p, int64_t wall_ns)
{
	return p->env.by_mode != SPOOL_BY_NONE && p->env.by_ns <= wall_ns &&
		p->env.by_ns > p->arrived_ns;
}

/* Given up: why, and with which code. NULL: not yet. */
static const char *end_of(const struct queue_shard *sh, const struct outbound_parcel *p,
	const struct outbound_rcpt *r, int64_t wall_ns, struct span *enhanced_r)
{
	*enhanced_r = SPAN("5.4.7");
	if (r->is_given_up)
		return "given up by an administrator";
	/* RFC 2852 section 4.1.3 */
	if (p->env.by_mode == SPOOL_BY_RETURN && is_deadline_over(p, wall_ns))
		return "not delivered within the time that its sender allowed";
	*enhanced_r = SPAN("4.4.7"); /* RFC 3463 section 3.5 */
	return wall_ns >= queue_expires_ns(sh, p) ? "delivery time expired" : NULL;
}

/* Put off, or given up when its time is over (RFC 5321 section 4.5.4.1). */
static void decide_temporary(const struct queue_shard *sh, struct arena *a,
	const struct outbound_parcel *p, const struct outbound_rcpt *r, struct spool_result *res)
{
	int64_t ladder = queue_rule_next_ns(queue_rule_of(sh, p), r->attempts + 1, loop_random());
	int64_t expires = queue_expires_ns(sh, p);
	struct span enhanced;
	const char *end = end_of(sh, p, r, res->at_ns, &enhanced);

	if (end) {
		res->outcome = SPOOL_FAILED;
		res->enhanced = enhanced;
		if (span_starts(enhanced, SPAN("5"))) /* our word, not the last server's */
			res->code = 0;
		res->text = span_str(
			arena_printf(a, "%s; last reason: " SPAN_FMT, end, SPAN_ARG(r->text)));
		return;
	}
	res->outcome = SPOOL_DEFERRED;
	res->next_ns = p->next_ns ? p->next_ns : res->at_ns + ladder;
	if (res->next_ns > expires) /* a last attempt at the very end */
		res->next_ns = expires;
	/* the deadline is an event of its own */
	if (p->env.by_mode && p->env.by_ns > res->at_ns && p->env.by_ns < res->next_ns)
		res->next_ns = p->env.by_ns;
	res->delays_told = delays_owed(sh, p, r, res->at_ns);
	res->is_by_told = r->is_by_told ||
		(p->env.by_mode == SPOOL_BY_NOTIFY && is_deadline_over(p, res->at_ns));
}

static void decide(const struct queue_shard *sh, struct arena *a, const struct outbound_parcel *p,
	const struct outbound_rcpt *r, struct spool_result *res)
{
	*res = (struct spool_result){.msg_id = p->msg_id,
		.rcpt_id = r->rcpt_id,
		.is_attempt = !p->is_untried,
		/* what is said of a part of a destination's mail is not said of all */
		.pause_ns = r == &p->rcpts[0] && !p->pool.len && !p->env.is_requiretls &&
				!p->env.is_tls_optional
			? p->pause_ns
			: 0,
		.code = r->code,
		.enhanced = r->enhanced,
		.text = r->text,
		.host = p->host,
		.at_ns = loop_wall_ns()};
	switch (r->verdict) {
	case OUTBOUND_DELIVERED: res->outcome = SPOOL_DELIVERED; break;
	case OUTBOUND_PERMANENT: res->outcome = SPOOL_FAILED; break;
	case OUTBOUND_PENDING: /* a carrier settles all of its parcel */
	case OUTBOUND_TEMPORARY: decide_temporary(sh, a, p, r, res); break;
	}
}

/* The one event of a delivery attempt. What was put off without an attempt is told only to those
 * who look for detail: its site has had an event of its own. */
static void log_result(struct queue_shard *sh, const struct outbound_parcel *p,
	const struct outbound_rcpt *r, const struct spool_result *res)
{
	static const char *const names[] = {[SPOOL_DELIVERED] = "delivered",
		[SPOOL_FAILED] = "failed",
		[SPOOL_DEFERRED] = "deferred"};
	bool is_event = res->is_attempt || res->outcome == SPOOL_FAILED;

	queue_count(res->outcome == SPOOL_DELIVERED      ? &sh->delivered
			: res->outcome == SPOOL_DEFERRED ? &sh->deferred
							 : &sh->failed,
		1);
	log_event(sh->q->opts.log, is_event ? LOG_INFO : LOG_DEBUG, "queue.attempt",
		LF_ID("id", p->msg_id), LF("from", p->env.reverse_path), LF("to", r->address),
		LF_STR("result", names[res->outcome]), LF_INT("code", res->code),
		LF("reply", res->text), LF("site", p->destination), LF("host", p->host),
		LF_STR("tls", p->is_tls ? "yes" : "no"),
		LF_INT("attempt", r->attempts + (res->is_attempt ? 1 : 0)),
		LF_INT("age_ms", (res->at_ns - p->arrived_ns) / CLOCK_MS),
		res->outcome == SPOOL_DEFERRED
			? LF_INT("again_s", (res->next_ns - res->at_ns) / CLOCK_SEC)
			: LF_NONE);
}

/* Trouble that may pass: then nothing is given up because of it. */
static bool is_passing(const struct err *e)
{
	return e->code == ERR_IO || e->code == ERR_FULL || e->code == ERR_BUSY ||
		e->code == ERR_TIMEOUT || e->code == ERR_CANCELLED;
}

/* A failure whose report cannot be written now is not written down as one: the recipient waits. */
static void put_off(struct settle_batch *b, const struct outbound_parcel *p,
	struct spool_result *results, const struct err *e)
{
	for (size_t i = 0; i < p->rcpt_count; i++) {
		struct spool_result *res = &results[i];

		res->delays_told = p->rcpts[i].delays_told;
		res->is_by_told = p->rcpts[i].is_by_told;
		if (res->outcome != SPOOL_FAILED)
			continue;
		res->outcome = SPOOL_DEFERRED;
		res->next_ns = res->at_ns + queue_ladder_ns(2, loop_random());
		res->text = span_str(
			arena_printf(b->a, "its report could not be written (%s); " SPAN_FMT,
				e->text, SPAN_ARG(res->text)));
	}
}

/* ---- batches ---------------------------------------------------------------------------------- */

static FIBER void batch_add(
	struct queue_shard *sh, struct settle_batch *b, struct outbound_parcel *p)
{
	struct spool_result *first = b->results + b->count;
	struct err e = {0};

	list_push_back(&b->parcels, &p->node);
	b->parcel_count++;
	b->count += p->rcpt_count;
	for (size_t i = 0; i < p->rcpt_count; i++)
		decide(sh, b->a, p, &p->rcpts[i], &first[i]);
	queue_offspring(b->a, p, &b->reports);
	if (queue_report(sh, b->a, p, first, &b->reports, &e) < 0) {
		log_event(sh->q->opts.log, LOG_ERROR, "queue.report", LF_ID("id", p->msg_id),
			LF("from", p->env.reverse_path), LF_STR("reason", e.text));
		if (is_passing(&e))
			put_off(b, p, first, &e);
	}
	for (size_t i = 0; i < p->rcpt_count; i++) {
		log_result(sh, p, &p->rcpts[i], &first[i]);
		queue_trail_result(sh, p, &p->rcpts[i], &first[i]);
		if (first[i].outcome == SPOOL_DEFERRED && first[i].next_ns < b->soonest_ns)
			b->soonest_ns = first[i].next_ns;
	}
}

/* As many parcels as fit into one transaction; at least one. */
static FIBER void batch_fill(struct queue_shard *sh, struct settle_batch *b)
{
	b->cap = QUEUE_PAGE + OUTBOUND_RCPT_MAX;
	b->results = ARENA_ARRAY(b->a, struct spool_result, b->cap);
	b->soonest_ns = CLOCK_NEVER;
	list_init(&b->parcels);
	while (b->count < QUEUE_PAGE && !list_empty(&sh->done)) {
		struct outbound_parcel *p = LIST_ITEM(
			list_pop_front(&sh->done), struct outbound_parcel, node);

		MUST(b->count + p->rcpt_count <= b->cap);
		batch_add(sh, b, p);
	}
}

/* Letters with offspring that the store refuses (a mailbox has gone meanwhile) wait as they are: what
 * was to come of them must not be lost, and will be worked out anew. */
static void keep_parents(struct settle_batch *b)
{
	size_t at = 0;

	LIST_EACH (n, &b->parcels) {
		struct outbound_parcel *p = LIST_ITEM(n, struct outbound_parcel, node);

		for (size_t i = 0; i < p->rcpt_count; i++, at++) {
			struct spool_result *res = &b->results[at];

			if (!p->offspring_count)
				continue;
			res->outcome = SPOOL_DEFERRED;
			res->next_ns = res->at_ns + CLOCK_MIN;
			res->text = SPAN("what came of it could not be stored; it is tried again");
			if (res->next_ns < b->soonest_ns)
				b->soonest_ns = res->next_ns;
		}
	}
}

static FIBER int batch_write(struct queue_shard *sh, struct settle_batch *b, unsigned tries)
{
	struct queue *q = sh->q;
	struct err e = {0};

	if (b->reports.count)
		FAULT(SETTLE_BOUNCED);
	if (spool_settle(q->opts.store, b->results, b->count, b->reports.letters, b->reports.count,
		    &e) == 0)
		return 0;
	log_event(q->opts.log, LOG_ERROR, "queue.settle", LF_INT("results", b->count),
		LF_STR("reason", e.text));
	/* A report that the store refuses for good (its mailbox has gone meanwhile) must not keep
	 * the results from being written for ever. */
	if (tries >= SETTLE_REPORT_TRIES && b->reports.count > 0 && !is_passing(&e)) {
		log_event(q->opts.log, LOG_ERROR, "queue.report.lost",
			LF_INT("reports", b->reports.count));
		keep_parents(b);
		b->reports.count = 0;
	}
	return -1;
}

static void batch_free(struct queue_shard *sh, struct settle_batch *b)
{
	struct list_node *n;

	for (size_t i = 0; i < b->reports.count; i++) {
		if (b->reports.letters[i].stored)
			body_unref(&b->reports.letters[i].stored);
	}
	while ((n = list_pop_front(&b->parcels))) {
		struct outbound_parcel *p = LIST_ITEM(n, struct outbound_parcel, node);

		outbound_parcel_free(&p);
	}
	queue_count(&sh->unsettled, -(int64_t)b->parcel_count);
	fiber_cond_broadcast(&sh->done_room);
	queue_loader_room(sh->q);
}

static FIBER void settle(struct queue_shard *sh, struct settle_batch *b)
{
	int64_t pause = SETTLE_RETRY_FIRST_NS;

	batch_fill(sh, b);
	for (unsigned tries = 0; batch_write(sh, b, tries) < 0; tries++) {
		/* At the end nothing is gained by waiting: what was delivered and could not be
		 * written down is sent again after the next start. */
		if (sh->is_finished || fiber_sleep(pause, NULL) < 0)
			break;
		pause = pause * 2 < SETTLE_RETRY_MAX_NS ? pause * 2 : SETTLE_RETRY_MAX_NS;
	}
	queue_count(&sh->reports, (int64_t)b->reports.count);
	for (size_t i = 0; i < b->reports.count; i++)
		queue_trail_letter(sh, &b->reports.letters[i]);
	if (b->reports.count > 0)
		queue_kick(sh->q);
	else if (b->soonest_ns != CLOCK_NEVER)
		queue_due_at(sh->q, b->soonest_ns);
	batch_free(sh, b);
}

/* Until something is done and others had time to join it; false at the end. */
static FIBER bool gather(struct queue_shard *sh)
{
	int64_t until;

	while (list_empty(&sh->done) && !sh->is_finished) {
		int64_t alarm = sh->deadline_ns, wall = loop_wall_ns();

		if (alarm != CLOCK_NEVER && alarm <= wall)
			queue_sites_overdue(sh);
		else
			fiber_cond_wait(&sh->done_more,
				alarm == CLOCK_NEVER ? CLOCK_NEVER : loop_now_ns() + alarm - wall,
				NULL);
	}
	if (sh->deadline_ns <= loop_wall_ns())
		queue_sites_overdue(sh);
	until = loop_now_ns() + SETTLE_GATHER_NS;
	while (queue_counted(&sh->unsettled) < SETTLE_GATHER_ENOUGH && !sh->is_finished) {
		if (fiber_cond_wait(&sh->done_more, until, NULL) < 0)
			break;
	}
	return !list_empty(&sh->done);
}

FIBER int queue_settler(void *shard)
{
	struct queue_shard *sh = shard;
	struct arena *a = arena_new();

	for (;;) {
		struct settle_batch b = {.a = a};

		if (!gather(sh))
			break;
		settle(sh, &b);
		arena_reset(a);
	}
	arena_free(&a);
	return 0;
}
