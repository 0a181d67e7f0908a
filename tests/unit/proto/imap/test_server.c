#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "lib/imap_play.h"

/* A conversation: what the client says in one piece, and exactly what it hears within the time. */
struct turn {
	const char *say, *hear;
	int64_t wait_ns;     /* 0: 20 ms */
	unsigned news, gone; /* happen, and ring, before it */
};

struct story {
	const char *name;
	void (*set)(struct imap_play *p);
	const struct turn *turns;
	size_t count;
	const char *notes; /* NULL: not looked at */
	bool is_over;
	size_t step;
};

static FIBER void play_turn(struct imap_play *p, const struct story *s, const struct turn *t)
{
	struct err e = {0};

	if (t->news || t->gone) {
		p->news += t->news;
		p->gone += t->gone;
		imap_ring(p->s);
	}
	imap_play_say(p, span_str(t->say), s->step);
	assert_int_equal(fiber_sleep(t->wait_ns ? t->wait_ns : 20 * CLOCK_MS, &e), 0);
	if (strcmp(buf_cstr(&p->out), t->hear) != 0)
		fail_msg("%s: to\n%s\nit said\n%s\nnot\n%s", s->name, t->say, buf_cstr(&p->out),
			t->hear);
	buf_clear(&p->out);
}

struct telling {
	const struct story *s;
	size_t step;
};

static FIBER int story_main(void *arg)
{
	const struct story *s = arg;
	struct imap_play p;

	imap_play_init(&p);
	/* Most stories look at the order of the talk, not at the list of capabilities. */
	p.opts.caps = IMAP_BIT(IMAP4REV1) | IMAP_BIT(LITERAL_PLUS) | IMAP_BIT(SASL_IR) |
		IMAP_BIT(ENABLE) | IMAP_BIT(IDLE) | IMAP_BIT(ID);
	if (s->set)
		s->set(&p);
	imap_play_start(&p);
	imap_play_hear(&p);
	for (size_t i = 0; i < s->count; i++)
		play_turn(&p, s, &s->turns[i]);
	if (p.is_over != s->is_over)
		fail_msg("%s: it is %sover", s->name, p.is_over ? "" : "not ");
	imap_play_stop(&p);
	if (s->notes && strcmp(buf_cstr(&p.notes), s->notes) != 0)
		fail_msg("%s: noted %s", s->name, buf_cstr(&p.notes));
	imap_play_fini(&p);
	return 0;
}

static void play(const struct story *s)
{
	struct loop_opts opts = {.name = "play", .slice_warn_ns = 60 * CLOCK_SEC};
	struct loop *l = loop_new_sim(&opts, 1795415400 * CLOCK_SEC);
	struct err e = {0};

	assert_int_equal(loop_run(l, story_main, (void *)(uintptr_t)s, &e), 0);
	loop_free(&l);
}

static void play_all(const struct story *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		play(&list[i]);
}

#define TURNS(...)                                                                                 \
	(const struct turn[]){__VA_ARGS__},                                                        \
		sizeof((const struct turn[]){__VA_ARGS__}) / sizeof(struct turn)
#define CAPS     "IMAP4rev1 SASL-IR LITERAL+ ENABLE ID IDLE"
#define GREETING "* OK [CAPABILITY " CAPS " AUTH=PLAIN] imap.test Yizhan ready\r\n"
#define LOGIN    "l LOGIN alice wonder\r\n"
#define LOGGED   "l OK [CAPABILITY " CAPS "] Logged in\r\n"
#define BEGIN                                                                                      \
	{                                                                                          \
		LOGIN, GREETING LOGGED, 0, 0, 0                                                    \
	}
#define SELECT   "s SELECT INBOX\r\n"
#define SELECTED "* 5 EXISTS\r\ns OK SELECT completed\r\n"

/* ---- beginning ---- */

static void set_banned(struct imap_play *p)
{
	p->refusal = "Too many connections from where you are";
}

static const bool yes = true;

static void set_draining(struct imap_play *p)
{
	p->opts.is_draining = &yes;
}

static void set_no_clear(struct imap_play *p)
{
	p->is_clear = false;
}

static void set_all(struct imap_play *p)
{
	p->opts.caps = IMAP_BITS_ALL;
	p->opts.limits.message_limit = 1000;
}

