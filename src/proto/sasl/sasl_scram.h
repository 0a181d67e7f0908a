#pragma once
/* SCRAM (RFC 5802, RFC 7677): messages and keys, for the client's and the server's side. The parsers
 * take one whole message and hand out spans into it; they allow what the grammar of RFC 5802
 * section 7 allows and nothing else. Pure; thread-safe. */

#include "base/buf.h"

enum scram_hash { SCRAM_SHA1, SCRAM_SHA256 };

#define SCRAM_HASH_MAX    32
#define SCRAM_NONCE_BYTES 18 /* random octets of ours; 24 characters */
#define SCRAM_NONCE_MAX   1024
#define SCRAM_SALT_MAX    1024
/* What is announced decides how much work we do: 0.3 s of processor time at the most. */
#define SCRAM_ITERATIONS_MAX 1000000
/* RFC 7677 section 4. Fewer make guessing cheap for whoever hears the exchange. */
#define SCRAM_ITERATIONS_MIN 4096
#define SCRAM_MESSAGE_MAX    (64 * 1024)

/** Octets of a digest: 20 or 32. */
size_t scram_length(enum scram_hash hash);

struct scram_client_first {
	char flag;           /* 'n', 'y' or 'p' */
	struct span binding; /* of 'p': "tls-exporter" */
	struct span authzid; /* escaped; "" for none */
	struct span user;    /* escaped */
	struct span nonce;
	struct span gs2;  /* "n,a=x,": what the final message repeats */
	struct span bare; /* what is signed */
};
bool scram_parse_client_first(struct span text, struct scram_client_first *m);

struct scram_server_first {
	struct span nonce, salt; /* salt in base64, not yet looked into */
	uint64_t iterations;     /* above 0; UINT64_MAX for more than that can hold */
};
bool scram_parse_server_first(struct span text, struct scram_server_first *m);

struct scram_client_final {
	struct span binding; /* base64 */
	struct span nonce, proof;
	struct span unproved; /* the message without its proof: what is signed */
};
bool scram_parse_client_final(struct span text, struct scram_client_final *m);

struct scram_server_final {
	struct span verifier; /* base64, or "" */
	struct span error;    /* "invalid-proof", or "" */
};
bool scram_parse_server_final(struct span text, struct scram_server_final *m);

/** A name with "," and "=" as they stand in a message, and back. The latter is false for other
 * escapes, octets that are not UTF-8 and the empty name. */
void scram_put_name(struct buf *out, struct span name);
bool scram_get_name(struct buf *out, struct span text);
/** A fresh nonce, appended. */
bool scram_put_nonce(struct buf *out);

/* Secrets: whoever has one wipes it. */
struct scram_keys {
	unsigned char client[SCRAM_HASH_MAX], stored[SCRAM_HASH_MAX], server[SCRAM_HASH_MAX];
};
/** RFC 5802 section 3. The password is prepared already (sasl_prep). As slow as `iterations` has
 * it. false: the library of hashes failed. */
bool scram_derive(enum scram_hash hash, struct span password, struct span salt, unsigned iterations,
	struct scram_keys *keys);
/** HMAC(key, text), `key` of the hash's length. */
bool scram_sign(enum scram_hash hash, const unsigned char *key, struct span text,
	unsigned char out[SCRAM_HASH_MAX]);
/** What the client sends: ClientKey XOR HMAC(StoredKey, text). */
bool scram_prove(enum scram_hash hash, const struct scram_keys *keys, struct span text,
	unsigned char proof[SCRAM_HASH_MAX]);
/** Does H(proof XOR HMAC(stored, text)) give the stored key? In constant time. */
bool scram_is_proof(
	enum scram_hash hash, const unsigned char *stored, struct span text, struct span proof);
