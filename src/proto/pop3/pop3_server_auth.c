/* Logging in (RFC 1939 section 7, RFC 5034) and STLS (RFC 2595). */

#include "base/enc.h"
#include "base/secret.h"
#include "proto/pop3/pop3_server_priv.h"
#include "proto/sasl/sasl_talk.h"

static bool offer(struct pop3_server *sv, struct sasl_talk *x)
{
	sasl_talk_init(x);
	if (!pop3_server_has(sv, POP3_FEATURE_SASL) || !sv->decider->auth_offer(sv->ctx, &x->opts))
		return false;
	/* RFC 8314 section 3.1: where TLS can be had, nothing is said of a login before it. */
	if (sv->s.opts->tls && !sv->s.stream->tls)
		x->opts.mechs = "";
	x->opts.is_clear_allowed = sv->s.opts->is_clear_allowed;
	sasl_talk_bind(x, sv->s.stream);
	return true;
}

void pop3_server_offer(struct pop3_server *sv, struct buf *list)
{
	struct sasl_talk x;

	if (offer(sv, &x))
		sasl_server_offer(&x.opts, list);
	sasl_talk_fini(&x);
}

bool pop3_server_is_clear_good(const struct pop3_server *sv)
{
	return sv->s.stream->tls || sv->s.opts->is_clear_allowed;
}

/* ---- how it ended ---- */

/* Logged in: the mailbox. What goes wrong here is no failed login. */
static FIBER int open_drop(struct pop3_server *sv, struct span user, struct err *e)
{
	struct pop3_drop drop = {0};
	enum pop3_code code = POP3_CODE_NONE;
	struct err why = {0};

	sv->s.user = user;
	if (sv->decider->open(sv->ctx, &sv->s, &drop, &code, &why) == 0) {
		pop3_server_open(sv, &drop);
		pop3_server_phase(sv, POP3_PHASE_MAIL);
		pop3_server_ok(sv, "%u messages (%llu octets)", drop.count,
			(unsigned long long)drop.octets);
		return 0;
	}
	sv->decider->forget(sv->ctx);
	sv->s.user = SPAN_NONE;
	pop3_server_phase(sv, POP3_PHASE_CLEAR);
	if (why.code == ERR_CANCELLED)
		return err_copy(e, &why);
	if (code == POP3_CODE_IN_USE)
		pop3_server_err(sv, code, "Another session has this mailbox");
	else if (code == POP3_CODE_LOGIN_DELAY)
		pop3_server_err(sv, code, "%lld seconds must pass between two logins",
			(long long)sv->s.opts->login_delay_sec);
	else
		pop3_server_err(sv, POP3_CODE_SYS_TEMP, "The mailbox cannot be opened now");
	return 0;
}

/* Whatever was wrong is answered alike, and late: guessing takes time. */
static FIBER int refuse(struct pop3_server *sv, const struct err *why, struct err *e)
{
	const struct pop3_server_limits *l = &sv->s.opts->limits;

	if (why->code == ERR_CANCELLED)
		return err_copy(e, why);
	pop3_server_phase(sv, POP3_PHASE_CLEAR);
	if (why->smtp == 432) { /* RFC 4954 section 6, 4.7.12: a new password is to be set */
		pop3_server_err(sv, POP3_CODE_AUTH, "A new password is needed");
		return 0;
	}
	if (why->smtp != 535) { /* RFC 3206 section 4: not the credentials */
		pop3_server_err(sv, POP3_CODE_SYS_TEMP, "Nobody can log in now, try again later");
		return 0;
	}
	if (l->auth_delay_ns && fiber_sleep(l->auth_delay_ns, e) < 0)
		return -1;
	if (l->auth_failures && ++sv->auth_failures >= l->auth_failures)
		pop3_server_close(sv, POP3_CODE_AUTH, "auth", "Too many failed logins");
	else
		pop3_server_err(sv, POP3_CODE_AUTH, "Wrong name or password");
	return 0;
}

