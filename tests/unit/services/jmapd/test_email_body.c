/* Parts, lists and decoded text (RFC 8621 section 4.1.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/must.h"
#include "services/jmapd/jmapd_email_body.h"

static void put_blob(struct json_out *j, const struct jmap_mail *m, const struct mime_part *p)
{
	(void)m;
	json_u64(j, p->body_offset);
}

struct case_mail {
	struct arena *a;
	struct jmap_piece piece;
	struct jmap_mail m;
	struct mime_bodies bodies;
	struct buf *out;
	struct json_out j;
};

static void begin(struct case_mail *c, struct span message)
{
	*c = (struct case_mail){.a = arena_new()};
	c->piece.octets = message;
	c->m.tree = mime_parse(c->a, message, NULL);
	jmap_mail_tidy(c->m.tree);
	c->m.pieces = &c->piece;
	c->m.piece_count = 1;
	c->m.put_blob = put_blob;
	jmap_headers_add(c->a, &c->m.headers, message);
	mime_bodies(c->a, c->m.tree, &c->bodies);
	c->out = arena_buf(c->a, 1 << 20);
	json_out_init(&c->j, c->out);
}

static struct jmap_part_want want_of(struct arena *a, const struct span *names, size_t count)
{
	struct jmap_part_want w;
	struct span bad;

	assert_true(jmap_part_want_of(a, names, count, &w, &bad));
	return w;
}

static const struct structure_case {
	const char *name, *message, *want;
} structures[] = {
	{"text alone", "Subject: x\r\n\r\nabc\r\n",
		"{\"partId\":\"1\",\"blobId\":14,\"size\":5,\"name\":null,\"type\":\"text/plain\","
		"\"charset\":\"us-ascii\",\"disposition\":null,\"cid\":null,\"language\":null,"
		"\"location\":null}"},
	{"all that a part can tell",
		"Content-Type: Image/PNG; name=a.png\r\nContent-Transfer-Encoding: base64\r\n"
		"Content-Disposition: inline; filename*=utf-8''%e9%a7%85.png\r\nContent-ID: <x@y>\r\n"
		"Content-Language: de, (English) en-GB\r\nContent-Location: http://x/\r\n\r\nAAEC\r\n",
		"{\"partId\":\"1\",\"blobId\":222,\"size\":3,\"name\":\"\xe9\xa7\x85.png\","
		"\"type\":\"image/png\",\"charset\":null,\"disposition\":\"inline\",\"cid\":\"x@y\","
		"\"language\":[\"de\",\"en-GB\"],\"location\":\"http://x/\"}"},
	{"a multipart has parts, no id and no blob",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n"
		"Content-Type: message/rfc822\r\n\r\nSubject: y\r\n\r\nz\r\n--b--\r\n",
		"{\"partId\":null,\"blobId\":null,\"size\":73,\"name\":null,"
		"\"type\":\"multipart/mixed\",\"charset\":null,\"disposition\":null,\"cid\":null,"
		"\"language\":null,\"location\":null,\"subParts\":["
		"{\"partId\":\"1\",\"blobId\":52,\"size\":3,\"name\":null,\"type\":\"text/plain\","
		"\"charset\":\"us-ascii\",\"disposition\":null,\"cid\":null,\"language\":null,"
		"\"location\":null},"
		"{\"partId\":\"2\",\"blobId\":94,\"size\":15,\"name\":null,"
		"\"type\":\"message/rfc822\",\"charset\":null,\"disposition\":null,\"cid\":null,"
		"\"language\":null,\"location\":null}]}"},
	{"a multipart in which nothing is found is text",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\nhello",
		"{\"partId\":\"1\",\"blobId\":45,\"size\":5,\"name\":null,\"type\":\"text/plain\","
		"\"charset\":\"us-ascii\",\"disposition\":null,\"cid\":null,\"language\":null,"
		"\"location\":null}"},
};

static void structure(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(structures); i++) {
		struct case_mail c;
		struct jmap_part_want w;

		begin(&c, span_str(structures[i].message));
		w = want_of(c.a, NULL, 0);
		jmap_put_structure(&c.j, c.a, &c.m, &w);
		if (!span_eq(buf_span(c.out), span_str(structures[i].want)))
			fail_msg("%s: " SPAN_FMT, structures[i].name, SPAN_ARG(buf_span(c.out)));
		arena_free(&c.a);
	}
}

static void properties_of_parts(void **state)
{
	static const struct span names[] = {{"header:X-A:asText", 17}, {"type", 4}, {"headers", 7},
		{"subParts", 8}, {"type", 4}};
	struct span bad_name = SPAN("headerz"), bad;
	struct jmap_part_want w;
	struct case_mail c;

	(void)state;
	begin(&c,
		SPAN("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX-A: =?utf-8?q?=41?=\r\n\r\n"
		     "one\r\n--b--\r\n"));
	w = want_of(c.a, names, ARRAY_LEN(names));
	assert_int_equal(w.count, 4); /* each once */
	jmap_put_parts(&c.j, c.a, &c.m, &c.bodies.text, &w);
	assert_string_equal(buf_cstr(c.out),
		"[{\"header:X-A:asText\":\"A\",\"type\":\"text/plain\","
		"\"headers\":[{\"name\":\"X-A\",\"value\":\" =?utf-8?q?=41?=\"}],\"subParts\":null}]");
	assert_false(jmap_part_want_of(c.a, &bad_name, 1, &w, &bad));
	arena_free(&c.a);
}

