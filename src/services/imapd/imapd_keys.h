#pragma once
/* What messages that were found are ordered by, read from their rows and facts. */

#include "services/imapd/imapd_find.h"

struct find_key {
	uint32_t uid;
	bool is_reply;                /* RFC 5256 section 2.1: its subject says so */
	int64_t received_ns, sent_ns; /* sent: INTERNALDATE without a Date (section 2.2) */
	uint64_t size;
	struct span subject, from, to, cc, from_name, to_name;
	struct span message_id, refs; /* of find_keys.has_ids */
};

struct find_keys {
	unsigned wants; /* in: MAILBOX_WANT_ROW or _FACTS */
	bool has_ids;   /* in: Message-IDs too */
	struct find_key *list;
	size_t count;
	struct arena *arena;
};

/** One for each of found->hits that is still there, in that order (ascending UIDs); the others are taken out
 * of `found`. find_keys_fini in any case. */
FIBER int find_keys_read(struct imapd_conn *c, const struct find_scope *scope,
	struct find_result *found, struct find_keys *keys, struct err *e);
void find_keys_fini(struct find_keys *keys);
