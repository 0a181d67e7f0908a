#pragma once
/* The spool: messages on their way, a row per recipient. docs/queue.md has the table of states.
 *
 *	state	 meaning				may become
 *	waiting	 next attempt at next_ns		active, held, local, delivered (dropped: row gone)
 *	active	 leased by a carrier until lease_ns	waiting, delivered, failed, held, local
 *	held	 an administrator stopped it		waiting, dropped (delivered: a late result)
 *	local	 for spool_deliver_local at next_ns	delivered, failed
 *
 * delivered and failed rows leave the table in the transaction that settles them; the message row
 * and its body go with the last recipient. Invariant: every waiting row has next_ns; every row has
 * a reason (`last_text`) once it was tried; services/trail/queue_why.h tells both in words. */

#include "store/body.h"
#include "store/stage.h"

enum spool_state { SPOOL_WAITING, SPOOL_ACTIVE, SPOOL_HELD, SPOOL_LOCAL, SPOOL_STATES };
const char *spool_state_str(enum spool_state s);

/* RFC 3461 NOTIFY; 0 = not given (behaves as FAILURE | DELAY) */
enum spool_notify {
	SPOOL_NOTIFY_NEVER = 1,
	SPOOL_NOTIFY_SUCCESS = 2,
	SPOOL_NOTIFY_FAILURE = 4,
	SPOOL_NOTIFY_DELAY = 8
};
enum spool_ret { SPOOL_RET_NONE, SPOOL_RET_FULL, SPOOL_RET_HDRS };
enum spool_body { SPOOL_BODY_7BIT, SPOOL_BODY_8BIT, SPOOL_BODY_BINARY };

/* What kind of mail it is: each has its ladder of retries and its lifetime. */
enum spool_class { SPOOL_CLASS_NORMAL, SPOOL_CLASS_REPORT, SPOOL_CLASS_BULK, SPOOL_CLASSES };
enum spool_by { SPOOL_BY_NONE, SPOOL_BY_RETURN, SPOOL_BY_NOTIFY };
#define SPOOL_PRIORITY_MIN (-9) /* MT-PRIORITY (RFC 6710) */
#define SPOOL_PRIORITY_MAX 9

struct spool_envelope {
	struct span reverse_path; /* "" is the null sender; "local@domain", no angle brackets */
	struct span envid;        /* decoded from xtext */
	enum spool_ret ret;
	enum spool_body body_type;
	bool is_smtputf8;
	struct span
		origin; /* "smtp", "lmtp", "submission", "web", "dsn", "unix": for logs and show */
	struct span peer; /* "192.0.2.1 (helo)" for show; may be empty */
	enum spool_class class;
	int priority;          /* SPOOL_PRIORITY_MIN to _MAX */
	bool is_requiretls;    /* RFC 8689 */
	bool is_tls_optional;  /* "TLS-Required: No" stood in the header */
	enum spool_by by_mode; /* DELIVERBY (RFC 2852) */
	bool by_trace;
	int64_t by_ns;      /* wall clock, its deadline; 0: none */
	int64_t release_ns; /* wall clock, not tried before (RFC 4865); 0: at once */
};

/* Must it travel under TLS, or not at all? A report is rather sent without a promise than lost (RFC 8689
 * section 5); it is said where it is offered. */
static inline bool spool_is_tls_demanded(const struct spool_envelope *env)
{
	return env->is_requiretls && env->reverse_path.len > 0;
}

/* A recipient at acceptance. The router has decided; nothing is looked up here but the mailbox. */
struct spool_rcpt_new {
	struct span address; /* after rewriting: what the next hop is told */
	struct span orcpt;   /* "rfc822;addr" decoded, "" when not given */
	unsigned notify;     /* enum spool_notify bits */
	bool is_local;
	uint64_t account_id; /* local */
	struct span folder;  /* local: "INBOX" */
	struct span prefix;  /* local: header lines before the body (Return-Path, Delivered-To,
					Received); remote: lines in front of the letter's prefix */
	struct span
		sender; /* remote: reverse-path for this recipient alone, "" the letter's, "<>" the
					null sender */
	struct span
		destination; /* remote: the key that attempts are grouped by: a lower-case domain
					or a route "[host]:port" */
	/* results */
	uint64_t rcpt_id; /* remote: its row */
	uint32_t uid;     /* local: its UID */
};

