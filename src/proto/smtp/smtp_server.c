#include "proto/smtp/smtp_server_priv.h"

#include <string.h>

#include "base/must.h"
#include "run/loop.h"

static const char *const phase_names[SMTP_PHASE_COUNT] = {
#define X(id, name) [SMTP_PHASE_##id] = name,
	SMTP_PHASES(X)
#undef X
};

void smtp_server_limits_default(struct smtp_server_limits *l)
{
	*l = (struct smtp_server_limits){
		.command_line = 2048,
		.text_line = 0,
		.message_octets = 50 * 1024 * 1024,
		.recipients = 1000,
		.transactions = 1000,
		.errors_soft = 5,
		.errors_hard = 20,
		.junk_commands = 100,
		.bdat_commands = 1000000,
		.errors_delay_ns = CLOCK_SEC,
		.auth_failures = 6,
		.auth_delay_ns = CLOCK_SEC,
		.command_ns = 5 * CLOCK_MIN,
		.data_ns = 3 * CLOCK_MIN,
		.session_ns = 0,
		.hold_max_ns = 60 * CLOCK_DAY,
	};
}

void smtp_server_phase(struct smtp_server *sv, enum smtp_phase to)
{
	if (sv->phase == to)
		return;
	if (log_wants(&sv->s.log, LOG_DEBUG))
		log_event(&sv->s.log, LOG_DEBUG, "smtp.in.phase",
			LF_STR("from", phase_names[sv->phase]), LF_STR("to", phase_names[to]));
	MUST(sv->phase != SMTP_PHASE_CLOSED);
	sv->phase = to;
}

void smtp_server_reset(struct smtp_server *sv)
{
	struct smtp_session *s = &sv->s;

	if (s->has_mail && sv->decider->reset)
		sv->decider->reset(sv->ctx, s);
	if (sv->body)
		smtp_reply_fini(&sv->body->verdict);
	sv->body = NULL;
	s->has_mail = s->is_binary_body = false;
	memset(&s->mail, 0, sizeof(s->mail));
	s->rcpts = NULL;
	s->rcpt_count = sv->rcpt_cap = sv->rcpt_refused = sv->rcpt_over = 0;
	arena_free(&s->txn);
	if (sv->phase == SMTP_PHASE_MAIL || sv->phase == SMTP_PHASE_RCPT ||
		sv->phase == SMTP_PHASE_DATA || sv->phase == SMTP_PHASE_BDAT)
		smtp_server_phase(sv, SMTP_PHASE_READY);
}

void smtp_server_deadline(struct smtp_server *sv, int64_t ns)
{
	int64_t until = loop_now_ns() + ns;

	sv->s.stream->deadline_ns = until < sv->end_ns ? until : sv->end_ns;
}

bool smtp_server_is_draining(const struct smtp_server *sv)
{
	const bool *flag = sv->s.opts->is_draining;

	return flag && __atomic_load_n(flag, __ATOMIC_RELAXED);
}

void smtp_server_put(struct smtp_server *sv)
{
	struct stream *st = sv->s.stream;

	/* Into the stream's own buffer: replies to pipelined commands gather there without a copy. */
	if (!st->is_broken)
		smtp_reply_put(&sv->reply, sv->features & SMTP_ENHANCED, &st->out);
}

void smtp_server_close(struct smtp_server *sv, const char *why, unsigned subject, unsigned detail,
	const char *text)
{
	smtp_reply_set(&sv->reply, 421, 4, subject, detail, "%s %s", sv->s.opts->hostname, text);
	smtp_server_put(sv);
	sv->why = why;
	smtp_server_phase(sv, SMTP_PHASE_CLOSED);
}

