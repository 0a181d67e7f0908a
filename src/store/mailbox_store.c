#include "store/mailbox.h"

#include "store/blob.h"
#include "store/mailbox_priv.h"

/* --- flags --------------------------------------------------------------------------------- */

/* One MODSEQ for all that one closure changes (RFC 7162 section 3.1 allows it): the account's
 * counter moves once, and each changed message and the mailbox take its value. */
DB_SQL(sql_mailbox_bump,
	"UPDATE account SET modseq = modseq + 1 WHERE id = "
	"(SELECT account_id FROM mailbox WHERE id = $1) RETURNING modseq, id");
DB_SQL(sql_mailbox_modseq,
	"UPDATE mailbox SET highest_modseq = $2, messages = messages + $3, unseen = unseen + $4, "
	"octets = octets + $5 WHERE id = $1");
DB_SQL(sql_message_flags_get, "SELECT flags FROM message WHERE mailbox_id = $1 AND uid = $2");
DB_SQL(sql_message_flags_set,
	"UPDATE message SET flags = $3, modseq = $4 WHERE mailbox_id = $1 AND uid = $2");

struct mailbox_flag_change {
	uint64_t mailbox_id;
	const uint32_t *uids;
	size_t count;
	unsigned add, remove;
	uint64_t modseq;
};

static int mailbox_bump(struct db *db, uint64_t mailbox_id, int64_t *modseq_r, struct err *e)
{
	int64_t account_id = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_mailbox_bump, &is_found, "i:ii", (int64_t)mailbox_id, modseq_r,
		    &account_id) < 0)
		return -1;
	store_changed_mailbox(db, (uint64_t)account_id, mailbox_id);
	return is_found ? 0 : err_set(e, ERR_NOT_FOUND, "the mailbox is gone");
}

static int mailbox_flag_slice(struct db *db, void *arg, struct err *e)
{
	struct mailbox_flag_change *c = arg;
	int64_t modseq = 0, unseen = 0;

	for (size_t i = 0; i < c->count; i++) {
		int64_t flags = 0, now;
		bool is_found;

		if (db_get(db, e, NULL, &sql_message_flags_get, &is_found, "ii:i",
			    (int64_t)c->mailbox_id, (int64_t)c->uids[i], &flags) < 0)
			return -1;
		now = (flags & ~(int64_t)c->remove) | (int64_t)c->add;
		if (!is_found || now == flags)
			continue;
		if (modseq == 0 && mailbox_bump(db, c->mailbox_id, &modseq, e) < 0)
			return -1;
		if (db_run(db, e, &sql_message_flags_set, "iiii", (int64_t)c->mailbox_id,
			    (int64_t)c->uids[i], now, modseq) < 0)
			return -1;
		unseen += !(now & MAILBOX_SEEN) - !(flags & MAILBOX_SEEN);
	}
	if (modseq == 0)
		return 0;
	if (db_run(db, e, &sql_mailbox_modseq, "iiiii", (int64_t)c->mailbox_id, modseq, (int64_t)0,
		    unseen, (int64_t)0) < 0)
		return -1;
	c->modseq = (uint64_t)modseq;
	return 0;
}

FIBER int mailbox_flags(struct store *s, uint64_t mailbox_id, const uint32_t *uids, size_t count,
	unsigned add, unsigned remove, uint64_t *modseq_r, struct err *e)
{
	struct mailbox_flag_change c = {.mailbox_id = mailbox_id, .add = add, .remove = remove};

	for (size_t done = 0; done < count; done += c.count) {
		c.uids = uids + done;
		c.count = count - done < MAILBOX_SLICE ? count - done : MAILBOX_SLICE;
		if (store_write(s, "mailbox.flags", mailbox_flag_slice, &c, e) < 0)
			return -1;
	}
	if (modseq_r)
		*modseq_r = c.modseq;
	return 0;
}

/* --- expunge ------------------------------------------------------------------------------- */

DB_SQL(sql_message_first, "SELECT uid FROM message WHERE mailbox_id = $1 ORDER BY uid LIMIT $2");
DB_SQL(sql_message_expunge,
	"DELETE FROM message WHERE mailbox_id = $1 AND uid = $2 "
	"RETURNING id, blob_id, blob_octets, size, flags");
