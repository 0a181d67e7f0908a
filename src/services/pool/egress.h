#pragma once
/* Where a connection goes out from, of the store's egress rows: a source address for each family, the
 * name in EHLO, a SOCKS5 proxy. Rows of one name are a pool: each connection takes one at random by
 * weight. Connections without an egress of their own use the one named "default", when there is one.
 *
 * Names in DNS that must lead back to an address (is_ptr_needed) are looked up by who connects; what
 * it found is kept here for all loops. Any thread; nothing yields. */

#include "net/addr.h"
#include "services/pool/pool.h"

#define EGRESS_DEFAULT     "default"
#define EGRESS_PTR_GOOD_NS CLOCK_HOUR
#define EGRESS_PTR_BAD_NS  (10 * CLOCK_MIN)
#define EGRESS_PTRS_MAX    1000 /* addresses of which this is remembered */
#define EGRESS_SOCKS_PORT  1080

struct egress_proxy {
	struct span host; /* "" none; a name or an IP address */
	uint16_t port;
	struct span user, password; /* user.ptr NULL: no login */
};
struct egress {
	struct span name;     /* "" : none, everything is as the system has it */
	struct addr in4, in6; /* len 0: the system's */
	struct span hostname; /* "" the station's */
	struct egress_proxy proxy;
	bool is_ptr_needed;
};

/** One row of the egress `name`, or of "default" when that is empty; it lives in `a`. ERR_NOT_FOUND:
 * there is none of that name, ERR_CONFIG: a row that cannot be used. */
int egress_pick(
	struct pools *p, struct arena *a, struct span name, struct egress *egress_r, struct err *e);
/** A row of the store in usable form; ERR_SYNTAX says what is wrong. Spans are the row's. */
int egress_read(const struct road_egress *row, struct egress *egress_r, struct err *e);
/** "socks5://[user[:password]@]host[:port]" */
int egress_proxy_read(struct span text, struct egress_proxy *proxy_r, struct err *e);

enum egress_ptr { EGRESS_PTR_UNKNOWN, EGRESS_PTR_GOOD, EGRESS_PTR_BAD };
/** What was found lately about the name of a source address. */
enum egress_ptr egress_ptr(struct pools *p, const struct addr *address);
void egress_ptr_found(struct pools *p, const struct addr *address, bool is_good);
