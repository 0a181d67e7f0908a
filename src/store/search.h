#pragma once
/* The search door: full text of messages, by account. What lies behind it (a file search.db of its own
 * with SQLite's FTS5; a server's own full text one day) is seen by nobody else.
 *
 * Everything here is derived: the file may be deleted and is filled anew by the indexer (facts.h). It
 * has its own writer connection, commits without waiting for the disk, and is never in the way of the
 * store's writer. It is opened at its first use. A file that is damaged or of another version is moved
 * aside (search.db.damaged) and begun anew; markers are 0 then.
 *
 * A document is one message: its account, its number `n` (the account's MODSEQ when its row was made;
 * it never changes), and its decoded text. The index narrows: it gives messages that surely have a
 * needle, and those that may have it. The text decides: search_verify looks into what is kept.
 *
 * Functions without FIBER block (SQLite): they are for a lane or a thread of the caller's. */

#include "store/search_set.h"
#include "store/store.h"

/* ---- what the indexer gives ---- */

#define SEARCH_TEXT_MAX  (1024 * 1024) /* octets kept and indexed of one message; then it is cut */
#define SEARCH_BATCH_MAX 256           /* documents of one search_put */

/* The three texts are UTF-8 (what is not well formed is taken as U+FFFD).
 *
 * header: every field of the message in order, the recipient's prefix (Return-Path, Delivered-To,
 *	Received) first: "Name: value\n", the value unfolded (the line break of each fold taken out, its
 *	blank kept), encoded words decoded, blanks at its ends removed. No other line ends.
 * parts: the same for the fields of MIME parts, with names of attachments decoded, and for the header
 *	of embedded messages (message/rfc822), in their order.
 * body: the decoded text of all text parts, in order, "\n" between them; lines end with "\n". HTML is
 *	the source as it was written, then "\n" and the text that it shows (both are found). */
struct search_doc {
	uint64_t n;
	struct span header, parts, body;
	bool is_cut; /* the caller left something out: such a message is asked itself, always */
};

/** Keep and index documents of an account (at most SEARCH_BATCH_MAX), and move its marker from `after` to
 * `upto`: these are all messages with after < n <= upto that are still there. One transaction. ERR_STATE,
 * and nothing done, when the marker is below `after` (the index was begun anew): ask search_marker. A
 * document that is there already is replaced. Texts are borrowed. */
int search_put(struct store *s, uint64_t account_id, const struct search_doc *docs, size_t count,
	uint64_t after, uint64_t upto, struct err *e);
/** Forget messages that are gone for good; unknown ones are no error. */
int search_remove(
	struct store *s, uint64_t account_id, const uint64_t *ns, size_t count, struct err *e);
/** Forget a whole account, in slices. */
int search_drop_account(struct store *s, uint64_t account_id, struct err *e);
/** "Indexed up to n": 0 when nothing is. */
int search_marker(struct store *s, uint64_t account_id, uint64_t *upto_r, struct err *e);
/** Begin anew: all documents and markers go. */
int search_rebuild(struct store *s, struct err *e);

struct search_stats {
	uint64_t documents, text_octets, kept_octets; /* decoded, and as kept */
	uint64_t file_octets;
	bool is_open;
};
int search_stats(struct store *s, struct search_stats *stats_r, struct err *e);

/* ---- asking ---- */

enum search_field {
	SEARCH_TEXT,   /* header, parts or body */
	SEARCH_BODY,   /* parts or body */
	SEARCH_HEADER, /* the value of a field called `name` */
	SEARCH_SUBJECT,
	SEARCH_FROM,
	SEARCH_TO,
	SEARCH_CC,
	SEARCH_BCC,
	SEARCH_FIELDS
};

enum search_how {
	SEARCH_SUBSTRING, /* exactly as RFC 5051 (i;unicode-casemap) has it */
	SEARCH_WORDS /* each word of the text, folded (case, accents, width), the beginning of one
			   * there; Chinese, Japanese, Korean: anywhere */
};

struct search_needle {
	enum search_field field;
	enum search_how how;
	struct span name; /* of SEARCH_HEADER */
	struct span text; /* UTF-8; "" : there is such a field (HEADER), or any message */
};

#define SEARCH_NEEDLE_MAX  1024 /* octets */
#define SEARCH_NEEDLES_MAX 32   /* of one search_verify */

/* Who waits, and how long. `progress` is called on the fiber, between pages. */
struct search_wait {
	int64_t deadline_ns; /* of the loop's clock; ERR_TIMEOUT */
	void (*progress)(void *arg, uint64_t done, uint64_t total);
	void *arg;
};

/* What the index says of one needle in one account: `sure` have it, `maybe` have to be looked at; all
 * others with n <= upto have it not; those above have not been read yet. */
struct search_hits {
	struct search_set sure, maybe;
	uint64_t upto;
};

/** Fills *hits_r (search_hits_fini in any case, also after an error). In pages, each a short read on a
 * lane. ERR_TIMEOUT, ERR_CANCELLED. `wait` may be NULL. */
FIBER int search_find(struct store *s, uint64_t account_id, const struct search_needle *needle,
	const struct search_wait *wait, struct search_hits *hits_r, struct err *e);
int search_find_blocking(struct store *s, uint64_t account_id, const struct search_needle *needle,
	struct search_hits *hits_r, struct err *e);
void search_hits_fini(struct search_hits *hits);

/* What the kept text of one message says. */
struct search_verdict {
	uint64_t n;       /* in */
	uint32_t asked;   /* in: bit i asks for needle i; it need not look at others */
	uint32_t found;   /* out: bit i: it has needle i */
	bool is_kept;     /* out: there is a text */
	bool is_cut;      /* out: not all of it was kept: a bit that is not set says nothing */
	unsigned matches; /* out: how many occurrences, about (RELEVANCY); 0 unless is_counted */
};

struct search_look {
	uint64_t account_id;
	const struct search_needle *needles;
	size_t needle_count; /* at most SEARCH_NEEDLES_MAX */
	struct search_verdict *list;
	size_t count;
	bool is_counted; /* how often, too: slower, every text is folded */
};

/** Look at kept texts, in pages on the lane, many of them on all its threads; verdicts in any order of n
 * (ascending is fastest). */
FIBER int search_verify(struct store *s, const struct search_look *look,
	const struct search_wait *wait, struct err *e);
int search_verify_blocking(struct store *s, const struct search_look *look, struct err *e);

/** The same for a text at hand (a message that is not indexed yet, or cut): bits of the needles that it
 * has. Pure; on a lane when the text is large. `matches_r` may be NULL: then nothing is counted. */
uint32_t search_match(const struct search_needle *needles, size_t needle_count,
	const struct search_doc *doc, unsigned *matches_r);

/* ---- beside them ---- */

/* Where messages of an account are: what a search narrows a mailbox to. */
struct search_places {
	uint64_t account_id, mailbox_id;
	const struct search_set *ns; /* these */
	uint64_t above;              /* and all whose n is above */
	size_t max;
	/* results */
	uint32_t *uids; /* of those in the mailbox, ascending; the caller frees */
	size_t count;
	bool is_many; /* more than `max` had to be looked at: nothing is told */
};
FIBER int search_places(struct store *s, struct search_places *p, struct err *e);

/** Work of a search that takes a while (sorting, charsets): on its lane. */
FIBER int search_work(struct store *s, work_fn *fn, void *arg, struct err *e);
