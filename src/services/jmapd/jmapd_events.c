#include "services/jmapd/jmapd_core_priv.h"

#include "base/enc.h"

/* The event source (RFC 8620 section 7.3): a stream for each that looks, woken by the change feed. It compares the
 * states of all accounts that the user sees with those that it told last. */

#define PING_MIN  1
#define PING_MAX  900
#define TYPES_MAX 64
#define EVENT_MAX (256 * 1024)
#define GATHER_NS (200 * CLOCK_MS) /* what changes within it is told together */
#define LOOK_NS   CLOCK_MIN        /* the login, and what the user sees, without a notice */
#define RETRY_MS  3000

struct events {
	struct jmapd *d;
	struct web_call *c;
	struct jmap_user user;
	struct web_who who;
	struct jmap_wanted wanted;
	bool is_once; /* closeafter=state */
	int64_t ping_ns, next_ping_ns;
	struct watch *watch;
	struct watcher *watchers;
	size_t watcher_count;
	struct stream_bell news;
	bool is_news;
	/* what was told last; its arena, and the one for the next look */
	struct jmap_states *told;
	size_t told_count;
	struct arena *arenas[2];
};

/* ---- one watch a loop ---- */

/* On its own loop's thread; the lock is for the table. */
struct watch *jmap_watch_take(struct jmapd *d)
{
	struct loop *loop = loop_current();
	struct jmap_loop *free_one = NULL, *mine = NULL;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < JMAP_LOOPS_MAX && !mine; i++) {
		if (d->loops[i].users && d->loops[i].loop == loop)
			mine = &d->loops[i];
		else if (!d->loops[i].users && !free_one)
			free_one = &d->loops[i];
	}
	if (!mine && free_one) {
		mine = free_one;
		mine->loop = loop;
	}
	if (mine)
		mine->users++;
	pthread_mutex_unlock(&d->lock);
	MUST(mine); /* the host has no more loops */
	if (!mine->watch)
		mine->watch = watch_new(d->opts.hub);
	return mine->watch;
}

void jmap_watch_give(struct jmapd *d, struct watch *w)
{
	struct watch *last = NULL;

	pthread_mutex_lock(&d->lock);
	for (size_t i = 0; i < JMAP_LOOPS_MAX; i++) {
		if (d->loops[i].watch != w)
			continue;
		if (--d->loops[i].users == 0) {
			last = w;
			d->loops[i].watch = NULL;
		}
		break;
	}
	pthread_mutex_unlock(&d->lock);
	if (last)
		watch_free(&last);
}

/* ---- what is watched ---- */

static void wake(struct watcher *w)
{
	struct events *x = w->arg;

	x->is_news = true;
	stream_bell_ring(&x->news);
}

static void unwatch(struct events *x)
{
	for (size_t i = 0; i < x->watcher_count; i++)
		watch_remove(x->watch, &x->watchers[i]);
	x->watcher_count = 0;
}

static bool is_watching(const struct events *x, const struct jmap_states *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (i >= x->watcher_count || x->watchers[i].account_id != list[i].account_id)
			return false;
	return x->watcher_count == count;
}

static void watch_all(struct events *x, const uint64_t *accounts, size_t count)
{
	unwatch(x);
	x->watchers = ARENA_ARRAY(x->c->r->arena, struct watcher, count + 1);
	for (size_t i = 0; i < count; i++) {
		x->watchers[i] = (struct watcher){
			.account_id = accounts[i], .mailbox_id = WATCH_ALL, .wake = wake, .arg = x};
		watch_add(x->watch, &x->watchers[i]);
	}
	x->watcher_count = count;
}

