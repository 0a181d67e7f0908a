/* Expunging many messages in few statements: rows move to `expunged` or go for good, tombstones stay. */

#include "store/mailbox.h"

#include "base/clock.h"
#include "run/loop.h"
#include "store/blob.h"
#include "store/facts.h"
#include "store/mailbox_priv.h"

#define EXPUNGE_ROWS 64

/* $4: flags that it must have */
#define EXPUNGE_RANGE "m.mailbox_id = $1 AND m.uid >= $2 AND m.uid <= $3 AND (m.flags & $4) = $4"
DB_SQL(sql_expunge_rows,
	"SELECT m.uid, m.n, m.account_id, m.flags, m.size, m.blob_id, m.blob_octets FROM message m "
	"WHERE " EXPUNGE_RANGE " ORDER BY m.uid LIMIT $5");
DB_SQL(sql_expunge_keep,
	"INSERT INTO expunged (id, account_id, mailbox_id, folder, uid, n, email_id, thread_id, "
	"flags, keywords, received_ns, saved_ns, expunged_ns, blob_id, blob_octets, size, subject, "
	"sender, prefix) SELECT m.id, m.account_id, m.mailbox_id, b.name, m.uid, m.n, m.email_id, "
	"m.thread_id, m.flags, m.keywords, m.received_ns, m.saved_ns, $5, m.blob_id, m.blob_octets, "
	"m.size, m.subject, m.sender, m.prefix FROM mailbox b CROSS JOIN message m "
	"WHERE b.id = $1 AND " EXPUNGE_RANGE);
DB_SQL(sql_expunge_tombs,
	"INSERT INTO tombstone (mailbox_id, modseq, uid, message_id, account_id) SELECT "
	"m.mailbox_id, $5, m.uid, m.id, m.account_id FROM message m WHERE " EXPUNGE_RANGE);
DB_SQL(sql_expunge_rows_go,
	"DELETE FROM message WHERE mailbox_id = $1 AND uid >= $2 AND uid <= $3 AND "
	"(flags & $4) = $4");

struct expunge_row {
	int64_t uid, n, account_id, flags, size, blob_id, octets;
};

struct expunging {
	struct mailbox_expunge_op *op;
	const struct uid_range *ranges;
	size_t range_count;
	int64_t now_ns, must_have;
	bool keeps;
	struct uid_cursor done, now;
	bool is_over;
	struct mailbox_tally tally;
	struct expunge_row rows[EXPUNGE_ROWS];
	size_t row_count;
};

static int read_rows(struct db *db, struct expunging *x, struct uid_range range, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_expunge_rows, "iiiii", (int64_t)x->op->mailbox_id,
		(int64_t)range.first, (int64_t)range.last, x->must_have, (int64_t)EXPUNGE_ROWS);
	bool is_row = false;
	int rc = -1;

	x->row_count = 0;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct expunge_row *r = &x->rows[x->row_count++];

		db_cols(st, "iiiiiii", &r->uid, &r->n, &r->account_id, &r->flags, &r->size,
			&r->blob_id, &r->octets);
	}
	db_done(st);
	return rc;
}

static int take_row(struct db *db, struct expunging *x, const struct expunge_row *r, struct err *e)
{
	struct mailbox_tally *t = &x->tally;

	t->messages--;
	t->octets -= r->size;
	t->unseen -= !(r->flags & MAILBOX_SEEN);
	if (r->flags & MAILBOX_DELETED) {
		t->deleted--;
		t->deleted_octets -= r->size;
	}
	if (x->keeps)
		return 0;
	return facts_gone_tx(db, (uint64_t)r->account_id, (uint64_t)r->n, e) < 0
		? -1
		: blob_unref_tx(db, (uint64_t)r->blob_id, (uint64_t)r->octets, NULL, e);
}

