/* What the store keeps about TLS: overrides, MTA-STS policies, results. */

#include "store/store_test.h"

#include "store/tls_facts.h"

static void set(struct store_fixture *f, const char *match, enum tls_level level)
{
	struct tls_override o = {.match = span_str(match), .level = level, .note = SPAN("because")};
	struct err e = {0};

	assert_ok(tls_override_set(f->s, &o, &e), &e);
}

/* Which row decides? "" for none. */
static void assert_row(struct store_fixture *f, const char *destination, const char *match)
{
	struct tls_override row;
	struct err e = {0};
	bool is_found;

	assert_ok(tls_override_find(f->s, f->a, span_str(destination), &row, &is_found, &e), &e);
	assert_int_equal(is_found, match[0] != 0);
	assert_span(row.match, match);
}

static FIBER void play_overrides(struct store_fixture *f)
{
	struct tls_override *rows;
	struct err e = {0};
	uint64_t generation = store_directory_generation(f->s);
	size_t count;

	set(f, "Example.ORG.", TLS_LEVEL_VERIFY);
	assert_true(store_directory_generation(f->s) > generation);
	set(f, ".example.org", TLS_LEVEL_ENCRYPT);
	set(f, ".deep.example.org", TLS_LEVEL_DANE_ONLY);
	set(f, "[mx.example.net]:25", TLS_LEVEL_NONE);
	set(f,
		"b\xc3\xbc"
		"cher.example",
		TLS_LEVEL_DANE);
	assert_row(f, "example.org", "example.org");
	assert_row(f, "mail.example.org", ".example.org");
	assert_row(f, "deep.example.org", ".example.org");
	assert_row(f, "a.b.deep.example.org", ".deep.example.org");
	assert_row(f, "notexample.org", "");
	assert_row(f, "org", "");
	assert_row(f, "[mx.example.net]:25", "[mx.example.net]:25");
	assert_row(f, "[mx.example.org]:25", "");
	assert_row(f, "xn--bcher-kva.example", "xn--bcher-kva.example");

	set(f, "example.org", TLS_LEVEL_MAY);
	assert_ok(tls_override_list(f->s, f->a, &rows, &count, &e), &e);
	assert_int_equal(count, 5);
	assert_span(rows[0].match, ".deep.example.org");
	assert_span(rows[3].match, "example.org");
	assert_int_equal(rows[3].level, TLS_LEVEL_MAY);
	assert_span(rows[3].note, "because");

	assert_ok(tls_override_remove(f->s, SPAN("EXAMPLE.org"), &e), &e);
	assert_row(f, "example.org", "");
	ASSERT_ERR(tls_override_remove(f->s, SPAN("example.org"), &e), ERR_NOT_FOUND);
}

static void overrides_match_a_name_or_what_is_below(void **state)
{
	store_play(state, play_overrides);
}

static FIBER void play_wrong(struct store_fixture *f)
{
	static const char *const wrong[] = {
		"", ".", "..org", "a b", "a..b", "x\r\ny", "-a.example"};
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct tls_override o = {.match = span_str(wrong[i])};

		ASSERT_ERR(tls_override_set(f->s, &o, &e), ERR_SYNTAX);
	}
}

static void what_is_no_destination_is_refused(void **state)
{
	store_play(state, play_wrong);
}

static FIBER void play_many(struct store_fixture *f)
{
	struct tls_override *rows;
	struct err e = {0};
	size_t count;

	for (int i = 0; i < 300; i++)
		set(f, arena_printf(f->a, "d%d.example", i), TLS_LEVEL_ENCRYPT);
	assert_ok(tls_override_list(f->s, f->a, &rows, &count, &e), &e);
	assert_int_equal(count, 300);
	for (size_t i = 1; i < count; i++)
		assert_true(span_cmp(rows[i - 1].match, rows[i].match) < 0);
}

static void a_long_list_comes_in_order(void **state)
{
	store_play(state, play_many);
}

