#pragma once
/* POP3 for people: the INBOX of who has logged in, through the store. The talk is proto/pop3's; docs/pop3.md
 * tells what is offered and why.
 *
 * One struct pop3d a process, shared by all loops (thread-safe); one struct pop3d_conn a connection, its
 * fiber's alone. What a session sees is what was there when it logged in: the set of UIDs that the store gave
 * then. What others remove meanwhile it can still read while that can be brought back.
 *
 *	pop3d_conn_init(&c, d, &policy, stream, book);
 *	pop3_server_run(stream, &opts, &pop3d_decider, &c, &e);
 *	pop3d_conn_end(&c);
 */

#include "base/json_out.h"
#include "proto/pop3/pop3_server.h"
#include "store/mailbox.h"
#include "services/auth/auth.h"

struct pop3d;

struct pop3d_opts {
	struct store *store; /* borrowed, like all here */
	struct auth *auth;
	const struct log *log;
};
struct pop3d *pop3d_new(const struct pop3d_opts *opts);
void pop3d_free(struct pop3d **d);

struct pop3d_counters {
	uint64_t sessions, logins, retrieved, octets, removed; /* since the start */
	uint64_t open;                                         /* mailboxes now */
};
void pop3d_counters(const struct pop3d *d, struct pop3d_counters *c_r);
/** The same for `yizhan status`. */
void pop3d_put_status(const struct pop3d *d, struct json_out *j);

/* What the configuration says; shared by the connections that began with it, never changed. */
struct pop3d_policy {
	int64_t login_delay_ns;    /* between two logins of an account; 0 none */
	int64_t keep_expunged_ns;  /* how long what is removed can be brought back */
	bool is_exclusive;         /* one session at a time in a mailbox */
	bool is_seen_set;          /* by RETR */
	bool is_retrieved_removed; /* EXPIRE 0 */
};

#define POP3D_SIZES 256 /* that are read at a time */

struct pop3d_sizes {
	uint32_t first, count;
	uint64_t octets[POP3D_SIZES]; /* UINT64_MAX: not there any more */
};
struct pop3d_conn {
	struct pop3d *d;
	const struct pop3d_policy *policy;
	const char *refuse; /* why it may not come in; NULL: it may */
	struct auth_conn auth;
	struct auth_book *book; /* of the loop; NULL: none */
	struct auth_mark mark;  /* in the book while it is logged in and idle */
	bool is_marked, is_idle, is_held;
	bool is_header_whole; /* the first octets have all of the header: it is looked at */
	struct span identity; /* whose mailbox, when not his own who logs in; "" */
	/* the mailbox, once it is open */
	uint64_t mailbox_id;
	uint32_t uidvalidity;
	unsigned rights;
	struct uidset *uids; /* NULL before */
	uint8_t *retrieved;  /* owned: a bit a message */
	uint32_t retrieved_count;
	/* what was read of it lately: let go of in a silence */
	struct pop3d_sizes *sizes; /* owned */
	struct arena *page;        /* messages with bodies, from one on */
	struct mailbox_msg *list;
	size_t list_count;
	uint32_t next; /* the one that a client which takes all wants next */
	/* the message that is on its way out */
	const struct mailbox_msg *msg;
	struct body *body;   /* a large one */
	struct arena *chunk; /* of it */
	uint64_t chunk_index;
	unsigned stage; /* how far it is: prefix, body, end */
};
/** Does not yield. `book` may be NULL. */
void pop3d_conn_init(struct pop3d_conn *c, struct pop3d *d, const struct pop3d_policy *policy,
	const struct stream *stream, struct auth_book *book);
/** Writes down what was read, and frees what the connection has. */
FIBER void pop3d_conn_end(struct pop3d_conn *c);
/** Its ctx is a struct pop3d_conn. */
extern const struct pop3_decider pop3d_decider;
