#pragma once
/* For tests and fuzzers of the IMAP server: a session over a stream in memory, on simulated time, with a
 * decider that notes what it is asked and has one mailbox of five messages. alice has the password
 * "wonder". It aborts when it is asked out of turn. */

#include <string.h>

#include "base/must.h"
#include "net/net.h"
#include "proto/imap/imap_server.h"
#include "proto/imap/imap_syntax.h"

struct imap_play {
	struct imap_server_opts opts;
	const char *mechs;   /* NULL: there is no login */
	bool is_clear;       /* also without TLS */
	uint64_t caps_off;   /* of everybody; */
	uint64_t client_off; /* … of the client "Odd" */
	const char *refusal; /* at connect: BYE with it */
	const char *ended;
	bool is_slow; /* commands take 25 s and say so */
	/* what the session has come to */
	struct imap_session *s;
	struct buf out;   /* what the server said since the last look */
	struct buf notes; /* what the decider was asked */
	unsigned news;    /* messages that have come and have not been told */
	unsigned gone;    /* that were expunged */
	unsigned updates, idles;
	bool is_idle, is_appending;
	uint64_t octets; /* of messages */
	bool is_over;
	int rc;
	struct err e;
	struct stream *client, *server;
	struct fiber_group group;
	struct fiber *fiber;
};

static inline struct imap_play *imap_play_of(void *ctx, struct imap_session *s)
{
	struct imap_play *p = ctx;

	MUST(!p->s || p->s == s);
	p->s = s;
	return p;
}

static inline FIBER void imap_play_connect(void *ctx, struct imap_session *s, struct imap_result *r)
{
	struct imap_play *p = imap_play_of(ctx, s);

	if (p->refusal) {
		r->status = IMAP_BYE;
		buf_clear(&r->text);
		buf_str(&r->text, p->refusal);
	}
}

static inline uint64_t imap_play_caps_off(void *ctx, const struct imap_session *s)
{
	struct imap_play *p = ctx;

	return p->caps_off | (span_eq(s->client_name, SPAN("Odd")) ? p->client_off : 0);
}

static inline bool imap_play_offer(
	void *ctx, const struct imap_session *s, struct sasl_server_opts *o)
{
	struct imap_play *p = ctx;

	o->mechs = p->mechs;
	o->is_clear_allowed = p->is_clear;
	o->secret = SPAN("0123456789abcdef");
	o->iterations = 4096;
	return p->mechs != NULL;
}

static inline FIBER int imap_play_password(
	void *ctx, struct span user, struct span password, bool *yes_r, struct err *e)
{
	if (span_eq(user, SPAN("busy")))
		return err_set(e, ERR_BUSY, "nobody has time");
	*yes_r = span_eq(user, SPAN("alice")) && span_eq(password, SPAN("wonder"));
	return 0;
}

static inline FIBER void imap_play_auth(
	void *ctx, struct imap_session *s, bool is_accepted, struct imap_result *r)
{
	struct imap_play *p = imap_play_of(ctx, s);

	buf_printf(&p->notes, "auth %s;", is_accepted ? "yes" : "no");
}

static inline const char *imap_play_ended(void *ctx, const struct imap_session *s)
{
	return ((struct imap_play *)ctx)->ended;
}

static inline FIBER void imap_play_unauthenticate(void *ctx, struct imap_session *s)
{
	buf_str(&imap_play_of(ctx, s)->notes, "unauthenticate;");
}

static inline FIBER int imap_play_work(struct imap_play *p, struct err *e)
{
	for (uint64_t i = 0; p->is_slow && i < 25; i++)
		if (fiber_sleep(CLOCK_SEC, e) < 0 || imap_progress(p->s, i, 25, e) < 0)
			return -1;
	return 0;
}

static inline FIBER int imap_play_run(void *ctx, struct imap_session *s,
	const struct imap_command *c, struct imap_result *r, struct err *e)
{
	struct imap_play *p = imap_play_of(ctx, s);

	MUST(s->cmd && !p->is_appending && !p->is_idle);
	MUST(s->state != IMAP_STATE_CLEAR || c->verb == IMAP_ID);
	buf_printf(&p->notes, "%s%s;", c->is_uid ? "UID " : "", imap_verb_str(c->verb));
	switch (c->verb) {
	case IMAP_SELECT:
	case IMAP_EXAMINE:
		imap_printf(s, "* 5 EXISTS\r\n");
		imap_session_select(s, true);
		break;
	case IMAP_CLOSE:
	case IMAP_UNSELECT: imap_session_select(s, false); break;
	case IMAP_NOTIFY: s->is_listening = !c->notify.is_none; break;
	case IMAP_DELETE: return err_set(e, ERR_NOT_FOUND, "no such mailbox");
	case IMAP_CREATE: return err_set(e, ERR_CORRUPT, "bad page");
	case IMAP_SUBSCRIBE: return imap_result_no(r, NULL, "not\r\nthat");
	case IMAP_RENAME: imap_end(s, "test", "That was enough"); break;
	default: break;
	}
	return imap_play_work(p, e);
}

static inline FIBER int imap_play_updates(void *ctx, struct imap_session *s,
	const struct imap_command *c, bool may_expunge, struct err *e)
{
	struct imap_play *p = imap_play_of(ctx, s);

	MUST(s->cmd && (s->state == IMAP_STATE_SELECTED || s->is_listening));
	MUST(c || may_expunge);
	p->updates++;
	for (; may_expunge && p->gone; p->gone--)
		imap_printf(s, "* 1 EXPUNGE\r\n");
	if (p->news)
		imap_printf(s, "* %u EXISTS\r\n", 5 + p->news);
	p->news = 0;
	return 0;
}

