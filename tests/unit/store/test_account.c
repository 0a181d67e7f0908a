#include "store_test.h"

#include "base/clock.h"
#include "store/account.h"
#include "store/account_priv.h"
#include "store/directory.h"
#include "store/verifier.h"

#define HASH "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"

static void make_domain(struct store_fixture *f, const char *name)
{
	struct err e = {0};

	assert_ok(directory_domain_set(f->s, span_str(name), DIRECTORY_DOMAIN_LOCAL, true, &e), &e);
}

static uint64_t make_account(struct store_fixture *f, const char *address, const char *password)
{
	struct directory_account acc = {.address = span_str(address)};
	struct err e = {0};

	assert_ok(directory_account_set(f->s, &acc, span_str(password), true, &e), &e);
	assert_ok(directory_account_find(f->s, f->a, span_str(address), &acc, &e), &e);
	return acc.id;
}

static void make_alias(struct store_fixture *f, const char *address, const char *a, const char *b)
{
	struct span targets[] = {span_str(a), span_str(b)};
	struct directory_alias alias = {span_str(address), b ? 2 : 1, targets};
	struct err e = {0};

	assert_ok(directory_alias_set(f->s, &alias, true, &e), &e);
}

DB_SQL(fixture_kind, "UPDATE account SET kind = $2 WHERE id = $1");
DB_SQL(fixture_address, "INSERT INTO address (domain, local, account_id) VALUES ($1, $2, $3)");
DB_SQL(fixture_member,
	"INSERT INTO account_member (account_id, member_id, rights) VALUES ($1, $2, $3)");
DB_SQL(fixture_pattern, "INSERT INTO send_as (account_id, pattern) VALUES ($1, $2)");
DB_SQL(fixture_list,
	"INSERT INTO list (id, domain, local, title, post, join_kind, rewrite, subject_prefix, "
	"footer, octets_max, is_reply_to_list, members, created_ns) "
	"VALUES ($1, 'all.example', $2, '', 0, 0, 0, '', '', 0, 0, 0, 0)");
DB_SQL(fixture_imported, "UPDATE account SET imported = $2, scram_sha256 = '' WHERE id = $1");
DB_SQL(fixture_user, "UPDATE account SET system_user = $2 WHERE id = $1");
DB_SQL(fixture_removed, "UPDATE account SET removed_ns = $2 WHERE id = $1");

struct row {
	const struct db_sql *sql;
	int64_t a, b, c;
	const char *text, *more;
};

static int write_row(struct db *db, void *arg, struct err *e)
{
	struct row *r = arg;

	if (r->sql == &fixture_address)
		return db_run(db, e, r->sql, "tti", span_str(r->more), span_str(r->text), r->a);
	if (r->sql == &fixture_member)
		return db_run(db, e, r->sql, "iii", r->a, r->b, r->c);
	if (r->text)
		return db_run(db, e, r->sql, "it", r->a, span_str(r->text));
	return db_run(db, e, r->sql, "ii", r->a, r->b);
}

static void put(struct store_fixture *f, struct row r)
{
	struct err e = {0};

	assert_ok(store_write(f->s, "row", write_row, &r, &e), &e);
}

static struct account_login login(struct store_fixture *f, const char *user, bool is_there)
{
	struct account_login l;
	struct err e = {0};
	bool is_found;

	assert_ok(account_login_find(f->s, f->a, span_str(user), &l, &is_found, &e), &e);
	if (is_found != is_there)
		fail_msg("'%s' is %sfound", user, is_found ? "" : "not ");
	return l;
}

static bool is_good(struct store_fixture *f, uint64_t id, uint64_t credential, uint64_t app)
{
	struct account_state st = {.id = id, .credential = credential, .app_id = app};
	struct err e = {0};

	assert_ok(account_states(f->s, &st, 1, &e), &e);
	return st.is_good;
}

