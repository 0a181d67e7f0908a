/* Bearer tokens (RFC 6750): app passwords, which are found by their own hash, and tokens of the identity
 * provider. */

#include "base/enc.h"
#include "proto/sasl/sasl_server.h"
#include "services/auth/auth_priv.h"

/* Is it an app password? Then the attempt is counted under the account's name. */
static FIBER int find_app(struct auth_conn *c, struct span token, bool *is_r, struct err *e)
{
	struct store *store = c->auth->opts.store;
	struct arena *a = arena_new();
	struct buf *hex = arena_buf(a, 2 * AUTH_MARK_KEY);
	struct account_login l = {0};
	uint64_t app_id;
	int rc = 0;

	*is_r = false;
	if (token.len <= AUTH_APP_TYPED && auth_app_hash(token, hex))
		rc = account_login_app(store, a, buf_span(hex), &l, is_r, e);
	if (rc < 0 || !*is_r)
		goto out;
	app_id = l.apps[0].id;
	rc = -1;
	if (auth_try_begin(c, l.address, e) < 0 || auth_try_get(c, l.id, e) < 0)
		goto out;
	for (size_t i = 0; i < c->try->login.app_count; i++)
		if (c->try->login.apps[i].id == app_id)
			c->try->app = &c->try->login.apps[i];
	if (!c->try->app)
		c->try->why = "the app password is gone";
	else if (!c->try->why)
		c->try->why = auth_app_why(c, c->try->app);
	rc = 0;
out:
	arena_free(&a);
	return rc;
}

static int not_now(struct err *e)
{
	return err_smtp(e, 454, 4, 7, 0);
}

/* What is neither is counted by itself: there is no name to count it under. */
static int begin_unknown(struct auth_conn *c, struct span token, struct err *e)
{
	struct buf name;
	int rc;

	buf_init(&name, 64);
	buf_printf(&name, "bearer %016llx",
		(unsigned long long)auth_cache_mark(c->auth->cache, SPAN("bearer"), token));
	rc = auth_try_begin(c, buf_span(&name), e);
	buf_fini(&name);
	return rc;
}

FIBER int auth_bearer(struct auth_conn *c, struct span token, struct err *e)
{
	struct buf user;
	bool is_app = false, yes = false;
	int rc;

	if (find_app(c, token, &is_app, e) < 0)
		return e && e->smtp ? -1 : not_now(e);
	if (is_app)
		return auth_settle(c, SPAN(""), SPAN(""), "bearer", true, e);
	buf_init(&user, SASL_SERVER_NAME_MAX);
	rc = c->auth->oauth ? auth_token(c, SPAN_NONE, token, &user, &yes, e)
			    : begin_unknown(c, token, e);
	if (rc == 0)
		rc = auth_settle(c, buf_span(&user), buf_span(&user), "bearer", yes, e);
	else if (e && !e->smtp)
		not_now(e);
	buf_fini(&user);
	return rc;
}
