/* What the directory knows beyond accounts and aliases: catch-alls, forwards, lists, relay recipients,
 * routes by suffix and by sender, logins. */

#include "store_test.h"

#include "store/db/db.h"
#include "store/directory.h"

static void ok_domain(struct store_fixture *f, const char *name, enum directory_domain_kind kind,
	enum directory_check check)
{
	struct directory_domain d = {.name = span_str(name), .kind = kind, .check = check};
	struct err e = {0};

	assert_ok(directory_domain_put(f->s, &d, false, &e), &e);
}

static void ok_account(struct store_fixture *f, const char *address)
{
	struct directory_account acc = {.address = span_str(address)};
	struct err e = {0};

	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), &e);
}

static void ok_alias(struct store_fixture *f, const char *address, const char *target)
{
	struct span to = span_str(target);
	struct directory_alias alias = {span_str(address), 1, &to};
	struct err e = {0};

	assert_ok(directory_alias_set(f->s, &alias, true, &e), &e);
}

static int exec_sql(struct db *db, void *arg, struct err *e)
{
	return db_exec(db, arg, e);
}

static void sql(struct store_fixture *f, const char *text)
{
	struct err e = {0};

	assert_ok(store_write(f->s, "test.sql", exec_sql, (void *)(uintptr_t)text, &e), &e);
}

static struct directory_answer ask(struct store_fixture *f, const char *address, bool no_catch_all)
{
	struct span whole = span_str(address);
	size_t at = (size_t)span_rfind(whole, '@');
	struct directory_question q = {.local = span_sub(whole, 0, at),
		.domain = span_skip(whole, at + 1),
		.separator = '+',
		.no_catch_all = no_catch_all};
	struct directory_answer answer;
	struct err e = {0};

	assert_ok(directory_find(f->s, f->a, &q, &answer, &e), &e);
	return answer;
}

static void people(struct store_fixture *f)
{
	ok_domain(f, "our.example", DIRECTORY_DOMAIN_LOCAL, DIRECTORY_CHECK_NONE);
	ok_domain(f, "plain.example", DIRECTORY_DOMAIN_LOCAL, DIRECTORY_CHECK_NONE);
	ok_account(f, "alice@our.example");
	ok_alias(f, "team@our.example", "alice@our.example");
	ok_alias(f, "@our.example", "rest@far.example");
	sql(f,
		"INSERT INTO list (id, domain, local, title, post, join_kind, rewrite, "
		"subject_prefix, footer, octets_max, is_reply_to_list, members, "
		"created_ns) VALUES (7, 'our.example', 'news', '', 0, 0, 0, '', '', 0, 0, 2, 0); "
		"INSERT INTO list_member VALUES (7, 'o@far.example', '', 8, 0, 0, 0, 0); "
		"INSERT INTO list_member VALUES (7, 'm@far.example', '', 1, 0, 0, 0, 0)");
}

static void play_order(struct store_fixture *f)
{
	static const struct {
		const char *address;
		enum directory_found found;
		enum directory_way way;
		const char *row;
	} cases[] = {
		{"alice@our.example", DIRECTORY_ACCOUNT, DIRECTORY_EXACT, "alice@our.example"},
		{"alice+x@our.example", DIRECTORY_ACCOUNT, DIRECTORY_SUBADDRESS,
			"alice@our.example"},
		{"team+x+y@our.example", DIRECTORY_ALIAS, DIRECTORY_SUBADDRESS, "team@our.example"},
		{"news@our.example", DIRECTORY_LIST, DIRECTORY_EXACT, "news@our.example"},
		{"news+x@our.example", DIRECTORY_LIST, DIRECTORY_SUBADDRESS, "news@our.example"},
		{"who@our.example", DIRECTORY_ALIAS, DIRECTORY_CATCH_ALL, "*@our.example"},
		{"news-other@our.example", DIRECTORY_ALIAS, DIRECTORY_CATCH_ALL, "*@our.example"},
		{"who@plain.example", DIRECTORY_UNKNOWN_USER, DIRECTORY_CATCH_ALL, ""},
		{"postmaster@our.example", DIRECTORY_ALIAS, DIRECTORY_CATCH_ALL, "*@our.example"},
		{"postmaster@plain.example", DIRECTORY_ACCOUNT, DIRECTORY_POSTMASTER,
			"alice@our.example"},
	};

	people(f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct directory_answer r = ask(f, cases[i].address, false);

		if (r.found != cases[i].found || r.way != cases[i].way)
			fail_msg("%s: found %d way %d", cases[i].address, r.found, r.way);
		assert_span(r.row, cases[i].row);
	}
	assert_int_equal(ask(f, "who@our.example", true).found, DIRECTORY_UNKNOWN_USER);
	/* an entry of its own beats both */
	ok_account(f, "alice+x@our.example");
	assert_int_equal(ask(f, "alice+x@our.example", false).way, DIRECTORY_EXACT);
}