struct outbox_row;
struct spool_new {
	uint64_t id;        /* store_new_id(): the queue id people see (enc_put_id) */
	uint64_t parent_id; /* the letter that this one came from: reported about, or copied; 0 */
	struct spool_envelope env;
	int64_t arrived_ns; /* wall clock */
	int64_t expires_ns; /* wall clock: give up then */
	struct span prefix; /* remote: header lines before the body (our Received) */
	struct stage *body; /* stays the caller's; free it after */
	struct spool_rcpt_new *rcpts;
	size_t rcpt_count;
	bool is_held; /* accept, but do not try (bench ingest) */
	/* One more local copy, in the same transaction whatever becomes of the recipients: what its
	 * author keeps. It has the body alone, no prefix, and is no recipient. 0: none. */
	uint64_t copy_account_id;
	struct span copy_folder; /* made when it is not there */
	unsigned copy_flags;     /* enum mailbox_flag */
	/* "" or a name under which it is accepted at most once, however often that is tried:
	 * ERR_EXISTS and was_there when it was (maildrop.h). */
	struct span once;
	bool was_there;
	/* What its author sees of it (outbox.h): the row is written in the same transaction, so that a letter is
	 * either sent and known to be, or neither. NULL: none. */
	const struct outbox_row *outbox;
	/* result: handle on the stored body for immediate delivery, NULL without remote recipients.
	 * The caller unrefs. */
	struct body *stored;
};

/** Durable when it returns 0: every local recipient has its message (exactly once), every remote
 * one its row (state waiting, next_ns = arrived_ns, or active under this process's lease when
 * `is_lease`, for the fast path). One transaction. ERR_FULL: disk; ERR_NOT_FOUND: a local account
 * has gone. More than SPOOL_LOCAL_NOW local recipients become rows that spool_deliver_local works
 * off in slices. */
#define SPOOL_LOCAL_NOW 200
/** Is it held as its sender asked (FUTURERELEASE)? Then its local recipients become rows too. */
bool spool_is_scheduled(const struct spool_new *letter);
FIBER int spool_accept(struct store *s, struct spool_new *letter, bool is_lease, struct err *e);
/** LMTP and friends: several letters in one commit, all or none. */

struct spool_item { /* one recipient row with its message */
	uint64_t msg_id, rcpt_id, blob_id, blob_len;
	struct spool_envelope env;
	struct span prefix;
	struct span address, orcpt, destination;
	struct span sender, rcpt_prefix; /* of this recipient alone: as in spool_rcpt_new */
	struct span rerouted_from;       /* where the router would have sent it; "" it does */
	unsigned notify;
	enum spool_state state;
	int64_t arrived_ns, expires_ns, next_ns, lease_ns;
	uint32_t attempts;
	unsigned delays_told; /* how many delay notices went out */
	bool is_by_told;      /* its deadline has passed (mode N), and that was told */
	bool is_given_up;     /* by an administrator: it is not tried any more, but fails */
	bool is_hold_asked, is_drop_asked; /* while active: what becomes of it then */
	bool is_expiry_fixed; /* an administrator set expires_ns; else the class's rule counts */
	struct span held_by;  /* who stopped it; "" nobody */
	int64_t held_ns;
	uint16_t last_code;        /* last SMTP reply, 0 none */
	struct span last_enhanced; /* "4.2.1" or "" */
	struct span last_text;     /* reply or our own reason, one line */
	struct span last_host;     /* "mx.example [192.0.2.1]:25" or "" */
	int64_t last_ns;
};

/** Claim up to `max` due rows (next_ns <= now, or an expired lease) for this process until
 * `lease_until_ns`: they become active. Ordered by priority, then next_ns. Spans live in `a`.
 * `*next_ns_r`: when the next waiting or local row is due (CLOCK_NEVER: none). */
FIBER int spool_claim(struct store *s, struct arena *a, int64_t now_ns, int64_t lease_until_ns,
	size_t max, struct spool_item **items_r, size_t *count_r, int64_t *next_ns_r,
	struct err *e);
/** At start: leases of a process that died (the data directory is ours alone) become waiting. */
int spool_recover_blocking(struct store *s, struct err *e);

