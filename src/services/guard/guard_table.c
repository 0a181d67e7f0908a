#include <stdlib.h>

#include "base/mem.h"
#include "services/guard/guard_priv.h"

void guard_table_init(struct guard_table *t, const struct hash_key *hash, size_t max)
{
	*t = (struct guard_table){.hash = *hash, .shard_max = max / GUARD_SHARDS + 1};
	for (size_t i = 0; i < GUARD_SHARDS; i++) {
		struct guard_shard *s = &t->shards[i];

		pthread_mutex_init(&s->lock, NULL);
		list_init(&s->used);
	}
}

void guard_table_fini(struct guard_table *t)
{
	for (size_t i = 0; i < GUARD_SHARDS; i++) {
		struct guard_shard *s = &t->shards[i];

		while (!list_empty(&s->used)) {
			struct guard_slot *slot = LIST_ITEM(
				s->used.next, struct guard_slot, used_node);

			list_remove(&slot->used_node);
			free(slot);
		}
		free(s->buckets);
		pthread_mutex_destroy(&s->lock);
	}
}

static uint64_t hash_of(const struct guard_table *t, const struct guard_key *key)
{
	return hash_bytes(&t->hash, span_of(key, sizeof(*key)));
}

static struct guard_slot **bucket_of(struct guard_shard *s, uint64_t hash)
{
	return &s->buckets[(size_t)(hash >> 8) & (s->size - 1)];
}

static void grow(const struct guard_table *t, struct guard_shard *s)
{
	size_t size = s->size ? s->size * 2 : GUARD_FIRST;

	free(s->buckets);
	s->buckets = mem_alloc(size * sizeof(struct guard_slot *));
	s->size = size;
	LIST_EACH (n, &s->used) {
		struct guard_slot *slot = LIST_ITEM(n, struct guard_slot, used_node);
		struct guard_slot **b = bucket_of(s, hash_of(t, &slot->key));

		slot->next = *b;
		*b = slot;
	}
}

static void drop(const struct guard_table *t, struct guard_shard *s, struct guard_slot *slot)
{
	struct guard_slot **at = bucket_of(s, hash_of(t, &slot->key));

	while (*at != slot)
		at = &(*at)->next;
	*at = slot->next;
	list_remove(&slot->used_node);
	s->count--;
	free(slot);
}

static bool key_eq(const struct guard_key *a, const struct guard_key *b)
{
	return a->word[0] == b->word[0] && a->word[1] == b->word[1];
}

static struct guard_slot *make(const struct guard_table *t, struct guard_shard *s, uint64_t hash,
	const struct guard_key *key)
{
	struct guard_slot *slot;

	if (s->count >= t->shard_max)
		drop(t, s, LIST_ITEM(s->used.next, struct guard_slot, used_node));
	if (s->count >= s->size)
		grow(t, s);
	slot = NEW(struct guard_slot);
	slot->key = *key;
	slot->next = *bucket_of(s, hash);
	*bucket_of(s, hash) = slot;
	s->count++;
	return slot;
}

struct guard_slot *guard_table_take(
	struct guard_table *t, const struct guard_key *key, bool is_made)
{
	uint64_t hash = hash_of(t, key);
	struct guard_shard *s = &t->shards[hash % GUARD_SHARDS];
	struct guard_slot *slot = NULL;

	pthread_mutex_lock(&s->lock);
	if (s->size)
		slot = *bucket_of(s, hash);
	while (slot && !key_eq(&slot->key, key))
		slot = slot->next;
	if (slot)
		list_remove(&slot->used_node);
	else if (is_made)
		slot = make(t, s, hash, key);
	if (slot)
		list_push_back(&s->used, &slot->used_node);
	return slot;
}

void guard_table_done(struct guard_table *t, const struct guard_key *key)
{
	pthread_mutex_unlock(&t->shards[hash_of(t, key) % GUARD_SHARDS].lock);
}

size_t guard_table_count(struct guard_table *t)
{
	size_t count = 0;

	for (size_t i = 0; i < GUARD_SHARDS; i++) {
		pthread_mutex_lock(&t->shards[i].lock);
		count += t->shards[i].count;
		pthread_mutex_unlock(&t->shards[i].lock);
	}
	return count;
}

void guard_table_forget(
	struct guard_table *t, bool (*fn)(void *arg, const struct guard_key *key), void *arg)
{
	for (size_t i = 0; i < GUARD_SHARDS; i++) {
		struct guard_shard *s = &t->shards[i];

		pthread_mutex_lock(&s->lock);
		for (struct list_node *n = s->used.next, *next; n != &s->used; n = next) {
			struct guard_slot *slot = LIST_ITEM(n, struct guard_slot, used_node);

			next = n->next;
			if (fn(arg, &slot->key))
				drop(t, s, slot);
		}
		pthread_mutex_unlock(&s->lock);
	}
}
