#include "services/imapd/imapd_thread_tree.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

/* A message, or a dummy that stands for one that is not here. */
struct node {
	const struct thread_item *item; /* NULL: a dummy */
	struct node *parent, *next, *prev;
	struct node *child, *last_child;
	struct node *set; /* the tree it is or was in: union and find */
	size_t place;     /* of the item; of a dummy nothing */
};

struct tree {
	struct arena *a;
	struct hash_map ids, subjects;
	struct node root;   /* its children are the threads */
	struct node **list; /* all there are, in the order they were met */
	size_t count, room;
};

/* ---- links ---- */

static struct node *set_of(struct node *n)
{
	while (n->set != n) {
		n->set = n->set->set;
		n = n->set;
	}
	return n;
}

static void add_child(struct node *parent, struct node *n)
{
	n->parent = parent;
	n->next = NULL;
	n->prev = parent->last_child;
	if (n->prev)
		n->prev->next = n;
	else
		parent->child = n;
	parent->last_child = n;
}

static void insert_before(struct node *at, struct node *n)
{
	n->parent = at->parent;
	n->next = at;
	n->prev = at->prev;
	if (n->prev)
		n->prev->next = n;
	else
		n->parent->child = n;
	at->prev = n;
}

static void unlink_node(struct node *n)
{
	if (!n->parent)
		return;
	if (n->prev)
		n->prev->next = n->next;
	else
		n->parent->child = n->next;
	if (n->next)
		n->next->prev = n->prev;
	else
		n->parent->last_child = n->prev;
	n->parent = n->next = n->prev = NULL;
}

/* Is `n` above or at `below`? Nodes that never were in one tree need no look. */
static bool is_above(struct node *n, struct node *below)
{
	if (set_of(n) != set_of(below))
		return false;
	while (below && below != n)
		below = below->parent;
	return below != NULL;
}

static void link_nodes(struct node *parent, struct node *n)
{
	set_of(n)->set = set_of(parent);
	add_child(parent, n);
}

static struct node *new_node(struct tree *t)
{
	struct node *n = ARENA_NEW(t->a, struct node);

	n->set = n;
	if (t->count == t->room) {
		t->room = t->room ? t->room * 2 : 64;
		t->list = mem_realloc(t->list, t->room * sizeof(struct node *));
	}
	t->list[t->count++] = n;
	return n;
}

static struct node *node_of_id(struct tree *t, struct span id)
{
	struct node *n = hash_map_get(&t->ids, id);

	if (!n) {
		n = new_node(t);
		hash_map_set(&t->ids, id, n);
	}
	return n;
}

/* RFC 5256 section 3, REFERENCES step 1: a message without an id, or with one that another has already, is
 * one by itself. */
static struct node *node_of_item(struct tree *t, const struct thread_item *item, size_t place)
{
	struct node *n = item->message_id.len ? node_of_id(t, item->message_id) : new_node(t);

	if (n->item)
		n = new_node(t);
	n->item = item;
	n->place = place;
	return n;
}

/* Step 1. */
static void place_item(struct tree *t, const struct thread_item *item, size_t place)
{
	struct node *n = node_of_item(t, item, place), *before = NULL;
	struct span rest = item->refs, id;

	/* (A) the references, each the parent of the next where that has none and no loop is made */
	while (rest.len) {
		struct node *ref;

		span_cut(rest, '\n', &id, &rest);
		if (!id.len)
			continue;
		ref = node_of_id(t, id);
		if (before && !ref->parent && ref != before && !is_above(ref, before))
			link_nodes(before, ref);
		before = ref;
	}
	/* (B) the last of them, or nobody, is the parent of this message */
	if (before && n->parent == before)
		return;
	unlink_node(n);
	if (before && before != n && !is_above(n, before))
		link_nodes(before, n);
}

/* Step 2. */
static void gather_roots(struct tree *t)
{
	for (size_t i = 0; i < t->count; i++)
		if (!t->list[i]->parent)
			add_child(&t->root, t->list[i]);
}

