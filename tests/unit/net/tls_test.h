#pragma once
/* What the tests of TLS share: certificates, a server fiber, a client made of OpenSSL alone. */

/* OpenSSL's names first (net/tls_priv.h says why). */
#include "net/tls_priv.h"

#include "net_test.h"

#include <sys/stat.h>
#include <unistd.h>

#include "lib/scratch.h"

/* ---- certificates for all tests ---- */

struct fixture {
	char cert[3][SCRATCH_MAX + 16], key[3][SCRATCH_MAX + 16];
};

static struct fixture fix;
static char fix_dir[SCRATCH_MAX];

static inline int make_certificates(void **state)
{
	static const char *const names[] = {
		"mx.one.test, localhost,127.0.0.1,::1", "mx.two.test", "*.wild.test"};
	struct err e = {0};

	assert_true(scratch_new(fix_dir));
	for (int i = 0; i < 3; i++) {
		snprintf(fix.cert[i], sizeof(fix.cert[i]), "%s/c%d.pem", fix_dir, i);
		snprintf(fix.key[i], sizeof(fix.key[i]), "%s/k%d.pem", fix_dir, i);
		assert_int_equal(tls_make_self_signed(names[i], fix.cert[i], fix.key[i], &e), 0);
	}
	return 0;
}

static inline int remove_certificates(void **state)
{
	return scratch_remove(fix_dir) ? 0 : -1;
}

static inline struct tls_server *server_new(const char *service, const char *alpn, bool is_tls12)
{
	struct tls_cert_files files[] = {
		{fix.cert[0], fix.key[0], NULL},
		{fix.cert[1], fix.key[1], "mx.two.test"},
		{fix.cert[2], fix.key[2], "*.wild.test"},
	};
	struct tls_server_opts o = {.service = service,
		.alpn = alpn,
		.certs = files,
		.cert_count = 3,
		.is_tls12_allowed = is_tls12};
	struct err e = {0};
	struct tls_server *t = tls_server_new(&o, &e);

	assert_non_null(t);
	return t;
}

static inline struct tls_client *client_new(const char *alpn, int ca)
{
	struct tls_client_opts o = {.alpn = alpn, .ca_file = fix.cert[ca]};
	struct err e = {0};
	struct tls_client *t = tls_client_new(&o, &e);

	assert_non_null(t);
	return t;
}

/* ---- a server fiber ---- */

struct side {
	struct stream *s;
	struct tls_server *tls;
	const char *banner;
	int rc;       /* of tls_accept */
	struct err e; /* of tls_accept, or what ended the reading */
	char sni[64], alpn[64];
	bool is_resumed;
	struct buf got;
};

static inline FIBER int serve(void *arg)
{
	struct side *x = arg;

	stream_set_timeout(x->s, 30 * CLOCK_SEC);
	x->rc = tls_accept(x->s, x->tls, &x->e);
	if (x->rc < 0)
		return 0;
	if (x->s->tls->sni)
		snprintf(x->sni, sizeof(x->sni), "%s", x->s->tls->sni);
	if (x->s->tls->alpn)
		snprintf(x->alpn, sizeof(x->alpn), "%s", x->s->tls->alpn);
	x->is_resumed = x->s->tls->is_resumed;
	stream_put(x->s, span_str(x->banner ? x->banner : "220 hello\r\n"));
	while (stream_fill(x->s, &x->e) == 0) {
		struct span in = stream_peek(x->s);

		buf_span_put(&x->got, in);
		stream_consume(x->s, in.len);
	}
	if (x->e.code == ERR_EOF)
		stream_shutdown(x->s, NULL);
	return 0;
}

/* Counts what crosses the wire, and cuts what is read. */
struct wire {
	struct filter filter;
	size_t cut, reads, writes;
};

static inline FIBER ssize_t wire_read(
	struct filter *f, void *p, size_t n, int64_t deadline_ns, struct err *e)
{
	struct wire *w = (struct wire *)f;

	w->reads++;
	return f->below->ops->read(f->below, p, w->cut && w->cut < n ? w->cut : n, deadline_ns, e);
}

