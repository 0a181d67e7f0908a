/* Names that go and names that change. */

#include "store/email_priv.h"
#include "store/mailbox_priv.h"

DB_SQL(sql_drop_mailbox, "DELETE FROM mailbox WHERE id = $1 AND messages = 0 AND name <> 'INBOX'");
DB_SQL(sql_drop_acl, "DELETE FROM mailbox_acl WHERE mailbox_id = $1");
DB_SQL(sql_drop_keywords, "DELETE FROM mailbox_keyword WHERE mailbox_id = $1");
DB_SQL(sql_drop_metadata, "DELETE FROM mailbox_metadata WHERE mailbox_id = $1");
DB_SQL(sql_rename_one, "UPDATE mailbox SET name = $2 WHERE id = $1");
/* '0' stands behind '/': all names that begin with "old/". */
DB_SQL(sql_rename_below,
	"UPDATE mailbox SET name = $4 || SUBSTR(name, $5) WHERE account_id = $1 AND name > $2 AND "
	"name < $3");
DB_SQL(sql_rename_longest,
	"SELECT COALESCE(MAX(LENGTH(CAST(name AS BLOB))), 0) FROM mailbox WHERE account_id = $1 AND "
	"name > $2 AND name < $3");

struct move_deed {
	struct arena *a;
	uint64_t mailbox_id, account_id, new_id;
	struct span name;
	bool is_empty, is_inbox;
};

static int drop_empty(struct db *db, void *arg, struct err *e)
{
	struct move_deed *d = arg;
	struct mailbox_info info;
	bool is_there = false;

	if (mailbox_by_id_tx(db, d->a, d->mailbox_id, &info, &is_there, e) < 0)
		return -1;
	if (!is_there)
		return err_set(e, ERR_NOT_FOUND, "there is no such mailbox");
	if (span_eq(info.name, SPAN("INBOX")))
		return err_set(e, ERR_DENIED, "INBOX cannot be deleted");
	d->is_empty = info.messages == 0;
	if (!d->is_empty)
		return 0;
	if (db_run(db, e, &sql_drop_acl, "i", (int64_t)info.id) < 0 ||
		db_run(db, e, &sql_drop_metadata, "i", (int64_t)info.id) < 0 ||
		db_run(db, e, &sql_drop_keywords, "i", (int64_t)info.id) < 0 ||
		db_run(db, e, &sql_drop_mailbox, "i", (int64_t)info.id) < 0 ||
		email_box_gone_tx(db, info.account_id, info.id, e) < 0 ||
		mailbox_told_tx(db, info.account_id, info.id, OBJECT_DESTROYED, e) < 0 ||
		mailbox_told_below_tx(db, d->a, info.account_id, info.name, e) < 0)
		return -1;
	store_changed_mailbox(db, info.account_id, info.id);
	store_changed_mailbox(db, info.account_id, 0);
	return 0;
}

FIBER int mailbox_delete(struct store *s, uint64_t mailbox_id, struct err *e)
{
	for (;;) {
		struct move_deed d = {.a = arena_new(), .mailbox_id = mailbox_id};
		struct mailbox_expunge_op x = {
			.mailbox_id = mailbox_id, .keep_until_ns = INT64_MAX};
		int result = store_write(s, "mailbox.delete", drop_empty, &d, e);

		arena_free(&d.a);
		if (result < 0 || d.is_empty)
			return result;
		/* A letter may come in meanwhile: look again. */
		if (mailbox_expunge_ranges(s, &x, e) < 0)
			return -1;
	}
}

static size_t characters(struct span text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
	return n;
}

static int rename_below(
	struct db *db, const struct mailbox_info *info, struct move_deed *d, struct err *e)
{
	struct span from = mailbox_spanf(d->a, SPAN_FMT "/", SPAN_ARG(info->name));
	struct span to = mailbox_spanf(d->a, SPAN_FMT "0", SPAN_ARG(info->name));
	int64_t longest = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_rename_longest, &is_found, "itt:i", (int64_t)info->account_id,
		    from, to, &longest) < 0)
		return -1;
	if (longest && (uint64_t)longest - info->name.len + d->name.len > MAILBOX_NAME_MAX)
		return err_set(e, ERR_LIMIT, "the name of a mailbox below it would be too long");
	return db_run(db, e, &sql_rename_below, "ittti", (int64_t)info->account_id, from, to,
		d->name, (int64_t)characters(info->name) + 1);
}

static bool is_below(struct span name, struct span parent)
{
	return name.len > parent.len && name.ptr[parent.len] == '/' &&
		span_eq(span_sub(name, 0, parent.len), parent);
}

/* The parent's row is made by mailbox_make_tx under the new name, then given away again: so that levels,
 * limits and what is taken are looked at in one place. */
static int rename_all(struct db *db, void *arg, struct err *e)
{
	struct move_deed *d = arg;
	struct mailbox_info info;
	bool is_there = false;

	if (mailbox_by_id_tx(db, d->a, d->mailbox_id, &info, &is_there, e) < 0)
		return -1;
	if (!is_there)
		return err_set(e, ERR_NOT_FOUND, "there is no such mailbox");
	d->account_id = info.account_id;
	d->is_inbox = span_eq(info.name, SPAN("INBOX"));
	if (!d->is_inbox && is_below(d->name, info.name))
		return err_set(e, ERR_DENIED, "a mailbox cannot be moved below itself");
	if (mailbox_make_tx(db, d->a, info.account_id, d->name, SPAN(""), &d->new_id, e) < 0)
		return -1;
	if (d->is_inbox) /* RFC 9051 section 6.3.6: its messages move, it stays, and so do those below it */
		return 0;
	if (db_run(db, e, &sql_drop_acl, "i", (int64_t)d->new_id) < 0 ||
		db_run(db, e, &sql_drop_mailbox, "i", (int64_t)d->new_id) < 0 ||
		mailbox_told_tx(db, info.account_id, d->new_id, OBJECT_DESTROYED, e) < 0 ||
		db_run(db, e, &sql_rename_one, "it", (int64_t)info.id, d->name) < 0 ||
		mailbox_told_tx(db, info.account_id, info.id, OBJECT_UPDATED, e) < 0 ||
		rename_below(db, &info, d, e) < 0 ||
		/* subscriptions go by names */
		mailbox_told_below_tx(db, d->a, info.account_id, d->name, e) < 0)
		return -1;
	store_changed_mailbox(db, info.account_id, info.id);
	store_changed_mailbox(db, info.account_id, 0);
	return 0;
}

FIBER int mailbox_rename(struct store *s, uint64_t mailbox_id, struct span new_name, struct err *e)
{
	struct move_deed d = {.mailbox_id = mailbox_id, .name = new_name};
	int result;

	if (mailbox_name_check(new_name, e) < 0)
		return -1;
	d.a = arena_new();
	result = store_write(s, "mailbox.rename", rename_all, &d, e);
	if (result == 0 && d.is_inbox) {
		static const struct uid_range all = {1, UINT32_MAX};
		struct mailbox_copy x = {.from_id = mailbox_id,
			.to_id = d.new_id,
			.ranges = &all,
			.range_count = 1,
			.is_move = true,
			.arena = d.a};

		result = mailbox_copy(s, &x, e);
	}
	arena_free(&d.a);
	return result;
}
