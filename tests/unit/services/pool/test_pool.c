/* Pools on a simulated loop: tables from memory, probes that find what a test says. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "run/fiber.h"
#include "services/fake_road.h"
#include "services/pool/pool.h"

#define WALL (1795000000 * CLOCK_SEC)

/* ---- the store's part ------------------------------------------------------------------------- */

static struct road_member members[] = {
	{SPAN("[a.example]:25"), 6, false},
	{SPAN("[b.example]:25"), 3, false},
	{SPAN("lmtp:unix:/run/c"), 1, false},
};
static struct road_pool pool;
static uint64_t generation;
static void (*notice)(void *arg);
static void *notice_arg;

uint64_t store_directory_generation(const struct store *s)
{
	(void)s;
	return generation;
}

void store_subscribe(struct store *s, enum store_topic topic, void (*fn)(void *arg), void *arg)
{
	(void)s;
	assert_int_equal(topic, STORE_DIRECTORY);
	notice = fn;
	notice_arg = arg;
}

/* ---- the stage -------------------------------------------------------------------------------- */

static struct {
	unsigned probes;
	bool is_up;
	int64_t first_ns, last_ns;
} asked;

#define BEHIND "|egress=out"

static bool has_egress(struct span destination)
{
	size_t len = strlen(BEHIND);

	return destination.len > len &&
		span_eq(span_skip(destination, destination.len - len), SPAN(BEHIND));
}

static FIBER int probe(void *arg, struct span destination, int64_t until_ns, struct err *e)
{
	(void)arg;
	assert_true(has_egress(destination));
	assert_int_equal(until_ns, loop_now_ns() + POOL_PROBE_NS);
	if (asked.probes++ == 0)
		asked.first_ns = loop_now_ns();
	asked.last_ns = loop_now_ns();
	if (fiber_sleep(CLOCK_MS, e) < 0)
		return -1;
	return asked.is_up ? 0 : err_set(e, ERR_IO, "still refused");
}

static unsigned downs, ups;

static void sink_write(struct log_sink *sink, enum log_level level, struct span line)
{
	(void)sink, (void)level;
	downs += span_find_span(line, SPAN("pool.member.down")) >= 0;
	ups += span_find_span(line, SPAN("pool.member.up")) >= 0;
}

static struct log_sink sink = {.write = sink_write, .level = LOG_INFO};
static struct log root;

struct play {
	struct pools *p;
	struct arena *a;
	bool is_probing;
	void (*story)(struct play *y);
};

static int play_main(void *arg)
{
	struct play *y = arg;
	struct pool_opts opts = {.log = &root, .probe = y->is_probing ? probe : NULL};
	struct fiber_group keeper;
	struct err e = {0};

	fiber_group_init(&keeper);
	y->a = arena_new();
	y->p = pools_new(&opts);
	assert_int_equal(pools_load(y->p, &e), 0);
	if (y->is_probing) {
		assert_int_equal(fiber_start(&keeper, "keeper", pools_keep, y->p, &e), 0);
		fiber_sleep(5 * CLOCK_MS, &e); /* it has read the tables */
	}
	y->story(y);
	fiber_group_cancel(&keeper);
	fiber_group_join(&keeper);
	pools_free(&y->p);
	arena_free(&y->a);
	return 0;
}

static void run(void (*story)(struct play *y), enum road_policy policy, bool is_probing)
{
	struct loop_opts opts = {.log = &root};
	struct loop *loop = loop_new_sim(&opts, WALL);
	struct play y = {.story = story, .is_probing = is_probing};
	struct err e = {0};

	log_root(&root, &sink);
	downs = ups = 0;
	memset(&asked, 0, sizeof(asked));
	generation++;
	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		members[i].is_off = false;
	pool = (struct road_pool){SPAN("mails"), policy, ARRAY_LEN(members), members};
	the_roads.pools = &pool;
	the_roads.pool_count = 1;
	assert_int_equal(loop_run(loop, play_main, &y, &e), 0);
	loop_free(&loop);
}

static struct span pick(struct play *y)
{
	struct span member = SPAN_NONE;
	int64_t retry_ns;
	struct err e = {0};

