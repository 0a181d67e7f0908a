#include "store_test.h"

#include "base/clock.h"
#include "store/account_admin.h"
#include "store/db/db.h"
#include "store/directory.h"
#include "store/stage.h"
#include "store/spool.h"
#include "store/mailbox.h"

static void make_domain(struct store_fixture *f, const char *name)
{
	struct err e = {0};

	assert_ok(directory_domain_set(f->s, span_str(name), DIRECTORY_DOMAIN_LOCAL, true, &e), &e);
}

static struct directory_account get(struct store_fixture *f, const char *address)
{
	struct directory_account acc;
	struct err e = {0};

	assert_ok(directory_account_find(f->s, f->a, span_str(address), &acc, &e), &e);
	return acc;
}

static uint64_t make(struct store_fixture *f, const char *address, enum account_kind kind)
{
	struct directory_account acc = {.address = span_str(address), .kind = kind};
	struct err e = {0};

	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), &e);
	return get(f, address).id;
}

static struct directory_answer look(struct store_fixture *f, const char *local)
{
	struct directory_answer r;
	struct err e = {0};

	assert_ok(directory_lookup(f->s, f->a, span_str(local), SPAN("our.example"), &r, &e), &e);
	return r;
}

static uint64_t credential(struct store_fixture *f, uint64_t id)
{
	struct account_login l;
	struct err e = {0};
	bool is_found;

	assert_ok(account_login_get(f->s, f->a, id, &l, &is_found, &e), &e);
	assert_true(is_found);
	return l.credential;
}

static void play_addresses(struct store_fixture *f)
{
	struct span who = SPAN("alice@our.example"), *list;
	struct err e = {0};
	uint64_t alice, was;
	size_t count;

	make_domain(f, "our.example");
	alice = make(f, "alice@our.example", ACCOUNT_PERSON);
	make(f, "bob@our.example", ACCOUNT_PERSON);
	assert_ok(account_address_add(f->s, who, SPAN("Al@our.example"), &e), &e);
	assert_int_equal(look(f, "al").account_id, alice);
	ASSERT_ERR(account_address_add(f->s, who, SPAN("al@our.example"), &e), ERR_EXISTS);
	ASSERT_ERR(account_address_add(f->s, who, SPAN("bob@our.example"), &e), ERR_EXISTS);
	ASSERT_ERR(account_address_add(f->s, who, SPAN("x@else.example"), &e), ERR_NOT_FOUND);
	ASSERT_ERR(account_address_add(f->s, who, SPAN("@our.example"), &e), ERR_SYNTAX);
	ASSERT_ERR(account_address_add(f->s, who, SPAN("*@our.example"), &e), ERR_SYNTAX);
	ASSERT_ERR(account_address_add(f->s, SPAN("no@our.example"), SPAN("n@our.example"), &e),
		ERR_NOT_FOUND);
	/* an account cannot be made where one stands */
	struct directory_account acc = {.address = SPAN("al@our.example")};
	ASSERT_ERR(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), ERR_EXISTS);
	assert_ok(account_address_list(f->s, f->a, alice, &list, &count, &e), &e);
	assert_int_equal(count, 1);
	assert_span(list[0], "al@our.example");
	was = credential(f, alice);
	assert_ok(account_address_remove(f->s, who, SPAN("al@our.example"), &e), &e);
	assert_int_not_equal(credential(f, alice), was);
	assert_int_equal(look(f, "al").found, DIRECTORY_UNKNOWN_USER);
	ASSERT_ERR(account_address_remove(f->s, who, SPAN("al@our.example"), &e), ERR_NOT_FOUND);

	/* another name: the old one stays when it is asked to, and may come back */
	assert_ok(account_rename(f->s, who, SPAN("alison@our.example"), true, &e), &e);
	assert_int_equal(get(f, "alison@our.example").id, alice);
	assert_int_equal(look(f, "alice").account_id, alice);
	assert_ok(account_rename(f->s, SPAN("alison@our.example"), who, false, &e), &e);
	assert_int_equal(look(f, "alison").found, DIRECTORY_UNKNOWN_USER);
	ASSERT_ERR(account_rename(f->s, who, SPAN("bob@our.example"), true, &e), ERR_EXISTS);
	assert_int_equal(look(f, "alice").account_id, alice);
}

static void further_addresses_and_other_names(void **state)
{
	store_play(state, play_addresses);
}

