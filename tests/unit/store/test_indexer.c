#include "store_test.h"

#include "store/directory.h"
#include "store/email.h"
#include "store/facts.h"
#include "store/indexer.h"
#include "store/mailbox.h"
#include "store/search.h"
#include "store/spool.h"

#define MANY 100

static uint64_t make_account(struct store_fixture *f)
{
	struct directory_account acc = {.address = SPAN("alice@example.org")};
	struct err e = {0};

	assert_ok(
		directory_domain_set(f->s, SPAN("example.org"), DIRECTORY_DOMAIN_LOCAL, false, &e),
		&e);
	assert_ok(directory_account_set(f->s, &acc, SPAN_NONE, true, &e), &e);
	assert_ok(directory_account_find(f->s, f->a, acc.address, &acc, &e), &e);
	return acc.id;
}

static void deliver(struct store_fixture *f, uint64_t account_id, int number)
{
	struct spool_rcpt_new rcpt = {.address = SPAN("alice@example.org"),
		.is_local = true,
		.account_id = account_id,
		.folder = SPAN("INBOX"),
		.prefix = SPAN("Return-Path: <>\r\n")};
	struct spool_new letter = {.id = store_new_id(f->s), .rcpts = &rcpt, .rcpt_count = 1};
	struct err e = {0};

	letter.arrived_ns = loop_wall_ns();
	letter.expires_ns = letter.arrived_ns + CLOCK_DAY;
	letter.env.origin = SPAN("smtp");
	letter.body = stage_new(f->s);
	assert_ok(stage_put(letter.body,
			  span_str(arena_printf(f->a,
				  "Subject: %d\r\nMessage-ID: <%d@x>\r\nContent-Type: "
				  "text/html; charset=iso-8859-1\r\n\r\n<p>Gr\xfc\xdf<b>"
				  "e</b> %d\r\n",
				  number, number, number)),
			  &e),
		&e);
	assert_ok(spool_accept(f->s, &letter, false, &e), &e);
	stage_free(&letter.body);
	body_unref(&letter.stored);
}

static struct indexer_stats wait_for(struct indexer *x, uint64_t threads)
{
	struct indexer_stats s = {0};

	for (int i = 0; i < 6000 && s.threads < threads; i++) {
		fiber_sleep(10 * CLOCK_MS, NULL);
		indexer_stats(x, &s);
	}
	assert_int_equal(s.threads, threads);
	return s;
}

static void assert_all_there(struct store_fixture *f, uint64_t account, size_t want)
{
	struct mailbox_info info;
	struct mailbox_msg *list;
	struct err e = {0};
	size_t count;

	assert_ok(mailbox_find(f->s, f->a, account, SPAN("INBOX"), &info, &e), &e);
	assert_ok(mailbox_list(f->s, f->a, info.id, 0, 0, &list, &count, &e), &e);
	assert_int_equal(count, want);
	for (size_t i = 0; i < count; i++) {
		struct body_facts *facts;

		assert_ok(facts_get(f->s, f->a, list[i].blob_id, &facts, &e), &e);
		assert_non_null(facts);
		assert_span(facts->message_id, arena_printf(f->a, "%zu@x", i));
	}
}

/* Whoever made them: the index of Emails makes those that it lacks itself, and counts none. */
static void wait_for_facts(struct store_fixture *f, uint64_t account, size_t want)
{
	struct mailbox_info info;
	struct mailbox_msg *list;
	struct err e = {0};
	size_t count, at = 0;

	assert_ok(mailbox_find(f->s, f->a, account, SPAN("INBOX"), &info, &e), &e);
	assert_ok(mailbox_list(f->s, f->a, info.id, 0, 0, &list, &count, &e), &e);
	assert_int_equal(count, want);
	for (int i = 0; i < 6000 && at < count; i++) {
		struct body_facts *facts;

		assert_ok(facts_get(f->s, f->a, list[at].blob_id, &facts, &e), &e);
		if (facts)
			at++;
		else
			fiber_sleep(10 * CLOCK_MS, NULL);
	}
	assert_int_equal(at, count);
}

/* The index of Emails is there before anybody asks. */
static void wait_for_emails(struct store_fixture *f, uint64_t account)
{
	struct err e = {0};
	bool is_behind = true;

	for (int i = 0; i < 6000 && is_behind; i++) {
		fiber_sleep(10 * CLOCK_MS, NULL);
		assert_ok(email_is_behind_blocking(f->s, account, &is_behind, &e), &e);
	}
	assert_false(is_behind);
}

