#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/mail/srs.h"

#define DAY 86400LL
#define NOW (20000 * DAY + 4711)

static const struct srs_keys ours = {.keys = {SPAN("the key of today")}, .count = 1};
static const struct srs_keys turned = {
	.keys = {SPAN("tomorrow's key"), SPAN("the key of today")}, .count = 2};
static const struct srs_keys theirs = {.keys = {SPAN("another's key")}, .count = 1};

static void assert_text(struct span got, const char *want)
{
	if (!span_eq(got, span_str(want)))
		fail_msg("got '" SPAN_FMT "', want '%s'", SPAN_ARG(got), want);
}

static struct span local_of(struct span address)
{
	return span_sub(address, 0, (size_t)span_rfind(address, '@'));
}

static void there_and_back(void **state)
{
	static const char *const senders[] = {"alice@far.example", "Alice.B@Far.Example",
		"bounce+x=y=z@list.example", "\"\"@far.example", "\"a b\"@far.example",
		"\"a\\\"b\"@far.example", "用户@例子.test", "srs@far.example", "SRS0@far.example",
		"srs1=x@far.example"};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(senders); i++) {
		struct span sender = span_str(senders[i]), back = SPAN_NONE;
		struct span there = srs_forward(a, &ours, sender, SPAN("us.example"), NOW);

		assert_true(span_ends_nocase(there, SPAN("@us.example")));
		assert_true(srs_is(local_of(there)));
		assert_int_equal(srs_reverse(a, &ours, local_of(there), NOW, &back), SRS_OK);
		assert_text(back, senders[i]);
		/* no other station takes it for its own */
		assert_int_equal(srs_reverse(a, &theirs, local_of(there), NOW, &back), SRS_FORGED);
	}
	arena_free(&a);
}

static void the_form_is_stable(void **state)
{
	struct arena *a = arena_new();

	(void)state;
	assert_text(srs_forward(a, &ours, SPAN("alice@far.example"), SPAN("us.example"), NOW),
		"SRS0=2NTMUNGM=RA=far.example=alice@us.example");
	arena_free(&a);
}

static void case_may_be_lost(void **state)
{
	struct arena *a = arena_new();
	struct span there = srs_forward(
		a, &ours, SPAN("Alice@far.example"), SPAN("us.example"), NOW);
	char *local = arena_str(a, local_of(there));
	struct span back = SPAN_NONE;

	(void)state;
	for (char *p = local; *p; p++)
		*p = (char)span_lower((unsigned char)*p);
	assert_int_equal(srs_reverse(a, &ours, span_str(local), NOW, &back), SRS_OK);
	assert_text(back, "alice@far.example");
	arena_free(&a);
}

static void any_change_is_found(void **state)
{
	struct arena *a = arena_new();
	struct span there = srs_forward(
		a, &ours, SPAN("alice@far.example"), SPAN("us.example"), NOW);
	struct span local = local_of(there), back;

	(void)state;
	for (size_t i = 5; i < local.len; i++) {
		char *changed = arena_str(a, local);

		changed[i] = changed[i] == '!' ? '#' : '!';
		assert_int_equal(srs_reverse(a, &ours, span_str(changed), NOW, &back), SRS_FORGED);
	}
	for (size_t cut = 6; cut < local.len; cut++)
		assert_int_equal(
			srs_reverse(a, &ours, span_sub(local, 0, cut), NOW, &back), SRS_FORGED);
	arena_free(&a);
}

static void bounces_are_taken_for_three_weeks(void **state)
{
	static const struct {
		int64_t days;
		enum srs_verdict verdict;
	} cases[] = {{-2, SRS_OLD}, {-1, SRS_OK}, {0, SRS_OK}, {1, SRS_OK}, {21, SRS_OK},
		{22, SRS_OLD}, {500, SRS_OLD}, {1020, SRS_OLD}};
	struct arena *a = arena_new();

	(void)state;
	/* over the end of the count as well: day 20479 is 1023 of its round */
	for (int64_t first = 20000; first <= 20479; first += 479) {
		struct span there = srs_forward(
			a, &ours, SPAN("alice@far.example"), SPAN("us.example"), first * DAY);

		for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
			struct span back;

			assert_int_equal(srs_reverse(a, &ours, local_of(there),
						 (first + cases[i].days) * DAY + 5, &back),
				cases[i].verdict);
		}
	}
	arena_free(&a);
}

