#include "store/upload.h"

#include "base/must.h"
#include "run/loop.h"
#include "store/blob.h"
#include "store/stage_priv.h"
#include "store/store_priv.h"

#define UPLOAD_SLICE 64 /* bodies go with them */

DB_SQL(sql_upload_add,
	"INSERT INTO upload (id, account_id, user_id, blob_id, octets, type, expires_ns) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7)");
DB_SQL(sql_upload_get,
	"SELECT user_id, blob_id, octets, type, expires_ns FROM upload WHERE id = $1 AND "
	"account_id = $2");
DB_SQL(sql_upload_due,
	"SELECT id, blob_id, octets FROM upload WHERE expires_ns < $1 ORDER BY expires_ns LIMIT $2");
DB_SQL(sql_upload_of,
	"SELECT id, blob_id, octets FROM upload WHERE user_id = $1 ORDER BY id LIMIT $2");
DB_SQL(sql_upload_sum, "SELECT COUNT(*), COALESCE(SUM(octets), 0) FROM upload WHERE user_id = $1");
DB_SQL(sql_upload_remove, "DELETE FROM upload WHERE id = $1");

/* ---- going ---- */

struct upload_row {
	int64_t id, blob_id, octets;
};

static int upload_rows(struct db_stmt *st, struct upload_row *rows, size_t *count_r, struct err *e)
{
	bool is_row = false;
	size_t count = 0;
	int rc = st ? 0 : -1;

	while (rc == 0 && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		db_cols(st, "iii", &rows[count].id, &rows[count].blob_id, &rows[count].octets);
		count++;
	}
	db_done(st);
	*count_r = count;
	return rc;
}

static int upload_drop(struct db *db, const struct upload_row *row, struct err *e)
{
	if (db_run(db, e, &sql_upload_remove, "i", row->id) < 0)
		return -1;
	return blob_unref_tx(db, (uint64_t)row->blob_id, (uint64_t)row->octets, NULL, e);
}

struct upload_due {
	int64_t now_ns;
	size_t count;
};

static int upload_sweep_slice(struct db *db, void *arg, struct err *e)
{
	struct upload_due *x = arg;
	struct upload_row rows[UPLOAD_SLICE];

	if (upload_rows(db_query(db, e, &sql_upload_due, "ii", x->now_ns, (int64_t)UPLOAD_SLICE),
		    rows, &x->count, e) < 0)
		return -1;
	for (size_t i = 0; i < x->count; i++)
		if (upload_drop(db, &rows[i], e) < 0)
			return -1;
	return 0;
}

FIBER int upload_sweep(struct store *s, int64_t now_ns, uint64_t *swept_r, struct err *e)
{
	struct upload_due x = {.now_ns = now_ns};

	*swept_r = 0;
	do {
		if (store_write(s, "upload.sweep", upload_sweep_slice, &x, e) < 0)
			return -1;
		*swept_r += x.count;
	} while (x.count == UPLOAD_SLICE);
	return 0;
}

/* ---- coming ---- */

struct upload_new {
	struct upload *u;
	const struct stage *stage;
};

/* Room for one more: the oldest go, a slice of them at most; his own, in whichever account they are. */
static int upload_make_room(struct db *db, const struct upload *u, struct err *e)
{
	struct upload_row rows[UPLOAD_SLICE];
	int64_t kept = 0, octets = 0;
	size_t count;
	bool is_found;

	if (db_get(db, e, NULL, &sql_upload_sum, &is_found, "i:ii", (int64_t)u->user_id, &kept,
		    &octets) < 0)
		return -1;
	octets += (int64_t)u->octets;
	if (kept < UPLOAD_KEPT_MAX && octets <= (int64_t)UPLOAD_OCTETS_MAX)
		return 0;
	if (upload_rows(db_query(db, e, &sql_upload_of, "ii", (int64_t)u->user_id,
				(int64_t)UPLOAD_SLICE),
		    rows, &count, e) < 0)
		return -1;
	for (size_t i = 0;
		i < count && (kept >= UPLOAD_KEPT_MAX || octets > (int64_t)UPLOAD_OCTETS_MAX);
		i++) {
		if (upload_drop(db, &rows[i], e) < 0)
			return -1;
		kept--;
		octets -= rows[i].octets;
	}
	return 0;
}

static int upload_insert(struct db *db, void *arg, struct err *e)
{
	const struct upload_new *x = arg;
	const struct upload *u = x->u;
	struct span bytes = SPAN_NONE;
	int rc;

	if (upload_make_room(db, u, e) < 0)
		return -1;
	if (stage_blob_id((struct stage *)x->stage)) {
		rc = blob_ref_tx(db, u->blob_id, 1, e);
	} else {
		stage_mem(x->stage, &bytes);
		rc = blob_insert_tx(db, u->blob_id, 1, u->octets, e);
		if (rc == 0 && bytes.len)
			rc = blob_chunk_tx(db, u->blob_id, 0, bytes, e);
	}
	if (rc < 0)
		return -1;
	return db_run(db, e, &sql_upload_add, "iiiiiti", (int64_t)u->id, (int64_t)u->account_id,
		(int64_t)u->user_id, (int64_t)u->blob_id, (int64_t)u->octets, u->type,
		u->expires_ns);
}

FIBER int upload_add(struct store *s, struct stage **stage, struct upload *u, struct err *e)
{
	struct upload_new x = {.u = u, .stage = *stage};
	uint64_t octets = stage_len(*stage);
	int rc;

	if (store_room_begin(s, octets, e) < 0)
		return -1;
	rc = stage_store(*stage, e);
	if (rc == 0) {
		u->octets = octets;
		u->id = store_new_id(s);
		u->blob_id = stage_blob_id(*stage);
		if (!u->blob_id)
			u->blob_id = blob_new_id(s, octets);
		rc = store_write(s, "upload.add", upload_insert, &x, e);
	}
	if (rc == 0) {
		if (stage_blob_id(*stage))
			stage_gave_blob(*stage);
		stage_free(stage);
	}
	store_room_end(s, octets);
	return rc;
}

/* ---- looking ---- */

struct upload_look {
	struct arena *a;
	struct upload *u;
	bool is_found;
};

static int upload_read(struct db *db, void *arg, struct err *e)
{
	struct upload_look *x = arg;
	int64_t user, blob, octets;

	if (db_get(db, e, x->a, &sql_upload_get, &x->is_found, "ii:iiiti", (int64_t)x->u->id,
		    (int64_t)x->u->account_id, &user, &blob, &octets, &x->u->type,
		    &x->u->expires_ns) < 0)
		return -1;
	if (!x->is_found)
		return 0;
	x->u->user_id = (uint64_t)user;
	x->u->blob_id = (uint64_t)blob;
	x->u->octets = (uint64_t)octets;
	return 0;
}

FIBER int upload_get(struct store *s, struct arena *a, uint64_t account_id, uint64_t id,
	struct upload *u_r, bool *is_found_r, struct err *e)
{
	struct upload_look x = {.a = a, .u = u_r};

	*u_r = (struct upload){.id = id, .account_id = account_id};
	if (store_read(s, "upload.get", upload_read, &x, e) < 0)
		return -1;
	*is_found_r = x.is_found && u_r->expires_ns > loop_wall_ns();
	return 0;
}
