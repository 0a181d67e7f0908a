#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/must.h"
#include "lib/death.h"

static void assert_buf(const struct buf *b, const char *want)
{
	struct span s = buf_span(b);

	assert_int_equal(s.len, strlen(want));
	assert_memory_equal(s.ptr ? s.ptr : "", want, s.len);
}

static void starts_empty_without_memory(void **state)
{
	struct buf b;

	buf_init(&b, 10);
	assert_null(b.mem);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(buf_room(&b), 10);
	assert_true(buf_ok(&b));
	assert_int_equal(buf_span(&b).len, 0);
	buf_fini(&b);
}

/* A put that ends at, just below and just past the cap. */
static void cap_is_exact_and_sticky(void **state)
{
	static const size_t caps[] = {0, 1, 7, 255, 256, 257, 1000, 65536};

	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		size_t max = caps[i];
		struct buf b;

		buf_init(&b, max);
		for (size_t k = 0; k < max; k++)
			buf_char(&b, (char)k);
		assert_true(buf_ok(&b));
		assert_int_equal(buf_len(&b), max);
		assert_int_equal(buf_room(&b), 0);
		buf_char(&b, 'x');
		assert_false(buf_ok(&b));
		assert_int_equal(buf_len(&b), max);
		/* Room again does not make it whole again. */
		if (max)
			buf_consume(&b, 1);
		buf_char(&b, 'x');
		assert_false(buf_ok(&b));
		assert_int_equal(buf_len(&b), max ? max - 1 : 0);
		for (size_t k = 0; k < buf_len(&b); k++)
			assert_int_equal(buf_span(&b).ptr[k], (char)(k + 1));
		buf_clear(&b);
		assert_true(buf_ok(&b));
		assert_int_equal(buf_room(&b), max);
		buf_fini(&b);
	}
}

static void put_past_cap_writes_nothing(void **state)
{
	struct buf b;

	buf_init(&b, 8);
	buf_str(&b, "12345");
	buf_put(&b, "6789", 4);
	assert_buf(&b, "12345");
	assert_false(buf_ok(&b));
	buf_fini(&b);

	buf_init(&b, 2);
	buf_i64(&b, -12);
	assert_buf(&b, "");
	assert_false(buf_ok(&b));
	buf_clear(&b);
	buf_printf(&b, "%d", 123);
	assert_buf(&b, "");
	assert_false(buf_ok(&b));
	buf_fini(&b);
}

static void numbers(void **state)
{
	static const struct {
		int64_t v;
		const char *text;
	} cases[] = {
		{0, "0"},
		{-1, "-1"},
		{10, "10"},
		{INT64_MAX, "9223372036854775807"},
		{INT64_MIN, "-9223372036854775808"},
	};
	struct buf b;

	buf_init(&b, 64);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		buf_i64(&b, cases[i].v);
		assert_buf(&b, cases[i].text);
		buf_clear(&b);
	}
	buf_u64(&b, UINT64_MAX);
	assert_buf(&b, "18446744073709551615");
	buf_fini(&b);
}

static void printf_exactly_to_the_cap(void **state)
{
	struct buf b;

	buf_init(&b, 5);
	buf_printf(&b, "%s", "12345");
	assert_buf(&b, "12345");
	assert_true(buf_ok(&b));
	assert_string_equal(buf_cstr(&b), "12345");
	buf_printf(&b, "%s", "");
	assert_true(buf_ok(&b));
	buf_fini(&b);
}

/* A queue: bytes go in behind and out in front; memory stays bounded by what is inside. */
static void consume_slides_instead_of_growing(void **state)
{
	unsigned char in = 0, out = 0;
	struct buf b;

	buf_init(&b, 300);
	for (int round = 0; round < 2000; round++) {
		for (int k = 0; k < 90; k++)
			buf_char(&b, (char)in++);
		assert_true(buf_ok(&b));
		while (buf_len(&b) > (size_t)(round % 200)) {
			assert_int_equal((unsigned char)buf_span(&b).ptr[0], out);
			out++;
			buf_consume(&b, 1);
		}
	}
	assert_true(b.cap <= 300);
	buf_fini(&b);
}

static void reserve_and_added(void **state)
{
	struct buf b;
	char *at;

	buf_init(&b, 1000);
	at = buf_reserve(&b, 600);
	assert_non_null(at);
	memset(at, 'r', 600);
	buf_added(&b, 10);
	assert_buf(&b, "rrrrrrrrrr");
	assert_true(buf_spare(&b) >= 590);
	assert_true(buf_spare(&b) <= buf_room(&b));
	assert_null(buf_reserve(&b, 991));
	assert_false(buf_ok(&b));
	buf_fini(&b);
}

static void truncate_keeps_the_front(void **state)
{
	struct buf b;

	buf_init(&b, 100);
	buf_str(&b, "abcdef");
	buf_consume(&b, 2);
	buf_truncate(&b, 3);
	assert_buf(&b, "cde");
	assert_string_equal(buf_cstr(&b), "cde");
	buf_truncate(&b, 0);
	assert_buf(&b, "");
	buf_fini(&b);
}

static void cstr_of_nothing_is_empty(void **state)
{
	struct buf b;

	buf_init(&b, 0);
	assert_string_equal(buf_cstr(&b), "");
	buf_char(&b, 'x');
	assert_false(buf_ok(&b));
	assert_string_equal(buf_cstr(&b), "");
	buf_fini(&b);
}

static void steal_hands_over_and_empties(void **state)
{
	struct buf b;
	size_t len = 99;
	char *s;

	buf_init(&b, 50);
	buf_str(&b, "xxhello");
	buf_consume(&b, 2);
	s = buf_steal(&b, &len);
	assert_string_equal(s, "hello");
	assert_int_equal(len, 5);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(buf_room(&b), 50);
	free(s);
	s = buf_steal(&b, NULL);
	assert_string_equal(s, "");
	free(s);
	buf_fini(&b);
}

static void consume_too_much(void *arg)
{
	struct buf b;

	buf_init(&b, 8);
	buf_str(&b, "abc");
	buf_consume(&b, 4);
}

static void truncate_too_long(void *arg)
{
	struct buf b;

	buf_init(&b, 8);
	buf_str(&b, "abc");
	buf_truncate(&b, 4);
}

static void misuse_ends_the_process(void **state)
{
	assert_true(death_aborts(consume_too_much, NULL));
	assert_true(death_aborts(truncate_too_long, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_empty_without_memory),
		cmocka_unit_test(cap_is_exact_and_sticky),
		cmocka_unit_test(put_past_cap_writes_nothing),
		cmocka_unit_test(numbers),
		cmocka_unit_test(printf_exactly_to_the_cap),
		cmocka_unit_test(consume_slides_instead_of_growing),
		cmocka_unit_test(reserve_and_added),
		cmocka_unit_test(truncate_keeps_the_front),
		cmocka_unit_test(cstr_of_nothing_is_empty),
		cmocka_unit_test(steal_hands_over_and_empties),
		cmocka_unit_test(misuse_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
