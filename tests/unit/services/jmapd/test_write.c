/* What is pure of writing by JMAP: header forms, envelopes, who is answered while away, vCards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/must.h"
#include "services/jmapd/jmapd_make.h"
#include "services/jmapd/jmapd_responder.h"
#include "services/jmapd/jmapd_send.h"
#include "services/jmapd/vcard.h"

static struct json_in *parse(const char *text)
{
	struct err e = {0};
	struct json_in *doc = json_in_parse(span_str(text), &e);

	if (!doc)
		fail_msg("%s: %s", text, e.text);
	return doc;
}

/* ---- header fields ---- */

static const struct field_case {
	const char *object, *made; /* NULL: it cannot be */
	bool is_part;
} fields[] = {
	{"{\"subject\":\"plain\"}", "Subject: plain\r\n", false},
	{"{\"subject\":\"a\\nb\"}", NULL, false},
	{"{\"from\":[{\"name\":\"A, B\",\"email\":\"a@b.c\"}]}", "From: \"A, B\" <a@b.c>\r\n",
		false},
	{"{\"to\":[]}", "", false},
	{"{\"to\":null}", "", false},
	{"{\"to\":[{\"email\":\"half\"}]}", "To: <half>\r\n", false},
	{"{\"to\":[{\"email\":\"a> <b\"}]}", "To: <a b>\r\n", false},
	{"{\"to\":\"a@b\"}", NULL, false},
	{"{\"messageId\":[\"a@b\"]}", "Message-ID: <a@b>\r\n", false},
	{"{\"messageId\":[\"a b\"]}", NULL, false},
	{"{\"sentAt\":\"2020-01-12T03:04:05-02:30\"}", "Date: Sun, 12 Jan 2020 03:04:05 -0230\r\n",
		false},
	{"{\"sentAt\":\"soon\"}", NULL, false},
	{"{\"header:X:all\":[\" a\",\" b\"]}", "X: a\r\nX: b\r\n", false},
	{"{\"header:X:asRaw\":\" a\\r\\n b\"}", "X: a\r\n b\r\n", false},
	{"{\"header:X\":\" a\\r\\nY: b\"}", NULL, false},
	{"{\"header:X\":\" a\\r\\n\"}", NULL, false},
	{"{\"header:X:all:asText\":[]}", NULL, false},
	{"{\"header:Content-Type\":\" a/b\"}", NULL, false},
	{"{\"header:Content-MD5\":\" x\"}", "Content-MD5: x\r\n", true},
	{"{\"header:Content-Transfer-Encoding\":\" 8bit\"}", NULL, true},
	{"{\"header:Received:asText\":\"x\"}", NULL, false},
	{"{\"subject\":\"a\",\"header:SUBJECT\":\" b\"}", NULL, false},
};

static void fields_are_made_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct arena *a = arena_new();
		struct json_in *doc = parse(fields[i].object);
		const struct json_in *v;
		struct jmap_make_fields f;
		const char *name;
		bool is_good = true;
		void *at = NULL;

		jmap_make_fields_init(&f, a);
		while (json_in_next(doc, &at, &name, &v))
			is_good = is_good &&
				jmap_make_field(&f, name, v, fields[i].is_part) == JMAP_FIELD_PUT;
		if (is_good != (fields[i].made != NULL))
			fail_msg("%s is %s", fields[i].object, is_good ? "taken" : "refused");
		if (is_good)
			assert_string_equal(buf_cstr(f.text), fields[i].made);
		json_in_free(&doc);
		arena_free(&a);
	}
}

/* ---- envelopes ---- */

#define ENVELOPE(params)                                                                           \
	"{\"mailFrom\":{\"email\":\"a@b.c\",\"parameters\":" params "},\"rcptTo\":[]}"

static const struct envelope_case {
	const char *envelope, *params; /* NULL: refused */
	int64_t hold_s;
} envelopes[] = {
	{ENVELOPE("null"), "", 0},
	{ENVELOPE("{\"RET\":\"HDRS\",\"SMTPUTF8\":null}"), " RET=HDRS SMTPUTF8", 0},
	{ENVELOPE("{\"ENVID\":\"a b+c\"}"), " ENVID=a+20b+2Bc", 0},
	{ENVELOPE("{\"HOLDFOR\":\"60\"}"), " HOLDFOR=60", 1060},
	{ENVELOPE("{\"HOLDUNTIL\":\"1970-01-01T00:20:00Z\"}"), " HOLDUNTIL=1970-01-01T00:20:00Z",
		1200},
	{ENVELOPE("{\"HOLDFOR\":\"99999\"}"), NULL, 0},
	{ENVELOPE("{\"HOLDFOR\":\"1\",\"HOLDUNTIL\":\"1970-01-01T00:20:00Z\"}"), NULL, 0},
	{ENVELOPE("{\"X\":\"a b\"}"), NULL, 0},
	{ENVELOPE("{\"X Y\":null}"), NULL, 0},
	{ENVELOPE("{\"X\":\"a\\r\\nRSET\"}"), NULL, 0},
	{"{\"mailFrom\":{\"email\":\"a b\"},\"rcptTo\":[]}", NULL, 0},
	{"{\"rcptTo\":[]}", NULL, 0},
};

