#include "mime_test.h"

#include <time.h>

#define H     "From: a@example.org\r\nDate: Mon, 23 Nov 2026 06:30:00 +0000\r\nMIME-Version: 1.0\r\n"
#define MULTI H "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define PART  "--b\r\nContent-Type: text/plain\r\n\r\n"

/* One part a line of the shape: "depth type/subtype [header body] lines". */
static void put_shape(struct buf *b, const struct mime_tree *t, struct span message)
{
	for (const struct mime_part *p = t->root; p; p = mime_part_next(p)) {
		MUST(p->header_offset <= p->body_offset && p->body_offset <= p->end_offset);
		MUST(p->end_offset <= message.len);
		buf_printf(b, "%u " SPAN_FMT "/" SPAN_FMT " %llu", p->depth, SPAN_ARG(p->type.type),
			SPAN_ARG(p->type.subtype), (unsigned long long)p->body_lines);
		if (p->kind == MIME_LEAF) {
			buf_str(b, " <");
			buf_span_put(b,
				span_sub(message, (size_t)p->body_offset,
					(size_t)(p->end_offset - p->body_offset)));
			buf_str(b, ">");
		}
		buf_str(b, "\n");
	}
}

struct parse_case {
	const char *name, *message, *shape, *defects;
};

static const struct parse_case cases[] = {
	{"plain", H "\r\nhello\r\n", "0 text/plain 1 <hello\r\n>\n", ""},
	{"nothing at all", "", "0 text/plain 0 <>\n", "no-from no-date"},
	{"no body", H, "0 text/plain 0 <>\n", ""},
	{"two parts", MULTI PART "one\r\n--b\r\n\r\ntwo\r\n\r\n--b--\r\n",
		"0 multipart/mixed 9\n1 text/plain 0 <one>\n1 text/plain 1 <two\r\n>\n", ""},
	{"preamble and epilogue are in no part", MULTI "pre\r\n" PART "x\r\n--b--\r\nepi\r\n",
		"0 multipart/mixed 7\n1 text/plain 0 <x>\n", ""},
	{"blanks behind a boundary", MULTI "--b \t\r\n\r\nx\r\n--b-- \r\n",
		"0 multipart/mixed 4\n1 text/plain 0 <x>\n", ""},
	{"part without header and body", MULTI "--b\r\n\r\n--b--\r\n",
		"0 multipart/mixed 3\n1 text/plain 0 <>\n", ""},
	{"message in a part",
		MULTI "--b\r\nContent-Type: message/rfc822\r\n\r\n" H "\r\nx\r\n--b--\r\n",
		"0 multipart/mixed 9\n1 message/rfc822 4\n2 text/plain 0 <x>\n", ""},
	{"digest",
		H "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\n" H
		  "\r\nx\r\n--b--\r\n",
		"0 multipart/digest 8\n1 message/rfc822 4\n2 text/plain 0 <x>\n", ""},
	{"LF only",
		"From: a@b.c\nDate: 1 Jan 2026 00:00:00 +0000\nMIME-Version: 1.0\n"
		"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n\n--b--\n",
		"0 multipart/mixed 5\n1 text/plain 1 <x\n>\n", ""},
	{"inner boundary begins like the outer one",
		MULTI "--b\r\nContent-Type: multipart/x; boundary=bc\r\n\r\n--bc\r\n\r\nx\r\n--bc--"
		      "\r\n--b--\r\n",
		"0 multipart/mixed 8\n1 multipart/x 3\n2 text/plain 0 <x>\n",
		"boundary-begins-with-an-outer-one"},
	{"two From fields", H "From: e@example.net\r\n\r\n", "0 text/plain 0 <>\n",
		"two-from-fields"},
	{"two From addresses", "From: a@b.c, d@e.f\r\nDate: 1 Jan 2026 00:00:00 +0000\r\n\r\n",
		"0 text/plain 0 <>\n", "several-from-addresses"},
	{"From is a group", "From: g: a@b.c;\r\nDate: 1 Jan 2026 00:00:00 +0000\r\n\r\n",
		"0 text/plain 0 <>\n", "from-is-no-address"},
	{"two subjects", H "Subject: a\r\nsubject: b\r\n\r\n", "0 text/plain 0 <>\n",
		"duplicate-field"},
	{"text between header and body", H "text\r\n\r\nx", "0 text/plain 2 <text\r\n\r\nx>\n",
		"text-between-header-and-body"},
	{"last boundary missing", MULTI PART "x\r\n",
		"0 multipart/mixed 4\n1 text/plain 1 <x\r\n>\n", "last-boundary-not-found"},
	{"first boundary missing", MULTI "x\r\n", "0 multipart/mixed 1\n",
		"first-boundary-not-found last-boundary-not-found"},
	{"text behind a boundary", MULTI PART "x\r\n--bx\r\n--b--\r\n",
		"0 multipart/mixed 6\n1 text/plain 1 <x\r\n--bx>\n", "text-behind-boundary"},
	{"boundary behind the last one",
		MULTI
		"--b\r\nContent-Type: multipart/x; boundary=c\r\n\r\n--c\r\n\r\nx\r\n--c--\r\n"
		"--c\r\n--b--\r\n",
		"0 multipart/mixed 9\n1 multipart/x 4\n2 text/plain 0 <x>\n",
		"boundary-behind-the-last"},
	{"no boundary parameter", H "Content-Type: multipart/mixed\r\n\r\n--b\r\n",
		"0 multipart/mixed 1\n", "multipart-without-boundary"},
	{"encoded multipart",
		H "Content-Transfer-Encoding: base64\r\n"
		  "Content-Type: multipart/mixed; boundary=b\r\n\r\n" PART "x\r\n--b--",
		"0 multipart/mixed 4\n1 text/plain 0 <x>\n", "encoded-multipart-or-message"},
	{"encoded message",
		H "Content-Transfer-Encoding: base64\r\n"
		  "Content-Type: message/rfc822\r\n\r\nRnJvbQ==\r\n",
		"0 message/rfc822 1 <RnJvbQ==\r\n>\n", "encoded-multipart-or-message"},
	{"two encodings",
		H "Content-Transfer-Encoding: 7bit\r\n"
		  "Content-Transfer-Encoding: base64\r\n\r\nx\r\n",
		"0 text/plain 1 <x\r\n>\n", "duplicate-transfer-encoding"},
	{"unknown encoding", H "Content-Transfer-Encoding: rot13\r\n\r\nx\r\n",
		"0 text/plain 1 <x\r\n>\n", "unknown-transfer-encoding"},
	{"8-bit in 7bit", H "\r\n\xc3\xa9\r\n", "0 text/plain 1 <\xc3\xa9\r\n>\n",
		"8-bit-in-7bit-part"},
	{"bare CR", H "\r\na\rb\r\n", "0 text/plain 1 <a\rb\r\n>\n", "bare-cr"},
	{"mixed line ends", H "\r\na\nb\r\n", "0 text/plain 2 <a\nb\r\n>\n", "mixed-line-ends"},
	{"header is not UTF-8", H "Subject: \xe9\r\n\r\n", "0 text/plain 0 <>\n",
		"8-bit-header-not-utf-8"},
	{"blank before the colon", H "Subject : x\r\n\r\n", "0 text/plain 0 <>\n",
		"blank-before-colon"},
	{"no date, no version", "From: a@b.c\r\nContent-Type: text/html\r\n\r\n",
		"0 text/html 0 <>\n", "no-date no-mime-version"},
	{"type is nonsense", H "Content-Type: nonsense\r\n\r\n", "0 text/plain 0 <>\n",
		"content-type-is-malformed"},
	{"malformed Message-ID", H "Message-ID: x@y\r\n\r\n", "0 text/plain 0 <>\n",
		"message-id-is-malformed"},
	{"line that ends a header is the body's from its first octet",
		MULTI "--b\r\n\rxfilename\r\n--b--\r\n",
		"0 multipart/mixed 3\n1 text/plain 0 <\rxfilename>\n",
		"text-between-header-and-body bare-cr"},
	{"the same of a message in it", H "Content-Type: message/rfc822\r\n\rx: y\r\nz\r\n",
		"0 message/rfc822 2\n1 text/plain 2 <\rx: y\r\nz\r\n>\n",
		"text-between-header-and-body no-from no-date bare-cr"},
	{"header of an inner message cut by a boundary",
		H "Content-Type: multipart/digest; boundary=b\r\n\r\n--b\r\n\r\nX: y\r\n--b--\r\n",
		"0 multipart/digest 4\n1 message/rfc822 1\n2 text/plain 0 <>\n", "no-from no-date"},
	{"two types", H "Content-Type: text/html\r\nContent-Type: text/plain\r\n\r\n",
		"0 text/html 0 <>\n", "duplicate-content-type"},
	{"names differ",
		H "Content-Type: text/x; name=a.txt\r\n"
		  "Content-Disposition: attachment; filename=b.exe\r\n\r\n",
		"0 text/x 0 <>\n", "name-and-filename-differ"},
};

