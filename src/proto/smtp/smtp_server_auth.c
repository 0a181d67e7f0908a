/* AUTH (RFC 4954): the talk around an exchange of proto/sasl. */

#include "base/enc.h"
#include "base/secret.h"
#include "proto/sasl/sasl_talk.h"
#include "proto/smtp/smtp_server_priv.h"

static bool auth_init(const struct smtp_server *sv, struct sasl_talk *x)
{
	sasl_talk_init(x);
	if (!sv->decider->auth_offer || (sv->s.opts->features_off & SMTP_FEATURE_AUTH) ||
		!sv->decider->auth_offer(sv->ctx, &sv->s, &x->opts))
		return false;
	sasl_talk_bind(x, sv->s.stream);
	return true;
}

void smtp_server_auth_offer(const struct smtp_server *sv, struct buf *list)
{
	struct sasl_talk x;

	if (auth_init(sv, &x))
		sasl_server_offer(&x.opts, list);
	sasl_talk_fini(&x);
}

bool smtp_server_auth_check(struct smtp_server *sv, const struct smtp_command *c)
{
	struct sasl_talk x;
	struct buf list;
	bool is_offered;

	buf_init(&list, SASL_TALK_LIST_MAX);
	is_offered = auth_init(sv, &x);
	if (is_offered)
		sasl_server_offer(&x.opts, &list);
	/* Without TLS perhaps all of them wait for it: 538 says so. */
	is_offered = buf_len(&list) || (is_offered && sv->s.opts->tls && !sv->s.tls);
	sasl_talk_fini(&x);
	buf_fini(&list);
	if (!is_offered)
		smtp_reply_set(&sv->reply, 502, 5, 5, 1, "AUTH is not offered");
	else if (sv->phase != SMTP_PHASE_READY)
		smtp_reply_set(&sv->reply, 503, 5, 5, 1, "%s",
			sv->phase == SMTP_PHASE_GREETED ? "Say EHLO or HELO first"
							: "Not within a transaction");
	else if (sv->s.auth_user.len) /* RFC 4954 section 4 */
		smtp_reply_set(&sv->reply, 503, 5, 5, 1, "Logged in already");
	else if (c->args.len == 0)
		smtp_reply_set(&sv->reply, 501, 5, 5, 4, "Which mechanism?");
	else
		return true;
	return false;
}

/* RFC 4954 section 4 and 6. */
static void auth_no_mech(struct smtp_server *sv, const struct sasl_talk *x, const struct err *why)
{
	/* offered, but nothing of it without TLS */
	bool is_tls_missing = !sv->s.tls && sv->s.opts->tls && !x->opts.mechs[0];

	if (why->code == ERR_TLS || is_tls_missing)
		smtp_reply_set(&sv->reply, 538, 5, 7, 11,
			"Encryption required for requested authentication mechanism");
	else
		smtp_reply_set(&sv->reply, 504, 5, 5, 4, "Authentication mechanism is not offered");
}

static void auth_trouble(struct smtp_server *sv, const struct err *why)
{
	if (why->code == ERR_SYNTAX) {
		smtp_reply_set(&sv->reply, 501, 5, 5, 2, "Cannot read that response");
	} else if (why->code == ERR_LIMIT) {
		smtp_reply_set(
			&sv->reply, 500, 5, 5, 6, "Authentication exchange line is too long");
	} else if (why->smtp >= 400) {
		smtp_reply_set(&sv->reply, why->smtp, why->enh_class, why->enh_subject,
			why->enh_detail, "Not now");
		sv->is_forgiven = why->smtp < 500;
	} else {
		smtp_reply_set(&sv->reply, 454, 4, 7, 0, "Temporary authentication failure");
		sv->is_forgiven = true;
		log_event(&sv->s.log, LOG_WARN, "smtp.in.auth.trouble", LF_STR("error", why->text));
	}
}

/* RFC 4954 section 4: 501 when it is no base64. */
static bool auth_decode(
	struct smtp_server *sv, struct sasl_talk *x, struct span text, bool is_initial)
{
	if (sasl_talk_decode(x, text, is_initial))
		return true;
	smtp_reply_set(&sv->reply, 501, 5, 5, 2, "This is not base64");
	return false;
}

