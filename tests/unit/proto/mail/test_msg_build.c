#include "mime_test.h"

#include "proto/mail/mail_word.h"
#include "proto/mail/mime_charset.h"
#include "proto/mail/mime_imap.h"
#include "proto/mail/msg_build.h"

#define OUT_MAX (8 << 20)

static const struct msg_settings plain = {
	.now_sec = 1795415400, .random = 0x1234, .id = 7, .host = SPAN("example.org")};

/* Written, its lines checked: CRLF everywhere, none too long. The caller frees with buf_fini. */
static struct buf written(struct msg *m, const struct msg_settings *s)
{
	struct buf b;
	struct err e = {0};
	size_t line = 0;

	buf_init(&b, OUT_MAX);
	if (msg_write_buf(m, s, &b, &e) < 0)
		fail_msg("not written: %s", e.text);
	for (const char *c = buf_cstr(&b); s->way != MSG_WAY_BINARY && *c; c++) {
		if (*c == '\n') {
			assert_true(c[-1] == '\r');
			line = 0;
		} else {
			assert_true(*c != '\r' || c[1] == '\n');
			assert_true(++line <= MSG_LINE_MUST + 1);
		}
	}
	assert_true(buf_len(&b) > 1 && b.mem[b.to - 1] == '\n');
	return b;
}

/* The field as it stands in what was written, without its name. */
static struct span field(struct arena *a, struct buf *b, const char *name)
{
	struct span value;

	assert_true(mail_header_find(buf_span(b), span_str(name), &value));
	return arena_span(a, value);
}

struct text_case {
	const char *name, *text, *field; /* NULL: only that it comes back */
	bool is_utf8;
	const char *charset;
};

#define X50  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X400 X50 X50 X50 X50 X50 X50 X50 X50

static const struct text_case texts[] = {
	{"plain", "Hello world", " Hello world"},
	{"empty", "", " "},
	{"folded at a blank", X50 " one two three " X50, " " X50 " one two three\r\n " X50},
	{"blanks are kept", "a  b \t c", " a  b \t c"},
	{"one word", "caf\xc3\xa9", " =?utf-8?q?caf=C3=A9?="},
	{"one word among others", "the caf\xc3\xa9 is open", " the =?utf-8?q?caf=C3=A9?= is open"},
	{"two words with their blank", "\xc3\xa9 \xc3\xa8 x", " =?utf-8?b?w6kgw6g=?= x"},
	{"base64 where it is shorter", "\xe9\xa9\xbf\xe7\xab\x99", " =?utf-8?b?6am/56uZ?="},
	{"looks like a word", "a =?utf-8?q?x?= b", " a =?utf-8?b?PT91dGYtOD9xP3g/PQ==?= b"},
	{"bare UTF-8", "caf\xc3\xa9", " caf\xc3\xa9", true},
	{"charset", "\xd0\x9f\xd1\x80\xd0\xb8", " =?koi8-r?b?8NLJ?=", false, "koi8-r"},
	{"charset that has not all", "\xd0\x9f\xe9\xa9\xbf", " =?utf-8?b?0J/pqb8=?=", false,
		"koi8-r"},
	{"charset with states", "\xe9\xa7\x85", " =?iso-2022-jp?b?GyRCMVgbKEI=?=", false,
		"iso-2022-jp"},
	{"charset that is none", "\xc3\xa9", " =?utf-8?q?=C3=A9?=", false, "koi8-r?=x"},
	{"long word", X400 X400 X400, NULL},
	{"long text that is not ASCII",
		"\xe9\xa9\xbf\xe7\xab\x99\xe7\x9a\x84\xe4\xbf\xa1\xe5\xb7\xae\xe5\x9c\xa8\xe5\xa4\x9c\xe9\x87\x8c"
		"\xe6\x8d\xa2\xe9\xa9\xac \xe9\xa9\xbf\xe7\xab\x99\xe7\x9a\x84\xe4\xbf\xa1\xe5\xb7\xae\xe5\x9c\xa8"
		"\xe5\xa4\x9c\xe9\x87\x8c\xe6\x8d\xa2\xe9\xa9\xac",
		NULL},
	{"words in turn", X50 " \xc3\xa9 " X50 " \xc3\xa9\xc3\xa9\xc3\xa9 " X50 " x " X50, NULL},
	{"many blanks", "a                                                                     b",
		NULL},
};

