#include "tls_test.h"

/* ---- cases of client and server ---- */

static const struct tls_case tls_cases[] = {
	{"the right name", "smtp", "smtp", 0, "mx.one.test", true, 0, false, NULL, NULL, true,
		"mx.one.test", "smtp"},
	{"octet by octet", "smtp", "smtp", 0, "mx.one.test", true, 1, false, NULL, NULL, true,
		"mx.one.test", "smtp"},
	{"a dot behind the name", NULL, NULL, 0, "mx.one.test.", true, 0, false, NULL, NULL, true,
		"mx.one.test", ""},
	{"an IPv4 address", NULL, NULL, 0, "127.0.0.1", true, 0, false, NULL, NULL, true, "", ""},
	{"an IPv6 address", NULL, NULL, 0, "::1", true, 0, false, NULL, NULL, true, "", ""},
	{"an address not in the certificate", NULL, NULL, 0, "127.0.0.2", true, 0, true,
		"IP address mismatch", "TLS handshake", false, "", ""},
	{"a name not in the certificate", NULL, NULL, 0, "mx.other.test", true, 0, true,
		"ostname mismatch", "TLS handshake", false, "", ""},
	{"the same, opportunistic", NULL, NULL, 0, "mx.other.test", false, 0, false, NULL, NULL,
		false, "mx.other.test", ""},
	{"an authority we do not know", NULL, NULL, 1, "mx.one.test", true, 0, true, "self-signed",
		"TLS handshake", false, "", ""},
	{"the same, opportunistic", NULL, NULL, 1, "mx.one.test", false, 0, false, NULL, NULL,
		false, "mx.one.test", ""},
	{"opportunistic, and it fits", NULL, NULL, 0, "mx.one.test", false, 0, false, NULL, NULL,
		true, "mx.one.test", ""},
	{"the second certificate by name", NULL, NULL, 1, "MX.two.test", true, 0, false, NULL, NULL,
		true, "MX.two.test", ""},
	{"a wildcard's certificate", NULL, NULL, 2, "a.wild.test", true, 0, false, NULL, NULL, true,
		"a.wild.test", ""},
	{"a wildcard is one label", NULL, NULL, 2, "a.b.wild.test", true, 0, true, "self-signed",
		"TLS handshake", false, "", ""},
	{"a client that offers no protocol", "smtp", NULL, 0, "mx.one.test", true, 0, false, NULL,
		NULL, true, "mx.one.test", ""},
	{"a server without protocols", NULL, "smtp", 0, "mx.one.test", true, 0, false, NULL, NULL,
		true, "mx.one.test", ""},
	{"another protocol", "smtp", "http/1.1", 0, "mx.one.test", true, 0, true,
		"no application protocol", "no application protocol", false, "", ""},
};

static FIBER int cases_main(void *arg)
{
	for (size_t i = 0; i < ARRAY_LEN(tls_cases); i++) {
		struct tls_server *server = server_new("smtp", tls_cases[i].server_alpn, false);

		play_case(&tls_cases[i], server);
		tls_server_free(&server);
	}
	return 0;
}

static void names_authorities_and_protocols_decide(void **state)
{
	test_run_sim(cases_main, NULL);
}

static FIBER int tickets_main(void *arg)
{
	int version = *(int *)arg;
	struct tls_server *smtp = server_new("smtp", NULL, true);
	struct tls_server *imap = server_new("imap", NULL, true);
	struct raw r;
	bool is_resumed;
	struct err e = {0};

	raw_init(&r, version);
	assert_int_equal(raw_talk(&r, smtp, &is_resumed), 0);
	assert_false(is_resumed);
	assert_non_null(r.session);
	/* The same service takes its ticket, also after a reload of certificates. */
	assert_int_equal(raw_talk(&r, smtp, &is_resumed), 0);
	assert_true(is_resumed);
	assert_int_equal(tls_server_reload(smtp, &e), 0);
	assert_int_equal(raw_talk(&r, smtp, &is_resumed), 0);
	assert_true(is_resumed);
	/* Another service does not know it: a full handshake follows. */
	assert_int_equal(raw_talk(&r, imap, &is_resumed), 0);
	assert_false(is_resumed);
	raw_fini(&r);
	tls_server_free(&smtp);
	tls_server_free(&imap);
	return 0;
}

