#pragma once
/* Inside the mailboxes' room: for closures on the writer and on readers. */

#include "store/db/db.h"
#include "store/facts.h"
#include "store/mailbox.h"
#include "store/object.h"
#include "store/store_priv.h"

#define MAILBOX_COLUMNS                                                                            \
	"id, account_id, name, uidvalidity, uidnext, highest_modseq, messages, unseen, octets, "   \
	"deleted, deleted_octets, special_use"
#define MAILBOX_COLUMN_TYPES "iitiiiiiiiit"
/** The columns of the current row, which begin with MAILBOX_COLUMNS. */
void mailbox_info_cols(struct arena *a, struct db_stmt *st, struct mailbox_info *m);
int mailbox_find_tx(struct db *db, struct arena *a, uint64_t account_id, struct span folder,
	struct mailbox_info *info_r, bool *is_found_r, struct err *e);
int mailbox_by_id_tx(struct db *db, struct arena *a, uint64_t mailbox_id,
	struct mailbox_info *info_r, bool *is_found_r, struct err *e);

/** In `a`. */
struct span mailbox_spanf(struct arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
struct span mailbox_lower(struct arena *a, struct span text); /* ASCII letters */

/** Members of a team or group came, went or may something else now: what they see has changed. */
int mailbox_circle_changed_tx(struct db *db, uint64_t account_id, struct err *e);
/** What a name leads to for somebody, whatever his rights are. */
int mailbox_seen_tx(struct db *db, struct arena *a, uint64_t account_id, struct span seen_name,
	struct mailbox_info *info_r, bool *is_found_r, struct err *e);

/** With missing parents; rights of the nearest parent are copied. ERR_EXISTS, ERR_LIMIT. */
int mailbox_make_tx(struct db *db, struct arena *a, uint64_t account_id, struct span name,
	struct span special_use, uint64_t *id_r, struct err *e);
/** The special mailboxes of a new account, and what it is subscribed to. */
int mailbox_special_tx(struct db *db, struct arena *a, uint64_t account_id, struct err *e);

/* MESSAGE_ROW, then what is wanted: the head, the facts, the parts. */
#define MESSAGE_ROW                                                                                \
	"m.id, m.blob_id, m.blob_octets, m.uid, m.modseq, m.size, m.flags, m.received_ns, m.n, "   \
	"m.email_id, m.thread_id, m.saved_ns, m.keywords"
#define MESSAGE_ROW_TYPES   "iiiiiiiiiiiit"
#define MESSAGE_ROW_COUNT   13
#define MESSAGE_HEAD        ", m.subject, m.sender, m.prefix"
#define MESSAGE_HEAD_COUNT  3
#define MESSAGE_FACTS       ", " FACTS_COLUMNS
#define MESSAGE_PARTS       ", " FACTS_COLUMNS_PARTS
#define MESSAGE_FACTS_TABLE " LEFT JOIN body_fact f ON f.blob_id = m.blob_id"
/** A row of message (AS m) that begins with these columns; want: HEAD, FACTS, PARTS. */
void mailbox_msg_cols(struct arena *a, struct db_stmt *st, unsigned want, struct mailbox_msg *m);
/** Its body whole, in `a`. */
int mailbox_body_tx(struct db *db, struct arena *a, struct mailbox_msg *m, struct err *e);
/** How much of a page it takes, without its body. */
size_t mailbox_msg_weight(const struct mailbox_msg *m);

/* What a closure has taken out of a mailbox, or put into it: written once, at its end. */
struct mailbox_tally {
	int64_t modseq; /* 0: not moved yet */
	int64_t messages, unseen, octets, deleted, deleted_octets;
};
/** Take one message out: a tombstone, and with `keeps` a row of `expunged` that holds its body, else the
 * body's reference is given back. Nothing when it is not there (*is_gone_r false). */
int mailbox_take_out_tx(struct db *db, uint64_t mailbox_id, uint32_t uid, bool keeps,
	int64_t now_ns, struct mailbox_tally *t, bool *is_gone_r, struct err *e);
/** Mailbox, account and store as the tally says; who watches hears of it. */
int mailbox_tally_tx(
	struct db *db, uint64_t mailbox_id, const struct mailbox_tally *t, struct err *e);
/** After something was added: ERR_FULL when the account is over its quota now. */
int mailbox_room_tx(struct db *db, uint64_t account_id, struct err *e);
/** Keywords as they are kept in a row, blanks between; new ones are registered with the mailbox. ERR_LIMIT. */
int mailbox_keywords_tx(struct db *db, struct arena *a, uint64_t mailbox_id,
	const struct span *keywords, size_t count, struct span *joined_r, struct err *e);

/** What the functions without _tx do, within one transaction. mailbox_copy_tx: with -1 and *is_over_quota_r the
 * fiber is to be told mailbox_over_quota (always -1): the writer takes ERR_FULL as the disk's. */
int mailbox_store_flags_tx(struct db *db, struct mailbox_store *op, struct err *e);
int mailbox_copy_tx(struct db *db, struct mailbox_copy *op, int64_t now_ns, bool *is_over_quota_r,
	struct err *e);
int mailbox_expunge_tx(struct db *db, struct mailbox_expunge_op *op, int64_t now_ns, struct err *e);
int mailbox_over_quota(struct err *e);

/** A new MODSEQ of the mailbox's account. ERR_NOT_FOUND. */
int mailbox_bump_tx(struct db *db, uint64_t mailbox_id, int64_t *modseq_r, struct err *e);

/* How far a walk through UID ranges (ascending) is. */
struct uid_cursor {
	size_t at;
	uint32_t after; /* the last UID that was seen */
};
/** What is left of the range that the cursor stands in, or of the next one; false at the end. */
bool uid_cursor_range(struct uid_cursor *c, const struct uid_range *ranges, size_t count,
	struct uid_range *range_r);
/** Each UID as a range, ascending, in `a`. */
struct uid_range *uid_ranges_of(struct arena *a, const uint32_t *uids, size_t count);

/* ---- mailbox_told.c: changes of mailboxes themselves (object.h) ---- */

int mailbox_told_tx(struct db *db, uint64_t account_id, uint64_t mailbox_id, enum object_how how,
	struct err *e);
/** Of the mailbox that he sees under that name, if there is one. */
int mailbox_told_named_tx(struct db *db, uint64_t account_id, struct span name, struct err *e);
/** All below a name that came or went: their parent is another one. */
int mailbox_told_below_tx(
	struct db *db, struct arena *a, uint64_t account_id, struct span name, struct err *e);
