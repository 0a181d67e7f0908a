#pragma once
/* From a document to the tokens that stand in the index for it, and from a needle to the tokens that
 * every document with it has. Pure, thread-safe.
 *
 * Tokens, each with a letter for the place it is from in front:
 * - of a word: every two and three letters in a row, folded (search_fold.h), place in small letters;
 * - of characters that are words: each, and every two in a row;
 * - the whole word as casemap has it, place in capitals: who looks for just that word has surely found
 *   it, whatever stands around it;
 * - "!" of a document that is cut.
 * No query needs the beginning of a token, so that each is one list, and a part of it by account. */

#include "store/search.h"

/* Another version: other tokens for the same text. The index is made anew. */
#define SEARCH_VERSION      2
#define SEARCH_TOKENS_MAX   (64 * 1024)       /* of a document; then it is cut */
#define SEARCH_TOKENS_BYTES (8 * 1024 * 1024) /* their text */
#define SEARCH_WORD_MAX     24                /* code points of a word that is a token as a whole */
#define SEARCH_GRAMS_MAX    16                /* tokens that a piece of a needle is looked for by */

/** Append the distinct tokens, a blank behind each. False when there are more than _MAX: the document
 * is cut, and has the token that says so. */
bool search_tokens(struct buf *out, const struct search_doc *doc);

/* Expressions over tokens: "tok", AND, OR and parentheses. */
struct search_query {
	struct span sure;  /* those have it; "" : of none is that known */
	struct span maybe; /* only those can have it; "" : all */
	bool is_exact;     /* those of `sure`, and no others */
};

void search_query(
	struct arena *a, const struct search_needle *needle, struct search_query *query_r);
