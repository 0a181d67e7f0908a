#pragma once
/* TLS through OpenSSL, as a filter. Contexts are shared by all threads and may be reloaded while
 * in use (connections keep what they began with). */

#include "net/stream.h"

struct tls_server;
struct tls_client;

struct tls_cert_files {
	const char *cert, *key; /* PEM; borrowed during the call */
	const char *name;       /* SNI pattern ("mx.example", "*.example"); NULL: the default */
};

struct tls_server_opts {
	const char *service; /* "smtp": session tickets are bound to it and refused elsewhere */
	const char *alpn;    /* the one protocol spoken, e.g. "smtp"; a client that offers only
				others is refused with the alert; one that offers none is served */
	const struct tls_cert_files *certs;
	size_t cert_count;
	bool is_tls12_allowed; /* TLS 1.2 beside 1.3 */
};

struct tls_server *tls_server_new(const struct tls_server_opts *opts, struct err *e);
/** Read the certificate files again; on error the old ones stay. Any thread; it reads files, so it
 * is called from a work lane, as the two _new functions are once the loops run. Tickets given out
 * before stay good. */
int tls_server_reload(struct tls_server *t, struct err *e);
void tls_server_free(struct tls_server **t);

struct tls_client_opts {
	const char *alpn;
	const char *ca_file; /* NULL: the system's (SSL_CERT_FILE of the environment first) */
};
/** Reads all of the CA file: some 20 ms for the system's. */
struct tls_client *tls_client_new(const struct tls_client_opts *opts, struct err *e);
void tls_client_free(struct tls_client **t);

/* A handshake that fails leaves the stream broken: nothing is said in clear after it. Session
 * tickets and the client's last flight are not sent by themselves but with the first data, or
 * before the first wait, whichever comes first: one segment instead of two. */

/** Send what is buffered (the 220 of STARTTLS), drop buffered input, shake hands as the server and
 * push the filter. */
FIBER int tls_accept(struct stream *s, struct tls_server *t, struct err *e);
/** Handshake as the client. `name` is for SNI and verification; with `is_verify` false a wrong
 * certificate is only noted (stream->tls->is_verified): opportunistic TLS. Input that is buffered
 * before the handshake is an injection attempt: ERR_TLS. */
FIBER int tls_connect(
	struct stream *s, struct tls_client *t, struct span name, bool is_verify, struct err *e);

/* Channel bindings: what both ends of one TLS connection can compute and nobody between them can
 * (RFC 5056). */
enum tls_binding {
	TLS_BINDING_EXPORTER,         /* RFC 9266: any version */
	TLS_BINDING_UNIQUE,           /* RFC 5929 section 3: up to TLS 1.2 */
	TLS_BINDING_SERVER_END_POINT, /* RFC 5929 section 4: the server's certificate */
};

/** Append the binding of the connection to `out`. Does not yield. ERR_STATE without TLS; and
 * ERR_UNSUPPORTED where it is not defined: the unique one in TLS 1.3, both of the connection in TLS
 * 1.2 without the extended master secret (RFC 7627), the certificate's when its signature names no
 * hash or there is none. */
int tls_channel_binding(
	const struct stream *s, enum tls_binding kind, struct buf *out, struct err *e);

/** Write a self-signed certificate and key (ECDSA P-256, ten years) to the files, the key readable
 * for its owner only. `names` is a list with commas of host names and IP addresses. Blocks. */
int tls_make_self_signed(
	const char *names, const char *cert_file, const char *key_file, struct err *e);
