/* The queue as an administrator sees it: lists, and what they do to rows. */

#include "base/must.h"
#include "store/outbox.h"
#include "store/spool_priv.h"

DB_SQL(sql_page,
	"SELECT " SPOOL_ITEM_COLUMNS "WHERE r.id > $1 AND r.id <= $2 "
	"ORDER BY r.id LIMIT $3");
DB_SQL(sql_range, "SELECT rcpt_first, rcpt_count FROM queue_msg WHERE id = $1");
DB_SQL(sql_set_state, "UPDATE queue_rcpt SET state = $2, next_ns = $3 WHERE id = $1");
/* An administrator's word ends the pause of its destination. */
DB_SQL(sql_unpause,
	"UPDATE queue_lane SET paused_ns = 0, next_ns = $2 WHERE destination = $1 AND next_ns > $2");
DB_SQL(sql_set_wish, "UPDATE queue_rcpt SET wish = $2 WHERE id = $1");
DB_SQL(sql_wish_now, "UPDATE queue_rcpt SET wish = $2 WHERE id = $1 AND wish = 0");
DB_SQL(sql_set_held, "UPDATE queue_rcpt SET held_by = $2, held_ns = $3 WHERE id = $1");
DB_SQL(sql_give_up, "UPDATE queue_rcpt SET flags = flags | $2 WHERE id = $1");
DB_SQL(sql_reroute, "UPDATE queue_rcpt SET destination = $2, rerouted_from = $3 WHERE id = $1");
DB_SQL(sql_set_priority, "UPDATE queue_rcpt SET priority = $2 WHERE id = $1");
DB_SQL(sql_set_expiry, "UPDATE queue_msg SET expires_ns = $2, flags = flags | $3 WHERE id = $1");
DB_SQL(sql_amend,
	"UPDATE queue_rcpt SET address = $2, orcpt = $3, destination = $4, rerouted_from = $5 "
	"WHERE id = $1");
DB_SQL(sql_amend_local, "UPDATE queue_rcpt SET account_id = $2, prefix = $3 WHERE id = $1");

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
	uint64_t seen; /* rows that were looked at */
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
		w->seen++;
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
	const struct spool_order *order;
	uint64_t changed, changed_before;
	struct spool_gone gone;
};

static int set_state(struct db *db, const struct spool_item *it, enum spool_state to,
	int64_t next_ns, struct err *e)
{
	spool_move(it->state, to);
	store_changed(db, STORE_QUEUE);
	if (db_run(db, e, &sql_set_state, "iii", (int64_t)it->rcpt_id, (int64_t)to, next_ns) < 0)
		return -1;
	return to == SPOOL_WAITING ? db_run(db, e, &sql_unpause, "ti", it->destination, next_ns)
				   : 0;
}

static int set_wish(struct db *db, const struct spool_item *it, enum spool_wish wish, struct err *e)
{
	return db_run(db, e, &sql_set_wish, "ii", (int64_t)it->rcpt_id, (int64_t)wish);
}

/* Waiting for the time that its sender asked for (FUTURERELEASE), which nothing has moved yet. */
static bool is_scheduled(const struct spool_item *it, int64_t now_ns)
{
	return (it->state == SPOOL_WAITING || it->state == SPOOL_LOCAL) &&
		it->env.release_ns > now_ns && it->next_ns >= it->env.release_ns;
}

/* Each action: -1 trouble; *is_changed says whether it means anything in the row's state. */

static int act_retry(struct db *db, struct acting *x, const struct spool_item *it, bool *is_changed,
	struct err *e)
{
	/* what its sender has put off is not late */
	*is_changed = it->state == SPOOL_WAITING && !is_scheduled(it, x->order->now_ns);
	return *is_changed ? set_state(db, it, SPOOL_WAITING, x->order->now_ns, e) : 0;
}

static int act_hold(struct db *db, struct acting *x, const struct spool_item *it, bool *is_changed,
	struct err *e)
{
	*is_changed = it->state == SPOOL_WAITING || it->state == SPOOL_ACTIVE;
	if (!*is_changed)
		return 0;
	if (db_run(db, e, &sql_set_held, "iti", (int64_t)it->rcpt_id, x->order->by,
		    x->order->now_ns) < 0)
		return -1;
	if (it->state == SPOOL_ACTIVE)
		return set_wish(db, it, SPOOL_WISH_HOLD, e);
	return set_state(db, it, SPOOL_HELD, it->next_ns, e);
}

