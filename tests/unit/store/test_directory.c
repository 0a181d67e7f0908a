#include "store_test.h"

#include "store/directory.h"
#include "store/verifier.h"

static struct directory_account account(const char *address)
{
	return (struct directory_account){.address = span_str(address)};
}

static enum directory_found find(struct store_fixture *f, const char *local, const char *domain,
	struct directory_answer *answer)
{
	struct err e = {0};

	assert_ok(directory_lookup(f->s, f->a, span_str(local), span_str(domain), answer, &e), &e);
	return answer->found;
}

static void make_domain(struct store_fixture *f, const char *name, enum directory_domain_kind kind)
{
	struct err e = {0};

	assert_ok(directory_domain_set(f->s, span_str(name), kind, true, &e), &e);
}

static void make_account(struct store_fixture *f, const char *address)
{
	struct directory_account acc = account(address);
	struct err e = {0};

	assert_ok(directory_account_set(f->s, &acc, SPAN("secret"), true, &e), &e);
}

static void play_lookup(struct store_fixture *f)
{
	struct directory_answer r;
	struct span targets[] = {SPAN("Alice@Example.ORG"), SPAN("carol@elsewhere.example")};
	struct directory_alias team = {SPAN("team@example.org"), 2, targets};
	struct err e = {0};

	make_domain(f, "Example.org.", DIRECTORY_DOMAIN_LOCAL);
	make_domain(f, "backup.example", DIRECTORY_DOMAIN_RELAY);
	make_account(f, "Alice@example.org");
	assert_ok(directory_alias_set(f->s, &team, true, &e), &e);

	assert_int_equal(find(f, "alice", "example.org", &r), DIRECTORY_ACCOUNT);
	assert_span(r.account, "alice@example.org");
	assert_int_equal(find(f, "ALICE", "EXAMPLE.org", &r), DIRECTORY_ACCOUNT);
	assert_int_equal(find(f, "team", "example.org", &r), DIRECTORY_ALIAS);
	assert_int_equal(r.target_count, 2);
	assert_span(r.targets[0], "alice@example.org");
	assert_span(r.targets[1], "carol@elsewhere.example");
	assert_int_equal(find(f, "nobody", "example.org", &r), DIRECTORY_UNKNOWN_USER);
	assert_int_equal(find(f, "anyone", "backup.example", &r), DIRECTORY_RELAY_DOMAIN);
	assert_int_equal(find(f, "x", "elsewhere.example", &r), DIRECTORY_UNKNOWN_DOMAIN);
	assert_int_equal(find(f, "x", "[192.0.2.1]", &r), DIRECTORY_UNKNOWN_DOMAIN);
	/* postmaster without an entry of its own goes to the first account */
	assert_int_equal(find(f, "Postmaster", "example.org", &r), DIRECTORY_ACCOUNT);
	assert_span(r.account, "alice@example.org");
	assert_ok(
		directory_setting_set(f->s, SPAN("postmaster"), SPAN("team@example.org"), &e), &e);
	assert_int_equal(find(f, "postmaster", "example.org", &r), DIRECTORY_ALIAS);
}

static void finds_accounts_aliases_and_postmaster(void **state)
{
	store_play(state, play_lookup);
}

static void play_refusals(struct store_fixture *f)
{
	struct directory_account acc;
	struct span to_alice = SPAN("alice@example.org");
	struct directory_alias alias = {SPAN("alice@example.org"), 1, &to_alice};
	struct directory_answer r;
	struct err e = {0};

	acc = account("alice@example.org");
	ASSERT_ERR(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), ERR_NOT_FOUND);
	make_domain(f, "example.org", DIRECTORY_DOMAIN_LOCAL);
	ASSERT_ERR(
		directory_domain_set(f->s, SPAN("example.org"), DIRECTORY_DOMAIN_LOCAL, true, &e),
		ERR_EXISTS);
	make_account(f, "alice@example.org");
	ASSERT_ERR(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), ERR_EXISTS);
	ASSERT_ERR(directory_alias_set(f->s, &alias, true, &e), ERR_EXISTS);
	alias.address = SPAN("a@example.org");
	assert_ok(directory_alias_set(f->s, &alias, true, &e), &e);
	ASSERT_ERR(directory_alias_set(f->s, &alias, true, &e), ERR_EXISTS);
	acc = account("a@example.org");
	ASSERT_ERR(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), ERR_EXISTS);
	ASSERT_ERR(directory_domain_remove(f->s, SPAN("example.org"), &e), ERR_STATE);
	ASSERT_ERR(directory_alias_remove(f->s, SPAN("b@example.org"), &e), ERR_NOT_FOUND);
	assert_ok(directory_alias_remove(f->s, SPAN("a@example.org"), &e), &e);
	ASSERT_ERR(directory_account_remove(f->s, SPAN("bob@example.org"), &e), ERR_NOT_FOUND);
	assert_ok(directory_account_remove(f->s, SPAN("alice@example.org"), &e), &e);
	assert_int_equal(find(f, "alice", "example.org", &r), DIRECTORY_UNKNOWN_USER);
	assert_ok(directory_domain_remove(f->s, SPAN("example.org"), &e), &e);
	ASSERT_ERR(directory_domain_remove(f->s, SPAN("example.org"), &e), ERR_NOT_FOUND);
	ASSERT_ERR(directory_setting(f->s, f->a, SPAN("nothing"), &to_alice, &e), ERR_NOT_FOUND);
}

