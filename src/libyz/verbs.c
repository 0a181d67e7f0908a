/* The calls that talk: what they may be given, and which straight line does them. */

#include "libyz/libyz_priv.h"

#include <string.h>

/* ---- connecting ---- */

static FIBER int run_open(struct yz_session *s, struct call *c)
{
	int rc = connect_url(s, c->a);

	/* The MX host that was taken has greeted already. */
	return rc == YZ_OK && s->client.greeting.code == 0 ? talk_greeting(s) : rc;
}

int yz_open(struct yz_session *s, const char *url)
{
	return call_start(s, run_open, &(struct call){.a = url});
}

static FIBER int run_connect(struct yz_session *s, struct call *c)
{
	int rc = connect_url(s, c->a);

	return rc == YZ_OK ? talk_all(s) : rc;
}

int yz_connect(struct yz_session *s, const char *url)
{
	return call_start(s, run_connect, &(struct call){.a = url});
}

static FIBER int run_talk(struct yz_session *s, struct call *c)
{
	int rc = talk_check_open(s);

	return rc == YZ_OK ? talk_all(s) : rc;
}

int yz_talk(struct yz_session *s)
{
	return call_start(s, run_talk, &(struct call){.a = NULL});
}

static FIBER int run_greeting(struct yz_session *s, struct call *c)
{
	int rc = talk_check_open(s);

	if (rc != YZ_OK)
		return rc;
	if (s->client.greeting.code)
		return fail(s, YZ_E_STATE, "the greeting has been read");
	return talk_greeting(s);
}

int yz_greeting(struct yz_session *s)
{
	return call_start(s, run_greeting, &(struct call){.a = NULL});
}

/* ---- EHLO, STARTTLS, AUTH ---- */

