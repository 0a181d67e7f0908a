#include "base/secret.h"
#include "store/account.h"
#include "store/push.h"
#include "services/fetch/fetch_public.h"
#include "services/jmapd/jmapd_core_priv.h"

/* Telling subscriptions (RFC 8620 section 7.2): a POST to each URL when something has changed that it wants to hear of;
 * before it is verified its code alone. Only what is public and speaks HTTPS is asked. Each letter has a fiber: so many
 * at once, and so many of them to one place, so that a slow one keeps nobody else waiting; one that does not work is
 * left alone for a while, which grows. */

#define LOOK_NS  CLOCK_SEC       /* for subscriptions that came and went */
#define SWEEP_NS CLOCK_MIN       /* for those that are over */
#define PUSH_NS  (5 * CLOCK_SEC) /* for an answer */
#define AGAIN_NS                                                                                   \
	CLOCK_MIN    /* after one that did not work, and twice as long after each further one */
#define AGAIN_MAX  6 /* times that it is doubled: an hour */
#define AT_ONCE    16
#define AT_PLACE   4
#define ANSWER_MAX 4096

/* A host that is asked for one or more of them. */
struct place {
	struct list_node node;
	struct arena *a;
	struct span host; /* with its port */
	unsigned users, busy, failures;
	int64_t not_before; /* mono */
};
/* One subscription as it is known here. */
struct follower {
	struct list_node node;
	struct pusher *pusher;
	struct place *place;
	struct push push; /* spans in `a` */
	struct arena *a;
	struct watcher watcher;
	bool is_asked;      /* its code has been told */
	bool is_gone;       /* not in the list any more: freed once it is not busy */
	bool is_busy;       /* its fiber has it */
	int64_t not_before; /* mono */
	struct arena *states_arena;
	struct jmap_states *told;
	size_t told_count;
};
struct pusher {
	struct jmapd *d;
	struct watch *watch;
	struct list_node followers, places;
	struct fiber_group group;
	unsigned busy;
	struct fiber_cond news;
	unsigned generation;
	uint64_t directory; /* its generation: logins may have ended */
	int64_t sweep_ns;
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

/* "https://push.example:8443/x" → "push.example:8443" */
static struct span host_of(struct span url)
{
	ptrdiff_t at = span_find_span(url, SPAN("//"));
	struct span rest = at < 0 ? url : span_skip(url, (size_t)at + 2);
	size_t n = 0;

	while (n < rest.len && rest.ptr[n] != '/' && rest.ptr[n] != '?')
		n++;
	return span_sub(rest, 0, n);
}

static struct place *place_take(struct pusher *x, struct span url)
{
	struct span host = host_of(url);
	struct arena *a;
	struct place *p;

