/* Tokens of an identity provider: a scripted provider in the place of services/fetch. */

#include "jose_make.h"

#include "auth_stage.h"

#include "services/fetch/fetch.h"

#define NOW   (20000 * 86400)
#define ASKED "https://id.example/introspect"
#define KEYS  "https://id.example/keys"

/* ---- the provider ---- */

static struct {
	long status;
	const char *body; /* of introspection */
	const char *set;  /* of keys */
	int64_t delay_ns;
	bool is_down;
	unsigned asked, keys_asked;
	char *request; /* what it was asked last */
	char *authorization;
} provider;

FIBER int fetch_run(const struct fetch_request *r, struct arena *a, struct fetch_answer *answer_r,
	struct err *e)
{
	bool is_keys = strcmp(r->url, KEYS) == 0;
	const char *body = is_keys ? provider.set : provider.body;

	assert_true(is_keys || strcmp(r->url, ASKED) == 0);
	assert_int_equal(r->timeout_ns, 10 * CLOCK_SEC);
	*(is_keys ? &provider.keys_asked : &provider.asked) += 1;
	if (!is_keys) {
		provider.request = arena_str(jose_arena, r->body);
		provider.authorization = r->field_count > 2
			? arena_str(jose_arena, span_str(r->fields[2]))
			: NULL;
	}
	if (provider.delay_ns && fiber_sleep(provider.delay_ns, e) < 0)
		return -1;
	if (provider.is_down)
		return err_set(e, ERR_IO, "nobody answers");
	if (strlen(body) > r->body_max)
		return err_set(e, ERR_LIMIT, "longer than %zu octets", r->body_max);
	*answer_r = (struct fetch_answer){
		.status = provider.status, .body = arena_span(a, span_str(body))};
	return 0;
}

/* ---- logins ---- */

static bool is_lasting;     /* the last login counted afterwards */
static const char *refusal; /* what was said of the last bad token */

/* The reply's code. */
static FIBER unsigned log_in(struct stage *s, const char *mech, const char *user, const char *token)
{
	struct auth_conn c;
	struct sasl_server_opts so = {.has_tls = true};
	struct buf response, challenge;
	enum sasl_verdict verdict = SASL_MORE;
	struct sasl_server *server;
	struct err e = {0};
	unsigned code = 235;

	auth_conn_init(&c, s->auth, ACCOUNT_SCOPE_SUBMIT, s->near);
	assert_true(auth_offer(&c, &so));
	server = sasl_server_new(span_str(mech), &so, &auth_decider, &c, &e);
	if (!server)
		return 504;
	buf_init(&response, SASL_SERVER_RESPONSE_MAX);
	buf_init(&challenge, SASL_SERVER_RESPONSE_MAX);
	if (strcmp(mech, "XOAUTH2") == 0)
		buf_printf(&response,
			"user=%s\x01"
			"auth=Bearer %s\x01\x01",
			user, token);
	else
		buf_printf(&response,
			"n,%s%s,\x01host=mx\x01"
			"auth=Bearer %s\x01\x01",
			user[0] ? "a=" : "", user, token);
	if (sasl_server_step(server, buf_span(&response), &challenge, &verdict, &e) < 0) {
		code = e.smtp ? e.smtp : 501;
	} else {
		if (verdict == SASL_MORE) {
			refusal = arena_str(s->a, buf_span(&challenge));
			assert_non_null(strstr(refusal, "\"status\":\"invalid_token\""));
			assert_int_equal(
				sasl_server_step(server, SPAN("\x01"), &challenge, &verdict, &e),
				0);
		}
		if (auth_settle(&c, sasl_server_user(server), sasl_server_identity(server), mech,
			    verdict == SASL_ACCEPTED, &e) < 0)
			code = e.smtp;
		else
			assert_true(span_eq(c.who.address, SPAN("alice@our.example")));
		is_lasting = auth_still(&c);
	}
	buf_fini(&response);
	buf_fini(&challenge);
	sasl_server_free(&server);
	auth_conn_fini(&c);
	return code;
}

static FIBER void open_stage(struct stage *s, struct auth_oauth oauth)
{
	provider.status = 200;
	provider.delay_ns = 0;
	provider.is_down = false;
	provider.asked = provider.keys_asked = 0;
	s->auth->opts.oauth = oauth;
	auth_oauth_new(s->auth);
	stage_people(s);
}

