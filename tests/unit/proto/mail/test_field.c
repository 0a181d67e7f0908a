#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/mail/mail_field.h"
#include "proto/mail/mail_header.h"

static struct mail_received plain(void)
{
	struct mail_received r = {
		.helo = SPAN("client.example"),
		.peer = SPAN("[192.0.2.1]"),
		.by = SPAN("mx.example"),
		.is_esmtp = true,
		.id = SPAN("0123456789ABC"),
		.wall_sec = 1795415400, /* 2026-11-23 06:30:00 UTC */
	};

	return r;
}

static void received_is(const struct mail_received *r, const char *want)
{
	struct buf b;

	buf_init(&b, 8192);
	mail_received_put(&b, r);
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
}

static void received_plain(void **state)
{
	struct mail_received r = plain();

	received_is(&r,
		"Received: from client.example ([192.0.2.1])\r\n"
		"\tby mx.example (Yizhan) with ESMTP id 0123456789ABC;\r\n"
		"\tMon, 23 Nov 2026 06:30:00 +0000\r\n");
}

static void received_with_everything(void **state)
{
	struct mail_received r = plain();

	r.ptr = SPAN("ptr.example");
	r.is_tls = true;
	r.tls_version = SPAN("TLSv1.3");
	r.tls_cipher = SPAN("TLS_AES_256_GCM_SHA384");
	r.tls_bits = 256;
	r.is_auth = true;
	r.for_address = SPAN("bob@example.com");
	r.zone_minutes = 480;
	received_is(&r,
		"Received: from client.example (ptr.example [192.0.2.1])\r\n"
		"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256 bits))\r\n"
		"\tby mx.example (Yizhan) with ESMTPSA id 0123456789ABC\r\n"
		"\tfor <bob@example.com>;\r\n"
		"\tMon, 23 Nov 2026 14:30:00 +0800\r\n");
}

static void received_over_a_unix_socket(void **state)
{
	struct mail_received r = plain();

	r.peer = SPAN_NONE;
	r.helo = SPAN_NONE;
	r.is_lmtp = true;
	received_is(&r,
		"Received: from localhost (unix)\r\n"
		"\tby mx.example (Yizhan) with LMTP id 0123456789ABC;\r\n"
		"\tMon, 23 Nov 2026 06:30:00 +0000\r\n");
}

static void foreign_text_is_made_safe(void **state)
{
	struct mail_received r = plain();

	r.helo = SPAN("evil)\r\nX-Forged: yes(\\");
	received_is(&r,
		"Received: from [192.0.2.1] (helo=evil\\)??X-Forged: yes\\(\\\\ "
		"[192.0.2.1])\r\n"
		"\tby mx.example (Yizhan) with ESMTP id 0123456789ABC;\r\n"
		"\tMon, 23 Nov 2026 06:30:00 +0000\r\n");
	r.helo = SPAN("例子.测试");
	received_is(&r,
		"Received: from [192.0.2.1] (helo=??????.?????? [192.0.2.1])\r\n"
		"\tby mx.example (Yizhan) with ESMTP id 0123456789ABC;\r\n"
		"\tMon, 23 Nov 2026 06:30:00 +0000\r\n");
	r.is_smtputf8 = true;
	received_is(&r,
		"Received: from 例子.测试 ([192.0.2.1])\r\n"
		"\tby mx.example (Yizhan) with UTF8SMTP id 0123456789ABC;\r\n"
		"\tMon, 23 Nov 2026 06:30:00 +0000\r\n");
}

