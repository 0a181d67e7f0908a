#pragma once
/* Mailing lists, a carrier: what the router sends to "list:NUMBER" is posted, or does what the address
 * says (NAME-join, -leave, -confirm+TOKEN, -request, -owner, -moderate, -bounces+TAG). A post becomes
 * copies for all members in the very transaction that ends its queue row: a crash neither loses nor
 * doubles one. docs/lists.md has the rules.
 *
 * One is shared by all loops. */

#include "net/dns.h"
#include "store/mlist.h"
#include "services/outbound/outbound.h"
#include "services/router/router.h"
#include "services/sign/sign.h"

struct lists;
struct web;

#define LISTS_COPIES         500 /* recipients of one letter */
#define LISTS_HEADER_MAX     (256 * 1024)
#define LISTS_TOKEN_NS       (7 * CLOCK_DAY)
#define LISTS_ASK_GAP_NS     CLOCK_HOUR /* one confirmation an address in this time */
#define LISTS_REFUSE_GAP_NS  CLOCK_DAY  /* one refusal of a post in this time */
#define LISTS_LOOK_NS        CLOCK_HOUR /* a post that waits for a moderator is looked at again */
#define LISTS_REMIND_NS      CLOCK_DAY
#define LISTS_DNS_NS         (10 * CLOCK_SEC)
#define LISTS_BOUNCE_HARD    100 /* hundredths */
#define LISTS_BOUNCE_SOFT    25
#define LISTS_BOUNCE_LIMIT   500
#define LISTS_BOUNCE_GAP_NS  (20 * CLOCK_HOUR)
#define LISTS_BOUNCE_HALF_NS (7 * CLOCK_DAY)
#define LISTS_PERSONAL_MAX                                                                         \
	5000 /* members of a list whose copies each have a way to leave of their own */
#define LISTS_URL_MAX 200

struct lists_opts {
	struct store *store; /* borrowed, as all here */
	struct dns *const
		*dns; /* where it will be once the resolver is there; NULL inside: nobody's policy
				 * is known */
	const char *hostname;
	const char *
		url; /* "https://lists.example.org": where the web reaches this server; "" nowhere */
	struct signer *signer; /* of copies and questions; NULL: they are not signed */
	const struct log *log;
	/** The router of the loop that asks. */
	struct router *(*router)(void *arg);
	void *arg;
};

struct lists *lists_new(const struct lists_opts *opts);
void lists_free(struct lists **l);

/** Serve what members do on the web: below /leave/. Before the listeners open; `w` may be NULL. */
void lists_web_add(struct lists *l, struct web *w);

/** For queue_opts.carriers: "list:". `lists` is the struct lists. */
FIBER int lists_carry(void *lists, struct outbound_carrier *c, struct err *e);
