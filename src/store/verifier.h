#pragma once
/* Password verifiers: SCRAM-SHA-256 (RFC 5802 section 3, RFC 7677), the only form a password is
 * kept in: "iterations:salt:StoredKey:ServerKey", the last three in base64. */

#include "store/store.h"

#define VERIFIER_ITERATIONS   10000
#define VERIFIER_PASSWORD_MAX 1024

/** Derive a verifier with a fresh salt on the store's hash lane (about 5 ms of processor time).
 * ERR_SYNTAX for a password with control characters, bad UTF-8 or too long. */
FIBER int verifier_make(struct store *s, struct arena *a, struct span password,
	struct span *verifier_r, struct err *e);
/** fn(arg) on the store's hash lane, whose threads give way to everything else. ERR_BUSY when too many
 * wait already. */
FIBER int verifier_run(struct store *s, work_fn *fn, void *arg, struct err *e);
/** Does the password fit? A malformed or empty verifier fits nothing and takes as long. Blocking:
 * for a work lane. */
bool verifier_fits(struct span verifier, struct span password);
