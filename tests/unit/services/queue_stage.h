#pragma once
/* The queue on a simulated loop: a spool in memory, look-ups and connections that do what a test tells
 * them. A test program includes it once. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "services/bounce/bounce.h"
#include "services/fake_spool.h"
#include "services/queue/queue.h"

#define WALL (1795000000 * CLOCK_SEC)

/* ---- connections ------------------------------------------------------------------------------ */

/* "d1.big.test", "d2.big.test" ... have the hosts of "big.test"; every other domain has its own. Domains
 * whose name begins with "nx" are none; "lame" ones get no answer while lookup.is_lame. */
static struct {
	unsigned count, now, most;
	int64_t takes_ns;
	bool is_lame;
} lookup;

static FIBER int find_way(struct span name, struct err *e)
{
	if (lookup.takes_ns && fiber_sleep(lookup.takes_ns, e) < 0)
		return -1;
	if (span_starts(name, SPAN("nx"))) {
		err_set(e, ERR_NOT_FOUND, "there is no such domain");
		return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_NEVER);
	}
	if (lookup.is_lame && span_starts(name, SPAN("lame"))) {
		err_set(e, ERR_DNS, "no answer");
		return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	}
	return 0;
}

FIBER int outbound_way_find(const struct outbound_opts *o, struct arena *a, struct span destination,
	struct outbound_way **way_r, struct err *e)
{
	struct outbound_way *w = ARENA_NEW(a, struct outbound_way);
	ptrdiff_t big = span_find_span(destination, SPAN(".big.test"));
	int rc;

	lookup.count++;
	lookup.now++;
	if (lookup.now > lookup.most)
		lookup.most = lookup.now;
	rc = find_way(destination, e);
	lookup.now--;
	w->hops = ARENA_NEW(a, struct outbound_hops);
	w->hops->count = 2;
	w->hops->hosts = ARENA_ARRAY(a, struct outbound_host, 2);
	w->hops->hosts[0].name = SPAN("mx1.test");
	w->hops->hosts[1].name = SPAN("mx2.test");
	w->key = span_str(arena_printf(
		a, "mx:" SPAN_FMT, SPAN_ARG(big < 0 ? destination : SPAN("big.test"))));
	w->until_ns = loop_now_ns() + OUTBOUND_WAY_MIN_NS;
	*way_r = w;
	return rc;
}

enum next_hop { HOP_TAKES, HOP_TEMPORARY, HOP_PERMANENT, HOP_DOWN, HOP_NEVER, HOP_DROPS };

static struct {
	enum next_hop mood;
	int64_t takes_ns; /* for one letter */
	unsigned connects, now, most, letters;
	struct span
		refused_from; /* destinations that begin with this are down, whatever the mood */
	int64_t refuses_ns;   /* and say so after that long */
	void (*note)(struct span destination); /* a letter has come there */
	bool cuts;                             /* every connection breaks within its letter */
	unsigned code; /* of refusals, 0: as the mood has it; and what it says */
	const char *says;
	char first[32]; /* the host that the last connection tried first */
} hop;

static struct {
	unsigned kinds[4], rcpts[4], faults;
} told;

static void settle_parcel(struct outbound_parcel *p, enum outbound_verdict v, unsigned code)
{
	struct err e = {0};

	err_set(&e, ERR_REPLY, "%s", hop.says && v != OUTBOUND_DELIVERED ? hop.says : "said so");
	if (hop.code && v != OUTBOUND_DELIVERED)
		code = hop.code;
	err_smtp(&e, code, code / 100, 2, 0);
	outbound_parcel_settle(p, v, &e);
}

static FIBER int converse(struct outbound_carrier *c, struct err *e)
{
	struct outbound_parcel *p;

	c->feed->up(c->ctx);
	while ((p = c->feed->next(c->ctx))) {
		if (fiber_sleep(hop.takes_ns, e) < 0) {
			outbound_parcel_settle(p, OUTBOUND_TEMPORARY, e);
			c->feed->done(c->ctx, p);
			return -1;
		}
		hop.letters++;
		if (hop.note)
			hop.note(c->destination);
		p->host = span_str(arena_printf(p->arena, "%s [192.0.2.1]:25", hop.first));
		if (hop.mood == HOP_DROPS) {
			err_set(e, ERR_EOF, "connection lost");
			p->is_cut = hop.cuts;
			outbound_parcel_settle(p, OUTBOUND_TEMPORARY, e);
			c->feed->done(c->ctx, p);
			return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
		}
		if (hop.mood == HOP_TEMPORARY)
			settle_parcel(p, OUTBOUND_TEMPORARY, 450);
		else if (hop.mood == HOP_PERMANENT)
			settle_parcel(p, OUTBOUND_PERMANENT, 550);
		else
			settle_parcel(p, OUTBOUND_DELIVERED, 250);
		c->delivered += hop.mood == HOP_TAKES;
		c->feed->done(c->ctx, p);
	}
	return 0;
}

FIBER int outbound_carry(struct outbound_carrier *c, struct err *e)
{
	bool is_down = hop.mood == HOP_DOWN ||
		(hop.refused_from.len && span_starts(c->destination, hop.refused_from));
	int rc;

	hop.connects++;
	if (c->way)
		memcpy(hop.first, c->way->hops->hosts[0].name.ptr, c->way->hops->hosts[0].name.len);
	if (fiber_sleep(is_down && hop.refuses_ns ? hop.refuses_ns : CLOCK_MS, e) < 0)
		return -1;
	if (hop.mood == HOP_NEVER) {
		err_set(e, ERR_DENIED, "null MX");
		return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_NEVER);
	}
	if (is_down) {
		err_set(e, ERR_IO, "connection refused");
		return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	}
	hop.now++;
	if (hop.now > hop.most)
		hop.most = hop.now;
	rc = converse(c, e);
	hop.now--;
	return rc;
}

