/* What comes next for a row, and why: for every state there is an event and a reason. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "services/trail/queue_why.h"

#define NOW  (1795415400 * CLOCK_SEC) /* 2026-11-23T06:30:00Z */
#define SOON (NOW + CLOCK_HOUR)
#define END  (NOW + 5 * CLOCK_DAY)

static const struct {
	const char *name;
	struct spool_item it;
	enum queue_next next;
	int64_t next_ns;
	const char *reason;
} rows[] = {
	{"just accepted", {.state = SPOOL_WAITING, .next_ns = NOW, .expires_ns = END},
		QUEUE_NEXT_TRY, NOW, "not tried yet: waits for its turn to b.test"},
	{"its site is down",
		{.state = SPOOL_WAITING,
			.next_ns = SOON,
			.expires_ns = END,
			.last_text = SPAN("connection refused")},
		QUEUE_NEXT_TRY, SOON, "not tried yet: connection refused"},
	{"greylisted",
		{.state = SPOOL_WAITING,
			.next_ns = SOON,
			.expires_ns = END,
			.attempts = 1,
			.last_code = 450,
			.last_enhanced = SPAN("4.2.0"),
			.last_text = SPAN("come again"),
			.last_host = SPAN("mx.b.test [192.0.2.1]:25")},
		QUEUE_NEXT_TRY, SOON, "450 4.2.0 come again (mx.b.test [192.0.2.1]:25)"},
	{"a reply without text",
		{.state = SPOOL_WAITING,
			.next_ns = SOON,
			.expires_ns = END,
			.attempts = 2,
			.last_code = 451},
		QUEUE_NEXT_TRY, SOON, "451 no reason was given"},
	{"the end of its time",
		{.state = SPOOL_WAITING,
			.next_ns = END,
			.expires_ns = END,
			.attempts = 9,
			.last_text = SPAN("no")},
		QUEUE_NEXT_LAST_TRY, END, "no"},
	{"its deadline is next",
		{.state = SPOOL_WAITING,
			.next_ns = SOON,
			.expires_ns = END,
			.attempts = 1,
			.last_text = SPAN("no"),
			.env = {.by_mode = SPOOL_BY_RETURN, .by_ns = SOON}},
		QUEUE_NEXT_DEADLINE, SOON, "no"},
	{"scheduled",
		{.state = SPOOL_WAITING,
			.next_ns = SOON,
			.expires_ns = END,
			.env = {.release_ns = SOON}},
		QUEUE_NEXT_SCHEDULED, SOON, "held until 2026-11-23T07:30:00Z as its sender asked"},
	{"scheduled, released early",
		{.state = SPOOL_WAITING,
			.next_ns = NOW,
			.expires_ns = END,
			.env = {.release_ns = SOON}},
		QUEUE_NEXT_TRY, NOW, "not tried yet: waits for its turn to b.test"},
	{"scheduled, for a mailbox here",
		{.state = SPOOL_LOCAL, .next_ns = SOON, .env = {.release_ns = SOON}},
		QUEUE_NEXT_SCHEDULED, SOON, "held until 2026-11-23T07:30:00Z as its sender asked"},
	{"one of many here", {.state = SPOOL_LOCAL, .next_ns = NOW}, QUEUE_NEXT_DELIVER, NOW,
		"one of many for mailboxes here: delivered in a moment"},
	{"given up", {.state = SPOOL_WAITING, .next_ns = NOW, .is_given_up = true, .attempts = 1},
		QUEUE_NEXT_RETURN, NOW, "given up by an administrator: goes back to its sender"},
	{"being tried for the first time", {.state = SPOOL_ACTIVE, .lease_ns = CLOCK_NEVER},
		QUEUE_NEXT_RUNNING, NOW, "being tried, or next for a connection to b.test"},
	{"being tried again, to be held",
		{.state = SPOOL_ACTIVE,
			.attempts = 1,
			.last_text = SPAN("no"),
			.is_hold_asked = true},
		QUEUE_NEXT_RUNNING, NOW,
		"being tried, or next for a connection to b.test; held if that does not succeed; "
		"last: no"},
	{"being tried, to be dropped", {.state = SPOOL_ACTIVE, .is_drop_asked = true},
		QUEUE_NEXT_RUNNING, NOW,
		"being tried, or next for a connection to b.test; dropped if that does not succeed"},
	{"held by somebody",
		{.state = SPOOL_HELD,
			.held_by = SPAN("root"),
			.held_ns = NOW,
			.attempts = 1,
			.last_text = SPAN("no")},
		QUEUE_NEXT_WORD, 0, "held by root since 2026-11-23T06:30:00Z; before that: no"},
	{"held from the first", {.state = SPOOL_HELD, .held_ns = NOW}, QUEUE_NEXT_WORD, 0,
		"held since it was accepted (queue { hold })"},
	{"rerouted",
		{.state = SPOOL_WAITING,
			.next_ns = NOW,
			.expires_ns = END,
			.rerouted_from = SPAN("x.test")},
		QUEUE_NEXT_TRY, NOW,
		"not tried yet: waits for its turn to b.test; rerouted to b.test"},
};

static void every_row_has_a_next_event_and_a_reason(void **state)
{
	unsigned seen = 0;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct arena *a = arena_new();
		struct spool_item it = rows[i].it;
		struct queue_why w;

		it.destination = SPAN("b.test");
		queue_why(a, &it, NOW, &w);
		if (w.next != rows[i].next || w.next_ns != rows[i].next_ns ||
			!span_eq(w.reason, span_str(rows[i].reason)))
			fail_msg("%s: %s at %lld: " SPAN_FMT, rows[i].name, queue_next_str(w.next),
				(long long)w.next_ns, SPAN_ARG(w.reason));
		seen |= 1U << w.next;
		arena_free(&a);
	}
	assert_int_equal(seen, (1U << QUEUE_NEXT_COUNT) - 1); /* each event there is */
}

/* Whatever a row says: an event, a time unless it is held, one line. */
static void no_row_is_without(void **state)
{
	uint32_t random = 7;

	for (int i = 0; i < 20000; i++) {
		struct arena *a = arena_new();
		struct spool_item it = {.destination = SPAN("b.test")};
		struct queue_why w;

		random = random * 1664525U + 1013904223U;
		it.state = (enum spool_state)(random >> 8 & 3);
		it.attempts = random >> 10 & 1;
		it.last_code = random >> 11 & 1 ? 450 : 0;
		it.next_ns = NOW + (int64_t)(random >> 12 & 3) * CLOCK_HOUR;
		it.env.release_ns = random >> 14 & 1 ? SOON : 0;
		it.env.by_mode = (enum spool_by)(random >> 15 & 1);
		it.env.by_ns = SOON;
		it.is_given_up = random >> 16 & 1;
		it.last_text = random >> 17 & 1 ? SPAN("why") : SPAN_NONE;
		queue_why(a, &it, NOW, &w);
		assert_true(w.reason.len > 0 && span_find(w.reason, '\n') < 0);
		assert_true((w.next_ns > 0) == (it.state != SPOOL_HELD));
		assert_string_not_equal(queue_next_str(w.next), "unknown");
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_has_a_next_event_and_a_reason),
		cmocka_unit_test(no_row_is_without),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
