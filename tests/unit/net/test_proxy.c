#include "tls_test.h"

#include "net/proxy.h"

#define SIGN    "\r\n\r\n\0\r\nQUIT\n"
#define V4_BODY "\300\0\2\1\306\63\144\2\x30\x39\0\31"
#define V6_BODY                                                                                    \
	"\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\2\x30\x39\0\31"

#define LIT(s)                                                                                     \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}

struct proxy_case {
	const char *what;
	struct span bytes;
	const char *src, *dst; /* NULL: local */
};

static const struct proxy_case good[] = {
	{"v1 IPv4", LIT("PROXY TCP4 192.0.2.1 198.51.100.2 12345 25\r\n"), "192.0.2.1:12345",
		"198.51.100.2:25"},
	{"v1 IPv6", LIT("PROXY TCP6 2001:db8::1 2001:db8::2 12345 25\r\n"), "[2001:db8::1]:12345",
		"[2001:db8::2]:25"},
	{"v1 port 0", LIT("PROXY TCP4 192.0.2.1 198.51.100.2 0 65535\r\n"), "192.0.2.1:0",
		"198.51.100.2:65535"},
	{"v1 unknown", LIT("PROXY UNKNOWN\r\n"), NULL, NULL},
	{"v1 unknown and more",
		LIT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
		NULL, NULL},
	{"v2 IPv4", LIT(SIGN "\x21\x11\0\x0c" V4_BODY), "192.0.2.1:12345", "198.51.100.2:25"},
	{"v2 IPv6", LIT(SIGN "\x21\x21\0\x24" V6_BODY), "[2001:db8::1]:12345", "[2001:db8::2]:25"},
	{"v2 with TLVs", LIT(SIGN "\x21\x11\0\x16" V4_BODY "\x04\0\0\xe0\0\4abcd"),
		"192.0.2.1:12345", "198.51.100.2:25"},
	{"v2 with its checksum", LIT(SIGN "\x21\x11\0\x13" V4_BODY "\3\0\4\x97\x8b\x0b\x4c"),
		"192.0.2.1:12345", "198.51.100.2:25"},
	{"v2 local", LIT(SIGN "\x20\0\0\0"), NULL, NULL},
	{"v2 local with what should not be there", LIT(SIGN "\x20\x11\0\3abc"), NULL, NULL},
	{"v2 unspecified", LIT(SIGN "\x21\0\0\0"), NULL, NULL},
	{"v2 datagrams", LIT(SIGN "\x21\x12\0\x0c" V4_BODY), NULL, NULL},
	{"v2 Unix socket", LIT(SIGN "\x21\x31\0\x02xy"), NULL, NULL},
};

static const struct proxy_case bad[] = {
	{"an SMTP command", LIT("EHLO me\r\n")},
	{"a TLS hello", LIT("\x16\3\1\0\5")},
	{"small letters", LIT("proxy TCP4 192.0.2.1 198.51.100.2 1 25\r\n")},
	{"no CR", LIT("PROXY TCP4 192.0.2.1 198.51.100.2 1 25\n")},
	{"a CR inside", LIT("PROXY TCP4 192.0.2.1\r198.51.100.2 1 25\r\n")},
	{"an unknown family", LIT("PROXY TCP5 192.0.2.1 198.51.100.2 1 25\r\n")},
	{"no family", LIT("PROXY \r\n")},
	{"unknown with a tail", LIT("PROXY UNKNOWNx\r\n")},
	{"IPv6 said to be IPv4", LIT("PROXY TCP4 ::1 ::1 1 25\r\n")},
	{"IPv4 said to be IPv6", LIT("PROXY TCP6 192.0.2.1 198.51.100.2 1 25\r\n")},
	{"two spaces", LIT("PROXY TCP4  192.0.2.1 198.51.100.2 1 25\r\n")},
	{"a space at the end", LIT("PROXY TCP4 192.0.2.1 198.51.100.2 1 25 \r\n")},
	{"a port missing", LIT("PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n")},
	{"a port too large", LIT("PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n")},
	{"a leading zero", LIT("PROXY TCP4 192.0.2.1 198.51.100.2 01 25\r\n")},
	{"a sign", LIT("PROXY TCP4 192.0.2.1 198.51.100.2 +1 25\r\n")},
	{"a name", LIT("PROXY TCP4 localhost 198.51.100.2 1 25\r\n")},
	{"an octet of the address too large", LIT("PROXY TCP4 192.0.2.256 198.51.100.2 1 25\r\n")},
	{"a version 3", LIT(SIGN "\x31\x11\0\x0c" V4_BODY)},
	{"an unknown command", LIT(SIGN "\x22\x11\0\x0c" V4_BODY)},
	{"an unknown v2 family", LIT(SIGN "\x21\x41\0\x0c" V4_BODY)},
	{"an unknown transport", LIT(SIGN "\x21\x13\0\x0c" V4_BODY)},
	{"no room for IPv4", LIT(SIGN "\x21\x11\0\x0b" V4_BODY)},
	{"no room for IPv6", LIT(SIGN "\x21\x21\0\x0c" V4_BODY)},
	{"a TLV that is cut", LIT(SIGN "\x21\x11\0\x0e" V4_BODY "\4\0")},
	{"a TLV that is too long", LIT(SIGN "\x21\x11\0\x0f" V4_BODY "\4\0\1")},
	{"a wrong checksum", LIT(SIGN "\x21\x11\0\x13" V4_BODY "\3\0\4\1\2\3\4")},
	{"a checksum of two octets", LIT(SIGN "\x21\x11\0\x11" V4_BODY "\3\0\2\1\2")},
};

