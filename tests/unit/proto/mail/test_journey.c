#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "proto/mail/journey.h"

/* A hop as the topmost field has it: "from A ([a]) by B with ESMTPS for <c>; Mon, 23 Nov 2026 06:MM:SS" */
#define AT(time)            "; Mon, 23 Nov 2026 " time " +0000\r\n"
#define HOP(from, by, time) "Received: from " from " by " by " with ESMTPS" AT(time)

#define BAD_CLOCK                                                                                  \
	HOP("c.example ([192.0.2.3])", "d.example", "06:00:09")                                    \
	HOP("b.example ([192.0.2.2])", "c.example", "06:00:05")                                    \
	HOP("a.example ([192.0.2.1])", "b.example", "07:00:03")                                    \
	HOP("[203.0.113.9]", "a.example", "06:00:00")

static const struct {
	const char *name, *header, *trust;
	const char *out; /* of each hop, oldest first: by, delay, remarks, "+" when trusted */
	const char *summary;
} cases[] = {
	{"in order",
		HOP("b.example (b.example [192.0.2.2])", "c.example", "06:01:02")
			HOP("[203.0.113.9]", "b.example", "06:00:00"),
		"", "b.example -; c.example 62 +;",
		"2 hops, 1 min 2 s, all with TLS, slowest: c.example (1 min 2 s)"},
	{"from the Date field on",
		HOP("[203.0.113.9]", "b.example",
			"06:00:07") "Date: Mon, 23 Nov 2026 07:00:00 +0100\r\n",
		"", "b.example w7 +;", "1 hop, all with TLS"},
	{"one clock ahead", BAD_CLOCK, "",
		"a.example -; b.example - clock-wrong skew=3598; c.example 5 negative-delay; "
		"d.example 4 +;",
		"4 hops, 9 s, all with TLS, slowest: c.example (5 s)"},
	{"one clock behind",
		HOP("b.example ([192.0.2.2])", "c.example", "06:00:05")
			HOP("a.example ([192.0.2.1])", "b.example", "05:00:03")
				HOP("[203.0.113.9]", "a.example", "06:00:00"),
		"",
		"a.example -; b.example - negative-delay clock-wrong skew=-3597; c.example 5 +;",
		"3 hops, 5 s, all with TLS, slowest: c.example (5 s)"},
	{"a second back is noise",
		HOP("a.example ([192.0.2.1])", "b.example", "06:00:00")
			HOP("[203.0.113.9]", "a.example", "06:00:01"),
		"", "a.example -; b.example 0 negative-delay +;", "2 hops, 0 s, all with TLS"},
	{"of two that disagree the nearer is right",
		HOP("a.example ([192.0.2.1])", "b.example", "06:00:00")
			HOP("[203.0.113.9]", "a.example", "08:00:00"),
		"", "a.example - clock-wrong skew=7200 future; b.example - negative-delay +;",
		"2 hops, all with TLS"},
	{"no date",
		HOP("b.example ([192.0.2.2])", "c.example",
			"06:00:09") "Received: from a.example ([192.0.2.1]) by b.example with SMTP\r\n"
				    "Received: from [203.0.113.9] by a.example with ESMTPS; some day\r\n" HOP(
					    "[203.0.113.9]", "z.example", "06:00:00"),
		"",
		"z.example -; a.example - no-date; b.example - no-date; "
		"c.example 9 +;",
		"4 hops, 9 s, all but 1 with TLS, slowest: c.example (9 s)"},
	{"the future", HOP("[203.0.113.9]", "b.example", "23:59:59"), "", "b.example - future +;",
		"1 hop, all with TLS"},
	{"a loop",
		"Received: from b.example ([192.0.2.2]) by a.example with ESMTPS for <x@a.example>" AT("06:00:02") "Received: from a.example ([192.0.2.1]) by b.example with ESMTPS for <x@b.example>" AT(
			"06:00:01") "Received: from [203.0.113.9] by a.example with ESMTPS for <x@a.example>" AT("06:00:00"),
		"", "a.example -; b.example 1; a.example 1 loop=1 +;",
		"3 hops, 2 s, all with TLS, slowest: b.example (1 s)"},
	{"a filter that gives back is none",
		"Received: from localhost (localhost [127.0.0.1]) by a.example with ESMTP for <x@a.example>" AT("06:00:02") "Received: from a.example ([127.0.0.1]) by localhost with ESMTP for <x@a.example>" AT(
			"06:00:01") "Received: from b.example ([192.0.2.2]) by a.example with ESMTPS for <x@a.example>" AT("06:00:00"),
		"", "a.example - +; localhost 1 +; a.example 1 +;",
		"3 hops, 2 s, all with TLS, slowest: localhost (1 s)"},
	{"the chain is broken",
		HOP("b.example (b.example [192.0.2.2])", "c.example", "06:00:02")
			HOP("x.example ([192.0.2.9])", "bank.example", "06:00:00"),
		"", "bank.example -; c.example 2 chain-break +;",
		"2 hops, 2 s, all with TLS, slowest: c.example (2 s)"},
	{"names of one site are no break",
		HOP("out5.mail.b.co.uk (out5.mail.b.co.uk [192.0.2.2])", "c.example", "06:00:02")
			HOP("[203.0.113.9]", "smtp.b.co.uk", "06:00:00"),
		"", "smtp.b.co.uk -; c.example 2 +;",
		"2 hops, 2 s, all with TLS, slowest: c.example (2 s)"},
	{"two sites under one second level are two",
		HOP("out.a.co.uk (out.a.co.uk [192.0.2.2])", "c.example", "06:00:02")
			HOP("[203.0.113.9]", "smtp.b.co.uk", "06:00:00"),
		"", "smtp.b.co.uk -; c.example 2 chain-break +;",
		"2 hops, 2 s, all with TLS, slowest: c.example (2 s)"},
	{"a name that its address does not have",
		HOP("bank.example (dsl-9.isp.example [203.0.113.9])", "c.example", "06:00:02"), "",
		"c.example - name-mismatch +;", "1 hop, all with TLS"},
	{"who logs in may call himself anything",
		"Received: from bank.example (dsl-9.isp.example [203.0.113.9]) by c.example with ESMTPSA" AT(
			"06:00:02"),
		"", "c.example - +;", "1 hop, all with TLS"},
	{"a login in clear",
		"Received: from me ([203.0.113.9]) by c.example with ESMTPA" AT("06:00:02"), "",
		"c.example - login-in-clear +;", "1 hop, none with TLS"},
	{"no name, and may be forged",
		"Received: from a.example (x.example [192.0.2.1] (may be forged)) by b.example with SMTP" AT(
			"06:00:02") "Received: from a.example (unknown [192.0.2.1]) by a.example with SMTP" AT("06:00:02"),
		"", "a.example - no-reverse-name; b.example 0 name-mismatch may-be-forged +;",
		"2 hops, 0 s, none with TLS"},
	{"a private address between sites",
		HOP("b.example (b.example [10.0.0.5])", "c.example", "06:00:02")
			HOP("[203.0.113.9]", "b.example", "06:00:00"),
		"", "b.example -; c.example 2 private-address +;",
		"2 hops, 2 s, all with TLS, slowest: c.example (2 s)"},
	{"trust by name and by network",
		HOP("c.example (c.example [192.0.2.3])", "d.example", "06:00:03")
			HOP("b.example ([192.0.2.2])", "c.example", "06:00:02")
				HOP("a.example ([192.0.2.1])", "b.example", "06:00:01")
					HOP("[203.0.113.9]", "a.example", "06:00:00"),
		"c.example,192.0.2.2/32,b.example",
		"a.example -; b.example 1 +; c.example 1 +; d.example 1 +;",
		"4 hops, 3 s, all with TLS, slowest: b.example (1 s)"},
	{"a name that the peer only says earns no trust",
		HOP("c.example (evil.example [192.0.2.66])", "d.example", "06:00:03")
			HOP("[203.0.113.9]", "c.example", "06:00:00"),
		"c.example", "c.example -; d.example 3 name-mismatch +;",
		"2 hops, 3 s, all with TLS, slowest: d.example (3 s)"},
	{"our name below a stranger earns no trust",
		HOP("b.example (b.example [192.0.2.3])", "d.example", "06:00:03")
			HOP("[203.0.113.9]", "d.example", "06:00:00"),
		"", "d.example -; d.example 3 chain-break +;",
		"2 hops, 3 s, all with TLS, slowest: d.example (3 s)"},
	{"not travelled", "Subject: x\r\n", "", "", "no Received fields: it has not travelled"},
};

