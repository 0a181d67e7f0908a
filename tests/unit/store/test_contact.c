#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "store/contact.h"
#include "store/object.h"
#include "store/web_setting.h"
#include "store_fixture.h"

static FIBER uint64_t keep(
	struct fixture *f, uint64_t account, const char *name, const char *address)
{
	struct contact_address one = {span_str(address), SPAN("work")};
	struct contact c = {.name = span_str(name),
		.org = SPAN(""),
		.note = SPAN(""),
		.phones = SPAN(""),
		.addresses = &one,
		.address_count = 1,
		.is_kept = true};
	uint64_t other;

	assert_int_equal(contact_put(f->s, account, &c, &other, NULL), 0);
	return c.id;
}

static FIBER void sent(
	struct fixture *f, uint64_t account, const char *name, const char *address, int64_t at_ns)
{
	struct contact_person p = {span_str(name), span_str(address)};

	assert_int_equal(contact_sent(f->s, account, &p, 1, at_ns, NULL), 0);
}

/* "Ana Lima <ana@x>, …" */
static FIBER void assert_suggests(
	struct fixture *f, uint64_t account, const char *text, const char *expected)
{
	struct contact_suggestion *list;
	struct buf *b = arena_buf(f->a, 2000);
	size_t count;

	assert_int_equal(contact_suggest(f->s, f->a, account, span_str(text), 5, 100 * CLOCK_DAY,
				 &list, &count, NULL),
		0);
	for (size_t i = 0; i < count; i++)
		buf_printf(b, "%s" SPAN_FMT "<" SPAN_FMT ">", i ? ", " : "", SPAN_ARG(list[i].name),
			SPAN_ARG(list[i].address));
	assert_string_equal(buf_cstr(b), expected);
}

static FIBER int the_book_fills_itself_and_proposes_the_best(void *arg)
{
	struct fixture *f = arg;
	uint64_t a = fixture_account(f, "alice"), b = fixture_account(f, "bob");
	bool is_known;

	sent(f, a, "", "Ana@x.test", 10 * CLOCK_DAY);
	sent(f, a, "Ana Lima", "ana@x.test", 99 * CLOCK_DAY); /* now she has a name; one address */
	sent(f, a, "", "anton@y.test", 98 * CLOCK_DAY);
	for (int i = 0; i < 4; i++)
		sent(f, a, "An Other", "an@old.test", CLOCK_DAY); /* often, but long ago */
	sent(f, b, "", "anna@bob.test", 99 * CLOCK_DAY);
	sent(f, a, "", "no address", 99 * CLOCK_DAY);
	assert_suggests(f, a, "an", "Ana Lima<Ana@x.test>, <anton@y.test>, An Other<an@old.test>");
	assert_suggests(f, a, "LIM", "Ana Lima<Ana@x.test>");
	assert_suggests(f, a, "y.te", "<anton@y.test>");
	sent(f, a, "王小明", "xm@cn.test", 99 * CLOCK_DAY);
	assert_suggests(f, a, "小明", "王小明<xm@cn.test>");
	assert_suggests(f, a, "ima", ""); /* words begin with it */
	assert_suggests(f, a, "%", "");
	assert_suggests(f, b, "ana", "");
	assert_int_equal(contact_is_known(f->s, a, SPAN("ANA@X.test"), &is_known, NULL), 0);
	assert_true(is_known);
	assert_int_equal(contact_is_known(f->s, a, SPAN("who@x.test"), &is_known, NULL), 0);
	assert_false(is_known);
	return 0;
}

