#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "services/web/web_page.h"
#include "lib/http_play.h"

#define AT(host, line, fields)                                                                     \
	line " HTTP/1.1\r\nHost: " host "\r\n" fields "Connection: close\r\n\r\n"

#define BROWSER "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"

/* Tells which route it was and what was captured. */
static FIBER int tell(void *arg, struct web_call *c, struct err *e)
{
	struct buf *b = arena_buf(c->r->arena, 4096);

	buf_printf(b, "%s", (const char *)arg);
	for (size_t i = 0; i < WEB_CAPTURES_MAX && c->captures[i].ptr; i++)
		buf_printf(b, " [" SPAN_FMT "]", SPAN_ARG(c->captures[i]));
	if (c->host_rest.ptr)
		buf_printf(b, " of " SPAN_FMT, SPAN_ARG(c->host_rest));
	return http_reply(c->x, 200, "text/plain", buf_span(b), e);
}

static FIBER int guarded(void *arg, struct web_call *c, struct err *e)
{
	struct addr_net net;
	bool is_in;

	addr_net_parse(SPAN("127.0.0.0/8"), &net, NULL);
	is_in = web_client_is_in(c, &net, 1);
	return http_reply(
		c->x, is_in ? 200 : 403, "text/plain", is_in ? SPAN("in") : SPAN("out"), e);
}

static const struct web_route routes[] = {
	{NULL, "/a/{x}/c", WEB_GET, 0, tell, (char[]){"one"}},
	{NULL, "/a/b/c", WEB_POST, 0, tell, (char[]){"two"}},
	{NULL, "/a/{x}/{y}", HTTP_BIT(HTTP_PUT), 0, tell, (char[]){"three"}},
	{NULL, "/rest/*", WEB_GET, 0, tell, (char[]){"rest"}},
	{NULL, "/rest/exact", WEB_GET, 0, tell, (char[]){"too late"}},
	{NULL, "/dir/", WEB_GET, 0, tell, (char[]){"dir"}},
	{NULL, "/.well-known/x", WEB_GET, 0, tell, (char[]){"any host"}},
	{"autoconfig.", "/.well-known/x", WEB_GET, 0, tell, (char[]){"autoconfig"}},
	{"b.test", "/.well-known/x", WEB_GET, 0, tell, (char[]){"b"}},
	{NULL, "/small", WEB_POST, 3, tell, (char[]){"small"}},
	{NULL, "/guarded", WEB_GET, 0, guarded, NULL},
};

struct web_case {
	const char *name, *in;
	const char *want[12]; /* "!": does not occur */
};

