#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "services/host/host_priv.h"

static struct host_admit admit;

static struct addr ip(const char *text)
{
	struct addr a;

	assert_true(addr_parse_ip(span_str(text), 1, &a));
	return a;
}

static void limits_hold_for_all_for_one_and_for_a_listener(void **state)
{
	struct config_errors errs = {0};
	struct config *c = config_read_text("t",
		SPAN("limits { connections_ip = 2 }\nlistener a { connections = 4 }\nlistener b { }"),
		&errs);
	struct host_settings s = {.config = c, .connections_max = 6};
	struct addr x = ip("192.0.2.1"), y = ip("192.0.2.2"), z = ip("2001:db8::1");
	struct addr z_too = ip("2001:db8::ffff"), w = ip("2001:db8:0:1::1");
	struct addr mapped = ip("::ffff:192.0.2.1");

	(void)state;
	host_admit_init(&admit, 2);
	assert_null(host_admit_enter(&admit, &s, 0, &x, false));
	assert_null(host_admit_enter(&admit, &s, 0, &mapped, false)); /* the same client */
	assert_non_null(host_admit_enter(&admit, &s, 0, &x, false));
	assert_null(host_admit_enter(&admit, &s, 0, &y, false));
	host_admit_leave(&admit, 0, &mapped, false);
	assert_null(host_admit_enter(&admit, &s, 0, &x, false));
	assert_null(host_admit_enter(&admit, &s, 0, &x, true)); /* free of the limit per address */
	assert_non_null(host_admit_enter(&admit, &s, 0, &y, false)); /* the listener is full */
	assert_null(host_admit_enter(&admit, &s, 1, &z, false));
	assert_null(host_admit_enter(&admit, &s, 1, &z_too, false));
	assert_non_null(host_admit_enter(&admit, &s, 1, &w, false)); /* six are in */
	host_admit_leave(&admit, 0, &x, true);
	assert_non_null(host_admit_enter(&admit, &s, 1, &z, false)); /* a /64 is one client */
	assert_null(host_admit_enter(&admit, &s, 1, &w, false));
	assert_int_equal(admit.total, 6);
	assert_int_equal(admit.refused, 4);
	host_admit_fini(&admit);
	config_unref(&c);
}

static void many_addresses_come_and_go(void **state)
{
	struct config_errors errs = {0};
	struct config *c = config_read_text("t", SPAN("listener a { }"), &errs);
	struct host_settings s = {.config = c, .connections_max = 1000000};
	struct addr a = ip("10.0.0.0");

	(void)state;
	host_admit_init(&admit, 1);
	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 20000; i++) {
			a.in4.sin_addr.s_addr = i * 2654435761u;
			assert_null(host_admit_enter(&admit, &s, 0, &a, false));
		}
		for (uint32_t i = 0; i < 20000; i++) {
			a.in4.sin_addr.s_addr = i * 2654435761u;
			host_admit_leave(&admit, 0, &a, false);
		}
	}
	assert_int_equal(admit.total, 0);
	/* what has gone is forgotten when room is needed: no more than a few times what was in use */
	for (size_t i = 0; i < HOST_ADMIT_SHARDS; i++)
		assert_true(admit.shards[i].size <= 16384);
	host_admit_fini(&admit);
	config_unref(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(limits_hold_for_all_for_one_and_for_a_listener),
		cmocka_unit_test(many_addresses_come_and_go),
	};

	return cmocka_run_group_tests_name("admit", tests, NULL, NULL);
}
