/* Lines of 72 columns, in scripts with and without blanks. */

#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_dsn_priv.h"

struct range {
	uint32_t from, to;
};

static bool is_among(uint32_t c, const struct range *ranges, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (c >= ranges[i].from && c <= ranges[i].to)
			return true;
	return false;
}

/* East Asian Width W and F (UAX #11), by blocks. */
static bool is_wide(uint32_t c)
{
	static const struct range wide[] = {{0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0xa4cf},
		{0xac00, 0xd7a3}, {0xf900, 0xfaff}, {0xfe30, 0xfe6f}, {0xff00, 0xff60},
		{0xffe0, 0xffe6}, {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

	return c >= 0x1100 && is_among(c, wide, ARRAY_LEN(wide));
}

/* Stands behind what it follows: no line begins with it. */
static bool is_closing(uint32_t c)
{
	static const struct range closing[] = {{0x3001, 0x3002}, {0x3009, 0x3009}, {0x300b, 0x300b},
		{0x300d, 0x300d}, {0x300f, 0x300f}, {0x3011, 0x3011}, {0xff01, 0xff01},
		{0xff09, 0xff09}, {0xff0c, 0xff0c}, {0xff0e, 0xff0e}, {0xff1a, 0xff1b},
		{0xff1f, 0xff1f}};

	return is_among(c, closing, ARRAY_LEN(closing));
}

/* Stands before what follows: no line ends with it. */
static bool is_opening(uint32_t c)
{
	return c == 0xff08 || c == 0x3008 || c == 0x300a || c == 0x300c || c == 0x300e ||
		c == 0x3010;
}

/* Turns the direction of writing, breaks lines, or is no character: in foreign words a trap. */
static bool is_trap(uint32_t c)
{
	static const struct range traps[] = {{0x00, 0x1f}, {0x7f, 0x9f}, {0x200e, 0x200f},
		{0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb},
		{0xe0000, 0xe007f}};

	return is_among(c, traps, ARRAY_LEN(traps));
}

/* A character off the front; an octet that begins none stands for itself. */
static uint32_t take(struct span *s)
{
	uint32_t c;

	if (utf8_take(s, &c))
		return c;
	*s = span_skip(*s, 1);
	return 0xfffd;
}

size_t dsn_columns(struct span text)
{
	size_t n = 0;

	while (text.len)
		n += is_wide(take(&text)) ? 2 : 1;
	return n;
}

struct span dsn_cut_columns(struct span text, size_t columns)
{
	struct span rest = text;
	size_t used = 0;

	while (rest.len) {
		struct span next = rest;

		used += is_wide(take(&next)) ? 2 : 1;
		if (used > columns)
			break;
		rest = next;
	}
	return span_sub(text, 0, text.len - rest.len);
}

/* What no line break may go through: a word, or a wide letter with the signs that cling to it. */
static struct span take_unit(struct span *text)
{
	struct span rest = *text, unit;
	bool is_open = true; /* nothing yet, or an opening sign: more is to follow */

	while (rest.len && rest.ptr[0] != ' ') {
		struct span next = rest;
		uint32_t c = take(&next);

		if (!is_closing(c) && !is_open && is_wide(c))
			break;
		rest = next;
		is_open = is_opening(c);
		if (is_wide(c) && !is_open) { /* then the closing signs, and no more */
			while (rest.len) {
				next = rest;
				if (!is_closing(take(&next)))
					break;
				rest = next;
			}
			break;
		}
	}
	unit = span_sub(*text, 0, text->len - rest.len);
	*text = rest;
	return unit;
}

static void put_safe(struct buf *b, struct span text)
{
	while (text.len) {
		struct span from = text;
		uint32_t c = take(&text);

		if (c == 0xfffd || is_trap(c))
			buf_char(b, '?');
		else
			buf_span_put(b, span_sub(from, 0, from.len - text.len));
	}
}

void dsn_put_wrapped(struct buf *b, const char *indent, struct span text)
{
	size_t column = 0;

	for (;;) {
		bool is_blank = text.len && text.ptr[0] == ' ';
		struct span unit;
		size_t columns;

		while (text.len && text.ptr[0] == ' ')
			text = span_skip(text, 1);
		if (!text.len)
			break;
		unit = take_unit(&text);
		columns = dsn_columns(unit);
		if (column && column + is_blank + columns > DSN_COLUMNS) {
			buf_str(b, "\r\n");
			column = 0;
		}
		if (!column) {
			buf_str(b, indent);
			column = span_str(indent).len;
		} else if (is_blank) {
			buf_char(b, ' ');
			column++;
		}
		put_safe(b, unit);
		column += columns;
	}
	buf_str(b, "\r\n");
}
