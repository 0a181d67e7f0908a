#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/smtp/smtp_syntax.h"

static void put_equals(const struct smtp_reply *r, bool is_enhanced, const char *wire)
{
	struct buf b;

	buf_init(&b, 65536);
	smtp_reply_put(r, is_enhanced, &b);
	assert_string_equal(buf_cstr(&b), wire);
	buf_fini(&b);
}

static void wire_form(void **state)
{
	struct smtp_reply r;

	smtp_reply_init(&r);
	smtp_reply_set(&r, 250, 2, 1, 5, "Ok");
	put_equals(&r, true, "250 2.1.5 Ok\r\n");
	put_equals(&r, false, "250 Ok\r\n");
	smtp_reply_set(&r, 550, 5, 7, 1, "No relaying\nAsk %s", "postmaster");
	put_equals(&r, true, "550-5.7.1 No relaying\r\n550 5.7.1 Ask postmaster\r\n");
	smtp_reply_set(&r, 354, 0, 0, 0, "Go");
	put_equals(&r, true, "354 Go\r\n");
	smtp_reply_set(&r, 220, 0, 0, 0, "mx.example ESMTP");
	put_equals(&r, true, "220 mx.example ESMTP\r\n");
	smtp_reply_set(&r, 250, 0, 0, 0, "mx.example\nPIPELINING\nSIZE 1");
	put_equals(&r, true, "250-mx.example\r\n250-PIPELINING\r\n250 SIZE 1\r\n");
	smtp_reply_set(&r, 250, 2, 0, 0, "%s", "");
	put_equals(&r, true, "250 2.0.0 \r\n");
	smtp_reply_set(&r, 555, 5, 123, 45, "x");
	put_equals(&r, true, "555 5.123.45 x\r\n");
	smtp_reply_fini(&r);
}

static void foreign_text_cannot_break_out(void **state)
{
	struct smtp_reply r;

	smtp_reply_init(&r);
	smtp_reply_set(&r, 550, 5, 1, 1, "%s", "a\r221 b\x1b[2J\x7f\tc");
	put_equals(&r, true, "550 5.1.1 a?221 b?[2J?\tc\r\n");
	smtp_reply_fini(&r);
}

static void long_text_is_wrapped_within_512_octets(void **state)
{
	struct smtp_reply r;
	struct buf b, text;
	struct span rest, line;
	size_t lines = 0, octets = 0;

	smtp_reply_init(&r);
	buf_init(&b, 65536);
	buf_init(&text, 65536);
	for (int i = 0; i < 700; i++)
		buf_str(&text, "驿");
	buf_str(&text, "\nend");
	smtp_reply_set(&r, 550, 5, 0, 0, "%s", buf_cstr(&text));
	smtp_reply_put(&r, true, &b);
	for (rest = buf_span(&b); span_cut(rest, '\n', &line, &rest);) {
		lines++;
		assert_true(line.len + 1 <= SMTP_REPLY_LINE_OUT);
		assert_int_equal(line.ptr[line.len - 1], '\r');
		assert_int_equal(line.ptr[3], rest.len ? '-' : ' ');
		assert_true(((unsigned char)line.ptr[10] & 0xc0) != 0x80);
		octets += line.len - 11;
	}
	assert_int_equal(octets, 2100 + 3);
	assert_int_equal(lines, 6);
	/* beyond SMTP_REPLY_TEXT_MAX */
	for (int i = 0; i < 1000; i++)
		buf_str(&text, "0123456789");
	smtp_reply_set(&r, 550, 5, 0, 0, "%s", buf_cstr(&text));
	assert_int_equal(r.code, 550);
	buf_fini(&text);
	buf_fini(&b);
	smtp_reply_fini(&r);
}

struct parse_case {
	const char *name, *lines; /* LF between lines */
	bool is_ok;
	unsigned code, cls, subject, detail;
	const char *text;
};

