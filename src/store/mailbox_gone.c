/* What was expunged: kept for a time, brought back, swept. */

#include "run/loop.h"
#include "store/blob.h"
#include "store/deliver.h"
#include "store/facts.h"
#include "store/mailbox_priv.h"

DB_SQL(sql_gone_keep,
	"INSERT INTO expunged (id, account_id, mailbox_id, folder, uid, n, email_id, thread_id, "
	"flags, keywords, received_ns, saved_ns, expunged_ns, blob_id, blob_octets, size, subject, "
	"sender, prefix) SELECT m.id, m.account_id, m.mailbox_id, b.name, m.uid, m.n, m.email_id, "
	"m.thread_id, m.flags, m.keywords, m.received_ns, m.saved_ns, $3, m.blob_id, m.blob_octets, "
	"m.size, m.subject, m.sender, m.prefix FROM message m JOIN mailbox b ON b.id = m.mailbox_id "
	"WHERE m.mailbox_id = $1 AND m.uid = $2");
DB_SQL(sql_gone_take,
	"DELETE FROM message WHERE mailbox_id = $1 AND uid = $2 "
	"RETURNING id, blob_id, blob_octets, size, flags, account_id, n");
DB_SQL(sql_gone_bump,
	"UPDATE account SET modseq = modseq + 1 WHERE id = "
	"(SELECT account_id FROM mailbox WHERE id = $1) RETURNING modseq");
DB_SQL(sql_gone_tombstone,
	"INSERT INTO tombstone (mailbox_id, modseq, uid, message_id, account_id) "
	"VALUES ($1, $2, $3, $4, $5)");
DB_SQL(sql_tally_mailbox,
	"UPDATE mailbox SET highest_modseq = $2, messages = messages + $3, unseen = unseen + $4, "
	"octets = octets + $5, deleted = deleted + $6, deleted_octets = deleted_octets + $7 "
	"WHERE id = $1 RETURNING account_id");
DB_SQL(sql_tally_account,
	"UPDATE account SET messages = messages + $2, octets = octets + $3 WHERE id = $1");

int mailbox_take_out_tx(struct db *db, uint64_t mailbox_id, uint32_t uid, bool keeps,
	int64_t now_ns, struct mailbox_tally *t, bool *is_gone_r, struct err *e)
{
	int64_t id, blob, octets, size, flags, account, n;

	if (keeps &&
		db_run(db, e, &sql_gone_keep, "iii", (int64_t)mailbox_id, (int64_t)uid, now_ns) < 0)
		return -1;
	if (db_get(db, e, NULL, &sql_gone_take, is_gone_r, "ii:iiiiiii", (int64_t)mailbox_id,
		    (int64_t)uid, &id, &blob, &octets, &size, &flags, &account, &n) < 0)
		return -1;
	if (!*is_gone_r)
		return 0;
	if (t->modseq == 0) {
		bool is_found;

		if (db_get(db, e, NULL, &sql_gone_bump, &is_found, "i:i", (int64_t)mailbox_id,
			    &t->modseq) < 0)
			return -1;
	}
	if (db_run(db, e, &sql_gone_tombstone, "iiiii", (int64_t)mailbox_id, t->modseq,
		    (int64_t)uid, id, account) < 0 ||
		(!keeps &&
			(facts_gone_tx(db, (uint64_t)account, (uint64_t)n, e) < 0 ||
				blob_unref_tx(db, (uint64_t)blob, (uint64_t)octets, NULL, e) < 0)))
		return -1;
	t->messages--;
	t->octets -= size;
	t->unseen -= !(flags & MAILBOX_SEEN);
	if (flags & MAILBOX_DELETED) {
		t->deleted--;
		t->deleted_octets -= size;
	}
	return 0;
}

int mailbox_tally_tx(
	struct db *db, uint64_t mailbox_id, const struct mailbox_tally *t, struct err *e)
{
	int64_t account = 0;
	bool is_found;

	if (t->modseq == 0)
		return 0;
	if (db_get(db, e, NULL, &sql_tally_mailbox, &is_found, "iiiiiii:i", (int64_t)mailbox_id,
		    t->modseq, t->messages, t->unseen, t->octets, t->deleted, t->deleted_octets,
		    &account) < 0 ||
		db_run(db, e, &sql_tally_account, "iii", account, t->messages, t->octets) < 0)
		return -1;
	store_count(db, STORE_COUNT_MESSAGES, t->messages);
	store_changed_mailbox(db, (uint64_t)account, mailbox_id);
	return 0;
}

/* --- looking --------------------------------------------------------------------------------- */

#define GONE_COLUMNS                                                                               \
	"id, folder, uid, n, email_id, thread_id, flags, keywords, received_ns, saved_ns, "        \
	"expunged_ns, blob_id, blob_octets, size, subject, sender, prefix"
DB_SQL(sql_gone_list,
	"SELECT " GONE_COLUMNS " FROM expunged WHERE account_id = $1 AND expunged_ns >= $2 AND "
	"expunged_ns <= $3 AND (expunged_ns < $3 OR id < $4) AND ($5 = '' OR folder = $5) "
	"ORDER BY expunged_ns DESC, id DESC LIMIT 256");
