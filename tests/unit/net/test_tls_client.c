#include "tls_test.h"

#include "base/enc.h"

/* ---- an authority and what it signs ---- */

enum { AUTHORITY, GOOD, EXPIRED, NOT_YET, OTHERS_LEAF, CERT_COUNT };

static struct {
	char cert[CERT_COUNT][SCRATCH_MAX + 16], key[CERT_COUNT][SCRATCH_MAX + 16];
	char locked_key[SCRATCH_MAX + 16], ca_dir[SCRATCH_MAX + 16];
	X509 *ca, *x[CERT_COUNT];
	EVP_PKEY *ca_key;
} made;

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	assert_non_null(ext);
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
}

static X509 *issue(EVP_PKEY *key, const char *cn, const char *alt, int from_day, int to_day,
	X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *c = X509_new();

	X509_set_version(c, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(c), 0x1234ab);
	X509_time_adj_ex(X509_getm_notBefore(c), from_day, 0, NULL);
	X509_time_adj_ex(X509_getm_notAfter(c), to_day, 0, NULL);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_UTF8,
		(const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(c, X509_get_subject_name(issuer ? issuer : c));
	X509_set_pubkey(c, key);
	if (alt)
		add_extension(c, NID_subject_alt_name, alt);
	else
		add_extension(c, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(c, issuer_key ? issuer_key : key, EVP_sha256()) > 0);
	return c;
}

static void save(int i, EVP_PKEY *key, X509 *issuer)
{
	FILE *f;

	snprintf(made.cert[i], sizeof(made.cert[i]), "%s/m%d.pem", fix_dir, i);
	snprintf(made.key[i], sizeof(made.key[i]), "%s/mk%d.pem", fix_dir, i);
	f = fopen(made.cert[i], "w");
	PEM_write_X509(f, made.x[i]);
	if (issuer)
		PEM_write_X509(f, issuer);
	fclose(f);
	f = fopen(made.key[i], "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
}

static int make_authority(void **state)
{
	EVP_PKEY *key, *other_key = EVP_EC_gen("P-256");
	X509 *other;
	FILE *f;

	make_certificates(state);
	made.ca_key = EVP_EC_gen("P-256");
	made.x[AUTHORITY] = made.ca = issue(
		made.ca_key, "Test Authority", NULL, -10, 10, NULL, NULL);
	save(AUTHORITY, made.ca_key, NULL);
	other = issue(other_key, "Somebody Else", NULL, -10, 10, NULL, NULL);
	for (int i = GOOD; i < CERT_COUNT; i++) {
		key = i == GOOD ? EVP_RSA_gen(2048) : EVP_EC_gen("P-384");
		made.x[i] = issue(key, "leaf\nof test",
			"DNS:mx.one.test,IP:192.0.2.1,IP:2001:db8::1", i == NOT_YET ? 5 : -5,
			i == EXPIRED ? -1 : 8, i == OTHERS_LEAF ? other : made.ca,
			i == OTHERS_LEAF ? other_key : made.ca_key);
		save(i, key, i == OTHERS_LEAF ? NULL : made.ca);
		if (i == GOOD) {
			snprintf(
				made.locked_key, sizeof(made.locked_key), "%s/locked.pem", fix_dir);
			f = fopen(made.locked_key, "w");
			PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), NULL, 0, NULL,
				(void *)(uintptr_t) "sesame");
			fclose(f);
		}
		EVP_PKEY_free(key);
	}
	snprintf(made.ca_dir, sizeof(made.ca_dir), "%s/cas", fix_dir);
	assert_int_equal(mkdir(made.ca_dir, 0700), 0);
	X509_free(other);
	EVP_PKEY_free(other_key);
	return 0;
}

static int remove_authority(void **state)
{
	for (int i = 0; i < CERT_COUNT; i++)
		X509_free(made.x[i]);
	EVP_PKEY_free(made.ca_key);
	return remove_certificates(state);
}

static struct tls_server *serve_with(int i, bool is_tls12)
{
	struct tls_cert_files files = {made.cert[i], made.key[i], NULL};
	struct tls_server_opts o = {
		.service = "smtp", .certs = &files, .cert_count = 1, .is_tls12_allowed = is_tls12};
	struct err e = {0};
	struct tls_server *t = tls_server_new(&o, &e);

	assert_non_null(t);
	return t;
}

/* ---- one conversation ---- */

