#include "proto/http/http_syntax_priv.h"

/* RFC 9112 section 7.1. Between pieces of data the machine sees single octets. No blanks within the
 * line of a chunk, CR LF and nothing else at its end: what two readers could take for different
 * lengths is refused. */
enum chunk_state {
	CHUNK_SIZE,
	CHUNK_EXT_NAME,
	CHUNK_EXT_VALUE,
	CHUNK_SIZE_LF,
	CHUNK_DATA,
	CHUNK_DATA_CR,
	CHUNK_DATA_LF,
	CHUNK_TRAILER, /* the start of a line behind the last chunk */
	CHUNK_TRAILER_NAME,
	CHUNK_TRAILER_VALUE,
	CHUNK_TRAILER_LF,
	CHUNK_END_LF,
	CHUNK_DONE,
};

static int bad(struct err *e, const char *text)
{
	err_set(e, ERR_SYNTAX, "chunked body: %s", text);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_NEVER);
}

static int over(struct err *e, const char *text)
{
	err_set(e, ERR_LIMIT, "chunked body: %s", text);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_NEVER);
}

static int size_octet(struct http_chunks *c, char ch, struct err *e)
{
	unsigned digit;

	if (ch == '\r' && c->digits) {
		c->state = CHUNK_SIZE_LF;
		return 0;
	}
	if (ch == ';' && c->digits) {
		c->state = CHUNK_EXT_NAME;
		c->digits = 0; /* of the name, from here */
		return 0;
	}
	if (ch >= '0' && ch <= '9')
		digit = (unsigned)(ch - '0');
	else if (span_lower((unsigned char)ch) >= 'a' && span_lower((unsigned char)ch) <= 'f')
		digit = span_lower((unsigned char)ch) - 'a' + 10u;
	else
		return bad(e, "not a size");
	if (++c->digits > HTTP_CHUNK_DIGITS_MAX)
		return over(e, "the size has too many digits");
	c->left = c->left * 16 + digit;
	return 0;
}

/* The line of a chunk goes on, ends, or has another extension. */
static int ext_end(struct http_chunks *c, char ch, struct err *e)
{
	if (!c->digits || (ch != '\r' && ch != ';'))
		return bad(e, "not an extension");
	c->state = ch == '\r' ? CHUNK_SIZE_LF : CHUNK_EXT_NAME;
	c->digits = 0;
	return 0;
}

static int ext_octet(struct http_chunks *c, char ch, struct err *e)
{
	unsigned char u = (unsigned char)ch;

	if (ch != '\r' && ++c->ext_len > HTTP_CHUNK_EXT_MAX)
		return over(e, "too many extensions");
	if (c->is_quoted) {
		if ((u < 0x20 && ch != '\t') || u == 0x7f)
			return bad(e, "not an extension");
		if (c->is_escaped)
			c->is_escaped = false;
		else if (ch == '\\')
			c->is_escaped = true;
		else if (ch == '"')
			c->is_quoted = false;
		return 0;
	}
	if (c->state == CHUNK_EXT_NAME && ch == '=' && c->digits) {
		c->state = CHUNK_EXT_VALUE;
		c->digits = 0;
		return 0;
	}
	if (c->state == CHUNK_EXT_VALUE && ch == '"' && !c->digits) {
		c->is_quoted = true;
		c->digits = UINT32_MAX; /* behind the closing quote nothing more of it may stand */
		return 0;
	}
	if (http_is_tchar(u) && c->digits != UINT32_MAX) {
		c->digits++;
		return 0;
	}
	return ext_end(c, ch, e);
}

static int trailer_octet(struct http_chunks *c, char ch, struct err *e)
{
	unsigned char u = (unsigned char)ch;

	if (++c->trailer_len > HTTP_TRAILERS_MAX)
		return over(e, "the trailer section is too large");
	switch (c->state) {
	case CHUNK_TRAILER:
		c->state = ch == '\r' ? CHUNK_END_LF : CHUNK_TRAILER_NAME;
		if (ch != '\r' && !http_is_tchar(u))
			return bad(e, "not a trailer field");
		if (ch != '\r' && ++c->lines > HTTP_TRAILER_LINES_MAX)
			return over(e, "too many trailer fields");
		return 0;
	case CHUNK_TRAILER_NAME:
		if (ch == ':')
			c->state = CHUNK_TRAILER_VALUE;
		else if (!http_is_tchar(u))
			return bad(e, "not a trailer field");
		return 0;
	default:
		if (ch == '\r')
			c->state = CHUNK_TRAILER_LF;
		else if ((u < 0x20 && ch != '\t') || u == 0x7f)
			return bad(e, "not a trailer field");
		return 0;
	}
}

static int wanted(struct http_chunks *c, char ch, char want, int next, struct err *e)
{
	if (ch != want)
		return bad(e, "CR LF is missing");
	c->state = next;
	return 0;
}

static int begin_size(struct http_chunks *c)
{
	c->state = CHUNK_SIZE;
	c->digits = 0;
	c->line_len = 0;
	c->left = 0;
	return 0;
}

static int octet(struct http_chunks *c, char ch, struct err *e)
{
	if (c->state <= CHUNK_EXT_VALUE && ++c->line_len > HTTP_CHUNK_LINE_MAX)
		return over(e, "the line of a chunk is too long");
	switch ((enum chunk_state)c->state) {
	case CHUNK_SIZE: return size_octet(c, ch, e);
	case CHUNK_EXT_NAME:
	case CHUNK_EXT_VALUE: return ext_octet(c, ch, e);
	case CHUNK_SIZE_LF: return wanted(c, ch, '\n', c->left ? CHUNK_DATA : CHUNK_TRAILER, e);
	case CHUNK_DATA_CR: return wanted(c, ch, '\r', CHUNK_DATA_LF, e);
	case CHUNK_DATA_LF: return ch == '\n' ? begin_size(c) : bad(e, "CR LF is missing");
	case CHUNK_TRAILER:
	case CHUNK_TRAILER_NAME:
	case CHUNK_TRAILER_VALUE: return trailer_octet(c, ch, e);
	case CHUNK_TRAILER_LF: return wanted(c, ch, '\n', CHUNK_TRAILER, e);
	case CHUNK_END_LF: return wanted(c, ch, '\n', CHUNK_DONE, e);
	case CHUNK_DATA:
	case CHUNK_DONE: break;
	}
	return 0;
}

int http_chunks_take(struct http_chunks *c, struct span *in, struct span *data_r, struct err *e)
{
	*data_r = SPAN_NONE;
	while (in->len && c->state != CHUNK_DONE) {
		if (c->state == CHUNK_DATA) {
			size_t n = in->len < c->left ? in->len : (size_t)c->left;

			*data_r = span_sub(*in, 0, n);
			*in = span_skip(*in, n);
			c->left -= n;
			if (c->left == 0)
				c->state = CHUNK_DATA_CR;
			return 0;
		}
		if (octet(c, in->ptr[0], e) < 0)
			return -1;
		*in = span_skip(*in, 1);
	}
	c->is_done = c->state == CHUNK_DONE;
	return 0;
}
