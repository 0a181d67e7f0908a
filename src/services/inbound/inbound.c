#include "services/inbound/inbound.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/enc.h"
#include "base/mem.h"
#include "run/fault.h"
#include "proto/mail/mail_header.h"
#include "services/inbound/inbound_priv.h"

struct inbound *inbound_new(const struct inbound_opts *opts)
{
	struct inbound *in = NEW(struct inbound);

	in->opts = *opts;
	in->time.sec = -1;
	return in;
}

void inbound_free(struct inbound **in)
{
	if (!*in)
		return;
	free(*in);
	*in = NULL;
}

const struct inbound_counters *inbound_counters(const struct inbound *in)
{
	return &in->counters;
}

static const struct received_time *time_now(struct inbound *in, int64_t wall_ns)
{
	int64_t sec = wall_ns / CLOCK_SEC;

	if (sec != in->time.sec)
		in->time = (struct received_time){sec, clock_zone_minutes(sec)};
	return &in->time;
}

void inbound_conn_init(struct inbound_conn *c, struct inbound *in,
	const struct inbound_policy *policy, bool is_relay, bool is_filtered)
{
	/* Where the filter brings mail back nothing else is trusted. */
	*c = (struct inbound_conn){.in = in,
		.policy = policy,
		.is_relay = is_relay && !is_filtered,
		.is_filtered = is_filtered};
}

static bool is_in(const struct addr_net *nets, size_t count, const struct addr *a)
{
	for (size_t i = 0; i < count; i++) {
		if (addr_net_has(&nets[i], a))
			return true;
	}
	return false;
}

static FIBER void on_connect(void *ctx, struct smtp_session *s, struct smtp_reply *r)
{
	struct inbound_conn *c = ctx;

	const struct inbound_policy *p = c->policy;

	/* RFC 2033 section 5: LMTP delivers, and queues nothing for others: whoever leaves mail for
	 * elsewhere here has routed it wrongly, and would get it back. */
	if (!c->is_filtered && !s->is_lmtp &&
		is_in(p->relay_networks, p->relay_network_count, s->peer))
		c->is_relay = true;
	if (c->is_filtered && addr_is_ip(s->peer) &&
		!is_in(p->filter_networks, p->filter_network_count, s->peer))
		smtp_reply_set(r, 554, 5, 7, 1, "This listener is for the content filter");
	if (c->refuse)
		smtp_reply_set(r, 421, 4, 7, 0, "%s", c->refuse);
}

static FIBER void on_helo(void *ctx, struct smtp_session *s, struct smtp_reply *r)
{
	struct inbound_conn *c = ctx;

	(void)r;
	/* STARTTLS has forgotten who it was (RFC 3207 section 4.2). */
	if (c->submission && !s->auth_user.len)
		submission_forget(c->submission);
}

/* EXTERNAL is for those whose certificate is somebody's. */
static FIBER void on_prepare(void *ctx, struct smtp_session *s)
{
	struct inbound_conn *c = ctx;

	if (c->submission && !s->auth_user.len) {
		submission_forget(c->submission);
		auth_look(&c->submission->auth);
	}
}

static FIBER void on_mail(
	void *ctx, struct smtp_session *s, const struct smtp_mail *m, struct smtp_reply *r)
{
	struct inbound_conn *c = ctx;

	/* RFC 6710 section 4.2: nobody jumps the queue by asking for it, but whoever may relay. */
	if (m->priority > 0 && !inbound_may_relay(c)) {
		s->mail.priority = 0;
		smtp_reply_set(r, 250, 2, 3, 6, "0 is the highest priority for you here");
	}
	if (c->submission)
		inbound_submission_mail(c, s, r);
}

/* Each is honoured on every path that a letter can take from here: docs/rfc.md. RFC 4865 section 3: a
 * service of submission. */
