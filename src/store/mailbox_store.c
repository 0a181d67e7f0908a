/* Flags and keywords: many messages in few statements. A slice reads rows, works out what each becomes, and
 * writes neighbours that become the same with one UPDATE. All that one closure changes has one MODSEQ (RFC
 * 7162 section 3.1 allows it). */

#include "store/mailbox.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/clock.h"
#include "store/mailbox_priv.h"

#define FLAG_ROWS     256
#define KEYWORDS_TEXT (MAILBOX_KEYWORDS_MAX * (MAILBOX_KEYWORD_MAX + 1))

DB_SQL(sql_flag_rows,
	"SELECT uid, modseq, flags, size, keywords FROM message "
	"WHERE mailbox_id = $1 AND uid >= $2 AND uid <= $3 ORDER BY uid LIMIT $4");
DB_SQL(sql_flag_set,
	"UPDATE message SET flags = $4, modseq = $5 "
	"WHERE mailbox_id = $1 AND uid >= $2 AND uid <= $3");
DB_SQL(sql_flag_set_words,
	"UPDATE message SET flags = $4, modseq = $5, keywords = $6 "
	"WHERE mailbox_id = $1 AND uid >= $2 AND uid <= $3");
DB_SQL(sql_flag_bump,
	"UPDATE account SET modseq = modseq + 1 WHERE id = "
	"(SELECT account_id FROM mailbox WHERE id = $1) RETURNING modseq");

int mailbox_bump_tx(struct db *db, uint64_t mailbox_id, int64_t *modseq_r, struct err *e)
{
	bool is_found;

	if (db_get(db, e, NULL, &sql_flag_bump, &is_found, "i:i", (int64_t)mailbox_id, modseq_r) <
		0)
		return -1;
	return is_found ? 0 : err_set(e, ERR_NOT_FOUND, "the mailbox is gone");
}

/* ---- what a message becomes ---- */

struct flag_row {
	uint32_t uid;
	uint64_t modseq;
	unsigned flags, now;
	int64_t size;
	struct span keywords, keywords_now;
	bool is_modified; /* after UNCHANGEDSINCE: it stays */
	bool is_changed;
};

struct flagging {
	struct mailbox_store *op;
	unsigned add, remove;
	bool has_words; /* keywords may change */
	struct span *words;
	/* how far it is: what is committed, and this closure's try */
	struct uid_cursor done, now;
	size_t changed_done, modified_done, changed_cap, modified_cap;
	bool is_over;
	/* of this closure */
	struct arena *a;
	struct span joined; /* the operation's keywords as the mailbox spells them */
	struct mailbox_tally tally;
	struct flag_row *rows;
	size_t row_count;
};

static bool has_word(struct span text, struct span word)
{
	struct span one;

	while (text.len) {
		span_cut(text, ' ', &one, &text);
		if (span_eq_nocase(one, word))
			return true;
	}
	return false;
}

/* Those of `text` that are (not) among the words of `of`, behind what is in `b`. */
static void put_words(struct buf *b, struct span text, struct span of, bool is_in)
{
	struct span one;

	while (text.len) {
		span_cut(text, ' ', &one, &text);
		if (has_word(of, one) != is_in)
			continue;
		if (buf_len(b))
			buf_char(b, ' ');
		buf_span_put(b, one);
	}
}

static struct span words_now(struct flagging *x, struct span was)
{
	struct buf *b;

	if (!x->has_words)
		return was;
	if (x->op->how == MAILBOX_FLAGS_REPLACE || (x->op->how == MAILBOX_FLAGS_ADD && !was.len))
		return x->joined;
	if (!was.len)
		return was;
	b = arena_buf(x->a, KEYWORDS_TEXT);
	if (x->op->how == MAILBOX_FLAGS_REMOVE) {
		put_words(b, was, x->joined, false);
	} else {
		buf_span_put(b, was);
		put_words(b, x->joined, was, false);
	}
	return buf_len(b) ? buf_span(b) : SPAN("");
}