/* What a From field may look like: where the answer is not one plain address, it is told. */
static const struct {
	const char *from, *defects;
} froms[] = {
	{"a@example.org", ""},
	{"<a@example.org>", ""},
	{"Alice <a@example.org>", ""},
	{"\"a@example.net\" <a@example.org>", ""},
	{"=?utf-8?q?a=40example=2Enet?= <a@example.org>", ""},
	{"a@example.org (comment)", ""},
	{"(x@example.net) a@example.org", ""},
	{"a(x)@(y)example.org", ""},
	{"\r\n a@example.org", ""},
	{"\"a b\"@example.org", ""},
	{"a@[192.0.2.1]", ""},
	{"Alice P. <a@example.org>", "obsolete-address-syntax"},
	{"<@x.example:a@example.org>", "obsolete-address-syntax"},
	{"a@example.org,", "obsolete-address-syntax"},
	{",a@example.org", "obsolete-address-syntax"},
	{"a @ example.org", ""},
	{"a@example.org, b@example.net", "several-from-addresses"},
	{"<a@example.org>, <b@example.net>", "several-from-addresses"},
	{"<a@example.org> <b@example.net>", "from-is-no-address"},
	{"a@example.org <a@example.org>", "obsolete-address-syntax"},
	{"a@example.org <b@example.net>", "from-is-no-address obsolete-address-syntax"},
	{"a@example.org b@example.net", "from-is-no-address"},
	{"a@example.org; b@example.net", "several-from-addresses from-is-no-address"},
	{"group: a@example.org;", "from-is-no-address"},
	{"group: a@example.org, b@example.net;", "several-from-addresses from-is-no-address"},
	{"group:;", "from-is-no-address"},
	{"a@b@example.org", "from-is-no-address"},
	{"<a@example.org", "from-is-no-address"},
	{"a@example.org>", "from-is-no-address"},
	{"<<a@example.org>>", "from-is-no-address"},
	{"<a@example.org>x", "from-is-no-address"},
	{"\"a@example.org", "from-is-no-address quoted-string-not-closed"},
	{"a@example.org (x", "comment-not-closed"},
	{"a@example.org (x\\", "comment-not-closed"},
	{"a", "from-is-no-address"},
	{"@example.org", "from-is-no-address"},
	{"a@", "from-is-no-address"},
	{"<>", "from-is-no-address"},
	{"", "from-is-no-address"},
	{"a@example.org\x01", "from-is-no-address"},
	{"a@exa\rmple.org", "bare-cr-in-header from-is-no-address"},
};

