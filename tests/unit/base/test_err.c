#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/must.h"

static void set_fills_and_returns_minus_one(void **state)
{
	struct err e = {.smtp = 550, .sys_errno = 3};

	assert_int_equal(err_set(&e, ERR_TIMEOUT, "no reply in %d s", 30), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	assert_int_equal(e.scope, ERR_SCOPE_SELF);
	assert_int_equal(e.again, ERR_AGAIN_LATER);
	assert_int_equal(e.smtp, 0);
	assert_int_equal(e.sys_errno, 0);
	assert_string_equal(e.text, "no reply in 30 s");
}

static void null_is_allowed_everywhere(void **state)
{
	assert_int_equal(err_set(NULL, ERR_IO, "x"), -1);
	assert_int_equal(err_sys(NULL, ENOENT, "x"), -1);
	assert_int_equal(err_wrap(NULL, "x"), -1);
	assert_int_equal(err_scope_set(NULL, ERR_SCOPE_MSG, ERR_AGAIN_NOW), -1);
	assert_int_equal(err_smtp(NULL, 451, 4, 3, 0), -1);
	assert_int_equal(err_copy(NULL, NULL), -1);
	err_clear(NULL);
}

static void sys_keeps_errno_and_says_it(void **state)
{
	struct err e = {0};

	assert_int_equal(err_sys(&e, ENOENT, "opening %s", "/x"), -1);
	assert_int_equal(e.code, ERR_IO);
	assert_int_equal(e.sys_errno, ENOENT);
	assert_string_equal(e.text, "opening /x: No such file or directory");
}

static void wrap_puts_the_outer_text_in_front(void **state)
{
	struct err e = {0};

	err_set(&e, ERR_DENIED, "inner");
	err_scope_set(&e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
	err_smtp(&e, 550, 5, 7, 1);
	assert_int_equal(err_wrap(&e, "outer %d", 1), -1);
	assert_string_equal(e.text, "outer 1: inner");
	assert_int_equal(e.code, ERR_DENIED);
	assert_int_equal(e.scope, ERR_SCOPE_RCPT);
	assert_int_equal(e.again, ERR_AGAIN_NEVER);
	assert_int_equal(e.smtp, 550);
	assert_int_equal(e.enh_class, 5);
	assert_int_equal(e.enh_subject, 7);
	assert_int_equal(e.enh_detail, 1);
}

static void text_may_quote_itself(void **state)
{
	struct err e = {0};

	err_set(&e, ERR_IO, "one");
	err_set(&e, ERR_TLS, "two after %s", e.text);
	assert_string_equal(e.text, "two after one");
	err_wrap(&e, "three and %s", e.text);
	assert_string_equal(e.text, "three and two after one: two after one");
}

static void text_is_one_line_whatever_a_peer_says(void **state)
{
	struct err e = {0};

	err_set(&e, ERR_REPLY, "%s", "550 no\r\nlevel=info\tevent=forged\x1b[2J\x7f");
	assert_string_equal(e.text, "550 no??level=info?event=forged?[2J?");
	err_wrap(&e, "%s", "a\nb");
	assert_memory_equal(e.text, "a?b: ", 5);
}

static void long_text_is_cut_and_ended(void **state)
{
	struct err e = {0};

	err_set(&e, ERR_IO, "%01000d", 5);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	err_sys(&e, EIO, "%01000d", 5);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	err_wrap(&e, "%01000d", 5);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
}

static void copy_and_clear(void **state)
{
	struct err a = {0}, b = {0};

	err_set(&a, ERR_FULL, "disk");
	assert_int_equal(err_copy(&b, &a), -1);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_int_equal(err_copy(&b, &b), -1);
	assert_string_equal(b.text, "disk");
	err_clear(&b);
	assert_int_equal(b.code, ERR_NONE);
	assert_string_equal(b.text, "");
}

static void every_code_has_its_own_name(void **state)
{
	for (int i = 0; i < ERR_CODE_COUNT; i++) {
		assert_non_null(err_code_str((enum err_code)i));
		assert_true(strlen(err_code_str((enum err_code)i)) > 0);
		for (int k = 0; k < i; k++)
			assert_string_not_equal(
				err_code_str((enum err_code)i), err_code_str((enum err_code)k));
	}
	assert_string_equal(err_code_str(ERR_CODE_COUNT), "?");
	assert_string_equal(err_code_str((enum err_code) - 1), "?");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_fills_and_returns_minus_one),
		cmocka_unit_test(null_is_allowed_everywhere),
		cmocka_unit_test(sys_keeps_errno_and_says_it),
		cmocka_unit_test(wrap_puts_the_outer_text_in_front),
		cmocka_unit_test(text_may_quote_itself),
		cmocka_unit_test(text_is_one_line_whatever_a_peer_says),
		cmocka_unit_test(long_text_is_cut_and_ended),
		cmocka_unit_test(copy_and_clear),
		cmocka_unit_test(every_code_has_its_own_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
