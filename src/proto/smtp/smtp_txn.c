/* One transaction, step by step, and what becomes of each recipient. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/fault.h"
#include "proto/smtp/smtp_client_priv.h"

void smtp_txn_fini(struct smtp_txn *t)
{
	for (size_t i = 0; i < t->rcpt_count; i++) {
		struct smtp_txn_rcpt *r = &t->rcpts[i];

		smtp_reply_fini(&r->reply);
		if (r->rcpt_reply)
			smtp_reply_fini(r->rcpt_reply);
		free(r->rcpt_reply);
		r->rcpt_reply = NULL;
	}
}

void smtp_txn_prepare(struct smtp_txn *t)
{
	for (size_t i = 0; i < t->rcpt_count; i++) {
		struct smtp_txn_rcpt *r = &t->rcpts[i];

		smtp_reply_init(&r->reply);
		r->rcpt_reply = NULL;
		r->fate = SMTP_FATE_NONE;
		r->stage = SMTP_STAGE_MAIL;
		r->is_ours = r->is_dsn_passed = r->is_taken = false;
	}
	t->is_unanswered = t->is_cut = false;
	t->octets = 0;
	err_clear(&t->err);
}

/* --- fates ----------------------------------------------------------------------------------- */

void smtp_decide(struct smtp_txn_rcpt *r, enum smtp_fate fate, enum smtp_stage stage,
	const struct smtp_reply *reply)
{
	r->fate = fate;
	r->stage = stage;
	smtp_reply_copy(&r->reply, reply);
}

void smtp_decide_rest(struct smtp_txn *t, bool is_taken_only, enum smtp_fate fate,
	enum smtp_stage stage, const struct smtp_reply *reply)
{
	for (size_t i = 0; i < t->rcpt_count; i++) {
		struct smtp_txn_rcpt *r = &t->rcpts[i];

		if (r->fate == SMTP_FATE_NONE && (r->is_taken || !is_taken_only))
			smtp_decide(r, fate, stage, reply);
	}
}

size_t smtp_txn_open(const struct smtp_txn *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->rcpt_count; i++)
		n += t->rcpts[i].fate == SMTP_FATE_NONE && t->rcpts[i].is_taken;
	return n;
}

static void unknown(struct smtp_txn *t, bool is_taken_only)
{
	for (size_t i = 0; i < t->rcpt_count; i++) {
		struct smtp_txn_rcpt *r = &t->rcpts[i];

		if (r->fate == SMTP_FATE_NONE && (r->is_taken || !is_taken_only)) {
			r->fate = SMTP_FATE_UNKNOWN;
			r->stage = SMTP_STAGE_DOT;
		}
	}
}

int smtp_txn_unknown(struct smtp_txn *t)
{
	unknown(t, false);
	return -1;
}

/* --- replies --------------------------------------------------------------------------------- */

FIBER int smtp_read_mail(
	struct smtp_client *c, struct smtp_txn *t, int64_t timeout_ns, struct err *e)
{
	if (smtp_client_reply(c, SMTP_STAGE_MAIL, timeout_ns, e) < 0) {
		t->is_unanswered = true;
		return -1;
	}
	/* RFC 5321 section 4.3.2: the class decides. */
	if (c->parser.reply.code / 100 != 2)
		smtp_decide_rest(t, false, SMTP_FATE_REFUSED, SMTP_STAGE_MAIL, &c->parser.reply);
	return 0;
}

/* A recipient that MAIL's refusal has decided keeps that: the reply here is only its echo. */
FIBER int smtp_read_rcpt(struct smtp_client *c, struct smtp_txn *t, struct smtp_txn_rcpt *r,
	int64_t timeout_ns, struct err *e)
{
	const struct smtp_reply *reply = &c->parser.reply;

	if (smtp_client_reply(c, SMTP_STAGE_RCPT, timeout_ns, e) < 0)
		return -1;
	if (r->fate != SMTP_FATE_NONE)
		return 0;
	if (t->keeps_rcpt_replies) {
		r->rcpt_reply = NEW(struct smtp_reply);
		smtp_reply_init(r->rcpt_reply);
		smtp_reply_copy(r->rcpt_reply, reply);
	}
	r->is_taken = reply->code / 100 == 2;
	if (!r->is_taken)
		smtp_decide(r, SMTP_FATE_REFUSED, SMTP_STAGE_RCPT, reply);
	return 0;
}

