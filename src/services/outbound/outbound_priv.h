#pragma once
/* Inside the room: an open connection, and one letter on it. */

#include "proto/smtp/smtp_client.h"
#include "services/outbound/outbound.h"
#include "services/pool/egress.h"
#include "services/tlspolicy/tlspolicy.h"

struct outbound_link {
	struct outbound_carrier *carrier;
	struct arena *arena; /* of the connection */
	struct arena *txn;   /* of one letter, reset after it */
	struct arena *chunk; /* one chunk of its body */
	struct stream *stream;
	struct smtp_client client;
	struct span host, name;          /* name: without its address */
	const struct tls_policy *policy; /* NULL: none */
	struct tls_host tls;             /* with a policy: what holds for this host */
	struct outbound_talk *talk;      /* NULL: nobody wants to know */
	struct egress egress;
	bool is_ip4_off, is_ip6_off; /* that egress cannot have the family */
	bool is_probe;               /* nobody logs in */
	bool is_lmtp;
	unsigned letters;             /* that were sent over it */
	int64_t opened_ns, spoken_ns; /* when the peer was first and last heard; mono */
};

/* outbound_hops.c */
/** Fill in a way's hosts and policy, with the steps, if any. They live in `a`. */
FIBER int outbound_way_fill(const struct outbound_opts *o, struct arena *a, struct span destination,
	struct outbound_way *way, struct outbound_steps *steps, struct err *e);

/* outbound_connect.c, outbound_login.c */

/** Choose where this connection goes out from. */
FIBER int outbound_egress(struct outbound_link *l, struct err *e);
FIBER struct stream *outbound_connect(struct outbound_link *l, const struct outbound_host *host,
	struct addr *peer_r, struct err *e);
/** Log in where a login is kept for this destination; nothing where none is. */
FIBER int outbound_login(struct outbound_link *l, struct err *e);

/* outbound_talk.c: what was said on a connection, for the station log. */
void outbound_talk_begin(struct outbound_link *l);
void outbound_talk_end(struct outbound_link *l);
/** A letter begins: what belongs to the one before is forgotten, greeting and EHLO stay. */
void outbound_talk_mark(struct outbound_link *l);
/** Give the parcel what was said, when it is to be kept. */
void outbound_talk_keep(struct outbound_link *l, struct outbound_parcel *p);

/* outbound_tls.c: what TLS a hop needs, and the handshake. */
/** The policy for a destination's hops, NULL where there is none. Lives in `a`. */
FIBER int outbound_tls_find(const struct outbound_opts *o, struct arena *a, struct span destination,
	const struct outbound_hops *hops, const struct tls_policy **policy_r, struct err *e);
/** Before the connection: may this host be used at all? `e` has the triple. */
FIBER int outbound_tls_host(struct outbound_link *l, const struct outbound_hops *hops,
	const struct outbound_host *host, struct err *e);
/** After the greeting. -1: this connection is of no use; when TLS was only an offer, the destination's
 * memory says that the next one goes in clear. */
FIBER int outbound_tls_upgrade(struct outbound_link *l, struct err *e);

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
