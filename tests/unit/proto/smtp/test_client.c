/* The SMTP client's transactions against scripted peers (lib/smtp_script.h). */

#include "lib/smtp_script.h"

/* One talk: greeting, a transaction when it has recipients, QUIT. */
struct play {
	const char *script;
	struct smtp_client_opts opts;
	struct smtp_txn txn;
	const char *body;
	size_t body_cut; /* octets a run, 0: all */
	size_t body_fails_at;
	int result;
	struct err err;
	bool is_over;
	int64_t took_ns;
};

static FIBER int talk(struct script *s, struct smtp_client *c)
{
	struct play *p = s->arg;
	struct script_source source = script_source_of(span_str(p->body));
	int rc;

	source.cut = p->body_cut;
	if (p->body_fails_at)
		source.fails_at = p->body_fails_at;
	p->txn.source = &source.source;
	if (p->txn.size == 0)
		p->txn.size = source.all.len;
	rc = smtp_client_greet(c, &s->err);
	if (rc == 0 && p->txn.rcpt_count)
		rc = smtp_client_send(c, &p->txn, &s->err);
	smtp_client_quit(c, NULL);
	p->txn.source = NULL;
	return rc;
}

static void play(struct play *p)
{
	struct script s = {.text = p->script, .opts = p->opts, .talk = talk, .arg = p};

	script_run(&s);
	p->result = s.result;
	p->err = s.err;
	p->is_over = s.is_over;
	p->took_ns = s.took_ns;
}

#define FULL SCRIPT_HELLO("S: 250-PIPELINING\nS: 250-SIZE 1000000\nS: 250-8BITMIME\nS: 250-DSN\n")
#define BODY "Subject: x\r\n\r\n.dot\r\nend\r\n"
#define BYE  SCRIPT_BYE

static const enum smtp_fate ACC = SMTP_FATE_ACCEPTED, REF = SMTP_FATE_REFUSED,
			    UNK = SMTP_FATE_UNKNOWN, NON = SMTP_FATE_NONE;

