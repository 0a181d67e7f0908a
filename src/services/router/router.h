#pragma once
/* The router, an adviser: where does mail for an address go? It answers, it changes nothing.
 *
 * Order of the questions. Our own domains: the address itself (account, its further addresses, alias,
 * mailing list and its functions), the same without its sub-address (RFC 5233), a bounce to an address
 * that SRS made, the domain's catch-all, the store's postmaster. Accounts pass on what they are told to.
 * Names at the machine's own host name, where that is no domain of its own: the account that is bound to
 * the user, the same name in the home domain, the postmaster.
 * Relay domains, their recipients checked. Then the next hop: the route of the recipient's domain or of
 * ".domain" above it; else of the sender; else "*"; else the domain's MX.
 *
 * Answers are kept until store_directory_generation() moves, negative ones too, in a bounded cache. A
 * router belongs to one loop: each loop thread makes its own.
 *
 *	struct router_question q = {.local = local, .domain = domain, .sender = reverse_path};
 *	struct router_answer ans;
 *	if (router_resolve(r, a, &q, &ans, &e) < 0)
 *		return -1;			// the store failed: 451
 *	if (ans.verdict != ROUTER_OK)
 *		router_verdict_err(ans.verdict, &e);	// the SMTP triple that is owed
 *	for (size_t i = 0; i < ans.target_count; i++)
 *		router_spool_rcpt(&ans.targets[i], &letter.rcpts[letter.rcpt_count++]);
 */

#include "base/clock.h"
#include "store/directory.h"
#include "store/spool.h"

struct router;

#define ROUTER_ALIAS_DEPTH_MAX 10    /* aliases of aliases */
#define ROUTER_TARGETS_MAX     1000  /* recipients that one address may become */
#define ROUTER_CACHE_MAX       16384 /* answers kept a loop (addresses and remote domains) */
#define ROUTER_ASKED_MAX       16384 /* what next hops said of recipients, kept a loop */
#define ROUTER_ASKING_MAX      50    /* recipients that a loop asks about at a time */
#define ROUTER_ASKED_YES_NS    CLOCK_DAY
#define ROUTER_ASKED_NO_NS     CLOCK_HOUR
#define ROUTER_ASKED_NONE_NS   CLOCK_MIN
#define ROUTER_DESTINATION_MAX 300
#define ROUTER_STEPS_MAX       5000 /* of one record */
#define ROUTER_DELIVERED_MAX   1000 /* Delivered-To fields that are looked at */

/* name, SMTP code, enhanced code, text */
#define ROUTER_VERDICTS(X)                                                                         \
	X(OK, 250, 2, 1, 5, "Recipient ok")                                                        \
	X(UNKNOWN_USER, 550, 5, 1, 1, "No such mailbox here")                                      \
	X(BAD_DOMAIN, 550, 5, 1, 2, "Bad destination domain")                                      \
	X(NO_RELAY, 550, 5, 7, 1, "Relaying denied")                                               \
	X(SUSPENDED, 550, 5, 2, 1, "Mailbox disabled")                                             \
	X(ALIAS_LOOP, 550, 5, 4, 6, "The alias leads back to itself")                              \
	X(ALIAS_TOO_MANY, 550, 5, 4, 6, "The alias has too many recipients or levels")             \
	X(SRS_FORGED, 550, 5, 1, 1, "This bounce address was not made here")                       \
	X(SRS_OLD, 550, 5, 1, 1, "This bounce address is too old")                                 \
	X(SRS_NO_BOUNCE, 550, 5, 7, 1, "This address takes bounces only")                          \
	X(LOOP, 554, 5, 4, 6, "Mail loop: the message has been delivered to this address before")  \
	X(UNVERIFIED, 451, 4, 1, 1, "The recipient cannot be verified now, try again later")

enum router_verdict {
#define X(id, code, cls, subject, detail, text) ROUTER_##id,
	ROUTER_VERDICTS(X)
#undef X
		ROUTER_VERDICT_COUNT
};

