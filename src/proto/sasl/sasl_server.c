#include "proto/sasl/sasl_server.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "base/must.h"
#include "base/secret.h"
#include "base/utf8.h"
#include "proto/sasl/sasl_server_priv.h"

/* ---- what the mechanisms share ---- */

int sasl_server_malformed(struct sasl_server *s, struct err *e)
{
	s->is_over = true;
	s->why = "malformed";
	err_set(e, ERR_SYNTAX, "%s: the response cannot be read", s->kind->name);
	return err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_NEVER);
}

void sasl_server_refuse(struct sasl_server *s, const char *why, enum sasl_verdict *verdict_r)
{
	s->is_over = true;
	s->why = why;
	*verdict_r = SASL_REFUSED;
}

bool sasl_server_name(struct buf *to, struct span name)
{
	buf_clear(to);
	return name.len <= SASL_SERVER_NAME_MAX && sasl_prep(name, to, NULL) == 0 && buf_ok(to);
}

FIBER int sasl_server_accept(struct sasl_server *s, enum sasl_verdict *verdict_r, struct err *e)
{
	bool may = true;

	if (buf_len(&s->authzid) && !span_eq(buf_span(&s->authzid), buf_span(&s->user))) {
		may = false;
		if (s->decider->may_act &&
			s->decider->may_act(
				s->ctx, buf_span(&s->user), buf_span(&s->authzid), &may, e) < 0)
			return -1;
	}
	if (!may) {
		sasl_server_refuse(s, "authzid", verdict_r);
		return 0;
	}
	s->is_over = true;
	*verdict_r = SASL_ACCEPTED;
	return 0;
}

static FIBER int server_password(
	struct sasl_server *s, struct span password, enum sasl_verdict *verdict_r, struct err *e)
{
	bool is_right = false;

	if (password.len > SASL_SERVER_SECRET_MAX)
		return sasl_server_malformed(s, e);
	if (s->decider->password &&
		s->decider->password(s->ctx, buf_span(&s->user), password, &is_right, e) < 0)
		return -1;
	if (is_right)
		return sasl_server_accept(s, verdict_r, e);
	sasl_server_refuse(s, "password", verdict_r);
	return 0;
}

/* A name, or nothing. */
static bool server_authzid(struct sasl_server *s, struct span name)
{
	return name.len == 0 || sasl_server_name(&s->authzid, name);
}

/* ---- PLAIN: RFC 4616 section 2 ---- */

static FIBER int server_plain(struct sasl_server *s, struct span response, struct buf *challenge,
	enum sasl_verdict *verdict_r, struct err *e)
{
	struct span authzid, user, password;

	if (!utf8_is_valid(response) || !span_cut(response, '\0', &authzid, &user) ||
		!span_cut(user, '\0', &user, &password) || span_find(password, 0) >= 0 ||
		password.len == 0 || !sasl_server_name(&s->user, user) ||
		!server_authzid(s, authzid))
		return sasl_server_malformed(s, e);
	return server_password(s, password, verdict_r, e);
}

/* ---- LOGIN: draft-murchison-sasl-login ---- */

static FIBER int server_login(struct sasl_server *s, struct span response, struct buf *challenge,
	enum sasl_verdict *verdict_r, struct err *e)
{
	if (s->steps == 1) {
		if (!sasl_server_name(&s->user, response))
			return sasl_server_malformed(s, e);
		buf_str(challenge, "Password:");
		return 0;
	}
	if (response.len == 0 || !utf8_is_valid(response) || span_find(response, 0) >= 0)
		return sasl_server_malformed(s, e);
	return server_password(s, response, verdict_r, e);
}

/* ---- EXTERNAL: RFC 4422 appendix A ---- */

static FIBER int server_external(struct sasl_server *s, struct span response, struct buf *challenge,
	enum sasl_verdict *verdict_r, struct err *e)
{
	bool is_known = false;

	if (!server_authzid(s, response))
		return sasl_server_malformed(s, e);
	buf_clear(&s->user);
	if (s->decider->external && s->decider->external(s->ctx, &s->user, &is_known, e) < 0)
		return -1;
	if (is_known && buf_len(&s->user))
		return sasl_server_accept(s, verdict_r, e);
	sasl_server_refuse(s, "no identity outside", verdict_r);
	return 0;
}

/* ---- OAuth ---- */

/* RFC 6750 section 2.1: "Bearer" SP b64token */
static bool server_bearer(struct span value, struct span *token_r)
{
	struct span scheme;

	if (!span_cut(value, ' ', &scheme, token_r) || !span_eq_nocase(scheme, SPAN("Bearer")) ||
		token_r->len == 0 || token_r->len > SASL_SERVER_SECRET_MAX)
		return false;
	for (size_t i = 0; i < token_r->len; i++)
		if (token_r->ptr[i] <= ' ' || token_r->ptr[i] > '~')
			return false;
	return true;
}

