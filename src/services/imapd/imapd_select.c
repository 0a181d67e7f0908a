/* SELECT, EXAMINE, CLOSE, UNSELECT, ENABLE: a session begins to look at a mailbox, and ends it. What has
 * happened since a client looked last (QRESYNC, RFC 7162) is in imapd_qresync.c. */

#include <stdlib.h>
#include <string.h>

#include "base/enc.h"
#include "base/mem.h"
#include "run/loop.h"
#include "services/imapd/imapd_session_priv.h"

#define SELECT_CHANGING                                                                            \
	(MAILBOX_RIGHT_SEEN | MAILBOX_RIGHT_WRITE | MAILBOX_RIGHT_INSERT |                         \
		MAILBOX_RIGHT_DELETE_MSG | MAILBOX_RIGHT_EXPUNGE)

/* ---- a view's life ---- */

/* On the loop's thread, outside fibers. */
static void view_changed(struct watcher *w)
{
	struct imapd_conn *c = w->arg;

	if (c->is_idling || c->s->is_listening)
		imap_ring(c->s);
}

void imapd_view_drop(struct imapd_conn *c)
{
	struct imapd_view *v = c->view;

	if (!v)
		return;
	c->view = NULL;
	if (c->d->opts.watch)
		watch_remove(c->d->opts.watch, &v->watcher);
	uidset_unref(&v->uids);
	uidset_unref(&v->saved);
	free(v->pending);
	free(v->own);
	arena_free(&v->arena);
	free(v);
}

static struct imapd_view *view_new(
	struct imapd_conn *c, const struct mailbox_ref *ref, bool is_examined)
{
	struct imapd_view *v = NEW(struct imapd_view);

	v->arena = arena_new();
	v->mailbox_id = ref->info.id;
	v->owner_id = ref->info.account_id;
	v->seen_name = arena_span(v->arena, ref->seen_name);
	v->rights = ref->rights;
	v->is_read_only = is_examined || !(ref->rights & SELECT_CHANGING);
	v->watcher = (struct watcher){.account_id = v->owner_id,
		.mailbox_id = v->mailbox_id,
		.wake = view_changed,
		.arg = c};
	/* From here on nothing is missed. */
	if (c->d->opts.watch)
		watch_add(c->d->opts.watch, &v->watcher);
	c->view = v;
	return v;
}

/* ---- what SELECT tells ---- */

static struct imap_out_mode mode_of(const struct imapd_conn *c)
{
	return (struct imap_out_mode){.is_utf8 = imap_is_utf8(c->s)};
}

static bool is_rev2(const struct imapd_conn *c)
{
	return imap_is_enabled(c->s, IMAP_BIT(IMAP4REV2));
}

static void put_keywords(struct buf *b, const struct span *keywords, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_char(b, ' ');
		buf_span_put(b, keywords[i]);
	}
}

static void put_permanent(
	struct buf *b, const struct imapd_view *v, const struct span *keywords, size_t count)
{
	unsigned may = v->is_read_only ? 0 : v->rights;
	const char *blank = "";

	buf_str(b, "* OK [PERMANENTFLAGS (");
	if (may & MAILBOX_RIGHT_WRITE) {
		buf_str(b, "\\Answered \\Flagged \\Draft");
		blank = " ";
	}
	if (may & MAILBOX_RIGHT_DELETE_MSG) {
		buf_printf(b, "%s\\Deleted", blank);
		blank = " ";
	}
	if (may & MAILBOX_RIGHT_SEEN)
		buf_printf(b, "%s\\Seen", blank);
	if (may & MAILBOX_RIGHT_WRITE) {
		put_keywords(b, keywords, count);
		buf_str(b, " \\*");
	}
	buf_str(b, ")] These are kept\r\n");
}

/* RFC 9051 section 6.3.2, RFC 3501 section 6.3.1, RFC 7162 section 3.1.2.1, RFC 8474 section 4.2 */
static FIBER int tell_mailbox(struct imapd_conn *c, const struct mailbox_info *info, struct err *e)
{
	struct imap_session *s = c->s;
	struct imapd_view *v = c->view;
	struct imap_out_mode mode = mode_of(c);
	struct buf *b;
	struct span *keywords;
	uint32_t first_unseen;
	size_t count;

	if (mailbox_summary(
		    imapd_store(c), s->cmd, v->mailbox_id, &keywords, &count, &first_unseen, e) < 0)
		return -1;
	b = imap_out(s);
	buf_str(b, "* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft");
	put_keywords(b, keywords, count);
	buf_str(b, ")\r\n");
	put_permanent(b, v, keywords, count);
	buf_printf(b, "* %u EXISTS\r\n", uidset_count(v->uids));
	if (!is_rev2(c)) {
		buf_str(b, "* 0 RECENT\r\n");
		if (uidset_seq(v->uids, first_unseen) && !imap_is_enabled(s, IMAP_BIT(UIDONLY)))
			buf_printf(b, "* OK [UNSEEN %u] The first unseen one\r\n",
				uidset_seq(v->uids, first_unseen));
	}
	buf_printf(b, "* OK [UIDVALIDITY %u] UIDs are valid\r\n", v->uidvalidity);
	buf_printf(b, "* OK [UIDNEXT %u] The next UID\r\n", v->uidnext);
	if (imap_has(s, IMAP_BIT(CONDSTORE)))
		buf_printf(b, "* OK [HIGHESTMODSEQ %llu] The last change\r\n",
			(unsigned long long)info->highest_modseq);
	if (imap_has(s, IMAP_BIT(OBJECTID))) {
		buf_str(b, "* OK [MAILBOXID (");
		enc_put_object(b, IMAPD_MAILBOX, v->mailbox_id);
		buf_str(b, ")] Its id\r\n");
	}
	if (is_rev2(c)) {
		buf_str(b, "* LIST () \"/\" ");
		imap_put_name(b, v->seen_name, &mode);
		buf_str(b, "\r\n");
	}
	return 0;
}