static const struct value_case {
	const char *name, *message;
	uint64_t max;
	const char *want; /* of all text parts */
} values[] = {
	{"line ends are LF", "Subject: x\r\n\r\na\r\nb\rc\nd\r\n", 0,
		"{\"1\":{\"value\":\"a\\nb\\rc\\nd\\n\",\"isEncodingProblem\":false,\"isTruncated\":false}}"},
	{"quoted-printable and UTF-8",
		"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
		"quoted-printable\r\n\r\ncaf=C3=A9=\r\n!\r\n",
		0,
		"{\"1\":{\"value\":\"caf\xc3\xa9!\\n\",\"isEncodingProblem\":false,\"isTruncated\":false}}"},
	{"GB18030 in base64",
		"Content-Type: text/plain; charset=gb18030\r\nContent-Transfer-Encoding: base64\r\n\r\n"
		"5uTVvg==\r\n",
		0,
		"{\"1\":{\"value\":\"\xe9\xa9\xbf\xe7\xab\x99\",\"isEncodingProblem\":false,\"isTruncated\":false}}"},
	{"octets that mean nothing in the charset",
		"Content-Type: text/plain; charset=utf-8\r\n\r\na\xff"
		"b",
		0,
		"{\"1\":{\"value\":\"a\xef\xbf\xbd"
		"b\",\"isEncodingProblem\":true,\"isTruncated\":false}}"},
	{"an unknown charset", "Content-Type: text/plain; charset=x-none\r\n\r\nabc", 0,
		"{\"1\":{\"value\":\"abc\",\"isEncodingProblem\":true,\"isTruncated\":false}}"},
	{"an unknown transfer encoding", "Content-Transfer-Encoding: x-rot13\r\n\r\nabc", 0,
		"{\"1\":{\"value\":\"abc\",\"isEncodingProblem\":true,\"isTruncated\":false}}"},
	{"cut in front of a character", "Content-Type: text/plain; charset=utf-8\r\n\r\nab\xc3\xa9",
		3, "{\"1\":{\"value\":\"ab\",\"isEncodingProblem\":false,\"isTruncated\":true}}"},
	{"as long as it may be", "Content-Type: text/plain; charset=utf-8\r\n\r\nab\xc3\xa9", 4,
		"{\"1\":{\"value\":\"ab\xc3\xa9\",\"isEncodingProblem\":false,\"isTruncated\":false}}"},
	{"cut in front of a tag", "Content-Type: text/html\r\n\r\nab<b>c</b>", 4,
		"{\"1\":{\"value\":\"ab\",\"isEncodingProblem\":false,\"isTruncated\":true}}"},
	{"cut behind a tag", "Content-Type: text/html\r\n\r\n1 < 2<b>c</b>", 8,
		"{\"1\":{\"value\":\"1 < 2<b>\",\"isEncodingProblem\":false,\"isTruncated\":true}}"},
	{"only text has a value",
		"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/x-a\r\n\r\n1\r\n"
		"--b\r\nContent-Type: application/x\r\n\r\n2\r\n--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n"
		"--c\r\n\r\n3\r\n--c--\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\r\nin it\r\n--b--\r\n",
		0,
		"{\"1\":{\"value\":\"1\",\"isEncodingProblem\":false,\"isTruncated\":false},"
		"\"3.1\":{\"value\":\"3\",\"isEncodingProblem\":false,\"isTruncated\":false}}"},
};

