/* Passwords that were found right a moment ago. An entry is found by the HMAC over scope, name and
 * password, each with its length in front, and is good for the one account and credential that stand in
 * it: while the directory has not moved they are what they were, afterwards they are compared with what
 * it says. So an account that gets another password, or a name that gets another account, has none. */

/* OpenSSL has a type of that name, which nothing here needs. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#undef ERR_STATE
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "services/auth/auth_priv.h"

#define CACHE_MAC     32
#define CACHE_SHARDS  16
#define CACHE_WAYS    8
#define CACHE_BUCKETS (AUTH_CACHE_MAX / CACHE_SHARDS / CACHE_WAYS)

_Static_assert((CACHE_BUCKETS & (CACHE_BUCKETS - 1)) == 0, "a power of two");

struct cache_entry {
	unsigned char mac[CACHE_MAC];
	int64_t until_ns; /* 0: free */
	int64_t used_ns;
	uint64_t account_id, credential, generation;
	char *text; /* owned: address, name, imap_off */
	size_t address_len, name_len, imap_off_len;
};

struct cache_shard {
	pthread_mutex_t lock;
	struct cache_entry *entries; /* NULL before the first */
	size_t used;
};

struct auth_cache {
	unsigned char key[CACHE_MAC];
	struct cache_shard shards[CACHE_SHARDS];
};

struct auth_cache *auth_cache_new(void)
{
	struct auth_cache *c = NEW(struct auth_cache);

	MUST(RAND_bytes(c->key, sizeof(c->key)) == 1);
	for (size_t i = 0; i < CACHE_SHARDS; i++)
		pthread_mutex_init(&c->shards[i].lock, NULL);
	return c;
}

void auth_cache_free(struct auth_cache **c)
{
	struct auth_cache *was = *c;

	*c = NULL;
	if (!was)
		return;
	for (size_t i = 0; i < CACHE_SHARDS; i++) {
		struct cache_shard *s = &was->shards[i];

		for (size_t j = 0; s->entries && j < (size_t)CACHE_BUCKETS * CACHE_WAYS; j++)
			free(s->entries[j].text);
		free(s->entries);
		pthread_mutex_destroy(&s->lock);
	}
	secret_wipe(was->key, sizeof(was->key));
	free(was);
}

static void put_part(struct buf *b, struct span part)
{
	uint64_t len = part.len;

	buf_put(b, &len, sizeof(len));
	buf_span_put(b, part);
}

/* `what` tells one use of the key from the other. */
static void cache_mac(const struct auth_cache *c, char what, const struct auth_cache_key *key,
	unsigned char mac[CACHE_MAC])
{
	unsigned len = CACHE_MAC;
	uint32_t scope = key->scope;
	struct buf b;

	buf_init(&b, SASL_SERVER_NAME_MAX + SASL_SERVER_RESPONSE_MAX + 64);
	/* at once: what a growing buffer leaves behind is not wiped */
	MUST(buf_reserve(&b, key->user.len + key->password.len + 64));
	buf_char(&b, what);
	buf_put(&b, &scope, sizeof(scope));
	put_part(&b, key->user);
	put_part(&b, key->password);
	MUST(buf_ok(&b));
	MUST(HMAC(EVP_sha256(), c->key, sizeof(c->key), (const unsigned char *)buf_span(&b).ptr,
		buf_len(&b), mac, &len));
	secret_wipe(b.mem, b.cap);
	buf_fini(&b);
}

uint64_t auth_cache_mark(const struct auth_cache *c, struct span user, struct span password)
{
	struct auth_cache_key key = {.user = user, .password = password};
	unsigned char mac[CACHE_MAC];
	uint64_t mark;

	cache_mac(c, 'm', &key, mac);
	memcpy(&mark, mac, sizeof(mark));
	return mark ? mark : 1;
}

static struct cache_shard *cache_shard(struct auth_cache *c, const unsigned char *mac)
{
	return &c->shards[mac[0] % CACHE_SHARDS];
}

static struct cache_entry *cache_bucket(struct cache_shard *s, const unsigned char *mac)
{
	size_t n = ((size_t)mac[1] << 8 | mac[2]) & (CACHE_BUCKETS - 1);

	return s->entries + n * CACHE_WAYS;
}

/* With the lock held. The wall of time is the caller's: an entry that is too old is not found. */
static struct cache_entry *cache_find(struct cache_shard *s, const unsigned char *mac)
{
	struct cache_entry *b;

	if (!s->entries)
		return NULL;
	b = cache_bucket(s, mac);
	for (size_t i = 0; i < CACHE_WAYS; i++)
		if (b[i].until_ns &&
			secret_eq(span_of(b[i].mac, CACHE_MAC), span_of(mac, CACHE_MAC)))
			return &b[i];
	return NULL;
}

