/* The dialogue of the POP3 server: scripts of what the client says, exact answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/pop3_play.h"

#define HELLO "+OK pop.test POP3 server ready\r\n"
#define LOGIN "USER alice\r\nPASS wonder\r\n"
#define IN    HELLO "+OK Now the password\r\n+OK 3 messages (84 octets)\r\n"
#define BYE   "+OK Goodbye, 0 removed\r\n"

static void test_dialogue(void **state)
{
	static const struct {
		const char *name, *in, *out, *notes;
	} cases[] = {
		{"nothing but QUIT", "QUIT\r\n", HELLO "+OK Goodbye\r\n", ""},
		{"a login", LOGIN "QUIT\r\n", IN BYE, "login alice good;update;"},
		{"STAT and LIST", LOGIN "STAT\r\nLIST\r\nLIST 2\r\nQUIT\r\n",
			IN "+OK 3 84\r\n+OK 3 messages follow\r\n1 38\r\n2 30\r\n3 16\r\n.\r\n"
			   "+OK 2 30\r\n" BYE,
			"login alice good;update;"},
		{"UIDL", LOGIN "UIDL\r\nUIDL 3\r\nQUIT\r\n",
			IN
			"+OK 3 messages follow\r\n1 7.100\r\n2 7.101\r\n3 7.102\r\n.\r\n+OK 3 7.102\r\n" BYE,
			"login alice good;update;"},
		{"RETR", LOGIN "RETR 1\r\nQUIT\r\n",
			IN
			"+OK 38 octets\r\nSubject: one\r\n\r\nfirst\r\nsecond\r\nthird\r\n.\r\n" BYE,
			"login alice good;whole 0;update;"},
		{"RETR stuffs dots and ends the last line", LOGIN "RETR 2\r\nQUIT\r\n",
			IN
			"+OK 30 octets\r\n..Subject: two\r\n\r\n..\r\n...\r\nno end\r\n.\r\n" BYE,
			"login alice good;whole 1;update;"},
		{"TOP", LOGIN "TOP 1 1\r\nTOP 1 0\r\nQUIT\r\n",
			IN "+OK Message 1, the first lines\r\nSubject: one\r\n\r\nfirst\r\n.\r\n"
			   "+OK Message 1, the first lines\r\nSubject: one\r\n\r\n.\r\n" BYE,
			"login alice good;part 0;part 0;update;"},
		{"DELE and QUIT", LOGIN "DELE 1\r\nDELE 3\r\nSTAT\r\nLIST\r\nQUIT\r\n",
			IN
			"+OK Message 1 goes at QUIT\r\n+OK Message 3 goes at QUIT\r\n+OK 1 30\r\n"
			"+OK 1 messages follow\r\n2 30\r\n.\r\n+OK Goodbye, 2 removed\r\n",
			"login alice good;update 0 2;"},
		{"DELE and no QUIT removes nothing", LOGIN "DELE 1\r\n",
			IN "+OK Message 1 goes at QUIT\r\n", "login alice good;"},
		{"RSET", LOGIN "DELE 1\r\nRSET\r\nSTAT\r\nQUIT\r\n",
			IN
			"+OK Message 1 goes at QUIT\r\n+OK 3 messages (84 octets)\r\n+OK 3 84\r\n" BYE,
			"login alice good;update;"},
		{"what is marked is not there",
			LOGIN "DELE 1\r\nRETR 1\r\nDELE 1\r\nLIST 1\r\n"
			      "UIDL 1\r\nTOP 1 1\r\n",
			IN
			"+OK Message 1 goes at QUIT\r\n-ERR Message 1 is marked as deleted\r\n"
			"-ERR Message 1 is marked as deleted\r\n-ERR Message 1 is marked as deleted\r\n"
			"-ERR Message 1 is marked as deleted\r\n-ERR Message 1 is marked as deleted\r\n",
			"login alice good;"},
		{"there is no such message",
			LOGIN "RETR 0\r\nRETR 4\r\nLIST 4294967295\r\nQUIT\r\n",
			IN
			"-ERR There is no such message, only 3\r\n-ERR There is no such message, only 3\r\n"
			"-ERR There is no such message, only 3\r\n" BYE,
			"login alice good;update;"},
		{"wrong password, then the right one", "USER alice\r\nPASS x\r\n" LOGIN "QUIT\r\n",
			HELLO "+OK Now the password\r\n-ERR [AUTH] Wrong name or password\r\n"
			      "+OK Now the password\r\n+OK 3 messages (84 octets)\r\n" BYE,
			"login alice bad;login alice good;update;"},
		{"unknown users hear the same", "USER nobody\r\nPASS x\r\nQUIT\r\n",
			HELLO
			"+OK Now the password\r\n-ERR [AUTH] Wrong name or password\r\n+OK Goodbye\r\n",
			"login nobody bad;"},
		{"a failed login forgets the name", "USER alice\r\nPASS x\r\nPASS wonder\r\n",
			HELLO "+OK Now the password\r\n-ERR [AUTH] Wrong name or password\r\n"
			      "-ERR USER comes first\r\n",
			"login alice bad;"},
		{"trouble is not the credentials", "USER trouble\r\nPASS x\r\n",
			HELLO "+OK Now the password\r\n"
			      "-ERR [SYS/TEMP] Nobody can log in now, try again later\r\n",
			"login trouble bad;"},
		{"somebody else has the mailbox", "USER busy\r\nPASS wonder\r\nSTAT\r\n",
			HELLO
			"+OK Now the password\r\n-ERR [IN-USE] Another session has this mailbox\r\n"
			"-ERR Log in first\r\n",
			"login busy good;forget;"},
		{"too soon", "USER late\r\nPASS wonder\r\nUSER alice\r\nPASS wonder\r\nQUIT\r\n",
			HELLO "+OK Now the password\r\n"
			      "-ERR [LOGIN-DELAY] 60 seconds must pass between two logins\r\n"
			      "+OK Now the password\r\n+OK 3 messages (84 octets)\r\n" BYE,
			"login late good;forget;login alice good;update;"},
		{"a mailbox that cannot be opened", "USER down\r\nPASS wonder\r\n",
			HELLO
			"+OK Now the password\r\n-ERR [SYS/TEMP] The mailbox cannot be opened now\r\n",
			"login down good;forget;"},
		{"CAPA and LANG may stand between USER and PASS",
			"USER alice\r\nLANG en\r\nPASS wonder\r\nQUIT\r\n",
			HELLO "+OK Now the password\r\n+OK en Language changed\r\n"
			      "+OK 3 messages (84 octets)\r\n" BYE,
			"login alice good;update;"},
		{"anything else may not", "USER alice\r\nUTF8\r\nPASS wonder\r\n",
			HELLO
			"+OK Now the password\r\n+OK UTF8 enabled\r\n-ERR USER comes first\r\n",
			""},
		{"before the login", "STAT\r\nLIST\r\nRETR 1\r\nNOOP\r\nRSET\r\nPASS a\r\nXYZ\r\n",
			HELLO "-ERR Log in first\r\n-ERR Log in first\r\n-ERR Log in first\r\n"
			      "-ERR Log in first\r\n-ERR Log in first\r\n-ERR USER comes first\r\n"
			      "-ERR Unknown command\r\n",
			""},
		{"after the login",
			LOGIN "USER a\r\nPASS a\r\nAUTH\r\nSTLS\r\nUTF8\r\nNOOP\r\nQUIT\r\n",
			IN
			"-ERR USER is for before the login\r\n-ERR PASS is for before the login\r\n"
			"-ERR AUTH is for before the login\r\n-ERR STLS is for before the login\r\n"
			"-ERR UTF8 is for before the login\r\n+OK Nothing done\r\n" BYE,
			"login alice good;update;"},
		{"APOP is not offered", "APOP alice 0123\r\n",
			HELLO "-ERR APOP is not offered: no password is kept in clear\r\n", ""},
		{"no TLS here", "STLS\r\n", HELLO "-ERR TLS is not offered\r\n", ""},
		{"languages",
			"LANG\r\nLANG *\r\nLANG EN-us\r\nLANG i-default\r\nLANG zh\r\nLANG a b\r\n",
			HELLO
			"+OK Language listing follows\r\nen English\r\ni-default The same\r\n.\r\n"
			"+OK en Language changed\r\n+OK en Language changed\r\n"
			"+OK i-default Language changed\r\n-ERR There is no such language here\r\n"
			"-ERR One language at a time\r\n",
			""},
		{"malformed", LOGIN "RETR x\r\nTOP 1\r\n",
			IN "-ERR RETR: the number of a message is needed\r\n"
			   "-ERR TOP: the number of a message and a number of lines are needed\r\n",
			"login alice good;"},
		{"bare LF ends a command", "USER alice\nPASS wonder\nSTAT\n", IN "+OK 3 84\r\n",
			"login alice good;"},
		{"AUTH with an initial response", "AUTH PLAIN AGFsaWNlAHdvbmRlcg==\r\nQUIT\r\n",
			HELLO "+OK 3 messages (84 octets)\r\n" BYE, "login alice good;update;"},
		{"AUTH with a challenge", "AUTH PLAIN\r\nAGFsaWNlAHdvbmRlcg==\r\nQUIT\r\n",
			HELLO "+ \r\n+OK 3 messages (84 octets)\r\n" BYE,
			"login alice good;update;"},
		{"AUTH cancelled", "AUTH PLAIN\r\n*\r\nQUIT\r\n",
			HELLO "+ \r\n-ERR Cancelled\r\n+OK Goodbye\r\n", ""},
		{"AUTH that is no base64", "AUTH PLAIN\r\n!!\r\nAUTH PLAIN ?\r\nQUIT\r\n",
			HELLO
			"+ \r\n-ERR This is not base64\r\n-ERR This is not base64\r\n+OK Goodbye\r\n",
			""},
		{"AUTH with the wrong password", "AUTH PLAIN AGFsaWNlAHg=\r\n",
			HELLO "-ERR [AUTH] Wrong name or password\r\n", "login alice bad;"},
		{"AUTH with what is not there", "AUTH APOP\r\n",
			HELLO "-ERR The mechanism is not offered: see CAPA\r\n", ""},
		{"AUTH alone", "AUTH\r\n", HELLO "+OK Mechanisms follow\r\nPLAIN\r\n.\r\n", ""},
		{"CAPA", "CAPA\r\n",
			HELLO "+OK Capability list follows\r\nTOP\r\nUIDL\r\nUSER\r\nSASL PLAIN\r\n"
			      "RESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nLOGIN-DELAY 60\r\n"
			      "EXPIRE NEVER\r\nUTF8 USER\r\nLANG\r\n.\r\n",
			""},
		{"CAPA after the login", LOGIN "CAPA\r\n",
			IN "+OK Capability list follows\r\nTOP\r\nUIDL\r\nUSER\r\nSASL PLAIN\r\n"
			   "RESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nLOGIN-DELAY 60\r\n"
			   "EXPIRE NEVER\r\nUTF8 USER\r\nLANG\r\nIMPLEMENTATION Yizhan\r\n.\r\n",
			"login alice good;"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (size_t step = 0; step < 5; step++) {
			struct pop3_play p;

			pop3_play_init(&p, span_str(cases[i].in));
			p.step = step;
			p.cut = step;
			p.mechs = "PLAIN";
			p.opts.login_delay_sec = 60;
			pop3_play_run(&p);
			if (!span_eq(buf_span(&p.out), span_str(cases[i].out)))
				fail_msg("%s, in pieces of %zu:\n%s", cases[i].name, step,
					buf_cstr(&p.out));
			if (!span_eq(buf_span(&p.notes), span_str(cases[i].notes)))
				fail_msg("%s: %s", cases[i].name, buf_cstr(&p.notes));
			pop3_play_fini(&p);
		}
	}
}

static void play(struct pop3_play *p, const char *in)
{
	pop3_play_init(p, span_str(in));
	p->mechs = "PLAIN";
}

static void expect(struct pop3_play *p, const char *out)
{
	pop3_play_run(p);
	if (!span_eq(buf_span(&p->out), span_str(out)))
		fail_msg("%s", buf_cstr(&p->out));
	pop3_play_fini(p);
}

static void test_refused(void **state)
{
	struct pop3_play p;

	(void)state;
	play(&p, LOGIN);
	p.refuse = "You are banned";
	expect(&p, "-ERR [SYS/TEMP] You are banned\r\n");
	bool is_draining = true;
	play(&p, LOGIN);
	p.opts.is_draining = &is_draining;
	expect(&p, "-ERR [SYS/TEMP] Going down, come again\r\n");
}

static void test_no_password_in_clear(void **state)
{
	struct pop3_play p;

	(void)state;
	play(&p, LOGIN "AUTH PLAIN AGFsaWNlAHdvbmRlcg==\r\nCAPA\r\n");
	p.opts.is_clear_allowed = false;
	p.opts.features_off = ~(POP3_BIT(USER) | POP3_BIT(SASL));
	expect(&p,
		HELLO "-ERR No password is taken in clear here\r\n-ERR USER comes first\r\n"
		      "-ERR The mechanism is not offered: it needs TLS\r\n"
		      "+OK Capability list follows\r\n.\r\n");
}

static void test_switched_off(void **state)
{
	struct pop3_play p;

	(void)state;
	play(&p,
		"USER a\r\nAUTH PLAIN AGFsaWNlAHg=\r\nAUTH PLAIN AGFsaWNlAHdvbmRlcg==\r\nUIDL\r\nTOP 1 1\r\n"
		"CAPA\r\n");
	p.opts.features_off = pop3_feature_bit(SPAN("user")) | pop3_feature_bit(SPAN("UIDL")) |
		pop3_feature_bit(SPAN("TOP")) | pop3_feature_bit(SPAN("RESP-CODES")) |
		pop3_feature_bit(SPAN("IMPLEMENTATION"));
	p.opts.expire_days = 30;
	expect(&p,
		HELLO
		"-ERR USER is not offered\r\n-ERR Wrong name or password\r\n"
		"+OK 3 messages (84 octets)\r\n-ERR UIDL is not offered\r\n-ERR TOP is not offered\r\n"
		"+OK Capability list follows\r\nSASL PLAIN\r\nPIPELINING\r\nEXPIRE 30\r\nUTF8 USER\r\n"
		"LANG\r\n.\r\n");
	assert_int_equal(pop3_feature_bit(SPAN("XYZ")), 0);
	assert_string_equal(pop3_feature_str(POP3_FEATURE_LOGIN_DELAY), "LOGIN-DELAY");
}

/* RFC 6856 sections 5 and 6 */
static void test_utf8_needed(void **state)
{
	struct pop3_play p;

	(void)state;
	play(&p, LOGIN "RETR 3\r\nTOP 3 0\r\nRETR 1\r\n");
	p.opts.is_utf8_needed = true;
	expect(&p,
		IN "-ERR [UTF8] The header of message 3 needs UTF8 mode\r\n"
		   "-ERR [UTF8] The header of message 3 needs UTF8 mode\r\n"
		   "+OK 38 octets\r\nSubject: one\r\n\r\nfirst\r\nsecond\r\nthird\r\n.\r\n");
	play(&p, "UTF8\r\n" LOGIN "RETR 3\r\n");
	p.opts.is_utf8_needed = true;
	expect(&p,
		HELLO "+OK UTF8 enabled\r\n+OK Now the password\r\n+OK 3 messages (84 octets)\r\n"
		      "+OK 16 octets\r\nSubject: \xe9\xa9\xbf\r\n\r\n.\r\n");
}

