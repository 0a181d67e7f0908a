/* Working the queue off: claims, results, leases that ran out, deliveries here in slices. */

#include "store/spool.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "run/fault.h"
#include "store/body_priv.h"
#include "store/mute.h"
#include "store/outbox.h"
#include "store/spool_priv.h"
#include "store/vacation.h"

DB_SQL(sql_item, "SELECT " SPOOL_ITEM_COLUMNS "WHERE r.id = $1");
DB_SQL(sql_activate, "UPDATE queue_rcpt SET state = 1, lease_ns = $2 WHERE id = $1");
/* The priorities that have lanes, from the highest down: a step a priority, not a lane. */
DB_SQL(sql_priority,
	"SELECT priority FROM queue_lane WHERE priority < $1 ORDER BY priority DESC LIMIT 1");
DB_SQL(sql_lanes,
	"SELECT destination FROM queue_lane WHERE priority = $1 AND next_ns <= $2 "
	"ORDER BY next_ns LIMIT $3");
DB_SQL(sql_lane_next,
	"SELECT next_ns FROM queue_rcpt WHERE state = 0 AND destination = $1 AND priority = $2 "
	"ORDER BY next_ns LIMIT 1");
DB_SQL(sql_lane_set,
	"UPDATE queue_lane SET next_ns = $3, paused_ns = 0 WHERE destination = $1 AND priority = $2");
DB_SQL(sql_lane_end, "DELETE FROM queue_lane WHERE destination = $1 AND priority = $2");
DB_SQL(sql_lane_pause,
	"UPDATE queue_lane SET next_ns = $2, paused_ns = $2 WHERE next_ns < $2 AND destination = "
	"(SELECT destination FROM queue_rcpt WHERE id = $1)");
DB_SQL(sql_next_due,
	"SELECT next_ns FROM queue_lane WHERE priority = $1 AND next_ns > $2 "
	"ORDER BY next_ns LIMIT 1");
DB_SQL(sql_next_local,
	"SELECT next_ns FROM queue_rcpt WHERE state = 3 AND next_ns > $1 ORDER BY next_ns LIMIT 1");
DB_SQL(sql_remove, "DELETE FROM queue_rcpt WHERE id = $1 RETURNING msg_id, state");
DB_SQL(sql_remove_msg,
	"DELETE FROM queue_msg WHERE id = $1 AND rcpt_left = 1 "
	"RETURNING blob_id, blob_octets");
DB_SQL(sql_one_less, "UPDATE queue_msg SET rcpt_left = rcpt_left - 1 WHERE id = $1");
DB_SQL(sql_look, "SELECT state, wish FROM queue_rcpt WHERE id = $1");
DB_SQL(sql_defer,
	"UPDATE queue_rcpt SET state = $2, next_ns = $3, lease_ns = 0, wish = 0, "
	"attempts = attempts + $4, flags = flags | $5, last_ns = $6, last_code = $7, "
	"last_enhanced = $8, last_text = $9, last_host = $10 WHERE id = $1");
/* by the partial index on active rows: as many steps as there are leases, not rows */
DB_SQL(sql_expired,
	"SELECT id, wish FROM queue_rcpt WHERE state = 1 AND lease_ns <= $1 "
	"ORDER BY lease_ns LIMIT 256");
DB_SQL(sql_unlease,
	"UPDATE queue_rcpt SET state = $2, next_ns = $3, lease_ns = 0, wish = 0 "
	"WHERE id = $1");
/* next_ns leads to the partial index */
DB_SQL(sql_local,
	"SELECT r.id, r.account_id, r.destination, r.prefix, m.blob_id, m.blob_octets, "
	"m.arrived_ns, m.release_ns, r.flags FROM queue_rcpt r JOIN queue_msg m ON m.id = r.msg_id "
	"WHERE r.state = 3 AND r.next_ns <= $1 ORDER BY r.next_ns LIMIT 1");
DB_SQL(sql_local_left, "SELECT id FROM queue_rcpt WHERE state = 3 AND next_ns <= $1 LIMIT 1");
DB_SQL(sql_first_chunk, "SELECT data FROM blob_chunk WHERE id = $1");

