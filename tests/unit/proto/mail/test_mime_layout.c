#include "mime_test.h"

#include "lib/layout_check.h"

static const char *const messages[] = {
	"",
	"A: b\r\n\r\ntext\r\n",
	"Content-Type: multipart/mixed; boundary=b\r\n\r\nnothing",
	"Content-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\ny",
	"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
	"--b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n"
	"--c\r\nContent-Type: text/html; charset=UTF-8\r\n\r\n<p>html</p>\r\n"
	"--c\r\nContent-Type: text/plain; charset=utf-8; format=flowed\r\n\r\nplain\r\n--c--\r\n"
	"--b\r\nContent-Type: message/rfc822\r\n\r\n"
	"Content-Type: multipart/x; boundary=d\r\n\r\n--d\r\n\r\none\r\n--d\r\n\r\ntwo\r\n--d--\r\n"
	"--b\r\nContent-Type: text/plain; name*=utf-8''%e9%a7%85\r\nContent-Disposition: attachment\r\n"
	"Content-ID: <c@d>\r\nContent-Language: de\r\nContent-Location: http://x/\r\n"
	"Content-Transfer-Encoding: BASE64\r\n\r\naGVsbG8=\r\n--b--\r\n",
};

static void tells_what_the_tree_tells(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		struct arena *a = arena_new();

		layout_check(a, mime_parse(a, span_str(messages[i]), NULL));
		arena_free(&a);
	}
}

static void has_the_texts(void **state)
{
	struct arena *a = arena_new();
	struct mime_tree *t = mime_parse(a, span_str(messages[ARRAY_LEN(messages) - 1]), NULL);
	struct buf *b = arena_buf(a, 100000);
	struct mime_layout l;
	struct mime_layout_part p;
	static const unsigned third[] = {3}, plain[] = {1, 2};

	mime_layout_put(b, a, t);
	assert_true(mime_layout_open(buf_span(b), &l));
	assert_true(mime_layout_at(&l, third, 1, &p));
	assert_span(p.strings[MIME_LAYOUT_NAME], "\xe9\xa7\x85");
	assert_span(p.strings[MIME_LAYOUT_DISPOSITION], "attachment");
	assert_span(p.strings[MIME_LAYOUT_ID], "<c@d>");
	assert_span(p.strings[MIME_LAYOUT_LANGUAGE], "de");
	assert_span(p.strings[MIME_LAYOUT_LOCATION], "http://x/");
	assert_span(p.strings[MIME_LAYOUT_CHARSET], "");
	assert_int_equal(p.encoding, MIME_CTE_BASE64);
	assert_true(mime_layout_at(&l, plain, 2, &p));
	assert_true(p.flags & MIME_LAYOUT_FLOWED);
	assert_span(p.strings[MIME_LAYOUT_CHARSET], "utf-8");
	arena_free(&a);
}

static void damage_is_refused_or_harmless(void **state)
{
	struct arena *a = arena_new();
	struct mime_tree *t = mime_parse(a, span_str(messages[ARRAY_LEN(messages) - 1]), NULL);
	struct buf *b = arena_buf(a, 100000);
	struct mime_layout l;
	struct mime_layout_part p;
	struct span whole;

	mime_layout_put(b, a, t);
	whole = buf_span(b);
	assert_false(mime_layout_open(span_sub(whole, 0, 7), &l));
	assert_false(mime_layout_open(span_sub(whole, 0, 100), &l));
	for (size_t i = 0; i < whole.len; i++) {
		char *copy = arena_str(a, whole);

		copy[i] = (char)~copy[i];
		if (!mime_layout_open(span_of(copy, whole.len), &l)) {
			assert_true(i < 8);
			continue;
		}
		for (uint32_t n = 0; n < l.count; n++) {
			mime_layout_part(&l, n, &p);
			assert_true(p.header_offset <= p.body_offset);
			assert_true(p.body_offset <= p.end_offset);
			assert_true(p.next == MIME_LAYOUT_NONE || p.next > n);
		}
	}
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_what_the_tree_tells),
		cmocka_unit_test(has_the_texts),
		cmocka_unit_test(damage_is_refused_or_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
