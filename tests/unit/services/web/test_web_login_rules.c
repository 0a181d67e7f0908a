/* What a request with the page's cookie must look like, and where a login may lead. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "services/web/web_login_priv.h"

#define OWN "https://mail.example"

static const struct {
	const char *name;
	enum http_method method;
	const char *site, *origin, *mark, *type;
	enum web_csrf want;
} cases[] = {
	{"the page posts JSON", HTTP_POST, "same-origin", OWN, "1", "application/json",
		WEB_CSRF_FINE},
	{"the page of a browser without Sec-Fetch", HTTP_POST, NULL, OWN, "1", "application/json",
		WEB_CSRF_FINE},
	{"the page of a browser without Origin", HTTP_POST, "same-origin", NULL, "1",
		"application/json", WEB_CSRF_FINE},
	{"a file is uploaded", HTTP_POST, "same-origin", OWN, "1", "image/png", WEB_CSRF_FINE},
	{"a file of text is uploaded", HTTP_POST, "same-origin", OWN, "1", "text/plain",
		WEB_CSRF_FINE},
	{"another site posts JSON", HTTP_POST, "cross-site", "https://evil.example", "1",
		"application/json", WEB_CSRF_FOREIGN},
	{"a sister site", HTTP_POST, "same-site", "https://www.example", "1", "application/json",
		WEB_CSRF_FOREIGN},
	{"the same host by http", HTTP_POST, NULL, "http://mail.example", "1", "application/json",
		WEB_CSRF_FOREIGN},
	{"the same host at another port", HTTP_POST, NULL, OWN ":8443", "1", "application/json",
		WEB_CSRF_FOREIGN},
	{"a host that begins like ours", HTTP_POST, NULL, OWN ".evil.example", "1",
		"application/json", WEB_CSRF_FOREIGN},
	{"a sandboxed page", HTTP_POST, NULL, "null", "1", "application/json", WEB_CSRF_FOREIGN},
	{"a sandboxed page of a browser that says so", HTTP_POST, "cross-site", "null", "1",
		"application/json", WEB_CSRF_FOREIGN},
	{"our own page, whose policy keeps the origin to itself", HTTP_POST, "same-origin", "null",
		"1", "application/json", WEB_CSRF_FINE},
	{"the fields contradict each other", HTTP_POST, "same-origin", "https://evil.example", "1",
		"application/json", WEB_CSRF_FOREIGN},
	{"a change that nobody's page asked for", HTTP_POST, "none", NULL, "1", "application/json",
		WEB_CSRF_FOREIGN},
	{"without the page's field", HTTP_POST, "same-origin", OWN, NULL, "application/json",
		WEB_CSRF_UNMARKED},
	{"with another value of it", HTTP_POST, "same-origin", OWN, "yes", "application/json",
		WEB_CSRF_UNMARKED},
	{"an empty one", HTTP_DELETE, "same-origin", OWN, "", NULL, WEB_CSRF_UNMARKED},
	{"a form", HTTP_POST, "same-origin", OWN, "1", "application/x-www-form-urlencoded",
		WEB_CSRF_FORM},
	{"a form with files", HTTP_POST, "same-origin", OWN, "1", "Multipart/Form-Data; boundary=x",
		WEB_CSRF_FORM},
	{"no word of where from", HTTP_POST, NULL, NULL, "1", "application/json", WEB_CSRF_SILENT},
	{"PUT is a change", HTTP_PUT, "same-origin", OWN, NULL, NULL, WEB_CSRF_UNMARKED},
	{"PATCH is a change", HTTP_PATCH, "same-origin", OWN, NULL, NULL, WEB_CSRF_UNMARKED},
	{"DELETE is a change", HTTP_DELETE, "same-origin", OWN, "1", NULL, WEB_CSRF_FINE},
	{"an unknown method is a change", HTTP_METHOD_OTHER, "same-origin", OWN, NULL, NULL,
		WEB_CSRF_UNMARKED},
	{"the page reads", HTTP_GET, "same-origin", NULL, NULL, NULL, WEB_CSRF_FINE},
	{"a bookmark", HTTP_GET, "none", NULL, NULL, NULL, WEB_CSRF_FINE},
	{"a program with the cookie", HTTP_GET, NULL, NULL, NULL, NULL, WEB_CSRF_FINE},
	{"another site embeds it", HTTP_GET, "cross-site", NULL, NULL, NULL, WEB_CSRF_FOREIGN},
	{"a sister site embeds it", HTTP_GET, "same-site", NULL, NULL, NULL, WEB_CSRF_FOREIGN},
	{"another site fetches it", HTTP_GET, NULL, "https://evil.example", NULL, NULL,
		WEB_CSRF_FOREIGN},
};

static struct span text(const char *s)
{
	return s ? span_str(s) : SPAN_NONE;
}

static void only_the_page_uses_its_cookie(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct web_origin o = {cases[i].method, text(cases[i].site), text(cases[i].origin),
			SPAN(OWN), text(cases[i].mark), text(cases[i].type)};
		enum web_csrf got = web_login_csrf(&o);

		if (got != cases[i].want)
			fail_msg("%s: %d", cases[i].name, (int)got);
	}
}

static const struct {
	const char *to;
	bool is_own;
} places[] = {
	{"/mail", true},
	{"/mail/", true},
	{"/mail/inbox/T123", true},
	{"/mail/search?q=from%3Aana", true},
	{"/settings/security", true},
	{"/trace/Q1", true},
	{"/mail?x", true},
	{"", false},
	{"/", false},
	{"/login", false},
	{"/logout", false},
	{"/jmap/api", false},
	{"/mailbox", false},
	{"mail/", false},
	{"//evil.example/", false},
	{"//evil.example/mail/", false},
	{"/\\evil.example/mail", false},
	{"/mail//evil.example", false},
	{"/mail\\..\\x", false},
	{"/mail/../login", false},
	{"https://evil.example/mail/", false},
	{"javascript:alert(1)", false},
	{"/mail/\r\nSet-Cookie: a=b", false},
	{"/\t/evil.example", false},
	{"/mail/ x", false},
	{"/mail/\xe4\xbd\xa0", false},
};

static void a_login_leads_to_our_own_places_only(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(places); i++)
		if (web_login_is_own_path(span_str(places[i].to)) != places[i].is_own)
			fail_msg("'%s'", places[i].to);
}

static void our_origin_is_written_as_browsers_write_it(void **state)
{
	static const struct {
		bool is_https;
		uint16_t port;
		const char *want;
	} origins[] = {
		{true, 0, "https://mail.example"},
		{true, 443, "https://mail.example"},
		{true, 8443, "https://mail.example:8443"},
		{true, 80, "https://mail.example:80"},
		{false, 80, "http://mail.example"},
		{false, 8080, "http://mail.example:8080"},
	};
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(origins); i++) {
		struct http_request r = {
			.head = {.host = SPAN("mail.example"), .port = origins[i].port},
			.is_https = origins[i].is_https};

		assert_true(span_eq(web_login_origin_own(a, &r), span_str(origins[i].want)));
	}
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_page_uses_its_cookie),
		cmocka_unit_test(a_login_leads_to_our_own_places_only),
		cmocka_unit_test(our_origin_is_written_as_browsers_write_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