static void describe(struct buf *b, const struct journey *j)
{
	for (size_t i = 0; i < j->hop_count; i++) {
		const struct journey_hop *h = &j->hops[i];

		buf_printf(b, "%s" SPAN_FMT " ", i ? " " : "", SPAN_ARG(h->r.by));
		if (h->has_delay)
			buf_printf(b, "%s%lld", h->is_since_written ? "w" : "",
				(long long)h->delay_sec);
		else
			buf_char(b, '-');
		for (unsigned k = 0; k < JOURNEY_REMARK_COUNT; k++) {
			if (!journey_has(h, (enum journey_remark)k))
				continue;
			buf_printf(b, " %s", journey_remark_name((enum journey_remark)k));
			if (k == JOURNEY_LOOP)
				buf_printf(b, "=%zu", h->loop_with + 1);
			if (k == JOURNEY_CLOCK)
				buf_printf(b, " skew=%lld", (long long)h->skew_sec);
		}
		buf_str(b, h->is_trusted ? " +;" : ";");
	}
}

static void read_case(struct arena *a, size_t i, struct journey *j)
{
	struct journey_options o = {.now_sec = 1795415400 + 3600}; /* 2026-11-23 07:30 UTC */
	struct span trust[8], rest = span_str(cases[i].trust);

	o.trust = trust;
	while (rest.len)
		span_cut(rest, ',', &trust[o.trust_count++], &rest);
	assert_true(journey_read(a, span_str(cases[i].header), &o, j));
}

