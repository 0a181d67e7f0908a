#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/enc.h"
#include "base/must.h"
#include "proto/mail/mail_dsn.h"
#include "proto/mail/mail_header.h"

static struct mail_dsn_rcpt failed(void)
{
	struct mail_dsn_rcpt r = {
		.action = MAIL_DSN_FAILED,
		.address = SPAN("bob@example.net"),
		.orcpt = SPAN("rfc822;robert@example.net"),
		.code = 550,
		.enhanced = SPAN("5.1.1"),
		.text = SPAN("No such user"),
		.remote_host = SPAN("mx.example.net [192.0.2.7]"),
		.last_attempt_sec = 1795415460,
	};

	return r;
}

static struct mail_dsn report(const struct mail_dsn_rcpt *rcpts, size_t count)
{
	struct mail_dsn d = {
		.host = SPAN("mx.example"),
		.to = SPAN("alice@example.com"),
		.queue_id = SPAN("0123456789ABC"),
		.envid = SPAN("QQ314"),
		.id = 1,
		.random = 2,
		.arrived_sec = 1795415400,
		.now_sec = 1795415470,
		.words = MAIL_DSN_EN,
		.rcpts = rcpts,
		.rcpt_count = count,
		.original_len = 1000,
	};

	return d;
}

static void report_is(const struct mail_dsn *d, const char *want)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	mail_dsn_put_head(&b, d);
	buf_str(&b, "(original)\r\n");
	mail_dsn_put_tail(&b, d);
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

static void failure_golden(void **state)
{
	struct mail_dsn_rcpt r = failed();
	struct mail_dsn d = report(&r, 1);

	report_is(&d,
		"Date: Mon, 23 Nov 2026 06:31:10 +0000\r\n"
		"From: Mail Delivery System <MAILER-DAEMON@mx.example>\r\n"
		"To: <alice@example.com>\r\n"
		"Subject: Undelivered Mail Returned to Sender\r\n"
		"Message-ID: <0000000000001.0000000000002@mx.example>\r\n"
		"Auto-Submitted: auto-replied\r\n"
		"MIME-Version: 1.0\r\n"
		"Content-Type: multipart/report; report-type=delivery-status;\r\n"
		"\tboundary=\"=_00000000000010000000000002\"\r\n"
		"Content-Transfer-Encoding: 7bit\r\n"
		"\r\n"
		"This is a MIME-encapsulated message.\r\n"
		"\r\n"
		"--=_00000000000010000000000002\r\n"
		"Content-Description: Notification\r\n"
		"Content-Type: text/plain; charset=us-ascii\r\n"
		"Content-Language: en\r\n"
		"Content-Transfer-Encoding: 7bit\r\n"
		"\r\n"
		"This is the mail system at host mx.example.\r\n"
		"\r\n"
		"I'm sorry to have to inform you that your message could not be delivered\r\n"
		"to one or more recipients. It's attached below.\r\n"
		"\r\n"
		"For further assistance, please send mail to postmaster.\r\n"
		"\r\n"
		"If you do so, please include this problem report. You can delete your\r\n"
		"own text from the attached returned message.\r\n"
		"\r\n"
		"                   The mail system\r\n"
		"\r\n"
		"<bob@example.net>: host mx.example.net [192.0.2.7] said: 550 5.1.1 No\r\n"
		"such user\r\n"
		"    Why: There is no mailbox with this name at that address's domain.\r\n"
		"    What you can do: Check the spelling of the part before the @, or ask\r\n"
		"    the recipient for the address.\r\n"
		"\r\n"
		"Queue id: 0123456789ABC\r\n"
		"\r\n"
		"--=_00000000000010000000000002\r\n"
		"Content-Description: Delivery report\r\n"
		"Content-Type: message/delivery-status\r\n"
		"\r\n"
		"Original-Envelope-Id: QQ314\r\n"
		"Reporting-MTA: dns; mx.example\r\n"
		"X-Yizhan-Queue-ID: 0123456789ABC\r\n"
		"Arrival-Date: Mon, 23 Nov 2026 06:30:00 +0000\r\n"
		"\r\n"
		"Original-Recipient: rfc822; robert@example.net\r\n"
		"Final-Recipient: rfc822; bob@example.net\r\n"
		"Action: failed\r\n"
		"Status: 5.1.1\r\n"
		"Remote-MTA: dns; mx.example.net ([192.0.2.7])\r\n"
		"Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n"
		"Last-Attempt-Date: Mon, 23 Nov 2026 06:31:00 +0000\r\n"
		"\r\n"
		"--=_00000000000010000000000002\r\n"
		"Content-Description: Undelivered Message\r\n"
		"Content-Type: message/rfc822\r\n"
		"Content-Transfer-Encoding: 7bit\r\n"
		"\r\n"
		"(original)\r\n"
		"\r\n"
		"--=_00000000000010000000000002--\r\n");
}

