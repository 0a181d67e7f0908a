/* Logging in and out: the same steps as forms of pages without script, and as JSON for the page's own dialogue
 * (which may lie over a letter that is being written).
 *
 *	POST /login {"user": …, "password": …}	-> {"state": "in", …} or {"state": "second", "step": …}
 *	POST /login {"step": …, "code": …}	-> {"state": "in", …}
 *	GET /login (Accept: application/json)	-> {"state": "in", …} or {"state": "out"}
 *	POST /logout {}				-> {"state": "out"} */

#include "base/enc.h"
#include "base/json_out.h"
#include "services/auth/totp.h"
#include "services/json/json_in.h"
#include "services/web/web_login_priv.h"

#define JSON_TYPE "application/json"

enum outcome {
	OUTCOME_IN,
	OUTCOME_SECOND, /* right so far: the code is asked for */
	OUTCOME_WRONG,
	OUTCOME_CODE, /* wrong code */
	OUTCOME_WAIT,
	OUTCOME_STALE,
	OUTCOME_BUSY,
};

struct attempt {
	struct web_login *l;
	struct web_call *c;
	bool is_json;
	struct span user, password, step, code, to, token;
	/* results */
	enum outcome outcome;
	int64_t wait_sec;
	uint64_t account_id;
	struct span address, name, next_step;
};

/* ---- between password and code ---- */

/* "account.credential.until.mac": nothing is kept of those who stop here. */
static struct span step_make(struct attempt *t, uint64_t account_id, uint64_t credential)
{
	struct arena *a = t->c->r->arena;
	int64_t until = (web_login_wall_ns(t->l) + WEB_LOGIN_STEP_NS) / CLOCK_SEC;
	const char *said = arena_printf(a, "%llx.%llx.%llx", (unsigned long long)account_id,
		(unsigned long long)credential, (unsigned long long)until);
	struct span mac = web_login_mac(t->l, a, "step", span_str(said));

	return span_str(arena_printf(a, "%s." SPAN_FMT, said, SPAN_ARG(mac)));
}

