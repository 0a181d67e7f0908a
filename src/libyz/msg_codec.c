/* Helpers of messages: codecs, charsets, file types, mbox. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "proto/mail/mime_charset.h"
#include "libyz/msg_priv.h"

#define SLICE (32 << 10)

static char *encode(enum mime_encoding how, struct span in, bool is_text, size_t *n_r)
{
	struct mime_encoder c;
	struct buf out;

	buf_init(&out, YZ_HELPER_MAX);
	mime_encoder_init(&c, how, is_text);
	mime_encoder_feed(&c, in, &out);
	mime_encoder_end(&c, &out);
	return msg_give(&out, n_r);
}

static char *decode(enum mime_encoding how, struct span in, uint64_t never, size_t *n_r)
{
	struct mime_decoder d;
	struct buf out;

	buf_init(&out, YZ_HELPER_MAX);
	mime_decoder_init(&d, how);
	mime_decoder_feed(&d, in, &out);
	mime_decoder_end(&d, &out);
	if (mime_decoder_defects(&d) & never)
		out.is_full = true;
	return msg_give(&out, n_r);
}

char *yz_base64_encode(const void *octets, size_t n, size_t *n_r)
{
	return encode(MIME_CTE_BASE64, span_of(octets, n), false, n_r);
}

char *yz_base64_decode(const char *text, size_t n, bool is_strict, size_t *n_r)
{
	const uint64_t all = mime_bit(MIME_BASE64_CHARACTER) | mime_bit(MIME_BASE64_PADDING) |
		mime_bit(MIME_BASE64_LENGTH) | mime_bit(MIME_BASE64_AFTER_END);

	return decode(MIME_CTE_BASE64, span_of(text, n), is_strict ? all : 0, n_r);
}

char *yz_qp_encode(const void *octets, size_t n, bool is_text, size_t *n_r)
{
	struct span in = span_of(octets, n);
	struct buf lines;
	char *out;

	if (!is_text)
		return encode(MIME_CTE_QP, in, false, n_r);
	/* line ends of text are CRLF before it is encoded (RFC 2045 section 6.7 rule 4) */
	buf_init(&lines, YZ_HELPER_MAX);
	for (size_t i = 0; i < in.len; i++) {
		if (in.ptr[i] == '\n' && (i == 0 || in.ptr[i - 1] != '\r'))
			buf_char(&lines, '\r');
		buf_char(&lines, in.ptr[i]);
	}
	out = buf_ok(&lines) ? encode(MIME_CTE_QP, buf_span(&lines), true, n_r) : NULL;
	buf_fini(&lines);
	return out;
}

char *yz_qp_decode(const char *text, size_t n, size_t *n_r)
{
	return decode(MIME_CTE_QP, span_of(text, n), 0, n_r);
}

char *yz_to_utf8(const void *octets, size_t n, const char *charset, size_t *n_r)
{
	struct mime_charset *c = mime_charset_new(span_str(charset));
	struct span rest = span_of(octets, n);
	struct buf out;

	buf_init(&out, YZ_HELPER_MAX);
	while (rest.len && buf_ok(&out)) {
		mime_charset_feed(c, span_sub(rest, 0, SLICE), &out);
		rest = span_skip(rest, SLICE);
	}
	mime_charset_end(c, &out);
	if (mime_charset_defects(c) & mime_bit(MIME_CHARSET_UNKNOWN))
		out.is_full = true;
	mime_charset_free(&c);
	return msg_give(&out, n_r);
}

