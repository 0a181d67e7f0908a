#pragma once
/* Roads: which ways lead to a next hop. Pools of redundant hosts, where connections go out from
 * (egress), and how to log in (credentials). Small tables, read whole by services/pool whenever
 * store_directory_generation() moves. Next hops are destination keys, in the form that the caller
 * has made of them; names of pools and egresses are letters, digits, '-', '_' and '.'.
 *
 * Every function here may be called from any loop. Lists live in `a`. */

#include "store/store.h"

#define ROAD_NAME_MAX    64
#define ROAD_MEMBERS_MAX 64  /* of one pool */
#define ROAD_EGRESS_MAX  256 /* rows of one name */
#define ROAD_WEIGHT_MAX  1000000
#define ROAD_TEXT_MAX    500 /* octets of a host name, proxy, user or secret */

/* X(id, word): how a pool's member is chosen */
#define ROAD_POLICIES(X)                                                                           \
	X(ORDER, "order")   /* the first that is up */                                             \
	X(WEIGHT, "weight") /* at random by weight */                                              \
	X(RANDOM, "random") /* at random, all alike */
enum road_policy {
#define X(id, word) ROAD_##id,
	ROAD_POLICIES(X)
#undef X
		ROAD_POLICY_COUNT
};
const char *road_policy_str(enum road_policy p);

struct road_member {
	struct span next_hop; /* "[mail1.example]:25", with "lmtp:" in front, "unix:/path" */
	uint64_t weight;      /* at least 1 */
	bool is_off;          /* an administrator has taken it out */
};
struct road_pool {
	struct span name;
	enum road_policy policy;
	size_t member_count;
	struct road_member *members; /* in order */
};
struct road_egress { /* one row; rows of one name are chosen by weight */
	struct span name;
	uint64_t n;           /* its place in the pool, from 0 */
	struct span address4; /* source addresses, "" what the system takes */
	struct span address6; /* */
	struct span hostname; /* told in EHLO; "" the station's */
	struct span proxy;    /* "socks5://user:password@host:port"; "" none */
	uint64_t weight;      /* at least 1 */
	bool is_ptr_needed;   /* address6 only while its name in DNS leads back to it */
};
struct road_credential {
	struct span next_hop; /* destination key without "lmtp:", or "pool:NAME" */
	struct span sender;   /* "user@domain", "@domain", "" for all */
	struct span username, secret;
	struct span mechs;     /* "PLAIN SCRAM-SHA-256"; "" the best that is offered */
	bool is_clear_allowed; /* a password may go over a connection without TLS */
};

/** Replaces its members. `is_add`: ERR_EXISTS when there is one of that name; else ERR_NOT_FOUND
 * when there is none. ERR_SYNTAX: a name, policy or weight that is none. */
FIBER int road_pool_set(struct store *s, const struct road_pool *pool, bool is_add, struct err *e);
/** ERR_STATE when a route leads to it. */
FIBER int road_pool_remove(struct store *s, struct span name, struct err *e);
FIBER int road_pool_list(struct store *s, struct arena *a, struct road_pool **list_r,
	size_t *count_r, struct err *e);

/** `is_add`: a further row, `*n_r` its place; else the row `egress->n` is replaced. */
FIBER int road_egress_set(struct store *s, const struct road_egress *egress, bool is_add,
	uint64_t *n_r, struct err *e);
/** `n` < 0: all rows of that name. ERR_STATE when it is the last and a route names it. */
FIBER int road_egress_remove(struct store *s, struct span name, int64_t n, struct err *e);
FIBER int road_egress_list(struct store *s, struct arena *a, struct road_egress **list_r,
	size_t *count_r, struct err *e);

/** Add or replace. */
FIBER int road_credential_set(
	struct store *s, const struct road_credential *credential, struct err *e);
FIBER int road_credential_remove(
	struct store *s, struct span next_hop, struct span sender, struct err *e);
FIBER int road_credential_list(struct store *s, struct arena *a, struct road_credential **list_r,
	size_t *count_r, struct err *e);