DB_SQL(sql_tombstone_add,
	"INSERT INTO tombstone (mailbox_id, modseq, uid, message_id) VALUES ($1, $2, $3, $4)");
DB_SQL(sql_account_usage,
	"UPDATE account SET messages = messages + $2, octets = octets + $3 WHERE id = "
	"(SELECT account_id FROM mailbox WHERE id = $1)");

struct mailbox_expunge {
	uint64_t mailbox_id;
	const uint32_t *uids; /* NULL: the first of the mailbox */
	size_t count;
	uint32_t own[MAILBOX_SLICE];
	uint64_t expunged; /* by this slice */
};

static int mailbox_expunge_uids(struct db *db, struct mailbox_expunge *x, struct err *e)
{
	struct db_stmt *st = db_query(
		db, e, &sql_message_first, "ii", (int64_t)x->mailbox_id, (int64_t)MAILBOX_SLICE);
	bool is_row = false;
	int result = -1;

	x->count = 0;
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row)
		x->own[x->count++] = (uint32_t)db_col_i64(st, 0);
	db_done(st);
	return result;
}

struct mailbox_delta {
	int64_t modseq, messages, unseen, octets;
};

static int mailbox_expunge_one(
	struct db *db, uint64_t mailbox_id, uint32_t uid, struct mailbox_delta *d, struct err *e)
{
	int64_t id, blob, octets, size, flags;
	bool is_found;

	if (db_get(db, e, NULL, &sql_message_expunge, &is_found, "ii:iiiii", (int64_t)mailbox_id,
		    (int64_t)uid, &id, &blob, &octets, &size, &flags) < 0)
		return -1;
	if (!is_found)
		return 0;
	if (d->modseq == 0 && mailbox_bump(db, mailbox_id, &d->modseq, e) < 0)
		return -1;
	if (db_run(db, e, &sql_tombstone_add, "iiii", (int64_t)mailbox_id, d->modseq, (int64_t)uid,
		    id) < 0 ||
		blob_unref_tx(db, (uint64_t)blob, (uint64_t)octets, NULL, e) < 0)
		return -1;
	d->messages--;
	d->octets -= size;
	d->unseen -= !(flags & MAILBOX_SEEN);
	return 0;
}

static int mailbox_expunge_slice(struct db *db, void *arg, struct err *e)
{
	struct mailbox_expunge *x = arg;
	struct mailbox_delta d = {0};
	const uint32_t *uids = x->uids ? x->uids : x->own;

	x->expunged = 0;
	if (!x->uids && mailbox_expunge_uids(db, x, e) < 0)
		return -1;
	for (size_t i = 0; i < x->count; i++)
		if (mailbox_expunge_one(db, x->mailbox_id, uids[i], &d, e) < 0)
			return -1;
	if (d.messages == 0)
		return 0;
	if (db_run(db, e, &sql_mailbox_modseq, "iiiii", (int64_t)x->mailbox_id, d.modseq,
		    d.messages, d.unseen, d.octets) < 0 ||
		db_run(db, e, &sql_account_usage, "iii", (int64_t)x->mailbox_id, d.messages,
			d.octets) < 0)
		return -1;
	store_count(db, STORE_COUNT_MESSAGES, d.messages);
	x->expunged = (uint64_t)-d.messages;
	return 0;
}

FIBER int mailbox_expunge(struct store *s, uint64_t mailbox_id, const uint32_t *uids, size_t count,
	uint64_t *expunged_r, struct err *e)
{
	struct mailbox_expunge x = {.mailbox_id = mailbox_id};
	uint64_t total = 0;
	size_t done = 0;

	do {
		if (uids) {
			x.uids = uids + done;
			x.count = count - done < MAILBOX_SLICE ? count - done : MAILBOX_SLICE;
		}
		if (store_write(s, "mailbox.expunge", mailbox_expunge_slice, &x, e) < 0)
			return -1;
		total += x.expunged;
		done += x.count;
	} while (uids ? done < count : x.expunged > 0);
	if (expunged_r)
		*expunged_r = total;
	return 0;
}
