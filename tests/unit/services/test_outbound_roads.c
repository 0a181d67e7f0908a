/* The carrier's ways: addresses that are good, families, egresses, logins, probes. */

#include "services/outbound_stage.h"

#include "services/fake_road.h"
#include "services/pool/pool.h"

/* ---- which addresses are good ----------------------------------------------------------------- */

static const struct dns_row places[] = {
	{"mapped.test", DNS_MX, "10 mapped-mx.test", false},
	{"mapped-mx.test", DNS_AAAA, "::ffff:127.0.0.1", false},
	{"zero.test", DNS_MX, "10 zero-mx.test", false},
	{"zero-mx.test", DNS_A, "0.1.2.3", false},
	{"link4.test", DNS_MX, "10 link4-mx.test", false},
	{"link4-mx.test", DNS_A, "169.254.7.7", false},
	{"link6.test", DNS_MX, "10 link6-mx.test", false},
	{"link6-mx.test", DNS_AAAA, "fe80::1", false},
	{"multi.test", DNS_MX, "10 multi-mx.test", false},
	{"multi-mx.test", DNS_A, "224.0.0.5", false},
	{"here1.test", DNS_MX, "10 here1-mx.test", false},
	{"here1-mx.test", DNS_A, "198.51.100.77", false},
	{"some.test", DNS_MX, "10 some-mx.test", false},
	{"some-mx.test", DNS_A, "127.0.0.1", false},
	{"some-mx.test", DNS_A, "198.51.100.9", false},
	{"alias.test", DNS_MX, "10 alias-mx.test", false},
	{"alias-mx.test", DNS_CNAME, "real-mx.test", false},
	{"real-mx.test", DNS_A, "198.51.100.9", false},
	{"many6.test", DNS_MX, "10 many6-mx.test", false},
	{"many6-mx.test", DNS_AAAA, "2001:db8::1", false},
	{"many6-mx.test", DNS_AAAA, "2001:db8::2", false},
	{"many6-mx.test", DNS_AAAA, "2001:db8::3", false},
	{"many6-mx.test", DNS_AAAA, "2001:db8::4", false},
	{"many6-mx.test", DNS_AAAA, "2001:db8::5", false},
	{"many6-mx.test", DNS_AAAA, "2001:db8::6", false},
	{"many6-mx.test", DNS_AAAA, "2001:db8::7", false},
	{"many6-mx.test", DNS_AAAA, "2001:db8::8", false},
	{"many6-mx.test", DNS_A, "198.51.100.9", false},
};

static FIBER void story_places(void)
{
	static const struct {
		const char *destination;
		unsigned count, enhanced; /* addresses, or the error that is owed */
	} cases[] = {
		{"mapped.test", 0, 546}, {"zero.test", 0, 546}, {"link4.test", 0, 544},
		{"link6.test", 0, 544}, {"multi.test", 0, 544}, {"here1.test", 0, 546},
		{"some.test", 1, 0}, /* the good one is left */
		{"alias.test", 1, 0}, {"many6.test", OUTBOUND_ADDRS_MAX / 2 + 1, 0},
		{"[198.51.100.9]", 1, 0}, {"[ipv6:2001:db8::9]", 1, 0}, {"[127.0.0.1]", 0, 546},
		{"[ipv6:::1]", 0, 546}, {"[ipv6:::ffff:127.0.0.1]", 0, 546},
		{"[198.51.100.77]", 0, 546}, {"[169.254.7.7]", 0, 544},
		{"[127.0.0.1]:25", 1, 0}, /* a route: an administrator's word */
	};
	struct addr self;
	struct arena *a = arena_new();

	assert_true(addr_parse_ip(SPAN("198.51.100.77"), 25, &self));
	opts.self = &self;
	opts.self_count = 1;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct outbound_hops *h;
		struct err e = {0};
		int rc = outbound_hops(&opts, a, span_str(cases[i].destination), &h, &e);

		if (rc == 0)
			rc = outbound_addrs(&opts, h, &h->hosts[0], &e);
		if (rc == 0 && h->hosts[0].addr_count == cases[i].count)
			continue;
		if (rc == 0 || cases[i].enhanced == 0 || e.again != ERR_AGAIN_NEVER ||
			e.enh_class * 100 + e.enh_subject * 10u + e.enh_detail != cases[i].enhanced)
			fail_msg("%s: %d, %u.%u.%u %s", cases[i].destination, rc, e.enh_class,
				e.enh_subject, e.enh_detail, e.text);
	}
	arena_free(&a);
}

