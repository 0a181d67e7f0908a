#pragma once
/* Emails that were put off: until when, and into which mailbox they come back. They lie in the mailbox Snoozed
 * meanwhile; one that was taken out of it by hand is forgotten. */

#include "store/store.h"

#define SNOOZE_NAME "Snoozed" /* the mailbox */

struct snooze {
	uint64_t account_id; /* snooze_due alone */
	uint64_t email_id;
	int64_t until_ns; /* 0: none */
	uint64_t mailbox_id;
};
struct snooze_list {
	uint64_t account_id;
	const struct snooze *rows;
	size_t count;
};
/** Set each, or forget it (until_ns 0), within a transaction. arg: const struct snooze_list. */
int snooze_set_tx(struct db *db, void *arg, struct err *e);
/** In the order of `ids`; until_ns 0: it is none. At most 500. */
FIBER int snooze_get(struct store *s, uint64_t account_id, const uint64_t *ids, size_t count,
	struct snooze *list_r, struct err *e);
/** Those that are due, oldest first, in `a`, at most 256; *next_ns_r: when the next one is (CLOCK_NEVER). */
FIBER int snooze_due(struct store *s, struct arena *a, int64_t now_ns, struct snooze **list_r,
	size_t *count_r, int64_t *next_ns_r, struct err *e);
/** It comes back: its copies go out of the mailbox Snoozed, and one lies in its mailbox (INBOX when that is gone),
 * without \Seen, as if it had come now: a new Email of the same thread. Nothing but an end of the row when it is
 * not in Snoozed any more. */
FIBER int snooze_wake(struct store *s, const struct snooze *row, int64_t now_ns, struct err *e);
