#pragma once
/* Which parts of a message are its text, its HTML and its attachments (RFC 8621 section 4.1.4).
 * Pure. */

#include "proto/mail/mime_parse.h"

struct mime_part_list {
	const struct mime_part **items;
	size_t count;
};

struct mime_bodies {
	struct mime_part_list text, html; /* what is shown, in order, by who likes which more */
	struct mime_part_list attachments;
};
/** Lists live in `a`. */
void mime_bodies(struct arena *a, const struct mime_tree *t, struct mime_bodies *b_r);
/** Is there something to save (hasAttachment): not a picture that the text shows. */
bool mime_has_attachment(const struct mime_bodies *b);
