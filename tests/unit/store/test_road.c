#include "store_test.h"

#include "store/directory.h"
#include "store/road.h"

static struct road_member members[] = {
	{SPAN("[mail1.example]:25"), 3, false},
	{SPAN("[mail2.example]:25"), 1, true},
};

static struct road_pool pool(const char *name)
{
	return (struct road_pool){.name = span_str(name),
		.policy = ROAD_WEIGHT,
		.member_count = ARRAY_LEN(members),
		.members = members};
}

static void play_pools(struct store_fixture *f)
{
	struct road_pool p = pool("mails"), *list;
	struct directory_route route = {SPAN("example.org"), SPAN("pool:mails"), false};
	uint64_t generation = store_directory_generation(f->s);
	struct err e = {0};
	size_t count;

	ASSERT_ERR(road_pool_set(f->s, &p, false, &e), ERR_NOT_FOUND);
	assert_ok(road_pool_set(f->s, &p, true, &e), &e);
	assert_true(store_directory_generation(f->s) > generation);
	ASSERT_ERR(road_pool_set(f->s, &p, true, &e), ERR_EXISTS);
	assert_ok(road_pool_list(f->s, f->a, &list, &count, &e), &e);
	assert_int_equal(count, 1);
	assert_true(span_eq(list[0].name, SPAN("mails")));
	assert_int_equal(list[0].policy, ROAD_WEIGHT);
	assert_int_equal(list[0].member_count, 2);
	assert_true(span_eq(list[0].members[0].next_hop, members[0].next_hop));
	assert_int_equal(list[0].members[0].weight, 3);
	assert_true(list[0].members[1].is_off);

	p.member_count = 1;
	p.policy = ROAD_ORDER;
	assert_ok(road_pool_set(f->s, &p, false, &e), &e);
	assert_ok(road_pool_list(f->s, f->a, &list, &count, &e), &e);
	assert_int_equal(list[0].policy, ROAD_ORDER);
	assert_int_equal(list[0].member_count, 1);

	assert_ok(directory_route_set(f->s, &route, true, &e), &e);
	ASSERT_ERR(road_pool_remove(f->s, SPAN("mails"), &e), ERR_STATE);
	assert_ok(directory_route_remove(f->s, SPAN("example.org"), &e), &e);
	assert_ok(road_pool_remove(f->s, SPAN("mails"), &e), &e);
	ASSERT_ERR(road_pool_remove(f->s, SPAN("mails"), &e), ERR_NOT_FOUND);
	assert_ok(road_pool_list(f->s, f->a, &list, &count, &e), &e);
	assert_int_equal(count, 0);
}

static void pools_are_kept_with_their_members(void **state)
{
	store_play(state, play_pools);
}

static void play_refusals(struct store_fixture *f)
{
	static const char *const names[] = {"", "a b", "a|b", "a:b", "\xc3\xa4"};
	struct road_member twice[] = {members[0], members[0]}, light = members[0];
	struct road_egress g = {.name = SPAN("out"), .weight = 1, .hostname = SPAN("a\r\nb")};
	struct road_credential c = {.next_hop = SPAN("[a]:25"), .username = SPAN("u")};
	struct road_pool p = pool("mails");
	struct err e = {0};
	uint64_t n;

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct road_pool wrong = pool(names[i]);

		ASSERT_ERR(road_pool_set(f->s, &wrong, true, &e), ERR_SYNTAX);
	}
	p.members = twice;
	ASSERT_ERR(road_pool_set(f->s, &p, true, &e), ERR_SYNTAX);
	light.weight = 0;
	p.members = &light;
	p.member_count = 1;
	ASSERT_ERR(road_pool_set(f->s, &p, true, &e), ERR_SYNTAX);
	p.member_count = 0;
	ASSERT_ERR(road_pool_set(f->s, &p, true, &e), ERR_SYNTAX);
	ASSERT_ERR(road_egress_set(f->s, &g, true, &n, &e), ERR_SYNTAX);
	ASSERT_ERR(road_credential_set(f->s, &c, &e), ERR_SYNTAX); /* no secret */
	c.secret = SPAN("s\n");
	ASSERT_ERR(road_credential_set(f->s, &c, &e), ERR_SYNTAX);
	assert_null(strstr(e.text, "s\n"));
}