static const struct {
	const char *name, *script, *body;
	int result;
	enum smtp_fate fates[2];
	unsigned codes[2];
} talks[] = {
	{"in turn, without extensions",
		"S: 220 hi\nC: EHLO me.example\nS: 502 no\nC: HELO me.example\nS: 250 ok\n"
		"C: MAIL FROM:<a@example.org>\nS: 250 ok\n"
		"C: RCPT TO:<b@example.net>\nS: 250 ok\nC: RCPT TO:<c@example.net>\nS: 250 ok\n"
		"C: DATA\nS: 354 go\nC: Subject: x\nC: \nC: ..dot\nC: end\nC: .\nS: 250 taken\n" BYE,
		BODY, 0, {ACC, ACC}, {250, 250}},
	{"pipelined, with SIZE",
		FULL
		"C: MAIL FROM:<a@example.org> SIZE=25\nC: RCPT TO:<b@example.net>\n"
		"C: RCPT TO:<c@example.net>\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
		"C: Subject: x\nC: \nC: ..dot\nC: end\nC: .\nS: 250 2.0.0 taken\n" BYE,
		BODY, 0, {ACC, ACC}, {250, 250}},
	{"a last line without CRLF gets one",
		FULL
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
		"C: x\nC: .\nS: 250 taken\n" BYE,
		"x", 0, {ACC, ACC}, {250, 250}},
	{"one recipient refused, the other served",
		FULL
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 550 5.1.1 nobody\nS: 250 ok\n"
		"S: 354 go\nC: x\nC: .\nS: 250 taken\n" BYE,
		"x\r\n", 0, {REF, ACC}, {550, 250}},
	{"all refused, 354 all the same: an empty body, then RSET",
		FULL "C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 550 no\nS: 450 later\n"
		     "S: 354 go\nC: .\nS: 554 no recipients\nC: RSET\nS: 250 ok\n" BYE,
		"x\r\n", 0, {REF, REF}, {550, 450}},
	{"the sender refused",
		FULL "C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 553 no\nS: 503 mail first\n"
		     "S: 503 mail first\nS: 503 no\nC: RSET\nS: 250 ok\n" BYE,
		"x\r\n", 0, {REF, REF}, {553, 553}},
	{"DATA refused",
		FULL
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 451 later\n"
		"C: RSET\nS: 250 ok\n" BYE,
		"x\r\n", 0, {REF, REF}, {451, 451}},
	{"the body refused",
		FULL
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
		"C: x\nC: .\nS: 552 5.3.4 too big\n" BYE,
		"x\r\n", 0, {REF, REF}, {552, 552}},
	{"closed after the dot: nobody knows",
		FULL
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 550 no\nS: 250 ok\nS: 354 go\n"
		"C: x\nC: .\nX\n",
		"x\r\n", -1, {REF, UNK}, {550, 0}},
	{"closed before DATA's reply: nothing was taken",
		FULL "C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nX\n", "x\r\n", -1, {NON, NON},
		{0, 0}},
	{"421 at RCPT",
		FULL "C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 421 4.7.0 slow down\n",
		"x\r\n", -1, {REF, NON}, {421, 0}},
	{"421 at the dot is a refusal, and the end",
		FULL
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
		"C: x\nC: .\nS: 421 4.3.2 closing\n",
		"x\r\n", 0, {REF, REF}, {421, 421}},
	{"DATA answered with 250 is no answer",
		FULL
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 250 what\n",
		"x\r\n", -1, {NON, NON}, {0, 0}},
	{"one write with BDAT",
		SCRIPT_HELLO(
			"S: 250-PIPELINING\nS: 250-CHUNKING\n") "C: MAIL FROM:<a@example.org>\nC: RCPT TO:<b@example.net>\n"
								"C: RCPT TO:<c@example.net>\nC: BDAT 5 LAST\nB: 5 .x\nS: 250 ok\nS: 250 ok\n"
								"S: 250 ok\nS: 250 taken\n" BYE,
		"y\r\n.x", 0, {ACC, ACC}, {250, 250}},
	{"a bare CR never leaves in a chunk either",
		SCRIPT_HELLO("S: 250-PIPELINING\nS: 250-CHUNKING\n") "X\n", "y\r.x", -1, {NON, NON},
		{0, 0}},
	{"one write with BDAT, all refused",
		SCRIPT_HELLO(
			"S: 250-PIPELINING\nS: 250-CHUNKING\n") "C~ MAIL\nC~ RCPT\nC~ RCPT\nC: BDAT 3 LAST\nB: 3 x\nS: 250 ok\nS: 550 no\n"
								"S: 550 no\nS: 503 no recipients\nC: RSET\nS: 250 ok\n" BYE,
		"a.x", 0, {REF, REF}, {550, 550}},
	{"BDAT in turn",
		SCRIPT_HELLO(
			"S: 250-CHUNKING\n") "C~ MAIL\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC~ RCPT\nS: 550 no\n"
					     "C: BDAT 3 LAST\nB: 3 x\nS: 250 taken\n" BYE,
		"a.x", 0, {ACC, REF}, {250, 550}},
	{"BDAT, and the connection lost",
		SCRIPT_HELLO(
			"S: 250-PIPELINING\nS: 250-CHUNKING\n") "C~ MAIL\nC~ RCPT\nC~ RCPT\nC: BDAT 3 LAST\nB: 3 x\nS: 250 ok\nS: 250 ok\nX\n",
		"a.x", -1, {UNK, UNK}, {0, 0}},
	{"a bare CR at the very end of a chunk",
		SCRIPT_HELLO("S: 250-PIPELINING\nS: 250-CHUNKING\n") "X\n", "y\r", -1, {NON, NON},
		{0, 0}},
	{"a bare CR at the very end",
		FULL
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nX\n",
		"x\r", -1, {NON, NON}, {0, 0}},
	{"a bare LF never leaves",
		FULL
		"C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 250 ok\nS: 354 go\nX\n",
		"x\n.\nQUIT\r\n", -1, {NON, NON}, {0, 0}},
	{"a reply that is none", FULL "C~ MAIL\nC~ RCPT\nC~ RCPT\nC: DATA\nS: hello\n", "x\r\n", -1,
		{NON, NON}, {0, 0}},
	{"too large for SIZE", "S: 220 hi\nC: EHLO me.example\nS: 250-p\nS: 250 SIZE 2\n" BYE,
		"xxx\r\n", 0, {REF, REF}, {554, 554}},
};

