#include "mime_test.h"

#include "proto/mail/mime_charset.h"
#include "proto/mail/mime_codec.h"
#include "proto/mail/mime_flowed.h"

#define OUT_MAX (1 << 20)

static uint64_t walk = 42; /* the same in every run */

static size_t choose(void)
{
	walk = walk * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(walk >> 33);
}

/* A piece of `s`: 0 whole, 1 octet by octet, else at random. */
static struct span piece_of(struct span s, unsigned cut)
{
	return span_sub(s, 0, cut == 0 ? s.len : cut == 1 ? 1 : choose() % 7 + 1);
}

struct codec_case {
	const char *name;
	enum mime_encoding encoding;
	struct span in, out;
	const char *defects;
};

#define B64 MIME_CTE_BASE64
#define QP  MIME_CTE_QP

static const struct codec_case decoding[] = {
	{"base64", B64, SPAN("aGVsbG8="), SPAN("hello"), ""},
	{"base64 two pads", B64, SPAN("aA=="), SPAN("h"), ""},
	{"base64 in lines", B64, SPAN("aGVs\r\nbG8h\r\n"), SPAN("hello!"), ""},
	{"base64 nothing", B64, SPAN("\r\n"), SPAN(""), ""},
	{"base64 without padding", B64, SPAN("aGVsbG8"), SPAN("hello"), "base64-padding-missing"},
	{"base64 half the padding", B64, SPAN("aA="), SPAN("h"), "base64-padding-missing"},
	{"base64 one over", B64, SPAN("aGVsb"), SPAN("hel"), "base64-one-character-over"},
	{"base64 foreign", B64, SPAN("aG!Vs*\0bG8="), SPAN("hello"), "base64-foreign-character"},
	{"base64 data behind the end", B64, SPAN("aA==aGVs"), SPAN("h"),
		"base64-data-behind-padding"},
	{"base64 padding in the middle", B64, SPAN("aG=VsbG8="), SPAN("hello"),
		"base64-foreign-character"},
	{"qp", QP, SPAN("a=3Db=C3=a9\r\nc"), SPAN("a=b\xc3\xa9\r\nc"), ""},
	{"qp soft line breaks", QP, SPAN("a=\r\nb=\nc= \t\r\nd="), SPAN("abcd"), ""},
	{"qp blanks at line ends", QP, SPAN("a \t\r\n b  c \n "), SPAN("a\r\n b  c\n"), ""},
	{"qp encoded blank at line end", QP, SPAN("a=20\r\nb"), SPAN("a \r\nb"), ""},
	{"qp broken escapes", QP, SPAN("=zz =4 = x =\rx =A"), SPAN("=zz =4 = x =\rx =A"),
		"quoted-printable-bad-escape"},
	{"qp equals twice", QP, SPAN("a==\r\nb"), SPAN("a=b"), "quoted-printable-bad-escape"},
	{"qp 8-bit", QP, SPAN("\xc3\xa9=C3=A9"), SPAN("\xc3\xa9\xc3\xa9"),
		"quoted-printable-8-bit"},
	{"7bit", MIME_CTE_7BIT, SPAN("a=3D \r\n"), SPAN("a=3D \r\n"), ""},
	{"unknown", MIME_CTE_UNKNOWN, SPAN("a\0b"), SPAN("a\0b"), ""},
};

static void decode_table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(decoding); i++) {
		const struct codec_case *c = &decoding[i];

		for (unsigned cut = 0; cut < 8; cut++) {
			struct arena *a = arena_new();
			struct mime_decoder d;
			struct buf out;

			buf_init(&out, OUT_MAX);
			mime_decoder_init(&d, c->encoding);
			for (struct span in = c->in; in.len;) {
				struct span piece = piece_of(in, cut);

				mime_decoder_feed(&d, piece, &out);
				in = span_skip(in, piece.len);
			}
			mime_decoder_end(&d, &out);
			if (!span_eq(buf_span(&out), c->out) ||
				!span_eq(defect_names(a, mime_decoder_defects(&d)),
					span_str(c->defects)))
				fail_msg("%s, cut %u: '%s' with '" SPAN_FMT "'", c->name, cut,
					buf_cstr(&out),
					SPAN_ARG(defect_names(a, mime_decoder_defects(&d))));
			buf_fini(&out);
			arena_free(&a);
		}
	}
}

