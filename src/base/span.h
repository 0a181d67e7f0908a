#pragma once
/* struct span: borrowed bytes (pointer, length). It owns nothing and need not end with NUL; who
 * hands one out says how long it lives. All functions are pure and thread-safe. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct span {
	const char *ptr;
	size_t len;
};

#define SPAN(lit)     ((struct span){"" lit, sizeof(lit) - 1})
#define SPAN_NONE     ((struct span){NULL, 0})
#define SPAN_FMT      "%.*s"
#define SPAN_ARG(s)   (int)(s).len, (s).ptr ? (s).ptr : ""
#define span_of(p, n) ((struct span){(const char *)(p), (n)})

/** The bytes of a C string (NULL gives an empty span). */
struct span span_str(const char *s);

bool span_eq(struct span a, struct span b);
/** Equal when ASCII letters are compared without case; other bytes must be the same. */
bool span_eq_nocase(struct span a, struct span b);
bool span_starts(struct span s, struct span prefix);
bool span_starts_nocase(struct span s, struct span prefix);
bool span_ends_nocase(struct span s, struct span suffix);
/** Order by bytes, shorter first among equals: <0, 0, >0. */
int span_cmp(struct span a, struct span b);

/** Index of the first (last) `c`, or -1. */
ptrdiff_t span_find(struct span s, char c);
ptrdiff_t span_rfind(struct span s, char c);
/** Index of the first occurrence of `needle`, or -1. An empty needle is found at 0. */
ptrdiff_t span_find_span(struct span s, struct span needle);

/** Bytes from `from` on, and at most `len` of them; both are clipped to the span. */
struct span span_sub(struct span s, size_t from, size_t len);
struct span span_skip(struct span s, size_t n);

/** Without blanks (SP, HT, CR, LF) at both ends. */
struct span span_trim(struct span s);

/** Split at the first `c`: true and both halves when `c` is there, else false, all in `*head_r`
 * and an empty `*tail_r`. */
bool span_cut(struct span s, char c, struct span *head_r, struct span *tail_r);

/** Take the next word (run of bytes that are not SP or HT) off the front of `*s`. */
struct span span_word(struct span *s);

/** Decimal digits only, the whole span, no overflow: true and the value, else false. */
bool span_u64(struct span s, uint64_t *value_r);
/** The same, and at most `max`. */
bool span_u64_max(struct span s, uint64_t max, uint64_t *value_r);

/** Any CR, LF or NUL within? (What may never enter a command line or a header.) */
bool span_has_line_break(struct span s);
/** Only bytes 0x00 to 0x7f? */
bool span_is_ascii(struct span s);

static inline unsigned char span_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}