	if (pool_pick(y->p, y->a, SPAN("pool:mails|egress=out"), &member, &retry_ns, &e) < 0)
		return SPAN_NONE;
	assert_true(has_egress(member));
	return span_sub(member, 0, member.len - strlen("|egress=out"));
}

static void fail_member(struct play *y, const char *member)
{
	struct err e = {0};

	err_set(&e, ERR_IO, "connection refused");
	pool_failed(y->p, span_str(arena_printf(y->a, "%s|egress=out", member)), &e);
}

static void count_picks(struct play *y, unsigned rounds, unsigned *counts)
{
	memset(counts, 0, ARRAY_LEN(members) * sizeof(*counts));
	for (unsigned i = 0; i < rounds; i++) {
		struct span m = pick(y);

		for (size_t k = 0; k < ARRAY_LEN(members); k++)
			counts[k] += span_eq(m, members[k].next_hop);
	}
}

/* ---- stories ---------------------------------------------------------------------------------- */

static void by_order(struct play *y)
{
	assert_true(span_eq(pick(y), members[0].next_hop));
	fail_member(y, "[a.example]:25");
	assert_true(span_eq(pick(y), members[1].next_hop));
	fail_member(y, "[b.example]:25");
	assert_true(span_eq(pick(y), members[2].next_hop));
	pool_worked(y->p, SPAN("[a.example]:25|egress=out"), 1);
	assert_true(span_eq(pick(y), members[0].next_hop));
	assert_int_equal(downs, 2);
	assert_int_equal(ups, 1);
}

static void order_takes_the_first_that_is_up(void **state)
{
	(void)state;
	run(by_order, ROAD_ORDER, false);
}

static void by_chance(struct play *y)
{
	unsigned counts[ARRAY_LEN(members)];

	count_picks(y, 3000, counts);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		assert_in_range(counts[i], 900, 1100);
	fail_member(y, "[b.example]:25");
	count_picks(y, 3000, counts);
	assert_in_range(counts[0], 1400, 1600);
	assert_int_equal(counts[1], 0);
}

static void random_spreads_over_all_that_are_up(void **state)
{
	(void)state;
	run(by_chance, ROAD_RANDOM, false);
}

static void by_weight(struct play *y)
{
	unsigned counts[ARRAY_LEN(members)];

	count_picks(y, 10000, counts);
	assert_in_range(counts[0], 5700, 6300);
	assert_in_range(counts[1], 2750, 3250);
	assert_in_range(counts[2], 850, 1150);
}

static void weight_spreads_in_proportion(void **state)
{
	(void)state;
	run(by_weight, ROAD_WEIGHT, false);
}

