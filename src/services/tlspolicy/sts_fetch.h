#pragma once
/* Fetching an MTA-STS policy (RFC 8461 section 3.3): HTTPS with a verified certificate, no redirects,
 * text/plain, 64 KiB and a minute at most (services/fetch does it). */

#include "net/dns.h"
#include "proto/trust/mta_sts.h"
#include "proto/trust/tlsrpt.h"

#define STS_FETCH_NS CLOCK_MIN /* section 3.3 */

/* All borrowed during the call. */
struct sts_fetch {
	struct work_lane *lane;
	struct dns *dns;
	int64_t timeout_ns; /* 0: STS_FETCH_NS */
	const char *agent;  /* "yizhan"; NULL: that */
	/* for laboratories */
	const char *ca_file; /* NULL: the system's */
	uint16_t port;       /* 0: 443 */
	const char *address; /* NULL: as DNS says */
};
/** The text behind https://mta-sts.DOMAIN/.well-known/mta-sts.txt, in `a`. -1: *kind_r says what is to
 * be reported (a fetch error, or a certificate that does not fit), `e` has it for people. */
FIBER int sts_fetch(const struct sts_fetch *f, struct arena *a, struct span domain,
	struct span *text_r, enum tlsrpt_result *kind_r, struct err *e);
