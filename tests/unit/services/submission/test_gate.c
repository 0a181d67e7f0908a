/* The header of what is submitted: whole, byte by byte and at random cuts the same. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "services/submission/submission_priv.h"

static const struct submission_policy policy = {.hostname = "mx.our.example", .separator = '+'};
static const struct submission_policy one_author = {
	.hostname = "mx.our.example", .authors = SUBMISSION_AUTHORS_ONE};
static const struct submission_user alice = {
	.account_id = 1, .address = SPAN("alice@our.example"), .name = SPAN("Alice \"A\" Foo")};
static const struct submission_user root = {.login = SPAN("root"),
	.address = SPAN("root@mx.our.example"),
	.name = SPAN("系统"),
	.qualify = SPAN("mx.our.example")};

static int may(void *arg, struct span address, struct err *e)
{
	(void)arg;
	if (span_eq_nocase(address, SPAN("alice@our.example")) ||
		span_starts_nocase(address, SPAN("alice+")) ||
		span_eq_nocase(address, SPAN("team@our.example")) ||
		span_eq_nocase(address, SPAN("root@mx.our.example")))
		return 0;
	err_set(e, ERR_DENIED, "not yours");
	return err_smtp(e, 550, 5, 7, 1);
}

/* 1 to 7, the same in every run. */
static size_t next_cut(void)
{
	static uint32_t state = 1;

	state = state * 1103515245 + 12345;
	return 1 + (state >> 16) % 7;
}

/* What the gate makes of a message in pieces of `cut` octets (0: at random); false: refused. */
static bool pass(const struct submission_gate_opts *opts, struct span in, size_t cut,
	struct buf *out, struct err *e)
{
	struct arena *a = arena_new();
	struct submission_gate *g = submission_gate_new(a, opts);
	struct span header, rest;
	bool is_ended = false, is_good = true;

	while (is_good && (in.len || !is_ended)) {
		struct span piece = span_sub(in, 0, cut ? cut : next_cut());
		size_t taken = 0;

		if (!is_ended)
			is_good = submission_gate_feed(g, piece, &taken, e) == 0;
		if (is_good && !is_ended && (submission_gate_is_done(g) || !in.len)) {
			is_ended = true;
			is_good = submission_gate_end(g, &header, &rest, e) == 0;
			if (is_good) {
				buf_span_put(out, header);
				buf_span_put(out, rest);
			}
		}
		if (is_good && is_ended)
			buf_span_put(out, span_skip(piece, taken));
		in = span_skip(in, piece.len);
	}
	submission_gate_free(&g);
	arena_free(&a);
	return is_good;
}

#define ID   "Date: Mon, 23 Nov 2026 16:00:00 +0000\r\nMessage-ID: <x@our.example>\r\n"
#define FROM "From: alice@our.example\r\n"

struct gate_case {
	const char *name, *in;
	const char *out; /* NULL: refused */
	unsigned detail; /* of 5.6.x; 71: 5.7.1 */
	bool is_utf8, is_root, is_one;
};

