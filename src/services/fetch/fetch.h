#pragma once
/* Asking a web server (HTTPS): policies, certificates, tokens. libcurl does it, on a work lane; it is
 * loaded when the first thing is fetched (docs/decisions/libcurl-when-needed.md). No redirects, no
 * proxies, no cookies; the certificate is always verified. Names are looked up where everything else is. */

#include "net/dns.h"

#define FETCH_NS      (30 * CLOCK_SEC)
#define FETCH_DNS_NS  (30 * CLOCK_SEC)
#define FETCH_ADDRS   8
#define FETCH_HEADERS (64 * 1024) /* octets of an answer's header */

/* Where a request may lead that a stranger has named (fetch_public.h). */
struct fetch_bounds {
	const struct addr_net *allowed; /* beside what is public */
	size_t allowed_count;
	bool is_https_only; /* else http will do */
};

/* All borrowed during the call. */
struct fetch_request {
	struct work_lane *lane;
	struct dns *dns;    /* NULL: libcurl looks names up by itself */
	const char *url;    /* "https://…" */
	const char *method; /* NULL: GET without a body, POST with one */
	struct span body;
	const char *const *fields; /* "Name: value" */
	size_t field_count;
	size_t body_max;    /* octets of the answer */
	int64_t timeout_ns; /* 0: FETCH_NS */
	const char *agent;  /* NULL: "yizhan/" and the version */
	/* for laboratories */
	const char *ca_file; /* NULL: the system's */
	uint16_t port;       /* connect there; 0: the URL's */
	const char *address; /* NULL: as DNS says */
	/* NULL: anywhere, by https. Else only to these, at the ports 80 and 443: ERR_DENIED. */
	const struct fetch_bounds *bounds;
};

struct fetch_answer {
	long status;
	const char *type; /* Content-Type; NULL: none */
	struct span body;
	struct span fields;  /* the header as it came, CRLF between */
	bool is_untrusted;   /* on failure: the certificate does not hold */
	bool is_too_large;   /* on failure */
	bool is_unreachable; /* on failure: no address, or nobody answers there */
};

/** 0: there is an answer, whatever its status; it lives in `a`. ERR_DNS, ERR_IO, ERR_LIMIT, ERR_SYNTAX
 * (no such URL), ERR_UNSUPPORTED (no libcurl here), ERR_BUSY (the lane is full). */
FIBER int fetch_run(const struct fetch_request *r, struct arena *a, struct fetch_answer *answer_r,
	struct err *e);
/** A field of the answer, the last of that name; empty without one. Pure. */
struct span fetch_field(const struct fetch_answer *answer, const char *name);