static FIBER int open_view(struct imapd_conn *c, struct mailbox_info *info, struct err *e)
{
	struct imapd_view *v = c->view;

	if (imapd_views_open(
		    c->d->views, imapd_store(c), c->s->cmd, v->mailbox_id, info, &v->uids, e) < 0)
		return -1;
	v->uidvalidity = info->uidvalidity;
	v->uidnext = info->uidnext;
	v->since = (struct mailbox_since){.modseq = info->highest_modseq};
	v->flags_modseq = info->highest_modseq;
	return 0;
}

FIBER int imapd_select(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	const struct imap_select *sel = &cmd->select;
	struct imap_session *s = c->s;
	struct mailbox_info info = {0};
	struct mailbox_ref ref;

	/* RFC 9051 section 7.1: what follows is about another mailbox, or about none */
	if (c->view)
		imap_printf(s, "* OK [CLOSED] The mailbox is left\r\n");
	imapd_view_drop(c);
	imap_session_select(s, false);
	if (!sel->name.ptr)
		return imap_result_no(r, "NONEXISTENT", "There is no such mailbox");
	if (mailbox_resolve(imapd_store(c), s->cmd, c->account_id, sel->name, &ref, e) < 0)
		return -1;
	if (!(ref.rights & MAILBOX_RIGHT_READ))
		return imap_result_no(r, "NOPERM", "You may not read that mailbox");
	if (sel->is_condstore || sel->has_qresync)
		s->enabled |= IMAP_BIT(CONDSTORE);
	view_new(c, &ref, cmd->verb == IMAP_EXAMINE);
	if (open_view(c, &info, e) < 0 || tell_mailbox(c, &info, e) < 0 ||
		(sel->has_qresync && imapd_resync(c, sel, &info, e) < 0)) {
		imapd_view_drop(c);
		return -1;
	}
	imap_session_select(s, true);
	return imap_result_ok(r, c->view->is_read_only ? "READ-ONLY" : "READ-WRITE", "%s completed",
		cmd->verb == IMAP_EXAMINE ? "EXAMINE" : "SELECT");
}

/* RFC 9051 section 6.4.1: what is marked goes, and nobody is told, where one may expunge. */
FIBER int imapd_close(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct imapd_view *v = c->view;
	int rc = 0;

	if (v && cmd->verb == IMAP_CLOSE && !v->is_read_only &&
		(v->rights & MAILBOX_RIGHT_EXPUNGE)) {
		struct mailbox_expunge_op op = {.mailbox_id = v->mailbox_id,
			.is_deleted_only = true,
			.keep_until_ns = imapd_keep_until(c)};

		rc = mailbox_expunge_ranges(imapd_store(c), &op, e);
		/* RFC 7162 section 3.2.8 */
		if (rc == 0 && op.modseq && imap_is_enabled(c->s, IMAP_BIT(QRESYNC)))
			imap_result_code(r, "HIGHESTMODSEQ %llu", (unsigned long long)op.modseq);
	}
	imapd_view_drop(c);
	imap_session_select(c->s, false);
	return rc;
}

void imapd_condstore(struct imapd_conn *c)
{
	if (imap_is_enabled(c->s, IMAP_BIT(CONDSTORE)))
		return;
	c->s->enabled |= IMAP_BIT(CONDSTORE);
	if (c->view)
		imap_printf(c->s, "* OK [HIGHESTMODSEQ %llu] The last change\r\n",
			(unsigned long long)c->view->since.modseq);
}

/* The dialogue has enabled what it could; RFC 7162 section 3.1 wants a word where a mailbox is open. */
FIBER int imapd_enable(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	bool has_condstore = false;

	for (size_t i = 0; i < cmd->word_count; i++)
		has_condstore = has_condstore || span_eq_nocase(cmd->words[i], SPAN("CONDSTORE")) ||
			span_eq_nocase(cmd->words[i], SPAN("QRESYNC"));
	if (has_condstore && c->view && imap_is_enabled(c->s, IMAP_BIT(CONDSTORE)))
		imap_printf(c->s, "* OK [HIGHESTMODSEQ %llu] The last change\r\n",
			(unsigned long long)c->view->since.modseq);
	return 0;
}