enum spool_outcome { SPOOL_DELIVERED, SPOOL_FAILED, SPOOL_DEFERRED };
struct spool_result {
	uint64_t msg_id, rcpt_id;
	enum spool_outcome outcome;
	int64_t next_ns;  /* deferred */
	int64_t pause_ns; /* deferred: all that waits for its destination is left alone until then */
	bool is_attempt;  /* counts as one (false: site was down, nothing was tried) */
	unsigned delays_told; /* delay notices so far, with one that goes out with this */
	bool is_by_told;      /* its sender was or is told that its deadline has passed */
	uint16_t code;
	struct span enhanced, text, host;
	int64_t at_ns;
};
/** One transaction: all results, and the reports they cause (accepted like any letter, `dsns` may
 * have local and remote recipients). A result whose row is gone (dropped meanwhile) is ignored. */
FIBER int spool_settle(struct store *s, const struct spool_result *results, size_t count,
	struct spool_new *dsns, size_t dsn_count, struct err *e);

/* For administrators. A filter selects rows; 0 / empty fields match all. */
struct spool_filter {
	uint64_t msg_id;
	struct span sender, recipient, destination; /* exact, or a domain with leading "@" */
	int state;                                  /* enum spool_state or -1 */
	uint64_t after_rcpt_id;                     /* paging */
	size_t max;                                 /* 0: 256 */
};
FIBER int spool_list(struct store *s, struct arena *a, const struct spool_filter *f,
	struct spool_item **items_r, size_t *count_r, struct err *e);
/* id, word */
#define SPOOL_ACTIONS(X)                                                                           \
	X(RETRY, "retry") /* due now */                                                            \
	X(HOLD, "hold")                                                                            \
	X(RELEASE, "release") /* what is held, or is scheduled by its sender */                    \
	X(DROP, "drop")                                                                            \
	X(EXPIRE, "expire")   /* given up: it fails when it is claimed next, with its report */    \
	X(REROUTE, "reroute") /* to order.next_hop, due now */                                     \
	X(PRIORITY, "priority")                                                                    \
	X(LIFETIME, "lifetime") /* of the whole message: order.expires_ns */
enum spool_action {
#define X(id, word) SPOOL_##id,
	SPOOL_ACTIONS(X)
#undef X
		SPOOL_ACTION_COUNT
};
const char *spool_action_str(enum spool_action a);
struct spool_order {
	enum spool_action action;
	int64_t now_ns;
	struct span by;       /* HOLD: who says so */
	struct span next_hop; /* REROUTE: a destination key */
	int priority;         /* PRIORITY */
	int64_t expires_ns;   /* LIFETIME, wall clock */
	/** After each slice; -1 ends it there. May be NULL. */
	FIBER int (*progress)(void *arg, uint64_t seen, struct err *e);
	void *arg;
};
/** Works in slices, each a transaction; *changed_r counts rows. Rows that are active obey when what
 * is under way has ended: one that is delivered or fails then has no more row. */
FIBER int spool_act(struct store *s, const struct spool_filter *f, const struct spool_order *o,
	uint64_t *changed_r, struct err *e);

/* A recipient's new address or next hop, each row its own. */
struct spool_amend {
	uint64_t rcpt_id;
	struct span was;         /* its address and */
	struct span was_next;    /* destination as they were read: else the row is left alone */
	struct span address;     /* what it becomes */
	struct span orcpt;       /* "" as it was */
	struct span destination; /* remote; local: the folder */
	struct span rerouted_from;
	bool is_local;
	uint64_t account_id;
	struct span prefix; /* local: all that stands before the body */
	bool is_done;       /* result */
};
#define SPOOL_AMEND_MAX 256
/** All in one transaction. They become due at `now_ns`; held ones stay held, and cannot become
 * local. */
FIBER int spool_amend(
	struct store *s, struct spool_amend *rows, size_t count, int64_t now_ns, struct err *e);

/** Local recipients beyond SPOOL_LOCAL_NOW, and those of scheduled letters that are due: deliver a
 * slice; *left_r tells whether more are due. `told`: of scheduled letters, those whose senders want
 * to hear of success (NOTIFY), at most `max` of them, in `a`. */
FIBER int spool_deliver_local(struct store *s, struct arena *a, size_t max, bool *left_r,
	struct spool_item **told_r, size_t *told_count_r, struct err *e);
