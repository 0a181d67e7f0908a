#include "mime_test.h"

#include "proto/mail/mime_address.h"
#include "proto/mail/mime_date.h"

struct address_case {
	const char *name, *value;
	const char
		*want; /* "name <local@domain>" each in its line; "name:" and ";" around a group */
	const char *defects;
};

static const struct address_case cases[] = {
	{"bare", "a@b.c", "<a@b.c>\n", ""},
	{"named", "Alice Example <a@b.c>", "Alice Example <a@b.c>\n", ""},
	{"quoted name", "\"Example, Alice\" <a@b.c>", "Example, Alice <a@b.c>\n", ""},
	{"escapes in a name", "\"a \\\"b\\\" \\\\c\" <a@b.c>", "a \"b\" \\c <a@b.c>\n", ""},
	{"old way", "a@b.c (Alice (the) Example)", "Alice (the) Example <a@b.c>\n", ""},
	{"two", "a@b.c, d@e.f", "<a@b.c>\n<d@e.f>\n", ""},
	{"folded", "a@b.c,\r\n\td@e.f", "<a@b.c>\n<d@e.f>\n", ""},
	{"group", "g: a@b.c, d@e.f; , x@y.z", "g:\n<a@b.c>\n<d@e.f>\n;\n<x@y.z>\n",
		"obsolete-address-syntax"},
	{"empty group", "undisclosed-recipients:;", "undisclosed-recipients:\n;\n", ""},
	{"quoted local part", "\"a b\"@c.d, <\"e@f\"@g.h>", "<\"a b\"@c.d>\n<\"e@f\"@g.h>\n", ""},
	{"literal", "a@[192.0.2.1]", "<a@[192.0.2.1]>\n", ""},
	{"UTF-8", "\xe7\x94\xb2 <\xe7\x94\xb2@\xe4\xbe\x8b.test>",
		"\xe7\x94\xb2 <\xe7\x94\xb2@\xe4\xbe\x8b.test>\n", ""},
	{"encoded words", "=?utf-8?q?Zo=C3=AB?= =?utf-8?q?_M=C3=BCller?= <z@b.c>",
		"Zo\xc3\xab M\xc3\xbcller <z@b.c>\n", ""},
	{"comments everywhere", "(a) x (b) <(c) y (d) @ (e) z.w (f)> (g)", "x <y@z.w>\n", ""},
	{"route", "<@h1,@h2:a@b.c>", "<a@b.c>\n", "obsolete-address-syntax"},
	{"dots in a name", "John Q. Public <j@p.q>", "John Q. Public <j@p.q>\n",
		"obsolete-address-syntax"},
	{"blanks around the dot", "a . b @ c . d", "<a.b@c.d>\n", "obsolete-address-syntax"},
	{"empty elements", ",a@b.c,,", "<a@b.c>\n", "obsolete-address-syntax"},
	{"no domain", "root", "<root>\n", "address-is-malformed"},
	{"null", "<>", "<\"\">\n", "address-is-malformed"},
	{"two in one", "\"a@x\"<b@y> <c@z>", "a@x <b@y>\n", "address-is-malformed"},
	{"name that is an address", "\"a@x.y\" <b@y.z>", "a@x.y <b@y.z>\n", ""},
	{"words before a bare address", "John a@b.c", "<a@b.c>\n", "address-is-malformed"},
	{"two at signs", "a@b@c.d", "<\"a@b\"@c.d>\n", "address-is-malformed"},
	{"angle never closed", "x <a@b.c", "x <a@b.c>\n", "address-is-malformed"},
	{"quote never closed", "\"x <a@b.c>", "<\"x <a@b.c>\">\n",
		"address-is-malformed quoted-string-not-closed"},
	{"comment never closed", "a@b.c (x", "x <a@b.c>\n", "comment-not-closed"},
	{"group never closed", "g: a@b.c", "g:\n<a@b.c>\n;\n", "address-is-malformed"},
	{"semicolons between", "a@b.c; d@e.f", "<a@b.c>\n<d@e.f>\n", "address-is-malformed"},
	{"nothing", "", "", ""},
	{"comment only", "(nobody)", "", ""},
	{"text behind the address", "<a@b.c> x", "<a@b.c>\n", "address-is-malformed"},
};

static struct span tell(struct arena *a, const struct mime_address_list *l)
{
	struct buf b;
	struct span s;

	buf_init(&b, 10000);
	for (size_t i = 0; i < l->count; i++) {
		const struct mime_address *m = &l->items[i];

		if (m->kind == MIME_GROUP_END) {
			buf_str(&b, ";\n");
			continue;
		}
		buf_span_put(&b, mime_address_name(a, m));
		if (m->kind == MIME_GROUP_START) {
			buf_str(&b, ":\n");
			continue;
		}
		if (m->name.len)
			buf_char(&b, ' ');
		buf_printf(&b, "<" SPAN_FMT ">\n", SPAN_ARG(mime_address_spec(a, m)));
	}
	s = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return s;
}