static void envelopes_are_read_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(envelopes); i++) {
		struct arena *a = arena_new();
		struct json_in *doc = parse(envelopes[i].envelope);
		struct jmap_set_error why = {0};
		struct jmap_envelope env;
		bool is_good = jmap_envelope_read(
			a, doc, 1000 * CLOCK_SEC, 3600 * CLOCK_SEC, &env, &why);

		if (is_good != (envelopes[i].params != NULL))
			fail_msg("%s is %s", envelopes[i].envelope, is_good ? "taken" : "refused");
		if (is_good) {
			assert_true(span_eq(env.params, span_str(envelopes[i].params)));
			assert_int_equal(env.hold_until_ns, envelopes[i].hold_s * CLOCK_SEC);
		} else {
			assert_string_equal(why.type, "invalidProperties");
		}
		json_in_free(&doc);
		arena_free(&a);
	}
}

/* ---- answers ---- */

static const struct away_case {
	const char *sender, *header;
	bool is_answered;
} letters[] = {
	{"<a@b.c>", "", true},
	{"<a@b.c>", "Auto-Submitted: no\r\n", true},
	{"<a@b.c>", "Precedence: first-class\r\n", true},
	{"<>", "", false},
	{"<a@b.c>", "Auto-Submitted: auto-replied; x=y\r\n", false},
	{"<a@b.c>", "Precedence: BULK\r\n", false},
	{"<a@b.c>", "List-Unsubscribe: <https://x/>\r\n", false},
	{"<a@b.c>", "X-Auto-Response-Suppress: DR, OOF\r\n", false},
	{"<MAILER-DAEMON@b.c>", "", false},
	{"<owner-l@b.c>", "", false},
	{"<l-request@b.c>", "", false},
	{"<no-reply@b.c>", "", false},
	/* who wrote it does not say where the answer goes */
	{"<>", "Return-Path: <a@b.c>\r\n", false},
};

static void only_people_are_answered(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(letters); i++) {
		struct arena *a = arena_new();
		struct jmap_away w;

		jmap_away_read(a,
			span_str(arena_printf(a, "Return-Path: %s\r\n", letters[i].sender)),
			span_str(
				arena_printf(a, "%sSubject: x\r\n\r\nbody\r\n", letters[i].header)),
			&w);
		if ((jmap_away_forbids(&w) == NULL) != letters[i].is_answered)
			fail_msg("%s %s", letters[i].sender, letters[i].header);
		arena_free(&a);
	}
}

/* ---- cards ---- */

static void cards_go_in_and_come_out(void **state)
{
	static const char cards[] =
		"BEGIN:VCARD\r\nVERSION:2.1\r\nN:Doe;Jane;;Dr.;\r\n"
		"EMAIL;HOME:jane@\r\n  x.example\r\nTEL;CELL:1\r\nEND:VCARD\r\n"
		"BEGIN:VCARD\nFN;X=\"a:b\":Semi\\; colon\nNOTE:one\\ntwo\nEND:VCARD\n"
		"BEGIN:VCARD\r\nEND:VCARD\r\nBEGIN:VCARD\r\nFN:without an end\r\n";
	struct arena *a = arena_new();
	struct buf *b = arena_buf(a, 10000);
	struct contact *list;
	size_t count, bad;

	(void)state;
	assert_true(vcard_read(a, span_str(cards), &list, &count, &bad));
	assert_int_equal(count, 2);
	assert_int_equal(bad, 2);
	assert_true(span_eq(list[0].name, SPAN("Dr. Jane Doe")));
	assert_int_equal(list[0].address_count, 0); /* a blank is in it: none */
	assert_true(span_eq(list[1].name, SPAN("Semi; colon")));
	assert_true(span_eq(list[1].note, SPAN("one\ntwo")));
	vcard_put(b, &list[1], 4);
	assert_string_equal(buf_cstr(b),
		"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Semi\\; colon\r\nN:colon;Semi\\;;;;\r\n"
		"NOTE:one\\ntwo\r\nEND:VCARD\r\n");
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_made_or_refused),
		cmocka_unit_test(envelopes_are_read_or_refused),
		cmocka_unit_test(only_people_are_answered),
		cmocka_unit_test(cards_go_in_and_come_out),
	};

	return cmocka_run_group_tests_name("services/jmapd_write", tests, NULL, NULL);
}
