#pragma once
/* The inside of indexer.h, for its files. */

#include <pthread.h>

#include "store/facts_priv.h"
#include "store/indexer.h"
#include "store/store_priv.h"

#define INDEXER_ACCOUNTS_MAX 1024 /* whose changes are remembered; more: all are looked at */
#define INDEXER_TEXT_MAX     (2 * 1024 * 1024) /* octets of text of one batch, about */
#define INDEXER_COUNT_ROUNDS 64                /* what is owed is counted once in so many batches */

struct indexer {
	struct store *s;
	pthread_t thread;
	bool is_running; /* whoever started it */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool is_stopping, is_woken;
	struct indexer_stats stats;
	bool is_all_asked; /* every account may have something new */
	uint64_t asked[INDEXER_ACCOUNTS_MAX];
	size_t asked_count;

	/* the thread's own */
	uint64_t closures; /* the store's, when a batch ended */
	uint64_t writes;   /* our own since then */
	uint64_t rounds;
	uint64_t walk; /* the last account of the walk over all of them */
	bool is_walking;
	struct facts_ref swept; /* how far the look at thread_ref is */
};

/** Wait while others wait for the writer. False: the process ends. */
bool indexer_give_way(struct indexer *x);
/** An account has something new; 0: any may have. */
void indexer_note_account(struct indexer *x, uint64_t account_id);
/** One batch of documents, or of what search has to forget. *is_more_r: there may be more. */
int indexer_make_documents(struct indexer *x, bool *is_more_r, struct err *e);
