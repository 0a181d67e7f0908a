#pragma once
/* Password hashes of other systems, kept until the first login with the password makes verifiers of our
 * own out of it (account_password_upgrade). All is pure; what derives keys blocks for as long as the hash
 * asks for and is for a work lane.
 *
 *	$6$salt$…  $5$…  $1$…  $y$…  $2y$…	crypt(3)
 *	$argon2id$v=19$m=65536,t=3,p=1$…	Argon2
 *	{SCHEME}…  {SCHEME.b64}…  {SCHEME.hex}…	Dovecot and LDAP servers; the table is in the .c file
 *	SCRAM-SHA-256$4096:salt$stored:server	RFC 5803
 */

#include "store/verifier.h"

/* What a hash may cost to check; one that asks for more is refused when it is imported. */
#define VERIFIER_IMPORT_ROUNDS_MAX 5000000      /* SHA crypt, PBKDF2, SCRAM */
#define VERIFIER_IMPORT_COST_MAX   15           /* bcrypt: 2^n */
#define VERIFIER_IMPORT_SCRYPT_MAX 17           /* yescrypt, scrypt: 2^n blocks */
#define VERIFIER_IMPORT_KIB_MAX    (256 * 1024) /* Argon2: memory */
#define VERIFIER_IMPORT_PASSES_MAX 16
#define VERIFIER_IMPORT_SALT_MAX   256 /* octets of a salt behind a digest */
#define VERIFIER_IMPORT_SCHEME_MAX 32

/** Can passwords be checked against it? ERR_SYNTAX names what is not known or not well-formed,
 * ERR_LIMIT what costs too much. */
int verifier_import_check(struct span hash, struct err *e);
/** What of it can be taken over as it is: "" when nothing. In `a`. A SCRAM-SHA-256 or SCRAM-SHA-1 key is
 * a verifier already. */
void verifier_import_scram(
	struct arena *a, struct span hash, struct span *sha256_r, struct span *sha1_r);
/** A password that was kept in the clear ({PLAIN}): true, and the password in `a`. */
bool verifier_import_plain(struct arena *a, struct span hash, struct span *password_r);
/** Does the password fit? A malformed hash fits nothing. Blocking. */
bool verifier_imported_fits(struct span hash, struct span password);
