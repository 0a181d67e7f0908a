/* Letters that wait for their time lie in the mailbox for such (\Scheduled); once they are on their way they lie in
 * Sent. What is found is worked off again after a crash. */

#include "store/mailbox.h"
#include "store/outbox.h"

#define SENT "Sent" /* made where there is none */

/* '\Scheduled' stands in the index mailbox_scheduled, too */
DB_SQL(sql_over,
	"SELECT b.account_id, b.id, m.uid FROM mailbox b CROSS JOIN message m "
	"WHERE m.mailbox_id = b.id AND b.id > 0 AND b.special_use = '\\Scheduled' AND b.messages > 0 "
	"AND EXISTS (SELECT 1 FROM email_submission s WHERE s.account_id = b.account_id "
	"AND s.email_id = m.email_id AND s.undo = 1) "
	"AND NOT EXISTS (SELECT 1 FROM email_submission s WHERE s.account_id = b.account_id "
	"AND s.email_id = m.email_id AND s.undo = 0) LIMIT 256");
DB_SQL(sql_sent,
	"SELECT id FROM mailbox WHERE account_id = $1 AND special_use = '\\Sent' "
	"AND special_use <> ''");

struct over {
	struct outbox_over *list;
	size_t count;
};

static int over_tx(struct db *db, void *arg, struct err *e)
{
	struct over *o = arg;
	struct db_stmt *st = db_query(db, e, &sql_over, "");
	bool is_row = false;
	int rc = st ? 0 : -1;

	o->count = 0;
	while (st && o->count < OUTBOX_OVER_MAX && (rc = db_step(st, &is_row, e)) == 0 && is_row)
		o->list[o->count++] = (struct outbox_over){
			.account_id = (uint64_t)db_col_i64(st, 0),
			.mailbox_id = (uint64_t)db_col_i64(st, 1),
			.uid = (uint32_t)db_col_i64(st, 2)};
	db_done(st);
	return rc;
}

FIBER int outbox_over(struct store *s, struct arena *a, struct outbox_over **list_r,
	size_t *count_r, struct err *e)
{
	struct over o = {.list = ARENA_ARRAY(a, struct outbox_over, OUTBOX_OVER_MAX)};
	int rc = store_read(s, "outbox.over", over_tx, &o, e);

	*list_r = o.list;
	*count_r = o.count;
	return rc;
}

struct sent_look {
	uint64_t account_id;
	int64_t id;
	bool is_there;
};

static int sent_tx(struct db *db, void *arg, struct err *e)
{
	struct sent_look *l = arg;

	return db_get(db, e, NULL, &sql_sent, &l->is_there, "i:i", (int64_t)l->account_id, &l->id);
}

FIBER int outbox_to_sent(struct store *s, const struct outbox_over *o, struct err *e)
{
	struct sent_look l = {.account_id = o->account_id};
	struct uid_range range = {o->uid, o->uid};
	struct arena *a = arena_new();
	struct mailbox_copy op = {.from_id = o->mailbox_id,
		.ranges = &range,
		.range_count = 1,
		.is_move = true,
		.arena = a};
	int rc = store_read(s, "outbox.sent", sent_tx, &l, e);

	op.to_id = (uint64_t)l.id;
	if (rc == 0 && !l.is_there)
		rc = mailbox_create(s, o->account_id, SPAN(SENT), SPAN("\\Sent"), &op.to_id, e);
	if (rc == 0)
		rc = mailbox_copy(s, &op, e);
	arena_free(&a);
	return rc;
}
