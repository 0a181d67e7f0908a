#include <pthread.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/must.h"
#include "store/body_priv.h"

#define BUCKETS 4096 /* a power of two */

struct entry {
	struct list_node by_age;
	struct entry *next;
	uint64_t blob_id;
	struct body_mem *mem;
};

struct body_cache {
	pthread_mutex_t lock;
	uint64_t budget, octets;
	struct list_node by_age;
	struct entry *buckets[BUCKETS];
};

struct body_mem *body_mem_new(size_t cap)
{
	/* not zeroed: as large as a peer's message, and filled before it is read */
	struct body_mem *m = malloc(sizeof(*m) + cap);

	if (!m)
		return NULL;
	atomic_init(&m->refs, 1);
	m->len = 0;
	m->cap = cap;
	return m;
}

struct body_mem *body_mem_ref(struct body_mem *m)
{
	MUST(atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed) > 0);
	return m;
}

void body_mem_unref(struct body_mem **m)
{
	struct body_mem *x = *m;
	int before;

	*m = NULL;
	if (!x)
		return;
	before = atomic_fetch_sub_explicit(&x->refs, 1, memory_order_acq_rel);
	MUST(before > 0);
	if (before == 1)
		free(x);
}

static struct entry **bucket_of(struct body_cache *c, uint64_t blob_id)
{
	/* ids are milliseconds << 22 | n: fold the two parts */
	return &c->buckets[(blob_id ^ (blob_id >> 22)) & (BUCKETS - 1)];
}

struct body_cache *body_cache_new(uint64_t budget)
{
	struct body_cache *c = NEW(struct body_cache);

	pthread_mutex_init(&c->lock, NULL);
	list_init(&c->by_age);
	c->budget = budget;
	return c;
}

static void take_out(struct body_cache *c, struct entry *entry)
{
	struct entry **at = bucket_of(c, entry->blob_id);

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	list_remove(&entry->by_age);
	c->octets -= entry->mem->cap;
	body_mem_unref(&entry->mem);
	free(entry);
}

void body_cache_free(struct body_cache **c)
{
	struct body_cache *x = *c;

	if (!x)
		return;
	while (!list_empty(&x->by_age))
		take_out(x, LIST_ITEM(x->by_age.next, struct entry, by_age));
	pthread_mutex_destroy(&x->lock);
	free(x);
	*c = NULL;
}

void body_cache_put(struct body_cache *c, uint64_t blob_id, struct body_mem *m)
{
	struct entry *entry = NEW(struct entry);
	struct entry **at = bucket_of(c, blob_id);

	entry->blob_id = blob_id;
	entry->mem = body_mem_ref(m);
	pthread_mutex_lock(&c->lock);
	entry->next = *at;
	*at = entry;
	list_push_back(&c->by_age, &entry->by_age);
	c->octets += m->cap;
	while (c->octets > c->budget)
		take_out(c, LIST_ITEM(c->by_age.next, struct entry, by_age));
	pthread_mutex_unlock(&c->lock);
}

static struct entry *find(struct body_cache *c, uint64_t blob_id)
{
	struct entry *entry = *bucket_of(c, blob_id);

	while (entry && entry->blob_id != blob_id)
		entry = entry->next;
	return entry;
}

struct body_mem *body_cache_get(struct body_cache *c, uint64_t blob_id)
{
	struct body_mem *m = NULL;
	struct entry *entry;

	pthread_mutex_lock(&c->lock);
	entry = find(c, blob_id);
	if (entry)
		m = body_mem_ref(entry->mem);
	pthread_mutex_unlock(&c->lock);
	return m;
}

void body_cache_drop(struct body_cache *c, uint64_t blob_id)
{
	struct entry *entry;

	pthread_mutex_lock(&c->lock);
	entry = find(c, blob_id);
	if (entry)
		take_out(c, entry);
	pthread_mutex_unlock(&c->lock);
}

uint64_t body_cache_octets(struct body_cache *c)
{
	uint64_t octets;

	pthread_mutex_lock(&c->lock);
	octets = c->octets;
	pthread_mutex_unlock(&c->lock);
	return octets;
}
