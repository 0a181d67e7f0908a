/* The store's notices come on its writer's thread; each loop where somebody watches one of the accounts
 * gets them as one message, however many come before it has looked. */

#include "services/watch/watch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "store/mailbox.h"

#define WATCH_BUCKETS 1024 /* of accounts, a power of two */

/* What a watch leaves behind when it ends while a message is under way: it goes with the hub, or serves
 * the next watch. */
struct watch_bell {
	struct loop_msg msg;
	struct watch_bell *next;
	struct watch_hub *hub;
	/* under the hub's lock */
	struct watch *watch; /* NULL: nobody's */
	struct loop *loop;
	bool is_posted;
	bool is_all; /* more than there is room for: anything may have changed */
	size_t count;
	struct mailbox_notice notices[MAILBOX_NOTICES_MAX];
	/* How many watch accounts of each bucket: the writer's thread wakes no loop for nothing. A watcher
	 * is counted before he asks the store, the writer looks after the commit: one of them sees the
	 * other. */
	_Atomic uint32_t watchers[WATCH_BUCKETS];
};

struct watch_hub {
	pthread_mutex_t lock;
	struct watch_bell *bells;
};

struct watch {
	struct watch_bell *bell;
	struct list_node buckets[WATCH_BUCKETS];
	struct list_node *walked; /* the next watcher of a walk that is under way, else NULL */
	struct mailbox_notice notices[MAILBOX_NOTICES_MAX];
};

static size_t bucket_of(uint64_t account_id)
{
	/* ids are times: their low bits count, the higher ones are milliseconds */
	return (size_t)((account_id ^ account_id >> 22) * 0x9e3779b97f4a7c15ULL >> 54) &
		(WATCH_BUCKETS - 1);
}

/* ---- on the loop ---- */

/* An account's own notice (names, rights) concerns whoever watches anything of it. */
static bool concerns(const struct watcher *x, struct mailbox_notice n)
{
	if (!n.account_id)
		return true;
	return x->account_id == n.account_id &&
		(!n.mailbox_id || x->mailbox_id == n.mailbox_id || x->mailbox_id == WATCH_ALL);
}

/* Who is woken may take himself or others off. */
static void wake_bucket(struct watch *w, size_t bucket, struct mailbox_notice n)
{
	struct list_node *head = &w->buckets[bucket];

	for (struct list_node *at = head->next; at != head; at = w->walked) {
		struct watcher *x = LIST_ITEM(at, struct watcher, node);

		w->walked = at->next;
		if (!concerns(x, n) || x->is_changed)
			continue;
		x->is_changed = true;
		x->wake(x);
	}
	w->walked = NULL;
}

static void wake(struct watch *w, struct mailbox_notice n)
{
	if (n.account_id) {
		wake_bucket(w, bucket_of(n.account_id), n);
		return;
	}
	for (size_t i = 0; i < WATCH_BUCKETS; i++)
		wake_bucket(w, i, n);
}

static void bell_arrived(struct loop_msg *msg)
{
	struct watch_bell *b = CONTAINER_OF(msg, struct watch_bell, msg);
	struct watch *w;
	size_t count;

	pthread_mutex_lock(&b->hub->lock);
	w = b->watch;
	count = b->is_all ? 1 : b->count;
	for (size_t i = 0; w && i < count; i++)
		w->notices[i] = b->is_all ? (struct mailbox_notice){0} : b->notices[i];
	b->is_posted = b->is_all = false;
	b->count = 0;
	pthread_mutex_unlock(&b->hub->lock);
	for (size_t i = 0; w && i < count; i++)
		wake(w, w->notices[i]);
}

/* ---- on the writer's thread ---- */

static bool is_watched(const struct watch_bell *b, struct mailbox_notice n)
{
	if (n.account_id)
		return atomic_load(&b->watchers[bucket_of(n.account_id)]) > 0;
	for (size_t i = 0; i < WATCH_BUCKETS; i++)
		if (atomic_load(&b->watchers[i]) > 0)
			return true;
	return false;
}

