#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/list.h"

struct item {
	int n;
	struct list_node node;
};

static void assert_order(const struct list_node *head, const int *want, size_t count)
{
	size_t i = 0;

	LIST_EACH (at, head) {
		assert_true(i < count);
		assert_int_equal(LIST_ITEM(at, struct item, node)->n, want[i]);
		assert_ptr_equal(at->next->prev, at);
		i++;
	}
	assert_int_equal(i, count);
}

static void push_pop_and_order(void **state)
{
	struct item a = {1, {0}}, b = {2, {0}}, c = {3, {0}};
	struct list_node head;

	list_init(&head);
	list_init(&a.node);
	assert_true(list_empty(&head));
	assert_null(list_pop_front(&head));
	assert_false(list_linked(&a.node));
	list_push_back(&head, &b.node);
	list_push_front(&head, &a.node);
	list_push_back(&head, &c.node);
	assert_true(list_linked(&a.node));
	assert_order(&head, (const int[]){1, 2, 3}, 3);
	list_remove(&b.node);
	assert_false(list_linked(&b.node));
	list_remove(&b.node);
	assert_order(&head, (const int[]){1, 3}, 2);
	list_insert_before(&c.node, &b.node);
	assert_order(&head, (const int[]){1, 2, 3}, 3);
	assert_ptr_equal(list_pop_front(&head), &a.node);
	assert_ptr_equal(list_pop_front(&head), &b.node);
	assert_ptr_equal(list_pop_front(&head), &c.node);
	assert_true(list_empty(&head));
}

static void append_moves_all(void **state)
{
	struct item a = {1, {0}}, b = {2, {0}}, c = {3, {0}};
	struct list_node to, from;

	list_init(&to);
	list_init(&from);
	list_append(&to, &from);
	assert_true(list_empty(&to));
	list_push_back(&from, &a.node);
	list_append(&to, &from);
	list_push_back(&from, &b.node);
	list_push_back(&from, &c.node);
	list_append(&to, &from);
	assert_true(list_empty(&from));
	assert_order(&to, (const int[]){1, 2, 3}, 3);
}

static void safe_walk_may_remove(void **state)
{
	struct item items[4] = {{1, {0}}, {2, {0}}, {3, {0}}, {4, {0}}};
	struct list_node head;

	list_init(&head);
	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		list_push_back(&head, &items[i].node);
	LIST_EACH_SAFE (at, &head)
		if (LIST_ITEM(at, struct item, node)->n % 2 == 0)
			list_remove(at);
	assert_order(&head, (const int[]){1, 3}, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(push_pop_and_order),
		cmocka_unit_test(append_moves_all),
		cmocka_unit_test(safe_walk_may_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
