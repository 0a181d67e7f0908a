#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/smtp/smtp_syntax.h"

#define ALL                                                                                        \
	(SMTP_SIZE | SMTP_8BITMIME | SMTP_BINARYMIME | SMTP_CHUNKING | SMTP_SMTPUTF8 | SMTP_DSN |  \
		SMTP_FEATURE_AUTH | SMTP_DELIVERBY | SMTP_FUTURERELEASE | SMTP_MT_PRIORITY |       \
		SMTP_REQUIRETLS)

struct command_case {
	const char *name, *line;
	unsigned features;
	bool is_utf8;
	enum smtp_verb verb;
	unsigned code, subject, detail; /* 0: well formed */
};

static const struct command_case cases[] = {
	{"helo", "HELO mx.example", ALL, false, SMTP_HELO, 0},
	{"verbs in any case", "ehLO mx.example", ALL, false, SMTP_EHLO, 0},
	{"ehlo literal", "EHLO [192.0.2.1]", ALL, false, SMTP_EHLO, 0},
	{"ehlo IPv6 literal", "EHLO [IPv6:::1]", ALL, false, SMTP_EHLO, 0},
	{"ehlo with underscore", "EHLO DESKTOP_1", ALL, false, SMTP_EHLO, 0},
	{"ehlo in utf-8", "EHLO 例子.测试", ALL, false, SMTP_EHLO, 0},
	{"trailing blanks", "EHLO mx.example  \t", ALL, false, SMTP_EHLO, 0},
	{"ehlo nothing", "EHLO", ALL, false, SMTP_EHLO, 501, 5, 4},
	{"ehlo two words", "EHLO a b", ALL, false, SMTP_EHLO, 501, 5, 4},
	{"ehlo bad literal", "EHLO [1.2.3]", ALL, false, SMTP_EHLO, 501, 5, 4},
	{"ehlo with comment sign", "EHLO a(b", ALL, false, SMTP_EHLO, 501, 5, 4},
	{"ehlo with angle bracket", "EHLO <a>", ALL, false, SMTP_EHLO, 501, 5, 4},
	{"ehlo broken utf-8", "EHLO \xff", ALL, false, SMTP_EHLO, 501, 5, 4},
	{"ehlo without blank", "EHLOmx", ALL, false, SMTP_VERB_UNKNOWN, 0},

	{"null sender", "MAIL FROM:<>", ALL, false, SMTP_MAIL, 0},
	{"sender", "mail from:<a@b.c>", ALL, false, SMTP_MAIL, 0},
	{"blank behind the colon is tolerated", "MAIL FROM: <a@b.c>", ALL, false, SMTP_MAIL, 0},
	{"source route", "MAIL FROM:<@x.y,@z:a@b.c>", ALL, false, SMTP_MAIL, 0},
	{"all parameters",
		"MAIL FROM:<a@b.c> SIZE=12345 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=QQ+2B1 AUTH=<>",
		ALL, false, SMTP_MAIL, 0},
	{"parameters in any case", "MAIL FROM:<a@b.c> size=1 body=binarymime", ALL, false,
		SMTP_MAIL, 0},
	{"size beyond 64 bits", "MAIL FROM:<a@b.c> SIZE=99999999999999999999", ALL, false,
		SMTP_MAIL, 0},
	{"quoted local part with >", "MAIL FROM:<\"a>b\"@c> SIZE=3", ALL, false, SMTP_MAIL, 0},
	{"utf-8 sender with SMTPUTF8", "MAIL FROM:<用户@x> SMTPUTF8", ALL, false, SMTP_MAIL, 0},
	{"utf-8 sender without", "MAIL FROM:<用户@x>", ALL, false, SMTP_MAIL, 553, 6, 7},
	{"SMTPUTF8 not offered", "MAIL FROM:<a@x> SMTPUTF8", ALL & ~SMTP_SMTPUTF8, false, SMTP_MAIL,
		555, 5, 4},
	{"no FROM", "MAIL <a@b>", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"blank before the colon", "MAIL FROM :<a@b>", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"no brackets", "MAIL FROM:a@b", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"not closed", "MAIL FROM:<a@b", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"glued parameter", "MAIL FROM:<a@b>SIZE=1", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"nothing", "MAIL", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"bad sender", "MAIL FROM:<a b@c>", ALL, false, SMTP_MAIL, 501, 1, 7},
	{"postmaster is no sender", "MAIL FROM:<postmaster>", ALL, false, SMTP_MAIL, 501, 1, 7},
	{"bad source route", "MAIL FROM:<@x a@b>", ALL, false, SMTP_MAIL, 501, 1, 7},
	{"unknown parameter", "MAIL FROM:<a@b> FOO=1", ALL, false, SMTP_MAIL, 555, 5, 4},
	{"REQUIRETLS", "MAIL FROM:<a@b> requiretls", ALL, false, SMTP_MAIL, 0},
	{"REQUIRETLS with a value", "MAIL FROM:<a@b> REQUIRETLS=1", ALL, false, SMTP_MAIL, 501, 5,
		4},
	{"REQUIRETLS twice", "MAIL FROM:<a@b> REQUIRETLS REQUIRETLS", ALL, false, SMTP_MAIL, 501, 5,
		4},
	{"REQUIRETLS not offered", "MAIL FROM:<a@b> REQUIRETLS", ALL & ~SMTP_REQUIRETLS, false,
		SMTP_MAIL, 555, 5, 4},
	{"all that is asked of the time to come",
		"MAIL FROM:<a@b> BY=120;RT HOLDFOR=60 MT-PRIORITY=-4 REQUIRETLS", ALL, false,
		SMTP_MAIL, 0},
	{"by notify, over already", "MAIL FROM:<a@b> BY=-30;N", ALL, false, SMTP_MAIL, 0},
	{"by zero, notify and trace", "MAIL FROM:<a@b> by=0;nt", ALL, false, SMTP_MAIL, 0},
	{"by with plus, nine digits", "MAIL FROM:<a@b> BY=+999999999;R", ALL, false, SMTP_MAIL, 0},
	{"by return within nothing", "MAIL FROM:<a@b> BY=0;R", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"by return before now", "MAIL FROM:<a@b> BY=-1;R", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"by ten digits", "MAIL FROM:<a@b> BY=1000000000;R", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"by ten digits with zeros", "MAIL FROM:<a@b> BY=0000000001;R", ALL, false, SMTP_MAIL, 501,
		5, 4},
	{"by without mode", "MAIL FROM:<a@b> BY=10", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"by empty mode", "MAIL FROM:<a@b> BY=10;", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"by other mode", "MAIL FROM:<a@b> BY=10;X", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"by trace alone", "MAIL FROM:<a@b> BY=10;T", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"by trace first", "MAIL FROM:<a@b> BY=10;TR", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"by no number", "MAIL FROM:<a@b> BY=+-1;N", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"by sign alone", "MAIL FROM:<a@b> BY=-;N", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"by not offered", "MAIL FROM:<a@b> BY=10;R", ALL & ~SMTP_DELIVERBY, false, SMTP_MAIL, 555,
		5, 4},
	{"hold for nothing", "MAIL FROM:<a@b> HOLDFOR=0", ALL, false, SMTP_MAIL, 0},
	{"hold for nine digits", "MAIL FROM:<a@b> HOLDFOR=999999999", ALL, false, SMTP_MAIL, 0},
	{"hold for ten", "MAIL FROM:<a@b> HOLDFOR=1000000000", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"hold for less than nothing", "MAIL FROM:<a@b> HOLDFOR=-1", ALL, false, SMTP_MAIL, 501, 5,
		4},
	{"hold until", "MAIL FROM:<a@b> HOLDUNTIL=2026-12-24T18:00:00Z", ALL, false, SMTP_MAIL, 0},
	{"hold until, with zone and parts of a second",
		"MAIL FROM:<a@b> HOLDUNTIL=2026-12-24t18:00:00.5+08:00", ALL, false, SMTP_MAIL, 0},
	{"hold until a leap day", "MAIL FROM:<a@b> HOLDUNTIL=2028-02-29T00:00:60Z", ALL, false,
		SMTP_MAIL, 0},
	{"hold until no leap day", "MAIL FROM:<a@b> HOLDUNTIL=2027-02-29T00:00:00Z", ALL, false,
		SMTP_MAIL, 501, 5, 4},
	{"hold until the thirteenth month", "MAIL FROM:<a@b> HOLDUNTIL=2027-13-01T00:00:00Z", ALL,
		false, SMTP_MAIL, 501, 5, 4},
	{"hold until without zone", "MAIL FROM:<a@b> HOLDUNTIL=2027-01-01T00:00:00", ALL, false,
		SMTP_MAIL, 501, 5, 4},
	{"hold until with a zone without colon",
		"MAIL FROM:<a@b> HOLDUNTIL=2027-01-01T00:00:00+0800", ALL, false, SMTP_MAIL, 501, 5,
		4},
	{"hold until with a point and nothing", "MAIL FROM:<a@b> HOLDUNTIL=2027-01-01T00:00:00.Z",
		ALL, false, SMTP_MAIL, 501, 5, 4},
	{"hold until and more", "MAIL FROM:<a@b> HOLDUNTIL=2027-01-01T00:00:00Zx", ALL, false,
		SMTP_MAIL, 501, 5, 4},
	{"hold until cut off", "MAIL FROM:<a@b> HOLDUNTIL=2027-01-01T00:00:0", ALL, false,
		SMTP_MAIL, 501, 5, 4},
	{"hold for and until", "MAIL FROM:<a@b> HOLDFOR=1 HOLDUNTIL=2027-01-01T00:00:00Z", ALL,
		false, SMTP_MAIL, 501, 5, 4},
	{"hold until and for", "MAIL FROM:<a@b> HOLDUNTIL=2027-01-01T00:00:00Z HOLDFOR=1", ALL,
		false, SMTP_MAIL, 501, 5, 4},
	{"hold not offered", "MAIL FROM:<a@b> HOLDFOR=1", ALL & ~SMTP_FUTURERELEASE, false,
		SMTP_MAIL, 555, 5, 4},
	{"priority highest", "MAIL FROM:<a@b> MT-PRIORITY=9", ALL, false, SMTP_MAIL, 0},
	{"priority lowest", "MAIL FROM:<a@b> mt-priority=-9", ALL, false, SMTP_MAIL, 0},
	{"priority nothing special", "MAIL FROM:<a@b> MT-PRIORITY=0", ALL, false, SMTP_MAIL, 0},
	{"priority minus zero", "MAIL FROM:<a@b> MT-PRIORITY=-0", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"priority with plus", "MAIL FROM:<a@b> MT-PRIORITY=+3", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"priority ten", "MAIL FROM:<a@b> MT-PRIORITY=10", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"priority word", "MAIL FROM:<a@b> MT-PRIORITY=high", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"priority not offered", "MAIL FROM:<a@b> MT-PRIORITY=1", ALL & ~SMTP_MT_PRIORITY, false,
		SMTP_MAIL, 555, 5, 4},
	{"size twice", "MAIL FROM:<a@b> SIZE=1 SIZE=2", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"size of 21 digits", "MAIL FROM:<a@b> SIZE=123456789012345678901", ALL, false, SMTP_MAIL,
		501, 5, 4},
	{"size negative", "MAIL FROM:<a@b> SIZE=-1", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"size without value", "MAIL FROM:<a@b> SIZE", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"size with empty value", "MAIL FROM:<a@b> SIZE=", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"body unknown", "MAIL FROM:<a@b> BODY=9BIT", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"BINARYMIME not offered", "MAIL FROM:<a@b> BODY=BINARYMIME", ALL & ~SMTP_BINARYMIME, false,
		SMTP_MAIL, 501, 5, 4},
	{"SMTPUTF8 with value", "MAIL FROM:<a@b> SMTPUTF8=1", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"ret unknown", "MAIL FROM:<a@b> RET=ALL", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"envid with control", "MAIL FROM:<a@b> ENVID=a+0Ab", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"envid above ASCII", "MAIL FROM:<a@b> ENVID=+C3+BC", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"envid bad xtext", "MAIL FROM:<a@b> ENVID=+zz", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"envid lower-case xtext", "MAIL FROM:<a@b> ENVID=+2b", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"envid of 100",
		"MAIL FROM:<a@b> ENVID=1234567890123456789012345678901234567890123456789012345678901234567"
		"890123456789012345678901234567890",
		ALL, false, SMTP_MAIL, 0},
	{"envid of 101",
		"MAIL FROM:<a@b> ENVID=1234567890123456789012345678901234567890123456789012345678901234567"
		"8901234567890123456789012345678901",
		ALL, false, SMTP_MAIL, 501, 5, 4},
	{"keyword with underscore", "MAIL FROM:<a@b> A_B=1", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"keyword begins with hyphen", "MAIL FROM:<a@b> -A=1", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"value with equals sign", "MAIL FROM:<a@b> ENVID=a=b", ALL, false, SMTP_MAIL, 501, 5, 4},
	{"17 parameters", "MAIL FROM:<a@b> SIZE=1 A A A A A A A A A A A A A A A A", ALL, false,
		SMTP_MAIL, 555, 5, 4},

	{"recipient", "RCPT TO:<a@b.c>", ALL, false, SMTP_RCPT, 0},
	{"postmaster", "RCPT TO:<Postmaster>", ALL, false, SMTP_RCPT, 0},
	{"null recipient", "RCPT TO:<>", ALL, false, SMTP_RCPT, 501, 1, 3},
	{"bad recipient", "RCPT TO:<a..b@c>", ALL, false, SMTP_RCPT, 501, 1, 3},
	{"no domain", "RCPT TO:<alice>", ALL, false, SMTP_RCPT, 501, 1, 3},
	{"notify never", "RCPT TO:<a@b> NOTIFY=NEVER", ALL, false, SMTP_RCPT, 0},
	{"notify list", "RCPT TO:<a@b> NOTIFY=success,FAILURE,Delay", ALL, false, SMTP_RCPT, 0},
	{"notify never with more", "RCPT TO:<a@b> NOTIFY=NEVER,DELAY", ALL, false, SMTP_RCPT, 501,
		5, 4},
	{"notify empty item", "RCPT TO:<a@b> NOTIFY=DELAY,", ALL, false, SMTP_RCPT, 501, 5, 4},
	{"orcpt", "RCPT TO:<a@b> ORCPT=rfc822;Bob+2Bx@c", ALL, false, SMTP_RCPT, 0},
	{"orcpt utf-8", "RCPT TO:<a@b> ORCPT=utf-8;+E7+94+A8@c", ALL, false, SMTP_RCPT, 0},
	{"orcpt rfc822 above ASCII, as Postfix writes it", "RCPT TO:<a@b> ORCPT=rfc822;+E7+94+A8@c",
		ALL, false, SMTP_RCPT, 0},
	{"orcpt of another type above ASCII", "RCPT TO:<a@b> ORCPT=x400;+E7+94+A8@c", ALL, false,
		SMTP_RCPT, 501, 5, 4},
	{"orcpt rfc822, no UTF-8", "RCPT TO:<a@b> ORCPT=rfc822;+E7+94@c", ALL, false, SMTP_RCPT,
		501, 5, 4},
	{"orcpt utf-8 embedded line break", "RCPT TO:<a@b> ORCPT=utf-8;\\x{0A}@c", ALL, false,
		SMTP_RCPT, 501, 5, 4},
	{"orcpt utf-8 embedded surrogate", "RCPT TO:<a@b> ORCPT=utf-8;\\x{D800}@c", ALL, false,
		SMTP_RCPT, 501, 5, 4},
	{"orcpt utf-8 embedded beyond Unicode", "RCPT TO:<a@b> ORCPT=utf-8;\\x{110000}@c", ALL,
		false, SMTP_RCPT, 501, 5, 4},
	{"orcpt utf-8 embedded nothing", "RCPT TO:<a@b> ORCPT=utf-8;\\x{}@c", ALL, false, SMTP_RCPT,
		501, 5, 4},
	{"orcpt utf-8 cut off", "RCPT TO:<a@b> ORCPT=utf-8;@c\\x{41", ALL, false, SMTP_RCPT, 501, 5,
		4},
	{"orcpt utf-8 stray backslash", "RCPT TO:<a@b> ORCPT=utf-8;a\\b@c", ALL, false, SMTP_RCPT,
		501, 5, 4},
	{"orcpt line break", "RCPT TO:<a@b> ORCPT=rfc822;a+0D+0Ab", ALL, false, SMTP_RCPT, 501, 5,
		4},
	{"orcpt without type", "RCPT TO:<a@b> ORCPT=a@b", ALL, false, SMTP_RCPT, 501, 5, 4},
	{"orcpt empty", "RCPT TO:<a@b> ORCPT=rfc822;", ALL, false, SMTP_RCPT, 501, 5, 4},
	{"DSN not offered", "RCPT TO:<a@b> NOTIFY=NEVER", ALL & ~SMTP_DSN, false, SMTP_RCPT, 555, 5,
		4},
	{"utf-8 recipient", "RCPT TO:<用户@x>", ALL, true, SMTP_RCPT, 0},
	{"utf-8 recipient without SMTPUTF8", "RCPT TO:<用户@x>", ALL, false, SMTP_RCPT, 553, 6, 7},

	{"data", "DATA", ALL, false, SMTP_DATA, 0},
	{"data takes nothing", "DATA x", ALL, false, SMTP_DATA, 501, 5, 4},
	{"bdat", "BDAT 100", ALL, false, SMTP_BDAT, 0},
	{"bdat last", "BDAT 0 last", ALL, false, SMTP_BDAT, 0},
	{"bdat largest", "BDAT 18446744073709551615", ALL, false, SMTP_BDAT, 0},
	{"bdat overflow", "BDAT 18446744073709551616", ALL, false, SMTP_BDAT, 501, 5, 4},
	{"bdat negative", "BDAT -1", ALL, false, SMTP_BDAT, 501, 5, 4},
	{"bdat hex", "BDAT 0x10", ALL, false, SMTP_BDAT, 501, 5, 4},
	{"bdat nothing", "BDAT", ALL, false, SMTP_BDAT, 501, 5, 4},
	{"bdat other mark", "BDAT 1 FIRST", ALL, false, SMTP_BDAT, 501, 5, 4},
	{"bdat too many words", "BDAT 1 LAST x", ALL, false, SMTP_BDAT, 501, 5, 4},
	{"rset", "RSET", ALL, false, SMTP_RSET, 0},
	{"rset takes nothing", "RSET x", ALL, false, SMTP_RSET, 501, 5, 4},
	{"noop with text", "NOOP hello there", ALL, false, SMTP_NOOP, 0},
	{"quit", "QUIT", ALL, false, SMTP_QUIT, 0},
	{"vrfy", "VRFY alice", ALL, false, SMTP_VRFY, 0},
	{"vrfy nobody", "VRFY", ALL, false, SMTP_VRFY, 501, 5, 4},
	{"help", "HELP", ALL, false, SMTP_HELP, 0},
	{"starttls", "STARTTLS", ALL, false, SMTP_STARTTLS, 0},
	{"starttls takes nothing", "STARTTLS now", ALL, false, SMTP_STARTTLS, 501, 5, 4},
	{"unknown", "XYZZY", ALL, false, SMTP_VERB_UNKNOWN, 0},
	{"empty line", "", ALL, false, SMTP_VERB_UNKNOWN, 0},
	{"blank first", " NOOP", ALL, false, SMTP_VERB_UNKNOWN, 0},
	{"bare CR", "NOOP a\rb", ALL, false, SMTP_NOOP, 500, 5, 2},
	{"escape", "NOOP \x1b[2J", ALL, false, SMTP_NOOP, 500, 5, 2},
};

