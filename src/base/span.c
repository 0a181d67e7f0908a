#include "base/span.h"

#include <string.h>

struct span span_str(const char *s)
{
	return span_of(s, s ? strlen(s) : 0);
}

bool span_eq(struct span a, struct span b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool span_eq_nocase(struct span a, struct span b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (span_lower((unsigned char)a.ptr[i]) != span_lower((unsigned char)b.ptr[i]))
			return false;
	return true;
}

bool span_starts(struct span s, struct span prefix)
{
	return s.len >= prefix.len && span_eq(span_sub(s, 0, prefix.len), prefix);
}

bool span_starts_nocase(struct span s, struct span prefix)
{
	return s.len >= prefix.len && span_eq_nocase(span_sub(s, 0, prefix.len), prefix);
}

bool span_ends_nocase(struct span s, struct span suffix)
{
	return s.len >= suffix.len && span_eq_nocase(span_skip(s, s.len - suffix.len), suffix);
}

int span_cmp(struct span a, struct span b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int d = n ? memcmp(a.ptr, b.ptr, n) : 0;

	return d ? d : (a.len > b.len) - (a.len < b.len);
}

ptrdiff_t span_find(struct span s, char c)
{
	const char *p = s.len ? memchr(s.ptr, c, s.len) : NULL;

	return p ? p - s.ptr : -1;
}

ptrdiff_t span_rfind(struct span s, char c)
{
	const char *p = s.len ? memrchr(s.ptr, c, s.len) : NULL;

	return p ? p - s.ptr : -1;
}

ptrdiff_t span_find_span(struct span s, struct span needle)
{
	const char *p;

	if (needle.len == 0)
		return 0;
	if (needle.len > s.len)
		return -1;
	p = memmem(s.ptr, s.len, needle.ptr, needle.len);
	return p ? p - s.ptr : -1;
}

struct span span_sub(struct span s, size_t from, size_t len)
{
	if (from > s.len)
		from = s.len;
	if (len > s.len - from)
		len = s.len - from;
	return span_of(s.ptr ? s.ptr + from : NULL, len);
}

struct span span_skip(struct span s, size_t n)
{
	return span_sub(s, n, s.len);
}

static bool span_is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span s)
{
	while (s.len && span_is_blank(s.ptr[0]))
		s = span_skip(s, 1);
	while (s.len && span_is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

bool span_cut(struct span s, char c, struct span *head_r, struct span *tail_r)
{
	ptrdiff_t at = span_find(s, c);

	if (at < 0) {
		*head_r = s;
		*tail_r = span_skip(s, s.len);
		return false;
	}
	*head_r = span_sub(s, 0, (size_t)at);
	*tail_r = span_skip(s, (size_t)at + 1);
	return true;
}

struct span span_word(struct span *s)
{
	size_t from = 0, to;

	while (from < s->len && (s->ptr[from] == ' ' || s->ptr[from] == '\t'))
		from++;
	to = from;
	while (to < s->len && s->ptr[to] != ' ' && s->ptr[to] != '\t')
		to++;
	struct span word = span_sub(*s, from, to - from);
	*s = span_skip(*s, to);
	return word;
}

bool span_u64(struct span s, uint64_t *value_r)
{
	uint64_t v = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, 10, &v) ||
			__builtin_add_overflow(v, (uint64_t)(s.ptr[i] - '0'), &v))
			return false;
	}
	*value_r = v;
	return true;
}

bool span_u64_max(struct span s, uint64_t max, uint64_t *value_r)
{
	uint64_t v;

	if (!span_u64(s, &v) || v > max)
		return false;
	*value_r = v;
	return true;
}

bool span_has_line_break(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.ptr[i] == '\r' || s.ptr[i] == '\n' || s.ptr[i] == '\0')
			return true;
	return false;
}

/* Blocks without a way out in the middle, which the compiler turns into a few wide loads: bodies go
 * through here. */
#define ASCII_BLOCK 128

bool span_is_ascii(struct span s)
{
	size_t i = 0;
	unsigned char seen = 0;

	for (; s.len - i >= ASCII_BLOCK && !(seen & 0x80); i += ASCII_BLOCK)
		for (size_t k = 0; k < ASCII_BLOCK; k++)
			seen |= (unsigned char)s.ptr[i + k];
	for (; i < s.len && !(seen & 0x80); i++)
		seen |= (unsigned char)s.ptr[i];
	return !(seen & 0x80);
}
