#pragma once
/* Inside the room: an open connection, and one letter on it. */

#include "proto/smtp/smtp_client.h"
#include "services/outbound/outbound.h"

struct outbound_link {
	struct outbound_carrier *carrier;
	struct arena *arena; /* of the connection */
	struct arena *txn;   /* of one letter, reset after it */
	struct arena *chunk; /* one chunk of its body */
	struct stream *stream;
	struct smtp_client client;
	struct span host;
	struct outbound_talk *talk; /* NULL: nobody wants to know */
	bool is_lmtp;
	unsigned letters;  /* that were sent over it */
	int64_t spoken_ns; /* when the peer was last heard */
};

/* outbound_talk.c: what was said on a connection, for the station log. */
void outbound_talk_begin(struct outbound_link *l);
void outbound_talk_end(struct outbound_link *l);
/** A letter begins: what belongs to the one before is forgotten, greeting and EHLO stay. */
void outbound_talk_mark(struct outbound_link *l);
/** Give the parcel what was said, when it is to be kept. */
void outbound_talk_keep(struct outbound_link *l, struct outbound_parcel *p);

/** Has the peer closed, or said something, while we were idle? Then nothing more is sent. */
bool outbound_is_stale(const struct outbound_link *l);
/** Send one letter, in as many transactions as its recipients need. 0: every recipient has a
 * verdict. -1: the connection is of no use any more; those that are pending were not taken. */
FIBER int outbound_send(struct outbound_link *l, struct outbound_parcel *p, struct err *e);
/** Verdicts for the recipients that are pending after a failure. */
void outbound_give_up(
	const struct outbound_link *l, struct outbound_parcel *p, const struct err *e);
/** No recipient has a verdict yet. */
bool outbound_is_untouched(const struct outbound_parcel *p);
bool outbound_is_delivered(const struct outbound_parcel *p);
