#include "store/blob.h"

#include "store/facts.h"
#include "store/store_priv.h"

DB_SQL(sql_insert, "INSERT INTO blob (id, refs, octets) VALUES ($1, $2, $3)");
DB_SQL(sql_insert_chunk, "INSERT INTO blob_chunk (id, data) VALUES ($1, $2)");
DB_SQL(sql_ref, "UPDATE blob SET refs = refs + $2 WHERE id = $1");
DB_SQL(sql_delete_last, "DELETE FROM blob WHERE id = $1 AND refs = 1");
DB_SQL(sql_unref,
	"UPDATE blob SET refs = CASE WHEN refs = 1 THEN -1 ELSE refs - 1 END "
	"WHERE id = $1 RETURNING refs");
DB_SQL(sql_delete_chunk, "DELETE FROM blob_chunk WHERE id = $1");
DB_SQL(sql_delete_chunks, "DELETE FROM blob_chunk WHERE id >= $1 AND id < $2");
/* `refs < 1` names the partial index */
DB_SQL(sql_doom, "UPDATE blob SET refs = -1 WHERE refs < 1 AND refs = 0");
DB_SQL(sql_doom_one, "UPDATE blob SET refs = -1 WHERE id = $1 AND refs = 0");
DB_SQL(sql_next_doomed, "SELECT id, octets FROM blob WHERE refs < 1 AND refs = -1 LIMIT 1");
DB_SQL(sql_shorten, "UPDATE blob SET octets = $2 WHERE id = $1");
DB_SQL(sql_delete, "DELETE FROM blob WHERE id = $1");

uint64_t blob_new_id(struct store *s, uint64_t octets)
{
	return store_new_ids(s, octets > BODY_CHUNK ? blob_chunks(octets) : 1);
}

int blob_insert_tx(struct db *db, uint64_t id, int64_t refs, uint64_t octets, struct err *e)
{
	struct db_stmt *st = db_prepare(db, &sql_insert, e);

	if (!st)
		return -1;
	db_bind_i64(st, 1, (int64_t)id);
	db_bind_i64(st, 2, refs);
	db_bind_i64(st, 3, (int64_t)octets);
	return db_finish(st, e);
}

int blob_chunk_tx(struct db *db, uint64_t id, uint64_t index, struct span bytes, struct err *e)
{
	struct db_stmt *st = db_prepare(db, &sql_insert_chunk, e);

	if (!st)
		return -1;
	db_bind_i64(st, 1, (int64_t)(id + index));
	db_bind_bytes(st, 2, bytes);
	return db_finish(st, e);
}

int blob_ref_tx(struct db *db, uint64_t id, int64_t refs, struct err *e)
{
	if (db_run(db, e, &sql_ref, "ii", (int64_t)id, refs) < 0)
		return -1;
	return db_changes(db)
		? 0
		: err_set(e, ERR_NOT_FOUND, "body %llu is gone", (unsigned long long)id);
}

static int delete_chunks(struct db *db, uint64_t id, uint64_t from, uint64_t to, struct err *e)
{
	if (to - from == 1)
		return db_run(db, e, &sql_delete_chunk, "i", (int64_t)(id + from));
	return db_run(db, e, &sql_delete_chunks, "ii", (int64_t)(id + from), (int64_t)(id + to));
}

int blob_unref_tx(struct db *db, uint64_t id, uint64_t octets, bool *is_gone_r, struct err *e)
{
	int64_t refs = 0;
	bool is_found;

	if (is_gone_r)
		*is_gone_r = true;
	if (octets <= BLOB_DROP_NOW) {
		if (db_run(db, e, &sql_delete_last, "i", (int64_t)id) < 0)
			return -1;
		if (db_changes(db))
			return facts_drop_tx(db, id, e) < 0 ? -1
				: octets ? delete_chunks(db, id, 0, blob_chunks(octets), e)
					 : 0;
	}
	if (db_get(db, e, NULL, &sql_unref, &is_found, "i:i", (int64_t)id, &refs) < 0)
		return -1;
	if (is_found && refs < 0) {
		if (facts_drop_tx(db, id, e) < 0)
			return -1;
		blob_sweep_later(store_of(db));
	}
	if (is_gone_r)
		*is_gone_r = !is_found || refs < 0;
	return 0;
}

int blob_doom_tx(struct db *db, uint64_t id, struct err *e)
{
	if (db_run(db, e, &sql_doom_one, "i", (int64_t)id) < 0)
		return -1;
	blob_sweep_later(store_of(db));
	return 0;
}

int blob_doom_orphans(struct db *db, struct err *e)
{
	return db_run(db, e, &sql_doom, "");
}

/* ---- the sweep ---- */

static int sweep_slice(struct db *db, void *arg, struct err *e)
{
	struct store *s = arg;
	int64_t id = 0, octets = 0;
	uint64_t chunks, from;
	bool is_found;

	atomic_store(&s->is_sweep_queued, false);
	if (db_get(db, e, NULL, &sql_next_doomed, &is_found, ":ii", &id, &octets) < 0)
		return -1;
	if (!is_found)
		return 0;
	/* from the end, so that what is left is again a body of whole chunks */
	chunks = blob_chunks((uint64_t)octets);
	from = chunks > BLOB_SWEEP_SLICE ? chunks - BLOB_SWEEP_SLICE : 0;
	if (chunks && delete_chunks(db, (uint64_t)id, from, chunks, e) < 0)
		return -1;
	if ((from ? db_run(db, e, &sql_shorten, "ii", id, (int64_t)(from * BODY_CHUNK))
		  : db_run(db, e, &sql_delete, "i", id)) < 0)
		return -1;
	blob_sweep_later(s);
	return 0;
}

void blob_sweep_later(struct store *s)
{
	if (!atomic_exchange(&s->is_sweep_queued, true))
		store_write_later(s, "blob sweep", sweep_slice, s, NULL);
}