static void free_text(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const struct text_case *t = &texts[i];
		struct arena *a = arena_new();
		struct msg_settings s = plain;
		struct msg *m = msg_new();
		struct buf b;
		struct span got;

		s.is_utf8 = t->is_utf8;
		s.charset = span_str(t->charset);
		assert_int_equal(msg_add_text(m, SPAN("Subject"), span_str(t->text), NULL), 0);
		b = written(m, &s);
		got = field(a, &b, "Subject");
		if (t->field && !span_eq(got, span_str(t->field)))
			fail_msg("%s: '" SPAN_FMT "'", t->name, SPAN_ARG(got));
		for (struct span rest = got; rest.len;) {
			struct span line;

			span_cut(rest, '\n', &line, &rest);
			if (span_find_span(line, SPAN("=?")) >= 0)
				assert_true(line.len <= 78);
			assert_true(span_trim(line).len || got.len == 1);
		}
		got = mail_word_decode(a, got);
		if (!span_eq(got, span_str(t->text)) && !strchr(t->text, '\t'))
			fail_msg("%s came back as '" SPAN_FMT "'", t->name, SPAN_ARG(got));
		buf_fini(&b);
		msg_free(&m);
		arena_free(&a);
	}
}

struct list_case {
	const char *name, *list, *field;
	bool is_utf8;
};

static const struct list_case lists[] = {
	{"bare", "a@b.c", " a@b.c"},
	{"named", "Alice <a@b.c>", " Alice <a@b.c>"},
	{"quoted only when it must be", "\"Alice\" <a@b.c>, \"B, C\" <d@e.f>",
		" Alice <a@b.c>, \"B, C\" <d@e.f>"},
	{"quotes are escaped", "\"a \\\"b\\\\\" <a@b.c>", " \"a \\\"b\\\\\" <a@b.c>"},
	{"encoded name", "Zo\xc3\xab M\xc3\xbcller <z@b.c>",
		" =?utf-8?q?Zo=C3=AB_M=C3=BCller?= <z@b.c>"},
	{"name that was encoded", "=?iso-8859-1?q?Zo=EB?= <z@b.c>",
		" =?utf-8?q?Zo=C3=AB?= <z@b.c>"},
	{"bare UTF-8", "Zo\xc3\xab <z@b.c>, \xc3\xa9@b.c", " Zo\xc3\xab <z@b.c>, \xc3\xa9@b.c",
		true},
	{"group", "Team: a@b.c, X <d@e.f>;, g@h.i", " Team: a@b.c, X <d@e.f>;, g@h.i"},
	{"empty group", "undisclosed-recipients:;", " undisclosed-recipients:;"},
	{"quoted local part", "\"a b\"@c.d", " \"a b\"@c.d"},
	{"folded",
		"Alice Example <alice.example@example.org>, Bob Example <bob.example@example.org>",
		" Alice Example <alice.example@example.org>, Bob Example\r\n <bob.example@example.org>"},
};

static void address_fields(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct arena *a = arena_new();
		struct msg_settings s = plain;
		struct msg *m = msg_new();
		struct buf b;

		s.is_utf8 = lists[i].is_utf8;
		assert_int_equal(
			msg_add_mailboxes(m, SPAN("To"), span_str(lists[i].list), NULL), 0);
		b = written(m, &s);
		if (!span_eq(field(a, &b, "To"), span_str(lists[i].field)))
			fail_msg("%s: '" SPAN_FMT "'", lists[i].name, SPAN_ARG(field(a, &b, "To")));
		buf_fini(&b);
		msg_free(&m);
		arena_free(&a);
	}
}

static void fields_are_what_their_names_say(void **state)
{
	struct arena *a = arena_new();
	struct msg *m = msg_new();
	struct buf b;

	assert_int_equal(msg_add_text(m, SPAN("cc"), SPAN("\xc3\xa9 <a@b.c>"), NULL), 0);
	assert_int_equal(msg_add_text(m, SPAN("Resent-To"), SPAN("not an address"), NULL), -1);
	assert_int_equal(msg_add_text(m, SPAN("References"), SPAN("<a@b> <c@d>"), NULL), 0);
	assert_int_equal(msg_add_text(m, SPAN("In-Reply-To"), SPAN("<\xc3\xa9@b>"), NULL), -1);
	b = written(m, &plain);
	assert_span(field(a, &b, "cc"), " =?utf-8?q?=C3=A9?= <a@b.c>");
	assert_span(field(a, &b, "References"), " <a@b> <c@d>");
	buf_fini(&b);
	msg_free(&m);
	arena_free(&a);
}