static const struct parse_case cases[] = {
	{"simple", "250 2.1.5 Ok", true, 250, 2, 1, 5, "Ok"},
	{"no enhanced code", "250 Ok then", true, 250, 0, 0, 0, "Ok then"},
	{"code alone", "250", true, 250, 0, 0, 0, ""},
	{"code and blank", "250 ", true, 250, 0, 0, 0, ""},
	{"enhanced alone", "250 2.0.0", true, 250, 2, 0, 0, ""},
	{"class disagrees", "250 5.1.1 x", true, 250, 0, 0, 0, "5.1.1 x"},
	{"class 3 is none", "354 3.0.0 go", true, 354, 0, 0, 0, "3.0.0 go"},
	{"version number is none", "220 2.5.6x", true, 220, 0, 0, 0, "2.5.6x"},
	{"four digits are none", "550 5.1.1234 x", true, 550, 0, 0, 0, "5.1.1234 x"},
	{"several lines", "550-5.7.1 a\n550-5.7.1 b\n550 5.7.1 c", true, 550, 5, 7, 1, "a\nb\nc"},
	{"enhanced on the last line only", "550-a\n550 5.7.1 b", true, 550, 5, 7, 1, "a\nb"},
	{"571 is met in the wild", "571 no", true, 571, 0, 0, 0, "no"},
	{"controls become ?", "250 a\x1b[0m\tb", true, 250, 0, 0, 0, "a?[0m\tb"},
	{"utf-8 stays", "550 驿", true, 550, 0, 0, 0, "驿"},
	{"latin-1 becomes ?", "550 \xfc", true, 550, 0, 0, 0, "?"},
	{"empty line", "", false},
	{"no code", "hello", false},
	{"two digits", "25 Ok", false},
	{"four digits", "2500 Ok", false},
	{"no blank", "250Ok", false},
	{"code 1xx", "150 x", false},
	{"code 6xx", "650 x", false},
	{"codes differ", "250-a\n251 b", false},
	{"second line has no code", "250-a\nb", false},
	{"bare CR", "250 a\rb", false},
};

static void parse_table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct parse_case *c = &cases[i];
		struct smtp_reply_parser p;
		struct span rest = span_str(c->lines), line;
		struct err e = {0};
		int rc;
		bool has_more;

		smtp_reply_parser_init(&p);
		do {
			has_more = span_cut(rest, '\n', &line, &rest);
			rc = smtp_reply_parser_line(&p, line, &e);
			assert_true(rc < 0 || p.is_complete == !has_more);
		} while (rc == 0 && has_more);
		if ((rc == 0) != c->is_ok)
			fail_msg("%s: %d", c->name, rc);
		if (rc < 0) {
			assert_int_equal(e.code, ERR_PROTO);
			assert_int_equal(e.scope, ERR_SCOPE_PEER);
		} else if (p.reply.code != c->code || p.reply.cls != c->cls ||
			p.reply.subject != c->subject || p.reply.detail != c->detail ||
			!span_eq(buf_span(&p.reply.text), span_str(c->text))) {
			fail_msg("%s: %u %u.%u.%u %s", c->name, p.reply.code, p.reply.cls,
				p.reply.subject, p.reply.detail, buf_cstr(&p.reply.text));
		}
		smtp_reply_parser_fini(&p);
	}
}

static void hostile_replies_are_bounded(void **state)
{
	struct smtp_reply_parser p;
	struct err e = {0};
	size_t len = SMTP_REPLY_LINE_MAX + 1;
	char *line = malloc(len);
	int rc = 0, n = 0;

	memset(line, 'x', len);
	memcpy(line, "250-", 4);
	smtp_reply_parser_init(&p);
	assert_int_equal(smtp_reply_parser_line(&p, span_of(line, len), &e), -1);
	smtp_reply_parser_reset(&p);
	while (rc == 0 && n < 2000) {
		rc = smtp_reply_parser_line(&p, span_of(line, SMTP_REPLY_LINE_MAX), &e);
		n++;
	}
	assert_int_equal(n, SMTP_REPLY_LINES_MAX + 1);
	assert_true(buf_len(&p.reply.text) <= SMTP_REPLY_TEXT_MAX);
	smtp_reply_parser_reset(&p);
	assert_int_equal(smtp_reply_parser_line(&p, span_of("250 a\0b", 7), &e), -1);
	smtp_reply_parser_fini(&p);
	free(line);
}

static void written_replies_are_read_back(void **state)
{
	struct smtp_reply r;
	struct smtp_reply_parser p;
	struct buf b;
	struct span rest, line;

	smtp_reply_init(&r);
	smtp_reply_set(&r, 452, 4, 5, 3, "one\ntwo\n\nfour");
	buf_init(&b, 4096);
	smtp_reply_put(&r, true, &b);
	smtp_reply_parser_init(&p);
	for (rest = buf_span(&b); span_cut(rest, '\n', &line, &rest);)
		assert_int_equal(
			smtp_reply_parser_line(&p, span_sub(line, 0, line.len - 1), NULL), 0);
	assert_true(p.is_complete);
	assert_int_equal(p.reply.detail, 3);
	assert_true(span_eq(buf_span(&p.reply.text), buf_span(&r.text)));
	smtp_reply_parser_fini(&p);
	smtp_reply_fini(&r);
	buf_fini(&b);
}