static void command_table(void **state)
{
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct command_case *c = &cases[i];
		struct smtp_command cmd;
		struct err e = {0};
		int rc = smtp_command_parse(
			a, span_str(c->line), c->features, c->is_utf8, &cmd, &e);

		if ((rc == 0) != (c->code == 0) || cmd.verb != c->verb)
			fail_msg("%s: %d %s %s", c->name, rc, smtp_verb_str(cmd.verb), e.text);
		if (rc < 0 &&
			(e.smtp != c->code || e.enh_class != 5 || e.enh_subject != c->subject ||
				e.enh_detail != c->detail))
			fail_msg("%s: %u 5.%u.%u %s", c->name, e.smtp, e.enh_subject, e.enh_detail,
				e.text);
	}
	arena_free(&a);
}

static void every_prefix_is_parsed_within_its_bounds(void **state)
{
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = strlen(cases[i].line);

		for (size_t n = 0; n <= len; n++) {
			char *copy = test_malloc(n + 1);
			struct smtp_command cmd;
			struct err e = {0};

			memcpy(copy, cases[i].line, n);
			if (smtp_command_parse(a, span_of(copy, n), ALL, true, &cmd, &e) < 0)
				assert_in_range(e.smtp, 500, 555);
			test_free(copy);
		}
		arena_reset(a);
	}
	arena_free(&a);
}

