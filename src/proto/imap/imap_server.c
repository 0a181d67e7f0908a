#include "proto/imap/imap_server.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "proto/imap/imap_server_priv.h"
#include "proto/sasl/sasl_talk.h"

static const char *const state_names[] = {
	[IMAP_STATE_CLEAR] = "clear",
	[IMAP_STATE_AUTH] = "auth",
	[IMAP_STATE_SELECTED] = "selected",
	[IMAP_STATE_LOGOUT] = "logout",
};

static const char *const reply_words[] = {
#define X(id, word) [IMAP_##id] = word,
	IMAP_REPLIES(X)
#undef X
};

void imap_server_limits_default(struct imap_server_limits *l)
{
	*l = (struct imap_server_limits){
		.command_early = 16 * 1024,
		.command = IMAP_COMMAND_MAX,
		.literals_early = 10,
		.literals = 1000,
		.append_octets = 50 * 1024 * 1024,
		.errors_soft = 5,
		.errors_hard = 20,
		.commands_early = 50,
		.auth_failures = 6,
		.errors_delay_ns = CLOCK_SEC,
		.auth_delay_ns = CLOCK_SEC,
		.login_ns = 3 * CLOCK_MIN,
		.autologout_ns = 30 * CLOCK_MIN,
		.still_ns = 29 * CLOCK_MIN,
		.literal_ns = 5 * CLOCK_MIN,
		.write_ns = 5 * CLOCK_MIN,
		.progress_ns = 10 * CLOCK_SEC,
	};
}

void imap_server_state(struct imap_server *sv, enum imap_state to)
{
	struct imap_session *s = &sv->s;

	if (s->state == to)
		return;
	if (log_wants(&s->log, LOG_DEBUG))
		log_event(&s->log, LOG_DEBUG, "imap.state", LF_STR("from", state_names[s->state]),
			LF_STR("to", state_names[to]));
	MUST(s->state != IMAP_STATE_LOGOUT);
	if (to == IMAP_STATE_CLEAR) {
		sv->early = 0;
		sv->login_until_ns = loop_now_ns() + s->opts->limits.login_ns;
	}
	s->state = to;
}

void imap_session_select(struct imap_session *s, bool is_selected)
{
	MUST(s->state == IMAP_STATE_AUTH || s->state == IMAP_STATE_SELECTED);
	imap_server_state(imap_server_of(s), is_selected ? IMAP_STATE_SELECTED : IMAP_STATE_AUTH);
}

void imap_ring(struct imap_session *s)
{
	stream_bell_ring(&imap_server_of(s)->bell);
}

void imap_end(struct imap_session *s, const char *why, const char *text)
{
	struct imap_server *sv = imap_server_of(s);

	if (sv->is_ending)
		return;
	sv->is_ending = true;
	sv->why = why;
	buf_str(&sv->last_words, text);
	imap_ring(s);
}

void imap_server_bye(struct imap_server *sv, const char *why, const char *code, const char *text)
{
	if (imap_server_is_over(sv))
		return;
	imap_printf(&sv->s, code ? "* BYE [%s] %s\r\n" : "* BYE %s%s\r\n", code ? code : "", text);
	sv->why = why;
	imap_server_state(sv, IMAP_STATE_LOGOUT);
}

bool imap_server_is_draining(const struct imap_server *sv)
{
	const bool *is_draining = sv->s.opts->is_draining;

	return is_draining && *is_draining;
}

void imap_server_patience(struct imap_server *sv)
{
	stream_set_timeout(sv->s.stream, sv->s.opts->limits.literal_ns);
	if (sv->s.state == IMAP_STATE_CLEAR && sv->s.stream->deadline_ns > sv->login_until_ns)
		sv->s.stream->deadline_ns = sv->login_until_ns;
}

void imap_server_cmd(struct imap_server *sv)
{
	if (!sv->s.cmd)
		sv->s.cmd = arena_new();
}

int imap_server_trouble(struct imap_server *sv, const struct err *why, struct err *e)
{
	if (why->code == ERR_CANCELLED || sv->s.stream->is_broken)
		return err_copy(e, why);
	log_event(&sv->s.log, LOG_WARN, "imap.trouble", LF("tag", sv->s.tag),
		LF_STR("code", err_code_str(why->code)), LF_STR("error", why->text));
	imap_result_from_err(&sv->reply, why);
	return 0;
}

