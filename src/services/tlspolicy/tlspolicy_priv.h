#pragma once
/* Inside the room. All that changes is under `lock`, which is never held across a yield. */

#include <pthread.h>

#include "base/hash.h"
#include "services/tlspolicy/tlspolicy.h"

/* A policy that could not be had: not asked for again until then. */
struct tlspolicy_failed {
	int64_t until_ns; /* wall clock */
	char id[MTA_STS_ID_MAX + 1];
	char *why;
};

/* A kind of result that waits to be written. */
struct tlspolicy_waiting {
	struct tls_result result;
	char *memory; /* of its texts */
};

struct tlspolicy {
	struct tlspolicy_opts opts;
	pthread_mutex_t lock;
	struct hash_map failed;  /* domain -> struct tlspolicy_failed */
	struct hash_map waiting; /* day, domain, policy, mx, kind -> struct tlspolicy_waiting */
	uint64_t lost;           /* results for which there was no room */
	int64_t swept_day;       /* tlspolicy_keep's */
};

/* tlspolicy_sts.c */

struct tlspolicy_sts {
	const struct mta_sts_policy *policy; /* NULL: none holds */
	const char *text, *id;
	const char *why; /* what was found, for people; NULL: no record */
};
/** The domain's MTA-STS policy: the kept one, or fetched and kept. -1: cancelled, or the store's
 * trouble. */
FIBER int tlspolicy_sts_find(struct tlspolicy *t, struct arena *a, struct span domain,
	struct tlspolicy_sts *sts_r, struct err *e);
void tlspolicy_failed_clear(struct tlspolicy *t);

/* tlspolicy_dane.c */

enum tlspolicy_dane {
	TLSPOLICY_DANE_NONE,     /* no validated records */
	TLSPOLICY_DANE_USABLE,   /* one at least can be used */
	TLSPOLICY_DANE_UNUSABLE, /* there are some, and none can be used */
	TLSPOLICY_DANE_BROKEN,   /* it cannot be known */
};
struct tlspolicy_tlsa {
	enum tlspolicy_dane state;
	struct span base; /* the name whose records they are */
	struct tls_tlsa *records;
	size_t count;
	enum dns_status status; /* of what is broken */
	const char *text;       /* "3 1 1 ab12...\n...": for reports */
};
/** RFC 7672 section 2.2. -1: cancelled. */
FIBER int tlspolicy_dane_find(struct tlspolicy *t, struct arena *a, struct span host, uint16_t port,
	struct tlspolicy_tlsa *tlsa_r, struct err *e);

/* tlspolicy_note.c */

/** Count under a domain that no host was tried for yet. */
void tlspolicy_note_domain(struct tlspolicy *t, struct span domain, enum tlsrpt_policy policy,
	enum tlsrpt_result kind, struct span detail, const char *policy_text);
void tlspolicy_waiting_clear(struct tlspolicy *t);
