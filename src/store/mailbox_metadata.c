/* Annotations of mailboxes and of the server (RFC 5464). */

#include "store/mailbox_priv.h"

/* Entries in and below a name: "name", "name/…" ('0' stands behind '/'). */
DB_SQL(sql_metadata_list,
	"SELECT name, value FROM mailbox_metadata WHERE mailbox_id = $1 AND reader_id = $2 AND "
	"($3 = '' OR name = $3 OR (name > $3 || '/' AND name < $3 || '0')) ORDER BY name LIMIT $4");
DB_SQL(sql_metadata_put,
	"INSERT INTO mailbox_metadata (mailbox_id, reader_id, name, value) VALUES ($1, $2, $3, $4) "
	"ON CONFLICT (mailbox_id, reader_id, name) DO UPDATE SET value = excluded.value");
DB_SQL(sql_metadata_drop,
	"DELETE FROM mailbox_metadata WHERE mailbox_id = $1 AND reader_id = $2 AND name = $3");
DB_SQL(sql_metadata_count,
	"SELECT COUNT(*) FROM mailbox_metadata WHERE mailbox_id = $1 AND reader_id = $2");

struct metadata {
	struct arena *a;
	uint64_t mailbox_id, reader_id;
	struct span name;
	struct mailbox_metadata *list;
	const struct mailbox_metadata *items;
	size_t count, cap;
};

static bool is_shared(struct span name)
{
	return span_eq(span_sub(name, 0, 8), SPAN("/shared/"));
}

static int metadata_half(struct db *db, struct metadata *x, uint64_t reader_id, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_metadata_list, "iiti", (int64_t)x->mailbox_id,
		(int64_t)reader_id, x->name, (int64_t)MAILBOX_METADATA_MAX);
	bool is_row = false;
	int result = -1;

	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		struct mailbox_metadata *m;

		if (x->count == x->cap) { /* few have any, and LIST asks for many mailboxes */
			size_t cap = x->cap ? x->cap * 2 : 4;
			struct mailbox_metadata *grown = ARENA_ARRAY(
				x->a, struct mailbox_metadata, cap);

			for (size_t i = 0; i < x->count; i++)
				grown[i] = x->list[i];
			x->list = grown;
			x->cap = cap;
		}
		m = &x->list[x->count++];
		db_cols(st, "tb", &m->name, &m->value);
		m->name = arena_span(x->a, m->name);
		m->value = arena_span(x->a, m->value);
	}
	db_done(st);
	return result;
}

static int metadata_read(struct db *db, void *arg, struct err *e)
{
	struct metadata *x = arg;

	x->count = 0;
	return metadata_half(db, x, x->reader_id, e) < 0 ? -1 : metadata_half(db, x, 0, e);
}

FIBER int mailbox_metadata_list(struct store *s, struct arena *a, uint64_t mailbox_id,
	uint64_t reader_id, struct span name, struct mailbox_metadata **list_r, size_t *count_r,
	struct err *e)
{
	struct metadata x = {.a = a, .mailbox_id = mailbox_id, .reader_id = reader_id};

	x.name = mailbox_lower(a, name);
	if (store_read(s, "mailbox.metadata", metadata_read, &x, e) < 0)
		return -1;
	*list_r = x.list;
	*count_r = x.count;
	return 0;
}

static int metadata_one(
	struct db *db, struct metadata *x, const struct mailbox_metadata *m, struct err *e)
{
	struct span name = mailbox_lower(x->a, m->name);
	uint64_t reader = is_shared(name) ? 0 : x->reader_id;
	int64_t count = 0;
	bool is_found;

	if (!m->value.ptr)
		return db_run(db, e, &sql_metadata_drop, "iit", (int64_t)x->mailbox_id,
			(int64_t)reader, name);
	if (db_run(db, e, &sql_metadata_put, "iitb", (int64_t)x->mailbox_id, (int64_t)reader, name,
		    m->value) < 0 ||
		db_get(db, e, NULL, &sql_metadata_count, &is_found, "ii:i", (int64_t)x->mailbox_id,
			(int64_t)reader, &count) < 0)
		return -1;
	return count <= MAILBOX_METADATA_MAX
		? 0
		: err_set(e, ERR_LIMIT, "a mailbox has at most %d annotations",
			  MAILBOX_METADATA_MAX);
}

static int metadata_write(struct db *db, void *arg, struct err *e)
{
	struct metadata *x = arg;
	struct mailbox_info info = {.account_id = x->reader_id};
	bool is_there = false;

	if (x->mailbox_id && mailbox_by_id_tx(db, x->a, x->mailbox_id, &info, &is_there, e) < 0)
		return -1;
	if (x->mailbox_id && !is_there)
		return err_set(e, ERR_NOT_FOUND, "there is no such mailbox");
	for (size_t i = 0; i < x->count; i++)
		if (metadata_one(db, x, &x->items[i], e) < 0)
			return -1;
	store_changed_mailbox(db, info.account_id, x->mailbox_id);
	return 0;
}

FIBER int mailbox_metadata_set(struct store *s, uint64_t mailbox_id, uint64_t reader_id,
	const struct mailbox_metadata *items, size_t count, struct err *e)
{
	struct metadata x = {
		.mailbox_id = mailbox_id, .reader_id = reader_id, .items = items, .count = count};
	int result;

	for (size_t i = 0; i < count; i++) {
		if (items[i].name.len > MAILBOX_METADATA_NAME_MAX)
			return err_set(e, ERR_LIMIT, "an annotation's name has at most %d octets",
				MAILBOX_METADATA_NAME_MAX);
		if (items[i].value.len > MAILBOX_METADATA_VALUE_MAX)
			return err_set(e, ERR_LIMIT, "an annotation has at most %d octets",
				MAILBOX_METADATA_VALUE_MAX);
	}
	x.a = arena_new();
	result = store_write(s, "mailbox.metadata", metadata_write, &x, e);
	arena_free(&x.a);
	return result;
}
