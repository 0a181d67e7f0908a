#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/must.h"

/* The key 00 01 … 0f of the SipHash paper, read little-endian. */
static const struct hash_key paper_key = {0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL};

/* "SipHash: a fast short-input PRF", appendix A, is the input 00 … 0e; the other lines are the first
 * of the reference implementation's table for inputs 00 01 02 … of growing length. */
static void siphash_reference_vectors(void **state)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} vectors[] = {
		{0, 0x726fdb47dd0e0e31ULL},
		{1, 0x74f839c593dc67fdULL},
		{2, 0x0d6c8009d9a94f5aULL},
		{3, 0x85676696d7fb7e2dULL},
		{4, 0xcf2794e0277187b7ULL},
		{5, 0x18765564cd99a68dULL},
		{6, 0xcbc9466e58fee3ceULL},
		{7, 0xab0200f58b01d137ULL},
		{8, 0x93f5f5799a932462ULL},
		{15, 0xa129ca6149be45e5ULL},
	};
	char input[16];

	for (size_t i = 0; i < sizeof(input); i++)
		input[i] = (char)i;
	for (size_t i = 0; i < ARRAY_LEN(vectors); i++)
		assert_true(
			hash_bytes(&paper_key, span_of(input, vectors[i].len)) == vectors[i].hash);
}

static void hash_depends_on_the_key(void **state)
{
	struct hash_key other = {1, 2};

	assert_true(hash_bytes(&paper_key, SPAN("x")) != hash_bytes(&other, SPAN("x")));
	assert_true(hash_bytes(&paper_key, SPAN_NONE) == hash_bytes(&paper_key, SPAN("")));
}

#define NAMES 5000

static struct span name_of(char text[16], int i)
{
	snprintf(text, 16, "name-%d", i);
	return span_str(text);
}

static void map_holds_what_was_set(void **state)
{
	static int values[NAMES];
	struct hash_map m;
	char text[16];

	hash_map_init(&m, paper_key);
	assert_null(hash_map_get(&m, SPAN("none")));
	assert_null(hash_map_remove(&m, SPAN("none")));
	for (int i = 0; i < NAMES; i++)
		assert_null(hash_map_set(&m, name_of(text, i), &values[i]));
	assert_int_equal(hash_map_count(&m), NAMES);
	for (int i = 0; i < NAMES; i++)
		assert_ptr_equal(hash_map_get(&m, name_of(text, i)), &values[i]);
	assert_ptr_equal(hash_map_set(&m, name_of(text, 7), &values[0]), &values[7]);
	assert_ptr_equal(hash_map_get(&m, name_of(text, 7)), &values[0]);
	assert_int_equal(hash_map_count(&m), NAMES);
	for (int i = 0; i < NAMES; i += 2)
		assert_non_null(hash_map_remove(&m, name_of(text, i)));
	for (int i = 0; i < NAMES; i++)
		assert_int_equal(hash_map_get(&m, name_of(text, i)) != NULL, i % 2);
	assert_int_equal(hash_map_count(&m), NAMES / 2);
	hash_map_fini(&m);
	assert_int_equal(hash_map_count(&m), 0);
	assert_null(hash_map_get(&m, SPAN("name-1")));
}

/* Coming and going for ever must not fill the table with dead slots. */
static void map_stays_small_when_names_come_and_go(void **state)
{
	struct hash_map m;
	char text[16];
	int value;

	hash_map_init(&m, paper_key);
	for (int i = 0; i < 100000; i++) {
		assert_null(hash_map_set(&m, name_of(text, i), &value));
		if (i >= 10)
			assert_ptr_equal(hash_map_remove(&m, name_of(text, i - 10)), &value);
	}
	assert_int_equal(hash_map_count(&m), 10);
	assert_true(m.size <= 64);
	hash_map_fini(&m);
}

static void keys_are_bytes_and_copied(void **state)
{
	char key[3] = {'a', '\0', 'b'};
	struct hash_map m;
	int one, two, none;

	hash_map_init(&m, paper_key);
	hash_map_set(&m, span_of(key, 3), &one);
	hash_map_set(&m, span_of(key, 1), &two);
	hash_map_set(&m, SPAN_NONE, &none);
	key[0] = 'z';
	assert_ptr_equal(hash_map_get(&m, SPAN("a\0b")), &one);
	assert_ptr_equal(hash_map_get(&m, SPAN("a")), &two);
	assert_ptr_equal(hash_map_get(&m, SPAN("")), &none);
	assert_null(hash_map_get(&m, SPAN("A")));
	hash_map_fini(&m);
}

static void walk_sees_each_once_and_may_remove(void **state)
{
	static int values[100];
	size_t at = 0, seen = 0;
	struct hash_map m;
	struct span name;
	char text[16];
	void *value;

	hash_map_init(&m, paper_key);
	assert_false(hash_map_next(&m, &at, &name, &value));
	memset(values, 0, sizeof(values));
	for (int i = 0; i < 100; i++)
		hash_map_set(&m, name_of(text, i), &values[i]);
	for (at = 0; hash_map_next(&m, &at, &name, &value); seen++) {
		assert_int_equal(++*(int *)value, 1);
		if (seen % 2)
			hash_map_remove(&m, name);
	}
	assert_int_equal(seen, 100);
	assert_int_equal(hash_map_count(&m), 50);
	for (at = 0, seen = 0; hash_map_next(&m, &at, NULL, &value); seen++)
		;
	assert_int_equal(seen, 50);
	hash_map_fini(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siphash_reference_vectors),
		cmocka_unit_test(hash_depends_on_the_key),
		cmocka_unit_test(map_holds_what_was_set),
		cmocka_unit_test(map_stays_small_when_names_come_and_go),
		cmocka_unit_test(keys_are_bytes_and_copied),
		cmocka_unit_test(walk_sees_each_once_and_may_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