static void the_nearest_name_wins(void **state)
{
	store_play(state, play_order);
}

static void play_lists(struct store_fixture *f)
{
	static const struct {
		const char *address;
		int part; /* -1: no list */
	} cases[] = {{"news@our.example", DIRECTORY_LIST_POST},
		{"NEWS-Join@our.example", DIRECTORY_LIST_JOIN},
		{"news-leave@our.example", DIRECTORY_LIST_LEAVE},
		{"news-confirm+abc@our.example", DIRECTORY_LIST_CONFIRM},
		{"news-bounces+7=x=y@our.example", DIRECTORY_LIST_BOUNCES},
		{"news-bounces@our.example", DIRECTORY_LIST_BOUNCES},
		{"news-owner@our.example", DIRECTORY_LIST_OWNER},
		{"news-request@our.example", DIRECTORY_LIST_REQUEST},
		{"news-moderate@our.example", DIRECTORY_LIST_MODERATE}, {"join@our.example", -1},
		{"-join@our.example", -1}, {"other-join@our.example", -1},
		{"news-joint@our.example", -1}};
	struct directory_answer r;

	people(f);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		r = ask(f, cases[i].address, true);
		if (r.found != (cases[i].part < 0 ? DIRECTORY_UNKNOWN_USER : DIRECTORY_LIST))
			fail_msg("%s: found %d", cases[i].address, r.found);
		if (cases[i].part < 0)
			continue;
		assert_int_equal(r.list_id, 7);
		assert_int_equal(r.list_part, cases[i].part);
	}
	r = ask(f, "news-owner@our.example", true);
	assert_int_equal(r.target_count, 1);
	assert_span(r.targets[0], "o@far.example");
	/* a functional name that is somebody's own is his */
	ok_alias(f, "news-join@our.example", "alice@our.example");
	assert_int_equal(ask(f, "news-join@our.example", true).found, DIRECTORY_ALIAS);
}

static void lists_have_functions(void **state)
{
	store_play(state, play_lists);
}

static void play_taken(struct store_fixture *f)
{
	struct directory_account acc = {.address = SPAN("news@our.example")};
	struct span to = SPAN("alice@our.example");
	struct directory_alias alias = {SPAN("news@our.example"), 1, &to};
	struct err e = {0};

	people(f);
	ASSERT_ERR(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), ERR_EXISTS);
	ASSERT_ERR(directory_alias_set(f->s, &alias, true, &e), ERR_EXISTS);
	acc.address = SPAN("*@our.example");
	ASSERT_ERR(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), ERR_SYNTAX);
	alias.address = SPAN("x@our.example");
	to = SPAN("*@our.example");
	ASSERT_ERR(directory_alias_set(f->s, &alias, true, &e), ERR_SYNTAX);
	assert_ok(directory_alias_remove(f->s, SPAN("@our.example"), &e), &e);
	assert_int_equal(ask(f, "who@our.example", false).found, DIRECTORY_UNKNOWN_USER);
	assert_ok(directory_alias_remove(f->s, SPAN("team@our.example"), &e), &e);
	assert_ok(directory_account_remove(f->s, SPAN("alice@our.example"), &e), &e);
	ASSERT_ERR(directory_domain_remove(f->s, SPAN("our.example"), &e), ERR_STATE);
}

static void one_address_is_one_thing(void **state)
{
	store_play(state, play_taken);
}

