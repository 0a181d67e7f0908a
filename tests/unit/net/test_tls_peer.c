/* Certificates that clients show (net/tls.h, tls_peer). */

#include "tls_test.h"

/* ---- an authority, what it signs, and what others sign ---- */

enum { AUTHORITY, MIDDLE, ALICE, DEEP, OLD, EARLY, SERVER_ONLY, SELF, ODD, CERTS };

static struct {
	X509 *cert[CERTS];
	EVP_PKEY *key[CERTS];
	char ca_file[SCRATCH_MAX + 16];
} made;

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(x);
	assert_int_equal(X509_add_ext(cert, x, -1), 1);
	X509_EXTENSION_free(x);
}

static void issue(int which, const char *alt, int from_day, int to_day, int by)
{
	X509 *c = made.cert[which] = X509_new();
	EVP_PKEY *key = made.key[which] = EVP_EC_gen("P-256");
	const char name[] = {(char)('a' + which), 0};

	X509_set_version(c, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(c), which + 1);
	X509_time_adj_ex(X509_getm_notBefore(c), from_day, 0, NULL);
	X509_time_adj_ex(X509_getm_notAfter(c), to_day, 0, NULL);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_UTF8,
		(const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(c, X509_get_subject_name(made.cert[by]));
	X509_set_pubkey(c, key);
	if (alt)
		add_extension(c, NID_subject_alt_name, alt);
	else
		add_extension(c, NID_basic_constraints, "critical,CA:TRUE");
	if (which == SERVER_ONLY)
		add_extension(c, NID_ext_key_usage, "serverAuth");
	assert_true(X509_sign(c, made.key[by], EVP_sha256()) > 0);
}

static int make_all(void **state)
{
	FILE *f;

	if (make_certificates(state) < 0)
		return -1;
	issue(AUTHORITY, NULL, -10, 1000, AUTHORITY);
	issue(MIDDLE, NULL, -10, 1000, AUTHORITY);
	issue(ALICE, "email:alice@a.test,DNS:a.test,email:second@a.test", -5, 100, AUTHORITY);
	issue(DEEP, "email:deep@a.test", -5, 100, MIDDLE);
	issue(OLD, "email:old@a.test", -5, -1, AUTHORITY);
	issue(EARLY, "email:early@a.test", 5, 100, AUTHORITY);
	issue(SERVER_ONLY, "email:server@a.test", -5, 100, AUTHORITY);
	issue(SELF, "email:alice@a.test", -5, 100, SELF);
	issue(ODD, "email:no-sign,email:two@a@b,email:a b@c,email:@c,email:a@,email:good@a.test",
		-5, 100, AUTHORITY);
	snprintf(made.ca_file, sizeof(made.ca_file), "%s/ca.pem", fix_dir);
	f = fopen(made.ca_file, "w");
	PEM_write_X509(f, made.cert[AUTHORITY]);
	fclose(f);
	return 0;
}

static int unmake_all(void **state)
{
	for (int i = 0; i < CERTS; i++) {
		X509_free(made.cert[i]);
		EVP_PKEY_free(made.key[i]);
	}
	return remove_certificates(state);
}

static struct tls_server *asking(bool is_asking)
{
	struct tls_cert_files files = {fix.cert[0], fix.key[0], NULL};
	struct tls_server_opts o = {.service = "submission",
		.certs = &files,
		.cert_count = 1,
		.is_tls12_allowed = true,
		.is_cert_asked = is_asking};
	struct tls_server *t = tls_server_new(&o, NULL);

	assert_non_null(t);
	return t;
}

static void show(struct raw *r, int which)
{
	assert_int_equal(SSL_CTX_use_certificate(r->ctx, made.cert[which]), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(r->ctx, made.key[which]), 1);
	if (which == DEEP)
		assert_int_equal(SSL_CTX_add1_chain_cert(r->ctx, made.cert[MIDDLE]), 1);
}

struct peer_case {
	const char *what;
	int which; /* -1: none */
	bool is_signed;
	const char *why;
	const char *mailboxes; /* commas between */
};

static const struct peer_case peer_cases[] = {
	{"none", -1, false, "no certificate", NULL},
	{"signed by the authority", ALICE, true, NULL, "alice@a.test,second@a.test"},
	{"signed by one below it", DEEP, true, NULL, "deep@a.test"},
	{"expired", OLD, false, "certificate has expired", "old@a.test"},
	{"not yet valid", EARLY, false, "certificate is not yet valid", "early@a.test"},
	{"for servers alone", SERVER_ONLY, false, "unsuitable certificate purpose",
		"server@a.test"},
	{"signed by itself", SELF, false, "self-signed certificate", "alice@a.test"},
	{"names that are no addresses", ODD, true, NULL, "good@a.test"},
};

static FIBER void play_peer(const struct peer_case *c, struct tls_authority *authority, int version)
{
	struct tls_server *server = asking(true);
	struct arena *a = arena_new();
	struct fiber_group g;
	struct tls_peer peer;
	struct buf names;
	struct side x;
	struct raw r;
	const char *why;
	bool has;

	print_message("# %s, %x\n", c->what, (unsigned)version);
	raw_init(&r, version);
	if (c->which >= 0)
		show(&r, c->which);
	assert_int_equal(raw_open(&r, server, &x, &g), 0);
	has = tls_peer(x.s, a, &peer);
	assert_int_equal(has, c->which >= 0);
	assert_int_equal(tls_peer_has(x.s), has);
	buf_init(&names, 1000);
	for (size_t i = 0; i < peer.mailbox_count; i++) {
		buf_str(&names, i ? "," : "");
		buf_str(&names, peer.mailboxes[i]);
	}
	assert_string_equal(buf_cstr(&names), c->mailboxes ? c->mailboxes : "");
	buf_fini(&names);
	if (has)
		assert_int_equal(strlen(peer.spki_sha256), 64);
	assert_int_equal(tls_authority_vouches(authority, x.s, clock_wall_ns() / CLOCK_SEC, &why),
		c->is_signed);
	if (c->why)
		assert_string_equal(why, c->why);
	/* a good one is not good for ever */
	assert_false(tls_authority_vouches(
		authority, x.s, clock_wall_ns() / CLOCK_SEC + 200 * 86400, NULL));
	raw_close(&r, &x, &g);
	raw_fini(&r);
	arena_free(&a);
	tls_server_free(&server);
}

static FIBER int peer_main(void *arg)
{
	struct err e = {0};
	struct tls_authority *authority = tls_authority_new(made.ca_file, &e);

	assert_non_null(authority);
	for (size_t i = 0; i < ARRAY_LEN(peer_cases); i++) {
		play_peer(&peer_cases[i], authority, TLS1_3_VERSION);
		play_peer(&peer_cases[i], authority, TLS1_2_VERSION);
	}
	tls_authority_free(&authority);
	assert_null(tls_authority_new("/nowhere/ca.pem", &e));
	assert_int_equal(e.code, ERR_TLS);
	assert_null(tls_authority_new(fix.key[0], &e));
	return 0;
}

static void any_certificate_is_taken_and_judged_later(void **state)
{
	test_run_sim(peer_main, NULL);
}

/* Who has shown one is not remembered by a ticket; who has not is as ever. */
static FIBER int ticket_main(void *arg)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	bool is_resumed;

	for (size_t v = 0; v < ARRAY_LEN(versions); v++) {
		for (int is_shown = 0; is_shown < 2; is_shown++) {
			struct tls_server *server = asking(true);
			struct raw r;

			raw_init(&r, versions[v]);
			if (is_shown)
				show(&r, ALICE);
			assert_int_equal(raw_talk(&r, server, &is_resumed), 0);
			assert_int_equal(r.session && SSL_SESSION_has_ticket(r.session), !is_shown);
			assert_int_equal(raw_talk(&r, server, &is_resumed), 0);
			assert_int_equal(is_resumed, !is_shown);
			raw_fini(&r);
			tls_server_free(&server);
		}
	}
	return 0;
}

static void who_shows_a_certificate_gets_no_ticket(void **state)
{
	test_run_sim(ticket_main, NULL);
}

static FIBER int unasked_main(void *arg)
{
	struct tls_server *server = asking(false);
	struct arena *a = arena_new();
	struct fiber_group g;
	struct tls_peer peer;
	struct side x;
	struct raw r;

	raw_init(&r, TLS1_3_VERSION);
	show(&r, ALICE);
	assert_int_equal(raw_open(&r, server, &x, &g), 0);
	assert_false(tls_peer_has(x.s));
	assert_false(tls_peer(x.s, a, &peer));
	raw_close(&r, &x, &g);
	raw_fini(&r);
	arena_free(&a);
	tls_server_free(&server);
	return 0;
}

static void who_is_not_asked_shows_none(void **state)
{
	test_run_sim(unasked_main, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_certificate_is_taken_and_judged_later),
		cmocka_unit_test(who_shows_a_certificate_gets_no_ticket),
		cmocka_unit_test(who_is_not_asked_shows_none),
	};

	return cmocka_run_group_tests_name("tls_peer", tests, make_all, unmake_all);
}
