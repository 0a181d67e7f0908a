/* Next hops of many kinds: strict, slow, limited, broken, lying. */

#include "play/rows.h"

#include <stdio.h>
#include <string.h>

#include "base/must.h"

#define LADDER_1 .attempts = 2, .after_ns = 48 * CLOCK_SEC, .before_ns = 2 * CLOCK_MIN

/* ---- peers that remember ---------------------------------------------------------------------- */

/* Each triplet of client, sender and recipient is put off for five minutes from its first try. */
static const char *greylist(struct peer_talk *t, const char *at, struct span line)
{
	struct world_rcpt *r;
	char name[WORLD_NAME];
	ptrdiff_t from = span_find(line, '<'), to = span_find(line, '>');

	if (strcmp(at, "RCPT") != 0 || from < 0)
		return NULL;
	snprintf(name, sizeof(name), SPAN_FMT,
		SPAN_ARG(span_sub(line, (size_t)from + 1, (size_t)(to - from) - 1)));
	r = world_rcpt(t->peer->opts.ctx, name);
	if (r->noted_ns == 0)
		r->noted_ns = loop_now_ns();
	return loop_now_ns() - r->noted_ns < 5 * CLOCK_MIN ? "450 4.7.1 greylisted" : NULL;
}

/* Five letters a connection, then good-bye. */
static const char *five_letters(struct peer_talk *t, const char *at, struct span line)
{
	return strcmp(at, "MAIL") == 0 && t->messages >= 5 ? "421 4.7.0 too many messages" : NULL;
}

static const char *five_letters_451(struct peer_talk *t, const char *at, struct span line)
{
	return strcmp(at, "MAIL") == 0 && t->messages >= 5 ? "451 4.7.1 too many messages" : NULL;
}

/* Three connections in a minute. */
static const char *three_a_minute(struct peer_talk *t, const char *at, struct span line)
{
	const struct peer *p = t->peer;

	if (strcmp(at, "connect") != 0 || p->sessions <= 3)
		return NULL;
	return loop_now_ns() - p->session_ns[p->sessions - 4] < CLOCK_MIN ? "451 4.7.1 rate limited"
									  : NULL;
}

/* Ten letters a minute. */
static const char *ten_a_minute(struct peer_talk *t, const char *at, struct span line)
{
	struct world_rcpt *clock = world_rcpt(t->peer->opts.ctx, "clock");
	int64_t minute = loop_now_ns() / CLOCK_MIN + 1;

	if (strcmp(at, "MAIL") != 0)
		return NULL;
	clock->attempts++; /* of all MAIL */
	if (clock->noted_ns != minute) {
		clock->noted_ns = minute;
		clock->taken = 0;
	}
	return clock->taken++ < 10 ? NULL : "451 4.7.1 rate limited, slow down";
}

static void check_not_hammered(struct world *w, struct peer *mx1, struct peer *mx2)
{
	unsigned asked = world_rcpt(w, "clock")->attempts, letters = mx1->messages;

	if (asked > 3 * letters)
		world_fault(w, "%u letters took %u transactions", letters, asked);
}

/* Two connections at a time. */
static const char *two_at_once(struct peer_talk *t, const char *at, struct span line)
{
	return strcmp(at, "connect") == 0 && t->peer->open > 2 ? "421 4.7.0 too many connections"
							       : NULL;
}

/* Ten recipients a transaction. */
static const char *ten_recipients(struct peer_talk *t, const char *at, struct span line)
{
	return strcmp(at, "RCPT") == 0 && t->rcpt_count >= 10 ? "452 4.5.3 too many recipients"
							      : NULL;
}

static const char *ten_recipients_552(struct peer_talk *t, const char *at, struct span line)
{
	return strcmp(at, "RCPT") == 0 && t->rcpt_count >= 10 ? "552 5.5.3 too many recipients"
							      : NULL;
}

/* ---- what is looked at besides ---------------------------------------------------------------- */

static void check_three_messages(struct world *w, struct peer *mx1, struct peer *mx2)
{
	if (mx1->messages != 3 || mx1->sessions != 1)
		world_fault(w, "%u messages in %u connections", mx1->messages, mx1->sessions);
}

