#pragma once
/* Between tls.c (the filter), tls_ctx.c (contexts), tls_ring.c (certificates of a server) and
 * tls_keys.c (keys of its session tickets). */

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

#include "base/clock.h"
#include "net/tls.h"
#include "net/tls_ring.h"

#define TLS_RECORD_MAX  16384       /* RFC 8446 section 5.1: plaintext of one record */
#define TLS_READ_BYTES  (17 * 1024) /* one record and its overhead */
#define TLS_OUT_FLUSH   (64 * 1024) /* ciphertext gathered before it is sent */
#define TLS_OUT_MAX     (256 * 1024)
#define TLS_ALERT_NS    CLOCK_SEC /* for the alert that says why a handshake failed */
#define TLS_NAME_MAX    255
#define TLS_ALPN_MAX    255
#define TLS_SHA256      32
#define TLS_PINS_MAX    32
#define TLS_CA_FILES    4096 /* looked at in a directory */
#define TLS_SERVICE_MAX SSL_MAX_SID_CTX_LENGTH
#define TLS_PEER_OCTETS (32 * 1024) /* of the chain that a client may show */

#define TLS_KEY_NAME  16 /* what OpenSSL puts in front of a ticket */
#define TLS_KEY_BYTES 32

/* What session tickets are sealed with. */
struct tls_key {
	unsigned char name[TLS_KEY_NAME];
	unsigned char cipher[TLS_KEY_BYTES], mac[TLS_KEY_BYTES]; /* secret */
	int64_t born_ns;                                         /* monotonic; 0: none */
};
struct tls_keys {
	pthread_mutex_t lock;
	struct tls_key now, before;
};
int tls_keys_init(struct tls_keys *k, struct err *e);
void tls_keys_fini(struct tls_keys *k);
/** Draw a new one when the time has come, forget what is too old. */
void tls_keys_turn(struct tls_keys *k);
/** For SSL_CTX_set_tlsext_ticket_key_evp_cb. */
int tls_on_ticket_key(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher,
	EVP_MAC_CTX *mac, int is_sealing);

/* What connections share. Owners: the tls_server or tls_client, and each connection made under it. */
struct tls_config {
	atomic_int refs;
	BIO_METHOD *bio;                   /* tls_bio_new */
	SSL_CTX *ctx;                      /* its app data is this struct */
	struct tls_ring *ring;             /* server: a reference */
	struct tls_keys keys;              /* server */
	struct span alpn;                  /* wire form: length octet and name; owned */
	unsigned char (*pins)[TLS_SHA256]; /* client; owned */
	size_t pin_count;
};

/* What a client connection has beside its filter. Hangs at the SSL (app data). */
struct tls_ask {
	const struct tls_connect_opts *opts; /* while the handshake is under way, else NULL */
	struct tls_verdict *verdict;         /* the same */
	const struct tls_config *config;     /* the filter's */
	SSL_SESSION *ticket;                 /* owned */
	bool is_ticket_wanted;
};

/** One certificate told; 0 for NULL. */
size_t tls_cert_one(X509 *cert, struct arena *a, struct tls_cert **certs_r);
void tls_config_unref(struct tls_config *c);
/** The current one, with a reference of the caller's own. Any thread. */
struct tls_config *tls_server_config(struct tls_server *t);
struct tls_config *tls_client_config(struct tls_client *t);

/** How OpenSSL reads and writes a struct tls_filter's buffers. Never NULL. */
BIO_METHOD *tls_bio_new(void);

/* ---- contexts, for both sides ---- */
char *tls_copy(const char *s);
struct span tls_alpn_wire(const char *alpn);
void tls_alpn_fini(struct span *alpn);
struct tls_config *tls_config_new(struct span alpn);
struct tls_config *tls_config_ref(struct tls_config *c);
SSL_CTX *tls_ctx_new(const SSL_METHOD *method, int min_version, struct err *e);
int tls_load_pair(SSL_CTX *ctx, const char *cert, const char *key, struct err *e);

/* ---- certificates ---- */
struct tls_ring *tls_ring_ref(struct tls_ring *ring);
/** Give the connection what it is to show for the name its client asked for. Never yields. */
int tls_ring_dress(struct tls_ring *ring, SSL *ssl, struct span asked);
/** The same with the certificate of a challenge (RFC 8737); false: there is none for that name. */
bool tls_ring_dress_challenge(struct tls_ring *ring, SSL *ssl, struct span asked);

/* ---- tls_peer.c ---- */
/** Have the server ask for certificates. */
void tls_peer_ask(SSL_CTX *ctx);

/* ---- the filter ---- */
struct tls_filter;
/** Takes over the reference to `c`. */
struct tls_filter *tls_filter_new(struct tls_config *c, struct filter *below, struct err *e);
/** Takes over `ask`. */
void tls_filter_set_ask(struct tls_filter *t, struct tls_ask *ask);
SSL *tls_filter_ssl(struct tls_filter *t);
/** Whose handshake it is that OpenSSL is at. */
struct tls_filter *tls_filter_of(const SSL *ssl);
/** It is a validation of RFC 8737: nothing follows the handshake. */
void tls_filter_set_challenge(struct tls_filter *t);
bool tls_filter_is_challenge(const struct tls_filter *t);
void tls_filter_free(struct tls_filter *t);
/** Shake hands and push, or break the stream (and free `t`). */
FIBER int tls_begin(struct stream *s, struct tls_filter *t, struct err *e);
/** The connection's SSL; NULL without TLS. */
SSL *tls_ssl(const struct stream *s);

void tls_verdict_set(struct tls_verdict *v, long error);
void tls_ask_free(struct tls_ask *ask);
/** For SSL_CTX_set_cert_verify_callback. */
int tls_on_chain(X509_STORE_CTX *x, void *arg);
/** SHA-256 of the certificate, or of its public key (RFC 6698 selector 1). */
bool tls_cert_digest(X509 *cert, bool is_spki, const EVP_MD *md, unsigned char *to, unsigned *n_r);

/** ERR_TLS with what OpenSSL says first, and empty its queue. */
int tls_err(struct err *e, const char *what);