static unsigned on_extensions(void *ctx, const struct smtp_session *s)
{
	const struct inbound_conn *c = ctx;

	(void)s;
	return SMTP_DELIVERBY | SMTP_MT_PRIORITY | SMTP_REQUIRETLS |
		(c->is_relay || c->submission ? SMTP_FUTURERELEASE : 0);
}

/* SIZE counts when it was given; a letter that turns out larger is taken: there was room. */
static FIBER int check_room(
	struct inbound_conn *c, struct smtp_session *s, struct router_answer *ans, struct err *e)
{
	enum router_room room;

	if (router_room(c->in->opts.router, s->txn, ans, s->mail.has_size ? s->mail.size : 0, &room,
		    e) < 0)
		return -1;
	return room == ROUTER_ROOM ? 0 : router_room_err(room, c->policy->is_quota_refused, e);
}

static FIBER void on_rcpt(
	void *ctx, struct smtp_session *s, struct smtp_rcpt *rcpt, struct smtp_reply *r)
{
	struct inbound_conn *c = ctx;
	struct inbound_rcpt *known = ARENA_NEW(s->txn, struct inbound_rcpt);
	struct router_answer *ans = &known->answer;
	struct router_question q = {.local = rcpt->to.local,
		.domain = rcpt->to.domain,
		.sender = s->mail.from.whole,
		.may_relay = inbound_may_relay(c)};
	struct err e = {0};

	int rc = router_resolve(c->in->opts.router, s->txn, &q, ans, &e);

	if (rc == 0 && c->is_filtered && ans->verdict == ROUTER_NO_RELAY) {
		known->is_unproven = q.may_relay = true;
		rc = router_resolve(c->in->opts.router, s->txn, &q, ans, &e);
	}
	if (rc < 0) {
		log_event(&s->log, LOG_WARN, "smtp.in.rcpt.failed", LF("to", rcpt->to.whole),
			LF_STR("error", e.text));
		smtp_reply_from_err(r, &e);
		return;
	}
	if (ans->verdict != ROUTER_OK)
		rc = router_verdict_err(ans->verdict, &e);
	else
		rc = check_room(c, s, ans, &e);
	if (rc < 0 && c->once.len && e.smtp / 100 == 5) {
		inbound_rcpt_refused(s, rcpt, ans, &e);
		rc = 0;
	}
	if (rc < 0) {
		smtp_reply_from_err(r, &e);
		c->in->counters.refused_recipients++;
		log_event(&s->log, LOG_INFO, "smtp.in.rcpt.refused", LF("from", s->mail.from.whole),
			LF("to", rcpt->to.whole), LF_STR("reason", e.text));
		return;
	}
	if (c->submission && submission_rcpt(c->submission, &e) < 0) {
		smtp_reply_from_err(r, &e);
		return;
	}
	rcpt->user = ans;
}

static FIBER void on_body_begin(void *ctx, struct smtp_session *s, struct smtp_reply *r)
{
	struct inbound_conn *c = ctx;
	struct inbound_txn *t = ARENA_NEW(s->txn, struct inbound_txn);

	(void)r;
	t->stage = stage_new(c->in->opts.store);
	t->arena = s->txn;
	t->delivered.a = s->txn;
	mail_header_init(&t->header, inbound_note_field, t);
	t->is_stripped = c->is_filtered || c->policy->filter.len > 0;
	if (t->is_stripped)
		inbound_strip_init(&t->strip);
	c->txn = t;
	if (c->submission)
		inbound_submission_begin(c, s);
	inbound_sign_begin(c, s);
}

/* Into the stage, and to whoever signs what is in it. */
FIBER int inbound_put(struct inbound_txn *t, struct span octets, struct err *e)
{
	if (t->sign)
		sign_feed(t->sign, octets);
	return stage_put(t->stage, octets, e);
}

