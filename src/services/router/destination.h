#pragma once
/* Destination keys: what the router answers, queue rows keep, and attempts are grouped by. Text, so that
 * a row outlives the process:
 *
 *	example.org			a domain (lower-case A-label): its MX
 *	[192.0.2.1]			an address literal as a domain; also [ipv6:2001:db8::1]
 *	[host.example]:25		a fixed next hop; also [192.0.2.1]:25, [2001:db8::1]:25
 *	unix:/path			a Unix socket
 *	pool:NAME			one of several next hops (the store's pools)
 *	list:NUMBER			a mailing list of ours
 *	loop:DOMAIN			nowhere: the letter has been at this address of ours before; it fails
 *	refused:5.1.1 TEXT		nowhere: nobody could be told when it was taken; it fails with this
 *
 * with "lmtp:" in front of the second and third when LMTP is spoken there, and behind any of them what
 * keeps connections apart:
 *
 *	|egress=NAME			where connections go out from
 *	|as=SENDER			whose login is used, "user@domain" or "@domain"
 *	|tls=required, |tls=optional	what its letters say about TLS (RFC 8689)
 *
 * Pure; nothing is looked up here. */

#include "base/arena.h"
#include "base/err.h"

enum destination_kind {
	DESTINATION_DOMAIN,
	DESTINATION_HOST,
	DESTINATION_UNIX,
	DESTINATION_POOL,
	DESTINATION_LIST,
	DESTINATION_LOOP,
	DESTINATION_REFUSED
};

struct destination {
	enum destination_kind kind;
	bool is_lmtp;
	struct span name; /* domain; host or IP address without brackets; path; pool; digits */
	uint16_t port;    /* of a host */
	struct span egress, as, tls;
	struct span base; /* the key without what stands behind '|' */
};

/** Spans point into `key`. ERR_SYNTAX when it is none. */
int destination_cut(struct span key, struct destination *d_r, struct err *e);
/** The key for letters that ask for REQUIRETLS, or say "TLS-Required: No" (the first wins): `key` itself
 * when they say nothing, or where mail does not leave this machine. */
struct span destination_with_tls(
	struct arena *a, struct span key, bool is_requiretls, bool is_tls_optional);
/** The key again; `base` is not looked at. Lives in `a`. */
struct span destination_join(struct arena *a, const struct destination *d);
