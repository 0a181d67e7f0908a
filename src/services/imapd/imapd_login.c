/* Who it is: from the greeting to the end of a login. */

#include "services/imapd/imapd_session_priv.h"

FIBER void imapd_connect(void *ctx, struct imap_session *s, struct imap_result *r)
{
	struct imapd_conn *c = ctx;

	c->s = s;
	if (c->refuse) {
		imap_result_no(r, "UNAVAILABLE", "%s", c->refuse);
		r->status = IMAP_BYE;
		return;
	}
	auth_look(&c->auth);
}

FIBER void imapd_secured(void *ctx, struct imap_session *s)
{
	auth_look(&((struct imapd_conn *)ctx)->auth);
}

uint64_t imapd_caps_off(void *ctx, const struct imap_session *s)
{
	const struct imapd_conn *c = ctx;
	struct span rest = c->auth.who.imap_off, word;
	uint64_t off = 0;

	for (size_t i = 0; i < c->policy->client_count; i++)
		if (span_eq_nocase(s->client_name, span_str(c->policy->clients[i].name)))
			off |= c->policy->clients[i].caps_off;
	while ((word = span_word(&rest)).len) {
		int cap = imap_cap_find(word);

		if (cap >= 0)
			off |= UINT64_C(1) << cap;
	}
	return off;
}

/* Nobody else can listen between two ends on this machine; of a proxy's connection `peer` is the client. */
static bool is_private(const struct imap_session *s)
{
	return addr_is_unix(s->local) || (addr_is_loopback(s->peer) && addr_is_loopback(s->local));
}

bool imapd_auth_offer(void *ctx, const struct imap_session *s, struct sasl_server_opts *o)
{
	struct imapd_conn *c = ctx;

	if (!auth_offer(&c->auth, o))
		return false;
	o->is_clear_allowed = is_private(s);
	return true;
}

void *imapd_sasl_ctx(void *ctx)
{
	return &((struct imapd_conn *)ctx)->auth;
}

/* RFC 5530 section 3. What is told is the same for every wrong login; a right password that is not enough hears
 * what to do. */
static void refuse_login(struct imap_result *r, const struct err *why)
{
	if (why->smtp / 100 == 4 || why->code == ERR_BUSY)
		imap_result_no(r, "UNAVAILABLE", "Cannot log you in now, try again later");
	else if (why->smtp == 534)
		imap_result_no(r, "AUTHENTICATIONFAILED",
			"This account has a second factor: log in with an app password");
	else
		imap_result_no(r, "AUTHENTICATIONFAILED", "That is not right");
}

FIBER void imapd_auth(void *ctx, struct imap_session *s, bool is_accepted, struct imap_result *r)
{
	struct imapd_conn *c = ctx;
	struct err why = {0};

	if (auth_settle(&c->auth, s->auth_user, s->auth_identity, s->auth_mech, is_accepted, &why) <
		0) {
		refuse_login(r, &why);
		return;
	}
	c->account_id = c->auth.who.account_id;
	if (c->d->opts.book) {
		auth_book_add(c->d->opts.book, &c->mark, &c->auth);
		c->is_marked = true;
	}
}

const char *imapd_ended(void *ctx, const struct imap_session *s)
{
	const struct imapd_conn *c = ctx;

	return c->is_marked && c->mark.is_ended ? "Your login counts no more, log in again" : NULL;
}

void imapd_forget(struct imapd_conn *c)
{
	imapd_view_drop(c);
	imapd_notify_drop(c);
	if (c->is_marked)
		auth_book_remove(c->d->opts.book, &c->mark);
	c->is_marked = false;
	c->account_id = 0;
}

FIBER void imapd_unauthenticate(void *ctx, struct imap_session *s)
{
	struct imapd_conn *c = ctx;
	const struct stream *stream = c->auth.stream;
	struct auth *auth = c->auth.auth;

	imapd_forget(c);
	auth_conn_fini(&c->auth);
	auth_conn_init(&c->auth, auth, ACCOUNT_SCOPE_IMAP, stream);
	auth_look(&c->auth);
}
