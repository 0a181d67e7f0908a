#pragma once
/* Intrusive doubly linked lists. A struct list_node sits inside the thing; the head is a node too.
 * A node that is in no list points at itself (list_init) and list_remove leaves it so. */

#include <stdbool.h>
#include <stddef.h>

#include "base/must.h"

struct list_node {
	struct list_node *next, *prev;
};

static inline void list_init(struct list_node *n)
{
	n->next = n->prev = n;
}

static inline bool list_empty(const struct list_node *head)
{
	return head->next == head;
}

/** Is this node in a list? (Only after list_init.) */
static inline bool list_linked(const struct list_node *n)
{
	return n->next != n;
}

static inline void list_insert_before(struct list_node *at, struct list_node *n)
{
	n->prev = at->prev;
	n->next = at;
	at->prev->next = n;
	at->prev = n;
}

static inline void list_push_back(struct list_node *head, struct list_node *n)
{
	list_insert_before(head, n);
}

static inline void list_push_front(struct list_node *head, struct list_node *n)
{
	list_insert_before(head->next, n);
}

static inline void list_remove(struct list_node *n)
{
	n->prev->next = n->next;
	n->next->prev = n->prev;
	list_init(n);
}

/** Take the first node off, or NULL when empty. */
static inline struct list_node *list_pop_front(struct list_node *head)
{
	struct list_node *n = head->next;

	if (n == head)
		return NULL;
	list_remove(n);
	return n;
}

/** Move all nodes of `from` behind those of `to`; `from` is empty after. */
static inline void list_append(struct list_node *to, struct list_node *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	from->prev->next = to;
	to->prev->next = from->next;
	to->prev = from->prev;
	list_init(from);
}

#define LIST_ITEM(node, type, member) CONTAINER_OF(node, type, member)
#define LIST_EACH(n, head)            for (struct list_node *n = (head)->next; n != (head); n = n->next)
#define LIST_EACH_SAFE(n, head)                                                                    \
	for (struct list_node *n = (head)->next, *n##_next = n->next; n != (head);                 \
		n = n##_next, n##_next = n->next)