uint64_t imapd_keep_until(const struct imapd_conn *c)
{
	int64_t keep_ns = c->policy->keep_expunged_ns;

	return keep_ns > 0 ? (uint64_t)(loop_wall_ns() + keep_ns) : 0;
}

/* ---- what numbers mean ---- */

/* Sequence numbers first to last, as UIDs: the runs of the view between them. */
static void seq_ranges(
	const struct uidset *uids, uint32_t first, uint32_t last, struct uid_range *list, size_t *n)
{
	const struct uid_range *runs;
	size_t count = uidset_runs(uids, &runs);
	uint32_t from = uidset_uid(uids, first), to = uidset_uid(uids, last);

	for (size_t i = 0; i < count && runs[i].first <= to; i++) {
		if (runs[i].last < from)
			continue;
		list[(*n)++] = (struct uid_range){runs[i].first > from ? runs[i].first : from,
			runs[i].last < to ? runs[i].last : to};
	}
}

static size_t runs_within(const struct uidset *uids, const struct imap_set *set, bool is_uid)
{
	const struct uid_range *runs;

	/* Each range of the set meets each run at most once, and two neighbours share one. */
	return is_uid ? set->count + 1 : set->count + uidset_runs(uids, &runs) + 1;
}

static uint32_t messages_of(const struct uidset *uids, const struct uid_range *x)
{
	return uidset_rank(uids, x->last) - (x->first ? uidset_rank(uids, x->first - 1) : 0);
}

/* RFC 9738 section 3: from the newest down, as many as may be. False: a copy is whole or none. */
static bool limit_ranges(
	struct imapd_conn *c, struct uid_range *list, size_t *count, struct imap_result *r)
{
	const struct uidset *uids = c->view->uids;
	uint64_t max = c->s->opts->limits.message_limit, left = max;
	size_t from = *count;

	while (from > 0 && messages_of(uids, &list[from - 1]) <= left)
		left -= messages_of(uids, &list[--from]);
	if (from == 0 || !max)
		return true;
	if (c->verb == IMAP_COPY || c->verb == IMAP_MOVE) {
		imap_result_no(r, NULL, "Too many messages at once");
		imap_result_code(r, "MESSAGELIMIT %llu", (unsigned long long)max);
		return false;
	}
	if (left) {
		uint32_t last = uidset_rank(uids, list[from - 1].last);

		list[from - 1].first = uidset_uid(uids, last - (uint32_t)left + 1);
		from--;
	}
	*count -= from;
	memmove(list, list + from, *count * sizeof(list[0]));
	c->limited_uid = uidset_uid(uids, uidset_rank(uids, list[0].first - 1) + 1);
	return true;
}

static void saved_ranges(struct imapd_conn *c, struct uid_range **ranges_r, size_t *count_r)
{
	const struct uid_range *runs = NULL;
	size_t count = c->view->saved ? uidset_runs(c->view->saved, &runs) : 0;

	*ranges_r = ARENA_ARRAY(c->s->cmd, struct uid_range, count + 1);
	for (size_t i = 0; i < count; i++)
		(*ranges_r)[i] = runs[i];
	*count_r = count;
}

bool imapd_ranges(struct imapd_conn *c, const struct imap_set *set, bool is_uid,
	struct uid_range **ranges_r, size_t *count_r, struct imap_result *r)
{
	const struct uidset *uids = c->view->uids;
	uint32_t star = is_uid ? uidset_last(uids) : uidset_count(uids);
	struct imap_set resolved;
	size_t n = 0;

	if (set->is_saved) {
		saved_ranges(c, ranges_r, count_r);
		return limit_ranges(c, *ranges_r, count_r, r);
	}
	/* RFC 9051 section 9, seq-number: beyond the mailbox is an error */
	imap_set_resolve(c->s->cmd, set, star, &resolved);
	if (!is_uid &&
		(star == 0 ||
			(resolved.count && resolved.ranges[resolved.count - 1].last > star))) {
		imap_result_bad(r, NULL, "There are %u messages", star);
		return false;
	}
	*ranges_r = ARENA_ARRAY(c->s->cmd, struct uid_range, runs_within(uids, &resolved, is_uid));
	for (size_t i = 0; i < resolved.count; i++) {
		const struct imap_range *x = &resolved.ranges[i];

		if (is_uid)
			(*ranges_r)[n++] = (struct uid_range){x->first, x->last};
		else
			seq_ranges(uids, x->first, x->last, *ranges_r, &n);
	}
	if (!limit_ranges(c, *ranges_r, &n, r))
		return false;
	*count_r = n;
	return true;
}
