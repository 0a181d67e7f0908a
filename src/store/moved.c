#include "store/moved.h"

#include "base/must.h"
#include "store/db/db.h"
#include "store/store_priv.h"

DB_SQL(sql_moved_source_find,
	"SELECT id, modseq FROM moved_source WHERE account_id = $1 AND name = $2 AND "
	"uidvalidity = $3");
DB_SQL(sql_moved_source_add,
	"INSERT INTO moved_source (id, account_id, name, uidvalidity, modseq) "
	"VALUES ($1, $2, $3, $4, 0)");
DB_SQL(sql_moved_source_seen, "UPDATE moved_source SET modseq = $2 WHERE id = $1");
/* The message itself, or what has come from it: a copy, or what was brought back. */
DB_SQL(sql_moved_look,
	"SELECT m.message_id, m.flags, COALESCE(x.mailbox_id, 0), COALESCE(x.uid, 0) FROM moved m "
	"LEFT JOIN message x ON x.id = COALESCE((SELECT s.id FROM message s WHERE s.id = m.message_id), "
	"(SELECT MIN(c.id) FROM message c WHERE c.email_id = m.message_id AND c.email_id <> c.id)) "
	"WHERE m.source_id = $1 AND m.item = $2");
DB_SQL(sql_moved_list,
	"SELECT item, message_id, flags FROM moved WHERE source_id = $1 AND item > $2 "
	"ORDER BY item LIMIT $3");
DB_SQL(sql_moved_put,
	"INSERT INTO moved (source_id, item, message_id, flags) VALUES ($1, $2, $3, $4) "
	"ON CONFLICT (source_id, item) DO UPDATE SET message_id = $3, flags = $4");
DB_SQL(sql_moved_purge_next, "SELECT id FROM moved_source WHERE account_id = $1 LIMIT 1");
DB_SQL(sql_moved_purge_items,
	"DELETE FROM moved WHERE (source_id, item) IN (SELECT source_id, item FROM moved "
	"WHERE source_id = $1 LIMIT $2)");
DB_SQL(sql_moved_purge_source, "DELETE FROM moved_source WHERE id = $1");

struct moved_job {
	struct arena *a;
	uint64_t account_id, source_id, modseq;
	struct span name, after;
	uint32_t uidvalidity;
	struct moved_source *source;
	struct moved_item *items;
	const struct moved_item *noted;
	size_t count;
};

static int moved_source_write(struct db *db, void *arg, struct err *e)
{
	struct moved_job *j = arg;
	int64_t id, modseq = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_moved_source_find, &is_found, "iti:ii", (int64_t)j->account_id,
		    j->name, (int64_t)j->uidvalidity, &id, &modseq) < 0)
		return -1;
	if (!is_found) {
		id = (int64_t)store_new_id(store_of(db));
		if (db_run(db, e, &sql_moved_source_add, "iiti", id, (int64_t)j->account_id,
			    j->name, (int64_t)j->uidvalidity) < 0)
			return -1;
	}
	*j->source = (struct moved_source){(uint64_t)id, (uint64_t)modseq};
	return 0;
}

FIBER int moved_source(struct store *s, uint64_t account_id, struct span name, uint32_t uidvalidity,
	struct moved_source *source_r, struct err *e)
{
	struct moved_job j = {.account_id = account_id,
		.name = name,
		.uidvalidity = uidvalidity,
		.source = source_r};

	return store_write(s, "moved.source", moved_source_write, &j, e);
}

static int moved_seen_write(struct db *db, void *arg, struct err *e)
{
	struct moved_job *j = arg;

	return db_run(
		db, e, &sql_moved_source_seen, "ii", (int64_t)j->source_id, (int64_t)j->modseq);
}

FIBER int moved_seen(struct store *s, uint64_t source_id, uint64_t modseq, struct err *e)
{
	struct moved_job j = {.source_id = source_id, .modseq = modseq};

	return store_write(s, "moved.seen", moved_seen_write, &j, e);
}