static void talks_end_as_they_should(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(talks); i++)
		for (size_t cut = 0; cut <= 2; cut++) {
			struct smtp_txn_rcpt rcpts[2] = {{.address = SPAN("b@example.net")},
				{.address = SPAN("c@example.net")}};
			struct play p = {.script = talks[i].script,
				.body = talks[i].body,
				.body_cut = cut,
				.txn = {.reverse_path = SPAN("a@example.org"),
					.rcpts = rcpts,
					.rcpt_count = 2}};

			if (cut == 0)
				print_message("%s\n", talks[i].name);
			play(&p);
			if (p.result != talks[i].result)
				fail_msg("%s: result %d (%s)", talks[i].name, p.result, p.err.text);
			for (size_t k = 0; k < 2; k++)
				if (rcpts[k].fate != talks[i].fates[k] ||
					rcpts[k].reply.code != talks[i].codes[k])
					fail_msg("%s: recipient %zu has fate %d, code %u",
						talks[i].name, k, rcpts[k].fate,
						rcpts[k].reply.code);
			if (p.result < 0)
				assert_int_equal(p.err.scope,
					p.err.code == ERR_SYNTAX ? ERR_SCOPE_MSG : ERR_SCOPE_PEER);
			smtp_txn_fini(&p.txn);
		}
}

static const struct {
	const char *name, *script;
	struct smtp_txn txn;
	const char *body;
	const char *address;
	enum smtp_fate fate;
	unsigned subject, detail; /* of our own verdict */
} fits[] = {
	{"SMTPUTF8 address, not offered", FULL BYE, {.is_smtputf8 = true}, "x\r\n",
		"\xc3\xbc@example.net", SMTP_FATE_REFUSED, 6, 7},
	{"SMTPUTF8 asked for, nothing needs it",
		FULL
		"C: MAIL FROM:<a@example.org> SIZE=3\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\n"
		"C: x\nC: .\nS: 250 taken\n" BYE,
		{.is_smtputf8 = true}, "x\r\n", "b@example.net", SMTP_FATE_ACCEPTED, 0, 0},
	{"8BITMIME declared and offered",
		FULL
		"C: MAIL FROM:<a@example.org> SIZE=4 BODY=8BITMIME\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\n"
		"S: 354 go\nC: \xc3\xbc\nC: .\nS: 250 taken\n" BYE,
		{.body = SMTP_BODY_8BITMIME}, "\xc3\xbc\r\n", "b@example.net", SMTP_FATE_ACCEPTED,
		0, 0},
	{"8-bit content, 8BITMIME not offered", SCRIPT_HELLO("") BYE, {.body = SMTP_BODY_8BITMIME},
		"\xc3\xbc\r\n", "b@example.net", SMTP_FATE_REFUSED, 6, 3},
	{"8BITMIME declared, content is 7-bit",
		SCRIPT_HELLO(
			"") "C: MAIL FROM:<a@example.org>\nS: 250 ok\nC~ RCPT\nS: 250 ok\nC: DATA\nS: 354 go\nC: x\nC: .\n"
			    "S: 250 taken\n" BYE,
		{.body = SMTP_BODY_8BITMIME}, "x\r\n", "b@example.net", SMTP_FATE_ACCEPTED, 0, 0},
	{"binary, not offered", FULL BYE, {.body = SMTP_BODY_BINARYMIME}, "x\n", "b@example.net",
		SMTP_FATE_REFUSED, 6, 3},
	{"a line break in an address", FULL BYE, {.is_smtputf8 = false}, "x\r\n",
		"b@example.net>\r\nDATA", SMTP_FATE_REFUSED, 1, 3},
	{"DSN goes along",
		FULL
		"C: MAIL FROM:<a@example.org> SIZE=3 RET=HDRS ENVID=q+2B1\n"
		"C: RCPT TO:<b@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+3Dx@example.net\nC: DATA\n"
		"S: 250 ok\nS: 250 ok\nS: 354 go\nC: x\nC: .\nS: 250 taken\n" BYE,
		{.ret = SMTP_RET_HDRS, .envid = {"q+1", 3}}, "x\r\n", "b@example.net",
		SMTP_FATE_ACCEPTED, 0, 0},
	{"a UTF-8 address that nobody declared, offered",
		SCRIPT_HELLO(
			"S: 250-SMTPUTF8\n") "C: MAIL FROM:<a@example.org> SMTPUTF8\nS: 250 ok\n"
					     "C: RCPT TO:<用@example.net>\nS: 250 ok\nC: DATA\nS: 354 go\nC: x\nC: .\n"
					     "S: 250 taken\n" BYE,
		{.is_smtputf8 = false}, "x\r\n", "用@example.net", SMTP_FATE_ACCEPTED, 0, 0},
	{"a UTF-8 address that nobody declared, not offered", SCRIPT_HELLO("") BYE,
		{.is_smtputf8 = false}, "x\r\n", "用@example.net", SMTP_FATE_REFUSED, 6, 7},
	{"an internationalised ORCPT goes along in ASCII",
		FULL
		"C: MAIL FROM:<a@example.org> SIZE=3 RET=FULL\n"
		"C: RCPT TO:<b@example.net> NOTIFY=SUCCESS,DELAY ORCPT=utf-8;\\x{7528}\\x{2B}x@example.net\n"
		"C: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: x\nC: .\nS: 250 taken\n" BYE,
		{.ret = SMTP_RET_FULL}, "x\r\n", "b@example.net", SMTP_FATE_ACCEPTED, 0, 0},
};