static inline FIBER void imap_play_idle(void *ctx, struct imap_session *s, bool is_begun)
{
	struct imap_play *p = imap_play_of(ctx, s);

	MUST(p->is_idle != is_begun);
	p->is_idle = is_begun;
	p->idles += is_begun;
}

static inline FIBER int imap_play_event(void *ctx, struct imap_session *s,
	const struct imap_append *ap, const struct imap_append_event *ev, struct imap_result *r,
	struct err *e)
{
	static const char *const kinds[] = {"message", "url", "data", "end"};
	struct imap_play *p = imap_play_of(ctx, s);

	MUST(r->status == IMAP_OK);
	p->is_appending = true;
	buf_printf(&p->notes, "%s " SPAN_FMT ";", kinds[ev->kind], SPAN_ARG(ap->name));
	if (ev->kind == IMAP_APPEND_MESSAGE && span_eq(ap->name, SPAN("none")))
		return imap_result_no(r, "TRYCREATE", "No such mailbox");
	return 0;
}

static inline FIBER int imap_play_data(void *ctx, struct imap_session *s, struct span octets,
	bool is_last, struct imap_result *r, struct err *e)
{
	struct imap_play *p = imap_play_of(ctx, s);

	MUST(p->is_appending && r->status == IMAP_OK);
	p->octets += octets.len;
	if (octets.len && octets.ptr[0] == '!')
		return imap_result_no(r, "OVERQUOTA", "No room");
	return 0;
}

static inline FIBER int imap_play_done(void *ctx, struct imap_session *s,
	const struct imap_append *ap, struct imap_result *r, struct err *e)
{
	struct imap_play *p = imap_play_of(ctx, s);

	MUST(p->is_appending && r->status == IMAP_OK);
	p->is_appending = false;
	buf_printf(&p->notes, "done;");
	return imap_result_ok(r, "APPENDUID 1 6", "Completed");
}

static inline void imap_play_abort(void *ctx, struct imap_session *s)
{
	struct imap_play *p = imap_play_of(ctx, s);

	MUST(p->is_appending);
	p->is_appending = false;
	buf_str(&p->notes, "abort;");
}

static const struct sasl_decider imap_play_sasl = {.password = imap_play_password};

static const struct imap_decider imap_play_decider = {
	.connect = imap_play_connect,
	.caps_off = imap_play_caps_off,
	.auth_offer = imap_play_offer,
	.sasl = &imap_play_sasl,
	.auth = imap_play_auth,
	.ended = imap_play_ended,
	.unauthenticate = imap_play_unauthenticate,
	.run = imap_play_run,
	.updates = imap_play_updates,
	.idle = imap_play_idle,
	.append_event = imap_play_event,
	.append_data = imap_play_data,
	.append_done = imap_play_done,
	.append_abort = imap_play_abort,
};

static inline FIBER int imap_play_serve(void *arg)
{
	struct imap_play *p = arg;

	p->fiber = fiber_self();
	p->rc = imap_server_run(p->server, &p->opts, &imap_play_decider, p, &p->e);
	MUST(!p->is_idle && !p->is_appending);
	p->is_over = true;
	p->s = NULL;
	stream_shutdown(p->server, NULL);
	stream_free(&p->server);
	return 0;
}

static inline FIBER int imap_play_listen(void *arg)
{
	struct imap_play *p = arg;
	struct err e = {0};

	while (stream_fill(p->client, &e) == 0) {
		struct span in = stream_peek(p->client);

		buf_span_put(&p->out, in);
		stream_consume(p->client, in.len);
	}
	return 0;
}

static inline void imap_play_init(struct imap_play *p)
{
	*p = (struct imap_play){.mechs = "PLAIN", .is_clear = true};
	p->opts.hostname = "imap.test";
	p->opts.software = "Yizhan";
	p->opts.version = "1";
	p->opts.caps = IMAP_BITS_ALL;
	imap_server_limits_default(&p->opts.limits);
	p->opts.limits.errors_delay_ns = 0;
	buf_init(&p->out, 64 * 1024 * 1024);
	buf_init(&p->notes, 1024 * 1024);
}

static inline void imap_play_fini(struct imap_play *p)
{
	buf_fini(&p->out);
	buf_fini(&p->notes);
}

/* On a loop: the server and somebody who takes down what it says. */
static inline FIBER void imap_play_start(struct imap_play *p)
{
	struct err e = {0};

	stream_pair(&p->client, &p->server, 0);
	fiber_group_init(&p->group);
	MUST(fiber_start(&p->group, "server", imap_play_serve, p, &e) == 0);
}

static inline FIBER void imap_play_hear(struct imap_play *p)
{
	struct err e = {0};

	MUST(fiber_start(&p->group, "listen", imap_play_listen, p, &e) == 0);
}

static inline FIBER void imap_play_say(struct imap_play *p, struct span text, size_t step)
{
	struct err e = {0};

	for (size_t at = 0, n = step ? step : text.len; at < text.len; at += n) {
		struct span piece = span_sub(text, at, n);

		if (stream_write(p->client, &piece, 1, &e) < 0)
			return;
		if (step)
			fiber_yield(&e);
	}
}

static inline FIBER void imap_play_stop(struct imap_play *p)
{
	stream_shutdown(p->client, NULL);
	fiber_group_join(&p->group);
	stream_free(&p->client);
}
