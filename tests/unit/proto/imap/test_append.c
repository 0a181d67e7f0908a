#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/imap/imap_out.h"

struct append_case {
	const char *name;
	const char *segments[6]; /* what is fed, one after the other */
	const char *said;        /* all events, "!" and the error's beginning at the end */
};

static const struct append_case cases[] = {
	{"RFC 9051 section 6.3.12", {"A003 APPEND saved-messages (\\Seen) {326}", ""},
		"[saved-messages] message(\\Seen) data 326 | end."},
	{"nothing but a message", {"a append inbox {3+}", ""}, "[INBOX] message() data 3+ | end."},
	{"date", {"a APPEND x \"17-Jul-1996 02:44:25 -0700\" {3}", ""},
		"[x] message()@837596665 data 3 | end."},
	{"date with a blank for its first digit",
		{"a APPEND x () \" 1-Jan-1970 00:00:00 +0000\" {3}", ""},
		"[x] message()@0 data 3 | end."},
	{"literal8", {"a APPEND x ~{3}", ""}, "[x] message() data ~3 | end."},
	{"\\Recent is nobody's to set", {"a APPEND x (\\Recent) {3}"}, "!Expected a flag that"},
	{"a keyword twice", {"a APPEND x (\\Seen $a $A) {3}", ""},
		"[x] message(\\Seen $a) data 3 | end."},
	{"UTF8", {"a APPEND x (\\Seen) UTF8 (~{10}", ")"},
		"[x] message(\\Seen) data ~10 utf8 | end."},
	{"UTF8 that is not closed", {"a APPEND x UTF8 (~{10}", ""},
		"[x] message() data ~10 utf8 | !Expected \")\" at octet 1"},
	{"MULTIAPPEND (RFC 3502 section 6.3.11)",
		{"A003 APPEND saved-messages (\\Seen) {329}",
			" () \" 7-Feb-1994 22:43:04 -0800\" {295}", ""},
		"[saved-messages] message(\\Seen) data 329 | end message()@760689784 data 295 | end."},
	{"MULTIAPPEND cancelled by an empty literal is data", {"a APPEND x {0}", ""},
		"[x] message() data 0 | end."},
	{"name as literal is collected", {"a APPEND {5}"}, "collect"},
	{"name as literal", {"a APPEND {5}\r\ninbox {3}", ""}, "[INBOX] message() data 3 | end."},
	{"name in modified UTF-7", {"a APPEND Entw&APw-rfe {3}", ""},
		"[Entwürfe] message() data 3 | end."},
	{"what is no name", {"a APPEND a&b {3}", ""}, "[?] message() data 3 | end."},
	{"CATENATE (RFC 4469 section 4)",
		{"A003 APPEND Drafts (\\Seen \\Draft $MDNSent) CATENATE (URL \"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER\" TEXT {42}",
			" URL \"/Drafts;UIDVALIDITY=385759045/;UID=30\" TEXT {44}", ")"},
		"[Drafts] message(\\Seen \\Draft $MDNSent) catenate url /Drafts;UIDVALIDITY=385759045/;UID=20/;section=HEADER data 42 | url /Drafts;UIDVALIDITY=385759045/;UID=30 data 44 | end."},
	{"CATENATE of URLs alone", {"a APPEND x CATENATE (URL a URL b)"},
		"[x] message() catenate url a url b end."},
	{"CATENATE, then another message", {"a APPEND x CATENATE (URL a) (\\Seen) {1}", ""},
		"[x] message() catenate url a end message(\\Seen) data 1 | end."},
	{"CATENATE with a URL as literal", {"a APPEND x CATENATE (URL {3}"}, "collect"},
	{"CATENATE with a URL as literal behind data",
		{"a APPEND x CATENATE (TEXT {1}", " URL {3}\r\nabc)"},
		"[x] message() catenate data 1 | url abc end."},
	{"CATENATE of nothing", {"a APPEND x CATENATE ()"}, "!Expected URL or TEXT"},
	{"CATENATE not closed", {"a APPEND x CATENATE (TEXT {1}", ""},
		"[x] message() catenate data 1 | !Expected \")\""},
	{"trailing blank", {"a APPEND x {3}", " "}, "[x] message() data 3 | end."},
	{"REPLACE (RFC 8508 section 3.5)",
		{"A1 UID REPLACE 2000 Drafts (\\Seen \\Draft) {312}", ""},
		"uid 2000 [Drafts] message(\\Seen \\Draft) data 312 | end."},
	{"REPLACE *", {"a REPLACE * x {1}", ""}, "* [x] message() data 1 | end."},
	{"REPLACE of several", {"a REPLACE 1:2 x {1}"}, "!Expected one message's number"},
	{"REPLACE $", {"a REPLACE $ x {1}"}, "!Bad number"},
	{"REPLACE by two", {"a REPLACE 1 x {1}", " {2}"},
		"1 [x] message() data 1 | !Too many messages"},
	{"REPLACE with CATENATE", {"a REPLACE 4 x CATENATE (URL a TEXT {1}", ")"},
		"4 [x] message() catenate url a data 1 | end."},
	{"nothing", {"a APPEND"}, "!Expected a blank"},
	{"no message", {"a APPEND x"}, "!Expected a message"},
	{"flags, no message", {"a APPEND x (\\Seen)"}, "!Expected a blank"},
	{"a quoted message", {"a APPEND x \"abc\""}, "!Expected a date and time"},
	{"an unknown flag", {"a APPEND x (\\Important) {3}"}, "!Expected a flag that there is"},
	{"a day that there is not", {"a APPEND x \"31-Feb-1996 02:44:25 -0700\" {3}"},
		"!Expected a date and time"},
	{"the literal is not the last thing", {"a APPEND x {3} y"}, "!Expected a literal with"},
	{"no blank before the next message", {"a APPEND x {3}", "(\\Seen) {3}"},
		"[x] message() data 3 | !Expected"},
	{"no tag", {"+ APPEND x {3}"}, "!Expected a tag"},
};

