#pragma once
/* ENVELOPE, BODY and BODYSTRUCTURE as IMAP text (RFC 9051 section 7.5.2, RFC 3501 section 7.4.2). What
 * is written is right in every mode of a session (IMAP4rev1, rev2, UTF8=ACCEPT on or off): text is a
 * quoted string when it is short and 7-bit, else a literal; so it can be kept and sent as it stands.
 * Pure; linear, without recursion. */

#include "base/buf.h"
#include "proto/mail/mime_imap.h"

#define MIME_IMAP_QUOTED_MAX 1000 /* octets of a quoted string; what is longer is a literal */

/** "NIL" for a NULL pointer, else as mime_imap_put_string. */
void mime_imap_put_nstring(struct buf *b, struct span s);
/** A quoted string or a literal. NUL, which neither may hold, becomes '?'. */
void mime_imap_put_string(struct buf *b, struct span s);

/** "(date subject from …)" of the root, or of what is in a message/rfc822 part. `a` is for the work. */
void mime_imap_put_envelope(struct buf *b, struct arena *a, const struct mime_part *part);
void mime_imap_put_envelope_of(struct buf *b, const struct mime_envelope *e);
/** "(…)" of a part and all below it; is_extended: BODYSTRUCTURE, else BODY. */
void mime_imap_put_body(
	struct buf *b, struct arena *a, const struct mime_part *part, bool is_extended);

#define MIME_IMAP_DEPTH_MAX 256 /* nesting of a rendered structure; MIME_DEPTH_MAX is less */

/** BODY of what mime_imap_put_body() has rendered as BODYSTRUCTURE: the same without its extension data.
 * False when it was no such text (what was put then means nothing). */
bool mime_imap_put_body_of(struct buf *b, struct span structure);

/** What mime_imap_put_envelope() has written, read again (names as they were told: Sender and Reply-To are
 * From's where they had none). False when it is no such text. Lives in `a`, may borrow from `text`. */
bool mime_imap_read_envelope(struct arena *a, struct span text, struct mime_envelope *env_r);
