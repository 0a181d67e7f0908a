/* The helpers beside messages: what Python's email.utils, quopri, base64 and mailbox do. */
#include "yz_test.h"

#define assert_gives(call, want) assert_text((call), (want), #call, __LINE__)

static void assert_text(char *got, const char *want, const char *call, int line)
{
	if ((!got != !want) || (got && strcmp(got, want) != 0))
		fail_msg("line %d: %s gives '%s', not '%s'", line, call, got ? got : "NULL",
			want ? want : "NULL");
	yz_free(got);
}

static void addresses(void **state)
{
	struct yz_addresses *a = yz_addresses_parse("A <a@b>, g: c@d;, \"x y\"@z", true);
	char *name, *address;

	assert_int_equal(a->count, 3);
	assert_string_equal(a->items[2].address, "\"x y\"@z");
	assert_string_equal(a->items[2].local, "x y");
	yz_addresses_free(&a);
	assert_null(a);
	/* CVE-2023-27043: what readers disagree about is refused when strict */
	assert_null(yz_addresses_parse("alice@example.org <bob@example.org>, (", true));
	a = yz_addresses_parse("a@b, <", false);
	assert_true(a->is_malformed);
	assert_string_equal(a->items[0].address, "a@b");
	yz_addresses_free(&a);
	a = yz_addresses_parse("", true);
	assert_int_equal(a->count, 0);
	yz_addresses_free(&a);
	assert_true(yz_address_split("\"B, C\" <b@c>", &name, &address));
	assert_text(name, "B, C", "name", __LINE__);
	assert_text(address, "b@c", "address", __LINE__);
	assert_false(yz_address_split("", NULL, NULL));
	assert_gives(yz_address_format("B, C", "b@c", false), "\"B, C\" <b@c>");
	assert_gives(yz_address_format("Zo\xc3\xab", "b@c", false), "=?utf-8?q?Zo=C3=AB?= <b@c>");
	assert_gives(yz_address_format("Zo\xc3\xab", "b@c", true), "Zo\xc3\xab <b@c>");
	assert_gives(yz_address_format(NULL, "b@c", false), "b@c");
	assert_gives(yz_address_format("x\r\ny", "b@c", false), NULL);
	assert_gives(yz_address_format("x", "no address", false), NULL);
	assert_gives(yz_address_format("x", "\xc3\xa9@c", false), NULL);
}

static void dates_and_ids(void **state)
{
	struct yz_date d;
	char *first = yz_make_message_id(NULL, "example.org"), *second;

	assert_true(yz_date_parse("Mon, 23 Nov 2026 06:30:00 -0500", &d));
	assert_int_equal(d.unix_sec, 1795433400);
	assert_int_equal(d.zone_minutes, -300);
	assert_true(d.has_zone);
	assert_true(yz_date_parse("23 Nov 2026 06:30:00 -0000", &d));
	assert_false(d.has_zone);
	assert_false(yz_date_parse("tomorrow", &d));
	assert_gives(yz_date_format(1795415400, 60), "Mon, 23 Nov 2026 07:30:00 +0100");
	assert_gives(yz_date_format(-86400, 0), "Wed, 31 Dec 1969 00:00:00 +0000");
	assert_gives(yz_date_format(INT64_MAX, 0), NULL);
	assert_gives(yz_date_format(INT64_MIN, 0), NULL);
	assert_gives(yz_date_format(0, 1000), NULL);
	second = yz_make_message_id("mine", "example.org");
	assert_string_not_equal(first, second);
	assert_has(first, "@example.org>");
	assert_has(second, ".mine@example.org>");
	yz_free(first);
	yz_free(second);
	assert_gives(yz_make_message_id("a b", NULL), NULL);
	assert_gives(yz_make_message_id(NULL, "x\r\n"), NULL);
	assert_gives(yz_make_message_id(NULL, ""), NULL);
}

