#pragma once
/* IMAP for a worker: sessions of people who read their mail. Commands are decided here, through the store;
 * the dialogue is proto/imap. docs/imap.md tells what is offered. */

#include "proto/imap/imap_server.h"
#include "store/store.h"
#include "services/auth/auth.h"
#include "services/watch/watch.h"

struct imapd;

struct imapd_opts {
	struct store *store; /* borrowed, like all here */
	struct auth *auth;
	struct auth_book *book; /* of this worker */
	struct watch *watch;    /* of this worker */
	const struct log *log;
};
/** On the loop's own thread. */
struct imapd *imapd_new(const struct imapd_opts *opts);
void imapd_free(struct imapd **d);

/* What the configuration says; borrowed for as long as a connection lasts. */
struct imapd_client {
	const char *name; /* of ID, compared without case */
	uint64_t caps_off;
};
struct imapd_policy {
	int64_t keep_expunged_ns; /* how long what is expunged can be brought back; 0 not at all */
	const struct imapd_client *clients;
	size_t client_count;
	const char
		*jmap_url; /* where the same mail is to be had by JMAP (RFC 9698); NULL: nowhere */
};

/* Messages of one command (RFC 9738): beyond, the newest ones are taken. */
#define IMAPD_MESSAGE_LIMIT 1000000

/** What this server honours; a listener's opts.caps is this, less what is switched off there. */
uint64_t imapd_caps(void);

/** One connection, from the greeting to its end; the stream stays the caller's. `refuse`: it may not come
 * in, and this is why; NULL: it may. *conn is set meanwhile, for imapd_is_busy. */
struct imapd_conn;
FIBER int imapd_serve(struct imapd *d, struct stream *stream, const struct imap_server_opts *opts,
	const struct imapd_policy *policy, const char *refuse, struct imapd_conn **conn,
	struct err *e);
/** Within a command? Otherwise the fiber may be cancelled: the client hears BYE. NULL: no. Does not
 * yield. */
bool imapd_is_busy(const struct imapd_conn *conn);
