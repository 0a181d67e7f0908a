#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/http/http_syntax.h"

#define HOST "\r\nHost: a.test\r\n"

struct head_case {
	const char *name, *text;
	unsigned status;  /* 0: well formed */
	const char *want; /* told below: method, path, host, port, framing, length, marks */
};

/* The table that two readers of one request must agree on (RFC 9112 section 11.2): everything that could be
 * read in two ways is refused. */
static const struct head_case cases[] = {
	{"the least", "GET / HTTP/1.1" HOST "\r\n", 0, "GET / a.test:0 none 0"},
	{"an empty line in front", "\r\nGET / HTTP/1.1" HOST "\r\n", 0, "GET / a.test:0 none 0"},
	{"two of them", "\r\n\r\nGET / HTTP/1.1" HOST "\r\n", 400, NULL},
	{"path and query", "GET /a/b%20c/?x=1&y=%20 HTTP/1.1" HOST "\r\n", 0,
		"GET /a/b%20c/[a|b c|]?x=1&y=%20 a.test:0 none 0"},
	{"a slash that is none", "GET /a%2Fb HTTP/1.1" HOST "\r\n", 0,
		"GET /a%2Fb[a/b] a.test:0 none 0"},
	{"absolute form", "GET http://A.test:80/x HTTP/1.1" HOST "\r\n", 0,
		"GET /x[x] a.test:0 none 0"},
	{"absolute form of another host", "GET http://b.test/x HTTP/1.1" HOST "\r\n", 400, NULL},
	{"absolute form of another port", "GET http://a.test:81/x HTTP/1.1" HOST "\r\n", 400, NULL},
	{"absolute form without a path", "GET https://a.test:443?q HTTP/1.1" HOST "\r\n", 0,
		"GET /?q a.test:0 none 0"},
	{"absolute form without a host", "GET http:///x HTTP/1.1" HOST "\r\n", 400, NULL},
	{"a user in the target", "GET http://u@a.test/x HTTP/1.1" HOST "\r\n", 400, NULL},
	{"another scheme", "GET ftp://a.test/x HTTP/1.1" HOST "\r\n", 400, NULL},
	{"asterisk", "OPTIONS * HTTP/1.1" HOST "\r\n", 0, "OPTIONS * a.test:0 none 0"},
	{"asterisk elsewhere", "GET * HTTP/1.1" HOST "\r\n", 400, NULL},
	{"CONNECT", "CONNECT a.test:443 HTTP/1.1" HOST "\r\n", 501, NULL},
	{"TRACE", "TRACE / HTTP/1.1" HOST "\r\n", 501, NULL},
	{"methods have capitals", "get / HTTP/1.1" HOST "\r\n", 501, NULL},
	{"no method", " / HTTP/1.1" HOST "\r\n", 400, NULL},
	{"two blanks", "GET  / HTTP/1.1" HOST "\r\n", 400, NULL},
	{"two blanks behind", "GET /  HTTP/1.1" HOST "\r\n", 400, NULL},
	{"a blank at the end", "GET / HTTP/1.1 " HOST "\r\n", 400, NULL},
	{"a tab", "GET\t/ HTTP/1.1" HOST "\r\n", 400, NULL},
	{"HTTP/0.9", "GET /\r\n\r\n", 400, NULL},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\n", 505, NULL},
	{"HTTP/1.2 is served as 1.1", "GET / HTTP/1.2" HOST "\r\n", 0, "GET / a.test:0 none 0"},
	{"HTTP/1.10", "GET / HTTP/1.10" HOST "\r\n", 400, NULL},
	{"http/1.1", "GET / http/1.1" HOST "\r\n", 400, NULL},
	{"a fragment", "GET /#a HTTP/1.1" HOST "\r\n", 400, NULL},
	{"octets above 127", "GET /\xc3\xa4 HTTP/1.1" HOST "\r\n", 400, NULL},
	{"a backslash", "GET /\\..\\x HTTP/1.1" HOST "\r\n", 400, NULL},
	{"a step up", "GET /a/../b HTTP/1.1" HOST "\r\n", 400, NULL},
	{"a hidden step up", "GET /a/%2e%2E/b HTTP/1.1" HOST "\r\n", 400, NULL},
	{"a step on the spot", "GET /./b HTTP/1.1" HOST "\r\n", 400, NULL},
	{"half an escape", "GET /%4 HTTP/1.1" HOST "\r\n", 400, NULL},
	{"an escape of something else", "GET /%zz HTTP/1.1" HOST "\r\n", 400, NULL},
	{"NUL in disguise", "GET /%00 HTTP/1.1" HOST "\r\n", 400, NULL},
	{"a line end in disguise", "GET /%0d%0a HTTP/1.1" HOST "\r\n", 400, NULL},
	{"not UTF-8 in disguise", "GET /%ff HTTP/1.1" HOST "\r\n", 400, NULL},
	{"overlong UTF-8 in disguise", "GET /%c0%ae%c0%ae HTTP/1.1" HOST "\r\n", 400, NULL},

	{"bare LF behind the request line", "GET / HTTP/1.1\nHost: a.test\r\n\r\n", 400, NULL},
	{"bare LF behind a field", "GET / HTTP/1.1\r\nHost: a.test\n\r\n", 400, NULL},
	{"bare LF at the end", "GET / HTTP/1.1\r\nHost: a.test\r\n\n", 400, NULL},
	{"bare CR in a value", "GET / HTTP/1.1\r\nHost: a.test\r\nX: a\rb\r\n\r\n", 400, NULL},
	{"two CR", "GET / HTTP/1.1\r\nHost: a.test\r\r\n\r\n", 400, NULL},
	{"a control character",
		"GET / HTTP/1.1" HOST "X: a\x01"
		"b\r\n\r\n",
		400, NULL},
	{"a tab within", "GET / HTTP/1.1" HOST "X: \ta\tb \t\r\n\r\n", 0, "GET / a.test:0 none 0"},
	{"a blank before the colon", "GET / HTTP/1.1" HOST "X : a\r\n\r\n", 400, NULL},
	{"no colon", "GET / HTTP/1.1" HOST "X\r\n\r\n", 400, NULL},
	{"no name", "GET / HTTP/1.1" HOST ": a\r\n\r\n", 400, NULL},
	{"a folded field", "GET / HTTP/1.1" HOST "X: a\r\n b\r\n\r\n", 400, NULL},
	{"a folded first field", "GET / HTTP/1.1\r\n Host: a.test\r\n\r\n", 400, NULL},
	{"latin-1 in a value", "GET / HTTP/1.1" HOST "X: \xe4\r\n\r\n", 0, "GET / a.test:0 none 0"},

	{"no Host", "GET / HTTP/1.1\r\n\r\n", 400, NULL},
	{"no Host in HTTP/1.0", "GET / HTTP/1.0\r\n\r\n", 0, "GET / :0 none 0 close"},
	{"two Hosts", "GET / HTTP/1.1" HOST "host: a.test\r\n\r\n", 400, NULL},
	{"two Hosts in HTTP/1.0", "GET / HTTP/1.0" HOST "host: b.test\r\n\r\n", 400, NULL},
	{"an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", 400, NULL},
	{"a Host with a path", "GET / HTTP/1.1\r\nHost: a.test/x\r\n\r\n", 400, NULL},
	{"a Host with a user", "GET / HTTP/1.1\r\nHost: u@a.test\r\n\r\n", 400, NULL},
	{"two in one Host", "GET / HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n", 400, NULL},
	{"a Host with capitals, a dot and a port",
		"GET / HTTP/1.1\r\nHost: Mail.A.test.:8080\r\n\r\n", 0,
		"GET / mail.a.test:8080 none 0"},
	{"a Host that is an address", "GET / HTTP/1.1\r\nHost: [2001:DB8::1]:80\r\n\r\n", 0,
		"GET / [2001:db8::1]:80 none 0"},
	{"a Host that is none", "GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n", 400, NULL},
	{"a port beyond", "GET / HTTP/1.1\r\nHost: a.test:65536\r\n\r\n", 400, NULL},

	{"a length", "POST / HTTP/1.1" HOST "Content-Length: 12\r\n\r\n", 0,
		"POST / a.test:0 length 12"},
	{"a length of GET", "GET / HTTP/1.1" HOST "content-length: 3\r\n\r\n", 0,
		"GET / a.test:0 length 3"},
	{"two lengths", "POST / HTTP/1.1" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
		400, NULL},
	{"the same length twice",
		"POST / HTTP/1.1" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, NULL},
	{"a list of lengths", "POST / HTTP/1.1" HOST "Content-Length: 1, 1\r\n\r\n", 400, NULL},
	{"a length with a sign", "POST / HTTP/1.1" HOST "Content-Length: +1\r\n\r\n", 400, NULL},
	{"a negative length", "POST / HTTP/1.1" HOST "Content-Length: -1\r\n\r\n", 400, NULL},
	{"a length in hex", "POST / HTTP/1.1" HOST "Content-Length: 0x1\r\n\r\n", 400, NULL},
	{"a length with a blank", "POST / HTTP/1.1" HOST "Content-Length: 1 0\r\n\r\n", 400, NULL},
	{"no length in the field", "POST / HTTP/1.1" HOST "Content-Length:\r\n\r\n", 400, NULL},
	{"a length beyond all",
		"POST / HTTP/1.1" HOST "Content-Length: 18446744073709551617\r\n\r\n", 400, NULL},

	{"chunks", "POST / HTTP/1.1" HOST "Transfer-Encoding: Chunked\r\n\r\n", 0,
		"POST / a.test:0 chunked 0"},
	{"chunks and a length",
		"POST / HTTP/1.1" HOST "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n",
		400, NULL},
	{"a length and chunks",
		"POST / HTTP/1.1" HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
		400, NULL},
	{"chunks in HTTP/1.0", "POST / HTTP/1.0" HOST "Transfer-Encoding: chunked\r\n\r\n", 400,
		NULL},
	{"chunks twice", "POST / HTTP/1.1" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", 400,
		NULL},
	{"chunks in two fields",
		"POST / HTTP/1.1" HOST
		"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
		400, NULL},
	{"another coding", "POST / HTTP/1.1" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501,
		NULL},
	{"identity", "POST / HTTP/1.1" HOST "Transfer-Encoding: identity\r\n\r\n", 501, NULL},
	{"something like chunks", "POST / HTTP/1.1" HOST "Transfer-Encoding: xchunked\r\n\r\n", 501,
		NULL},
	{"chunks, then something",
		"POST / HTTP/1.1" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n",
		501, NULL},
	{"chunks with a parameter", "POST / HTTP/1.1" HOST "Transfer-Encoding: chunked;a=b\r\n\r\n",
		400, NULL},
	{"quoted chunks", "POST / HTTP/1.1" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n", 400,
		NULL},
	{"no coding", "POST / HTTP/1.1" HOST "Transfer-Encoding:\r\n\r\n", 400, NULL},
	{"chunks behind a vertical tab",
		"POST / HTTP/1.1" HOST "Transfer-Encoding: \x0b"
		"chunked\r\n\r\n",
		400, NULL},
	{"a coding's name with a blank",
		"POST / HTTP/1.1" HOST "Transfer-Encoding : chunked\r\n\r\n", 400, NULL},
	{"a folded coding", "POST / HTTP/1.1" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n", 400,
		NULL},

	{"close", "GET / HTTP/1.1" HOST "Connection: x, Close\r\n\r\n", 0,
		"GET / a.test:0 none 0 close"},
	{"HTTP/1.0 that stays", "GET / HTTP/1.0" HOST "Connection: keep-alive\r\n\r\n", 0,
		"GET / a.test:0 none 0"},
	{"100-continue", "POST / HTTP/1.1" HOST "Expect: 100-Continue\r\nContent-Length: 1\r\n\r\n",
		0, "POST / a.test:0 length 1 expects"},
	{"100-continue of HTTP/1.0",
		"POST / HTTP/1.0" HOST "Expect: 100-continue\r\nContent-Length: 1\r\n\r\n", 0,
		"POST / a.test:0 length 1 close"},
	{"100-continue without a body", "GET / HTTP/1.1" HOST "Expect: 100-continue\r\n\r\n", 0,
		"GET / a.test:0 none 0"},
	{"another expectation", "GET / HTTP/1.1" HOST "Expect: x\r\n\r\n", 417, NULL},
};

