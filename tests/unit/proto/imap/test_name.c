#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/imap/imap_limits.h"
#include "proto/imap/imap_name_syntax.h"

static const struct {
	const char *utf7, *utf8;
} same[] = {
	{"", ""},
	{"INBOX", "INBOX"},
	{"a/b c", "a/b c"},
	{"&-", "&"},
	{"A&-B", "A&B"},
	{"&-&-", "&&"},
	{"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"}, /* RFC 3501 section 5.1.3 */
	{"&Jjo-!", "☺!"},
	{"Entw&APw-rfe", "Entwürfe"},
	{"&Jjo-&-", "☺&"},
	{"&2D3eAA-", "😀"},
	{"&AOkA6Q-", "éé"},
	{"&V4NXPpCuTvY-", "垃圾邮件"},
};

static const char *const not_utf7[] = {
	"&",
	"&Jjo",
	"a&b",
	"&Jjo-&Jjo-", /* null shift, section 5.1.3 */
	"&Jjo=-",
	"&AGE-" /* "a" shifted */,
	"&Jj-" /* half a character */,
	"&2D0-" /* lone high */,
	"&3gA-" /* lone low */,
	"&JjoA-" /* too many bits */,
	"&Jjp-" /* rest bits are not zero */,
	"&J/o-" /* "/" */,
	"\x7f",
	"a\tb",
	"\xc3\xa9",
	"&AAo-x&",
};

static void modified_utf7_both_ways(void **state)
{
	struct buf b;

	buf_init(&b, 1000);
	for (size_t i = 0; i < ARRAY_LEN(same); i++) {
		print_message("# same %zu\n", i);
		buf_clear(&b);
		assert_true(imap_utf7_decode(&b, span_str(same[i].utf7)));
		assert_string_equal(buf_cstr(&b), same[i].utf8);
		buf_clear(&b);
		assert_true(imap_utf7_encode(&b, span_str(same[i].utf8)));
		assert_string_equal(buf_cstr(&b), same[i].utf7);
	}
	for (size_t i = 0; i < ARRAY_LEN(not_utf7); i++) {
		print_message("# not %zu\n", i);
		buf_clear(&b);
		buf_char(&b, 'x');
		assert_false(imap_utf7_decode(&b, span_str(not_utf7[i])));
		assert_string_equal(buf_cstr(&b), "x");
	}
	assert_false(imap_utf7_encode(&b, SPAN("\xff")));
	buf_fini(&b);
}

static const struct {
	const char *wire;
	bool is_utf8;
	const char *name; /* NULL: not a name */
} decoded[] = {
	{"inbox", false, "INBOX"},
	{"InBoX", true, "INBOX"},
	{"inbox/sent", false, "INBOX/sent"},
	{"inboxes", false, "inboxes"},
	{"Entw&APw-rfe", false, "Entwürfe"},
	{"Entw&APw-rfe", true, "Entw&APw-rfe"}, /* RFC 6855 section 3: no modified UTF-7 any more */
	{"Entwürfe", true, "Entwürfe"},
	{"Entwürfe", false, "Entwürfe"}, /* sent raw */
	{"Tom & Jerry", true, "Tom & Jerry"},
	{"Tom & Jerry", false, NULL},
	{"a&AAo-b", false, NULL}, /* a line feed in disguise */
	{"a\x01", true, NULL},
	{"a\xc2\x85", true, NULL},     /* C1 */
	{"a\xe2\x80\xa8", true, NULL}, /* U+2028 */
	{"\xff", true, NULL},
	{"", false, ""},
};

static void wire_names_become_inside_names(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(decoded); i++) {
		struct arena *a = arena_new();
		struct span s = imap_name_decode(a, span_str(decoded[i].wire), decoded[i].is_utf8);

		print_message("# wire %zu\n", i);
		if (decoded[i].name)
			assert_true(s.ptr && span_eq(s, span_str(decoded[i].name)));
		else
			assert_null(s.ptr);
		arena_free(&a);
	}
}

