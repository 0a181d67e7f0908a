#include "base/utf8.h"

#include "base/must.h"

static bool utf8_is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

size_t utf8_length_at(struct span s)
{
	const unsigned char *p = (const unsigned char *)s.ptr;
	unsigned char lo = 0x80, hi = 0xbf;
	size_t n;

	if (s.len == 0)
		return 0;
	if (p[0] < 0x80)
		return 1;
	/* RFC 3629 section 4: the second octet's range depends on the first. */
	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		n = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		n = 3;
		if (p[0] == 0xe0)
			lo = 0xa0;
		else if (p[0] == 0xed)
			hi = 0x9f;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		n = 4;
		if (p[0] == 0xf0)
			lo = 0x90;
		else if (p[0] == 0xf4)
			hi = 0x8f;
	} else {
		return 0;
	}
	if (s.len < n || p[1] < lo || p[1] > hi)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (!utf8_is_tail(p[i]))
			return 0;
	return n;
}

bool utf8_is_valid(struct span s)
{
	while (s.len) {
		size_t n = utf8_length_at(s);

		if (n == 0)
			return false;
		s = span_skip(s, n);
	}
	return true;
}

bool utf8_take(struct span *s, uint32_t *code_r)
{
	const unsigned char *p = (const unsigned char *)s->ptr;
	size_t n = utf8_length_at(*s);
	uint32_t code;

	if (n == 0)
		return false;
	code = n == 1 ? p[0] : p[0] & (0xffu >> (n + 1));
	for (size_t i = 1; i < n; i++)
		code = code << 6 | (p[i] & 0x3f);
	*s = span_skip(*s, n);
	*code_r = code;
	return true;
}

size_t utf8_put(char out[4], uint32_t code)
{
	MUST(code <= 0x10ffff && (code < 0xd800 || code > 0xdfff));
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xc0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xe0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3f));
		out[2] = (char)(0x80 | (code & 0x3f));
		return 3;
	}
	out[0] = (char)(0xf0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3f));
	out[2] = (char)(0x80 | (code >> 6 & 0x3f));
	out[3] = (char)(0x80 | (code & 0x3f));
	return 4;
}
