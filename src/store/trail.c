#include "store/trail.h"

#include "base/clock.h"
#include "base/must.h"
#include "store/db/db.h"
#include "store/store_priv.h"

DB_SQL(sql_trail_letter,
	"INSERT INTO trail (id, message_id, parent_id, at_ns) VALUES ($1, $2, $3, $4) "
	"ON CONFLICT (id) DO NOTHING");
DB_SQL(sql_trail_event,
	"INSERT INTO trail_event (id, msg_id, kind, rcpt, facts, talk) "
	"VALUES ($1, $2, $3, $4, $5, $6)");
#define LETTER_COLUMNS "id, parent_id, message_id, at_ns"
DB_SQL(sql_trail_find,
	"SELECT " LETTER_COLUMNS " FROM trail WHERE message_id = $1 AND message_id <> '' "
	"ORDER BY id LIMIT 256");
DB_SQL(sql_trail_get, "SELECT " LETTER_COLUMNS " FROM trail WHERE id = $1");
DB_SQL(sql_trail_children,
	"SELECT " LETTER_COLUMNS " FROM trail WHERE parent_id = $1 AND parent_id <> 0 "
	"ORDER BY id LIMIT 256");
DB_SQL(sql_trail_events,
	"SELECT id, kind, rcpt, facts, talk FROM trail_event WHERE msg_id = $1 AND id > $2 "
	"ORDER BY id LIMIT 256");
/* The ids are ordered by time: an id made of the time is the border. */
DB_SQL(sql_trail_old,
	"DELETE FROM trail WHERE id IN (SELECT id FROM trail WHERE id < $1 ORDER BY id LIMIT 256)");
DB_SQL(sql_trail_event_old,
	"DELETE FROM trail_event WHERE id IN "
	"(SELECT id FROM trail_event WHERE id < $1 ORDER BY id LIMIT 256)");

const char *trail_kind_str(enum trail_kind k)
{
	static const char *const names[] = {
#define X(id, text) text,
		TRAIL_KINDS(X)
#undef X
	};

	return (size_t)k < ARRAY_LEN(names) ? names[k] : "?";
}

int64_t trail_time(uint64_t id)
{
	return store_id_time(id);
}

/* ---- writing ---- */

struct trail_batch {
	const struct trail_letter *letters;
	const struct trail_event *events;
	size_t letter_count, event_count;
};

static int put_event(struct db *db, const struct trail_event *ev, struct err *e)
{
	struct db_stmt *st = db_prepare(db, &sql_trail_event, e);

	if (!st)
		return -1;
	db_bind_i64(st, 1, (int64_t)ev->id);
	db_bind_i64(st, 2, (int64_t)ev->msg_id);
	db_bind_i64(st, 3, ev->kind);
	db_bind_text(st, 4, ev->rcpt);
	db_bind_text(st, 5, ev->facts);
	db_bind_bytes(st, 6, ev->talk);
	return db_finish(st, e);
}

static int write_batch(struct db *db, void *arg, struct err *e)
{
	const struct trail_batch *b = arg;

	for (size_t i = 0; i < b->letter_count; i++) {
		const struct trail_letter *l = &b->letters[i];
		bool is_joined = l->message_id.len <= TRAIL_MESSAGE_ID_MAX;

		if (db_run(db, e, &sql_trail_letter, "itii", (int64_t)l->msg_id,
			    is_joined ? l->message_id : SPAN_NONE, (int64_t)l->parent_id,
			    l->at_ns) < 0)
			return -1;
	}
	for (size_t i = 0; i < b->event_count; i++) {
		if (put_event(db, &b->events[i], e) < 0)
			return -1;
	}
	return 0;
}

static size_t slice(size_t left)
{
	return left < TRAIL_SLICE ? left : TRAIL_SLICE;
}

FIBER int trail_write(struct store *s, const struct trail_letter *letters, size_t letter_count,
	const struct trail_event *events, size_t event_count, struct err *e)
{
	while (letter_count || event_count) {
		struct trail_batch b = {letters, events, slice(letter_count), slice(event_count)};

		if (store_write(s, "trail", write_batch, &b, e) < 0)
			return -1;
		letters += b.letter_count;
		letter_count -= b.letter_count;
		events += b.event_count;
		event_count -= b.event_count;
	}
	return 0;
}

/* ---- reading ---- */

struct trail_look {
	struct arena *a;
	const struct db_sql *sql;
	struct span message_id;
	uint64_t msg_id, after_id;
	struct trail_letter *letters;
	struct trail_event *events;
	size_t count;
};

