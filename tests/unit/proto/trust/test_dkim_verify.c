/* DKIM: what the signer writes, and what the verifier says of what it does not write. */

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

#define NOW 1795000000

#define HEAD                                                                                       \
	"From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: Hello\r\n"                 \
	"Date: Mon, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n"
#define MESSAGE HEAD "\r\nDear Bob,\r\n\r\nhello.\r\n"

struct world {
	struct arena *a;
	struct dkim_pkey *ed, *rsa;
	struct span ed_record, rsa_record;
};

static struct span record_of(struct arena *a, const struct dkim_pkey *k)
{
	struct buf *b = arena_buf(a, 4096);

	assert_int_equal(dkim_pkey_record(k, &dkim_rfc6376, false, b, NULL), 0);
	return buf_span(b);
}

static int set_up(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	w->a = arena_new();
	w->ed = dkim_pkey_read(SPAN(RFC8463_SEED), NULL);
	w->rsa = dkim_pkey_read(SPAN(RFC8463_RSA_PRIVATE), NULL);
	w->ed_record = record_of(w->a, w->ed);
	w->rsa_record = record_of(w->a, w->rsa);
	*state = w;
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	dkim_pkey_free(&w->ed);
	dkim_pkey_free(&w->rsa);
	arena_free(&w->a);
	free(w);
	return 0;
}

/* ---- signing ---- */

struct signing {
	enum dkim_canon header, body;
	struct span names;
	int64_t lifetime_sec;
	size_t step;
};

static struct span sign(struct world *w, struct span message, const struct signing *how)
{
	struct dkim_sign_settings s = {.dialect = &dkim_rfc6376,
		.header = how->header,
		.body = how->body,
		.now_sec = NOW,
		.lifetime_sec = how->lifetime_sec,
		.names = how->names};
	struct dkim_sign_key keys[] = {{SPAN("example.org"), SPAN("ed"), w->ed},
		{SPAN("example.org"), SPAN("rsa"), w->rsa}};
	size_t step = how->step ? how->step : message.len;
	struct buf *fields = arena_buf(w->a, 100000);
	struct dkim_message m;
	struct err e = {0};

	dkim_message_init(&m, dkim_sign_wants, &s);
	for (size_t at = 0; at < message.len; at += step)
		dkim_message_feed(&m, span_sub(message, at, step));
	dkim_message_end(&m);
	if (dkim_sign(&m, &s, keys, 2, fields, &e) < 0)
		fail_msg("%s", e.text);
	dkim_message_fini(&m);
	return buf_span(fields);
}

/* The verdict on signature `i` of front + message. */
static struct dkim_result verify(
	struct world *w, struct span front, struct span message, size_t i, int64_t now)
{
	struct dkim_verifier *v = dkim_verifier_new(w->a, &dkim_rfc6376, now);
	struct dkim_result *r;
	struct span record;

	dkim_verifier_feed(v, front);
	dkim_verifier_feed(v, message);
	assert_true(dkim_verifier_end(v, &r) > i);
	record = r[i].algorithm == DKIM_RSA_SHA256 ? w->rsa_record : w->ed_record;
	dkim_verifier_key(v, i, DKIM_KEY_FOUND, &record, 1);
	return r[i];
}

static const struct {
	const char *name, *message;
} shapes[] = {
	{"plain", MESSAGE},
	{"no body", HEAD},
	{"empty body", HEAD "\r\n"},
	{"only line ends", HEAD "\r\n\r\n\r\n\r\n"},
	{"no line end at the end", HEAD "\r\nHello"},
	{"header without its last line end", "From: a@example.org\r\nSubject: x"},
	{"From alone", "From: a@example.org\r\n\r\n"},
	{"folds", "From:\r\n Ann\r\n\t<ann@example.org>\r\nSubject: a\r\n  b\r\n\r\n x \t y \r\n"},
	{"8 bits", "From: \xc3\x84nn <a@example.org>\r\nSubject: \xe9\r\n\r\n\xff\xfe\r\n"},
	{"repeated fields", HEAD "To: c@d\r\nSubject: b\r\nTo: e@f\r\n\r\nx\r\n"},
	{"a line that is no field", "From: a@example.org\r\nno field\r\n\r\nx\r\n"},
	{"a signature of somebody else",
		"DKIM-Signature: v=1; a=rsa-sha256; d=x; s=y; h=from; bh=AAAA; b=AAAA\r\n" MESSAGE},
};