static void say(struct buf *b, const struct imap_append_event *ev)
{
	if (buf_len(b) && buf_span(b).ptr[buf_len(b) - 1] != ' ')
		buf_char(b, ' ');
	switch (ev->kind) {
	case IMAP_APPEND_MESSAGE:
		buf_str(b, "message");
		imap_put_flags(b, &ev->flags);
		if (ev->has_date)
			buf_printf(b, "@%lld", (long long)ev->date.unix_sec);
		buf_str(b, ev->is_catenate ? " catenate" : "");
		break;
	case IMAP_APPEND_URL: buf_printf(b, "url " SPAN_FMT, SPAN_ARG(ev->url)); break;
	case IMAP_APPEND_DATA:
		buf_printf(b, "data %s%llu%s%s |", ev->literal.is_binary ? "~" : "",
			(unsigned long long)ev->literal.size, ev->literal.is_sync ? "" : "+",
			ev->is_utf8 ? " utf8" : "");
		break;
	case IMAP_APPEND_END: buf_str(b, "end"); break;
	}
}

static void run(const struct append_case *c, struct arena *a, struct buf *b)
{
	static const struct imap_dialect d = {0};
	struct imap_append ap = {0};
	enum imap_append_next next;
	struct imap_append_event *ev;
	struct err e = {0};
	size_t n;

	for (size_t i = 0; i < ARRAY_LEN(c->segments) && c->segments[i]; i++) {
		/* each segment in memory of its own: nothing may be borrowed over it */
		struct arena *own = arena_new();
		struct span seg = arena_span(own, span_str(c->segments[i]));

		if (imap_append_feed(a, &ap, seg, &d, &ev, &n, &next, &e) < 0) {
			buf_printf(b, "%s!%s", buf_len(b) ? " " : "", e.text);
			arena_free(&own);
			return;
		}
		if (next == IMAP_APPEND_COLLECT) {
			assert_int_equal(n, 0);
			buf_str(b, "collect");
			arena_free(&own);
			return;
		}
		for (size_t k = 0; k < n; k++)
			say(b, &ev[k]);
		arena_free(&own);
		if (i == 0) {
			struct buf *all = arena_buf(a, 4096);

			buf_str(all, ap.is_uid ? "uid " : "");
			if (ap.is_replace)
				imap_set_put(all, &ap.target), buf_char(all, ' ');
			buf_printf(all, "[" SPAN_FMT "] ", ap.name.ptr ? (int)ap.name.len : 1,
				ap.name.ptr ? ap.name.ptr : "?");
			buf_span_put(all, buf_span(b));
			buf_clear(b);
			buf_span_put(b, buf_span(all));
		}
		if (next == IMAP_APPEND_DONE)
			buf_char(b, '.');
	}
}