static void nul_is_refused(void **state)
{
	struct arena *a = arena_new();
	struct smtp_command cmd;
	struct err e = {0};

	assert_int_equal(smtp_command_parse(a, span_of("NOOP\0", 5), ALL, false, &cmd, &e), -1);
	assert_int_equal(e.smtp, 500);
	arena_free(&a);
}

static void fields_are_filled(void **state)
{
	struct arena *a = arena_new(), *other = arena_new();
	struct smtp_command c;
	struct smtp_mail m;
	struct smtp_rcpt r;

	assert_int_equal(smtp_command_parse(a,
				 SPAN("MAIL FROM:<@r:a@b.c> SIZE=77 BODY=BINARYMIME RET=FULL "
				      "ENVID=x+3Dy SMTPUTF8"),
				 ALL, false, &c, NULL),
		0);
	smtp_mail_copy(other, &c.mail, &m);
	assert_true(span_eq(m.from.whole, SPAN("a@b.c")));
	assert_true(span_eq(m.from.domain, SPAN("b.c")));
	assert_true(m.has_size && m.size == 77 && m.is_smtputf8);
	assert_int_equal(m.body, SMTP_BODY_BINARYMIME);
	assert_int_equal(m.ret, SMTP_RET_FULL);
	assert_true(span_eq(m.envid, SPAN("x=y")));

	assert_int_equal(smtp_command_parse(a,
				 SPAN("RCPT TO:<d@e> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Bob+2Bx@c"),
				 ALL, false, &c, NULL),
		0);
	smtp_rcpt_copy(other, &c.rcpt, &r);
	arena_free(&a);
	assert_true(span_eq(r.to.local, SPAN("d")));
	assert_true(span_eq(r.to.domain, SPAN("e")));
	assert_int_equal(r.notify, SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY);
	assert_true(span_eq(r.orcpt, SPAN("rfc822;Bob+x@c")));

	a = arena_new();
	assert_int_equal(smtp_command_parse(a, SPAN("BDAT 12 LAST"), ALL, false, &c, NULL), 0);
	assert_true(c.chunk_size == 12 && c.is_last_chunk);
	assert_int_equal(smtp_command_parse(a, SPAN("MAIL FROM:<>"), ALL, false, &c, NULL), 0);
	smtp_mail_copy(other, &c.mail, &m);
	assert_int_equal(m.from.whole.len, 0);
	assert_int_equal(smtp_command_parse(a, SPAN("EHLO mx.example "), ALL, false, &c, NULL), 0);
	assert_true(span_eq(c.domain, SPAN("mx.example")));
	arena_free(&a);
	arena_free(&other);
}