/* ---- rows that end ---- */

static void note_gone(struct spool_gone *gone, uint64_t blob_id)
{
	if (gone && gone->count < gone->cap)
		gone->blob_ids[gone->count++] = blob_id;
}

static int remove_msg(struct db *db, int64_t msg_id, struct spool_gone *gone, struct err *e)
{
	int64_t blob_id, octets;
	bool is_last, is_gone;

	if (db_get(db, e, NULL, &sql_remove_msg, &is_last, "i:ii", msg_id, &blob_id, &octets) < 0)
		return -1;
	if (!is_last)
		return db_run(db, e, &sql_one_less, "i", msg_id);
	if (blob_unref_tx(db, (uint64_t)blob_id, (uint64_t)octets, &is_gone, e) < 0)
		return -1;
	if (is_gone)
		note_gone(gone, (uint64_t)blob_id);
	store_count(db, STORE_COUNT_QUEUE_MESSAGES, -1);
	return 0;
}

int spool_remove_tx(struct db *db, uint64_t rcpt_id, unsigned to, struct spool_gone *gone,
	bool *is_there_r, struct err *e)
{
	int64_t msg_id, state;

	if (db_get(db, e, NULL, &sql_remove, is_there_r, "i:ii", (int64_t)rcpt_id, &msg_id,
		    &state) < 0)
		return -1;
	if (!*is_there_r)
		return 0;
	spool_move((unsigned)state, to);
	store_count(db, STORE_COUNT_QUEUE_RCPTS, -1);
	if (outbox_moved_tx(db, (uint64_t)msg_id, e) < 0)
		return -1;
	return remove_msg(db, msg_id, gone, e);
}

void spool_forget_bodies(struct store *s, const struct spool_gone *gone)
{
	for (size_t i = 0; i < gone->count; i++)
		body_cache_drop(s->bodies, gone->blob_ids[i]);
}

/* ---- a row as an item ---- */

static void take_msg_cols(struct db_stmt *st, struct arena *a, struct spool_item *it)
{
	unsigned flags = (unsigned)db_col_i64(st, 5);

	it->msg_id = (uint64_t)db_col_i64(st, 0);
	it->blob_id = (uint64_t)db_col_i64(st, 1);
	it->blob_len = (uint64_t)db_col_i64(st, 2);
	it->arrived_ns = db_col_i64(st, 3);
	it->expires_ns = db_col_i64(st, 4);
	it->env.is_smtputf8 = flags & 1;
	it->env.is_requiretls = flags >> 12 & 1;
	it->env.is_tls_optional = flags >> 13 & 1;
	it->env.by_mode = (enum spool_by)(flags >> 14 & 3);
	it->env.by_trace = flags >> 16 & 1;
	it->is_expiry_fixed = flags & SPOOL_MSG_EXPIRY_SET;
	it->env.ret = (enum spool_ret)(flags >> 4 & 15);
	it->env.body_type = (enum spool_body)(flags >> 8 & 15);
	it->env.reverse_path = arena_span(a, db_col_span(st, 6));
	it->env.envid = arena_span(a, db_col_span(st, 7));
	it->env.origin = arena_span(a, db_col_span(st, 8));
	it->env.peer = arena_span(a, db_col_span(st, 9));
	it->prefix = arena_span(a, db_col_span(st, 10));
	it->env.class = (enum spool_class)db_col_i64(st, 26);
	it->env.by_ns = db_col_i64(st, 27);
	it->env.release_ns = db_col_i64(st, 28);
}

