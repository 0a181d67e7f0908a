/* Which addresses a stranger may make us ask, and where his redirects lead. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "services/fetch/fetch_public.h"

static const struct {
	const char *ip;
	bool is_public;
} addresses[] = {
	{"8.8.8.8", true},
	{"1.1.1.1", true},
	{"172.15.255.255", true},
	{"172.32.0.1", true},
	{"100.63.255.255", true},
	{"100.128.0.1", true},
	{"192.0.1.1", true},
	{"2606:4700::1111", true},
	{"2a00:1450::1", true},
	{"0.0.0.0", false},
	{"0.1.2.3", false},
	{"10.0.0.1", false},
	{"100.64.0.1", false},
	{"100.127.255.255", false},
	{"127.0.0.1", false},
	{"127.255.255.254", false},
	{"169.254.169.254", false}, /* metadata of many clouds */
	{"172.16.0.1", false},
	{"172.31.255.255", false},
	{"192.0.0.8", false},
	{"192.0.2.1", false},
	{"192.88.99.1", false},
	{"192.168.1.1", false},
	{"198.18.0.1", false},
	{"198.19.255.255", false},
	{"198.51.100.1", false},
	{"203.0.113.1", false},
	{"224.0.0.1", false},
	{"240.0.0.1", false},
	{"255.255.255.255", false},
	{"::", false},
	{"::1", false},
	{"::ffff:127.0.0.1", false},
	{"::ffff:8.8.8.8", false},
	{"::127.0.0.1", false},
	{"64:ff9b::7f00:1", false}, /* NAT64 of 127.0.0.1 */
	{"64:ff9b:1::a9fe:a9fe", false},
	{"100::1", false},  /* discard */
	{"2001::1", false}, /* Teredo */
	{"2001:db8::1", false},
	{"2002:7f00:1::1", false}, /* 6to4 of 127.0.0.1 */
	{"3fff::1", false},
	{"fc00::1", false},
	{"fd00:ec2::254", false}, /* metadata */
	{"fe80::1", false},
	{"fec0::1", false},
	{"ff02::1", false},
	{"4000::1", false},
};

static void only_the_internet_is_public(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(addresses); i++) {
		struct addr a;

		assert_true(addr_parse_ip(span_str(addresses[i].ip), 80, &a));
		if (fetch_is_public(&a) != addresses[i].is_public)
			fail_msg("%s", addresses[i].ip);
	}
	struct addr none = {0};

	assert_false(fetch_is_public(&none));
}

static const struct {
	const char *base, *location, *want; /* NULL: refused */
} joins[] = {
	{"https://a.example/x/y?q", "https://b.example/z", "https://b.example/z"},
	{"https://a.example/x/y?q", "//b.example/z", "https://b.example/z"},
	{"http://a.example:81/x/y?q", "/z?w", "http://a.example:81/z?w"},
	{"https://a.example/x/y?q=/1/2", "z", "https://a.example/x/z"},
	{"https://a.example", "z", "https://a.example/z"},
	{"https://a.example?q", "/z", "https://a.example/z"},
	{"https://a.example/x", "/z#part", "https://a.example/z"},
	{"https://a.example/x", "", NULL},
	{"https://a.example/x", "#part", NULL},
	{"https://a.example/x", "file:///etc/passwd", NULL},
	{"https://a.example/x", "gopher://127.0.0.1:25/", NULL},
	{"https://a.example/x", "javascript:1", NULL},
	{"ftp://a.example/x", "/z", NULL},
};

static void redirects_lead_to_the_web_only(void **state)
{
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(joins); i++) {
		struct span url;
		int rc = fetch_url_join(
			a, span_str(joins[i].base), span_str(joins[i].location), &url, NULL);

		if (rc < 0 ? joins[i].want != NULL
			   : !joins[i].want || !span_eq(url, span_str(joins[i].want)))
			fail_msg("%s from %s: " SPAN_FMT, joins[i].location, joins[i].base,
				rc < 0 ? 7 : (int)url.len, rc < 0 ? "refused" : url.ptr);
	}
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_internet_is_public),
		cmocka_unit_test(redirects_lead_to_the_web_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