static void test_gone_and_broken(void **state)
{
	struct pop3_play p;

	(void)state;
	play(&p, LOGIN "RETR 1\r\nRETR 2\r\nRETR 1\r\nQUIT\r\n");
	p.is_gone[0] = true;
	p.breaks[1] = 1; /* before its first octet */
	expect(&p,
		IN "-ERR Message 1 is gone: removed elsewhere\r\n"
		   "-ERR [SYS/TEMP] Message 2 cannot be read now\r\n"
		   "-ERR Message 1 is gone: removed elsewhere\r\n" BYE);
	/* half a message never looks like a whole one */
	play(&p, LOGIN "RETR 1\r\nQUIT\r\n");
	p.cut = 10;
	p.breaks[0] = 20;
	pop3_play_run(&p);
	assert_true(span_ends_nocase(buf_span(&p.out), SPAN("Subject: one\r\n\r\nfirs")));
	assert_int_equal(p.updates, 0);
	assert_int_equal(p.rc, -1);
	pop3_play_fini(&p);
}

static void test_update_that_fails(void **state)
{
	struct pop3_play p;

	(void)state;
	play(&p, LOGIN "DELE 1\r\nQUIT\r\n");
	p.is_update_failing = true;
	expect(&p,
		IN "+OK Message 1 goes at QUIT\r\n"
		   "-ERR [SYS/TEMP] Some deleted messages were not removed\r\n");
}

