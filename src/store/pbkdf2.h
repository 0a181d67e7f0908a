#pragma once
/* PBKDF2 with HMAC-SHA-256 (RFC 8018 section 5.2), one block of output: what SCRAM calls Hi (RFC 5802
 * section 2.2). Costs two compressions an iteration and nothing else. Pure; blocking. */

#include "base/span.h"

#define PBKDF2_SHA256 32

void pbkdf2_sha256(struct span password, struct span salt, unsigned iterations,
	unsigned char out[PBKDF2_SHA256]);
