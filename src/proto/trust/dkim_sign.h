#pragma once
/* Signature fields for a message that has streamed by (RFC 6376 section 5). Any number of keys from one
 * pass over the body. No l= is written, i= is left to its default. Pure; RSA takes 0.2 ms and more: not
 * on a loop's thread.
 *
 *	dkim_message_init(&m, dkim_sign_wants, &settings);
 *	... feed, end ...
 *	dkim_sign(&m, &settings, keys, count, &fields, &e);	// put in front of the message
 */

#include "proto/trust/dkim_key.h"
#include "proto/trust/dkim_message.h"

#define DKIM_LIFETIME_SEC (7 * 24 * 3600) /* x=: what a thief of a message has of it (replay) */

struct dkim_sign_key {
	struct span domain, selector; /* A-labels */
	const struct dkim_pkey *key;
};
struct dkim_sign_settings {
	const struct dkim_dialect *dialect;
	enum dkim_canon header, body;
	int64_t now_sec;      /* t= */
	int64_t lifetime_sec; /* x= is so much later; 0: no x= */
	struct span names;    /* h= instead of the dialect's rules; "" by the rules */
};

/** For dkim_message: `arg` is the struct dkim_sign_settings. */
void dkim_sign_wants(void *arg, struct dkim_message *m);
/** Append a field for each key, with CRLF; no line of them is longer than DKIM_LINE_MAX unless a name
 * or domain alone is. ERR_SYNTAX with 5.6.0: the message has no From; ERR_LIMIT with 5.3.4: its header is
 * longer than anybody would read. A line that is no field ends the header here; not all verifiers read such
 * a message so. */
int dkim_sign(const struct dkim_message *m, const struct dkim_sign_settings *s,
	const struct dkim_sign_key *keys, size_t count, struct buf *fields, struct err *e);
