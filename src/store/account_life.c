/* The end of an account, and whether a letter fits. */

#include "base/clock.h"
#include "store/account_admin.h"
#include "store/account_priv.h"
#include "store/blob.h"
#include "store/directory_priv.h"
#include "store/email.h"
#include "store/facts.h"
#include "store/mailbox.h"
#include "store/moved.h"
#include "store/object.h"
#include "store/store_priv.h"

/* --- marked, and taken back ---------------------------------------------------------------- */

DB_SQL(sql_life_find, "SELECT id, removed_ns FROM account WHERE domain = $1 AND local = $2");
DB_SQL(sql_life_mark, "UPDATE account SET removed_ns = $2 WHERE id = $1");
DB_SQL(sql_life_next,
	"SELECT id FROM account WHERE removed_ns > 0 AND removed_ns <= $1 "
	"ORDER BY removed_ns LIMIT 1");

/* removed_ns of one that is being taken apart: it goes on after a crash, and there is no way back. */
#define ACCOUNT_ENDING 1

struct account_end {
	struct span local, domain, address;
	int64_t now_ns; /* 0: it is taken back */
	uint64_t id;
};

static int account_end_write(struct db *db, void *arg, struct err *e)
{
	struct account_end *x = arg;
	int64_t id, removed_ns = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_life_find, &is_found, "tt:ii", x->domain, x->local, &id,
		    &removed_ns) < 0)
		return -1;
	if (!is_found)
		return directory_missing(e, "account", x->address);
	if ((removed_ns > 0) == (x->now_ns > 0)) {
		err_set(e, ERR_STATE,
			removed_ns > 0 ? "account '" SPAN_FMT
					 "' is removed already (back: yizhan account "
					 "restore; gone at once: account remove --now)"
				       : "account '" SPAN_FMT "' is not removed",
			SPAN_ARG(x->address));
		return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
	}
	if (removed_ns == ACCOUNT_ENDING)
		return err_set(e, ERR_STATE,
			"account '" SPAN_FMT "' is being taken apart: there is no way back",
			SPAN_ARG(x->address));
	if (db_run(db, e, &sql_life_mark, "ii", id, x->now_ns) < 0)
		return -1;
	return account_moved(db, (uint64_t)id, e);
}

static FIBER int account_end(struct store *s, struct span address, int64_t now_ns, struct err *e)
{
	struct arena *a = arena_new();
	struct account_end x = {.now_ns = now_ns};
	int result = -1;

	if (directory_address(a, address, &x.local, &x.domain, e) == 0) {
		x.address = directory_join(a, x.local, x.domain);
		result = store_write(s, "account.end", account_end_write, &x, e);
	}
	arena_free(&a);
	return result;
}

FIBER int account_remove(struct store *s, struct span address, int64_t now_ns, struct err *e)
{
	return account_end(s, address, now_ns, e);
}

FIBER int account_restore(struct store *s, struct span address, struct err *e)
{
	return account_end(s, address, 0, e);
}

static int account_next_read(struct db *db, void *arg, struct err *e)
{
	struct account_end *x = arg;
	int64_t id = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_life_next, &is_found, "i:i", x->now_ns, &id) < 0)
		return -1;
	x->id = is_found ? (uint64_t)id : 0;
	return 0;
}

FIBER int account_next_to_purge(struct store *s, int64_t before_ns, uint64_t *id_r, struct err *e)
{
	struct account_end x = {.now_ns = before_ns};

	*id_r = 0;
	if (store_read(s, "account.next", account_next_read, &x, e) < 0)
		return -1;
	*id_r = x.id;
	return 0;
}

/* --- gone ---------------------------------------------------------------------------------- */

DB_SQL(sql_purge_due,
	"SELECT id FROM account WHERE id = $1 AND removed_ns > 0 AND removed_ns <= $2");
DB_SQL(sql_purge_tombstones,
	"DELETE FROM tombstone WHERE (mailbox_id, modseq, uid) IN (SELECT mailbox_id, modseq, uid "
	"FROM tombstone WHERE mailbox_id = $1 LIMIT $2)");