static void what_is_signed_verifies(void **state)
{
	struct world *w = *state;

	for (size_t i = 0; i < ARRAY_LEN(shapes); i++) {
		struct span m = span_str(shapes[i].message);

		for (size_t k = 0; k < 32; k++) {
			struct signing how = {.header = k & 1 ? DKIM_RELAXED : DKIM_SIMPLE,
				.body = k & 2 ? DKIM_RELAXED : DKIM_SIMPLE,
				.lifetime_sec = DKIM_LIFETIME_SEC,
				.step = k / 4 + 1};
			struct span front = sign(w, m, &how);
			struct dkim_result ed = verify(w, front, m, 0, NOW);
			struct dkim_result rsa = verify(w, front, m, 1, NOW);

			if (ed.verdict != DKIM_PASS || rsa.verdict != DKIM_PASS)
				fail_msg("%s: %s, %s", shapes[i].name, ed.reason, rsa.reason);
			assert_true(span_eq(ed.identity, SPAN("@example.org")));
			assert_int_equal(ed.signed_sec, NOW);
			assert_int_equal(ed.expires_sec, NOW + DKIM_LIFETIME_SEC);
		}
	}
}

static void no_line_is_longer_than_78(void **state)
{
	struct world *w = *state;
	struct signing how = {
		.header = DKIM_RELAXED, .body = DKIM_RELAXED, .lifetime_sec = DKIM_LIFETIME_SEC};
	struct span fields = sign(w, SPAN(MESSAGE), &how), line;

	assert_true(span_ends_nocase(fields, SPAN("\r\n")));
	while (fields.len) {
		size_t columns;

		span_cut(fields, '\n', &line, &fields);
		assert_int_equal(line.ptr[line.len - 1], '\r');
		columns = line.len - 1 + (line.ptr[0] == '\t' ? 7 : 0);
		assert_true(columns > 8 && columns <= DKIM_LINE_MAX);
	}
}

static void the_field_has_its_tags(void **state)
{
	static const char *const want[] = {"v", "a", "c", "d", "s", "t", "x", "h", "bh", "b"};
	struct world *w = *state;
	struct signing how = {.header = DKIM_RELAXED, .body = DKIM_RELAXED, .lifetime_sec = 60};
	struct span fields = sign(w, SPAN(MESSAGE), &how);
	struct dkim_tags tags;

	fields = span_skip(fields, sizeof("DKIM-Signature:") - 1);
	fields = span_sub(fields, 0, (size_t)span_find_span(fields, SPAN("\r\nDKIM-Signature")));
	assert_int_equal(dkim_tags_parse(fields, &tags, NULL), 0);
	assert_int_equal(tags.count, ARRAY_LEN(want));
	for (size_t i = 0; i < ARRAY_LEN(want); i++)
		assert_true(span_eq(tags.tag[i].name, span_str(want[i])));
}

/* How often a name stands in h=. */
static size_t covers(struct world *w, const char *message, const char *name)
{
	struct signing how = {.header = DKIM_RELAXED, .body = DKIM_RELAXED};
	struct span front = sign(w, span_str(message), &how), word, names;
	size_t n = 0;

	names = verify(w, front, span_str(message), 0, NOW).names;
	while (dkim_tags_word(&names, &word))
		n += span_eq_nocase(word, span_str(name));
	return n;
}

