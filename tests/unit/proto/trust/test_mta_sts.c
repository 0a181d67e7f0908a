/* RFC 8461: the record, the policy and the hosts that fit it. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/must.h"
#include "proto/trust/mta_sts.h"

static void assert_told(const struct err *e, const char *what, const char *name)
{
	if (!strstr(e->text, what))
		fail_msg("%s: got '%s', want '%s'", name, e->text, what);
}

static const struct {
	const char *name, *text;
	const char *id, *why; /* one of them */
	bool is_no_claim;     /* another record: it does not count */
} records[] = {
	{"plain", "v=STSv1; id=20160831085700Z;", "20160831085700Z"},
	{"no last semicolon", "v=STSv1; id=1", "1"},
	{"blanks and tabs around semicolons", "v=STSv1 \t; \tid=a1 ; ", "a1"},
	{"no blanks", "v=STSv1;id=a1", "a1"},
	{"extensions are passed over", "v=STSv1; x.y-z_1=!~a=b; id=a1; other=1", "a1"},
	{"the first id counts", "v=STSv1; id=a1; id=b2", "a1"},
	{"32 characters", "v=STSv1; id=01234567890123456789012345678901",
		"01234567890123456789012345678901"},
	{"33 characters", "v=STSv1; id=012345678901234567890123456789012", NULL, "its id"},
	{"no id", "v=STSv1;", NULL, "no id"},
	{"version alone", "v=STSv1", NULL, "no id"},
	{"empty id", "v=STSv1; id=", NULL, "not understood"},
	{"id with a dash", "v=STSv1; id=a-1", NULL, "its id"},
	{"blank before =", "v=STSv1; id =a1", NULL, "not understood"},
	{"no =", "v=STSv1; id=a1; word", NULL, "not understood"},
	{"empty field", "v=STSv1;; id=a1", NULL, "not understood"},
	{"name too long", "v=STSv1; id=a1; a23456789012345678901234567890123=1", NULL,
		"not understood"},
	{"octets above 127 in a value", "v=STSv1; id=a1; x=\xc3\xa9", NULL, "not understood"},
	{"lower case version", "v=stsv1; id=a1", NULL, "begin", true},
	{"version with a letter behind", "v=STSv10; id=a1", NULL, "begin", true},
	{"blank in front", " v=STSv1; id=a1", NULL, "begin", true},
	{"another record", "v=spf1 -all", NULL, "begin", true},
	{"empty", "", NULL, "begin", true},
};

static void records_are_read(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		struct span id, text = span_str(records[i].text);
		struct err e = {0};
		int rc = mta_sts_txt_parse(text, &id, &e);

		assert_int_equal(mta_sts_txt_claims(text), !records[i].is_no_claim);
		if (records[i].why) {
			assert_int_equal(rc, -1);
			assert_told(&e, records[i].why, records[i].name);
		} else if (rc < 0 || !span_eq(id, span_str(records[i].id))) {
			fail_msg("%s: '" SPAN_FMT "' %s", records[i].name, SPAN_ARG(id), e.text);
		}
	}
}

#define HEAD "version: STSv1\n"
#define TAIL "mx: mx.example.org\nmax_age: 604800\n"

static const struct {
	const char *name, *text;
	enum mta_sts_mode mode;
	uint64_t age;
	const char *mx;  /* joined by blanks */
	const char *why; /* refused */
} policies[] = {
	{"LF", HEAD "mode: enforce\n" TAIL, MTA_STS_ENFORCE, 604800, "mx.example.org"},
	{"CRLF",
		"version: STSv1\r\nmode: testing\r\nmx: mx1.example.com\r\nmx: *.example.net\r\n"
		"max_age: 86400\r\n",
		MTA_STS_TESTING, 86400, "mx1.example.com *.example.net"},
	{"no last line end", HEAD "mode: enforce\nmax_age: 1\nmx: a.example", MTA_STS_ENFORCE, 1,
		"a.example"},
	{"any order, blanks behind",
		"mx: a.example \t\nmax_age: 5\t\nmode: enforce  \nversion:STSv1", MTA_STS_ENFORCE,
		5, "a.example"},
	{"empty lines", "\n\r\n" HEAD "\nmode: enforce\n\n" TAIL "\n", MTA_STS_ENFORCE, 604800,
		"mx.example.org"},
	{"none needs no mx", HEAD "mode: none\nmax_age: 0\n", MTA_STS_NONE, 0, ""},
	{"names are folded", HEAD "mode: enforce\nmx: *.EXAMPLE.Org.\nmax_age: 1\n",
		MTA_STS_ENFORCE, 1, "*.example.org"},
	{"unknown fields", HEAD "x-new: any \xe5\xad\x97 thing\nmode: enforce\n" TAIL,
		MTA_STS_ENFORCE, 604800, "mx.example.org"},
	{"of fields that stand twice the first counts",
		HEAD "version: STSv2\nmode: testing\nmode: enforce\nmax_age: 7\nmax_age: soon\n"
		     "mx: a.example\n",
		MTA_STS_TESTING, 7, "a.example"},
	{"more than a year is a year", HEAD "mode: enforce\nmx: a.example\nmax_age: 9999999999\n",
		MTA_STS_ENFORCE, MTA_STS_AGE_MAX, "a.example"},
	{"an age of eleven digits", HEAD "mode: enforce\nmx: a.example\nmax_age: 00000000001\n",
		.why = "max_age"},
	{"a negative age", HEAD "mode: enforce\nmx: a.example\nmax_age: -1\n", .why = "max_age"},
	{"an age with a unit", HEAD "mode: enforce\nmx: a.example\nmax_age: 1d\n",
		.why = "max_age"},
	{"no version", "mode: enforce\n" TAIL, .why = "lacks"},
	{"another version", "version: STSv2\nmode: enforce\n" TAIL, .why = "STSv2"},
	{"no mode", HEAD TAIL, .why = "no mode"},
	{"an unknown mode", HEAD "mode: perhaps\n" TAIL, .why = "perhaps"},
	{"modes have one case", HEAD "mode: Enforce\n" TAIL, .why = "Enforce"},
	{"no max_age", HEAD "mode: enforce\nmx: a.example\n", .why = "no max_age"},
	{"no mx", HEAD "mode: enforce\nmax_age: 1\n", .why = "no mx"},
	{"testing without mx", HEAD "mode: testing\nmax_age: 1\n", .why = "no mx"},
	{"a star within", HEAD "mode: enforce\nmx: a.*.example\nmax_age: 1\n", .why = "a.*"},
	{"a star as part of a label", HEAD "mode: enforce\nmx: *a.example\nmax_age: 1\n",
		.why = "*a"},
	{"a star alone", HEAD "mode: enforce\nmx: *\nmax_age: 1\n", .why = "\"mx: *\""},
	{"a star and nothing", HEAD "mode: enforce\nmx: *.\nmax_age: 1\n", .why = "\"mx: *.\""},
	{"an empty mx", HEAD "mode: enforce\nmx:\nmax_age: 1\n", .why = "\"mx:\""},
	{"an mx with a blank", HEAD "mode: enforce\nmx: a b\nmax_age: 1\n", .why = "a b"},
	{"an mx that is no A-label", HEAD "mode: enforce\nmx: \xc3\xa9.example\nmax_age: 1\n",
		.why = "not understood"},
	{"a line without a colon", HEAD "mode: enforce\n" TAIL "word\n", .why = "word"},
	{"a name that is none", HEAD "mode: enforce\n" TAIL "-x: 1\n", .why = "-x"},
	{"a control", HEAD "mode: enforce\n" TAIL "x: \x01\n", .why = "not understood"},
	{"empty", "", .why = "lacks"},
	{"a web page", "<!DOCTYPE html><html></html>", .why = "not understood"},
};