/* RFC 7628 section 3.2.2 */
static void server_token_error(const struct sasl_server_opts *o, struct buf *challenge)
{
	struct json_out j;

	json_out_init(&j, challenge);
	json_open_object(&j);
	json_kv_str(&j, "status", "invalid_token");
	if (o->oauth_scope && o->oauth_scope[0])
		json_kv_str(&j, "scope", o->oauth_scope);
	if (o->oauth_discovery && o->oauth_discovery[0])
		json_kv_str(&j, "openid-configuration", o->oauth_discovery);
	json_close(&j);
}

static FIBER int server_token(struct sasl_server *s, struct span token, struct buf *challenge,
	enum sasl_verdict *verdict_r, struct err *e)
{
	struct buf claimed = s->user; /* the decider says anew who it is */
	bool is_good = false;
	int rc = 0;

	buf_init(&s->user, SASL_SERVER_NAME_MAX);
	if (s->decider->token)
		rc = s->decider->token(s->ctx, buf_span(&claimed), token, &s->user, &is_good, e);
	buf_fini(&claimed);
	if (rc < 0)
		return -1;
	if (is_good && buf_len(&s->user))
		return sasl_server_accept(s, verdict_r, e);
	/* RFC 7628 section 3.2.2: said before the client's dummy answer and our refusal */
	s->why = "token";
	server_token_error(s->opts, challenge);
	return 0;
}

/* RFC 7628 section 3.1: gs2-header kvsep *kvpair kvsep */
static bool server_pairs(struct sasl_server *s, struct span response, struct span *token_r)
{
	struct span flag, name, pair;
	struct buf text;
	bool is_name, has_token = false;

	/* Channel binding is not defined for it. */
	if (!span_cut(response, ',', &flag, &response) ||
		!(span_eq(flag, SPAN("n")) || span_eq(flag, SPAN("y"))) ||
		!span_cut(response, ',', &name, &response))
		return false;
	if (name.len) {
		buf_init(&text, SASL_SERVER_NAME_MAX);
		is_name = span_starts(name, SPAN("a=")) &&
			scram_get_name(&text, span_skip(name, 2)) &&
			sasl_server_name(&s->user, buf_span(&text));
		buf_fini(&text);
		if (!is_name)
			return false;
	}
	if (!span_cut(response, '\x01', &pair, &response) || pair.len)
		return false;
	for (;;) {
		if (!span_cut(response, '\x01', &pair, &response))
			return false;
		if (pair.len == 0)
			return has_token && response.len == 0;
		if (!span_starts(pair, SPAN("auth=")))
			continue;
		if (has_token || !server_bearer(span_skip(pair, 5), token_r))
			return false;
		has_token = true;
	}
}

static FIBER int server_oauthbearer(struct sasl_server *s, struct span response,
	struct buf *challenge, enum sasl_verdict *verdict_r, struct err *e)
{
	struct span token = SPAN_NONE;

	if (s->steps > 1) {
		sasl_server_refuse(s, "token", verdict_r);
		return 0;
	}
	if (!server_pairs(s, response, &token))
		return sasl_server_malformed(s, e);
	return server_token(s, token, challenge, verdict_r, e);
}

/* https://developers.google.com/gmail/imap/xoauth2-protocol */
static FIBER int server_xoauth2(struct sasl_server *s, struct span response, struct buf *challenge,
	enum sasl_verdict *verdict_r, struct err *e)
{
	struct span user, auth, token, rest;

	if (s->steps > 1) {
		sasl_server_refuse(s, "token", verdict_r);
		return 0;
	}
	if (!span_cut(response, '\x01', &user, &rest) || !span_starts(user, SPAN("user=")) ||
		!sasl_server_name(&s->user, span_skip(user, 5)) ||
		!span_cut(rest, '\x01', &auth, &rest) || !span_starts(auth, SPAN("auth=")) ||
		!server_bearer(span_skip(auth, 5), &token) || !span_eq(rest, SPAN("\x01")))
		return sasl_server_malformed(s, e);
	return server_token(s, token, challenge, verdict_r, e);
}

/* ---- which there are ---- */

static const struct sasl_server_kind server_kinds[] = {
	{.name = "SCRAM-SHA-256-PLUS",
		.step = sasl_server_scram,
		.hash = SCRAM_SHA256,
		.needs_binding = true},
	{.name = "SCRAM-SHA-1-PLUS",
		.step = sasl_server_scram,
		.hash = SCRAM_SHA1,
		.needs_binding = true},
	{.name = "SCRAM-SHA-256", .step = sasl_server_scram, .hash = SCRAM_SHA256},
	{.name = "SCRAM-SHA-1", .step = sasl_server_scram, .hash = SCRAM_SHA1},
	{.name = "OAUTHBEARER", .step = server_oauthbearer, .is_clear = true},
	{.name = "XOAUTH2", .step = server_xoauth2, .is_clear = true},
	{.name = "EXTERNAL", .step = server_external},
	{.name = "PLAIN", .step = server_plain, .is_clear = true},
	{.name = "LOGIN", .step = server_login, .is_clear = true},
};

