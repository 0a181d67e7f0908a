/* The guard on a simulated clock: who waits, who is banned for how long, and who never is. */

#include <pthread.h>

#include "store/store_test.h"

#include "services/guard/guard.h"
#include "store/bans.h"

#define WALL (1795000000 * CLOCK_SEC)

static struct addr ip(const char *text)
{
	struct addr a;

	assert_true(addr_parse_ip(span_str(text), 40000, &a));
	return a;
}

struct play {
	struct guard *g;
	struct store *store;
	void (*story)(struct guard *g);
	struct addr_net trusted[2];
};

static int play_main(void *arg)
{
	struct play *y = arg;
	struct guard_opts opts = {.store = y->store, .trusted = y->trusted, .trusted_count = 2};
	struct err e = {0};

	assert_int_equal(addr_net_parse(SPAN("198.51.100.0/24"), &y->trusted[0], &e), 0);
	assert_int_equal(addr_net_parse(SPAN("2001:db8:ff::/48"), &y->trusted[1], &e), 0);
	guard_limits_default(&opts.limits);
	opts.limits.entries_max = 512;
	y->g = guard_new(&opts);
	if (y->store)
		assert_ok(guard_begin(y->g, &e), &e);
	y->story(y->g);
	guard_free(&y->g);
	return 0;
}

static void play(void (*story)(struct guard *g))
{
	struct play y = {.story = story};
	struct loop *l = loop_new_sim(&(struct loop_opts){.name = "test"}, WALL);
	struct err e = {0};

	assert_int_equal(loop_run(l, play_main, &y, &e), 0);
	loop_free(&l);
}

static FIBER void pass(int64_t ns)
{
	struct err e = {0};

	assert_ok(fiber_sleep(ns, &e), &e);
}

static bool may(struct guard *g, const char *from, const char *user)
{
	struct addr peer = ip(from);
	int64_t wait;

	return guard_login_may(g, &peer, span_str(user), &wait);
}

static int64_t wait_of(struct guard *g, const char *from, const char *user)
{
	struct addr peer = ip(from);
	int64_t wait;

	guard_login_may(g, &peer, span_str(user), &wait);
	return wait;
}

static uint64_t last_mark = 1000;

static void guess(struct guard *g, const char *from, const char *user, unsigned times)
{
	struct addr peer = ip(from);

	for (unsigned i = 0; i < times; i++)
		guard_login_tell(g, &peer, span_str(user), 7, false, last_mark += 2);
}

static void log_in(struct guard *g, const char *from, const char *user)
{
	struct addr peer = ip(from);

	guard_login_tell(g, &peer, span_str(user), 7, true, 0);
}

static bool admits(struct guard *g, const char *from)
{
	struct addr peer = ip(from);

	return guard_admits(g, &peer, true, NULL);
}

static bool admits_mail(struct guard *g, const char *from)
{
	struct addr peer = ip(from);

	return guard_admits(g, &peer, false, NULL);
}

/* ---- bans of the guard's own ---- */

static FIBER void story_ban(struct guard *g)
{
	struct addr peer = ip("192.0.2.1");
	struct buf why;

	guess(g, "192.0.2.1", "alice@a.example", 9);
	assert_true(admits(g, "192.0.2.1"));
	guess(g, "192.0.2.1", "bob@a.example", 1);
	assert_false(admits(g, "192.0.2.1"));
	assert_true(admits(g, "192.0.2.2"));
	assert_true(admits_mail(g, "192.0.2.1"));
	assert_int_equal(wait_of(g, "192.0.2.1", "carol@a.example"), 15 * CLOCK_MIN);

	buf_init(&why, 200);
	assert_false(guard_admits(g, &peer, true, &why));
	assert_span(buf_span(&why),
		"Too many failed logins from your network, try again after 2026-11-18T11:21:40Z");
	buf_fini(&why);

	pass(15 * CLOCK_MIN - CLOCK_SEC);
	assert_false(admits(g, "192.0.2.1"));
	pass(CLOCK_SEC);
	assert_true(admits(g, "192.0.2.1"));
}

static void ten_failures_ban_a_network_where_people_log_in_and_nowhere_else(void **state)
{
	(void)state;
	play(story_ban);
}

static FIBER int64_t ban_length(struct guard *g)
{
	guess(g, "192.0.2.1", "alice", 10);
	return wait_of(g, "192.0.2.1", "zoe");
}

