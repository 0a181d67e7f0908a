#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/http/http_syntax.h"

static void lists_are_cut_outside_quotes(void **state)
{
	struct span rest = SPAN(" a ,, \"b,c\\\",\" , d;x=\"1,2\",");
	static const char *const want[] = {"a", "\"b,c\\\",\"", "d;x=\"1,2\""};
	struct span item;
	size_t n = 0;

	while (http_list_next(&rest, &item)) {
		assert_true(n < 3);
		assert_true(span_eq(item, span_str(want[n])));
		n++;
	}
	assert_int_equal(n, 3);
	assert_true(http_list_has(SPAN("keep-alive, Close"), SPAN("close")));
	assert_false(http_list_has(SPAN("closer"), SPAN("close")));
}

struct weight_case {
	const char *kind, *field, *what;
	unsigned q;
};

static const struct weight_case weights[] = {
	{"coding", NULL, "gzip", 0},
	{"coding", NULL, "identity", 1000},
	{"coding", "", "gzip", 0},
	{"coding", "", "identity", 1},
	{"coding", "gzip, br", "br", 1000},
	{"coding", "gzip;q=0.5, br;q=1.0", "gzip", 500},
	{"coding", "GZIP ; Q=0.25", "gzip", 250},
	{"coding", "gzip;q=0", "gzip", 0},
	{"coding", "*;q=0.1, gzip;q=0", "gzip", 0},
	{"coding", "*;q=0.1, gzip;q=0", "br", 100},
	{"coding", "*;q=0", "identity", 0},
	{"coding", "gzip", "identity", 1},
	{"coding", "gzip;q=1.1", "gzip", 1000},
	{"coding", "gzip;q=x", "gzip", 0},
	{"coding", "gzip;q=", "gzip", 0},
	{"type", NULL, "text/html", 1000},
	{"type", "*/*", "text/html", 1000},
	{"type", "text/*;q=0.3, text/html;q=0.7, */*;q=0.1", "text/html", 700},
	{"type", "text/*;q=0.3, text/html;q=0.7, */*;q=0.1", "text/plain", 300},
	{"type", "text/*;q=0.3, text/html;q=0.7, */*;q=0.1", "image/png", 100},
	{"type", "application/json", "text/html", 0},
	{"type", "text/html;level=1;q=0.4", "text/html", 400},
};

static void weights_are_those_of_the_closest_element(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(weights); i++) {
		const struct weight_case *c = &weights[i];
		struct span field = c->field ? span_str(c->field) : SPAN_NONE;
		unsigned q = c->kind[0] == 'c' ? http_accept_coding(field, span_str(c->what))
					       : http_accept_type(field, span_str(c->what));

		if (q != c->q)
			fail_msg("%s of '%s': %u", c->what, c->field ? c->field : "-", q);
	}
}

