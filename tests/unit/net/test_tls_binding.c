#include "tls_test.h"

/* What OpenSSL says at the other end of the connection. */
static void binding_expected(const struct raw *r, enum tls_binding kind, struct buf *out)
{
	char *p = buf_reserve(out, EVP_MAX_MD_SIZE);
	unsigned len = 0;

	switch (kind) {
	case TLS_BINDING_EXPORTER:
		len = 32;
		assert_int_equal(SSL_export_keying_material(r->ssl, (unsigned char *)p, len,
					 "EXPORTER-Channel-Binding", 24, NULL, 0, 1),
			1);
		break;
	case TLS_BINDING_UNIQUE:
		len = (unsigned)(SSL_session_reused(r->ssl) ? SSL_get_peer_finished(r->ssl, p, 64)
							    : SSL_get_finished(r->ssl, p, 64));
		break;
	case TLS_BINDING_SERVER_END_POINT:
		assert_int_equal(X509_digest(SSL_get0_peer_certificate(r->ssl), EVP_sha256(),
					 (unsigned char *)p, &len),
			1);
		break;
	}
	assert_true(len >= 12);
	buf_added(out, len);
}

struct binding_case {
	const char *what;
	int version;
	bool is_resumed, has_master; /* extended master secret */
	enum tls_binding kind;
	bool is_there;
};

static const struct binding_case binding_cases[] = {
	{"exporter, TLS 1.3", TLS1_3_VERSION, false, true, TLS_BINDING_EXPORTER, true},
	{"exporter, TLS 1.3 resumed", TLS1_3_VERSION, true, true, TLS_BINDING_EXPORTER, true},
	{"exporter, TLS 1.2", TLS1_2_VERSION, false, true, TLS_BINDING_EXPORTER, true},
	{"exporter, old master secret", TLS1_2_VERSION, false, false, TLS_BINDING_EXPORTER, false},
	{"unique, TLS 1.2", TLS1_2_VERSION, false, true, TLS_BINDING_UNIQUE, true},
	{"unique, TLS 1.2 resumed", TLS1_2_VERSION, true, true, TLS_BINDING_UNIQUE, true},
	{"unique, TLS 1.3", TLS1_3_VERSION, false, true, TLS_BINDING_UNIQUE, false},
	{"unique, old master secret", TLS1_2_VERSION, false, false, TLS_BINDING_UNIQUE, false},
	{"end point, TLS 1.3", TLS1_3_VERSION, false, true, TLS_BINDING_SERVER_END_POINT, true},
	{"end point, old secret", TLS1_2_VERSION, false, false, TLS_BINDING_SERVER_END_POINT, true},
};

static __attribute__((noinline)) FIBER void binding_play(
	const struct binding_case *c, struct tls_server *server)
{
	struct raw r;
	struct side x;
	struct fiber_group g;
	struct buf ours, theirs;
	struct err e = {0};
	bool is_resumed;

	print_message("# %s\n", c->what);
	raw_init(&r, c->version);
	if (!c->has_master)
		SSL_CTX_set_options(r.ctx, SSL_OP_NO_EXTENDED_MASTER_SECRET);
	if (c->is_resumed)
		assert_int_equal(raw_talk(&r, server, &is_resumed), 0);
	assert_int_equal(raw_open(&r, server, &x, &g), 0);
	assert_int_equal(SSL_session_reused(r.ssl), c->is_resumed);
	buf_init(&ours, 100);
	buf_init(&theirs, 100);
	assert_int_equal(tls_channel_binding(x.s, c->kind, &ours, &e), c->is_there ? 0 : -1);
	if (c->is_there) {
		binding_expected(&r, c->kind, &theirs);
		assert_int_equal(buf_len(&ours), buf_len(&theirs));
		assert_memory_equal(buf_span(&ours).ptr, buf_span(&theirs).ptr, buf_len(&ours));
	} else {
		assert_int_equal(e.code, ERR_UNSUPPORTED);
		assert_int_equal(buf_len(&ours), 0);
	}
	buf_fini(&ours);
	buf_fini(&theirs);
	raw_close(&r, &x, &g);
	raw_fini(&r);
}

static FIBER int binding_main(void *arg)
{
	struct tls_server *server = server_new("smtp", NULL, true);

	for (size_t i = 0; i < ARRAY_LEN(binding_cases); i++)
		binding_play(&binding_cases[i], server);
	tls_server_free(&server);
	return 0;
}

static void the_server_computes_what_its_client_computes(void **state)
{
	test_run_sim(binding_main, NULL);
}

static FIBER int both_main(void *arg)
{
	struct tls_server *server = server_new("smtp", NULL, false);
	struct tls_client *client = client_new(NULL, 0);
	struct side x = {.tls = server};
	struct stream *s;
	struct fiber_group g;
	struct span line;
	struct buf mine, theirs;
	struct err e = {0};

	buf_init(&mine, 200);
	buf_init(&theirs, 200);
	stream_pair(&s, &x.s, CLOCK_MS);
	assert_int_equal(tls_channel_binding(s, TLS_BINDING_EXPORTER, &mine, &e), -1);
	assert_int_equal(e.code, ERR_STATE);
	buf_init(&x.got, 1000);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "server", serve, &x, &e), 0);
	stream_set_timeout(s, 30 * CLOCK_SEC);
	assert_int_equal(tls_connect(s, client, SPAN("mx.one.test"), true, &e), 0);
	/* The filters above TLS do not hide it. */
	wire_push(s, 0);
	assert_int_equal(stream_read_line(s, 100, &line, NULL, &e), 0);
	for (int kind = TLS_BINDING_EXPORTER; kind <= TLS_BINDING_SERVER_END_POINT; kind++) {
		int rc = kind == TLS_BINDING_UNIQUE ? -1 : 0;

		assert_int_equal(tls_channel_binding(s, kind, &mine, NULL), rc);
		assert_int_equal(tls_channel_binding(x.s, kind, &theirs, NULL), rc);
	}
	assert_int_equal(buf_len(&mine), 64);
	assert_int_equal(buf_len(&theirs), 64);
	assert_memory_equal(buf_span(&mine).ptr, buf_span(&theirs).ptr, 64);
	assert_int_equal(stream_shutdown(s, &e), 0);
	fiber_group_join(&g);
	buf_fini(&mine);
	buf_fini(&theirs);
	buf_fini(&x.got);
	stream_free(&s);
	stream_free(&x.s);
	tls_client_free(&client);
	tls_server_free(&server);
	return 0;
}

static void client_and_server_agree(void **state)
{
	test_run_sim(both_main, NULL);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_server_computes_what_its_client_computes),
		cmocka_unit_test(client_and_server_agree),
	};

	return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
