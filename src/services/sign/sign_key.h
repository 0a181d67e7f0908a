#pragma once
/* Making keys, and what of them is published. */

#include "store/dkim_keys.h"
#include "services/sign/sign.h"

#define SIGN_RSA_BITS 2048
#define SIGN_RETIRE_NS                                                                             \
	(7 * CLOCK_DAY) /* how long the record of a key that signs no more stays: as
					  long as x= of what it signed, DKIM_LIFETIME_SEC */

struct sign_key_new {
	struct span domain;
	struct span selector; /* ""; made of today's date */
	bool has_rsa, has_ed25519;
	unsigned bits; /* of RSA; 0: SIGN_RSA_BITS */
	bool is_wide;
	enum dkim_keys_state state;
};
/** Make one key or two and keep them; the rows live in `a`. RSA takes 100 ms and more of `lane`. Where
 * both are made, "-rsa" and "-ed" stand behind the selector. ERR_EXISTS, ERR_SYNTAX. */
FIBER int sign_key_make(struct store *s, struct work_lane *lane, struct arena *a,
	const struct sign_key_new *n, struct dkim_keys_row **rows_r, size_t *count_r,
	struct err *e);
/** A private key from elsewhere (PEM, or base64 of an Ed25519 seed), as a new row. */
FIBER int sign_key_import(struct store *s, struct arena *a, const struct sign_key_new *n,
	struct span text, struct dkim_keys_row *row_r, struct err *e);

/* What is published of a key. In `a`. */
struct sign_key_public {
	struct span name;   /* "selector._domainkey.domain" */
	struct span record; /* the TXT record's text */
	struct span zone;   /* the line of a zone file, strings of 255 octets at most */
	struct span key;    /* octets of p= */
	unsigned bits;
};
int sign_key_public(struct arena *a, const struct dkim_keys_row *row,
	struct sign_key_public *public_r, struct err *e);
/** Is this TXT text the record of that key, and of use? NULL: yes; else why not, for people. */
const char *sign_key_judge(struct arena *a, const struct sign_key_public *key, struct span text);
