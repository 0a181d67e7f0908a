#pragma once
/* Submission (RFC 6409), an adviser of inbound: whoever may send does so as himself only, and what he
 * sends is complete. Policy and header work; the talk is proto/smtp's, the letter is inbound's.
 *
 * One struct submission a process, shared by all loops (thread-safe); one struct submission_conn a
 * connection of a submission listener, its fiber's alone. inbound asks it where it has one:
 *
 *	submission_conn_init(&c, sub, &policy, stream, book);
 *	submission_offer, auth_decider with &c.auth, submission_login	AUTH
 *	submission_admits	before MAIL, VRFY: 530 until somebody has logged in
 *	submission_mail		may he use this reverse-path, and send one more now?
 *	submission_rcpt		may he have one more recipient now?
 *	submission_gate_new … _feed … _end	the header, checked and made whole
 *	submission_done		the transaction is over: what was not accepted does not count
 *	submission_conn_fini(&c);
 *
 * A user of this machine (the Unix socket, sendmail) does not log in: submission_local says who it is,
 * and everything else is the same. docs/submission.md has the rules. */

#include "base/gcra.h"
#include "base/json_out.h"
#include "services/auth/auth.h"

struct submission;

#define SUBMISSION_HEADER_MAX  (256 * 1024) /* octets of a header; more: 552 5.3.4 */
#define SUBMISSION_LINE_MAX    998          /* of a header line (RFC 5322 section 2.1.1) */
#define SUBMISSION_AUTHORS_MAX 50           /* in one From */
#define SUBMISSION_RATES       65536        /* accounts that are counted at a time */

/* What the configuration says; shared by the connections that began with it, never changed. */
enum submission_authors {
	SUBMISSION_AUTHORS_OWN, /* several, when each is the account's; Sender is then added */
	SUBMISSION_AUTHORS_ONE, /* exactly one */
};
struct submission_policy {
	const char *hostname;  /* Authentication-Results of this name are taken out */
	char separator;        /* of sub-addresses; 0 none */
	bool is_client_hidden; /* neither its address nor its HELO name in Received */
	enum submission_authors authors;
	struct gcra_rate messages, recipients; /* of an account without rates of its own */
};

/* Who sends. Spans live as long as the connection, or the arena that was given. */
struct submission_user {
	uint64_t account_id; /* 0: a user of this machine who has no account */
	struct span address; /* what From gets when there is none: "alice@our.example" */
	struct span name;    /* of people; "" */
	struct span login;   /* of this machine; "" who logged in over the network */
	uint64_t uid;
	struct span qualify; /* the domain that addresses without one get; "" they are refused */
	bool is_trusted; /* may write under any address (root, daemons); the grammar still counts */
	bool is_sent_copied;
	struct gcra_rate messages, recipients;
};

struct submission_opts {
	struct store *store;    /* borrowed, like all here */
	struct auth *auth;      /* NULL: nobody can log in */
	struct work_lane *lane; /* where names in strange character sets are decoded; NULL: here */
	const struct log *log;
};
struct submission *submission_new(const struct submission_opts *opts);
void submission_free(struct submission **s);
/* What an administrator may know. */
struct submission_counters {
	uint64_t accepted, refused_senders, limited_messages, limited_recipients;
	uint64_t accounts; /* that something is counted of now */
};
void submission_counters(struct submission *s, struct submission_counters *c_r);
/** The same for `yizhan status`. */
void submission_put_status(struct submission *s, struct json_out *j);

struct submission_conn {
	struct submission *sub;
	const struct submission_policy *policy;
	struct auth_conn auth;
	struct auth_book *book; /* of the loop; NULL: none */
	struct auth_mark mark;  /* in the book while it is logged in and idle */
	bool is_marked, is_known;
	bool is_given; /* submission_account: somebody else vouches for him, EHLO forgets nothing */
	struct submission_user user; /* once is_known */
	struct arena *arena;         /* owned; NULL before */
	/* counted in this transaction, and not yet for good */
	unsigned taken_messages, taken_recipients;
};
/** Does not yield. `book` may be NULL. */
void submission_conn_init(struct submission_conn *c, struct submission *s,
	const struct submission_policy *p, const struct stream *stream, struct auth_book *book);