static void has(const struct mail_dsn *d, const char *text, bool is_there)
{
	struct buf b;

	buf_init(&b, 1 << 20);
	mail_dsn_put_head(&b, d);
	if ((span_find_span(buf_span(&b), span_str(text)) >= 0) != is_there)
		fail_msg("%s '%s' in: %s", is_there ? "no" : "unexpected", text, buf_cstr(&b));
	buf_fini(&b);
}

static void delay_tells_until_when(void **state)
{
	struct mail_dsn_rcpt r = failed();
	struct mail_dsn d = report(&r, 1);

	r.action = MAIL_DSN_DELAYED;
	r.code = 0;
	r.enhanced = SPAN_NONE;
	r.text = SPAN("connection timed out");
	r.retry_until_sec = 1795847400;
	r.next_sec[0] = d.now_sec + 30 * 60;
	r.next_sec[1] = d.now_sec + 90 * 60 + 10;
	r.next_sec[2] = d.now_sec + 86400;
	has(&d, "Subject: Delayed Mail (still being retried)\r\n", true);
	has(&d, "THIS IS A WARNING ONLY.", true);
	has(&d, "YOU DO NOT NEED TO RESEND YOUR MESSAGE.", true);
	has(&d, "Action: delayed\r\nStatus: 4.0.0\r\n", true);
	has(&d, "Diagnostic-Code: x-yizhan; connection timed out\r\n", true);
	has(&d, "Will-Retry-Until: Sat, 28 Nov 2026 06:30:00 +0000\r\n", true);
	has(&d, "Content-Type: text/rfc822-headers\r\n", true);
	has(&d,
		"    Why: The mail system there did not answer.\r\n"
		"    What you can do: Nothing for now: it is tried again by itself. If it\r\n"
		"    is urgent, tell the recipient another way.\r\n",
		true);
	has(&d,
		"    Next attempts: in about 30 min, 1 h 30 min and 1 d.\r\n"
		"    Without success it comes back to you after Sat, 28 Nov 2026 06:30:00\r\n"
		"    +0000.\r\n",
		true);
	assert_false(mail_dsn_is_full(&d));
}

