/* From a message to a server: a mock transport plays one that keeps all it is told. */
#include <errno.h>
#include <stdio.h>

#include "yz_test.h"

#define TALK_MAX 65536

struct server {
	const char *extensions; /* "250-…\r\n" lines behind EHLO */
	char heard[TALK_MAX], said[TALK_MAX];
	size_t heard_len, said_len, said_at, line_at;
	bool is_in_data;
};

static void say(struct server *v, const char *text)
{
	v->said_len += (size_t)snprintf(v->said + v->said_len, TALK_MAX - v->said_len, "%s", text);
}

static void hear_line(struct server *v, const char *line)
{
	if (v->is_in_data) {
		v->is_in_data = strncmp(line, ".\r\n", 3) != 0;
		if (!v->is_in_data)
			say(v, "250 2.0.0 kept\r\n");
	} else if (strncmp(line, "EHLO", 4) == 0) {
		say(v, v->extensions);
		say(v, "250 HELP\r\n");
	} else if (strncmp(line, "DATA", 4) == 0) {
		v->is_in_data = true;
		say(v, "354 go on\r\n");
	} else {
		say(v, "250 2.1.0 fine\r\n");
	}
}

static long server_write(void *arg, const void *from, size_t n, int64_t timeout_ms, int *os_errno)
{
	struct server *v = arg;
	char *end;

	assert_true(v->heard_len + n < TALK_MAX);
	memcpy(v->heard + v->heard_len, from, n);
	v->heard_len += n;
	v->heard[v->heard_len] = '\0';
	while ((end = strstr(v->heard + v->line_at, "\r\n"))) {
		size_t at = v->line_at;

		v->line_at = (size_t)(end - v->heard) + 2;
		hear_line(v, v->heard + at);
	}
	return (long)n;
}

static long server_read(void *arg, void *to, size_t n, int64_t timeout_ms, int *os_errno)
{
	struct server *v = arg;
	size_t left = v->said_len - v->said_at;

	if (!left) {
		*os_errno = EAGAIN;
		return -1;
	}
	n = n < left ? n : left;
	memcpy(to, v->said + v->said_at, n);
	v->said_at += n;
	return (long)n;
}

static struct yz_session *session_with(struct server *v, const char *extensions)
{
	struct yz_transport t = {
		.size = sizeof(t), .read = server_read, .write = server_write, .fd = -1, .arg = v};
	struct yz_session *s = yz_session_new(NULL, NULL);

	memset(v, 0, sizeof(*v));
	v->extensions = extensions;
	say(v, "220 mock\r\n");
	assert_ok(yz_attach(s, &t, "mock.example", false));
	if (yz_talk(s) != YZ_OK)
		fail_msg("%s", yz_error(s)->text);
	return s;
}

#define NOTHING  "250-mock\r\n"
#define EIGHTBIT "250-mock\r\n250-8BITMIME\r\n"
#define ALL      "250-mock\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250-SIZE\r\n"

static struct yz_msg *letter(void)
{
	struct yz_msg *m = yz_msg_new();

	assert_ok(yz_msg_from(m, "Alice <a@example.org>"));
	assert_ok(yz_msg_to(m, "b@example.net"));
	assert_ok(yz_msg_cc(m, "Team: c@example.net;"));
	assert_ok(yz_msg_bcc(m, "d@example.net"));
	assert_ok(yz_msg_text(m,
		".Gr\xc3\xbc\xc3\x9f"
		"e\n"));
	return m;
}

static void behaviour_80_a_message_goes_to_whom_it_says(void **state)
{
	static struct server v;
	struct yz_session *s = session_with(&v, ALL);
	struct yz_msg *m = letter();
	struct yz_txn *t;

	for (int i = 0; i < 2; i++) { /* the message stays as it was: again */
		v.heard_len = v.line_at = 0;
		if (yz_send_message(s, m, NULL, &t) != YZ_OK)
			fail_msg("%s", yz_error(s)->text);
		assert_int_equal(yz_txn_accepted(t), 3);
		assert_has(v.heard, "MAIL FROM:<a@example.org>");
		assert_has(v.heard, "RCPT TO:<b@example.net>\r\n");
		assert_has(v.heard, "RCPT TO:<c@example.net>\r\n");
		assert_has(v.heard, "RCPT TO:<d@example.net>\r\n");
		assert_has_not(v.heard, "Bcc");
		assert_has(v.heard, "\r\nDate: ");
		assert_has(v.heard, yz_msg_message_id(m));
		yz_txn_free(&t);
	}
	assert_string_equal(yz_msg_get(m, "Bcc"), "d@example.net");
	assert_ok(yz_send_message(s, m, NULL, NULL));
	yz_msg_free(&m);
	yz_session_free(&s);
}

