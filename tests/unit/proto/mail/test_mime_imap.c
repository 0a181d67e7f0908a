#include "mime_test.h"

#include "proto/mail/mime_imap.h"
#include "proto/mail/mime_text.h"

#define H                                                                                          \
	"From: Alice <a@example.org>\r\nDate: Mon, 23 Nov 2026 06:30:00 +0000\r\nMIME-Version: 1.0\r\n"

static const char nested[] = H
	"Subject: =?utf-8?q?x?=\r\n y\r\nTo: g: b@c.d;\r\nMessage-ID: <1@example.org>\r\n"
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	"--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
	"--c\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>html</p>\r\n"
	"--c\r\nContent-Type: text/plain; charset=utf-8\r\nContent-ID: <p@x>\r\nContent-Language: de, en\r\n\r\nplain\r\n\r\n--c--\r\n"
	"--b\r\nContent-Type: message/rfc822\r\nContent-Description: fwd\r\n\r\n" H
	"Sender: s@t.u\r\nContent-Type: multipart/x; boundary=d\r\n\r\n--d\r\n\r\none\r\n--d\r\n\r\ntwo\r\n--d--\r\n"
	"--b\r\nContent-Type: text/plain; name=\"x y\"\r\nContent-Disposition: attachment; filename=x\r\n"
	"Content-Transfer-Encoding: BASE64\r\nContent-MD5: abc\r\n\r\naGVsbG8=\r\n\r\n--b--\r\n";

static void envelope(void **state)
{
	struct arena *a = arena_new();
	struct mime_tree *t = mime_parse(a, span_str(nested), NULL);
	struct mime_envelope e;

	mime_envelope(a, t->root, &e);
	assert_span(e.subject, "=?utf-8?q?x?= y");
	assert_span(e.message_id, "<1@example.org>");
	assert_null(e.in_reply_to.ptr);
	assert_int_equal(e.to.count, 3);
	assert_span(e.to.items[0].name, "g");
	assert_span(e.to.items[1].local, "b");
	assert_int_equal(e.cc.count, 0);
	assert_span(e.sender.items[0].name, "Alice");
	assert_span(e.reply_to.items[0].domain, "example.org");
	mime_envelope(a, t->root->last->number == 3 ? t->root->first->next->first : NULL, &e);
	assert_span(e.sender.items[0].local, "s");
	assert_null(e.subject.ptr);
	arena_free(&a);
}

static void body_structure(void **state)
{
	struct arena *a = arena_new();
	struct mime_tree *t = mime_parse(a, span_str(nested), NULL);
	struct mime_body b;

	mime_body(a, t->root->last, &b);
	assert_span(b.type, "text");
	assert_span(b.encoding, "base64");
	assert_span(b.params[0].value, "x y");
	assert_span(b.disposition, "attachment");
	assert_span(b.disposition_params[0].name, "filename");
	assert_span(b.md5, "abc");
	assert_int_equal(b.octets, 10);
	assert_int_equal(b.lines, 1);
	assert_null(b.id.ptr);
	mime_body(a, t->root->first->last, &b);
	assert_span(b.id, "<p@x>");
	assert_int_equal(b.language_count, 2);
	assert_span(b.languages[1], "en");
	assert_null(b.disposition.ptr);
	mime_body(a,
		mime_parse(a, SPAN("Content-Type: multipart/mixed; boundary=b\r\n\r\nx"), NULL)
			->root,
		&b);
	assert_span(b.type, "text");
	assert_int_equal(b.param_count, 0);
	mime_body(a,
		mime_parse(a,
			SPAN("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nRg=="),
			NULL)
			->root,
		&b);
	assert_span(b.type, "application");
	arena_free(&a);
}

struct section_case {
	unsigned numbers[4];
	size_t count;
	const char *type; /* NULL: no such section */
};

static const struct section_case sections[] = {{{1}, 1, "multipart/alternative"},
	{{1, 2}, 2, "text/plain"}, {{2}, 1, "message/rfc822"}, {{2, 2}, 2, "text/plain"},
	{{2, 3}, 2, NULL}, {{3}, 1, "text/plain"}, {{4}, 1, NULL}, {{1, 1, 1}, 3, NULL},
	{{0}, 1, NULL}};

static void sections_by_number(void **state)
{
	struct arena *a = arena_new();
	struct mime_tree *t = mime_parse(a, span_str(nested), NULL);
	const unsigned one[] = {1, 1};

	for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
		const struct mime_part *p = mime_part_at(t, sections[i].numbers, sections[i].count);
		char *type = p ? arena_printf(a, SPAN_FMT "/" SPAN_FMT, SPAN_ARG(p->type.type),
					 SPAN_ARG(p->type.subtype))
			       : NULL;

		if (!type != !sections[i].type || (type && strcmp(type, sections[i].type) != 0))
			fail_msg("section case %zu: %s", i, type ? type : "none");
	}
	t = mime_parse(a, SPAN("Subject: x\r\n\r\nbody"), NULL);
	assert_ptr_equal(mime_part_at(t, one, 1), t->root);
	t = mime_parse(a, SPAN("Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nbody"), NULL);
	assert_ptr_equal(mime_part_at(t, one, 1), t->root);
	assert_ptr_equal(mime_part_at(t, one, 2), t->root->first);
	arena_free(&a);
}

