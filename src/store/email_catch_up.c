/* The index of Emails follows `message` and `tombstone` in the order of MODSEQs, a slice of the writer's time
 * after the other. It can end anywhere: `upto` moves behind a MODSEQ when all that has it is worked in, and
 * what is worked in already is known by the MODSEQ of its row. */

#include "store/email.h"

#include "base/clock.h"
#include "store/email_priv.h"
#include "store/facts.h"

#define PAGE          64
#define CATCH_UP_ROWS 20000 /* looked at in one slice, whatever they were */

/* ---- the account's place in it ---- */

DB_SQL(sql_account, "SELECT modseq FROM account WHERE id = $1");
DB_SQL(sql_index_get,
	"SELECT upto, forgotten, emails_at, threads_at, counts_at, arrived_at FROM email_index "
	"WHERE account_id = $1");
DB_SQL(sql_index_begin,
	"INSERT INTO email_index (account_id, upto, forgotten, emails_at, threads_at, counts_at, "
	"arrived_at) VALUES ($1, 0, $2, 0, 0, 0, 0)");
DB_SQL(sql_index_set,
	"UPDATE email_index SET upto = $2, emails_at = $3, threads_at = $4, counts_at = $5, "
	"arrived_at = $6 WHERE account_id = $1");

/* ---- forgetting ---- */

#define PURGE_ROWS 500
#define FORGETTING                                                                                 \
	(-1) /* upto of an index that is being forgotten: whoever comes by goes on with it */

#define PURGE_OF(id, table, key, by)                                                               \
	DB_SQL(id,                                                                                 \
		"DELETE FROM " table " WHERE (" key ") IN (SELECT " key " FROM " table             \
		" WHERE " by " = $1 LIMIT $2)")
PURGE_OF(sql_purge_rows, "email_row", "message_id", "account_id");
PURGE_OF(sql_purge_emails, "email", "account_id, email_id", "account_id");
PURGE_OF(sql_purge_gone, "email_gone", "account_id, modseq, email_id", "account_id");
PURGE_OF(sql_purge_left, "email_left", "mailbox_id, modseq, email_id", "account_id");
PURGE_OF(sql_purge_threads, "thread", "account_id, thread_id", "account_id");
PURGE_OF(sql_purge_boxes, "email_box", "mailbox_id, received_ns, email_id", "mailbox_id");
PURGE_OF(sql_purge_tboxes, "thread_box", "mailbox_id, thread_id", "mailbox_id");
PURGE_OF(sql_purge_days, "email_day", "mailbox_id, day", "mailbox_id");
DB_SQL(sql_purge_mark, "UPDATE email_index SET upto = $2 WHERE account_id = $1");
DB_SQL(sql_purge_index, "DELETE FROM email_index WHERE account_id = $1");
DB_SQL(sql_purge_tombstones,
	"DELETE FROM tombstone WHERE (mailbox_id, modseq, uid) IN (SELECT mailbox_id, modseq, uid "
	"FROM tombstone WHERE account_id = $1 LIMIT $2)");
DB_SQL(sql_purge_next_box, "SELECT mailbox_id FROM mailbox_count WHERE account_id = $1 LIMIT 1");
DB_SQL(sql_purge_count, "DELETE FROM mailbox_count WHERE mailbox_id = $1");

static int purge_some(
	struct db *db, const struct db_sql *sql, int64_t id, size_t *room, struct err *e)
{
	if (!*room)
		return 0;
	if (db_run(db, e, sql, "ii", id, (int64_t)*room) < 0)
		return -1;
	*room -= db_changes(db) < *room ? db_changes(db) : *room;
	return 0;
}

/* Mailboxes are known by their counters: those go last. */
static int purge_boxes(struct db *db, int64_t account_id, size_t *room, struct err *e)
{
	static const struct db_sql *const tables[] = {
		&sql_purge_boxes, &sql_purge_tboxes, &sql_purge_days};

	while (*room) {
		int64_t box;
		bool is_found;

		if (db_get(db, e, NULL, &sql_purge_next_box, &is_found, "i:i", account_id, &box) <
			0)
			return -1;
		if (!is_found)
			return 0;
		for (size_t i = 0; i < ARRAY_LEN(tables); i++)
			if (purge_some(db, tables[i], box, room, e) < 0)
				return -1;
		if (*room && db_run(db, e, &sql_purge_count, "i", box) < 0)
			return -1;
	}
	return 0;
}

