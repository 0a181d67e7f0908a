#pragma once
/* The inside of imapd_find: a program made ready, and the answers of one message. */

#include "store/search.h"
#include "services/imapd/imapd_find.h"

#define FIND_GROUPS (FIND_NEEDLES_MAX / SEARCH_NEEDLES_MAX)

enum find_answer { FIND_NO, FIND_YES, FIND_OPEN };

struct find_node {
	enum imap_op op;
	struct find_node *child, *next;
	unsigned flag;    /* MAILBOX_… bits */
	struct span text; /* of a keyword */
	uint64_t number;  /* sizes, MODSEQ, object ids */
	int64_t from,
		to; /* times: nanoseconds (INTERNALDATE, SAVEDATE), days (sent); to is not within */
	struct uid_range *ranges; /* SET, UID */
	size_t range_count;
	size_t needle; /* of a text */
};

struct find_needle {
	struct search_needle as_asked;
	struct search_hits hits;
	bool is_found; /* hits are there; else the index knows nothing */
};

struct find_plan {
	struct find_node *root;
	struct find_needle *needles;
	size_t needle_count;
	bool wants_facts; /* a date of the header */
	bool wants_thread;
	bool is_numbers; /* nothing but numbers is asked: no row is needed */
	bool wants_scores;
};

/** In the command's arena. `now_ns` is wall time. */
int find_plan_make(struct arena *a, const struct imap_search *program,
	const struct find_scope *scope, int64_t now_ns, struct find_plan *plan_r, struct err *e);

/* What is known of one message: its row, and what its text has told. */
struct find_message {
	const struct mailbox_msg *m;
	uint32_t told[FIND_GROUPS];  /* bit: needle is decided */
	uint32_t found[FIND_GROUPS]; /* how */
	uint32_t asked[FIND_GROUPS]; /* out: which are in the way of an answer */
};
enum find_answer find_judge(
	const struct find_plan *p, const struct find_node *n, struct find_message *m);

/* Ranges of UIDs, ascending and apart, in an arena. */
struct find_ranges {
	struct uid_range *list;
	size_t count;
};
struct find_ranges find_ranges_and(struct arena *a, struct find_ranges x, struct find_ranges y);
uint64_t find_ranges_total(struct find_ranges x);
/** The `count` highest UIDs of them (RFC 9738). */
struct find_ranges find_ranges_highest(struct arena *a, struct find_ranges x, uint64_t count);

/** Only there can messages be that meet the program. */
struct find_ranges find_bounds(struct arena *a, const struct find_node *n, struct find_ranges all);
/** Only those numbers can meet the program, as the index has it; false: any. */
bool find_candidates(
	const struct find_plan *p, const struct find_node *n, struct search_set *set_r);