DB_SQL(sql_gone_one, "SELECT " GONE_COLUMNS " FROM expunged WHERE id = $1 AND account_id = $2");

static void gone_cols(struct arena *a, struct db_stmt *st, struct mailbox_gone *g)
{
	struct mailbox_msg *m = &g->msg;
	int64_t id, uid, n, email, thread, flags, blob, octets, size;

	*g = (struct mailbox_gone){0};
	db_cols(st, "itiiiiitiiiiiittb", &id, &g->folder, &uid, &n, &email, &thread, &flags,
		&m->keywords, &m->received_ns, &m->saved_ns, &g->expunged_ns, &blob, &octets, &size,
		&m->subject, &m->from, &m->prefix);
	m->id = (uint64_t)id;
	m->uid = (uint32_t)uid;
	m->n = (uint64_t)n;
	m->email_id = (uint64_t)email;
	m->thread_id = (uint64_t)thread;
	m->flags = (unsigned)flags;
	m->blob_id = (uint64_t)blob;
	m->blob_len = (uint64_t)octets;
	m->size = (uint64_t)size;
	g->folder = arena_span(a, g->folder);
	m->keywords = arena_span(a, m->keywords);
	m->subject = arena_span(a, m->subject);
	m->from = arena_span(a, m->from);
	m->prefix = arena_span(a, m->prefix);
}

struct gone_look {
	struct arena *a;
	uint64_t account_id, before_id;
	struct span folder;
	int64_t since_ns, before_ns;
	struct mailbox_gone *list;
	size_t count;
};

static int gone_page(struct db *db, void *arg, struct err *e)
{
	struct gone_look *x = arg;
	struct db_stmt *st = db_query(db, e, &sql_gone_list, "iiiit", (int64_t)x->account_id,
		x->since_ns, x->before_ns ? x->before_ns : INT64_MAX,
		x->before_ns ? (int64_t)x->before_id : INT64_MAX, x->folder);
	bool is_row = false;
	int result = -1;

	x->count = 0;
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row)
		gone_cols(x->a, st, &x->list[x->count++]);
	db_done(st);
	return result;
}

FIBER int mailbox_gone_list(struct store *s, struct arena *a, uint64_t account_id,
	struct span folder, int64_t since_ns, struct mailbox_gone_cursor *cursor,
	struct mailbox_gone **list_r, size_t *count_r, struct err *e)
{
	struct gone_look x = {.a = a,
		.account_id = account_id,
		.folder = folder,
		.since_ns = since_ns,
		.before_ns = cursor->before_ns,
		.before_id = cursor->before_id};

	x.list = ARENA_ARRAY(a, struct mailbox_gone, STORE_PAGE_ROWS);
	if (store_read(s, "mailbox.gone", gone_page, &x, e) < 0)
		return -1;
	if (x.count)
		*cursor = (struct mailbox_gone_cursor){
			x.list[x.count - 1].expunged_ns, x.list[x.count - 1].msg.id};
	*list_r = x.list;
	*count_r = x.count;
	return 0;
}

/* --- bringing back --------------------------------------------------------------------------- */

DB_SQL(sql_gone_forget, "DELETE FROM expunged WHERE id = $1");
DB_SQL(sql_gone_restore,
	"UPDATE message SET keywords = $2, email_id = $3, saved_ns = $4, thread_id = $5 "
	"WHERE id = $1");
DB_SQL(sql_gone_quota,
	"SELECT octets, messages, quota_octets, quota_messages FROM account WHERE id = $1");

int mailbox_room_tx(struct db *db, uint64_t account_id, struct err *e)
{
	int64_t octets = 0, messages = 0, quota = 0, quota_messages = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_gone_quota, &is_found, "i:iiii", (int64_t)account_id, &octets,
		    &messages, &quota, &quota_messages) < 0)
		return -1;
	if ((quota > 0 && octets > quota) || (quota_messages > 0 && messages > quota_messages)) {
		err_set(e, ERR_FULL, "the mailbox would be over its quota");
		return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_LATER);
	}
	return 0;
}

struct gone_back {
	struct arena *a;
	uint64_t account_id, message_id, new_id;
	struct span folder;
	int64_t now_ns;
};

static int gone_one(struct db *db, struct gone_back *x, struct mailbox_gone *g, struct err *e)
{
	struct db_stmt *st = db_query(
		db, e, &sql_gone_one, "ii", (int64_t)x->message_id, (int64_t)x->account_id);
	bool is_row = false;
	int result = st ? db_step(st, &is_row, e) : -1;

	if (result == 0 && is_row)
		gone_cols(x->a, st, g);
	db_done(st);
	if (result == 0 && !is_row)
		return err_set(
			e, ERR_NOT_FOUND, "there is no such message among the expunged ones");
	return result;
}

/* The folder is made again when it is gone, with what was above it. */
static int gone_folder(struct db *db, struct gone_back *x, struct span name,
	struct mailbox_info *box_r, struct err *e)
{
	bool is_there = false;
	uint64_t id;