static bool hex_u64(struct span s, uint64_t *n_r)
{
	uint64_t n = 0;

	for (size_t i = 0; i < s.len; i++) {
		unsigned char c = span_lower((unsigned char)s.ptr[i]);

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
			return false;
		n = n << 4 | (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
	}
	*n_r = n;
	return s.len > 0 && s.len <= 16;
}

static bool step_read(const struct attempt *t, uint64_t *account_id_r, uint64_t *credential_r)
{
	ptrdiff_t at = span_rfind(t->step, '.');
	struct span said, account, credential, until;
	uint64_t until_sec;

	if (at < 0 || t->step.len > 256)
		return false;
	said = span_sub(t->step, 0, (size_t)at);
	if (!secret_eq(web_login_mac(t->l, t->c->r->arena, "step", said),
		    span_skip(t->step, (size_t)at + 1)))
		return false;
	span_cut(said, '.', &account, &said);
	span_cut(said, '.', &credential, &until);
	return hex_u64(account, account_id_r) && hex_u64(credential, credential_r) &&
		hex_u64(until, &until_sec) &&
		(int64_t)until_sec >= web_login_wall_ns(t->l) / CLOCK_SEC;
}

/* ---- the steps ---- */

static FIBER int enter(struct attempt *t, const struct auth_who *who, struct err *e)
{
	t->outcome = OUTCOME_IN;
	t->account_id = who->account_id;
	t->address = arena_span(t->c->r->arena, who->address);
	t->name = arena_span(t->c->r->arena, who->name);
	return web_login_enter(t->l, t->c, who->account_id, who->credential, e);
}

static FIBER int by_password(struct attempt *t, struct err *e)
{
	struct auth_conn conn;
	struct err why = {0};
	int rc;

	t->wait_sec = web_login_wait(t->l, t->c, t->user);
	if (t->wait_sec) {
		t->outcome = OUTCOME_WAIT;
		return 0;
	}
	auth_conn_init_peer(&conn, t->l->opts.auth, ACCOUNT_SCOPE_WEB, &t->c->r->client);
	conn.agent = http_field(t->c->x, "User-Agent");
	conn.is_second_asked = true;
	rc = auth_password(&conn, t->user, t->password, &why);
	if (rc == 0 && conn.who.is_half) {
		t->outcome = OUTCOME_SECOND;
		t->next_step = step_make(t, conn.who.account_id, conn.who.credential);
	} else if (rc == 0 && conn.who.app_id) {
		/* for programs: it may be good for reading only, and its end would not be the session's */
		t->outcome = OUTCOME_WRONG;
	} else if (rc == 0) {
		rc = enter(t, &conn.who, e);
		auth_conn_fini(&conn);
		return rc;
	} else if (why.smtp == 535 || why.smtp == 534) {
		t->outcome = OUTCOME_WRONG;
	} else if (why.code == ERR_CANCELLED) {
		auth_conn_fini(&conn);
		return err_copy(e, &why);
	} else {
		t->outcome = OUTCOME_BUSY;
	}
	auth_conn_fini(&conn);
	return 0;
}

/* A code of six digits by the clock, or a recovery code; either is taken once. */
static FIBER int is_code_good(struct attempt *t, uint64_t account_id, bool *yes_r, struct err *e)
{
	struct arena *a = t->c->r->arena;
	int64_t now = web_login_wall_ns(t->l), step;
	struct buf *hash = arena_buf(a, RECOVERY_HASH);
	struct totp totp;

	*yes_r = false;
	if (totp_get(t->l->opts.store, a, account_id, &totp, e) < 0)
		return -1;
	secret_guard(a, totp.secret);
	if (!totp.is_on)
		return 0;
	step = totp_step_of(totp.secret, t->code, now / CLOCK_SEC);
	if (step)
		return totp_take(t->l->opts.store, account_id, step, yes_r, e);
	if (!recovery_hash(t->code, hash))
		return 0;
	return recovery_take(t->l->opts.store, account_id, buf_span(hash), now, yes_r, e);
}

static FIBER int by_code(struct attempt *t, struct err *e)
{
	struct account_login login = {0};
	uint64_t account_id = 0, credential = 0;
	bool is_found = false, yes = false;
	struct auth_conn conn;

	t->outcome = OUTCOME_STALE;
	if (!step_read(t, &account_id, &credential))
		return 0;
	if (account_login_get(t->l->opts.store, t->c->r->arena, account_id, &login, &is_found, e) <
		0)
		return -1;
	if (!is_found || login.is_suspended || login.is_removed || login.credential != credential ||
		(login.scopes_off & ACCOUNT_SCOPE_WEB))
		return 0;
	t->wait_sec = web_login_wait(t->l, t->c, login.address);
	if (t->wait_sec) {
		t->outcome = OUTCOME_WAIT;
		return 0;
	}
	if (is_code_good(t, account_id, &yes, e) < 0)
		return -1;
	auth_conn_init_peer(&conn, t->l->opts.auth, ACCOUNT_SCOPE_WEB, &t->c->r->client);
	conn.agent = http_field(t->c->x, "User-Agent");
	conn.is_second_asked = true;
	auth_second(&conn, &login, yes);
	auth_conn_fini(&conn);
	t->next_step = t->step;
	t->outcome = OUTCOME_CODE;
	if (!yes)
		return 0;
	struct auth_who who = {.account_id = login.id,
		.credential = login.credential,
		.address = login.address,
		.name = login.name};

	return enter(t, &who, e);
}

/* ---- what is answered ---- */

static void put_who(struct json_out *j, uint64_t account_id, struct span address, struct span name)
{
	struct buf id;

	buf_init(&id, 32);
	enc_put_object(&id, 'A', account_id);
	json_kv_span(j, "accountId", buf_span(&id));
	json_kv_span(j, "address", address);
	json_kv_span(j, "name", name);
	buf_fini(&id);
}

static const struct {
	unsigned status;
	const char *state;
	enum web_login_note note;
} outcomes[] = {
	[OUTCOME_IN] = {200, "in", WEB_LOGIN_NOTE_NONE},
	[OUTCOME_SECOND] = {200, "second", WEB_LOGIN_NOTE_NONE},
	[OUTCOME_WRONG] = {401, "wrong", WEB_LOGIN_NOTE_WRONG},
	[OUTCOME_CODE] = {401, "code", WEB_LOGIN_NOTE_CODE},
	[OUTCOME_WAIT] = {429, "wait", WEB_LOGIN_NOTE_WAIT},
	[OUTCOME_STALE] = {403, "stale", WEB_LOGIN_NOTE_STALE},
	[OUTCOME_BUSY] = {503, "busy", WEB_LOGIN_NOTE_BUSY},
};

static void put_status_fields(struct attempt *t, unsigned status)
{
	http_set(t->c->x, "Cache-Control", SPAN("no-store"));
	if (status == 401)
		http_set(t->c->x, "WWW-Authenticate", SPAN("Bearer realm=\"mail\""));
	if (status == 429)
		http_setf(t->c->x, "Retry-After", "%lld", (long long)t->wait_sec);
	if (status == 503)
		http_set(t->c->x, "Retry-After", SPAN("5"));
}

static FIBER int tell_json(struct attempt *t, struct err *e)
{
	unsigned status = outcomes[t->outcome].status;
	struct buf *b = arena_buf(t->c->r->arena, 16 * 1024);
	struct json_out j;

	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_str(&j, "state", outcomes[t->outcome].state);
	if (t->outcome == OUTCOME_IN)
		put_who(&j, t->account_id, t->address, t->name);
	if (t->outcome == OUTCOME_SECOND || t->outcome == OUTCOME_CODE)
		json_kv_span(&j, "step", t->next_step);
	if (t->outcome == OUTCOME_WAIT)
		json_kv_i64(&j, "seconds", t->wait_sec);
	json_close(&j);
	put_status_fields(t, status);
	return http_reply(t->c->x, status, JSON_TYPE, buf_span(b), e);
}

static struct span where_to(struct span to)
{
	return web_login_is_own_path(to) ? to : SPAN(WEB_LOGIN_HOME);
}

static FIBER int tell_page(struct attempt *t, struct err *e)
{
	bool is_code = t->outcome == OUTCOME_SECOND || t->outcome == OUTCOME_CODE ||
		(t->outcome == OUTCOME_WAIT && t->step.len);
	struct web_login_screen s = {
		.view = is_code ? WEB_LOGIN_VIEW_CODE : WEB_LOGIN_VIEW_PASSWORD,
		.note = outcomes[t->outcome].note,
		.wait_sec = t->wait_sec,
		.user = t->user,
		.to = t->to,
		.step = t->next_step.len ? t->next_step : t->step};

	if (t->outcome == OUTCOME_IN) {
		http_set(t->c->x, "Cache-Control", SPAN("no-store"));
		return http_reply_redirect(t->c->x, 303, where_to(t->to), e);
	}
	put_status_fields(t, outcomes[t->outcome].status);
	return web_login_show(t->l, t->c, outcomes[t->outcome].status, &s, e);
}

static FIBER int tell(struct attempt *t, struct err *e)
{
	return t->is_json ? tell_json(t, e) : tell_page(t, e);
}

/* ---- requests ---- */

static bool is_json_request(const struct web_call *c)
{
	struct span name, rest;

	span_cut(http_field(c->x, "Content-Type"), ';', &name, &rest);
	return span_eq_nocase(span_trim(name), SPAN(JSON_TYPE));
}

/* The token of a form goes with a cookie that only we can set: no other site makes somebody log in. */
static bool is_form_ours(struct attempt *t)
{
	struct span value;

	return http_cookie_get(http_field(t->c->x, "Cookie"), web_login_cookie_name(t->c, "-form"),
		       &value) &&
		secret_eq(web_login_mac(t->l, t->c->r->arena, "form", value), t->token);
}

static void read_form(struct attempt *t, struct span body)
{
	static const struct span names[] = {SPAN("user"), SPAN("password"), SPAN("step"),
		SPAN("code"), SPAN("to"), SPAN("token")};
	struct span *values[] = {&t->user, &t->password, &t->step, &t->code, &t->to, &t->token};

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		http_form_get(t->c->r->arena, body, names[i], values[i]);
}

static void read_json(struct attempt *t, const struct json_in *doc)
{
	struct arena *a = t->c->r->arena;

	t->user = arena_span(a, json_in_text(doc, "user"));
	t->password = arena_span(a, json_in_text(doc, "password"));
	t->step = arena_span(a, json_in_text(doc, "step"));
	t->code = arena_span(a, json_in_text(doc, "code"));
}

/* False: it is answered or an error, with *rc_r. */
static FIBER bool read_request(struct attempt *t, int *rc_r, struct err *e)
{
	struct web_origin origin;
	struct json_in *doc;
	struct span body;

	*rc_r = -1;
	t->is_json = is_json_request(t->c);
	web_login_origin(t->c, &origin);
	if ((t->is_json ? web_login_csrf(&origin) : web_login_csrf_form(&origin)) !=
		WEB_CSRF_FINE) {
		*rc_r = http_reply_error(
			t->c->x, 403, "This request does not come from the page.", e);
		return false;
	}
	if (http_body_read_all(t->c->x, WEB_LOGIN_BODY_MAX, &body, e) < 0)
		return false;
	secret_guard(t->c->r->arena, body);
	if (!t->is_json) {
		read_form(t, body);
	} else {
		doc = json_in_parse(body, e);
		if (!doc)
			return false;
		read_json(t, doc);
		json_in_free(&doc);
	}
	secret_guard(t->c->r->arena, t->password);
	return true;
}

static FIBER int log_in(void *arg, struct web_call *c, struct err *e)
{
	struct attempt t = {.l = arg, .c = c};
	int rc;

	if (!web_login_is_private(c))
		return web_login_show(
			t.l, c, 403, &(struct web_login_screen){.note = WEB_LOGIN_NOTE_PUBLIC}, e);
	if (!read_request(&t, &rc, e))
		return rc;
	if (!t.is_json && !is_form_ours(&t))
		t.outcome = OUTCOME_STALE;
	else if ((t.step.len ? by_code(&t, e) : by_password(&t, e)) < 0)
		return -1;
	return tell(&t, e);
}

/* A link from elsewhere comes without our cookie (SameSite=Strict), though the person may be logged in: the
 * page asks once more, by itself. */
static FIBER int ask_again(struct web_call *c, struct span to, struct err *e)
{
	struct buf *b = arena_buf(c->r->arena, WEB_LOGIN_PAGE_MAX);

	buf_str(b,
		"<!doctype html>\n<meta charset=\"utf-8\">\n"
		"<meta name=\"color-scheme\" content=\"light dark\">\n<title>…</title>\n"
		"<meta http-equiv=\"refresh\" content=\"0;url=/login?to=");
	http_percent_put(b, to);
	buf_str(b, "\">\n");
	return http_reply(c->x, 200, "text/html; charset=utf-8", buf_span(b), e);
}

static FIBER int tell_state(struct web_call *c, const struct web_who *who, struct err *e)
{
	struct buf *b = arena_buf(c->r->arena, 4096);
	struct json_out j;

	json_out_init(&j, b);
	json_open_object(&j);
	json_kv_str(&j, "state", who->session_id ? "in" : "out");
	if (who->session_id)
		put_who(&j, who->who.account_id, who->who.address, who->who.name);
	json_close(&j);
	return http_reply(c->x, 200, JSON_TYPE, buf_span(b), e);
}

static FIBER int show_login(void *arg, struct web_call *c, struct err *e)
{
	struct web_login *l = arg;
	struct web_login_screen s = {.view = WEB_LOGIN_VIEW_PASSWORD};
	struct span accept = http_field_list(c->x, "Accept"), left;
	struct web_who who;

	http_set(c->x, "Cache-Control", SPAN("no-store"));
	http_set(c->x, "Vary", SPAN("Accept, Accept-Language, Cookie"));
	if (!web_login_is_private(c)) {
		s.note = WEB_LOGIN_NOTE_PUBLIC;
		return web_login_show(l, c, 403, &s, e);
	}
	if (web_login_cookie(l, c, &who, e) < 0)
		return -1;
	if (http_accept_type(accept, SPAN(JSON_TYPE)) > http_accept_type(accept, SPAN("text/html")))
		return tell_state(c, &who, e);
	http_form_get(c->r->arena, c->r->head.query, SPAN("to"), &s.to);
	s.to = where_to(s.to);
	if (who.session_id)
		return http_reply_redirect(c->x, 303, s.to, e);
	if (span_eq(http_field(c->x, "Sec-Fetch-Site"), SPAN("cross-site")))
		return ask_again(c, s.to, e);
	if (http_form_get(c->r->arena, c->r->head.query, SPAN("left"), &left))
		s.note = WEB_LOGIN_NOTE_LEFT;
	return web_login_show(l, c, 200, &s, e);
}

/* ---- logging out ---- */

/* A page with a button: a GET changes nothing. */
static FIBER int show_logout(void *arg, struct web_call *c, struct err *e)
{
	struct web_login_screen s = {.view = WEB_LOGIN_VIEW_LEAVE};
	struct web_login *l = arg;
	struct web_who who;

	http_set(c->x, "Cache-Control", SPAN("no-store"));
	if (web_login_cookie(l, c, &who, e) < 0)
		return -1;
	if (!who.session_id)
		return http_reply_redirect(c->x, 303, SPAN("/login"), e);
	s.user = who.who.address;
	return web_login_show(l, c, 200, &s, e);
}

static FIBER int log_out(void *arg, struct web_call *c, struct err *e)
{
	struct attempt t = {.l = arg, .c = c};
	struct web_who who;
	struct err why = {0};
	int rc;

	if (!read_request(&t, &rc, e))
		return rc;
	if (!t.is_json && !is_form_ours(&t)) {
		struct web_login_screen s = {
			.view = WEB_LOGIN_VIEW_LEAVE, .note = WEB_LOGIN_NOTE_STALE};

		return web_login_show(t.l, c, 403, &s, e);
	}
	if (web_login_cookie(t.l, c, &who, e) < 0)
		return -1;
	if (who.session_id &&
		web_session_end(t.l->opts.store, who.who.account_id, who.session_id, &why) < 0 &&
		why.code != ERR_NOT_FOUND)
		return err_copy(e, &why);
	if (web_login_forget_cookie(c, e) < 0)
		return -1;
	http_set(c->x, "Cache-Control", SPAN("no-store"));
	/* what the page has kept on this machine goes too */
	http_set(c->x, "Clear-Site-Data", SPAN("\"storage\""));
	if (t.is_json)
		return http_reply(c->x, 200, JSON_TYPE, SPAN("{\"state\":\"out\"}"), e);
	return http_reply_redirect(c->x, 303, SPAN("/login?left=1"), e);
}

/* ---- the frame of letters ---- */

/* An empty page of its own policy, which the page fills with a letter: whatever gets past the page's care is
 * stopped here. Nothing of it is fetched from anywhere else, and nothing of it runs. */
static FIBER int frame(void *arg, struct web_call *c, struct err *e)
{
	(void)arg;
	http_set(c->x, "Content-Security-Policy", SPAN(WEB_FRAME_POLICY));
	http_set(c->x, "Cache-Control", SPAN("public, max-age=86400"));
	return http_reply(c->x, 200, "text/html; charset=utf-8",
		SPAN("<!doctype html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n<title></title>\n"
		     "</head>\n<body></body>\n</html>\n"),
		e);
}

void web_login_add_routes(struct web_login *l)
{
	const struct web_route routes[] = {
		{NULL, "/login", WEB_GET, 0, show_login, l},
		{NULL, "/login", WEB_POST, WEB_LOGIN_BODY_MAX, log_in, l},
		{NULL, "/logout", WEB_GET, 0, show_logout, l},
		{NULL, "/logout", WEB_POST, WEB_LOGIN_BODY_MAX, log_out, l},
		{NULL, "/frame", WEB_GET, 0, frame, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(routes); i++)
		web_add(l->opts.web, &routes[i]);
}
