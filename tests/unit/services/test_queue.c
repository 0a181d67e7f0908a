/* The queue on a simulated loop: the ways of letters, the ladder, what is written down. */

#include "services/queue_stage.h"

/* ---- stories ---------------------------------------------------------------------------------- */

static FIBER void story_short_way(struct play *p)
{
	unsigned claims;

	fiber_sleep(CLOCK_SEC, NULL);
	claims = the_spool.claim_calls;
	for (int i = 0; i < 50; i++)
		accept_letter(p->q, 0, "there.test");
	wait_until_empty(CLOCK_SEC);
	assert_int_equal(the_spool.claim_calls, claims);
	for (size_t i = 0; i < the_spool.count; i++)
		assert_int_equal(the_spool.rows[i].outcome, SPOOL_DELIVERED);
	assert_int_equal(attempts_logged, 50);
	/* settled together, while others were on their way */
	assert_true(the_spool.settle_calls < 25);
}

static void a_fresh_letter_goes_out_without_being_read_back(void **state)
{
	play((struct play){.story = story_short_way});
}

static FIBER void story_ladder(struct play *p)
{
	static const unsigned minutes[] = {1, 5, 15, 30, 60, 120, 180, 240, 240, 240};
	struct fake_row *row = &the_spool.rows[0];
	int64_t last, notice_age = 0, second = 0;
	uint32_t seen;

	hop.mood = HOP_TEMPORARY;
	accept_letter(p->q, 0, "there.test");
	while (row->attempts == 0)
		fiber_sleep(CLOCK_MS, NULL);
	for (size_t i = 0; i < ARRAY_LEN(minutes); i++) {
		int64_t step = (int64_t)minutes[i] * CLOCK_MIN;

		last = row->settled_ns;
		seen = row->attempts;
		while (row->attempts == seen)
			fiber_sleep(5 * CLOCK_SEC, NULL);
		assert_in_range(row->settled_ns - last, step * 8 / 10, step * 12 / 10 + CLOCK_SEC);
		if (told.kinds[BOUNCE_DELAYED] && !notice_age)
			notice_age = row->settled_ns - row->arrived_ns;
	}
	while (told.kinds[BOUNCE_DELAYED] < 2 && !row->is_gone)
		fiber_sleep(CLOCK_MIN, NULL);
	second = row->settled_ns - row->arrived_ns;
	wait_until_empty(5 * CLOCK_DAY);
	assert_int_equal(row->outcome, SPOOL_FAILED);
	assert_in_range(
		row->settled_ns - row->arrived_ns, 5 * CLOCK_DAY, 5 * CLOCK_DAY + CLOCK_MIN);
	assert_in_range(notice_age, 4 * CLOCK_HOUR, 9 * CLOCK_HOUR);
	assert_in_range(second, 2 * CLOCK_DAY, 2 * CLOCK_DAY + 5 * CLOCK_HOUR);
	assert_int_equal(told.kinds[BOUNCE_DELAYED], 2);
	assert_int_equal(told.kinds[BOUNCE_FAILED], 1);
	assert_int_equal(the_spool.reports, 3);
	assert_non_null(strstr(row->text, "expired"));
	assert_int_equal(attempts_logged, row->attempts);
}

static void a_letter_climbs_the_ladder_for_five_days_and_comes_back(void **state)
{
	play((struct play){.story = story_ladder});
}

static FIBER void story_down(struct play *p)
{
	hop.mood = HOP_DOWN;
	for (int i = 0; i < 500; i++)
		accept_letter(p->q, 0, "there.test");
	fiber_sleep(CLOCK_HOUR, NULL);
	/* one at first, then 1, 6, 21 and 51 minutes later */
	assert_int_equal(hop.connects, 1 + 4);
	assert_int_equal(fake_spool_left(), 500);
	for (size_t i = 0; i < 500; i++)
		assert_true(the_spool.rows[i].attempts <= hop.connects);
	hop.mood = HOP_TAKES;
	wait_until_empty(2 * CLOCK_HOUR);
}

