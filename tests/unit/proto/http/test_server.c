#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/http_play.h"

#define R11(target) "GET " target " HTTP/1.1\r\nHost: a.test\r\n"
#define HOST        " HTTP/1.1\r\nHost: a.test\r\n"

/* What is expected stands in order in what the server said; "!" in front: it does not occur. */
struct talk_case {
	const char *name, *in;
	const char *want[8];
	unsigned asked;
};

static const struct talk_case talks[] = {
	{"a request and its answer", R11("/hello") "\r\n",
		{"HTTP/1.1 200 OK\r\n", "Date: Mon, 23 Nov 2026 06:30:00 GMT\r\n",
			"Content-Type: text/plain\r\n", "Content-Length: 6\r\n",
			"X-Content-Type-Options: nosniff\r\n", "\r\n\r\nhello\n", "!Connection:"},
		1},
	{"HEAD has the fields alone",
		"HEAD /hello" HOST "\r\n" R11("/hello") "Connection: close\r\n\r\n",
		{"Content-Length: 6\r\n", "\r\n\r\nHTTP/1.1 200 OK\r\n", "Connection: close\r\n",
			"\r\n\r\nhello\n"},
		2},
	{"pipelined requests are answered in order",
		R11("/hello") "\r\n" R11("/stream") "\r\n"
						    "POST /echo" HOST
						    "Content-Length: 3\r\n\r\nabc" R11(
							    "/nowhere") "\r\n",
		{"hello\n", "3\r\none\r\n3\r\ntwo\r\n0\r\n\r\nHTTP/1.1 200 OK",
			"\r\n\r\nabcHTTP/1.1 404 Not Found"},
		4},
	{"nothing is answered behind a request that is none",
		R11("/hello") "\r\nGET /hello HTTP/1.1\nHost: a.test\r\n\r\n" R11("/hello") "\r\n",
		{"hello\n", "HTTP/1.1 400 Bad Request\r\n", "Connection: close\r\n",
			"!\nHTTP/1.1 200"},
		1},
	{"a length and chunks: nobody knows where the next one begins",
		"POST /echo" HOST
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" R11(
			"/hello") "\r\n",
		{"HTTP/1.1 400", "Connection: close\r\n", "!hello"}, 0},
	{"HTTP/1.0 is closed", "GET /hello HTTP/1.0\r\n\r\n" R11("/hello") "\r\n",
		{"Connection: close\r\n", "hello\n",
			"!HTTP/1.1 200 OK\r\nDate: Mon, 23 Nov 2026 06:30:00 GMT\r\nContent-Type: text/plain\r\nContent-Length: 6\r\nX-Content"},
		1},
	{"HTTP/1.0 with keep-alive is not",
		"GET /hello HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n" R11("/file") "\r\n",
		{"Connection: keep-alive\r\n", "hello\n", "0123456789"}, 2},
	{"HTTP/1.0 knows no chunks: the end ends it",
		"GET /stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		{"Connection: close\r\n", "\r\n\r\nonetwo", "!chunked"}, 1},
	{"what is written has a length when it was told", R11("/six") "\r\n",
		{"Content-Length: 6\r\n", "\r\n\r\nonetwo", "!chunked"}, 1},
	{"chunks in",
		"POST /echo" HOST
		"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;a=b\r\nde\r\n0\r\nX: y\r\n\r\n" R11(
			"/hello") "\r\n",
		{"\r\n\r\nabcdeHTTP/1.1 200", "hello\n"}, 2},
	{"a chunk that is none ends the connection",
		"POST /echo" HOST
		"Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n" R11("/hello") "\r\n",
		{"HTTP/1.1 400", "Connection: close\r\n", "!hello"}, 1},
	{"100 when the body is wanted",
		"POST /echo" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
		{"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", "\r\n\r\nabc"}, 1},
	{"no 100 when it is not, and then the connection ends",
		"POST /hello" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
		{"HTTP/1.1 200 OK\r\n", "Connection: close\r\n", "!100 Continue"}, 1},
	{"another expectation",
		"POST /echo" HOST "Expect: miracles\r\nContent-Length: 3\r\n\r\nabc",
		{"HTTP/1.1 417 Expectation Failed\r\n"}, 0},
	{"a body that nobody read is dropped",
		"POST /hello" HOST "Content-Length: 3\r\n\r\nabc" R11("/file") "\r\n",
		{"hello\n", "0123456789"}, 2},
	{"a body that is too large",
		"POST /small" HOST "Content-Length: 11\r\n\r\n01234567890" R11("/hello") "\r\n",
		{"HTTP/1.1 413 Content Too Large\r\n", "hello\n"}, 2},
	{"chunks that are too large",
		"POST /small" HOST
		"Transfer-Encoding: chunked\r\n\r\nb\r\n01234567890\r\n0\r\n\r\n" R11(
			"/hello") "\r\n",
		{"HTTP/1.1 413 Content Too Large\r\n", "hello\n"}, 2},
	{"a body as large as may be",
		"POST /small" HOST "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
		{"HTTP/1.1 200", "\r\n\r\n0123456789"}, 1},
	{"an enormous body is not waited for",
		"POST /small" HOST "Content-Length: 9999999999\r\n\r\n",
		{"HTTP/1.1 413 Content Too Large\r\n", "Connection: close\r\n"}, 1},
	{"a method that is not allowed", "DELETE /get" HOST "\r\n",
		{"HTTP/1.1 405 Method Not Allowed\r\n", "Allow: GET, HEAD\r\n"}, 1},
	{"OPTIONS", "OPTIONS /get" HOST "\r\n",
		{"HTTP/1.1 204 No Content\r\n", "Allow: GET, HEAD\r\n", "!Content-Length"}, 1},
	{"a method that nobody knows", "BREW /pot" HOST "\r\n",
		{"HTTP/1.1 501 Not Implemented\r\n"}, 0},
	{"no field is injected", R11("/inject") "\r\n",
		{"HTTP/1.1 500 Internal Server Error\r\n", "!Set-Cookie", "!never seen"}, 1},
	{"half an answer is not taken for a whole one", R11("/half") "\r\n" R11("/hello") "\r\n",
		{"Content-Length: 10\r\n", "\r\n\r\n012", "!hello"}, 1},
	{"an error has its status, and keeps its words", R11("/busy") "\r\n",
		{"HTTP/1.1 503 Service Unavailable\r\n", "!secret"}, 1},
	{"who says nothing has said 500", R11("/mute") "\r\n", {"HTTP/1.1 500"}, 1},
	{"an error page is HTML", R11("/x") "\r\n",
		{"HTTP/1.1 404", "Content-Type: text/html; charset=utf-8\r\n",
			"Content-Security-Policy: default-src 'none'", "<p>nothing &lt; here</p>"},
		1},
	{"or JSON", R11("/x") "Accept: application/json\r\n\r\n",
		{"HTTP/1.1 404", "Content-Type: application/problem+json\r\n",
			"\"status\":404,\"detail\":\"nothing < here\"}"},
		1},
	{"elsewhere", R11("/moved") "\r\n",
		{"HTTP/1.1 303 See Other\r\n", "Location: /hello?a=1&b=2\r\n",
			"href=\"/hello?a=1&amp;b=2\""},
		1},
};