struct talk {
	struct stream *s;
	struct side x;
	struct fiber_group g;
	struct tls_verdict verdict;
	struct err e;
	int rc;
};

static FIBER void talk_begin(struct talk *t, struct tls_server *server, struct tls_client *client,
	const struct tls_connect_opts *o)
{
	struct span line;

	memset(t, 0, sizeof(*t));
	t->x.tls = server;
	stream_pair(&t->s, &t->x.s, CLOCK_MS);
	buf_init(&t->x.got, 1000);
	fiber_group_init(&t->g);
	assert_int_equal(fiber_start(&t->g, "server", serve, &t->x, NULL), 0);
	stream_set_timeout(t->s, 30 * CLOCK_SEC);
	t->rc = tls_connect_with(t->s, client, o, &t->verdict, &t->e);
	if (t->rc == 0) {
		assert_int_equal(stream_read_line(t->s, 100, &line, NULL, &t->e), 0);
		assert_span_equal(line, "220 hello");
	} else {
		assert_true(t->s->is_broken);
	}
}

static FIBER void talk_end(struct talk *t)
{
	if (t->rc == 0)
		assert_int_equal(stream_shutdown(t->s, &t->e), 0);
	fiber_group_join(&t->g);
	buf_fini(&t->x.got);
	stream_free(&t->s);
	stream_free(&t->x.s);
}

static struct tls_client *client_with(const struct tls_client_opts *o)
{
	struct err e = {0};
	struct tls_client *c = tls_client_new(o, &e);

	if (!c)
		fail_msg("%s", e.text);
	return c;
}

/* ---- told apart, enforced or not ---- */

struct trust_case {
	const char *what;
	int cert;
	const char *name;
	enum tls_trust trust;
};

static FIBER int trust_main(void *arg)
{
	static const struct trust_case rows[] = {
		{"a good certificate", GOOD, "mx.one.test", TLS_TRUST_GOOD},
		{"an IPv4 literal fits an IP name", GOOD, "192.0.2.1", TLS_TRUST_GOOD},
		{"an IPv6 literal fits an IP name", GOOD, "2001:db8::1", TLS_TRUST_GOOD},
		{"an IP literal that is not named", GOOD, "192.0.2.2", TLS_TRUST_WRONG_NAME},
		{"the wrong name", GOOD, "mx.two.test", TLS_TRUST_WRONG_NAME},
		{"expired", EXPIRED, "mx.one.test", TLS_TRUST_EXPIRED},
		{"not yet valid", NOT_YET, "mx.one.test", TLS_TRUST_NOT_YET},
		{"an unknown issuer", OTHERS_LEAF, "mx.one.test", TLS_TRUST_UNKNOWN_ISSUER},
	};
	struct tls_client_opts co = {.ca_file = made.cert[AUTHORITY]};
	struct tls_client *client = client_with(&co);

	for (size_t i = 0; i < 2 * ARRAY_LEN(rows); i++) {
		const struct trust_case *row = &rows[i / 2];
		struct tls_server *server = serve_with(row->cert, false);
		struct tls_connect_opts o = {.name = span_str(row->name), .is_verify = i % 2};
		struct tls_facts facts;
		struct talk t;

		print_message("# %s\n", row->what);
		talk_begin(&t, server, client, &o);
		assert_int_equal(t.verdict.trust, row->trust);
		assert_int_equal(t.verdict.error == 0, row->trust == TLS_TRUST_GOOD);
		assert_int_equal(t.rc, o.is_verify && row->trust != TLS_TRUST_GOOD ? -1 : 0);
		if (t.rc == 0) {
			assert_true(tls_facts(t.s, &facts));
			assert_int_equal(facts.verdict.trust, row->trust);
			assert_false(facts.verdict.is_dane);
			assert_int_equal(t.s->tls->is_verified, row->trust == TLS_TRUST_GOOD);
			assert_int_equal(
				tls_is_named(t.s, o.name), row->trust != TLS_TRUST_WRONG_NAME);
		} else {
			assert_non_null(strstr(t.e.text, t.verdict.text));
		}
		talk_end(&t);
		tls_server_free(&server);
	}
	tls_client_free(&client);
	return 0;
}

static void behaviour_29_expired_unknown_wrong_name_are_told_apart(void **state)
{
	test_run_sim(trust_main, NULL);
}

/* ---- DANE ---- */

