/* Our client logs in at our server, under TLS: SCRAM bound to the connection, and the rest. */
#include "../../net/tls_test.h"
#include "lib/smtp_play.h"
#include "proto/sasl/sasl_client.h"
#include "proto/sasl/sasl_scram.h"
#include "proto/smtp/smtp_client.h"

struct login {
	const char *name, *mech, *password;
	bool is_twice;   /* also before TLS */
	bool is_foreign; /* the client's binding is of another connection */
	unsigned code;
};

static const struct login logins[] = {
	{"bound", "SCRAM-SHA-256-PLUS", "wonder", false, false, 235},
	{"bound to another connection", "SCRAM-SHA-256-PLUS", "wonder", false, true, 535},
	{"bound, wrong password", "SCRAM-SHA-256-PLUS", "wrong", false, false, 535},
	{"not bound", "SCRAM-SHA-256", "wonder", false, false, 235},
	{"not bound, and before TLS", "SCRAM-SHA-256", "wonder", true, false, 235},
	{"plain", "PLAIN", "wonder", false, false, 235},
	{"login", "LOGIN", "wonder", false, false, 235},
	{"login, wrong password", "LOGIN", "wrong", false, false, 535},
};

static int login_keys(
	void *ctx, struct span user, bool is_sha1, struct sasl_keys *k, bool *yes_r, struct err *e)
{
	struct scram_keys keys;

	*yes_r = span_eq(user, SPAN("alice")) && !is_sha1 &&
		scram_derive(SCRAM_SHA256, SPAN("wonder"), SPAN("salt"), 4096, &keys);
	k->iterations = 4096;
	k->salt_len = 4;
	memcpy(k->salt, "salt", 4);
	memcpy(k->stored, keys.stored, sizeof(k->stored));
	memcpy(k->server, keys.server, sizeof(k->server));
	return 0;
}

static FIBER int login_serve(void *arg)
{
	static const struct sasl_decider sasl = {.keys = login_keys, .password = play_password};
	struct smtp_decider decider = play_decider;
	struct play *p = arg;

	decider.sasl = &sasl;
	p->rc = smtp_server_run(p->server, &p->opts, &decider, p, &p->e);
	stream_free(&p->server);
	return 0;
}

struct login_talk {
	struct play p;
	const struct login *l;
	struct tls_client *tls;
};

static __attribute__((noinline)) FIBER void login_try(
	const struct login *l, struct smtp_client *c, const struct stream *s)
{
	struct sasl_client_opts o = {.user = SPAN("alice"),
		.password = span_str(l->password),
		.offered = c->caps.auth,
		.has_tls = true};
	struct sasl_client *sasl;
	struct buf binding;
	struct err e = {0};
	int rc;

	buf_init(&binding, 100);
	if (s->tls)
		assert_int_equal(tls_channel_binding(s, TLS_BINDING_EXPORTER, &binding, &e), 0);
	o.tls_exporter = l->is_foreign ? SPAN("of another connection") : buf_span(&binding);
	sasl = sasl_client_new(span_str(l->mech), &o, &e);
	assert_non_null(sasl);
	rc = smtp_client_auth_sasl(c, span_str(l->mech), sasl, &e);
	if (c->auth.code != l->code)
		fail_msg("%s: %u %s", l->name, c->auth.code, e.text);
	assert_int_equal(rc, l->code == 235 ? 0 : -1);
	sasl_client_free(&sasl);
	buf_fini(&binding);
}

static FIBER int login_main(void *arg)
{
	struct login_talk *t = arg;
	struct play *p = &t->p;
	struct smtp_client_opts opts = {.hostname = "me.test"};
	struct smtp_client c;
	struct fiber_group g;
	struct err e = {0};

	stream_pair(&p->client, &p->server, CLOCK_MS);
	stream_set_timeout(p->client, CLOCK_HOUR);
	fiber_group_init(&g);
	fiber_start(&g, "server", login_serve, p, &e);
	smtp_client_init(&c, p->client, &opts);
	assert_int_equal(smtp_client_greet(&c, &e), 0);
	/* In clear there is only what shows no secret. */
	assert_true(span_eq(c.caps.auth, SPAN("SCRAM-SHA-256")));
	/* A login before TLS is forgotten by it (RFC 3207 section 4.2). */
	if (t->l->is_twice)
		login_try(t->l, &c, p->client);
	assert_int_equal(smtp_client_starttls(&c, t->tls, SPAN("mx.one.test"), true, &e), 0);
	if (!c.caps.auth.len)
		assert_int_equal(smtp_client_hello(&c, SMTP_HELLO_EHLO, &e), 0);
	assert_true(span_eq(c.caps.auth, SPAN("SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN")));
	login_try(t->l, &c, p->client);
	smtp_client_quit(&c, NULL);
	smtp_client_fini(&c);
	fiber_group_join(&g);
	stream_free(&p->client);
	return 0;
}

static void our_client_logs_in_at_our_server(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(logins); i++) {
		struct login_talk t = {.l = &logins[i]};
		struct tls_server *server = server_new("smtp", NULL, true);

		play_init(&t.p, SPAN_NONE);
		t.p.mechs = "SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN";
		t.p.opts.tls = server;
		t.tls = client_new(NULL, 0);
		test_run_sim(login_main, &t);
		assert_string_equal(buf_cstr(&t.p.notes),
			logins[i].is_twice              ? "auth alice;auth alice;"
				: logins[i].code == 235 ? "auth alice;"
							: "auth ;");
		tls_client_free(&t.tls);
		tls_server_free(&server);
		play_fini(&t.p);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_client_logs_in_at_our_server),
	};

	return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
