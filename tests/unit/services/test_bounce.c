/* Reports to senders: whom they go to, what they say, and that they come with the results. */

#include "services/bounce/bounce.h"
#include "store/mailbox.h"
#include "store/store_test.h"

static void drop_line(struct log_sink *sink, enum log_level level, struct span line)
{
	(void)sink;
	(void)level;
	(void)line;
}

static struct log_sink sink = {.write = drop_line, .level = LOG_DEBUG};

struct world {
	struct store_fixture *f;
	struct arena *a; /* staged reports end with it, before the store */
	struct log log;
	struct router *router;
	struct bounce_opts opts;
	struct spool_envelope env;
	struct spool_new sent; /* the letter that is reported about */
	uint64_t alice;
};

static void world_init(struct world *w, struct store_fixture *f)
{
	struct directory_account acc = {.address = SPAN("alice@here.test")};
	struct router_opts ro = {.store = f->s, .hostname = "mx.here.test"};
	struct err e = {0};

	memset(w, 0, sizeof(*w));
	w->f = f;
	w->a = arena_new();
	log_root(&w->log, &sink);
	ro.log = &w->log;
	w->router = router_new(&ro);
	w->opts = (struct bounce_opts){.store = f->s, .hostname = "mx.here.test", .log = &w->log};
	assert_ok(directory_domain_set(f->s, SPAN("here.test"), DIRECTORY_DOMAIN_LOCAL, false, &e),
		&e);
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), &e);
	assert_ok(directory_account_find(f->s, f->a, acc.address, &acc, &e), &e);
	w->alice = acc.id;
	w->env = (struct spool_envelope){.reverse_path = SPAN("alice@here.test")};
}

/* Another letter may be sent then. */
static void forget_letter(struct world *w)
{
	if (w->sent.stored)
		body_unref(&w->sent.stored);
	stage_free(&w->sent.body);
}

static void world_fini(struct world *w)
{
	forget_letter(w);
	arena_free(&w->a);
	router_free(&w->router);
}

/* A letter to r@there.test, leased as if it were under way. */
static void send_letter(struct world *w, struct spool_rcpt_new *rcpt, const char *body)
{
	struct err e = {0};

	*rcpt = (struct spool_rcpt_new){
		.address = SPAN("r@there.test"), .destination = SPAN("there.test")};
	w->sent = (struct spool_new){.id = store_new_id(w->f->s),
		.env = w->env,
		.arrived_ns = loop_wall_ns(),
		.expires_ns = loop_wall_ns() + CLOCK_DAY,
		.prefix = SPAN("Received: from x by mx.here.test; now\r\n"),
		.rcpts = rcpt,
		.rcpt_count = 1};
	w->sent.body = stage_new(w->f->s);
	assert_ok(stage_put(w->sent.body, span_str(body), &e), &e);
	assert_ok(spool_accept(w->f->s, &w->sent, true, &e), &e);
	assert_non_null(w->sent.stored);
}

static bool write_report(struct world *w, enum bounce_kind kind, const struct bounce_rcpt *rcpt,
	struct spool_new *letter_r)
{
	struct bounce_letter about = {.msg_id = w->sent.id,
		.env = &w->env,
		.prefix = w->sent.prefix,
		.body = w->sent.stored,
		.arrived_ns = w->sent.arrived_ns,
		.expires_ns = w->sent.expires_ns,
		.rcpt_count = 1,
		.rcpts = rcpt};
	struct err e = {0};
	bool is_owed;

	assert_ok(
		bounce_write(&w->opts, w->router, w->a, kind, &about, letter_r, &is_owed, &e), &e);
	return is_owed;
}

static struct bounce_rcpt refusal(void)
{
	return (struct bounce_rcpt){.address = SPAN("r@there.test"),
		.code = 550,
		.enhanced = SPAN("5.1.1"),
		.text = SPAN("Nobody of that name"),
		.host = SPAN("mx.there.test [192.0.2.7]:25"),
		.at_ns = loop_wall_ns()};
}