static void what_matters_is_signed_once_more_than_it_stands(void **state)
{
	static const struct {
		const char *message, *name;
		size_t want;
	} t[] = {
		{MESSAGE, "From", 2},
		{MESSAGE, "Subject", 2},
		{MESSAGE, "Reply-To", 1},
		{MESSAGE, "Content-Type", 1},
		{MESSAGE, "Cc", 1},
		{MESSAGE, "Sender", 0},
		{MESSAGE, "List-Unsubscribe", 0},
		{MESSAGE, "Received", 0},
		{"Received: x\r\nReturn-Path: <a@b>\r\nBcc: x@y\r\n" MESSAGE, "Received", 0},
		{"Return-Path: <a@b>\r\nBcc: x@y\r\n" MESSAGE, "Bcc", 0},
		{"To: c@d\r\n" MESSAGE, "To", 3},
		{"Sender: c@d\r\n" MESSAGE, "Sender", 2},
		{"List-Unsubscribe: <https://a/b>\r\n" MESSAGE, "List-Unsubscribe", 2},
		{"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" MESSAGE,
			"List-Unsubscribe-Post", 2},
		{"Resent-From: c@d\r\n" MESSAGE, "Resent-From", 1},
	};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		size_t n = covers(*state, t[i].message, t[i].name);

		if (n != t[i].want)
			fail_msg("%s in \"%s\": %zu", t[i].name, t[i].message, n);
	}
}

static void what_cannot_be_signed_is_refused(void **state)
{
	static const char *const t[] = {"", "\r\n", "Subject: x\r\n\r\nHi\r\n", "no header at all"};
	struct world *w = *state;
	struct dkim_sign_settings s = {.dialect = &dkim_rfc6376};
	struct dkim_sign_key key = {SPAN("example.org"), SPAN("ed"), w->ed};

	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct buf *fields = arena_buf(w->a, 10000);
		struct dkim_message m;
		struct err e = {0};

		dkim_message_init(&m, dkim_sign_wants, &s);
		dkim_message_feed(&m, span_str(t[i]));
		dkim_message_end(&m);
		assert_int_equal(dkim_sign(&m, &s, &key, 1, fields, &e), -1);
		assert_int_equal(e.smtp, 550);
		assert_int_equal(buf_len(fields), 0);
		dkim_message_fini(&m);
	}
}

/* ---- changes ---- */

static void each_flipped_bit_fails(void **state)
{
	struct world *w = *state;
	struct signing how = {.header = DKIM_SIMPLE, .body = DKIM_SIMPLE};
	struct span front = sign(w, SPAN(MESSAGE), &how);
	struct buf *copy = arena_buf(w->a, sizeof(MESSAGE));

	buf_str(copy, MESSAGE);
	for (size_t i = 0; i < sizeof(MESSAGE) - 1; i++) {
		for (unsigned bit = 1; bit < 256; bit <<= 1) {
			struct span other = buf_span(copy);

			((char *)other.ptr)[i] ^= (char)bit;
			for (size_t k = 0; k < 2; k++) {
				if (verify(w, front, other, k, NOW).verdict == DKIM_PASS)
					fail_msg("octet %zu, bit %u", i, bit);
			}
			((char *)other.ptr)[i] ^= (char)bit;
		}
	}
}

static void what_is_added_fails(void **state)
{
	static const char *const fronts[] = {"From: mallory@example.org\r\n", "Subject: Pay me\r\n",
		"Reply-To: mallory@example.net\r\n", "Cc: x@y\r\n", "Content-Type: text/html\r\n"};
	static const char *const free_fronts[] = {"Received: from x by y; z\r\n", "X-Spam: no\r\n",
		"Sender: list@example.net\r\n", "List-Id: <l.example.net>\r\n"};
	struct world *w = *state;
	struct signing how = {.header = DKIM_RELAXED, .body = DKIM_RELAXED};
	struct span fields = sign(w, SPAN(MESSAGE), &how);

	for (size_t i = 0; i < ARRAY_LEN(fronts); i++) {
		struct span front = span_str(
			arena_printf(w->a, "%s" SPAN_FMT, fronts[i], SPAN_ARG(fields)));

		assert_int_equal(verify(w, front, SPAN(MESSAGE), 0, NOW).verdict, DKIM_FAIL);
	}
	for (size_t i = 0; i < ARRAY_LEN(free_fronts); i++) {
		struct span front = span_str(
			arena_printf(w->a, "%s" SPAN_FMT, free_fronts[i], SPAN_ARG(fields)));

		assert_int_equal(verify(w, front, SPAN(MESSAGE), 0, NOW).verdict, DKIM_PASS);
	}
	assert_int_equal(verify(w, fields, SPAN(MESSAGE "more\r\n"), 0, NOW).verdict, DKIM_FAIL);
	/* RFC 6376 section 3.4.4: empty lines at the end do not count */
	assert_int_equal(verify(w, fields, SPAN(MESSAGE "\r\n\r\n"), 0, NOW).verdict, DKIM_PASS);
}

