#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/must.h"
#include "base/utf8.h"

struct test_sink {
	struct log_sink sink;
	struct buf lines;
	size_t count;
	enum log_level last;
};

static void sink_write(struct log_sink *sink, enum log_level level, struct span line)
{
	struct test_sink *t = CONTAINER_OF(sink, struct test_sink, sink);

	buf_clear(&t->lines);
	buf_span_put(&t->lines, line);
	t->count++;
	t->last = level;
}

static int64_t sink_wall(struct log_sink *sink)
{
	return 1795415400 * CLOCK_SEC + 7 * CLOCK_MS;
}

static void sink_init(struct test_sink *t, enum log_format format)
{
	memset(t, 0, sizeof(*t));
	t->sink.write = sink_write;
	t->sink.level = LOG_INFO;
	t->sink.format = format;
	buf_init(&t->lines, LOG_LINE_MAX);
}

static void fields_are_inherited_in_order(void **state)
{
	static const char *const want[] = {
		[LOG_LOGFMT] = "time=2026-11-23T06:30:00.007Z level=info event=smtp.in.accepted "
			       "host=mx session=0000000000001 n=-5 to=a@b.c",
		[LOG_JSON] = "{\"time\":\"2026-11-23T06:30:00.007Z\",\"level\":\"info\","
			     "\"event\":\"smtp.in.accepted\",\"host\":\"mx\","
			     "\"session\":\"0000000000001\",\"n\":-5,\"to\":\"a@b.c\"}",
	};

	for (enum log_format f = LOG_LOGFMT; f <= LOG_JSON; f++) {
		struct log root, session, message;
		struct test_sink t;

		sink_init(&t, f);
		t.sink.wall_ns = sink_wall;
		log_root(&root, &t.sink);
		log_add(&root, LF_STR("host", "mx"));
		log_child(&session, &root);
		log_add(&session, LF_ID("session", 1));
		log_child(&message, &session);
		log_event(&message, LOG_INFO, "smtp.in.accepted", LF_INT("n", -5),
			LF("to", SPAN("a@b.c")), LF_NONE);
		assert_int_equal(t.count, 1);
		assert_int_equal(t.last, LOG_INFO);
		assert_string_equal(buf_cstr(&t.lines), want[f]);
		buf_fini(&t.lines);
	}
}

static void levels_above_the_sink_are_dropped(void **state)
{
	struct test_sink t;
	struct log l;

	sink_init(&t, LOG_LOGFMT);
	log_root(&l, &t.sink);
	log_event(&l, LOG_DEBUG, "x", LF_NONE);
	assert_int_equal(t.count, 0);
	assert_false(log_wants(&l, LOG_DEBUG));
	assert_true(log_wants(&l, LOG_ERROR));
	log_event(&l, LOG_ERROR, "x", LF_NONE);
	assert_int_equal(t.count, 1);
	assert_string_equal(buf_cstr(&t.lines), "level=error event=x");
	log_event(NULL, LOG_ERROR, "x", LF_NONE);
	log_root(&l, NULL);
	log_event(&l, LOG_ERROR, "x", LF_NONE);
	assert_int_equal(t.count, 1);
	buf_fini(&t.lines);
}

/* What a peer could say to make a second field, a second line or a terminal obey. */
static void forging_is_quoted(void **state)
{
	static const struct {
		const char *name;
		struct span said;
		const char *want;
	} cases[] = {
		{"new field", {"x level=error", 13}, "\"x level=error\""},
		{"new line", {"x\nlevel=error event=forged", 26},
			"\"x\\nlevel=error event=forged\""},
		{"carriage return", {"x\rlevel", 7}, "\"x\\rlevel\""},
		{"closing quote", {"\" level=error \"", 15}, "\"\\\" level=error \\\"\""},
		{"closing quote alone", {"x\"", 2}, "\"x\\\"\""},
		{"backslash before the quote", {"x\\", 2}, "\"x\\\\\""},
		{"equals", {"a=b", 3}, "\"a=b\""},
		{"NUL", {"a\0b", 3}, "\"a\\u0000b\""},
		{"escape sequence", {"\x1b[31mred", 8}, "\"\\u001b[31mred\""},
		{"C1 control",
			{"\xc2\x9b"
			 "31m",
				5},
			"\"\\u009b31m\""},
		{"not UTF-8", {"\xff", 1}, "\"\xef\xbf\xbd\""},
		{"line separator", {"a\xe2\x80\xa8z", 5}, "\"a\\u2028z\""},
		{"empty", {"", 0}, "\"\""},
		{"other script", {"驿站", 6}, "\"驿站\""},
		{"plain stays plain", {"<a@b.c>", 7}, "<a@b.c>"},
	};
	struct test_sink t;
	struct log l;
	struct buf want;

	sink_init(&t, LOG_LOGFMT);
	buf_init(&want, 1000);
	log_root(&l, &t.sink);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		log_event(&l, LOG_INFO, "e", LF("said", cases[i].said), LF_INT("after", 1));
		buf_clear(&want);
		buf_printf(&want, "level=info event=e said=%s after=1", cases[i].want);
		if (strcmp(buf_cstr(&want), buf_cstr(&t.lines)) != 0)
			print_error("case: %s\n", cases[i].name);
		assert_string_equal(buf_cstr(&t.lines), buf_cstr(&want));
	}
	buf_fini(&want);
	buf_fini(&t.lines);
}

