/* Signed tokens and sets of keys: the examples of the RFCs, and what must not pass. */

#include "jose_make.h"

#define NOW 1795000000
#define a   jose_arena

static struct jose_keys *set_of(const char *one, const char *two)
{
	struct err e = {0};
	struct jose_keys *k = jose_keys_parse(span_str(arena_printf(a, "{\"keys\":[%s%s%s]}", one,
						      two ? "," : "", two ? two : "")),
		&e);

	if (!k)
		fail_msg("%s", e.text);
	return k;
}

/* "ok", or the error's code. */
static const char *verified(const struct jose_keys *k, const char *text)
{
	struct jose_token t;
	struct err e = {0};

	if (jose_token_parse(a, span_str(text), &t, &e) < 0 || jose_verify(k, &t, &e) < 0)
		return err_code_str(e.code);
	return "ok";
}

/* ---- the RFCs' own ---- */

static void examples_of_the_rfcs(void **state)
{
	static const struct {
		const char *what, *jwk, *token, *claims;
	} cases[] = {
		{"RFC 7515 appendix A.3",
			"{\"kty\":\"EC\",\"crv\":\"P-256\","
			"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
			"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}",
			"eyJhbGciOiJFUzI1NiJ9."
			"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvb"
			"S9pc19yb290Ijp0cnVlfQ."
			"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTU"
			"JqPP3-Kg6NU1Q",
			"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n "
			"\"http://example.com/is_root\":true}"},
		{"RFC 8037 appendix A.4",
			"{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
			"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
			"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
			"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sV"
			"vpAr_MuM0KAg",
			"Example of Ed25519 signing"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct jose_keys *k = set_of(cases[i].jwk, NULL);
		struct jose_token t;
		struct err e = {0};

		print_message("# %s\n", cases[i].what);
		assert_int_equal(jose_token_parse(a, span_str(cases[i].token), &t, &e), 0);
		assert_int_equal(jose_verify(k, &t, &e), 0);
		assert_true(span_eq(t.claims, span_str(cases[i].claims)));
		jose_keys_unref(&k);
	}
}

/* ---- signatures ---- */

static void each_algorithm_verifies_and_each_octet_counts(void **state)
{
	struct jose_keys *k = jose_keys_parse(
		span_str(arena_printf(a, "{\"keys\":[%s,%s,%s]}",
			jwk_rsa(keys.rsa, ",\"kid\":\"r\""), jwk_ec(",\"kid\":\"e\""),
			jwk_ed(",\"kid\":\"d\""))),
		NULL);
	const struct {
		const char *alg, *kid;
		EVP_PKEY *key;
	} cases[] = {{"RS256", "r", keys.rsa}, {"PS256", "r", keys.rsa}, {"ES256", "e", keys.ec},
		{"EdDSA", "d", keys.ed}};

	(void)state;
	assert_int_equal(jose_keys_count(k), 3);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *header = arena_printf(
			a, "{\"alg\":\"%s\",\"kid\":\"%s\"}", cases[i].alg, cases[i].kid);
		char *token = arena_str(
			a, span_str(sign(cases[i].key, cases[i].alg, header, "{\"sub\":\"x\"}")));
		char *dot = strrchr(token, '.');

		print_message("# %s\n", cases[i].alg);
		assert_string_equal(verified(k, token), "ok");
		dot[3] = dot[3] == 'A' ? 'B' : 'A';
		assert_string_equal(verified(k, token), "denied");
	}
	/* of another algorithm than the key's kind: no key fits */
	assert_string_equal(
		verified(k, sign(keys.rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"e\"}", "{}")),
		"not-found");
	/* signed otherwise than it says */
	assert_string_equal(
		verified(k, sign(keys.rsa, "PS256", "{\"alg\":\"RS256\",\"kid\":\"r\"}", "{}")),
		"denied");
	assert_string_equal(
		verified(k,
			sign(keys.other_rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"r\"}", "{}")),
		"denied");
	jose_keys_unref(&k);
}

