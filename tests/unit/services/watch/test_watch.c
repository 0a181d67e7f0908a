/* The watch: who looks at a mailbox hears of it, and nobody else. */

#include "unit/store/store_test.h"

#include "services/watch/watch.h"
#include "store/store_priv.h"

struct looker {
	struct watcher x;
	int woken;
	struct watch *w;
	struct looker *takes_off; /* is removed when this one is woken */
};

static void woken(struct watcher *x)
{
	struct looker *l = CONTAINER_OF(x, struct looker, x);

	l->woken++;
	assert_true(x->is_changed);
	if (l->takes_off)
		watch_remove(l->w, &l->takes_off->x);
	l->takes_off = NULL;
}

static void look(struct watch *w, struct looker *l, uint64_t account_id, uint64_t mailbox_id)
{
	*l = (struct looker){.w = w};
	l->x.account_id = account_id;
	l->x.mailbox_id = mailbox_id;
	l->x.wake = woken;
	watch_add(w, &l->x);
}

struct change {
	uint64_t account_id, mailbox_id;
	size_t more; /* of other mailboxes */
	bool is_failed;
};

static int change(struct db *db, void *arg, struct err *e)
{
	const struct change *c = arg;

	for (size_t i = 0; i < c->more; i++)
		store_changed_mailbox(db, 1000 + i, 5);
	store_changed_mailbox(db, c->account_id, c->mailbox_id);
	return c->is_failed ? err_set(e, ERR_STATE, "not this time") : 0;
}

/* Notices come in order: when the sentinel has heard of its own, all before it have come. */
#define SENTINEL 77

static void tell(struct store_fixture *f, struct looker *sentinel, struct change c)
{
	struct change last = {SENTINEL, SENTINEL, 0, false};
	int before = sentinel->woken;
	struct err e = {0};

	assert_int_equal(store_write(f->s, "change", change, &c, &e), c.is_failed ? -1 : 0);
	sentinel->x.is_changed = false;
	before = sentinel->woken;
	assert_ok(store_write(f->s, "change", change, &last, &e), &e);
	for (int i = 0; sentinel->woken == before && i < 2000; i++)
		assert_ok(fiber_sleep(CLOCK_MS, &e), &e);
	assert_int_equal(sentinel->woken, before + 1);
}

struct room {
	struct watch_hub *hub;
	struct watch *w;
	struct looker sentinel;
};

static void room_init(struct room *r, struct store_fixture *f)
{
	r->hub = watch_hub_new(f->s);
	r->w = watch_new(r->hub);
	look(r->w, &r->sentinel, SENTINEL, SENTINEL);
}

/* The store tells the hub as long as it is open. */
static void room_fini(struct room *r, struct store_fixture *f)
{
	watch_remove(r->w, &r->sentinel.x);
	watch_free(&r->w);
	store_close(&f->s);
	watch_hub_free(&r->hub);
}

static void play_exactly(struct store_fixture *f)
{
	struct looker inbox, sent, names, all, other;
	struct room r;

	room_init(&r, f);
	look(r.w, &inbox, 1, 10);
	look(r.w, &sent, 1, 11);
	look(r.w, &names, 1, 0);
	look(r.w, &all, 1, WATCH_ALL);
	look(r.w, &other, 2, 10);
	tell(f, &r.sentinel, (struct change){1, 10, 0, false});
	assert_int_equal(inbox.woken, 1);
	assert_int_equal(all.woken, 1);
	assert_int_equal(sent.woken + names.woken + other.woken, 0);
	/* an edge: not again before it was taken */
	tell(f, &r.sentinel, (struct change){1, 10, 0, false});
	assert_int_equal(inbox.woken, 1);
	inbox.x.is_changed = false;
	tell(f, &r.sentinel, (struct change){1, 10, 0, false});
	assert_int_equal(inbox.woken, 2);
	tell(f, &r.sentinel, (struct change){1, 0, 0, false});
	assert_int_equal(names.woken, 1);
	assert_int_equal(sent.woken, 1);
	assert_int_equal(other.woken, 0);
	watch_remove(r.w, &inbox.x);
	watch_remove(r.w, &sent.x);
	watch_remove(r.w, &names.x);
	watch_remove(r.w, &all.x);
	watch_remove(r.w, &other.x);
	room_fini(&r, f);
}

static void play_failed(struct store_fixture *f)
{
	struct looker inbox;
	struct room r;

	room_init(&r, f);
	look(r.w, &inbox, 1, 10);
	tell(f, &r.sentinel, (struct change){1, 10, 300, true});
	assert_int_equal(inbox.woken, 0);
	watch_remove(r.w, &inbox.x);
	room_fini(&r, f);
}

static void play_many(struct store_fixture *f)
{
	struct looker inbox, other;
	struct room r;

	room_init(&r, f);
	look(r.w, &inbox, 1, 10);
	look(r.w, &other, 2, 20);
	tell(f, &r.sentinel, (struct change){1, 10, MAILBOX_NOTICES_MAX - 1, false});
	assert_int_equal(inbox.woken, 1);
	assert_int_equal(other.woken, 0);
	tell(f, &r.sentinel, (struct change){3, 30, MAILBOX_NOTICES_MAX, false});
	assert_int_equal(other.woken, 1);
	watch_remove(r.w, &inbox.x);
	watch_remove(r.w, &other.x);
	room_fini(&r, f);
}

static void play_removal(struct store_fixture *f)
{
	struct looker first, second, third;
	struct room r;

	room_init(&r, f);
	look(r.w, &first, 1, 10);
	look(r.w, &second, 1, 10);
	look(r.w, &third, 1, 10);
	first.takes_off = &second;
	tell(f, &r.sentinel, (struct change){1, 10, 0, false});
	assert_int_equal(first.woken, 1);
	assert_int_equal(second.woken, 0);
	assert_int_equal(third.woken, 1);
	third.x.is_changed = false;
	third.takes_off = &third;
	tell(f, &r.sentinel, (struct change){1, 10, 0, false});
	assert_int_equal(third.woken, 2);
	watch_remove(r.w, &first.x);
	room_fini(&r, f);
}

static void who_looks_at_a_mailbox_is_woken_and_nobody_else(void **state)
{
	store_play(state, play_exactly);
}

static void what_was_rolled_back_wakes_nobody(void **state)
{
	store_play(state, play_failed);
}

static void more_changes_than_fit_wake_everybody(void **state)
{
	store_play(state, play_many);
}

static void who_is_woken_may_take_watchers_off(void **state)
{
	store_play(state, play_removal);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, store_set_up, store_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(who_looks_at_a_mailbox_is_woken_and_nobody_else),
		CASE(what_was_rolled_back_wakes_nobody),
		CASE(more_changes_than_fit_wake_everybody),
		CASE(who_is_woken_may_take_watchers_off),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
