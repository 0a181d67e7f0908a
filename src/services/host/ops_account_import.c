#include "store/account_admin.h"
#include "store/verifier_import.h"
#include "services/host/ops_priv.h"

/* account.import: accounts with the password hashes of another system, a page of them at a time. What is
 * wrong with one is told by its number; the others go in. */

#define IMPORT_PAGE 200

struct import {
	struct ops_call *c;
	bool is_dry, is_existing; /* look only; only accounts that are there */
	uint64_t added, changed;
};

/* What stands in a file for "nobody logs in with a password". */
static bool is_locked(struct span hash)
{
	return !hash.len || hash.ptr[0] == '!' || hash.ptr[0] == '*';
}

/* Before anything is made: whether all of the line can be taken. */
static FIBER int look(
	struct import *x, struct arena *a, struct span address, struct span hash, struct err *e)
{
	enum directory_domain_kind kind;
	ptrdiff_t at = span_rfind(address, '@');

	if (at <= 0)
		return err_set(e, ERR_SYNTAX, "'" SPAN_FMT "' is not an address",
			SPAN_ARG(span_sub(address, 0, 80)));
	if (directory_domain_find(
		    x->c->ctx->store, a, span_skip(address, (size_t)at + 1), &kind, e) < 0)
		return -1;
	if (kind != DIRECTORY_DOMAIN_LOCAL)
		return err_set(e, ERR_NOT_FOUND,
			"'" SPAN_FMT
			"' is not a local domain here; add it first: yizhan domain add",
			SPAN_ARG(span_skip(address, (size_t)at + 1)));
	return is_locked(hash) ? 0 : verifier_import_check(hash, e);
}

static FIBER int make(
	struct import *x, const struct json_in *row, struct directory_account *acc, struct err *e)
{
	struct span name = json_in_text(row, "name");
	uint64_t quota;

	*acc = (struct directory_account){
		.address = json_in_text(row, "address"), .name = name, .is_quota_default = true};
	if (json_in_u64(row, "quota", &quota)) {
		acc->quota_octets = quota;
		acc->is_quota_default = false;
	}
	return directory_account_set(x->c->ctx->store, acc, SPAN_NONE, true, e);
}

static FIBER int set_hash(
	struct import *x, struct arena *a, struct span address, struct span hash, struct err *e)
{
	struct directory_account acc;
	struct span password;

	if (!verifier_import_plain(a, hash, &password))
		return account_import_hash(x->c->ctx->store, address, hash, e);
	if (directory_account_find(x->c->ctx->store, a, address, &acc, e) < 0)
		return -1;
	return ops_password(x->c, acc.id, password, e);
}

static FIBER int take(struct import *x, struct arena *a, const struct json_in *row, struct err *e)
{
	struct span address = json_in_text(row, "address"), hash = json_in_text(row, "hash");
	struct directory_account acc;
	struct err why = {0};
	bool is_there;

	if (look(x, a, address, hash, e) < 0)
		return -1;
	is_there = directory_account_find(x->c->ctx->store, a, address, &acc, &why) == 0;
	if (!is_there && (why.code != ERR_NOT_FOUND || x->is_existing))
		return err_copy(e, &why);
	if (!is_there && ops_reserved(x->c, ACCOUNT_PERSON, address, e) < 0)
		return -1;
	if (!x->is_dry && !is_there && make(x, row, &acc, e) < 0)
		return -1;
	if (!x->is_dry && !is_locked(hash) && set_hash(x, a, address, hash, e) < 0)
		return -1;
	*(is_there ? &x->changed : &x->added) += 1;
	return 0;
}

static FIBER int tell_bad(struct import *x, size_t n, const struct err *why, struct err *e)
{
	struct json_out *j = ops_row(x->c);

	json_kv_u64(j, "bad", n);
	json_kv_str(j, "reason", why->text);
	return ops_row_end(x->c, e);
}

FIBER int op_account_import(struct ops_call *c, struct err *e)
{
	const struct json_in *rows = json_in_get(c->args, "accounts");
	struct import x = {.c = c,
		.is_dry = json_in_bool(c->args, "dry_run"),
		.is_existing = json_in_bool(c->args, "existing")};
	struct arena *a;
	int rc = 0;

	if (json_in_count(rows) > IMPORT_PAGE)
		return err_set(e, ERR_LIMIT, "at most %d accounts at a time", IMPORT_PAGE);
	a = arena_new();
	for (size_t i = 0; rc == 0 && i < json_in_count(rows); i++) {
		struct err why = {0};

		arena_reset(a);
		if (take(&x, a, json_in_at(rows, i), &why) == 0)
			continue;
		/* what is wrong with the store is wrong with all of them */
		if (why.code == ERR_IO || why.code == ERR_FULL || why.code == ERR_CANCELLED)
			rc = err_copy(e, &why);
		else
			rc = tell_bad(&x, i, &why, e);
	}
	arena_free(&a);
	if (rc < 0)
		return -1;
	struct json_out *j = ops_row(c);

	json_kv_u64(j, "added", x.added);
	json_kv_u64(j, "changed", x.changed);
	return ops_row_end(c, e);
}