static void a_signature_runs_out(void **state)
{
	struct world *w = *state;
	struct signing how = {.header = DKIM_RELAXED, .body = DKIM_RELAXED, .lifetime_sec = 60};
	struct span front = sign(w, SPAN(MESSAGE), &how);

	assert_int_equal(verify(w, front, SPAN(MESSAGE), 0, NOW + 60).verdict, DKIM_PASS);
	assert_int_equal(verify(w, front, SPAN(MESSAGE), 0, NOW + 61).verdict, DKIM_FAIL);
	assert_int_equal(
		verify(w, front, SPAN(MESSAGE), 0, NOW - DKIM_CLOCK_SEC).verdict, DKIM_PASS);
	assert_int_equal(
		verify(w, front, SPAN(MESSAGE), 0, NOW - DKIM_CLOCK_SEC - 1).verdict, DKIM_NEUTRAL);
}

/* ---- fields of others ---- */

/* A field made of these tags, signed with the seed of RFC 8463 over h=From. */
static struct span make_field(struct world *w, const char *tags, const char *body_hash)
{
	struct buf *field = arena_buf(w->a, 10000);
	unsigned char digest[DKIM_DIGEST_LEN];
	struct dkim_own own;
	struct dkim_message m;
	struct buf *sig = arena_buf(w->a, 1000);

	buf_printf(field, "DKIM-Signature: %s; bh=%s; b=", tags, body_hash);
	dkim_message_init(&m, NULL, NULL);
	dkim_message_feed(&m, SPAN(MESSAGE));
	dkim_message_end(&m);
	own = (struct dkim_own){buf_span(field), buf_len(field), buf_len(field)};
	assert_true(dkim_message_hash(&m, DKIM_SIMPLE, SPAN("From"), &own, digest));
	dkim_message_fini(&m);
	assert_int_equal(dkim_pkey_sign(w->ed, digest, sig, NULL), 0);
	enc_put_base64(field, buf_span(sig));
	buf_str(field, "\r\n");
	return buf_span(field);
}

#define ED "v=1; a=ed25519-sha256; d=example.org; s=ed; h=From"

static struct span body_hash(struct world *w, uint64_t limit)
{
	struct dkim_message m;
	struct buf *b = arena_buf(w->a, 100);

	dkim_message_init(&m, NULL, NULL);
	dkim_message_feed(&m, SPAN(HEAD "\r\n"));
	assert_true(dkim_message_want(&m, DKIM_SIMPLE, limit) == 0);
	dkim_message_feed(&m, SPAN("Dear Bob,\r\n\r\nhello.\r\n"));
	dkim_message_end(&m);
	enc_put_base64(b, span_of(m.digests[0].value, DKIM_DIGEST_LEN));
	dkim_message_fini(&m);
	return buf_span(b);
}

