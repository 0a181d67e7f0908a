/* Transactions in one go: envelope and content in one write, and the next ones behind them before
 * the replies are read. RSET stands between them: whatever is refused of one, nothing of it can reach
 * the next (RFC 3030 section 2: behind a chunk that failed the state is indeterminate). */

#include <string.h>

#include "base/must.h"
#include "run/fault.h"
#include "net/trace.h"
#include "proto/smtp/smtp_client_priv.h"

struct many {
	struct smtp_client *c;
	struct smtp_txn *const *txns;
	size_t count;
	size_t head, next; /* [head, next) are under way, but for those that are decided */
	bool *is_sent;     /* by transaction: it is on its way */
	bool *has_rset;    /* RSET went before it */
	size_t sent;       /* how many are on their way */
	size_t commands;   /* of them */
	uint64_t octets;
	bool is_draining; /* the next one waits until all have been answered */
	size_t flushed;   /* those before it have been handed to a write */
	bool needs_reset; /* the last one that was read was refused, and no RSET is under way */
	struct smtp_txn *behind; /* went by itself, and its final reply has not been read */
	struct buf content;      /* of the one that is put */
};

static size_t commands_of(const struct smtp_txn *t)
{
	return t->rcpt_count + 3; /* MAIL, BDAT, RSET */
}

static bool has_room(const struct many *m, const struct smtp_txn *t)
{
	return m->sent == 0 ||
		(m->commands + commands_of(t) <= SMTP_WINDOW_COMMANDS &&
			m->octets + t->size <= SMTP_WINDOW_OCTETS);
}

static void put_together(struct many *m, const struct smtp_plan *plan)
{
	struct smtp_client *c = m->c;
	struct smtp_txn *t = m->txns[m->next];

	if (m->sent > 0) {
		stream_put(c->stream, SPAN("RSET\r\n"));
		c->outstanding++;
		m->has_rset[m->next] = true;
	}
	smtp_put_mail(c, t, plan);
	for (size_t i = 0; i < t->rcpt_count; i++)
		smtp_put_rcpt(c, &t->rcpts[i], plan);
	stream_printf(c->stream, "BDAT %llu LAST\r\n", (unsigned long long)t->size);
	c->outstanding++;
	trace_pause(c->stream, true);
	stream_put(c->stream, buf_span(&m->content));
	trace_pause(c->stream, false);
	t->octets = t->size;
	m->is_sent[m->next] = true;
	m->sent++;
	m->commands += commands_of(t);
	m->octets += t->size;
}

/* Hand over what has been put. */
static FIBER int flush(struct many *m, struct err *e)
{
	struct smtp_client *c = m->c;

	m->flushed = m->next;
	stream_set_timeout(c->stream, c->opts.timeouts.block_ns);
	if (stream_flush(c->stream, e) < 0)
		return smtp_client_lost(c, SMTP_STAGE_BODY, e);
	FAULT(DELIVER_DOT); /* whole contents are out */
	return 0;
}

/* RFC 2920 section 3.1: an envelope may follow the content before it, whose fate leaves no trace in
 * the session (RFC 5321 section 4.1.1.4: the buffers are cleared), unlike a chunk's. */
static bool may_follow(const struct many *m, const struct smtp_txn *t, const struct smtp_plan *plan)
{
	return !plan->is_bdat && smtp_client_has(m->c, SMTP_PIPELINING) && !t->is_all_or_nothing;
}

static FIBER int settle(struct many *m, struct err *e)
{
	struct smtp_txn *t = m->behind;

	if (!t)
		return 0;
	m->behind = NULL;
	if (smtp_settle(m->c, t, e) < 0)
		return -1;
	return m->c->is_over && m->next < m->count ? smtp_client_refused(m->c, SMTP_STAGE_DOT, e)
						   : 0;
}

/* A transaction that goes by itself. */
static FIBER int send_alone(
	struct many *m, struct smtp_txn *t, const struct smtp_plan *plan, struct err *e)
{
	bool can_follow = may_follow(m, t, plan), is_left = false;
	struct smtp_txn *behind;
	int rc;

	if (!can_follow && settle(m, e) < 0)
		return -1;
	behind = m->behind;
	m->behind = NULL;
	rc = smtp_send_in_steps(
		m->c, t, plan, behind, can_follow && m->next + 1 < m->count ? &is_left : NULL, e);
	if (rc < 0)
		err_copy(&t->err, e);
	else if (is_left)
		m->behind = t;
	m->next++;
	m->head = m->next;
	return rc;
}

/* Plan the next one and put it. *is_full_r: those under way must be read first. */
static FIBER int put_next(struct many *m, bool *is_full_r, struct err *e)
{
	struct smtp_txn *t = m->txns[m->next];
	struct smtp_plan plan;
	bool fits;

	*is_full_r = !has_room(m, t) || (m->sent > 0 && m->c->opts.no_rset);
	if (*is_full_r)
		return 0;
	if (m->sent == 0 && !m->behind && smtp_client_quiet(m->c, SMTP_STAGE_MAIL, e) < 0) {
		t->is_unanswered = true;
		return -1;
	}
	if (smtp_plan_make(m->c, t, &plan, &fits, &t->err) < 0 || !fits) {
		m->next++;
		return 0;
	}
	if (!plan.is_together) {
		*is_full_r = m->sent > 0;
		return m->sent > 0 ? 0 : send_alone(m, t, &plan, e);
	}
	if (settle(m, e) < 0)
		return -1;
	if (t->source->rewind)
		t->source->rewind(t->source);
	/* Nothing of it has been said when its source fails. */
	if (smtp_body_gather(t, &plan, &m->content, &t->err) == 0)
		put_together(m, &plan);
	m->next++;
	return 0;
}