static const struct web_case cases[] = {
	{"a capture", AT("a.test", "GET /a/%E4%BD%A0%2F/c", ""), {"200 OK", "\r\n\r\none [你/]"}},
	{"the method decides", AT("a.test", "POST /a/b/c", ""), {"\r\n\r\ntwo"}},
	{"two captures", AT("a.test", "PUT /a/b/c", ""), {"\r\n\r\nthree [b] [c]"}},
	{"HEAD goes with GET", AT("a.test", "HEAD /a/b/c", ""),
		{"200 OK", "Content-Length: 7\r\n", "!\r\n\r\none"}},
	{"a method that no route of the path has", AT("a.test", "DELETE /a/b/c", ""),
		{"405 Method Not Allowed", "Allow: GET, HEAD, POST, PUT, OPTIONS\r\n"}},
	{"OPTIONS", AT("a.test", "OPTIONS /rest/x", ""),
		{"204 No Content", "Allow: GET, HEAD, OPTIONS\r\n"}},
	{"OPTIONS of all", AT("a.test", "OPTIONS *", ""), {"204 No Content"}},
	{"an empty piece is no capture", AT("a.test", "GET /a//c", ""), {"404 Not Found"}},
	{"a piece too many", AT("a.test", "GET /a/b/c/", ""), {"404 Not Found"}},
	{"a piece too few", AT("a.test", "GET /a/b", ""), {"404 Not Found"}},
	{"the rest as it was sent", AT("a.test", "GET /rest/x/y%20z/?q", ""),
		{"\r\n\r\nrest [x/y%20z/]"}},
	{"the first of two that fit", AT("a.test", "GET /rest/exact", ""),
		{"\r\n\r\nrest [exact]"}},
	{"a slash at the end", AT("a.test", "GET /dir/", ""), {"\r\n\r\ndir"}},
	{"without it", AT("a.test", "GET /dir", ""), {"404 Not Found"}},
	{"any host", AT("a.test", "GET /.well-known/x", ""), {"\r\n\r\nany host"}},
	{"a host's own", AT("B.test:8080", "GET /.well-known/x", ""), {"\r\n\r\nb"}},
	{"hosts that begin so", AT("autoconfig.a.test", "GET /.well-known/x", ""),
		{"\r\n\r\nautoconfig of a.test"}},
	{"a body too large for the route", AT("a.test", "POST /small", "Content-Length: 2\r\n"),
		{"200 OK"}},

	{"the front page", AT("a.test", "GET /", ""),
		{"Content-Type: text/html; charset=utf-8\r\n", "Content-Language: en\r\n",
			"style-src 'self'", "<title>mx.&lt;test</title>",
			"Sending mail (SMTP)</th><td class=\"host\">mx.&lt;test</td><td>465</td><td>SSL/TLS</td>",
			"!{{"}},
	{"the way into the mail page", AT("a.test", "GET /", ""), {"href=\"/mail/inbox\""}},
	{"the mail page", AT("a.test", "GET /mail/inbox/T1", ""),
		{"200 OK", "Cache-Control: no-cache\r\n", "ETag: \"", "script-src 'self';",
			"require-trusted-types-for 'script'",
			"<script type=\"module\" src=\"/assets/"}},
	{"the mail page's settings", AT("a.test", "GET /settings/general", ""), {"200 OK"}},
	{"its worker", AT("a.test", "GET /sw.js", ""),
		{"200 OK", "Content-Type: text/javascript; charset=utf-8\r\n",
			"Cache-Control: no-cache\r\n", "connect-src 'self'"}},
	{"no script of another version", AT("a.test", "GET /assets/chunk-00000000.js", ""),
		{"404 Not Found", "!immutable"}},
	{"nothing outside its files", AT("a.test", "GET /assets/..%2findex.html", ""),
		{"404 Not Found"}},
	{"in Chinese", AT("a.test", "GET /", "Accept-Language: zh-TW,en;q=0.5\r\n"),
		{"Content-Language: zh-CN\r\n", "发信", "STARTTLS", "!{{"}},
	{"in Chinese by a link", AT("a.test", "GET /?lang=zh-CN", "Accept-Language: en\r\n"),
		{"Content-Language: zh-CN\r\n"}},
	{"health", AT("a.test", "GET /healthz", ""),
		{"200 OK", "Cache-Control: no-store\r\n", "\r\n\r\nok\n"}},
	{"robots", AT("a.test", "GET /robots.txt", ""), {"200 OK", "Disallow: /"}},
	{"an icon", AT("a.test", "GET /favicon.ico", "Accept-Encoding: identity\r\n"),
		{"Content-Type: image/svg+xml\r\n", "<svg"}},
	{"a file that is not there", AT("a.test", "GET /static/style.000000000000.css", ""),
		{"404 Not Found"}},
	{"an error as a browser sees it",
		AT("a.test", "GET /nowhere", BROWSER "Accept-Language: de, en;q=0.5\r\n"),
		{"404 Not Found", "Content-Type: text/html; charset=utf-8\r\n",
			"Content-Language: en\r\n",
			"Content-Security-Policy: default-src 'none'; style-src 'self'; img-src 'self'",
			"X-Content-Type-Options: nosniff\r\n", "Cache-Control: no-store\r\n",
			"<h1>There is nothing here</h1>", "may be mistyped", "href=\"/mail/inbox\"",
			"href=\"/static/login.", "!<script", "!<style"}},
	{"an error in Chinese", AT("a.test", "DELETE /a/b/c", BROWSER "Accept-Language: zh\r\n"),
		{"405 Method Not Allowed", "Allow: GET", "Content-Language: zh-CN\r\n",
			"<html lang=\"zh-CN\">", "<h1>此处无法执行该操作</h1>", "前往邮箱"}},
	{"an error that has no words of its own",
		AT("a.test", "GET /mail/inbox", BROWSER "If-Match: \"older\"\r\n"),
		{"412 Precondition Failed", "<h1>This request cannot be answered</h1>",
			"412 Precondition Failed</p>"}},
	{"an error as a program sees it", AT("a.test", "GET /nowhere", "Accept: */*\r\n"),
		{"404 Not Found", "<h1>404 Not Found</h1>", "!/static/", "!href"}},
	{"an error in JSON", AT("a.test", "GET /nowhere", "Accept: application/json\r\n"),
		{"404 Not Found", "Content-Type: application/problem+json\r\n", "!<h1>"}},
	{"no page's source", AT("a.test", "GET /static/index.en.html", ""), {"404 Not Found"}},

	{"a client of the network", AT("a.test", "GET /guarded", ""), {"\r\n\r\nin"}},
	{"a client behind a proxy that nobody named",
		AT("a.test", "GET /guarded", "X-Forwarded-For: 192.0.2.1\r\n"), {"\r\n\r\nout"}},
	{"the same with Via", AT("a.test", "GET /guarded", "Via: 1.1 x\r\n"), {"\r\n\r\nout"}},
};

