#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/mem.h"
#include "services/host/host_priv.h"

#define SHARD_SIZE_FIRST 64

/* An IPv6 client owns at least a /64, so that is what is counted. */
static void peer_key(const struct addr *peer, uint64_t key_r[2])
{
	key_r[0] = key_r[1] = 0;
	if (peer->sa.sa_family == AF_INET)
		key_r[0] = 0x100000000ULL | peer->in4.sin_addr.s_addr;
	else if (peer->sa.sa_family == AF_INET6)
		memcpy(&key_r[1], peer->in6.sin6_addr.s6_addr, 8);
	if (peer->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&peer->in6.sin6_addr)) {
		uint32_t ip;

		memcpy(&ip, peer->in6.sin6_addr.s6_addr + 12, 4);
		key_r[0] = 0x100000000ULL | ip;
	}
}

void host_admit_init(struct host_admit *a, size_t listeners)
{
	*a = (struct host_admit){0};
	for (size_t i = 0; i < HOST_ADMIT_SHARDS; i++)
		pthread_mutex_init(&a->shards[i].lock, NULL);
	a->key = NEW(struct hash_key);
	MUST(getrandom(a->key, sizeof(*a->key), 0) == sizeof(*a->key));
	a->listeners = mem_alloc(sizeof(int64_t) * (listeners + 1));
}

void host_admit_fini(struct host_admit *a)
{
	for (size_t i = 0; i < HOST_ADMIT_SHARDS; i++) {
		pthread_mutex_destroy(&a->shards[i].lock);
		free(a->shards[i].slots);
	}
	free(a->key);
	free(a->listeners);
}

static struct host_admit_slot *slot_at(
	struct host_admit_shard *s, uint64_t hash, const uint64_t *key)
{
	size_t at = (size_t)(hash >> 8) & (s->size - 1);

	while (s->slots[at].used && memcmp(s->slots[at].key, key, 16) != 0)
		at = (at + 1) & (s->size - 1);
	return &s->slots[at];
}

/* Twice as large as what is in use; entries without connections are forgotten on the way. */
static void shard_grow(struct host_admit *a, struct host_admit_shard *s)
{
	struct host_admit_slot *old = s->slots;
	size_t old_size = s->size, live = 0;

	for (size_t i = 0; i < old_size; i++)
		live += old[i].count > 0;
	s->size = SHARD_SIZE_FIRST;
	while (s->size < live * 4)
		s->size *= 2;
	s->slots = mem_alloc(s->size * sizeof(*s->slots));
	s->used = live;
	for (size_t i = 0; i < old_size; i++) {
		if (!old[i].count)
			continue;
		*slot_at(s, hash_bytes(a->key, span_of(old[i].key, 16)), old[i].key) = old[i];
	}
	free(old);
}

static bool ip_enter(struct host_admit *a, const struct addr *peer, int64_t max)
{
	uint64_t key[2], hash;
	bool is_in;

	peer_key(peer, key);
	hash = hash_bytes(a->key, span_of(key, 16));
	struct host_admit_shard *s = &a->shards[hash % HOST_ADMIT_SHARDS];

	pthread_mutex_lock(&s->lock);
	if ((s->used + 1) * 2 > s->size)
		shard_grow(a, s);
	struct host_admit_slot *slot = slot_at(s, hash, key);
	is_in = slot->count < max;
	if (is_in) {
		if (!slot->used) {
			memcpy(slot->key, key, 16);
			slot->used = 1;
			s->used++;
		}
		slot->count++;
	}
	pthread_mutex_unlock(&s->lock);
	return is_in;
}

static void ip_leave(struct host_admit *a, const struct addr *peer)
{
	uint64_t key[2], hash;

	peer_key(peer, key);
	hash = hash_bytes(a->key, span_of(key, 16));
	struct host_admit_shard *s = &a->shards[hash % HOST_ADMIT_SHARDS];

	pthread_mutex_lock(&s->lock);
	struct host_admit_slot *slot = slot_at(s, hash, key);
	MUST(slot->used && slot->count > 0);
	slot->count--;
	pthread_mutex_unlock(&s->lock);
}

const char *host_admit_enter(struct host_admit *a, const struct host_settings *s, size_t listener,
	const struct addr *peer, bool is_free)
{
	int64_t total = __atomic_add_fetch(&a->total, 1, __ATOMIC_RELAXED);
	int64_t here = __atomic_add_fetch(&a->listeners[listener], 1, __ATOMIC_RELAXED);
	int64_t here_max = s->config->listeners[listener].connections_max;
	const char *why = NULL;

	if (total > s->connections_max || (here_max && here > here_max))
		why = "Too many connections, try again later";
	else if (!is_free && addr_is_ip(peer) &&
		!ip_enter(a, peer, s->config->limits.connections_ip))
		why = "Too many connections from your address, try again later";
	if (why) {
		__atomic_sub_fetch(&a->total, 1, __ATOMIC_RELAXED);
		__atomic_sub_fetch(&a->listeners[listener], 1, __ATOMIC_RELAXED);
		__atomic_add_fetch(&a->refused, 1, __ATOMIC_RELAXED);
	}
	return why;
}

void host_admit_leave(struct host_admit *a, size_t listener, const struct addr *peer, bool is_free)
{
	__atomic_sub_fetch(&a->total, 1, __ATOMIC_RELAXED);
	__atomic_sub_fetch(&a->listeners[listener], 1, __ATOMIC_RELAXED);
	if (!is_free && addr_is_ip(peer))
		ip_leave(a, peer);
}
