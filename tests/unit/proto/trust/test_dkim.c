/* DKIM: tag lists, canonical forms, key records, and the examples of RFC 6376 and RFC 8463. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/enc.h"
#include "base/must.h"
#include "proto/trust/dkim_sign.h"
#include "proto/trust/dkim_tags.h"
#include "proto/trust/dkim_verify.h"
#include "dkim_vectors.h"

/* ---- tag lists ---- */

static const struct {
	const char *name, *text;
	const char *want; /* "name=value|…"; NULL: no list */
} lists[] = {
	{"one", "a=b", "a=b|"},
	{"two and a last semicolon", "v=1; a=rsa-sha256;", "v=1|a=rsa-sha256|"},
	{"a last semicolon and blanks", "v=1 ; a=x ; \t", "v=1|a=x|"},
	{"blanks around all", " v = 1 ;\ta\t=\tb ", "v=1|a=b|"},
	{"folds", "v=1;\r\n a=b;\r\n\tc=\r\n d", "v=1|a=b|c=d|"},
	{"a blank within a value", "n=two words; a=b", "n=two words|a=b|"},
	{"an equals sign within a value", "p=AA==; q=a=b", "p=AA==|q=a=b|"},
	{"an empty value", "p=; a=b", "p=|a=b|"},
	{"an empty value at the end", "a=b; p=", "a=b|p=|"},
	{"digits and underscores in a name", "x_1=a", "x_1=a|"},
	{"names in both cases are two", "a=1; A=2", "a=1|A=2|"},
	{"UTF-8 in a value", "i=\xe9\xa9\xbf@x", "i=\xe9\xa9\xbf@x|"},
	{"nothing", "", NULL},
	{"blanks", " \t", NULL},
	{"a semicolon", ";", NULL},
	{"two semicolons", "a=b;;c=d", NULL},
	{"two at the end", "a=b;;", NULL},
	{"no equals sign", "a=b; c", NULL},
	{"no name", "a=b; =c", NULL},
	{"a name that begins with a digit", "1a=b", NULL},
	{"a name that begins with an underscore", "_a=b", NULL},
	{"a hyphen in a name", "a-b=c", NULL},
	{"a name twice", "a=b; a=c", NULL},
	{"a control in a value", "a=b\x01", NULL},
	{"a DEL in a value", "a=b\x7f", NULL},
	{"a bare LF", "a=b;\n c=d", NULL},
	{"a bare CR", "a=b\rc", NULL},
	{"a line end without a blank behind it", "a=b;\r\nc=d", NULL},
	{"a line end at the end", "a=b\r\n", NULL},
	{"broken UTF-8", "a=\xff", NULL},
};

static void tag_lists_are_strict(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		struct dkim_tags tags;
		struct err e = {0};
		struct buf b;
		int rc = dkim_tags_parse(span_str(lists[i].text), &tags, &e);

		buf_init(&b, 1000);
		for (size_t k = 0; rc == 0 && k < tags.count; k++)
			buf_printf(&b, SPAN_FMT "=" SPAN_FMT "|", SPAN_ARG(tags.tag[k].name),
				SPAN_ARG(tags.tag[k].value));
		if ((rc == 0) != (lists[i].want != NULL))
			fail_msg("%s: %d %s", lists[i].name, rc, e.text);
		if (rc < 0 && !e.text[0])
			fail_msg("%s: no reason", lists[i].name);
		if (rc == 0 && strcmp(buf_cstr(&b), lists[i].want) != 0)
			fail_msg("%s: got %s", lists[i].name, buf_cstr(&b));
		buf_fini(&b);
	}
}

