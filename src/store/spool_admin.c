/* The queue as an administrator sees it: lists, and what they do to rows. */

#include "base/must.h"
#include "store/spool_priv.h"

DB_SQL(sql_page,
	"SELECT " SPOOL_ITEM_COLUMNS "WHERE r.id > $1 AND r.id <= $2 "
	"ORDER BY r.id LIMIT $3");
DB_SQL(sql_range, "SELECT rcpt_first, rcpt_count FROM queue_msg WHERE id = $1");
DB_SQL(sql_set_state, "UPDATE queue_rcpt SET state = $2, next_ns = $3 WHERE id = $1");
DB_SQL(sql_set_wish, "UPDATE queue_rcpt SET wish = $2 WHERE id = $1");

/* ---- what a filter selects ---- */

static bool address_matches(struct span want, struct span address)
{
	if (!want.len)
		return true;
	if (want.ptr[0] == '@')
		return span_ends_nocase(address, want);
	return span_eq_nocase(want, address);
}

static bool matches(const struct spool_filter *f, const struct spool_item *it)
{
	return (f->state < 0 || it->state == (enum spool_state)f->state) &&
		address_matches(f->sender, it->env.reverse_path) &&
		address_matches(f->recipient, it->address) &&
		(!f->destination.len || span_eq_nocase(f->destination, it->destination));
}

/* A walk over the rows in the order of their ids, a slice of SPOOL_SLICE at a time. */
struct walk {
	const struct spool_filter *filter;
	struct arena *a;
	int64_t after, last; /* ids */
	bool is_started, is_end;
	bool is_whole; /* act on each: `count` items of this slice; else gather up to max */
	struct spool_item *items;
	size_t count, max;
};

static int start_walk(struct db *db, struct walk *w, struct err *e)
{
	const struct spool_filter *f = w->filter;
	int64_t first = 0, count = 0;
	bool is_found = true;

	w->after = (int64_t)f->after_rcpt_id;
	w->last = INT64_MAX;
	if (f->msg_id) {
		if (db_get(db, e, NULL, &sql_range, &is_found, "i:ii", (int64_t)f->msg_id, &first,
			    &count) < 0)
			return -1;
		if (first - 1 > w->after)
			w->after = first - 1;
		w->last = first + count - 1;
	}
	w->is_started = true;
	w->is_end = !is_found;
	return 0;
}

/* Read a slice; what matches is put behind w->items[w->count]. */
static int read_slice(struct db *db, struct walk *w, struct err *e)
{
	struct db_stmt *st;
	bool is_row = false;
	size_t seen = 0;
	int rc;

	if (!w->is_started && start_walk(db, w, e) < 0)
		return -1;
	if (w->is_end)
		return 0;
	st = db_query(db, e, &sql_page, "iii", w->after, w->last, (int64_t)SPOOL_SLICE);
	rc = st ? 0 : -1;
	while (st && w->count < w->max && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct spool_item it = {0};

		spool_take_item(st, w->a, &it);
		w->after = (int64_t)it.rcpt_id;
		seen++;
		if (matches(w->filter, &it))
			w->items[w->count++] = it;
	}
	db_done(st);
	w->is_end = w->count == w->max || seen < SPOOL_SLICE;
	return rc;
}

/* ---- list ---- */

static int list_closure(struct db *db, void *arg, struct err *e)
{
	return read_slice(db, arg, e);
}

FIBER int spool_list(struct store *s, struct arena *a, const struct spool_filter *f,
	struct spool_item **items_r, size_t *count_r, struct err *e)
{
	struct walk w = {.filter = f, .a = a, .max = f->max ? f->max : SPOOL_SLICE};

	w.items = ARENA_ARRAY(a, struct spool_item, w.max);
	while (!w.is_end)
		if (store_read(s, "queue list", list_closure, &w, e) < 0)
			return -1;
	*items_r = w.items;
	*count_r = w.count;
	return 0;
}

/* ---- act ---- */

