/* FETCH and UID FETCH (RFC 9051 section 6.4.5, RFC 3501, 3516, 7162, 8474, 8514, 8970, 9394, 9586, 9738).
 * Pages of rows come from a lane while the page before is written. */
#include "services/imapd/imapd_fetch.h"

#include "run/fiber.h"
#include "proto/imap/imap_out.h"
#include "services/imapd/imapd_fetch_item.h"
#include "services/imapd/imapd_fetch_runs.h"

/* ---- what is asked ---- */

static bool is_section(const struct imap_fetch_item *item)
{
	switch (item->kind) {
	case IMAP_FETCH_RFC822:
	case IMAP_FETCH_RFC822_HEADER:
	case IMAP_FETCH_RFC822_TEXT:
	case IMAP_FETCH_SECTION:
	case IMAP_FETCH_BINARY:
	case IMAP_FETCH_BINARY_SIZE: return true;
	default: return false;
	}
}

/* Is it the whole message, for which no layout is needed? */
static bool is_whole(const struct imap_fetch_item *item)
{
	if (item->kind == IMAP_FETCH_RFC822)
		return true;
	return (item->kind == IMAP_FETCH_SECTION || item->kind == IMAP_FETCH_BINARY ||
		       item->kind == IMAP_FETCH_BINARY_SIZE) &&
		item->section.kind == IMAP_SECTION_ALL && !item->section.depth;
}

static bool is_of_facts(enum imap_fetch_kind kind)
{
	return kind == IMAP_FETCH_ENVELOPE || kind == IMAP_FETCH_PREVIEW ||
		kind == IMAP_FETCH_BODY || kind == IMAP_FETCH_BODYSTRUCTURE;
}

static bool sets_seen(const struct imap_fetch_item *item)
{
	return is_section(item) && !item->is_peek && item->kind != IMAP_FETCH_RFC822_HEADER &&
		item->kind != IMAP_FETCH_BINARY_SIZE;
}

static void look_at(struct fetch *f, const struct imap_fetch_item *item)
{
	if (is_section(item))
		f->want |= MAILBOX_WANT_HEAD | MAILBOX_WANT_BODY;
	if (is_section(item) && !is_whole(item))
		f->want |= MAILBOX_WANT_FACTS | MAILBOX_WANT_PARTS;
	if (is_of_facts(item->kind))
		f->want |= MAILBOX_WANT_FACTS;
	if (item->kind == IMAP_FETCH_BODY || item->kind == IMAP_FETCH_BODYSTRUCTURE)
		f->want |= MAILBOX_WANT_PARTS;
	f->needs_facts = f->needs_facts || (f->want & MAILBOX_WANT_FACTS) != 0 ||
		item->kind == IMAP_FETCH_THREADID;
	f->sets_seen = f->sets_seen || sets_seen(item);
	f->has_flags = f->has_flags || item->kind == IMAP_FETCH_FLAGS;
	f->has_modseq = f->has_modseq || item->kind == IMAP_FETCH_MODSEQ;
	if (item->kind == IMAP_FETCH_UID)
		f->is_uid_told = false;
}

static void plan(struct fetch *f, struct imapd_conn *c, const struct imap_command *cmd)
{
	const struct imap_fetch *x = &cmd->fetch;

	*f = (struct fetch){.c = c,
		.s = c->s,
		.store = imapd_store(c),
		.items = x->what.items,
		.count = x->what.count,
		.changed_since = x->has_changed_since ? x->changed_since : 0,
		.is_uidonly = imap_is_enabled(c->s, IMAP_BIT(UIDONLY))};
	f->is_uid_told = cmd->is_uid && !f->is_uidonly;
	for (size_t i = 0; i < f->count; i++)
		look_at(f, &f->items[i]);
	if (c->view->is_read_only || !(c->view->rights & MAILBOX_RIGHT_SEEN))
		f->sets_seen = false;
	/* RFC 7162 section 3.1: whoever asks for mod-sequences hears of them from now on */
	if (f->has_modseq || x->has_changed_since)
		imapd_condstore(c);
}

/* ---- pages ---- */

struct page {
	struct fetch *f;
	struct arena *a;
	struct mailbox_cursor *cursor;
	struct mailbox_msg *list;
	size_t count;
	int rc;
	struct err err;
};

