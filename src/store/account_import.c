/* Hashes of another system in the place of a password. */

#include "store/account.h"
#include "store/account_priv.h"
#include "store/directory_priv.h"
#include "store/store_priv.h"
#include "store/verifier_import.h"

DB_SQL(sql_import_account, "SELECT id, kind FROM account WHERE domain = $1 AND local = $2");
DB_SQL(sql_import_set,
	"UPDATE account SET scram_sha256 = $2, scram_sha1 = $3, imported = $4 WHERE id = $1");

struct account_import {
	struct span local, domain, address;
	struct span sha256, sha1, imported;
};

static int account_import_write(struct db *db, void *arg, struct err *e)
{
	struct account_import *im = arg;
	int64_t id = 0, kind = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_import_account, &is_found, "tt:ii", im->domain, im->local, &id,
		    &kind) < 0)
		return -1;
	if (!is_found)
		return directory_missing(e, "account", im->address);
	if (kind != ACCOUNT_PERSON)
		return err_set(e, ERR_STATE, "nobody logs in as a %s",
			account_kind_str((enum account_kind)kind));
	if (db_run(db, e, &sql_import_set, "ittt", id, im->sha256, im->sha1, im->imported) < 0)
		return -1;
	return account_moved(db, (uint64_t)id, e);
}

/* What can be a verifier at once is no imported hash: a key of SCRAM-SHA-256, a password in the clear. A
 * SCRAM-SHA-1 key is a verifier and, for logins that show the password, a hash as well. */
static FIBER int account_import_forms(struct store *s, struct arena *a, struct span hash,
	struct account_import *im, struct err *e)
{
	struct span password;

	if (verifier_import_check(hash, e) < 0)
		return -1;
	if (verifier_import_plain(a, hash, &password))
		return verifier_make(s, a, password, &im->sha256, e);
	verifier_import_scram(a, hash, &im->sha256, &im->sha1);
	if (!im->sha256.len)
		im->imported = hash;
	return 0;
}

FIBER int account_import_hash(struct store *s, struct span address, struct span hash, struct err *e)
{
	struct arena *a = arena_new();
	struct account_import im = {.address = address};
	int result = -1;

	if (directory_address(a, address, &im.local, &im.domain, e) == 0 &&
		account_import_forms(s, a, hash, &im, e) == 0)
		result = store_write(s, "account.import", account_import_write, &im, e);
	arena_free(&a);
	return result;
}