static void work_out(struct flagging *x, struct flag_row *r)
{
	r->now = r->flags;
	r->keywords_now = r->keywords;
	r->is_modified = x->op->has_unchanged_since && r->modseq > x->op->unchanged_since;
	if (r->is_modified)
		return;
	r->now = (r->flags & ~x->remove) | x->add;
	r->keywords_now = words_now(x, r->keywords);
	r->is_changed = r->now != r->flags || !span_eq(r->keywords, r->keywords_now);
}

/* ---- reading ---- */

static int read_range(struct db *db, struct flagging *x, struct uid_range range, struct err *e)
{
	size_t room = FLAG_ROWS - x->row_count;
	struct db_stmt *st = db_query(db, e, &sql_flag_rows, "iiii", (int64_t)x->op->mailbox_id,
		(int64_t)range.first, (int64_t)range.last, (int64_t)room);
	bool is_row = false;
	int rc = -1;

	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct flag_row *r = &x->rows[x->row_count++];
		int64_t uid, modseq, flags;

		*r = (struct flag_row){0};
		db_cols(st, "iiiit", &uid, &modseq, &flags, &r->size, &r->keywords);
		r->uid = (uint32_t)uid;
		r->modseq = (uint64_t)modseq;
		r->flags = (unsigned)flags;
		r->keywords = r->keywords.len ? arena_span(x->a, r->keywords) : SPAN("");
		x->now.after = r->uid;
		work_out(x, r);
	}
	db_done(st);
	return rc;
}

/* A page of rows; less than FLAG_ROWS only at the end. */
static int read_rows(struct db *db, struct flagging *x, struct err *e)
{
	struct uid_range range;

	x->row_count = 0;
	while (x->row_count < FLAG_ROWS &&
		uid_cursor_range(&x->now, x->op->ranges, x->op->range_count, &range)) {
		if (read_range(db, x, range, e) < 0)
			return -1;
		if (x->row_count < FLAG_ROWS)
			x->now.at++;
	}
	return 0;
}

/* ---- writing ---- */

static void count_row(struct mailbox_tally *t, const struct flag_row *r)
{
	int64_t was = !!(r->flags & MAILBOX_DELETED), is = !!(r->now & MAILBOX_DELETED);

	t->unseen += !(r->now & MAILBOX_SEEN) - !(r->flags & MAILBOX_SEEN);
	t->deleted += is - was;
	t->deleted_octets += (is - was) * r->size;
}

/* Behind `a` without a message between them? Rows of one range are neighbours whatever their UIDs. */
static bool joins(const struct flag_row *a, const struct flag_row *b)
{
	return b->is_changed && b->uid == a->uid + 1 && a->now == b->now &&
		span_eq(a->keywords_now, b->keywords_now);
}

static int write_run(struct db *db, struct flagging *x, size_t from, size_t to, struct err *e)
{
	const struct flag_row *r = &x->rows[from];
	int64_t box = (int64_t)x->op->mailbox_id, first = r->uid, last = x->rows[to - 1].uid;

	if (!x->tally.modseq && mailbox_bump_tx(db, x->op->mailbox_id, &x->tally.modseq, e) < 0)
		return -1;
	for (size_t i = from; i < to; i++) {
		count_row(&x->tally, &x->rows[i]);
		x->rows[i].modseq = (uint64_t)x->tally.modseq;
	}
	if (x->has_words)
		return db_run(db, e, &sql_flag_set_words, "iiiiit", box, first, last,
			(int64_t)r->now, x->tally.modseq, r->keywords_now);
	return db_run(
		db, e, &sql_flag_set, "iiiii", box, first, last, (int64_t)r->now, x->tally.modseq);
}