static void text_of_parts(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		struct jmap_values_want w = {.is_all = true, .max_octets = values[i].max};
		struct case_mail c;

		begin(&c, span_str(values[i].message));
		jmap_put_values(&c.j, c.a, &c.m, &c.bodies, &w);
		if (!span_eq(buf_span(c.out), span_str(values[i].want)))
			fail_msg("%s: " SPAN_FMT, values[i].name, SPAN_ARG(buf_span(c.out)));
		arena_free(&c.a);
	}
}

/* CRLF on every border of what is decoded at a time. */
static void long_text_is_whole(void **state)
{
	struct jmap_values_want w = {.is_text = true};
	struct case_mail c;
	struct buf m;

	(void)state;
	buf_init(&m, 1 << 20);
	buf_str(&m, "A: b\r\n\r\n");
	for (int i = 0; i < 30000; i++)
		buf_str(&m, i % 7 ? "ab\r\n" : "c\r\n");
	begin(&c, buf_span(&m));
	jmap_put_values(&c.j, c.a, &c.m, &c.bodies, &w);
	assert_int_equal(span_find(buf_span(c.out), '\r'), -1);
	assert_true(span_find_span(buf_span(c.out), SPAN("\\r")) < 0);
	arena_free(&c.a);
	buf_fini(&m);
}

static void deep_structure_is_told(void **state)
{
	struct jmap_part_want w;
	struct case_mail c;
	struct buf m;

	(void)state;
	buf_init(&m, 1 << 20);
	for (int i = 0; i < 300; i++)
		buf_printf(&m, "Content-Type: multipart/x; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
	buf_str(&m, "\r\nx");
	begin(&c, buf_span(&m));
	w = want_of(c.a, NULL, 0);
	json_open_object(&c.j);
	json_key(&c.j, "list");
	json_open_array(&c.j);
	json_open_object(&c.j);
	json_key(&c.j, "bodyStructure");
	jmap_put_structure(&c.j, c.a, &c.m, &w);
	json_close(&c.j);
	json_close(&c.j);
	json_close(&c.j);
	assert_true(buf_ok(c.out));
	arena_free(&c.a);
	buf_fini(&m);
}

static void decoded_sizes(void **state)
{
	(void)state;
	assert_int_equal(jmap_decoded_size(MIME_CTE_BASE64, SPAN("AAECAw==\r\n")), 4);
	assert_int_equal(jmap_decoded_size(MIME_CTE_QP, SPAN("a=\r\nb=3D\r\n")), 5);
	assert_int_equal(jmap_decoded_size(MIME_CTE_8BIT, SPAN("a\r\n")), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(structure),
		cmocka_unit_test(properties_of_parts),
		cmocka_unit_test(text_of_parts),
		cmocka_unit_test(long_text_is_whole),
		cmocka_unit_test(deep_structure_is_told),
		cmocka_unit_test(decoded_sizes),
	};

	return cmocka_run_group_tests_name("services/jmapd_email_body", tests, NULL, NULL);
}