static inline FIBER int wire_write(struct filter *f, const struct span *parts, size_t count,
	int64_t deadline_ns, struct err *e)
{
	((struct wire *)f)->writes++;
	return f->below->ops->write(f->below, parts, count, deadline_ns, e);
}

static inline void wire_free(struct filter *f)
{
	free(f);
}

static const struct filter_ops wire_ops = {
	.name = "wire", .read = wire_read, .write = wire_write, .free = wire_free};

static inline struct wire *wire_push(struct stream *s, size_t cut)
{
	struct wire *w = NEW(struct wire);

	w->filter.ops = &wire_ops;
	w->cut = cut;
	stream_push(s, &w->filter);
	return w;
}

/* ---- a client of OpenSSL alone, for versions and tickets ---- */

struct raw {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out;
	struct stream *s;
	SSL_SESSION *session; /* the last ticket that came */
	const char *sni;      /* NULL: none */
};

static inline int raw_on_session(SSL *ssl, SSL_SESSION *session)
{
	struct raw *r = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

	SSL_SESSION_free(r->session);
	r->session = session;
	return 1;
}

static inline void raw_init(struct raw *r, int max_version)
{
	memset(r, 0, sizeof(*r));
	r->ctx = SSL_CTX_new(TLS_client_method());
	assert_non_null(r->ctx);
	SSL_CTX_set_max_proto_version(r->ctx, max_version);
	SSL_CTX_set_session_cache_mode(r->ctx, SSL_SESS_CACHE_CLIENT);
	SSL_CTX_set_app_data(r->ctx, r);
	SSL_CTX_sess_set_new_cb(r->ctx, raw_on_session);
}

static inline void raw_fini(struct raw *r)
{
	SSL_SESSION_free(r->session);
	SSL_CTX_free(r->ctx);
}

static inline FIBER void raw_push(struct raw *r)
{
	char *p;
	long n = BIO_get_mem_data(r->out, &p);

	if (n > 0) {
		struct span part = span_of(p, n);

		stream_write(r->s, &part, 1, NULL);
		(void)BIO_reset(r->out);
	}
}

static inline FIBER int raw_pull(struct raw *r)
{
	struct span got;

	raw_push(r);
	if (stream_fill(r->s, NULL) < 0)
		return -1;
	got = stream_peek(r->s);
	BIO_write(r->in, got.ptr, (int)got.len);
	stream_consume(r->s, got.len);
	return 0;
}

/* Shake hands with a server fiber, offering the session, and read its banner. */
static inline FIBER int raw_open(
	struct raw *r, struct tls_server *server, struct side *x, struct fiber_group *g)
{
	char banner[100];
	int rc, got;

	*x = (struct side){.tls = server};
	stream_pair(&r->s, &x->s, CLOCK_MS);
	buf_init(&x->got, 1000);
	fiber_group_init(g);
	assert_int_equal(fiber_start(g, "server", serve, x, NULL), 0);
	r->ssl = SSL_new(r->ctx);
	r->in = BIO_new(BIO_s_mem());
	r->out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(r->in, -1);
	SSL_set_bio(r->ssl, r->in, r->out);
	if (r->session)
		SSL_set_session(r->ssl, r->session);
	if (r->sni)
		SSL_set_tlsext_host_name(r->ssl, r->sni);
	while ((rc = SSL_connect(r->ssl)) != 1)
		if (SSL_get_error(r->ssl, rc) != SSL_ERROR_WANT_READ || raw_pull(r) < 0)
			break;
	raw_push(r);
	while (rc == 1 && (got = SSL_read(r->ssl, banner, sizeof(banner))) <= 0)
		if (raw_pull(r) < 0)
			rc = -1;
	if (rc == 1)
		assert_int_equal(got, 11);
	/* Of a ticket that renews a session TLS 1.2 calls nobody. */
	if (rc == 1 && SSL_version(r->ssl) < TLS1_3_VERSION && SSL_session_reused(r->ssl)) {
		SSL_SESSION_free(r->session);
		r->session = SSL_get1_session(r->ssl);
	}
	return rc == 1 ? 0 : -1;
}