static void more_tags_than_anybody_writes_are_none(void **state)
{
	struct dkim_tags tags;
	struct err e = {0};
	struct buf b;

	(void)state;
	buf_init(&b, 10000);
	for (int i = 0; i <= DKIM_TAGS_MAX; i++)
		buf_printf(&b, "a%d=b;", i);
	assert_int_equal(dkim_tags_parse(buf_span(&b), &tags, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	buf_fini(&b);
}

static void words_of_a_list(void **state)
{
	struct span rest = SPAN("From : To:\r\n Subject"), word;
	struct span empty = SPAN_NONE;

	(void)state;
	assert_true(dkim_tags_word(&rest, &word) && span_eq(word, SPAN("From")));
	assert_true(dkim_tags_word(&rest, &word) && span_eq(word, SPAN("To")));
	assert_true(dkim_tags_word(&rest, &word) && span_eq(word, SPAN("Subject")));
	assert_false(dkim_tags_word(&rest, &word));
	assert_false(dkim_tags_word(&empty, &word));
	rest = SPAN("a:");
	assert_true(dkim_tags_word(&rest, &word) && span_eq(word, SPAN("a")));
	assert_true(dkim_tags_word(&rest, &word) && word.len == 0);
	assert_false(dkim_tags_word(&rest, &word));
	assert_true(dkim_tags_has(SPAN("y:s"), SPAN("s")));
	assert_false(dkim_tags_has(SPAN("ys"), SPAN("s")));
}

/* ---- canonical forms ---- */

static void gather(void *arg, struct span octets)
{
	buf_span_put(arg, octets);
}

static const struct {
	const char *name, *body, *simple, *relaxed;
} bodies[] = {
	{"empty", "", "\r\n", ""},
	{"one line end", "\r\n", "\r\n", ""},
	{"many line ends", "\r\n\r\n\r\n", "\r\n", ""},
	{"no line end at the end", "a", "a\r\n", "a\r\n"},
	{"a line", "a\r\n", "a\r\n", "a\r\n"},
	{"empty lines at the end", "a\r\n\r\n\r\n", "a\r\n", "a\r\n"},
	{"empty lines within", "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n", "a\r\n\r\n\r\nb\r\n"},
	{"empty lines in front", "\r\n\r\na\r\n", "\r\n\r\na\r\n", "\r\n\r\na\r\n"},
	/* RFC 6376 section 3.4.5 */
	{"the example", " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n", " C\r\nD E\r\n"},
	{"blanks alone", "  \t\r\n", "  \t\r\n", ""},
	{"blanks alone, no line end", "  \t", "  \t\r\n", ""},
	{"lines of blanks at the end", "a\r\n \r\n\t\r\n", "a\r\n \r\n\t\r\n", "a\r\n"},
	{"a line of blanks within", "a\r\n \r\nb\r\n", "a\r\n \r\nb\r\n", "a\r\n\r\nb\r\n"},
	{"a blank in front of a line", "\ta\r\n", "\ta\r\n", " a\r\n"},
	{"a bare CR", "a\rb\r\n", "a\rb\r\n", "a\rb\r\n"},
	{"a bare CR at the end", "a\r", "a\r\r\n", "a\r\r\n"},
	{"CR CR LF", "a\r\r\n", "a\r\r\n", "a\r\r\n"},
	{"blank CR blank", "a \r b\r\n", "a \r b\r\n", "a \r b\r\n"},
	{"a bare LF", "a \n b\r\n", "a \n b\r\n", "a \n b\r\n"},
	{"blanks in front of a last line without end", "a\r\n\r\n b", "a\r\n\r\n b\r\n",
		"a\r\n\r\n b\r\n"},
	{"8 bits", "\xc3\xa9  \xff\r\n", "\xc3\xa9  \xff\r\n", "\xc3\xa9 \xff\r\n"},
	{"twenty line ends within",
		"a\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nb",
		"a\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nb\r\n",
		"a\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\n\r\nb\r\n"},
};

static void check_body(size_t i, enum dkim_canon c, size_t step, const char *want)
{
	struct span body = span_str(bodies[i].body);
	struct dkim_body b;
	struct buf out;

	buf_init(&out, 1000);
	dkim_body_init(&b, c, (struct dkim_sink){gather, &out});
	for (size_t at = 0; at < body.len; at += step)
		dkim_body_feed(&b, span_sub(body, at, step));
	dkim_body_end(&b);
	if (!span_eq(buf_span(&out), span_str(want)) || b.put != buf_len(&out))
		fail_msg("%s, %s, pieces of %zu: got '%s'", bodies[i].name, dkim_canon_str(c), step,
			buf_cstr(&out));
	buf_fini(&out);
}

static void bodies_in_any_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
		for (size_t step = 1; step < 50; step++) {
			check_body(i, DKIM_SIMPLE, step, bodies[i].simple);
			check_body(i, DKIM_RELAXED, step, bodies[i].relaxed);
		}
	}
}

