#pragma once
/* What was handed in for sending by JMAP (EmailSubmission, RFC 8621 section 7), and the identities that may be
 * written under (section 6). A submission remembers its letter in the queue; what becomes of that is told by
 * the spool and the station log, and each move of it is a change of the submission (store/object.h). */

#include "store/db/db.h"
#include "store/store.h"

#define OUTBOX_GET_MAX    500
#define OUTBOX_LIST_MAX   10000 /* submissions of an account that a query looks through, the newest */
#define OUTBOX_NEAR_NS    (3 * CLOCK_SEC)
#define OUTBOX_NEAR_MAX   64
#define OUTBOX_IDENTITIES 200 /* of an account */

/* The numbers are in the store. */
enum outbox_undo { OUTBOX_PENDING, OUTBOX_FINAL, OUTBOX_CANCELED };

struct outbox_row {
	uint64_t id, account_id, identity_id, email_id, thread_id, msg_id;
	struct span envelope, replies; /* JSON */
	int64_t send_at_ns, created_ns;
	enum outbox_undo undo;
};
/** For the closure that accepts its letter. */
int outbox_add_tx(struct db *db, const struct outbox_row *row, uint64_t msg_id, struct err *e);
/** In the order of `ids`, at most OUTBOX_GET_MAX; id 0: it is not there. Lives in `a`. */
FIBER int outbox_get(struct store *s, struct arena *a, uint64_t account_id, const uint64_t *ids,
	size_t count, struct outbox_row *list_r, struct err *e);
/** All of an account, the newest first, without envelope and replies; at most OUTBOX_LIST_MAX. */
FIBER int outbox_list(struct store *s, struct arena *a, uint64_t account_id,
	struct outbox_row **list_r, size_t *count_r, struct err *e);
FIBER int outbox_remove(
	struct store *s, uint64_t account_id, uint64_t id, bool *was_there_r, struct err *e);
/** Take it back: its letter leaves the queue, as long as all of it waits there for its time. *is_done_r false:
 * some of it is on its way, or more. */
FIBER int outbox_cancel(struct store *s, uint64_t account_id, uint64_t id, int64_t now_ns,
	bool *is_done_r, struct err *e);
/** Those whose time has come are final. *next_ns_r: when the next one is (CLOCK_NEVER). */
FIBER int outbox_tick(struct store *s, int64_t now_ns, int64_t *next_ns_r, struct err *e);
/** What lies in a mailbox for scheduled letters (\Scheduled) and is on its way by now; at most
 * OUTBOX_OVER_MAX, in `a`. */
#define OUTBOX_OVER_MAX 256
struct outbox_over {
	uint64_t account_id, mailbox_id;
	uint32_t uid;
};
FIBER int outbox_over(struct store *s, struct arena *a, struct outbox_over **list_r,
	size_t *count_r, struct err *e);
/** From there into the account's mailbox for what is sent (\Sent; made where there is none). */
FIBER int outbox_to_sent(struct store *s, const struct outbox_over *o, struct err *e);
/** For the queue's closures: something has become of the letter. It is final then. */
int outbox_moved_tx(struct db *db, uint64_t msg_id, struct err *e);

/** Emails of the account that were delivered within seconds behind a letter (a report, say) was made: those that it
 * may be. At most 64, in `a`. */
FIBER int outbox_near(struct store *s, struct arena *a, uint64_t account_id, uint64_t msg_id,
	uint64_t **ids_r, size_t *count_r, struct err *e);

struct outbox_identity {
	uint64_t id, account_id;
	struct span name, email;
	struct span reply_to, bcc; /* JSON, EmailAddress[]; "" none */
	struct span text_signature, html_signature;
	bool may_delete;
	int rank;
};
/** Of an account, in the order of rank and id; in `a`. */
FIBER int outbox_identities(struct store *s, struct arena *a, uint64_t account_id,
	struct outbox_identity **list_r, size_t *count_r, struct err *e);
/** Add those (ids given) if the account has none at all. */
FIBER int outbox_identities_first(struct store *s, uint64_t account_id,
	const struct outbox_identity *list, size_t count, struct err *e);
/** Insert or replace. ERR_LIMIT: too many. */
FIBER int outbox_identity_put(
	struct store *s, const struct outbox_identity *identity, bool is_new, struct err *e);
FIBER int outbox_identity_remove(
	struct store *s, uint64_t account_id, uint64_t id, bool *was_there_r, struct err *e);