static void a_site_that_is_down_is_tried_once_for_all_its_letters(void **state)
{
	play((struct play){.story = story_down});
}

static FIBER void story_forgiven(struct play *p)
{
	hop.mood = HOP_DOWN;
	accept_letter(p->q, 0, "there.test");
	fiber_sleep(10 * CLOCK_SEC, NULL);
	assert_int_equal(hop.connects, 1);
	queue_forgive(p->q);
	accept_letter(p->q, 0, "there.test");
	fiber_sleep(10 * CLOCK_SEC, NULL);
	assert_int_equal(hop.connects, 2);
	accept_letter(p->q, 0, "there.test");
	fiber_sleep(10 * CLOCK_SEC, NULL);
	assert_int_equal(hop.connects, 2);
	hop.mood = HOP_TAKES;
	wait_until_empty(CLOCK_HOUR);
}

static void a_site_that_was_forgiven_and_fails_again_is_down_again(void **state)
{
	play((struct play){.story = story_forgiven});
}

static FIBER void story_restart(struct play *p)
{
	accept_letter(p->q, 0, "there.test");
	wait_until_empty(CLOCK_SEC);
	fiber_sleep(10 * CLOCK_SEC, NULL); /* nothing is connected any more */
	hop.mood = HOP_DOWN;
	for (int i = 0; i < 10; i++)
		accept_letter(p->q, 0, "there.test");
	fiber_sleep(CLOCK_SEC, NULL);
	assert_int_equal(fake_spool_left(), 10);
	hop.mood = HOP_TAKES;
	wait_until_empty(20 * CLOCK_SEC); /* two, and up to ten for the spread */
	/* longer away: then the ladder counts */
	fiber_sleep(2 * CLOCK_MIN, NULL);
	hop.mood = HOP_DOWN;
	accept_letter(p->q, 0, "there.test");
	fiber_sleep(10 * CLOCK_SEC, NULL);
	hop.mood = HOP_TAKES;
	fiber_sleep(20 * CLOCK_SEC, NULL);
	assert_int_equal(fake_spool_left(), 1);
	wait_until_empty(CLOCK_MIN);
}

static void a_site_that_worked_a_moment_ago_is_tried_again_soon(void **state)
{
	play((struct play){.story = story_restart});
}

static FIBER void story_down_expires(struct play *p)
{
	hop.mood = HOP_DOWN;
	for (int i = 0; i < 20; i++)
		accept_letter(p->q, 0, "there.test");
	wait_until_empty(6 * CLOCK_DAY);
	assert_int_equal(told.rcpts[BOUNCE_FAILED], 20);
	assert_int_equal(told.rcpts[BOUNCE_DELAYED], 40); /* after 4 hours and 2 days */
}

static void letters_that_were_never_tried_expire_too(void **state)
{
	play((struct play){.story = story_down_expires});
}

static FIBER void story_window(struct play *p)
{
	for (int i = 0; i < 1000; i++)
		accept_letter(p->q, 0, "there.test");
	fiber_sleep(1500 * CLOCK_US, NULL); /* connected, nothing delivered yet */
	assert_in_range(hop.now, 1, QUEUE_WINDOW_FIRST);
	wait_until_empty(CLOCK_MIN);
	assert_int_equal(hop.most, p->opts.connections);
	fiber_sleep(OUTBOUND_IDLE_NS + CLOCK_SEC, NULL);
	assert_int_equal(hop.now, 0);
}

static void connections_grow_from_two_to_the_limit_and_end_when_idle(void **state)
{
	play((struct play){.story = story_window, .opts = {.connections = 7}});
}

static FIBER void story_shards(struct play *p)
{
	for (int i = 0; i < 600; i++)
		accept_letter(p->q, (unsigned)i % 4, "there.test");
	wait_until_empty(CLOCK_MIN);
	assert_true(hop.most <= p->opts.connections);
	assert_int_equal(told.kinds[BOUNCE_FAILED], 0);
}

