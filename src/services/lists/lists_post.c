/* Who may post, and what waits for a moderator. */

#include "base/clock.h"
#include "base/enc.h"
#include "services/lists/lists_priv.h"

/* What is done with a post. */
enum ruling { RULING_POST, RULING_HOLD, RULING_REFUSE };

/* docs/lists.md has this table. A member without a role may be paused: he may still post. */
static enum ruling rule(enum mlist_post post, const struct mlist_member *m)
{
	unsigned role = m ? m->role : 0;
	bool is_staff = role & (MLIST_OWNER | MLIST_MODERATOR);

	switch (post) {
	case MLIST_POST_ANYONE: return RULING_POST;
	case MLIST_POST_MEMBERS: return m ? RULING_POST : RULING_REFUSE;
	case MLIST_POST_MODERATED:
		return is_staff || role & MLIST_TRUSTED ? RULING_POST : RULING_HOLD;
	case MLIST_POST_OWNERS: return is_staff ? RULING_POST : RULING_REFUSE;
	}
	return RULING_REFUSE;
}

/* Everybody who is in the list with one of these roles. */
static FIBER int each_with(struct lists_post *p, unsigned roles,
	FIBER int (*fn)(
		struct lists_post *p, void *arg, const struct mlist_member *m, struct err *e),
	void *arg, struct err *e)
{
	struct mlist_member *page;
	struct span after = SPAN_NONE;
	size_t count = MLIST_PAGE;

	while (count == MLIST_PAGE) {
		if (mlist_members(p->lists->opts.store, p->a, p->list.id, after, &page, &count, e) <
			0)
			return -1;
		for (size_t i = 0; i < count; i++) {
			if (page[i].role & roles && fn(p, arg, &page[i], e) < 0)
				return -1;
			after = page[i].address;
		}
	}
	return 0;
}

/* ---- moderation ---- */

static FIBER int ask_moderator(
	struct lists_post *p, void *arg, const struct mlist_member *m, struct err *e)
{
	const struct mlist_pending *w = arg;
	struct span confirm = lists_address(p, "confirm", w->token);

	return lists_say(p, "moderate", m->address,
		span_str(arena_printf(p->a, "Waits for approval: " SPAN_FMT,
			SPAN_ARG(span_sub(p->subject, 0, 200)))),
		span_str(arena_printf(p->a,
			"A message to " SPAN_FMT " waits for a moderator.\n\n"
			"From: " SPAN_FMT "\nSubject: " SPAN_FMT "\n\n"
			"To let it through, send any message to\n  " SPAN_FMT "\n"
			"To refuse it, send one with the subject \"reject\" there.\n"
			"On the server: yizhan list held " SPAN_FMT "\n",
			SPAN_ARG(p->address), SPAN_ARG(p->author), SPAN_ARG(p->subject),
			SPAN_ARG(confirm), SPAN_ARG(p->address))),
		e);
}

/* The letter stays where it is safe, in the queue, and is looked at again. */
static void wait_on(struct lists_post *p)
{
	lists_later(p, "it waits for a moderator of the list");
	p->parcel->is_untried = true;
	p->parcel->next_ns = loop_wall_ns() + LISTS_LOOK_NS;
}

static FIBER int hold_new(struct lists_post *p, struct err *e)
{
	int64_t now = loop_wall_ns();
	struct mlist_pending w = {.list_id = p->list.id,
		.kind = MLIST_PENDING_POST,
		.address = p->author,
		.subject = span_sub(p->subject, 0, 200),
		.msg_id = p->parcel->msg_id,
		.made_ns = now,
		.expires_ns = p->parcel->expires_ns + CLOCK_DAY};

	w.token = lists_token(p);
	if (mlist_pending_add(p->lists->opts.store, &w, 0, e) < 0) {
		if (e->code != ERR_LIMIT)
			return -1;
		lists_refuse(p, "5.2.2", "too many messages wait for the moderators of this list");
		return 0;
	}
	wait_on(p);
	return each_with(p, MLIST_OWNER | MLIST_MODERATOR, ask_moderator, &w, e);
}

