#pragma once
/* The directory: domains, accounts, addresses, aliases, routes. Names are stored lower-case,
 * domains as A-labels. Small and read often: services/router caches answers and drops them when
 * store_directory_generation() moves. */

#include "store/store.h"

enum directory_domain_kind {
	DIRECTORY_DOMAIN_NONE,
	DIRECTORY_DOMAIN_LOCAL, /* mailboxes and aliases live here */
	DIRECTORY_DOMAIN_RELAY, /* we accept and pass on (backup MX, gateway) */
};

struct directory_route {      /* where mail for a domain goes instead of its MX */
	struct span domain;   /* or "*" for everything else */
	struct span next_hop; /* "host:port", "[192.0.2.1]:25", "unix:/path", "pool:NAME" */
	bool is_lmtp;
};

enum directory_found {
	DIRECTORY_UNKNOWN_DOMAIN, /* not ours: remote */
	DIRECTORY_RELAY_DOMAIN,
	DIRECTORY_UNKNOWN_USER, /* our domain, nobody there: 550 5.1.1 */
	DIRECTORY_ACCOUNT,
	DIRECTORY_ALIAS,
};

struct directory_answer {
	enum directory_found found;
	uint64_t account_id; /* account */
	struct span account; /* its primary address */
	bool is_suspended;
	size_t target_count;  /* alias */
	struct span *targets; /* addresses "local@domain" */
};

/** Look an address up, exactly (after lower-casing). postmaster of any local domain is always
 * found (its own entry, else the account or alias that is the store's postmaster). */
FIBER int directory_lookup(struct store *s, struct arena *a, struct span local, struct span domain,
	struct directory_answer *answer_r, struct err *e);
/** The route of a domain, else the "*" route; *is_found_r tells. */
FIBER int directory_route(struct store *s, struct arena *a, struct span domain,
	struct directory_route *route_r, bool *is_found_r, struct err *e);

/* Administration: each validates its words, returns ERR_EXISTS / ERR_NOT_FOUND / ERR_SYNTAX. */
struct directory_domain {
	struct span name;
	enum directory_domain_kind kind;
	uint64_t accounts, aliases; /* list only */
};
struct directory_account {
	uint64_t id;
	struct span address;
	struct span name; /* display name */
	bool is_suspended;
	uint64_t quota_octets;     /* 0: none */
	uint64_t messages, octets; /* list only */
	int64_t created_ns;
};
struct directory_alias {
	struct span address;
	size_t target_count;
	struct span *targets;
};

FIBER int directory_domain_set(struct store *s, struct span name, enum directory_domain_kind kind,
	bool is_add, struct err *e); /* is_add: ERR_EXISTS when there */
FIBER int directory_domain_remove(struct store *s, struct span name, struct err *e);
FIBER int directory_domain_list(struct store *s, struct arena *a, struct directory_domain **list_r,
	size_t *count_r, struct err *e);
/** `password` empty: no login. It is hashed as SCRAM-SHA-256 verifier on the caller's work lane
 * before it reaches the writer. */
FIBER int directory_account_set(struct store *s, const struct directory_account *acc,
	struct span password, bool is_add, struct err *e);
FIBER int directory_account_remove(struct store *s, struct span address, struct err *e);
FIBER int directory_account_list(struct store *s, struct arena *a, struct span domain,
	struct directory_account **list_r, size_t *count_r, struct err *e);
FIBER int directory_account_find(struct store *s, struct arena *a, struct span address,
	struct directory_account *acc_r, struct err *e);
FIBER int directory_alias_set(
	struct store *s, const struct directory_alias *alias, bool is_add, struct err *e);
FIBER int directory_alias_remove(struct store *s, struct span address, struct err *e);
FIBER int directory_alias_list(struct store *s, struct arena *a, struct span domain,
	struct directory_alias **list_r, size_t *count_r, struct err *e);
FIBER int directory_route_set(
	struct store *s, const struct directory_route *route, bool is_add, struct err *e);
FIBER int directory_route_remove(struct store *s, struct span domain, struct err *e);
FIBER int directory_route_list(struct store *s, struct arena *a, struct directory_route **list_r,
	size_t *count_r, struct err *e);
/** Small facts of the installation ("demo.password.alice", "postmaster", "hostname"). */
FIBER int directory_setting(struct store *s, struct arena *a, struct span key, struct span *value_r,
	struct err *e); /* ERR_NOT_FOUND */
FIBER int directory_setting_set(struct store *s, struct span key, struct span value, struct err *e);