/* --- logging in ---------------------------------------------------------------------------- */

static void play_find(struct store_fixture *f)
{
	struct account_login l, again;
	struct err e = {0};
	bool is_found;
	uint64_t id;

	make_domain(f, "our.example");
	id = make_account(f, "alice@our.example", "secret");
	put(f, (struct row){&fixture_address, (int64_t)id, .text = "al", .more = "our.example"});
	l = login(f, "Alice@OUR.example", true);
	assert_int_equal(l.id, id);
	assert_span(l.address, "alice@our.example");
	assert_true(verifier_fits(l.scram_sha256, SPAN("secret")));
	assert_span(l.scram_sha1, "");
	assert_true(l.credential > 0);
	assert_int_equal(login(f, "al@our.example", true).id, id);
	assert_int_equal(login(f, "alice", true).id, id);
	assert_ok(account_login_get(f->s, f->a, id, &again, &is_found, &e), &e);
	assert_true(is_found);
	assert_span(again.address, "alice@our.example");
	static const char *const nobody[] = {"", "@", "bob", "alice@", "@our.example",
		"alice@elsewhere.example", "alice@our.example@our.example", "al ice@our.example",
		"\xff\xfe@our.example", "alice\n@our.example", "a@b..c"};
	for (size_t i = 0; i < ARRAY_LEN(nobody); i++)
		login(f, nobody[i], false);
	assert_ok(account_login_get(f->s, f->a, id + 1, &again, &is_found, &e), &e);
	assert_false(is_found);
	/* with a second local domain a bare name could be somebody else */
	make_domain(f, "second.example");
	login(f, "alice", false);
}

static void finds_who_logs_in_by_any_address(void **state)
{
	store_play(state, play_find);
}

static void play_password(struct store_fixture *f)
{
	struct err e = {0};
	struct account_login l, now;
	struct verifier v;
	uint64_t id, generation;

	make_domain(f, "our.example");
	id = make_account(f, "alice@our.example", "secret");
	l = login(f, "alice", true);
	assert_true(is_good(f, id, l.credential, 0));
	generation = store_directory_generation(f->s);
	assert_ok(account_password_set(f->s, id, SPAN("fresh"), true, &e), &e);
	assert_true(store_directory_generation(f->s) > generation);
	assert_false(is_good(f, id, l.credential, 0));
	now = login(f, "alice", true);
	assert_true(is_good(f, id, now.credential, 0));
	assert_true(verifier_fits(now.scram_sha256, SPAN("fresh")));
	assert_true(verifier_parse(f->a, now.scram_sha1, VERIFIER_SHA1, &v));
	assert_int_equal(v.iterations, VERIFIER_ITERATIONS);
	assert_ok(account_password_set(f->s, id, SPAN("third"), false, &e), &e);
	assert_span(login(f, "alice", true).scram_sha1, "");
	ASSERT_ERR(account_password_set(f->s, id, SPAN("a\nb"), false, &e), ERR_SYNTAX);
	ASSERT_ERR(account_password_set(f->s, id, SPAN(""), false, &e), ERR_SYNTAX);
	ASSERT_ERR(account_password_set(f->s, 99, SPAN("x"), false, &e), ERR_NOT_FOUND);
	put(f, (struct row){&fixture_kind, (int64_t)id, ACCOUNT_TEAM});
	ASSERT_ERR(account_password_set(f->s, id, SPAN("x"), false, &e), ERR_STATE);
}

static void a_new_password_ends_what_the_old_one_proved(void **state)
{
	store_play(state, play_password);
}