static struct span text_of(struct spool_new *letter)
{
	struct span text = SPAN_NONE;

	assert_true(stage_mem(letter->body, &text));
	return text;
}

static void assert_has(struct span text, const char *what)
{
	if (span_find_span(text, span_str(what)) < 0)
		fail_msg("'%s' is not in:\n" SPAN_FMT, what, SPAN_ARG(text));
}

static void assert_has_not(struct span text, const char *what)
{
	if (span_find_span(text, span_str(what)) >= 0)
		fail_msg("'%s' is in:\n" SPAN_FMT, what, SPAN_ARG(text));
}

#define LETTER "Subject: hello\r\nTo: r@there.test\r\n\r\nThe text itself.\r\n"

static void play_failure(struct store_fixture *f)
{
	struct spool_rcpt_new rcpt;
	struct spool_new report;
	struct mailbox_msg *list;
	struct mailbox_info info;
	struct bounce_rcpt why;
	struct world w;
	struct err e = {0};
	struct span text;
	size_t count;

	world_init(&w, f);
	w.env.envid = SPAN("QQ123");
	send_letter(&w, &rcpt, LETTER);
	why = refusal();
	assert_true(write_report(&w, BOUNCE_FAILED, &why, &report));
	text = text_of(&report);
	assert_has(text, "To: <alice@here.test>\r\n");
	assert_has(text,
		"Final-Recipient: rfc822; r@there.test\r\nAction: failed\r\n"
		"Status: 5.1.1\r\n");
	assert_has(text, "Diagnostic-Code: smtp; 550 5.1.1 Nobody of that name\r\n");
	assert_has(text, "Original-Envelope-Id: QQ123\r\n");
	assert_has(text, "Received: from x by mx.here.test; now\r\nSubject: hello\r\n");
	assert_has(text, "\r\n\r\nThe text itself.\r\n");
	assert_int_equal(report.env.reverse_path.len, 0);

	/* In the transaction that removes the recipient, alice gets it. */
	struct spool_result res = {.msg_id = w.sent.id,
		.rcpt_id = rcpt.rcpt_id,
		.outcome = SPOOL_FAILED,
		.is_attempt = true,
		.code = 550,
		.text = SPAN("Nobody of that name"),
		.at_ns = loop_wall_ns()};
	assert_ok(spool_settle(f->s, &res, 1, &report, 1, &e), &e);
	assert_ok(mailbox_find(f->s, f->a, w.alice, SPAN("INBOX"), &info, &e), &e);
	assert_ok(mailbox_list(f->s, f->a, info.id, 0, 0, &list, &count, &e), &e);
	assert_int_equal(count, 1);
	assert_span(list[0].subject, "Undelivered Mail Returned to Sender");
	assert_true(span_starts(list[0].prefix, SPAN("Return-Path: <>\r\nDelivered-To: ")));
	world_fini(&w);
}

static void a_failure_comes_back_whole_in_the_settling_transaction(void **state)
{
	store_play(state, play_failure);
}

static void play_parts(struct store_fixture *f)
{
	struct spool_rcpt_new rcpt;
	struct spool_new report;
	struct bounce_rcpt why;
	struct world w;

	world_init(&w, f);
	w.env.ret = SPOOL_RET_HDRS;
	send_letter(&w, &rcpt, LETTER);
	why = refusal();
	assert_true(write_report(&w, BOUNCE_FAILED, &why, &report));
	assert_has(text_of(&report), "Subject: hello\r\n");
	assert_has_not(text_of(&report), "The text itself.");
	assert_int_equal(report.env.body_type, SPOOL_BODY_7BIT);

	w.env.ret = SPOOL_RET_NONE;
	assert_true(write_report(&w, BOUNCE_DELAYED, &why, &report));
	assert_has(text_of(&report), "Action: delayed\r\n");
	assert_has(text_of(&report), "Will-Retry-Until: ");
	assert_has_not(text_of(&report), "The text itself.");
	assert_true(write_report(&w, BOUNCE_RELAYED, &why, &report));
	assert_has(text_of(&report), "Action: relayed\r\n");
	world_fini(&w);
}

