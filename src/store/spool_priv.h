#pragma once
/* What the files of the spool share. Moves between states go through spool_move(). */

#include "store/blob.h"
#include "store/deliver.h"
#include "store/spool.h"
#include "store/store_priv.h"

/* What ends a row; continues enum spool_state so that the table of moves has one index. */
enum spool_end {
	SPOOL_END_DELIVERED = SPOOL_STATES,
	SPOOL_END_FAILED,
	SPOOL_END_DROPPED,
	SPOOL_MOVES
};

/* What an administrator wants of a row that is active; done when it is settled. */
enum spool_wish {
	SPOOL_WISH_NONE,
	SPOOL_WISH_HOLD,
	SPOOL_WISH_DROP,
	SPOOL_WISH_NOW,  /* due at once: it was rerouted, edited or given up meanwhile */
	SPOOL_WISH_LOCAL /* its new address is here */
};

#define SPOOL_SLICE          256 /* rows of a reading or changing slice */
#define SPOOL_RCPT_DELAYED   16  /* flags: the first delay notice went out; then the next bits */
#define SPOOL_RCPT_DELAYS    4
#define SPOOL_RCPT_BY_TOLD   256
#define SPOOL_RCPT_GIVEN_UP  512
#define SPOOL_MSG_EXPIRY_SET (1 << 17)
/* The queue knows what it holds while this process lives, and spool_recover_blocking() frees the rest:
 * a clock that is set forward must not give a letter to two carriers. */
#define SPOOL_ACCEPT_LEASE_NS CLOCK_NEVER
#define SPOOL_LEASE_SWEEP     (60 * CLOCK_SEC) /* how often expired leases are looked for */

/** May a row go from one state to another (docs/queue.md)? */
bool spool_may_move(unsigned from, unsigned to);
/** The one place where a row changes state or ends: a move that the table does not have is our
 * bug. */
void spool_move(unsigned from, unsigned to);

/* Bodies that a closure has removed: dropped from memory after the commit. */
struct spool_gone {
	uint64_t *blob_ids;
	size_t count, cap;
};

/* A letter made ready for its closure. */
struct spool_ready {
	struct spool_new *letter;
	struct arena *a;
	struct deliver_head head;
	uint64_t blob_id, octets;
	uint64_t first_rcpt, first_delivery, copy_id;
	size_t remote_count, local_count, row_count; /* rows: what enters queue_rcpt */
	bool is_lease, is_local_now;
};
/** Everything that can be done before the writer has it: body stored when it is large, header
 * scanned, ids made. */
FIBER int spool_prepare(struct store *s, struct arena *a, struct spool_new *letter, bool is_lease,
	struct spool_ready *r, struct err *e);
int spool_accept_tx(struct db *db, struct spool_ready *r, struct err *e);
/** After the commit: the handle on the body, the cache. */
void spool_accepted(struct store *s, struct spool_ready *r);

/** A recipient's row goes; with the last one its message and body. `from` and `to` are the move.
 * False in *is_there_r when the row was gone already. */
int spool_remove_tx(struct db *db, uint64_t rcpt_id, unsigned to, struct spool_gone *gone,
	bool *is_there_r, struct err *e);
/** The columns of a row and its message (spool.c names them) as an item. */
#define SPOOL_ITEM_COLUMNS                                                                         \
	"r.msg_id, m.blob_id, m.blob_octets, m.arrived_ns, m.expires_ns, m.flags, "                \
	"m.reverse_path, m.envid, m.origin, m.peer, m.prefix, r.state, r.next_ns, r.lease_ns, "    \
	"r.attempts, r.flags, r.address, r.orcpt, r.destination, r.last_ns, r.last_code, "         \
	"r.last_enhanced, r.last_text, r.last_host, r.id, r.wish, "                                \
	"m.class, m.by_ns, m.release_ns, r.priority, r.sender, r.rerouted_from, r.prefix, "        \
	"r.held_by, r.held_ns "                                                                    \
	"FROM queue_rcpt r JOIN queue_msg m ON m.id = r.msg_id "
/** What an active row becomes when what was under way has ended and it still has a row. */
enum spool_state spool_wish_state(int64_t wish);
void spool_take_item(struct db_stmt *st, struct arena *a, struct spool_item *it);
/** After the commit: bodies that are gone leave the memory. */
void spool_forget_bodies(struct store *s, const struct spool_gone *gone);
