#pragma once
/* Inside the room: the tables in memory, and what is known of each member. */

#include <pthread.h>
#include <stdatomic.h>

#include "base/hash.h"
#include "run/fiber.h"
#include "services/pool/pool.h"

/* What the store said at one time. */
struct pool_tables {
	struct arena *arena;
	size_t pool_count, egress_count, credential_count;
	struct road_pool *pools;
	struct road_egress *egresses;
	struct road_credential *credentials; /* secrets are wiped when they go */
};

/* A next hop that is a member of some pool. */
struct pool_member {
	struct span next_hop; /* owned */
	bool is_listed;       /* while tables are changed */
	bool is_down, is_probing;
	int64_t since_ns; /* wall */
	int64_t retry_ns; /* mono */
	unsigned fails;
	uint64_t picks, delivered, downs;
	char reason[POOL_REASON_MAX];
	struct span probe; /* the destination that failed, with its egress; owned */
};

struct pools {
	struct pool_opts opts;
	pthread_mutex_t lock; /* guards all that follow, up to the keeper's */
	struct pool_tables *tables;
	struct hash_map members; /* next hop to struct pool_member */
	struct span watched;     /* the key of one that is in no table; owned */
	struct hash_map ptrs;    /* octets of an IPv6 address to what egress.c remembers of it */
	/* the keeper's */
	_Atomic(struct loop *) loop; /* NULL: it does not run */
	struct loop_msg wake_msg;
	atomic_bool is_waking; /* wake_msg is on its way */
	bool is_woken;
	struct fiber_cond changed;
	uint64_t generation;
	unsigned probing;
	struct fiber_group probes;
};

/** What stands before '|'. */
static inline struct span pool_base(struct span destination)
{
	struct span base = destination, rest;

	span_cut(destination, '|', &base, &rest);
	return base;
}
/** Under the lock: new tables for old ones, which are the caller's; who is a member still keeps its
 * health. */
struct pool_tables *pool_tables_swap(struct pools *p, struct pool_tables *fresh);
/** Under the lock; NULL: it is none. */
struct pool_member *pool_member_of(struct pools *p, struct span destination);
/** Under the lock: one failure more. Was it up until now? */
bool pool_put_down(struct pool_member *m, struct span destination, const struct err *why);
/** Under the lock. For how long it was down, in ns; < 0: it was not. */
int64_t pool_put_up(struct pool_member *m);
/** Nothing when `down_ns` is negative. */
void pool_tell_up(struct pools *p, struct span member, int64_t down_ns, const char *by);
/** Any thread: there is something to probe, or to read. */
void pool_keeper_wake(struct pools *p);
/** Under the lock. */
void pool_ptrs_clear(struct pools *p);
void pool_tables_free(struct pool_tables **t);
