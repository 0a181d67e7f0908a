#pragma once
/* Inside of the index of Emails: a mailbox's list by time, read without walking (email_list.c). */

#include "store/db/db.h"
#include "store/email.h"

struct email_list {
	uint64_t account_id, mailbox_id;
	bool is_ascending; /* oldest first */
	bool collapses;    /* of a thread its first in this direction */
};

/** Is that query a mailbox's list by time? */
bool email_list_of(const struct email_query *q, uint64_t account_id, struct email_list *l);
FIBER int email_list_query(struct store *s, struct arena *a, const struct email_eyes *eyes,
	const struct email_list *l, struct email_query *q, struct err *e);

/** 0 for a mailbox of another account. */
int email_list_total_tx(
	struct db *db, const struct email_list *l, uint64_t *total_r, struct err *e);
/** ids_r has room for `limit`. */
int email_list_page_tx(struct db *db, const struct email_list *l, uint64_t position, size_t limit,
	uint64_t *ids_r, size_t *count_r, struct err *e);
int email_list_index_tx(struct db *db, const struct email_list *l, uint64_t email_id, bool *is_in_r,
	uint64_t *index_r, struct err *e);

struct email_list_place {
	bool is_in_box, is_in_list; /* the list shows one of a thread when it collapses */
	int64_t received_ns;
	uint64_t thread_id, entered;
};
int email_list_look_tx(struct db *db, const struct email_list *l, uint64_t email_id,
	struct email_list_place *p, struct err *e);

/** The first place of a page, counted from the end when negative. */
uint64_t email_page_begin(int64_t position, uint64_t total);
