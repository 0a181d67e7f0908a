#include "services/web/web_login_priv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* OpenSSL has a type of that name, which nothing here needs. */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#undef ERR_STATE

#include "base/enc.h"
#include "base/mem.h"
#include "base/must.h"
#include "store/directory.h"

#define SECRET_KEY "web.secret"

struct web_login *web_login_new(const struct web_login_opts *opts)
{
	struct web_login *l = NEW(struct web_login);

	l->opts = *opts;
	MUST(getrandom(l->key, sizeof(l->key), 0) == sizeof(l->key));
	web_login_add_routes(l);
	return l;
}

void web_login_free(struct web_login **l)
{
	if (*l)
		secret_wipe((*l)->key, sizeof((*l)->key));
	free(*l);
	*l = NULL;
}

FIBER int web_login_begin(struct web_login *l, struct err *e)
{
	struct arena *a = arena_new();
	struct span hex = SPAN_NONE;
	struct buf *b = arena_buf(a, 2 * WEB_LOGIN_KEY);
	struct err why = {0};
	int rc = directory_setting(l->opts.store, a, SPAN(SECRET_KEY), &hex, &why);

	if (rc < 0 && why.code != ERR_NOT_FOUND) {
		rc = err_copy(e, &why);
	} else if (rc == 0 && enc_get_hex(b, hex) && buf_len(b) == sizeof(l->key)) {
		memcpy(l->key, buf_span(b).ptr, sizeof(l->key));
	} else {
		buf_clear(b);
		enc_put_hex(b, span_of(l->key, sizeof(l->key)));
		rc = directory_setting_set(l->opts.store, SPAN(SECRET_KEY), buf_span(b), e);
	}
	if (b->mem)
		secret_guard(a, span_of(b->mem, b->cap));
	arena_free(&a);
	return rc;
}

int64_t web_login_wall_ns(const struct web_login *l)
{
	return l->opts.wall_ns ? l->opts.wall_ns() : loop_wall_ns();
}

/* ---- tokens ---- */

struct span web_login_mac(
	const struct web_login *l, struct arena *a, const char *purpose, struct span text)
{
	struct span said = span_str(arena_printf(a, "%s " SPAN_FMT, purpose, SPAN_ARG(text)));
	unsigned char mac[SHA256_DIGEST_LENGTH];
	struct buf *hex = arena_buf(a, 2 * sizeof(mac));
	unsigned len = sizeof(mac);

	MUST(HMAC(EVP_sha256(), l->key, sizeof(l->key), (const unsigned char *)said.ptr, said.len,
		mac, &len));
	enc_put_hex(hex, span_of(mac, sizeof(mac)));
	return buf_span(hex);
}

int web_login_random(struct arena *a, size_t octets, struct span *hex_r, struct err *e)
{
	unsigned char *p = arena_alloc(a, octets);
	struct buf *hex = arena_buf(a, 2 * octets);

	if (RAND_bytes(p, (int)octets) != 1)
		return err_set(e, ERR_STATE, "no random octets");
	enc_put_hex(hex, span_of(p, octets));
	secret_wipe(p, octets);
	*hex_r = buf_span(hex);
	return 0;
}

static struct span hash_of(struct arena *a, struct span token)
{
	unsigned char *hash = arena_alloc(a, SHA256_DIGEST_LENGTH);

	SHA256((const unsigned char *)token.ptr, token.len, hash);
	return span_of(hash, SHA256_DIGEST_LENGTH);
}

/* ---- cookies ---- */

struct span web_login_cookie_name(const struct web_call *c, const char *suffix)
{
	return span_str(arena_printf(
		c->r->arena, "%s%s", c->r->is_https ? WEB_LOGIN_COOKIE : "yizhan", suffix));
}

int web_login_put_cookie(
	struct web_call *c, struct span name, struct span value, int64_t max_age_sec, struct err *e)
{
	struct http_cookie cookie = {.name = name,
		.value = value,
		.path = SPAN("/"),
		.max_age_sec = max_age_sec,
		.is_secure = c->r->is_https};
	struct buf *b = arena_buf(c->r->arena, 512);

	if (http_cookie_put(b, &cookie, e) < 0)
		return -1;
	http_add(c->x, "Set-Cookie", buf_span(b));
	return 0;
}

int web_login_forget_cookie(struct web_call *c, struct err *e)
{
	return web_login_put_cookie(c, web_login_cookie_name(c, ""), SPAN(""), 0, e);
}

/* The session that a cookie is of; id 0: none that counts. */
static FIBER int session_of(
	struct web_login *l, struct web_call *c, struct web_session *s, struct err *e)
{
	struct span value;
	bool is_found = false;

	*s = (struct web_session){0};
	if (!http_cookie_get(http_field(c->x, "Cookie"), web_login_cookie_name(c, ""), &value) ||
		value.len != 2 * WEB_LOGIN_TOKEN)
		return 0;
	if (web_session_find(l->opts.store, c->r->arena, hash_of(c->r->arena, value),
		    web_login_wall_ns(l), s, &is_found, e) < 0)
		return -1;
	if (!is_found)
		s->id = 0;
	return 0;
}