	if (mailbox_find_tx(db, x->a, x->account_id, name, box_r, &is_there, e) < 0)
		return -1;
	if (is_there)
		return 0;
	if (mailbox_make_tx(db, x->a, x->account_id, name, SPAN(""), &id, e) < 0)
		return -1;
	return mailbox_by_id_tx(db, x->a, id, box_r, &is_there, e);
}

/* As the folder that it comes into spells them. */
static int gone_keywords(struct db *db, struct gone_back *x, uint64_t mailbox_id,
	struct span *keywords, struct err *e)
{
	struct span *list = ARENA_ARRAY(x->a, struct span, MAILBOX_KEYWORDS_MAX);
	struct span rest = *keywords;
	size_t count = 0;

	while (rest.len && count < MAILBOX_KEYWORDS_MAX)
		span_cut(rest, ' ', &list[count++], &rest); /* the last one is all that is left */
	return mailbox_keywords_tx(db, x->a, mailbox_id, list, count, keywords, e);
}

static int gone_restore(struct db *db, void *arg, struct err *e)
{
	struct gone_back *x = arg;
	struct mailbox_info box;
	struct mailbox_gone g;
	struct deliver_head head;
	struct delivery d;

	if (gone_one(db, x, &g, e) < 0)
		return -1;
	head = (struct deliver_head){.subject = g.msg.subject, .sender = g.msg.from};
	d = (struct delivery){.id = x->new_id,
		.account_id = x->account_id,
		.folder = x->folder.len ? x->folder : g.folder,
		.flags = g.msg.flags & ~(unsigned)MAILBOX_DELETED,
		.prefix = g.msg.prefix,
		.blob_id = g.msg.blob_id, /* its reference goes over */
		.blob_octets = g.msg.blob_len,
		.received_ns = g.msg.received_ns,
		.head = &head};
	if (gone_folder(db, x, d.folder, &box, e) < 0 || deliver_tx(db, &d, e) < 0 ||
		gone_keywords(db, x, box.id, &g.msg.keywords, e) < 0 ||
		db_run(db, e, &sql_gone_restore, "itiii", (int64_t)d.id, g.msg.keywords,
			(int64_t)g.msg.email_id, x->now_ns, (int64_t)g.msg.thread_id) < 0 ||
		db_run(db, e, &sql_gone_forget, "i", (int64_t)x->message_id) < 0 ||
		facts_gone_tx(db, x->account_id, g.msg.n, e) < 0) /* it has a new n */
		return -1;
	return mailbox_room_tx(db, x->account_id, e);
}

FIBER int mailbox_undelete(struct store *s, uint64_t account_id, uint64_t message_id,
	struct span folder, struct err *e)
{
	struct gone_back x = {.account_id = account_id,
		.message_id = message_id,
		.new_id = store_new_id(s),
		.folder = folder,
		.now_ns = loop_wall_ns()};
	int result;

	if (folder.len && mailbox_name_check(folder, e) < 0)
		return -1;
	x.a = arena_new();
	result = store_write(s, "mailbox.undelete", gone_restore, &x, e);
	arena_free(&x.a);
	return result;
}

/* --- sweeping -------------------------------------------------------------------------------- */

DB_SQL(sql_gone_due,
	"SELECT id, blob_id, blob_octets, account_id, n FROM expunged WHERE expunged_ns < $1 "
	"ORDER BY expunged_ns LIMIT $2");

struct gone_sweep {
	int64_t before_ns;
	uint64_t count;
};

static int gone_slice(struct db *db, void *arg, struct err *e)
{
	struct gone_sweep *x = arg;
	int64_t rows[MAILBOX_SLICE][5];
	struct db_stmt *st = db_query(
		db, e, &sql_gone_due, "ii", x->before_ns, (int64_t)MAILBOX_SLICE);
	bool is_row = false;
	int result = -1;

	x->count = 0;
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		int64_t *row = rows[x->count++];

		db_cols(st, "iiiii", &row[0], &row[1], &row[2], &row[3], &row[4]);
	}
	db_done(st);
	for (size_t i = 0; result == 0 && i < x->count; i++)
		if (db_run(db, e, &sql_gone_forget, "i", rows[i][0]) < 0 ||
			facts_gone_tx(db, (uint64_t)rows[i][3], (uint64_t)rows[i][4], e) < 0 ||
			blob_unref_tx(db, (uint64_t)rows[i][1], (uint64_t)rows[i][2], NULL, e) < 0)
			result = -1;
	return result;
}

FIBER int mailbox_gone_sweep(struct store *s, int64_t before_ns, uint64_t *swept_r, struct err *e)
{
	struct gone_sweep x = {.before_ns = before_ns};
	uint64_t total = 0;

	do {
		if (store_write(s, "mailbox.sweep", gone_slice, &x, e) < 0)
			return -1;
		total += x.count;
	} while (x.count == MAILBOX_SLICE);
	if (swept_r)
		*swept_r = total;
	return 0;
}
