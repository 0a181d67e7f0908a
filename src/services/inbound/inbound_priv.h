#pragma once
/* Inside inbound. */

#include "services/inbound/inbound.h"

/* The zone is looked up once a second. */
struct received_time {
	int64_t sec;
	int zone_minutes;
};

/** Our Received field (RFC 5321 section 4.4), folded, with its CRLF, in s->txn. `for_address` is
 * empty unless there is exactly one recipient. */
struct span received_field(const struct smtp_session *s, struct span hostname, uint64_t id,
	struct span for_address, const struct received_time *time);
/** Return-Path, Delivered-To, then `received`: what stands before the body in a mailbox. */
struct span local_prefix(
	struct arena *a, struct span reverse_path, struct span delivered_to, struct span received);