static void test_login_that_ends(void **state)
{
	struct pop3_play p;

	(void)state;
	play(&p, LOGIN "DELE 1\r\nQUIT\r\n");
	p.is_login_over = true;
	expect(&p,
		IN "-ERR [AUTH] This login counts no more: log in again. Nothing was removed\r\n");
}

static void test_limits(void **state)
{
	struct pop3_play p;
	struct buf in;

	(void)state;
	buf_init(&in, 1 << 20);
	for (int i = 0; i < 200; i++)
		buf_str(&in, "CAPA\r\n");
	play(&p, buf_cstr(&in));
	pop3_play_run(&p);
	assert_true(span_ends_nocase(buf_span(&p.out), SPAN(".\r\n-ERR Too many commands\r\n")));
	pop3_play_fini(&p);

	buf_clear(&in);
	for (int i = 0; i < 20; i++)
		buf_str(&in, "USER alice\r\nPASS x\r\n");
	play(&p, buf_cstr(&in));
	pop3_play_run(&p);
	assert_true(
		span_ends_nocase(buf_span(&p.out), SPAN("-ERR [AUTH] Too many failed logins\r\n")));
	assert_int_equal(p.took_ns / CLOCK_SEC, 6); /* a second each */
	pop3_play_fini(&p);

	buf_clear(&in);
	buf_str(&in, LOGIN);
	for (int i = 0; i < 200; i++)
		buf_str(&in, "NONSENSE\r\n");
	play(&p, buf_cstr(&in));
	pop3_play_run(&p);
	assert_true(span_ends_nocase(
		buf_span(&p.out), SPAN("-ERR Unknown command\r\n-ERR Too many errors\r\n")));
	pop3_play_fini(&p);

	buf_clear(&in);
	buf_str(&in, LOGIN "STAT ");
	for (int i = 0; i < 100000; i++)
		buf_char(&in, 'x');
	buf_str(&in, "\r\nNOOP\r\n");
	play(&p, buf_cstr(&in));
	expect(&p, IN "-ERR The line is too long\r\n+OK Nothing done\r\n");

	/* an endless line before the login */
	buf_clear(&in);
	for (int i = 0; i < 100000; i++)
		buf_char(&in, 'x');
	buf_str(&in, "\r\nQUIT\r\n");
	play(&p, buf_cstr(&in));
	expect(&p, HELLO "-ERR The line is too long\r\n+OK Goodbye\r\n");
	buf_fini(&in);
}

