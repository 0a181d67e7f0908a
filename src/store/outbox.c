#include "store/outbox.h"

#include "base/must.h"
#include "store/object.h"
#include "store/spool_priv.h"

#define OUTBOX_COLUMNS                                                                             \
	"id, account_id, identity_id, email_id, thread_id, msg_id, send_at_ns, created_ns, undo, " \
	"envelope, replies"
DB_SQL(sql_outbox_add,
	"INSERT INTO email_submission (id, account_id, identity_id, email_id, thread_id, msg_id, "
	"send_at_ns, created_ns, undo, envelope, replies) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)");
DB_SQL(sql_outbox_get,
	"SELECT " OUTBOX_COLUMNS " FROM email_submission WHERE id = $1 AND account_id = $2");
DB_SQL(sql_outbox_list,
	"SELECT id, account_id, identity_id, email_id, thread_id, msg_id, send_at_ns, created_ns, "
	"undo, '', '' FROM email_submission WHERE account_id = $1 AND id < $2 "
	"ORDER BY id DESC LIMIT 256");
DB_SQL(sql_outbox_remove, "DELETE FROM email_submission WHERE id = $1 AND account_id = $2");
DB_SQL(sql_outbox_undo, "UPDATE email_submission SET undo = $2 WHERE id = $1");
DB_SQL(sql_outbox_due,
	"SELECT id, account_id FROM email_submission WHERE undo = 0 AND send_at_ns <= $1 "
	"ORDER BY send_at_ns LIMIT 64");
DB_SQL(sql_outbox_next,
	"SELECT send_at_ns FROM email_submission WHERE undo = 0 AND send_at_ns > 0 "
	"ORDER BY send_at_ns LIMIT 1");
DB_SQL(sql_outbox_moved,
	"UPDATE email_submission SET undo = CASE WHEN undo = 0 THEN 1 ELSE undo END "
	"WHERE msg_id = $1 RETURNING id, account_id");
DB_SQL(sql_outbox_rows,
	"SELECT r.id, r.state, r.next_ns FROM queue_msg m JOIN queue_rcpt r ON r.id >= m.rcpt_first "
	"AND r.id < m.rcpt_first + m.rcpt_count WHERE m.id = $1");

/* Ids are times. */
DB_SQL(sql_outbox_near,
	"SELECT email_id FROM message WHERE id > $1 AND id < $2 AND +account_id = $3 ORDER BY id "
	"LIMIT 64");

/* ---- submissions ---- */

int outbox_add_tx(struct db *db, const struct outbox_row *r, uint64_t msg_id, struct err *e)
{
	store_changed(db, STORE_DUE);
	if (db_run(db, e, &sql_outbox_add, "iiiiiiiiitt", (int64_t)r->id, (int64_t)r->account_id,
		    (int64_t)r->identity_id, (int64_t)r->email_id, (int64_t)r->thread_id,
		    (int64_t)msg_id, r->send_at_ns, r->created_ns, (int64_t)r->undo, r->envelope,
		    r->replies) < 0)
		return -1;
	return object_changed_tx(
		db, r->account_id, OBJECT_SUBMISSION, r->id, OBJECT_CREATED, NULL, e);
}

static void take_row(struct arena *a, struct db_stmt *st, struct outbox_row *r)
{
	int64_t id, account, identity, email, thread, msg, undo;

	db_cols(st, "iiiiiiiiitt", &id, &account, &identity, &email, &thread, &msg, &r->send_at_ns,
		&r->created_ns, &undo, &r->envelope, &r->replies);
	r->id = (uint64_t)id;
	r->account_id = (uint64_t)account;
	r->identity_id = (uint64_t)identity;
	r->email_id = (uint64_t)email;
	r->thread_id = (uint64_t)thread;
	r->msg_id = (uint64_t)msg;
	r->undo = (enum outbox_undo)undo;
	r->envelope = arena_span(a, r->envelope);
	r->replies = arena_span(a, r->replies);
}

struct outbox_look {
	struct arena *a;
	uint64_t account_id, before;
	const uint64_t *ids;
	struct outbox_row *list;
	size_t count, got;
};

static int get_tx(struct db *db, void *arg, struct err *e)
{
	struct outbox_look *l = arg;

	for (size_t i = 0; i < l->count; i++) {
		struct db_stmt *st = db_query(
			db, e, &sql_outbox_get, "ii", (int64_t)l->ids[i], (int64_t)l->account_id);
		bool is_row = false;

		l->list[i] = (struct outbox_row){0};
		if (!st || db_step(st, &is_row, e) < 0) {
			db_done(st);
			return -1;
		}
		if (is_row)
			take_row(l->a, st, &l->list[i]);
		db_done(st);
	}
	return 0;
}

FIBER int outbox_get(struct store *s, struct arena *a, uint64_t account_id, const uint64_t *ids,
	size_t count, struct outbox_row *list_r, struct err *e)
{
	struct outbox_look l = {
		.a = a, .account_id = account_id, .ids = ids, .list = list_r, .count = count};

	MUST(count <= OUTBOX_GET_MAX);
	return store_read(s, "outbox.get", get_tx, &l, e);
}

