#pragma once
/* Inside of the index of Emails (email.h): for its files, and for closures that end an account or a mailbox. */

#include "store/db/db.h"
#include "store/email.h"
#include "store/mailbox_priv.h"
#include "store/object.h"

/* Beside enum mailbox_flag in the flags of an Email. */
enum email_bit {
	EMAIL_BIT_ATTACHMENT = 256, /* FACT_ATTACHMENT */
	EMAIL_BIT_WORDS = 512       /* it has keywords */
};
/** An Email that has neither $seen nor $draft is unread (RFC 8621 section 2). */
static inline bool email_is_unread(int64_t flags)
{
	return !(flags & (MAILBOX_SEEN | MAILBOX_DRAFT));
}

#define EMAIL_DAY_NS (86400LL * 1000000000LL)
/** The day of a time, also before 1970. */
static inline int64_t email_day(int64_t ns)
{
	return ns >= 0 ? ns / EMAIL_DAY_NS : -((-ns + EMAIL_DAY_NS - 1) / EMAIL_DAY_NS);
}

/* ---- email_index.c: what a slice of the writer's time changes ---- */

#define EMAIL_WORK_COUNTS 64
#define EMAIL_WORK_DAYS   64

struct email_work {
	struct db *db;
	struct arena *a; /* of one change */
	int64_t account_id, modseq;
	int64_t emails_at, threads_at, counts_at, arrived_at;
	/* written once for many changes */
	struct email_work_count {
		int64_t mailbox_id, emails, unread, threads, unread_threads, modseq;
	} counts[EMAIL_WORK_COUNTS];
	size_t count_count;
	struct email_work_day {
		int64_t mailbox_id, day, emails, newest, oldest;
	} days[EMAIL_WORK_DAYS];
	size_t day_count;
};

/* A row of message, as the index knew it and as it is. */
struct email_sight {
	bool is_there;
	int64_t mailbox_id, flags;
	struct span keywords;
};
struct email_step {
	int64_t message_id, email_id;
	struct email_sight was, is;
	int64_t row_modseq, thread_id, received_ns, size; /* of `is` */
	bool has_attachment;
};
/** Bring the tables from `was` to `is`. */
int email_apply_tx(struct email_work *w, const struct email_step *step, struct err *e);
/** What was gathered. */
int email_flush_tx(struct email_work *w, struct err *e);

/* ---- email_box.c: threads in mailboxes, counters ---- */

int email_count_add(struct email_work *w, int64_t mailbox_id, int64_t emails, int64_t unread,
	int64_t threads, int64_t unread_threads, struct err *e);
int email_day_add(struct email_work *w, int64_t mailbox_id, int64_t received_ns, int64_t emails,
	int64_t newest, int64_t oldest, struct err *e);
/** An Email came into a mailbox, or went out of it; *came_r: its thread came or went with it (1, -1, 0). */
int email_thread_box_add(struct email_work *w, int64_t mailbox_id, int64_t thread_id,
	int64_t received_ns, int64_t email_id, int *came_r, struct err *e);
int email_thread_box_take(struct email_work *w, int64_t mailbox_id, int64_t thread_id,
	int64_t received_ns, int64_t email_id, int *came_r, struct err *e);

/* ---- email_catch_up.c ---- */

/** A read of an account's index, which is complete up to what the account was when this was called: made
 * so first when it is not. fn runs once. */
FIBER int email_read(struct store *s, const char *name, uint64_t account_id, store_fn *fn,
	void *arg, struct err *e);
/** When a mailbox's row goes, in the same closure: what the index does not need any more. */
int email_box_gone_tx(struct db *db, uint64_t account_id, uint64_t mailbox_id, struct err *e);

/* ---- email_get.c ---- */

struct email_at { /* states as they are told, of this snapshot */
	int64_t upto, forgotten, emails, threads, counts, arrived;
};
int email_at_tx(struct db *db, uint64_t account_id, struct email_at *at_r, struct err *e);
/** The state of mailboxes: counters, names, rights. */
int email_boxes_at_tx(struct db *db, uint64_t account_id, const struct email_at *at,
	int64_t *modseq_r, struct err *e);
/** Is one of its rows where he sees it? */
int email_is_seen_tx(struct db *db, const struct email_eyes *eyes, int64_t email_id,
	bool *is_seen_r, struct err *e);
bool email_sees(const struct email_eyes *eyes, uint64_t mailbox_id);
/** Has `words` the keyword? Compared without case. */
bool email_has_word(struct span words, struct span word);

/* ---- email_changes.c ---- */

/** ERR_STATE: what he may see has changed since. */
int email_same_sight_tx(
	struct db *db, const struct email_eyes *eyes, uint64_t since, struct err *e);

/* ---- email_check.c ---- */

/** Statements that give a line of text for all that is wrong. */
const struct db_sql *const *email_check_questions(size_t *count_r);