static int purge(struct db *db, uint64_t account_id, bool *left_r, struct err *e)
{
	static const struct db_sql *const tables[] = {&sql_purge_rows, &sql_purge_emails,
		&sql_purge_gone, &sql_purge_left, &sql_purge_threads};
	int64_t id = (int64_t)account_id;
	size_t room = PURGE_ROWS;

	/* so marked nobody takes what is left for whole */
	if (db_run(db, e, &sql_purge_mark, "ii", id, (int64_t)FORGETTING) < 0 ||
		purge_boxes(db, id, &room, e) < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		if (purge_some(db, tables[i], id, &room, e) < 0)
			return -1;
	*left_r = !room;
	return room ? db_run(db, e, &sql_purge_index, "i", id) : 0;
}

int email_purge_tx(struct db *db, uint64_t account_id, bool *left_r, struct err *e)
{
	size_t room = PURGE_ROWS;

	if (purge(db, account_id, left_r, e) < 0 || *left_r)
		return *left_r ? 0 : -1;
	if (purge_some(db, &sql_purge_tombstones, (int64_t)account_id, &room, e) < 0)
		return -1;
	*left_r = !room;
	return 0;
}

/* ---- what is told no more ---- */

#define HISTORY_ROWS 500 /* that one slice forgets, of each kind */

DB_SQL(sql_history_set, "UPDATE email_index SET forgotten = $2 WHERE account_id = $1");
DB_SQL(sql_history_gone,
	"DELETE FROM email_gone WHERE (account_id, modseq, email_id) IN (SELECT account_id, modseq, "
	"email_id FROM email_gone WHERE account_id = $1 AND modseq <= $2 LIMIT $3)");
DB_SQL(sql_history_left,
	"DELETE FROM email_left WHERE (mailbox_id, modseq, email_id) IN (SELECT mailbox_id, modseq, "
	"email_id FROM email_left WHERE account_id = $1 AND modseq <= $2 LIMIT $3)");

/* Now and then, for it takes two looks: what lies further back than anybody is told of goes. */
static int forget_history(struct db *db, int64_t account_id, int64_t was, int64_t upto,
	int64_t forgotten, struct err *e)
{
	if (was / 64 == upto / 64)
		return 0;
	if (upto - forgotten > EMAIL_HISTORY + EMAIL_HISTORY / 8) {
		forgotten = upto - EMAIL_HISTORY;
		if (db_run(db, e, &sql_history_set, "ii", account_id, forgotten) < 0)
			return -1;
	}
	return db_run(db, e, &sql_history_gone, "iii", account_id, forgotten,
		       (int64_t)HISTORY_ROWS) < 0
		? -1
		: db_run(db, e, &sql_history_left, "iii", account_id, forgotten,
			  (int64_t)HISTORY_ROWS);
}

/* ---- what has changed ---- */

DB_SQL(sql_changed,
	"SELECT m.id, m.modseq, m.mailbox_id, m.email_id, m.thread_id, m.received_ns, m.size, "
	"m.flags, m.keywords, r.message_id, r.modseq, r.mailbox_id, r.flags, r.keywords, f.flags, "
	"m.blob_id, m.blob_octets FROM message m LEFT JOIN email_row r ON r.message_id = m.id "
	"LEFT JOIN body_fact f ON f.blob_id = m.blob_id WHERE m.account_id = $1 AND "
	"m.modseq >= $2 AND (m.modseq > $2 OR m.id > $3) ORDER BY m.modseq, m.id LIMIT $4");
DB_SQL(sql_gone,
	"SELECT t.modseq, t.message_id, t.mailbox_id, t.uid, m.id, r.email_id, r.mailbox_id, "
	"r.flags, r.keywords, b.id FROM tombstone t LEFT JOIN message m ON m.id = t.message_id "
	"LEFT JOIN email_row r ON r.message_id = t.message_id LEFT JOIN mailbox b ON "
	"b.id = t.mailbox_id WHERE t.account_id = $1 AND t.modseq >= $2 AND (t.modseq > $2 OR "
	"t.message_id > $3) ORDER BY t.modseq, t.message_id LIMIT $4");
DB_SQL(sql_tombstone_drop,
	"DELETE FROM tombstone WHERE mailbox_id = $1 AND modseq = $2 AND uid = $3");

struct item {
	int64_t modseq, message_id;
	/* of a row */
	struct email_step step;
	uint64_t blob_id, octets;
	/* of a tombstone */
	bool is_settled; /* worked in already; of a tombstone: its row is elsewhere, and tells */
	bool is_box_gone;
	int64_t mailbox_id, uid;
};

struct items {
	struct item list[PAGE];
	size_t count, at;
	bool is_end;
	int64_t modseq, id; /* the last one that was read */
};

struct catching {
	uint64_t account_id;
	/* results */
	bool is_over;
	struct facts_want
		wants[FACTS_NEED_MAX]; /* rows whose facts and thread are to be made first */
	size_t want_count;
	/* of this closure */
	struct db *db;
	struct arena *a; /* spans of the pages */
	struct email_work *w;
	struct items rows, tombs;
	int64_t upto, was_upto, forgotten;
	int64_t now; /* the MODSEQ that is worked in */
};

static void take_row(struct catching *c, struct db_stmt *st, struct item *it)
{
	struct email_step *s = &it->step;
	int64_t shadow, shadow_modseq, facts, blob, octets;

	*it = (struct item){0};
	db_cols(st, "iiiiiiiitiiiitiii", &s->message_id, &it->modseq, &s->is.mailbox_id,
		&s->email_id, &s->thread_id, &s->received_ns, &s->size, &s->is.flags,
		&s->is.keywords, &shadow, &shadow_modseq, &s->was.mailbox_id, &s->was.flags,
		&s->was.keywords, &facts, &blob, &octets);
	it->message_id = s->message_id;
	s->row_modseq = it->modseq;
	s->was.is_there = shadow != 0;
	s->is.is_there = !(s->is.flags & MAILBOX_DELETED);
	s->has_attachment = facts & FACT_ATTACHMENT;
	s->is.keywords = s->is.keywords.len ? arena_span(c->a, s->is.keywords) : SPAN("");
	s->was.keywords = s->was.keywords.len ? arena_span(c->a, s->was.keywords) : SPAN("");
	it->blob_id = (uint64_t)blob;
	it->octets = (uint64_t)octets;
	/* worked in already by a slice that ended here */
	it->is_settled = s->is.is_there ? s->was.is_there && shadow_modseq == it->modseq
					: !s->was.is_there;
}

static void take_tomb(struct catching *c, struct db_stmt *st, struct item *it)
{
	struct email_step *s = &it->step;
	int64_t there, box;

	*it = (struct item){0};
	db_cols(st, "iiiiiiiiti", &it->modseq, &it->message_id, &it->mailbox_id, &it->uid, &there,
		&s->email_id, &s->was.mailbox_id, &s->was.flags, &s->was.keywords, &box);
	s->message_id = it->message_id;
	s->was.is_there = s->email_id != 0;
	s->was.keywords = s->was.keywords.len ? arena_span(c->a, s->was.keywords) : SPAN("");
	it->is_settled = there || !s->was.is_there;
	it->is_box_gone = !box;
}

static int read_items(struct catching *c, struct items *x, bool are_tombs, struct err *e)
{
	struct db_stmt *st;
	bool is_row = false;
	int rc = -1;

	if (x->at < x->count || x->is_end)
		return 0;
	st = db_query(c->db, e, are_tombs ? &sql_gone : &sql_changed, "iiii",
		(int64_t)c->account_id, x->modseq, x->id, (int64_t)PAGE);
	x->count = x->at = 0;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct item *it = &x->list[x->count++];

		if (are_tombs)
			take_tomb(c, st, it);
		else
			take_row(c, st, it);
		x->modseq = it->modseq;
		x->id = it->message_id;
	}
	db_done(st);
	x->is_end = x->count < PAGE;
	return rc;
}

