/* NOTIFY (RFC 5465): a session hears of what happens in mailboxes, the selected one and others, without asking.
 * Others are looked at as a whole: whenever something has changed in an account of theirs, what they are now is
 * compared with what was told. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "services/imapd/imapd_session_priv.h"

#define NOTIFY_OWNERS_MAX                                                                          \
	64 /* accounts that are watched; of more only their mail in ours is told */
#define NOTIFY_MESSAGE_EVENTS                                                                      \
	(IMAP_EVENT_MESSAGE_NEW | IMAP_EVENT_MESSAGE_EXPUNGE | IMAP_EVENT_FLAG_CHANGE)
#define NOTIFY_NAME_EVENTS (IMAP_EVENT_MAILBOX_NAME | IMAP_EVENT_SUBSCRIPTION_CHANGE)

/* A mailbox as it was told. */
struct notify_box {
	uint64_t id, modseq, messages;
	uint32_t uidvalidity, uidnext;
	struct span name;
	bool is_subscribed;
	unsigned events; /* what is wanted of it, when it is not the selected one */
};

struct imapd_notify {
	struct imapd_conn *c;
	struct arena *arena; /* the groups */
	struct imap_notify_group *groups;
	size_t group_count;
	struct arena *boxes_arena; /* of one look */
	struct notify_box *boxes;
	size_t box_count;
	struct watcher watchers[NOTIFY_OWNERS_MAX];
	size_t watcher_count;
	bool is_changed;
};

/* ---- what was asked for, kept ---- */

static void copy_item(
	struct arena *a, struct imap_fetch_item *to, const struct imap_fetch_item *from)
{
	const struct imap_section *s = &from->section;

	*to = *from;
	to->section.numbers = ARENA_ARRAY(a, uint32_t, s->depth + 1);
	for (size_t i = 0; i < s->depth; i++)
		to->section.numbers[i] = s->numbers[i];
	to->section.fields = ARENA_ARRAY(a, struct span, s->field_count + 1);
	for (size_t i = 0; i < s->field_count; i++)
		to->section.fields[i] = arena_span(a, s->fields[i]);
}

static void copy_group(
	struct arena *a, struct imap_notify_group *to, const struct imap_notify_group *from)
{
	*to = *from;
	to->source.names = ARENA_ARRAY(a, struct span, from->source.count + 1);
	for (size_t i = 0; i < from->source.count; i++)
		if (from->source.names[i].ptr)
			to->source.names[i] = arena_span(a, from->source.names[i]);
	to->items.items = ARENA_ARRAY(a, struct imap_fetch_item, from->items.count + 1);
	for (size_t i = 0; i < from->items.count; i++)
		copy_item(a, &to->items.items[i], &from->items.items[i]);
}

static bool is_selected_kind(const struct imap_notify_group *g)
{
	return g->source.kind == IMAP_SOURCE_SELECTED ||
		g->source.kind == IMAP_SOURCE_SELECTED_DELAYED;
}

static const struct imap_notify_group *selected_group(const struct imapd_conn *c)
{
	for (size_t i = 0; c->notify && i < c->notify->group_count; i++)
		if (is_selected_kind(&c->notify->groups[i]))
			return &c->notify->groups[i];
	return NULL;
}

/* RFC 5465 section 5: what cannot be asked for. */
static bool is_sound(const struct imap_notify *n, struct imap_result *r)
{
	for (size_t i = 0; i < n->count; i++) {
		const struct imap_notify_group *g = &n->groups[i];
		unsigned both = g->events & (IMAP_EVENT_MESSAGE_NEW | IMAP_EVENT_MESSAGE_EXPUNGE);

		if (g->has_unknown_event || (g->events & IMAP_EVENT_ANNOTATION_CHANGE))
			imap_result_no(r,
				"BADEVENT (MessageNew MessageExpunge FlagChange MailboxName "
				"SubscriptionChange MailboxMetadataChange ServerMetadataChange)",
				"There are no such events");
		else if ((both && both != (IMAP_EVENT_MESSAGE_NEW | IMAP_EVENT_MESSAGE_EXPUNGE)) ||
			((g->events & IMAP_EVENT_FLAG_CHANGE) && !both))
			imap_result_bad(r, NULL, "MessageNew and MessageExpunge go together");
		else if (is_selected_kind(g) && (g->events & ~(unsigned)NOTIFY_MESSAGE_EVENTS))
			imap_result_bad(r, NULL, "The selected mailbox has message events only");
		else if (!is_selected_kind(g) && g->has_items)
			imap_result_bad(r, NULL, "Only of the selected mailbox is more told");
		else
			continue;
		return false;
	}
	return true;
}

