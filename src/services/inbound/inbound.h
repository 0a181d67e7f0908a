#pragma once
/* Inbound, a carrier: decides what a client of the SMTP or LMTP server may do, and makes a letter of
 * what it sends. It meets everybody else in the store; what must follow an acceptance at once (the
 * queue's fast path, a report of success) is called through functions that the host wires.
 *
 * One struct inbound a loop thread; one struct inbound_conn a connection.
 *
 *	struct inbound_conn c;
 *	inbound_conn_init(&c, in, &policy);
 *	smtp_server_run(stream, &opts, &inbound_decider, &c, &e);
 */

#include "net/addr.h"
#include "proto/smtp/smtp_server.h"
#include "store/spool.h"
#include "services/pool/pool.h"
#include "services/router/router.h"
#include "services/sign/sign.h"
#include "services/submission/submission.h"
#include "services/trail/trail.h"

struct inbound;

#define INBOUND_RECEIVED_MAX     2048         /* octets of our Received field */
#define INBOUND_FILTER_FIELD_MAX (256 * 1024) /* octets of the field that goes through the filter */
#define INBOUND_SENT_FOLDER      "Sent"       /* where an account's own copies go */
#define INBOUND_STRIP_OUT_MAX    (16 * 1024)  /* gathered before it is kept */

/* What the configuration says; shared by the connections that began with it, never changed. */
struct inbound_policy {
	const struct addr_net *relay_networks;
	size_t relay_network_count;
	unsigned received_max;            /* more Received fields: 554 5.4.6 */
	int64_t expire_ns[SPOOL_CLASSES]; /* mail for others goes back after this */
	bool is_hold;                     /* accept, do not try */
	char folder_separator; /* "alice+list" goes into her folder "list"; 0: into INBOX */
	bool is_quota_refused; /* a full mailbox: 552 5.2.2 at once, not 452 4.2.2 */
	/* The filter hop. */
	struct span filter;   /* destination key of the content filter; "" none */
	struct pools *bypass; /* asked whether it is up: otherwise mail goes on unfiltered; NULL: it
				   waits for the filter */
	struct span
		filter_key; /* secret of this store; needed where there is a filter or a listener
				   for what comes back */
	const struct addr_net *filter_networks; /* who may bring it back */
	size_t filter_network_count;
};

struct inbound_opts {
	struct store *store;   /* borrowed, like all here */
	struct router *router; /* of the same loop */
	const char *hostname;
	const struct log *log;
	struct trail_book *trail; /* of the same loop; NULL: none */
	struct signer *signer;    /* NULL: nothing is signed */
	/** NULL: nobody carries mail on. Asked before a letter with remote recipients is accepted:
	 * shall it be leased to this process at once? Does not yield. */
	bool (*wants)(void *arg, const struct spool_new *letter);
	/** A letter with remote recipients was accepted and leased; letter->stored is there. Spans live
	 * until return. Does not yield. */
	void (*leased)(void *arg, const struct spool_new *letter);
	/** One was accepted without a lease. Does not yield. */
	void (*left)(void *arg);
	/** A letter was accepted and some local recipients wanted to be told (NOTIFY=SUCCESS). */
	FIBER void (*delivered)(void *arg, const struct spool_new *letter);
	/** One was accepted of whose recipients some, these, became several, and wanted to be told. */
	FIBER void (*expanded)(void *arg, const struct spool_new *letter,
		const struct spool_rcpt_new *aliases, size_t count);
	void *arg;
};

struct inbound_counters { /* of one loop; read by others without a lock, so a little late */
	uint64_t messages, recipients_local, recipients_remote, octets;
	uint64_t refused_recipients, refused_messages;
};

struct inbound_txn;

struct inbound_conn {
	struct inbound *in;
	const struct inbound_policy *policy;
	bool is_relay;    /* the listener's word, or the client's network */
	bool is_filtered; /* the content filter brings mail back here */
	struct submission_conn
		*submission; /* who may send what, on a listener of submission; NULL elsewhere */
	const char *refuse;  /* non-NULL: 421 4.7.0 with this text instead of a greeting */
	/* A letter of the drop directory: nobody hears what is refused now. So a recipient who is refused
	 * for good becomes a row that fails with its report, and the letter is accepted under its name
	 * once; `was_there`: it was before. */
	struct span once;
	bool was_there;
	const struct outbox_row
		*outbox;         /* of the one letter that is handed in here by JMAP; else NULL */
	struct inbound_txn *txn; /* lives in the session's transaction arena; NULL between */
};

struct inbound *inbound_new(const struct inbound_opts *opts);
void inbound_free(struct inbound **in);
const struct inbound_counters *inbound_counters(const struct inbound *in);

void inbound_conn_init(struct inbound_conn *c, struct inbound *in,
	const struct inbound_policy *policy, bool is_relay, bool is_filtered);

extern const struct smtp_decider inbound_decider;

/** The one translator of errors to SMTP replies: what the peer is told is not what the log is. */
void smtp_reply_from_err(struct smtp_reply *r, const struct err *e);
