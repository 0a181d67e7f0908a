#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/heap.h"
#include "base/must.h"
#include "lib/death.h"

static uint32_t step(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static void assert_is_heap(const struct heap *h)
{
	for (size_t i = 0; i < h->count; i++) {
		assert_int_equal(h->nodes[i]->at, i + 1);
		if (i)
			assert_true(h->nodes[(i - 1) / 2]->key <= h->nodes[i]->key);
	}
}

static void comes_out_in_order(void **state)
{
	static struct heap_node nodes[500];
	struct heap_node *n;
	int64_t last = INT64_MIN;
	uint32_t seed = 1;
	struct heap h;

	heap_init(&h);
	assert_null(heap_first(&h));
	for (size_t i = 0; i < ARRAY_LEN(nodes); i++)
		heap_insert(&h, &nodes[i], (int64_t)(step(&seed) % 100) - 50);
	assert_is_heap(&h);
	while ((n = heap_first(&h))) {
		assert_true(n->key >= last);
		last = n->key;
		heap_remove(&h, n);
		assert_false(heap_linked(n));
		assert_is_heap(&h);
	}
	heap_fini(&h);
}

static void any_node_can_move_or_leave(void **state)
{
	static struct heap_node nodes[200];
	uint32_t seed = 7;
	struct heap h;

	heap_init(&h);
	for (int round = 0; round < 5000; round++) {
		struct heap_node *n = &nodes[step(&seed) % ARRAY_LEN(nodes)];
		int64_t smallest = INT64_MAX;

		if (step(&seed) % 3 == 0)
			heap_remove(&h, n);
		else
			heap_move(&h, n, step(&seed) % 1000);
		for (size_t i = 0; i < ARRAY_LEN(nodes); i++)
			if (heap_linked(&nodes[i]) && nodes[i].key < smallest)
				smallest = nodes[i].key;
		if (h.count)
			assert_int_equal(heap_first(&h)->key, smallest);
		if (round % 100 == 0)
			assert_is_heap(&h);
	}
	heap_fini(&h);
}

static void removing_a_stranger_does_nothing(void **state)
{
	struct heap_node in = {0}, out = {0};
	struct heap h;

	heap_init(&h);
	heap_insert(&h, &in, 3);
	heap_remove(&h, &out);
	assert_int_equal(h.count, 1);
	heap_remove(&h, &in);
	heap_remove(&h, &in);
	assert_int_equal(h.count, 0);
	heap_fini(&h);
}

static void insert_twice(void *arg)
{
	struct heap_node n = {0};
	struct heap h;

	heap_init(&h);
	heap_insert(&h, &n, 1);
	heap_insert(&h, &n, 2);
}

static void inserting_twice_ends_the_process(void **state)
{
	assert_true(death_aborts(insert_twice, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_out_in_order),
		cmocka_unit_test(any_node_can_move_or_leave),
		cmocka_unit_test(removing_a_stranger_does_nothing),
		cmocka_unit_test(inserting_twice_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
