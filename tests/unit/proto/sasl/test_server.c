/* Our server: against our client, against GNU SASL's, and against what no client should say. */
#include "sasl_test.h"

#include <gsasl.h>

#include "base/secret.h"
#include "proto/sasl/sasl_server_priv.h"

#define SALT  "\x01salt of sixteen"
#define ITER  4096
#define TOKEN "dmZ0LXRva2Vu"

/* GNU SASL refuses characters younger than Unicode 3.2 in passwords. */
#undef PASSWORD
#define PASSWORD "pencil \xe7\xab\x99, ="

/* ---- who there is: USER, with PASSWORD ---- */

struct people {
	bool is_down; /* no question can be answered */
	unsigned asked;
};

static int people_ask(void *ctx, struct err *e)
{
	struct people *p = ctx;

	p->asked++;
	return p->is_down ? err_set(e, ERR_BUSY, "the store is busy") : 0;
}

static int people_keys(
	void *ctx, struct span user, bool is_sha1, struct sasl_keys *k, bool *yes_r, struct err *e)
{
	struct scram_keys keys;

	if (people_ask(ctx, e) < 0)
		return -1;
	*yes_r = span_eq(user, SPAN(USER));
	if (!*yes_r)
		return 0;
	assert_true(scram_derive(
		is_sha1 ? SCRAM_SHA1 : SCRAM_SHA256, SPAN(PASSWORD), SPAN(SALT), ITER, &keys));
	k->iterations = ITER;
	k->salt_len = sizeof(SALT) - 1;
	memcpy(k->salt, SALT, k->salt_len);
	memcpy(k->stored, keys.stored, sizeof(k->stored));
	memcpy(k->server, keys.server, sizeof(k->server));
	return 0;
}

static int people_password(
	void *ctx, struct span user, struct span password, bool *yes_r, struct err *e)
{
	*yes_r = span_eq(user, SPAN(USER)) && span_eq(password, SPAN(PASSWORD));
	return people_ask(ctx, e);
}

static int people_token(void *ctx, struct span claimed, struct span token, struct buf *user_r,
	bool *yes_r, struct err *e)
{
	*yes_r = span_eq(token, SPAN(TOKEN)) && (!claimed.len || span_eq(claimed, SPAN(USER)));
	if (*yes_r)
		buf_str(user_r, USER);
	return people_ask(ctx, e);
}

static int people_external(void *ctx, struct buf *user_r, bool *yes_r, struct err *e)
{
	*yes_r = true;
	buf_str(user_r, USER);
	return people_ask(ctx, e);
}

static int people_may_act(
	void *ctx, struct span user, struct span authzid, bool *yes_r, struct err *e)
{
	*yes_r = span_eq(authzid, SPAN("box,1"));
	return people_ask(ctx, e);
}

static const struct sasl_decider people = {
	.keys = people_keys,
	.password = people_password,
	.token = people_token,
	.external = people_external,
	.may_act = people_may_act,
};

#define ALL                                                                                        \
	"SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 "       \
	"EXTERNAL PLAIN LOGIN"

static const struct sasl_server_opts all_opts = {
	.mechs = ALL,
	.has_tls = true,
	.tls_exporter = SPAN(BINDING),
	.secret = SPAN("sixteen octets and more"),
};

/* ---- our client and our server ---- */

struct talk {
	const char *what, *mech, *user, *password, *authzid, *offered, *binding;
	enum sasl_verdict verdict;
	const char *identity; /* or why not */
	bool is_unique;
};