static const struct sasl_server_kind *server_find(struct span name)
{
	for (size_t i = 0; i < ARRAY_LEN(server_kinds); i++)
		if (span_eq_nocase(span_str(server_kinds[i].name), name))
			return &server_kinds[i];
	return NULL;
}

static bool server_has_binding(const struct sasl_server_opts *o)
{
	return o->tls_exporter.len || o->tls_unique.len || o->tls_server_end_point.len;
}

/* ERR_NONE: it can be used here. */
static enum err_code server_why_not(
	const struct sasl_server_kind *k, const struct sasl_server_opts *o)
{
	if (!k || !sasl_lists(span_str(o->mechs), span_str(k->name)))
		return ERR_UNSUPPORTED;
	if (k->is_clear && !o->has_tls && !o->is_clear_allowed)
		return ERR_TLS;
	return k->needs_binding && !server_has_binding(o) ? ERR_STATE : ERR_NONE;
}

bool sasl_server_offers_plus(const struct sasl_server_opts *o)
{
	for (size_t i = 0; i < ARRAY_LEN(server_kinds); i++)
		if (server_kinds[i].needs_binding &&
			server_why_not(&server_kinds[i], o) == ERR_NONE)
			return true;
	return false;
}

void sasl_server_offer(const struct sasl_server_opts *opts, struct buf *list)
{
	struct span mechs = span_str(opts->mechs), word;
	const char *gap = "";

	while ((word = span_word(&mechs)).len) {
		const struct sasl_server_kind *k = server_find(word);

		if (server_why_not(k, opts) != ERR_NONE)
			continue;
		buf_str(list, gap);
		buf_str(list, k->name);
		gap = " ";
	}
}

/* ---- an exchange ---- */

struct sasl_server *sasl_server_new(struct span mech, const struct sasl_server_opts *opts,
	const struct sasl_decider *decider, void *ctx, struct err *e)
{
	const struct sasl_server_kind *k = server_find(mech);
	enum err_code why = server_why_not(k, opts);
	struct sasl_server *s;

	MUST(opts->secret.len >= SASL_SERVER_SECRET_MIN);
	if (why != ERR_NONE) {
		err_set(e, why, "the mechanism is not offered here");
		return NULL;
	}
	s = NEW(struct sasl_server);
	s->kind = k;
	s->opts = opts;
	s->decider = decider;
	s->ctx = ctx;
	s->why = "";
	buf_init(&s->user, SASL_SERVER_NAME_MAX);
	buf_init(&s->authzid, SASL_SERVER_NAME_MAX);
	buf_init(&s->nonce, 2 * SCRAM_NONCE_MAX);
	buf_init(&s->bound, SASL_SERVER_RESPONSE_MAX);
	buf_init(&s->auth, 4 * SASL_SERVER_RESPONSE_MAX);
	return s;
}

void sasl_server_free(struct sasl_server **s)
{
	if (!*s)
		return;
	buf_fini(&(*s)->user);
	buf_fini(&(*s)->authzid);
	buf_fini(&(*s)->nonce);
	buf_fini(&(*s)->bound);
	buf_fini(&(*s)->auth);
	secret_wipe(&(*s)->keys, sizeof((*s)->keys));
	free(*s);
	*s = NULL;
}

FIBER int sasl_server_step(struct sasl_server *s, struct span response, struct buf *challenge,
	enum sasl_verdict *verdict_r, struct err *e)
{
	int rc;

	*verdict_r = SASL_MORE;
	MUST(!s->is_over);
	if (response.len > SASL_SERVER_RESPONSE_MAX) {
		s->is_over = true;
		return err_set(e, ERR_LIMIT, "%s: the response is too long", s->kind->name);
	}
	if (!response.ptr && !s->is_begun) {
		s->is_begun = true;
		/* No initial response: LOGIN asks, the others wait for the client's first word. */
		if (s->kind->step == server_login)
			buf_str(challenge, "Username:");
		return 0;
	}
	s->is_begun = true;
	s->steps++;
	rc = s->kind->step(s, response, challenge, verdict_r, e);
	if (rc < 0)
		s->is_over = true;
	return rc;
}

struct span sasl_server_user(const struct sasl_server *s)
{
	return buf_span(&s->user);
}

struct span sasl_server_identity(const struct sasl_server *s)
{
	return buf_span(buf_len(&s->authzid) ? &s->authzid : &s->user);
}

const char *sasl_server_why(const struct sasl_server *s)
{
	return s->why;
}

const char *sasl_server_mech(const struct sasl_server *s)
{
	return s->kind->name;
}
