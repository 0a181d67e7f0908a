#pragma once
/* The station log: what happened to each letter, joined by queue id and Message-ID. It is written
 * behind the mail, never before it: a power cut may take its last second, and nothing but the log.
 * services/trail gathers what is to be written. */

#include "store/store.h"

#define TRAIL_FACTS_MAX      8192 /* octets of an event's facts (JSON) */
#define TRAIL_TALK_MAX       8192 /* of a conversation */
#define TRAIL_TALK_TIME      '\t' /* in its lines: behind it, ms since the first one */
#define TRAIL_MESSAGE_ID_MAX 998  /* RFC 5322 section 2.1.1; a longer one is not joined by */
#define TRAIL_SLICE          256  /* rows that one closure writes, reads or sweeps */

/* What may happen. The numbers are in the store: only append. */
#define TRAIL_KINDS(X)                                                                             \
	X(ACCEPTED, "accepted")                                                                    \
	X(REFUSED, "refused")                                                                      \
	X(ROUTED, "routed")                                                                        \
	X(STORED, "stored")       /* in a mailbox here */                                          \
	X(DELIVERED, "delivered") /* the next hop has it */                                        \
	X(DEFERRED, "deferred")                                                                    \
	X(FAILED, "failed")                                                                        \
	X(REPORTED, "reported") /* its sender was told */                                          \
	X(COPIED, "copied")     /* a list sent it on */                                            \
	X(CHANGED, "changed")   /* by an administrator */
enum trail_kind {
#define X(id, text) TRAIL_##id,
	TRAIL_KINDS(X)
#undef X
		TRAIL_KIND_COUNT
};
/** "?" for a number that is none. */
const char *trail_kind_str(enum trail_kind k);

/* A letter. */
struct trail_letter {
	uint64_t msg_id;
	uint64_t parent_id;     /* the letter that it came from; 0 */
	struct span message_id; /* without angle brackets; "" */
	int64_t at_ns;          /* wall */
	uint64_t owner_id;      /* the account that sent it; 0: none, as far as it is known */
};
struct trail_event {
	uint64_t id; /* store_new_id(): time and order */
	uint64_t msg_id;
	enum trail_kind kind;
	struct span rcpt;  /* "": the whole letter */
	struct span facts; /* a JSON object */
	struct span talk;  /* the conversation, "C: …" and "S: …" lines with their times; "" */
};

/** Wall clock of an event, from its id. */
int64_t trail_time(uint64_t id);

/** In closures of TRAIL_SLICE rows. A letter that is there already stays as it is. What happens to a letter with
 * an owner is a change of his OBJECT_TRACE (store/object.h). */
FIBER int trail_write(struct store *s, const struct trail_letter *letters, size_t letter_count,
	const struct trail_event *events, size_t event_count, struct err *e);
/** Letters with that Message-ID, oldest first, at most TRAIL_SLICE. */
FIBER int trail_find(struct store *s, struct arena *a, struct span message_id,
	struct trail_letter **list_r, size_t *count_r, struct err *e);
/** One letter; ERR_NOT_FOUND. */
FIBER int trail_get(struct store *s, struct arena *a, uint64_t msg_id,
	struct trail_letter *letter_r, struct err *e);
/** An account's own letters behind (older than) `before_id` (0: from the newest on), at most TRAIL_SLICE. */
FIBER int trail_owned(struct store *s, struct arena *a, uint64_t owner_id, uint64_t before_id,
	struct trail_letter **list_r, size_t *count_r, struct err *e);

/* How letters of an account stand, by Message-ID: what a list of sent mail shows. */
struct trail_standing {
	struct span message_id; /* in */
	uint64_t msg_id;        /* results; 0: the log has none of that id which is the account's */
	unsigned waiting;       /* recipients in the queue */
	unsigned tried;         /* of them: those that an attempt was made for */
	unsigned failed;
};
#define TRAIL_STANDING_MAX 256
FIBER int trail_standings(struct store *s, uint64_t owner_id, struct trail_standing *list,
	size_t count, struct err *e);
/** Letters that came from it (reports, copies of a list), at most TRAIL_SLICE. */
FIBER int trail_children(struct store *s, struct arena *a, uint64_t msg_id,
	struct trail_letter **list_r, size_t *count_r, struct err *e);
/** Its events behind `after_id`, in order, at most TRAIL_SLICE. */
FIBER int trail_events(struct store *s, struct arena *a, uint64_t msg_id, uint64_t after_id,
	struct trail_event **list_r, size_t *count_r, struct err *e);
/** Letters and events older than `before_ns` (wall) go, a slice of each; *left_r: call again. */
FIBER int trail_sweep(struct store *s, int64_t before_ns, bool *left_r, struct err *e);
