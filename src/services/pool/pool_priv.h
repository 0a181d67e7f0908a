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
void pool_tables_free(struct pool_tables **t);
