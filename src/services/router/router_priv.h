#pragma once
/* Inside the router. */

#include "base/hash.h"
#include "proto/mail/srs.h"
#include "services/router/router.h"

/* A kept answer, in a block of memory of its own. Under "local@domain" the whole; under "@domain" the one
 * target of a foreign or relay domain, without its address; under other names what is small. */
struct router_cached {
	struct arena *arena;
	struct router_answer answer;
	bool is_remote;               /* foreign domain: only for those who may relay */
	bool is_ours;                 /* "=domain": local */
	struct directory_route route; /* "<sender": next_hop "" when there is none */
	struct span as;               /* "hop<sender": "" no login of its own */
};

struct router {
	struct router_opts opts;
	struct hash_map cache; /* names to struct router_cached */
	uint64_t generation;   /* of the directory when the cache was begun */
	bool has_facts;
	struct arena *facts_arena;
	struct directory_facts facts;
	struct srs_keys srs;
	struct hash_map asked; /* "destination address" to struct router_said */
	unsigned asking;
};

/* One address on its way through the aliases. */
struct router_hop {
	struct router_hop *next, *up; /* up: what it came from */
	struct span local, domain;    /* keys */
	struct span written;          /* as the alias or the client has it */
	struct span via;              /* who passed it on */
	unsigned depth;
};

struct router_walk {
	struct router *r;
	struct arena *a;
	const struct router_question *q;
	struct router_answer *ans;
	size_t target_cap;
	struct hash_map seen; /* addresses and accounts met */
	struct router_hop *first, **last;
	bool is_loop, is_too_many, is_uncached;
	enum router_verdict srs; /* why a bounce address was refused */
};

/* ---- router.c ---- */
/** Keep something under a name, unless the directory moved since `generation`. */
struct router_cached *router_cache_put(struct router *r, uint64_t generation, struct span name);
struct span router_address_join(struct arena *a, struct span local, struct span domain);

/* ---- router_walk.c: whom an address becomes ---- */
/** The answer but for what depends on the sender. */
FIBER int router_walk(struct router_walk *w, struct router_hop *first, struct err *e);

/* ---- router_road.c: which way it takes ---- */
/** Destination, egress, is_open of a remote target from the routes of the hop's domain. */
FIBER int router_road(struct router_walk *w, const struct router_hop *h, bool is_relay,
	struct router_target *t, struct err *e);
/** What depends on the sender: his route, his login, the reverse-path. */
FIBER int router_road_finish(struct router *r, struct arena *a, const struct router_question *q,
	struct router_answer *ans, struct err *e);

/* ---- router_ask.c ---- */
struct router_said;
/** Ask the next hop of a relay domain about the recipient, or remember what it said. */
FIBER void router_ask(struct router *r, struct arena *a, const struct router_question *q,
	struct router_answer *ans);
void router_ask_free(struct router *r);

/* ---- router_srs.c ---- */
void router_srs_keys(struct arena *a, struct span setting, struct srs_keys *keys_r);

/* ---- router_key.c ---- */
/** The local part as the directory has it: without quoting, ASCII letters lower-case, NFC. */
struct span router_local_key(struct arena *a, struct span local);
