#include "proto/http/http_syntax_priv.h"

#include <string.h>

#include "base/must.h"

static const char *const methods[] = {
#define X(id) [HTTP_##id] = #id,
	HTTP_METHODS(X)
#undef X
};

const char *http_method_str(enum http_method m)
{
	return (size_t)m < ARRAY_LEN(methods) ? methods[m] : "";
}

int http_refuse(struct http_head *h, unsigned status, struct err *e, const char *fmt, ...)
{
	va_list ap;

	h->status = status;
	va_start(ap, fmt);
	err_vset(e, status == 414 || status == 431 ? ERR_LIMIT : ERR_SYNTAX, fmt, ap);
	va_end(ap);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_NEVER);
}

/* RFC 9110 section 5.6.2 */
bool http_is_tchar(unsigned char c)
{
	if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z'))
		return true;
	return c && strchr("!#$%&'*+-.^_`|~", c);
}

bool http_is_token(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!http_is_tchar((unsigned char)s.ptr[i]))
			return false;
	return s.len > 0;
}

bool http_is_value(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
	}
	return !s.len || (!http_is_blank(s.ptr[0]) && !http_is_blank(s.ptr[s.len - 1]));
}

struct span http_trim(struct span s)
{
	while (s.len && http_is_blank(s.ptr[0]))
		s = span_skip(s, 1);
	while (s.len && http_is_blank(s.ptr[s.len - 1]))
		s.len--;
	return s;
}

struct span http_lower(struct arena *a, struct span s)
{
	char *p = arena_str(a, s);

	for (size_t i = 0; i < s.len; i++)
		p[i] = (char)span_lower((unsigned char)p[i]);
	return span_of(p, s.len);
}

/* ---- where the head ends ---- */

static int scan_refuse(unsigned *status_r, unsigned status, struct err *e, const char *text)
{
	struct http_head h = {0};

	*status_r = status;
	return http_refuse(&h, status, e, "%s", text);
}

/* A line has come, its CR LF behind it. */
static int scan_line(struct http_head_scan *s, size_t len, unsigned *status_r, struct err *e)
{
	if (len > HTTP_LINE_MAX)
		return scan_refuse(status_r, s->lines ? 431 : 414, e, "a line is too long");
	if (len == 0 && s->lines == 0)
		return 0; /* RFC 9112 section 2.2: one empty line in front is forgiven */
	if (++s->lines > HTTP_FIELDS_MAX + 2)
		return scan_refuse(status_r, 431, e, "too many header fields");
	return 0;
}

int http_head_scan(
	struct http_head_scan *s, struct span in, size_t *len_r, unsigned *status_r, struct err *e)
{
	*len_r = 0;
	for (; s->at < in.len; s->at++) {
		char c = in.ptr[s->at];
		size_t len = s->at - s->line_at;

		if (s->at >= HTTP_HEAD_MAX)
			return scan_refuse(status_r, 431, e, "the header is too large");
		if (c == '\0')
			return scan_refuse(status_r, 400, e, "NUL in the header");
		if (len > 0 && in.ptr[s->at - 1] == '\r' && c != '\n')
			return scan_refuse(status_r, 400, e, "CR without LF");
		if (c != '\n') {
			if (len > HTTP_LINE_MAX)
				return scan_refuse(
					status_r, s->lines ? 431 : 414, e, "a line is too long");
			continue;
		}
		/* RFC 9112 section 2.2 lets a lone LF end a line: that is how smuggling begins. */
		if (len == 0 || in.ptr[s->at - 1] != '\r')
			return scan_refuse(status_r, 400, e, "LF without CR");
		if (len == 1 && s->lines == 0 && s->line_at > 0)
			return scan_refuse(status_r, 400, e, "empty lines instead of a request");
		if (scan_line(s, len - 1, status_r, e) < 0)
			return -1;
		s->line_at = s->at + 1;
		if (len == 1 && s->lines) {
			*len_r = s->at + 1;
			return 0;
		}
	}
	return 0;
}

/* ---- what stands in it ---- */

