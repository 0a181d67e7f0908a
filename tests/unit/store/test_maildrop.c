/* A letter out of the drop directory is accepted once. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/maildrop.h"
#include "store/spool.h"
#include "store_fixture.h"

#define COUNT(table) fixture_number(f, "SELECT count(*) FROM " table)

static void accept(struct fixture *f, struct letter *x)
{
	struct err e = {0};

	if (spool_accept(f->s, &x->l, false, &e) < 0)
		fail_msg("%s", e.text);
}

static void tell_once(struct fixture *f)
{
	struct letter first, second, other;
	struct span *names, none = SPAN("nobody's");
	struct err e = {0};
	size_t count;

	letter_init(f, &first, 400);
	letter_remote(&first, "b@b.test", "[b]:25");
	first.l.once = SPAN("0a1b");
	accept(f, &first);
	assert_false(first.l.was_there);
	letter_init(f, &second, 400);
	letter_remote(&second, "b@b.test", "[b]:25");
	second.l.once = SPAN("0a1b");
	assert_int_equal(spool_accept(f->s, &second.l, false, &e), -1);
	assert_int_equal(e.code, ERR_EXISTS);
	assert_true(second.l.was_there);
	assert_int_equal(COUNT("queue_rcpt"), 1);
	letter_init(f, &other, 400);
	letter_remote(&other, "b@b.test", "[b]:25");
	other.l.once = SPAN("0a1c");
	accept(f, &other);
	assert_int_equal(COUNT("queue_rcpt"), 2);

	assert_int_equal(maildrop_list(f->s, f->a, SPAN_NONE, &names, &count, NULL), 0);
	assert_int_equal(count, 2);
	assert_true(span_eq(names[0], SPAN("0a1b")));
	assert_int_equal(maildrop_list(f->s, f->a, names[0], &names, &count, NULL), 0);
	assert_int_equal(count, 1);
	assert_int_equal(maildrop_forget(f->s, names, 1, NULL), 0);
	assert_int_equal(maildrop_forget(f->s, &none, 1, NULL), 0);
	assert_int_equal(COUNT("maildrop"), 1);
	/* a name that was forgotten is a new one */
	other.l.id = store_new_id(f->s);
	body_unref(&other.l.stored);
	accept(f, &other);
	assert_int_equal(COUNT("queue_rcpt"), 3);
	letter_fini(&first);
	letter_fini(&second);
	letter_fini(&other);
}

static int tell_main(void *arg)
{
	tell_once(arg);
	return 0;
}

static void a_letter_with_a_name_is_accepted_once(void **state)
{
	struct fixture *f = *state;

	fixture_run(f, tell_main, f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_letter_with_a_name_is_accepted_once, fixture_set_up, fixture_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