static FIBER int make_facts(struct page *p, bool *is_made_r)
{
	struct facts_want *wants = ARENA_ARRAY(p->a, struct facts_want, p->count + 1);
	size_t n = 0;

	for (size_t i = 0; i < p->count && n < FACTS_NEED_MAX; i++) {
		const struct mailbox_msg *m = &p->list[i];

		if (!m->thread_id || ((p->f->want & MAILBOX_WANT_FACTS) && !m->facts))
			wants[n++] = (struct facts_want){m->id, m->blob_id, m->blob_len};
	}
	*is_made_r = n > 0;
	return n ? facts_need(p->f->store, wants, n, &p->err) : 0;
}

/* A fiber of its own: the next page comes while this one is written. */
static FIBER int read_page(void *arg)
{
	struct page *p = arg;
	struct mailbox_cursor before = *p->cursor;
	bool is_made = false;

	arena_reset(p->a);
	p->count = 0;
	p->rc = mailbox_page(
		p->f->store, p->a, p->cursor, p->f->want, &p->list, &p->count, &p->err);
	if (p->rc == 0 && p->f->needs_facts)
		p->rc = make_facts(p, &is_made);
	if (p->rc == 0 && is_made) {
		*p->cursor = before;
		p->rc = mailbox_page(
			p->f->store, p->a, p->cursor, p->f->want, &p->list, &p->count, &p->err);
	}
	return 0;
}

/* ---- \Seen ---- */

static void take_change(
	struct page *p, const struct mailbox_change *list, size_t count, bool *is_seen)
{
	size_t k = 0;

	for (size_t i = 0; i < p->count && k < count; i++) {
		while (k < count && list[k].uid < p->list[i].uid)
			k++;
		if (k == count || list[k].uid != p->list[i].uid)
			continue;
		p->list[i].flags = list[k].flags;
		p->list[i].keywords = list[k].keywords;
		p->list[i].modseq = list[k].modseq;
		is_seen[i] = true;
	}
}

/* What is shown has been seen (RFC 9051 section 6.4.5). A store that cannot write now (a full disk) is no
 * reason not to show it. */
static FIBER bool *mark_seen(struct page *p)
{
	struct fetch *f = p->f;
	bool *is_seen = ARENA_ARRAY(p->a, bool, p->count + 1);
	struct uid_range *unseen;
	struct mailbox_store op = {.mailbox_id = f->c->view->mailbox_id,
		.how = MAILBOX_FLAGS_ADD,
		.flags = MAILBOX_SEEN,
		.arena = p->a};
	size_t n = 0;

	if (!f->sets_seen)
		return is_seen;
	unseen = ARENA_ARRAY(p->a, struct uid_range, p->count + 1);
	for (size_t i = 0; i < p->count; i++) {
		uint32_t uid = p->list[i].uid;

		if (p->list[i].flags & MAILBOX_SEEN)
			continue;
		if (n && unseen[n - 1].last + 1 == uid)
			unseen[n - 1].last = uid;
		else
			unseen[n++] = (struct uid_range){uid, uid};
	}
	op.ranges = unseen;
	op.range_count = n;
	if (n && mailbox_store_flags(f->store, &op, NULL) == 0) {
		take_change(p, op.changed, op.changed_count, is_seen);
		imapd_own_changes(f->c, op.changed, op.changed_count);
	}
	return is_seen;
}

/* ---- messages ---- */

/* Of one that another session has expunged, and this one not heard of (RFC 2180 section 4.1): it is served
 * while it is kept. */
static FIBER int put_gone(struct fetch *f, uint32_t uid, struct err *e)
{
	struct arena *a = arena_new();
	struct mailbox_msg m = {0};
	struct body_facts *facts = NULL;
	struct facts_want want;
	int rc = mailbox_message_gone(f->store, a, f->c->view->mailbox_id, uid, &m, NULL);

	if (rc < 0) {
		f->is_expunge_issued = true;
		arena_free(&a);
		return 0;
	}
	want = (struct facts_want){0, m.blob_id, m.blob_len};
	if (f->want & MAILBOX_WANT_FACTS) {
		if (facts_need(f->store, &want, 1, NULL) == 0)
			facts_get(f->store, a, m.blob_id, &facts, NULL);
		m.facts = facts;
	}
	rc = fetch_put_message(f, &m, false, e);
	arena_free(&a);
	return rc;
}

