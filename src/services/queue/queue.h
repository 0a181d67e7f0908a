#pragma once
/* The queue: decides when each letter is tried, by whom, when it is given up, and what its sender is
 * told. The rows in the store are the truth (store/spool.h, docs/queue.md); what is here is a
 * working copy that any crash may take.
 *
 * Each loop thread has a shard: its roads (a domain, looked up once), its sites (hosts with what waits
 * for them, connections and backoff) and its settler (which writes what became of them, many at a
 * time). Domain and site each belong to one shard, by a hash of their name: limits are counted once
 * and nothing is shared; parcels cross threads as messages. Shard 0 also loads: it claims rows that
 * are due and hands them to the shards.
 *
 * A letter takes the short way when it fits: the loop that accepted it asks queue_wants(), accepts
 * it under a lease, and gives it to the queue with queue_put(), so that nothing is read back.
 * Otherwise its rows wait in the store until the loader has room. */

#include "services/outbound/outbound.h"
#include "services/router/router.h"
#include "services/shape/shape.h"

struct queue;

#define QUEUE_SHARDS_MAX      64
#define QUEUE_CONNECTIONS     20                 /* to one destination, all shards together */
#define QUEUE_WINDOW_FIRST    2                  /* connections once the first is made */
#define QUEUE_READY_MAX       10000              /* parcels in memory a shard */
#define QUEUE_READY_BYTES_MAX (64 * 1024 * 1024) /* and their bodies */
#define QUEUE_SITE_SHARE      4                  /* one destination may take a quarter of that */
#define QUEUE_PAGE            256                /* rows claimed, and results settled, at once */
#define QUEUE_UNSETTLED_MAX   1024               /* parcels done, not settled: carriers wait */
#define QUEUE_SITES_SWEEP     1024               /* more sites than this: forget idle ones */
#define QUEUE_CARRIERS_ALL    1000               /* connections to all destinations together */
#define QUEUE_SLOW_FIRST_NS   (2 * CLOCK_SEC) /* between letters, for a site that asks to slow down */
#define QUEUE_SLOW_MAX_NS     CLOCK_MIN
#define QUEUE_SOON_ATTEMPTS   8               /* greylisting is met with early retries so often */
#define QUEUE_SPARE_NS        (50 * CLOCK_MS) /* idle for that long, a connection is given to others */
#define QUEUE_LOOKUPS_MAX     50              /* domains that a shard looks up at once */
#define QUEUE_PROBE_MAX       64              /* loaded parcels for a site nobody has reached */
#define QUEUE_PROBE_NS        (3 * CLOCK_SEC)  /* and how long its lane is left alone then */
#define QUEUE_LOOK_NS         (60 * CLOCK_SEC) /* the store is looked at at least this often */
#define QUEUE_NOTICE_GAP_NS   CLOCK_SEC        /* and for notices at most this often */
#define QUEUE_RESUMES_MAX     3                /* of a letter whose connection to a pool breaks */
#define QUEUE_SITE_FAILS      3                /* connections without use before a pause */
#define QUEUE_BLINK_NS        (2 * CLOCK_SEC)  /* first pause of a site that worked until now */
#define QUEUE_BLINK_WITHIN_NS CLOCK_MIN
#define QUEUE_STEPS_MAX       32               /* of a ladder of retries */
#define QUEUE_NOTICES_MAX     4                /* delay notices of a letter */
#define QUEUE_PACE_MIN_NS     (10 * CLOCK_SEC) /* what does not fit is looked at again after */
#define QUEUE_PACE_MAX_NS     CLOCK_HOUR
#define QUEUE_DRAIN_NS        (10 * CLOCK_SEC) /* at the end letters under way may take this */

/* Destinations of a kind of their own are carried by somebody else: "list:" by services/lists. */
struct queue_carrier {
	const char *scheme; /* "list:" */
	FIBER int (*carry)(void *arg, struct outbound_carrier *c, struct err *e);
	void *arg;
};
#define QUEUE_CARRIERS_MAX 4

/* When a letter of one class (enum spool_class) is tried again, told of, and given up. */
struct queue_rule {
	size_t step_count; /* at least 1 */
	int64_t steps_ns
		[QUEUE_STEPS_MAX]; /* after the first attempt, the second …; the last repeats */
	size_t notice_count;
	int64_t notices_ns
		[QUEUE_NOTICES_MAX]; /* ages at which its sender is told of the delay, rising */
	int64_t expire_ns;           /* age at which it goes back */
};
struct queue_rules {
	struct queue_rule classes[SPOOL_CLASSES];
};
/** The built-in ones: docs/queue.md. */
void queue_rules_default(struct queue_rules *r);
/** After attempt number `attempts` (from 1): the step, spread by 20 % each way. */
int64_t queue_rule_next_ns(const struct queue_rule *r, uint32_t attempts, uint64_t random);
/** When a letter is given up: ages count from when its sender had it released. */
int64_t queue_rule_expires_ns(const struct queue_rule *r, int64_t arrived_ns, int64_t release_ns);