static void forms_of_from(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(froms); i++) {
		struct arena *a = arena_new();
		char *m = arena_printf(
			a, "From: %s\r\nDate: 1 Jan 2026 00:00:00 +0000\r\n\r\n", froms[i].from);
		struct mime_tree *t = mime_parse(a, span_str(m), NULL);

		if (!span_eq(defect_names(a, t->defects), span_str(froms[i].defects)))
			fail_msg("From: %s: '" SPAN_FMT "'", froms[i].from,
				SPAN_ARG(defect_names(a, t->defects)));
		arena_free(&a);
	}
}

static size_t choose(void)
{
	static uint64_t state = 42; /* the same walk in every run */

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(state >> 33);
}

/* 0 whole, 1 octet by octet, else at random */
static struct mime_tree *parse(struct arena *a, struct span m, unsigned cut)
{
	struct mime_parser *p = mime_parser_new(a, NULL);

	while (m.len) {
		struct span piece = span_sub(m, 0,
			cut == 0           ? m.len
				: cut == 1 ? 1
					   : choose() % 9 + 1);
		char *copy = test_malloc(piece.len); /* ASan sees reads beyond the piece */

		memcpy(copy, piece.ptr, piece.len);
		mime_parser_feed(p, span_of(copy, piece.len));
		test_free(copy);
		m = span_skip(m, piece.len);
	}
	return mime_parser_end(&p);
}

