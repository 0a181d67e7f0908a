/* Letters to a pool of next hops, in the queue on a simulated loop. */

#include "services/queue_stage.h"

#include "services/fake_road.h"
#include "services/pool/pool.h"

#define HOPS 8

static struct road_member members[HOPS];
static struct road_pool pool;
static unsigned counts[HOPS];

static void count_letter(struct span destination)
{
	for (size_t i = 0; i < HOPS; i++)
		counts[i] += span_eq(destination, members[i].next_hop);
}

static struct outbound_opts with_pools;

static unsigned spread(unsigned from, unsigned to)
{
	unsigned sum = 0;

	for (unsigned i = from; i < to; i++)
		sum += counts[i];
	return sum;
}

/* Stories with the tables read. */
static FIBER void begin_pools(struct play *p, enum road_policy policy)
{
	struct pool_opts opts = {.log = &root};
	struct err e = {0};

	pool = (struct road_pool){SPAN("hops"), policy, HOPS, members};
	for (size_t i = 0; i < HOPS; i++)
		members[i] = (struct road_member){.weight = 1,
			.next_hop = span_str(arena_printf(p->names, "[h%zu.test]:25", i + 1))};
	the_roads.pools = &pool;
	the_roads.pool_count = 1;
	memset(counts, 0, sizeof(counts));
	hop.note = count_letter;
	with_pools.pools = pools_new(&opts);
	assert_int_equal(pools_load(with_pools.pools, &e), 0);
}

static void play_pools(FIBER void (*story)(struct play *p), unsigned shards)
{
	struct play p = {.story = story, .names = arena_new()};

	with_pools = (struct outbound_opts){.hostname = "here.test", .log = &root};
	p.opts.outbound = &with_pools;
	p.opts.shards = shards;
	play(p);
	pools_free(&with_pools.pools);
	arena_free(&p.names);
}

static FIBER void story_spread(struct play *p)
{
	begin_pools(p, ROAD_RANDOM);
	for (int i = 0; i < 800; i++)
		accept_letter(p->q, (unsigned)i % p->opts.shards, "pool:hops");
	wait_until_empty(CLOCK_MIN);
	assert_int_equal(spread(0, HOPS), 800);
	for (size_t i = 0; i < HOPS; i++)
		assert_in_range(counts[i], 60, 140);
}

static void letters_spread_over_the_members(void **state)
{
	play_pools(story_spread, 1);
	play_pools(story_spread, 4);
}

static FIBER void story_failover(struct play *p)
{
	begin_pools(p, ROAD_ORDER);
	accept_letter(p->q, 0, "pool:hops");
	wait_until_empty(CLOCK_SEC);
	assert_int_equal(counts[0], 1);
	hop.refused_from = SPAN("[h1.");
	fiber_sleep(OUTBOUND_IDLE_NS + CLOCK_SEC, NULL);
	for (int i = 0; i < 50; i++)
		accept_letter(p->q, 0, "pool:hops");
	wait_until_empty(CLOCK_SEC); /* at once, not after a pause */
	assert_int_equal(counts[1], 50);
	for (size_t i = 0; i < the_spool.count; i++) {
		assert_int_equal(the_spool.rows[i].outcome, SPOOL_DELIVERED);
		assert_int_equal(the_spool.rows[i].attempts, 1);
	}
	assert_false(pool_is_up(with_pools.pools, SPAN("[h1.test]:25")));
	/* it comes back: without anybody who asks, mail finds out after its pause */
	hop.refused_from = SPAN_NONE;
	fiber_sleep(6 * CLOCK_SEC, NULL);
	accept_letter(p->q, 0, "pool:hops");
	wait_until_empty(CLOCK_SEC);
	assert_int_equal(counts[0], 2);
	assert_true(pool_is_up(with_pools.pools, SPAN("[h1.test]:25")));
}

static void a_member_that_fails_gives_its_letters_to_the_others_at_once(void **state)
{
	play_pools(story_failover, 1);
	play_pools(story_failover, 2);
}

static FIBER void story_all_down(struct play *p)
{
	struct fake_row *row;

	begin_pools(p, ROAD_RANDOM);
	hop.mood = HOP_DOWN;
	for (int i = 0; i < 20; i++)
		accept_letter(p->q, 0, "pool:hops");
	fiber_sleep(2 * CLOCK_SEC, NULL);
	assert_int_equal(fake_spool_left(), 20);
	row = &the_spool.rows[0];
	assert_int_equal(row->state, SPOOL_WAITING);
	assert_non_null(strstr(row->text, "pool hops"));
	assert_non_null(strstr(row->text, "connection refused"));
	assert_int_equal(row->attempts, 0);
	assert_int_equal(hop.connects, HOPS); /* each was tried once */
	hop.mood = HOP_TAKES;
	wait_until_empty(CLOCK_MIN);
	assert_int_equal(spread(0, HOPS), 20);
}

static void when_all_are_down_letters_wait_and_say_why(void **state)
{
	play_pools(story_all_down, 1);
}

static FIBER void story_never(struct play *p)
{
	begin_pools(p, ROAD_ORDER);
	hop.mood = HOP_NEVER;
	accept_letter(p->q, 0, "pool:hops");
	fiber_sleep(CLOCK_SEC, NULL);
	assert_int_equal(the_spool.rows[0].state, SPOOL_WAITING);
	assert_int_equal(told.kinds[BOUNCE_FAILED], 0);
	hop.mood = HOP_TAKES;
	wait_until_empty(CLOCK_MIN);
}

static void a_member_that_will_never_work_fails_no_letter(void **state)
{
	play_pools(story_never, 1);
}

static FIBER void story_unknown(struct play *p)
{
	begin_pools(p, ROAD_ORDER);
	accept_letter(p->q, 0, "pool:nails");
	fiber_sleep(CLOCK_SEC, NULL);
	assert_int_equal(the_spool.rows[0].state, SPOOL_WAITING);
	assert_non_null(strstr(the_spool.rows[0].text, "no pool nails"));
}

static void a_pool_that_is_not_there_is_named(void **state)
{
	play_pools(story_unknown, 1);
}

static FIBER void story_cut(struct play *p)
{
	begin_pools(p, ROAD_RANDOM);
	hop.mood = HOP_DROPS;
	hop.cuts = true;
	accept_letter(p->q, 0, "pool:hops");
	fiber_sleep(CLOCK_SEC, NULL);
	assert_int_equal(hop.letters, 1 + QUEUE_RESUMES_MAX);
	assert_int_equal(the_spool.rows[0].state, SPOOL_WAITING);
	assert_int_equal(the_spool.rows[0].attempts, 1);
	hop.cuts = false; /* it may have arrived: only the ladder sends it again */
	hop.letters = 0;
	accept_letter(p->q, 0, "pool:hops");
	fiber_sleep(CLOCK_SEC, NULL);
	assert_int_equal(hop.letters, 1);
	hop.mood = HOP_TAKES;
	wait_until_empty(10 * CLOCK_MIN);
}

static void a_letter_whose_connection_breaks_goes_to_another_member(void **state)
{
	play_pools(story_cut, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_spread_over_the_members),
		cmocka_unit_test(a_member_that_fails_gives_its_letters_to_the_others_at_once),
		cmocka_unit_test(when_all_are_down_letters_wait_and_say_why),
		cmocka_unit_test(a_member_that_will_never_work_fails_no_letter),
		cmocka_unit_test(a_pool_that_is_not_there_is_named),
		cmocka_unit_test(a_letter_whose_connection_breaks_goes_to_another_member),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