static int moved_look_read(struct db *db, void *arg, struct err *e)
{
	struct moved_job *j = arg;

	for (size_t i = 0; i < j->count; i++) {
		struct moved_item *x = &j->items[i];
		int64_t message = 0, mailbox = 0, uid = 0;
		bool is_found;

		x->flags = SPAN_NONE;
		if (db_get(db, e, j->a, &sql_moved_look, &is_found, "ib:itii",
			    (int64_t)j->source_id, x->item, &message, &x->flags, &mailbox,
			    &uid) < 0)
			return -1;
		x->message_id = (uint64_t)message;
		x->mailbox_id = (uint64_t)mailbox;
		x->uid = (uint32_t)uid;
	}
	return 0;
}

FIBER int moved_look(struct store *s, struct arena *a, uint64_t source_id, struct moved_item *items,
	size_t count, struct err *e)
{
	struct moved_job j = {.a = a, .source_id = source_id, .items = items, .count = count};

	MUST(count <= MOVED_PAGE);
	return store_read(s, "moved.look", moved_look_read, &j, e);
}

static int moved_list_read(struct db *db, void *arg, struct err *e)
{
	struct moved_job *j = arg;
	struct db_stmt *st = db_query(db, e, &sql_moved_list, "ibi", (int64_t)j->source_id,
		j->after, (int64_t)MOVED_PAGE);
	bool is_row = false;
	int result = -1;

	j->count = 0;
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		struct moved_item *x = &j->items[j->count++];
		int64_t message;

		*x = (struct moved_item){0};
		db_cols(st, "bit", &x->item, &message, &x->flags);
		x->item = arena_span(j->a, x->item);
		x->flags = arena_span(j->a, x->flags);
		x->message_id = (uint64_t)message;
	}
	db_done(st);
	return result;
}

FIBER int moved_list(struct store *s, struct arena *a, uint64_t source_id, struct span after,
	struct moved_item **list_r, size_t *count_r, struct err *e)
{
	struct moved_job j = {.a = a, .source_id = source_id, .after = after};

	j.items = ARENA_ARRAY(a, struct moved_item, MOVED_PAGE);
	if (store_read(s, "moved.list", moved_list_read, &j, e) < 0)
		return -1;
	*list_r = j.items;
	*count_r = j.count;
	return 0;
}

int moved_put_tx(struct db *db, uint64_t source_id, const struct moved_item *item, struct err *e)
{
	return db_run(db, e, &sql_moved_put, "ibit", (int64_t)source_id, item->item,
		(int64_t)item->message_id, span_sub(item->flags, 0, MOVED_FLAGS_MAX));
}

static int moved_put_write(struct db *db, void *arg, struct err *e)
{
	struct moved_job *j = arg;

	for (size_t i = 0; i < j->count; i++)
		if (moved_put_tx(db, j->source_id, &j->noted[i], e) < 0)
			return -1;
	return 0;
}

FIBER int moved_put(struct store *s, uint64_t source_id, const struct moved_item *items,
	size_t count, struct err *e)
{
	struct moved_job j = {.source_id = source_id, .noted = items, .count = count};

	MUST(count <= MOVED_PAGE);
	return store_write(s, "moved.put", moved_put_write, &j, e);
}

int moved_purge_tx(struct db *db, uint64_t account_id, size_t max, bool *is_more_r, struct err *e)
{
	int64_t source = 0;

	if (db_get(db, e, NULL, &sql_moved_purge_next, is_more_r, "i:i", (int64_t)account_id,
		    &source) < 0)
		return -1;
	if (!*is_more_r)
		return 0;
	if (db_run(db, e, &sql_moved_purge_items, "ii", source, (int64_t)max) < 0)
		return -1;
	if (db_changes(db) == max)
		return 0;
	return db_run(db, e, &sql_moved_purge_source, "i", source);
}