static void long_values_are_cut_between_characters(void **state)
{
	struct test_sink t;
	struct log l;
	struct buf said;

	sink_init(&t, LOG_LOGFMT);
	log_root(&l, &t.sink);
	buf_init(&said, 5000);
	/* three-byte characters, moved by 0, 1, 2 bytes against the cut */
	for (int shift = 0; shift < 3; shift++) {
		struct span line;

		buf_clear(&said);
		for (int i = 0; i < shift; i++)
			buf_char(&said, 'x');
		while (buf_len(&said) < 3000)
			buf_str(&said, "驿");
		log_event(&l, LOG_INFO, "e", LF("said", buf_span(&said)));
		line = buf_span(&t.lines);
		assert_true(utf8_is_valid(line));
		assert_int_equal(span_find_span(line, SPAN("\xef\xbf\xbd")), -1);
		assert_true(line.len > LOG_VALUE_MAX - 4);
		assert_true(line.len < LOG_VALUE_MAX + 40);
	}
	buf_fini(&said);
	buf_fini(&t.lines);
}

/* Fields that would pass LOG_LINE_MAX go as a whole and the line stays well formed. */
static void long_lines_stay_well_formed(void **state)
{
	char said[LOG_VALUE_MAX];

	memset(said, 1, sizeof(said)); /* six bytes each when quoted */
	for (enum log_format f = LOG_LOGFMT; f <= LOG_JSON; f++) {
		const char *tail = f == LOG_JSON ? "\",\"small\":1,\"cut\":true}"
						 : "\" small=1 cut=true";
		struct test_sink t;
		struct log l;
		struct span line;

		sink_init(&t, f);
		log_root(&l, &t.sink);
		log_event(&l, LOG_INFO, "e", LF("one", span_of(said, sizeof(said))),
			LF("two", span_of(said, sizeof(said))), LF_INT("small", 1));
		line = buf_span(&t.lines);
		assert_true(line.len <= LOG_LINE_MAX);
		assert_true(span_ends_nocase(line, span_str(tail)));
		assert_int_equal(span_find_span(line, SPAN("two")), -1);
		buf_fini(&t.lines);
	}
}

/* Every length of a last field around the cap: the tail always fits. */
static void the_tail_always_fits(void **state)
{
	char said[LOG_VALUE_MAX];

	memset(said, 'x', sizeof(said));
	for (enum log_format f = LOG_LOGFMT; f <= LOG_JSON; f++)
		for (size_t n = 0; n < LOG_VALUE_MAX; n++) {
			struct span full = span_of(said, sizeof(said));
			struct span line;
			struct test_sink t;
			struct log l;

			sink_init(&t, f);
			log_root(&l, &t.sink);
			log_event(&l, LOG_INFO, "e", LF("a", full), LF("b", full), LF("c", full),
				LF("d", full), LF("e", full), LF("f", full), LF("g", full),
				LF("h", span_of(said, n)), LF("i", span_of(said, 200)));
			line = buf_span(&t.lines);
			assert_true(buf_ok(&t.lines));
			if (f == LOG_JSON)
				assert_int_equal(line.ptr[line.len - 1], '}');
			if (span_find_span(line, SPAN(" i=")) < 0 &&
				span_find_span(line, SPAN("\"i\":")) < 0)
				assert_true(span_find_span(line, SPAN("cut")) > 0);
			buf_fini(&t.lines);
		}
}

static void levels_have_names(void **state)
{
	assert_string_equal(log_level_str(LOG_ERROR), "error");
	assert_string_equal(log_level_str(LOG_DEBUG), "debug");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_inherited_in_order),
		cmocka_unit_test(levels_above_the_sink_are_dropped),
		cmocka_unit_test(forging_is_quoted),
		cmocka_unit_test(long_values_are_cut_between_characters),
		cmocka_unit_test(long_lines_stay_well_formed),
		cmocka_unit_test(the_tail_always_fits),
		cmocka_unit_test(levels_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
