#include "proto/mail/mime_charset.h"

#include <errno.h>
#include <iconv.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/utf8.h"

#define REPLACEMENT   "\xef\xbf\xbd"
#define ICONV_NONE    ((iconv_t)-1)
#define CONVERT_SLICE 4096

enum charset_kind { CHARSET_UTF8, CHARSET_1252, CHARSET_ICONV };

struct mime_charset {
	enum charset_kind kind;
	iconv_t cd;
	char held[MIME_CHARSET_HELD];
	size_t held_len;
	uint64_t defects;
};

/* What mail says, and how it is read: mostly the supersets of the WHATWG encoding standard, which
 * are what the senders meant. */
static const struct alias {
	const char *name, *is;
} aliases[] = {
	{"UTF-8", "UTF-8"},
	{"UTF8", "UTF-8"},
	{"UTF-8MB4", "UTF-8"},
	{"UNICODE-1-1-UTF-8", "UTF-8"},
	{"US-ASCII", "UTF-8"},
	{"ASCII", "UTF-8"},
	{"ANSI_X3.4-1968", "UTF-8"},
	{"ISO-8859-1", "WINDOWS-1252"},
	{"ISO8859-1", "WINDOWS-1252"},
	{"ISO_8859-1", "WINDOWS-1252"},
	{"LATIN1", "WINDOWS-1252"},
	{"LATIN-1", "WINDOWS-1252"},
	{"CP1252", "WINDOWS-1252"},
	{"WINDOWS-1252", "WINDOWS-1252"},
	{"X-CP1252", "WINDOWS-1252"},
	{"GB2312", "GB18030"},
	{"GB_2312-80", "GB18030"},
	{"X-GBK", "GB18030"},
	{"GBK", "GB18030"},
	{"CP936", "GB18030"},
	{"EUC-CN", "GB18030"},
	{"CHINESE", "GB18030"},
	{"HZ-GB-2312", "HZ"},
	{"BIG5", "BIG5-HKSCS"},
	{"CN-BIG5", "BIG5-HKSCS"},
	{"X-X-BIG5", "BIG5-HKSCS"},
	{"CP950", "BIG5-HKSCS"},
	{"SHIFT_JIS", "CP932"},
	{"SHIFT-JIS", "CP932"},
	{"SJIS", "CP932"},
	{"X-SJIS", "CP932"},
	{"WINDOWS-31J", "CP932"},
	{"MS_KANJI", "CP932"},
	{"ISO-2022-JP-MS", "ISO-2022-JP-3"},
	{"CP50220", "ISO-2022-JP-3"},
	{"X-EUC-JP", "EUC-JP"},
	{"KS_C_5601-1987", "CP949"},
	{"KS_C_5601", "CP949"},
	{"KSC5601", "CP949"},
	{"EUC-KR", "CP949"},
	{"X-WINDOWS-949", "CP949"},
	{"ISO-8859-8-I", "ISO-8859-8"},
	{"ISO-8859-8-E", "ISO-8859-8"},
	{"ISO-8859-9", "WINDOWS-1254"},
	{"ISO-8859-11", "CP874"},
	{"TIS-620", "CP874"},
	{"WINDOWS-874", "CP874"},
	{"X-MAC-ROMAN", "MACINTOSH"},
	{"X-MAC-CYRILLIC", "MAC-CYRILLIC"},
	{"UNICODE-1-1-UTF-7", ""}, /* hides markup from filters; no mailer writes it any more */
	{"UTF-7", ""},
	{"X-UNKNOWN", ""},
	{"UNKNOWN-8BIT", ""},
	{"UNKNOWN", ""},
	{"DEFAULT", ""},
	{"BINARY", ""},
	/* iconv reads these by the locale of the process, or they are no charset of mail */
	{"CHAR", ""},
	{"WCHAR_T", ""},
	{"INTERNAL", ""},
};

/* Upper case and nothing that iconv takes for an option ('/'). */
static bool put_name(char *out, struct span name)
{
	ptrdiff_t star = span_find(name, '*'); /* RFC 2231 section 5: a language may follow */
	size_t n = 0;

	if (star >= 0)
		name = span_sub(name, 0, (size_t)star);
	name = span_trim(name);
	if (name.len == 0 || name.len > MIME_CHARSET_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (c >= 'a' && c <= 'z')
			c = (char)(c - 32);
		if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
			(!c || !strchr("-_.:+", c)))
			return false;
		out[n++] = c;
	}
	out[n] = '\0';
	return true;
}

static const char *find_alias(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (strcmp(aliases[i].name, name) == 0)
			return aliases[i].is;
	return name;
}

/* "" when there is no such charset */
static const char *resolve(char *name, struct span given)
{
	const char *is;

	if (!put_name(name, given))
		return "";
	is = find_alias(name);
	if (is == name && strncmp(name, "CP-", 3) == 0) { /* CP-850 is CP850 */
		memmove(name + 2, name + 3, strlen(name + 3) + 1);
		is = find_alias(name);
	}
	return is;
}

