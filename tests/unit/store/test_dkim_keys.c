#include "store_test.h"

#include "store/dkim_keys.h"

static struct dkim_keys_row row(const char *domain, const char *selector, const char *algorithm)
{
	return (struct dkim_keys_row){.domain = span_str(domain),
		.selector = span_str(selector),
		.algorithm = span_str(algorithm),
		.pem = SPAN("secret")};
}

static void add(struct store_fixture *f, const char *domain, const char *selector,
	const char *algorithm, enum dkim_keys_state state, bool is_wide)
{
	struct dkim_keys_row r = row(domain, selector, algorithm);
	struct err e = {0};

	r.state = state;
	r.is_wide = is_wide;
	assert_ok(dkim_keys_add(f->s, &r, &e), &e);
}

/* "selector=state …" of a domain */
static const char *states_of(struct store_fixture *f, const char *domain)
{
	struct buf *b = arena_buf(f->a, 1000);
	struct dkim_keys_row *list;
	struct err e = {0};
	size_t count;

	assert_ok(dkim_keys_list(f->s, f->a, span_str(domain), &list, &count, &e), &e);
	for (size_t i = 0; i < count; i++)
		buf_printf(b, SPAN_FMT "=%s ", SPAN_ARG(list[i].selector),
			dkim_keys_state_str(list[i].state));
	return buf_cstr(b);
}

static void play_keys(struct store_fixture *f)
{
	uint64_t generation = store_directory_generation(f->s);
	struct dkim_keys_row r = row("Example.ORG", "a", "rsa"), *list;
	struct err e = {0};
	size_t count;
	bool is_any;

	assert_ok(dkim_keys_any(f->s, &is_any, &e), &e);
	assert_false(is_any);
	assert_ok(dkim_keys_add(f->s, &r, &e), &e);
	assert_true(store_directory_generation(f->s) > generation);
	ASSERT_ERR(dkim_keys_add(f->s, &r, &e), ERR_EXISTS);
	assert_ok(dkim_keys_list(f->s, f->a, SPAN_NONE, &list, &count, &e), &e);
	assert_int_equal(count, 1);
	assert_true(span_eq(list[0].domain, SPAN("example.org")));
	assert_true(span_eq(list[0].selector, SPAN("a")));
	assert_true(span_eq(list[0].algorithm, SPAN("rsa")));
	assert_true(span_eq(list[0].pem, SPAN("secret")));
	assert_int_equal(list[0].state, DKIM_KEYS_PENDING);
	assert_true(list[0].created_ns > 0 && list[0].created_ns == list[0].changed_ns);
	assert_false(list[0].is_wide);
	assert_ok(dkim_keys_any(f->s, &is_any, &e), &e);
	assert_false(is_any);

	ASSERT_ERR(dkim_keys_move(f->s, SPAN("example.org"), SPAN("b"), DKIM_KEYS_ACTIVE, &e),
		ERR_NOT_FOUND);
	assert_ok(dkim_keys_move(f->s, SPAN("example.org"), SPAN("a"), DKIM_KEYS_ACTIVE, &e), &e);
	assert_ok(dkim_keys_any(f->s, &is_any, &e), &e);
	assert_true(is_any);
	ASSERT_ERR(dkim_keys_remove(f->s, SPAN("example.org"), SPAN("a"), false, &e), ERR_STATE);
	assert_ok(dkim_keys_move(f->s, SPAN("EXAMPLE.org"), SPAN("a"), DKIM_KEYS_RETIRING, &e), &e);
	assert_ok(dkim_keys_remove(f->s, SPAN("example.org"), SPAN("a"), false, &e), &e);
	ASSERT_ERR(
		dkim_keys_remove(f->s, SPAN("example.org"), SPAN("a"), false, &e), ERR_NOT_FOUND);
	add(f, "example.org", "x", "rsa", DKIM_KEYS_ACTIVE, false);
	assert_ok(dkim_keys_remove(f->s, SPAN("example.org"), SPAN("x"), true, &e), &e);
}

static void keys_are_kept_by_domain_and_selector(void **state)
{
	store_play(state, play_keys);
}

static const struct {
	enum dkim_keys_state from, to;
	bool is_allowed;
} moves[] = {
	{DKIM_KEYS_PENDING, DKIM_KEYS_ACTIVE, true},
	{DKIM_KEYS_PENDING, DKIM_KEYS_RETIRING, false},
	{DKIM_KEYS_ACTIVE, DKIM_KEYS_RETIRING, true},
	{DKIM_KEYS_ACTIVE, DKIM_KEYS_PENDING, false},
	{DKIM_KEYS_RETIRING, DKIM_KEYS_ACTIVE, true},
	{DKIM_KEYS_RETIRING, DKIM_KEYS_PENDING, false},
	{DKIM_KEYS_ACTIVE, DKIM_KEYS_ACTIVE, true},
};