/* ---- introspection ---- */

struct ask_case {
	const char *what, *mech, *user, *body;
	unsigned code;
};

#define ACTIVE "{\"active\":true,\"email\":\"alice@our.example\""

static const struct ask_case ask_cases[] = {
	{"good", "OAUTHBEARER", "", ACTIVE ",\"aud\":\"mail\",\"scope\":\"smtp\"}", 235},
	{"good, for the same", "XOAUTH2", "alice@our.example",
		ACTIVE ",\"aud\":[\"mail\"],\"scope\":\"a smtp\"}", 235},
	{"good, and its end is beyond what is counted", "OAUTHBEARER", "",
		ACTIVE ",\"aud\":\"mail\",\"scope\":\"smtp\",\"exp\":9999999999}", 235},
	{"of another account", "XOAUTH2", "bob@our.example",
		ACTIVE ",\"aud\":\"mail\",\"scope\":\"smtp\"}", 535},
	{"of another account, told by OAUTHBEARER", "OAUTHBEARER", "bob@our.example",
		ACTIVE ",\"aud\":\"mail\",\"scope\":\"smtp\"}", 535},
	{"not active", "OAUTHBEARER", "", "{\"active\":false}", 535},
	{"another audience", "OAUTHBEARER", "", ACTIVE ",\"aud\":\"web\",\"scope\":\"smtp\"}", 535},
	{"no scope", "OAUTHBEARER", "", ACTIVE ",\"aud\":\"mail\"}", 535},
	{"expired", "OAUTHBEARER", "",
		ACTIVE ",\"aud\":\"mail\",\"scope\":\"smtp\",\"exp\":1727999000}", 535},
	{"nobody here", "OAUTHBEARER", "",
		"{\"active\":true,\"email\":\"x@else.example\",\"aud\":\"mail\",\"scope\":\"smtp\"}",
		535},
	{"an app password's name", "OAUTHBEARER", "",
		"{\"active\":true,\"email\":\"alice@our.example#phone\",\"aud\":\"mail\","
		"\"scope\":\"smtp\"}",
		535},
	{"no answer of the kind", "OAUTHBEARER", "", "<html>", 454},
	{"nothing", "OAUTHBEARER", "", "", 454},
};

static FIBER int ask_main(void *arg)
{
	struct stage *s = arg;
	struct err e = {0};
	char *huge;

	open_stage(s,
		(struct auth_oauth){.introspection_url = ASKED,
			.client_id = "us:1",
			.client_secret = "s+ecret",
			.audience = "mail",
			.scope = "smtp",
			.discovery = "https://id.example/.well-known/openid-configuration"});
	for (size_t i = 0; i < ARRAY_LEN(ask_cases); i++) {
		const struct ask_case *c = &ask_cases[i];
		unsigned code;

		provider.body = c->body;
		code = log_in(s, c->mech, c->user, arena_printf(s->a, "tok/%zu+=", i));
		if (code != c->code)
			fail_msg("%s: %u", c->what, code);
		if (is_lasting != (code == 235))
			fail_msg("%s: does it count afterwards?", c->what);
	}
	assert_string_equal(provider.request, "token=tok%2F12%2B%3D&token_type_hint=access_token");
	/* "us%3A1:s%2Becret" */
	assert_string_equal(
		provider.authorization, "Authorization: Basic dXMlM0ExOnMlMkJlY3JldA==");
	assert_int_equal(provider.asked, ARRAY_LEN(ask_cases));

	provider.body = ask_cases[0].body;
	provider.status = 302;
	assert_int_equal(log_in(s, "OAUTHBEARER", "", "moved"), 454);
	provider.status = 401;
	assert_int_equal(log_in(s, "OAUTHBEARER", "", "moved"), 454);
	provider.status = 200;
	provider.is_down = true;
	assert_int_equal(log_in(s, "OAUTHBEARER", "", "down"), 454);
	provider.is_down = false;
	huge = arena_alloc(s->a, 70000);
	memset(huge, ' ', 69999);
	provider.body = huge;
	assert_int_equal(log_in(s, "OAUTHBEARER", "", "huge"), 454);
	assert_string_equal(refusal,
		"{\"status\":\"invalid_token\",\"scope\":\"smtp\",\"openid-configuration\":"
		"\"https://id.example/.well-known/openid-configuration\"}");
	/* what the provider's trouble was is nobody's failed login */
	provider.body = ask_cases[0].body;
	assert_int_equal(log_in(s, "OAUTHBEARER", "", "huge"), 235);
	assert_int_equal(log_in(s, "PLAIN", "", ""), 501);
	assert_int_equal(fiber_sleep(1, &e), 0);
	stage_streams_free(s);
	return 0;
}