/* ---- walking, without recursion: threads may be as deep as a mailbox is long ---- */

/* The first that comes when children go before their parents. */
static struct node *deepest(struct node *n)
{
	while (n->child)
		n = n->child;
	return n;
}

static struct node *next_up(struct node *n)
{
	return n->next ? deepest(n->next) : n->parent;
}

/* Step 3. Children take the place of a dummy; at the top only a single one does. */
static void prune(struct tree *t)
{
	struct node *n = deepest(&t->root);

	while (n != &t->root) {
		struct node *after = next_up(n), *parent = n->parent, *child;

		if (!n->item && !n->child) {
			unlink_node(n);
		} else if (!n->item && (parent != &t->root || !n->child->next)) {
			while ((child = n->child)) {
				unlink_node(child);
				insert_before(n, child);
			}
			unlink_node(n);
		}
		n = after;
	}
}

/* ---- order ---- */

static const struct node *shown(const struct node *n)
{
	return n->item ? n : n->child;
}

static int compare_nodes(const void *a, const void *b)
{
	const struct node *x = shown(*(struct node *const *)a);
	const struct node *y = shown(*(struct node *const *)b);

	if (x->item->sent_ns != y->item->sent_ns)
		return x->item->sent_ns < y->item->sent_ns ? -1 : 1;
	return x->place < y->place ? -1 : x->place > y->place;
}

static void sort_children(struct node *parent)
{
	struct node **list, *n;
	size_t count = 0, i = 0;

	for (n = parent->child; n; n = n->next)
		count++;
	if (count < 2)
		return;
	list = mem_alloc(count * sizeof(struct node *));
	for (n = parent->child; n; n = n->next)
		list[i++] = n;
	qsort(list, count, sizeof(struct node *), compare_nodes);
	parent->child = parent->last_child = NULL;
	for (i = 0; i < count; i++)
		add_child(parent, list[i]);
	free(list);
}

/* Step 4: of a dummy its first child by date counts. */
static void sort_roots(struct tree *t)
{
	for (struct node *n = t->root.child; n; n = n->next)
		if (!n->item)
			sort_children(n);
	sort_children(&t->root);
}

/* Step 6: grandchildren before children. */
static void sort_all(struct tree *t)
{
	struct node *n = deepest(&t->root);

	for (; n != &t->root; n = next_up(n))
		sort_children(n);
	sort_children(&t->root);
}

/* ---- step 5: by subject ---- */

static struct span subject_of(const struct node *n)
{
	return shown(n)->item->subject;
}

static bool is_reply(const struct node *n)
{
	return n->item && n->item->is_reply;
}

/* (B) */
static void gather_subjects(struct tree *t)
{
	for (struct node *n = t->root.child; n; n = n->next) {
		struct span subject = subject_of(n);
		struct node *there;

		if (!subject.len)
			continue;
		there = hash_map_get(&t->subjects, subject);
		if (!there || (there->item && (!n->item || (is_reply(there) && !is_reply(n)))))
			hash_map_set(&t->subjects, subject, n);
	}
}

static void move_children(struct node *from, struct node *to)
{
	struct node *n;

	while ((n = from->child)) {
		unlink_node(n);
		add_child(to, n);
	}
}

/* Both become children of a dummy, which takes the place of the one in the table: that node becomes it. */
static void join(struct tree *t, struct node *there, struct node *n)
{
	struct node *was = new_node(t);

	was->item = there->item;
	was->place = there->place;
	move_children(there, was);
	there->item = NULL;
	add_child(there, was);
	add_child(there, n);
}

/* (C) of two threads with one subject. `n` is not among the threads now. */
static void merge(struct tree *t, struct node *there, struct node *n)
{
	if (!there->item && !n->item)
		move_children(n, there);
	else if (!there->item || (is_reply(n) && !is_reply(there)))
		add_child(there, n);
	else
		join(t, there, n);
}