#define ALL_LATE                                                                                   \
	"IMAP4rev2 IMAP4rev1 SASL-IR LITERAL+ ENABLE ID IDLE NAMESPACE UIDPLUS MOVE UNSELECT "     \
	"CHILDREN LIST-EXTENDED LIST-STATUS LIST-MYRIGHTS LIST-METADATA SPECIAL-USE "              \
	"CREATE-SPECIAL-USE STATUS=SIZE CONDSTORE QRESYNC ESEARCH SEARCHRES WITHIN SEARCH=FUZZY "  \
	"MULTISEARCH SORT SORT=DISPLAY ESORT THREAD=ORDEREDSUBJECT THREAD=REFERENCES PARTIAL "     \
	"I18NLEVEL=1 MULTIAPPEND APPENDLIMIT=52428800 BINARY CATENATE REPLACE QUOTA "              \
	"QUOTA=RES-STORAGE QUOTA=RES-MESSAGE QUOTASET ACL RIGHTS=tekx METADATA METADATA-SERVER "   \
	"OBJECTID SAVEDATE PREVIEW UTF8=ACCEPT NOTIFY UNAUTHENTICATE COMPRESS=DEFLATE INPROGRESS " \
	"MESSAGELIMIT=1000 JMAPACCESS UIDONLY"

static const struct story beginnings[] = {
	{"the greeting tells what is offered", NULL,
		TURNS({"a CAPABILITY\r\n",
			      GREETING "* CAPABILITY " CAPS
				       " AUTH=PLAIN\r\na OK CAPABILITY completed\r\n"},
			{"b LOGOUT\r\n", "* BYE Good bye\r\nb OK LOGOUT completed\r\n"}),
		"", true, 0},
	{"a client that is not wanted hears BYE", set_banned,
		TURNS({"", "* BYE Too many connections from where you are\r\n"}), NULL, true, 0},
	{"a server that goes down greets with BYE", set_draining,
		TURNS({"", "* BYE [UNAVAILABLE] Going down, come again\r\n"}), NULL, true, 0},
	{"without TLS there is no login where that is not allowed", set_no_clear,
		TURNS({LOGIN "a AUTHENTICATE PLAIN\r\n",
			"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED SASL-IR LITERAL+ ENABLE ID IDLE] "
			"imap.test Yizhan ready\r\n"
			"l NO [PRIVACYREQUIRED] Not without TLS\r\n"
			"a NO [PRIVACYREQUIRED] Not without TLS\r\n"}),
		"", false, 0},
	{"behind a login all of it is told", set_all,
		TURNS({LOGIN,
			"* OK [CAPABILITY IMAP4rev2 IMAP4rev1 SASL-IR LITERAL+ ENABLE ID "
			"IDLE AUTH=PLAIN] imap.test Yizhan ready\r\n"
			"l OK [CAPABILITY " ALL_LATE "] Logged in\r\n"}),
		"auth yes;", false, 0},
};

static void it_greets_or_refuses(void **state)
{
	play_all(beginnings, ARRAY_LEN(beginnings));
}

/* ---- states ---- */

static const struct story states[] = {
	{"before a login", NULL,
		TURNS({"a NOOP\r\nb SELECT INBOX\r\nc FETCH 1 FLAGS\r\nd IDLE\r\ne BLAH\r\n",
			GREETING
			"a OK NOOP completed\r\nb BAD Log in first\r\nc BAD Log in first\r\n"
			"d BAD Log in first\r\ne BAD There is no such command\r\n"}),
		"", false, 0},
	{"behind a login", NULL,
		TURNS(BEGIN,
			{"a LOGIN alice wonder\r\nb AUTHENTICATE PLAIN\r\nc FETCH 1 FLAGS\r\n"
			 "d CHECK\r\ne LIST \"\" *\r\n",
				"a BAD Logged in already\r\nb BAD Logged in already\r\n"
				"c BAD Select a mailbox first\r\nd BAD Select a mailbox first\r\n"
				"e OK LIST completed\r\n"}),
		"auth yes;LIST;", false, 0},
	{"selected, and no more", NULL,
		TURNS(BEGIN,
			{SELECT "a FETCH 1 FLAGS\r\nb CHECK\r\nc CLOSE\r\nd FETCH 1 FLAGS\r\n",
				SELECTED "a OK FETCH completed\r\nb OK CHECK completed\r\n"
					 "c OK CLOSE completed\r\n"
					 "d BAD Select a mailbox first\r\n"}),
		"auth yes;SELECT;FETCH;CLOSE;", false, 0},
	{"what a decider cannot do", NULL,
		TURNS(BEGIN,
			{"a DELETE x\r\nb CREATE x\r\nc SUBSCRIBE x\r\nd RENAME x y\r\ne NOOP\r\n",
				"a NO [NONEXISTENT] There is no such thing\r\n"
				"b NO [CORRUPTION] What is stored there is damaged\r\n"
				"c NO not??that\r\n"
				"d OK RENAME completed\r\n* BYE That was enough\r\n"}),
		"auth yes;DELETE;CREATE;SUBSCRIBE;RENAME;", true, 0},
	{"lines that are no commands", NULL,
		TURNS({"\r\n", GREETING "* BAD Expected a tag at the beginning of the line\r\n"},
			{"x\r\n", "x BAD Expected a command behind the tag\r\n"}),
		"", false, 0},
};