static void mailboxes_one_by_one(void **state)
{
	struct arena *a = arena_new();
	struct msg *m = msg_new();
	struct buf b;

	assert_int_equal(msg_add_mailbox(m, SPAN("To"), SPAN("A, \"B\""), SPAN("a@b.c"), NULL), 0);
	assert_int_equal(msg_add_mailbox(m, SPAN("To"), SPAN(""), SPAN("d@e.f"), NULL), 0);
	assert_int_equal(
		msg_add_mailbox(m, SPAN("To"), SPAN("=?utf-8?q?x?="), SPAN("g@h.i"), NULL), 0);
	b = written(m, &plain);
	assert_span(field(a, &b, "To"),
		" \"A, \\\"B\\\"\" <a@b.c>, d@e.f, =?utf-8?b?PT91dGYtOD9xP3g/PQ==?= <g@h.i>");
	assert_int_equal(msg_add_mailbox(m, SPAN("Cc"), SPAN(""), SPAN("a@b.c, d@e.f"), NULL), -1);
	assert_int_equal(msg_add_mailbox(m, SPAN("Cc"), SPAN(""), SPAN("X <a@b.c>"), NULL), -1);
	assert_int_equal(msg_add_mailbox(m, SPAN("Cc"), SPAN(""), SPAN(""), NULL), -1);
	buf_fini(&b);
	msg_free(&m);
	arena_free(&a);
}

struct bad_case {
	const char *name;
	struct span field, value;
	enum err_code code;
};

static const struct bad_case bad[] = {
	{"CR LF in a value", SPAN("Subject"), SPAN("x\r\nBcc: y@z"), ERR_SYNTAX},
	{"LF in a value", SPAN("Subject"), SPAN("x\nBcc: y@z"), ERR_SYNTAX},
	{"CR in a value", SPAN("Subject"), SPAN("x\ry"), ERR_SYNTAX},
	{"a fold in a value", SPAN("Subject"), SPAN("x\r\n y"), ERR_SYNTAX},
	{"NUL in a value", SPAN("Subject"), SPAN("x\0y"), ERR_SYNTAX},
	{"not UTF-8", SPAN("Subject"), SPAN("\xff"), ERR_SYNTAX},
	{"colon in a name", SPAN("Subject: x"), SPAN("y"), ERR_SYNTAX},
	{"blank in a name", SPAN("Subject "), SPAN("y"), ERR_SYNTAX},
	{"line end in a name", SPAN("X\r\nBcc"), SPAN("y"), ERR_SYNTAX},
	{"no name", SPAN(""), SPAN("y"), ERR_SYNTAX},
	{"content field", SPAN("Content-Type"), SPAN("text/html"), ERR_SYNTAX},
	{"second From", SPAN("from"), SPAN("x@y"), ERR_EXISTS},
};