static const struct talk_case conditions[] = {
	{"validators are told", R11("/file") "\r\n",
		{"HTTP/1.1 200", "Accept-Ranges: bytes\r\n", "ETag: \"v1\"\r\n",
			"Last-Modified: Sun, 22 Nov 2026 06:30:00 GMT\r\n"},
		1},
	{"the tag is known",
		R11("/file") "If-None-Match: \"v0\", W/\"v1\"\r\n\r\n" R11("/hello") "\r\n",
		{"HTTP/1.1 304 Not Modified\r\n", "ETag: \"v1\"\r\n", "\r\n\r\nHTTP/1.1 200 OK",
			"hello\n", "!0123"},
		2},
	{"another tag", R11("/file") "If-None-Match: \"v2\"\r\n\r\n",
		{"HTTP/1.1 200", "0123456789"}, 1},
	{"the tag counts more than the date",
		R11("/file") "If-None-Match: \"v2\"\r\nIf-Modified-Since: Mon, 23 Nov 2026 06:30:00 GMT\r\n\r\n",
		{"HTTP/1.1 200"}, 1},
	{"not modified since",
		R11("/file") "If-Modified-Since: Sun, 22 Nov 2026 06:30:00 GMT\r\n\r\n",
		{"HTTP/1.1 304"}, 1},
	{"modified since", R11("/file") "If-Modified-Since: Sun, 22 Nov 2026 06:29:59 GMT\r\n\r\n",
		{"HTTP/1.1 200"}, 1},
	{"a date that is none", R11("/file") "If-Modified-Since: yesterday\r\n\r\n",
		{"HTTP/1.1 200"}, 1},
	{"If-Match", R11("/file") "If-Match: \"v2\"\r\n\r\n", {"HTTP/1.1 412 Precondition Failed"},
		1},
	{"If-Unmodified-Since",
		R11("/file") "If-Unmodified-Since: Sat, 21 Nov 2026 06:30:00 GMT\r\n\r\n",
		{"HTTP/1.1 412"}, 1},
	{"a range", R11("/file") "Range: bytes=2-4\r\n\r\n",
		{"HTTP/1.1 206 Partial Content\r\n", "Content-Length: 3\r\n",
			"Content-Range: bytes 2-4/10\r\n", "\r\n\r\n234"},
		1},
	{"the end", R11("/file") "Range: bytes=-3\r\n\r\n",
		{"HTTP/1.1 206", "bytes 7-9/10\r\n", "\r\n\r\n789"}, 1},
	{"from the middle", R11("/file") "Range: bytes=8-\r\n\r\n",
		{"HTTP/1.1 206", "bytes 8-9/10\r\n", "\r\n\r\n89"}, 1},
	{"beyond the end", R11("/file") "Range: bytes=10-\r\n\r\n",
		{"HTTP/1.1 416 Range Not Satisfiable\r\n", "Content-Range: bytes */10\r\n"}, 1},
	{"the page that says so is not packed as the file is",
		R11("/packed") "Range: bytes=10-\r\n\r\n",
		{"HTTP/1.1 416", "!Content-Encoding", "!Content-Disposition",
			"Content-Range: bytes */10\r\n", "<h1>416"},
		1},
	{"nor the page of a condition that does not hold",
		R11("/packed") "If-Match: \"other\"\r\n\r\n",
		{"HTTP/1.1 412", "!Content-Encoding", "<h1>412"}, 1},
	{"several ranges: the whole", R11("/file") "Range: bytes=0-1,3-4\r\n\r\n",
		{"HTTP/1.1 200", "0123456789"}, 1},
	{"a range of the tag that is known",
		R11("/file") "Range: bytes=0-1\r\nIf-Range: \"v1\"\r\n\r\n", {"HTTP/1.1 206"}, 1},
	{"of another one", R11("/file") "Range: bytes=0-1\r\nIf-Range: \"v2\"\r\n\r\n",
		{"HTTP/1.1 200"}, 1},
	{"of the date",
		R11("/file") "Range: bytes=0-1\r\nIf-Range: Sun, 22 Nov 2026 06:30:00 GMT\r\n\r\n",
		{"HTTP/1.1 206"}, 1},
	{"HEAD has no ranges", "HEAD /file" HOST "Range: bytes=0-1\r\n\r\n",
		{"HTTP/1.1 200", "Content-Length: 10\r\n"}, 1},
	{"a part of what is read from elsewhere", R11("/big") "Range: bytes=100-102\r\n\r\n",
		{"HTTP/1.1 206", "bytes 100-102/200000\r\n", "\r\n\r\nijk"}, 1},
};