struct queue_opts {
	struct queue_carrier carriers[QUEUE_CARRIERS_MAX]; /* scheme NULL: no more */
	struct store *store;                               /* borrowed, as all here */
	const struct outbound_opts *outbound;
	const char *hostname;            /* in reports */
	struct trail *trail;             /* NULL: none */
	unsigned shards;                 /* loop threads */
	unsigned connections;            /* 0: QUEUE_CONNECTIONS */
	unsigned connections_all;        /* 0: QUEUE_CARRIERS_ALL */
	size_t ready_max;                /* 0: QUEUE_READY_MAX */
	uint64_t ready_bytes_max;        /* 0: QUEUE_READY_BYTES_MAX */
	const struct queue_rules *rules; /* copied; NULL: the built-in ones */
	int64_t drain_ns;                /* 0: QUEUE_DRAIN_NS */
	struct span double_bounces;      /* address that reports nobody else can get go to;
						   empty: the log alone */
	int bounce_language;             /* enum bounce_language */
	struct signer *signer;           /* of reports; NULL: they are not signed */
	const struct log *log;
};

/** Before any loop runs. */
struct queue *queue_new(const struct queue_opts *opts);
/** After every queue_run has returned. */
void queue_free(struct queue **q);

/** The shard of this loop; returns after queue_stop() when what is under way has ended and is
 * settled. `index` 0 also loads from the store and must run while any other does. */
FIBER int queue_run(struct queue *q, unsigned index, struct router *router, struct err *e);
/** From any thread. Letters under way may finish, those that wait stay in the store. */
void queue_stop(struct queue *q);
/** From any thread: something in the store may be due now (an administrator's retry). */
void queue_kick(struct queue *q);
/** From any thread: destinations that are down may be tried at once. Before an administrator's
 * retry or release, which are meant even when a next hop has just come back. */
void queue_forgive(struct queue *q);
/** From any thread: what waits in memory goes back to the store. After an administrator's hold or
 * drop, which are obeyed when an active row is settled: so they are obeyed before it is tried. */
void queue_recall(struct queue *q);

/** From any thread: other rules. They count for every attempt that ends from now on, whenever its letter
 * was accepted. */
void queue_rules_set(struct queue *q, const struct queue_rules *rules);

/** Have the shards room for the remote recipients of a letter? Then accept it under a lease
 * and queue_put() it. Does not yield. */
bool queue_wants(const struct queue *q, unsigned index, const struct spool_new *letter);
/** Take the remote recipients of a letter that was accepted under a lease; what is needed is
 * copied, the body is referenced. Does not yield. */
void queue_put(struct queue *q, unsigned index, const struct spool_new *letter);
/** The letter was accepted without a lease: the loader is told. Any thread. */
void queue_left(struct queue *q);

/** From any thread: another table of shaping (services/shape). It is taken over by every site at once;
 * a reference is taken. Until then what is built in applies. */
void queue_reshape(struct queue *q, struct shape *shape);

/* What is known of a site, for an administrator. X(id, word) */
#define QUEUE_SITE_STATES(X)                                                                       \
	X(IDLE, "idle")             /* nothing waits, or it has just come */                       \
	X(CONNECTING, "connecting") /* nobody has been reached yet */                              \
	X(UP, "up")                                                                                \
	X(QUEUED, "queued")   /* waits for a connection of those that all sites share */           \
	X(SLOWED, "slowed")   /* its replies have asked for less */                                \
	X(DOWN, "down")       /* left alone until it is tried again */                             \
	X(LOOKING, "looking") /* a domain: it is being looked up */                                \
	X(UNKNOWN, "unknown") /* a domain: its look-up gets no answer */
enum queue_site_state {
#define X(id, word) QUEUE_SITE_##id,
	QUEUE_SITE_STATES(X)
#undef X
};
const char *queue_site_state_str(enum queue_site_state s);
#define QUEUE_SITES_TOLD_MAX 5000
struct queue_site_info {
	struct span name, destination; /* its key; the first destination that led there */
	enum queue_site_state state;
	unsigned connections, idle, window, connections_max, fails;
	uint64_t waiting;    /* parcels in memory */
	uint64_t per_minute; /* letters, in this spell of work */
	struct span connection_rate, message_rate;
	int64_t until_ns; /* wall: slowed or down until then; 0 */
	int64_t next_ns;  /* wall: when something happens by itself; 0: nothing is waited for */
	struct span why;  /* the last failure; "" */
};
/** All that are in memory, at most QUEUE_SITES_TOLD_MAX; they live in `a`. From any loop; the queue
 * must be running. */
FIBER void queue_sites(
	struct queue *q, struct arena *a, struct queue_site_info **sites_r, size_t *count_r);

struct queue_stats {
	uint64_t ready, under_way, unsettled; /* parcels in memory */
	uint64_t sites, connections;
	uint64_t delivered, deferred, failed, reports; /* recipients since the start */
};
/** Sums over the shards, each number by itself up to date. Any thread. */
void queue_stats(const struct queue *q, struct queue_stats *stats_r);

/** The built-in ladder, for the pauses of destinations: 1, 5, 15, 30 minutes, 1, 2 hours, then half as
 * much again up to 4 hours; `random` spreads it by 20 % each way. */
int64_t queue_ladder_ns(uint32_t attempts, uint64_t random);
#define QUEUE_LADDER_MAX_NS (4 * CLOCK_HOUR + 48 * CLOCK_MIN) /* 4 h and 20 % */