/* RFC 8725 section 2.1: the public key as the secret of an HMAC; and no signature at all. */
static void confusion_of_algorithms_is_refused(void **state)
{
	struct jose_keys *k = set_of(jwk_rsa(keys.rsa, ""), NULL);
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned char mac[32];
	unsigned n;
	char *pem;
	long len;

	(void)state;
	PEM_write_bio_PUBKEY(bio, keys.rsa);
	len = BIO_get_mem_data(bio, &pem);
	for (int i = 0; i < 3; i++) {
		static const char *const algs[] = {"HS256", "HS384", "hs256"};
		const char *part = arena_printf(a, "%s.%s",
			b64url(span_str(arena_printf(a, "{\"alg\":\"%s\"}", algs[i]))),
			b64url(SPAN("{\"sub\":\"x\"}")));

		HMAC(EVP_sha256(), pem, (int)len, (const unsigned char *)part, strlen(part), mac,
			&n);
		assert_string_equal(
			verified(k, arena_printf(a, "%s.%s", part, b64url(span_of(mac, n)))),
			"unsupported");
	}
	BIO_free(bio);
	assert_string_equal(
		verified(k, sign(keys.rsa, "RS256", "{\"alg\":\"none\"}", "{}")), "unsupported");
	assert_string_equal(verified(k, sign(keys.rsa, "RS256", "{}", "{}")), "unsupported");
	assert_string_equal(verified(k,
				    arena_printf(a, "%s.%s.", b64url(SPAN("{\"alg\":\"none\"}")),
					    b64url(SPAN("{}")))),
		"unsupported");
	jose_keys_unref(&k);
}

static void a_token_names_its_key_or_there_is_but_one(void **state)
{
	struct jose_keys *two = set_of(
		jwk_rsa(keys.rsa, ",\"kid\":\"1\""), jwk_rsa(keys.other_rsa, ",\"kid\":\"2\""));
	struct jose_keys *one = set_of(
		jwk_rsa(keys.rsa, ",\"kid\":\"1\",\"alg\":\"RS256\""), jwk_ed(""));

	(void)state;
	assert_string_equal(
		verified(two, sign(keys.rsa, "RS256", "{\"alg\":\"RS256\"}", "{}")), "not-found");
	assert_string_equal(
		verified(two, sign(keys.rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"3\"}", "{}")),
		"not-found");
	assert_string_equal(
		verified(two, sign(keys.rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"2\"}", "{}")),
		"denied");
	assert_string_equal(
		verified(one, sign(keys.rsa, "RS256", "{\"alg\":\"RS256\"}", "{}")), "ok");
	/* the key says that it is for RS256 alone */
	assert_string_equal(
		verified(one, sign(keys.rsa, "PS256", "{\"alg\":\"PS256\"}", "{}")), "not-found");
	jose_keys_unref(&one);
	jose_keys_unref(&two);
}

static void odd_tokens_are_refused(void **state)
{
	struct jose_keys *k = set_of(jwk_ed(""), NULL);
	static const struct {
		const char *header, *code;
	} headers[] = {
		{"{\"alg\":\"EdDSA\"}", "ok"},
		{"{\"alg\":\"EdDSA\",\"typ\":\"JWT\"}", "ok"},
		{"{\"alg\":\"EdDSA\",\"typ\":\"application/at+jwt\"}", "ok"},
		{"{\"alg\":\"EdDSA\",\"typ\":\"dpop+jwt\"}", "unsupported"},
		{"{\"alg\":\"EdDSA\",\"crit\":[\"b64\"],\"b64\":false}", "unsupported"},
		{"{\"alg\":\"EdDSA\",\"alg\":\"EdDSA\"}", "syntax"},
		{"{\"alg\":[\"EdDSA\"]}", "syntax"},
		{"{\"alg\":\"EdDSA\",\"kid\":7}", "syntax"},
		{"[\"EdDSA\"]", "syntax"},
		{"EdDSA", "syntax"},
		{"{\"alg\":\"EdDSA\"} ", "ok"},
		{"{\"alg\":\"EdDSA\"}x", "syntax"},
	};
	static const char *const texts[] = {"", ".", "..", "...", "a.b", "a.b.c.d",
		"eyJhbGciOiJFZERTQSJ9..AAAA", "eyJhbGciOiJFZERTQSJ9.e30.",
		"eyJhbGciOiJFZERTQSJ9.e30.A",
		"eyJhbGciOiJFZERTQSJ9.e30.AB==", "eyJhbGciOiJFZERTQSJ9.e31.AA\n",
		"eyJhbGciOiJFZERTQSJ9.e31.AA", "eyJhbGciOiJFZERTQSJ9.e30.A/+A",
		" eyJhbGciOiJFZERTQSJ9.e30.AAAA"};
	struct buf *long_one = arena_buf(a, 3 * JOSE_TOKEN_MAX);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
		print_message("# %s\n", headers[i].header);
		assert_string_equal(verified(k, sign(keys.ed, "EdDSA", headers[i].header, "{}")),
			headers[i].code);
	}
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		print_message("# %zu\n", i);
		assert_string_equal(verified(k, texts[i]), "syntax");
	}
	for (size_t i = 0; i <= JOSE_TOKEN_MAX; i++)
		buf_char(long_one, i == 3 || i == 6 ? '.' : 'A');
	assert_string_equal(verified(k, buf_cstr(long_one)), "syntax");
	jose_keys_unref(&k);
}

