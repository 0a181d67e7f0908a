#include "proto/pop3/pop3_server_priv.h"

#include "base/must.h"
#include "run/loop.h"

static const char *const phase_names[POP3_PHASE_COUNT] = {
#define X(id, name) [POP3_PHASE_##id] = name,
	POP3_PHASES(X)
#undef X
};

static const char *const feature_names[POP3_FEATURE_COUNT] = {
#define X(id, name) [POP3_FEATURE_##id] = name,
	POP3_FEATURES(X)
#undef X
};

const char *pop3_feature_str(enum pop3_feature f)
{
	return feature_names[f];
}

unsigned pop3_feature_bit(struct span name)
{
	for (unsigned i = 0; i < POP3_FEATURE_COUNT; i++) {
		if (span_eq_nocase(name, span_str(feature_names[i])))
			return 1u << i;
	}
	return 0;
}

void pop3_server_limits_default(struct pop3_server_limits *l)
{
	*l = (struct pop3_server_limits){
		.commands_clear = 60,
		.auth_failures = 6,
		.errors = 100,
		.auth_delay_ns = CLOCK_SEC,
		.idle_ns = 10 * CLOCK_MIN,
		.login_ns = 10 * CLOCK_MIN,
		.write_ns = 5 * CLOCK_MIN,
	};
}

void pop3_server_phase(struct pop3_server *sv, enum pop3_phase to)
{
	if (sv->phase == to)
		return;
	if (log_wants(&sv->s.log, LOG_DEBUG))
		log_event(&sv->s.log, LOG_DEBUG, "pop3.phase",
			LF_STR("from", phase_names[sv->phase]), LF_STR("to", phase_names[to]));
	MUST(sv->phase != POP3_PHASE_CLOSED);
	sv->phase = to;
}

bool pop3_server_has(const struct pop3_server *sv, enum pop3_feature f)
{
	return !(sv->s.opts->features_off & (1u << f));
}

/* RFC 2449 section 8: codes stand where the capability does. */
static bool has_code(const struct pop3_server *sv, enum pop3_code code)
{
	if (code == POP3_CODE_NONE)
		return false;
	if (code == POP3_CODE_AUTH || code == POP3_CODE_SYS_TEMP || code == POP3_CODE_SYS_PERM)
		return pop3_server_has(sv, POP3_FEATURE_AUTH_RESP_CODE) &&
			pop3_server_has(sv, POP3_FEATURE_RESP_CODES);
	return pop3_server_has(sv, POP3_FEATURE_RESP_CODES);
}

/* One line, whatever stands in the text. */
static void put_line(struct pop3_server *sv, const char *fmt, va_list ap)
{
	struct buf text;

	buf_init(&text, POP3_SERVER_TEXT);
	buf_vprintf(&text, fmt, ap);
	MUST(!span_has_line_break(buf_span(&text)));
	stream_put(sv->s.stream, buf_span(&text));
	stream_put(sv->s.stream, SPAN("\r\n"));
	buf_fini(&text);
}

void pop3_server_ok(struct pop3_server *sv, const char *fmt, ...)
{
	va_list ap;

	stream_put(sv->s.stream, SPAN("+OK "));
	va_start(ap, fmt);
	put_line(sv, fmt, ap);
	va_end(ap);
}

void pop3_server_err(struct pop3_server *sv, enum pop3_code code, const char *fmt, ...)
{
	va_list ap;

	stream_put(sv->s.stream, SPAN("-ERR "));
	if (has_code(sv, code))
		stream_printf(sv->s.stream, "[%s] ", pop3_code_str(code));
	va_start(ap, fmt);
	put_line(sv, fmt, ap);
	va_end(ap);
}

void pop3_server_close(
	struct pop3_server *sv, enum pop3_code code, const char *why, const char *text)
{
	pop3_server_err(sv, code, "%s", text);
	sv->why = why;
	pop3_server_phase(sv, POP3_PHASE_CLOSED);
}