static void messages_fit_or_are_told_why(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(fits); i++) {
		bool is_dsn = fits[i].txn.ret != SMTP_RET_NONE;
		struct smtp_txn_rcpt rcpt = {.address = span_str(fits[i].address),
			.notify = is_dsn ? SMTP_NOTIFY_SUCCESS | SMTP_NOTIFY_DELAY : 0,
			.orcpt = !is_dsn ? SPAN_NONE
				: fits[i].txn.ret == SMTP_RET_FULL
				? SPAN("utf-8;用+x@example.net")
				: SPAN("rfc822;b=x@example.net")};
		struct play p = {
			.script = fits[i].script, .body = fits[i].body, .txn = fits[i].txn};

		p.txn.reverse_path = SPAN("a@example.org");
		p.txn.rcpts = &rcpt;
		p.txn.rcpt_count = 1;
		print_message("%s\n", fits[i].name);
		play(&p);
		assert_int_equal(p.result, 0);
		assert_int_equal(rcpt.fate, fits[i].fate);
		assert_int_equal(rcpt.is_ours, fits[i].detail != 0);
		if (fits[i].detail) {
			assert_int_equal(rcpt.reply.subject, fits[i].subject);
			assert_int_equal(rcpt.reply.detail, fits[i].detail);
		}
		assert_int_equal(rcpt.is_dsn_passed,
			fits[i].fate == SMTP_FATE_ACCEPTED &&
				strstr(fits[i].script, "DSN") != NULL);
		smtp_txn_fini(&p.txn);
	}
}

static void lmtp_answers_for_each_recipient(void **state)
{
	struct smtp_txn_rcpt rcpts[3] = {{.address = SPAN("a@example.net")},
		{.address = SPAN("b@example.net")}, {.address = SPAN("c@example.net")}};
	struct play p = {
		.script =
			"S: 220 hi\nC: LHLO me.example\nS: 250-p\nS: 250 PIPELINING\nC~ MAIL\nC~ RCPT\n"
			"C~ RCPT\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 550 no\nS: 250 ok\n"
			"S: 354 go\nC: x\nC: .\nS: 250 ok\nS: 452 4.2.2 full\n" BYE,
		.body = "x\r\n",
		.opts = {.is_lmtp = true},
		.txn = {.reverse_path = SPAN(""), .rcpts = rcpts, .rcpt_count = 3}};

	play(&p);
	assert_int_equal(p.result, 0);
	assert_int_equal(rcpts[0].fate, SMTP_FATE_ACCEPTED);
	assert_int_equal(rcpts[1].reply.code, 550);
	assert_int_equal(rcpts[2].fate, SMTP_FATE_REFUSED);
	assert_int_equal(rcpts[2].reply.code, 452);
	smtp_txn_fini(&p.txn);
}

