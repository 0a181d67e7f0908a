#pragma once
/* The directory: domains, accounts, addresses, aliases, forwards, routes. Names are stored lower-case,
 * domains as A-labels, local parts in Unicode's form NFC. Small and read often: services/router caches
 * answers and drops them when store_directory_generation() moves. */

#include "store/store.h"

enum directory_domain_kind {
	DIRECTORY_DOMAIN_NONE,
	DIRECTORY_DOMAIN_LOCAL, /* mailboxes and aliases live here */
	DIRECTORY_DOMAIN_RELAY, /* we accept and pass on (backup MX, gateway) */
};

/* How it is known whom a relay domain has. */
#define DIRECTORY_CHECKS_LIST(X)                                                                   \
	X(NONE, "none") /* everybody is taken */                                                   \
	X(TABLE, "table")                                                                          \
	X(ASK, "ask")                 /* the next hop is asked; no answer: 451 */                  \
	X(ASK_OR_TAKE, "ask-or-take") /* no answer: taken */
enum directory_check {
#define X(id, text) DIRECTORY_CHECK_##id,
	DIRECTORY_CHECKS_LIST(X)
#undef X
		DIRECTORY_CHECKS
};
const char *directory_check_str(enum directory_check c);

struct directory_route {      /* where mail goes instead of the domain's MX */
	struct span domain;   /* of recipients; ".example.org" all below it; "*" everything else */
	struct span next_hop; /* "host:port", "[192.0.2.1]:25", "unix:/path", "pool:NAME"; "mx": the
				 domain's MX, "mx:domain": that one's */
	bool is_lmtp;
	struct span sender; /* instead of a domain: "user@domain" or "@domain" */
	struct span egress; /* what connections go out from; "" the default */
};

/* What an address of a mailing list is for: the word behind "NAME-". */
#define DIRECTORY_LIST_PARTS(X)                                                                    \
	X(POST, "")                                                                                \
	X(JOIN, "join")                                                                            \
	X(LEAVE, "leave")                                                                          \
	X(CONFIRM, "confirm") /* +TOKEN */                                                         \
	X(BOUNCES, "bounces") /* +… (VERP) */                                                    \
	X(OWNER, "owner")                                                                          \
	X(REQUEST, "request")                                                                      \
	X(MODERATE, "moderate")
enum directory_list_part {
#define X(id, word) DIRECTORY_LIST_##id,
	DIRECTORY_LIST_PARTS(X)
#undef X
		DIRECTORY_LIST_PART_COUNT
};
const char *directory_list_part_str(enum directory_list_part p);
/** "team-confirm+x" is team's CONFIRM. False: POST, and the name is the whole local part. Pure. */
bool directory_list_cut(struct span local, struct span *name_r, enum directory_list_part *part_r);

enum directory_found {
	DIRECTORY_UNKNOWN_DOMAIN, /* not ours: remote */
	DIRECTORY_RELAY_DOMAIN,
	DIRECTORY_UNKNOWN_USER, /* our domain, nobody there: 550 5.1.1 */
	DIRECTORY_ACCOUNT,
	DIRECTORY_ALIAS,
	DIRECTORY_LIST,
	DIRECTORY_GROUP, /* an account whose mail its members get */
};

/* On which way it was found. */
enum directory_way {
	DIRECTORY_EXACT,
	DIRECTORY_SUBADDRESS, /* RFC 5233: without "+detail" */
	DIRECTORY_CATCH_ALL,  /* the domain's alias '*' */
	DIRECTORY_POSTMASTER, /* of the domain (abuse), of the store */
};