static FIBER void story_double(struct guard *g)
{
	static const int64_t minutes[] = {15, 30, 60, 120, 240, 480, 960, 1440, 1440};

	for (size_t i = 0; i < ARRAY_LEN(minutes); i++) {
		int64_t ns = ban_length(g);

		assert_int_equal(ns / CLOCK_MIN, minutes[i]);
		pass(ns);
	}
	pass(CLOCK_DAY + CLOCK_SEC);
	assert_int_equal(ban_length(g), 15 * CLOCK_MIN);
}

static void bans_double_up_to_a_day_and_a_quiet_day_begins_anew(void **state)
{
	(void)state;
	play(story_double);
}

static FIBER void story_six(struct guard *g)
{
	guess(g, "2001:db8:1:2::1", "alice", 5);
	guess(g, "2001:db8:1:2:ffff::9", "bob", 5);
	assert_false(admits(g, "2001:db8:1:2:3::4"));
	assert_true(admits(g, "2001:db8:1:3::1"));
	guess(g, "::ffff:192.0.2.9", "alice", 5);
	guess(g, "192.0.2.9", "bob", 5);
	assert_false(admits(g, "192.0.2.9"));
	assert_false(admits(g, "::ffff:192.0.2.9"));
}

static void an_ipv6_network_is_a_64_and_a_mapped_address_is_ipv4(void **state)
{
	(void)state;
	play(story_six);
}

static FIBER void story_slow(struct guard *g)
{
	guess(g, "192.0.2.1", "alice", 9);
	pass(10 * CLOCK_MIN);
	guess(g, "192.0.2.1", "alice", 9);
	assert_true(admits(g, "192.0.2.1"));
}

static void failures_are_forgotten_with_time(void **state)
{
	(void)state;
	play(story_slow);
}

/* ---- who is never banned ---- */

static FIBER void story_never(struct guard *g)
{
	static const char *const never[] = {"127.0.0.1", "127.8.9.10", "::1", "198.51.100.77",
		"2001:db8:ff:1::1", "203.0.113.5"};
	struct guard_row allow = {.network = SPAN("203.0.113.0/29"), .kind = GUARD_ALLOW};
	struct addr peer = {.sa.sa_family = AF_UNIX, .len = sizeof(sa_family_t)};
	struct guard_counters c;
	struct err e = {0};
	int64_t wait;

	assert_ok(guard_set(g, &allow, &e), &e);
	for (size_t i = 0; i < ARRAY_LEN(never); i++) {
		for (unsigned k = 0; k < 60; k++) {
			const char *user = k % 2 ? "a" : k % 3 ? "b" : "c";

			guess(g, never[i], user, 1);
		}
		assert_true(admits(g, never[i]));
		assert_true(may(g, never[i], "somebody else"));
	}
	for (unsigned k = 0; k < 60; k++)
		guard_login_tell(g, &peer, SPAN("u"), 0, false, 0);
	assert_true(guard_admits(g, &peer, true, NULL));
	assert_true(guard_login_may(g, &peer, SPAN("v"), &wait));
	guard_counters(g, &c);
	assert_int_equal(c.bans, 0);
}

static void loopback_trusted_and_allowed_networks_are_never_banned(void **state)
{
	(void)state;
	play(story_never);
}

static FIBER void story_office(struct guard *g)
{
	log_in(g, "192.0.2.1", "alice");
	pass(11 * CLOCK_HOUR);
	guess(g, "192.0.2.1", "bob", 10);
	assert_true(admits(g, "192.0.2.1"));
	/* those who guess wait, she who is known there does not */
	assert_false(may(g, "192.0.2.1", "bob"));
	assert_false(may(g, "192.0.2.1", "carol"));
	assert_int_equal(wait_of(g, "192.0.2.1", "carol"), CLOCK_MIN);
	assert_true(may(g, "192.0.2.1", "alice"));
	pass(CLOCK_MIN);
	assert_true(may(g, "192.0.2.1", "carol"));
	pass(2 * CLOCK_HOUR);
	guess(g, "192.0.2.1", "bob", 10);
	assert_false(admits(g, "192.0.2.1"));
}

static void a_network_with_a_recent_login_is_slowed_not_banned(void **state)
{
	(void)state;
	play(story_office);
}

