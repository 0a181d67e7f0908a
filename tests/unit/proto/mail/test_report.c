#include "mime_test.h"

#include "proto/mail/mail_report.h"

#define CRLF "\r\n"

static const char dsn_text[] =
	"Reporting-MTA: dns; mx.example.org" CRLF "Original-Envelope-Id: QQ314159" CRLF
	"Received-From-MTA: dns;client.example (192.0.2.1)" CRLF
	"Arrival-Date: Mon, 23 Nov 2026 06:30:00 +0100" CRLF "X-Queue: 77" CRLF CRLF
	"Final-Recipient: rfc822; louisl@larry.slip.umd.edu" CRLF
	"Original-Recipient: rfc822;<Louis@Example.org>" CRLF "Action: Failed (gave up)" CRLF
	"Status: 5.1.1 (no such user)" CRLF "Remote-MTA: dns; larry.example [192.0.2.9]" CRLF
	"Diagnostic-Code: smtp; 550 5.1.1 no such" CRLF "\tuser (really)" CRLF
	"Last-Attempt-Date: Mon, 23 Nov 2026 06:31:00 +0100" CRLF CRLF CRLF
	"Final-Recipient: utf-8; \\x{9A7F}@\\x{41}.example" CRLF "Action: delayed" CRLF
	"Status: 4.4" CRLF "Will-Retry-Until: Sat, 28 Nov 2026 06:31:00 +0100" CRLF
	"Final-Log-ID: abc" CRLF;

static void check_dsn(struct arena *a, struct span text)
{
	struct mail_report report;
	struct mail_report_dsn d;

	mail_report_parse(a, text, &report);
	mail_report_dsn(a, &report, &d);
	assert_int_equal(report.count, 3);
	assert_span(d.reporting_mta, "mx.example.org");
	assert_span(d.received_from_mta, "client.example");
	assert_span(d.envid, "QQ314159");
	assert_int_equal(d.arrival.unix_sec, 1795411800);
	assert_int_equal(d.group->count, 5);
	assert_int_equal(d.rcpt_count, 2);
	assert_span(d.rcpts[0].final_recipient, "louisl@larry.slip.umd.edu");
	assert_span(d.rcpts[0].original_recipient, "Louis@Example.org");
	assert_span(d.rcpts[0].action, "failed");
	assert_span(d.rcpts[0].status, "5.1.1");
	assert_int_equal(d.rcpts[0].cls * 100 + d.rcpts[0].subject * 10 + d.rcpts[0].detail, 511);
	assert_span(d.rcpts[0].remote_mta, "larry.example [192.0.2.9]");
	assert_span(d.rcpts[0].diagnostic_type, "smtp");
	assert_true(span_starts(d.rcpts[0].diagnostic, SPAN("550 5.1.1 no such")));
	assert_true(span_ends_nocase(d.rcpts[0].diagnostic, SPAN("user (really)")));
	assert_int_equal(d.rcpts[0].last_attempt.unix_sec, 1795411860);
	assert_int_equal(d.rcpts[0].will_retry_until.unix_sec, 0);
	assert_span(d.rcpts[1].final_recipient, "\xe9\xa9\xbf@A.example");
	assert_span(d.rcpts[1].status, "4.4");
	assert_int_equal(d.rcpts[1].cls, 0);
	assert_span(d.rcpts[1].final_log_id, "abc");
}

static void a_dsn_is_read(void **state)
{
	struct arena *a = arena_new();

	check_dsn(a, span_str(dsn_text));
	arena_free(&a);
}

static void a_dsn_with_bare_line_feeds_too(void **state)
{
	struct arena *a = arena_new();
	char *lf = arena_alloc(a, sizeof(dsn_text));
	size_t n = 0;

	for (const char *c = dsn_text; *c; c++)
		if (*c != '\r')
			lf[n++] = *c;
	check_dsn(a, span_of(lf, n));
	arena_free(&a);
}

struct mdn_case {
	const char *text, *disposition, *modifiers;
	bool is_automatic, was_sent_automatically;
};

static void an_mdn_is_read(void **state)
{
	static const struct mdn_case cases[] = {
		{"Disposition: manual-action/MDN-sent-manually; displayed\n", "displayed", "",
			false, false},
		{"Disposition: automatic-action/MDN-sent-automatically; Deleted/Error,x (why)\n",
			"deleted", "error,x", true, true},
		{"Disposition: displayed\n", "displayed", "", false, false},
		{"Disposition:\n", "", "", false, false},
		{"", "", "", false, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct mail_report report;
		struct mail_report_mdn m;

		mail_report_parse(a, span_str(cases[i].text), &report);
		mail_report_mdn(a, &report, &m);
		assert_span(m.disposition, cases[i].disposition);
		assert_span(m.modifiers, cases[i].modifiers);
		assert_int_equal(m.is_automatic, cases[i].is_automatic);
		assert_int_equal(m.was_sent_automatically, cases[i].was_sent_automatically);
		arena_free(&a);
	}
}

static void limits_hold(void **state)
{
	struct arena *a = arena_new();
	struct mail_report report;
	struct buf b;

	buf_init(&b, 8 << 20);
	for (int i = 0; i <= MAIL_REPORT_GROUPS_MAX; i++)
		buf_str(&b, "a: b\n\n");
	mail_report_parse(a, buf_span(&b), &report);
	assert_int_equal(report.count, MAIL_REPORT_GROUPS_MAX);
	assert_true(report.is_cut);
	buf_clear(&b);
	for (int i = 0; i <= MAIL_REPORT_FIELDS_MAX; i++)
		buf_str(&b, "a: b\n");
	mail_report_parse(a, buf_span(&b), &report);
	assert_int_equal(report.groups[0].count, MAIL_REPORT_FIELDS_MAX);
	assert_true(report.is_cut);
	buf_fini(&b);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_dsn_is_read),
		cmocka_unit_test(a_dsn_with_bare_line_feeds_too),
		cmocka_unit_test(an_mdn_is_read),
		cmocka_unit_test(limits_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
