#pragma once
/* A rate limit that needs one number: the generic cell rate algorithm. What is allowed comes evenly,
 * but for a burst at the start. Pure; times are the caller's, on any clock that does not go back.
 *
 *	struct gcra_rate r;	// gcra_parse(SPAN("100/1m"), &r)
 *	struct gcra g = {0};
 *	wait = gcra_take(&g, &r, now);	// 0: go on; else try again after so long */

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct gcra_rate {
	uint64_t count; /* in a period; 0: no limit */
	int64_t period_ns;
	uint64_t burst; /* that may come at once; at least 1 */
};
struct gcra {
	int64_t next_ns; /* when the next would come if all came evenly; 0 at first */
};

#define GCRA_COUNT_MAX 1000000000
#define GCRA_BURST     10 /* a rate without a word about it allows a tenth of its count at once */

/** "100/1m", "20/s", "5000/1h burst 50"; a unit alone counts one. False when it is none. */
bool gcra_parse(struct span text, struct gcra_rate *rate_r);
/** As it is parsed; "none" for no limit. */
void gcra_put(struct buf *b, const struct gcra_rate *r);
/** How long until the next is allowed; 0: now. Nothing is counted. */
int64_t gcra_wait(const struct gcra *g, const struct gcra_rate *r, int64_t now_ns);
/** The same, and counted when it is allowed now. */
int64_t gcra_take(struct gcra *g, const struct gcra_rate *r, int64_t now_ns);
/** Give `count` of them back: they were counted for nothing. */
void gcra_give(struct gcra *g, const struct gcra_rate *r, uint64_t count);
