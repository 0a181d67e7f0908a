#include "proto/mail/mime_codec.h"

#include <string.h>

#include "base/enc.h"
#include "base/must.h"

#define BASE64_LINE_OCTETS (MIME_LINE_MAX / 4 * 3)

static const char *const names[MIME_CTE_COUNT + 1] = {
#define X(id, name) [MIME_CTE_##id] = name,
	MIME_ENCODINGS(X)
#undef X
		[MIME_CTE_UNKNOWN] = "unknown",
};

const char *mime_encoding_str(enum mime_encoding e)
{
	return names[(unsigned)e <= MIME_CTE_COUNT ? e : MIME_CTE_UNKNOWN];
}

enum mime_encoding mime_encoding_of(struct span token)
{
	for (unsigned i = 0; i < MIME_CTE_COUNT; i++)
		if (span_eq_nocase(token, span_str(names[i])))
			return (enum mime_encoding)i;
	return MIME_CTE_UNKNOWN;
}

#define B64_BAD   0xff
#define B64_PAD   0xfe
#define B64_BLANK 0xfd

static unsigned char sextet(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return (unsigned char)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (unsigned char)(c - 'a' + 26);
	if (c >= '0' && c <= '9')
		return (unsigned char)(c - '0' + 52);
	switch (c) {
	case '+': return 62;
	case '/': return 63;
	case '=': return B64_PAD;
	case ' ':
	case '\t':
	case '\r':
	case '\n': return B64_BLANK;
	default: return B64_BAD;
	}
}

static void base64_add(struct mime_base64 *d, unsigned char v, char **to)
{
	d->bits = d->bits << 6 | v;
	if (++d->count < 4)
		return;
	*(*to)++ = (char)(d->bits >> 16);
	*(*to)++ = (char)(d->bits >> 8);
	*(*to)++ = (char)d->bits;
	d->bits = 0;
	d->count = 0;
}

/* The one or two octets of an unfinished group. */
static void base64_rest(struct mime_base64 *d, char **to)
{
	if (d->count == 1)
		d->defects |= mime_bit(MIME_BASE64_LENGTH);
	if (d->count == 2)
		*(*to)++ = (char)(d->bits >> 4);
	if (d->count == 3) {
		*(*to)++ = (char)(d->bits >> 10);
		*(*to)++ = (char)(d->bits >> 2);
	}
	d->count = 0;
	d->bits = 0;
}

static void base64_padding(struct mime_base64 *d, char **to)
{
	if (d->count < 2) { /* padding where there is nothing to pad */
		d->defects |= mime_bit(MIME_BASE64_CHARACTER);
		return;
	}
	if (d->count + ++d->padding < 4)
		return;
	base64_rest(d, to);
	d->is_ended = true;
}

void mime_base64_feed(struct mime_base64 *d, struct span in, struct buf *out)
{
	char *start = buf_reserve(out, in.len / 4 * 3 + 6), *to = start;

	if (!start)
		return;
	for (size_t i = 0; i < in.len; i++) {
		unsigned char v = sextet((unsigned char)in.ptr[i]);

		if (v == B64_BLANK)
			continue;
		if (d->is_ended) {
			d->defects |= mime_bit(MIME_BASE64_AFTER_END);
			break;
		}
		if (v == B64_PAD) {
			base64_padding(d, &to);
		} else if (v == B64_BAD) {
			/* RFC 2045 section 6.8: ignored */
			d->defects |= mime_bit(MIME_BASE64_CHARACTER);
		} else {
			if (d->padding) {
				d->defects |= mime_bit(MIME_BASE64_CHARACTER);
				d->padding = 0;
			}
			base64_add(d, v, &to);
		}
	}
	buf_added(out, (size_t)(to - start));
}

void mime_base64_end(struct mime_base64 *d, struct buf *out)
{
	char *start, *to;

	if (d->is_ended || d->count == 0)
		return;
	start = to = buf_reserve(out, 3);
	if (!start)
		return;
	if (d->count > 1)
		d->defects |= mime_bit(MIME_BASE64_PADDING);
	base64_rest(d, &to);
	buf_added(out, (size_t)(to - start));
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)span_lower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Blanks that waited turn out to stand within a line. */
static void qp_keep_blanks(struct mime_qp *d, struct buf *out)
{
	if (d->is_after_escape && d->blank_len) { /* "= x": not a soft line break */
		d->defects |= mime_bit(MIME_QP_ESCAPE);
		buf_char(out, '=');
	}
	d->is_after_escape = false;
	buf_put(out, d->blanks, d->blank_len);
	d->blank_len = 0;
}

