#pragma once
/* Outbound: one connection to one destination, and the letters that travel on it. A carrier is a
 * straight line: find the hosts, connect, greet, then send what its feed hands it, one letter after
 * the other, until the feed has no more. It decides nothing about time: when to try again, when to
 * give up and what to tell the sender is services/queue's business.
 *
 *	struct outbound_carrier c = {.outbound = o, .destination = ..., .feed = &feed, .ctx = me};
 *	if (outbound_carry(&c, &e) < 0)
 *		...	// the connection failed; e says whether it may work later
 *
 * What is here belongs to one loop; nothing is shared between threads. */

#include "base/log.h"
#include "net/dns.h"
#include "net/net.h"
#include "net/tls.h"
#include "store/spool.h"
#include "services/outbound/outbound_steps.h"
#include "services/trail/trail.h"

#define OUTBOUND_RCPT_MAX    100  /* recipients in one transaction (RFC 5321 section 4.5.3.1.8) */
#define OUTBOUND_LETTERS_MAX 1000 /* letters on one connection, then a new one */
#define OUTBOUND_MX_MAX      32   /* MX hosts that are known of a domain, the best ones */
#define OUTBOUND_HOSTS_MAX   5    /* of them are tried for one connection */
#define OUTBOUND_ADDRS_MAX   8    /* addresses of one host, half of them IPv6 */
#define OUTBOUND_TEXT_MAX    512  /* what is kept of a reply's text */
#define OUTBOUND_TLS_FORGET  (CLOCK_HOUR)     /* how long a failed handshake is remembered */
#define OUTBOUND_IP6_FORGET  (10 * CLOCK_MIN) /* how long it is that IPv6 has no route */
#define OUTBOUND_DNS_NS      (30 * CLOCK_SEC)
#define OUTBOUND_CONNECT_NS  (30 * CLOCK_SEC)
#define OUTBOUND_IDLE_NS     (2 * CLOCK_SEC)

enum outbound_verdict {
	OUTBOUND_PENDING,   /* not tried */
	OUTBOUND_DELIVERED, /* the next hop has taken responsibility */
	OUTBOUND_TEMPORARY, /* later may work; also when it is unknown whether it was taken */
	OUTBOUND_PERMANENT,
};

/* A recipient of a parcel. Spans live in the parcel's arena. */
struct outbound_rcpt {
	uint64_t rcpt_id;
	struct span address, orcpt;
	unsigned notify;
	uint32_t attempts;    /* before this one */
	unsigned delays_told; /* delay notices so far */
	bool is_by_told;      /* that its deadline has passed */
	bool is_given_up;     /* by an administrator */
	/* what came of it */
	enum outbound_verdict verdict;
	bool is_dsn_passed; /* the next hop knows what NOTIFY asked for */
	uint16_t code;      /* SMTP reply, 0: none was given */
	struct span enhanced, text;
};

/* One letter on its way to one destination: what one transaction carries. It owns everything in
 * `arena` and one reference to the body; outbound_parcel_free() ends both. Belongs to one loop at
 * a time and may be handed to another by message. */