static void no_mx_leads_home_or_nowhere(void **state)
{
	PLAY(places, story_places);
	assert_int_equal(aliases_told, 1);
}

/* ---- ways out --------------------------------------------------------------------------------- */

static const struct dns_row two_families[] = {
	{"there.test", DNS_MX, "10 mx.there.test", false},
	{"mx.there.test", DNS_AAAA, "2001:2::5", false}, /* no route from here */
	{"mx.there.test", DNS_A, "198.51.100.1", false},
	{"six.test", DNS_MX, "10 mx.six.test", false},
	{"mx.six.test", DNS_AAAA, "2001:db8::6", false},
	{"mx.six.test", DNS_A, "198.51.100.1", false},
	{"7.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", DNS_PTR,
		"out.here.test", false},
	{"out.here.test", DNS_AAAA, "2001:db8::7", false},
};

static struct road_egress ways[] = {
	{.name = SPAN("four"),
		.address4 = SPAN("203.0.113.4"),
		.hostname = SPAN("four.test"),
		.weight = 1},
	{.name = SPAN("six"), .address6 = SPAN("2001:db8::7"), .weight = 1, .is_ptr_needed = true},
	{.name = SPAN("bad6"), .address6 = SPAN("2001:db8::8"), .weight = 1, .is_ptr_needed = true},
};

static FIBER void one_letter(const char *destination)
{
	struct feed f = {0};
	struct err e = {0};

	add_letter(&f, "a");
	if (carry(destination, &f, &e) < 0)
		fail_msg("%s: %s", destination, e.text);
	feed_fini(&f);
}

static FIBER void story_families(void)
{
	struct peer four, six;
	struct outbound_net net = {0};
	struct pool_opts pool_opts = {.log = &root};
	struct err e = {0};

	buf_init(&heard.said, LETTER_MAX);
	up(&four, (struct peer_opts){.address = "198.51.100.1:25"});
	up(&six, (struct peer_opts){.address = "[2001:db8::6]:25"});
	the_roads.egresses = ways;
	the_roads.egress_count = ARRAY_LEN(ways);
	opts.net = &net;
	opts.pools = pools_new(&pool_opts);
	assert_int_equal(pools_load(opts.pools, &e), 0);

	one_letter("six.test"); /* IPv6 is preferred */
	assert_int_equal(six.messages, 1);
	one_letter("there.test"); /* no route: IPv4 at once, and that is remembered */
	assert_int_equal(four.messages, 1);
	assert_true(net.no_ip6_ns > loop_now_ns());
	one_letter("six.test");
	assert_int_equal(six.messages, 1);
	assert_int_equal(four.messages, 2);
	net.no_ip6_ns = 0;

	one_letter("six.test|egress=four"); /* a source of one family: only that */
	assert_int_equal(four.messages, 3);
	assert_true(span_find_span(buf_span(&heard.said), SPAN("EHLO four.test")) >= 0);
	one_letter("six.test|egress=six"); /* its name leads back */
	assert_int_equal(six.messages, 2);
	one_letter("six.test|egress=bad6"); /* its name does not: IPv4 */
	assert_int_equal(four.messages, 4);

	peer_down(&four);
	peer_down(&six);
	buf_fini(&heard.said);
	pools_free(&opts.pools);
	the_roads.egress_count = 0;
}

static void families_are_chosen_by_route_egress_and_name(void **state)
{
	PLAY(two_families, story_families);
}

static struct road_credential logins[] = {
	{.next_hop = SPAN("[198.51.100.1]:25"), .username = SPAN("me"), .secret = SPAN("pencil")},
	{.next_hop = SPAN("[198.51.100.1]:25"),
		.sender = SPAN("@b.test"),
		.username = SPAN("b"),
		.secret = SPAN("pencil"),
		.mechs = SPAN("PLAIN"),
		.is_clear_allowed = true},
};

