/* Transactions: what goes over the wire, and what is said of each recipient. */

#include "yz_test.h"

#include <stdio.h>
#include <unistd.h>

#include "peer.h"

#define HELLO(caps) "S:220 mx.example ESMTP\nC:EHLO me.example\nS:250-mx.example\n" caps
#define PLAIN       HELLO("S:250 HELP\n")
#define MAIL        "C:MAIL FROM:<a@x>\nS:250 2.1.0 ok\n"
#define RCPT(n)     "C:RCPT TO:<" n "@y>\nS:250 2.1.5 ok\n"

static struct yz_session *session(unsigned flags)
{
	struct yz_options o = YZ_INIT(o);

	o.hello_name = "me.example";
	o.flags = flags;
	return yz_session_new(NULL, &o);
}

static struct yz_txn *txn(struct yz_session *s, const char *rcpts, const struct yz_mail_params *p)
{
	struct yz_txn *t = yz_txn_new(s, "a@x", p);
	char path[] = "?@y";

	for (; *rcpts; rcpts++) {
		path[0] = *rcpts;
		assert_ok(yz_txn_rcpt(t, path, NULL));
	}
	return t;
}

/* Outcomes of the recipients by a letter each: a accepted, t, p refused, u unknown, n not sent. */
static void assert_outcomes(const struct yz_txn *t, const char *want, const char *name)
{
	for (size_t i = 0; want[i]; i++)
		if ("natpu"[yz_txn_result(t, i)->outcome] != want[i])
			fail_msg("%s: recipient %zu: %s (%s)", name, i,
				yz_outcome_str(yz_txn_result(t, i)->outcome),
				yz_txn_result(t, i)->text);
}