static FIBER int an_address_belongs_to_one_contact(void *arg)
{
	struct fixture *f = arg;
	uint64_t a = fixture_account(f, "alice"), first, other = 0;
	struct contact_address ana = {SPAN("ANA@x.test"), SPAN("")};
	struct contact c = {.name = SPAN("Ana"),
		.org = SPAN("X"),
		.note = SPAN("n"),
		.phones = SPAN("[1]"),
		.addresses = &ana,
		.address_count = 1,
		.is_kept = true};
	struct contact_query q = {.text = SPAN(""), .kept = -1, .limit = 10};
	struct contact got;
	struct err e = {0};

	sent(f, a, "", "ana@x.test", CLOCK_DAY);
	assert_int_equal(
		contact_put(f->s, a, &c, &other, &e), 0); /* what was only written to gives way */
	assert_int_equal(contact_query(f->s, f->a, a, &q, NULL), 0);
	assert_int_equal(q.total, 1);
	assert_int_equal(q.ids[0], c.id);
	first = c.id;
	c.id = 0;
	assert_int_equal(contact_put(f->s, a, &c, &other, &e), -1);
	assert_int_equal(e.code, ERR_EXISTS);
	assert_int_equal(other, first);
	assert_int_equal(c.id, 0);
	assert_int_equal(contact_query(f->s, f->a, a, &q, NULL), 0);
	assert_int_equal(q.total, 1); /* nothing half done */
	assert_int_equal(contact_get(f->s, f->a, a, &first, 1, &got, NULL), 0);
	assert_true(span_eq(got.addresses[0].address, SPAN("ANA@x.test")));
	assert_true(span_eq(got.phones, SPAN("[1]")));
	assert_int_equal(contact_remove(f->s, a, first, NULL), 0);
	err_clear(&e);
	assert_int_equal(contact_remove(f->s, a, first, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	return 0;
}

static FIBER int what_is_no_contact_is_refused(void *arg)
{
	struct fixture *f = arg;
	uint64_t a = fixture_account(f, "alice"), b = fixture_account(f, "bob"),
		 id = keep(f, a, "Ana", "ana@x.test"), other;
	struct contact_address wrong = {SPAN("nobody"), SPAN("")};
	struct contact empty = {
		.name = SPAN(""), .org = SPAN(""), .note = SPAN(""), .phones = SPAN("")};
	struct contact bad = {.name = SPAN("x"),
		.org = SPAN(""),
		.note = SPAN(""),
		.phones = SPAN(""),
		.addresses = &wrong,
		.address_count = 1};
	struct contact foreign = {.id = id,
		.name = SPAN("mine"),
		.org = SPAN(""),
		.note = SPAN(""),
		.phones = SPAN("")};
	struct contact got;
	struct err e = {0};

	assert_int_equal(contact_put(f->s, a, &empty, &other, &e), -1);
	assert_int_equal(e.code, ERR_SYNTAX);
	err_clear(&e);
	assert_int_equal(contact_put(f->s, a, &bad, &other, &e), -1);
	assert_int_equal(e.code, ERR_SYNTAX);
	err_clear(&e);
	assert_int_equal(contact_put(f->s, b, &foreign, &other, &e), -1);
	assert_int_equal(e.code, ERR_NOT_FOUND);
	assert_int_equal(contact_get(f->s, f->a, b, &id, 1, &got, NULL), 0);
	assert_int_equal(got.id, 0); /* another's is not there */
	return 0;
}

static FIBER int settings_change_only_from_what_they_were(void *arg)
{
	struct fixture *f = arg;
	uint64_t a = fixture_account(f, "alice"), s1, s2;
	struct span json;
	bool is_done;

	assert_int_equal(web_setting_get(f->s, f->a, a, &json, NULL), 0);
	assert_int_equal(json.len, 0);
	assert_int_equal(object_state(f->s, a, OBJECT_SETTINGS, &s1, NULL), 0);
	assert_int_equal(
		web_setting_replace(f->s, a, SPAN(""), SPAN("{\"a\":1}"), &is_done, NULL), 0);
	assert_true(is_done);
	assert_int_equal(
		web_setting_replace(f->s, a, SPAN(""), SPAN("{\"b\":1}"), &is_done, NULL), 0);
	assert_false(is_done);
	assert_int_equal(web_setting_get(f->s, f->a, a, &json, NULL), 0);
	assert_true(span_eq(json, SPAN("{\"a\":1}")));
	assert_int_equal(object_state(f->s, a, OBJECT_SETTINGS, &s2, NULL), 0);
	assert_true(s2 > s1);
	return 0;
}

#define RUN(f)                                                                                     \
	static void f##_on_a_loop(void **state)                                                    \
	{                                                                                          \
		fixture_run(*state, f, *state);                                                    \
	}
RUN(the_book_fills_itself_and_proposes_the_best)
RUN(an_address_belongs_to_one_contact)
RUN(what_is_no_contact_is_refused)
RUN(settings_change_only_from_what_they_were)

#define CASE(f) cmocka_unit_test_setup_teardown(f##_on_a_loop, fixture_set_up, fixture_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_book_fills_itself_and_proposes_the_best),
		CASE(an_address_belongs_to_one_contact),
		CASE(what_is_no_contact_is_refused),
		CASE(settings_change_only_from_what_they_were),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("store/contact", tests, NULL, NULL);
}