static void lines_are_kept_as_sent(void **state)
{
	struct smtp_reply_parser p;
	struct smtp_reply copy;

	smtp_reply_parser_init(&p);
	p.keeps_lines = true;
	assert_int_equal(smtp_reply_parser_line(&p, SPAN("250-2.1.5 caf\xe9"), NULL), 0);
	assert_int_equal(smtp_reply_parser_line(&p, SPAN("250"), NULL), 0);
	assert_string_equal(buf_cstr(&p.reply.lines), "2.1.5 caf\xe9\n");
	assert_string_equal(buf_cstr(&p.reply.text), "caf?\n");
	smtp_reply_init(&copy);
	smtp_reply_copy(&copy, &p.reply);
	assert_string_equal(buf_cstr(&copy.lines), "2.1.5 caf\xe9\n");
	assert_int_equal(copy.code, 250);
	smtp_reply_set(&copy, 550, 0, 0, 0, "x");
	assert_int_equal(buf_len(&copy.lines), 0);
	smtp_reply_fini(&copy);
	smtp_reply_parser_reset(&p);
	assert_int_equal(buf_len(&p.reply.lines), 0);
	smtp_reply_parser_fini(&p);
}

static void greetings_and_ehlo_have_no_enhanced_codes_behaviour_16(void **state)
{
	struct smtp_reply_parser p;

	smtp_reply_parser_init(&p);
	p.is_plain = true;
	assert_int_equal(smtp_reply_parser_line(&p, SPAN("220 2.0.0 is my name"), NULL), 0);
	assert_int_equal(p.reply.cls, 0);
	assert_string_equal(buf_cstr(&p.reply.text), "2.0.0 is my name");
	smtp_reply_parser_fini(&p);
}

static void caps_table_behaviours_20_24(void **state)
{
	struct arena *a = arena_new();
	const struct smtp_cap *cap;
	struct smtp_caps c;

	smtp_caps_parse(a,
		SPAN("SIZE is my name\nPIPELINING\nsize 1000\n8BITMIME\nLIMITS RCPTMAX=50 "
		     "MAILMAX=x FOO=1\nAUTH=LOGIN PLAIN\nauth PLAIN SCRAM-SHA-256\nX-foo a  b\n\nDSN\n"
		     "DELIVERBY 240\nFUTURERELEASE 1 2\nMT-PRIORITY MIXER\nREQUIRETLS\n"),
		&c);
	assert_int_equal(c.features,
		SMTP_PIPELINING | SMTP_SIZE | SMTP_8BITMIME | SMTP_LIMITS | SMTP_FEATURE_AUTH |
			SMTP_DSN | SMTP_DELIVERBY | SMTP_FUTURERELEASE | SMTP_MT_PRIORITY |
			SMTP_REQUIRETLS);
	assert_int_equal(c.size_max, 1000);
	assert_int_equal(c.rcpt_max, 50);
	assert_int_equal(c.mail_max, 0);
	assert_string_equal(c.auth.ptr, "LOGIN PLAIN SCRAM-SHA-256");
	assert_int_equal(c.count, 11);
	cap = smtp_caps_find(&c, SPAN("x-FOO"));
	assert_non_null(cap);
	assert_string_equal(cap->name.ptr, "X-foo");
	assert_string_equal(cap->params.ptr, "a  b");
	assert_string_equal(smtp_caps_find(&c, SPAN("Auth"))->params.ptr, c.auth.ptr);
	assert_string_equal(smtp_caps_find(&c, SPAN("dsn"))->params.ptr, "");
	assert_null(smtp_caps_find(&c, SPAN("is")));
	assert_null(smtp_caps_find(&c, SPAN("CHUNKING")));
	smtp_caps_parse(a, SPAN("mx\nSIZE\nSTARTTLS"), &c);
	assert_int_equal(c.features, SMTP_SIZE | SMTP_FEATURE_STARTTLS);
	assert_int_equal(c.size_max, 0);
	smtp_caps_parse(a, SPAN("mx\nSIZE 0"), &c);
	assert_int_equal(c.size_max, 0);
	smtp_caps_parse(a, SPAN("mx"), &c);
	assert_int_equal(c.features, 0);
	assert_int_equal(c.count, 0);
	smtp_caps_parse(a, SPAN(""), &c);
	assert_int_equal(c.features, 0);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wire_form),
		cmocka_unit_test(foreign_text_cannot_break_out),
		cmocka_unit_test(long_text_is_wrapped_within_512_octets),
		cmocka_unit_test(parse_table),
		cmocka_unit_test(hostile_replies_are_bounded),
		cmocka_unit_test(written_replies_are_read_back),
		cmocka_unit_test(lines_are_kept_as_sent),
		cmocka_unit_test(greetings_and_ehlo_have_no_enhanced_codes_behaviour_16),
		cmocka_unit_test(caps_table_behaviours_20_24),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