static void times_are_filled(void **state)
{
	static const struct {
		const char *line;
		struct smtp_mail want;
	} t[] = {
		{"BY=120;R", {.by_mode = 'R', .by_seconds = 120}},
		{"BY=+7;rt", {.by_mode = 'R', .by_seconds = 7, .by_trace = true}},
		{"BY=-30;N", {.by_mode = 'N', .by_seconds = -30}},
		{"HOLDFOR=3600", {.has_hold_for = true, .hold_for = 3600}},
		{"HOLDUNTIL=1970-01-02T00:00:00Z", {.has_hold_until = true, .hold_until = 86400}},
		{"HOLDUNTIL=1970-01-01T08:00:10.99+08:00",
			{.has_hold_until = true, .hold_until = 10}},
		{"HOLDUNTIL=2026-12-24T10:00:00-02:30",
			{.has_hold_until = true, .hold_until = 1798115400}},
		{"MT-PRIORITY=-7", {.has_priority = true, .priority = -7}},
		{"REQUIRETLS", {.is_requiretls = true}},
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct arena *a = arena_new();
		const struct smtp_mail *w = &t[i].want, *g;
		struct smtp_command c;

		assert_int_equal(smtp_command_parse(a,
					 span_str(arena_printf(a, "MAIL FROM:<a@b> %s", t[i].line)),
					 ALL, false, &c, NULL),
			0);
		g = &c.mail;
		if (g->by_mode != w->by_mode || g->by_seconds != w->by_seconds ||
			g->by_trace != w->by_trace || g->has_hold_for != w->has_hold_for ||
			g->has_hold_until != w->has_hold_until || g->hold_for != w->hold_for ||
			g->hold_until != w->hold_until || g->has_priority != w->has_priority ||
			g->priority != w->priority || g->is_requiretls != w->is_requiretls)
			fail_msg("%s: %c %lld %lld %lld %d", t[i].line, g->by_mode,
				(long long)g->by_seconds, (long long)g->hold_for,
				(long long)g->hold_until, g->priority);
		arena_free(&a);
	}
}

