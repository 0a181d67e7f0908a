#pragma once
/* Mailboxes: folders of an account, messages with UID, MODSEQ and flags, laid out for IMAP
 * CONDSTORE and QRESYNC: MODSEQ is one counter an account; expunged UIDs leave tombstones with
 * their MODSEQ; counters (messages, unseen, octets) are kept in the transaction that changes them. */

#include "store/body.h"

enum mailbox_flag {
	MAILBOX_SEEN = 1,
	MAILBOX_ANSWERED = 2,
	MAILBOX_FLAGGED = 4,
	MAILBOX_DELETED = 8,
	MAILBOX_DRAFT = 16
};

struct mailbox_info {
	uint64_t id, account_id;
	struct span name; /* UTF-8, "/" between levels; "INBOX" always there */
	uint32_t uidvalidity, uidnext;
	uint64_t highest_modseq;
	uint64_t messages, unseen, octets;
};

struct mailbox_msg {
	uint64_t id, blob_id, blob_len;
	uint32_t uid;
	uint64_t modseq, size; /* size = prefix + body */
	unsigned flags;
	struct span keywords; /* space-separated, "" none */
	int64_t received_ns;  /* INTERNALDATE, wall */
	struct span prefix;
	struct span subject; /* decoded at delivery, UTF-8, cut at 256 octets */
	struct span from;    /* the From field's text, decoded, cut at 256 */
};

FIBER int mailbox_folders(struct store *s, struct arena *a, uint64_t account_id,
	struct mailbox_info **list_r, size_t *count_r, struct err *e);
FIBER int mailbox_find(struct store *s, struct arena *a, uint64_t account_id, struct span folder,
	struct mailbox_info *info_r, struct err *e); /* ERR_NOT_FOUND */
/** Messages with uid > after_uid in UID order, at most max (0: 256). */
FIBER int mailbox_list(struct store *s, struct arena *a, uint64_t mailbox_id, uint32_t after_uid,
	size_t max, struct mailbox_msg **list_r, size_t *count_r, struct err *e);
FIBER int mailbox_message(struct store *s, struct arena *a, uint64_t mailbox_id, uint32_t uid,
	struct mailbox_msg *msg_r, struct err *e);
/** Set (add) or clear flags of the UIDs; *modseq_r is the new MODSEQ. In slices. */
FIBER int mailbox_flags(struct store *s, uint64_t mailbox_id, const uint32_t *uids, size_t count,
	unsigned add, unsigned remove, uint64_t *modseq_r, struct err *e);
/** Expunge the UIDs (all of the mailbox when uids is NULL), tombstones written, in slices. */
FIBER int mailbox_expunge(struct store *s, uint64_t mailbox_id, const uint32_t *uids, size_t count,
	uint64_t *expunged_r, struct err *e);