static void cache_clear(struct cache_shard *s, struct cache_entry *x)
{
	if (!x->until_ns)
		return;
	free(x->text);
	memset(x, 0, sizeof(*x));
	s->used--;
}

bool auth_cache_get(struct auth_cache *c, struct arena *a, const struct auth_cache_key *key,
	int64_t now_ns, struct auth_cached *cached_r)
{
	unsigned char mac[CACHE_MAC];
	struct cache_shard *s;
	struct cache_entry *x;

	cache_mac(c, 'c', key, mac);
	s = cache_shard(c, mac);
	pthread_mutex_lock(&s->lock);
	x = cache_find(s, mac);
	if (x && x->until_ns <= now_ns) {
		cache_clear(s, x);
		x = NULL;
	}
	if (x) {
		x->used_ns = now_ns;
		*cached_r = (struct auth_cached){.account_id = x->account_id,
			.credential = x->credential,
			.generation = x->generation,
			.address = arena_span(a, span_of(x->text, x->address_len)),
			.name = arena_span(a, span_of(x->text + x->address_len, x->name_len)),
			.imap_off = arena_span(a,
				span_of(x->text + x->address_len + x->name_len, x->imap_off_len))};
	}
	pthread_mutex_unlock(&s->lock);
	return x != NULL;
}

/* Where a new one goes: a free place, else that of the one that was not asked for the longest. */
static struct cache_entry *cache_place(
	struct cache_shard *s, const unsigned char *mac, int64_t now_ns)
{
	struct cache_entry *b, *oldest;

	if (!s->entries)
		s->entries = mem_alloc(sizeof(*b) * CACHE_BUCKETS * CACHE_WAYS);
	b = oldest = cache_bucket(s, mac);
	for (size_t i = 0; i < CACHE_WAYS; i++) {
		if (b[i].until_ns <= now_ns)
			return &b[i];
		if (b[i].used_ns < oldest->used_ns)
			oldest = &b[i];
	}
	return oldest;
}

void auth_cache_put(struct auth_cache *c, const struct auth_cache_key *key, int64_t now_ns,
	const struct auth_cached *what)
{
	unsigned char mac[CACHE_MAC];
	struct cache_shard *s;
	struct cache_entry *x;
	const struct span parts[] = {what->address, what->name, what->imap_off};
	size_t len = what->address.len + what->name.len + what->imap_off.len;
	char *text = mem_alloc(len + 1), *to = text;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (parts[i].len)
			memcpy(to, parts[i].ptr, parts[i].len);
		to += parts[i].len;
	}
	cache_mac(c, 'c', key, mac);
	s = cache_shard(c, mac);
	pthread_mutex_lock(&s->lock);
	x = cache_find(s, mac);
	if (!x)
		x = cache_place(s, mac, now_ns);
	cache_clear(s, x);
	memcpy(x->mac, mac, sizeof(mac));
	x->until_ns = now_ns + AUTH_CACHE_NS;
	x->used_ns = now_ns;
	x->account_id = what->account_id;
	x->credential = what->credential;
	x->generation = what->generation;
	x->text = text;
	x->address_len = what->address.len;
	x->name_len = what->name.len;
	x->imap_off_len = what->imap_off.len;
	s->used++;
	pthread_mutex_unlock(&s->lock);
}

void auth_cache_confirm(
	struct auth_cache *c, const struct auth_cache_key *key, const struct auth_cached *what)
{
	unsigned char mac[CACHE_MAC];
	struct cache_shard *s;
	struct cache_entry *x;

	cache_mac(c, 'c', key, mac);
	s = cache_shard(c, mac);
	pthread_mutex_lock(&s->lock);
	x = cache_find(s, mac);
	if (x && x->account_id == what->account_id && x->credential == what->credential &&
		x->generation < what->generation)
		x->generation = what->generation;
	pthread_mutex_unlock(&s->lock);
}

void auth_cache_drop(struct auth_cache *c, const struct auth_cache_key *key)
{
	unsigned char mac[CACHE_MAC];
	struct cache_shard *s;
	struct cache_entry *x;

	cache_mac(c, 'c', key, mac);
	s = cache_shard(c, mac);
	pthread_mutex_lock(&s->lock);
	x = cache_find(s, mac);
	if (x)
		cache_clear(s, x);
	pthread_mutex_unlock(&s->lock);
}

size_t auth_cache_count(struct auth_cache *c)
{
	size_t count = 0;

	for (size_t i = 0; i < CACHE_SHARDS; i++) {
		pthread_mutex_lock(&c->shards[i].lock);
		count += c->shards[i].used;
		pthread_mutex_unlock(&c->shards[i].lock);
	}
	return count;
}
