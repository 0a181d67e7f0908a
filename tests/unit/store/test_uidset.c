#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "store/uidset.h"

static void an_empty_set_has_nothing(void **state)
{
	struct uidset *u = uidset_new(NULL, 0);
	const struct uid_range *runs;

	(void)state;
	assert_int_equal(uidset_count(u), 0);
	assert_int_equal(uidset_last(u), 0);
	assert_int_equal(uidset_uid(u, 1), 0);
	assert_int_equal(uidset_seq(u, 1), 0);
	assert_int_equal(uidset_rank(u, UINT32_MAX), 0);
	assert_int_equal(uidset_runs(u, &runs), 0);
	uidset_unref(&u);
	assert_null(u);
	uidset_unref(&u);
}

static void sequence_numbers_and_uids_lead_to_each_other(void **state)
{
	static const struct uid_range runs[] = {{2, 2}, {5, 9}, {20, 29}, {UINT32_MAX, UINT32_MAX}};
	struct uidset *u = uidset_new(runs, ARRAY_LEN(runs)), *same = uidset_ref(u);

	(void)state;
	uidset_unref(&same);
	assert_int_equal(uidset_count(u), 17);
	assert_int_equal(uidset_last(u), UINT32_MAX);
	for (uint32_t seq = 1; seq <= 17; seq++)
		assert_int_equal(uidset_seq(u, uidset_uid(u, seq)), seq);
	assert_int_equal(uidset_uid(u, 1), 2);
	assert_int_equal(uidset_uid(u, 6), 9);
	assert_int_equal(uidset_uid(u, 7), 20);
	assert_int_equal(uidset_uid(u, 0), 0);
	assert_int_equal(uidset_uid(u, 18), 0);
	assert_int_equal(uidset_seq(u, 1), 0);
	assert_int_equal(uidset_seq(u, 10), 0);
	assert_int_equal(uidset_rank(u, 1), 0);
	assert_int_equal(uidset_rank(u, 7), 4);
	assert_int_equal(uidset_rank(u, 15), 6);
	assert_int_equal(uidset_rank(u, UINT32_MAX), 17);
	uidset_unref(&u);
}

#define UIDS 200

static uint32_t roll(uint64_t *seed, uint32_t sides)
{
	*seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*seed >> 33) % sides;
}

/* The same as an array of bits, with random ranges that overlap each other and what is not there. */
static void changes_are_those_of_a_plain_set(void **state)
{
	bool is_there[2 * UIDS + 1];
	uint64_t seed = 7;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct uid_range runs[UIDS], gone[20], added[20];
		size_t run_count = 0, gone_count = roll(&seed, 20), added_count = 0;
		struct uidset *u, *next;
		uint32_t at = 1, count = 0;

		memset(is_there, 0, sizeof(is_there));
		for (uint32_t uid = 1; uid <= UIDS; uid += 1 + roll(&seed, 9)) {
			uint32_t last = uid + roll(&seed, 4);

			runs[run_count++] = (struct uid_range){uid, last};
			for (; uid <= last; uid++)
				is_there[uid] = true;
		}
		for (size_t i = 0; i < gone_count; i++) {
			gone[i].first = at + roll(&seed, 12);
			gone[i].last = gone[i].first + roll(&seed, 30);
			at = gone[i].first;
			for (uint32_t uid = gone[i].first; uid <= gone[i].last; uid++)
				if (uid <= 2 * UIDS)
					is_there[uid] = false;
		}
		for (at = UIDS + 20; added_count < 20 && at < 2 * UIDS - 10; added_count++) {
			at += roll(&seed, 9);
			added[added_count] = (struct uid_range){at, at + roll(&seed, 5)};
			for (; at <= added[added_count].last; at++)
				is_there[at] = true;
		}
		u = uidset_new(runs, run_count);
		next = uidset_change(u, gone, gone_count, added, added_count);
		for (uint32_t uid = 1; uid <= 2 * UIDS; uid++) {
			count += is_there[uid];
			assert_int_equal(uidset_rank(next, uid), count);
			assert_int_equal(uidset_seq(next, uid), is_there[uid] ? count : 0);
		}
		assert_int_equal(uidset_count(next), count);
		uidset_unref(&u);
		uidset_unref(&next);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_set_has_nothing),
		cmocka_unit_test(sequence_numbers_and_uids_lead_to_each_other),
		cmocka_unit_test(changes_are_those_of_a_plain_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