static void foreign_lines_are_refused(void **state)
{
	struct msg *m = msg_new();
	struct err e;

	assert_int_equal(msg_add_text(m, SPAN("From"), SPAN("a@b.c"), NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		memset(&e, 0, sizeof(e));
		if (msg_add_text(m, bad[i].field, bad[i].value, &e) == 0 || e.code != bad[i].code)
			fail_msg("%s: %s", bad[i].name, e.text);
		if (bad[i].code == ERR_SYNTAX) {
			struct msg_part *p = msg_part_text(m, SPAN("plain"), SPAN(""));

			assert_int_equal(
				msg_add_mailboxes(m, bad[i].field, bad[i].value, NULL), -1);
			if (i < 6) {
				assert_int_equal(msg_add_mailbox(m, SPAN("To"), bad[i].value,
							 SPAN("a@b.c"), NULL),
					-1);
				assert_int_equal(
					msg_part_param(p, SPAN("x"), bad[i].value, NULL), -1);
				assert_int_equal(msg_part_id(p, bad[i].value, NULL), -1);
				assert_int_equal(
					msg_part_disposition(p, SPAN("inline"), bad[i].value, NULL),
					-1);
				assert_int_equal(
					msg_part_disposition(p, bad[i].value, SPAN(""), NULL), -1);
				assert_int_equal(msg_part_description(p, bad[i].value, NULL), -1);
				assert_int_equal(
					msg_attach(m, SPAN(""), bad[i].value, SPAN(""), NULL), -1);
				assert_int_equal(
					msg_add_value(m, SPAN("X"), bad[i].value, NULL), -1);
			}
		}
	}
	msg_free(&m);
}

static void what_is_missing_is_made(void **state)
{
	struct msg *m = msg_new();
	struct buf b;

	b = written(m, &plain);
	assert_span(buf_span(&b),
		"Date: Mon, 23 Nov 2026 06:30:00 +0000\r\n"
		"Message-ID: <0000000000007.00000000004HM@example.org>\r\n"
		"MIME-Version: 1.0\r\n\r\n");
	buf_fini(&b);
	assert_int_equal(msg_add_date(m, SPAN("Date"), 0, 60, NULL), 0);
	assert_int_equal(msg_add_value(m, SPAN("Message-ID"), SPAN("<x@y>"), NULL), 0);
	assert_int_equal(msg_add_mailboxes(m, SPAN("Bcc"), SPAN("s@t.u"), NULL), 0);
	b = written(m, &plain);
	assert_span(buf_span(&b),
		"Date: Thu, 1 Jan 1970 01:00:00 +0100\r\nMessage-ID: <x@y>\r\n"
		"MIME-Version: 1.0\r\n\r\n");
	assert_span(msg_get(m, SPAN("message-id")), "<x@y>");
	assert_int_equal(msg_remove(m, SPAN("DATE")), 1);
	assert_null(msg_get(m, SPAN("Date")).ptr);
	buf_fini(&b);
	msg_free(&m);
}

struct body_case {
	const char *name, *text;
	enum msg_way way;
	const char *charset;
	const char *encoding; /* "": none is told */
	const char *type;
};

static const struct body_case bodies[] = {
	{"ASCII", "hello\nworld\n", MSG_WAY_7BIT, "", "", " text/plain; charset=us-ascii"},
	{"few 8-bit characters", "caf\xc3\xa9 and so on\n", MSG_WAY_7BIT, "", "quoted-printable",
		" text/plain; charset=utf-8"},
	{"many of them", "\xe9\xa9\xbf\xe7\xab\x99\n", MSG_WAY_7BIT, "", "base64",
		" text/plain; charset=utf-8"},
	{"8-bit way", "\xe9\xa9\xbf\xe7\xab\x99", MSG_WAY_8BIT, "", "8bit",
		" text/plain; charset=utf-8"},
	{"long lines", X400 X400 X400 "\n", MSG_WAY_8BIT, "", "quoted-printable",
		" text/plain; charset=us-ascii"},
	{"long lines, binary way", X400 X400 X400 "\n", MSG_WAY_BINARY, "", "binary",
		" text/plain; charset=us-ascii"},
	{"charset", "\xd0\x9f\xd1\x80\xd0\xb8", MSG_WAY_8BIT, "koi8-r", "8bit",
		" text/plain; charset=koi8-r"},
	{"7-bit charset", "\xe9\xa7\x85\n", MSG_WAY_7BIT, "iso-2022-jp", "",
		" text/plain; charset=iso-2022-jp"},
	{"charset that has not all", "\xe9\xa7\x85\n", MSG_WAY_8BIT, "koi8-r", "8bit",
		" text/plain; charset=utf-8"},
	{"all kinds of line ends", "a\rb\r\nc\nd", MSG_WAY_7BIT, "", "",
		" text/plain; charset=us-ascii"},
	{"dots and From", ".\n..\nFrom x\n \n", MSG_WAY_7BIT, "", "",
		" text/plain; charset=us-ascii"},
	{"empty", "", MSG_WAY_7BIT, "", "", " text/plain; charset=us-ascii"},
};

/* The decoded text of a part, in UTF-8. */
static struct span text_of(struct arena *a, struct buf *b, const struct mime_part *p)
{
	struct mime_decoder d;
	struct buf out;
	struct span text;
	uint64_t defects = 0;

	buf_init(&out, OUT_MAX);
	mime_decoder_init(&d, p->encoding);
	mime_decoder_feed(&d,
		span_sub(buf_span(b), (size_t)p->body_offset,
			(size_t)(p->end_offset - p->body_offset)),
		&out);
	mime_decoder_end(&d, &out);
	assert_int_equal(mime_decoder_defects(&d), 0);
	text = span_eq(p->type.type, SPAN("text"))
		? mime_charset_text(a, mime_part_charset(p), buf_span(&out), &defects)
		: arena_span(a, buf_span(&out));
	assert_int_equal(defects, 0);
	buf_fini(&out);
	return text;
}

static struct span crlf(struct arena *a, const char *text)
{
	char *out = arena_alloc(a, strlen(text) * 2 + 1);
	size_t n = 0;

	for (const char *c = text; *c; c++) {
		if (*c == '\n' || *c == '\r') {
			out[n++] = '\r';
			out[n++] = '\n';
			c += *c == '\r' && c[1] == '\n';
		} else {
			out[n++] = *c;
		}
	}
	return span_of(out, n);
}

static void texts_travel_as_the_way_allows(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		const struct body_case *c = &bodies[i];
		struct arena *a = arena_new();
		struct msg_settings s = plain;
		struct msg *m = msg_new();
		struct mime_tree *t;
		struct buf b;
		struct span text, want = crlf(a, c->text);

		s.way = c->way;
		s.charset = span_str(c->charset);
		assert_int_equal(msg_set_text(m, span_str(c->text), NULL), 0);
		b = written(m, &s);
		t = mime_parse(a, buf_span(&b), NULL);
		text = text_of(a, &b, t->root);
		if (text.len == want.len + 2) /* the line end that a message ends with */
			text.len -= 2;
		if (!span_eq(field(a, &b, "Content-Type"), span_str(c->type)) ||
			!span_eq(t->root->encoding_text,
				c->encoding[0] ? span_str(c->encoding) : SPAN("7bit")) ||
			!span_eq(text, want))
			fail_msg("%s: '%s'", c->name, buf_cstr(&b));
		assert_int_equal(t->defects & ~mime_bit(MIME_FROM_MISSING), 0);
		buf_fini(&b);
		msg_free(&m);
		arena_free(&a);
	}
}

