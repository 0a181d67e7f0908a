#pragma once
/* Named limits of the store. */

#include "base/clock.h"

#define STORE_GROUP_MAX        256             /* closures in one transaction */
#define STORE_SLICE_WARN_NS    (20 * CLOCK_MS) /* a closure that runs longer is told to the log */
#define STORE_READERS          2               /* reader connections and their threads */
#define STORE_READERS_MAX      16
#define STORE_READ_QUEUE_MAX   4096 /* reads that wait; then ERR_BUSY */
#define STORE_PAGE_ROWS        256  /* rows of one read */
#define MAILBOX_SLICE          16   /* messages that one closure changes or expunges */
#define STORE_HASH_THREADS_MAX 16   /* password verifiers: one a core, at most so many */
#define STORE_HASH_NICE        10   /* mail that moves goes first */
#define STORE_HASH_QUEUE_MAX   256
#define STORE_STAGE_THREADS    1
#define STORE_STAGE_QUEUE_MAX  4096

/* The log (WAL): from _START_PART eighths of _MAX on the checkpointer copies pages back beside the
 * writer, and tells it when little is left (_REST, or after _PASSES). Then, and at _MAX in any case,
 * the writer holds new readers back, for at most _HOLD, copies the rest and starts the log over.
 * When a reader stays longer it tries again when a quarter of _MAX was added. */
#define STORE_WAL_START_PART 5 /* eighths of _MAX */
#define STORE_WAL_START_OF   8
#define STORE_WAL_MAX        (64ULL << 20)
#define STORE_WAL_REST       (2ULL << 20)
#define STORE_WAL_PASSES     4
#define STORE_WAL_HOLD       (200 * CLOCK_MS)
#define STORE_WAL_IDLE       (1 * CLOCK_SEC) /* without a commit: copy back what there is */

#define STORE_BODY_CACHE     (64ULL << 20) /* bodies just accepted, kept for their delivery */
#define STORE_STAGE_DISK_MAX (4ULL << 30)
#define STORE_STAGE_MEM_MAX  (256ULL << 20)

#define STORE_SUBSCRIBERS_MAX 32
#define STORE_ID_AHEAD_MS     10000 /* ids are reserved that far ahead (clocks may jump back) */

/* Free pages beyond _KEEP go back to the file system, _SLICE octets at a time, when nothing was
 * committed for a second: mail that is coming in finds pages that are there already. */
#define STORE_SHRINK_KEEP  (64ULL << 20)
#define STORE_SHRINK_SLICE (2ULL << 20)

/* New mail is refused (452 4.3.1) while less is free than the log would need to be copied back, and
 * this beside it: what is there can always be delivered, dropped and expunged. */
#define STORE_ROOM_MIN   (16ULL << 20)
#define STORE_ROOM_CHECK (10 * CLOCK_MS) /* how often the writer looks */