static void the_key_turns(void **state)
{
	struct arena *a = arena_new();
	struct span old = srs_forward(a, &ours, SPAN("alice@far.example"), SPAN("us.example"), NOW);
	struct span new = srs_forward(
		a, &turned, SPAN("alice@far.example"), SPAN("us.example"), NOW),
		    back;

	(void)state;
	assert_int_equal(srs_reverse(a, &turned, local_of(old), NOW, &back), SRS_OK);
	assert_int_equal(srs_reverse(a, &turned, local_of(new), NOW, &back), SRS_OK);
	assert_int_equal(srs_reverse(a, &ours, local_of(new), NOW, &back), SRS_FORGED);
	assert_int_equal(
		srs_reverse(a, &(struct srs_keys){0}, local_of(new), NOW, &back), SRS_FORGED);
	assert_int_equal(
		srs_forward(a, &(struct srs_keys){0}, SPAN("a@b.example"), SPAN("us.example"), NOW)
			.len,
		0);
	arena_free(&a);
}

/* far -> first forwarder -> us -> a third one: the way back is two hops, however many there were */
static void forwarders_stand_in_a_row(void **state)
{
	struct arena *a = arena_new();
	struct span first = srs_forward(
		a, &theirs, SPAN("Alice@far.example"), SPAN("first.example"), NOW);
	struct span second = srs_forward(a, &ours, first, SPAN("us.example"), NOW), back, home;
	struct span third = srs_forward(a, &turned, second, SPAN("third.example"), NOW);

	(void)state;
	assert_true(span_starts(second, SPAN("SRS1=")));
	assert_true(span_starts(third, SPAN("SRS1=")));
	assert_int_equal(srs_reverse(a, &ours, local_of(second), NOW, &back), SRS_OK);
	assert_true(span_eq(back, first));
	assert_int_equal(srs_reverse(a, &turned, local_of(third), NOW, &back), SRS_OK);
	assert_true(span_eq(back, first));
	assert_int_equal(srs_reverse(a, &theirs, local_of(back), NOW, &home), SRS_OK);
	assert_text(home, "Alice@far.example");
	/* another's form, with its own separator and hash */
	second = srs_forward(
		a, &ours, SPAN("SRS0+ab/C=X7=far.example=bob@f.example"), SPAN("us.example"), NOW);
	assert_int_equal(srs_reverse(a, &ours, local_of(second), NOW, &back), SRS_OK);
	assert_text(back, "SRS0+ab/C=X7=far.example=bob@f.example");
	arena_free(&a);
}

static void what_is_none_and_what_does_not_fit(void **state)
{
	static const char *const none[] = {"alice", "SRS0", "SRS0=", "srs2=aaaaaaaa=bb=c=d",
		"SRS0.aaaaaaaa=bb=c=d", "xSRS0=aaaaaaaa=bb=c=d", ""};
	static const char *const forged[] = {"SRS0=x", "SRS1===", "SRS0=aaaaaaaa=bb=c=d",
		"srs1=aaaaaaaa=c==d", "\"SRS0=aaaaaaaa=bb=c=d\"", "SRS0+aaaaaaaa", "SRS1-a=b"};
	struct arena *a = arena_new();
	struct span back;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		assert_false(srs_is(span_str(none[i])));
		assert_int_equal(srs_reverse(a, &ours, span_str(none[i]), NOW, &back), SRS_NONE);
	}
	for (size_t i = 0; i < ARRAY_LEN(forged); i++) {
		assert_true(srs_is(span_str(forged[i])));
		assert_int_equal(
			srs_reverse(a, &ours, span_str(forged[i]), NOW, &back), SRS_FORGED);
	}
	for (int len = 1; len < 400; len++) {
		struct span there = srs_forward(a, &ours,
			span_str(arena_printf(a, "%0*d@far.example", len, 7)), SPAN("us.example"),
			NOW);

		assert_true(there.len == 0 || local_of(there).len <= SRS_LOCAL_MAX);
		assert_int_equal(there.len == 0, len > SRS_LOCAL_MAX - 29);
	}
	assert_int_equal(srs_forward(a, &ours, SPAN("a@b=c"), SPAN("us.example"), NOW).len, 0);
	assert_int_equal(srs_forward(a, &ours, SPAN("a@"), SPAN("us.example"), NOW).len, 0);
	assert_int_equal(srs_forward(a, &ours, SPAN(""), SPAN("us.example"), NOW).len, 0);
	assert_int_equal(srs_forward(a, &ours, SPAN("postmaster"), SPAN("us.example"), NOW).len, 0);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(the_form_is_stable),
		cmocka_unit_test(case_may_be_lost),
		cmocka_unit_test(any_change_is_found),
		cmocka_unit_test(bounces_are_taken_for_three_weeks),
		cmocka_unit_test(the_key_turns),
		cmocka_unit_test(forwarders_stand_in_a_row),
		cmocka_unit_test(what_is_none_and_what_does_not_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
