#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/err.h"
#include "store/object.h"
#include "store_fixture.h"

struct change {
	uint64_t account, id;
	enum object_kind kind;
	enum object_how how;
	int64_t modseq;
};

static int change(struct db *db, void *arg, struct err *e)
{
	struct change *c = arg;

	return object_changed_tx(db, c->account, c->kind, c->id, c->how, &c->modseq, e);
}

static FIBER int64_t did(struct fixture *f, uint64_t account, enum object_kind kind, uint64_t id,
	enum object_how how)
{
	struct change c = {account, id, kind, how, 0};

	assert_int_equal(store_write(f->s, "test", change, &c, NULL), 0);
	return c.modseq;
}

/* Compared with what they tell: "c1 u2 d3 >modseq" */
static FIBER void assert_changes(
	struct fixture *f, uint64_t account, uint64_t since, size_t max, const char *expected)
{
	struct object_change *list;
	struct buf *b = arena_buf(f->a, 1000);
	uint64_t upto;
	size_t count;
	bool is_more;

	assert_int_equal(object_changes(f->s, f->a, account, OBJECT_CONTACT, since, max, &list,
				 &count, &upto, &is_more, NULL),
		0);
	for (size_t i = 0; i < count; i++)
		buf_printf(b, "%c%u ", "cud"[list[i].how], (unsigned)list[i].id);
	if (is_more)
		buf_str(b, "more");
	assert_string_equal(buf_cstr(b), expected);
}

static FIBER int changes_are_told_from_any_state(void *arg)
{
	struct fixture *f = arg;
	uint64_t a = fixture_account(f, "alice"), b = fixture_account(f, "bob"), state;
	int64_t s1, s2, s3;
	struct object_change *list;
	struct err e = {0};
	uint64_t upto;
	size_t count;
	bool is_more;

	s1 = did(f, a, OBJECT_CONTACT, 1, OBJECT_CREATED);
	s2 = did(f, a, OBJECT_CONTACT, 2, OBJECT_UPDATED); /* never told of before */
	did(f, a, OBJECT_IDENTITY, 1, OBJECT_CREATED);
	did(f, b, OBJECT_CONTACT, 3, OBJECT_CREATED);
	did(f, a, OBJECT_CONTACT, 1, OBJECT_UPDATED);
	s3 = did(f, a, OBJECT_CONTACT, 2, OBJECT_DESTROYED);
	assert_true(s1 < s2 && s2 < s3);
	assert_changes(f, a, 0, 0, "c1 ");
	assert_changes(f, a, (uint64_t)s1, 0, "u1 ");
	assert_changes(f, a, (uint64_t)s2, 0, "u1 d2 ");
	assert_changes(f, a, (uint64_t)s2, 1, "u1 more");
	assert_changes(f, a, (uint64_t)s3, 0, "");
	assert_int_equal(object_state(f->s, a, OBJECT_CONTACT, &state, NULL), 0);
	assert_int_equal(state, s3);
	/* an id that comes again is new */
	did(f, a, OBJECT_CONTACT, 2, OBJECT_CREATED);
	assert_changes(f, a, (uint64_t)s3, 0, "c2 ");
	assert_int_equal(object_changes(f->s, f->a, a, OBJECT_CONTACT, (uint64_t)s3 + 1000, 0,
				 &list, &count, &upto, &is_more, &e),
		-1);
	assert_int_equal(e.code, ERR_STATE);
	return 0;
}

/* Lists of one or two, each from where the last one ended, tell the same as one list. */
static FIBER int pages_tell_what_is_new_as_new(void *arg)
{
	struct fixture *f = arg;
	uint64_t a = fixture_account(f, "alice");
	int64_t s1, s2, s3;

	s1 = did(f, a, OBJECT_CONTACT, 1, OBJECT_CREATED);
	s2 = did(f, a, OBJECT_CONTACT, 2, OBJECT_CREATED);
	s3 = did(f, a, OBJECT_CONTACT, 3, OBJECT_CREATED);
	did(f, a, OBJECT_CONTACT, 1, OBJECT_UPDATED); /* behind the end of the first page */
	did(f, a, OBJECT_CONTACT, 2, OBJECT_DESTROYED);
	assert_changes(f, a, 0, 1, "c1 more");
	assert_changes(f, a, (uint64_t)s1, 1, "c3 more");
	assert_changes(f, a, (uint64_t)s3, 1, "u1 more");
	assert_changes(f, a, (uint64_t)s2, 0, "c3 u1 d2 ");
	return 0;
}

static void pages_tell_what_is_new_as_new_on_a_loop(void **state)
{
	fixture_run(*state, pages_tell_what_is_new_as_new, *state);
}

static void changes_are_told_from_any_state_on_a_loop(void **state)
{
	fixture_run(*state, changes_are_told_from_any_state, *state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(changes_are_told_from_any_state_on_a_loop,
			fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(
			pages_tell_what_is_new_as_new_on_a_loop, fixture_set_up, fixture_tear_down),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("store/object", tests, NULL, NULL);
}