static FIBER int put_missing(struct fetch *f, struct fetch_walk *w, uint32_t before, struct err *e)
{
	uint32_t uid;

	while ((uid = fetch_walk_peek(w)) && uid < before) {
		fetch_walk_take(w);
		if (!f->changed_since && put_gone(f, uid, e) < 0)
			return -1;
	}
	return 0;
}

static FIBER int put_page(struct page *p, struct fetch_walk *w, struct err *e)
{
	bool *is_seen = mark_seen(p);

	for (size_t i = 0; i < p->count; i++) {
		uint32_t uid = p->list[i].uid;

		if (put_missing(p->f, w, uid, e) < 0)
			return -1;
		if (fetch_walk_peek(w) == uid)
			fetch_walk_take(w);
		if (fetch_put_message(p->f, &p->list[i], is_seen[i], e) < 0)
			return -1;
	}
	return 0;
}

/* The first page, then always the next one while one is written. */
static FIBER int put_all(struct fetch *f, const struct fetch_runs *runs, struct err *e)
{
	struct mailbox_cursor cursor = {.mailbox_id = f->c->view->mailbox_id,
		.ranges = runs->list,
		.count = runs->count,
		.changed_since = f->changed_since};
	struct page pages[2] = {{.f = f, .a = arena_new(), .cursor = &cursor},
		{.f = f, .a = arena_new(), .cursor = &cursor}};
	struct fetch_walk walk = {.runs = runs};
	struct page *now = &pages[0], *next = &pages[1];
	uint64_t done = 0;
	int rc = 0;

	read_page(now);
	while (rc == 0 && now->rc == 0 && now->count) {
		bool is_last = (done += now->count) >= runs->total;
		struct fiber_group g;
		struct page *t = now;

		fiber_group_init(&g);
		next->rc = 0;
		next->count = 0;
		if (!is_last)
			rc = fiber_start(&g, "imap fetch", read_page, next, e);
		if (rc == 0)
			rc = put_page(now, &walk, e);
		if (rc == 0)
			rc = imap_progress(f->s, done, runs->total, e);
		fiber_group_join(&g);
		now = next;
		next = t;
	}
	if (rc == 0 && now->rc < 0)
		rc = err_copy(e, &now->err);
	if (rc == 0)
		rc = put_missing(f, &walk, UINT32_MAX, e);
	arena_free(&pages[0].a);
	arena_free(&pages[1].a);
	return rc;
}

/* ---- which messages ---- */

/* RFC 9394 section 3.3: the window of what the command would tell of. */
static FIBER int changed_only(
	struct fetch *f, struct arena *a, struct fetch_runs *runs, struct err *e)
{
	struct mailbox_cursor cursor = {.mailbox_id = f->c->view->mailbox_id,
		.ranges = runs->list,
		.count = runs->count,
		.changed_since = f->changed_since};
	struct fetch_runs r = {.list = ARENA_ARRAY(a, struct uid_range, runs->total + 1)};
	struct arena *work = arena_new();
	size_t count;
	int rc;

	do {
		struct mailbox_msg *list;

		arena_reset(work);
		count = 0;
		rc = mailbox_page(f->store, work, &cursor, MAILBOX_WANT_ROW, &list, &count, e);
		for (size_t i = 0; rc == 0 && i < count; i++)
			r.list[r.count++] = (struct uid_range){list[i].uid, list[i].uid};
	} while (rc == 0 && count);
	r.total = r.count;
	*runs = r;
	arena_free(&work);
	return rc;
}

static struct fetch_runs window(
	struct arena *a, const struct fetch_runs *runs, const struct imap_partial *p)
{
	uint64_t low = p->low, high = p->high;

	if (p->is_from_end) {
		low = runs->total >= p->high ? runs->total - p->high + 1 : 1;
		high = runs->total >= p->low ? runs->total - p->low + 1 : 0;
	}
	if (low > high)
		return (struct fetch_runs){0};
	return fetch_runs_slice(a, runs, low - 1, high - low + 1);
}

