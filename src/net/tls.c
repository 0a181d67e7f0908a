/* The TLS filter. OpenSSL never touches the connection: it reads from `in` and writes to `out`, two
 * buffers in memory, and the filter moves bytes between them and the filter below. So no fiber
 * yields inside OpenSSL: its queue of errors belongs to the thread, and its frames would lie on the
 * stack of every parked connection. */

#include "net/tls_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "net/trace.h"

struct tls_filter {
	struct filter filter;
	struct tls_config *config; /* a reference */
	SSL *ssl;
	struct buf in;  /* from the wire, not decrypted */
	struct buf out; /* encrypted, not sent */
	bool is_sending;
	struct fiber_cond sent;
	bool is_wire_end; /* the filter below has nothing more */
	bool is_closed;   /* close_notify came */
	bool is_challenge;
	struct stream_tls info;
	char *sni, *alpn;    /* owned, for info */
	struct tls_ask *ask; /* owned; NULL in a server */
};

/* ---- OpenSSL's side of the two buffers ---- */

static int tls_bio_read(BIO *bio, char *p, size_t n, size_t *got_r)
{
	struct tls_filter *t = BIO_get_data(bio);
	struct span in = span_sub(buf_span(&t->in), 0, n);

	BIO_clear_retry_flags(bio);
	*got_r = in.len;
	if (in.len == 0) {
		if (!t->is_wire_end)
			BIO_set_retry_read(bio);
		return 0;
	}
	memcpy(p, in.ptr, in.len);
	buf_consume(&t->in, in.len);
	return 1;
}

static int tls_bio_write(BIO *bio, const char *p, size_t n, size_t *put_r)
{
	struct tls_filter *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (n > buf_room(&t->out)) {
		BIO_set_retry_write(bio);
		return 0;
	}
	buf_put(&t->out, p, n);
	*put_r = n;
	return 1;
}

static long tls_bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
	struct tls_filter *t = BIO_get_data(bio);

	if (cmd == BIO_CTRL_EOF)
		return t->is_wire_end && buf_len(&t->in) == 0;
	return cmd == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_bio_new(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "yizhan");

	MUST(m && BIO_meth_set_read_ex(m, tls_bio_read) &&
		BIO_meth_set_write_ex(m, tls_bio_write) && BIO_meth_set_ctrl(m, tls_bio_ctrl));
	return m;
}

/* ---- between the buffers and the filter below ---- */

/* Send what OpenSSL has written so far. */
static FIBER int tls_send(struct tls_filter *t, int64_t deadline_ns, struct err *e)
{
	struct buf going = t->out;
	struct span bytes = buf_span(&going);
	struct filter *below = t->filter.below;
	int rc;

	buf_init(&t->out, TLS_OUT_MAX);
	t->is_sending = true;
	rc = below->ops->write(below, &bytes, 1, deadline_ns, e);
	t->is_sending = false;
	fiber_cond_broadcast(&t->sent);
	if (rc == 0 && !t->out.mem) {
		buf_clear(&going);
		t->out = going;
	} else {
		buf_fini(&going);
	}
	return rc;
}

/* The writer's way: one sends at a time, so that records keep their order, and all is sent. */
static FIBER int tls_push(struct tls_filter *t, int64_t deadline_ns, struct err *e)
{
	while (t->is_sending)
		if (fiber_cond_wait(&t->sent, deadline_ns, e) < 0)
			return -1;
	while (buf_len(&t->out))
		if (tls_send(t, deadline_ns, e) < 0)
			return -1;
	return 0;
}

/* The reader's way, before it waits. It never waits for a writer, whose peer may be waiting for us
 * to read; a writer that is at it sends what the reader has added. */
static FIBER int tls_push_idle(struct tls_filter *t, int64_t deadline_ns, struct err *e)
{
	return t->is_sending || !buf_len(&t->out) ? 0 : tls_send(t, deadline_ns, e);
}

/* Wait for the filter below without a buffer. */
static FIBER int tls_wait_bare(struct tls_filter *t, int64_t deadline_ns, struct err *e)
{
	buf_fini(&t->in);
	if (!buf_len(&t->out))
		buf_fini(&t->out);
	return filter_wait(t->filter.below, deadline_ns, e);
}

