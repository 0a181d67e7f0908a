#pragma once
/* Password verifiers: SCRAM-SHA-256 (RFC 5802 section 3, RFC 7677), the form a password is kept in, and
 * where it is asked for SCRAM-SHA-1 beside it: "iterations:salt:StoredKey:ServerKey", the last three in
 * base64. What the password is (SASLprep) is the caller's. */

#include "store/store.h"

#define VERIFIER_ITERATIONS     10000
#define VERIFIER_ITERATIONS_MAX 10000000 /* of one that was taken over */
#define VERIFIER_PASSWORD_MAX   1024

enum verifier_hash { VERIFIER_SHA256, VERIFIER_SHA1 };

/** Derive a verifier with a fresh salt on the store's hash lane (about 5 ms of processor time).
 * ERR_SYNTAX for a password with control characters, bad UTF-8 or too long. */
FIBER int verifier_make(struct store *s, struct arena *a, struct span password,
	struct span *verifier_r, struct err *e);
/** The same for SCRAM-SHA-1. */
FIBER int verifier_make_sha1(struct store *s, struct arena *a, struct span password,
	struct span *verifier_r, struct err *e);
/** fn(arg) on the store's hash lane, whose threads give way to everything else. ERR_BUSY when too many
 * wait already. */
FIBER int verifier_run(struct store *s, work_fn *fn, void *arg, struct err *e);
/** Does the password fit? A malformed or empty verifier fits nothing and takes as long. Blocking:
 * for a work lane. */
bool verifier_fits(struct span verifier, struct span password);

/* A verifier taken apart: octets, in `a`. */
struct verifier {
	unsigned iterations;
	struct span salt, stored, server;
};
/** False: it is none. Pure. */
bool verifier_parse(
	struct arena *a, struct span text, enum verifier_hash hash, struct verifier *verifier_r);
/** Do the keys belong to the password? Blocking. */
bool verifier_keys_fit(
	const struct verifier *verifier, enum verifier_hash hash, struct span password);
/** The opposite: as it is kept. */
struct span verifier_text(struct arena *a, const struct verifier *verifier);
