#pragma once
/* The Sender Rewriting Scheme: the reverse-path of mail that is forwarded, so that SPF (RFC 7208) holds
 * at the next hop and a bounce finds its way back through us.
 *
 *	SRS0=HASH=DAY=domain=local@forwarder			the first forwarder's
 *	SRS1=HASH=first=REST@forwarder				each further one's
 *
 * HASH is our HMAC-SHA256, 40 bits in base32 (RFC 4648 section 6), over all that follows it in lower
 * case: what comes back may have lost its case on the way. DAY counts modulo 1024. An address that does
 * not bear our hash is no way through. Of an SRS1 the day is the first forwarder's business.
 *
 * Pure. */

#include "base/arena.h"

#define SRS_KEYS_MAX  4
#define SRS_DAYS      21  /* a bounce may come as late */
#define SRS_LOCAL_MAX 128 /* what SMTP servers take is 64 by the letter, more in life */
#define SRS_PATH_MAX  254 /* RFC 5321 section 4.5.3.1.3, without the angle brackets */

struct srs_keys {
	struct span keys[SRS_KEYS_MAX]; /* the first one signs, all are tried */
	size_t count;
};

enum srs_verdict {
	SRS_NONE, /* it is no such address */
	SRS_OK,
	SRS_FORGED, /* not our hash */
	SRS_OLD,
};

/** Does a local part look like one of ours (or another's)? */
bool srs_is(struct span local);
/** The address at `domain`, which is ours, for mail from `sender` ("local@domain"). In `a`; empty when
 * there is no key, or it would be too long. */
struct span srs_forward(struct arena *a, const struct srs_keys *keys, struct span sender,
	struct span domain, int64_t wall_sec);
/** Where a bounce to such a local part goes. `*address_r` is set with SRS_OK. */
enum srs_verdict srs_reverse(struct arena *a, const struct srs_keys *keys, struct span local,
	int64_t wall_sec, struct span *address_r);