static void commands_have_their_states(void **state)
{
	play_all(states, ARRAY_LEN(states));
}

/* ---- updates ---- */

static const struct story updates[] = {
	{"EXPUNGE waits for a command that allows it (RFC 9051 7.5.1)", NULL,
		TURNS(BEGIN, {SELECT, SELECTED, 0, 0, 0},
			{"a FETCH 1 FLAGS\r\nb STORE 1 FLAGS ()\r\nc SEARCH ALL\r\nd NOOP\r\n",
				"* 6 EXISTS\r\na OK FETCH completed\r\nb OK STORE completed\r\n"
				"c OK SEARCH completed\r\n* 1 EXPUNGE\r\nd OK NOOP completed\r\n",
				0, 1, 1}),
		NULL, false, 0},
	{"UID commands allow it", NULL,
		TURNS(BEGIN, {SELECT, SELECTED, 0, 0, 0},
			{"a UID FETCH 1 FLAGS\r\n", "* 1 EXPUNGE\r\na OK UID FETCH completed\r\n",
				0, 0, 1}),
		NULL, false, 0},
	{"nothing is told between commands", NULL,
		TURNS(BEGIN, {SELECT, SELECTED, 0, 0, 0}, {"", "", CLOCK_SEC, 1, 1},
			{"a NOOP\r\n", "* 1 EXPUNGE\r\n* 6 EXISTS\r\na OK NOOP completed\r\n", 0, 0,
				0}),
		NULL, false, 0},
	{"IDLE tells at once, and stays for hours", NULL,
		TURNS(BEGIN, {SELECT, SELECTED, 0, 0, 0}, {"a IDLE\r\n", "+ idling\r\n", 0, 0, 0},
			{"", "* 6 EXISTS\r\n", 0, 1, 0}, {"", "* 1 EXPUNGE\r\n", 0, 0, 1},
			{"",
				"* OK Still here\r\n* OK Still here\r\n* OK Still here\r\n"
				"* OK Still here\r\n",
				2 * CLOCK_HOUR, 0, 0},
			{"done\r\nb NOOP\r\n", "a OK IDLE completed\r\nb OK NOOP completed\r\n", 0,
				0, 0}),
		"auth yes;SELECT;", false, 0},
	{"IDLE ends with DONE only", NULL,
		TURNS(BEGIN,
			{"a IDLE\r\nb NOOP\r\n", "+ idling\r\na BAD DONE ends IDLE\r\n", 0, 0, 0}),
		NULL, false, 0},
	{"what has come in the meantime is told as IDLE begins", NULL,
		TURNS(BEGIN, {SELECT, SELECTED, 0, 0, 0}, {"", "", 0, 1, 0},
			{"a IDLE\r\n", "+ idling\r\n* 6 EXISTS\r\n", 0, 0, 0}),
		NULL, false, 0},
};

static void set_notify(struct imap_play *p)
{
	p->opts.caps |= IMAP_BIT(NOTIFY);
}

static const struct story notifies[] = {
	{"a session that listens is told between commands", set_notify,
		TURNS({LOGIN SELECT "a NOTIFY SET (selected (MessageNew MessageExpunge))\r\n",
			      GREETING "l OK [CAPABILITY " CAPS " NOTIFY] Logged in\r\n" SELECTED
				       "a OK NOTIFY completed\r\n",
			      0, 0, 0},
			{"", "* 1 EXPUNGE\r\n* 6 EXISTS\r\n", 0, 1, 1},
			{"b NOTIFY NONE\r\n", "b OK NOTIFY completed\r\n", 0, 0, 0},
			{"", "", CLOCK_SEC, 1, 0}),
		NULL, false, 0},
};

static void changes_are_told_where_they_may_be(void **state)
{
	play_all(updates, ARRAY_LEN(updates));
	play_all(notifies, ARRAY_LEN(notifies));
}

/* ---- literals and budgets ---- */

static void set_minus(struct imap_play *p)
{
	p->opts.caps = (p->opts.caps & ~IMAP_BIT(LITERAL_PLUS)) | IMAP_BIT(LITERAL_MINUS);
}

