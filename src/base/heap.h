#pragma once
/* Binary min-heap of intrusive nodes ordered by an int64_t key (a time). Each node knows its
 * place, so removal of any node is O(log n). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t key;
	size_t at; /* index + 1; 0 = in no heap */
};

struct heap {
	struct heap_node **nodes;
	size_t count, cap;
};

void heap_init(struct heap *h);
void heap_fini(struct heap *h);
/** The node must be in no heap. */
void heap_insert(struct heap *h, struct heap_node *n, int64_t key);
/** Take out; does nothing when the node is in no heap. */
void heap_remove(struct heap *h, struct heap_node *n);
/** Change the key of a node (inserted when it is in no heap). */
void heap_move(struct heap *h, struct heap_node *n, int64_t key);
/** The smallest, or NULL. */
static inline struct heap_node *heap_first(const struct heap *h)
{
	return h->count ? h->nodes[0] : NULL;
}
static inline bool heap_linked(const struct heap_node *n)
{
	return n->at != 0;
}
