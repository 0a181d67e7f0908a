#pragma once
/* The inside of indexer.h, for its files. */

#include <pthread.h>

#include "store/facts_priv.h"
#include "store/indexer.h"
#include "store/store_priv.h"

#define INDEXER_COUNT_ROUNDS 64 /* what is owed is counted once in so many batches */

struct indexer {
	struct store *s;
	pthread_t thread;
	bool is_running; /* whoever started it */

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	bool is_stopping, is_woken;
	struct indexer_stats stats;

	/* the thread's own */
	uint64_t closures; /* the store's, when a batch ended */
	uint64_t writes;   /* our own since then */
	uint64_t rounds;
};

/** Wait while others wait for the writer. False: the process ends. */
bool indexer_give_way(struct indexer *x);
