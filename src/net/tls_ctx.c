#include "net/tls_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/must.h"
#include "base/secret.h"

/* TLS 1.2 beside the defaults: nothing without forward secrecy, nothing exotic. */
#define TLS_CIPHERS_12 "HIGH:!aNULL:!kRSA:!PSK:!SRP:!CAMELLIA:!ARIA:!AESCCM"

/* Paths and names are copies: a reload reads the same files again. */
struct tls_files {
	char *cert, *key, *name;
};

struct tls_server {
	char *service;
	struct span alpn;
	bool is_tls12_allowed;
	struct tls_files *files;
	size_t file_count;
	unsigned char ticket_keys[TLS_TICKET_KEYS]; /* secret; the same through reloads */
	pthread_mutex_t lock;                       /* guards `config` */
	struct tls_config *config;
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

struct tls_config *tls_config_new(struct span alpn, size_t count)
{
	struct tls_config *c = NEW(struct tls_config);

	atomic_init(&c->refs, 1);
	c->bio = tls_bio_new();
	c->named = mem_alloc((count ? count : 1) * sizeof(c->named[0]));
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
	for (size_t i = 0; i < c->count; i++) {
		SSL_CTX_free(c->named[i].ctx);
		free(c->named[i].name);
	}
	free(c->named);
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

/* ---- the server ---- */

/* RFC 7301 section 3.2: who offers protocols, and not ours, gets no_application_protocol. */
static int tls_on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned in_len, void *arg)
{
	const struct tls_config *c = arg;
	unsigned char *chosen;

	if (c->alpn.len == 0)
		return SSL_TLSEXT_ERR_NOACK;
	if (SSL_select_next_proto(&chosen, out_len, (const unsigned char *)c->alpn.ptr,
		    (unsigned)c->alpn.len, in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* "*.example" stands for exactly one label (RFC 6125 section 6.4.3). */
static bool tls_name_fits(const char *pattern, struct span name)
{
	struct span p = span_str(pattern), first, rest;

	if (!span_starts(p, SPAN("*.")))
		return span_eq_nocase(p, name);
	return span_cut(name, '.', &first, &rest) && first.len &&
		span_eq_nocase(span_skip(p, 2), rest);
}

/* A name we have no certificate for gets the default: mail servers come by any MX name. */
static int tls_on_sni(SSL *ssl, int *alert, void *arg)
{
	const struct tls_config *c = arg;
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	if (!asked)
		return SSL_TLSEXT_ERR_NOACK;
	for (size_t i = 0; i < c->count; i++) {
		if (!c->named[i].name || !tls_name_fits(c->named[i].name, span_str(asked)))
			continue;
		SSL_set_SSL_CTX(ssl, c->named[i].ctx);
		break;
	}
	return SSL_TLSEXT_ERR_OK;
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

static SSL_CTX *tls_server_ctx(struct tls_server *t, struct tls_config *c, struct err *e)
{
	SSL_CTX *ctx = tls_ctx_new(
		TLS_server_method(), t->is_tls12_allowed ? TLS1_2_VERSION : TLS1_3_VERSION, e);

	if (!ctx)
		return NULL;
	/* A ticket opens only under the keys of its service, and only in its context. */
	if (SSL_CTX_set_tlsext_ticket_keys(ctx, t->ticket_keys, TLS_TICKET_KEYS) != 1 ||
		SSL_CTX_set_session_id_context(ctx, (const unsigned char *)t->service,
			(unsigned)strlen(t->service)) != 1 ||
		SSL_CTX_set_num_tickets(ctx, 1) != 1) {
		tls_err(e, "setting up session tickets");
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_alpn_select_cb(ctx, tls_on_alpn, c);
	SSL_CTX_set_tlsext_servername_callback(ctx, tls_on_sni);
	SSL_CTX_set_tlsext_servername_arg(ctx, c);
	return ctx;
}

/* The context for this name: one for all certificates (ECDSA, RSA) that are given for it. */
static struct tls_named *tls_config_named(
	struct tls_server *t, struct tls_config *c, const char *name, struct err *e)
{
	struct tls_named *n;

	for (size_t i = 0; i < c->count; i++) {
		n = &c->named[i];
		if ((!name && !n->name) ||
			(name && n->name && span_eq_nocase(span_str(name), span_str(n->name))))
			return n;
	}
	n = &c->named[c->count];
	n->ctx = tls_server_ctx(t, c, e);
	if (!n->ctx)
		return NULL;
	n->name = tls_copy(name);
	c->count++;
	return n;
}

static struct tls_config *tls_server_load(struct tls_server *t, struct err *e)
{
	struct tls_config *c = tls_config_new(t->alpn, t->file_count);

	for (size_t i = 0; i < t->file_count; i++) {
		struct tls_named *n = tls_config_named(t, c, t->files[i].name, e);

		if (!n || tls_load_pair(n->ctx, t->files[i].cert, t->files[i].key, e) < 0) {
			tls_config_unref(c);
			return NULL;
		}
		if (!n->name || !c->fallback)
			c->fallback = n->ctx;
	}
	if (c->fallback)
		return c;
	tls_config_unref(c);
	err_set(e, ERR_CONFIG, "TLS needs a certificate");
	return NULL;
}

struct tls_server *tls_server_new(const struct tls_server_opts *opts, struct err *e)
{
	struct tls_server *t = NEW(struct tls_server);

	MUST(strlen(opts->service) <= TLS_SERVICE_MAX);
	t->service = tls_copy(opts->service);
	t->alpn = tls_alpn_wire(opts->alpn);
	t->is_tls12_allowed = opts->is_tls12_allowed;
	t->file_count = opts->cert_count;
	t->files = mem_alloc((opts->cert_count ? opts->cert_count : 1) * sizeof(t->files[0]));
	for (size_t i = 0; i < opts->cert_count; i++) {
		t->files[i].cert = tls_copy(opts->certs[i].cert);
		t->files[i].key = tls_copy(opts->certs[i].key);
		t->files[i].name = tls_copy(opts->certs[i].name);
	}
	pthread_mutex_init(&t->lock, NULL);
	if (RAND_priv_bytes(t->ticket_keys, TLS_TICKET_KEYS) != 1)
		tls_err(e, "drawing ticket keys");
	else
		t->config = tls_server_load(t, e);
	if (!t->config)
		tls_server_free(&t);
	return t;
}

int tls_server_reload(struct tls_server *t, struct err *e)
{
	struct tls_config *fresh = tls_server_load(t, e), *old;

	if (!fresh)
		return -1;
	pthread_mutex_lock(&t->lock);
	old = t->config;
	t->config = fresh;
	pthread_mutex_unlock(&t->lock);
	tls_config_unref(old);
	return 0;
}

size_t tls_server_certs(struct tls_server *t, struct arena *a, struct tls_cert **certs_r)
{
	struct tls_config *c;
	size_t count;

	pthread_mutex_lock(&t->lock);
	c = tls_config_ref(t->config);
	pthread_mutex_unlock(&t->lock);
	count = tls_cert_one(SSL_CTX_get0_certificate(c->fallback), a, certs_r);
	tls_config_unref(c);
	return count;
}

void tls_server_free(struct tls_server **t_p)
{
	struct tls_server *t = *t_p;

	if (!t)
		return;
	*t_p = NULL;
	tls_config_unref(t->config);
	for (size_t i = 0; i < t->file_count; i++) {
		free(t->files[i].cert);
		free(t->files[i].key);
		free(t->files[i].name);
	}
	free(t->files);
	free(t->service);
	tls_alpn_fini(&t->alpn);
	secret_wipe(t->ticket_keys, sizeof(t->ticket_keys));
	pthread_mutex_destroy(&t->lock);
	free(t);
}

struct tls_config *tls_server_config(struct tls_server *t)
{
	struct tls_config *c;

	pthread_mutex_lock(&t->lock);
	c = tls_config_ref(t->config);
	pthread_mutex_unlock(&t->lock);
	return c;
}
