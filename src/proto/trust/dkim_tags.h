#pragma once
/* Tag lists (RFC 6376 section 3.2): "v=1; a=rsa-sha256; …", in signature fields and key records. Strict:
 * what is not of the grammar is no list, and a name that stands twice makes it none. UTF-8 may stand in
 * values (RFC 8616). Pure. */

#include "proto/trust/dkim.h"

struct dkim_tag {
	struct span name, value; /* the value without blanks around it, folds within as they were */
	struct span raw;         /* all between "=" and ";" */
};
struct dkim_tags {
	size_t count;
	struct dkim_tag tag[DKIM_TAGS_MAX];
};

/** Spans are of `text`. ERR_SYNTAX with a reason for people; ERR_LIMIT. */
int dkim_tags_parse(struct span text, struct dkim_tags *tags_r, struct err *e);
/** NULL: it is not there. */
const struct dkim_tag *dkim_tags_get(const struct dkim_tags *tags, const char *name);
/** Its value; "" when it is not there. */
struct span dkim_tags_value(const struct dkim_tags *tags, const char *name);

/** Take the next word of a list "a:b:c" off its front, blanks and folds around it left away; false at
 * the end. An empty list has one empty word. `*rest` begins as the value; its ptr is NULL at the end. */
bool dkim_tags_word(struct span *rest, struct span *word_r);
/** Is that word in the list? Case counts. */
bool dkim_tags_has(struct span list, struct span word);
/** The octets of base64 with blanks and folds in it (section 2.10). False: it is none, or empty. */
bool dkim_tags_base64(struct span value, struct buf *out);