/* Whatever octets a peer manages to send: one well-formed field comes out. */
static void any_octet_gives_one_field(void **state)
{
	for (int c = 0; c < 256; c++) {
		char octets[3] = {'a', (char)c, 'b'};
		struct mail_received r = plain();
		struct mail_header h;
		struct buf b;

		buf_init(&b, 8192);
		r.helo = r.ptr = r.id = r.for_address = r.tls_cipher = r.by = span_of(octets, 3);
		r.is_tls = true;
		r.is_smtputf8 = c & 1;
		mail_received_put(&b, &r);
		assert_int_equal(span_find(buf_span(&b), '\0'), -1);
		buf_str(&b, "\r\n");
		mail_header_init(&h, NULL, NULL);
		mail_header_feed(&h, buf_span(&b));
		assert_true(h.is_done);
		assert_int_equal(h.body_offset, buf_len(&b));
		assert_int_equal(h.fields, 1);
		assert_int_equal(h.count[MAIL_RECEIVED], 1);
		mail_header_fini(&h);
		buf_fini(&b);
	}
}

static void protocol_table(void **state)
{
	static const struct {
		const char *want;
		bool lmtp, esmtp, tls, auth, utf8;
	} t[] = {
		{"SMTP", false, false, false, false, false},
		{"SMTP", false, false, true, false, false},
		{"ESMTP", false, true, false, false, false},
		{"ESMTPS", false, true, true, false, false},
		{"ESMTPA", false, true, false, true, false},
		{"ESMTPSA", false, true, true, true, false},
		{"UTF8SMTP", false, true, false, false, true},
		{"UTF8SMTPSA", false, true, true, true, true},
		{"LMTP", true, true, false, false, false},
		{"LMTPS", true, true, true, false, false},
		{"LMTPA", true, false, false, true, false},
		{"UTF8LMTPS", true, true, true, false, true},
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct mail_received r = {.is_lmtp = t[i].lmtp,
			.is_esmtp = t[i].esmtp,
			.is_tls = t[i].tls,
			.is_auth = t[i].auth,
			.is_smtputf8 = t[i].utf8};
		struct buf b;

		buf_init(&b, 64);
		mail_received_protocol_put(&b, &r);
		assert_string_equal(buf_cstr(&b), t[i].want);
		buf_fini(&b);
	}
}

/* RFC 6533 section 3 */
static void utf8_addresses_in_ascii(void **state)
{
	static const struct {
		struct span address;
		const char *want;
	} t[] = {
		{SPAN("a.b@c"), "a.b@c"},
		{SPAN("用户@例子"), "\\x{7528}\\x{6237}@\\x{4F8B}\\x{5B50}"},
		{SPAN("📮@c"), "\\x{1F4EE}@c"},
		{SPAN("a+b=c \\d"), "a\\x{2B}b\\x{3D}c\\x{20}\\x{5C}d"},
		{SPAN("x\r\n\xff"), "x\\x{0D}\\x{0A}\\x{FFFD}"},
		{SPAN(""), ""},
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf b;

		buf_init(&b, 200);
		mail_utf8_addr_put(&b, t[i].address);
		assert_string_equal(buf_cstr(&b), t[i].want);
		buf_fini(&b);
	}
}

static void small_fields(void **state)
{
	struct buf b;

	buf_init(&b, 1024);
	mail_return_path_put(&b, SPAN("a@b"));
	mail_return_path_put(&b, SPAN(""));
	mail_delivered_to_put(&b, SPAN("c@d\r\nX: y"));
	mail_date_put(&b, 1795415400, -60);
	mail_message_id_put(&b, 1, 2, SPAN("mx.example"));
	assert_string_equal(buf_cstr(&b),
		"Return-Path: <a@b>\r\nReturn-Path: <>\r\nDelivered-To: c@d??X: y\r\n"
		"Date: Mon, 23 Nov 2026 05:30:00 -0100\r\n"
		"<0000000000001.0000000000002@mx.example>");
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(received_plain),
		cmocka_unit_test(received_with_everything),
		cmocka_unit_test(received_over_a_unix_socket),
		cmocka_unit_test(foreign_text_is_made_safe),
		cmocka_unit_test(any_octet_gives_one_field),
		cmocka_unit_test(protocol_table),
		cmocka_unit_test(utf8_addresses_in_ascii),
		cmocka_unit_test(small_fields),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
