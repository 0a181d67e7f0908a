#pragma once
/* Between tls.c (the filter) and tls_ctx.c (contexts, certificates). */

/* OpenSSL's type of that name meets our error code (base/err.h); nobody here needs theirs. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#undef ERR_STATE

#include <pthread.h>
#include <stdatomic.h>

#include "net/tls.h"

#define TLS_RECORD_MAX  16384       /* RFC 8446 section 5.1: plaintext of one record */
#define TLS_READ_BYTES  (17 * 1024) /* one record and its overhead */
#define TLS_OUT_FLUSH   (64 * 1024) /* ciphertext gathered before it is sent */
#define TLS_OUT_MAX     (256 * 1024)
#define TLS_ALERT_NS    CLOCK_SEC /* for the alert that says why a handshake failed */
#define TLS_NAME_MAX    255
#define TLS_ALPN_MAX    255
#define TLS_TICKET_KEYS 80 /* what SSL_CTX_set_tlsext_ticket_keys takes */
#define TLS_SERVICE_MAX SSL_MAX_SID_CTX_LENGTH

/* One certificate and the names it is for. */
struct tls_named {
	char *name; /* owned; NULL: the default */
	SSL_CTX *ctx;
};

/* What connections share and a reload replaces as a whole. Owners: the tls_server or tls_client,
 * and each connection made under it. */
struct tls_config {
	atomic_int refs;
	BIO_METHOD *bio; /* tls_bio_new */
	struct tls_named *named;
	size_t count;
	SSL_CTX *fallback; /* borrowed from named: for clients that ask for no name we have */
	struct span alpn;  /* wire form: length octet and name; owned */
};

void tls_config_unref(struct tls_config *c);
/** The current one, with a reference of the caller's own. Any thread. */
struct tls_config *tls_server_config(struct tls_server *t);
struct tls_config *tls_client_config(struct tls_client *t);

/** How OpenSSL reads and writes a struct tls_filter's buffers. Never NULL. */
BIO_METHOD *tls_bio_new(void);

/** ERR_TLS with what OpenSSL says first, and empty its queue. */
int tls_err(struct err *e, const char *what);