static void keys_that_are_not_for_it_are_passed_over(void **state)
{
	const struct {
		const char *what, *jwk, *code;
	} cases[] = {
		{"an encryption key", jwk_rsa(keys.rsa, ",\"use\":\"enc\""), "not-found"},
		{"a signature key", jwk_rsa(keys.rsa, ",\"use\":\"sig\""), "ok"},
		{"only for signing", jwk_rsa(keys.rsa, ",\"key_ops\":[\"sign\"]"), "not-found"},
		{"for verifying", jwk_rsa(keys.rsa, ",\"key_ops\":[\"verify\"]"), "ok"},
		{"of another algorithm", jwk_rsa(keys.rsa, ",\"alg\":\"RS512\""), "not-found"},
		{"too short", jwk_rsa(keys.small_rsa, ""), "not-found"},
		{"a secret", "{\"kty\":\"oct\",\"k\":\"AAAA\"}", "not-found"},
		{"no point",
			"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8"
			"Tus9uPHvRVEU\",\"y\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"}",
			"not-found"},
		{"half a point", "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
			"not-found"},
		{"another curve",
			"{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AAAA\",\"y\":\"AAAA\"}",
			"not-found"},
		{"no key", "17", "not-found"},
	};
	struct err e = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct jose_keys *k = jose_keys_parse(
			span_str(arena_printf(a, "{\"keys\":[%s]}", cases[i].jwk)), &e);

		print_message("# %s\n", cases[i].what);
		assert_string_equal(k ? "ok" : err_code_str(e.code), cases[i].code);
		jose_keys_unref(&k);
	}
	assert_null(jose_keys_parse(SPAN("{}"), &e));
	assert_null(jose_keys_parse(SPAN("{\"keys\":[],\"keys\":[]}"), &e));
	assert_null(jose_keys_parse(SPAN(""), &e));
	assert_int_equal(e.code, ERR_SYNTAX);
}

/* ---- claims ---- */

struct claim_case {
	const char *what, *claims, *why; /* "": good */
};

#define FOR_US "\"iss\":\"https://id.example\",\"aud\":\"mail\""
#define ALICE  ",\"email\":\"alice@our.example\""

static const struct claim_case claim_cases[] = {
	{"good", "{" FOR_US ALICE ",\"exp\":1795000100}", ""},
	{"several audiences",
		"{\"iss\":\"https://id.example\",\"aud\":[\"web\",\"mail\"]" ALICE
		",\"exp\":1795000100}",
		""},
	{"expired within the leeway", "{" FOR_US ALICE ",\"exp\":1794999941}", ""},
	{"expired", "{" FOR_US ALICE ",\"exp\":1794999940}", "the token has expired"},
	{"without an end", "{" FOR_US ALICE "}", "a token without an end"},
	{"an end that is no number", "{" FOR_US ALICE ",\"exp\":\"1795000100\"}",
		"a token with odd dates"},
	{"an end before time", "{" FOR_US ALICE ",\"exp\":-1}", "a token with odd dates"},
	{"an end beyond numbers", "{" FOR_US ALICE ",\"exp\":1e300}", "a token with odd dates"},
	{"a fraction", "{" FOR_US ALICE ",\"exp\":1795000100.5}", ""},
	{"not yet, within the leeway", "{" FOR_US ALICE ",\"exp\":1795000100,\"nbf\":1795000060}",
		""},
	{"not yet", "{" FOR_US ALICE ",\"exp\":1795000100,\"nbf\":1795000061}",
		"the token is of the future"},
	{"issued tomorrow", "{" FOR_US ALICE ",\"exp\":1795100100,\"iat\":1795086400}",
		"the token is of the future"},
	{"wrong issuer",
		"{\"iss\":\"https://evil.example\",\"aud\":\"mail\"" ALICE ",\"exp\":1795000100}",
		"the token is of another issuer"},
	{"no issuer", "{\"aud\":\"mail\"" ALICE ",\"exp\":1795000100}",
		"the token is of another issuer"},
	{"wrong audience",
		"{\"iss\":\"https://id.example\",\"aud\":\"web\"" ALICE ",\"exp\":1795000100}",
		"the token is for another audience"},
	{"no audience", "{\"iss\":\"https://id.example\"" ALICE ",\"exp\":1795000100}",
		"the token is for another audience"},
	{"nobody", "{" FOR_US ",\"exp\":1795000100}", "the token names nobody in \"email\""},
	{"somebody odd", "{" FOR_US ",\"email\":\"a\\r\\nb\",\"exp\":1795000100}",
		"the token names nobody in \"email\""},
	{"a list of people", "{" FOR_US ",\"email\":[\"alice\"],\"exp\":1795000100}",
		"the token names nobody in \"email\""},
	{"not verified", "{" FOR_US ALICE ",\"email_verified\":false,\"exp\":1795000100}",
		"the token's address is not verified"},
	{"verified", "{" FOR_US ALICE ",\"email_verified\":true,\"exp\":1795000100}", ""},
	{"twice", "{" FOR_US ALICE ALICE ",\"exp\":1795000100}",
		"no JSON object: duplicate object key"},
	{"no object", "[]", "no JSON object: something else"},
};