static void the_best_language_is_chosen(void **state)
{
	static const struct span have[] = {SPAN("en"), SPAN("zh-CN")};
	static const struct {
		const char *field;
		size_t want;
	} cases[] = {
		{"", 0},
		{"de", 0},
		{"zh", 1},
		{"zh-CN,zh;q=0.9,en;q=0.8", 1},
		{"en-GB,en;q=0.9,zh;q=0.8", 0},
		{"zh-TW", 1},
		{"de, zh;q=0.2", 1},
		{"*", 0},
		{"en;q=0.1, ZH-cn", 1},
		{"zh;q=0", 0},
		{"zhx", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (http_accept_language(span_str(cases[i].field), have, 2) != cases[i].want)
			fail_msg("'%s'", cases[i].field);
}

static void tags_are_compared_as_weakly_as_they_may(void **state)
{
	assert_true(http_etag_in(SPAN("*"), SPAN_NONE, false));
	assert_true(http_etag_in(SPAN("\"a\", \"b\""), SPAN("\"b\""), false));
	assert_true(http_etag_in(SPAN("W/\"b\""), SPAN("\"b\""), true));
	assert_false(http_etag_in(SPAN("W/\"b\""), SPAN("\"b\""), false));
	assert_false(http_etag_in(SPAN("\"b\""), SPAN("W/\"b\""), false));
	assert_true(http_etag_in(SPAN("\"b\""), SPAN("W/\"b\""), true));
	assert_true(http_etag_in(SPAN("\"a,b\""), SPAN("\"a,b\""), false));
	assert_false(http_etag_in(SPAN("b"), SPAN("\"b\""), true));
	assert_false(http_etag_in(SPAN("\"\""), SPAN_NONE, true));
}

static const struct {
	const char *field;
	enum http_range want;
	uint64_t from, len;
} ranges[] = {
	{"bytes=0-0", HTTP_RANGE_ONE, 0, 1},
	{"bytes=0-99", HTTP_RANGE_ONE, 0, 10},
	{"Bytes=3-", HTTP_RANGE_ONE, 3, 7},
	{"bytes=-4", HTTP_RANGE_ONE, 6, 4},
	{"bytes=-40", HTTP_RANGE_ONE, 0, 10},
	{"bytes=0-18446744073709551615", HTTP_RANGE_ONE, 0, 10},
	{"bytes=-0", HTTP_RANGE_UNSATISFIABLE, 0, 0},
	{"bytes=10-", HTTP_RANGE_UNSATISFIABLE, 0, 0},
	{"bytes=10-12", HTTP_RANGE_UNSATISFIABLE, 0, 0},
	{"bytes=4-3", HTTP_RANGE_NONE, 0, 0},
	{"bytes=0-1,3-4", HTTP_RANGE_NONE, 0, 0},
	{"bytes=", HTTP_RANGE_NONE, 0, 0},
	{"bytes=-", HTTP_RANGE_NONE, 0, 0},
	{"bytes=a-b", HTTP_RANGE_NONE, 0, 0},
	{"bytes=0-18446744073709551616", HTTP_RANGE_NONE, 0, 0},
	{"lines=0-1", HTTP_RANGE_NONE, 0, 0},
	{"", HTTP_RANGE_NONE, 0, 0},
};

static void ranges_lie_within(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
		uint64_t from = 0, len = 0;
		enum http_range r = http_range_parse(span_str(ranges[i].field), 10, &from, &len);

		if (r != ranges[i].want ||
			(r == HTTP_RANGE_ONE && (from != ranges[i].from || len != ranges[i].len)))
			fail_msg("%s: %d %llu+%llu", ranges[i].field, r, (unsigned long long)from,
				(unsigned long long)len);
	}
	assert_int_equal(http_range_parse(SPAN("bytes=-1"), 0, &(uint64_t){0}, &(uint64_t){0}),
		HTTP_RANGE_UNSATISFIABLE);
}

static const struct {
	const char *text;
	int64_t sec; /* -1: none */
} dates[] = {
	{"Sun, 06 Nov 1994 08:49:37 GMT", 784111777},
	{"Sunday, 06-Nov-94 08:49:37 GMT", 784111777},
	{"Sun Nov  6 08:49:37 1994", 784111777},
	{"Mon, 23 Nov 2026 06:30:00 GMT", 1795415400},
	{"Monday, 23-Nov-26 06:30:00 GMT", 1795415400},
	{"Sun, 06 Nov 1994 08:49:37 UTC", -1},
	{"Sun, 06 Nov 1994 08:49:37", -1},
	{"Sun, 6 Nov 1994 08:49:37 GMT", -1},
	{"Sun, 06 nov 1994 08:49:37 GMT", -1},
	{"Sun, 06 Nov 1994 24:49:37 GMT", -1},
	{"Sun, 00 Nov 1994 08:49:37 GMT", -1},
	{"Sun Nov 06 1994", -1},
	{"Sun,", -1},
	{"", -1},
};

static void dates_are_read_in_three_forms_and_written_in_one(void **state)
{
	struct buf b;

	for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
		int64_t sec = -1;

		if (http_date_parse(span_str(dates[i].text), 1795415400, &sec) !=
				(dates[i].sec >= 0) ||
			sec != dates[i].sec)
			fail_msg("%s: %lld", dates[i].text, (long long)sec);
	}
	buf_init(&b, 100);
	http_date_put(&b, 784111777);
	assert_string_equal(buf_cstr(&b), "Sun, 06 Nov 1994 08:49:37 GMT");
	buf_fini(&b);
}

static void cookies_are_found_once(void **state)
{
	struct span v;

	assert_true(http_cookie_get(SPAN("a=1; b=\"2\"; c=3=4"), SPAN("b"), &v));
	assert_true(span_eq(v, SPAN("2")));
	assert_true(http_cookie_get(SPAN("a=1;c=3=4"), SPAN("c"), &v));
	assert_true(span_eq(v, SPAN("3=4")));
	assert_false(http_cookie_get(SPAN("a=1; b=2"), SPAN("A"), &v));
	assert_false(http_cookie_get(SPAN("a=1; b=2; a=3"), SPAN("a"), &v));
	assert_false(http_cookie_get(SPAN("a"), SPAN("a"), &v));
	assert_false(http_cookie_get(SPAN_NONE, SPAN("a"), &v));
}

static const struct {
	const char *name;
	struct http_cookie cookie;
	const char *want; /* NULL: refused */
} baked[] = {
	{"a session",
		{.name = SPAN("__Host-s"),
			.value = SPAN("x1"),
			.max_age_sec = -1,
			.is_secure = true},
		"__Host-s=x1; Path=/; Secure; HttpOnly; SameSite=Strict"},
	{"for a while",
		{.name = SPAN("l"),
			.value = SPAN("en"),
			.path = SPAN("/m"),
			.max_age_sec = 60,
			.is_script_visible = true,
			.is_lax = true},
		"l=en; Path=/m; Max-Age=60; SameSite=Lax"},
	{"forgotten", {.name = SPAN("l")}, "l=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"},
	{"a promise that is not kept", {.name = SPAN("__Host-s"), .value = SPAN("x")}, NULL},
	{"another one", {.name = SPAN("__host-s"), .path = SPAN("/x"), .is_secure = true}, NULL},
	{"an injection", {.name = SPAN("a"), .value = SPAN("b; Domain=c")}, NULL},
	{"a line end", {.name = SPAN("a"), .value = SPAN("b\r\nX: y")}, NULL},
	{"no name", {.name = SPAN("a b"), .value = SPAN("c")}, NULL},
	{"a path that is none", {.name = SPAN("a"), .path = SPAN("x")}, NULL},
};

