/* States, Emails, threads and counters as one asker sees them. */

#include "store/email.h"

#include <stdlib.h>

#include "store/email_priv.h"
#include "store/facts.h"

#define GET_PAGE_OCTETS (1024 * 1024) /* of one read */
#define GET_BODY_OCTETS (4 << 20)     /* of all bodies of one email_get */

/* ---- states ---- */

DB_SQL(sql_at,
	"SELECT upto, forgotten, emails_at, threads_at, counts_at, arrived_at FROM email_index "
	"WHERE account_id = $1");
DB_SQL(sql_boxes_at,
	"SELECT changed FROM object_change WHERE account_id = $1 AND kind = $2 AND changed <= $3 "
	"ORDER BY changed DESC LIMIT 1");

/* While a large change is being worked through, what it has moved already is told as still to come. What
 * was before the index began cannot be told. */
static int64_t told(int64_t n, const struct email_at *at)
{
	if (n < at->forgotten)
		n = at->forgotten;
	return n < at->upto ? n : at->upto;
}

int email_at_tx(struct db *db, uint64_t account_id, struct email_at *at_r, struct err *e)
{
	bool is_found;

	*at_r = (struct email_at){0};
	if (db_get(db, e, NULL, &sql_at, &is_found, "i:iiiiii", (int64_t)account_id, &at_r->upto,
		    &at_r->forgotten, &at_r->emails, &at_r->threads, &at_r->counts,
		    &at_r->arrived) < 0)
		return -1;
	at_r->emails = told(at_r->emails, at_r);
	at_r->threads = told(at_r->threads, at_r);
	at_r->counts = told(at_r->counts, at_r);
	at_r->arrived = told(at_r->arrived, at_r);
	return 0;
}

/* Names have a way of their own; a state never passes what the index does not know yet. */
int email_boxes_at_tx(struct db *db, uint64_t account_id, const struct email_at *at,
	int64_t *modseq_r, struct err *e)
{
	int64_t boxes = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_boxes_at, &is_found, "iii:i", (int64_t)account_id,
		    (int64_t)OBJECT_MAILBOX, at->upto, &boxes) < 0)
		return -1;
	*modseq_r = at->counts > boxes ? at->counts : boxes;
	return 0;
}

struct states_look {
	uint64_t account_id;
	struct email_states *states;
};

static int read_states(struct db *db, void *arg, struct err *e)
{
	struct states_look *x = arg;
	struct email_at at;
	int64_t boxes = 0;

	if (email_at_tx(db, x->account_id, &at, e) < 0 ||
		email_boxes_at_tx(db, x->account_id, &at, &boxes, e) < 0)
		return -1;
	*x->states = (struct email_states){
		(uint64_t)at.emails, (uint64_t)at.threads, (uint64_t)boxes, (uint64_t)at.arrived};
	return 0;
}

FIBER int email_states(
	struct store *s, uint64_t account_id, struct email_states *states_r, struct err *e)
{
	struct states_look x = {account_id, states_r};

	return email_read(s, "email.states", account_id, read_states, &x, e);
}

/* ---- who sees what ---- */

bool email_sees(const struct email_eyes *eyes, uint64_t mailbox_id)
{
	size_t from = 0, to = eyes->mailbox_count;

	if (eyes->is_all)
		return true;
	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (eyes->mailboxes[mid] == mailbox_id)
			return true;
		if (eyes->mailboxes[mid] < mailbox_id)
			from = mid + 1;
		else
			to = mid;
	}
	return false;
}

/* ---- Emails ---- */

/* Only rows that the index knows: what is told is whole up to its state. */
DB_SQL(sql_get_email, "SELECT thread_id FROM email WHERE account_id = $1 AND email_id = $2");
DB_SQL(sql_get_rows,
	"SELECT m.id, m.mailbox_id, m.uid, m.modseq, m.flags, m.keywords FROM email_row r "
	"CROSS JOIN message m ON m.id = r.message_id WHERE r.account_id = $1 AND r.email_id = $2 "
	"ORDER BY r.message_id");