static const struct story literals[] = {
	{"a literal waits for its answer, another one comes at once", NULL,
		TURNS({"l LOGIN {5}\r\n", GREETING "+ Go on\r\n"},
			{"alice {6+}\r\nwonder\r\n", LOGGED}),
		"auth yes;", false, 0},
	{"a literal in a refused command is not asked for", NULL,
		TURNS({"a SELECT {5}\r\nb NOOP\r\n",
			GREETING "a BAD Log in first\r\nb OK NOOP completed\r\n"}),
		NULL, false, 0},
	{"what comes unasked in a refused command is read over", NULL,
		TURNS({"a SELECT {8+}\r\nx NOOP\r\n more {3+}\r\nx L\r\nb NOOP\r\n",
			GREETING "a BAD Log in first\r\nb OK NOOP completed\r\n"}),
		NULL, false, 0},
	{"LITERAL- has 4096 octets", set_minus,
		TURNS({"l LOGIN {5+}\r\nalice {6+}\r\nwonder\r\na LIST \"\" {5000+}\r\n",
			"* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL- ENABLE ID IDLE AUTH=PLAIN] "
			"imap.test Yizhan ready\r\nl OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL- "
			"ENABLE ID IDLE] Logged in\r\n"}),
		NULL, false, 0},
	{"a literal that ends like the head of another is none", NULL,
		TURNS({"a LOGIN {3+}\r\n{9} {4+}\r\n{10}\r\nb NOOP\r\n",
			GREETING "a NO [AUTHENTICATIONFAILED] That is not right\r\n"
				 "b OK NOOP completed\r\n",
			2 * CLOCK_SEC}),
		NULL, false, 0},
	{"a literal too many before a login ends it", NULL,
		TURNS({"a ID ({1}\r\n", GREETING "+ Go on\r\n"}, {"a {1}\r\n", "+ Go on\r\n"},
			{"a {1}\r\n", "+ Go on\r\n"}, {"a {1}\r\n", "+ Go on\r\n"},
			{"a {1}\r\n", "+ Go on\r\n"}, {"a {1}\r\n", "+ Go on\r\n"},
			{"a {1}\r\n", "+ Go on\r\n"}, {"a {1}\r\n", "+ Go on\r\n"},
			{"a {1}\r\n", "+ Go on\r\n"}, {"a {1}\r\n", "+ Go on\r\n"},
			{"a {1}\r\n",
				"a BAD [LIMIT] Too many literals\r\n"
				"* BYE [LIMIT] Log in before you ask for so much\r\n"},
			{"", "", 3 * CLOCK_SEC}),
		NULL, true, 0},
	{"a literal too big before a login ends it", NULL,
		TURNS({"a LOGIN {100000}\r\n",
			      GREETING "a BAD [TOOBIG] The literal is too big\r\n"
				       "* BYE [LIMIT] Log in before you ask for so much\r\n"},
			{"", "", 3 * CLOCK_SEC}),
		NULL, true, 0},
	{"a literal too big behind it is refused", NULL,
		TURNS(BEGIN,
			{"a LIST \"\" {100000}\r\nb NOOP\r\n",
				"a BAD [TOOBIG] The literal is too big\r\n"
				"b OK NOOP completed\r\n"}),
		NULL, false, 0},
};

static void literals_come_when_they_may(void **state)
{
	play_all(literals, ARRAY_LEN(literals));
}

/* A flood of `piece`, before a login: what is kept of it, and that it ends. */
struct flood {
	const char *name, *first, *piece;
	size_t times;
	size_t most;
};

static FIBER int flood_main(void *arg)
{
	const struct flood *f = arg;
	struct imap_play p;
	struct err e = {0};
	size_t held = 0;

	imap_play_init(&p);
	imap_play_start(&p);
	imap_play_hear(&p);
	imap_play_say(&p, span_str(f->first), 0);
	for (size_t i = 0; i < f->times && !p.is_over; i++) {
		imap_play_say(&p, span_str(f->piece), 0);
		if (i % 64 == 63)
			fiber_sleep(CLOCK_MS, &e);
		if (!p.is_over && p.server->in.cap > held)
			held = p.server->in.cap;
	}
	fiber_sleep(3 * CLOCK_SEC, &e);
	if (!p.is_over)
		fail_msg("%s: goes on", f->name);
	if (held > f->most)
		fail_msg("%s: %zu octets were held", f->name, held);
	assert_non_null(strstr(buf_cstr(&p.out), "a BAD ["));
	assert_non_null(strstr(buf_cstr(&p.out), "* BYE ["));
	imap_play_stop(&p);
	imap_play_fini(&p);
	return 0;
}