static void play_forwards(struct store_fixture *f)
{
	struct span to[DIRECTORY_FORWARDS_MAX + 1], *list;
	struct directory_answer r;
	struct directory_account acc;
	bool is_only;
	size_t count;
	struct err e = {0};

	people(f);
	for (size_t i = 0; i < ARRAY_LEN(to); i++)
		to[i] = span_str(arena_printf(f->a, "T%zu@far.example", i));
	assert_ok(directory_forward_set(
			  f->s, SPAN("Alice@our.example"), to, DIRECTORY_FORWARDS_MAX, false, &e),
		&e);
	r = ask(f, "alice@our.example", false);
	assert_int_equal(r.target_count, DIRECTORY_FORWARDS_MAX);
	assert_span(r.targets[19], "t19@far.example");
	assert_false(r.is_forward_only);
	assert_ok(directory_forward_set(f->s, SPAN("alice@our.example"), to, 1, true, &e), &e);
	r = ask(f, "alice@our.example", false);
	assert_true(r.is_forward_only);
	assert_ok(directory_forward_list(
			  f->s, f->a, SPAN("alice@our.example"), &list, &count, &is_only, &e),
		&e);
	assert_int_equal(count, 1);
	assert_true(is_only);
	assert_ok(directory_account_find(f->s, f->a, SPAN("alice@our.example"), &acc, &e), &e);
	assert_int_equal(acc.forwards, 1);
	assert_true(acc.is_forward_only);
	ASSERT_ERR(directory_forward_set(
			   f->s, SPAN("alice@our.example"), to, ARRAY_LEN(to), false, &e),
		ERR_LIMIT);
	to[0] = SPAN("ALICE@our.example");
	ASSERT_ERR(directory_forward_set(f->s, SPAN("alice@our.example"), to, 1, false, &e),
		ERR_SYNTAX);
	ASSERT_ERR(directory_forward_set(f->s, SPAN("team@our.example"), to + 1, 1, false, &e),
		ERR_NOT_FOUND);
	/* without targets its mail stays, whatever was said before */
	assert_ok(directory_forward_set(f->s, SPAN("alice@our.example"), NULL, 0, true, &e), &e);
	r = ask(f, "alice@our.example", false);
	assert_int_equal(r.target_count, 0);
	assert_false(r.is_forward_only);
}

static void accounts_pass_mail_on(void **state)
{
	store_play(state, play_forwards);
}

static void play_recipients(struct store_fixture *f)
{
	struct span names[] = {SPAN("bob"), SPAN("Carol@backup.example"), SPAN("bob")}, *list;
	struct span wrong = SPAN("x@other.example");
	uint64_t changed, generation = store_directory_generation(f->s);
	struct directory_answer r;
	size_t count;
	struct err e = {0};

	ok_domain(f, "backup.example", DIRECTORY_DOMAIN_RELAY, DIRECTORY_CHECK_TABLE);
	assert_ok(directory_recipients_change(
			  f->s, SPAN("backup.example"), names, 3, false, &changed, &e),
		&e);
	assert_int_equal(changed, 2);
	assert_true(store_directory_generation(f->s) > generation);
	r = ask(f, "BOB+x@backup.example", false);
	assert_int_equal(r.found, DIRECTORY_RELAY_DOMAIN);
	assert_int_equal(r.check, DIRECTORY_CHECK_TABLE);
	assert_true(r.is_known);
	assert_span(r.row, "bob@backup.example");
	assert_false(ask(f, "dave@backup.example", false).is_known);
	assert_true(ask(f, "postmaster@backup.example", false).is_known);
	assert_ok(directory_recipients_list(f->s, f->a, SPAN("backup.example"), &list, &count, &e),
		&e);
	assert_int_equal(count, 2);
	assert_span(list[1], "carol");
	assert_ok(directory_recipients_change(
			  f->s, SPAN("backup.example"), names, 1, true, &changed, &e),
		&e);
	assert_int_equal(changed, 1);
	ASSERT_ERR(directory_recipients_change(
			   f->s, SPAN("backup.example"), &wrong, 1, false, &changed, &e),
		ERR_SYNTAX);
	ASSERT_ERR(directory_recipients_change(
			   f->s, SPAN("far.example"), names, 1, false, &changed, &e),
		ERR_NOT_FOUND);
	/* they go with the domain */
	assert_ok(directory_domain_remove(f->s, SPAN("backup.example"), &e), &e);
	ok_domain(f, "backup.example", DIRECTORY_DOMAIN_RELAY, DIRECTORY_CHECK_TABLE);
	assert_false(ask(f, "carol@backup.example", false).is_known);
}

static void relay_domains_know_their_recipients(void **state)
{
	store_play(state, play_recipients);
}

static void route(struct store_fixture *f, const char *domain, const char *sender, const char *hop)
{
	struct directory_route r = {
		.domain = span_str(domain), .sender = span_str(sender), .next_hop = span_str(hop)};
	struct err e = {0};

	assert_ok(directory_route_set(f->s, &r, false, &e), &e);
}