static void play_upgrade(struct store_fixture *f)
{
	struct err e = {0};
	struct account_login l, now;
	uint64_t id;

	make_domain(f, "our.example");
	id = make_account(f, "alice@our.example", "");
	put(f, (struct row){&fixture_imported, (int64_t)id, .text = "$6$old"});
	l = login(f, "alice", true);
	assert_span(l.imported, "$6$old");
	/* another hash than the one that was checked: nothing happens */
	assert_ok(account_password_upgrade(f->s, id, SPAN("$6$other"), SPAN("p"), false, &e), &e);
	assert_span(login(f, "alice", true).imported, "$6$old");
	assert_ok(account_password_upgrade(f->s, id, l.imported, SPAN("p"), true, &e), &e);
	now = login(f, "alice", true);
	assert_span(now.imported, "");
	assert_true(verifier_fits(now.scram_sha256, SPAN("p")));
	assert_true(now.scram_sha1.len > 0);
	assert_int_equal(now.credential, l.credential);
	ASSERT_ERR(account_password_upgrade(f->s, id, SPAN(""), SPAN("q"), false, &e), ERR_STATE);
}

static void the_first_login_after_an_import_keeps_its_sessions(void **state)
{
	store_play(state, play_upgrade);
}

static void play_suspend(struct store_fixture *f)
{
	struct directory_account acc;
	struct account_login l;
	struct err e = {0};
	uint64_t id;

	make_domain(f, "our.example");
	id = make_account(f, "alice@our.example", "secret");
	l = login(f, "alice", true);
	assert_ok(directory_account_find(f->s, f->a, SPAN("alice@our.example"), &acc, &e), &e);
	acc.name = SPAN("Alice");
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, false, &e), &e);
	assert_true(is_good(f, id, l.credential, 0));
	acc.is_suspended = true;
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, false, &e), &e);
	assert_false(is_good(f, id, l.credential, 0));
	assert_true(login(f, "alice", true).is_suspended);
	acc.is_suspended = false;
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, false, &e), &e);
	/* what was proven before the suspension stays ended */
	assert_false(is_good(f, id, l.credential, 0));
	l = login(f, "alice", true);
	assert_true(is_good(f, id, l.credential, 0));
	put(f, (struct row){&fixture_removed, (int64_t)id, 5});
	assert_false(is_good(f, id, l.credential, 0));
	assert_true(login(f, "alice", true).is_removed);
	assert_false(is_good(f, id + 1, 0, 0));
}

static void suspension_ends_sessions_for_good(void **state)
{
	store_play(state, play_suspend);
}

