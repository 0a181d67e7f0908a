#include "services/web/web_image_kept.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/must.h"

struct kept {
	struct web_picture picture;
	struct list_node by_age; /* linked: in the map */
	int64_t until_ns;
	uint64_t cost;
	unsigned refs; /* the map's and the readers' */
	struct span key;
	char bytes[]; /* the key, then the octets */
};

struct web_image_kept {
	pthread_mutex_t lock;
	uint64_t budget, octets;
	struct list_node by_age;
	struct hash_map map;
};

struct web_image_kept *web_image_kept_new(uint64_t budget)
{
	struct web_image_kept *k = NEW(struct web_image_kept);
	struct hash_key key;

	MUST(getrandom(&key, sizeof(key), 0) == sizeof(key));
	pthread_mutex_init(&k->lock, NULL);
	hash_map_init(&k->map, key);
	list_init(&k->by_age);
	k->budget = budget;
	return k;
}

/* The rest under the lock. */

static void give_back(struct kept *p)
{
	if (--p->refs == 0)
		free(p);
}

static void take_out(struct web_image_kept *k, struct kept *p)
{
	hash_map_remove(&k->map, p->key);
	list_remove(&p->by_age);
	k->octets -= p->cost;
	give_back(p);
}

/* The account's number and the address are one name. */
static size_t key_len(struct span url)
{
	return sizeof(uint64_t) + url.len;
}

static void key_put(char *to, uint64_t account_id, struct span url)
{
	memcpy(to, &account_id, sizeof(account_id));
	memcpy(to + sizeof(account_id), url.ptr, url.len);
}

static struct kept *find(struct web_image_kept *k, uint64_t account_id, struct span url)
{
	char *name = mem_alloc(key_len(url));
	struct kept *p;

	key_put(name, account_id, url);
	p = hash_map_get(&k->map, span_of(name, key_len(url)));
	free(name);
	return p;
}

void web_image_kept_free(struct web_image_kept **k)
{
	struct web_image_kept *x = *k;

	if (!x)
		return;
	while (!list_empty(&x->by_age))
		take_out(x, LIST_ITEM(x->by_age.next, struct kept, by_age));
	hash_map_fini(&x->map);
	pthread_mutex_destroy(&x->lock);
	free(x);
	*k = NULL;
}

void web_image_kept_put(struct web_image_kept *k, uint64_t account_id, struct span url,
	const struct web_picture *picture, int64_t now_ns)
{
	size_t octets = picture->octets.len, cost = sizeof(struct kept) + 2 * key_len(url) + octets;
	struct kept *p, *old;

	if (octets > WEB_IMAGE_KEPT_MAX || cost > k->budget)
		return;
	p = malloc(cost);
	if (!p)
		return;
	*p = (struct kept){.until_ns = now_ns + WEB_IMAGE_KEPT_NS, .cost = cost, .refs = 1};
	key_put(p->bytes, account_id, url);
	memcpy(p->bytes + key_len(url), picture->octets.ptr, octets);
	p->key = span_of(p->bytes, key_len(url));
	p->picture = (struct web_picture){span_of(p->bytes + key_len(url), octets), picture->type};
	pthread_mutex_lock(&k->lock);
	old = find(k, account_id, url);
	if (old)
		take_out(k, old);
	hash_map_set(&k->map, p->key, p);
	list_push_back(&k->by_age, &p->by_age);
	k->octets += cost;
	while (k->octets > k->budget)
		take_out(k, LIST_ITEM(k->by_age.next, struct kept, by_age));
	pthread_mutex_unlock(&k->lock);
}

struct web_picture *web_image_kept_get(
	struct web_image_kept *k, uint64_t account_id, struct span url, int64_t now_ns)
{
	struct kept *p;

	pthread_mutex_lock(&k->lock);
	p = find(k, account_id, url);
	if (p && p->until_ns <= now_ns) {
		take_out(k, p);
		p = NULL;
	}
	if (p)
		p->refs++;
	pthread_mutex_unlock(&k->lock);
	return p ? &p->picture : NULL;
}

void web_image_kept_done(struct web_image_kept *k, struct web_picture **picture)
{
	struct kept *p = *picture ? CONTAINER_OF(*picture, struct kept, picture) : NULL;

	*picture = NULL;
	if (!p)
		return;
	pthread_mutex_lock(&k->lock);
	give_back(p);
	pthread_mutex_unlock(&k->lock);
}