/* Bytes from below for OpenSSL, at least one, or the end. OpenSSL has taken all that was there. */
static FIBER int tls_pull(struct tls_filter *t, int64_t deadline_ns, struct err *e)
{
	struct filter *below = t->filter.below;
	ssize_t got;

	if (tls_push_idle(t, deadline_ns, e) < 0)
		return -1;
	if (buf_len(&t->in) == 0 && !filter_has_input(below) &&
		tls_wait_bare(t, deadline_ns, e) < 0)
		return -1;
	got = below->ops->read(
		below, buf_reserve(&t->in, TLS_READ_BYTES), TLS_READ_BYTES, deadline_ns, e);
	if (got < 0)
		return -1;
	if (got == 0)
		t->is_wire_end = true;
	buf_added(&t->in, (size_t)got);
	return 0;
}

static int tls_peer_error(struct tls_filter *t, const char *what, struct err *e)
{
	if (t->is_wire_end &&
		ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ERR_clear_error();
		err_set(e, ERR_TLS, "%s: the peer hung up in the middle", what);
	} else {
		tls_err(e, what);
	}
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

/* What OpenSSL wants after a call that did not succeed: 0 try again, -1 it is over. */
static FIBER int tls_wants(
	struct tls_filter *t, int rc, const char *what, int64_t deadline_ns, struct err *e)
{
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ: return tls_pull(t, deadline_ns, e);
	case SSL_ERROR_WANT_WRITE: return tls_push(t, deadline_ns, e);
	default: return tls_peer_error(t, what, e);
	}
}

/* ---- the filter ---- */

/* RFC 8446 section 6.1: what follows close_notify is ignored by the letter; here it ends the
 * connection with an error, so that no octet outside the protection reaches anybody. */