static void shape(struct buf *b, const struct mime_tree *t)
{
	for (const struct mime_part *p = t->root; p; p = mime_part_next(p))
		buf_printf(b, "%u " SPAN_FMT "/" SPAN_FMT "\n", p->depth, SPAN_ARG(p->type.type),
			SPAN_ARG(p->type.subtype));
}

static const char forwarded[] =
	"From: x@y.z\r\nDate: Mon, 23 Nov 2026 06:30:00 +0000\r\n\r\ninner\r\n";

static void the_usual_shapes(void **state)
{
	struct arena *a = arena_new();
	struct msg *m = msg_new();
	struct mime_tree *t;
	struct buf b, s;
	const struct mime_part *p;

	buf_init(&s, OUT_MAX);
	assert_int_equal(msg_add_mailboxes(m, SPAN("From"), SPAN("a@b.c"), NULL), 0);
	assert_int_equal(msg_set_text(m, SPAN("text"), NULL), 0);
	assert_int_equal(msg_set_html(m, SPAN("<img src=cid:i@x>"), NULL), 0);
	assert_int_equal(msg_add_inline(m, SPAN("i@x"), SPAN("image/png"), SPAN("\x89PNG\0"),
				 SPAN("i.png"), NULL),
		0);
	assert_int_equal(msg_add_calendar(m, SPAN("REQUEST"), SPAN("BEGIN:VCALENDAR\n"), NULL), 0);
	assert_int_equal(msg_attach(m, SPAN("\xe4\xbf\xa1.pdf"), SPAN("application/pdf"),
				 SPAN("%PDF\n"), NULL),
		0);
	assert_int_equal(msg_attach_message(m, span_str(forwarded), NULL), 0);
	b = written(m, &plain);
	t = mime_parse(a, buf_span(&b), NULL);
	shape(&s, t);
	assert_span(buf_span(&s),
		"0 multipart/mixed\n1 multipart/alternative\n2 text/plain\n"
		"2 multipart/related\n3 text/html\n3 image/png\n2 text/calendar\n"
		"1 application/pdf\n1 message/rfc822\n2 text/plain\n");
	assert_span(defect_names(a, t->defects), "");
	p = t->root->first->next;
	assert_span(mime_part_filename(a, p), "\xe4\xbf\xa1.pdf");
	assert_true(mime_part_is_attachment(p));
	assert_span(text_of(a, &b, p), "%PDF\n");
	p = t->root->first->first->next->last;
	assert_span(p->raw[MIME_FIELD_CONTENT_ID], " <i@x>");
	assert_true(span_eq(text_of(a, &b, p), SPAN("\x89PNG\0")));
	p = t->root->first->last;
	assert_span(mime_value_param(&p->type, SPAN("method"))->value, "REQUEST");
	p = t->root->last;
	assert_span(span_sub(buf_span(&b), (size_t)p->body_offset,
			    (size_t)(p->end_offset - p->body_offset)),
		forwarded);
	buf_fini(&b);
	b = written(m, &plain); /* again, the same */
	assert_int_equal(mime_parse(a, buf_span(&b), NULL)->part_count, 10);
	buf_fini(&b);
	buf_fini(&s);
	msg_free(&m);
	arena_free(&a);
}

static void an_attachment_alone(void **state)
{
	struct arena *a = arena_new();
	struct msg *m = msg_new();
	struct buf b;

	assert_int_equal(
		msg_attach(m, SPAN("x"), SPAN("application/octet-stream"), SPAN(""), NULL), 0);
	b = written(m, &plain);
	assert_int_equal(mime_parse(a, buf_span(&b), NULL)->part_count, 2);
	buf_fini(&b);
	msg_free(&m);
	arena_free(&a);
}

