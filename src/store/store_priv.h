#pragma once
/* The store's inside, for the files of this floor. */

#include <pthread.h>
#include <stdatomic.h>

#include "store/db/db.h"
#include "store/mailbox.h"
#include "store/store.h"
#include "store/store_limits.h"

/* ---- for closures on the writer ---- */

/* Counters of the whole store; the numbers are the ids of their rows. */
enum store_counter {
	STORE_COUNT_MESSAGES = 1,
	STORE_COUNT_QUEUE_MESSAGES,
	STORE_COUNT_QUEUE_RCPTS,
	STORE_COUNT_ID_HIGH, /* ids up to here may have been used */
	STORE_COUNTERS
};

/** Add to a counter. Kept in memory and written once a group, in its transaction. */
void store_count(struct db *db, enum store_counter counter, int64_t delta);
/** What the closure changes: subscribers of the topic hear of it after the commit. */
void store_changed(struct db *db, enum store_topic topic);
/** The same for STORE_MAILBOX, and which one (0: the account's names, rights or subscriptions). */
void store_changed_mailbox(struct db *db, uint64_t account_id, uint64_t mailbox_id);
/** The store of a writer's or reader's connection. */
struct store *store_of(const struct db *db);

/* ---- writer.c ---- */

struct writer;
struct writer_job {
	struct writer_job *next;
	const char *name;
	store_fn *fn;
	void *arg;
	void (*done)(struct writer_job *job); /* on the writer's thread, after the commit */
	struct err err;
	int rc;
	bool is_over; /* failed already, waits for the group's end */
	/* loop_sim plays on one thread: what the group changed is told by who waits, not by the
	 * writer's thread. */
	bool is_teller;
	struct store_change *change; /* result, for a teller: his to tell and to free; NULL none */
};

/* What a committed group has changed. */
struct store_change {
	unsigned topics;
	size_t count;
	struct mailbox_notice notices[MAILBOX_NOTICES_MAX];
};

struct writer *writer_new(struct store *s, struct db *db, struct err *e);
/** Runs what is queued, then ends the thread. */
void writer_free(struct writer **w);
/** Any thread. job->done is called exactly once; the job belongs to the writer until then. */
void writer_push(struct writer *w, struct writer_job *job);
/** How many wait for it, about. Any thread. */
size_t writer_waiting(const struct writer *w);
/** Run fn(arg) some time later, nobody waits; done(arg) after it (may be NULL). */
void store_write_later(
	struct store *s, const char *name, store_fn *fn, void *arg, void (*done)(void *arg));

/* ---- readers.c ---- */

struct readers;
struct readers *readers_new(
	struct store *s, const struct db_opts *opts, unsigned count, struct err *e);
void readers_free(struct readers **r);
/** Hold new reads back until readers_open() or the deadline (monotonic), and wait until no read is
 * under way or the deadline. True when none is. */
bool readers_close_gate(struct readers *r, int64_t deadline_ns);
void readers_open_gate(struct readers *r);

/* ---- checkpoint.c ---- */

struct checkpointer;
struct checkpointer *checkpointer_new(struct store *s, const struct db_opts *opts, struct err *e);
/** End its thread: before the writer's, which it may give work to. */
void checkpointer_stop(struct checkpointer *c);
/** After the writer is gone. */
void checkpointer_free(struct checkpointer **c);
/** The writer, after a commit: the log has that many bytes. */
void checkpointer_tell(struct checkpointer *c, uint64_t wal_bytes);
/** Close a descriptor on a thread that may wait (freeing a large file takes milliseconds). */
void store_close_later(struct store *s, int fd);
/** Has it left little to copy since it was asked last? */
bool checkpointer_take_ready(struct checkpointer *c);

/* ---- store.c ---- */

struct mailbox_subscriber {
	mailbox_notice_fn *fn;
	void *arg;
};

struct store_counts {
	int64_t value[STORE_COUNTERS];
};

struct store_subscriber {
	enum store_topic topic;
	void (*fn)(void *arg);
	void *arg;
};

struct store {
	char *dir, *file, *vfs;
	int lock_fd;
	const struct log *log;
	struct db *writer_db;
	struct writer *writer;
	struct readers *readers;
	struct checkpointer *checkpointer;
	struct work_lane *read_lane, *stage_lane, *hash_lane, *facts_lane;
	struct body_cache *bodies;
	struct search *search;          /* search_priv.h */
	struct email_kept *kept_emails; /* email_find.h */
	bool is_fsync_off;

	pthread_mutex_t subscriber_lock;
	struct store_subscriber subscribers[STORE_SUBSCRIBERS_MAX];
	size_t subscriber_count;
	struct mailbox_subscriber mailbox_subscribers[STORE_SUBSCRIBERS_MAX];
	size_t mailbox_subscriber_count;

	atomic_bool is_sweep_queued;
	_Atomic uint64_t last_id;
	_Atomic uint64_t directory_generation;
	_Atomic uint64_t commits, closures, wal_bytes;
	_Atomic int64_t last_commit_ns;
	_Atomic int64_t counts[STORE_COUNTERS];

	int64_t spool_swept_ns; /* when leases were last swept; the writer's alone */

	uint64_t wal_start, wal_max;            /* STORE_WAL_START and _MAX; less in tests */
	_Atomic uint64_t room, room_spoken_for; /* free octets of the disk; bodies on their way */
	atomic_bool is_room_asked;

	uint64_t stage_mem_max, stage_disk_max;
	_Atomic uint64_t stage_mem, stage_disk;
};

/** Take the data directory; the descriptor that holds the lock, or -1 (ERR_BUSY names the holder). */
int store_lock(const char *dir, struct err *e);
/** `count` ids in a row; the first. */
uint64_t store_new_ids(struct store *s, uint64_t count);
/** May `octets` more come in? ERR_FULL (452 4.3.1) when the disk is too full for them; else they
 * count as on their way until store_room_end. Any thread. */
int store_room_begin(struct store *s, uint64_t octets, struct err *e);
void store_room_end(struct store *s, uint64_t octets);
/** The writer, now and then: how much is free. */
void store_look_for_room(struct store *s);
/** The writer, after a commit. */
void store_publish(struct store *s, unsigned topics, const struct mailbox_notice *notices,
	size_t notice_count);
