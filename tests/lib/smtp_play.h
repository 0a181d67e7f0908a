#pragma once
/* For tests and fuzzers of the SMTP server: a session over a stream in memory, on simulated time,
 * with a decider that notes what it is asked. Addresses decide: "refuse…" is refused with 550,
 * "later…" with 451, "close…" with 421. */

#include <string.h>

#include "base/must.h"
#include "net/net.h"
#include "proto/smtp/smtp_server.h"

struct play {
	struct smtp_server_opts opts;
	struct span in;      /* what the client says */
	size_t step;         /* in pieces of so many octets; 0: at once */
	int64_t pause_ns;    /* between pieces */
	const char *mechs;   /* of AUTH; NULL: not offered. alice has the password "wonder" */
	bool is_clear;       /* also without TLS */
	bool stays;          /* the client does not close when it has said all */
	unsigned extensions; /* of SMTP_SERVER_EXTENSIONS */
	/* results */
	struct buf out;   /* what the server said */
	struct buf notes; /* what the decider was asked */
	struct buf body;  /* content of the messages, one behind the other */
	unsigned begun, reset, accepted, refused;
	bool has_body, was_ended;
	int64_t took_ns;      /* of simulated time */
	size_t session_bytes; /* most that the session kept for itself */
	int rc;
	struct err e;
	struct stream *client, *server;
};

static inline unsigned play_code(struct span address)
{
	if (span_starts(address, SPAN("refuse")))
		return 550;
	if (span_starts(address, SPAN("later")))
		return 451;
	return span_starts(address, SPAN("close")) ? 421 : 250;
}

static inline void play_decide(struct smtp_reply *r, struct span address)
{
	unsigned code = play_code(address);

	if (code >= 400)
		smtp_reply_set(r, code, code / 100, 7, 1, "decided");
}

static inline void play_mail(
	void *ctx, struct smtp_session *s, const struct smtp_mail *m, struct smtp_reply *r)
{
	struct play *p = ctx;

	MUST(!s->has_mail && s->txn && s->rcpt_count == 0);
	if (arena_used(s->arena) > p->session_bytes)
		p->session_bytes = arena_used(s->arena);
	buf_printf(&p->notes, "mail " SPAN_FMT ";", SPAN_ARG(m->from.whole));
	play_decide(r, m->from.whole);
	if (m->has_priority && m->priority > 5) { /* nobody here is that important */
		s->mail.priority = 5;
		smtp_reply_set(r, 250, 2, 3, 6, "5 is the highest priority here");
	}
	p->begun += r->code < 400;
}

static inline void play_rcpt(
	void *ctx, struct smtp_session *s, struct smtp_rcpt *rcpt, struct smtp_reply *r)
{
	struct play *p = ctx;

	MUST(s->has_mail && !p->has_body);
	buf_printf(&p->notes, "rcpt " SPAN_FMT ";", SPAN_ARG(rcpt->to.whole));
	play_decide(r, rcpt->to.whole);
	rcpt->user = p;
}

static inline void play_body_begin(void *ctx, struct smtp_session *s, struct smtp_reply *r)
{
	struct play *p = ctx;

	MUST(s->has_mail && s->rcpt_count > 0 && !p->has_body);
	for (size_t i = 0; i < s->rcpt_count; i++)
		MUST(s->rcpts[i].user == p && s->rcpts[i].to.whole.len);
	p->has_body = true;
	if (span_starts(s->mail.from.whole, SPAN("nobody")))
		smtp_reply_set(r, 452, 4, 3, 1, "no room");
}

static inline struct span play_tail(const struct buf *b, size_t n)
{
	return span_skip(buf_span(b), buf_len(b) > n ? buf_len(b) - n : 0);
}

static inline void play_body_data(
	void *ctx, struct smtp_session *s, struct span octets, struct smtp_reply *r)
{
	struct play *p = ctx;

	MUST(p->has_body && octets.len);
	buf_span_put(&p->body, octets);
	if (span_find_span(play_tail(&p->body, octets.len + 4), SPAN("virus")) >= 0)
		smtp_reply_set(r, 554, 5, 7, 0, "not that");
}

static inline void play_body_end(
	void *ctx, struct smtp_session *s, struct smtp_reply *replies, size_t count)
{
	struct play *p = ctx;

	MUST(s->has_mail && p->has_body && !p->was_ended);
	MUST(count == (s->is_lmtp ? s->rcpt_count : 1));
	p->was_ended = true;
	for (size_t i = 0; s->is_lmtp && i < count; i++)
		if (span_starts(s->rcpts[i].to.whole, SPAN("full")))
			smtp_reply_set(&replies[i], 452, 4, 2, 2, "mailbox full");
	p->accepted += replies[0].code < 400;
	buf_str(&p->notes, "end;");
}

