#include "lib/smtp_script.h"
#include "net/trace.h"

/* Greeting, EHLO, single commands, AUTH. */

struct step_case {
	const char *name, *text;
	int result;
	enum err_code code;
	unsigned smtp;
	bool is_over;
};

static int greet(struct script *p, struct smtp_client *c)
{
	int rc = smtp_client_greet(c, &p->err);

	smtp_client_quit(c, NULL);
	return rc;
}

static const struct step_case greetings[] = {
	{"behaviour 4: a greeting other than 220", "S: 554 5.7.1 go away\n" SCRIPT_BYE, -1,
		ERR_REPLY, 554, true},
	{"behaviour 5: nothing is said before the whole greeting is there",
		"S: 220-one\nW: 500\nS: 220-two\nW: 500\nS: 220 three\nC: EHLO me.example\nS: 250 x\n" SCRIPT_BYE,
		0, ERR_NONE, 0, true},
	{"behaviour 9: codes differ within a reply", "S: 220-a\nS: 221 b\n", -1, ERR_PROTO, 0,
		true},
	{"behaviour 10: a code alone", "S: 220\nC: EHLO me.example\nS: 250\n" SCRIPT_BYE, 0,
		ERR_NONE, 0, true},
	{"behaviour 13: the end within a reply is no reply", "S: 220-a\nX\n", -1, ERR_EOF, 0, true},
	{"behaviour 14: no code", "S: hello\n", -1, ERR_PROTO, 0, true},
	{"behaviour 17: 421 instead of an answer", "S: 220 a\nC: EHLO me.example\nS: 421 closing\n",
		-1, ERR_REPLY, 421, true},
	{"behaviour 18: an unknown 2yz greeting is none", "S: 250 a\n" SCRIPT_BYE, -1, ERR_REPLY,
		250, true},
	{"behaviour 19: two greetings", "S: 220 a\nS: 220 b\n", -1, ERR_PROTO, 0, true},
	{"behaviour 21: HELO where EHLO is not known",
		"S: 220 a\nC: EHLO me.example\nS: 502 what\nC: HELO me.example\nS: 250 x\n" SCRIPT_BYE,
		0, ERR_NONE, 0, true},
	{"behaviour 21: 4yz to EHLO is no reason for HELO",
		"S: 220 a\nC: EHLO me.example\nS: 451 later\n" SCRIPT_BYE, -1, ERR_REPLY, 451,
		true},
};

static void conversations_begin_as_they_should_behaviours_4_to_21(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(greetings); i++)
		for (size_t cut = 0; cut < 3; cut++) {
			const struct step_case *g = &greetings[i];
			struct script p = {.text = g->text, .talk = greet, .cut = cut};

			if (strstr(g->name, "19") && cut)
				continue; /* the second one comes too late to be seen */
			script_run(&p);
			if (p.result != g->result || p.err.code != g->code ||
				p.err.smtp != g->smtp || p.is_over != g->is_over)
				fail_msg("%s: %d, %s %u (%s)", g->name, p.result,
					err_code_str(p.err.code), p.err.smtp, p.err.text);
		}
}

static int endless(struct script *p, struct smtp_client *c)
{
	return smtp_client_greeting(c, &p->err);
}

static void replies_are_bounded_behaviour_12(void **state)
{
	struct buf b;

	for (int k = 0; k < 2; k++) {
		struct script p = {.talk = endless};

		buf_init(&b, 1 << 20);
		buf_str(&b, "S: 220-");
		for (int i = 0; i < SMTP_REPLY_LINE_MAX * 2 && k == 0; i++)
			buf_char(&b, 'x');
		buf_str(&b, "\n");
		for (int i = 0; i <= SMTP_REPLY_LINES_MAX && k == 1; i++)
			buf_str(&b, "S: 220-more\n");
		p.text = buf_cstr(&b);
		script_run(&p);
		assert_int_equal(p.result, -1);
		assert_int_equal(p.err.code, ERR_PROTO);
		assert_true(p.is_over);
		buf_fini(&b);
	}
}

static int twice(struct script *p, struct smtp_client *c)
{
	assert_int_equal(smtp_client_greet(c, &p->err), -1);
	assert_int_equal(p->err.code, ERR_REPLY);
	assert_int_equal(c->ehlo.code, 502);
	assert_string_equal(buf_cstr(&c->ehlo.lines), "5.5.1 what\nis that");
	assert_int_equal(c->hello.code, 550);
	assert_non_null(strstr(p->err.text, "502"));
	assert_non_null(strstr(p->err.text, "550"));
	assert_int_equal(c->hello.cls, 0);
	smtp_client_quit(c, NULL);
	return 0;
}

