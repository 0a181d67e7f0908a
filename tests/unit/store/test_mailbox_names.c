/* Names of mailboxes, and who may do what in them. */

#include "store_test.h"

#include "store/account_admin.h"
#include "store/mailbox.h"
#include "store/object.h"

static uint64_t person(struct store_fixture *f, const char *address, enum account_kind kind)
{
	struct directory_account acc = {.address = span_str(address), .kind = kind};
	struct err e = {0};

	assert_ok(
		directory_domain_set(f->s, SPAN("our.example"), DIRECTORY_DOMAIN_LOCAL, false, &e),
		&e);
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), &e);
	assert_ok(directory_account_find(f->s, f->a, acc.address, &acc, &e), &e);
	return acc.id;
}

static uint64_t make(struct store_fixture *f, uint64_t account, const char *name)
{
	struct err e = {0};
	uint64_t id = 0;

	assert_ok(mailbox_create(f->s, account, span_str(name), SPAN(""), &id, &e), &e);
	return id;
}

static const char *letters(struct store_fixture *f, unsigned rights)
{
	static const char all[] = {
#define X(id, letter) letter,
		MAILBOX_RIGHTS(X)
#undef X
	};
	char *out = arena_alloc(f->a, sizeof(all) + 1);
	size_t n = 0;

	for (size_t i = 0; i < sizeof(all); i++)
		if (rights & 1U << i)
			out[n++] = all[i];
	out[n] = '\0';
	return out;
}

/* "-" when there is none for him. */
static const char *sees(struct store_fixture *f, uint64_t who, const char *name)
{
	struct mailbox_ref ref;
	struct err e = {0};

	if (mailbox_resolve(f->s, f->a, who, span_str(name), &ref, &e) < 0) {
		assert_int_equal(e.code, ERR_NOT_FOUND);
		assert_string_equal(e.text, "there is no such mailbox");
		return "-";
	}
	assert_true(span_eq_nocase(ref.seen_name, span_str(name)));
	return letters(f, ref.rights);
}

static void give(struct store_fixture *f, uint64_t mailbox, const char *identifier, unsigned rights)
{
	struct err e = {0};

	assert_ok(mailbox_acl_set(f->s, mailbox, span_str(identifier), rights, &e), &e);
}

#define LR (MAILBOX_RIGHT_LOOKUP | MAILBOX_RIGHT_READ)

static void play_rights_by_list_and_by_team(struct store_fixture *f)
{
	uint64_t alice = person(f, "alice@our.example", ACCOUNT_PERSON);
	uint64_t bob = person(f, "bob@our.example", ACCOUNT_PERSON);
	uint64_t team = person(f, "info@our.example", ACCOUNT_TEAM);
	uint64_t work = make(f, alice, "Work/Plans");
	struct err e = {0};
	unsigned rights = 1;

	assert_string_equal(sees(f, alice, "inbox"), "lrswipkxtea");
	assert_string_equal(sees(f, alice, "Work"), "lrswipkxtea"); /* made with what is below it */
	assert_string_equal(sees(f, bob, "Other Users/alice@our.example/Work/Plans"), "-");
	assert_string_equal(sees(f, bob, "Other Users/alice@our.example"), "-");
	assert_string_equal(sees(f, bob, "Other Users/nobody@our.example"), "-");

	give(f, work, "bob@our.example", MAILBOX_RIGHT_READ); /* without l it is not there */
	assert_string_equal(sees(f, bob, "Other Users/alice@our.example/Work/Plans"), "-");
	give(f, work, "BOB@our.example", LR);
	assert_string_equal(sees(f, bob, "Other Users/Alice@our.example/Work/Plans"), "lr");
	give(f, work, "anyone", MAILBOX_RIGHT_INSERT);
	assert_string_equal(sees(f, bob, "Other Users/alice@our.example/Work/Plans"), "lri");
	give(f, work, "-bob@our.example", MAILBOX_RIGHT_READ);
	assert_string_equal(sees(f, bob, "Other Users/alice@our.example/Work/Plans"), "li");
	assert_string_equal(sees(f, bob, "Shared/alice@our.example/Work/Plans"), "-");
	assert_string_equal(sees(f, alice, "Other Users/alice@our.example/Work/Plans"), "-");

	assert_string_equal(sees(f, bob, "Shared/info@our.example"), "-");
	assert_ok(account_member_set(f->s, SPAN("info@our.example"), SPAN("bob@our.example"),
			  ACCOUNT_RIGHT_READ, true, &e),
		&e);
	assert_string_equal(sees(f, bob, "Shared/info@our.example"), "lrs");
	assert_ok(account_member_set(f->s, SPAN("info@our.example"), SPAN("bob@our.example"),
			  ACCOUNT_RIGHT_READ | ACCOUNT_RIGHT_WRITE, false, &e),
		&e);
	assert_string_equal(sees(f, bob, "Shared/info@our.example/Sent"), "lrswipkxte");
	assert_string_equal(sees(f, alice, "Shared/info@our.example/Sent"), "-");

	assert_ok(mailbox_rights(f->s, work, bob, &rights, &e), &e);
	assert_string_equal(letters(f, rights), "li");
	assert_ok(mailbox_rights(f->s, 12345, bob, &rights, &e), &e);
	assert_int_equal(rights, 0);
	(void)team;
}