static void look(const struct talk_case *c, struct http_play *p, size_t step)
{
	const char *at = buf_cstr(&p->out);

	if (p->asked != c->asked)
		fail_msg("%s (step %zu): asked %u times\n%s", c->name, step, p->asked, at);
	for (size_t i = 0; i < ARRAY_LEN(c->want) && c->want[i]; i++) {
		const char *want = c->want[i];

		if (want[0] == '!') {
			if (strstr(at, want + 1))
				fail_msg("%s (step %zu): '%s' in\n%s", c->name, step, want, at);
			continue;
		}
		at = strstr(at, want);
		if (!at)
			fail_msg("%s (step %zu): no '%s' in\n%s", c->name, step, want,
				buf_cstr(&p->out));
		at += i + 1 < ARRAY_LEN(c->want) && want[0] ? 1 : 0;
	}
}

static void talk(const struct talk_case *c, size_t step)
{
	struct http_play p;

	http_play_init(&p, span_str(c->in));
	p.step = step;
	http_play_run(&p);
	look(c, &p, step);
	http_play_fini(&p);
}

static void requests_are_answered_whatever_the_cut(void **state)
{
	static const size_t steps[] = {0, 1, 2, 7, 61};

	for (size_t i = 0; i < ARRAY_LEN(talks); i++)
		for (size_t k = 0; k < ARRAY_LEN(steps); k++)
			talk(&talks[i], steps[k]);
}