struct span mime_charset_canonical(struct arena *a, struct span name)
{
	char *own = arena_alloc(a, MIME_CHARSET_NAME_MAX + 1);
	const char *is = resolve(own, name);
	iconv_t cd;

	if (!*is)
		return SPAN_NONE;
	cd = iconv_open("UTF-8", is);
	if (cd == ICONV_NONE)
		return SPAN_NONE;
	iconv_close(cd);
	return span_str(is);
}

struct mime_charset *mime_charset_new(struct span name)
{
	struct mime_charset *c = NEW(struct mime_charset);
	char *own = mem_alloc(MIME_CHARSET_NAME_MAX + 1);
	const char *is = resolve(own, name);

	c->cd = ICONV_NONE;
	if (strcmp(is, "UTF-8") == 0) {
		c->kind = CHARSET_UTF8;
	} else if (strcmp(is, "WINDOWS-1252") == 0) {
		c->kind = CHARSET_1252;
	} else {
		if (*is)
			c->cd = iconv_open("UTF-8", is);
		c->kind = CHARSET_ICONV;
		if (c->cd == ICONV_NONE) {
			c->kind = CHARSET_UTF8;
			c->defects |= mime_bit(MIME_CHARSET_UNKNOWN);
		}
	}
	free(own);
	return c;
}

void mime_charset_free(struct mime_charset **cp)
{
	struct mime_charset *c = *cp;

	if (!c)
		return;
	*cp = NULL;
	if (c->cd != ICONV_NONE)
		iconv_close(c->cd);
	free(c);
}

uint64_t mime_charset_defects(const struct mime_charset *c)
{
	return c->defects;
}

static void put_bad(struct mime_charset *c, struct buf *out)
{
	c->defects |= mime_bit(MIME_CHARSET_BAD);
	buf_str(out, REPLACEMENT);
}

/* windows-1252 0x80..0x9f; what it leaves out is read as ISO-8859-1 */
static const uint16_t high_1252[32] = {0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
	0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c,
	0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d, 0x017e,
	0x0178};

static size_t ascii_run(struct span s)
{
	size_t n = 0;

	while (n < s.len && (unsigned char)s.ptr[n] < 0x80)
		n++;
	return n;
}

static void feed_1252(struct span in, struct buf *out)
{
	while (in.len) {
		size_t n = ascii_run(in);
		unsigned char c;
		char code[4];

		buf_span_put(out, span_sub(in, 0, n));
		in = span_skip(in, n);
		if (!in.len)
			return;
		c = (unsigned char)in.ptr[0];
		buf_put(out, code, utf8_put(code, c < 0xa0 ? high_1252[c - 0x80] : c));
		in = span_skip(in, 1);
	}
}

/* Octets that the character at the front still needs, judged by what is there: 0 when it can never
 * become whole. */
static size_t utf8_missing(struct span s)
{
	unsigned char c = (unsigned char)s.ptr[0];
	size_t need = c >= 0xf0 && c <= 0xf4 ? 4
		: c >= 0xe0 && c < 0xf0      ? 3
		: c >= 0xc2 && c < 0xe0      ? 2
					     : 0;

	if (need <= s.len)
		return 0;
	for (size_t i = 1; i < s.len; i++) {
		unsigned char d = (unsigned char)s.ptr[i];
		unsigned char low = i > 1 ? 0x80 : c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
		unsigned char high = i > 1 ? 0xbf : c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;

		if (d < low || d > high)
			return 0;
	}
	return need - s.len;
}

/* Returns how many octets are left for later (an unfinished character). */
static size_t feed_utf8(struct mime_charset *c, struct span in, struct buf *out)
{
	while (in.len) {
		size_t n = ascii_run(in), len;

		while ((len = utf8_length_at(span_skip(in, n))) > 0)
			n += len;
		buf_span_put(out, span_sub(in, 0, n));
		in = span_skip(in, n);
		if (!in.len)
			return 0;
		if (utf8_missing(in))
			return in.len;
		put_bad(c, out);
		in = span_skip(in, 1);
	}
	return 0;
}

static size_t feed_iconv(struct mime_charset *c, struct span in, struct buf *out)
{
	char *at = (char *)(uintptr_t)in.ptr;
	size_t left = in.len;

	while (left && buf_ok(out)) {
		size_t want = left < CONVERT_SLICE ? left : CONVERT_SLICE;
		size_t room = want * 3 + 16 < buf_room(out) ? want * 3 + 16 : buf_room(out);
		size_t out_left = room, before = left, rc;
		char *to = buf_reserve(out, room ? room : 1);

		if (!to)
			return 0;
		rc = iconv(c->cd, &at, &left, &to, &out_left);
		buf_added(out, room - out_left);
		if (rc != (size_t)-1 || left == 0)
			continue;
		if (errno == E2BIG) {
			if (left == before && out_left == room)
				buf_reserve(out, buf_room(out) + 1); /* no room: full */
			continue;
		}
		if (errno == EINVAL && left <= MIME_CHARSET_HELD)
			return left;
		put_bad(c, out);
		at++;
		left--;
	}
	return 0;
}

