#include "store/facts.h"

#include "proto/mail/mime_parse.h"
#include "store/facts_priv.h"
#include "store/store_priv.h"

DB_SQL(sql_get,
	"SELECT " FACTS_COLUMNS ", " FACTS_COLUMNS_PARTS " FROM body_fact f WHERE f.blob_id = $1");
DB_SQL(sql_look,
	"SELECT version, flags, subject, message_id, refs FROM body_fact WHERE blob_id = $1");
DB_SQL(sql_look_thread, "SELECT thread_id, blob_id, blob_octets FROM message WHERE id = $1");
DB_SQL(sql_is_there, "SELECT octets FROM blob WHERE id = $1 AND refs > 0");
DB_SQL(sql_forget, "DELETE FROM body_fact WHERE blob_id = $1 AND version <> $2");
DB_SQL(sql_put,
	"INSERT INTO body_fact (blob_id, version, flags, sent_ns, envelope, preview, subject, "
	"from_key, to_key, cc_key, from_name, to_name, message_id, refs, structure, layout) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) "
	"ON CONFLICT (blob_id) DO NOTHING");
DB_SQL(sql_drop, "DELETE FROM body_fact WHERE blob_id = $1");

/* ---- reading ---- */

static struct span col(struct arena *a, struct db_stmt *st, unsigned n)
{
	struct span s = db_col_span(st, n);

	return s.len ? arena_span(a, s) : SPAN("");
}

struct body_facts *facts_of_row(struct arena *a, struct db_stmt *st, unsigned first, bool has_parts)
{
	struct body_facts *f;

	if (db_col_is_null(st, first) || db_col_i64(st, first) != FACTS_VERSION)
		return NULL;
	f = ARENA_NEW(a, struct body_facts);
	f->flags = (unsigned)db_col_i64(st, first + 1);
	f->sent_ns = db_col_i64(st, first + 2);
	f->envelope = col(a, st, first + 3);
	f->preview = col(a, st, first + 4);
	f->subject = col(a, st, first + 5);
	f->from_key = col(a, st, first + 6);
	f->to_key = col(a, st, first + 7);
	f->cc_key = col(a, st, first + 8);
	f->from_name = col(a, st, first + 9);
	f->to_name = col(a, st, first + 10);
	f->message_id = col(a, st, first + 11);
	f->refs = col(a, st, first + 12);
	if (has_parts) {
		f->structure = col(a, st, first + 13);
		f->layout = col(a, st, first + 14);
	}
	return f;
}

struct get {
	struct arena *a;
	uint64_t blob_id;
	struct body_facts *facts;
};

static int get_one(struct db *db, void *arg, struct err *e)
{
	struct get *g = arg;
	struct db_stmt *st = db_query(db, e, &sql_get, "i", (int64_t)g->blob_id);
	bool is_row = false;
	int rc = st ? db_step(st, &is_row, e) : -1;

	if (rc == 0 && is_row)
		g->facts = facts_of_row(g->a, st, 0, true);
	db_done(st);
	return rc;
}

FIBER int facts_get(struct store *s, struct arena *a, uint64_t blob_id, struct body_facts **facts_r,
	struct err *e)
{
	struct get g = {.a = a, .blob_id = blob_id};

	if (store_read(s, "facts.get", get_one, &g, e) < 0)
		return -1;
	*facts_r = g.facts;
	return 0;
}

/* ---- what is missing ---- */

static int look_facts(struct db *db, struct facts_batch *b, struct facts_job *j, struct err *e)
{
	int64_t version = 0, flags = 0;
	struct body_facts f = {0};
	bool is_found;

	if (db_get(db, e, b->a, &sql_look, &is_found, "i:iittb", (int64_t)j->want.blob_id, &version,
		    &flags, &f.subject, &f.message_id, &f.refs) < 0)
		return -1;
	if (!is_found || version != FACTS_VERSION)
		return 0;
	j->is_there = true;
	j->facts = ARENA_NEW(b->a, struct body_facts);
	*j->facts = f;
	j->facts->flags = (unsigned)flags;
	return 0;
}

/* The row says which body is meant now; a row that is gone wants nothing. */
static int look_thread(struct db *db, struct facts_job *j, struct err *e)
{
	int64_t thread = 0, blob = 0, octets = 0;
	bool is_found;

	j->is_threaded = true;
	if (!j->want.message_id)
		return 0;
	if (db_get(db, e, NULL, &sql_look_thread, &is_found, "i:iii", (int64_t)j->want.message_id,
		    &thread, &blob, &octets) < 0)
		return -1;
	if (!is_found)
		return 0;
	j->want.blob_id = (uint64_t)blob;
	j->want.octets = (uint64_t)octets;
	j->is_threaded = thread != 0;
	return 0;
}

int facts_look_batch(struct db *db, void *batch, struct err *e)
{
	struct facts_batch *b = batch;

	for (size_t i = 0; i < b->count; i++)
		if (look_thread(db, &b->jobs[i], e) < 0 || look_facts(db, b, &b->jobs[i], e) < 0)
			return -1;
	return 0;
}

bool facts_batch_is_done(const struct facts_batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (!b->jobs[i].is_gone && !(b->jobs[i].is_there && b->jobs[i].is_threaded))
			return false;
	return true;
}

static struct facts_job *same_body(struct facts_batch *b, size_t before, uint64_t blob_id)
{
	for (size_t i = 0; i < before; i++)
		if (b->jobs[i].want.blob_id == blob_id)
			return &b->jobs[i];
	return NULL;
}

/* A body that is damaged still has facts: those of a message of which nothing could be read. So nobody
 * asks for them again and again; `yizhan check` tells of the damage. */
