#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "lib/scratch.h"
#include "run/loop.h"
#include "store/account_admin.h"
#include "services/router/router.h"
#include "services/router/router_priv.h"

struct fixture {
	struct arena *a;
	char dir[SCRATCH_MAX];
	struct store *s;
	struct loop *loop;
	struct router *r;
	void (*play)(struct fixture *f);
};

static int set_up(void **state)
{
	struct arena *a = arena_new();
	struct fixture *f = ARENA_NEW(a, struct fixture);
	struct err e = {0};

	f->a = a;
	assert_true(scratch_new(f->dir));
	f->s = store_open(&(struct store_opts){.dir = f->dir, .is_fsync_off = true}, &e);
	assert_non_null(f->s);
	f->loop = loop_new_uv(&(struct loop_opts){.name = "test"}, &e);
	assert_non_null(f->loop);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	loop_free(&f->loop);
	store_close(&f->s);
	assert_true(scratch_remove(f->dir));
	arena_free(&f->a);
	return 0;
}

static void alias(struct fixture *f, const char *address, const char *targets)
{
	struct directory_alias al = {.address = span_str(address)};
	struct span rest = span_str(targets), word;
	struct err e = {0};

	al.targets = ARENA_ARRAY(f->a, struct span, 1100);
	while ((word = span_word(&rest)).len)
		al.targets[al.target_count++] = word;
	assert_int_equal(directory_alias_set(f->s, &al, false, &e), 0);
}

static void account(struct fixture *f, const char *address, bool is_suspended)
{
	struct directory_account acc = {.address = span_str(address), .is_suspended = is_suspended};

	assert_int_equal(directory_account_set(f->s, &acc, SPAN_NONE, true, NULL), 0);
}

static void route(struct fixture *f, const char *domain, const char *hop, bool is_lmtp)
{
	struct directory_route r = {span_str(domain), span_str(hop), is_lmtp};

	assert_int_equal(directory_route_set(f->s, &r, false, NULL), 0);
}

static void people(struct fixture *f)
{
	assert_int_equal(
		directory_domain_set(f->s, SPAN("our.example"), DIRECTORY_DOMAIN_LOCAL, true, NULL),
		0);
	assert_int_equal(directory_domain_set(
				 f->s, SPAN("backup.example"), DIRECTORY_DOMAIN_RELAY, true, NULL),
		0);
	account(f, "alice@our.example", false);
	account(f, "bob@our.example", false);
	account(f, "gone@our.example", true);
	account(f, "x+y@our.example", false);
	alias(f, "team@our.example", "alice@our.example bob@our.example ALICE@our.example");
	alias(f, "deep@our.example", "team@our.example away@far.example");
	alias(f, "ring1@our.example", "ring2@our.example");
	alias(f, "ring2@our.example", "ring1@our.example");
	alias(f, "half@our.example", "ring1@our.example bob@our.example nobody@our.example");
	alias(f, "dead@our.example", "nobody@our.example gone@our.example");
	route(f, "routed.example", "relay.example:2526", false);
	route(f, "lmtp.example", "unix:/run/lmtp", true);
}

/* "bob@our.example* away@far.example>far.example": a star is local */
static void expect(struct fixture *f, const char *address, bool may_relay,
	enum router_verdict verdict, const char *targets)
{
	/* twice: from the store and from the cache */
	for (int turn = 0; turn < 2; turn++) {
		struct router_answer ans;
		struct err e = {0};
		struct buf b;

		assert_int_equal(
			router_resolve_address(f->r, f->a, span_str(address), may_relay, &ans, &e),
			0);
		buf_init(&b, 65536);
		for (size_t i = 0; i < ans.target_count; i++) {
			const struct router_target *t = &ans.targets[i];

			buf_printf(&b, "%s" SPAN_FMT, i ? " " : "", SPAN_ARG(t->address));
			if (t->is_local)
				buf_char(&b, '*');
			else
				buf_printf(&b, ">" SPAN_FMT, SPAN_ARG(t->destination));
			assert_int_equal(t->is_local, t->account_id != 0);
		}
		if (ans.verdict != verdict)
			print_message("%s: %s\n", address, router_verdict_str(ans.verdict));
		assert_int_equal(ans.verdict, verdict);
		assert_string_equal(buf_cstr(&b), targets);
		buf_fini(&b);
	}
}

