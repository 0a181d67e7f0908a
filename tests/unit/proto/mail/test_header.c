#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"
#include "proto/mail/mail_header.h"

static size_t choose(void)
{
	static uint64_t state = 7;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(state >> 33);
}

/* Everything a scan says, as text. */
static void note(void *arg, const struct mail_field *f)
{
	buf_printf(arg, "[%u %llu+%llu " SPAN_FMT "|" SPAN_FMT "%s]", f->id,
		(unsigned long long)f->offset, (unsigned long long)f->len, SPAN_ARG(f->name),
		SPAN_ARG(f->value), f->is_cut ? " cut" : "");
}

static void scan(struct span in, unsigned cut, struct buf *out)
{
	struct mail_header h;
	size_t at = 0, used;

	buf_init(out, 1 << 20);
	mail_header_init(&h, note, out);
	while (at < in.len && !h.is_done) {
		size_t n = cut == 0 ? in.len : cut == 1 ? 1 : choose() % 9 + 1;
		struct span piece = span_sub(in, at, n);
		char *copy = test_malloc(piece.len);

		memcpy(copy, piece.ptr, piece.len);
		used = mail_header_feed(&h, span_of(copy, piece.len));
		test_free(copy);
		assert_true(used <= piece.len && (used == piece.len || h.is_done));
		at += piece.len;
	}
	mail_header_finish(&h);
	assert_true(h.is_done);
	assert_int_equal(h.fed, h.body_offset);
	buf_printf(out, " body %llu troubles %u received %u fields %u",
		(unsigned long long)h.body_offset, h.troubles, h.count[MAIL_RECEIVED], h.fields);
	mail_header_fini(&h);
}

static const struct {
	const char *name;
	struct span in;
	const char *out;
} cases[] = {
	{"ordinary", SPAN("From: a@b\r\nSubject: x\r\n\r\nbody\r\n"),
		"[3 0+11 From| a@b][10 11+12 Subject| x] body 25 troubles 0 received 0 fields 2"},
	{"folded", SPAN("Subject: x\r\n y\r\n\tz\r\nTo: a\r\n\r\n"),
		"[10 0+20 Subject| x\r\n y\r\n\tz][6 20+7 To| a] body 29 troubles 0 received 0 "
		"fields 2"},
	{"received counted in any case", SPAN("Received: a\r\nRECEIVED: b\r\nreceived:c\r\n\r\n"),
		"[0 0+13 Received| a][0 13+13 RECEIVED| b][0 26+12 received|c] body 40 troubles 0 "
		"received 3 fields 3"},
	{"no body", SPAN("To: a\r\n"), "[6 0+7 To| a] body 7 troubles 0 received 0 fields 1"},
	{"no line end", SPAN("To: a"), "[6 0+5 To| a] body 5 troubles 0 received 0 fields 1"},
	{"empty header", SPAN("\r\nTo: a\r\n"), " body 2 troubles 0 received 0 fields 0"},
	{"nothing", SPAN(""), " body 0 troubles 0 received 0 fields 0"},
	{"bare LF", SPAN("To: a\nCc: b\n\nbody"),
		"[6 0+6 To| a][7 6+6 Cc| b] body 13 troubles 0 received 0 fields 2"},
	{"line that is no field", SPAN("To: a\r\nhello there\r\nCc: b\r\n"),
		"[6 0+7 To| a] body 7 troubles 2 received 0 fields 1"},
	{"mbox line first", SPAN("From a@b Mon\r\nTo: a\r\n"),
		" body 0 troubles 2 received 0 fields 0"},
	{"continuation first", SPAN(" x\r\nTo: a\r\n"), " body 0 troubles 2 received 0 fields 0"},
	{"colon first", SPAN(": x\r\n"), " body 0 troubles 2 received 0 fields 0"},
	{"blanks before the colon", SPAN("Subject \t: x\r\n\r\n"),
		"[10 0+14 Subject| x] body 16 troubles 0 received 0 fields 1"},
	{"blanks in the name", SPAN("Sub ject: x\r\n"), " body 0 troubles 2 received 0 fields 0"},
	{"name above ASCII", SPAN("S\xc3\xbc: x\r\n"), " body 0 troubles 2 received 0 fields 0"},
	{"line of blanks continues", SPAN("To: a\r\n \r\nCc: b\r\n\r\n"),
		"[6 0+10 To| a\r\n ][7 10+7 Cc| b] body 19 troubles 0 received 0 fields 2"},
	{"unfinished name", SPAN("To: a\r\nSubj"),
		"[6 0+7 To| a] body 7 troubles 2 received 0 "
		"fields 1"},
	{"unfinished CR", SPAN("To: a\r\n\r"),
		"[6 0+7 To| a] body 8 troubles 0 received 0 fields 1"},
	{"bare CR in a value", SPAN("To: a\rb\r\n\r\n"),
		"[6 0+9 To| a\rb] body 11 troubles 0 received 0 fields 1"},
	{"empty value", SPAN("Bcc:\r\n\r\n"), "[8 0+6 Bcc|] body 8 troubles 0 received 0 fields 1"},
};

