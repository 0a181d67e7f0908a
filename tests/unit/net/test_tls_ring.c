/* Certificates by name, keys of tickets, challenges (net/tls_ring.h). */

#include "tls_test.h"

#include "net/tls_ring.h"

/* ---- certificates of any kind, as PEM ---- */

struct made {
	struct buf cert, key;
	char sha256[2 * TLS_SHA256 + 1];
};

static void put_pem(struct buf *b, BIO *bio)
{
	char *bytes;
	long len = BIO_get_mem_data(bio, &bytes);

	buf_init(b, 65536);
	buf_put(b, bytes, (size_t)len);
	BIO_free(bio);
}

/* `alt`: "DNS:a.test,DNS:b.test" or NULL, then the common name is all there is. */
static void make(struct made *m, const char *kind, const char *common, const char *alt, int days)
{
	EVP_PKEY *key = strcmp(kind, "RSA") == 0 ? EVP_RSA_gen(2048)
		: strcmp(kind, "EC") == 0        ? EVP_EC_gen("P-256")
						 : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);
	BIO *bio = BIO_new(BIO_s_mem());
	unsigned char digest[EVP_MAX_MD_SIZE];

	assert_non_null(key);
	X509_set_version(cert, X509_VERSION_3);
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), (uint64_t)(uintptr_t)m);
	X509_gmtime_adj(X509_getm_notBefore(cert), -10 * 86400);
	X509_time_adj_ex(X509_getm_notAfter(cert), days, 0, NULL);
	X509_NAME_add_entry_by_txt(
		name, "CN", MBSTRING_UTF8, (const unsigned char *)common, -1, -1, 0);
	X509_set_issuer_name(cert, name);
	X509_set_pubkey(cert, key);
	if (alt) {
		X509_EXTENSION *x = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alt);

		assert_non_null(x);
		X509_add_ext(cert, x, -1);
		X509_EXTENSION_free(x);
	}
	assert_true(X509_sign(cert, key, strcmp(kind, "ED") == 0 ? NULL : EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	put_pem(&m->cert, bio);
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	put_pem(&m->key, bio);
	assert_true(tls_cert_digest(cert, false, EVP_sha256(), digest, NULL));
	for (int i = 0; i < TLS_SHA256; i++)
		snprintf(m->sha256 + 2 * i, 3, "%02x", digest[i]);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void unmake(struct made *m)
{
	buf_fini(&m->cert);
	buf_fini(&m->key);
}

static struct tls_ring_pair pair_of(const struct made *m, const char *label)
{
	return (struct tls_ring_pair){
		.label = label, .cert_pem = buf_span(&m->cert), .key_pem = buf_span(&m->key)};
}

static struct tls_server *server_on(struct tls_ring *ring, const char *service, const char *alpn)
{
	struct tls_server_opts o = {
		.service = service, .alpn = alpn, .ring = ring, .is_tls12_allowed = true};
	struct tls_server *t = tls_server_new(&o, NULL);

	assert_non_null(t);
	return t;
}

/* ---- who meets what ---- */

enum { DEFAULT, EC_ONE, RSA_ONE, WILD, COMMON, GIVEN, OLD, FRESH, ED, MADE };

static struct made made[MADE];

static int make_all(void **state)
{
	make(&made[DEFAULT], "EC", "default.test", "DNS:mx.default.test", 100);
	make(&made[EC_ONE], "EC", "one.test", "DNS:one.test,DNS:also.one.test", 100);
	make(&made[RSA_ONE], "RSA", "one.test", "DNS:one.test", 100);
	make(&made[WILD], "EC", "wild.test", "DNS:*.wild.test", 100);
	make(&made[COMMON], "EC", "common.test", NULL, 100);
	make(&made[GIVEN], "EC", "whatever.test", "DNS:whatever.test", 100);
	make(&made[OLD], "EC", "turn.test", "DNS:turn.test", -1);
	make(&made[FRESH], "EC", "turn.test", "DNS:turn.test", 100);
	make(&made[ED], "ED", "ed.test", "DNS:ed.test", 100);
	return make_certificates(state);
}

static int unmake_all(void **state)
{
	for (int i = 0; i < MADE; i++)
		unmake(&made[i]);
	return remove_certificates(state);
}

static struct tls_ring *ring_all(void)
{
	static const char *const given[] = {"Given.Test", "*.given.test"};
	struct tls_ring_pair pairs[MADE];
	struct tls_ring *ring = tls_ring_new();
	struct err e = {0};

	for (int i = 0; i < MADE; i++)
		pairs[i] = pair_of(&made[i], "x");
	pairs[DEFAULT].is_fallback = true;
	pairs[GIVEN].names = given;
	pairs[GIVEN].name_count = 2;
	if (tls_ring_load(ring, pairs, MADE, &e) < 0)
		fail_msg("%s", e.text);
	return ring;
}

struct sni_case {
	const char *what, *asked;
	const char *sigalgs; /* that the client takes; NULL: all */
	int expected;
};

static FIBER void play_sni(const struct sni_case *c, struct tls_server *server, int version)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	char hex[2 * TLS_SHA256 + 1];
	struct raw r;
	struct side x;
	struct fiber_group g;
	X509 *cert;

	raw_init(&r, version);
	r.sni = c->asked;
	if (c->sigalgs)
		assert_int_equal(SSL_CTX_set1_sigalgs_list(r.ctx, c->sigalgs), 1);
	assert_int_equal(raw_open(&r, server, &x, &g), 0);
	cert = SSL_get0_peer_certificate(r.ssl);
	assert_true(tls_cert_digest(cert, false, EVP_sha256(), digest, NULL));
	for (int i = 0; i < TLS_SHA256; i++)
		snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	if (strcmp(hex, made[c->expected].sha256) != 0)
		fail_msg("%s (TLS %x): not that certificate", c->what, version);
	SSL_shutdown(r.ssl);
	raw_push(&r);
	raw_close(&r, &x, &g);
	raw_fini(&r);
}

static FIBER int sni_main(void *arg)
{
	static const struct sni_case rows[] = {
		{"no name", NULL, NULL, DEFAULT},
		{"an unknown name", "mx.other.test", NULL, DEFAULT},
		{"the default's own name", "mx.default.test", NULL, DEFAULT},
		{"a name, by a client of ECDSA", "one.test", "ECDSA+SHA256", EC_ONE},
		{"the same, by a client of RSA", "one.test", "RSA-PSS+SHA256:RSA+SHA256", RSA_ONE},
		{"letters of any size", "ALSO.One.Test", NULL, EC_ONE},
		{"below a wildcard", "mx.wild.test", NULL, WILD},
		{"two labels below it", "a.mx.wild.test", NULL, DEFAULT},
		{"the wildcard's own domain", "wild.test", NULL, DEFAULT},
		{"a name that begins with a dot", ".wild.test", NULL, DEFAULT},
		{"the common name where no other is", "common.test", NULL, COMMON},
		{"the common name beside others", "default.test", NULL, DEFAULT},
		{"a name from the configuration", "given.test", NULL, GIVEN},
		{"a wildcard from the configuration", "mx.given.test", NULL, GIVEN},
		{"then the certificate's own do not count", "whatever.test", NULL, DEFAULT},
		{"what has expired makes room", "turn.test", NULL, FRESH},
	};
	struct tls_ring *ring = ring_all();
	struct tls_server *server = server_on(ring, "smtp", NULL);

	tls_ring_free(&ring);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		play_sni(&rows[i], server, TLS1_2_VERSION);
		play_sni(&rows[i], server, TLS1_3_VERSION);
	}
	/* TLS 1.2 ciphers alone do not speak of Ed25519; TLS 1.3 does. */
	play_sni(&(struct sni_case){"Ed25519", "ed.test", NULL, ED}, server, TLS1_3_VERSION);
	tls_server_free(&server);
	return 0;
}

