/* Reports in every kind and language, read back by our own MIME parser and report reader; what the
 * original's header tells; lines of 72 columns. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "base/utf8.h"
#include "proto/mail/mail_dsn_priv.h"
#include "proto/mail/mail_report.h"
#include "proto/mail/mail_word.h"
#include "proto/mail/mime_parse.h"
#include "proto/mail/mime_text.h"

#define NOW 1795415470
#define BIG (4 << 20)

/* A report taken apart. */
struct taken {
	struct arena *a;
	struct buf written, text, machine;
	struct mime_tree *tree;
	struct mime_part *parts[3];
	struct mail_report report;
	struct mail_report_dsn dsn;
	struct span subject;
};

static void decode(struct taken *t, const struct mime_part *p, struct buf *out)
{
	struct mime_decoder d;

	mime_decoder_init(&d, p->encoding);
	mime_decoder_feed(&d,
		span_sub(buf_span(&t->written), (size_t)p->body_offset,
			(size_t)(p->end_offset - p->body_offset)),
		out);
	mime_decoder_end(&d, out);
	assert_int_equal(mime_decoder_defects(&d), 0);
}

static void take_apart(struct taken *t, const struct mail_dsn *d, struct span original)
{
	struct mime_parser *parser;
	struct mime_part *p;
	size_t count = 0;

	memset(t, 0, sizeof(*t));
	t->a = arena_new();
	buf_init(&t->written, BIG);
	buf_init(&t->text, BIG);
	buf_init(&t->machine, BIG);
	mail_dsn_put_head(&t->written, d);
	mail_dsn_put_original(&t->written, d, original);
	mail_dsn_put_tail(&t->written, d);
	assert_true(buf_ok(&t->written));
	if (getenv("SHOW_REPORTS"))
		printf("%s\n", buf_cstr(&t->written));

	parser = mime_parser_new(t->a, NULL);
	mime_parser_feed(parser, buf_span(&t->written));
	t->tree = mime_parser_end(&parser);
	assert_true(mime_part_is(t->tree->root, SPAN("multipart"), SPAN("report")));
	for (p = t->tree->root->first; p && count < 3; p = p->next)
		t->parts[count++] = p;
	assert_int_equal(count, 3);
	assert_null(p);
	t->subject = mail_word_decode(t->a, t->tree->root->raw[MIME_FIELD_SUBJECT]);
	decode(t, t->parts[0], &t->text);
	decode(t, t->parts[1], &t->machine);
	mail_report_parse(t->a, buf_span(&t->machine), &t->report);
	mail_report_dsn(t->a, &t->report, &t->dsn);
	if (getenv("SHOW_REPORTS"))
		printf("=== text ===\n%s\n", buf_cstr(&t->text));
}

static void put_away(struct taken *t)
{
	buf_fini(&t->written);
	buf_fini(&t->text);
	buf_fini(&t->machine);
	arena_free(&t->a);
}

static bool has(struct buf *b, const char *text)
{
	return span_find_span(buf_span(b), span_str(text)) >= 0;
}

/* The same, wherever lines are broken: `gap` is what stands for a line end and its indent. */
static bool tells(struct buf *b, const char *gap, const char *text)
{
	struct span rest = buf_span(b), line;
	struct buf flat;
	bool is_there;

	buf_init(&flat, BIG);
	while (rest.len) {
		span_cut(rest, '\n', &line, &rest);
		buf_span_put(&flat, span_trim(line));
		buf_str(&flat, gap);
	}
	is_there = has(&flat, text);
	buf_fini(&flat);
	return is_there;
}

/* No line is wider, but for one that is a single word (behind its indent). */
static void lines_fit(struct buf *text)
{
	struct span rest = buf_span(text), line;

	while (rest.len) {
		assert_true(span_cut(rest, '\n', &line, &rest));
		assert_true(line.len > 0 && line.ptr[line.len - 1] == '\r');
		line.len--;
		if (dsn_columns(line) > DSN_COLUMNS && span_find(span_trim(line), ' ') >= 0)
			fail_msg("%zu columns: " SPAN_FMT, dsn_columns(line), SPAN_ARG(line));
	}
}

