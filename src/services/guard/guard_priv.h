#pragma once
/* Inside the guard: counters (guard_table.c), networks and what is said of them (guard_rules.c). */

#include <pthread.h>

#include "base/clock.h"
#include "base/gcra.h"
#include "base/hash.h"
#include "base/list.h"
#include "services/guard/guard.h"

#define GUARD_SHARDS     16
#define GUARD_FIRST      16                /* buckets of a shard at first */
#define GUARD_USER_MAX   255               /* octets of a user name that are looked at */
#define GUARD_RULES_MAX  65536             /* bans and allowances */
#define GUARD_TRUST_MAX  4096              /* trusted networks */
#define GUARD_GOOD_NS    (12 * CLOCK_HOUR) /* a login from a network keeps it from being banned */
#define GUARD_SWEEP_NS   CLOCK_MIN         /* between two looks for bans that have ended */
#define GUARD_STEPS_MAX  20                /* doublings */
#define GUARD_SHIELD_BIT 64                /* of IPv6: what one client surely owns */

/* ---- guard_table.c: things that are remembered, the least recently used forgotten first ---- */

struct guard_key {
	uint64_t word[2];
};

/* One network, account, pair of both, or wrong password; each uses what it needs. */
struct guard_slot {
	struct guard_key key;
	struct guard_slot *next;    /* of the bucket */
	struct list_node used_node; /* of the shard, least recently used first */
	struct gcra failures;
	int64_t seen_ns; /* the last good login, or when a wrong password was tried; 0 never */
	int64_t ban_end_ns;
	unsigned bans; /* in a row */
};

struct guard_table {
	struct hash_key hash;
	size_t shard_max;
	struct guard_shard {
		pthread_mutex_t lock;
		struct guard_slot **buckets;
		size_t size, count;
		struct list_node used;
	} shards[GUARD_SHARDS];
};

void guard_table_init(struct guard_table *t, const struct hash_key *hash, size_t max);
void guard_table_fini(struct guard_table *t);
/** Find it and hold its shard's lock until guard_table_done, also when NULL is returned: it is not
 * there. `is_made`: then it is made. */
struct guard_slot *guard_table_take(
	struct guard_table *t, const struct guard_key *key, bool is_made);
void guard_table_done(struct guard_table *t, const struct guard_key *key);
size_t guard_table_count(struct guard_table *t);
/** Forget all for which fn says so. */
void guard_table_forget(
	struct guard_table *t, bool (*fn)(void *arg, const struct guard_key *key), void *arg);

/* ---- guard_rules.c ---- */

/* What is said of a network. */
struct guard_rule {
	struct addr_net net;
	enum guard_kind kind;
	char *network, *reason, *made_by; /* owned */
	int64_t made_ns, until_ns;        /* wall clock; 0 for ever */
	int64_t end_ns;                   /* monotonic; CLOCK_NEVER */
	uint64_t refused;                 /* atomic */
	bool is_own;
};

struct guard_rules {
	pthread_rwlock_t lock;
	struct hash_map map;            /* by family, bits and prefix */
	unsigned used4[33], used6[129]; /* how many rules have that many bits */
	struct addr_net *trusted;       /* owned */
	size_t trusted_count;
	int64_t swept_ns;
};

void guard_rules_init(struct guard_rules *r, const struct hash_key *hash);
void guard_rules_fini(struct guard_rules *r);
void guard_rules_trust(struct guard_rules *r, const struct addr_net *trusted, size_t count);
/** Copies. A rule of the same network is replaced. False: there is no room. */
bool guard_rules_put(struct guard_rules *r, const struct addr_net *net, const struct guard_row *row,
	int64_t now_ns, int64_t wall_ns);
bool guard_rules_drop(struct guard_rules *r, const struct addr_net *net);

/* What the rules make of an address. */
struct guard_verdict {
	bool is_exempt; /* loopback, trusted, allowed, no IP */
	bool is_banned, is_own;
	int64_t end_ns, until_ns;
};
/** `is_counted`: a connection that is refused for it is counted. */
void guard_rules_look(struct guard_rules *r, const struct addr *peer, int64_t now_ns, bool is_login,
	bool is_counted, struct guard_verdict *v_r);
size_t guard_rules_list(
	struct guard_rules *r, struct arena *a, int64_t now_ns, struct guard_row **rows_r);
size_t guard_rules_count(struct guard_rules *r);
/** "" or the text of a rule whose network holds all of this one. */
struct span guard_rules_above(struct guard_rules *r, struct arena *a, const struct addr_net *net);
bool guard_rules_trusts(struct guard_rules *r, const struct addr_net *net);

/** "192.0.2.0/24", "192.0.2.1" for a single address. */
void guard_net_put(struct buf *b, const struct addr_net *net);
/** What is counted as one client: IPv4 /32, IPv6 /64. False for what is no IP. */
bool guard_net_of(const struct addr *peer, struct addr_net *net_r);
struct guard_key guard_net_key(const struct addr_net *net);
/** Does the network of the rule hold the counted network of this key? */
bool guard_net_holds(const struct addr_net *net, const struct guard_key *key);

struct guard {
	struct guard_opts opts;
	pthread_rwlock_t limits_lock;
	struct guard_limits limits;
	struct hash_key hash;
	struct guard_table networks, accounts, pairs, wrongs;
	struct guard_rules rules;
	struct guard_counters counters; /* atomic; those that are sums stay 0 */
};
