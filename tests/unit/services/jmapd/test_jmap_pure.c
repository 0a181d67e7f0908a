/* Of JMAP what needs no server: what paths of references lead to, patches, ids, dates, and which JSON is I-JSON. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "base/enc.h"
#include "services/jmapd/jmapd_core_priv.h"
#include "services/jmapd/jmapd_trace.h"
#include "services/jmapd/jmapd_write.h"

static struct json_in *read_json(const char *text)
{
	struct err e = {0};
	struct json_in *doc = json_in_parse_any(span_str(text), 1 << 20, 32, &e);

	if (!doc)
		fail_msg("%s: %s", text, e.text);
	return doc;
}

static void assert_json(const struct json_in *v, const char *expected)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	if (v)
		json_in_put(&b, v);
	assert_string_equal(v ? buf_cstr(&b) : "(nothing)", expected);
	buf_fini(&b);
}

static void paths_of_references_lead_to_values(void **state)
{
	static const char doc[] =
		"{\"list\":[{\"id\":\"a\",\"to\":[1,2],\"deep\":[{\"x\":[3]},{\"x\":[4,5]}]},"
		"{\"id\":\"b\",\"to\":[6],\"deep\":[]}],\"a/b\":1,\"m~n\":2,\"\":3,\"*\":{\"*\":4},"
		"\"nothing\":null}";
	static const struct {
		const char *path, *value;
	} cases[] = {
		{"/list/0/id", "\"a\""},
		{"/list/1/to/0", "6"},
		{"/list/*/id", "[\"a\",\"b\"]"},
		{"/list/*/to", "[1,2,6]"},
		{"/list/*/deep/*/x", "[3,4,5]"},
		{"/list/0/deep/*/x", "[3,4,5]"},
		{"/a~1b", "1"},
		{"/m~0n", "2"},
		{"/", "3"},
		{"/*/*", "4"},
		{"/nothing", "null"},
		{"/list/2", "(nothing)"},
		{"/list/-", "(nothing)"},
		{"/list/00", "(nothing)"},
		{"/list/01/id", "(nothing)"},
		{"/list/+1", "(nothing)"},
		{"/list/*/none", "(nothing)"},
		{"/list/0/id/x", "(nothing)"},
		{"/nothing/x", "(nothing)"},
		{"list", "(nothing)"},
		{"/m~2n", "(nothing)"},
		{"/m~", "(nothing)"},
		{"/list/99999999999999999999", "(nothing)"},
	};
	struct json_in *root = read_json(doc);
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t steps = 1000;
		struct json_in *v = jmap_pointer(a, root, span_str(cases[i].path), &steps);

		assert_json(v, cases[i].value);
		json_in_free(&v);
	}
	json_in_free(&root);
	arena_free(&a);
}

static void references_take_bounded_steps(void **state)
{
	static const struct {
		const char *path;
		size_t needs; /* steps */
	} cases[] = {
		{"", 0},
		{"/a", 1},
		{"/a/*", 9}, /* a, each element, and what lies in it */
		{"/a/*/*", 13},
		{"/a/0/0", 3},
		{"/long name of which each sixteen octets are a step", 4},
	};
	struct json_in *root = read_json(
		"{\"a\":[[1,2,3],[],[4],[]],\"long name of which each sixteen octets are a step\":1}");
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		for (size_t given = 0; given < 40; given++) {
			size_t steps = given;
			struct json_in *v = jmap_pointer(a, root, span_str(cases[i].path), &steps);

			if ((v != NULL) != (given >= cases[i].needs))
				fail_msg("%s with %zu steps", cases[i].path, given);
			json_in_free(&v);
		}
	json_in_free(&root);
	arena_free(&a);
}