/* What mail carries most; the registry of IANA has the rest. */
static const struct {
	const char *ending, *type;
} types[] = {
	{"7z", "application/x-7z-compressed"},
	{"avif", "image/avif"},
	{"bmp", "image/bmp"},
	{"bz2", "application/x-bzip2"},
	{"c", "text/x-csrc"},
	{"css", "text/css"},
	{"csv", "text/csv"},
	{"doc", "application/msword"},
	{"docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"},
	{"eml", "message/rfc822"},
	{"epub", "application/epub+zip"},
	{"gif", "image/gif"},
	{"gz", "application/gzip"},
	{"h", "text/x-chdr"},
	{"heic", "image/heic"},
	{"htm", "text/html"},
	{"html", "text/html"},
	{"ics", "text/calendar"},
	{"jpeg", "image/jpeg"},
	{"jpg", "image/jpeg"},
	{"js", "text/javascript"},
	{"json", "application/json"},
	{"log", "text/plain"},
	{"m4a", "audio/mp4"},
	{"md", "text/markdown"},
	{"mov", "video/quicktime"},
	{"mp3", "audio/mpeg"},
	{"mp4", "video/mp4"},
	{"odp", "application/vnd.oasis.opendocument.presentation"},
	{"ods", "application/vnd.oasis.opendocument.spreadsheet"},
	{"odt", "application/vnd.oasis.opendocument.text"},
	{"ogg", "audio/ogg"},
	{"pdf", "application/pdf"},
	{"png", "image/png"},
	{"ppt", "application/vnd.ms-powerpoint"},
	{"pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"},
	{"rtf", "application/rtf"},
	{"svg", "image/svg+xml"},
	{"tar", "application/x-tar"},
	{"tif", "image/tiff"},
	{"tiff", "image/tiff"},
	{"txt", "text/plain"},
	{"vcf", "text/vcard"},
	{"wav", "audio/x-wav"},
	{"webm", "video/webm"},
	{"webp", "image/webp"},
	{"xls", "application/vnd.ms-excel"},
	{"xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
	{"xml", "application/xml"},
	{"xz", "application/x-xz"},
	{"zip", "application/zip"},
	{"zst", "application/zstd"},
};

const char *yz_type_of_name(const char *filename)
{
	struct span name = span_str(msg_base_name(filename));
	ptrdiff_t dot = span_rfind(name, '.');

	for (size_t i = 0; dot > 0 && i < ARRAY_LEN(types); i++)
		if (span_eq_nocase(span_skip(name, (size_t)dot + 1), span_str(types[i].ending)))
			/* a message is no octets: it is attached as one, or not looked into */
			return span_starts(span_str(types[i].type), SPAN("message/"))
				? "application/octet-stream"
				: types[i].type;
	return "application/octet-stream";
}

/* --- mbox (RFC 4155) ----------------------------------------------------------------------------- */

static size_t line_length(struct span s)
{
	ptrdiff_t end = span_find(s, '\n');

	return end < 0 ? s.len : (size_t)end + 1;
}

static bool is_empty_line(struct span line)
{
	return span_eq(line, SPAN("\n")) || span_eq(line, SPAN("\r\n"));
}

bool yz_mbox_next(const void *mbox, size_t n, size_t *at, const char **from_line_r,
	size_t *from_line_len_r, const void **octets_r, size_t *octets_len_r)
{
	struct span all = span_of(mbox, n), rest = span_skip(all, *at), line;
	size_t begin, end;
	bool was_empty = true;

	while (rest.len && !span_starts(rest, SPAN("From ")))
		rest = span_skip(rest, line_length(rest)); /* what is before the first message */
	if (!rest.len) {
		*at = n;
		return false;
	}
	line = span_sub(rest, 0, line_length(rest));
	if (from_line_r)
		*from_line_r = line.ptr;
	if (from_line_len_r) {
		struct span text = line;

		while (text.len && strchr("\r\n", text.ptr[text.len - 1]))
			text.len--;
		*from_line_len_r = text.len;
	}
	rest = span_skip(rest, line.len);
	begin = end = (size_t)(rest.ptr - all.ptr);
	was_empty = false;
	while (rest.len && !(was_empty && span_starts(rest, SPAN("From ")))) {
		line = span_sub(rest, 0, line_length(rest));
		was_empty = is_empty_line(line);
		rest = span_skip(rest, line.len);
		/* the last empty line is the mbox's */
		if (!was_empty || (rest.len && !span_starts(rest, SPAN("From "))))
			end = (size_t)(line.ptr - all.ptr) + line.len;
	}
	*octets_r = all.ptr + begin;
	*octets_len_r = end - begin;
	*at = n - rest.len;
	return true;
}

static size_t quotes_before_from(struct span line)
{
	size_t n = 0;

	while (n < line.len && line.ptr[n] == '>')
		n++;
	return span_starts(span_skip(line, n), SPAN("From ")) ? n + 1 : 0;
}

static void put_lines(struct buf *b, struct span rest, bool is_quoting)
{
	while (rest.len) {
		struct span line = span_sub(rest, 0, line_length(rest));
		size_t marks = quotes_before_from(line);

		if (is_quoting && marks)
			buf_char(b, '>');
		buf_span_put(b, !is_quoting && marks > 1 ? span_skip(line, 1) : line);
		rest = span_skip(rest, line.len);
	}
}

char *yz_mbox_unquote(const void *octets, size_t n, size_t *n_r)
{
	struct buf b;

	buf_init(&b, YZ_HELPER_MAX);
	put_lines(&b, span_of(octets, n), false);
	return msg_give(&b, n_r);
}

/* "From a@b Mon Nov 23 06:30:00 2026" */
static void put_from_line(struct buf *b, const char *from, int64_t unix_sec, bool is_crlf)
{
	struct clock_civil c;
	const char *days = "SunMonTueWedThuFriSat",
		   *months = "JanFebMarAprMayJunJulAugSepOctNovDec";

	clock_to_civil(unix_sec, 0, &c);
	buf_printf(b, "From %s %.3s %.3s %2d %02d:%02d:%02d %04d%s", from, days + 3 * c.weekday,
		months + 3 * (c.month - 1), c.day, c.hour, c.minute, c.second, c.year,
		is_crlf ? "\r\n" : "\n");
}

char *yz_mbox_quote(const void *octets, size_t n, const char *from, int64_t unix_sec, size_t *n_r)
{
	struct span s = span_of(octets, n), first = span_sub(s, 0, line_length(s));
	bool is_crlf = first.len > 1 && first.ptr[first.len - 2] == '\r';
	struct buf b;

	from = from && *from ? from : "MAILER-DAEMON";
	if (strpbrk(from, " \t\r\n") || unix_sec < 0 || unix_sec > INT64_C(253402214400))
		return NULL;
	buf_init(&b, YZ_HELPER_MAX);
	put_from_line(&b, from, unix_sec, is_crlf);
	put_lines(&b, s, true);
	if (n && s.ptr[n - 1] != '\n')
		buf_str(&b, is_crlf ? "\r\n" : "\n");
	buf_str(&b, is_crlf ? "\r\n" : "\n");
	return msg_give(&b, n_r);
}