static void both_refusals_are_kept_behaviour_21(void **state)
{
	struct script p = {
		.text = "S: 220 a\nC: EHLO me.example\nS: 502-5.5.1 what\nS: 502 is that\n"
			"C: HELO me.example\nS: 550 5.7.1 no\n" SCRIPT_BYE,
		.talk = twice};

	script_run(&p);
}

static int renew(struct script *p, struct smtp_client *c)
{
	assert_int_equal(smtp_client_greeting(c, &p->err), 0);
	assert_string_equal(buf_cstr(&c->greeting.lines), "2.0.0 hi");
	assert_int_equal(c->greeting.cls, 0); /* 16 */
	assert_int_equal(smtp_client_hello(c, SMTP_HELLO_ANY, &p->err), 0);
	assert_true(c->is_esmtp && smtp_client_has(c, SMTP_SIZE));
	assert_int_equal(c->caps.count, 2);
	assert_non_null(smtp_caps_find(&c->caps, SPAN("x-far")));
	assert_int_equal(smtp_client_hello(c, SMTP_HELLO_EHLO, &p->err), 0);
	assert_false(smtp_client_has(c, SMTP_SIZE));
	assert_true(smtp_client_has(c, SMTP_DSN));
	assert_int_equal(smtp_client_hello(c, SMTP_HELLO_HELO, &p->err), 0);
	assert_false(c->is_esmtp);
	assert_int_equal(c->caps.count, 0);
	assert_int_equal(smtp_client_hello(c, SMTP_HELLO_EHLO, &p->err), 0);
	assert_int_equal(smtp_client_quit(c, &p->err), 0);
	assert_false(smtp_client_has(c, SMTP_DSN));
	assert_int_equal(c->hello.code, 0);
	return 0;
}

static void capabilities_are_of_the_last_ehlo_behaviours_20_23(void **state)
{
	struct script p = {
		.text = "S: 220 2.0.0 hi\nC: EHLO me.example\nS: 250-x\nS: 250-size 9\nS: 250 X-FAR a\n"
			"C: EHLO me.example\nS: 250-x\nS: 250 DSN\nC: HELO me.example\nS: 250 x\n"
			"C: EHLO me.example\nS: 250-x\nS: 250 DSN\n" SCRIPT_BYE,
		.talk = renew};

	script_run(&p);
}

static int badly_named(struct script *p, struct smtp_client *c)
{
	static const char *const names[] = {"a b", "a\r\nRSET", "", "a\tb"};

	assert_int_equal(smtp_client_greeting(c, &p->err), 0);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		c->opts.hostname = names[i];
		assert_int_equal(smtp_client_hello(c, SMTP_HELLO_ANY, &p->err), -1);
		assert_int_equal(p->err.code, ERR_SYNTAX);
	}
	assert_int_equal(
		smtp_client_command(c, SPAN("NOOP\r\nQUIT"), CLOCK_SEC, &p->err), -1); /* 41 */
	assert_int_equal(p->err.code, ERR_SYNTAX);
	assert_int_equal(smtp_client_command(c, SPAN("VRFY x"), CLOCK_SEC, &p->err), 0); /* 79 */
	assert_int_equal(c->parser.reply.code, 252);
	assert_string_equal(buf_cstr(&c->parser.reply.text), "one\ntwo");
	assert_int_equal(smtp_client_put(c, SPAN("X-TWO"), CLOCK_SEC, &p->err), 0);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(smtp_client_get(c, CLOCK_SEC, &p->err), 0);
		assert_int_equal(c->parser.reply.code, 250 + i);
	}
	/* 73, 72: closed meanwhile */
	assert_int_equal(fiber_sleep(CLOCK_SEC, &p->err), 0);
	assert_int_equal(smtp_client_command(c, SPAN("NOOP"), CLOCK_SEC, &p->err), -1);
	assert_int_equal(p->err.code, ERR_EOF);
	assert_int_equal(c->parser.reply.code, 0);
	assert_int_equal(smtp_client_quit(c, &p->err), -1);
	return 0;
}

static void single_commands_behaviours_22_41_72_79(void **state)
{
	struct script p = {
		.text = "S: 220 hi\nC: VRFY x\nS: 252-one\nS: 252 two\nC: X-TWO\nS: 250 a\n"
			"S: 251 b\nX\n",
		.talk = badly_named};

	script_run(&p);
}

/* --- AUTH ------------------------------------------------------------------------------------ */

struct mech {
	const char *initial;      /* NULL: none */
	const char *responses[3]; /* to each challenge; NULL: give up */
	size_t at;
	size_t initial_len;
};

