/* Joining and leaving by mail: whoever asks is asked back, so that nobody is put into a list, or out of
 * one, by others. */

#include "base/clock.h"
#include "base/enc.h"
#include "services/lists/lists_priv.h"

struct span lists_token(struct lists_post *p)
{
	struct span token;
	struct buf b;

	buf_init(&b, 64);
	enc_put_id(&b, loop_random() & INT64_MAX);
	token = directory_local_part(p->a, buf_span(&b));
	buf_fini(&b);
	return token;
}

static struct span title(const struct lists_post *p)
{
	return p->list.title.len ? p->list.title : p->list.local;
}

/* May somebody be written to because of this letter? */
static bool is_person(struct lists_post *p)
{
	if (!p->is_auto && !p->is_loop && p->author.len)
		return true;
	lists_done(p, "dropped: nobody wrote it");
	return false;
}

static FIBER int ask_back(struct lists_post *p, enum mlist_pending_kind kind, struct err *e)
{
	const char *verb = kind == MLIST_PENDING_JOIN ? "join" : "leave";
	int64_t now = loop_wall_ns();
	struct mlist_pending w = {.list_id = p->list.id,
		.kind = kind,
		.address = p->author,
		.subject = p->author_name,
		.made_ns = now,
		.expires_ns = now + LISTS_TOKEN_NS};
	struct err again = {0};

	w.token = lists_token(p);
	if (mlist_pending_add(p->lists->opts.store, &w, LISTS_ASK_GAP_NS, &again) < 0) {
		if (again.code != ERR_BUSY && again.code != ERR_LIMIT)
			return err_copy(e, &again);
		lists_done(p, "dropped: the same was asked a moment ago");
		return 0;
	}
	lists_done(p, "asked back");
	return lists_say_from(p, lists_address(p, "confirm", w.token), p->author,
		span_str(arena_printf(
			p->a, "Please confirm: %s " SPAN_FMT, verb, SPAN_ARG(title(p)))),
		span_str(arena_printf(p->a,
			"Somebody, you we hope, asked that " SPAN_FMT
			"\nshould %s the mailing list " SPAN_FMT
			".\n\nIf so, just reply to this message. It is good for a week.\n"
			"If not, do nothing: nothing will change.\n",
			SPAN_ARG(p->author), verb, SPAN_ARG(p->address))),
		e);
}

static FIBER int find_author(
	struct lists_post *p, struct mlist_member *m, bool *is_member_r, struct err *e)
{
	struct err why = {0};

	*is_member_r = mlist_member_get(
			       p->lists->opts.store, p->a, p->list.id, p->author, m, &why) == 0;
	return *is_member_r || why.code == ERR_NOT_FOUND || why.code == ERR_SYNTAX
		? 0
		: err_copy(e, &why);
}

FIBER int lists_join(struct lists_post *p, struct err *e)
{
	struct mlist_member m;
	bool is_member;

	if (!is_person(p))
		return 0;
	if (find_author(p, &m, &is_member, e) < 0)
		return -1;
	if (p->list.join == MLIST_JOIN_OWNERS && !is_member) {
		lists_done(p, "sent to the owners");
		return lists_say(p, "request", lists_address(p, "owner", SPAN_NONE),
			span_str(arena_printf(
				p->a, "Wants to join: " SPAN_FMT, SPAN_ARG(p->author))),
			span_str(arena_printf(p->a,
				SPAN_FMT " wants to join the mailing list " SPAN_FMT
					 ".\n\nOn the server: yizhan list member add " SPAN_FMT
					 " " SPAN_FMT "\n",
				SPAN_ARG(p->author), SPAN_ARG(p->address), SPAN_ARG(p->address),
				SPAN_ARG(p->author))),
			e);
	}
	return ask_back(p, MLIST_PENDING_JOIN, e);
}

FIBER int lists_leave(struct lists_post *p, struct err *e)
{
	struct mlist_member m;
	bool is_member;

	if (!is_person(p))
		return 0;
	if (find_author(p, &m, &is_member, e) < 0)
		return -1;
	if (!is_member) {
		lists_done(p, "dropped: no member");
		return 0;
	}
	return ask_back(p, MLIST_PENDING_LEAVE, e);
}

/* ---- confirmations ---- */

static FIBER int joined(struct lists_post *p, const struct mlist_pending *w, struct err *e)
{
	struct mlist_member m = {.address = w->address, .name = w->subject, .role = MLIST_RECEIVES};
	struct mlist_member was;
	struct err why = {0};

	/* Who is there already keeps his roles, and gets mail again. */
	if (mlist_member_get(p->lists->opts.store, p->a, p->list.id, w->address, &was, &why) == 0) {
		m = was;
		m.role |= MLIST_RECEIVES;
		m.state = MLIST_ACTIVE;
	}
	if (mlist_member_put(p->lists->opts.store, p->list.id, &m, NULL, &why) < 0) {
		if (why.code != ERR_LIMIT)
			return err_copy(e, &why);
		lists_refuse(p, "5.2.2", "the list is full");
		return 0;
	}
	lists_done(p, "joined");
	return lists_say(p, "request", w->address,
		span_str(arena_printf(p->a, "Welcome to " SPAN_FMT, SPAN_ARG(title(p)))),
		span_str(arena_printf(p->a,
			"You are now a member of the mailing list " SPAN_FMT ".\n\n"
			"To write to all: " SPAN_FMT "\nTo leave: send a message to " SPAN_FMT
			"\nIts owners: " SPAN_FMT "\n",
			SPAN_ARG(p->address), SPAN_ARG(p->address),
			SPAN_ARG(lists_address(p, "leave", SPAN_NONE)),
			SPAN_ARG(lists_address(p, "owner", SPAN_NONE)))),
		e);
}

