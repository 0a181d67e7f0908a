#include "proto/pop3/pop3_syntax.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"

static void test_commands(void **state)
{
	static const struct {
		const char *name, *line;
		enum pop3_verb verb;
		const char *text, *second; /* NULL: none */
		uint32_t number, lines;    /* 0: none */
		const char *error;
	} cases[] = {
		{"a verb alone", "STAT", POP3_STAT},
		{"case does not matter", "sTaT", POP3_STAT},
		{"a blank at the end is nothing", "NOOP ", POP3_NOOP},
		{"but an argument too many is", "STAT 1", POP3_STAT, .error = "takes no arguments"},
		{"a message", "RETR 12", POP3_RETR, .number = 12},
		{"zeros in front", "RETR 007", POP3_RETR, .number = 7},
		{"a message is needed", "RETR", POP3_RETR, .error = "number of a message"},
		{"one only", "DELE 1 2", POP3_DELE, .error = "number of a message"},
		{"no sign", "RETR -1", POP3_RETR, .error = "number of a message"},
		{"no number beyond 32 bits", "RETR 4294967296", POP3_RETR,
			.error = "number of a message"},
		{"LIST without a message", "LIST", POP3_LIST},
		{"LIST of one", "LIST 3", POP3_LIST, .number = 3},
		{"LIST of words", "LIST all", POP3_LIST, .error = "number of a message"},
		{"TOP needs both", "TOP 1", POP3_TOP, .error = "number of lines"},
		{"TOP with both", "TOP 1 10", POP3_TOP, .number = 1, .lines = 10},
		{"a password keeps its blanks", "PASS  a b ", POP3_PASS, " a b "},
		{"no password", "PASS", POP3_PASS, .error = "argument is needed"},
		{"no name", "USER ", POP3_USER, .error = "argument is needed"},
		{"AUTH alone asks what there is", "AUTH", POP3_AUTH},
		{"AUTH with a mechanism", "AUTH PLAIN", POP3_AUTH, "PLAIN"},
		{"AUTH with an initial response", "AUTH PLAIN AGE=", POP3_AUTH, "PLAIN", "AGE="},
		{"AUTH with an empty one", "AUTH EXTERNAL =", POP3_AUTH, "EXTERNAL", "="},
		{"AUTH with too much", "AUTH PLAIN a b", POP3_AUTH, .error = "too many"},
		{"LANG", "LANG zh-Hans", POP3_LANG, "zh-Hans"},
		{"what is none", "HELO x", POP3_UNKNOWN, .error = "unknown"},
		{"nothing", "", POP3_UNKNOWN, .error = "unknown"},
		{"a blank in front", " STAT", POP3_UNKNOWN, .error = "unknown"},
		{"a CR within", "ST\rAT", POP3_UNKNOWN, .error = "within a line"},
		{"a verb that only begins so", "STATS", POP3_UNKNOWN, .error = "unknown"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pop3_command c;
		struct err e = {0};
		int rc = pop3_command_parse(span_str(cases[i].line), &c, &e);

		if ((rc < 0) != (cases[i].error != NULL) || c.verb != cases[i].verb ||
			(rc < 0 && !strstr(e.text, cases[i].error)))
			fail_msg("%s: %d '%s'", cases[i].name, rc, e.text);
		if (rc < 0)
			continue;
		if (!span_eq(c.text, span_str(cases[i].text)) ||
			!span_eq(c.second, span_str(cases[i].second)) ||
			(c.second.ptr != NULL) != (cases[i].second != NULL) ||
			c.number != cases[i].number || c.lines != cases[i].lines ||
			c.has_number != (cases[i].number > 0))
			fail_msg("%s: the arguments are wrong", cases[i].name);
	}
	struct pop3_command c;
	assert_int_equal(pop3_command_parse(SPAN("STAT\0"), &c, NULL), -1);
}

struct out_case {
	const char *name, *in, *out;
	bool is_top;
	uint32_t lines;
};

static void run(const struct out_case *c, size_t cut, struct buf *out)
{
	struct span all = span_str(c->in), piece;
	struct pop3_stuff f = {0};
	struct pop3_top top = {.lines = c->lines};

	for (size_t at = 0; at < all.len; at += cut) {
		struct span octets = span_sub(all, at, cut);

		if (c->is_top)
			octets.len = pop3_top_take(&top, octets);
		while (pop3_stuff_next(&f, &octets, &piece))
			buf_span_put(out, piece);
	}
	buf_span_put(out, pop3_stuff_end(&f));
}

static void test_content(void **state)
{
	static const struct out_case cases[] = {
		{"nothing", "", ".\r\n"},
		{"a message", "A: b\r\n\r\nc\r\n", "A: b\r\n\r\nc\r\n.\r\n"},
		{"a dot at its beginning", ".a\r\n", "..a\r\n.\r\n"},
		{"dots at the beginning of lines", "a\r\n.\r\n..\r\n", "a\r\n..\r\n...\r\n.\r\n"},
		{"dots elsewhere", "a.\r\nb.c\r\n", "a.\r\nb.c\r\n.\r\n"},
		{"a last line without end", "a", "a\r\n.\r\n"},
		{"and with half of one", "a\r", "a\r\n.\r\n"},
		{"a dot behind a bare LF", "a\n.\r\nb\r\n", "a\n..\r\nb\r\n.\r\n"},
		{"a dot behind a bare CR begins no line", "a\r.\r\n", "a\r.\r\n.\r\n"},
		{"a dot as the last octet", "a\r\n.", "a\r\n..\r\n.\r\n"},
		{"TOP 0: the header and the line that parts", "A: b\r\n\r\nc\r\n",
			"A: b\r\n\r\n.\r\n", true, 0},
		{"TOP 1", "A: b\r\n\r\nc\r\nd\r\n", "A: b\r\n\r\nc\r\n.\r\n", true, 1},
		{"TOP of more than there is", "A: b\r\n\r\nc\r\n", "A: b\r\n\r\nc\r\n.\r\n", true,
			9},
		{"TOP counts empty lines", "A: b\r\n\r\n\r\n\r\nc\r\n", "A: b\r\n\r\n\r\n.\r\n",
			true, 1},
		{"TOP with bare LFs", "A: b\n\nc\nd\n", "A: b\n\nc\n.\r\n", true, 1},
		{"TOP of a header alone", "A: b\r\n", "A: b\r\n.\r\n", true, 3},
		{"TOP of a body alone", "\r\nc\r\nd\r\n", "\r\nc\r\n.\r\n", true, 1},
		{"a bare CR is no empty line", "A: b\r\n\r\r\nc\r\n\r\nd\r\n",
			"A: b\r\n\r\r\nc\r\n\r\n.\r\n", true, 0},
		{"TOP stuffs as well", "A: b\r\n\r\n.c\r\nd\r\n", "A: b\r\n\r\n..c\r\n.\r\n", true,
			1},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t cut = 1; cut < 64; cut++) {
			struct buf out;

			buf_init(&out, 4096);
			run(&cases[i], cut, &out);
			if (!span_eq(buf_span(&out), span_str(cases[i].out)))
				fail_msg("%s, in pieces of %zu: '%s'", cases[i].name, cut,
					buf_cstr(&out));
			buf_fini(&out);
		}
	}
}

static void test_names(void **state)
{
	(void)state;
	assert_string_equal(pop3_verb_str(POP3_UIDL), "UIDL");
	assert_string_equal(pop3_code_str(POP3_CODE_LOGIN_DELAY), "LOGIN-DELAY");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