FIBER int smtp_server_say(struct smtp_server *sv, struct err *e)
{
	const struct smtp_server_limits *l = &sv->s.opts->limits;
	/* 4.3.z is our own trouble (RFC 3463 section 3.4): no client is slowed down for it. */
	bool is_ours = sv->reply.code / 100 == 4 && sv->reply.subject == 3;
	int rc = 0;

	if (sv->reply.code >= 400 && !sv->is_forgiven && !is_ours) {
		sv->s.errors++;
		if (l->errors_soft && sv->s.errors >= l->errors_soft && l->errors_delay_ns)
			rc = fiber_sleep(l->errors_delay_ns, e);
	}
	sv->is_forgiven = false;
	smtp_server_put(sv);
	if (sv->reply.code == 421) {
		sv->why = sv->why ? sv->why : "refused";
		smtp_server_phase(sv, SMTP_PHASE_CLOSED);
	} else if (sv->reply.code >= 400 && l->errors_hard && sv->s.errors >= l->errors_hard) {
		smtp_server_close(sv, "errors", 7, 0, "Too many errors");
	}
	return rc;
}

FIBER int smtp_server_skip_line(struct smtp_server *sv, struct err *e)
{
	struct stream *st = sv->s.stream;

	for (;;) {
		struct span in = stream_peek(st);
		ptrdiff_t lf = span_find(in, '\n');

		stream_consume(st, lf < 0 ? in.len : (size_t)lf + 1);
		if (lf >= 0)
			return 0;
		if (stream_fill(st, e) < 0)
			return -1;
	}
}

/* Memory that an idle connection does not need. */
static void rest(struct smtp_server *sv)
{
	struct span in = stream_peek(sv->s.stream);

	if (span_find(in, '\n') >= 0)
		return;
	sv->turn = 0;
	arena_free(&sv->cmd);
	buf_fini(&sv->reply.text);
}

/* One command: read it, obey it. -1: the connection is gone. */
static FIBER int serve_one(struct smtp_server *sv, struct err *e)
{
	struct stream *st = sv->s.stream;
	size_t max = sv->s.opts->limits.command_line;
	struct span line;
	bool is_crlf;

	/* We stop, and this client has just ended its message: nobody waits for its next command. */
	if (smtp_server_is_draining(sv) && !sv->s.has_mail && sv->s.messages &&
		stream_peek(st).len == 0) {
		smtp_server_close(sv, "drain", 3, 2, "Going down, come again");
		return 0;
	}
	rest(sv);
	smtp_server_deadline(sv, sv->s.opts->limits.command_ns);
	if (stream_read_line(st, max, &line, &is_crlf, e) < 0) {
		if (!e || e->code != ERR_LIMIT || buf_len(&st->in) < max)
			return -1;
		err_clear(e);
		if (smtp_server_skip_line(sv, e) < 0)
			return -1;
		/* RFC 5321 section 4.5.3.1.9 */
		smtp_reply_set(&sv->reply, 500, 5, 5, 2, "Line too long");
		return smtp_server_say(sv, e);
	}
	if (smtp_server_is_draining(sv)) {
		smtp_server_close(sv, "drain", 3, 2, "Going down, come again");
		return 0;
	}
	if (++sv->turn >= SMTP_SERVER_TURN_COMMANDS) {
		sv->turn = 0;
		if (fiber_yield(e) < 0)
			return -1;
	}
	if (!sv->cmd)
		sv->cmd = arena_new();
	arena_reset(sv->cmd);
	return smtp_server_obey(sv, line, is_crlf, e);
}

static FIBER int greet(struct smtp_server *sv, struct err *e)
{
	const struct smtp_server_opts *o = sv->s.opts;
	const char *name = o->is_lmtp ? "LMTP" : "ESMTP";

	if (stream_peek(sv->s.stream).len)
		sv->early = "greeting"; /* tolerated, and noted */
	if (smtp_server_is_draining(sv)) {
		smtp_server_close(sv, "drain", 3, 2, "Going down, come again");
		return 0;
	}
	/* RFC 5321 section 4.2: the greeting has no enhanced code */
	smtp_reply_set(&sv->reply, 220, 0, 0, 0, "%s %s%s%s", o->hostname, name,
		o->software ? " " : "", o->software ? o->software : "");
	if (sv->decider->connect)
		sv->decider->connect(sv->ctx, &sv->s, &sv->reply);
	smtp_server_phase(sv, sv->reply.code < 400 ? SMTP_PHASE_GREETED : SMTP_PHASE_REFUSED);
	smtp_server_put(sv);
	if (sv->reply.code == 421) {
		sv->why = "refused";
		smtp_server_phase(sv, SMTP_PHASE_CLOSED);
	}
	return 0;
}