#define OF_ONE " WHERE m.id = $1"
DB_SQL(sql_get_msg, "SELECT " MESSAGE_ROW " FROM message m" OF_ONE);
DB_SQL(sql_get_head, "SELECT " MESSAGE_ROW MESSAGE_HEAD " FROM message m" OF_ONE);
DB_SQL(sql_get_facts,
	"SELECT " MESSAGE_ROW MESSAGE_FACTS " FROM message m" MESSAGE_FACTS_TABLE OF_ONE);
DB_SQL(sql_get_head_facts,
	"SELECT " MESSAGE_ROW MESSAGE_HEAD MESSAGE_FACTS
	" FROM message m" MESSAGE_FACTS_TABLE OF_ONE);
DB_SQL(sql_get_parts,
	"SELECT " MESSAGE_ROW MESSAGE_FACTS MESSAGE_PARTS
	" FROM message m" MESSAGE_FACTS_TABLE OF_ONE);
DB_SQL(sql_get_head_parts,
	"SELECT " MESSAGE_ROW MESSAGE_HEAD MESSAGE_FACTS MESSAGE_PARTS
	" FROM message m" MESSAGE_FACTS_TABLE OF_ONE);

static const struct db_sql *get_sql(unsigned want)
{
	bool has_head = want & MAILBOX_WANT_HEAD;

	if (want & MAILBOX_WANT_PARTS)
		return has_head ? &sql_get_head_parts : &sql_get_parts;
	if (want & MAILBOX_WANT_FACTS)
		return has_head ? &sql_get_head_facts : &sql_get_facts;
	return has_head ? &sql_get_head : &sql_get_msg;
}

struct getting {
	struct arena *a;
	const struct email_eyes *eyes;
	const uint64_t *ids;
	size_t count, at; /* of this read: from `at` on */
	unsigned want;
	struct email *list;
	uint64_t *state;
	size_t body_octets;
	bool is_first;
	/* facts that are missing */
	struct facts_want wants[FACTS_NEED_MAX];
	size_t want_count;
};

static void add_row(struct getting *g, struct email *x, size_t *cap, const struct email_row *row)
{
	if (x->row_count == *cap) {
		struct email_row *was = x->rows;

		*cap = *cap ? *cap * 2 : 2;
		x->rows = ARENA_ARRAY(g->a, struct email_row, *cap);
		for (size_t i = 0; i < x->row_count; i++)
			x->rows[i] = was[i];
	}
	x->rows[x->row_count++] = *row;
}

static int get_rows(struct db *db, struct getting *g, struct email *x, struct err *e)
{
	struct db_stmt *st = db_query(
		db, e, &sql_get_rows, "ii", (int64_t)g->eyes->account_id, (int64_t)x->id);
	size_t cap = 0;
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct email_row row = {0};
		int64_t id, box, uid, modseq, flags;

		db_cols(st, "iiiiit", &id, &box, &uid, &modseq, &flags, &row.keywords);
		if ((flags & MAILBOX_DELETED) || !email_sees(g->eyes, (uint64_t)box))
			continue;
		row.message_id = (uint64_t)id;
		row.mailbox_id = (uint64_t)box;
		row.uid = (uint32_t)uid;
		row.modseq = (uint64_t)modseq;
		row.flags = (unsigned)flags;
		row.keywords = row.keywords.len ? arena_span(g->a, row.keywords) : SPAN("");
		add_row(g, x, &cap, &row);
	}
	db_done(st);
	return rc;
}