static FIBER int fill(struct many *m, struct err *e)
{
	bool is_full = false;

	while (m->next < m->count && !is_full && !m->c->is_over) {
		if (put_next(m, &is_full, e) < 0)
			return -1;
		m->is_draining = is_full && has_room(m, m->txns[m->next]);
		if (buf_len(&m->c->stream->out) > STREAM_OUT_FLUSH && flush(m, e) < 0)
			return -1;
	}
	return flush(m, e);
}

/* The replies to the one at the head. */
static FIBER int read_envelope(struct many *m, struct smtp_txn *t, struct err *e)
{
	struct smtp_client *c = m->c;
	/* The content is out too, and a server may answer a group at once, when it has worked off all
	 * of it (RFC 2920 section 3.2): giving up before the dot's time would double the message. */
	int64_t timeout_ns = c->opts.timeouts.dot_ns;

	if (m->has_rset[m->head]) {
		if (smtp_client_reply(c, SMTP_STAGE_OTHER, timeout_ns, e) < 0) {
			t->is_unanswered = true;
			return -1;
		}
		if (c->is_over)
			return smtp_client_refused(c, SMTP_STAGE_OTHER, e);
	}
	if (smtp_read_mail(c, t, timeout_ns, e) < 0)
		return -1;
	for (size_t i = 0; i < t->rcpt_count && !c->is_over; i++)
		if (smtp_read_rcpt(c, t, &t->rcpts[i], timeout_ns, e) < 0)
			return -1;
	return c->is_over ? smtp_client_refused(c, SMTP_STAGE_RCPT, e) : 0;
}

static FIBER int read_head(struct many *m, struct err *e)
{
	struct smtp_client *c = m->c;
	struct smtp_txn *t = m->txns[m->head];
	bool is_refused = false;

	if (read_envelope(m, t, e) < 0)
		return -1;
	if (smtp_txn_open(t) > 0) {
		if (smtp_read_end(c, t, &is_refused, e) < 0)
			return -1;
	} else {
		/* Nobody was accepted: BDAT is answered all the same, once (in LMTP too). */
		is_refused = true;
		if (smtp_client_reply(c, SMTP_STAGE_DOT, c->opts.timeouts.dot_ns, e) < 0)
			return -1;
	}
	m->needs_reset = is_refused;
	m->is_sent[m->head] = false;
	m->sent--;
	m->commands -= commands_of(t);
	m->octets -= t->size;
	m->head++;
	if (c->is_over && (m->sent > 0 || m->next < m->count)) /* 421 to the content */
		return smtp_client_refused(c, SMTP_STAGE_DOT, e);
	return 0;
}

/* Read until half of what may be under way has been answered, or all. */
static FIBER int drain(struct many *m, struct err *e)
{
	while (m->head < m->next) {
		if (!m->is_sent[m->head]) {
			m->head++;
			continue;
		}
		if (m->next < m->count && m->commands <= SMTP_WINDOW_COMMANDS / 2 &&
			m->octets <= SMTP_WINDOW_OCTETS / 2 && !m->is_draining)
			return 0;
		if (read_head(m, e) < 0)
			return -1;
	}
	if (m->needs_reset)
		smtp_client_reset(m->c);
	m->needs_reset = false;
	return 0;
}

/* The connection is gone. After 421 the peer has read on no more; otherwise what was handed over may
 * have arrived. */
static int failed(struct many *m, const struct err *e)
{
	for (size_t i = m->head; i < m->count; i++) {
		struct smtp_txn *t = m->txns[i];

		if (i < m->next && !m->is_sent[i]) /* decided, or failed for its own reason */
			continue;
		err_copy(&t->err, e);
		if (!m->is_sent[i] || i >= m->flushed || e->code == ERR_REPLY)
			continue;
		t->is_unanswered = t->is_unanswered || i > m->head;
		smtp_txn_unknown(t);
	}
	return -1;
}

static FIBER int run(struct many *m, struct err *e)
{
	while (m->head < m->count) {
		if (m->c->is_over) {
			err_set(e, ERR_EOF, "the peer has ended the session");
			return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
		}
		if (fill(m, e) < 0 || drain(m, e) < 0)
			return -1;
	}
	return settle(m, e);
}

FIBER int smtp_client_send_many(
	struct smtp_client *c, struct smtp_txn *const *txns, size_t count, struct err *e)
{
	struct many m = {.c = c, .txns = txns, .count = count};
	struct arena *a = arena_new();
	struct err why = {0};
	int rc;

	for (size_t i = 0; i < count; i++) {
		MUST(txns[i]->rcpt_count > 0);
		smtp_txn_prepare(txns[i]);
	}
	c->transactions += count;
	m.is_sent = ARENA_ARRAY(a, bool, count);
	m.has_rset = ARENA_ARRAY(a, bool, count);
	buf_init(&m.content, SMTP_CLIENT_SMALL);
	rc = run(&m, &why);
	if (rc < 0) {
		failed(&m, &why);
		err_copy(e, &why);
	}
	buf_fini(&m.content);
	arena_free(&a);
	return rc;
}

FIBER int smtp_client_send(struct smtp_client *c, struct smtp_txn *t, struct err *e)
{
	if (smtp_client_send_many(c, &t, 1, e) < 0)
		return -1;
	return t->err.code == ERR_NONE ? 0 : err_copy(e, &t->err);
}