static int check_hello(struct yz_session *s, const char *name)
{
	int rc = talk_check_open(s);

	for (const char *p = name; rc == YZ_OK && p && *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			rc = fail(s, YZ_E_INVAL, "a name to greet with has no blanks");
	if (rc == YZ_OK && name && (!*name || strlen(name) > YZ_HELLO_MAX))
		rc = fail(s, YZ_E_INVAL, "a name to greet with has 1 to %d octets", YZ_HELLO_MAX);
	return rc;
}

static FIBER int run_hello(struct yz_session *s, struct call *c)
{
	int rc = check_hello(s, c->a);

	if (rc == YZ_OK)
		rc = talk_hello(s, (enum smtp_hello)c->flag, c->a);
	if (c->reply_r)
		*c->reply_r = s->last.reply;
	return rc;
}

int yz_hello(struct yz_session *s, const char *name)
{
	return call_start(s, run_hello, &(struct call){.a = name, .flag = SMTP_HELLO_ANY});
}

int yz_ehlo(struct yz_session *s, const char *name, const struct yz_reply **reply_r)
{
	return call_start(s, run_hello,
		&(struct call){.a = name, .flag = SMTP_HELLO_EHLO, .reply_r = reply_r});
}

int yz_helo(struct yz_session *s, const char *name, const struct yz_reply **reply_r)
{
	return call_start(s, run_hello,
		&(struct call){.a = name, .flag = SMTP_HELLO_HELO, .reply_r = reply_r});
}

static FIBER int run_starttls(struct yz_session *s, struct call *c)
{
	int rc = talk_check_open(s);

	return rc == YZ_OK ? tls_starttls(s) : rc;
}

int yz_starttls(struct yz_session *s)
{
	return call_start(s, run_starttls, &(struct call){.a = NULL});
}

static FIBER int run_cmd_starttls(struct yz_session *s, struct call *c)
{
	int rc = talk_check_open(s);

	if (rc == YZ_OK)
		rc = tls_starttls_alone(s);
	if (c->reply_r)
		*c->reply_r = s->last.reply;
	return rc;
}

int yz_cmd_starttls(struct yz_session *s, const struct yz_reply **reply_r)
{
	return call_start(s, run_cmd_starttls, &(struct call){.reply_r = reply_r});
}

static FIBER int run_login(struct yz_session *s, struct call *c)
{
	int rc = talk_check_open(s);

	return rc == YZ_OK ? login(s, c->a, c->b) : rc;
}

int yz_login(struct yz_session *s, const char *user, const char *password)
{
	return call_start(s, run_login, &(struct call){.a = user, .b = password});
}

static FIBER int run_auth(struct yz_session *s, struct call *c)
{
	int rc = talk_check_open(s);

	if (rc == YZ_OK && (!c->a || !c->sasl))
		rc = fail(s, YZ_E_INVAL, "no mechanism, or no step");
	return rc == YZ_OK ? login_own(s, c->a, c->sasl, c->arg) : rc;
}

int yz_auth(struct yz_session *s, const char *mechanism, yz_sasl_fn *step, void *arg)
{
	return call_start(s, run_auth, &(struct call){.a = mechanism, .sasl = step, .arg = arg});
}

/* ---- any command ---- */

static int check_command(struct yz_session *s, const char *verb, const char *args)
{
	int rc = talk_check_open(s);

	if (rc == YZ_OK && (!verb || !*verb))
		rc = fail(s, YZ_E_INVAL, "no command");
	if (rc == YZ_OK)
		rc = talk_check_text(s, "the command", verb);
	return rc == YZ_OK && args ? talk_check_text(s, "its argument", args) : rc;
}

static FIBER int run_cmd(struct yz_session *s, struct call *c)
{
	int rc = check_command(s, c->a, c->b);

	s->phase = YZ_PHASE_COMMAND;
	if (rc == YZ_OK)
		rc = talk_command(s, c->a, c->b);
	if (c->reply_r)
		*c->reply_r = s->last.reply;
	return rc;
}

int yz_cmd(
	struct yz_session *s, const char *verb, const char *args, const struct yz_reply **reply_r)
{
	return call_start(s, run_cmd, &(struct call){.a = verb, .b = args, .reply_r = reply_r});
}

static FIBER int run_put(struct yz_session *s, struct call *c)
{
	int rc = check_command(s, c->a, c->b);
	struct err e = {0};
	const char *line;

	s->phase = YZ_PHASE_COMMAND;
	if (rc != YZ_OK)
		return rc;
	line = arena_printf(s->call_arena, "%s%s%s", c->a, c->b ? " " : "", c->b ? c->b : "");
	rc = smtp_client_put(&s->client, span_str(line), s->client.opts.timeouts.mail_ns, &e);
	return talk_result(s, rc, YZ_E_CLOSED, &e);
}

int yz_put(struct yz_session *s, const char *verb, const char *args)
{
	return call_start(s, run_put, &(struct call){.a = verb, .b = args});
}

static FIBER int run_get_reply(struct yz_session *s, struct call *c)
{
	int rc = talk_check_open(s);
	struct err e = {0};

	s->phase = YZ_PHASE_COMMAND;
	if (rc != YZ_OK)
		return rc;
	rc = smtp_client_get(&s->client, s->client.opts.timeouts.mail_ns, &e);
	rc = talk_result(s, rc, YZ_E_REPLY, &e);
	if (c->reply_r)
		*c->reply_r = s->last.reply;
	return rc;
}

int yz_get_reply(struct yz_session *s, const struct yz_reply **reply_r)
{
	return call_start(s, run_get_reply, &(struct call){.reply_r = reply_r});
}

/* ---- the verbs one by one ---- */

struct verb {
	const char *verb;
	enum yz_phase phase;
	int refused; /* what a reply that is not 2yz means */
	bool needs_args;
};

enum verb_id { VERB_MAIL, VERB_RCPT, VERB_VRFY, VERB_EXPN, VERB_HELP, VERB_NOOP, VERB_RSET };

static const struct verb verbs[] = {
	[VERB_MAIL] = {"MAIL", YZ_PHASE_MAIL, YZ_E_SENDER},
	[VERB_RCPT] = {"RCPT", YZ_PHASE_RCPT, YZ_E_RCPTS},
	[VERB_VRFY] = {"VRFY", YZ_PHASE_COMMAND, YZ_E_REPLY, true},
	[VERB_EXPN] = {"EXPN", YZ_PHASE_COMMAND, YZ_E_REPLY, true},
	[VERB_HELP] = {"HELP", YZ_PHASE_COMMAND, YZ_E_REPLY},
	[VERB_NOOP] = {"NOOP", YZ_PHASE_COMMAND, YZ_E_REPLY},
	[VERB_RSET] = {"RSET", YZ_PHASE_RSET, YZ_E_REPLY},
};

static FIBER int verb_talk(struct yz_session *s, const struct verb *v, const char *args,
	const struct yz_reply **reply_r)
{
	int rc = check_command(s, v->verb, args);

	s->phase = v->phase;
	if (rc == YZ_OK && v->needs_args && (!args || !*args))
		rc = fail(s, YZ_E_INVAL, "%s needs an argument", v->verb);
	if (rc == YZ_OK)
		rc = talk_command(s, v->verb, args);
	if (reply_r)
		*reply_r = s->last.reply;
	if (rc == YZ_OK && s->last.reply->code / 100 != 2)
		rc = fail_reply(s, v->refused);
	return rc;
}

static FIBER int run_verb(struct yz_session *s, struct call *c)
{
	return verb_talk(s, &verbs[c->flag], c->a, c->reply_r);
}

int yz_vrfy(struct yz_session *s, const char *what, const struct yz_reply **reply_r)
{
	return call_start(
		s, run_verb, &(struct call){.a = what, .flag = VERB_VRFY, .reply_r = reply_r});
}

int yz_expn(struct yz_session *s, const char *what, const struct yz_reply **reply_r)
{
	return call_start(
		s, run_verb, &(struct call){.a = what, .flag = VERB_EXPN, .reply_r = reply_r});
}

int yz_help(struct yz_session *s, const char *what, const struct yz_reply **reply_r)
{
	return call_start(s, run_verb,
		&(struct call){
			.a = what && *what ? what : NULL, .flag = VERB_HELP, .reply_r = reply_r});
}

int yz_noop(struct yz_session *s, const struct yz_reply **reply_r)
{
	return call_start(s, run_verb, &(struct call){.flag = VERB_NOOP, .reply_r = reply_r});
}

int yz_rset(struct yz_session *s, const struct yz_reply **reply_r)
{
	return call_start(s, run_verb, &(struct call){.flag = VERB_RSET, .reply_r = reply_r});
}

/* RFC 5321 section 3.3: no blank before the path, which stands in angle brackets. */
static FIBER int run_path(struct yz_session *s, struct call *c)
{
	const char *args, *path = c->a ? c->a : "";
	int rc = talk_check_text(s, "the address", path);

	if (rc == YZ_OK && c->b)
		rc = talk_check_text(s, "the parameters", c->b);
	if (rc != YZ_OK)
		return rc;
	args = arena_printf(s->call_arena, "%s:<%s>%s%s", c->flag == VERB_MAIL ? "FROM" : "TO",
		path, c->b && *c->b ? " " : "", c->b ? c->b : "");
	return verb_talk(s, &verbs[c->flag], args, c->reply_r);
}

int yz_cmd_mail(
	struct yz_session *s, const char *path, const char *params, const struct yz_reply **reply_r)
{
	return call_start(s, run_path,
		&(struct call){.a = path, .b = params, .flag = VERB_MAIL, .reply_r = reply_r});
}

int yz_cmd_rcpt(
	struct yz_session *s, const char *path, const char *params, const struct yz_reply **reply_r)
{
	return call_start(s, run_path,
		&(struct call){.a = path, .b = params, .flag = VERB_RCPT, .reply_r = reply_r});
}

static FIBER int run_data(struct yz_session *s, struct call *c)
{
	struct body *body;
	struct err e = {0};
	int rc = talk_check_open(s);

	s->phase = YZ_PHASE_DATA;
	if (rc == YZ_OK && c->flag == YZ_EOL_BINARY)
		rc = fail(s, YZ_E_INVAL, "binary octets do not go with DATA");
	if (rc != YZ_OK)
		return rc;
	body = source_body_new(s);
	body_set_octets(body, c->octets, c->n, (enum yz_eol)c->flag);
	rc = smtp_client_data(&s->client, body_source(body), &e);
	if (body_is_begun(body))
		s->phase = YZ_PHASE_FINAL;
	if (rc < 0 && body_has_failed(body)) {
		session_close(s);
		rc = fail(s, YZ_E_SOURCE, "%s", e.text);
	} else {
		rc = talk_result(s, rc, YZ_E_DATA, &e);
	}
	source_body_free(&body);
	if (c->reply_r)
		*c->reply_r = s->last.reply;
	if (rc == YZ_OK && s->last.reply->code / 100 != 2)
		rc = fail_reply(s, YZ_E_DATA);
	return rc;
}

int yz_cmd_data(struct yz_session *s, const void *octets, size_t n, enum yz_eol eol,
	const struct yz_reply **reply_r)
{
	return call_start(s, run_data,
		&(struct call){.octets = octets, .n = n, .flag = (int)eol, .reply_r = reply_r});
}

static FIBER int run_quit(struct yz_session *s, struct call *c)
{
	int rc = talk_check_open(s);

	return rc == YZ_OK ? talk_quit(s) : rc;
}

int yz_quit(struct yz_session *s)
{
	return call_start(s, run_quit, &(struct call){.a = NULL});
}
