#pragma once
/* Character sets to UTF-8 and back, streaming. Names are those that mail carries, with the aliases
 * and the supersets that readers use for them (GB2312 is read as GB18030, Shift_JIS as CP932,
 * ISO-8859-1 as windows-1252 …). Pure but for iconv, which may read its tables from disk: not on a
 * loop's thread. One thread at a time. */

#include "base/arena.h"
#include "base/buf.h"
#include "proto/mail/mime_defect.h"

#define MIME_CHARSET_NAME_MAX 40
#define MIME_CHARSET_HELD     16          /* octets of a character that a cut went through */
#define MIME_CHARSET_TEXT_MAX (256 << 10) /* octets of UTF-8 that mime_charset_text() makes */

struct mime_charset; /* one stream from a charset to UTF-8 */

/** The name iconv knows it by, in upper case, "" when nobody does. Static or in `a`. */
struct span mime_charset_canonical(struct arena *a, struct span name);

/** Never NULL: an unknown charset is read as UTF-8 where it is that, with the defect. */
struct mime_charset *mime_charset_new(struct span name);
void mime_charset_free(struct mime_charset **c);
/** Append what `in` says in UTF-8. What means nothing becomes U+FFFD. At most three octets out for
 * one in, when `out` is full the rest is lost (buf_ok). */
void mime_charset_feed(struct mime_charset *c, struct span in, struct buf *out);
/** The end: a character that never came whole becomes U+FFFD. */
void mime_charset_end(struct mime_charset *c, struct buf *out);
/** CHARSET_UNKNOWN, CHARSET_BAD. */
uint64_t mime_charset_defects(const struct mime_charset *c);

/** All at once, at most MIME_CHARSET_TEXT_MAX octets of it; lives in `a`. */
struct span mime_charset_text(
	struct arena *a, struct span charset, struct span octets, uint64_t *defects);

/** From UTF-8 to `charset`, all at once: false, and nothing appended, when the charset is not known
 * or readers would not get the same text back from it. */
bool mime_charset_encode(struct buf *b, struct span charset, struct span utf8);
