#include "sasl_test.h"

static const struct sasl_client_opts everything = {
	.user = SPAN(USER),
	.password = SPAN(PASSWORD),
	.token = SPAN("dmZ0LXRva2Vu"),
	.service = SPAN("smtp"),
	.host = SPAN("mail.yizhan.test"),
	.port = 587,
	.tls_exporter = SPAN(BINDING),
	.has_tls = true,
};

/* ---- which to try ---- */

struct choice {
	const char *what, *offered, *wanted;
	bool may_clear;
	const char *without; /* letters: p password, t token, b binding, u user, s TLS, l UTF-8 */
	const char *chosen;
};

#define ALL_OFFERED                                                                                \
	"LOGIN PLAIN GSSAPI ANONYMOUS EXTERNAL scram-sha-1 SCRAM-SHA-256-PLUS SCRAM-SHA-256 "      \
	"SCRAM-SHA-1-PLUS CRAM-MD5 DIGEST-MD5 XOAUTH2 OAUTHBEARER KERBEROS_V4"

static const struct choice choices[] = {
	{"all there is", ALL_OFFERED, "", true, "t",
		"SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 PLAIN DIGEST-MD5 "
		"CRAM-MD5 LOGIN"},
	{"a token only", ALL_OFFERED, "", true, "p", "OAUTHBEARER XOAUTH2"},
	{"without a binding", ALL_OFFERED, "", true, "tb",
		"SCRAM-SHA-256 SCRAM-SHA-1 PLAIN DIGEST-MD5 CRAM-MD5 LOGIN"},
	{"behaviour 32: nothing in clear", ALL_OFFERED, "", false, "b",
		"SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5"},
	{"the caller's list wins", ALL_OFFERED, "LOGIN nonsense plain LOGIN SCRAM-SHA-1", true, "",
		"LOGIN PLAIN SCRAM-SHA-1"},
	{"the caller's list, not in clear", ALL_OFFERED, "LOGIN SCRAM-SHA-1", false, "",
		"SCRAM-SHA-1"},
	{"a certificate says who we are", ALL_OFFERED, "", true, "pt", "EXTERNAL"},
	{"nothing to say who we are", ALL_OFFERED, "", true, "pts", ""},
	{"only what is asked for by name", ALL_OFFERED, "ANONYMOUS EXTERNAL", true, "",
		"ANONYMOUS EXTERNAL"},
	{"what is not offered", "PLAIN", "LOGIN", true, "", ""},
	{"nothing offered", "", "", true, "", ""},
	{"a password in Latin-1 is none for SCRAM", "SCRAM-SHA-256 PLAIN", "", true, "tl", "PLAIN"},
	{"XOAUTH2 needs a name", "XOAUTH2 OAUTHBEARER", "", true, "u", "OAUTHBEARER"},
};

static void behaviour_31_strongest_first_or_the_callers_list(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
		const struct choice *c = &choices[i];
		struct sasl_client_opts o = everything;
		const struct sasl_mech *mechs[20];
		struct buf names;
		size_t count;

		if (strchr(c->without, 'p'))
			o.password = SPAN_NONE;
		if (strchr(c->without, 't'))
			o.token = SPAN_NONE;
		if (strchr(c->without, 'b'))
			o.tls_exporter = SPAN_NONE;
		if (strchr(c->without, 'u'))
			o.user = SPAN_NONE;
		if (strchr(c->without, 'l'))
			o.password = SPAN("\xe9t\xe9");
		if (strchr(c->without, 's'))
			o.has_tls = false;
		count = sasl_client_choose(span_str(c->offered), span_str(c->wanted), c->may_clear,
			&o, mechs, ARRAY_LEN(mechs));
		buf_init(&names, 1000);
		for (size_t k = 0; k < count; k++)
			buf_printf(&names, "%s%s", k ? " " : "", mechs[k]->name);
		if (strcmp(buf_cstr(&names), c->chosen) != 0)
			fail_msg("%s: %s", c->what, buf_cstr(&names));
		buf_fini(&names);
		assert_true(sasl_client_choose(span_str(c->offered), span_str(c->wanted),
				    c->may_clear, &o, mechs, 1) <= 1);
	}
}