static size_t feed_some(struct mime_charset *c, struct span in, struct buf *out)
{
	switch (c->kind) {
	case CHARSET_UTF8: return feed_utf8(c, in, out);
	case CHARSET_1252: feed_1252(in, out); return 0;
	case CHARSET_ICONV: return feed_iconv(c, in, out);
	}
	return 0;
}

void mime_charset_feed(struct mime_charset *c, struct span in, struct buf *out)
{
	size_t left;

	/* what a cut went through: one octet more at a time, until it is a character or nothing */
	while (c->held_len && in.len) {
		struct span held;

		if (c->held_len == MIME_CHARSET_HELD) {
			put_bad(c, out);
			memmove(c->held, c->held + 1, --c->held_len);
		}
		c->held[c->held_len++] = in.ptr[0];
		in = span_skip(in, 1);
		held = span_of(c->held, c->held_len);
		left = feed_some(c, held, out);
		memmove(c->held, c->held + (c->held_len - left), left);
		c->held_len = left;
	}
	left = feed_some(c, in, out);
	if (left)
		memcpy(c->held, in.ptr + (in.len - left), left);
	c->held_len += left;
}

void mime_charset_end(struct mime_charset *c, struct buf *out)
{
	if (c->held_len)
		put_bad(c, out);
	c->held_len = 0;
	if (c->kind == CHARSET_ICONV) {
		char *to = buf_reserve(out, 16);
		size_t left = 16;

		if (!to)
			return;
		iconv(c->cd, NULL, NULL, &to, &left); /* what the converter still holds */
		buf_added(out, 16 - left);
	}
}

struct span mime_charset_text(
	struct arena *a, struct span charset, struct span octets, uint64_t *defects)
{
	struct mime_charset *c = mime_charset_new(charset);
	struct buf b;
	struct span text;

	buf_init(&b, MIME_CHARSET_TEXT_MAX);
	mime_charset_feed(c, span_sub(octets, 0, MIME_CHARSET_TEXT_MAX / 4), &b);
	mime_charset_end(c, &b);
	*defects |= c->defects;
	text = arena_span(a, buf_span(&b));
	buf_fini(&b);
	mime_charset_free(&c);
	return text;
}

static bool encode(struct buf *b, struct span charset, struct span utf8)
{
	char *name = mem_alloc(MIME_CHARSET_NAME_MAX + 1), *at = (char *)(uintptr_t)utf8.ptr;
	size_t left = utf8.len, before = buf_len(b), rc = 0;
	iconv_t cd = ICONV_NONE;

	if (put_name(name, charset))
		cd = iconv_open(name, "UTF-8");
	free(name);
	if (cd == ICONV_NONE)
		return false;
	while (rc != (size_t)-1) {
		size_t room = left * 2 + 32, out_left = room;
		char *to = buf_reserve(b, room);
		bool is_end = left == 0;

		if (!to)
			break;
		rc = is_end ? iconv(cd, NULL, NULL, &to, &out_left)
			    : iconv(cd, &at, &left, &to, &out_left);
		buf_added(b, room - out_left);
		if (rc == (size_t)-1 && errno == E2BIG && out_left < room)
			rc = 0;
		else if (rc != 0)
			break; /* no such character, or one that would be made similar */
		else if (is_end) {
			iconv_close(cd);
			return true;
		}
	}
	iconv_close(cd);
	buf_truncate(b, before);
	return false;
}

/* Readers do not undo all that iconv does: an ESC of the text is a shift to them, and the supersets
 * they use have some characters elsewhere. */
static bool reads_back(struct span octets, struct span charset, struct span utf8)
{
	struct mime_charset *c = mime_charset_new(charset);
	struct buf back;
	bool is_same;

	buf_init(&back, utf8.len * 3 + 64);
	mime_charset_feed(c, octets, &back);
	mime_charset_end(c, &back);
	is_same = !c->defects && buf_ok(&back) && span_eq(buf_span(&back), utf8);
	buf_fini(&back);
	mime_charset_free(&c);
	return is_same;
}

bool mime_charset_encode(struct buf *b, struct span charset, struct span utf8)
{
	size_t before = buf_len(b);

	if (!encode(b, charset, utf8))
		return false;
	if (reads_back(span_skip(buf_span(b), before), charset, utf8))
		return true;
	buf_truncate(b, before);
	return false;
}
