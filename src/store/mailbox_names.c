/* Names of mailboxes: made, deleted, renamed, subscribed to. */

#include "base/utf8.h"
#include "store/deliver.h"
#include "store/mailbox_priv.h"

struct span mailbox_spanf(struct arena *a, const char *fmt, ...)
{
	struct buf *b = arena_buf(a, 64 * 1024);
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
	return buf_span(b);
}

struct span mailbox_lower(struct arena *a, struct span text)
{
	char *out = arena_alloc(a, text.len + 1);

	for (size_t i = 0; i < text.len; i++)
		out[i] = (char)span_lower((unsigned char)text.ptr[i]);
	return span_of(out, text.len);
}

static bool is_name_text(struct span name)
{
	uint32_t code;

	while (name.len) {
		if (!utf8_take(&name, &code))
			return false;
		/* RFC 9051 section 5.1 items 1 and 2; RFC 5198 section 2: no controls, no separators of lines */
		if (code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 ||
			code == 0x2029)
			return false;
		if (code == '*' || code == '%')
			return false;
	}
	return true;
}

int mailbox_name_check(struct span name, struct err *e)
{
	size_t levels = 1;

	if (name.len == 0 || name.len > MAILBOX_NAME_MAX)
		return err_set(
			e, ERR_SYNTAX, "a mailbox's name has 1 to %d octets", MAILBOX_NAME_MAX);
	if (!is_name_text(name))
		return err_set(
			e, ERR_SYNTAX, "a mailbox's name is UTF-8 without controls, '*' and '%%'");
	for (size_t i = 0; i < name.len; i++) {
		if (name.ptr[i] != '/')
			continue;
		levels++;
		if (i == 0 || i + 1 == name.len || name.ptr[i - 1] == '/')
			return err_set(e, ERR_SYNTAX, "a level of the mailbox's name is empty");
	}
	if (levels > MAILBOX_DEPTH_MAX)
		return err_set(
			e, ERR_SYNTAX, "a mailbox's name has at most %d levels", MAILBOX_DEPTH_MAX);
	return 0;
}

/* --- making ---------------------------------------------------------------------------------- */

DB_SQL(sql_name_count, "SELECT COUNT(*) FROM mailbox WHERE account_id = $1");
DB_SQL(sql_name_use,
	"SELECT id FROM mailbox WHERE account_id = $1 AND special_use = $2 AND "
	"special_use <> ''");
DB_SQL(sql_name_set_use, "UPDATE mailbox SET special_use = $2 WHERE id = $1");
DB_SQL(sql_name_inherit,
	"INSERT INTO mailbox_acl (mailbox_id, identifier, rights) "
	"SELECT $2, identifier, rights FROM mailbox_acl WHERE mailbox_id = $1");

/* RFC 9051 section 6.3.4: a server makes superior levels too. */
static int make_levels(struct db *db, struct arena *a, uint64_t account_id, struct span name,
	uint64_t *id_r, struct err *e)
{
	uint64_t parent = 0;

	for (size_t end = 0; end < name.len;) {
		struct mailbox_info info;
		struct span level;
		ptrdiff_t slash = span_find(span_skip(name, end), '/');
		bool is_there = false;

		end = slash < 0 ? name.len : end + (size_t)slash;
		level = span_sub(name, 0, end++);
		if (mailbox_find_tx(db, a, account_id, level, &info, &is_there, e) < 0)
			return -1;
		if (is_there) {
			parent = info.id;
			continue;
		}
		if (mailbox_create_tx(db, account_id, level, id_r, e) < 0 ||
			mailbox_told_below_tx(db, a, account_id, level, e) < 0 ||
			(parent &&
				db_run(db, e, &sql_name_inherit, "ii", (int64_t)parent,
					(int64_t)*id_r) < 0))
			return -1;
		parent = *id_r;
	}
	return 0;
}

static int check_free(struct db *db, struct arena *a, uint64_t account_id, struct span name,
	struct span special_use, struct err *e)
{
	struct mailbox_info info;
	int64_t count = 0;
	bool is_there = false;

	if (mailbox_find_tx(db, a, account_id, name, &info, &is_there, e) < 0)
		return -1;
	if (is_there)
		return err_set(e, ERR_EXISTS, "there is a mailbox of that name");
	if (db_get(db, e, NULL, &sql_name_use, &is_there, "it:-", (int64_t)account_id,
		    special_use) < 0)
		return -1;
	if (is_there)
		return err_set(e, ERR_EXISTS, "there is a mailbox with the use " SPAN_FMT,
			SPAN_ARG(special_use));
	if (db_get(db, e, NULL, &sql_name_count, &is_there, "i:i", (int64_t)account_id, &count) < 0)
		return -1;
	if (count + MAILBOX_DEPTH_MAX > MAILBOX_PER_ACCOUNT)
		return err_set(
			e, ERR_LIMIT, "an account has at most %d mailboxes", MAILBOX_PER_ACCOUNT);
	return 0;
}

