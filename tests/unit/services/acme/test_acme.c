/* Signatures, requests and challenges of ACME. Whole conversations: tests/integration/test_acme.py. */

#include "services/acme/acme_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/must.h"

/* The key of RFC 7515 appendix A.3.1. */
static const char rfc_key[] = "-----BEGIN EC PRIVATE KEY-----\n"
			      "MHcCAQEEII6bEJ5xkJi/mASH3x9dd+nLKWBuvtImO19XwhPfhPSyoAoGCCqGSM49\n"
			      "AwEHoUQDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEXH8UTNG72b\n"
			      "focs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n"
			      "-----END EC PRIVATE KEY-----\n";

static EVP_PKEY *key_of_rfc(void)
{
	EVP_PKEY *key = acme_key_read(span_str(rfc_key), NULL);

	assert_non_null(key);
	return key;
}

static void base64url_is_strict_and_unpadded(void **state)
{
	static const struct {
		const char *text;
		struct span octets;
	} good[] = {{"", SPAN("")}, {"Zg", SPAN("f")}, {"Zm8", SPAN("fo")}, {"Zm9v", SPAN("foo")},
		{"-_-_", SPAN("\xfb\xff\xbf")}, {"AAAA", SPAN("\0\0\0")}};
	static const char *const bad[] = {"Z", "Zg==x", "Z g", "Zm9v\n", "Zh"};
	struct buf b;

	buf_init(&b, 100);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		buf_clear(&b);
		acme_put_b64(&b, good[i].octets);
		assert_true(span_eq(buf_span(&b), span_str(good[i].text)));
		buf_clear(&b);
		assert_true(acme_get_b64(&b, span_str(good[i].text)));
		assert_true(span_eq(buf_span(&b), good[i].octets));
	}
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(acme_get_b64(&b, span_str(bad[i])));
	buf_fini(&b);
}