static void policies_are_read(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		struct arena *a = arena_new();
		struct mta_sts_policy p;
		struct err e = {0};
		const char *mx = "";
		int rc = mta_sts_parse(a, span_str(policies[i].text), &p, &e);

		if (policies[i].why) {
			if (rc == 0)
				fail_msg("%s: taken", policies[i].name);
			assert_told(&e, policies[i].why, policies[i].name);
		} else {
			if (rc < 0)
				fail_msg("%s: %s", policies[i].name, e.text);
			for (size_t k = 0; k < p.mx_count; k++)
				mx = arena_printf(
					a, "%s%s" SPAN_FMT, mx, k ? " " : "", SPAN_ARG(p.mx[k]));
			assert_string_equal(mx, policies[i].mx);
			assert_int_equal(p.mode, policies[i].mode);
			assert_int_equal(p.max_age, policies[i].age);
		}
		arena_free(&a);
	}
}

/* `n` times `line` behind a good policy. */
static int parse_long(const char *line, size_t n, size_t octets, struct err *e)
{
	struct arena *a = arena_new();
	struct mta_sts_policy p;
	struct buf b;
	int rc;

	buf_init(&b, 2 * 1024 * 1024);
	buf_str(&b, HEAD "mode: enforce\nmx: a.example\nmax_age: 1\n");
	for (size_t i = 0; i < n; i++)
		buf_str(&b, line);
	while (buf_len(&b) < octets)
		buf_char(&b, 'x');
	rc = mta_sts_parse(a, buf_span(&b), &p, e);
	buf_fini(&b);
	arena_free(&a);
	return rc;
}

static void sizes_are_bounded(void **state)
{
	struct err e = {0};

	assert_int_equal(parse_long("mx: b.example\n", MTA_STS_PATTERNS_MAX - 1, 0, &e), 0);
	assert_int_equal(parse_long("mx: b.example\n", MTA_STS_PATTERNS_MAX, 0, &e), -1);
	assert_int_equal(parse_long("x: y\n", 12000, 0, &e), 0);
	assert_int_equal(parse_long("y: ", 1, MTA_STS_FILE_MAX, &e), 0);
	assert_int_equal(parse_long("y: ", 1, MTA_STS_FILE_MAX + 1, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	err_clear(&e);
	assert_int_equal(parse_long("y: ", 1, 1000000, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
}

static const struct {
	const char *pattern, *host;
	bool fits;
} fits[] = {
	{"mx.example.org", "mx.example.org", true},
	{"mx.example.org", "MX.Example.ORG", true},
	{"mx.example.org.", "mx.example.org", true},
	{"mx.example.org", "mx.example.org.", true},
	{"mx.example.org", "mx2.example.org", false},
	{"*.example.org", "mx.example.org", true},
	{"*.example.org", "xn--bcher-kva.EXAMPLE.org.", true},
	{"*.example.org", "example.org", false},
	{"*.example.org", "a.mx.example.org", false},
	{"*.example.org", ".example.org", false},
	{"*.example.org", "mx.example.org.evil.test", false},
	{"*.example.org", "mxexample.org", false},
	{"example.org", "mx.example.org", false},
	{"mx.example.org", "", false},
	{"*.", "mx", false},
};

static void hosts_fit_patterns(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(fits); i++)
		if (mta_sts_fits(span_str(fits[i].pattern), span_str(fits[i].host)) != fits[i].fits)
			fail_msg("%s %s", fits[i].pattern, fits[i].host);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_read),
		cmocka_unit_test(policies_are_read),
		cmocka_unit_test(sizes_are_bounded),
		cmocka_unit_test(hosts_fit_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