/* Its end moves with its use. */
static FIBER void touch(struct web_login *l, const struct web_session *s)
{
	int64_t now = web_login_wall_ns(l), idle = now + WEB_LOGIN_IDLE_NS;
	int64_t life = s->created_ns + WEB_LOGIN_LIFE_NS;
	struct err e = {0};

	if (now - s->used_ns < WEB_SESSION_STEP_NS)
		return;
	if (web_session_used(l->opts.store, s->id, now, idle < life ? idle : life, &e) < 0)
		log_event(
			l->opts.log, LOG_WARN, "web.session.used.failed", LF_STR("error", e.text));
}

FIBER int web_login_cookie(
	struct web_login *l, struct web_call *c, struct web_who *who_r, struct err *e)
{
	uint64_t generation = store_directory_generation(l->opts.store);
	struct web_session s;

	*who_r = (struct web_who){0};
	if (session_of(l, c, &s, e) < 0)
		return -1;
	if (!s.id)
		return 0;
	touch(l, &s);
	who_r->session_id = s.id;
	who_r->who = (struct auth_who){.account_id = s.account_id,
		.credential = s.credential,
		.address = s.address,
		.name = s.name,
		.mech = "cookie",
		.generation = generation};
	return 0;
}

FIBER int web_login_enter(struct web_login *l, struct web_call *c, uint64_t account_id,
	uint64_t credential, struct err *e)
{
	int64_t now = web_login_wall_ns(l);
	struct buf *peer = arena_buf(c->r->arena, ADDR_TEXT_MAX);
	struct web_session old,
		s = {.account_id = account_id,
			.credential = credential,
			.expires_ns = now + WEB_LOGIN_IDLE_NS,
			.agent = http_field(c->x, "User-Agent")};
	struct err ignored = {0};
	struct span token;

	addr_put_ip(peer, &c->r->client);
	s.peer = buf_span(peer);
	s.id = store_new_id(l->opts.store);
	if (session_of(l, c, &old, e) < 0 ||
		web_login_random(c->r->arena, WEB_LOGIN_TOKEN, &token, e) < 0)
		return -1;
	secret_guard(c->r->arena, token);
	if (old.id && old.account_id == account_id)
		web_session_end(l->opts.store, account_id, old.id, &ignored);
	if (web_session_add(
		    l->opts.store, &s, hash_of(c->r->arena, token), WEB_LOGIN_SESSIONS, now, e) < 0)
		return -1;
	return web_login_put_cookie(
		c, web_login_cookie_name(c, ""), token, WEB_LOGIN_LIFE_NS / CLOCK_SEC, e);
}

/* ---- who asks ---- */

int64_t web_login_wait(struct web_login *l, const struct web_call *c, struct span user)
{
	struct span name = account_login_name(c->r->arena, user);
	int64_t wait_ns = 0;

	if (!l->opts.guard || guard_login_may(l->opts.guard, &c->r->client, name, &wait_ns))
		return 0;
	return wait_ns / CLOCK_SEC + 1;
}

/* A browser's own dialogue for passwords must not open over the page: a challenge that it does not know
 * keeps RFC 9110 section 15.5.2 all the same. */
static FIBER int reply_401(struct web_call *c, struct err *e)
{
	bool is_browser = http_field(c->x, WEB_LOGIN_CSRF_FIELD).ptr ||
		http_field(c->x, "Sec-Fetch-Site").ptr;

	http_set(c->x, "WWW-Authenticate", SPAN("Bearer realm=\"mail\""));
	if (!is_browser)
		http_add(c->x, "WWW-Authenticate", SPAN("Basic realm=\"mail\", charset=\"UTF-8\""));
	return http_reply_error(c->x, 401, NULL, e);
}

static FIBER int reply_wait(struct web_call *c, int64_t sec, struct err *e)
{
	http_setf(c->x, "Retry-After", "%lld", (long long)sec);
	return http_reply_error(c->x, 429, "Too many failed logins. Try again later.", e);
}

/* Of a login that auth refused. */
static FIBER int reply_refused(struct web_call *c, const struct err *why, struct err *e)
{
	if (why->smtp == 454 || why->code == ERR_BUSY) {
		http_set(c->x, "Retry-After", SPAN("5"));
		return http_reply_error(c->x, 503, NULL, e);
	}
	if (!why->smtp)
		return err_copy(e, why);
	if (why->smtp == 534) {
		http_set(c->x, "WWW-Authenticate", SPAN("Bearer realm=\"mail\""));
		return http_reply_error(c->x, 401,
			"This account has a second factor: log in with an app password.", e);
	}
	return reply_401(c, e);
}