static const struct {
	const char *name, *field, *relaxed;
} fields[] = {
	/* RFC 6376 section 3.4.5 */
	{"the first example", "A: X\r\n", "a:X\r\n"},
	{"the second example", "B : Y\t\r\n\tZ  \r\n", "b:Y Z\r\n"},
	{"no blank behind the colon", "Subject:x\r\n", "subject:x\r\n"},
	{"an empty value", "Subject:\r\n", "subject:\r\n"},
	{"a value of blanks and folds", "Subject: \r\n \r\n\t\r\n", "subject:\r\n"},
	{"a fold behind the colon", "Subject:\r\n x\r\n", "subject:x\r\n"},
	{"colons in the value", "X-A: b: c\r\n", "x-a:b: c\r\n"},
	{"no line end", "A: b", "a:b\r\n"},
	{"a bare LF stays", "A: b\n c\r\n", "a:b\n c\r\n"},
	{"UTF-8", "A: \xc3\xa9  \xc3\xa9\r\n", "a:\xc3\xa9 \xc3\xa9\r\n"},
};

static void fields_are_canonical(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		struct span f = span_str(fields[i].field);
		struct buf out;

		buf_init(&out, 1000);
		dkim_canon_field((struct dkim_sink){gather, &out}, DKIM_RELAXED, f);
		if (!span_eq(buf_span(&out), span_str(fields[i].relaxed)))
			fail_msg("%s: got '%s'", fields[i].name, buf_cstr(&out));
		buf_clear(&out);
		dkim_canon_field((struct dkim_sink){gather, &out}, DKIM_SIMPLE, f);
		assert_true(span_starts(buf_span(&out), span_sub(f, 0, f.len - 2)));
		assert_true(span_ends_nocase(buf_span(&out), SPAN("\r\n")));
		buf_fini(&out);
	}
}

/* ---- key records ---- */

#define ED_P "p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static const struct {
	const char *name, *text;
	const char *why; /* it is none */
	struct dkim_record want;
} records[] = {
	{"Ed25519", "v=DKIM1; k=ed25519; " ED_P, NULL,
		{.is_known = true,
			.algorithm = DKIM_ED25519_SHA256,
			.has_service = true,
			.has_sha256 = true}},
	{"without a version", "k=ed25519; " ED_P, NULL,
		{.is_known = true,
			.algorithm = DKIM_ED25519_SHA256,
			.has_service = true,
			.has_sha256 = true}},
	{"RSA is the default", "p=AAAA", NULL,
		{.is_known = true, .has_service = true, .has_sha256 = true}},
	{"revoked", "v=DKIM1; p=", NULL,
		{.is_known = true, .is_revoked = true, .has_service = true, .has_sha256 = true}},
	{"flags", "v=DKIM1; t=y:s; p=AAAA", NULL,
		{.is_known = true,
			.is_testing = true,
			.is_exact = true,
			.has_service = true,
			.has_sha256 = true}},
	{"flags nobody knows", "t=x : z; p=AAAA", NULL,
		{.is_known = true, .has_service = true, .has_sha256 = true}},
	{"another service", "s=tlsrpt; p=AAAA", NULL, {.is_known = true, .has_sha256 = true}},
	{"all services", "s=*; p=AAAA", NULL,
		{.is_known = true, .has_service = true, .has_sha256 = true}},
	{"two services", "s=other:email; p=AAAA", NULL,
		{.is_known = true, .has_service = true, .has_sha256 = true}},
	{"SHA-1 alone", "h=sha1; p=AAAA", NULL, {.is_known = true, .has_service = true}},
	{"both hashes", "h=sha1:sha256; p=AAAA", NULL,
		{.is_known = true, .has_service = true, .has_sha256 = true}},
	{"a type nobody knows", "k=pqc; p=AAAA", NULL, {.has_service = true, .has_sha256 = true}},
	{"tags nobody knows", "v=DKIM1; g=*; n=a note here; x=1; p=AAAA", NULL,
		{.is_known = true, .has_service = true, .has_sha256 = true}},
	{"another version", "v=DKIM2; p=AAAA", "v="},
	{"a version in lower case", "v=dkim1; p=AAAA", "v="},
	{"a version that comes second", "k=rsa; v=DKIM1; p=AAAA", "first"},
	{"no key", "v=DKIM1; k=rsa", "no p="},
	{"a key that is no base64", "p=AA!A", "base64"},
	{"a key with a letter too few", "p=AAA", "base64"},
	{"Ed25519 of 31 octets", "k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", "32"},
	{"another record", "v=spf1 -all", "v="},
	{"no record", "hello", "="},
	{"empty", "", "name"},
};

