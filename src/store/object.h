#pragma once
/* What changed of an account's objects that are no messages (identities, submissions, contacts, settings,
 * mailboxes' names and rights …), in one order with everything else of it: the account's MODSEQ. One row an
 * object, kept after its end. Emails and threads have their own (store/email.h). */

#include "store/db/db.h"
#include "store/store.h"

/* The numbers are in the store: only append. id, name as JMAP has it */
#define OBJECT_KINDS(X)                                                                            \
	X(MAILBOX,                                                                                 \
		"Mailbox") /* name, parent, role, subscription, rights; counters: store/email.h */ \
	X(IDENTITY, "Identity")                                                                    \
	X(SUBMISSION, "EmailSubmission")                                                           \
	X(VACATION, "VacationResponse")                                                            \
	X(PUSH, "PushSubscription")                                                                \
	X(QUOTA, "Quota")                                                                          \
	X(TRACE, "Trace")                                                                          \
	X(CONTACT, "Contact")                                                                      \
	X(SETTINGS, "WebSettings")                                                                 \
	X(SESSION, "Session") /* of the page; app passwords with them */                           \
	X(SNOOZE, "Snooze")
enum object_kind {
#define X(id, name) OBJECT_##id,
	OBJECT_KINDS(X)
#undef X
		OBJECT_KIND_COUNT
};
const char *object_kind_str(enum object_kind k);

enum object_how { OBJECT_CREATED, OBJECT_UPDATED, OBJECT_DESTROYED };

/** In the closure that changes it: the account's MODSEQ moves, and whoever watches the account hears of it
 * (store_changed_mailbox with mailbox 0). *modseq_r may be NULL. An object that was never told of counts as
 * created by its first change. */
int object_changed_tx(struct db *db, uint64_t account_id, enum object_kind kind, uint64_t object_id,
	enum object_how how, int64_t *modseq_r, struct err *e);
/** With an account's end, in slices; *left_r: call again. */
int object_purge_tx(struct db *db, uint64_t account_id, bool *left_r, struct err *e);

/** The MODSEQ at which something of that kind changed last; 0 never. */
FIBER int object_state(struct store *s, uint64_t account_id, enum object_kind kind,
	uint64_t *modseq_r, struct err *e);
/** Of all kinds in one read: states_r has OBJECT_KIND_COUNT places. */
FIBER int object_states(struct store *s, uint64_t account_id, uint64_t *states_r, struct err *e);

struct object_change {
	uint64_t id, modseq;
	enum object_how how; /* created and gone since: left out */
};
#define OBJECT_CHANGES_MAX 10000
/** In the order of MODSEQs behind `since`, at most max (0: OBJECT_CHANGES_MAX). *upto_r: the state that the list
 * leads to; *is_more_r: there is more behind it. What is new stands at the MODSEQ of its beginning. ERR_STATE: `since`
 * lies in the future, or more than OBJECT_CHANGES_MAX have changed since. Lives in `a`. */
FIBER int object_changes(struct store *s, struct arena *a, uint64_t account_id,
	enum object_kind kind, uint64_t since, size_t max, struct object_change **list_r,
	size_t *count_r, uint64_t *upto_r, bool *is_more_r, struct err *e);
