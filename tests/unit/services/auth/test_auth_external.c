/* Client certificates: whose they are, by their pin and by an authority, over a real handshake. */

/* OpenSSL's names first (net/tls_priv.h says why). */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include <stdio.h>

#include "auth_stage.h"

#include "net/tls.h"

#define LAST_DAY 2932896 /* 9999-12-31: what has no end (RFC 5280 section 4.1.2.5) */
#define NOW_DAY  20000

enum { AUTHORITY, ALICE, BY_PIN, OLD, STRANGER, SELF, TWO, MARKED, FOREVER, CERTS };

static struct {
	X509 *cert[CERTS];
	EVP_PKEY *key[CERTS];
	char dir[SCRATCH_MAX];
	const char *cert_file[CERTS], *key_file[CERTS];
	const char *spki[CERTS];
	struct arena *a;
	struct tls_server *server;
	struct tls_authority *authority;
} made;

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(x);
	assert_int_equal(X509_add_ext(cert, x, -1), 1);
	X509_EXTENSION_free(x);
}

static void issue(int which, const char *alt, int to_day, int by)
{
	X509 *c = made.cert[which] = X509_new();
	EVP_PKEY *key = made.key[which] = EVP_EC_gen("P-256");
	const char name[] = {(char)('a' + which), 0};
	FILE *f;

	X509_set_version(c, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(c), which + 1);
	/* the tests' clock, not the machine's */
	ASN1_TIME_set(X509_getm_notBefore(c), (time_t)(NOW_DAY - 10) * 86400);
	ASN1_TIME_set(X509_getm_notAfter(c), (time_t)to_day * 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_UTF8,
		(const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(c, X509_get_subject_name(made.cert[by]));
	X509_set_pubkey(c, key);
	if (alt)
		add_extension(c, NID_subject_alt_name, alt);
	else
		add_extension(c, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(c, made.key[by], EVP_sha256()) > 0);
	made.cert_file[which] = arena_printf(made.a, "%s/c%d.pem", made.dir, which);
	made.key_file[which] = arena_printf(made.a, "%s/k%d.pem", made.dir, which);
	f = fopen(made.cert_file[which], "w");
	PEM_write_X509(f, c);
	fclose(f);
	f = fopen(made.key_file[which], "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
}

static int make_all(void **state)
{
	struct tls_cert_files files;
	struct tls_server_opts o = {.service = "submission",
		.certs = &files,
		.cert_count = 1,
		.is_tls12_allowed = true,
		.is_cert_asked = true};
	struct err e = {0};

	(void)state;
	made.a = arena_new();
	assert_true(scratch_new(made.dir));
	issue(AUTHORITY, NULL, NOW_DAY + 1000, AUTHORITY);
	issue(ALICE, "email:Alice@our.example", NOW_DAY + 5, AUTHORITY);
	issue(BY_PIN, "email:bob@our.example", NOW_DAY + 50, BY_PIN);
	issue(OLD, "email:alice@our.example", NOW_DAY - 1, AUTHORITY);
	issue(STRANGER, "email:x@else.example", NOW_DAY + 50, AUTHORITY);
	issue(SELF, "email:alice@our.example", NOW_DAY + 50, SELF);
	issue(TWO, "email:x@else.example,email:bob@our.example", NOW_DAY + 50, AUTHORITY);
	issue(MARKED, "email:alice#phone@our.example,email:alice@our.example#phone", NOW_DAY + 50,
		AUTHORITY);
	issue(FOREVER, "email:bob@our.example", LAST_DAY, FOREVER);
	files = (struct tls_cert_files){arena_printf(made.a, "%s/server.pem", made.dir),
		arena_printf(made.a, "%s/server.key", made.dir), NULL};
	assert_int_equal(tls_make_self_signed("localhost", files.cert, files.key, &e), 0);
	made.server = tls_server_new(&o, &e);
	made.authority = tls_authority_new(made.cert_file[AUTHORITY], &e);
	return made.server && made.authority ? 0 : -1;
}

static int unmake_all(void **state)
{
	(void)state;
	for (int i = 0; i < CERTS; i++) {
		X509_free(made.cert[i]);
		EVP_PKEY_free(made.key[i]);
	}
	tls_server_free(&made.server);
	tls_authority_free(&made.authority);
	arena_free(&made.a);
	return scratch_remove(made.dir) ? 0 : -1;
}

/* ---- a connection ---- */

struct caller {
	struct stage *s;
	int which; /* -1: shows none */
	struct stream *near, *far;
	struct tls_client *tls;
	struct fiber_group group;
	struct auth_conn conn;
};

static FIBER int call_main(void *arg)
{
	struct caller *c = arg;
	struct err e = {0};

	if (tls_connect(c->far, c->tls, SPAN("localhost"), false, &e) < 0)
		fail_msg("%s", e.text);
	stream_put(c->far, SPAN("x"));
	stream_flush(c->far, &e);
	return 0;
}

static FIBER void call_begin(struct caller *c, struct stage *s, int which)
{
	struct tls_client_opts o = {.is_without_ca = true};
	struct err e = {0};

	*c = (struct caller){.s = s, .which = which};
	if (which >= 0) {
		o.cert_file = made.cert_file[which];
		o.key_file = made.key_file[which];
	}
	c->tls = tls_client_new(&o, &e);
	assert_non_null(c->tls);
	stream_pair(&c->near, &c->far, 0);
	assert_true(addr_parse_ip(SPAN("192.0.2.7"), 1234, &c->near->peer));
	fiber_group_init(&c->group);
	assert_int_equal(fiber_start(&c->group, "client", call_main, c, &e), 0);
	if (tls_accept(c->near, made.server, &e) < 0)
		fail_msg("%s", e.text);
	fiber_group_join(&c->group);
	auth_conn_init(&c->conn, s->auth, ACCOUNT_SCOPE_SUBMIT, c->near);
	auth_look(&c->conn);
}

static FIBER void call_end(struct caller *c)
{
	auth_conn_fini(&c->conn);
	stream_free(&c->near);
	stream_free(&c->far);
	tls_client_free(&c->tls);
}

/* 504: not offered; else the reply's code. */
static FIBER unsigned external(struct auth_conn *c, const char *authzid)
{
	struct sasl_server_opts so = {.has_tls = true};
	struct buf challenge;
	enum sasl_verdict verdict;
	struct sasl_server *server;
	struct err e = {0};
	unsigned code = 235;

	assert_true(auth_offer(c, &so));
	server = sasl_server_new(SPAN("EXTERNAL"), &so, &auth_decider, c, &e);
	if (!server)
		return 504;
	buf_init(&challenge, SASL_SERVER_RESPONSE_MAX);
	if (sasl_server_step(server, span_of(authzid, strlen(authzid)), &challenge, &verdict, &e) <
		0)
		code = e.smtp ? e.smtp : 501;
	else if (auth_settle(c, sasl_server_user(server), sasl_server_identity(server), "EXTERNAL",
			 verdict == SASL_ACCEPTED, &e) < 0)
		code = e.smtp;
	buf_fini(&challenge);
	sasl_server_free(&server);
	return code;
}

static FIBER void learn_pins(struct stage *s)
{
	for (int i = 0; i < CERTS; i++) {
		struct tls_peer peer;
		struct caller c;

		call_begin(&c, s, i);
		assert_true(tls_peer(c.near, made.a, &peer));
		made.spki[i] = peer.spki_sha256;
		call_end(&c);
	}
}

static FIBER void pin(struct stage *s, int which, uint64_t account, int days)
{
	struct account_certificate cert = {.spki_sha256 = span_str(made.spki[which]),
		.account_id = account,
		.expires_ns = days ? (NOW_DAY + days) * CLOCK_DAY : 0};
	struct err e = {0};

	if (account_certificate_add(s->store, &cert, &e) < 0)
		fail_msg("%s", e.text);
}

struct external_case {
	const char *what;
	int which;
	const char *authzid;
	unsigned code;
	const char *who;
};

static const struct external_case cases[] = {
	{"no certificate", -1, "", 504, ""},
	{"by its pin", BY_PIN, "", 235, "alice@our.example"},
	{"by its pin, and naming herself", BY_PIN, "alice@our.example", 235, "alice@our.example"},
	{"by its pin, for somebody else", BY_PIN, "bob@our.example", 535, ""},
	{"by the authority", ALICE, "", 235, "alice@our.example"},
	{"by the authority, expired", OLD, "", 504, ""},
	{"without an end", FOREVER, "", 235, "alice@our.example"},
	{"of nobody here", STRANGER, "", 504, ""},
	{"the first name that is somebody's here", TWO, "", 235, "bob@our.example"},
	{"signed by itself and not pinned", SELF, "", 504, ""},
	{"an app password's name", MARKED, "", 504, ""},
};

static FIBER int cases_main(void *arg)
{
	struct stage *s = arg;

	s->auth->opts.client_authority = made.authority;
	stage_people(s);
	learn_pins(s);
	pin(s, BY_PIN, s->alice, 0);
	pin(s, FOREVER, s->alice, 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct caller c;
		unsigned code;

		call_begin(&c, s, cases[i].which);
		code = external(&c.conn, cases[i].authzid);
		if (code != cases[i].code)
			fail_msg("%s: %u", cases[i].what, code);
		if (!span_eq(c.conn.who.address, span_str(cases[i].who)))
			fail_msg("%s: " SPAN_FMT, cases[i].what, SPAN_ARG(c.conn.who.address));
		if (code == 235 && !auth_still(&c.conn))
			fail_msg("%s: it does not count afterwards", cases[i].what);
		call_end(&c);
	}
	stage_streams_free(s);
	return 0;
}

static void a_certificate_is_whose_pin_or_address_it_has(void **state)
{
	(void)state;
	stage_play(cases_main, false, false);
}

/* Without an authority only pins count, and what is taken back ends sessions. */
static FIBER int change_main(void *arg)
{
	struct stage *s = arg;
	struct caller c, d;
	struct err e = {0};

	stage_people(s);
	learn_pins(s);
	call_begin(&c, s, ALICE);
	assert_int_equal(external(&c.conn, ""), 504);
	call_end(&c);

	pin(s, BY_PIN, s->alice, 2);
	call_begin(&c, s, BY_PIN);
	assert_int_equal(external(&c.conn, ""), 235);
	assert_true(auth_still(&c.conn));
	stage_suspend(s, "alice@our.example", true);
	assert_false(auth_still(&c.conn));
	/* she is still known by it, and does not get in */
	call_begin(&d, s, BY_PIN);
	assert_int_equal(external(&d.conn, ""), 535);
	call_end(&d);
	stage_suspend(s, "alice@our.example", false);
	call_end(&c);

	call_begin(&c, s, BY_PIN);
	assert_int_equal(external(&c.conn, ""), 235);
	assert_int_equal(account_certificate_remove(s->store, span_str(made.spki[BY_PIN]), &e), 0);
	assert_false(auth_still(&c.conn));
	assert_int_equal(external(&c.conn, ""), 535);
	call_end(&c);
	call_begin(&c, s, BY_PIN);
	assert_int_equal(external(&c.conn, ""), 504);
	call_end(&c);
	stage_streams_free(s);
	return 0;
}

static void what_is_taken_back_counts_no_more(void **state)
{
	(void)state;
	stage_play(change_main, false, false);
}

/* A pin with an end, a certificate with one: the earlier is that of the session. */
static FIBER int end_main(void *arg)
{
	struct stage *s = arg;
	struct caller pinned, signed_one, d;
	struct err e = {0};

	s->auth->opts.client_authority = made.authority;
	stage_people(s);
	learn_pins(s);
	pin(s, BY_PIN, s->alice, 2);
	call_begin(&pinned, s, BY_PIN);
	call_begin(&signed_one, s, ALICE);
	assert_int_equal(external(&pinned.conn, ""), 235);
	assert_int_equal(external(&signed_one.conn, ""), 235);
	assert_int_equal(fiber_sleep(2 * CLOCK_DAY, &e), 0);
	assert_false(auth_still(&pinned.conn));
	assert_true(auth_still(&signed_one.conn));
	call_begin(&d, s, BY_PIN);
	assert_int_equal(external(&d.conn, ""), 504);
	call_end(&d);
	assert_int_equal(fiber_sleep(3 * CLOCK_DAY, &e), 0);
	assert_false(auth_still(&signed_one.conn));
	call_end(&pinned);
	call_end(&signed_one);
	stage_streams_free(s);
	return 0;
}

static void a_session_ends_with_what_opened_it(void **state)
{
	(void)state;
	stage_play(end_main, false, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_is_whose_pin_or_address_it_has),
		cmocka_unit_test(what_is_taken_back_counts_no_more),
		cmocka_unit_test(a_session_ends_with_what_opened_it),
	};

	return cmocka_run_group_tests_name("auth_external", tests, make_all, unmake_all);
}