static void floods_before_a_login_end_early(void **state)
{
	static const struct flood floods[] = {
		{"a million parentheses", "a SEARCH ", "((((((((((((((((", 70000, 65536},
		{"an endless line", "a LOGIN ", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 70000,
			65536},
		{"a thousand literals", "a ID (", "{1+}\r\nx", 1000, 65536},
		{"a thousand literals in a command that is refused", "a SELECT ", "{1+}\r\nx",
			100000, 65536},
	};
	struct loop_opts opts = {.name = "play", .slice_warn_ns = 60 * CLOCK_SEC};

	for (size_t i = 0; i < ARRAY_LEN(floods); i++) {
		struct loop *l = loop_new_sim(&opts, 1795415400 * CLOCK_SEC);
		struct err e = {0};

		assert_int_equal(loop_run(l, flood_main, (void *)(uintptr_t)&floods[i], &e), 0);
		loop_free(&l);
	}
}

/* ---- logging in ---- */

#define PLAIN_IR "AGFsaWNlAHdvbmRlcg=="

static void set_no_ir(struct imap_play *p)
{
	p->caps_off = IMAP_BIT(SASL_IR);
}

static void set_no_login(struct imap_play *p)
{
	p->mechs = "SCRAM-SHA-256";
}

static const struct story logins[] = {
	{"PLAIN with an initial response", NULL,
		TURNS({"l AUTHENTICATE PLAIN " PLAIN_IR "\r\n", GREETING LOGGED}), "auth yes;",
		false, 0},
	{"PLAIN without", NULL,
		TURNS({"l AUTHENTICATE plain\r\n", GREETING "+ \r\n"}, {PLAIN_IR "\r\n", LOGGED}),
		"auth yes;", false, 0},
	{"cancelled, malformed, unknown", NULL,
		TURNS({"a AUTHENTICATE PLAIN\r\n*\r\nb AUTHENTICATE PLAIN !\r\nc AUTHENTICATE FOO\r\n"
		       "d NOOP\r\n",
			GREETING
			"+ \r\na BAD AUTHENTICATE cancelled\r\nb BAD This is not base64\r\n"
			"c NO [CANNOT] That mechanism is not offered\r\n"
			"d OK NOOP completed\r\n"}),
		"", false, 0},
	{"no initial response where that is switched off", set_no_ir,
		TURNS({"a AUTHENTICATE PLAIN " PLAIN_IR "\r\n",
			"* OK [CAPABILITY IMAP4rev1 LITERAL+ ENABLE ID IDLE AUTH=PLAIN] imap.test "
			"Yizhan ready\r\na BAD No initial response here\r\n"}),
		"", false, 0},
	{"LOGIN is there where PLAIN is", set_no_login,
		TURNS({"a LOGIN alice wonder\r\n",
			"* OK [CAPABILITY IMAP4rev1 LOGINDISABLED SASL-IR LITERAL+ ENABLE ID IDLE "
			"AUTH=SCRAM-SHA-256] imap.test Yizhan ready\r\n"
			"a NO [CANNOT] That mechanism is not offered\r\n"}),
		"", false, 0},
	{"a wrong password waits a second", NULL,
		TURNS({"a LOGIN alice wrong\r\n", GREETING, 900 * CLOCK_MS},
			{"", "a NO [AUTHENTICATIONFAILED] That is not right\r\n", 200 * CLOCK_MS}),
		"auth no;", false, 0},
	{"nobody can look it up", NULL,
		TURNS({"a LOGIN busy wonder\r\n",
			GREETING "a NO [UNAVAILABLE] Cannot look that up now, try again\r\n"}),
		"", false, 0},
	{"six are enough", NULL,
		TURNS({"a LOGIN a b\r\nb LOGIN a b\r\nc LOGIN a b\r\nd LOGIN a b\r\ne LOGIN a b\r\n"
		       "f LOGIN a b\r\ng NOOP\r\n",
			GREETING "a NO [AUTHENTICATIONFAILED] That is not right\r\n"
				 "b NO [AUTHENTICATIONFAILED] That is not right\r\n"
				 "c NO [AUTHENTICATIONFAILED] That is not right\r\n"
				 "d NO [AUTHENTICATIONFAILED] That is not right\r\n"
				 "e NO [AUTHENTICATIONFAILED] That is not right\r\n"
				 "f NO [AUTHENTICATIONFAILED] That is not right\r\n"
				 "* BYE Too many failed logins\r\n",
			10 * CLOCK_SEC}),
		"auth no;auth no;auth no;auth no;auth no;auth no;", true, 0},
};

static void logins_are_right_or_slow(void **state)
{
	play_all(logins, ARRAY_LEN(logins));
}

/* ---- what can be switched ---- */

static void set_enable(struct imap_play *p)
{
	p->opts.caps = IMAP_BITS_ALL & ~IMAP_BIT(UTF8_ACCEPT);
}