static int list_tx(struct db *db, void *arg, struct err *e)
{
	struct outbox_look *l = arg;
	struct db_stmt *st = db_query(
		db, e, &sql_outbox_list, "ii", (int64_t)l->account_id, (int64_t)l->before);
	bool is_row = false;
	int rc = st ? 0 : -1;

	l->got = 0;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		take_row(l->a, st, &l->list[l->count]);
		l->before = l->list[l->count++].id;
		l->got++;
	}
	db_done(st);
	return rc;
}

FIBER int outbox_list(struct store *s, struct arena *a, uint64_t account_id,
	struct outbox_row **list_r, size_t *count_r, struct err *e)
{
	struct outbox_look l = {.a = a, .account_id = account_id, .before = INT64_MAX, .got = 256};

	l.list = ARENA_ARRAY(a, struct outbox_row, OUTBOX_LIST_MAX + 256);
	while (l.got == 256 && l.count < OUTBOX_LIST_MAX)
		if (store_read(s, "outbox.list", list_tx, &l, e) < 0)
			return -1;
	*list_r = l.list;
	*count_r = l.count < OUTBOX_LIST_MAX ? l.count : OUTBOX_LIST_MAX;
	return 0;
}

struct outbox_deed {
	uint64_t account_id, id;
	int64_t now_ns, next_ns;
	bool is_done, is_more;
	struct spool_gone gone;
	struct arena *a;
};

static int remove_tx(struct db *db, void *arg, struct err *e)
{
	struct outbox_deed *d = arg;

	if (db_run(db, e, &sql_outbox_remove, "ii", (int64_t)d->id, (int64_t)d->account_id) < 0)
		return -1;
	d->is_done = db_changes(db) > 0;
	return d->is_done ? object_changed_tx(db, d->account_id, OBJECT_SUBMISSION, d->id,
				    OBJECT_DESTROYED, NULL, e)
			  : 0;
}

FIBER int outbox_remove(
	struct store *s, uint64_t account_id, uint64_t id, bool *was_there_r, struct err *e)
{
	struct outbox_deed d = {.account_id = account_id, .id = id};
	int rc = store_write(s, "outbox.remove", remove_tx, &d, e);

	*was_there_r = d.is_done;
	return rc;
}

struct outbox_neighbours {
	uint64_t account_id, msg_id;
	uint64_t *ids;
	size_t count;
};

static int near_tx(struct db *db, void *arg, struct err *e)
{
	struct outbox_neighbours *n = arg;
	struct db_stmt *st = db_query(db, e, &sql_outbox_near, "iii", (int64_t)n->msg_id,
		(int64_t)store_time_id(store_id_time(n->msg_id) + OUTBOX_NEAR_NS),
		(int64_t)n->account_id);
	bool is_row = false;
	int rc = st ? 0 : -1;

	n->count = 0;
	while (st && n->count < OUTBOX_NEAR_MAX && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		n->ids[n->count++] = (uint64_t)db_col_i64(st, 0);
	db_done(st);
	return rc;
}

FIBER int outbox_near(struct store *s, struct arena *a, uint64_t account_id, uint64_t msg_id,
	uint64_t **ids_r, size_t *count_r, struct err *e)
{
	struct outbox_neighbours n = {.account_id = account_id,
		.msg_id = msg_id,
		.ids = ARENA_ARRAY(a, uint64_t, OUTBOX_NEAR_MAX)};
	int rc = store_read(s, "outbox.near", near_tx, &n, e);

	*ids_r = n.ids;
	*count_r = n.count;
	return rc;
}

/* ---- taking back ---- */

/* The rows of its letter; *all_wait_r: each of them waits for its time. */
static int letter_rows(struct db *db, struct outbox_deed *d, uint64_t msg_id, uint64_t **rows_r,
	unsigned **states_r, size_t *count_r, bool *all_wait_r, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_outbox_rows, "i", (int64_t)msg_id);
	size_t room = 64;
	bool is_row = false;
	int rc = st ? 0 : -1;

	*rows_r = ARENA_ARRAY(d->a, uint64_t, room);
	*states_r = ARENA_ARRAY(d->a, unsigned, room);
	*count_r = 0;
	*all_wait_r = true;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		int64_t id, state, next_ns;

		db_cols(st, "iii", &id, &state, &next_ns);
		if (*count_r == room) {
			uint64_t *rows = *rows_r;
			unsigned *states = *states_r;

			room *= 2;
			*rows_r = ARENA_ARRAY(d->a, uint64_t, room);
			*states_r = ARENA_ARRAY(d->a, unsigned, room);
			for (size_t i = 0; i < *count_r; i++) {
				(*rows_r)[i] = rows[i];
				(*states_r)[i] = states[i];
			}
		}
		(*rows_r)[*count_r] = (uint64_t)id;
		(*states_r)[(*count_r)++] = (unsigned)state;
		if ((state != SPOOL_WAITING && state != SPOOL_LOCAL && state != SPOOL_HELD) ||
			(state != SPOOL_HELD && next_ns <= d->now_ns))
			*all_wait_r = false;
	}
	db_done(st);
	return rc;
}

