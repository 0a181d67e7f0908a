#pragma once
/* Pools, an adviser: which of several redundant next hops does a letter go to, and which of them are
 * down? It keeps what the store says of roads (store/road.h) in memory, and what is known of each
 * member's health, for all loops together: one struct with a lock that is never held over a yield.
 *
 * A letter picks its member when it enters its shard; a member that fails is left alone for 5 s,
 * 15 s, 60 s, then 5 minutes at a time, while the others take over at once. Members that are down
 * are asked whether they answer again (pools_keep), so that failback needs no letter to try it.
 *
 *	struct span member;
 *	if (pool_pick(pools, a, SPAN("pool:mails"), &member, &retry_ns, &e) < 0)
 *		...	// all are down until retry_ns; e says why and names the pool
 *	...		// carry the letter to `member`
 *	pool_failed(pools, member, &why);	or	pool_worked(pools, member, letters);
 *
 * Everything here may be called from any loop thread. */

#include "base/log.h"
#include "store/road.h"

struct pools;

#define POOL_BACKOFF_FIRST_NS (5 * CLOCK_SEC)
#define POOL_BACKOFF_MAX_NS   (5 * CLOCK_MIN)
#define POOL_PROBE_NS         (10 * CLOCK_SEC) /* a probe takes at most this long */
#define POOL_PROBES_MAX       8                /* at a time */
#define POOL_REASON_MAX       200

struct pool_opts {
	struct store *store; /* borrowed, as all here */
	const struct log *log;
	/** Does a next hop answer: connect, greeting, EHLO, QUIT? NULL: none is asked, and a member is
	 * tried with mail when its pause is over. Obeys its fiber's deadline `until_ns`. */
	FIBER int (*probe)(void *arg, struct span destination, int64_t until_ns, struct err *e);
	void *arg;
};

struct pools *pools_new(const struct pool_opts *opts);
/** After the last loop has ended and the store is closed. */
void pools_free(struct pools **p);

/** Read the tables. At the start before mail is carried; later pools_keep() does. Health is kept. */
FIBER int pools_load(struct pools *p, struct err *e);
/** The keeper: one fiber on one loop, until it is cancelled. Follows the store's tables, and probes
 * members that are down when their pause is over. */
FIBER int pools_keep(void *pools);

/** The member for a letter to "pool:NAME|…", with what stands behind '|'; it lives in `a`. -1:
 * ERR_NOT_FOUND no such pool, ERR_IO all members are down or off: `*retry_ns_r` (mono) is when the
 * first may be tried again. Does not yield. */
int pool_pick(struct pools *p, struct arena *a, struct span destination, struct span *member_r,
	int64_t *retry_ns_r, struct err *e);
/** No connection, no greeting, no login at a member, or connections broke without use. Nothing when
 * no pool has this next hop. Does not yield. */
void pool_failed(struct pools *p, struct span member, const struct err *why);
/** It took so many letters. Does not yield. */
void pool_worked(struct pools *p, struct span member, unsigned letters);
/** Is the member of some pool up? True for what is no member. Does not yield. */
bool pool_is_up(struct pools *p, struct span member);
/** The same, but false for what is no member. */
bool pool_is_known_up(struct pools *p, struct span member);
/** Know the health of this next hop as well, whether or not it is a member of a pool ("" none); the one
 * that was watched before is watched no more. Does not yield. */
void pools_watch(struct pools *p, struct span next_hop);
/** What is down may be tried at once: an administrator asks. */
void pools_forgive(struct pools *p);

/* ---- for `pool list` and status ---- */

struct pool_health {
	bool is_known; /* mail was sent there, or it is a member of a pool that was read */
	bool is_up;
	int64_t since_ns; /* wall: when it went up or down; 0: since the start */
	int64_t retry_ns; /* mono: down until then at least */
	unsigned fails;   /* in a row */
	uint64_t picks, delivered, downs;
	struct span reason; /* of the last failure; lives in the caller's arena */
};
void pool_health(struct pools *p, struct arena *a, struct span next_hop, struct pool_health *h_r);
struct pool_counts {
	unsigned pools, members, down;
};
void pool_counts(struct pools *p, struct pool_counts *counts_r);
