/* Logging in: which mechanism, in which order, and what is never said in clear. */

#include "yz_test.h"

#include <stdio.h>

#include "peer.h"

#define HELLO "S:220 mx.example ESMTP\nC:EHLO me.example\nS:250-mx.example\n"
#define PLAIN "C:AUTH PLAIN AHVzZXIAc2VjcmV0\n"

static int gives_secret(void *arg, const char *what, const char *user, char *to, size_t n)
{
	int *asked = arg;

	if (strcmp(what, "password") != 0)
		return -1;
	assert_string_equal(user, "user");
	++*asked;
	memcpy(to, "secret", 7);
	return 0;
}

static void login_table(void **state)
{
	static const struct {
		const char *name, *script;
		bool is_clear_allowed;
		const char *mechanisms, *err, *used;
		int reply;
	} cases[] = {
		{"plain", HELLO "S:250 AUTH LOGIN PLAIN\n" PLAIN "S:235 2.7.0 fine", true, NULL,
			"ok", "PLAIN", 235},
		{"behaviour_32_not_in_clear", HELLO "S:250 AUTH LOGIN PLAIN\nE:", false, NULL,
			"notsupp", NULL, 0},
		{"behaviour_31_callers_order",
			HELLO "S:250 AUTH PLAIN LOGIN\nC:AUTH LOGIN\nS:334 VXNlcm5hbWU6\n"
			      "C:dXNlcg==\nS:334 UGFzc3dvcmQ6\nC:c2VjcmV0\nS:235 fine",
			true, "LOGIN PLAIN", "ok", "LOGIN", 235},
		{"behaviour_33_next_after_535",
			HELLO "S:250 AUTH PLAIN LOGIN\n" PLAIN
			      "S:535 5.7.8 no\nC:AUTH LOGIN\nS:334 VXNlcm5hbWU6\n"
			      "C:dXNlcg==\nS:334 UGFzc3dvcmQ6\nC:c2VjcmV0\nS:235 fine",
			true, NULL, "ok", "LOGIN", 235},
		{"behaviour_33_454_stops",
			HELLO "S:250 AUTH PLAIN LOGIN\n" PLAIN "S:454 4.7.0 later\nE:", true, NULL,
			"auth", NULL, 454},
		{"behaviour_33_all_refused",
			HELLO "S:250 AUTH PLAIN\n" PLAIN "S:535 5.7.8 wrong\nE:", true, NULL,
			"auth", NULL, 535},
		{"behaviour_33_503_already", HELLO "S:250 AUTH PLAIN\n" PLAIN "S:503 already", true,
			NULL, "ok", "PLAIN", 503},
		{"no_auth_offered", HELLO "S:250 HELP\nE:", true, NULL, "notsupp", NULL, 0},
		{"none_of_ours", HELLO "S:250 AUTH X-STRANGE\nE:", true, NULL, "notsupp", NULL, 0},
		{"behaviour_40_cram_md5",
			HELLO "S:250 AUTH CRAM-MD5\nC:AUTH CRAM-MD5\n"
			      "S:334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\n"
			      "C:dXNlciA3MzNiYTg3ZTY0ZWQ3ZTQ0MWYwNjJjNGFjNmRiMDEwMw==\nS:235 fine",
			false, NULL, "ok", "CRAM-MD5", 235},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		for (int mode = 0; mode < 2; mode++) { /* with a password, with the callback */
			struct peer *p = peer_start(cases[i].script, mode);
			struct yz_options o = YZ_INIT(o);
			struct yz_session *s;
			int rc, asked = 0;

			o.hello_name = "me.example";
			o.user = "user";
			o.mechanisms = cases[i].mechanisms;
			o.flags = cases[i].is_clear_allowed ? YZ_ALLOW_CLEAR_AUTH : 0;
			if (mode == 0) {
				o.password = "secret";
			} else {
				o.secret = gives_secret;
				o.secret_arg = &asked;
			}
			s = yz_session_new(NULL, &o);
			rc = yz_connect(s, peer_url(p, "smtp"));
			if (strcmp(yz_err_name(rc), cases[i].err) != 0)
				fail_msg("%s: %s: %s", cases[i].name, yz_err_name(rc),
					yz_error(s)->text);
			if (cases[i].used)
				assert_string_equal(yz_auth_mechanism(s), cases[i].used);
			if (cases[i].reply)
				assert_int_equal(yz_auth_reply(s)->code, cases[i].reply);
			if (rc == YZ_E_AUTH) {
				assert_int_equal(yz_error(s)->reply->code, cases[i].reply);
				assert_int_equal(yz_error(s)->is_temporary, cases[i].reply < 500);
			}
			assert_true(asked <= 1);
			assert_null(strstr(yz_error(s)->text, "secret"));
			yz_session_free(&s);
			peer_end(&p);
		}
}

static void behaviour_40_from_the_url(void **state)
{
	struct peer *p = peer_start(
		HELLO "S:250 AUTH PLAIN\nC:AUTH PLAIN AHXDpEB4AHAvdw==\nS:235 fine", false);
	struct yz_options o = YZ_INIT(o);
	struct yz_session *s;
	char url[96];

	o.hello_name = "me.example";
	o.flags = YZ_ALLOW_CLEAR_AUTH;
	s = yz_session_new(NULL, &o);
	snprintf(url, sizeof(url), "smtp://u%%C3%%A4%%40x:p%%2Fw@127.0.0.1:%u", p->port);
	assert_ok(yz_connect(s, url));
	yz_session_free(&s);
	peer_end(&p);
}

static void behaviour_39_oauth_fails(void **state)
{
	struct peer *p = peer_start(HELLO "S:250 AUTH XOAUTH2\nC~AUTH XOAUTH2 \n"
					  "S:334 eyJzdGF0dXMiOiI0MDEifQ==\nC:\nS:535 5.7.8 no\nE:",
		false);
	struct yz_options o = YZ_INIT(o);
	struct yz_session *s;

	o.hello_name = "me.example";
	o.flags = YZ_ALLOW_CLEAR_AUTH;
	o.user = "user";
	o.token = "ya29";
	s = yz_session_new(NULL, &o);
	assert_int_equal(yz_connect(s, peer_url(p, "smtp")), YZ_E_AUTH);
	assert_has(yz_error(s)->text, "401");
	assert_int_equal(yz_error(s)->reply->code, 535);
	yz_session_free(&s);
	peer_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(login_table),
		cmocka_unit_test(behaviour_39_oauth_fails),
		cmocka_unit_test(behaviour_40_from_the_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