static const struct talk talks[] = {
	{"bound", "SCRAM-SHA-256-PLUS", USER, PASSWORD, "", ALL, BINDING, SASL_ACCEPTED, USER},
	{"bound, SHA-1", "SCRAM-SHA-1-PLUS", USER, PASSWORD, "", ALL, BINDING, SASL_ACCEPTED, USER},
	{"not bound", "SCRAM-SHA-256", USER, PASSWORD, "", ALL, BINDING, SASL_ACCEPTED, USER},
	{"SHA-1", "SCRAM-SHA-1", USER, PASSWORD, "", "", "", SASL_ACCEPTED, USER},
	{"same authzid", "SCRAM-SHA-256", USER, PASSWORD, USER, "", "", SASL_ACCEPTED, USER},
	{"allowed authzid", "SCRAM-SHA-256", USER, PASSWORD, "box,1", "", "", SASL_ACCEPTED,
		"box,1"},
	{"other authzid", "SCRAM-SHA-256", USER, PASSWORD, "eve", "", "", SASL_REFUSED, "authzid"},
	{"wrong password", "SCRAM-SHA-256", USER, "x", "", "", "", SASL_REFUSED, "password"},
	{"unknown user", "SCRAM-SHA-256", "eve", "x", "", "", "", SASL_REFUSED, "no keys"},
	{"name to be composed", "SCRAM-SHA-256", "jose\xcc\x81", PASSWORD, "", "", "",
		SASL_ACCEPTED, USER},
	{"another connection's binding", "SCRAM-SHA-256-PLUS", USER, PASSWORD, "", ALL,
		"fedcba9876543210fedcba9876543210", SASL_REFUSED, "channel binding"},
	{"a binding we have not", "SCRAM-SHA-256-PLUS", USER, PASSWORD, "", ALL, BINDING,
		SASL_REFUSED, "channel binding not known", true},
	{"a list shortened on the way", "SCRAM-SHA-256", USER, PASSWORD, "", "SCRAM-SHA-256 PLAIN",
		BINDING, SASL_REFUSED, "downgrade"},
	{"PLAIN", "PLAIN", USER, PASSWORD, "", "", "", SASL_ACCEPTED, USER},
	{"PLAIN, allowed authzid", "PLAIN", USER, PASSWORD, "box,1", "", "", SASL_ACCEPTED,
		"box,1"},
	{"PLAIN, other authzid", "PLAIN", USER, PASSWORD, "eve", "", "", SASL_REFUSED, "authzid"},
	{"PLAIN, wrong password", "PLAIN", USER, "x", "", "", "", SASL_REFUSED, "password"},
	{"PLAIN, unknown user", "PLAIN", "eve", PASSWORD, "", "", "", SASL_REFUSED, "password"},
	{"LOGIN", "LOGIN", USER, PASSWORD, "", "", "", SASL_ACCEPTED, USER},
	{"LOGIN, wrong password", "LOGIN", USER, "x", "", "", "", SASL_REFUSED, "password"},
	{"OAUTHBEARER", "OAUTHBEARER", USER, TOKEN, "", "", "", SASL_ACCEPTED, USER},
	{"OAUTHBEARER, no name", "OAUTHBEARER", "", TOKEN, "", "", "", SASL_ACCEPTED, USER},
	{"OAUTHBEARER, another's", "OAUTHBEARER", "eve", TOKEN, "", "", "", SASL_REFUSED, "token"},
	{"OAUTHBEARER, bad token", "OAUTHBEARER", USER, "x", "", "", "", SASL_REFUSED, "token"},
	{"XOAUTH2", "XOAUTH2", USER, TOKEN, "", "", "", SASL_ACCEPTED, USER},
	{"XOAUTH2, bad token", "XOAUTH2", USER, "x", "", "", "", SASL_REFUSED, "token"},
	{"EXTERNAL", "EXTERNAL", "", "", "", "", "", SASL_ACCEPTED, USER},
	{"EXTERNAL, other authzid", "EXTERNAL", "", "", "eve", "", "", SASL_REFUSED, "authzid"},
};