static void words_and_parameters(void **state)
{
	char *charset, *language, *text;

	assert_gives(yz_words_decode("=?iso-8859-1?q?a?= =?utf-8?b?w6k=?= b"), "a\xc3\xa9 b");
	assert_gives(yz_words_encode("caf\xc3\xa9", NULL, 9), "=?utf-8?q?caf=C3=A9?=");
	assert_gives(yz_words_encode("caf\xc3\xa9", "iso-8859-1", 9), "=?iso-8859-1?q?caf=E9?=");
	assert_gives(yz_words_encode("plain", NULL, 0), "plain");
	assert_gives(yz_words_encode("a\nb", NULL, 0), NULL);
	assert_gives(yz_rfc2231_encode("caf\xc3\xa9 x", "en"), "utf-8'en'caf%C3%A9%20x");
	text = yz_rfc2231_decode("iso-8859-1'fr'caf%E9", &charset, &language);
	assert_text(text, "caf\xc3\xa9", "decode", __LINE__);
	assert_text(charset, "iso-8859-1", "charset", __LINE__);
	assert_text(language, "fr", "language", __LINE__);
	assert_gives(yz_rfc2231_decode("utf-8''a;b", NULL, NULL), NULL);
	assert_gives(yz_param_encode("filename", "a b.txt"), "filename=\"a b.txt\"");
	assert_gives(yz_param_encode("filename", "\xc3\xa9"), "filename*=utf-8''%C3%A9");
	assert_gives(yz_param_encode("file name", "x"), NULL);
	assert_gives(yz_param_get("text/plain; charset=\"x\\\"y\"; a=b", "CharSet"), "x\"y");
	assert_gives(
		yz_param_get("attachment; filename*0*=utf-8''%C3; filename*1*=%A9", "filename"),
		"\xc3\xa9");
	assert_gives(yz_param_get("text/plain", "charset"), NULL);
	assert_gives(yz_quote("a\"b\\c"), "a\\\"b\\\\c");
	assert_gives(yz_unquote("\"a\\\"b\\\\c\""), "a\"b\\c");
	assert_gives(yz_unquote("<a@b>"), "a@b");
	assert_gives(yz_unquote("plain"), "plain");
	assert_gives(yz_unquote("\""), "\"");
}

static void codecs(void **state)
{
	static const char octets[] = "\0\1\xff=\r\n \n";
	size_t n, back_len;
	char *text, *back;

	text = yz_base64_encode(octets, 8, &n);
	assert_string_equal(text, "AAH/PQ0KIAo=\r\n");
	back = yz_base64_decode(text, n, false, &back_len);
	assert_int_equal(back_len, 8);
	assert_memory_equal(back, octets, 8);
	yz_free(text);
	yz_free(back);
	text = yz_qp_encode(octets, 8, false, &n);
	back = yz_qp_decode(text, n, &back_len);
	assert_int_equal(back_len, 8);
	assert_memory_equal(back, octets, 8);
	yz_free(text);
	yz_free(back);
	assert_gives(yz_qp_encode("a \n\xc3\xa9=", 6, true, NULL), "a=20\r\n=C3=A9=3D");
	assert_gives(yz_base64_decode("AA!A", 4, true, NULL), NULL);
	assert_gives(yz_base64_encode("", 0, NULL), "");
	assert_gives(yz_to_utf8("\xe9", 1, "latin1", NULL), "\xc3\xa9");
	assert_gives(yz_to_utf8("x", 1, "no-such-charset", NULL), NULL);
	assert_string_equal(yz_type_of_name("/a/b.c/X.PDF"), "application/pdf");
	assert_string_equal(yz_type_of_name("x.eml"), "application/octet-stream");
	assert_string_equal(yz_type_of_name("pdf"), "application/octet-stream");
	assert_string_equal(yz_type_of_name(".pdf"), "application/octet-stream");
}

static void mboxes(void **state)
{
	static const char mbox[] =
		"junk\nFrom a@b Mon Nov 23 06:30:00 2026\nA: 1\n\n>From x\nFrom y\n\n"
		"From c Mon\nB: 2\n\n\nFrom d Mon\n";
	static const char *const want[] = {"A: 1\n\n>From x\nFrom y\n", "B: 2\n\n", ""};
	const char *line;
	const void *octets;
	size_t at = 0, line_len, n, count = 0;
	char *piece;

	while (yz_mbox_next(mbox, strlen(mbox), &at, &line, &line_len, &octets, &n)) {
		assert_true(count < COUNT(want));
		assert_int_equal(n, strlen(want[count]));
		assert_memory_equal(octets, want[count], n);
		assert_memory_equal(line, "From ", 5);
		assert_int_equal(line[line_len], '\n');
		count++;
	}
	assert_int_equal(count, 3);
	assert_gives(yz_mbox_unquote(">From x\n>>From y\n> From\n>x\n", 27, NULL),
		"From x\n>From y\n> From\n>x\n");
	piece = yz_mbox_quote("A: b\n\nFrom x\n>From y", 20, "a@b", 1795415400, &n);
	assert_string_equal(
		piece, "From a@b Mon Nov 23 06:30:00 2026\nA: b\n\n>From x\n>>From y\n\n");
	at = 0;
	assert_true(yz_mbox_next(piece, n, &at, NULL, NULL, &octets, &n));
	assert_gives(yz_mbox_unquote(octets, n, NULL), "A: b\n\nFrom x\n>From y\n");
	yz_free(piece);
	assert_gives(yz_mbox_quote("x", 1, "a b", 0, NULL), NULL);
	assert_gives(yz_mbox_quote("x\r\n", 3, NULL, 0, NULL),
		"From MAILER-DAEMON Thu Jan  1 00:00:00 1970\r\nx\r\n\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(dates_and_ids),
		cmocka_unit_test(words_and_parameters),
		cmocka_unit_test(codecs),
		cmocka_unit_test(mboxes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