/* But for the field of the filter hop. */
FIBER int inbound_keep(struct inbound_conn *c, struct span octets, struct err *e)
{
	struct inbound_txn *t = c->txn;

	if (!t->header.is_done)
		mail_header_feed(&t->header, octets);
	inbound_sign_look(c);
	while (t->is_stripped && t->strip.state != STRIP_BODY && octets.len) {
		size_t n = inbound_strip_feed(&t->strip, t->arena, c->policy, octets);

		octets = span_skip(octets, n);
		if (inbound_put(t, buf_span(&t->strip.out), e) < 0)
			return -1;
	}
	return octets.len ? inbound_put(t, octets, e) : 0;
}

static FIBER void on_body_data(
	void *ctx, struct smtp_session *s, struct span octets, struct smtp_reply *r)
{
	struct inbound_conn *c = ctx;
	struct err e = {0};

	if ((c->submission ? inbound_submission_data(c, s, octets, &e)
			   : inbound_keep(c, octets, &e)) == 0)
		return;
	if (e.smtp / 100 != 5) /* what is refused for good has been told */
		log_event(&s->log, LOG_WARN, "smtp.in.body.failed", LF_STR("error", e.text),
			LF_INT("octets", stage_len(c->txn->stage)));
	smtp_reply_from_err(r, &e);
	/* What is refused need not be kept while the rest comes in. */
	stage_free(&c->txn->stage);
}

static void on_reset(void *ctx, struct smtp_session *s)
{
	struct inbound_conn *c = ctx;

	if (c->submission)
		submission_done(c->submission, c->txn && c->txn->is_accepted);
	if (c->submission && c->txn && c->txn->is_accepted)
		inbound_people(c, s);
	if (c->txn) {
		submission_gate_free(&c->txn->gate);
		stage_free(&c->txn->stage);
		mail_header_fini(&c->txn->header);
		if (c->txn->is_stripped)
			inbound_strip_fini(&c->txn->strip);
	}
	c->txn = NULL;
}

static void put_peer(struct buf *b, const struct inbound_conn *c, const struct smtp_session *s)
{
	addr_put_ip(b, s->peer);
	if (s->helo.len) {
		buf_str(b, " (");
		buf_span_put(b, s->helo);
		buf_char(b, ')');
	}
	inbound_put_user(c, b);
}

_Static_assert((int)SMTP_NOTIFY_NEVER == (int)SPOOL_NOTIFY_NEVER &&
		(int)SMTP_NOTIFY_SUCCESS == (int)SPOOL_NOTIFY_SUCCESS &&
		(int)SMTP_NOTIFY_FAILURE == (int)SPOOL_NOTIFY_FAILURE &&
		(int)SMTP_NOTIFY_DELAY == (int)SPOOL_NOTIFY_DELAY,
	"the words of RFC 3461 have one numbering");
_Static_assert((int)SMTP_RET_NONE == (int)SPOOL_RET_NONE &&
		(int)SMTP_RET_FULL == (int)SPOOL_RET_FULL &&
		(int)SMTP_RET_HDRS == (int)SPOOL_RET_HDRS,
	"RET too");
_Static_assert((int)SMTP_BODY_7BIT == (int)SPOOL_BODY_7BIT &&
		(int)SMTP_BODY_8BITMIME == (int)SPOOL_BODY_8BIT &&
		(int)SMTP_BODY_BINARYMIME == (int)SPOOL_BODY_BINARY,
	"and BODY");

static enum spool_class class_of(const struct inbound_conn *c, const struct smtp_session *s)
{
	if (s->mail.from.whole.len == 0)
		return SPOOL_CLASS_REPORT;
	return c->txn->is_bulk ? SPOOL_CLASS_BULK : SPOOL_CLASS_NORMAL;
}

/* What MAIL asked of the time to come, on the wall clock. */
static void envelope_times(const struct smtp_mail *m, int64_t now, struct spool_envelope *env)
{
	int64_t from = now;

	if (m->has_hold_for)
		env->release_ns = now + m->hold_for * CLOCK_SEC;
	else if (m->has_hold_until)
		env->release_ns = m->hold_until * CLOCK_SEC;
	if (env->release_ns > now)
		from = env->release_ns; /* RFC 2852's time runs from when it could be sent */
	else
		env->release_ns = 0;
	if (m->by_mode) {
		env->by_mode = m->by_mode == 'R' ? SPOOL_BY_RETURN : SPOOL_BY_NOTIFY;
		env->by_trace = m->by_trace;
		env->by_ns = from + m->by_seconds * CLOCK_SEC;
	}
}