struct dane_case {
	const char *what;
	int cert;
	const char *name, *also;
	struct {
		int usage, selector, matching;
		int of; /* whose certificate; -1: 32 zeros */
	} r[2];
	enum tls_trust trust;
	bool is_dane;
};

static struct span tlsa_data(unsigned char *to, int of, int selector, int matching)
{
	unsigned char *der = NULL;
	unsigned n = 0;
	int len;

	if (of < 0) {
		memset(to, 0, 32);
		return span_of(to, 32);
	}
	len = selector ? i2d_X509_PUBKEY(X509_get_X509_PUBKEY(made.x[of]), &der)
		       : i2d_X509(made.x[of], &der);
	if (matching == 0) {
		assert_in_range(len, 1, 768);
		memcpy(to, der, (size_t)len);
		n = (unsigned)len;
	} else {
		EVP_Digest(der, (size_t)len, to, &n, matching == 2 ? EVP_sha512() : EVP_sha256(),
			NULL);
	}
	OPENSSL_free(der);
	return span_of(to, n);
}

static FIBER int dane_main(void *arg)
{
	static const struct dane_case rows[] = {
		{"DANE-EE of the key", GOOD, "mx.one.test", "", {{3, 1, 1, GOOD}}, TLS_TRUST_GOOD,
			true},
		{"DANE-EE of the certificate, SHA-512", GOOD, "mx.one.test", "", {{3, 0, 2, GOOD}},
			TLS_TRUST_GOOD, true},
		{"DANE-EE with the whole key", GOOD, "mx.one.test", "", {{3, 1, 0, GOOD}},
			TLS_TRUST_GOOD, true},
		{"DANE-EE looks at no name and no date", EXPIRED, "other.test", "",
			{{3, 1, 1, EXPIRED}}, TLS_TRUST_GOOD, true},
		{"DANE-EE of the next key and of this one", GOOD, "mx.one.test", "",
			{{3, 1, 1, -1}, {3, 1, 1, GOOD}}, TLS_TRUST_GOOD, true},
		{"DANE-EE of another key", GOOD, "mx.one.test", "", {{3, 1, 1, EXPIRED}},
			TLS_TRUST_DANE_MISMATCH, false},
		{"DANE-TA of the authority", GOOD, "mx.one.test", "", {{2, 0, 1, AUTHORITY}},
			TLS_TRUST_GOOD, true},
		{"DANE-TA by its key", GOOD, "mx.one.test", "", {{2, 1, 1, AUTHORITY}},
			TLS_TRUST_GOOD, true},
		{"DANE-TA looks at the name", GOOD, "other.test", "", {{2, 0, 1, AUTHORITY}},
			TLS_TRUST_WRONG_NAME, false},
		{"DANE-TA takes the next-hop domain too", GOOD, "other.test", "mx.one.test",
			{{2, 0, 1, AUTHORITY}}, TLS_TRUST_GOOD, true},
		{"DANE-TA looks at the date", EXPIRED, "mx.one.test", "", {{2, 0, 1, AUTHORITY}},
			TLS_TRUST_EXPIRED, false},
		{"PKIX-EE is not for SMTP: as if not there", GOOD, "mx.one.test", "",
			{{1, 1, 1, EXPIRED}}, TLS_TRUST_GOOD, false},
		{"an unknown matching type: as if not there", GOOD, "mx.one.test", "",
			{{3, 1, 7, -1}}, TLS_TRUST_GOOD, false},
	};
	struct tls_client_opts co = {.ca_file = made.cert[AUTHORITY]};
	struct tls_client *client = client_with(&co);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct dane_case *row = &rows[i];
		struct tls_server *server = serve_with(row->cert, false);
		unsigned char data[2][768];
		struct tls_tlsa tlsa[2];
		struct tls_connect_opts o = {.name = span_str(row->name),
			.also = span_str(row->also),
			.is_verify = true,
			.tlsa = tlsa};
		struct talk t;

		print_message("# %s\n", row->what);
		for (size_t k = 0; k < 2 && row->r[k].usage; k++, o.tlsa_count++)
			tlsa[k] = (struct tls_tlsa){(uint8_t)row->r[k].usage,
				(uint8_t)row->r[k].selector, (uint8_t)row->r[k].matching,
				tlsa_data(data[k], row->r[k].of, row->r[k].selector,
					row->r[k].matching)};
		talk_begin(&t, server, client, &o);
		assert_int_equal(t.verdict.trust, row->trust);
		assert_int_equal(t.verdict.is_dane, row->is_dane);
		assert_int_equal(t.rc, row->trust == TLS_TRUST_GOOD ? 0 : -1);
		if (t.rc == 0) {
			struct tls_facts facts;
			bool is_any = false;

			tls_facts(t.s, &facts);
			assert_int_equal(facts.verdict.is_dane, row->is_dane);
			assert_true(t.s->tls->is_verified);
			for (size_t k = 0; k < o.tlsa_count; k++)
				is_any = is_any || tls_tlsa_fits(t.s, &tlsa[k]);
			assert_int_equal(is_any, row->is_dane);
			assert_string_equal(t.x.sni, row->name);
		}
		talk_end(&t);
		tls_server_free(&server);
	}
	tls_client_free(&client);
	return 0;
}

