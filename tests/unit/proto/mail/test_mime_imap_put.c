#include "mime_test.h"

#include "lib/imap_text.h"
#include "proto/mail/mime_imap_put.h"

static struct span render(struct arena *a, const char *message, char what)
{
	struct mime_tree *t = mime_parse(a, span_str(message), NULL);
	struct buf *b = arena_buf(a, 1 << 20);

	if (what == 'e')
		mime_imap_put_envelope(b, a, t->root);
	else
		mime_imap_put_body(b, a, t->root, what == 's');
	assert_true(buf_ok(b));
	return buf_span(b);
}

struct string_case {
	const char *name;
	struct span in;
	const char *want;
};
static const struct string_case strings[] = {
	{"nothing is NIL", {NULL, 0}, "NIL"},
	{"an empty text is a string", SPAN(""), "\"\""},
	{"blanks and controls are quoted", SPAN("a\tb \x7f"), "\"a\tb \x7f\""},
	{"quotes and backslashes are escaped", SPAN("a\"b\\"), "\"a\\\"b\\\\\""},
	{"8-bit is a literal", SPAN("h\xc3\xa9"), "{3}\r\nh\xc3\xa9"},
	{"a line end is a literal", SPAN("a\r\nb"), "{4}\r\na\r\nb"},
	{"NUL is no character", SPAN("a\0b"), "{3}\r\na?b"},
};

static void string_forms(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(strings); i++) {
		struct buf b;

		buf_init(&b, 1000);
		mime_imap_put_nstring(&b, strings[i].in);
		print_message("# %s\n", strings[i].name);
		assert_span(buf_span(&b), strings[i].want);
		buf_fini(&b);
	}
}

static void long_strings_are_literals(void **state)
{
	struct arena *a = arena_new();
	char *text = arena_alloc(a, MIME_IMAP_QUOTED_MAX + 1);
	struct buf *b = arena_buf(a, 4 * MIME_IMAP_QUOTED_MAX);

	memset(text, 'x', MIME_IMAP_QUOTED_MAX + 1);
	mime_imap_put_string(b, span_of(text, MIME_IMAP_QUOTED_MAX));
	assert_int_equal(buf_len(b), MIME_IMAP_QUOTED_MAX + 2);
	buf_clear(b);
	mime_imap_put_string(b, span_of(text, MIME_IMAP_QUOTED_MAX + 1));
	assert_true(span_starts(buf_span(b), SPAN("{1001}\r\nxxx")));
	arena_free(&a);
}

struct put_case {
	const char *name;
	char what; /* e envelope, b BODY, s BODYSTRUCTURE */
	const char *message, *want;
};
static const struct put_case puts_[] = {
	{"an envelope", 'e',
		"Date: Mon, 7 Feb 1994 21:52:25 -0800\r\nFrom: Fred Foobar <foobar@Blurdybloop.example>\r\n"
		"Subject: afternoon\r\n meeting\r\nTo: mooch@owatagu.example\r\n"
		"Message-Id: <B27397-0100000@Blurdybloop.example>\r\n\r\nx",
		"(\"Mon, 7 Feb 1994 21:52:25 -0800\" \"afternoon meeting\" "
		"((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.example\")) "
		"((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.example\")) "
		"((\"Fred Foobar\" NIL \"foobar\" \"Blurdybloop.example\")) "
		"((NIL NIL \"mooch\" \"owatagu.example\")) NIL NIL NIL "
		"\"<B27397-0100000@Blurdybloop.example>\")"},
	{"an envelope of nothing", 'e', "\r\n", "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"},
	{"groups, routes and addresses without a domain", 'e',
		"To: A: <@r,@s:b@c>, d;, e\r\nSubject:\r\n\r\n",
		"(NIL \"\" NIL NIL NIL ((NIL NIL \"A\" NIL)(NIL \"@r,@s\" \"b\" \"c\")"
		"(NIL NIL \"d\" \"\")(NIL NIL NIL NIL)(NIL NIL \"e\" \"\")) NIL NIL NIL NIL)"},
	{"text without a Content-Type", 'b', "A: b\r\n\r\none\r\ntwo\r\n",
		"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2)"},
	{"the same extended", 's', "A: b\r\n\r\none\r\ntwo\r\n",
		"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 10 2 NIL NIL NIL NIL)"},
	{"all that one part can have", 's',
		"Content-Type: Application/X-Y; A=\"b c\"\r\nContent-ID: <i>\r\nContent-Description: d\r\n"
		"Content-Transfer-Encoding: BASE64\r\nContent-MD5: m\r\nContent-Disposition: inline; "
		"filename=f\r\nContent-Language: de, en\r\nContent-Location: l\r\n\r\nAA==\r\n",
		"(\"application\" \"x-y\" (\"A\" \"b c\") \"<i>\" \"d\" \"base64\" 6 \"m\" "
		"(\"inline\" (\"filename\" \"f\")) (\"de\" \"en\") \"l\")"},
	{"a multipart", 's',
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\na\r\n--b\r\n"
		"Content-Type: text/html; charset=utf-8\r\n\r\nbc\r\n--b--\r\n",
		"((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0 NIL NIL NIL NIL)"
		"(\"text\" \"html\" (\"charset\" \"utf-8\") NIL NIL \"7bit\" 2 0 NIL NIL NIL NIL) "
		"\"mixed\" (\"boundary\" \"b\") NIL NIL NIL)"},
	{"a multipart without parts is told as text", 'b',
		"Content-Type: multipart/mixed; boundary=b\r\n\r\nx",
		"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 1 0)"},
	{"a message within a message", 'b',
		"Content-Type: message/rfc822\r\n\r\nSubject: s\r\n\r\nx\r\n",
		"(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 17 "
		"(NIL \"s\" NIL NIL NIL NIL NIL NIL NIL NIL) "
		"(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 1) 3)"},
	{"an encoded message is not looked into", 'b',
		"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nRg==",
		"(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 4)"},
};

