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
	smtp_reply_parser_init(&c->parser);
	c->parser.keeps_lines = opts->keeps_lines;
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
	arena_free(&c->arena);
}

int smtp_client_lost(struct smtp_client *c, enum smtp_stage stage, struct err *e)
{
	c->is_over = true;
	if (e && e->code == ERR_EOF)
		err_set(e, ERR_EOF, "the connection was closed");
	err_wrap(e, "%s", smtp_stage_str(stage));
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
}

FIBER int smtp_client_reply(struct smtp_client *c, enum smtp_stage stage, struct err *e)
{
	struct span line;

	smtp_reply_parser_reset(&c->parser);
	while (!c->parser.is_complete) {
		/* RFC 5321 section 4.5.3.1.5 allows 512 octets a line; servers say more. */
		if (stream_read_line(c->stream, SMTP_REPLY_LINE_MAX, &line, NULL, e) < 0 ||
			smtp_reply_parser_line(&c->parser, line, e) < 0)
			return smtp_client_lost(c, stage, e);
	}
	/* RFC 5321 section 3.8: 421 announces that the connection is closed, whatever was asked. */
	if (c->parser.reply.code == 421)
		c->is_over = true;
	return 0;
}

/* The reply as an error: what the peer said, told as far as a log line has room. */
static int refused(struct smtp_client *c, enum smtp_stage stage, struct err *e)
{
	const struct smtp_reply *r = &c->parser.reply;

	err_set(e, ERR_REPLY, "%s: %u " SPAN_FMT, smtp_stage_str(stage), r->code,
		SPAN_ARG(buf_span(&r->text)));
	err_smtp(e, r->code, r->cls, r->subject, r->detail);
	return err_scope_set(e, ERR_SCOPE_PEER, r->code >= 500 ? ERR_AGAIN_NEVER : ERR_AGAIN_LATER);
}

static FIBER int hello(struct smtp_client *c, struct err *e)
{
	const char *verb = c->opts.is_lmtp ? "LHLO" : "EHLO";
	bool is_ok;

	stream_set_timeout(c->stream, c->opts.timeouts.hello_ns);
	stream_printf(c->stream, "%s %s\r\n", verb, c->opts.hostname);
	if (smtp_client_reply(c, SMTP_STAGE_HELLO, e) < 0)
		return -1;
	memset(&c->caps, 0, sizeof(c->caps));
	c->is_esmtp = is_ok = c->parser.reply.code == 250;
	if (is_ok)
		smtp_caps_parse(c->arena, buf_span(&c->parser.reply.text), &c->caps);
	/* RFC 5321 section 3.2: a server without EHLO says 500, 502 (or 5xx alike); HELO must do. */
	if (!is_ok && c->parser.reply.code >= 500 && !c->opts.is_lmtp && !c->is_over) {
		stream_set_timeout(c->stream, c->opts.timeouts.hello_ns);
		stream_printf(c->stream, "HELO %s\r\n", c->opts.hostname);
		if (smtp_client_reply(c, SMTP_STAGE_HELLO, e) < 0)
			return -1;
		is_ok = c->parser.reply.code == 250;
	}
	return is_ok ? 0 : refused(c, SMTP_STAGE_HELLO, e);
}

FIBER int smtp_client_greet(struct smtp_client *c, struct err *e)
{
	stream_set_timeout(c->stream, c->opts.timeouts.greeting_ns);
	if (smtp_client_reply(c, SMTP_STAGE_GREETING, e) < 0)
		return -1;
	if (c->parser.reply.code != 220)
		return refused(c, SMTP_STAGE_GREETING, e);
	c->greeting = arena_span(c->arena, buf_span(&c->parser.reply.text));
	return hello(c, e);
}

FIBER int smtp_client_starttls(struct smtp_client *c, struct tls_client *tls, struct span name,
	bool is_verify, struct err *e)
{
	stream_set_timeout(c->stream, c->opts.timeouts.hello_ns);
	stream_put(c->stream, SPAN("STARTTLS\r\n"));
	if (smtp_client_reply(c, SMTP_STAGE_STARTTLS, e) < 0)
		return -1;
	if (c->parser.reply.code != 220)
		return refused(c, SMTP_STAGE_STARTTLS, e);
	/* Octets behind the 220 came in clear: tls_connect refuses them as an injection. */
	if (tls_connect(c->stream, tls, name, is_verify, e) < 0)
		return smtp_client_lost(c, SMTP_STAGE_STARTTLS, e);
	return hello(c, e);
}

FIBER int smtp_client_command(
	struct smtp_client *c, struct span line, int64_t timeout_ns, struct err *e)
{
	if (span_has_line_break(line)) {
		err_set(e, ERR_SYNTAX, "a command line has no CR, LF or NUL");
		return err_scope_set(e, ERR_SCOPE_MSG, ERR_AGAIN_NEVER);
	}
	stream_set_timeout(c->stream, timeout_ns);
	stream_put(c->stream, line);
	stream_put(c->stream, SPAN("\r\n"));
	return smtp_client_reply(c, SMTP_STAGE_OTHER, e);
}

FIBER void smtp_client_quit(struct smtp_client *c)
{
	if (c->is_over || c->stream->is_broken)
		return;
	stream_set_timeout(c->stream, c->opts.timeouts.quit_ns);
	stream_put(c->stream, SPAN("QUIT\r\n"));
	smtp_client_reply(c, SMTP_STAGE_OTHER, NULL);
	c->is_over = true;
}