static void addr_is(const struct addr *a, const char *want)
{
	struct buf b;

	buf_init(&b, ADDR_TEXT_MAX);
	if (want) {
		addr_put(&b, a);
		assert_string_equal(buf_cstr(&b), want);
	} else {
		assert_int_equal(a->len, 0);
	}
	buf_fini(&b);
}

static void good_headers_are_taken_once_whole(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct proxy_header h;
		struct err e = {0};
		size_t used;
		struct buf more;

		print_message("# %s\n", good[i].what);
		for (size_t n = 0; n < good[i].bytes.len; n++) {
			assert_int_equal(
				proxy_parse(span_sub(good[i].bytes, 0, n), &h, &used, &e), 0);
			assert_int_equal(used, 0);
		}
		/* And what stands behind it is not looked at. */
		buf_init(&more, 10000);
		buf_span_put(&more, good[i].bytes);
		buf_str(&more, "\xff\xffPROXY ");
		assert_int_equal(proxy_parse(buf_span(&more), &h, &used, &e), 0);
		assert_int_equal(used, good[i].bytes.len);
		assert_int_equal(h.is_local, good[i].src == NULL);
		addr_is(&h.src, good[i].src);
		addr_is(&h.dst, good[i].dst);
		buf_fini(&more);
	}
}

static void bad_headers_are_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct proxy_header h;
		struct err e = {0};
		size_t used;

		print_message("# %s\n", bad[i].what);
		assert_int_equal(proxy_parse(bad[i].bytes, &h, &used, &e), -1);
		assert_int_equal(e.code, ERR_SYNTAX);
		assert_int_equal(e.scope, ERR_SCOPE_PEER);
		assert_int_equal(used, 0);
	}
}