static void headers_alone_come_back_when_asked_and_with_other_news(void **state)
{
	store_play(state, play_parts);
}

static void play_8bit(struct store_fixture *f)
{
	struct spool_rcpt_new rcpt;
	struct spool_new report;
	struct bounce_rcpt why;
	struct world w;

	world_init(&w, f);
	/* it was declared 7BIT */
	send_letter(&w, &rcpt, "Subject: x\r\n\r\ngr\xc3\xbc\xc3\x9f\x65\r\n");
	why = refusal();
	assert_true(write_report(&w, BOUNCE_FAILED, &why, &report));
	assert_int_equal(report.env.body_type, SPOOL_BODY_8BIT);
	assert_has(text_of(&report), "Content-Transfer-Encoding: 8bit\r\n");
	world_fini(&w);
}

static void eight_bit_octets_are_declared_whatever_the_sender_said(void **state)
{
	store_play(state, play_8bit);
}

static void play_big(struct store_fixture *f)
{
	struct spool_rcpt_new rcpt;
	struct spool_new report;
	struct bounce_rcpt why;
	struct world w;
	struct buf b;

	world_init(&w, f);
	buf_init(&b, 1024 * 1024);
	buf_str(&b, "Subject: big\r\n\r\n");
	while (buf_len(&b) < 300 * 1024)
		buf_str(&b, "line after line\r\n");
	send_letter(&w, &rcpt, buf_cstr(&b));
	why = refusal();
	assert_true(write_report(&w, BOUNCE_FAILED, &why, &report));
	assert_has(text_of(&report), "Subject: big\r\n");
	assert_has_not(text_of(&report), "line after line");
	buf_fini(&b);
	world_fini(&w);
}

static void a_large_letter_comes_back_as_its_header(void **state)
{
	store_play(state, play_big);
}

static void play_null_sender(struct store_fixture *f)
{
	struct spool_rcpt_new rcpt;
	struct spool_new report;
	struct bounce_rcpt why;
	struct world w;

	world_init(&w, f);
	w.env.reverse_path = SPAN_NONE;
	send_letter(&w, &rcpt, LETTER);
	why = refusal();
	assert_false(write_report(&w, BOUNCE_FAILED, &why, &report));
	assert_false(write_report(&w, BOUNCE_DELAYED, &why, &report));
	assert_false(write_report(&w, BOUNCE_RELAYED, &why, &report));
	w.opts.double_bounces = SPAN("alice@here.test");
	assert_false(write_report(&w, BOUNCE_DELAYED, &why, &report));
	assert_true(write_report(&w, BOUNCE_FAILED, &why, &report));
	assert_has(text_of(&report), "To: <alice@here.test>\r\n");
	/* what cannot be delivered there goes nowhere any more */
	why.address = SPAN("Alice@here.test");
	assert_false(write_report(&w, BOUNCE_FAILED, &why, &report));
	world_fini(&w);
}

static void nothing_is_reported_to_a_null_sender(void **state)
{
	store_play(state, play_null_sender);
}

static void play_unknown(struct store_fixture *f)
{
	struct spool_rcpt_new rcpt;
	struct spool_new report;
	struct bounce_rcpt why;
	struct world w;

	world_init(&w, f);
	w.env.reverse_path = SPAN("nobody@here.test");
	send_letter(&w, &rcpt, LETTER);
	why = refusal();
	assert_false(write_report(&w, BOUNCE_FAILED, &why, &report));
	/* abroad: a row in the queue */
	w.env.reverse_path = SPAN("s@abroad.test");
	assert_true(write_report(&w, BOUNCE_FAILED, &why, &report));
	assert_int_equal(report.rcpt_count, 1);
	assert_false(report.rcpts[0].is_local);
	assert_span(report.rcpts[0].destination, "abroad.test");
	assert_int_equal(report.expires_ns - report.arrived_ns, BOUNCE_LIFETIME_NS);
	world_fini(&w);
}

static void a_report_that_leads_nowhere_is_not_written(void **state)
{
	store_play(state, play_unknown);
}

