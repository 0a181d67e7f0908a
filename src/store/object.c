#include "store/object.h"

#include <stdlib.h>

#include "base/must.h"
#include "store/store_priv.h"

DB_SQL(sql_object_bump, "UPDATE account SET modseq = modseq + 1 WHERE id = $1 RETURNING modseq");
DB_SQL(sql_object_change,
	"INSERT INTO object_change (account_id, kind, object_id, created, changed, is_gone) "
	"VALUES ($1, $2, $3, $4, $4, $5) ON CONFLICT (account_id, kind, object_id) DO UPDATE SET "
	"changed = $4, is_gone = $5");
/* It comes again after its end (an id that people choose): for who looks it is a new one. */
DB_SQL(sql_object_again,
	"UPDATE object_change SET created = $4 WHERE account_id = $1 AND kind = $2 AND "
	"object_id = $3 AND is_gone = 1");
DB_SQL(sql_object_state,
	"SELECT COALESCE(MAX(changed), 0) FROM object_change WHERE account_id = $1 AND kind = $2");
DB_SQL(sql_object_modseq, "SELECT modseq FROM account WHERE id = $1");
DB_SQL(sql_object_changes,
	"SELECT object_id, created, changed, is_gone FROM object_change WHERE account_id = $1 AND "
	"kind = $2 AND changed > $3 ORDER BY changed, object_id LIMIT $4");
DB_SQL(sql_object_purge,
	"DELETE FROM object_change WHERE (account_id, kind, object_id) IN (SELECT account_id, kind, "
	"object_id FROM object_change WHERE account_id = $1 LIMIT $2)");

#define OBJECT_PURGE_ROWS 256

const char *object_kind_str(enum object_kind k)
{
	static const char *const names[] = {
#define X(id, name) name,
		OBJECT_KINDS(X)
#undef X
	};

	MUST((size_t)k < ARRAY_LEN(names));
	return names[k];
}

int object_changed_tx(struct db *db, uint64_t account_id, enum object_kind kind, uint64_t object_id,
	enum object_how how, int64_t *modseq_r, struct err *e)
{
	int64_t account = (int64_t)account_id, object = (int64_t)object_id, modseq = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_object_bump, &is_found, "i:i", account, &modseq) < 0)
		return -1;
	if (!is_found)
		return err_set(e, ERR_NOT_FOUND, "the account is gone");
	if (how != OBJECT_DESTROYED &&
		db_run(db, e, &sql_object_again, "iiii", account, (int64_t)kind, object, modseq) <
			0)
		return -1;
	if (db_run(db, e, &sql_object_change, "iiiii", account, (int64_t)kind, object, modseq,
		    (int64_t)(how == OBJECT_DESTROYED)) < 0)
		return -1;
	store_changed_mailbox(db, account_id, 0);
	if (modseq_r)
		*modseq_r = modseq;
	return 0;
}

int object_purge_tx(struct db *db, uint64_t account_id, bool *left_r, struct err *e)
{
	if (db_run(db, e, &sql_object_purge, "ii", (int64_t)account_id,
		    (int64_t)OBJECT_PURGE_ROWS) < 0)
		return -1;
	*left_r = db_changes(db) == OBJECT_PURGE_ROWS;
	return 0;
}

/* ---- looking ---- */

struct object_look {
	uint64_t account_id;
	uint64_t *states;
	enum object_kind first, last;
};

static int look_states(struct db *db, void *arg, struct err *e)
{
	const struct object_look *l = arg;

	for (int k = l->first; k <= (int)l->last; k++) {
		int64_t modseq = 0;
		bool is_found;

		if (db_get(db, e, NULL, &sql_object_state, &is_found, "ii:i",
			    (int64_t)l->account_id, (int64_t)k, &modseq) < 0)
			return -1;
		l->states[k - (int)l->first] = (uint64_t)modseq;
	}
	return 0;
}