static void play_members(struct store_fixture *f)
{
	struct span group = SPAN("crew@our.example"), alice = SPAN("alice@our.example");
	struct span bob = SPAN("bob@our.example"), far = SPAN("carol@far.example");
	struct account_member *list;
	struct directory_answer r;
	uint64_t id, alice_id, was;
	struct err e = {0};
	size_t count;

	make_domain(f, "our.example");
	alice_id = make(f, "alice@our.example", ACCOUNT_PERSON);
	make(f, "bob@our.example", ACCOUNT_PERSON);
	id = make(f, "crew@our.example", ACCOUNT_GROUP);
	assert_int_equal(look(f, "crew").found, DIRECTORY_GROUP);
	assert_int_equal(look(f, "crew").target_count, 0);
	assert_ok(account_member_set(
			  f->s, group, alice, ACCOUNT_RIGHT_RECEIVE | ACCOUNT_RIGHT_SEND, true, &e),
		&e);
	assert_ok(account_member_set(f->s, group, bob, ACCOUNT_RIGHT_SEND, true, &e), &e);
	ASSERT_ERR(account_member_set(f->s, group, bob, 1, true, &e), ERR_EXISTS);
	ASSERT_ERR(account_member_set(f->s, group, group, 1, true, &e), ERR_SYNTAX);
	ASSERT_ERR(account_member_set(f->s, group, bob, 0, false, &e), ERR_SYNTAX);
	ASSERT_ERR(account_member_set(f->s, alice, bob, 1, true, &e), ERR_STATE);
	ASSERT_ERR(account_member_set(f->s, group, SPAN("no@our.example"), 1, true, &e),
		ERR_NOT_FOUND);
	r = look(f, "crew");
	assert_int_equal(r.target_count, 1); /* bob only writes as it */
	assert_span(r.targets[0], "alice@our.example");
	assert_ok(directory_forward_set(f->s, group, &far, 1, false, &e), &e);
	assert_int_equal(look(f, "crew").target_count, 2);
	/* what takes a right away ends sessions, what gives one does not */
	was = credential(f, alice_id);
	assert_ok(account_member_set(f->s, group, alice, ACCOUNT_RIGHT_ALL, false, &e), &e);
	assert_int_equal(credential(f, alice_id), was);
	assert_ok(account_member_set(f->s, group, alice, ACCOUNT_RIGHT_RECEIVE, false, &e), &e);
	assert_int_not_equal(credential(f, alice_id), was);
	assert_ok(account_member_list(f->s, f->a, id, &list, &count, &e), &e);
	assert_int_equal(count, 2);
	assert_int_equal(list[0].rights, ACCOUNT_RIGHT_RECEIVE);
	assert_ok(account_member_remove(f->s, group, alice, &e), &e);
	ASSERT_ERR(account_member_remove(f->s, group, alice, &e), ERR_NOT_FOUND);
	assert_int_equal(look(f, "crew").target_count, 1);
}

static void a_group_is_its_members_that_receive(void **state)
{
	store_play(state, play_members);
}

static void play_send_as(struct store_fixture *f)
{
	struct span who = SPAN("alice@our.example"), *list;
	struct err e = {0};
	enum account_way way;
	uint64_t id;
	size_t count;

	make_domain(f, "our.example");
	id = make(f, "alice@our.example", ACCOUNT_PERSON);
	assert_ok(account_send_as_add(f->s, who, SPAN("@Partner.example"), &e), &e);
	assert_ok(account_send_as_add(f->s, who, SPAN("News@far.example"), &e), &e);
	ASSERT_ERR(account_send_as_add(f->s, who, SPAN("@partner.example"), &e), ERR_EXISTS);
	ASSERT_ERR(account_send_as_add(f->s, who, SPAN("nobody"), &e), ERR_SYNTAX);
	ASSERT_ERR(account_send_as_add(f->s, who, SPAN("*@far.example"), &e), ERR_SYNTAX);
	assert_ok(account_send_as_list(f->s, f->a, id, &list, &count, &e), &e);
	assert_int_equal(count, 2);
	assert_span(list[0], "@partner.example");
	assert_ok(account_may_send(f->s, id, SPAN("x@partner.example"), '+', &way, &e), &e);
	assert_int_equal(way, ACCOUNT_LISTED);
	assert_ok(account_send_as_remove(f->s, who, SPAN("@partner.example"), &e), &e);
	assert_ok(account_may_send(f->s, id, SPAN("x@partner.example"), '+', &way, &e), &e);
	assert_int_equal(way, ACCOUNT_NOT_ITS);
	ASSERT_ERR(account_send_as_remove(f->s, who, SPAN("@partner.example"), &e), ERR_NOT_FOUND);
}