static void parts_by_hand(void **state)
{
	struct arena *a = arena_new();
	struct msg *m = msg_new();
	struct msg_part *mixed = msg_part_multi(m, SPAN("mixed")),
			*inner = msg_part_multi(m, SPAN("x-own"));
	struct msg_part *text = msg_part_text(m, SPAN("x-diff"), SPAN("=_0000000000001234.0\n"));
	struct err e = {0};
	struct mime_tree *t;
	struct buf b;

	assert_int_equal(msg_part_param(text, SPAN("Name"), SPAN("a b"), NULL), 0);
	assert_int_equal(msg_part_description(text, SPAN("\xc3\xa9"), NULL), 0);
	assert_int_equal(msg_part_add(inner, text, NULL), 0);
	assert_int_equal(msg_part_add(mixed, inner, NULL), 0);
	assert_int_equal(msg_part_add(inner, mixed, &e), -1);
	assert_int_equal(e.code, ERR_STATE);
	assert_int_equal(msg_part_add(mixed, text, NULL), -1);
	assert_int_equal(msg_part_add(text, mixed, NULL), -1);
	assert_int_equal(msg_set_root(m, inner, NULL), -1);
	assert_int_equal(msg_set_root(m, mixed, NULL), 0);
	assert_null(msg_part_octets(m, SPAN("nonsense"), SPAN(""), NULL));
	assert_null(msg_part_octets(m, SPAN("multipart/mixed"), SPAN(""), NULL));
	b = written(m, &plain);
	t = mime_parse(a, buf_span(&b), NULL);
	assert_int_equal(t->part_count, 3);
	/* the text holds what would have been a boundary */
	assert_span(t->root->first->boundary, "=_0000000000001234.1");
	assert_span(mime_value_param(&t->root->first->first->type, SPAN("name"))->value, "a b");
	buf_fini(&b);
	msg_free(&m);
	arena_free(&a);
}

static void empty_multiparts_and_depth_are_refused(void **state)
{
	struct msg *m = msg_new();
	struct msg_part *p = msg_part_multi(m, SPAN("mixed"));
	struct err e = {0};
	struct buf b;
	int rc = 0;

	buf_init(&b, OUT_MAX);
	assert_int_equal(msg_set_root(m, p, NULL), 0);
	assert_int_equal(msg_write_buf(m, &plain, &b, &e), -1);
	assert_int_equal(e.code, ERR_STATE);
	for (unsigned i = 0; i < MSG_DEPTH_MAX + 1 && rc == 0; i++) {
		struct msg_part *outer = msg_part_multi(m, SPAN("mixed"));

		rc = msg_part_add(outer, p, &e);
		p = outer;
	}
	assert_int_equal(rc, -1);
	assert_int_equal(e.code, ERR_LIMIT);
	buf_fini(&b);
	msg_free(&m);
}

static void a_foreign_message_is_never_encoded(void **state)
{
	struct arena *a = arena_new();
	struct msg *m = msg_new();
	struct msg_settings s = plain;
	struct err e = {0};
	struct buf b;

	buf_init(&b, OUT_MAX);
	assert_int_equal(msg_attach_message(m, SPAN("From: x@y\r\n\r\ncaf\xc3\xa9\r\n"), NULL), 0);
	assert_int_equal(msg_write_buf(m, &s, &b, &e), -1);
	assert_int_equal(e.code, ERR_UNSUPPORTED);
	buf_fini(&b);
	s.way = MSG_WAY_8BIT;
	b = written(m, &s);
	assert_span(mime_parse(a, buf_span(&b), NULL)->root->encoding_text, "8bit");
	buf_fini(&b);
	msg_free(&m);
	arena_free(&a);
}

static void addresses_that_need_utf8(void **state)
{
	struct msg *m = msg_new();
	struct msg_settings s = plain;
	struct err e = {0};
	struct buf b;

	assert_int_equal(msg_add_mailboxes(m, SPAN("To"), SPAN("\xc3\xa9 <a@b.c>"), NULL), 0);
	assert_false(msg_needs_utf8(m));
	assert_int_equal(msg_add_mailboxes(m, SPAN("Cc"), SPAN("\xc3\xa9@b.c"), NULL), 0);
	assert_true(msg_needs_utf8(m));
	buf_init(&b, OUT_MAX);
	assert_int_equal(msg_write_buf(m, &s, &b, &e), -1);
	assert_int_equal(e.code, ERR_UNSUPPORTED);
	buf_fini(&b);
	s.is_utf8 = true;
	b = written(m, &s);
	buf_fini(&b);
	msg_free(&m);
}

struct feed {
	struct span rest;
	unsigned rewinds;
};

static int feed_read(void *arg, struct buf *out, size_t want, struct err *e)
{
	struct feed *f = arg;
	size_t n = want < 1000 ? want : 1000;

	if (f->rest.len == 13)
		return err_set(e, ERR_IO, "the disk is gone");
	buf_span_put(out, span_sub(f->rest, 0, n));
	f->rest = span_skip(f->rest, n);
	return 0;
}

