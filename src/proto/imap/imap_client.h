#pragma once
/* The client side of IMAP (RFC 9051, RFC 3501), as far as somebody's mail is brought over from another
 * server: greeting, STARTTLS, login, names, EXAMINE, FETCH. One straight line over the stream it is given;
 * no look-ups, no decisions about trying again.
 *
 *	struct imap_client c;
 *	imap_client_init(&c, stream, &(struct imap_client_opts){0});
 *	if (imap_client_greet(&c, &e) == 0 && imap_client_starttls(&c, tls, SPAN("imap.example"), true, &e) == 0 &&
 *		imap_client_login(&c, &login, &e) == 0 && imap_client_examine(&c, wire_name, &e) == 0)
 *		imap_client_fetch(&c, SPAN("1:50"), SPAN("(UID FLAGS INTERNALDATE BODY.PEEK[])"), &sink, &e);
 *	imap_client_logout(&c);
 *	imap_client_fini(&c);		// the stream stays the caller's
 *
 * What the server says is hostile: lines, literals, responses and their number are limited. A refusal (NO) is
 * ERR_REPLY, the session goes on; a login that is refused ERR_DENIED; ERR_PROTO and ERR_SYNTAX are a server that
 * does not speak IMAP; BYE is ERR_EOF. After what ends the session c->is_over is set. */

#include "net/stream.h"
#include "net/tls.h"
#include "proto/imap/imap_response.h"

#define IMAP_CLIENT_ANSWERS_MAX 8000000 /* untagged responses to one command */
#define IMAP_CLIENT_CAPS_MAX    (64 * 1024)
#define IMAP_CLIENT_NAMES_MAX   100000 /* mailboxes of one LIST */

struct imap_client_opts {
	int64_t greeting_ns; /* 0: 1 min */
	int64_t answer_ns;   /* 0: 5 min: the next octets of an answer */
};

/* The mailbox that is selected (read-only). */
struct imap_client_box {
	uint32_t uidvalidity, uidnext; /* 0: not told */
	uint64_t exists, highest_modseq;
};

struct imap_client_sink {
	/** Octets of a message's body, in pieces, before `fetched` tells which it was. */
	FIBER int (*octets)(void *arg, struct span octets, struct err *e);
	/** A FETCH response. A body that was not streamed is in f->body. */
	FIBER int (*fetched)(void *arg, const struct imap_fetched *f, struct err *e);
	void *arg;
};

struct imap_client {
	struct stream *stream;
	struct imap_client_opts opts;
	struct imap_client_box box;
	bool is_over, is_logged_in;
	bool is_utf8; /* names come in UTF-8 */
	/* private */
	struct arena *a;      /* of the response at hand */
	struct buf text, out; /* the response; the command */
	struct buf caps; /* " IMAP4REV1 AUTH=PLAIN …" in capitals, a blank on either side of each */
	struct imap_client_sink *sink;
	unsigned tag;
	uint64_t answers;
	bool was_streamed;
	void *listing;
};

void imap_client_init(
	struct imap_client *c, struct stream *stream, const struct imap_client_opts *opts);
void imap_client_fini(struct imap_client *c);

FIBER int imap_client_greet(struct imap_client *c, struct err *e);
/** ERR_UNSUPPORTED: not offered; ERR_REPLY: refused; ERR_TLS. */
FIBER int imap_client_starttls(struct imap_client *c, struct tls_client *tls, struct span name,
	bool is_verify, struct err *e);
/** Is it offered? `name` in capitals. */
bool imap_client_has(const struct imap_client *c, const char *name);

struct imap_client_login {
	struct span user, password, token; /* a token: XOAUTH2 or OAUTHBEARER */
	struct span host;
	unsigned port;
	bool is_clear_allowed; /* a password may be shown without TLS */
};
/** The strongest mechanism that both sides have, else LOGIN. ERR_DENIED; ERR_UNSUPPORTED: no way that could be
 * gone. Does nothing where the greeting was PREAUTH. */
FIBER int imap_client_login(
	struct imap_client *c, const struct imap_client_login *l, struct err *e);

/** All mailboxes of the user (of the personal namespace where there is one), in `a`; their names in UTF-8, levels
 * parted by '/', the namespace's prefix gone. */
struct imap_client_name {
	struct span wire; /* for imap_client_examine */
	struct span name;
	unsigned use; /* enum imap_special_use */
	bool is_noselect;
};
FIBER int imap_client_list(struct imap_client *c, struct arena *a, struct imap_client_name **list_r,
	size_t *count_r, struct err *e);

/** EXAMINE, with CONDSTORE where it is offered: c->box. */
FIBER int imap_client_examine(struct imap_client *c, struct span wire, struct err *e);
/** UID FETCH. `items` as they stand. */
FIBER int imap_client_fetch(struct imap_client *c, struct span uids, struct span items,
	struct imap_client_sink *sink, struct err *e);
FIBER void imap_client_logout(struct imap_client *c);
