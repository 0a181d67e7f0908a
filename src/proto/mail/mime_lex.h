#pragma once
/* The words of structured fields (RFC 5322 section 3.2, RFC 2045 section 5.1): comments, quoted
 * strings, tokens. Linear time, no recursion. Pure; for this room only. */

#include "base/arena.h"
#include "proto/mail/mime_defect.h"

struct mime_lex {
	struct span rest;
	uint64_t defects;
	struct span comment; /* inside of the last comment skipped, as written */
};

static inline bool mime_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
/** token of RFC 2045: no controls, no blanks, no tspecials; 8-bit octets pass. */
bool mime_is_token(char c);
/** atext of RFC 5322 section 3.2.3 and RFC 6532 section 3.2. */
bool mime_is_atext(char c);

/** Skip blanks, folds and comments. */
void mime_skip_cfws(struct mime_lex *l);
/** The lexer stands at '(': skip the comment, nested ones included. */
void mime_skip_comment(struct mime_lex *l);
/** The lexer stands at '"': take the string without its quotes, escapes undone and folds gone. */
struct span mime_take_quoted(struct arena *a, struct mime_lex *l);
/** Octets of the quoted string at the front, quotes and all (all of it when it is open). */
size_t mime_quoted_length(struct span s);
/** Lower-case copy. */
struct span mime_lower(struct arena *a, struct span s);