FIBER int object_state(struct store *s, uint64_t account_id, enum object_kind kind,
	uint64_t *modseq_r, struct err *e)
{
	struct object_look l = {account_id, modseq_r, kind, kind};

	return store_read(s, "object.state", look_states, &l, e);
}

FIBER int object_states(struct store *s, uint64_t account_id, uint64_t *states_r, struct err *e)
{
	struct object_look l = {account_id, states_r, 0, OBJECT_KIND_COUNT - 1};

	return store_read(s, "object.states", look_states, &l, e);
}

struct object_list {
	struct arena *a;
	uint64_t account_id, since, upto;
	enum object_kind kind;
	size_t max, count;
	struct object_change *list;
	bool is_more;
};

static int by_modseq(const void *a, const void *b)
{
	const struct object_change *x = a, *y = b;

	return (x->modseq > y->modseq) - (x->modseq < y->modseq);
}

/* What is new stands where it began: a list that ends before its last change tells of it all the same, and the
 * next one calls it changed. */
static void take_change(
	struct object_list *l, int64_t id, int64_t created, int64_t changed, bool is_gone)
{
	bool is_new = (uint64_t)created > l->since;

	/* it came and went in between: nobody has to hear of it */
	if (is_gone && is_new)
		return;
	l->list[l->count++] = (struct object_change){.id = (uint64_t)id,
		.modseq = (uint64_t)(is_new ? created : changed),
		.how = is_gone   ? OBJECT_DESTROYED
			: is_new ? OBJECT_CREATED
				 : OBJECT_UPDATED};
}

/* All that changed: where a list ends is known once they stand in their order. */
static int read_changes(struct db *db, struct object_list *l, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_object_changes, "iiii", (int64_t)l->account_id,
		(int64_t)l->kind, (int64_t)l->since, (int64_t)OBJECT_CHANGES_MAX + 1);
	bool is_row = false;
	size_t seen = 0;
	int rc = st ? 0 : -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		int64_t id, created, changed, is_gone;

		if (seen++ == OBJECT_CHANGES_MAX) {
			rc = err_set(e, ERR_STATE, "too much has changed since that state");
			break;
		}
		db_cols(st, "iiii", &id, &created, &changed, &is_gone);
		l->upto = (uint64_t)changed;
		take_change(l, id, created, changed, is_gone);
	}
	db_done(st);
	return rc;
}

static void cut(struct object_list *l)
{
	if (l->count)
		qsort(l->list, l->count, sizeof(*l->list), by_modseq);
	if (l->count <= l->max)
		return;
	l->is_more = true;
	l->count = l->max;
	l->upto = l->list[l->count - 1].modseq;
}

static int look_changes(struct db *db, void *arg, struct err *e)
{
	struct object_list *l = arg;
	int64_t modseq = 0;
	bool is_found;

	l->count = 0;
	l->upto = l->since;
	l->is_more = false;
	if (db_get(db, e, NULL, &sql_object_modseq, &is_found, "i:i", (int64_t)l->account_id,
		    &modseq) < 0)
		return -1;
	if (l->since > (uint64_t)modseq)
		return err_set(e, ERR_STATE, "that state is still to come");
	if (read_changes(db, l, e) < 0)
		return -1;
	cut(l);
	return 0;
}

FIBER int object_changes(struct store *s, struct arena *a, uint64_t account_id,
	enum object_kind kind, uint64_t since, size_t max, struct object_change **list_r,
	size_t *count_r, uint64_t *upto_r, bool *is_more_r, struct err *e)
{
	struct object_list l = {.a = a, .account_id = account_id, .since = since, .kind = kind};

	l.max = max && max < OBJECT_CHANGES_MAX ? max : OBJECT_CHANGES_MAX;
	l.list = ARENA_ARRAY(a, struct object_change, OBJECT_CHANGES_MAX);
	if (store_read(s, "object.changes", look_changes, &l, e) < 0)
		return -1;
	*list_r = l.list;
	*count_r = l.count;
	*upto_r = l.upto;
	*is_more_r = l.is_more;
	return 0;
}
