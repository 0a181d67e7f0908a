/* Our client against GNU SASL's servers. */
#include "sasl_test.h"

#include <gsasl.h>

/* GNU SASL refuses characters younger than Unicode 3.2 in passwords; we do not. */
#undef PASSWORD
#define PASSWORD "pencil \xe7\xab\x99, ="

struct gnu_server {
	const char *password;
	bool is_unique; /* tls-unique instead of tls-exporter */
	bool has_binding;
};

static int gnu_binding(Gsasl_session *session, Gsasl_property what, const char *binding)
{
	struct buf b;
	int rc;

	buf_init(&b, 200);
	enc_put_base64(&b, span_str(binding));
	rc = gsasl_property_set(session, what, buf_cstr(&b));
	buf_fini(&b);
	return rc;
}

static int gnu_asks(Gsasl *library, Gsasl_session *session, Gsasl_property what)
{
	const struct gnu_server *s = gsasl_callback_hook_get(library);
	const char *user = gsasl_property_fast(session, GSASL_AUTHID);

	switch (what) {
	case GSASL_PASSWORD:
		if (!user || strcmp(user, USER) != 0)
			return GSASL_AUTHENTICATION_ERROR;
		return gsasl_property_set(session, what, s->password);
	case GSASL_CB_TLS_EXPORTER:
	case GSASL_CB_TLS_UNIQUE:
		if (!s->has_binding || s->is_unique != (what == GSASL_CB_TLS_UNIQUE))
			return GSASL_NO_CALLBACK;
		return gnu_binding(session, what, BINDING);
	case GSASL_REALM: return gsasl_property_set(session, what, "yizhan.test");
	case GSASL_HOSTNAME: return gsasl_property_set(session, what, "mail.yizhan.test");
	case GSASL_SERVICE: return gsasl_property_set(session, what, "smtp");
	case GSASL_VALIDATE_EXTERNAL: return GSASL_OK;
	case GSASL_VALIDATE_ANONYMOUS:
		return strcmp(gsasl_property_fast(session, GSASL_ANONYMOUS_TOKEN), USER) == 0
			? GSASL_OK
			: GSASL_AUTHENTICATION_ERROR;
	default: return GSASL_NO_CALLBACK;
	}
}

/* Does the whole exchange end well at both ends? */
static bool gnu_talk(struct sasl_client *c, Gsasl_session *server)
{
	struct buf out, challenge;
	int rc = GSASL_NEEDS_MORE;
	bool is_good = true, is_begun = false;

	buf_init(&out, SASL_RESPONSE_MAX);
	buf_init(&challenge, SASL_RESPONSE_MAX);
	for (;;) {
		char *text = NULL;
		size_t len = 0;

		buf_clear(&out);
		if (c->mech->is_first || is_begun)
			is_good = sasl_client_step(c, is_begun ? buf_span(&challenge) : SPAN_NONE,
					  &out, NULL) == 0;
		is_begun = true;
		if (rc == GSASL_OK || !is_good)
			break;
		rc = gsasl_step(server, buf_cstr(&out), buf_len(&out), &text, &len);
		is_good = rc == GSASL_OK || rc == GSASL_NEEDS_MORE;
		buf_clear(&challenge);
		buf_put(&challenge, text, len);
		gsasl_free(text);
		if (!is_good || (rc == GSASL_OK && len == 0))
			break;
	}
	buf_fini(&out);
	buf_fini(&challenge);
	return is_good && rc == GSASL_OK && sasl_client_verify(c, NULL) == 0;
}

struct gnu_case {
	const char *what, *mech;
	bool is_bound, is_unique;
	const char *user, *password, *binding, *offered;
	bool is_good;
};

