#pragma once
/* Delivery into a mailbox, for closures on the writer. */

#include "store/db/db.h"
#include "store/mailbox.h"

#define DELIVER_HEAD_MAX  (64 * 1024) /* how far into a body its header is looked for */
#define DELIVER_FIELD_MAX 256         /* octets kept of subject and sender */
#define DELIVER_RAW_MAX   (16 * 1024) /* of what an answer refers to: the end of it */

/* What a mailbox list shows, taken from the header before the closure runs. Lives in an arena. */
struct deliver_head {
	struct span subject, sender;
	struct span references, in_reply_to,
		raw_subject; /* of an answer, as they came; else none */
	bool has_words;      /* encoded words are in them: raw values until deliver_decode_head */
};
void deliver_scan_head(struct arena *a, struct span head, struct deliver_head *head_r);
/** Decode encoded words (RFC 2047). iconv may read its tables from disk: never on a loop's thread.
 * What was scanned must still be there. Nothing without has_words. */
void deliver_decode_head(struct arena *a, struct deliver_head *head);

struct delivery {
	uint64_t id; /* its own, for ever: a second delivery with it is ERR_EXISTS */
	uint64_t account_id;
	struct span folder;
	bool is_folder_made; /* it is made when it is not there; else INBOX takes its place */
	unsigned flags;      /* enum mailbox_flag */
	struct span prefix;
	uint64_t blob_id, blob_octets;
	int64_t received_ns;
	const struct deliver_head *head;
	uint32_t uid; /* result */
};
/** Allots UID and MODSEQ, keeps the counters. The caller has counted the body's reference.
 * ERR_NOT_FOUND when the account is gone. */
int deliver_tx(struct db *db, struct delivery *d, struct err *e);

/** Make a folder; ERR_EXISTS. Its UIDVALIDITY is new to the account. */
int mailbox_create_tx(
	struct db *db, uint64_t account_id, struct span name, uint64_t *id_r, struct err *e);