static int write_rows(struct db *db, struct flagging *x, struct err *e)
{
	size_t to;

	for (size_t from = 0; from < x->row_count; from = to) {
		to = from + 1;
		if (!x->rows[from].is_changed)
			continue;
		while (to < x->row_count && joins(&x->rows[to - 1], &x->rows[to]))
			to++;
		if (write_run(db, x, from, to, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- what is told ---- */

static void tell_modified(struct flagging *x, uint32_t uid)
{
	struct mailbox_store *op = x->op;
	struct uid_range *last = op->modified_count > x->modified_done
		? &op->modified[op->modified_count - 1]
		: NULL;

	if (last && last->last + 1 == uid) {
		last->last = uid;
		return;
	}
	if (op->modified_count == x->modified_cap) {
		struct uid_range *was = op->modified;

		x->modified_cap = x->modified_cap ? x->modified_cap * 2 : 16;
		op->modified = ARENA_ARRAY(op->arena, struct uid_range, x->modified_cap);
		for (size_t i = 0; i < op->modified_count; i++)
			op->modified[i] = was[i];
	}
	op->modified[op->modified_count++] = (struct uid_range){uid, uid};
}

static void tell_changed(struct flagging *x, const struct flag_row *r)
{
	struct mailbox_store *op = x->op;
	struct span words = r->keywords_now;

	if (op->wants_none || (!r->is_changed && !op->wants_all))
		return;
	if (op->changed_count == x->changed_cap) {
		struct mailbox_change *was = op->changed;

		x->changed_cap = x->changed_cap ? x->changed_cap * 2 : 64;
		op->changed = ARENA_ARRAY(op->arena, struct mailbox_change, x->changed_cap);
		for (size_t i = 0; i < op->changed_count; i++)
			op->changed[i] = was[i];
	}
	if (words.len && op->changed_count &&
		span_eq(words, op->changed[op->changed_count - 1].keywords))
		words = op->changed[op->changed_count - 1].keywords;
	else if (words.len)
		words = arena_span(op->arena, words);
	op->changed[op->changed_count++] = (struct mailbox_change){
		.uid = r->uid, .modseq = r->modseq, .flags = r->now, .keywords = words};
}

/* ---- slices ---- */

static int spell_words(struct db *db, struct flagging *x, struct err *e)
{
	struct buf *b;

	x->joined = SPAN("");
	if (!x->op->keyword_count || !x->has_words)
		return 0;
	if (x->op->how != MAILBOX_FLAGS_REMOVE)
		return mailbox_keywords_tx(db, x->a, x->op->mailbox_id, x->op->keywords,
			x->op->keyword_count, &x->joined, e);
	b = arena_buf(x->a, KEYWORDS_TEXT);
	for (size_t i = 0; i < x->op->keyword_count; i++) {
		if (i)
			buf_char(b, ' ');
		buf_span_put(b, x->op->keywords[i]);
	}
	x->joined = buf_span(b);
	return 0;
}

static int flag_pages(struct db *db, struct flagging *x, struct err *e)
{
	int64_t end = clock_mono_ns() + MAILBOX_SLICE_NS;

	if (spell_words(db, x, e) < 0)
		return -1;
	x->rows = ARENA_ARRAY(x->a, struct flag_row, FLAG_ROWS);
	do {
		if (read_rows(db, x, e) < 0 || write_rows(db, x, e) < 0)
			return -1;
		for (size_t i = 0; i < x->row_count; i++) {
			if (x->rows[i].is_modified)
				tell_modified(x, x->rows[i].uid);
			else
				tell_changed(x, &x->rows[i]);
		}
		x->is_over = x->row_count < FLAG_ROWS;
	} while (!x->is_over && clock_mono_ns() < end);
	return x->tally.modseq ? mailbox_tally_tx(db, x->op->mailbox_id, &x->tally, e) : 0;
}

/* It may be run again from its start: all that it has told is forgotten first. */
static int flag_slice(struct db *db, void *arg, struct err *e)
{
	struct flagging *x = arg;
	int rc;

	x->now = x->done;
	x->tally = (struct mailbox_tally){0};
	x->op->changed_count = x->changed_done;
	x->op->modified_count = x->modified_done;
	x->a = arena_new();
	rc = flag_pages(db, x, e);
	arena_free(&x->a);
	return rc;
}

/* What the last slice has done stays done. */
static void keep_slice(struct flagging *x)
{
	x->done = x->now;
	x->changed_done = x->op->changed_count;
	x->modified_done = x->op->modified_count;
	if (x->tally.modseq)
		x->op->modseq = (uint64_t)x->tally.modseq;
}

static FIBER int flag_all(struct store *s, struct flagging *x, struct err *e)
{
	while (!x->is_over) {
		if (store_write(s, "mailbox.flags", flag_slice, x, e) < 0) {
			x->op->changed_count = x->changed_done;
			x->op->modified_count = x->modified_done;
			return -1;
		}
		keep_slice(x);
	}
	return 0;
}

static struct flagging begin(struct mailbox_store *op)
{
	unsigned mask = op->flags_mask ? op->flags_mask : MAILBOX_FLAGS_ALL;
	unsigned flags = op->flags & mask;
	struct flagging x = {.op = op, .is_over = op->range_count == 0};

	x.add = op->how == MAILBOX_FLAGS_REMOVE ? 0 : flags;
	x.remove = op->how == MAILBOX_FLAGS_REMOVE ? flags
		: op->how == MAILBOX_FLAGS_REPLACE ? mask
						   : 0;
	/* Who may set the flags of right w may set keywords (RFC 4314 section 4). */
	x.has_words = (mask & MAILBOX_FLAGGED) &&
		(op->keyword_count || op->how == MAILBOX_FLAGS_REPLACE);
	op->changed_count = op->modified_count = 0;
	op->modseq = 0;
	return x;
}

FIBER int mailbox_store_flags(struct store *s, struct mailbox_store *op, struct err *e)
{
	struct flagging x = begin(op);

	return flag_all(s, &x, e);
}

int mailbox_store_flags_tx(struct db *db, struct mailbox_store *op, struct err *e)
{
	struct flagging x = begin(op);

	while (!x.is_over) {
		if (flag_slice(db, &x, e) < 0)
			return -1;
		keep_slice(&x);
	}
	return 0;
}

static int by_uid(const void *a, const void *b)
{
	uint32_t x = ((const struct uid_range *)a)->first, y = ((const struct uid_range *)b)->first;

	return (x > y) - (x < y);
}

struct uid_range *uid_ranges_of(struct arena *a, const uint32_t *uids, size_t count)
{
	struct uid_range *list = ARENA_ARRAY(a, struct uid_range, count + 1);

	for (size_t i = 0; i < count; i++)
		list[i] = (struct uid_range){uids[i], uids[i]};
	qsort(list, count, sizeof(*list), by_uid);
	return list;
}

FIBER int mailbox_flags(struct store *s, uint64_t mailbox_id, const uint32_t *uids, size_t count,
	unsigned add, unsigned remove, uint64_t *modseq_r, struct err *e)
{
	struct arena *a = arena_new();
	struct mailbox_store op = {.mailbox_id = mailbox_id,
		.ranges = uid_ranges_of(a, uids, count),
		.range_count = count,
		.arena = a,
		.wants_none = true};
	struct flagging x = {.op = &op, .add = add, .remove = remove, .is_over = count == 0};
	int rc = flag_all(s, &x, e);

	if (rc == 0 && modseq_r)
		*modseq_r = op.modseq;
	arena_free(&a);
	return rc;
}

bool uid_cursor_range(struct uid_cursor *c, const struct uid_range *ranges, size_t count,
	struct uid_range *range_r)
{
	for (; c->at < count; c->at++) {
		*range_r = ranges[c->at];
		if (range_r->last <= c->after)
			continue;
		if (range_r->first <= c->after)
			range_r->first = c->after + 1;
		return true;
	}
	return false;
}
