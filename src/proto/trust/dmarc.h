#pragma once
/* DMARC policy records (RFC 9989): what a domain asks of those who get mail in its name that it did not
 * sign. The look-up of the policy alone; nothing is verified here. Pure.
 *
 *	if (dmarc_parse(txt, &r) && dmarc_policy_for(&r, false, true) != DMARC_NONE)
 *		...
 */

#include "base/span.h"

#define DMARC_TXT_MAX 4096 /* a longer record is none */

#define DMARC_POLICIES(X)                                                                          \
	X(NONE, "none")                                                                            \
	X(QUARANTINE, "quarantine")                                                                \
	X(REJECT, "reject")
enum dmarc_policy {
#define X(id, name) DMARC_##id,
	DMARC_POLICIES(X)
#undef X
		DMARC_POLICY_COUNT
};
const char *dmarc_policy_str(enum dmarc_policy p);

struct dmarc_record {
	enum dmarc_policy p, sp, np; /* of the domain, its subdomains, names that do not exist */
	bool has_sp, has_np;         /* without: as the one before, and already filled in so */
	bool is_testing;             /* t=y: one step milder than it says */
	char psd;                    /* 'y', 'n', 'u' (not said) */
};

/** Section 4.7. False where the text is no DMARC record: "v=DMARC1" does not come first, or its
 * policies are not understood and there is no rua either (section 4.10.1). Unknown and malformed tags
 * are passed over; of a tag that stands twice the first counts. */
bool dmarc_parse(struct span text, struct dmarc_record *r_r);

/** What is asked for, t=y included: for mail of the record's own domain, or (`is_subdomain`) of one
 * below it, that `exists` in the DNS or not. */
enum dmarc_policy dmarc_policy_for(const struct dmarc_record *r, bool is_subdomain, bool exists);