static int act_release(struct db *db, struct acting *x, const struct spool_item *it,
	bool *is_changed, struct err *e)
{
	int64_t now = x->order->now_ns, next = now;

	*is_changed = it->state == SPOOL_HELD || it->state == SPOOL_ACTIVE || is_scheduled(it, now);
	if (!*is_changed)
		return 0;
	/* let go before its time: nobody takes it back any more */
	if (is_scheduled(it, now) && outbox_moved_tx(db, it->msg_id, e) < 0)
		return -1;
	if (it->state == SPOOL_ACTIVE)
		return set_wish(db, it, SPOOL_WISH_NONE, e);
	if (it->state == SPOOL_HELD && it->env.release_ns > now) /* back to its sender's word */
		next = it->env.release_ns;
	if (db_run(db, e, &sql_set_held, "iti", (int64_t)it->rcpt_id, SPAN_NONE, (int64_t)0) < 0)
		return -1;
	return set_state(db, it, it->state == SPOOL_LOCAL ? SPOOL_LOCAL : SPOOL_WAITING, next, e);
}

static int act_drop(struct db *db, struct acting *x, const struct spool_item *it, bool *is_changed,
	struct err *e)
{
	bool is_there;

	*is_changed = it->state != SPOOL_LOCAL || is_scheduled(it, x->order->now_ns);
	if (!*is_changed)
		return 0;
	if (it->state == SPOOL_ACTIVE)
		return set_wish(db, it, SPOOL_WISH_DROP, e);
	return spool_remove_tx(db, it->rcpt_id, SPOOL_END_DROPPED, &x->gone, &is_there, e);
}

/* Due at once, by whatever was changed; a held row stays held. */
static int due_now(struct db *db, struct acting *x, const struct spool_item *it, struct err *e)
{
	if (it->state == SPOOL_ACTIVE) /* what was asked before stays: hold, drop */
		return db_run(
			db, e, &sql_wish_now, "ii", (int64_t)it->rcpt_id, (int64_t)SPOOL_WISH_NOW);
	if (it->state == SPOOL_WAITING && !is_scheduled(it, x->order->now_ns))
		return set_state(db, it, SPOOL_WAITING, x->order->now_ns, e);
	return 0;
}

/* The failure and its report are one transaction, and reports are not written here: the row becomes
 * due, and fails when it is claimed. */
static int act_expire(struct db *db, struct acting *x, const struct spool_item *it,
	bool *is_changed, struct err *e)
{
	*is_changed = it->state != SPOOL_LOCAL && !it->is_given_up;
	if (!*is_changed)
		return 0;
	if (db_run(db, e, &sql_give_up, "ii", (int64_t)it->rcpt_id, (int64_t)SPOOL_RCPT_GIVEN_UP) <
		0)
		return -1;
	if (it->state == SPOOL_ACTIVE)
		return set_wish(db, it, SPOOL_WISH_NOW, e);
	return set_state(db, it, SPOOL_WAITING, x->order->now_ns, e);
}

static int act_reroute(struct db *db, struct acting *x, const struct spool_item *it,
	bool *is_changed, struct err *e)
{
	struct span from = it->rerouted_from.len ? it->rerouted_from : it->destination;
	struct span hop = x->order->next_hop;
	ptrdiff_t tls = span_find_span(it->destination, SPAN("|tls="));

	/* what the letter says of TLS goes with it to whatever host */
	if (tls >= 0 && span_find_span(hop, SPAN("unix:")) < 0)
		hop = span_str(arena_printf(x->walk.a, SPAN_FMT SPAN_FMT, SPAN_ARG(hop),
			SPAN_ARG(span_skip(it->destination, (size_t)tls))));
	*is_changed = it->state != SPOOL_LOCAL && !span_eq(it->destination, hop);
	if (!*is_changed)
		return 0;
	if (db_run(db, e, &sql_reroute, "itt", (int64_t)it->rcpt_id, hop, from) < 0)
		return -1;
	return due_now(db, x, it, e);
}

static int act_priority(struct db *db, struct acting *x, const struct spool_item *it,
	bool *is_changed, struct err *e)
{
	*is_changed = it->env.priority != x->order->priority;
	return *is_changed ? db_run(db, e, &sql_set_priority, "ii", (int64_t)it->rcpt_id,
				     (int64_t)x->order->priority)
			   : 0;
}

/* A row that would be tried later than its new end has an attempt at that end. */
static int act_lifetime(struct db *db, struct acting *x, const struct spool_item *it,
	bool *is_changed, struct err *e)
{
	int64_t end = x->order->expires_ns;

	*is_changed = it->state != SPOOL_LOCAL;
	if (!*is_changed)
		return 0;
	if (db_run(db, e, &sql_set_expiry, "iii", (int64_t)it->msg_id, end,
		    (int64_t)SPOOL_MSG_EXPIRY_SET) < 0)
		return -1;
	if (it->state == SPOOL_WAITING && it->next_ns > end && !is_scheduled(it, x->order->now_ns))
		return set_state(db, it, SPOOL_WAITING, end, e);
	return 0;
}

