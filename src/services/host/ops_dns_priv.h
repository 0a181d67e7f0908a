#pragma once
/* Inside the advice about DNS: one row for each record that should be there. */

#include "services/host/host_priv.h"
#include "services/host/ops_dns.h"
#include "services/host/ops_priv.h"

#define ADVICE_ADDRS_MAX 16

struct advisor {
	struct ops_call *c;
	struct dns *dns;                     /* NULL: nothing is looked up */
	struct span host;                    /* our name */
	struct addr addrs[ADVICE_ADDRS_MAX]; /* of that name, in DNS */
	size_t addr_count;
	bool is_host_secure;
};

struct advice {
	struct span domain; /* that it is for */
	struct span name;
	const char *type;
	enum dns_advice_state state;
	struct span publish; /* RDATA; "" nothing */
	const char *why;
	struct dns_answer found;
};

/** Ask for a->name; a state of UNKNOWN with its why when nothing can be said. */
FIBER int dns_advice_look(struct advisor *v, struct advice *a, enum dns_type type, struct err *e);
bool dns_advice_is_unknown(const struct advice *a);
/** Send the row. */
FIBER int dns_advice_put(struct advisor *v, const struct advice *a, struct err *e);

/* ops_dns_clients.c */
/** How mail programs find the servers of a domain: SRV records, autoconfig, autodiscover. */
FIBER int ops_dns_clients(struct advisor *v, struct span domain, struct err *e);