static void tell(struct buf *b, const struct http_head *h)
{
	static const char *const framings[] = {"none", "length", "chunked"};

	buf_printf(b, SPAN_FMT " " SPAN_FMT, SPAN_ARG(h->method_name), SPAN_ARG(h->path));
	for (size_t i = 0; h->path.len > 1 && i < h->segment_count; i++)
		buf_printf(b, "%c" SPAN_FMT "%s", i ? '|' : '[', SPAN_ARG(h->segments[i]),
			i + 1 == h->segment_count ? "]" : "");
	if (h->query.len)
		buf_printf(b, "?" SPAN_FMT, SPAN_ARG(h->query));
	buf_printf(b, " " SPAN_FMT ":%u %s %llu%s%s", SPAN_ARG(h->host), h->port,
		framings[h->framing], (unsigned long long)h->length, h->is_close ? " close" : "",
		h->is_expecting ? " expects" : "");
}

/* What comes of octets that arrive `step` at a time: the length of the head, or 0 and the status. */
static size_t scan(struct span in, size_t step, unsigned *status_r)
{
	struct http_head_scan s = {0};
	struct err e = {0};
	size_t len = 0;

	*status_r = 0;
	for (size_t n = step; !len; n += step) {
		if (http_head_scan(&s, span_sub(in, 0, n), &len, status_r, &e) < 0)
			return 0;
		if (n >= in.len)
			break;
	}
	return len;
}