static const struct mail_dsn_hop hops[] = {
	{.station = {"smtp.author.example", 19}, .at_sec = NOW - 90, .delay_sec = 1},
	{.station = {"a-station-with-a-very-long-name.of.a.deep.domain.example", 56},
		.at_sec = NOW - 60,
		.delay_sec = 30},
	{.station = {"odd.example", 11}, .delay_sec = -1, .is_clock_wrong = true},
	{.station = {"mx.example", 10}, .at_sec = NOW - 10, .delay_sec = 4000},
};

static struct mail_dsn_rcpt rcpt_of(enum mail_dsn_action action)
{
	struct mail_dsn_rcpt r = {.action = action,
		.address = SPAN("bob@example.net"),
		.orcpt = SPAN("rfc822;robert@example.net"),
		.remote_host = SPAN("mx.example.net [192.0.2.7]:25"),
		.last_attempt_sec = NOW};

	if (action == MAIL_DSN_FAILED) {
		r.code = 550;
		r.enhanced = SPAN("5.7.26");
		r.text = SPAN("This mail has been blocked because the sender is unauthenticated. "
			      "Gmail requires all senders to authenticate with either SPF or "
			      "DKIM. For instructions, go to "
			      "https://support.google.com/mail/answer/81126#authentication");
	} else if (action == MAIL_DSN_DELAYED) {
		r.code = 451;
		r.enhanced = SPAN("4.7.1");
		r.text = SPAN("Greylisted, come back");
		r.retry_until_sec = NOW + 5 * 86400;
		r.next_sec[0] = NOW + 600;
		r.next_sec[1] = NOW + 4200;
	} else {
		r.enhanced = SPAN("2.1.5");
		r.text = SPAN("delivered to the mailbox");
	}
	return r;
}

static struct mail_dsn report_of(
	const struct mail_dsn_rcpt *rcpts, size_t count, enum mail_dsn_words words)
{
	return (struct mail_dsn){.host = SPAN("mx.example"),
		.to = SPAN("alice@example.com"),
		.queue_id = SPAN("0123456789ABC"),
		.envid = SPAN("QQ314"),
		.id = 1,
		.random = 2,
		.arrived_sec = NOW - 70,
		.now_sec = NOW,
		.zone_minutes = 480,
		.words = words,
		.rcpts = rcpts,
		.rcpt_count = count,
		.hops = hops,
		.hop_count = ARRAY_LEN(hops),
		.original_len = 1000};
}

#define ORIGINAL "From: Alice <alice@example.com>\r\nSubject: hello\r\n\r\nThe text.\r\n"

/* clang-format off */
static const struct {
	enum mail_dsn_action action;
	const char *en, *zh, *hint;
} kinds[] = {
	{MAIL_DSN_FAILED, "could not be delivered", "未能送达以下一位或多位收件人", "未能送达下列收件人，原因见下。"},
	{MAIL_DSN_DELAYED, "YOU DO NOT NEED TO RESEND", "您无需重新发送邮件", "系统仍在重试，您无需重新发送。"},
	{MAIL_DSN_DELIVERED, "successfully delivered", "您的邮件已成功送达以下收件人", "您的邮件已成功送达下列收件人。"},
	{MAIL_DSN_RELAYED, "handed on to the mail system", "您的邮件已转交给以下收件人的邮件系统", "您的邮件已转交给下列收件人的邮件系统。"},
	{MAIL_DSN_EXPANDED, "sent on to the members", "您的邮件已转发给以下地址的成员", "您的邮件已转发给下列地址的成员。"},
};
/* clang-format on */

