/* AUTH as a server hears it (RFC 4954). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/smtp_play.h"

#define HELLO "EHLO c\r\n"
#define GREETED(auth)                                                                              \
	"220 mx.test ESMTP Yizhan\r\n250-mx.test\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n"       \
	"250-8BITMIME\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"            \
	"250-ENHANCEDSTATUSCODES\r\n250-LIMITS MAILMAX=1000 RCPTMAX=1000\r\n" auth                 \
	"250-VRFY\r\n250 HELP\r\n"
#define MECHS   "SCRAM-SHA-256 XOAUTH2 PLAIN LOGIN"
#define OFFERED GREETED("250-AUTH " MECHS "\r\n")
#define QUIT    "QUIT\r\n"
#define BYE     "221 2.0.0 Bye\r\n"
#define YES     "235 2.7.0 Authentication successful\r\n"
#define NO      "535 5.7.8 Authentication credentials invalid\r\n"
#define CANNOT  "501 5.5.2 Cannot read that response\r\n"
#define NOT_B64 "501 5.5.2 This is not base64\r\n"
/* \0 alice \0 wonder; \0 alice \0 wrong */
#define RIGHT "AGFsaWNlAHdvbmRlcg=="
#define WRONG "AGFsaWNlAHdyb25n"

struct auth_case {
	const char *name, *in, *out, *notes;
	const char *mechs;
	bool is_clear;
	void (*tune)(struct smtp_server_opts *o);
};

static void off(struct smtp_server_opts *o)
{
	o->features_off = SMTP_FEATURE_AUTH;
}

static void two_failures(struct smtp_server_opts *o)
{
	o->limits.auth_failures = 2;
}

static void lmtp(struct smtp_server_opts *o)
{
	o->is_lmtp = true;
}