static void play_routes(struct store_fixture *f)
{
	static const struct {
		const char *domain, *row;
	} cases[] = {{"example.org", "example.org"}, {"a.example.org", ".example.org"},
		{"b.a.example.org", ".a.example.org"}, {"c.b.a.example.org", ".a.example.org"},
		{"xexample.org", ".org"}, {"org", "*"}, {"example.net", "*"}, {"[192.0.2.1]", "*"}};
	static const char *const bad[] = {"pool:", "mx:", "mx:a b", "a|b:25", "unix:/a|b"};
	struct directory_route r, *list;
	size_t count;
	bool is_found;
	struct err e = {0};

	route(f, "example.org", NULL, "a:25");
	route(f, ".Example.org.", NULL, "b:25");
	route(f, ".a.example.org", NULL, "mx");
	route(f, ".org", NULL, "mx:Hub.example");
	route(f, "*", NULL, "[192.0.2.9]:25");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_ok(directory_route(f->s, f->a, span_str(cases[i].domain), &r, &is_found, &e),
			&e);
		assert_true(is_found);
		assert_span(r.domain, cases[i].row);
	}
	route(f, NULL, "@Mine.example", "c:25");
	route(f, NULL, "Boss@mine.example", "d:25");
	assert_ok(
		directory_sender_route(f->s, f->a, SPAN("x@mine.example"), &r, &is_found, &e), &e);
	assert_span(r.sender, "@mine.example");
	assert_ok(directory_sender_route(f->s, f->a, SPAN("BOSS@mine.example"), &r, &is_found, &e),
		&e);
	assert_span(r.next_hop, "d:25");
	assert_ok(directory_sender_route(f->s, f->a, SPAN("x@a.mine.example"), &r, &is_found, &e),
		&e);
	assert_false(is_found);
	assert_ok(directory_route_list(f->s, f->a, &list, &count, &e), &e);
	assert_int_equal(count, 7);
	assert_span(list[5].sender, "@mine.example");
	assert_ok(directory_sender_route_remove(f->s, SPAN("@mine.example"), &e), &e);
	assert_ok(directory_route_remove(f->s, SPAN(".org"), &e), &e);
	ASSERT_ERR(directory_sender_route_remove(f->s, SPAN("@mine.example"), &e), ERR_NOT_FOUND);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		r = (struct directory_route){
			.domain = SPAN("x.example"), .next_hop = span_str(bad[i])};
		ASSERT_ERR(directory_route_set(f->s, &r, true, &e), ERR_SYNTAX);
	}
	r.next_hop = SPAN("mx");
	r.is_lmtp = true;
	ASSERT_ERR(directory_route_set(f->s, &r, true, &e), ERR_SYNTAX);
}

static void routes_by_suffix_and_by_sender(void **state)
{
	store_play(state, play_routes);
}

static void play_refers(struct store_fixture *f)
{
	struct directory_route r = {.domain = SPAN("x.example"), .next_hop = SPAN("pool:out")};
	struct directory_facts facts;
	struct span as;
	struct err e = {0};

	ASSERT_ERR(directory_route_set(f->s, &r, true, &e), ERR_NOT_FOUND);
	sql(f, "INSERT INTO pool (name, policy) VALUES ('out', 0)");
	assert_ok(directory_route_set(f->s, &r, true, &e), &e);
	r.egress = SPAN("second");
	ASSERT_ERR(directory_route_set(f->s, &r, false, &e), ERR_NOT_FOUND);

	assert_ok(directory_facts(f->s, f->a, &facts, &e), &e);
	assert_false(facts.has_sender_routes || facts.has_logins || facts.srs_keys.len);
	sql(f,
		"INSERT INTO credential (next_hop, sender, username, secret, mechs, is_clear) VALUES "
		"('[hub.example]:587', '', 'all', '', '', 0), "
		"('[hub.example]:587', '@mine.example', 'ours', '', '', 0), "
		"('pool:out', 'boss@mine.example', 'his', '', '', 0)");
	route(f, NULL, "@mine.example", "hub.example:587");
	assert_ok(directory_facts(f->s, f->a, &facts, &e), &e);
	assert_true(facts.has_sender_routes && facts.has_logins);
	assert_ok(directory_login(f->s, f->a, SPAN("[hub.example]:587"), SPAN("boss@mine.example"),
			  &as, &e),
		&e);
	assert_span(as, "@mine.example");
	assert_ok(directory_login(f->s, f->a, SPAN("pool:out"), SPAN("BOSS@mine.example"), &as, &e),
		&e);
	assert_span(as, "boss@mine.example");
	assert_ok(directory_login(
			  f->s, f->a, SPAN("[hub.example]:587"), SPAN("x@else.example"), &as, &e),
		&e);
	assert_int_equal(as.len, 0);
}

static void routes_refer_to_what_is_there(void **state)
{
	store_play(state, play_refers);
}

