/* Accounts: making, changing and listing them. What they log in with and belong to is store/account*.c. */

#include "base/clock.h"
#include "run/loop.h"
#include "store/account.h"
#include "store/account_priv.h"
#include "store/directory_priv.h"
#include "store/mailbox_priv.h"
#include "store/store_priv.h"
#include "store/verifier.h"

#define ACCOUNT_COLUMNS                                                                            \
	"id, local, domain, name, is_suspended, quota_octets, messages, octets, created_ns, "      \
	"is_forward_only, (SELECT COUNT(*) FROM forward f WHERE f.account_id = account.id), "      \
	"kind, quota_messages, suspended_why, message_rate, recipient_rate, system_user, "         \
	"is_sent_copied, removed_ns, scram_sha256 <> '' OR scram_sha1 <> '', imported <> '', "     \
	"scopes_off, imap_off"
DB_SQL(sql_account_find,
	"SELECT " ACCOUNT_COLUMNS " FROM account WHERE domain = $1 AND local = $2");
DB_SQL(sql_account_page,
	"SELECT " ACCOUNT_COLUMNS " FROM account WHERE (domain, local) > ($1, $2) "
	"ORDER BY domain, local LIMIT 256");
DB_SQL(sql_account_add,
	"INSERT INTO account (id, domain, local, name, is_suspended, scram_sha256, quota_octets, "
	"messages, octets, modseq, created_ns, credential, kind, number) "
	"VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0, 1, $8, $1, $9, $10)");
/* Numbers are never used twice: the search index has them. */
DB_SQL(sql_account_number, "UPDATE counter SET value = value + 1 WHERE id = 100 RETURNING value");
/* What adding does not say. Suspending again keeps a reason, an end of it forgets it. */
DB_SQL(sql_account_details,
	"UPDATE account SET quota_messages = $3, message_rate = $4, recipient_rate = $5, "
	"system_user = $6, is_sent_copied = $7, suspended_why = $8, imap_off = $10, "
	"credential = CASE WHEN scopes_off = $9 AND imap_off = $10 THEN credential ELSE $11 END, scopes_off = $9 "
	"WHERE domain = $1 AND local = $2");
DB_SQL(sql_account_domain, "SELECT quota_octets, accounts_max FROM domain WHERE name = $1");
DB_SQL(sql_account_count, "SELECT COUNT(*) FROM account WHERE domain = $1");
DB_SQL(sql_account_user,
	"SELECT local, domain FROM account WHERE system_user = $1 AND system_user <> ''");
/* Suspension, protocols and a new password take a right away: credential moves (store/account.h). */
DB_SQL(sql_account_set,
	"UPDATE account SET name = $3, credential = CASE WHEN is_suspended = $4 THEN credential "
	"ELSE $6 END, is_suspended = $4, quota_octets = $5 WHERE domain = $1 AND local = $2");
DB_SQL(sql_account_verifier,
	"UPDATE account SET scram_sha256 = $3, scram_sha1 = '', imported = '', credential = $4 "
	"WHERE domain = $1 AND local = $2");
DB_SQL(sql_account_inbox,
	"INSERT INTO mailbox (id, account_id, name, uidvalidity, uidnext, highest_modseq, messages, "
	"unseen, octets) VALUES ($1, $2, 'INBOX', $3, 1, 1, 0, 0, 0)");
struct directory_account_change {
	struct store *store;
	struct directory_account acc;
	struct span local, domain, verifier;
	bool is_add, has_password;
	uint64_t id, mailbox_id;
	int64_t quota;
	int64_t now_ns;
};

/* What the domain says of new accounts. */
static int directory_account_domain(
	struct db *db, struct directory_account_change *c, struct err *e)
{
	int64_t quota = 0, max = 0, count = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_account_domain, &is_found, "t:ii", c->domain, &quota, &max) <
			0 ||
		(max > 0 &&
			db_get(db, e, NULL, &sql_account_count, &is_found, "t:i", c->domain,
				&count) < 0))
		return -1;
	c->quota = c->acc.is_quota_default ? quota : (int64_t)c->acc.quota_octets;
	if (max == 0 || count < max)
		return 0;
	err_set(e, ERR_LIMIT,
		"domain '" SPAN_FMT "' has the %lld accounts that it may have; allow more: "
		"yizhan domain set " SPAN_FMT " --accounts-max N",
		SPAN_ARG(c->domain), (long long)max, SPAN_ARG(c->domain));
	return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
}

static int directory_account_special(struct db *db, uint64_t id, struct err *e)
{
	struct arena *a = arena_new();
	int result = mailbox_special_tx(db, a, id, e);

	arena_free(&a);
	return result;
}

