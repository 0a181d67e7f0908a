/* The conversation: the client's calls with what the session owes its caller around them, and the
 * straight line from the greeting to the login. */

#include "libyz/libyz_priv.h"

#include <string.h>

int talk_check_open(struct yz_session *s)
{
	return s->stream ? YZ_OK : fail(s, YZ_E_STATE, "not connected");
}

int talk_check_text(struct yz_session *s, const char *what, const char *text)
{
	struct span t = span_str(text);

	if (span_has_line_break(t))
		return fail(s, YZ_E_INVAL, "%s has CR, LF or NUL", what);
	if (t.len > YZ_COMMAND_MAX)
		return fail(s, YZ_E_INVAL, "%s is too long", what);
	return YZ_OK;
}

int talk_result(struct yz_session *s, int rc, int refused, const struct err *e)
{
	const struct smtp_reply *r = &s->client.parser.reply;
	int code = YZ_OK;

	if (r->code)
		reply_keep(&s->last, r);
	else
		reply_forget(&s->last);
	if (rc < 0 && e->code == ERR_REPLY && s->last.reply)
		code = fail_reply(s, refused);
	else if (rc < 0)
		code = fail_err(s, e);
	/* RFC 5321 section 3.8: behind a 421 the server has closed. */
	if (s->client.is_over)
		session_close(s);
	return code;
}

FIBER int talk_command(struct yz_session *s, const char *verb, const char *args)
{
	struct err e = {0};
	struct buf line;
	int rc;

	buf_init(&line, 2 * YZ_COMMAND_MAX + 2);
	buf_str(&line, verb);
	if (args) {
		buf_char(&line, ' ');
		buf_str(&line, args);
	}
	rc = smtp_client_command(&s->client, buf_span(&line), s->client.opts.timeouts.mail_ns, &e);
	buf_fini(&line);
	/* Any reply is fine but a 421 that came unasked. */
	return talk_result(s, rc, YZ_E_CLOSED, &e);
}

FIBER int talk_greeting(struct yz_session *s)
{
	struct err e = {0};
	int rc;

	s->phase = YZ_PHASE_TLS;
	if (s->url && s->url->is_tls_at_once && !s->stream->tls) {
		rc = tls_begin_session(s);
		if (rc != YZ_OK)
			return rc;
	}
	s->phase = YZ_PHASE_GREETING;
	rc = smtp_client_greeting(&s->client, &e);
	if (s->client.greeting.code)
		reply_keep(&s->greeting, &s->client.greeting);
	rc = talk_result(s, rc, YZ_E_GREETING, &e);
	if (rc != YZ_OK)
		session_close(s);
	return rc;
}

FIBER int talk_hello(struct yz_session *s, enum smtp_hello verb, const char *name)
{
	struct err e = {0};
	int rc;

	s->phase = YZ_PHASE_HELLO;
	if (name) {
		s->hello_name = arena_str(s->conn, span_str(name));
		s->client.opts.hostname = s->hello_name;
	}
	reply_forget(&s->hello);
	rc = smtp_client_hello(&s->client, verb, &e);
	if (s->client.hello.code)
		reply_keep(&s->hello, &s->client.hello);
	if (rc < 0 && e.code == ERR_REPLY && s->client.ehlo.code) {
		/* Both were refused, and both are told. */
		rc = talk_result(s, rc, YZ_E_HELO, &e);
		error_fill(&s->error, YZ_E_HELO, YZ_PHASE_HELLO, e.text);
		s->error.reply = s->last.reply;
		s->error.is_temporary = e.smtp < 500;
		return rc;
	}
	return talk_result(s, rc, YZ_E_HELO, &e);
}

/* RFC 3207 section 6: TLS that must be, and is not, ends it before anything worth protecting is
 * said. */
static FIBER int talk_tls(struct yz_session *s)
{
	enum yz_tls_policy policy = tls_policy(s);
	int rc;

	if (session_has_tls(s) || policy == YZ_TLS_NEVER)
		return YZ_OK;
	if (!smtp_client_has(&s->client, SMTP_FEATURE_STARTTLS)) {
		if (policy != YZ_TLS_REQUIRED)
			return YZ_OK;
		s->phase = YZ_PHASE_TLS;
		return fail(s, YZ_E_TLS, "the server does not offer STARTTLS, and TLS is required");
	}
	rc = tls_starttls(s);
	/* The server refused the command itself (454, 501): in clear only where that is allowed. */
	if (rc == YZ_E_REPLY && policy == YZ_TLS_REQUIRED) {
		s->error.code = YZ_E_TLS;
		session_close(s);
		return YZ_E_TLS;
	}
	if (rc == YZ_E_REPLY) {
		memset(&s->error, 0, sizeof(s->error));
		return YZ_OK;
	}
	return rc;
}

FIBER int talk_all(struct yz_session *s)
{
	const char *user = s->opts.user ? s->opts.user : s->url ? s->url->user : NULL;
	int rc = YZ_OK;

	if (s->client.greeting.code == 0)
		rc = talk_greeting(s);
	if (rc == YZ_OK)
		rc = talk_hello(s, SMTP_HELLO_ANY, NULL);
	if (rc == YZ_OK)
		rc = talk_tls(s);
	if (rc == YZ_OK && (user || s->opts.mechanisms) && !(s->opts.flags & YZ_NO_AUTH))
		rc = login(s, NULL, NULL);
	if (rc != YZ_OK)
		session_close(s);
	return rc;
}

FIBER int talk_quit(struct yz_session *s)
{
	struct err e = {0};
	int rc;

	s->phase = YZ_PHASE_QUIT;
	rc = smtp_client_quit(&s->client, &e);
	if (rc == 0) /* close_notify; nobody waits for its answer */
		stream_shutdown(s->stream, NULL);
	rc = talk_result(s, rc, YZ_E_REPLY, &e);
	session_close(s);
	reply_forget(&s->hello);
	return rc;
}
