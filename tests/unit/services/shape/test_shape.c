#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "services/shape/shape.h"

#define GMAIL "mx:alt1.gmail-smtp-in.l.google.com,gmail-smtp-in.l.google.com"

#pragma GCC diagnostic ignored "-Woverride-init" /* what ROW sets may be set again */
#define ROW(match_, ...)                                                                           \
	{                                                                                          \
		.match = SPAN(match_), .connections = -1, .messages = -1, .recipients = -1,        \
		##__VA_ARGS__                                                                      \
	}

static void the_large_providers_are_known(void **state)
{
	static const struct {
		const char *key;
		unsigned connections, messages;
	} cases[] = {
		{GMAIL, 5, 50},
		{"mx:mta5.am0.yahoodns.net,mta6.am0.yahoodns.net", 5, 20},
		{"mx:hotmail-com.olc.protection.outlook.com", 5, 100},
		{"mx:example-com.mail.protection.outlook.com|tls=dane", 10, 100},
		{"mx:example-com.a-v1.mx.microsoft", 10, 100},
		{"mx:mx01.mail.icloud.com,mx02.mail.icloud.com", 5, 50},
		{"mx:mx00.emig.gmx.net", 5, 50},
		{"mx:mx1.qq.com,mx2.qq.com,mx3.qq.com", 3, 20},
		{"mx:163mx01.mxmail.netease.com", 3, 20},
		{"mx:mail.example.org", 20, 1000},
		{"mx:notgoogle.com", 20, 1000},
		{"[smtp.google.com]:25", 20, 1000},
		{"", 20, 1000},
	};
	struct shape *s = shape_new(NULL, 20);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct shape_limits l;

		shape_find(s, SPAN("example.net"), span_str(cases[i].key), &l);
		if (l.connections.value != cases[i].connections ||
			l.messages.value != cases[i].messages)
			fail_msg("%s: %u connections, %u messages", cases[i].key,
				l.connections.value, l.messages.value);
	}
	for (size_t i = 0; i < shape_row_count(s); i++)
		assert_int_equal(shape_row_check(shape_row_at(s, i), NULL), 0);
	for (size_t i = 0; i < shape_reply_count(s); i++)
		assert_int_equal(shape_pattern_check(shape_reply_at(s, i)->pattern, NULL), 0);
	shape_unref(&s);
}

static void a_more_special_row_wins_value_by_value(void **state)
{
	struct shape_row rows[] = {
		ROW("*", .connections = 40, .recipients = 7),
		ROW("mx:.google.com", .connections = 8, .note = SPAN("they know us")),
		ROW("mx:.l.google.com", .message_rate = SPAN("100/1m")),
		ROW(".example.org", .connections = 2, .messages = 9),
		ROW("a.example.org", .connections = 1, .connection_rate = SPAN("none")),
		ROW("[relay.example]:587", .connections = 33),
	};
	struct shape_rows own = {.rows = rows, .count = ARRAY_LEN(rows)};
	static const struct {
		const char *destination, *key, *apart;
		unsigned connections, messages, recipients;
		uint64_t connection_rate, message_rate;
		const char *winner; /* of the connections */
	} cases[] = {
		{"gmail.com", GMAIL, "", 8, 50, 100, 60, 100, "mx:.google.com"},
		{"gmail.com|egress=a", GMAIL "|egress=a", "", 8, 50, 100, 60, 100,
			"mx:.google.com"},
		{"b.example.org", GMAIL, ".example.org", 2, 9, 100, 60, 100, ".example.org"},
		{"a.example.org", GMAIL, "a.example.org", 1, 9, 100, 0, 100, "a.example.org"},
		{"example.org", "mx:mail.example.org", "", 40, 1000, 7, 0, 0, "*"},
		{"[relay.example]:587", "[relay.example]:587", "[relay.example]:587", 33, 1000, 7,
			0, 0, "[relay.example]:587"},
	};
	struct shape *s = shape_new(&own, 20);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct span destination = span_str(cases[i].destination);
		struct shape_limits l;

		shape_find(s, destination, span_str(cases[i].key), &l);
		assert_int_equal(l.connections.value, cases[i].connections);
		assert_true(span_eq(l.connections.row->match, span_str(cases[i].winner)));
		assert_string_equal(shape_source(s, l.connections.row), "yours");
		assert_int_equal(l.messages.value, cases[i].messages);
		assert_int_equal(l.recipients.value, cases[i].recipients);
		assert_int_equal(l.connection_rate.rate.count, cases[i].connection_rate);
		assert_int_equal(l.message_rate.rate.count, cases[i].message_rate);
		assert_true(span_eq(shape_apart(s, destination), span_str(cases[i].apart)));
	}
	shape_unref(&s);
}

