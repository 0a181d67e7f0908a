#pragma once
/* What tests of the store share: a store in a scratch directory, and a fiber to use it from. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/must.h"
#include "lib/scratch.h"
#include "run/fiber.h"
#include "run/loop.h"
#include "store/store.h"

struct store_fixture {
	struct arena *a;
	char *dir;
	struct store *s;
};

struct store_story {
	struct store_fixture *f;
	void (*play)(struct store_fixture *f);
};

static inline void store_fixture_open(struct store_fixture *f)
{
	struct store_opts opts = {.dir = f->dir, .is_fsync_off = true};
	struct err e = {0};

	f->s = store_open(&opts, &e);
	if (!f->s)
		print_error("%s\n", e.text);
	assert_non_null(f->s);
}

static inline void store_fixture_reopen(struct store_fixture *f)
{
	store_close(&f->s);
	store_fixture_open(f);
}

static inline int store_set_up(void **state)
{
	struct store_fixture *f = calloc(1, sizeof(*f));

	f->a = arena_new();
	f->dir = arena_printf(f->a, "/tmp/yizhan-store-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	store_fixture_open(f);
	*state = f;
	return 0;
}

static inline int store_tear_down(void **state)
{
	struct store_fixture *f = *state;

	store_close(&f->s);
	assert_true(scratch_remove(f->dir));
	arena_free(&f->a);
	free(f);
	return 0;
}

static inline int store_story_main(void *arg)
{
	struct store_story *story = arg;

	story->play(story->f);
	return 0;
}

/* Play on a real loop: the closures run on the store's own threads. */
static inline void store_play(void **state, void (*play)(struct store_fixture *f))
{
	struct store_story story = {.f = *state, .play = play};
	struct err e = {0};
	struct loop *l = loop_new_uv(&(struct loop_opts){.name = "test"}, &e);

	assert_non_null(l);
	assert_int_equal(loop_run(l, store_story_main, &story, &e), 0);
	loop_free(&l);
}

static inline void assert_span(struct span got, const char *want)
{
	if (!span_eq(got, span_str(want)))
		fail_msg("got '" SPAN_FMT "', want '%s'", SPAN_ARG(got), want);
}

static inline void assert_ok(int result, const struct err *e)
{
	if (result != 0)
		fail_msg("%s: %s", err_code_str(e->code), e->text);
}

#define ASSERT_ERR(call, want)                                                                     \
	do {                                                                                       \
		assert_int_equal((call), -1);                                                      \
		assert_string_equal(err_code_str(e.code), err_code_str(want));                     \
	} while (0)