/* ---- capabilities ---- */

/* What the dialogue itself decides. */
static uint64_t caps_here(const struct imap_server *sv)
{
	const struct imap_session *s = &sv->s;
	uint64_t caps = s->opts->caps & ~(IMAP_BIT(STARTTLS) | IMAP_BIT(LOGINDISABLED));

	if (s->opts->tls && !s->tls)
		caps |= IMAP_BIT(STARTTLS);
	if (!imap_server_has_login(sv))
		caps |= IMAP_BIT(LOGINDISABLED);
	if (!sv->decider->unauthenticate)
		caps &= ~IMAP_BIT(UNAUTHENTICATE);
	/* RFC 4978 section 3: not where it is on already */
	if (sv->is_compressed)
		caps &= ~IMAP_BIT(COMPRESS_DEFLATE);
	return caps;
}

void imap_server_refresh(struct imap_server *sv)
{
	uint64_t off = sv->decider->caps_off ? sv->decider->caps_off(sv->ctx, &sv->s) : 0;

	/* How one may log in is not the client's to switch. */
	off &= ~(IMAP_BIT(STARTTLS) | IMAP_BIT(LOGINDISABLED));
	sv->s.caps = imap_caps_close(caps_here(sv) & ~off);
	if (!(sv->s.caps & IMAP_BIT(IMAP4REV2)))
		sv->s.caps |= IMAP_BIT(IMAP4REV1);
}

void imap_caps_refresh(struct imap_session *s)
{
	imap_server_refresh(imap_server_of(s));
}

static void put_mechs(const struct imap_server *sv, struct buf *b)
{
	struct buf list;
	struct span rest, word;

	buf_init(&list, SASL_TALK_LIST_MAX);
	imap_server_auth_offer(sv, &list);
	rest = buf_span(&list);
	while ((word = span_word(&rest)).len) {
		buf_str(b, " AUTH=");
		buf_span_put(b, word);
	}
	buf_fini(&list);
}

void imap_server_put_caps(struct imap_server *sv, struct buf *b)
{
	const struct imap_server_limits *l = &sv->s.opts->limits;
	const struct imap_cap_values values = {
		.append_limit = l->append_octets, .message_limit = l->message_limit};
	bool is_logged_in = sv->s.state != IMAP_STATE_CLEAR;

	imap_caps_put(b, sv->s.caps, is_logged_in, &values);
	if (!is_logged_in)
		put_mechs(sv, b);
}

/* ---- replies ---- */

static void put_status(struct imap_server *sv, struct span tag)
{
	struct buf *b = imap_out(&sv->s);
	struct imap_result *r = &sv->reply;

	if (sv->s.stream->is_broken)
		return;
	buf_span_put(b, tag.len ? tag : SPAN("*"));
	buf_char(b, ' ');
	buf_str(b, reply_words[r->status]);
	buf_char(b, ' ');
	if (buf_len(&r->code)) {
		buf_char(b, '[');
		buf_span_put(b, buf_span(&r->code));
		buf_str(b, "] ");
	}
	buf_span_put(b, buf_len(&r->text) ? buf_span(&r->text) : SPAN("Done"));
	buf_str(b, "\r\n");
}

/* The tagged reply, and what it costs the client. -1: cancelled in a delay. */
static FIBER int say(struct imap_server *sv, struct err *e)
{
	const struct imap_server_limits *l = &sv->s.opts->limits;
	bool is_bad = sv->reply.status == IMAP_BAD;
	int rc = 0;

	if (imap_server_is_over(sv))
		return 0;
	sv->s.errors = is_bad ? sv->s.errors + 1 : 0;
	if (is_bad && l->errors_soft && sv->s.errors >= l->errors_soft && l->errors_delay_ns)
		rc = fiber_sleep(l->errors_delay_ns, e);
	if (!sv->is_said)
		put_status(sv, sv->s.tag);
	if (is_bad && l->errors_hard && sv->s.errors >= l->errors_hard)
		imap_server_bye(sv, "errors", NULL, "Too many commands that make no sense");
	if (sv->is_too_much) {
		imap_server_bye(sv, "limit", "LIMIT", "Log in before you ask for so much");
		sv->is_flooded = true;
	}
	if (sv->is_auth_spent)
		imap_server_bye(sv, "auth", NULL, "Too many failed logins");
	return rc;
}