static void structure_and_defects(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct parse_case *c = &cases[i];

		for (unsigned cut = 0; cut < 8; cut++) {
			struct arena *a = arena_new();
			struct mime_tree *t = parse(a, span_str(c->message), cut);
			struct buf shape;

			buf_init(&shape, 10000);
			put_shape(&shape, t, span_str(c->message));
			if (!span_eq(buf_span(&shape), span_str(c->shape)) ||
				!span_eq(defect_names(a, t->defects), span_str(c->defects)))
				fail_msg("%s, cut %u: '%s' with '" SPAN_FMT "'", c->name, cut,
					buf_cstr(&shape), SPAN_ARG(defect_names(a, t->defects)));
			buf_fini(&shape);
			arena_free(&a);
		}
	}
}

static void nul_is_seen_in_header_and_body(void **state)
{
	struct arena *a = arena_new();
	struct mime_tree *t = parse(a, SPAN(H "X: a\0b\r\n\r\nc\0d"), 0);

	assert_span(defect_names(a, t->defects), "nul-in-header nul-in-body");
	assert_true(t->root->has_nul);
	arena_free(&a);
}

static void fields_have_their_places(void **state)
{
	struct arena *a = arena_new();
	struct span m = SPAN("From: a@b.c\r\nX-Long:\r\n one\r\n two\r\n\r\nbody");
	struct mime_tree *t = parse(a, m, 1);
	const struct mime_field *f = t->root->fields;

	assert_int_equal(t->root->field_count, 2);
	assert_int_equal(f[1].offset, 13);
	assert_int_equal(f[1].len, 21);
	assert_span(f[1].name, "X-Long");
	assert_span(f[1].value, "\r\n one\r\n two");
	assert_span(span_sub(m, (size_t)f[1].value_offset, f[1].value.len), "\r\n one\r\n two");
	assert_int_equal(f[0].id, MIME_FIELD_FROM);
	assert_span(t->root->raw[MIME_FIELD_FROM], " a@b.c");
	assert_int_equal(t->root->body_offset, 36);
	arena_free(&a);
}

static void strict_reading_names_the_first_place(void **state)
{
	struct arena *a = arena_new();
	struct err e = {0};

	assert_int_equal(mime_tree_check(parse(a, SPAN(H "\r\nx"), 0), &e), 0);
	assert_int_equal(
		mime_tree_check(parse(a, SPAN("From: a@b.c\r\nFrom: d@e.f\r\n\r\n\0"), 0), &e), -1);
	assert_int_equal(e.code, ERR_SYNTAX);
	assert_int_equal(e.scope, ERR_SCOPE_MSG);
	assert_string_equal(e.text, "two-from-fields at octet 13");
	arena_free(&a);
}