static const struct gate_case cases[] = {
	/* what is allowed goes through as it is */
	{"whole", FROM ID "\r\nbody\r\n", FROM ID "\r\nbody\r\n", 0},
	{"a name", "From: Alice Q. Foo <alice@our.example>\r\n" ID "\r\n",
		"From: Alice Q. Foo <alice@our.example>\r\n" ID "\r\n", 0},
	{"a quoted name", "From: \"Foo, Alice\" <ALICE@Our.Example>\r\n" ID "\r\n",
		"From: \"Foo, Alice\" <ALICE@Our.Example>\r\n" ID "\r\n", 0},
	{"the name is the address", "From: \"alice@our.example\" <alice@our.example>\r\n" ID "\r\n",
		"From: \"alice@our.example\" <alice@our.example>\r\n" ID "\r\n", 0},
	{"a simple comment", "From: alice@our.example (Alice, at work)\r\n" ID "\r\n",
		"From: alice@our.example (Alice, at work)\r\n" ID "\r\n", 0},
	{"folded", "From: Alice\r\n Foo\r\n\t<alice@our.example>\r\n" ID "\r\n",
		"From: Alice\r\n Foo\r\n\t<alice@our.example>\r\n" ID "\r\n", 0},
	{"an encoded name", "From: =?utf-8?q?=E7=88=B1?= <alice@our.example>\r\n" ID "\r\n",
		"From: =?utf-8?q?=E7=88=B1?= <alice@our.example>\r\n" ID "\r\n", 0},
	{"UTF-8 that was asked for", "From: 爱 <alice@our.example>\r\n" ID "\r\n",
		"From: 爱 <alice@our.example>\r\n" ID "\r\n", 0, .is_utf8 = true},
	{"a verdict in our name",
		FROM ID "Authentication-Results: MX.our.example; dkim=pass\r\n"
			"Authentication-Results: (x)\r\n \"mx.our.example\" 1; spf=pass\r\n"
			"Authentication-Results: other.example; spf=pass\r\n\r\n",
		FROM ID "Authentication-Results: other.example; spf=pass\r\n\r\n", 0},
	{"a verdict in our name behind a comment",
		FROM ID "Authentication-Results: (;) mx.our.example; spf=pass\r\n\r\n",
		FROM ID "\r\n", 0},
	{"a verdict in our name, quoted",
		FROM ID "Authentication-Results: \"mx.our.e\\xample\"; spf=pass\r\n\r\n",
		FROM ID "\r\n", 0},
	{"lines of blanks", FROM ID "Subject: a\r\n \r\n b\r\n\t \r\n\r\nx",
		FROM ID "Subject: a\r\n b\r\n\r\nx", 0},
	/* no header */
	{"only a body", "hello\r\nFrom: x@y\r\n\r\nz",
		"From: \"Alice \\\"A\\\" Foo\" <alice@our.example>\r\n"
		"Date: Mon, 23 Nov 2026 16:00:00 +0000\r\n"
		"Message-ID: <0000000000001.0000000000002@our.example>\r\n\r\nhello\r\nFrom: x@y\r\n\r\nz",
		0},
	{"nothing at all", "",
		"From: \"Alice \\\"A\\\" Foo\" <alice@our.example>\r\n"
		"Date: Mon, 23 Nov 2026 16:00:00 +0000\r\n"
		"Message-ID: <0000000000001.0000000000002@our.example>\r\n\r\n",
		0},
	{"only a header", FROM ID, FROM ID "\r\n", 0},
	{"an end within the last line", ID "From: alice@our.example", ID FROM "\r\n", 0},
	/* somebody else */
	{"somebody else", "From: boss@our.example\r\n" ID "\r\n", NULL, 71},
	{"somebody else beside", "From: alice@our.example, boss@our.example\r\n" ID "\r\n", NULL,
		71},
	{"somebody else as Sender", FROM "Sender: boss@our.example\r\n" ID "\r\n", NULL, 71},
	{"somebody else sent it on", FROM "Resent-From: boss@our.example\r\n" ID "\r\n", NULL, 71},
	{"the second one that sent it on is somebody else",
		"Resent-From: alice@our.example\r\n" FROM "RESENT-Sender: b@c\r\n" ID "\r\n", NULL,
		71},
	{"a name like an address", "From: \"boss@our.example\" <alice@our.example>\r\n" ID "\r\n",
		NULL, 71},
	{"a name like an address, encoded",
		"From: =?utf-8?q?boss=40our=2Eexample?= <alice@our.example>\r\n" ID "\r\n", NULL,
		71},
	{"a name like an address, in base64",
		"From: =?utf-8?b?Ym9zc0BvdXIuZXhhbXBsZQ==?= <alice@our.example>\r\n" ID "\r\n",
		NULL, 71},
	{"its own address with more around it",
		"From: \"alice@our.example.evil\" <alice@our.example>\r\n" ID "\r\n", NULL, 71},
	{"a name with brackets", "From: \"x <y\" <alice@our.example>\r\n" ID "\r\n", NULL, 71},
	{"a wide sign for at", "From: boss＠our.example <alice@our.example>\r\n" ID "\r\n", NULL,
		71, .is_utf8 = true},
	{"a charset that nobody knows", "From: =?x-no?q?a?= <alice@our.example>\r\n" ID "\r\n",
		NULL, 71},
	{"two authors where one is allowed",
		"From: alice@our.example, team@our.example\r\n" ID "\r\n", NULL, 0, .is_one = true},
	{"no domain", "From: alice\r\n" ID "\r\n", NULL, 0},
	/* malformed */
	{"two From", FROM FROM ID "\r\n", NULL, 0},
	{"two Subject", FROM ID "Subject: a\r\nSUBJECT: b\r\n\r\n", NULL, 0},
	{"two Content-Type", FROM ID "Content-Type: a/b\r\nContent-Type: a/c\r\n\r\n", NULL, 0},
	{"an empty From", "From:\r\n" ID "\r\n", NULL, 0},
	{"a group", "From: Team: alice@our.example;\r\n" ID "\r\n", NULL, 0},
	{"a route", "From: <@x,@y:alice@our.example>\r\n" ID "\r\n", NULL, 0},
	{"a quoted local part", "From: \"alice\"@our.example\r\n" ID "\r\n", NULL, 0},
	{"blanks within", "From: alice @our.example\r\n" ID "\r\n", NULL, 0},
	{"a comment within", "From: <alice(x)@our.example>\r\n" ID "\r\n", NULL, 0},
	{"a comment with an address", "From: alice@our.example (boss@our.example)\r\n" ID "\r\n",
		NULL, 0},
	{"nested comments", "From: alice@our.example (a (b) c)\r\n" ID "\r\n", NULL, 0},
	{"an address without brackets as a name", "From: b@c <alice@our.example>\r\n" ID "\r\n",
		NULL, 0},
	{"an encoded word within its own sub-address",
		"From: alice+=?utf-8?b?Ym9zc0Bvd"
		"XIuZXhhbXBsZQ==?=@our.example\r\n" ID "\r\n",
		NULL, 0},
	{"an encoded word within brackets",
		"From: Alice <alice+=?utf-8?q?=3Cboss=40our.example=3E?=@our.example>\r\n" ID
		"\r\n",
		NULL, 0},
	{"two brackets", "From: <alice@our.example> <b@c>\r\n" ID "\r\n", NULL, 0},
	{"an empty element", "From: alice@our.example,,team@our.example\r\n" ID "\r\n", NULL, 0},
	{"a comma at the end", "From: alice@our.example,\r\n" ID "\r\n", NULL, 0},
	{"a domain literal", "From: alice@[127.0.0.1]\r\n" ID "\r\n", NULL, 0},
	{"a dot at the end", "From: alice@our.example.\r\n" ID "\r\n", NULL, 0},
	{"an encoded line end", "From: =?utf-8?q?a=0D=0Ab?= <alice@our.example>\r\n" ID "\r\n",
		NULL, 0},
	{"a blank before the colon", "From : alice@our.example\r\n" ID "\r\n", NULL, 0},
	{"no colon", FROM ID "Subject x\r\n\r\n", NULL, 0},
	{"no colon behind one field", "A: b\r\nhello\r\n\r\n", NULL, 0},
	{"a bare LF", FROM ID "Subject: a\nFrom: b@c\r\n\r\n", NULL, 11},
	{"a bare LF that ends it", FROM ID "\n\r\n", NULL, 11},
	{"a bare CR", FROM ID "Subject: a\rFrom: b@c\r\n\r\n", NULL, 11},
	{"a vertical tab", FROM ID "Subject: a\vFrom: b@c\r\n\r\n", NULL, 0},
	{"8-bit that was not asked for", FROM ID "Subject: \303\244\r\n\r\n", NULL, 7},
	{"8-bit that is no UTF-8", FROM ID "Subject: \344\r\n\r\n", NULL, 7, .is_utf8 = true},
	{"a next line in UTF-8", FROM ID "Subject: \302\205\r\n\r\n", NULL, 0, .is_utf8 = true},
};