static void conditions_and_ranges_are_kept(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(conditions); i++)
		for (size_t step = 0; step < 2; step++)
			talk(&conditions[i], step);
}

static void a_long_content_is_whole(void **state)
{
	struct http_play p;
	ptrdiff_t at;

	http_play_init(&p, SPAN(R11("/big") "Connection: close\r\n\r\n"));
	http_play_run(&p);
	at = span_find_span(buf_span(&p.out), SPAN("\r\n\r\n"));
	assert_true(at > 0);
	assert_int_equal(buf_len(&p.out) - (size_t)at - 4, HTTP_PLAY_BIG);
	for (uint64_t i = 0; i < HTTP_PLAY_BIG; i++)
		if (buf_span(&p.out).ptr[(size_t)at + 4 + i] != http_play_octet(i))
			fail_msg("octet %llu", (unsigned long long)i);
	http_play_fini(&p);
}

/* RFC 9112 section 9.6: else a reset may take the answer away from him. */
static void who_still_sends_is_heard_before_the_end(void **state)
{
	static const char *const heads[] = {
		"POST /hello" HOST "Connection: close\r\nContent-Length: 3000\r\n\r\n",
		"POST /hello HTTP/1.0\r\nContent-Length: 3000\r\n\r\n",
		"POST /small" HOST "Connection: close\r\nContent-Length: 3000\r\n\r\n",
	};

	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		struct http_play p;
		struct buf in;

		buf_init(&in, 8192);
		buf_str(&in, heads[i]);
		for (size_t k = 0; k < 3000; k++)
			buf_char(&in, 'x');
		http_play_init(&p, buf_span(&in));
		p.step = 300;
		p.pause_ns = 10 * CLOCK_MS;
		http_play_run(&p);
		if (p.is_cut || !buf_len(&p.out))
			fail_msg("%zu: cut off behind\n%s", i, buf_cstr(&p.out));
		assert_int_equal(p.asked, 1);
		http_play_fini(&p);
		buf_fini(&in);
	}
}

struct time_case {
	const char *name, *in;
	size_t step;
	int64_t pause_ns;
	const char *want; /* NULL: nothing is said */
	int64_t least_s, most_s;
	unsigned asked;
};

static const struct time_case times[] = {
	{"who says nothing is left without a word", "", 0, 0, NULL, 10, 10, 0},
	{"half a head is waited for 10 seconds", "GET / HT", 0, 0,
		"HTTP/1.1 408 Request Timeout\r\n", 10, 13, 0},
	{"an octet a second does not make it longer",
		R11("/hello") "X: yyyyyyyyyyyyyyyyyyyy\r\n\r\n", 1, CLOCK_SEC, "HTTP/1.1 408", 10,
		90, 0},
	{"between requests it is a minute", R11("/hello") "\r\n", 0, 0, "hello\n", 60, 60, 1},
	{"a body that does not come", "POST /echo" HOST "Content-Length: 5\r\n\r\nab", 0, 0,
		"HTTP/1.1 408", 30, 33, 1},
	{"a body that nobody wants and that does not come",
		"POST /hello" HOST "Content-Length: 5\r\n\r\nab", 0, 0, "hello\n", 5, 8, 1},
	{"a body that comes too slowly in all",
		"POST /echo" HOST "Content-Length: 500\r\n\r\nabcdefghijklmnop", 1, 10 * CLOCK_SEC,
		NULL, 10, 700, 0},
};

static void every_wait_has_an_end(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(times); i++) {
		const struct time_case *c = &times[i];
		struct http_play p;
		int64_t sec;

		http_play_init(&p, span_str(c->in));
		p.stays = true;
		p.step = c->step;
		p.pause_ns = c->pause_ns;
		http_play_run(&p);
		sec = p.took_ns / CLOCK_SEC;
		if (sec < c->least_s || sec > c->most_s || p.asked != c->asked)
			fail_msg("%s: %llds, asked %u\n%s", c->name, (long long)sec, p.asked,
				buf_cstr(&p.out));
		if (c->want ? !strstr(buf_cstr(&p.out), c->want) : false)
			fail_msg("%s: %s", c->name, buf_cstr(&p.out));
		http_play_fini(&p);
	}
}