static void part_cancelled(struct smtp_server *sv)
{
	const char *said = sv->decider->ended ? sv->decider->ended(sv->ctx, &sv->s) : NULL;

	if (said)
		smtp_server_close(sv, "login", 7, 0, said);
	else
		smtp_server_close(sv, "drain", 3, 2, "Going down, come again");
}

/* The connection is gone, or is to be: last words where they can still be heard. */
static FIBER void part(struct smtp_server *sv, const struct err *why)
{
	struct err ignored = {0};

	if (sv->phase != SMTP_PHASE_CLOSED) {
		sv->why = err_code_str(why->code);
		if (why->code == ERR_TIMEOUT)
			smtp_server_close(sv, "timeout", 4, 2, "Timeout, closing connection");
		else if (why->code == ERR_CANCELLED)
			part_cancelled(sv);
		else
			smtp_server_phase(sv, SMTP_PHASE_CLOSED);
	}
	stream_set_timeout(sv->s.stream, SMTP_SERVER_BYE_NS);
	stream_flush(sv->s.stream, &ignored);
}

static void log_session(const struct smtp_server *sv, const struct err *e)
{
	const struct smtp_session *s = &sv->s;

	log_event(&s->log, LOG_INFO, "smtp.in.session", LF_STR("end", sv->why ? sv->why : "eof"),
		LF("helo", s->helo), LF_STR("tls", s->tls ? s->tls->version : "no"),
		LF_INT("messages", s->messages), LF_INT("errors", s->errors),
		LF_INT("in", s->stream->bytes_in), LF_INT("out", s->stream->bytes_out),
		LF_INT("ms", (loop_now_ns() - sv->start_ns) / CLOCK_MS),
		sv->early ? LF_STR("early", sv->early) : LF_NONE,
		e->code && e->code != ERR_EOF ? LF_STR("error", e->text) : LF_NONE);
}

static void start(struct smtp_server *sv, struct stream *st, const struct smtp_server_opts *o)
{
	struct smtp_session *s = &sv->s;
	struct buf peer;

	s->stream = st;
	s->opts = o;
	s->peer = &st->peer;
	s->local = &st->local;
	s->tls = st->tls;
	s->is_lmtp = o->is_lmtp;
	s->arena = arena_new();
	s->id = loop_random();
	buf_init(&peer, 256);
	addr_put(&peer, &st->peer);
	log_child(&s->log, o->log);
	log_add(&s->log, LF_ID("session", s->id));
	log_add(&s->log, LF("peer", arena_span(s->arena, buf_span(&peer))));
	buf_fini(&peer);
	smtp_reply_init(&sv->reply);
	sv->start_ns = loop_now_ns();
	sv->end_ns = o->limits.session_ns ? sv->start_ns + o->limits.session_ns : CLOCK_NEVER;
	sv->features = SMTP_ENHANCED & ~o->features_off;
}

FIBER int smtp_server_run(struct stream *stream, const struct smtp_server_opts *opts,
	const struct smtp_decider *decider, void *ctx, struct err *e)
{
	struct smtp_server sv = {.decider = decider, .ctx = ctx};
	struct err why = {0};
	int rc = 0;

	start(&sv, stream, opts);
	smtp_server_deadline(&sv, opts->limits.command_ns);
	if (opts->is_tls_implicit) {
		rc = tls_accept(stream, opts->tls, &why);
		sv.s.tls = stream->tls;
	}
	if (rc == 0)
		rc = greet(&sv, &why);
	while (rc == 0 && sv.phase != SMTP_PHASE_CLOSED)
		rc = serve_one(&sv, &why);
	smtp_server_reset(&sv);
	part(&sv, &why);
	log_session(&sv, &why);
	arena_free(&sv.cmd);
	arena_free(&sv.s.arena);
	smtp_reply_fini(&sv.reply);
	if (rc < 0 && why.code == ERR_EOF)
		return 0;
	return rc < 0 ? err_copy(e, &why) : 0;
}