static void merge_subjects(struct tree *t)
{
	struct node *n = t->root.child, *next;

	t->root.child = t->root.last_child = NULL;
	for (; n; n = next) {
		struct span subject = subject_of(n);
		struct node *there = subject.len ? hash_map_get(&t->subjects, subject) : NULL;

		next = n->next;
		if (there && there != n)
			merge(t, there, n);
		else
			add_child(&t->root, n);
	}
}

/* ---- telling ---- */

static void put_number(struct buf *out, const struct node *n, bool *needs_blank)
{
	if (!n->item)
		return;
	if (*needs_blank)
		buf_char(out, ' ');
	buf_u64(out, n->item->number);
	*needs_blank = true;
}

/* A thread and all below it. An only child follows in the same parentheses, of several each has its own. */
static void put_thread(struct buf *out, struct node *top)
{
	struct node *n = top;
	bool needs_blank = false;

	buf_char(out, '(');
	for (;;) {
		put_number(out, n, &needs_blank);
		if (n->child) {
			if (n->child->next) {
				if (needs_blank)
					buf_char(out, ' ');
				buf_char(out, '(');
				needs_blank = false;
			}
			n = n->child;
			continue;
		}
		/* up: every one of several closes what it has opened */
		while (n != top && !n->next) {
			if (n->parent->child != n)
				buf_char(out, ')');
			n = n->parent;
		}
		if (n == top)
			break;
		buf_str(out, ")(");
		needs_blank = false;
		n = n->next;
	}
	buf_char(out, ')');
}

static void put_threads(struct buf *out, const struct tree *t)
{
	for (struct node *n = t->root.child; n; n = n->next)
		put_thread(out, n);
}

/* ---- the two of them ---- */

static void tree_init(struct tree *t)
{
	/* ids are strangers' choice */
	struct hash_key key = {(uint64_t)(uintptr_t)t ^ (uint64_t)clock_mono_ns(),
		(uint64_t)clock_wall_ns() * 0x9e3779b97f4a7c15ULL};

	*t = (struct tree){.a = arena_new()};
	hash_map_init(&t->ids, key);
	hash_map_init(&t->subjects, key);
}

static void tree_fini(struct tree *t)
{
	hash_map_fini(&t->ids);
	hash_map_fini(&t->subjects);
	free(t->list);
	arena_free(&t->a);
}

void thread_references(const struct thread_item *items, size_t count, struct buf *out)
{
	struct tree t;

	tree_init(&t);
	for (size_t i = 0; i < count; i++)
		place_item(&t, &items[i], i);
	gather_roots(&t);
	prune(&t);
	sort_roots(&t);
	gather_subjects(&t);
	merge_subjects(&t);
	sort_all(&t);
	put_threads(out, &t);
	tree_fini(&t);
}

static int compare_subjects(const void *a, const void *b)
{
	const struct node *x = *(struct node *const *)a, *y = *(struct node *const *)b;
	int order = span_cmp(x->item->subject, y->item->subject);

	return order ? order : compare_nodes(a, b);
}

/* RFC 5256 section 3: sorted by base subject, then by sent date; the first of each subject is the parent of
 * the others; threads in the order of their first. */
void thread_ordered_subject(const struct thread_item *items, size_t count, struct buf *out)
{
	struct node **list = mem_alloc((count + 1) * sizeof(struct node *));
	struct node *first = NULL;
	struct tree t;

	tree_init(&t);
	for (size_t i = 0; i < count; i++) {
		list[i] = new_node(&t);
		list[i]->item = &items[i];
		list[i]->place = i;
	}
	qsort(list, count, sizeof(struct node *), compare_subjects);
	for (size_t i = 0; i < count; i++) {
		if (first && span_eq(first->item->subject, list[i]->item->subject)) {
			add_child(first, list[i]);
		} else {
			first = list[i];
			add_child(&t.root, first);
		}
	}
	sort_children(&t.root);
	put_threads(out, &t);
	tree_fini(&t);
	free(list);
}