static const struct {
	const char *name, *tags;
	const char *record; /* NULL: the good one; "-": there is none; "?": DNS did not say */
	enum dkim_verdict want;
	const char *why;
	size_t limit; /* bh= is of so much; 0: all */
} cases[] = {
	{"good", ED, NULL, DKIM_PASS, ""},
	{"the subdomain in i=", ED "; i=ann@sub.example.org", NULL, DKIM_PASS, ""},
	{"upper case in d=", "v=1; a=ed25519-sha256; d=Example.ORG; s=ED; h=From", NULL, DKIM_PASS,
		""},
	{"q= and t=", ED "; q=dns/txt; t=1", NULL, DKIM_PASS, ""},
	{"a tag nobody knows", ED "; zz=1", NULL, DKIM_PASS, ""},
	{"l= of the whole body", ED "; l=21", NULL, DKIM_PASS, ""},
	{"l= of less", ED "; l=9", NULL, DKIM_NEUTRAL, "unsigned", 9},
	{"l= of nothing", ED "; l=0", NULL, DKIM_NEUTRAL, "unsigned", SIZE_MAX},
	{"l= of more", ED "; l=22", NULL, DKIM_PERMERROR, "longer"},
	{"l= that is no number", ED "; l=2x", NULL, DKIM_PERMERROR, "l="},
	{"version 2", "v=2; a=ed25519-sha256; d=example.org; s=ed; h=From", NULL, DKIM_PERMERROR,
		"v="},
	{"no version", "a=ed25519-sha256; d=example.org; s=ed; h=From", NULL, DKIM_PERMERROR,
		"missing"},
	{"no domain", "v=1; a=ed25519-sha256; s=ed; h=From", NULL, DKIM_PERMERROR, "missing"},
	{"a domain that is none", "v=1; a=ed25519-sha256; d=a..b; s=ed; h=From", NULL,
		DKIM_PERMERROR, "d="},
	{"From is not signed", "v=1; a=ed25519-sha256; d=example.org; s=ed; h=To:Subject", NULL,
		DKIM_PERMERROR, "From"},
	{"an empty name", "v=1; a=ed25519-sha256; d=example.org; s=ed; h=From::To", NULL,
		DKIM_PERMERROR, "empty name"},
	{"SHA-1", "v=1; a=rsa-sha1; d=example.org; s=ed; h=From", NULL, DKIM_PERMERROR, "a="},
	{"i= of another domain", ED "; i=ann@example.net", NULL, DKIM_PERMERROR, "i="},
	{"i= of a domain that ends alike", ED "; i=ann@xexample.org", NULL, DKIM_PERMERROR, "i="},
	{"i= without @", ED "; i=example.org", NULL, DKIM_PERMERROR, "i="},
	{"q= of another way", ED "; q=https", NULL, DKIM_PERMERROR, "q="},
	{"c= nobody knows", ED "; c=loose", NULL, DKIM_PERMERROR, "c="},
	{"x= before t=", ED "; t=1795000000; x=1794999999", NULL, DKIM_PERMERROR, "x="},
	{"t= that is no time", ED "; t=now", NULL, DKIM_PERMERROR, "t="},
	{"a tag twice", ED "; t=1; t=1", NULL, DKIM_PERMERROR, "tags"},
	{"no key", ED, "-", DKIM_PERMERROR, "no key"},
	{"no answer", ED, "?", DKIM_TEMPERROR, "looked up"},
	{"a record that is none", ED, "hello", DKIM_PERMERROR, "record"},
	{"a revoked key", ED, "v=DKIM1; k=ed25519; p=", DKIM_PERMERROR, "revoked"},
	{"an RSA key", ED, RFC8463_RSA_RECORD, DKIM_PERMERROR, "kind"},
	{"a key nobody knows", ED, "k=pqc; p=AAAA", DKIM_PERMERROR, "kind"},
	{"a key for something else", ED, RFC8463_RECORD "; s=tlsrpt", DKIM_PERMERROR, "mail"},
	{"a key for SHA-1", ED, RFC8463_RECORD "; h=sha1", DKIM_PERMERROR, "SHA-256"},
	{"another key", ED, "k=ed25519; p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", DKIM_FAIL,
		"header"},
	{"a key for the domain alone", ED "; i=a@sub.example.org", RFC8463_RECORD "; t=s",
		DKIM_PERMERROR, "subdomains"},
	{"such a key, and no subdomain", ED "; i=a@example.org", RFC8463_RECORD "; t=s", DKIM_PASS,
		""},
};

