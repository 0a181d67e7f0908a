#pragma once
/* The keys that sign what leaves (RFC 6376): private keys by domain and selector, each in one of three
 * states. A change moves store_directory_generation(): what was read is good while it stays.
 *
 *	pending   published, or about to be: not used
 *	active    signs
 *	retiring  no longer signs; its record stays published while letters that it signed are under way
 *
 * Private keys leave this room as PEM in the arena given, which wipes them when it ends. */

#include "store/store.h"

#define DKIM_KEYS_PEM_MAX      8192
#define DKIM_KEYS_SELECTOR_MAX 63
#define DKIM_KEYS_DOMAIN_MAX   64 /* keys of one domain */

#define DKIM_KEYS_STATES(X)                                                                        \
	X(PENDING, "pending")                                                                      \
	X(ACTIVE, "active")                                                                        \
	X(RETIRING, "retiring")
enum dkim_keys_state {
#define X(id, name) DKIM_KEYS_##id,
	DKIM_KEYS_STATES(X)
#undef X
		DKIM_KEYS_STATE_COUNT
};
const char *dkim_keys_state_str(enum dkim_keys_state s);

struct dkim_keys_row {
	struct span domain;    /* A-labels, lower case */
	struct span selector;  /* */
	struct span algorithm; /* "rsa", "ed25519" */
	enum dkim_keys_state state;
	bool is_wide; /* signs for subdomains that have no active key of their own, too */
	struct span pem;
	int64_t created_ns, changed_ns; /* wall clock; changed: of the state */
};

/** ERR_EXISTS: that domain has a key of that selector. ERR_SYNTAX, ERR_LIMIT. */
FIBER int dkim_keys_add(struct store *s, const struct dkim_keys_row *row, struct err *e);
/** ERR_NOT_FOUND; ERR_STATE: a key does not go from where it is to there (pending to active, active to
 * retiring and back). */
FIBER int dkim_keys_move(struct store *s, struct span domain, struct span selector,
	enum dkim_keys_state to, struct err *e);
/** In one transaction: all pending keys of the domain become active, and those that were active and are
 * of the same algorithm as one of them retire. ERR_NOT_FOUND: none is pending. */
FIBER int dkim_keys_turn(struct store *s, struct span domain, struct err *e);
/** ERR_NOT_FOUND; ERR_STATE: it is active, and not `is_forced`. */
FIBER int dkim_keys_remove(
	struct store *s, struct span domain, struct span selector, bool is_forced, struct err *e);
/** By domain and selector; `domain` "": of all. */
FIBER int dkim_keys_list(struct store *s, struct arena *a, struct span domain,
	struct dkim_keys_row **list_r, size_t *count_r, struct err *e);
/** The active keys that sign for mail of `domain`: its own, else the wide ones of the nearest domain
 * above it that has such. */
FIBER int dkim_keys_for(struct store *s, struct arena *a, struct span domain,
	struct dkim_keys_row **list_r, size_t *count_r, struct err *e);
/** Is any key active? */
FIBER int dkim_keys_any(struct store *s, bool *is_any_r, struct err *e);