static FIBER void story_phone(struct guard *g)
{
	struct addr peer = ip("192.0.2.1");
	struct guard_counters c;

	for (unsigned i = 0; i < 500; i++) {
		assert_true(may(g, "192.0.2.1", "alice"));
		guard_login_tell(g, &peer, SPAN("alice"), 7, false, 0x1234);
		pass(30 * CLOCK_SEC);
	}
	assert_true(admits(g, "192.0.2.1"));
	guard_counters(g, &c);
	assert_int_equal(c.failures, 1);
	assert_int_equal(c.repeated, 499);
	/* one password for many is a guess each */
	for (unsigned i = 0; i < 10; i++) {
		const char user[2] = {(char)('a' + i), 0};

		guard_login_tell(g, &peer, span_str(user), 0, false, 0x1234);
	}
	assert_false(admits(g, "192.0.2.1"));
}

static void the_same_wrong_password_again_counts_once(void **state)
{
	(void)state;
	play(story_phone);
}

/* ---- accounts ---- */

static FIBER void story_account(struct guard *g)
{
	struct arena *a = arena_new();

	log_in(g, "192.0.2.1", "Alice@A.example");
	for (unsigned i = 0; i < 20; i++)
		guess(g, arena_printf(a, "203.0.113.%u", i), "alice@a.example", 1);
	assert_false(may(g, "203.0.113.200", "alice@a.example"));
	assert_false(may(g, "203.0.113.200", "ALICE@a.example"));
	assert_false(may(g, "203.0.113.200", "alice@a.example#phone"));
	assert_true(may(g, "203.0.113.200", "bob@a.example"));
	assert_true(may(g, "192.0.2.1", "alice@a.example"));
	assert_int_equal(wait_of(g, "203.0.113.200", "alice@a.example"), 3 * CLOCK_MIN);
	pass(3 * CLOCK_MIN);
	assert_true(may(g, "203.0.113.200", "alice@a.example"));
	pass(14 * CLOCK_DAY);
	for (unsigned i = 0; i < 20; i++)
		guess(g, arena_printf(a, "203.0.113.%u", i), "alice@a.example", 1);
	assert_false(may(g, "192.0.2.1", "alice@a.example"));
	arena_free(&a);
}

static void guesses_slow_strangers_not_the_owner_where_he_is_known(void **state)
{
	(void)state;
	play(story_account);
}

static FIBER void story_own(struct guard *g)
{
	log_in(g, "192.0.2.1", "alice");
	guess(g, "192.0.2.1", "alice", 20);
	assert_int_equal(wait_of(g, "192.0.2.1", "alice"), 3 * CLOCK_MIN);
	assert_true(may(g, "203.0.113.1", "alice"));
	assert_true(admits(g, "192.0.2.1"));
	log_in(g, "192.0.2.1", "alice");
	assert_true(may(g, "192.0.2.1", "alice"));
}

static void guesses_from_where_the_owner_is_known_wait_too(void **state)
{
	(void)state;
	play(story_own);
}

static FIBER void story_unknown(struct guard *g)
{
	struct addr peer = ip("192.0.2.1"), other = ip("192.0.2.2");
	int64_t known, unknown;

	for (unsigned i = 0; i < 10; i++) {
		guard_login_tell(g, &peer, SPAN("alice"), 7, false, 0);
		guard_login_tell(g, &other, SPAN("nobody"), 0, false, 0);
	}
	guard_login_may(g, &peer, SPAN("alice"), &known);
	guard_login_may(g, &other, SPAN("nobody"), &unknown);
	assert_int_equal(known, unknown);
}

static void who_does_not_exist_is_counted_like_who_does(void **state)
{
	(void)state;
	play(story_unknown);
}

static FIBER void story_many(struct guard *g)
{
	struct arena *a = arena_new();
	struct guard_counters c;

	for (unsigned i = 0; i < 5000; i++)
		guess(g, arena_printf(a, "10.%u.%u.1", i / 250, i % 250),
			arena_printf(a, "user%u", i), 1);
	guard_counters(g, &c);
	assert_in_range(c.networks, 256, 528);
	assert_in_range(c.accounts, 256, 528);
	/* the last ones are still there */
	guess(g, "10.19.249.1", "x", 9);
	assert_false(admits(g, "10.19.249.1"));
	arena_free(&a);
}

static void what_is_remembered_is_bounded(void **state)
{
	(void)state;
	play(story_many);
}

/* ---- administrators ---- */

static FIBER void set(struct guard *g, const char *network, enum guard_kind kind, int64_t for_ns)
{
	struct guard_row row = {.network = span_str(network),
		.kind = kind,
		.reason = SPAN("because"),
		.made_by = SPAN("root"),
		.made_ns = loop_wall_ns(),
		.until_ns = for_ns ? loop_wall_ns() + for_ns : 0};
	struct err e = {0};

	assert_ok(guard_set(g, &row, &e), &e);
}

