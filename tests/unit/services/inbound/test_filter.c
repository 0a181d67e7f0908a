/* The filter's field is taken out of a header in any cut, and nothing else is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "services/inbound/inbound_priv.h"

static const struct inbound_policy policy = {
	.filter_key = SPAN("0123456789abcdef0123456789abcdef")};

static const struct {
	const char *name, *in, *out;
} cases[] = {
	{"nothing to take", "A: b\r\n\r\nbody\r\n", "A: b\r\n\r\nbody\r\n"},
	{"alone", "X-Yizhan-Filter: x\r\n\r\nb", "\r\nb"},
	{"in any case", "A: 1\r\nx-yIZHAN-filter:x\r\nB: 2\r\n\r\n", "A: 1\r\nB: 2\r\n\r\n"},
	{"with its next lines", "X-Yizhan-Filter: x\r\n y\r\n\tz\r\nB: 2\r\n c\r\n\r\n",
		"B: 2\r\n c\r\n\r\n"},
	{"twice", "X-Yizhan-Filter: x\r\nX-Yizhan-Filter: y\r\n z\r\nB: 2\r\n\r\n", "B: 2\r\n\r\n"},
	{"the last", "B: 2\r\nX-Yizhan-Filter: x\r\n\r\nX-Yizhan-Filter: body\r\n",
		"B: 2\r\n\r\nX-Yizhan-Filter: body\r\n"},
	{"a longer name", "X-Yizhan-Filter-2: x\r\n\r\n", "X-Yizhan-Filter-2: x\r\n\r\n"},
	{"a shorter name", "X-Yizhan: x\r\nX-Y\r\n\r\n", "X-Yizhan: x\r\nX-Y\r\n\r\n"},
	{"not at the beginning of a line", "A: X-Yizhan-Filter: x\r\n X-Yizhan-Filter: y\r\n\r\n",
		"A: X-Yizhan-Filter: x\r\n X-Yizhan-Filter: y\r\n\r\n"},
	{"an end without a body", "A: 1\r\nX-Yizhan", "A: 1\r\nX-Yizhan"},
	{"an end within it", "A: 1\r\nX-Yizhan-Filter: abc", "A: 1\r\n"},
	{"carriage returns that end nothing", "A\rB\r\n\rC: 1\r\n\r\n", "A\rB\r\n\rC: 1\r\n\r\n"},
	{"empty", "", ""},
};

static void strip(struct span in, size_t cut, struct buf *out, unsigned *proofs_r)
{
	struct arena *a = arena_new();
	struct inbound_strip st;

	inbound_strip_init(&st);
	while (in.len) {
		struct span piece = span_sub(in, 0, cut);

		in = span_skip(in, piece.len);
		while (piece.len && st.state != STRIP_BODY) {
			size_t n = inbound_strip_feed(&st, a, &policy, piece);

			buf_span_put(out, buf_span(&st.out));
			piece = span_skip(piece, n);
		}
		buf_span_put(out, piece);
	}
	if (st.state != STRIP_BODY)
		buf_span_put(out, inbound_strip_end(&st, a, &policy));
	*proofs_r = st.proofs;
	inbound_strip_fini(&st);
	arena_free(&a);
}

static void the_field_is_taken_out_in_any_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = strlen(cases[i].in);

		for (size_t cut = 1; cut <= len + 1; cut++) {
			unsigned proofs;
			struct buf out;

			buf_init(&out, 4096);
			strip(span_str(cases[i].in), cut, &out, &proofs);
			if (!span_eq(buf_span(&out), span_str(cases[i].out)))
				fail_msg("%s, in pieces of %zu: " SPAN_FMT, cases[i].name, cut,
					SPAN_ARG(buf_span(&out)));
			assert_int_equal(proofs, 0); /* nobody gave those ids */
			buf_fini(&out);
		}
	}
}

static void long_headers_pass_through_a_small_buffer(void **state)
{
	struct buf in, out;
	unsigned proofs;

	(void)state;
	buf_init(&in, 1024 * 1024);
	buf_init(&out, 1024 * 1024);
	for (int i = 0; i < 3000; i++)
		buf_printf(&in, "Header-%d: some text that takes its room\r\n", i);
	buf_str(&in, "\r\nbody\r\n");
	strip(buf_span(&in), 100000, &out, &proofs);
	assert_true(span_eq(buf_span(&in), buf_span(&out)));
	/* a field larger than any of ours is forgotten, not kept */
	buf_clear(&in);
	buf_clear(&out);
	buf_str(&in, "X-Yizhan-Filter: ");
	for (int i = 0; i < 60000; i++)
		buf_str(&in, "0123456789");
	buf_str(&in, "\r\nA: 1\r\n\r\n");
	strip(buf_span(&in), 8192, &out, &proofs);
	assert_true(span_eq(buf_span(&out), SPAN("A: 1\r\n\r\n")));
	assert_int_equal(proofs, 0);
	buf_fini(&in);
	buf_fini(&out);
}

#define RCPTS 40

static void what_we_send_is_known_again(void **state)
{
	struct arena *a = arena_new();
	struct smtp_rcpt *rcpts = ARENA_ARRAY(a, struct smtp_rcpt, RCPTS);
	struct smtp_session s = {.txn = a, .rcpts = rcpts, .rcpt_count = RCPTS};
	struct inbound_policy to_filter = policy;
	struct inbound_conn c = {.policy = &to_filter};
	struct spool_new letter = {.id = 12345, .prefix = SPAN("Received: x\r\n")};
	struct inbound_rcpt known = {0};
	struct inbound_counts counts;
	struct err e = {0};

	(void)state;
	to_filter.filter = SPAN("[127.0.0.1]:10025");
	for (size_t i = 0; i < RCPTS; i++)
		rcpts[i] = (struct smtp_rcpt){
			.to = {.whole = span_str(arena_printf(a, "r%zu@there.test", i))},
			.user = &known,
			.notify = i % 2 ? SMTP_NOTIFY_SUCCESS : SMTP_NOTIFY_FAILURE,
			.orcpt = SPAN("rfc822;somebody@else.test")};
	assert_true(inbound_filter_takes(&c));
	assert_int_equal(inbound_filter_send(&c, &s, &letter, &counts, &e), 0);
	assert_int_equal(letter.rcpt_count, RCPTS);
	assert_int_equal(letter.rcpts[0].notify, SPOOL_NOTIFY_FAILURE);
	assert_int_equal(letter.rcpts[1].notify, SPOOL_NOTIFY_NEVER); /* reports are behind it */
	assert_true(span_eq(letter.rcpts[1].destination, to_filter.filter));
	/* no line of it is longer than a filter may take */
	for (size_t i = 0, line = 0; i < letter.prefix.len; i++) {
		line = letter.prefix.ptr[i] == '\n' ? 0 : line + 1;
		assert_true(line <= 78 + 16);
	}
	for (size_t cut = 1; cut < 300; cut += 7) {
		struct buf out;
		unsigned proofs;

		buf_init(&out, 65536);
		strip(letter.prefix, cut, &out, &proofs);
		assert_int_equal(proofs, 1);
		assert_true(span_eq(buf_span(&out), SPAN("Received: x\r\n")));
		buf_fini(&out);
	}
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_field_is_taken_out_in_any_cut),
		cmocka_unit_test(long_headers_pass_through_a_small_buffer),
		cmocka_unit_test(what_we_send_is_known_again),
	};

	return cmocka_run_group_tests_name("services/inbound/filter", tests, NULL, NULL);
}
