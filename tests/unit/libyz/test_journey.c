/* Received fields and journeys, by the public header alone. */
#include "yz_test.h"

static void behaviour_85_a_received_field(void **state)
{
	static const char value[] =
		"from laptop (dsl.isp.example [203.0.113.9])\r\n"
		"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n"
		"\t(Authenticated sender: alice) by smtp.example.org (Postfix)\r\n"
		"\twith ESMTPSA id A1 for <bob@example.net>; Mon, 23 Nov 2026 07:30:00 +0100 (CET)";
	struct yz_received *r = yz_received_parse(value, strlen(value));

	assert_string_equal(r->by, "smtp.example.org");
	assert_string_equal(r->software, "Postfix");
	assert_string_equal(r->helo, "laptop");
	assert_string_equal(r->reverse_name, "dsl.isp.example");
	assert_string_equal(r->address, "203.0.113.9");
	assert_string_equal(r->with, "ESMTPSA");
	assert_string_equal(r->kind, "smtp");
	assert_string_equal(r->login, "alice");
	assert_string_equal(r->recipient, "bob@example.net");
	assert_string_equal(r->tls_version, "TLSv1.3");
	assert_string_equal(r->tls_cipher, "TLS_AES_256_GCM_SHA384");
	assert_int_equal(r->tls_bits, 256);
	assert_int_equal(r->tls, YZ_TOLD_YES);
	assert_true(r->is_auth && r->has_date && r->date.has_zone);
	assert_int_equal(r->date.unix_sec, 1795415400);
	assert_int_equal(r->date.zone_minutes, 60);
	assert_null(r->sender);
	assert_null(r->defects[0]);
	yz_received_free(&r);
	assert_null(r);
	yz_received_free(&r);

	r = yz_received_parse("", 0);
	assert_null(r->by);
	assert_string_equal(r->kind, "");
	assert_string_equal(r->defects[0], "empty");
	yz_received_free(&r);
}

static const char letter[] =
	"Received: from c.example (c.example [192.0.2.3]) by d.example with ESMTPS; Mon, 23 Nov 2026 06:30:09 +0000\r\n"
	"Authentication-Results: d.example; dkim=pass header.d=example.org\r\n"
	"Received: from b.example ([192.0.2.2]) by c.example with SMTP; Mon, 23 Nov 2026 06:30:05 +0000\r\n"
	"Received: from a.example ([192.0.2.1]) by b.example with ESMTPS; Mon, 23 Nov 2026 08:30:00 +0000\r\n"
	"Received: from [203.0.113.9] by a.example with ESMTPSA; Mon, 23 Nov 2026 06:30:00 +0000\r\n"
	"Authentication-Results: d.example; spf=pass\r\n"
	"Subject: x\r\n\r\n";

static void behaviour_85_a_journey(void **state)
{
	static const char *const trust[] = {"c.example", NULL};
	struct yz_journey_options o = YZ_INIT(o);
	struct yz_journey *j = yz_journey_new(letter, strlen(letter), NULL);

	assert_int_equal(j->hop_count, 4);
	assert_int_equal(j->claims, 3);
	assert_string_equal(j->hops[0].received.by, "a.example");
	assert_string_equal(j->hops[1].remarks[0], "clock-wrong");
	assert_string_equal(
		j->hops[1].texts[0], "its clock is at least 1 h 59 min ahead of the others");
	assert_int_equal(j->hops[1].skew_sec, 7195);
	assert_int_equal(j->hops[2].delay_sec, 5);
	assert_int_equal(j->hops[2].raw_sec, -7195);
	assert_int_equal(j->total_sec, 9);
	assert_int_equal(j->network, 4);
	assert_int_equal(j->with_tls, 3);
	assert_false(j->is_loop);
	assert_string_equal(
		j->summary, "4 hops, 9 s, all but 1 with TLS, slowest: c.example (5 s)");
	assert_int_equal(j->check_count, 2);
	assert_string_equal(j->checks[0].method, "dkim");
	assert_string_equal(j->checks[0].subject, "example.org");
	assert_true(j->checks[0].is_trusted);
	assert_false(j->checks[1].is_trusted);
	assert_string_equal(j->checks[1].subject, "");
	yz_journey_free(&j);
	assert_null(j);
	yz_journey_free(&j);

	o.trust = trust;
	o.now = 1795415400;
	j = yz_journey_new(letter, strlen(letter), &o);
	assert_int_equal(j->claims, 2);
	assert_true(j->hops[2].is_trusted);
	assert_string_equal(j->hops[3].remarks[0], "future");
	yz_journey_free(&j);

	assert_null(yz_journey_new("hello world", 11, NULL));
	j = yz_journey_new("Subject: x\r\n", 12, NULL);
	assert_int_equal(j->hop_count, 0);
	yz_journey_free(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaviour_85_a_received_field),
		cmocka_unit_test(behaviour_85_a_journey),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
