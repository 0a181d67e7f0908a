#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "proto/smtp/smtp_syntax.h"

#define OUT_MAX (1 << 20)

static size_t choose(void)
{
	static uint64_t state = 42; /* the same walk in every run */

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(state >> 33);
}

struct outcome {
	struct buf out;
	size_t used;
	unsigned troubles;
	bool is_done;
};

/* Parse `in` in pieces whose ends `cut` chooses: 0 whole, 1 byte by byte, else at random. */
static void run(struct outcome *o, struct span in, bool is_normalise, bool is_chunked, unsigned cut)
{
	struct smtp_data_parser p;

	smtp_data_parser_init(&p, is_normalise, 100);
	p.is_chunked = is_chunked;
	buf_init(&o->out, OUT_MAX);
	o->used = 0;
	while (o->used < in.len && !p.is_done) {
		size_t n = cut == 0 ? in.len : cut == 1 ? 1 : choose() % 7 + 1;
		struct span piece = span_sub(in, o->used, n);
		char *copy = test_malloc(piece.len); /* ASan sees reads beyond the piece */
		size_t used;

		memcpy(copy, piece.ptr, piece.len);
		used = smtp_data_parse(&p, span_of(copy, piece.len), &o->out);
		test_free(copy);
		assert_true(used <= piece.len && (used == piece.len || p.is_done));
		o->used += used;
	}
	if (is_chunked)
		buf_span_put(&o->out, smtp_data_finish(&p));
	assert_true(buf_ok(&o->out));
	o->troubles = p.troubles;
	o->is_done = p.is_done;
}

static void same(const struct outcome *a, const struct outcome *b, const char *name)
{
	if (a->used != b->used || a->troubles != b->troubles || a->is_done != b->is_done ||
		!span_eq(buf_span(&a->out), buf_span(&b->out)))
		fail_msg("%s: the cut makes a difference", name);
}

struct data_case {
	const char *name;
	struct span in;
	const char *out;
	size_t left; /* octets behind the end */
	unsigned troubles;
	bool is_done;
	const char *normalised; /* NULL: as out */
};

#define LONG98                                                                                     \
	"1234567890123456789012345678901234567890123456789012345678901234567890"                   \
	"1234567890123456789012345678"

static const struct data_case cases[] = {
	{"ordinary", SPAN("a\r\nb\r\n.\r\n"), "a\r\nb\r\n", 0, 0, true},
	{"empty body", SPAN(".\r\n"), "", 0, 0, true},
	{"what follows is left", SPAN("a\r\n.\r\nQUIT\r\n"), "a\r\n", 6, 0, true},
	{"stuffed dots", SPAN("..\r\n..a\r\n.b\r\n...\r\n.\r\n"), ".\r\n.a\r\nb\r\n..\r\n", 0, 0,
		true},
	{"dots within lines", SPAN("a.\r\n a.b\r\n.\r\n"), "a.\r\n a.b\r\n", 0, 0, true},
	{"no end yet", SPAN("a\r\n."), "a\r\n", 0, 0, false},
	{"no end yet, CR", SPAN("a\r\n.\r"), "a\r\n", 0, 0, false},
	{"bare LF", SPAN("a\nb\r\n.\r\n"), "a\nb\r\n", 0, SMTP_DATA_BARE_LF, true, "a\r\nb\r\n"},
	{"bare CR", SPAN("a\rb\r\n.\r\n"), "a\rb\r\n", 0, SMTP_DATA_BARE_CR, true, "a\r\nb\r\n"},
	{"CR CR LF", SPAN("a\r\r\n.\r\n"), "a\r\r\n", 0, SMTP_DATA_BARE_CR, true, "a\r\n\r\n"},
	{"dot behind bare LF keeps", SPAN("a\n..b\r\n.\r\n"), "a\n..b\r\n", 0, SMTP_DATA_BARE_LF,
		true, "a\r\n..b\r\n"},
	{"NUL", SPAN("a\0b\r\n.\r\n"), NULL, 0, SMTP_DATA_NUL, true},
	{"NUL behind the end", SPAN("a\r\n.\r\n\0"), "a\r\n", 1, 0, true},
	{"line of 100", SPAN(LONG98 "\r\n.\r\n"), LONG98 "\r\n", 0, 0, true},
	{"line of 101", SPAN(LONG98 "x\r\n.\r\n"), LONG98 "x\r\n", 0, SMTP_DATA_LONG_LINE, true},
	{"stuffed dot does not count", SPAN(".." LONG98 "\r\n.\r\n"), "." LONG98 "\r\n", 0,
		SMTP_DATA_LONG_LINE, true},
	{"stuffed dot, line of 100", SPAN(".x\r\n." LONG98 "\r\n.\r\n"), "x\r\n" LONG98 "\r\n", 0,
		0, true},
};

