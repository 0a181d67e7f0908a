#pragma once
/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */

#include "base/span.h"

/** Octets of the well-formed character at the front of `s`, or 0 when there is none. */
size_t utf8_length_at(struct span s);
bool utf8_is_valid(struct span s);
/** Take a character off the front; false (and nothing taken) when it is not well formed. */
bool utf8_take(struct span *s, uint32_t *code_r);
/** Write `code` (a Unicode scalar value) to `out`, at most 4 bytes; returns how many. */
size_t utf8_put(char out[4], uint32_t code);
