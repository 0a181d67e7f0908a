/* What accounts pass on, and whom relay domains have. */

#include "store/db/db.h"
#include "store/directory.h"
#include "store/directory_priv.h"
#include "store/store_priv.h"

/* --- forwards ------------------------------------------------------------------------------ */

DB_SQL(sql_forward_account, "SELECT id FROM account WHERE domain = $1 AND local = $2");
DB_SQL(sql_forward_list,
	"SELECT f.target, a.is_forward_only FROM account a JOIN forward f ON f.account_id = a.id "
	"WHERE a.domain = $1 AND a.local = $2 ORDER BY f.n");
DB_SQL(sql_forward_clear, "DELETE FROM forward WHERE account_id = $1");
DB_SQL(sql_forward_add, "INSERT INTO forward (account_id, n, target) VALUES ($1, $2, $3)");
DB_SQL(sql_forward_only, "UPDATE account SET is_forward_only = $2 WHERE id = $1");

struct directory_forward {
	struct arena *a;
	struct span local, domain, address;
	struct span *targets;
	size_t count;
	bool is_only;
};

static int directory_forward_write(struct db *db, void *arg, struct err *e)
{
	struct directory_forward *f = arg;
	int64_t id = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_forward_account, &is_found, "tt:i", f->domain, f->local, &id) <
		0)
		return -1;
	if (!is_found)
		return directory_missing(e, "account", f->address);
	if (db_run(db, e, &sql_forward_clear, "i", id) < 0 ||
		db_run(db, e, &sql_forward_only, "ii", id, (int64_t)(f->is_only && f->count)) < 0)
		return -1;
	for (size_t i = 0; i < f->count; i++)
		if (db_run(db, e, &sql_forward_add, "iit", id, (int64_t)i, f->targets[i]) < 0)
			return -1;
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int directory_forward_set(struct store *s, struct span address, const struct span *targets,
	size_t count, bool is_only, struct err *e)
{
	struct arena *a = arena_new();
	struct directory_forward f = {.count = count, .is_only = is_only};
	int result = -1;

	if (count > DIRECTORY_FORWARDS_MAX) {
		err_set(e, ERR_LIMIT, "an account has at most %d forwards, not %zu",
			DIRECTORY_FORWARDS_MAX, count);
		goto out;
	}
	if (directory_address(a, address, &f.local, &f.domain, e) < 0 ||
		directory_targets(a, targets, count, &f.targets, e) < 0)
		goto out;
	f.address = directory_join(a, f.local, f.domain);
	for (size_t i = 0; i < count; i++) {
		if (!span_eq(f.targets[i], f.address))
			continue;
		err_set(e, ERR_SYNTAX,
			"'" SPAN_FMT "' is the account itself: its mail is kept with --keep",
			SPAN_ARG(f.address));
		goto out;
	}
	result = store_write(s, "directory.forward", directory_forward_write, &f, e);
out:
	arena_free(&a);
	return result;
}

static int directory_forward_read(struct db *db, void *arg, struct err *e)
{
	struct directory_forward *f = arg;
	struct db_stmt *st = db_query(db, e, &sql_forward_list, "tt", f->domain, f->local);
	bool is_row = false;
	int result = -1;

	f->count = 0;
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row &&
		f->count < DIRECTORY_FORWARDS_MAX) {
		f->targets[f->count++] = arena_span(f->a, db_col_span(st, 0));
		f->is_only = db_col_i64(st, 1) != 0;
	}
	db_done(st);
	return result;
}

FIBER int directory_forward_list(struct store *s, struct arena *a, struct span address,
	struct span **targets_r, size_t *count_r, bool *is_only_r, struct err *e)
{
	struct directory_forward f = {
		.a = a, .targets = ARENA_ARRAY(a, struct span, DIRECTORY_FORWARDS_MAX)};
	struct directory_account acc;

	if (directory_account_find(s, a, address, &acc, e) < 0 ||
		directory_address(a, address, &f.local, &f.domain, e) < 0 ||
		store_read(s, "directory.forward", directory_forward_read, &f, e) < 0)
		return -1;
	*targets_r = f.targets;
	*count_r = f.count;
	*is_only_r = f.is_only;
	return 0;
}

/* --- recipients of relay domains ----------------------------------------------------------- */

