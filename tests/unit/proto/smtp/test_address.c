#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/smtp/smtp_syntax.h"

#define L64  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define D63  "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
#define D60  "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
#define D192 D63 "." D63 "." D63 "." /* to be followed */

struct address_case {
	const char *name, *text;
	bool is_utf8;
	unsigned code, subject, detail; /* 0: well formed */
	const char *local, *domain;
};

static const struct address_case cases[] = {
	{"plain", "alice@example.com", false, 0, 0, 0, "alice", "example.com"},
	{"one letter each", "a@b", false, 0, 0, 0, "a", "b"},
	{"all of atext", "!#$%&'*+-/=?^_`{|}~0aZ@x.y", false, 0, 0, 0, "!#$%&'*+-/=?^_`{|}~0aZ",
		"x.y"},
	{"shell words stay text", "`rm`|{a}@x.y", false, 0, 0, 0, "`rm`|{a}", "x.y"},
	{"dots in local part", "a.b.c@x", false, 0, 0, 0, "a.b.c", "x"},
	{"plus tag", "a+tag@x", false, 0, 0, 0, "a+tag", "x"},
	{"quoted with blank", "\"a b\"@x", false, 0, 0, 0, "\"a b\"", "x"},
	{"quoted with at sign", "\"a@b\"@x", false, 0, 0, 0, "\"a@b\"", "x"},
	{"quoted pair", "\"a\\\"b\"@x", false, 0, 0, 0, "\"a\\\"b\"", "x"},
	{"empty quoted", "\"\"@x", false, 0, 0, 0, "\"\"", "x"},
	{"IPv4 literal", "a@[192.0.2.1]", false, 0, 0, 0, "a", "[192.0.2.1]"},
	{"IPv6 literal", "a@[IPv6:2001:db8::1]", false, 0, 0, 0, "a", "[IPv6:2001:db8::1]"},
	{"digits first in label", "a@3com.example", false, 0, 0, 0, "a", "3com.example"},
	{"inner hyphens", "a@x--y-z.example", false, 0, 0, 0, "a", "x--y-z.example"},
	{"postmaster alone", "PostMaster", false, 0, 0, 0, "PostMaster", ""},
	{"long local part of VERP", L64 L64 "@x", false, 0, 0, 0, L64 L64, "x"},
	{"label of 63", "a@" D63, false, 0, 0, 0, "a", D63},
	{"path of 256", "a@" D192 D60, false, 0, 0, 0, "a", D192 D60},
	{"utf-8 local", "用户@example.com", true, 0, 0, 0, "用户", "example.com"},
	{"utf-8 domain", "a@例子.测试", true, 0, 0, 0, "a", "例子.测试"},
	{"utf-8 quoted", "\"ü b\"@x", true, 0, 0, 0, "\"ü b\"", "x"},

	{"empty", "", false, 501, 1, 3},
	{"no domain", "alice", false, 501, 1, 3},
	{"empty domain", "alice@", false, 501, 1, 3},
	{"empty local", "@example.com", false, 501, 1, 3},
	{"two at signs", "a@b@c", false, 501, 1, 3},
	{"leading dot", ".a@x", false, 501, 1, 3},
	{"trailing dot", "a.@x", false, 501, 1, 3},
	{"double dot", "a..b@x", false, 501, 1, 3},
	{"blank", "a b@x", false, 501, 1, 3},
	{"angle bracket", "a>b@x", false, 501, 1, 3},
	{"semicolon", "a;b@x", false, 501, 1, 3},
	{"open quote", "\"ab@x", false, 501, 1, 3},
	{"text behind quote", "\"a\"b@x", false, 501, 1, 3},
	{"quoted control", "\"a\tb\"@x", false, 501, 1, 3},
	{"quoted line break", "\"a\nb\"@x", false, 501, 1, 3},
	{"quoted pair of a control", "\"a\\\nb\"@x", false, 501, 1, 3},
	{"backslash at the end", "\"a\\", false, 501, 1, 3},
	{"line break in domain", "a@b\nc", false, 501, 1, 3},
	{"domain dot at end", "a@b.", false, 501, 1, 3},
	{"domain dot at front", "a@.b", false, 501, 1, 3},
	{"domain double dot", "a@b..c", false, 501, 1, 3},
	{"label ends with hyphen", "a@b-.c", false, 501, 1, 3},
	{"label begins with hyphen", "a@-b", false, 501, 1, 3},
	{"underscore in domain", "a@b_c", false, 501, 1, 3},
	{"label of 64", "a@" D63 "d", false, 501, 1, 3},
	{"local part of 129", L64 L64 "a@x", false, 501, 1, 3},
	{"path of 257", "a@" D192 D60 "d", false, 501, 1, 3},
	{"IPv4 octet too large", "a@[192.0.2.256]", false, 501, 1, 3},
	{"IPv4 of three", "a@[192.0.2]", false, 501, 1, 3},
	{"IPv4 of five", "a@[192.0.2.1.1]", false, 501, 1, 3},
	{"IPv4 of four digits", "a@[0192.0.2.1]", false, 501, 1, 3},
	{"IPv6 malformed", "a@[IPv6:2001:db8:::1]", false, 501, 1, 3},
	{"IPv6 without tag", "a@[2001:db8::1]", false, 501, 1, 3},
	{"literal not closed", "a@[192.0.2.1", false, 501, 1, 3},
	{"literal and more", "a@[192.0.2.1]x", false, 501, 1, 3},
	{"empty literal", "a@[]", false, 501, 1, 3},
	{"literal of an unknown kind", "a@[x400:abc]", false, 501, 1, 3},
	{"utf-8 without SMTPUTF8", "用户@example.com", false, 553, 6, 7},
	{"utf-8 domain without SMTPUTF8", "a@例子.测试", false, 553, 6, 7},
	{"latin-1 without SMTPUTF8", "\xfc@x", false, 501, 1, 3},
	{"broken utf-8", "\xe7\x94@x", true, 501, 1, 3},
	{"overlong utf-8", "\xc0\xae@x", true, 501, 1, 3},
	{"surrogate", "\xed\xa0\x80@x", true, 501, 1, 3},
};

