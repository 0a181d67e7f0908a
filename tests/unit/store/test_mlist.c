/* Mailing lists: names nobody else bears, members in pages, bounces that are counted, what waits. */

#include "store_test.h"

#include "base/clock.h"
#include "store/db/db.h"
#include "store/directory.h"
#include "store/mlist.h"

#define HALF (7 * CLOCK_DAY)
#define GAP  (20 * CLOCK_HOUR)

static int exec_sql(struct db *db, void *arg, struct err *e)
{
	return db_exec(db, arg, e);
}

static void sql(struct store_fixture *f, const char *text)
{
	struct err e = {0};

	assert_ok(store_write(f->s, "test.sql", exec_sql, (void *)(uintptr_t)text, &e), &e);
}

static uint64_t new_list(struct store_fixture *f, const char *local)
{
	struct mlist_info l = {.local = span_str(local), .domain = SPAN("example.org")};
	struct err e = {0};
	uint64_t id = 0;

	assert_ok(mlist_add(f->s, &l, &id, &e), &e);
	return id;
}

static uint64_t set_up(struct store_fixture *f)
{
	struct err e = {0};

	assert_ok(directory_domain_set(f->s, SPAN("example.org"), DIRECTORY_DOMAIN_LOCAL, true, &e),
		&e);
	return new_list(f, "team");
}

static void put(struct store_fixture *f, uint64_t list, const char *address, unsigned role)
{
	struct mlist_member m = {.address = span_str(address), .role = role};
	struct err e = {0};

	assert_ok(mlist_member_put(f->s, list, &m, NULL, &e), &e);
}

static uint64_t kept(struct store_fixture *f, uint64_t list)
{
	struct mlist_info l;
	struct err e = {0};

	assert_ok(mlist_get(f->s, f->a, list, &l, &e), &e);
	return l.members;
}

/* ---- lists ---- */

static void play_lists(struct store_fixture *f)
{
	struct mlist_info l, *all = NULL;
	uint64_t id = set_up(f), other = new_list(f, "b-team");
	struct err e = {0};
	size_t count;

	assert_ok(mlist_find(f->s, f->a, SPAN("TEAM@Example.ORG"), &l, &e), &e);
	assert_int_equal(l.id, id);
	assert_int_equal(l.post, MLIST_POST_MEMBERS);
	l.title = SPAN("The team");
	l.post = MLIST_POST_MODERATED;
	l.join = MLIST_JOIN_OWNERS;
	l.rewrite = MLIST_REWRITE_NEVER;
	l.subject_prefix = SPAN("[t]");
	l.footer = SPAN("two\nlines");
	l.octets_max = 1000;
	l.is_reply_to_list = true;
	assert_ok(mlist_set(f->s, &l, &e), &e);
	store_fixture_reopen(f);
	assert_ok(mlist_get(f->s, f->a, id, &l, &e), &e);
	assert_span(l.title, "The team");
	assert_span(l.footer, "two\nlines");
	assert_int_equal(l.post, MLIST_POST_MODERATED);
	assert_int_equal(l.join, MLIST_JOIN_OWNERS);
	assert_int_equal(l.rewrite, MLIST_REWRITE_NEVER);
	assert_int_equal(l.octets_max, 1000);
	assert_true(l.is_reply_to_list && l.created_ns);

	assert_ok(mlist_all(f->s, f->a, SPAN_NONE, &all, &count, &e), &e);
	assert_int_equal(count, 2);
	assert_span(all[0].local, "b-team");
	assert_ok(mlist_all(f->s, f->a, SPAN("example.net"), &all, &count, &e), &e);
	assert_int_equal(count, 0);
	put(f, other, "a@b.example", MLIST_RECEIVES);
	assert_ok(mlist_remove(f->s, other, &e), &e);
	ASSERT_ERR(mlist_get(f->s, f->a, other, &l, &e), ERR_NOT_FOUND);
	ASSERT_ERR(mlist_find(f->s, f->a, SPAN("b-team@example.org"), &l, &e), ERR_NOT_FOUND);
}

static void lists_are_kept(void **state)
{
	store_play(state, play_lists);
}