struct form {
	const char *extensions, *from;
	int code;
	const char *has, *has_not;
};

static const struct form forms[] = {
	{NOTHING, "a@example.org", YZ_OK, "\r\nContent-Transfer-Encoding: base64", "8BITMIME"},
	{EIGHTBIT, "a@example.org", YZ_OK,
		"..Gr\xc3\xbc\xc3\x9f"
		"e",
		"base64"},
	{EIGHTBIT, "a@example.org", YZ_OK, "BODY=8BITMIME", "SMTPUTF8"},
	{ALL, "a@example.org", YZ_OK, "BODY=8BITMIME", "SMTPUTF8"},
	{ALL, "Zo\xc3\xab <a@example.org>", YZ_OK, "=?utf-8?q?Zo=C3=AB?=", "SMTPUTF8"},
	{ALL, "\xc3\xa9@example.org", YZ_OK, "SMTPUTF8", "=?utf-8"},
	{ALL, "\xc3\xa9@example.org", YZ_OK, "From: \xc3\xa9@example.org", NULL},
	{EIGHTBIT, "\xc3\xa9@example.org", YZ_E_NOTSUPP, NULL, "DATA"},
	{EIGHTBIT,
		"a@b\xc3\xbc"
		"cher.example",
		YZ_OK, "From: a@xn--bcher-kva.example", "SMTPUTF8"},
	{EIGHTBIT,
		"a@b\xc3\xbc"
		"cher.example",
		YZ_OK, "MAIL FROM:<a@xn--bcher-kva.example>", NULL},
};

static void behaviour_45_to_47_the_form_that_the_server_takes(void **state)
{
	static struct server v;

	for (size_t i = 0; i < COUNT(forms); i++) {
		struct yz_session *s = session_with(&v, forms[i].extensions);
		struct yz_msg *m = letter();
		struct yz_txn *t;
		int rc;

		yz_msg_remove(m, "From");
		assert_ok(yz_msg_from(m, forms[i].from));
		rc = yz_send_message(s, m, NULL, &t);
		if (rc != forms[i].code)
			fail_msg("case %zu: %s", i, yz_error(s)->text);
		if (forms[i].has)
			assert_has(v.heard, forms[i].has);
		if (forms[i].has_not)
			assert_has_not(v.heard, forms[i].has_not);
		yz_txn_free(&t);
		yz_msg_free(&m);
		yz_session_free(&s);
	}
}

#define READY                                                                                      \
	"Sender: s@example.org\nFrom: a@example.org\nTo: b@example.net\nbcc: x@example.net,\n"     \
	" y@example.net\nSubject:  as it  is\n\nBody\n.\n"

static void behaviour_80_octets_that_are_ready(void **state)
{
	static struct server v;
	struct yz_session *s = session_with(&v, ALL);
	struct yz_mail *mail = yz_mail_parse(READY, strlen(READY), NULL);
	struct yz_txn *t;

	assert_ok(yz_send_message_bytes(s, READY, strlen(READY), NULL, &t));
	assert_int_equal(yz_txn_accepted(t), 3);
	yz_txn_free(&t);
	assert_has(v.heard, "MAIL FROM:<s@example.org>");
	assert_has(v.heard, "RCPT TO:<y@example.net>\r\n");
	assert_has(v.heard,
		"\r\nSender: s@example.org\r\nFrom: a@example.org\r\nTo: b@example.net\r\n"
		"Subject:  as it  is\r\nDate: ");
	assert_has(v.heard, "@example.org>\r\n\r\nBody\r\n..\r\n.\r\n");
	assert_has_not(v.heard, "bcc");
	v.heard_len = v.line_at = 0;
	assert_ok(yz_mail_replace(mail, "To", "n@example.net"));
	assert_int_equal(yz_mail_remove(mail, "Bcc"), 1);
	assert_ok(yz_send_mail(s, mail, NULL, &t));
	assert_int_equal(yz_txn_count(t), 1);
	assert_has(v.heard, "RCPT TO:<n@example.net>\r\n");
	assert_has(v.heard, "\r\nTo: n@example.net\r\n");
	yz_txn_free(&t);
	yz_mail_free(&mail);
	yz_session_free(&s);
}

