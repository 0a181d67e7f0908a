#pragma once
/* A spool in memory for tests of the queue: rows in an array, the rules of docs/queue.md checked at
 * every step, faults on demand. It stands in
 * place of store/spool.c and store/body.c: a test program includes it once. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/fake_tls_facts.h"

#include "base/mem.h"
#include "base/must.h"
#include "run/fiber.h"
#include "store/spool.h"
#include "store/trail.h"

#define FAKE_ROWS 20000

struct fake_row {
	uint64_t msg_id, rcpt_id;
	enum spool_state state;
	bool is_gone; /* delivered, failed */
	enum spool_outcome outcome;
	int64_t next_ns, arrived_ns, expires_ns, settled_ns;
	uint32_t attempts;
	unsigned delays_told;
	bool is_by_told, is_given_up, is_expiry_fixed;
	int64_t release_ns, by_ns;
	enum spool_by by_mode;
	enum spool_class class;
	int priority;
	unsigned notify, claims, settles;
	char *sender, *address, *destination, *text;
};

struct fake_spool {
	struct fake_row rows[FAKE_ROWS];
	size_t count;
	unsigned claim_calls, settle_calls, act_calls, reports;
	unsigned settle_faults; /* that many calls fail first */
	size_t bodies;          /* references that are held */
	void (*notice)(void *arg);
	void *notice_arg;
};

#define SETTLE_TAKES_NS (300 * CLOCK_US)

static struct fake_spool the_spool;

static inline void fake_spool_clear(void)
{
	for (size_t i = 0; i < the_spool.count; i++) {
		struct fake_row *r = &the_spool.rows[i];

		free(r->sender);
		free(r->address);
		free(r->destination);
		free(r->text);
	}
	memset(&the_spool, 0, sizeof(the_spool));
}

static char *dup_span(struct span s)
{
	return mem_dup(s.ptr ? s.ptr : "", s.len);
}

static inline struct fake_row *fake_spool_add(
	const char *sender, const char *address, const char *destination, bool is_leased)
{
	struct fake_row *r = &the_spool.rows[the_spool.count];

	MUST(the_spool.count < FAKE_ROWS);
	*r = (struct fake_row){.msg_id = 1000 + the_spool.count,
		.rcpt_id = 500000 + the_spool.count,
		.state = is_leased ? SPOOL_ACTIVE : SPOOL_WAITING,
		.arrived_ns = loop_wall_ns(),
		.next_ns = loop_wall_ns(),
		.expires_ns = loop_wall_ns() + 5 * CLOCK_DAY,
		.sender = dup_span(span_str(sender)),
		.address = dup_span(span_str(address)),
		.destination = dup_span(span_str(destination)),
		.text = dup_span(SPAN_NONE)};
	the_spool.count++;
	return r;
}

static inline size_t fake_spool_left(void)
{
	size_t left = 0;

	for (size_t i = 0; i < the_spool.count; i++)
		left += !the_spool.rows[i].is_gone;
	return left;
}

static struct fake_row *earliest(int64_t now_ns)
{
	struct fake_row *best = NULL;

	for (size_t i = 0; i < the_spool.count; i++) {
		struct fake_row *r = &the_spool.rows[i];

		if (r->is_gone || r->state != SPOOL_WAITING || r->next_ns > now_ns)
			continue;
		if (!best || r->priority > best->priority ||
			(r->priority == best->priority && r->next_ns < best->next_ns))
			best = r;
	}
	return best;
}

static int64_t soonest(void)
{
	int64_t next = CLOCK_NEVER;

	for (size_t i = 0; i < the_spool.count; i++) {
		const struct fake_row *r = &the_spool.rows[i];

		if (!r->is_gone && r->state == SPOOL_WAITING && r->next_ns < next)
			next = r->next_ns;
	}
	return next;
}

static void claim(struct fake_row *r, struct spool_item *item)
{
	r->state = SPOOL_ACTIVE;
	r->claims++;
	*item = (struct spool_item){.msg_id = r->msg_id,
		.rcpt_id = r->rcpt_id,
		.blob_id = 7,
		.blob_len = 100,
		.env = {.reverse_path = span_str(r->sender),
			.class = r->class,
			.priority = r->priority,
			.by_mode = r->by_mode,
			.by_ns = r->by_ns,
			.release_ns = r->release_ns},
		.address = span_str(r->address),
		.destination = span_str(r->destination),
		.notify = r->notify,
		.state = r->state,
		.arrived_ns = r->arrived_ns,
		.expires_ns = r->expires_ns,
		.attempts = r->attempts,
		.last_text = span_str(r->text),
		.delays_told = r->delays_told,
		.is_by_told = r->is_by_told,
		.is_given_up = r->is_given_up,
		.is_expiry_fixed = r->is_expiry_fixed};
}