static void data_table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct data_case *c = &cases[i];

		for (int norm = 0; norm < 2; norm++) {
			struct outcome whole;
			const char *want = norm && c->normalised ? c->normalised : c->out;

			run(&whole, c->in, norm, false, 0);
			if (whole.is_done != c->is_done || whole.troubles != c->troubles ||
				c->in.len - whole.used != c->left ||
				(want && !span_eq(buf_span(&whole.out), span_str(want))))
				fail_msg("%s: troubles %u, left %zu, out '%s'", c->name,
					whole.troubles, c->in.len - whole.used,
					buf_cstr(&whole.out));
			for (unsigned cut = 1; cut < 12; cut++) {
				struct outcome o;

				run(&o, c->in, norm, false, cut);
				same(&whole, &o, c->name);
				buf_fini(&o.out);
			}
			buf_fini(&whole.out);
		}
	}
}

/* Every pair of line-end look-alikes around a dot: only CRLF . CRLF ends the data, in both modes,
 * whatever the cut. */
static void smuggling_matrix(void **state)
{
	static const struct span ends[] = {SPAN("\r\n"), SPAN("\n"), SPAN("\r"), SPAN("\r\r"),
		SPAN("\n\r"), SPAN("\0"), SPAN("\r\n\0"), SPAN("\0\r\n"), SPAN("\r\0\n"),
		SPAN("\n\n"), SPAN("\r\r\n"), SPAN("\x0b"), SPAN("\x0c"), SPAN("\xc2\x85"),
		SPAN("\xe2\x80\xa8"), SPAN(" "), SPAN("\r\n "), SPAN(" \r\n"), SPAN("")};
	static const struct span dots[] = {SPAN("."), SPAN(".."), SPAN("\0."), SPAN(".\0")};

	for (size_t a = 0; a < ARRAY_LEN(ends); a++) {
		for (size_t d = 0; d < ARRAY_LEN(dots); d++) {
			for (size_t b = 0; b < ARRAY_LEN(ends); b++) {
				struct buf in;
				size_t end_at;
				struct span before = ends[a], dot = dots[d], after = ends[b];
				ptrdiff_t real;

				buf_init(&in, 4096);
				buf_str(&in, "one");
				buf_span_put(&in, before);
				buf_span_put(&in, dot);
				buf_span_put(&in, after);
				buf_str(&in, "MAIL FROM:<evil@example>\r\n.\r\nQUIT\r\n");
				real = span_find_span(buf_span(&in), SPAN("\r\n.\r\n"));
				end_at = (size_t)real + 5;
				for (unsigned mode = 0; mode < 2 * 6; mode++) {
					struct outcome o;

					run(&o, buf_span(&in), mode & 1, false, mode / 2);
					assert_true(o.is_done);
					assert_int_equal(o.used, end_at);
					if (mode & 1) { /* normalised: no bare CR or LF is left */
						struct smtp_dot_writer w = {0};

						while (w.has_bare == false) {
							size_t n = smtp_dot_next(
								&w, buf_span(&o.out));

							if (n == buf_len(&o.out))
								break;
							buf_consume(&o.out, n);
						}
						assert_false(w.has_bare);
					}
					buf_fini(&o.out);
				}
				buf_fini(&in);
			}
		}
	}
}