static void patches_change_what_they_name(void **state)
{
	static const struct {
		const char *object, *patch, *result;
	} cases[] = {
		{"{\"a\":1}", "{\"a\":2,\"b\":{\"c\":3}}", "{\"a\":2,\"b\":{\"c\":3}}"},
		{"{\"a\":1,\"b\":2}", "{\"a\":null}", "{\"b\":2}"},
		{"{\"k\":{\"$seen\":true}}", "{\"k/$flagged\":true,\"k/$seen\":null}",
			"{\"k\":{\"$flagged\":true}}"},
		{"{\"k\":{\"a/b\":1,\"c~d\":2}}", "{\"k/a~1b\":null,\"k/c~0d\":3}",
			"{\"k\":{\"c~d\":3}}"},
		{"{\"k\":{}}", "{\"k/x/y\":1}", "invalidPatch"},
		{"{}", "{\"k/x\":1}", "invalidPatch"},
		{"{\"k\":[1]}", "{\"k/0\":2}", "invalidPatch"},
		{"{\"k\":{}}", "{\"k\":{},\"k/x\":1}", "invalidPatch"},
		{"{\"k\":{\"x\":{}}}", "{\"k/x\":null,\"k/x/y\":1}", "invalidPatch"},
		{"{\"k\":{}}", "{\"k/~2\":1}", "invalidPatch"},
		{"{\"k\":{}}", "{\"/k\":1}", "invalidPatch"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json_in *object = read_json(cases[i].object);
		struct json_in *patch = read_json(cases[i].patch), *result = NULL;
		struct arena *a = arena_new();
		struct jmap_set_error why = {0};
		struct jmap_patch *list;
		size_t count;

		if (jmap_patch_read(a, patch, &list, &count, &why))
			result = jmap_patch_apply(a, object, list, count, &why);
		if (result)
			assert_json(result, cases[i].result);
		else
			assert_string_equal(why.type, cases[i].result);
		assert_json(object, cases[i].object); /* what was given stays as it was */
		json_in_free(&result);
		json_in_free(&object);
		json_in_free(&patch);
		arena_free(&a);
	}
}

static void ids_have_their_alphabet(void **state)
{
	char *longest = NULL;
	struct arena *a = arena_new();

	longest = arena_alloc(a, 257);
	memset(longest, 'a', 256);
	assert_true(jmap_is_id(span_of(longest, 255)));
	assert_false(jmap_is_id(span_of(longest, 256)));
	assert_false(jmap_is_id(SPAN("")));
	assert_true(jmap_is_id(SPAN("A-Z_09az")));
	assert_false(jmap_is_id(SPAN("a b")));
	assert_false(jmap_is_id(SPAN("#a")));
	assert_false(jmap_is_id(SPAN("a\0b")));
	assert_false(jmap_is_id(SPAN("\xc3\xa9")));
	arena_free(&a);
}

static void ids_of_blobs_say_what_they_are_of(void **state)
{
	struct jmap_blob_name name;
	struct json_out j;
	struct buf b;
	struct span text;

	buf_init(&b, 1000);
	json_out_init(&j, &b);
	jmap_put_blob_of_part(&j, 123456789, 0x1f0, 0, 3);
	text = span_sub(buf_span(&b), 1, buf_len(&b) - 2);
	assert_true(jmap_is_id(text));
	assert_true(jmap_blob_id(text, &name));
	assert_true(name.is_part && !name.is_upload && name.id == 123456789 &&
		name.offset == 0x1f0 && name.octets == 0 && name.encoding == 3);
	buf_clear(&b);
	json_out_init(&j, &b);
	jmap_put_blob_of_email(&j, 77);
	assert_true(jmap_blob_id(span_sub(buf_span(&b), 1, buf_len(&b) - 2), &name));
	assert_true(!name.is_part && !name.is_upload && name.id == 77);
	buf_clear(&b);
	json_out_init(&j, &b);
	jmap_put_blob_of_upload(&j, 78);
	assert_true(jmap_blob_id(span_sub(buf_span(&b), 1, buf_len(&b) - 2), &name));
	assert_true(!name.is_part && name.is_upload && name.id == 78);
	buf_fini(&b);
}

static void other_ids_are_of_no_blob(void **state)
{
	static const char *const none[] = {"", "G", "GU", "G0", "M0000000000001", "G0000000000001-",
		"G0000000000001-0", "G0000000000001-0-1", "G0000000000001-0-1-",
		"G0000000000001-0-1-9", "G0000000000001-00-1-3", "G0000000000001-0-1-03",
		"G0000000000001--1-3", "G0000000000001-G-1-3", "G0000000000001-1234567890abc-1-3",
		"GU0000000000001-0-1-9"};
	struct jmap_blob_name name;

	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		if (jmap_blob_id(span_str(none[i]), &name))
			fail_msg("%s", none[i]);
}

static void dates_are_utc_dates(void **state)
{
	static const struct {
		const char *text;
		bool is_good;
		int64_t sec;
	} cases[] = {
		{"1970-01-01T00:00:00Z", true, 0},
		{"2014-10-30T06:12:00Z", true, 1414649520},
		{"2014-10-30t06:12:00Z", false, 0},
		{"2014-10-30T06:12:00z", false, 0},
		{"2014-10-30T14:12:00+08:00", false, 0},
		{"2014-10-30 06:12:00Z", false, 0},
		{"2014-13-30T06:12:00Z", false, 0},
		{"", false, 0},
		{"Z", false, 0},
	};
	int64_t ns;

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		bool is_good = jmap_date(span_str(cases[i].text), &ns);

		assert_int_equal(is_good, cases[i].is_good);
		if (is_good)
			assert_true(ns == cases[i].sec * CLOCK_SEC);
	}
}