static inline FIBER void raw_close(struct raw *r, struct side *x, struct fiber_group *g)
{
	stream_shutdown(r->s, NULL);
	fiber_group_join(g);
	ERR_clear_error();
	SSL_free(r->ssl);
	buf_fini(&x->got);
	stream_free(&r->s);
	stream_free(&x->s);
}

/* A whole conversation; 0 when the handshake went well. */
static __attribute__((noinline, unused)) FIBER int raw_talk(
	struct raw *r, struct tls_server *server, bool *is_resumed_r)
{
	struct side x;
	struct fiber_group g;
	int rc = raw_open(r, server, &x, &g);

	*is_resumed_r = rc == 0 && SSL_session_reused(r->ssl);
	if (rc == 0) {
		assert_int_equal(x.is_resumed, *is_resumed_r);
		SSL_shutdown(r->ssl);
		raw_push(r);
	}
	raw_close(r, &x, &g);
	return rc;
}

/* ---- cases of client and server ---- */

struct tls_case {
	const char *what;
	const char *server_alpn, *client_alpn;
	int ca;
	const char *name;
	bool is_verify;
	size_t cut;
	/* expected */
	bool fails;
	const char *client_says; /* part of the client's error */
	const char *server_says;
	bool is_verified;
	const char *sni, *alpn;
};

static __attribute__((noinline, unused)) FIBER void play_case(
	const struct tls_case *c, struct tls_server *server)
{
	struct tls_client *client = client_new(c->client_alpn, c->ca);
	struct side x = {.tls = server};
	struct stream *s;
	struct fiber_group g;
	struct span line;
	struct err e = {0};
	int rc;

	print_message("# %s\n", c->what);
	stream_pair(&s, &x.s, CLOCK_MS);
	wire_push(s, c->cut);
	wire_push(x.s, c->cut);
	buf_init(&x.got, 1000);
	fiber_group_init(&g);
	assert_int_equal(fiber_start(&g, "server", serve, &x, &e), 0);
	stream_set_timeout(s, 30 * CLOCK_SEC);
	rc = tls_connect(s, client, span_str(c->name), c->is_verify, &e);
	if (c->fails) {
		/* TLS 1.3: the server may learn of it only when it reads. */
		assert_int_equal(rc, -1);
		assert_int_equal(e.code, ERR_TLS);
		assert_int_equal(e.scope, ERR_SCOPE_PEER);
		assert_true(s->is_broken);
		fiber_group_join(&g);
		assert_int_equal(x.e.code, ERR_TLS);
		if (!strstr(e.text, c->client_says))
			fail_msg("client: %s", e.text);
		if (!strstr(x.e.text, x.rc < 0 ? c->server_says : "alert"))
			fail_msg("server: %s", x.e.text);
	} else {
		assert_int_equal(rc, 0);
		assert_string_equal(s->tls->version, "TLSv1.3");
		assert_true(s->tls->bits >= 128);
		assert_int_equal(s->tls->is_verified, c->is_verified);
		assert_false(s->tls->is_resumed);
		assert_int_equal(stream_read_line(s, 100, &line, NULL, &e), 0);
		assert_span_equal(line, "220 hello");
		stream_put(s, SPAN("MAIL FROM:<>\r\n"));
		assert_int_equal(stream_shutdown(s, &e), 0);
		fiber_group_join(&g);
		assert_int_equal(x.rc, 0);
		assert_int_equal(x.e.code, ERR_EOF);
		assert_string_equal(buf_cstr(&x.got), "MAIL FROM:<>\r\n");
		assert_string_equal(x.sni, c->sni);
		assert_string_equal(x.alpn, c->alpn);
		assert_int_equal(stream_fill(s, &e), -1);
		assert_int_equal(e.code, ERR_EOF);
	}
	buf_fini(&x.got);
	stream_free(&s);
	stream_free(&x.s);
	tls_client_free(&client);
}