void pop3_server_deadline(struct pop3_server *sv, int64_t ns)
{
	int64_t until = loop_now_ns() + ns, end = sv->start_ns + sv->s.opts->limits.login_ns;

	if ((PH_CLEAR | PH(START)) & (1u << sv->phase) && until > end)
		until = end;
	sv->s.stream->deadline_ns = until;
}

FIBER int pop3_server_relieve(struct pop3_server *sv, struct err *e)
{
	if (buf_len(&sv->s.stream->out) < STREAM_OUT_FLUSH)
		return 0;
	pop3_server_deadline(sv, sv->s.opts->limits.write_ns);
	return stream_flush(sv->s.stream, e);
}

FIBER int pop3_server_skip_line(struct pop3_server *sv, struct err *e)
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

static bool is_draining(const struct pop3_server *sv)
{
	const bool *flag = sv->s.opts->is_draining;

	return flag && __atomic_load_n(flag, __ATOMIC_RELAXED);
}

/* Nothing has been removed: a client that comes again finds all of it. */
static void stop(struct pop3_server *sv)
{
	pop3_server_close(sv, POP3_CODE_SYS_TEMP, "drain", "Going down, come again");
}

/* A command has come: may it be obeyed? */
static FIBER bool may_go_on(struct pop3_server *sv)
{
	const struct pop3_server_limits *l = &sv->s.opts->limits;

	if (is_draining(sv))
		stop(sv);
	else if (sv->phase == POP3_PHASE_MAIL && !sv->decider->still(sv->ctx))
		pop3_server_close(sv, POP3_CODE_AUTH, "login",
			"This login counts no more: log in again. Nothing was removed");
	else if (sv->phase != POP3_PHASE_MAIL && ++sv->commands > l->commands_clear)
		pop3_server_close(sv, POP3_CODE_NONE, "commands", "Too many commands");
	else
		return true;
	return false;
}

/* Until something comes. A client that is silent for a while costs no more than it must. */
static FIBER int await(struct pop3_server *sv, struct err *e)
{
	struct stream *st = sv->s.stream;
	struct stream_bell bell = {0};
	struct err why = {0};
	bool is_rung;

	if (span_find(stream_peek(st), '\n') >= 0)
		return 0;
	sv->turn = 0;
	pop3_server_deadline(sv, sv->s.opts->limits.write_ns);
	if (stream_flush(st, e) < 0)
		return -1;
	pop3_server_deadline(sv, POP3_SERVER_REST_NS);
	if (stream_wait(st, &bell, &is_rung, &why) < 0 && why.code != ERR_TIMEOUT)
		return err_copy(e, &why);
	if (why.code == ERR_TIMEOUT)
		sv->decider->rest(sv->ctx);
	return 0;
}

/* One command: read it, obey it. -1: the connection is gone. */
static FIBER int serve_one(struct pop3_server *sv, struct err *e)
{
	/* a token in an initial response is longer than what RFC 2449 section 4 lets clients send */
	size_t max = sv->phase == POP3_PHASE_MAIL ? POP3_LINE_MAX : POP3_AUTH_LINE_MAX;
	struct stream *st = sv->s.stream;
	struct span line;

	sv->decider->idle(sv->ctx, true);
	int rc = await(sv, e);
	if (rc == 0) {
		pop3_server_deadline(sv, sv->s.opts->limits.idle_ns);
		rc = stream_read_line(st, max, &line, NULL, e);
	}
	sv->decider->idle(sv->ctx, false);
	if (rc < 0) {
		if (!e || e->code != ERR_LIMIT || buf_len(&st->in) < max)
			return -1;
		err_clear(e);
		if (pop3_server_skip_line(sv, e) < 0)
			return -1;
		line = SPAN_NONE;
	}
	if (++sv->turn >= POP3_SERVER_TURN) {
		sv->turn = 0;
		if (fiber_yield(e) < 0)
			return -1;
	}
	if (!may_go_on(sv))
		return 0;
	if (line.ptr)
		return pop3_server_obey(sv, line, e);
	pop3_server_err(sv, POP3_CODE_NONE, "The line is too long");
	sv->errors++;
	return 0;
}

