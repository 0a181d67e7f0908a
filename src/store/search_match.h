#pragma once
/* A kept text and what is asked of it, and how it is kept. Pure. */

#include "store/search.h"

/** The next field of a search_doc's header; false at its end. */
bool search_next_field(struct span *header, struct span *name_r, struct span *value_r);

/* What needles become once, before many texts are looked at. */
struct search_matcher;
struct search_matcher *search_matcher_new(const struct search_needle *needles, size_t count);
void search_matcher_free(struct search_matcher **m);
/** Are parts and body needed, or is the header enough for those of `asked`? */
bool search_matcher_wants_body(const struct search_matcher *m, uint32_t asked);
/** Bits of the needles of `asked` that the text has. Without `matches_r` nothing is counted, which is much
 * faster for words. */
uint32_t search_matcher_run(struct search_matcher *m, const struct search_doc *doc, uint32_t asked,
	unsigned *matches_r);

/* ---- keeping ---- */

/* One thread's: the state of zlib, and room for a text. */
struct search_packer;
struct search_packer *search_packer_new(void);
void search_packer_free(struct search_packer **p);
/** Append the kept form. */
void search_pack(struct search_packer *p, const struct search_doc *doc, struct buf *out);
/** Read it (n stays); the texts live until the packer's next use. Without `is_whole` parts and body are
 * empty. ERR_CORRUPT. */
int search_unpack(struct search_packer *p, struct span kept, bool is_whole,
	struct search_doc *doc_r, struct err *e);