static void every_name_meets_its_certificate(void **state)
{
	test_run_sim(sni_main, NULL);
}

/* ---- what is no pair ---- */

static void a_broken_pair_is_refused_and_the_old_ones_stay(void **state)
{
	static const char *const bad_names[] = {
		"", "a b.test", "*", "*.", "a.*.test", "b\xc3\xa4.test"};
	struct tls_ring *ring = tls_ring_new();
	struct tls_ring_pair pairs[2] = {
		pair_of(&made[DEFAULT], "tls"), pair_of(&made[WILD], "wild")};
	struct tls_ring_cert *list;
	struct arena *a = arena_new();
	struct err e = {0};

	assert_int_equal(tls_ring_load(ring, pairs, 0, &e), -1);
	assert_int_equal(e.code, ERR_CONFIG);
	assert_int_equal(tls_ring_certs(ring, a, &list), 0);
	assert_int_equal(tls_ring_load(ring, pairs, 2, &e), 0);
	pairs[1].key_pem = buf_span(&made[COMMON].key);
	assert_int_equal(tls_ring_load(ring, pairs, 2, &e), -1);
	assert_non_null(strstr(e.text, "wild: the key does not belong to"));
	assert_int_equal(tls_ring_check(&pairs[1], &e), -1);
	pairs[1].key_pem = SPAN("no key");
	assert_int_equal(tls_ring_load(ring, pairs, 2, &e), -1);
	assert_non_null(strstr(e.text, "wild: reading a private key"));
	pairs[1] = pair_of(&made[WILD], "wild");
	pairs[1].cert_pem = span_sub(pairs[1].cert_pem, 0, pairs[1].cert_pem.len / 2);
	assert_int_equal(tls_ring_load(ring, pairs, 2, &e), -1);
	assert_non_null(strstr(e.text, "wild: reading a certificate"));
	pairs[1] = pair_of(&made[WILD], "wild");
	pairs[1].name_count = 1;
	for (size_t i = 0; i < ARRAY_LEN(bad_names); i++) {
		pairs[1].names = &bad_names[i];
		assert_int_equal(tls_ring_load(ring, pairs, 2, &e), -1);
		assert_int_equal(e.code, ERR_CONFIG);
	}
	/* All the while nothing has changed. */
	assert_int_equal(tls_ring_certs(ring, a, &list), 2);
	assert_string_equal(list[0].cert.sha256, made[DEFAULT].sha256);
	assert_string_equal(list[1].names, "*.wild.test");
	assert_string_equal(list[1].label, "wild");
	assert_string_equal(list[1].file, "");
	arena_free(&a);
	tls_ring_free(&ring);
}