static void a_connection_has_so_many_requests(void **state)
{
	struct http_play p;

	http_play_init(&p, SPAN(R11("/hello") "\r\n" R11("/hello") "\r\n" R11("/hello") "\r\n"));
	p.opts.limits.requests = 2;
	http_play_run(&p);
	assert_int_equal(p.asked, 2);
	assert_non_null(strstr(buf_cstr(&p.out), "Connection: close\r\n"));
	http_play_fini(&p);
}

static void draining_ends_after_the_answer(void **state)
{
	struct http_play p;

	http_play_init(&p, SPAN(R11("/hello") "\r\n" R11("/hello") "\r\n"));
	p.drains = true;
	p.stays = true;
	http_play_run(&p);
	assert_int_equal(p.asked, 1);
	assert_non_null(strstr(buf_cstr(&p.out), "Connection: close\r\n"));
	assert_true(p.took_ns < CLOCK_SEC);
	http_play_fini(&p);
}

static void who_waits_between_requests_is_let_go(void **state)
{
	struct http_play p;

	http_play_init(&p, SPAN(R11("/hello") "\r\n"));
	p.stays = true;
	p.cancel_ns = 3 * CLOCK_SEC;
	http_play_run(&p);
	assert_int_equal(p.rc, 0);
	assert_true(p.took_ns >= 3 * CLOCK_SEC && p.took_ns < 4 * CLOCK_SEC);
	http_play_fini(&p);
}

static unsigned count(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what))) {
		n++;
		text++;
	}
	return n;
}

static void event_streams_live_until_we_stop(void **state)
{
	struct http_play p;

	http_play_init(&p, SPAN(R11("/events") "Last-Event-ID: 6\r\n\r\n"));
	p.stays = true;
	p.cancel_ns = 50 * CLOCK_SEC;
	http_play_run(&p);
	assert_int_equal(p.rc, 0);
	assert_non_null(strstr(buf_cstr(&p.out), "Content-Type: text/event-stream\r\n"));
	assert_non_null(strstr(buf_cstr(&p.out), "retry: 2000\n\n"));
	assert_non_null(strstr(buf_cstr(&p.out), "event: news\nid: 7\ndata: one\ndata: two\n\n"));
	assert_int_equal(count(buf_cstr(&p.out), "\r\n:\n\n\r\n"), 3); /* at 15, 30, 45 s */
	assert_null(strstr(buf_cstr(&p.out), "\r\n0\r\n\r\n")); /* it did not end by itself */
	assert_true(p.took_ns < 51 * CLOCK_SEC);
	http_play_fini(&p);
}

static void an_event_stream_of_head_is_its_header(void **state)
{
	struct http_play p;

	http_play_init(&p, SPAN("HEAD /events" HOST "\r\n"));
	p.stays = true;
	http_play_run(&p);
	assert_non_null(strstr(buf_cstr(&p.out), "Content-Type: text/event-stream\r\n"));
	assert_null(strstr(buf_cstr(&p.out), "data:"));
	assert_true(p.took_ns < CLOCK_SEC);
	http_play_fini(&p);
}

static void event_streams_end_with_the_client(void **state)
{
	struct http_play p;

	http_play_init(&p, SPAN(R11("/events") "\r\n"));
	http_play_run(&p);
	assert_int_equal(p.rc, 0);
	assert_true(p.took_ns <= 31 * CLOCK_SEC);
	http_play_fini(&p);
}

struct proxy_case {
	const char *name, *peer, *fields;
	enum http_proxy_field kind;
	const char *want;
};

