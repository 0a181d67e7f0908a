#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/must.h"
#include "lib/death.h"

static void claim(void *arg)
{
	MUST(*(int *)arg == 1);
}

static void true_claims_pass_and_false_ones_end_the_process(void **state)
{
	int one = 1, two = 2;

	assert_false(death_aborts(claim, &one));
	assert_true(death_aborts(claim, &two));
}

static void claim_is_evaluated_once(void **state)
{
	int n = 0;

	MUST(++n == 1);
	assert_int_equal(n, 1);
}

struct outer {
	int before;
	int inner;
};

static void container_of_and_array_len(void **state)
{
	struct outer o = {1, 2};
	int five[5];

	assert_ptr_equal(CONTAINER_OF(&o.inner, struct outer, inner), &o);
	assert_int_equal(ARRAY_LEN(five), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(true_claims_pass_and_false_ones_end_the_process),
		cmocka_unit_test(claim_is_evaluated_once),
		cmocka_unit_test(container_of_and_array_len),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