static void a_key_that_others_may_read_is_known(void **state)
{
	struct tls_ring_pair pair = {.cert = fix.cert[0], .key = fix.key[0]};
	struct tls_ring *ring = tls_ring_new();
	struct arena *a = arena_new();
	struct tls_ring_cert *list;
	static const struct {
		mode_t mode;
		bool is_open;
	} rows[] = {{0600, false}, {0640, false}, {0644, true}, {0602, true}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(chmod(fix.key[0], rows[i].mode), 0);
		assert_int_equal(tls_ring_load(ring, &pair, 1, NULL), 0);
		assert_int_equal(tls_ring_certs(ring, a, &list), 1);
		assert_int_equal(list[0].is_key_open, rows[i].is_open);
		assert_string_equal(list[0].key_file, fix.key[0]);
	}
	assert_int_equal(chmod(fix.key[0], 0600), 0);
	arena_free(&a);
	tls_ring_free(&ring);
}

static void our_own_certificate_is_renewed_in_time(void **state)
{
	static const char names[] = "mx.one.test, localhost,127.0.0.1,::1";
	static const struct {
		const char *what, *names;
		int days; /* from now */
		bool is_due;
	} rows[] = {
		{"today", names, 0, false},
		{"five weeks before its end", names, 3652 - 35, false},
		{"four weeks before its end", names, 3652 - 28, true},
		{"after it", names, 3653, true},
		{"of another host", "mx.other.test", 0, true},
		{"of a host more", "mx.one.test,localhost,127.0.0.1,::1,mx.new.test", 0, true},
	};
	int64_t now_sec = clock_wall_ns() / CLOCK_SEC;
	char foreign[SCRATCH_MAX + 16];
	FILE *f;

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		print_message("# %s\n", rows[i].what);
		assert_int_equal(tls_self_signed_is_due(rows[i].names, fix.cert[0],
					 now_sec + rows[i].days * 86400LL),
			rows[i].is_due);
	}
	/* What somebody else has put there is his to renew. */
	snprintf(foreign, sizeof(foreign), "%s/foreign.pem", fix_dir);
	f = fopen(foreign, "w");
	fwrite(buf_span(&made[OLD].cert).ptr, 1, buf_len(&made[OLD].cert), f);
	fclose(f);
	assert_false(tls_self_signed_is_due(names, foreign, now_sec));
	assert_false(tls_self_signed_is_due(names, "/nowhere/cert.pem", now_sec));
}

/* ---- keys of tickets ---- */

