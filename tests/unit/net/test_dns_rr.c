#include "net_test.h"

#include "net/dns.h"

struct rr_case {
	const char *what;
	enum dns_type type;
	struct span rdata;
	bool is_good;
	const char *name, *text;
};

static const struct rr_case rr_cases[] = {
	{"an address", DNS_A, {"\300\0\2\1", 4}, true, NULL, NULL},
	{"an address too short", DNS_A, {"\300\0\2", 3}, false, NULL, NULL},
	{"an address too long", DNS_A, {"\300\0\2\1\1", 5}, false, NULL, NULL},
	{"no address", DNS_A, {"", 0}, false, NULL, NULL},
	{"IPv6 of four octets", DNS_AAAA, {"\300\0\2\1", 4}, false, NULL, NULL},
	{"an MX", DNS_MX, {"\0\12\1a\1b", 7}, true, "a.b", NULL},
	{"the null MX", DNS_MX, {"\0\0\0", 3}, true, "", NULL},
	{"an MX without a name", DNS_MX, {"\0\12", 2}, false, NULL, NULL},
	{"a name without an end", DNS_MX, {"\0\12\1a\1b", 6}, false, NULL, NULL},
	{"octets behind the end", DNS_MX, {"\0\12\1a\0x", 6}, false, NULL, NULL},
	{"a label beyond the end", DNS_MX, {"\0\12\77a", 4}, false, NULL, NULL},
	{"a compression pointer", DNS_MX, {"\0\12\300\0", 4}, false, NULL, NULL},
	{"a dot inside a label", DNS_MX, {"\0\12\3a.b", 7}, false, NULL, NULL},
	{"a line break inside", DNS_MX, {"\0\12\3a\nb", 7}, false, NULL, NULL},
	{"a NUL inside", DNS_MX, {"\0\12\3a\0b\0", 7}, false, NULL, NULL},
	{"UTF-8 inside", DNS_CNAME, {"\2\303\244", 4}, false, NULL, NULL},
	{"a name with an underscore and a slash", DNS_CNAME, {"\4_a/b", 6}, true, "_a/b", NULL},
	{"an SRV", DNS_SRV, {"\0\1\0\2\0\31\1h", 9}, true, "h", NULL},
	{"an SRV too short", DNS_SRV, {"\0\1\0\2\0\31", 6}, false, NULL, NULL},
	{"two strings", DNS_TXT, {"\2ab\1c", 5}, true, NULL, "abc"},
	{"an empty string", DNS_TXT, {"\0", 1}, true, NULL, ""},
	{"no string", DNS_TXT, {"", 0}, false, NULL, NULL},
	{"a string beyond the end", DNS_TXT, {"\3ab", 3}, false, NULL, NULL},
	{"a TLSA cut short", DNS_TLSA, {"\3\1\1xxxx", 7}, false, NULL, NULL},
	{"a TLSA with the whole certificate", DNS_TLSA, {"\3\0\0xxxx", 7}, true, NULL, NULL},
	{"a TLSA without data", DNS_TLSA, {"\3\0\0", 3}, false, NULL, NULL},
};

static void records_are_taken_or_dropped(void **state)
{
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(rr_cases); i++) {
		const struct rr_case *c = &rr_cases[i];
		/* In a block of its exact size: reading behind it would be noticed. */
		char *exact = mem_dup(c->rdata.ptr, c->rdata.len);
		struct dns_rr rr;

		print_message("# %s\n", c->what);
		exact = mem_realloc(exact, c->rdata.len ? c->rdata.len : 1);
		assert_int_equal(
			dns_rr_decode(a, c->type, span_of(exact, c->rdata.len), &rr), c->is_good);
		if (c->name)
			assert_span_equal(rr.name, c->name);
		if (c->text)
			assert_span_equal(rr.text, c->text);
		free(exact);
	}
	arena_free(&a);
}

static void the_longest_name_is_taken_and_no_longer_one(void **state)
{
	struct arena *a = arena_new();
	struct dns_rr rr;
	struct buf b;

	for (unsigned last = 61; last <= 62; last++) {
		buf_init(&b, 1000);
		for (unsigned label = 0; label < 4; label++) {
			unsigned n = label < 3 ? 63 : last;

			buf_char(&b, (char)n);
			for (unsigned i = 0; i < n; i++)
				buf_char(&b, 'x');
		}
		buf_char(&b, 0);
		assert_int_equal(dns_rr_decode(a, DNS_PTR, buf_span(&b), &rr), last == 61);
		buf_fini(&b);
	}
	assert_int_equal(rr.name.len, 0);
	arena_free(&a);
}

/* ---- the table ---- */

static const struct dns_row rows[] = {
	{"a.test", DNS_MX, "10 mx.a.test"},
	{"a.test", DNS_MX, "20 back.a.test"},
	{"mx.a.test", DNS_A, "192.0.2.1"},
	{"mx.a.test", DNS_AAAA, "2001:db8::1"},
	{"null.test", DNS_MX, "0 ."},
	{"alias.test", DNS_CNAME, "other.test"},
	{"other.test", DNS_CNAME, "mx.a.test"},
	{"loop.test", DNS_CNAME, "loop.test"},
	{"down.test", DNS_MX, "!fail"},
	{"bad.test", DNS_MX, "!bogus"},
	{"quiet.test", DNS_MX, "!silent"},
	{"safe.test", DNS_TXT, "hello", true},
};

static FIBER int table_main(void *arg)
{
	static const struct {
		const char *name;
		enum dns_type type;
		enum dns_status status;
		size_t count;
		int64_t ms;
	} cases[] = {
		{"A.test.", DNS_MX, DNS_OK, 2, 2},
		{"null.test", DNS_MX, DNS_OK, 1, 2},
		{"alias.test", DNS_A, DNS_OK, 1, 2},
		{"alias.test", DNS_TXT, DNS_NODATA, 0, 2},
		{"loop.test", DNS_A, DNS_FAIL, 0, 2},
		{"a.test", DNS_A, DNS_NODATA, 0, 2},
		{"none.test", DNS_A, DNS_NXDOMAIN, 0, 2},
		{"down.test", DNS_MX, DNS_FAIL, 0, 2},
		{"bad.test", DNS_MX, DNS_BOGUS, 0, 2},
		{"quiet.test", DNS_MX, DNS_FAIL, 0, 5000},
		{"safe.test", DNS_TXT, DNS_OK, 1, 2},
	};
	struct dns *d = dns_new_table(rows, ARRAY_LEN(rows));
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct dns_answer ans;
		struct err e = {0};
		int64_t began = loop_now_ns();

		print_message("# %s %d\n", cases[i].name, cases[i].type);
		assert_int_equal(dns_query(d, a, span_str(cases[i].name), cases[i].type,
					 began + 5 * CLOCK_SEC, &ans, &e),
			0);
		assert_int_equal(ans.status, cases[i].status);
		assert_int_equal(ans.count, cases[i].count);
		assert_int_equal(loop_now_ns() - began, cases[i].ms * CLOCK_MS);
		if (i == 2)
			assert_span_equal(ans.canonical, "mx.a.test");
		assert_int_equal(ans.is_secure, strcmp(cases[i].name, "safe.test") == 0);
	}
	arena_free(&a);
	dns_free(&d);
	return 0;
}

static void a_table_answers_in_virtual_time(void **state)
{
	test_run_sim(table_main, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_taken_or_dropped),
		cmocka_unit_test(the_longest_name_is_taken_and_no_longer_one),
		cmocka_unit_test(a_table_answers_in_virtual_time),
	};

	return cmocka_run_group_tests_name("net/dns_rr", tests, NULL, NULL);
}