static void play_moves(struct store_fixture *f)
{
	for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
		const char *selector = arena_printf(f->a, "k%zu", i);
		struct err e = {0};
		int rc;

		add(f, "example.org", selector, "rsa", moves[i].from, false);
		rc = dkim_keys_move(f->s, SPAN("example.org"), span_str(selector), moves[i].to, &e);
		assert_int_equal(rc, moves[i].is_allowed ? 0 : -1);
		assert_int_equal(e.code, moves[i].is_allowed ? ERR_NONE : ERR_STATE);
	}
}

static void a_key_goes_one_way(void **state)
{
	store_play(state, play_moves);
}

static void play_turn(struct store_fixture *f)
{
	struct err e = {0};

	ASSERT_ERR(dkim_keys_turn(f->s, SPAN("example.org"), &e), ERR_NOT_FOUND);
	add(f, "example.org", "e1", "ed25519", DKIM_KEYS_ACTIVE, false);
	add(f, "example.org", "r0", "rsa", DKIM_KEYS_RETIRING, false);
	add(f, "example.org", "r1", "rsa", DKIM_KEYS_ACTIVE, false);
	add(f, "example.org", "r2", "rsa", DKIM_KEYS_PENDING, false);
	add(f, "example.net", "r1", "rsa", DKIM_KEYS_ACTIVE, false);
	assert_ok(dkim_keys_turn(f->s, SPAN("example.org"), &e), &e);
	/* a key of an algorithm that nothing new was made for goes on */
	assert_string_equal(
		states_of(f, "example.org"), "e1=active r0=retiring r1=retiring r2=active ");
	assert_string_equal(states_of(f, "example.net"), "r1=active ");
}

static void what_is_pending_takes_over_in_one_step(void **state)
{
	store_play(state, play_turn);
}

static const struct {
	const char *domain, *want; /* domain and selector of those that sign */
} whose[] = {
	{"example.org", "example.org/a "},
	{"EXAMPLE.org", "example.org/a "},
	{"sub.example.org", ""},
	{"mx.example.net", "example.net/w "},
	{"a.b.c.example.net", "example.net/w "},
	{"own.example.net", "own.example.net/o "},
	{"below.own.example.net", "example.net/w "}, /* own's key is not wide */
	{"idle.example.net", "example.net/w "},      /* its own key is pending */
	{"xexample.net", ""},
	{"net", ""},
	{"not a domain", ""},
};

static void play_whose(struct store_fixture *f)
{
	add(f, "example.org", "a", "rsa", DKIM_KEYS_ACTIVE, false);
	add(f, "example.net", "n", "rsa", DKIM_KEYS_ACTIVE, false);
	add(f, "example.net", "w", "ed25519", DKIM_KEYS_ACTIVE, true);
	add(f, "own.example.net", "o", "rsa", DKIM_KEYS_ACTIVE, false);
	add(f, "idle.example.net", "p", "rsa", DKIM_KEYS_PENDING, true);
	for (size_t i = 0; i < ARRAY_LEN(whose); i++) {
		struct buf *b = arena_buf(f->a, 1000);
		struct dkim_keys_row *list;
		struct err e = {0};
		size_t count;

		assert_ok(dkim_keys_for(f->s, f->a, span_str(whose[i].domain), &list, &count, &e),
			&e);
		for (size_t k = 0; k < count; k++)
			buf_printf(b, SPAN_FMT "/" SPAN_FMT " ", SPAN_ARG(list[k].domain),
				SPAN_ARG(list[k].selector));
		if (!span_eq(buf_span(b), span_str(whose[i].want)))
			fail_msg("%s: %s", whose[i].domain, buf_cstr(b));
	}
}

static void a_subdomain_has_its_own_or_a_wide_key_above(void **state)
{
	store_play(state, play_whose);
}

static void play_pages(struct store_fixture *f)
{
	struct dkim_keys_row *list;
	struct err e = {0};
	size_t count;

	for (int i = 0; i < 300; i++)
		add(f, arena_printf(f->a, "d%d.example", i / 2), i % 2 ? "a" : "b", "rsa",
			DKIM_KEYS_ACTIVE, false);
	assert_ok(dkim_keys_list(f->s, f->a, SPAN_NONE, &list, &count, &e), &e);
	assert_int_equal(count, 300);
	for (size_t i = 1; i < count; i++)
		assert_false(span_eq(list[i - 1].domain, list[i].domain) &&
			span_eq(list[i - 1].selector, list[i].selector));
	for (int i = 0; i < DKIM_KEYS_DOMAIN_MAX; i++)
		add(f, "many.example", arena_printf(f->a, "k%d", i), "rsa", DKIM_KEYS_PENDING,
			false);
	struct dkim_keys_row r = row("many.example", "more", "rsa");
	ASSERT_ERR(dkim_keys_add(f->s, &r, &e), ERR_LIMIT);
}

static void long_lists_come_whole_and_none_is_endless(void **state)
{
	store_play(state, play_pages);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(keys_are_kept_by_domain_and_selector),
		CASE(a_key_goes_one_way),
		CASE(what_is_pending_takes_over_in_one_step),
		CASE(a_subdomain_has_its_own_or_a_wide_key_above),
		CASE(long_lists_come_whole_and_none_is_endless),
	};

	return cmocka_run_group_tests_name("store/dkim_keys", tests, NULL, NULL);
}
