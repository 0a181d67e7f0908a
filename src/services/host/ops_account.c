#include <sys/random.h>

#include "base/enc.h"
#include "base/gcra.h"
#include "base/secret.h"
#include "proto/imap/imap_capability.h"
#include "store/account_admin.h"
#include "services/auth/auth.h"
#include "services/host/ops_priv.h"

/* account.add, set, remove, restore, list, show, suspend, resume, password, rename (docs/accounts.md). */

#define WARN_PERCENT 80
#define IMAP_OFF_MAX 200 /* octets */

FIBER int ops_tell(struct ops_call *c, const char *key, struct span value, struct err *e)
{
	json_kv_span(ops_row(c), key, value);
	return ops_row_end(c, e);
}

FIBER int ops_account(
	struct ops_call *c, struct directory_account *acc_r, struct span *address_r, struct err *e)
{
	if (ops_need(c, "address", address_r, e) < 0)
		return -1;
	return directory_account_find(c->ctx->store, c->arena, *address_r, acc_r, e);
}

int ops_reserved(struct ops_call *c, unsigned kind, struct span address, struct err *e)
{
	ptrdiff_t at = span_rfind(address, '@');

	if (kind != ACCOUNT_PERSON || at < 0 || json_in_bool(c->args, "force_reserved") ||
		!account_is_reserved(span_sub(address, 0, (size_t)at)))
		return 0;
	return err_set(e, ERR_DENIED,
		"'" SPAN_FMT "' is a reserved name (RFC 2142): make it an alias, a team or a group "
		"(yizhan alias add " SPAN_FMT " WHO), or say --force-reserved",
		SPAN_ARG(address), SPAN_ARG(address));
}

/* ---- passwords ---- */

FIBER int ops_password(struct ops_call *c, uint64_t id, struct span password, struct err *e)
{
	bool is_sha1 = c->ctx->config && c->ctx->config->auth.is_sha1;
	struct span prepared;

	if (auth_password_prep(c->arena, password, &prepared, e) < 0)
		return -1;
	return account_password_set(c->ctx->store, id, prepared, is_sha1, e);
}

/* What was said of a password: "" none, or one that is made now. */
static int password_arg(struct ops_call *c, struct span *password_r, bool *is_made_r, struct err *e)
{
	unsigned char bytes[10];
	struct buf *b;

	*password_r = json_in_text(c->args, "password");
	*is_made_r = json_in_bool(c->args, "make_password");
	if (*is_made_r) {
		if (getrandom(bytes, sizeof(bytes), 0) != sizeof(bytes))
			return err_set(e, ERR_IO, "no random numbers");
		b = arena_buf(c->arena, 64);
		enc_put_hex(b, span_of(bytes, sizeof(bytes)));
		*password_r = buf_span(b);
		return 0;
	}
	/* said now, so that no account is made whose password is none */
	return password_r->len ? auth_password_prep(c->arena, *password_r, password_r, e) : 0;
}

/* ---- what the arguments say ---- */

static int number_arg(struct ops_call *c, const char *name, uint64_t *to, struct err *e)
{
	if (json_in_get(c->args, name) && (!json_in_u64(c->args, name, to) || *to > INT64_MAX))
		return err_set(e, ERR_SYNTAX, "%s is a number", name);
	return 0;
}

/* A rate; "default" is what the configuration says. */
static int rate_arg(struct ops_call *c, const char *name, struct span *to, struct err *e)
{
	struct span text = json_in_text(c->args, name);
	struct gcra_rate rate;

	if (!text.len)
		return 0;
	if (span_eq(text, SPAN("default")))
		*to = SPAN_NONE;
	else if (span_eq(text, SPAN("none")) || gcra_parse(text, &rate))
		*to = text;
	else
		return err_set(e, ERR_SYNTAX,
			"'" SPAN_FMT "' is no rate (\"100/1h\", \"none\", \"default\")",
			SPAN_ARG(span_sub(text, 0, 60)));
	return 0;
}

