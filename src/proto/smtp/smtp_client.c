#include "proto/smtp/smtp_client.h"

#include <string.h>

#include "base/must.h"
#include "proto/smtp/smtp_client_priv.h"

static const char *const stage_names[SMTP_STAGE_COUNT] = {
#define X(id, text) [SMTP_STAGE_##id] = text,
	SMTP_STAGES(X)
#undef X
};

const char *smtp_stage_str(enum smtp_stage s)
{
	return (unsigned)s < SMTP_STAGE_COUNT ? stage_names[s] : "?";
}

static void default_ns(int64_t *ns, int64_t value)
{
	if (*ns == 0)
		*ns = value;
}

void smtp_client_init(
	struct smtp_client *c, struct stream *stream, const struct smtp_client_opts *opts)
{
	memset(c, 0, sizeof(*c));
	c->stream = stream;
	c->opts = *opts;
	c->arena = arena_new();
	c->said = arena_new();
	smtp_reply_parser_init(&c->parser);
	smtp_reply_init(&c->greeting);
	smtp_reply_init(&c->hello);
	smtp_reply_init(&c->ehlo);
	smtp_reply_init(&c->auth);
	default_ns(&c->opts.timeouts.greeting_ns, 5 * CLOCK_MIN);
	default_ns(&c->opts.timeouts.hello_ns, 5 * CLOCK_MIN);
	default_ns(&c->opts.timeouts.mail_ns, 5 * CLOCK_MIN);
	default_ns(&c->opts.timeouts.data_ns, 2 * CLOCK_MIN);
	default_ns(&c->opts.timeouts.block_ns, 3 * CLOCK_MIN);
	default_ns(&c->opts.timeouts.dot_ns, 10 * CLOCK_MIN);
	default_ns(&c->opts.timeouts.quit_ns, 5 * CLOCK_SEC);
}

void smtp_client_fini(struct smtp_client *c)
{
	smtp_reply_parser_fini(&c->parser);
	smtp_reply_fini(&c->greeting);
	smtp_reply_fini(&c->hello);
	smtp_reply_fini(&c->ehlo);
	smtp_reply_fini(&c->auth);
	arena_free(&c->said);
	arena_free(&c->arena);
}

/* --- replies --------------------------------------------------------------------------------- */

