/* One attempt to log in: whose name it is, by which credential, and whether that may be used. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/addr.h"
#include "store/directory.h"
#include "services/auth/auth_priv.h"

void auth_try_end(struct auth_try *t)
{
	int64_t expires_ns = t->expires_ns;

	arena_free(&t->arena);
	*t = (struct auth_try){.expires_ns = expires_ns};
}

void auth_try_free(struct auth_try **t)
{
	if (!*t)
		return;
	auth_try_end(*t);
	free(*t);
	*t = NULL;
}

/* One account's name, however it is written: else each way to write it had its own count. What stands
 * behind an address's '#' names an app password. */
static struct span counted_name(struct arena *a, struct span name)
{
	ptrdiff_t mark = span_rfind(name, AUTH_APP_MARK);
	struct span base = name, app = SPAN_NONE;

	if (mark > span_rfind(name, '@')) {
		base = span_sub(name, 0, (size_t)mark);
		app = directory_local_part(a, span_skip(name, (size_t)mark));
	}
	base = account_login_name(a, base);
	return app.len ? span_str(arena_printf(a, SPAN_FMT SPAN_FMT, SPAN_ARG(base), SPAN_ARG(app)))
		       : base;
}

int auth_try_begin(struct auth_conn *c, struct span name, struct err *e)
{
	struct guard *guard = c->auth->opts.guard;
	int64_t wait_ns = 0;
	struct auth_try *t;

	if (!c->try)
		c->try = NEW(struct auth_try);
	t = c->try;
	auth_try_end(t);
	t->expires_ns = 0;
	t->arena = arena_new();
	t->name = counted_name(t->arena, name);
	if (guard && !guard_login_may(guard, c->peer, t->name, &wait_ns)) {
		atomic_fetch_add(&c->auth->refused, 1);
		err_set(e, ERR_DENIED, "too many failed logins: not for %lld s",
			(long long)(wait_ns / CLOCK_SEC));
		err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_LATER);
		return err_smtp(e, 454, 4, 7, 0);
	}
	t->is_open = true;
	return 0;
}

const char *auth_account_why(const struct account_login *l)
{
	if (l->is_removed)
		return "removed";
	if (l->kind != ACCOUNT_PERSON)
		return "nobody logs in as a team or a group";
	return l->is_suspended ? "suspended" : NULL;
}

/* "192.0.2.0/24 2001:db8::/32". What cannot be read lets nobody in. */
static bool comes_from(struct span networks, const struct addr *peer)
{
	struct addr_net net;
	struct span word;

	while ((word = span_word(&networks)).len) {
		if (addr_net_parse(word, &net, NULL) == 0 && addr_net_has(&net, peer))
			return true;
	}
	return false;
}

const char *auth_app_why(const struct auth_conn *c, const struct account_app_password *app)
{
	if (!(app->scopes & (unsigned)c->scope))
		return "the app password is not for this";
	if (app->expires_ns && app->expires_ns <= auth_wall_ns(c->auth))
		return "the app password has expired";
	if (app->networks.len && !comes_from(app->networks, c->peer))
		return "the app password may not come from there";
	return NULL;
}

static const struct account_app_password *app_named(const struct account_login *l, struct span name)
{
	for (size_t i = 0; i < l->app_count; i++) {
		if (span_eq_nocase(l->apps[i].name, name))
			return &l->apps[i];
	}
	return NULL;
}

static void judge(struct auth_conn *c)
{
	struct auth_try *t = c->try;

	t->why = t->is_found ? auth_account_why(&t->login) : "no such account";
	if (!t->why && t->login.scopes_off & (unsigned)c->scope)
		t->why = "this protocol is switched off for the account";
	if (!t->why && t->app)
		t->why = auth_app_why(c, t->app);
}

FIBER int auth_try_find(struct auth_conn *c, struct span name, struct err *e)
{
	struct store *store = c->auth->opts.store;
	struct auth_try *t = c->try;
	ptrdiff_t mark = span_rfind(name, AUTH_APP_MARK);

	t->app = NULL;
	t->generation = store_directory_generation(store);
	if (account_login_find(store, t->arena, name, &t->login, &t->is_found, e) < 0)
		return -1;
	/* An address with such a sign in it wins over the name of an app password. */
	if (!t->is_found && mark > 0) {
		if (account_login_find(store, t->arena, span_sub(name, 0, (size_t)mark), &t->login,
			    &t->is_found, e) < 0)
			return -1;
		if (t->is_found)
			t->app = app_named(&t->login, span_skip(name, (size_t)mark + 1));
		t->is_found = t->app != NULL;
	}
	judge(c);
	return 0;
}

FIBER int auth_try_get(struct auth_conn *c, uint64_t account_id, struct err *e)
{
	struct store *store = c->auth->opts.store;
	struct auth_try *t = c->try;

	t->app = NULL;
	t->generation = store_directory_generation(store);
	if (account_login_get(store, t->arena, account_id, &t->login, &t->is_found, e) < 0)
		return -1;
	judge(c);
	return 0;
}