static struct dkim_result judge(struct world *w, size_t i)
{
	struct span hash = body_hash(w,
		cases[i].limit == SIZE_MAX ? 0
			: cases[i].limit   ? cases[i].limit
					   : UINT64_MAX);
	struct span front = make_field(w, cases[i].tags, arena_str(w->a, hash));
	struct dkim_verifier *v = dkim_verifier_new(w->a, &dkim_rfc6376, NOW);
	const char *record = cases[i].record ? cases[i].record : RFC8463_RECORD;
	struct span text = span_str(record);
	struct dkim_result *r;

	dkim_verifier_feed(v, front);
	dkim_verifier_feed(v, SPAN(MESSAGE));
	assert_int_equal(dkim_verifier_end(v, &r), 1);
	dkim_verifier_key(v, 0,
		*record == '-'           ? DKIM_KEY_NONE
			: *record == '?' ? DKIM_KEY_ERROR
					 : DKIM_KEY_FOUND,
		&text, 1);
	return r[0];
}

static void signatures_of_others_are_judged(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct dkim_result r = judge(*state, i);

		if (r.verdict != cases[i].want || !strstr(r.reason, cases[i].why) || r.key_name.len)
			fail_msg(
				"%s: %s, %s", cases[i].name, dkim_verdict_str(r.verdict), r.reason);
	}
}

static void a_key_that_is_tested_says_so(void **state)
{
	struct world *w = *state;
	struct span front = make_field(w, ED, arena_str(w->a, body_hash(w, UINT64_MAX)));
	struct dkim_verifier *v = dkim_verifier_new(w->a, &dkim_rfc6376, NOW);
	struct span texts[] = {SPAN("hello"), SPAN(RFC8463_RECORD "; t=y")};
	struct dkim_result *r;

	dkim_verifier_feed(v, front);
	dkim_verifier_feed(v, SPAN(MESSAGE));
	assert_int_equal(dkim_verifier_end(v, &r), 1);
	assert_true(span_eq(r[0].key_name, SPAN("ed._domainkey.example.org")));
	/* of several records the first that is one */
	dkim_verifier_key(v, 0, DKIM_KEY_FOUND, texts, 2);
	assert_int_equal(r[0].verdict, DKIM_PASS);
	assert_true(r[0].is_testing);
	assert_int_equal(r[0].key_bits, 256);
}

static void short_rsa_keys_do_not_count(void **state)
{
	/* 512 bits (RFC 8301 section 3.2) */
	static const char record[] =
		"v=DKIM1; k=rsa; "
		"p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBANxYtgvUEY9d9HtjyyZk04jZCRS3"
		"NqP2MAmq8v7h5uR1zUPUr4eu1kkyDdMXLZz5G+pDRQQE2GKrVDuBtEwaemUC"
		"AwEAAQ==";
	struct world *w = *state;
	struct dkim_record r;

	assert_int_equal(dkim_record_parse(w->a, &dkim_rfc6376, span_str(record), &r, NULL), 0);
	assert_int_equal(dkim_record_bits(&r), 512);
	struct signing how = {.header = DKIM_RELAXED, .body = DKIM_RELAXED};
	struct span front = sign(w, SPAN(MESSAGE), &how);
	struct dkim_verifier *v = dkim_verifier_new(w->a, &dkim_rfc6376, NOW);
	struct span text = span_str(record);
	struct dkim_result *res;

	dkim_verifier_feed(v, front);
	dkim_verifier_feed(v, SPAN(MESSAGE));
	assert_int_equal(dkim_verifier_end(v, &res), 2);
	dkim_verifier_key(v, 1, DKIM_KEY_FOUND, &text, 1);
	assert_int_equal(res[1].verdict, DKIM_PERMERROR);
	assert_non_null(strstr(res[1].reason, "too short"));
}