DB_SQL(sql_recipient_add,
	"INSERT INTO relay_rcpt (domain, local) VALUES ($1, $2) ON CONFLICT DO NOTHING");
DB_SQL(sql_recipient_remove, "DELETE FROM relay_rcpt WHERE domain = $1 AND local = $2");
DB_SQL(sql_recipient_page,
	"SELECT local FROM relay_rcpt WHERE domain = $1 AND local > $2 ORDER BY local LIMIT 256");

struct directory_recipients {
	struct span domain;
	struct span *locals;
	size_t count;
	bool is_remove;
	uint64_t changed;
};

static int directory_must_be_relay(struct db *db, struct span domain, struct err *e)
{
	enum directory_domain_kind kind;

	if (directory_domain_kind(db, domain, &kind, e) < 0)
		return -1;
	if (kind == DIRECTORY_DOMAIN_RELAY)
		return 0;
	return err_set(e, ERR_NOT_FOUND,
		"'" SPAN_FMT "' is not a relay domain here; add it first: "
		"yizhan domain add " SPAN_FMT " --relay --check table",
		SPAN_ARG(domain), SPAN_ARG(domain));
}

static int directory_recipients_write(struct db *db, void *arg, struct err *e)
{
	struct directory_recipients *r = arg;

	r->changed = 0;
	if (directory_must_be_relay(db, r->domain, e) < 0)
		return -1;
	for (size_t i = 0; i < r->count; i++) {
		if (db_run(db, e, r->is_remove ? &sql_recipient_remove : &sql_recipient_add, "tt",
			    r->domain, r->locals[i]) < 0)
			return -1;
		r->changed += db_changes(db);
	}
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

/* "alice" or "alice@domain" */
static int directory_recipient(
	struct arena *a, struct span text, struct span domain, struct span *local_r, struct err *e)
{
	struct span own = domain, address = text;

	if (span_rfind(text, '@') < 0)
		address = directory_join(a, text, domain);
	if (directory_address(a, address, local_r, &own, e) < 0)
		return -1;
	if (span_eq(own, domain) && !span_eq(*local_r, SPAN("*")))
		return 0;
	return err_set(e, ERR_SYNTAX, "'" SPAN_FMT "' is nobody of " SPAN_FMT,
		SPAN_ARG(span_sub(text, 0, 80)), SPAN_ARG(domain));
}

FIBER int directory_recipients_change(struct store *s, struct span domain, const struct span *names,
	size_t count, bool is_remove, uint64_t *changed_r, struct err *e)
{
	struct arena *a = arena_new();
	struct directory_recipients r = {.count = count, .is_remove = is_remove};
	int result = -1;

	if (count > DIRECTORY_RECIPIENTS_SLICE) {
		err_set(e, ERR_LIMIT, "at most %d recipients at a time, not %zu",
			DIRECTORY_RECIPIENTS_SLICE, count);
		goto out;
	}
	if (directory_domain_name(a, domain, &r.domain, e) < 0)
		goto out;
	r.locals = ARENA_ARRAY(a, struct span, count);
	for (size_t i = 0; i < count; i++)
		if (directory_recipient(a, names[i], r.domain, &r.locals[i], e) < 0)
			goto out;
	result = store_write(s, "directory.recipients", directory_recipients_write, &r, e);
	*changed_r = r.changed;
out:
	arena_free(&a);
	return result;
}

static int directory_recipients_page(struct db *db, void *arg, struct err *e)
{
	struct directory_page *p = arg;
	struct db_stmt *st = NULL;
	bool is_row = false;
	int result = -1;

	if (directory_must_be_relay(db, p->domain, e) < 0)
		return -1;
	st = db_query(db, e, &sql_recipient_page, "tt", p->domain, p->after);
	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		struct span *local = directory_row(p, sizeof(*local));

		*local = p->after = arena_span(p->a, db_col_span(st, 0));
	}
	db_done(st);
	return result;
}

FIBER int directory_recipients_list(struct store *s, struct arena *a, struct span domain,
	struct span **locals_r, size_t *count_r, struct err *e)
{
	struct directory_page p = {.a = a};

	if (directory_domain_name(a, domain, &p.domain, e) < 0 ||
		directory_pages(s, "directory.recipients", directory_recipients_page, &p, e) < 0)
		return -1;
	*locals_r = (void *)p.rows;
	*count_r = p.count;
	return 0;
}
