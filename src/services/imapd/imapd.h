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
	struct auth_book *book;   /* of this worker */
	struct watch *watch;      /* of this worker */
	int64_t keep_expunged_ns; /* how long what is expunged can be brought back; 0 not at all */
	const struct log *log;
};
/** On the loop's own thread. */
struct imapd *imapd_new(const struct imapd_opts *opts);
void imapd_free(struct imapd **d);