/* RFC 9112 section 3: method SP request-target SP HTTP-version, with single blanks. */
static int parse_line(struct http_head *h, struct span line, struct err *e)
{
	struct span rest, version;

	if (!span_cut(line, ' ', &h->method_name, &rest) ||
		!span_cut(rest, ' ', &h->target, &version) || !http_is_token(h->method_name))
		return http_refuse(h, 400, e, "not a request line");
	if (version.len != 8 || !span_starts(version, SPAN("HTTP/")) || version.ptr[6] != '.' ||
		version.ptr[5] < '0' || version.ptr[5] > '9' || version.ptr[7] < '0' ||
		version.ptr[7] > '9')
		return http_refuse(h, 400, e, "not a request line");
	if (version.ptr[5] != '1')
		return http_refuse(h, 505, e, "HTTP/%c is not spoken here", version.ptr[5]);
	h->minor = version.ptr[7] > '0'; /* a higher minor version is served as 1.1 */
	h->method = HTTP_METHOD_OTHER;
	for (size_t i = 0; i < ARRAY_LEN(methods); i++)
		if (span_eq(h->method_name, span_str(methods[i])))
			h->method = (enum http_method)i;
	if (h->method == HTTP_METHOD_OTHER)
		return http_refuse(h, 501, e, "the method is not known here");
	return 0;
}

static int parse_field(struct http_head *h, struct http_field *f, struct span line, struct err *e)
{
	/* RFC 9112 section 5.2 */
	if (line.len && http_is_blank(line.ptr[0]))
		return http_refuse(h, 400, e, "a folded header field");
	if (!span_cut(line, ':', &f->name, &f->value))
		return http_refuse(h, 400, e, "a header field without a colon");
	/* RFC 9112 section 5.1: a blank before the colon is refused, and is no token character. */
	if (!http_is_token(f->name))
		return http_refuse(h, 400, e, "not a header field's name");
	f->value = http_trim(f->value);
	if (!http_is_value(f->value))
		return http_refuse(h, 400, e, "control characters in a header field");
	return 0;
}

static struct span take_line(struct span *rest)
{
	ptrdiff_t lf = span_find(*rest, '\n');
	struct span line;

	MUST(lf > 0);
	line = span_sub(*rest, 0, (size_t)lf - 1);
	*rest = span_skip(*rest, (size_t)lf + 1);
	return line;
}

static int parse_fields(struct arena *a, struct http_head *h, struct span rest, struct err *e)
{
	struct http_field *fields = ARENA_ARRAY(a, struct http_field, HTTP_FIELDS_MAX);

	h->fields = fields;
	for (;;) {
		struct span line = take_line(&rest);

		if (line.len == 0)
			return 0;
		if (h->field_count == HTTP_FIELDS_MAX)
			return http_refuse(h, 431, e, "too many header fields");
		if (parse_field(h, &fields[h->field_count], line, e) < 0)
			return -1;
		h->field_count++;
	}
}

struct span http_head_field(const struct http_head *h, const char *name)
{
	struct span wanted = span_str(name);

	for (size_t i = 0; i < h->field_count; i++)
		if (span_eq_nocase(h->fields[i].name, wanted))
			return h->fields[i].value;
	return SPAN_NONE;
}

size_t http_head_count(const struct http_head *h, const char *name)
{
	struct span wanted = span_str(name);
	size_t n = 0;

	for (size_t i = 0; i < h->field_count; i++)
		n += span_eq_nocase(h->fields[i].name, wanted);
	return n;
}

struct span http_head_list(struct arena *a, const struct http_head *h, const char *name)
{
	struct span wanted = span_str(name);
	struct buf *b;

	if (http_head_count(h, name) < 2)
		return http_head_field(h, name);
	b = arena_buf(a, HTTP_HEAD_MAX);
	for (size_t i = 0; i < h->field_count; i++) {
		if (!span_eq_nocase(h->fields[i].name, wanted))
			continue;
		if (buf_len(b))
			buf_str(b, ", ");
		buf_span_put(b, h->fields[i].value);
	}
	return buf_span(b);
}