static void head(const struct head_case *c, size_t step)
{
	struct arena *a = arena_new();
	struct span in = span_str(c->text);
	struct http_head h = {0};
	struct err e = {0};
	struct buf b;
	unsigned status;
	size_t len = scan(in, step, &status);

	buf_init(&b, 4096);
	if (!status && !len)
		fail_msg("%s: the head does not end", c->name);
	if (!status && http_head_parse(a, span_sub(in, 0, len), &h, &e) < 0) {
		status = h.status;
		assert_true(e.code != ERR_NONE);
	}
	if (!status)
		tell(&b, &h);
	if (status != c->status || (c->want && strcmp(c->want, buf_cstr(&b)) != 0))
		fail_msg("%s (step %zu): %u %s (%s)", c->name, step, status, buf_cstr(&b), e.text);
	if (!status)
		assert_int_equal(len, in.len);
	buf_fini(&b);
	arena_free(&a);
}

static void heads_mean_one_thing_or_are_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t step = 1; step < 200; step = step * 3 + 1)
			head(&cases[i], step);
}

static unsigned made(struct buf *b)
{
	unsigned status;
	size_t len = scan(buf_span(b), 1000, &status);
	struct arena *a = arena_new();
	struct http_head h = {0};

	if (len && http_head_parse(a, span_sub(buf_span(b), 0, len), &h, NULL) < 0)
		status = h.status;
	else if (len && !status)
		status = 200;
	arena_free(&a);
	buf_clear(b);
	return status;
}

