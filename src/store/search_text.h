#pragma once
/* The text of a message as search knows it: header, parts and body decoded to UTF-8 (struct search_doc).
 * The indexer makes it for the index; who has to look at a message itself (not indexed yet, or cut) makes
 * it the same way. Blocking, long (parses, iconv): a lane or a thread of one's own. */

#include "store/search.h"

#define SEARCH_HEADER_MAX (256 * 1024) /* octets of the decoded header; and of the parts' headers */

/** Spans in `a`. doc_r->n is left alone. ERR_NOT_FOUND: the body is gone. */
int search_text_make(struct store *s, struct arena *a, struct span prefix, uint64_t blob_id,
	uint64_t octets, struct search_doc *doc_r, struct err *e);
