/* The second factor of an account and its recovery codes. */

#include "base/clock.h"
#include "store/account_priv.h"
#include "store/object.h"
#include "store/store_priv.h"
#include "store/web_login_priv.h"

DB_SQL(sql_totp_get, "SELECT secret, is_on, last_step, created_ns FROM totp WHERE account_id = $1");
DB_SQL(sql_totp_begin,
	"INSERT INTO totp (account_id, secret, is_on, last_step, created_ns) "
	"VALUES ($1, $2, 0, 0, $3) ON CONFLICT (account_id) DO UPDATE SET secret = $2, "
	"last_step = 0, created_ns = $3 WHERE totp.is_on = 0");
DB_SQL(sql_totp_on,
	"UPDATE totp SET is_on = 1, last_step = $2 WHERE account_id = $1 AND is_on = 0");
DB_SQL(sql_totp_take,
	"UPDATE totp SET last_step = $2 WHERE account_id = $1 AND is_on = 1 AND last_step < $2");
DB_SQL(sql_totp_off, "DELETE FROM totp WHERE account_id = $1");
DB_SQL(sql_recovery_left,
	"SELECT COUNT(*) FROM recovery_code WHERE account_id = $1 AND used_ns = 0");
DB_SQL(sql_recovery_off, "DELETE FROM recovery_code WHERE account_id = $1");
DB_SQL(sql_recovery_add,
	"INSERT INTO recovery_code (account_id, code_hash, used_ns) VALUES ($1, $2, 0)");
DB_SQL(sql_recovery_take,
	"UPDATE recovery_code SET used_ns = $3 WHERE account_id = $1 AND code_hash = $2 AND "
	"used_ns = 0");

struct second {
	struct arena *a;
	uint64_t account_id, keep;
	struct totp *totp;
	struct span secret;
	const struct span *hashes;
	size_t count;
	int64_t step, now_ns;
	bool is_taken;
};

static int second_read(struct db *db, void *arg, struct err *e)
{
	struct second *x = arg;
	struct totp *t = x->totp;
	int64_t is_on = 0, left = 0;
	bool is_found;

	*t = (struct totp){0};
	if (db_get(db, e, x->a, &sql_totp_get, &is_found, "i:biii", (int64_t)x->account_id,
		    &t->secret, &is_on, &t->last_step, &t->created_ns) < 0 ||
		db_get(db, e, NULL, &sql_recovery_left, &is_found, "i:i", (int64_t)x->account_id,
			&left) < 0)
		return -1;
	t->is_on = is_on != 0;
	t->codes_left = (uint64_t)left;
	return 0;
}

FIBER int totp_get(struct store *store, struct arena *a, uint64_t account_id, struct totp *totp_r,
	struct err *e)
{
	struct second x = {.a = a, .account_id = account_id, .totp = totp_r};

	return store_read(store, "totp", second_read, &x, e);
}

static int second_begin(struct db *db, void *arg, struct err *e)
{
	struct second *x = arg;

	if (account_must_be(db, x->account_id, e) < 0 ||
		db_run(db, e, &sql_totp_begin, "ibi", (int64_t)x->account_id, x->secret,
			x->now_ns) < 0)
		return -1;
	return db_changes(db) ? 0 : err_set(e, ERR_STATE, "the second factor is on already");
}

FIBER int totp_begin(
	struct store *store, uint64_t account_id, struct span secret, int64_t now_ns, struct err *e)
{
	struct second x = {.account_id = account_id, .secret = secret, .now_ns = now_ns};

	return store_write(store, "totp.begin", second_begin, &x, e);
}

/* The second factor is told of with the sessions. */
static int told(struct db *db, const struct second *x, struct err *e)
{
	return object_changed_tx(
		db, x->account_id, OBJECT_SESSION, x->account_id, OBJECT_UPDATED, NULL, e);
}

