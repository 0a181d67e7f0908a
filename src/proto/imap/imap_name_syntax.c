#include "proto/imap/imap_name_syntax.h"

#include <string.h>

#include "base/utf8.h"
#include "proto/imap/imap_limits.h"

/* RFC 3501 section 5.1.3: base64 with "," for "/" */
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static int digit_of(char c)
{
	const char *p = c ? strchr(alphabet, c) : NULL;

	return p ? (int)(p - alphabet) : -1;
}

/* Units of UTF-16 become characters of UTF-8. */
struct utf16 {
	struct buf *out;
	uint32_t high; /* a surrogate that waits for its second half; 0: none */
};

static bool unit_put(struct utf16 *u, uint32_t unit)
{
	char text[4];

	if (u->high) {
		if (unit < 0xdc00 || unit > 0xdfff)
			return false;
		unit = 0x10000 + ((u->high - 0xd800) << 10) + (unit - 0xdc00);
		u->high = 0;
	} else if (unit >= 0xd800 && unit <= 0xdbff) {
		u->high = unit;
		return true;
	} else if (unit >= 0xdc00 && unit <= 0xdfff) {
		return false;
	} else if (unit >= 0x20 && unit <= 0x7e) {
		return false; /* "printable US-ASCII characters … MUST NOT" be shifted */
	}
	buf_put(u->out, text, utf8_put(text, unit));
	return true;
}

/* What stands between "&" and "-" (not empty). */
static bool shift_decode(struct buf *b, struct span s)
{
	struct utf16 u = {.out = b};
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < s.len; i++) {
		int d = digit_of(s.ptr[i]);

		if (d < 0)
			return false;
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have >= 16) {
			have -= 16;
			if (!unit_put(&u, bits >> have & 0xffff))
				return false;
			bits &= (1u << have) - 1;
		}
	}
	/* nothing but fewer than six zero bits may be left over */
	return have < 6 && bits == 0 && u.high == 0;
}

static bool utf7_decode(struct buf *b, struct span name)
{
	bool was_shift = false;

	while (name.len) {
		unsigned char c = (unsigned char)name.ptr[0];
		struct span shift, rest;

		if (c < 0x20 || c > 0x7e)
			return false;
		if (c != '&') {
			buf_char(b, (char)c);
			name = span_skip(name, 1);
			was_shift = false;
			continue;
		}
		if (!span_cut(span_skip(name, 1), '-', &shift, &rest))
			return false;
		if (shift.len == 0) {
			buf_char(b, '&');
			was_shift = false;
		} else {
			/* one run of characters is one shift: "-&" is a null shift, not permitted */
			if (was_shift || !shift_decode(b, shift))
				return false;
			was_shift = true;
		}
		name = rest;
	}
	return buf_ok(b);
}

bool imap_utf7_decode(struct buf *b, struct span name)
{
	size_t before = buf_len(b);

	if (utf7_decode(b, name))
		return true;
	buf_truncate(b, before);
	return false;
}

struct shift {
	struct buf *out;
	uint32_t bits;
	unsigned have;
	bool is_open;
};

static void shift_unit(struct shift *s, uint32_t unit)
{
	if (!s->is_open) {
		buf_char(s->out, '&');
		s->is_open = true;
	}
	s->bits = s->bits << 16 | unit;
	s->have += 16;
	while (s->have >= 6) {
		s->have -= 6;
		buf_char(s->out, alphabet[s->bits >> s->have & 63]);
	}
	s->bits &= (1u << s->have) - 1;
}

static void shift_close(struct shift *s)
{
	if (!s->is_open)
		return;
	if (s->have)
		buf_char(s->out, alphabet[s->bits << (6 - s->have) & 63]);
	buf_char(s->out, '-');
	*s = (struct shift){.out = s->out};
}

bool imap_utf7_encode(struct buf *b, struct span utf8)
{
	struct shift s = {.out = b};
	size_t before = buf_len(b);
	uint32_t code;

	while (utf8.len) {
		if (!utf8_take(&utf8, &code)) {
			buf_truncate(b, before);
			return false;
		}
		if (code >= 0x20 && code <= 0x7e) {
			shift_close(&s);
			buf_char(b, (char)code);
			if (code == '&')
				buf_char(b, '-');
		} else if (code >= 0x10000) {
			shift_unit(&s, 0xd800 + ((code - 0x10000) >> 10));
			shift_unit(&s, 0xdc00 + ((code - 0x10000) & 0x3ff));
		} else {
			shift_unit(&s, code);
		}
	}
	shift_close(&s);
	return buf_ok(b);
}