int mailbox_make_tx(struct db *db, struct arena *a, uint64_t account_id, struct span name,
	struct span special_use, uint64_t *id_r, struct err *e)
{
	if (check_free(db, a, account_id, name, special_use, e) < 0 ||
		make_levels(db, a, account_id, name, id_r, e) < 0)
		return -1;
	if (special_use.len &&
		db_run(db, e, &sql_name_set_use, "it", (int64_t)*id_r, special_use) < 0)
		return -1;
	store_changed_mailbox(db, account_id, 0);
	return 0;
}

struct name_deed {
	struct arena *a;
	uint64_t account_id, id;
	struct span name, use;
	bool is_on;
};

static int name_create(struct db *db, void *arg, struct err *e)
{
	struct name_deed *d = arg;

	return mailbox_make_tx(db, d->a, d->account_id, d->name, d->use, &d->id, e);
}

FIBER int mailbox_create(struct store *s, uint64_t account_id, struct span name,
	struct span special_use, uint64_t *id_r, struct err *e)
{
	struct name_deed d = {.account_id = account_id, .name = name, .use = special_use};
	int result;

	if (mailbox_name_check(name, e) < 0)
		return -1;
	d.a = arena_new();
	result = store_write(s, "mailbox.create", name_create, &d, e);
	arena_free(&d.a);
	if (result == 0 && id_r)
		*id_r = d.id;
	return result;
}

/* --- special mailboxes ----------------------------------------------------------------------- */

DB_SQL(sql_subscribe,
	"INSERT INTO subscription (account_id, name) VALUES ($1, $2) "
	"ON CONFLICT (account_id, name) DO NOTHING");
DB_SQL(sql_unsubscribe, "DELETE FROM subscription WHERE account_id = $1 AND name = $2");
DB_SQL(sql_subscription_count, "SELECT COUNT(*) FROM subscription WHERE account_id = $1");
DB_SQL(sql_subscriptions,
	"SELECT name FROM subscription WHERE account_id = $1 AND name > $2 ORDER BY name LIMIT 256");
DB_SQL(sql_special_accounts,
	"SELECT id FROM account WHERE id > $1 AND kind <> 2 ORDER BY id LIMIT 16");
DB_SQL(sql_special_done, "SELECT value FROM setting WHERE name = 'mailbox.special'");
DB_SQL(sql_special_note,
	"INSERT INTO setting (name, value) VALUES ('mailbox.special', '1') "
	"ON CONFLICT (name) DO NOTHING");

/* RFC 6154. One that is there under the name already gets the use. */
static const struct {
	const char *name, *use;
} specials[] = {{"Archive", "\\Archive"}, {"Drafts", "\\Drafts"}, {"Junk", "\\Junk"},
	{"Sent", "\\Sent"}, {"Trash", "\\Trash"}};

static int special_one(struct db *db, struct arena *a, uint64_t account_id, struct span name,
	struct span use, struct err *e)
{
	struct mailbox_info info;
	uint64_t id;
	bool is_there = false, is_used = false;

	if (db_get(db, e, NULL, &sql_name_use, &is_used, "it:-", (int64_t)account_id, use) < 0 ||
		mailbox_find_tx(db, a, account_id, name, &info, &is_there, e) < 0)
		return -1;
	if (is_used)
		return 0;
	if (is_there) {
		if (db_run(db, e, &sql_name_set_use, "it", (int64_t)info.id, use) < 0 ||
			mailbox_told_tx(db, account_id, info.id, OBJECT_UPDATED, e) < 0)
			return -1;
	} else if (mailbox_make_tx(db, a, account_id, name, use, &id, e) < 0) {
		return -1;
	}
	return db_run(db, e, &sql_subscribe, "it", (int64_t)account_id, name);
}

int mailbox_special_tx(struct db *db, struct arena *a, uint64_t account_id, struct err *e)
{
	for (size_t i = 0; i < ARRAY_LEN(specials); i++)
		if (special_one(db, a, account_id, span_str(specials[i].name),
			    span_str(specials[i].use), e) < 0)
			return -1;
	return db_run(db, e, &sql_subscribe, "it", (int64_t)account_id, SPAN("INBOX"));
}