	LIST_EACH (n, &x->places) {
		p = LIST_ITEM(n, struct place, node);
		if (span_eq_nocase(p->host, host)) {
			p->users++;
			return p;
		}
	}
	a = arena_new();
	p = ARENA_NEW(a, struct place);
	*p = (struct place){.a = a, .host = arena_span(a, host), .users = 1};
	list_push_back(&x->places, &p->node);
	return p;
}

static void place_give(struct place *p)
{
	struct arena *a = p->a;

	if (--p->users)
		return;
	list_remove(&p->node);
	arena_free(&a);
}

/* Of several that failed together one counts. */
static void place_failed(struct place *p)
{
	int64_t now = loop_now_ns();

	if (p->not_before > now)
		return;
	p->not_before = now + (AGAIN_NS << (p->failures < AGAIN_MAX ? p->failures : AGAIN_MAX));
	p->failures++;
}

static void follower_free(struct follower *f)
{
	MUST(!f->is_busy);
	list_remove(&f->node);
	place_give(f->place);
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
		f->place = place_take(x, p->url);
		f->push.p256dh = arena_span(a, p->p256dh);
		f->push.auth = arena_span(a, p->auth);
		f->push.code = arena_span(a, p->code);
		f->push.by = arena_span(a, p->by);
		/* RFC 8620 section 7.2: erased with the subscription */
		secret_guard(a, f->push.url);
		secret_guard(a, f->push.p256dh);
		secret_guard(a, f->push.auth);
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
	uint64_t directory = store_directory_generation(x->d->opts.store);
	struct arena *a = arena_new();
	struct push *list;
	size_t count;
	int rc = push_list(x->d->opts.store, a, 0, &list, &count, e);

	if (rc == 0) {
		x->generation = generation;
		x->directory = directory;
		x->sweep_ns = loop_now_ns() + SWEEP_NS;
		LIST_EACH (n, &x->followers)
			LIST_ITEM(n, struct follower, node)->is_gone = true;
		for (size_t i = 0; i < count; i++)
			take(x, &list[i]);
		LIST_EACH_SAFE (n, &x->followers) {
			struct follower *f = LIST_ITEM(n, struct follower, node);

			if (f->is_gone && !f->is_busy)
				follower_free(f);
		}
	}
	arena_free(&a);
	return rc;
}

static bool is_stale(const struct pusher *x)
{
	return x->generation != __atomic_load_n(&x->d->push_generation, __ATOMIC_RELAXED) ||
		x->directory != store_directory_generation(x->d->opts.store) ||
		x->sweep_ns <= loop_now_ns();
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
	if (rc == 0 && answer.status / 100 == 2) {
		f->place->failures = 0;
		return true;
	}
	if (rc < 0 || answer.status >= 500 || answer.status == 429)
		place_failed(f->place);
	f->not_before = loop_now_ns() + AGAIN_NS; /* others there may fare better */
	return false;
}

/* What is told from now on is what is another state than these. */
static void begin_from(
	struct follower *f, struct arena *states, struct jmap_states *list, size_t count)
{
	arena_free(&f->states_arena);
	f->states_arena = states;
	f->told = list;
	f->told_count = count;
}

static FIBER int look(struct follower *f, struct arena *states, struct jmap_states **list_r,
	size_t *count_r, struct err *e)
{
	struct jmap_user user = {.account_id = f->push.account_id};

	f->watcher.is_changed = false;
	return jmap_states_read(f->pusher->d, states, &user, list_r, count_r, e);
}

/* Before the code is told: what changes as soon as the client has sent it back is news. */
static FIBER void begin(struct follower *f)
{
	struct arena *states = arena_new();
	struct jmap_states *now;
	size_t count;

	if (look(f, states, &now, &count, NULL) < 0)
		arena_free(&states);
	else
		begin_from(f, states, now, count);
}

static FIBER void ask(struct follower *f, struct arena *a)
{
	struct buf *b = arena_buf(a, 1024);
	struct json_out j;

	if (!f->told)
		begin(f);
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
	struct arena *states = arena_new();
	struct jmap_wanted wanted = {0};
	struct jmap_states *now;
	struct buf *b = arena_buf(a, PUSH_PLAIN_MAX);
	size_t count;
	struct json_out j;
	int rc;

	rc = look(f, states, &now, &count, e);
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
	begin_from(f, states, now, count);
	return 0;
}

static FIBER int serve(void *arg)
{
	struct follower *f = arg;
	struct pusher *x = f->pusher;
	struct arena *a = arena_new();
	struct err e = {0};
	bool is_still = false;
	int rc = push_still(x->d->opts.store, &f->push, &is_still, &e);

	if (rc == 0 && !is_still)
		jmap_push_moved(x->d); /* looked at again, it is not there */
	else if (rc == 0 && !f->push.is_verified)
		ask(f, a);
	else if (rc == 0)
		rc = tell(f, a, &e);
	if (rc == 0 && !is_still)
		f->not_before = loop_now_ns() + AGAIN_NS;
	if (rc < 0 && e.code != ERR_CANCELLED)
		log_event(x->d->opts.log, LOG_WARN, "jmap.push.failed", LF_STR("error", e.text));
	arena_free(&a);
	f->is_busy = false;
	f->place->busy--;
	x->busy--;
	fiber_cond_broadcast(&x->news);
	return 0;
}

static bool is_wanted(const struct follower *f)
{
	int64_t now = loop_now_ns();

	if (f->is_busy || f->is_gone || f->not_before > now || f->place->not_before > now ||
		f->place->busy == AT_PLACE || f->push.expires_ns <= loop_wall_ns())
		return false;
	return f->push.is_verified ? f->watcher.is_changed || !f->told : !f->is_asked;
}

/* Who was served goes to the end, so that everybody has his turn. */
static void serve_all(struct pusher *x)
{
	/* the resolver comes a moment after the listeners */
	if (!__atomic_load_n(&x->d->opts.fetch->dns, __ATOMIC_ACQUIRE))
		return;
	LIST_EACH_SAFE (n, &x->followers) {
		struct follower *f = LIST_ITEM(n, struct follower, node);

		if (x->busy == AT_ONCE)
			return;
		if (f->is_gone && !f->is_busy) {
			follower_free(f);
			continue;
		}
		if (!is_wanted(f) || fiber_start(&x->group, "jmap.push.one", serve, f, NULL) < 0)
			continue;
		f->is_busy = true;
		f->place->busy++;
		x->busy++;
		list_remove(&f->node);
		list_push_back(&x->followers, &f->node);
	}
}

FIBER int jmapd_push_run(struct jmapd *d, struct err *e)
{
	struct pusher x = {.d = d};
	struct err why = {0};
	int rc;

	if (!d->opts.fetch)
		return 0;
	list_init(&x.followers);
	list_init(&x.places);
	fiber_group_init(&x.group);
	fiber_cond_init(&x.news);
	x.watch = jmap_watch_take(d);
	rc = take_all(&x, &why);
	while (!fiber_is_cancelled(fiber_self())) {
		serve_all(&x);
		if (rc < 0 && why.code != ERR_CANCELLED)
			log_event(d->opts.log, LOG_WARN, "jmap.push.failed",
				LF_STR("error", why.text));
		fiber_cond_wait(&x.news, loop_now_ns() + LOOK_NS, NULL);
		rc = 0;
		if (is_stale(&x))
			rc = take_all(&x, &why);
	}
	fiber_group_cancel(&x.group);
	fiber_group_join(&x.group);
	while (!list_empty(&x.followers))
		follower_free(LIST_ITEM(x.followers.next, struct follower, node));
	jmap_watch_give(d, x.watch);
	return 0;
}
