#pragma once
/* Inside the room: shards, sites, and what their files need of each other. */

#include <pthread.h>
#include <stdatomic.h>

#include "base/gcra.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/must.h"
#include "services/queue/queue.h"

struct queue_shard;

/* The way to a destination, shared by the sites and carriers that use it, on any thread: counted
 * (docs/memory.md), never changed. */
struct queue_way {
	_Atomic int refs;
	struct arena *arena;
	struct outbound_way *way;
	struct queue_way *base; /* what it is made of; NULL: itself */
};

/* What is known of a domain: who looked it up, and what waits until that is done. A domain belongs
 * to its home shard; the letters go on to the site's. */
struct queue_road {
	struct queue_shard *shard;
	struct span name;      /* the destination key, owned */
	struct queue_way *way; /* NULL: not known */
	struct list_node waiting;
	size_t waiting_count;
	struct list_node node; /* among those to be looked up */
	bool is_asked;         /* in that list, or a fiber is at it */
	unsigned fails;
	int64_t down_ns, retry_ns; /* mono, as a site's */
	struct err why;
	int64_t used_ns; /* mono */
};

/* What waits for a connection, in fair order: the highest priority first (RFC 6710), within it the
 * senders and domains in turn. */
#define QUEUE_FLOWS 32
struct queue_flow {
	struct list_node turn; /* in the level's turns while it has parcels */
	struct list_node parcels;
};
struct queue_level {
	struct list_node node;
	int priority;
	size_t count;
	struct list_node turns;
	struct queue_flow flows[QUEUE_FLOWS];
};
struct queue_flows {
	struct list_node levels; /* highest priority first */
	size_t count;
};

/* Hosts that take mail, with all the domains that have them: the same sorted MX set, or a fixed next
 * hop. A site belongs to the home shard of its key: so its limits are counted once, and that it is
 * dead is found out once. */
struct queue_site {
	struct queue_shard *shard;
	struct span name;        /* the key, owned */
	struct span destination; /* the first one that led here, owned */
	struct queue_way *way;   /* NULL: nothing is to be looked up */
	struct queue_flows ready;
	struct fiber_cond more; /* idle connections wait here */
	unsigned carriers, up, idle;
	unsigned opening_new;       /* fibers that begin, of those counted in carriers_new */
	unsigned window;            /* connections allowed now */
	unsigned successes;         /* since the window grew */
	struct list_node hungry;    /* waits for a connection that the shard may have */
	struct shape_limits limits; /* rows are the shard's table's */
	struct gcra connection_rate, message_rate;
	struct heap_node wake; /* when a rate allows more */
	/* What replies have asked for, until slow_until_ns (mono): at most slow_window connections (0:
	 * no less than usual), one letter in slow_step_ns (0: as usual). */
	int64_t slow_until_ns, slow_step_ns;
	unsigned slow_window;
	struct gcra slow_rate;
	struct span avoid; /* a host that is the last choice until avoid_until_ns; owned */
	int64_t avoid_until_ns;
	/* Failures of the destination, not of a letter: once for all that wait. */
	unsigned fails;
	int64_t down_ns;  /* mono: since when it is down */
	int64_t retry_ns; /* mono: not before, unless the queue forgives */
	struct err why;
	const struct outbound_steps *steps; /* that led to it; borrowed, while all is given back */
	/* What did not fit into memory is sent back to the store, evenly over the time that it will
	 * take to get through: at `pace_ns` (wall) the next one may come again. */
	int64_t pace_ns;
	int64_t rate_from_ns; /* mono */
	uint64_t rate_count;
	struct outbound_memory memory;
	int64_t used_ns;      /* mono, last time anything happened */
	int64_t delivered_ns; /* mono, last letter that was taken; 0: none since the last pause */
};