struct outbound_parcel {
	struct list_node node; /* its owner's */
	struct loop_msg msg;   /* to travel to another loop */
	void *owner;           /* whom the message is for */
	struct arena *arena;
	uint64_t msg_id;
	struct body *body;
	struct spool_envelope env;
	struct span prefix, destination;
	struct span pool;    /* "pool:NAME|…" when the destination is a member of it; "" none */
	bool has_own_sender; /* env.reverse_path is this parcel's, not the letter's */
	int64_t arrived_ns, expires_ns; /* wall clock */
	bool is_expiry_fixed; /* expires_ns is an administrator's word; else the class's rule counts */
	bool is_by_passed;    /* the host that took it keeps its deadline (DELIVERBY) from now on */
	size_t rcpt_count;
	struct outbound_rcpt *rcpts;
	uint64_t bytes;         /* held in memory for it, for budgets */
	struct span host;       /* "mx.example [192.0.2.1]:25" that answered, or "" */
	struct span talk;       /* what was said, by opts.talk; "" */
	struct span steps;      /* what was done before, by outbound_steps_put(); "" */
	struct span tls;        /* "TLSv1.3 TLS_AES_256_GCM_SHA384 verified"; "" in clear */
	struct span tls_policy; /* "verify: MTA-STS: ..."; "" where none was asked for */
	bool is_cut;            /* the connection broke before any recipient was decided about */
	bool is_tls;            /* it travelled encrypted */
	bool is_lmtp;
	/* Letters that came of it (a list's copies): accepted in the transaction that settles it.
	 * They live in `arena`, their bodies in its closers. */
	struct spool_new *offspring;
	size_t offspring_count;
	/* the owner's: */
	struct queue_way *way; /* found for it, while it is on its way there */
	bool is_loaded;        /* it came from the store and can wait there */
	int64_t pause_ns; /* wall clock: its destination is left alone until then, 0: it is not */
	unsigned resumes; /* other members of its pool were tried at once so often */
	/* when it came back undone, without an attempt of its own */
	bool is_untried;
	int64_t next_ns; /* wall clock of the next attempt, 0: as the ladder says */
};

/** An empty parcel with room for `rcpt_count` recipients. */
struct outbound_parcel *outbound_parcel_new(size_t rcpt_count);
void outbound_parcel_free(struct outbound_parcel **p);
/** Verdict and reason of all recipients that are still pending. `e` says what happened. */
void outbound_parcel_settle(
	struct outbound_parcel *p, enum outbound_verdict verdict, const struct err *e);

/* Where the letters come from and go back to. */
struct outbound_feed {
	/** The connection is ready: it greeted and knows our name. Does not yield. */
	void (*up)(void *ctx);
	/** The next parcel, or NULL: the connection is not needed any more. Waits a while for one
	 * to come. The carrier owns it until done(). */
	FIBER struct outbound_parcel *(*next)(void *ctx);
	/** All recipients have a verdict. May wait while too much is unsettled. */
	FIBER void (*done)(void *ctx, struct outbound_parcel *p);
};

/* What is remembered of a destination between connections. Zeroed at first. */
struct outbound_memory {
	int64_t tls_broken_ns; /* mono: until then STARTTLS is not tried */
};

/* What all carriers of a process have found out about the way out. Zeroed at first. */
struct outbound_net {
	_Atomic int64_t no_ip6_ns; /* mono: until then there is no route to IPv6 */
};

struct outbound_opts {
	const char *hostname;     /* what we greet with */
	struct dns *dns;          /* NULL: names cannot be looked up (addresses and sockets only) */
	struct tls_client *tls;   /* NULL: STARTTLS is not used */
	struct pools *pools;      /* egresses and logins; NULL: none */
	struct outbound_net *net; /* NULL: nothing is remembered */
	struct tlspolicy *policy; /* NULL: TLS where it is offered, and nobody's word is checked */
	const struct addr *self;  /* where we listen: an MX there is ourselves */
	size_t self_count;
	bool is_loopback_allowed; /* an MX may lie on loopback (laboratories on one machine) */
	uint16_t port;            /* of MX hosts; 0: 25 */
	int64_t idle_ns;          /* 0: OUTBOUND_IDLE_NS; the feed reads it */
	enum trail_talk talk;     /* which conversations parcels bring back */
	const struct log *log;
};

struct outbound_carrier {
	const struct outbound_opts *opts;
	struct span destination;        /* services/router/destination.h has its forms */
	const struct outbound_way *way; /* found already; NULL: look it up */
	const struct outbound_feed *feed;
	void *ctx;
	struct outbound_memory *memory;
	/* Of the last connection, also when it failed: parcels that it was for have them already. In an
	 * arena that holds nothing else; NULL: nobody wants to know. */
	struct outbound_steps *steps;
	unsigned rcpt_max;  /* in one transaction; 0: OUTBOUND_RCPT_MAX */
	unsigned delivered; /* result: letters that were taken, wholly or in part */
};