typedef int act_fn(struct db *db, struct acting *x, const struct spool_item *it, bool *is_changed,
	struct err *e);
static act_fn *const acts[SPOOL_ACTION_COUNT] = {
	[SPOOL_RETRY] = act_retry,
	[SPOOL_HOLD] = act_hold,
	[SPOOL_RELEASE] = act_release,
	[SPOOL_DROP] = act_drop,
	[SPOOL_EXPIRE] = act_expire,
	[SPOOL_REROUTE] = act_reroute,
	[SPOOL_PRIORITY] = act_priority,
	[SPOOL_LIFETIME] = act_lifetime,
};

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

		if (acts[x->order->action](db, x, &x->walk.items[i], &is_changed, e) < 0)
			return -1;
		x->changed += is_changed;
	}
	store_changed(db, STORE_QUEUE);
	/* more than a slice holds: on with the next one */
	x->walk.is_end = x->walk.is_end && x->walk.count < x->walk.max;
	return 0;
}

FIBER int spool_act(struct store *s, const struct spool_filter *f, const struct spool_order *o,
	uint64_t *changed_r, struct err *e)
{
	struct arena *a = arena_new();
	struct acting x = {.order = o};
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
		if (rc == 0 && o->progress && o->progress(o->arg, x.walk.seen, e) < 0) {
			rc = -1;
			x.changed_before = x.changed; /* that much is done */
		}
	}
	*changed_r = rc < 0 ? x.changed_before : x.changed;
	arena_free(&start.a);
	arena_free(&a);
	return rc;
}

/* ---- amend ---- */

struct amending {
	struct spool_amend *rows;
	size_t count;
	int64_t now_ns;
};

static int look(struct db *db, struct arena *a, uint64_t rcpt_id, struct spool_item *it,
	bool *is_there_r, struct err *e)
{
	struct db_stmt *st = db_query(
		db, e, &sql_page, "iii", (int64_t)rcpt_id - 1, (int64_t)rcpt_id, (int64_t)1);
	int rc = st ? db_step(st, is_there_r, e) : -1;

	*is_there_r = rc == 0 && *is_there_r;
	if (*is_there_r)
		spool_take_item(st, a, it);
	db_done(st);
	return rc;
}

static int amend_one(struct db *db, const struct amending *x, struct spool_amend *w,
	struct arena *a, struct err *e)
{
	struct spool_item it = {0};
	bool is_there;

	w->is_done = false;
	if (look(db, a, w->rcpt_id, &it, &is_there, e) < 0)
		return -1;
	/* gone, changed since it was read, or delivered in a moment */
	if (!is_there || it.state == SPOOL_LOCAL || !span_eq(it.address, w->was) ||
		!span_eq(it.destination, w->was_next) || it.is_drop_asked ||
		((it.state == SPOOL_HELD || it.is_hold_asked) && w->is_local))
		return 0;
	w->is_done = true;
	if (db_run(db, e, &sql_amend, "itttt", (int64_t)w->rcpt_id, w->address,
		    w->orcpt.len ? w->orcpt : it.orcpt, w->destination, w->rerouted_from) < 0)
		return -1;
	if (w->is_local &&
		db_run(db, e, &sql_amend_local, "iib", (int64_t)w->rcpt_id, (int64_t)w->account_id,
			w->prefix) < 0)
		return -1;
	if (it.state == SPOOL_ACTIVE && w->is_local)
		return set_wish(db, &it, SPOOL_WISH_LOCAL, e);
	if (it.state == SPOOL_ACTIVE)
		return db_run(
			db, e, &sql_wish_now, "ii", (int64_t)w->rcpt_id, (int64_t)SPOOL_WISH_NOW);
	if (it.state == SPOOL_HELD)
		return 0;
	return set_state(db, &it, w->is_local ? SPOOL_LOCAL : SPOOL_WAITING,
		is_scheduled(&it, x->now_ns) ? it.next_ns : x->now_ns, e);
}

static int amend_closure(struct db *db, void *arg, struct err *e)
{
	const struct amending *x = arg;
	struct arena *a = arena_new();
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < x->count; i++)
		rc = amend_one(db, x, &x->rows[i], a, e);
	arena_free(&a);
	return rc;
}

FIBER int spool_amend(
	struct store *s, struct spool_amend *rows, size_t count, int64_t now_ns, struct err *e)
{
	struct amending x = {rows, count, now_ns};

	MUST(count <= SPOOL_AMEND_MAX);
	return store_write(s, "queue amend", amend_closure, &x, e);
}