/* ---- which mailboxes ---- */

static bool is_below(struct span name, struct span parent)
{
	return span_eq(name, parent) ||
		(name.len > parent.len && span_starts(name, parent) &&
			name.ptr[parent.len] == IMAP_SEPARATOR);
}

static bool has_name(const struct imap_source *s, struct span name)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->names[i].ptr &&
			(s->kind == IMAP_SOURCE_MAILBOXES ? span_eq(name, s->names[i])
							  : is_below(name, s->names[i])))
			return true;
	return false;
}

static bool group_has(
	const struct imap_notify_group *g, struct span name, bool is_own, bool is_subscribed)
{
	switch (g->source.kind) {
	/* RFC 5465 section 6.3: mail may be delivered to any folder */
	case IMAP_SOURCE_INBOXES:
	case IMAP_SOURCE_PERSONAL: return is_own;
	case IMAP_SOURCE_SUBSCRIBED: return is_subscribed;
	case IMAP_SOURCE_SUBTREE:
	case IMAP_SOURCE_MAILBOXES: return has_name(&g->source, name);
	default: return false;
	}
}

/* The first group that has it says what is wanted. */
static unsigned events_of(
	const struct imapd_notify *n, struct span name, bool is_own, bool is_subscribed)
{
	for (size_t i = 0; i < n->group_count; i++)
		if (group_has(&n->groups[i], name, is_own, is_subscribed))
			return n->groups[i].events;
	return 0;
}

static bool is_among(struct span name, const struct span *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (span_eq(name, list[i]))
			return true;
	return false;
}

/* ---- watching ---- */

/* On the loop's thread, outside fibers. */
static void notify_changed(struct watcher *w)
{
	struct imapd_notify *n = w->arg;

	n->is_changed = true;
	imap_ring(n->c->s);
}

static void watch_owner(struct imapd_notify *n, uint64_t account_id)
{
	struct watch *watch = n->c->d->opts.watch;

	for (size_t i = 0; i < n->watcher_count; i++)
		if (n->watchers[i].account_id == account_id)
			return;
	if (!watch || n->watcher_count == NOTIFY_OWNERS_MAX)
		return;
	n->watchers[n->watcher_count] = (struct watcher){.account_id = account_id,
		.mailbox_id = WATCH_ALL,
		.wake = notify_changed,
		.arg = n};
	watch_add(watch, &n->watchers[n->watcher_count++]);
}

void imapd_notify_drop(struct imapd_conn *c)
{
	struct imapd_notify *n = c->notify;

	if (!n)
		return;
	c->notify = NULL;
	for (size_t i = 0; i < n->watcher_count; i++)
		watch_remove(c->d->opts.watch, &n->watchers[i]);
	arena_free(&n->arena);
	arena_free(&n->boxes_arena);
	free(n);
}

/* ---- looking ---- */

struct glance {
	struct arena *arena;
	struct notify_box *boxes;
	size_t count;
};