struct acting {
	struct walk walk, before; /* before: to run the slice again after a rollback */
	enum spool_action action;
	int64_t now_ns;
	uint64_t changed, changed_before;
	struct spool_gone gone;
};

static int set_state(struct db *db, const struct spool_item *it, enum spool_state to,
	int64_t next_ns, struct err *e)
{
	spool_move(it->state, to);
	store_changed(db, STORE_QUEUE);
	return db_run(db, e, &sql_set_state, "iii", (int64_t)it->rcpt_id, (int64_t)to, next_ns);
}

static int set_wish(struct db *db, const struct spool_item *it, enum spool_wish wish, struct err *e)
{
	return db_run(db, e, &sql_set_wish, "ii", (int64_t)it->rcpt_id, (int64_t)wish);
}

/* is_changed_r: whether the action means anything in the row's state. */
static int act_on(struct db *db, struct acting *x, const struct spool_item *it, bool *is_changed_r,
	struct err *e)
{
	bool is_there;

	*is_changed_r = it->state != SPOOL_LOCAL; /* those are delivered in a moment */
	if (!*is_changed_r)
		return 0;
	switch (x->action) {
	case SPOOL_RETRY:
		*is_changed_r = it->state == SPOOL_WAITING;
		return *is_changed_r ? set_state(db, it, SPOOL_WAITING, x->now_ns, e) : 0;
	case SPOOL_HOLD:
		*is_changed_r = it->state != SPOOL_HELD;
		if (it->state == SPOOL_ACTIVE)
			return set_wish(db, it, SPOOL_WISH_HOLD, e);
		return *is_changed_r ? set_state(db, it, SPOOL_HELD, it->next_ns, e) : 0;
	case SPOOL_RELEASE:
		*is_changed_r = it->state != SPOOL_WAITING;
		if (it->state == SPOOL_ACTIVE)
			return set_wish(db, it, SPOOL_WISH_NONE, e);
		return *is_changed_r ? set_state(db, it, SPOOL_WAITING, x->now_ns, e) : 0;
	case SPOOL_DROP:
		if (it->state == SPOOL_ACTIVE)
			return set_wish(db, it, SPOOL_WISH_DROP, e);
		return spool_remove_tx(db, it->rcpt_id, SPOOL_END_DROPPED, &x->gone, &is_there, e);
	}
	return 0;
}

static int act_closure(struct db *db, void *arg, struct err *e)
{
	struct acting *x = arg;

	x->walk = x->before;
	x->changed = x->changed_before;
	x->gone.count = 0;
	x->walk.count = 0;
	if (read_slice(db, &x->walk, e) < 0)
		return -1;
	for (size_t i = 0; i < x->walk.count; i++) {
		bool is_changed;

		if (act_on(db, x, &x->walk.items[i], &is_changed, e) < 0)
			return -1;
		x->changed += is_changed;
	}
	/* more than a slice holds: on with the next one */
	x->walk.is_end = x->walk.is_end && x->walk.count < x->walk.max;
	return 0;
}

FIBER int spool_act(struct store *s, const struct spool_filter *f, enum spool_action action,
	int64_t now_ns, uint64_t *changed_r, struct err *e)
{
	struct arena *a = arena_new();
	struct acting x = {.action = action, .now_ns = now_ns};
	struct walk start = {.filter = f, .a = arena_new(), .max = SPOOL_SLICE};
	int rc = 0;

	start.items = ARENA_ARRAY(a, struct spool_item, SPOOL_SLICE);
	x.gone.cap = SPOOL_SLICE;
	x.gone.blob_ids = ARENA_ARRAY(a, uint64_t, SPOOL_SLICE);
	x.walk = start;
	while (rc == 0 && !x.walk.is_end) {
		x.before = x.walk;
		x.changed_before = x.changed;
		arena_reset(start.a);
		rc = store_write(s, "queue act", act_closure, &x, e);
		if (rc == 0)
			spool_forget_bodies(s, &x.gone);
	}
	*changed_r = rc < 0 ? x.changed_before : x.changed;
	arena_free(&start.a);
	arena_free(&a);
	return rc;
}
