#include "tls_test.h"

#include "net/trace.h"

/* ---- economy ---- */

static FIBER int segments_main(void *arg)
{
	struct tls_server *server = server_new("smtp", NULL, false);
	struct tls_client *client = client_new(NULL, 0);
	struct side x = {.tls = server};
	struct stream *s;
	struct wire *ours, *theirs;
	struct fiber_group g;
	struct span line;
	struct err e = {0};

	stream_pair(&s, &x.s, CLOCK_MS);
	ours = wire_push(s, 0);
	theirs = wire_push(x.s, 0);
	buf_init(&x.got, 1000);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "server", serve, &x, &e), 0);
	assert_int_equal(tls_connect(s, client, SPAN("mx.one.test"), true, &e), 0);
	stream_put(s, SPAN("EHLO me\r\n"));
	assert_int_equal(stream_read_line(s, 100, &line, NULL, &e), 0);
	/* ClientHello; Finished with the first command. */
	assert_int_equal(ours->writes, 2);
	/* ServerHello to Finished; the ticket with the banner. */
	assert_int_equal(theirs->writes, 2);
	/* Idle: after a second no buffer is held above the wire. */
	assert_int_equal(fiber_sleep(3 * CLOCK_SEC, &e), 0);
	assert_null(x.s->in.mem);
	assert_null(x.s->out.mem);
	assert_int_equal(stream_shutdown(s, &e), 0);
	fiber_group_join(&g);
	buf_fini(&x.got);
	stream_free(&s);
	stream_free(&x.s);
	tls_client_free(&client);
	tls_server_free(&server);
	return 0;
}

static void the_ticket_and_the_banner_are_one_segment(void **state)
{
	test_run_sim(segments_main, NULL);
}

/* Both directions at once, more than the pipe holds: a reader and a writer a side. */
#define BULK (900 * 1024)

static FIBER int bulk_write(void *arg)
{
	struct stream *s = arg;
	struct err e = {0};
	char *bytes = mem_alloc(BULK);
	size_t at = 0, n = 1;

	for (size_t i = 0; i < BULK; i++)
		bytes[i] = (char)(i * 31 + i / 253);
	/* Parts of all sizes, some longer than a record. */
	while (at < BULK) {
		struct span parts[3];
		size_t count = 0;

		for (; count < 3 && at < BULK; count++) {
			size_t len = n < BULK - at ? n : BULK - at;

			parts[count] = span_of(bytes + at, len);
			at += len;
			n = n * 5 % 40009;
		}
		assert_int_equal(stream_write(s, parts, count, &e), 0);
	}
	free(bytes);
	return 0;
}

static FIBER void bulk_read(struct stream *s)
{
	struct err e = {0};

	for (size_t at = 0; at < BULK;) {
		struct span in;

		assert_int_equal(stream_fill(s, &e), 0);
		in = stream_peek(s);
		for (size_t i = 0; i < in.len; i++, at++)
			if (in.ptr[i] != (char)(at * 31 + at / 253))
				fail_msg("octet %zu is wrong", at);
		stream_consume(s, in.len);
	}
}

static FIBER void bulk_both(struct stream *s)
{
	struct fiber_group g;

	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "write", bulk_write, s, NULL), 0);
	bulk_read(s);
	fiber_group_join(&g);
}

static FIBER int bulk_server(void *arg)
{
	struct side *x = arg;

	assert_int_equal(tls_accept(x->s, x->tls, &x->e), 0);
	bulk_both(x->s);
	return 0;
}

static FIBER int bulk_main(void *arg)
{
	struct tls_server *server = server_new("smtp", NULL, false);
	struct tls_client *client = client_new(NULL, 0);
	struct side x = {.tls = server};
	struct stream *s;
	struct fiber_group g;
	struct err e = {0};

	stream_pair(&s, &x.s, CLOCK_MS);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "server", bulk_server, &x, &e), 0);
	assert_int_equal(tls_connect(s, client, SPAN("mx.one.test"), true, &e), 0);
	bulk_both(s);
	fiber_group_join(&g);
	stream_free(&s);
	stream_free(&x.s);
	tls_client_free(&client);
	tls_server_free(&server);
	return 0;
}

static void both_directions_flow_at_once(void **state)
{
	test_run_sim(bulk_main, NULL);
}

/* ---- certificates ---- */

static void wreck(const char *path)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs("no certificate\n", f);
	fclose(f);
}

static FIBER int reload_main(void *arg)
{
	struct tls_case before = {.what = "before",
		.ca = 0,
		.name = "mx.one.test",
		.is_verify = true,
		.is_verified = true,
		.sni = "mx.one.test",
		.alpn = ""};
	struct tls_case after = {.what = "after",
		.ca = 0,
		.name = "mx.new.test",
		.is_verify = true,
		.is_verified = true,
		.sni = "mx.new.test",
		.alpn = ""};
	struct tls_server *server = server_new("smtp", NULL, false);
	struct err e = {0};

	play_case(&before, server);
	/* A file that cannot be read leaves all as it was. */
	wreck(fix.key[0]);
	assert_int_equal(tls_server_reload(server, &e), -1);
	assert_non_null(strstr(e.text, fix.key[0]));
	play_case(&before, server);
	/* So does a certificate with another's key. */
	assert_int_equal(tls_make_self_signed("mx.new.test", fix.cert[0], fix.key[0], &e), 0);
	wreck(fix.cert[0]);
	assert_int_equal(tls_server_reload(server, &e), -1);
	assert_int_equal(tls_make_self_signed("mx.new.test", fix.cert[0], fix.key[0], &e), 0);
	assert_int_equal(tls_server_reload(server, &e), 0);
	play_case(&after, server);
	tls_server_free(&server);
	return 0;
}

