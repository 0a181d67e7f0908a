#include "store/snooze.h"

#include "store/blob.h"
#include "store/deliver.h"
#include "store/mailbox_priv.h"
#include "store/object.h"

DB_SQL(sql_snooze_put,
	"INSERT INTO snooze (account_id, email_id, until_ns, mailbox_id) VALUES ($1, $2, $3, $4) "
	"ON CONFLICT (account_id, email_id) DO UPDATE SET until_ns = excluded.until_ns, "
	"mailbox_id = excluded.mailbox_id");
DB_SQL(sql_snooze_drop, "DELETE FROM snooze WHERE account_id = $1 AND email_id = $2");
DB_SQL(sql_snooze_get,
	"SELECT until_ns, mailbox_id FROM snooze WHERE account_id = $1 AND email_id = $2");
DB_SQL(sql_snooze_due,
	"SELECT account_id, email_id, until_ns, mailbox_id FROM snooze WHERE until_ns <= $1 "
	"ORDER BY until_ns LIMIT $2");
DB_SQL(sql_snooze_next,
	"SELECT until_ns FROM snooze WHERE until_ns > $1 ORDER BY until_ns LIMIT 1");
DB_SQL(sql_snooze_rows,
	"SELECT uid, flags, blob_id, blob_octets, keywords, subject, sender, prefix, thread_id "
	"FROM message WHERE account_id = $1 AND email_id = $2 AND mailbox_id = $3 ORDER BY uid");
DB_SQL(sql_snooze_back, "UPDATE message SET keywords = $2, thread_id = $3 WHERE id = $1");

#define SNOOZE_ROWS 256

/* ---- keeping ---- */

struct keeping {
	uint64_t account_id;
	struct snooze *list;
	const uint64_t *ids;
	size_t count;
};

int snooze_set_tx(struct db *db, void *arg, struct err *e)
{
	const struct snooze_list *k = arg;

	for (size_t i = 0; i < k->count; i++) {
		const struct snooze *r = &k->rows[i];
		uint64_t was;

		if (r->until_ns &&
			db_run(db, e, &sql_snooze_put, "iiii", (int64_t)k->account_id,
				(int64_t)r->email_id, r->until_ns, (int64_t)r->mailbox_id) < 0)
			return -1;
		was = db_total_changes(db);
		if (!r->until_ns &&
			db_run(db, e, &sql_snooze_drop, "ii", (int64_t)k->account_id,
				(int64_t)r->email_id) < 0)
			return -1;
		if ((r->until_ns || db_total_changes(db) != was) &&
			object_changed_tx(db, k->account_id, OBJECT_SNOOZE, r->email_id,
				r->until_ns ? OBJECT_UPDATED : OBJECT_DESTROYED, NULL, e) < 0)
			return -1;
	}
	store_changed(db, STORE_DUE);
	return 0;
}

static int get_all(struct db *db, void *arg, struct err *e)
{
	struct keeping *k = arg;

	for (size_t i = 0; i < k->count; i++) {
		bool is_found;
		int64_t until = 0, box = 0;

		if (db_get(db, e, NULL, &sql_snooze_get, &is_found, "ii:ii", (int64_t)k->account_id,
			    (int64_t)k->ids[i], &until, &box) < 0)
			return -1;
		k->list[i] = (struct snooze){k->account_id, k->ids[i], until, (uint64_t)box};
	}
	return 0;
}

FIBER int snooze_get(struct store *s, uint64_t account_id, const uint64_t *ids, size_t count,
	struct snooze *list_r, struct err *e)
{
	struct keeping k = {.account_id = account_id, .ids = ids, .list = list_r, .count = count};

	return store_read(s, "snooze.get", get_all, &k, e);
}

/* ---- coming back ---- */

struct due {
	int64_t now_ns, next_ns;
	struct snooze *list;
	size_t count;
};

static int read_due(struct db *db, void *arg, struct err *e)
{
	struct due *d = arg;
	struct db_stmt *st = db_query(
		db, e, &sql_snooze_due, "ii", d->now_ns, (int64_t)SNOOZE_ROWS);
	bool is_row = false;
	int rc = st ? 0 : -1;

	d->count = 0;
	d->next_ns = CLOCK_NEVER;
	while (st && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		struct snooze *r = &d->list[d->count++];
		int64_t account, email, box;

		db_cols(st, "iiii", &account, &email, &r->until_ns, &box);
		r->account_id = (uint64_t)account;
		r->email_id = (uint64_t)email;
		r->mailbox_id = (uint64_t)box;
	}
	db_done(st);
	return rc < 0
		? -1
		: db_get(db, e, NULL, &sql_snooze_next, &is_row, "i:i", d->now_ns, &d->next_ns);
}

FIBER int snooze_due(struct store *s, struct arena *a, int64_t now_ns, struct snooze **list_r,
	size_t *count_r, int64_t *next_ns_r, struct err *e)
{
	struct due d = {.now_ns = now_ns, .list = ARENA_ARRAY(a, struct snooze, SNOOZE_ROWS)};

	if (store_read(s, "snooze.due", read_due, &d, e) < 0)
		return -1;
	*list_r = d.list;
	*count_r = d.count;
	*next_ns_r = d.next_ns;
	return 0;
}

