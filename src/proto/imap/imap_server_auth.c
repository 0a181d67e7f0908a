/* AUTHENTICATE (RFC 9051 section 6.2.2, SASL-IR in RFC 4959) and LOGIN, which is PLAIN in other words:
 * the talk around an exchange of proto/sasl. */

#include <string.h>

#include "base/enc.h"
#include "base/secret.h"
#include "proto/imap/imap_server_priv.h"
#include "proto/sasl/sasl_talk.h"

static bool auth_init(const struct imap_server *sv, struct sasl_talk *x)
{
	sasl_talk_init(x);
	if (!sv->decider->auth_offer || !sv->decider->sasl ||
		!sv->decider->auth_offer(sv->ctx, &sv->s, &x->opts))
		return false;
	sasl_talk_bind(x, sv->s.stream);
	return true;
}

void imap_server_auth_offer(const struct imap_server *sv, struct buf *list)
{
	struct sasl_talk x;

	if (auth_init(sv, &x))
		sasl_server_offer(&x.opts, list);
	sasl_talk_fini(&x);
}

bool imap_server_has_login(const struct imap_server *sv)
{
	struct buf list;
	struct span rest, word;
	bool has = false;

	buf_init(&list, SASL_TALK_LIST_MAX);
	imap_server_auth_offer(sv, &list);
	rest = buf_span(&list);
	while (!has && (word = span_word(&rest)).len)
		has = span_eq(word, SPAN("PLAIN"));
	buf_fini(&list);
	return has;
}

/* RFC 9051 section 6.2.2, RFC 5530 */
static void auth_no_mech(struct imap_server *sv, const struct err *why)
{
	if (why->code == ERR_TLS)
		imap_result_no(&sv->reply, "PRIVACYREQUIRED", "Not without TLS");
	else
		imap_result_no(&sv->reply, "CANNOT", "That mechanism is not offered");
}

static int auth_trouble(struct imap_server *sv, const struct err *why, struct err *e)
{
	if (why->code == ERR_SYNTAX)
		return imap_result_bad(&sv->reply, NULL, "Cannot read that response");
	if (why->code == ERR_LIMIT)
		return imap_result_bad(&sv->reply, "LIMIT", "The response is too long");
	if (why->code == ERR_CANCELLED || sv->s.stream->is_broken)
		return err_copy(e, why);
	log_event(&sv->s.log, LOG_WARN, "imap.auth.trouble", LF_STR("error", why->text));
	return imap_result_no(&sv->reply, "UNAVAILABLE", "Cannot look that up now, try again");
}

static bool auth_decode(
	struct imap_server *sv, struct sasl_talk *x, struct span text, bool is_initial)
{
	if (sasl_talk_decode(x, text, is_initial))
		return true;
	imap_result_bad(&sv->reply, NULL, "This is not base64");
	return false;
}

/* Ask, and read the response. *has_r false: the exchange is over, the reply says why. */
static FIBER int auth_ask(struct imap_server *sv, struct sasl_talk *x, bool *has_r, struct err *e)
{
	struct stream *st = sv->s.stream;
	struct err why = {0};
	struct span line;
	struct buf text;

	*has_r = false;
	buf_init(&text, 2 * SASL_SERVER_RESPONSE_MAX);
	buf_str(&text, "+ ");
	enc_put_base64(&text, buf_span(&x->challenge));
	buf_str(&text, "\r\n");
	stream_put(st, buf_span(&text));
	buf_fini(&text);
	if (imap_flush(&sv->s, e) < 0)
		return -1;
	imap_server_patience(sv);
	if (stream_read_line(st, SASL_TALK_LINE_MAX, &line, NULL, &why) < 0) {
		if (why.code != ERR_LIMIT)
			return err_copy(e, &why);
		imap_result_bad(&sv->reply, "LIMIT", "The response is too long");
		sv->is_too_much = true;
		return 0;
	}
	if (span_eq(line, SPAN("*")))
		imap_result_bad(&sv->reply, NULL, "AUTHENTICATE cancelled");
	else
		*has_r = auth_decode(sv, x, line, false);
	return 0;
}

void imap_server_auth_forget(struct imap_server *sv)
{
	sv->s.auth_user = sv->s.auth_identity = SPAN_NONE;
	sv->s.auth_mech = NULL;
}

static void auth_keep(struct imap_server *sv, const struct sasl_server *x)
{
	struct imap_session *s = &sv->s;

	s->auth_user = arena_span(s->arena, sasl_server_user(x));
	s->auth_identity = arena_span(s->arena, sasl_server_identity(x));
	s->auth_mech = sasl_server_mech(x);
}