/* RFC 2033 section 4.2: LMTP answers once for each recipient that was accepted, in their order. */
FIBER int smtp_read_end(
	struct smtp_client *c, struct smtp_txn *t, bool *is_refused_r, struct err *e)
{
	const struct smtp_reply *reply = &c->parser.reply;

	for (size_t i = 0; i < t->rcpt_count; i++) {
		struct smtp_txn_rcpt *r = &t->rcpts[i];
		enum smtp_fate fate;

		if (r->fate != SMTP_FATE_NONE || !r->is_taken)
			continue;
		if (c->is_over) { /* 421 to one before */
			smtp_client_refused(c, SMTP_STAGE_DOT, e);
			unknown(t, true);
			return -1;
		}
		if (smtp_client_reply(c, SMTP_STAGE_DOT, c->opts.timeouts.dot_ns, e) < 0) {
			unknown(t, true);
			return -1;
		}
		fate = reply->code / 100 == 2 ? SMTP_FATE_ACCEPTED : SMTP_FATE_REFUSED;
		*is_refused_r = *is_refused_r || fate == SMTP_FATE_REFUSED;
		if (!c->opts.is_lmtp) {
			smtp_decide_rest(t, true, fate, SMTP_STAGE_DOT, reply);
			return 0;
		}
		smtp_decide(r, fate, SMTP_STAGE_DOT, reply);
	}
	return 0;
}

FIBER void smtp_client_reset(struct smtp_client *c)
{
	if (c->is_over || c->opts.no_rset)
		return;
	stream_put(c->stream, SPAN("RSET\r\n"));
	c->outstanding++;
	/* What was decided stays so; a session that will not be reset takes no more mail. */
	if (smtp_client_reply(c, SMTP_STAGE_OTHER, c->opts.timeouts.mail_ns, NULL) == 0 &&
		c->parser.reply.code / 100 != 2)
		c->is_over = true;
}

/* --- the envelope ---------------------------------------------------------------------------- */

/* Commands are put and their replies read in order, some ahead where PIPELINING allows it. */
struct steps {
	struct smtp_client *c;
	struct smtp_txn *t;
	const struct smtp_plan *plan;
	struct smtp_txn *behind;
	size_t put, got; /* MAIL is the first, then each RCPT */
	size_t window;
	size_t taken, refused;
	bool is_pipelined, is_stopped, is_data_said;
};

static void put_more(struct steps *s)
{
	struct smtp_txn *t = s->t;

	while (!s->is_stopped && s->put <= t->rcpt_count && s->put - s->got < s->window) {
		if (s->put == 0)
			smtp_put_mail(s->c, t, s->plan);
		else
			smtp_put_rcpt(s->c, &t->rcpts[s->put - 1], s->plan);
		s->put++;
	}
	/* RFC 2920 section 3.1: DATA may end the group; but with all or nothing a refusal among the
	 * replies must still be able to prevent an empty message. */
	if (!s->is_stopped && s->put > t->rcpt_count && s->is_pipelined && !s->plan->is_bdat &&
		!t->is_all_or_nothing && !s->is_data_said) {
		stream_put(s->c->stream, SPAN("DATA\r\n"));
		s->c->outstanding++;
		s->is_data_said = true;
	}
}

/* RFC 5321 section 4.5.3.1.10: no more recipients in one transaction. An enhanced code may say that
 * 452 means something else (4.2.2: this mailbox is full). */
