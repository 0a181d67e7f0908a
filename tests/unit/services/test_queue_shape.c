/* Shaping on a simulated loop: rates, limits of a connection, and replies that ask for less. */

#include "services/queue_stage.h"

#define ROW(match_)                                                                                \
	struct shape_row row = {                                                                   \
		.match = SPAN(match_), .connections = -1, .messages = -1, .recipients = -1}

static void reshape(struct queue *q, struct shape_row *row, struct shape_reply *reply)
{
	struct shape_rows rows = {
		.rows = row, .count = row != NULL, .replies = reply, .reply_count = reply != NULL};
	struct shape *s = shape_new(&rows, QUEUE_CONNECTIONS);

	queue_reshape(q, s);
	shape_unref(&s);
	fiber_yield(NULL);
}

static void accept_many(struct play *p, int count, const char *destination)
{
	for (int i = 0; i < count; i++)
		accept_letter(p->q, 0, destination);
}

static FIBER void story_message_rate(struct play *p)
{
	ROW("*");

	row.message_rate = SPAN("60/1m burst 1");
	reshape(p->q, &row, NULL);
	accept_many(p, 100, "there.test");
	fiber_sleep(30 * CLOCK_SEC, NULL);
	assert_in_range(hop.letters, 29, 31);
	assert_true(hop.most <= QUEUE_WINDOW_FIRST);
	fiber_sleep(30 * CLOCK_SEC, NULL);
	assert_in_range(hop.letters, 59, 61);
	/* slower than idle connections live: they are closed between letters */
	row.message_rate = SPAN("6/1m burst 1");
	reshape(p->q, &row, NULL);
	fiber_sleep(5 * CLOCK_MIN, NULL);
	assert_in_range(hop.letters, 87, 91);
	assert_int_equal(hop.now, 0);
	/* a new table is obeyed at once */
	reshape(p->q, NULL, NULL);
	wait_until_empty(CLOCK_SEC);
}

static void messages_go_out_at_the_rate_of_the_table(void **state)
{
	play((struct play){.story = story_message_rate});
}

static FIBER void story_connection_rate(struct play *p)
{
	ROW("there.test");

	row.connection_rate = SPAN("6/1m burst 1");
	row.messages = 10;
	reshape(p->q, &row, NULL);
	accept_many(p, 200, "there.test");
	fiber_sleep(55 * CLOCK_SEC, NULL);
	assert_int_equal(hop.connects, 6);
	assert_int_equal(hop.letters, 60);
	wait_until_empty(5 * CLOCK_MIN);
	assert_int_equal(hop.connects, 20);
}

static void connections_are_made_at_their_rate_and_carry_their_share(void **state)
{
	play((struct play){.story = story_connection_rate});
}

static FIBER void story_apart(struct play *p)
{
	ROW("d1.big.test");

	hop.takes_ns = 100 * CLOCK_MS;
	row.connections = 1;
	reshape(p->q, &row, NULL);
	accept_many(p, 100, "d1.big.test");
	fiber_sleep(CLOCK_SEC, NULL);
	assert_int_equal(hop.most, 1);
	accept_many(p, 100, "d2.big.test");
	fiber_sleep(2 * CLOCK_SEC, NULL);
	assert_in_range(hop.most, 10, QUEUE_CONNECTIONS + 1);
	wait_until_empty(CLOCK_MIN);
}

static void a_domain_with_a_row_of_its_own_is_a_site_of_its_own(void **state)
{
	play((struct play){.story = story_apart});
}

static FIBER void story_suspend(struct play *p)
{
	struct shape_reply reply = {.match = SPAN("mx:.big.test"),
		.pattern = SPAN("550 *come back in an hour"),
		.action = SHAPE_SUSPEND,
		.pause_ns = CLOCK_HOUR};

	reshape(p->q, NULL, &reply);
	hop.mood = HOP_PERMANENT;
	hop.code = 550;
	hop.says = "You are slow; come back in an HOUR, please";
	accept_many(p, 50, "d1.big.test");
	accept_many(p, 50, "d2.big.test");
	fiber_sleep(59 * CLOCK_MIN, NULL);
	/* what was under way when it was said, and nothing after; a 5xx that is none */
	assert_in_range(hop.letters, 1, QUEUE_WINDOW_FIRST);
	assert_int_equal(fake_spool_left(), 100);
	assert_int_equal(told.kinds[BOUNCE_FAILED], 0);
	assert_in_range(hop.connects, 1, QUEUE_WINDOW_FIRST);
	hop.mood = HOP_TAKES;
	wait_until_empty(2 * CLOCK_MIN);
}

static void a_site_that_asks_for_a_pause_is_left_alone_with_all_its_domains(void **state)
{
	play((struct play){.story = story_suspend});
}

static FIBER void story_slow(struct play *p)
{
	unsigned before;

	hop.mood = HOP_TEMPORARY;
	hop.code = 451;
	hop.says = "4.7.1 Rate limit exceeded";
	accept_many(p, 300, "there.test");
	fiber_sleep(5 * CLOCK_SEC, NULL);
	/* at first two at a time, then 2, 4, 8 ... seconds between them */
	assert_in_range(hop.letters, 1, 5);
	fiber_sleep(10 * CLOCK_MIN, NULL);
	before = hop.letters;
	fiber_sleep(10 * CLOCK_MIN, NULL);
	assert_in_range(hop.letters - before, 9, 11); /* one a minute, on one connection */
	assert_int_equal(hop.now <= 1, 1);
	hop.mood = HOP_TAKES;
	wait_until_empty(2 * CLOCK_HOUR);
}