static void send_as_is_given_and_taken(void **state)
{
	store_play(state, play_send_as);
}

static void play_details(struct store_fixture *f)
{
	struct directory_domain d = {.name = SPAN("our.example"),
		.kind = DIRECTORY_DOMAIN_LOCAL,
		.quota_octets = 5000,
		.accounts_max = 2};
	struct directory_account acc = {
		.address = SPAN("alice@our.example"), .is_quota_default = true};
	struct err e = {0};

	assert_ok(directory_domain_put(f->s, &d, true, &e), &e);
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), &e);
	assert_int_equal(get(f, "alice@our.example").quota_octets, 5000);
	acc = get(f, "alice@our.example");
	acc.is_details_set = true;
	acc.quota_messages = 10;
	acc.message_rate = SPAN("100/1h");
	acc.system_user = SPAN("alice");
	acc.is_sent_copied = true;
	acc.is_suspended = true;
	acc.suspended_why = SPAN("spam");
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, false, &e), &e);
	acc = get(f, "alice@our.example");
	assert_int_equal(acc.quota_messages, 10);
	assert_span(acc.message_rate, "100/1h");
	assert_span(acc.suspended_why, "spam");
	assert_true(acc.is_sent_copied);
	acc.is_details_set = true;
	acc.is_suspended = false;
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, false, &e), &e);
	assert_span(get(f, "alice@our.example").suspended_why, "");
	make(f, "bob@our.example", ACCOUNT_PERSON);
	acc = get(f, "bob@our.example");
	acc.is_details_set = true;
	acc.system_user = SPAN("alice");
	ASSERT_ERR(directory_account_set(f->s, &acc, SPAN_NONE, false, &e), ERR_EXISTS);
	acc = (struct directory_account){.address = SPAN("carol@our.example")};
	ASSERT_ERR(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), ERR_LIMIT);
}

static void an_account_has_its_details_and_its_domain_s(void **state)
{
	store_play(state, play_details);
}

static void deliver(struct store_fixture *f, uint64_t account, int result, size_t octets)
{
	struct spool_rcpt_new rcpt = {.address = SPAN("alice@our.example"),
		.is_local = true,
		.account_id = account,
		.folder = SPAN("INBOX")};
	struct stage *body = stage_new(f->s);
	struct spool_new l = {.id = store_new_id(f->s),
		.arrived_ns = CLOCK_DAY,
		.expires_ns = 2 * CLOCK_DAY,
		.body = body,
		.rcpts = &rcpt,
		.rcpt_count = 1};
	struct err e = {0};
	char *text = arena_alloc(f->a, octets);

	memset(text, 'x', octets);
	memcpy(text, "Subject: x\r\n\r\n", 14);
	assert_ok(stage_put(body, span_of(text, octets), &e), &e);
	assert_int_equal(spool_accept(f->s, &l, false, &e), result);
	if (result < 0)
		assert_int_equal(e.code, ERR_NOT_FOUND);
	stage_free(&body);
}

static void play_room(struct store_fixture *f)
{
	struct directory_account acc;
	struct account_fit fit[3] = {{0}};
	struct err e = {0};

	make_domain(f, "our.example");
	fit[0].id = make(f, "alice@our.example", ACCOUNT_PERSON);
	fit[1].id = make(f, "bob@our.example", ACCOUNT_PERSON);
	fit[2].id = 77;
	acc = get(f, "alice@our.example");
	acc.quota_octets = 1000;
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, false, &e), &e);
	assert_true(look(f, "alice").has_quota);
	assert_false(look(f, "bob").has_quota);
	deliver(f, fit[0].id, 0, 600);
	static const struct {
		uint64_t octets;
		bool is_full, is_never;
	} cases[] = {{0, false, false}, {400, false, false}, {401, true, false},
		{1000, true, false}, {1001, true, true}, {UINT64_MAX, true, true}};
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_ok(account_fits(f->s, fit, 3, cases[i].octets, &e), &e);
		assert_int_equal(fit[0].is_full, cases[i].is_full);
		assert_int_equal(fit[0].is_never, cases[i].is_never);
		assert_false(fit[1].is_full);
		assert_false(fit[2].is_full);
	}
	acc.quota_octets = 0;
	acc.quota_messages = 1;
	acc.is_details_set = true;
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, false, &e), &e);
	assert_ok(account_fits(f->s, fit, 1, 1, &e), &e);
	assert_true(fit[0].is_full);
}