static void append_is_read_piece_by_piece(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct buf *b = arena_buf(a, 4096);

		print_message("# %s\n", cases[i].name);
		run(&cases[i], a, b);
		if (strchr(cases[i].said, '!'))
			buf_truncate(b,
				strlen(cases[i].said) < buf_len(b) ? strlen(cases[i].said)
								   : buf_len(b));
		assert_string_equal(buf_cstr(b), cases[i].said);
		arena_free(&a);
	}
}

static const struct {
	const char *line;
	bool is_literal;
	uint64_t size;
	bool is_sync, is_binary;
} heads[] = {
	{"a LOGIN {5}", true, 5, true, false},
	{"a LOGIN {5+}", true, 5, false, false},
	{"a APPEND x ~{5}", true, 5, true, true},
	{"a APPEND x UTF8 (~{5+}", true, 5, false, true},
	{"a APPEND x ({0}", true, 0, true, false},
	{"{1}", true, 1, true, false},
	{"a {18446744073709551615}", true, UINT64_MAX, true, false},
	{"a {99999999999999999999999}", true, UINT64_MAX, true, false},
	{"a {5-}", false, 0, false, false},
	{"a {}", false, 0, false, false},
	{"a {+}", false, 0, false, false},
	{"a {-1}", false, 0, false, false},
	{"a {5} ", false, 0, false, false},
	{"a x{5}", false, 0, false, false},
	{"a \"{5}", false, 0, false, false},
	{"a \"{5}\"", false, 0, false, false},
	{"a {5", false, 0, false, false},
	{"5}", false, 0, false, false},
	{"", false, 0, false, false},
};

static void literal_headers_are_seen(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
		struct imap_literal lit;
		bool is = imap_literal_at_end(span_str(heads[i].line), &lit);

		print_message("# head %zu\n", i);
		assert_int_equal(is, heads[i].is_literal);
		if (!is)
			continue;
		assert_true(lit.size == heads[i].size);
		assert_int_equal(lit.is_sync, heads[i].is_sync);
		assert_int_equal(lit.is_binary, heads[i].is_binary);
		assert_int_equal(heads[i].line[lit.at], lit.is_binary ? '~' : '{');
	}
}

static void messages_are_counted(void **state)
{
	static const struct imap_dialect d = {0};
	struct arena *a = arena_new();
	struct imap_append ap = {0};
	enum imap_append_next next;
	struct imap_append_event *ev;
	struct err e = {0};
	size_t n;

	assert_int_equal(
		imap_append_feed(a, &ap, SPAN("a APPEND x {1}"), &d, &ev, &n, &next, &e), 0);
	for (unsigned i = 1; i < IMAP_APPEND_MAX; i++)
		assert_int_equal(imap_append_feed(a, &ap, SPAN(" {1}"), &d, &ev, &n, &next, &e), 0);
	assert_int_equal(ap.messages, IMAP_APPEND_MAX);
	assert_int_equal(imap_append_feed(a, &ap, SPAN(" {1}"), &d, &ev, &n, &next, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(append_is_read_piece_by_piece),
		cmocka_unit_test(literal_headers_are_seen),
		cmocka_unit_test(messages_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