static void says_what_is_there_and_what_is_not(void **state)
{
	store_play(state, play_refusals);
}

static const char *const bad_domains[] = {"", ".", "a..b", "-a.example", "a-.example",
	"a b.example", "a\r\n.example", "x/y", "exa_mple.!", "[192.0.2.1]",
	"a123456789012345678901234567890123456789012345678901234567890123.example"};
static const char *const bad_addresses[] = {"", "alice", "@example.org", "alice@",
	"a\nb@example.org", "a b@example.org", "<a@example.org>", "\xff@example.org",
	"a1234567890123456789012345678901234567890123456789012345678901234@example.org"};
static const char *const bad_hops[] = {"", "host", "host:", "host:0", "host:65536", "a b:25",
	"2001:db8::1:25", "[2001:db8::1:25", "unix:path", "h:2x"};

static void play_syntax(struct store_fixture *f)
{
	struct err e = {0};

	make_domain(f, "example.org", DIRECTORY_DOMAIN_LOCAL);
	for (size_t i = 0; i < ARRAY_LEN(bad_domains); i++)
		ASSERT_ERR(directory_domain_set(f->s, span_str(bad_domains[i]),
				   DIRECTORY_DOMAIN_LOCAL, true, &e),
			ERR_SYNTAX);
	for (size_t i = 0; i < ARRAY_LEN(bad_addresses); i++) {
		struct directory_account acc = account(bad_addresses[i]);

		ASSERT_ERR(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), ERR_SYNTAX);
	}
	for (size_t i = 0; i < ARRAY_LEN(bad_hops); i++) {
		struct directory_route r = {SPAN("x.example"), span_str(bad_hops[i]), false};

		ASSERT_ERR(directory_route_set(f->s, &r, true, &e), ERR_SYNTAX);
	}
}

static void refuses_names_that_are_none(void **state)
{
	store_play(state, play_syntax);
}

static void play_idn(struct store_fixture *f)
{
	struct directory_domain *domains;
	struct directory_answer r;
	struct err e = {0};
	size_t count;

	make_domain(f,
		"b\xc3\xbc"
		"cher.example",
		DIRECTORY_DOMAIN_LOCAL);
	make_account(f,
		"alice@B\xc3\x9c"
		"CHER.example");
	assert_ok(directory_domain_list(f->s, f->a, &domains, &count, &e), &e);
	assert_int_equal(count, 1);
	assert_span(domains[0].name, "xn--bcher-kva.example");
	assert_int_equal(domains[0].accounts, 1);
	assert_int_equal(find(f, "alice", "xn--bcher-kva.EXAMPLE", &r), DIRECTORY_ACCOUNT);
	assert_int_equal(find(f, "alice",
				 "b\xc3\xbc"
				 "cher.example",
				 &r),
		DIRECTORY_ACCOUNT);
}

static void keeps_domains_as_a_labels(void **state)
{
	store_play(state, play_idn);
}

static void play_routes(struct store_fixture *f)
{
	struct directory_route any = {SPAN("*"), SPAN("smart.example:587"), false};
	struct directory_route one = {SPAN("Sink.test"), SPAN("[127.0.0.1]:2599"), true}, got,
			       *list;
	struct err e = {0};
	size_t count;
	bool is_found;

	assert_ok(directory_route(f->s, f->a, SPAN("sink.test"), &got, &is_found, &e), &e);
	assert_false(is_found);
	assert_ok(directory_route_set(f->s, &any, true, &e), &e);
	assert_ok(directory_route_set(f->s, &one, false, &e), &e);
	ASSERT_ERR(directory_route_set(f->s, &one, true, &e), ERR_EXISTS);
	assert_ok(directory_route(f->s, f->a, SPAN("SINK.test"), &got, &is_found, &e), &e);
	assert_true(is_found && got.is_lmtp);
	assert_span(got.next_hop, "[127.0.0.1]:2599");
	assert_ok(directory_route(f->s, f->a, SPAN("else.test"), &got, &is_found, &e), &e);
	assert_true(is_found && !got.is_lmtp);
	assert_span(got.next_hop, "smart.example:587");
	assert_ok(directory_route_list(f->s, f->a, &list, &count, &e), &e);
	assert_int_equal(count, 2);
	assert_ok(directory_route_remove(f->s, SPAN("sink.test"), &e), &e);
	ASSERT_ERR(directory_route_remove(f->s, SPAN("sink.test"), &e), ERR_NOT_FOUND);
}

