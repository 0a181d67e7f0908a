#pragma once
/* For tests and fuzzers of the POP3 server: a session over a stream in memory, on simulated time, with a
 * decider that has a mailbox of a few messages and notes what it is asked. alice has the password "wonder";
 * busy's mailbox is somebody else's, late has just been here, down's cannot be opened. */

#include <string.h>

#include "base/must.h"
#include "net/net.h"
#include "proto/pop3/pop3_server.h"

#define PLAY_MESSAGES 8

struct pop3_play {
	struct pop3_server_opts opts;
	struct span in;    /* what the client says */
	size_t step;       /* in pieces of so many octets; 0: at once */
	int64_t pause_ns;  /* between pieces */
	const char *mechs; /* of AUTH; NULL: not offered */
	const char *refuse;
	bool stays; /* the client does not close when it has said all */
	bool is_login_over, is_update_failing;
	uint32_t count;
	const char *texts[PLAY_MESSAGES];
	bool is_gone[PLAY_MESSAGES];  /* by somebody else */
	size_t breaks[PLAY_MESSAGES]; /* cannot be read from here on; 0: can be */
	size_t cut;                   /* bodies come in pieces of so many octets; 0: whole */
	/* results */
	struct buf out;   /* what the server said */
	struct buf notes; /* what the decider was asked */
	unsigned updates, opened, open_bodies;
	bool is_open, is_idle, has_rested;
	size_t at;
	uint32_t current;
	int64_t took_ns;
	int rc;
	struct err e;
	struct stream *client, *server;
};

static inline const char *pop3_play_refuse(void *ctx)
{
	return ((struct pop3_play *)ctx)->refuse;
}

static inline void pop3_play_prepare(void *ctx)
{
}

static inline bool pop3_play_offer(void *ctx, struct sasl_server_opts *o)
{
	struct pop3_play *p = ctx;

	o->mechs = p->mechs ? p->mechs : "";
	o->secret = SPAN("sixteen octets, or more");
	return p->mechs != NULL;
}

static inline bool pop3_play_knows(struct span user, struct span password)
{
	bool is_user = span_eq(user, SPAN("alice")) || span_eq(user, SPAN("busy")) ||
		span_eq(user, SPAN("late")) || span_eq(user, SPAN("down"));

	return is_user && span_eq(password, SPAN("wonder"));
}

static inline int pop3_play_sasl_password(
	void *ctx, struct span user, struct span password, bool *yes_r, struct err *e)
{
	*yes_r = pop3_play_knows(user, password);
	return span_eq(user, SPAN("trouble")) ? err_set(e, ERR_BUSY, "the store is busy") : 0;
}

static const struct sasl_decider pop3_play_sasl = {.password = pop3_play_sasl_password};

static inline void *pop3_play_sasl_ctx(void *ctx)
{
	return ctx;
}

static inline int pop3_play_settle(
	struct pop3_play *p, struct span user, bool is_good, struct err *e)
{
	MUST(!p->is_open);
	buf_printf(&p->notes, "login " SPAN_FMT " %s;", SPAN_ARG(user), is_good ? "good" : "bad");
	if (is_good)
		return 0;
	err_set(e, ERR_DENIED, "wrong");
	return err_smtp(e, span_eq(user, SPAN("trouble")) ? 454 : 535, 5, 7, 8);
}

static inline int pop3_play_login(
	void *ctx, const struct pop3_login *login, struct span *user_r, struct err *e)
{
	*user_r = SPAN("sasl");
	if (span_eq(login->user, SPAN("busy")))
		*user_r = SPAN("busy");
	return pop3_play_settle(ctx, login->user, login->is_accepted, e);
}

static inline int pop3_play_password(
	void *ctx, struct span user, struct span password, struct span *user_r, struct err *e)
{
	static const char *const names[] = {"alice", "busy", "late", "down"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (span_eq(user, span_str(names[i])))
			*user_r = span_str(names[i]);
	}
	return pop3_play_settle(ctx, user, pop3_play_knows(user, password), e);
}

static inline int pop3_play_open(void *ctx, struct pop3_session *s, struct pop3_drop *drop_r,
	enum pop3_code *code_r, struct err *e)
{
	struct pop3_play *p = ctx;

	MUST(!p->is_open && s->user.len);
	if (span_eq(s->user, SPAN("busy")))
		*code_r = POP3_CODE_IN_USE;
	else if (span_eq(s->user, SPAN("late")))
		*code_r = POP3_CODE_LOGIN_DELAY;
	else if (!span_eq(s->user, SPAN("down"))) {
		drop_r->count = p->count;
		for (uint32_t i = 0; i < p->count; i++)
			drop_r->octets += strlen(p->texts[i]);
		p->is_open = true;
		p->opened++;
		return 0;
	}
	return err_set(e, ERR_BUSY, "not now");
}

static inline void pop3_play_forget(void *ctx)
{
	struct pop3_play *p = ctx;

	MUST(!p->is_open);
	buf_str(&p->notes, "forget;");
}

static inline bool pop3_play_still(void *ctx)
{
	struct pop3_play *p = ctx;

	MUST(p->is_open && !p->is_idle);
	return !p->is_login_over;
}

static inline bool pop3_play_is_ended(void *ctx)
{
	return ((struct pop3_play *)ctx)->is_login_over;
}

static inline int pop3_play_size(void *ctx, uint32_t i, uint64_t *octets_r, struct err *e)
{
	struct pop3_play *p = ctx;

	MUST(p->is_open && i < p->count);
	*octets_r = strlen(p->texts[i]);
	return 0;
}