void submission_conn_fini(struct submission_conn *c);

/* ---- who it is ---- */

/** smtp_decider.auth_offer. Does not yield. */
bool submission_offer(const struct submission_conn *c, struct sasl_server_opts *o);
/** After an exchange, as auth_settle: -1 and the reply in `e`. The user is known from here on. */
FIBER int submission_login(struct submission_conn *c, struct span user, struct span identity,
	const char *mech, bool is_accepted, struct err *e);
/** STARTTLS: forgotten. */
void submission_forget(struct submission_conn *c);
/* A user of this machine, as the kernel and the password file tell of him. */
struct submission_local {
	uint64_t uid;
	struct span login, gecos; /* gecos: his name, as people write it; "" */
	bool is_trusted;          /* may write as anybody */
};
/** Its user is the account that is his, or login@hostname. 550 5.7.1: suspended. */
FIBER int submission_local(
	struct submission_conn *c, const struct submission_local *who, struct err *e);
/** Somebody who has logged in to another service of ours (JMAP) sends: he is known from here on. 550 5.7.1:
 * suspended or gone. */
FIBER int submission_account(struct submission_conn *c, uint64_t account_id, struct err *e);
/** The same without a connection (the drop directory of sendmail): fills *user_r, in `a`. */
FIBER int submission_local_user(struct submission *s, struct arena *a,
	const struct submission_policy *p, const struct submission_local *who,
	struct submission_user *user_r, struct err *e);

/* ---- what he may ---- */

/** Before MAIL and VRFY. false: 530 5.7.0, in `e`. Does not yield. */
bool submission_admits(const struct submission_conn *c, bool has_tls, struct err *e);
/** MAIL. The null sender is allowed (RFC 8098 asks for it); From is checked all the same. 421 4.7.0 when
 * the login counts no more, 550 5.7.1, 450 4.7.1 with the time when it may go on. */
FIBER int submission_mail(struct submission_conn *c, struct span reverse_path, struct err *e);
/** RCPT, once the recipient is found good. 450 4.7.1. Does not yield. */
int submission_rcpt(struct submission_conn *c, struct err *e);
/** Exactly once for each transaction that began. Does not yield. */
void submission_done(struct submission_conn *c, bool is_accepted);
/** May this user write as `address`? ERR_DENIED with 550 5.7.1, or the store's trouble. */
FIBER int submission_may(struct submission *s, const struct submission_policy *p,
	const struct submission_user *u, struct span address, struct err *e);

/* ---- the header ---- */

struct submission_gate_opts {
	const struct submission_policy *policy;
	const struct submission_user *user;
	bool is_smtputf8;
	int64_t wall_sec;
	int zone_minutes;
	uint64_t random[2];     /* for Message-ID */
	struct work_lane *lane; /* as in submission_opts */
	/** May he write as `address` ("local@domain")? 0: he may; -1 and the reply in `e`. */
	FIBER int (*may)(void *arg, struct span address, struct err *e);
	void *arg;
};
/** Fill what the connection knows: policy, user, lane, the time, random numbers. Does not yield. */
void submission_gate_wire(const struct submission_conn *c, struct submission_gate_opts *opts);
struct submission_gate;
/** Lives in `a`, which must outlive it; what it holds otherwise goes with submission_gate_free. */
struct submission_gate *submission_gate_new(
	struct arena *a, const struct submission_gate_opts *opts);
void submission_gate_free(struct submission_gate **g);
/** Feed the message from its beginning, in any cut. *taken_r: how many octets it took; fewer than all
 * when the header ends within them. Errors have their reply: 552 5.3.4 too large, 550 5.6.x malformed. */
int submission_gate_feed(
	struct submission_gate *g, struct span octets, size_t *taken_r, struct err *e);
/** Has the header ended? */
bool submission_gate_is_done(const struct submission_gate *g);
/** Once it has, or the message has: check it, and give the new one, with the line that parts it from the
 * body. *rest_r: octets that were taken but belong to the body, which follow first; all that is fed
 * later follows unchanged. Both live as long as the gate. 550 5.7.1 not his; 550 5.6.x malformed. */
FIBER int submission_gate_end(
	struct submission_gate *g, struct span *header_r, struct span *rest_r, struct err *e);