static void chunked_content_keeps_its_dots(void **state)
{
	static const struct {
		const char *name;
		struct span in;
		const char *out;
		unsigned troubles;
	} t[] = {
		{"dots", SPAN(".\r\n..\r\na\r\n.\r\n"), ".\r\n..\r\na\r\n.\r\n", 0},
		{"last line without end", SPAN("a\r\nb"), "a\r\nb\r\n", 0},
		{"half a line end", SPAN("a\r"), "a\r\n", SMTP_DATA_BARE_CR},
		{"bare LF", SPAN("a\nb\r\n"), "a\nb\r\n", SMTP_DATA_BARE_LF},
		{"nothing", SPAN(""), "", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		for (unsigned cut = 0; cut < 9; cut++) {
			struct outcome o;

			run(&o, t[i].in, false, true, cut);
			if (o.troubles != t[i].troubles ||
				!span_eq(buf_span(&o.out), span_str(t[i].out)))
				fail_msg("%s: %u '%s'", t[i].name, o.troubles, buf_cstr(&o.out));
			assert_int_equal(o.used, t[i].in.len);
			buf_fini(&o.out);
		}
	}
}

/* Random soups of the octets that matter: any cut gives what the whole gives. */
static void any_cut_gives_the_same(void **state)
{
	static const char soup[] = "\r\n.a\0\r\n.";

	for (int round = 0; round < 3000; round++) {
		char in[64];
		size_t len = choose() % sizeof(in);
		struct outcome whole, o;

		for (size_t i = 0; i < len; i++)
			in[i] = soup[choose() % (sizeof(soup) - 1)];
		run(&whole, span_of(in, len), round & 1, round & 2, 0);
		run(&o, span_of(in, len), round & 1, round & 2, 2);
		same(&whole, &o, "soup, random cuts");
		buf_fini(&o.out);
		run(&o, span_of(in, len), round & 1, round & 2, 1);
		same(&whole, &o, "soup, byte by byte");
		buf_fini(&o.out);
		buf_fini(&whole.out);
	}
}

static void stuffing_and_parsing_is_an_identity(void **state)
{
	static const char *const words[] = {"\r\n", ".", "..", "a", "a.b", "line\r\n", ".\r\n"};

	for (int round = 0; round < 2000; round++) {
		struct buf body, wire;
		struct outcome o;
		bool at_line_start = true;

		buf_init(&body, 4096);
		buf_init(&wire, 4096);
		for (int i = (int)(choose() % 20); i > 0; i--)
			buf_str(&body, words[choose() % ARRAY_LEN(words)]);
		buf_str(&body, "\r\n");
		for (size_t at = 0; at < buf_len(&body);) {
			struct span piece = span_sub(buf_span(&body), at, choose() % 5 + 1);

			smtp_dot_stuff(&wire, piece, &at_line_start);
			at += piece.len;
		}
		assert_true(at_line_start);
		buf_str(&wire, ".\r\n");
		run(&o, buf_span(&wire), false, false, 2);
		assert_true(o.is_done);
		assert_int_equal(o.troubles & ~(unsigned)SMTP_DATA_LONG_LINE, 0);
		assert_true(span_eq(buf_span(&o.out), buf_span(&body)));
		buf_fini(&o.out);
		buf_fini(&body);
		buf_fini(&wire);
	}
}

static void dot_writer_sees_bare_line_ends(void **state)
{
	static const struct {
		const char *in;
		bool has_bare;
	} t[] = {
		{"a\r\nb\r\n", false},
		{"\r\n", false},
		{"a\nb\r\n", true},
		{"\n", true},
		{"a\rb\r\n", true},
		{"\r\r\n", true},
		{"\r\n\r\n", false},
		{"a\r\n.\n", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		for (size_t cut = 1; cut < 9; cut++) {
			struct smtp_dot_writer w = {0};
			struct span rest = span_str(t[i].in);

			while (rest.len)
				rest = span_skip(rest, smtp_dot_next(&w, span_sub(rest, 0, cut)));
			assert_int_equal(w.has_bare, t[i].has_bare);
		}
	}
}

/* Work is linear whatever the body: each of these would take minutes if a search were repeated. */
static void hostile_bodies_take_linear_time(void **state)
{
	static const char *const units[] = {
		"\n", "\r", "\r\n", ".", "\r\n.x", "\r\r\n", "a\n", "a\r"};
	size_t len = 1 << 20;
	char *in = test_malloc(len);

	for (size_t u = 0; u < ARRAY_LEN(units); u++) {
		size_t n = strlen(units[u]);

		for (size_t i = 0; i < len; i++)
			in[i] = units[u][i % n];
		for (int norm = 0; norm < 2; norm++) {
			struct smtp_data_parser p;
			struct span content;
			size_t at = 0;
			int64_t start = clock_mono_ns();

			smtp_data_parser_init(&p, norm, 0);
			while (at < len)
				at += smtp_data_take(&p, span_of(in + at, len - at), &content);
			assert_true(clock_mono_ns() - start < 5 * CLOCK_SEC);
		}
	}
	test_free(in);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_table),
		cmocka_unit_test(smuggling_matrix),
		cmocka_unit_test(chunked_content_keeps_its_dots),
		cmocka_unit_test(any_cut_gives_the_same),
		cmocka_unit_test(stuffing_and_parsing_is_an_identity),
		cmocka_unit_test(dot_writer_sees_bare_line_ends),
		cmocka_unit_test(hostile_bodies_take_linear_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
