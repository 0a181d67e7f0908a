#include "store/account.h"
#include "store/push.h"
#include "services/fetch/fetch_public.h"
#include "services/jmapd/jmapd_core_priv.h"

/* Telling subscriptions (RFC 8620 section 7.2): a POST to each URL when something has changed that it wants to hear of;
 * before it is verified its code alone. Only what is public and speaks HTTPS is asked. One fiber, so one URL at a
 * time: a slow one keeps the others waiting for PUSH_NS at most. */

#define LOOK_NS    CLOCK_SEC       /* for subscriptions that came and went */
#define PUSH_NS    (5 * CLOCK_SEC) /* for an answer */
#define AGAIN_NS   CLOCK_MIN       /* after one that did not work */
#define ANSWER_MAX 4096

/* One subscription as it is known here. */
struct follower {
	struct list_node node;
	struct pusher *pusher;
	struct push push; /* spans in `a` */
	struct arena *a;
	struct watcher watcher;
	bool is_asked;      /* its code has been told */
	bool is_gone;       /* not in the list any more */
	int64_t not_before; /* mono */
	struct arena *states_arena;
	struct jmap_states *told;
	size_t told_count;
};
struct pusher {
	struct jmapd *d;
	struct watch *watch;
	struct list_node followers;
	struct fiber_cond news;
	unsigned generation;
};

void jmap_push_moved(struct jmapd *d)
{
	__atomic_add_fetch(&d->push_generation, 1, __ATOMIC_RELAXED);
}

static void wake(struct watcher *w)
{
	struct follower *f = w->arg;

	fiber_cond_broadcast(&f->pusher->news);
}

static void follower_free(struct follower *f)
{
	list_remove(&f->node);
	watch_remove(f->pusher->watch, &f->watcher);
	arena_free(&f->states_arena);
	arena_free(&f->a);
}

/* ---- who is to be told ---- */

static struct follower *follower_of(struct pusher *x, uint64_t id)
{
	LIST_EACH (n, &x->followers) {
		struct follower *f = LIST_ITEM(n, struct follower, node);

		if (f->push.id == id)
			return f;
	}
	return NULL;
}

static void take(struct pusher *x, const struct push *p)
{
	struct follower *f = follower_of(x, p->id);
	struct arena *a;

	if (!f) {
		a = arena_new();
		f = ARENA_NEW(a, struct follower);
		f->a = a;
		f->pusher = x;
		f->states_arena = arena_new();
		f->push = *p;
		f->push.device = SPAN_NONE;
		f->push.url = arena_span(a, p->url);
		f->push.p256dh = arena_span(a, p->p256dh);
		f->push.auth = arena_span(a, p->auth);
		f->push.code = arena_span(a, p->code);
		f->watcher = (struct watcher){.account_id = p->account_id,
			.mailbox_id = WATCH_ALL,
			.wake = wake,
			.arg = f};
		watch_add(x->watch, &f->watcher);
		list_push_back(&x->followers, &f->node);
	}
	f->is_gone = false;
	f->push.is_verified = p->is_verified;
	f->push.expires_ns = p->expires_ns;
	f->push.types = arena_span(f->a, p->types);
}

static FIBER int take_all(struct pusher *x, struct err *e)
{
	unsigned generation = __atomic_load_n(&x->d->push_generation, __ATOMIC_RELAXED);
	struct arena *a = arena_new();
	struct push *list;
	size_t count;
	int rc = push_list(x->d->opts.store, a, 0, &list, &count, e);

	if (rc == 0) {
		x->generation = generation;
		LIST_EACH (n, &x->followers)
			LIST_ITEM(n, struct follower, node)->is_gone = true;
		for (size_t i = 0; i < count; i++)
			take(x, &list[i]);
		LIST_EACH_SAFE (n, &x->followers) {
			struct follower *f = LIST_ITEM(n, struct follower, node);

			if (f->is_gone)
				follower_free(f);
		}
	}
	arena_free(&a);
	return rc;
}

/* ---- telling ---- */