static void from_line_of_an_mbox_is_left_out(void **state)
{
	struct span m = SPAN("From a@b.c Mon Nov 23 06:30:00 2026\nSubject: x\n\ny\n");

	for (unsigned cut = 0; cut < 2; cut++) {
		struct arena *a = arena_new();
		struct mime_parser *p = mime_parser_new(a, NULL);
		struct mime_tree *t;

		mime_parser_allow_from_line(p);
		for (size_t i = 0; i < m.len; i += cut ? 1 : m.len)
			mime_parser_feed(p, span_sub(m, i, cut ? 1 : m.len));
		t = mime_parser_end(&p);
		assert_int_equal(t->root->header_offset, 36);
		assert_int_equal(t->root->body_offset, 48);
		assert_int_equal(t->size, m.len);
		arena_free(&a);
	}
}

static void a_parser_that_is_left_leaks_nothing(void **state)
{
	struct arena *a = arena_new();
	struct mime_parser *p = mime_parser_new(a, NULL);

	mime_parser_feed(p, SPAN("Subject: x\r\n folded"));
	arena_free(&a);
}

/* The bombs: each ends soon and in little memory. `make` fills a buffer with the message. */
#define BOMB_OCTETS (50 << 20)
#define BOMB_MEMORY (64 << 20)
#if defined(__SANITIZE_ADDRESS__)
#define BOMB_SLOWER 10 /* the sanitizers' price */
#else
#define BOMB_SLOWER 1
#endif

static void make_parts(struct buf *b)
{
	buf_str(b, MULTI);
	for (unsigned i = 0; i < 100000; i++)
		buf_str(b, "--b\r\n\r\nx\r\n");
}

static void make_depth(struct buf *b)
{
	buf_str(b, H);
	for (unsigned i = 0; i < 10000; i++)
		buf_printf(b, "Content-Type: multipart/mixed; boundary=x%u\r\n\r\n--x%u\r\n", i, i);
}

static void make_messages(struct buf *b)
{
	for (unsigned i = 0; i < 10000; i++)
		buf_str(b, "Content-Type: message/rfc822\r\n\r\n");
}

static void make_params(struct buf *b)
{
	buf_str(b, H "Content-Type: text/plain");
	for (unsigned i = 0; i < 1000000; i++)
		buf_printf(b, ";\r\n a%u*%u*=b", i % 7, i);
	buf_str(b, "\r\n\r\n");
}

static void make_params_of_parts(struct buf *b)
{
	buf_str(b, MULTI);
	for (unsigned i = 0; i < 5000; i++) {
		buf_str(b, "--b\r\nContent-Type: text/plain");
		for (unsigned k = 0; k < 200; k++)
			buf_str(b, ";a*0=b");
		buf_str(b, "\r\n\r\n");
	}
}

