#pragma once
/* Inside inbound. */

#include "proto/mail/mail_header.h"
#include "services/inbound/inbound.h"

/* The zone is looked up once a second. */
struct received_time {
	int64_t sec;
	int zone_minutes;
};

/** Our Received field (RFC 5321 section 4.4), folded, with its CRLF, in s->txn. `for_address` is
 * empty unless there is exactly one recipient. */
struct received_opts {
	struct span hostname;
	uint64_t id;
	struct span for_address;
	const struct received_time *time;
	struct span local;     /* "unix, uid 1000, alice" for a user of this machine; "" */
	bool is_client_hidden; /* neither its address nor its name */
};
struct span received_field(const struct smtp_session *s, const struct received_opts *o);

#define INBOUND_MET 4096 /* people who were written to lately, of a loop */

struct inbound {
	struct inbound_opts opts;
	struct inbound_counters counters;
	struct received_time time; /* as of the last letter */
	uint64_t met[INBOUND_MET]; /* inbound_people.c */
};

/* What the router said of a recipient. */
struct inbound_rcpt {
	struct router_answer answer; /* first */
	struct err *late; /* LMTP: why it is refused behind the message; NULL: it is not */
	bool is_unproven; /* taken only if the letter went through here before, to this recipient */
};

/* inbound_filter.c */

/* Takes the filter's field out of a header that comes in, in any cut. */
enum strip_state { STRIP_LINE_BEGINS, STRIP_LINE, STRIP_LINE_OF_FIELD, STRIP_BODY };
struct inbound_strip {
	enum strip_state state;
	bool is_within;   /* the line before belongs to a field that is taken out */
	struct buf held;  /* of a line's beginning */
	struct buf field; /* taken out */
	struct buf out;   /* what stays of the last feed */
	/* results */
	unsigned proofs;  /* fields whose id was given by us */
	struct span text; /* of the last of them; in the arena */
};
void inbound_strip_init(struct inbound_strip *st);
void inbound_strip_fini(struct inbound_strip *st);
/** Returns how many octets were taken; what stays of them is in st->out until the next call. In
 * STRIP_BODY nothing more is taken. */
size_t inbound_strip_feed(struct inbound_strip *st, struct arena *a,
	const struct inbound_policy *policy, struct span octets);
/** The message has ended; what was held back. */
struct span inbound_strip_end(
	struct inbound_strip *st, struct arena *a, const struct inbound_policy *policy);

/* What a letter had when it went to the filter. */
struct inbound_return {
	uint64_t id;
	bool is_requiretls;
	int priority;
	enum spool_by by_mode;
	bool by_trace;
	int64_t by_ns;
	unsigned ret;
	bool is_signed; /* when it leaves: it was submitted here */
	struct span envid;
	bool *proven; /* one a recipient of the session: it went to the filter for that one */
};
/* A transaction: from the first RCPT on. */
struct inbound_txn {
	struct arena *arena; /* the session's, of this transaction */
	struct stage *stage;
	struct mail_header header; /* counts Received fields */
	struct span message_id;    /* without angle brackets; "" */
	struct span from;          /* the first From field's value */
	struct router_delivered delivered;
	bool is_tls_optional; /* "TLS-Required: No" (RFC 8689 section 5) */
	bool is_bulk;         /* Precedence says so */
	struct span to, cc;   /* of a submission: the first To and Cc fields' values */
	bool is_machine;      /* of a submission: no person has written it */
	bool is_stripped;     /* the filter's field is taken out */
	struct inbound_strip strip;
	struct inbound_return *back;  /* it comes back from the filter; NULL: it does not */
	struct submission_gate *gate; /* its header is checked and made whole; NULL: it is not */
	bool is_gate_passed, is_accepted;
	bool is_sign_sure;     /* its author's domain was looked up */
	struct sign_job *sign; /* what leaves under a name of ours; NULL: it is not signed */
};

/* inbound_rcpt.c */

struct inbound_counts {
	size_t local, remote;
	bool is_success_wanted;
	struct spool_rcpt_new
		*expanded; /* addresses that became several, and whose sender hears it */
	size_t expanded_count;
};
/** Nobody can be told now that this recipient is refused: it becomes a row that fails, with its report. */
void inbound_rcpt_refused(struct smtp_session *s, const struct smtp_rcpt *rcpt,
	struct router_answer *ans, const struct err *why);
