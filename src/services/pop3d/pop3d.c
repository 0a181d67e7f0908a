#include "services/pop3d/pop3d_priv.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/must.h"
#include "run/loop.h"

struct pop3d *pop3d_new(const struct pop3d_opts *opts)
{
	struct pop3d *d = NEW(struct pop3d);

	d->opts = *opts;
	d->holds = pop3d_holds_new();
	return d;
}

void pop3d_free(struct pop3d **d)
{
	if (!*d)
		return;
	pop3d_holds_free(&(*d)->holds);
	free(*d);
	*d = NULL;
}

void pop3d_count(uint64_t *counter, uint64_t n)
{
	__atomic_add_fetch(counter, n, __ATOMIC_RELAXED);
}

static uint64_t counted(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void pop3d_counters(const struct pop3d *d, struct pop3d_counters *c_r)
{
	const struct pop3d_counters *c = &d->counters;

	*c_r = (struct pop3d_counters){.sessions = counted(&c->sessions),
		.logins = counted(&c->logins),
		.retrieved = counted(&c->retrieved),
		.octets = counted(&c->octets),
		.removed = counted(&c->removed),
		.open = counted(&c->open)};
}

void pop3d_put_status(const struct pop3d *d, struct json_out *j)
{
	struct pop3d_counters c;

	pop3d_counters(d, &c);
	json_open_object(j);
	json_kv_u64(j, "sessions", c.sessions);
	json_kv_u64(j, "logins", c.logins);
	json_kv_u64(j, "open", c.open);
	json_kv_u64(j, "retrieved", c.retrieved);
	json_kv_u64(j, "octets", c.octets);
	json_kv_u64(j, "removed", c.removed);
	json_close(j);
}

/* ---- a connection ---------------------------------------------------------------------------------- */

void pop3d_conn_init(struct pop3d_conn *c, struct pop3d *d, const struct pop3d_policy *policy,
	const struct stream *stream, struct auth_book *book)
{
	*c = (struct pop3d_conn){.d = d, .policy = policy, .book = book};
	auth_conn_init(&c->auth, d->opts.auth, ACCOUNT_SCOPE_POP3, stream);
	pop3d_count(&d->counters.sessions, 1);
}

/* Only who waits for a command is told that his login counts no more; each command looks anyway. */
static void mark(struct pop3d_conn *c, bool is_idle)
{
	if (!c->book || c->is_marked == is_idle || (is_idle && !c->auth.who.account_id))
		return;
	if (is_idle) {
		c->mark = (struct auth_mark){.fiber = fiber_self()};
		auth_book_add(c->book, &c->mark, &c->auth);
	} else {
		auth_book_remove(c->book, &c->mark);
	}
	c->is_marked = is_idle;
}

static void leave(struct pop3d_conn *c)
{
	if (c->is_held)
		pop3d_hold_leave(c->d->holds, c->mailbox_id);
	c->is_held = false;
}

FIBER void pop3d_conn_end(struct pop3d_conn *c)
{
	mark(c, false);
	pop3d_drop_seen(c);
	pop3d_drop_close(c);
	leave(c);
	auth_conn_fini(&c->auth);
}

static const char *decide_refuse(void *ctx)
{
	return ((struct pop3d_conn *)ctx)->refuse;
}

static void decide_idle(void *ctx, bool is_idle)
{
	struct pop3d_conn *c = ctx;

	c->is_idle = is_idle;
	mark(c, is_idle);
}

/* ---- logging in -------------------------------------------------------------------------------------- */

static FIBER void decide_prepare(void *ctx)
{
	struct pop3d_conn *c = ctx;

	auth_look(&c->auth);
}

static bool decide_offer(void *ctx, struct sasl_server_opts *o)
{
	const struct pop3d_conn *c = ctx;

	return auth_offer(&c->auth, o);
}

static void *decide_sasl_ctx(void *ctx)
{
	return &((struct pop3d_conn *)ctx)->auth;
}

static int logged_in(struct pop3d_conn *c, struct span *user_r)
{
	*user_r = c->auth.who.address;
	pop3d_count(&c->d->counters.logins, 1);
	return 0;
}

static FIBER int decide_login(
	void *ctx, const struct pop3_login *login, struct span *user_r, struct err *e)
{
	struct pop3d_conn *c = ctx;

	if (auth_settle(
		    &c->auth, login->user, login->identity, login->mech, login->is_accepted, e) < 0)
		return -1;
	/* RFC 5034 section 4: the authorization identity says whose mailbox it is */
	c->identity = span_eq(login->identity, login->user)
		? SPAN_NONE
		: arena_span(c->auth.arena, login->identity);
	return logged_in(c, user_r);
}

static FIBER int decide_password(
	void *ctx, struct span user, struct span password, struct span *user_r, struct err *e)
{
	struct pop3d_conn *c = ctx;

	c->identity = SPAN_NONE;
	if (auth_password(&c->auth, user, password, e) < 0)
		return -1;
	return logged_in(c, user_r);
}

static void decide_forget(void *ctx)
{
	struct pop3d_conn *c = ctx;
	const struct stream *stream = c->auth.stream;

	MUST(!c->is_marked && !c->uids);
	auth_conn_fini(&c->auth);
	auth_conn_init(&c->auth, c->d->opts.auth, ACCOUNT_SCOPE_POP3, stream);
	c->identity = SPAN_NONE;
}

static FIBER bool decide_still(void *ctx)
{
	struct pop3d_conn *c = ctx;

	return auth_still(&c->auth);
}

static bool decide_is_ended(void *ctx)
{
	return ((struct pop3d_conn *)ctx)->mark.is_ended;
}

/* ---- whose mailbox ----------------------------------------------------------------------------------- */

/* A team's, when the login was for it: its rights count as they do in IMAP. */
static FIBER int find_shared(struct pop3d_conn *c, struct arena *a, bool *is_own_r, struct err *e)
{
	struct store *s = c->d->opts.store;
	struct account_login other;
	struct mailbox_ref ref;
	bool is_found;

	if (account_login_find(s, a, c->identity, &other, &is_found, e) < 0)
		return -1;
	*is_own_r = is_found && other.id == c->auth.who.account_id;
	if (*is_own_r)
		return 0;
	if (mailbox_resolve(s, a, c->auth.who.account_id,
		    span_str(arena_printf(a, MAILBOX_SHARED "/" SPAN_FMT, SPAN_ARG(other.address))),
		    &ref, e) < 0)
		return -1;
	if (!(ref.rights & MAILBOX_RIGHT_READ))
		return err_set(e, ERR_DENIED, "no right to read that mailbox");
	c->mailbox_id = ref.info.id;
	c->rights = ref.rights;
	return 0;
}

static FIBER int find(struct pop3d_conn *c, struct err *e)
{
	struct arena *a = arena_new();
	struct mailbox_info info;
	bool is_own = true;
	int rc = c->identity.len ? find_shared(c, a, &is_own, e) : 0;

	if (rc == 0 && is_own) {
		rc = mailbox_find(
			c->d->opts.store, a, c->auth.who.account_id, SPAN("INBOX"), &info, e);
		c->mailbox_id = info.id;
		c->rights = MAILBOX_RIGHT_ALL;
	}
	arena_free(&a);
	return rc;
}

static FIBER int decide_open(void *ctx, struct pop3_session *s, struct pop3_drop *drop_r,
	enum pop3_code *code_r, struct err *e)
{
	struct pop3d_conn *c = ctx;
	struct err why = {0};

	c->is_header_whole = s->opts->is_utf8_needed && !s->is_utf8;
	if (find(c, &why) == 0) {
		*code_r = pop3d_hold_enter(c->d->holds, c->mailbox_id, c->policy, loop_now_ns());
		if (*code_r != POP3_CODE_NONE)
			return err_set(e, ERR_BUSY, "%s", pop3_code_str(*code_r));
		c->is_held = true;
		if (pop3d_drop_open(c, drop_r, &why) == 0)
			return 0;
		leave(c);
	}
	if (why.code != ERR_CANCELLED)
		log_event(&s->log, LOG_WARN, "pop3.open.failed", LF("user", s->user),
			LF_STR("error", why.text));
	return err_copy(e, &why);
}

const struct pop3_decider pop3d_decider = {
	.refuse = decide_refuse,
	.prepare = decide_prepare,
	.auth_offer = decide_offer,
	.sasl = &auth_decider,
	.sasl_ctx = decide_sasl_ctx,
	.login = decide_login,
	.password = decide_password,
	.open = decide_open,
	.forget = decide_forget,
	.still = decide_still,
	.is_ended = decide_is_ended,
	.size = pop3d_drop_size,
	.uidl = pop3d_drop_uidl,
	.body_open = pop3d_body_open,
	.body_next = pop3d_body_next,
	.body_close = pop3d_body_close,
	.idle = decide_idle,
	.rest = pop3d_drop_rest,
	.update = pop3d_drop_update,
};