static FIBER int left(struct lists_post *p, const struct mlist_pending *w, struct err *e)
{
	struct err why = {0};

	if (mlist_member_remove(p->lists->opts.store, p->list.id, w->address, &why) < 0 &&
		why.code != ERR_NOT_FOUND)
		return err_copy(e, &why);
	lists_done(p, "left");
	return lists_say(p, "request", w->address,
		span_str(arena_printf(p->a, "You have left " SPAN_FMT, SPAN_ARG(title(p)))),
		span_str(arena_printf(p->a,
			"You are no longer a member of the mailing list " SPAN_FMT
			".\n\nTo come back: send a message to " SPAN_FMT "\n",
			SPAN_ARG(p->address), SPAN_ARG(lists_address(p, "join", SPAN_NONE)))),
		e);
}

/* The post waits in the queue: it is looked at again at once. */
static FIBER int moderated(struct lists_post *p, const struct mlist_pending *w, struct err *e)
{
	struct spool_filter f = {.msg_id = w->msg_id, .state = -1};
	struct spool_order retry = {.action = SPOOL_RETRY, .now_ns = loop_wall_ns()};
	bool is_no = span_find_span(p->subject, SPAN("reject")) >= 0;
	uint64_t changed;

	if (mlist_pending_decide(p->lists->opts.store, w->token, is_no ? MLIST_NO : MLIST_YES, e) <
			0 ||
		spool_act(p->lists->opts.store, &f, &retry, &changed, e) < 0)
		return -1;
	lists_done(p, is_no ? "refused a post" : "approved a post");
	return 0;
}

FIBER int lists_confirm(struct lists_post *p, struct err *e)
{
	struct span token = directory_local_part(p->a, p->tag);
	struct mlist_pending w;
	struct err why = {0};
	int rc = 0;

	/* An answering machine that answers our question must not answer it with yes. */
	if (!is_person(p))
		return 0;
	if (mlist_pending_get(p->lists->opts.store, p->a, token, &w, &why) < 0) {
		if (why.code != ERR_NOT_FOUND)
			return err_copy(e, &why);
		lists_refuse(p, "5.1.1", "nothing waits under this address, or no longer");
		return 0;
	}
	if (w.list_id != p->list.id) {
		lists_refuse(p, "5.1.1", "nothing waits under this address, or no longer");
		return 0;
	}
	switch (w.kind) {
	case MLIST_PENDING_JOIN: rc = joined(p, &w, e); break;
	case MLIST_PENDING_LEAVE: rc = left(p, &w, e); break;
	case MLIST_PENDING_PROOF: rc = joined(p, &w, e); break;
	case MLIST_PENDING_POST: return moderated(p, &w, e);
	case MLIST_PENDING_TOLD:
		lists_refuse(p, "5.1.1", "nothing waits under this address, or no longer");
		return 0;
	}
	return rc == 0 ? mlist_pending_remove(p->lists->opts.store, w.token, e) : -1;
}

/* ---- NAME-request ---- */

FIBER int lists_request(struct lists_post *p, struct err *e)
{
	struct span word = span_trim(p->subject);

	if (span_starts_nocase(word, SPAN("re:")))
		word = span_trim(span_skip(word, 3));
	if (span_eq_nocase(word, SPAN("join")) || span_eq_nocase(word, SPAN("subscribe")))
		return lists_join(p, e);
	if (span_eq_nocase(word, SPAN("leave")) || span_eq_nocase(word, SPAN("unsubscribe")))
		return lists_leave(p, e);
	if (!is_person(p))
		return 0;
	lists_done(p, "helped");
	return lists_say(p, "request", p->author,
		span_str(arena_printf(p->a, "How " SPAN_FMT " works", SPAN_ARG(title(p)))),
		span_str(arena_printf(p->a,
			"The mailing list " SPAN_FMT "\n\nTo join: send a message to " SPAN_FMT
			"\nTo leave: send a message to " SPAN_FMT "\nIts owners: " SPAN_FMT "\n",
			SPAN_ARG(p->address), SPAN_ARG(lists_address(p, "join", SPAN_NONE)),
			SPAN_ARG(lists_address(p, "leave", SPAN_NONE)),
			SPAN_ARG(lists_address(p, "owner", SPAN_NONE)))),
		e);
}