/** Marks recipients that the message has been delivered to before: ROUTER_LOOP. -1: all of them. */
int inbound_loops(struct inbound_conn *c, struct smtp_session *s, struct err *e);
/** LMTP: has this recipient a reply of its own, in `e` (NULL allowed)? */
bool inbound_is_late(const struct smtp_session *s, size_t i, struct err *e);
/** LMTP, the message has ended: does it fit as large as it is? Who has no room for it hears that. *is_any_r:
 * somebody takes it. */
FIBER int inbound_late_room(
	struct inbound_conn *c, struct smtp_session *s, bool *is_any_r, struct err *e);
/** The accepted recipients, aliases opened, into letter->rcpts. What differs per mailbox is its prefix. */
void inbound_rcpts(struct inbound_conn *c, struct smtp_session *s, struct spool_new *letter,
	struct inbound_counts *counts_r);

/* The rest of inbound_filter.c. */

/** Does mail of this connection go to the filter? */
bool inbound_filter_takes(const struct inbound_conn *c);
/** Make a letter ready for it: its recipients, and the field that brings it back. ERR_LIMIT: too many
 * recipients. */
int inbound_filter_send(struct inbound_conn *c, struct smtp_session *s, struct spool_new *letter,
	struct inbound_counts *counts_r, struct err *e);
/** At the end of a message: may it be brought here? Recipients that it went to the filter for get back
 * what was asked for them (NOTIFY, ORCPT). Errors have their reply. */
FIBER int inbound_filter_return(struct inbound_conn *c, struct smtp_session *s, struct err *e);
/** What it was sent with counts again, when it comes from the filter. */
void inbound_filter_restore(const struct inbound_conn *c, struct spool_new *letter);

/* inbound_submission.c */

/** May mail for anywhere come in here? */
bool inbound_may_relay(const struct inbound_conn *c);
/** Into the stage, and to whoever signs what is in it. */
FIBER int inbound_put(struct inbound_txn *t, struct span octets, struct err *e);
/** Content as it is to go on: counted, and without the field of the filter hop. */
FIBER int inbound_keep(struct inbound_conn *c, struct span octets, struct err *e);
FIBER void inbound_submission_mail(
	struct inbound_conn *c, struct smtp_session *s, struct smtp_reply *r);
void inbound_submission_begin(struct inbound_conn *c, struct smtp_session *s);
/** Octets of a message; the header waits until it is whole. */
FIBER int inbound_submission_data(
	struct inbound_conn *c, struct smtp_session *s, struct span octets, struct err *e);
/** The message has ended, perhaps within its header. */
FIBER int inbound_submission_end(struct inbound_conn *c, struct smtp_session *s, struct err *e);
/** What its author keeps, and who it was. */
void inbound_submission_letter(struct inbound_conn *c, struct spool_new *letter);
/** How Received names a user of this machine; "" somebody else. In `a`. */
struct span inbound_local_user(const struct inbound_conn *c, struct arena *a);
void inbound_put_user(const struct inbound_conn *c, struct buf *b);
/** Is this letter signed when it leaves? Then begin. */
FIBER void inbound_sign_begin(struct inbound_conn *c, struct smtp_session *s);
/** The header is known: without a key for its author nothing more is digested. */
FIBER void inbound_sign_look(struct inbound_conn *c);
/** Under our Received field stand the signatures. */
FIBER int inbound_sign_end(
	struct inbound_conn *c, struct smtp_session *s, struct spool_new *letter, struct err *e);

/* For the table of decisions. */
bool inbound_on_admits(void *ctx, const struct smtp_session *s, struct smtp_reply *r);
bool inbound_on_auth_offer(void *ctx, const struct smtp_session *s, struct sasl_server_opts *o);
void *inbound_on_sasl_ctx(void *ctx);
FIBER void inbound_on_auth(
	void *ctx, struct smtp_session *s, bool is_accepted, struct smtp_reply *r);
const char *inbound_on_ended(void *ctx, const struct smtp_session *s);

/* inbound_people.c */

/** Of a submission: called for each field of its header. */
void inbound_people_field(struct inbound_txn *t, const struct mail_field *f);
/** A submission was accepted and answered for: its recipients go into the sender's contacts, some time later.
 * Does not yield. */
void inbound_people(struct inbound_conn *c, const struct smtp_session *s);

/* inbound_trail.c */

/** Called for each field of a message that comes in; `arg` is the struct inbound_txn. */
void inbound_note_field(void *arg, const struct mail_field *f);
/** Tell the station log of a letter that was accepted, or that was refused at its end. */
void inbound_trail(
	const struct inbound_conn *c, const struct smtp_session *s, const struct spool_new *letter);
void inbound_trail_refused(const struct inbound_conn *c, const struct smtp_session *s, uint64_t id,
	const struct err *why);