static FIBER void story_admin(struct guard *g)
{
	struct addr peer = ip("192.0.2.9");
	struct err e = {0};
	struct buf why;

	set(g, "192.0.2.0/24", GUARD_BAN, CLOCK_HOUR);
	set(g, "192.0.2.64/26", GUARD_ALLOW, 0);
	set(g, "192.0.2.70", GUARD_BAN, 0);
	assert_false(admits(g, "192.0.2.9"));
	assert_false(admits_mail(g, "192.0.2.9"));
	assert_true(admits(g, "192.0.2.65"));
	assert_false(admits(g, "192.0.2.70"));
	buf_init(&why, 200);
	assert_false(guard_admits(g, &peer, true, &why));
	assert_span(buf_span(&why), "Your network is not admitted here until 2026-11-18T12:06:40Z");
	buf_fini(&why);

	ASSERT_ERR(guard_remove(g, SPAN("192.0.2.9"), &e), ERR_NOT_FOUND);
	assert_string_equal(e.text, "192.0.2.9 itself is not listed; it lies in 192.0.2.0/24");
	ASSERT_ERR(guard_remove(g, SPAN("10.0.0.1"), &e), ERR_NOT_FOUND);
	pass(CLOCK_HOUR);
	assert_true(admits(g, "192.0.2.9"));
	assert_false(admits(g, "192.0.2.70"));
	assert_ok(guard_remove(g, SPAN("192.0.2.70"), &e), &e);
	assert_true(admits(g, "192.0.2.70"));
}

static void the_narrowest_network_decides(void **state)
{
	(void)state;
	play(story_admin);
}

static FIBER void story_undo(struct guard *g)
{
	struct err e = {0};

	guess(g, "2001:db8::1", "alice", 10);
	assert_false(admits(g, "2001:db8::1"));
	assert_ok(guard_remove(g, SPAN("2001:db8::/64"), &e), &e);
	assert_true(admits(g, "2001:db8::1"));
	guess(g, "2001:db8::1", "bob", 9);
	assert_true(admits(g, "2001:db8::1"));
	guess(g, "2001:db8::1", "bob", 1);
	assert_int_equal(wait_of(g, "2001:db8::1", "zoe"), 15 * CLOCK_MIN);
}

static void what_is_undone_is_forgotten_as_a_whole(void **state)
{
	(void)state;
	play(story_undo);
}

static FIBER void story_wrong(struct guard *g)
{
	static const struct {
		const char *network;
		enum err_code code;
	} wrong[] = {
		{"", ERR_SYNTAX},
		{"x", ERR_SYNTAX},
		{"192.0.2.1/24", ERR_SYNTAX},
		{"192.0.2.0/33", ERR_SYNTAX},
		{"127.0.0.0/8", ERR_DENIED},
		{"::1", ERR_DENIED},
		{"198.51.100.0/25", ERR_DENIED},
		{"2001:db8:ff:9::/64", ERR_DENIED},
	};
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct guard_row row = {.network = span_str(wrong[i].network)};

		ASSERT_ERR(guard_set(g, &row, &e), wrong[i].code);
	}
	/* a wide one holds what is never banned, and does not ban it */
	set(g, "0.0.0.0/0", GUARD_BAN, 0);
	assert_false(admits(g, "192.0.2.1"));
	assert_true(admits(g, "127.0.0.1"));
	assert_true(admits(g, "198.51.100.1"));
}

static void bans_that_cannot_be_are_refused(void **state)
{
	(void)state;
	play(story_wrong);
}

/* ---- what lasts ---- */

static FIBER void first_life(struct guard *g)
{
	guess(g, "192.0.2.1", "alice", 10);
	set(g, "203.0.113.0/24", GUARD_BAN, 0);
	set(g, "10.0.0.0/8", GUARD_ALLOW, CLOCK_HOUR);
	set(g, "203.0.113.9", GUARD_BAN, CLOCK_HOUR);
}