struct waking {
	struct store *store;
	const struct snooze *row;
	int64_t now_ns;
	uint64_t id; /* of the new message */
	/* of this closure */
	struct arena *a;
	struct mailbox_info snoozed, to;
	uint32_t *uids;
	size_t uid_count;
	struct delivery d;
	struct deliver_head head;
	struct span keywords;
	int64_t thread_id;
};

static int read_rows(struct db *db, struct waking *w, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_snooze_rows, "iii", (int64_t)w->row->account_id,
		(int64_t)w->row->email_id, (int64_t)w->snoozed.id);
	bool is_row = false;
	int rc = st ? 0 : -1;

	w->uids = ARENA_ARRAY(w->a, uint32_t, SNOOZE_ROWS);
	w->uid_count = 0;
	while (st && w->uid_count < SNOOZE_ROWS && (rc = db_step(st, &is_row, e)) == 0 && is_row) {
		int64_t uid, flags, blob, octets;
		struct span words, subject, sender, prefix;

		db_cols(st, "iiiitttbi", &uid, &flags, &blob, &octets, &words, &subject, &sender,
			&prefix, &w->thread_id);
		w->uids[w->uid_count++] = (uint32_t)uid;
		w->d.flags = (unsigned)flags & ~(unsigned)(MAILBOX_SEEN | MAILBOX_DELETED);
		w->d.blob_id = (uint64_t)blob;
		w->d.blob_octets = (uint64_t)octets;
		w->d.prefix = arena_span(w->a, prefix);
		w->keywords = arena_span(w->a, words);
		w->head.subject = arena_span(w->a, subject);
		w->head.sender = arena_span(w->a, sender);
	}
	db_done(st);
	return rc;
}

static int find_boxes(struct db *db, struct waking *w, bool *is_there_r, struct err *e)
{
	bool is_to = false;

	if (mailbox_find_tx(db, w->a, w->row->account_id, SPAN(SNOOZE_NAME), &w->snoozed,
		    is_there_r, e) < 0 ||
		mailbox_by_id_tx(db, w->a, w->row->mailbox_id, &w->to, &is_to, e) < 0)
		return -1;
	w->d.folder = is_to && w->to.account_id == w->row->account_id && w->to.id != w->snoozed.id
		? w->to.name
		: SPAN("INBOX");
	return 0;
}

/* Keywords go along as far as the mailbox has room for them. */
static int put_details(struct db *db, struct waking *w, struct err *e)
{
	struct span *words = ARENA_ARRAY(w->a, struct span, MAILBOX_KEYWORDS_MAX),
		    rest = w->keywords;
	struct span joined = SPAN("");
	struct mailbox_info box;
	bool is_there = false;
	size_t n = 0;
	struct err why = {0};

	if (mailbox_find_tx(db, w->a, w->row->account_id, w->d.folder, &box, &is_there, e) < 0)
		return -1;
	while (rest.len && n < MAILBOX_KEYWORDS_MAX)
		span_cut(rest, ' ', &words[n++], &rest);
	if (is_there && n && mailbox_keywords_tx(db, w->a, box.id, words, n, &joined, &why) < 0) {
		if (why.code != ERR_LIMIT)
			return err_copy(e, &why);
		joined = SPAN("");
	}
	return db_run(db, e, &sql_snooze_back, "iti", (int64_t)w->d.id, joined, w->thread_id);
}

static int bring_back(struct db *db, struct waking *w, struct err *e)
{
	struct mailbox_tally out = {0};
	bool is_gone;

	w->d.id = w->id;
	w->d.account_id = w->row->account_id;
	w->d.received_ns = w->now_ns;
	w->d.head = &w->head;
	if (blob_ref_tx(db, w->d.blob_id, 1, e) < 0 || deliver_tx(db, &w->d, e) < 0 ||
		put_details(db, w, e) < 0)
		return -1;
	for (size_t i = 0; i < w->uid_count; i++)
		if (mailbox_take_out_tx(
			    db, w->snoozed.id, w->uids[i], false, w->now_ns, &out, &is_gone, e) < 0)
			return -1;
	return mailbox_tally_tx(db, w->snoozed.id, &out, e);
}

static int wake_tx(struct db *db, struct waking *w, struct err *e)
{
	bool is_there = false;

	w->d = (struct delivery){0};
	if (find_boxes(db, w, &is_there, e) < 0 || (is_there && read_rows(db, w, e) < 0))
		return -1;
	if (is_there && w->uid_count && bring_back(db, w, e) < 0)
		return -1;
	if (db_run(db, e, &sql_snooze_drop, "ii", (int64_t)w->row->account_id,
		    (int64_t)w->row->email_id) < 0)
		return -1;
	return object_changed_tx(
		db, w->row->account_id, OBJECT_SNOOZE, w->row->email_id, OBJECT_DESTROYED, NULL, e);
}

static int wake_closure(struct db *db, void *arg, struct err *e)
{
	struct waking *w = arg;
	int rc;

	w->a = arena_new();
	rc = wake_tx(db, w, e);
	arena_free(&w->a);
	return rc;
}

FIBER int snooze_wake(struct store *s, const struct snooze *row, int64_t now_ns, struct err *e)
{
	struct waking w = {.store = s, .row = row, .now_ns = now_ns, .id = store_new_id(s)};

	return store_write(s, "snooze.wake", wake_closure, &w, e);
}
