#pragma once
/* Asking a web server that a stranger has named (pictures in letters, one-click unsubscription): only what is
 * public is asked. Names are looked up by our own resolver, every address is looked at before it is connected
 * to, again at each redirect and once more at the socket itself; no cookies, no credentials, nothing of the
 * person who asks. */

#include "services/fetch/fetch.h"

#define FETCH_PUBLIC_REDIRECTS 3
#define FETCH_PUBLIC_URL_MAX   2048

struct fetch_public {
	struct work_lane *lane; /* borrowed, like all here */
	struct dns *dns;        /* must be */
	const char *agent;
	/* Networks that may be asked although they are not public, at any port: for tests. */
	const struct addr_net *allowed;
	size_t allowed_count;
	const char *ca_file; /* NULL: the system's */
};
struct fetch_public_request {
	struct span url;
	bool is_https_only;
	struct span body; /* "": GET. A POST follows no redirect */
	const char *const *fields;
	size_t field_count;
	size_t body_max;
	int64_t timeout_ns; /* of all hops together */
};
/** As fetch_run; ERR_DENIED: it leads to what is not public, or to another port than 80 and 443. */
FIBER int fetch_public(const struct fetch_public *how, const struct fetch_public_request *r,
	struct arena *a, struct fetch_answer *answer_r, struct err *e);

/* ---- pure ---- */

/** Is it a global unicast address that means another machine on the Internet? Not so are private, shared,
 * loopback, link-local, documentation, benchmark, multicast and reserved ones, and those of IPv6 that hold an
 * address of IPv4 (NAT64, 6to4, Teredo, mapped). */
bool fetch_is_public(const struct addr *a);
/** Where a Location leads, seen from `base`. In `a`. ERR_SYNTAX. */
int fetch_url_join(
	struct arena *a, struct span base, struct span location, struct span *url_r, struct err *e);
