#pragma once
/* Encoded words (RFC 2047) and mailboxes (RFC 5322 section 3.4), as far as a listing or a report
 * shows them. Pure; nothing yields. Character sets other than UTF-8, US-ASCII, ISO-8859-1 and
 * windows-1252 go through iconv, which may read its tables from disk: not on a loop's thread. */

#include "base/arena.h"
#include "base/buf.h"

#define MAIL_WORD_TEXT_MAX (64 * 1024) /* octets of UTF-8 that decoding may make */

/** A field's raw value to UTF-8 text on one line: unfolded, encoded words decoded, controls and
 * what cannot be decoded replaced. Lives in `a`. */
struct span mail_word_decode(struct arena *a, struct span value);
/** The same as JMAP has it (RFC 8621 section 4.1.2.2): NUL and controls in encoded words are dropped, and what
 * only looks like an encoded word stays as it is: within other text, or with a blank inside. */
struct span mail_word_text(struct arena *a, struct span value);
/** Text as encoded words where it is not plain ASCII ("=?UTF-8?B?…?=", folded, each at most 75
 * octets), without a line end. `column`: where on its line it begins. */
void mail_word_put(struct buf *b, struct span text, size_t column);

struct mail_mailbox {
	struct span name;    /* display name in UTF-8, "" when none */
	struct span address; /* "local@domain" as written, blanks and comments gone */
};
/** Take the next mailbox off the front of a raw address list; false at the end. Groups are
 * flattened; what is malformed is skipped up to the next comma. Spans live in `a`. */
bool mail_mailbox_next(struct arena *a, struct span *list, struct mail_mailbox *m_r);
