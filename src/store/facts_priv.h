#pragma once
/* The inside of facts.h, for its files. */

#include "store/facts.h"
#include "store/store_limits.h"

/* A body whose facts were asked for, and what was made. */
struct facts_job {
	struct facts_want want;
	bool is_there;            /* its facts are stored already */
	bool is_threaded;         /* nothing to do for its thread */
	bool is_gone;             /* the body is not there any more */
	struct body_facts *facts; /* what was made; of a stored one what threads need */
};

/** Read the body and make its facts, spans in `a`. Blocking, long (parses): a lane or a thread of its
 * own, never a loop's. ERR_NOT_FOUND: the body is gone. */
int facts_make(struct store *s, struct arena *a, uint64_t blob_id, uint64_t octets,
	struct body_facts *f_r, struct err *e);

/** Of a parsed message, `text` being the beginning of its text part's body. */
struct mime_tree;
void facts_of_tree(
	struct arena *a, const struct mime_tree *t, struct span text, struct body_facts *f_r);

struct facts_batch {
	struct store *s;
	struct arena *a;
	struct facts_job *jobs;
	size_t count;
	uint64_t facts, threads; /* made, results of facts_put_batch */
};
/** At most FACTS_NEED_MAX of `wants` are taken. */
void facts_batch_init(struct facts_batch *b, struct store *s, struct arena *a,
	const struct facts_want *wants, size_t count);
/** What is there already, of all jobs: on a reader. */
int facts_look_batch(struct db *db, void *batch, struct err *e);
/** Parse what is missing. Blocking, long. */
int facts_make_batch(void *batch, struct err *e);
/** Store it, and assign threads: on the writer. */
int facts_put_batch(struct db *db, void *batch, struct err *e);
bool facts_batch_is_done(const struct facts_batch *b);

/** What threads go by, of fields as they came: normalised ids with LF between them (of References, else
 * the first of In-Reply-To), the folded base subject, and the number of either. */
struct span facts_refs_of(struct arena *a, struct span references, struct span in_reply_to);
struct span facts_subject_of(struct arena *a, struct span subject);
int64_t facts_ref_number(struct span s);

/** Assign message `id` its thread, once and for ever (facts_thread.c); nothing when it has one, or is
 * gone. *is_new_r: it was assigned now. */
int facts_thread_tx(struct db *db, uint64_t message_id, const struct body_facts *f, bool *is_new_r,
	struct err *e);

/* A page of thread_ref: what belongs to no message any more. */
struct facts_ref {
	int64_t account_id, ref, subject;
};
struct facts_sweep {
	struct facts_ref at,
		next; /* behind which row it begins, and the next page does; zero: the first */
	struct facts_ref dead[STORE_PAGE_ROWS];
	size_t count;
};
/** On a reader, then (count > 0) on the writer, which looks again. */
int facts_sweep_look(struct db *db, void *sweep, struct err *e);
int facts_sweep_drop(struct db *db, void *sweep, struct err *e);