/* The rows that were read are all of their range that go. */
static int take_rows(struct db *db, struct expunging *x, struct err *e)
{
	int64_t box = (int64_t)x->op->mailbox_id, first = x->rows[0].uid,
		last = x->rows[x->row_count - 1].uid;

	if (!x->tally.modseq && mailbox_bump_tx(db, x->op->mailbox_id, &x->tally.modseq, e) < 0)
		return -1;
	if ((x->keeps &&
		    db_run(db, e, &sql_expunge_keep, "iiiii", box, first, last, x->must_have,
			    x->now_ns) < 0) ||
		db_run(db, e, &sql_expunge_tombs, "iiiii", box, first, last, x->must_have,
			x->tally.modseq) < 0 ||
		db_run(db, e, &sql_expunge_rows_go, "iiii", box, first, last, x->must_have) < 0)
		return -1;
	for (size_t i = 0; i < x->row_count; i++)
		if (take_row(db, x, &x->rows[i], e) < 0)
			return -1;
	x->now.after = (uint32_t)last;
	return 0;
}

static int expunge_slice(struct db *db, void *arg, struct err *e)
{
	struct expunging *x = arg;
	int64_t end = clock_mono_ns() + MAILBOX_SLICE_NS;
	struct uid_range range;

	x->now = x->done;
	x->tally = (struct mailbox_tally){0};
	x->is_over = false;
	do {
		if (!uid_cursor_range(&x->now, x->ranges, x->range_count, &range)) {
			x->is_over = true;
			break;
		}
		if (read_rows(db, x, range, e) < 0 || (x->row_count && take_rows(db, x, e) < 0))
			return -1;
		if (x->row_count < EXPUNGE_ROWS)
			x->now.at++;
	} while (clock_mono_ns() < end);
	return x->tally.modseq ? mailbox_tally_tx(db, x->op->mailbox_id, &x->tally, e) : 0;
}

static struct expunging *begin(struct arena *a, struct mailbox_expunge_op *op, int64_t now_ns)
{
	static const struct uid_range all = {1, UINT32_MAX};
	struct expunging *x = ARENA_NEW(a, struct expunging);

	x->op = op;
	x->now_ns = now_ns;
	x->ranges = op->ranges ? op->ranges : &all;
	x->range_count = op->ranges ? op->range_count : 1;
	x->must_have = op->is_deleted_only ? MAILBOX_DELETED : 0;
	x->keeps = op->keep_until_ns > (uint64_t)x->now_ns;
	op->expunged = op->modseq = 0;
	return x;
}

/* What the last slice has done stays done. */
static void keep_slice(struct expunging *x)
{
	x->done = x->now;
	x->op->expunged += (uint64_t)-x->tally.messages;
	if (x->tally.modseq)
		x->op->modseq = (uint64_t)x->tally.modseq;
}

FIBER int mailbox_expunge_ranges(struct store *s, struct mailbox_expunge_op *op, struct err *e)
{
	struct arena *a = arena_new();
	struct expunging *x = begin(a, op, loop_wall_ns());
	int rc = 0;

	while (rc == 0 && !x->is_over) {
		rc = store_write(s, "mailbox.expunge", expunge_slice, x, e);
		if (rc == 0)
			keep_slice(x);
	}
	arena_free(&a);
	return rc;
}

int mailbox_expunge_tx(struct db *db, struct mailbox_expunge_op *op, int64_t now_ns, struct err *e)
{
	struct arena *a = arena_new();
	struct expunging *x = begin(a, op, now_ns);
	int rc = 0;

	while (rc == 0 && !x->is_over) {
		rc = expunge_slice(db, x, e);
		if (rc == 0)
			keep_slice(x);
	}
	arena_free(&a);
	return rc;
}

FIBER int mailbox_expunge(struct store *s, uint64_t mailbox_id, const uint32_t *uids, size_t count,
	uint64_t *expunged_r, struct err *e)
{
	struct arena *a = arena_new();
	struct mailbox_expunge_op op = {.mailbox_id = mailbox_id,
		.ranges = uids ? uid_ranges_of(a, uids, count) : NULL,
		.range_count = count};
	int rc = mailbox_expunge_ranges(s, &op, e);

	if (rc == 0 && expunged_r)
		*expunged_r = op.expunged;
	arena_free(&a);
	return rc;
}
