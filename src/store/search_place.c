/* From the numbers of messages to where they are. */

#include <stdlib.h>

#include "base/mem.h"
#include "store/search_priv.h"

DB_SQL(sql_place, "SELECT mailbox_id, uid FROM message WHERE account_id = $1 AND n = $2");
DB_SQL(sql_places_above,
	"SELECT mailbox_id, uid FROM message WHERE account_id = $1 AND n > $2 ORDER BY n LIMIT $3");

static void take(struct search_places *p, int64_t mailbox_id, int64_t uid)
{
	if ((uint64_t)mailbox_id == p->mailbox_id)
		p->uids[p->count++] = (uint32_t)uid;
}

static int read_above(struct db *db, struct search_places *p, size_t room, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_places_above, "iii", (int64_t)p->account_id,
		(int64_t)p->above, (int64_t)room + 1);
	int64_t mailbox_id, uid;
	bool is_row = false;
	size_t n = 0;
	int rc = st ? 0 : -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row && n++ < room) {
		db_cols(st, "ii", &mailbox_id, &uid);
		take(p, mailbox_id, uid);
	}
	db_done(st);
	p->is_many = rc == 0 && is_row;
	return rc;
}

static int read_places(struct db *db, void *arg, struct err *e)
{
	struct search_places *p = arg;
	int64_t mailbox_id, uid;
	uint64_t n = 0;
	bool is_found;

	p->count = 0;
	if (read_above(db, p, p->max - (size_t)p->ns->count, e) < 0)
		return -1;
	for (; !p->is_many && search_set_next(p->ns, n, &n); n++) {
		if (n > p->above)
			break; /* read already */
		if (db_get(db, e, NULL, &sql_place, &is_found, "ii:ii", (int64_t)p->account_id,
			    (int64_t)n, &mailbox_id, &uid) < 0)
			return -1;
		if (is_found)
			take(p, mailbox_id, uid);
	}
	return 0;
}

static int by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

FIBER int search_places(struct store *s, struct search_places *p, struct err *e)
{
	p->uids = NULL;
	p->count = 0;
	p->is_many = p->ns->count > p->max;
	if (p->is_many)
		return 0;
	p->uids = mem_alloc((p->max + 1) * sizeof(*p->uids));
	if (store_read(s, "places of a search", read_places, p, e) < 0) {
		free(p->uids);
		p->uids = NULL;
		return -1;
	}
	qsort(p->uids, p->count, sizeof(*p->uids), by_uid);
	return 0;
}

FIBER int search_work(struct store *s, work_fn *fn, void *arg, struct err *e)
{
	return work_run(s->search->lane, fn, arg, e);
}