bool imap_name_is_inbox(struct span name)
{
	return span_eq_nocase(name, SPAN("INBOX"));
}

struct span imap_name_capital(struct arena *a, struct span name)
{
	char *text;

	if (!span_starts_nocase(name, SPAN("INBOX")) ||
		(name.len > 5 && !strchr("/*%", name.ptr[5])) || span_starts(name, SPAN("INBOX")))
		return name;
	text = arena_str(a, name);
	memcpy(text, "INBOX", 5);
	return span_of(text, name.len);
}

struct span imap_name_decode(struct arena *a, struct span wire, bool is_utf8)
{
	struct span name = wire.ptr ? wire : SPAN("");

	if (name.len > 4 * IMAP_NAME_MAX)
		return SPAN_NONE;
	/* Some send UTF-8 before they have enabled it: nothing else can be meant by 8-bit octets
	 * (RFC 9051 appendix A: such servers accept both). */
	if (!is_utf8 && span_is_ascii(name)) {
		struct buf *b = arena_buf(a, 4 * IMAP_NAME_MAX + 4);

		if (!imap_utf7_decode(b, name))
			return SPAN_NONE;
		if (buf_len(b) != name.len || !span_eq(buf_span(b), name))
			name = buf_span(b);
	}
	if (!imap_name_is_text(name))
		return SPAN_NONE;
	return imap_name_capital(a, name);
}

bool imap_name_is_text(struct span name)
{
	uint32_t code;

	while (name.len) {
		if (!utf8_take(&name, &code))
			return false;
		if (code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x2028 ||
			code == 0x2029)
			return false;
	}
	return true;
}

bool imap_name_is_creatable(struct span name)
{
	size_t levels = 1;

	if (name.len == 0 || name.len > IMAP_NAME_MAX || !imap_name_is_text(name))
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (c == '*' || c == '%')
			return false;
		if (c != IMAP_SEPARATOR)
			continue;
		levels++;
		if (i == 0 || i + 1 == name.len || name.ptr[i + 1] == IMAP_SEPARATOR)
			return false;
	}
	return levels <= IMAP_NAME_LEVELS_MAX;
}

static bool is_wild(char c)
{
	return c == '*' || c == '%';
}

/* Which places of the pattern can be reached: live[i] says that its first i octets match what was
 * taken of the name. */
struct places {
	struct span pattern;
	bool live[IMAP_NAME_MAX + 1];
};

/* A wildcard may stand for nothing. */
static void places_open(struct places *p)
{
	for (size_t i = 0; i < p->pattern.len; i++)
		if (p->live[i] && is_wild(p->pattern.ptr[i]))
			p->live[i + 1] = true;
}

static bool places_init(struct places *p, struct span pattern)
{
	if (pattern.len > IMAP_NAME_MAX)
		return false;
	p->pattern = pattern;
	memset(p->live, 0, pattern.len + 1);
	p->live[0] = true;
	places_open(p);
	return true;
}

static bool places_take(struct places *p, char c)
{
	bool is_any = false;

	for (size_t i = p->pattern.len + 1; i-- > 0;) {
		bool stays = i < p->pattern.len && p->live[i] &&
			(p->pattern.ptr[i] == '*' ||
				(p->pattern.ptr[i] == '%' && c != IMAP_SEPARATOR));
		bool comes = i > 0 && p->live[i - 1] && p->pattern.ptr[i - 1] == c &&
			!is_wild(p->pattern.ptr[i - 1]);

		p->live[i] = stays || comes;
		is_any = is_any || p->live[i];
	}
	places_open(p);
	return is_any;
}

bool imap_pattern_matches(struct span pattern, struct span name)
{
	struct places p;

	if (!places_init(&p, pattern))
		return false;
	for (size_t i = 0; i < name.len; i++)
		if (!places_take(&p, name.ptr[i]))
			return false;
	return p.live[pattern.len];
}

bool imap_pattern_matches_below(struct span pattern, struct span parent)
{
	struct places p;

	if (!places_init(&p, pattern))
		return false;
	for (size_t i = 0; i < parent.len; i++)
		if (!places_take(&p, parent.ptr[i]))
			return false;
	if (!places_take(&p, IMAP_SEPARATOR))
		return false;
	/* what is left of the pattern can be met by some name, but nothing left is no name */
	for (size_t i = 0; i < pattern.len; i++)
		if (p.live[i])
			return true;
	return false;
}