static void make_one_field(struct buf *b)
{
	buf_str(b, H "Subject: ");
	while (buf_len(b) < BOMB_OCTETS)
		buf_str(b,
			"yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
}

static void make_folds(struct buf *b)
{
	buf_str(b, H "Subject: ");
	while (buf_len(b) < BOMB_OCTETS)
		buf_str(b,
			"\r\n yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy");
}

static void make_fields(struct buf *b)
{
	while (buf_len(b) < BOMB_OCTETS)
		buf_str(b, "X-Field-Name: value\r\n");
}

static void make_headers_of_parts(struct buf *b)
{
	buf_str(b, MULTI);
	while (buf_len(b) < BOMB_OCTETS) {
		buf_str(b, "--b\r\n");
		for (unsigned i = 0; i < 5000; i++)
			buf_str(b, "a:\r\n");
	}
}

static void make_addresses(struct buf *b)
{
	buf_str(b, "From: ");
	while (buf_len(b) < BOMB_OCTETS / 10)
		buf_str(b, "((\"<a@b>,(");
}

static const struct bomb {
	const char *name;
	void (*make)(struct buf *b);
	enum mime_defect defect;
	unsigned milliseconds;
} bombs[] = {
	{"10^5 parts", make_parts, MIME_PARTS_TOO_MANY, 100},
	{"depth 10^4", make_depth, MIME_TOO_DEEP, 100},
	{"10^4 messages in messages", make_messages, MIME_TOO_DEEP, 100},
	{"10^6 parameters", make_params, MIME_PARAM_TOO_MANY, 100},
	{"10^6 parameters in parts", make_params_of_parts, MIME_PARAM_TOO_MANY, 100},
	{"one field of 50 MB", make_one_field, MIME_HEADER_TOO_LONG, 100},
	{"one field of 50 MB in folds", make_folds, MIME_HEADER_TOO_LONG, 100},
	{"50 MB of fields", make_fields, MIME_HEADER_TOO_LONG, 100},
	{"50 MB of fields in parts", make_headers_of_parts, MIME_HEADER_TOO_LONG, 100},
	{"a From of open comments", make_addresses, MIME_COMMENT_OPEN, 100},
};

static void bombs_end_within_their_budgets(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bombs); i++) {
		struct arena *a = arena_new();
		struct mime_tree *t;
		struct buf b;
		clock_t start;
		double ms;

		buf_init(&b, BOMB_OCTETS + (1 << 20));
		bombs[i].make(&b);
		assert_true(buf_ok(&b));
		start = clock();
		t = mime_parse(a, buf_span(&b), NULL);
		ms = (double)(clock() - start) * 1000 / CLOCKS_PER_SEC;
		if (!(t->defects & mime_bit(bombs[i].defect)))
			fail_msg("%s: '" SPAN_FMT "'", bombs[i].name,
				SPAN_ARG(defect_names(a, t->defects)));
		if (arena_used(a) > BOMB_MEMORY || ms > bombs[i].milliseconds * BOMB_SLOWER)
			fail_msg("%s: %zu octets, %.0f ms", bombs[i].name, arena_used(a), ms);
		if (getenv("MIME_BOMBS"))
			print_message(
				"# %-30s %6.1f ms %9zu octets\n", bombs[i].name, ms, arena_used(a));
		buf_fini(&b);
		arena_free(&a);
	}
}

static void limits_can_be_set(void **state)
{
	const struct mime_limits limits = {.parts = 2,
		.depth = 2,
		.params = 1,
		.header_octets = 1000,
		.fields = 100,
		.defects = 1};
	struct arena *a = arena_new();
	struct mime_tree *t = mime_parse(
		a, SPAN(MULTI PART "1\r\n" PART "2\r\n--b--\r\n"), &limits);

	assert_int_equal(t->part_count, 2);
	assert_true(t->defects & mime_bit(MIME_PARTS_TOO_MANY));
	assert_span(span_sub(SPAN(MULTI PART "1\r\n" PART "2\r\n--b--\r\n"),
			    (size_t)t->root->first->body_offset,
			    (size_t)(t->root->first->end_offset - t->root->first->body_offset)),
		"1");
	t = mime_parse(
		a, SPAN(MULTI "--b\r\nContent-Type: message/rfc822\r\n\r\nx: y\r\n\r\n"), &limits);
	assert_true(t->defects & mime_bit(MIME_TOO_DEEP));
	assert_int_equal(t->root->first->kind, MIME_LEAF);
	assert_int_equal(t->noted_count, 1);
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(structure_and_defects),
		cmocka_unit_test(forms_of_from),
		cmocka_unit_test(nul_is_seen_in_header_and_body),
		cmocka_unit_test(fields_have_their_places),
		cmocka_unit_test(strict_reading_names_the_first_place),
		cmocka_unit_test(from_line_of_an_mbox_is_left_out),
		cmocka_unit_test(a_parser_that_is_left_leaks_nothing),
		cmocka_unit_test(bombs_end_within_their_budgets),
		cmocka_unit_test(limits_can_be_set),
	};

	return cmocka_run_group_tests_name("proto/mail/mime_parse", tests, NULL, NULL);
}