static FIBER int rotation_main(void *arg)
{
	int version = *(int *)arg;
	struct tls_ring *ring = ring_all();
	struct tls_server *server = server_on(ring, "smtp", NULL);
	SSL_SESSION *kept;
	struct raw r;
	bool is_resumed;

	raw_init(&r, version);
	assert_int_equal(raw_talk(&r, server, &is_resumed), 0);
	/* Another key seals by now; the last one still opens. */
	SSL_SESSION_up_ref(kept = r.session);
	SSL_SESSION_set_timeout(kept, 100 * 3600);
	assert_int_equal(fiber_sleep(13 * CLOCK_HOUR, NULL), 0);
	assert_int_equal(raw_talk(&r, server, &is_resumed), 0);
	assert_true(is_resumed);
	/* It has come with a new ticket, under the new key: that one outlives the old key. */
	assert_true(r.session != kept);
	SSL_SESSION_set_timeout(r.session, 100 * 3600);
	assert_int_equal(fiber_sleep(12 * CLOCK_HOUR, NULL), 0);
	assert_int_equal(raw_talk(&r, server, &is_resumed), 0);
	assert_true(is_resumed);
	/* The first one is good for nothing now. */
	SSL_SESSION_free(r.session);
	r.session = kept;
	assert_int_equal(raw_talk(&r, server, &is_resumed), 0);
	assert_false(is_resumed);
	/* Where nobody came for days, the last key is too old as well. */
	SSL_SESSION_set_timeout(r.session, 100 * 3600);
	assert_int_equal(fiber_sleep(25 * CLOCK_HOUR, NULL), 0);
	tls_server_turn(server);
	assert_int_equal(raw_talk(&r, server, &is_resumed), 0);
	assert_false(is_resumed);
	raw_fini(&r);
	tls_server_free(&server);
	tls_ring_free(&ring);
	return 0;
}

static void keys_of_tickets_turn_every_12_hours(void **state)
{
	int version = TLS1_3_VERSION;

	test_run_sim(rotation_main, &version);
	version = TLS1_2_VERSION;
	test_run_sim(rotation_main, &version);
}

static FIBER int shared_main(void *arg)
{
	struct tls_ring *ring = ring_all();
	struct tls_server *smtp = server_on(ring, "smtp", "smtp");
	struct tls_server *http = server_on(ring, "http", "http/1.1");
	struct tls_ring_pair pair = pair_of(&made[FRESH], "fresh");
	struct raw r;
	bool is_resumed;

	raw_init(&r, TLS1_3_VERSION);
	assert_int_equal(raw_talk(&r, smtp, &is_resumed), 0);
	assert_int_equal(raw_talk(&r, http, &is_resumed), 0);
	assert_false(is_resumed);
	/* One load serves them all, and tickets stay good. */
	assert_int_equal(tls_ring_load(ring, &pair, 1, NULL), 0);
	assert_int_equal(raw_talk(&r, http, &is_resumed), 0);
	assert_true(is_resumed);
	raw_fini(&r);
	play_sni(&(struct sni_case){"after", "one.test", NULL, FRESH}, smtp, TLS1_3_VERSION);
	play_sni(&(struct sni_case){"after", NULL, NULL, FRESH}, http, TLS1_3_VERSION);
	tls_server_free(&smtp);
	tls_server_free(&http);
	tls_ring_free(&ring);
	return 0;
}

static void one_ring_serves_all_protocols(void **state)
{
	test_run_sim(shared_main, NULL);
}

/* ---- threads ---- */

#define THREADS 3
#define TALKS   40

struct talker {
	pthread_t thread;
	struct tls_server *server;
	int failed;
};

static FIBER int talker_main(void *arg)
{
	struct talker *x = arg;
	struct raw r;
	bool is_resumed;

	raw_init(&r, TLS1_3_VERSION);
	r.sni = "one.test";
	for (int i = 0; i < TALKS; i++)
		x->failed += raw_talk(&r, x->server, &is_resumed) < 0;
	raw_fini(&r);
	return 0;
}

static void *talker_thread(void *arg)
{
	test_run_sim(talker_main, arg);
	return NULL;
}