static struct submission_gate_opts opts_of(const struct gate_case *c)
{
	return (struct submission_gate_opts){.policy = c->is_one ? &one_author : &policy,
		.user = c->is_root ? &root : &alice,
		.is_smtputf8 = c->is_utf8,
		.wall_sec = 1795449600,
		.random = {1, 2},
		.may = may};
}

static void check(const struct gate_case *c, size_t cut)
{
	struct submission_gate_opts opts = opts_of(c);
	struct err e = {0};
	struct buf out;

	buf_init(&out, 65536);
	bool is_good = pass(&opts, span_str(c->in), cut, &out, &e);

	if (is_good != !!c->out)
		fail_msg("%s, in pieces of %zu: %s " SPAN_FMT, c->name, cut,
			is_good ? "accepted" : e.text, SPAN_ARG(buf_span(&out)));
	if (c->out && !span_eq(buf_span(&out), span_str(c->out)))
		fail_msg(
			"%s, in pieces of %zu:\n" SPAN_FMT, c->name, cut, SPAN_ARG(buf_span(&out)));
	if (!c->out &&
		(e.smtp != 550 || e.enh_subject != (c->detail == 71 ? 7 : 6) ||
			e.enh_detail != (c->detail == 71 ? 1 : c->detail)))
		fail_msg("%s: %u %u.%u.%u %s", c->name, e.smtp, e.enh_class, e.enh_subject,
			e.enh_detail, e.text);
	buf_fini(&out);
}