static int cancel_tx(struct db *db, struct outbox_deed *d, struct err *e)
{
	struct outbox_row row = {0};
	struct outbox_look l = {
		.a = d->a, .account_id = d->account_id, .ids = &d->id, .list = &row, .count = 1};
	uint64_t *rows;
	unsigned *states;
	size_t count;
	bool all_wait, is_there;

	d->is_done = false;
	if (get_tx(db, &l, e) < 0)
		return -1;
	if (!row.id || row.undo != OUTBOX_PENDING)
		return 0;
	if (letter_rows(db, d, row.msg_id, &rows, &states, &count, &all_wait, e) < 0)
		return -1;
	if (!count || !all_wait || row.send_at_ns <= d->now_ns)
		return 0;
	d->gone = (struct spool_gone){.cap = count, .blob_ids = ARENA_ARRAY(d->a, uint64_t, count)};
	/* first: what is taken back is not sent */
	if (db_run(db, e, &sql_outbox_undo, "ii", (int64_t)d->id, (int64_t)OUTBOX_CANCELED) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		spool_move(states[i], SPOOL_END_DROPPED);
		if (spool_remove_tx(db, rows[i], SPOOL_END_DROPPED, &d->gone, &is_there, e) < 0)
			return -1;
	}
	d->is_done = true;
	store_changed(db, STORE_QUEUE);
	return object_changed_tx(
		db, d->account_id, OBJECT_SUBMISSION, d->id, OBJECT_UPDATED, NULL, e);
}

static int cancel_closure(struct db *db, void *arg, struct err *e)
{
	struct outbox_deed *d = arg;

	arena_reset(d->a);
	d->gone = (struct spool_gone){0};
	return cancel_tx(db, d, e);
}

FIBER int outbox_cancel(struct store *s, uint64_t account_id, uint64_t id, int64_t now_ns,
	bool *is_done_r, struct err *e)
{
	struct outbox_deed d = {
		.account_id = account_id, .id = id, .now_ns = now_ns, .a = arena_new()};
	int rc = store_write(s, "outbox.cancel", cancel_closure, &d, e);

	if (rc == 0)
		spool_forget_bodies(s, &d.gone);
	*is_done_r = rc == 0 && d.is_done;
	arena_free(&d.a);
	return rc;
}

/* ---- what time and the queue do ---- */

int outbox_moved_tx(struct db *db, uint64_t msg_id, struct err *e)
{
	int64_t id = 0, account = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_outbox_moved, &is_found, "i:ii", (int64_t)msg_id, &id,
		    &account) < 0)
		return -1;
	if (is_found)
		store_changed(db, STORE_DUE);
	return is_found ? object_changed_tx(db, (uint64_t)account, OBJECT_SUBMISSION, (uint64_t)id,
				  OBJECT_UPDATED, NULL, e)
			: 0;
}

static int tick_tx(struct db *db, void *arg, struct err *e)
{
	struct outbox_deed *d = arg;
	int64_t ids[64], accounts[64];
	struct db_stmt *st = db_query(db, e, &sql_outbox_due, "i", d->now_ns);
	bool is_row = false;
	size_t count = 0;
	int rc = st ? 0 : -1;

	while (st && count < 64 && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		db_cols(st, "ii", &ids[count], &accounts[count]);
		count++;
	}
	db_done(st);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = db_run(db, e, &sql_outbox_undo, "ii", ids[i], (int64_t)OUTBOX_FINAL);
		if (rc == 0)
			rc = object_changed_tx(db, (uint64_t)accounts[i], OBJECT_SUBMISSION,
				(uint64_t)ids[i], OBJECT_UPDATED, NULL, e);
	}
	d->is_more = count == 64;
	return rc;
}

static int next_tx(struct db *db, void *arg, struct err *e)
{
	struct outbox_deed *d = arg;
	bool is_found;

	d->next_ns = CLOCK_NEVER;
	return db_get(db, e, NULL, &sql_outbox_next, &is_found, ":i", &d->next_ns);
}

FIBER int outbox_tick(struct store *s, int64_t now_ns, int64_t *next_ns_r, struct err *e)
{
	struct outbox_deed d = {.now_ns = now_ns};

	if (store_read(s, "outbox.next", next_tx, &d, e) < 0)
		return -1;
	if (d.next_ns <= now_ns) {
		do {
			if (store_write(s, "outbox.tick", tick_tx, &d, e) < 0)
				return -1;
		} while (d.is_more);
		if (store_read(s, "outbox.next", next_tx, &d, e) < 0)
			return -1;
	}
	*next_ns_r = d.next_ns;
	return 0;
}