struct queue_shard {
	struct queue *q;
	unsigned index;
	_Atomic(struct loop *) loop; /* NULL: not running */
	struct router *router;
	struct hash_map sites, roads;
	size_t sweep_at, roads_sweep_at; /* so many in memory make idle ones be forgotten */
	struct fiber_group lookups;
	struct list_node to_look_up; /* roads */
	unsigned lookups_now;
	struct queue_rules rules; /* its own copy; others send a new one */
	int64_t deadline_ns; /* wall: the soonest (DELIVERBY) of what waits in memory; the settler's alarm */
	struct fiber_group carriers;
	/* Sites that want one more connection than the shard may have; those that took mail lately
	 * come first, the others have at most half of all. */
	struct list_node hungry, hungry_new;
	unsigned carriers_max, carriers_new;
	struct shape *shape;
	struct heap wakes; /* sites that a rate holds back */
	struct fiber_cond wakes_changed;
	struct list_node carrier_list;
	/* parcels that are done and wait to be settled */
	struct list_node done;
	struct fiber_cond done_more, done_room;
	bool is_stopping; /* no new parcels */
	bool is_finished; /* no carriers either: the settler may end */
	struct fiber *main;
	struct loop_msg stop_msg, recall_msg, reshape_msg;
	atomic_bool is_recalled; /* recall_msg is on its way */
	atomic_bool is_reshaped; /* reshape_msg is */
	/* Written by this shard alone, read by all. */
	_Alignas(64) _Atomic uint64_t ready, ready_bytes, under_way, unsettled, site_count,
		connections;
	_Atomic uint64_t delivered, deferred, failed, reports;
};

/* The loader: one fiber on shard 0. */
struct queue_loader {
	struct fiber *fiber;
	struct loop_msg kick_msg;
	atomic_bool is_posted;      /* kick_msg is on its way */
	atomic_bool is_due;         /* look now */
	atomic_bool is_noticed;     /* the store has changed: look, but not too often */
	atomic_bool is_short;       /* it waits for parcels to leave memory */
	_Atomic int64_t planned_ns; /* wall: when it will look anyway */
	int64_t looked_ns;          /* mono */
	int64_t clock_offset_ns;    /* wall minus mono at the last look */
	int64_t far_ns;             /* due so late because its sender asked for it */
};

struct queue {
	struct queue_opts opts;
	struct hash_key key;
	struct queue_loader loader;
	atomic_bool is_stopping;
	_Atomic int64_t forgiven_ns; /* mono: what went down before may be tried */
	pthread_mutex_t shape_lock;  /* never held over a yield */
	struct shape *shape;         /* the newest; shards take it when they are told */
	struct queue_shard shards[]; /* opts.shards of them */
};