static void play_unicode(struct store_fixture *f)
{
	struct err e = {0};

	ok_domain(f, "例子.test", DIRECTORY_DOMAIN_LOCAL, DIRECTORY_CHECK_NONE);
	ok_account(f, "Jose\xcc\x81@例子.test"); /* e and an accent: two characters */
	assert_int_equal(ask(f, "jos\xc3\xa9@xn--fsqu00a.test", true).found, DIRECTORY_ACCOUNT);
	assert_int_equal(ask(f, "jose\xcc\x81@例子.TEST", true).found, DIRECTORY_ACCOUNT);
	assert_int_equal(ask(f, "jose@例子.test", true).found, DIRECTORY_UNKNOWN_USER);
	assert_span(directory_unicode(f->a, SPAN("xn--fsqu00a.test")), "例子.test");
	assert_span(directory_unicode(f->a, SPAN("a@mx.xn--fsqu00a.test")), "a@mx.例子.test");
	assert_span(directory_unicode(f->a, SPAN("a@plain.test")), "");
	assert_span(directory_unicode(f->a, SPAN("xn--99999999.test")), "");
	assert_ok(directory_domain_put(f->s,
			  &(struct directory_domain){.name = SPAN("plain.test"),
				  .kind = DIRECTORY_DOMAIN_RELAY,
				  .check = DIRECTORY_CHECK_ASK},
			  true, &e),
		&e);
	ASSERT_ERR(directory_domain_put(f->s,
			   &(struct directory_domain){.name = SPAN("x.test"),
				   .kind = DIRECTORY_DOMAIN_LOCAL,
				   .check = DIRECTORY_CHECK_ASK},
			   true, &e),
		ERR_SYNTAX);
}

static void names_are_compared_in_one_form(void **state)
{
	store_play(state, play_unicode);
}

static void on_finding(void *arg, const char *text)
{
	struct buf *b = arg;

	buf_str(b, text);
	buf_char(b, '\n');
}

static void play_check(struct store_fixture *f)
{
	static const char *const want[] = {"a forward to x@far.example belongs to account 99",
		"recipient x@gone.example is in no relay domain",
		"domain odd.example: no such kind (1) or check (2)",
		"address news@our.example is a list and an account or alias",
		"list news@our.example says 2 members, 3 are there",
		"member x@far.example belongs to list 99", "what waits under t belongs to list 99",
		"next hop a:25 belongs to pool gone", "the route of x.example leads to pool:gone",
		"the route of @x.example goes out by gone"};
	uint64_t findings = 0;
	struct err e = {0};
	struct buf b;

	people(f);
	assert_ok(store_check(f->s, NULL, NULL, NULL, &findings, &e), &e);
	assert_int_equal(findings, 0);
	sql(f,
		"INSERT INTO forward (account_id, n, target) VALUES (99, 0, 'x@far.example'); "
		"INSERT INTO relay_rcpt (domain, local) VALUES ('gone.example', 'x'); "
		"INSERT INTO domain (name, kind, check_kind) VALUES ('odd.example', 1, 2); "
		"INSERT INTO alias (domain, local, n, target) VALUES ('our.example', 'news', 0, "
		"'x@far.example'); "
		"INSERT INTO list_member VALUES (7, 'x@far.example', '', 1, 0, 0, 0, 0); "
		"INSERT INTO list_member VALUES (99, 'x@far.example', '', 1, 0, 0, 0, 0); "
		"INSERT INTO list_pending VALUES ('t', 99, 0, '', '', 0, 0, 0, 0); "
		"INSERT INTO pool_member VALUES ('gone', 0, 'a:25', 1, 0); "
		"INSERT INTO route (domain, next_hop, is_lmtp) VALUES ('x.example', 'pool:gone', 0); "
		"INSERT INTO sender_route VALUES ('@x.example', 'a:25', 'gone')");
	buf_init(&b, 65536);
	assert_ok(store_check(f->s, on_finding, &b, NULL, &findings, &e), &e);
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		if (span_find_span(buf_span(&b), span_str(want[i])) < 0)
			fail_msg("'%s' is not among:\n%s", want[i], buf_cstr(&b));
	assert_int_equal(findings, ARRAY_LEN(want));
	buf_fini(&b);
}

static void check_finds_rows_that_hang_in_the_air(void **state)
{
	store_play(state, play_check);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_nearest_name_wins),
		CASE(lists_have_functions),
		CASE(one_address_is_one_thing),
		CASE(accounts_pass_mail_on),
		CASE(relay_domains_know_their_recipients),
		CASE(routes_by_suffix_and_by_sender),
		CASE(routes_refer_to_what_is_there),
		CASE(names_are_compared_in_one_form),
		CASE(check_finds_rows_that_hang_in_the_air),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