static const struct {
	const char *local, *domain;
	enum err_code code;
} refused[] = {
	{"team", "example.org", ERR_EXISTS},
	{"TEAM", "Example.org", ERR_EXISTS},
	{"alice", "example.org", ERR_EXISTS},
	{"sales", "example.org", ERR_EXISTS},
	{"new", "relayed.example", ERR_NOT_FOUND},
	{"new", "nowhere.example", ERR_NOT_FOUND},
	{"", "example.org", ERR_SYNTAX},
	{"a@b", "example.org", ERR_SYNTAX},
	{"123456789012345678901234567890123456789012345678901", "example.org", ERR_SYNTAX},
	{"new", "a..b", ERR_SYNTAX},
};

static void play_taken(struct store_fixture *f)
{
	struct directory_account acc = {.address = SPAN("alice@example.org")};
	struct span to = SPAN("alice@example.org");
	struct directory_alias alias = {SPAN("sales@example.org"), 1, &to};
	struct mlist_info l = {.local = SPAN("new"), .domain = SPAN("example.org")};
	struct err e = {0};
	uint64_t id;

	set_up(f);
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), &e);
	assert_ok(directory_alias_set(f->s, &alias, true, &e), &e);
	assert_ok(directory_domain_set(
			  f->s, SPAN("relayed.example"), DIRECTORY_DOMAIN_RELAY, true, &e),
		&e);
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct mlist_info wrong = {
			.local = span_str(refused[i].local), .domain = span_str(refused[i].domain)};

		e = (struct err){0};
		if (mlist_add(f->s, &wrong, &id, &e) == 0 || e.code != refused[i].code)
			fail_msg("%s@%s: %s", refused[i].local, refused[i].domain, e.text);
	}
	l.title = SPAN("two\nlines");
	ASSERT_ERR(mlist_add(f->s, &l, &id, &e), ERR_SYNTAX);
	/* and the other way round */
	acc.address = alias.address = SPAN("team@example.org");
	ASSERT_ERR(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), ERR_EXISTS);
	ASSERT_ERR(directory_alias_set(f->s, &alias, true, &e), ERR_EXISTS);
}

static void names_that_are_taken_are_refused(void **state)
{
	store_play(state, play_taken);
}

/* ---- members ---- */

static void play_members(struct store_fixture *f)
{
	uint64_t id = set_up(f), generation = store_directory_generation(f->s);
	struct mlist_member m = {.address = SPAN("Ann@B\xc3\xbc"
						 "cher.example"),
		.name = SPAN("Ann"),
		.role = MLIST_RECEIVES | MLIST_OWNER};
	struct err e = {0};
	bool is_new;

	assert_ok(mlist_member_put(f->s, id, &m, &is_new, &e), &e);
	assert_true(is_new && store_directory_generation(f->s) > generation);
	m = (struct mlist_member){
		.address = SPAN("ann@xn--bcher-kva.example"), .state = MLIST_PAUSED};
	assert_ok(mlist_member_put(f->s, id, &m, &is_new, &e), &e);
	assert_false(is_new);
	assert_int_equal(kept(f, id), 1);
	assert_ok(mlist_member_get(f->s, f->a, id, SPAN("ANN@xn--bcher-kva.example"), &m, &e), &e);
	assert_int_equal(m.state, MLIST_PAUSED);
	assert_int_equal(m.role, 0);
	assert_span(m.name, "");
	assert_true(m.joined_ns > 0);
	m.name = SPAN("a\nb");
	ASSERT_ERR(mlist_member_put(f->s, id, &m, NULL, &e), ERR_SYNTAX);
	m = (struct mlist_member){.address = SPAN("nobody")};
	ASSERT_ERR(mlist_member_put(f->s, id, &m, NULL, &e), ERR_SYNTAX);
	m.address = SPAN("a@b.example");
	ASSERT_ERR(mlist_member_put(f->s, id + 1, &m, NULL, &e), ERR_NOT_FOUND);
	ASSERT_ERR(mlist_member_remove(f->s, id, m.address, &e), ERR_NOT_FOUND);
	assert_ok(mlist_member_remove(f->s, id,
			  SPAN("Ann@B\xc3\xbc"
			       "cher.example"),
			  &e),
		&e);
	assert_int_equal(kept(f, id), 0);
	ASSERT_ERR(mlist_member_get(f->s, f->a, id, SPAN("ann@xn--bcher-kva.example"), &m, &e),
		ERR_NOT_FOUND);
}