/* Everything a machine reads is the same, whatever people read. */
static void machine_part_is(struct taken *t, enum mail_dsn_action action, bool is_smtputf8)
{
	const struct mail_report_rcpt *r = &t->dsn.rcpts[0];

	assert_true(mime_part_is(t->parts[1], SPAN("message"),
		is_smtputf8 ? SPAN("global-delivery-status") : SPAN("delivery-status")));
	assert_int_equal(t->dsn.rcpt_count, 1);
	assert_true(span_eq(t->dsn.reporting_mta, SPAN("mx.example")));
	assert_true(span_eq(t->dsn.envid, SPAN("QQ314")));
	assert_int_equal(t->dsn.arrival.unix_sec, NOW - 70);
	assert_true(span_eq(r->action, span_str(mail_dsn_action_str(action))));
	assert_true(span_eq(r->final_recipient, SPAN("bob@example.net")));
	assert_true(span_eq(r->original_recipient, SPAN("robert@example.net")));
	assert_true(span_eq(r->remote_mta, SPAN("mx.example.net")));
	assert_int_equal(r->last_attempt.unix_sec, NOW);
	assert_int_equal(
		r->will_retry_until.unix_sec, action == MAIL_DSN_DELAYED ? NOW + 5 * 86400 : 0);
	assert_int_equal(r->cls,
		action == MAIL_DSN_FAILED            ? 5
			: action == MAIL_DSN_DELAYED ? 4
						     : 2);
}

static void every_kind_in_every_language(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		for (int words = MAIL_DSN_HINT; words <= MAIL_DSN_BOTH; words++)
			for (int utf8 = 0; utf8 <= 1; utf8++) {
				struct mail_dsn_rcpt r = rcpt_of(kinds[i].action);
				struct mail_dsn d = report_of(&r, 1, (enum mail_dsn_words)words);
				bool is_zh = words == MAIL_DSN_ZH || words == MAIL_DSN_BOTH;
				struct taken t;

				d.is_smtputf8 = utf8;
				take_apart(&t, &d, SPAN(ORIGINAL));
				machine_part_is(&t, kinds[i].action, utf8);
				assert_true(utf8_is_valid(buf_span(&t.text)));
				assert_int_equal(
					tells(&t.text, " ", kinds[i].en), words != MAIL_DSN_ZH);
				assert_int_equal(tells(&t.text, "", kinds[i].zh), is_zh);
				assert_int_equal(
					tells(&t.text, "", kinds[i].hint), words == MAIL_DSN_HINT);
				assert_true(span_is_ascii(buf_span(&t.written)) || utf8);
				assert_int_equal(span_is_ascii(t.subject), !is_zh);
				assert_true(span_starts(
					t.subject, span_str(dsn_subjects[kinds[i].action])));
				assert_true(has(&t.written, "The text.\r\n"));
				lines_fit(&t.text);
				put_away(&t);
			}
}

static void the_first_line_is_in_the_readers_language(void **state)
{
	static const char *const lines[] = {
		[MAIL_DSN_HINT] =
			"This is the mail system at host mx.example.\r\n"
			"这里是主机 mx.example 的邮件系统。您的邮件未能送达下列收件人，原因见下。\r\n"
			"\r\nI'm sorry",
		[MAIL_DSN_EN] = "This is the mail system at host mx.example.\r\n\r\nI'm sorry",
		[MAIL_DSN_ZH] = "这里是主机 mx.example 的邮件系统。\r\n\r\n很抱歉，",
		[MAIL_DSN_BOTH] = "This is the mail system at host mx.example.\r\n\r\nI'm sorry",
	};

	(void)state;
	for (int words = MAIL_DSN_HINT; words <= MAIL_DSN_BOTH; words++) {
		struct mail_dsn_rcpt r = rcpt_of(MAIL_DSN_FAILED);
		struct mail_dsn d = report_of(&r, 1, (enum mail_dsn_words)words);
		struct taken t;

		take_apart(&t, &d, SPAN(ORIGINAL));
		if (!span_starts(buf_span(&t.text), span_str(lines[words])))
			fail_msg("%s", buf_cstr(&t.text));
		put_away(&t);
	}
}