static void the_configuration_is_the_default_and_a_ceiling_for_what_is_built_in(void **state)
{
	struct shape_row rows[] = {ROW("mx:.qq.com", .connections = 50)};
	struct shape_rows own = {.rows = rows, .count = ARRAY_LEN(rows)};
	struct shape *s = shape_new(&own, 4);
	struct shape_limits l;

	shape_find(s, SPAN("gmail.com"), SPAN(GMAIL), &l);
	assert_int_equal(l.connections.value, 4);
	assert_string_equal(shape_source(s, l.connections.row), "yizhan.conf");
	shape_find(s, SPAN("x.test"), SPAN("mx:x.test"), &l);
	assert_int_equal(l.connections.value, 4);
	shape_find(s, SPAN("qq.com"), SPAN("mx:mx1.qq.com"), &l);
	assert_int_equal(l.connections.value, 50);
	shape_unref(&s);
	s = shape_new(NULL, 300);
	shape_find(s, SPAN("x.test"), SPAN("mx:x.test"), &l);
	assert_int_equal(l.connections.value, 300);
	shape_find(s, SPAN("gmail.com"), SPAN(GMAIL), &l);
	assert_int_equal(l.connections.value, 5);
	shape_unref(&s);
}

static void a_built_in_row_can_be_switched_off(void **state)
{
	struct shape_row rows[] = {ROW("mx:.google.com", .is_off = true)};
	struct shape_rows own = {.rows = rows, .count = ARRAY_LEN(rows)};
	struct shape *s = shape_new(&own, 20);
	struct shape_limits l;

	shape_find(s, SPAN("gmail.com"), SPAN(GMAIL), &l);
	assert_int_equal(l.connections.value, 20);
	assert_int_equal(l.messages.value, 1000);
	shape_unref(&s);
}

