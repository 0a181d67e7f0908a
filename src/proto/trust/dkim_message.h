#pragma once
/* A message that streams by once: its header fields are kept, its body goes through as many digests as
 * the signatures need. Where the header ends is what proto/mail's splitter says, as for everybody else
 * in the house: what is signed as a header is read as one. Pure.
 *
 *	dkim_message_init(&m, &settings);
 *	dkim_message_feed(&m, octets);		// header and body, any cut
 *	dkim_message_end(&m);
 *	...
 *	dkim_message_fini(&m);
 */

#include "proto/mail/mail_header.h"
#include "proto/trust/dkim_canon.h"

struct evp_md_ctx_st; /* OpenSSL's EVP_MD_CTX */

struct dkim_field {
	struct span name;  /* without blanks behind it */
	struct span whole; /* with its line end */
	uint64_t hash;     /* of the name in lower case: a quick "no" */
	size_t at;         /* of its first octet in the message */
};

struct dkim_digest {
	enum dkim_canon canon;
	uint64_t limit; /* canonical octets that count; UINT64_MAX: all (l=) */
	unsigned char value[DKIM_DIGEST_LEN]; /* after dkim_message_end */
	uint64_t len;                         /* canonical octets of the body */
	/* private */
	struct dkim_body body;
	struct evp_md_ctx_st *md;
	uint64_t left;
};

struct dkim_message {
	/** The header is complete: ask for digests of the body (dkim_message_want). */
	void (*header_done)(void *arg, struct dkim_message *m);
	void *arg;
	/* results, once the header is done */
	struct dkim_field *fields;
	size_t field_count;
	unsigned troubles; /* enum mail_header_trouble */
	bool is_done;
	size_t digest_count;
	struct dkim_digest digests[DKIM_BODIES_MAX];
	/* private */
	struct mail_header header;
	struct buf kept;
	size_t field_cap, body_fed;
};

void dkim_message_init(
	struct dkim_message *m, void (*header_done)(void *arg, struct dkim_message *m), void *arg);
void dkim_message_fini(struct dkim_message *m);
/** In header_done only: the body's digest in that form. Its place in `digests`, or -1: enough. */
int dkim_message_want(struct dkim_message *m, enum dkim_canon canon, uint64_t limit);
void dkim_message_feed(struct dkim_message *m, struct span octets);
/** The message has ended; digests have their values. */
void dkim_message_end(struct dkim_message *m);

/** The same message with further fields above its own: `front`, which lives in the caller's hands and
 * ends with CRLF. *with_r borrows from `m` and `a`; it is not to be fed or ended with dkim_message_fini. */
void dkim_message_with_front(const struct dkim_message *m, struct arena *a, struct span front,
	struct dkim_message *with_r);

uint64_t dkim_name_hash(struct span name);
/** The digest of the fields that `names` (an h=) means, from the bottom up where a name is repeated
 * (RFC 6376 section 5.4.2), then of the signature's own field without its b=. False: more
 * than DKIM_NAMES_MAX names. */
bool dkim_message_hash(const struct dkim_message *m, enum dkim_canon canon, struct span names,
	const struct dkim_own *own, unsigned char digest[DKIM_DIGEST_LEN]);