static inline void pop3_play_uidl(void *ctx, uint32_t i, struct buf *b)
{
	struct pop3_play *p = ctx;

	MUST(p->is_open && i < p->count);
	buf_printf(b, "7.%u", i + 100);
}

static inline int pop3_play_body_open(void *ctx, uint32_t i, uint64_t *octets_r, struct err *e)
{
	struct pop3_play *p = ctx;

	MUST(p->is_open && i < p->count && !p->open_bodies);
	if (p->is_gone[i])
		return err_set(e, ERR_NOT_FOUND, "gone");
	*octets_r = strlen(p->texts[i]);
	p->open_bodies++;
	p->at = 0;
	p->current = i;
	return 0;
}

static inline int pop3_play_body_next(void *ctx, struct span *octets_r, struct err *e)
{
	struct pop3_play *p = ctx;
	struct span all = span_str(p->texts[p->current]);

	MUST(p->open_bodies == 1);
	if (p->breaks[p->current] && p->at + 1 >= p->breaks[p->current])
		return err_set(e, ERR_IO, "the disk is gone");
	*octets_r = span_sub(all, p->at, p->cut ? p->cut : all.len);
	p->at += octets_r->len;
	return 0;
}

static inline void pop3_play_body_close(void *ctx, uint32_t i, bool is_whole)
{
	struct pop3_play *p = ctx;

	MUST(p->open_bodies-- == 1 && i == p->current);
	buf_printf(&p->notes, "%s %u;", is_whole ? "whole" : "part", i);
}

static inline void pop3_play_idle(void *ctx, bool is_idle)
{
	struct pop3_play *p = ctx;

	MUST(p->is_idle != is_idle && !p->open_bodies);
	p->is_idle = is_idle;
}

static inline void pop3_play_rest(void *ctx)
{
	((struct pop3_play *)ctx)->has_rested = true;
}

static inline int pop3_play_update(void *ctx, const uint32_t *gone, uint32_t count, struct err *e)
{
	struct pop3_play *p = ctx;

	MUST(p->is_open && !p->open_bodies && !p->updates);
	p->updates++;
	buf_str(&p->notes, "update");
	for (uint32_t i = 0; i < count; i++)
		buf_printf(&p->notes, " %u", gone[i]);
	buf_str(&p->notes, ";");
	return p->is_update_failing ? err_set(e, ERR_IO, "the disk is full") : 0;
}

static const struct pop3_decider pop3_play_decider = {
	.refuse = pop3_play_refuse,
	.prepare = pop3_play_prepare,
	.auth_offer = pop3_play_offer,
	.sasl = &pop3_play_sasl,
	.sasl_ctx = pop3_play_sasl_ctx,
	.login = pop3_play_login,
	.password = pop3_play_password,
	.open = pop3_play_open,
	.forget = pop3_play_forget,
	.still = pop3_play_still,
	.is_ended = pop3_play_is_ended,
	.size = pop3_play_size,
	.uidl = pop3_play_uidl,
	.body_open = pop3_play_body_open,
	.body_next = pop3_play_body_next,
	.body_close = pop3_play_body_close,
	.idle = pop3_play_idle,
	.rest = pop3_play_rest,
	.update = pop3_play_update,
};

static inline int pop3_play_serve(void *arg)
{
	struct pop3_play *p = arg;

	p->rc = pop3_server_run(p->server, &p->opts, &pop3_play_decider, p, &p->e);
	stream_free(&p->server);
	return 0;
}

static inline int pop3_play_listen(void *arg)
{
	struct pop3_play *p = arg;
	struct err e = {0};

	while (stream_fill(p->client, &e) == 0) {
		buf_span_put(&p->out, stream_peek(p->client));
		stream_consume(p->client, buf_len(&p->client->in));
	}
	return 0;
}

static inline int pop3_play_main(void *arg)
{
	struct pop3_play *p = arg;
	struct fiber_group g;
	struct err e = {0};
	int64_t start = loop_now_ns();
	size_t step = p->step ? p->step : p->in.len;

	stream_pair(&p->client, &p->server, 0);
	fiber_group_init(&g);
	fiber_start(&g, "server", pop3_play_serve, p, &e);
	fiber_start(&g, "listen", pop3_play_listen, p, &e);
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

static inline void pop3_play_init(struct pop3_play *p, struct span in)
{
	memset(p, 0, sizeof(*p));
	p->in = in;
	p->opts.hostname = "pop.test";
	p->opts.software = "Yizhan";
	p->opts.is_clear_allowed = true;
	p->opts.expire_days = POP3_EXPIRE_NEVER;
	pop3_server_limits_default(&p->opts.limits);
	p->count = 3;
	p->texts[0] = "Subject: one\r\n\r\nfirst\r\nsecond\r\nthird\r\n";
	p->texts[1] = ".Subject: two\r\n\r\n.\r\n..\r\nno end";
	p->texts[2] = "Subject: \xe9\xa9\xbf\r\n\r\n";
	buf_init(&p->out, 64 << 20);
	buf_init(&p->notes, 64 << 20);
}

static inline void pop3_play_run(struct pop3_play *p)
{
	struct loop_opts opts = {.name = "play", .slice_warn_ns = 60 * CLOCK_SEC};
	struct loop *l = loop_new_sim(&opts, 1795415400 * CLOCK_SEC);
	struct err e = {0};

	MUST(loop_run(l, pop3_play_main, p, &e) == 0);
	loop_free(&l);
	MUST(!p->open_bodies);
}

static inline void pop3_play_fini(struct pop3_play *p)
{
	buf_fini(&p->out);
	buf_fini(&p->notes);
}