static void routes_by_domain_then_by_star(void **state)
{
	store_play(state, play_routes);
}

static void play_generation(struct store_fixture *f)
{
	uint64_t before = store_directory_generation(f->s), after;
	struct err e = {0};

	make_domain(f, "example.org", DIRECTORY_DOMAIN_LOCAL);
	after = store_directory_generation(f->s);
	assert_true(after > before);
	ASSERT_ERR(
		directory_domain_set(f->s, SPAN("example.org"), DIRECTORY_DOMAIN_LOCAL, true, &e),
		ERR_EXISTS);
	assert_int_equal(store_directory_generation(f->s), after);
}

static void generation_moves_with_changes_only(void **state)
{
	store_play(state, play_generation);
}

#define MANY_ACCOUNTS 600
#define MANY_ALIASES  20
#define MANY_TARGETS  120

static void play_pages(struct store_fixture *f)
{
	struct directory_account *accounts;
	struct directory_alias *aliases;
	struct span targets[MANY_TARGETS];
	struct err e = {0};
	size_t count;

	make_domain(f, "a.example", DIRECTORY_DOMAIN_LOCAL);
	make_domain(f, "b.example", DIRECTORY_DOMAIN_LOCAL);
	for (int i = 0; i < MANY_ACCOUNTS; i++) {
		struct directory_account acc = account(
			arena_printf(f->a, "u%04d@%c.example", i, i % 2 ? 'a' : 'b'));

		assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), &e);
	}
	for (int i = 0; i < MANY_TARGETS; i++)
		targets[i] = span_str(arena_printf(f->a, "u%04d@b.example", i * 2));
	for (int i = 0; i < MANY_ALIASES; i++) {
		struct directory_alias x = {span_str(arena_printf(f->a, "list%02d@a.example", i)),
			MANY_TARGETS, targets};

		assert_ok(directory_alias_set(f->s, &x, true, &e), &e);
	}
	assert_ok(directory_account_list(f->s, f->a, SPAN_NONE, &accounts, &count, &e), &e);
	assert_int_equal(count, MANY_ACCOUNTS);
	for (size_t i = 1; i < count; i++)
		assert_false(span_eq(accounts[i - 1].address, accounts[i].address));
	assert_ok(directory_account_list(f->s, f->a, SPAN("b.example"), &accounts, &count, &e), &e);
	assert_int_equal(count, MANY_ACCOUNTS / 2);
	assert_ok(directory_alias_list(f->s, f->a, SPAN("a.example"), &aliases, &count, &e), &e);
	assert_int_equal(count, MANY_ALIASES);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(aliases[i].target_count, MANY_TARGETS);
}

static void lists_page_through_everything(void **state)
{
	store_play(state, play_pages);
}

static void play_verifier(struct store_fixture *f)
{
	struct span v, w;
	struct err e = {0};

	assert_ok(verifier_make(f->s, f->a, SPAN("correct horse"), &v, &e), &e);
	assert_ok(verifier_make(f->s, f->a, SPAN("correct horse"), &w, &e), &e);
	assert_false(span_eq(v, w)); /* each has its own salt */
	assert_true(verifier_fits(v, SPAN("correct horse")));
	assert_false(verifier_fits(v, SPAN("correct horsf")));
	assert_false(verifier_fits(v, SPAN("")));
	assert_false(verifier_fits(SPAN(""), SPAN("")));
	assert_false(verifier_fits(SPAN("0:::"), SPAN("")));
	assert_false(verifier_fits(SPAN("10000:AAAA:AAAA:AAAA"), SPAN("x")));
	/* RFC 7677 section 3: user "user", password "pencil" */
	assert_true(verifier_fits(SPAN("4096:W22ZaJ0SNY7soEsUEjb6gQ==:"
				       "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
				       "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="),
		SPAN("pencil")));
	ASSERT_ERR(verifier_make(f->s, f->a, SPAN("a\nb"), &v, &e), ERR_SYNTAX);
}

static void passwords_are_kept_as_scram_verifiers(void **state)
{
	store_play(state, play_verifier);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
	const struct CMUnitTest tests[] = {
		T(finds_accounts_aliases_and_postmaster),
		T(says_what_is_there_and_what_is_not),
		T(refuses_names_that_are_none),
		T(keeps_domains_as_a_labels),
		T(routes_by_domain_then_by_star),
		T(generation_moves_with_changes_only),
		T(lists_page_through_everything),
		T(passwords_are_kept_as_scram_verifiers),
	};

	return cmocka_run_group_tests_name("store/directory", tests, NULL, NULL);
}
