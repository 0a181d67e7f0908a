#pragma once
/* The text of a part as people read it, streaming: transfer encoding, charset and format=flowed
 * undone, in any cut. For showing, searching and indexing. Pure but for iconv: not on a loop's
 * thread. */

#include "proto/mail/mime_parse.h"

struct mime_text;

/** `part` (of a parsed message) outlives it. With `joins_flows` the paragraphs of a flowed text
 * become one line each. */
struct mime_text *mime_text_new(const struct mime_part *part, bool joins_flows);
void mime_text_free(struct mime_text **t);
/** Octets of the part's body as they stand in the message; UTF-8 is appended, at most three octets
 * for one. Look at buf_ok() and drain it between calls. */
void mime_text_feed(struct mime_text *t, struct span octets, struct buf *out);
/** The end of the body. Returns the defects met: MIME_BASE64_…, MIME_QP_…, MIME_CHARSET_…. */
uint64_t mime_text_end(struct mime_text *t, struct buf *out);

/** Those met so far; a character that a cut went through is none. */
uint64_t mime_text_defects(const struct mime_text *t);

/** What a page shows (UTF-8): tags, comments, style and script taken out, character references read. At
 * most as many octets as went in. */
void mime_text_of_html(struct span html, struct buf *out);