static int mech_step(void *arg, struct smtp_auth_step *step, struct err *e)
{
	struct mech *m = arg;
	const char *r;

	if (step->is_first) {
		step->has_response = m->initial != NULL;
		for (size_t i = 0; i < m->initial_len; i++)
			buf_char(step->response, 'x');
		if (m->initial)
			buf_str(step->response, m->initial);
		return 0;
	}
	r = m->responses[m->at < 2 ? m->at++ : 2];
	if (!r)
		return err_set(e, ERR_DENIED, "not this");
	if (*r == '?')
		buf_span_put(step->response, step->challenge);
	buf_str(step->response, r);
	return 0;
}

#define A "S: 220 hi\n"

static const struct auth_case {
	const char *name, *text;
	struct mech mech;
	int result;
	enum err_code code;
	unsigned smtp; /* of the reply kept */
	bool is_over;
} auths[] = {
	{"34: an initial response", A "C: AUTH X eA==\nS: 235 2.7.0 yes\n" SCRIPT_BYE, {"x"}, 0,
		ERR_NONE, 235, false},
	{"34: an empty initial response", A "C: AUTH X =\nS: 235 yes\n" SCRIPT_BYE, {""}, 0,
		ERR_NONE, 235, false},
	{"no initial response", A "C: AUTH X\nS: 334 \nC: cg==\nS: 235 yes\n" SCRIPT_BYE,
		{NULL, {"r"}}, 0, ERR_NONE, 235, false},
	{"the challenge is decoded",
		A "C: AUTH X\nS: 334 YWI=\nC: YWI/cg==\nS: 235 yes\n" SCRIPT_BYE, {NULL, {"?r"}}, 0,
		ERR_NONE, 235, false},
	{"34: a long one is held back", A "C: AUTH X\nS: 334 \nC~ eHh4\nS: 235 yes\n" SCRIPT_BYE,
		{.initial = "", .initial_len = 400}, 0, ERR_NONE, 235, false},
	{"33: 503 is already", A "C: AUTH X =\nS: 503 5.5.1 again?\n" SCRIPT_BYE, {""}, 0, ERR_NONE,
		503, false},
	{"33: 535 keeps the reply", A "C: AUTH X =\nS: 535 5.7.8 no\n" SCRIPT_BYE, {""}, -1,
		ERR_REPLY, 535, false},
	{"33: 454 is temporary", A "C: AUTH X =\nS: 454 4.7.0 later\n" SCRIPT_BYE, {""}, -1,
		ERR_REPLY, 454, false},
	{"33: 250 is neither", A "C: AUTH X =\nS: 250 yes\n", {""}, -1, ERR_PROTO, 0, true},
	{"35: giving up answers a challenge",
		A "C: AUTH X\nS: 334 YQ==\nC: *\nS: 501 cancelled\n" SCRIPT_BYE, {NULL}, -1,
		ERR_DENIED, 501, false},
	{"35: a challenge that is no base64",
		A "C: AUTH X\nS: 334 %%\nC: *\nS: 501 ok\n" SCRIPT_BYE, {NULL, {"r"}}, -1,
		ERR_PROTO, 501, false},
	{"35: the server goes on after it", A "C: AUTH X\nS: 334 YQ==\nC: *\nS: 334 YQ==\n", {NULL},
		-1, ERR_PROTO, 0, true},
	{"17: 421", A "C: AUTH X =\nS: 421 bye\n", {""}, -1, ERR_REPLY, 421, true},
	{"lost", A "C: AUTH X =\nX\n", {""}, -1, ERR_EOF, 0, true},
};

static int auth_talk(struct script *p, struct smtp_client *c)
{
	const struct auth_case *a = p->arg;
	struct mech m = a->mech;
	int rc;

	assert_int_equal(smtp_client_greeting(c, &p->err), 0);
	rc = smtp_client_auth(c, SPAN("X"), mech_step, &m, &p->err);
	if (c->auth.code != a->smtp || c->is_over != a->is_over)
		fail_msg("%s: %u", a->name, c->auth.code);
	if (!c->is_over)
		smtp_client_quit(c, NULL);
	return rc;
}

static void auth_table_behaviours_33_to_35(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(auths); i++)
		for (size_t cut = 0; cut < 3; cut++) {
			const struct auth_case *a = &auths[i];
			struct script p = {
				.text = a->text, .talk = auth_talk, .arg = (void *)a, .cut = cut};

			script_run(&p);
			if (p.result != a->result || p.err.code != a->code)
				fail_msg("%s: %d %s (%s)", a->name, p.result,
					err_code_str(p.err.code), p.err.text);
		}
}