static void join(struct getting *g, struct email *x)
{
	unsigned any = 0, all = MAILBOX_FLAGS_ALL;
	struct span rest, one;
	struct buf *b;
	size_t octets = 1;

	for (size_t i = 0; i < x->row_count; i++) {
		any |= x->rows[i].flags;
		all &= x->rows[i].flags;
		octets += x->rows[i].keywords.len + 1;
	}
	x->flags = (any & ~(unsigned)(MAILBOX_SEEN | MAILBOX_DELETED)) | (all & MAILBOX_SEEN);
	x->keywords = SPAN("");
	if (octets == 1 + x->row_count)
		return;
	b = arena_buf(g->a, octets);
	for (size_t i = 0; i < x->row_count; i++) {
		rest = x->rows[i].keywords;
		while (rest.len) {
			span_cut(rest, ' ', &one, &rest);
			if (email_has_word(buf_span(b), one))
				continue;
			if (buf_len(b))
				buf_char(b, ' ');
			buf_span_put(b, mailbox_lower(g->a, one));
		}
	}
	x->keywords = buf_span(b);
}

static int get_body(
	struct db *db, struct getting *g, struct email *x, size_t *octets, struct err *e)
{
	if (!(g->want & MAILBOX_WANT_BODY) || g->body_octets + x->msg.blob_len > GET_BODY_OCTETS)
		return 0;
	g->body_octets += x->msg.blob_len;
	*octets += x->msg.blob_len;
	return mailbox_body_tx(db, g->a, &x->msg, e);
}

static int get_msg(struct db *db, struct getting *g, struct email *x, size_t *octets, struct err *e)
{
	struct db_stmt *st = db_query(db, e, get_sql(g->want), "i", (int64_t)x->rows[0].message_id);
	bool is_row = false;
	int rc = st ? db_step(st, &is_row, e) : -1;

	if (rc == 0 && is_row)
		mailbox_msg_cols(g->a, st, g->want, &x->msg);
	db_done(st);
	if (rc < 0)
		return -1;
	*octets += mailbox_msg_weight(&x->msg);
	if ((g->want & (MAILBOX_WANT_FACTS | MAILBOX_WANT_PARTS)) && !x->msg.facts &&
		g->want_count < FACTS_NEED_MAX)
		g->wants[g->want_count++] = (struct facts_want){
			x->msg.id, x->msg.blob_id, x->msg.blob_len};
	return get_body(db, g, x, octets, e);
}

static int get_one(struct db *db, struct getting *g, size_t i, size_t *octets, struct err *e)
{
	struct email *x = &g->list[i];
	int64_t thread = 0;
	bool is_found;

	*x = (struct email){.id = g->ids[i]};
	if (db_get(db, e, NULL, &sql_get_email, &is_found, "ii:i", (int64_t)g->eyes->account_id,
		    (int64_t)x->id, &thread) < 0)
		return -1;
	if (!is_found)
		return 0;
	x->thread_id = (uint64_t)thread;
	if (get_rows(db, g, x, e) < 0)
		return -1;
	if (!x->row_count)
		return 0;
	join(g, x);
	return get_msg(db, g, x, octets, e);
}

/* A page; it ends early when it has become large. */
static int get_page(struct db *db, void *arg, struct err *e)
{
	struct getting *g = arg;
	size_t octets = 0, rows = 0;
	struct email_at at;

	g->want_count = 0;
	if (g->is_first && g->state) {
		if (email_at_tx(db, g->eyes->account_id, &at, e) < 0)
			return -1;
		*g->state = (uint64_t)at.emails;
	}
	g->is_first = false;
	for (; g->at < g->count && octets < GET_PAGE_OCTETS && rows < STORE_PAGE_ROWS; rows++)
		if (get_one(db, g, g->at++, &octets, e) < 0)
			return -1;
	return 0;
}

/* Facts are made with the thread, so only a row of another version lacks them here. */
static FIBER int get_pages(struct store *s, struct getting *g, struct err *e)
{
	unsigned tries = 0;

	while (g->at < g->count) {
		size_t from = g->at, octets = g->body_octets;

		if ((g->is_first ? email_read(s, "email.get", g->eyes->account_id, get_page, g, e)
				 : store_read(s, "email.get", get_page, g, e)) < 0)
			return -1;
		if (!g->want_count || tries++ == 2)
			continue;
		if (facts_need(s, g->wants, g->want_count, e) < 0)
			return -1;
		g->at = from;
		g->body_octets = octets;
	}
	return 0;
}

