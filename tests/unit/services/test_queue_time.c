/* Rules of a class, deadlines (DELIVERBY), scheduled letters (FUTURERELEASE), orders to give up: on a
 * virtual clock. */

#include "services/queue_stage.h"

#define S SPAN("s@here.test")

static FIBER void until(int64_t wall_ns)
{
	if (wall_ns > loop_wall_ns())
		fiber_sleep(wall_ns - loop_wall_ns(), NULL);
}

/* ---- rules -------------------------------------------------------------------------------------- */

static void the_built_in_rules(void **state)
{
	struct queue_rules r;

	queue_rules_default(&r);
	for (size_t i = 0; i < SPOOL_CLASSES; i++) {
		const struct queue_rule *rule = &r.classes[i];

		assert_true(rule->step_count > 0 && rule->expire_ns > 0);
		for (uint32_t n = 1; n < 50; n++) {
			/* one ladder, whoever asks */
			assert_true(queue_rule_next_ns(rule, n, 0) == queue_ladder_ns(n, 0));
			assert_true(
				queue_rule_next_ns(rule, n, UINT64_MAX / 3) <= QUEUE_LADDER_MAX_NS);
		}
	}
	assert_true(r.classes[SPOOL_CLASS_NORMAL].expire_ns == 5 * CLOCK_DAY);
	assert_true(r.classes[SPOOL_CLASS_REPORT].expire_ns == 2 * CLOCK_DAY);
	assert_int_equal(r.classes[SPOOL_CLASS_NORMAL].notice_count, 2);
	assert_int_equal(r.classes[SPOOL_CLASS_REPORT].notice_count, 0);
	assert_int_equal(r.classes[SPOOL_CLASS_BULK].notice_count, 0);
	/* ages count from the release */
	assert_true(queue_rule_expires_ns(&r.classes[0], WALL, 0) == WALL + 5 * CLOCK_DAY);
	assert_true(
		queue_rule_expires_ns(&r.classes[0], WALL, WALL + 9) == WALL + 9 + 5 * CLOCK_DAY);
}

static FIBER void story_classes(struct play *p)
{
	struct fake_row *rows[SPOOL_CLASSES];
	static const int64_t days[] = {5, 2, 5};

	hop.mood = HOP_TEMPORARY;
	for (size_t i = 0; i < SPOOL_CLASSES; i++)
		rows[i] = accept_env(p->q, 0,
			&(struct spool_envelope){.reverse_path = S, .class = (enum spool_class)i},
			"there.test");
	wait_until_empty(6 * CLOCK_DAY);
	for (size_t i = 0; i < SPOOL_CLASSES; i++)
		assert_in_range(rows[i]->settled_ns - rows[i]->arrived_ns, days[i] * CLOCK_DAY,
			days[i] * CLOCK_DAY + CLOCK_MIN);
	/* of its delay only who wrote himself is told */
	assert_int_equal(told.rcpts[BOUNCE_DELAYED], 2);
	assert_int_equal(told.rcpts[BOUNCE_FAILED], 3);
}

static void each_class_has_its_lifetime(void **state)
{
	play((struct play){.story = story_classes});
}

static FIBER void story_new_rules(struct play *p)
{
	struct queue_rules rules;
	struct fake_row *row;
	int64_t last;
	uint32_t seen;

	hop.mood = HOP_TEMPORARY;
	row = accept_env(p->q, 0, &(struct spool_envelope){.reverse_path = S}, "there.test");
	fiber_sleep(CLOCK_HOUR, NULL);
	queue_rules_default(&rules);
	rules.classes[0] = (struct queue_rule){.step_count = 1,
		.steps_ns = {10 * CLOCK_MIN},
		.notice_count = 1,
		.notices_ns = {2 * CLOCK_HOUR},
		.expire_ns = 3 * CLOCK_HOUR};
	queue_rules_set(p->q, &rules);
	fiber_sleep(CLOCK_HOUR, NULL); /* the attempt that was due by the old ladder */
	last = row->settled_ns;
	seen = row->attempts;
	while (row->attempts == seen)
		fiber_sleep(CLOCK_SEC, NULL);
	assert_in_range(row->settled_ns - last, 8 * CLOCK_MIN, 12 * CLOCK_MIN + CLOCK_SEC);
	wait_until_empty(CLOCK_HOUR);
	assert_in_range(
		row->settled_ns - row->arrived_ns, 3 * CLOCK_HOUR, 3 * CLOCK_HOUR + CLOCK_MIN);
	assert_int_equal(told.kinds[BOUNCE_DELAYED], 1);
	assert_int_equal(told.kinds[BOUNCE_FAILED], 1);
}

static void new_rules_count_for_letters_that_wait(void **state)
{
	play((struct play){.story = story_new_rules});
}

