#pragma once
/* The certificates of a server, by name. One ring serves all of its protocols (each a tls_server of
 * its own); what is in it is replaced as a whole, connections go on with what they have.
 *
 * Which certificate a client meets: those for the name it asks for (SNI, RFC 6066 section 3), else
 * those for the wildcard of that name (one label), else the default's. Several for one name may have
 * keys of different kinds (RSA, ECDSA): the handshake takes the one that both ends prefer. Of two with
 * the same kind the first in the list counts, unless it has expired and the other has not.
 *
 * All functions may be called from any thread; those that read files block. */

#include "net/tls.h"

struct tls_ring;

#define TLS_RING_MAX       10000         /* certificates */
#define TLS_RING_NAMES     1000          /* names of one */
#define TLS_PEM_MAX        (1024 * 1024) /* octets of a file */
#define TLS_CHALLENGES_MAX 1000

/* A certificate with its key, as it is handed in; all borrowed during the call. */
struct tls_ring_pair {
	const char *label;             /* what people call it; NULL: "" */
	const char *cert, *key;        /* PEM files; NULL: the texts below */
	struct span cert_pem, key_pem; /* the certificate, then its chain */
	const char *const *names;      /* "mx.example", "*.example" */
	size_t name_count;             /* 0: the names in the certificate */
	bool is_fallback;              /* for those too who ask for no name that is here */
};

struct tls_ring *tls_ring_new(void);
/** The caller's share; the servers keep theirs. */
void tls_ring_free(struct tls_ring **ring);
/** Put these in the place of all that is there. ERR_TLS (with the file's name) for what is no pair,
 * ERR_CONFIG for none at all: then everything stays as it was. */
int tls_ring_load(
	struct tls_ring *ring, const struct tls_ring_pair *pairs, size_t count, struct err *e);
/** Is it a certificate with its key? */
int tls_ring_check(const struct tls_ring_pair *pair, struct err *e);

/* What is in it. */
struct tls_ring_cert {
	const char *label;
	const char *file, *key_file; /* "": not from a file */
	const char *names;           /* that it is shown for, with blanks between */
	struct tls_cert cert;
	bool is_fallback;
	bool is_key_open; /* others than owner and group may read the key's file */
};
/** In the order they were handed in. They live in `a`. */
size_t tls_ring_certs(struct tls_ring *ring, struct arena *a, struct tls_ring_cert **list_r);

/** Those that a client meets which asks for this name ("": for none), one for each kind of key. */
size_t tls_ring_for(
	struct tls_ring *ring, struct span name, struct arena *a, struct tls_cert **certs_r);

/** RFC 8737: what "acme-tls/1" meets under this name. Replaces what was there; ERR_LIMIT. */
int tls_ring_challenge_set(struct tls_ring *ring, struct span name, struct span cert_pem,
	struct span key_pem, struct err *e);
void tls_ring_challenge_remove(struct tls_ring *ring, struct span name);