static void letter_envelope(
	struct inbound_conn *c, struct smtp_session *s, struct spool_new *letter, struct buf *peer)
{
	struct inbound *in = c->in;
	int64_t now = loop_wall_ns();

	put_peer(peer, c, s);
	letter->id = store_new_id(in->opts.store);
	letter->env = (struct spool_envelope){
		.reverse_path = s->mail.from.whole,
		.envid = s->mail.envid,
		.ret = (enum spool_ret)s->mail.ret,
		.body_type = (enum spool_body)s->mail.body,
		.is_smtputf8 = s->mail.is_smtputf8,
		.origin = c->submission && c->submission->is_given ? SPAN("web")
			: !addr_is_ip(s->peer)                     ? SPAN("unix")
			: c->submission                            ? SPAN("submission")
			: s->is_lmtp                               ? SPAN("lmtp")
								   : SPAN("smtp"),
		.peer = buf_span(peer),
		.class = class_of(c, s),
		.priority = s->mail.priority,
		.is_requiretls = s->mail.is_requiretls,
		/* RFC 8689 section 4.1: REQUIRETLS wins */
		.is_tls_optional = c->txn->is_tls_optional && !s->mail.is_requiretls,
	};
	/* RFC 8689 section 5: its report shows nothing of the content */
	if (letter->env.is_requiretls)
		letter->env.ret = SPOOL_RET_HDRS;
	envelope_times(&s->mail, now, &letter->env);
	letter->arrived_ns = now;
	letter->expires_ns = (letter->env.release_ns ? letter->env.release_ns : now) +
		c->policy->expire_ns[letter->env.class];
	letter->body = c->txn->stage;
	letter->is_held = c->policy->is_hold;
	/* `for` with several recipients would show the Bcc ones (RFC 5321 section 7.6). */
	letter->prefix = received_field(s,
		&(struct received_opts){.hostname = span_str(in->opts.hostname),
			.id = letter->id,
			.for_address = s->rcpt_count == 1 ? s->rcpts[0].to.whole : SPAN_NONE,
			.time = time_now(in, now),
			.local = inbound_local_user(c, s->txn),
			.is_client_hidden = c->submission &&
				c->submission->policy->is_client_hidden});
	if (c->submission)
		inbound_submission_letter(c, letter);
}

static void log_accepted(
	struct smtp_session *s, const struct spool_new *letter, const struct inbound_counts *counts)
{
	log_event(&s->log, LOG_INFO, "smtp.in.accepted", LF_ID("id", letter->id),
		LF("from", letter->env.reverse_path),
		LF("to", letter->rcpt_count ? letter->rcpts[0].address : SPAN_NONE),
		LF_INT("local", counts->local), LF_INT("remote", counts->remote),
		LF_INT("octets", stage_len(letter->body)));
}

/* The point of no return is spool_accept: before it nothing is promised, after it all is. */
static FIBER int letter_accept(
	struct inbound_conn *c, struct smtp_session *s, uint64_t *id_r, struct err *e)
{
	struct inbound *in = c->in;
	struct spool_new letter = {0};
	struct inbound_counts counts;
	struct buf peer;
	int rc;

	buf_init(&peer, 1024);
	letter_envelope(c, s, &letter, &peer);
	*id_r = letter.id;
	if (inbound_filter_takes(c)) {
		rc = inbound_filter_send(c, s, &letter, &counts, e);
	} else {
		rc = inbound_sign_end(c, s, &letter, e);
		inbound_filter_restore(c, &letter);
		if (rc == 0)
			inbound_rcpts(c, s, &letter, &counts);
	}
	if (rc < 0) {
		buf_fini(&peer);
		return -1;
	}

