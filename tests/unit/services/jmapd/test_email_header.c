/* Header forms (RFC 8621 section 4.1.2). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/must.h"
#include "services/jmapd/jmapd_email_header.h"

static const struct property_case {
	const char *property;
	bool may_be;
} properties[] = {
	{"header:Subject", true},
	{"header:subject:asRaw", true},
	{"header:SUBJECT:asText", true},
	{"header:Subject:asText:all", true},
	{"header:Subject:all", true},
	{"header:Subject:asAddresses", false},
	{"header:Subject:all:asText", false},
	{"header:Subject:asText:all:all", false},
	{"header:Subject:astext", false},
	{"header:Subject:asDate", false},
	{"header:Subject:", false},
	{"header:", false},
	{"header::asText", false},
	{"header:Sub ject", false},
	{"header:Sübject", false},
	{"headers:Subject", false},
	{"header:Comments:asText", true},
	{"header:Keywords:asText", true},
	{"header:List-Id:asText", true},
	{"header:List-Id:asURLs", false},
	{"header:From:asAddresses", true},
	{"header:From:asGroupedAddresses", true},
	{"header:From:asText", false},
	{"header:Resent-Reply-To:asAddresses", true},
	{"header:Resent-Bcc:asGroupedAddresses:all", true},
	{"header:To:asMessageIds", false},
	{"header:Message-ID:asMessageIds", true},
	{"header:References:asMessageIds", true},
	{"header:In-Reply-To:asText", false},
	{"header:Resent-Message-ID:asMessageIds", true},
	{"header:Date:asDate", true},
	{"header:Resent-Date:asDate", true},
	{"header:Date:asText", false},
	{"header:List-Unsubscribe:asURLs", true},
	{"header:List-Archive:asURLs:all", true},
	{"header:List-Post:asText", false},
	{"header:Received", true},
	{"header:Received:asRaw:all", true},
	{"header:Received:asText", false},
	{"header:Return-Path:asAddresses", false},
	/* all others in any form */
	{"header:X-Any:asText", true},
	{"header:X-Any:asAddresses", true},
	{"header:X-Any:asGroupedAddresses", true},
	{"header:X-Any:asMessageIds", true},
	{"header:X-Any:asDate", true},
	{"header:X-Any:asURLs", true},
};

static void which_forms_may_be_asked(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(properties); i++) {
		struct jmap_header_want w;

		if (jmap_header_want_of(span_str(properties[i].property), &w) !=
			properties[i].may_be)
			fail_msg("%s", properties[i].property);
	}
}