static void play_delivered(struct store_fixture *f)
{
	struct spool_rcpt_new rcpts[2];
	struct spool_new letter = {.rcpts = rcpts, .rcpt_count = 2};
	struct mailbox_msg *list;
	struct mailbox_info info;
	struct world w;
	struct err e = {0};
	size_t count;

	world_init(&w, f);
	for (size_t i = 0; i < 2; i++)
		rcpts[i] = (struct spool_rcpt_new){.address = SPAN("alice@here.test"),
			.is_local = true,
			.account_id = w.alice,
			.folder = SPAN("INBOX"),
			.notify = i ? SPOOL_NOTIFY_SUCCESS : 0};
	letter.id = store_new_id(f->s);
	letter.env = w.env;
	letter.arrived_ns = loop_wall_ns();
	letter.expires_ns = letter.arrived_ns + CLOCK_DAY;
	letter.body = stage_new(f->s);
	assert_ok(stage_put(letter.body, span_str(LETTER), &e), &e);
	assert_ok(spool_accept(f->s, &letter, false, &e), &e);
	bounce_delivered(&w.opts, w.router, &letter);
	assert_ok(mailbox_find(f->s, f->a, w.alice, SPAN("INBOX"), &info, &e), &e);
	assert_ok(mailbox_list(f->s, f->a, info.id, 0, 0, &list, &count, &e), &e);
	assert_int_equal(count, 3); /* twice the letter, one report */
	assert_span(list[2].subject, "Successful Mail Delivery Report");
	stage_free(&letter.body);
	world_fini(&w);
}

static void a_delivery_here_is_reported_to_who_asked(void **state)
{
	store_play(state, play_delivered);
}

#define MACHINE "Auto-Submitted: auto-generated\r\nSubject: nightly\r\n\r\nx\r\n"

/* Nobody waits for a machine's letter; that it failed is told all the same. */
static void play_machine(struct store_fixture *f)
{
	static const char *const letters[] = {MACHINE, "Precedence: bulk\r\n\r\nx\r\n",
		"Precedence: list\r\n\r\nx\r\n", "List-Id: <l.here.test>\r\n\r\nx\r\n"};
	struct spool_rcpt_new rcpt;
	struct spool_new report;
	struct bounce_rcpt why = refusal();
	struct world w;

	world_init(&w, f);
	for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
		send_letter(&w, &rcpt, letters[i]);
		assert_false(write_report(&w, BOUNCE_DELAYED, &why, &report));
		assert_true(write_report(&w, BOUNCE_FAILED, &why, &report));
		assert_has(text_of(&report), "Action: failed\r\n");
		forget_letter(&w);
	}
	world_fini(&w);
}

static void a_machine_hears_of_failures_not_of_delays(void **state)
{
	store_play(state, play_machine);
}

/* Whom each address may be told, and what. */
static void play_collectors(struct store_fixture *f)
{
	static const struct {
		const char *sender, *rcpt;
		bool failed, delayed;
	} cases[] = {
		{"alice@here.test", "list-bounces@there.test", true, true},
		{"list-bounces@abroad.test", "r@there.test", true, false},
		{"owner-list@abroad.test", "r@there.test", true, false},
		{"list-bounces@abroad.test", "other-bounces@there.test", false, false},
		{"owner-list@abroad.test", "list-owner@there.test", false, false},
		{"MAILER-DAEMON@abroad.test", "r@there.test", false, false},
		{"double-bounce@abroad.test", "r@there.test", false, false},
		{"", "r@there.test", false, false},
	};

	struct world w;

	world_init(&w, f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct spool_rcpt_new rcpt;
		struct spool_new report;
		struct bounce_rcpt why = refusal();

		w.opts.double_bounces = SPAN_NONE;
		w.env.reverse_path = span_str(cases[i].sender);
		why.address = span_str(cases[i].rcpt);
		send_letter(&w, &rcpt, LETTER);
		if (write_report(&w, BOUNCE_FAILED, &why, &report) != cases[i].failed ||
			write_report(&w, BOUNCE_DELAYED, &why, &report) != cases[i].delayed)
			fail_msg("%s %s", cases[i].sender, cases[i].rcpt);
		/* what goes to nobody else goes to whom the administrator named */
		w.opts.double_bounces = SPAN("alice@here.test");
		assert_true(write_report(&w, BOUNCE_FAILED, &why, &report));
		if (!cases[i].failed)
			assert_has(text_of(&report), "To: <alice@here.test>\r\n");
		forget_letter(&w);
	}
	world_fini(&w);
}