static void key_records_are_read(void **state)
{
	struct arena *a = arena_new();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		struct dkim_record r, want = records[i].want;
		struct err e = {0};
		int rc = dkim_record_parse(a, &dkim_rfc6376, span_str(records[i].text), &r, &e);

		if (records[i].why) {
			if (rc == 0 || !strstr(e.text, records[i].why))
				fail_msg("%s: %d '%s'", records[i].name, rc, e.text);
			continue;
		}
		if (rc < 0)
			fail_msg("%s: %s", records[i].name, e.text);
		if (r.is_known != want.is_known || (r.is_known && r.algorithm != want.algorithm) ||
			r.is_revoked != want.is_revoked || r.is_testing != want.is_testing ||
			r.is_exact != want.is_exact || r.has_service != want.has_service ||
			r.has_sha256 != want.has_sha256)
			fail_msg("%s: read as something else", records[i].name);
	}
	arena_free(&a);
}

/* ---- keys ---- */

static struct dkim_pkey *key_of(const char *text)
{
	struct err e = {0};
	struct dkim_pkey *k = dkim_pkey_read(span_str(text), &e);

	if (!k)
		fail_msg("%s", e.text);
	return k;
}

static void keys_have_their_records(void **state)
{
	static const struct {
		const char *key, *record;
		unsigned bits;
	} t[] = {{RFC6376_PRIVATE, RFC6376_RECORD, 1024}, {RFC8463_SEED, RFC8463_RECORD, 256},
		{RFC8463_RSA_PRIVATE, RFC8463_RSA_RECORD, 1024}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct dkim_pkey *k = key_of(t[i].key), *again;
		struct arena *a = arena_new();
		struct buf *pem = arena_buf(a, DKIM_PEM_MAX), *out = arena_buf(a, 4096);
		struct buf *out2 = arena_buf(a, 4096);
		struct dkim_record want, got;

		assert_int_equal(dkim_pkey_bits(k), t[i].bits);
		assert_int_equal(dkim_pkey_record(k, &dkim_rfc6376, true, out, NULL), 0);
		assert_int_equal(
			dkim_record_parse(a, &dkim_rfc6376, span_str(t[i].record), &want, NULL), 0);
		assert_int_equal(dkim_record_parse(a, &dkim_rfc6376, buf_span(out), &got, NULL), 0);
		assert_true(span_eq(want.key, got.key) && want.algorithm == got.algorithm);
		assert_true(got.is_exact && got.has_sha256);
		assert_int_equal(dkim_record_bits(&got), t[i].bits);
		/* as PEM and back */
		assert_int_equal(dkim_pkey_write(k, pem, NULL), 0);
		again = key_of(buf_cstr(pem));
		assert_int_equal(dkim_pkey_public(k, out2, NULL), 0);
		assert_true(span_eq(buf_span(out2), want.key));
		buf_clear(out2);
		assert_int_equal(dkim_pkey_public(again, out2, NULL), 0);
		assert_true(span_eq(buf_span(out2), want.key));
		dkim_pkey_free(&k);
		dkim_pkey_free(&again);
		arena_free(&a);
	}
}

static void what_is_no_key_is_refused(void **state)
{
	static const char *const t[] = {"", "hello", "AAAA",
		"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
		/* an elliptic curve of another kind */
		"-----BEGIN PRIVATE KEY-----\n"
		"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\n"
		"OF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n"
		"1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n"
		"-----END PRIVATE KEY-----\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct err e = {0};

		assert_null(dkim_pkey_read(span_str(t[i]), &e));
		assert_true(e.text[0]);
	}
	assert_null(dkim_pkey_generate(DKIM_RSA_SHA256, 1024, NULL));
}

static void records_are_cut_in_strings(void **state)
{
	char text[600];
	struct buf b;

	(void)state;
	memset(text, 'a', sizeof(text));
	buf_init(&b, 2000);
	dkim_record_put_strings(&b, span_of(text, sizeof(text)));
	assert_int_equal(buf_len(&b), 600 + 3 * 2 + 2);
	assert_true(span_eq(span_sub(buf_span(&b), 256, 3), SPAN("\" \"")));
	buf_fini(&b);
}

