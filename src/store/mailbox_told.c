/* What changes of mailboxes themselves (names, uses, rights, subscriptions, order) is told of as changes of objects
 * (object.h), whoever changes it. Also what IMAP has no word for: their order, and another special use. */

#include "store/mailbox_priv.h"

/* '0' stands behind '/': all names that begin with "name/". */
DB_SQL(sql_told_below,
	"SELECT id FROM mailbox WHERE account_id = $1 AND name > $2 AND name < $3 ORDER BY name "
	"LIMIT 10000");
DB_SQL(sql_order_list,
	"SELECT id, sort_order, name FROM mailbox WHERE account_id = $1 AND name > $2 AND "
	"sort_order > 0 ORDER BY name LIMIT 256");
DB_SQL(sql_order_set, "UPDATE mailbox SET sort_order = $2 WHERE id = $1");
DB_SQL(sql_use_of,
	"SELECT id FROM mailbox WHERE account_id = $1 AND special_use = $2 AND id <> $3");
DB_SQL(sql_use_set, "UPDATE mailbox SET special_use = $2 WHERE id = $1");

int mailbox_told_tx(
	struct db *db, uint64_t account_id, uint64_t mailbox_id, enum object_how how, struct err *e)
{
	return object_changed_tx(db, account_id, OBJECT_MAILBOX, mailbox_id, how, NULL, e);
}

int mailbox_told_named_tx(struct db *db, uint64_t account_id, struct span name, struct err *e)
{
	struct arena *a = arena_new();
	struct mailbox_info info;
	bool is_found;
	int rc = mailbox_seen_tx(db, a, account_id, name, &info, &is_found, e);

	if (rc == 0 && is_found)
		rc = mailbox_told_tx(db, info.account_id, info.id, OBJECT_UPDATED, e);
	arena_free(&a);
	return rc;
}

int mailbox_told_below_tx(
	struct db *db, struct arena *a, uint64_t account_id, struct span name, struct err *e)
{
	struct span from = mailbox_spanf(a, SPAN_FMT "/", SPAN_ARG(name));
	struct span to = mailbox_spanf(a, SPAN_FMT "0", SPAN_ARG(name));
	struct db_stmt *st = db_query(db, e, &sql_told_below, "itt", (int64_t)account_id, from, to);
	struct buf *ids = arena_buf(a, 10000 * sizeof(int64_t));
	const int64_t *list;
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		int64_t id = db_col_i64(st, 0);

		buf_put(ids, &id, sizeof(id));
	}
	db_done(st);
	list = (const int64_t *)(const void *)buf_span(ids).ptr;
	for (size_t i = 0; rc == 0 && i < buf_len(ids) / sizeof(*list); i++)
		rc = mailbox_told_tx(db, account_id, (uint64_t)list[i], OBJECT_UPDATED, e);
	return rc;
}

/* ---- order, use ---- */

struct told_deed {
	struct arena *a;
	uint64_t mailbox_id, account_id;
	int64_t order;
	struct span use, after;
	struct mailbox_order *list;
	size_t count, room;
};

static int orders_read(struct db *db, void *arg, struct err *e)
{
	struct told_deed *d = arg;
	struct db_stmt *st = db_query(
		db, e, &sql_order_list, "it", (int64_t)d->account_id, d->after);
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		if (d->count == d->room) {
			size_t room = d->room + 256;
			struct mailbox_order *more = ARENA_ARRAY(d->a, struct mailbox_order, room);

			for (size_t i = 0; i < d->count; i++)
				more[i] = d->list[i];
			d->list = more;
			d->room = room;
		}
		d->list[d->count++] = (struct mailbox_order){
			(uint64_t)db_col_i64(st, 0), (uint32_t)db_col_i64(st, 1) - 1};
		d->after = arena_span(d->a, db_col_span(st, 2));
	}
	db_done(st);
	return rc;
}

FIBER int mailbox_orders(struct store *s, struct arena *a, uint64_t account_id,
	struct mailbox_order **list_r, size_t *count_r, struct err *e)
{
	struct told_deed d = {.a = a, .account_id = account_id, .after = SPAN("")};
	size_t before;

	do {
		before = d.count;
		if (store_read(s, "mailbox.orders", orders_read, &d, e) < 0)
			return -1;
	} while (d.count - before == STORE_PAGE_ROWS);
	*list_r = d.list;
	*count_r = d.count;
	return 0;
}

static int told_box(struct db *db, struct told_deed *d, struct err *e)
{
	struct mailbox_info info;
	bool is_there = false;

	if (mailbox_by_id_tx(db, d->a, d->mailbox_id, &info, &is_there, e) < 0)
		return -1;
	d->account_id = info.account_id;
	return is_there ? 0 : err_set(e, ERR_NOT_FOUND, "there is no such mailbox");
}

static int order_write(struct db *db, void *arg, struct err *e)
{
	struct told_deed *d = arg;

	/* 0 in the table: nobody has said one */
	if (told_box(db, d, e) < 0 ||
		db_run(db, e, &sql_order_set, "ii", (int64_t)d->mailbox_id, d->order + 1) < 0)
		return -1;
	return mailbox_told_tx(db, d->account_id, d->mailbox_id, OBJECT_UPDATED, e);
}

FIBER int mailbox_order_set(struct store *s, uint64_t mailbox_id, uint32_t order, struct err *e)
{
	struct told_deed d = {.a = arena_new(), .mailbox_id = mailbox_id, .order = order};
	int rc = store_write(s, "mailbox.order", order_write, &d, e);

	arena_free(&d.a);
	return rc;
}

static int use_write(struct db *db, void *arg, struct err *e)
{
	struct told_deed *d = arg;
	bool is_taken = false;

	if (told_box(db, d, e) < 0)
		return -1;
	if (d->use.len &&
		db_get(db, e, NULL, &sql_use_of, &is_taken, "iti:-", (int64_t)d->account_id, d->use,
			(int64_t)d->mailbox_id) < 0)
		return -1;
	if (is_taken)
		return err_set(e, ERR_EXISTS, "there is a mailbox with the use " SPAN_FMT,
			SPAN_ARG(d->use));
	if (db_run(db, e, &sql_use_set, "it", (int64_t)d->mailbox_id, d->use) < 0)
		return -1;
	return mailbox_told_tx(db, d->account_id, d->mailbox_id, OBJECT_UPDATED, e);
}

FIBER int mailbox_use_set(
	struct store *s, uint64_t mailbox_id, struct span special_use, struct err *e)
{
	struct told_deed d = {.a = arena_new(), .mailbox_id = mailbox_id, .use = special_use};
	int rc = store_write(s, "mailbox.use", use_write, &d, e);

	arena_free(&d.a);
	return rc;
}

static int touch_write(struct db *db, void *arg, struct err *e)
{
	struct told_deed *d = arg;

	return told_box(db, d, e) < 0
		? -1
		: mailbox_told_tx(db, d->account_id, d->mailbox_id, OBJECT_UPDATED, e);
}

FIBER int mailbox_touch(struct store *s, uint64_t mailbox_id, struct err *e)
{
	struct told_deed d = {.a = arena_new(), .mailbox_id = mailbox_id};
	int rc = store_write(s, "mailbox.touch", touch_write, &d, e);

	arena_free(&d.a);
	return rc;
}