static void members_come_change_and_go(void **state)
{
	store_play(state, play_members);
}

static size_t fill(struct store_fixture *f, uint64_t id, size_t from, size_t to)
{
	struct mlist_member *m = ARENA_ARRAY(f->a, struct mlist_member, MLIST_PAGE);
	size_t added_all = 0;
	struct err e = {0};

	while (from < to) {
		size_t n = 0;
		uint64_t added;

		for (; n < MLIST_PAGE && from < to; n++, from++)
			m[n] = (struct mlist_member){.role = MLIST_RECEIVES,
				.address = span_str(arena_printf(f->a, "m%05zu@b.example", from))};
		assert_ok(mlist_member_add_many(f->s, id, m, n, &added, &e), &e);
		added_all += added;
	}
	return added_all;
}

static void play_pages(struct store_fixture *f)
{
	uint64_t id = set_up(f), other = new_list(f, "other");
	struct span after = SPAN_NONE;
	struct mlist_member *m;
	struct err e = {0};
	size_t seen = 0, count;

	put(f, other, "m00001@b.example", MLIST_RECEIVES);
	put(f, id, "m00003@b.example", MLIST_OWNER);
	assert_int_equal(fill(f, id, 0, 600), 599);
	assert_int_equal(fill(f, id, 300, 700), 100);
	do {
		assert_ok(mlist_members(f->s, f->a, id, after, &m, &count, &e), &e);
		for (size_t i = 0; i < count; i++, seen++)
			assert_span(m[i].address, arena_printf(f->a, "m%05zu@b.example", seen));
		if (count)
			after = m[count - 1].address;
	} while (count);
	assert_int_equal(seen, 700);
	assert_int_equal(kept(f, id), 700);
	assert_int_equal(kept(f, other), 1);
	/* who was there has stayed as they were */
	assert_ok(mlist_member_get(f->s, f->a, id, SPAN("m00003@b.example"), m, &e), &e);
	assert_int_equal(m->role, MLIST_OWNER);
}

static void members_are_read_in_pages(void **state)
{
	store_play(state, play_pages);
}

static void play_full(struct store_fixture *f)
{
	uint64_t id = set_up(f), added;
	struct mlist_member m[2] = {{.address = SPAN("m00001@b.example")},
		{.address = SPAN("more@b.example"), .role = MLIST_RECEIVES}};
	struct err e = {0};

	assert_int_equal(fill(f, id, 0, MLIST_MEMBERS_MAX), MLIST_MEMBERS_MAX);
	ASSERT_ERR(mlist_member_put(f->s, id, &m[1], NULL, &e), ERR_LIMIT);
	ASSERT_ERR(mlist_member_add_many(f->s, id, m, 2, &added, &e), ERR_LIMIT);
	ASSERT_ERR(mlist_member_get(f->s, f->a, id, m[1].address, &m[1], &e), ERR_NOT_FOUND);
	assert_int_equal(kept(f, id), MLIST_MEMBERS_MAX);
	/* who is there can still be changed */
	assert_ok(mlist_member_put(f->s, id, &m[0], NULL, &e), &e);
	assert_ok(mlist_member_remove(f->s, id, m[0].address, &e), &e);
	assert_int_equal(fill(f, id, 1, 2), 1);
}

static void a_full_list_takes_no_more(void **state)
{
	store_play(state, play_full);
}

/* ---- bounces ---- */

static bool bounce(struct store_fixture *f, uint64_t id, uint32_t points)
{
	struct mlist_bounce b = {.points = points, .limit = 500, .gap_ns = GAP, .half_ns = HALF};
	struct err e = {0};

	assert_ok(mlist_member_bounced(f->s, id, SPAN("Ann@b.example"), &b, &e), &e);
	return b.is_suspended;
}