static void room_is_octets_and_messages(void **state)
{
	store_play(state, play_room);
}

DB_SQL(fixture_count_rows,
	"SELECT (SELECT COUNT(*) FROM message) + (SELECT COUNT(*) FROM tombstone) + "
	"(SELECT COUNT(*) FROM mailbox) + (SELECT COUNT(*) FROM account) + "
	"(SELECT COUNT(*) FROM address) + (SELECT COUNT(*) FROM account_member) + "
	"(SELECT COUNT(*) FROM send_as) + (SELECT COUNT(*) FROM app_password) + "
	"(SELECT COUNT(*) FROM account_certificate) + (SELECT COUNT(*) FROM forward) + "
	"(SELECT COUNT(*) FROM blob WHERE refs > 0)");

static int count_read(struct db *db, void *arg, struct err *e)
{
	bool is_found;

	return db_get(db, e, NULL, &fixture_count_rows, &is_found, ":i", arg);
}

static int64_t rows(struct store_fixture *f)
{
	int64_t n = 0;
	struct err e = {0};

	assert_ok(store_read(f->s, "count", count_read, &n, &e), &e);
	return n;
}

static void play_end(struct store_fixture *f)
{
	struct span who = SPAN("alice@our.example"), team = SPAN("team@our.example");
	struct account_app_password app = {.name = SPAN("p"),
		.scopes = 1,
		.key_hash = SPAN(
			"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")};
	struct account_certificate cert = {.spki_sha256 = app.key_hash};
	struct err e = {0};
	uint64_t id, was, next;
	int64_t before;

	make_domain(f, "our.example");
	make(f, "team@our.example", ACCOUNT_TEAM);
	before = rows(f);
	id = make(f, "alice@our.example", ACCOUNT_PERSON);
	app.account_id = cert.account_id = id;
	assert_ok(account_address_add(f->s, who, SPAN("al@our.example"), &e), &e);
	assert_ok(account_send_as_add(f->s, who, SPAN("@p.example"), &e), &e);
	assert_ok(account_member_set(f->s, team, who, 1, true, &e), &e);
	assert_ok(account_app_add(f->s, &app, &e), &e);
	assert_ok(account_certificate_add(f->s, &cert, &e), &e);
	for (int i = 0; i < 40; i++)
		deliver(f, id, 0, 100);

	ASSERT_ERR(account_restore(f->s, who, &e), ERR_STATE);
	was = credential(f, id);
	assert_ok(account_remove(f->s, who, 5 * CLOCK_DAY, &e), &e);
	assert_int_not_equal(credential(f, id), was);
	assert_true(look(f, "alice").is_removed);
	assert_true(look(f, "al").is_removed);
	deliver(f, id, -1, 100);
	ASSERT_ERR(account_remove(f->s, who, 6 * CLOCK_DAY, &e), ERR_STATE);
	ASSERT_ERR(directory_domain_remove(f->s, SPAN("our.example"), &e), ERR_STATE);
	assert_ok(account_next_to_purge(f->s, 5 * CLOCK_DAY - 1, &next, &e), &e);
	assert_int_equal(next, 0);
	assert_ok(account_restore(f->s, who, &e), &e);
	/* taken back between the look and the end */
	ASSERT_ERR(account_purge_due(f->s, id, 5 * CLOCK_DAY, &e), ERR_STATE);
	deliver(f, id, 0, 100);
	assert_ok(account_remove(f->s, who, 5 * CLOCK_DAY, &e), &e);
	ASSERT_ERR(account_purge_due(f->s, id, 5 * CLOCK_DAY - 1, &e), ERR_STATE);
	assert_ok(account_next_to_purge(f->s, 5 * CLOCK_DAY, &next, &e), &e);
	assert_int_equal(next, id);
	assert_ok(account_purge_due(f->s, next, 5 * CLOCK_DAY, &e), &e);
	assert_int_equal(rows(f), before);
	assert_int_equal(look(f, "alice").found, DIRECTORY_UNKNOWN_USER);
	assert_ok(account_next_to_purge(f->s, 5 * CLOCK_DAY, &next, &e), &e);
	assert_int_equal(next, 0);
	ASSERT_ERR(account_purge(f->s, id, &e), ERR_NOT_FOUND);
	ASSERT_ERR(account_remove(f->s, who, 1, &e), ERR_NOT_FOUND);
}

