/* Have the mailboxes that an address leads to room for a letter? Asked afresh each time: what a mailbox
 * holds is not kept with the answer, only whether it has a quota at all. */

#include "store/account_admin.h"
#include "services/router/router_priv.h"

void router_target_full(struct router_target *t)
{
	t->is_local = false;
	t->is_full = true;
	t->destination = SPAN("refused:5.2.2 Mailbox full");
}

FIBER int router_room(struct router *r, struct arena *a, struct router_answer *ans, uint64_t octets,
	enum router_room *room_r, struct err *e)
{
	struct account_fit *fits = NULL;
	size_t count = 0, full = 0, never = 0;

	*room_r = ROUTER_ROOM;
	for (size_t i = 0; i < ans->target_count; i++)
		count += ans->targets[i].is_local && ans->targets[i].has_quota;
	if (!count)
		return 0;
	fits = ARENA_ARRAY(a, struct account_fit, count);
	for (size_t i = 0, n = 0; i < ans->target_count; i++)
		if (ans->targets[i].is_local && ans->targets[i].has_quota)
			fits[n++].id = ans->targets[i].account_id;
	if (account_fits(r->opts.store, fits, count, octets, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++) {
		full += fits[i].is_full;
		never += fits[i].is_never;
	}
	if (full == ans->target_count) {
		*room_r = never == full ? ROUTER_ROOM_NEVER : ROUTER_ROOM_NONE;
		return 0;
	}
	/* One full member does not refuse the group: he alone goes without. */
	for (size_t i = 0, n = 0; full && i < ans->target_count; i++) {
		struct router_target *t = &ans->targets[i];

		if (t->is_local && t->has_quota && fits[n++].is_full)
			router_target_full(t);
	}
	return 0;
}

int router_room_err(enum router_room room, bool is_refused, struct err *e)
{
	err_set(e, ERR_FULL,
		room == ROUTER_ROOM_NEVER ? "The message is larger than the mailbox may be"
					  : "Mailbox full");
	/* RFC 3463 section 3.3: X.2.2, its owner can make room */
	if (is_refused || room == ROUTER_ROOM_NEVER) {
		err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_NEVER);
		return err_smtp(e, 552, 5, 2, 2);
	}
	err_scope_set(e, ERR_SCOPE_RCPT, ERR_AGAIN_LATER);
	return err_smtp(e, 452, 4, 2, 2);
}
