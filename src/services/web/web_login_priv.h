#pragma once
/* Between the files of logging in over HTTP:
 *
 *	web_login.c		who asks: cookie, Basic, Bearer; sessions begin and end
 *	web_login_rules.c	what a request of the page's must look like, where it may go; pure
 *	web_login_form.c	POST /login and /logout, as forms and as JSON
 *	web_login_page.c	how they look */

#include "services/web/web_login.h"
#include "store/account.h"
#include "store/web_login.h"

#define WEB_LOGIN_KEY       32
#define WEB_LOGIN_TOKEN     16              /* octets of a session's token: 128 random bits */
#define WEB_LOGIN_STEP_NS   (5 * CLOCK_MIN) /* between password and code */
#define WEB_LOGIN_BODY_MAX  (16 * 1024)
#define WEB_LOGIN_PAGE_MAX  (64 * 1024)
#define WEB_LOGIN_TO_MAX    2048
#define WEB_LOGIN_FIELD_MAX 8192 /* of Authorization: a signed token is long */
#define WEB_LOGIN_HOME      "/mail/"

struct web_login {
	struct web_login_opts opts;
	char key[WEB_LOGIN_KEY]; /* of tokens that we hand out and know again */
};

int64_t web_login_wall_ns(const struct web_login *l);

/* ---- rules: pure ---- */

/* What a request that bears the cookie tells of where it comes from; spans may be SPAN_NONE. */
struct web_origin {
	enum http_method method;
	struct span site;   /* Sec-Fetch-Site */
	struct span origin; /* Origin */
	struct span own;    /* "https://mail.example:8443" */
	struct span mark;   /* X-Yizhan */
	struct span type;   /* Content-Type */
};
enum web_csrf {
	WEB_CSRF_FINE,
	WEB_CSRF_FOREIGN,  /* another site's page asks */
	WEB_CSRF_UNMARKED, /* it changes something and does not bear the page's field */
	WEB_CSRF_FORM,     /* … and is of a type that a form can send */
	WEB_CSRF_SILENT,   /* … and tells nothing of where it comes from */
};
enum web_csrf web_login_csrf(const struct web_origin *o);
/** The same for a form without script: it bears a token instead of the field. */
enum web_csrf web_login_csrf_form(const struct web_origin *o);
/** Is it a place of the page's that one may be sent to after logging in? */
bool web_login_is_own_path(struct span to);
/** What is put behind /login?to= for a request. */
struct span web_login_origin_own(struct arena *a, const struct http_request *r);
/** The same facts of a request, own filled in; in its arena. */
void web_login_origin(const struct web_call *c, struct web_origin *o);
/** May passwords and cookies pass here: TLS, or both ends on this machine and nobody between. */
bool web_login_is_private(const struct web_call *c);

/* ---- tokens that we make ---- */

/** HMAC of "purpose text" in hex, in `a`. */
struct span web_login_mac(
	const struct web_login *l, struct arena *a, const char *purpose, struct span text);
/** So many random octets in hex, in `a`. ERR_STATE. */
int web_login_random(struct arena *a, size_t octets, struct span *hex_r, struct err *e);

/* ---- sessions ---- */

/** Begin one: the answer gets its cookie. The one that the request came with ends. */
FIBER int web_login_enter(struct web_login *l, struct web_call *c, uint64_t account_id,
	uint64_t credential, struct err *e);
/** The answer takes the cookie back. */
int web_login_forget_cookie(struct web_call *c, struct err *e);
/** Seconds until the guard lets anybody try for that name from there; 0: now. */
int64_t web_login_wait(struct web_login *l, const struct web_call *c, struct span user);
/** "__Host-yizhan" or "yizhan", with `suffix` behind it, in the request's arena. */
struct span web_login_cookie_name(const struct web_call *c, const char *suffix);
/** Set-Cookie of ours; max_age_sec as in struct http_cookie. */
int web_login_put_cookie(struct web_call *c, struct span name, struct span value,
	int64_t max_age_sec, struct err *e);

/* ---- pages ---- */

enum web_login_view { WEB_LOGIN_VIEW_PASSWORD, WEB_LOGIN_VIEW_CODE, WEB_LOGIN_VIEW_LEAVE };
enum web_login_note {
	WEB_LOGIN_NOTE_NONE,
	WEB_LOGIN_NOTE_WRONG,
	WEB_LOGIN_NOTE_CODE,
	WEB_LOGIN_NOTE_WAIT,
	WEB_LOGIN_NOTE_STALE,  /* the form is too old, or cookies are refused */
	WEB_LOGIN_NOTE_BUSY,   /* of ours: try again */
	WEB_LOGIN_NOTE_PUBLIC, /* no TLS */
	WEB_LOGIN_NOTE_LEFT,   /* signed out */
};
struct web_login_screen {
	enum web_login_view view;
	enum web_login_note note;
	int64_t wait_sec;
	struct span user, to, token, step;
};
FIBER int web_login_show(struct web_login *l, struct web_call *c, unsigned status,
	const struct web_login_screen *s, struct err *e);
/** /login, /logout, /frame. */
void web_login_add_routes(struct web_login *l);