/* A code of another class than the action's would be a lie to machines. */
static void status_fits_the_action(void **state)
{
	static const struct {
		enum mail_dsn_action action;
		const char *enhanced, *status;
	} cases[] = {
		{MAIL_DSN_FAILED, "5.1.1", "Status: 5.1.1\r\n"},
		{MAIL_DSN_FAILED, "4.4.7", "Status: 4.4.7\r\n"},
		{MAIL_DSN_FAILED, "2.1.5", "Status: 5.0.0\r\n"},
		{MAIL_DSN_FAILED, "5.1111.1", "Status: 5.0.0\r\n"},
		{MAIL_DSN_FAILED, "5.1.1 x", "Status: 5.0.0\r\n"},
		{MAIL_DSN_FAILED, "5.1", "Status: 5.0.0\r\n"},
		{MAIL_DSN_DELAYED, "4.7.1", "Status: 4.7.1\r\n"},
		{MAIL_DSN_DELAYED, "5.7.1", "Status: 4.0.0\r\n"},
		{MAIL_DSN_DELIVERED, "2.1.5", "Status: 2.1.5\r\n"},
		{MAIL_DSN_RELAYED, "5.1.1", "Status: 2.0.0\r\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mail_dsn_rcpt r = failed();
		struct mail_dsn d = report(&r, 1);

		r.action = cases[i].action;
		r.enhanced = span_str(cases[i].enhanced);
		has(&d, cases[i].status, true);
	}
}

/* What did not pass in its time tells why at last, too. */
static void expiry_tells_the_last_reason(void **state)
{
	struct mail_dsn_rcpt r = failed();
	struct mail_dsn d = report(&r, 1);

	r.code = 0;
	r.enhanced = SPAN("4.4.7");
	r.text = SPAN("delivery time expired; last reason: Connection refused");
	has(&d,
		"    Why: The message could not be delivered in all the time that was\r\n"
		"    tried. No mail system listens at that domain's hosts.\r\n",
		true);
	has(&d, "Action: failed\r\nStatus: 4.4.7\r\n", true);
	r.text = SPAN("delivery time expired");
	has(&d, "that was\r\n    tried.\r\n", true);
}

static void success_and_relayed(void **state)
{
	struct mail_dsn_rcpt r[2] = {failed(), failed()};
	struct mail_dsn d = report(r, 2);

	r[0].action = MAIL_DSN_DELIVERED;
	r[1].action = MAIL_DSN_RELAYED;
	r[0].enhanced = r[1].enhanced = SPAN_NONE;
	has(&d, "Subject: Successful Mail Delivery Report\r\n", true);
	has(&d, "Action: delivered\r\nStatus: 2.0.0\r\n", true);
	has(&d, "Action: relayed\r\nStatus: 2.0.0\r\n", true);
	has(&d, "What you can do", false);
	/* one failure among them makes it a failure report */
	r[1].action = MAIL_DSN_FAILED;
	has(&d, "Subject: Undelivered Mail Returned to Sender\r\n", true);
}

static void what_goes_back(void **state)
{
	struct mail_dsn_rcpt r = failed();
	struct mail_dsn d = report(&r, 1);

	assert_true(mail_dsn_is_full(&d));
	d.is_headers_only = true;
	assert_false(mail_dsn_is_full(&d));
	d.is_headers_only = false;
	d.is_binary = true;
	assert_false(mail_dsn_is_full(&d));
	d.is_binary = false;
	d.original_len = MAIL_DSN_ORIGINAL_MAX + 1;
	assert_false(mail_dsn_is_full(&d));
}

static void smtputf8_uses_the_global_types(void **state)
{
	struct mail_dsn_rcpt r = failed();
	struct mail_dsn d = report(&r, 1);

	r.address = SPAN("用户@例子.测试");
	r.orcpt = SPAN("utf-8;用户@例子.测试");
	d.is_smtputf8 = true;
	has(&d, "Content-Type: message/global-delivery-status\r\n", true);
	has(&d, "Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n", true);
	has(&d, "Final-Recipient: utf-8; 用户@例子.测试\r\n", true);
	has(&d, "Original-Recipient: utf-8; 用户@例子.测试\r\n", true);
	has(&d,
		"Content-Type: text/plain; charset=utf-8\r\nContent-Language: en\r\n"
		"Content-Transfer-Encoding: quoted-printable\r\n",
		true);
	d.is_headers_only = true;
	has(&d, "Content-Type: message/global-headers\r\n", true);
	d.is_smtputf8 = false; /* then nothing above ASCII comes out */
	has(&d, "用", false);
}

/* RFC 6533 section 4: who has an ASCII address reads the old form, in 7 bits throughout. */
static void smtputf8_original_for_an_ascii_reader(void **state)
{
	struct mail_dsn_rcpt r = failed();
	struct mail_dsn d = report(&r, 1);
	struct buf b, back;

	r.address = SPAN("用户@例子.测试");
	r.orcpt = SPAN("utf-8;用@b");
	d.is_global = d.is_8bit = true;
	has(&d, "Content-Type: message/delivery-status\r\n", true);
	has(&d, "Final-Recipient: utf-8; \\x{7528}\\x{6237}@\\x{4F8B}\\x{5B50}.", true);
	has(&d, "Original-Recipient: utf-8; \\x{7528}@b\r\n", true);
	has(&d, "text/plain; charset=utf-8\r\nContent-Language: en\r\n", true);
	has(&d, "Content-Type: message/global\r\nContent-Transfer-Encoding: base64\r\n", true);
	has(&d, "8bit", false);
	d.is_headers_only = true;
	has(&d, "message/global-headers\r\nContent-Transfer-Encoding: base64\r\n", true);

	buf_init(&b, 1000);
	buf_init(&back, 1000);
	mail_dsn_put_original(&b, &d, SPAN("Subject: 八\r\n\r\n"));
	assert_true(enc_get_base64(&back, span_trim(buf_span(&b))));
	assert_string_equal(buf_cstr(&back), "Subject: 八\r\n\r\n");
	buf_clear(&b);
	d.is_smtputf8 = true;
	mail_dsn_put_original(&b, &d, SPAN("八"));
	assert_string_equal(buf_cstr(&b), "八");
	buf_fini(&b);
	buf_fini(&back);
}

static void an_8bit_original_makes_the_report_8bit(void **state)
{
	struct mail_dsn_rcpt r = failed();
	struct mail_dsn d = report(&r, 1);

	d.is_8bit = true;
	has(&d, "Content-Transfer-Encoding: 8bit", true);
	has(&d, "message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n", true);
}

/* A header section is a text: it is coded, and the report stays 7-bit. */
static void an_8bit_header_goes_back_in_7_bits(void **state)
{
	struct mail_dsn_rcpt r = failed();
	struct mail_dsn d = report(&r, 1);
	struct buf b;

	d.is_8bit = d.is_headers_only = true;
	has(&d, "8bit", false);
	has(&d, "text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n", true);
	buf_init(&b, 1000);
	mail_dsn_put_original(&b, &d, SPAN("Subject: gr\xfc\xdf\r\n"));
	assert_string_equal(buf_cstr(&b), "Subject: gr=FC=DF\r\n");
	buf_fini(&b);
}

/* A hostile reply cannot forge fields, parts or addresses; lines stay below 998 octets. */
static void hostile_words_are_contained(void **state)
{
	struct mail_dsn_rcpt r = failed();
	struct mail_dsn d = report(&r, 1);
	struct span rest, line;
	struct buf b, words;

	buf_init(&words, 65536);
	buf_str(&words, "x\r\n\r\n--=_00000000000010000000000002--\r\nAction: delivered\r\n");
	for (int i = 0; i < 3000; i++)
		buf_char(&words, 'y');
	r.text = r.enhanced = r.remote_host = r.address = r.orcpt = buf_span(&words);
	buf_init(&b, 1 << 20);
	mail_dsn_put_head(&b, &d);
	for (rest = buf_span(&b); span_cut(rest, '\n', &line, &rest);) {
		assert_true(line.len <= 999);
		assert_false(span_starts(line, SPAN("Action: delivered")));
		assert_false(span_eq(line, SPAN("--=_00000000000010000000000002--\r")));
		assert_int_equal(line.ptr[line.len - 1], '\r');
	}
	buf_fini(&b);
	buf_fini(&words);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(failure_golden),
		cmocka_unit_test(delay_tells_until_when),
		cmocka_unit_test(status_fits_the_action),
		cmocka_unit_test(expiry_tells_the_last_reason),
		cmocka_unit_test(success_and_relayed),
		cmocka_unit_test(what_goes_back),
		cmocka_unit_test(smtputf8_uses_the_global_types),
		cmocka_unit_test(smtputf8_original_for_an_ascii_reader),
		cmocka_unit_test(an_8bit_original_makes_the_report_8bit),
		cmocka_unit_test(an_8bit_header_goes_back_in_7_bits),
		cmocka_unit_test(hostile_words_are_contained),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