static void play_what_is_seen_and_what_is_not(struct store_fixture *f)
{
	uint64_t alice = person(f, "alice@our.example", ACCOUNT_PERSON);
	uint64_t bob = person(f, "bob@our.example", ACCOUNT_PERSON);
	uint64_t work = make(f, alice, "Work");
	struct mailbox_acl *acl;
	struct mailbox_ref *list;
	size_t count, acl_count;
	struct err e = {0};

	make(f, alice, "Secret");
	give(f, work, "bob@our.example", LR);
	give(f, work, "anyone", MAILBOX_RIGHT_LOOKUP);
	assert_ok(mailbox_visible(f->s, f->a, bob, &list, &count, &e), &e);
	assert_int_equal(count, 7); /* INBOX, five special ones, alice's Work once */
	assert_span(list[6].seen_name, "Other Users/alice@our.example/Work");
	assert_string_equal(letters(f, list[6].rights), "lr");
	assert_false(list[6].is_own);
	assert_true(list[0].is_own);

	assert_ok(mailbox_acl_list(f->s, f->a, work, &acl, &acl_count, &e), &e);
	assert_int_equal(acl_count, 3);
	assert_span(acl[0].identifier, "alice@our.example");
	assert_span(acl[1].identifier, "anyone");
	assert_span(acl[2].identifier, "bob@our.example");
	assert_int_equal(mailbox_acl_set(f->s, work, SPAN("nobody@our.example"), LR, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	err_clear(&e);
	give(f, work, "bob@our.example", 0);
	give(f, work, "anyone", 0);
	assert_ok(mailbox_visible(f->s, f->a, bob, &list, &count, &e), &e);
	assert_int_equal(count, 6);
}

static void play_names_are_made_where_one_may(struct store_fixture *f)
{
	uint64_t alice = person(f, "alice@our.example", ACCOUNT_PERSON);
	uint64_t bob = person(f, "bob@our.example", ACCOUNT_PERSON);
	uint64_t work = make(f, alice, "Work"), owner, id;
	static const struct {
		const char *name;
		int code;
	} cases[] = {
		{"New/Deep", 0},
		{"Work", ERR_EXISTS},
		{"inbox", ERR_EXISTS},
		{"Other Users", ERR_DENIED},
		{"a//b", ERR_SYNTAX},
		{"/a", ERR_SYNTAX},
		{"a/", ERR_SYNTAX},
		{"a*", ERR_SYNTAX},
		{"a\tb", ERR_SYNTAX},
		{"\xff", ERR_SYNTAX},
		{"", ERR_SYNTAX},
		{"Other Users/bob@our.example/X", ERR_NOT_FOUND},
		{"Shared/nobody@our.example/X", ERR_NOT_FOUND},
	};
	struct span name;
	struct err e = {0};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int result = mailbox_resolve_new(
			f->s, f->a, alice, span_str(cases[i].name), &owner, &name, &e);

		assert_int_equal(result, cases[i].code == 0 ? 0 : -1);
		assert_int_equal(e.code, cases[i].code);
		err_clear(&e);
	}
	give(f, work, "bob@our.example", LR);
	assert_int_equal(mailbox_resolve_new(f->s, f->a, bob,
				 SPAN("Other Users/alice@our.example/Work/New"), &owner, &name, &e),
		-1);
	assert_int_equal(e.code, ERR_DENIED);
	err_clear(&e);
	give(f, work, "bob@our.example", LR | MAILBOX_RIGHT_CREATE);
	assert_ok(mailbox_resolve_new(f->s, f->a, bob,
			  SPAN("Other Users/alice@our.example/Work/New"), &owner, &name, &e),
		&e);
	assert_true(owner == alice);
	assert_span(name, "Work/New");
	assert_ok(mailbox_create(f->s, owner, name, SPAN(""), &id, &e), &e);
	assert_string_equal(sees(f, bob, "Other Users/alice@our.example/Work/New"), "lrk");
	/* what is there and hidden from him is as what is not */
	make(f, alice, "Secret");
	assert_int_equal(mailbox_resolve_new(f->s, f->a, bob,
				 SPAN("Other Users/alice@our.example/Secret"), &owner, &name, &e),
		-1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	err_clear(&e);
	/* nor is anything made below it, by the rights on what stands above, nor told by the refusal */
	give(f, make(f, alice, "Work/Secret"), "bob@our.example", 0);
	assert_int_equal(
		mailbox_resolve_new(f->s, f->a, bob,
			SPAN("Other Users/alice@our.example/Work/Secret/New"), &owner, &name, &e),
		-1);
	assert_int_equal(e.code, ERR_DENIED);
	give(f, work, "bob@our.example", LR);
	for (size_t i = 0; i < 2; i++) {
		err_clear(&e);
		assert_int_equal(mailbox_resolve_new(f->s, f->a, bob,
					 i ? SPAN("Other Users/alice@our.example/Work/Secret/New")
					   : SPAN("Other Users/alice@our.example/Work/None/New"),
					 &owner, &name, &e),
			-1);
		assert_int_equal(e.code, ERR_DENIED);
	}
	err_clear(&e);
	assert_int_equal(mailbox_create(f->s, alice, SPAN("Second"), SPAN("\\Sent"), &id, &e), -1);
	assert_int_equal(e.code, ERR_EXISTS);
}

static void play_subscriptions_and_annotations(struct store_fixture *f)
{
	uint64_t alice = person(f, "alice@our.example", ACCOUNT_PERSON);
	uint64_t bob = person(f, "bob@our.example", ACCOUNT_PERSON);
	uint64_t work = make(f, alice, "Work");
	struct mailbox_metadata items[] = {{SPAN("/private/Comment"), SPAN("mine")},
		{SPAN("/shared/comment"), SPAN("ours")}, {SPAN("/private/comment/x"), SPAN("")}};
	struct mailbox_metadata *list;
	struct span *names;
	size_t count;
	struct err e = {0};

	assert_ok(mailbox_subscriptions(f->s, f->a, alice, &names, &count, &e), &e);
	assert_int_equal(count, 6);
	assert_ok(mailbox_subscribe(f->s, alice, SPAN("Not/There"), true, &e), &e);
	assert_ok(mailbox_subscribe(f->s, alice, SPAN("Trash"), false, &e), &e);
	assert_ok(mailbox_subscriptions(f->s, f->a, alice, &names, &count, &e), &e);
	assert_int_equal(count, 6);
	assert_span(names[4], "Not/There");

	assert_ok(mailbox_metadata_set(f->s, work, alice, items, 3, &e), &e);
	assert_ok(mailbox_metadata_list(f->s, f->a, work, alice, SPAN(""), &list, &count, &e), &e);
	assert_int_equal(count, 3);
	assert_ok(mailbox_metadata_list(
			  f->s, f->a, work, alice, SPAN("/private/comment"), &list, &count, &e),
		&e);
	assert_int_equal(count, 2);
	assert_span(list[0].value, "mine");
	assert_ok(mailbox_metadata_list(f->s, f->a, work, bob, SPAN(""), &list, &count, &e), &e);
	assert_int_equal(count, 1); /* what others keep for themselves is theirs */
	assert_span(list[0].value, "ours");
	items[0].value = SPAN_NONE;
	assert_ok(mailbox_metadata_set(f->s, work, alice, items, 1, &e), &e);
	assert_ok(mailbox_metadata_list(
			  f->s, f->a, work, alice, SPAN("/private/comment"), &list, &count, &e),
		&e);
	assert_int_equal(count, 1);
}

/* Since a state: "c<id> u<id> d<id>" with what was told of each mailbox. */
static void assert_told(struct store_fixture *f, uint64_t account, uint64_t *since, char how,
	const uint64_t *ids, size_t count)
{
	struct object_change *list;
	struct err e = {0};
	size_t told;
	bool is_more;

	assert_ok(object_changes(f->s, f->a, account, OBJECT_MAILBOX, *since, 0, &list, &told,
			  since, &is_more, &e),
		&e);
	assert_int_equal(told, count);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(list[i].id, ids[i]);
		assert_int_equal("cud"[list[i].how], how);
	}
}

static void play_what_changes_is_told(struct store_fixture *f)
{
	uint64_t alice = person(f, "alice@our.example", ACCOUNT_PERSON), since = 0;
	uint64_t work, plans;
	struct mailbox_order *orders;
	size_t count;
	struct err e = {0};

	person(f, "bob@our.example", ACCOUNT_PERSON);
	assert_ok(object_state(f->s, alice, OBJECT_MAILBOX, &since, &e), &e);
	work = make(f, alice, "Work");
	assert_told(f, alice, &since, 'c', &work, 1);
	plans = make(f, alice, "Work/Plans");
	assert_told(f, alice, &since, 'c', &plans, 1);
	assert_ok(mailbox_rename(f->s, work, SPAN("Job"), &e), &e);
	/* the one below too: its subscription went with its name */
	assert_told(f, alice, &since, 'u', (uint64_t[]){work, plans}, 2);
	assert_ok(mailbox_subscribe(f->s, alice, SPAN("Job/Plans"), true, &e), &e);
	assert_told(f, alice, &since, 'u', &plans, 1);
	give(f, work, "bob@our.example", LR);
	assert_told(f, alice, &since, 'u', &work, 1);
	assert_ok(mailbox_use_set(f->s, work, SPAN("\\Important"), &e), &e);
	assert_told(f, alice, &since, 'u', &work, 1);
	assert_int_equal(mailbox_use_set(f->s, plans, SPAN("\\Important"), &e), -1);
	assert_int_equal(e.code, ERR_EXISTS);
	err_clear(&e);
	assert_ok(mailbox_use_set(f->s, work, SPAN(""), &e), &e);
	assert_told(f, alice, &since, 'u', &work, 1);
	assert_ok(mailbox_order_set(f->s, plans, 0, &e), &e);
	assert_told(f, alice, &since, 'u', &plans, 1);
	assert_ok(mailbox_order_set(f->s, work, 7, &e), &e);
	assert_told(f, alice, &since, 'u', &work, 1);
	assert_ok(mailbox_orders(f->s, f->a, alice, &orders, &count, &e), &e);
	assert_int_equal(count, 2);
	assert_int_equal(orders[0].mailbox_id, work);
	assert_int_equal(orders[0].order, 7);
	assert_int_equal(orders[1].order, 0);
	/* whose parent went has another one */
	assert_ok(mailbox_delete(f->s, work, &e), &e);
	assert_ok(object_state(f->s, alice, OBJECT_MAILBOX, &since, &e), &e);
	since--;
	assert_told(f, alice, &since, 'u', &plans, 1);
}

static void what_changes_is_told(void **state)
{
	store_play(state, play_what_changes_is_told);
}

static void rights_by_list_and_by_team(void **state)
{
	store_play(state, play_rights_by_list_and_by_team);
}

static void what_is_seen_and_what_is_not(void **state)
{
	store_play(state, play_what_is_seen_and_what_is_not);
}

static void names_are_made_where_one_may(void **state)
{
	store_play(state, play_names_are_made_where_one_may);
}

static void subscriptions_and_annotations(void **state)
{
	store_play(state, play_subscriptions_and_annotations);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, store_set_up, store_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(rights_by_list_and_by_team),
		CASE(what_is_seen_and_what_is_not),
		CASE(names_are_made_where_one_may),
		CASE(subscriptions_and_annotations),
		CASE(what_changes_is_told),
	};

	return cmocka_run_group_tests_name("store/mailbox_names", tests, NULL, NULL);
}
