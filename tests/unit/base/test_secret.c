#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/secret.h"

static void holds_a_copy_that_ends_with_nul(void **state)
{
	char given[] = "opensesame";
	struct secret s;

	secret_init(&s, span_str(given));
	memset(given, 'x', sizeof(given) - 1);
	assert_string_equal(s.bytes, "opensesame");
	assert_int_equal(s.len, 10);
	secret_fini(&s);
	assert_null(s.bytes);
	assert_int_equal(s.len, 0);
	secret_fini(&s);
	secret_init(&s, SPAN_NONE);
	assert_string_equal(s.bytes, "");
	secret_fini(&s);
}

static void wipe_leaves_zeros(void **state)
{
	char p[6] = "secret";

	secret_wipe(p, 5);
	assert_memory_equal(p, "\0\0\0\0\0t", 6);
	secret_wipe(p, 0);
}

static void equality(void **state)
{
	static const struct {
		struct span a, b;
		bool is_equal;
	} cases[] = {
		{{"", 0}, {"", 0}, true},
		{{NULL, 0}, {"", 0}, true},
		{{"abc", 3}, {"abc", 3}, true},
		{{"abc", 3}, {"abd", 3}, false},
		{{"xbc", 3}, {"abc", 3}, false},
		{{"abc", 3}, {"ab", 2}, false},
		{{"a\0c", 3}, {"a\0d", 3}, false},
		{{"\x80", 1}, {"\0", 1}, false},
		{{"ABC", 3}, {"abc", 3}, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(secret_eq(cases[i].a, cases[i].b), cases[i].is_equal);
		assert_int_equal(secret_eq(cases[i].b, cases[i].a), cases[i].is_equal);
	}
}

static void sees_zeros(void *arg)
{
	assert_memory_equal(arg, "\0\0\0\0\0\0", 6);
}

/* Closers run last first: this one looks when the guard is through. */
static void a_guard_wipes_before_the_arena_ends(void **state)
{
	struct arena *a = arena_new();
	struct span s = arena_span(a, SPAN("secret"));

	arena_defer(a, sees_zeros, (void *)(uintptr_t)s.ptr);
	secret_guard(a, s);
	secret_guard(a, SPAN_NONE);
	assert_memory_equal(s.ptr, "secret", 6);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_a_copy_that_ends_with_nul),
		cmocka_unit_test(wipe_leaves_zeros),
		cmocka_unit_test(equality),
		cmocka_unit_test(a_guard_wipes_before_the_arena_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