static void play_apps(struct store_fixture *f)
{
	struct account_app_password app, *list;
	struct account_login l;
	struct err e = {0};
	size_t count;
	uint64_t id;

	make_domain(f, "our.example");
	id = make_account(f, "alice@our.example", "secret");
	app = (struct account_app_password){.account_id = id,
		.name = SPAN("phone"),
		.key_hash = SPAN(HASH),
		.scram_sha256 = SPAN("v"),
		.scopes = ACCOUNT_SCOPE_IMAP | ACCOUNT_SCOPE_SUBMIT,
		.networks = SPAN("192.0.2.0/24")};
	assert_ok(account_app_add(f->s, &app, &e), &e);
	l = login(f, "alice", true);
	assert_int_equal(l.app_count, 1);
	assert_span(l.apps[0].name, "phone");
	assert_int_equal(l.apps[0].scopes, 3);
	assert_true(is_good(f, id, l.credential, l.apps[0].id));
	assert_false(is_good(f, id, l.credential, l.apps[0].id + 1));
	app.id = 0;
	ASSERT_ERR(account_app_add(f->s, &app, &e), ERR_EXISTS);
	app.name = SPAN("");
	ASSERT_ERR(account_app_add(f->s, &app, &e), ERR_SYNTAX);
	app.name = SPAN("x");
	app.scopes = 64;
	ASSERT_ERR(account_app_add(f->s, &app, &e), ERR_SYNTAX);

	assert_ok(account_app_used(f->s, l.apps[0].id, 90 * CLOCK_SEC, SPAN("192.0.2.1"), &e), &e);
	assert_ok(account_app_used(f->s, l.apps[0].id, 120 * CLOCK_SEC, SPAN("192.0.2.2"), &e), &e);
	assert_ok(account_app_list(f->s, f->a, id, &list, &count, &e), &e);
	assert_int_equal(count, 1);
	assert_int_equal(list[0].used_ns, 90 * CLOCK_SEC);
	assert_span(list[0].used_from, "192.0.2.1");
	assert_ok(account_app_used(f->s, l.apps[0].id, 151 * CLOCK_SEC, SPAN("192.0.2.3"), &e), &e);
	assert_ok(account_app_list(f->s, f->a, id, &list, &count, &e), &e);
	assert_span(list[0].used_from, "192.0.2.3");

	assert_ok(account_app_remove(f->s, id, SPAN("phone"), &e), &e);
	assert_false(is_good(f, id, l.credential, l.apps[0].id));
	assert_true(is_good(f, id, l.credential, 0));
	ASSERT_ERR(account_app_remove(f->s, id, SPAN("phone"), &e), ERR_NOT_FOUND);
	/* one that has expired opens nothing */
	app = (struct account_app_password){.account_id = id,
		.name = SPAN("old"),
		.key_hash = SPAN(HASH),
		.scopes = 1,
		.expires_ns = 1};
	assert_ok(account_app_add(f->s, &app, &e), &e);
	assert_false(is_good(f, id, l.credential, app.id));
	for (int i = 1; i < ACCOUNT_APP_PASSWORDS_MAX; i++) {
		app.id = 0;
		app.name = span_str(arena_printf(f->a, "app %d", i));
		assert_ok(account_app_add(f->s, &app, &e), &e);
	}
	app.id = 0;
	app.name = SPAN("one more");
	ASSERT_ERR(account_app_add(f->s, &app, &e), ERR_LIMIT);
}

static void app_passwords_are_many_and_each_ends_alone(void **state)
{
	store_play(state, play_apps);
}

static void play_certificates(struct store_fixture *f)
{
	struct account_certificate cert, got, *list;
	struct account_login l;
	struct err e = {0};
	bool is_found;
	size_t count;
	uint64_t id;

	make_domain(f, "our.example");
	id = make_account(f, "alice@our.example", "secret");
	cert = (struct account_certificate){
		.spki_sha256 = SPAN(HASH), .account_id = id, .note = SPAN("laptop")};
	assert_ok(account_certificate_add(f->s, &cert, &e), &e);
	ASSERT_ERR(account_certificate_add(f->s, &cert, &e), ERR_EXISTS);
	assert_ok(account_certificate_find(f->s, f->a, SPAN(HASH), &got, &is_found, &e), &e);
	assert_true(is_found);
	assert_int_equal(got.account_id, id);
	assert_span(got.note, "laptop");
	assert_true(got.created_ns > 0);
	assert_ok(account_certificate_find(f->s, f->a, SPAN("00"), &got, &is_found, &e), &e);
	assert_false(is_found);
	static const struct {
		int64_t now_ns, used_ns;
	} uses[] = {{90 * CLOCK_SEC, 90 * CLOCK_SEC}, {120 * CLOCK_SEC, 90 * CLOCK_SEC},
		{150 * CLOCK_SEC, 150 * CLOCK_SEC}, {100 * CLOCK_SEC, 100 * CLOCK_SEC}};
	for (size_t i = 0; i < ARRAY_LEN(uses); i++) {
		assert_ok(
			account_certificate_find(f->s, f->a, SPAN(HASH), &got, &is_found, &e), &e);
		assert_ok(account_certificate_used(f->s, &got, uses[i].now_ns, &e), &e);
		assert_ok(account_certificate_list(f->s, f->a, id, &list, &count, &e), &e);
		assert_int_equal(count, 1);
		assert_int_equal(list[0].used_ns, uses[i].used_ns);
	}
	cert.spki_sha256 = SPAN("ABC");
	ASSERT_ERR(account_certificate_add(f->s, &cert, &e), ERR_SYNTAX);
	l = login(f, "alice", true);
	assert_ok(account_certificate_remove(f->s, SPAN(HASH), &e), &e);
	assert_false(is_good(f, id, l.credential, 0));
	ASSERT_ERR(account_certificate_remove(f->s, SPAN(HASH), &e), ERR_NOT_FOUND);
}