static int put_codes(struct db *db, const struct second *x, struct err *e)
{
	if (db_run(db, e, &sql_recovery_off, "i", (int64_t)x->account_id) < 0)
		return -1;
	for (size_t i = 0; i < x->count; i++)
		if (db_run(db, e, &sql_recovery_add, "ib", (int64_t)x->account_id, x->hashes[i]) <
			0)
			return -1;
	return 0;
}

static int second_confirm(struct db *db, void *arg, struct err *e)
{
	struct second *x = arg;

	if (db_run(db, e, &sql_totp_on, "ii", (int64_t)x->account_id, x->step) < 0)
		return -1;
	if (db_changes(db) == 0)
		return err_set(e, ERR_STATE, "no second factor waits to be confirmed");
	/* What has logged in with the password alone ends. */
	if (put_codes(db, x, e) < 0 || account_moved(db, x->account_id, e) < 0)
		return -1;
	if (web_session_keep_tx(db, x->account_id, x->keep, e) < 0)
		return -1;
	return told(db, x, e);
}

FIBER int totp_confirm(struct store *store, uint64_t account_id, int64_t step,
	const struct span *hashes, size_t count, uint64_t keep, struct err *e)
{
	struct second x = {.account_id = account_id,
		.step = step,
		.hashes = hashes,
		.count = count,
		.keep = keep};

	return store_write(store, "totp.confirm", second_confirm, &x, e);
}

static int second_take(struct db *db, void *arg, struct err *e)
{
	struct second *x = arg;

	if (db_run(db, e, &sql_totp_take, "ii", (int64_t)x->account_id, x->step) < 0)
		return -1;
	x->is_taken = db_changes(db) > 0;
	return 0;
}

FIBER int totp_take(
	struct store *store, uint64_t account_id, int64_t step, bool *is_taken_r, struct err *e)
{
	struct second x = {.account_id = account_id, .step = step};
	int rc = store_write(store, "totp.take", second_take, &x, e);

	*is_taken_r = rc == 0 && x.is_taken;
	return rc;
}

static int second_remove(struct db *db, void *arg, struct err *e)
{
	struct second *x = arg;

	if (db_run(db, e, &sql_totp_off, "i", (int64_t)x->account_id) < 0)
		return -1;
	if (db_changes(db) == 0) {
		err_set(e, ERR_NOT_FOUND, "the account has no second factor");
		return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
	}
	/* caches that know of it look again */
	store_changed(db, STORE_DIRECTORY);
	if (db_run(db, e, &sql_recovery_off, "i", (int64_t)x->account_id) < 0)
		return -1;
	return told(db, x, e);
}

FIBER int totp_remove(struct store *store, uint64_t account_id, struct err *e)
{
	struct second x = {.account_id = account_id};

	return store_write(store, "totp.remove", second_remove, &x, e);
}

static int recovery_write(struct db *db, void *arg, struct err *e)
{
	struct second *x = arg;

	if (db_run(db, e, &sql_recovery_take, "ibi", (int64_t)x->account_id, x->secret, x->now_ns) <
		0)
		return -1;
	x->is_taken = db_changes(db) > 0;
	return 0;
}

FIBER int recovery_take(struct store *store, uint64_t account_id, struct span hash, int64_t now_ns,
	bool *is_taken_r, struct err *e)
{
	struct second x = {.account_id = account_id, .secret = hash, .now_ns = now_ns};
	int rc = store_write(store, "recovery.take", recovery_write, &x, e);

	*is_taken_r = rc == 0 && x.is_taken;
	return rc;
}

static int recovery_put(struct db *db, void *arg, struct err *e)
{
	return put_codes(db, arg, e);
}

FIBER int recovery_renew(struct store *store, uint64_t account_id, const struct span *hashes,
	size_t count, struct err *e)
{
	struct second x = {.account_id = account_id, .hashes = hashes, .count = count};

	return store_write(store, "recovery.renew", recovery_put, &x, e);
}