/* "imap,submit"; all, none. */
static int protocols_arg(struct ops_call *c, struct directory_account *acc, struct err *e)
{
	struct span text = json_in_text(c->args, "protocols");
	unsigned scopes = ACCOUNT_SCOPE_ALL;

	if (!text.len)
		return 0;
	if (span_eq(text, SPAN("none")))
		scopes = 0;
	else if (!span_eq(text, SPAN("all")) && ops_scopes(text, &scopes, e) < 0)
		return -1;
	acc->scopes_off = ACCOUNT_SCOPE_ALL & ~scopes;
	return 0;
}

/* "COMPRESS=DEFLATE,IDLE"; none. Kept with blanks between. */
static int imap_without_arg(struct ops_call *c, struct directory_account *acc, struct err *e)
{
	struct span text = json_in_text(c->args, "imap_without"), word;
	struct buf *b = arena_buf(c->arena, IMAP_OFF_MAX);

	if (!text.len)
		return 0;
	while (!span_eq(text, SPAN("none")) && text.len) {
		span_cut(text, ',', &word, &text);
		word = span_trim(word);
		if (imap_cap_find(word) < 0)
			return err_set(e, ERR_SYNTAX, "'" SPAN_FMT "' is no capability of IMAP",
				SPAN_ARG(span_sub(word, 0, 40)));
		buf_str(b, buf_len(b) ? " " : "");
		buf_str(b, imap_cap_row((enum imap_cap)imap_cap_find(word))->name);
	}
	if (!buf_ok(b))
		return err_set(e, ERR_LIMIT, "too many capabilities");
	acc->imap_off = buf_span(b);
	return 0;
}

/* What is not said stays. */
static int account_args(struct ops_call *c, struct directory_account *acc, struct err *e)
{
	const struct json_in *name = json_in_get(c->args, "name");
	struct span user = json_in_text(c->args, "system_user");

	if (name)
		acc->name = json_in_span(name);
	if (json_in_get(c->args, "suspended"))
		acc->is_suspended = json_in_bool(c->args, "suspended");
	if (json_in_get(c->args, "quota"))
		acc->is_quota_default = false;
	if (number_arg(c, "quota", &acc->quota_octets, e) < 0 ||
		number_arg(c, "quota_messages", &acc->quota_messages, e) < 0 ||
		rate_arg(c, "rate", &acc->message_rate, e) < 0 ||
		rate_arg(c, "recipient_rate", &acc->recipient_rate, e) < 0)
		return -1;
	if (json_in_get(c->args, "sent_copy"))
		acc->is_sent_copied = json_in_bool(c->args, "sent_copy");
	if (protocols_arg(c, acc, e) < 0 || imap_without_arg(c, acc, e) < 0)
		return -1;
	if (user.len)
		acc->system_user = span_eq(user, SPAN("none")) ? SPAN_NONE : user;
	acc->is_details_set = true;
	return 0;
}

static int kind_arg(struct ops_call *c, struct directory_account *acc, struct err *e)
{
	struct span word = json_in_text(c->args, "kind");

	acc->kind = ACCOUNT_PERSON;
	if (!word.len)
		return 0;
	for (acc->kind = 0; acc->kind < ACCOUNT_KIND_COUNT; acc->kind++) {
		if (span_eq(word, span_str(account_kind_str((enum account_kind)acc->kind))))
			return 0;
	}
	return err_set(e, ERR_SYNTAX, "kind is person, team or group");
}

static FIBER int account_set(struct ops_call *c, bool is_add, struct err *e)
{
	struct directory_account acc = {.is_quota_default = true};
	struct span address, password;
	bool is_made;

	if (ops_need(c, "address", &address, e) < 0 || password_arg(c, &password, &is_made, e) < 0)
		return -1;
	if (is_add && (kind_arg(c, &acc, e) < 0 || ops_reserved(c, acc.kind, address, e) < 0))
		return -1;
	if (!is_add && directory_account_find(c->ctx->store, c->arena, address, &acc, e) < 0)
		return -1;
	acc.address = address;
	if (account_args(c, &acc, e) < 0)
		return -1;
	if (acc.kind != ACCOUNT_PERSON && password.len)
		return err_set(e, ERR_SYNTAX,
			"nobody logs in as a %s: give its members their rights (yizhan account "
			"member add)",
			account_kind_str((enum account_kind)acc.kind));
	if (directory_account_set(c->ctx->store, &acc, password, is_add, e) < 0)
		return -1;
	/* with the verifiers that the configuration wants */
	if (password.len && c->ctx->config && c->ctx->config->auth.is_sha1 &&
		(directory_account_find(c->ctx->store, c->arena, address, &acc, e) < 0 ||
			ops_password(c, acc.id, password, e) < 0))
		return -1;
	struct json_out *j = ops_row(c);
	json_kv_span(j, "address", address);
	if (is_made)
		json_kv_span(j, "password", password);
	return ops_row_end(c, e);
}

