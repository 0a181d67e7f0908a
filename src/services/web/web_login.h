#pragma once
/* Who asks over HTTP. Three ways: the page's cookie (a session of the store; state-changing requests must then
 * come from the page itself), Basic (password or app password) and Bearer (a token of the identity provider, or
 * an app password). Without TLS nobody logs in but over loopback. docs/web-login.md.
 *
 *	struct web_who who;
 *	int rc = web_login_who(l, c, WEB_LOGIN_ANY, &who, e);
 *	if (rc <= 0)
 *		return rc;	// 401 or 403 is answered already
 */

#include "services/auth/auth.h"
#include "services/web/web.h"

struct web_login;

#define WEB_LOGIN_IDLE_NS  (14 * CLOCK_DAY) /* a session that is not used ends */
#define WEB_LOGIN_LIFE_NS  (90 * CLOCK_DAY) /* … in any case */
#define WEB_LOGIN_SESSIONS 100 /* of an account; the one that was used longest ago goes */
#define WEB_LOGIN_COOKIE   "__Host-yizhan" /* over TLS; "yizhan" on loopback without */
#define WEB_LOGIN_CSRF_FIELD                                                                       \
	"X-Yizhan"            /* "1": a header that no form and no foreign page can send */
#define WEB_LOGIN_RECOVERY 10 /* recovery codes */

enum web_login_how {
	WEB_LOGIN_ANY, /* cookie (with the page's header when the method is POST, PUT, DELETE), Basic, Bearer */
	WEB_LOGIN_READ, /* the same, but a cookie alone does: GET of downloads and event streams, same origin */
	WEB_LOGIN_COOKIE_ONLY, /* the page's own matters */
};
struct web_who {
	struct auth_who who; /* spans in the request's arena */
	uint64_t session_id; /* of the cookie; 0: Basic or Bearer */
};
struct web_login_opts {
	struct store *store; /* borrowed */
	struct auth *auth;
	struct guard *guard;
	struct web *web; /* /login, /logout, … are added */
	const char *hostname;
	const struct log *log;
	struct work_lane *lane;
	int64_t (*wall_ns)(void); /* NULL: loop_wall_ns */
};
struct web_login *web_login_new(const struct web_login_opts *opts);
void web_login_free(struct web_login **l);
/** The key of what is signed (kept in the store, so that it stays the same over restarts). */
FIBER int web_login_begin(struct web_login *l, struct err *e);

/** 1: *who_r. 0: answered (401 with WWW-Authenticate for programs, without it for the page; 403 for a foreign
 * origin; 429 with Retry-After while slowed down). -1: an error. */
FIBER int web_login_who(struct web_login *l, struct web_call *c, enum web_login_how how,
	struct web_who *who_r, struct err *e);
/** Whose the request's cookie is, whatever it asks; account_id 0: nobody's. Answers nothing. */
FIBER int web_login_cookie(
	struct web_login *l, struct web_call *c, struct web_who *who_r, struct err *e);
/** For streams that live long: does it still count? */
FIBER bool web_login_still(struct web_login *l, const struct web_who *who);
/** Is the page asking for HTML without a login: redirect to /login?to=… */
FIBER int web_login_page(struct web_login *l, struct web_call *c, struct err *e);