static void a_token_is_asked_about_where_it_came_from(void **state)
{
	(void)state;
	stage_play(ask_main, false, false);
}

static FIBER int cache_main(void *arg)
{
	struct stage *s = arg;
	struct err e = {0};

	open_stage(s, (struct auth_oauth){.introspection_url = ASKED});
	provider.body = ACTIVE "}";
	assert_int_equal(log_in(s, "OAUTHBEARER", "", "a"), 235);
	assert_int_equal(log_in(s, "XOAUTH2", "alice@our.example", "a"), 235);
	/* remembered is the token, not who says that it is his */
	assert_int_equal(log_in(s, "XOAUTH2", "bob@our.example", "a"), 535);
	assert_int_equal(provider.asked, 1);
	assert_null(provider.authorization);
	provider.body = "{\"active\":false}";
	assert_int_equal(fiber_sleep(4 * CLOCK_MIN, &e), 0);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", "a"), 235);
	stage_suspend(s, "alice@our.example", true);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", "a"), 535);
	stage_suspend(s, "alice@our.example", false);
	assert_int_equal(provider.asked, 1);
	assert_int_equal(fiber_sleep(CLOCK_MIN, &e), 0);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", "a"), 535);
	assert_int_equal(provider.asked, 2);
	/* not longer than it lasts */
	provider.body = arena_printf(s->a, ACTIVE ",\"exp\":%d}", NOW + 300 + 30);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", "b"), 235);
	assert_int_equal(fiber_sleep(29 * CLOCK_SEC, &e), 0);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", "b"), 235);
	assert_int_equal(provider.asked, 3);
	assert_int_equal(fiber_sleep(2 * CLOCK_SEC, &e), 0);
	log_in(s, "OAUTHBEARER", "", "b");
	assert_int_equal(provider.asked, 4);
	stage_streams_free(s);
	return 0;
}

static void what_the_provider_said_is_remembered_for_five_minutes(void **state)
{
	(void)state;
	stage_play(cache_main, false, false);
}

/* ---- keys ---- */

static const char *claims(const char *issuer, const char *audience, int exp)
{
	return arena_printf(jose_arena,
		"{\"iss\":\"%s\",\"aud\":\"%s\",\"email\":\"Alice@our.example\",\"exp\":%d}",
		issuer, audience, exp);
}

#define GOOD claims("https://id.example", "mail", NOW + 3600)

static FIBER int keys_main(void *arg)
{
	struct stage *s = arg;
	struct err e = {0};
	const char *good;

	open_stage(s,
		(struct auth_oauth){
			.jwks_url = KEYS, .issuer = "https://id.example", .audience = "mail"});
	provider.set = arena_printf(
		jose_arena, "{\"keys\":[%s]}", jwk_rsa(keys.rsa, ",\"kid\":\"1\""));
	good = sign(keys.rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"1\"}", GOOD);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", good), 235);
	assert_int_equal(log_in(s, "XOAUTH2", "alice@our.example", good), 235);
	assert_int_equal(log_in(s, "XOAUTH2", "bob@our.example", good), 535);
	assert_int_equal(
		log_in(s, "OAUTHBEARER", "",
			sign(keys.rsa, "PS256", "{\"alg\":\"PS256\",\"kid\":\"1\"}", GOOD)),
		235);
	const struct {
		const char *what, *token;
	} bad[] = {
		{"wrong issuer",
			sign(keys.rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"1\"}",
				claims("https://evil.example", "mail", NOW + 3600))},
		{"wrong audience",
			sign(keys.rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"1\"}",
				claims("https://id.example", "web", NOW + 3600))},
		{"expired",
			sign(keys.rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"1\"}",
				claims("https://id.example", "mail", NOW - 61))},
		{"forged",
			sign(keys.other_rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"1\"}", GOOD)},
		{"none",
			arena_printf(jose_arena, "%s.%s.AAAA",
				b64url(SPAN("{\"alg\":\"none\",\"kid\":\"1\"}")),
				b64url(span_str(GOOD)))},
		{"opaque", "just-some-token"},
	};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		unsigned code = log_in(s, "OAUTHBEARER", "", bad[i].token);

		if (code != 535)
			fail_msg("%s: %u", bad[i].what, code);
	}
	assert_int_equal(provider.keys_asked, 1);
	(void)e;
	stage_streams_free(s);
	return 0;
}