/* ---- working in ---- */

static bool lacks_thread(const struct item *it)
{
	return it->step.is.is_there && !it->step.thread_id && !it->is_settled;
}

/* All of the page that waits for its facts: they are made at once. */
static void gather_wants(struct catching *c)
{
	for (size_t i = c->rows.at; i < c->rows.count; i++) {
		const struct item *it = &c->rows.list[i];

		if (lacks_thread(it) && c->want_count < FACTS_NEED_MAX)
			c->wants[c->want_count++] = (struct facts_want){
				(uint64_t)it->message_id, it->blob_id, it->octets};
	}
}

static int apply(struct catching *c, const struct item *it, struct err *e)
{
	c->w->modseq = it->modseq;
	return email_apply_tx(c->w, &it->step, e);
}

/* The next of both sides, in the order of MODSEQs, what went first; NULL: that was all. */
static int next_item(struct catching *c, struct item **it_r, bool *is_tomb_r, struct err *e)
{
	struct item *row, *tomb;

	if (read_items(c, &c->rows, false, e) < 0 || read_items(c, &c->tombs, true, e) < 0)
		return -1;
	row = c->rows.at < c->rows.count ? &c->rows.list[c->rows.at] : NULL;
	tomb = c->tombs.at < c->tombs.count ? &c->tombs.list[c->tombs.at] : NULL;
	*is_tomb_r = tomb && (!row || tomb->modseq <= row->modseq);
	*it_r = *is_tomb_r ? tomb : row;
	return 0;
}