static struct sasl_client *talk_client(const struct talk *t)
{
	struct sasl_client_opts o = {.user = span_str(t->user),
		.password = span_str(t->password),
		.token = strstr(t->mech, "OAUTH") ? span_str(t->password) : SPAN_NONE,
		.authzid = span_str(t->authzid),
		.host = SPAN("mail.yizhan.test"),
		.offered = span_str(t->offered),
		.has_tls = true};

	*(t->is_unique ? &o.tls_unique : &o.tls_exporter) = span_str(t->binding);
	return client_make(t->mech, &o);
}

/* Until there is a verdict. `is_initial`: the first word comes with the command. */
static enum sasl_verdict talk_run(
	struct sasl_client *c, struct sasl_server *s, bool is_initial, unsigned *steps_r)
{
	struct buf response, challenge;
	struct span said = SPAN_NONE;
	enum sasl_verdict verdict = SASL_MORE;
	struct err e = {0};

	buf_init(&response, SASL_RESPONSE_MAX);
	buf_init(&challenge, SASL_RESPONSE_MAX);
	if (is_initial && c->mech->is_first) {
		assert_int_equal(sasl_client_step(c, SPAN_NONE, &response, &e), 0);
		said = span_of(buf_cstr(&response), buf_len(&response));
	}
	for (*steps_r = 0; *steps_r < 10; ++*steps_r) {
		buf_clear(&challenge);
		if (sasl_server_step(s, said, &challenge, &verdict, &e) < 0)
			fail_msg("%s", e.text);
		if (verdict != SASL_MORE)
			break;
		buf_clear(&response);
		if (sasl_client_step(c, span_of(buf_cstr(&challenge), buf_len(&challenge)),
			    &response, &e) < 0)
			fail_msg("client: %s", e.text);
		said = span_of(buf_cstr(&response), buf_len(&response));
	}
	buf_fini(&response);
	buf_fini(&challenge);
	return verdict;
}

static void each_mechanism_of_our_client_and_our_server(void **state)
{
	for (size_t i = 0; i < 2 * ARRAY_LEN(talks); i++) {
		const struct talk *t = &talks[i / 2];
		struct people ctx = {0};
		struct sasl_client *c = talk_client(t);
		struct sasl_server *s = sasl_server_new(
			span_str(t->mech), &all_opts, &people, &ctx, NULL);
		enum sasl_verdict v;
		unsigned steps;

		assert_non_null(s);
		v = talk_run(c, s, i % 2 == 0, &steps);
		if (v != t->verdict)
			fail_msg("%s: verdict %d, %s", t->what, v, sasl_server_why(s));
		if (v == SASL_ACCEPTED) {
			assert_true(span_eq(sasl_server_identity(s), span_str(t->identity)));
			assert_true(span_eq(sasl_server_user(s), SPAN(USER)));
			assert_int_equal(sasl_client_verify(c, NULL), 0);
		} else if (strcmp(sasl_server_why(s), t->identity) != 0) {
			fail_msg("%s: %s", t->what, sasl_server_why(s));
		}
		sasl_server_free(&s);
		sasl_client_free(&c);
	}
}

/* ---- one server, said to what the test wants ---- */

static struct sasl_server *server_make(const char *mech, struct people *p)
{
	struct sasl_server *s = sasl_server_new(span_str(mech), &all_opts, &people, p, NULL);

	assert_non_null(s);
	return s;
}

static void server_says(
	struct sasl_server *s, struct span response, const char *challenge, enum sasl_verdict want)
{
	struct buf out;
	struct err e = {0};
	enum sasl_verdict v;

	buf_init(&out, SASL_RESPONSE_MAX);
	if (sasl_server_step(s, response, &out, &v, &e) < 0)
		fail_msg("%s", e.text);
	if (v != want || strcmp(buf_cstr(&out), challenge) != 0)
		fail_msg("%d (%s): %s", v, sasl_server_why(s), buf_cstr(&out));
	buf_fini(&out);
}

