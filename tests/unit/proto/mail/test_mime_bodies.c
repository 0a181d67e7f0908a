#include "mime_test.h"

#include "proto/mail/mime_bodies.h"
#include "proto/mail/mime_layout.h"

#define M(sub, b)   "Content-Type: multipart/" sub "; boundary=" b "\r\n\r\n"
#define IN          "Content-Disposition: inline\r\n"
#define OUT         "Content-Disposition: attachment\r\n"
#define P(id, type) "Content-ID: " id "\r\nContent-Type: " type "\r\n"
#define END         "\r\nx\r\n"

struct bodies_case {
	const char *name, *message, *text, *html, *attachments;
};

static const struct bodies_case cases[] = {
	/* the example of RFC 8621 section 4.1.4 */
	{"example",
		M("mixed", "a") "--a\r\n" P("A", "text/plain") IN END
		"--a\r\n" M("mixed", "b") "--b\r\n" M("alternative", "c") "--c\r\n" M(
			"mixed", "d") "--d\r\n" P("B", "text/plain") IN END
		"--d\r\n" P("C", "image/jpeg") IN END "--d\r\n" P("D", "text/plain") IN END
		"--d--\r\n--c\r\n" M("related", "e") "--e\r\n" P("E", "text/html") END
		"--e\r\n" P("F", "image/jpeg") END "--e--\r\n--c--\r\n--b\r\n" P("G", "image/jpeg")
			OUT END "--b\r\n" P("H", "application/x-excel") END
		"--b\r\n" P("J", "message/rfc822") END "--b--\r\n--a\r\n" P("K", "text/plain")
			IN END "--a--\r\n",
		"A B C D K", "A E K", "C F G H J"},
	{"plain alone", P("A", "text/plain") END, "A", "A", ""},
	{"html alone", P("A", "text/html") END, "A", "A", ""},
	{"attachment alone", P("A", "text/plain") OUT END, "", "", "A"},
	{"binary alone", P("A", "application/pdf") END, "", "", "A"},
	{"alternative",
		M("alternative", "a") "--a\r\n" P("A", "text/plain") END
		"--a\r\n" P("B", "text/html") END "--a--",
		"A", "B", ""},
	{"alternative of HTML only",
		M("alternative", "a") "--a\r\n" P("A", "text/html") END "--a--", "A", "A", ""},
	{"alternative with a calendar",
		M("alternative", "a") "--a\r\n" P("A", "text/plain") END
		"--a\r\n" P("B", "text/calendar") END "--a--",
		"A", "A", "B"},
	{"text with a name behind the first part",
		M("mixed", "a") "--a\r\n" P("A", "text/plain") END
		"--a\r\n" P("B", "text/plain; name=x") END "--a--",
		"A", "A", "B"},
	{"image in the text",
		M("mixed", "a") "--a\r\n" P("A", "text/plain") END "--a\r\n" P("B", "image/png") END
		"--a--",
		"A B", "A B", ""},
	{"empty multipart", M("mixed", "a"), "", "", "?"},
};

static struct span ids(struct arena *a, const struct mime_part_list *l)
{
	struct buf b;
	struct span s;

	buf_init(&b, 1000);
	for (size_t i = 0; i < l->count; i++) {
		struct span id = l->items[i]->raw[MIME_FIELD_CONTENT_ID];

		if (i)
			buf_char(&b, ' ');
		buf_span_put(&b, id.ptr ? span_trim(id) : SPAN("?"));
	}
	s = arena_span(a, buf_span(&b));
	buf_fini(&b);
	return s;
}

/* What is kept of a message says the same as the message. */
static struct mime_tree *through_layout(struct arena *a, const struct mime_tree *t)
{
	struct buf *b = arena_buf(a, 1 << 20);
	struct mime_layout l;

	mime_layout_put(b, a, t);
	assert_true(mime_layout_open(buf_span(b), &l));
	return mime_layout_tree(a, &l);
}

static void what_is_shown_and_what_is_attached(void **state)
{
	for (size_t k = 0; k < 2 * ARRAY_LEN(cases); k++) {
		size_t i = k / 2;
		struct arena *a = arena_new();
		struct mime_tree *t = mime_parse(a, span_str(cases[i].message), NULL);
		struct mime_bodies b;

		mime_bodies(a, k % 2 ? through_layout(a, t) : t, &b);
		if (!span_eq(ids(a, &b.text), span_str(cases[i].text)) ||
			!span_eq(ids(a, &b.html), span_str(cases[i].html)) ||
			!span_eq(ids(a, &b.attachments), span_str(cases[i].attachments)))
			fail_msg("%s: '" SPAN_FMT "' '" SPAN_FMT "' '" SPAN_FMT "'", cases[i].name,
				SPAN_ARG(ids(a, &b.text)), SPAN_ARG(ids(a, &b.html)),
				SPAN_ARG(ids(a, &b.attachments)));
		arena_free(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_shown_and_what_is_attached),
	};

	return cmocka_run_group_tests_name("proto/mail/mime_bodies", tests, NULL, NULL);
}