/* What auth found, for the request's lifetime. */
static void keep(struct web_call *c, const struct auth_conn *conn, struct web_who *who_r)
{
	struct arena *a = c->r->arena;

	who_r->who = conn->who;
	who_r->who.address = arena_span(a, conn->who.address);
	who_r->who.name = arena_span(a, conn->who.name);
	who_r->who.app_name = arena_span(a, conn->who.app_name);
	who_r->who.imap_off = arena_span(a, conn->who.imap_off);
	who_r->who.mech = arena_str(a, span_str(conn->who.mech));
}

/* 1: *who_r. 0: answered. */
static FIBER int by_field(struct web_login *l, struct web_call *c, struct span field,
	struct web_who *who_r, struct err *e)
{
	struct span user = SPAN_NONE, token = SPAN_NONE;
	struct secret password = {0};
	struct auth_conn conn;
	struct err why = {0};
	int64_t wait;
	int rc = -1;

	auth_conn_init_peer(&conn, l->opts.auth, ACCOUNT_SCOPE_WEB, &c->r->client);
	conn.agent = http_field(c->x, "User-Agent");
	if (field.len <= WEB_LOGIN_FIELD_MAX &&
		http_auth_basic(c->r->arena, field, &user, &password)) {
		wait = web_login_wait(l, c, user);
		rc = wait ? reply_wait(c, wait, e)
			  : auth_password(&conn, user, span_of(password.bytes, password.len), &why);
		secret_fini(&password);
		if (wait) {
			auth_conn_fini(&conn);
			return rc;
		}
	} else if (field.len <= WEB_LOGIN_FIELD_MAX && http_auth_bearer(field, &token)) {
		rc = auth_bearer(&conn, token, &why);
	} else {
		auth_conn_fini(&conn);
		return reply_401(c, e);
	}
	if (rc == 0)
		keep(c, &conn, who_r);
	auth_conn_fini(&conn);
	return rc == 0 ? 1 : reply_refused(c, &why, e);
}

static const char *const csrf_words[] = {
	[WEB_CSRF_FINE] = NULL,
	[WEB_CSRF_FOREIGN] = "This request comes from another site.",
	[WEB_CSRF_UNMARKED] = "Requests with the page's cookie need the field X-Yizhan: 1.",
	[WEB_CSRF_FORM] = "Forms are not taken here.",
	[WEB_CSRF_SILENT] =
		"This request does not tell where it comes from (Sec-Fetch-Site, Origin).",
};

FIBER int web_login_who(struct web_login *l, struct web_call *c, enum web_login_how how,
	struct web_who *who_r, struct err *e)
{
	struct span field = http_field(c->x, "Authorization");
	struct web_origin origin;
	enum web_csrf csrf;

	*who_r = (struct web_who){0};
	http_set(c->x, "Cache-Control", SPAN("no-store"));
	if (!web_login_is_private(c))
		return http_reply_error(c->x, 403, "Log in over https only.", e);
	if (field.ptr && how != WEB_LOGIN_COOKIE_ONLY)
		return by_field(l, c, field, who_r, e);
	if (web_login_cookie(l, c, who_r, e) < 0)
		return -1;
	if (!who_r->session_id)
		return reply_401(c, e);
	web_login_origin(c, &origin);
	csrf = web_login_csrf(&origin);
	if (csrf == WEB_CSRF_FINE)
		return 1;
	*who_r = (struct web_who){0};
	log_event(&c->r->log, LOG_WARN, "web.foreign", LF_STR("why", csrf_words[csrf]),
		LF("origin", origin.origin), LF("site", origin.site));
	return http_reply_error(c->x, 403, csrf_words[csrf], e);
}

FIBER bool web_login_still(struct web_login *l, const struct web_who *who)
{
	struct auth_conn conn;
	struct addr nobody = {0};
	struct err e = {0};
	bool is = true;

	if (who->session_id) {
		if (web_session_still(
			    l->opts.store, who->session_id, web_login_wall_ns(l), &is, &e) < 0)
			return e.code != ERR_CANCELLED;
		return is;
	}
	auth_conn_init_peer(&conn, l->opts.auth, ACCOUNT_SCOPE_WEB, &nobody);
	conn.who = who->who;
	is = auth_still(&conn);
	auth_conn_fini(&conn);
	return is;
}

FIBER int web_login_page(struct web_login *l, struct web_call *c, struct err *e)
{
	struct buf *to = arena_buf(c->r->arena, 4 * WEB_LOGIN_TO_MAX);
	struct web_who who;

	if (web_login_is_private(c)) {
		if (web_login_cookie(l, c, &who, e) < 0)
			return -1;
		if (who.session_id)
			return 1;
	}
	buf_str(to, "/login?to=");
	http_percent_put(to, c->r->head.path);
	if (c->r->head.query.len) {
		http_percent_put(to, SPAN("?"));
		http_percent_put(to, c->r->head.query);
	}
	http_set(c->x, "Cache-Control", SPAN("no-store"));
	return http_reply_redirect(c->x, 303, buf_ok(to) ? buf_span(to) : SPAN("/login"), e);
}
