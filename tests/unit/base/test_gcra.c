#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/gcra.h"
#include "base/must.h"

/* How many are let through in `ns` of virtual time by who tries every millisecond. */
static unsigned let_through(struct gcra *g, const struct gcra_rate *r, int64_t from_ns, int64_t ns)
{
	unsigned count = 0;

	for (int64_t now = from_ns; now < from_ns + ns; now += CLOCK_MS)
		while (gcra_take(g, r, now) == 0)
			count++;
	return count;
}

static struct gcra_rate rate(const char *text)
{
	struct gcra_rate r = {0};

	assert_true(gcra_parse(span_str(text), &r));
	return r;
}

static void what_comes_is_even_but_for_a_burst(void **state)
{
	static const struct {
		const char *rate;
		int64_t ns;
		unsigned least, most;
	} cases[] = {
		{"100/1m", CLOCK_MIN, 100, 110},
		{"100/1m", 10 * CLOCK_SEC, 16, 27},
		{"100/1m burst 1", 10 * CLOCK_SEC, 16, 17},
		{"100/1m burst 100", CLOCK_SEC, 100, 102},
		{"20/s", CLOCK_SEC, 20, 22},
		{"1/1m", 5 * CLOCK_MIN, 5, 5},
		{"3/1h", 10 * CLOCK_MIN, 1, 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct gcra_rate r = rate(cases[i].rate);
		struct gcra g = {0};

		assert_in_range(let_through(&g, &r, CLOCK_HOUR, cases[i].ns), cases[i].least,
			cases[i].most);
	}
}

static void a_wait_is_as_long_as_it_says(void **state)
{
	struct gcra_rate r = rate("10/1m burst 2");
	struct gcra g = {0};
	int64_t now = CLOCK_SEC, wait;

	assert_int_equal(gcra_take(&g, &r, now), 0);
	assert_int_equal(gcra_take(&g, &r, now), 0);
	wait = gcra_take(&g, &r, now);
	assert_int_equal(wait, 6 * CLOCK_SEC);
	assert_int_equal(gcra_wait(&g, &r, now + wait - 1), 1);
	assert_int_equal(gcra_take(&g, &r, now + wait), 0);
	assert_int_equal(gcra_wait(&g, &r, now + wait), 6 * CLOCK_SEC);
	/* long silence saves up a burst, no more */
	assert_int_equal(let_through(&g, &r, now + CLOCK_DAY, CLOCK_MS), 2);
}

static void no_limit_lets_all_through(void **state)
{
	struct gcra_rate r = {0};
	struct gcra g = {0};

	for (int i = 0; i < 1000; i++)
		assert_int_equal(gcra_take(&g, &r, 5), 0);
}

static void rates_are_read_and_written(void **state)
{
	static const struct {
		const char *text, *again;
	} good[] = {
		{"100/1m", "100/1m"},
		{"20/s", "20/1s"},
		{"7/2h30m", "7/150m"},
		{"5000/1h burst 50", "5000/1h burst 50"},
		{"100/1m burst 10", "100/1m"},
		{"1/d", "1/1d"},
	};
	static const char *const bad[] = {"", "100", "/1m", "100/", "x/1m", "0/1m", "100/0s",
		"100/q", "100/1m burst 0", "100/1m burst", "-1/1m", "100/-1m", "99999999999/1s",
		"1/999d"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct gcra_rate r = rate(good[i].text);
		struct buf b;

		buf_init(&b, 100);
		gcra_put(&b, &r);
		assert_string_equal(buf_cstr(&b), good[i].again);
		buf_fini(&b);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct gcra_rate r;

		if (gcra_parse(span_str(bad[i]), &r))
			fail_msg("\"%s\" was taken", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_comes_is_even_but_for_a_burst),
		cmocka_unit_test(a_wait_is_as_long_as_it_says),
		cmocka_unit_test(no_limit_lets_all_through),
		cmocka_unit_test(rates_are_read_and_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
