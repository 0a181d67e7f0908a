/* Rows of thread_ref whose thread has no message any more: a page of them is looked at now and then. */
#include "store/facts_priv.h"
#include "store/store_limits.h"

DB_SQL(sql_refs,
	"SELECT t.account_id, t.ref, t.subject, EXISTS (SELECT 1 FROM message m WHERE "
	"m.thread_id = t.thread_id AND m.thread_id <> 0) FROM thread_ref t WHERE "
	"(t.account_id, t.ref, t.subject) > ($1, $2, $3) ORDER BY t.account_id, t.ref, t.subject "
	"LIMIT $4");
DB_SQL(sql_drop,
	"DELETE FROM thread_ref WHERE account_id = $1 AND ref = $2 AND subject = $3 AND NOT EXISTS "
	"(SELECT 1 FROM message m WHERE m.thread_id = thread_ref.thread_id AND m.thread_id <> 0)");

int facts_sweep_look(struct db *db, void *sweep, struct err *e)
{
	struct facts_sweep *w = sweep;
	struct facts_ref last = w->at, *r = &w->dead[0];
	struct db_stmt *st = db_query(db, e, &sql_refs, "iiii", last.account_id, last.ref,
		last.subject, (int64_t)STORE_PAGE_ROWS);
	bool is_row = false;
	size_t seen = 0;
	int rc = -1;

	w->count = 0;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		int64_t is_used;

		r = &w->dead[w->count];
		db_cols(st, "iiii", &r->account_id, &r->ref, &r->subject, &is_used);
		last = *r;
		w->count += !is_used;
		seen++;
	}
	db_done(st);
	w->next = seen == STORE_PAGE_ROWS ? last : (struct facts_ref){0};
	return rc;
}

int facts_sweep_drop(struct db *db, void *sweep, struct err *e)
{
	const struct facts_sweep *w = sweep;

	for (size_t i = 0; i < w->count; i++)
		if (db_run(db, e, &sql_drop, "iii", w->dead[i].account_id, w->dead[i].ref,
			    w->dead[i].subject) < 0)
			return -1;
	return 0;
}