static void a_ticket_is_good_for_its_service_only(void **state)
{
	int version = TLS1_3_VERSION;

	test_run_sim(tickets_main, &version);
	version = TLS1_2_VERSION;
	test_run_sim(tickets_main, &version);
}

static FIBER int versions_main(void *arg)
{
	struct tls_server *strict = server_new("smtp", NULL, false);
	struct tls_server *wide = server_new("smtp", NULL, true);
	struct raw r;
	bool is_resumed;

	raw_init(&r, TLS1_2_VERSION);
	assert_int_equal(raw_talk(&r, strict, &is_resumed), -1);
	assert_int_equal(raw_talk(&r, wide, &is_resumed), 0);
	raw_fini(&r);
	/* TLS 1.1 is refused by either. */
	raw_init(&r, TLS1_1_VERSION);
	SSL_CTX_set_security_level(r.ctx, 0);
	assert_int_equal(raw_talk(&r, wide, &is_resumed), -1);
	raw_fini(&r);
	tls_server_free(&strict);
	tls_server_free(&wide);
	return 0;
}

static void old_versions_are_refused(void **state)
{
	test_run_sim(versions_main, NULL);
}

/* ---- what must not pass ---- */

static FIBER int injected_server_main(void *arg)
{
	struct tls_server *server = server_new("smtp", NULL, false);
	struct tls_client *client = client_new(NULL, 0);
	struct side x = {.tls = server};
	struct stream *s;
	struct fiber_group g;
	struct span line;
	struct err e = {0};

	stream_pair(&s, &x.s, 0);
	buf_init(&x.got, 1000);
	stream_put(s, SPAN("STARTTLS\r\nMAIL FROM:<evil@example>\r\n"));
	assert_int_equal(stream_flush(s, &e), 0);
	assert_int_equal(stream_read_line(x.s, 100, &line, NULL, &e), 0);
	assert_span_equal(line, "STARTTLS");
	/* The reply waits in the server's buffer: it leaves in clear, before the handshake. */
	stream_put(x.s, SPAN("220 go ahead\r\n"));
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "server", serve, &x, &e), 0);
	assert_int_equal(stream_read_line(s, 100, &line, NULL, &e), 0);
	assert_span_equal(line, "220 go ahead");
	assert_int_equal(tls_connect(s, client, SPAN("mx.one.test"), true, &e), 0);
	stream_put(s, SPAN("NOOP\r\n"));
	assert_int_equal(stream_shutdown(s, &e), 0);
	fiber_group_join(&g);
	assert_string_equal(buf_cstr(&x.got), "NOOP\r\n");
	buf_fini(&x.got);
	stream_free(&s);
	stream_free(&x.s);
	tls_client_free(&client);
	tls_server_free(&server);
	return 0;
}

static void commands_before_the_handshake_are_forgotten(void **state)
{
	test_run_sim(injected_server_main, NULL);
}

static FIBER int injected_client_main(void *arg)
{
	struct tls_client *client = client_new(NULL, 0);
	struct stream *s, *peer;
	struct span line;
	struct err e = {0};

	stream_pair(&s, &peer, 0);
	stream_put(peer, SPAN("220 go ahead\r\n250-evil.example\r\n"));
	assert_int_equal(stream_flush(peer, &e), 0);
	assert_int_equal(stream_read_line(s, 100, &line, NULL, &e), 0);
	assert_int_equal(tls_connect(s, client, SPAN("mx.one.test"), true, &e), -1);
	assert_int_equal(e.code, ERR_TLS);
	/* Nothing more goes out, in clear or otherwise. */
	stream_put(s, SPAN("EHLO me\r\n"));
	assert_int_equal(stream_flush(s, &e), -1);
	assert_int_equal(e.code, ERR_TLS);
	stream_free(&s);
	stream_free(&peer);
	tls_client_free(&client);
	return 0;
}

static void a_reply_before_the_handshake_is_an_attack(void **state)
{
	test_run_sim(injected_client_main, NULL);
}

/* How the client's end ends; what the server's reading says. */
struct ending {
	const char *what;
	bool says_goodbye;
	const char *then; /* in clear, behind it */
	enum err_code code;
};