static int work_in(
	struct catching *c, struct item *it, bool is_tomb, bool *is_work_r, struct err *e)
{
	*is_work_r = !it->is_settled;
	if (!it->is_settled && apply(c, it, e) < 0)
		return -1;
	if (!is_tomb) {
		c->rows.at++;
		return 0;
	}
	c->tombs.at++;
	/* nobody reads the history of a mailbox that is gone */
	if (!it->is_box_gone)
		return 0;
	return db_run(c->db, e, &sql_tombstone_drop, "iii", it->mailbox_id, it->modseq, it->uid);
}

static int work_slice(struct catching *c, int64_t account_modseq, struct err *e)
{
	int64_t end = clock_mono_ns() + MAILBOX_SLICE_NS;
	struct item *it;
	size_t seen = 0;
	bool is_tomb, is_work;

	for (;;) {
		if (next_item(c, &it, &is_tomb, e) < 0)
			return -1;
		if (!it) {
			c->is_over = true;
			c->upto = account_modseq;
			return 0;
		}
		if (it->modseq != c->now)
			c->upto = c->now;
		c->now = it->modseq;
		if (!is_tomb && lacks_thread(it)) {
			gather_wants(c);
			return 0;
		}
		if (work_in(c, it, is_tomb, &is_work, e) < 0)
			return -1;
		if (is_work)
			arena_reset(c->w->a);
		if ((is_work || ++seen > CATCH_UP_ROWS) && clock_mono_ns() >= end)
			return 0;
	}
}

static int begin(struct catching *c, int64_t account_modseq, struct err *e)
{
	struct email_work *w = c->w;
	bool is_found;

	if (db_get(c->db, e, NULL, &sql_index_get, &is_found, "i:iiiiii", w->account_id, &c->upto,
		    &c->forgotten, &w->emails_at, &w->threads_at, &w->counts_at,
		    &w->arrived_at) < 0)
		return -1;
	c->was_upto = is_found ? c->upto : -1;
	if (is_found)
		return 0;
	c->upto = w->emails_at = w->threads_at = w->counts_at = w->arrived_at = 0;
	c->forgotten = account_modseq;
	return db_run(c->db, e, &sql_index_begin, "ii", w->account_id, account_modseq);
}

static int slice_in(struct catching *c, struct err *e)
{
	struct email_work *w = c->w;
	int64_t account_modseq = 0;
	bool is_found;

	if (db_get(c->db, e, NULL, &sql_account, &is_found, "i:i", w->account_id, &account_modseq) <
		0)
		return -1;
	if (!is_found) {
		c->is_over = true;
		return 0;
	}
	if (begin(c, account_modseq, e) < 0)
		return -1;
	if (c->upto == FORGETTING)
		return purge(c->db, c->account_id, &is_found, e);
	c->now = c->upto;
	c->rows.modseq = c->tombs.modseq = c->upto;
	c->rows.id = c->tombs.id = INT64_MAX;
	if (c->upto >= account_modseq)
		c->is_over = true;
	else if (work_slice(c, account_modseq, e) < 0 || email_flush_tx(w, e) < 0)
		return -1;
	if (c->is_over && c->was_upto == c->upto)
		return 0;
	return db_run(c->db, e, &sql_index_set, "iiiiii", w->account_id, c->upto, w->emails_at,
		       w->threads_at, w->counts_at, w->arrived_at) < 0
		? -1
		: forget_history(c->db, w->account_id, c->was_upto, c->upto, c->forgotten, e);
}

/* It may be run again from its start. */
static int catch_up_slice(struct db *db, void *arg, struct err *e)
{
	struct catching *c = arg;
	int rc;

	c->is_over = false;
	c->want_count = 0;
	c->rows.count = c->rows.at = c->tombs.count = c->tombs.at = 0;
	c->rows.is_end = c->tombs.is_end = false;
	c->db = db;
	c->a = arena_new();
	c->w = ARENA_NEW(c->a, struct email_work);
	c->w->db = db;
	c->w->a = arena_new();
	c->w->account_id = (int64_t)c->account_id;
	rc = slice_in(c, e);
	arena_free(&c->w->a);
	arena_free(&c->a);
	return rc;
}

