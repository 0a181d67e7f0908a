#pragma once
/* TLS policy: how safe the hop to a destination must be, and why. An adviser: it looks at the
 * administrator's overrides, at DNSSEC and TLSA records (DANE, RFC 7672), at MTA-STS (RFC 8461) and at
 * what the letter asks for (RFC 8689), and answers; outbound acts on it. docs/tls-policy.md has the
 * table of what is decided when.
 *
 *	struct tlspolicy_ask ask = {.destination = SPAN("example.org"), .is_mx_secure = true};
 *	struct tls_policy *p;
 *	struct tls_host h;
 *	if (tlspolicy_domain(t, a, &ask, &p, &e) == 0 &&
 *		tlspolicy_host(t, a, p, SPAN("mx.example.org"), 25, &h, &e) == 0)
 *		...	// h.level, and h.opts for tls_connect_with()
 *	tlspolicy_note(t, p, &h, TLSRPT_SUCCESS, peer, SPAN_NONE);
 *
 * One is shared by all loops. What it hands out lives in the arena given and never changes. */

#include "base/log.h"
#include "net/dns.h"
#include "net/tls.h"
#include "proto/trust/mta_sts.h"
#include "proto/trust/tlsrpt.h"
#include "store/tls_facts.h"
#include "services/tlspolicy/sts_fetch.h"

struct tlspolicy;

#define TLSPOLICY_DNS_NS         (30 * CLOCK_SEC)
#define TLSPOLICY_REFRESH_NS     CLOCK_DAY       /* a policy with the same id is fetched again */
#define TLSPOLICY_FETCH_AGAIN_NS (5 * CLOCK_MIN) /* after a failure (RFC 8461 section 3.3) */
#define TLSPOLICY_TLSA_MAX       32              /* records of one host */
#define TLSPOLICY_KEY_MAX        200
#define TLSPOLICY_NOTES_MAX      4096 /* kinds of results that wait to be written */
#define TLSPOLICY_FLUSH_NS       (10 * CLOCK_SEC)
#define TLSPOLICY_FAILED_MAX     4096 /* domains whose failed fetch is remembered */

struct tlspolicy_opts {
	struct store *store; /* borrowed, as all here; NULL: no overrides, nothing is kept */
	struct dns *dns;
	bool is_dane_off, is_sts_off; /* unless an override asks for it */
	struct sts_fetch fetch;       /* lane NULL: policies are not fetched */
	/** In place of sts_fetch(), for tests. */
	FIBER int (*fetch_fn)(void *arg, struct arena *a, struct span domain, struct span *text_r,
		enum tlsrpt_result *kind_r, struct err *e);
	void *fetch_arg;
	const struct log *log;
};

struct tlspolicy *tlspolicy_new(const struct tlspolicy_opts *opts);
/** Nobody may ask any more. Results that were not flushed are lost. */
void tlspolicy_free(struct tlspolicy **t);

struct tlspolicy_ask {
	struct span destination; /* lower-case A-label domain, or a next hop's key without what
				  * stands behind '|' */
	bool is_fixed;           /* a next hop that we chose: no MX was looked up */
	bool is_mx_secure;       /* the MX answer (or that there is none) was validated */
	bool is_requiretls;      /* RFC 8689: wins over the next */
	bool is_tls_optional;    /* "TLS-Required: No" */
};

/* What holds for all hosts of a destination. */
struct tls_policy {
	enum tls_level level; /* NONE, MAY, ENCRYPT, VERIFY or DANE_ONLY: the least for each host */
	bool is_dane;         /* the hosts' TLSA records are asked for */
	bool is_requiretls, is_tls_optional, is_fixed, is_mx_secure;
	const struct mta_sts_policy *sts; /* NULL: none holds; its mode says whether it counts */
	const char *sts_text;             /* for reports */
	struct span domain;               /* as asked */
	/* Two destinations with the same hosts and the same key may share connections. */
	struct span key;
	const char *why;     /* one line for people: which row or record decided */
	uint64_t generation; /* of the store's tables */
};

/** Never an error of the peer's: what cannot be found out is left out, and `why` says so. -1 for
 * cancellation, or the store's trouble. */
FIBER int tlspolicy_domain(struct tlspolicy *t, struct arena *a, const struct tlspolicy_ask *ask,
	struct tls_policy **policy_r, struct err *e);

/** Are the administrator's tables still those that the decision was made with? Any thread. */
bool tlspolicy_is_current(const struct tlspolicy *t, const struct tls_policy *policy);

/* What holds for one host, and how to shake hands with it. */
struct tls_host {
	enum tls_level level;  /* NONE, MAY, ENCRYPT, VERIFY, DANE */
	bool is_must;          /* a handshake that fails ends the attempt: nothing goes in clear */
	bool is_authenticated; /* after a good handshake the peer is known to be the right one */
	bool is_checked; /* what the certificate is worth is reported, even where it does not count */
	struct tls_connect_opts opts;
	enum tlsrpt_policy report;
	enum tlsrpt_result expected; /* found already, and reported whatever comes; or SUCCESS */
	struct span name;
	const char *policy_text; /* for reports */
	const char *why;
};
/** -1: this host must not be used now. `e` carries the triple that senders are told, and whether later
 * may help: 4.7.5 for broken DANE, 5.7.30 where REQUIRETLS cannot be kept. The result has been noted. */
FIBER int tlspolicy_host(struct tlspolicy *t, struct arena *a, const struct tls_policy *policy,
	struct span host, uint16_t port, struct tls_host *host_r, struct err *e);

/** What a handshake's verdict is called in reports. */
enum tlsrpt_result tlspolicy_kind(const struct tls_host *h, const struct tls_verdict *v);
/** Count a session. `peer`: its address, "" without a connection; `detail`: of a failure. Does not
 * yield; written later, many at once. Any thread. */
void tlspolicy_note(struct tlspolicy *t, const struct tls_policy *policy, const struct tls_host *h,
	enum tlsrpt_result kind, struct span peer, struct span detail);
/** Write what was noted. */
FIBER int tlspolicy_flush(struct tlspolicy *t, struct err *e);
/** A fiber_fn on a struct tlspolicy: flush again and again, and forget what is old, until cancelled. */
FIBER int tlspolicy_keep(void *tlspolicy);
