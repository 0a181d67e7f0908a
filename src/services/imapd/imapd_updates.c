/* What has happened in the selected mailbox since the client was told last. The store says what has changed in
 * the order of MODSEQs; here it becomes EXPUNGE or VANISHED, EXISTS and FETCH, so that the client's view with
 * what it is told is the mailbox. */

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "run/fiber.h"
#include "services/imapd/imapd_session_priv.h"

/* ---- writing ---- */

void imapd_tell_vanished(
	struct imapd_conn *c, bool is_earlier, const struct uid_range *list, size_t count)
{
	struct imap_set_writer w;
	struct buf *b = imap_out(c->s);

	if (count == 0 || c->s->stream->is_broken)
		return;
	buf_str(b, is_earlier ? "* VANISHED (EARLIER) " : "* VANISHED ");
	imap_set_writer_init(&w, b);
	for (size_t i = 0; i < count; i++)
		imap_set_writer_add_range(&w, list[i].first, list[i].last);
	imap_set_writer_end(&w);
	buf_str(b, "\r\n");
}

void imapd_tell_flags(struct imapd_conn *c, uint32_t seq, const struct mailbox_change *change)
{
	bool is_uidonly = imap_is_enabled(c->s, IMAP_BIT(UIDONLY));
	bool has_modseq = imap_is_enabled(c->s, IMAP_BIT(CONDSTORE));
	struct buf *b = imap_out(c->s);

	if (c->s->stream->is_broken)
		return;
	/* RFC 9586 section 3.3; RFC 7162 section 3.2.4: with QRESYNC the UID goes with it */
	buf_printf(
		b, "* %u %s (", is_uidonly ? change->uid : seq, is_uidonly ? "UIDFETCH" : "FETCH");
	if (has_modseq && !is_uidonly)
		buf_printf(b, "UID %u ", change->uid);
	if (has_modseq)
		buf_printf(b, "MODSEQ (%llu) ", (unsigned long long)change->modseq);
	buf_str(b, "FLAGS ");
	imapd_put_flags(b, change->flags, change->keywords);
	buf_str(b, ")\r\n");
}

static FIBER int tell_expunged(
	struct imapd_conn *c, const struct uid_range *list, size_t count, struct err *e)
{
	const struct uidset *uids = c->view->uids;

	if (imap_is_enabled(c->s, IMAP_BIT(QRESYNC)) || imap_is_enabled(c->s, IMAP_BIT(UIDONLY))) {
		imapd_tell_vanished(c, false, list, count);
		return 0;
	}
	/* From behind, so that no number moves another one that is still to be told. */
	for (size_t i = count; i > 0; i--) {
		for (uint32_t uid = list[i - 1].last;; uid--) {
			uint32_t seq = uidset_seq(uids, uid);

			if (seq)
				imap_printf(c->s, "* %u EXPUNGE\r\n", seq);
			if (uid == list[i - 1].first)
				break;
		}
		if (imap_relieve(c->s, e) < 0)
			return -1;
	}
	return 0;
}

/* ---- this session's own changes ---- */

void imapd_own_changes(struct imapd_conn *c, const struct mailbox_change *list, size_t count)
{
	struct imapd_view *v = c->view;

	for (size_t i = 0; v && i < count; i++) {
		struct imapd_own *last = v->own_count ? &v->own[v->own_count - 1] : NULL;

		if (last && last->modseq == list[i].modseq && last->uids.last + 1 == list[i].uid) {
			last->uids.last++;
			continue;
		}
		if (v->own_count == v->own_cap) {
			v->own_cap = v->own_cap ? 2 * v->own_cap : 16;
			v->own = mem_realloc(v->own, v->own_cap * sizeof(v->own[0]));
		}
		v->own[v->own_count++] = (struct imapd_own){
			list[i].modseq, {list[i].uid, list[i].uid}};
	}
}

static int by_own(const void *a, const void *b)
{
	const struct imapd_own *x = a, *y = b;

	if (x->modseq != y->modseq)
		return x->modseq < y->modseq ? -1 : 1;
	return x->uids.first < y->uids.first ? -1 : x->uids.first > y->uids.first;
}

static int own_holds(const void *key, const void *item)
{
	const struct mailbox_change *change = key;
	const struct imapd_own *x = item;

	if (change->modseq != x->modseq)
		return change->modseq < x->modseq ? -1 : 1;
	if (change->uid < x->uids.first)
		return -1;
	return change->uid > x->uids.last;
}

static bool is_own(const struct imapd_view *v, const struct mailbox_change *change)
{
	return v->own_count && bsearch(change, v->own, v->own_count, sizeof(v->own[0]), own_holds);
}

/* ---- looking ---- */

