#include "store/directory.h"

#include <idn2.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "store/db/db.h"
#include "store/directory_priv.h"
#include "store/store_priv.h"

/* --- names --------------------------------------------------------------------------------- */

int directory_bad(struct err *e, const char *what, struct span text)
{
	err_set(e, ERR_SYNTAX, "'" SPAN_FMT "' is not %s", SPAN_ARG(span_sub(text, 0, 80)), what);
	return err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
}

/* RFC 5321 section 4.1.2: sub-domains of letters, digits and hyphens (after A-label conversion);
 * lengths by RFC 1035 section 2.3.4. */
static bool directory_domain_is_sane(struct span name)
{
	size_t label = 0;

	if (name.len == 0 || name.len > DIRECTORY_DOMAIN_MAX)
		return false;
	for (size_t i = 0; i < name.len; i++) {
		char c = name.ptr[i];

		if (c == '.') {
			if (label == 0 || name.ptr[i - 1] == '-')
				return false;
			label = 0;
			continue;
		}
		if (c == '-' && label == 0)
			return false;
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return false;
		if (++label > 63)
			return false;
	}
	return label > 0 && name.ptr[name.len - 1] != '-';
}

int directory_domain_name(struct arena *a, struct span text, struct span *name_r, struct err *e)
{
	char *ascii = NULL;
	struct span name = text;

	if (text.len && text.ptr[text.len - 1] == '.')
		name.len--;
	if (name.len == 0 || name.len > DIRECTORY_DOMAIN_MAX || span_has_line_break(name))
		return directory_bad(e, "a domain name", text);
	if (!span_is_ascii(name)) {
		if (!utf8_is_valid(name) ||
			idn2_to_ascii_8z(arena_str(a, name), &ascii,
				IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
			return directory_bad(e, "a domain name", text);
		name = arena_span(a, span_str(ascii));
		idn2_free(ascii);
	} else {
		name = arena_span(a, name);
	}
	for (size_t i = 0; i < name.len; i++)
		((char *)name.ptr)[i] = (char)span_lower((unsigned char)name.ptr[i]);
	if (!directory_domain_is_sane(name))
		return directory_bad(e, "a domain name", text);
	*name_r = name;
	return 0;
}

struct span directory_local_part(struct arena *a, struct span local)
{
	struct span copy = arena_span(a, local);

	/* RFC 5321 section 2.4 lets the domain's owner decide about case: here it does not matter.
	 * Only ASCII letters fold; other scripts are compared as they were normalised at entry. */
	for (size_t i = 0; i < copy.len; i++)
		((char *)copy.ptr)[i] = (char)span_lower((unsigned char)copy.ptr[i]);
	return copy;
}

int directory_address(struct arena *a, struct span text, struct span *local_r,
	struct span *domain_r, struct err *e)
{
	ptrdiff_t at = span_rfind(text, '@');
	struct span local;

	if (at <= 0)
		return directory_bad(e, "an address (local-part@domain)", text);
	local = span_sub(text, 0, (size_t)at);
	if (local.len > DIRECTORY_LOCAL_MAX || span_has_line_break(local) ||
		!utf8_is_valid(local) || span_find(local, ' ') >= 0 || span_find(local, '<') >= 0 ||
		span_find(local, '>') >= 0)
		return directory_bad(e, "an address (local-part@domain)", text);
	if (directory_domain_name(a, span_skip(text, (size_t)at + 1), domain_r, e) < 0)
		return -1;
	*local_r = directory_local_part(a, local);
	return 0;
}

struct span directory_join(struct arena *a, struct span local, struct span domain)
{
	return span_str(arena_printf(a, SPAN_FMT "@" SPAN_FMT, SPAN_ARG(local), SPAN_ARG(domain)));
}

/* --- looking up ---------------------------------------------------------------------------- */

DB_SQL(sql_directory_domain, "SELECT kind FROM domain WHERE name = $1");
DB_SQL(sql_directory_account,
	"SELECT id, is_suspended, local, domain FROM account WHERE domain = $1 AND local = $2");
DB_SQL(sql_directory_address,
	"SELECT a.id, a.is_suspended, a.local, a.domain FROM address x "
	"JOIN account a ON a.id = x.account_id WHERE x.domain = $1 AND x.local = $2");
DB_SQL(sql_directory_targets,
	"SELECT target FROM alias WHERE domain = $1 AND local = $2 ORDER BY n LIMIT 1000");
DB_SQL(sql_directory_setting, "SELECT value FROM setting WHERE name = $1");
DB_SQL(sql_directory_first, "SELECT local, domain FROM account WHERE id > 0 ORDER BY id LIMIT 1");

int directory_domain_kind(
	struct db *db, struct span name, enum directory_domain_kind *kind_r, struct err *e)
{
	int64_t kind = DIRECTORY_DOMAIN_NONE;
	bool is_found;

	if (db_get(db, e, NULL, &sql_directory_domain, &is_found, "t:i", name, &kind) < 0)
		return -1;
	*kind_r = (enum directory_domain_kind)kind;
	return 0;
}

static int directory_alias_look(struct db *db, struct arena *a, struct span local,
	struct span domain, struct directory_answer *answer, struct err *e)
{
	struct db_stmt *st = db_query(db, e, &sql_directory_targets, "tt", domain, local);
	size_t cap = 4, n = 0;
	struct span *targets = ARENA_ARRAY(a, struct span, cap);
	bool is_row = false;
	int result;

	if (!st)
		return -1;
	while ((result = db_step(st, &is_row, e)) == 0 && is_row) {
		if (n == cap) {
			struct span *grown = ARENA_ARRAY(a, struct span, cap * 2);

			for (size_t i = 0; i < n; i++)
				grown[i] = targets[i];
			targets = grown;
			cap *= 2;
		}
		targets[n++] = arena_span(a, db_col_span(st, 0));
	}
	db_done(st);
	if (result < 0 || n == 0)
		return result;
	answer->found = DIRECTORY_ALIAS;
	answer->target_count = n;
	answer->targets = targets;
	return 0;
}

static int directory_one(struct db *db, struct arena *a, struct span local, struct span domain,
	struct directory_answer *answer, struct err *e)
{
	const struct db_sql *ways[] = {&sql_directory_account, &sql_directory_address};

	for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
		struct span primary_local = SPAN_NONE, primary_domain = SPAN_NONE;
		int64_t id = 0, is_suspended = 0;
		bool is_found;

		if (db_get(db, e, a, ways[i], &is_found, "tt:iitt", domain, local, &id,
			    &is_suspended, &primary_local, &primary_domain) < 0)
			return -1;
		if (!is_found)
			continue;
		answer->found = DIRECTORY_ACCOUNT;
		answer->account_id = (uint64_t)id;
		answer->is_suspended = is_suspended != 0;
		answer->account = directory_join(a, primary_local, primary_domain);
		return 0;
	}
	return directory_alias_look(db, a, local, domain, answer, e);
}

/* RFC 5321 section 4.5.1: postmaster is always accepted where mail is taken at all. */
static int directory_postmaster(
	struct db *db, struct arena *a, struct directory_answer *answer, struct err *e)
{
	struct span address = SPAN_NONE, local, domain;
	bool is_found;

	if (db_get(db, e, a, &sql_directory_setting, &is_found, "t:t", SPAN("postmaster"),
		    &address) < 0)
		return -1;
	if (is_found && directory_address(a, address, &local, &domain, NULL) == 0 &&
		directory_one(db, a, local, domain, answer, e) < 0)
		return -1;
	if (answer->found == DIRECTORY_ACCOUNT || answer->found == DIRECTORY_ALIAS)
		return 0;
	if (db_get(db, e, a, &sql_directory_first, &is_found, ":tt", &local, &domain) < 0)
		return -1;
	return is_found ? directory_one(db, a, local, domain, answer, e) : 0;
}

struct directory_look {
	struct arena *a;
	struct span local, domain;
	struct directory_answer *answer;
};

static int directory_look(struct db *db, void *arg, struct err *e)
{
	struct directory_look *look = arg;
	struct directory_answer *answer = look->answer;
	enum directory_domain_kind kind;

	*answer = (struct directory_answer){.found = DIRECTORY_UNKNOWN_DOMAIN};
	if (directory_domain_kind(db, look->domain, &kind, e) < 0)
		return -1;
	if (kind == DIRECTORY_DOMAIN_NONE)
		return 0;
	answer->found = kind == DIRECTORY_DOMAIN_RELAY ? DIRECTORY_RELAY_DOMAIN
						       : DIRECTORY_UNKNOWN_USER;
	if (directory_one(db, look->a, look->local, look->domain, answer, e) < 0)
		return -1;
	if (answer->found == DIRECTORY_UNKNOWN_USER && span_eq(look->local, SPAN("postmaster")))
		return directory_postmaster(db, look->a, answer, e);
	return 0;
}

FIBER int directory_lookup(struct store *s, struct arena *a, struct span local, struct span domain,
	struct directory_answer *answer_r, struct err *e)
{
	struct directory_look look = {.a = a, .answer = answer_r};

	look.local = directory_local_part(a, local);
	if (directory_domain_name(a, domain, &look.domain, NULL) < 0) {
		/* A name that no domain of ours can have is nobody's here. */
		*answer_r = (struct directory_answer){.found = DIRECTORY_UNKNOWN_DOMAIN};
		return 0;
	}
	return store_read(s, "directory.lookup", directory_look, &look, e);
}

DB_SQL(sql_directory_route, "SELECT domain, next_hop, is_lmtp FROM route WHERE domain = $1");

struct directory_route_look {
	struct arena *a;
	struct span domain;
	struct directory_route *route;
	bool is_found;
};

static int directory_route_look(struct db *db, void *arg, struct err *e)
{
	struct directory_route_look *look = arg;
	const struct span names[] = {look->domain, SPAN("*")};
	int64_t is_lmtp = 0;

	look->is_found = false;
	for (size_t i = 0; i < ARRAY_LEN(names) && !look->is_found; i++)
		if (db_get(db, e, look->a, &sql_directory_route, &look->is_found, "t:tti", names[i],
			    &look->route->domain, &look->route->next_hop, &is_lmtp) < 0)
			return -1;
	look->route->is_lmtp = is_lmtp != 0;
	return 0;
}

FIBER int directory_route(struct store *s, struct arena *a, struct span domain,
	struct directory_route *route_r, bool *is_found_r, struct err *e)
{
	struct directory_route_look look = {.a = a, .route = route_r};

	*route_r = (struct directory_route){0};
	if (directory_domain_name(a, domain, &look.domain, NULL) < 0)
		look.domain = arena_span(a, domain); /* an address literal */
	if (store_read(s, "directory.route", directory_route_look, &look, e) < 0)
		return -1;
	*is_found_r = look.is_found;
	return 0;
}

/* --- settings ------------------------------------------------------------------------------ */

DB_SQL(sql_directory_setting_set,
	"INSERT INTO setting (name, value) VALUES ($1, $2) "
	"ON CONFLICT (name) DO UPDATE SET value = excluded.value");

struct directory_setting {
	struct arena *a;
	struct span key, value;
	bool is_found;
};

static int directory_setting_get(struct db *db, void *arg, struct err *e)
{
	struct directory_setting *s = arg;

	return db_get(db, e, s->a, &sql_directory_setting, &s->is_found, "t:t", s->key, &s->value);
}

FIBER int directory_setting(
	struct store *s, struct arena *a, struct span key, struct span *value_r, struct err *e)
{
	struct directory_setting look = {.a = a, .key = key};

	if (store_read(s, "directory.setting", directory_setting_get, &look, e) < 0)
		return -1;
	if (!look.is_found)
		return err_set(
			e, ERR_NOT_FOUND, "setting '" SPAN_FMT "' is not set", SPAN_ARG(key));
	*value_r = look.value;
	return 0;
}

static int directory_setting_put(struct db *db, void *arg, struct err *e)
{
	struct directory_setting *s = arg;

	if (db_run(db, e, &sql_directory_setting_set, "tt", s->key, s->value) < 0)
		return -1;
	store_changed(db, STORE_DIRECTORY);
	return 0;
}

FIBER int directory_setting_set(struct store *s, struct span key, struct span value, struct err *e)
{
	struct directory_setting put = {.key = key, .value = value};

	return store_write(s, "directory.setting", directory_setting_put, &put, e);
}