static void certificates_find_their_account(void **state)
{
	store_play(state, play_certificates);
}

/* --- writing under an address -------------------------------------------------------------- */

static void play_send(struct store_fixture *f)
{
	uint64_t alice, bob, team, plus;
	struct err e = {0};

	make_domain(f, "our.example");
	make_domain(f, "all.example");
	alice = make_account(f, "alice@our.example", "");
	bob = make_account(f, "bob@our.example", "");
	team = make_account(f, "team@our.example", "");
	plus = make_account(f, "alice+bob@our.example", "");
	(void)plus;
	put(f, (struct row){&fixture_kind, (int64_t)team, ACCOUNT_TEAM});
	put(f, (struct row){&fixture_address, (int64_t)alice, .text = "al", .more = "our.example"});
	put(f,
		(struct row){
			&fixture_address, (int64_t)team, .text = "crew", .more = "our.example"});
	put(f, (struct row){&fixture_member, (int64_t)team, (int64_t)alice, ACCOUNT_RIGHT_SEND});
	put(f, (struct row){&fixture_member, (int64_t)team, (int64_t)bob, ACCOUNT_RIGHT_READ});
	put(f, (struct row){&fixture_pattern, (int64_t)alice, .text = "@partner.example"});
	put(f, (struct row){&fixture_pattern, (int64_t)bob, .text = "news@partner.example"});
	make_alias(f, "sales@our.example", "alice@our.example", NULL);
	make_alias(f, "al-alias@our.example", "al@our.example", NULL);
	make_alias(f, "both@our.example", "alice@our.example", "bob@our.example");
	make_alias(f, "@all.example", "alice@our.example", NULL);
	make_alias(f, "bob@all.example", "bob@our.example", NULL);
	put(f, (struct row){&fixture_list, 7, .text = "news"});
	const struct {
		uint64_t id;
		const char *address;
		enum account_way way;
	} cases[] = {
		{alice, "alice@our.example", ACCOUNT_OWN},
		{alice, "ALICE@Our.Example", ACCOUNT_OWN},
		{alice, "al@our.example", ACCOUNT_OWN},
		{alice, "alice+news@our.example", ACCOUNT_OWN},
		{alice, "alice+bob@our.example", ACCOUNT_NOT_ITS}, /* somebody's whole name */
		{alice, "bob@our.example", ACCOUNT_NOT_ITS},
		{alice, "bob+x@our.example", ACCOUNT_NOT_ITS},
		{alice, "nobody@our.example", ACCOUNT_NOT_ITS},
		{alice, "alice@elsewhere.example", ACCOUNT_NOT_ITS},
		{alice, "sales@our.example", ACCOUNT_ALIAS},
		{alice, "sales+x@our.example", ACCOUNT_ALIAS},
		{alice, "al-alias@our.example", ACCOUNT_ALIAS},
		{alice, "both@our.example", ACCOUNT_NOT_ITS},
		{bob, "sales@our.example", ACCOUNT_NOT_ITS},
		{alice, "any@all.example", ACCOUNT_ALIAS},
		{alice, "bob@all.example", ACCOUNT_NOT_ITS},
		{alice, "\"bob\"@all.example", ACCOUNT_NOT_ITS}, /* bob in disguise */
		{alice, "\"b\\ob\"@all.example", ACCOUNT_NOT_ITS},
		{alice, "\"bob\"@partner.example", ACCOUNT_NOT_ITS},
		{alice, "news@all.example", ACCOUNT_NOT_ITS},
		{alice, "news-owner@all.example", ACCOUNT_NOT_ITS},
		{alice, "news-bounces+x@all.example", ACCOUNT_NOT_ITS},
		{alice, "new-owner@all.example", ACCOUNT_ALIAS}, /* of no list */
		{bob, "bob@all.example", ACCOUNT_ALIAS},
		{alice, "*@all.example", ACCOUNT_NOT_ITS},
		{alice, "team@our.example", ACCOUNT_MEMBER},
		{alice, "crew@our.example", ACCOUNT_MEMBER},
		{alice, "team+x@our.example", ACCOUNT_MEMBER},
		{bob, "team@our.example", ACCOUNT_NOT_ITS}, /* may read, not write as it */
		{alice, "anyone@partner.example", ACCOUNT_LISTED},
		{alice, "anyone@sub.partner.example", ACCOUNT_NOT_ITS},
		{bob, "news@partner.example", ACCOUNT_LISTED},
		{bob, "News+1@partner.example", ACCOUNT_LISTED},
		{bob, "other@partner.example", ACCOUNT_NOT_ITS},
		{alice, "", ACCOUNT_NOT_ITS},
		{alice, "@our.example", ACCOUNT_NOT_ITS},
		{alice, "alice", ACCOUNT_NOT_ITS},
		{0, "alice@our.example", ACCOUNT_NOT_ITS},
	};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		enum account_way way;

		assert_ok(account_may_send(
				  f->s, cases[i].id, span_str(cases[i].address), '+', &way, &e),
			&e);
		if (way != cases[i].way)
			fail_msg("%s: %d, not %d", cases[i].address, way, cases[i].way);
	}
	enum account_way way;
	assert_ok(account_may_send(f->s, alice, SPAN("alice+news@our.example"), 0, &way, &e), &e);
	assert_int_equal(way, ACCOUNT_NOT_ITS);
}

