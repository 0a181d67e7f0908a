#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "store/search_set.h"

#define ALL 300000 /* numbers of the plain sets that ours are compared with */

static uint64_t next_random(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void compare(const struct search_set *set, const bool *plain, const char *what)
{
	uint64_t count = 0, at = 0, n;

	for (uint64_t i = 0; i < ALL; i++) {
		count += plain[i];
		if (search_set_has(set, i) != plain[i])
			fail_msg("%s: %llu", what, (unsigned long long)i);
	}
	assert_int_equal(set->count, count);
	while (search_set_next(set, at, &n)) {
		for (; at < n; at++)
			assert_false(plain[at]);
		assert_true(plain[n]);
		at = n + 1;
		count--;
	}
	assert_int_equal(count, 0);
}

/* Sparse, dense, and dense in some chunks only. */
static void fill(struct search_set *set, bool *plain, unsigned kind, uint64_t *seed)
{
	memset(plain, 0, ALL);
	for (unsigned i = 0; i < (kind == 0 ? 1000U : 60000U); i++) {
		uint64_t n = next_random(seed) % ALL;

		if (kind == 2 && n / 65536 % 2)
			continue;
		search_set_put(set, n);
		search_set_put(set, n);
		plain[n] = true;
	}
}

typedef void op_fn(struct search_set *set, const struct search_set *other);

static bool plain_op(op_fn *op, bool a, bool b)
{
	if (op == search_set_and)
		return a && b;
	return op == search_set_or ? a || b : a && !b;
}

static void operations_are_those_of_plain_sets(void **state)
{
	op_fn *const ops[] = {search_set_and, search_set_or, search_set_minus};
	bool *pa = calloc(1, ALL), *pb = calloc(1, ALL);
	uint64_t seed = 88172645463325252ULL;

	(void)state;
	for (unsigned i = 0; i < 9 * ARRAY_LEN(ops); i++) {
		struct search_set a = {0}, b = {0};
		op_fn *op = ops[i % ARRAY_LEN(ops)];

		fill(&a, pa, i / ARRAY_LEN(ops) % 3, &seed);
		fill(&b, pb, i / ARRAY_LEN(ops) / 3, &seed);
		compare(&a, pa, "put");
		op(&a, &b);
		for (size_t k = 0; k < ALL; k++)
			pa[k] = plain_op(op, pa[k], pb[k]);
		compare(&a, pa, "operation");
		search_set_copy(&b, &a);
		compare(&b, pa, "copy");
		search_set_fini(&a);
		search_set_fini(&b);
	}
	free(pa);
	free(pb);
}

static void large_numbers_are_numbers(void **state)
{
	struct search_set set = {0};
	uint64_t n;

	(void)state;
	search_set_put(&set, (1ULL << 40) - 1);
	search_set_put(&set, 1);
	assert_true(search_set_has(&set, (1ULL << 40) - 1));
	assert_true(search_set_next(&set, 2, &n));
	assert_int_equal(n, (1ULL << 40) - 1);
	assert_false(search_set_next(&set, n + 1, &n));
	search_set_fini(&set);
	assert_false(search_set_has(&set, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(operations_are_those_of_plain_sets),
		cmocka_unit_test(large_numbers_are_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