static void states_are_numbers(void **state)
{
	uint64_t n;

	assert_true(jmap_state_of(SPAN("0"), &n) && n == 0);
	assert_true(jmap_state_of(SPAN("1234"), &n) && n == 1234);
	assert_false(jmap_state_of(SPAN("01"), &n));
	assert_false(jmap_state_of(SPAN(""), &n));
	assert_false(jmap_state_of(SPAN("-1"), &n));
	assert_false(jmap_state_of(SPAN("99999999999999999999"), &n));
}

static void only_i_json_is_taken(void **state)
{
	static const struct {
		const char *text;
		enum err_code code;
	} cases[] = {
		{"{\"a\":[1,true,null,\"\\u0000\"]}", ERR_NONE},
		{"[]", ERR_NONE},
		{"{\"a\":1,\"a\":2}", ERR_SYNTAX},
		{"{\"a\":{\"b\":1,\"b\":1}}", ERR_SYNTAX},
		{"{\"a\":\"\xff\"}", ERR_SYNTAX},
		{"{\"a\":\"\\ud800\"}", ERR_SYNTAX},
		{"{\"a\":1}x", ERR_SYNTAX},
		{"{", ERR_SYNTAX},
		{"", ERR_SYNTAX},
		{"[[[[[1]]]]]", ERR_LIMIT},
		{"[[[[\"[[[[\\\"[[[[\"]]]]", ERR_NONE},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err e = {0};
		struct json_in *doc = json_in_parse_any(span_str(cases[i].text), 100, 4, &e);

		if (e.code != cases[i].code || (doc != NULL) != (cases[i].code == ERR_NONE))
			fail_msg("%s: %s", cases[i].text, e.text);
		json_in_free(&doc);
	}
}

/* A sender writes the reverse-path, which stands above our Received field. */
static void traces_are_named_by_our_received_field_alone(void **state)
{
	static const struct {
		const char *above;
		bool is_ours;
	} cases[] = {
		{"", true},
		{"Return-Path: <ann@example.org>\r\n", true},
		{"Return-Path: <\"Received: by x id %s\"@example.org>\r\n", true},
		{"Return-Path: <\"x id %s\"@example.org>\r\nDelivered-To: <bob@example.org>\r\n",
			true},
		{"Return-Path: <\"Received: by x id %s\"@example.org>\r\n", false},
	};
	struct arena *a = arena_new();
	struct buf *other = arena_buf(a, 64), *ours = arena_buf(a, 64);

	(void)state;
	enc_put_id(other, 4711);
	enc_put_id(ours, 815);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf *b = arena_buf(a, 1000);

		for (const char *c = cases[i].above; *c; c++)
			if (c[0] == '%' && c[1] == 's' && c++)
				buf_span_put(b, buf_span(other));
			else
				buf_char(b, *c);
		if (cases[i].is_ours)
			buf_printf(b,
				"Received: from x ([192.0.2.1])\r\n\tby host with ESMTP id %s\r\n",
				buf_cstr(ours));
		assert_int_equal(jmap_trace_id_of(buf_span(b)), cases[i].is_ours ? 815 : 0);
	}
	arena_free(&a);
}