static inline void play_reset(void *ctx, struct smtp_session *s)
{
	struct play *p = ctx;

	MUST(s->has_mail);
	p->has_body = p->was_ended = false;
	p->reset++;
	buf_str(&p->notes, "reset;");
}

static inline bool play_auth_offer(
	void *ctx, const struct smtp_session *s, struct sasl_server_opts *o)
{
	const struct play *p = ctx;

	o->mechs = p->mechs ? p->mechs : "";
	o->is_clear_allowed = p->is_clear;
	o->secret = SPAN("sixteen octets, or more");
	return p->mechs != NULL;
}

static inline int play_password(
	void *ctx, struct span user, struct span password, bool *yes_r, struct err *e)
{
	if (span_eq(user, SPAN("busy")))
		return err_set(e, ERR_BUSY, "the store is busy");
	if (span_eq(user, SPAN("change"))) {
		err_set(e, ERR_DENIED, "a new password is needed");
		return err_smtp(e, 432, 4, 7, 12);
	}
	*yes_r = span_eq(user, SPAN("alice")) && span_eq(password, SPAN("wonder"));
	return 0;
}

static inline int play_token(void *ctx, struct span claimed, struct span token, struct buf *user_r,
	bool *yes_r, struct err *e)
{
	*yes_r = span_eq(token, SPAN("good"));
	buf_str(user_r, "alice");
	return 0;
}

static inline void play_auth(
	void *ctx, struct smtp_session *s, bool is_accepted, struct smtp_reply *r)
{
	struct play *p = ctx;

	MUST(is_accepted == (s->auth_user.len > 0) && is_accepted == (r->code == 235));
	buf_printf(&p->notes, "auth " SPAN_FMT ";", SPAN_ARG(s->auth_user));
}

static inline unsigned play_extensions(void *ctx, const struct smtp_session *s)
{
	return ((const struct play *)ctx)->extensions;
}

static const struct sasl_decider play_sasl = {.password = play_password, .token = play_token};

static const struct smtp_decider play_decider = {
	.auth_offer = play_auth_offer,
	.sasl = &play_sasl,
	.auth = play_auth,
	.extensions = play_extensions,
	.mail = play_mail,
	.rcpt = play_rcpt,
	.body_begin = play_body_begin,
	.body_data = play_body_data,
	.body_end = play_body_end,
	.reset = play_reset,
};

static inline int play_serve(void *arg)
{
	struct play *p = arg;

	p->rc = smtp_server_run(p->server, &p->opts, &play_decider, p, &p->e);
	stream_free(&p->server);
	return 0;
}

static inline int play_listen(void *arg)
{
	struct play *p = arg;
	struct err e = {0};

	while (stream_fill(p->client, &e) == 0) {
		buf_span_put(&p->out, stream_peek(p->client));
		stream_consume(p->client, buf_len(&p->client->in));
	}
	return 0;
}

static inline int play_main(void *arg)
{
	struct play *p = arg;
	struct fiber_group g;
	struct err e = {0};
	int64_t start = loop_now_ns();
	size_t step = p->step ? p->step : p->in.len;

	stream_pair(&p->client, &p->server, 0);
	fiber_group_init(&g);
	fiber_start(&g, "server", play_serve, p, &e);
	fiber_start(&g, "listen", play_listen, p, &e);
	for (size_t at = 0; at < p->in.len; at += step) {
		struct span piece = span_sub(p->in, at, step);

		if (stream_write(p->client, &piece, 1, &e) < 0)
			break;
		if (p->pause_ns)
			fiber_sleep(p->pause_ns, &e);
		else if (p->step)
			fiber_yield(&e);
	}
	if (!p->stays)
		stream_shutdown(p->client, &e);
	fiber_group_join(&g);
	stream_free(&p->client);
	p->took_ns = loop_now_ns() - start;
	return 0;
}

static inline void play_init(struct play *p, struct span in)
{
	memset(p, 0, sizeof(*p));
	p->in = in;
	p->opts.hostname = "mx.test";
	p->opts.software = "Yizhan";
	smtp_server_limits_default(&p->opts.limits);
	buf_init(&p->out, 64 << 20);
	buf_init(&p->notes, 64 << 20);
	buf_init(&p->body, 64 << 20);
}

static inline void play_run(struct play *p)
{
	struct loop_opts opts = {.name = "play", .slice_warn_ns = 60 * CLOCK_SEC};
	struct loop *l = loop_new_sim(&opts, 1795415400 * CLOCK_SEC);
	struct err e = {0};

	MUST(loop_run(l, play_main, p, &e) == 0);
	loop_free(&l);
	/* each transaction that began has ended, exactly once */
	MUST(p->begun == p->reset);
}

static inline void play_fini(struct play *p)
{
	buf_fini(&p->out);
	buf_fini(&p->notes);
	buf_fini(&p->body);
}
