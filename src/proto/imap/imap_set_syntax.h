#pragma once
/* Sequence sets (RFC 9051 section 9, sequence-set) and the numbers in them. Pure. */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define IMAP_STAR 0 /* "*": the largest number in use; no message has number 0 */

struct imap_range {
	uint32_t first, last; /* both included */
};

/* As sent: in any order, IMAP_STAR where the client wrote "*". After imap_set_resolve: ascending,
 * apart from each other by at least one number, without IMAP_STAR. */
struct imap_set {
	struct imap_range *ranges; /* in the arena of who made it */
	size_t count;
	bool is_saved; /* "$" (RFC 9051 section 6.4.4.1): the saved result; no ranges */
};

/** The whole of `text` is a sequence-set ("$" only when is_saved_allowed). ERR_SYNTAX, ERR_LIMIT. */
int imap_set_parse(struct arena *a, struct span text, bool is_saved_allowed, struct imap_set *set_r,
	struct err *e);
/** uid-set of what a server or QRESYNC tells: no "*", no "$". */
int imap_set_parse_known(struct arena *a, struct span text, struct imap_set *set_r, struct err *e);
/** Sorted and merged, "*" being `star` (0: there are no messages: then "*" stands for nothing, and a
 * range from n to "*" too; RFC 9051 section 9, seq-number). `set_r` may be `set`. */
void imap_set_resolve(
	struct arena *a, const struct imap_set *set, uint32_t star, struct imap_set *set_r);
/** Has a resolved set this number? */
bool imap_set_has(const struct imap_set *resolved, uint32_t n);
/** How many numbers are in a resolved set. */
uint64_t imap_set_count(const struct imap_set *resolved);
bool imap_set_has_star(const struct imap_set *set);

/** "1:3,7,9:*" */
void imap_set_put(struct buf *b, const struct imap_set *set);

/* Writing a set number by number: ascending runs are joined. */
struct imap_set_writer {
	struct buf *out;      /* borrowed */
	uint32_t first, last; /* the run not written yet; 0: none */
	bool has_written;
};
void imap_set_writer_init(struct imap_set_writer *w, struct buf *out);
void imap_set_writer_add(struct imap_set_writer *w, uint32_t n);
void imap_set_writer_add_range(struct imap_set_writer *w, uint32_t first, uint32_t last);
/** The last run too. Nothing was added: nothing is written. */
void imap_set_writer_end(struct imap_set_writer *w);
