#pragma once
/* Messages on their way in (mailbox.import): what follows the request on its connection, and what the store
 * gets of it. The request says whose ("address") and from where ("source": "" files, or "user@host:port/mailbox"
 * with "uidvalidity"); behind it come lines, each a JSON object with exactly one of these names:
 *
 *	{"octets":N}		N octets of a message follow the line end, at most MOVE_PIECE_MAX
 *	{"message":{…}}		that was one: "folder", "use", "flags", "received_at" (ms since 1970), "item" (hex: what
 *				the source calls it), "where" (for people)
 *	{"drop":{}}		that was none: forget the octets
 *	{"folder":{…}}		"name", "use": make it when it is not there
 *	{"flags":{…}}		"item", "flags": they have changed at the source
 *	{"seen":{"modseq":N}}	the source has been seen through
 *	{"end":{}}		that was all
 *
 * The answer has rows {"done":N} (so many messages are durable or settled), {"bad":…}, {"note":…} and at the end the
 * sums. When it ends with an error what still comes is read and dropped. */

#include "store/mailbox.h"
#include "store/moved.h"
#include "services/host/ops_priv.h"

#define MOVE_PIECE_MAX  (256 * 1024)
#define MOVE_LINE_MAX   (64 * 1024)
#define MOVE_GROUP      100           /* messages of one commit */
#define MOVE_GROUP_BYTE (1024 * 1024) /* and their octets, about */
#define MOVE_IDLE_NS    CLOCK_HOUR
#define MOVE_FOLDERS    10000

/* ---- ops_move_twin.c: is it there already? ---- */

/* What makes two messages the same for --skip-duplicates: their Message-ID and what stands behind the header
 * section; without a Message-ID, all octets. */
#define MOVE_TWIN_BYTES 16
struct move_twin;
struct move_twin *move_twin_new(void);
void move_twin_free(struct move_twin **t);
void move_twin_begin(struct move_twin *t);
void move_twin_feed(struct move_twin *t, struct span octets);
/** MOVE_TWIN_BYTES of it; valid until it begins anew. */
struct span move_twin_end(struct move_twin *t);
/** Those of all messages of a mailbox, as names of the map. */
FIBER int move_twin_all(
	struct ops_call *c, uint64_t mailbox_id, struct hash_map *all, struct err *e);