/* The states now, in the other arena; what came into sight is watched first, then looked at. */
static FIBER int look(struct events *x, struct jmap_states **list_r, size_t *count_r, struct err *e)
{
	uint64_t *accounts;

	for (;;) {
		arena_reset(x->arenas[1]);
		x->is_news = false;
		for (size_t i = 0; i < x->watcher_count; i++)
			x->watchers[i].is_changed = false;
		if (jmap_states_read(x->d, x->arenas[1], &x->user, list_r, count_r, e) < 0)
			return -1;
		if (is_watching(x, *list_r, *count_r))
			return 0;
		accounts = ARENA_ARRAY(x->arenas[1], uint64_t, *count_r + 1);
		for (size_t i = 0; i < *count_r; i++)
			accounts[i] = (*list_r)[i].account_id;
		watch_all(x, accounts, *count_r);
	}
}

/* ---- telling ---- */

static const struct hash_key id_key = {0x6a6d61702d657665, 0x6e742d6964656e74};

/* All that the user sees, in short: who comes again with the same has missed nothing. */
static struct span event_id(
	struct arena *a, const struct jmap_wanted *w, const struct jmap_states *list, size_t count)
{
	struct buf *facts = arena_buf(a, EVENT_MAX), *id = arena_buf(a, 32);
	struct json_out j;

	json_out_init(&j, facts);
	jmap_put_state_change(&j, w, NULL, 0, list, count);
	enc_put_id(id, hash_bytes(&id_key, buf_span(facts)) & INT64_MAX);
	return buf_span(id);
}

static void told(struct events *x, struct jmap_states *list, size_t count)
{
	struct arena *was = x->arenas[0];

	x->told = list;
	x->told_count = count;
	x->arenas[0] = x->arenas[1];
	x->arenas[1] = was;
}

/* *is_told_r: something was said. */
static FIBER int tell(struct events *x, bool is_all, struct jmap_states *list, size_t count,
	bool *is_told_r, struct err *e)
{
	struct arena *a = x->arenas[1];
	struct buf *b = arena_buf(a, EVENT_MAX);
	struct json_out j;

	json_out_init(&j, b);
	*is_told_r = jmap_put_state_change(
		&j, &x->wanted, is_all ? NULL : x->told, is_all ? 0 : x->told_count, list, count);
	if (!*is_told_r)
		return 0;
	x->next_ping_ns = loop_now_ns() + x->ping_ns;
	return http_events_send(x->c->x,
		&(struct http_event){.id = event_id(a, &x->wanted, list, count),
			.name = SPAN("state"),
			.data = buf_span(b)},
		e);
}

static FIBER int ping(struct events *x, struct err *e)
{
	struct buf *b = arena_buf(x->arenas[1], 64);

	if (!x->ping_ns || loop_now_ns() < x->next_ping_ns)
		return 0;
	x->next_ping_ns = loop_now_ns() + x->ping_ns;
	buf_printf(b, "{\"interval\":%lld}", (long long)(x->ping_ns / CLOCK_SEC));
	return http_events_send(
		x->c->x, &(struct http_event){.name = SPAN("ping"), .data = buf_span(b)}, e);
}

static FIBER int wait(struct events *x, struct err *e)
{
	int64_t until = loop_now_ns() + LOOK_NS;

	if (x->ping_ns && x->next_ping_ns < until)
		until = x->next_ping_ns;
	return x->is_news ? 0 : http_events_wait(x->c->x, &x->news, until, e);
}

/* What changes meanwhile is told together. */
static FIBER int gather(struct events *x, struct err *e)
{
	struct stream_bell nobody = {0};

	return http_events_wait(x->c->x, &nobody, loop_now_ns() + GATHER_NS, e);
}

/* Until the client or we end it. Where it begins is known before the client hears that the stream is open: what it
 * changes as soon as it has heard that is told. */