/* RFC 9112 section 3.2: one Host, and in HTTP/1.1 there must be one. */
static int parse_host(
	struct arena *a, struct http_head *h, struct span authority, bool is_https, struct err *e)
{
	struct span text = http_head_field(h, "Host"), other;
	uint16_t usual = is_https ? 443 : 80, other_port;
	size_t count = http_head_count(h, "Host");

	if (count > 1)
		return http_refuse(h, 400, e, "more than one Host field");
	if (count == 0 && h->minor == 0 && !authority.len)
		return 0;
	if (count == 0 || !http_host_parse(a, text, &h->host, &h->port))
		return http_refuse(h, 400, e, "no Host field that names a host");
	if (!authority.len)
		return 0;
	/* Section 3.2.2 says that the target wins; one that differs is somebody's trick. */
	if (!http_host_parse(a, authority, &other, &other_port) || !span_eq(h->host, other) ||
		(h->port ? h->port : usual) != (other_port ? other_port : usual))
		return http_refuse(h, 400, e, "the target's host is not that of the Host field");
	return 0;
}

static int parse_coding(struct arena *a, struct http_head *h, struct err *e)
{
	struct span list = http_head_list(a, h, "Transfer-Encoding"), item;
	size_t items = 0, chunked = 0;
	bool is_unknown = false;

	if (h->minor == 0) /* RFC 9112 section 6.1 */
		return http_refuse(h, 400, e, "Transfer-Encoding in HTTP/1.0");
	if (http_head_count(h, "Content-Length"))
		return http_refuse(h, 400, e, "Content-Length beside Transfer-Encoding");
	while (http_list_next(&list, &item)) {
		items++;
		if (span_eq_nocase(item, SPAN("chunked")))
			chunked++;
		else if (http_is_token(item))
			is_unknown = true;
		else
			return http_refuse(h, 400, e, "not a transfer coding");
	}
	if (chunked > 1 || items == 0)
		return http_refuse(h, 400, e, "not a transfer coding");
	if (is_unknown)
		return http_refuse(h, 501, e, "the transfer coding is not known here");
	h->framing = HTTP_FRAMING_CHUNKED;
	return 0;
}

/* RFC 9112 section 6: how long the body is. */
static int parse_framing(struct arena *a, struct http_head *h, struct err *e)
{
	size_t lengths = http_head_count(h, "Content-Length");

	if (http_head_count(h, "Transfer-Encoding"))
		return parse_coding(a, h, e);
	if (lengths == 0)
		return 0;
	/* Section 6.3 lets equal ones pass; nobody sends them but who tries. */
	if (lengths > 1 ||
		!span_u64_max(http_head_field(h, "Content-Length"), HTTP_LENGTH_MAX, &h->length))
		return http_refuse(h, 400, e, "not one Content-Length");
	h->framing = HTTP_FRAMING_LENGTH;
	return 0;
}

int http_head_parse(struct arena *a, struct span bytes, struct http_head *h, struct err *e)
{
	struct span rest = bytes, line, authority, expect, connection;
	bool is_https = false;

	*h = (struct http_head){.method = HTTP_METHOD_OTHER};
	line = take_line(&rest);
	if (line.len == 0)
		line = take_line(&rest);
	if (parse_line(h, line, e) < 0 || parse_fields(a, h, rest, e) < 0 ||
		http_target_parse(a, h, &authority, &is_https, e) < 0 ||
		parse_host(a, h, authority, is_https, e) < 0 || parse_framing(a, h, e) < 0)
		return -1;
	connection = http_head_list(a, h, "Connection");
	h->is_close = http_list_has(connection, SPAN("close")) ||
		(h->minor == 0 && !http_list_has(connection, SPAN("keep-alive")));
	expect = http_head_list(a, h, "Expect");
	/* RFC 9110 section 10.1.1: HTTP/1.0 cannot expect anything */
	if (!expect.len || h->minor == 0)
		return 0;
	if (!span_eq_nocase(expect, SPAN("100-continue")))
		return http_refuse(h, 417, e, "the expectation is not known here");
	h->is_expecting = h->framing != HTTP_FRAMING_NONE;
	return 0;
}
