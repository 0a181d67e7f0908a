/* Rows of certificates. */

#include "store/store_test.h"

#include "store/certificate.h"

static FIBER void play(struct store_fixture *f)
{
	struct certificate row = {.name = SPAN("a.example"),
		.names = SPAN("a.example b.example"),
		.next_ns = 7,
		.tries = 2,
		.order_url = SPAN("https://ca.test/order/1"),
		.error = SPAN("no")};
	struct certificate got, *list;
	struct err e = {0};
	size_t count;
	bool is_found;

	assert_ok(certificate_find(f->s, f->a, row.name, &got, &is_found, &e), &e);
	assert_false(is_found);
	assert_span(got.name, "a.example");
	assert_ok(certificate_put(f->s, &row, &e), &e);
	row.chain_pem = SPAN("chain");
	row.key_pem = SPAN("key");
	row.not_before_ns = 1;
	row.not_after_ns = 2;
	row.order_key_pem = SPAN("order key");
	assert_ok(certificate_put(f->s, &row, &e), &e);
	assert_ok(certificate_find(f->s, f->a, row.name, &got, &is_found, &e), &e);
	assert_true(is_found);
	assert_span(got.names, "a.example b.example");
	assert_span(got.chain_pem, "chain");
	assert_span(got.key_pem, "key");
	assert_span(got.order_url, "https://ca.test/order/1");
	assert_span(got.order_key_pem, "order key");
	assert_span(got.error, "no");
	assert_int_equal(got.not_before_ns, 1);
	assert_int_equal(got.not_after_ns, 2);
	assert_int_equal(got.next_ns, 7);
	assert_int_equal(got.tries, 2);
	/* more than a page */
	for (int i = 0; i < 40; i++) {
		row.name = span_str(arena_printf(f->a, "n%02d.example", i));
		assert_ok(certificate_put(f->s, &row, &e), &e);
	}
	assert_ok(certificate_list(f->s, f->a, &list, &count, &e), &e);
	assert_int_equal(count, 41);
	assert_span(list[0].name, "a.example");
	assert_span(list[40].name, "n39.example");
	assert_span(list[40].key_pem, "key");
	assert_ok(certificate_remove(f->s, SPAN("a.example"), &e), &e);
	assert_int_equal(certificate_remove(f->s, SPAN("a.example"), &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	row.name = SPAN_NONE;
	assert_int_equal(certificate_put(f->s, &row, &e), -1);
}

static void a_row_comes_back_as_it_went(void **state)
{
	store_play(state, play);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_row_comes_back_as_it_went, store_set_up, store_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