static void rendered_text(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(puts_); i++) {
		struct arena *a = arena_new();
		struct span s = render(a, puts_[i].message, puts_[i].what);

		print_message("# %s\n", puts_[i].name);
		assert_span(s, puts_[i].want);
		assert_true(puts_[i].what == 'e' ? imap_text_is_envelope(s)
						 : imap_text_is_body(s, puts_[i].what == 's'));
		arena_free(&a);
	}
}

static void body_follows_from_bodystructure(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(puts_); i++) {
		struct arena *a = arena_new();
		struct buf *b = arena_buf(a, 1 << 20);

		assert_true(mime_imap_put_body_of(b, render(a, puts_[i].message, 's')));
		assert_true(span_eq(buf_span(b), render(a, puts_[i].message, 'b')));
		arena_free(&a);
	}
}

/* Written, read and written again an envelope is the same. */
static void envelope_is_read_again(void **state)
{
	static const char *const messages[] = {
		"Subject: \"quoted\" \\ and \xe9\xa7\x85\r\nFrom: \"a \\\"b\\\"\" <c@d>, Gr: e@f,"
		" <@r:g@h>;, nobody\r\nTo:\r\nIn-Reply-To: <x@y>\r\nMessage-ID: <z@y>\r\n\r\n",
	};
	static const char *const broken[] = {"", "(", "NIL", "(NIL NIL NIL)",
		"(NIL \"a NIL NIL NIL NIL NIL NIL NIL NIL)",
		"(NIL {99}\r\nx NIL NIL NIL NIL NIL NIL NIL NIL)",
		"(NIL NIL ((NIL NIL \"a\")) NIL NIL NIL NIL NIL NIL NIL)"};

	for (size_t i = 0; i < ARRAY_LEN(puts_) + ARRAY_LEN(messages); i++) {
		struct arena *a = arena_new();
		struct span s = render(a,
			i < ARRAY_LEN(puts_) ? puts_[i].message : messages[i - ARRAY_LEN(puts_)],
			'e');
		struct buf *b = arena_buf(a, 1 << 20);
		struct mime_envelope e;

		assert_true(mime_imap_read_envelope(a, s, &e));
		buf_clear(b);
		mime_imap_put_envelope_of(b, &e);
		assert_true(span_eq(buf_span(b), s));
		arena_free(&a);
	}
	for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
		struct arena *a = arena_new();
		struct mime_envelope e;

		assert_false(mime_imap_read_envelope(a, span_str(broken[i]), &e));
		arena_free(&a);
	}
}

static void deep_nesting(void **state)
{
	struct arena *a = arena_new();
	struct buf *m = arena_buf(a, 1 << 20);

	for (int i = 0; i < 300; i++)
		buf_printf(m, "Content-Type: multipart/x; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
	buf_str(m, "\r\nx");
	assert_true(imap_text_is_body(render(a, buf_cstr(m), 's'), true));
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(string_forms),
		cmocka_unit_test(long_strings_are_literals),
		cmocka_unit_test(rendered_text),
		cmocka_unit_test(body_follows_from_bodystructure),
		cmocka_unit_test(envelope_is_read_again),
		cmocka_unit_test(deep_nesting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
