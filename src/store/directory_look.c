/* Whom an address belongs to: one read, in the order of the questions. */

#include <string.h>

#include "store/account.h"
#include "store/db/db.h"
#include "store/directory_priv.h"
#include "store/store_priv.h"

DB_SQL(sql_directory_domain, "SELECT kind, check_kind FROM domain WHERE name = $1");
DB_SQL(sql_directory_account,
	"SELECT id, is_suspended, is_forward_only, local, domain, kind, removed_ns, "
	"quota_octets + quota_messages FROM account WHERE domain = $1 AND local = $2");
DB_SQL(sql_directory_address,
	"SELECT a.id, a.is_suspended, a.is_forward_only, a.local, a.domain, a.kind, a.removed_ns, "
	"a.quota_octets + a.quota_messages FROM address x JOIN account a ON a.id = x.account_id WHERE x.domain = $1 AND x.local = $2");
DB_SQL(sql_directory_forwards,
	"SELECT target FROM forward WHERE account_id = $1 ORDER BY n LIMIT 1000");
/* Members that receive, then forwards: who is not of this store. */
DB_SQL(sql_directory_members,
	"SELECT a.local || '@' || a.domain FROM account_member m JOIN account a "
	"ON a.id = m.member_id WHERE m.account_id = $1 AND (m.rights & 8) <> 0 UNION ALL "
	"SELECT target FROM forward WHERE account_id = $1 LIMIT 1001");
DB_SQL(sql_directory_targets,
	"SELECT target FROM alias WHERE domain = $1 AND local = $2 ORDER BY n LIMIT 1000");
DB_SQL(sql_directory_list, "SELECT id FROM list WHERE domain = $1 AND local = $2");
DB_SQL(sql_directory_owners,
	"SELECT address FROM list_member WHERE list_id = $1 AND role >= 8 LIMIT 1000");
DB_SQL(sql_directory_recipient, "SELECT 1 FROM relay_rcpt WHERE domain = $1 AND local = $2");
DB_SQL(sql_directory_postmaster, "SELECT value FROM setting WHERE name = $1");
DB_SQL(sql_directory_first,
	"SELECT local, domain FROM account WHERE id > 0 AND removed_ns = 0 AND is_suspended = 0 "
	"AND kind <> 2 ORDER BY id LIMIT 1");

_Static_assert(ACCOUNT_GROUP == 2 && ACCOUNT_RIGHT_RECEIVE == 8, "statements say these as numbers");

const char *directory_check_str(enum directory_check c)
{
	static const char *const texts[] = {
#define X(id, text) text,
		DIRECTORY_CHECKS_LIST(X)
#undef X
	};

	return c < DIRECTORY_CHECKS ? texts[c] : "?";
}

const char *directory_list_part_str(enum directory_list_part p)
{
	static const char *const words[] = {
#define X(id, word) word,
		DIRECTORY_LIST_PARTS(X)
#undef X
	};

	return p < DIRECTORY_LIST_PART_COUNT ? words[p] : "?";
}

bool directory_list_cut(struct span local, struct span *name_r, enum directory_list_part *part_r)
{
	struct span stem, detail;
	bool has_detail = span_cut(local, '+', &stem, &detail);
	ptrdiff_t dash = span_rfind(stem, '-');

	*name_r = local;
	*part_r = DIRECTORY_LIST_POST;
	if (dash <= 0)
		return false;
	for (enum directory_list_part p = DIRECTORY_LIST_JOIN; p < DIRECTORY_LIST_PART_COUNT; p++) {
		if (!span_eq(span_skip(stem, (size_t)dash + 1),
			    span_str(directory_list_part_str(p))))
			continue;
		if (has_detail && p != DIRECTORY_LIST_CONFIRM && p != DIRECTORY_LIST_BOUNCES)
			return false;
		*name_r = span_sub(stem, 0, (size_t)dash);
		*part_r = p;
		return true;
	}
	return false;
}

/* A domain as the questions need it. */
struct directory_kind {
	enum directory_domain_kind kind;
	enum directory_check check;
};

static int directory_kind(struct db *db, struct span name, struct directory_kind *k, struct err *e)
{
	int64_t kind = DIRECTORY_DOMAIN_NONE, check = 0;
	bool is_found;

	if (db_get(db, e, NULL, &sql_directory_domain, &is_found, "t:ii", name, &kind, &check) < 0)
		return -1;
	k->kind = (enum directory_domain_kind)kind;
	k->check = (enum directory_check)check;
	return 0;
}

int directory_domain_kind(
	struct db *db, struct span name, enum directory_domain_kind *kind_r, struct err *e)
{
	struct directory_kind k;

	if (directory_kind(db, name, &k, e) < 0)
		return -1;
	*kind_r = k.kind;
	return 0;
}

/* The texts that a statement gives, into the answer's targets. */
static int directory_take(
	struct db_stmt *st, struct arena *a, struct directory_answer *answer, struct err *e)
{
	size_t cap = 4, n = 0;
	struct span *targets = ARENA_ARRAY(a, struct span, cap);
	bool is_row = false;
	int result;