static void check_lines(struct span s)
{
	while (s.len) {
		struct span line;

		assert_true(span_cut(s, '\n', &line, &s) || line.len <= MIME_LINE_MAX);
		assert_true(line.len <= MIME_LINE_MAX + 1);
		if (line.len && line.ptr[line.len - 1] == '\r')
			line.len--;
		if (line.len)
			assert_null(strchr(" \t", line.ptr[line.len - 1]));
	}
}

static void what_is_encoded_comes_back(void **state)
{
	static const char *const pieces[] = {"a", "hello ", "\r\n", " ", "\t", "=", ".", "\xc3\xa9",
		"From ", "\r", "\n", "0123456789012345678901234567890123456789"};

	for (unsigned round = 0; round < 400; round++) {
		bool is_text = round & 1;
		struct buf text, coded, back;
		struct mime_encoder c;
		struct mime_decoder d;

		buf_init(&text, OUT_MAX);
		buf_init(&coded, OUT_MAX);
		buf_init(&back, OUT_MAX);
		for (size_t n = choose() % 60; n > 0; n--)
			buf_str(&text, pieces[choose() % ARRAY_LEN(pieces)]);
		mime_encoder_init(&c, round & 2 ? B64 : QP, is_text);
		for (struct span in = buf_span(&text); in.len;) {
			struct span piece = piece_of(in, round % 5);

			mime_encoder_feed(&c, piece, &coded);
			in = span_skip(in, piece.len);
		}
		mime_encoder_end(&c, &coded);
		assert_true(span_is_ascii(buf_span(&coded)));
		check_lines(buf_span(&coded));
		mime_decoder_init(&d, round & 2 ? B64 : QP);
		mime_decoder_feed(&d, buf_span(&coded), &back);
		mime_decoder_end(&d, &back);
		assert_int_equal(mime_decoder_defects(&d), 0);
		if (!span_eq(buf_span(&back), buf_span(&text)))
			fail_msg("'%s' became '%s'", buf_cstr(&text), buf_cstr(&back));
		buf_fini(&text);
		buf_fini(&coded);
		buf_fini(&back);
	}
}

struct charset_case {
	const char *charset;
	struct span octets;
	const char *utf8, *defects;
};

static const struct charset_case charsets[] = {
	{"utf-8", SPAN("a\xe9\xa9\xbf\xf0\x9f\x98\x80"), "a\xe9\xa9\xbf\xf0\x9f\x98\x80", ""},
	{"UTF8",
		SPAN("a\xff"
		     "b\xe9\xa9"),
		"a\xef\xbf\xbd"
		"b\xef\xbf\xbd",
		"octets-not-in-charset"},
	{"us-ascii", SPAN("abc"), "abc", ""},
	{"ISO-8859-1", SPAN("caf\xe9 \x80"), "caf\xc3\xa9 \xe2\x82\xac", ""},
	{"windows-1252", SPAN("\x93x\x94"), "\xe2\x80\x9cx\xe2\x80\x9d", ""},
	{"iso-8859-15", SPAN("\xa4"), "\xe2\x82\xac", ""},
	{"windows-1251", SPAN("\xcf\xf0\xe8"), "\xd0\x9f\xd1\x80\xd0\xb8", ""},
	{"KOI8-R", SPAN("\xf0\xd2\xc9"), "\xd0\x9f\xd1\x80\xd0\xb8", ""},
	{"gb2312", SPAN("\xe6\xe4\xd5\xbe"), "\xe9\xa9\xbf\xe7\xab\x99", ""},
	{"GB18030", SPAN("\xe6\xe4\x90\x30\x81\x30"), "\xe9\xa9\xbf\xf0\x90\x80\x80", ""},
	{"x-gbk", SPAN("\xf3\x8e"), "\xe9\xab\xb1", ""},
	{"big5", SPAN("\xc5\xe6\xaf\xb8"), "\xe9\xa9\x9b\xe7\xab\x99", ""},
	{"Shift_JIS", SPAN("\x89\x77\xb1"), "\xe9\xa7\x85\xef\xbd\xb1", ""},
	{"iso-2022-jp", SPAN("a\x1b$B1X\x1b(Bb"),
		"a\xe9\xa7\x85"
		"b",
		""},
	{"euc-jp", SPAN("\xb1\xd8"), "\xe9\xa7\x85", ""},
	{"ks_c_5601-1987", SPAN("\xbf\xaa"), "\xec\x97\xad", ""},
	{"utf-8*de", SPAN("\xc3\xa9"), "\xc3\xa9", ""},
	{"cp-866", SPAN("\x8f"), "\xd0\x9f", ""},
	{"no-such-charset", SPAN("a\xff"), "a\xef\xbf\xbd",
		"unknown-charset octets-not-in-charset"},
	{"utf-16//IGNORE", SPAN("a"), "a", "unknown-charset"},
	{"", SPAN("a"), "a", "unknown-charset"},
	{"big5", SPAN("\xc5"), "\xef\xbf\xbd", "octets-not-in-charset"},
};