FIBER int email_catch_up(struct store *s, uint64_t account_id, struct err *e)
{
	struct arena *a = arena_new();
	struct catching *c = ARENA_NEW(a, struct catching);
	int rc = 0;

	c->account_id = account_id;
	while (rc == 0 && !c->is_over) {
		rc = store_write(s, "email.catch_up", catch_up_slice, c, e);
		if (rc == 0 && c->want_count)
			rc = facts_need(s, c->wants, c->want_count, e);
	}
	arena_free(&a);
	return rc;
}

int email_catch_up_blocking(struct store *s, uint64_t account_id, bool *is_more_r, struct err *e)
{
	struct arena *a = arena_new();
	struct catching *c = ARENA_NEW(a, struct catching);
	int rc;

	c->account_id = account_id;
	rc = store_write_blocking(s, "email.catch_up", catch_up_slice, c, e);
	if (rc == 0 && c->want_count)
		rc = facts_need_blocking(s, c->wants, c->want_count, e);
	*is_more_r = rc == 0 && !c->is_over;
	arena_free(&a);
	return rc;
}

DB_SQL(sql_is_behind,
	"SELECT 1 FROM account a LEFT JOIN email_index i ON i.account_id = a.id WHERE a.id = $1 AND "
	"(i.upto IS NULL OR i.upto < a.modseq)");

struct behind {
	uint64_t account_id;
	bool is_behind;
};

static int look_behind(struct db *db, void *arg, struct err *e)
{
	struct behind *b = arg;

	return db_get(db, e, NULL, &sql_is_behind, &b->is_behind, "i:-", (int64_t)b->account_id);
}

int email_is_behind_blocking(struct store *s, uint64_t account_id, bool *is_behind_r, struct err *e)
{
	struct behind b = {.account_id = account_id};

	if (store_read_blocking(s, "email.behind", look_behind, &b, e) < 0)
		return -1;
	*is_behind_r = b.is_behind;
	return 0;
}

/* ---- reading ---- */

struct reading {
	uint64_t account_id;
	int64_t target; /* what it has to be complete up to; -1: not asked yet */
	bool is_behind;
	store_fn *fn;
	void *arg;
};

static int read_when_ready(struct db *db, void *arg, struct err *e)
{
	struct reading *r = arg;
	int64_t modseq = 0, upto = -1;
	bool is_found;

	if (r->target < 0) {
		if (db_get(db, e, NULL, &sql_account, &is_found, "i:i", (int64_t)r->account_id,
			    &modseq) < 0)
			return -1;
		if (!is_found)
			return err_set(e, ERR_NOT_FOUND, "the account is gone");
		r->target = modseq;
	}
	if (db_get(db, e, NULL, &sql_index_get, &is_found, "i:i----", (int64_t)r->account_id,
		    &upto) < 0)
		return -1;
	r->is_behind = !is_found || upto < r->target;
	return r->is_behind ? 0 : r->fn(db, r->arg, e);
}

FIBER int email_read(struct store *s, const char *name, uint64_t account_id, store_fn *fn,
	void *arg, struct err *e)
{
	struct reading r = {.account_id = account_id, .target = -1, .fn = fn, .arg = arg};

	for (;;) {
		if (store_read(s, name, read_when_ready, &r, e) < 0)
			return -1;
		if (!r.is_behind)
			return 0;
		if (email_catch_up(s, account_id, e) < 0)
			return -1;
	}
}

DB_SQL(sql_box_forget, "DELETE FROM mailbox_count WHERE mailbox_id = $1 AND emails = 0");
DB_SQL(sql_box_tombstones,
	"DELETE FROM tombstone WHERE mailbox_id = $1 AND modseq <= "
	"(SELECT upto FROM email_index WHERE account_id = $2)");

int email_box_gone_tx(struct db *db, uint64_t account_id, uint64_t mailbox_id, struct err *e)
{
	return db_run(db, e, &sql_box_forget, "i", (int64_t)mailbox_id) < 0
		? -1
		: db_run(db, e, &sql_box_tombstones, "ii", (int64_t)mailbox_id,
			  (int64_t)account_id);
}

struct rebuild {
	uint64_t account_id;
	bool is_left;
};

static int rebuild_slice(struct db *db, void *arg, struct err *e)
{
	struct rebuild *r = arg;

	return purge(db, r->account_id, &r->is_left, e);
}

FIBER int email_rebuild(struct store *s, uint64_t account_id, struct err *e)
{
	struct rebuild r = {.account_id = account_id};

	do {
		if (store_write(s, "email.rebuild", rebuild_slice, &r, e) < 0)
			return -1;
	} while (r.is_left);
	return 0;
}
