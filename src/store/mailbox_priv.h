#pragma once
/* Inside the mailboxes' room: for closures on the writer and on readers. */

#include "store/db/db.h"
#include "store/mailbox.h"
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
