#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "run/loop.h"
#include "net/stream.h"
#include "proto/smtp/smtp_server.h"
#include "cli/sendmail_priv.h"

/* -bs: SMTP on standard input and output. The server's own dialogue hears it; a message is answered
 * with what the smarthost answered, so 250 means that it has it. Nothing else runs in this process,
 * so reading may block its loop. */

struct pipe_filter {
	struct filter filter;
};

static bool wait_for(int fd, short events, int64_t deadline_ns, struct err *e)
{
	int64_t left;
	int n;

	do {
		struct pollfd at = {.fd = fd, .events = events};

		left = deadline_ns - clock_mono_ns();
		left = left < 0 ? 0 : left / CLOCK_MS;
		n = poll(&at, 1, left > INT32_MAX ? -1 : (int)left);
	} while (n < 0 && errno == EINTR);
	if (n == 0)
		err_set(e, ERR_TIMEOUT, "nothing came");
	return n > 0;
}

static FIBER ssize_t pipe_read(
	struct filter *f, void *p, size_t n, int64_t deadline_ns, struct err *e)
{
	ssize_t got;

	if (!wait_for(STDIN_FILENO, POLLIN, deadline_ns, e))
		return -1;
	do {
		got = read(STDIN_FILENO, p, n);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? err_sys(e, errno, "standard input") : got;
}

static FIBER int pipe_write(struct filter *f, const struct span *parts, size_t count,
	int64_t deadline_ns, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct span rest = parts[i];

		while (rest.len) {
			ssize_t n = write(STDOUT_FILENO, rest.ptr, rest.len);

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return err_sys(e, errno, "standard output");
			rest = span_skip(rest, (size_t)n);
		}
	}
	return 0;
}

static void pipe_free(struct filter *f)
{
	free(f);
}

static const struct filter_ops pipe_ops = {
	.name = "standard input and output",
	.read = pipe_read,
	.write = pipe_write,
	.free = pipe_free,
};

struct speech {
	struct sendmail *m;
	struct send_letter letter;
	bool has_letter;
	int failed; /* the letter could not be held */
};

static FIBER void on_connect(void *ctx, struct smtp_session *s, struct smtp_reply *r)
{
}

static FIBER void on_mail(
	void *ctx, struct smtp_session *s, const struct smtp_mail *mail, struct smtp_reply *r)
{
}

static FIBER void on_rcpt(
	void *ctx, struct smtp_session *s, struct smtp_rcpt *rcpt, struct smtp_reply *r)
{
}

static FIBER void on_body_begin(void *ctx, struct smtp_session *s, struct smtp_reply *r)
{
	struct speech *sp = ctx;

	sendmail_letter_begin(&sp->letter);
	sp->has_letter = true;
	sp->failed = 0;
}

static FIBER void on_body_data(
	void *ctx, struct smtp_session *s, struct span octets, struct smtp_reply *r)
{
	struct speech *sp = ctx;

	if (!sp->failed)
		sp->failed = sendmail_letter_put(&sp->letter, octets);
}

static void answer(
	struct smtp_reply *to, const struct yz_reply *r, bool is_temporary, const char *text)
{
	if (r && r->code >= 200 && r->code != 354)
		smtp_reply_set(to, (unsigned)r->code, r->cls, r->subject, r->detail, "%s", r->text);
	else if (is_temporary)
		smtp_reply_set(to, 451, 4, 4, 0, "%s", text);
	else
		smtp_reply_set(to, 554, 5, 0, 0, "%s", text);
}

/* The header's missing fields; Bcc stays away from the way as it does with -t. */
static void complete(struct speech *sp)
{
	struct span all = buf_span(&sp->letter.text), first = send_head_of(all);
	struct buf head, text;

	buf_init(&head, SEND_HEAD_MAX * 2);
	buf_init(&text, SENDMAIL_HELD + SEND_HEAD_MAX * 3);
	buf_span_put(&head, first);
	if (sp->m->station)
		sendmail_station_header(sp->m, &head);
	else
		send_head_complete(sp->m->a, &head, NULL, NULL);
	buf_span_put(&text, buf_span(&head));
	buf_span_put(&text, span_skip(all, first.len));
	buf_fini(&head);
	buf_fini(&sp->letter.text);
	sp->letter.text = text;
}