FIBER int op_account_add(struct ops_call *c, struct err *e)
{
	return account_set(c, true, e);
}

FIBER int op_account_set(struct ops_call *c, struct err *e)
{
	return account_set(c, false, e);
}

FIBER int op_account_password(struct ops_call *c, struct err *e)
{
	struct directory_account acc;
	struct span address, password;
	bool is_made, is_none = json_in_bool(c->args, "none");

	if (ops_account(c, &acc, &address, e) < 0 || password_arg(c, &password, &is_made, e) < 0)
		return -1;
	if (is_none != !password.len)
		return err_set(e, ERR_SYNTAX, "which password?");
	if ((is_none ? account_password_remove(c->ctx->store, acc.id, e)
		     : ops_password(c, acc.id, password, e)) < 0)
		return -1;
	struct json_out *j = ops_row(c);
	json_kv_span(j, "address", address);
	if (is_made)
		json_kv_span(j, "password", password);
	return ops_row_end(c, e);
}

/* ---- suspended, removed, renamed ---- */

static FIBER int account_suspend(struct ops_call *c, bool is_suspended, struct err *e)
{
	struct directory_account acc;
	struct span address;

	if (ops_account(c, &acc, &address, e) < 0)
		return -1;
	if (acc.is_suspended == is_suspended && !json_in_get(c->args, "reason"))
		return err_set(e, ERR_STATE, "account '" SPAN_FMT "' is %s", SPAN_ARG(address),
			is_suspended ? "suspended already" : "not suspended");
	acc.is_suspended = is_suspended;
	acc.suspended_why = json_in_text(c->args, "reason");
	acc.is_details_set = true;
	if (directory_account_set(c->ctx->store, &acc, SPAN_NONE, false, e) < 0)
		return -1;
	return ops_tell(c, "address", address, e);
}

FIBER int op_account_suspend(struct ops_call *c, struct err *e)
{
	return account_suspend(c, true, e);
}

FIBER int op_account_resume(struct ops_call *c, struct err *e)
{
	return account_suspend(c, false, e);
}

FIBER int op_account_remove(struct ops_call *c, struct err *e)
{
	int64_t grace = c->ctx->config ? c->ctx->config->accounts.grace : ACCOUNT_GRACE_NS;
	int64_t now = loop_wall_ns();
	struct span address;

	if (ops_need(c, "address", &address, e) < 0)
		return -1;
	if (json_in_bool(c->args, "now")) {
		if (directory_account_remove(c->ctx->store, address, e) < 0)
			return -1;
		return ops_tell(c, "address", address, e);
	}
	if (account_remove(c->ctx->store, address, now, e) < 0)
		return -1;
	struct json_out *j = ops_row(c);
	json_kv_span(j, "address", address);
	ops_put_time(j, "gone_at", now + grace);
	return ops_row_end(c, e);
}

FIBER int op_account_restore(struct ops_call *c, struct err *e)
{
	struct span address;

	if (ops_need(c, "address", &address, e) < 0 ||
		account_restore(c->ctx->store, address, e) < 0)
		return -1;
	return ops_tell(c, "address", address, e);
}

FIBER int op_account_rename(struct ops_call *c, struct err *e)
{
	struct directory_account acc;
	struct span address, to;

	if (ops_account(c, &acc, &address, e) < 0 || ops_need(c, "to", &to, e) < 0 ||
		ops_reserved(c, acc.kind, to, e) < 0 ||
		account_rename(c->ctx->store, address, to, !json_in_bool(c->args, "drop_old"), e) <
			0)
		return -1;
	return ops_tell(c, "address", to, e);
}

/* ---- shown ---- */

static uint64_t percent(uint64_t used, uint64_t quota)
{
	if (!quota)
		return 0;
	return used >= quota ? 100 : used / (quota / 100 + 1) < 100 ? used * 100 / quota : 99;
}

