/* COPY and MOVE. A copy is a new row that refers to the same body; a move within an account takes the row
 * over, which keeps its id, its number and what it is called (EMAILID); into another account it is a copy
 * and an end. */

#include "store/mailbox.h"

#include "run/loop.h"
#include "store/blob.h"
#include "store/facts.h"
#include "store/mailbox_priv.h"

#define UID_MAX 4294967295LL /* RFC 9051 section 2.3.1.1 */

DB_SQL(sql_copy_rows,
	"SELECT id, uid, flags, size, keywords, blob_id, blob_octets, n, email_id, thread_id "
	"FROM message WHERE mailbox_id = $1 AND uid >= $2 AND uid <= $3 ORDER BY uid LIMIT $4");
DB_SQL(sql_copy_room,
	"SELECT octets, messages, quota_octets, quota_messages, modseq FROM account "
	"WHERE id = $1 AND removed_ns = 0");
DB_SQL(sql_copy_modseq, "UPDATE account SET modseq = modseq + $2 WHERE id = $1");
DB_SQL(sql_copy_uids, "UPDATE mailbox SET uidnext = uidnext + $2 WHERE id = $1");
DB_SQL(sql_copy_row,
	"INSERT INTO message (id, mailbox_id, uid, modseq, flags, received_ns, blob_id, "
	"blob_octets, size, keywords, subject, sender, prefix, account_id, n, email_id, thread_id, "
	"saved_ns) SELECT $2, $3, $4, $5, $11, received_ns, blob_id, blob_octets, size, $6, "
	"subject, sender, prefix, $7, $5, $8, $9, $10 FROM message WHERE id = $1");
DB_SQL(sql_move_row,
	"UPDATE message SET mailbox_id = $2, uid = $3, modseq = $4, keywords = $5, saved_ns = $6, "
	"flags = $7 WHERE id = $1");
DB_SQL(sql_move_tomb,
	"INSERT INTO tombstone (mailbox_id, modseq, uid, message_id, account_id) "
	"VALUES ($1, $2, $3, $4, $5)");
DB_SQL(sql_move_gone, "DELETE FROM message WHERE id = $1");

struct copy_row {
	int64_t id, uid, flags, size, blob_id, octets, n, email_id, thread_id;
	int64_t flags_there;
	struct span keywords;
};

struct copying {
	struct mailbox_copy *op;
	int64_t now_ns;
	bool is_over_quota; /* result: told to the fiber, for the writer takes ERR_FULL as the disk's */
	struct uid_cursor done, now;
	size_t count_done, cap;
	uint32_t last; /* what came later is not copied: it may be what this copy has made itself */
	/* of this closure */
	struct arena *a;
	struct mailbox_info from, to;
	bool is_same_account, is_row_moved; /* the row itself goes over */
	struct copy_row *rows;
	size_t row_count;
	int64_t octets, modseq, uid;
	struct span words,
		words_there; /* how keywords are spelt there, of the last row that had some */
	struct mailbox_tally out, in;
};

/* ---- what there is ---- */

static int read_range(struct db *db, struct copying *x, struct uid_range range, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_copy_rows, "iiii", (int64_t)x->op->from_id,
		(int64_t)range.first, (int64_t)(range.last < x->last ? range.last : x->last),
		(int64_t)(MAILBOX_COPY_AT_ONCE - x->row_count));
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct copy_row *r = &x->rows[x->row_count++];

		db_cols(st, "iiiitiiiii", &r->id, &r->uid, &r->flags, &r->size, &r->keywords,
			&r->blob_id, &r->octets, &r->n, &r->email_id, &r->thread_id);
		r->flags_there = r->flags & ~(int64_t)x->op->flags_dropped;
		r->keywords = r->keywords.len && !(x->op->flags_dropped & MAILBOX_FLAGGED)
			? arena_span(x->a, r->keywords)
			: SPAN("");
		x->octets += r->size;
		x->now.after = (uint32_t)r->uid;
	}
	db_done(st);
	return rc;
}

static int read_rows(struct db *db, struct copying *x, struct err *e)
{
	struct uid_range range;

	x->rows = ARENA_ARRAY(x->a, struct copy_row, MAILBOX_COPY_AT_ONCE);
	x->row_count = 0;
	x->octets = 0;
	while (x->row_count < MAILBOX_COPY_AT_ONCE &&
		uid_cursor_range(&x->now, x->op->ranges, x->op->range_count, &range)) {
		if (read_range(db, x, range, e) < 0)
			return -1;
		if (x->row_count < MAILBOX_COPY_AT_ONCE)
			x->now.at++;
	}
	return 0;
}

