/* Results of the last general queries, for who turns pages. Kept by the state that they are of: a result of
 * another state is no use to anybody. */

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/email_find.h"

struct kept {
	char *key;
	size_t key_len;
	uint64_t state;
	uint64_t *ids;
	size_t count;
	uint64_t used; /* when, by `clock` */
};

struct email_kept {
	pthread_mutex_t lock;
	struct kept list[EMAIL_KEPT_QUERIES];
	uint64_t clock;
	size_t ids; /* of all of them */
};

struct email_kept *email_kept_new(void)
{
	struct email_kept *k = NEW(struct email_kept);

	pthread_mutex_init(&k->lock, NULL);
	return k;
}

static void drop(struct email_kept *k, struct kept *x)
{
	k->ids -= x->count;
	free(x->key);
	free(x->ids);
	*x = (struct kept){0};
}

void email_kept_free(struct email_kept **k)
{
	if (!*k)
		return;
	for (size_t i = 0; i < EMAIL_KEPT_QUERIES; i++)
		drop(*k, &(*k)->list[i]);
	pthread_mutex_destroy(&(*k)->lock);
	free(*k);
	*k = NULL;
}

/* ---- keys ---- */

#define KEY_MAX (1u << 20) /* a larger question is not kept */

static void put_u64(struct buf *b, uint64_t n)
{
	buf_put(b, &n, sizeof(n));
}

static void put_span(struct buf *b, struct span s)
{
	put_u64(b, s.len);
	buf_span_put(b, s);
}

static void put_filter(struct buf *b, const struct email_filter *f)
{
	put_u64(b, (uint64_t)f->op);
	put_u64(b, f->id);
	put_u64(b, (uint64_t)f->number);
	put_u64(b, f->has_text);
	put_span(b, f->text);
	put_span(b, f->name);
	put_u64(b, f->id_count);
	for (size_t i = 0; i < f->id_count; i++)
		put_u64(b, f->ids[i]);
	put_u64(b, f->kid_count);
	for (size_t i = 0; i < f->kid_count; i++)
		put_filter(b, &f->kids[i]);
}

struct span email_kept_key(
	struct arena *a, const struct email_eyes *eyes, const struct email_query *q)
{
	struct buf *b = arena_buf(a, KEY_MAX);

	put_u64(b, eyes->account_id);
	put_u64(b, eyes->is_all);
	put_u64(b, eyes->mailbox_count);
	for (size_t i = 0; i < eyes->mailbox_count; i++)
		put_u64(b, eyes->mailboxes[i]);
	put_u64(b, q->collapses);
	put_u64(b, q->sort_count);
	for (size_t i = 0; i < q->sort_count; i++) {
		put_u64(b, (uint64_t)q->sort[i].key);
		put_u64(b, q->sort[i].is_descending);
		put_span(b, q->sort[i].keyword);
	}
	if (q->filter)
		put_filter(b, q->filter);
	return buf_ok(b) ? buf_span(b) : SPAN_NONE;
}

/* ---- keeping ---- */

static struct kept *find(struct email_kept *k, struct span key)
{
	for (size_t i = 0; i < EMAIL_KEPT_QUERIES; i++)
		if (k->list[i].key && span_eq(span_of(k->list[i].key, k->list[i].key_len), key))
			return &k->list[i];
	return NULL;
}

bool email_kept_get(struct email_kept *k, struct arena *a, struct span key, uint64_t state,
	uint64_t **ids_r, size_t *count_r)
{
	struct kept *x;
	bool is_found = false;

	if (!key.len)
		return false;
	pthread_mutex_lock(&k->lock);
	x = find(k, key);
	if (x && x->state == state) {
		is_found = true;
		x->used = ++k->clock;
		*count_r = x->count;
		*ids_r = ARENA_ARRAY(a, uint64_t, x->count + 1);
		if (x->count)
			memcpy(*ids_r, x->ids, x->count * sizeof(*x->ids));
	}
	pthread_mutex_unlock(&k->lock);
	return is_found;
}

static struct kept *oldest(struct email_kept *k)
{
	struct kept *x = &k->list[0];

	for (size_t i = 1; i < EMAIL_KEPT_QUERIES; i++)
		if (!k->list[i].key || (x->key && k->list[i].used < x->used))
			x = &k->list[i];
	return x;
}

/* The one that was used longest ago, of those that are there. */
static struct kept *oldest_used(struct email_kept *k)
{
	struct kept *x = NULL;

	for (size_t i = 0; i < EMAIL_KEPT_QUERIES; i++)
		if (k->list[i].key && (!x || k->list[i].used < x->used))
			x = &k->list[i];
	return x;
}

void email_kept_put(
	struct email_kept *k, struct span key, uint64_t state, const uint64_t *ids, size_t count)
{
	struct kept *x;

	if (!key.len || count > EMAIL_KEPT_IDS / 2)
		return;
	pthread_mutex_lock(&k->lock);
	x = find(k, key);
	if (!x)
		x = oldest(k);
	drop(k, x);
	while (k->ids + count > EMAIL_KEPT_IDS)
		drop(k, oldest_used(k));
	x->key = mem_dup(key.ptr, key.len);
	x->key_len = key.len;
	x->state = state;
	x->count = count;
	x->ids = (uint64_t *)(void *)mem_dup(ids, count * sizeof(*ids));
	x->used = ++k->clock;
	k->ids += count;
	pthread_mutex_unlock(&k->lock);
}