static void a_signed_token_is_verified_with_the_providers_keys(void **state)
{
	(void)state;
	stage_play(keys_main, false, false);
}

static FIBER int turn_main(void *arg)
{
	struct stage *s = arg;
	struct err e = {0};
	const char *old, *new, *unknown;

	open_stage(s,
		(struct auth_oauth){
			.jwks_url = KEYS, .issuer = "https://id.example", .audience = "mail"});
	provider.set = arena_printf(
		jose_arena, "{\"keys\":[%s]}", jwk_rsa(keys.rsa, ",\"kid\":\"1\""));
	old = sign(keys.rsa, "RS256", "{\"alg\":\"RS256\",\"kid\":\"1\"}",
		claims("https://id.example", "mail", NOW + 400000));
	new = sign(keys.ec, "ES256", "{\"alg\":\"ES256\",\"kid\":\"2\"}",
		claims("https://id.example", "mail", NOW + 400000));
	unknown = sign(keys.ec, "ES256", "{\"alg\":\"ES256\",\"kid\":\"3\"}", GOOD);

	/* nobody answers: later, and asked once a minute only */
	provider.is_down = true;
	assert_int_equal(log_in(s, "OAUTHBEARER", "", old), 454);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", old), 454);
	assert_int_equal(provider.keys_asked, 1);
	assert_int_equal(fiber_sleep(CLOCK_MIN, &e), 0);
	provider.is_down = false;
	assert_int_equal(log_in(s, "OAUTHBEARER", "", old), 235);
	assert_int_equal(provider.keys_asked, 2);

	/* a key that is not known is looked for, at most once a minute */
	provider.set = arena_printf(jose_arena, "{\"keys\":[%s,%s]}",
		jwk_rsa(keys.rsa, ",\"kid\":\"1\""), jwk_ec(",\"kid\":\"2\""));
	assert_int_equal(log_in(s, "OAUTHBEARER", "", new), 535);
	assert_int_equal(provider.keys_asked, 2);
	assert_int_equal(fiber_sleep(CLOCK_MIN, &e), 0);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", new), 235);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", unknown), 535);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", unknown), 535);
	assert_int_equal(provider.keys_asked, 3);

	/* when they could not be had again, it is not the token's fault */
	provider.is_down = true;
	assert_int_equal(fiber_sleep(CLOCK_MIN, &e), 0);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", unknown), 454);
	/* those that are known still serve, for a day */
	assert_int_equal(fiber_sleep(2 * CLOCK_HOUR, &e), 0);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", old), 235);
	assert_int_equal(provider.keys_asked, 5);
	assert_int_equal(fiber_sleep(CLOCK_DAY, &e), 0);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", old), 454);
	/* what is no set of keys is none */
	provider.is_down = false;
	provider.set = "{\"keys\":[]}";
	assert_int_equal(fiber_sleep(CLOCK_MIN, &e), 0);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", old), 454);
	stage_streams_free(s);
	return 0;
}

static void keys_are_asked_for_when_they_turn_and_not_too_often(void **state)
{
	(void)state;
	stage_play(turn_main, false, false);
}

/* ---- several at once ---- */

struct guest {
	struct stage *s;
	const char *token;
	unsigned code;
};

static FIBER int guest_main(void *arg)
{
	struct guest *g = arg;

	g->code = log_in(g->s, "OAUTHBEARER", "", g->token);
	return 0;
}