static void outcomes(void **state)
{
	static const struct {
		const char *name, *rcpts;
		unsigned flags; /* of the transaction */
		const char *script, *err, *outcomes;
		bool is_lmtp;
	} cases[] = {
		{"one_accepted", "c", 0,
			PLAIN MAIL RCPT("c") "C:DATA\nS:354 go\nD:\nS:250 2.0.0 queued", "ok", "a"},
		{"behaviour_50_some_refused", "cde", 0,
			PLAIN MAIL RCPT(
				"c") "C:RCPT TO:<d@y>\nS:550 no\nC:RCPT TO:<e@y>\nS:450 later\n"
				     "C:DATA\nS:354 go\nD:\nS:250 ok",
			"ok", "apt"},
		{"behaviour_51_all_refused", "cd", 0,
			PLAIN MAIL
			"C:RCPT TO:<c@y>\nS:550 no\nC:RCPT TO:<d@y>\nS:450 later\nC:RSET\nS:250 ok",
			"rcpts", "pt"},
		{"behaviour_52_all_or_nothing", "cde", YZ_ALL_OR_NOTHING,
			PLAIN MAIL RCPT("c") "C:RCPT TO:<d@y>\nS:550 no\nC:RSET\nS:250 ok", "rcpts",
			"npn"},
		{"behaviour_53_552_is_temporary", "cd", 0,
			PLAIN MAIL RCPT(
				"c") "C:RCPT TO:<d@y>\nS:552 too many\nC:DATA\nS:354 go\nD:\nS:250 ok",
			"ok", "at"},
		{"behaviour_54_mail_refused", "c", 0,
			PLAIN "C:MAIL FROM:<a@x>\nS:553 5.1.8 who\nC:RSET\nS:250 ok", "sender",
			"p"},
		{"behaviour_17_421_to_mail", "cd", 0,
			PLAIN "C:MAIL FROM:<a@x>\nS:421 bye\nE:", "closed", "tt"},
		{"behaviour_65_data_refused", "c", 0,
			PLAIN MAIL RCPT("c") "C:DATA\nS:451 not now\nC:RSET\nS:250 ok", "data",
			"t"},
		{"final_refused", "c", 0,
			PLAIN MAIL RCPT("c") "C:DATA\nS:354 go\nD:\nS:554 5.7.1 spam", "data", "p"},
		{"behaviour_67_lost_after_the_dot", "cd", 0,
			PLAIN MAIL RCPT("c") RCPT("d") "C:DATA\nS:354 go\nD:\nX:", "unknown", "uu"},
		{"lost_before_data", "c", 0, PLAIN MAIL "C~RCPT\nX:", "closed", "n"},
		{"behaviour_70_lmtp", "cd", 0,
			"S:220 mx\nC:LHLO me.example\nS:250-mx\nS:250 PIPELINING\n" MAIL
			"C:RCPT TO:<c@y>\nC:RCPT TO:<d@y>\nC:DATA\nS:250 ok\nS:250 ok\nS:354 go\nD:\n"
			"S:250 2.0.0 here\nS:452 4.2.2 full",
			"ok", "at", true},
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		for (int trickle = 0; trickle < 2; trickle++) {
			struct peer *p = peer_start(cases[i].script, trickle);
			struct yz_mail_params m = YZ_INIT(m);
			struct yz_session *s = session(0);
			struct yz_txn *t;
			int rc;

			m.flags = cases[i].flags;
			rc = yz_connect(s, peer_url(p, cases[i].is_lmtp ? "lmtp" : "smtp"));
			if (rc != YZ_OK)
				fail_msg("%s: %s", cases[i].name, yz_error(s)->text);
			t = txn(s, cases[i].rcpts, &m);
			assert_ok(yz_txn_body(t, "Subject: x\n\nhi\n", 15, YZ_EOL_FIX));
			rc = yz_send(t);
			if (strcmp(yz_err_name(rc), cases[i].err) != 0)
				fail_msg("%s: %s: %s", cases[i].name, yz_err_name(rc),
					yz_error(s)->text);
			assert_int_equal(yz_txn_error(t)->code, rc);
			assert_outcomes(t, cases[i].outcomes, cases[i].name);
			yz_txn_free(&t);
			yz_session_free(&s);
			peer_end(&p);
		}
}

/* What the line ends of a body become. */
static void behaviour_60_to_62_bodies(void **state)
{
	static const struct {
		const char *in;
		const char *wire; /* without the lone dot; NULL: refused in strict mode */
	} cases[] = {
		{"", ""},
		{"a", "a\r\n"},
		{".", "..\r\n"},
		{"a\n.b\r\n.\r.", "a\r\n..b\r\n..\r\n..\r\n"},
		{"\n.\n", "\r\n..\r\n"},
		{"\n.\r\n", "\r\n..\r\n"},
		{"\r.\r\n", "\r\n..\r\n"},
		{"\r\r\n\n", "\r\n\r\n\r\n"},
		{"a\r\n", "a\r\n"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct peer *p = peer_start(
			PLAIN MAIL RCPT("c") "C:DATA\nS:354 go\nD:\nS:250 ok", false);
		struct yz_session *s = session(0);
		struct yz_txn *t;

		assert_ok(yz_connect(s, peer_url(p, "smtp")));
		t = txn(s, "c", NULL);
		assert_ok(yz_txn_body(t, cases[i].in, strlen(cases[i].in), YZ_EOL_FIX));
		assert_ok(yz_send(t));
		assert_string_equal(p->body, cases[i].wire);
		yz_txn_free(&t);
		yz_session_free(&s);
		peer_end(&p);
	}
}

static void behaviour_61_strict(void **state)
{
	struct peer *p = peer_start(PLAIN "E:", false);
	struct yz_session *s = session(0);
	struct yz_txn *t;

	assert_ok(yz_connect(s, peer_url(p, "smtp")));
	t = txn(s, "c", NULL);
	assert_ok(yz_txn_body(t, "ab\r\ncd\nef", 9, YZ_EOL_STRICT));
	assert_int_equal(yz_send(t), YZ_E_SOURCE);
	assert_has(yz_error(s)->text, "octet 6");
	yz_txn_free(&t);
	yz_session_free(&s);
	peer_end(&p);
}

static void behaviour_43_to_45_parameters(void **state)
{
	static const struct {
		const char *name, *caps, *body, *rest, *err;
	} cases[] = {
		{"behaviour_43_size", "S:250 SIZE 100\n", ".\n.\n",
			"C:MAIL FROM:<a@x> SIZE=6\nS:250 ok\n" RCPT(
				"c") "C:DATA\nS:354 go\nD:\nS:250 ok",
			"ok"},
		{"behaviour_44_too_large", "S:250 SIZE 5\n", ".\n.\n", "E:", "size"},
		{"behaviour_45_8bit", "S:250 8BITMIME\n", "\xc3\xa4\n",
			"C:MAIL FROM:<a@x> BODY=8BITMIME\nS:250 ok\n" RCPT(
				"c") "C:DATA\nS:354 go\nD:\nS:250 ok",
			"ok"},
		{"behaviour_45_7bit", "S:250 8BITMIME\n", "a\n",
			"C:MAIL FROM:<a@x>\nS:250 ok\n" RCPT("c") "C:DATA\nS:354 go\nD:\nS:250 ok",
			"ok"},
		{"behaviour_45_not_offered", "S:250 HELP\n", "\xc3\xa4\n", "E:", "notsupp"},
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		char script[1024];
		struct peer *p;
		struct yz_session *s = session(0);
		struct yz_txn *t;
		int rc;

		snprintf(script, sizeof(script), "%s%s%s", HELLO(""), cases[i].caps, cases[i].rest);
		p = peer_start(script, false);
		assert_ok(yz_connect(s, peer_url(p, "smtp")));
		t = txn(s, "c", NULL);
		assert_ok(yz_txn_body(t, cases[i].body, strlen(cases[i].body), YZ_EOL_FIX));
		rc = yz_send(t);
		if (strcmp(yz_err_name(rc), cases[i].err) != 0)
			fail_msg("%s: %s: %s", cases[i].name, yz_err_name(rc), yz_error(s)->text);
		yz_txn_free(&t);
		yz_session_free(&s);
		peer_end(&p);
	}
}

static void behaviour_41_arguments(void **state)
{
	static const char *const bad[] = {"a@y\r\nRSET", "x <a@y>", "a@y>", "a b@y", "", "\"a@y"};
	struct yz_session *s = session(0);

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct yz_txn *t = yz_txn_new(s, "", NULL);

		if (yz_txn_rcpt(t, bad[i], NULL) != YZ_E_INVAL)
			fail_msg("'%s' was taken", bad[i]);
		yz_txn_free(&t);
	}
	yz_session_free(&s);
}

static long fails_midway(void *arg, void *to, size_t n)
{
	int *left = arg;

	if ((*left)-- == 0)
		return -1;
	memset(to, 'x', n);
	((char *)to)[n - 1] = '\n';
	return (long)n;
}

static void behaviour_64_source_fails(void **state)
{
	struct peer *p = peer_start(PLAIN MAIL RCPT("c") "C:DATA\nS:354 go\n", false);
	struct yz_session *s = session(0);
	struct yz_source src = {.size_of = sizeof(src), .read = fails_midway, .size = -1};
	struct yz_txn *t;
	int left = 1;

	src.arg = &left;
	assert_ok(yz_connect(s, peer_url(p, "smtp")));
	t = txn(s, "c", NULL);
	assert_ok(yz_txn_source(t, &src, YZ_EOL_FIX));
	assert_int_equal(yz_send(t), YZ_E_SOURCE);
	assert_outcomes(t, "n", "source");
	assert_false(yz_is_connected(s));
	pthread_join(p->thread, NULL);
	/* It expects no further octet; what it got has no end. */
	assert_null(memmem(p->in, p->in_len, "\r\n.\r\n", 5));
	yz_txn_free(&t);
	yz_session_free(&s);
	close(p->listener);
	free(p->body);
	free(p);
}

static void a_pipe_goes_in_chunks(void **state)
{
	struct peer *p = peer_start(
		HELLO("S:250-PIPELINING\nS:250 CHUNKING\n") "C:MAIL FROM:<a@x>\nC:RCPT TO:<c@y>\n"
							    "S:250 ok\nS:250 ok\nC:BDAT 3 LAST\nB:3\nS:250 queued",
		false);
	struct yz_session *s = session(0);
	struct yz_txn *t;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "a\n", 2), 2);
	close(fds[1]);
	assert_ok(yz_connect(s, peer_url(p, "smtp")));
	t = txn(s, "c", NULL);
	assert_ok(yz_txn_fd(t, fds[0], YZ_EOL_FIX));
	assert_ok(yz_send(t));
	assert_int_equal(yz_txn_octets(t), 3);
	yz_txn_free(&t);
	yz_session_free(&s);
	close(fds[0]);
	peer_end(&p);
}