void spool_take_item(struct db_stmt *st, struct arena *a, struct spool_item *it)
{
	unsigned flags = (unsigned)db_col_i64(st, 15);

	take_msg_cols(st, a, it);
	it->state = (enum spool_state)db_col_i64(st, 11);
	it->next_ns = db_col_i64(st, 12);
	it->lease_ns = db_col_i64(st, 13);
	it->attempts = (uint32_t)db_col_i64(st, 14);
	it->notify = flags & 15;
	it->delays_told = (unsigned)__builtin_popcount(
		flags / SPOOL_RCPT_DELAYED % (1 << SPOOL_RCPT_DELAYS));
	it->is_by_told = flags & SPOOL_RCPT_BY_TOLD;
	it->is_given_up = flags & SPOOL_RCPT_GIVEN_UP;
	it->address = arena_span(a, db_col_span(st, 16));
	it->orcpt = arena_span(a, db_col_span(st, 17));
	it->destination = arena_span(a, db_col_span(st, 18));
	it->last_ns = db_col_i64(st, 19);
	it->last_code = (uint16_t)db_col_i64(st, 20);
	it->last_enhanced = arena_span(a, db_col_span(st, 21));
	it->last_text = arena_span(a, db_col_span(st, 22));
	it->last_host = arena_span(a, db_col_span(st, 23));
	it->rcpt_id = (uint64_t)db_col_i64(st, 24);
	it->is_hold_asked = db_col_i64(st, 25) == SPOOL_WISH_HOLD;
	it->is_drop_asked = db_col_i64(st, 25) == SPOOL_WISH_DROP;
	it->env.priority = (int)db_col_i64(st, 29);
	it->sender = arena_span(a, db_col_span(st, 30));
	it->rerouted_from = arena_span(a, db_col_span(st, 31));
	if (it->state != SPOOL_LOCAL)
		it->rcpt_prefix = arena_span(a, db_col_span(st, 32));
	it->held_by = arena_span(a, db_col_span(st, 33));
	it->held_ns = db_col_i64(st, 34);
}

/* ---- leases that ran out ---- */

static int end_lease(struct db *db, int64_t rcpt_id, int64_t wish, int64_t now_ns, struct err *e)
{
	enum spool_state to = spool_wish_state(wish);
	bool is_there;

	if (wish == SPOOL_WISH_DROP)
		return spool_remove_tx(
			db, (uint64_t)rcpt_id, SPOOL_END_DROPPED, NULL, &is_there, e);
	spool_move(SPOOL_ACTIVE, to);
	store_changed(db, STORE_QUEUE);
	return db_run(db, e, &sql_unlease, "iii", rcpt_id, (int64_t)to, now_ns);
}

struct lease_row {
	int64_t id, wish;
};

struct lease_sweep {
	struct lease_row rows[SPOOL_SLICE];
	size_t count;
};

static int expired_rows(
	struct db *db, struct lease_sweep *w, int64_t lease_before_ns, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_expired, "i", lease_before_ns);
	bool is_row = false;
	int rc = st ? 0 : -1;

	while (st && w->count < SPOOL_SLICE && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		db_cols(st, "ii", &w->rows[w->count].id, &w->rows[w->count].wish);
		w->count++;
	}
	db_done(st);
	return rc;
}

/* At most SPOOL_SLICE leases that ran out; *is_more_r: there may be others. */
static int sweep_leases_tx(
	struct db *db, int64_t now_ns, int64_t lease_before_ns, bool *is_more_r, struct err *e)
{
	struct lease_sweep *w = NEW(struct lease_sweep);
	int rc = expired_rows(db, w, lease_before_ns, e);

	for (size_t i = 0; rc == 0 && i < w->count; i++)
		rc = end_lease(db, w->rows[i].id, w->rows[i].wish, now_ns, e);
	*is_more_r = w->count == SPOOL_SLICE;
	free(w);
	return rc;
}

struct recovery {
	int64_t now_ns;
	bool is_more;
};

static int recover_slice(struct db *db, void *arg, struct err *e)
{
	struct recovery *r = arg;

	/* every lease: who held it is dead, for the data directory is ours alone */
	return sweep_leases_tx(db, r->now_ns, INT64_MAX, &r->is_more, e);
}

int spool_recover_blocking(struct store *s, struct err *e)
{
	struct recovery r = {.now_ns = clock_wall_ns()};

	do {
		if (store_write_blocking(s, "recover queue", recover_slice, &r, e) < 0)
			return -1;
	} while (r.is_more);
	return 0;
}

/* ---- claim ---- */