static ssize_t tls_read_end(struct tls_filter *t, struct err *e)
{
	t->is_closed = true;
	if (buf_len(&t->in) == 0)
		return 0;
	err_set(e, ERR_TLS, "octets behind the end of the TLS session");
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

static FIBER ssize_t tls_read(
	struct filter *f, void *p, size_t n, int64_t deadline_ns, struct err *e)
{
	struct tls_filter *t = (struct tls_filter *)f;

	if (t->is_closed)
		return tls_read_end(t, e);
	for (;;) {
		size_t got = 0;
		int rc;

		ERR_clear_error();
		rc = SSL_read_ex(t->ssl, p, n, &got);
		if (rc == 1)
			return (ssize_t)got;
		if (SSL_get_error(t->ssl, rc) == SSL_ERROR_ZERO_RETURN)
			return tls_read_end(t, e);
		if (tls_wants(t, rc, "TLS", deadline_ns, e) < 0)
			return -1;
	}
}

static FIBER int tls_put(struct tls_filter *t, struct span s, int64_t deadline_ns, struct err *e)
{
	while (s.len) {
		size_t n = s.len < TLS_RECORD_MAX ? s.len : TLS_RECORD_MAX, put = 0;
		int rc;

		if (buf_len(&t->out) >= TLS_OUT_FLUSH && tls_push(t, deadline_ns, e) < 0)
			return -1;
		ERR_clear_error();
		rc = SSL_write_ex(t->ssl, s.ptr, n, &put);
		if (rc == 1)
			s = span_skip(s, put);
		else if (tls_wants(t, rc, "TLS", deadline_ns, e) < 0)
			return -1;
	}
	return 0;
}

/* Small parts share records: each record costs 22 octets and a pass of the cipher. */
static FIBER int tls_put_parts(struct tls_filter *t, const struct span *parts, size_t count,
	int64_t deadline_ns, struct err *e)
{
	struct buf record;
	int rc = 0;

	if (count == 1)
		return tls_put(t, parts[0], deadline_ns, e);
	buf_init(&record, TLS_RECORD_MAX);
	for (size_t i = 0; i < count && rc == 0; i++) {
		struct span s = parts[i];

		while (s.len && rc == 0) {
			size_t n = buf_room(&record) < s.len ? buf_room(&record) : s.len;

			if (n == TLS_RECORD_MAX) {
				rc = tls_put(t, span_sub(s, 0, n), deadline_ns, e);
			} else {
				buf_put(&record, s.ptr, n);
				if (buf_room(&record) == 0) {
					rc = tls_put(t, buf_span(&record), deadline_ns, e);
					buf_clear(&record);
				}
			}
			s = span_skip(s, n);
		}
	}
	if (rc == 0)
		rc = tls_put(t, buf_span(&record), deadline_ns, e);
	buf_fini(&record);
	return rc;
}

static FIBER int tls_write(struct filter *f, const struct span *parts, size_t count,
	int64_t deadline_ns, struct err *e)
{
	struct tls_filter *t = (struct tls_filter *)f;

	if (tls_put_parts(t, parts, count, deadline_ns, e) < 0)
		return -1;
	return tls_push(t, deadline_ns, e);
}

static FIBER int tls_shutdown(struct filter *f, int64_t deadline_ns, struct err *e)
{
	struct tls_filter *t = (struct tls_filter *)f;
	struct filter *below = f->below;

	ERR_clear_error();
	if (SSL_shutdown(t->ssl) < 0)
		return tls_peer_error(t, "ending TLS", e);
	if (tls_push(t, deadline_ns, e) < 0)
		return -1;
	while (below && !below->ops->shutdown)
		below = below->below;
	return below ? below->ops->shutdown(below, deadline_ns, e) : 0;
}

static bool tls_has_input(struct filter *f)
{
	struct tls_filter *t = (struct tls_filter *)f;

	return t->is_closed || SSL_pending(t->ssl) > 0 || buf_len(&t->in) ||
		filter_has_input(f->below);
}

static bool tls_poll(struct filter *f)
{
	struct tls_filter *t = (struct tls_filter *)f;

	return t->is_closed || SSL_pending(t->ssl) > 0 || buf_len(&t->in) || filter_poll(f->below);
}

static FIBER int tls_wait(struct filter *f, int64_t deadline_ns, struct err *e)
{
	struct tls_filter *t = (struct tls_filter *)f;

	if (t->is_closed || SSL_pending(t->ssl) > 0 || buf_len(&t->in))
		return 0;
	if (tls_push_idle(t, deadline_ns, e) < 0)
		return -1;
	return tls_wait_bare(t, deadline_ns, e);
}

static void tls_free(struct filter *f)
{
	struct tls_filter *t = (struct tls_filter *)f;

	SSL_free(t->ssl);
	ERR_clear_error();
	tls_ask_free(t->ask);
	tls_config_unref(t->config);
	buf_fini(&t->in);
	buf_fini(&t->out);
	free(t->sni);
	free(t->alpn);
	free(t);
}

static const struct filter_ops tls_ops = {
	.name = "tls",
	.read = tls_read,
	.write = tls_write,
	.shutdown = tls_shutdown,
	.free = tls_free,
	.wait = tls_wait,
	.has_input = tls_has_input,
	.poll = tls_poll,
};

/* ---- handshakes ---- */

struct tls_filter *tls_filter_new(struct tls_config *c, struct filter *below, struct err *e)
{
	struct tls_filter *t = NEW(struct tls_filter);
	BIO *bio;

	t->filter.ops = &tls_ops;
	t->filter.below = below;
	t->config = c;
	buf_init(&t->in, TLS_READ_BYTES * 2);
	buf_init(&t->out, TLS_OUT_MAX);
	fiber_cond_init(&t->sent);
	t->ssl = SSL_new(c->ctx);
	bio = t->ssl ? BIO_new(c->bio) : NULL;
	if (!bio) {
		tls_err(e, "making a TLS connection");
		tls_free(&t->filter);
		return NULL;
	}
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	return t;
}

void tls_filter_set_ask(struct tls_filter *t, struct tls_ask *ask)
{
	t->ask = ask;
	ask->config = t->config;
	SSL_set_app_data(t->ssl, ask);
}

SSL *tls_filter_ssl(struct tls_filter *t)
{
	return t->ssl;
}

struct tls_filter *tls_filter_of(const SSL *ssl)
{
	return BIO_get_data(SSL_get_rbio(ssl));
}

void tls_filter_set_challenge(struct tls_filter *t)
{
	t->is_challenge = true;
}

bool tls_filter_is_challenge(const struct tls_filter *t)
{
	return t->is_challenge;
}

void tls_filter_free(struct tls_filter *t)
{
	tls_free(&t->filter);
}

SSL *tls_ssl(const struct stream *s)
{
	for (struct filter *f = s->top; f; f = f->below)
		if (f->ops == &tls_ops)
			return ((struct tls_filter *)f)->ssl;
	return NULL;
}

static void tls_learn(struct tls_filter *t)
{
	const char *sni = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
	const SSL_CIPHER *cipher = SSL_get_current_cipher(t->ssl);
	const unsigned char *alpn;
	unsigned alpn_len;

	SSL_get0_alpn_selected(t->ssl, &alpn, &alpn_len);
	if (sni && SSL_is_server(t->ssl))
		t->sni = mem_dup(sni, strnlen(sni, TLS_NAME_MAX));
	if (alpn_len)
		t->alpn = mem_dup(alpn, alpn_len);
	t->info = (struct stream_tls){
		.version = SSL_get_version(t->ssl),
		.cipher = SSL_CIPHER_get_name(cipher),
		.bits = (unsigned)SSL_CIPHER_get_bits(cipher, NULL),
		.sni = t->sni,
		.alpn = t->alpn,
		.is_verified = !SSL_is_server(t->ssl) && SSL_get0_peer_certificate(t->ssl) &&
			SSL_get_verify_result(t->ssl) == X509_V_OK,
		.is_resumed = SSL_session_reused(t->ssl) == 1,
	};
}

static FIBER int tls_handshake(struct tls_filter *t, int64_t deadline_ns, struct err *e)
{
	int64_t patience;
	int rc;

	for (;;) {
		ERR_clear_error();
		rc = SSL_do_handshake(t->ssl);
		if (rc == 1)
			return 0;
		if (SSL_get_error(t->ssl, rc) != SSL_ERROR_WANT_READ)
			break;
		if (tls_pull(t, deadline_ns, e) < 0)
			return err_wrap(e, "TLS handshake");
	}
	if (SSL_get_verify_result(t->ssl) != X509_V_OK) {
		ERR_clear_error();
		err_set(e, ERR_TLS, "TLS handshake: the certificate does not hold: %s",
			X509_verify_cert_error_string(SSL_get_verify_result(t->ssl)));
		err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	} else {
		tls_peer_error(t, "TLS handshake", e);
	}
	/* The alert tells the peer why; the error is ours already. */
	patience = loop_now_ns() + TLS_ALERT_NS;
	tls_push(t, patience < deadline_ns ? patience : deadline_ns, NULL);
	return -1;
}

FIBER int tls_begin(struct stream *s, struct tls_filter *t, struct err *e)
{
	struct err why = {0};

	if (tls_handshake(t, s->deadline_ns, &why) < 0) {
		tls_free(&t->filter);
		trace_note(s, "%s", why.text);
		return stream_fail(s, &why, e);
	}
	tls_learn(t);
	stream_push(s, &t->filter);
	s->tls = &t->info;
	trace_note(s, "%s %s", t->info.version, t->info.cipher);
	return 0;
}

/* RFC 8737 section 4: the handshake is all of it, application data never follows. */
static FIBER int tls_end_challenge(struct stream *s, struct err *e)
{
	struct err why = {0};

	stream_shutdown(s, NULL);
	err_set(&why, ERR_EOF, "a certificate authority has looked at a challenge");
	err_scope_set(&why, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
	return stream_fail(s, &why, e);
}

FIBER int tls_accept(struct stream *s, struct tls_server *server, struct err *e)
{
	struct tls_filter *t;

	if (stream_flush(s, e) < 0)
		return -1;
	/* RFC 3207 section 4.2: nothing said before the handshake counts after it. */
	stream_drop_input(s);
	t = tls_filter_new(tls_server_config(server), stream_base(s), e);
	if (!t)
		return -1;
	SSL_set_accept_state(t->ssl);
	if (tls_begin(s, t, e) < 0)
		return -1;
	return t->is_challenge ? tls_end_challenge(s, e) : 0;
}

/* ---- channel bindings ---- */

#define TLS_EXPORTER_LABEL "EXPORTER-Channel-Binding" /* RFC 9266 section 2 */
#define TLS_EXPORTER_BYTES 32
#define TLS_FINISHED_MAX   64

static int tls_binding_missing(struct err *e, const char *why)
{
	ERR_clear_error();
	return err_set(e, ERR_UNSUPPORTED, "no channel binding: %s", why);
}

/* RFC 5929 section 3.1: the first Finished message of the (last) handshake: the client's in a full
 * one, the server's in a resumed one. */
static int tls_binding_unique(SSL *ssl, struct buf *out, struct err *e)
{
	unsigned char finished[TLS_FINISHED_MAX];
	bool is_ours = (SSL_is_server(ssl) == 1) == (SSL_session_reused(ssl) == 1);
	size_t len;

	if (SSL_version(ssl) >= TLS1_3_VERSION)
		return tls_binding_missing(e, "tls-unique is not defined for TLS 1.3");
	len = is_ours ? SSL_get_finished(ssl, finished, sizeof(finished))
		      : SSL_get_peer_finished(ssl, finished, sizeof(finished));
	if (len == 0 || len > sizeof(finished))
		return tls_binding_missing(e, "the handshake is not over");
	buf_put(out, finished, len);
	return 0;
}

static int tls_binding_exporter(SSL *ssl, struct buf *out, struct err *e)
{
	unsigned char key[TLS_EXPORTER_BYTES];

	/* RFC 9266 section 2: a context, and that of length zero */
	if (SSL_export_keying_material(ssl, key, sizeof(key), TLS_EXPORTER_LABEL,
		    strlen(TLS_EXPORTER_LABEL), (const unsigned char *)"", 0, 1) != 1)
		return tls_binding_missing(e, "nothing was exported");
	buf_put(out, key, sizeof(key));
	return 0;
}

/* RFC 5929 section 4.1: hashed by the hash of its own signature; SHA-256 where that is MD5 or
 * SHA-1. */
static int tls_binding_certificate(SSL *ssl, struct buf *out, struct err *e)
{
	const X509 *cert = SSL_is_server(ssl) ? SSL_get_certificate(ssl)
					      : SSL_get0_peer_certificate(ssl);
	unsigned char hash[EVP_MAX_MD_SIZE];
	const EVP_MD *md;
	unsigned len;
	int nid;

	if (!cert)
		return tls_binding_missing(e, "the server has no certificate");
	if (X509_get_signature_info((X509 *)cert, &nid, NULL, NULL, NULL) != 1 || nid == NID_undef)
		return tls_binding_missing(e, "the signature of the certificate names no hash");
	if (nid == NID_md5 || nid == NID_sha1)
		nid = NID_sha256;
	md = EVP_get_digestbynid(nid);
	if (!md || X509_digest(cert, md, hash, &len) != 1)
		return tls_binding_missing(e, "the certificate cannot be hashed");
	buf_put(out, hash, len);
	return 0;
}

int tls_channel_binding(
	const struct stream *s, enum tls_binding kind, struct buf *out, struct err *e)
{
	const struct filter *f = s->top;
	SSL *ssl;

	while (f && f->ops != &tls_ops)
		f = f->below;
	if (!f)
		return err_set(e, ERR_STATE, "no channel binding without TLS");
	ssl = ((const struct tls_filter *)f)->ssl;
	if (kind == TLS_BINDING_SERVER_END_POINT)
		return tls_binding_certificate(ssl, out, e);
	/* RFC 9266 section 4.2 and RFC 7627 section 5.4: without it another connection can be made
	 * to have the same secret. */
	if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1)
		return tls_binding_missing(e, "TLS 1.2 without the extended master secret");
	return kind == TLS_BINDING_UNIQUE ? tls_binding_unique(ssl, out, e)
					  : tls_binding_exporter(ssl, out, e);
}