static void stations_stand_in_a_table(void **state)
{
	struct mail_dsn_rcpt r = rcpt_of(MAIL_DSN_FAILED);
	struct mail_dsn d = report_of(&r, 1, MAIL_DSN_BOTH);
	struct mail_dsn_hop many[MAIL_DSN_HOPS_MAX];
	struct taken t;

	(void)state;
	take_apart(&t, &d, SPAN(ORIGINAL));
	assert_true(has(&t.text,
		"The way of your message (times at +0800):\r\n"
		"\r\n"
		"    Station                               Arrived                   Took\r\n"
		" 1  smtp.author.example                   23 Nov 14:29:40            1 s\r\n"
		" 2  a-station-with-a-very-long-name.of.a  23 Nov 14:30:10           30 s\r\n"
		" 3  odd.example                           -                  clock wrong\r\n"
		" 4  mx.example                            23 Nov 14:31:00      1 h 6 min\r\n"
		" 5  mx.example.net                        23 Nov 14:31:10        refused\r\n"));
	assert_true(has(&t.text,
		"    站点                                  到达时间                  耗时\r\n"
		" 1  smtp.author.example                   11-23 14:29:40            1 秒\r\n"));
	put_away(&t);

	/* the middle of a long way is left out, and the numbers tell */
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = hops[0];
	d.hops = many;
	d.hop_count = ARRAY_LEN(many);
	d.hops_left_out = 38;
	take_apart(&t, &d, SPAN(ORIGINAL));
	assert_true(has(&t.text, "\r\n    ... 38 more stations\r\n42  smtp.author.example"));
	assert_true(has(&t.text, "\r\n    ... 另有 38 个站点\r\n"));
	assert_true(has(&t.text, "\r\n51  mx.example.net"));
	lines_fit(&t.text);
	put_away(&t);

	/* nothing is known: no table */
	d.hop_count = 0;
	take_apart(&t, &d, SPAN(ORIGINAL));
	assert_false(has(&t.text, "Station"));
	put_away(&t);
}

/* The limit, each with another fate: one reason stands once for those in a row that share it. */
static void a_hundred_recipients(void **state)
{
	static char names[MAIL_DSN_RCPTS_MAX][32];
	static struct mail_dsn_rcpt rcpts[MAIL_DSN_RCPTS_MAX];
	struct mail_dsn d = report_of(rcpts, ARRAY_LEN(rcpts), MAIL_DSN_BOTH);
	struct taken t;
	size_t found = 0;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rcpts); i++) {
		rcpts[i] = rcpt_of(MAIL_DSN_FAILED);
		rcpts[i].address = span_of(names[i],
			(size_t)snprintf(names[i], sizeof(names[i]), "r%zu@example.net", i));
		rcpts[i].enhanced = SPAN("5.1.1");
		rcpts[i].text = SPAN("User unknown");
	}
	rcpts[ARRAY_LEN(rcpts) - 1].enhanced = SPAN("5.2.2");
	rcpts[ARRAY_LEN(rcpts) - 1].text = SPAN("Mailbox full");
	take_apart(&t, &d, SPAN(ORIGINAL));
	assert_int_equal(t.dsn.rcpt_count, ARRAY_LEN(rcpts));
	for (size_t i = 0; i < ARRAY_LEN(rcpts); i++)
		assert_true(span_eq(t.dsn.rcpts[i].final_recipient, rcpts[i].address));
	for (struct span rest = buf_span(&t.text); rest.len; found++) {
		ptrdiff_t at = span_find_span(rest, SPAN("Why: "));

		if (at < 0)
			break;
		rest = span_skip(rest, (size_t)at + 5);
	}
	assert_int_equal(found, 2);
	put_away(&t);
}