static void behaviour_71_many(void **state)
{
	struct peer *p = peer_start(PLAIN MAIL
		"C:RCPT TO:<c@y>\nS:550 no\nC:RSET\nS:250 ok\n" MAIL RCPT(
			"d") "C:DATA\nS:354 go\nD:\nS:250 ok",
		false);
	struct yz_session *s = session(0);
	struct yz_txn *t[2];

	assert_ok(yz_connect(s, peer_url(p, "smtp")));
	t[0] = txn(s, "c", NULL);
	t[1] = txn(s, "d", NULL);
	for (int i = 0; i < 2; i++)
		assert_ok(yz_txn_body(t[i], "x\n", 2, YZ_EOL_FIX));
	assert_ok(yz_send_many(s, t, 2));
	assert_outcomes(t[0], "p", "first");
	assert_outcomes(t[1], "a", "second");
	yz_txn_free(&t[0]);
	yz_txn_free(&t[1]);
	yz_session_free(&s);
	peer_end(&p);
}

struct seen {
	char text[4096];
	size_t len;
	int64_t last_ns;
	uint64_t octets;
};

static void on_event(void *arg, const struct yz_trace_event *e)
{
	struct seen *seen = arg;

	assert_true(e->time_ns >= seen->last_ns);
	seen->last_ns = e->time_ns;
	if (e->kind == YZ_TRACE_DATA)
		seen->octets += e->octets;
	if (e->kind == YZ_TRACE_LINE)
		seen->len += (size_t)snprintf(seen->text + seen->len,
			sizeof(seen->text) - seen->len, "%c%s%s\n", e->dir == YZ_DIR_IN ? '<' : '>',
			e->is_masked ? "#" : "", e->text);
}