static void a_thumbprint_is_that_of_rfc_7638(void **state)
{
	EVP_PKEY *key = key_of_rfc();
	struct buf b;

	buf_init(&b, 1000);
	assert_int_equal(acme_put_jwk(&b, key, NULL), 0);
	assert_string_equal(buf_cstr(&b),
		"{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
		"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
	buf_clear(&b);
	assert_int_equal(acme_put_thumbprint(&b, key, NULL), 0);
	assert_string_equal(buf_cstr(&b), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
	buf_fini(&b);
	EVP_PKEY_free(key);
}

/* The three parts of a JWS, decoded but for what was signed. */
struct parts {
	struct arena *a;
	struct span input, header, payload, signature;
};

static struct span decoded(struct arena *a, const char *text)
{
	struct buf *b = arena_buf(a, 10000);

	assert_true(acme_get_b64(b, span_str(text)));
	return buf_span(b);
}

static struct parts parts_of(struct arena *a, const struct acme_sign *s)
{
	struct buf *b = arena_buf(a, 10000);
	const struct acme_doc *doc;

	assert_int_equal(acme_put_jws(b, s, NULL), 0);
	doc = acme_doc(a, buf_span(b));
	assert_non_null(doc);
	return (struct parts){a,
		span_str(arena_printf(a, "%s.%s", acme_doc_text(doc, "protected"),
			acme_doc_text(doc, "payload"))),
		decoded(a, acme_doc_text(doc, "protected")),
		decoded(a, acme_doc_text(doc, "payload")),
		decoded(a, acme_doc_text(doc, "signature"))};
}

static bool is_signed(EVP_PKEY *key, const struct parts *p)
{
	ECDSA_SIG *sig = ECDSA_SIG_new();
	const unsigned char *raw = (const unsigned char *)p->signature.ptr;
	unsigned char *der = NULL;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int len;
	bool is_good;

	assert_int_equal(p->signature.len, 64);
	ECDSA_SIG_set0(sig, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL));
	len = i2d_ECDSA_SIG(sig, &der);
	is_good = EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestVerify(md, der, (size_t)len, (const unsigned char *)p->input.ptr,
			p->input.len) == 1;
	EVP_MD_CTX_free(md);
	OPENSSL_free(der);
	ECDSA_SIG_free(sig);
	return is_good;
}

static void requests_are_signed_as_rfc_8555_says(void **state)
{
	EVP_PKEY *key = key_of_rfc(), *other = acme_key_new(NULL);
	struct arena *a = arena_new();
	struct acme_sign s = {.key = key,
		.nonce = "n-1",
		.url = "https://ca.test/new",
		.payload = SPAN("{\"a\":1}")};
	struct parts p = parts_of(a, &s);

	/* before there is an account: the key itself */
	assert_true(is_signed(key, &p));
	assert_false(is_signed(other, &p));
	assert_true(span_starts(p.header, SPAN("{\"alg\":\"ES256\",\"jwk\":{\"crv\":\"P-256\",")));
	assert_true(span_find_span(p.header,
			    SPAN("\"nonce\":\"n-1\",\"url\":\"https://ca.test/new\"}")) > 0);
	assert_true(span_eq(p.payload, s.payload));
	/* behind it: its address, and never both (section 6.2); an empty payload is POST-as-GET */
	s.kid = "https://ca.test/acct/1";
	s.payload = SPAN_NONE;
	for (int i = 0; i < 200; i++) { /* R and S keep their leading zeros */
		p = parts_of(a, &s);
		assert_true(is_signed(key, &p));
	}
	assert_true(span_eq(p.header,
		SPAN("{\"alg\":\"ES256\",\"kid\":\"https://ca.test/acct/1\",\"nonce\":\"n-1\","
		     "\"url\":\"https://ca.test/new\"}")));
	assert_int_equal(p.payload.len, 0);
	/* an external account (section 7.3.4): HS256, no nonce */
	s = (struct acme_sign){.mac = SPAN("secret"),
		.kid = "k1",
		.url = "https://ca.test/new",
		.payload = SPAN("{}")};
	p = parts_of(a, &s);
	assert_true(span_eq(p.header,
		SPAN("{\"alg\":\"HS256\",\"kid\":\"k1\",\"url\":\"https://ca.test/new\"}")));
	unsigned char mac[32];
	HMAC(EVP_sha256(), "secret", 6, (const unsigned char *)p.input.ptr, p.input.len, mac, NULL);
	assert_int_equal(p.signature.len, 32);
	assert_memory_equal(p.signature.ptr, mac, 32);
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
	arena_free(&a);
}

static void names_have_one_form(void **state)
{
	static const struct {
		const char *text, *names; /* NULL: none */
	} rows[] = {
		{"MX.Example.ORG", "mx.example.org"},
		{"  a.example\tb.example ", "a.example b.example"},
		{"b\xc3\xbc"
		 "cher.example",
			"xn--bcher-kva.example"},
		{"xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"", NULL},
		{" ", NULL},
		{"localhost", NULL},
		{"*.example.org", NULL},
		{"192.0.2.1", NULL},
		{"a..example", NULL},
		{".example", NULL},
		{"a.example.", NULL},
		{"-a.example", NULL},
		{"a_b.example", NULL},
		{"a/b.example", NULL},
		{"a.example:443", NULL},
		{"a.example,b.example", NULL},
	};
	struct arena *a = arena_new();

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct span names;
		struct err e = {0};
		int rc = acme_names(a, span_str(rows[i].text), &names, &e);

		print_message("# %s\n", rows[i].text);
		assert_int_equal(rc, rows[i].names ? 0 : -1);
		if (rc == 0)
			assert_true(span_eq(names, span_str(rows[i].names)));
		else
			assert_int_equal(e.code, ERR_SYNTAX);
	}
	arena_free(&a);
}

static void a_request_has_all_names_and_is_signed(void **state)
{
	EVP_PKEY *key = acme_key_new(NULL);
	const unsigned char *at;
	X509_REQ *req;
	STACK_OF(X509_EXTENSION) * exts;
	GENERAL_NAMES *names;
	struct buf b;

	buf_init(&b, 10000);
	assert_int_equal(acme_put_csr(&b, key, SPAN("a.example b.example"), NULL), 0);
	at = (const unsigned char *)buf_span(&b).ptr;
	req = d2i_X509_REQ(NULL, &at, (long)buf_len(&b));
	assert_non_null(req);
	assert_int_equal(X509_REQ_verify(req, key), 1);
	exts = X509_REQ_get_extensions(req);
	names = X509V3_get_d2i(exts, NID_subject_alt_name, NULL, NULL);
	assert_int_equal(sk_GENERAL_NAME_num(names), 2);
	assert_memory_equal(
		ASN1_STRING_get0_data(sk_GENERAL_NAME_value(names, 1)->d.dNSName), "b.example", 9);
	GENERAL_NAMES_free(names);
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	X509_REQ_free(req);
	EVP_PKEY_free(key);
	buf_fini(&b);
}

static void the_certificate_of_a_challenge_is_that_of_rfc_8737(void **state)
{
	struct arena *a = arena_new();
	struct span cert_pem, key_pem;
	unsigned char expected[34] = {4, 32};
	X509_EXTENSION *ext;
	ASN1_OBJECT *id = OBJ_txt2obj("1.3.6.1.5.5.7.1.31", 1);
	BIO *bio;
	X509 *cert;
	int64_t from_ns, to_ns;
	int at;

	assert_int_equal(acme_make_alpn(a, SPAN("a.example"), SPAN("token.thumb"), &cert_pem,
				 &key_pem, NULL),
		0);
	bio = BIO_new_mem_buf(cert_pem.ptr, (int)cert_pem.len);
	cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	assert_non_null(cert);
	at = X509_get_ext_by_OBJ(cert, id, -1);
	assert_true(at >= 0);
	ext = X509_get_ext(cert, at);
	assert_int_equal(X509_EXTENSION_get_critical(ext), 1);
	EVP_Digest("token.thumb", 11, expected + 2, NULL, EVP_sha256(), NULL);
	assert_int_equal(ASN1_STRING_length(X509_EXTENSION_get_data(ext)), 34);
	assert_memory_equal(ASN1_STRING_get0_data(X509_EXTENSION_get_data(ext)), expected, 34);
	assert_int_equal(X509_check_host(cert, "a.example", 0, 0, NULL), 1);
	X509_free(cert);
	BIO_free(bio);
	ASN1_OBJECT_free(id);
	/* A chain is taken only with its key, and for all of the names. */
	assert_int_equal(
		acme_check_chain(cert_pem, key_pem, SPAN("a.example"), &from_ns, &to_ns, NULL), 0);
	assert_int_equal((to_ns - from_ns) / CLOCK_DAY, 7);
	assert_int_equal(acme_check_chain(cert_pem, key_pem, SPAN("a.example b.example"), &from_ns,
				 &to_ns, NULL),
		-1);
	assert_int_equal(acme_check_chain(cert_pem, span_str(rfc_key), SPAN("a.example"), &from_ns,
				 &to_ns, NULL),
		-1);
	assert_int_equal(
		acme_check_chain(SPAN("{}"), key_pem, SPAN("a.example"), &from_ns, &to_ns, NULL),
		-1);
	arena_free(&a);
}

/* RFC 5280 section 4.1.2.5: 99991231235959Z is "no end". */
static void a_certificate_without_an_end_is_not_due(void **state)
{
	struct arena *a = arena_new();
	ASN1_TIME *never = ASN1_TIME_new();
	struct span cert_pem, key_pem;
	int64_t from_ns, to_ns;
	EVP_PKEY *key;
	X509 *cert;
	BIO *bio;
	char *text;
	long len;

	assert_int_equal(acme_make_alpn(a, SPAN("a.example"), SPAN("token.thumb"), &cert_pem,
				 &key_pem, NULL),
		0);
	bio = BIO_new_mem_buf(cert_pem.ptr, (int)cert_pem.len);
	cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	key = acme_key_read(key_pem, NULL);
	assert_true(cert && key && ASN1_TIME_set_string(never, "99991231235959Z") == 1);
	assert_int_equal(X509_set1_notAfter(cert, never), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	len = BIO_get_mem_data(bio, &text);
	assert_int_equal(acme_check_chain(span_of(text, (size_t)len), key_pem, SPAN("a.example"),
				 &from_ns, &to_ns, NULL),
		0);
	assert_true(to_ns > from_ns && to_ns - from_ns > 200 * 365 * CLOCK_DAY);
	BIO_free(bio);
	EVP_PKEY_free(key);
	X509_free(cert);
	ASN1_TIME_free(never);
	arena_free(&a);
}

static void what_the_authority_says_cannot_hurt(void **state)
{
	static const char *const bad[] = {
		"", "[]", "1", "{", "{\"a\":1,\"a\":2}", "{}x", "\"x\"", "{\"z\":\"a\\u0000b\"}"};
	struct arena *a = arena_new();
	const struct acme_doc *d;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_null(acme_doc(a, span_str(bad[i])));
	d = acme_doc(a,
		SPAN("{\"s\":\"x\",\"n\":1,\"b\":true,\"l\":[{\"v\":\"y\"}],\"cr\":\"a\\r\\nb\"}"));
	assert_string_equal(acme_doc_text(d, "s"), "x");
	assert_string_equal(acme_doc_text(d, "n"), "");
	assert_string_equal(acme_doc_text(d, "none"), "");
	assert_string_equal(acme_doc_text(d, "cr"), "");
	assert_true(acme_doc_is(d, "b"));
	assert_false(acme_doc_is(d, "s"));
	assert_int_equal(acme_doc_count(acme_doc_get(d, "l")), 1);
	assert_int_equal(acme_doc_count(acme_doc_get(d, "s")), 0);
	assert_string_equal(acme_doc_text(acme_doc_at(acme_doc_get(d, "l"), 0), "v"), "y");
	assert_string_equal(acme_doc_text(acme_doc_at(acme_doc_get(d, "l"), 7), "v"), "");
	assert_string_equal(acme_doc_text(NULL, "v"), "");
	arena_free(&a);
}

static void a_refusal_is_told_with_what_can_be_done(void **state)
{
	static const struct {
		const char *text, *problem, *said;
	} rows[] = {
		{"{\"type\":\"urn:ietf:params:acme:error:rateLimited\",\"detail\":\"too many\"}",
			"rateLimited",
			"the authority says (rateLimited): too many. To do: wait, and ask less often"},
		{"{\"type\":\"urn:ietf:params:acme:error:malformed\",\"detail\":\"what?\"}",
			"malformed", "the authority says (malformed): what?"},
		{"{\"type\":\"about:blank\"}", "about:blank", "the authority says (about:blank): "},
		{"{\"type\":\"urn:ietf:params:acme:error:compound\",\"detail\":\"both\",\"subproblems\":"
		 "[{\"identifier\":{\"type\":\"dns\",\"value\":\"a.example\"},\"detail\":\"no\"},"
		 "{\"identifier\":{\"type\":\"dns\",\"value\":\"b.example\"},\"detail\":\"nor this\"}]}",
			"compound",
			"the authority says (compound): both; a.example: no; b.example: nor this"},
		/* nothing steers a terminal: escape, DEL, C1 in UTF-8 */
		{"{\"type\":\"urn:ietf:params:acme:error:x\",\"detail\":\"a\\u001b[2Jb\\u007fc\\u009bd\"}",
			"x", "the authority says (x): a [2Jb c  d"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct acme_talk t = {.a = arena_new()};
		struct err e = {0};

		assert_int_equal(acme_problem(&t, acme_doc(t.a, span_str(rows[i].text)), &e), -1);
		assert_int_equal(e.code, ERR_REPLY);
		assert_string_equal(t.problem, rows[i].problem);
		assert_string_equal(e.text, rows[i].said);
		arena_free(&t.a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64url_is_strict_and_unpadded),
		cmocka_unit_test(a_thumbprint_is_that_of_rfc_7638),
		cmocka_unit_test(requests_are_signed_as_rfc_8555_says),
		cmocka_unit_test(names_have_one_form),
		cmocka_unit_test(a_request_has_all_names_and_is_signed),
		cmocka_unit_test(the_certificate_of_a_challenge_is_that_of_rfc_8737),
		cmocka_unit_test(a_certificate_without_an_end_is_not_due),
		cmocka_unit_test(what_the_authority_says_cannot_hurt),
		cmocka_unit_test(a_refusal_is_told_with_what_can_be_done),
	};

	return cmocka_run_group_tests_name("services/acme", tests, NULL, NULL);
}