static void log_login(
	const struct pop3_server *sv, struct span user, const char *mech, bool is_good)
{
	log_event(&sv->s.log, LOG_INFO, "pop3.auth", LF_STR("mech", mech), LF("user", user),
		LF_STR("result", is_good ? "ok" : "refused"));
}

/* ---- USER and PASS ---- */

static bool is_tls_missing(struct pop3_server *sv)
{
	if (pop3_server_is_clear_good(sv))
		return false;
	pop3_server_err(sv, POP3_CODE_NONE, "%s",
		sv->s.opts->tls ? "Say STLS first: no password is taken in clear"
				: "No password is taken in clear here");
	return true;
}

FIBER int pop3_server_user(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	if (is_tls_missing(sv))
		return 0;
	if (c->text.len > SASL_SERVER_NAME_MAX) {
		pop3_server_err(sv, POP3_CODE_NONE, "The name is too long");
		return 0;
	}
	/* The same for everybody: who is known is nobody's business. */
	sv->name = arena_span(sv->s.arena, span_trim(c->text));
	pop3_server_phase(sv, POP3_PHASE_USER);
	pop3_server_ok(sv, "Now the password");
	return 0;
}

FIBER int pop3_server_pass(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	struct arena *a = arena_new();
	struct span password = arena_span(a, c->text), user = SPAN_NONE;
	struct err why = {0};
	int rc;

	/* What stands in the input buffer is not kept there while others are asked. */
	secret_wipe((char *)(uintptr_t)c->text.ptr, c->text.len);
	rc = sv->decider->password(sv->ctx, sv->name, password, &user, &why);
	secret_wipe((char *)(uintptr_t)password.ptr, password.len);
	arena_free(&a);
	log_login(sv, sv->name, "password", rc == 0);
	return rc == 0 ? open_drop(sv, user, e) : refuse(sv, &why, e);
}

/* ---- AUTH ---- */

static void no_mech(struct pop3_server *sv, const struct err *why)
{
	if (sv->s.opts->tls && !sv->s.stream->tls)
		pop3_server_err(sv, POP3_CODE_NONE, "Say STLS first: nobody logs in in clear");
	else
		pop3_server_err(sv, POP3_CODE_NONE, "The mechanism is not offered: %s",
			why->code == ERR_TLS ? "it needs TLS" : "see CAPA");
}

static int trouble(struct pop3_server *sv, const struct err *why)
{
	if (why->code == ERR_SYNTAX || why->code == ERR_LIMIT) {
		pop3_server_err(sv, POP3_CODE_NONE, "That response cannot be read");
	} else {
		pop3_server_err(sv, POP3_CODE_SYS_TEMP, "Nobody can log in now, try again later");
		log_event(&sv->s.log, LOG_WARN, "pop3.auth.trouble", LF_STR("error", why->text));
	}
	return 0;
}

/* Ask, and read the response. *has_r false: the exchange is over, and the client has heard why. */
static FIBER int ask(struct pop3_server *sv, struct sasl_talk *x, bool *has_r, struct err *e)
{
	struct stream *st = sv->s.stream;
	struct span line;
	struct buf text;

	*has_r = false;
	buf_init(&text, 2 * SASL_SERVER_RESPONSE_MAX);
	buf_str(&text, "+ ");
	enc_put_base64(&text, buf_span(&x->challenge));
	buf_str(&text, "\r\n");
	stream_put(st, buf_span(&text));
	buf_fini(&text);
	pop3_server_deadline(sv, sv->s.opts->limits.idle_ns);
	if (stream_read_line(st, SASL_TALK_LINE_MAX, &line, NULL, e) < 0) {
		if (!e || e->code != ERR_LIMIT || buf_len(&st->in) < SASL_TALK_LINE_MAX)
			return -1;
		trouble(sv, e);
		err_clear(e);
		return pop3_server_skip_line(sv, e);
	}
	if (span_eq(line, SPAN("*"))) /* RFC 5034 section 4 */
		pop3_server_err(sv, POP3_CODE_NONE, "Cancelled");
	else if (sasl_talk_decode(x, line, false))
		*has_r = true;
	else
		pop3_server_err(sv, POP3_CODE_NONE, "This is not base64");
	return 0;
}