static void play_answers(struct fixture *f)
{
	people(f);
	expect(f, "alice@our.example", false, ROUTER_OK, "alice@our.example*");
	expect(f, "Alice@OUR.example", false, ROUTER_OK, "Alice@OUR.example*");
	expect(f, "\"alice\"@our.example", false, ROUTER_OK, "\"alice\"@our.example*");
	expect(f, "alice+lists@our.example", false, ROUTER_OK, "alice+lists@our.example*");
	expect(f, "x+y@our.example", false, ROUTER_OK, "x+y@our.example*");
	expect(f, "+alice@our.example", false, ROUTER_UNKNOWN_USER, "");
	expect(f, "nobody@our.example", false, ROUTER_UNKNOWN_USER, "");
	expect(f, "nobody@our.example", true, ROUTER_UNKNOWN_USER, "");
	expect(f, "gone@our.example", false, ROUTER_SUSPENDED, "");
	expect(f, "postmaster", false, ROUTER_OK, "postmaster@our.example*");
	expect(f, "PostMaster@our.example", false, ROUTER_OK, "PostMaster@our.example*");
	expect(f, "postmaster@mx.our.example", false, ROUTER_OK, "postmaster@mx.our.example*");
	expect(f, "someone", false, ROUTER_UNKNOWN_USER, "");
	expect(f, "x@backup.example", false, ROUTER_OK, "x@backup.example>backup.example");
	expect(f, "x@far.example", false, ROUTER_NO_RELAY, "");
	expect(f, "x@far.example", true, ROUTER_OK, "x@far.example>far.example");
	expect(f, "x@FAR.example.", true, ROUTER_OK, "x@FAR.example.>far.example");
	expect(f, "x@routed.example", true, ROUTER_OK, "x@routed.example>[relay.example]:2526");
	expect(f, "x@routed.example", false, ROUTER_NO_RELAY, "");
	expect(f, "x@lmtp.example", true, ROUTER_OK, "x@lmtp.example>lmtp:unix:/run/lmtp");
	expect(f, "x@[192.0.2.1]", true, ROUTER_OK, "x@[192.0.2.1]>[192.0.2.1]");
	expect(f, "x@[IPv6:2001:db8::1]", true, ROUTER_OK,
		"x@[IPv6:2001:db8::1]>[ipv6:2001:db8::1]");
	expect(f, "x@[192.0.2.1]", false, ROUTER_NO_RELAY, "");
	expect(f, "x@a..b", true, ROUTER_BAD_DOMAIN, "");
	/* U-labels are looked up as A-labels */
	expect(f,
		"x@b\xc3\xbc"
		"cher.example",
		true, ROUTER_OK,
		"x@b\xc3\xbc"
		"cher.example>xn--bcher-kva.example");
}

static FIBER bool is_daemon(void *arg, struct span login)
{
	(void)arg;
	return span_eq(login, SPAN("daemon"));
}

/* Users of the machine have their addresses at its name. */
static void play_host_name(struct fixture *f)
{
	people(f);
	alias(f, "postmaster@our.example", "bob@our.example");
	expect(f, "alice@mx.our.example", false, ROUTER_OK, "alice@our.example*");
	expect(f, "team@mx.our.example", false, ROUTER_OK, "alice@our.example* bob@our.example*");
	expect(f, "root@mx.our.example", false, ROUTER_OK, "bob@our.example*");
	expect(f, "daemon@mx.our.example", false, ROUTER_UNKNOWN_USER, "");
	expect(f, "daemon@mx.our.example", true, ROUTER_OK, "bob@our.example*");
	expect(f, "stranger@mx.our.example", true, ROUTER_UNKNOWN_USER, "");
	/* a name of its own in the domain comes first */
	alias(f, "root@our.example", "alice@our.example");
	expect(f, "root@mx.our.example", false, ROUTER_OK, "alice@our.example*");
	/* where the host name is a domain of its own, it is one like others */
	assert_int_equal(directory_domain_set(
				 f->s, SPAN("mx.our.example"), DIRECTORY_DOMAIN_LOCAL, true, NULL),
		0);
	expect(f, "alice@mx.our.example", false, ROUTER_UNKNOWN_USER, "");
}