/* ---- the examples of the RFCs ---- */

static enum dkim_verdict verdict_of(
	const char *message, const char *ed, const char *rsa, size_t i, size_t step)
{
	struct arena *a = arena_new();
	struct dkim_verifier *v = dkim_verifier_new(a, &dkim_rfc6376, 1528637909);
	struct span m = span_str(message), text;
	struct dkim_result *r;
	enum dkim_verdict verdict;

	for (size_t at = 0; at < m.len; at += step)
		dkim_verifier_feed(v, span_sub(m, at, step));
	assert_true(dkim_verifier_end(v, &r) > i);
	text = span_str(r[i].algorithm == DKIM_RSA_SHA256 ? rsa : ed);
	dkim_verifier_key(v, i, DKIM_KEY_FOUND, &text, 1);
	verdict = r[i].verdict;
	arena_free(&a);
	return verdict;
}

static void the_examples_of_the_rfcs_verify(void **state)
{
	(void)state;
	for (size_t step = 1; step < 2000; step = step * 3 + 1) {
		assert_int_equal(verdict_of(RFC6376_FIELD RFC6376_HEADER RFC6376_BODY, "",
					 RFC6376_RECORD, 0, step),
			DKIM_PASS);
		for (size_t i = 0; i < 2; i++)
			assert_int_equal(verdict_of(RFC8463_FIELD RFC8463_RSA_FIELD RFC8463_MESSAGE,
						 RFC8463_RECORD, RFC8463_RSA_RECORD, i, step),
				DKIM_PASS);
	}
}

/* The signature of `field` with its b= left out, made anew. */
static void check_reproduced(
	const char *field, const char *message, const char *private, enum dkim_canon canon)
{
	struct span own = span_sub(span_str(field), 0, strlen(field) - 2), value;
	struct dkim_pkey *k = key_of(private);
	struct dkim_message m;
	struct dkim_tags tags;
	unsigned char digest[DKIM_DIGEST_LEN];
	const struct dkim_tag *b;
	struct buf sig, want;
	struct dkim_own cut;

	dkim_message_init(&m, NULL, NULL);
	dkim_message_feed(&m, span_str(message));
	dkim_message_end(&m);
	value = span_skip(own, sizeof("DKIM-Signature:") - 1);
	assert_int_equal(dkim_tags_parse(value, &tags, NULL), 0);
	b = dkim_tags_get(&tags, "b");
	cut = (struct dkim_own){own, (size_t)(b->raw.ptr - own.ptr), 0};
	cut.to = cut.from + b->raw.len;
	assert_true(dkim_message_hash(&m, canon, dkim_tags_value(&tags, "h"), &cut, digest));
	buf_init(&sig, 1024);
	buf_init(&want, 1024);
	assert_true(dkim_tags_base64(b->value, &want));
	assert_int_equal(dkim_pkey_sign(k, digest, &sig, NULL), 0);
	assert_true(span_eq(buf_span(&sig), buf_span(&want)));
	buf_fini(&sig);
	buf_fini(&want);
	dkim_message_fini(&m);
	dkim_pkey_free(&k);
}

static void the_examples_of_the_rfcs_reproduce(void **state)
{
	(void)state;
	check_reproduced(RFC6376_FIELD, RFC6376_HEADER RFC6376_BODY, RFC6376_PRIVATE, DKIM_SIMPLE);
	check_reproduced(RFC8463_FIELD, RFC8463_MESSAGE, RFC8463_SEED, DKIM_RELAXED);
	check_reproduced(RFC8463_RSA_FIELD, RFC8463_MESSAGE, RFC8463_RSA_PRIVATE, DKIM_RELAXED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tag_lists_are_strict),
		cmocka_unit_test(more_tags_than_anybody_writes_are_none),
		cmocka_unit_test(words_of_a_list),
		cmocka_unit_test(bodies_in_any_cut),
		cmocka_unit_test(fields_are_canonical),
		cmocka_unit_test(key_records_are_read),
		cmocka_unit_test(keys_have_their_records),
		cmocka_unit_test(what_is_no_key_is_refused),
		cmocka_unit_test(records_are_cut_in_strings),
		cmocka_unit_test(the_examples_of_the_rfcs_verify),
		cmocka_unit_test(the_examples_of_the_rfcs_reproduce),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