static void what_is_wrong_is_refused(void **state)
{
	store_play(state, play_refusals);
}

static void play_egress(struct store_fixture *f)
{
	struct road_egress g = {.name = SPAN("out"),
		.address4 = SPAN("127.0.0.2"),
		.hostname = SPAN("out.example"),
		.weight = 2,
		.is_ptr_needed = true};
	struct road_egress *list;
	struct err e = {0};
	size_t count;
	uint64_t n = 9;

	assert_ok(road_egress_set(f->s, &g, true, &n, &e), &e);
	assert_int_equal(n, 0);
	g.proxy = SPAN("socks5://127.0.0.1:1080");
	assert_ok(road_egress_set(f->s, &g, true, &n, &e), &e);
	assert_int_equal(n, 1);
	g.weight = 7;
	g.n = 1;
	assert_ok(road_egress_set(f->s, &g, false, &n, &e), &e);
	g.n = 5;
	ASSERT_ERR(road_egress_set(f->s, &g, false, &n, &e), ERR_NOT_FOUND);
	assert_ok(road_egress_list(f->s, f->a, &list, &count, &e), &e);
	assert_int_equal(count, 2);
	assert_true(span_eq(list[0].address4, SPAN("127.0.0.2")));
	assert_true(list[0].is_ptr_needed);
	assert_int_equal(list[1].weight, 7);
	assert_true(span_eq(list[1].proxy, g.proxy));
	assert_ok(road_egress_remove(f->s, SPAN("out"), 0, &e), &e);
	ASSERT_ERR(road_egress_remove(f->s, SPAN("out"), 0, &e), ERR_NOT_FOUND);
	assert_ok(road_egress_remove(f->s, SPAN("out"), -1, &e), &e);
	ASSERT_ERR(road_egress_remove(f->s, SPAN("out"), -1, &e), ERR_NOT_FOUND);
}

static void egresses_are_rows_of_one_name(void **state)
{
	store_play(state, play_egress);
}

static void play_credentials(struct store_fixture *f)
{
	struct road_credential c = {.next_hop = SPAN("[smart.example]:587"),
		.username = SPAN("me"),
		.secret = SPAN("pencil")};
	struct road_credential *list;
	struct err e = {0};
	size_t count;

	assert_ok(road_credential_set(f->s, &c, &e), &e);
	c.sender = SPAN("@example.org");
	c.is_clear_allowed = true;
	c.mechs = SPAN("PLAIN");
	assert_ok(road_credential_set(f->s, &c, &e), &e);
	c.secret = SPAN("pen");
	assert_ok(road_credential_set(f->s, &c, &e), &e); /* replaced */
	assert_ok(road_credential_list(f->s, f->a, &list, &count, &e), &e);
	assert_int_equal(count, 2);
	assert_true(span_eq(list[0].secret, SPAN("pencil")));
	assert_false(list[0].is_clear_allowed);
	assert_true(span_eq(list[1].secret, SPAN("pen")));
	assert_true(list[1].is_clear_allowed);
	assert_ok(road_credential_remove(f->s, c.next_hop, c.sender, &e), &e);
	ASSERT_ERR(road_credential_remove(f->s, c.next_hop, c.sender, &e), ERR_NOT_FOUND);
}

static void logins_are_kept_by_next_hop_and_sender(void **state)
{
	store_play(state, play_credentials);
}

static void play_pages(struct store_fixture *f)
{
	struct road_pool *list;
	struct err e = {0};
	size_t count;

	for (int i = 0; i < 300; i++) {
		struct road_pool p = pool(arena_printf(f->a, "p%03d", i));

		assert_ok(road_pool_set(f->s, &p, true, &e), &e);
	}
	assert_ok(road_pool_list(f->s, f->a, &list, &count, &e), &e);
	assert_int_equal(count, 300);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(list[i].member_count, 2);
}

static void lists_page_through_everything(void **state)
{
	store_play(state, play_pages);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(pools_are_kept_with_their_members),
		CASE(what_is_wrong_is_refused),
		CASE(egresses_are_rows_of_one_name),
		CASE(logins_are_kept_by_next_hop_and_sender),
		CASE(lists_page_through_everything),
	};

	return cmocka_run_group_tests_name("store/road", tests, NULL, NULL);
}