	if (!st)
		return -1;
	while ((result = db_step(st, &is_row, e)) == 0 && is_row) {
		if (n == cap) {
			struct span *grown = ARENA_ARRAY(a, struct span, cap * 2);

			memcpy(grown, targets, n * sizeof(*grown));
			targets = grown;
			cap *= 2;
		}
		targets[n++] = arena_span(a, db_col_span(st, 0));
	}
	db_done(st);
	answer->target_count = n;
	answer->targets = targets;
	return result;
}

static int directory_account(struct db *db, struct arena *a, struct span local, struct span domain,
	struct directory_answer *answer, struct err *e)
{
	const struct db_sql *ways[] = {&sql_directory_account, &sql_directory_address};

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct span primary_local = SPAN_NONE, primary_domain = SPAN_NONE;
		int64_t id = 0, is_suspended = 0, is_only = 0, kind = 0, removed = 0, quota = 0;
		const struct db_sql *to = &sql_directory_forwards;
		bool is_found;

		if (db_get(db, e, a, ways[i], &is_found, "tt:iiittiii", domain, local, &id,
			    &is_suspended, &is_only, &primary_local, &primary_domain, &kind,
			    &removed, &quota) < 0)
			return -1;
		if (!is_found)
			continue;
		answer->found = DIRECTORY_ACCOUNT;
		if (kind == ACCOUNT_GROUP) {
			answer->found = DIRECTORY_GROUP;
			to = &sql_directory_members;
		}
		answer->is_removed = removed > 0;
		answer->has_quota = quota > 0;
		answer->account_id = (uint64_t)id;
		answer->is_suspended = is_suspended != 0;
		answer->account = directory_join(a, primary_local, primary_domain);
		if (directory_take(db_query(db, e, to, "i", id), a, answer, e) < 0)
			return -1;
		answer->is_forward_only = is_only && answer->target_count;
		return 0;
	}
	return 0;
}

static int directory_alias(struct db *db, struct arena *a, struct span local, struct span domain,
	struct directory_answer *answer, struct err *e)
{
	if (directory_take(
		    db_query(db, e, &sql_directory_targets, "tt", domain, local), a, answer, e) < 0)
		return -1;
	if (answer->target_count)
		answer->found = DIRECTORY_ALIAS;
	return 0;
}

static int directory_list(struct db *db, struct arena *a, struct span local, struct span domain,
	struct directory_answer *answer, struct err *e)
{
	struct span names[2] = {local};
	enum directory_list_part parts[2] = {DIRECTORY_LIST_POST};
	size_t count = directory_list_cut(local, &names[1], &parts[1]) ? 2 : 1;

	for (size_t i = 0; i < count; i++) {
		int64_t id = 0;
		bool is_found;

		if (db_get(db, e, NULL, &sql_directory_list, &is_found, "tt:i", domain, names[i],
			    &id) < 0)
			return -1;
		if (!is_found)
			continue;
		answer->found = DIRECTORY_LIST;
		answer->list_id = (uint64_t)id;
		answer->list_part = parts[i];
		if (parts[i] == DIRECTORY_LIST_OWNER)
			return directory_take(
				db_query(db, e, &sql_directory_owners, "i", id), a, answer, e);
		return 0;
	}
	return 0;
}

/* Who bears exactly this name; UNKNOWN_USER stays when nobody does. */
static int directory_one(struct db *db, struct arena *a, struct span local, struct span domain,
	struct directory_answer *answer, struct err *e)
{
	static int (*const tables[])(struct db *, struct arena *, struct span, struct span,
		struct directory_answer *,
		struct err *) = {directory_account, directory_alias, directory_list};

	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		if (tables[i](db, a, local, domain, answer, e) < 0)
			return -1;
		if (answer->found != DIRECTORY_UNKNOWN_USER) {
			answer->row = directory_join(a, local, domain);
			return 0;
		}
	}
	return 0;
}

struct directory_look {
	struct arena *a;
	struct span local, base, domain; /* base: without the sub-address; "" there is none */
	bool no_catch_all;
	struct directory_answer *answer;
};

/* An account that takes no mail now answers for nobody else. */
static void directory_pass_over(struct directory_answer *answer)
{
	if (answer->is_suspended || answer->is_removed)
		*answer = (struct directory_answer){
			.found = DIRECTORY_UNKNOWN_USER, .way = DIRECTORY_POSTMASTER};
}

/* RFC 5321 section 4.5.1: postmaster is always accepted where mail is taken at all; RFC 2142 section 2:
 * and abuse, which is the domain's postmaster's when it is nobody's. */