/* Whatever a server says, the parts, the recipients and the lines stay ours. */
static void hostile_replies_stay_words(void **state)
{
	static const char *const replies[] = {
		"x\r\n\r\n--=_00000000000010000000000002--\r\n\r\nAction: delivered",
		"x\n\nFinal-Recipient: rfc822; evil@example.org\nAction: delivered\n",
		"\r\rFrom: evil@example.org\r\rSubject: x",
		"a\0b",
		"\xe2\x80\xae"
		"gnp.exe\xe2\x80\xac \xc2\x85 \xe2\x80\xa8 next",
		"\xff\xfe\xfd",
		"\x1b[2J\x1b]0;title\x07",
		"=?UTF-8?Q?=0D=0ABcc:_x?=",
	};
	static char lines[200000];
	size_t used = 0;

	(void)state;
	for (int i = 0; i < 2000; i++)
		used += (size_t)snprintf(lines + used, sizeof(lines) - used,
			"550-5.7.1 line %d of 2000, and it goes on\r\n", i);
	for (size_t i = 0; i <= ARRAY_LEN(replies); i++)
		for (int words = MAIL_DSN_HINT; words <= MAIL_DSN_BOTH; words++) {
			struct mail_dsn_rcpt r = rcpt_of(MAIL_DSN_FAILED);
			struct mail_dsn d = report_of(&r, 1, (enum mail_dsn_words)words);
			struct taken t;

			r.text = i < ARRAY_LEN(replies) ? span_str(replies[i])
							: span_of(lines, used);
			if (i == 3)
				r.text = SPAN("a\0b");
			take_apart(&t, &d, SPAN(ORIGINAL));
			machine_part_is(&t, MAIL_DSN_FAILED, false);
			assert_true(utf8_is_valid(buf_span(&t.text)));
			assert_null(memchr(t.text.mem, '\0', t.text.to));
			assert_false(has(&t.text, "\xe2\x80\xae") || has(&t.text, "\x1b") ||
				has(&t.text, "\xc2\x85") || has(&t.text, "\xe2\x80\xa8"));
			assert_true(buf_len(&t.text) < 16384);
			lines_fit(&t.text);
			put_away(&t);
		}
}

/* ---- what the original's header tells ---------------------------------------------------------- */

/* clang-format off */
static const struct {
	const char *name, *header;
	enum mail_dsn_words words;
} languages[] = {
	{"nothing", "Subject: hello\r\n\r\n", MAIL_DSN_HINT},
	{"no header at all", "", MAIL_DSN_HINT},
	{"English asked for", "Accept-Language: en-US\r\n\r\n", MAIL_DSN_EN},
	{"Chinese asked for", "Accept-Language: zh-CN, en-US\r\n\r\n", MAIL_DSN_ZH},
	{"weights", "Accept-Language: zh;q=0.5, en;q=0.8\r\n\r\n", MAIL_DSN_EN},
	{"weights the other way", "Accept-Language: en;q=0.25, zh-TW; q=0.3\r\n\r\n", MAIL_DSN_ZH},
	{"a third one first", "Accept-Language: de, zh;q=0.9, en;q=0.1\r\n\r\n", MAIL_DSN_ZH},
	{"none of ours", "Accept-Language: de, fr\r\n\r\n", MAIL_DSN_HINT},
	{"refused", "Accept-Language: zh;q=0\r\n\r\n", MAIL_DSN_HINT},
	{"wishes go before words", "Content-Language: zh\r\nAccept-Language: en\r\n\r\n", MAIL_DSN_EN},
	{"written in English", "Content-Language: en-GB\r\n\r\n", MAIL_DSN_EN},
	{"written in Chinese", "Content-Language: zh-Hans\r\n\r\n", MAIL_DSN_ZH},
	{"written in both", "Content-Language: en, zh\r\n\r\n", MAIL_DSN_BOTH},
	{"a comment of blanks", "Content-Language:\r\n zh\r\n\r\n", MAIL_DSN_ZH},
	{"no such language", "Content-Language: zhuang\r\n\r\n", MAIL_DSN_HINT},
	{"Chinese subject, UTF-8 in words", "Subject: =?UTF-8?B?5L2g5aW9?=\r\n\r\n", MAIL_DSN_BOTH},
	{"Chinese subject, raw", "Subject: 你好\r\n\r\n", MAIL_DSN_BOTH},
	{"Chinese subject, GB2312", "Subject: =?GB2312?B?xOO6ww==?=\r\n\r\n", MAIL_DSN_BOTH},
	{"Chinese subject, Big5", "Subject: Re: =?big5?B?p0Gmbg==?=\r\n\r\n", MAIL_DSN_BOTH},
	{"Chinese name", "From: =?utf-8?Q?=E5=BC=A0=E4=B8=89?= <z@a.example>\r\n\r\n", MAIL_DSN_BOTH},
	{"Japanese", "Subject: =?UTF-8?B?5pel5pys44Gu?=\r\n\r\n", MAIL_DSN_HINT},
	{"Japanese, its own charset", "Subject: =?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=\r\n\r\n", MAIL_DSN_HINT},
	{"Korean", "Subject: 韓國語 한국어\r\n\r\n", MAIL_DSN_HINT},
	{"cut in a word", "Subject: =?UTF-8?B?5L2g", MAIL_DSN_HINT},
	{"octets that are none", "Subject: \xc4\xe3\xba\xc3\r\n\r\n", MAIL_DSN_HINT},
	{"only the first field counts", "Subject: a\r\nSubject: 你好\r\n\r\n", MAIL_DSN_HINT},
	{"the body does not count", "Subject: a\r\n\r\nContent-Language: zh\r\n你好\r\n", MAIL_DSN_HINT},
};