/** One connection from look-up to QUIT. 0: the feed had no more (or the connection had carried its
 * share). -1: no connection, or it broke; every parcel that was taken from the feed has been given
 * back with a verdict. `e->again` NEVER: the destination will never take mail (null MX, no such
 * domain, it is ourselves); smtp triple and text are what senders are told. */
FIBER int outbound_carry(struct outbound_carrier *c, struct err *e);

/** Does a next hop answer: look-up, connection, greeting, EHLO, QUIT, as a letter would have it but
 * without a login? For services/pool. */
FIBER int outbound_probe(
	const struct outbound_opts *o, struct span destination, int64_t until_ns, struct err *e);

struct outbound_question {
	struct arena *a;
	struct span address;
	unsigned code; /* what it said to RCPT */
	struct span text;
};
#define OUTBOUND_ASK_NS (20 * CLOCK_SEC) /* for each of its replies */
/** The same, and whether it would take mail for an address from the null sender; nothing is sent. -1: it
 * has not said. */
FIBER int outbound_ask(const struct outbound_opts *o, struct span destination,
	struct outbound_question *q, int64_t until_ns, struct err *e);

/** The name of an address, and whether it leads back to the address (FCrDNS). `name_r` is "" without a
 * name, else the one that leads back or the last one; it lives in `a`. */
FIBER int outbound_leads_back(struct dns *dns, struct arena *a, const struct addr *address,
	struct span *name_r, bool *is_back_r, struct err *e);

/* ---- look-up, for sites, `yizhan explain` and tests too ---- */

struct outbound_host {
	struct span name; /* "mx.example"; "" for an address or a socket */
	uint16_t pref;
	size_t addr_count; /* 0 until outbound_addrs */
	struct addr addrs[OUTBOUND_ADDRS_MAX];
};
struct outbound_hops {
	bool is_lmtp, is_fixed; /* fixed: a route, not MX */
	bool is_implicit;       /* the domain has no MX, or is an address literal: its own host */
	uint16_t port;
	uint32_t ttl;   /* seconds, of the MX answer; 0: fixed */
	bool is_secure; /* the MX answer was validated by DNSSEC */
	size_t count;
	struct outbound_host *hosts;
};
/* The way to a destination. Destinations with one key may share connections. */
struct outbound_way {
	struct span
		key; /* the hosts, sorted ("mx:a.example,b.example"), or the fixed hop; behind them
			  * what keeps connections apart: TLS policy, egress, login */
	struct outbound_hops *hops;
	const struct tls_policy *tls; /* NULL: none is asked for */
	int64_t until_ns;             /* mono: then it is looked up again */
	struct outbound_steps steps;  /* how it was found; the arena is the way's */
};
#define OUTBOUND_WAY_MIN_NS (5 * CLOCK_MIN) /* how long a way is good, whatever the TTL says */
#define OUTBOUND_WAY_MAX_NS CLOCK_HOUR
/** May it be used again? Not when its time has passed, nor when an administrator has changed the tables
 * that its TLS policy came from. */
bool outbound_way_is_good(const struct outbound_opts *o, const struct outbound_way *way);
/** Find it: MX, and with it what is in the store and DNS about TLS. It lives in `a`. Errors as
 * outbound_hops has them; *way_r has the steps then too. */
FIBER int outbound_way_find(const struct outbound_opts *o, struct arena *a, struct span destination,
	struct outbound_way **way_r, struct err *e);
/** The hosts of a destination, best first, random among equals. They live in `a`. Errors carry the
 * triple that the sender is owed: 5.1.10 null MX, 5.1.2 no such domain, 5.4.6 it is ourselves,
 * 4.4.3 no answer. */
FIBER int outbound_hops(const struct outbound_opts *o, struct arena *a, struct span destination,
	struct outbound_hops **hops_r, struct err *e);
/** A copy for one connection, in `a`: those of one preference stand in a new order, at random
 * (RFC 5321 section 5.1), so that connections spread although the look-up is kept. */
struct outbound_hops *outbound_hops_deal(struct arena *a, const struct outbound_hops *hops);
/** Fill in the addresses of one of them. */
FIBER int outbound_addrs(const struct outbound_opts *o, const struct outbound_hops *hops,
	struct outbound_host *host, struct err *e);