static void fill(struct buf *b, char c, size_t n)
{
	while (n--)
		buf_char(b, c);
}

static void heads_have_limits(void **state)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	for (int over = 0; over < 2; over++) {
		buf_str(&b, "GET /");
		fill(&b, 'x', HTTP_LINE_MAX - strlen("GET / HTTP/1.1") + (size_t)over);
		buf_str(&b, " HTTP/1.1" HOST "\r\n");
		assert_int_equal(made(&b), over ? 414 : 200);

		buf_str(&b, "GET / HTTP/1.1" HOST "X: ");
		fill(&b, 'x', HTTP_LINE_MAX - 3 + (size_t)over);
		buf_str(&b, "\r\n\r\n");
		assert_int_equal(made(&b), over ? 431 : 200);

		buf_str(&b, "GET / HTTP/1.1" HOST);
		for (int i = 1; i < HTTP_FIELDS_MAX + over; i++)
			buf_str(&b, "X: y\r\n");
		buf_str(&b, "\r\n");
		assert_int_equal(made(&b), over ? 431 : 200);

		buf_str(&b, "GET / HTTP/1.1" HOST);
		for (int i = 0; i < 4; i++) {
			buf_str(&b, "X: ");
			fill(&b, 'x', 7000);
			buf_str(&b, "\r\n");
		}
		buf_str(&b, "Y: ");
		fill(&b, 'x', HTTP_HEAD_MAX - buf_len(&b) - 4 + (size_t)over);
		buf_str(&b, "\r\n\r\n");
		assert_int_equal(made(&b), over ? 431 : 200);

		buf_str(&b, "GET ");
		for (int i = 0; i < HTTP_SEGMENTS_MAX + over; i++)
			buf_str(&b, "/x");
		buf_str(&b, " HTTP/1.1" HOST "\r\n");
		assert_int_equal(made(&b), over ? 414 : 200);
	}
	/* without an end: refused as soon as it is too long */
	buf_str(&b, "GET /");
	fill(&b, 'x', HTTP_LINE_MAX + 100);
	assert_int_equal(made(&b), 414);
	buf_fini(&b);
}

static void fields_are_found_in_any_case(void **state)
{
	struct arena *a = arena_new();
	struct http_head h;
	struct span all = SPAN(
		"GET / HTTP/1.1" HOST "accept: a\r\nX: 1\r\nAccept: b, c\r\nX: 2\r\n\r\n");

	assert_int_equal(http_head_parse(a, all, &h, NULL), 0);
	assert_true(span_eq(http_head_field(&h, "ACCEPT"), SPAN("a")));
	assert_true(span_eq(http_head_list(a, &h, "Accept"), SPAN("a, b, c")));
	assert_int_equal(http_head_count(&h, "x"), 2);
	assert_null(http_head_field(&h, "Y").ptr);
	assert_null(http_head_list(a, &h, "Y").ptr);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_mean_one_thing_or_are_refused),
		cmocka_unit_test(heads_have_limits),
		cmocka_unit_test(fields_are_found_in_any_case),
	};

	return cmocka_run_group_tests_name("proto/http/head", tests, NULL, NULL);
}