static void dane_ee_and_dane_ta_as_rfc_7672(void **state)
{
	test_run_sim(dane_main, NULL);
}

static void records_that_cannot_be_used_are_known(void **state)
{
	static const char junk[100] = "\x30\x62 what is this?";
	unsigned char cert[768], key[768];
	struct span whole = tlsa_data(cert, GOOD, 0, 0), spki = tlsa_data(key, GOOD, 1, 0);
	const struct {
		struct tls_tlsa r;
		bool is_usable;
	} rows[] = {
		{{3, 1, 1, span_of(junk, 32)}, true},
		{{2, 0, 2, span_of(junk, 64)}, true},
		{{3, 1, 1, span_of(junk, 31)}, false},
		{{3, 1, 2, span_of(junk, 32)}, false},
		{{0, 1, 1, span_of(junk, 32)}, false},
		{{1, 1, 1, span_of(junk, 32)}, false},
		{{4, 1, 1, span_of(junk, 32)}, false},
		{{3, 2, 1, span_of(junk, 32)}, false},
		{{3, 1, 3, span_of(junk, 32)}, false},
		{{3, 0, 0, SPAN_NONE}, false},
		{{3, 0, 0, span_of(junk, 100)}, false},
		{{3, 1, 0, span_of(junk, 100)}, false},
		{{3, 0, 0, whole}, true},
		{{2, 0, 0, whole}, true},
		{{3, 1, 0, spki}, true},
		{{3, 1, 0, whole}, false},
		{{3, 0, 0, spki}, false},
		{{3, 0, 0, span_sub(whole, 0, whole.len - 1)}, false},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (tls_tlsa_is_usable(&rows[i].r) != rows[i].is_usable)
			fail_msg("row %zu", i);
}

/* ---- pins ---- */

static FIBER int pins_main(void *arg)
{
	struct tls_server *server = serve_with(EXPIRED, false);
	unsigned char digest[64];

	for (int i = 0; i < 3; i++) {
		struct buf pins;
		struct tls_client_opts co = {0};
		struct tls_connect_opts o = {.name = SPAN("wrong.test"), .is_verify = true};
		struct tls_client *client;
		struct talk t;

		buf_init(&pins, 1000);
		buf_str(&pins,
			"sha256:"
			"0000000000000000000000000000000000000000000000000000000000000000, SHA256:");
		enc_put_hex(&pins, tlsa_data(digest, i == 2 ? GOOD : EXPIRED, i == 1, 1));
		co.pins = buf_cstr(&pins);
		client = client_with(&co);
		talk_begin(&t, server, client, &o);
		assert_int_equal(t.rc, i == 2 ? -1 : 0);
		assert_int_equal(t.verdict.trust, i == 2 ? TLS_TRUST_PIN_MISMATCH : TLS_TRUST_GOOD);
		if (t.rc == 0)
			assert_true(t.s->tls->is_verified);
		talk_end(&t);
		tls_client_free(&client);
		buf_fini(&pins);
	}
	tls_server_free(&server);
	return 0;
}

static void a_pin_of_certificate_or_key_is_enough(void **state)
{
	test_run_sim(pins_main, NULL);
}

/* ---- the last word ---- */

struct word {
	bool answer;
	enum tls_trust trust;
	size_t count;
	char first[200];
};

static bool say_word(void *arg, const struct tls_verdict *v, const struct tls_chain *chain)
{
	struct word *w = arg;
	struct arena *a = arena_new();
	struct tls_cert *certs;

	w->trust = v->trust;
	w->count = tls_chain_certs(chain, a, &certs);
	snprintf(w->first, sizeof(w->first), "%s", certs[0].names);
	arena_free(&a);
	return w->answer;
}

static FIBER int word_main(void *arg)
{
	struct tls_client_opts co = {.ca_file = made.cert[AUTHORITY]};
	struct tls_client *client = client_with(&co);

	for (int i = 0; i < 8; i++) {
		struct word w = {.answer = i & 1};
		struct tls_server *server = serve_with(i & 2 ? EXPIRED : GOOD, false);
		struct tls_connect_opts o = {.name = SPAN("mx.one.test"),
			.is_verify = i & 4,
			.verify = say_word,
			.verify_arg = &w};
		struct talk t;

		talk_begin(&t, server, client, &o);
		assert_int_equal(t.rc, w.answer ? 0 : -1);
		assert_int_equal(w.trust, i & 2 ? TLS_TRUST_EXPIRED : TLS_TRUST_GOOD);
		assert_int_equal(w.count, 2);
		assert_string_equal(w.first, "DNS:mx.one.test IP:192.0.2.1 IP:2001:db8::1");
		if (t.rc == 0)
			assert_int_equal(t.s->tls->is_verified, !(i & 2));
		talk_end(&t);
		tls_server_free(&server);
	}
	tls_client_free(&client);
	return 0;
}

static void the_callback_has_the_last_word_on_good_and_bad(void **state)
{
	test_run_sim(word_main, NULL);
}

/* ---- names asked for ---- */

static FIBER int sni_main(void *arg)
{
	static const struct {
		const char *name, *sni;
		bool is_no_sni;
		const char *seen;
	} rows[] = {
		{"mx.one.test", "", false, "mx.one.test"},
		{"mx.one.test", "front.test", false, "front.test"},
		{"mx.one.test", "", true, ""},
		{"mx.one.test", "front.test", true, ""},
		{"192.0.2.1", "", false, ""},
		{"192.0.2.1", "front.test", false, "front.test"},
	};
	struct tls_client_opts co = {.ca_file = made.cert[AUTHORITY]};
	struct tls_client *client = client_with(&co);
	struct tls_server *server = serve_with(GOOD, false);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tls_connect_opts o = {.name = span_str(rows[i].name),
			.sni = span_str(rows[i].sni),
			.is_no_sni = rows[i].is_no_sni,
			.is_verify = true};
		struct talk t;

		talk_begin(&t, server, client, &o);
		assert_int_equal(t.rc, 0);
		assert_string_equal(t.x.sni, rows[i].seen);
		talk_end(&t);
	}
	tls_server_free(&server);
	tls_client_free(&client);
	return 0;
}