static void play_aliases(struct fixture *f)
{
	people(f);
	expect(f, "team@our.example", false, ROUTER_OK, "alice@our.example* bob@our.example*");
	expect(f, "deep@our.example", false, ROUTER_OK,
		"away@far.example>far.example alice@our.example* bob@our.example*");
	expect(f, "ring1@our.example", false, ROUTER_ALIAS_LOOP, "");
	expect(f, "half@our.example", false, ROUTER_OK, "bob@our.example*");
	expect(f, "dead@our.example", false, ROUTER_UNKNOWN_USER, "");
}

static void play_alias_limits(struct fixture *f)
{
	struct buf name, next;

	people(f);
	buf_init(&name, 64);
	buf_init(&next, 64);
	for (int i = 0; i <= ROUTER_ALIAS_DEPTH_MAX + 1; i++) {
		buf_clear(&name);
		buf_clear(&next);
		buf_printf(&name, "c%d@our.example", i);
		buf_printf(&next,
			i > ROUTER_ALIAS_DEPTH_MAX ? "alice@our.example" : "c%d@our.example",
			i + 1);
		alias(f, buf_cstr(&name), buf_cstr(&next));
	}
	expect(f, "c0@our.example", false, ROUTER_ALIAS_TOO_MANY, "");
	expect(f, "c3@our.example", false, ROUTER_OK, "alice@our.example*");
	buf_fini(&name);
	buf_fini(&next);

	struct buf many, wide;

	buf_init(&many, 1 << 20);
	buf_init(&wide, 1 << 20);
	for (int i = 0; i < ROUTER_TARGETS_MAX; i++)
		buf_printf(&many, "p%d@far.example ", i);
	alias(f, "many@our.example", buf_cstr(&many));
	buf_printf(&wide, "many@our.example one@more.example");
	alias(f, "wide@our.example", buf_cstr(&wide));
	struct router_answer ans;
	assert_int_equal(
		router_resolve_address(f->r, f->a, SPAN("many@our.example"), false, &ans, NULL), 0);
	assert_int_equal(ans.verdict, ROUTER_OK);
	assert_int_equal(ans.target_count, ROUTER_TARGETS_MAX);
	expect(f, "wide@our.example", false, ROUTER_ALIAS_TOO_MANY, "");
	buf_fini(&many);
	buf_fini(&wide);
}

/* What an administrator changes is so at the next letter. */
static void play_changes(struct fixture *f)
{
	people(f);
	expect(f, "carol@our.example", false, ROUTER_UNKNOWN_USER, "");
	account(f, "carol@our.example", false);
	expect(f, "carol@our.example", false, ROUTER_OK, "carol@our.example*");
	expect(f, "x@far.example", true, ROUTER_OK, "x@far.example>far.example");
	route(f, "*", "[192.0.2.9]:25", false);
	expect(f, "x@far.example", true, ROUTER_OK, "x@far.example>[192.0.2.9]:25");
	expect(f, "x@far.example", false, ROUTER_NO_RELAY, "");
	assert_int_equal(directory_account_remove(f->s, SPAN("carol@our.example"), NULL), 0);
	expect(f, "carol@our.example", false, ROUTER_UNKNOWN_USER, "");
	assert_int_equal(
		directory_domain_set(f->s, SPAN("far.example"), DIRECTORY_DOMAIN_RELAY, true, NULL),
		0);
	expect(f, "x@far.example", false, ROUTER_OK, "x@far.example>[192.0.2.9]:25");
}

/* More addresses than the cache keeps: still right, and bounded. */
static void play_many(struct fixture *f)
{
	people(f);
	for (int i = 0; i < 300; i++) {
		struct arena *a = arena_new();
		struct router_answer ans;

		assert_int_equal(
			router_resolve_address(f->r, a,
				span_str(arena_printf(a, "x@d%d.example", i)), true, &ans, NULL),
			0);
		assert_int_equal(ans.target_count, 1);
		arena_free(&a);
	}
	expect(f, "alice@our.example", false, ROUTER_OK, "alice@our.example*");
}

static int run_main(void *arg)
{
	struct fixture *f = arg;
	struct router_opts opts = {.store = f->s,
		.hostname = "mx.our.example",
		.separator = '+',
		.is_user = is_daemon};

	f->r = router_new(&opts);
	f->play(f);
	router_free(&f->r);
	return 0;
}