static void addresses_that_collect_reports_start_no_loop(void **state)
{
	store_play(state, play_collectors);
}

/* RFC 8689 section 5 */
static void play_requiretls(struct store_fixture *f)
{
	struct spool_rcpt_new rcpt;
	struct spool_new report;
	struct bounce_rcpt why = refusal();
	struct world w;

	world_init(&w, f);
	w.env.is_requiretls = true;
	w.env.ret = SPOOL_RET_FULL;
	send_letter(&w, &rcpt, LETTER);
	assert_true(write_report(&w, BOUNCE_FAILED, &why, &report));
	assert_has(text_of(&report), "Subject: hello\r\n");
	assert_has_not(text_of(&report), "The text itself.");
	assert_true(report.env.is_requiretls);
	world_fini(&w);
}

static void a_body_under_requiretls_does_not_come_back(void **state)
{
	store_play(state, play_requiretls);
}

static void play_language(struct store_fixture *f)
{
	static const struct {
		enum bounce_language language;
		const char *letter, *content_language;
	} cases[] = {
		{BOUNCE_LANGUAGE_AUTO, LETTER,
			"Content-Language: en, zh-CN\r\n"
			"Content-Transfer-Encoding: quoted-printable\r\n"},
		{BOUNCE_LANGUAGE_AUTO, "Accept-Language: zh-CN\r\n\r\n",
			"Content-Language: zh-CN\r\n"
			"Content-Transfer-Encoding: base64\r\n"},
		{BOUNCE_LANGUAGE_EN, "Accept-Language: zh-CN\r\n\r\n",
			"Content-Language: en\r\n"
			"Content-Transfer-Encoding: 7bit\r\n"},
		{BOUNCE_LANGUAGE_ZH, LETTER, "Content-Language: zh-CN\r\n"},
		{BOUNCE_LANGUAGE_AUTO, "Subject: \xe4\xbd\xa0\xe5\xa5\xbd\r\n\r\n",
			"Content-Language: en, zh-CN\r\nContent-Transfer-Encoding: base64\r\n"},
	};

	struct world w;

	world_init(&w, f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct spool_rcpt_new rcpt;
		struct spool_new report;
		struct bounce_rcpt why = refusal();

		w.opts.language = cases[i].language;
		send_letter(&w, &rcpt, cases[i].letter);
		assert_true(write_report(&w, BOUNCE_FAILED, &why, &report));
		assert_has(text_of(&report), cases[i].content_language);
		forget_letter(&w);
	}
	world_fini(&w);
}

static void the_setting_or_the_header_chooses_the_language(void **state)
{
	store_play(state, play_language);
}

/* A header section that is longer than what is read at once, and one without an end. */
static void play_headers(struct store_fixture *f)
{
	struct spool_rcpt_new rcpt;
	struct spool_new report;
	struct bounce_rcpt why = refusal();
	struct world w;
	struct buf b;

	buf_init(&b, 1024 * 1024);
	world_init(&w, f);
	for (int i = 0; i < 12; i++) {
		buf_clear(&b);
		while (buf_len(&b) < (size_t)i * 32 * 1024)
			buf_str(&b, "X-Filler: line after line\r\n");
		send_letter(&w, &rcpt, buf_cstr(&b));
		assert_true(write_report(&w, BOUNCE_FAILED, &why, &report));
		assert_has(text_of(&report), "Final-Recipient: rfc822; r@there.test\r\n");
		assert_true(text_of(&report).len < BOUNCE_HEADER_MAX + 16 * 1024);
		forget_letter(&w);
	}
	world_fini(&w);
	buf_fini(&b);
}