static void a_site_that_asks_to_slow_down_is_sent_less_and_less(void **state)
{
	play((struct play){.story = story_slow});
}

static FIBER void story_fewer(struct play *p)
{
	hop.takes_ns = 100 * CLOCK_MS;
	accept_many(p, 1000, "there.test");
	while (hop.now < QUEUE_CONNECTIONS)
		fiber_sleep(10 * CLOCK_MS, NULL);
	hop.mood = HOP_TEMPORARY;
	hop.code = 421;
	hop.says = "too many connections from you";
	fiber_sleep(150 * CLOCK_MS, NULL);
	hop.mood = HOP_TAKES;
	fiber_sleep(500 * CLOCK_MS, NULL);
	assert_in_range(hop.now, 1, QUEUE_CONNECTIONS / 4);
	hop.most = hop.now;
	fiber_sleep(5 * CLOCK_MIN, NULL);
	assert_in_range(hop.most, 1, QUEUE_CONNECTIONS / 4);
	wait_until_empty(CLOCK_HOUR);
}

static void connections_become_fewer_at_once_and_stay_so_for_a_while(void **state)
{
	play((struct play){.story = story_fewer});
}

static FIBER void story_next_host(struct play *p)
{
	accept_letter(p->q, 0, "there.test");
	wait_until_empty(CLOCK_SEC);
	assert_string_equal(hop.first, "mx1.test");
	hop.mood = HOP_TEMPORARY;
	hop.code = 452;
	hop.says = "queue file write error; 4.3.0 queue file";
	{
		struct shape_reply reply = {.match = SPAN("*"),
			.pattern = SPAN("452 *queue file"),
			.action = SHAPE_NEXT,
			.pause_ns = 10 * CLOCK_MIN};

		reshape(p->q, NULL, &reply);
	}
	accept_letter(p->q, 0, "there.test");
	fiber_sleep(CLOCK_SEC, NULL);
	hop.mood = HOP_TAKES;
	accept_letter(p->q, 0, "there.test");
	fiber_sleep(CLOCK_SEC, NULL);
	assert_string_equal(hop.first, "mx2.test");
	wait_until_empty(10 * CLOCK_MIN);
	fiber_sleep(12 * CLOCK_MIN, NULL);
	accept_letter(p->q, 0, "there.test");
	wait_until_empty(CLOCK_SEC);
	assert_string_equal(hop.first, "mx1.test");
}

static void a_host_with_trouble_of_its_own_is_the_last_choice_for_a_while(void **state)
{
	play((struct play){.story = story_next_host});
}

static FIBER void story_greylist(struct play *p)
{
	struct fake_row *row;

	hop.mood = HOP_TEMPORARY;
	hop.code = 451;
	hop.says = "You have been Greylisted";
	row = accept_from(p->q, 0, "s@here.test", 0, "there.test");
	fiber_sleep(31 * CLOCK_MIN, NULL);
	assert_in_range(row->attempts, 7, 8); /* every 5 minutes; the ladder would have been at 4 */
	hop.mood = HOP_TAKES;
	wait_until_empty(6 * CLOCK_MIN);
}

static void greylisting_is_met_with_earlier_retries(void **state)
{
	play((struct play){.story = story_greylist});
}

static FIBER void story_priority_of_window(struct play *p)
{
	hop.takes_ns = 100 * CLOCK_MS;
	accept_many(p, 200, "there.test");
	fiber_sleep(50 * CLOCK_MS, NULL);
	assert_int_equal(hop.now, QUEUE_WINDOW_FIRST);
	fiber_sleep(100 * CLOCK_MS, NULL);
	assert_int_equal(hop.now, QUEUE_WINDOW_FIRST + 1);
	fiber_sleep(120 * CLOCK_MS, NULL);
	assert_int_equal(hop.now, QUEUE_WINDOW_FIRST + 2);
	wait_until_empty(CLOCK_MIN);
}

static void a_window_of_successes_allows_one_connection_more(void **state)
{
	play((struct play){.story = story_priority_of_window});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_go_out_at_the_rate_of_the_table),
		cmocka_unit_test(connections_are_made_at_their_rate_and_carry_their_share),
		cmocka_unit_test(a_domain_with_a_row_of_its_own_is_a_site_of_its_own),
		cmocka_unit_test(a_site_that_asks_for_a_pause_is_left_alone_with_all_its_domains),
		cmocka_unit_test(a_site_that_asks_to_slow_down_is_sent_less_and_less),
		cmocka_unit_test(connections_become_fewer_at_once_and_stay_so_for_a_while),
		cmocka_unit_test(a_host_with_trouble_of_its_own_is_the_last_choice_for_a_while),
		cmocka_unit_test(greylisting_is_met_with_earlier_retries),
		cmocka_unit_test(a_window_of_successes_allows_one_connection_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