static FIBER void second_life(struct guard *g)
{
	struct arena *a = arena_new();
	struct guard_row *rows;
	struct err e = {0};
	size_t count;

	assert_false(admits(g, "192.0.2.1"));
	assert_true(admits_mail(g, "192.0.2.1"));
	assert_false(admits_mail(g, "203.0.113.9"));
	assert_ok(guard_list(g, a, &rows, &count, &e), &e);
	assert_int_equal(count, 4);
	assert_span(rows[0].network, "192.0.2.1");
	assert_span(rows[0].made_by, "guard");
	assert_span(rows[0].reason, "10 failed logins within 10m");
	assert_int_equal(rows[0].until_ns - rows[0].made_ns, 15 * CLOCK_MIN);
	assert_span(rows[1].network, "203.0.113.0/24");
	assert_span(rows[2].network, "10.0.0.0/8");
	assert_int_equal(rows[2].kind, GUARD_ALLOW);
	assert_ok(guard_remove(g, SPAN("203.0.113.9"), &e), &e);
	assert_ok(guard_remove(g, SPAN("192.0.2.1"), &e), &e);
	arena_free(&a);
}

static FIBER void third_life(struct guard *g)
{
	assert_true(admits(g, "192.0.2.1"));
	assert_true(may(g, "192.0.2.1", "alice"));
	assert_false(admits(g, "203.0.113.9"));
	assert_true(admits(g, "10.1.2.3"));
}

static void live(struct store_fixture *f, void (*story)(struct guard *g))
{
	struct play y = {.story = story, .store = f->s};
	struct loop *l = loop_new_uv(&(struct loop_opts){.name = "test"}, NULL);
	struct err e = {0};

	assert_int_equal(loop_run(l, play_main, &y, &e), 0);
	loop_free(&l);
	store_fixture_reopen(f);
}

static void bans_last_over_restarts(void **state)
{
	live(*state, first_life);
	live(*state, second_life);
	live(*state, third_life);
}

/* ---- many loops ---- */

struct crowd {
	struct guard *g;
	unsigned index;
	pthread_t thread;
};

static void *crowd_main(void *arg)
{
	struct crowd *c = arg;
	struct arena *a = arena_new();

	for (unsigned i = 0; i < 2000; i++) {
		const char *from = arena_printf(a, "192.0.2.%u", i % 50);
		struct addr peer = ip(from);
		int64_t wait;

		guard_login_may(c->g, &peer, SPAN("alice"), &wait);
		guard_login_tell(c->g, &peer, SPAN("alice"), 1, i % 7 == c->index, i);
		guard_admits(c->g, &peer, true, NULL);
		if (i % 200 == 0)
			arena_reset(a);
	}
	arena_free(&a);
	return NULL;
}

static void threads_share_it(void **state)
{
	struct guard_opts opts = {0};
	struct crowd crowd[3];
	struct guard_counters c;
	struct guard *g;

	(void)state;
	guard_limits_default(&opts.limits);
	g = guard_new(&opts);
	for (unsigned i = 0; i < ARRAY_LEN(crowd); i++) {
		crowd[i] = (struct crowd){.g = g, .index = i};
		assert_int_equal(pthread_create(&crowd[i].thread, NULL, crowd_main, &crowd[i]), 0);
	}
	for (unsigned i = 0; i < ARRAY_LEN(crowd); i++)
		pthread_join(crowd[i].thread, NULL);
	guard_counters(g, &c);
	assert_int_equal(c.networks, 50);
	guard_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_failures_ban_a_network_where_people_log_in_and_nowhere_else),
		cmocka_unit_test(bans_double_up_to_a_day_and_a_quiet_day_begins_anew),
		cmocka_unit_test(an_ipv6_network_is_a_64_and_a_mapped_address_is_ipv4),
		cmocka_unit_test(failures_are_forgotten_with_time),
		cmocka_unit_test(loopback_trusted_and_allowed_networks_are_never_banned),
		cmocka_unit_test(a_network_with_a_recent_login_is_slowed_not_banned),
		cmocka_unit_test(the_same_wrong_password_again_counts_once),
		cmocka_unit_test(guesses_slow_strangers_not_the_owner_where_he_is_known),
		cmocka_unit_test(guesses_from_where_the_owner_is_known_wait_too),
		cmocka_unit_test(who_does_not_exist_is_counted_like_who_does),
		cmocka_unit_test(what_is_remembered_is_bounded),
		cmocka_unit_test(the_narrowest_network_decides),
		cmocka_unit_test(what_is_undone_is_forgotten_as_a_whole),
		cmocka_unit_test(bans_that_cannot_be_are_refused),
		cmocka_unit_test_setup_teardown(
			bans_last_over_restarts, store_set_up, store_tear_down),
		cmocka_unit_test(threads_share_it),
	};

	return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