static bool is_too_many(const struct smtp_txn_rcpt *r)
{
	const struct smtp_reply *y = &r->reply;

	return r->fate == SMTP_FATE_REFUSED && r->stage == SMTP_STAGE_RCPT &&
		(y->code == 452 || y->code == 552) &&
		(y->cls == 0 || (y->subject == 5 && y->detail == 3));
}

static FIBER int read_one(struct steps *s, struct err *e)
{
	int64_t timeout_ns = s->c->opts.timeouts.mail_ns;
	struct smtp_txn *t = s->t;
	struct smtp_txn_rcpt *r;

	if (s->got++ == 0) {
		if (smtp_read_mail(s->c, t, timeout_ns, e) < 0)
			return -1;
		s->is_stopped = s->c->parser.reply.code / 100 != 2;
		return 0;
	}
	r = &t->rcpts[s->got - 2];
	if (smtp_read_rcpt(s->c, t, r, timeout_ns, e) < 0)
		return -1;
	s->taken += r->is_taken;
	s->refused += !r->is_taken;
	if (t->is_all_or_nothing && !r->is_taken)
		s->is_stopped = true;
	if (s->taken && is_too_many(r) && s->put <= t->rcpt_count)
		s->is_stopped = t->is_cut = true;
	return 0;
}

FIBER int smtp_settle(struct smtp_client *c, struct smtp_txn *t, struct err *e)
{
	bool is_refused = false;

	stream_set_timeout(c->stream, c->opts.timeouts.block_ns);
	if (stream_flush(c->stream, e) < 0) {
		smtp_client_lost(c, SMTP_STAGE_DOT, e);
		unknown(t, true);
		return err_copy(&t->err, e);
	}
	FAULT(DELIVER_DOT);
	if (smtp_read_end(c, t, &is_refused, e) < 0)
		return err_copy(&t->err, e);
	return 0;
}

static FIBER int envelope(struct steps *s, struct err *e)
{
	put_more(s);
	if (s->behind) {
		if (smtp_settle(s->c, s->behind, e) < 0) {
			s->t->is_unanswered = true;
			return -1;
		}
		if (s->c->is_over) /* 421: nobody will read what followed */
			return smtp_client_refused(s->c, SMTP_STAGE_DOT, e);
	}
	while (s->got < s->put) {
		if (read_one(s, e) < 0)
			return -1;
		if (s->c->is_over)
			return smtp_client_refused(
				s->c, s->got > 1 ? SMTP_STAGE_RCPT : SMTP_STAGE_MAIL, e);
		/* Half a window at a time: fewer, longer writes. */
		if (s->put - s->got <= s->window / 2)
			put_more(s);
	}
	return 0;
}

/* --- content --------------------------------------------------------------------------------- */

static FIBER int read_data(struct steps *s, struct err *e)
{
	struct smtp_client *c = s->c;
	unsigned code;

	if (smtp_client_reply(c, SMTP_STAGE_DATA, c->opts.timeouts.data_ns, e) < 0)
		return -1;
	code = c->parser.reply.code;
	if (code == 354 || code >= 400)
		return 0;
	err_set(e, ERR_PROTO, "DATA was answered with %u", code); /* neither yes nor no */
	return smtp_client_lost(c, SMTP_STAGE_DATA, e);
}

/* DATA was said in the same breath as recipients of whom none was taken. A server may say 354 all the
 * same: it gets an empty body (RFC 2920 section 3.1). */
static FIBER int end_for_nobody(struct steps *s, struct err *e)
{
	struct smtp_client *c = s->c;

	if (!s->is_data_said)
		return 0;
	if (read_data(s, e) < 0)
		return -1;
	if (c->parser.reply.code != 354)
		return 0;
	stream_put(c->stream, SPAN(".\r\n"));
	c->outstanding++;
	return smtp_client_reply(c, SMTP_STAGE_DOT, c->opts.timeouts.dot_ns, e);
}

