#include "proto/http/http_syntax_priv.h"

#include <arpa/inet.h>

#include "base/enc.h"
#include "base/utf8.h"

void http_percent_put(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.ptr[i];

		if ((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
			c == '-' || c == '.' || c == '_' || c == '~')
			buf_char(b, (char)c);
		else
			buf_printf(b, "%%%02X", c);
	}
}

void http_html_put(struct buf *b, struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		switch (s.ptr[i]) {
		case '&': buf_str(b, "&amp;"); break;
		case '<': buf_str(b, "&lt;"); break;
		case '>': buf_str(b, "&gt;"); break;
		case '"': buf_str(b, "&quot;"); break;
		case '\'': buf_str(b, "&#39;"); break;
		default: buf_char(b, s.ptr[i]);
		}
	}
}

/* A piece of a path that means itself, whoever reads it: decoded once, UTF-8, no controls, and not one
 * that steps up (RFC 3986 section 5.2.4 is for clients). */
static bool is_good_segment(struct span s)
{
	if (span_eq(s, SPAN(".")) || span_eq(s, SPAN("..")) || !utf8_is_valid(s))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.ptr[i] < 0x20 || s.ptr[i] == 0x7f)
			return false;
	return true;
}

static int parse_path(struct arena *a, struct http_head *h, struct err *e)
{
	struct span rest = span_skip(h->path, 1), piece;
	struct span *segments = ARENA_ARRAY(a, struct span, HTTP_SEGMENTS_MAX);
	bool is_more = true;

	h->segments = segments;
	while (is_more) {
		struct span text;

		is_more = span_cut(rest, '/', &piece, &rest);
		if (h->segment_count == HTTP_SEGMENTS_MAX)
			return http_refuse(h, 414, e, "the path has too many pieces");
		if (!enc_get_percent(a, piece, &text) || !is_good_segment(text))
			return http_refuse(h, 400, e, "not a path");
		segments[h->segment_count++] = text;
	}
	return 0;
}

/* What neither URIs nor sloppy senders have (RFC 3986 section 2; 9112 section 3.2: no fragment). */
static bool is_target_char(unsigned char c)
{
	return c > 0x20 && c < 0x7f && c != '#' && c != '\\' && c != '"' && c != '<' && c != '>';
}

int http_target_parse(struct arena *a, struct http_head *h, struct span *authority_r,
	bool *is_https_r, struct err *e)
{
	struct span t = h->target;
	size_t i = 0;

	*authority_r = SPAN_NONE;
	for (i = 0; i < t.len; i++)
		if (!is_target_char((unsigned char)t.ptr[i]))
			return http_refuse(h, 400, e, "not a request target");
	if (span_eq(t, SPAN("*"))) { /* RFC 9112 section 3.2.4 */
		h->path = t;
		return h->method == HTTP_OPTIONS ? 0 : http_refuse(h, 400, e, "* is for OPTIONS");
	}
	if (span_starts_nocase(t, SPAN("http://")) || span_starts_nocase(t, SPAN("https://"))) {
		*is_https_r = t.ptr[4] != ':';
		t = span_skip(t, *is_https_r ? 8 : 7);
		for (i = 0; i < t.len && t.ptr[i] != '/' && t.ptr[i] != '?'; i++)
			;
		*authority_r = span_sub(t, 0, i);
		t = span_skip(t, i);
		if (!authority_r->len)
			return http_refuse(h, 400, e, "a target without a host");
	} else if (!t.len || t.ptr[0] != '/') {
		return http_refuse(h, 400, e, "not a request target");
	}
	span_cut(t, '?', &h->path, &h->query);
	if (!h->path.len)
		h->path = SPAN("/");
	return parse_path(a, h, e);
}

/* ---- hosts ---- */

static bool is_host_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		c == '-' || c == '.' || c == '_';
}

static bool is_ip6(struct arena *a, struct span s)
{
	struct in6_addr ip;

	for (size_t i = 0; i < s.len; i++)
		if (enc_hex_value(s.ptr[i]) < 0 && s.ptr[i] != ':' && s.ptr[i] != '.')
			return false;
	return s.len < INET6_ADDRSTRLEN && inet_pton(AF_INET6, arena_str(a, s), &ip) == 1;
}

bool http_host_parse(struct arena *a, struct span text, struct span *host_r, uint16_t *port_r)
{
	struct span host = text, port = SPAN_NONE;
	uint64_t n = 0;

	if (text.len && text.ptr[0] == '[') {
		ptrdiff_t end = span_find(text, ']');

		if (end < 0 || !is_ip6(a, span_sub(text, 1, (size_t)end - 1)))
			return false;
		host = span_sub(text, 0, (size_t)end + 1);
		port = span_skip(text, (size_t)end + 1);
		if (port.len && port.ptr[0] != ':')
			return false;
		port = span_skip(port, 1);
	} else {
		span_cut(text, ':', &host, &port);
		for (size_t i = 0; i < host.len; i++)
			if (!is_host_char(host.ptr[i]))
				return false;
		if (host.len > 1 && host.ptr[host.len - 1] == '.')
			host.len--;
		if (span_find_span(host, SPAN("..")) >= 0 || (host.len && host.ptr[0] == '.'))
			return false;
	}
	if (!host.len || host.len > HTTP_HOST_MAX)
		return false;
	/* RFC 3986 section 3.2.3: the port may be empty */
	if (port.len && (!span_u64_max(port, 65535, &n) || n == 0))
		return false;
	*host_r = http_lower(a, host);
	*port_r = (uint16_t)n;
	return true;
}

/* ---- forms ---- */

/* Of application/x-www-form-urlencoded (WHATWG URL section 5): + is a blank. */
static bool form_decode(struct arena *a, struct span s, struct span *text_r)
{
	char *p = arena_str(a, s);

	for (size_t i = 0; i < s.len; i++)
		if (p[i] == '+')
			p[i] = ' ';
	return enc_get_percent(a, span_of(p, s.len), text_r);
}

bool http_form_next(struct arena *a, struct span *rest, struct span *name_r, struct span *value_r,
	bool *is_bad_r)
{
	struct span pair = SPAN_NONE, name, value;

	*is_bad_r = false;
	while (rest->len && !pair.len)
		span_cut(*rest, '&', &pair, rest);
	if (!pair.len)
		return false;
	span_cut(pair, '=', &name, &value);
	*is_bad_r = !form_decode(a, name, name_r) || !form_decode(a, value, value_r);
	return !*is_bad_r;
}

bool http_form_get(struct arena *a, struct span form, struct span name, struct span *value_r)
{
	struct span have, value;
	bool is_bad;

	for (int i = 0; i < HTTP_FORM_MAX && http_form_next(a, &form, &have, &value, &is_bad); i++)
		if (span_eq(have, name)) {
			*value_r = value;
			return true;
		}
	return false;
}