static struct web *make(const bool *is_draining)
{
	static const struct web_service services[] = {
		{.kind = WEB_SERVICE_SUBMISSION, .port = 465, .is_tls = true},
		{.kind = WEB_SERVICE_SUBMISSION, .port = 587, .is_starttls = true},
	};
	struct web_site site = {"mx.<test", "mx.<test", services, ARRAY_LEN(services), is_draining};
	struct web *w = web_new();

	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		web_add(w, &routes[i]);
	web_add_site(w, &site);
	web_add_page(w, &(struct web_page_opts){0});
	return w;
}

static void ask(struct http_play *p, struct web *w, struct span in)
{
	http_play_init(p, in);
	p->opts.handle = web_handle;
	p->opts.error_page = web_error_page;
	p->ctx = w;
	assert_true(addr_parse_ip(SPAN("127.0.0.1"), 4711, &p->peer));
	http_play_run(p);
}

static void paths_and_hosts_lead_to_routes(void **state)
{
	struct web *w = make(NULL);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct web_case *c = &cases[i];
		struct http_play p;
		const char *out;

		ask(&p, w, span_str(c->in));
		out = buf_cstr(&p.out);
		for (size_t k = 0; k < ARRAY_LEN(c->want) && c->want[k]; k++) {
			bool is_not = c->want[k][0] == '!';

			if ((strstr(out, c->want[k] + is_not) != NULL) == is_not)
				fail_msg("%s: '%s' in\n%s", c->name, c->want[k], out);
		}
		http_play_fini(&p);
	}
	web_free(&w);
}

static void a_page_without_services_has_no_table(void **state)
{
	struct web_site site = {.hostname = "mx.test", .server = "mx.test"};
	struct web *w = web_new();
	struct http_play p;

	web_add_site(w, &site);
	web_add_page(w, &(struct web_page_opts){0});
	ask(&p, w, SPAN(AT("a.test", "GET /", "")));
	assert_non_null(strstr(buf_cstr(&p.out), "<h1>mx.test</h1>"));
	assert_non_null(strstr(buf_cstr(&p.out), "postmaster@mx.test"));
	assert_null(strstr(buf_cstr(&p.out), "<table>"));
	assert_null(strstr(buf_cstr(&p.out), "{{"));
	http_play_fini(&p);
	web_free(&w);
}

static void health_tells_that_we_stop(void **state)
{
	static const bool yes = true;
	struct web *w = make(&yes);
	struct http_play p;

	ask(&p, w, SPAN(AT("a.test", "GET /healthz", "")));
	assert_non_null(strstr(buf_cstr(&p.out), "503 Service Unavailable"));
	http_play_fini(&p);
	web_free(&w);
}

static const struct {
	const char *accept, *want;
} codings[] = {
	{"", "!Content-Encoding"},
	{"Accept-Encoding: gzip\r\n", "Content-Encoding: gzip\r\n"},
	{"Accept-Encoding: gzip, deflate, br\r\n", "Content-Encoding: br\r\n"},
	{"Accept-Encoding: br;q=0.5, gzip;q=0.8\r\n", "Content-Encoding: gzip\r\n"},
	{"Accept-Encoding: br;q=0, gzip;q=0\r\n", "!Content-Encoding"},
	{"Accept-Encoding: *\r\n", "Content-Encoding: br\r\n"},
	{"Accept-Encoding: identity, br;q=0.1\r\n", "!Content-Encoding"},
};

static void files_come_in_the_form_that_is_liked_best(void **state)
{
	const struct web_asset *a = web_asset_named(SPAN("style.css"));
	struct web *w = make(NULL);

	assert_non_null(a);
	assert_ptr_equal(web_asset_at(span_str(a->path)), a);
	assert_true(a->brotli.len < a->gzip.len && a->gzip.len < a->plain.len);
	assert_true(span_starts(a->gzip, SPAN("\x1f\x8b")));
	for (size_t i = 0; i < ARRAY_LEN(codings); i++) {
		bool is_not = codings[i].want[0] == '!';
		struct http_play p;
		struct buf in;

		buf_init(&in, 4096);
		buf_printf(&in, "GET /static/%s HTTP/1.1\r\nHost: a\r\n%sConnection: close\r\n\r\n",
			a->path, codings[i].accept);
		ask(&p, w, buf_span(&in));
		if ((strstr(buf_cstr(&p.out), codings[i].want + is_not) != NULL) == is_not)
			fail_msg("%s: %s", codings[i].accept, buf_cstr(&p.out));
		assert_non_null(strstr(buf_cstr(&p.out), "Vary: Accept-Encoding\r\n"));
		assert_non_null(strstr(buf_cstr(&p.out), "immutable\r\n"));
		assert_non_null(strstr(buf_cstr(&p.out), "ETag: \""));
		http_play_fini(&p);
		buf_fini(&in);
	}
	web_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_and_hosts_lead_to_routes),
		cmocka_unit_test(a_page_without_services_has_no_table),
		cmocka_unit_test(health_tells_that_we_stop),
		cmocka_unit_test(files_come_in_the_form_that_is_liked_best),
	};

	return cmocka_run_group_tests_name("services/web/web", tests, NULL, NULL);
}