struct look {
	struct imapd_conn *c;
	struct arena *a;    /* of the whole look */
	struct arena *page; /* of one page */
	bool may_expunge, has_flags;
	struct mailbox_since begin, end;
	struct mailbox_info info;
	struct imapd_tally tally;
	struct mailbox_change *list; /* the page, when it was the only one; NULL: there were more */
	size_t list_count;
	uint32_t last;                /* UIDs above were not in the view before */
	const struct imap_set *known; /* only these; NULL all */
};

static void look_init(struct look *l, struct imapd_conn *c, bool may_expunge, bool has_flags)
{
	*l = (struct look){.c = c,
		.may_expunge = may_expunge,
		.has_flags = has_flags,
		.a = arena_new(),
		.page = arena_new()};
}

static void look_fini(struct look *l)
{
	arena_free(&l->a);
	arena_free(&l->page);
	imapd_tally_fini(&l->tally);
}

/* What was kept back before goes with what has gone now. */
static void add_pending(struct look *l, struct imapd_delta *d)
{
	struct imapd_view *v = l->c->view;
	struct uid_range *all = ARENA_ARRAY(
		l->a, struct uid_range, d->gone_count + v->pending_count + 1);
	size_t i = 0, k = 0, n = 0;

	while (i < d->gone_count || k < v->pending_count) {
		bool is_first = k == v->pending_count ||
			(i < d->gone_count && d->gone[i].first < v->pending[k].first);

		all[n++] = is_first ? d->gone[i++] : v->pending[k++];
	}
	d->gone = all;
	d->gone_count = n;
}

static void keep_pending(struct imapd_view *v, const struct imapd_delta *d)
{
	free(v->pending);
	v->pending = NULL;
	v->pending_count = d->gone_count;
	if (d->gone_count)
		v->pending = memcpy(mem_alloc(d->gone_count * sizeof(d->gone[0])), d->gone,
			d->gone_count * sizeof(d->gone[0]));
}

/* The view's UIDs become the mailbox's, but for what may not be told yet. */
static FIBER int apply(struct look *l, struct err *e)
{
	struct imapd_conn *c = l->c;
	struct imapd_view *v = c->view;
	struct imapd_delta d;
	struct uidset *next;

	imapd_delta(l->a, v->uids, &l->tally, &d);
	add_pending(l, &d);
	if (l->may_expunge && tell_expunged(c, d.gone, d.gone_count, e) < 0)
		return -1;
	next = uidset_change(v->uids, l->may_expunge ? d.gone : NULL,
		l->may_expunge ? d.gone_count : 0, d.added, d.added_count);
	uidset_unref(&v->uids);
	v->uids = next;
	if (l->may_expunge)
		d.gone_count = 0;
	keep_pending(v, &d);
	if (d.added_count)
		imap_printf(c->s, "* %u EXISTS\r\n", uidset_count(v->uids));
	return imapd_notify_arrived(c, d.added, d.added_count, e);
}

static void tell_page(struct look *l, const struct mailbox_change *list, size_t count)
{
	const struct imapd_view *v = l->c->view;

	for (size_t i = 0; i < count; i++) {
		uint32_t seq = list[i].is_gone || list[i].uid > l->last
			? 0
			: uidset_seq(v->uids, list[i].uid);

		if (seq && (!l->known || imap_set_has(l->known, list[i].uid)) &&
			!is_own(v, &list[i]))
			imapd_tell_flags(l->c, seq, &list[i]);
	}
}

/* More than one page: they are read again, up to where the first reading ended. */
static FIBER int tell_flags_again(struct look *l, struct err *e)
{
	struct mailbox_since since = l->begin;
	bool is_more = true;

	while (is_more && since.modseq <= l->end.modseq) {
		struct mailbox_change *list;
		size_t count;

		arena_reset(l->page);
		if (mailbox_changes(imapd_store(l->c), l->page, l->c->view->mailbox_id, &since, 0,
			    NULL, &list, &count, &is_more, e) < 0)
			return -1;
		while (count && list[count - 1].modseq > l->end.modseq)
			count--;
		tell_page(l, list, count);
		if (imap_relieve(l->c->s, e) < 0)
			return -1;
	}
	return 0;
}

static FIBER int tell_flags(struct look *l, struct err *e)
{
	if (!l->list)
		return tell_flags_again(l, e);
	tell_page(l, l->list, l->list_count);
	return 0;
}