bool bounce_is_wanted(enum bounce_kind kind, unsigned notify)
{
	return kind < BOUNCE_RELAYED || notify & SPOOL_NOTIFY_SUCCESS;
}

FIBER int bounce_write(const struct bounce_opts *o, struct router *router, struct arena *a,
	enum bounce_kind kind, const struct bounce_letter *about, struct spool_new *letter_r,
	bool *is_owed_r, struct err *e)
{
	if (told.faults > 0) {
		told.faults--;
		return err_set(e, ERR_FULL, "no room to write it");
	}
	told.kinds[kind]++;
	told.rcpts[kind] += (unsigned)about->rcpt_count;
	*letter_r = (struct spool_new){.id = 1};
	*is_owed_r = true;
	return 0;
}

/* ---- the stage -------------------------------------------------------------------------------- */

static unsigned attempts_logged;

static void sink_write(struct log_sink *sink, enum log_level level, struct span line)
{
	attempts_logged += span_find_span(line, SPAN("queue.attempt")) >= 0;
}

static struct log_sink sink = {.write = sink_write, .level = LOG_INFO};
static struct log root;
static const struct outbound_opts outbound = {.hostname = "here.test", .log = &root};

struct play {
	struct queue_opts opts;
	struct queue *q;
	struct fiber_group g;
	FIBER void (*story)(struct play *p);
	struct arena *names;
};

struct shard_arg {
	struct queue *q;
	unsigned index;
};

static FIBER int run_shard(void *arg)
{
	struct shard_arg *s = arg;

	return queue_run(s->q, s->index, NULL, NULL);
}

static FIBER int play_main(void *arg)
{
	struct play *p = arg;
	struct shard_arg shards[QUEUE_SHARDS_MAX];

	if (!p->opts.outbound)
		p->opts.outbound = &outbound;
	p->opts.hostname = "here.test";
	p->opts.log = &root;
	if (p->opts.shards == 0)
		p->opts.shards = 1;
	p->q = queue_new(&p->opts);
	fiber_group_init(&p->g);
	for (unsigned i = 0; i < p->opts.shards; i++) {
		shards[i] = (struct shard_arg){p->q, i};
		assert_int_equal(fiber_start(&p->g, "shard", run_shard, &shards[i], NULL), 0);
	}
	fiber_yield(NULL);
	p->story(p);
	queue_stop(p->q);
	fiber_group_join(&p->g);
	queue_free(&p->q);
	return 0;
}

static void play(struct play p)
{
	struct err e = {0};
	struct loop *l = loop_new_sim(&(struct loop_opts){.name = "sim"}, WALL);

	log_root(&root, &sink);
	memset(&hop, 0, sizeof(hop));
	memset(&told, 0, sizeof(told));
	memset(&lookup, 0, sizeof(lookup));
	hop.takes_ns = CLOCK_MS;
	attempts_logged = 0;
	assert_int_equal(loop_run(l, play_main, &p, &e), 0);
	loop_free(&l);
	assert_int_equal(the_spool.bodies, 0);
	fake_spool_clear();
}

static inline FIBER void wait_until_empty(int64_t at_most_ns)
{
	int64_t end = loop_now_ns() + at_most_ns, step = at_most_ns / 2000;

	while (fake_spool_left() > 0 && loop_now_ns() < end)
		fiber_sleep(step < 10 * CLOCK_MS ? 10 * CLOCK_MS : step, NULL);
	assert_int_equal(fake_spool_left(), 0);
}

/* Accept a letter as inbound does: under a lease when the queue has room. */
static struct fake_row *accept_env(
	struct queue *q, unsigned index, const struct spool_envelope *env, const char *destination)
{
	struct spool_rcpt_new rcpt = {
		.address = SPAN("r@there.test"), .destination = span_str(destination)};
	struct spool_new letter = {.env = *env,
		.rcpts = &rcpt,
		.rcpt_count = 1,
		.arrived_ns = loop_wall_ns(),
		.expires_ns = loop_wall_ns() + 5 * CLOCK_DAY};
	bool is_lease = queue_wants(q, index, &letter);
	struct arena *a = arena_new();
	struct fake_row *row = fake_spool_add(
		arena_str(a, env->reverse_path), "r@there.test", destination, is_lease);

	arena_free(&a);
	row->class = env->class;
	row->priority = env->priority;
	row->by_mode = env->by_mode;
	row->by_ns = env->by_ns;
	row->release_ns = env->release_ns;
	if (!is_lease && env->release_ns > row->next_ns)
		row->next_ns = env->release_ns;
	letter.id = row->msg_id;
	rcpt.rcpt_id = row->rcpt_id;
	if (!is_lease) {
		queue_left(q);
		return row;
	}
	letter.stored = fake_body();
	queue_put(q, index, &letter);
	body_unref(&letter.stored);
	return row;
}

static inline struct fake_row *accept_from(
	struct queue *q, unsigned index, const char *sender, int priority, const char *destination)
{
	return accept_env(q, index,
		&(struct spool_envelope){.reverse_path = span_str(sender), .priority = priority},
		destination);
}

static inline void accept_letter(struct queue *q, unsigned index, const char *destination)
{
	accept_from(q, index, "s@here.test", 0, destination);
}