static void say_last_words(struct imap_server *sv)
{
	const char *why = sv->why;

	if (sv->is_ending)
		imap_server_bye(sv, why, NULL, buf_cstr(&sv->last_words));
}

static FIBER int greet(struct imap_server *sv, struct err *e)
{
	const struct imap_server_opts *o = sv->s.opts;
	struct imap_result *r = &sv->reply;

	imap_server_refresh(sv);
	if (imap_server_is_draining(sv)) {
		imap_server_bye(sv, "drain", "UNAVAILABLE", "Going down, come again");
		return 0;
	}
	imap_result_ok(r, NULL, "%s %s ready", o->hostname, o->software ? o->software : "IMAP");
	if (sv->decider->connect)
		sv->decider->connect(sv->ctx, &sv->s, r);
	if (r->status == IMAP_OK && !buf_len(&r->code)) {
		imap_server_refresh(sv);
		buf_str(&r->code, "CAPABILITY");
		imap_server_put_caps(sv, &r->code);
	}
	put_status(sv, SPAN(""));
	if (r->status != IMAP_OK) {
		sv->why = "refused";
		imap_server_state(sv, IMAP_STATE_LOGOUT);
	}
	return imap_flush(&sv->s, e);
}

/* ---- one command after the other ---- */

/* Memory that a connection at rest does not need. */
static void forget_command(struct imap_server *sv)
{
	bool is_busy = span_find(stream_peek(sv->s.stream), '\n') >= 0;

	sv->spent = sv->literals = 0;
	sv->is_said = false;
	buf_clear(&sv->tag);
	buf_clear(&sv->reply.code);
	buf_clear(&sv->reply.text);
	sv->s.tag = SPAN_NONE;
	if (is_busy && sv->s.cmd) {
		arena_reset(sv->s.cmd);
		return;
	}
	arena_free(&sv->s.cmd);
	buf_fini(&sv->tag);
	buf_fini(&sv->reply.code);
	buf_fini(&sv->reply.text);
	sv->turn = 0;
}

/* Wait for a command: until_ns is when patience ends. */
static FIBER int await_command(struct imap_server *sv, struct err *e)
{
	const struct imap_server_limits *l = &sv->s.opts->limits;
	int64_t until = sv->s.state == IMAP_STATE_CLEAR ? sv->login_until_ns
							: loop_now_ns() + l->autologout_ns;

	if (stream_peek(sv->s.stream).len == 0) {
		int rc = imap_flush(&sv->s, e);

		if (rc < 0 || imap_server_rest(sv, until, e) < 0)
			return -1;
	} else if (imap_relieve(&sv->s, e) < 0) {
		return -1;
	}
	sv->s.stream->deadline_ns = until;
	if (++sv->turn < IMAP_SERVER_TURN_COMMANDS)
		return 0;
	sv->turn = 0;
	return fiber_yield(e);
}

static FIBER int serve_one(struct imap_server *sv, struct err *e)
{
	struct imap_session *s = &sv->s;
	struct span line;
	bool is_read;

	forget_command(sv);
	if (await_command(sv, e) < 0)
		return -1;
	if (imap_server_is_over(sv))
		return 0;
	if (imap_server_line(sv, &line, &is_read, e) < 0)
		return -1;
	if (!is_read)
		return 0;
	if (imap_server_is_draining(sv)) {
		imap_server_bye(sv, "drain", "UNAVAILABLE", "Going down, come again");
		return 0;
	}
	s->commands++;
	sv->progress_ns = loop_now_ns() + s->opts->limits.progress_ns;
	if (imap_server_obey(sv, line, e) < 0 || say(sv, e) < 0)
		return -1;
	if (s->state == IMAP_STATE_CLEAR && ++sv->early >= s->opts->limits.commands_early)
		imap_server_bye(sv, "no login", NULL, "Log in and come to the point");
	say_last_words(sv);
	return 0;
}

/* ---- beginning and end ---- */

static void part_cancelled(struct imap_server *sv)
{
	const char *said = sv->decider->ended ? sv->decider->ended(sv->ctx, &sv->s) : NULL;

	if (said)
		imap_server_bye(sv, "login", NULL, said);
	else
		imap_server_bye(sv, "drain", "UNAVAILABLE", "Going down, come again");
}

