#pragma once
/* Text made comparable, one code point at a time, so that what is a part of a text stays a part of it.
 *
 * casemap: i;unicode-casemap (RFC 5051), what IMAP compares by.
 * fold: of what casemap gives: letters without case, accents and width, for people; and whether it is
 *	a letter of a word, a character that is a word, or none of both.
 *
 * Pure, thread-safe. What is not well-formed UTF-8 is taken as U+FFFD, an octet at a time. */

#include "base/buf.h"

enum search_class {
	SEARCH_SEP,  /* blanks, punctuation */
	SEARCH_WORD, /* letters, digits: of a word */
	SEARCH_CJK,  /* Han, kana, pictures: scripts without blanks between words */
	SEARCH_MARK  /* an accent or a selector: counts for casemap alone */
};

#define SEARCH_CASEMAP_CODES 18 /* that one code point becomes, at most (U+FDFA) */
#define SEARCH_FOLD_CODES    4

/** What a code point becomes; how many. */
size_t search_casemap_code(uint32_t code, uint32_t out[SEARCH_CASEMAP_CODES]);
/** What a code point that search_casemap_code gave becomes; how many (one for a mark or separator). */
size_t search_fold_code(uint32_t code, uint32_t out[SEARCH_FOLD_CODES], enum search_class *class_r);

/** Append the comparison form of RFC 5051 as UTF-8 (at most 11 octets for one). */
void search_casemap(struct buf *out, struct span text);
/** Append words for people: folded, one blank between words and none within; characters that are
 * words stand together. */
void search_fold(struct buf *out, struct span text);
/** The next word of what search_fold gave; false at the end. */
bool search_next_word(struct span *folded, struct span *word_r);
