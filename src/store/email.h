#pragma once
/* Emails and threads as JMAP sees them (RFC 8621): an index of the rows of `message` that answers lists,
 * positions, totals and changes without walking over a mailbox. It is made in the order of MODSEQs from
 * what changed, right behind the writes (the indexer calls email_catch_up_blocking for accounts that have
 * one) and at the latest by the reader who asks: every function here brings it up to date first, so a
 * reader sees his own writes. It is derived: email_rebuild makes it anew.
 *
 * An Email is all rows of an account with one email_id that are not marked \Deleted (RFC 8621 section
 * 4.1.1). Its id is 'M' and the number (enc_put_object), as IMAP's EMAILID; a thread's 'T', a mailbox's 'F'.
 *
 * Keywords are an Email's: set when any of its rows has them, $seen when all have it.
 *
 * A state is a MODSEQ of the account; what is answered is of one snapshot, in which the index is complete up
 * to the state that is told.
 *
 * Who asks sees some mailboxes only (`struct email_eyes`): rows elsewhere are not there for him, neither in
 * mailboxIds nor in counts, results or changes (an Email that left his sight is destroyed for him; one that
 * came into it, created or updated). */

#include "store/facts.h"
#include "store/mailbox.h"
#include "store/search.h"

#define EMAIL_HISTORY      1000000 /* MODSEQs back that changes are told of, about */
#define EMAIL_CHANGES_MAX  20000 /* that queryChanges goes through; more: cannotCalculateChanges */
#define EMAIL_FILTER_NODES 256   /* operators and conditions of one filter */
#define EMAIL_FILTER_DEPTH 16
#define EMAIL_SORT_MAX     8
#define EMAIL_KEPT_QUERIES 64 /* results of general queries that are kept for paging */

struct email_eyes {
	uint64_t account_id;
	bool is_all;               /* its owner */
	const uint64_t *mailboxes; /* else: these, with right r; ascending */
	size_t mailbox_count;
};

/* ---- states and changes ---- */

struct email_states {
	uint64_t email, thread,
		mailbox;  /* mailbox: counters too; names and rights are OBJECT_MAILBOX */
	uint64_t arrived; /* moves when an Email comes that was not there, and with nothing else */
};
FIBER int email_states(
	struct store *s, uint64_t account_id, struct email_states *states_r, struct err *e);

enum email_change_how { EMAIL_CREATED, EMAIL_UPDATED, EMAIL_DESTROYED };
struct email_change {
	uint64_t id;
	enum email_change_how how;
};
struct email_changes {
	/* in */
	uint64_t since;
	size_t max; /* 0: 10,000 */
	/* out, in the caller's arena; what was created and destroyed since is left out */
	struct email_change *list;
	size_t count;
	uint64_t upto;
	bool is_more;
	bool is_counts_only; /* mailboxes: nothing but counters changed (updatedProperties) */
};
/** ERR_STATE: `since` is none of ours or too old (cannotCalculateChanges). */
FIBER int email_changes(struct store *s, struct arena *a, const struct email_eyes *eyes,
	struct email_changes *c, struct err *e);
FIBER int email_thread_changes(struct store *s, struct arena *a, const struct email_eyes *eyes,
	struct email_changes *c, struct err *e);
/** Counters, names, rights, mailboxes that came and went, together. */
FIBER int email_mailbox_changes(struct store *s, struct arena *a, const struct email_eyes *eyes,
	struct email_changes *c, struct err *e);

/* ---- objects ---- */

struct email_row { /* one copy of it */
	uint64_t message_id, mailbox_id;
	uint32_t uid;
	uint64_t modseq;
	unsigned flags;
	struct span keywords;
};
struct email {
	uint64_t id, thread_id;
	struct mailbox_msg
		msg; /* of its oldest row that the asker sees: blob, prefix, size, received_ns; facts,
	                         * parts, body as wanted (MAILBOX_WANT_…) */
	struct email_row *rows; /* that he sees; at least one */
	size_t row_count;
	unsigned
		flags; /* of the Email: SEEN when all have it, others when one has; never DELETED */
	struct span keywords; /* joined, blanks between, each once, in lower case */
};
#define EMAIL_GET_MAX 500
/** In the order of `ids`; those that are not there (for him) have row_count 0. Facts are made when they are
 * missing. At most EMAIL_GET_MAX; with MAILBOX_WANT_BODY bodies as far as 4 MiB (then body.ptr NULL:
 * body_open). */
FIBER int email_get(struct store *s, struct arena *a, const struct email_eyes *eyes,
	const uint64_t *ids, size_t count, unsigned want, struct email *list_r, uint64_t *state_r,
	struct err *e);

struct email_thread {
	uint64_t id;
	uint64_t *emails; /* ascending by receivedAt; 0: there is none */
	size_t count;
};
FIBER int email_threads(struct store *s, struct arena *a, const struct email_eyes *eyes,
	const uint64_t *ids, size_t count, struct email_thread *list_r, uint64_t *state_r,
	struct err *e);

struct email_counts {
	uint64_t mailbox_id, emails, unread, threads, unread_threads;
};
/** In the order of the ids. */
FIBER int email_counts(struct store *s, struct arena *a, const struct email_eyes *eyes,
	const uint64_t *mailbox_ids, size_t count, struct email_counts *list_r, uint64_t *state_r,
	struct err *e);

