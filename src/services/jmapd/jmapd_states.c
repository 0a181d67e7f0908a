#include "services/jmapd/jmapd_core_priv.h"

#include "base/enc.h"

/* The states of all types in all accounts that somebody sees, for those who tell of changes (RFC 8620 section 7). */

#define STATE_QUOTA (JMAP_STATE_OBJECTS + OBJECT_QUOTA)

static const struct hash_key quota_key = {0x6a6d61702d71756f, 0x74612d7374617465};

static FIBER int read_own(struct jmapd *d, struct arena *a, struct jmap_states *s, struct err *e)
{
	uint64_t *kinds = ARENA_ARRAY(a, uint64_t, OBJECT_KIND_COUNT);

	if (object_states(d->opts.store, s->account_id, kinds, e) < 0)
		return -1;
	if (s->states[JMAP_STATE_MAILBOX] < kinds[OBJECT_MAILBOX])
		s->states[JMAP_STATE_MAILBOX] = kinds[OBJECT_MAILBOX];
	for (size_t k = 0; s->is_own && k < OBJECT_KIND_COUNT; k++)
		s->states[JMAP_STATE_OBJECTS + k] = kinds[k];
	if (s->is_own && jmap_quota_state(d, a, s->account_id, &s->quota, e) < 0)
		return -1;
	s->states[STATE_QUOTA] = s->is_own ? hash_bytes(&quota_key, s->quota) : 0;
	return 0;
}

FIBER int jmap_states_read(struct jmapd *d, struct arena *a, const struct jmap_user *user,
	struct jmap_states **list_r, size_t *count_r, struct err *e)
{
	struct jmap_account *accounts;
	struct jmap_states *list;
	size_t count;

	if (jmap_accounts(d, a, user, &accounts, &count, e) < 0)
		return -1;
	list = ARENA_ARRAY(a, struct jmap_states, count);
	for (size_t i = 0; i < count; i++) {
		struct jmap_states *s = &list[i];
		struct email_states emails;

		s->account_id = accounts[i].id;
		s->is_own = accounts[i].is_own;
		if (email_states(d->opts.store, s->account_id, &emails, e) < 0)
			return -1;
		s->states[JMAP_STATE_EMAIL] = emails.email;
		s->states[JMAP_STATE_THREAD] = emails.thread;
		s->states[JMAP_STATE_MAILBOX] = emails.mailbox;
		/* moves with what comes, with nothing else (RFC 8621 section 1.5) */
		s->states[JMAP_STATE_DELIVERY] = emails.arrived;
		if (read_own(d, a, s, e) < 0)
			return -1;
	}
	*list_r = list;
	*count_r = count;
	return 0;
}

const char *jmap_state_name(size_t type)
{
	static const char *const names[JMAP_STATE_OBJECTS] = {
		[JMAP_STATE_EMAIL] = "Email",
		[JMAP_STATE_THREAD] = "Thread",
		[JMAP_STATE_MAILBOX] = "Mailbox",
		[JMAP_STATE_DELIVERY] = "EmailDelivery",
	};
	size_t kind = type - JMAP_STATE_OBJECTS;

	if (type < JMAP_STATE_OBJECTS)
		return names[type];
	/* Mailboxes stand above; subscriptions tell nobody of themselves (RFC 8620 section 7.2) */
	return kind == OBJECT_MAILBOX || kind == OBJECT_PUSH
		? NULL
		: object_kind_str((enum object_kind)kind);
}

/* Types of which a method can tell more. */
static bool is_served(const char *name)
{
	struct buf b;
	bool is_there;

	if (span_eq(span_str(name), SPAN("EmailDelivery")))
		return jmap_method_named(SPAN("Email/get")) != NULL;
	buf_init(&b, 64);
	buf_printf(&b, "%s/get", name);
	is_there = jmap_method_named(buf_span(&b)) != NULL;
	buf_fini(&b);
	return is_there;
}

bool jmap_state_is_wanted(const struct jmap_wanted *w, size_t type)
{
	const char *name = jmap_state_name(type);

	if (!name || !is_served(name))
		return false;
	for (size_t i = 0; i < w->count; i++)
		if (span_eq(w->types[i], span_str(name)))
			return true;
	return w->is_all;
}

static const struct jmap_states *states_of(
	const struct jmap_states *list, size_t count, uint64_t account_id)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].account_id == account_id)
			return &list[i];
	return NULL;
}

static bool put_account(struct json_out *j, const struct jmap_wanted *w,
	const struct jmap_states *was, const struct jmap_states *now)
{
	bool is_open = false;

	for (size_t t = 0; t < JMAP_STATE_COUNT; t++) {
		if ((was && was->states[t] == now->states[t]) || !jmap_state_is_wanted(w, t) ||
			(!now->is_own && t >= JMAP_STATE_OBJECTS))
			continue;
		if (!is_open) {
			struct buf id;

			buf_init(&id, 64);
			enc_put_object(&id, 'A', now->account_id);
			json_key_span(j, buf_span(&id));
			buf_fini(&id);
			json_open_object(j);
		}
		is_open = true;
		json_key(j, jmap_state_name(t));
		if (t == STATE_QUOTA)
			json_span(j, now->quota);
		else
			jmap_put_state(j, now->states[t]);
	}
	if (is_open)
		json_close(j);
	return is_open;
}

/* Nobody's state: the client asks for what it has and learns that the account is not there (RFC 8620 section 3.6.2
 * accountNotFound), which is all that is told. */
static bool put_gone(struct json_out *j, const struct jmap_wanted *w, uint64_t account_id)
{
	struct buf id;

	if (!jmap_state_is_wanted(w, JMAP_STATE_MAILBOX))
		return false;
	buf_init(&id, 64);
	enc_put_object(&id, 'A', account_id);
	json_key_span(j, buf_span(&id));
	buf_fini(&id);
	json_open_object(j);
	json_key(j, jmap_state_name(JMAP_STATE_MAILBOX));
	jmap_put_state(j, 0);
	json_close(j);
	return true;
}

bool jmap_put_state_change(struct json_out *j, const struct jmap_wanted *w,
	const struct jmap_states *was, size_t was_count, const struct jmap_states *now,
	size_t now_count)
{
	bool is_any = false;

	json_open_object(j);
	json_kv_str(j, "@type", "StateChange");
	json_key(j, "changed");
	json_open_object(j);
	for (size_t i = 0; i < now_count; i++)
		is_any = put_account(j, w, states_of(was, was_count, now[i].account_id), &now[i]) ||
			is_any;
	for (size_t i = 0; i < was_count; i++) {
		if (states_of(now, now_count, was[i].account_id))
			continue;
		is_any = put_gone(j, w, was[i].account_id) || is_any;
	}
	json_close(j);
	json_close(j);
	return is_any;
}
