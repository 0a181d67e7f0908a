#pragma once
/* Inside inbound. */

#include "services/inbound/inbound.h"

/* Counts Received fields in a header that comes in any cut. */
struct hop_scan {
	unsigned count;
	unsigned matched; /* octets of "received:" seen at this line's start */
	bool is_off;      /* this line is something else, or the header has ended */
	bool is_body;
	bool is_line_empty; /* nothing but CR so far */
};
void hop_scan_init(struct hop_scan *h);
void hop_scan_put(struct hop_scan *h, struct span octets);

/** Our Received field (RFC 5321 section 4.4), folded, with its CRLF, in s->txn. `for_address` is
 * empty unless there is exactly one recipient. */
struct span received_field(const struct smtp_session *s, const char *hostname, uint64_t id,
	struct span for_address, struct span date);
/** Return-Path, Delivered-To, then `received`: what stands before the body in a mailbox. */
struct span local_prefix(
	struct arena *a, struct span reverse_path, struct span delivered_to, struct span received);
