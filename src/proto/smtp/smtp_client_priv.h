#pragma once
/* Between smtp_client.c (the session), smtp_auth.c and the files of a transaction: smtp_fit.c (may it
 * go?), smtp_envelope.c (what is said), smtp_body.c (content), smtp_txn.c (one, step by step) and
 * smtp_many.c (in one go, several under way). */

#include "proto/smtp/smtp_client.h"

/** Read one whole reply into c->parser; the wait is `timeout_ns`. */
FIBER int smtp_client_reply(
	struct smtp_client *c, enum smtp_stage stage, int64_t timeout_ns, struct err *e);
/** The connection is of no more use: scope peer, the stage in front of the text. Returns -1. */
int smtp_client_lost(struct smtp_client *c, enum smtp_stage stage, struct err *e);
/** The last reply as an error: its code, what it said as far as a log line has room. Returns -1. */
int smtp_client_refused(struct smtp_client *c, enum smtp_stage stage, struct err *e);
/** Before a command: nothing is outstanding, so nothing may be there to read. What is there is the
 * end of the connection (421, the end of the stream) or a breach of the protocol: -1. */
FIBER int smtp_client_quiet(struct smtp_client *c, enum smtp_stage stage, struct err *e);

/* What MAIL will declare, and how the content travels. */
struct smtp_plan {
	enum smtp_body_type body;
	bool is_smtputf8;  /* addresses go as they are */
	bool is_bdat;      /* content goes with BDAT */
	bool is_together;  /* content travels in one write with the envelope */
	bool must_be_7bit; /* looked at while it goes: it can be read only once */
};
/** Does the message fit the peer? 0 with *fits_r false: the recipients have been told why. -1: the
 * source failed. */
FIBER int smtp_plan_make(struct smtp_client *c, struct smtp_txn *t, struct smtp_plan *plan,
	bool *fits_r, struct err *e);

void smtp_put_mail(struct smtp_client *c, const struct smtp_txn *t, const struct smtp_plan *plan);
void smtp_put_rcpt(struct smtp_client *c, struct smtp_txn_rcpt *r, const struct smtp_plan *plan);
/** RFC 5891: the domain's A-label form, appended with what stands before it; false: it has none, or the
 * local part is not ASCII. */
bool smtp_put_ascii_address(struct buf *b, struct span address);

/* Fates. */
void smtp_txn_prepare(struct smtp_txn *t);
void smtp_decide(struct smtp_txn_rcpt *r, enum smtp_fate fate, enum smtp_stage stage,
	const struct smtp_reply *reply);
/** All that are still undecided share one reply; with `is_taken_only` those that RCPT took. */
void smtp_decide_rest(struct smtp_txn *t, bool is_taken_only, enum smtp_fate fate,
	enum smtp_stage stage, const struct smtp_reply *reply);
/** How many RCPT has taken and nothing has decided. */
size_t smtp_txn_open(const struct smtp_txn *t);
/** The connection was lost behind the end of data: what is undecided is unknown. Returns -1. */
int smtp_txn_unknown(struct smtp_txn *t);

/** Read and take note of the replies to MAIL and RCPT. */
FIBER int smtp_read_mail(
	struct smtp_client *c, struct smtp_txn *t, int64_t timeout_ns, struct err *e);
FIBER int smtp_read_rcpt(struct smtp_client *c, struct smtp_txn *t, struct smtp_txn_rcpt *r,
	int64_t timeout_ns, struct err *e);
/** The final reply (LMTP: replies). *is_refused_r: somebody was refused. */
FIBER int smtp_read_end(
	struct smtp_client *c, struct smtp_txn *t, bool *is_refused_r, struct err *e);
/** RSET, unless it is off or the session is over. A failure shows in c->is_over alone. */
FIBER void smtp_client_reset(struct smtp_client *c);

/** One transaction, waiting for the envelope's verdict before the content goes. `behind` (NULL: none)
 * is one whose final reply has not been read: RFC 2920 section 3.1 lets this envelope follow its
 * content at once; it is settled here, with its own err when the connection is lost. *is_left_r
 * (NULL: not wanted): this one is left for the next to settle in the same way. */
FIBER int smtp_send_in_steps(struct smtp_client *c, struct smtp_txn *t,
	const struct smtp_plan *plan, struct smtp_txn *behind, bool *is_left_r, struct err *e);
/** Settle one that was left. */
FIBER int smtp_settle(struct smtp_client *c, struct smtp_txn *t, struct err *e);

/* Content. 0 with *is_refused_r: the peer has refused it on the way (the recipients have been told; the
 * connection is over when half a body is out). -1: the source or the connection failed. */
FIBER int smtp_body_dotted(struct smtp_client *c, struct smtp_txn *t, const struct smtp_plan *plan,
	bool *is_refused_r, struct err *e);
/** BDAT … LAST of a known size. */
FIBER int smtp_body_chunk(struct smtp_client *c, struct smtp_txn *t, const struct smtp_plan *plan,
	bool *is_refused_r, struct err *e);
/** BDAT in chunks, of unknown size; the replies to all but the last are read. */
FIBER int smtp_body_chunks(struct smtp_client *c, struct smtp_txn *t, const struct smtp_plan *plan,
	bool *is_refused_r, struct err *e);
/** All of a small content into `b` (cleared first), checked as it would be on its way. */
FIBER int smtp_body_gather(
	struct smtp_txn *t, const struct smtp_plan *plan, struct buf *b, struct err *e);