static FIBER int take_glance(struct imapd_notify *n, struct glance *g, struct err *e)
{
	struct imapd_conn *c = n->c;
	struct arena *work = arena_new();
	struct mailbox_ref *refs;
	struct span *names;
	size_t count, name_count;
	int rc = -1;

	if (mailbox_visible(imapd_store(c), work, c->account_id, &refs, &count, e) == 0 &&
		mailbox_subscriptions(
			imapd_store(c), work, c->account_id, &names, &name_count, e) == 0)
		rc = 0;
	g->arena = arena_new();
	g->boxes = ARENA_ARRAY(g->arena, struct notify_box, rc < 0 ? 1 : count + 1);
	g->count = rc < 0 ? 0 : count;
	for (size_t i = 0; i < g->count; i++) {
		const struct mailbox_info *info = &refs[i].info;
		bool is_subscribed = is_among(refs[i].seen_name, names, name_count);

		g->boxes[i] = (struct notify_box){.id = info->id,
			.modseq = info->highest_modseq,
			.messages = info->messages,
			.uidvalidity = info->uidvalidity,
			.uidnext = info->uidnext,
			.name = arena_span(g->arena, refs[i].seen_name),
			.is_subscribed = is_subscribed,
			.events = events_of(n, refs[i].seen_name, refs[i].is_own, is_subscribed)};
		/* What cannot be read has no messages for him. */
		if (!(refs[i].rights & MAILBOX_RIGHT_READ))
			g->boxes[i].events &= ~(unsigned)NOTIFY_MESSAGE_EVENTS;
		watch_owner(n, info->account_id);
	}
	arena_free(&work);
	return rc;
}

static void keep_glance(struct imapd_notify *n, struct glance *g)
{
	arena_free(&n->boxes_arena);
	n->boxes_arena = g->arena;
	n->boxes = g->boxes;
	n->box_count = g->count;
}

static const struct notify_box *box_of(const struct notify_box *list, size_t count, uint64_t id)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].id == id)
			return &list[i];
	return NULL;
}

/* ---- telling ---- */

static struct imap_out_mode mode_of(const struct imapd_conn *c)
{
	return (struct imap_out_mode){.is_utf8 = imap_is_utf8(c->s)};
}

/* RFC 5465 section 4: what each event owes; all of it where one is wanted. */
static void tell_status(struct imapd_conn *c, const struct notify_box *x)
{
	struct imap_out_mode mode = mode_of(c);
	struct buf *b = imap_out(c->s);

	buf_str(b, "* STATUS ");
	imap_put_name(b, x->name, &mode);
	buf_printf(b, " (MESSAGES %llu UIDNEXT %u UIDVALIDITY %u", (unsigned long long)x->messages,
		x->uidnext, x->uidvalidity);
	if (imap_is_enabled(c->s, IMAP_BIT(CONDSTORE)))
		buf_printf(b, " HIGHESTMODSEQ %llu", (unsigned long long)x->modseq);
	buf_str(b, ")\r\n");
}

static void tell_name(struct imapd_conn *c, const struct notify_box *x, bool is_there,
	const struct notify_box *was)
{
	struct imap_out_mode mode = mode_of(c);
	struct buf *b = imap_out(c->s);
	const char *subscribed = x->is_subscribed ? "\\Subscribed" : "";

	buf_printf(b, "* LIST (%s%s%s) \"/\" ", is_there ? "" : "\\NonExistent",
		!is_there && x->is_subscribed ? " " : "", subscribed);
	imap_put_name(b, x->name, &mode);
	/* RFC 5465 section 5.4, RFC 9051 section 6.3.9.7 */
	if (was) {
		buf_str(b, " (\"OLDNAME\" (");
		imap_put_name(b, was->name, &mode);
		buf_str(b, "))");
	}
	buf_str(b, "\r\n");
}

static bool is_selected(const struct imapd_conn *c, uint64_t id)
{
	return c->view && c->view->mailbox_id == id;
}

static void tell_box(
	struct imapd_conn *c, const struct notify_box *now, const struct notify_box *was)
{
	bool is_renamed = was && !span_eq(was->name, now->name);
	bool has_news = !was || was->uidnext != now->uidnext || was->messages != now->messages;
	bool is_other = was && was->modseq != now->modseq;

	if ((!was || is_renamed) && (now->events & IMAP_EVENT_MAILBOX_NAME))
		tell_name(c, now, true, is_renamed ? was : NULL);
	else if (was && was->is_subscribed != now->is_subscribed &&
		(now->events & IMAP_EVENT_SUBSCRIPTION_CHANGE))
		tell_name(c, now, true, NULL);
	if (is_selected(c, now->id))
		return;
	if ((has_news && (now->events & IMAP_EVENT_MESSAGE_NEW) && (was || now->messages)) ||
		(is_other && (now->events & IMAP_EVENT_FLAG_CHANGE)))
		tell_status(c, now);
}

