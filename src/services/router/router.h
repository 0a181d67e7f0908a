#pragma once
/* The router, an adviser: where does mail for an address go? It answers, it changes nothing.
 *
 * Order of the questions: our own domains (account, sub-address, alias, postmaster), relay domains,
 * routes, the rest of the world. Answers are kept until store_directory_generation() moves,
 * negative ones too, in a bounded cache. A router belongs to one loop: each loop thread makes its
 * own.
 *
 *	struct router_answer ans;
 *	if (router_resolve(r, a, local, domain, false, &ans, &e) < 0)
 *		return -1;			// the store failed: 451
 *	if (ans.verdict != ROUTER_OK)
 *		router_verdict_err(ans.verdict, address, &e);	// the SMTP triple that is owed
 *	for (size_t i = 0; i < ans.target_count; i++)
 *		router_spool_rcpt(&ans.targets[i], &letter.rcpts[letter.rcpt_count++]);
 */

#include "store/directory.h"
#include "store/spool.h"

struct router;

#define ROUTER_ALIAS_DEPTH_MAX 10    /* aliases of aliases */
#define ROUTER_TARGETS_MAX     1000  /* recipients that one address may become */
#define ROUTER_CACHE_MAX       16384 /* answers kept a loop (addresses and remote domains) */
#define ROUTER_DESTINATION_MAX 300

/* name, SMTP code, enhanced code, text */
#define ROUTER_VERDICTS(X)                                                                         \
	X(OK, 250, 2, 1, 5, "Recipient ok")                                                        \
	X(UNKNOWN_USER, 550, 5, 1, 1, "No such mailbox here")                                      \
	X(BAD_DOMAIN, 550, 5, 1, 2, "Bad destination domain")                                      \
	X(NO_RELAY, 550, 5, 7, 1, "Relaying denied")                                               \
	X(SUSPENDED, 550, 5, 2, 1, "Mailbox disabled")                                             \
	X(ALIAS_LOOP, 550, 5, 4, 6, "The alias leads back to itself")                              \
	X(ALIAS_TOO_MANY, 550, 5, 4, 6, "The alias has too many recipients or levels")

enum router_verdict {
#define X(id, code, cls, subject, detail, text) ROUTER_##id,
	ROUTER_VERDICTS(X)
#undef X
		ROUTER_VERDICT_COUNT
};

struct router_target {
	struct span address; /* after rewriting: what the next hop or Delivered-To is told */
	bool is_local;
	uint64_t account_id;
	struct span destination; /* remote: services/router/destination.h has the forms */
};

struct router_answer {
	enum router_verdict verdict;
	bool is_alias;       /* found through an alias */
	size_t dead_count;   /* targets of an alias that lead nowhere and were left out */
	size_t target_count; /* 0 unless verdict is ROUTER_OK */
	struct router_target *targets;
};

struct router_opts {
	struct store *store;  /* borrowed */
	const char *hostname; /* borrowed: postmaster at this name is always somebody; NULL: none */
	char separator;       /* '+': alice+x is alice when alice+x itself is nobody; 0: none */
	const struct log *log;
};

struct router *router_new(const struct router_opts *opts);
void router_free(struct router **r);

/** Where mail for local@domain goes. `local` is as written (quoted or not), `domain` as written
 * (A-label, U-label or [literal]); an empty domain is allowed for postmaster alone (RFC 5321
 * section 4.5.1). `may_relay`: mail for foreign domains is taken (trusted client, our own reports).
 * The answer lives in `a`. -1 only when the store could not be asked. */
FIBER int router_resolve(struct router *r, struct arena *a, struct span local, struct span domain,
	bool may_relay, struct router_answer *answer_r, struct err *e);
/** The same for "local@domain" in one span. */
FIBER int router_resolve_address(struct router *r, struct arena *a, struct span address,
	bool may_relay, struct router_answer *answer_r, struct err *e);

/** Fill address, is_local, account_id, folder (INBOX) and destination; the rest is zeroed and the
 * caller's: orcpt, notify, prefix. Spans are the target's. */
void router_spool_rcpt(const struct router_target *t, struct spool_rcpt_new *rcpt_r);

/** The refusal as an error with its SMTP triple, scope recipient, never again. Returns -1. */
int router_verdict_err(enum router_verdict v, struct err *e);
const char *router_verdict_str(enum router_verdict v);

/** Lower-case A-label of a domain as written, without the last dot; literals as they are. Empty
 * when it is no domain. */
struct span router_domain_key(struct arena *a, struct span domain);
/** A route's next hop ("host:port", "host", "[192.0.2.1]:25", "unix:/path", "pool:NAME")
 * as destination key.
 * ERR_SYNTAX when it is none. */
int router_hop_key(
	struct arena *a, struct span next_hop, bool is_lmtp, struct span *key_r, struct err *e);
