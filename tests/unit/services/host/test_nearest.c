#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/must.h"
#include "services/host/nearest.h"

static void test_distance(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned distance;
	} cases[] = {
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "abc", 0},
		{"hostname", "hostnam", 1},
		{"hostname", "hosstname", 1},
		{"hostname", "hostnmae", 1}, /* two neighbours swapped are one mistake */
		{"HOSTNAME", "hostname", 0},
		{"kitten", "sitting", 3},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(nearest_distance(span_str(cases[i].a), span_str(cases[i].b)),
			cases[i].distance);
		assert_int_equal(nearest_distance(span_str(cases[i].b), span_str(cases[i].a)),
			cases[i].distance);
	}
}

static void test_best(void **state)
{
	static const struct {
		const char *word, *best;
	} cases[] = {
		{"hostnme", "hostname"},
		{"tread", "threads"},
		{"zzz", NULL},
		{"x", NULL},
		{"newline", "newlines"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct nearest n;

		nearest_init(&n, span_str(cases[i].word));
		nearest_offer(&n, "hostname");
		nearest_offer(&n, "threads");
		nearest_offer(&n, "newlines");
		if (cases[i].best)
			assert_string_equal(n.best, cases[i].best);
		else
			assert_null(n.best);
	}
}

static void test_long_words_are_near_nothing(void **state)
{
	char word[1000];
	struct nearest n;

	(void)state;
	for (size_t i = 0; i < sizeof(word); i++)
		word[i] = 'a';
	nearest_init(&n, span_of(word, sizeof(word)));
	nearest_offer(&n, "aaaaaaaa");
	assert_null(n.best);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_distance),
		cmocka_unit_test(test_best),
		cmocka_unit_test(test_long_words_are_near_nothing),
	};

	return cmocka_run_group_tests_name("nearest", tests, NULL, NULL);
}