/* Ask, and read the response. *has_r false: the exchange is over, sv->reply says why. */
static FIBER int auth_ask(struct smtp_server *sv, struct sasl_talk *x, bool *has_r, struct err *e)
{
	struct stream *st = sv->s.stream;
	struct span line;
	struct buf text;
	bool is_crlf;

	*has_r = false;
	buf_init(&text, 2 * SASL_SERVER_RESPONSE_MAX);
	buf_str(&text, "334 ");
	enc_put_base64(&text, buf_span(&x->challenge));
	buf_str(&text, "\r\n");
	stream_put(st, buf_span(&text));
	buf_fini(&text);
	smtp_server_deadline(sv, sv->s.opts->limits.command_ns);
	if (stream_read_line(st, SASL_TALK_LINE_MAX, &line, &is_crlf, e) < 0) {
		if (!e || e->code != ERR_LIMIT || buf_len(&st->in) < SASL_TALK_LINE_MAX)
			return -1;
		auth_trouble(sv, e);
		err_clear(e);
		return smtp_server_skip_line(sv, e);
	}
	if (!is_crlf && sv->s.opts->newlines == SMTP_NEWLINES_REFUSE)
		smtp_reply_set(&sv->reply, 500, 5, 5, 2, "Lines must end with CR LF");
	else if (span_eq(line, SPAN("*")))
		smtp_reply_set(&sv->reply, 501, 5, 7, 0, "Authentication cancelled");
	else
		*has_r = auth_decode(sv, x, line, false);
	if (line.len)
		secret_wipe((char *)(uintptr_t)line.ptr, line.len);
	return 0;
}

static void auth_keep(struct smtp_server *sv, const struct sasl_server *x)
{
	struct smtp_session *s = &sv->s;

	s->auth_user = arena_span(s->arena, sasl_server_user(x));
	s->auth_identity = arena_span(s->arena, sasl_server_identity(x));
	s->auth_mech = sasl_server_mech(x);
}

void smtp_server_auth_forget(struct smtp_server *sv)
{
	sv->s.auth_user = sv->s.auth_identity = SPAN_NONE;
	sv->s.auth_mech = NULL;
}

static FIBER int auth_verdict(
	struct smtp_server *sv, struct sasl_server *x, bool is_accepted, struct err *e)
{
	const struct smtp_server_limits *l = &sv->s.opts->limits;

	if (is_accepted) {
		auth_keep(sv, x);
		smtp_reply_set(&sv->reply, 235, 2, 7, 0, "Authentication successful");
	} else {
		smtp_reply_set(&sv->reply, 535, 5, 7, 8, "Authentication credentials invalid");
	}
	if (sv->decider->auth)
		sv->decider->auth(sv->ctx, &sv->s, is_accepted, &sv->reply);
	log_event(&sv->s.log, LOG_INFO, "smtp.in.auth", LF_STR("mech", sasl_server_mech(x)),
		LF("user", sasl_server_user(x)), LF_INT("code", sv->reply.code),
		is_accepted ? LF_NONE : LF_STR("why", sasl_server_why(x)));
	if (sv->reply.code < 400)
		return 0;
	smtp_server_auth_forget(sv);
	/* The same wait whatever was wrong: guessing takes time. */
	if (l->auth_delay_ns && fiber_sleep(l->auth_delay_ns, e) < 0)
		return -1;
	if (l->auth_failures && ++sv->auth_failures >= l->auth_failures)
		sv->is_auth_spent = true;
	return 0;
}

/* 0 and sv->reply is what to say; -1: the connection is gone. */
static FIBER int auth_run(
	struct smtp_server *sv, struct sasl_talk *x, bool has_response, struct err *e)
{
	enum sasl_verdict verdict;

	for (;;) {
		struct span response = has_response ? sasl_talk_response(x) : SPAN_NONE;
		struct err why = {0};

		buf_clear(&x->challenge);
		if (sasl_server_step(x->sasl, response, &x->challenge, &verdict, &why) < 0) {
			if (why.code == ERR_CANCELLED)
				return err_copy(e, &why);
			auth_trouble(sv, &why);
			return 0;
		}
		if (verdict != SASL_MORE)
			return auth_verdict(sv, x->sasl, verdict == SASL_ACCEPTED, e);
		if (auth_ask(sv, x, &has_response, e) < 0)
			return -1;
		if (!has_response)
			return 0;
	}
}

FIBER int smtp_server_auth(struct smtp_server *sv, struct smtp_command *c, struct err *e)
{
	struct span args = c->args, mech = span_word(&args), initial = span_trim(args);
	struct sasl_talk x;
	struct err why = {0};
	bool is_offered = auth_init(sv, &x);
	int rc = 0;

	if (is_offered)
		x.sasl = sasl_server_new(mech, &x.opts, sv->decider->sasl,
			sv->decider->sasl_ctx ? sv->decider->sasl_ctx(sv->ctx) : sv->ctx, &why);
	if (!x.sasl)
		auth_no_mech(sv, &x, &why);
	else if (span_find(initial, ' ') >= 0)
		smtp_reply_set(&sv->reply, 501, 5, 5, 4, "Too many arguments");
	else if (initial.len == 0)
		rc = auth_run(sv, &x, false, e);
	else if (auth_decode(sv, &x, initial, true))
		rc = auth_run(sv, &x, true, e);
	sasl_talk_fini(&x);
	if (rc < 0 || smtp_server_say(sv, e) < 0)
		return -1;
	if (sv->is_auth_spent && sv->phase != SMTP_PHASE_CLOSED)
		smtp_server_close(sv, "auth", 7, 0, "Too many failed logins");
	return 0;
}
