#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "lib/death.h"

static void alloc_is_zeroed_even_of_nothing(void **state)
{
	char *p = mem_alloc(1000);

	for (size_t i = 0; i < 1000; i++)
		assert_int_equal(p[i], 0);
	free(p);
	p = mem_alloc(0);
	assert_non_null(p);
	free(p);
}

static void realloc_keeps_the_bytes(void **state)
{
	char *p = mem_dup("hello", 5);

	p = mem_realloc(p, 10000);
	assert_memory_equal(p, "hello", 6);
	p = mem_realloc(p, 3);
	assert_memory_equal(p, "hel", 3);
	free(p);
}

static void dup_ends_with_nul(void **state)
{
	const char raw[4] = {'a', '\0', 'b', 'c'};
	char *p = mem_dup(raw, 4);

	assert_memory_equal(p, "a\0bc", 5);
	free(p);
	p = mem_dup(NULL, 0);
	assert_string_equal(p, "");
	free(p);
}

static void hook(size_t wanted)
{
	_exit(42);
}

static int run_out_of_memory(bool with_hook)
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		if (!freopen("/dev/null", "w", stderr))
			_exit(3);
		if (with_hook)
			mem_set_out_hook(hook);
		/* more than the address space has: no allocator gives it */
		free(mem_realloc(NULL, SIZE_MAX / 2));
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void out_of_memory_calls_the_hook_or_aborts(void **state)
{
	int status;

	/* ASan itself aborts on absurd sizes unless told to return NULL (tests/unit/meson.build) */
	status = run_out_of_memory(true);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	status = run_out_of_memory(false);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(alloc_is_zeroed_even_of_nothing),
		cmocka_unit_test(realloc_keeps_the_bytes),
		cmocka_unit_test(dup_ends_with_nul),
		cmocka_unit_test(out_of_memory_calls_the_hook_or_aborts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
