/* Rows of mailboxes as they are read: all of an account, one by its name, one by its id. */

#include "store/mailbox_priv.h"

DB_SQL(sql_mailbox_folders,
	"SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE account_id = $1 AND name > $2 "
	"ORDER BY name LIMIT 256");
DB_SQL(sql_mailbox_by_id, "SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE id = $1");
DB_SQL(sql_mailbox_find,
	"SELECT " MAILBOX_COLUMNS " FROM mailbox WHERE account_id = $1 AND name = $2");

struct mailbox_folder_look {
	struct arena *a;
	uint64_t account_id;
	struct span name; /* the last one seen */
	struct mailbox_info *list;
	size_t count, cap, page;
};

void mailbox_info_cols(struct arena *a, struct db_stmt *st, struct mailbox_info *m)
{
	int64_t id, account, validity, next, modseq, messages, unseen, octets, deleted, gone;

	db_cols(st, MAILBOX_COLUMN_TYPES, &id, &account, &m->name, &validity, &next, &modseq,
		&messages, &unseen, &octets, &deleted, &gone, &m->special_use);
	m->id = (uint64_t)id;
	m->account_id = (uint64_t)account;
	m->name = arena_span(a, m->name);
	m->uidvalidity = (uint32_t)validity;
	m->uidnext = (uint32_t)next;
	m->highest_modseq = (uint64_t)modseq;
	m->messages = (uint64_t)messages;
	m->unseen = (uint64_t)unseen;
	m->octets = (uint64_t)octets;
	m->deleted = (uint64_t)deleted;
	m->deleted_octets = (uint64_t)gone;
	m->special_use = arena_span(a, m->special_use);
}

static int mailbox_folder_page(struct db *db, void *arg, struct err *e)
{
	struct mailbox_folder_look *look = arg;
	struct db_stmt *st = db_query(
		db, e, &sql_mailbox_folders, "it", (int64_t)look->account_id, look->name);
	bool is_row = false;
	int result = -1;

	look->page = 0;
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		if (look->count == look->cap) {
			size_t cap = look->cap ? look->cap * 2 : 16;
			struct mailbox_info *grown = ARENA_ARRAY(look->a, struct mailbox_info, cap);

			for (size_t i = 0; i < look->count; i++)
				grown[i] = look->list[i];
			look->list = grown;
			look->cap = cap;
		}
		mailbox_info_cols(look->a, st, &look->list[look->count]);
		look->name = look->list[look->count].name;
		look->count++;
		look->page++;
	}
	db_done(st);
	return result;
}

FIBER int mailbox_folders(struct store *s, struct arena *a, uint64_t account_id,
	struct mailbox_info **list_r, size_t *count_r, struct err *e)
{
	struct mailbox_folder_look look = {.a = a, .account_id = account_id};

	do {
		if (store_read(s, "mailbox.folders", mailbox_folder_page, &look, e) < 0)
			return -1;
	} while (look.page == 256);
	*list_r = look.list;
	*count_r = look.count;
	return 0;
}

int mailbox_find_tx(struct db *db, struct arena *a, uint64_t account_id, struct span folder,
	struct mailbox_info *info_r, bool *is_found_r, struct err *e)
{
	/* RFC 9051 section 5.1: INBOX in any case is the one INBOX. */
	struct span name = span_eq_nocase(folder, SPAN("INBOX")) ? SPAN("INBOX") : folder;
	struct db_stmt *st = db_query(db, e, &sql_mailbox_find, "it", (int64_t)account_id, name);
	int result = st ? db_step(st, is_found_r, e) : -1;

	if (result == 0 && *is_found_r)
		mailbox_info_cols(a, st, info_r);
	db_done(st);
	return result;
}

int mailbox_by_id_tx(struct db *db, struct arena *a, uint64_t mailbox_id,
	struct mailbox_info *info_r, bool *is_found_r, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_mailbox_by_id, "i", (int64_t)mailbox_id);
	int result = st ? db_step(st, is_found_r, e) : -1;

	if (result == 0 && *is_found_r)
		mailbox_info_cols(a, st, info_r);
	db_done(st);
	return result;
}

struct mailbox_look_one {
	struct arena *a;
	uint64_t id; /* the mailbox, or the account of `name` */
	struct span name;
	struct mailbox_info *info;
	bool is_found;
};

static int mailbox_find_one(struct db *db, void *arg, struct err *e)
{
	struct mailbox_look_one *look = arg;

	return mailbox_find_tx(db, look->a, look->id, look->name, look->info, &look->is_found, e);
}

FIBER int mailbox_find(struct store *s, struct arena *a, uint64_t account_id, struct span folder,
	struct mailbox_info *info_r, struct err *e)
{
	struct mailbox_look_one look = {.a = a, .id = account_id, .name = folder, .info = info_r};

	if (store_read(s, "mailbox.find", mailbox_find_one, &look, e) < 0)
		return -1;
	return look.is_found
		? 0
		: err_set(e, ERR_NOT_FOUND, "there is no folder '" SPAN_FMT "'", SPAN_ARG(folder));
}

static int mailbox_id_one(struct db *db, void *arg, struct err *e)
{
	struct mailbox_look_one *look = arg;

	return mailbox_by_id_tx(db, look->a, look->id, look->info, &look->is_found, e);
}

FIBER int mailbox_by_id(struct store *s, struct arena *a, uint64_t mailbox_id,
	struct mailbox_info *info_r, struct err *e)
{
	struct mailbox_look_one look = {.a = a, .id = mailbox_id, .info = info_r};

	if (store_read(s, "mailbox.id", mailbox_id_one, &look, e) < 0)
		return -1;
	return look.is_found ? 0 : err_set(e, ERR_NOT_FOUND, "the mailbox is gone");
}