static const struct form_case {
	const char *name, *property, *header, *want;
} forms[] = {
	{"raw is what stands behind the colon", "header:Subject", "Subject:  a\r\n b\r\n",
		"\"  a\\r\\n b\""},
	{"raw octets that are no UTF-8", "header:X", "X: a\xff\r\n", "\" a\xef\xbf\xbd\""},
	{"the last of several", "header:X", "X: 1\r\nx: 2\r\n", "\" 2\""},
	{"none", "header:X", "Y: 1\r\n", "null"},
	{"all in their order", "header:X:all", "X: 1\r\nY: 0\r\nx: 2\r\n", "[\" 1\",\" 2\"]"},
	{"all of none", "header:X:asText:all", "Y: 1\r\n", "[]"},
	{"text is unfolded", "header:Subject:asText", "Subject: one\r\n two\r\n", "\"one two\""},
	{"encoded words", "header:Subject:asText",
		"Subject: =?utf-8?q?caf=C3=A9?= =?utf-8?b?w6k=?= x\r\n", "\"café\xc3\xa9 x\""},
	{"controls of encoded words are dropped", "header:Subject:asText",
		"Subject: =?utf-8?q?a=00b=0Dc?=\r\n", "\"abc\""},
	{"text becomes NFC", "header:Subject:asText", "Subject: cafe\xcc\x81\r\n",
		"\"caf\xc3\xa9\""},
	{"an encoded word that is none", "header:Subject:asText", "Subject: =?utf-8?x?abc?=\r\n",
		"\"=?utf-8?x?abc?=\""},
	{"an unknown charset stays", "header:Subject:asText", "Subject: =?x-what?q?abc?=\r\n",
		"\"=?x-what?q?abc?=\""},
	{"KOI8-R", "header:Subject:asText", "Subject: =?koi8-r?B?8NLJ18XU?=\r\n",
		"\"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82\""},
	{"ISO-2022-JP", "header:Subject:asText", "Subject: =?iso-2022-jp?B?GyRCRnxLXBsoQg==?=\r\n",
		"\"\xe6\x97\xa5\xe6\x9c\xac\""},
	{"GB18030 by its older name", "header:Subject:asText", "Subject: =?gb2312?B?5uTVvg==?=\r\n",
		"\"\xe9\xa9\xbf\xe7\xab\x99\""},
	/* the example of section 4.1.2.3 */
	{"addresses", "header:X:asAddresses",
		"X: \"  James Smythe\" <james@example.com>, Friends:\r\n jane@example.com, =?UTF-8?Q?John_Sm=C3=AEth?=\r\n"
		" <john@example.com>;\r\n",
		"[{\"name\":\"James Smythe\",\"email\":\"james@example.com\"},"
		"{\"name\":null,\"email\":\"jane@example.com\"},"
		"{\"name\":\"John Sm\xc3\xaeth\",\"email\":\"john@example.com\"}]"},
	{"the same in groups", "header:X:asGroupedAddresses",
		"X: \"  James Smythe\" <james@example.com>, Friends:\r\n jane@example.com, =?UTF-8?Q?John_Sm=C3=AEth?=\r\n"
		" <john@example.com>;\r\n",
		"[{\"name\":null,\"addresses\":[{\"name\":\"James Smythe\",\"email\":\"james@example.com\"}]},"
		"{\"name\":\"Friends\",\"addresses\":[{\"name\":null,\"email\":\"jane@example.com\"},"
		"{\"name\":\"John Sm\xc3\xaeth\",\"email\":\"john@example.com\"}]}]"},
	{"an empty group", "header:To:asGroupedAddresses", "To: undisclosed recipients:;\r\n",
		"[{\"name\":\"undisclosed recipients\",\"addresses\":[]}]"},
	{"an empty group has no addresses", "header:To:asAddresses",
		"To: undisclosed recipients:;\r\n", "[]"},
	{"a comment is a name", "header:From:asAddresses", "From: a@b.example (Ann)\r\n",
		"[{\"name\":\"Ann\",\"email\":\"a@b.example\"}]"},
	{"an address without a domain", "header:From:asAddresses", "From: nobody\r\n",
		"[{\"name\":null,\"email\":\"nobody\"}]"},
	{"quotes that an address needs", "header:From:asAddresses", "From: \"a b\"@c.example\r\n",
		"[{\"name\":null,\"email\":\"\\\"a b\\\"@c.example\"}]"},
	{"message ids", "header:References:asMessageIds", "References: <a@b> (c)\r\n <d@e>\r\n",
		"[\"a@b\",\"d@e\"]"},
	{"no message id", "header:In-Reply-To:asMessageIds",
		"In-Reply-To: your letter of today\r\n", "null"},
	{"a date keeps its zone", "header:Date:asDate", "Date: Thu, 30 Oct 2014 14:12:00 +0800\r\n",
		"\"2014-10-30T14:12:00+08:00\""},
	{"west of Greenwich", "header:Date:asDate", "Date: 1 Jan 2020 00:00:00 -0330\r\n",
		"\"2020-01-01T00:00:00-03:30\""},
	{"a date in UTC", "header:Date:asDate", "Date: Thu, 30 Oct 2014 06:12:00 GMT\r\n",
		"\"2014-10-30T06:12:00Z\""},
	{"no date", "header:Date:asDate", "Date: yesterday\r\n", "null"},
	{"URLs", "header:List-Unsubscribe:asURLs",
		"List-Unsubscribe: <mailto:a@b?subject=x>, (comment)\r\n <https://c.example/\r\n d>\r\n",
		"[\"mailto:a@b?subject=x\",\"https://c.example/d\"]"},
	{"no URL", "header:List-Post:asURLs", "List-Post: NO (posting is closed)\r\n", "null"},
};

static void values_in_their_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct arena *a = arena_new();
		struct buf *b = arena_buf(a, 100000);
		struct jmap_headers h = {0};
		struct jmap_header_want w;
		struct json_out j;

		json_out_init(&j, b);
		assert_true(jmap_header_want_of(span_str(forms[i].property), &w));
		jmap_headers_add(a, &h, span_str(forms[i].header));
		jmap_put_header(&j, a, &h, &w);
		if (!span_eq(buf_span(b), span_str(forms[i].want)))
			fail_msg("%s: " SPAN_FMT, forms[i].name, SPAN_ARG(buf_span(b)));
		arena_free(&a);
	}
}

static void all_fields_in_their_order(void **state)
{
	struct arena *a = arena_new();
	struct buf *b = arena_buf(a, 100000);
	struct jmap_headers h = {0};
	struct json_out j;

	(void)state;
	json_out_init(&j, b);
	jmap_headers_add(a, &h, SPAN("Return-Path: <a@b>\r\n"));
	jmap_headers_add(a, &h, SPAN("Subject: x\r\n y\r\nX:\r\n\r\nbody: no field\r\n"));
	jmap_put_headers(&j, &h);
	assert_string_equal(buf_cstr(b),
		"[{\"name\":\"Return-Path\",\"value\":\" <a@b>\"},"
		"{\"name\":\"Subject\",\"value\":\" x\\r\\n y\"},{\"name\":\"X\",\"value\":\"\"}]");
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_forms_may_be_asked),
		cmocka_unit_test(values_in_their_forms),
		cmocka_unit_test(all_fields_in_their_order),
	};

	return cmocka_run_group_tests_name("services/jmapd_email_header", tests, NULL, NULL);
}