static void steps_tell_nothing_of_private_networks_and_forwards(void **state)
{
	static const struct {
		const char *facts, *told;
		bool is_rewritten;
	} cases[] = {
		{"{\"host\":\"mx.example [192.0.2.1]:25\",\"steps\":["
		 "{\"step\":\"mx\",\"at\":\"2026-11-24T10:00:00.000Z\",\"ms\":12,"
		 "\"text\":\"10 mx.example\",\"kept\":true},"
		 "{\"step\":\"connect\",\"at\":\"2026-11-24T10:00:00.012Z\",\"ms\":31,"
		 "\"host\":\"mx.example [192.0.2.1]:25\"}]}",
			"{\"steps\":[{\"step\":\"mx\",\"at\":\"2026-11-24T10:00:00.000Z\",\"ms\":12,"
			"\"host\":\"\",\"text\":\"10 mx.example\",\"failed\":false,\"kept\":true},"
			"{\"step\":\"connect\",\"at\":\"2026-11-24T10:00:00.012Z\",\"ms\":31,"
			"\"host\":\"mx.example [192.0.2.1]:25\",\"text\":\"\",\"failed\":false,"
			"\"kept\":false}]}"},
		{"{\"host\":\"\",\"steps\":["
		 "{\"step\":\"policy\",\"at\":\"2026-11-24T10:00:00.000Z\",\"ms\":1,"
		 "\"text\":\"the override for 10.0.0.5 says encrypt\"},"
		 "{\"step\":\"connect\",\"at\":\"2026-11-24T10:00:00.001Z\",\"ms\":0,"
		 "\"host\":\"[10.0.0.5]:25\",\"text\":\"10.0.0.5: refused\",\"failed\":true}]}",
			"{\"steps\":[{\"step\":\"policy\",\"at\":\"2026-11-24T10:00:00.000Z\",\"ms\":1,"
			"\"host\":\"\",\"text\":\"\",\"failed\":false,\"kept\":false},"
			"{\"step\":\"connect\",\"at\":\"2026-11-24T10:00:00.001Z\",\"ms\":0,"
			"\"host\":\"[internal]\",\"text\":\"\",\"failed\":true,\"kept\":false}]}"},
		{"{\"host\":\"mx.example [192.0.2.1]:25\",\"steps\":[{\"step\":\"mx\","
		 "\"at\":\"2026-11-24T10:00:00.000Z\",\"ms\":1,\"text\":\"10 mx.example\"}]}",
			"{\"steps\":[{\"step\":\"mx\",\"at\":\"2026-11-24T10:00:00.000Z\",\"ms\":1,"
			"\"host\":\"\",\"text\":\"\",\"failed\":false,\"kept\":false}]}",
			true},
		{"{\"host\":\"mx.example\"}", "{\"steps\":[]}", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct json_in *facts = read_json(cases[i].facts);
		struct json_out j;
		struct buf b;

		buf_init(&b, 4096);
		json_out_init(&j, &b);
		json_open_object(&j);
		jmap_trace_put_steps(&j, facts, cases[i].is_rewritten);
		json_close(&j);
		assert_string_equal(buf_cstr(&b), cases[i].told);
		buf_fini(&b);
		json_in_free(&facts);
	}
}

/* RFC 8620 section 5.3, for an Email */
static void paths_into_an_email_are_told_from_others(void **state)
{
	static const char *const good[] = {
		"subject", "keywords", "keywords/$seen", "keywords/a~1b~0c", "mailboxIds/F1"};
	static const char *const wrong[] = {
		"", "/", "/keywords", "keywords/", "keywords/a/b", "keywords/a~2", "keywords/a~"};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		assert_true(jmap_patch_is_path(good[i]));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(jmap_patch_is_path(wrong[i]));
}

static void only_texts_that_are_passed_on_are_not_counted(void **state)
{
	/* "using" 5, "methodCalls" 11, and what each call has */
	static const struct {
		const char *call;
		size_t octets;
	} cases[] = {
		{"[\"Core/echo\",{\"ab\":\"xxxxxxxx\",\"c\":[{\"d\":\"yyyy\"}]},\"0\"]",
			9 + 2 + 1 + 1 + 1},
		{"[\"Core/echo\",{\"#ab\":{\"path\":\"yyyy\"}},\"0\"]", 9 + 3 + 4 + 4 + 1},
		{"[\"Other/get\",{\"ab\":\"xxxxxxxx\"},\"0\"]", 9 + 2 + 8 + 1},
		{"[\"Email/set\",{\"create\":{\"k\":{\"subject\":\"zz\",\"bodyValues\":{\"t\":"
		 "{\"value\":\"xxxxxxxx\",\"v\":\"w\"}}}}},\"0\"]",
			9 + 6 + 1 + 7 + 2 + 10 + 1 + 5 + 1 + 1 + 1},
		{"[\"Email/set\",{\"update\":{\"k\":{\"bodyValues\":{\"t\":{\"value\":\"xx\"}}}}},\"0\"]",
			9 + 6 + 1 + 10 + 1 + 5 + 2 + 1},
		{"[\"Blob/upload\",{\"create\":{\"k\":{\"type\":\"a/b\",\"data\":[{\"data:asText\":\"xxx\"},"
		 "{\"data:asBase64\":\"QUFB\"},{\"blobId\":\"Gx\"}]}}},\"0\"]",
			11 + 6 + 1 + 4 + 3 + 4 + 11 + 13 + 6 + 2 + 1},
		/* whatever stands in their places */
		{"[\"Email/set\",{\"create\":[{\"bodyValues\":1}]},\"0\"]", 9 + 6 + 10 + 1},
		{"[\"Email/set\",{\"create\":{\"k\":{\"bodyValues\":[\"a\"]}}},\"0\"]",
			9 + 6 + 1 + 10 + 1 + 1},
		{"[\"Blob/upload\",{\"create\":{\"k\":{\"data\":{\"data:asText\":\"xxx\"}}}},\"0\"]",
			11 + 6 + 1 + 4 + 11 + 3 + 1},
		{"[\"Core/echo\",[\"ab\"],\"0\"]", 9 + 2 + 1},
		{"\"abc\"", 3},
	};
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct json_in *doc = read_json(
			arena_printf(a, "{\"using\":[],\"methodCalls\":[%s]}", cases[i].call));

		assert_int_equal(jmap_plain_octets(doc), 5 + 11 + cases[i].octets);
		json_in_free(&doc);
	}
	arena_free(&a);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_of_references_lead_to_values),
		cmocka_unit_test(references_take_bounded_steps),
		cmocka_unit_test(patches_change_what_they_name),
		cmocka_unit_test(ids_have_their_alphabet),
		cmocka_unit_test(ids_of_blobs_say_what_they_are_of),
		cmocka_unit_test(other_ids_are_of_no_blob),
		cmocka_unit_test(dates_are_utc_dates),
		cmocka_unit_test(states_are_numbers),
		cmocka_unit_test(only_i_json_is_taken),
		cmocka_unit_test(traces_are_named_by_our_received_field_alone),
		cmocka_unit_test(steps_tell_nothing_of_private_networks_and_forwards),
		cmocka_unit_test(paths_into_an_email_are_told_from_others),
		cmocka_unit_test(only_texts_that_are_passed_on_are_not_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