static void certificates_change_without_a_restart(void **state)
{
	test_run_sim(reload_main, NULL);
	remove_certificates(NULL);
	make_certificates(NULL);
}

static FIBER int held_main(void *arg)
{
	struct tls_server *server = server_new("smtp", NULL, false);
	struct raw r;
	struct side x;
	struct fiber_group g;
	struct err e = {0};

	raw_init(&r, TLS1_3_VERSION);
	assert_int_equal(raw_open(&r, server, &x, &g), 0);
	/* The connection outlives reload and server. */
	assert_int_equal(tls_server_reload(server, &e), 0);
	tls_server_free(&server);
	assert_int_equal(SSL_write(r.ssl, "NOOP\r\n", 6), 6);
	SSL_shutdown(r.ssl);
	raw_push(&r);
	raw_close(&r, &x, &g);
	assert_int_equal(x.e.code, ERR_EOF);
	raw_fini(&r);
	return 0;
}

static void a_connection_keeps_what_it_began_with(void **state)
{
	test_run_sim(held_main, NULL);
}

static void a_key_is_readable_for_its_owner_only(void **state)
{
	static const char *const bad[] = {"", ",", "a,,b", "a b", "a\nb", "a,IP:1", "\xc3\xa4.test",
		"a;b", "a/b", "DNS:x,email:y@z"};
	struct stat st;
	struct err e = {0};
	char cert[SCRATCH_MAX + 16], key[SCRATCH_MAX + 16];

	assert_int_equal(stat(fix.key[0], &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(stat(fix.cert[0], &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	snprintf(cert, sizeof(cert), "%s/bad.pem", fix_dir);
	snprintf(key, sizeof(key), "%s/bad.key", fix_dir);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		assert_int_equal(tls_make_self_signed(bad[i], cert, key, &e), -1);
		assert_int_equal(access(key, F_OK), -1);
	}
}

static void wrong_files_are_told_by_name(void **state)
{
	struct tls_cert_files files = {fix.cert[0], fix.key[1], NULL};
	struct tls_server_opts o = {.service = "smtp", .certs = &files, .cert_count = 1};
	struct tls_client_opts c = {.ca_file = "/nowhere/ca.pem"};
	struct err e = {0};

	assert_null(tls_server_new(&o, &e));
	assert_non_null(strstr(e.text, fix.key[1]));
	files.cert = "/nowhere/cert.pem";
	assert_null(tls_server_new(&o, &e));
	assert_non_null(strstr(e.text, "/nowhere/cert.pem"));
	o.cert_count = 0;
	assert_null(tls_server_new(&o, &e));
	assert_int_equal(e.code, ERR_CONFIG);
	assert_null(tls_client_new(&c, &e));
	assert_non_null(strstr(e.text, "/nowhere/ca.pem"));
}

/* ---- the trace stays on top ---- */

static void note_line(void *arg, enum trace_dir dir, int64_t mono_ns, struct span text, bool is_cut)
{
	static const char *const marks[] = {"< ", "> ", "* "};

	buf_str(arg, marks[dir]);
	buf_span_put(arg, text);
	buf_char(arg, '\n');
}

static FIBER int traced_main(void *arg)
{
	struct tls_server *server = server_new("smtp", NULL, false);
	struct tls_client *client = client_new(NULL, 0);
	struct side x = {.tls = server};
	struct trace_opts trace = {.line = note_line};
	struct stream *s;
	struct fiber_group g;
	struct span line;
	struct buf seen;
	struct err e = {0};

	buf_init(&seen, 10000);
	trace.arg = &seen;
	stream_pair(&s, &x.s, CLOCK_MS);
	buf_init(&x.got, 1000);
	trace_push(s, &trace);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "server", serve, &x, &e), 0);
	assert_int_equal(tls_connect(s, client, SPAN("mx.one.test"), true, &e), 0);
	stream_put(s, SPAN("EHLO me\r\n"));
	assert_int_equal(stream_read_line(s, 100, &line, NULL, &e), 0);
	assert_int_equal(stream_shutdown(s, &e), 0);
	fiber_group_join(&g);
	assert_string_equal(
		buf_cstr(&seen), "* TLSv1.3 TLS_AES_256_GCM_SHA384\n> EHLO me\n< 220 hello\n");
	buf_fini(&seen);
	buf_fini(&x.got);
	stream_free(&s);
	stream_free(&x.s);
	tls_client_free(&client);
	tls_server_free(&server);
	return 0;
}

static void a_trace_shows_what_tls_protects(void **state)
{
	test_run_sim(traced_main, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_ticket_and_the_banner_are_one_segment),
		cmocka_unit_test(both_directions_flow_at_once),
		cmocka_unit_test(certificates_change_without_a_restart),
		cmocka_unit_test(a_connection_keeps_what_it_began_with),
		cmocka_unit_test(a_key_is_readable_for_its_owner_only),
		cmocka_unit_test(wrong_files_are_told_by_name),
		cmocka_unit_test(a_trace_shows_what_tls_protects),
	};

	return cmocka_run_group_tests_name(
		"net/tls_flow", tests, make_certificates, remove_certificates);
}
