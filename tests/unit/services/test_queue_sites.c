/* Sites on a simulated loop: which domains share what, whose turn it is, and what a dead one costs the
 * others. */

#include "services/queue_stage.h"

static const char *numbered(struct arena *a, const char *fmt, int n)
{
	struct buf b;
	const char *name;

	buf_init(&b, 64);
	buf_printf(&b, "d%d.", n);
	buf_str(&b, fmt);
	name = arena_str(a, buf_span(&b));
	buf_fini(&b);
	return name;
}

static struct arena *names;

static const char *big(int n)
{
	return numbered(names, "big.test", n);
}

static const char *own(int n)
{
	return numbered(names, "test", n);
}

static FIBER void story_share(struct play *p)
{
	for (int i = 0; i < 300; i++)
		accept_letter(p->q, (unsigned)i % p->opts.shards, big(i % 100));
	wait_until_empty(CLOCK_MIN);
	assert_int_equal(lookup.count, 100);
	assert_int_equal(hop.most, 5);
	assert_in_range(hop.connects, 5, 8);
}

static void domains_with_the_same_hosts_share_connections_and_limits(void **state)
{
	play((struct play){.story = story_share, .opts = {.connections = 5, .shards = 4}});
}

static FIBER void story_once(struct play *p)
{
	lookup.takes_ns = CLOCK_SEC;
	for (int i = 0; i < 50; i++)
		accept_letter(p->q, 0, "there.test");
	fiber_sleep(900 * CLOCK_MS, NULL);
	assert_int_equal(hop.connects, 0);
	assert_int_equal(lookup.count, 1);
	wait_until_empty(CLOCK_MIN);
	assert_int_equal(lookup.count, 1);
	/* the answer has become old */
	fiber_sleep(OUTBOUND_WAY_MIN_NS, NULL);
	accept_letter(p->q, 0, "there.test");
	wait_until_empty(CLOCK_MIN);
	assert_int_equal(lookup.count, 2);
}

static void a_domain_is_looked_up_once_for_all_its_letters(void **state)
{
	play((struct play){.story = story_once});
}

static FIBER void story_many_lookups(struct play *p)
{
	lookup.takes_ns = CLOCK_SEC;
	for (int i = 0; i < 300; i++)
		accept_letter(p->q, 0, own(i));
	wait_until_empty(CLOCK_MIN);
	assert_int_equal(lookup.most, QUEUE_LOOKUPS_MAX);
	assert_int_equal(lookup.count, 300);
}

static void look_ups_under_way_are_bounded(void **state)
{
	play((struct play){.story = story_many_lookups});
}

static FIBER void story_nx(struct play *p)
{
	for (int i = 0; i < 10; i++) {
		accept_letter(p->q, 0, "nx.big.test");
		accept_letter(p->q, 0, big(i));
	}
	wait_until_empty(CLOCK_MIN);
	assert_int_equal(told.rcpts[BOUNCE_FAILED], 10);
	assert_int_equal(hop.letters, 10);
}

static void a_domain_that_is_none_fails_alone(void **state)
{
	play((struct play){.story = story_nx});
}

static FIBER void story_lame(struct play *p)
{
	lookup.is_lame = true;
	for (int i = 0; i < 20; i++) {
		accept_letter(p->q, 0, "lame.big.test");
		accept_letter(p->q, 0, big(0));
	}
	fiber_sleep(CLOCK_HOUR, NULL);
	assert_int_equal(fake_spool_left(), 20);
	assert_int_equal(hop.letters, 20);
	/* once at first, then 1, 6, 21 and 51 minutes later; and the other domain's one */
	assert_int_equal(lookup.count, 5 + 1);
	for (size_t i = 0; i < the_spool.count; i++)
		assert_true(the_spool.rows[i].attempts <= 5);
	lookup.is_lame = false;
	wait_until_empty(2 * CLOCK_HOUR);
}

static void a_domain_that_gets_no_answer_climbs_a_ladder_of_its_own(void **state)
{
	play((struct play){.story = story_lame});
}

static FIBER void story_dead_once(struct play *p)
{
	hop.mood = HOP_DOWN;
	for (int i = 0; i < 400; i++)
		accept_letter(p->q, (unsigned)i % p->opts.shards, big(i % 20));
	fiber_sleep(CLOCK_HOUR, NULL);
	assert_int_equal(hop.connects, 5);
	hop.mood = HOP_TAKES;
	wait_until_empty(2 * CLOCK_HOUR);
}

static void that_a_site_is_dead_is_found_out_once_for_all_loops_and_domains(void **state)
{
	play((struct play){.story = story_dead_once, .opts = {.shards = 4}});
}