static void a_limit_below_the_shards_holds_over_all_of_them(void **state)
{
	play((struct play){.story = story_shards, .opts = {.connections = 2, .shards = 4}});
}

static void a_limit_holds_wherever_letters_come_in(void **state)
{
	play((struct play){.story = story_shards, .opts = {.connections = 8, .shards = 4}});
}

static FIBER void story_overflow(struct play *p)
{
	struct queue_stats st;

	hop.takes_ns = 20 * CLOCK_MS;
	for (int i = 0; i < 400; i++)
		accept_letter(p->q, 0, "slow.test");
	queue_stats(p->q, &st);
	assert_int_equal(st.ready, 10);
	for (int i = 0; i < 20; i++) /* a full site does not stand in the way of others */
		fake_spool_add("s@here.test", "r@there.test", i % 2 ? "b.test" : "c.test", false);
	queue_kick(p->q);
	fiber_sleep(3 * CLOCK_SEC, NULL);
	for (size_t i = 400; i < 420; i++)
		assert_true(the_spool.rows[i].is_gone);
	wait_until_empty(10 * CLOCK_MIN);
	assert_int_equal(hop.letters, 420);
	for (size_t i = 0; i < the_spool.count; i++)
		assert_int_equal(the_spool.rows[i].attempts, 1);
}

static void what_does_not_fit_waits_in_the_store(void **state)
{
	play((struct play){.story = story_overflow, .opts = {.connections = 2, .ready_max = 40}});
}

static FIBER void story_never(struct play *p)
{
	hop.mood = HOP_NEVER;
	for (int i = 0; i < 30; i++)
		accept_letter(p->q, 0, "null.test");
	wait_until_empty(CLOCK_SEC);
	assert_int_equal(told.rcpts[BOUNCE_FAILED], 30);
	assert_int_equal(attempts_logged, 30);
}

static void a_destination_that_never_takes_mail_bounces_all(void **state)
{
	play((struct play){.story = story_never});
}

static FIBER void story_permanent(struct play *p)
{
	hop.mood = HOP_PERMANENT;
	accept_letter(p->q, 0, "there.test");
	wait_until_empty(CLOCK_SEC);
	assert_int_equal(told.rcpts[BOUNCE_FAILED], 1);
	assert_int_equal(the_spool.reports, 1);
}

static void a_refusal_bounces_in_the_transaction_that_settles_it(void **state)
{
	play((struct play){.story = story_permanent});
}

static FIBER void story_drops(struct play *p)
{
	hop.mood = HOP_DROPS;
	for (int i = 0; i < 100; i++)
		accept_letter(p->q, 0, "there.test");
	fiber_sleep(30 * CLOCK_SEC, NULL);
	/* both first connections, then one at a time until the third failure in a row */
	assert_in_range(hop.connects, QUEUE_SITE_FAILS, QUEUE_SITE_FAILS + QUEUE_WINDOW_FIRST);
	hop.mood = HOP_TAKES;
	wait_until_empty(CLOCK_HOUR);
}

static void a_site_that_only_drops_connections_is_left_alone_for_a_while(void **state)
{
	play((struct play){.story = story_drops});
}

static FIBER void story_settle_fails(struct play *p)
{
	the_spool.settle_faults = 4;
	for (int i = 0; i < 10; i++)
		accept_letter(p->q, 0, "there.test");
	wait_until_empty(CLOCK_MIN);
	assert_int_equal(hop.letters, 10);
	assert_int_equal(attempts_logged, 10);
}

static void results_are_written_again_until_the_store_takes_them(void **state)
{
	play((struct play){.story = story_settle_fails});
}

static FIBER void story_report_fails(struct play *p)
{
	hop.mood = HOP_PERMANENT;
	told.faults = 1;
	accept_letter(p->q, 0, "there.test");
	fiber_sleep(CLOCK_SEC, NULL);
	assert_int_equal(fake_spool_left(), 1);
	assert_non_null(strstr(the_spool.rows[0].text, "no room to write it); said so"));
	wait_until_empty(10 * CLOCK_MIN);
	assert_int_equal(the_spool.rows[0].outcome, SPOOL_FAILED);
	assert_int_equal(told.kinds[BOUNCE_FAILED], 1);
}