static FIBER int crowd_main(void *arg)
{
	struct stage *s = arg;
	struct fiber_group group;
	struct guest guests[5];

	open_stage(s,
		(struct auth_oauth){
			.jwks_url = KEYS, .issuer = "https://id.example", .audience = "mail"});
	provider.set = arena_printf(jose_arena, "{\"keys\":[%s]}", jwk_ed(""));
	provider.delay_ns = 3 * CLOCK_SEC;
	fiber_group_init(&group);
	for (size_t i = 0; i < ARRAY_LEN(guests); i++) {
		guests[i] = (struct guest){
			s, sign(keys.ed, "EdDSA", "{\"alg\":\"EdDSA\"}", GOOD), 0};
		assert_int_equal(fiber_start(&group, "guest", guest_main, &guests[i], NULL), 0);
	}
	fiber_group_join(&group);
	for (size_t i = 0; i < ARRAY_LEN(guests); i++)
		assert_int_equal(guests[i].code, 235);
	assert_int_equal(provider.keys_asked, 1);
	stage_streams_free(s);
	return 0;
}

static void those_who_come_at_once_wait_for_one_question(void **state)
{
	(void)state;
	stage_play(crowd_main, false, false);
}

static FIBER int both_main(void *arg)
{
	struct stage *s = arg;

	open_stage(s,
		(struct auth_oauth){.introspection_url = ASKED,
			.jwks_url = KEYS,
			.issuer = "https://id.example",
			.audience = "mail",
			.user_claim = "email"});
	provider.set = arena_printf(jose_arena, "{\"keys\":[%s]}", jwk_ed(""));
	provider.body = ACTIVE ",\"iss\":\"https://id.example\",\"aud\":\"mail\"}";
	assert_int_equal(
		log_in(s, "OAUTHBEARER", "", sign(keys.ed, "EdDSA", "{\"alg\":\"EdDSA\"}", GOOD)),
		235);
	assert_int_equal(provider.asked, 0);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", "opaque"), 235);
	assert_int_equal(provider.asked, 1);
	assert_int_equal(provider.keys_asked, 1);
	stage_streams_free(s);
	return 0;
}

static void with_both_the_shape_of_the_token_decides(void **state)
{
	(void)state;
	stage_play(both_main, false, false);
}

static FIBER int guard_main(void *arg)
{
	struct stage *s = arg;

	open_stage(s, (struct auth_oauth){.introspection_url = ASKED});
	provider.body = "{\"active\":false}";
	/* a client with an old token comes again and again: that is one failure */
	for (int i = 0; i < 30; i++)
		assert_int_equal(log_in(s, "XOAUTH2", "alice@our.example", "old"), 535);
	for (int i = 0; i < 9; i++)
		assert_int_equal(
			log_in(s, "XOAUTH2", "alice@our.example", arena_printf(s->a, "guess%d", i)),
			535);
	assert_int_equal(log_in(s, "XOAUTH2", "alice@our.example", "one-too-many"), 454);
	stage_streams_free(s);
	return 0;
}

static void guesses_of_tokens_count(void **state)
{
	(void)state;
	stage_play(guard_main, false, true);
}

static FIBER int none_main(void *arg)
{
	struct stage *s = arg;

	stage_people(s);
	assert_int_equal(log_in(s, "OAUTHBEARER", "", "x"), 504);
	assert_int_equal(log_in(s, "XOAUTH2", "alice@our.example", "x"), 504);
	stage_streams_free(s);
	return 0;
}

static void without_a_provider_there_are_no_tokens(void **state)
{
	(void)state;
	stage_play(none_main, false, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_token_is_asked_about_where_it_came_from),
		cmocka_unit_test(what_the_provider_said_is_remembered_for_five_minutes),
		cmocka_unit_test(a_signed_token_is_verified_with_the_providers_keys),
		cmocka_unit_test(keys_are_asked_for_when_they_turn_and_not_too_often),
		cmocka_unit_test(those_who_come_at_once_wait_for_one_question),
		cmocka_unit_test(with_both_the_shape_of_the_token_decides),
		cmocka_unit_test(guesses_of_tokens_count),
		cmocka_unit_test(without_a_provider_there_are_no_tokens),
	};

	return cmocka_run_group_tests_name("auth_oauth", tests, make_keys, free_keys);
}
