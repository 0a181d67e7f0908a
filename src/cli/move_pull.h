#pragma once
/* Between the files of mailbox pull. */

#include "net/tls.h"
#include "proto/imap/imap_client.h"
#include "cli/move.h"

#define PULL_BATCH        50      /* messages of one FETCH */
#define PULL_MESSAGES_MAX 8000000 /* of one mailbox */
#define PULL_TRIES        8       /* connections in a row that bring nothing */
#define PULL_STEP_NS      CLOCK_MIN

struct pull_server {
	struct span user, host;
	const char *host_text;
	uint16_t port;
	bool is_tls;        /* imaps: from the first octet */
	struct span folder; /* of the URL; "" all */
	struct addr *addrs;
	size_t addr_count;
	struct tls_client *tls;
	bool is_plaintext;
	struct span password, token;
};

struct pull_box {
	struct imap_client_name from;
	struct span to;
	const char *use;
	bool is_rest; /* Gmail's "All Mail": only what has no label */
};

/* A message there. */
struct pull_msg {
	uint32_t uid;
	bool is_changed, is_here, is_come;
	struct span flags;
};

struct pull {
	struct cli_call *c;
	struct arena *a;
	struct arena *box_a; /* of the mailbox at hand */
	const char *address;
	struct stream *to;
	struct pull_server server;
	struct stream *stream;
	struct imap_client imap;
	bool is_connected, is_dry, is_skip;
	struct pull_box *boxes;
	size_t box_count, at;
	struct pull_box *box;
	/* the mailbox at hand, in the order of UIDs */
	struct pull_msg *here, *there;
	size_t here_count, here_cap, there_count, there_cap;
	uint64_t modseq; /* when it was last seen through */
	struct move_out *out;
	uint64_t come, wanted;
	struct move_sums sums;
};

/* ---- move_pull_server.c ---- */
/** Words and files to p->server. An exit code, told already. */
int pull_server_read(struct pull *p, const char *url);
/** Connect, TLS, login. */
FIBER int pull_connect(struct pull *p, struct err *e);
FIBER void pull_disconnect(struct pull *p);

/* ---- move_pull_box.c ---- */
/** Bring one mailbox over. -1: the error says whether it is worth another connection. */
FIBER int pull_box(struct pull *p, struct pull_box *box, struct err *e);