static void nothing_fails_without_its_report(void **state)
{
	play((struct play){.story = story_report_fails});
}

static FIBER void story_recall(struct play *p)
{
	unsigned settled = 0;

	hop.takes_ns = CLOCK_SEC;
	for (int i = 0; i < 50; i++)
		accept_letter(p->q, 0, "there.test");
	fiber_sleep(100 * CLOCK_MS, NULL);
	queue_recall(p->q);
	fiber_sleep(10 * CLOCK_MS, NULL);
	for (size_t i = 0; i < the_spool.count; i++)
		settled += the_spool.rows[i].settles;
	assert_int_equal(settled, 50 - QUEUE_WINDOW_FIRST); /* all but those under way */
	wait_until_empty(CLOCK_MIN);
	assert_int_equal(hop.letters, 50);
	for (size_t i = 0; i < the_spool.count; i++)
		assert_int_equal(the_spool.rows[i].attempts, 1);
}

static void what_waits_in_memory_can_be_recalled(void **state)
{
	play((struct play){.story = story_recall});
}

static FIBER void story_idle(struct play *p)
{
	unsigned claims;

	fiber_sleep(CLOCK_MIN, NULL);
	claims = the_spool.claim_calls;
	fiber_sleep(CLOCK_HOUR, NULL);
	assert_in_range(the_spool.claim_calls - claims, 59, 61);
	assert_int_equal(the_spool.settle_calls, 0);
	/* notices make it look, once a second at most */
	claims = the_spool.claim_calls;
	for (int i = 0; i < 1000; i++) {
		the_spool.notice(the_spool.notice_arg);
		fiber_sleep(10 * CLOCK_MS, NULL);
	}
	assert_in_range(the_spool.claim_calls - claims, 9, 12);
}

static void an_idle_queue_looks_once_a_minute_and_when_told(void **state)
{
	play((struct play){.story = story_idle});
}

static FIBER void story_clock_back(struct play *p)
{
	hop.mood = HOP_TEMPORARY;
	accept_letter(p->q, 0, "there.test");
	fiber_sleep(20 * CLOCK_MIN, NULL);
	assert_int_equal(fake_spool_left(), 1);
	hop.mood = HOP_TAKES;
	loop_sim_set_wall(loop_wall_ns() - CLOCK_DAY);
	wait_until_empty(2 * CLOCK_MIN);
}

static void a_clock_set_back_a_day_delays_nothing(void **state)
{
	play((struct play){.story = story_clock_back});
}

static FIBER void story_clock_forward(struct play *p)
{
	hop.mood = HOP_DOWN;
	accept_letter(p->q, 0, "there.test");
	fiber_sleep(10 * CLOCK_MIN, NULL);
	hop.connects = 0;
	loop_sim_set_wall(loop_wall_ns() + CLOCK_DAY);
	fiber_sleep(2 * CLOCK_MIN, NULL);
	/* its site is left alone for as long as before */
	assert_int_equal(hop.connects, 0);
	assert_int_equal(fake_spool_left(), 1);
	hop.mood = HOP_TAKES;
	wait_until_empty(CLOCK_HOUR);
}

static void a_clock_set_forward_a_day_bounces_nothing(void **state)
{
	play((struct play){.story = story_clock_forward});
}

static FIBER void story_before_start(struct play *p)
{
	/* rows of an earlier life: due, due later, and long expired while nobody ran */
	fake_spool_add("s@here.test", "a@there.test", "there.test", false);
	fake_spool_add("s@here.test", "b@there.test", "there.test", false)->next_ns += 10 *
		CLOCK_MIN;
	fake_spool_add("s@here.test", "c@there.test", "down.test", false)->arrived_ns = WALL -
		6 * CLOCK_DAY;
	hop.refused_from = SPAN("down");
	queue_kick(p->q);
	fiber_sleep(CLOCK_SEC, NULL);
	assert_int_equal(fake_spool_left(), 1);
	assert_int_equal(the_spool.rows[2].outcome, SPOOL_FAILED);
	fiber_sleep(9 * CLOCK_MIN, NULL);
	assert_int_equal(fake_spool_left(), 1);
	fiber_sleep(70 * CLOCK_SEC, NULL);
	assert_int_equal(fake_spool_left(), 0);
	assert_in_range(the_spool.rows[1].settled_ns - WALL, 10 * CLOCK_MIN,
		10 * CLOCK_MIN + 2 * CLOCK_SEC);
}