static int find_boxes(struct db *db, struct copying *x, struct err *e)
{
	bool is_found = false;

	if (mailbox_by_id_tx(db, x->a, x->op->from_id, &x->from, &is_found, e) < 0)
		return -1;
	if (!is_found)
		return err_set(e, ERR_NOT_FOUND, "the mailbox is gone");
	if (mailbox_by_id_tx(db, x->a, x->op->to_id, &x->to, &is_found, e) < 0)
		return -1;
	if (!is_found)
		return err_set(e, ERR_NOT_FOUND, "the mailbox it should go to is gone");
	if (!x->count_done)
		x->last = (uint32_t)(x->from.uidnext - 1);
	x->is_same_account = x->from.account_id == x->to.account_id;
	x->is_row_moved = x->op->is_move && x->is_same_account;
	x->op->uidvalidity = x->to.uidvalidity;
	return 0;
}

/* Asked before anything is written: what is refused costs the group nothing. */
static int ask_room(struct db *db, struct copying *x, struct err *e)
{
	int64_t octets = 0, messages = 0, quota = 0, quota_messages = 0;
	int64_t count = (int64_t)x->row_count;
	bool is_found;

	if (db_get(db, e, NULL, &sql_copy_room, &is_found, "i:iiiii", (int64_t)x->to.account_id,
		    &octets, &messages, &quota, &quota_messages, &x->modseq) < 0)
		return -1;
	if (!is_found)
		return err_set(e, ERR_NOT_FOUND, "the account it should go to is gone");
	x->is_over_quota = !x->is_row_moved && count &&
		((quota > 0 && octets + x->octets > quota) ||
			(quota_messages > 0 && messages + count > quota_messages));
	x->uid = x->to.uidnext;
	if (x->uid + count - 1 > UID_MAX)
		return err_set(e, ERR_LIMIT, "the mailbox has used all its UIDs");
	return x->is_over_quota ? err_set(e, ERR_LIMIT, "it would be over its quota") : 0;
}

/* ---- one message ---- */

static void count_row(
	struct mailbox_tally *t, const struct copy_row *r, int64_t flags, int64_t sign)
{
	t->messages += sign;
	t->octets += sign * r->size;
	t->unseen += sign * !(flags & MAILBOX_SEEN);
	if (flags & MAILBOX_DELETED) {
		t->deleted += sign;
		t->deleted_octets += sign * r->size;
	}
}

/* Those that the other mailbox has no room for are left out: the message counts more. */
static int spell_words(struct db *db, struct copying *x, struct span words, struct err *e)
{
	struct span *list = ARENA_ARRAY(x->a, struct span, MAILBOX_KEYWORDS_MAX), rest = words;
	struct err why = {0};
	size_t n = 0;

	if (x->op->from_id == x->op->to_id || !words.len) {
		x->words = x->words_there = words;
		return 0;
	}
	if (x->words.len && span_eq(words, x->words))
		return 0;
	while (rest.len && n < MAILBOX_KEYWORDS_MAX)
		span_cut(rest, ' ', &list[n++], &rest);
	x->words = words;
	x->words_there = SPAN("");
	if (mailbox_keywords_tx(db, x->a, x->op->to_id, list, n, &x->words_there, &why) == 0 ||
		why.code == ERR_LIMIT)
		return 0;
	return err_copy(e, &why);
}

static int copy_row(struct db *db, struct copying *x, const struct copy_row *r, uint64_t id,
	int64_t modseq, struct err *e)
{
	if (db_run(db, e, &sql_copy_row, "iiiiitiiiii", r->id, (int64_t)id, (int64_t)x->op->to_id,
		    x->uid, modseq, x->words_there, (int64_t)x->to.account_id,
		    x->is_same_account ? r->email_id : (int64_t)id,
		    x->is_same_account ? r->thread_id : (int64_t)0, x->now_ns, r->flags_there) < 0)
		return -1;
	return blob_ref_tx(db, (uint64_t)r->blob_id, 1, e);
}

static int end_row(struct db *db, struct copying *x, const struct copy_row *r, struct err *e)
{
	if (db_run(db, e, &sql_move_gone, "i", r->id) < 0 ||
		facts_gone_tx(db, x->from.account_id, (uint64_t)r->n, e) < 0)
		return -1;
	return blob_unref_tx(db, (uint64_t)r->blob_id, (uint64_t)r->octets, NULL, e);
}

static int move_out(struct db *db, struct copying *x, const struct copy_row *r, struct err *e)
{
	count_row(&x->out, r, r->flags, -1);
	return db_run(db, e, &sql_move_tomb, "iiiii", (int64_t)x->op->from_id, x->out.modseq,
		r->uid, r->id, (int64_t)x->from.account_id);
}

static int put_row(
	struct db *db, struct copying *x, const struct copy_row *r, uint64_t new_id, struct err *e)
{
	if (spell_words(db, x, r->keywords, e) < 0)
		return -1;
	if (x->is_row_moved) {
		if (db_run(db, e, &sql_move_row, "iiiitii", r->id, (int64_t)x->op->to_id, x->uid,
			    x->in.modseq, x->words_there, x->now_ns, r->flags_there) < 0)
			return -1;
	} else if (copy_row(db, x, r, new_id, ++x->in.modseq, e) < 0) {
		return -1;
	}
	count_row(&x->in, r, r->flags_there, 1);
	if (!x->op->is_move)
		return 0;
	if (!x->is_row_moved && end_row(db, x, r, e) < 0)
		return -1;
	return move_out(db, x, r, e);
}