static FIBER void story_fixed(struct play *p)
{
	struct fake_row *row = fake_spool_add("s@here.test", "a@there.test", "there.test", false);

	row->is_expiry_fixed = true;
	row->expires_ns = WALL + 10 * CLOCK_MIN;
	hop.mood = HOP_TEMPORARY;
	queue_kick(p->q);
	wait_until_empty(CLOCK_HOUR);
	assert_in_range(row->settled_ns - WALL, 10 * CLOCK_MIN, 10 * CLOCK_MIN + CLOCK_SEC);
}

static void an_end_that_was_set_by_hand_counts(void **state)
{
	play((struct play){.story = story_fixed});
}

static FIBER void story_given_up(struct play *p)
{
	struct fake_row *row = fake_spool_add("s@here.test", "a@there.test", "down.test", false);

	row->is_given_up = true;
	queue_kick(p->q);
	fiber_sleep(CLOCK_SEC, NULL);
	assert_true(row->is_gone && row->outcome == SPOOL_FAILED && row->attempts == 0);
	assert_non_null(strstr(row->text, "given up by an administrator"));
	assert_int_equal(told.kinds[BOUNCE_FAILED], 1);
	assert_int_equal(hop.connects, 0);
}

static void what_is_given_up_fails_without_an_attempt(void **state)
{
	play((struct play){.story = story_given_up});
}

/* ---- deadlines ---------------------------------------------------------------------------------- */

static FIBER void story_return(struct play *p)
{
	struct fake_row *row;

	hop.mood = HOP_TEMPORARY;
	row = accept_env(p->q, 0,
		&(struct spool_envelope){.reverse_path = S,
			.by_mode = SPOOL_BY_RETURN,
			.by_ns = loop_wall_ns() + 3 * CLOCK_MIN},
		"there.test");
	until(WALL + 170 * CLOCK_SEC);
	assert_false(row->is_gone);
	assert_int_equal(row->attempts, 2);
	/* between two steps of the ladder, to the second */
	until(WALL + 182 * CLOCK_SEC);
	assert_true(row->is_gone && row->outcome == SPOOL_FAILED);
	assert_in_range(row->settled_ns - WALL, 3 * CLOCK_MIN, 3 * CLOCK_MIN + CLOCK_SEC);
	assert_non_null(strstr(row->text, "within the time that its sender allowed"));
	assert_non_null(strstr(row->text, "said so"));
	assert_int_equal(told.kinds[BOUNCE_FAILED], 1);
	assert_int_equal(told.kinds[BOUNCE_DELAYED], 0);
}

static void mode_r_comes_back_at_its_deadline(void **state)
{
	play((struct play){.story = story_return});
}

static FIBER void story_notify(struct play *p)
{
	struct fake_row *row;

	hop.mood = HOP_TEMPORARY;
	row = accept_env(p->q, 0,
		&(struct spool_envelope){.reverse_path = S,
			.by_mode = SPOOL_BY_NOTIFY,
			.by_ns = loop_wall_ns() + 3 * CLOCK_MIN},
		"there.test");
	until(WALL + 179 * CLOCK_SEC);
	assert_int_equal(told.kinds[BOUNCE_DELAYED], 0);
	until(WALL + 182 * CLOCK_SEC);
	assert_false(row->is_gone);
	assert_true(row->is_by_told && row->delays_told == 0);
	assert_int_equal(told.kinds[BOUNCE_DELAYED], 1);
	hop.mood = HOP_TAKES;
	wait_until_empty(CLOCK_HOUR);
	assert_int_equal(row->outcome, SPOOL_DELIVERED);
	assert_int_equal(told.kinds[BOUNCE_DELAYED], 1); /* once */
	assert_int_equal(told.kinds[BOUNCE_FAILED], 0);
}

static void mode_n_is_told_at_its_deadline_and_goes_on(void **state)
{
	play((struct play){.story = story_notify});
}

static FIBER void story_over_before(struct play *p)
{
	struct fake_row *row = accept_env(p->q, 0,
		&(struct spool_envelope){.reverse_path = S,
			.by_mode = SPOOL_BY_NOTIFY,
			.by_ns = loop_wall_ns() - CLOCK_MIN},
		"down.test");

	hop.refused_from = SPAN("down");
	fiber_sleep(CLOCK_HOUR, NULL);
	/* who handed it to us late has told of it */
	assert_false(row->is_gone);
	assert_int_equal(told.kinds[BOUNCE_DELAYED], 0);
	hop.refused_from = SPAN_NONE;
	wait_until_empty(CLOCK_DAY);
}

static void a_deadline_that_passed_before_it_came_here_is_not_told_again(void **state)
{
	play((struct play){.story = story_over_before});
}

