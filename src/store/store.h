#pragma once
/* The store: what must survive a power cut. One writer thread with group commit, reader
 * connections on threads of their own, numbered migrations, one data directory that is locked.
 * SQL stays inside this floor; services call the typed functions of spool.h, mailbox.h,
 * directory.h, stage.h. All FIBER functions here may be called from any loop thread. */

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "run/fiber.h"

struct store;
struct db; /* store/db/db.h: only inside this floor */

struct store_opts {
	const char *dir;  /* data directory, made (0700) when missing, locked while open */
	const char *vfs;  /* SQLite VFS name, NULL for the default (tests cut the power here) */
	unsigned readers; /* 0: 2 */
	uint64_t stage_disk_max; /* budget of half-received bodies on disk; 0: 4 GiB */
	uint64_t stage_mem_max;  /* and in memory, all connections together; 0: 256 MiB */
	uint64_t wal_max;        /* length at which the log is started over; 0: 64 MiB */
	bool is_fsync_off;       /* tests only */
	const struct log *log;
};

/** Blocking (start-up). ERR_BUSY with the holder's pid when the directory is locked; ERR_VERSION
 * when a newer version wrote it. Migrations run inside one transaction each, after a snapshot
 * `yizhan.db.before-NNN` of the old file. */
struct store *store_open(const struct store_opts *opts, struct err *e);
/** Blocking: waits for the writer to finish what it has, checkpoints, unlocks. */
void store_close(struct store **s);

/** A closure that runs on the writer thread in its own savepoint of the group's transaction. It
 * must be short (under 20 ms: cut long work in slices), must not touch fibers, and is run again
 * from the start after a rollback of the group, so it only writes to its own `arg`. Returning -1
 * rolls back its savepoint alone. store_write returns after the commit is durable. */
typedef int store_fn(struct db *db, void *arg, struct err *e);
FIBER int store_write(struct store *s, const char *name, store_fn *fn, void *arg, struct err *e);
/** Without a fiber: blocks the calling thread (start-up, tools). */
int store_write_blocking(struct store *s, const char *name, store_fn *fn, void *arg, struct err *e);
/** On a reader connection, one snapshot; results go into arg. At most 256 rows or 1 MiB a call. */
FIBER int store_read(struct store *s, const char *name, store_fn *fn, void *arg, struct err *e);
int store_read_blocking(struct store *s, const char *name, store_fn *fn, void *arg, struct err *e);

/** Change feed: fn(arg) runs on the writer thread (in loop_sim on the loop's, before the write
 * returns) after each commit that changed what `topic` names; keep it short (post a message to a
 * loop). */
enum store_topic {
	STORE_QUEUE,
	STORE_DIRECTORY,
	STORE_MAILBOX,
	STORE_DUE, /* what is done at its time: snoozes, submissions, answers of who is away */
	STORE_TOPICS
};
void store_subscribe(struct store *s, enum store_topic topic, void (*fn)(void *arg), void *arg);
/** Grows with each committed directory change (domains, accounts, aliases, routes): caches of
 * router answers are good while it stays. Any thread, cheap. */
uint64_t store_directory_generation(const struct store *s);

/** A new id: time-ordered 63-bit (ms since 2020 << 22 | counter), unique in this store, never 0. */
uint64_t store_new_id(struct store *s);
/** The smallest id of that time, and the time of an id: wall clock, to the millisecond. */
uint64_t store_time_id(int64_t wall_ns);
int64_t store_id_time(uint64_t id);

struct store_stats {
	uint64_t commits, closures, wal_bytes, db_bytes;
	uint64_t stage_mem, stage_disk;
	int64_t last_commit_ns;                         /* duration */
	uint64_t messages, queue_messages, queue_rcpts; /* kept counters, not counted */
};
FIBER int store_stats(struct store *s, struct store_stats *stats_r, struct err *e);

/** Integrity: SQLite's own check, reference counts of bodies, counters of mailboxes, queue
 * invariants, UID order. Calls `finding` for each thing that is wrong (text lives during the
 * call). 0 with *findings_r = 0 means sound. Blocking; give it a lane. */
int store_check(struct store *s, void (*finding)(void *arg, const char *text), void *arg,
	void (*progress)(void *arg, uint64_t done, uint64_t total), uint64_t *findings_r,
	struct err *e);
/** Consistent online copy into a new file, and back (restore refuses a directory in use and keeps
 * what was there as yizhan.db.before-restore). Blocking. */
int store_backup(struct store *s, const char *file,
	void (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct err *e);
int store_restore(const char *dir, const char *file, struct err *e);
