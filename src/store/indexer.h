#pragma once
/* The indexer: one thread of a process that makes, behind the mail, what readers would else wait for:
 * facts and threads first (facts.h), then search documents (search.h). It begins with what is owed
 * (old mail after an update, what came before a crash) and is woken by the change feed.
 *
 * It never stands in the way of mail that moves: it runs at a low priority, hands the writer a few
 * milliseconds at a time, waits while others wait for the writer, and while mail is coming in it rests
 * INDEXER_REST times as long as it worked. Readers do not depend on it: who needs facts that are not
 * there makes them at once, and what search does not know yet is looked at itself.
 *
 * There is no harm in running none (tools, tests). Any thread unless said otherwise. */

#include "store/store.h"

#define INDEXER_BATCH    32 /* messages of one closure */
#define INDEXER_NICE     10
#define INDEXER_REST     9                /* while mail is moving: a tenth of its time at most */
#define INDEXER_REST_MAX (500 * CLOCK_MS) /* of one rest */
#define INDEXER_GATHER   (100 * CLOCK_MS) /* mail that comes within it is one batch, one commit */
#define INDEXER_RETRY    (1 * CLOCK_SEC)  /* behind an error (a full disk) */
#define INDEXER_LOOK     (60 * CLOCK_SEC) /* without being woken */
#define INDEXER_WAIT_MAX (200 * CLOCK_MS) /* for the writer's queue to be empty */

struct indexer;

struct indexer_stats {
	uint64_t facts, threads, documents; /* made since the start */
	uint64_t missing_facts;             /* messages whose facts or thread are owed */
	uint64_t missing_documents;         /* that search does not know yet */
	int64_t busy_ns;                    /* work since the start */
	bool is_resting;                    /* mail is moving: it waits */
	bool is_idle;                       /* nothing is left to do */
};

/** Starts its thread. Before the loops run; `s` is borrowed. */
struct indexer *indexer_new(struct store *s, struct err *e);
/** Ends its thread: what is under way is finished, the rest is owed to the next start. Before the store
 * is closed. Blocks for a batch at most. */
void indexer_stop(struct indexer *x);
/** After the store is closed (its change feed calls until then). NULL inside is allowed. */
void indexer_free(struct indexer **x);
void indexer_stats(struct indexer *x, struct indexer_stats *stats_r);
/** Something was forgotten (search_rebuild): look at every account. */
void indexer_look_again(struct indexer *x);
