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

static bool is_delay_notice_due(const struct queue *q, const struct outbound_parcel *p,
	const struct outbound_rcpt *r, int64_t wall_ns)
{
	if (q->opts.delay_notice_ns < 0 || r->is_delay_told || p->env.reverse_path.len == 0)
		return false;
	if (r->notify != 0 && !(r->notify & SPOOL_NOTIFY_DELAY))
		return false;
	return wall_ns - p->arrived_ns >= q->opts.delay_notice_ns;
}

/* Put off, or given up when its time is over (RFC 5321 section 4.5.4.1). */
static void decide_temporary(const struct queue *q, struct arena *a,
	const struct outbound_parcel *p, const struct outbound_rcpt *r, struct spool_result *res)
{
	int64_t ladder = queue_ladder_ns(r->attempts + 1, loop_random());

	if (res->at_ns >= p->expires_ns) {
		res->outcome = SPOOL_FAILED;
		res->enhanced = SPAN("4.4.7"); /* RFC 3463 section 3.5 */
		res->text = span_str(arena_printf(
			a, "delivery time expired; last reason: " SPAN_FMT, SPAN_ARG(r->text)));
		return;
	}
	res->outcome = SPOOL_DEFERRED;
	res->next_ns = p->next_ns ? p->next_ns : res->at_ns + ladder;
	if (res->next_ns > p->expires_ns) /* a last attempt at the very end */
		res->next_ns = p->expires_ns;
	res->is_delay_told = is_delay_notice_due(q, p, r, res->at_ns);
}

static void decide(const struct queue *q, struct arena *a, const struct outbound_parcel *p,
	const struct outbound_rcpt *r, struct spool_result *res)
{
	*res = (struct spool_result){.msg_id = p->msg_id,
		.rcpt_id = r->rcpt_id,
		.is_attempt = !p->is_untried,
		.code = r->code,
		.enhanced = r->enhanced,
		.text = r->text,
		.host = p->host,
		.at_ns = loop_wall_ns()};
	switch (r->verdict) {
	case OUTBOUND_DELIVERED: res->outcome = SPOOL_DELIVERED; break;
	case OUTBOUND_PERMANENT: res->outcome = SPOOL_FAILED; break;
	case OUTBOUND_PENDING: /* a carrier settles all of its parcel */
	case OUTBOUND_TEMPORARY: decide_temporary(q, a, p, r, res); break;
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

		res->is_delay_told = false;
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
		decide(sh->q, b->a, p, &p->rcpts[i], &first[i]);
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

	while (list_empty(&sh->done) && !sh->is_finished)
		fiber_cond_wait(&sh->done_more, CLOCK_NEVER, NULL);
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