static void an_account_writes_under_its_own_addresses_alone(void **state)
{
	store_play(state, play_send);
}

static void play_identities(struct store_fixture *f)
{
	static const struct {
		const char *address;
		enum account_way way;
	} want[] = {{"alice@our.example", ACCOUNT_OWN}, {"al@our.example", ACCOUNT_OWN},
		{"@our.example", ACCOUNT_ALIAS}, {"sales@our.example", ACCOUNT_ALIAS},
		{"short@our.example", ACCOUNT_ALIAS}, {"team@our.example", ACCOUNT_MEMBER},
		{"@partner.example", ACCOUNT_LISTED}};
	struct account_identity *list;
	struct err e = {0};
	uint64_t alice, team;
	size_t count;

	make_domain(f, "our.example");
	alice = make_account(f, "alice@our.example", "");
	team = make_account(f, "team@our.example", "");
	put(f, (struct row){&fixture_address, (int64_t)alice, .text = "al", .more = "our.example"});
	put(f, (struct row){&fixture_member, (int64_t)team, (int64_t)alice, ACCOUNT_RIGHT_SEND});
	put(f, (struct row){&fixture_pattern, (int64_t)alice, .text = "@partner.example"});
	make_alias(f, "sales@our.example", "alice@our.example", NULL);
	make_alias(f, "short@our.example", "al@our.example", NULL);
	make_alias(f, "both@our.example", "alice@our.example", "team@our.example");
	make_alias(f, "@our.example", "alice@our.example", NULL);
	assert_ok(account_identities(f->s, f->a, alice, &list, &count, &e), &e);
	assert_int_equal(count, ARRAY_LEN(want));
	for (size_t i = 0; i < count; i++) {
		assert_span(list[i].address, want[i].address);
		assert_int_equal(list[i].way, want[i].way);
	}
	ASSERT_ERR(account_identities(f->s, f->a, 7, &list, &count, &e), ERR_NOT_FOUND);
}

