#pragma once
/* Sign, an adviser: the DKIM-Signature fields of what leaves (docs/signing.md). One struct signer a
 * process; everything here may be called from any loop's thread. Keys are read from the store when they
 * are needed and kept while store_directory_generation() stays. Body digests are computed as octets
 * come; keys are used on a work lane, never on a loop's thread.
 *
 *	job = sign_job_new(signer, a);
 *	sign_feed(job, octets);				// the message as it will be sent, any cut
 *	if (sign_end(job, domain, fields, &e) < 0) …	// fields go in front of the message
 *
 * What is signed is not changed after: line ends are normal before it comes here, and an 8-bit message
 * that meets a 7-bit next hop goes back (5.6.3). What others wrote and we pass on is not signed. */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "run/fiber.h"

struct store;
struct signer;
struct sign_job;

#define SIGN_FIELDS_MAX  (32 * 1024) /* what `fields` must be able to hold */
#define SIGN_DOMAINS_MAX 10000       /* whose keys are kept in memory */
#define SIGN_KEYS_MAX    2    /* signatures of one message: the newest key of each algorithm */
#define SIGN_WAITING_MAX 4096 /* on the lane; then ERR_BUSY */

struct signer_opts {
	struct store *store; /* borrowed, as all here */
	unsigned threads;    /* of the lane; 0: 2 */
	const struct log *log;
};

struct signer *signer_new(const struct signer_opts *opts);
/** After every loop has ended, before the store is closed. NULL inside is allowed. */
void signer_free(struct signer **s);

/** Is there any key that signs? While there is none a caller need not make a job. Cheap: the store is
 * asked again only after a change. */
FIBER int signer_is_needed(struct signer *s, bool *is_needed_r, struct err *e);
/** Has this domain keys that sign for it? */
FIBER int signer_has(struct signer *s, struct span domain, bool *has_r, struct err *e);

/** The job goes with the arena. `signer` NULL is allowed: then it does nothing. */
struct sign_job *sign_job_new(struct signer *signer, struct arena *a);
/** The next octets, header and body, line ends CRLF. Does not yield. */
void sign_feed(struct sign_job *job, struct span octets);
/** The message has ended: append the fields for `domain` (of From; A- or U-labels), each with its CRLF,
 * the last of which ends the text; nothing when no key signs for it. Errors have their SMTP reply:
 * 552 5.3.4 a header too long to be signed, 550 5.6.0 no From, 451 4.3.0 else. */
FIBER int sign_end(struct sign_job *job, struct span domain, struct buf *fields, struct err *e);

/** The same with `front` above what was fed, for one recipient (ends with CRLF, lives until this returns);
 * as often as wanted, before sign_end or behind it. The body is not hashed again. */
FIBER int sign_front(struct sign_job *job, struct span front, struct span domain,
	struct buf *fields, struct err *e);

/** A whole message in memory. */
FIBER int sign_bytes(struct signer *signer, struct span domain, struct span message,
	struct buf *fields, struct err *e);

/** The domain of the first mailbox in the first From of a header, in `a`; "" when there is none. */
struct span sign_from_domain(struct arena *a, struct span header);

struct sign_stats {
	uint64_t messages, signatures, unsigned_messages, failures;
};
void signer_stats(const struct signer *s, struct sign_stats *stats_r);
