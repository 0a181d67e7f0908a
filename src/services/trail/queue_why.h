#pragma once
/* Every recipient in the queue has a next event and a reason: this tells both in words, for lists, for
 * traces, for whoever asks why a letter has not left. Pure: nothing is looked up, the row says all. */

#include "store/spool.h"

/* id, word */
#define QUEUE_NEXTS(X)                                                                             \
	X(TRY, "try")            /* an attempt */                                                  \
	X(LAST_TRY, "last-try")  /* an attempt, and the end of its time */                         \
	X(DEADLINE, "deadline")  /* DELIVERBY: its sender is told, or gets it back */              \
	X(SCHEDULED, "release")  /* FUTURERELEASE: the first attempt, or the mailbox */            \
	X(RUNNING, "running")    /* in memory: the end of an attempt, or its turn */               \
	X(DELIVER, "deliver")    /* into a mailbox here */                                         \
	X(RETURN, "return")      /* given up: the report is written */                             \
	X(WORD, "administrator") /* held: nothing until somebody says so; no time */
enum queue_next {
#define X(id, word) QUEUE_NEXT_##id,
	QUEUE_NEXTS(X)
#undef X
		QUEUE_NEXT_COUNT
};
const char *queue_next_str(enum queue_next n);

struct queue_why {
	enum queue_next next;
	int64_t next_ns;    /* wall clock; 0: no time, an administrator's word ends it */
	struct span reason; /* one line, never empty */
};
/** What comes next for this row, and why it has not left. `now_ns` is wall clock; the reason lives in
 * `a`. */
void queue_why(struct arena *a, const struct spool_item *it, int64_t now_ns, struct queue_why *w_r);
