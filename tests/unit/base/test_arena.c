#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/must.h"

static bool is_zero(const void *p, size_t n)
{
	const char *c = p;

	for (size_t i = 0; i < n; i++)
		if (c[i])
			return false;
	return true;
}

/* Sizes around the first block (1024), the alignment (16) and the half block (4096). */
static const size_t sizes[] = {
	0, 1, 15, 16, 17, 1000, 1008, 1024, 1025, 4095, 4096, 4097, 8192, 8193, 100000, 3};

static void alloc_is_aligned_zero_and_apart(void **state)
{
	struct arena *a = arena_new();
	unsigned char *pieces[ARRAY_LEN(sizes)];

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		pieces[i] = arena_alloc(a, sizes[i]);
		assert_int_equal((uintptr_t)pieces[i] % 16, 0);
		assert_true(is_zero(pieces[i], sizes[i]));
		memset(pieces[i], (int)i + 1, sizes[i]);
	}
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(pieces[i][k], i + 1);
	arena_free(&a);
	assert_null(a);
}

static void reset_gives_zeroed_memory_again(void **state)
{
	struct arena *a = arena_new();

	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			char *p = arena_alloc(a, sizes[i]);

			assert_true(is_zero(p, sizes[i]));
			memset(p, 0xa5, sizes[i]);
		}
		assert_true(arena_used(a) >= 100000);
		arena_reset(a);
		assert_int_equal(arena_used(a), 0);
	}
	arena_free(&a);
}

struct closings {
	int order[8];
	size_t count;
};

struct closing {
	struct closings *all;
	int name;
};

static void close_one(void *arg)
{
	struct closing *c = arg;

	c->all->order[c->all->count++] = c->name;
}

static void closers_run_in_reverse_on_reset_and_free(void **state)
{
	struct closings all = {{0}, 0};
	struct closing c[4] = {{&all, 1}, {&all, 2}, {&all, 3}, {&all, 4}};
	struct arena *a = arena_new();

	arena_defer(a, close_one, &c[0]);
	arena_defer(a, close_one, &c[1]);
	arena_reset(a);
	assert_int_equal(all.count, 2);
	assert_int_equal(all.order[0], 2);
	assert_int_equal(all.order[1], 1);
	arena_reset(a);
	assert_int_equal(all.count, 2);
	arena_defer(a, close_one, &c[2]);
	arena_defer(a, close_one, &c[3]);
	arena_free(&a);
	assert_int_equal(all.count, 4);
	assert_int_equal(all.order[2], 4);
	assert_int_equal(all.order[3], 3);
}

struct late {
	struct arena *a;
	struct closing *second;
};

static void close_and_defer(void *arg)
{
	struct late *l = arg;

	arena_defer(l->a, close_one, l->second);
}

static void closer_may_defer_another(void **state)
{
	struct closings all = {{0}, 0};
	struct closing c = {&all, 7};
	struct arena *a = arena_new();
	struct late l = {a, &c};

	arena_defer(a, close_and_defer, &l);
	arena_reset(a);
	assert_int_equal(all.count, 1);
	arena_free(&a);
	assert_int_equal(all.count, 1);
}

static void free_accepts_null(void **state)
{
	struct arena *a = NULL;

	arena_free(&a);
	assert_null(a);
}

static void copies_end_with_nul(void **state)
{
	struct arena *a = arena_new();
	const char raw[3] = {'a', 'b', 'c'};
	struct span s = arena_span(a, span_of(raw, 3));

	assert_true(span_eq(s, SPAN("abc")));
	assert_int_equal(s.ptr[3], '\0');
	assert_string_equal(arena_str(a, SPAN("xyz")), "xyz");
	assert_string_equal(arena_str(a, SPAN_NONE), "");
	assert_int_equal(arena_span(a, SPAN_NONE).len, 0);
	arena_free(&a);
}

static void printf_fits_whatever_length(void **state)
{
	struct arena *a = arena_new();
	char *p = arena_printf(a, "%s-%d", "uid", 42);

	assert_string_equal(p, "uid-42");
	p = arena_printf(a, "%05000d", 7);
	assert_int_equal(strlen(p), 5000);
	assert_string_equal(arena_printf(a, "%s", ""), "");
	arena_free(&a);
}

static void array_is_zeroed_and_counted(void **state)
{
	struct arena *a = arena_new();
	uint64_t *n = ARENA_ARRAY(a, uint64_t, 100);

	assert_true(is_zero(n, 800));
	assert_true(arena_used(a) >= 800);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alloc_is_aligned_zero_and_apart),
		cmocka_unit_test(reset_gives_zeroed_memory_again),
		cmocka_unit_test(closers_run_in_reverse_on_reset_and_free),
		cmocka_unit_test(closer_may_defer_another),
		cmocka_unit_test(free_accepts_null),
		cmocka_unit_test(copies_end_with_nul),
		cmocka_unit_test(printf_fits_whatever_length),
		cmocka_unit_test(array_is_zeroed_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