static void cookies_are_baked_with_care(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(baked); i++) {
		struct buf b;
		int rc;

		buf_init(&b, 1000);
		rc = http_cookie_put(&b, &baked[i].cookie, NULL);
		if ((rc == 0) != (baked[i].want != NULL) ||
			(rc == 0 && strcmp(buf_cstr(&b), baked[i].want) != 0))
			fail_msg("%s: %s", baked[i].name, buf_cstr(&b));
		buf_fini(&b);
	}
}

static void credentials_are_taken_apart(void **state)
{
	struct arena *a = arena_new();
	struct span user, token;
	struct secret password;

	/* RFC 7617 section 2 */
	assert_true(
		http_auth_basic(a, SPAN("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), &user, &password));
	assert_true(span_eq(user, SPAN("Aladdin")));
	assert_true(secret_eq(span_of(password.bytes, password.len), SPAN("open sesame")));
	secret_fini(&password);
	assert_true(http_auth_basic(a, SPAN("basic  YTo="), &user, &password));
	assert_int_equal(password.len, 0);
	secret_fini(&password);
	assert_false(http_auth_basic(a, SPAN("Basic YQ=="), &user, &password)); /* no colon */
	assert_false(http_auth_basic(a, SPAN("Basic YTo=="), &user, &password));
	assert_false(http_auth_basic(a, SPAN("Basic "), &user, &password));
	assert_false(http_auth_basic(a, SPAN("Basic"), &user, &password));
	assert_false(http_auth_basic(a, SPAN("Bearer YTo="), &user, &password));
	assert_false(http_auth_basic(a, SPAN("Basic YQ0KOmI="), &user, &password)); /* a CRLF :b */
	assert_true(http_auth_bearer(SPAN("bearer abc.def"), &token));
	assert_true(span_eq(token, SPAN("abc.def")));
	assert_false(http_auth_bearer(SPAN("Bearer a b"), &token));
	assert_false(http_auth_bearer(SPAN("Bearer "), &token));
	assert_false(http_auth_bearer(SPAN_NONE, &token));
	arena_free(&a);
}

static void forms_are_read_pair_by_pair(void **state)
{
	struct arena *a = arena_new();
	struct span rest = SPAN("a=1&&b=x+y%20z&c&=d&e=%4"), name, value;
	struct buf b;
	bool is_bad;

	buf_init(&b, 1000);
	while (http_form_next(a, &rest, &name, &value, &is_bad))
		buf_printf(&b, SPAN_FMT "[" SPAN_FMT "]", SPAN_ARG(name), SPAN_ARG(value));
	assert_string_equal(buf_cstr(&b), "a[1]b[x y z]c[][d]");
	assert_true(is_bad);
	assert_true(http_form_get(a, SPAN("x=1&mail%40=a%40b&y=2"), SPAN("mail@"), &value));
	assert_true(span_eq(value, SPAN("a@b")));
	assert_false(http_form_get(a, SPAN("x=1"), SPAN("y"), &value));
	buf_fini(&b);
	arena_free(&a);
}

static void text_is_made_harmless(void **state)
{
	struct buf b;

	buf_init(&b, 1000);
	http_percent_put(&b, SPAN("a b/\xc3\xa4~.-_\r\n"));
	assert_string_equal(buf_cstr(&b), "a%20b%2F%C3%A4~.-_%0D%0A");
	buf_clear(&b);
	http_html_put(&b, SPAN("<a b=\"'&'\">"));
	assert_string_equal(buf_cstr(&b), "&lt;a b=&quot;&#39;&amp;&#39;&quot;&gt;");
	buf_fini(&b);
}

static void statuses_have_words(void **state)
{
	assert_string_equal(http_status_str(413), "Content Too Large");
	assert_string_equal(http_status_str(299), "");
	assert_string_equal(http_method_str(HTTP_PATCH), "PATCH");
	assert_string_equal(http_method_str(HTTP_METHOD_OTHER), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_cut_outside_quotes),
		cmocka_unit_test(weights_are_those_of_the_closest_element),
		cmocka_unit_test(the_best_language_is_chosen),
		cmocka_unit_test(tags_are_compared_as_weakly_as_they_may),
		cmocka_unit_test(ranges_lie_within),
		cmocka_unit_test(dates_are_read_in_three_forms_and_written_in_one),
		cmocka_unit_test(cookies_are_found_once),
		cmocka_unit_test(cookies_are_baked_with_care),
		cmocka_unit_test(credentials_are_taken_apart),
		cmocka_unit_test(forms_are_read_pair_by_pair),
		cmocka_unit_test(text_is_made_harmless),
		cmocka_unit_test(statuses_have_words),
	};

	return cmocka_run_group_tests_name("proto/http/field", tests, NULL, NULL);
}