static void test_timeouts(void **state)
{
	struct pop3_play p;

	(void)state;
	play(&p, LOGIN "DELE 1\r\n");
	p.stays = true;
	pop3_play_run(&p);
	assert_true(span_ends_nocase(buf_span(&p.out),
		SPAN("-ERR Nothing was said for too long. Nothing was removed\r\n")));
	assert_int_equal(p.took_ns / CLOCK_MIN, 10); /* RFC 1939 section 3 */
	assert_true(p.has_rested);
	assert_int_equal(p.updates, 0);
	pop3_play_fini(&p);

	/* nobody stays without a login by saying something now and then */
	play(&p, "CAPA\r\nCAPA\r\nCAPA\r\nCAPA\r\n");
	p.stays = true;
	p.step = 6;
	p.pause_ns = 4 * CLOCK_MIN;
	pop3_play_run(&p);
	assert_in_range(p.took_ns, 10 * CLOCK_MIN, 16 * CLOCK_MIN);
	assert_true(span_ends_nocase(buf_span(&p.out), SPAN("Nothing was removed\r\n")));
	pop3_play_fini(&p);
}

/* RFC 2449 section 6.6: all commands in one segment. */
static void test_pipelining(void **state)
{
	struct pop3_play p;
	struct buf in, out;

	(void)state;
	buf_init(&in, 1 << 20);
	buf_init(&out, 1 << 20);
	buf_str(&in, LOGIN);
	buf_str(&out, IN);
	for (int i = 0; i < 2000; i++) {
		buf_str(&in, "TOP 1 0\r\nNOOP\r\n");
		buf_str(&out,
			"+OK Message 1, the first lines\r\nSubject: one\r\n\r\n.\r\n+OK Nothing done\r\n");
	}
	buf_str(&in, "QUIT\r\n");
	buf_str(&out, BYE);
	play(&p, buf_cstr(&in));
	expect(&p, buf_cstr(&out));
	buf_fini(&in);
	buf_fini(&out);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dialogue),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_password_in_clear),
		cmocka_unit_test(test_switched_off),
		cmocka_unit_test(test_utf8_needed),
		cmocka_unit_test(test_gone_and_broken),
		cmocka_unit_test(test_update_that_fails),
		cmocka_unit_test(test_login_that_ends),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_timeouts),
		cmocka_unit_test(test_pipelining),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