struct claim {
	struct arena *a;
	int64_t now_ns, lease_until_ns, next_ns;
	size_t max, found, count;
	bool is_more; /* some is due that was not claimed */
	struct spool_item *items;
	int64_t *ids;
};

static int claim_one(struct db *db, struct claim *c, int64_t id, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_item, "i", id);
	struct spool_item *it = &c->items[c->count];
	bool is_row = false;
	int rc = st ? db_step(st, &is_row, e) : -1;

	if (rc == 0 && is_row)
		spool_take_item(st, c->a, it);
	else if (rc == 0)
		rc = err_set(e, ERR_CORRUPT, "queue row %lld has no message", (long long)id);
	db_done(st);
	if (rc < 0)
		return rc;
	spool_move(it->state, SPOOL_ACTIVE);
	it->state = SPOOL_ACTIVE;
	it->lease_ns = c->lease_until_ns;
	c->count++;
	return db_run(db, e, &sql_activate, "ii", id, c->lease_until_ns);
}

#define CLAIM_LANES 16 /* that are looked at in one go */

static int lane_ids(struct db *db, struct claim *c, struct span destination, int64_t priority,
	size_t max, struct err *e)
{
	struct db_stmt *st = db_query(
		db, e, db_sql_claim(db), "tiii", destination, priority, c->now_ns, (int64_t)max);
	bool is_row = false;
	int rc = st ? 0 : -1;

	while (st && c->found < c->max && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		c->ids[c->found++] = db_col_i64(st, 0);
	db_done(st);
	return rc;
}

/* Claim of one lane, and tell when it is due again: with rows that are due it goes behind the others
 * that are. */
static int claim_lane(struct db *db, struct claim *c, struct span destination, int64_t priority,
	size_t max, struct err *e)
{
	int64_t next_ns = 0;
	bool is_left;

	if (lane_ids(db, c, destination, priority, max, e) < 0)
		return -1;
	while (c->count < c->found)
		if (claim_one(db, c, c->ids[c->count], e) < 0)
			return -1;
	if (db_get(db, e, NULL, &sql_lane_next, &is_left, "ti:i", destination, priority, &next_ns) <
		0)
		return -1;
	if (!is_left)
		return db_run(db, e, &sql_lane_end, "ti", destination, priority);
	c->is_more = c->is_more || next_ns <= c->now_ns;
	return db_run(db, e, &sql_lane_set, "tii", destination, priority,
		next_ns < c->now_ns ? c->now_ns : next_ns);
}

/* Some of each lane of that priority that is due, in turn. */
static int claim_lanes(
	struct db *db, struct claim *c, int64_t priority, size_t *lanes_r, struct err *e)
{
	struct db_stmt *st = db_query(
		db, e, &sql_lanes, "iii", priority, c->now_ns, (int64_t)CLAIM_LANES);
	struct span lanes[CLAIM_LANES];
	bool is_row = false;
	int rc = st ? 0 : -1;
	size_t each;

	*lanes_r = 0;
	while (st && *lanes_r < CLAIM_LANES && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		lanes[(*lanes_r)++] = arena_span(c->a, db_col_span(st, 0));
	db_done(st);
	each = *lanes_r ? (c->max - c->found) / *lanes_r : 0;
	if (each == 0)
		each = 1;
	for (size_t i = 0; rc == 0 && i < *lanes_r && c->found < c->max; i++) {
		size_t room = c->max - c->found;

		rc = claim_lane(db, c, lanes[i], priority, each < room ? each : room, e);
	}
	return rc;
}

/* When the next row behind now is due: the soonest counts. */
static int note_next(struct db *db, struct claim *c, int64_t priority, struct err *e)
{
	int64_t next_ns = CLOCK_NEVER;
	bool is_found;

	if (db_get(db, e, NULL, &sql_next_due, &is_found, "ii:i", priority, c->now_ns, &next_ns) <
		0)
		return -1;
	if (next_ns < c->next_ns)
		c->next_ns = next_ns;
	return 0;
}

static int note_next_local(struct db *db, struct claim *c, struct err *e)
{
	int64_t next_ns = CLOCK_NEVER;
	bool is_found;

	if (db_get(db, e, NULL, &sql_next_local, &is_found, "i:i", c->now_ns, &next_ns) < 0)
		return -1;
	if (next_ns < c->next_ns)
		c->next_ns = next_ns;
	return 0;
}

static int sweep_now_and_then(struct db *db, int64_t now_ns, struct err *e)
{
	int64_t *swept_ns = &store_of(db)->spool_swept_ns;
	bool is_more;

	/* a clock that jumped back must not stop the sweep for a day */
	if (now_ns >= *swept_ns && now_ns < *swept_ns + SPOOL_LEASE_SWEEP)
		return 0;
	if (sweep_leases_tx(db, now_ns, now_ns, &is_more, e) < 0)
		return -1;
	if (!is_more)
		*swept_ns = now_ns;
	return 0;
}

/* What is due, the most urgent first, and when the rest will be. */
static int claim_due(struct db *db, struct claim *c, struct err *e)
{
	int64_t priority = SPOOL_PRIORITY_MAX + 1;
	bool is_found = true;

	while (c->found < c->max) {
		size_t lanes;

		if (db_get(db, e, NULL, &sql_priority, &is_found, "i:i", priority, &priority) < 0)
			return -1;
		if (!is_found)
			break;
		if (claim_lanes(db, c, priority, &lanes, e) < 0 ||
			note_next(db, c, priority, e) < 0)
			return -1;
		c->is_more = c->is_more || lanes == CLAIM_LANES;
		if (c->is_more) /* others of this priority come before less urgent ones */
			break;
	}
	if (c->is_more || c->found == c->max)
		c->next_ns = c->now_ns; /* there may be more */
	return note_next_local(db, c, e);
}

static int claim_closure(struct db *db, void *arg, struct err *e)
{
	struct claim *c = arg;

	c->count = c->found = 0;
	c->is_more = false;
	c->next_ns = CLOCK_NEVER;
	return sweep_now_and_then(db, c->now_ns, e) < 0 ? -1 : claim_due(db, c, e);
}

FIBER int spool_claim(struct store *s, struct arena *a, int64_t now_ns, int64_t lease_until_ns,
	size_t max, struct spool_item **items_r, size_t *count_r, int64_t *next_ns_r, struct err *e)
{
	struct claim c = {.a = a, .now_ns = now_ns, .lease_until_ns = lease_until_ns};

	c.max = max < SPOOL_SLICE ? max : SPOOL_SLICE;
	c.items = ARENA_ARRAY(a, struct spool_item, c.max);
	c.ids = ARENA_ARRAY(a, int64_t, c.max);
	if (store_write(s, "claim", claim_closure, &c, e) < 0)
		return -1;
	*items_r = c.items;
	*count_r = c.count;
	*next_ns_r = c.next_ns;
	return 0;
}

/* ---- results ---- */

struct settling {
	const struct spool_result *results;
	size_t count;
	struct spool_ready *dsns;
	size_t dsn_count;
	struct spool_gone gone;
};

static int64_t told_flags(const struct spool_result *r)
{
	unsigned delays = r->delays_told < SPOOL_RCPT_DELAYS ? r->delays_told : SPOOL_RCPT_DELAYS;

	return (int64_t)((1U << delays) - 1) * SPOOL_RCPT_DELAYED +
		(r->is_by_told ? SPOOL_RCPT_BY_TOLD : 0);
}

static int defer(struct db *db, const struct spool_result *r, int64_t wish, struct err *e)
{
	struct db_stmt *st = db_prepare(db, &sql_defer, e);
	enum spool_state to = spool_wish_state(wish);

	if (!st)
		return -1;
	spool_move(SPOOL_ACTIVE, to);
	db_bind_i64(st, 1, (int64_t)r->rcpt_id);
	db_bind_i64(st, 2, to);
	db_bind_i64(st, 3, wish >= SPOOL_WISH_NOW ? r->at_ns : r->next_ns);
	db_bind_i64(st, 4, r->is_attempt);
	db_bind_i64(st, 5, told_flags(r));
	db_bind_i64(st, 6, r->at_ns);
	db_bind_i64(st, 7, r->code);
	db_bind_text(st, 8, r->enhanced);
	db_bind_text(st, 9, r->text);
	db_bind_text(st, 10, r->host);
	store_changed(db, STORE_QUEUE);
	if (db_finish(st, e) < 0 || outbox_moved_tx(db, r->msg_id, e) < 0)
		return -1;
	return r->pause_ns ? db_run(db, e, &sql_lane_pause, "ii", (int64_t)r->rcpt_id, r->pause_ns)
			   : 0;
}

/* A result that comes after its lease ran out: the row is somebody else's now, or held. Only that
 * the letter has arrived still counts. */
static int settle_one(
	struct db *db, const struct spool_result *r, struct spool_gone *gone, struct err *e)
{
	int64_t state = 0, wish = 0;
	bool is_there;

	if (r->outcome == SPOOL_DELIVERED)
		return spool_remove_tx(db, r->rcpt_id, SPOOL_END_DELIVERED, gone, &is_there, e);
	if (db_get(db, e, NULL, &sql_look, &is_there, "i:ii", (int64_t)r->rcpt_id, &state, &wish) <
		0)
		return -1;
	if (!is_there || state != SPOOL_ACTIVE)
		return 0;
	if (r->outcome == SPOOL_FAILED)
		return spool_remove_tx(db, r->rcpt_id, SPOOL_END_FAILED, gone, &is_there, e);
	if (wish == SPOOL_WISH_DROP)
		return spool_remove_tx(db, r->rcpt_id, SPOOL_END_DROPPED, gone, &is_there, e);
	return defer(db, r, wish, e);
}

static int settle_closure(struct db *db, void *arg, struct err *e)
{
	struct settling *x = arg;

	x->gone.count = 0;
	for (size_t i = 0; i < x->count; i++)
		if (settle_one(db, &x->results[i], &x->gone, e) < 0)
			return -1;
	for (size_t i = 0; i < x->dsn_count; i++)
		if (spool_accept_tx(db, &x->dsns[i], e) < 0)
			return -1;
	return 0;
}

FIBER int spool_settle(struct store *s, const struct spool_result *results, size_t count,
	struct spool_new *dsns, size_t dsn_count, struct err *e)
{
	struct arena *a = arena_new();
	struct settling x = {.results = results, .count = count, .dsn_count = dsn_count};
	int rc = 0;

	x.dsns = ARENA_ARRAY(a, struct spool_ready, dsn_count + 1);
	x.gone.cap = count;
	x.gone.blob_ids = ARENA_ARRAY(a, uint64_t, count + 1);
	for (size_t i = 0; rc == 0 && i < dsn_count; i++)
		rc = spool_prepare(s, a, &dsns[i], false, &x.dsns[i], e);
	if (rc == 0)
		rc = store_write(s, "settle", settle_closure, &x, e);
	if (rc == 0) {
		FAULT(SETTLE_COMMITTED);
		spool_forget_bodies(s, &x.gone);
		for (size_t i = 0; i < dsn_count; i++)
			spool_accepted(s, &x.dsns[i]);
	}
	arena_free(&a);
	return rc;
}

/* ---- local rows, in slices ---- */

struct local_slice {
	size_t max;
	int64_t now_ns;
	bool is_left;
	struct spool_item *told_items; /* of scheduled letters, whose senders want to hear of it */
	size_t told_count;
	struct arena *told_arena;
	struct arena *a;  /* of the closure */
	uint64_t head_of; /* the body whose header was scanned last */
	struct deliver_head head;
};

static int scan_stored_head(struct db *db, struct local_slice *l, uint64_t blob_id, struct err *e)
{
	struct db_stmt *st;
	bool is_row = false;
	int rc;

	if (l->head_of == blob_id)
		return 0;
	st = db_query(db, e, &sql_first_chunk, "i", (int64_t)blob_id);
	rc = st ? db_step(st, &is_row, e) : -1;
	if (rc == 0) {
		deliver_scan_head(l->a, is_row ? db_col_span(st, 0) : SPAN_NONE, &l->head);
		deliver_decode_head(l->a, &l->head);
	}
	db_done(st);
	l->head_of = blob_id;
	return rc;
}

/* Its sender wants to hear of it, and was not told when the letter was accepted. */
static int tell_later(struct db *db, struct local_slice *l, uint64_t rcpt_id, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_item, "i", (int64_t)rcpt_id);
	bool is_row = false;
	int rc = st ? db_step(st, &is_row, e) : -1;

	if (rc == 0 && is_row)
		spool_take_item(st, l->told_arena, &l->told_items[l->told_count++]);
	db_done(st);
	return rc;
}

static int deliver_row(
	struct db *db, struct local_slice *l, struct delivery *d, bool is_told, struct err *e)
{
	unsigned to = SPOOL_END_DELIVERED;
	bool is_there;

	if (scan_stored_head(db, l, d->blob_id, e) < 0)
		return -1;
	d->head = &l->head;
	if (is_told && tell_later(db, l, d->id, e) < 0)
		return -1;
	if (mute_place_tx(db, l->a, d, e) < 0)
		return -1;
	if (deliver_tx(db, d, e) == 0) {
		if (blob_ref_tx(db, d->blob_id, 1, e) < 0 ||
			vacation_note_tx(db, d->account_id, d->id, e) < 0)
			return -1;
	} else if (e && e->code == ERR_NOT_FOUND) {
		/* the account was removed while its letter waited: it goes as its mail did */
		err_clear(e);
		to = SPOOL_END_FAILED;
	} else {
		return -1;
	}
	return spool_remove_tx(db, d->id, to, NULL, &is_there, e);
}

static int next_local(struct db *db, struct local_slice *l, struct delivery *d, bool *is_told_r,
	bool *is_found_r, struct err *e)
{
	int64_t id, account_id, blob_id, octets, release_ns = 0, flags = 0;

	*d = (struct delivery){0};
	if (db_get(db, e, l->a, &sql_local, is_found_r, "i:iitbiiiii", l->now_ns, &id, &account_id,
		    &d->folder, &d->prefix, &blob_id, &octets, &d->received_ns, &release_ns,
		    &flags) < 0)
		return -1;
	*is_told_r = *is_found_r && release_ns > d->received_ns && flags & SPOOL_NOTIFY_SUCCESS;
	if (*is_found_r) {
		if (release_ns > d->received_ns)
			d->received_ns = release_ns;
		d->id = (uint64_t)id;
		d->account_id = (uint64_t)account_id;
		d->blob_id = (uint64_t)blob_id;
		d->blob_octets = (uint64_t)octets;
	}
	return 0;
}

static int local_closure(struct db *db, void *arg, struct err *e)
{
	struct local_slice *l = arg;
	struct delivery d;
	bool is_found = true, is_told;
	struct err mine = {0}; /* deliver_row tells by the code, so it needs one */
	int rc = 0;

	arena_reset(l->a);
	l->head_of = 0;
	l->told_count = 0;
	for (size_t i = 0; rc == 0 && is_found && i < l->max; i++) {
		rc = next_local(db, l, &d, &is_told, &is_found, &mine);
		if (rc == 0 && is_found)
			rc = deliver_row(db, l, &d, is_told, &mine);
	}
	if (rc == 0)
		rc = db_get(db, &mine, NULL, &sql_local_left, &l->is_left, "i:", l->now_ns);
	return rc < 0 ? err_copy(e, &mine) : 0;
}

FIBER int spool_deliver_local(struct store *s, struct arena *a, size_t max, bool *left_r,
	struct spool_item **told_r, size_t *told_count_r, struct err *e)
{
	struct local_slice l = {.max = max < SPOOL_SLICE ? max : SPOOL_SLICE,
		.now_ns = loop_wall_ns(),
		.told_arena = a,
		.a = arena_new()};
	int rc;

	l.told_items = ARENA_ARRAY(a, struct spool_item, l.max);
	rc = store_write(s, "deliver local", local_closure, &l, e);
	*left_r = rc == 0 && l.is_left;
	*told_r = l.told_items;
	*told_count_r = rc == 0 ? l.told_count : 0;
	arena_free(&l.a);
	return rc;
}
