/* Who is in a mailbox by POP3, and since when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "services/pop3d/pop3d_priv.h"

static void several_are_allowed(void **state)
{
	struct pop3d_holds *h = pop3d_holds_new();
	struct pop3d_policy p = {0};

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(pop3d_hold_enter(h, 7, &p, CLOCK_SEC), POP3_CODE_NONE);
	assert_int_equal(pop3d_holds_count(h), 1);
	for (int i = 0; i < 3; i++)
		pop3d_hold_leave(h, 7);
	pop3d_holds_free(&h);
}

static void one_at_a_time(void **state)
{
	struct pop3d_holds *h = pop3d_holds_new();
	struct pop3d_policy p = {.is_exclusive = true};

	(void)state;
	assert_int_equal(pop3d_hold_enter(h, 7, &p, CLOCK_SEC), POP3_CODE_NONE);
	assert_int_equal(pop3d_hold_enter(h, 7, &p, CLOCK_SEC), POP3_CODE_IN_USE);
	assert_int_equal(pop3d_hold_enter(h, 8, &p, CLOCK_SEC), POP3_CODE_NONE);
	pop3d_hold_leave(h, 7);
	assert_int_equal(pop3d_hold_enter(h, 7, &p, CLOCK_SEC), POP3_CODE_NONE);
	pop3d_hold_leave(h, 7);
	pop3d_hold_leave(h, 8);
	pop3d_holds_free(&h);
}

static void a_delay_between_logins(void **state)
{
	struct pop3d_holds *h = pop3d_holds_new();
	struct pop3d_policy p = {.login_delay_ns = CLOCK_MIN};
	int64_t now = CLOCK_SEC;

	(void)state;
	assert_int_equal(pop3d_hold_enter(h, 7, &p, now), POP3_CODE_NONE);
	pop3d_hold_leave(h, 7);
	assert_int_equal(pop3d_hold_enter(h, 7, &p, now + 59 * CLOCK_SEC), POP3_CODE_LOGIN_DELAY);
	/* who was refused waits no longer for it */
	assert_int_equal(pop3d_hold_enter(h, 7, &p, now + CLOCK_MIN), POP3_CODE_NONE);
	pop3d_hold_leave(h, 7);
	assert_int_equal(pop3d_hold_enter(h, 9, &p, now), POP3_CODE_NONE);
	pop3d_hold_leave(h, 9);
	pop3d_holds_free(&h);
}

static void what_is_over_is_forgotten(void **state)
{
	struct pop3d_holds *h = pop3d_holds_new();
	struct pop3d_policy p = {.login_delay_ns = CLOCK_MIN};

	(void)state;
	for (uint64_t id = 1; id <= 1000; id++) {
		assert_int_equal(pop3d_hold_enter(h, id, &p, CLOCK_SEC), POP3_CODE_NONE);
		if (id != 500)
			pop3d_hold_leave(h, id);
	}
	assert_int_equal(pop3d_hold_enter(h, 2000, &p, CLOCK_HOUR), POP3_CODE_NONE);
	assert_int_equal(pop3d_holds_count(h), 2); /* who is still in, and the new one */
	pop3d_hold_leave(h, 500);
	pop3d_hold_leave(h, 2000);
	pop3d_holds_free(&h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(several_are_allowed),
		cmocka_unit_test(one_at_a_time),
		cmocka_unit_test(a_delay_between_logins),
		cmocka_unit_test(what_is_over_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