/* True: it is told, or will never be. */
static FIBER bool post(struct follower *f, struct arena *a, struct span text)
{
	static const char *const clear[] = {"Content-Type: application/json", "TTL: 86400"};
	static const char *const sealed[] = {
		"Content-Type: application/json", "TTL: 86400", "Content-Encoding: aes128gcm"};
	struct jmapd *d = f->pusher->d;
	struct buf *b = arena_buf(a, PUSH_PLAIN_MAX + 256);
	struct fetch_public_request r = {.url = f->push.url,
		.is_https_only = true,
		.body = text,
		.fields = clear,
		.field_count = ARRAY_LEN(clear),
		.body_max = ANSWER_MAX,
		.timeout_ns = PUSH_NS};
	struct fetch_answer answer = {0};
	struct err e = {0};
	int rc = 0;

	if (f->push.p256dh.len) {
		rc = jmap_push_encrypt(a, f->push.p256dh, f->push.auth, text, b, &e);
		r.body = buf_span(b);
		r.fields = sealed;
		r.field_count = ARRAY_LEN(sealed);
	}
	if (rc == 0)
		rc = fetch_public(d->opts.fetch, &r, a, &answer, &e);
	log_event(d->opts.log, LOG_DEBUG, "jmap.push", LF_INT("status", answer.status),
		LF_STR("error", e.text));
	/* RFC 8030 section 7.3: the subscription is no more */
	if (rc == 0 && (answer.status == 404 || answer.status == 410)) {
		push_remove(d->opts.store, f->push.account_id, f->push.id, NULL);
		jmap_push_moved(d);
		return true;
	}
	if (rc == 0 && answer.status / 100 == 2)
		return true;
	f->not_before = loop_now_ns() + AGAIN_NS;
	return false;
}

static FIBER void ask(struct follower *f, struct arena *a)
{
	struct buf *b = arena_buf(a, 1024);
	struct json_out j;

	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_str(&j, "@type", "PushVerification");
	json_key(&j, "pushSubscriptionId");
	jmap_put_id(&j, 'P', f->push.id);
	json_kv_span(&j, "verificationCode", f->push.code);
	json_close(&j);
	f->is_asked = post(f, a, buf_span(b));
}

static void split_types(struct arena *a, struct span types, struct jmap_wanted *w)
{
	w->is_all = !types.len;
	w->types = ARENA_ARRAY(a, struct span, types.len / 2 + 2);
	while (types.len)
		span_cut(types, ' ', &w->types[w->count++], &types);
}

static FIBER int tell(struct follower *f, struct arena *a, struct err *e)
{
	struct jmap_user user = {.account_id = f->push.account_id};
	struct arena *states = arena_new();
	struct jmap_wanted wanted = {0};
	struct jmap_states *now;
	struct buf *b = arena_buf(a, PUSH_PLAIN_MAX);
	size_t count;
	struct json_out j;
	int rc;

	f->watcher.is_changed = false;
	rc = jmap_states_read(f->pusher->d, states, &user, &now, &count, e);
	split_types(a, f->push.types, &wanted);
	json_out_init(&j, b);
	if (rc == 0 && f->told &&
		jmap_put_state_change(&j, &wanted, f->told, f->told_count, now, count) &&
		buf_ok(b) && !post(f, a, buf_span(b))) {
		f->watcher.is_changed = true; /* once more, after a while */
		arena_free(&states);
		return 0;
	}
	if (rc < 0) {
		arena_free(&states);
		return -1;
	}
	arena_free(&f->states_arena);
	f->states_arena = states;
	f->told = now;
	f->told_count = count;
	return 0;
}

static FIBER int serve(struct follower *f, struct err *e)
{
	struct arena *a = arena_new();
	int rc = 0;

	if (!f->push.is_verified) {
		if (!f->is_asked)
			ask(f, a);
	} else if (f->watcher.is_changed || !f->told) {
		rc = tell(f, a, e);
	}
	arena_free(&a);
	return rc;
}

static FIBER int serve_all(struct pusher *x, struct err *e)
{
	/* the resolver comes a moment after the listeners */
	if (!__atomic_load_n(&x->d->opts.fetch->dns, __ATOMIC_ACQUIRE))
		return 0;
	LIST_EACH (n, &x->followers) {
		struct follower *f = LIST_ITEM(n, struct follower, node);

		if (f->not_before <= loop_now_ns() && serve(f, e) < 0)
			return -1;
	}
	return 0;
}

FIBER int jmapd_push_run(struct jmapd *d, struct err *e)
{
	struct pusher x = {.d = d};
	struct err why = {0};
	int rc;

	if (!d->opts.fetch)
		return 0;
	list_init(&x.followers);
	fiber_cond_init(&x.news);
	x.watch = jmap_watch_take(d);
	rc = take_all(&x, &why);
	while (!fiber_is_cancelled(fiber_self())) {
		if (rc == 0)
			rc = serve_all(&x, &why);
		if (rc < 0 && why.code != ERR_CANCELLED)
			log_event(d->opts.log, LOG_WARN, "jmap.push.failed",
				LF_STR("error", why.text));
		fiber_cond_wait(&x.news, loop_now_ns() + LOOK_NS, NULL);
		rc = 0;
		if (x.generation != __atomic_load_n(&d->push_generation, __ATOMIC_RELAXED))
			rc = take_all(&x, &why);
	}
	while (!list_empty(&x.followers))
		follower_free(LIST_ITEM(x.followers.next, struct follower, node));
	jmap_watch_give(d, x.watch);
	return 0;
}
