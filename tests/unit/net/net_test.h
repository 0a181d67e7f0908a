#pragma once
/* What the tests of this floor share: run a fiber on a simulated or a real loop. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/must.h"
#include "net/net.h"

/* 2026-11-23T06:30:00Z */
#define TEST_WALL_NS (1795415400 * CLOCK_SEC)

static inline void test_run(bool is_sim, int (*fn)(void *arg), void *arg)
{
	struct loop_opts opts = {.name = "test", .slice_warn_ns = 10 * CLOCK_SEC};
	struct err e = {0};
	struct loop *l = is_sim ? loop_new_sim(&opts, TEST_WALL_NS) : loop_new_uv(&opts, &e);

	assert_non_null(l);
	assert_int_equal(loop_run(l, fn, arg, &e), 0);
	loop_free(&l);
}

static inline void test_run_sim(int (*fn)(void *arg), void *arg)
{
	test_run(true, fn, arg);
}

static inline void test_run_real(int (*fn)(void *arg), void *arg)
{
	test_run(false, fn, arg);
}

#define assert_span_equal(s, text)                                                                 \
	do {                                                                                       \
		struct span got_ = (s), want_ = span_str(text);                                    \
		assert_int_equal(got_.len, want_.len);                                             \
		if (want_.len)                                                                     \
			assert_memory_equal(got_.ptr, want_.ptr, want_.len);                       \
	} while (0)

/* Reproducible pseudo-random numbers for cuts. */
static inline uint32_t test_random(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}
