/* Messages that clients bring: bodies from stages, rows by deliver_tx, all in one transaction. */

#include "base/must.h"
#include "run/loop.h"
#include "store/blob.h"
#include "store/deliver.h"
#include "store/mailbox_priv.h"
#include "store/stage_priv.h"

DB_SQL(sql_append_details, "UPDATE message SET keywords = $2, saved_ns = $3 WHERE id = $1");

struct append_row {
	struct deliver_head head;
	uint64_t blob_id, octets;
};

struct append {
	struct arena *a;
	struct mailbox_append *op;
	struct append_row *rows;
	int64_t now_ns;
	bool is_over_quota; /* result: as of mailbox_copy_tx */
};

/* --- before the closure ---------------------------------------------------------------------- */

static int append_decode(void *arg, struct err *e)
{
	struct append *x = arg;

	(void)e;
	for (size_t i = 0; i < x->op->count; i++)
		deliver_decode_head(x->a, &x->rows[i].head);
	return 0;
}

static FIBER int append_prepare_one(struct store *s, struct append *x, struct stage *stage,
	struct append_row *row, struct err *e)
{
	struct span bytes;
	size_t got;

	row->octets = stage_len(stage);
	if (stage_store(stage, e) < 0)
		return -1;
	row->blob_id = stage_blob_id(stage);
	if (!row->blob_id)
		row->blob_id = blob_new_id(s, row->octets);
	if (!stage_mem(stage, &bytes)) {
		char *head = arena_alloc(x->a, DELIVER_HEAD_MAX);

		if (stage_read(stage, 0, head, DELIVER_HEAD_MAX, &got, e) < 0)
			return -1;
		bytes = span_of(head, got);
	}
	deliver_scan_head(x->a, bytes, &row->head);
	return 0;
}

static FIBER int append_prepare(struct store *s, struct append *x, struct err *e)
{
	bool has_words = false;

	x->rows = ARENA_ARRAY(x->a, struct append_row, x->op->count);
	for (size_t i = 0; i < x->op->count; i++) {
		if (append_prepare_one(s, x, x->op->items[i].stage, &x->rows[i], e) < 0)
			return -1;
		x->op->items[i].id = store_new_id(s);
		has_words = has_words || x->rows[i].head.has_words;
	}
	return has_words ? work_run(s->stage_lane, append_decode, x, e) : 0;
}

/* --- the closure ----------------------------------------------------------------------------- */

static int append_body(struct db *db, const struct mailbox_append_item *it,
	const struct append_row *row, struct err *e)
{
	struct span bytes = SPAN_NONE;

	if (stage_blob_id(it->stage))
		return blob_ref_tx(db, row->blob_id, 1, e);
	stage_mem(it->stage, &bytes);
	if (blob_insert_tx(db, row->blob_id, 1, row->octets, e) < 0)
		return -1;
	return bytes.len ? blob_chunk_tx(db, row->blob_id, 0, bytes, e) : 0;
}

static int append_one(
	struct db *db, struct append *x, const struct mailbox_info *info, size_t i, struct err *e)
{
	struct mailbox_append_item *it = &x->op->items[i];
	struct append_row *row = &x->rows[i];
	struct span keywords = SPAN("");
	struct delivery d = {.id = it->id,
		.account_id = info->account_id,
		.folder = info->name,
		.flags = it->flags,
		.blob_id = row->blob_id,
		.blob_octets = row->octets,
		.received_ns = it->received_ns,
		.head = &row->head};

	if (append_body(db, it, row, e) < 0 || deliver_tx(db, &d, e) < 0)
		return -1;
	it->uid = d.uid;
	if (it->keyword_count &&
		mailbox_keywords_tx(
			db, x->a, info->id, it->keywords, it->keyword_count, &keywords, e) < 0)
		return -1;
	return db_run(db, e, &sql_append_details, "iti", (int64_t)it->id, keywords, x->now_ns);
}

/* REPLACE (RFC 8508 section 3): the new one is there and the old one gone at once, or neither. */
static int append_replaced(struct db *db, struct append *x, struct err *e)
{
	struct mailbox_append *op = x->op;
	struct mailbox_tally t = {0};
	bool is_gone = false;

	if (mailbox_take_out_tx(db, op->replace_mailbox_id, op->replace_uid, op->keep_until_ns != 0,
		    x->now_ns, &t, &is_gone, e) < 0)
		return -1;
	if (!is_gone)
		return err_set(e, ERR_NOT_FOUND, "the message to be replaced is gone");
	return mailbox_tally_tx(db, op->replace_mailbox_id, &t, e);
}

/* Into the further mailboxes, as COPY would: the body is there once. */
static int append_copies(struct db *db, struct append *x, struct err *e)
{
	struct mailbox_append *op = x->op;
	struct uid_range range = {op->items[0].uid, op->items[op->count - 1].uid};

	for (size_t i = 0; i < op->also_in_count; i++) {
		struct mailbox_copy copy = {.from_id = op->mailbox_id,
			.to_id = op->also_in[i],
			.ranges = &range,
			.range_count = 1,
			.arena = x->a};

		if (mailbox_copy_tx(db, &copy, x->now_ns, &x->is_over_quota, e) < 0)
			return -1;
	}
	return 0;
}

static int append_all(struct db *db, void *arg, struct err *e)
{
	struct append *x = arg;
	struct mailbox_append *op = x->op;
	struct mailbox_info info;
	bool is_there = false;

	x->is_over_quota = false;
	if (mailbox_by_id_tx(db, x->a, op->mailbox_id, &info, &is_there, e) < 0)
		return -1;
	if (!is_there)
		return err_set(e, ERR_NOT_FOUND, "the mailbox is gone");
	op->uidvalidity = info.uidvalidity;
	for (size_t i = 0; i < op->count; i++)
		if (append_one(db, x, &info, i, e) < 0)
			return -1;
	if (op->replace_mailbox_id && append_replaced(db, x, e) < 0)
		return -1;
	if (mailbox_room_tx(db, info.account_id, e) < 0 || append_copies(db, x, e) < 0 ||
		mailbox_by_id_tx(db, x->a, op->mailbox_id, &info, &is_there, e) < 0)
		return -1;
	op->modseq = info.highest_modseq;
	return op->also ? op->also(db, op->also_arg, e) : 0;
}

FIBER int mailbox_append(struct store *s, struct mailbox_append *op, struct err *e)
{
	struct append x = {.op = op, .now_ns = loop_wall_ns()};
	uint64_t octets = 0;
	int result;

	if (op->count == 0 || op->count > MAILBOX_APPEND_MAX)
		return err_set(e, ERR_LIMIT, "at most %d messages are taken at a time",
			MAILBOX_APPEND_MAX);
	for (size_t i = 0; i < op->count; i++)
		octets += stage_len(op->items[i].stage);
	if (store_room_begin(s, octets, e) < 0)
		return -1;
	x.a = arena_new();
	result = append_prepare(s, &x, e);
	/* THE POINT OF NO RETURN: when store_write returns 0 the messages are ours for good */
	if (result == 0)
		result = store_write(s, "mailbox.append", append_all, &x, e);
	if (x.is_over_quota)
		mailbox_over_quota(e);
	for (size_t i = 0; result == 0 && i < op->count; i++) {
		if (stage_blob_id(op->items[i].stage))
			stage_gave_blob(op->items[i].stage);
		stage_free(&op->items[i].stage);
	}
	arena_free(&x.a);
	store_room_end(s, octets);
	return result;
}