/* Nothing of these reaches the wire. */
static void addresses_cannot_become_commands_or_parameters(void **state)
{
	static const struct span bad[] = {SPAN("a@b> SIZE=1"), SPAN("a@b\r\nRSET"), SPAN("a\nb@c"),
		SPAN("a\0@b"), SPAN("\"a\"> NOTIFY=NEVER@b"), SPAN("\"a@b"), SPAN("\"a\\\"@b")};

	for (size_t i = 0; i < 2 * ARRAY_LEN(bad); i++) {
		struct span good = SPAN("\"x>y\\\"z\"@example.net");
		struct smtp_txn_rcpt rcpt = {.address = i & 1 ? good : bad[i / 2]};
		struct play p = {.script = FULL BYE,
			.body = "x\r\n",
			.txn = {.reverse_path = i & 1 ? bad[i / 2] : good,
				.rcpts = &rcpt,
				.rcpt_count = 1}};

		play(&p);
		assert_int_equal(p.result, 0);
		assert_int_equal(rcpt.fate, SMTP_FATE_REFUSED);
		assert_true(rcpt.is_ours);
		smtp_txn_fini(&p.txn);
	}
}

static void a_source_that_fails_ends_the_connection(void **state)
{
	struct smtp_txn_rcpt rcpt = {.address = SPAN("b@example.net")};
	struct play p = {
		.script = FULL "C~ MAIL\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nX\n",
		.body = "abcdef",
		.body_cut = 2,
		.body_fails_at = 4,
		.txn = {.reverse_path = SPAN(""), .rcpts = &rcpt, .rcpt_count = 1}};

	play(&p);
	assert_int_equal(p.result, -1);
	assert_int_equal(p.err.scope, ERR_SCOPE_MSG);
	assert_int_equal(rcpt.fate, SMTP_FATE_NONE);
	assert_true(p.is_over);
	smtp_txn_fini(&p.txn);
}

/* The peer says nothing more, and has not closed either. */
#define DAY "W: 86400000\nX\n"

static const struct {
	const char *name, *script;
	int64_t at_least, at_most;
} waits[] = {
	{"no greeting", "S: 220-hi\n" DAY, 5 * CLOCK_MIN, 5 * CLOCK_MIN + CLOCK_SEC},
	{"no answer to the dot",
		FULL "C~ MAIL\nC~ RCPT\nC: DATA\nS: 250 ok\nS: 250 ok\nS: 354 go\nC: x\nC: .\n" DAY,
		10 * CLOCK_MIN, 10 * CLOCK_MIN + CLOCK_SEC},
};

static void waits_end_at_their_stage_s_deadline(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		struct smtp_txn_rcpt rcpt = {.address = SPAN("b@example.net")};
		struct play p = {.script = waits[i].script,
			.body = "x\r\n",
			.txn = {.reverse_path = SPAN(""), .rcpts = &rcpt, .rcpt_count = 1}};

		play(&p);
		assert_int_equal(p.result, -1);
		assert_int_equal(p.err.code, ERR_TIMEOUT);
		assert_in_range((uintmax_t)p.took_ns, (uintmax_t)waits[i].at_least,
			(uintmax_t)waits[i].at_most);
		assert_int_equal(rcpt.fate, i == 1 ? SMTP_FATE_UNKNOWN : SMTP_FATE_NONE);
		if (i == 1)
			smtp_txn_fini(&p.txn);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(talks_end_as_they_should),
		cmocka_unit_test(messages_fit_or_are_told_why),
		cmocka_unit_test(lmtp_answers_for_each_recipient),
		cmocka_unit_test(addresses_cannot_become_commands_or_parameters),
		cmocka_unit_test(a_source_that_fails_ends_the_connection),
		cmocka_unit_test(waits_end_at_their_stage_s_deadline),
	};

	return cmocka_run_group_tests_name("proto/smtp/client", tests, NULL, NULL);
}
