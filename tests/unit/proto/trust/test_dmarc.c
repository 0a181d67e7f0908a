/* RFC 9989: what a domain's record asks for. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/must.h"
#include "proto/trust/dmarc.h"

/* Policies: of the domain, of a subdomain, of a name that does not exist, each with t=y applied. */
static const struct {
	const char *name, *text, *policies; /* NULL: no record */
} records[] = {
	{"the version alone asks for nothing", "v=DMARC1", "none none none u"},
	{"none", "v=DMARC1; p=none; rua=mailto:d@example.org", "none none none u"},
	{"quarantine", "v=DMARC1; p=quarantine", "quarantine quarantine quarantine u"},
	{"reject", "v=DMARC1;p=reject", "reject reject reject u"},
	{"a last semicolon", "v=DMARC1; p=reject; ", "reject reject reject u"},
	{"blanks around everything", "v = DMARC1 ;\tp = reject ; sp\t=none", "reject none none u"},
	{"subdomains", "v=DMARC1; p=reject; sp=none", "reject none none u"},
	{"names that do not exist", "v=DMARC1; p=none; np=reject", "none none reject u"},
	{"np without sp is not sp", "v=DMARC1; p=quarantine; np=none",
		"quarantine quarantine none u"},
	{"all three", "v=DMARC1; p=none; sp=quarantine; np=reject", "none quarantine reject u"},
	{"order does not count", "v=DMARC1; np=reject; sp=none; p=quarantine",
		"quarantine none reject u"},
	{"tried out: one step below", "v=DMARC1; p=reject; sp=quarantine; np=none; t=y",
		"quarantine none none u"},
	{"not tried out", "v=DMARC1; p=reject; t=n", "reject reject reject u"},
	{"t is not understood", "v=DMARC1; p=reject; t=yes", "reject reject reject u"},
	{"a public suffix", "v=DMARC1; p=reject; psd=y", "reject reject reject y"},
	{"no public suffix", "v=DMARC1; p=reject; psd=n", "reject reject reject n"},
	{"psd is not understood", "v=DMARC1; p=reject; psd=x", "reject reject reject u"},
	{"letters in any case, but for the version", "V=DMARC1; P=Reject; SP=NONE; T=Y",
		"quarantine none none u"},
	{"tags of others and of the past", "v=DMARC1; pct=50; x=1; rf=afrf; p=reject; ri=86400",
		"reject reject reject u"},
	{"what is no tag is passed over", "v=DMARC1; p=reject; ;; what; =x; a1=b; sp=none",
		"reject none none u"},
	{"the first of two counts", "v=DMARC1; p=reject; p=none", "reject reject reject u"},
	{"a bad policy and a reader", "v=DMARC1; p=maybe; rua=mailto:d@example.org",
		"none none none u"},
	{"a bad sp and a reader", "v=DMARC1; p=reject; sp=all; rua=mailto:d@example.org",
		"none none none u"},
	{"a bad policy and nobody", "v=DMARC1; p=maybe", NULL},
	{"a bad np and nobody", "v=DMARC1; p=reject; np=x; rua=nobody", NULL},
	{"the version is not first", "p=reject; v=DMARC1", NULL},
	{"the version in small letters", "v=dmarc1; p=reject", NULL},
	{"another version", "v=DMARC2; p=reject", NULL},
	{"a letter behind the version", "v=DMARC1x; p=reject", NULL},
	{"no semicolon", "v=DMARC1 p=reject", NULL},
	{"SPF", "v=spf1 -all", NULL},
	{"empty", "", NULL},
	{"a semicolon", ";", NULL},
};

static void records_are_read(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		struct dmarc_record r;
		bool is_record = dmarc_parse(span_str(records[i].text), &r);
		struct buf b;

		buf_init(&b, 200);
		buf_printf(&b, "%s %s %s %c", dmarc_policy_str(dmarc_policy_for(&r, false, true)),
			dmarc_policy_str(dmarc_policy_for(&r, true, true)),
			dmarc_policy_str(dmarc_policy_for(&r, true, false)), r.psd);
		if (is_record != (records[i].policies != NULL))
			fail_msg("%s: %s", records[i].name, is_record ? "a record" : "none");
		if (is_record && strcmp(buf_cstr(&b), records[i].policies) != 0)
			fail_msg("%s: '%s'", records[i].name, buf_cstr(&b));
		buf_fini(&b);
	}
}

static void what_stands_there_is_told_from_what_follows(void **state)
{
	struct dmarc_record r;

	assert_true(dmarc_parse(SPAN("v=DMARC1; p=reject; sp=reject; t=y"), &r));
	assert_int_equal(r.p, DMARC_REJECT);
	assert_true(r.has_sp);
	assert_false(r.has_np);
	assert_int_equal(r.np, DMARC_REJECT);
	assert_true(r.is_testing);
}

static void a_long_record_is_none(void **state)
{
	struct dmarc_record r;
	struct buf b;

	buf_init(&b, 2 * DMARC_TXT_MAX);
	buf_str(&b, "v=DMARC1; p=reject; rua=mailto:");
	while (buf_len(&b) < DMARC_TXT_MAX)
		buf_str(&b, "a");
	assert_true(dmarc_parse(buf_span(&b), &r));
	buf_str(&b, "a");
	assert_false(dmarc_parse(buf_span(&b), &r));
	buf_fini(&b);
}

static void controls_and_octets_above_ascii_are_no_tags(void **state)
{
	struct dmarc_record r;

	assert_true(dmarc_parse(SPAN("v=DMARC1; p=re\x01ject; sp\xc3\xa4=none; \0=x"), &r));
	assert_int_equal(r.p, DMARC_NONE);
	assert_false(r.has_sp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_are_read),
		cmocka_unit_test(what_stands_there_is_told_from_what_follows),
		cmocka_unit_test(a_long_record_is_none),
		cmocka_unit_test(controls_and_octets_above_ascii_are_no_tags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