static void a_removed_account_comes_back_or_goes_whole(void **state)
{
	store_play(state, play_end);
}

static void play_roles(struct store_fixture *f)
{
	struct directory_account acc;
	struct err e = {0};
	uint64_t alice, bob;

	make_domain(f, "our.example");
	assert_int_equal(look(f, "abuse").found, DIRECTORY_UNKNOWN_USER);
	make(f, "crew@our.example", ACCOUNT_GROUP);
	alice = make(f, "alice@our.example", ACCOUNT_PERSON);
	bob = make(f, "bob@our.example", ACCOUNT_PERSON);
	assert_int_equal(look(f, "postmaster").account_id, alice);
	assert_int_equal(look(f, "Abuse").account_id, alice);
	assert_int_equal(look(f, "webmaster").found, DIRECTORY_UNKNOWN_USER);
	acc = get(f, "alice@our.example");
	acc.is_suspended = true;
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, false, &e), &e);
	assert_int_equal(look(f, "postmaster").account_id, bob);
	assert_ok(account_address_add(
			  f->s, SPAN("bob@our.example"), SPAN("postmaster@our.example"), &e),
		&e);
	assert_int_equal(look(f, "abuse").account_id, bob);
	acc.is_suspended = false;
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, false, &e), &e);
	assert_ok(
		account_address_add(f->s, SPAN("alice@our.example"), SPAN("abuse@our.example"), &e),
		&e);
	assert_int_equal(look(f, "abuse").account_id, alice);
	assert_int_equal(look(f, "postmaster").account_id, bob);
}

static void postmaster_and_abuse_are_always_somebody(void **state)
{
	store_play(state, play_roles);
}

DB_SQL(fixture_lost_app,
	"INSERT INTO app_password (id, account_id, name, key_hash, scram_sha256, scopes, networks, "
	"created_ns, expires_ns, used_ns, used_from) "
	"VALUES (5, 99, 'lost', '', '', 1, '', 0, 0, 0, '')");

static int lose(struct db *db, void *arg, struct err *e)
{
	(void)arg;
	return db_run(db, e, &fixture_lost_app, "");
}

static void take_finding(void *arg, const char *text)
{
	(void)arg;
	assert_string_equal(text, "app password lost belongs to account 99, which is not there");
}

static void play_check(struct store_fixture *f)
{
	struct err e = {0};
	uint64_t findings = 0;

	make_domain(f, "our.example");
	make(f, "alice@our.example", ACCOUNT_PERSON);
	assert_ok(store_check(f->s, take_finding, f, NULL, &findings, &e), &e);
	assert_int_equal(findings, 0);
	assert_ok(store_write(f->s, "lose", lose, NULL, &e), &e);
	assert_ok(store_check(f->s, take_finding, f, NULL, &findings, &e), &e);
	assert_int_equal(findings, 1);
}

static void the_check_finds_what_belongs_to_nobody(void **state)
{
	store_play(state, play_check);
}

static void reserved_names_are_known(void **state)
{
	(void)state;
	assert_true(account_is_reserved(SPAN("postmaster")));
	assert_true(account_is_reserved(SPAN("Abuse")));
	assert_true(account_is_reserved(SPAN("MAILER-DAEMON")));
	assert_true(account_is_reserved(SPAN("root")));
	assert_false(account_is_reserved(SPAN("alice")));
	assert_false(account_is_reserved(SPAN("sales")));
	assert_false(account_is_reserved(SPAN("")));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(further_addresses_and_other_names),
		CASE(a_group_is_its_members_that_receive),
		CASE(send_as_is_given_and_taken),
		CASE(an_account_has_its_details_and_its_domain_s),
		CASE(room_is_octets_and_messages),
		CASE(a_removed_account_comes_back_or_goes_whole),
		CASE(postmaster_and_abuse_are_always_somebody),
		CASE(the_check_finds_what_belongs_to_nobody),
		cmocka_unit_test(reserved_names_are_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