static int feed_rewind(void *arg, struct err *e)
{
	struct feed *f = arg;

	f->rewinds++;
	f->rest = SPAN(X400 X400 X400);
	return 0;
}

static void bodies_from_a_source(void **state)
{
	struct arena *a = arena_new();
	struct feed f = {SPAN(X400 X400 X400), 0};
	struct msg_source source = {feed_read, feed_rewind, &f};
	struct msg *m = msg_new();
	struct err e = {0};
	struct buf b;

	assert_int_equal(msg_attach_source(m, SPAN("x"), SPAN("a/b"), &source, NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		b = written(m, &plain);
		assert_span(text_of(a, &b, mime_parse(a, buf_span(&b), NULL)->root->first),
			X400 X400 X400);
		buf_fini(&b);
	}
	assert_int_equal(f.rewinds, 1);
	msg_free(&m);
	m = msg_new();
	source.rewind = NULL;
	f.rest = SPAN("1234567890123"); /* fails */
	assert_int_equal(msg_attach_source(m, SPAN("x"), SPAN("a/b"), &source, NULL), 0);
	buf_init(&b, OUT_MAX);
	assert_int_equal(msg_write_buf(m, &plain, &b, &e), -1);
	assert_int_equal(e.code, ERR_IO);
	assert_int_equal(msg_write_buf(m, &plain, &b, &e), -1);
	assert_int_equal(e.code, ERR_STATE);
	buf_fini(&b);
	msg_free(&m);
	arena_free(&a);
}

static void parameters_that_are_long(void **state)
{
	static const char *const names[] = {X400, "a\"b\\c;d.txt", "\xe4\xbf\xa1" X50 X50,
		"100%.txt", "=?x?q?y?=",
		"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xf0\x9f\x98\x80"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct arena *a = arena_new();
		struct msg *m = msg_new();
		struct mime_tree *t;
		struct buf b;

		assert_int_equal(
			msg_attach(m, span_str(names[i]), SPAN("a/b"), SPAN("x"), NULL), 0);
		b = written(m, &plain);
		t = mime_parse(a, buf_span(&b), NULL);
		assert_span(mime_part_filename(a, t->root->first), names[i]);
		assert_int_equal(t->defects & ~mime_bit(MIME_FROM_MISSING), 0);
		for (struct span s = buf_span(&b), line; s.len;) {
			span_cut(s, '\n', &line, &s);
			assert_true(line.len <= MSG_LINE_SHOULD + 2);
		}
		buf_fini(&b);
		msg_free(&m);
		arena_free(&a);
	}
}

static void flowed_text(void **state)
{
	struct arena *a = arena_new();
	struct msg *m = msg_new();
	struct buf b;

	msg_set_flowed(m, true);
	assert_int_equal(msg_set_text(m, SPAN(X50 " " X50 "\n"), NULL), 0);
	b = written(m, &plain);
	assert_span(field(a, &b, "Content-Type"), " text/plain; charset=us-ascii; format=flowed");
	assert_true(span_ends_nocase(buf_span(&b), SPAN("\r\n\r\n" X50 " \r\n" X50 "\r\n")));
	buf_fini(&b);
	msg_free(&m);
	arena_free(&a);
}

struct envelope_case {
	const char *name, *header;
	const char *want; /* "from > rcpt rcpt"; NULL: refused */
	bool needs_utf8, is_resent;
};

static const struct envelope_case envelopes[] = {
	{"From, To, Cc, Bcc", "From: A <a@b>\r\nTo: b@c, d@e\r\nCc: f@g\r\nBcc: h@i\r\n",
		"a@b > b@c d@e h@i f@g"},
	{"Sender is first", "From: a@b, c@d\r\nSender: s@t\r\nTo: x@y\r\n", "s@t > x@y"},
	{"twice is once", "From: a@b\r\nTo: x@y, x@y\r\nCc: x@y\r\n", "a@b > x@y"},
	{"groups", "From: a@b\r\nTo: g: x@y, z@w;\r\n", "a@b > x@y z@w"},
	{"resent",
		"From: a@b\r\nTo: c@d\r\nResent-From: e@f\r\nResent-To: g@h\r\nResent-Bcc: i@j\r\n"
		"Resent-Date: Mon, 23 Nov 2026 06:30:00 +0000\r\n",
		"e@f > g@h i@j", false, true},
	{"resent by a sender",
		"Resent-Sender: q@r\r\nResent-From: e@f\r\nResent-To: g@h\r\n"
		"Resent-Date: x\r\nFrom: a@b\r\n",
		"q@r > g@h", false, true},
	{"without Resent-Date", "From: a@b\r\nTo: c@d\r\nResent-To: g@h\r\n", "a@b > c@d"},
	{"two Resent blocks", "Resent-Date: x\r\nResent-Date: y\r\nFrom: a@b\r\n", NULL},
	{"UTF-8", "From: a@b\r\nTo: \xc3\xa9@c\r\n", "a@b > \xc3\xa9@c", true},
	{"nobody", "Subject: x\r\n", " >"},
};

static void envelope_of_a_header(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(envelopes); i++) {
		const struct envelope_case *c = &envelopes[i];
		struct arena *a = arena_new();
		struct mime_tree *t = mime_parse(a, span_str(c->header), NULL);
		struct msg_envelope env;
		struct buf b;
		int rc = msg_envelope_of(a, t->root, &env, NULL);

		buf_init(&b, 1000);
		if (rc == 0) {
			buf_printf(&b, SPAN_FMT " >", SPAN_ARG(env.from));
			for (size_t k = 0; k < env.rcpt_count; k++)
				buf_printf(&b, " " SPAN_FMT, SPAN_ARG(env.rcpts[k]));
		}
		if ((rc < 0) != !c->want ||
			(c->want && !span_eq(buf_span(&b), span_str(c->want))) ||
			(rc == 0 &&
				(env.needs_utf8 != c->needs_utf8 || env.is_resent != c->is_resent)))
			fail_msg("%s: '%s'", c->name, buf_cstr(&b));
		buf_fini(&b);
		arena_free(&a);
	}
}