static void days_pass(struct store_fixture *f, int days)
{
	sql(f,
		arena_printf(f->a, "UPDATE list_member SET bounce_ns = bounce_ns - %lld",
			(long long)(days * CLOCK_DAY)));
}

static void expect(struct store_fixture *f, uint64_t id, uint32_t score, enum mlist_state want)
{
	struct mlist_member m;
	struct err e = {0};

	assert_ok(mlist_member_get(f->s, f->a, id, SPAN("ann@b.example"), &m, &e), &e);
	assert_int_equal(m.bounce_score, score);
	assert_int_equal(m.state, want);
}

static void play_bounces(struct store_fixture *f)
{
	uint64_t id = set_up(f);
	struct mlist_member m = {.address = SPAN("ann@b.example"), .role = MLIST_RECEIVES};
	struct err e = {0};

	assert_false(bounce(f, id, 100)); /* nobody there: nothing */
	put(f, id, "ann@b.example", MLIST_RECEIVES);
	assert_false(bounce(f, id, 100));
	assert_false(bounce(f, id, 100)); /* the second of a day is not counted */
	expect(f, id, 100, MLIST_ACTIVE);
	days_pass(f, 1);
	assert_false(bounce(f, id, 25));
	expect(f, id, 125, MLIST_ACTIVE);
	days_pass(f, 7);
	assert_false(bounce(f, id, 100));
	expect(f, id, 162, MLIST_ACTIVE); /* 125 / 2 + 100 */
	days_pass(f, 700);
	assert_false(bounce(f, id, 100));
	expect(f, id, 100, MLIST_ACTIVE);
	for (int day = 2; day <= 5; day++) {
		days_pass(f, 1);
		assert_int_equal(bounce(f, id, 100), day == 5);
	}
	expect(f, id, 500, MLIST_BOUNCING);
	days_pass(f, 1);
	assert_false(bounce(f, id, 100)); /* suspended once, not again */
	expect(f, id, 500, MLIST_BOUNCING);
	assert_ok(mlist_member_put(f->s, id, &m, NULL, &e), &e); /* active again: a clean sheet */
	expect(f, id, 0, MLIST_ACTIVE);
	m.state = MLIST_PAUSED;
	assert_ok(mlist_member_put(f->s, id, &m, NULL, &e), &e);
	days_pass(f, 1);
	assert_false(bounce(f, id, 500));
	expect(f, id, 0, MLIST_PAUSED);
}

static void bounces_are_counted_and_forgotten(void **state)
{
	store_play(state, play_bounces);
}

/* ---- what waits ---- */

static struct mlist_pending pending(uint64_t list, const char *token, const char *address)
{
	int64_t now = clock_wall_ns();

	return (struct mlist_pending){.token = span_str(token),
		.list_id = list,
		.kind = MLIST_PENDING_JOIN,
		.address = span_str(address),
		.made_ns = now,
		.expires_ns = now + CLOCK_HOUR};
}