FIBER int email_get(struct store *s, struct arena *a, const struct email_eyes *eyes,
	const uint64_t *ids, size_t count, unsigned want, struct email *list_r, uint64_t *state_r,
	struct err *e)
{
	struct arena *work = arena_new();
	struct getting *g = ARENA_NEW(work, struct getting);
	struct email_states states;
	int rc = 0;

	*g = (struct getting){.a = a, .eyes = eyes, .ids = ids, .want = want, .list = list_r};
	g->state = state_r;
	g->count = count < EMAIL_GET_MAX ? count : EMAIL_GET_MAX;
	g->is_first = true;
	if (g->count)
		rc = get_pages(s, g, e);
	else if (state_r && (rc = email_states(s, eyes->account_id, &states, e)) == 0)
		*state_r = states.email;
	arena_free(&work);
	return rc;
}

/* ---- threads ---- */

DB_SQL(sql_thread_emails,
	"SELECT email_id FROM email WHERE account_id = $1 AND thread_id = $2 "
	"ORDER BY received_ns, email_id");
DB_SQL(sql_thread_seen, "SELECT mailbox_id FROM email_row WHERE account_id = $1 AND email_id = $2");

struct threading {
	struct arena *a;
	const struct email_eyes *eyes;
	const uint64_t *ids;
	size_t count;
	struct email_thread *list;
	uint64_t *state;
};

int email_is_seen_tx(struct db *db, const struct email_eyes *eyes, int64_t email_id,
	bool *is_seen_r, struct err *e)
{
	struct db_stmt *st;
	bool is_row = false;
	int rc = -1;

	*is_seen_r = eyes->is_all;
	if (eyes->is_all)
		return 0;
	st = db_query(db, e, &sql_thread_seen, "ii", (int64_t)eyes->account_id, email_id);
	while (st && !*is_seen_r && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		*is_seen_r = email_sees(eyes, (uint64_t)db_col_i64(st, 0));
	db_done(st);
	return rc;
}

static int one_thread(struct db *db, struct threading *x, size_t i, struct err *e)
{
	struct email_thread *t = &x->list[i];
	struct db_stmt *st;
	size_t cap = 0;
	bool is_row = false, is_seen = false;
	int rc = -1;

	*t = (struct email_thread){.id = x->ids[i]};
	st = db_query(
		db, e, &sql_thread_emails, "ii", (int64_t)x->eyes->account_id, (int64_t)t->id);
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		int64_t id = db_col_i64(st, 0);

		if ((rc = email_is_seen_tx(db, x->eyes, id, &is_seen, e)) < 0)
			break;
		if (!is_seen)
			continue;
		if (t->count == cap) {
			uint64_t *was = t->emails;

			cap = cap ? cap * 2 : 4;
			t->emails = ARENA_ARRAY(x->a, uint64_t, cap);
			for (size_t k = 0; k < t->count; k++)
				t->emails[k] = was[k];
		}
		t->emails[t->count++] = (uint64_t)id;
	}
	db_done(st);
	return rc;
}

static int read_threads(struct db *db, void *arg, struct err *e)
{
	struct threading *x = arg;
	struct email_at at;

	if (email_at_tx(db, x->eyes->account_id, &at, e) < 0)
		return -1;
	if (x->state)
		*x->state = (uint64_t)at.threads;
	for (size_t i = 0; i < x->count; i++)
		if (one_thread(db, x, i, e) < 0)
			return -1;
	return 0;
}

FIBER int email_threads(struct store *s, struct arena *a, const struct email_eyes *eyes,
	const uint64_t *ids, size_t count, struct email_thread *list_r, uint64_t *state_r,
	struct err *e)
{
	struct threading x = {a, eyes, ids, count, list_r, state_r};