static void set_odd(struct imap_play *p)
{
	p->opts.caps |= IMAP_BIT(MOVE) | IMAP_BIT(NAMESPACE);
	p->client_off = IMAP_BIT(MOVE) | IMAP_BIT(IDLE);
}

static void set_unauthenticate(struct imap_play *p)
{
	p->opts.caps |= IMAP_BIT(UNAUTHENTICATE) | IMAP_BIT(CONDSTORE);
}

#define LOGGED_ALL "l OK [CAPABILITY "

static FIBER int enable_main(void *arg)
{
	struct imap_play p;
	struct err e = {0};

	imap_play_init(&p);
	set_enable(&p);
	imap_play_start(&p);
	imap_play_hear(&p);
	imap_play_say(&p, SPAN(LOGIN), 0);
	fiber_sleep(CLOCK_MS, &e);
	buf_clear(&p.out);
	imap_play_say(&p,
		SPAN("a SELECT INBOX (QRESYNC (1 2))\r\n"
		     "b ENABLE qresync utf8=accept MOVE X-FOO\r\nc ENABLE UIDONLY\r\n" SELECT
		     "d FETCH 1 FLAGS\r\ne UID FETCH 1 FLAGS\r\nf SEARCH ALL\r\ng UID SEARCH 1\r\n"
		     "h UID SEARCH UID 1\r\ni EXPUNGE\r\n"),
		0);
	fiber_sleep(CLOCK_MS, &e);
	assert_string_equal(buf_cstr(&p.out),
		"a BAD ENABLE QRESYNC first\r\n"
		"* ENABLED QRESYNC\r\nb OK ENABLE completed\r\n"
		"* ENABLED UIDONLY\r\nc OK ENABLE completed\r\n" SELECTED
		"d BAD [UIDREQUIRED] Messages have UIDs only here\r\ne OK UID FETCH completed\r\n"
		"f BAD [UIDREQUIRED] Messages have UIDs only here\r\n"
		"g BAD [UIDREQUIRED] Messages have UIDs only here\r\n"
		"h OK UID SEARCH completed\r\ni OK EXPUNGE completed\r\n");
	assert_true(imap_is_enabled(p.s, IMAP_BIT(QRESYNC) | IMAP_BIT(CONDSTORE)));
	assert_false(imap_is_utf8(p.s));
	imap_play_stop(&p);
	imap_play_fini(&p);
	return 0;
}

static const struct story switches[] = {
	{"a client that is known for it is not shown what it cannot do", set_odd,
		TURNS({LOGIN,
			      GREETING "l OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ENABLE ID IDLE "
				       "NAMESPACE MOVE] Logged in\r\n"},
			{"a ID (\"name\" \"Odd\" \"version\" \"7\")\r\n" SELECT
			 "b MOVE 1 x\r\nc IDLE\r\nd NAMESPACE\r\n",
				"* ID (\"name\" \"Yizhan\" \"version\" \"1\")\r\n"
				"a OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ENABLE ID NAMESPACE] "
				"ID completed\r\n" SELECTED "b BAD There is no such command\r\n"
				"c BAD There is no such command\r\nd OK NAMESPACE completed\r\n"}),
		"auth yes;ID;SELECT;NAMESPACE;", false, 0},
	{"words of what is off are no words", NULL,
		TURNS(BEGIN,
			{SELECT "a FETCH 1 PREVIEW\r\nb FETCH 1 MODSEQ\r\nc SEARCH YOUNGER 5\r\n"
				"d SEARCH RETURN (ALL) 1\r\ne SELECT x (CONDSTORE)\r\n",
				SELECTED "a BAD That is not offered here\r\n"
					 "b BAD That is not offered here\r\n"
					 "c BAD That is not offered here\r\n"
					 "d BAD That is not offered here\r\n"
					 "e BAD That is not offered here\r\n"}),
		"auth yes;SELECT;", false, 0},
	{"UNAUTHENTICATE begins again (RFC 8437)", set_unauthenticate,
		TURNS({LOGIN SELECT
			"a ENABLE CONDSTORE\r\nb UNAUTHENTICATE\r\nc FETCH 1 FLAGS\r\n" LOGIN
			"d FETCH 1 FLAGS\r\n",
			GREETING "l OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ENABLE ID IDLE "
				 "CONDSTORE UNAUTHENTICATE] Logged in\r\n" SELECTED
				 "* ENABLED CONDSTORE\r\na OK ENABLE completed\r\n"
				 "b OK [CAPABILITY " CAPS
				 " AUTH=PLAIN] UNAUTHENTICATE completed\r\n"
				 "c BAD Log in first\r\n"
				 "l OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ENABLE ID IDLE "
				 "CONDSTORE UNAUTHENTICATE] Logged in\r\n"
				 "d BAD Select a mailbox first\r\n"}),
		"auth yes;SELECT;ENABLE;unauthenticate;auth yes;", false, 0},
};