static FIBER void linger(struct imap_server *sv)
{
	struct stream *st = sv->s.stream;
	uint64_t until = st->bytes_in + IMAP_SERVER_LINGER_OCTETS;

	stream_shutdown(st, NULL);
	stream_set_timeout(st, IMAP_SERVER_LINGER_NS);
	do
		stream_drop_input(st);
	while (st->bytes_in < until && stream_fill(st, NULL) == 0);
}

/* The connection is gone, or is to be: last words where they can still be heard. */
static FIBER void part(struct imap_server *sv, const struct err *why)
{
	struct err ignored = {0};

	if (!imap_server_is_over(sv)) {
		if (why->code == ERR_TIMEOUT)
			imap_server_bye(sv, "timeout", NULL, "Nothing was said for too long");
		else if (why->code == ERR_CANCELLED)
			part_cancelled(sv);
		else
			imap_server_state(sv, IMAP_STATE_LOGOUT);
		if (!sv->why)
			sv->why = err_code_str(why->code);
	}
	stream_set_timeout(sv->s.stream, IMAP_SERVER_BYE_NS);
	stream_flush(sv->s.stream, &ignored);
	if (sv->is_flooded)
		linger(sv);
}

static void log_session(const struct imap_server *sv, const struct err *e)
{
	const struct imap_session *s = &sv->s;

	log_event(&s->log, LOG_INFO, "imap.session", LF_STR("end", sv->why ? sv->why : "eof"),
		LF("user", s->auth_user), LF("client", s->client_name),
		LF_STR("tls", s->tls ? s->tls->version : "no"), LF_INT("commands", s->commands),
		LF_INT("in", s->stream->bytes_in), LF_INT("out", s->stream->bytes_out),
		LF_INT("ms", (loop_now_ns() - sv->start_ns) / CLOCK_MS),
		e->code && e->code != ERR_EOF ? LF_STR("error", e->text) : LF_NONE);
}

static void start(struct imap_server *sv, struct stream *st, const struct imap_server_opts *o)
{
	struct imap_session *s = &sv->s;
	struct buf peer;

	s->stream = st;
	s->opts = o;
	s->peer = &st->peer;
	s->local = &st->local;
	s->tls = st->tls;
	s->arena = arena_new();
	s->id = loop_random();
	buf_init(&peer, ADDR_TEXT_MAX);
	addr_put(&peer, &st->peer);
	log_child(&s->log, o->log);
	log_add(&s->log, LF_ID("session", s->id));
	log_add(&s->log, LF("peer", arena_span(s->arena, buf_span(&peer))));
	buf_fini(&peer);
	imap_result_init(&sv->reply);
	buf_init(&sv->tag, IMAP_TAG_MAX);
	buf_init(&sv->client, 2 * IMAP_ID_VALUE_MAX);
	buf_init(&sv->last_words, IMAP_RESULT_TEXT_MAX);
	sv->start_ns = loop_now_ns();
	sv->login_until_ns = sv->start_ns + o->limits.login_ns;
}

static void finish(struct imap_server *sv)
{
	arena_free(&sv->s.cmd);
	arena_free(&sv->s.arena);
	imap_result_fini(&sv->reply);
	buf_fini(&sv->tag);
	buf_fini(&sv->client);
	buf_fini(&sv->last_words);
}

FIBER int imap_server_run(struct stream *stream, const struct imap_server_opts *opts,
	const struct imap_decider *decider, void *ctx, struct err *e)
{
	struct imap_server *sv = NEW(struct imap_server);
	struct err why = {0};
	int rc = 0;

	sv->decider = decider;
	sv->ctx = ctx;
	start(sv, stream, opts);
	imap_server_patience(sv);
	if (opts->is_tls_implicit) {
		rc = tls_accept(stream, opts->tls, &why);
		sv->s.tls = stream->tls;
	}
	if (rc == 0)
		rc = greet(sv, &why);
	while (rc == 0 && !imap_server_is_over(sv))
		rc = serve_one(sv, &why);
	part(sv, &why);
	log_session(sv, &why);
	finish(sv);
	free(sv);
	if (rc < 0 && why.code == ERR_EOF)
		return 0;
	return rc < 0 ? err_copy(e, &why) : 0;
}