/* ---- queries (RFC 8621 section 4.4) ---- */

enum email_filter_op {
	EMAIL_AND,
	EMAIL_OR,
	EMAIL_NOT,
	/* conditions; the value's place in brackets */
	EMAIL_IN_MAILBOX,    /* id */
	EMAIL_IN_OTHER_THAN, /* ids: inMailboxOtherThan */
	EMAIL_BEFORE,
	EMAIL_AFTER, /* number: ns, receivedAt */
	EMAIL_MIN_SIZE,
	EMAIL_MAX_SIZE, /* number */
	EMAIL_ALL_IN_THREAD,
	EMAIL_SOME_IN_THREAD,
	EMAIL_NONE_IN_THREAD, /* text: keyword */
	EMAIL_HAS_KEYWORD,
	EMAIL_NOT_KEYWORD,    /* text */
	EMAIL_HAS_ATTACHMENT, /* number: 0, 1 */
	EMAIL_TEXT,
	EMAIL_FROM,
	EMAIL_TO,
	EMAIL_CC,
	EMAIL_BCC,
	EMAIL_SUBJECT,
	EMAIL_BODY,   /* text */
	EMAIL_HEADER, /* name, and text unless has_text is false */
	/* ours (docs/jmap.md) */
	EMAIL_ATTACHMENT_NAME,
	EMAIL_ATTACHMENT_TYPE,
	EMAIL_LIST_ID,
	EMAIL_MESSAGE_ID /* text */
};
struct email_filter {
	enum email_filter_op op;
	struct email_filter *kids; /* of AND, OR, NOT */
	size_t kid_count;
	uint64_t id;
	const uint64_t *ids;
	size_t id_count;
	int64_t number;
	struct span text, name;
	bool has_text;
};
enum email_sort_key {
	EMAIL_SORT_RECEIVED,
	EMAIL_SORT_SENT,
	EMAIL_SORT_SIZE,
	EMAIL_SORT_FROM,
	EMAIL_SORT_TO,
	EMAIL_SORT_SUBJECT,
	EMAIL_SORT_KEYWORD,
	EMAIL_SORT_ALL_IN_THREAD,
	EMAIL_SORT_SOME_IN_THREAD
};
struct email_sort {
	enum email_sort_key key;
	bool is_descending;
	struct span keyword;
};
struct email_query {
	/* in; all borrowed */
	const struct email_filter *filter; /* NULL: all */
	const struct email_sort
		*sort; /* none: receivedAt, newest first; ties: the id, in the first one's
					    * direction */
	size_t sort_count;
	bool collapses;   /* collapseThreads: of a thread the first in the list stays */
	int64_t position; /* negative: from the end */
	uint64_t anchor;  /* 0 none; then anchor_offset instead of position */
	int64_t anchor_offset;
	size_t limit;
	bool wants_total;
	const struct search_wait *wait; /* may be NULL */
	/* out */
	uint64_t *ids;
	size_t count;
	uint64_t at; /* position of the first */
	uint64_t total;
	uint64_t state;
	bool is_anchor_missing; /* then nothing else is told */
	bool can_calculate;     /* changes of this filter and sort can be told */
};
FIBER int email_query(struct store *s, struct arena *a, const struct email_eyes *eyes,
	struct email_query *q, struct err *e);

struct email_added {
	uint64_t id, index;
};
struct email_query_changes {
	struct email_query *query; /* its filter, sort, collapses, wants_total count */
	uint64_t since;
	size_t max;     /* 0 none; more changes: is_too_many */
	uint64_t up_to; /* upToId; 0 none */
	/* out */
	uint64_t *removed;
	size_t removed_count;
	struct email_added *added; /* ascending by index */
	size_t added_count;
	uint64_t state, total;
	bool is_too_many;
};
/** ERR_STATE: cannotCalculateChanges. */
FIBER int email_query_changes(struct store *s, struct arena *a, const struct email_eyes *eyes,
	struct email_query_changes *c, struct err *e);

/* ---- snippets (RFC 8621 section 5) ---- */

struct email_snippet {
	uint64_t email_id;
	bool is_there;
	struct span subject,
		preview; /* HTML-escaped with <mark>; ptr NULL: nothing of the filter is in it */
};
FIBER int email_snippets(struct store *s, struct arena *a, const struct email_eyes *eyes,
	const struct email_filter *filter, const uint64_t *ids, size_t count,
	struct email_snippet *list_r, struct err *e);

/* ---- its making ---- */

/** Bring the index of an account up to date (made when there is none). */
FIBER int email_catch_up(struct store *s, uint64_t account_id, struct err *e);
/** A slice of it; for the indexer. */
int email_catch_up_blocking(struct store *s, uint64_t account_id, bool *is_more_r, struct err *e);
int email_is_behind_blocking(
	struct store *s, uint64_t account_id, bool *is_behind_r, struct err *e);
/** Forget it; the next who asks makes it. */
FIBER int email_rebuild(struct store *s, uint64_t account_id, struct err *e);
/** With an account's end, in slices. */
int email_purge_tx(struct db *db, uint64_t account_id, bool *left_r, struct err *e);
/** Lines of what is wrong in it, compared with `message` (yizhan check). */
int email_check_blocking(struct store *s, struct buf *b, uint64_t *wrong_r, struct err *e);