struct directory_answer {
	enum directory_found found;
	enum directory_way way;
	struct span row;     /* the address under which it stands: "*@our.example" */
	uint64_t account_id; /* account */
	struct span account; /* its primary address */
	bool is_suspended;
	bool is_removed;      /* account: it waits for its end */
	bool has_quota;       /* account: ask account_room() */
	bool is_forward_only; /* account: the targets instead of the mailbox */
	size_t target_count;  /* of an alias; forwards of an account; members of a group and its
				 forwards; owners, for a list's OWNER */
	struct span *targets; /* addresses "local@domain" */
	uint64_t list_id;
	enum directory_list_part list_part;
	enum directory_check check; /* relay domain */
	bool is_known;              /* relay domain with a table: it is in there */
};

struct directory_question {
	struct span local, domain;
	char separator;    /* '+': "alice+x" is alice when "alice+x" itself is nobody; 0: none */
	bool no_catch_all; /* nor the store's postmaster */
};
/** Look an address up: the address itself (account, its further addresses, alias, list, a list's
 * functions), then without its sub-address, then the domain's catch-all. postmaster of any local domain
 * is always found (its own entry, else the account or alias that is the store's postmaster), and so is
 * abuse (its own entry, else postmaster's; RFC 2142 section 2). */
FIBER int directory_find(struct store *s, struct arena *a, const struct directory_question *q,
	struct directory_answer *answer_r, struct err *e);
/** The same without sub-addresses. */
FIBER int directory_lookup(struct store *s, struct arena *a, struct span local, struct span domain,
	struct directory_answer *answer_r, struct err *e);
/** The route of a domain, else of the nearest ".domain" above it, else the "*" route; *is_found_r
 * tells. */
FIBER int directory_route(struct store *s, struct arena *a, struct span domain,
	struct directory_route *route_r, bool *is_found_r, struct err *e);
/** The route of a sender ("user@domain"): its own, else its domain's. */
FIBER int directory_sender_route(struct store *s, struct arena *a, struct span sender,
	struct directory_route *route_r, bool *is_found_r, struct err *e);
/** Whose login at that next hop is this sender's: "user@domain", "@domain", "" none of its own.
 * `next_hop`: a destination key without "lmtp:" and what stands behind '|'. */
FIBER int directory_login(struct store *s, struct arena *a, struct span next_hop,
	struct span sender, struct span *as_r, struct err *e);
FIBER int directory_domain_find(struct store *s, struct arena *a, struct span name,
	enum directory_domain_kind *kind_r, struct err *e);
/* What spares looking: is there any? */
struct directory_facts {
	bool has_sender_routes, has_logins;
	struct span srs_keys; /* the setting, "" none */
};
#define DIRECTORY_SRS_KEYS "srs.keys"
FIBER int directory_facts(
	struct store *s, struct arena *a, struct directory_facts *facts_r, struct err *e);

/** A local part as it is compared: ASCII letters in lower case, the rest in form NFC (RFC 6532 section
 * 3.1). Quoting is the caller's. */
struct span directory_local_part(struct arena *a, struct span local);
/** A domain or an address as people write it, with U-labels; "" when that is the same. */
struct span directory_unicode(struct arena *a, struct span name);

/* Administration: each validates its words, returns ERR_EXISTS / ERR_NOT_FOUND / ERR_SYNTAX. */
struct directory_domain {
	struct span name;
	enum directory_domain_kind kind;
	enum directory_check check;
	uint64_t accounts, aliases; /* list only */
	uint64_t quota_octets;      /* of new accounts; 0 none */
	uint64_t accounts_max;      /* 0 any number */
};
struct directory_account {
	uint64_t id;
	struct span address;
	struct span name; /* display name */
	bool is_suspended;
	uint64_t quota_octets;     /* 0: none */
	uint64_t messages, octets; /* list and find only, as what follows is unless it says more */
	uint64_t forwards;
	bool is_forward_only;
	int64_t created_ns;
	unsigned kind;             /* enum account_kind; taken when it is added */
	bool is_quota_default;     /* add: the quota is the domain's */
	bool is_details_set;       /* set: the next eight too */
	uint64_t quota_messages;   /* 0: none */
	struct span suspended_why; /* "" no reason was given */
	struct span message_rate, recipient_rate, system_user;
	bool is_sent_copied;
	unsigned scopes_off;  /* enum account_scope: protocols that it may not use */
	struct span imap_off; /* capabilities of IMAP that it is not told of, blanks between */
	int64_t removed_ns;   /* it waits for its end since then; 0 it does not */
	bool has_password, has_import;
};
struct directory_alias {
	struct span address;
	size_t target_count;
	struct span *targets;
};