static void the_table_is_in_order(void **state)
{
	size_t count;
	const struct sasl_mech *m = sasl_mechs(&count);

	assert_true(count >= 12);
	for (size_t i = 0; i < count; i++) {
		assert_true(strlen(m[i].name) <= SASL_MECH_MAX);
		assert_ptr_equal(sasl_mech_find(span_str(m[i].name)), &m[i]);
		if (i)
			assert_true(m[i].strength < m[i - 1].strength);
	}
	assert_non_null(sasl_mech_find(SPAN("scram-sha-256")));
	assert_null(sasl_mech_find(SPAN("SCRAM-SHA-512")));
	assert_null(sasl_mech_find(SPAN("")));
}

static void what_is_missing_is_said(void **state)
{
	static const struct {
		const char *mech, *says;
		enum err_code code;
		struct sasl_client_opts o;
	} rows[] = {
		{"PLAIN", "password", ERR_STATE, {.user = SPAN("a")}},
		{"PLAIN", "user name", ERR_STATE, {.password = SPAN("a")}},
		{"XOAUTH2", "token", ERR_STATE, {.user = SPAN("a"), .password = SPAN("p")}},
		{"SCRAM-SHA-256-PLUS", "channel binding", ERR_STATE,
			{.user = SPAN("a"), .password = SPAN("p")}},
		{"DIGEST-MD5", "host", ERR_STATE, {.user = SPAN("a"), .password = SPAN("p")}},
		{"X-MAGIC", "X-MAGIC", ERR_UNSUPPORTED, {.user = SPAN("a")}},
		{"PLAIN", "control", ERR_SYNTAX, {.user = {"a\0b", 3}, .password = SPAN("p")}},
		{"PLAIN", "control", ERR_SYNTAX, {.user = SPAN("a"), .password = {"a\0b", 3}}},
		{"OAUTHBEARER", "control", ERR_SYNTAX,
			{.user = SPAN("a\x01"
				      "b"),
				.token = SPAN("p")}},
		{"OAUTHBEARER", "token", ERR_SYNTAX, {.user = SPAN("a"), .token = SPAN("p q")}},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = {0};

		assert_null(sasl_client_new(span_str(rows[i].mech), &rows[i].o, &e));
		assert_int_equal(e.code, rows[i].code);
		if (!strstr(e.text, rows[i].says))
			fail_msg("%zu: %s", i, e.text);
	}
}

/* ---- simple mechanisms ---- */

static void behaviour_40_plain_in_utf_8_with_authzid(void **state)
{
	struct sasl_client_opts o = everything;
	struct sasl_client *c;

	o.authzid = SPAN("box");
	c = client_make("plain", &o);
	step_gives(
		c, SPAN_NONE, "box\0" USER "\0" PASSWORD, sizeof("box\0" USER "\0" PASSWORD) - 1);
	assert_int_equal(sasl_client_verify(c, NULL), 0);
	sasl_client_free(&c);
	c = client_make("PLAIN", &everything);
	step_gives(c, SPAN(""), "\0" USER "\0" PASSWORD, sizeof("\0" USER "\0" PASSWORD) - 1);
	step_fails(c, SPAN(""), ERR_PROTO);
	sasl_client_free(&c);
	assert_null(c);
	sasl_client_free(&c);
}

static void behaviour_37_login_ignores_the_prompts(void **state)
{
	static const char *const prompts[][2] = {{"Username:", "Password:"},
		{"Password:", "User Name"}, {"", ""}, {"\xff\xfe", "Gib das Kennwort"}};

	for (size_t i = 0; i < ARRAY_LEN(prompts); i++) {
		struct sasl_client *c = client_make("LOGIN", &everything);

		step_gives(c, span_str(prompts[i][0]), USER, strlen(USER));
		step_gives(c, span_str(prompts[i][1]), PASSWORD, strlen(PASSWORD));
		assert_int_equal(sasl_client_verify(c, NULL), 0);
		sasl_client_free(&c);
	}
}

