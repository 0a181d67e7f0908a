#pragma once
/* Which messages of a mailbox a search program means: what SEARCH, SORT, THREAD and ESEARCH begin with.
 *
 * A program is judged with three answers: yes, no, and "not known yet". Cheap keys (flags, dates, sizes,
 * numbers) are answered from rows, a page at a time; text keys from the index, and where that does not know,
 * from the kept text; a message that is not indexed yet, or was cut, is read itself. A program that only a
 * few messages can meet (a rare word) looks at their rows alone. */

#include "services/imapd/imapd_priv.h"

#define FIND_NEEDLES_MAX 256  /* different texts of a program */
#define FIND_NARROW_MAX  4096 /* messages that are looked up one by one rather than all in order */

struct find_scope {
	uint64_t mailbox_id, owner_id;
	struct uidset *uids;  /* borrowed: what the client knows to be there */
	struct uidset *saved; /* "$"; NULL empty */
	bool wants_scores;    /* how often fuzzy keys were met is asked for */
};

struct find_hit {
	uint64_t modseq;
	uint32_t uid;
	uint32_t matches; /* of fuzzy keys: how often, about; 0 without them */
};

struct find_result {
	struct find_hit *hits; /* ascending UIDs; freed by find_result_fini */
	size_t count, room;
	uint32_t lowest; /* RFC 9738: the lowest UID that was looked at; 0: all were */
};

/** ERR_LIMIT: too many texts; ERR_UNSUPPORTED: a charset that nobody knows. In any case
 * find_result_fini. */
FIBER int imapd_find(struct imapd_conn *c, struct imap_search *program,
	const struct find_scope *scope, struct find_result *result_r, struct err *e);
void find_result_fini(struct find_result *result);
/** RFC 6203 section 4: 1 to 100; of those that no fuzzy key was met by, 100. */
uint8_t find_score(const struct find_hit *hit);

/** Do the return options or sort keys ask for scores? */
bool find_wants_scores(const struct imap_find *f);
/** The scope of the selected mailbox. */
struct find_scope find_scope_of(const struct imapd_view *v, const struct imap_find *f);
