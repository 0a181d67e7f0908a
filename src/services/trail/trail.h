#pragma once
/* The station log's pen: others tell what happened to a letter, a fiber of each loop writes it down
 * behind them. Telling never waits, never fails and costs no commit of its own; what does not fit is
 * counted as lost. An adviser's room: carriers and readers see it.
 *
 *	struct json_out *j = trail_begin(book, letter->id, TRAIL_DEFERRED, rcpt);
 *	if (j) {
 *		json_kv_span(j, "reply", text);
 *		trail_end(book, talk);
 *	}
 *
 * A book belongs to one loop; it may be NULL: then nothing is written. */

#include "base/json_out.h"
#include "base/log.h"
#include "store/trail.h"

struct trail;
struct trail_book;

#define TRAIL_PENDING_MAX   4096              /* events of one loop that wait to be written */
#define TRAIL_PENDING_BYTES (4 * 1024 * 1024) /* and their octets */
#define TRAIL_WRITE_NS      (200 * CLOCK_MS)  /* how long they gather */
#define TRAIL_SWEEP_NS      (10 * CLOCK_MIN)
#define TRAIL_KEEP_NS       (14 * CLOCK_DAY)

enum trail_talk { TRAIL_TALK_NONE, TRAIL_TALK_FAILURES, TRAIL_TALK_ALL };

struct trail_opts {
	struct store *store;  /* borrowed, like all here */
	unsigned books;       /* loops */
	int64_t keep_ns;      /* how long; 0: nothing is written at all */
	enum trail_talk talk; /* of which attempts the conversation is kept */
	const struct log *log;
};

struct trail *trail_new(const struct trail_opts *opts);
/** After every trail_run has returned. */
void trail_free(struct trail **t);
/** The book of a loop, for those who run on it. NULL when t is, or nothing is kept. */
struct trail_book *trail_book(struct trail *t, unsigned index);
/** Writes the book of this loop down until trail_stop(); that of index 0 also forgets what is old. */
FIBER int trail_run(struct trail *t, unsigned index, struct err *e);
/** On the same loop. What was told before is still written. */
void trail_stop(struct trail *t, unsigned index);
/** Any loop's fiber: wait until what was told so far is in the store (at most a second). */
FIBER void trail_flush(struct trail *t);

enum trail_talk trail_talk(const struct trail_book *b);

/** The id in a Message-ID field's value, as letters are joined by: without angle brackets, comments and
 * folds. Points into `value`; "" when there is none. Pure. */
struct span trail_message_id(struct span value);

/** A letter is ours now. Spans are copied. Does not yield, as all below. */
void trail_letter(struct trail_book *b, const struct trail_letter *letter);
/** Begin an event: an object is open, fill it. NULL: nobody writes. Nothing else of this book may be
 * called before trail_end(). */
struct json_out *trail_begin(
	struct trail_book *b, uint64_t msg_id, enum trail_kind kind, struct span rcpt);
void trail_end(struct trail_book *b, struct span talk);

struct trail_stats {
	uint64_t written, lost, pending;
};
void trail_stats(const struct trail *t, struct trail_stats *stats_r);
