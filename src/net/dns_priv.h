#pragma once
/* Between dns.c (names, records), dns_unbound.c and dns_table.c (who answers). */

#include "net/dns.h"

struct dns_ops {
	/* `name` is checked, without its last dot, "." for the root. As dns_query. */
	FIBER int (*query)(struct dns *d, struct arena *a, const char *name, enum dns_type type,
		int64_t deadline_ns, struct dns_answer *answer_r, struct err *e);
	void (*free)(struct dns *d);
};

/* Embedded first in each kind's own struct. */
struct dns {
	const struct dns_ops *ops;
};

/** Add a record to the answer: decoded, or dropped when it is malformed or one too many. */
void dns_answer_add(
	struct arena *a, enum dns_type type, struct span rdata, struct dns_answer *answer);
/** All records are in: with none left of those that came, the status is DNS_FAIL. */
void dns_answer_end(struct dns_answer *answer, size_t came);

#define DNS_CNAMES_MAX 8 /* in a table */