static void more_signatures_than_anybody_needs(void **state)
{
	struct world *w = *state;
	struct dkim_verifier *v = dkim_verifier_new(w->a, &dkim_rfc6376, NOW);
	struct dkim_result *r;

	for (int i = 0; i < 50; i++)
		dkim_verifier_feed(v,
			span_str(arena_printf(w->a,
				"DKIM-Signature: " ED "; l=%d; bh=AAAA; b=AAAA\r\n", i % 20)));
	dkim_verifier_feed(v, SPAN(MESSAGE));
	assert_int_equal(dkim_verifier_end(v, &r), DKIM_SIGNATURES_MAX);
	/* each with an l= of its own: only so many digests of the body are made */
	assert_int_equal(r[DKIM_BODIES_MAX].verdict, DKIM_NEUTRAL);
	assert_non_null(strstr(r[DKIM_BODIES_MAX].reason, "more different"));
}

static void no_signature_no_result(void **state)
{
	struct world *w = *state;
	struct dkim_verifier *v = dkim_verifier_new(w->a, &dkim_rfc6376, NOW);
	struct dkim_result *r;

	dkim_verifier_feed(v, SPAN(MESSAGE));
	assert_int_equal(dkim_verifier_end(v, &r), 0);
}

/* A second pair of fields is a table. */
static void another_dialect_signs_and_verifies(void **state)
{
	static const struct dkim_rule rules[] = {{"From", DKIM_COVER_ALWAYS}};
	static const struct dkim_dialect other = {.field = "X-Second-Signature",
		.version = "7",
		.key_version = "SECOND1",
		.key_label = "_second",
		.service = "email",
		.rules = rules,
		.rule_count = ARRAY_LEN(rules)};
	struct world *w = *state;
	struct dkim_sign_settings s = {.dialect = &other, .now_sec = NOW};
	struct dkim_sign_key key = {SPAN("example.org"), SPAN("ed"), w->ed};
	struct buf *fields = arena_buf(w->a, 10000), *record = arena_buf(w->a, 1000);
	struct dkim_verifier *v = dkim_verifier_new(w->a, &other, NOW);
	struct dkim_message m;
	struct dkim_result *r;
	struct span text;

	dkim_message_init(&m, dkim_sign_wants, &s);
	dkim_message_feed(&m, SPAN(MESSAGE));
	dkim_message_end(&m);
	assert_int_equal(dkim_sign(&m, &s, &key, 1, fields, NULL), 0);
	dkim_message_fini(&m);
	assert_true(span_starts(buf_span(fields), SPAN("X-Second-Signature: v=7;")));
	assert_int_equal(dkim_pkey_record(w->ed, &other, false, record, NULL), 0);
	text = buf_span(record);
	assert_true(span_starts(text, SPAN("v=SECOND1;")));
	dkim_verifier_feed(v, buf_span(fields));
	dkim_verifier_feed(v, SPAN(MESSAGE));
	assert_int_equal(dkim_verifier_end(v, &r), 1);
	assert_true(span_eq(r[0].key_name, SPAN("ed._second.example.org")));
	dkim_verifier_key(v, 0, DKIM_KEY_FOUND, &text, 1);
	assert_int_equal(r[0].verdict, DKIM_PASS);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(what_is_signed_verifies),
		CASE(no_line_is_longer_than_78),
		CASE(the_field_has_its_tags),
		CASE(what_matters_is_signed_once_more_than_it_stands),
		CASE(what_cannot_be_signed_is_refused),
		CASE(each_flipped_bit_fails),
		CASE(what_is_added_fails),
		CASE(a_signature_runs_out),
		CASE(signatures_of_others_are_judged),
		CASE(a_key_that_is_tested_says_so),
		CASE(short_rsa_keys_do_not_count),
		CASE(more_signatures_than_anybody_needs),
		CASE(no_signature_no_result),
		CASE(another_dialect_signs_and_verifies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