static void play_pending(struct store_fixture *f)
{
	uint64_t id = set_up(f), other = new_list(f, "other");
	struct mlist_pending p = pending(id, "t1", "ann@b.example"), *all, got;
	struct err e = {0};
	size_t count;

	assert_ok(mlist_pending_add(f->s, &p, CLOCK_HOUR, &e), &e);
	p.token = SPAN("t2");
	ASSERT_ERR(mlist_pending_add(f->s, &p, CLOCK_HOUR, &e), ERR_BUSY);
	p.list_id = other; /* another list, another kind: asked for the first time */
	assert_ok(mlist_pending_add(f->s, &p, CLOCK_HOUR, &e), &e);
	p.list_id = id;
	p.kind = MLIST_PENDING_POST;
	p.token = SPAN("t3");
	p.msg_id = 77;
	p.subject = SPAN("hello");
	assert_ok(mlist_pending_add(f->s, &p, CLOCK_HOUR, &e), &e);
	p.token = SPAN("t4");
	p.made_ns += CLOCK_HOUR; /* the gap is over */
	p.msg_id = 78;
	assert_ok(mlist_pending_add(f->s, &p, CLOCK_HOUR, &e), &e);

	assert_ok(mlist_pending_of(f->s, f->a, 77, &got, &e), &e);
	assert_span(got.token, "t3");
	assert_span(got.subject, "hello");
	assert_int_equal(got.verdict, MLIST_UNDECIDED);
	ASSERT_ERR(mlist_pending_of(f->s, f->a, 79, &got, &e), ERR_NOT_FOUND);
	assert_ok(mlist_pending_decide(f->s, SPAN("t3"), MLIST_YES, &e), &e);
	assert_ok(mlist_pending_get(f->s, f->a, SPAN("t3"), &got, &e), &e);
	assert_int_equal(got.verdict, MLIST_YES);
	ASSERT_ERR(mlist_pending_decide(f->s, SPAN("none"), MLIST_YES, &e), ERR_NOT_FOUND);
	assert_ok(mlist_pending_all(f->s, f->a, id, MLIST_PENDING_POST, &all, &count, &e), &e);
	assert_int_equal(count, 2);
	assert_ok(mlist_pending_remove(f->s, SPAN("t3"), &e), &e);
	ASSERT_ERR(mlist_pending_get(f->s, f->a, SPAN("t3"), &got, &e), ERR_NOT_FOUND);
	assert_ok(mlist_remove(f->s, id, &e), &e); /* what waits goes with its list */
	ASSERT_ERR(mlist_pending_get(f->s, f->a, SPAN("t1"), &got, &e), ERR_NOT_FOUND);
	assert_ok(mlist_pending_get(f->s, f->a, SPAN("t2"), &got, &e), &e);
}

static void what_waits_is_kept_and_decided(void **state)
{
	store_play(state, play_pending);
}

static void play_limits(struct store_fixture *f)
{
	uint64_t id = set_up(f);
	struct mlist_pending p, got;
	struct err e = {0};

	p = pending(id, "old", "old@b.example");
	p.expires_ns = p.made_ns - 1;
	assert_ok(mlist_pending_add(f->s, &p, 0, &e), &e);
	ASSERT_ERR(mlist_pending_get(f->s, f->a, SPAN("old"), &got, &e), ERR_NOT_FOUND);
	for (int i = 0; i < MLIST_PENDING_MAX; i++) { /* the one that has expired takes no room */
		p = pending(
			id, arena_printf(f->a, "t%d", i), arena_printf(f->a, "m%d@b.example", i));
		assert_ok(mlist_pending_add(f->s, &p, CLOCK_HOUR, &e), &e);
	}
	p = pending(id, "more", "more@b.example");
	ASSERT_ERR(mlist_pending_add(f->s, &p, CLOCK_HOUR, &e), ERR_LIMIT);
	p.kind = MLIST_PENDING_POST; /* refusals that were told leave room for posts */
	assert_ok(mlist_pending_add(f->s, &p, CLOCK_HOUR, &e), &e);
	sql(f, "UPDATE list_pending SET expires_ns = 1 WHERE token = 't1'");
	assert_ok(mlist_pending_sweep(f->s, &e), &e);
	assert_ok(mlist_pending_get(f->s, f->a, SPAN("t2"), &got, &e), &e);
	p = pending(id, "again", "again@b.example");
	assert_ok(mlist_pending_add(f->s, &p, CLOCK_HOUR, &e), &e);
}

static void what_waits_is_bounded_and_expires(void **state)
{
	store_play(state, play_limits);
}

static void words_are_those_of_the_commands(void **state)
{
	assert_string_equal(mlist_post_str(MLIST_POST_MODERATED), "moderated");
	assert_string_equal(mlist_join_str(MLIST_JOIN_OWNERS), "owners");
	assert_string_equal(mlist_rewrite_str(MLIST_REWRITE_NEEDED), "needed");
	assert_null(mlist_post_str(4));
	assert_null(mlist_join_str(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(lists_are_kept, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			names_that_are_taken_are_refused, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			members_come_change_and_go, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			members_are_read_in_pages, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			a_full_list_takes_no_more, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			bounces_are_counted_and_forgotten, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			what_waits_is_kept_and_decided, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			what_waits_is_bounded_and_expires, store_set_up, store_tear_down),
		cmocka_unit_test(words_are_those_of_the_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