static const struct auth_case cases[] = {
	{"PLAIN with an initial response", HELLO "AUTH PLAIN " RIGHT "\r\n" QUIT, OFFERED YES BYE,
		"auth alice;", MECHS, true},
	{"any case, blanks", HELLO "auth  plain   " RIGHT " \r\n" QUIT, OFFERED YES BYE,
		"auth alice;", MECHS, true},
	{"PLAIN without one", HELLO "AUTH PLAIN\r\n" RIGHT "\r\n" QUIT, OFFERED "334 \r\n" YES BYE,
		"auth alice;", MECHS, true},
	{"LOGIN", HELLO "AUTH LOGIN\r\nYWxpY2U=\r\nd29uZGVy\r\n" QUIT,
		OFFERED "334 VXNlcm5hbWU6\r\n334 UGFzc3dvcmQ6\r\n" YES BYE, "auth alice;", MECHS,
		true},
	{"LOGIN with the name at once", HELLO "AUTH LOGIN YWxpY2U=\r\nd29uZGVy\r\n" QUIT,
		OFFERED "334 UGFzc3dvcmQ6\r\n" YES BYE, "auth alice;", MECHS, true},
	{"XOAUTH2", HELLO "AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciBnb29kAQE=\r\n" QUIT,
		OFFERED YES BYE, "auth alice;", MECHS, true},
	{"XOAUTH2, a token of no use",
		HELLO "AUTH XOAUTH2 dXNlcj1hbGljZQFhdXRoPUJlYXJlciBiYWQBAQ==\r\n\r\n" QUIT,
		OFFERED "334 eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\r\n" NO BYE, "auth ;", MECHS,
		true},
	{"a wrong password, then the right one",
		HELLO "AUTH PLAIN " WRONG "\r\nAUTH PLAIN " RIGHT "\r\n" QUIT, OFFERED NO YES BYE,
		"auth ;auth alice;", MECHS, true},
	{"not for somebody else", HELLO "AUTH PLAIN ZXZlAGFsaWNlAHdvbmRlcg==\r\n" QUIT,
		OFFERED NO BYE, "auth ;", MECHS, true},
	{"not twice", HELLO "AUTH PLAIN " RIGHT "\r\nAUTH PLAIN " RIGHT "\r\n" QUIT,
		OFFERED YES "503 5.5.1 Logged in already\r\n" BYE, "auth alice;", MECHS, true},
	{"a second greeting does not log out",
		HELLO "AUTH PLAIN " RIGHT "\r\n" HELLO "AUTH PLAIN " RIGHT "\r\n" QUIT, NULL,
		"auth alice;", MECHS, true},
	{"not before the greeting", "AUTH PLAIN " RIGHT "\r\n" QUIT,
		"220 mx.test ESMTP Yizhan\r\n503 5.5.1 Say EHLO or HELO first\r\n" BYE, "", MECHS,
		true},
	{"not within a transaction",
		HELLO "MAIL FROM:<a@b>\r\nAUTH PLAIN " RIGHT "\r\nRSET\r\n" QUIT,
		OFFERED
		"250 2.1.0 Ok\r\n503 5.5.1 Not within a transaction\r\n250 2.0.0 Ok\r\n" BYE,
		"mail a@b;reset;", MECHS, true},
	{"AUTH= of MAIL is read and not believed",
		HELLO
		"MAIL FROM:<a@b> AUTH=<>\r\nRSET\r\nMAIL FROM:<a@b> AUTH=e+3Dmc2@example.com\r\n"
		"RSET\r\nMAIL FROM:<a@b> AUTH=e+3\r\n" QUIT,
		OFFERED "250 2.1.0 Ok\r\n250 2.0.0 Ok\r\n250 2.1.0 Ok\r\n250 2.0.0 Ok\r\n"
			"501 5.5.4 Bad value of parameter AUTH\r\n" BYE,
		"mail a@b;reset;mail a@b;reset;", MECHS, true},
	{"not in clear", HELLO "AUTH PLAIN " RIGHT "\r\nAUTH SCRAM-SHA-256\r\n*\r\n" QUIT,
		GREETED("250-AUTH SCRAM-SHA-256\r\n") "538 5.7.11 Encryption required for requested authentication mechanism\r\n334 \r\n"
						      "501 5.7.0 Authentication cancelled\r\n" BYE,
		"", MECHS, false},
	{"not offered at all", HELLO "AUTH PLAIN " RIGHT "\r\n" QUIT,
		GREETED("") "502 5.5.1 AUTH is not offered\r\n" BYE, "", NULL, true},
	{"switched off", HELLO "AUTH PLAIN " RIGHT "\r\n" QUIT,
		GREETED("") "502 5.5.1 AUTH is not offered\r\n" BYE, "", MECHS, true, off},
	{"nothing of the list can be done here", HELLO "AUTH PLAIN " RIGHT "\r\n" QUIT,
		GREETED("") "502 5.5.1 AUTH is not offered\r\n" BYE, "", "PLAIN LOGIN", false},
	{"other mechanisms and words",
		HELLO "AUTH CRAM-MD5\r\nAUTH SCRAM-SHA-256-PLUS\r\nAUTH\r\nAUTH PLAIN a b\r\n" QUIT,
		OFFERED "504 5.5.4 Authentication mechanism is not offered\r\n"
			"504 5.5.4 Authentication mechanism is not offered\r\n"
			"501 5.5.4 Which mechanism?\r\n501 5.5.4 Too many arguments\r\n" BYE,
		"", MECHS, true},
	{"cancelled at each step",
		HELLO
		"AUTH PLAIN\r\n*\r\nAUTH LOGIN\r\n*\r\nAUTH LOGIN\r\nYWxpY2U=\r\n*\r\nNOOP\r\n" QUIT,
		OFFERED "334 \r\n501 5.7.0 Authentication cancelled\r\n334 VXNlcm5hbWU6\r\n"
			"501 5.7.0 Authentication cancelled\r\n334 VXNlcm5hbWU6\r\n"
			"334 UGFzc3dvcmQ6\r\n501 5.7.0 Authentication cancelled\r\n"
			"250 2.0.0 Ok\r\n" BYE,
		"", MECHS, true},
	{"an asterisk is a cancel only in answer to 334", HELLO "AUTH PLAIN *\r\n" QUIT,
		OFFERED NOT_B64 BYE, "", MECHS, true},
	{"not base64",
		HELLO "AUTH PLAIN " RIGHT
		      "=\r\nAUTH PLAIN\r\nAGFs\taWNl\r\nAUTH LOGIN\r\nYWxpY2U\r\n" QUIT,
		OFFERED NOT_B64 "334 \r\n" NOT_B64 "334 VXNlcm5hbWU6\r\n" NOT_B64 BYE, "", MECHS,
		true},
	{"what the mechanism cannot read",
		HELLO "AUTH PLAIN =\r\nAUTH PLAIN YWxpY2U=\r\nAUTH PLAIN AP8A/w==\r\nAUTH LOGIN\r\n"
		      "\r\n" QUIT,
		OFFERED CANNOT CANNOT CANNOT "334 VXNlcm5hbWU6\r\n" CANNOT BYE, "", MECHS, true},
	{"a store that does not answer", HELLO "AUTH PLAIN AGJ1c3kAeA==\r\n" QUIT,
		OFFERED "454 4.7.0 Temporary authentication failure\r\n" BYE, "", MECHS, true},
	{"a password that must change", HELLO "AUTH PLAIN AGNoYW5nZQB4\r\n" QUIT,
		OFFERED "432 4.7.12 Not now\r\n" BYE, "", MECHS, true},
	{"two failures and no more",
		HELLO "AUTH PLAIN " WRONG "\r\nAUTH PLAIN " WRONG "\r\nAUTH PLAIN " RIGHT "\r\n",
		OFFERED NO NO "421 4.7.0 mx.test Too many failed logins\r\n", "auth ;auth ;", MECHS,
		true, two_failures},
	{"a bare LF", HELLO "AUTH PLAIN\r\n" RIGHT "\nNOOP\r\n" QUIT,
		OFFERED "334 \r\n500 5.5.2 Lines must end with CR LF\r\n250 2.0.0 Ok\r\n" BYE, "",
		MECHS, true},
	{"the end in the middle", HELLO "AUTH LOGIN\r\nYWxp", OFFERED "334 VXNlcm5hbWU6\r\n", "",
		MECHS, true},
	{"LMTP", "LHLO c\r\nAUTH PLAIN " RIGHT "\r\n" QUIT, NULL, "auth alice;", MECHS, true, lmtp},
};

