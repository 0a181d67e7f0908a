#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/mail/mail_field.h"
#include "services/inbound/inbound_priv.h"

#define DATE "Thu, 1 Jan 1970 00:00:00 +0000"

static const struct received_time epoch = {0, 0};

struct field_case {
	const char *name;
	const char *helo, *peer;
	bool is_esmtp, is_lmtp, is_utf8;
	const char *tls; /* version */
	const char *auth, *for_address;
	const char *expected;
	bool is_hidden;
};

static void test_received_field(void **state)
{
	static const struct field_case cases[] = {
		{"plain", "client.example", "192.0.2.1:99", false, false, false, NULL, NULL, "",
			"Received: from client.example ([192.0.2.1])\r\n\tby mx.example (Yizhan) with SMTP id "
			"0000000000001;\r\n\t" DATE "\r\n"},
		{"esmtp for", "c", "[2001:db8::1]:9", true, false, false, NULL, NULL, "a@b.example",
			"Received: from c ([IPv6:2001:db8::1])\r\n\tby mx.example (Yizhan) with ESMTP id "
			"0000000000001\r\n\tfor <a@b.example>;\r\n\t" DATE "\r\n"},
		{"tls and login", "c", "192.0.2.1:9", true, false, false, "TLSv1.3", "alice", "",
			"Received: from c ([192.0.2.1])\r\n\t(using TLSv1.3 with cipher "
			"TLS_AES_256_GCM_SHA384 (256 bits))\r\n\tby mx.example (Yizhan) with ESMTPSA id "
			"0000000000001;\r\n\t" DATE "\r\n"},
		{"lmtp", "c", "192.0.2.1:9", true, true, false, NULL, NULL, "",
			"Received: from c ([192.0.2.1])\r\n\tby mx.example (Yizhan) with LMTP id "
			"0000000000001;\r\n\t" DATE "\r\n"},
		{"utf8", "c", "192.0.2.1:9", true, false, true, "TLSv1.2", NULL, "",
			"Received: from c ([192.0.2.1])\r\n\t(using TLSv1.2 with cipher "
			"TLS_AES_256_GCM_SHA384 (256 bits))\r\n\tby mx.example (Yizhan) with UTF8SMTPS id "
			"0000000000001;\r\n\t" DATE "\r\n"},
		{"a domain that is not ASCII", "c", "192.0.2.1:9", true, false, true, NULL, NULL,
			"a@例子.example",
			"Received: from c ([192.0.2.1])\r\n\tby mx.example (Yizhan) with UTF8SMTP id "
			"0000000000001\r\n\tfor <a@xn--fsqu00a.example>;\r\n\t" DATE "\r\n"},
		{"a local part that is not", "c", "192.0.2.1:9", true, false, true, NULL, NULL,
			"收@例子.example",
			"Received: from c ([192.0.2.1])\r\n\tby mx.example (Yizhan) with UTF8SMTP id "
			"0000000000001\r\n\tfor <收@例子.example>;\r\n\t" DATE "\r\n"},
		{"hostile name", "x (y)\r\nEvil: 1;\"<>", "192.0.2.1:9", false, false, false, NULL,
			NULL, "",
			"Received: from [192.0.2.1] (helo=x \\(y\\)??Evil: 1;\"<> [192.0.2.1])\r\n\tby "
			"mx.example (Yizhan) with SMTP "
			"id 0000000000001;\r\n\t" DATE "\r\n"},
		{"a client that is hidden", "laptop", "192.0.2.1:9", true, false, false, "TLSv1.3",
			"alice", "",
			"Received: from localhost (hidden)\r\n\t(using TLSv1.3 with cipher "
			"TLS_AES_256_GCM_SHA384 (256 bits))\r\n\tby mx.example (Yizhan) with ESMTPSA id "
			"0000000000001;\r\n\t" DATE "\r\n",
			.is_hidden = true},
		{"no name, local", "", "unix:/x", false, false, false, NULL, NULL, "",
			"Received: from localhost (unix)\r\n\tby mx.example (Yizhan) with SMTP id "
			"0000000000001;\r\n\t" DATE "\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct field_case *c = &cases[i];
		struct stream_tls tls = {
			.version = c->tls, .cipher = "TLS_AES_256_GCM_SHA384", .bits = 256};
		struct addr peer;
		struct smtp_session s = {.helo = span_str(c->helo),
			.is_esmtp = c->is_esmtp,
			.is_lmtp = c->is_lmtp,
			.auth_user = span_str(c->auth),
			.tls = c->tls ? &tls : NULL,
			.peer = &peer,
			.mail.is_smtputf8 = c->is_utf8};

		assert_int_equal(addr_parse(span_str(c->peer), 0, &peer, NULL), 0);
		s.txn = arena_new();
		struct received_opts o = {.hostname = SPAN("mx.example"),
			.id = 1,
			.for_address = span_str(c->for_address),
			.time = &epoch,
			.is_client_hidden = c->is_hidden};
		struct span f = received_field(&s, &o);
		if (!span_eq(f, span_str(c->expected)))
			print_message("%s: " SPAN_FMT "\n", c->name, SPAN_ARG(f));
		assert_true(span_eq(f, span_str(c->expected)));
		arena_free(&s.txn);
	}
}

/* The longest names that the grammar lets through still fit. */
static void test_received_is_bounded(void **state)
{
	char helo[2000], path[SMTP_PATH_MAX];
	struct addr peer;
	struct smtp_session s = {.peer = &peer, .is_esmtp = true};

	(void)state;
	memset(helo, 'h', sizeof(helo));
	memset(path, 'p', sizeof(path));
	assert_int_equal(
		addr_parse(SPAN("[2001:db8:1111:2222:3333:4444:5555:6666]:9"), 0, &peer, NULL), 0);
	s.helo = span_of(helo, sizeof(helo));
	s.txn = arena_new();
	struct received_opts o = {.hostname = SPAN("mx.example"),
		.id = UINT64_MAX >> 1,
		.for_address = span_of(path, sizeof(path)),
		.time = &epoch};
	struct span f = received_field(&s, &o);
	assert_true(f.len < INBOUND_RECEIVED_MAX);
	arena_free(&s.txn);
}

static void test_prefix(void **state)
{
	struct arena *a = arena_new();

	(void)state;
	assert_true(span_eq(mail_local_prefix(a, SPAN("s@x"), SPAN("r@y"), SPAN("Received: z\r\n")),
		SPAN("Return-Path: <s@x>\r\nDelivered-To: r@y\r\nReceived: z\r\n")));
	assert_true(span_eq(mail_local_prefix(a, SPAN_NONE, SPAN("r@y"), SPAN_NONE),
		SPAN("Return-Path: <>\r\nDelivered-To: r@y\r\n")));
	arena_free(&a);
}

static void test_reply_from_err(void **state)
{
	static const struct {
		enum err_code code;
		unsigned smtp, cls, subject, detail;
	} cases[] = {
		{ERR_FULL, 452, 4, 3, 1},
		{ERR_BUSY, 451, 4, 3, 2},
		{ERR_IO, 451, 4, 3, 0},
		{ERR_CORRUPT, 451, 4, 3, 0},
		{ERR_CANCELLED, 421, 4, 3, 2},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct smtp_reply r;
		struct err e = {0};

		smtp_reply_init(&r);
		err_set(&e, cases[i].code, "secret path /var/lib/yizhan");
		smtp_reply_from_err(&r, &e);
		assert_int_equal(r.code, cases[i].smtp);
		assert_int_equal(r.cls, cases[i].cls);
		assert_int_equal(r.subject, cases[i].subject);
		assert_int_equal(r.detail, cases[i].detail);
		/* what the log is told is not for the peer */
		assert_true(span_find_span(buf_span(&r.text), SPAN("secret")) < 0);
		smtp_reply_fini(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_received_field),
		cmocka_unit_test(test_received_is_bounded),
		cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_reply_from_err),
	};

	return cmocka_run_group_tests_name("inbound", tests, NULL, NULL);
}
