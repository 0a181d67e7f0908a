#include "net/tls_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"

/* TLS 1.2 beside the defaults: nothing without forward secrecy, nothing exotic. */
#define TLS_CIPHERS_12 "HIGH:!aNULL:!kRSA:!PSK:!SRP:!CAMELLIA:!ARIA:!AESCCM"

struct tls_server {
	struct tls_config *config;
	/* those of opts->certs, to be read again; copies */
	struct tls_ring_pair *pairs;
	size_t pair_count;
};

int tls_err(struct err *e, const char *what)
{
	/* The first in the queue is the cause, the others are its echoes on the way up. */
	unsigned long code = ERR_get_error();
	const char *reason = code ? ERR_reason_error_string(code) : NULL;

	if (code && ERR_SYSTEM_ERROR(code))
		reason = strerror(ERR_GET_REASON(code));
	ERR_clear_error();
	return err_set(e, ERR_TLS, "%s: %s", what, reason ? reason : "unknown reason");
}

char *tls_copy(const char *s)
{
	return s ? mem_dup(s, strlen(s)) : NULL;
}

/* "smtp" as "\4smtp". */
struct span tls_alpn_wire(const char *alpn)
{
	size_t len = alpn ? strlen(alpn) : 0;
	char *wire;

	if (len == 0)
		return SPAN_NONE;
	MUST(len <= TLS_ALPN_MAX);
	wire = mem_alloc(len + 1);
	wire[0] = (char)len;
	memcpy(wire + 1, alpn, len);
	return span_of(wire, len + 1);
}

void tls_alpn_fini(struct span *alpn)
{
	free((char *)(uintptr_t)alpn->ptr);
	*alpn = SPAN_NONE;
}

struct tls_config *tls_config_new(struct span alpn)
{
	struct tls_config *c = NEW(struct tls_config);

	atomic_init(&c->refs, 1);
	c->bio = tls_bio_new();
	if (alpn.len)
		c->alpn = span_of(mem_dup(alpn.ptr, alpn.len), alpn.len);
	return c;
}

struct tls_config *tls_config_ref(struct tls_config *c)
{
	MUST(atomic_fetch_add(&c->refs, 1) > 0);
	return c;
}

void tls_config_unref(struct tls_config *c)
{
	int before;

	if (!c)
		return;
	before = atomic_fetch_sub(&c->refs, 1);
	MUST(before > 0);
	if (before > 1)
		return;
	SSL_CTX_free(c->ctx);
	if (c->ring) {
		tls_keys_fini(&c->keys);
		tls_ring_free(&c->ring);
	}
	BIO_meth_free(c->bio);
	free(c->pins);
	tls_alpn_fini(&c->alpn);
	free(c);
}

/* A key with a password would be asked for on the terminal: it is refused instead. */
static int tls_no_password(char *to, int size, int is_write, void *arg)
{
	return -1;
}

SSL_CTX *tls_ctx_new(const SSL_METHOD *method, int min_version, struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	if (!ctx) {
		tls_err(e, "making a TLS context");
		return NULL;
	}
	SSL_CTX_set_options(ctx,
		SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
			SSL_OP_PRIORITIZE_CHACHA);
	/* An idle connection keeps no record buffers (17 KiB each way). */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_default_passwd_cb(ctx, tls_no_password);
	if (!SSL_CTX_set_min_proto_version(ctx, min_version) ||
		!SSL_CTX_set_cipher_list(ctx, TLS_CIPHERS_12)) {
		tls_err(e, "setting up TLS");
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

int tls_load_pair(SSL_CTX *ctx, const char *cert, const char *key, struct err *e)
{
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1) {
		tls_err(e, cert);
		return err_wrap(e, "reading a certificate");
	}
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1) {
		tls_err(e, key);
		return err_wrap(e, "reading a private key");
	}
	if (SSL_CTX_check_private_key(ctx) != 1) {
		tls_err(e, key);
		return err_wrap(e, "the key does not belong to %s", cert);
	}
	return 0;
}

/* ---- the server ---- */

static const char alpn_acme[] = "\12acme-tls/1"; /* wire form */

/* RFC 8737 section 3: the one protocol that the client offers. */
static bool is_challenged(SSL *ssl)
{
	const unsigned char *ext;
	size_t len;

	/* RFC 7301 section 3.1: two octets of length, then the names */
	return SSL_client_hello_get0_ext(
		       ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &ext, &len) == 1 &&
		len == 2 + strlen(alpn_acme) && ext[0] == 0 && ext[1] == strlen(alpn_acme) &&
		memcmp(ext + 2, alpn_acme, strlen(alpn_acme)) == 0;
}