static void what_cannot_be_sent(void **state)
{
	static const char *const ready[] = {"To: b@x\n\n", "From: a@x\n\n", "",
		"From: a@x\nTo: b@x\n"
		"Resent-Date: Mon, 23 Nov 2026 06:30:00 +0000\nResent-To: c@x\n"
		"Resent-Date: Mon, 23 Nov 2026 06:31:00 +0000\nResent-To: d@x\n\n"};
	static struct server v;
	struct yz_session *s = session_with(&v, NOTHING), *off = yz_session_new(NULL, NULL);
	struct yz_msg *m = yz_msg_new();
	struct yz_txn *t;

	for (size_t i = 0; i < COUNT(ready); i++) {
		assert_int_equal(
			yz_send_message_bytes(s, ready[i], strlen(ready[i]), NULL, &t), YZ_E_INVAL);
		assert_null(t);
		assert_int_equal(yz_error(s)->code, YZ_E_INVAL);
	}
	assert_int_equal(yz_send_message(s, m, NULL, &t), YZ_E_INVAL);
	yz_msg_free(&m);
	m = letter();
	assert_int_equal(yz_send_message(off, m, NULL, &t), YZ_E_STATE);
	assert_ok(yz_msg_attach_message(m, "A: b\r\n\r\n\xff\r\n", 11));
	assert_int_equal(yz_send_message(s, m, NULL, &t), YZ_E_NOTSUPP);
	assert_has_not(v.heard, "MAIL");
	assert_true(yz_is_connected(s)); /* and the session goes on */
	/* 8-bit octets that are ready are not ours to encode */
	assert_int_equal(yz_send_message_bytes(s, "From: a@x\nTo: b@x\n\n\xff\n", 21, NULL, &t),
		YZ_E_NOTSUPP);
	yz_txn_free(&t);
	yz_msg_free(&m);
	yz_session_free(&off);
	yz_session_free(&s);
}

static void a_transaction_made_before_there_is_a_server(void **state)
{
	static struct server v;
	struct yz_session *s = yz_session_new(NULL, NULL);
	struct yz_transport mock = {.size = sizeof(mock),
		.read = server_read,
		.write = server_write,
		.fd = -1,
		.arg = &v};
	struct yz_msg *m = letter();
	struct yz_txn *t = yz_txn_new(s, "other@example.org", NULL);

	memset(&v, 0, sizeof(v));
	v.extensions = EIGHTBIT;
	assert_ok(yz_txn_rcpt(t, "only@example.net", NULL));
	assert_ok(yz_txn_message(t, m));
	say(&v, "220 mock\r\n");
	assert_ok(yz_attach(s, &mock, "mock.example", false));
	assert_ok(yz_talk(s));
	assert_ok(yz_send(t));
	assert_has(v.heard, "MAIL FROM:<other@example.org>");
	assert_has(v.heard, "Content-Transfer-Encoding: 8bit");
	assert_has_not(v.heard, "RCPT TO:<b@");
	yz_txn_free(&t);
	yz_msg_free(&m);
	yz_session_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaviour_80_a_message_goes_to_whom_it_says),
		cmocka_unit_test(behaviour_45_to_47_the_form_that_the_server_takes),
		cmocka_unit_test(behaviour_80_octets_that_are_ready),
		cmocka_unit_test(what_cannot_be_sent),
		cmocka_unit_test(a_transaction_made_before_there_is_a_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