static void charset_table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(charsets); i++) {
		const struct charset_case *t = &charsets[i];

		for (unsigned cut = 0; cut < 6; cut++) {
			struct arena *a = arena_new();
			struct mime_charset *c = mime_charset_new(span_str(t->charset));
			struct buf out;

			buf_init(&out, OUT_MAX);
			for (struct span in = t->octets; in.len;) {
				struct span piece = piece_of(in, cut);

				mime_charset_feed(c, piece, &out);
				in = span_skip(in, piece.len);
			}
			mime_charset_end(c, &out);
			if (!span_eq(buf_span(&out), span_str(t->utf8)) ||
				!span_eq(defect_names(a, mime_charset_defects(c)),
					span_str(t->defects)))
				fail_msg("%s, cut %u: '%s' with '" SPAN_FMT "'", t->charset, cut,
					buf_cstr(&out),
					SPAN_ARG(defect_names(a, mime_charset_defects(c))));
			mime_charset_free(&c);
			buf_fini(&out);
			arena_free(&a);
		}
	}
}

static void charset_of_large_text_and_small_room(void **state)
{
	struct mime_charset *c = mime_charset_new(SPAN("gb18030"));
	struct buf in, out, small;

	buf_init(&in, OUT_MAX);
	buf_init(&out, OUT_MAX);
	buf_init(&small, 1000);
	for (unsigned i = 0; i < 20000; i++)
		buf_str(&in, "\xe6\xe4 ");
	mime_charset_feed(c, buf_span(&in), &out);
	assert_int_equal(buf_len(&out), 80000);
	assert_true(buf_ok(&out));
	mime_charset_feed(c, buf_span(&in), &small);
	assert_false(buf_ok(&small));
	mime_charset_free(&c);
	buf_fini(&in);
	buf_fini(&out);
	buf_fini(&small);
}

static void encoding_to_a_charset(void **state)
{
	struct buf b;

	buf_init(&b, 1000);
	assert_true(mime_charset_encode(&b, SPAN("iso-2022-jp"), SPAN("a\xe9\xa7\x85")));
	assert_span(buf_span(&b), "a\x1b$B1X\x1b(B");
	assert_false(mime_charset_encode(&b, SPAN("iso-8859-1"), SPAN("\xe9\xa7\x85")));
	assert_false(mime_charset_encode(&b, SPAN("no-such"), SPAN("a")));
	assert_int_equal(buf_len(&b), 9);
	assert_true(mime_charset_encode(&b, SPAN("koi8-r"), SPAN("\xd0\x9f")));
	assert_int_equal(buf_len(&b), 10);
	/* what readers would take for a shift, or for another character */
	assert_false(mime_charset_encode(&b, SPAN("iso-2022-jp"), SPAN("a\x1b$B")));
	assert_false(mime_charset_encode(&b, SPAN("shift_jis"), SPAN("\xe3\x80\x9c")));
	assert_int_equal(buf_len(&b), 10);
	buf_fini(&b);
}

