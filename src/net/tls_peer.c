/* Certificates that clients show. */

#include "net/tls_priv.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Any certificate is good enough for the handshake. TLS 1.3 sends tickets behind it: none here. */
static int tls_on_peer(X509_STORE_CTX *x, void *arg)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(x, SSL_get_ex_data_X509_STORE_CTX_idx());

	SSL_set_num_tickets(ssl, 0);
	X509_STORE_CTX_set_error(x, X509_V_OK);
	return 1;
}

void tls_peer_ask(SSL_CTX *ctx)
{
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, tls_on_peer, NULL);
	SSL_CTX_set_max_cert_list(ctx, TLS_PEER_OCTETS);
}

static X509 *peer_cert(const struct stream *s)
{
	SSL *ssl = tls_ssl(s);

	return ssl && SSL_is_server(ssl) ? SSL_get0_peer_certificate(ssl) : NULL;
}

bool tls_peer_has(const struct stream *s)
{
	return peer_cert(s) != NULL;
}

/* What a certificate says is foreign text: whatever is not plainly an address is none. */
static bool is_mailbox(struct span text)
{
	ptrdiff_t at = span_find(text, '@');

	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
			return false;
	}
	return at > 0 && (size_t)at + 1 < text.len && span_rfind(text, '@') == at;
}

static void read_mailboxes(X509 *cert, struct arena *a, struct tls_peer *p)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	int count = names ? sk_GENERAL_NAME_num(names) : 0;

	for (int i = 0; i < count && p->mailbox_count < TLS_PEER_MAILBOXES_MAX; i++) {
		const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
		struct span text;

		if (n->type != GEN_EMAIL)
			continue;
		text = span_of(ASN1_STRING_get0_data(n->d.rfc822Name),
			(size_t)ASN1_STRING_length(n->d.rfc822Name));
		if (is_mailbox(text))
			p->mailboxes[p->mailbox_count++] = arena_str(a, text);
	}
	GENERAL_NAMES_free(names);
}

bool tls_peer(const struct stream *s, struct arena *a, struct tls_peer *peer_r)
{
	X509 *cert = peer_cert(s);
	struct tls_cert *c;

	memset(peer_r, 0, sizeof(*peer_r));
	if (!cert || tls_cert_one(cert, a, &c) != 1)
		return false;
	peer_r->spki_sha256 = c->spki_sha256;
	peer_r->subject = c->subject;
	peer_r->not_before = c->not_before;
	peer_r->not_after = c->not_after;
	read_mailboxes(cert, a, peer_r);
	ERR_clear_error();
	return c->spki_sha256[0] != 0;
}

/* ---- authorities ---- */

struct tls_authority {
	X509_STORE *store;
};

struct tls_authority *tls_authority_new(const char *ca_file, struct err *e)
{
	struct tls_authority *x = NEW(struct tls_authority);

	x->store = X509_STORE_new();
	if (x->store && X509_STORE_load_file(x->store, ca_file) == 1)
		return x;
	tls_err(e, ca_file);
	err_wrap(e, "reading the authorities of clients");
	tls_authority_free(&x);
	return NULL;
}

void tls_authority_free(struct tls_authority **x)
{
	if (!*x)
		return;
	X509_STORE_free((*x)->store);
	free(*x);
	*x = NULL;
}

bool tls_authority_vouches(
	const struct tls_authority *x, const struct stream *s, int64_t now_sec, const char **why_r)
{
	X509 *cert = peer_cert(s);
	STACK_OF(X509) *chain = cert ? SSL_get_peer_cert_chain(tls_ssl(s)) : NULL;
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool is_good = false;
	const char *why = "no certificate";

	if (cert && ctx && X509_STORE_CTX_init(ctx, x->store, cert, chain) == 1) {
		X509_STORE_CTX_set_default(ctx, "ssl_client");
		X509_STORE_CTX_set_time(ctx, 0, (time_t)now_sec);
		is_good = X509_verify_cert(ctx) == 1;
		why = X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
	}
	X509_STORE_CTX_free(ctx);
	ERR_clear_error();
	if (why_r)
		*why_r = why;
	return is_good;
}