static void claims_are_for_us_and_for_now(void **state)
{
	struct jose_wanted w = {.issuer = "https://id.example",
		.audience = "mail",
		.user_claim = "email",
		.now_sec = NOW,
		.is_expiry_needed = true};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(claim_cases); i++) {
		const struct claim_case *c = &claim_cases[i];
		struct jose_claims claims;
		struct err e = {0};
		int rc = jose_claims_check(a, span_str(c->claims), &w, &claims, &e);

		print_message("# %s\n", c->what);
		if (strncmp(e.text, c->why, strlen(c->why)) != 0 || (rc == 0) != !c->why[0])
			fail_msg("%s", e.text);
		if (rc == 0)
			assert_true(span_eq(claims.user, SPAN("alice@our.example")));
	}
}

static void the_scope_is_a_word_of_it(void **state)
{
	static const struct {
		const char *claims;
		bool is_good;
	} cases[] = {
		{"{\"sub\":\"x\",\"scope\":\"openid mail.send\"}", true},
		{"{\"sub\":\"x\",\"scope\":\"openid mail.sender\"}", false},
		{"{\"sub\":\"x\",\"scp\":[\"mail.send\"]}", true},
		{"{\"sub\":\"x\",\"scp\":\"a mail.send\"}", true},
		{"{\"sub\":\"x\"}", false},
		{"{\"sub\":\"x\",\"scope\":{\"mail.send\":true}}", false},
	};
	struct jose_wanted w = {.scope = "mail.send", .user_claim = "sub", .now_sec = NOW};
	struct jose_claims claims;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(
			jose_claims_check(a, span_str(cases[i].claims), &w, &claims, NULL) == 0,
			cases[i].is_good);
}

static void an_answer_says_whether_it_is_active(void **state)
{
	struct err e = {0};
	bool yes;

	(void)state;
	assert_int_equal(jose_is_active(SPAN("{\"active\":true}"), &yes, &e), 0);
	assert_true(yes);
	assert_int_equal(jose_is_active(SPAN("{\"active\":false}"), &yes, &e), 0);
	assert_false(yes);
	assert_int_equal(jose_is_active(SPAN("{\"active\":\"true\"}"), &yes, &e), -1);
	assert_int_equal(jose_is_active(SPAN("{}"), &yes, &e), -1);
	assert_int_equal(jose_is_active(SPAN("{\"active\":false,\"active\":true}"), &yes, &e), -1);
	assert_int_equal(jose_is_active(SPAN("<html>"), &yes, &e), -1);
	assert_int_equal(e.code, ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_the_rfcs),
		cmocka_unit_test(each_algorithm_verifies_and_each_octet_counts),
		cmocka_unit_test(confusion_of_algorithms_is_refused),
		cmocka_unit_test(a_token_names_its_key_or_there_is_but_one),
		cmocka_unit_test(odd_tokens_are_refused),
		cmocka_unit_test(keys_that_are_not_for_it_are_passed_over),
		cmocka_unit_test(claims_are_for_us_and_for_now),
		cmocka_unit_test(the_scope_is_a_word_of_it),
		cmocka_unit_test(an_answer_says_whether_it_is_active),
	};

	return cmocka_run_group_tests_name("jose", tests, make_keys, free_keys);
}
