#pragma once
/* What IMAP's ENVELOPE, BODYSTRUCTURE and PREVIEW, and JMAP's Email object, tell about a message:
 * data, not syntax. Everything lives in the arena. Pure but for iconv (preview). */

#include "proto/mail/mime_address.h"
#include "proto/mail/mime_parse.h"

#define MIME_ENVELOPE_ADDRESSES_MAX 1000  /* of one field */
#define MIME_PREVIEW_CHARACTERS     256   /* RFC 8970 section 3.1 */
#define MIME_PREVIEW_OCTETS         16384 /* of the part's body are looked at */
#define MIME_LANGUAGES_MAX          20

struct mime_envelope {             /* RFC 9051 section 7.5.2 */
	struct span date, subject; /* unfolded, not decoded; ptr NULL: no such field */
	struct mime_address_list from, sender, reply_to, to, cc, bcc;
	struct span in_reply_to, message_id; /* unfolded; ptr NULL: none */
};
/** `part` is a message: the root, or the child of a message/rfc822 part. Where Sender or Reply-To
 * have nothing they are From's (RFC 9051). */
void mime_envelope(struct arena *a, const struct mime_part *part, struct mime_envelope *env_r);

struct mime_body {                 /* RFC 9051 section 7.5.2, body-type-1part and body-type-mpart */
	struct span type, subtype; /* lower case */
	const struct mime_raw_param *params;
	size_t param_count;
	struct span id, description; /* unfolded; ptr NULL: NIL */
	struct span encoding;
	uint64_t octets; /* as they stand, encoded */
	uint64_t lines;  /* text and message parts */
	struct span md5, location;
	struct span disposition; /* ptr NULL: NIL */
	const struct mime_raw_param *disposition_params;
	size_t disposition_param_count;
	struct span *languages;
	size_t language_count;
};
/** What IMAP has no words for is told as something else: a multipart without any child as text/plain,
 * a message that was not looked into (encoded, too deep) as application/octet-stream. */
void mime_body(struct arena *a, const struct mime_part *part, struct mime_body *body_r);

/** The part of an IMAP section number ("2.1.3", as numbers): NULL when there is none. A message/
 * rfc822 part's numbers go on with the message inside; 1 is the body of what has no parts. */
const struct mime_part *mime_part_at(
	const struct mime_tree *t, const unsigned *numbers, size_t count);

/** The part that is shown first: text/plain rather than text/html, no attachment; NULL when there
 * is no text. */
const struct mime_part *mime_text_part(const struct mime_tree *t);
/** The first characters of that part as one line of text: `body` holds the part's body as it
 * stands (encoded), or its first MIME_PREVIEW_OCTETS. Quoted lines are left out unless there is
 * nothing else. */
struct span mime_preview_of(struct arena *a, const struct mime_part *part, struct span body);
/** The same of a message in memory. */
struct span mime_preview(struct arena *a, const struct mime_tree *t, struct span message);
