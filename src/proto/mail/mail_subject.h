#pragma once
/* The base subject (RFC 5256 section 2.1): what is left of a Subject without "Re:", "[list]" and
 * "(fwd)". Pure but for iconv (encoded words): not on a loop's thread. */

#include "base/arena.h"

#define MAIL_SUBJECT_READ 8192 /* octets of a decoded Subject that are looked at */

/** Of a field's raw value; UTF-8, lives in `a`. *is_reply_r: it said that it is a reply or was
 * forwarded. */
struct span mail_base_subject(struct arena *a, struct span value, bool *is_reply_r);