static void the_name_asked_for_is_not_the_name_verified(void **state)
{
	test_run_sim(sni_main, NULL);
}

/* ---- versions and ciphers ---- */

static FIBER int version_main(void *arg)
{
	static const struct {
		const char *what;
		int min, max;
		const char *ciphers, *ciphersuites;
		bool is_server12;
		const char *version, *cipher; /* NULL: the handshake fails */
	} rows[] = {
		{"the newest", 0, 0, NULL, NULL, true, "TLSv1.3", NULL},
		{"1.2 at most", 0, 12, NULL, NULL, true, "TLSv1.2", NULL},
		{"1.2 at most, of a server of 1.3", 0, 12, NULL, NULL, false, NULL, NULL},
		{"1.1 is refused by ours", 11, 11, NULL, NULL, true, NULL, NULL},
		{"a cipher of 1.2", 12, 12, "ECDHE-RSA-AES128-GCM-SHA256", NULL, true, "TLSv1.2",
			"ECDHE-RSA-AES128-GCM-SHA256"},
		{"a suite of 1.3", 13, 0, NULL, "TLS_CHACHA20_POLY1305_SHA256", true, "TLSv1.3",
			"TLS_CHACHA20_POLY1305_SHA256"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct tls_client_opts co = {.ca_file = made.cert[AUTHORITY],
			.min_version = rows[i].min,
			.max_version = rows[i].max,
			.ciphers = rows[i].ciphers,
			.ciphersuites = rows[i].ciphersuites};
		struct tls_client *client = client_with(&co);
		struct tls_server *server = serve_with(GOOD, rows[i].is_server12);
		struct tls_connect_opts o = {.name = SPAN("mx.one.test"), .is_verify = true};
		struct tls_facts facts;
		struct talk t;

		print_message("# %s\n", rows[i].what);
		talk_begin(&t, server, client, &o);
		assert_int_equal(t.rc, rows[i].version ? 0 : -1);
		if (t.rc == 0) {
			assert_string_equal(t.s->tls->version, rows[i].version);
			if (rows[i].cipher)
				assert_string_equal(t.s->tls->cipher, rows[i].cipher);
			assert_true(tls_facts(t.s, &facts));
			assert_string_equal(facts.group, "x25519");
		} else {
			/* No certificate was looked at. */
			assert_int_equal(t.verdict.trust, TLS_TRUST_OTHER);
			assert_int_equal(t.verdict.error, 0);
		}
		talk_end(&t);
		tls_server_free(&server);
		tls_client_free(&client);
	}
	return 0;
}

static void versions_and_ciphers_are_the_callers(void **state)
{
	test_run_sim(version_main, NULL);
}

/* ---- what a certificate says ---- */

static FIBER int chain_main(void *arg)
{
	struct tls_client_opts co = {.ca_file = made.cert[AUTHORITY]};
	struct tls_client *client = client_with(&co);
	struct tls_server *server = serve_with(GOOD, false);
	struct tls_connect_opts o = {.name = SPAN("mx.one.test")};
	struct arena *a = arena_new();
	struct tls_cert *c;
	struct talk t;

	talk_begin(&t, server, client, &o);
	assert_int_equal(tls_certs(t.s, a, &c), 2);
	/* A line break in a name does not reach a terminal. */
	assert_string_equal(c[0].subject, "CN=leaf\\0Aof test");
	assert_string_equal(c[0].issuer, "CN=Test Authority");
	assert_string_equal(c[0].names, "DNS:mx.one.test IP:192.0.2.1 IP:2001:db8::1");
	assert_string_equal(c[0].key, "RSA 2048");
	assert_int_equal(c[0].key_bits, 2048);
	assert_string_equal(c[0].signature, "ecdsa-with-SHA256");
	assert_string_equal(c[0].serial, "1234AB");
	assert_int_equal(c[0].not_after - c[0].not_before, 13 * 86400);
	assert_int_equal(strlen(c[0].sha256), 64);
	assert_string_not_equal(c[0].sha256, c[0].spki_sha256);
	assert_non_null(strstr(c[0].pem, "-----END CERTIFICATE-----\n"));
	assert_false(c[0].is_self_issued);
	assert_true(c[1].is_self_issued);
	assert_string_equal(c[1].key, "EC P-256");
	assert_string_equal(c[1].names, "");
	/* The server has been shown none. */
	assert_int_equal(tls_certs(t.x.s, a, &c), 0);
	talk_end(&t);
	arena_free(&a);
	tls_server_free(&server);
	tls_client_free(&client);
	return 0;
}

static void behaviour_30_the_chain_is_readable(void **state)
{
	test_run_sim(chain_main, NULL);
}

/* ---- tickets ---- */

static FIBER int ticket_main(void *arg)
{
	int cert = *(int *)arg;
	struct tls_client_opts co = {.ca_file = made.cert[AUTHORITY]};
	struct tls_client *client = client_with(&co);
	struct tls_server *server = serve_with(cert, true);
	struct tls_connect_opts o = {.name = SPAN("mx.one.test"), .is_ticket_wanted = true};
	struct tls_ticket *ticket;
	struct tls_facts facts;
	struct talk t;

	talk_begin(&t, server, client, &o);
	assert_int_equal(t.rc, 0);
	ticket = tls_ticket_take(t.s);
	assert_non_null(ticket);
	assert_null(tls_ticket_take(t.s));
	talk_end(&t);
	o.ticket = ticket;
	talk_begin(&t, server, client, &o);
	assert_int_equal(t.rc, 0);
	tls_facts(t.s, &facts);
	assert_true(facts.is_resumed);
	assert_int_equal(facts.verdict.trust, cert == GOOD ? TLS_TRUST_GOOD : TLS_TRUST_EXPIRED);
	talk_end(&t);
	/* Strictly: an unverified session is not good enough, nor one of another name. */
	o.is_verify = true;
	talk_begin(&t, server, client, &o);
	assert_int_equal(t.rc, cert == GOOD ? 0 : -1);
	talk_end(&t);
	o.name = SPAN("mx.two.test");
	talk_begin(&t, server, client, &o);
	assert_int_equal(t.rc, -1);
	talk_end(&t);
	tls_ticket_free(&ticket);
	tls_server_free(&server);
	tls_client_free(&client);
	return 0;
}

static void a_ticket_does_not_launder_a_bad_certificate(void **state)
{
	int cert = GOOD;

	test_run_sim(ticket_main, &cert);
	cert = EXPIRED;
	test_run_sim(ticket_main, &cert);
}

/* ---- files and settings ---- */

static FIBER int directory_main(void *arg)
{
	struct tls_client_opts co = {.ca_dir = made.ca_dir};
	struct tls_connect_opts o = {.name = SPAN("mx.one.test"), .is_verify = true};
	struct tls_server *server = serve_with(GOOD, false);
	struct tls_client *client;
	char link_name[SCRATCH_MAX + 64];
	struct err e = {0};
	struct talk t;

	assert_null(tls_client_new(&co, &e));
	assert_non_null(strstr(e.text, "holds none"));
	snprintf(link_name, sizeof(link_name), "%s/0123abcd.0", made.ca_dir);
	assert_int_equal(symlink(made.cert[AUTHORITY], link_name), 0);
	client = client_with(&co);
	talk_begin(&t, server, client, &o);
	assert_int_equal(t.rc, 0);
	talk_end(&t);
	tls_client_free(&client);
	tls_server_free(&server);
	return 0;
}

static void authorities_from_a_directory(void **state)
{
	test_run_sim(directory_main, NULL);
}

static void wrong_settings_are_told(void **state)
{
	const struct {
		struct tls_client_opts o;
		const char *says; /* NULL: it is fine */
	} rows[] = {
		{{.is_without_ca = true, .cert_file = made.cert[GOOD], .key_file = made.key[GOOD]},
			NULL},
		{{.is_without_ca = true,
			 .cert_file = made.cert[GOOD],
			 .key_file = made.locked_key,
			 .key_password = "sesame"},
			NULL},
		{{.cert_file = made.cert[GOOD], .key_file = made.locked_key, .key_password = "no"},
			"reading a private key"},
		{{.cert_file = made.cert[GOOD], .key_file = made.locked_key},
			"reading a private key"},
		{{.cert_file = made.cert[GOOD], .key_file = made.key[EXPIRED]}, "key"},
		{{.key_file = made.key[GOOD]}, "without its certificate"},
		{{.pins = "sha256:12"}, "is no pin"},
		{{.pins = "md5:0000"}, "is no pin"},
		{{.pins = ""}, "is no pin"},
		{{.min_version = 14}, "TLS versions"},
		{{.min_version = 13, .max_version = 12}, "TLS versions"},
		{{.ciphers = "NO-SUCH-CIPHER"}, "no cipher"},
		{{.ciphersuites = "NO_SUCH_SUITE"}, "no cipher suite"},
		{{.ca_dir = "/nowhere"}, "/nowhere"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err e = {0};
		struct tls_client *c = tls_client_new(&rows[i].o, &e);

		if (!rows[i].says && !c)
			fail_msg("row %zu: %s", i, e.text);
		if (rows[i].says && (c || !strstr(e.text, rows[i].says)))
			fail_msg("row %zu: %s", i, e.text);
		tls_client_free(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(behaviour_29_expired_unknown_wrong_name_are_told_apart),
		cmocka_unit_test(dane_ee_and_dane_ta_as_rfc_7672),
		cmocka_unit_test(records_that_cannot_be_used_are_known),
		cmocka_unit_test(a_pin_of_certificate_or_key_is_enough),
		cmocka_unit_test(the_callback_has_the_last_word_on_good_and_bad),
		cmocka_unit_test(the_name_asked_for_is_not_the_name_verified),
		cmocka_unit_test(versions_and_ciphers_are_the_callers),
		cmocka_unit_test(behaviour_30_the_chain_is_readable),
		cmocka_unit_test(a_ticket_does_not_launder_a_bad_certificate),
		cmocka_unit_test(authorities_from_a_directory),
		cmocka_unit_test(wrong_settings_are_told),
	};

	return cmocka_run_group_tests_name(
		"net/tls_client", tests, make_authority, remove_authority);
}
