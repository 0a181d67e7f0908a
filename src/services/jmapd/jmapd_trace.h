#pragma once
/* What the station log knows of one letter, put together for one of its people: the verdict, the
 * recipients, what happened in order. Its sender sees the addresses that he wrote and what became of them,
 * never what an alias or a list turned them into; whoever got it sees how it came here and himself. */

#include "proto/mail/journey.h"
#include "proto/mail/mail_cause.h"
#include "services/jmapd/jmapd_priv.h"
#include "services/trail/queue_why.h"

#define JMAP_TRACE_EVENTS_MAX     2000 /* of one letter; what came later is not told */
#define JMAP_TRACE_RECIPIENTS_MAX 1000

enum jmap_trace_role { JMAP_TRACE_SENDER, JMAP_TRACE_RECIPIENT };

/* id, word */
#define JMAP_TRACE_STATES(X)                                                                       \
	X(UNKNOWN, "unknown")     /* the log does not say (yet) */                                 \
	X(DELIVERED, "delivered") /* in a mailbox here */                                          \
	X(RELAYED, "relayed")     /* the next server has taken it */                               \
	X(SCHEDULED, "scheduled")                                                                  \
	X(WAITING, "waiting")                                                                      \
	X(HELD, "held")                                                                            \
	X(FAILED, "failed")                                                                        \
	X(REFUSED, "refused") /* when it was handed in */                                          \
	X(CANCELED, "canceled")
enum jmap_trace_state {
#define X(id, word) JMAP_TRACE_##id,
	JMAP_TRACE_STATES(X)
#undef X
		JMAP_TRACE_STATE_COUNT
};

/* What one address that the sender wrote became; several when it was an alias. */
struct jmap_trace_rcpt {
	struct span address; /* as it was written */
	enum jmap_trace_state state;
	unsigned targets; /* that it was turned into; 1 the usual */
	unsigned attempts, code;
	struct span enhanced, reply, host, tls, reason;
	int64_t at_ns, next_ns, expires_ns; /* 0: none */
};

struct jmap_trace {
	struct trail_letter letter;
	enum jmap_trace_role role;
	uint64_t email_id; /* that was asked for; 0: none */
	struct jmap_trace_rcpt *rcpts;
	size_t rcpt_count, rcpts_more; /* more: so many were not named in the log */
	struct trail_event *events;
	const struct json_in **facts; /* of each; NULL: none */
	struct span *shown_to; /* of each: the recipient as he was written, "" the whole letter */
	size_t event_count;
	struct trail_letter *children;
	size_t child_count;
	bool is_parent_own;
	struct journey *journey; /* of an Email: its header, read; NULL: none was asked for */
	struct json_in **docs;   /* to be freed by jmap_trace_fini */
	size_t doc_count;
};

/** Fill *t in `a`. */
FIBER int jmap_trace_gather(struct jmapd *d, struct arena *a, struct jmap_trace *t, struct err *e);
void jmap_trace_fini(struct jmap_trace *t);
/** A closed object; `properties` as in a get. */
void jmap_trace_put(struct json_out *j, const struct jmap_get *g, const struct jmap_trace *t,
	enum mail_lang lang);
/** An attempt's `steps`, as a member of the object that is open. No texts are told where a server of a private
 * network is among them, nor of an address that an alias or a forward led to: they would name it. */
void jmap_trace_put_steps(struct json_out *j, const struct json_in *facts, bool is_rewritten);
/** The id in our own Received field, which stands in what we put before a letter; 0: there is none. Pure. */
uint64_t jmap_trace_id_of(struct span prefix);
/** Addresses of private networks (RFC 1918, 4193) are no business of a user's: "mx [10.0.0.5]:25" becomes
 * "mx [internal]". In `a`. */
struct span jmap_trace_host(struct arena *a, struct span host);