static void run_sim(int (*fn)(void *arg), void *arg)
{
	struct loop_opts opts = {.name = "play", .slice_warn_ns = 60 * CLOCK_SEC};
	struct loop *l = loop_new_sim(&opts, 1795415400 * CLOCK_SEC);
	struct err e = {0};

	assert_int_equal(loop_run(l, fn, arg, &e), 0);
	loop_free(&l);
}

static void what_is_off_is_not_there(void **state)
{
	play_all(switches, ARRAY_LEN(switches));
}

static void enabling_changes_what_commands_mean(void **state)
{
	run_sim(enable_main, NULL);
}

/* ---- APPEND ---- */

static void set_append(struct imap_play *p)
{
	p->opts.limits.append_octets = 100;
}

static const struct story appends[] = {
	{"a message waits, the next does not", set_append,
		TURNS(BEGIN, {"a APPEND INBOX (\\Seen) {5}\r\n", "+ Go on\r\n"},
			{"hello\r\nb APPEND x {3+}\r\nabc\r\nc NOOP\r\n",
				"a OK [APPENDUID 1 6] Completed\r\nb OK [APPENDUID 1 6] Completed\r\n"
				"c OK NOOP completed\r\n"}),
		"auth yes;message INBOX;data INBOX;end INBOX;done;message x;data x;end x;done;",
		false, 0},
	{"a mailbox that is not there: nothing is asked for, what comes is dropped", set_append,
		TURNS(BEGIN,
			{"a APPEND none {5}\r\nb APPEND none {5+}\r\nhello\r\nc NOOP\r\n",
				"a NO [TRYCREATE] No such mailbox\r\n"
				"b NO [TRYCREATE] No such mailbox\r\nc OK NOOP completed\r\n"}),
		"auth yes;message none;abort;message none;abort;", false, 0},
	{"too big, empty, with NUL, refused on the way", set_append,
		TURNS(BEGIN,
			{"a APPEND x {101}\r\nb APPEND x {0}\r\nc APPEND x {4+}\r\n!bad\r\nd NOOP\r\n",
				"a NO [TOOBIG] The message is too big\r\n"
				"b NO A message has octets\r\nc NO [OVERQUOTA] No room\r\n"
				"d OK NOOP completed\r\n"}),
		NULL, false, 0},
	{"one message only where MULTIAPPEND is off", set_append,
		TURNS(BEGIN,
			{"a APPEND x {1+}\r\na {1+}\r\nb\r\nc NOOP\r\n",
				"a BAD That is not offered here\r\nc OK NOOP completed\r\n"}),
		"auth yes;message x;data x;end x;abort;", false, 0},
	{"a name as a literal, and a connection that ends", set_append,
		TURNS(BEGIN, {"a APPEND {5}\r\n", "+ Go on\r\n"}, {"INBOX {50}\r\n", "+ Go on\r\n"},
			{"half of it", ""}),
		"auth yes;message INBOX;data INBOX;abort;", false, 0},
};

static void messages_are_streamed_to_who_decides(void **state)
{
	play_all(appends, ARRAY_LEN(appends));
}

/* ---- time, junk, the end ---- */

static void set_slow(struct imap_play *p)
{
	p->is_slow = true;
	p->opts.caps |= IMAP_BIT(INPROGRESS);
}

static void set_mild(struct imap_play *p)
{
	p->opts.limits.errors_hard = 3;
}

static const struct story ends[] = {
	{"no login within three minutes", NULL,
		TURNS({"a NOOP\r\n", GREETING "a OK NOOP completed\r\n", CLOCK_MIN},
			{"b NOOP\r\n",
				"b OK NOOP completed\r\n* BYE Nothing was said for too long\r\n",
				121 * CLOCK_SEC}),
		NULL, true, 0},
	{"autologout after half an hour", NULL,
		TURNS(BEGIN, {"", "", 29 * CLOCK_MIN},
			{"", "* BYE Nothing was said for too long\r\n", 2 * CLOCK_MIN}),
		NULL, true, 0},
	{"three in a row that make no sense", set_mild,
		TURNS({"a X\r\nb X\r\nc NOOP\r\nd X\r\ne X\r\nf X\r\n",
			GREETING
			"a BAD There is no such command\r\nb BAD There is no such command\r\n"
			"c OK NOOP completed\r\nd BAD There is no such command\r\n"
			"e BAD There is no such command\r\nf BAD There is no such command\r\n"
			"* BYE Too many commands that make no sense\r\n"}),
		NULL, true, 0},
	{"a long command says that it is at it", set_slow,
		TURNS({LOGIN "a LIST \"\" *\r\n",
			GREETING "l OK [CAPABILITY " CAPS " INPROGRESS] Logged in\r\n"
				 "* OK [INPROGRESS (\"a\" 9 25)] Still at it\r\n"
				 "* OK [INPROGRESS (\"a\" 19 25)] Still at it\r\n"
				 "a OK LIST completed\r\n",
			CLOCK_MIN}),
		NULL, false, 0},
};