static void behaviour_36_endless_challenges_end_in_an_error(void **state)
{
	size_t count;
	const struct sasl_mech *m = sasl_mechs(&count);

	for (size_t i = 0; i < count; i++) {
		struct sasl_client *c;
		struct buf out;
		unsigned steps = 0;

		if (strstr(m[i].name, "GS") ||
			!(c = sasl_client_new(span_str(m[i].name), &everything, NULL)))
			continue; /* no Kerberos here */
		buf_init(&out, SASL_RESPONSE_MAX);
		if (m[i].is_first)
			assert_int_equal(sasl_client_step(c, SPAN_NONE, &out, NULL), 0);
		while (sasl_client_step(c, SPAN("more"), &out, NULL) == 0)
			if (++steps > SASL_CHALLENGES_MAX)
				fail_msg("%s goes on", m[i].name);
		/* And once it is over it stays so. */
		assert_int_equal(sasl_client_step(c, SPAN("more"), &out, NULL), -1);
		buf_fini(&out);
		sasl_client_free(&c);
	}
}

static void behaviour_40_cram_md5_vector(void **state)
{
	struct sasl_client_opts o = {.user = SPAN("tim"), .password = SPAN("tanstaaftanstaaf")};
	struct sasl_client *c = client_make("CRAM-MD5", &o);

	/* RFC 2195 section 2 */
	step_gives(c, SPAN("<1896.697170952@postoffice.reston.mci.net>"),
		"tim b913a602c7eda7a495b4e6e7334d3890", 36);
	assert_int_equal(sasl_client_verify(c, NULL), 0);
	sasl_client_free(&c);
}

#define OAUTH_JSON "{\"status\":\"invalid_token\",\"scope\":\"mail\"}"

#define OAUTH_TOKEN "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="

struct token_case {
	const char *mech, *first, *dummy;
	struct sasl_client_opts o;
};

/* RFC 7628 section 4.1, with a comma in the name; Google's description of XOAUTH2. */
static const struct token_case token_cases[] = {
	{"OAUTHBEARER",
		"n,a=us=2Cer@example.com,\1host=server.example.com\1port=143\1auth=Bearer " OAUTH_TOKEN
		"\1\1",
		"\1",
		{.user = SPAN("us,er@example.com"),
			.host = SPAN("server.example.com"),
			.port = 143}},
	{"OAUTHBEARER", "n,,\1auth=Bearer " OAUTH_TOKEN "\1\1", "\1", {.port = 0}},
	{"XOAUTH2", "user=us,er@example.com\1auth=Bearer " OAUTH_TOKEN "\1\1", "",
		{.user = SPAN("us,er@example.com")}},
};

static void behaviour_39_oauth_failure(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(token_cases); i++) {
		const struct token_case *t = &token_cases[i];
		struct sasl_client_opts o = t->o;
		struct sasl_client *c;

		o.token = SPAN(OAUTH_TOKEN);
		c = client_make(t->mech, &o);
		step_gives(c, SPAN_NONE, t->first, strlen(t->first));
		assert_int_equal(sasl_client_detail(c).len, 0);
		step_gives(c, SPAN(OAUTH_JSON), t->dummy, strlen(t->dummy));
		assert_true(span_eq(sasl_client_detail(c), SPAN(OAUTH_JSON)));
		step_fails(c, SPAN(OAUTH_JSON), ERR_PROTO);
		sasl_client_free(&c);
	}
}

/* ---- SCRAM ---- */

struct vector {
	const char *mech, *nonce, *first, *server_first, *final, *server_final;
};

static const struct vector rfc5802 = {"SCRAM-SHA-1", "fyko+d2lbbFgONRv9qkxdawL",
	"n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
	"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
	"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
	"v=rmF9pqV8S7suAoZWja4dJRkFsKQ="};
static const struct vector rfc7677 = {"SCRAM-SHA-256", "rOprNGfwEbeRWgbNEkqO",
	"n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
	"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
	"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
	"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="};

/* A client that has said its first message of the vector. */
static struct sasl_client *vector_begin(const struct vector *v)
{
	static const struct sasl_client_opts o = {.user = SPAN("user"), .password = SPAN("pencil")};
	struct sasl_client *c = client_make(v->mech, &o);

	buf_str(&c->scram.nonce, v->nonce);
	step_gives(c, SPAN_NONE, v->first, strlen(v->first));
	return c;
}

