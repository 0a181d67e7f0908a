#pragma once
/* format=flowed (RFC 3676): paragraphs that readers wrap as wide as their window. Pure, streaming,
 * any cut. */

#include "base/buf.h"

#define MIME_FLOWED_WIDTH 72  /* columns of the lines written */
#define MIME_FLOWED_DEPTH 100 /* of quoting; more '>' are text */

struct mime_flowed {
	bool is_delsp; /* DelSp=yes: the blank that marks a flow is not text */
	/* private */
	unsigned depth, line_depth; /* of the paragraph under way, of the line under way */
	bool is_in_text;            /* the line's '>' and stuffing are behind us */
	bool is_stuffed;            /* a blank was taken off */
	bool is_open;               /* the line before ended with a blank: the paragraph goes on */
	bool has_cr, has_blank, is_begun;
	unsigned dashes; /* how much of "-- " this line has been, 9: it is something else */
};
/** `in` is decoded text; out come paragraphs, one a line (LF), each with its quote marks ("> "). */
void mime_flowed_feed(struct mime_flowed *f, struct span in, struct buf *out);
void mime_flowed_end(struct mime_flowed *f, struct buf *out);

/** The other way, all at once: each line of `text` (LF or CRLF) is a paragraph; a line that begins
 * with '>' marks is quoted text. Lines end with CRLF. */
void mime_flowed_put(struct buf *b, struct span text);