static void header_table(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		for (unsigned cut = 0; cut < 12; cut++) {
			struct buf out;

			scan(cases[i].in, cut, &out);
			if (strcmp(buf_cstr(&out), cases[i].out) != 0)
				fail_msg("%s (cut %u): %s", cases[i].name, cut, buf_cstr(&out));
			buf_fini(&out);
		}
	}
}

/* Limits hold whatever the cut, and give the same places. */
static void limits_hold_at_any_cut(void **state)
{
	static const struct {
		const char *name, *begin, *repeat;
		size_t times;
		const char *tail; /* of the outcome */
	} t[] = {
		{"endless field", "Subject: ", "xxxxxxxxxx", 40000,
			" cut] body 262144 troubles 5 received 0 fields 1"},
		{"endless folds", "Subject: x\r\n", " y\r\n", 100000,
			" cut] body 262144 troubles 5 received 0 fields 1"},
		{"endless name", "", "xxxxxxxxxx", 400, " body 0 troubles 2 received 0 fields 0"},
		{"long line is a field", "Subject: ", "xxxxxxxxxx", 8000,
			" cut] body 80009 troubles 4 received 0 fields 1"},
		{"too many fields", "", "a:\r\n", 20000,
			" body 40000 troubles 1 received 0 fields 10000"},
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf in;

		buf_init(&in, 1 << 20);
		buf_str(&in, t[i].begin);
		for (size_t n = 0; n < t[i].times; n++)
			buf_str(&in, t[i].repeat);
		for (unsigned cut = 0; cut < 3; cut++) {
			struct buf out;
			struct span end;

			scan(buf_span(&in), cut, &out);
			end = span_str(t[i].tail);
			if (buf_len(&out) < end.len ||
				!span_eq(span_skip(buf_span(&out), buf_len(&out) - end.len), end))
				fail_msg("%s (cut %u): …" SPAN_FMT, t[i].name, cut,
					SPAN_ARG(span_skip(buf_span(&out),
						buf_len(&out) < 80 ? 0 : buf_len(&out) - 80)));
			buf_fini(&out);
		}
		buf_fini(&in);
	}
}

static void any_cut_gives_the_same(void **state)
{
	static const char soup[] = "\r\n: a\tRS\r\n\r\n";

	for (int round = 0; round < 3000; round++) {
		char in[60];
		size_t len = choose() % sizeof(in);
		struct buf whole, bytes, cuts;

		for (size_t i = 0; i < len; i++)
			in[i] = soup[choose() % (sizeof(soup) - 1)];
		scan(span_of(in, len), 0, &whole);
		scan(span_of(in, len), 1, &bytes);
		scan(span_of(in, len), 2, &cuts);
		assert_true(span_eq(buf_span(&whole), buf_span(&bytes)));
		assert_true(span_eq(buf_span(&whole), buf_span(&cuts)));
		buf_fini(&whole);
		buf_fini(&bytes);
		buf_fini(&cuts);
	}
}

static void find_and_unfold(void **state)
{
	struct arena *a = arena_new();
	struct span message = SPAN(
		"X: 1\r\nSubject: two\r\n  words\r\nsubject: other\r\n\r\nTo: no\r\n");
	struct span value;

	assert_true(mail_header_find(message, SPAN("SUBJECT"), &value));
	assert_true(value.ptr > message.ptr && value.ptr < message.ptr + message.len);
	assert_true(span_eq(mail_unfold(a, value), SPAN("two  words")));
	assert_false(mail_header_find(message, SPAN("To"), &value));
	assert_false(mail_header_find(SPAN(""), SPAN("To"), &value));
	arena_free(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_table),
		cmocka_unit_test(limits_hold_at_any_cut),
		cmocka_unit_test(any_cut_gives_the_same),
		cmocka_unit_test(find_and_unfold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