static void it_ends_when_it_must(void **state)
{
	play_all(ends, ARRAY_LEN(ends));
}

static FIBER int cancel_main(void *arg)
{
	const char *ended = arg;
	struct imap_play p;
	struct err e = {0};

	imap_play_init(&p);
	p.ended = ended;
	imap_play_start(&p);
	imap_play_hear(&p);
	imap_play_say(&p, SPAN(LOGIN "a IDLE\r\n"), 0);
	fiber_sleep(CLOCK_SEC, &e);
	assert_true(p.s->is_idle);
	assert_null(p.s->cmd);
	assert_null(p.server->in.mem);
	assert_null(p.server->out.mem);
	buf_clear(&p.out);
	fiber_cancel(p.fiber);
	fiber_sleep(CLOCK_MS, &e);
	assert_string_equal(buf_cstr(&p.out),
		ended ? "* BYE The password was changed\r\n"
		      : "* BYE [UNAVAILABLE] Going down, come again\r\n");
	assert_true(p.is_over);
	imap_play_stop(&p);
	imap_play_fini(&p);
	return 0;
}

static void a_session_that_is_cancelled_says_why(void **state)
{
	run_sim(cancel_main, (void *)(uintptr_t) "The password was changed");
	run_sim(cancel_main, NULL);
}

/* ---- any cut ---- */

static const char whole_say[] =
	"a CAPABILITY\r\nl LOGIN {5+}\r\nalice {6+}\r\nwonder\r\n" SELECT
	"b UID FETCH 1:* (FLAGS BODY[HEADER.FIELDS (DATE FROM)])\r\n"
	"c APPEND INBOX (\\Seen) {5+}\r\nhello {3+}\r\nabc\r\nd IDLE\r\nDONE\r\n"
	"e SEARCH CHARSET UTF-8 SUBJECT {4+}\r\n\xe7\xab\x99!\r\nf NOOP \r\ng BOGUS {3+}\r\nabc\r\nz LOGOUT\r\n";

struct cut {
	size_t step;
	struct buf out;
};

static FIBER int cut_main(void *arg)
{
	struct cut *c = arg;
	struct imap_play p;
	struct err e = {0};

	imap_play_init(&p);
	imap_play_start(&p);
	imap_play_hear(&p);
	imap_play_say(&p, span_of(whole_say, sizeof(whole_say) - 1), c->step);
	fiber_sleep(CLOCK_SEC, &e);
	assert_true(p.is_over);
	buf_span_put(&c->out, buf_span(&p.out));
	imap_play_stop(&p);
	imap_play_fini(&p);
	return 0;
}

static void any_cut_says_the_same(void **state)
{
	struct cut whole = {0};

	buf_init(&whole.out, 1024 * 1024);
	run_sim(cut_main, &whole);
	assert_non_null(strstr(buf_cstr(&whole.out), "z OK LOGOUT completed\r\n"));
	for (size_t step = 1; step < 20; step++) {
		struct cut c = {.step = step};

		buf_init(&c.out, 1024 * 1024);
		run_sim(cut_main, &c);
		if (!span_eq(buf_span(&c.out), buf_span(&whole.out)))
			fail_msg("in pieces of %zu it said\n%s", step, buf_cstr(&c.out));
		buf_fini(&c.out);
	}
	buf_fini(&whole.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_greets_or_refuses),
		cmocka_unit_test(commands_have_their_states),
		cmocka_unit_test(changes_are_told_where_they_may_be),
		cmocka_unit_test(literals_come_when_they_may),
		cmocka_unit_test(floods_before_a_login_end_early),
		cmocka_unit_test(logins_are_right_or_slow),
		cmocka_unit_test(what_is_off_is_not_there),
		cmocka_unit_test(enabling_changes_what_commands_mean),
		cmocka_unit_test(messages_are_streamed_to_who_decides),
		cmocka_unit_test(it_ends_when_it_must),
		cmocka_unit_test(a_session_that_is_cancelled_says_why),
		cmocka_unit_test(any_cut_says_the_same),
	};

	return cmocka_run_group_tests_name("imap_server", tests, NULL, NULL);
}