static void names_to_create(void **state)
{
	static const char *const good[] = {
		"a", "a/b", "台北/日本語", "INBOX/x", "a b", "[Gmail]/x", "~x", "#news"};
	static const char *const bad[] = {
		"", "/", "/a", "a/", "a//b", "a*", "%", "a\nb", "\xff", "\x7f"};
	char deep[2 * IMAP_NAME_LEVELS_MAX + 2], longest[IMAP_NAME_MAX + 1];

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(imap_name_is_creatable(span_str(good[i])));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(imap_name_is_creatable(span_str(bad[i])));
	for (size_t i = 0; i < sizeof(deep); i++)
		deep[i] = i % 2 ? '/' : 'a';
	assert_true(imap_name_is_creatable(span_of(deep, 2 * IMAP_NAME_LEVELS_MAX - 1)));
	assert_false(imap_name_is_creatable(span_of(deep, 2 * IMAP_NAME_LEVELS_MAX + 1)));
	memset(longest, 'a', sizeof(longest));
	assert_true(imap_name_is_creatable(span_of(longest, IMAP_NAME_MAX)));
	assert_false(imap_name_is_creatable(span_of(longest, IMAP_NAME_MAX + 1)));
}

static const struct {
	const char *pattern, *name;
	bool matches, matches_below;
} patterns[] = {
	{"*", "a/b/c", true, true},
	{"%", "a", true, false},
	{"%", "a/b", false, false},
	{"%/%", "a", false, true},
	{"%/%", "a/b", true, false},
	{"%/%", "a/b/c", false, false},
	{"a*c", "a/b/c", true, true},
	{"a%c", "a/b/c", false, false},
	{"*%", "a/b", true, true},
	{"", "", true, false},
	{"", "a", false, false},
	{"INBOX", "INBOX", true, false},
	{"INBOX", "INBOX2", false, false},
	{"INBOX/*", "INBOX", false, true},
	{"INBOX*", "INBOX", true, true},
	{"a/%/c", "a", false, true},
	{"a/%/c", "a/b", false, true},
	{"a/%/c", "a/b/c", true, false},
	{"*b", "a/bab", true, true},
	{"%a%b", "xaab", true, false},
	{"%a%b", "xa/ab", false, false},
	{"*a%b", "xa/ab", true, true},
	{"台%", "台北", true, false},
	{"a", "b", false, false},
	{"foo/", "foo", false, false},
	{"%b%", "a/b", false, false},
};

static void patterns_match(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
		struct span p = span_str(patterns[i].pattern), n = span_str(patterns[i].name);

		print_message("# %s %s\n", patterns[i].pattern, patterns[i].name);
		assert_int_equal(imap_pattern_matches(p, n), patterns[i].matches);
		assert_int_equal(imap_pattern_matches_below(p, n), patterns[i].matches_below);
	}
}

static void hostile_patterns_take_no_time(void **state)
{
	char pattern[IMAP_NAME_MAX], name[IMAP_NAME_MAX];

	for (size_t i = 0; i < sizeof(pattern); i++)
		pattern[i] = i % 2 ? 'a' : i % 4 ? '*' : '%';
	memset(name, 'a', sizeof(name));
	name[sizeof(name) - 1] = 'b';
	for (unsigned i = 0; i < 20; i++)
		assert_false(imap_pattern_matches(
			span_of(pattern, sizeof(pattern)), span_of(name, sizeof(name))));
	assert_false(imap_pattern_matches(span_of(pattern, IMAP_NAME_MAX + 1), SPAN("a")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(modified_utf7_both_ways),
		cmocka_unit_test(wire_names_become_inside_names),
		cmocka_unit_test(names_to_create),
		cmocka_unit_test(patterns_match),
		cmocka_unit_test(hostile_patterns_take_no_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