static void greet(struct pop3_server *sv)
{
	const struct pop3_server_opts *o = sv->s.opts;
	const char *why = sv->decider->refuse(sv->ctx);

	if (why) {
		pop3_server_close(sv, POP3_CODE_SYS_TEMP, "refused", why);
	} else if (is_draining(sv)) {
		stop(sv);
	} else {
		/* no "<…>" in it: that would offer APOP (RFC 1939 section 7) */
		pop3_server_ok(sv, "%s POP3 server ready", o->hostname);
		pop3_server_phase(sv, POP3_PHASE_CLEAR);
	}
}

/* The connection is gone, or is to be: last words where they can still be heard. */
static FIBER void part(struct pop3_server *sv, const struct err *why)
{
	struct err ignored = {0};

	if (sv->phase != POP3_PHASE_CLOSED) {
		sv->why = err_code_str(why->code);
		if (why->code == ERR_TIMEOUT)
			pop3_server_close(sv, POP3_CODE_NONE, "timeout",
				"Nothing was said for too long. Nothing was removed");
		else if (why->code == ERR_CANCELLED && sv->decider->is_ended(sv->ctx))
			pop3_server_close(sv, POP3_CODE_AUTH, "login",
				"This login counts no more: log in again. Nothing was removed");
		else if (why->code == ERR_CANCELLED)
			stop(sv);
		else
			pop3_server_phase(sv, POP3_PHASE_CLOSED);
	}
	stream_set_timeout(sv->s.stream, POP3_SERVER_BYE_NS);
	stream_flush(sv->s.stream, &ignored);
}

static void log_session(const struct pop3_server *sv, const struct err *why)
{
	const struct stream *st = sv->s.stream;

	log_event(&sv->s.log, LOG_INFO, "pop3.session", LF("user", sv->s.user),
		LF_STR("tls", st->tls ? st->tls->version : ""), LF_INT("messages", sv->drop.count),
		LF_INT("retrieved", sv->retrieved), LF_INT("removed", sv->removed),
		LF_INT("in", st->bytes_in), LF_INT("out", st->bytes_out),
		LF_INT("ms", (loop_now_ns() - sv->start_ns) / CLOCK_MS), LF_STR("end", sv->why),
		why->text[0] && why->code != ERR_EOF ? LF_STR("error", why->text) : LF_NONE);
}

static void start(struct pop3_server *sv, struct stream *st, const struct pop3_server_opts *o)
{
	struct pop3_session *s = &sv->s;
	struct buf peer;

	s->stream = st;
	s->opts = o;
	s->arena = arena_new();
	s->id = loop_random();
	buf_init(&peer, ADDR_TEXT_MAX);
	addr_put(&peer, &st->peer);
	log_child(&s->log, o->log);
	log_add(&s->log, LF_ID("session", s->id));
	log_add(&s->log, LF("peer", arena_span(s->arena, buf_span(&peer))));
	buf_fini(&peer);
	sv->start_ns = loop_now_ns();
}

FIBER int pop3_server_run(struct stream *stream, const struct pop3_server_opts *opts,
	const struct pop3_decider *decider, void *ctx, struct err *e)
{
	struct pop3_server sv = {.decider = decider, .ctx = ctx};
	struct err why = {0};
	int rc = 0;

	start(&sv, stream, opts);
	pop3_server_deadline(&sv, opts->limits.idle_ns);
	if (opts->is_tls_implicit && decider->refuse(ctx)) {
		/* no handshake for somebody who is sent away */
		sv.why = "refused";
		pop3_server_phase(&sv, POP3_PHASE_CLOSED);
	} else {
		rc = opts->is_tls_implicit ? tls_accept(stream, opts->tls, &why) : 0;
		if (rc == 0)
			greet(&sv);
	}
	while (rc == 0 && sv.phase != POP3_PHASE_CLOSED)
		rc = serve_one(&sv, &why);
	part(&sv, &why);
	log_session(&sv, &why);
	pop3_server_drop_fini(&sv);
	arena_free(&sv.s.arena);
	if (rc < 0 && why.code == ERR_EOF)
		return 0;
	return rc < 0 ? err_copy(e, &why) : 0;
}
