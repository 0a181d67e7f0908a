/* One hub a process takes the store's change feed and hands each loop what its watchers may want to know;
 * on the loop they are found by account. */

#include "services/watch/watch.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "store/mailbox.h"

#define WATCH_BUCKETS 1024 /* a power of two */

/* A loop's letter box. It outlives its watch, for a message may be under way; then another loop's watch
 * gets it. The hub's lock guards all but `watch`, which is the loop's. */
struct watch_box {
	struct loop_msg msg; /* first: a message is its box */
	struct watch_box *next;
	struct watch_hub *hub;
	struct watch *watch;
	struct loop *loop; /* NULL: nobody's */
	bool is_posted;
	bool is_all; /* more than the list holds */
	/* One is filled while the loop reads the other. */
	struct mailbox_notice lists[2][MAILBOX_NOTICES_MAX];
	unsigned at;
	size_t count;
};

struct watch_hub {
	pthread_mutex_t lock;
	struct watch_box *boxes;
};

struct watch {
	struct watch_box *box;
	size_t count;
	struct list_node buckets[WATCH_BUCKETS];
};

static struct list_node *bucket_of(struct watch *w, uint64_t account_id)
{
	/* ids are times and counters: the low bits of neighbours differ */
	return &w->buckets[(account_id ^ account_id >> 22) & (WATCH_BUCKETS - 1)];
}

static bool concerns(const struct mailbox_notice *n, const struct watcher *x)
{
	if (n->account_id == 0)
		return true;
	if (n->account_id != x->account_id)
		return false;
	return n->mailbox_id == 0 || x->mailbox_id == WATCH_ALL || x->mailbox_id == n->mailbox_id;
}

static void wake_bucket(struct list_node *bucket, const struct mailbox_notice *n)
{
	LIST_EACH_SAFE (node, bucket) {
		struct watcher *x = LIST_ITEM(node, struct watcher, node);

		if (x->is_changed || !concerns(n, x))
			continue;
		x->is_changed = true;
		x->wake(x);
	}
}

static void wake_all(struct watch *w)
{
	static const struct mailbox_notice anything = {0, 0};

	for (size_t i = 0; w->count && i < WATCH_BUCKETS; i++)
		wake_bucket(&w->buckets[i], &anything);
}

/* On the box's loop. */
static void box_arrived(struct loop_msg *msg)
{
	struct watch_box *b = (struct watch_box *)msg;
	const struct mailbox_notice *list;
	size_t count;
	bool is_all;

	pthread_mutex_lock(&b->hub->lock);
	b->is_posted = false;
	is_all = b->is_all;
	list = b->lists[b->at];
	count = b->count;
	b->at = !b->at;
	b->is_all = false;
	b->count = 0;
	pthread_mutex_unlock(&b->hub->lock);
	if (!b->watch)
		return;
	if (is_all)
		wake_all(b->watch);
	for (size_t i = 0; i < count && !is_all; i++) {
		if (list[i].account_id == 0)
			wake_all(b->watch);
		else
			wake_bucket(bucket_of(b->watch, list[i].account_id), &list[i]);
	}
}

static void box_put(struct watch_box *b, const struct mailbox_notice *n)
{
	struct mailbox_notice *list = b->lists[b->at];

	for (size_t i = b->count; i > 0 && !b->is_all; i--)
		if (list[i - 1].account_id == n->account_id &&
			list[i - 1].mailbox_id == n->mailbox_id)
			return;
	if (b->count < MAILBOX_NOTICES_MAX)
		list[b->count++] = *n;
	else
		b->is_all = true;
}

/* On the writer's thread. */
static void notices_came(void *arg, const struct mailbox_notice *list, size_t count)
{
	struct watch_hub *h = arg;

	pthread_mutex_lock(&h->lock);
	for (struct watch_box *b = h->boxes; b; b = b->next) {
		if (!b->loop)
			continue;
		for (size_t i = 0; i < count; i++)
			box_put(b, &list[i]);
		if (b->is_posted || count == 0)
			continue;
		b->is_posted = true;
		b->msg = (struct loop_msg){.fn = box_arrived};
		loop_post(b->loop, &b->msg);
	}
	pthread_mutex_unlock(&h->lock);
}

struct watch_hub *watch_hub_new(struct store *s)
{
	struct watch_hub *h = NEW(struct watch_hub);

	pthread_mutex_init(&h->lock, NULL);
	mailbox_subscribe_changes(s, notices_came, h);
	return h;
}

void watch_hub_free(struct watch_hub **hp)
{
	struct watch_hub *h = *hp;

	*hp = NULL;
	if (!h)
		return;
	while (h->boxes) {
		struct watch_box *b = h->boxes;

		MUST(!b->watch);
		h->boxes = b->next;
		free(b);
	}
	pthread_mutex_destroy(&h->lock);
	free(h);
}

static struct watch_box *box_take(struct watch_hub *h, struct watch *w)
{
	struct watch_box *b;

	pthread_mutex_lock(&h->lock);
	/* One whose last message is still under way is another loop's. */
	for (b = h->boxes; b && (b->loop || b->is_posted); b = b->next)
		;
	if (!b) {
		b = NEW(struct watch_box);
		b->hub = h;
		b->next = h->boxes;
		h->boxes = b;
	}
	b->watch = w;
	b->loop = loop_current();
	b->count = 0;
	b->is_all = false;
	pthread_mutex_unlock(&h->lock);
	return b;
}

struct watch *watch_new(struct watch_hub *h)
{
	struct watch *w = NEW(struct watch);

	for (size_t i = 0; i < WATCH_BUCKETS; i++)
		list_init(&w->buckets[i]);
	w->box = box_take(h, w);
	return w;
}

void watch_free(struct watch **wp)
{
	struct watch *w = *wp;

	*wp = NULL;
	if (!w)
		return;
	MUST(w->count == 0);
	pthread_mutex_lock(&w->box->hub->lock);
	w->box->loop = NULL;
	w->box->watch = NULL;
	pthread_mutex_unlock(&w->box->hub->lock);
	free(w);
}

void watch_add(struct watch *w, struct watcher *x)
{
	x->is_changed = false;
	list_push_back(bucket_of(w, x->account_id), &x->node);
	w->count++;
}

void watch_remove(struct watch *w, struct watcher *x)
{
	list_remove(&x->node);
	w->count--;
}