static void address_lists(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct mime_address_list l;

		mime_address_parse(a, span_str(cases[i].value), 100, &l);
		if (!span_eq(tell(a, &l), span_str(cases[i].want)) ||
			!span_eq(defect_names(a, l.defects), span_str(cases[i].defects)))
			fail_msg("%s: '" SPAN_FMT "' with '" SPAN_FMT "'", cases[i].name,
				SPAN_ARG(tell(a, &l)), SPAN_ARG(defect_names(a, l.defects)));
		arena_free(&a);
	}
}

static void address_lists_are_capped(void **state)
{
	struct arena *a = arena_new();
	struct mime_address_list l;

	mime_address_parse(a, SPAN("a@b.c, d@e.f, g@h.i"), 2, &l);
	assert_int_equal(l.count, 2);
	assert_true(l.defects & mime_bit(MIME_ADDRESS_TOO_MANY));
	arena_free(&a);
}

struct date_case {
	const char *value;
	int64_t unix_sec; /* -1: no date */
	int zone;
	bool has_zone, is_obsolete;
};

static const struct date_case dates[] = {
	{"Mon, 23 Nov 2026 06:30:00 +0000", 1795415400, 0, true, false},
	{"Mon, 23 Nov 2026 08:30:00 +0200", 1795415400, 120, true, false},
	{"\r\n 23 Nov 2026 06:30 -0000 (comment (nested))", 1795415400, 0, false, false},
	{"Sun, 22 Nov 2026 22:30:00 PST", 1795415400, -480, true, true},
	{"23 Nov 26 06:30:00 GMT", 1795415400, 0, true, true},
	{"6 Nov 94 08:49:37 GMT", 784111777, 0, true, true},
	{"Sunday, 06-Nov-94 08:49:37 GMT", 784111777, 0, true, true},
	{"Sun Nov  6 08:49:37 1994", 784111777, 0, false, true},
	{"Sun Nov  6 08:49:37 UTC 1994", 784111777, 0, true, true},
	{"Mon,23 Nov 2026 06:30:00 +00:00", 1795415400, 0, true, true},
	{"29 Feb 2024 00:00:00 +0000", 1709164800, 0, true, false},
	{"1 Jan 1970 00:00:60 +0000", 60, 0, true, false},
	{"29 Feb 2023 00:00:00 +0000", -1, 0, false, false},
	{"31 Apr 2026 00:00:00 +0000", -1, 0, false, false},
	{"23 Nov 2026 24:00:00 +0000", -1, 0, false, false},
	{"23 Nov 2026 06:30:00 +0060", -1, 0, false, false},
	{"23 Nov 2026", -1, 0, false, false},
	{"23 Now 2026 06:30:00 +0000", -1, 0, false, false},
	{"tomorrow", -1, 0, false, false},
	{"", -1, 0, false, false},
	{"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", -1, 0, false, false},
};

static void date_table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(dates); i++) {
		struct mime_date d;
		bool ok = mime_date_parse(span_str(dates[i].value), &d);

		if (ok != (dates[i].unix_sec >= 0))
			fail_msg("%s: %d", dates[i].value, ok);
		if (ok &&
			(d.unix_sec != dates[i].unix_sec || d.zone_minutes != dates[i].zone ||
				d.has_zone != dates[i].has_zone ||
				d.is_obsolete != dates[i].is_obsolete))
			fail_msg("%s: %lld zone %d %d %d", dates[i].value, (long long)d.unix_sec,
				d.zone_minutes, d.has_zone, d.is_obsolete);
	}
}

struct ids_case {
	const char *value, *want;
	bool has_defects;
};

static const struct ids_case ids[] = {
	{" <a@b>", "<a@b>", false},
	{"<a@b>\r\n <c@d>(x)<e@f>", "<a@b> <c@d> <e@f>", false},
	{"<a@\r\n b>", "<a@b>", false},
	{"Your message of Monday <a@b>", "<a@b>", true},
	{"<a@b>, <c@d>", "<a@b> <c@d>", true},
	{"<a@b <c@d>", "<c@d>", true},
	{"<noat>", "<noat>", true},
	{"a@b", "", true},
	{"<", "", true},
	{"", "", false},
};

static void message_ids(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
		struct arena *a = arena_new();
		struct mime_ids list;
		struct buf b;

		buf_init(&b, 1000);
		mime_ids_parse(a, span_str(ids[i].value), &list);
		for (size_t k = 0; k < list.count; k++) {
			if (k)
				buf_char(&b, ' ');
			buf_span_put(&b, list.items[k]);
		}
		if (!span_eq(buf_span(&b), span_str(ids[i].want)) ||
			list.has_defects != ids[i].has_defects)
			fail_msg("%s: '%s' %d", ids[i].value, buf_cstr(&b), list.has_defects);
		buf_fini(&b);
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(address_lists),
		cmocka_unit_test(address_lists_are_capped),
		cmocka_unit_test(date_table),
		cmocka_unit_test(message_ids),
	};

	return cmocka_run_group_tests_name("proto/mail/mime_address", tests, NULL, NULL);
}