static int directory_account_add(
	struct db *db, struct directory_account_change *c, struct span address, struct err *e)
{
	int64_t number = 0;
	bool is_found;

	if (directory_must_be_local(db, c->domain, e) < 0 ||
		account_address_is_free(db, c->local, c->domain, e) < 0 ||
		directory_account_domain(db, c, e) < 0 ||
		db_get(db, e, NULL, &sql_account_number, &is_found, ":i", &number) < 0)
		return -1;
	if (db_run(db, e, &sql_account_add, "itttitiiii", (int64_t)c->id, c->domain, c->local,
		    c->acc.name, (int64_t)c->acc.is_suspended, c->verifier, c->quota, c->now_ns,
		    (int64_t)c->acc.kind, number) < 0)
		return -1;
	/* RFC 3501 section 2.3.1.1: UIDVALIDITY only grows; seconds of creation do. */
	if (db_run(db, e, &sql_account_inbox, "iii", (int64_t)c->mailbox_id, (int64_t)c->id,
		    c->now_ns / CLOCK_SEC) < 0)
		return -1;
	return c->acc.kind == ACCOUNT_GROUP ? 0 : directory_account_special(db, c->id, e);
}

static int directory_account_put_details(
	struct db *db, const struct directory_account_change *c, struct err *e)
{
	const struct directory_account *acc = &c->acc;
	struct arena *a;
	struct span local, domain;
	bool is_taken = false;
	int result;

	if (!acc->is_details_set)
		return 0;
	a = arena_new();
	result = db_get(
		db, e, a, &sql_account_user, &is_taken, "t:tt", acc->system_user, &local, &domain);
	if (result == 0 && is_taken && !(span_eq(local, c->local) && span_eq(domain, c->domain)))
		result = err_set(e, ERR_EXISTS,
			"the system user '" SPAN_FMT "' is " SPAN_FMT "@" SPAN_FMT,
			SPAN_ARG(acc->system_user), SPAN_ARG(local), SPAN_ARG(domain));
	arena_free(&a);
	if (result < 0)
		return -1;
	return db_run(db, e, &sql_account_details, "ttitttititi", c->domain, c->local,
		(int64_t)acc->quota_messages, acc->message_rate, acc->recipient_rate,
		acc->system_user, (int64_t)acc->is_sent_copied,
		acc->is_suspended ? acc->suspended_why : SPAN_NONE, (int64_t)acc->scopes_off,
		acc->imap_off, (int64_t)c->id);
}

static int directory_account_write(struct db *db, void *arg, struct err *e)
{
	struct directory_account_change *c = arg;
	struct span address = c->acc.address;

	if (c->is_add) {
		if (directory_account_add(db, c, address, e) < 0 ||
			directory_account_put_details(db, c, e) < 0)
			return -1;
		store_changed(db, STORE_DIRECTORY);
		return 0;
	}
	if (db_run(db, e, &sql_account_set, "tttiii", c->domain, c->local, c->acc.name,
		    (int64_t)c->acc.is_suspended, (int64_t)c->acc.quota_octets, (int64_t)c->id) < 0)
		return -1;
	if (db_changes(db) == 0)
		return directory_missing(e, "account", address);
	if (c->has_password &&
		db_run(db, e, &sql_account_verifier, "ttti", c->domain, c->local, c->verifier,
			(int64_t)c->id) < 0)
		return -1;
	if (directory_account_put_details(db, c, e) < 0)
		return -1;
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

static int directory_details_check(const struct directory_account *acc, struct err *e)
{
	const struct span texts[] = {acc->suspended_why, acc->message_rate, acc->recipient_rate,
		acc->system_user, acc->imap_off};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].len > DIRECTORY_NAME_MAX || span_has_line_break(texts[i]))
			return directory_bad(e, "a short line of text", texts[i]);
	return 0;
}

FIBER int directory_account_set(struct store *s, const struct directory_account *acc,
	struct span password, bool is_add, struct err *e)
{
	struct arena *a = arena_new();
	struct directory_account_change c = {.acc = *acc, .is_add = is_add, .store = s};
	int result = -1;