static int make_empty(struct facts_batch *b, struct facts_job *j)
{
	struct mime_tree *t = mime_parse(b->a, SPAN(""), NULL);

	facts_of_tree(b->a, t, SPAN(""), j->facts);
	return 0;
}

int facts_make_batch(void *batch, struct err *e)
{
	struct facts_batch *b = batch;

	for (size_t i = 0; i < b->count; i++) {
		struct facts_job *j = &b->jobs[i], *same = same_body(b, i, j->want.blob_id);
		struct err why = {0};

		if (j->is_there || j->is_gone)
			continue;
		if (same && same->facts) {
			j->facts = same->facts;
			continue;
		}
		j->facts = ARENA_NEW(b->a, struct body_facts);
		if (facts_make(b->s, b->a, j->want.blob_id, j->want.octets, j->facts, &why) == 0)
			continue;
		if (why.code == ERR_NOT_FOUND || why.code == ERR_CORRUPT)
			make_empty(b, j); /* where it is gone, nothing is stored */
		else
			return err_copy(e, &why);
	}
	return 0;
}

/* ---- storing ---- */

static int put_row(struct db *db, uint64_t blob_id, const struct body_facts *f, struct err *e)
{
	struct db_stmt *st = db_prepare(db, &sql_put, e);

	if (!st)
		return -1;
	db_bind_i64(st, 1, (int64_t)blob_id);
	db_bind_i64(st, 2, FACTS_VERSION);
	db_bind_i64(st, 3, f->flags);
	db_bind_i64(st, 4, f->sent_ns);
	db_bind_bytes(st, 5, f->envelope);
	db_bind_text(st, 6, f->preview);
	db_bind_text(st, 7, f->subject);
	db_bind_text(st, 8, f->from_key);
	db_bind_text(st, 9, f->to_key);
	db_bind_text(st, 10, f->cc_key);
	db_bind_text(st, 11, f->from_name);
	db_bind_text(st, 12, f->to_name);
	db_bind_text(st, 13, f->message_id);
	db_bind_bytes(st, 14, f->refs);
	db_bind_bytes(st, 15, f->structure);
	db_bind_bytes(st, 16, f->layout);
	return db_finish(st, e);
}

static int put_facts(struct db *db, struct facts_batch *b, struct facts_job *j, struct err *e)
{
	int64_t octets;
	bool is_found;

	if (db_get(db, e, NULL, &sql_is_there, &is_found, "i:i", (int64_t)j->want.blob_id,
		    &octets) < 0)
		return -1;
	if (!is_found)
		return 0; /* expunged meanwhile */
	if (db_run(db, e, &sql_forget, "ii", (int64_t)j->want.blob_id, (int64_t)FACTS_VERSION) <
			0 ||
		put_row(db, j->want.blob_id, j->facts, e) < 0)
		return -1;
	b->facts++;
	return 0;
}

int facts_put_batch(struct db *db, void *batch, struct err *e)
{
	struct facts_batch *b = batch;

	b->facts = b->threads = 0;
	for (size_t i = 0; i < b->count; i++) {
		struct facts_job *j = &b->jobs[i];
		bool is_new = false;

		if (j->is_gone || !j->facts)
			continue;
		if (!j->is_there && !same_body(b, i, j->want.blob_id) && put_facts(db, b, j, e) < 0)
			return -1;
		if (!j->is_threaded &&
			facts_thread_tx(db, j->want.message_id, j->facts, &is_new, e) < 0)
			return -1;
		b->threads += is_new;
	}
	return 0;
}

int facts_drop_tx(struct db *db, uint64_t blob_id, struct err *e)
{
	return db_run(db, e, &sql_drop, "i", (int64_t)blob_id);
}

DB_SQL(sql_gone,
	"INSERT INTO search_gone (account_id, n) VALUES ($1, $2) "
	"ON CONFLICT (account_id, n) DO NOTHING");

int facts_gone_tx(struct db *db, uint64_t account_id, uint64_t n, struct err *e)
{
	return db_run(db, e, &sql_gone, "ii", (int64_t)account_id, (int64_t)n);
}

/* ---- who needs them now ---- */

void facts_batch_init(struct facts_batch *b, struct store *s, struct arena *a,
	const struct facts_want *wants, size_t count)
{
	*b = (struct facts_batch){.s = s, .a = a, .count = count};
	if (b->count > FACTS_NEED_MAX)
		b->count = FACTS_NEED_MAX;
	b->jobs = ARENA_ARRAY(a, struct facts_job, b->count + 1);
	for (size_t i = 0; i < b->count; i++)
		b->jobs[i].want = wants[i];
}

FIBER int facts_need(struct store *s, const struct facts_want *wants, size_t count, struct err *e)
{
	struct arena *a = arena_new();
	struct facts_batch b;
	int rc;

	facts_batch_init(&b, s, a, wants, count);
	rc = store_read(s, "facts.look", facts_look_batch, &b, e);
	if (rc == 0 && !facts_batch_is_done(&b)) {
		rc = work_run(s->facts_lane, facts_make_batch, &b, e);
		if (rc == 0)
			rc = store_write(s, "facts.put", facts_put_batch, &b, e);
	}
	arena_free(&a);
	return rc;
}

int facts_need_blocking(
	struct store *s, const struct facts_want *wants, size_t count, struct err *e)
{
	struct arena *a = arena_new();
	struct facts_batch b;
	int rc;

	facts_batch_init(&b, s, a, wants, count);
	rc = store_read_blocking(s, "facts.look", facts_look_batch, &b, e);
	if (rc == 0 && !facts_batch_is_done(&b)) {
		rc = facts_make_batch(&b, e);
		if (rc == 0)
			rc = store_write_blocking(s, "facts.put", facts_put_batch, &b, e);
	}
	arena_free(&a);
	return rc;
}
