#pragma once
/* TLS through OpenSSL, as a filter. Contexts are shared by all threads and may be reloaded while
 * in use (connections keep what they began with). */

#include "net/stream.h"

struct tls_server;
struct tls_client;
struct tls_ring; /* net/tls_ring.h */

struct tls_cert_files {
	const char *cert, *key; /* PEM; borrowed during the call */
	const char *name;       /* SNI pattern ("mx.example", "*.example"); NULL: the names in the
			     certificate, and the default */
};

struct tls_server_opts {
	const char *service;   /* "smtp": session tickets are bound to it and refused elsewhere */
	const char *alpn;      /* the one protocol spoken, e.g. "smtp"; a client that offers only
				others is refused with the alert; one that offers none is served */
	struct tls_ring *ring; /* certificates, shared by several servers; NULL: those below */
	const struct tls_cert_files *certs;
	size_t cert_count;
	bool is_tls12_allowed; /* TLS 1.2 beside 1.3 */
	/* Ask each client for a certificate. None is needed, and any is taken, signed by whomever: that
	 * the client has its key is proven, everything else is for tls_peer's caller to judge. Such a
	 * connection gets no session ticket: who comes back shows it again. */
	bool is_cert_asked;
};

/* One for each protocol: a ticket of one service is never good at another. A client that offers
 * "acme-tls/1" alone meets the challenge in the ring, if there is one for its name (RFC 8737);
 * tls_accept then fails with ERR_EOF, for nothing may follow. */
struct tls_server *tls_server_new(const struct tls_server_opts *opts, struct err *e);
/** Read the certificate files again; on error the old ones stay. Any thread; it reads files, so it
 * is called from a work lane, as the two _new functions are once the loops run. Tickets given out
 * before stay good. */
int tls_server_reload(struct tls_server *t, struct err *e);
void tls_server_free(struct tls_server **t);
/** Keys of session tickets are drawn anew every 12 hours, and the last ones still open what they
 * sealed for as long again. It happens by itself when somebody connects; where nobody does, this
 * wipes what has become old. Any thread. */
void tls_server_turn(struct tls_server *t);

struct tls_client_opts {
	const char *alpn;
	const char *ca_file; /* with ca_dir NULL too: the system's (SSL_CERT_FILE of the
				environment first), except where pins are given */
	const char *ca_dir;  /* every PEM file in it is read now, hashed names or not */
	bool is_without_ca; /* no authority is known: for those who verify by DANE alone, or only look */
	const char *cert_file, *key_file; /* shown to servers that ask; key NULL: in cert_file */
	const char *key_password;
	int min_version,
		max_version;      /* 10, 11, 12, 13; 0: 12, the newest. Below 12 the weak ciphers
				of that time come along: for looking, never for secrets */
	const char *ciphers;      /* TLS 1.2 and below, OpenSSL's list; NULL: ours */
	const char *ciphersuites; /* TLS 1.3; NULL: OpenSSL's */
	/* "sha256:HEX[,...]": the certificate's or its public key's (SPKI) SHA-256. One of them fits:
	 * verified, whoever issued it for whatever name. None: not verified. */
	const char *pins;
};
/** Reads all of the CA files: some 20 ms for the system's. Shared by all threads. ERR_CONFIG for pins,
 * ciphers and versions that are none, ERR_TLS for files. */
struct tls_client *tls_client_new(const struct tls_client_opts *opts, struct err *e);
void tls_client_free(struct tls_client **t);

/* Why a certificate is not to be trusted. */
#define TLS_TRUSTS(X)                                                                              \
	X(GOOD, "trusted")                                                                         \
	X(EXPIRED, "expired")                                                                      \
	X(NOT_YET, "not yet valid")                                                                \
	X(SELF_SIGNED, "self-signed")                                                              \
	X(UNKNOWN_ISSUER, "unknown issuer")                                                        \
	X(WRONG_NAME, "wrong name")                                                                \
	X(WEAK, "too weak")                                                                        \
	X(REVOKED, "revoked")                                                                      \
	X(DANE_MISMATCH, "fits no TLSA record")                                                    \
	X(PIN_MISMATCH, "not the pinned one")                                                      \
	X(OTHER, "not valid")
enum tls_trust {
#define X(id, text) TLS_TRUST_##id,
	TLS_TRUSTS(X)
#undef X
		TLS_TRUST_COUNT
};
/** Never NULL. */
const char *tls_trust_str(enum tls_trust t);

struct tls_verdict {
	enum tls_trust trust;
	long error;                 /* X509_V_ERR_... of OpenSSL; 0: X509_V_OK */
	const char *text;           /* of `error`; static */
	bool is_dane;               /* good because of a TLSA record */
	int64_t began_ns, ended_ns; /* of the handshake, mono; 0: it was not begun */
};

/* RFC 6698 section 2.1: what stands in a TLSA record. */
struct tls_tlsa {
	uint8_t usage, selector, matching;
	struct span data;
};
#define TLS_TLSA_MAX 65535 /* octets of its data */
/** A record that SMTP can use: DANE-TA or DANE-EE, known selector and matching type, data of the right
 * length, or a certificate or key (RFC 7672 section 3.1). Pure. */
bool tls_tlsa_is_usable(const struct tls_tlsa *r);

/* The peer's certificates while the handshake is under way. */
struct tls_chain;