/* RFC 6533 section 3, and what Postfix makes of it */
static void orcpt_of_every_writing_is_one_address(void **state)
{
	static const struct {
		const char *written, *want;
	} t[] = {
		{"rfc822;Bob+2Bx@c", "rfc822;Bob+x@c"},
		{"utf-8;\\x{7528}\\x{6237}@c", "utf-8;用户@c"},
		{"UTF-8;\\x{1F4EE}\\x{2B}\\x{20}@c", "UTF-8;📮+ @c"},
		{"utf-8;用户@c", "utf-8;用户@c"},
		{"utf-8;+E7+94+A8@c", "utf-8;用@c"},
		{"rfc822;+E7+94+A8@c", "utf-8;用@c"},
		{"x400;\\x{7528}", "x400;\\x{7528}"},
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct arena *a = arena_new();
		struct smtp_command c;
		const char *line = arena_printf(a, "RCPT TO:<a@b> ORCPT=%s", t[i].written);

		assert_int_equal(smtp_command_parse(a, span_str(line), ALL, true, &c, NULL), 0);
		assert_string_equal(arena_str(a, c.rcpt.orcpt), t[i].want);
		arena_free(&a);
	}
}

static void xtext_is_an_identity(void **state)
{
	struct buf coded, back;
	char bytes[256];

	for (int i = 0; i < 256; i++)
		bytes[i] = (char)i;
	buf_init(&coded, 4096);
	buf_init(&back, 4096);
	smtp_xtext_encode(&coded, span_of(bytes, 256));
	assert_true(span_is_ascii(buf_span(&coded)));
	assert_int_equal(span_find(buf_span(&coded), ' '), -1);
	assert_int_equal(span_find(buf_span(&coded), '='), -1);
	assert_true(smtp_xtext_decode(&back, buf_span(&coded)));
	assert_true(span_eq(buf_span(&back), span_of(bytes, 256)));
	assert_false(smtp_xtext_decode(&back, SPAN("a+4")));
	assert_false(smtp_xtext_decode(&back, SPAN("a b")));
	assert_int_equal(buf_len(&back), 256);
	buf_fini(&coded);
	buf_fini(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_table),
		cmocka_unit_test(every_prefix_is_parsed_within_its_bounds),
		cmocka_unit_test(nul_is_refused),
		cmocka_unit_test(fields_are_filled),
		cmocka_unit_test(times_are_filled),
		cmocka_unit_test(orcpt_of_every_writing_is_one_address),
		cmocka_unit_test(xtext_is_an_identity),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