struct router_target {
	struct span address; /* after rewriting: what the next hop or Delivered-To is told */
	bool is_local;
	bool is_list; /* the list service's: destination "list:ID", the address tells the function */
	bool has_quota; /* local: account_room() has to be asked */
	bool is_full;   /* made by router_room(): no room, the sender gets a report */
	uint64_t account_id;
	struct span destination; /* remote: services/router/destination.h has the forms */
	struct span via;         /* the alias or account of ours that passed it on; "" none */
	struct span sender;      /* remote: the reverse-path for it alone (SRS); "" as it came */
	struct span prefix;      /* remote: Delivered-To of `via`, a whole line; "" none */
	/* The addresses of ours that it was on its way, as router_address_key() has them: one that the
	 * letter's Delivered-To fields name as well is a loop. */
	size_t way_count;
	struct span *way;
	/* the router's own */
	struct span egress;
	bool is_open;  /* no route of its domain: its sender's may be taken */
	bool is_relay; /* of a relay domain */
};

struct router_answer {
	enum router_verdict verdict;
	bool is_alias;       /* passed on by an alias, a group, an account or a list's owners */
	size_t dead_count;   /* targets of an alias that lead nowhere and were left out */
	size_t target_count; /* 0 unless verdict is ROUTER_OK */
	struct router_target *targets;
	enum directory_check check; /* the router's own */
};

/* ---- what was decided, step by step: `route test`, `explain` ---- */

/* name, word in JSON */
#define ROUTER_STEPS(X)                                                                            \
	X(ADDRESS, "address") /* what is looked for */                                             \
	X(DOMAIN, "domain")   /* whose it is */                                                    \
	X(ACCOUNT, "account")                                                                      \
	X(ALIAS, "alias")                                                                          \
	X(GROUP, "group") /* its members, and where it passes on to */                             \
	X(LIST, "list")                                                                            \
	X(FORWARD, "forward") /* an account passes it on */                                        \
	X(SRS, "srs")         /* a bounce on its way back, or a rewritten sender */                \
	X(CHECK, "check")     /* of a relay domain's recipient */                                  \
	X(ROUTE, "route")                                                                          \
	X(SENDER_ROUTE, "sender-route")                                                            \
	X(MX, "mx") /* no route: DNS will say */                                                   \
	X(LOGIN, "login")                                                                          \
	X(DEAD, "dead") /* a target that leads nowhere */                                          \
	X(LOOP, "loop")                                                                            \
	X(REFUSED, "refused")                                                                      \
	X(TARGET, "target") /* what it became */
enum router_step_kind {
#define X(id, word) ROUTER_STEP_##id,
	ROUTER_STEPS(X)
#undef X
		ROUTER_STEP_COUNT
};
const char *router_step_str(enum router_step_kind k);