static int look_letters(struct db *db, void *arg, struct err *e)
{
	struct trail_look *l = arg;
	struct db_stmt *st = l->sql == &sql_trail_find
		? db_query(db, e, l->sql, "t", l->message_id)
		: db_query(db, e, l->sql, "i", (int64_t)l->msg_id);
	bool is_row = false;
	int rc = st ? 0 : -1;

	l->count = 0;
	l->letters = ARENA_ARRAY(l->a, struct trail_letter, TRAIL_SLICE);
	while (st && l->count < TRAIL_SLICE && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct trail_letter *to = &l->letters[l->count++];
		int64_t id, parent;

		db_cols(st, "iiti", &id, &parent, &to->message_id, &to->at_ns);
		to->msg_id = (uint64_t)id;
		to->parent_id = (uint64_t)parent;
		to->message_id = arena_span(l->a, to->message_id);
	}
	db_done(st);
	return rc;
}

FIBER int trail_find(struct store *s, struct arena *a, struct span message_id,
	struct trail_letter **list_r, size_t *count_r, struct err *e)
{
	struct trail_look l = {.a = a, .sql = &sql_trail_find, .message_id = message_id};

	if (store_read(s, "trail.find", look_letters, &l, e) < 0)
		return -1;
	*list_r = l.letters;
	*count_r = l.count;
	return 0;
}

FIBER int trail_get(struct store *s, struct arena *a, uint64_t msg_id,
	struct trail_letter *letter_r, struct err *e)
{
	struct trail_look l = {.a = a, .sql = &sql_trail_get, .msg_id = msg_id};

	if (store_read(s, "trail.get", look_letters, &l, e) < 0)
		return -1;
	if (l.count == 0)
		return err_set(e, ERR_NOT_FOUND, "the station log has no such letter");
	*letter_r = l.letters[0];
	return 0;
}

FIBER int trail_children(struct store *s, struct arena *a, uint64_t msg_id,
	struct trail_letter **list_r, size_t *count_r, struct err *e)
{
	struct trail_look l = {.a = a, .sql = &sql_trail_children, .msg_id = msg_id};

	if (store_read(s, "trail.children", look_letters, &l, e) < 0)
		return -1;
	*list_r = l.letters;
	*count_r = l.count;
	return 0;
}

static int look_events(struct db *db, void *arg, struct err *e)
{
	struct trail_look *l = arg;
	struct db_stmt *st = db_query(
		db, e, &sql_trail_events, "ii", (int64_t)l->msg_id, (int64_t)l->after_id);
	bool is_row = false;
	int rc = st ? 0 : -1;

	l->count = 0;
	l->events = ARENA_ARRAY(l->a, struct trail_event, TRAIL_SLICE);
	while (st && l->count < TRAIL_SLICE && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct trail_event *to = &l->events[l->count++];
		int64_t id, kind;

		db_cols(st, "iittb", &id, &kind, &to->rcpt, &to->facts, &to->talk);
		to->id = (uint64_t)id;
		to->msg_id = l->msg_id;
		to->kind = (enum trail_kind)kind;
		to->rcpt = arena_span(l->a, to->rcpt);
		to->facts = arena_span(l->a, to->facts);
		to->talk = arena_span(l->a, to->talk);
	}
	db_done(st);
	return rc;
}

FIBER int trail_events(struct store *s, struct arena *a, uint64_t msg_id, uint64_t after_id,
	struct trail_event **list_r, size_t *count_r, struct err *e)
{
	struct trail_look l = {.a = a, .msg_id = msg_id, .after_id = after_id};

	if (store_read(s, "trail.events", look_events, &l, e) < 0)
		return -1;
	*list_r = l.events;
	*count_r = l.count;
	return 0;
}

/* ---- forgetting ---- */

struct trail_sweep {
	int64_t before_id;
	bool is_left;
};

static int sweep(struct db *db, void *arg, struct err *e)
{
	const struct db_sql *const sqls[] = {&sql_trail_old, &sql_trail_event_old};
	struct trail_sweep *w = arg;

	w->is_left = false;
	for (size_t i = 0; i < ARRAY_LEN(sqls); i++) {
		if (db_run(db, e, sqls[i], "i", w->before_id) < 0)
			return -1;
		w->is_left = w->is_left || db_changes(db) == TRAIL_SLICE;
	}
	return 0;
}

FIBER int trail_sweep(struct store *s, int64_t before_ns, bool *left_r, struct err *e)
{
	struct trail_sweep w = {.before_id = (int64_t)store_time_id(before_ns)};
	int rc = store_write(s, "trail.sweep", sweep, &w, e);

	*left_r = rc == 0 && w.is_left;
	return rc;
}