/* ---- all of them ---- */

static void tell(struct copying *x, const struct copy_row *r)
{
	struct mailbox_copy *op = x->op;

	if (op->count == x->cap) {
		uint32_t *from = op->from_uids, *to = op->to_uids;

		x->cap = x->cap ? x->cap * 2 : MAILBOX_COPY_AT_ONCE;
		op->from_uids = ARENA_ARRAY(op->arena, uint32_t, x->cap);
		op->to_uids = ARENA_ARRAY(op->arena, uint32_t, x->cap);
		for (size_t i = 0; i < op->count; i++) {
			op->from_uids[i] = from[i];
			op->to_uids[i] = to[i];
		}
	}
	op->from_uids[op->count] = (uint32_t)r->uid;
	op->to_uids[op->count++] = (uint32_t)x->uid;
}

/* A new row needs a MODSEQ of its own, which is its number; rows that go over share one. */
static int take_modseqs(struct db *db, struct copying *x, struct err *e)
{
	int64_t count = (int64_t)x->row_count, step = x->is_row_moved ? 1 : count;

	x->in = (struct mailbox_tally){.modseq = x->modseq + (x->is_row_moved ? 1 : 0)};
	x->out = (struct mailbox_tally){0};
	if (x->is_row_moved)
		x->out.modseq = x->in.modseq;
	else if (x->op->is_move && mailbox_bump_tx(db, x->op->from_id, &x->out.modseq, e) < 0)
		return -1;
	if (db_run(db, e, &sql_copy_modseq, "ii", (int64_t)x->to.account_id, step) < 0)
		return -1;
	return db_run(db, e, &sql_copy_uids, "ii", (int64_t)x->op->to_id, count);
}

static int copy_all(struct db *db, struct copying *x, struct err *e)
{
	uint64_t id;

	if (find_boxes(db, x, e) < 0 || read_rows(db, x, e) < 0 || ask_room(db, x, e) < 0)
		return -1;
	if (!x->row_count)
		return 0;
	id = store_new_ids(store_of(db), x->row_count);
	if (take_modseqs(db, x, e) < 0)
		return -1;
	for (size_t i = 0; i < x->row_count; i++, x->uid++) {
		if (put_row(db, x, &x->rows[i], id + i, e) < 0)
			return -1;
		tell(x, &x->rows[i]);
	}
	if (x->op->is_move && mailbox_tally_tx(db, x->op->from_id, &x->out, e) < 0)
		return -1;
	return mailbox_tally_tx(db, x->op->to_id, &x->in, e);
}

static int copy_slice(struct db *db, void *arg, struct err *e)
{
	struct copying *x = arg;
	int rc;

	x->now = x->done;
	x->op->count = x->count_done;
	x->words = x->words_there = SPAN("");
	x->a = arena_new();
	rc = copy_all(db, x, e);
	arena_free(&x->a);
	x->words = x->words_there = SPAN("");
	return rc;
}

/* All or none: what earlier transactions have copied goes again. What was moved stays where it is now (RFC
 * 6851 section 3.3 takes each message for itself). */
static FIBER void take_back(struct store *s, struct copying *x)
{
	x->op->count = x->count_done;
	if (x->op->is_move || !x->count_done)
		return;
	mailbox_expunge(s, x->op->to_id, x->op->to_uids, x->count_done, NULL, NULL);
	x->op->count = 0;
}

static struct copying begin(struct mailbox_copy *op, int64_t now_ns)
{
	op->count = 0;
	op->modseq = 0;
	return (struct copying){.op = op, .now_ns = now_ns, .row_count = MAILBOX_COPY_AT_ONCE};
}

/* What the last slice has done stays done. */
static void keep_slice(struct copying *x)
{
	x->done = x->now;
	x->count_done = x->op->count;
	if (x->row_count)
		x->op->modseq = (uint64_t)x->out.modseq;
}

int mailbox_copy_tx(struct db *db, struct mailbox_copy *op, int64_t now_ns, bool *is_over_quota_r,
	struct err *e)
{
	struct copying x = begin(op, now_ns);
	int rc = 0;

	while (rc == 0 && x.row_count == MAILBOX_COPY_AT_ONCE) {
		rc = copy_slice(db, &x, e);
		if (rc == 0)
			keep_slice(&x);
	}
	*is_over_quota_r = x.is_over_quota;
	return rc;
}

int mailbox_over_quota(struct err *e)
{
	err_set(e, ERR_FULL, "the mailbox would be over its quota");
	return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_LATER);
}

FIBER int mailbox_copy(struct store *s, struct mailbox_copy *op, struct err *e)
{
	struct copying x = begin(op, loop_wall_ns());

	while (x.row_count == MAILBOX_COPY_AT_ONCE) {
		if (store_write(s, "mailbox.copy", copy_slice, &x, e) < 0) {
			take_back(s, &x);
			return x.is_over_quota ? mailbox_over_quota(e) : -1;
		}
		keep_slice(&x);
	}
	return 0;
}