static void long_headers_are_refused_early(void **state)
{
	struct proxy_header h;
	struct err e = {0};
	size_t used;
	struct buf b;

	buf_init(&b, 10000);
	buf_str(&b, "PROXY UNKNOWN ");
	while (buf_len(&b) < PROXY_V1_MAX - 1)
		buf_char(&b, 'x');
	assert_int_equal(proxy_parse(buf_span(&b), &h, &used, &e), 0);
	buf_char(&b, 'x');
	assert_int_equal(proxy_parse(buf_span(&b), &h, &used, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	buf_clear(&b);
	/* The length alone decides: nobody waits for 64 KiB. */
	buf_put(&b, SIGN "\x21\x11\x0f\xf0", 16);
	assert_int_equal(proxy_parse(buf_span(&b), &h, &used, &e), 0);
	buf_clear(&b);
	buf_put(&b, SIGN "\x21\x11\x0f\xf1", 16);
	assert_int_equal(proxy_parse(buf_span(&b), &h, &used, &e), -1);
	assert_int_equal(e.code, ERR_LIMIT);
	buf_fini(&b);
}

static void what_is_written_is_read_again(void **state)
{
	static const char *const pairs[][2] = {{"192.0.2.1:12345", "198.51.100.2:25"},
		{"[2001:db8::1]:1", "[2001:db8::2]:65535"}, {"192.0.2.1:1", "[2001:db8::2]:2"},
		{"unix:/x", "192.0.2.1:1"}};

	for (size_t i = 0; i < ARRAY_LEN(pairs) * 2; i++) {
		struct addr src, dst;
		struct proxy_header h;
		struct err e = {0};
		struct buf b;
		size_t used;

		assert_int_equal(addr_parse(span_str(pairs[i / 2][0]), 0, &src, &e), 0);
		assert_int_equal(addr_parse(span_str(pairs[i / 2][1]), 0, &dst, &e), 0);
		buf_init(&b, 1000);
		if (i % 2)
			proxy_put_v1(&b, &src, &dst);
		else
			proxy_put_v2(&b, &src, &dst);
		assert_int_equal(proxy_parse(buf_span(&b), &h, &used, &e), 0);
		assert_int_equal(used, buf_len(&b));
		assert_int_equal(h.is_local, i >= 4);
		if (!h.is_local)
			assert_true(addr_eq(&h.src, &src) && addr_eq(&h.dst, &dst));
		buf_fini(&b);
	}
}

static FIBER int stream_main(void *arg)
{
	struct stream *a, *b;
	struct span line;
	struct err e = {0};

	/* Whole with what follows, then octet by octet. */
	for (size_t cut = 0; cut < 2; cut++) {
		stream_pair(&a, &b, CLOCK_MS);
		wire_push(b, cut);
		stream_put(
			a, SPAN("PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 12345 25\r\nEHLO x\r\n"));
		assert_int_equal(stream_shutdown(a, &e), 0);
		assert_int_equal(proxy_read(b, &e), 0);
		addr_is(&b->peer, "192.0.2.1:12345");
		addr_is(&b->local, "[2001:db8::2]:25");
		assert_int_equal(stream_read_line(b, 100, &line, NULL, &e), 0);
		assert_span_equal(line, "EHLO x");
		assert_int_equal(stream_fill(b, &e), -1);
		assert_int_equal(e.code, ERR_EOF);
		assert_int_equal(b->bytes_in, a->bytes_out);
		stream_free(&a);
		stream_free(&b);
	}
	stream_pair(&a, &b, 0);
	stream_put(a, SPAN("EHLO x\r\n"));
	assert_int_equal(stream_shutdown(a, &e), 0);
	assert_int_equal(proxy_read(b, &e), -1);
	assert_int_equal(e.code, ERR_SYNTAX);
	assert_true(b->is_broken);
	stream_free(&a);
	stream_free(&b);
	stream_pair(&a, &b, 0);
	stream_put(a, SPAN("PROXY TCP4"));
	assert_int_equal(stream_flush(a, &e), 0);
	stream_set_timeout(b, 5 * CLOCK_SEC);
	assert_int_equal(proxy_read(b, &e), -1);
	assert_int_equal(e.code, ERR_TIMEOUT);
	stream_free(&a);
	stream_free(&b);
	return 0;
}

static void a_stream_behind_a_proxy_has_the_real_addresses(void **state)
{
	test_run_sim(stream_main, NULL);
}

/* ---- a TLS hello in the segment of the header ---- */

/* Holds back what is written until it is a handshake's, then sends the header with it. */
struct gluer {
	struct filter filter;
	bool is_glued;
};

static FIBER ssize_t gluer_read(
	struct filter *f, void *p, size_t n, int64_t deadline_ns, struct err *e)
{
	return f->below->ops->read(f->below, p, n, deadline_ns, e);
}

static FIBER int gluer_write(struct filter *f, const struct span *parts, size_t count,
	int64_t deadline_ns, struct err *e)
{
	struct gluer *g = (struct gluer *)f;
	struct span both[2] = {SPAN("PROXY TCP4 192.0.2.1 198.51.100.2 12345 465\r\n"), parts[0]};

	if (g->is_glued)
		return f->below->ops->write(f->below, parts, count, deadline_ns, e);
	g->is_glued = true;
	return f->below->ops->write(f->below, both, 2, deadline_ns, e);
}

static const struct filter_ops gluer_ops = {
	.name = "gluer", .read = gluer_read, .write = gluer_write, .free = wire_free};

static FIBER int behind_proxy(void *arg)
{
	struct side *x = arg;

	assert_int_equal(proxy_read(x->s, &x->e), 0);
	return serve(x);
}

static FIBER int tls_main(void *arg)
{
	struct tls_server *server = server_new("submissions", NULL, false);
	struct tls_client *client = client_new(NULL, 0);
	struct side x = {.tls = server};
	struct gluer *glue = NEW(struct gluer);
	struct fiber_group g;
	struct stream *s;
	struct span line;
	struct err e = {0};

	stream_pair(&s, &x.s, CLOCK_MS);
	glue->filter.ops = &gluer_ops;
	stream_push(s, &glue->filter);
	buf_init(&x.got, 1000);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "server", behind_proxy, &x, &e), 0);
	assert_int_equal(tls_connect(s, client, SPAN("mx.one.test"), true, &e), 0);
	assert_int_equal(stream_read_line(s, 100, &line, NULL, &e), 0);
	assert_span_equal(line, "220 hello");
	assert_int_equal(stream_shutdown(s, &e), 0);
	fiber_group_join(&g);
	addr_is(&x.s->peer, "192.0.2.1:12345");
	buf_fini(&x.got);
	stream_free(&s);
	stream_free(&x.s);
	tls_client_free(&client);
	tls_server_free(&server);
	return 0;
}

static void tls_begins_where_the_header_ends(void **state)
{
	test_run_sim(tls_main, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_headers_are_taken_once_whole),
		cmocka_unit_test(bad_headers_are_refused),
		cmocka_unit_test(long_headers_are_refused_early),
		cmocka_unit_test(what_is_written_is_read_again),
		cmocka_unit_test(a_stream_behind_a_proxy_has_the_real_addresses),
		cmocka_unit_test(tls_begins_where_the_header_ends),
	};

	return cmocka_run_group_tests_name(
		"net/proxy", tests, make_certificates, remove_certificates);
}