static void run(void **state, void (*play)(struct fixture *f))
{
	struct fixture *f = *state;
	struct err e = {0};

	f->play = play;
	assert_int_equal(loop_run(f->loop, run_main, f, &e), 0);
}

static void test_answers(void **state)
{
	run(state, play_answers);
}

static void users_of_the_machine_have_addresses_at_its_name(void **state)
{
	run(state, play_host_name);
}

static void test_aliases(void **state)
{
	run(state, play_aliases);
}

static void test_alias_limits(void **state)
{
	run(state, play_alias_limits);
}

static void test_changes(void **state)
{
	run(state, play_changes);
}

static void test_many(void **state)
{
	run(state, play_many);
}

static void test_hop_keys(void **state)
{
	static const struct {
		const char *hop;
		bool is_lmtp;
		const char *key; /* NULL: refused */
	} cases[] = {
		{"relay.example:26", false, "[relay.example]:26"},
		{"Relay.Example", false, "[relay.example]:25"},
		{"relay.example", true, "lmtp:[relay.example]:24"},
		{"[relay.example]", false, "[relay.example]:25"},
		{"192.0.2.1", false, "[192.0.2.1]:25"},
		{"192.0.2.1:2525", false, "[192.0.2.1]:2525"},
		{"[192.0.2.1]:2525", false, "[192.0.2.1]:2525"},
		{"2001:db8::1", false, "[2001:db8::1]:25"},
		{"[2001:db8::1]:99", false, "[2001:db8::1]:99"},
		{"unix:/run/x", true, "lmtp:unix:/run/x"},
		{"pool:out", false, "pool:out"},
		{"mx", false, ""},
		{"mx:Hub.Example", false, "hub.example"},
		{"mx:[192.0.2.1]", false, NULL},
		{"mx:", false, NULL},
		{"pool:", false, NULL},
		{"pool:a|b", false, NULL},
		{"", false, NULL},
		{"host:", false, NULL},
		{"host:0", false, NULL},
		{"host:65536", false, NULL},
		{"host:port", false, NULL},
		{"[host", false, NULL},
		{"[host]x", false, NULL},
		{"[host]:", false, NULL},
		{"ho st", false, NULL},
		{"host\r\nx", false, NULL},
		{"unix:relative", false, NULL},
		{"-x.example", false, NULL},
	};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct span key;
		struct err e = {0};
		int rc = router_hop_key(a, span_str(cases[i].hop), cases[i].is_lmtp, &key, &e);

		if ((rc == 0) != (cases[i].key != NULL))
			print_message("%s\n", cases[i].hop);
		assert_int_equal(rc, cases[i].key ? 0 : -1);
		if (cases[i].key)
			assert_true(span_eq(key, span_str(cases[i].key)));
		else
			assert_int_equal(e.code, ERR_SYNTAX);
	}
	arena_free(&a);
}

static void test_verdicts_have_triples(void **state)
{
	(void)state;
	for (int v = ROUTER_OK + 1; v < ROUTER_VERDICT_COUNT; v++) {
		struct err e = {0};

		assert_int_equal(router_verdict_err((enum router_verdict)v, &e), -1);
		bool is_passing = v == ROUTER_UNVERIFIED;
		assert_int_equal(e.smtp / 100, is_passing ? 4 : 5);
		assert_int_equal(e.enh_class, is_passing ? 4 : 5);
		assert_int_equal(e.scope, ERR_SCOPE_RCPT);
		assert_int_equal(e.again, is_passing ? ERR_AGAIN_LATER : ERR_AGAIN_NEVER);
	}
}

static void member(struct fixture *f, const char *group, const char *who)
{
	assert_int_equal(account_member_set(f->s, span_str(group), span_str(who),
				 ACCOUNT_RIGHT_RECEIVE, true, NULL),
		0);
}

static void kind(struct fixture *f, const char *address, enum account_kind k)
{
	struct directory_account acc = {.address = span_str(address), .kind = k};

	assert_int_equal(directory_account_set(f->s, &acc, SPAN_NONE, true, NULL), 0);
}