static void patterns_fit(void **state)
{
	static const struct {
		const char *pattern;
		unsigned code;
		const char *enhanced, *text;
		bool fits;
	} cases[] = {
		{"421", 421, "", "", true},
		{"421", 422, "", "", false},
		{"4xx", 450, "4.2.0", "whatever", true},
		{"4xx", 550, "", "", false},
		{"45x", 451, "", "", true},
		{"4.7.x", 421, "4.7.28", "", true},
		{"4.7.2", 421, "4.7.28", "", false},
		{"421 4.7.28", 421, "4.7.28", "our system has detected", true},
		{"421 4.7.28", 421, "", "4.7.28", false},
		{"4xx *GREYlist", 451, "4.7.1", "You are greylisted, try again", true},
		{"greylist", 551, "", "Greylisting in action", true},
		{"too many * connections", 421, "", "Too many concurrent connections", true},
		{"too many * connections", 421, "", "Connections: too many", false},
		{"a*a*b", 450, "", "aab", true},
		{"a*a*b", 450, "", "ab", false},
		{"[TSS04]", 421, "4.7.0", "4.7.0 [TSS04] Messages from 192.0.2.1", true},
		{"*(S77", 451, "4.7.500", "Server busy. Please try again later (S77719)", true},
		{"x", 450, "", "y", false},
	};
	static const char *const bad[] = {"", "*", "**", "a\nb", "a*b*c*d*e*f*g*h*i"};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (shape_pattern_fits(span_str(cases[i].pattern), cases[i].code,
			    span_str(cases[i].enhanced), span_str(cases[i].text)) != cases[i].fits)
			fail_msg("%s and %u %s %s", cases[i].pattern, cases[i].code,
				cases[i].enhanced, cases[i].text);
		assert_int_equal(shape_pattern_check(span_str(cases[i].pattern), NULL), 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(shape_pattern_check(span_str(bad[i]), NULL), -1);
}

static void replies_mean_what_the_first_row_that_fits_says(void **state)
{
	struct shape_reply replies[] = {
		{.n = 1,
			.match = SPAN("mx:.example.net"),
			.pattern = SPAN("4xx *come back"),
			.action = SHAPE_SUSPEND,
			.pause_ns = CLOCK_HOUR},
		{.n = 2,
			.match = SPAN("*"),
			.pattern = SPAN("4xx *greylist"),
			.action = SHAPE_NONE},
	};
	struct shape_rows own = {.replies = replies, .reply_count = ARRAY_LEN(replies)};
	static const struct {
		const char *key;
		unsigned code;
		const char *enhanced, *text;
		int action; /* -1: no row fits */
	} cases[] = {
		{"mx:mx.example.net", 450, "", "please Come Back later", SHAPE_SUSPEND},
		{"mx:mx.example.com", 450, "", "please come back later", -1},
		{"mx:mx.example.com", 450, "4.7.1", "Greylisted", SHAPE_NONE},
		{"mx:mta5.am0.yahoodns.net", 421, "4.7.0",
			"[TSS04] Messages from 192.0.2.1 temporarily deferred", SHAPE_SUSPEND},
		{GMAIL, 421, "4.7.28", "unusual rate of mail", SHAPE_SLOW},
		{GMAIL, 450, "4.2.1", "The user is receiving mail too quickly", -1},
		{"mx:hotmail-com.olc.protection.outlook.com", 421, "",
			"RP-001 (AM1) Unfortunately, some messages", SHAPE_SLOW},
		{"mx:mx1.qq.com", 550, "", "Ip frequency limited.", SHAPE_SUSPEND},
		{"mx:a.test", 421, "4.3.2", "too many connections from your host", SHAPE_FEWER},
		{"mx:a.test", 452, "4.3.1", "insufficient system storage", SHAPE_NEXT},
		{"mx:a.test", 452, "4.5.3", "too many recipients", -1},
		{"mx:a.test", 550, "5.1.1", "no such user", -1},
	};
	struct shape *s = shape_new(&own, 20);

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct shape_reply *r = shape_reply_find(s, SPAN("there.test"),
			span_str(cases[i].key), cases[i].code, span_str(cases[i].enhanced),
			span_str(cases[i].text));

		if ((r ? (int)r->action : -1) != cases[i].action)
			fail_msg("%s: %s", cases[i].text, r ? shape_action_str(r->action) : "-");
	}
	shape_unref(&s);
}

static void rows_that_make_no_sense_are_refused(void **state)
{
	struct shape_row bad[] = {
		ROW(""),
		ROW("mx:"),
		ROW("a b"),
		ROW("*.example.org"),
		ROW("a|b"),
		ROW("x.test", .connections = 0),
		ROW("x.test", .connections = SHAPE_NUMBER_MAX + 1),
		ROW("x.test", .message_rate = SPAN("fast")),
		ROW("x.test", .note = SPAN("two\nlines")),
	};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(shape_row_check(&bad[i], NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_large_providers_are_known),
		cmocka_unit_test(a_more_special_row_wins_value_by_value),
		cmocka_unit_test(
			the_configuration_is_the_default_and_a_ceiling_for_what_is_built_in),
		cmocka_unit_test(a_built_in_row_can_be_switched_off),
		cmocka_unit_test(patterns_fit),
		cmocka_unit_test(replies_mean_what_the_first_row_that_fits_says),
		cmocka_unit_test(rows_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