static FIBER int endings_main(void *arg)
{
	static const struct ending rows[] = {
		{"close_notify and the end", true, "", ERR_EOF},
		{"the end without close_notify", false, "", ERR_TLS},
		{"close_notify, then an octet in clear", true, "x", ERR_TLS},
		{"octets in clear inside the session", false, "QUIT\r\n", ERR_TLS},
	};
	struct tls_server *server = server_new("smtp", NULL, true);

	for (size_t i = 0; i < ARRAY_LEN(rows) * 2; i++) {
		const struct ending *row = &rows[i / 2];
		struct raw r;
		struct side x;
		struct fiber_group g;

		print_message("# %s\n", row->what);
		raw_init(&r, i % 2 ? TLS1_2_VERSION : TLS1_3_VERSION);
		assert_int_equal(raw_open(&r, server, &x, &g), 0);
		assert_int_equal(SSL_write(r.ssl, "DATA\r\n", 6), 6);
		if (row->says_goodbye)
			SSL_shutdown(r.ssl);
		BIO_write(r.out, row->then, (int)strlen(row->then));
		raw_push(&r);
		stream_shutdown(r.s, NULL);
		fiber_group_join(&g);
		assert_string_equal(buf_cstr(&x.got), "DATA\r\n");
		assert_int_equal(x.e.code, row->code);
		/* Dead for good, and nothing more is said. */
		assert_int_equal(stream_fill(x.s, &x.e), -1);
		assert_int_equal(x.e.code, row->code);
		assert_int_equal(x.s->is_broken, row->code == ERR_TLS);
		raw_close(&r, &x, &g);
		raw_fini(&r);
	}
	tls_server_free(&server);
	return 0;
}

static void only_close_notify_ends_a_session_well(void **state)
{
	test_run_sim(endings_main, NULL);
}

static FIBER int garbage_main(void *arg)
{
	static const char *const rows[] = {"EHLO me\r\n", "GET / HTTP/1.1\r\n\r\n",
		"\x16\x03\x01\xff\xff\x01", "\x16\x03\x01\x02\x00"};
	struct tls_server *server = server_new("smtp", NULL, true);

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct side x = {.tls = server};
		struct stream *s;
		struct fiber_group g;
		struct err e = {0};

		stream_pair(&s, &x.s, 0);
		fiber_group_init(&g);
		assert_int_equal(fiber_start(&g, "server", serve, &x, &e), 0);
		stream_put(s, span_str(rows[i]));
		assert_int_equal(stream_shutdown(s, &e), 0);
		fiber_group_join(&g);
		assert_int_equal(x.rc, -1);
		assert_int_equal(x.e.code, ERR_TLS);
		assert_null(x.s->tls);
		stream_free(&s);
		stream_free(&x.s);
	}
	tls_server_free(&server);
	return 0;
}

static void what_is_no_handshake_is_refused(void **state)
{
	test_run_sim(garbage_main, NULL);
}

static FIBER int silent_main(void *arg)
{
	struct tls_server *server = server_new("smtp", NULL, true);
	struct side x = {.tls = server};
	struct stream *s;
	struct fiber_group g;
	struct err e = {0};
	int64_t began = loop_now_ns();

	stream_pair(&s, &x.s, 0);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "server", serve, &x, &e), 0);
	fiber_group_join(&g);
	assert_int_equal(x.e.code, ERR_TIMEOUT);
	assert_int_equal(loop_now_ns() - began, 30 * CLOCK_SEC);
	stream_free(&s);
	stream_free(&x.s);
	tls_server_free(&server);
	return 0;
}

static void a_silent_client_meets_the_deadline(void **state)
{
	test_run_sim(silent_main, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_authorities_and_protocols_decide),
		cmocka_unit_test(a_ticket_is_good_for_its_service_only),
		cmocka_unit_test(old_versions_are_refused),
		cmocka_unit_test(commands_before_the_handshake_are_forgotten),
		cmocka_unit_test(a_reply_before_the_handshake_is_an_attack),
		cmocka_unit_test(only_close_notify_ends_a_session_well),
		cmocka_unit_test(what_is_no_handshake_is_refused),
		cmocka_unit_test(a_silent_client_meets_the_deadline),
	};

	return cmocka_run_group_tests_name(
		"net/tls", tests, make_certificates, remove_certificates);
}
