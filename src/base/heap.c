#include "base/heap.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

void heap_init(struct heap *h)
{
	memset(h, 0, sizeof(*h));
}

void heap_fini(struct heap *h)
{
	free(h->nodes);
	heap_init(h);
}

static void heap_place(struct heap *h, size_t i, struct heap_node *n)
{
	h->nodes[i] = n;
	n->at = i + 1;
}

static void heap_up(struct heap *h, size_t i, struct heap_node *n)
{
	while (i > 0 && h->nodes[(i - 1) / 2]->key > n->key) {
		heap_place(h, i, h->nodes[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_place(h, i, n);
}

static void heap_down(struct heap *h, size_t i, struct heap_node *n)
{
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= h->count)
			break;
		if (child + 1 < h->count && h->nodes[child + 1]->key < h->nodes[child]->key)
			child++;
		if (h->nodes[child]->key >= n->key)
			break;
		heap_place(h, i, h->nodes[child]);
		i = child;
	}
	heap_place(h, i, n);
}

void heap_insert(struct heap *h, struct heap_node *n, int64_t key)
{
	MUST(n->at == 0);
	if (h->count == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 64;
		h->nodes = mem_realloc(h->nodes, h->cap * sizeof(*h->nodes));
	}
	n->key = key;
	h->count++;
	heap_up(h, h->count - 1, n);
}

void heap_remove(struct heap *h, struct heap_node *n)
{
	struct heap_node *last;
	size_t i = n->at;

	if (i == 0)
		return;
	i--;
	MUST(i < h->count && h->nodes[i] == n);
	n->at = 0;
	last = h->nodes[--h->count];
	if (last == n)
		return;
	if (i > 0 && h->nodes[(i - 1) / 2]->key > last->key)
		heap_up(h, i, last);
	else
		heap_down(h, i, last);
}

void heap_move(struct heap *h, struct heap_node *n, int64_t key)
{
	heap_remove(h, n);
	heap_insert(h, n, key);
}