static void auth_enter(struct imap_server *sv)
{
	struct imap_result *r = &sv->reply;

	imap_server_state(sv, IMAP_STATE_AUTH);
	imap_server_refresh(sv);
	if (buf_len(&r->code))
		return;
	buf_str(&r->code, "CAPABILITY");
	imap_server_put_caps(sv, &r->code);
}

static FIBER int auth_verdict(struct imap_server *sv, struct sasl_server *x, bool is_accepted,
	const char *way, struct err *e)
{
	const struct imap_server_limits *l = &sv->s.opts->limits;
	struct imap_result *r = &sv->reply;

	if (is_accepted) {
		auth_keep(sv, x);
		imap_result_ok(r, NULL, "Logged in");
	} else {
		imap_result_no(r, "AUTHENTICATIONFAILED", "That is not right");
	}
	if (sv->decider->auth)
		sv->decider->auth(sv->ctx, &sv->s, is_accepted, r);
	log_event(&sv->s.log, LOG_INFO, "imap.auth", LF_STR("mech", way),
		LF("user", sasl_server_user(x)), LF_STR("ok", r->status == IMAP_OK ? "yes" : "no"),
		is_accepted ? LF_NONE : LF_STR("why", sasl_server_why(x)));
	if (r->status == IMAP_OK) {
		auth_enter(sv);
		return 0;
	}
	imap_server_auth_forget(sv);
	/* The same wait whatever was wrong: guessing takes time. */
	if (l->auth_delay_ns && fiber_sleep(l->auth_delay_ns, e) < 0)
		return -1;
	if (l->auth_failures && ++sv->auth_failures >= l->auth_failures)
		sv->is_auth_spent = true;
	return 0;
}

/* 0 and the reply is what to say; -1: the connection is gone. */
static FIBER int auth_run(struct imap_server *sv, struct sasl_talk *x, bool has_response,
	const char *way, struct err *e)
{
	enum sasl_verdict verdict;

	for (;;) {
		struct span response = has_response ? sasl_talk_response(x) : SPAN_NONE;
		struct err why = {0};

		buf_clear(&x->challenge);
		if (sasl_server_step(x->sasl, response, &x->challenge, &verdict, &why) < 0)
			return auth_trouble(sv, &why, e);
		if (verdict != SASL_MORE)
			return auth_verdict(sv, x->sasl, verdict == SASL_ACCEPTED, way, e);
		if (auth_ask(sv, x, &has_response, e) < 0)
			return -1;
		if (!has_response)
			return 0;
	}
}

static bool auth_open(struct imap_server *sv, struct sasl_talk *x, struct span mech)
{
	const struct imap_decider *d = sv->decider;
	struct err why = {0};

	if (auth_init(sv, x))
		x->sasl = sasl_server_new(mech, &x->opts, d->sasl,
			d->sasl_ctx ? d->sasl_ctx(sv->ctx) : sv->ctx, &why);
	if (!x->sasl)
		auth_no_mech(sv, &why);
	return x->sasl != NULL;
}

FIBER int imap_server_authenticate(
	struct imap_server *sv, const struct imap_command *c, struct err *e)
{
	bool has_response = c->secret.ptr != NULL;
	struct sasl_talk x;
	int rc = 0;

	if (has_response && !imap_has(&sv->s, IMAP_BIT(SASL_IR)))
		return imap_result_bad(&sv->reply, NULL, "No initial response here");
	/* RFC 4959 section 3: "=" is the empty one */
	if (auth_open(sv, &x, c->word1) && (!has_response || auth_decode(sv, &x, c->secret, true)))
		rc = auth_run(sv, &x, has_response, sasl_server_mech(x.sasl), e);
	sasl_talk_fini(&x);
	return rc;
}

static bool has_nul(struct span s)
{
	return s.len && memchr(s.ptr, 0, s.len);
}

FIBER int imap_server_login(struct imap_server *sv, const struct imap_command *c, struct err *e)
{
	struct sasl_talk x;
	int rc = 0;

	/* RFC 9051 section 6.2.3: not where LOGINDISABLED is told */
	if (!auth_open(sv, &x, SPAN("PLAIN"))) {
		sasl_talk_fini(&x);
		return 0;
	}
	buf_char(&x.response, '\0');
	buf_span_put(&x.response, c->user);
	buf_char(&x.response, '\0');
	buf_span_put(&x.response, c->secret);
	/* RFC 4616: a NUL would end them */
	if (has_nul(c->user) || has_nul(c->secret))
		imap_result_bad(&sv->reply, NULL, "NUL in a name or password");
	else if (!buf_ok(&x.response))
		imap_result_bad(&sv->reply, "LIMIT", "That is too long");
	else
		rc = auth_run(sv, &x, true, "LOGIN", e);
	sasl_talk_fini(&x);
	if (c->secret.len)
		secret_wipe((char *)(uintptr_t)c->secret.ptr, c->secret.len);
	return rc;
}