/* One writer, so no read-modify-write of the bus is needed. */
static inline void queue_count(_Atomic uint64_t *n, int64_t change)
{
	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + (uint64_t)change,
		memory_order_relaxed);
}
static inline uint64_t queue_counted(const _Atomic uint64_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

/* queue.c */

/** Prefix and reverse-path of a parcel whose recipients have their own, or the letter's. */
void queue_parcel_own(
	struct outbound_parcel *p, struct span sender, struct span own_prefix, struct span prefix);
/** Where a parcel goes, its envelope known: letters that say something about TLS (RFC 8689) never share a
 * connection with others. */
void queue_parcel_aim(struct outbound_parcel *p, struct span destination);
/** Hand a parcel to a shard, from any loop. */
void queue_route(struct queue *q, unsigned index, struct outbound_parcel *p);

/* queue_road.c */

struct queue_way *queue_way_ref(struct queue_way *w);
void queue_way_unref(struct queue_way **w);
/** A parcel for a domain: on to its site when the way is known, otherwise it waits here. */
void queue_road_take(struct queue_shard *sh, struct outbound_parcel *p);
bool queue_road_has_room(const struct queue_shard *sh, struct span destination);
void queue_roads_free(struct queue_shard *sh);
void queue_roads_recall(struct queue_shard *sh);

/* queue_pool.c */

bool queue_is_pool(struct span destination);
/** p->destination becomes the member it goes to, p->pool what it was. false: none is up, and the parcel
 * has gone back to the store. */
bool queue_pool_pick(struct queue_shard *sh, struct outbound_parcel *p);
/** A parcel whose member has failed goes to another one. false: it is of no pool, or its member did not
 * fail; it stays the caller's. */
bool queue_pool_again(struct queue_shard *sh, struct outbound_parcel *p);
/** Is its next hop a member of a pool, and up by now, whatever the site remembers? */
bool queue_pool_is_up(struct queue_shard *sh, const struct outbound_parcel *p);
/** Nothing when the site is no member. */
void queue_pool_failed(const struct queue_site *site, const struct err *e);
void queue_pool_worked(const struct queue_site *site, const struct outbound_parcel *p);
/** The connection broke before anything was decided: another member has it at once. false: it is of no
 * pool, or that was not so. */
bool queue_pool_resume(struct queue_shard *sh, struct outbound_parcel *p);

/* queue_flow.c */

void queue_flows_init(struct queue_flows *f);
/** Parcels that are left are freed. */
void queue_flows_fini(struct queue_flows *f);
void queue_flows_push(struct queue_flows *f, const struct hash_key *key, struct outbound_parcel *p);
struct outbound_parcel *queue_flows_pop(struct queue_flows *f);
/** One whose deadline (DELIVERBY) has passed, or NULL. *next_ns becomes the soonest deadline that has
 * not, when that is sooner. */
struct outbound_parcel *queue_flows_pop_overdue(
	struct queue_flows *f, int64_t wall_ns, int64_t *next_ns);

/* queue_site.c */

/** Take a parcel into this shard: where its letters enter. It goes on to its road, to its site's
 * shard, to the site's list, or back to the store. The shard owns it from here. Does not yield. */
void queue_site_take(struct queue_shard *sh, struct outbound_parcel *p);
/** The way of the parcel is known (p->way, or it needs none): to its site, wherever that is. */
void queue_site_join(struct queue_shard *sh, struct outbound_parcel *p);
bool queue_site_has_room(const struct queue_shard *sh, struct span key);
/** Which shard a destination or a site belongs to. */
unsigned queue_home(const struct queue *q, struct span key);
void queue_sites_free(struct queue_shard *sh);
/** Send back to the store what waits for a connection. */
void queue_sites_recall(struct queue_shard *sh);
/** What has passed its deadline while it waited here goes to the settler. */
void queue_sites_overdue(struct queue_shard *sh);
/** End what waits for letters, a look-up or a connection. */
void queue_sites_stop(struct queue_shard *sh);
/** Back to the store untried, to come again when its destination may be tried (`retry_ns`, mono), a
 * little spread so that not all come at once. */
void queue_defer(
	struct queue_shard *sh, struct outbound_parcel *p, int64_t retry_ns, const struct err *why);
/** Back to the store, due now, for an administrator who wants it there. */
void queue_hand_back(struct queue_shard *sh, struct outbound_parcel *p);
/** Has the pause that began at `down_ns` (mono) been ended by an administrator? */
bool queue_is_forgiven(const struct queue *q, int64_t down_ns);
/** A parcel begins (+1) or ends (-1) to wait in this shard. */
void queue_count_ready(struct queue_shard *sh, const struct outbound_parcel *p, int change);

/* queue_carry.c: connections */

/** Letters wait: wake a connection that is idle, or open one more. */
void queue_site_tend(struct queue_site *site);
/** The next that waits, or NULL. */
struct outbound_parcel *queue_site_pop(struct queue_site *site);
/** Nothing that waits can be delivered, now (retry_ns) or ever. */
void queue_site_give_back(struct queue_site *site, enum outbound_verdict verdict);

/** The site is not to be tried until then: all that waits goes back to the store. `why` is in
 * site->why. */
void queue_site_down_until(struct queue_site *site, int64_t retry_ns);

/* queue_rate.c: what the table of shaping and the replies of a site allow */

/** What the table says of the site, which is new or is told of a new table. */
void queue_rate_limits(struct queue_site *site);
/** Connections that it may have now. */
unsigned queue_rate_window(const struct queue_site *site);
/** Does a rate, not the number of connections, decide how much it is sent? */
bool queue_rate_is_slow(const struct queue_site *site);
/** How long until it may be sent a letter, or be connected to; 0: now. */
int64_t queue_rate_letter_wait(const struct queue_site *site);
int64_t queue_rate_connect_wait(const struct queue_site *site);
void queue_rate_letter(struct queue_site *site);
void queue_rate_connect(struct queue_site *site);
/** Tend the site again after so long. */
void queue_rate_wake(struct queue_site *site, int64_t wait_ns);
/** The fiber that does. */
FIBER int queue_rate_waker(void *shard);
/** The shard takes the newest table. */
void queue_rate_reshape(struct queue_shard *sh);

/* queue_reply.c: replies that mean more than their code */

struct queue_heard {
	bool is_slow;      /* the site asked for less */
	bool is_next_host; /* this connection is to end */
};
/** Look at what a letter was told; recipients that are only put off are no longer refused. */
struct queue_heard queue_reply_heard(struct queue_site *site, struct outbound_parcel *p);
/** The same for an error of a connection (its greeting, or its end). */
struct queue_heard queue_reply_error(struct queue_site *site, const struct err *e);

/** What carries a destination, or NULL: outbound does. */
const struct queue_carrier *queue_carrier_of(const struct queue *q, struct span destination);

/* queue_settle.c */

/** The parcel's recipients have verdicts (or it is untried): write that down. Owns it. */
void queue_done(struct queue_shard *sh, struct outbound_parcel *p);
/** The fiber that does; ends when the shard is_finished and nothing is left. */
FIBER int queue_settler(void *shard);

/* queue_trail.c: what the station log hears. */

/** The conversation goes with the first result of a parcel. */
void queue_trail_result(struct queue_shard *sh, struct outbound_parcel *p,
	const struct outbound_rcpt *r, const struct spool_result *res);
/** A letter that came of others was accepted: a report, or a list's copies. */
void queue_trail_letter(struct queue_shard *sh, const struct spool_new *letter);

/** What counts for a letter of its class, now. */
const struct queue_rule *queue_rule_of(
	const struct queue_shard *sh, const struct outbound_parcel *p);
/** When it is given up (wall clock): an administrator's word, or its class's rule. */
int64_t queue_expires_ns(const struct queue_shard *sh, const struct outbound_parcel *p);

/* queue_load.c */

FIBER int queue_loader(void *queue);
/** Any thread: rows may be due at that time. */
void queue_due_at(struct queue *q, int64_t wall_ns);
/** Any thread: parcels have left memory. */
void queue_loader_room(struct queue *q);
/** Parcels from rows or from an accepted letter. */
uint64_t queue_held(const struct queue *q);

/* queue_report.c */

/* Letters that are accepted with the results: reports, and what came of a parcel. */
struct queue_reports {
	struct spool_new *letters;
	size_t count, cap;
};
/** What the sender of this parcel is to be told, if anything, appended to `r`; everything lives in
 * `a` (closers free the bodies). `results` has the outcome of each recipient. -1: nothing was
 * appended. */
/** Tell the senders of scheduled letters which local recipients have them now. Each is a transaction of
 * its own; what goes wrong is logged. */
FIBER void queue_report_local(struct queue_shard *sh, const struct spool_item *items, size_t count);
/** Append what came of a parcel. */
void queue_offspring(struct arena *a, const struct outbound_parcel *p, struct queue_reports *r);
FIBER int queue_report(struct queue_shard *sh, struct arena *a, const struct outbound_parcel *p,
	const struct spool_result *results, struct queue_reports *r, struct err *e);
