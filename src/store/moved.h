#pragma once
/* What has been moved in from files or from another server (docs/moving.md): which item of which source became
 * which message, so that what was interrupted goes on and what is done again doubles nothing. */

#include "store/store.h"

#define MOVED_ITEM_MAX  32   /* octets of an item's name */
#define MOVED_FLAGS_MAX 4096 /* of its flags */
#define MOVED_PAGE      256  /* items at a time */

struct moved_source {
	uint64_t id;
	uint64_t modseq; /* of the other server, when it was last seen through; 0 */
};
/** The source of that name, made when it is not there. Another UIDVALIDITY is another source. */
FIBER int moved_source(struct store *s, uint64_t account_id, struct span name, uint32_t uidvalidity,
	struct moved_source *source_r, struct err *e);
/** It has been seen through. */
FIBER int moved_seen(struct store *s, uint64_t source_id, uint64_t modseq, struct err *e);

struct moved_item {
	struct span item;
	struct span flags;   /* parted by blanks */
	uint64_t message_id; /* 0: it is not known */
	/* where that message is now; 0: it is gone */
	uint64_t mailbox_id;
	uint32_t uid;
};
/** Fill in all but `item` of at most MOVED_PAGE items; spans in `a`. */
FIBER int moved_look(struct store *s, struct arena *a, uint64_t source_id, struct moved_item *items,
	size_t count, struct err *e);
/** Items behind `after` in their order, at most MOVED_PAGE, without where they are; spans in `a`. */
FIBER int moved_list(struct store *s, struct arena *a, uint64_t source_id, struct span after,
	struct moved_item **list_r, size_t *count_r, struct err *e);
/** Note an item, or its flags anew; on the writer (mailbox_append.also). */
struct db;
int moved_put_tx(struct db *db, uint64_t source_id, const struct moved_item *item, struct err *e);
/** Note at most MOVED_PAGE of them. */
FIBER int moved_put(struct store *s, uint64_t source_id, const struct moved_item *items,
	size_t count, struct err *e);

/** The account is gone: a slice of what was noted; *is_more_r: call again. On the writer. */
int moved_purge_tx(struct db *db, uint64_t account_id, size_t max, bool *is_more_r, struct err *e);
