/* The last word on a login, and whether it still counts later. */

#include "proto/sasl/sasl_prep.h"
#include "services/auth/auth_priv.h"

/* RFC 4954 section 6. The text goes to the client: the same whatever it was, but for a right password that is not
 * enough ("weaker than server policy permits for that user"), which only who knows it can hear. Why is for the
 * log. */
static int refuse(struct auth_conn *c, struct err *e)
{
	bool is_weak = c->try && c->try->is_weak;

	err_set(e, ERR_DENIED,
		is_weak ? "This account has a second factor: log in with an app password"
			: "Authentication credentials invalid");
	err_scope_set(e, ERR_SCOPE_PEER, ERR_AGAIN_NEVER);
	return is_weak ? err_smtp(e, 534, 5, 7, 9) : err_smtp(e, 535, 5, 7, 8);
}

static int not_now(struct err *e)
{
	return err_smtp(e, 454, 4, 7, 0);
}

static void tell_guard(const struct auth_conn *c, bool is_good)
{
	const struct auth_try *t = c->try;

	if (c->auth->opts.guard)
		guard_login_tell(c->auth->opts.guard, c->peer, t->name,
			t->is_found ? t->login.id : 0, is_good, is_good ? 0 : t->mark);
}

/* The directory may have changed while the exchange went on. */
static FIBER int is_still_good(struct auth_conn *c, bool *yes_r, struct err *e)
{
	struct auth_try *t = c->try;
	struct account_state st = {.id = t->login.id,
		.credential = t->login.credential,
		.app_id = t->app ? t->app->id : 0};
	uint64_t now = store_directory_generation(c->auth->opts.store);

	*yes_r = true;
	if (now == t->generation)
		return 0;
	if (account_states(c->auth->opts.store, &st, 1, e) < 0)
		return -1;
	*yes_r = st.is_good;
	if (!st.is_good)
		t->why = "it changed meanwhile";
	t->generation = now;
	return 0;
}

static FIBER void app_used(struct auth_conn *c)
{
	const struct auth_opts *o = &c->auth->opts;
	struct auth_try *t = c->try;
	struct buf from;
	struct err e = {0};

	buf_init(&from, ADDR_TEXT_MAX);
	addr_put_ip(&from, c->peer);
	if (account_app_used(o->store, t->app->id, auth_wall_ns(c->auth), buf_span(&from), &e) < 0)
		log_event(o->log, LOG_WARN, "auth.app.used.failed", LF_STR("error", e.text));
	buf_fini(&from);
}

static FIBER void pin_used(struct auth_conn *c)
{
	const struct auth_opts *o = &c->auth->opts;
	struct err e = {0};

	if (account_certificate_used(o->store, c->try->pin, auth_wall_ns(c->auth), &e) < 0)
		log_event(o->log, LOG_WARN, "auth.pin.used.failed", LF_STR("error", e.text));
}

static void keep_who(struct auth_conn *c, const char *mech)
{
	struct auth_try *t = c->try;

	if (!c->arena)
		c->arena = arena_new();
	arena_reset(c->arena);
	c->who = (struct auth_who){.account_id = t->login.id,
		.credential = t->login.credential,
		.address = arena_span(c->arena, t->login.address),
		.name = arena_span(c->arena, t->login.name),
		.mech = arena_str(c->arena, span_str(mech)),
		.imap_off = arena_span(c->arena, t->login.imap_off),
		.generation = t->generation};
	if (t->app) {
		c->who.app_id = t->app->id;
		c->who.app_name = arena_span(c->arena, t->app->name);
		t->expires_ns = t->app->expires_ns;
	}
}

static FIBER int may_log_in(
	struct auth_conn *c, struct span user, struct span identity, bool *yes_r, struct err *e)
{
	struct auth_try *t = c->try;

	*yes_r = t->is_found && !t->why;
	if (!*yes_r)
		return 0;
	if (is_still_good(c, yes_r, e) < 0)
		return -1;
	if (!*yes_r || span_eq(user, identity))
		return 0;
	if (auth_may_act(c, identity, yes_r, e) < 0)
		return -1;
	if (!*yes_r)
		t->why = "may not act for that name";
	return 0;
}