static void address_table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct address_case *c = &cases[i];
		struct smtp_address a;
		struct err e = {0};
		int rc = smtp_address_parse(span_str(c->text), c->is_utf8, &a, &e);

		if ((rc == 0) != (c->code == 0))
			fail_msg("%s: %d %s", c->name, rc, e.text);
		if (rc < 0) {
			if (e.smtp != c->code || e.enh_subject != c->subject ||
				e.enh_detail != c->detail)
				fail_msg("%s: %u 5.%u.%u", c->name, e.smtp, e.enh_subject,
					e.enh_detail);
			continue;
		}
		if (!span_eq(a.local, span_str(c->local)) ||
			!span_eq(a.domain, span_str(c->domain)) ||
			!span_eq(a.whole, span_str(c->text)))
			fail_msg("%s: parts differ", c->name);
		assert_int_equal(a.is_utf8, !span_is_ascii(span_str(c->text)));
	}
}

/* No prefix of an address may be read beyond its end (ASan watches), nor crash. */
static void every_prefix_is_parsed_within_its_bounds(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = strlen(cases[i].text);

		for (size_t n = 0; n <= len; n++) {
			char *copy = test_malloc(n + 1);
			struct smtp_address a;

			memcpy(copy, cases[i].text, n);
			smtp_address_parse(span_of(copy, n), cases[i].is_utf8, &a, NULL);
			test_free(copy);
		}
	}
}

static void nul_is_refused(void **state)
{
	struct smtp_address a;
	struct err e = {0};

	assert_int_equal(smtp_address_parse(span_of("a\0b@x", 5), true, &a, &e), -1);
	assert_int_equal(smtp_address_parse(span_of("a@x\0", 4), true, &a, &e), -1);
	assert_int_equal(smtp_address_parse(span_of("\"\0\"@x", 5), true, &a, &e), -1);
	assert_int_equal(smtp_address_parse(span_of("a@[IPv6:::1\0]", 13), true, &a, &e), -1);
}

static void unquote_table(void **state)
{
	static const struct {
		const char *in, *out;
	} t[] = {
		{"abc", "abc"},
		{"\"a b\"", "a b"},
		{"\"a\\\"b\"", "a\"b"},
		{"\"\\\\\"", "\\"},
		{"\"\"", ""},
		{"\"", "\""},
	};
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_true(span_eq(smtp_local_unquote(a, span_str(t[i].in)), span_str(t[i].out)));
	arena_free(&a);
}

static void domain_table(void **state)
{
	assert_true(smtp_domain_is_valid(SPAN("mx.example"), false));
	assert_true(smtp_domain_is_valid(SPAN("[192.0.2.1]"), false));
	assert_false(smtp_domain_is_valid(SPAN(""), false));
	assert_false(smtp_domain_is_valid(SPAN("mx example"), false));
	assert_false(smtp_domain_is_valid(SPAN("例子"), false));
	assert_true(smtp_domain_is_valid(SPAN("例子"), true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_table),
		cmocka_unit_test(every_prefix_is_parsed_within_its_bounds),
		cmocka_unit_test(nul_is_refused),
		cmocka_unit_test(unquote_table),
		cmocka_unit_test(domain_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
