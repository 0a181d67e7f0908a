#pragma once
/* What the tests of SASL share. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/enc.h"
#include "base/must.h"
#include "proto/sasl/sasl_priv.h"

#define USER     "jos\xc3\xa9"                            /* é */
#define PASSWORD "pencil \xe7\xab\x99, =\xf0\x9f\x94\x91" /* 站, and a key of later Unicode */
#define BINDING  "0123456789abcdef0123456789abcdef"

static inline struct sasl_client *client_make(const char *mech, const struct sasl_client_opts *o)
{
	struct err e = {0};
	struct sasl_client *c = sasl_client_new(span_str(mech), o, &e);

	if (!c)
		fail_msg("%s: %s", mech, e.text);
	return c;
}

/* One step; fails the test when it does not give `answer` (length `len`). */
static inline void step_gives(
	struct sasl_client *c, struct span challenge, const char *answer, size_t len)
{
	struct buf out;
	struct err e = {0};

	buf_init(&out, SASL_RESPONSE_MAX);
	if (sasl_client_step(c, challenge, &out, &e) < 0)
		fail_msg("%s", e.text);
	if (!span_eq(buf_span(&out), span_of(answer, len)))
		fail_msg("answered \"%s\"", buf_cstr(&out));
	buf_fini(&out);
}

static inline void step_fails(struct sasl_client *c, struct span challenge, enum err_code code)
{
	struct buf out;
	struct err e = {0};

	buf_init(&out, SASL_RESPONSE_MAX);
	assert_int_equal(sasl_client_step(c, challenge, &out, &e), -1);
	if (e.code != code)
		fail_msg("%s: %s", err_code_str(e.code), e.text);
	buf_fini(&out);
}
