#pragma once
/* Codes that change with the time (RFC 6238, RFC 4226) and the recovery codes beside them. Pure but for
 * random octets; thread-safe. */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define TOTP_STEP_SEC   30
#define TOTP_DIGITS     6
#define TOTP_WINDOW     1  /* steps before and behind ours that are taken too */
#define TOTP_SECRET     20 /* octets, RFC 4226 section 4: as long as SHA-1's result */
#define TOTP_CODE_TYPED 64 /* octets of what is typed */
#define RECOVERY_CODES  10
#define RECOVERY_CHARS  16 /* of 32: 80 random bits */
#define RECOVERY_HASH   32

/** The code of a step, with so many digits (6 to 8). */
void totp_code(struct span secret, int64_t step, unsigned digits, struct buf *code);
/** Which step's code it is, within the window around now; 0: none. Blanks in it do not count. All steps are
 * compared, in constant time. */
int64_t totp_step_of(struct span secret, struct span typed, int64_t now_sec);
/** A new secret, in `a`, wiped with it. */
int totp_secret_make(struct arena *a, struct span *secret_r, struct err *e);
/** Base32 without padding (RFC 4648 section 6): how apps take secrets. */
void totp_put_base32(struct buf *b, struct span s);
/** "otpauth://totp/HOST:ADDRESS?secret=…&issuer=HOST": what the square code holds. */
void totp_put_url(struct buf *b, struct span secret, struct span issuer, struct span address);

/** RECOVERY_CODES new ones, four groups of four, and their hashes; in `a`. */
int recovery_make(struct arena *a, struct span **codes_r, struct span **hashes_r, struct err *e);
/** The hash of what was typed, without blanks, dashes and case. False: it can be none. */
bool recovery_hash(struct span typed, struct buf *hash);
