/* AUTH: which mechanisms, in which order, with what. */

#include "libyz/libyz_priv.h"

#include <string.h>

#include "base/secret.h"
#include "proto/sasl/sasl_client.h"

#define LOGIN_MECHS_MAX   16
#define LOGIN_BINDING_MAX 256

/* What one login has, wiped at its end. */
struct login {
	struct sasl_client_opts sasl;
	struct buf password, token; /* from the caller's callback */
	struct buf exporter, unique;
	bool asks_password, asks_token; /* the callback is to be asked */
};

static void wipe_buf(struct buf *b)
{
	if (b->mem)
		secret_wipe(b->mem, b->cap);
	buf_fini(b);
}

static void login_fini(struct login *l)
{
	wipe_buf(&l->password);
	wipe_buf(&l->token);
	wipe_buf(&l->exporter);
	wipe_buf(&l->unique);
}

static void login_init(
	struct yz_session *s, struct login *l, const char *user, const char *password)
{
	const struct yz_options *o = &s->opts;
	const char *token = o->token;

	memset(l, 0, sizeof(*l));
	buf_init(&l->password, YZ_PASSWORD_MAX + 1);
	buf_init(&l->token, YZ_PASSWORD_MAX + 1);
	buf_init(&l->exporter, LOGIN_BINDING_MAX);
	buf_init(&l->unique, LOGIN_BINDING_MAX);
	if (!user)
		user = o->user ? o->user : s->url ? s->url->user : NULL;
	if (!password)
		password = o->password ? o->password : s->url ? s->url->password : NULL;
	if (o->secret) {
		/* Something stands there, so that the mechanisms that need it are chosen. */
		l->asks_password = !password;
		l->asks_token = !token;
		password = password ? password : "?";
		token = token ? token : "?";
	}
	if (s->stream->tls) {
		tls_channel_binding(s->stream, TLS_BINDING_EXPORTER, &l->exporter, NULL);
		tls_channel_binding(s->stream, TLS_BINDING_UNIQUE, &l->unique, NULL);
	}
	l->sasl = (struct sasl_client_opts){
		.user = span_str(user),
		.password = span_str(password),
		.authzid = span_str(o->authzid ? o->authzid : o->local_certificate_name),
		.token = span_str(token),
		.service = SPAN("smtp"),
		.host = span_str(s->host),
		.port = s->url ? s->url->port : 0,
		.tls_exporter = buf_span(&l->exporter),
		.tls_unique = buf_span(&l->unique),
		.offered = s->client.caps.auth,
		.has_tls = session_has_tls(s),
	};
}

/* Ask the caller's callback; false when it has none. */
static bool login_ask(struct yz_session *s, const char *what, struct span user, struct buf *to,
	struct span *secret_r)
{
	char *room = buf_reserve(to, YZ_PASSWORD_MAX + 1);
	const char *name = arena_str(s->call_arena, user);

	memset(room, 0, YZ_PASSWORD_MAX + 1);
	if (s->opts.secret(s->opts.secret_arg, what, name, room, YZ_PASSWORD_MAX) != 0)
		return false;
	buf_added(to, strnlen(room, YZ_PASSWORD_MAX));
	*secret_r = buf_span(to);
	return true;
}

static bool login_feed(struct yz_session *s, struct login *l, const struct sasl_mech *m)
{
	if (m->needs_password && l->asks_password) {
		if (!login_ask(s, "password", l->sasl.user, &l->password, &l->sasl.password))
			return false;
		l->asks_password = false;
	}
	if (m->needs_token && l->asks_token) {
		if (!login_ask(s, "token", l->sasl.user, &l->token, &l->sasl.token))
			return false;
		l->asks_token = false;
	}
	return true;
}

/* One mechanism. YZ_OK; YZ_E_AUTH: another may work (the error is set); else it is over. */
static FIBER int login_try(
	struct yz_session *s, struct login *l, const struct sasl_mech *m, bool *stop_r)
{
	struct err e = {0};
	struct sasl_client *sasl;
	int rc;

	*stop_r = false;
	sasl = sasl_client_new(span_str(m->name), &l->sasl, &e);
	if (!sasl)
		return fail(s, YZ_E_AUTH, "%s: %s", m->name, e.text);
	rc = smtp_client_auth_sasl(&s->client, span_str(m->name), sasl, &e);
	if (s->client.auth.code)
		reply_keep(&s->auth, &s->client.auth);
	/* RFC 7628 section 3.2.2: what is wrong with the token stands in a challenge. */
	if (rc < 0 && e.code == ERR_REPLY && sasl_client_detail(sasl).len)
		err_wrap(&e, SPAN_FMT, SPAN_ARG(sasl_client_detail(sasl)));
	sasl_client_free(&sasl);
	*stop_r = rc < 0 && (e.code != ERR_REPLY || e.smtp < 500);
	rc = talk_result(s, rc, YZ_E_AUTH, &e);
	if (rc == YZ_E_AUTH) {
		const struct yz_reply *reply = s->error.reply;
		bool is_temporary = s->error.is_temporary;

		error_fill(&s->error, YZ_E_AUTH, YZ_PHASE_AUTH, e.text);
		s->error.reply = reply;
		s->error.is_temporary = is_temporary;
	}
	if (rc == YZ_OK)
		s->auth_mechanism = m->name;
	return rc;
}