static const struct {
	const char *header;
	bool is_automatic;
} machines[] = {
	{"Subject: a\r\n", false},
	{"Auto-Submitted: no\r\n", false},
	{"Auto-Submitted: NO (a person)\r\n", true}, /* with a comment nobody can be sure */
	{"Auto-Submitted: no; x=y\r\n", false},
	{"Auto-Submitted: auto-generated\r\n", true},
	{"auto-submitted:\r\n auto-replied\r\n", true},
	{"Precedence: bulk\r\n", true},
	{"Precedence: List\r\n", true},
	{"Precedence: junk\r\n", true},
	{"Precedence: first-class\r\n", false},
	{"List-Id: <a.example>\r\n", true},
};
/* clang-format on */

static void the_header_tells_language_and_machine(void **state)
{
	struct mail_dsn_original o;
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(languages); i++) {
		mail_dsn_read_original(a, span_str(languages[i].header), NOW, &o);
		if (o.words != languages[i].words)
			fail_msg("%s: %d", languages[i].name, (int)o.words);
	}
	for (size_t i = 0; i < ARRAY_LEN(machines); i++) {
		mail_dsn_read_original(a, span_str(machines[i].header), NOW, &o);
		if (o.is_automatic != machines[i].is_automatic)
			fail_msg("%s: %d", machines[i].header, o.is_automatic);
	}
	arena_free(&a);
}

static void received_fields_become_stations(void **state)
{
	struct mail_dsn_original o;
	struct arena *a = arena_new();
	struct buf b;

	(void)state;
	mail_dsn_read_original(a,
		SPAN("Received: from a.example by b.example; Mon, 23 Nov 2026 06:31:00 +0000\r\n"
		     "Received: from me by a.example;\r\n\tMon, 23 Nov 2026 06:30:00 +0000\r\n"
		     "Subject: x\r\n\r\nReceived: by nobody\r\n"),
		NOW, &o);
	assert_int_equal(o.hop_count, 2);
	assert_true(span_eq(o.hops[0].station, SPAN("a.example")));
	assert_true(span_eq(o.hops[1].station, SPAN("b.example")));
	assert_int_equal(o.hops[0].delay_sec, -1);
	assert_int_equal(o.hops[1].delay_sec, 60);
	assert_int_equal(o.hops[1].at_sec, 1795415460);

	buf_init(&b, 1 << 20);
	for (int i = 100; i > 0; i--)
		buf_printf(&b, "Received: by h%d.example; Mon, 23 Nov 2026 06:%02d:00 +0000\r\n", i,
			i / 2);
	mail_dsn_read_original(a, buf_span(&b), NOW, &o);
	assert_int_equal(o.hop_count, MAIL_DSN_HOPS_MAX);
	assert_int_equal(o.hops_left_out, 100 - MAIL_DSN_HOPS_MAX);
	assert_true(span_eq(o.hops[0].station, SPAN("h1.example")));
	assert_true(span_eq(o.hops[MAIL_DSN_HOPS_FIRST - 1].station, SPAN("h3.example")));
	assert_true(span_eq(o.hops[MAIL_DSN_HOPS_FIRST].station, SPAN("h92.example")));
	assert_true(span_eq(o.hops[MAIL_DSN_HOPS_MAX - 1].station, SPAN("h100.example")));
	buf_fini(&b);
	arena_free(&a);
}