static void names_of_charsets(void **state)
{
	struct arena *a = arena_new();

	assert_span(mime_charset_canonical(a, SPAN("gb2312")), "GB18030");
	assert_span(mime_charset_canonical(a, SPAN("KOI8-r")), "KOI8-R");
	assert_span(mime_charset_canonical(a, SPAN("x-unknown")), "");
	assert_span(mime_charset_canonical(a, SPAN("nonsense")), "");
	arena_free(&a);
}

struct flowed_case {
	const char *name, *in, *out;
	bool is_delsp;
};

static const struct flowed_case flowed[] = {
	{"one line", "hello\r\n", "hello\n"},
	{"a paragraph", "one \r\ntwo \r\nthree\r\nfour\r\n", "one two three\nfour\n"},
	{"deleted blanks", "\xe9\xa9\xbf \r\n\xe7\xab\x99\r\n", "\xe9\xa9\xbf\xe7\xab\x99\n", true},
	{"quotes", ">one \r\n> two\r\n>> deep\r\nown\r\n", "> one two\n>> deep\nown\n"},
	{"depth changes within a flow", "> one \r\n>> two\r\n", "> one \n>> two\n"},
	{"stuffing", " >no quote\r\n  x\r\n From\r\n", ">no quote\n x\nFrom\n"},
	{"signature", "text \r\n-- \r\nname\r\n", "text -- \nname\n"},
	{"fixed lines", "a\r\n\r\nb\r\n", "a\n\nb\n"},
	{"no last line end", "one \r\ntwo", "one two\n"},
	{"bare CR", "a\rb\r\n", "a\rb\n"},
};

static void flowed_table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(flowed); i++)
		for (unsigned cut = 0; cut < 6; cut++) {
			struct mime_flowed f = {.is_delsp = flowed[i].is_delsp};
			struct buf out;

			buf_init(&out, OUT_MAX);
			for (struct span in = span_str(flowed[i].in); in.len;) {
				struct span piece = piece_of(in, cut);

				mime_flowed_feed(&f, piece, &out);
				in = span_skip(in, piece.len);
			}
			mime_flowed_end(&f, &out);
			if (!span_eq(buf_span(&out), span_str(flowed[i].out)))
				fail_msg("%s, cut %u: '%s'", flowed[i].name, cut, buf_cstr(&out));
			buf_fini(&out);
		}
}

static void what_is_flowed_comes_back(void **state)
{
	static const char text[] =
		"A long paragraph of many words that is certainly wider than seventy-two columns and so has to "
		"be broken twice, for it goes on and on.\n\n> quoted text that is as long as the one above, and "
		"wider than any line of seventy-two columns can be\n>> deep\nFrom here\n short\n-- \nname\n";
	struct mime_flowed f = {0};
	struct buf coded, back;

	buf_init(&coded, OUT_MAX);
	buf_init(&back, OUT_MAX);
	mime_flowed_put(&coded, span_str(text));
	for (struct span s = buf_span(&coded); s.len;) {
		struct span line;

		span_cut(s, '\n', &line, &s);
		assert_true(line.len <= MIME_FLOWED_WIDTH + 2);
	}
	mime_flowed_feed(&f, buf_span(&coded), &back);
	mime_flowed_end(&f, &back);
	assert_span(buf_span(&back), text);
	buf_fini(&coded);
	buf_fini(&back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decode_table),
		cmocka_unit_test(what_is_encoded_comes_back),
		cmocka_unit_test(charset_table),
		cmocka_unit_test(charset_of_large_text_and_small_room),
		cmocka_unit_test(encoding_to_a_charset),
		cmocka_unit_test(names_of_charsets),
		cmocka_unit_test(flowed_table),
		cmocka_unit_test(what_is_flowed_comes_back),
	};

	return cmocka_run_group_tests_name("proto/mail/mime_codec", tests, NULL, NULL);
}