static void tell_groups(struct fixture *f)
{
	struct span far = SPAN("away@far.example");

	people(f);
	kind(f, "crew@our.example", ACCOUNT_GROUP);
	kind(f, "inner@our.example", ACCOUNT_GROUP);
	kind(f, "desk@our.example", ACCOUNT_TEAM);
	expect(f, "crew@our.example", false, ROUTER_UNKNOWN_USER, "");
	expect(f, "desk@our.example", false, ROUTER_OK, "desk@our.example*");
	member(f, "crew@our.example", "alice@our.example");
	member(f, "crew@our.example", "gone@our.example");
	member(f, "crew@our.example", "inner@our.example");
	member(f, "inner@our.example", "bob@our.example");
	member(f, "inner@our.example", "alice@our.example");
	member(f, "inner@our.example", "crew@our.example");
	expect(f, "crew@our.example", false, ROUTER_OK, "alice@our.example* bob@our.example*");
	expect(f, "crew+x@our.example", false, ROUTER_OK, "alice@our.example* bob@our.example*");
	assert_int_equal(
		directory_forward_set(f->s, SPAN("crew@our.example"), &far, 1, false, NULL), 0);
	expect(f, "crew@our.example", false, ROUTER_OK,
		"alice@our.example* away@far.example>far.example bob@our.example*");
	assert_int_equal(account_remove(f->s, SPAN("bob@our.example"), 1000, NULL), 0);
	expect(f, "bob@our.example", false, ROUTER_UNKNOWN_USER, "");
	expect(f, "crew@our.example", false, ROUTER_OK,
		"alice@our.example* away@far.example>far.example");
	assert_int_equal(account_remove(f->s, SPAN("crew@our.example"), 1000, NULL), 0);
	expect(f, "crew@our.example", false, ROUTER_UNKNOWN_USER, "");
}

static void test_groups_are_their_members(void **state)
{
	run(state, tell_groups);
}

static void quota(struct fixture *f, const char *address, uint64_t octets)
{
	struct directory_account acc = {.address = span_str(address), .quota_octets = octets};

	assert_int_equal(directory_account_set(f->s, &acc, SPAN_NONE, false, NULL), 0);
}

static void expect_room(struct fixture *f, const char *address, uint64_t octets,
	enum router_room want, size_t want_full)
{
	struct router_answer ans;
	enum router_room room;
	size_t full = 0;

	assert_int_equal(
		router_resolve_address(f->r, f->a, span_str(address), false, &ans, NULL), 0);
	assert_int_equal(ans.verdict, ROUTER_OK);
	assert_int_equal(router_room(f->r, f->a, &ans, octets, &room, NULL), 0);
	assert_int_equal(room, want);
	for (size_t i = 0; i < ans.target_count; i++) {
		full += ans.targets[i].is_full;
		assert_int_equal(ans.targets[i].is_full, !ans.targets[i].is_local);
	}
	assert_int_equal(full, want_full);
}

static void tell_room(struct fixture *f)
{
	people(f);
	expect_room(f, "alice@our.example", 1ULL << 40, ROUTER_ROOM, 0);
	quota(f, "alice@our.example", 1000);
	expect_room(f, "alice@our.example", 0, ROUTER_ROOM, 0);
	expect_room(f, "alice@our.example", 1000, ROUTER_ROOM, 0);
	expect_room(f, "alice@our.example", 1001, ROUTER_ROOM_NEVER, 0);
	/* of several, who has no room goes without, whatever the cache holds */
	for (int turn = 0; turn < 2; turn++) {
		expect_room(f, "team@our.example", 1000, ROUTER_ROOM, 0);
		expect_room(f, "team@our.example", 1001, ROUTER_ROOM, 1);
	}
	quota(f, "bob@our.example", 500);
	expect_room(f, "team@our.example", 501, ROUTER_ROOM, 1);
	expect_room(f, "team@our.example", 1001, ROUTER_ROOM_NEVER, 0);
	quota(f, "alice@our.example", 0);
	expect_room(f, "team@our.example", 1001, ROUTER_ROOM, 1);
}

static void test_room_is_asked_afresh(void **state)
{
	run(state, tell_room);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			users_of_the_machine_have_addresses_at_its_name, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_aliases, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_groups_are_their_members, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_room_is_asked_afresh, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_alias_limits, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_changes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_many, set_up, tear_down),
		cmocka_unit_test(test_hop_keys),
		cmocka_unit_test(test_verdicts_have_triples),
	};

	return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