static void all_down(struct play *y)
{
	struct span member;
	struct err e = {0};
	int64_t retry_ns;

	for (size_t i = 0; i < ARRAY_LEN(members); i++)
		fail_member(y, arena_str(y->a, members[i].next_hop));
	assert_int_equal(pool_pick(y->p, y->a, SPAN("pool:mails"), &member, &retry_ns, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	assert_non_null(strstr(e.text, "pool mails"));
	assert_non_null(strstr(e.text, "connection refused"));
	assert_in_range(retry_ns - loop_now_ns(), 4 * CLOCK_SEC, 6 * CLOCK_SEC);
	assert_int_equal(pool_pick(y->p, y->a, SPAN("pool:nails"), &member, &retry_ns, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, "nails"));
	/* without a prober mail itself tries again */
	fiber_sleep(6 * CLOCK_SEC, &e);
	assert_true(span_eq(pick(y), members[0].next_hop));
}

static void all_down_names_the_pool_and_the_reason(void **state)
{
	(void)state;
	run(all_down, ROAD_ORDER, false);
}

static void backs_off(struct play *y)
{
	struct pool_health h;
	struct err e = {0};

	fail_member(y, "[a.example]:25");
	fail_member(y, "[a.example]:25"); /* of the same failure */
	assert_int_equal(downs, 1);
	assert_false(pool_is_up(y->p, SPAN("[a.example]:25")));
	assert_true(pool_is_up(y->p, SPAN("[b.example]:25")));
	assert_true(pool_is_up(y->p, SPAN("[stranger]:25")));
	fiber_sleep(4 * CLOCK_SEC, &e);
	assert_int_equal(asked.probes, 0);
	fiber_sleep(2 * CLOCK_SEC, &e); /* 5 s */
	assert_int_equal(asked.probes, 1);
	fiber_sleep(12 * CLOCK_SEC, &e);
	assert_int_equal(asked.probes, 1);
	fiber_sleep(6 * CLOCK_SEC, &e); /* 15 s */
	assert_int_equal(asked.probes, 2);
	fiber_sleep(70 * CLOCK_SEC, &e); /* 60 s */
	assert_int_equal(asked.probes, 3);
	fiber_sleep(30 * CLOCK_MIN, &e); /* 5 min */
	assert_in_range(asked.probes, 8, 10);
	pool_health(y->p, y->a, SPAN("[a.example]:25"), &h);
	assert_false(h.is_up);
	assert_int_equal(h.downs, 1);
	assert_true(span_eq(h.reason, SPAN("still refused")));
	asked.is_up = true;
	fiber_sleep(6 * CLOCK_MIN, &e);
	assert_true(pool_is_up(y->p, SPAN("[a.example]:25")));
	assert_int_equal(ups, 1);
	/* Up by a probe is not yet trusted: it fails again, and rests for long. */
	fail_member(y, "[a.example]:25");
	pool_health(y->p, y->a, SPAN("[a.example]:25"), &h);
	assert_true(h.retry_ns - loop_now_ns() > 4 * CLOCK_MIN);
	/* mail that it takes wipes the slate */
	pool_worked(y->p, SPAN("[a.example]:25"), 2);
	fail_member(y, "[a.example]:25");
	pool_health(y->p, y->a, SPAN("[a.example]:25"), &h);
	assert_true(h.retry_ns - loop_now_ns() < 6 * CLOCK_SEC);
	assert_int_equal(h.delivered, 2);
}

static void a_member_that_is_down_is_asked_ever_more_rarely(void **state)
{
	(void)state;
	run(backs_off, ROAD_ORDER, true);
}

static void forgives(struct play *y)
{
	struct err e = {0};

	fail_member(y, "[a.example]:25");
	asked.is_up = true;
	pools_forgive(y->p);
	fiber_sleep(5 * CLOCK_MS, &e);
	assert_int_equal(asked.probes, 1);
	assert_true(span_eq(pick(y), members[0].next_hop));
}

static void an_administrator_has_it_asked_at_once(void **state)
{
	(void)state;
	run(forgives, ROAD_ORDER, true);
}

static void changes(struct play *y)
{
	struct pool_counts counts;
	struct err e = {0};

	fail_member(y, "[b.example]:25");
	members[0].is_off = true;
	pool.member_count = 2;
	generation++;
	notice(notice_arg);
	fiber_sleep(5 * CLOCK_MS, &e);
	/* a is off; b's health was kept; c is gone */
	assert_int_equal(pick(y).len, 0);
	pool_counts(y->p, &counts);
	assert_int_equal(counts.members, 2);
	assert_int_equal(counts.down, 1);
	members[0].is_off = false;
	generation++;
	notice(notice_arg);
	fiber_sleep(5 * CLOCK_MS, &e);
	assert_true(span_eq(pick(y), members[0].next_hop));
}

static void new_tables_count_at_once_and_keep_health(void **state)
{
	(void)state;
	run(changes, ROAD_ORDER, true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(order_takes_the_first_that_is_up),
		cmocka_unit_test(random_spreads_over_all_that_are_up),
		cmocka_unit_test(weight_spreads_in_proportion),
		cmocka_unit_test(all_down_names_the_pool_and_the_reason),
		cmocka_unit_test(a_member_that_is_down_is_asked_ever_more_rarely),
		cmocka_unit_test(an_administrator_has_it_asked_at_once),
		cmocka_unit_test(new_tables_count_at_once_and_keep_health),
	};

	return cmocka_run_group_tests_name("services/pool", tests, NULL, NULL);
}
