#pragma once
/* What the tests of the library's message half share. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "yizhan.h"

#define COUNT(a)        (sizeof(a) / sizeof((a)[0]))
#define OUT_MAX         ((size_t)16 << 20)
#define assert_ok(call) assert_int_equal((call), YZ_OK)

/* Written; the caller frees with yz_free(). */
static inline char *written_as(struct yz_msg *m, const struct yz_msg_options *o, size_t *n_r)
{
	char *octets;

	if (yz_msg_write_mem(m, o, OUT_MAX, &octets, n_r) != YZ_OK)
		fail_msg("not written: %s", yz_msg_error(m)->text);
	return octets;
}

static inline char *written(struct yz_msg *m)
{
	size_t n;

	return written_as(m, NULL, &n);
}

static inline void assert_has(const char *text, const char *what)
{
	if (!strstr(text, what))
		fail_msg("'%s' is not in:\n%s", what, text);
}

static inline void assert_has_not(const char *text, const char *what)
{
	if (strstr(text, what))
		fail_msg("'%s' is in:\n%s", what, text);
}