static FIBER void expect_login(const char *ehlo, const char *auth, const char *destination,
	const char *said, const char *text)
{
	struct peer peer;
	struct feed f = {0};
	struct err e = {0};
	int rc;

	buf_init(&heard.said, LETTER_MAX);
	heard.auth = auth;
	up(&peer, (struct peer_opts){.address = "198.51.100.1:25", .ehlo = ehlo});
	add_letter(&f, "a");
	rc = carry(destination, &f, &e);
	if (text) {
		assert_int_equal(rc, -1);
		assert_int_equal(f.next, 0); /* no letter was touched */
		assert_int_equal(e.again, ERR_AGAIN_LATER);
		assert_int_equal(e.scope, ERR_SCOPE_PEER);
		assert_true(e.smtp < 500 && e.enh_class == 4);
		if (!strstr(e.text, text))
			fail_msg("%s", e.text);
	} else {
		assert_int_equal(rc, 0);
		assert_int_equal(peer.messages, 1);
	}
	if (said && span_find_span(buf_span(&heard.said), span_str(said)) < 0)
		fail_msg(SPAN_FMT, SPAN_ARG(buf_span(&heard.said)));
	peer_down(&peer);
	feed_fini(&f);
	buf_fini(&heard.said);
	heard.auth = NULL;
}

static FIBER void story_login(void)
{
	struct pool_opts pool_opts = {.log = &root};
	const char *plain = "AUTH=PLAIN", *to_b = "[198.51.100.1]:25|as=@b.test";
	struct err e = {0};

	the_roads.credentials = logins;
	the_roads.credential_count = ARRAY_LEN(logins);
	opts.pools = pools_new(&pool_opts);
	assert_int_equal(pools_load(opts.pools, &e), 0);
	expect_login(plain, "235 2.7.0 welcome", to_b, "AUTH PLAIN AGIAcGVuY2ls", NULL);
	expect_login(plain, "535 5.7.8 wrong", to_b, "AUTH PLAIN", "login as b");
	expect_login(plain, "454 4.7.0 not now", to_b, "AUTH PLAIN", "not now");
	expect_login(plain, NULL, "[198.51.100.1]:25", NULL, "in clear only");
	expect_login("PIPELINING", NULL, "[198.51.100.1]:25", NULL, "does not offer AUTH");
	expect_login("AUTH=NTLMV9", NULL, to_b, NULL, "none of its mechanisms");
	pools_free(&opts.pools);
	the_roads.credential_count = 0;
}

static void a_login_that_fails_is_no_letters_fault(void **state)
{
	PLAY(names, story_login);
}

static FIBER void story_probe(void)
{
	static const struct peer_rule says_421[] = {
		{.at = "connect", .say = "421 4.3.2 not now", .closes = true}, {0}};
	struct peer good, bad;
	struct err e = {0};
	int64_t began;

	up(&good, (struct peer_opts){.address = "198.51.100.1:25"});
	up(&bad, (struct peer_opts){.address = "198.51.100.2:25", .rules = says_421});
	assert_int_equal(outbound_probe(&opts, SPAN("[198.51.100.1]:25"),
				 loop_now_ns() + 10 * CLOCK_SEC, &e),
		0);
	assert_int_equal(good.quits, 1);
	assert_int_equal(good.messages, 0);
	assert_int_equal(outbound_probe(&opts, SPAN("[198.51.100.2]:25"),
				 loop_now_ns() + 10 * CLOCK_SEC, &e),
		-1);
	assert_non_null(strstr(e.text, "not now"));
	began = loop_now_ns();
	assert_int_equal(
		outbound_probe(&opts, SPAN("[192.0.2.1]:25"), loop_now_ns() + 10 * CLOCK_SEC, &e),
		-1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_in_range(loop_now_ns() - began, 10 * CLOCK_SEC, 11 * CLOCK_SEC);
	peer_down(&good);
	peer_down(&bad);
}

static void a_probe_says_whether_a_host_answers_in_time(void **state)
{
	PLAY(names, story_probe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_mx_leads_home_or_nowhere),
		cmocka_unit_test(families_are_chosen_by_route_egress_and_name),
		cmocka_unit_test(a_login_that_fails_is_no_letters_fault),
		cmocka_unit_test(a_probe_says_whether_a_host_answers_in_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