FIBER int directory_domain_set(struct store *s, struct span name, enum directory_domain_kind kind,
	bool is_add, struct err *e); /* is_add: ERR_EXISTS when there */
/** The same with the check of its recipients. */
FIBER int directory_domain_put(
	struct store *s, const struct directory_domain *domain, bool is_add, struct err *e);
FIBER int directory_domain_remove(struct store *s, struct span name, struct err *e);
FIBER int directory_domain_list(struct store *s, struct arena *a, struct directory_domain **list_r,
	size_t *count_r, struct err *e);
/** `password` empty: no login. It is hashed as SCRAM-SHA-256 verifier on the caller's work lane
 * before it reaches the writer. */
FIBER int directory_account_set(struct store *s, const struct directory_account *acc,
	struct span password, bool is_add, struct err *e);
FIBER int directory_account_remove(struct store *s, struct span address, struct err *e);
FIBER int directory_account_list(struct store *s, struct arena *a, struct span domain,
	struct directory_account **list_r, size_t *count_r, struct err *e);
FIBER int directory_account_find(struct store *s, struct arena *a, struct span address,
	struct directory_account *acc_r, struct err *e);
#define DIRECTORY_FORWARDS_MAX 20 /* an account */
/** Where its mail goes as well, or instead of its mailbox (is_only); without targets: nowhere. */
FIBER int directory_forward_set(struct store *s, struct span address, const struct span *targets,
	size_t count, bool is_only, struct err *e);
FIBER int directory_forward_list(struct store *s, struct arena *a, struct span address,
	struct span **targets_r, size_t *count_r, bool *is_only_r, struct err *e);
/** Recipients of a relay domain (local parts, or addresses in it); *changed_r of them were not there
 * before (are gone). One transaction: at most DIRECTORY_RECIPIENTS_SLICE. */
#define DIRECTORY_RECIPIENTS_SLICE 1000
FIBER int directory_recipients_change(struct store *s, struct span domain, const struct span *names,
	size_t count, bool is_remove, uint64_t *changed_r, struct err *e);
FIBER int directory_recipients_list(struct store *s, struct arena *a, struct span domain,
	struct span **locals_r, size_t *count_r, struct err *e);
/** An alias with the local part '*' is its domain's catch-all. "@domain" may be written for it. */
FIBER int directory_alias_set(
	struct store *s, const struct directory_alias *alias, bool is_add, struct err *e);
FIBER int directory_alias_remove(struct store *s, struct span address, struct err *e);
FIBER int directory_alias_list(struct store *s, struct arena *a, struct span domain,
	struct directory_alias **list_r, size_t *count_r, struct err *e);
FIBER int directory_route_set(
	struct store *s, const struct directory_route *route, bool is_add, struct err *e);
FIBER int directory_route_remove(struct store *s, struct span domain, struct err *e);
FIBER int directory_sender_route_remove(struct store *s, struct span sender, struct err *e);
/** Those by domain, then those by sender. */
FIBER int directory_route_list(struct store *s, struct arena *a, struct directory_route **list_r,
	size_t *count_r, struct err *e);
/** Small facts of the installation ("demo.password.alice", "postmaster", "hostname"). */
FIBER int directory_setting(struct store *s, struct arena *a, struct span key, struct span *value_r,
	struct err *e); /* ERR_NOT_FOUND */
FIBER int directory_setting_set(struct store *s, struct span key, struct span value, struct err *e);