static FIBER int look(struct imapd_notify *n, struct err *e)
{
	struct imapd_conn *c = n->c;
	struct glance g = {0};

	n->is_changed = false;
	for (size_t i = 0; i < n->watcher_count; i++)
		n->watchers[i].is_changed = false;
	if (take_glance(n, &g, e) < 0) {
		n->is_changed = true;
		arena_free(&g.arena);
		return -1;
	}
	if (c->s->stream->is_broken) {
		arena_free(&g.arena);
		return 0;
	}
	for (size_t i = 0; i < g.count; i++)
		tell_box(c, &g.boxes[i], box_of(n->boxes, n->box_count, g.boxes[i].id));
	for (size_t i = 0; i < n->box_count; i++)
		if ((n->boxes[i].events & IMAP_EVENT_MAILBOX_NAME) &&
			!box_of(g.boxes, g.count, n->boxes[i].id))
			tell_name(c, &n->boxes[i], false, NULL);
	keep_glance(n, &g);
	return imap_relieve(c->s, e);
}

FIBER int imapd_notify_updates(struct imapd_conn *c, struct err *e)
{
	return c->notify && c->notify->is_changed ? look(c->notify, e) : 0;
}

/* ---- the selected mailbox ---- */

bool imapd_notify_pushes(const struct imapd_conn *c, bool *may_expunge_r, bool *has_flags_r)
{
	const struct imap_notify_group *g = selected_group(c);

	*may_expunge_r = g && g->source.kind == IMAP_SOURCE_SELECTED;
	*has_flags_r = g && (g->events & IMAP_EVENT_FLAG_CHANGE);
	return g && (g->events & NOTIFY_MESSAGE_EVENTS);
}

/* RFC 5465 section 5.2: what is fetched of a message that has come. */
FIBER int imapd_notify_arrived(
	struct imapd_conn *c, const struct uid_range *added, size_t count, struct err *e)
{
	const struct imap_notify_group *g = selected_group(c);
	struct imap_command cmd = {.verb = IMAP_FETCH, .is_uid = true};
	struct imap_result ignored = {0};
	int rc;

	if (!g || !g->has_items || !count)
		return 0;
	imap_result_init(&ignored);
	cmd.fetch.what = g->items;
	cmd.fetch.set.ranges = ARENA_ARRAY(c->s->cmd, struct imap_range, count);
	cmd.fetch.set.count = count;
	for (size_t i = 0; i < count; i++)
		cmd.fetch.set.ranges[i] = (struct imap_range){added[i].first, added[i].last};
	rc = imapd_fetch(c, &cmd, &ignored, e);
	imap_result_fini(&ignored);
	return rc;
}

/* ---- the command ---- */

static void begin(struct imapd_conn *c, const struct imap_notify *n)
{
	struct imapd_notify *x = NEW(struct imapd_notify);

	x->c = c;
	x->arena = arena_new();
	x->group_count = n->count;
	x->groups = ARENA_ARRAY(x->arena, struct imap_notify_group, n->count + 1);
	for (size_t i = 0; i < n->count; i++)
		copy_group(x->arena, &x->groups[i], &n->groups[i]);
	c->notify = x;
}

FIBER int imapd_notify(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	const struct imap_notify *n = &cmd->notify;
	struct glance g = {0};

	if (!n->is_none && !is_sound(n, r))
		return 0;
	imapd_notify_drop(c);
	c->s->is_listening = false;
	if (n->is_none)
		return 0;
	begin(c, n);
	watch_owner(c->notify, c->account_id);
	if (take_glance(c->notify, &g, e) < 0) {
		arena_free(&g.arena);
		imapd_notify_drop(c);
		return -1;
	}
	keep_glance(c->notify, &g);
	/* RFC 5465 section 3.1 */
	for (size_t i = 0; n->has_status && i < g.count; i++)
		if ((g.boxes[i].events & NOTIFY_MESSAGE_EVENTS) && !is_selected(c, g.boxes[i].id))
			tell_status(c, &g.boxes[i]);
	c->s->is_listening = true;
	return 0;
}