static int special_account(struct db *db, void *arg, struct err *e)
{
	struct name_deed *d = arg;

	return mailbox_special_tx(db, d->a, d->account_id, e);
}

FIBER int mailbox_special(struct store *s, uint64_t account_id, struct err *e)
{
	struct name_deed d = {.a = arena_new(), .account_id = account_id};
	int result = store_write(s, "mailbox.special", special_account, &d, e);

	arena_free(&d.a);
	return result;
}

struct special_walk {
	struct arena *a;
	uint64_t after;
	size_t count;
	bool is_done;
};

static int special_slice(struct db *db, void *arg, struct err *e)
{
	struct special_walk *w = arg;
	uint64_t ids[16];
	struct db_stmt *st;
	bool is_row = false;
	int result = -1;

	w->count = 0;
	if (db_get(db, e, NULL, &sql_special_done, &w->is_done, ":-") < 0)
		return -1;
	if (w->is_done)
		return 0;
	st = db_query(db, e, &sql_special_accounts, "i", (int64_t)w->after);
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row)
		ids[w->count++] = (uint64_t)db_col_i64(st, 0);
	db_done(st);
	for (size_t i = 0; result == 0 && i < w->count; i++)
		result = mailbox_special_tx(db, w->a, ids[i], e);
	if (result < 0)
		return -1;
	if (w->count == 0)
		return db_run(db, e, &sql_special_note, "");
	w->after = ids[w->count - 1];
	return 0;
}

FIBER int mailbox_special_all(struct store *s, struct err *e)
{
	struct special_walk w = {0};
	int result;

	do {
		struct special_walk next = {.a = arena_new(), .after = w.after};

		result = store_write(s, "mailbox.special", special_slice, &next, e);
		arena_free(&next.a);
		w = next;
	} while (result == 0 && w.count > 0);
	return result;
}

/* --- subscriptions --------------------------------------------------------------------------- */

static int name_subscribe(struct db *db, void *arg, struct err *e)
{
	struct name_deed *d = arg;
	int64_t count = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_subscription_count, &is_found, "i:i", (int64_t)d->account_id,
		    &count) < 0)
		return -1;
	if (d->is_on && count >= MAILBOX_SUBSCRIPTIONS_MAX)
		return err_set(e, ERR_LIMIT, "an account subscribes to at most %d mailboxes",
			MAILBOX_SUBSCRIPTIONS_MAX);
	if (db_run(db, e, d->is_on ? &sql_subscribe : &sql_unsubscribe, "it",
		    (int64_t)d->account_id, d->name) < 0 ||
		mailbox_told_named_tx(db, d->account_id, d->name, e) < 0)
		return -1;
	store_changed_mailbox(db, d->account_id, 0);
	return 0;
}

FIBER int mailbox_subscribe(
	struct store *s, uint64_t account_id, struct span seen_name, bool is_on, struct err *e)
{
	struct name_deed d = {.account_id = account_id, .name = seen_name, .is_on = is_on};

	if (is_on && mailbox_name_check(seen_name, e) < 0)
		return -1;
	return store_write(s, "mailbox.subscribe", name_subscribe, &d, e);
}

struct subscriptions {
	struct arena *a;
	uint64_t account_id;
	struct span after, *list;
	size_t count, cap, page;
};

static int subscriptions_page(struct db *db, void *arg, struct err *e)
{
	struct subscriptions *x = arg;
	struct db_stmt *st = db_query(
		db, e, &sql_subscriptions, "it", (int64_t)x->account_id, x->after);
	bool is_row = false;
	int result = -1;

	x->page = 0;
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		if (x->count == x->cap) {
			size_t cap = x->cap ? x->cap * 2 : 16;
			struct span *grown = ARENA_ARRAY(x->a, struct span, cap);

			for (size_t i = 0; i < x->count; i++)
				grown[i] = x->list[i];
			x->list = grown;
			x->cap = cap;
		}
		x->after = arena_span(x->a, db_col_span(st, 0));
		x->list[x->count++] = x->after;
		x->page++;
	}
	db_done(st);
	return result;
}

FIBER int mailbox_subscriptions(struct store *s, struct arena *a, uint64_t account_id,
	struct span **names_r, size_t *count_r, struct err *e)
{
	struct subscriptions x = {.a = a, .account_id = account_id};

	do {
		if (store_read(s, "mailbox.subscriptions", subscriptions_page, &x, e) < 0)
			return -1;
	} while (x.page == STORE_PAGE_ROWS);
	*names_r = x.list;
	*count_r = x.count;
	return 0;
}