static void addresses_that_collect_reports(void **state)
{
	static const struct {
		const char *address;
		bool is_daemon, is_collector;
	} cases[] = {
		{"alice@a.example", false, false},
		{"MAILER-DAEMON@a.example", true, true},
		{"double-bounce@a.example", true, true},
		{"owner-list@a.example", false, true},
		{"list-owner@a.example", false, true},
		{"list-bounces@a.example", false, true},
		{"List-Bounces+bob=example.net@a.example", false, true},
		{"bounce+12.ab@a.example", false, true},
		{"bounces@a.example", false, true},
		{"owner@a.example", false, false},
		{"trebounces@a.example", false, false},
		{"", false, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct span address = span_str(cases[i].address);

		if (mail_dsn_is_daemon(address) != cases[i].is_daemon ||
			mail_dsn_is_collector(address) != cases[i].is_collector)
			fail_msg("%s", cases[i].address);
	}
}

/* clang-format off */
static void lines_break_where_they_may(void **state)
{
	static const struct {
		const char *indent, *text, *lines;
	} cases[] = {
		{"", "", "\r\n"},
		{"  ", "one  two", "  one two\r\n"},
		{"", "一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二三四五六七",
			"一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二三四五六\r\n七\r\n"},
		/* no line begins with a closing sign, none ends with an opening one */
		{"", "一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二三四五六。七",
			"一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二三四五\r\n六。七\r\n"},
		{"", "一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二三四五（六）七",
			"一二三四五六七八九十一二三四五六七八九十一二三四五六七八九十一二三四五\r\n（六）七\r\n"},
		{"    ", "a 中文 b", "    a 中文 b\r\n"},
		{"", "https://example.org/a/very/long/address/that/must/not/be/broken/in/two/pieces/ever x",
			"https://example.org/a/very/long/address/that/must/not/be/broken/in/two/pieces/ever\r\nx\r\n"},
		{"", "a\xe2\x80\xae"
		 "b\xff", "a?b?\r\n"},
	};
	struct buf b;

	(void)state;
	buf_init(&b, 4096);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_clear(&b);
		dsn_put_wrapped(&b, cases[i].indent, span_str(cases[i].text));
		assert_string_equal(buf_cstr(&b), cases[i].lines);
	}
	assert_int_equal(dsn_columns(SPAN("a中。")), 5);
	assert_int_equal(dsn_cut_columns(SPAN("a中文"), 4).len, 4);
	buf_fini(&b);
}
/* clang-format on */

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_in_every_language),
		cmocka_unit_test(the_first_line_is_in_the_readers_language),
		cmocka_unit_test(stations_stand_in_a_table),
		cmocka_unit_test(a_hundred_recipients),
		cmocka_unit_test(hostile_replies_stay_words),
		cmocka_unit_test(the_header_tells_language_and_machine),
		cmocka_unit_test(received_fields_become_stations),
		cmocka_unit_test(addresses_that_collect_reports),
		cmocka_unit_test(lines_break_where_they_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