static FIBER int choose(struct fetch *f, const struct imap_command *cmd, struct fetch_runs *runs,
	struct imap_result *r, struct err *e)
{
	struct arena *a = f->s->cmd;
	uint64_t limit = f->s->opts->limits.message_limit;

	if (cmd->fetch.has_partial) {
		if (f->changed_since && changed_only(f, a, runs, e) < 0)
			return -1;
		*runs = window(a, runs, &cmd->fetch.partial);
	}
	if (!limit || runs->total <= limit || !imap_has(f->s, IMAP_BIT(MESSAGELIMIT)))
		return 0;
	/* RFC 9738 section 3.1: the highest of them; the client goes on below */
	*runs = fetch_runs_slice(a, runs, runs->total - limit, limit);
	imap_result_code(r, "MESSAGELIMIT %llu %u", (unsigned long long)limit, runs->list[0].first);
	return 0;
}

/* ---- what has vanished ---- */

/* RFC 7162 section 3.2.6: what the set names and is there no more. What this client has not been told to be
 * gone yet comes later, as any expunge. */
static FIBER int put_vanished(struct fetch *f, const struct imap_command *cmd, struct err *e)
{
	const struct imapd_view *v = f->c->view;
	struct mailbox_since since = {.modseq = f->changed_since};
	struct arena *a = arena_new();
	struct fetch_gone gone = {0};
	struct imap_set set;
	bool is_more = true;
	int rc = 0;

	imap_set_resolve(a, &cmd->fetch.set, v->uidnext ? v->uidnext - 1 : 0, &set);
	while (rc == 0 && is_more) {
		struct mailbox_change *list;
		size_t n = 0;

		rc = mailbox_changes(
			f->store, a, v->mailbox_id, &since, 0, NULL, &list, &n, &is_more, e);
		for (size_t i = 0; rc == 0 && i < n; i++) {
			uint32_t uid = list[i].uid;

			if (!list[i].is_gone || !imap_set_has(&set, uid) ||
				uidset_seq(v->uids, uid))
				continue;
			fetch_gone_add(a, &gone, uid);
		}
	}
	if (rc == 0 && gone.count) {
		imap_put(f->s, SPAN("* VANISHED (EARLIER) "));
		fetch_gone_put(imap_out(f->s), &gone);
		imap_put(f->s, SPAN("\r\n"));
	}
	arena_free(&a);
	return rc;
}

/* ---- the command ---- */

static int refuse(const struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r)
{
	if (!cmd->is_uid && imap_is_enabled(c->s, IMAP_BIT(UIDONLY)))
		return imap_result_bad(r, "UIDREQUIRED", "Message numbers are not in use");
	/* RFC 7162 section 3.2.6 */
	if (cmd->fetch.is_vanished &&
		(!cmd->is_uid || !cmd->fetch.has_changed_since ||
			!imap_is_enabled(c->s, IMAP_BIT(QRESYNC))))
		return imap_result_bad(
			r, NULL, "VANISHED goes with UID FETCH, CHANGEDSINCE and QRESYNC");
	if (cmd->fetch.has_partial && !cmd->is_uid)
		return imap_result_bad(r, NULL, "PARTIAL goes with UID FETCH");
	return -1;
}

FIBER int imapd_fetch(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	struct uid_range *ranges;
	struct fetch_runs runs;
	struct fetch f;
	size_t count;

	if (refuse(c, cmd, r) == 0 ||
		!imapd_ranges(c, &cmd->fetch.set, cmd->is_uid, &ranges, &count, r))
		return 0;
	plan(&f, c, cmd);
	runs = fetch_runs_in(c->s->cmd, c->view->uids, ranges, count);
	if (choose(&f, cmd, &runs, r, e) < 0 ||
		(cmd->fetch.is_vanished && put_vanished(&f, cmd, e) < 0) ||
		(runs.total && put_all(&f, &runs, e) < 0))
		return -1;
	if (f.is_unknown_cte)
		return imap_result_no(r, "UNKNOWN-CTE", "A part's transfer encoding is not known");
	if (f.is_expunge_issued && !cmd->is_uid)
		return imap_result_no(
			r, "EXPUNGEISSUED", "Some of the messages are not there any more");
	return 0;
}