static void behaviour_38_scram_vectors(void **state)
{
	static const struct vector *const vectors[] = {&rfc5802, &rfc7677};

	for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
		const struct vector *v = vectors[i];
		struct sasl_client *c = vector_begin(v);

		step_gives(c, span_str(v->server_first), v->final, strlen(v->final));
		/* Success before the signature is no success. */
		assert_int_equal(sasl_client_verify(c, NULL), -1);
		step_gives(c, span_str(v->server_final), "", 0);
		assert_int_equal(sasl_client_verify(c, NULL), 0);
		step_fails(c, SPAN(""), ERR_PROTO);
		sasl_client_free(&c);
	}
}

static void behaviour_38_scram_refuses_a_wrong_first_message(void **state)
{
#define R "r=fyko+d2lbbFgONRv9qkxdawL3rfc"
	static const char *const messages[] = {
		"",
		",",
		"r=",
		R,
		R ",s=QSXCR+Q6sek8bf92",
		R ",s=QSXCR+Q6sek8bf92,i=",
		"r=fyko+d2lbbFgONRv9qkxdawM3rfc,s=QSXCR+Q6sek8bf92,i=4096",
		"r=fyko+d2lbbFgONRv9qkxdawL,s=QSXCR+Q6sek8bf92,i=4096", /* adds nothing */
		"r=3rfcfyko+d2lbbFgONRv9qkxdawL,s=QSXCR+Q6sek8bf92,i=4096",
		R " x,s=QSXCR+Q6sek8bf92,i=4096",
		R ",s=QSXCR+Q6sek8bf9,i=4096",
		R ",s=QSX*R+Q6sek8bf92,i=4096",
		R ",s==,i=4096",
		R ",s=,i=4096",
		R ",s=QSXCR+Q6sek8bf92,i=0",
		R ",s=QSXCR+Q6sek8bf92,i=-4096",
		R ",s=QSXCR+Q6sek8bf92,i=+4096",
		R ",s=QSXCR+Q6sek8bf92,i=04096",
		R ",s=QSXCR+Q6sek8bf92,i=4096x",
		R ",s=QSXCR+Q6sek8bf92,i=0x1000",
		R ",s=QSXCR+Q6sek8bf92,i=4095", /* without TLS */
		R ",s=QSXCR+Q6sek8bf92,i=1000001",
		R ",s=QSXCR+Q6sek8bf92,i=4294971392",
		R ",s=QSXCR+Q6sek8bf92,i=99999999999999999999999999",
		R ",i=4096,s=QSXCR+Q6sek8bf92",
		R ",s=QSXCR+Q6sek8bf92,i=4096,",
		R ",s=QSXCR+Q6sek8bf92,i=4096,x",
		"m=ext," R ",s=QSXCR+Q6sek8bf92,i=4096",
		"e=other-error",
		R ",s=QSXCR+Q6sek8bf92,i=4096,x=\xff",
	};

	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		struct sasl_client *c = vector_begin(&rfc5802);
		struct buf out;
		struct err e = {0};

		buf_init(&out, SASL_RESPONSE_MAX);
		if (sasl_client_step(c, span_str(messages[i]), &out, &e) == 0)
			fail_msg("%s", messages[i]);
		assert_int_equal(e.code, ERR_PROTO);
		assert_int_equal(e.scope, ERR_SCOPE_PEER);
		/* Nothing of the password is in an answer, and no success counts. */
		assert_int_equal(buf_len(&out), 0);
		assert_int_equal(sasl_client_verify(c, NULL), -1);
		buf_fini(&out);
		sasl_client_free(&c);
	}
#undef R
}

static void behaviour_38_scram_checks_the_servers_signature(void **state)
{
	static const struct {
		const char *message;
		bool is_answered; /* an error the server names: its 535 follows */
	} rows[] = {
		{"v=rmF9pqV8S7suAoZWja4dJRkFsKR=", false},
		{"v=smF9pqV8S7suAoZWja4dJRkFsKQ=", false},
		{"v=", false},
		{"v=rmF9", false},
		{"", false},
		{"v=rmF9pqV8S7suAoZWja4dJRkFsKQ", false},
		{"x=1,v=rmF9pqV8S7suAoZWja4dJRkFsKQ=", false},
		{"e=invalid-proof", true},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sasl_client *c = vector_begin(&rfc5802);

		step_gives(c, span_str(rfc5802.server_first), rfc5802.final, strlen(rfc5802.final));
		if (rows[i].is_answered) {
			step_gives(c, span_str(rows[i].message), "", 0);
			assert_true(span_eq(sasl_client_detail(c), SPAN("invalid-proof")));
		} else {
			step_fails(c, span_str(rows[i].message), ERR_PROTO);
		}
		assert_int_equal(sasl_client_verify(c, NULL), -1);
		sasl_client_free(&c);
	}
}

