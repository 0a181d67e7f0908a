#pragma once
/* Shaping as administrators have written it: rows that win over the built-in ones, and replies that
 * mean more than their code. services/shape has what is built in, and decides which row wins.
 *
 * A change moves store_directory_generation(). Every function here may be called from any loop. */

#include "store/store.h"

#define SHAPE_MATCH_MAX   300
#define SHAPE_PATTERN_MAX 200
#define SHAPE_NOTE_MAX    200
#define SHAPE_NUMBER_MAX  100000
#define SHAPE_ROWS_MAX    2000 /* of each table */
#define SHAPE_PAUSE_MAX   (7 * CLOCK_DAY)

/* What is said of a destination. -1, "": as the next less special row says. */
struct shape_row {
	/* "example.org", ".example.org" (all below it), "mx:.google.com" (whose hosts these are),
	 * "[host.example]:25" and the other forms of a fixed next hop, "*" */
	struct span match;
	int connections;
	struct span connection_rate, message_rate; /* "100/1m" (base/gcra.h), "none" */
	int messages;                              /* on a connection */
	int recipients;                            /* in a transaction */
	bool is_off; /* the built-in row of this match does not count */
	struct span note;
	bool is_builtin;
};

/* X(id, word, help) */
#define SHAPE_ACTIONS(X)                                                                           \
	X(NONE, "none", "it means no more than its code")                                          \
	X(FEWER, "fewer", "half of the connections for that long")                                 \
	X(SLOW, "slow", "one connection, and fewer letters a minute with each such reply")         \
	X(SUSPEND, "suspend", "nothing is sent there for that long")                               \
	X(NEXT, "next-host", "this host is the last choice for that long")                         \
	X(LATER, "temporary", "a 5xx is treated as a 4xx")                                         \
	X(SOON, "soon", "the letter is tried again after at most that long")
enum shape_action {
#define X(id, word, help) SHAPE_##id,
	SHAPE_ACTIONS(X)
#undef X
		SHAPE_ACTION_COUNT
};

struct shape_reply {
	uint64_t n;          /* its place; the lowest that fits is taken */
	struct span match;   /* as a row's */
	struct span pattern; /* services/shape/shape.h */
	enum shape_action action;
	int64_t pause_ns;
	struct span note;
	bool is_builtin;
};

struct shape_rows {
	struct shape_row *rows;
	size_t count;
	struct shape_reply *replies;
	size_t reply_count;
};

/** All there is; lives in `a`. */
FIBER int shape_load(struct store *s, struct arena *a, struct shape_rows *rows_r, struct err *e);
/** Replaces the row of its match. The caller has looked at the words. ERR_LIMIT: too many rows. */
FIBER int shape_row_set(struct store *s, const struct shape_row *row, struct err *e);
FIBER int shape_row_remove(struct store *s, struct span match, struct err *e); /* ERR_NOT_FOUND */
/** `r->n` 0: behind all others; `*n_r` is its place. */
FIBER int shape_reply_set(
	struct store *s, const struct shape_reply *r, uint64_t *n_r, struct err *e);
FIBER int shape_reply_remove(struct store *s, uint64_t n, struct err *e); /* ERR_NOT_FOUND */