static const struct gnu_case gnu_cases[] = {
	{"SCRAM-SHA-256", "SCRAM-SHA-256", false, false, USER, PASSWORD, "", "", true},
	{"SCRAM-SHA-1", "SCRAM-SHA-1", false, false, USER, PASSWORD, "", "", true},
	{"SCRAM, wrong password", "SCRAM-SHA-256", false, false, USER, "x", "", "", false},
	{"SCRAM, unknown user", "SCRAM-SHA-256", false, false, "eve", PASSWORD, "", "", false},
	{"SCRAM, name composed by SASLprep", "SCRAM-SHA-256", false, false, "jose\xcc\x81",
		PASSWORD, "", "", true},
	{"exporter", "SCRAM-SHA-256-PLUS", true, false, USER, PASSWORD, BINDING, "", true},
	{"exporter, SHA-1", "SCRAM-SHA-1-PLUS", true, false, USER, PASSWORD, BINDING, "", true},
	{"unique", "SCRAM-SHA-256-PLUS", true, true, USER, PASSWORD, BINDING, "", true},
	{"unique, SHA-1", "SCRAM-SHA-1-PLUS", true, true, USER, PASSWORD, BINDING, "", true},
	{"another connection's binding", "SCRAM-SHA-256-PLUS", true, false, USER, PASSWORD,
		"fedcba9876543210fedcba9876543210", "", false},
	{"a list shortened on the way", "SCRAM-SHA-256", true, false, USER, PASSWORD, BINDING,
		"SCRAM-SHA-256 PLAIN", false},
	{"a server without bindings", "SCRAM-SHA-256", false, false, USER, PASSWORD, BINDING,
		"SCRAM-SHA-256 PLAIN", true},
	{"not bound by choice", "SCRAM-SHA-256", true, false, USER, PASSWORD, BINDING,
		"SCRAM-SHA-256 SCRAM-SHA-256-PLUS", true},
	{"PLAIN", "PLAIN", false, false, USER, PASSWORD, "", "", true},
	{"PLAIN, wrong password", "PLAIN", false, false, USER, "x", "", "", false},
	{"LOGIN", "LOGIN", false, false, USER, PASSWORD, "", "", true},
	{"LOGIN, wrong password", "LOGIN", false, false, USER, "x", "", "", false},
	{"CRAM-MD5", "CRAM-MD5", false, false, USER, PASSWORD, "", "", true},
	{"CRAM-MD5, wrong password", "CRAM-MD5", false, false, USER, "x", "", "", false},
	{"DIGEST-MD5", "DIGEST-MD5", false, false, USER, PASSWORD, "", "", true},
	{"DIGEST-MD5, wrong password", "DIGEST-MD5", false, false, USER, "x", "", "", false},
	{"EXTERNAL", "EXTERNAL", false, false, USER, PASSWORD, "", "", true},
	{"ANONYMOUS", "ANONYMOUS", false, false, USER, PASSWORD, "", "", true},
};

static void behaviour_38_and_40_each_mechanism_against_gnu_sasl(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(gnu_cases); i++) {
		const struct gnu_case *g = &gnu_cases[i];
		struct gnu_server s = {PASSWORD, g->is_unique, g->is_bound};
		struct sasl_client_opts o = {.user = span_str(g->user),
			.password = span_str(g->password),
			.service = SPAN("smtp"),
			.host = SPAN("mail.yizhan.test"),
			.offered = span_str(g->offered),
			.has_tls = true};
		struct sasl_client *c;
		Gsasl *library;
		Gsasl_session *session;

		*(g->is_unique ? &o.tls_unique : &o.tls_exporter) = span_str(g->binding);
		c = client_make(g->mech, &o);
		assert_int_equal(gsasl_init(&library), GSASL_OK);
		gsasl_callback_hook_set(library, &s);
		gsasl_callback_set(library, gnu_asks);
		assert_int_equal(gsasl_server_start(library, g->mech, &session), GSASL_OK);
		if (gnu_talk(c, session) != g->is_good)
			fail_msg("%s", g->what);
		gsasl_finish(session);
		gsasl_done(library);
		sasl_client_free(&c);
	}
}

/* NTLM has no server in the library: its first message is known. */
static void ntlm_begins_as_it_should(void **state)
{
	struct sasl_client_opts o = {.user = SPAN("u"), .password = SPAN("p")};
	struct sasl_client *c = client_make("NTLM", &o);
	struct buf out;

	buf_init(&out, SASL_RESPONSE_MAX);
	assert_int_equal(sasl_client_step(c, SPAN_NONE, &out, NULL), 0);
	assert_true(span_starts(buf_span(&out), span_of("NTLMSSP\0\1\0\0\0", 12)));
	buf_clear(&out);
	assert_int_equal(sasl_client_step(c, SPAN("NTLMSSP"), &out, NULL), -1);
	buf_fini(&out);
	sasl_client_free(&c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaviour_38_and_40_each_mechanism_against_gnu_sasl),
		cmocka_unit_test(ntlm_begins_as_it_should),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