static FIBER void play_policies(struct store_fixture *f)
{
	struct sts_fact one = {.domain = SPAN("one.example"),
		.id = SPAN("1"),
		.body = SPAN("version: STSv1"),
		.fetched_ns = 10,
		.refreshed_ns = 20,
		.expires_ns = 100};
	struct sts_fact got;
	struct err e = {0};
	bool is_found;

	assert_ok(sts_fact_put(f->s, &one, &e), &e);
	one.id = SPAN("2");
	assert_ok(sts_fact_put(f->s, &one, &e), &e);
	for (int i = 0; i < 300; i++) {
		struct sts_fact more = {.domain = span_str(arena_printf(f->a, "d%d.example", i)),
			.expires_ns = i < 290 ? 50 : 200};

		assert_ok(sts_fact_put(f->s, &more, &e), &e);
	}
	assert_ok(sts_fact_find(f->s, f->a, SPAN("one.example"), &got, &is_found, &e), &e);
	assert_true(is_found);
	assert_span(got.id, "2");
	assert_span(got.body, "version: STSv1");
	assert_int_equal(got.fetched_ns, 10);
	assert_int_equal(got.refreshed_ns, 20);
	assert_int_equal(got.expires_ns, 100);

	assert_ok(sts_fact_sweep(f->s, 100, &e), &e);
	assert_ok(sts_fact_find(f->s, f->a, SPAN("d289.example"), &got, &is_found, &e), &e);
	assert_false(is_found);
	assert_ok(sts_fact_find(f->s, f->a, SPAN("d295.example"), &got, &is_found, &e), &e);
	assert_true(is_found);
	assert_ok(sts_fact_sweep(f->s, 101, &e), &e);
	assert_ok(sts_fact_find(f->s, f->a, SPAN("one.example"), &got, &is_found, &e), &e);
	assert_false(is_found);
}

static void policies_are_kept_until_they_are_old(void **state)
{
	store_play(state, play_policies);
}

static struct tls_result result(int64_t day, const char *domain, const char *kind)
{
	return (struct tls_result){.day = day,
		.domain = span_str(domain),
		.policy = SPAN("sts"),
		.mx = SPAN("mx.example"),
		.kind = span_str(kind),
		.sessions = 2,
		.detail = SPAN("first"),
		.peer = SPAN("192.0.2.1"),
		.policy_text = SPAN("mode: enforce")};
}

static FIBER void play_results(struct store_fixture *f)
{
	struct tls_result rows[] = {result(7, "b.example", ""),
		result(7, "b.example", "certificate-expired"), result(7, "a.example", ""),
		result(8, "a.example", "")};
	struct tls_result from = {0}, *got;
	struct err e = {0};
	size_t count;

	assert_ok(tls_result_add(f->s, rows, ARRAY_LEN(rows), &e), &e);
	rows[1].sessions = 40;
	rows[1].detail = SPAN("last");
	assert_ok(tls_result_add(f->s, rows, 2, &e), &e);
	assert_ok(tls_result_list(f->s, f->a, 7, SPAN_NONE, &from, &got, &count, &e), &e);
	assert_int_equal(count, 3);
	assert_span(got[0].domain, "a.example");
	assert_int_equal(got[1].sessions, 4);
	assert_span(got[2].kind, "certificate-expired");
	assert_int_equal(got[2].sessions, 42);
	assert_span(got[2].detail, "last");
	assert_span(got[2].peer, "192.0.2.1");
	assert_span(got[2].policy_text, "mode: enforce");
	assert_ok(tls_result_list(f->s, f->a, 7, SPAN_NONE, &got[0], &got, &count, &e), &e);
	assert_int_equal(count, 2);
	assert_ok(tls_result_list(f->s, f->a, 7, SPAN("b.example"), &from, &got, &count, &e), &e);
	assert_int_equal(count, 2);

	assert_ok(tls_result_sweep(f->s, 8, &e), &e);
	assert_ok(tls_result_list(f->s, f->a, 7, SPAN_NONE, &from, &got, &count, &e), &e);
	assert_int_equal(count, 0);
	assert_ok(tls_result_list(f->s, f->a, 8, SPAN_NONE, &from, &got, &count, &e), &e);
	assert_int_equal(count, 1);
}

static void results_are_summed_by_day(void **state)
{
	store_play(state, play_results);
}

static void levels_have_names(void **state)
{
	enum tls_level level;

	for (unsigned i = 0; i < TLS_LEVEL_COUNT; i++) {
		assert_true(tls_level_parse(span_str(tls_level_str((enum tls_level)i)), &level));
		assert_int_equal(level, i);
	}
	assert_false(tls_level_parse(SPAN("secure"), &level));
	assert_false(tls_level_parse(SPAN(""), &level));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_have_names),
		cmocka_unit_test_setup_teardown(
			overrides_match_a_name_or_what_is_below, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			what_is_no_destination_is_refused, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			a_long_list_comes_in_order, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			policies_are_kept_until_they_are_old, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			results_are_summed_by_day, store_set_up, store_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
