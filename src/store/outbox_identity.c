/* Identities (RFC 8621 section 6). */
#include "store/outbox.h"

#include "store/object.h"

DB_SQL(sql_identity_list,
	"SELECT id, name, email, reply_to, bcc, text_signature, html_signature, may_delete, rank "
	"FROM identity WHERE account_id = $1 ORDER BY rank, id LIMIT 200");
DB_SQL(sql_identity_count, "SELECT COUNT(*) FROM identity WHERE account_id = $1");
DB_SQL(sql_identity_put,
	"INSERT INTO identity (id, account_id, name, email, reply_to, bcc, text_signature, "
	"html_signature, may_delete, rank) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
	"ON CONFLICT (id) DO UPDATE SET name = excluded.name, reply_to = excluded.reply_to, "
	"bcc = excluded.bcc, text_signature = excluded.text_signature, "
	"html_signature = excluded.html_signature, rank = excluded.rank");
DB_SQL(sql_identity_remove, "DELETE FROM identity WHERE id = $1 AND account_id = $2");

struct identity_look {
	struct arena *a;
	uint64_t account_id, id;
	struct outbox_identity *list;
	const struct outbox_identity *given;
	size_t count;
	bool is_new, is_done;
};

static int list_tx(struct db *db, void *arg, struct err *e)
{
	struct identity_look *l = arg;
	struct db_stmt *st = db_query(db, e, &sql_identity_list, "i", (int64_t)l->account_id);
	bool is_row = false;
	int rc = st ? 0 : -1;

	l->count = 0;
	while (st && l->count < OUTBOX_IDENTITIES && (rc = db_step(st, &is_row, e)) == 0 &&
		is_row) {
		struct outbox_identity *i = &l->list[l->count++];
		int64_t id, may_delete, rank;

		db_cols(st, "ittttttii", &id, &i->name, &i->email, &i->reply_to, &i->bcc,
			&i->text_signature, &i->html_signature, &may_delete, &rank);
		i->id = (uint64_t)id;
		i->account_id = l->account_id;
		i->name = arena_span(l->a, i->name);
		i->email = arena_span(l->a, i->email);
		i->reply_to = arena_span(l->a, i->reply_to);
		i->bcc = arena_span(l->a, i->bcc);
		i->text_signature = arena_span(l->a, i->text_signature);
		i->html_signature = arena_span(l->a, i->html_signature);
		i->may_delete = may_delete != 0;
		i->rank = (int)rank;
	}
	db_done(st);
	return rc;
}

FIBER int outbox_identities(struct store *s, struct arena *a, uint64_t account_id,
	struct outbox_identity **list_r, size_t *count_r, struct err *e)
{
	struct identity_look l = {.a = a,
		.account_id = account_id,
		.list = ARENA_ARRAY(a, struct outbox_identity, OUTBOX_IDENTITIES)};

	if (store_read(s, "outbox.identities", list_tx, &l, e) < 0)
		return -1;
	*list_r = l.list;
	*count_r = l.count;
	return 0;
}

static int put_one(
	struct db *db, const struct outbox_identity *i, enum object_how how, struct err *e)
{
	if (db_run(db, e, &sql_identity_put, "iittttttii", (int64_t)i->id, (int64_t)i->account_id,
		    i->name, i->email, i->reply_to, i->bcc, i->text_signature, i->html_signature,
		    (int64_t)i->may_delete, (int64_t)i->rank) < 0)
		return -1;
	return object_changed_tx(db, i->account_id, OBJECT_IDENTITY, i->id, how, NULL, e);
}

static int count_of(struct db *db, uint64_t account_id, int64_t *count_r, struct err *e)
{
	bool is_found;

	return db_get(
		db, e, NULL, &sql_identity_count, &is_found, "i:i", (int64_t)account_id, count_r);
}

static int first_tx(struct db *db, void *arg, struct err *e)
{
	struct identity_look *l = arg;
	int64_t count = 0;

	if (count_of(db, l->account_id, &count, e) < 0)
		return -1;
	for (size_t i = 0; !count && i < l->count; i++)
		if (put_one(db, &l->given[i], OBJECT_CREATED, e) < 0)
			return -1;
	return 0;
}

FIBER int outbox_identities_first(struct store *s, uint64_t account_id,
	const struct outbox_identity *list, size_t count, struct err *e)
{
	struct identity_look l = {.account_id = account_id, .given = list, .count = count};

	return store_write(s, "outbox.identities", first_tx, &l, e);
}

static int put_tx(struct db *db, void *arg, struct err *e)
{
	struct identity_look *l = arg;
	int64_t count = 0;

	if (l->is_new && count_of(db, l->given->account_id, &count, e) < 0)
		return -1;
	if (count >= OUTBOX_IDENTITIES)
		return err_set(
			e, ERR_LIMIT, "an account has at most %d identities", OUTBOX_IDENTITIES);
	return put_one(db, l->given, l->is_new ? OBJECT_CREATED : OBJECT_UPDATED, e);
}

FIBER int outbox_identity_put(
	struct store *s, const struct outbox_identity *identity, bool is_new, struct err *e)
{
	struct identity_look l = {.given = identity, .is_new = is_new};

	return store_write(s, "outbox.identity", put_tx, &l, e);
}

static int remove_tx(struct db *db, void *arg, struct err *e)
{
	struct identity_look *l = arg;

	if (db_run(db, e, &sql_identity_remove, "ii", (int64_t)l->id, (int64_t)l->account_id) < 0)
		return -1;
	l->is_done = db_changes(db) > 0;
	return l->is_done ? object_changed_tx(db, l->account_id, OBJECT_IDENTITY, l->id,
				    OBJECT_DESTROYED, NULL, e)
			  : 0;
}

FIBER int outbox_identity_remove(
	struct store *s, uint64_t account_id, uint64_t id, bool *was_there_r, struct err *e)
{
	struct identity_look l = {.account_id = account_id, .id = id};
	int rc = store_write(s, "outbox.identity.remove", remove_tx, &l, e);

	*was_there_r = l.is_done;
	return rc;
}