static void a_header_is_checked_and_made_whole_in_any_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		check(&cases[i], 100000);
		check(&cases[i], 1);
		for (int n = 0; n < 5; n++)
			check(&cases[i], 0);
	}
}

static void nul_in_the_header_is_refused_and_in_the_body_it_stays(void **state)
{
	static const struct span bad = SPAN("From: alice@our.example\0 <x@y>\r\n" ID "\r\n");
	static const struct span good = SPAN(FROM ID "\r\na\0b\n\r\377");
	struct submission_gate_opts opts = opts_of(&cases[0]);
	struct err e = {0};
	struct buf out;

	(void)state;
	buf_init(&out, 65536);
	assert_false(pass(&opts, bad, 100000, &out, &e));
	assert_int_equal(e.smtp, 550);
	buf_clear(&out);
	assert_true(pass(&opts, good, 3, &out, &e));
	assert_true(span_eq(buf_span(&out), good));
	buf_fini(&out);
}

/* `line` again and again, up to `octets`. */
static void fill(struct buf *b, const char *line, size_t octets)
{
	while (buf_len(b) + strlen(line) <= octets)
		buf_str(b, line);
}

static void what_is_too_large_is_refused_with_its_own_code(void **state)
{
	struct submission_gate_opts opts = opts_of(&cases[0]);
	struct err e = {0};
	struct buf in, out;

	(void)state;
	buf_init(&in, SUBMISSION_HEADER_MAX * 2);
	buf_init(&out, SUBMISSION_HEADER_MAX * 4);
	buf_str(&in, FROM ID);
	fill(&in, "X: 123456789 123456789 123456789 123456789 123456789\r\n",
		SUBMISSION_HEADER_MAX - 10);
	buf_str(&in, "\r\nbody");
	assert_true(pass(&opts, buf_span(&in), 1000, &out, &e));
	assert_true(span_eq(buf_span(&in), buf_span(&out)));
	buf_clear(&in);
	fill(&in, "X: 123456789 123456789 123456789 123456789 123456789\r\n",
		SUBMISSION_HEADER_MAX + 1000);
	assert_false(pass(&opts, buf_span(&in), 1000, &out, &e));
	assert_int_equal(e.smtp, 552);
	buf_clear(&in);
	buf_str(&in, FROM ID "Subject: ");
	fill(&in, "x", 2000);
	buf_str(&in, "\r\n\r\n");
	assert_false(pass(&opts, buf_span(&in), 1000, &out, &e));
	assert_int_equal(e.smtp, 550);
	buf_fini(&out);
	buf_fini(&in);
}

static void rates_are_counted_by_account_and_given_back(void **state)
{
	struct submission_rates *r = submission_rates_new();
	struct gcra_rate rate = {.count = 10, .period_ns = 10000, .burst = 2};

	(void)state;
	assert_int_equal(submission_rates_take(r, 7, SUBMISSION_MESSAGES, &rate, 50), 0);
	assert_int_equal(submission_rates_take(r, 7, SUBMISSION_MESSAGES, &rate, 50), 0);
	assert_int_equal(submission_rates_take(r, 7, SUBMISSION_MESSAGES, &rate, 50), 1000);
	assert_int_equal(submission_rates_take(r, 8, SUBMISSION_MESSAGES, &rate, 50), 0);
	assert_int_equal(submission_rates_take(r, 7, SUBMISSION_RECIPIENTS, &rate, 50), 0);
	assert_int_equal(submission_rates_busy(r, 50), 2);
	submission_rates_give(r, 7, SUBMISSION_MESSAGES, &rate, 1);
	assert_int_equal(submission_rates_take(r, 7, SUBMISSION_MESSAGES, &rate, 50), 0);
	assert_true(submission_rates_take(r, 7, SUBMISSION_MESSAGES, &rate, 50) > 0);
	/* more accounts than there are places: those that still have something to lose stay longest */
	for (uint64_t i = 1000; i < 1000 + 2 * SUBMISSION_RATES; i++)
		submission_rates_take(r, i, SUBMISSION_MESSAGES, &rate, 50);
	assert_true(submission_rates_busy(r, 50) <= SUBMISSION_RATES);
	assert_int_equal(submission_rates_busy(r, 100000), 0);
	submission_rates_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_header_is_checked_and_made_whole_in_any_cut),
		cmocka_unit_test(nul_in_the_header_is_refused_and_in_the_body_it_stays),
		cmocka_unit_test(what_is_too_large_is_refused_with_its_own_code),
		cmocka_unit_test(rates_are_counted_by_account_and_given_back),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("services/submission/gate", tests, NULL, NULL);
}