static FIBER int hold(struct lists_post *p, struct err *e)
{
	struct mlist_pending w;
	struct err why = {0};

	if (mlist_pending_of(p->lists->opts.store, p->a, p->parcel->msg_id, &w, &why) < 0) {
		if (why.code != ERR_NOT_FOUND)
			return err_copy(e, &why);
		return hold_new(p, e);
	}
	if (w.verdict == MLIST_UNDECIDED) {
		wait_on(p);
		return 0;
	}
	if (w.verdict == MLIST_NO)
		lists_refuse(p, "5.7.1", "a moderator of the list has refused it");
	else if (lists_copy(p, e) < 0)
		return -1;
	return mlist_pending_remove(p->lists->opts.store, w.token, e);
}

/* ---- refusals ---- */

/* A refusal goes to the reverse-path. Where that is not the author, or was told today already, nobody is
 * told: whoever forges addresses must not make us write to strangers. */
static FIBER int refuse(struct lists_post *p, const char *enhanced, const char *why, struct err *e)
{
	int64_t now = loop_wall_ns();
	struct mlist_pending told = {.list_id = p->list.id,
		.kind = MLIST_PENDING_TOLD,
		.address = p->author,
		.made_ns = now,
		.expires_ns = now + LISTS_REFUSE_GAP_NS};
	struct err again = {0};

	told.token = lists_token(p);
	if (!span_eq_nocase(p->parcel->env.reverse_path, p->author)) {
		lists_done(p, "dropped: it may not be posted, and its sender is not its author");
	} else if (mlist_pending_add(p->lists->opts.store, &told, LISTS_REFUSE_GAP_NS, &again) ==
		0) {
		lists_refuse(p, enhanced, why);
	} else if (again.code == ERR_BUSY || again.code == ERR_LIMIT) {
		lists_done(p, "dropped: it may not be posted, and its author knows");
	} else {
		return err_copy(e, &again);
	}
	return 0;
}

FIBER int lists_take_post(struct lists_post *p, struct err *e)
{
	struct mlist_member m, *who = &m;
	struct err why = {0};

	if (p->is_loop) {
		lists_refuse(p, "5.4.6", "it has been posted to this list already: a loop");
		return 0;
	}
	if (p->is_auto) {
		lists_done(p, "dropped: nobody wrote it");
		return 0;
	}
	if (!p->author.len) {
		lists_refuse(p, "5.7.1", "a post needs exactly one author in its From field");
		return 0;
	}
	if (p->list.octets_max && body_len(p->parcel->body) > p->list.octets_max) {
		lists_refuse(p, "5.2.3", "it is longer than this list allows");
		return 0;
	}
	if (mlist_member_get(p->lists->opts.store, p->a, p->list.id, p->author, &m, &why) < 0) {
		if (why.code != ERR_NOT_FOUND && why.code != ERR_SYNTAX)
			return err_copy(e, &why);
		who = NULL;
	}
	switch (rule(p->list.post, who)) {
	case RULING_POST: return lists_copy(p, e);
	case RULING_HOLD: return hold(p, e);
	case RULING_REFUSE: break;
	}
	return refuse(p, "5.7.1",
		p->list.post == MLIST_POST_OWNERS ? "only the owners of this list may post"
						  : "only members of this list may post",
		e);
}

/* ---- to owners and moderators, as it is ---- */

static FIBER int add_role(
	struct lists_post *p, void *arg, const struct mlist_member *m, struct err *e)
{
	struct lists_to to = {.address = m->address};

	return lists_add_rcpt(p, arg, ROUTER_TARGETS_MAX, &to, e);
}

FIBER int lists_to_roles(struct lists_post *p, unsigned roles, struct err *e)
{
	struct spool_new *l;

	if (p->is_loop || p->is_auto) {
		lists_done(p, "dropped: nobody wrote it");
		return 0;
	}
	l = lists_offspring(p, ROUTER_TARGETS_MAX, e);
	l->env.body_type = p->parcel->env.body_type;
	l->env.is_smtputf8 = p->parcel->env.is_smtputf8;
	if (each_with(p, roles, add_role, l, e) < 0)
		return -1;
	if (!l->rcpt_count) {
		p->parcel->offspring_count--;
		lists_refuse(p, "5.1.1", "nobody answers for this list");
		return 0;
	}
	if (stage_put(l->body, p->parcel->prefix, e) < 0 || lists_put_body(p, l->body, 0, e) < 0)
		return -1;
	lists_done(p, "sent to those who answer for the list");
	return 0;
}
