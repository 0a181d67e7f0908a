#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/imap/imap_capability.h"

static void assert_shown(uint64_t caps, bool is_logged_in, const char *wanted)
{
	static const struct imap_cap_values values = {.append_limit = 5000};
	struct buf b;

	buf_init(&b, 4096);
	imap_caps_put(&b, caps, is_logged_in, &values);
	assert_string_equal(buf_cstr(&b), wanted);
	buf_fini(&b);
}

static void shows_each_where_it_belongs(void **state)
{
	uint64_t caps = IMAP_BIT(IMAP4REV2) | IMAP_BIT(STARTTLS) | IMAP_BIT(MOVE) |
		IMAP_BIT(APPENDLIMIT);

	assert_shown(caps, false, " IMAP4rev2 STARTTLS");
	assert_shown(caps, true, " IMAP4rev2 MOVE APPENDLIMIT=5000");
	assert_shown(0, true, "");
}

/* RFC 7888 section 5 */
static void shows_one_kind_of_literals(void **state)
{
	assert_shown(IMAP_BIT(LITERAL_PLUS) | IMAP_BIT(LITERAL_MINUS), true, " LITERAL+");
	assert_shown(IMAP_BIT(LITERAL_MINUS), true, " LITERAL-");
}

static void takes_out_what_stands_on_others(void **state)
{
	static const struct {
		const char *name;
		uint64_t from, to;
	} cases[] = {
		{"nothing is missing", IMAP_BITS_ALL, IMAP_BITS_ALL},
		{"qresync without condstore", IMAP_BIT(QRESYNC) | IMAP_BIT(ENABLE),
			IMAP_BIT(ENABLE)},
		{"a chain", IMAP_BIT(QRESYNC) | IMAP_BIT(CONDSTORE) | IMAP_BIT(MOVE),
			IMAP_BIT(MOVE)},
		{"esort without esearch", IMAP_BIT(ESORT) | IMAP_BIT(SORT), IMAP_BIT(SORT)},
		{"rights without acl", IMAP_BIT(RIGHTS_TEKX) | IMAP_BIT(LIST_MYRIGHTS), 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (imap_caps_close(cases[i].from) != cases[i].to)
			fail_msg("%s", cases[i].name);
}

static void finds_by_name(void **state)
{
	assert_int_equal(imap_cap_find(SPAN("utf8=accept")), IMAP_CAP_UTF8_ACCEPT);
	assert_int_equal(imap_cap_find(SPAN("LITERAL+")), IMAP_CAP_LITERAL_PLUS);
	assert_int_equal(imap_cap_find(SPAN("LITERAL")), -1);
	assert_int_equal(imap_cap_find(SPAN("")), -1);
	for (int i = 0; i < IMAP_CAP_COUNT; i++)
		assert_int_equal(imap_cap_find(span_str(imap_cap_row((enum imap_cap)i)->name)), i);
	assert_true(imap_cap_row(IMAP_CAP_QRESYNC)->is_enable);
	assert_false(imap_cap_row(IMAP_CAP_IDLE)->is_enable);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shows_each_where_it_belongs),
		cmocka_unit_test(shows_one_kind_of_literals),
		cmocka_unit_test(takes_out_what_stands_on_others),
		cmocka_unit_test(finds_by_name),
	};

	return cmocka_run_group_tests_name("imap_capability", tests, NULL, NULL);
}