/* "": no quota. */
static const char *room_word(const struct directory_account *acc)
{
	uint64_t octets = percent(acc->octets, acc->quota_octets);
	uint64_t messages = percent(acc->messages, acc->quota_messages);
	uint64_t most = octets > messages ? octets : messages;

	if (!acc->quota_octets && !acc->quota_messages)
		return "";
	return most >= 100 ? "full" : most >= WARN_PERCENT ? "warn" : "ok";
}

static void put_account(struct ops_call *c, struct json_out *j, const struct directory_account *acc)
{
	json_kv_span(j, "address", acc->address);
	json_kv_str(j, "kind", account_kind_str((enum account_kind)acc->kind));
	json_kv_span(j, "name", acc->name);
	json_kv_str(j, "state",
		acc->removed_ns             ? "removed"
			: acc->is_suspended ? "suspended"
					    : "active");
	json_kv_bool(j, "suspended", acc->is_suspended);
	json_kv_span(j, "reason", acc->suspended_why);
	json_kv_str(j, "login",
		acc->has_import             ? "imported"
			: acc->has_password ? "password"
					    : "none");
	json_kv_u64(j, "messages", acc->messages);
	json_kv_u64(j, "size", acc->octets);
	json_kv_u64(j, "quota", acc->quota_octets);
	json_kv_u64(j, "quota_messages", acc->quota_messages);
	json_kv_str(j, "room", room_word(acc));
	json_kv_u64(j, "forwards", acc->forwards);
	json_kv_bool(j, "keep", !acc->is_forward_only);
	json_kv_span(j, "rate", acc->message_rate);
	json_kv_span(j, "recipient_rate", acc->recipient_rate);
	json_kv_bool(j, "sent_copy", acc->is_sent_copied);
	json_kv_span(j, "system_user", acc->system_user);
	ops_put_scopes(j, "protocols", ACCOUNT_SCOPE_ALL & ~acc->scopes_off);
	json_kv_span(j, "imap_without", acc->imap_off);
	json_kv_span(j, "unicode", directory_unicode(c->arena, acc->address));
	ops_put_time(j, "created_at", acc->created_ns);
	ops_put_time(j, "removed_at", acc->removed_ns);
}

FIBER int op_account_list(struct ops_call *c, struct err *e)
{
	struct directory_account *list = NULL;
	size_t count = 0;

	if (directory_account_list(
		    c->ctx->store, c->arena, json_in_text(c->args, "domain"), &list, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		put_account(c, ops_row(c), &list[i]);
		if (ops_row_end(c, e) < 0)
			return -1;
	}
	return 0;
}

static void put_spans(struct json_out *j, const char *key, const struct span *list, size_t count)
{
	json_key(j, key);
	json_open_array(j);
	for (size_t i = 0; i < count; i++)
		json_span(j, list[i]);
	json_close(j);
}

FIBER int op_account_show(struct ops_call *c, struct err *e)
{
	struct store *s = c->ctx->store;
	struct account_app_password *apps;
	struct account_certificate *certs;
	struct account_member *members;
	struct directory_account acc;
	struct span address, *addresses, *listed;
	size_t address_count, listed_count, app_count, cert_count, member_count;

	if (ops_account(c, &acc, &address, e) < 0 ||
		account_address_list(s, c->arena, acc.id, &addresses, &address_count, e) < 0 ||
		account_send_as_list(s, c->arena, acc.id, &listed, &listed_count, e) < 0 ||
		account_member_list(s, c->arena, acc.id, &members, &member_count, e) < 0 ||
		account_app_list(s, c->arena, acc.id, &apps, &app_count, e) < 0 ||
		account_certificate_list(s, c->arena, acc.id, &certs, &cert_count, e) < 0)
		return -1;
	struct json_out *j = ops_row(c);

	put_account(c, j, &acc);
	put_spans(j, "addresses", addresses, address_count);
	put_spans(j, "send_as", listed, listed_count);
	json_kv_u64(j, "members", member_count);
	json_kv_u64(j, "app_passwords", app_count);
	json_kv_u64(j, "certificates", cert_count);
	return ops_row_end(c, e);
}