/* Loops serve, a lane loads, a fiber of the first loop sets challenges and turns keys. */
static void all_threads_share_one_ring(void **state)
{
	struct tls_ring *ring = ring_all();
	struct tls_server *server = server_on(ring, "smtp", NULL);
	struct tls_ring_pair pairs[2] = {pair_of(&made[EC_ONE], "a"), pair_of(&made[DEFAULT], "b")};
	struct talker talkers[THREADS] = {0};
	struct arena *a = arena_new();
	struct tls_ring_cert *list;

	for (int i = 0; i < THREADS; i++) {
		talkers[i].server = server;
		assert_int_equal(
			pthread_create(&talkers[i].thread, NULL, talker_thread, &talkers[i]), 0);
	}
	for (int i = 0; i < TALKS; i++) {
		assert_int_equal(tls_ring_load(ring, pairs, 1 + (size_t)i % 2, NULL), 0);
		assert_int_equal(tls_ring_challenge_set(ring, SPAN("one.test"),
					 buf_span(&made[ED].cert), buf_span(&made[ED].key), NULL),
			0);
		assert_int_equal(tls_ring_certs(ring, a, &list), 1 + i % 2);
		tls_ring_challenge_remove(ring, SPAN("one.test"));
		tls_server_turn(server);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(talkers[i].thread, NULL);
		assert_int_equal(talkers[i].failed, 0);
	}
	arena_free(&a);
	tls_server_free(&server);
	tls_ring_free(&ring);
}

/* ---- RFC 8737 ---- */

struct acme_case {
	const char *what, *asked;
	const char *offers; /* wire form */
	bool is_served, is_challenge;
};

static FIBER int acme_main(void *arg)
{
	static const struct acme_case rows[] = {
		{"the validation", "ed.test", "\12acme-tls/1", false, true},
		{"letters of any size", "ED.test", "\12acme-tls/1", false, true},
		{"of a name without a challenge", "one.test", "\12acme-tls/1", false, false},
		{"without a name", NULL, "\12acme-tls/1", false, false},
		{"beside another protocol", "ed.test", "\12acme-tls/1\4smtp", true, false},
		{"a client of the service", "ed.test", "\4smtp", true, false},
		{"of another service", "ed.test", "\3xyz", false, false},
	};
	struct tls_ring *ring = ring_all();
	struct tls_server *server = server_on(ring, "smtp", "smtp");
	struct err e = {0};

	assert_int_equal(tls_ring_challenge_set(ring, SPAN("ed.test"), buf_span(&made[GIVEN].cert),
				 buf_span(&made[GIVEN].key), &e),
		0);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct acme_case *c = &rows[i];
		struct raw r;
		struct side x;
		struct fiber_group g;
		const unsigned char *alpn;
		unsigned alpn_len;

		print_message("# %s\n", c->what);
		raw_init(&r, i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
		r.sni = c->asked;
		SSL_CTX_set_alpn_protos(
			r.ctx, (const unsigned char *)c->offers, (unsigned)strlen(c->offers));
		assert_int_equal(raw_open(&r, server, &x, &g), c->is_served ? 0 : -1);
		SSL_get0_alpn_selected(r.ssl, &alpn, &alpn_len);
		assert_int_equal(SSL_is_init_finished(r.ssl), c->is_served || c->is_challenge);
		/* nothing is said behind the handshake: no banner, no ticket */
		if (c->is_challenge) {
			assert_int_equal(alpn_len, 10);
			assert_memory_equal(alpn, "acme-tls/1", 10);
			assert_int_equal(SSL_get_shutdown(r.ssl), SSL_RECEIVED_SHUTDOWN);
			assert_null(r.session);
			assert_int_equal(x.e.code, ERR_EOF);
		}
		if (!c->is_served)
			assert_int_equal(x.rc, -1);
		raw_close(&r, &x, &g);
		raw_fini(&r);
	}
	tls_ring_challenge_remove(ring, SPAN("ed.test"));
	tls_ring_challenge_remove(ring, SPAN("never.test"));
	tls_server_free(&server);
	tls_ring_free(&ring);
	return 0;
}

static void a_challenge_is_met_and_nothing_follows(void **state)
{
	test_run_sim(acme_main, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_name_meets_its_certificate),
		cmocka_unit_test(a_broken_pair_is_refused_and_the_old_ones_stay),
		cmocka_unit_test(a_key_that_others_may_read_is_known),
		cmocka_unit_test(our_own_certificate_is_renewed_in_time),
		cmocka_unit_test(keys_of_tickets_turn_every_12_hours),
		cmocka_unit_test(one_ring_serves_all_protocols),
		cmocka_unit_test(all_threads_share_one_ring),
		cmocka_unit_test(a_challenge_is_met_and_nothing_follows),
	};

	return cmocka_run_group_tests_name("net/tls_ring", tests, make_all, unmake_all);
}