	bool is_remote = counts.remote && !letter.is_held && in->opts.wants;
	bool is_lease = is_remote && in->opts.wants(in->opts.arg, &letter);
	letter.once = c->once;
	letter.outbox = c->outbox;
	FAULT(ACCEPT_BODY);
	rc = spool_accept(in->opts.store, &letter, is_lease, e);
	if (rc == 0) {
		FAULT(ACCEPT_COMMITTED);
		c->txn->is_accepted = true;
		in->counters.messages++;
		in->counters.recipients_local += counts.local;
		in->counters.recipients_remote += counts.remote;
		in->counters.octets += stage_len(letter.body);
		log_accepted(s, &letter, &counts);
		inbound_trail(c, s, &letter);
		if (is_lease)
			in->opts.leased(in->opts.arg, &letter);
		else if (is_remote)
			in->opts.left(in->opts.arg);
		if (counts.is_success_wanted && in->opts.delivered && !spool_is_scheduled(&letter))
			in->opts.delivered(in->opts.arg, &letter);
		if (counts.expanded_count && in->opts.expanded && !spool_is_scheduled(&letter))
			in->opts.expanded(
				in->opts.arg, &letter, counts.expanded, counts.expanded_count);
	}
	c->was_there |= letter.was_there;
	if (letter.stored)
		body_unref(&letter.stored);
	buf_fini(&peer);
	return rc;
}

static FIBER void on_body_end(
	void *ctx, struct smtp_session *s, struct smtp_reply *replies, size_t count)
{
	struct inbound_conn *c = ctx;
	struct err e = {0};
	uint64_t id = 0;
	unsigned hops;
	bool is_any = true;
	int rc = c->submission ? inbound_submission_end(c, s, &e) : 0;

	mail_header_finish(&c->txn->header);
	hops = c->txn->header.count[MAIL_RECEIVED];

	if (rc == 0 && hops > c->policy->received_max) {
		rc = err_set(&e, ERR_LIMIT, "Too many hops: the message goes round in circles");
		err_smtp(&e, 554, 5, 4, 6);
	} else if (rc == 0) {
		rc = inbound_loops(c, s, &e);
		if (rc == 0)
			rc = inbound_filter_return(c, s, &e);
		if (rc == 0)
			rc = inbound_late_room(c, s, &is_any, &e);
		if (rc == 0 && is_any)
			rc = letter_accept(c, s, &id, &e);
	}
	if (rc < 0) {
		c->in->counters.refused_messages++;
		log_event(&s->log, LOG_WARN, "smtp.in.refused", LF("from", s->mail.from.whole),
			LF_INT("hops", hops), LF_STR("error", e.text));
		inbound_trail_refused(c, s, id ? id : store_new_id(c->in->opts.store), &e);
	}
	struct buf text;

	buf_init(&text, 64);
	enc_put_id(&text, id);
	for (size_t i = 0; i < count; i++) {
		if (rc == 0)
			err_clear(&e);
		if (rc == 0)
			inbound_is_late(s, i, &e);
		if (e.code)
			smtp_reply_from_err(&replies[i], &e);
		else
			smtp_reply_set(
				&replies[i], 250, 2, 0, 0, "Ok: queued as %s", buf_cstr(&text));
	}
	buf_fini(&text);
}

const struct smtp_decider inbound_decider = {
	.connect = on_connect,
	.helo = on_helo,
	.prepare = on_prepare,
	.extensions = on_extensions,
	.admits = inbound_on_admits,
	.mail = on_mail,
	.rcpt = on_rcpt,
	.body_begin = on_body_begin,
	.body_data = on_body_data,
	.body_end = on_body_end,
	.auth_offer = inbound_on_auth_offer,
	.sasl = &auth_decider,
	.sasl_ctx = inbound_on_sasl_ctx,
	.auth = inbound_on_auth,
	.ended = inbound_on_ended,
	.reset = on_reset,
};
