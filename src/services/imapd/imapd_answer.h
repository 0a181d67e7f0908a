#pragma once
/* What SEARCH, SORT and ESEARCH tell of what they found: ESEARCH with its return options, or the older
 * forms. */

#include "services/imapd/imapd_find.h"

struct find_answer_opts {
	const struct imap_command *cmd;
	const struct find_scope *scope;
	const char *word;    /* "SEARCH", "SORT" */
	bool is_uid;         /* numbers are UIDs */
	bool is_esearch;     /* else the older form */
	bool has_modseq;     /* the program has a MODSEQ key: RFC 7162 section 3.1.5 */
	bool is_sorted;      /* hits are in the order that was asked for (RFC 5267 section 3) */
	struct span mailbox; /* ESEARCH of several mailboxes: its name */
	uint32_t uid_validity;
};
/** `hits` in the order they are told. With RETURN (SAVE) the selected mailbox's "$" is set. */
FIBER int find_tell(struct imapd_conn *c, const struct find_answer_opts *o,
	const struct find_hit *hits, size_t count, struct err *e);

/** What all of them refuse, or note (CONDSTORE); true: it is answered. */
bool find_refuse(struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r);
/** An error of imapd_find as the client hears it (0), or -1 as it is. "$" is empty then, when it was to be
 * set (RFC 5182 section 2.1). */
int find_failed(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e);
/** RFC 9738 section 3.1 */
void find_note_limit(struct imapd_conn *c, const struct find_result *found, struct imap_result *r);
