#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/must.h"
#include "services/imapd/imapd_thread_tree.h"

#define ITEMS 8

struct brief {
	const char *id, *refs, *subject;
	bool is_reply;
	int64_t sent;
};

static const struct {
	const char *behaviour;
	struct brief items[ITEMS];
	const char *references, *ordered;
} cases[] = {
	{"nothing", {{0}}, "", ""},
	{"one", {{"a", "", "S", false, 1}}, "(1)", "(1)"},
	{"a talk",
		{{"a", "", "S", false, 1}, {"b", "a", "S", true, 2}, {"c", "a\nb", "S", true, 3}},
		"(1 2 3)", "(1 (2)(3))"},
	{"two answers",
		{{"a", "", "S", false, 1}, {"b", "a", "S", true, 2}, {"c", "a", "S", true, 3}},
		"(1 (2)(3))", "(1 (2)(3))"},
	{"answers by date, not by place",
		{{"a", "", "S", false, 1}, {"b", "a", "S", true, 3}, {"c", "a", "S", true, 2}},
		"(1 (3)(2))", "(1 (3)(2))"},
	{"threads by date", {{"a", "", "S", false, 9}, {"b", "", "T", false, 2}}, "(2)(1)",
		"(2)(1)"},
	{"the same date: by place", {{"a", "", "S", false, 1}, {"b", "", "T", false, 1}}, "(1)(2)",
		"(1)(2)"},
	{"a missing one between is left out",
		{{"a", "", "S", false, 1}, {"c", "a\nb", "S", true, 3}}, "(1 2)", "(1 2)"},
	{"a missing root of several stays open",
		{{"b", "a", "S", true, 1}, {"c", "a", "S", true, 2}}, "((1)(2))", "(1 2)"},
	{"a missing root of one goes", {{"b", "a", "", true, 1}}, "(1)", "(1)"},
	{"missing ones in a row go", {{"d", "a\nb\nc", "", true, 1}}, "(1)", "(1)"},
	{"an answer before what it answers", {{"b", "a", "S", true, 2}, {"a", "", "S", false, 1}},
		"(2 1)", "(2 1)"},
	{"the last reference counts, whoever said else before",
		{{"c", "a\nb", "S", true, 3}, {"b", "x", "T", true, 2}, {"a", "", "U", false, 1}},
		"(3)(2 1)", "(3)(2)(1)"},
	{"without references it has no parent, whoever said else",
		{{"c", "a\nb", "S", true, 3}, {"b", "", "T", false, 2}, {"a", "", "U", false, 1}},
		"(3)(2 1)", "(3)(2)(1)"},
	{"a loop is not made", {{"a", "b", "S", true, 1}, {"b", "a", "T", true, 2}}, "(2 1)",
		"(1)(2)"},
	{"oneself is nobody's parent", {{"a", "a", "S", false, 1}}, "(1)", "(1)"},
	{"an id that two have is the first one's",
		{{"a", "", "S", false, 1}, {"a", "", "T", false, 2}, {"b", "a", "U", true, 3}},
		"(1 3)(2)", "(1)(2)(3)"},
	{"no id at all", {{"", "", "S", false, 1}, {"", "a", "T", true, 2}}, "(1)(2)", "(1)(2)"},
	{"an answer joins by subject", {{"a", "", "S", false, 1}, {"b", "", "S", true, 2}}, "(1 2)",
		"(1 2)"},
	{"an answer that comes first joins, too",
		{{"b", "", "S", true, 1}, {"a", "", "S", false, 2}}, "(2 1)", "(1 2)"},
	{"two that are no answers stand side by side",
		{{"a", "", "S", false, 1}, {"b", "", "S", false, 2}}, "((1)(2))", "(1 2)"},
	{"and a third beside them",
		{{"a", "", "S", false, 1}, {"b", "", "S", false, 2}, {"c", "", "S", false, 3}},
		"((1)(2)(3))", "(1 (2)(3))"},
	{"two answers stand side by side", {{"a", "", "S", true, 1}, {"b", "", "S", true, 2}},
		"((1)(2))", "(1 2)"},
	{"open threads of one subject become one",
		{{"b", "a", "S", true, 1}, {"c", "a", "S", true, 2}, {"y", "x", "S", true, 3},
			{"z", "x", "S", true, 4}},
		"((1)(2)(3)(4))", "(1 (2)(3)(4))"},
	{"nothing is no subject", {{"a", "", "", false, 1}, {"b", "", "", true, 2}}, "(1)(2)",
		"(1 2)"},
	{"RFC 5256 section 4's shape",
		{{"a", "", "S", false, 1}, {"b", "a", "S", true, 2}, {"c", "a\nb", "S", true, 3},
			{"d", "a\nb\nc", "S", true, 4}, {"e", "a\nb", "S", true, 5},
			{"f", "a\nb\ne", "S", true, 6}, {"g", "a\nb\ne\nf", "S", true, 7}},
		"(1 2 (3 4)(5 6 7))", "(1 (2)(3)(4)(5)(6)(7))"},
};

static size_t items_of(const struct brief *from, struct thread_item *to)
{
	size_t n = 0;

	for (; n < ITEMS && from[n].id; n++)
		to[n] = (struct thread_item){(uint32_t)n + 1, from[n].sent, from[n].is_reply,
			span_str(from[n].subject), span_str(from[n].id), span_str(from[n].refs)};
	return n;
}

static void threads_are_those_of_rfc_5256(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct thread_item items[ITEMS];
		size_t n = items_of(cases[i].items, items);
		struct buf b;

		buf_init(&b, 10000);
		thread_references(items, n, &b);
		if (strcmp(buf_cstr(&b), cases[i].references))
			fail_msg("%s: REFERENCES %s", cases[i].behaviour, buf_cstr(&b));
		buf_clear(&b);
		thread_ordered_subject(items, n, &b);
		if (strcmp(buf_cstr(&b), cases[i].ordered))
			fail_msg("%s: ORDEREDSUBJECT %s", cases[i].behaviour, buf_cstr(&b));
		buf_fini(&b);
	}
}

#define MANY 20000

/* One talk of 20,000 letters: no stack that grows with it, and no time that grows with its square,
 * whichever end comes first. */
static void a_long_talk_takes_no_long_time(void **state)
{
	struct arena *a = arena_new();
	struct thread_item *items = ARENA_ARRAY(a, struct thread_item, MANY);
	int64_t start = clock_mono_ns();
	struct buf b;

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < MANY; i++) {
			uint32_t n = round ? MANY - i : i + 1;

			items[i] = (struct thread_item){.number = i + 1,
				.sent_ns = n,
				.subject = SPAN("S"),
				.is_reply = n > 1,
				.message_id = span_str(arena_printf(a, "%u", n)),
				.refs = n > 1 ? span_str(arena_printf(a, "%u", n - 1)) : SPAN("")};
		}
		buf_init(&b, 1000000);
		thread_references(items, MANY, &b);
		assert_true(buf_ok(&b));
		assert_int_equal(span_find(span_skip(buf_span(&b), 1), '('), -1);
		buf_fini(&b);
	}
	assert_true(clock_mono_ns() - start < 20 * CLOCK_SEC);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_are_those_of_rfc_5256),
		cmocka_unit_test(a_long_talk_takes_no_long_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