static FIBER int settle(
	struct pop3_server *sv, struct sasl_server *x, bool is_accepted, struct err *e)
{
	struct pop3_login login = {.user = sasl_server_user(x),
		.identity = sasl_server_identity(x),
		.mech = sasl_server_mech(x),
		.is_accepted = is_accepted};
	struct span user = SPAN_NONE;
	struct err why = {0};
	int rc = sv->decider->login(sv->ctx, &login, &user, &why);

	log_login(sv, login.user, login.mech, rc == 0);
	return rc == 0 ? open_drop(sv, user, e) : refuse(sv, &why, e);
}

/* -1: the connection is gone; else the client has heard how it ended. */
static FIBER int exchange(
	struct pop3_server *sv, struct sasl_talk *x, bool has_response, struct err *e)
{
	enum sasl_verdict verdict;

	for (;;) {
		struct span response = has_response ? sasl_talk_response(x) : SPAN_NONE;
		struct err why = {0};

		buf_clear(&x->challenge);
		if (sasl_server_step(x->sasl, response, &x->challenge, &verdict, &why) < 0)
			return why.code == ERR_CANCELLED ? err_copy(e, &why)
				: why.smtp               ? refuse(sv, &why, e)
							 : trouble(sv, &why);
		if (verdict != SASL_MORE)
			return settle(sv, x->sasl, verdict == SASL_ACCEPTED, e);
		if (ask(sv, x, &has_response, e) < 0)
			return -1;
		if (!has_response)
			return 0;
	}
}

/* AUTH alone: old clients ask so for what there is. */
static FIBER int list_mechs(struct pop3_server *sv)
{
	struct span rest;
	struct buf list;

	buf_init(&list, SASL_TALK_LIST_MAX);
	pop3_server_offer(sv, &list);
	rest = buf_span(&list);
	pop3_server_ok(sv, "Mechanisms follow");
	for (struct span mech = span_word(&rest); mech.len; mech = span_word(&rest))
		stream_printf(sv->s.stream, SPAN_FMT "\r\n", SPAN_ARG(mech));
	stream_put(sv->s.stream, SPAN(".\r\n"));
	buf_fini(&list);
	return 0;
}

FIBER int pop3_server_auth(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	struct sasl_talk x;
	struct err why = {0};
	int rc = 0;

	if (!c->text.len)
		return list_mechs(sv);
	sv->decider->prepare(sv->ctx);
	if (offer(sv, &x) && c->text.len <= POP3_MECH_MAX)
		x.sasl = sasl_server_new(
			c->text, &x.opts, sv->decider->sasl, sv->decider->sasl_ctx(sv->ctx), &why);
	if (!x.sasl)
		no_mech(sv, &why);
	else if (!c->second.ptr)
		rc = exchange(sv, &x, false, e);
	else if (sasl_talk_decode(&x, c->second, true))
		rc = exchange(sv, &x, true, e);
	else
		pop3_server_err(sv, POP3_CODE_NONE, "This is not base64");
	sasl_talk_fini(&x);
	return rc;
}

/* ---- STLS ---- */

FIBER int pop3_server_stls(struct pop3_server *sv, const struct pop3_command *c, struct err *e)
{
	if (sv->s.stream->tls || !sv->s.opts->tls) {
		pop3_server_err(sv, POP3_CODE_NONE, "%s",
			sv->s.stream->tls ? "TLS is on already" : "TLS is not offered");
		return 0;
	}
	pop3_server_ok(sv, "Begin TLS now");
	/* What was pipelined behind the command is dropped (tls_accept), and what was said before the
	 * handshake is forgotten (RFC 2595 sections 2.4 and 4). */
	if (tls_accept(sv->s.stream, sv->s.opts->tls, e) < 0)
		return -1;
	sv->decider->forget(sv->ctx);
	sv->name = SPAN_NONE;
	sv->s.is_utf8 = false;
	return 0;
}
