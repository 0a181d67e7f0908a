#include "net_test.h"

#include "net/trace.h"

static void note_line(void *arg, enum trace_dir dir, int64_t mono_ns, struct span text, bool is_cut)
{
	static const char *const marks[] = {"< ", "> ", "* "};

	buf_str(arg, marks[dir]);
	buf_span_put(arg, text);
	buf_str(arg, is_cut ? "...\n" : "\n");
}

struct traced {
	struct stream *s, *peer;
	struct buf seen;
};

static void traced_init(struct traced *t, size_t line_max)
{
	struct trace_opts o = {.line = note_line, .arg = &t->seen, .line_max = line_max};

	stream_pair(&t->s, &t->peer, 0);
	buf_init(&t->seen, 10000);
	trace_push(t->s, &o);
}

static void traced_end(struct traced *t, const char *want)
{
	stream_free(&t->s);
	stream_free(&t->peer);
	assert_string_equal(buf_cstr(&t->seen), want);
	buf_fini(&t->seen);
}

static FIBER int lines_main(void *arg)
{
	struct traced t;
	struct span line;

	traced_init(&t, 0);
	stream_put(t.s, SPAN("EHLO me\r\nMAIL"));
	stream_flush(t.s, NULL);
	stream_put(t.s, SPAN(" FROM:<>\r\n\r\nbare\n"));
	stream_put(t.peer, SPAN("220 hi\r\n250-a\r\n250 b\r\nhalf"));
	stream_flush(t.peer, NULL);
	assert_int_equal(stream_read_line(t.s, 100, &line, NULL, NULL), 0);
	trace_note(t.s, "took %d ms", 7);
	stream_put(t.s, SPAN("no end"));
	stream_flush(t.s, NULL);
	/* The peer saw all of it as it was said. */
	assert_int_equal(stream_fill(t.peer, NULL), 0);
	assert_span_equal(stream_peek(t.peer), "EHLO me\r\nMAIL FROM:<>\r\n\r\nbare\nno end");
	traced_end(&t,
		"> EHLO me\n> MAIL FROM:<>\n> \n> bare\n< 220 hi\n< 250-a\n< 250 b\n"
		"* took 7 ms\n< half\n> no end\n");
	return 0;
}

static void each_line_is_shown_with_its_direction(void **state)
{
	test_run_sim(lines_main, NULL);
}

static FIBER int mask_main(void *arg)
{
	struct traced t;
	struct span parts[2] = {SPAN("second "), SPAN("body\r\n")};

	traced_init(&t, 0);
	/* The switches stand around what is said; nothing is sent before the end. */
	stream_put(t.s, SPAN("EHLO me\r\n"));
	trace_mask(t.s, "AUTH PLAIN (hidden)");
	stream_put(t.s, SPAN("AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\nmore secret\r\n"));
	trace_mask(t.s, NULL);
	stream_put(t.s, SPAN("MAIL FROM:<>\r\n"));
	trace_mask(t.s, "(hidden)");
	stream_put(t.s, SPAN("c2VjcmV0\r\n"));
	trace_mask(t.s, NULL);
	stream_put(t.s, SPAN("DATA\r\n"));
	trace_pause(t.s, true);
	stream_put(t.s, SPAN("first body\r\n"));
	assert_int_equal(stream_write(t.s, parts, 2, NULL), 0);
	/* Masked inside a pause: hidden until both are off. */
	trace_mask(t.s, "never shown");
	stream_put(t.s, SPAN("masked\r\n"));
	trace_mask(t.s, NULL);
	stream_put(t.s, SPAN("still paused\r\n"));
	trace_pause(t.s, false);
	stream_put(t.s, SPAN(".\r\nQUIT\r\n"));
	assert_int_equal(stream_flush(t.s, NULL), 0);
	traced_end(&t,
		"> EHLO me\n> AUTH PLAIN (hidden)\n> MAIL FROM:<>\n> (hidden)\n> DATA\n> "
		".\n> QUIT\n");
	return 0;
}

static void what_is_masked_is_never_shown(void **state)
{
	test_run_sim(mask_main, NULL);
}

static FIBER int flood_main(void *arg)
{
	struct traced t;

	traced_init(&t, 0);
	/* More switches than are kept in one flush: the rest is hidden rather than shown. */
	for (int i = 0; i < 3 * TRACE_SPANS_MAX; i++) {
		trace_mask(t.s, "(hidden)");
		stream_put(t.s, SPAN("secret\r\n"));
		trace_mask(t.s, NULL);
		stream_put(t.s, SPAN("plain\r\n"));
	}
	assert_int_equal(stream_flush(t.s, NULL), 0);
	stream_free(&t.s);
	stream_free(&t.peer);
	assert_int_equal(span_find_span(buf_span(&t.seen), SPAN("secret")), -1);
	assert_true(span_find_span(buf_span(&t.seen), SPAN("> plain\n> (hidden)\n")) >= 0);
	buf_fini(&t.seen);
	return 0;
}

static void too_many_switches_hide_more_not_less(void **state)
{
	test_run_sim(flood_main, NULL);
}

static FIBER int cut_main(void *arg)
{
	struct traced t;

	traced_init(&t, 8);
	stream_put(t.s, SPAN("12345678\n123456789\n"));
	for (int i = 0; i < 100; i++)
		stream_put(t.s, SPAN("abcdef"));
	stream_put(t.s, SPAN("\r\nok\r\n"));
	assert_int_equal(stream_flush(t.s, NULL), 0);
	traced_end(&t, "> 12345678\n> 12345678...\n> abcdefab...\n> ok\n");
	return 0;
}

static void long_lines_are_cut(void **state)
{
	test_run_sim(cut_main, NULL);
}

static FIBER int none_main(void *arg)
{
	struct stream *s, *peer;

	stream_pair(&s, &peer, 0);
	trace_mask(s, "x");
	trace_pause(s, true);
	trace_note(s, "x");
	stream_put(s, SPAN("x"));
	assert_int_equal(stream_flush(s, NULL), 0);
	stream_free(&s);
	stream_free(&peer);
	return 0;
}

static void without_a_trace_the_switches_do_nothing(void **state)
{
	test_run_sim(none_main, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_line_is_shown_with_its_direction),
		cmocka_unit_test(what_is_masked_is_never_shown),
		cmocka_unit_test(too_many_switches_hide_more_not_less),
		cmocka_unit_test(long_lines_are_cut),
		cmocka_unit_test(without_a_trace_the_switches_do_nothing),
	};

	return cmocka_run_group_tests_name("net/trace", tests, NULL, NULL);
}
