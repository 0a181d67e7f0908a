#pragma once
/* What the tests of MIME share. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/must.h"
#include "proto/mail/mime_parse.h"

#define assert_span(got, want) assert_spans((got), span_str(want), __FILE__, __LINE__)

static inline void assert_spans(struct span got, struct span want, const char *file, int line)
{
	if (!span_eq(got, want)) {
		print_error(
			"'" SPAN_FMT "' is not '" SPAN_FMT "'\n", SPAN_ARG(got), SPAN_ARG(want));
		_fail(file, line);
	}
}

/* The names of a set, between blanks. */
static inline struct span defect_names(struct arena *a, uint64_t set)
{
	struct buf b;
	struct span s;

	buf_init(&b, 4096);
	for (unsigned d = 0; d < MIME_DEFECT_COUNT; d++)
		if (set & mime_bit((enum mime_defect)d)) {
			if (buf_len(&b))
				buf_char(&b, ' ');
			buf_str(&b, mime_defect_str((enum mime_defect)d));
		}
	s = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return s;
}