static FIBER void story_in_memory(struct play *p)
{
	struct fake_row *late, *told_row, *calm;

	/* one connection is busy for an hour; the others wait behind it, in memory */
	hop.takes_ns = CLOCK_HOUR;
	accept_from(p->q, 0, "s@here.test", 0, "there.test");
	fiber_sleep(CLOCK_SEC, NULL);
	late = accept_env(p->q, 0,
		&(struct spool_envelope){.reverse_path = S,
			.by_mode = SPOOL_BY_RETURN,
			.by_ns = WALL + 2 * CLOCK_MIN},
		"there.test");
	told_row = accept_env(p->q, 0,
		&(struct spool_envelope){.reverse_path = S,
			.by_mode = SPOOL_BY_NOTIFY,
			.by_ns = WALL + 4 * CLOCK_MIN},
		"there.test");
	calm = accept_from(p->q, 0, "s@here.test", 0, "there.test");
	assert_true(late->state == SPOOL_ACTIVE && told_row->state == SPOOL_ACTIVE);
	until(WALL + 119 * CLOCK_SEC);
	assert_false(late->is_gone);
	until(WALL + 121 * CLOCK_SEC);
	assert_true(late->is_gone && late->outcome == SPOOL_FAILED);
	assert_false(told_row->is_by_told);
	until(WALL + 242 * CLOCK_SEC);
	assert_true(told_row->is_by_told && !told_row->is_gone);
	assert_int_equal(told.kinds[BOUNCE_DELAYED], 1);
	assert_int_equal(calm->settles, 0); /* nobody else was moved */
	hop.takes_ns = CLOCK_MS;
	wait_until_empty(3 * CLOCK_HOUR);
	assert_int_equal(told_row->outcome, SPOOL_DELIVERED);
}

static void a_deadline_is_kept_by_what_waits_in_memory(void **state)
{
	play((struct play){.story = story_in_memory, .opts = {.connections = 1}});
}

/* ---- scheduled ---------------------------------------------------------------------------------- */

static FIBER void story_scheduled(struct play *p)
{
	struct fake_row *row;
	unsigned claims;

	row = accept_env(p->q, 0,
		&(struct spool_envelope){
			.reverse_path = S, .release_ns = loop_wall_ns() + 30 * CLOCK_DAY},
		"there.test");
	assert_int_equal(row->state, SPOOL_WAITING); /* whatever room there is */
	fiber_sleep(CLOCK_DAY, NULL);
	/* that something is due so late is no sign of a clock set back: it is looked into once */
	assert_int_equal(the_spool.act_calls, 1);
	claims = the_spool.claim_calls;
	fiber_sleep(CLOCK_HOUR, NULL);
	assert_in_range(the_spool.claim_calls - claims, 59, 62);
	hop.mood = HOP_TEMPORARY;
	until(WALL + 30 * CLOCK_DAY - CLOCK_SEC);
	assert_int_equal(row->attempts, 0);
	fiber_sleep(2 * CLOCK_SEC, NULL);
	assert_int_equal(row->attempts, 1);
	/* its lifetime and its notices begin here */
	fiber_sleep(3 * CLOCK_HOUR, NULL);
	assert_int_equal(told.kinds[BOUNCE_DELAYED], 0);
	wait_until_empty(6 * CLOCK_DAY);
	assert_in_range(row->settled_ns - WALL, 35 * CLOCK_DAY, 35 * CLOCK_DAY + CLOCK_MIN);
	assert_int_equal(told.kinds[BOUNCE_DELAYED], 2);
	assert_int_equal(the_spool.act_calls, 1);
}

static void a_scheduled_letter_begins_its_life_when_it_is_released(void **state)
{
	play((struct play){.story = story_scheduled});
}

static FIBER void story_scheduled_back(struct play *p)
{
	struct fake_row *row = accept_env(p->q, 0,
		&(struct spool_envelope){
			.reverse_path = S, .release_ns = loop_wall_ns() + 10 * CLOCK_DAY},
		"there.test");

	fiber_sleep(CLOCK_HOUR, NULL);
	loop_sim_set_wall(loop_wall_ns() - CLOCK_DAY);
	fiber_sleep(CLOCK_HOUR, NULL);
	assert_int_equal(row->attempts, 0);
	until(WALL + 10 * CLOCK_DAY - CLOCK_SEC);
	assert_false(row->is_gone);
	fiber_sleep(2 * CLOCK_SEC, NULL);
	assert_true(row->is_gone);
}

static void a_clock_set_back_releases_nothing_early(void **state)
{
	play((struct play){.story = story_scheduled_back});
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_built_in_rules),
		cmocka_unit_test(each_class_has_its_lifetime),
		cmocka_unit_test(new_rules_count_for_letters_that_wait),
		cmocka_unit_test(an_end_that_was_set_by_hand_counts),
		cmocka_unit_test(what_is_given_up_fails_without_an_attempt),
		cmocka_unit_test(mode_r_comes_back_at_its_deadline),
		cmocka_unit_test(mode_n_is_told_at_its_deadline_and_goes_on),
		cmocka_unit_test(a_deadline_that_passed_before_it_came_here_is_not_told_again),
		cmocka_unit_test(a_deadline_is_kept_by_what_waits_in_memory),
		cmocka_unit_test(a_scheduled_letter_begins_its_life_when_it_is_released),
		cmocka_unit_test(a_clock_set_back_releases_nothing_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