static int directory_postmaster(struct db *db, struct directory_look *look, struct err *e)
{
	struct directory_answer *answer = look->answer;
	struct arena *a = look->a;
	struct span address = SPAN_NONE, local, domain;
	bool is_found;

	answer->way = DIRECTORY_POSTMASTER;
	if (span_eq(look->local, SPAN("abuse")) &&
		directory_one(db, a, SPAN("postmaster"), look->domain, answer, e) < 0)
		return -1;
	directory_pass_over(answer);
	if (answer->found != DIRECTORY_UNKNOWN_USER)
		return 0;
	if (db_get(db, e, a, &sql_directory_postmaster, &is_found, "t:t", SPAN("postmaster"),
		    &address) < 0)
		return -1;
	if (is_found && directory_address(a, address, &local, &domain, NULL) == 0 &&
		directory_one(db, a, local, domain, answer, e) < 0)
		return -1;
	directory_pass_over(answer);
	if (answer->found != DIRECTORY_UNKNOWN_USER)
		return 0;
	if (db_get(db, e, a, &sql_directory_first, &is_found, ":tt", &local, &domain) < 0)
		return -1;
	return is_found ? directory_one(db, a, local, domain, answer, e) : 0;
}

static int directory_look_local(struct db *db, struct directory_look *look, struct err *e)
{
	struct directory_answer *answer = look->answer;

	answer->way = DIRECTORY_EXACT;
	if (directory_one(db, look->a, look->local, look->domain, answer, e) < 0)
		return -1;
	if (answer->found == DIRECTORY_UNKNOWN_USER && look->base.len) {
		answer->way = DIRECTORY_SUBADDRESS;
		if (directory_one(db, look->a, look->base, look->domain, answer, e) < 0)
			return -1;
	}
	if (answer->found != DIRECTORY_UNKNOWN_USER || look->no_catch_all)
		return 0;
	answer->way = DIRECTORY_CATCH_ALL;
	if (directory_alias(db, look->a, SPAN("*"), look->domain, answer, e) < 0)
		return -1;
	if (answer->found == DIRECTORY_ALIAS)
		answer->row = directory_join(look->a, SPAN("*"), look->domain);
	else if (span_eq(look->local, SPAN("postmaster")) || span_eq(look->local, SPAN("abuse")))
		return directory_postmaster(db, look, e);
	return 0;
}

static int directory_look_relay(struct db *db, struct directory_look *look, struct err *e)
{
	struct directory_answer *answer = look->answer;
	const struct span names[] = {look->local, look->base};

	answer->is_known = span_eq(look->local, SPAN("postmaster"));
	for (size_t i = 0; i < ARRAY_LEN(names) && !answer->is_known; i++) {
		if (answer->check != DIRECTORY_CHECK_TABLE || !names[i].len)
			continue;
		if (db_get(db, e, NULL, &sql_directory_recipient, &answer->is_known, "tt:-",
			    look->domain, names[i]) < 0)
			return -1;
		answer->row = directory_join(look->a, names[i], look->domain);
	}
	return 0;
}

static int directory_look(struct db *db, void *arg, struct err *e)
{
	struct directory_look *look = arg;
	struct directory_answer *answer = look->answer;
	struct directory_kind k;

	*answer = (struct directory_answer){.found = DIRECTORY_UNKNOWN_DOMAIN};
	if (directory_kind(db, look->domain, &k, e) < 0)
		return -1;
	answer->check = k.check;
	switch (k.kind) {
	case DIRECTORY_DOMAIN_NONE: return 0;
	case DIRECTORY_DOMAIN_RELAY:
		answer->found = DIRECTORY_RELAY_DOMAIN;
		return directory_look_relay(db, look, e);
	case DIRECTORY_DOMAIN_LOCAL: break;
	}
	answer->found = DIRECTORY_UNKNOWN_USER;
	return directory_look_local(db, look, e);
}

FIBER int directory_find(struct store *s, struct arena *a, const struct directory_question *q,
	struct directory_answer *answer_r, struct err *e)
{
	struct directory_look look = {.a = a, .answer = answer_r, .no_catch_all = q->no_catch_all};
	ptrdiff_t at;

	look.local = directory_local_part(a, q->local);
	at = q->separator ? span_find(look.local, q->separator) : -1;
	if (at > 0)
		look.base = span_sub(look.local, 0, (size_t)at);
	if (directory_domain_name(a, q->domain, &look.domain, NULL) < 0) {
		/* A name that no domain of ours can have is nobody's here. */
		*answer_r = (struct directory_answer){.found = DIRECTORY_UNKNOWN_DOMAIN};
		return 0;
	}
	return store_read(s, "directory.lookup", directory_look, &look, e);
}

FIBER int directory_lookup(struct store *s, struct arena *a, struct span local, struct span domain,
	struct directory_answer *answer_r, struct err *e)
{
	struct directory_question q = {.local = local, .domain = domain};

	return directory_find(s, a, &q, answer_r, e);
}

struct directory_domain_look {
	struct span name;
	enum directory_domain_kind *kind;
};

static int directory_domain_look(struct db *db, void *arg, struct err *e)
{
	struct directory_domain_look *look = arg;

	return directory_domain_kind(db, look->name, look->kind, e);
}

FIBER int directory_domain_find(struct store *s, struct arena *a, struct span name,
	enum directory_domain_kind *kind_r, struct err *e)
{
	struct directory_domain_look look = {.kind = kind_r};

	*kind_r = DIRECTORY_DOMAIN_NONE;
	if (directory_domain_name(a, name, &look.name, NULL) < 0)
		return 0;
	return store_read(s, "directory.domain", directory_domain_look, &look, e);
}
