#pragma once
/* Inside of the index of Emails: queries of any kind. Candidates are read from narrow tables, what the filter
 * asks beyond them is read for each, texts are asked of search; the whole result is kept for paging. */

#include "store/email.h"
#include "store/email_priv.h"

#define EMAIL_FIND_PAGE  8192       /* narrow rows of one read */
#define EMAIL_FIND_WIDE  256        /* rows of one read that look further */
#define EMAIL_TEXTS_MAX  16         /* conditions that look into texts, of one filter */
#define EMAIL_NEEDLES    8          /* of one of them: its words, and phrases */
#define EMAIL_TWORDS_MAX 16         /* conditions about keywords in threads */
#define EMAIL_KEPT_IDS   (4u << 20) /* of all results that are kept, together */

/* A set of ids that is looked up by binary search; or, with places, an order. */
struct email_ids {
	uint64_t *list; /* in an arena */
	size_t count, cap;
};
void email_ids_put(struct arena *a, struct email_ids *x, uint64_t id);
/** Ascending, each once. */
void email_ids_sort(struct email_ids *x);
bool email_ids_has(const struct email_ids *x, uint64_t id);

/* Where an id stands in a list. */
struct email_places {
	struct email_place {
		uint64_t id;
		size_t index;
	} * list; /* ascending by id */
	size_t count;
};
void email_places_of(struct arena *a, const uint64_t *ids, size_t count, struct email_places *p);
bool email_places_find(const struct email_places *p, uint64_t id, size_t *index_r);

/* ---- email_words.c ---- */

/* A condition about texts, and the Emails that meet it. */
struct email_text {
	const struct email_filter *f;
	struct search_needle needles[EMAIL_NEEDLES];
	size_t needle_count;
	bool is_all;  /* nothing is asked: all have it */
	bool is_part; /* of an attachment's name or type: the text decides, always */
	struct email_ids ids;
};
bool email_is_text(enum email_filter_op op);
/** What is asked of search. ERR_LIMIT. Spans in `a`. */
int email_text_plan(
	struct arena *a, const struct email_filter *f, struct email_text *t, struct err *e);
FIBER int email_text_find(struct store *s, struct arena *a, const struct email_eyes *eyes,
	struct email_text *t, const struct search_wait *wait, struct err *e);

/* ---- email_find.c ---- */

/** The whole result, in order; kept ones are taken. ids_r in `a`. *state_r: of which it is. */
FIBER int email_find(struct store *s, struct arena *a, const struct email_eyes *eyes,
	const struct email_query *q, uint64_t **ids_r, size_t *count_r, uint64_t *state_r,
	struct err *e);
/** Is it asked of another mailbox than that one? */
bool email_filter_asks_boxes(const struct email_filter *x, uint64_t box);
/** Does the result depend on other Emails of a thread? */
bool email_filter_is_of_threads(const struct email_query *q);

/* ---- email_kept.c ---- */

struct email_kept;
struct email_kept *email_kept_new(void);
void email_kept_free(struct email_kept **k);
/** Any thread. What the query and its asker are, as octets, in `a`. */
struct span email_kept_key(
	struct arena *a, const struct email_eyes *eyes, const struct email_query *q);
bool email_kept_get(struct email_kept *k, struct arena *a, struct span key, uint64_t state,
	uint64_t **ids_r, size_t *count_r);
void email_kept_put(
	struct email_kept *k, struct span key, uint64_t state, const uint64_t *ids, size_t count);