static int login_impossible(struct yz_session *s, const struct login *l, bool may_clear)
{
	const struct sasl_mech *clear[1];

	if (l->sasl.offered.len == 0)
		return fail(s, YZ_E_NOTSUPP, "the server does not offer AUTH");
	if (!may_clear &&
		sasl_client_choose(l->sasl.offered, span_str(s->opts.mechanisms), true, &l->sasl,
			clear, 1) > 0)
		return fail(s, YZ_E_NOTSUPP,
			"without TLS the server takes the password in clear only, and that is not "
			"allowed");
	return fail(s, YZ_E_NOTSUPP, "none of the server's mechanisms can be used: " SPAN_FMT,
		SPAN_ARG(span_sub(l->sasl.offered, 0, 200)));
}

static FIBER int login_all(struct yz_session *s, struct login *l)
{
	const struct sasl_mech *mechs[LOGIN_MECHS_MAX];
	bool may_clear = session_has_tls(s) || (s->opts.flags & YZ_ALLOW_CLEAR_AUTH), stop = false;
	size_t n = sasl_client_choose(l->sasl.offered, span_str(s->opts.mechanisms), may_clear,
		&l->sasl, mechs, LOGIN_MECHS_MAX);
	int rc = YZ_E_NOTSUPP;
	bool has_tried = false;

	if (n == 0)
		return login_impossible(s, l, may_clear);
	for (size_t i = 0; i < n && !stop && s->stream; i++) {
		if (!login_feed(s, l, mechs[i]))
			continue;
		has_tried = true;
		memset(&s->error, 0, sizeof(s->error));
		rc = login_try(s, l, mechs[i], &stop);
		if (rc != YZ_E_AUTH)
			return rc;
	}
	return has_tried ? rc : fail(s, YZ_E_AUTH, "there is no password and no token");
}

FIBER int login(struct yz_session *s, const char *user, const char *password)
{
	struct login l;
	int rc;

	if (s->client.hello.code == 0) {
		rc = talk_hello(s, SMTP_HELLO_ANY, NULL);
		if (rc != YZ_OK)
			return rc;
	}
	s->phase = YZ_PHASE_AUTH;
	login_init(s, &l, user, password);
	rc = login_all(s, &l);
	login_fini(&l);
	/* The copy that a call which must not block has kept. */
	if (password && step_is_nonblocking(s->step))
		secret_wipe((char *)(uintptr_t)password, strlen(password));
	return rc;
}

/* ---- a mechanism of the caller's own ---- */

struct own {
	yz_sasl_fn *step;
	void *arg;
};

static int own_step(void *arg, struct smtp_auth_step *step, struct err *e)
{
	struct own *o = arg;
	size_t n = SMTP_AUTH_RESPONSE_MAX;
	char *out = buf_reserve(step->response, n);
	int rc;

	if (!out)
		return err_set(e, ERR_LIMIT, "AUTH: the response is too long");
	rc = o->step(o->arg, step->is_first ? NULL : step->challenge.ptr,
		step->is_first ? 0 : step->challenge.len, out, &n);
	if (step->is_first && rc < 0)
		return 0; /* no initial response */
	if (rc < 0 || n > SMTP_AUTH_RESPONSE_MAX)
		return err_set(e, ERR_DENIED, "AUTH: given up by the caller");
	buf_added(step->response, n);
	step->has_response = true;
	return 0;
}

FIBER int login_own(struct yz_session *s, const char *mech, yz_sasl_fn *step, void *arg)
{
	struct own o = {step, arg};
	struct err e = {0};
	int rc;

	s->phase = YZ_PHASE_AUTH;
	rc = smtp_client_auth(&s->client, span_str(mech), own_step, &o, &e);
	if (s->client.auth.code)
		reply_keep(&s->auth, &s->client.auth);
	if (rc == 0)
		s->auth_mechanism = arena_str(s->conn, span_str(mech));
	if (rc < 0 && e.code == ERR_DENIED && !s->client.is_over) {
		talk_result(s, 0, YZ_E_AUTH, &e);
		return fail(s, YZ_E_AUTH, "%s", e.text);
	}
	return talk_result(s, rc, YZ_E_AUTH, &e);
}