static int plain_step(void *arg, const void *challenge, size_t len, void *out, size_t *n)
{
	memcpy(out, "\0user\0secret", 12);
	*n = 12;
	return 0;
}

static void behaviour_78_trace(void **state)
{
	struct peer *p = peer_start(PLAIN
		"C:AUTH PLAIN AHVzZXIAc2VjcmV0\nS:235 2.7.0 fine\n" MAIL RCPT(
			"c") "C:DATA\nS:354 go\nD:\nS:250 ok",
		false);
	struct yz_session *s = session(0);
	static struct seen seen;
	struct yz_txn *t;

	yz_set_trace(s, on_event, &seen, 0);
	assert_ok(yz_connect(s, peer_url(p, "smtp")));
	assert_ok(yz_auth(s, "PLAIN", plain_step, NULL));
	t = txn(s, "c", NULL);
	assert_ok(yz_txn_body(t, "hidden\n", 7, YZ_EOL_FIX));
	assert_ok(yz_send(t));
	assert_string_equal(seen.text,
		"<220 mx.example ESMTP\n>EHLO me.example\n<250-mx.example\n<250 HELP\n>#AUTH PLAIN [secret]\n"
		"<235 2.7.0 fine\n>MAIL FROM:<a@x>\n<250 2.1.0 ok\n>RCPT TO:<c@y>\n<250 2.1.5 ok\n>DATA\n<354 go\n"
		">.\n<250 ok\n");
	assert_int_equal(seen.octets, 8);
	yz_txn_free(&t);
	yz_session_free(&s);
	peer_end(&p);
}

static void helpers(void **state)
{
	static const char *const addresses[][2] = {
		{"a@b", "<a@b>"}, {"Name <a@b>", "<a@b>"}, {"", "<>"}, {"<a@b>", "<a@b>"}};
	char *text, why[64];
	size_t n;

	for (size_t i = 0; i < COUNT(addresses); i++) {
		text = yz_quote_address(addresses[i][0]);
		assert_string_equal(text, addresses[i][1]);
		yz_free(text);
	}
	text = yz_quote_data("abc\n.jkl\rfoo\r\n..blue", 20, &n);
	assert_string_equal(text, "abc\r\n..jkl\r\nfoo\r\n...blue");
	assert_int_equal(n, strlen(text));
	yz_free(text);
	assert_int_equal(yz_sendmail("smtp://127.0.0.1:1", "a@b",
				 (const char *const[]){"c d", NULL}, "x", 1, why, sizeof(why)),
		YZ_E_INVAL);
	assert_has(why, "blank");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcomes),
		cmocka_unit_test(behaviour_41_arguments),
		cmocka_unit_test(behaviour_43_to_45_parameters),
		cmocka_unit_test(behaviour_60_to_62_bodies),
		cmocka_unit_test(behaviour_61_strict),
		cmocka_unit_test(behaviour_64_source_fails),
		cmocka_unit_test(behaviour_71_many),
		cmocka_unit_test(a_pipe_goes_in_chunks),
		cmocka_unit_test(behaviour_78_trace),
		cmocka_unit_test(helpers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