static bool qp_blank(struct mime_qp *d, char c, struct buf *out)
{
	if (c != ' ' && c != '\t')
		return false;
	if (d->blank_len == MIME_QP_BLANKS)
		qp_keep_blanks(d, out);
	d->blanks[d->blank_len++] = c;
	return true;
}

/* What is held begins with '='; `c` is the octet behind it. True: c was used. */
static bool qp_escape(struct mime_qp *d, char c, struct buf *out)
{
	unsigned n = d->held_len;

	if (n == 1) {
		if (c == '\n') { /* a soft line break */
			d->held_len = 0;
			return true;
		}
		if (c == ' ' || c == '\t') { /* RFC 2045 section 6.7 (3): transport padding */
			d->held_len = 0;
			d->is_after_escape = true;
			return qp_blank(d, c, out);
		}
		if (c == '\r' || hex(c) >= 0) {
			d->held[d->held_len++] = c;
			return true;
		}
	} else if (d->held[1] == '\r' && c == '\n') {
		d->held_len = 0;
		return true;
	} else if (d->held[1] != '\r' && hex(c) >= 0) {
		buf_char(out, (char)(hex(d->held[1]) * 16 + hex(c)));
		d->held_len = 0;
		return true;
	}
	d->defects |= mime_bit(MIME_QP_ESCAPE);
	buf_put(out, d->held, n);
	d->held_len = 0;
	return false;
}

static size_t qp_plain_run(struct span s)
{
	size_t n = 0;

	while (n < s.len && s.ptr[n] > ' ' && s.ptr[n] != '=')
		n++;
	return n;
}

/* A line end: blanks before it are not part of the text; behind "=" it is a soft one. */
static void qp_line_end(struct mime_qp *d, char c, struct buf *out)
{
	d->blank_len = 0;
	if (!d->is_after_escape)
		buf_char(out, c);
	if (c == '\n')
		d->is_after_escape = false;
}

void mime_qp_feed(struct mime_qp *d, struct span in, struct buf *out)
{
	while (in.len) {
		char c = in.ptr[0];
		size_t n;

		if (d->held_len) {
			if (qp_escape(d, c, out))
				in = span_skip(in, 1);
			continue;
		}
		if (qp_blank(d, c, out)) {
			in = span_skip(in, 1);
			continue;
		}
		if (c == '\r' || c == '\n') {
			qp_line_end(d, c, out);
			in = span_skip(in, 1);
			continue;
		}
		qp_keep_blanks(d, out);
		if (c == '=') {
			d->held[0] = c;
			d->held_len = 1;
			in = span_skip(in, 1);
			continue;
		}
		if ((unsigned char)c >= 0x80)
			d->defects |= mime_bit(MIME_QP_8BIT);
		n = qp_plain_run(in);
		n = n ? n : 1;
		buf_span_put(out, span_sub(in, 0, n));
		in = span_skip(in, n);
	}
}

void mime_qp_end(struct mime_qp *d, struct buf *out)
{
	/* a lone "=" at the end is a soft line break whose line end is the boundary's */
	if (d->held_len == 2 && d->held[1] != '\r') {
		d->defects |= mime_bit(MIME_QP_ESCAPE);
		buf_put(out, d->held, 2);
	}
	d->held_len = d->blank_len = 0;
	d->is_after_escape = false;
}

void mime_decoder_init(struct mime_decoder *d, enum mime_encoding encoding)
{
	memset(d, 0, sizeof(*d));
	d->encoding = encoding;
}

void mime_decoder_feed(struct mime_decoder *d, struct span in, struct buf *out)
{
	if (d->encoding == MIME_CTE_BASE64)
		mime_base64_feed(&d->as.base64, in, out);
	else if (d->encoding == MIME_CTE_QP)
		mime_qp_feed(&d->as.qp, in, out);
	else
		buf_span_put(out, in);
}

void mime_decoder_end(struct mime_decoder *d, struct buf *out)
{
	if (d->encoding == MIME_CTE_BASE64)
		mime_base64_end(&d->as.base64, out);
	else if (d->encoding == MIME_CTE_QP)
		mime_qp_end(&d->as.qp, out);
}

