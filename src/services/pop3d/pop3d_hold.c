/* Which mailboxes have a POP3 session, and when each last began one: for [IN-USE] and [LOGIN-DELAY]. In memory,
 * for all loops. */

#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base/must.h"
#include "services/pop3d/pop3d_priv.h"

struct hold {
	unsigned sessions;
	int64_t last_ns; /* the last login */
};

struct pop3d_holds {
	pthread_mutex_t lock; /* never held across a yield */
	struct hash_map map;
	int64_t swept_ns;
};

struct pop3d_holds *pop3d_holds_new(void)
{
	struct pop3d_holds *h = NEW(struct pop3d_holds);
	struct hash_key key;

	MUST(getrandom(&key, sizeof(key), 0) == sizeof(key));
	pthread_mutex_init(&h->lock, NULL);
	hash_map_init(&h->map, key);
	return h;
}

void pop3d_holds_free(struct pop3d_holds **h)
{
	struct span name;
	void *hold;
	size_t at = 0;

	if (!*h)
		return;
	while (hash_map_next(&(*h)->map, &at, &name, &hold))
		free(hold);
	hash_map_fini(&(*h)->map);
	pthread_mutex_destroy(&(*h)->lock);
	free(*h);
	*h = NULL;
}

/* What nobody is in and no delay needs any more. */
static void sweep(struct pop3d_holds *h, int64_t delay_ns, int64_t now_ns)
{
	struct span name;
	void *value;
	size_t at = 0;

	while (hash_map_next(&h->map, &at, &name, &value)) {
		struct hold *hold = value;

		if (!hold->sessions && hold->last_ns + delay_ns <= now_ns)
			free(hash_map_remove(&h->map, name));
	}
	h->swept_ns = now_ns;
}

enum pop3_code pop3d_hold_enter(struct pop3d_holds *h, uint64_t mailbox_id,
	const struct pop3d_policy *policy, int64_t now_ns)
{
	struct span name = span_of(&mailbox_id, sizeof(mailbox_id));
	enum pop3_code code = POP3_CODE_NONE;
	struct hold *hold;

	pthread_mutex_lock(&h->lock);
	if (hash_map_count(&h->map) >= POP3D_HOLDS_MAX ||
		now_ns - h->swept_ns > policy->login_delay_ns + CLOCK_MIN)
		sweep(h, policy->login_delay_ns, now_ns);
	hold = hash_map_get(&h->map, name);
	if (!hold) {
		hold = NEW(struct hold);
		hold->last_ns = now_ns - policy->login_delay_ns;
		hash_map_set(&h->map, name, hold);
	}
	if (policy->is_exclusive && hold->sessions)
		code = POP3_CODE_IN_USE;
	else if (now_ns - hold->last_ns < policy->login_delay_ns)
		code = POP3_CODE_LOGIN_DELAY;
	if (code == POP3_CODE_NONE) {
		hold->sessions++;
		hold->last_ns = now_ns;
	}
	pthread_mutex_unlock(&h->lock);
	return code;
}

void pop3d_hold_leave(struct pop3d_holds *h, uint64_t mailbox_id)
{
	struct hold *hold;

	pthread_mutex_lock(&h->lock);
	hold = hash_map_get(&h->map, span_of(&mailbox_id, sizeof(mailbox_id)));
	MUST(hold && hold->sessions > 0);
	hold->sessions--;
	pthread_mutex_unlock(&h->lock);
}

size_t pop3d_holds_count(struct pop3d_holds *h)
{
	size_t count;

	pthread_mutex_lock(&h->lock);
	count = hash_map_count(&h->map);
	pthread_mutex_unlock(&h->lock);
	return count;
}
