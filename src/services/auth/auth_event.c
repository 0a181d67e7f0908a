/* Who tried to log in, for the account's owner. A phone that asks every minute, or somebody who guesses all
 * day, is told once an hour for each network, protocol and outcome: the list is for people. */

#include "store/web_login.h"
#include "services/auth/auth_priv.h"

#define EVENT_AGAIN_NS CLOCK_HOUR

static const char *scope_str(enum account_scope scope)
{
	switch (scope) {
#define X(id, bit, word)                                                                           \
	case ACCOUNT_SCOPE_##id: return word;
		ACCOUNT_SCOPES(X)
#undef X
	case ACCOUNT_SCOPE_ALL: break;
	}
	return "";
}

/* Was the same told within the hour? */
static bool is_told(struct auth *a, struct span what)
{
	uint64_t hash = hash_bytes(&a->event_key, what) | 1;
	struct auth_event_slot *slot = &a->events[hash / 2 % AUTH_EVENT_SLOTS];
	int64_t now = loop_now_ns();
	bool is;

	pthread_mutex_lock(&a->lock);
	is = slot->what == hash && now - slot->at_ns < EVENT_AGAIN_NS;
	if (!is)
		*slot = (struct auth_event_slot){hash, now};
	pthread_mutex_unlock(&a->lock);
	return is;
}

void auth_event(struct auth_conn *c, uint64_t account_id, const char *mech, bool is_good,
	const char *reason)
{
	struct login_event ev = {.account_id = account_id,
		.is_good = is_good,
		.protocol = span_str(scope_str(c->scope)),
		.mechanism = span_str(mech),
		.agent = c->agent,
		.reason = is_good ? SPAN_NONE
			: reason  ? span_str(reason)
				  : SPAN("password")};
	struct buf peer, what;

	if (!account_id)
		return;
	buf_init(&peer, ADDR_TEXT_MAX);
	buf_init(&what, 1024);
	addr_put_ip(&peer, c->peer);
	ev.peer = buf_span(&peer);
	buf_printf(&what, "%llu %d %s " SPAN_FMT " " SPAN_FMT, (unsigned long long)account_id,
		is_good, scope_str(c->scope), SPAN_ARG(ev.reason), SPAN_ARG(ev.peer));
	/* a browser that logs in is told of each time: there it begins a session */
	if ((is_good && c->scope == ACCOUNT_SCOPE_WEB && c->is_second_asked) ||
		!is_told(c->auth, buf_span(&what)))
		login_event_later(c->auth->opts.store, &ev);
	buf_fini(&what);
	buf_fini(&peer);
}