static void identities_are_what_may_be_written_under(void **state)
{
	store_play(state, play_identities);
}

static void play_sending(struct store_fixture *f)
{
	struct account_sending sending;
	struct account_room room;
	struct directory_account acc;
	struct err e = {0};
	uint64_t id;

	make_domain(f, "our.example");
	id = make_account(f, "alice@our.example", "");
	put(f, (struct row){&fixture_user, (int64_t)id, .text = "alice"});
	assert_ok(account_sending(f->s, f->a, id, &sending, &e), &e);
	assert_span(sending.address, "alice@our.example");
	assert_span(sending.message_rate, "");
	assert_false(sending.is_sent_copied);
	ASSERT_ERR(account_sending(f->s, f->a, 5, &sending, &e), ERR_NOT_FOUND);
	assert_ok(account_of_system_user(f->s, f->a, SPAN("alice"), &sending, &e), &e);
	assert_int_equal(sending.id, id);
	ASSERT_ERR(account_of_system_user(f->s, f->a, SPAN("bob"), &sending, &e), ERR_NOT_FOUND);
	ASSERT_ERR(account_of_system_user(f->s, f->a, SPAN(""), &sending, &e), ERR_NOT_FOUND);

	assert_ok(account_room(f->s, id, &room, &e), &e);
	assert_false(room.has_quota);
	acc = (struct directory_account){
		.address = SPAN("alice@our.example"), .quota_octets = 1000};
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, false, &e), &e);
	assert_ok(account_room(f->s, id, &room, &e), &e);
	assert_true(room.has_quota);
	assert_int_equal(room.quota_octets, 1000);
	ASSERT_ERR(account_room(f->s, 5, &room, &e), ERR_NOT_FOUND);
	put(f, (struct row){&fixture_removed, (int64_t)id, 5});
	ASSERT_ERR(account_sending(f->s, f->a, id, &sending, &e), ERR_NOT_FOUND);
	ASSERT_ERR(account_of_system_user(f->s, f->a, SPAN("alice"), &sending, &e), ERR_NOT_FOUND);
}

static void sending_and_room_are_answered(void **state)
{
	store_play(state, play_sending);
}

static void verifiers_are_taken_apart(void **state)
{
	struct store_fixture *f = *state;
	static const struct {
		const char *text;
		enum verifier_hash hash;
		bool is_one;
	} cases[] = {
		{"4096:c2FsdA==:AAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
			VERIFIER_SHA1, true},
		{"4096:c2FsdA==:AAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
			VERIFIER_SHA256, false},
		{"0:c2FsdA==:AAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAA=",
			VERIFIER_SHA1, false},
		{"4096::AAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAA=", VERIFIER_SHA1,
			false},
		{"4096:c2FsdA==:AAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAA=:x",
			VERIFIER_SHA1, false},
		{"4096:c2FsdA==:AAAAAAAAAAAAAAAAAAAAAAAAAAA=", VERIFIER_SHA1, false},
		{"", VERIFIER_SHA1, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct verifier v;

		assert_int_equal(verifier_parse(f->a, span_str(cases[i].text), cases[i].hash, &v),
			cases[i].is_one);
		if (cases[i].is_one) {
			assert_int_equal(v.iterations, 4096);
			assert_span(v.salt, "salt");
			assert_span(verifier_text(f->a, &v), cases[i].text);
		}
	}
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(finds_who_logs_in_by_any_address),
		CASE(a_new_password_ends_what_the_old_one_proved),
		CASE(the_first_login_after_an_import_keeps_its_sessions),
		CASE(suspension_ends_sessions_for_good),
		CASE(app_passwords_are_many_and_each_ends_alone),
		CASE(certificates_find_their_account),
		CASE(an_account_writes_under_its_own_addresses_alone),
		CASE(identities_are_what_may_be_written_under),
		CASE(sending_and_room_are_answered),
		CASE(verifiers_are_taken_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