static int vector_keys(
	void *ctx, struct span user, bool is_sha1, struct sasl_keys *k, bool *yes_r, struct err *e)
{
	struct scram_keys keys;
	struct buf salt;

	buf_init(&salt, 100);
	assert_true(enc_get_base64(&salt, SPAN("W22ZaJ0SNY7soEsUEjb6gQ==")));
	assert_true(scram_derive(SCRAM_SHA256, SPAN("pencil"), buf_span(&salt), 4096, &keys));
	k->iterations = 4096;
	k->salt_len = buf_len(&salt);
	memcpy(k->salt, buf_span(&salt).ptr, k->salt_len);
	memcpy(k->stored, keys.stored, sizeof(k->stored));
	memcpy(k->server, keys.server, sizeof(k->server));
	buf_fini(&salt);
	*yes_r = true;
	return 0;
}

static void the_vector_of_rfc_7677(void **state)
{
	static const struct sasl_decider decider = {.keys = vector_keys};
	struct sasl_server *s = sasl_server_new(
		SPAN("SCRAM-SHA-256"), &all_opts, &decider, NULL, NULL);

	assert_non_null(s);
	buf_str(&s->nonce, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
	server_says(s, SPAN("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		SASL_MORE);
	server_says(s,
		SPAN("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
		     "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
		"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", SASL_MORE);
	server_says(s, SPAN(""), "", SASL_ACCEPTED);
	sasl_server_free(&s);
}

static void an_unknown_user_is_asked_the_same_each_time(void **state)
{
	static const char *const users[] = {"eve", "eve", "adam"};
	struct buf asked[3];

	for (size_t i = 0; i < 3; i++) {
		struct people p = {0};
		struct sasl_server *s = server_make("SCRAM-SHA-256", &p);
		struct buf first;
		enum sasl_verdict v;

		buf_init(&first, 100);
		buf_init(&asked[i], 1000);
		buf_str(&s->nonce, "N");
		buf_printf(&first, "n,,n=%s,r=c", users[i]);
		assert_int_equal(sasl_server_step(s, buf_span(&first), &asked[i], &v, NULL), 0);
		assert_int_equal(v, SASL_MORE);
		assert_true(span_starts(buf_span(&asked[i]), SPAN("r=cN,s=")));
		assert_true(span_ends_nocase(buf_span(&asked[i]), SPAN("==,i=10000")));
		/* and even the keys of zeros that stand in for his are of no use */
		server_says(s, SPAN("c=biws,r=cN,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
			"", SASL_REFUSED);
		buf_fini(&first);
		sasl_server_free(&s);
	}
	assert_true(span_eq(buf_span(&asked[0]), buf_span(&asked[1])));
	assert_false(span_eq(buf_span(&asked[0]), buf_span(&asked[2])));
	for (size_t i = 0; i < 3; i++)
		buf_fini(&asked[i]);
}

struct hostile {
	const char *mech;
	struct span response;
};

static const struct hostile malformed[] = {
	{"PLAIN", SPAN("")},
	{"PLAIN", SPAN("\0a")},
	{"PLAIN", SPAN("\0a\0")},
	{"PLAIN", SPAN("\0\0p")},
	{"PLAIN", SPAN("\0a\0p\0")},
	{"PLAIN", SPAN("\0a\0p\xff")},
	{"PLAIN",
		SPAN("\0\xd8\xa7"
		     "1\0p")},
	{"PLAIN", SPAN("a\nb\0a\0p")},
	{"LOGIN", SPAN("")},
	{"LOGIN", SPAN("a\0b")},
	{"LOGIN", SPAN("\xff")},
	{"EXTERNAL", SPAN("a\rb")},
	{"OAUTHBEARER", SPAN("")},
	{"OAUTHBEARER", SPAN("n,,")},
	{"OAUTHBEARER", SPAN("n,,\1auth=Bearer x\1")},
	{"OAUTHBEARER", SPAN("n,,\1\1")},
	{"OAUTHBEARER", SPAN("p=x,,\1auth=Bearer x\1\1")},
	{"OAUTHBEARER", SPAN("n,b=x,\1auth=Bearer x\1\1")},
	{"OAUTHBEARER", SPAN("n,,\1auth=Basic x\1\1")},
	{"OAUTHBEARER", SPAN("n,,\1auth=Bearer x\1auth=Bearer y\1\1")},
	{"OAUTHBEARER", SPAN("n,,\1auth=Bearer x\1\1more")},
	{"XOAUTH2", SPAN("")},
	{"XOAUTH2", SPAN("user=a\1auth=Bearer x\1")},
	{"XOAUTH2", SPAN("user=\1auth=Bearer x\1\1")},
	{"XOAUTH2", SPAN("user=a\1auth=Bearer x y\1\1")},
	{"SCRAM-SHA-256", SPAN("")},
	{"SCRAM-SHA-256", SPAN("n,,n=user")},
	{"SCRAM-SHA-256", SPAN("n,,r=c,n=user")},
	{"SCRAM-SHA-256", SPAN("x,,n=user,r=c")},
	{"SCRAM-SHA-256", SPAN("n,n=user,r=c")},
	{"SCRAM-SHA-256", SPAN("n,,n=,r=c")},
	{"SCRAM-SHA-256", SPAN("n,,n=user,r=")},
	{"SCRAM-SHA-256", SPAN("n,,n=u=ser,r=c")},
	{"SCRAM-SHA-256", SPAN("n,,n=u=2cser,r=c")},
	{"SCRAM-SHA-256", SPAN("n,,n=us\0er,r=c")},
	{"SCRAM-SHA-256", SPAN("n,,n=\xff,r=c")},
	{"SCRAM-SHA-256", SPAN("n,,m=x,n=user,r=c")},
	{"SCRAM-SHA-256", SPAN("n,a=,n=user,r=c")},
	{"SCRAM-SHA-256", SPAN("n,x=y,n=user,r=c")},
	{"SCRAM-SHA-256", SPAN("n,,n=user,r=a b")},
	{"SCRAM-SHA-256", SPAN("n,,n=user,r=c,")},
	{"SCRAM-SHA-256-PLUS", SPAN("p=,,n=user,r=c")},
	{"SCRAM-SHA-256-PLUS", SPAN("p=a_b,,n=user,r=c")},
};

static void what_cannot_be_read_is_an_error_before_anybody_is_asked(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(malformed); i++) {
		struct people p = {0};
		struct sasl_server *s = server_make(malformed[i].mech, &p);
		struct buf out;
		struct err e = {0};
		enum sasl_verdict v;

		buf_init(&out, SASL_RESPONSE_MAX);
		if (sasl_server_step(s, malformed[i].response, &out, &v, &e) == 0)
			fail_msg("%s: \"" SPAN_FMT "\"", malformed[i].mech,
				SPAN_ARG(malformed[i].response));
		assert_int_equal(e.code, ERR_SYNTAX);
		assert_int_equal(p.asked, 0);
		assert_int_equal(buf_len(&out), 0);
		buf_fini(&out);
		sasl_server_free(&s);
	}
}

static void a_binding_and_a_mechanism_must_fit(void **state)
{
	static const struct {
		const char *mech, *first;
	} rows[] = {
		{"SCRAM-SHA-256", "p=tls-exporter,,n=user,r=c"},
		{"SCRAM-SHA-256", "y,,n=user,r=c"},
		{"SCRAM-SHA-1", "y,,n=user,r=c"},
		{"SCRAM-SHA-256-PLUS", "n,,n=user,r=c"},
		{"SCRAM-SHA-256-PLUS", "y,,n=user,r=c"},
		{"SCRAM-SHA-256-PLUS", "p=tls-unique,,n=user,r=c"},
		{"SCRAM-SHA-256-PLUS", "p=tls-something,,n=user,r=c"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct people p = {0};
		struct sasl_server *s = server_make(rows[i].mech, &p);

		server_says(s, span_str(rows[i].first), "", SASL_REFUSED);
		assert_int_equal(p.asked, 0);
		sasl_server_free(&s);
	}
}

static void a_final_message_of_another_exchange_is_refused(void **state)
{
	static const char *const finals[] = {
		"c=biws,r=cX,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",     /* nonce */
		"c=eSws,r=cN,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",     /* "y,," */
		"c=biwsAA==,r=cN,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", /* more */
		"c=!!!!,r=cN,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
		"c=biws,r=cN,p=AAAA",
		"c=biws,r=cN,p=!!!!",
	};

	for (size_t i = 0; i < ARRAY_LEN(finals); i++) {
		struct people p = {0};
		struct sasl_server *s = server_make("SCRAM-SHA-256", &p);

		buf_str(&s->nonce, "N");
		server_says(s, SPAN("n,,n=" USER ",r=c"), "r=cN,s=AXNhbHQgb2Ygc2l4dGVlbg==,i=4096",
			SASL_MORE);
		server_says(s, span_str(finals[i]), "", SASL_REFUSED);
		sasl_server_free(&s);
	}
}

static void what_is_offered_follows_the_connection(void **state)
{
	static const struct {
		const char *list;
		struct sasl_server_opts o;
		enum err_code plain, plus, magic; /* of sasl_server_new */
	} rows[] = {
		{ALL, {.mechs = ALL, .has_tls = true, .tls_exporter = SPAN("x")}, ERR_NONE,
			ERR_NONE, ERR_UNSUPPORTED},
		{"SCRAM-SHA-256 SCRAM-SHA-1 OAUTHBEARER XOAUTH2 EXTERNAL PLAIN LOGIN",
			{.mechs = ALL, .has_tls = true}, ERR_NONE, ERR_STATE, ERR_UNSUPPORTED},
		{"SCRAM-SHA-256 SCRAM-SHA-1 EXTERNAL", {.mechs = ALL}, ERR_TLS, ERR_STATE,
			ERR_UNSUPPORTED},
		{"PLAIN", {.mechs = "X-MAGIC PLAIN", .is_clear_allowed = true}, ERR_NONE,
			ERR_UNSUPPORTED, ERR_UNSUPPORTED},
		{"", {.mechs = ""}, ERR_UNSUPPORTED, ERR_UNSUPPORTED, ERR_UNSUPPORTED},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		static const char *const names[] = {"plain", "SCRAM-SHA-256-PLUS", "X-MAGIC"};
		struct sasl_server_opts o = rows[i].o;
		struct buf list;

		o.secret = all_opts.secret;
		buf_init(&list, 1000);
		sasl_server_offer(&o, &list);
		assert_string_equal(buf_cstr(&list), rows[i].list);
		buf_fini(&list);
		for (size_t k = 0; k < 3; k++) {
			enum err_code want[] = {rows[i].plain, rows[i].plus, rows[i].magic};
			struct err e = {0};
			struct sasl_server *s = sasl_server_new(
				span_str(names[k]), &o, &people, NULL, &e);

			assert_int_equal(s == NULL, want[k] != ERR_NONE);
			assert_int_equal(e.code, want[k]);
			sasl_server_free(&s);
		}
	}
}

static void a_question_without_an_answer_is_an_error_for_now(void **state)
{
	static const struct hostile rows[] = {{"PLAIN", SPAN("\0" USER "\0" PASSWORD)},
		{"SCRAM-SHA-256", SPAN("n,,n=user,r=c")}, {"EXTERNAL", SPAN("")},
		{"XOAUTH2", SPAN("user=a\1auth=Bearer x\1\1")}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct people p = {.is_down = true};
		struct sasl_server *s = server_make(rows[i].mech, &p);
		struct buf out;
		struct err e = {0};
		enum sasl_verdict v;

		buf_init(&out, 1000);
		assert_int_equal(sasl_server_step(s, rows[i].response, &out, &v, &e), -1);
		assert_int_equal(e.code, ERR_BUSY);
		assert_int_not_equal(v, SASL_ACCEPTED);
		buf_fini(&out);
		sasl_server_free(&s);
	}
}

/* ---- GNU SASL's client ---- */

static int gnu_says(Gsasl *library, Gsasl_session *session, Gsasl_property what)
{
	const struct talk *t = gsasl_callback_hook_get(library);
	struct buf b;
	int rc = GSASL_NO_CALLBACK;

	switch (what) {
	case GSASL_AUTHID: return gsasl_property_set(session, what, t->user);
	case GSASL_PASSWORD: return gsasl_property_set(session, what, t->password);
	case GSASL_AUTHZID:
		return gsasl_property_set(session, what, *t->authzid ? t->authzid : NULL);
	case GSASL_CB_TLS_EXPORTER:
		buf_init(&b, 200);
		enc_put_base64(&b, span_str(t->binding));
		if (*t->binding)
			rc = gsasl_property_set(session, what, buf_cstr(&b));
		buf_fini(&b);
		return rc;
	default: return rc;
	}
}

static void a_client_of_gnu_sasl(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(talks); i++) {
		const struct talk *t = &talks[i];
		struct people ctx = {0};
		struct sasl_server *s;
		struct buf challenge;
		enum sasl_verdict v = SASL_MORE;
		Gsasl *library;
		Gsasl_session *session;
		int rc = GSASL_NEEDS_MORE;

		/* It has no OAuth, and needs a name; a binding that it may not use upsets it. */
		if (strstr(t->mech, "OAUTH") || t->is_unique || !*t->user ||
			(*t->binding && !strstr(t->mech, "PLUS")))
			continue;
		s = server_make(t->mech, &ctx);
		assert_int_equal(gsasl_init(&library), GSASL_OK);
		gsasl_callback_hook_set(library, (void *)(uintptr_t)t);
		gsasl_callback_set(library, gnu_says);
		assert_int_equal(gsasl_client_start(library, t->mech, &session), GSASL_OK);
		buf_init(&challenge, SASL_RESPONSE_MAX);
		assert_int_equal(sasl_server_step(s, SPAN_NONE, &challenge, &v, NULL), 0);
		for (unsigned steps = 0; v == SASL_MORE && steps < 10; steps++) {
			char *text = NULL;
			size_t len = 0;

			if (rc == GSASL_NEEDS_MORE)
				rc = gsasl_step(session, buf_cstr(&challenge), buf_len(&challenge),
					&text, &len);
			if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
				fail_msg("%s, step %u: %s", t->what, steps, gsasl_strerror(rc));
			buf_clear(&challenge);
			assert_int_equal(sasl_server_step(s, span_of(text ? text : "", len),
						 &challenge, &v, NULL),
				0);
			gsasl_free(text);
		}
		if (v != t->verdict)
			fail_msg("%s: %d %s", t->what, v, sasl_server_why(s));
		buf_fini(&challenge);
		gsasl_finish(session);
		gsasl_done(library);
		sasl_server_free(&s);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mechanism_of_our_client_and_our_server),
		cmocka_unit_test(the_vector_of_rfc_7677),
		cmocka_unit_test(an_unknown_user_is_asked_the_same_each_time),
		cmocka_unit_test(what_cannot_be_read_is_an_error_before_anybody_is_asked),
		cmocka_unit_test(a_binding_and_a_mechanism_must_fit),
		cmocka_unit_test(a_final_message_of_another_exchange_is_refused),
		cmocka_unit_test(what_is_offered_follows_the_connection),
		cmocka_unit_test(a_question_without_an_answer_is_an_error_for_now),
		cmocka_unit_test(a_client_of_gnu_sasl),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