static void put_notice(struct watch_bell *b, struct mailbox_notice n)
{
	for (size_t i = b->count; i-- > 0;)
		if (b->notices[i].account_id == n.account_id &&
			b->notices[i].mailbox_id == n.mailbox_id)
			return;
	if (!n.account_id || b->count == MAILBOX_NOTICES_MAX)
		b->is_all = true;
	else
		b->notices[b->count++] = n;
}

static void tell_bell(struct watch_bell *b, const struct mailbox_notice *list, size_t count)
{
	bool is_news = false;

	for (size_t i = 0; i < count; i++) {
		if (!is_watched(b, list[i]))
			continue;
		put_notice(b, list[i]);
		is_news = true;
	}
	if (!is_news || b->is_posted)
		return;
	b->is_posted = true;
	b->msg = (struct loop_msg){.fn = bell_arrived};
	loop_post(b->loop, &b->msg);
}

static void store_has_changed(void *arg, const struct mailbox_notice *list, size_t count)
{
	struct watch_hub *h = arg;

	pthread_mutex_lock(&h->lock);
	for (struct watch_bell *b = h->bells; b; b = b->next)
		if (b->watch)
			tell_bell(b, list, count);
	pthread_mutex_unlock(&h->lock);
}

/* ---- beginning and end ---- */

struct watch_hub *watch_hub_new(struct store *s)
{
	struct watch_hub *h = NEW(struct watch_hub);

	pthread_mutex_init(&h->lock, NULL);
	mailbox_subscribe_changes(s, store_has_changed, h);
	return h;
}

void watch_hub_free(struct watch_hub **h)
{
	struct watch_hub *x = *h;

	*h = NULL;
	if (!x)
		return;
	while (x->bells) {
		struct watch_bell *b = x->bells;

		MUST(!b->watch);
		x->bells = b->next;
		free(b);
	}
	pthread_mutex_destroy(&x->lock);
	free(x);
}

/* One whose last message is still under way is another loop's. */
static struct watch_bell *bell_take(struct watch_hub *h, struct watch *w)
{
	struct watch_bell *b;

	pthread_mutex_lock(&h->lock);
	for (b = h->bells; b && (b->watch || b->is_posted); b = b->next)
		;
	if (!b) {
		b = NEW(struct watch_bell);
		b->hub = h;
		b->next = h->bells;
		h->bells = b;
	}
	b->watch = w;
	b->loop = loop_current();
	pthread_mutex_unlock(&h->lock);
	return b;
}

struct watch *watch_new(struct watch_hub *h)
{
	struct watch *w = NEW(struct watch);

	for (size_t i = 0; i < WATCH_BUCKETS; i++)
		list_init(&w->buckets[i]);
	w->bell = bell_take(h, w);
	return w;
}

void watch_free(struct watch **w)
{
	struct watch *x = *w;

	*w = NULL;
	if (!x)
		return;
	for (size_t i = 0; i < WATCH_BUCKETS; i++)
		MUST(list_empty(&x->buckets[i]));
	pthread_mutex_lock(&x->bell->hub->lock);
	x->bell->watch = NULL;
	x->bell->loop = NULL;
	pthread_mutex_unlock(&x->bell->hub->lock);
	free(x);
}

void watch_add(struct watch *w, struct watcher *x)
{
	size_t bucket = bucket_of(x->account_id);

	x->is_changed = false;
	list_push_back(&w->buckets[bucket], &x->node);
	atomic_fetch_add(&w->bell->watchers[bucket], 1);
}

void watch_remove(struct watch *w, struct watcher *x)
{
	if (w->walked == &x->node)
		w->walked = x->node.next;
	list_remove(&x->node);
	MUST(atomic_fetch_sub(&w->bell->watchers[bucket_of(x->account_id)], 1) > 0);
}