	return email_read(s, "email.threads", eyes->account_id, read_threads, &x, e);
}

/* ---- counters ---- */

DB_SQL(sql_counts,
	"SELECT emails, unread, threads, unread_threads FROM mailbox_count WHERE mailbox_id = $1 AND "
	"account_id = $2");
/* For who does not see all mailboxes: is there an unread Email of this thread that he sees? */
DB_SQL(sql_counts_unread_threads,
	"SELECT t.thread_id FROM thread_box t CROSS JOIN thread h ON h.account_id = $2 AND "
	"h.thread_id = t.thread_id AND h.unread > 0 WHERE t.mailbox_id = $1");
DB_SQL(sql_counts_unread_emails,
	"SELECT email_id FROM email WHERE account_id = $1 AND thread_id = $2 AND (flags & 17) = 0");

_Static_assert((MAILBOX_SEEN | MAILBOX_DRAFT) == 17, "the questions say it as a number");

struct counting {
	const struct email_eyes *eyes;
	const uint64_t *ids;
	size_t count;
	struct email_counts *list;
	uint64_t *state;
};

static int is_unread_seen(
	struct db *db, struct counting *x, int64_t thread_id, bool *is_seen_r, struct err *e)
{
	struct db_stmt *st = db_query(
		db, e, &sql_counts_unread_emails, "ii", (int64_t)x->eyes->account_id, thread_id);
	bool is_row = false;
	int rc = -1;

	*is_seen_r = false;
	while (st && !*is_seen_r && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		if ((rc = email_is_seen_tx(db, x->eyes, db_col_i64(st, 0), is_seen_r, e)) < 0)
			break;
	db_done(st);
	return rc;
}

static int seen_unread_threads(
	struct db *db, struct counting *x, struct email_counts *c, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_counts_unread_threads, "ii",
		(int64_t)c->mailbox_id, (int64_t)x->eyes->account_id);
	bool is_row = false, is_seen = false;
	int rc = -1;

	c->unread_threads = 0;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		if ((rc = is_unread_seen(db, x, db_col_i64(st, 0), &is_seen, e)) < 0)
			break;
		c->unread_threads += is_seen;
	}
	db_done(st);
	return rc;
}

static int one_count(struct db *db, struct counting *x, size_t i, struct err *e)
{
	struct email_counts *c = &x->list[i];
	int64_t emails = 0, unread = 0, threads = 0, unread_threads = 0;
	bool is_found;

	*c = (struct email_counts){.mailbox_id = x->ids[i]};
	if (!email_sees(x->eyes, c->mailbox_id))
		return 0;
	if (db_get(db, e, NULL, &sql_counts, &is_found, "ii:iiii", (int64_t)c->mailbox_id,
		    (int64_t)x->eyes->account_id, &emails, &unread, &threads, &unread_threads) < 0)
		return -1;
	c->emails = (uint64_t)emails;
	c->unread = (uint64_t)unread;
	c->threads = (uint64_t)threads;
	c->unread_threads = (uint64_t)unread_threads;
	return x->eyes->is_all || !unread_threads ? 0 : seen_unread_threads(db, x, c, e);
}

static int read_counts(struct db *db, void *arg, struct err *e)
{
	struct counting *x = arg;
	struct states_look states = {x->eyes->account_id, &(struct email_states){0}};

	if (read_states(db, &states, e) < 0)
		return -1;
	if (x->state)
		*x->state = states.states->mailbox;
	for (size_t i = 0; i < x->count; i++)
		if (one_count(db, x, i, e) < 0)
			return -1;
	return 0;
}

FIBER int email_counts(struct store *s, struct arena *a, const struct email_eyes *eyes,
	const uint64_t *mailbox_ids, size_t count, struct email_counts *list_r, uint64_t *state_r,
	struct err *e)
{
	struct counting x = {eyes, mailbox_ids, count, list_r, state_r};

	(void)a;
	return email_read(s, "email.counts", eyes->account_id, read_counts, &x, e);
}