static void a_header_of_any_length_is_told_of(void **state)
{
	store_play(state, play_headers);
}

#define CROWD 1050

/* More recipients than one report tells of: several, and nobody is left out or told of twice. */
static void play_crowd(struct store_fixture *f)
{
	struct spool_rcpt_new *rcpts = ARENA_ARRAY(f->a, struct spool_rcpt_new, CROWD);
	struct spool_new letter = {.rcpts = rcpts, .rcpt_count = CROWD};
	struct mailbox_msg *list;
	struct mailbox_info info;
	struct world w;
	struct err e = {0};
	size_t count, reports = 0;

	world_init(&w, f);
	for (size_t i = 0; i < CROWD; i++)
		rcpts[i] = (struct spool_rcpt_new){
			.address = span_str(arena_printf(f->a, "alice+%zu@here.test", i)),
			.is_local = true,
			.account_id = w.alice,
			.folder = SPAN("INBOX"),
			.notify = SPOOL_NOTIFY_SUCCESS};
	letter.id = store_new_id(f->s);
	letter.env = w.env;
	letter.arrived_ns = loop_wall_ns();
	letter.expires_ns = letter.arrived_ns + CLOCK_DAY;
	letter.body = stage_new(f->s);
	assert_ok(stage_put(letter.body, span_str(LETTER), &e), &e);
	bounce_delivered(&w.opts, w.router, &letter);
	assert_ok(mailbox_find(f->s, f->a, w.alice, SPAN("INBOX"), &info, &e), &e);
	assert_ok(mailbox_list(f->s, f->a, info.id, 0, 0, &list, &count, &e), &e);
	for (size_t i = 0; i < count; i++)
		reports += span_eq(list[i].subject, SPAN("Successful Mail Delivery Report"));
	assert_int_equal(reports, (CROWD + BOUNCE_RCPTS_MAX - 1) / BOUNCE_RCPTS_MAX);
	stage_free(&letter.body);
	world_fini(&w);
}

static void many_recipients_are_told_in_several_reports(void **state)
{
	store_play(state, play_crowd);
}

static void notify_says_what_is_wanted(void **state)
{
	static const struct {
		unsigned notify;
		bool failed, delayed, relayed;
	} cases[] = {
		{0, true, true, false},
		{SPOOL_NOTIFY_NEVER, false, false, false},
		{SPOOL_NOTIFY_SUCCESS, false, false, true},
		{SPOOL_NOTIFY_FAILURE, true, false, false},
		{SPOOL_NOTIFY_DELAY, false, true, false},
		{SPOOL_NOTIFY_SUCCESS | SPOOL_NOTIFY_FAILURE, true, false, true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(bounce_is_wanted(BOUNCE_FAILED, cases[i].notify), cases[i].failed);
		assert_int_equal(
			bounce_is_wanted(BOUNCE_DELAYED, cases[i].notify), cases[i].delayed);
		assert_int_equal(
			bounce_is_wanted(BOUNCE_RELAYED, cases[i].notify), cases[i].relayed);
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_failure_comes_back_whole_in_the_settling_transaction),
		CASE(headers_alone_come_back_when_asked_and_with_other_news),
		CASE(eight_bit_octets_are_declared_whatever_the_sender_said),
		CASE(a_large_letter_comes_back_as_its_header),
		CASE(nothing_is_reported_to_a_null_sender),
		CASE(a_report_that_leads_nowhere_is_not_written),
		CASE(a_delivery_here_is_reported_to_who_asked),
		CASE(a_machine_hears_of_failures_not_of_delays),
		CASE(addresses_that_collect_reports_start_no_loop),
		CASE(a_body_under_requiretls_does_not_come_back),
		CASE(the_setting_or_the_header_chooses_the_language),
		CASE(a_header_of_any_length_is_told_of),
		CASE(many_recipients_are_told_in_several_reports),
		cmocka_unit_test(notify_says_what_is_wanted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