static FIBER int ask_for_data(struct steps *s, bool *go_r, struct err *e)
{
	struct smtp_client *c = s->c;

	*go_r = true;
	if (s->plan->is_bdat)
		return 0;
	if (!s->is_data_said) {
		stream_put(c->stream, SPAN("DATA\r\n"));
		c->outstanding++;
	}
	if (read_data(s, e) < 0)
		return -1;
	*go_r = c->parser.reply.code == 354;
	if (!*go_r)
		smtp_decide_rest(s->t, true, SMTP_FATE_REFUSED, SMTP_STAGE_DATA, &c->parser.reply);
	return 0;
}

static FIBER int send_body(struct steps *s, bool *is_refused_r, struct err *e)
{
	struct smtp_client *c = s->c;
	struct smtp_txn *t = s->t;

	if (!s->plan->is_bdat)
		return smtp_body_dotted(c, t, s->plan, is_refused_r, e);
	if (t->is_size_unknown)
		return smtp_body_chunks(c, t, s->plan, is_refused_r, e);
	return smtp_body_chunk(c, t, s->plan, is_refused_r, e);
}

/* From here on a lost connection leaves the fate of what was sent unknown. */
static FIBER int finish(struct steps *s, struct err *e)
{
	struct smtp_client *c = s->c;
	bool is_refused = false;

	stream_set_timeout(c->stream, c->opts.timeouts.block_ns);
	if (stream_flush(c->stream, e) < 0) {
		smtp_client_lost(c, SMTP_STAGE_DOT, e);
		unknown(s->t, true);
		return -1;
	}
	FAULT(DELIVER_DOT);
	if (smtp_read_end(c, s->t, &is_refused, e) < 0)
		return -1;
	/* RFC 3030 section 2: behind a chunk that failed nothing is certain but RSET. */
	if (is_refused && s->plan->is_bdat)
		smtp_client_reset(c);
	return 0;
}

FIBER int smtp_send_in_steps(struct smtp_client *c, struct smtp_txn *t,
	const struct smtp_plan *plan, struct smtp_txn *behind, bool *is_left_r, struct err *e)
{
	bool is_pipelined = smtp_client_has(c, SMTP_PIPELINING), go = true, is_refused = false;
	struct steps s = {.c = c,
		.t = t,
		.plan = plan,
		.behind = behind,
		.is_pipelined = is_pipelined,
		.window = is_pipelined ? SMTP_WINDOW_COMMANDS - 1 : 1};

	if (t->source->rewind)
		t->source->rewind(t->source);
	if (envelope(&s, e) < 0)
		return -1;
	if (s.taken == 0 || (t->is_all_or_nothing && s.refused > 0)) {
		if (end_for_nobody(&s, e) < 0)
			return -1;
		smtp_client_reset(c);
		return 0;
	}
	if (ask_for_data(&s, &go, e) < 0)
		return -1;
	if (go && send_body(&s, &is_refused, e) < 0)
		return -1;
	if (go && !is_refused && is_left_r) {
		*is_left_r = true;
		return 0;
	}
	if (go && !is_refused)
		return finish(&s, e);
	smtp_client_reset(c);
	return 0;
}

FIBER int smtp_client_data(struct smtp_client *c, struct smtp_source *source, struct err *e)
{
	struct smtp_txn t = {.source = source, .is_size_unknown = true};
	struct smtp_plan plan = {.body = SMTP_BODY_8BITMIME};
	bool is_refused = false;

	if (smtp_client_quiet(c, SMTP_STAGE_DATA, e) < 0)
		return -1;
	stream_put(c->stream, SPAN("DATA\r\n"));
	c->outstanding++;
	if (smtp_client_reply(c, SMTP_STAGE_DATA, c->opts.timeouts.data_ns, e) < 0)
		return -1;
	if (c->parser.reply.code != 354)
		return 0;
	if (smtp_body_dotted(c, &t, &plan, &is_refused, e) < 0)
		return -1;
	if (is_refused)
		return 0;
	return smtp_client_reply(c, SMTP_STAGE_DOT, c->opts.timeouts.dot_ns, e);
}
