/* RFC 8460 section 3: where reports go. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/must.h"
#include "proto/trust/tlsrpt.h"

static const struct {
	const char *name, *text, *rua, *why;
} records[] = {
	{"mail", "v=TLSRPTv1;rua=mailto:reports@example.com", "mailto:reports@example.com"},
	{"web", "v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt;",
		"https://reporting.example.com/v1/tlsrpt"},
	{"both", "v=TLSRPTv1; rua=mailto:a@b.example , https://c.example/d?e=f",
		"mailto:a@b.example https://c.example/d?e=f"},
	{"extensions", "v=TLSRPTv1; x=1; rua=mailto:a@b.example; y=2", "mailto:a@b.example"},
	{"the first counts", "v=TLSRPTv1; rua=mailto:a@b.example; rua=mailto:c@d.example",
		"mailto:a@b.example"},
	{"other schemes are passed over", "v=TLSRPTv1; rua=ftp://x,mailto:a@b.example",
		"mailto:a@b.example"},
	{"more than are used",
		"v=TLSRPTv1; rua=mailto:1,mailto:2,mailto:3,mailto:4,mailto:5,mailto:6,mailto:7,"
		"mailto:8,mailto:9",
		"mailto:1 mailto:2 mailto:3 mailto:4 mailto:5 mailto:6 mailto:7 mailto:8"},
	{"no scheme of use", "v=TLSRPTv1; rua=http://x.example", NULL, "no address"},
	{"an address and nothing", "v=TLSRPTv1; rua=mailto:", NULL, "no address"},
	{"no rua", "v=TLSRPTv1; x=1", NULL, "no rua"},
	{"an empty rua", "v=TLSRPTv1; rua=", NULL, "not understood"},
	{"a control", "v=TLSRPTv1; rua=mailto:a\x01@b", NULL, "not understood"},
	{"another version", "v=TLSRPTv2; rua=mailto:a@b.example", NULL, "begin"},
	{"an older record", "v=STSv1; id=1", NULL, "begin"},
	{"empty", "", NULL, "begin"},
};

static void records_are_read(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		struct arena *a = arena_new();
		struct tlsrpt_record r;
		struct err e = {0};
		const char *got = "";
		int rc = tlsrpt_txt_parse(span_str(records[i].text), &r, &e);

		for (size_t k = 0; k < r.count; k++)
			got = arena_printf(
				a, "%s%s" SPAN_FMT, got, k ? " " : "", SPAN_ARG(r.rua[k]));
		if (records[i].why) {
			if (rc == 0 || !strstr(e.text, records[i].why))
				fail_msg("%s: %d '%s'", records[i].name, rc, e.text);
		} else if (rc < 0 || strcmp(got, records[i].rua) != 0) {
			fail_msg("%s: '%s' %s", records[i].name, got, e.text);
		}
		arena_free(&a);
	}
}

static void a_record_of_a_million_octets_is_refused(void **state)
{
	struct tlsrpt_record r;
	struct err e = {0};
	struct buf b;

	buf_init(&b, 1100000);
	buf_str(&b, "v=TLSRPTv1; rua=mailto:");
	while (buf_len(&b) < 1000000)
		buf_str(&b, "aaaaaaaaaa");
	assert_int_equal(tlsrpt_txt_parse(buf_span(&b), &r, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	buf_fini(&b);
}

static void names_are_those_of_the_rfc(void **state)
{
	assert_string_equal(tlsrpt_result_str(TLSRPT_SUCCESS), "");
	assert_string_equal(tlsrpt_result_str(TLSRPT_STS_WEBPKI_INVALID), "sts-webpki-invalid");
	assert_string_equal(tlsrpt_result_str(TLSRPT_DANE_REQUIRED), "dane-required");
	assert_string_equal(tlsrpt_policy_str(TLSRPT_POLICY_NO_POLICY), "no-policy-found");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_read),
		cmocka_unit_test(a_record_of_a_million_octets_is_refused),
		cmocka_unit_test(names_are_those_of_the_rfc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