DB_SQL(sql_purge_account, "DELETE FROM account WHERE id = $1 AND removed_ns > 0");
DB_SQL(sql_purge_addresses, "DELETE FROM address WHERE account_id = $1");
DB_SQL(sql_purge_forwards, "DELETE FROM forward WHERE account_id = $1");
DB_SQL(sql_purge_mailboxes, "DELETE FROM mailbox WHERE account_id = $1");
DB_SQL(sql_purge_members, "DELETE FROM account_member WHERE account_id = $1");
DB_SQL(sql_purge_member_of, "DELETE FROM account_member WHERE member_id = $1");
DB_SQL(sql_purge_send_as, "DELETE FROM send_as WHERE account_id = $1");
DB_SQL(sql_purge_apps, "DELETE FROM app_password WHERE account_id = $1");
DB_SQL(sql_purge_certificates, "DELETE FROM account_certificate WHERE account_id = $1");
DB_SQL(sql_purge_sessions, "DELETE FROM web_session WHERE account_id = $1");
DB_SQL(sql_purge_totp, "DELETE FROM totp WHERE account_id = $1");
DB_SQL(sql_purge_recovery, "DELETE FROM recovery_code WHERE account_id = $1");
DB_SQL(sql_purge_events, "DELETE FROM login_event WHERE account_id = $1");

DB_SQL(sql_purge_subscriptions, "DELETE FROM subscription WHERE account_id = $1");
DB_SQL(sql_purge_threads,
	"DELETE FROM thread_ref WHERE (account_id, ref, subject) IN (SELECT account_id, ref, subject "
	"FROM thread_ref WHERE account_id = $1 LIMIT $2)");
DB_SQL(sql_purge_expunged,
	"SELECT id, blob_id, blob_octets FROM expunged WHERE account_id = $1 LIMIT $2");
DB_SQL(sql_purge_expunged_row, "DELETE FROM expunged WHERE id = $1");
DB_SQL(sql_purge_words, "DELETE FROM mailbox_keyword WHERE mailbox_id = $1");
DB_SQL(sql_purge_rights, "DELETE FROM mailbox_acl WHERE mailbox_id = $1");
DB_SQL(sql_purge_notes, "DELETE FROM mailbox_metadata WHERE mailbox_id = $1");
/* Who gets the address later must not get his rights. */
DB_SQL(sql_purge_identifier,
	"DELETE FROM mailbox_acl WHERE identifier = $1 OR identifier = '-' || $1");
DB_SQL(sql_purge_address, "SELECT local, domain FROM account WHERE id = $1");

/* What the page keeps for its owner. */
#define PURGE_WEB(id, table, key)                                                                  \
	DB_SQL(id,                                                                                 \
		"DELETE FROM " table " WHERE (" key ") IN (SELECT " key " FROM " table             \
		" WHERE account_id = $1 LIMIT $2)")
PURGE_WEB(sql_purge_pushes, "push_subscription", "id");
PURGE_WEB(sql_purge_identities, "identity", "id");
PURGE_WEB(sql_purge_submissions, "email_submission", "id");
PURGE_WEB(sql_purge_vacation, "vacation", "account_id");
PURGE_WEB(sql_purge_told, "vacation_told", "account_id, address");
PURGE_WEB(sql_purge_snoozes, "snooze", "account_id, email_id");
PURGE_WEB(sql_purge_contacts, "contact", "id");
PURGE_WEB(sql_purge_people, "contact_address", "account_id, address");
PURGE_WEB(sql_purge_settings, "web_setting", "account_id");
DB_SQL(sql_purge_uploads, "SELECT id, blob_id, octets FROM upload WHERE account_id = $1 LIMIT $2");
DB_SQL(sql_purge_upload, "DELETE FROM upload WHERE id = $1");

struct account_purge {
	uint64_t id, mailbox_id;
	int64_t before_ns; /* it must have been removed by then; 0: whatever it is */
	bool is_more;
};

static int account_purge_mark(struct db *db, void *arg, struct err *e)
{
	struct account_purge *p = arg;
	bool is_due = true;

	if (account_must_be(db, p->id, e) < 0 ||
		(p->before_ns &&
			db_get(db, e, NULL, &sql_purge_due, &is_due, "ii:-", (int64_t)p->id,
				p->before_ns) < 0))
		return -1;
	if (!is_due)
		return err_set(e, ERR_STATE, "account %llu has been taken back",
			(unsigned long long)p->id);
	if (db_run(db, e, &sql_life_mark, "ii", (int64_t)p->id, (int64_t)ACCOUNT_ENDING) < 0)
		return -1;
	return account_moved(db, p->id, e);
}

static int account_purge_tombstones(struct db *db, void *arg, struct err *e)
{
	struct account_purge *p = arg;

	if (db_run(db, e, &sql_purge_tombstones, "ii", (int64_t)p->mailbox_id,
		    (int64_t)ACCOUNT_PURGE_SLICE) < 0)
		return -1;
	p->is_more = db_changes(db) == ACCOUNT_PURGE_SLICE;
	return 0;
}

static int account_purge_moved(struct db *db, void *arg, struct err *e)
{
	struct account_purge *p = arg;

	return moved_purge_tx(db, p->id, ACCOUNT_PURGE_SLICE, &p->is_more, e);
}