int smtp_client_lost(struct smtp_client *c, enum smtp_stage stage, struct err *e)
{
	c->is_over = true;
	/* Half a reply is none: its code must not be taken for an answer. */
	smtp_reply_parser_reset(&c->parser);
	if (e && e->code == ERR_EOF)
		err_set(e, ERR_EOF, "the connection was closed");
	err_wrap(e, "%s", smtp_stage_str(stage));
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

static FIBER int read_reply(struct smtp_client *c, struct err *e)
{
	struct span line;

	while (!c->parser.is_complete) {
		/* RFC 5321 section 4.5.3.1.5 allows 512 octets a line; servers say more. */
		if (stream_read_line(c->stream, SMTP_REPLY_LINE_MAX, &line, NULL, e) < 0) {
			if (e->code == ERR_LIMIT && !c->stream->is_broken)
				err_set(e, ERR_PROTO, "bad SMTP reply: line too long");
			return -1;
		}
		if (smtp_reply_parser_line(&c->parser, line, e) < 0)
			return -1;
	}
	return 0;
}

FIBER int smtp_client_reply(
	struct smtp_client *c, enum smtp_stage stage, int64_t timeout_ns, struct err *e)
{
	bool is_hello = stage == SMTP_STAGE_GREETING || stage == SMTP_STAGE_HELLO;
	struct err why = {0};

	smtp_reply_parser_reset(&c->parser);
	c->parser.is_plain = is_hello;
	c->parser.keeps_lines = c->opts.keeps_lines || is_hello || stage == SMTP_STAGE_AUTH;
	stream_set_timeout(c->stream, timeout_ns);
	if (read_reply(c, &why) < 0) {
		err_copy(e, &why);
		return smtp_client_lost(c, stage, e);
	}
	c->outstanding -= c->outstanding > 0;
	/* RFC 5321 section 3.8: 421 announces that the connection is closed, whatever was asked. */
	if (c->parser.reply.code == 421)
		c->is_over = true;
	return 0;
}

int smtp_client_refused(struct smtp_client *c, enum smtp_stage stage, struct err *e)
{
	const struct smtp_reply *r = &c->parser.reply;
	unsigned n[3] = {r->cls, r->subject, r->detail};
	struct span text = buf_span(&r->text);

	/* The greeting's own code is no part of the reply, but helps who reads the log. */
	if (r->cls == 0 && r->code >= 400)
		smtp_enhanced_take(&text, r->code, n);
	err_set(e, ERR_REPLY, "%s: %u " SPAN_FMT, smtp_stage_str(stage), r->code, SPAN_ARG(text));
	err_smtp(e, r->code, n[0], n[1], n[2]);
	return err_scope_set(e, ERR_SCOPE_PEER, r->code >= 500 ? ERR_AGAIN_NEVER : ERR_AGAIN_LATER);
}

FIBER bool smtp_client_has_input(struct smtp_client *c)
{
	struct stream *s = c->stream;
	int64_t deadline_ns = s->deadline_ns;
	struct err why = {0};
	bool has;

	if (stream_peek(s).len || s->is_eof || s->is_broken)
		return true;
	/* What waits to be sent would be sent first, within no time at all. */
	if (buf_len(&s->out) || !stream_has_input(s))
		return false;
	/* Under TLS octets may have come that are no data (session tickets). */
	s->deadline_ns = loop_now_ns();
	has = stream_fill(s, &why) == 0 || why.code != ERR_TIMEOUT;
	s->deadline_ns = deadline_ns;
	return has;
}

FIBER int smtp_client_quiet(struct smtp_client *c, enum smtp_stage stage, struct err *e)
{
	unsigned code;

	if (c->outstanding || !smtp_client_has_input(c))
		return 0;
	if (smtp_client_reply(c, stage, c->opts.timeouts.quit_ns, e) < 0)
		return -1;
	if (c->is_over) /* RFC 5321 section 3.8: it need not wait for a command */
		return smtp_client_refused(c, stage, e);
	code = c->parser.reply.code;
	err_set(e, ERR_PROTO, "a reply (%u) to no command", code);
	return smtp_client_lost(c, stage, e);
}

/* --- greeting and EHLO ----------------------------------------------------------------------- */

FIBER int smtp_client_greeting(struct smtp_client *c, struct err *e)
{
	int rc = smtp_client_reply(c, SMTP_STAGE_GREETING, c->opts.timeouts.greeting_ns, e);

	if (rc < 0)
		return -1;
	smtp_reply_copy(&c->greeting, &c->parser.reply);
	return c->parser.reply.code == 220 ? 0 : smtp_client_refused(c, SMTP_STAGE_GREETING, e);
}

static void forget(struct smtp_client *c)
{
	static const struct smtp_caps none;

	arena_reset(c->said);
	c->caps = none;
	c->is_esmtp = false;
	smtp_reply_clear(&c->hello);
	smtp_reply_clear(&c->ehlo);
}

static FIBER int say_hello(struct smtp_client *c, const char *verb, bool *is_ok_r, struct err *e)
{
	if (smtp_client_quiet(c, SMTP_STAGE_HELLO, e) < 0)
		return -1;
	stream_printf(c->stream, "%s %s\r\n", verb, c->opts.hostname);
	c->outstanding++;
	if (smtp_client_reply(c, SMTP_STAGE_HELLO, c->opts.timeouts.hello_ns, e) < 0)
		return -1;
	smtp_reply_copy(&c->hello, &c->parser.reply);
	*is_ok_r = c->parser.reply.code == 250;
	return 0;
}

static bool is_hello_name(struct span name)
{
	return name.len > 0 && !span_has_line_break(name) && span_find(name, ' ') < 0 &&
		span_find(name, '\t') < 0;
}

/* Both were refused: both are told. */
static int refused_twice(struct smtp_client *c, struct err *e)
{
	smtp_client_refused(c, SMTP_STAGE_HELLO, e);
	if (c->ehlo.code == 0)
		return -1;
	return err_wrap(e, "EHLO: %u " SPAN_FMT "; then HELO", c->ehlo.code,
		SPAN_ARG(buf_span(&c->ehlo.text)));
}

FIBER int smtp_client_hello(struct smtp_client *c, enum smtp_hello verb, struct err *e)
{
	bool is_ok = false;

	if (!is_hello_name(span_str(c->opts.hostname))) {
		err_set(e, ERR_SYNTAX, "not a name to greet with");
		return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_NEVER);
	}
	forget(c);
	if (verb == SMTP_HELLO_ANY && c->opts.is_helo_only && !c->opts.is_lmtp)
		verb = SMTP_HELLO_HELO;
	if (verb != SMTP_HELLO_HELO) {
		if (say_hello(c, c->opts.is_lmtp ? "LHLO" : "EHLO", &is_ok, e) < 0)
			return -1;
		c->is_esmtp = is_ok;
		if (is_ok)
			smtp_caps_parse(c->said, buf_span(&c->hello.lines), &c->caps);
		/* RFC 5321 section 3.2: a server without EHLO says 500, 502 (or 5xx alike); HELO
		 * must do. */
		if (is_ok || verb == SMTP_HELLO_EHLO || c->hello.code < 500 || c->opts.is_lmtp)
			return is_ok ? 0 : smtp_client_refused(c, SMTP_STAGE_HELLO, e);
		smtp_reply_copy(&c->ehlo, &c->hello);
	}
	if (say_hello(c, "HELO", &is_ok, e) < 0)
		return -1;
	return is_ok ? 0 : refused_twice(c, e);
}