static void fill_envelope(struct speech *sp, const struct smtp_session *s)
{
	struct send_letter *l = &sp->letter;
	struct arena *a = sp->m->a;

	l->from = arena_str(a, s->mail.from.whole);
	l->rcpts = ARENA_ARRAY(a, const char *, s->rcpt_count + 1);
	l->rcpt_count = 0;
	for (size_t i = 0; i < s->rcpt_count; i++)
		l->rcpts[l->rcpt_count++] = sendmail_qualified(
			sp->m, arena_str(a, s->rcpts[i].to.whole));
}

static FIBER void on_body_end(
	void *ctx, struct smtp_session *s, struct smtp_reply *replies, size_t count)
{
	struct speech *sp = ctx;
	const struct yz_error *why = NULL;

	if (sp->failed) {
		smtp_reply_set(replies, 452, 4, 3, 1, "the message cannot be held here");
		return;
	}
	sendmail_letter_end(&sp->letter);
	complete(sp);
	fill_envelope(sp, s);
	int code = sendmail_connect(sp->m, &why);
	if (code && sp->m->station) {
		code = sendmail_leave(sp->m, &sp->letter, why ? why->text : "no connection");
		if (code)
			smtp_reply_set(replies, code == EX_TEMPFAIL ? 451 : 554,
				code == EX_TEMPFAIL ? 4 : 5, 3, 0,
				"the server is down, and it could not be left for it");
		else
			smtp_reply_set(replies, 250, 2, 0, 0, "Ok: left for the server");
		sendmail_hang_up(sp->m);
		return;
	}
	if (code) {
		answer(replies, why ? why->reply : NULL, code == EX_TEMPFAIL,
			why ? why->text : "no way to the smarthost");
		sendmail_hang_up(sp->m);
		return;
	}
	struct yz_txn *t = send_make_txn(sp->m->talk, &sp->letter);
	yz_send(t);
	const struct yz_error *e = yz_txn_error(t);
	size_t accepted = yz_txn_accepted(t);
	for (size_t i = 0; accepted && i < yz_txn_count(t); i++) {
		const struct yz_result *r = yz_txn_result(t, i);

		if (r->outcome != YZ_ACCEPTED)
			sendmail_fail(0, "%s: %s", r->path, r->text);
	}
	answer(replies, e->code == YZ_E_UNKNOWN ? NULL : yz_txn_reply(t),
		e->code == YZ_E_UNKNOWN || e->is_temporary, e->text);
	yz_txn_free(&t);
}

static void on_reset(void *ctx, struct smtp_session *s)
{
	struct speech *sp = ctx;

	if (sp->has_letter)
		sendmail_letter_fini(&sp->letter);
	sp->has_letter = false;
}

static const struct smtp_decider decider = {
	.connect = on_connect,
	.helo = on_connect,
	.mail = on_mail,
	.rcpt = on_rcpt,
	.body_begin = on_body_begin,
	.body_data = on_body_data,
	.body_end = on_body_end,
	.reset = on_reset,
};

static void write_nothing(struct log_sink *sink, enum log_level level, struct span line)
{
}

static FIBER int serve(void *arg)
{
	struct speech *sp = arg;
	struct pipe_filter *f = NEW(struct pipe_filter);
	struct log_sink sink = {.write = write_nothing, .level = LOG_ERROR};
	struct smtp_server_opts o = {.software = "Yizhan",
		/* the callers are programs of this machine: they write LF */
		.newlines = SMTP_NEWLINES_NORMALISE,
		/* what would not be passed on is not offered */
		.features_off = SMTP_BINARYMIME | SMTP_DSN};
	struct err e = {0};
	struct log log;

	f->filter.ops = &pipe_ops;
	log_root(&log, &sink);
	o.log = &log;
	o.hostname = send_host_name(sp->m->a);
	o.hostname = o.hostname ? o.hostname : "localhost";
	smtp_server_limits_default(&o.limits);
	o.limits.errors_delay_ns = 0;
	struct stream *stream = stream_new(&f->filter);
	int rc = smtp_server_run(stream, &o, &decider, sp, &e);
	stream_free(&stream);
	return rc == 0 || e.code == ERR_EOF ? 0 : sendmail_fail(EX_IOERR, "%s", e.text);
}

int sendmail_speak(struct sendmail *m)
{
	struct loop_opts lo = {.name = "sendmail", .slice_warn_ns = INT64_MAX};
	struct err e = {0};
	struct speech *sp = ARENA_NEW(m->a, struct speech);
	struct loop *loop = loop_new_uv(&lo, &e);

	if (!loop)
		return sendmail_fail(EX_OSERR, "%s", e.text);
	sp->m = m;
	int code = loop_run(loop, serve, sp, &e);
	loop_free(&loop);
	return code;
}