static FIBER int tell_all(struct events *x, struct err *e)
{
	struct span last = http_events_last_id(x->c->x);
	struct jmap_states *list;
	size_t count;
	bool is_told = false;

	if (look(x, &list, &count, e) < 0 || http_events_begin(x->c->x, RETRY_MS, e) < 0)
		return -1;
	x->next_ping_ns = loop_now_ns() + x->ping_ns;
	if (last.len && !span_eq(last, event_id(x->arenas[1], &x->wanted, list, count)) &&
		tell(x, true, list, count, &is_told, e) < 0)
		return -1;
	told(x, list, count);
	while (!(is_told && x->is_once)) {
		if (wait(x, e) < 0)
			return -1;
		if (!web_login_still(x->d->opts.login, &x->who))
			return 0;
		if (look(x, &list, &count, e) < 0 || tell(x, false, list, count, &is_told, e) < 0 ||
			ping(x, e) < 0)
			return -1;
		told(x, list, count);
		if (is_told && !x->is_once && gather(x, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- the request ---- */

static bool take_types(struct events *x, struct span types)
{
	struct arena *a = x->c->r->arena;
	struct span type;
	bool is_more = true;

	x->wanted.is_all = span_eq(types, SPAN("*"));
	x->wanted.types = ARENA_ARRAY(a, struct span, TYPES_MAX);
	while (!x->wanted.is_all && is_more) {
		is_more = span_cut(types, ',', &type, &types);
		if (!type.len || x->wanted.count == TYPES_MAX)
			return false;
		x->wanted.types[x->wanted.count++] = type;
	}
	return true;
}

/* NULL: all is well. */
static const char *take_query(struct events *x)
{
	struct arena *a = x->c->r->arena;
	struct span query = x->c->r->head.query, types, close_after, interval;
	uint64_t seconds;

	if (!http_form_get(a, query, SPAN("types"), &types) || !take_types(x, types))
		return "types: names of types with commas between, or *.";
	if (!http_form_get(a, query, SPAN("closeafter"), &close_after) ||
		(!span_eq(close_after, SPAN("state")) && !span_eq(close_after, SPAN("no"))))
		return "closeafter: \"state\" or \"no\".";
	if (!http_form_get(a, query, SPAN("ping"), &interval) || !span_u64(interval, &seconds))
		return "ping: seconds, or 0.";
	x->is_once = span_eq(close_after, SPAN("state"));
	seconds = seconds > PING_MAX ? PING_MAX : seconds;
	x->ping_ns = (int64_t)seconds * CLOCK_SEC;
	return NULL;
}

static FIBER int stream(struct events *x, struct err *e)
{
	struct err why = {0};
	int rc;

	x->watch = jmap_watch_take(x->d);
	x->arenas[0] = arena_new();
	x->arenas[1] = arena_new();
	rc = tell_all(x, &why);
	unwatch(x);
	jmap_watch_give(x->d, x->watch);
	arena_free(&x->arenas[0]);
	arena_free(&x->arenas[1]);
	/* the client has gone, or we stop: nobody is told */
	if (rc < 0)
		return err_copy(e, &why);
	return http_reply_end(x->c->x, e);
}

static FIBER int events(void *arg, struct web_call *c, struct err *e)
{
	struct events x = {.d = arg, .c = c};
	const char *wrong;
	int rc = jmap_user_of(x.d, c, WEB_LOGIN_READ, &x.user, &x.who, e);

	if (rc <= 0)
		return rc;
	wrong = take_query(&x);
	if (wrong)
		return jmap_problem(c, 400, NULL, NULL, wrong, e);
	if (!jmap_slot_take(x.d, x.user.account_id, JMAP_SLOT_STREAM))
		return jmap_problem(c, 429, "limit", "maxConcurrentStreams",
			"There are too many event streams at once.", e);
	rc = stream(&x, e);
	jmap_slot_give(x.d, x.user.account_id, JMAP_SLOT_STREAM);
	return rc;
}

void jmap_events_add(struct jmapd *d)
{
	web_add(d->opts.web,
		&(struct web_route){.path = "/jmap/events",
			.methods = WEB_GET,
			.handle = events,
			.arg = d,
			.is_program = true});
}