FIBER int auth_settle(struct auth_conn *c, struct span user, struct span identity, const char *mech,
	bool is_accepted, struct err *e)
{
	struct auth *a = c->auth;
	struct auth_try *t = c->try;
	bool is_good = false, is_half;

	c->who = (struct auth_who){0};
	/* Nothing was asked: EXTERNAL without a certificate and its likes. */
	if (!t || !t->is_open) {
		atomic_fetch_add(&a->wrong, 1);
		return refuse(c, e);
	}
	if (is_accepted && may_log_in(c, user, identity, &is_good, e) < 0) {
		auth_try_end(t);
		return not_now(e);
	}
	/* Half a login: who guesses codes must not clear his count by the password each time. */
	is_half = is_good && t->is_own && t->login.has_second;
	if (!is_half) {
		tell_guard(c, is_good);
		atomic_fetch_add(is_good ? &a->good : &a->wrong, 1);
		auth_event(c, t->is_found ? t->login.id : 0, mech, is_good, t->why);
	}
	if (!is_good) {
		log_event(a->opts.log, LOG_INFO, "auth.refused", LF("user", t->name),
			LF_STR("mech", mech), LF_STR("why", t->why ? t->why : "credentials"));
		refuse(c, e);
		auth_try_end(t);
		return -1;
	}
	if (t->app)
		app_used(c);
	if (t->pin)
		pin_used(c);
	keep_who(c, mech);
	c->who.is_half = is_half;
	auth_try_end(t);
	return 0;
}

void auth_second(struct auth_conn *c, const struct account_login *l, bool is_good)
{
	struct auth *a = c->auth;

	if (a->opts.guard)
		guard_login_tell(a->opts.guard, c->peer, l->address, l->id, is_good, 0);
	atomic_fetch_add(is_good ? &a->good : &a->wrong, 1);
	auth_event(c, l->id, "password and code", is_good, is_good ? NULL : "code");
	if (!is_good)
		log_event(a->opts.log, LOG_INFO, "auth.refused", LF("user", l->address),
			LF_STR("mech", "code"), LF_STR("why", "code"));
}

FIBER int auth_password(struct auth_conn *c, struct span user, struct span password, struct err *e)
{
	struct err why = {0};
	struct buf name;
	bool yes = false;
	int rc;

	buf_init(&name, SASL_SERVER_NAME_MAX);
	if (user.len > SASL_SERVER_NAME_MAX || password.len == 0 ||
		password.len > SASL_SERVER_SECRET_MAX || span_find(password, 0) >= 0 ||
		sasl_prep(user, &name, NULL) < 0 || !buf_ok(&name)) {
		buf_fini(&name);
		if (c->try)
			auth_try_end(c->try);
		return auth_settle(c, SPAN(""), SPAN(""), "password", false, e);
	}
	rc = auth_decider.password(c, buf_span(&name), password, &yes, &why);
	if (rc < 0) {
		err_copy(e, &why);
		rc = why.smtp ? -1 : not_now(e);
	} else {
		rc = auth_settle(c, buf_span(&name), buf_span(&name), "password", yes, e);
	}
	buf_fini(&name);
	return rc;
}

FIBER bool auth_still(struct auth_conn *c)
{
	struct auth_who *w = &c->who;
	struct account_state st = {
		.id = w->account_id, .credential = w->credential, .app_id = w->app_id};
	uint64_t now = store_directory_generation(c->auth->opts.store);
	struct err e = {0};

	if (!w->account_id)
		return false;
	if (c->try && c->try->expires_ns && c->try->expires_ns <= auth_wall_ns(c->auth))
		return false;
	if (w->generation == now)
		return true;
	if (account_states(c->auth->opts.store, &st, 1, &e) < 0) {
		/* the book ends it: what was pipelined meanwhile must not go on */
		if (e.code == ERR_CANCELLED)
			return false;
		log_event(
			c->auth->opts.log, LOG_WARN, "auth.still.failed", LF_STR("error", e.text));
		return true;
	}
	if (st.is_good)
		w->generation = now;
	return st.is_good;
}