struct preview_case {
	const char *name, *message, *preview;
};

static const struct preview_case previews[] = {
	{"plain is preferred", nested, "plain"},
	{"blanks are joined",
		H "\r\n  a \t b\r\n\r\n\x01"
		  "c\r\n",
		"a b c"},
	{"html",
		H
		"Content-Type: text/html; charset=utf-8\r\n\r\n<html><head><title>t</title><style>s{}</style>"
		"</head><body><!-- c --><p>a<b>b</b>c</p><script>x<y</script>&lt;1 &amp; 2&gt; &#233;&#x1F600; &bad; a < b</body>",
		"abc <1 & 2> \xc3\xa9\xf0\x9f\x98\x80 &bad; a < b"},
	{"quoted lines are left out", H "\r\n> old\r\nnew\r\n-- \r\nname\r\n", "new"},
	{"unless there is nothing else", H "\r\n> old\r\n", "> old"},
	{"decoded",
		H
		"Content-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\n8NLJ",
		"\xd0\x9f\xd1\x80\xd0\xb8"},
	{"no text", H "Content-Type: image/png\r\n\r\nx", ""},
	{"attachments are not shown", H "Content-Disposition: attachment\r\n\r\nx", ""},
	{"empty", "", ""},
};

static void preview_table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(previews); i++) {
		struct arena *a = arena_new();
		struct span m = span_str(previews[i].message);
		struct span p = mime_preview(a, mime_parse(a, m, NULL), m);

		if (!span_eq(p, span_str(previews[i].preview)))
			fail_msg("%s: '" SPAN_FMT "'", previews[i].name, SPAN_ARG(p));
		arena_free(&a);
	}
}

static void preview_ends_with_a_whole_character(void **state)
{
	struct arena *a = arena_new();
	struct span p;
	struct buf m;

	buf_init(&m, 1 << 20);
	buf_str(&m, H "Content-Type: text/plain; charset=utf-8\r\n\r\n");
	for (unsigned i = 0; i < 20000; i++)
		buf_str(&m, "\xe9\xa9\xbf");
	p = mime_preview(a, mime_parse(a, buf_span(&m), NULL), buf_span(&m));
	assert_int_equal(p.len, 3 * MIME_PREVIEW_CHARACTERS);
	assert_memory_equal(p.ptr + p.len - 3, "\xe9\xa9\xbf", 3);
	buf_fini(&m);
	arena_free(&a);
}

struct text_case {
	const char *name, *message, *text;
	bool joins_flows;
	const char *defects;
};

static const struct text_case texts[] = {
	{"plain", H "\r\na\r\nb\r\n", "a\r\nb\r\n", true, ""},
	{"koi8 in base64",
		H "Content-Type: text/plain; charset=koi8-r\r\n"
		  "Content-Transfer-Encoding: base64\r\n\r\n8NLJ",
		"\xd0\x9f\xd1\x80\xd0\xb8", true, ""},
	{"flowed", H "Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\na \r\nb\r\nc\r\n",
		"ab\nc\n", true, ""},
	{"flowed as it is", H "Content-Type: text/plain; format=flowed\r\n\r\na \r\nb\r\n",
		"a \r\nb\r\n", false, ""},
	{"damaged",
		H "Content-Type: text/plain; charset=utf-8\r\n"
		  "Content-Transfer-Encoding: quoted-printable\r\n\r\n=zz=FF",
		"=zz\xef\xbf\xbd", true, "quoted-printable-bad-escape octets-not-in-charset"},
};

static void texts_as_people_read_them(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		for (size_t cut = 1; cut < 60; cut += 19) {
			struct arena *a = arena_new();
			struct span m = span_str(texts[i].message);
			struct mime_part *p = mime_parse(a, m, NULL)->root;
			struct mime_text *t = mime_text_new(p, texts[i].joins_flows);
			uint64_t defects;
			struct buf out;

			buf_init(&out, 1000);
			for (size_t at = (size_t)p->body_offset; at < m.len; at += cut)
				mime_text_feed(t, span_sub(m, at, cut), &out);
			defects = mime_text_end(t, &out);
			if (!span_eq(buf_span(&out), span_str(texts[i].text)))
				fail_msg("%s, cut %zu: '%s'", texts[i].name, cut, buf_cstr(&out));
			assert_span(defect_names(a, defects), texts[i].defects);
			mime_text_free(&t);
			buf_fini(&out);
			arena_free(&a);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(envelope),
		cmocka_unit_test(body_structure),
		cmocka_unit_test(sections_by_number),
		cmocka_unit_test(preview_table),
		cmocka_unit_test(texts_as_people_read_them),
		cmocka_unit_test(preview_ends_with_a_whole_character),
	};

	return cmocka_run_group_tests_name("proto/mail/mime_imap", tests, NULL, NULL);
}