static int account_purge_threads(struct db *db, void *arg, struct err *e)
{
	struct account_purge *p = arg;

	if (db_run(db, e, &sql_purge_threads, "ii", (int64_t)p->id, (int64_t)ACCOUNT_PURGE_SLICE) <
		0)
		return -1;
	p->is_more = db_changes(db) == ACCOUNT_PURGE_SLICE;
	return 0;
}

#define ACCOUNT_EXPUNGED_SLICE 64 /* bodies go with them */

/* Rows that hold a reference to a body. */
static int account_purge_bodies(struct db *db, struct account_purge *p, const struct db_sql *list,
	const struct db_sql *drop, struct err *e)
{
	struct db_stmt *st = db_query(
		db, e, list, "ii", (int64_t)p->id, (int64_t)ACCOUNT_EXPUNGED_SLICE);
	int64_t rows[ACCOUNT_EXPUNGED_SLICE][3];
	size_t count = 0;
	bool is_row = false;
	int result = -1;

	for (; st && (result = db_step(st, &is_row, e)) == 0 && is_row; count++)
		db_cols(st, "iii", &rows[count][0], &rows[count][1], &rows[count][2]);
	db_done(st);
	for (size_t i = 0; result == 0 && i < count; i++)
		if (db_run(db, e, drop, "i", rows[i][0]) < 0 ||
			blob_unref_tx(db, (uint64_t)rows[i][1], (uint64_t)rows[i][2], NULL, e) < 0)
			result = -1;
	p->is_more = count == ACCOUNT_EXPUNGED_SLICE;
	return result;
}

static int account_purge_expunged(struct db *db, void *arg, struct err *e)
{
	return account_purge_bodies(db, arg, &sql_purge_expunged, &sql_purge_expunged_row, e);
}

static int account_purge_uploads(struct db *db, void *arg, struct err *e)
{
	return account_purge_bodies(db, arg, &sql_purge_uploads, &sql_purge_upload, e);
}

static int account_purge_emails(struct db *db, void *arg, struct err *e)
{
	struct account_purge *p = arg;

	return email_purge_tx(db, p->id, &p->is_more, e);
}

static int account_purge_objects(struct db *db, void *arg, struct err *e)
{
	struct account_purge *p = arg;

	return object_purge_tx(db, p->id, &p->is_more, e);
}

static int account_purge_web(struct db *db, void *arg, struct err *e)
{
	static const struct db_sql *const tables[] = {&sql_purge_pushes, &sql_purge_identities,
		&sql_purge_submissions, &sql_purge_vacation, &sql_purge_told, &sql_purge_snoozes,
		&sql_purge_contacts, &sql_purge_people, &sql_purge_settings};
	struct account_purge *p = arg;

	p->is_more = false;
	for (size_t i = 0; i < ARRAY_LEN(tables) && !p->is_more; i++) {
		if (db_run(db, e, tables[i], "ii", (int64_t)p->id, (int64_t)ACCOUNT_PURGE_SLICE) <
			0)
			return -1;
		p->is_more = db_changes(db) == ACCOUNT_PURGE_SLICE;
	}
	return 0;
}

static int account_purge_identifier(struct db *db, const struct account_purge *p, struct err *e)
{
	struct arena *a = arena_new();
	struct span local, domain;
	bool is_found = false;
	int result = db_get(
		db, e, a, &sql_purge_address, &is_found, "i:tt", (int64_t)p->id, &local, &domain);

	if (result == 0 && is_found)
		result = db_run(
			db, e, &sql_purge_identifier, "t", directory_join(a, local, domain));
	arena_free(&a);
	return result;
}

/* What is left is little: a closure takes it at once. */
static int account_purge_rows(struct db *db, void *arg, struct err *e)
{
	static const struct db_sql *const tables[] = {&sql_purge_addresses, &sql_purge_forwards,
		&sql_purge_mailboxes, &sql_purge_members, &sql_purge_member_of, &sql_purge_send_as,
		&sql_purge_apps, &sql_purge_certificates, &sql_purge_sessions, &sql_purge_totp,
		&sql_purge_recovery, &sql_purge_events, &sql_purge_subscriptions};
	struct account_purge *p = arg;

	if (account_purge_identifier(db, p, e) < 0 ||
		db_run(db, e, &sql_purge_account, "i", (int64_t)p->id) < 0)
		return -1;
	if (db_changes(db) == 0)
		return account_gone(e, p->id);
	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		if (db_run(db, e, tables[i], "i", (int64_t)p->id) < 0)
			return -1;
	store_changed(db, STORE_DIRECTORY);
	/* the indexer may have come by */
	return email_purge_tx(db, p->id, &p->is_more, e) < 0
		? -1
		: facts_gone_tx(db, p->id, 0, e); /* search forgets all of it */
}

