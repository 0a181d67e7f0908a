#include "net_test.h"

#include "net/addr.h"

static void addr_texts_go_there_and_back(void **state)
{
	static const struct {
		const char *text, *out, *ip, *literal;
		uint16_t port;
	} rows[] = {
		{"127.0.0.1:25", "127.0.0.1:25", "127.0.0.1", "[127.0.0.1]", 25},
		{"192.0.2.1", "192.0.2.1:2525", "192.0.2.1", "[192.0.2.1]", 2525},
		{"0.0.0.0:0", "0.0.0.0:0", "0.0.0.0", "[0.0.0.0]", 0},
		{"[::1]:65535", "[::1]:65535", "::1", "[IPv6:::1]", 65535},
		{"[2001:db8::1]", "[2001:db8::1]:2525", "2001:db8::1", "[IPv6:2001:db8::1]", 2525},
		{"2001:db8::1", "[2001:db8::1]:2525", "2001:db8::1", "[IPv6:2001:db8::1]", 2525},
		{"unix:/run/x.sock", "unix:/run/x.sock", "unix", "[unix]", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a;
		struct err e = {0};
		struct buf b;

		buf_init(&b, 1000);
		assert_int_equal(addr_parse(span_str(rows[i].text), 2525, &a, &e), 0);
		addr_put(&b, &a);
		assert_string_equal(buf_cstr(&b), rows[i].out);
		buf_clear(&b);
		addr_put_ip(&b, &a);
		assert_string_equal(buf_cstr(&b), rows[i].ip);
		buf_clear(&b);
		addr_put_literal(&b, &a);
		assert_string_equal(buf_cstr(&b), rows[i].literal);
		assert_int_equal(addr_port(&a), rows[i].port);
		buf_fini(&b);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const rows[] = {"", ":", ":25", "127.0.0.1:", "127.0.0.1:65536",
		"127.0.0.1:-1", "127.0.0.1: 25", "127.0.0.1:25x", "127.0.0", "127.0.0.256",
		"01.2.3.4", "[::1", "[::1]25", "[::1]:", "[127.0.0.1]:25", "[]:25", "::1%eth0",
		"localhost:25", "unix:", "example.org", "1.2.3.4\n:25", "[::g]:1",
		"1:2:3:4:5:6:7:8:9"};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr a;
		struct err e = {0};

		assert_int_equal(addr_parse(span_str(rows[i]), 1, &a, &e), -1);
		assert_int_equal(e.code, ERR_SYNTAX);
		assert_int_equal(a.len, 0);
	}
}

static void a_path_longer_than_the_kernels_is_refused(void **state)
{
	char text[300] = "unix:";
	struct addr a;
	struct err e = {0};

	memset(text + 5, 'a', 108);
	assert_int_equal(addr_parse(span_of(text, 5 + 107), 0, &a, &e), 0);
	assert_int_equal(addr_parse(span_of(text, 5 + 108), 0, &a, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	assert_int_equal(addr_parse(span_of("unix:a\0b", 8), 0, &a, &e), -1);
}

static void networks_hold_their_hosts(void **state)
{
	static const struct {
		const char *net, *ip;
		bool has;
	} rows[] = {
		{"10.0.0.0/8", "10.255.255.255", true},
		{"10.0.0.0/8", "11.0.0.0", false},
		{"10.0.0.0/8", "::ffff:10.1.2.3", true},
		{"192.0.2.128/25", "192.0.2.128", true},
		{"192.0.2.128/25", "192.0.2.127", false},
		{"192.0.2.7", "192.0.2.7", true},
		{"192.0.2.7", "192.0.2.6", false},
		{"0.0.0.0/0", "203.0.113.9", true},
		{"0.0.0.0/0", "::1", false},
		{"::/0", "2001:db8::1", true},
		{"::/0", "127.0.0.1", false},
		{"2001:db8::/33", "2001:db8:7fff::1", true},
		{"2001:db8::/33", "2001:db8:8000::1", false},
		{"::1/128", "::1", true},
		{"::1", "::2", false},
		{"::ffff:10.0.0.0/104", "10.9.9.9", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr_net net;
		struct addr a;
		struct err e = {0};

		assert_int_equal(addr_net_parse(span_str(rows[i].net), &net, &e), 0);
		assert_true(addr_parse_ip(span_str(rows[i].ip), 99, &a));
		assert_int_equal(addr_net_has(&net, &a), rows[i].has);
	}
}

static void what_is_no_network_is_refused(void **state)
{
	static const char *const rows[] = {"10.0.0.1/8", "10.0.0.0/33", "::/129", "10.0.0.0/", "/8",
		"10/8", "10.0.0.0/8/8", "2001:db8::1/64", "", "unix:/x", "10.0.0.0/+8"};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct addr_net net;
		struct err e = {0};
		struct addr a;

		assert_int_equal(addr_net_parse(span_str(rows[i]), &net, &e), -1);
		assert_int_equal(e.code, ERR_SYNTAX);
		assert_true(addr_parse_ip(SPAN("10.0.0.1"), 0, &a));
		assert_false(addr_net_has(&net, &a));
	}
}

static void loopback_and_sameness_see_through_mapping(void **state)
{
	struct addr a, b, m, six;

	assert_true(addr_parse_ip(SPAN("127.9.9.9"), 1, &a));
	assert_true(addr_parse_ip(SPAN("::ffff:127.9.9.9"), 2, &m));
	assert_true(addr_parse_ip(SPAN("126.9.9.9"), 1, &b));
	assert_true(addr_parse_ip(SPAN("::1"), 1, &six));
	assert_true(addr_is_loopback(&a) && addr_is_loopback(&m) && addr_is_loopback(&six));
	assert_false(addr_is_loopback(&b));
	assert_true(addr_same_ip(&a, &m));
	assert_false(addr_same_ip(&a, &b));
	assert_false(addr_same_ip(&a, &six));
	assert_false(addr_eq(&a, &m));
	addr_unmap(&m);
	assert_int_equal(m.sa.sa_family, AF_INET);
	assert_int_equal(addr_port(&m), 2);
	addr_set_port(&m, 1);
	assert_true(addr_eq(&a, &m));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addr_texts_go_there_and_back),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(a_path_longer_than_the_kernels_is_refused),
		cmocka_unit_test(networks_hold_their_hosts),
		cmocka_unit_test(what_is_no_network_is_refused),
		cmocka_unit_test(loopback_and_sameness_see_through_mapping),
	};

	return cmocka_run_group_tests_name("net/addr", tests, NULL, NULL);
}
