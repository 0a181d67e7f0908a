#pragma once
/* A letter of the drop directory is handed to our own server over a stream in memory, by SMTP: so it goes
 * the very way of a letter that came by the socket, with all its rules. */

#include "net/stream.h"
#include "services/local/drop.h"

#define LOCAL_HAND_NS    (60 * CLOCK_SEC) /* for each reply */
#define LOCAL_HAND_CHUNK (64 * 1024)

struct local_hand {
	const struct drop *drop;
	const char *hostname;   /* what addresses without a domain get */
	struct work_lane *lane; /* where the file is read */
	struct arena *arena;
	/* results */
	bool is_accepted;
	unsigned code;    /* of the reply that ended it */
	struct span text; /* of it, in the arena */
	size_t refused;   /* recipients that were refused for good, though the others were taken */
	struct span refusal; /* of the last of them */
};
/** Speak. 0: the server has answered, see the results; a 4yz reply anywhere ends it before anything is
 * accepted. -1: it did not answer, or the file could not be read. */
FIBER int local_hand(struct stream *s, struct local_hand *h, struct err *e);