struct router_step {
	enum router_step_kind kind;
	unsigned depth;   /* aliases so far */
	struct span text; /* for people */
	struct span row;  /* the table's row that decided: "alias team@our.example"; "" none */
};
/* Begin with {.a = arena}; steps live there. */
struct router_record {
	struct arena *a;
	struct router_step *steps;
	size_t count, cap;
};
/** Append a step. Nothing without a record. */
void router_note(struct router_record *rec, enum router_step_kind kind, unsigned depth,
	struct span row, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* ---- asking ---- */

/* What a relay domain's next hop said of a recipient. */
enum router_asked { ROUTER_ASKED_UNKNOWN, ROUTER_ASKED_YES, ROUTER_ASKED_NO };

struct router_opts {
	struct store *store;  /* borrowed */
	const char *hostname; /* borrowed: postmaster at this name is always somebody; NULL: none */
	char separator;       /* '+': alice+x is alice when alice+x itself is nobody; 0: none */
	const struct log *log;
	/** Does the next hop take mail for the address? -1 is as good as unknown; *said_r, in `a`, is
	 * what it said. NULL: nobody can be asked. */
	FIBER int (*ask)(void *arg, struct arena *a, struct span destination, struct span address,
		enum router_asked *asked_r, struct span *said_r, struct err *e);
	/** Has this machine a user of that name? NULL: it is not known. */
	FIBER bool (*is_user)(void *arg, struct span login);
	void *ask_arg; /* of both */
};

struct router *router_new(const struct router_opts *opts);
void router_free(struct router **r);

struct router_question {
	struct span local;  /* as written, quoted or not */
	struct span domain; /* as written: A-label, U-label or [literal]; "" for postmaster alone
			       (RFC 5321 section 4.5.1) */
	struct span sender; /* reverse-path, "" the null sender or none known */
	bool may_relay; /* mail for foreign domains is taken (trusted client, our own reports) */
	struct router_record *record; /* NULL: nobody asks why */
};
/** Where it goes. The answer lives in `a`. -1 only when the store could not be asked. */
FIBER int router_resolve(struct router *r, struct arena *a, const struct router_question *q,
	struct router_answer *answer_r, struct err *e);
/** The same for "local@domain" in one span, from the null sender. */
FIBER int router_resolve_address(struct router *r, struct arena *a, struct span address,
	bool may_relay, struct router_answer *answer_r, struct err *e);

/** Fill address, is_local, account_id, folder (INBOX), destination, and for remote ones sender and
 * prefix; the rest is zeroed and the caller's: orcpt, notify, a local one's prefix. Spans are the
 * target's. */
void router_spool_rcpt(const struct router_target *t, struct spool_rcpt_new *rcpt_r);

/** The refusal as an error with its SMTP triple, scope recipient. Returns -1. */
int router_verdict_err(enum router_verdict v, struct err *e);
const char *router_verdict_str(enum router_verdict v);

/* ---- room ---- */

enum router_room {
	ROUTER_ROOM,
	ROUTER_ROOM_NONE,  /* full */
	ROUTER_ROOM_NEVER, /* it is more than the mailbox may ever hold */
};
/** Would a letter of `octets` (0: not known) fit where the answer leads? One read, and none where nobody
 * has a quota. When some of several targets are full they are changed to what fails with a report
 * (destination "refused:5.2.2 …"), and there is room; without room for any the answer stays as it was. */
FIBER int router_room(struct router *r, struct arena *a, struct router_answer *ans, uint64_t octets,
	enum router_room *room_r, struct err *e);
/** What a target that is full becomes. */
void router_target_full(struct router_target *t);
/** The refusal: 452 4.2.2 (the sender tries again), or 552 5.2.2 when `is_refused` or it never fits.
 * Returns -1. */
int router_room_err(enum router_room room, bool is_refused, struct err *e);

/* ---- loops ---- */

/* Where a letter has been delivered to before: its Delivered-To fields. */
struct router_delivered {
	struct arena *a; /* set at the start */
	struct span *keys;
	size_t count, cap;
};
void router_delivered_add(struct router_delivered *d, struct span address);
/** Would this target bring it to where it has been? The address, or "" when not. */
struct span router_loop(const struct router_delivered *d, const struct router_target *t);

/* ---- names ---- */

/** "local@domain" as it is compared: unquoted, lower-case, NFC; the domain as A-label. */
struct span router_address_key(struct arena *a, struct span address);
/** Lower-case A-label of a domain as written, without the last dot; literals as they are. Empty
 * when it is no domain. */
struct span router_domain_key(struct arena *a, struct span domain);
/** A route's next hop ("host:port", "host", "[192.0.2.1]:25", "unix:/path", "pool:NAME", "mx:domain")
 * as destination key. ERR_SYNTAX when it is none. "mx" alone is the recipient's own domain: it gives "". */
int router_hop_key(
	struct arena *a, struct span next_hop, bool is_lmtp, struct span *key_r, struct err *e);

/* ---- SRS ---- */

#define ROUTER_SRS_TURN_NS (30 * CLOCK_DAY)
/** See that the store has a key for SRS that is young enough (called at the start, and now and then); an
 * old one is kept as long as its bounces may come. `is_forced`: a new one now. */
FIBER int router_srs_turn(struct store *s, bool is_forced, struct err *e);