static FIBER int look(struct look *l, struct err *e)
{
	struct imapd_view *v = l->c->view;

	l->end = v->since;
	l->begin = v->flags_modseq < v->since.modseq
		? (struct mailbox_since){.modseq = v->flags_modseq}
		: v->since;
	l->last = uidset_last(v->uids);
	if (imapd_tally_read(&l->tally, imapd_store(l->c), l->page, v->mailbox_id, &l->end,
		    &l->info, &l->list, &l->list_count, e) < 0)
		return -1;
	if (l->tally.count == 0 && !(l->may_expunge && v->pending_count) &&
		!(l->has_flags && v->flags_modseq < v->since.modseq))
		return 0;
	if (v->own_count)
		qsort(v->own, v->own_count, sizeof(v->own[0]), by_own);
	if (apply(l, e) < 0)
		return -1;
	/* What NOTIFY had left out is told too. */
	if (v->flags_modseq < v->since.modseq)
		l->list = NULL;
	if (l->has_flags && tell_flags(l, e) < 0)
		return -1;
	v->since = (struct mailbox_since){.modseq = l->info.highest_modseq};
	if (l->has_flags)
		v->flags_modseq = v->since.modseq;
	v->uidnext = l->info.uidnext;
	if (l->has_flags)
		v->own_count = 0;
	if (!v->pending_count)
		imapd_views_share(l->c->d->views, v->mailbox_id, v->uidvalidity,
			l->info.highest_modseq, &v->uids);
	return 0;
}

/* ---- QRESYNC ---- */

static FIBER int resync(struct look *l, struct err *e)
{
	struct imapd_view *v = l->c->view;
	struct uid_range *gone;
	size_t count;

	l->last = UINT32_MAX;
	if (imapd_tally_read(&l->tally, imapd_store(l->c), l->page, v->mailbox_id, &l->end,
		    &l->info, &l->list, &l->list_count, e) < 0)
		return -1;
	gone = imapd_tally_vanished(l->a, &l->tally, v->uids, l->known, &count);
	imapd_tell_vanished(l->c, true, gone, count);
	return tell_flags(l, e);
}

FIBER int imapd_resync(struct imapd_conn *c, const struct imap_select *sel,
	const struct mailbox_info *info, struct err *e)
{
	struct look l;
	int rc;

	if (sel->uid_validity != info->uidvalidity || sel->modseq >= info->highest_modseq)
		return 0;
	look_init(&l, c, false, true);
	/* The match data (section 3.2.5.2) would only make VANISHED shorter: tombstones are kept. */
	l.known = sel->has_known_uids ? &sel->known_uids : NULL;
	l.begin = l.end = (struct mailbox_since){.modseq = sel->modseq};
	rc = resync(&l, e);
	look_fini(&l);
	return rc;
}

/* ---- rights ---- */

static void leave(struct imapd_conn *c, const char *text)
{
	c->view->is_gone = true;
	imap_end(c->s, "mailbox", text);
}

/* A shared mailbox may be taken away at any time. */
static FIBER int look_at_rights(struct imapd_conn *c, struct err *e)
{
	struct imapd_view *v = c->view;
	unsigned rights;

	if (v->owner_id == c->account_id)
		return 0;
	if (mailbox_rights(imapd_store(c), v->mailbox_id, c->account_id, &rights, e) < 0)
		return -1;
	v->rights = rights;
	if (!(rights & MAILBOX_RIGHT_READ))
		leave(c, "You may not read that mailbox any more");
	return 0;
}

FIBER int imapd_rights_again(struct imapd_conn *c, struct imap_result *r, struct err *e)
{
	struct imapd_view *v = c->view;

	if (!v)
		return 0;
	if (!v->is_gone && look_at_rights(c, e) < 0)
		return -1;
	return v->is_gone ? imap_result_no(r, "NOPERM", "That mailbox is not open to you any more")
			  : 0;
}

static FIBER int look_all(struct imapd_conn *c, bool may_expunge, bool has_flags, struct err *e)
{
	struct look l;
	struct err why = {0};
	int rc = look_at_rights(c, &why);

	look_init(&l, c, may_expunge, has_flags);

	if (rc == 0 && !c->view->is_gone)
		rc = look(&l, &why);
	look_fini(&l);
	if (rc < 0 && why.code == ERR_NOT_FOUND) {
		leave(c, "The mailbox is there no more");
		return 0;
	}
	if (rc < 0)
		c->wants_look = true; /* once more */
	return rc < 0 ? err_copy(e, &why) : 0;
}

static FIBER int look_if_due(struct imapd_conn *c, bool may_expunge, bool has_flags, struct err *e)
{
	struct imapd_view *v = c->view;
	bool is_due = v &&
		(c->wants_look || v->watcher.is_changed || (may_expunge && v->pending_count) ||
			(has_flags && v->flags_modseq < v->since.modseq));

	c->wants_look = false;
	if (!is_due || v->is_gone)
		return 0;
	v->watcher.is_changed = false;
	return look_all(c, may_expunge, has_flags, e);
}

FIBER int imapd_updates(struct imapd_conn *c, bool may_expunge, struct err *e)
{
	if (look_if_due(c, may_expunge, true, e) < 0)
		return -1;
	return imapd_notify_updates(c, e);
}

FIBER int imapd_push(struct imapd_conn *c, struct err *e)
{
	bool may_expunge, has_flags;

	if (imapd_notify_pushes(c, &may_expunge, &has_flags) &&
		look_if_due(c, may_expunge, has_flags, e) < 0)
		return -1;
	return imapd_notify_updates(c, e);
}
