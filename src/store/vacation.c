#include "store/vacation.h"

#include "base/clock.h"
#include "store/object.h"
#include "store/store_priv.h"

DB_SQL(sql_vacation_get,
	"SELECT is_enabled, from_ns, to_ns, subject, text_body, html_body FROM vacation "
	"WHERE account_id = $1");
DB_SQL(sql_vacation_put,
	"INSERT INTO vacation (account_id, is_enabled, from_ns, to_ns, subject, text_body, "
	"html_body) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (account_id) DO UPDATE SET "
	"is_enabled = excluded.is_enabled, from_ns = excluded.from_ns, to_ns = excluded.to_ns, "
	"subject = excluded.subject, text_body = excluded.text_body, "
	"html_body = excluded.html_body");
/* A new answer is told to everybody again. */
DB_SQL(sql_vacation_forget, "DELETE FROM vacation_told WHERE account_id = $1");
DB_SQL(sql_vacation_note,
	"INSERT INTO vacation_due (message_id, account_id) SELECT $1, account_id FROM vacation "
	"WHERE account_id = $2 AND is_enabled = 1");
DB_SQL(sql_vacation_list,
	"SELECT message_id, account_id FROM vacation_due WHERE message_id > 0 ORDER BY message_id LIMIT 64");
DB_SQL(sql_vacation_letter,
	"SELECT m.blob_id, m.blob_octets, m.prefix, m.subject, m.received_ns FROM message m "
	"JOIN mailbox b ON b.id = m.mailbox_id WHERE m.id = $1 AND b.special_use <> '\\Junk'");
DB_SQL(sql_vacation_done, "DELETE FROM vacation_due WHERE message_id = $1");
DB_SQL(sql_vacation_told, "SELECT at_ns FROM vacation_told WHERE account_id = $1 AND address = $2");
DB_SQL(sql_vacation_tell,
	"INSERT INTO vacation_told (account_id, address, at_ns) VALUES ($1, $2, $3) "
	"ON CONFLICT (account_id, address) DO UPDATE SET at_ns = excluded.at_ns");

#define VACATION_SLICE 64

static int get_tx(struct db *db, struct arena *a, struct vacation *v, struct err *e)
{
	int64_t is_enabled = 0;
	bool is_found;

	if (db_get(db, e, a, &sql_vacation_get, &is_found, "i:iiittt", (int64_t)v->account_id,
		    &is_enabled, &v->from_ns, &v->to_ns, &v->subject, &v->text_body,
		    &v->html_body) < 0)
		return -1;
	v->is_enabled = is_enabled != 0;
	return 0;
}

struct vacation_look {
	struct arena *a;
	struct vacation *vacation;
	struct vacation_due *list;
	size_t count;
};

static int get_closure(struct db *db, void *arg, struct err *e)
{
	struct vacation_look *l = arg;

	return get_tx(db, l->a, l->vacation, e);
}

FIBER int vacation_get(
	struct store *s, struct arena *a, uint64_t account_id, struct vacation *v_r, struct err *e)
{
	struct vacation_look l = {.a = a, .vacation = v_r};

	*v_r = (struct vacation){.account_id = account_id};
	return store_read(s, "vacation.get", get_closure, &l, e);
}

static int put_tx(struct db *db, void *arg, struct err *e)
{
	const struct vacation *v = arg;

	if (db_run(db, e, &sql_vacation_put, "iiiittt", (int64_t)v->account_id,
		    (int64_t)v->is_enabled, v->from_ns, v->to_ns, v->subject, v->text_body,
		    v->html_body) < 0 ||
		db_run(db, e, &sql_vacation_forget, "i", (int64_t)v->account_id) < 0)
		return -1;
	return object_changed_tx(
		db, v->account_id, OBJECT_VACATION, v->account_id, OBJECT_UPDATED, NULL, e);
}

FIBER int vacation_put(struct store *s, const struct vacation *v, struct err *e)
{
	return store_write(s, "vacation.put", put_tx, (void *)v, e);
}

int vacation_note_tx(struct db *db, uint64_t account_id, uint64_t message_id, struct err *e)
{
	if (db_run(db, e, &sql_vacation_note, "ii", (int64_t)message_id, (int64_t)account_id) < 0)
		return -1;
	if (db_changes(db))
		store_changed(db, STORE_DUE);
	return 0;
}

/* ---- what wants an answer ---- */

static int read_ids(struct db *db, struct vacation_look *l, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_vacation_list, "");
	bool is_row = false;
	int rc = st ? 0 : -1;

	while (st && l->count < VACATION_SLICE && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		int64_t message, account;

		db_cols(st, "ii", &message, &account);
		l->list[l->count++] = (struct vacation_due){
			.message_id = (uint64_t)message, .account_id = (uint64_t)account};
	}
	db_done(st);
	return rc;
}

static int due_tx(struct db *db, void *arg, struct err *e)
{
	struct vacation_look *l = arg;

	l->count = 0;
	if (read_ids(db, l, e) < 0)
		return -1;
	for (size_t i = 0; i < l->count; i++) {
		struct vacation_due *d = &l->list[i];
		int64_t blob = 0, octets = 0;

		d->vacation.account_id = d->account_id;
		if (get_tx(db, l->a, &d->vacation, e) < 0 ||
			db_get(db, e, l->a, &sql_vacation_letter, &d->is_there, "i:iibti",
				(int64_t)d->message_id, &blob, &octets, &d->prefix, &d->subject,
				&d->received_ns) < 0)
			return -1;
		d->blob_id = (uint64_t)blob;
		d->blob_len = (uint64_t)octets;
	}
	return 0;
}

FIBER int vacation_due(struct store *s, struct arena *a, struct vacation_due **list_r,
	size_t *count_r, struct err *e)
{
	struct vacation_look l = {
		.a = a, .list = ARENA_ARRAY(a, struct vacation_due, VACATION_SLICE)};
	int rc = store_read(s, "vacation.due", due_tx, &l, e);

	*list_r = l.list;
	*count_r = l.count;
	return rc;
}

struct settling {
	const struct vacation_due *due;
	struct span address;
	int64_t now_ns;
	bool may;
};

static int settle_tx(struct db *db, void *arg, struct err *e)
{
	struct settling *x = arg;
	int64_t at_ns = 0, account = (int64_t)x->due->account_id;
	bool is_found = false;

	x->may = false;
	if (db_run(db, e, &sql_vacation_done, "i", (int64_t)x->due->message_id) < 0)
		return -1;
	if (!x->address.len)
		return 0;
	if (db_get(db, e, NULL, &sql_vacation_told, &is_found, "it:i", account, x->address,
		    &at_ns) < 0)
		return -1;
	if (is_found && at_ns > x->now_ns - VACATION_TOLD_NS)
		return 0;
	x->may = true;
	return db_run(db, e, &sql_vacation_tell, "iti", account, x->address, x->now_ns);
}

FIBER int vacation_settle(struct store *s, const struct vacation_due *due, struct span address,
	int64_t now_ns, bool *may_r, struct err *e)
{
	struct settling x = {.due = due, .address = address, .now_ns = now_ns};
	int rc = store_write(s, "vacation.settle", settle_tx, &x, e);

	*may_r = rc == 0 && x.may;
	return rc;
}