uint64_t mime_decoder_defects(const struct mime_decoder *d)
{
	return d->encoding == MIME_CTE_BASE64 ? d->as.base64.defects
		: d->encoding == MIME_CTE_QP  ? d->as.qp.defects
					      : 0;
}

void mime_encoder_init(struct mime_encoder *c, enum mime_encoding encoding, bool is_text)
{
	memset(c, 0, sizeof(*c));
	c->encoding = encoding;
	c->is_text = is_text;
}

static void base64_line(struct mime_encoder *c, struct span octets, struct buf *out)
{
	enc_put_base64(out, octets);
	c->column += (unsigned)(octets.len + 2) / 3 * 4;
	if (c->column >= MIME_LINE_MAX) {
		buf_str(out, "\r\n");
		c->column = 0;
	}
}

static void base64_encode(struct mime_encoder *c, struct span in, struct buf *out)
{
	while (c->held_len && c->held_len < 3 && in.len) {
		c->held[c->held_len++] = (unsigned char)in.ptr[0];
		in = span_skip(in, 1);
	}
	if (c->held_len == 3) {
		base64_line(c, span_of(c->held, 3), out);
		c->held_len = 0;
	}
	while (in.len >= 3) {
		size_t n = BASE64_LINE_OCTETS - c->column / 4 * 3;

		if (n > in.len)
			n = in.len / 3 * 3;
		base64_line(c, span_sub(in, 0, n), out);
		in = span_skip(in, n);
	}
	while (in.len) {
		c->held[c->held_len++] = (unsigned char)in.ptr[0];
		in = span_skip(in, 1);
	}
}

/* `n` columns more, with a soft line break before them when they and its "=" do not fit. */
static void qp_room(struct mime_encoder *c, unsigned n, struct buf *out)
{
	if (c->column + n > MIME_LINE_MAX - 1) {
		buf_str(out, "=\r\n");
		c->column = 0;
	}
	c->column += n;
}

static void qp_octet(struct mime_encoder *c, unsigned char o, struct buf *out)
{
	static const char digits[] = "0123456789ABCDEF";

	qp_room(c, 3, out);
	buf_char(out, '=');
	buf_char(out, digits[o >> 4]);
	buf_char(out, digits[o & 15]);
}

static void qp_blank_out(struct mime_encoder *c, bool is_line_end, struct buf *out)
{
	if (!c->blank)
		return;
	if (is_line_end) {
		qp_octet(c, (unsigned char)c->blank, out);
	} else {
		qp_room(c, 1, out);
		buf_char(out, c->blank);
	}
	c->blank = '\0';
}

static void qp_encode(struct mime_encoder *c, struct span in, struct buf *out)
{
	for (size_t i = 0; i < in.len; i++) {
		char o = in.ptr[i];

		if (c->is_text && c->has_cr) {
			c->has_cr = false;
			if (o == '\n') {
				qp_blank_out(c, true, out);
				buf_str(out, "\r\n");
				c->column = 0;
				continue;
			}
			qp_blank_out(c, false, out);
			qp_octet(c, '\r', out);
		}
		if (c->is_text && o == '\r') {
			c->has_cr = true;
			continue;
		}
		qp_blank_out(c, false, out);
		if (o == ' ' || o == '\t') {
			c->blank = o;
		} else if (o > ' ' && o < 0x7f && o != '=' && !(c->column == 0 && o == '.')) {
			qp_room(c, 1, out);
			buf_char(out, o);
		} else {
			/* a dot that begins a line may not survive the way */
			qp_octet(c, (unsigned char)o, out);
		}
	}
}

void mime_encoder_feed(struct mime_encoder *c, struct span in, struct buf *out)
{
	if (c->encoding == MIME_CTE_BASE64)
		base64_encode(c, in, out);
	else if (c->encoding == MIME_CTE_QP)
		qp_encode(c, in, out);
	else
		buf_span_put(out, in);
}

void mime_encoder_end(struct mime_encoder *c, struct buf *out)
{
	if (c->encoding == MIME_CTE_BASE64) {
		if (c->held_len)
			base64_line(c, span_of(c->held, c->held_len), out);
		if (c->column)
			buf_str(out, "\r\n");
	} else if (c->encoding == MIME_CTE_QP) {
		qp_blank_out(c, true, out);
		if (c->has_cr)
			qp_octet(c, '\r', out);
	}
	c->held_len = c->column = 0;
	c->has_cr = false;
}