FIBER int spool_claim(struct store *s, struct arena *a, int64_t now_ns, int64_t lease_until_ns,
	size_t max, struct spool_item **items_r, size_t *count_r, int64_t *next_ns_r, struct err *e)
{
	struct fake_row *r;

	MUST(lease_until_ns > now_ns);
	the_spool.claim_calls++;
	*items_r = ARENA_ARRAY(a, struct spool_item, max);
	*count_r = 0;
	while (*count_r < max && (r = earliest(now_ns)))
		claim(r, &(*items_r)[(*count_r)++]);
	*next_ns_r = soonest();
	return fiber_sleep(SETTLE_TAKES_NS, e);
}

static struct fake_row *row_of(uint64_t rcpt_id)
{
	MUST(rcpt_id >= 500000 && rcpt_id < 500000 + the_spool.count);
	return &the_spool.rows[rcpt_id - 500000];
}

static void settle(const struct spool_result *res)
{
	struct fake_row *r = row_of(res->rcpt_id);

	MUST(!r->is_gone && r->state == SPOOL_ACTIVE);
	MUST(res->msg_id == r->msg_id);
	r->settles++;
	r->settled_ns = res->at_ns;
	r->outcome = res->outcome;
	r->attempts += res->is_attempt;
	r->delays_told = res->delays_told;
	r->is_by_told |= res->is_by_told;
	free(r->text);
	r->text = dup_span(res->text);
	r->is_gone = res->outcome != SPOOL_DEFERRED;
	if (res->outcome == SPOOL_DEFERRED) {
		/* every row has a next event and a reason */
		MUST(res->next_ns > 0 && res->text.len > 0);
		r->state = SPOOL_WAITING;
		r->next_ns = res->next_ns;
	}
}

FIBER int spool_settle(struct store *s, const struct spool_result *results, size_t count,
	struct spool_new *dsns, size_t dsn_count, struct err *e)
{
	the_spool.settle_calls++;
	if (fiber_sleep(SETTLE_TAKES_NS, e) < 0)
		return -1;
	if (the_spool.settle_faults > 0) {
		the_spool.settle_faults--;
		return err_set(e, ERR_FULL, "disk full");
	}
	for (size_t i = 0; i < count; i++)
		settle(&results[i]);
	the_spool.reports += (unsigned)dsn_count;
	return 0;
}

FIBER int spool_accept(struct store *s, struct spool_new *letter, bool is_lease, struct err *e)
{
	the_spool.reports++;
	return 0;
}

FIBER int spool_act(struct store *s, const struct spool_filter *f, const struct spool_order *o,
	uint64_t *changed_r, struct err *e)
{
	MUST(o->action == SPOOL_RETRY);
	the_spool.act_calls++;
	*changed_r = 0;
	for (size_t i = 0; i < the_spool.count; i++) {
		struct fake_row *r = &the_spool.rows[i];

		if (!r->is_gone && r->state == SPOOL_WAITING &&
			!(r->release_ns > o->now_ns && r->next_ns >= r->release_ns)) {
			r->next_ns = o->now_ns;
			++*changed_r;
		}
	}
	return 0;
}

FIBER int spool_deliver_local(struct store *s, struct arena *a, size_t max, bool *left_r,
	struct spool_item **told_r, size_t *told_count_r, struct err *e)
{
	*left_r = false;
	*told_count_r = 0;
	return 0;
}

void store_subscribe(struct store *s, enum store_topic topic, void (*fn)(void *arg), void *arg)
{
	MUST(topic == STORE_QUEUE);
	the_spool.notice = fn;
	the_spool.notice_arg = arg;
}

/* The text of every body. */
static struct span fake_text = {"Subject: hello\r\n\r\nWorld\r\n", 25};

struct body {
	int refs;
};

static inline struct body *fake_body(void)
{
	struct body *b = NEW(struct body);

	b->refs = 1;
	the_spool.bodies++;
	return b;
}

struct body *body_open(struct store *s, uint64_t blob_id, uint64_t len)
{
	return fake_body();
}

struct body *body_ref(struct body *b)
{
	b->refs++;
	return b;
}

void body_unref(struct body **bp)
{
	struct body *b = *bp;

	*bp = NULL;
	MUST(b->refs > 0);
	if (--b->refs > 0)
		return;
	the_spool.bodies--;
	free(b);
}

uint64_t body_len(const struct body *b)
{
	return fake_text.len;
}

FIBER int body_chunk(
	struct body *b, uint64_t index, struct arena *a, struct span *bytes_r, struct err *e)
{
	*bytes_r = span_sub(fake_text, index * BODY_CHUNK, BODY_CHUNK);
	return 0;
}

/* The station log is not kept here. */
uint64_t store_new_id(struct store *s)
{
	(void)s;
	return 1;
}

FIBER int trail_write(struct store *s, const struct trail_letter *letters, size_t letter_count,
	const struct trail_event *events, size_t event_count, struct err *e)
{
	(void)s, (void)letters, (void)letter_count, (void)events, (void)event_count, (void)e;
	return 0;
}

FIBER int trail_sweep(struct store *s, int64_t before_ns, bool *left_r, struct err *e)
{
	(void)s, (void)before_ns, (void)e;
	*left_r = false;
	return 0;
}
