#include "store/mute.h"

#include "store/facts_priv.h"

/* '$muted' stands in the index mailbox_keyword_muted, too */
DB_SQL(sql_any,
	"SELECT 1 FROM mailbox_keyword k JOIN mailbox m ON m.id = k.mailbox_id "
	"WHERE k.folded = '$muted' AND m.account_id = $1 LIMIT 1");
DB_SQL(sql_thread,
	"SELECT thread_id FROM thread_ref WHERE account_id = $1 AND ref = $2 AND subject = $3");
DB_SQL(sql_is_muted,
	"SELECT 1 FROM message WHERE thread_id = $1 AND thread_id <> 0 AND account_id = $2 "
	"AND ' ' || lower(keywords) || ' ' LIKE '% $muted %' LIMIT 1");
DB_SQL(sql_archive,
	"SELECT name FROM mailbox WHERE account_id = $1 AND special_use = '\\Archive' "
	"AND special_use <> ''");

#define ARCHIVE "Archive" /* made where there is none */

static int is_muted(
	struct db *db, struct arena *a, const struct delivery *d, bool *is_muted_r, struct err *e)
{
	struct span rest = facts_refs_of(a, d->head->references, d->head->in_reply_to), id;
	int64_t account = (int64_t)d->account_id, thread, before = 0, subject;
	bool is_known;

	subject = facts_ref_number(facts_subject_of(a, d->head->raw_subject));
	*is_muted_r = false;
	while (rest.len && !*is_muted_r) {
		span_cut(rest, '\n', &id, &rest);
		if (db_get(db, e, NULL, &sql_thread, &is_known, "iii:i", account,
			    facts_ref_number(id), subject, &thread) < 0)
			return -1;
		if (!is_known || thread == before)
			continue;
		before = thread;
		if (db_get(db, e, NULL, &sql_is_muted, is_muted_r, "ii:-", thread, account) < 0)
			return -1;
	}
	return 0;
}

int mute_place_tx(struct db *db, struct arena *a, struct delivery *d, struct err *e)
{
	bool is_found = false;

	if ((!d->head->references.len && !d->head->in_reply_to.len) ||
		!span_eq_nocase(d->folder, SPAN("INBOX")))
		return 0;
	if (db_get(db, e, NULL, &sql_any, &is_found, "i:-", (int64_t)d->account_id) < 0)
		return -1;
	if (!is_found)
		return 0;
	if (is_muted(db, a, d, &is_found, e) < 0)
		return -1;
	if (!is_found)
		return 0;
	if (db_get(db, e, a, &sql_archive, &is_found, "i:t", (int64_t)d->account_id, &d->folder) <
		0)
		return -1;
	if (!is_found)
		d->folder = SPAN(ARCHIVE);
	d->is_folder_made = true;
	return 0;
}