static void rows_of_an_earlier_life_are_tried_when_due(void **state)
{
	play((struct play){.story = story_before_start});
}

static FIBER void story_stop(struct play *p)
{
	unsigned done = 0;

	hop.takes_ns = 500 * CLOCK_MS;
	for (int i = 0; i < 50; i++)
		accept_letter(p->q, 0, "there.test");
	fiber_sleep(100 * CLOCK_MS, NULL);
	queue_stop(p->q);
	fiber_group_join(&p->g);
	for (size_t i = 0; i < the_spool.count; i++)
		done += the_spool.rows[i].is_gone;
	/* those on the two connections ended well, no other was begun */
	assert_int_equal(done, QUEUE_WINDOW_FIRST);
	assert_int_equal(hop.letters, QUEUE_WINDOW_FIRST);
}

static void stopping_ends_what_is_under_way_and_begins_nothing(void **state)
{
	play((struct play){.story = story_stop});
}

static FIBER void story_stop_hung(struct play *p)
{
	int64_t began;

	hop.takes_ns = CLOCK_HOUR;
	accept_letter(p->q, 0, "there.test");
	fiber_sleep(100 * CLOCK_MS, NULL);
	began = loop_now_ns();
	queue_stop(p->q);
	fiber_group_join(&p->g);
	assert_in_range(loop_now_ns() - began, QUEUE_DRAIN_NS, QUEUE_DRAIN_NS + CLOCK_SEC);
}

static void stopping_does_not_wait_for_a_peer_that_hangs(void **state)
{
	play((struct play){.story = story_stop_hung});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_fresh_letter_goes_out_without_being_read_back),
		cmocka_unit_test(a_letter_climbs_the_ladder_for_five_days_and_comes_back),
		cmocka_unit_test(a_site_that_is_down_is_tried_once_for_all_its_letters),
		cmocka_unit_test(a_site_that_was_forgiven_and_fails_again_is_down_again),
		cmocka_unit_test(a_site_that_worked_a_moment_ago_is_tried_again_soon),
		cmocka_unit_test(letters_that_were_never_tried_expire_too),
		cmocka_unit_test(connections_grow_from_two_to_the_limit_and_end_when_idle),
		cmocka_unit_test(a_limit_below_the_shards_holds_over_all_of_them),
		cmocka_unit_test(a_limit_holds_wherever_letters_come_in),
		cmocka_unit_test(what_does_not_fit_waits_in_the_store),
		cmocka_unit_test(a_destination_that_never_takes_mail_bounces_all),
		cmocka_unit_test(a_refusal_bounces_in_the_transaction_that_settles_it),
		cmocka_unit_test(a_site_that_only_drops_connections_is_left_alone_for_a_while),
		cmocka_unit_test(results_are_written_again_until_the_store_takes_them),
		cmocka_unit_test(nothing_fails_without_its_report),
		cmocka_unit_test(what_waits_in_memory_can_be_recalled),
		cmocka_unit_test(an_idle_queue_looks_once_a_minute_and_when_told),
		cmocka_unit_test(a_clock_set_back_a_day_delays_nothing),
		cmocka_unit_test(a_clock_set_forward_a_day_bounces_nothing),
		cmocka_unit_test(rows_of_an_earlier_life_are_tried_when_due),
		cmocka_unit_test(stopping_ends_what_is_under_way_and_begins_nothing),
		cmocka_unit_test(stopping_does_not_wait_for_a_peer_that_hangs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
