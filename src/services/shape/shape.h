#pragma once
/* Shaping, an adviser: how much at once, how fast, and which replies mean "slow down". What the
 * administrator wrote (store/shape.h) wins over what is built in for the large providers; a more
 * special row wins over a less special one, value by value:
 *
 *	example.org, [host.example]:25	one destination		most special
 *	.example.org			all domains below it, the longest first
 *	mx:.google.com			who has these hosts, the longest first
 *	*				everything else
 *
 * A domain with a row of its own (the first two kinds) is a site of its own: its limits are not those
 * of the provider that it shares hosts with (but for values that its row leaves open).
 *
 * A table is compiled once and never changed: counted (docs/memory.md), used by any thread. */

#include "base/arena.h"
#include "base/gcra.h"
#include "store/shape.h"

struct shape;

/** What is built in, with rows and replies of the store in front (NULL: none); they are copied.
 * `connections` is the configuration's ceiling: '*' has it, and no built-in row allows more. */
struct shape *shape_new(const struct shape_rows *own, unsigned connections);
struct shape *shape_ref(struct shape *s);
void shape_unref(struct shape **s);

/* A value and the row that it comes from. */
struct shape_number {
	unsigned value; /* 0: no limit */
	const struct shape_row *row;
};
struct shape_rate {
	struct gcra_rate rate; /* count 0: no limit */
	const struct shape_row *row;
};
struct shape_limits {
	struct shape_number connections, messages, recipients;
	struct shape_rate connection_rate, message_rate;
};
/** What applies to a destination whose site has the key `key` (struct outbound_way; "" when that is
 * not known). Rows live as long as `s`. */
void shape_find(const struct shape *s, struct span destination, struct span key,
	struct shape_limits *limits_r);
/** Where a source name of a row comes from: "built-in", "yizhan.conf", "yours". */
const char *shape_source(const struct shape *s, const struct shape_row *row);
/** The match of the row that makes a site of its own of this destination; "" when none does. */
struct span shape_apart(const struct shape *s, struct span destination);

/* A pattern: a reply code ("421", "4xx"), an enhanced code ("4.7.x"), both, or none, and text that the
 * reply's contains, '*' between its pieces, capitals or not. "451 4.7.1 *greylist" is a code, an
 * enhanced code and a piece of text. Time grows with the reply's length alone. */
#define SHAPE_PIECES_MAX 8
/** Is it one? ERR_SYNTAX says what is wrong. */
int shape_pattern_check(struct span pattern, struct err *e);
bool shape_pattern_fits(struct span pattern, unsigned code, struct span enhanced, struct span text);
/** The first reply row that fits, or NULL. */
const struct shape_reply *shape_reply_find(const struct shape *s, struct span destination,
	struct span key, unsigned code, struct span enhanced, struct span text);

const char *shape_action_str(enum shape_action a);
bool shape_action_parse(struct span word, enum shape_action *a_r);

/** ERR_SYNTAX, telling which word and what it may be. */
int shape_match_check(struct span match, struct err *e);
int shape_row_check(const struct shape_row *row, struct err *e);

/* For lists: own rows first, then the built-in ones. */
size_t shape_row_count(const struct shape *s);
const struct shape_row *shape_row_at(const struct shape *s, size_t i);
/** Does an own row of the same match stand in front of it, or switch it off? */
bool shape_row_is_hidden(const struct shape *s, const struct shape_row *row);
size_t shape_reply_count(const struct shape *s);
const struct shape_reply *shape_reply_at(const struct shape *s, size_t i);