static void play_case(const struct auth_case *c, size_t step)
{
	struct play p;

	play_init(&p, span_str(c->in));
	p.mechs = c->mechs;
	p.is_clear = c->is_clear;
	p.step = step;
	if (c->tune)
		c->tune(&p.opts);
	play_run(&p);
	if (c->out && strcmp(buf_cstr(&p.out), c->out) != 0)
		fail_msg("%s (%zu):\n%s", c->name, step, buf_cstr(&p.out));
	if (strcmp(buf_cstr(&p.notes), c->notes) != 0)
		fail_msg("%s (%zu): %s", c->name, step, buf_cstr(&p.notes));
	/* Each wrong login waits. */
	assert_true(p.took_ns >= (strstr(buf_cstr(&p.out), "\n535") ? CLOCK_SEC : 0));
	play_fini(&p);
}

static void auth_whole_and_in_pieces(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t step = 0; step < 8; step++)
			play_case(&cases[i], step);
}

/* RFC 4954 section 4: 12288 octets must do. */
static void a_long_line_is_taken_and_a_longer_one_refused(void **state)
{
	static const size_t sizes[] = {12288, 12292};

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct play p;
		struct buf in;

		buf_init(&in, 100000);
		buf_str(&in, HELLO "AUTH PLAIN\r\n");
		for (size_t k = 0; k < sizes[i]; k++)
			buf_char(&in, 'A');
		buf_str(&in, "\r\nNOOP\r\n" QUIT);
		play_init(&p, buf_span(&in));
		p.mechs = MECHS;
		p.is_clear = true;
		play_run(&p);
		assert_string_equal(buf_cstr(&p.out),
			i == 0 ? OFFERED "334 \r\n" CANNOT "250 2.0.0 Ok\r\n" BYE
			       : OFFERED "334 \r\n500 5.5.6 Authentication exchange line is too "
					 "long\r\n250 2.0.0 Ok\r\n" BYE);
		play_fini(&p);
		buf_fini(&in);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(auth_whole_and_in_pieces),
		cmocka_unit_test(a_long_line_is_taken_and_a_longer_one_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