static void play_behind(struct store_fixture *f)
{
	uint64_t account = make_account(f);
	struct err e = {0};
	struct indexer *x;
	struct indexer_stats s;

	for (int i = 0; i < MANY; i++)
		deliver(f, account, i);
	x = indexer_new(f->s, &e); /* begins with what is owed */
	assert_non_null(x);
	s = wait_for(x, MANY);
	assert_int_equal(s.facts, MANY);
	deliver(f, account, MANY); /* and is woken by what comes */
	wait_for_facts(f, account, MANY + 1);
	fiber_sleep(200 * CLOCK_MS, NULL);
	indexer_stats(x, &s);
	assert_true(s.busy_ns > 0);
	wait_for_emails(f, account);
	assert_all_there(f, account, MANY + 1);
	indexer_stop(x);
	store_fixture_reopen(f);
	indexer_free(&x);
}

static void facts_are_made_behind_the_mail(void **state)
{
	store_play(state, play_behind);
}

static size_t members(const struct search_set *set)
{
	uint64_t n = 0;
	size_t count = 0;

	while (search_set_next(set, n, &n)) {
		count++;
		n++;
	}
	return count;
}

/* How many messages have it, and the index knows them. */
static size_t found(
	struct store_fixture *f, uint64_t account, enum search_field field, const char *text)
{
	struct search_needle needle = {.field = field, .text = span_str(text)};
	struct search_hits hits;
	struct err e = {0};
	size_t n;

	assert_ok(search_find_blocking(f->s, account, &needle, &hits, &e), &e);
	n = members(&hits.sure) + members(&hits.maybe);
	search_hits_fini(&hits);
	return n;
}

static void wait_for_documents(struct indexer *x, uint64_t documents)
{
	struct indexer_stats s = {0};

	for (int i = 0; i < 6000 && s.documents < documents; i++) {
		fiber_sleep(10 * CLOCK_MS, NULL);
		indexer_stats(x, &s);
	}
	assert_int_equal(s.documents, documents);
}

static void play_documents(struct store_fixture *f)
{
	uint64_t account = make_account(f);
	struct err e = {0};
	struct mailbox_info info;
	struct indexer *x;

	for (int i = 0; i < MANY; i++)
		deliver(f, account, i);
	x = indexer_new(f->s, &e);
	wait_for_documents(x, MANY);
	assert_int_equal(found(f, account, SEARCH_BODY, "gr\xc3\xbc\xc3\x9f"), MANY);
	assert_int_equal(found(f, account, SEARCH_BODY, "gruesse"), 0);
	assert_int_equal(found(f, account, SEARCH_SUBJECT, "42"), 1);
	assert_int_equal(found(f, account, SEARCH_TEXT, "return-path"), MANY);
	deliver(f, account, MANY);
	wait_for_documents(x, MANY + 1);
	assert_int_equal(found(f, account, SEARCH_SUBJECT, "100"), 1);
	assert_ok(search_rebuild(f->s, &e), &e); /* all is made again */
	indexer_look_again(x);
	wait_for_documents(x, 2 * MANY + 2);
	assert_int_equal(found(f, account, SEARCH_SUBJECT, "100"), 1);
	assert_ok(mailbox_find(f->s, f->a, account, SPAN("INBOX"), &info, &e), &e);
	assert_ok(mailbox_expunge(f->s, info.id, NULL, 0, NULL, &e), &e);
	for (int i = 0; i < 6000 && found(f, account, SEARCH_TEXT, "return-path"); i++)
		fiber_sleep(10 * CLOCK_MS, NULL);
	assert_int_equal(found(f, account, SEARCH_TEXT, "return-path"), 0);
	indexer_stop(x);
	store_fixture_reopen(f);
	indexer_free(&x);
}

static void documents_are_made_behind_facts(void **state)
{
	store_play(state, play_documents);
}

static void play_stop(struct store_fixture *f)
{
	uint64_t account = make_account(f);
	struct err e = {0};
	struct indexer *x;
	int64_t start;

	for (int i = 0; i < MANY; i++)
		deliver(f, account, i);
	x = indexer_new(f->s, &e);
	start = clock_mono_ns();
	indexer_stop(x);
	assert_true(clock_mono_ns() - start < 5 * CLOCK_SEC);
	store_fixture_reopen(f);
	indexer_free(&x);
	x = indexer_new(f->s, &e); /* what was owed is made by the next */
	wait_for_facts(f, account, MANY);
	assert_all_there(f, account, MANY);
	indexer_stop(x);
	store_fixture_reopen(f);
	indexer_free(&x);
}

static void it_ends_soon_and_goes_on_later(void **state)
{
	store_play(state, play_stop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			facts_are_made_behind_the_mail, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			documents_are_made_behind_facts, store_set_up, store_tear_down),
		cmocka_unit_test_setup_teardown(
			it_ends_soon_and_goes_on_later, store_set_up, store_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
