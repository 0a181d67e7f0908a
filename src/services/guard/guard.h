#pragma once
/* The guard, an adviser: who may come in, and how often somebody may be wrong. One a process, shared by
 * all loops (thread-safe, nothing here yields unless it says FIBER).
 *
 * Two things are counted for logins: failures of a network (IPv4 /32, IPv6 /64) and failures for an
 * account. An account's failures only slow down those who come from where it has not logged in lately;
 * its owner, coming from where he is known, is never locked out by others' guesses. A network that fails
 * too often is banned for a time that doubles, up to a day; networks that are allowed, the proxies of the
 * listeners and those from which somebody logged in during the last hours never are: there only guesses
 * for accounts that have not logged in from there have to wait. A ban of the guard's own closes the
 * listeners where people log in, not those where other servers bring mail. docs/guard.md tells more.
 *
 * Times are those of the caller's loop (loop_now_ns, loop_wall_ns). What is counted lives in memory;
 * bans and allowances are in the store too, written behind where the guard makes them. */

#include "base/log.h"
#include "net/addr.h"
#include "store/store.h"

struct guard;

struct guard_limits {
	unsigned network_failures; /* 10 within network_ns: banned */
	int64_t network_ns;        /* 10 min */
	unsigned account_failures; /* 20 within account_ns: strangers wait */
	int64_t account_ns;        /* 1 h */
	int64_t ban_ns;            /* 15 min; doubles with each further ban */
	int64_t ban_max_ns;        /* 1 d */
	int64_t known_ns;          /* 14 d: how long an address counts as known to an account */
	size_t entries_max;        /* 65536 networks and accounts each that are remembered */
};
void guard_limits_default(struct guard_limits *l);

struct guard_opts {
	struct store *store; /* bans that last, borrowed */
	struct guard_limits limits;
	const struct addr_net *trusted; /* proxies and relay networks: never banned; copied */
	size_t trusted_count;
	const struct log *log;
};
struct guard *guard_new(const struct guard_opts *opts);
void guard_free(struct guard **g);
/** Read the bans that the store has. */
FIBER int guard_begin(struct guard *g, struct err *e);
/** Any thread; `trusted` is copied. */
void guard_limits_set(struct guard *g, const struct guard_limits *l, const struct addr_net *trusted,
	size_t trusted_count);

/** May this client connect? False: it is banned, and `why` (may be NULL) gets one line for it, with
 * until when. `is_login`: people log in there; elsewhere only administrators' bans count. Behind a proxy
 * `peer` is whom the proxy speaks for. */
bool guard_admits(struct guard *g, const struct addr *peer, bool is_login, struct buf *why);

/** Before a credential is looked at: may this be tried now? False: not before *wait_ns_r; the answer is the
 * same whether the account exists. `user` is as the client wrote it, folded to lower case. */
bool guard_login_may(
	struct guard *g, const struct addr *peer, struct span user, int64_t *wait_ns_r);
/** How it ended. `account_id` 0: no such account. A wrong password that was tried before by the same
 * network for the same account counts once (`password_mark`: a keyed hash of it, 0 none): a phone with an
 * old password is no attack. */
void guard_login_tell(struct guard *g, const struct addr *peer, struct span user,
	uint64_t account_id, bool is_good, uint64_t password_mark);

/* ---- for administrators ---- */

/* id, word */
#define GUARD_KINDS(X)                                                                             \
	X(BAN, "ban")                                                                              \
	X(ALLOW, "allow")
enum guard_kind {
#define X(id, word) GUARD_##id,
	GUARD_KINDS(X)
#undef X
		GUARD_KIND_COUNT
};
struct guard_row {
	struct span network; /* "192.0.2.0/24" */
	enum guard_kind kind;
	struct span reason, made_by;
	int64_t made_ns, until_ns; /* until 0: for ever */
	uint64_t refused;          /* connections since */
};
#define GUARD_OWN "guard" /* made_by of the guard's own bans */
/** ERR_SYNTAX: no network, or a reason that is too long; ERR_DENIED: a ban of loopback or within trusted
 * networks; ERR_LIMIT. Replaces the row of that network. */
FIBER int guard_set(struct guard *g, const struct guard_row *row, struct err *e);
/** ERR_NOT_FOUND. What was counted against the network is forgotten. */
FIBER int guard_remove(struct guard *g, struct span network, struct err *e);
/** Bans and allowances, those that the guard made itself too. */
FIBER int guard_list(struct guard *g, struct arena *a, struct guard_row **rows_r, size_t *count_r,
	struct err *e);

struct guard_counters {
	uint64_t failures;           /* that counted */
	uint64_t repeated;           /* the same wrong password again: not counted */
	uint64_t waits;              /* logins that had to come later */
	uint64_t bans;               /* that the guard made */
	uint64_t refused;            /* connections */
	uint64_t rules;              /* bans and allowances now */
	uint64_t networks, accounts; /* remembered now */
};
void guard_counters(struct guard *g, struct guard_counters *c_r);
