#pragma once
/* The inside of the search door: the file, its connections, what a page of work looks like. */

#include <pthread.h>
#include <stdatomic.h>

#include "store/db/db.h"
#include "store/search_match.h"
#include "store/search_token.h"
#include "store/store_priv.h"

#define SEARCH_READERS        2
#define SEARCH_LANE_QUEUE     4096
#define SEARCH_NUMBER_BITS    40 /* of n; the account's number stands above */
#define SEARCH_N_MAX          ((1ULL << SEARCH_NUMBER_BITS) - 1)
#define SEARCH_FIND_ROWS      32768           /* of one read */
#define SEARCH_FIND_WINDOW    (1ULL << 22)    /* numbers of one read */
#define SEARCH_VERIFY_NS      (10 * CLOCK_MS) /* one read looks at texts no longer */
#define SEARCH_VERIFY_TEXTS   16              /* that a thread takes at once */
#define SEARCH_DROP_SLICE     64              /* documents of one transaction that forgets */
#define SEARCH_WAL_FRAMES     1024            /* then the log is copied back */
#define SEARCH_PAGE_SIZE      16384 /* kept texts are of some KB: fewer holes than in smaller pages */
#define SEARCH_ROOM_PER_OCTET 4     /* of the disk, about, for an octet of text */

struct search_reader {
	struct db *db;
	struct search_packer *packer;
};

struct search {
	struct store *s;
	char *file;
	struct work_lane *lane;
	/* shared by who uses connections, alone by who opens and closes them */
	pthread_rwlock_t lock;
	bool is_open;
	atomic_bool is_damaged;

	pthread_mutex_t writer_lock;
	struct db *writer;
	struct search_packer *packer; /* the writer's */

	pthread_mutex_t pool_lock;
	pthread_cond_t pool_changed;
	struct search_reader readers[SEARCH_READERS];
	struct search_reader *idle[SEARCH_READERS];
	size_t idle_count;
};

/** With the store; opens nothing yet. */
struct search *search_new(struct store *s);
void search_free(struct search **x);

/* A closure inside a transaction, as in store.h. */
typedef int search_fn(struct search *x, struct db *db, void *arg, struct err *e);
int search_write(struct store *s, search_fn *fn, void *arg, struct err *e);
typedef int search_read_fn(struct search_reader *r, void *arg, struct err *e);
int search_read(struct store *s, search_read_fn *fn, void *arg, struct err *e);

/** The number of an account here, 0 when it has none, and its marker. */
int search_number(
	struct db *db, uint64_t account_id, uint64_t *number_r, uint64_t *upto_r, struct err *e);

static inline int64_t search_id(uint64_t number, uint64_t n)
{
	return (int64_t)(number << SEARCH_NUMBER_BITS | n);
}