static const struct proxy_case proxies[] = {
	{"the peer", "192.0.2.9", "", HTTP_PROXY_X_FORWARDED, "by 192.0.2.9;"},
	{"a stranger's word", "192.0.2.9",
		"X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: https\r\n",
		HTTP_PROXY_X_FORWARDED, "by 192.0.2.9;"},
	{"the proxy's word", "10.0.0.1",
		"X-Forwarded-For: 198.51.100.1\r\nX-Forwarded-Proto: https\r\n",
		HTTP_PROXY_X_FORWARDED, "by 198.51.100.1 https;"},
	{"the proxy's word, not what the client told it", "10.0.0.1",
		"X-Forwarded-For: 127.0.0.1, 198.51.100.1\r\n", HTTP_PROXY_X_FORWARDED,
		"by 198.51.100.1;"},
	{"in a field of its own", "10.0.0.1",
		"X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: 198.51.100.1\r\n",
		HTTP_PROXY_X_FORWARDED, "by 198.51.100.1;"},
	{"two proxies", "10.0.0.1", "X-Forwarded-For: 127.0.0.1, 198.51.100.1, 10.0.0.2\r\n",
		HTTP_PROXY_X_FORWARDED, "by 198.51.100.1;"},
	{"with a port", "10.0.0.1", "X-Forwarded-For: 198.51.100.1:4711\r\n",
		HTTP_PROXY_X_FORWARDED, "by 198.51.100.1;"},
	{"rubbish", "10.0.0.1", "X-Forwarded-For: 198.51.100.1, unknown\r\n",
		HTTP_PROXY_X_FORWARDED, "by 10.0.0.1;"},
	{"the other field is the client's own", "10.0.0.1",
		"Forwarded: for=127.0.0.1\r\nX-Forwarded-For: 198.51.100.1\r\n",
		HTTP_PROXY_X_FORWARDED, "by 198.51.100.1;"},
	{"RFC 7239", "10.0.0.1",
		"Forwarded: for=192.0.2.1, for=\"[2001:db8::1]:4711\";proto=https;by=_x\r\nX-Forwarded-For: 127.0.0.1\r\n",
		HTTP_PROXY_FORWARDED, "by 2001:db8::1 https;"},
	{"what the client leaves open does not swallow the proxy's word", "10.0.0.1",
		"Forwarded: for=127.0.0.1;x=\"\r\nForwarded: for=198.51.100.1\r\n",
		HTTP_PROXY_FORWARDED, "by 10.0.0.1;"},
	{"nor with a backslash, where the proxy quotes", "10.0.0.1",
		"Forwarded: for=127.0.0.1;x=\"\\, for=\"[2001:db8::1]\"\r\n", HTTP_PROXY_FORWARDED,
		"by 10.0.0.1;"},
};

static void only_trusted_proxies_name_the_client(void **state)
{
	struct addr_net net;

	assert_int_equal(addr_net_parse(SPAN("10.0.0.0/8"), &net, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(proxies); i++) {
		const struct proxy_case *c = &proxies[i];
		struct http_play p;
		struct buf in;

		buf_init(&in, 4096);
		buf_printf(&in, R11("/hello") "%s\r\n", c->fields);
		http_play_init(&p, buf_span(&in));
		assert_true(addr_parse_ip(span_str(c->peer), 4711, &p.peer));
		p.opts.proxies = &net;
		p.opts.proxy_count = 1;
		p.opts.proxy_field = c->kind;
		http_play_run(&p);
		if (!strstr(buf_cstr(&p.notes), c->want))
			fail_msg("%s: %s", c->name, buf_cstr(&p.notes));
		http_play_fini(&p);
		buf_fini(&in);
	}
}

static void https_is_insisted_on_where_it_was_used(void **state)
{
	struct addr_net net;
	struct http_play p;

	assert_int_equal(addr_net_parse(SPAN("10.0.0.0/8"), &net, NULL), 0);
	for (int i = 0; i < 2; i++) {
		http_play_init(&p,
			i ? SPAN(R11("/hello") "X-Forwarded-Proto: https\r\n\r\n")
			  : SPAN(R11("/hello") "\r\n"));
		assert_true(addr_parse_ip(SPAN("10.0.0.1"), 4711, &p.peer));
		p.opts.proxies = &net;
		p.opts.proxy_count = 1;
		p.opts.hsts_sec = 1000;
		http_play_run(&p);
		assert_int_equal(strstr(buf_cstr(&p.out),
					 "Strict-Transport-Security: max-age=1000\r\n") != NULL,
			i);
		http_play_fini(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_are_answered_whatever_the_cut),
		cmocka_unit_test(conditions_and_ranges_are_kept),
		cmocka_unit_test(a_long_content_is_whole),
		cmocka_unit_test(who_still_sends_is_heard_before_the_end),
		cmocka_unit_test(every_wait_has_an_end),
		cmocka_unit_test(a_connection_has_so_many_requests),
		cmocka_unit_test(draining_ends_after_the_answer),
		cmocka_unit_test(who_waits_between_requests_is_let_go),
		cmocka_unit_test(event_streams_live_until_we_stop),
		cmocka_unit_test(an_event_stream_of_head_is_its_header),
		cmocka_unit_test(event_streams_end_with_the_client),
		cmocka_unit_test(only_trusted_proxies_name_the_client),
		cmocka_unit_test(https_is_insisted_on_where_it_was_used),
	};

	return cmocka_run_group_tests_name("proto/http/server", tests, NULL, NULL);
}
