#pragma once
/* What was done before a letter could be handed over, step by step with its times, for the station log:
 * look-ups, TLS policy, connection, handshake. What was said behind that is the conversation.
 *
 *	int64_t began_ns = loop_now_ns();
 *	...
 *	outbound_step_add(steps, &(struct outbound_step){OUTBOUND_STEP_MX, began_ns, .text = found}, NULL);
 *
 * Belongs to one loop until it is done; then it may be read by all. */

#include "base/arena.h"
#include "base/err.h"
#include "base/span.h"

#define OUTBOUND_STEPS_MAX     24  /* of one attempt; later ones are not kept */
#define OUTBOUND_STEP_TEXT_MAX 200 /* octets of a text */
#define OUTBOUND_STEPS_JSON_MAX                                                                    \
	3072 /* what an event has of them; TRAIL_FACTS_MAX is for all facts */

/* The words are in the log: only append. */
#define OUTBOUND_STEPS(X)                                                                          \
	X(MX, "mx")           /* look-up of the domain's hosts */                                  \
	X(POLICY, "policy")   /* overrides, the MTA-STS record and, when it is new, the policy */  \
	X(ADDRESS, "address") /* of one host */                                                    \
	X(TLSA, "tlsa")       /* of one host, where DANE may decide */                             \
	X(CONNECT, "connect") /* all addresses of one host, until one of them answers */           \
	X(TLS, "tls")         /* the handshake */                                                  \
	X(REUSED, "reused")   /* the connection was open since then, for another letter */
enum outbound_step_kind {
#define X(id, word) OUTBOUND_STEP_##id,
	OUTBOUND_STEPS(X)
#undef X
		OUTBOUND_STEP_COUNT
};

struct outbound_step {
	enum outbound_step_kind kind;
	int64_t began_ns; /* mono */
	int64_t ended_ns; /* 0: now */
	struct span host; /* which one, where there are several; "" */
	struct span text; /* what was found, or why it failed; "" */
	int64_t at_ns;    /* wall, when it began: filled in */
	bool is_failed;   /* filled in */
};
/* Zeroed but for its arena, which holds the rest. */
struct outbound_steps {
	struct arena *arena;
	size_t count;
	struct outbound_step *list;
};

/** Spans are copied. `e`: why it failed, and then the text; NULL: it did not. Nothing where `steps` is
 * NULL. */
void outbound_step_add(
	struct outbound_steps *steps, const struct outbound_step *step, const struct err *e);
/** Another connection: what belongs to the one before is forgotten. Only where the arena holds nothing
 * else. */
void outbound_steps_clear(struct outbound_steps *steps);
/** Append them to `*json`, the items of an array without its brackets, in `a`: as many as have room.
 * `is_kept`: they were done for an earlier letter. Pure. */
void outbound_steps_put(
	const struct outbound_steps *steps, bool is_kept, struct arena *a, struct span *json);
