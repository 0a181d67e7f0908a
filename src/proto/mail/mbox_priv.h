#pragma once
/* Between the files of mbox. */

#include "proto/mail/mbox.h"

/* Fields that programs keep in an mbox beside the message. id, name */
#define MBOX_FIELDS(X)                                                                             \
	X(STATUS, "Status")                                                                        \
	X(X_STATUS, "X-Status")                                                                    \
	X(X_KEYWORDS, "X-Keywords")                                                                \
	X(X_UID, "X-UID")                                                                          \
	X(X_IMAP, "X-IMAP")                                                                        \
	X(X_IMAPBASE, "X-IMAPbase")                                                                \
	X(MOZILLA_STATUS, "X-Mozilla-Status")                                                      \
	X(MOZILLA_STATUS2, "X-Mozilla-Status2")                                                    \
	X(MOZILLA_KEYS, "X-Mozilla-Keys")                                                          \
	X(CONTENT_LENGTH, "Content-Length")                                                        \
	X(GMAIL_LABELS, "X-Gmail-Labels")                                                          \
	X(LINES, "Lines")
enum mbox_field {
#define X(id, name) MBOX_FIELD_##id,
	MBOX_FIELDS(X)
#undef X
		MBOX_FIELD_COUNT
};

const char *mbox_field_name(enum mbox_field f);
/** The field that a line begins, or MBOX_FIELD_COUNT. */
enum mbox_field mbox_field_of(struct span line);
/** Is it a line of a header section, behind `head`: a field's first line, or the continuation of one? */
bool mbox_is_head_line(struct span line, struct span head);
/** The next field with its folded lines off the front of a header section; SPAN_NONE at its end. */
struct span mbox_take_field(struct span *head);
/** How many ">" stand before "From " at the front; -1: it is no such line. *is_open_r: more octets could make
 * it one. */
int mbox_quotes(struct span line, bool *is_open_r);
/** Read m->head into m->letter; *length_r of Content-Length. */
void mbox_read_head(struct mbox *m, uint64_t *length_r);
/** Put m->head through, without what is the mailbox's. */
void mbox_strip_head(struct mbox *m, bool is_length_taken, void (*put)(struct mbox *, struct span));