static void check_no_message(struct world *w, struct peer *mx1, struct peer *mx2)
{
	if (mx1->messages)
		world_fault(
			w, "%u messages were sent to a peer that cannot take them", mx1->messages);
}

static void check_clear(struct world *w, struct peer *mx1, struct peer *mx2)
{
	if (world_rcpt(w, "a@there.test")->is_tls)
		world_fault(w, "it went over TLS, which is broken there");
}

static void check_tls(struct world *w, struct peer *mx1, struct peer *mx2)
{
	if (!world_rcpt(w, "a@there.test")->is_tls)
		world_fault(w, "it went in clear, although TLS works there");
}

static void check_relayed(struct world *w, struct peer *mx1, struct peer *mx2)
{
	if (world_rcpt(w, "a@there.test")->relayed != 1)
		world_fault(w, "%u reports of success", world_rcpt(w, "a@there.test")->relayed);
}

#define UTF8_TEXT                                                                                  \
	"From: alice@here.test\r\nSubject: eight\r\n\r\nGr\xc3\xbc\xc3\x9f"                        \
	"e\r\n"

static const struct row rows[] = {
	/* ---- limits ---- */
	{.name = "greylisted for five minutes: delivered at the third or fourth attempt",
		.decide = greylist,
		.is_off_ladder = true, /* sooner */
		.attempts = 3,
		.attempts_most = 4,
		.after_ns = 5 * CLOCK_MIN,
		.before_ns = 25 * CLOCK_MIN},
	{.name = "greylisted by triplet: each recipient of a letter in its own time",
		.decide = greylist,
		.is_off_ladder = true, /* sooner */
		.to = "a b c d e",
		.letters = 3,
		.every_ns = 10 * CLOCK_SEC,
		.attempts = 3,
		.attempts_most = 4,
		.after_ns = 5 * CLOCK_MIN,
		.before_ns = 25 * CLOCK_MIN},
	{.name = "421 after five letters on a connection: all arrive within minutes",
		.decide = five_letters,
		.letters = 40,
		.attempts = ROW_ANY,
		.is_off_ladder = true,
		.before_ns = 30 * CLOCK_MIN},
	{.name = "451 after five letters on a connection: all arrive within the hour",
		.decide = five_letters_451,
		.letters = 40,
		.attempts = ROW_ANY,
		.is_off_ladder = true,
		.before_ns = CLOCK_HOUR},
	{.name = "451 4.7.1 as greeting by rate: all arrive, the host is not hammered",
		.decide = three_a_minute,
		.letters = 30,
		.every_ns = 20 * CLOCK_SEC,
		.attempts = ROW_ANY,
		.is_off_ladder = true,
		.before_ns = CLOCK_HOUR,
		.sessions_most = 45},
	{.name = "451 4.7.1 to more than ten letters a minute: all arrive, the host is not hammered",
		.decide = ten_a_minute,
		.letters = 100,
		.attempts = ROW_ANY,
		.is_off_ladder = true,
		.delayed = ROW_ANY,
		.before_ns = 2 * CLOCK_HOUR,
		.check = check_not_hammered},
	{.name = "421 to more than two connections at once: all arrive within minutes",
		.decide = two_at_once,
		.rules = {{.at = "dot", .wait_ns = CLOCK_SEC}},
		.letters = 60,
		.attempts = ROW_ANY,
		.is_off_ladder = true,
		.before_ns = 10 * CLOCK_MIN},
	{.name = "452 after ten recipients: the others follow at once in further transactions",
		.decide = ten_recipients,
		.to = "a b c d e f g h i j k l m n o p q r s t u v w x y",
		.check = check_three_messages},
	{.name = "552 after ten recipients means the same",
		.decide = ten_recipients_552,
		.to = "a b c d e f g h i j k l m n o p q r s t u v w x y",
		.check = check_three_messages},
	{.name = "half of the recipients refused: those are told of, the others have it",
		.rules = {{.at = "RCPT", .has = "<no", .say = "550 5.1.1 nobody of that name"}},
		.to = "a no1 b no2 c no3 d no4",
		.failed = "no1 no2 no3 no4",
		.says = "nobody of that name"},
	{.name = "half of the recipients put off: the others are not sent it again",
		.rules = {{.at = "RCPT", .to = 1, .has = "<no", .say = "450 4.2.1 busy"}},
		.to = "no1 a no2 b no3 c no4 d",
		.attempts = 2,
		.before_ns = 2 * CLOCK_MIN},
	{.name = "all recipients refused one by one: no content is sent",
		.rules = {{.at = "RCPT", .say = "550 5.1.1 nobody of that name"}},
		.ehlo = "8BITMIME",
		.to = "a b c",
		.failed = "a b c",
		.check = check_no_message},

	/* ---- slow ---- */
	{.name = "nine minutes until the dot is answered: delivered once",
		.rules = {{.at = "dot", .to = 1, .wait_ns = 9 * CLOCK_MIN}},
		.after_ns = 9 * CLOCK_MIN,
		.before_ns = 10 * CLOCK_MIN},
	{.name = "all replies of a window held back for nine minutes: delivered once",
		.rules = {{.at = "dot", .to = 1, .wait_ns = 9 * CLOCK_MIN, .is_held = true}},
		.after_ns = 9 * CLOCK_MIN,
		.before_ns = 10 * CLOCK_MIN},
	{.name = "eleven minutes until the dot is answered: sent again, for it may not have arrived",
		.rules = {{.at = "dot", .to = 1, .wait_ns = 11 * CLOCK_MIN}},
		.unheard = 1,
		.attempts = 2,
		.before_ns = 15 * CLOCK_MIN},
	{.name = "four minutes until each command is answered: delivered once",
		.rules = {{.at = "connect", .wait_ns = 4 * CLOCK_MIN},
			{.at = "EHLO", .wait_ns = 4 * CLOCK_MIN},
			{.at = "MAIL", .wait_ns = 4 * CLOCK_MIN},
			{.at = "RCPT", .wait_ns = 4 * CLOCK_MIN}},
		.before_ns = 20 * CLOCK_MIN},
	{.name = "a connection that is dropped whenever it is idle: nothing is delayed",
		.rules = {{.at = "dot", .closes = true}},
		.letters = 20,
		.every_ns = CLOCK_SEC,
		.attempts = 1,
		.attempts_most = 1},

	/* ---- after the dot ---- */
	{.name = "dropped after the dot: sent again, doubled only there",
		.rules = {{.at = "dot", .to = 1, .is_silent = true, .closes = true}},
		.unheard = 1,
		LADDER_1},
	{.name = "dropped after the dot three times: four contents, one of them answered",
		.rules = {{.at = "dot", .to = 3, .is_silent = true, .closes = true}},
		.unheard = 3,
		.attempts = 4,
		.after_ns = 16 * CLOCK_MIN,
		.before_ns = 27 * CLOCK_MIN},
	{.name = "dropped after the dot among other letters: the others arrive once",
		.rules = {{.at = "dot", .nth = 5, .to = 1, .is_silent = true, .closes = true}},
		.letters = 20,
		.unheard = 1,
		.attempts = ROW_ANY,
		.before_ns = 3 * CLOCK_MIN},

	/* ---- replies that are none ---- */
	{.name = "2,000 lines of greeting: tried again, then delivered",
		.rules = {{.at = "connect", .to = 1, .say = "220 hello", .lines = 2000}},
		LADDER_1},
	{.name = "2,000 lines to EHLO: tried again, then delivered",
		.rules = {{.at = "EHLO", .to = 1, .say = "250 hello", .lines = 2000}},
		LADDER_1},
	{.name = "2,000 lines to RCPT: tried again, then delivered",
		.ehlo = "PIPELINING 8BITMIME",
		.rules = {{.at = "RCPT", .to = 1, .say = "250 hello", .lines = 2000}},
		LADDER_1},
	{.name = "2,000 lines to the dot: doubled at most there",
		.rules = {{.at = "dot", .to = 1, .say = "250 hello", .lines = 2000}},
		.doubled = 1,
		.attempts = 1,
		.attempts_most = 2,
		.before_ns = 2 * CLOCK_MIN},
	{.name = "400 lines to each command are a reply",
		.rules = {{.at = "connect", .say = "220 hello", .lines = 400},
			{.at = "RCPT", .say = "250 hello", .lines = 400},
			{.at = "dot", .say = "250 hello", .lines = 400}}},
	{.name = "NUL in the reply to MAIL: delivered, at the latest by the second attempt",
		.ehlo = "PIPELINING 8BITMIME",
		.rules = {{.at = "MAIL", .to = 1, .say = "250 o\001k"}},
		.attempts = 1,
		.attempts_most = 2,
		.before_ns = 2 * CLOCK_MIN},
	{.name = "NUL in a refusal: the report is whole and has no NUL",
		.rules = {{.at = "RCPT", .say = "550 5.1.1 no\001body"}},
		.failed = "a",
		.attempts = ROW_ANY,
		.is_off_ladder = true,
		.delayed = ROW_ANY,
		.before_ns = 5 * CLOCK_DAY + 20 * CLOCK_MIN},
	{.name = "NUL in the reply to the dot: doubled at most there",
		.rules = {{.at = "dot", .to = 1, .say = "250 o\001k"}},
		.doubled = 1,
		.attempts = 1,
		.attempts_most = 2,
		.before_ns = 2 * CLOCK_MIN},
	{.name = "a greeting without code: tried again, then delivered",
		.rules = {{.at = "connect", .to = 1, .say = "hello there"}},
		LADDER_1},
	{.name = "a reply without code to MAIL: tried again, then delivered",
		.ehlo = "PIPELINING 8BITMIME",
		.rules = {{.at = "MAIL", .to = 1, .say = "very well"}},
		LADDER_1},
	{.name = "a reply with a code of four digits: tried again, then delivered",
		.ehlo = "PIPELINING 8BITMIME",
		.rules = {{.at = "RCPT", .to = 1, .say = "2500 ok"}},
		LADDER_1},
	{.name = "replies that end with a bare LF are understood",
		.rules = {{.at = "*", .end = "\n"}}},
	{.name = "a reply of one endless line: tried again, then delivered",
		.ehlo = "PIPELINING 8BITMIME",
		.rules =
			{{.at = "MAIL", .to = 1, .say = "250 x", .end = "xxxxxxxx", .lines = 9000}},
		.attempts = 2,
		.before_ns = 16 * CLOCK_MIN},

	/* ---- TLS ---- */
	{.name = "STARTTLS works: it goes over TLS",
		.is_tls = true,
		.ehlo = "STARTTLS PIPELINING 8BITMIME",
		.check = check_tls},
	{.name = "STARTTLS answered with garbage: in clear at the next connection",
		.is_tls = true,
		.ehlo = "STARTTLS PIPELINING 8BITMIME",
		.rules = {{.at = "tls"}},
		.attempts = 1,
		.attempts_most = 2,
		.before_ns = 3 * CLOCK_MIN,
		.check = check_clear},
	{.name = "STARTTLS and the peer hangs up: in clear at the next connection",
		.is_tls = true,
		.ehlo = "STARTTLS PIPELINING 8BITMIME",
		.rules = {{.at = "tls", .is_silent = true, .closes = true}},
		.attempts = 1,
		.attempts_most = 2,
		.before_ns = 3 * CLOCK_MIN,
		.check = check_clear},
	{.name = "STARTTLS refused with 454: in clear on the same connection",
		.is_tls = true,
		.ehlo = "STARTTLS PIPELINING 8BITMIME",
		.rules = {{.at = "STARTTLS", .say = "454 4.7.0 not available"}},
		.attempts = 1,
		.attempts_most = 2,
		.before_ns = 3 * CLOCK_MIN,
		.check = check_clear},

	/* ---- extensions ---- */
	{.name = "EHLO refused with 502: HELO",
		.rules = {{.at = "EHLO", .say = "502 5.5.1 what?"}}},
	{.name = "EHLO refused with 554: HELO",
		.rules = {{.at = "EHLO", .say = "554 5.5.1 never"}}},
	{.name = "EHLO and HELO refused: comes back",
		.rules = {{.at = "EHLO", .say = "502 5.5.1 what?"},
			{.at = "HELO", .say = "502 5.5.1 what?"}},
		.failed = "a",
		.attempts = ROW_ANY,
		.delayed = ROW_ANY,
		.is_off_ladder = true,
		.before_ns = 5 * CLOCK_DAY + 20 * CLOCK_MIN},
	{.name = "SIZE too small: comes back, no content is sent",
		.ehlo = "PIPELINING SIZE=20",
		.failed = "a",
		.says = "5.3.4",
		.check = check_no_message},
	{.name = "8-bit content without 8BITMIME there: comes back, no content is sent",
		.ehlo = "PIPELINING",
		.params = "BODY=8BITMIME",
		.text = UTF8_TEXT,
		.failed = "a",
		.says = "5.6.3",
		.check = check_no_message},
	{.name = "7-bit content declared as 8-bit goes where 8BITMIME is not known",
		.ehlo = "PIPELINING",
		.params = "BODY=8BITMIME"},
	{.name = "8-bit content where 8BITMIME is known arrives as it is",
		.ehlo = "PIPELINING 8BITMIME",
		.params = "BODY=8BITMIME",
		.text = UTF8_TEXT},
	{.name = "an address in UTF-8 without SMTPUTF8 there: comes back, no content is sent",
		.ehlo = "PIPELINING 8BITMIME",
		.params = "SMTPUTF8 BODY=8BITMIME",
		.to = "j\xc3\xb6rg",
		.failed = "j\xc3\xb6rg",
		.says = "5.6.7",
		.check = check_no_message},
	{.name = "an address in UTF-8 where SMTPUTF8 is known arrives",
		.ehlo = "PIPELINING 8BITMIME SMTPUTF8",
		.params = "SMTPUTF8 BODY=8BITMIME",
		.to = "j\xc3\xb6rg"},
	{.name = "NOTIFY=SUCCESS without DSN there: the sender is told that it was relayed",
		.ehlo = "PIPELINING",
		.rcpt_params = "NOTIFY=SUCCESS,FAILURE",
		.check = check_relayed},
	{.name = "CHUNKING offered, BDAT answered with 500: told of or delivered, once",
		.rules = {{.at = "BDAT", .say = "500 5.5.1 what?"}},
		.failed = "a",
		.attempts = ROW_ANY},
	{.name = "PIPELINING offered, one reply too few: told of or delivered, once",
		.ehlo = "PIPELINING 8BITMIME",
		.rules = {{.at = "RCPT", .to = 1, .is_silent = true}},
		.failed = "a",
		.attempts = ROW_ANY,
		.before_ns = 30 * CLOCK_MIN},
	{.name = "PIPELINING offered, one reply too many: tried again, then delivered",
		.ehlo = "PIPELINING 8BITMIME",
		.rules = {{.at = "MAIL", .to = 1, .say = "250 ok", .is_twice = true}},
		.attempts = ROW_ANY,
		.doubled = 1,
		.before_ns = 30 * CLOCK_MIN},
	{.name = "354 in the place of the reply to MAIL: tried again, then delivered",
		.ehlo = "PIPELINING 8BITMIME",
		.rules = {{.at = "MAIL", .to = 1, .say = "354 go on", .is_final = true}},
		.attempts = 2,
		.before_ns = 30 * CLOCK_MIN},
	{.name = "250 in the place of 354: tried again, then delivered",
		.ehlo = "8BITMIME",
		.rules = {{.at = "DATA", .to = 1, .say = "250 ok", .is_final = true}},
		.attempts = 2,
		.before_ns = 30 * CLOCK_MIN},
};

int main(int argc, char **argv)
{
	return rows_main(rows, ARRAY_LEN(rows), argc, argv);
}