static int tls_on_hello(SSL *ssl, int *alert, void *arg)
{
	if (is_challenged(ssl)) {
		tls_filter_set_challenge(tls_filter_of(ssl));
		/* who validates comes once, and is not to come with a session of somebody else */
		SSL_set_options(ssl, SSL_OP_NO_TICKET);
		SSL_set_num_tickets(ssl, 0);
	}
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* RFC 7301 section 3.2: who offers protocols, and not ours, gets no_application_protocol. */
static int tls_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned in_len, void *arg)
{
	const struct tls_config *c = arg;
	unsigned char *chosen;

	if (tls_filter_is_challenge(tls_filter_of(ssl))) {
		*out = (const unsigned char *)alpn_acme + 1;
		*out_len = (unsigned char)strlen(alpn_acme + 1);
		return SSL_TLSEXT_ERR_OK;
	}
	if (c->alpn.len == 0)
		return SSL_TLSEXT_ERR_NOACK;
	if (SSL_select_next_proto(&chosen, out_len, (const unsigned char *)c->alpn.ptr,
		    (unsigned)c->alpn.len, in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* Called for every client, also for one that asks for no name and for one that comes back with a
 * session: a binding to our certificate (RFC 5929) needs it there too. */
static int tls_on_sni(SSL *ssl, int *alert, void *arg)
{
	const struct tls_config *c = arg;
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	if (tls_filter_is_challenge(tls_filter_of(ssl))) {
		if (tls_ring_dress_challenge(c->ring, ssl, span_str(asked)))
			return SSL_TLSEXT_ERR_OK;
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	if (tls_ring_dress(c->ring, ssl, span_str(asked)) < 0) {
		*alert = SSL_AD_INTERNAL_ERROR;
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	return asked ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static SSL_CTX *tls_server_ctx(
	struct tls_config *c, const struct tls_server_opts *opts, struct err *e)
{
	SSL_CTX *ctx = tls_ctx_new(
		TLS_server_method(), opts->is_tls12_allowed ? TLS1_2_VERSION : TLS1_3_VERSION, e);

	if (!ctx)
		return NULL;
	/* A ticket opens only under the keys of its service, and only in its context. */
	if (SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, tls_on_ticket_key) != 1 ||
		SSL_CTX_set_session_id_context(ctx, (const unsigned char *)opts->service,
			(unsigned)strlen(opts->service)) != 1 ||
		SSL_CTX_set_num_tickets(ctx, 1) != 1) {
		tls_err(e, "setting up session tickets");
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_app_data(ctx, c);
	SSL_CTX_set_client_hello_cb(ctx, tls_on_hello, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, tls_on_alpn, c);
	SSL_CTX_set_tlsext_servername_callback(ctx, tls_on_sni);
	SSL_CTX_set_tlsext_servername_arg(ctx, c);
	if (opts->is_cert_asked)
		tls_peer_ask(ctx);
	return ctx;
}

/* Paths and names are copies: a reload reads the same files again. */
static void tls_server_keep(struct tls_server *t, const struct tls_server_opts *opts)
{
	t->pair_count = opts->cert_count;
	t->pairs = mem_alloc((opts->cert_count ? opts->cert_count : 1) * sizeof(t->pairs[0]));
	for (size_t i = 0; i < opts->cert_count; i++) {
		const struct tls_cert_files *f = &opts->certs[i];
		const char **name = mem_alloc(sizeof(*name));

		*name = tls_copy(f->name);
		t->pairs[i] = (struct tls_ring_pair){
			.cert = tls_copy(f->cert),
			.key = tls_copy(f->key),
			.names = name,
			.name_count = f->name ? 1 : 0,
			.is_fallback = !f->name,
		};
	}
}

struct tls_server *tls_server_new(const struct tls_server_opts *opts, struct err *e)
{
	struct tls_server *t = NEW(struct tls_server);
	struct span alpn = tls_alpn_wire(opts->alpn);
	struct tls_config *c = tls_config_new(alpn);
	int rc;

	MUST(strlen(opts->service) <= TLS_SERVICE_MAX);
	tls_alpn_fini(&alpn);
	t->config = c;
	c->ring = opts->ring ? tls_ring_ref(opts->ring) : tls_ring_new();
	rc = tls_keys_init(&c->keys, e);
	if (!opts->ring)
		tls_server_keep(t, opts);
	if (rc == 0 && !opts->ring)
		rc = tls_ring_load(c->ring, t->pairs, t->pair_count, e);
	if (rc == 0)
		c->ctx = tls_server_ctx(c, opts, e);
	if (!c->ctx)
		tls_server_free(&t);
	return t;
}

int tls_server_reload(struct tls_server *t, struct err *e)
{
	MUST(t->pairs);
	return tls_ring_load(t->config->ring, t->pairs, t->pair_count, e);
}

void tls_server_turn(struct tls_server *t)
{
	tls_keys_turn(&t->config->keys);
}

size_t tls_server_certs(struct tls_server *t, struct arena *a, struct tls_cert **certs_r)
{
	return tls_ring_for(t->config->ring, SPAN_NONE, a, certs_r) ? 1 : 0;
}

void tls_server_free(struct tls_server **t_p)
{
	struct tls_server *t = *t_p;

	if (!t)
		return;
	*t_p = NULL;
	tls_config_unref(t->config);
	for (size_t i = 0; i < t->pair_count; i++) {
		free((char *)(uintptr_t)t->pairs[i].cert);
		free((char *)(uintptr_t)t->pairs[i].key);
		free((char *)(uintptr_t)t->pairs[i].names[0]);
		free((char **)(uintptr_t)t->pairs[i].names);
	}
	free(t->pairs);
	free(t);
}

struct tls_config *tls_server_config(struct tls_server *t)
{
	return tls_config_ref(t->config);
}