/* One connection. Zeroed: nothing is verified, no SNI. All borrowed during the call. */
struct tls_connect_opts {
	struct span
		name; /* that the certificate must be for; an IP address fits an IP name in it */
	struct span also; /* or that one (RFC 7672 section 3.2.2: the next-hop domain); "" */
	struct span sni;  /* asked for in its place; "": `name` */
	bool is_no_sni;   /* ask for none */
	bool is_verify;   /* a certificate that does not fit ends the handshake */
	/* When at least one is usable, these alone decide, and no authority does (RFC 7672 section 3.1).
	 * When none is, they are as if they were not there. */
	const struct tls_tlsa *tlsa;
	size_t tlsa_count;
	/* The last word on every certificate, good or bad: true takes it, false ends the handshake,
	 * whatever is_verify says. Called in the middle of the handshake: must not yield. What is taken
	 * against the verdict stays is_verified = false. */
	bool (*verify)(void *arg, const struct tls_verdict *verdict, const struct tls_chain *chain);
	void *verify_arg;
	bool is_ticket_wanted;           /* keep the newest for tls_ticket_take */
	const struct tls_ticket *ticket; /* try to resume with it: only for the name and the options
				that it was got with */
};

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
/** The same with all that can be said. `verdict_r` (may be NULL) is filled as soon as the certificate
 * has come, also when the handshake fails; trust OTHER with error 0 before. */
FIBER int tls_connect_with(struct stream *s, struct tls_client *t,
	const struct tls_connect_opts *opts, struct tls_verdict *verdict_r, struct err *e);

/* A session ticket of a server, to come back with. Any thread, one at a time. */
struct tls_ticket;
/** The newest that came, now the caller's; NULL: none yet (TLS 1.3 sends them behind the handshake:
 * read something first). */
struct tls_ticket *tls_ticket_take(struct stream *s);
void tls_ticket_free(struct tls_ticket **t);

/* ---- what is known of a connection, by question: streams stay small ---- */

struct tls_facts {
	struct tls_verdict verdict; /* client side */
	const char *group;          /* key exchange: "x25519", "secp256r1"; NULL: not known */
	bool is_resumed;
};
/** Both sides. false without TLS. Strings are static. */
bool tls_facts(const struct stream *s, struct tls_facts *facts_r);

struct tls_cert {
	const char *subject, *issuer;  /* RFC 2253; UTF-8, control characters escaped */
	const char *names;             /* "DNS:a.example DNS:b.example IP:192.0.2.1" */
	int64_t not_before, not_after; /* seconds since 1970 */
	const char *serial;            /* hex */
	const char *key;               /* "RSA 2048", "EC P-256", "Ed25519" */
	unsigned key_bits;
	const char *signature;            /* "sha256WithRSAEncryption" */
	const char *sha256, *spki_sha256; /* hex, lower case */
	const char *pem;
	bool is_self_issued; /* subject and issuer are the same */
};
#define TLS_CERTS_MAX 32          /* told of one chain */
#define TLS_CERT_TEXT (16 * 1024) /* of one name or list of names; cut beyond */

/** The server's certificates as sent, its own first; 0: none. Made anew in `a` at each call. */
size_t tls_certs(const struct stream *s, struct arena *a, struct tls_cert **certs_r);
size_t tls_chain_certs(const struct tls_chain *chain, struct arena *a, struct tls_cert **certs_r);
/** What a server shows of itself to a client that names nobody: one, or 0. Any thread. */
size_t tls_server_certs(struct tls_server *t, struct arena *a, struct tls_cert **certs_r);
/** Is the server's own certificate for this name or IP address? */
bool tls_is_named(const struct stream *s, struct span name);
/** Does the server's chain fit this record, by itself? Only says whether the bytes are the same: of
 * DANE-TA neither names nor signatures are looked at. */
bool tls_tlsa_fits(const struct stream *s, const struct tls_tlsa *r);

/* ---- the client's certificate, at a server that asks for it ---- */

#define TLS_PEER_MAILBOXES_MAX 16

struct tls_peer {
	const char *spki_sha256;       /* hex, lower case: the pin of its key */
	const char *subject;           /* as tls_cert has it */
	int64_t not_before, not_after; /* seconds since 1970 */
	/* rfc822Name of its subjectAltName (RFC 5280 section 4.2.1.6): of printable ASCII and with one
	 * '@'; others are passed over, and so are those behind the 16th. Who signed them is another
	 * question. */
	size_t mailbox_count;
	const char *mailboxes[TLS_PEER_MAILBOXES_MAX];
};
bool tls_peer_has(const struct stream *s);
/** false: it has shown none. Strings live in `a`. Does not yield. */
bool tls_peer(const struct stream *s, struct arena *a, struct tls_peer *peer_r);

/* Authorities that clients' certificates may be signed by. Shared by all threads. */
struct tls_authority;
/** Reads a PEM file: blocks. ERR_TLS. */
struct tls_authority *tls_authority_new(const char *ca_file, struct err *e);
void tls_authority_free(struct tls_authority **x);
/** Is the client's certificate signed by one of them, for clients, and good at this time? `why_r` (may be
 * NULL): why not; static. Does not yield. */
bool tls_authority_vouches(
	const struct tls_authority *x, const struct stream *s, int64_t now_sec, const char **why_r);

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
 * for its owner only. `names` is a list with commas of host names and IP addresses. A key of that kind
 * that is there already is kept. Blocks. */
int tls_make_self_signed(
	const char *names, const char *cert_file, const char *key_file, struct err *e);
/** Is in the file one that we made, and does it end within 30 days, or is it for other names? False for
 * a certificate of somebody else's, and for none. Blocks. */
bool tls_self_signed_is_due(const char *names, const char *cert_file, int64_t now_sec);