static void behaviour_40_scram_prepares_names_and_says_what_it_can_bind(void **state)
{
	static const struct {
		const char *what, *mech, *offered, *first;
		struct sasl_client_opts o;
	} rows[] = {
		{"escapes", "SCRAM-SHA-1", "", "n,a=x=2Cy=3D,n=a=3Db=2C,r=N",
			{.user = SPAN("a=b,"), .authzid = SPAN("x,y=")}},
		{"SASLprep: RFC 4013 section 3", "SCRAM-SHA-1", "", "n,,n=IX,r=N",
			{.user = SPAN("I\xc2\xadX")}},
		{"SASLprep: KC", "SCRAM-SHA-1", "", "n,,n=IX,r=N", {.user = SPAN("\xe2\x85\xa8")}},
		{"could bind, not offered", "SCRAM-SHA-1", "SCRAM-SHA-1 PLAIN", "y,,n=u,r=N",
			{.user = SPAN("u"), .tls_exporter = SPAN(BINDING)}},
		{"could bind, offered", "SCRAM-SHA-1", "SCRAM-SHA-1 SCRAM-SHA-1-PLUS", "n,,n=u,r=N",
			{.user = SPAN("u"), .tls_exporter = SPAN(BINDING)}},
		{"could bind, offer not told", "SCRAM-SHA-1", "", "n,,n=u,r=N",
			{.user = SPAN("u"), .tls_exporter = SPAN(BINDING)}},
		{"TLS 1.3", "SCRAM-SHA-1-PLUS", "", "p=tls-exporter,,n=u,r=N",
			{.user = SPAN("u"), .tls_exporter = SPAN(BINDING)}},
		{"TLS 1.2", "SCRAM-SHA-256-PLUS", "", "p=tls-unique,a=z,n=u,r=N",
			{.user = SPAN("u"),
				.tls_exporter = SPAN(BINDING),
				.tls_unique = SPAN(BINDING),
				.authzid = SPAN("z")}},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct sasl_client_opts o = rows[i].o;
		struct sasl_client *c;

		o.password = SPAN("pencil");
		o.offered = span_str(rows[i].offered);
		c = client_make(rows[i].mech, &o);
		buf_str(&c->scram.nonce, "N");
		step_gives(c, SPAN_NONE, rows[i].first, strlen(rows[i].first));
		sasl_client_free(&c);
	}
}

static void names_that_cannot_be_prepared_are_refused(void **state)
{
	static const char *const users[] = {"\x07",
		"\xd8\xa7"
		"1",
		"\xff", "\xc2\xad", "a\nb"};

	for (size_t i = 0; i < ARRAY_LEN(users); i++) {
		struct sasl_client_opts o = {.user = span_str(users[i]), .password = SPAN("p")};
		struct sasl_client *c = client_make("SCRAM-SHA-256", &o);

		step_fails(c, SPAN_NONE, ERR_SYNTAX);
		sasl_client_free(&c);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaviour_31_strongest_first_or_the_callers_list),
		cmocka_unit_test(the_table_is_in_order),
		cmocka_unit_test(what_is_missing_is_said),
		cmocka_unit_test(behaviour_40_plain_in_utf_8_with_authzid),
		cmocka_unit_test(behaviour_37_login_ignores_the_prompts),
		cmocka_unit_test(behaviour_36_endless_challenges_end_in_an_error),
		cmocka_unit_test(behaviour_40_cram_md5_vector),
		cmocka_unit_test(behaviour_39_oauth_failure),
		cmocka_unit_test(behaviour_38_scram_vectors),
		cmocka_unit_test(behaviour_38_scram_refuses_a_wrong_first_message),
		cmocka_unit_test(behaviour_38_scram_checks_the_servers_signature),
		cmocka_unit_test(behaviour_40_scram_prepares_names_and_says_what_it_can_bind),
		cmocka_unit_test(names_that_cannot_be_prepared_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