	if (directory_address(a, acc->address, &c.local, &c.domain, e) < 0)
		goto out;
	if (span_eq(c.local, SPAN("*"))) {
		directory_bad(e, "an account's address ('*' is a catch-all: yizhan alias add)",
			acc->address);
		goto out;
	}
	c.acc.address = directory_join(a, c.local, c.domain);
	if (directory_details_check(acc, e) < 0)
		goto out;
	if (acc->name.len > DIRECTORY_NAME_MAX || span_has_line_break(acc->name)) {
		directory_bad(e, "a display name", acc->name);
		goto out;
	}
	c.has_password = password.len > 0;
	if (c.has_password && verifier_make(s, a, password, &c.verifier, e) < 0)
		goto out;
	c.id = store_new_id(s);
	c.mailbox_id = store_new_id(s);
	c.now_ns = loop_wall_ns();
	result = store_write(s, "directory.account", directory_account_write, &c, e);
out:
	arena_free(&a);
	return result;
}

static void directory_account_cols(struct arena *a, struct db_stmt *st, struct directory_account *r)
{
	int64_t id, is_suspended, quota, messages, octets, is_only, forwards, kind, quota_messages;
	int64_t is_copied, has_password, has_import, scopes_off;
	struct span local, domain;

	db_cols(st, "itttiiiiiiiiittttiiiiit", &id, &local, &domain, &r->name, &is_suspended,
		&quota, &messages, &octets, &r->created_ns, &is_only, &forwards, &kind,
		&quota_messages, &r->suspended_why, &r->message_rate, &r->recipient_rate,
		&r->system_user, &is_copied, &r->removed_ns, &has_password, &has_import,
		&scopes_off, &r->imap_off);
	r->scopes_off = (unsigned)scopes_off;
	r->imap_off = arena_span(a, r->imap_off);
	r->kind = (unsigned)kind;
	r->quota_messages = (uint64_t)quota_messages;
	r->suspended_why = arena_span(a, r->suspended_why);
	r->message_rate = arena_span(a, r->message_rate);
	r->recipient_rate = arena_span(a, r->recipient_rate);
	r->system_user = arena_span(a, r->system_user);
	r->is_sent_copied = is_copied != 0;
	r->has_password = has_password != 0;
	r->has_import = has_import != 0;
	r->id = (uint64_t)id;
	r->address = directory_join(a, local, domain);
	r->name = arena_span(a, r->name);
	r->is_suspended = is_suspended != 0;
	r->quota_octets = (uint64_t)quota;
	r->messages = (uint64_t)messages;
	r->octets = (uint64_t)octets;
	r->forwards = (uint64_t)forwards;
	r->is_forward_only = is_only && forwards;
}

struct directory_account_look {
	struct arena *a;
	struct span local, domain;
	struct directory_account *acc;
};

static int directory_account_look(struct db *db, void *arg, struct err *e)
{
	struct directory_account_look *look = arg;
	struct db_stmt *st = db_query(db, e, &sql_account_find, "tt", look->domain, look->local);
	bool is_row = false;
	int result = st ? db_step(st, &is_row, e) : -1;

	if (is_row)
		directory_account_cols(look->a, st, look->acc);
	db_done(st);
	if (result == 0 && !is_row)
		return directory_missing(
			e, "account", directory_join(look->a, look->local, look->domain));
	return result;
}

FIBER int directory_account_find(struct store *s, struct arena *a, struct span address,
	struct directory_account *acc_r, struct err *e)
{
	struct directory_account_look look = {.a = a, .acc = acc_r};

	*acc_r = (struct directory_account){0};
	if (directory_address(a, address, &look.local, &look.domain, e) < 0)
		return -1;
	return store_read(s, "directory.account", directory_account_look, &look, e);
}

static int directory_account_page(struct db *db, void *arg, struct err *e)
{
	struct directory_page *p = arg;
	struct db_stmt *st = db_query(db, e, &sql_account_page, "tt", p->after, p->after_local);
	bool is_row = false;
	int result = -1;

	while (st && (result = db_step(st, &is_row, e)) == 0 && is_row) {
		struct span local = db_col_span(st, 1), domain = db_col_span(st, 2);

		if (p->domain.len && !span_eq(domain, p->domain))
			break;
		p->after = arena_span(p->a, domain);
		p->after_local = arena_span(p->a, local);
		directory_account_cols(
			p->a, st, directory_row(p, sizeof(struct directory_account)));
	}
	db_done(st);
	return result;
}

FIBER int directory_account_list(struct store *s, struct arena *a, struct span domain,
	struct directory_account **list_r, size_t *count_r, struct err *e)
{
	struct directory_page p = {.a = a};

	if (domain.len && directory_domain_name(a, domain, &p.domain, e) < 0)
		return -1;
	p.after = p.domain; /* (domain, "") sorts before each of the domain's accounts */
	if (directory_pages(s, "directory.accounts", directory_account_page, &p, e) < 0)
		return -1;
	*list_r = (void *)p.rows;
	*count_r = p.count;
	return 0;
}