static FIBER void story_bulk(struct play *p)
{
	struct fake_row *some[4];
	unsigned gone = 0;

	hop.takes_ns = 100 * CLOCK_MS;
	for (int i = 0; i < 500; i++)
		accept_from(p->q, 0, "bulk@here.test", 0, big(0));
	/* a flow may be shared, by chance: not by all of these */
	for (int i = 0; i < 4; i++)
		some[i] = accept_from(
			p->q, 0, arena_printf(names, "person%d@here.test", i), 0, big(0));
	fiber_sleep(CLOCK_SEC, NULL);
	for (int i = 0; i < 4; i++)
		gone += some[i]->is_gone;
	assert_true(gone > 0);
	/* the same for domains among those of a large site */
	for (int i = 0; i < 4; i++)
		some[i] = accept_from(p->q, 0, "bulk@here.test", 0, big(i + 1));
	gone = 0;
	fiber_sleep(CLOCK_SEC, NULL);
	for (int i = 0; i < 4; i++)
		gone += some[i]->is_gone;
	assert_true(gone > 0);
	wait_until_empty(2 * CLOCK_MIN);
}

static void a_bulk_letter_does_not_starve_others_of_its_site(void **state)
{
	play((struct play){.story = story_bulk, .opts = {.connections = 1}});
}

static FIBER void story_priority(struct play *p)
{
	struct fake_row *urgent, *slow;

	hop.takes_ns = 100 * CLOCK_MS;
	slow = accept_from(p->q, 0, "s@here.test", -4, "there.test");
	accept_from(p->q, 0, "s@here.test", 0, "there.test");
	fiber_sleep(10 * CLOCK_MS, NULL);
	for (int i = 0; i < 100; i++)
		accept_from(p->q, 0, "s@here.test", 0, "there.test");
	urgent = accept_from(p->q, 0, "s@here.test", 4, "there.test");
	fiber_sleep(500 * CLOCK_MS, NULL);
	assert_true(urgent->is_gone);
	assert_int_equal(fake_spool_left(), 102 - 5 + 1);
	wait_until_empty(CLOCK_MIN);
	for (size_t i = 0; i < the_spool.count; i++)
		assert_true(the_spool.rows[i].settled_ns <= slow->settled_ns ||
			&the_spool.rows[i] == slow);
}

static void higher_priority_goes_first(void **state)
{
	play((struct play){.story = story_priority, .opts = {.connections = 1}});
}

static FIBER void story_dead_many(struct play *p)
{
	hop.refused_from = SPAN("d");
	hop.refuses_ns = 30 * CLOCK_SEC;
	for (int i = 0; i < 100; i++)
		accept_letter(p->q, 0, own(i));
	fiber_sleep(CLOCK_SEC, NULL);
	assert_int_equal(hop.connects, 5);
	for (int i = 0; i < 100; i++)
		accept_letter(p->q, 0, "there.test");
	fiber_sleep(CLOCK_SEC, NULL);
	assert_int_equal(hop.connects, 5); /* as new as they: it waits for its turn */
	fiber_sleep(11 * CLOCK_MIN, NULL);
	assert_int_equal(hop.letters, 100);
	/* known by now: they do not stand in its way any more */
	hop.letters = 0;
	for (int i = 0; i < 100; i++)
		accept_letter(p->q, 0, "there.test");
	fiber_sleep(CLOCK_SEC, NULL);
	assert_int_equal(hop.letters, 100);
}

static void sites_that_nobody_has_reached_use_half_of_the_connections(void **state)
{
	play((struct play){.story = story_dead_many, .opts = {.connections_all = 10}});
}

static FIBER void story_hungry(struct play *p)
{
	for (int i = 0; i < 500; i++)
		accept_letter(p->q, 0, own(i % 100));
	wait_until_empty(CLOCK_MIN);
	assert_true(hop.most <= 10);
	assert_int_equal(hop.letters, 500);
}

static void more_sites_than_connections_take_turns(void **state)
{
	play((struct play){.story = story_hungry, .opts = {.connections_all = 10}});
}

static FIBER void story_stop_lookup(struct play *p)
{
	int64_t began = loop_now_ns();

	lookup.takes_ns = CLOCK_HOUR;
	for (int i = 0; i < 100; i++)
		accept_letter(p->q, 0, own(i));
	fiber_sleep(CLOCK_SEC, NULL);
	queue_stop(p->q);
	fiber_group_join(&p->g);
	assert_in_range(loop_now_ns() - began, CLOCK_SEC, 2 * CLOCK_SEC);
	assert_int_equal(the_spool.settle_calls, 0);
}

static void stopping_does_not_wait_for_look_ups(void **state)
{
	play((struct play){.story = story_stop_lookup});
}

static int begin(void **state)
{
	names = arena_new();
	return 0;
}

static int end(void **state)
{
	arena_free(&names);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(domains_with_the_same_hosts_share_connections_and_limits),
		cmocka_unit_test(a_domain_is_looked_up_once_for_all_its_letters),
		cmocka_unit_test(look_ups_under_way_are_bounded),
		cmocka_unit_test(a_domain_that_is_none_fails_alone),
		cmocka_unit_test(a_domain_that_gets_no_answer_climbs_a_ladder_of_its_own),
		cmocka_unit_test(that_a_site_is_dead_is_found_out_once_for_all_loops_and_domains),
		cmocka_unit_test(a_bulk_letter_does_not_starve_others_of_its_site),
		cmocka_unit_test(higher_priority_goes_first),
		cmocka_unit_test(sites_that_nobody_has_reached_use_half_of_the_connections),
		cmocka_unit_test(more_sites_than_connections_take_turns),
		cmocka_unit_test(stopping_does_not_wait_for_look_ups),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