static int account_purge_mailbox_rows(struct db *db, void *arg, struct err *e)
{
	static const struct db_sql *const tables[] = {
		&sql_purge_words, &sql_purge_rights, &sql_purge_notes};
	const struct account_purge *p = arg;

	for (size_t i = 0; i < ARRAY_LEN(tables); i++)
		if (db_run(db, e, tables[i], "i", (int64_t)p->mailbox_id) < 0)
			return -1;
	return 0;
}

static FIBER int account_purge_slices(
	struct store *s, struct account_purge *p, store_fn *slice, struct err *e)
{
	do {
		if (store_write(s, "account.slice", slice, p, e) < 0)
			return -1;
	} while (p->is_more);
	return 0;
}

static FIBER int account_purge_mailbox(
	struct store *s, struct account_purge *p, uint64_t mailbox_id, struct err *e)
{
	p->mailbox_id = mailbox_id;
	if (mailbox_expunge(s, mailbox_id, NULL, 0, NULL, e) < 0 ||
		account_purge_slices(s, p, account_purge_tombstones, e) < 0)
		return -1;
	return store_write(s, "account.mailbox", account_purge_mailbox_rows, p, e);
}

FIBER int account_purge_due(struct store *s, uint64_t id, int64_t before_ns, struct err *e)
{
	struct arena *a = arena_new();
	struct account_purge p = {.id = id, .before_ns = before_ns};
	struct mailbox_info *folders;
	size_t count;
	int result = -1;

	/* Marked first, so that nothing is delivered while the mailboxes are emptied. */
	if (store_write(s, "account.end", account_purge_mark, &p, e) < 0 ||
		mailbox_folders(s, a, id, &folders, &count, e) < 0)
		goto out;
	for (size_t i = 0; i < count; i++)
		if (account_purge_mailbox(s, &p, folders[i].id, e) < 0)
			goto out;
	if (account_purge_slices(s, &p, account_purge_moved, e) < 0 ||
		account_purge_slices(s, &p, account_purge_expunged, e) < 0 ||
		account_purge_slices(s, &p, account_purge_threads, e) < 0 ||
		account_purge_slices(s, &p, account_purge_uploads, e) < 0 ||
		account_purge_slices(s, &p, account_purge_web, e) < 0 ||
		account_purge_slices(s, &p, account_purge_objects, e) < 0 ||
		account_purge_slices(s, &p, account_purge_emails, e) < 0)
		goto out;
	result = store_write(s, "account.purge", account_purge_rows, &p, e);
out:
	arena_free(&a);
	return result;
}

FIBER int account_purge(struct store *s, uint64_t id, struct err *e)
{
	return account_purge_due(s, id, 0, e);
}

FIBER int directory_account_remove(struct store *s, struct span address, struct err *e)
{
	struct arena *a = arena_new();
	struct directory_account acc;
	int result = -1;

	if (directory_account_find(s, a, address, &acc, e) == 0)
		result = account_purge(s, acc.id, e);
	arena_free(&a);
	return result;
}

/* --- room for a letter --------------------------------------------------------------------- */

DB_SQL(sql_fit, "SELECT octets, messages, quota_octets, quota_messages FROM account WHERE id = $1");

struct account_fits_look {
	struct account_fit *fits;
	size_t count;
	int64_t octets;
};

static int account_fits_read(struct db *db, void *arg, struct err *e)
{
	struct account_fits_look *look = arg;

	for (size_t i = 0; i < look->count; i++) {
		struct account_fit *f = &look->fits[i];
		int64_t octets = 0, messages = 0, quota = 0, quota_messages = 0;
		bool is_found;

		if (db_get(db, e, NULL, &sql_fit, &is_found, "i:iiii", (int64_t)f->id, &octets,
			    &messages, &quota, &quota_messages) < 0)
			return -1;
		f->is_never = quota > 0 && look->octets > quota;
		f->is_full = f->is_never ||
			(quota > 0 && (octets >= quota || look->octets > quota - octets)) ||
			(quota_messages > 0 && messages >= quota_messages);
	}
	return 0;
}

FIBER int account_fits(
	struct store *s, struct account_fit *fits, size_t count, uint64_t octets, struct err *e)
{
	struct account_fits_look look = {
		.octets = octets > INT64_MAX ? INT64_MAX : (int64_t)octets};

	for (size_t done = 0; done < count; done += look.count) {
		look.fits = fits + done;
		look.count = count - done < ACCOUNT_FITS_MAX ? count - done : ACCOUNT_FITS_MAX;
		if (store_read(s, "account.fits", account_fits_read, &look, e) < 0)
			return -1;
	}
	return 0;
}