FIBER int smtp_client_greet(struct smtp_client *c, struct err *e)
{
	return smtp_client_greeting(c, e) < 0 ? -1 : smtp_client_hello(c, SMTP_HELLO_ANY, e);
}

/* --- STARTTLS -------------------------------------------------------------------------------- */

FIBER int smtp_client_starttls_ask(struct smtp_client *c, struct err *e)
{
	if (smtp_client_quiet(c, SMTP_STAGE_STARTTLS, e) < 0)
		return -1;
	stream_put(c->stream, SPAN("STARTTLS\r\n"));
	c->outstanding++;
	if (smtp_client_reply(c, SMTP_STAGE_STARTTLS, c->opts.timeouts.hello_ns, e) < 0)
		return -1;
	if (c->parser.reply.code != 220)
		return smtp_client_refused(c, SMTP_STAGE_STARTTLS, e);
	forget(c); /* RFC 3207 section 4.2 */
	if (stream_peek(c->stream).len == 0)
		return 0;
	err_set(e, ERR_TLS, "octets in clear behind the 220");
	return smtp_client_lost(c, SMTP_STAGE_STARTTLS, e);
}

FIBER int smtp_client_starttls_with(struct smtp_client *c, struct tls_client *tls,
	const struct tls_connect_opts *opts, struct tls_verdict *verdict_r, struct err *e)
{
	if (smtp_client_starttls_ask(c, e) < 0)
		return -1;
	/* Octets that come in clear only now are refused by tls_connect. */
	stream_set_timeout(c->stream, c->opts.timeouts.hello_ns);
	if (tls_connect_with(c->stream, tls, opts, verdict_r, e) < 0)
		return smtp_client_lost(c, SMTP_STAGE_STARTTLS, e);
	return smtp_client_hello(c, SMTP_HELLO_ANY, e);
}

FIBER int smtp_client_starttls(struct smtp_client *c, struct tls_client *tls, struct span name,
	bool is_verify, struct err *e)
{
	struct tls_connect_opts o = {.name = name, .is_verify = is_verify};

	return smtp_client_starttls_with(c, tls, &o, NULL, e);
}

/* --- single commands ------------------------------------------------------------------------- */

static FIBER int say(struct smtp_client *c, struct span line, struct err *e)
{
	if (span_has_line_break(line)) {
		err_set(e, ERR_SYNTAX, "a command line has no CR, LF or NUL");
		return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_NEVER);
	}
	if (smtp_client_quiet(c, SMTP_STAGE_OTHER, e) < 0)
		return -1;
	stream_put(c->stream, line);
	stream_put(c->stream, SPAN("\r\n"));
	c->outstanding++;
	return 0;
}

FIBER int smtp_client_command(
	struct smtp_client *c, struct span line, int64_t timeout_ns, struct err *e)
{
	if (say(c, line, e) < 0)
		return -1;
	return smtp_client_reply(c, SMTP_STAGE_OTHER, timeout_ns, e);
}

FIBER int smtp_client_put(
	struct smtp_client *c, struct span line, int64_t timeout_ns, struct err *e)
{
	if (say(c, line, e) < 0)
		return -1;
	stream_set_timeout(c->stream, timeout_ns);
	return stream_flush(c->stream, e) < 0 ? smtp_client_lost(c, SMTP_STAGE_OTHER, e) : 0;
}

FIBER int smtp_client_get(struct smtp_client *c, int64_t timeout_ns, struct err *e)
{
	return smtp_client_reply(c, SMTP_STAGE_OTHER, timeout_ns, e);
}

FIBER int smtp_client_quit(struct smtp_client *c, struct err *e)
{
	int rc;

	smtp_reply_parser_reset(&c->parser);
	if (c->is_over || c->stream->is_broken) {
		forget(c);
		return err_set(e, ERR_STATE, "the connection is over");
	}
	stream_put(c->stream, SPAN("QUIT\r\n"));
	rc = smtp_client_reply(c, SMTP_STAGE_OTHER, c->opts.timeouts.quit_ns, e);
	if (rc == 0 && c->parser.reply.code != 221)
		rc = smtp_client_refused(c, SMTP_STAGE_OTHER, e);
	c->is_over = true;
	forget(c);
	return rc;
}