static void behaviour_85_delays_clocks_loops_forgeries_and_trust(void **state)
{
	bool is_well = true;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct journey *j = ARENA_NEW(a, struct journey);
		struct buf b;

		read_case(a, i, j);
		buf_init(&b, 65536);
		describe(&b, j);
		if (!span_eq(buf_span(&b), span_str(cases[i].out))) {
			print_message("%s: %s\n", cases[i].name, buf_cstr(&b));
			is_well = false;
		}
		buf_clear(&b);
		journey_summary_put(&b, j);
		if (!span_eq(buf_span(&b), span_str(cases[i].summary))) {
			print_message("%s: %s\n", cases[i].name, buf_cstr(&b));
			is_well = false;
		}
		buf_fini(&b);
		arena_free(&a);
	}
	assert_true(is_well);
}

static const char whole[] =
	"Return-Path: <alice@example.org>\r\n"
	"Delivered-To: list@example.net\r\n"
	"X-Original-To: bob@example.net\r\n" HOP("b.example (b.example [192.0.2.2])",
		"mx.example.net",
		"06:00:05") "Delivered-To: <list@example.net>\r\n"
			    "Authentication-Results: mx.example.net (Yizhan) 1;\r\n"
			    "\tdkim=pass (2048; bit) header.d=example.org header.s=s1;\r\n"
			    "\tspf=softfail reason=\"not ours; at all\" smtp.mailfrom=alice@example.org\r\n"
			    "Received-SPF: pass (mx: x) client-ip=192.0.2.2; envelope-from=\"alice@example.org\";\r\n"
			    "\treceiver=other.example;\r\n" HOP("[203.0.113.9]", "b.example",
				    "06:00:00") "Authentication-Results: mx.example.net; dkim=pass header.d=bank.example\r\n"
						"Authentication-Results: spf=none smtp.helo=x\r\n"
						"X-Received: by 192.0.2.1 with SMTP id a; Mon, 23 Nov 2026 06:00:00 +0000\r\n"
						"ARC-Seal: i=2; cv=pass\r\nARC-Seal: i=1; cv=none\r\n"
						"ARC-Authentication-Results: i=1; x; spf=pass\r\n"
						"DKIM-Signature: v=1; a=rsa-sha256; d=example.org;\r\n\ts=s1; b=abc\r\n"
						"DKIM-Signature: d = esp.example ; s=k\r\n"
						"Message-ID: <1@example.org>\r\nFrom: =?utf-8?q?=C3=84?= <a@example.org>\r\n"
						"To: bob@example.net\r\nSubject: one\r\n two\r\nDate: Mon, 23 Nov 2026 06:59:59 +0100\r\n\r\nReceived: no\r\n";

static void fields_beside_received(void **state)
{
	struct arena *a = arena_new();
	struct journey *j = ARENA_NEW(a, struct journey);
	struct journey_options o = {0};

	assert_true(journey_read(a, span_str(whole), &o, j));
	assert_int_equal(j->hop_count, 2);
	assert_true(span_eq(j->delivered_twice, SPAN("list@example.net")));
	assert_true(j->is_loop);
	assert_true(span_eq(j->return_path, SPAN("<alice@example.org>")));
	assert_true(span_eq(j->original_to, SPAN("bob@example.net")));
	assert_true(span_eq(j->message_id, SPAN("<1@example.org>")));
	assert_true(span_eq(j->subject, SPAN("one two")));
	assert_true(span_eq(j->from, SPAN("Ä <a@example.org>")));
	assert_true(j->has_date && j->hops[0].is_since_written && j->hops[0].delay_sec == 1);
	assert_int_equal(j->x_received, 1);
	assert_int_equal(j->arc_seals, 2);
	assert_int_equal(j->arc_results, 1);
	assert_int_equal(j->signature_count, 2);
	assert_true(span_eq(j->signatures[0].domain, SPAN("example.org")));
	assert_true(span_eq(j->signatures[0].selector, SPAN("s1")));
	assert_true(span_eq(j->signatures[1].domain, SPAN("esp.example")));
	arena_free(&a);
}

