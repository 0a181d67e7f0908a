/* The conversation, step by step and at once, against scripted servers: whole and octet by octet. */

#include "yz_test.h"

#include <stdio.h>
#include <unistd.h>

#include "peer.h"

#define COMMON "S:220 mx.example ESMTP\nC:EHLO me.example\n"
#define HELLO  COMMON "S:250-mx.example\nS:250-PIPELINING\nS:250-SIZE 1000\nS:250 8BITMIME\n"

static struct yz_session *session_with(int64_t ms)
{
	struct yz_options o = YZ_INIT(o);
	struct yz_session *s;

	o.hello_name = "me.example";
	s = yz_session_new(NULL, &o);
	if (ms)
		assert_ok(yz_set_timeout(s, ms));
	return s;
}

static struct yz_session *session(void)
{
	return session_with(0);
}

static const char *code(int rc)
{
	return yz_err_name(rc);
}

/* Connect by a script and tell how it went. */
static void behaviour_4_to_19_replies(void **state)
{
	static const struct {
		const char *name, *script, *err, *has; /* has: in the error's text */
		int reply;
		bool is_whole_only;
	} cases[] = {
		{"behaviour_4_greeting_554", "S:554 5.7.1 go away\nE:", "greeting", "go away", 554},
		{"behaviour_4_greeting_421", "S:421 busy\nE:", "greeting", "busy", 421},
		{"behaviour_5_whole_greeting_first",
			"S:220-one\nW:30\nS:220 two\nC:EHLO me.example\nS:250 x", "ok", "", 0},
		{"behaviour_9_codes_differ", COMMON "S:250-mx\nS:251 x\nE:", "proto",
			"codes differ", 0},
		{"behaviour_10_no_text", "S:220\nC:EHLO me.example\nS:250", "ok", "", 0},
		{"behaviour_11_lf_only", "R:220 mx\\n\nC:EHLO me.example\nR:250-mx\\n250 SIZE 5\\n",
			"ok", "", 0},
		{"behaviour_13_eof_inside", COMMON "S:250-mx\nX:", "closed", "", 0},
		{"behaviour_14_not_numeric", COMMON "S:hello\nE:", "proto", "", 0},
		{"behaviour_17_421_to_ehlo", COMMON "S:421 bye\nE:", "helo", "421", 421},
		{"behaviour_19_reply_to_nothing", "R:220 mx\\r\\n250 more\\r\\n\nE:", "proto",
			"no command", 0, true},
		{"behaviour_21_helo_after_502", COMMON "S:502 what\nC:HELO me.example\nS:250 mx",
			"ok", "", 0},
		{"behaviour_21_both_refused",
			COMMON "S:502 what\nC:HELO me.example\nS:550 no\nE:", "helo", "502", 550},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		for (int trickle = 0; trickle < 2 - cases[i].is_whole_only; trickle++) {
			struct peer *p = peer_start(cases[i].script, trickle);
			struct yz_session *s = session();
			int rc = yz_connect(s, peer_url(p, "smtp"));

			if (strcmp(code(rc), cases[i].err) != 0)
				fail_msg("%s: %s (%s)", cases[i].name, code(rc), yz_error(s)->text);
			if (!strstr(yz_error(s)->text, cases[i].has))
				fail_msg("%s: '%s'", cases[i].name, yz_error(s)->text);
			assert_int_equal(yz_error(s)->code, rc);
			if (cases[i].reply) {
				assert_non_null(yz_error(s)->reply);
				assert_int_equal(yz_error(s)->reply->code, cases[i].reply);
			}
			assert_int_equal(yz_is_connected(s), rc == YZ_OK);
			yz_session_free(&s);
			peer_end(&p);
		}
}

static void behaviour_1_urls(void **state)
{
	static const char *const bad[] = {"", "smtp://", "smtp://h:0", "smtp://h:65536",
		"smtp://h:x", "smtp://h:", "smtp://::1", "http://h", "smtp://[1.2.3.4]",
		"smtp://[::1]x", "smtp://a b", "unix:relative", "smtp://h\r\nX", "smtp://%zz@h",
		"smtp://u:%0d@h", "socks5://h", "h:25:26"};
	struct yz_session *s = session();

	for (size_t i = 0; i < COUNT(bad); i++) {
		const struct yz_attempt *a;

		if (yz_open(s, bad[i]) != YZ_E_INVAL)
			fail_msg("'%s': %s", bad[i], yz_error(s)->text);
		assert_int_equal(yz_attempts(s, &a), 0);
	}
	yz_session_free(&s);
}

static void behaviour_3_timeouts(void **state)
{
	struct peer *p = peer_start("W:300\nE:", false);
	struct yz_session *s = session_with(100);

	assert_int_equal(yz_set_timeout(s, 0), YZ_E_INVAL);
	assert_int_equal(yz_connect(s, peer_url(p, "smtp")), YZ_E_TIMEOUT);
	assert_int_equal(yz_error(s)->phase, YZ_PHASE_GREETING);
	assert_true(yz_error(s)->is_temporary);
	yz_session_free(&s);
	peer_end(&p);
}

static int two_addresses(void *arg, const char *host, int family,
	void (*add)(void *to, const char *address), void *to)
{
	if (strcmp(host, "none.example") == 0)
		return 2;
	add(to, "127.0.0.2"); /* nobody listens there */
	add(to, "127.0.0.1");
	return 0;
}

static void behaviour_6_and_7_addresses(void **state)
{
	struct yz_resolver r = YZ_INIT(r);
	struct yz_ctx *ctx = yz_ctx_new();
	struct peer *p = peer_start("S:220 hi", false);
	struct yz_session *s;
	const struct yz_attempt *a;
	char url[64];

	r.addresses = two_addresses;
	assert_ok(yz_ctx_set_resolver(ctx, &r));
	s = yz_session_new(ctx, NULL);
	snprintf(url, sizeof(url), "smtp://mx.example:%u", p->port);
	assert_ok(yz_open(s, url));
	assert_int_equal(yz_attempts(s, &a), 2);
	assert_int_equal(a[0].err, YZ_E_CONNECT);
	assert_has(a[0].text, "127.0.0.2");
	assert_int_equal(a[1].err, YZ_OK);
	assert_string_equal(yz_host(s), "mx.example");
	yz_close(s);
	peer_end(&p);
	snprintf(url, sizeof(url), "smtp://mx.example:%u", peer_dead_port());
	assert_int_equal(yz_open(s, url), YZ_E_CONNECT);
	assert_int_equal(yz_attempts(s, &a), 2);
	assert_int_equal(yz_open(s, "smtp://none.example"), YZ_E_RESOLVE);
	yz_session_free(&s);
	yz_ctx_free(&ctx);
}

static void behaviour_8_unconnected(void **state)
{
	struct yz_session *s = session();
	struct yz_txn *t = yz_txn_new(s, "", NULL);
	const struct yz_reply *r;

	assert_ok(yz_txn_rcpt(t, "a@b", NULL));
	assert_ok(yz_txn_body(t, "x", 1, YZ_EOL_FIX));
	assert_int_equal(yz_cmd(s, "NOOP", NULL, &r), YZ_E_STATE);
	assert_null(r);
	assert_int_equal(yz_hello(s, NULL), YZ_E_STATE);
	assert_int_equal(yz_starttls(s), YZ_E_STATE);
	assert_int_equal(yz_login(s, "u", "p"), YZ_E_STATE);
	assert_int_equal(yz_send(t), YZ_E_STATE);
	assert_int_equal(yz_txn_result(t, 0)->outcome, YZ_NOT_SENT);
	assert_int_equal(yz_quit(s), YZ_E_STATE);
	assert_int_equal(yz_step(s, NULL), YZ_E_STATE);
	assert_null(yz_cap(s, "SIZE"));
	assert_null(yz_tls(s));
	yz_txn_free(&t);
	yz_session_free(&s);
}

static void behaviour_20_and_23_capabilities(void **state)
{
	struct peer *p = peer_start(
		"S:220 x\nC:EHLO me.example\nS:250-mx\nS:250-size\nS:250-AUTH=LOGIN\n"
		"S:250-Auth PLAIN\nS:250 X-Foo a b\nC:EHLO other\nS:250 mx\nC:QUIT\nS:221 2.0.0 bye\nE:",
		false);
	struct yz_session *s = session();
	const char *params;

	assert_ok(yz_connect(s, peer_url(p, "smtp")));
	assert_string_equal(yz_cap(s, "SIZE"), "");
	assert_string_equal(yz_cap(s, "x-foo"), "a b");
	assert_has(yz_cap(s, "auth"), "PLAIN");
	assert_has(yz_cap(s, "auth"), "LOGIN");
	assert_null(yz_cap(s, "PIPELINING"));
	assert_int_equal(yz_size_max(s), 0); /* behaviour 24 */
	assert_non_null(yz_cap_at(s, 0, &params));
	assert_ok(yz_hello(s, "other"));
	assert_null(yz_cap(s, "x-foo"));
	assert_string_equal(yz_hello_name(s), "other");
	assert_ok(yz_quit(s));
	assert_false(yz_is_connected(s));
	yz_session_free(&s);
	peer_end(&p);
}

static void behaviour_15_and_79_commands(void **state)
{
	struct peer *p = peer_start(
		"S:220 x\nC:NOOP\nR:250-2.0.0 caf\\xe9\\r\\n250 2.0.0 two\\r\\n\nC:VRFY joe\nS:252 try\n"
		"C:EXPN list\nS:550 no\nC:HELP\nS:214 help\nC:RSET\nS:200 fine\nC:X-ONE\nC:X-TWO\n"
		"S:250 one\nS:251 two\nC:MAIL FROM:<a@b> SIZE=1\nS:250 ok\nC:RCPT TO:<c@d>\nS:550 5.1.1 no\n"
		"C:DATA\nS:354 go\nD:\nS:250 done",
		true);
	struct yz_session *s = session();
	const struct yz_reply *r;

	assert_ok(yz_open(s, peer_url(p, "smtp")));
	assert_int_equal(yz_cmd(s, "NOOP\r\nRSET", NULL, NULL), YZ_E_INVAL); /* behaviour 41 */
	assert_ok(yz_noop(s, &r));
	assert_int_equal(r->line_count, 2);
	assert_string_equal(r->lines[0], "2.0.0 caf\xe9");
	assert_int_equal(r->cls, 2);
	assert_ok(yz_vrfy(s, "joe", &r));
	assert_int_equal(r->code, 252);
	assert_int_equal(yz_expn(s, "list", &r), YZ_E_REPLY);
	assert_int_equal(r->code, 550);
	assert_ok(yz_help(s, NULL, &r));
	assert_ok(yz_rset(s, &r)); /* behaviour 18 */
	assert_ok(yz_put(s, "X-ONE", NULL));
	assert_ok(yz_put(s, "X-TWO", NULL));
	assert_ok(yz_get_reply(s, &r));
	assert_string_equal(r->text, "one");
	assert_ok(yz_get_reply(s, &r));
	assert_string_equal(r->text, "two");
	assert_ok(yz_cmd_mail(s, "a@b", "SIZE=1", &r));
	assert_int_equal(yz_cmd_rcpt(s, "c@d", NULL, &r), YZ_E_RCPTS);
	assert_int_equal(r->detail, 1);
	assert_ok(yz_cmd_data(s, "a\n.b", 4, YZ_EOL_FIX, &r));
	assert_string_equal(p->body, "a\r\n..b\r\n");
	yz_session_free(&s);
	peer_end(&p);
}

static void behaviour_25_tls_required(void **state)
{
	struct peer *p = peer_start(HELLO "E:", false);
	struct yz_options o = YZ_INIT(o);
	struct yz_session *s;

	o.hello_name = "me.example";
	o.tls = YZ_TLS_REQUIRED;
	s = yz_session_new(NULL, &o);
	assert_int_equal(yz_connect(s, peer_url(p, "smtp")), YZ_E_TLS);
	yz_session_free(&s);
	peer_end(&p);
}

static void behaviour_26_and_28_starttls(void **state)
{
	static const struct {
		const char *script;
		enum yz_tls_policy policy;
		const char *err;
	} cases[] = {
		{COMMON "S:250-mx\nS:250 STARTTLS\nC:STARTTLS\nR:220 go\\r\\n250 injected\\r\\n\nE:",
			YZ_TLS_OPTIONAL, "tls"},
		{COMMON "S:250-mx\nS:250 STARTTLS\nC:STARTTLS\nS:454 not now\nE:", YZ_TLS_REQUIRED,
			"tls"},
		{COMMON "S:250-mx\nS:250 STARTTLS\nC:STARTTLS\nS:454 not now\nC:NOOP\nS:250 ok",
			YZ_TLS_OPTIONAL, "ok"},
		{COMMON "S:250-mx\nS:250 STARTTLS\nC:NOOP\nS:250 ok", YZ_TLS_NEVER, "ok"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct peer *p = peer_start(cases[i].script, false);
		struct yz_options o = YZ_INIT(o);
		struct yz_session *s;
		int rc;

		o.hello_name = "me.example";
		o.tls = cases[i].policy;
		s = yz_session_new(NULL, &o);
		rc = yz_connect(s, peer_url(p, "smtp"));
		if (strcmp(code(rc), cases[i].err) != 0)
			fail_msg("%zu: %s: %s", i, code(rc), yz_error(s)->text);
		if (rc == YZ_OK)
			assert_ok(yz_noop(s, NULL));
		yz_session_free(&s);
		peer_end(&p);
	}
}

static void behaviour_22_names(void **state)
{
	struct peer *p = peer_start("S:220 x\nC:EHLO [127.0.0.1]\nS:250 x", false);
	struct yz_options o = YZ_INIT(o);
	struct yz_session *s = yz_session_new(NULL, NULL);

	if (yz_connect(s, peer_url(p, "smtp")) != YZ_OK)
		print_message("this machine has a full name\n");
	yz_session_free(&s);
	pthread_cancel(p->thread);
	p->why[0] = '\0';
	peer_end(&p);
	o.hello_name = "a b";
	s = yz_session_new(NULL, &o);
	assert_int_equal(yz_connect(s, "smtp://127.0.0.1:1"), YZ_E_INVAL);
	yz_session_free(&s);
}

static void behaviour_72_closed_while_idle(void **state)
{
	struct peer *p = peer_start(HELLO "S:421 idle too long\nX:", false);
	struct yz_session *s = session();
	struct yz_txn *t;

	assert_ok(yz_connect(s, peer_url(p, "smtp")));
	pthread_join(p->thread, NULL);
	t = yz_txn_new(s, "a@b", NULL);
	yz_txn_rcpt(t, "c@d", NULL);
	yz_txn_body(t, "x", 1, YZ_EOL_FIX);
	assert_int_equal(yz_send(t), YZ_E_CLOSED);
	assert_true(yz_txn_result(t, 0)->outcome == YZ_NOT_SENT ||
		yz_txn_result(t, 0)->outcome == YZ_REFUSED_TEMP);
	yz_txn_free(&t);
	yz_session_free(&s);
	close(p->listener);
	free(p->body);
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaviour_1_urls),
		cmocka_unit_test(behaviour_3_timeouts),
		cmocka_unit_test(behaviour_4_to_19_replies),
		cmocka_unit_test(behaviour_6_and_7_addresses),
		cmocka_unit_test(behaviour_8_unconnected),
		cmocka_unit_test(behaviour_15_and_79_commands),
		cmocka_unit_test(behaviour_20_and_23_capabilities),
		cmocka_unit_test(behaviour_22_names),
		cmocka_unit_test(behaviour_25_tls_required),
		cmocka_unit_test(behaviour_26_and_28_starttls),
		cmocka_unit_test(behaviour_72_closed_while_idle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