static int auth_endless(struct script *p, struct smtp_client *c)
{
	struct mech m = {NULL, {"a", "b", "c"}, 0, 0};

	assert_int_equal(smtp_client_greeting(c, &p->err), 0);
	assert_int_equal(smtp_client_auth(c, SPAN("bad name"), mech_step, &m, &p->err), -1);
	assert_int_equal(p->err.code, ERR_SYNTAX); /* nothing was said */
	assert_int_equal(smtp_client_auth(c, SPAN("X"), mech_step, &m, &p->err), -1);
	assert_int_equal(p->err.code, ERR_PROTO);
	smtp_client_quit(c, NULL);
	return 0;
}

static void endless_challenges_end_behaviour_36(void **state)
{
	struct script p = {.talk = auth_endless};
	struct buf b;

	buf_init(&b, 1 << 16);
	buf_str(&b, A "C: AUTH X\nS: 334 \n");
	for (int i = 0; i < SMTP_AUTH_CHALLENGES_MAX; i++)
		buf_str(&b, "C~ \nS: 334 YQ==\n");
	buf_str(&b, "C: *\nS: 501 ok\n" SCRIPT_BYE);
	p.text = buf_cstr(&b);
	script_run(&p);
	buf_fini(&b);
}

/* --- what a trace shows ----------------------------------------------------------------------- */

static void note_line(void *arg, enum trace_dir dir, int64_t mono_ns, struct span text, bool is_cut)
{
	static const char marks[] = "<>*";

	buf_printf(arg, "%c " SPAN_FMT "\n", marks[dir], SPAN_ARG(text));
}

static int traced(struct script *p, struct smtp_client *c)
{
	struct trace_opts o = {.line = note_line, .arg = p->arg};
	struct mech m = {"secret", {"more"}, 0, 0};
	struct script_source source = script_source_of(SPAN("Subject: x\r\n\r\n.body\r\n"));
	struct smtp_txn_rcpt to[2] = {{.address = SPAN("b@d")}, {.address = SPAN("c@d")}};
	struct smtp_txn t[2], *all[2] = {&t[0], &t[1]};

	trace_push(c->stream, &o);
	assert_int_equal(smtp_client_greet(c, &p->err), 0);
	assert_int_equal(smtp_client_auth(c, SPAN("PLAIN"), mech_step, &m, &p->err), 0);
	for (size_t i = 0; i < 2; i++)
		t[i] = (struct smtp_txn){.reverse_path = SPAN("a@d"),
			.size = source.all.len,
			.source = &source.source,
			.rcpts = &to[i],
			.rcpt_count = 1};
	assert_int_equal(smtp_client_send_many(c, all, 2, &p->err), 0);
	smtp_txn_fini(&t[0]);
	smtp_txn_fini(&t[1]);
	smtp_client_quit(c, NULL);
	return 0;
}

/* Every line in its order, but no secret and no content. */
static void a_trace_tells_all_but_secrets_behaviour_78(void **state)
{
	struct buf seen;
	struct script p = {
		.text = SCRIPT_HELLO(
			"") "C: AUTH PLAIN c2VjcmV0\nS: 334 YQ==\nC: bW9yZQ==\nS: 235 yes\n"
			    "C~ MAIL\nS: 250 m\nC~ RCPT\nS: 250 r\nC: DATA\nS: 354 go\nB: 22 ..body\nC: .\nS: 250 d\n"
			    "C~ MAIL\nS: 450 m\nC: RSET\nS: 250 r\n" SCRIPT_BYE,
		.talk = traced,
		.arg = &seen};

	buf_init(&seen, 1 << 16);
	script_run(&p);
	assert_string_equal(buf_cstr(&seen),
		"< 220 peer.example hello\n> EHLO me.example\n< 250-peer.example\n"
		"< 250 ENHANCEDSTATUSCODES\n> AUTH PLAIN [secret]\n< 334 YQ==\n> [secret]\n"
		"< 235 yes\n> MAIL FROM:<a@d>\n< 250 m\n> RCPT TO:<b@d>\n< 250 r\n> DATA\n"
		"< 354 go\n> .\n< 250 d\n> MAIL FROM:<a@d>\n< 450 m\n> RSET\n< 250 r\n> QUIT\n"
		"< 221 bye\n");
	buf_fini(&seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(conversations_begin_as_they_should_behaviours_4_to_21),
		cmocka_unit_test(replies_are_bounded_behaviour_12),
		cmocka_unit_test(both_refusals_are_kept_behaviour_21),
		cmocka_unit_test(capabilities_are_of_the_last_ehlo_behaviours_20_23),
		cmocka_unit_test(single_commands_behaviours_22_41_72_79),
		cmocka_unit_test(auth_table_behaviours_33_to_35),
		cmocka_unit_test(endless_challenges_end_behaviour_36),
		cmocka_unit_test(a_trace_tells_all_but_secrets_behaviour_78),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