static void results_of_authentication(void **state)
{
	static const struct {
		const char *server, *method, *result, *detail, *reason;
		size_t field, item;
		bool is_spf, is_trusted;
	} want[] = {
		{"mx.example.net", "dkim", "pass", "example.org", "", 0, 0, false, true},
		{"mx.example.net", "spf", "softfail", "alice@example.org", "not ours; at all", 0, 1,
			false, true},
		{"other.example", "spf", "pass", "alice@example.org", "", 1, 0, true, false},
		/* below the first claim nothing is believed, whatever name it bears */
		{"mx.example.net", "dkim", "pass", "bank.example", "", 2, 0, false, false},
		{"", "spf", "none", "x", "", 3, 0, false, false},
	};
	struct arena *a = arena_new();
	struct journey *j = ARENA_NEW(a, struct journey);
	struct journey_options o = {0};

	assert_true(journey_read(a, span_str(whole), &o, j));
	assert_int_equal(j->auth_count, 4);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		const struct journey_auth *auth = &j->auth[want[i].field];
		const struct journey_verdict *v = &auth->items[want[i].item];

		if (want[i].item >= auth->count || auth->is_spf != want[i].is_spf ||
			auth->is_trusted != want[i].is_trusted ||
			!span_eq(auth->server, span_str(want[i].server)) ||
			!span_eq(v->method, span_str(want[i].method)) ||
			!span_eq(v->result, span_str(want[i].result)) ||
			!span_eq(v->detail, span_str(want[i].detail)) ||
			!span_eq(v->reason, span_str(want[i].reason)))
			fail_msg("%zu: " SPAN_FMT " " SPAN_FMT " " SPAN_FMT " " SPAN_FMT, i,
				SPAN_ARG(auth->server), SPAN_ARG(v->method), SPAN_ARG(v->result),
				SPAN_ARG(v->detail));
	}
	arena_free(&a);
}

static void durations_in_words(void **state)
{
	static const struct {
		int64_t sec;
		const char *text;
	} want[] = {{0, "0 s"}, {59, "59 s"}, {60, "1 min"}, {252, "4 min 12 s"},
		{3600, "1 h 0 min"}, {-90, "1 min 30 s"}, {90000, "1 d 1 h"},
		{INT64_MIN + 1, "106751991167300 d 15 h"}};

	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		struct buf b;

		buf_init(&b, 100);
		journey_duration_put(&b, want[i].sec);
		assert_string_equal(buf_cstr(&b), want[i].text);
		buf_fini(&b);
	}
}

/* 10^5 fields, a field of a megabyte, results without end: bounded in time and memory. */
static void bombs_end_within_their_budgets(void **state)
{
	static const struct {
		const char *first, *again;
		size_t times;
		bool is_loop;
	} bombs[] = {
		{"", "Received: from a.example ([192.0.2.1]) by b.example for <x@y>; Mon, 23 Nov 2026 06:00:00 +0000\r\n",
			100000, true},
		{"", "Received:\r\n", 100000, true},
		{"Received: from x (", "(", 1 << 20, false},
		{"Authentication-Results: x", "; dkim=pass header.d=x", 50000, false},
		{"", "Authentication-Results: x; a=b\r\n", 100000, false},
		{"", "Delivered-To: x\r\n", 100000, false},
		{"DKIM-Signature: ", "a=b;", 1 << 18, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(bombs); i++) {
		struct arena *a = arena_new();
		struct journey *j = ARENA_NEW(a, struct journey);
		struct journey_options o = {0};
		int64_t begin = clock_mono_ns();
		struct buf b;

		buf_init(&b, 32 << 20);
		buf_str(&b, bombs[i].first);
		for (size_t k = 0; k < bombs[i].times; k++)
			buf_str(&b, bombs[i].again);
		assert_true(buf_ok(&b));
		assert_true(journey_read(a, buf_span(&b), &o, j));
		assert_true(j->hop_count <= JOURNEY_HOPS_MAX);
		assert_int_equal(j->is_loop, bombs[i].is_loop);
		assert_true(arena_used(a) < 32 << 20);
		if (clock_mono_ns() - begin > 2 * CLOCK_SEC)
			fail_msg("bomb %zu: %d ms", i, (int)((clock_mono_ns() - begin) / CLOCK_MS));
		buf_fini(&b);
		arena_free(&a);
	}
}

static void what_is_no_message(void **state)
{
	static const char *const texts[] = {"", "\r\n", "hello world\r\n", "\r\nReceived: x"};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct arena *a = arena_new();
		struct journey *j = ARENA_NEW(a, struct journey);
		struct journey_options o = {0};

		assert_false(journey_read(a, span_str(texts[i]), &o, j));
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaviour_85_delays_clocks_loops_forgeries_and_trust),
		cmocka_unit_test(fields_beside_received),
		cmocka_unit_test(results_of_authentication),
		cmocka_unit_test(durations_in_words),
		cmocka_unit_test(bombs_end_within_their_budgets),
		cmocka_unit_test(what_is_no_message),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
