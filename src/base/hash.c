#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

static inline uint64_t hash_rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

#define HASH_ROUND                                                                                 \
	do {                                                                                       \
		v0 += v1, v2 += v3;                                                                \
		v1 = hash_rotl(v1, 13) ^ v0, v3 = hash_rotl(v3, 16) ^ v2;                          \
		v0 = hash_rotl(v0, 32);                                                            \
		v2 += v1, v0 += v3;                                                                \
		v1 = hash_rotl(v1, 17) ^ v2, v3 = hash_rotl(v3, 21) ^ v0;                          \
		v2 = hash_rotl(v2, 32);                                                            \
	} while (0)

uint64_t hash_bytes(const struct hash_key *key, struct span s)
{
	uint64_t v0 = 0x736f6d6570736575ULL ^ key->k0, v1 = 0x646f72616e646f6dULL ^ key->k1;
	uint64_t v2 = 0x6c7967656e657261ULL ^ key->k0, v3 = 0x7465646279746573ULL ^ key->k1;
	size_t i = 0;
	uint64_t m;

	for (; i + 8 <= s.len; i += 8) {
		memcpy(&m, s.ptr + i, 8);
		v3 ^= m;
		HASH_ROUND;
		HASH_ROUND;
		v0 ^= m;
	}
	m = (uint64_t)s.len << 56;
	for (size_t k = 0; i + k < s.len; k++)
		m |= (uint64_t)(unsigned char)s.ptr[i + k] << (8 * k);
	v3 ^= m;
	HASH_ROUND;
	HASH_ROUND;
	v0 ^= m;
	v2 ^= 0xff;
	HASH_ROUND;
	HASH_ROUND;
	HASH_ROUND;
	HASH_ROUND;
	return v0 ^ v1 ^ v2 ^ v3;
}

struct hash_slot {
	char *name; /* NULL: free; hash_dead: removed */
	size_t len;
	uint64_t hash;
	void *value;
};

static char hash_dead[1];

void hash_map_init(struct hash_map *m, struct hash_key key)
{
	memset(m, 0, sizeof(*m));
	m->key = key;
}

void hash_map_fini(struct hash_map *m)
{
	for (size_t i = 0; i < m->size; i++)
		if (m->slots[i].name != hash_dead)
			free(m->slots[i].name);
	free(m->slots);
	hash_map_init(m, m->key);
}

static struct hash_slot *hash_find(const struct hash_map *m, struct span name, uint64_t h)
{
	if (!m->size)
		return NULL;
	for (size_t i = h & (m->size - 1);; i = (i + 1) & (m->size - 1)) {
		struct hash_slot *s = &m->slots[i];

		if (!s->name)
			return NULL;
		if (s->name != hash_dead && s->hash == h && span_eq(span_of(s->name, s->len), name))
			return s;
	}
}

static void hash_put(struct hash_map *m, struct hash_slot fresh)
{
	size_t i = fresh.hash & (m->size - 1);

	while (m->slots[i].name && m->slots[i].name != hash_dead)
		i = (i + 1) & (m->size - 1);
	if (m->slots[i].name == hash_dead)
		m->dead--;
	m->slots[i] = fresh;
	m->used++;
}

static void hash_grow(struct hash_map *m)
{
	struct hash_slot *old = m->slots;
	size_t old_size = m->size;

	m->size = m->used * 4 < 16 ? 16 : old_size;
	while (m->size < m->used * 3)
		m->size *= 2;
	m->slots = mem_alloc(m->size * sizeof(*m->slots));
	m->used = m->dead = 0;
	for (size_t i = 0; i < old_size; i++)
		if (old[i].name && old[i].name != hash_dead)
			hash_put(m, old[i]);
	free(old);
}

void *hash_map_get(const struct hash_map *m, struct span name)
{
	struct hash_slot *s = hash_find(m, name, hash_bytes(&m->key, name));

	return s ? s->value : NULL;
}

void *hash_map_set(struct hash_map *m, struct span name, void *value)
{
	uint64_t h = hash_bytes(&m->key, name);
	struct hash_slot *s = hash_find(m, name, h);

	MUST(value);
	if (s) {
		void *was = s->value;

		s->value = value;
		return was;
	}
	if ((m->used + m->dead + 1) * 3 > m->size * 2)
		hash_grow(m);
	hash_put(m, (struct hash_slot){mem_dup(name.ptr, name.len), name.len, h, value});
	return NULL;
}

void *hash_map_remove(struct hash_map *m, struct span name)
{
	struct hash_slot *s = hash_find(m, name, hash_bytes(&m->key, name));
	void *was;

	if (!s)
		return NULL;
	was = s->value;
	free(s->name);
	s->name = hash_dead;
	s->value = NULL;
	m->used--;
	m->dead++;
	return was;
}

bool hash_map_next(const struct hash_map *m, size_t *at, struct span *name_r, void **value_r)
{
	for (; *at < m->size; (*at)++) {
		struct hash_slot *s = &m->slots[*at];

		if (!s->name || s->name == hash_dead)
			continue;
		if (name_r)
			*name_r = span_of(s->name, s->len);
		*value_r = s->value;
		(*at)++;
		return true;
	}
	return false;
}
