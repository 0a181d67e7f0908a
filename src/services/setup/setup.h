#pragma once
/* Client set-up, an adviser: what a mail program asks before it knows its servers. The documents of
 * Thunderbird (autoconfig), Outlook (autodiscover) and Apple's profiles, and the SRV records of RFC 6186
 * and RFC 8314 section 5, all made of one list of servers. Pure text: nothing here yields, looks an
 * account up or tells whether one exists; the caller has made sure that the domain is ours.
 *
 *	struct setup_facts f = {.servers = servers, .count = n, .domain = domain, .host = host};
 *	setup_put_autoconfig(&b, &f);
 */

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

#define SETUP_SERVERS_MAX  16
#define SETUP_REQUEST_MAX  (16 * 1024) /* octets of what Outlook posts */
#define SETUP_DOCUMENT_MAX (64 * 1024) /* of what it gets */
#define SETUP_ADDRESS_MAX  320         /* RFC 5321 section 4.5.3.1: 64 + 1 + 255 */

/* id, word of autoconfig, of autodiscover, SRV service with STARTTLS, with TLS first */
#define SETUP_PROTOCOLS(X)                                                                         \
	X(SUBMISSION, "smtp", "SMTP", "_submission", "_submissions")                               \
	X(IMAP, "imap", "IMAP", "_imap", "_imaps")                                                 \
	X(POP3, "pop3", "POP3", "_pop3", "_pop3s")
enum setup_protocol {
#define X(id, config, discover, srv, srvs) SETUP_##id,
	SETUP_PROTOCOLS(X)
#undef X
		SETUP_PROTOCOL_COUNT
};

/* One address where a protocol is spoken; those with TLS first stand before the others of theirs. */
struct setup_server {
	enum setup_protocol protocol;
	uint16_t port;
	bool is_implicit; /* TLS first; else STARTTLS. Without TLS nothing is told of it */
};

/* All borrowed. */
struct setup_facts {
	const struct setup_server *servers;
	size_t count;
	struct span domain; /* of the addresses; A-label */
	struct span host;   /* that the certificate is for */
	struct span title;  /* what people call it; "": the domain */
	uint16_t jmap_port; /* where JMAP is spoken, with TLS from the first octet; 0 nowhere */
};

/** An address as it is put into documents: lower-case domain, no quotes, controls or blanks; its domain in
 * *domain_r. False: it is none. Pure. */
bool setup_address(
	struct arena *a, struct span text, struct span *address_r, struct span *domain_r);

/* ---- Thunderbird, Evolution, KMail, K-9 ---- */

/** config-v1.1.xml; the programs put the user's address in themselves. */
void setup_put_autoconfig(struct buf *b, const struct setup_facts *f);

/* ---- Outlook ---- */

/* What was posted to /autodiscover/autodiscover.xml. */
enum setup_schema {
	SETUP_SCHEMA_OUTLOOK, /* …/outlook/responseschema/2006a */
	SETUP_SCHEMA_MOBILE, /* …/mobilesync/responseschema/2006: ActiveSync, which is not spoken */
	SETUP_SCHEMA_UNKNOWN,
};
struct setup_question {
	struct span address; /* as it was written; "" none */
	enum setup_schema schema;
};
/** Spans live in `a`. ERR_SYNTAX: no XML, or with a document type or entities (which nobody honest
 * sends); ERR_LIMIT. */
int setup_read_autodiscover(
	struct arena *a, struct span body, struct setup_question *question_r, struct err *e);
void setup_put_autodiscover(struct buf *b, const struct setup_facts *f, struct span address);
/** `code` 600: the request is not understood, 601: nothing for that schema or domain. `now` is
 * "hh:mm:ss.fffffff" for people. */
void setup_put_autodiscover_error(
	struct buf *b, unsigned code, const char *message, struct span now);
/** autodiscover.json (version 2): where the XML is to be had; `url` is absolute. */
void setup_put_autodiscover_json(struct buf *b, struct span url);

/* ---- Apple ---- */

/** A configuration profile (.mobileconfig), not signed. `name` (may be "") is the user's own. False: it needs
 * IMAP or POP3 and submission, and one is not there. */
bool setup_put_profile(
	struct buf *b, const struct setup_facts *f, struct span address, struct span name);

/* ---- DNS ---- */

struct setup_srv {
	struct span name; /* "_imaps._tcp.our.example", in the arena */
	uint16_t priority, weight, port;
	struct span target; /* ".": decidedly not offered (RFC 6186 section 3.4) */
};
/** One for each service that there is in RFC 6186 and RFC 8314: those that are not offered say so.
 * Returns how many; the array is the arena's. */
size_t setup_srvs(struct arena *a, const struct setup_facts *f, struct setup_srv **srvs_r);
