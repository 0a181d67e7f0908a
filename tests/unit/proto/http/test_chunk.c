#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/http/http_syntax.h"

struct chunk_case {
	const char *name, *text;
	enum err_code code;
	const char *data; /* NULL: does not end */
	size_t rest;      /* octets behind the end */
};

static const struct chunk_case cases[] = {
	{"nothing", "0\r\n\r\n", ERR_NONE, "", 0},
	{"one", "3\r\nabc\r\n0\r\n\r\n", ERR_NONE, "abc", 0},
	{"several, and what follows", "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\nGET /", ERR_NONE, "abcd", 5},
	{"hex of either case", "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", ERR_NONE,
		"01234567890123456789", 0},
	{"zeros in front", "003\r\nabc\r\n000\r\n\r\n", ERR_NONE, "abc", 0},
	{"line ends are content", "4\r\n\r\n\r\n\r\n0\r\n\r\n", ERR_NONE, "\r\n\r\n", 0},
	{"extensions", "3;a;b=c;d=\"e\\\";\"\r\nabc\r\n0;x\r\n\r\n", ERR_NONE, "abc", 0},
	{"trailers", "0\r\nA: b\r\nC:\r\n\r\nx", ERR_NONE, "", 1},
	{"not the end", "3\r\nabc\r\n0\r\n", ERR_NONE, NULL, 0},
	{"no size", "\r\nabc", ERR_SYNTAX, NULL, 0},
	{"no number", "x\r\n", ERR_SYNTAX, NULL, 0},
	{"a sign", "+3\r\nabc\r\n0\r\n\r\n", ERR_SYNTAX, NULL, 0},
	{"a prefix", "0x3\r\nabc\r\n0\r\n\r\n", ERR_SYNTAX, NULL, 0},
	{"a blank in front", " 3\r\nabc\r\n0\r\n\r\n", ERR_SYNTAX, NULL, 0},
	{"a blank behind", "3 \r\nabc\r\n0\r\n\r\n", ERR_SYNTAX, NULL, 0},
	{"a blank before an extension", "3 ;a\r\nabc\r\n0\r\n\r\n", ERR_SYNTAX, NULL, 0},
	{"bare LF behind the size", "3\nabc\r\n0\r\n\r\n", ERR_SYNTAX, NULL, 0},
	{"bare CR behind the size", "3\rabc\r\n0\r\n\r\n", ERR_SYNTAX, NULL, 0},
	{"bare LF behind the data", "3\r\nabc\n0\r\n\r\n", ERR_SYNTAX, NULL, 0},
	{"nothing behind the data", "3\r\nabc0\r\n\r\n", ERR_SYNTAX, NULL, 0},
	{"more data than was told", "3\r\nabcd\r\n0\r\n\r\n", ERR_SYNTAX, NULL, 0},
	{"bare LF at the end", "0\r\n\n", ERR_SYNTAX, NULL, 0},
	{"an extension without a name", "3;\r\nabc", ERR_SYNTAX, NULL, 0},
	{"an extension without a value", "3;a=\r\nabc", ERR_SYNTAX, NULL, 0},
	{"an extension with a line end", "3;a=\"\n\"\r\nabc", ERR_SYNTAX, NULL, 0},
	{"something behind a quoted value", "3;a=\"b\"c\r\nabc", ERR_SYNTAX, NULL, 0},
	{"bare LF in an extension", "3;a\nabc", ERR_SYNTAX, NULL, 0},
	{"a trailer that is none", "0\r\nA b\r\n\r\n", ERR_SYNTAX, NULL, 0},
	{"a folded trailer", "0\r\nA: b\r\n c\r\n\r\n", ERR_SYNTAX, NULL, 0},
	{"a trailer with bare LF", "0\r\nA: b\n\r\n", ERR_SYNTAX, NULL, 0},
	{"a size beyond all", "1000000000000000\r\n", ERR_LIMIT, NULL, 0},
};

static void feed(const struct chunk_case *c, size_t step)
{
	struct http_chunks chunks = {0};
	struct span all = span_str(c->text), data;
	struct err e = {0};
	struct buf got;
	size_t at = 0;
	int rc = 0;

	buf_init(&got, 4096);
	while (rc == 0 && at < all.len && !chunks.is_done) {
		struct span in = span_sub(all, at, step), before = in;

		rc = http_chunks_take(&chunks, &in, &data, &e);
		at += before.len - in.len;
		buf_span_put(&got, data);
	}
	if ((rc < 0 ? e.code : ERR_NONE) != c->code)
		fail_msg("%s (step %zu): %s", c->name, step, e.text);
	if (rc == 0 && chunks.is_done != (c->data != NULL))
		fail_msg("%s (step %zu): done %d", c->name, step, chunks.is_done);
	if (c->data && (!span_eq(buf_span(&got), span_str(c->data)) || all.len - at != c->rest))
		fail_msg("%s (step %zu): '%s', %zu behind", c->name, step, buf_cstr(&got),
			all.len - at);
	buf_fini(&got);
}

static void chunks_are_read_in_any_cut(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t step = 1; step < 40; step++)
			feed(&cases[i], step);
}

/* `unit` again and again behind `front` until it is refused; after how many octets. */
static size_t until_refused(const char *front, const char *unit)
{
	struct http_chunks chunks = {0};
	struct err e = {0};
	size_t n = 0;
	struct span in = span_str(front), data;

	while (in.len)
		assert_int_equal(http_chunks_take(&chunks, &in, &data, &e), 0);
	for (; n < 1000000; n += strlen(unit)) {
		in = span_str(unit);
		while (in.len)
			if (http_chunks_take(&chunks, &in, &data, &e) < 0) {
				assert_int_equal(e.code, ERR_LIMIT);
				return n;
			}
	}
	return n;
}

static void what_surrounds_the_data_is_bounded(void **state)
{
	assert_in_range(until_refused("1;", "x"), 1, HTTP_CHUNK_LINE_MAX);
	assert_in_range(until_refused("", "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n"), 1,
		2 * HTTP_CHUNK_EXT_MAX);
	assert_in_range(until_refused("0\r\nX: ", "x"), 1, HTTP_TRAILERS_MAX);
	assert_in_range(until_refused("0\r\n", "X: y\r\n"), 1, HTTP_TRAILER_LINES_MAX * 6);
	assert_in_range(until_refused("", "0"), 1, HTTP_CHUNK_DIGITS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunks_are_read_in_any_cut),
		cmocka_unit_test(what_surrounds_the_data_is_bounded),
	};

	return cmocka_run_group_tests_name("proto/http/chunk", tests, NULL, NULL);
}