static void nobody_is_forgotten_in_silence(void **state)
{
	static const char *const fields[] = {"To: ", "Cc: ", "Bcc: "};

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct arena *a = arena_new();
		struct msg_envelope env;
		struct err e = {0};
		struct buf b;

		buf_init(&b, 1 << 20);
		buf_printf(&b, "From: a@b\r\n%sfirst@example.org", fields[i]);
		for (unsigned k = 0; k < 5000; k++)
			buf_printf(&b, ",\r\n recipient%u@example.org", k);
		buf_str(&b, "\r\n\r\n");
		assert_int_equal(
			msg_envelope_of(a, mime_parse(a, buf_span(&b), NULL)->root, &env, &e), -1);
		assert_int_equal(e.code, ERR_LIMIT);
		buf_fini(&b);
		arena_free(&a);
	}
}

static void bcc_leaves_the_header(void **state)
{
	static const struct {
		const char *in, *out;
		bool makes;
	} cases[] = {
		{"A: 1\r\nBcc: x@y,\r\n\tz@w\r\nB:  2\r\n 3\r\n\r\nBcc: body\r\n",
			"A: 1\r\nB:  2\r\n 3\r\n\r\n"},
		{"bcc : x\nResent-Bcc: y\nA: 1\n\nbody", "A: 1\n\r\n"},
		{"A: 1", "A: 1\r\n\r\n"},
		{"A: 1\r\n\r\n",
			"A: 1\r\nDate: Mon, 23 Nov 2026 06:30:00 +0000\r\n"
			"Message-ID: <0000000000007.00000000004HM@example.org>\r\n\r\n",
			true},
		{"Date: x\r\nMessage-ID: y\r\n\r\n", "Date: x\r\nMessage-ID: y\r\n\r\n", true},
		{"", "\r\n"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct arena *a = arena_new();
		struct span in = span_str(cases[i].in);
		struct buf b;

		buf_init(&b, 10000);
		assert_int_equal(msg_header_put(&b, mime_parse(a, in, NULL)->root, in,
					 cases[i].makes ? &plain : NULL, NULL),
			0);
		assert_span(buf_span(&b), cases[i].out);
		buf_fini(&b);
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(free_text),
		cmocka_unit_test(address_fields),
		cmocka_unit_test(fields_are_what_their_names_say),
		cmocka_unit_test(mailboxes_one_by_one),
		cmocka_unit_test(foreign_lines_are_refused),
		cmocka_unit_test(what_is_missing_is_made),
		cmocka_unit_test(texts_travel_as_the_way_allows),
		cmocka_unit_test(the_usual_shapes),
		cmocka_unit_test(an_attachment_alone),
		cmocka_unit_test(parts_by_hand),
		cmocka_unit_test(empty_multiparts_and_depth_are_refused),
		cmocka_unit_test(a_foreign_message_is_never_encoded),
		cmocka_unit_test(addresses_that_need_utf8),
		cmocka_unit_test(bodies_from_a_source),
		cmocka_unit_test(parameters_that_are_long),
		cmocka_unit_test(flowed_text),
		cmocka_unit_test(envelope_of_a_header),
		cmocka_unit_test(nobody_is_forgotten_in_silence),
		cmocka_unit_test(bcc_leaves_the_header),
	};

	return cmocka_run_group_tests_name("proto/mail/msg_build", tests, NULL, NULL);
}
