#include "store/trail.h"

#include "base/clock.h"
#include "base/must.h"
#include "store/db/db.h"
#include "store/object.h"
#include "store/store_priv.h"

DB_SQL(sql_trail_letter,
	"INSERT INTO trail (id, message_id, parent_id, at_ns, owner_id) VALUES ($1, $2, $3, $4, $5) "
	"ON CONFLICT (id) DO NOTHING");
DB_SQL(sql_trail_owner, "SELECT owner_id FROM trail WHERE id = $1");
DB_SQL(sql_trail_event,
	"INSERT INTO trail_event (id, msg_id, kind, rcpt, facts, talk) "
	"VALUES ($1, $2, $3, $4, $5, $6)");
#define LETTER_COLUMNS "id, parent_id, message_id, at_ns, owner_id"
DB_SQL(sql_trail_find,
	"SELECT " LETTER_COLUMNS " FROM trail WHERE message_id = $1 AND message_id <> '' "
	"ORDER BY id LIMIT 256");
DB_SQL(sql_trail_get, "SELECT " LETTER_COLUMNS " FROM trail WHERE id = $1");
DB_SQL(sql_trail_children,
	"SELECT " LETTER_COLUMNS " FROM trail WHERE parent_id = $1 AND parent_id <> 0 "
	"ORDER BY id LIMIT 256");
DB_SQL(sql_trail_owned,
	"SELECT " LETTER_COLUMNS " FROM trail WHERE owner_id = $1 AND owner_id <> 0 AND id < $2 "
	"ORDER BY id DESC LIMIT 256");
DB_SQL(sql_standing_letter,
	"SELECT id FROM trail WHERE message_id = $1 AND message_id <> '' AND owner_id = $2 "
	"ORDER BY id DESC LIMIT 1");
DB_SQL(sql_standing_queue,
	"SELECT COUNT(*), COALESCE(SUM(CASE WHEN r.attempts > 0 THEN 1 ELSE 0 END), 0) "
	"FROM queue_msg m JOIN queue_rcpt r ON r.id >= m.rcpt_first AND "
	"r.id < m.rcpt_first + m.rcpt_count WHERE m.id = $1");
DB_SQL(sql_standing_failed, "SELECT COUNT(*) FROM trail_event WHERE msg_id = $1 AND kind = $2");
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

/* Whoever sent it looks at it, perhaps. */
static int tell_owner(struct db *db, uint64_t msg_id, struct err *e)
{
	int64_t owner = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_trail_owner, &is_found, "i:i", (int64_t)msg_id, &owner) < 0)
		return -1;
	return is_found && owner ? object_changed_tx(db, (uint64_t)owner, OBJECT_TRACE, msg_id,
					   OBJECT_UPDATED, NULL, e)
				 : 0;
}

static int write_batch(struct db *db, void *arg, struct err *e)
{
	const struct trail_batch *b = arg;

	for (size_t i = 0; i < b->letter_count; i++) {
		const struct trail_letter *l = &b->letters[i];
		bool is_joined = l->message_id.len <= TRAIL_MESSAGE_ID_MAX;

		if (db_run(db, e, &sql_trail_letter, "itiii", (int64_t)l->msg_id,
			    is_joined ? l->message_id : SPAN_NONE, (int64_t)l->parent_id, l->at_ns,
			    (int64_t)l->owner_id) < 0)
			return -1;
	}
	for (size_t i = 0; i < b->event_count; i++) {
		if (put_event(db, &b->events[i], e) < 0)
			return -1;
		/* neighbours are often of one letter */
		if ((i + 1 == b->event_count || b->events[i + 1].msg_id != b->events[i].msg_id) &&
			tell_owner(db, b->events[i].msg_id, e) < 0)
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
	struct db_stmt *st = l->sql == &sql_trail_find ? db_query(db, e, l->sql, "t", l->message_id)
		: l->sql == &sql_trail_owned
		? db_query(db, e, l->sql, "ii", (int64_t)l->msg_id, (int64_t)l->after_id)
		: db_query(db, e, l->sql, "i", (int64_t)l->msg_id);
	bool is_row = false;
	int rc = st ? 0 : -1;

	l->count = 0;
	l->letters = ARENA_ARRAY(l->a, struct trail_letter, TRAIL_SLICE);
	while (st && l->count < TRAIL_SLICE && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct trail_letter *to = &l->letters[l->count++];
		int64_t id, parent, owner;

		db_cols(st, "iitii", &id, &parent, &to->message_id, &to->at_ns, &owner);
		to->owner_id = (uint64_t)owner;
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

FIBER int trail_owned(struct store *s, struct arena *a, uint64_t owner_id, uint64_t before_id,
	struct trail_letter **list_r, size_t *count_r, struct err *e)
{
	struct trail_look l = {.a = a,
		.sql = &sql_trail_owned,
		.msg_id = owner_id,
		.after_id = before_id ? before_id : INT64_MAX};

	if (store_read(s, "trail.owned", look_letters, &l, e) < 0)
		return -1;
	*list_r = l.letters;
	*count_r = l.count;
	return 0;
}

struct standing_look {
	uint64_t owner_id;
	struct trail_standing *list;
	size_t count;
};

static int look_standing(struct db *db, uint64_t owner_id, struct trail_standing *t, struct err *e)
{
	int64_t id = 0, waiting = 0, tried = 0, failed = 0;
	bool is_found;

	t->msg_id = 0;
	t->waiting = t->tried = t->failed = 0;
	if (db_get(db, e, NULL, &sql_standing_letter, &is_found, "ti:i", t->message_id,
		    (int64_t)owner_id, &id) < 0)
		return -1;
	if (!is_found)
		return 0;
	if (db_get(db, e, NULL, &sql_standing_queue, &is_found, "i:ii", id, &waiting, &tried) < 0 ||
		db_get(db, e, NULL, &sql_standing_failed, &is_found, "ii:i", id,
			(int64_t)TRAIL_FAILED, &failed) < 0)
		return -1;
	t->msg_id = (uint64_t)id;
	t->waiting = (unsigned)waiting;
	t->tried = (unsigned)tried;
	t->failed = (unsigned)failed;
	return 0;
}

static int look_standings(struct db *db, void *arg, struct err *e)
{
	const struct standing_look *l = arg;

	for (size_t i = 0; i < l->count; i++) {
		if (look_standing(db, l->owner_id, &l->list[i], e) < 0)
			return -1;
	}
	return 0;
}

FIBER int trail_standings(struct store *s, uint64_t owner_id, struct trail_standing *list,
	size_t count, struct err *e)
{
	struct standing_look l = {owner_id, list, count};

	MUST(count <= TRAIL_STANDING_MAX);
	return store_read(s, "trail.standings", look_standings, &l, e);
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
