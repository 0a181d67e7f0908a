/* Views of mailboxes, shared by the sessions of a worker: most of those who select a mailbox find its
 * UIDs here and read only what has happened since. */

#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/mem.h"
#include "base/must.h"
#include "services/imapd/imapd_session_priv.h"

#define VIEWS_MAX        4096 /* mailboxes; the one looked at longest ago goes first */
#define VIEWS_FIRST_PAGE 16
#define VIEWS_BUCKETS    1024 /* a power of two */

struct view_entry {
	struct list_node node, age;
	uint64_t mailbox_id, modseq;
	uint32_t uidvalidity;
	struct uidset *uids;
};

struct imapd_views {
	struct list_node buckets[VIEWS_BUCKETS];
	struct list_node ages; /* looked at longest ago first */
	size_t count;
};

struct imapd_views *imapd_views_new(void)
{
	struct imapd_views *v = NEW(struct imapd_views);

	for (size_t i = 0; i < VIEWS_BUCKETS; i++)
		list_init(&v->buckets[i]);
	list_init(&v->ages);
	return v;
}

static void entry_drop(struct imapd_views *v, struct view_entry *x)
{
	list_remove(&x->node);
	list_remove(&x->age);
	uidset_unref(&x->uids);
	free(x);
	v->count--;
}

void imapd_views_free(struct imapd_views **vp)
{
	struct imapd_views *v = *vp;

	*vp = NULL;
	if (!v)
		return;
	while (!list_empty(&v->ages))
		entry_drop(v, LIST_ITEM(v->ages.next, struct view_entry, age));
	free(v);
}

static struct list_node *bucket_of(struct imapd_views *v, uint64_t mailbox_id)
{
	return &v->buckets[(mailbox_id ^ mailbox_id >> 22) & (VIEWS_BUCKETS - 1)];
}

static struct view_entry *entry_find(struct imapd_views *v, uint64_t mailbox_id)
{
	LIST_EACH (n, bucket_of(v, mailbox_id)) {
		struct view_entry *x = LIST_ITEM(n, struct view_entry, node);

		if (x->mailbox_id == mailbox_id) {
			list_remove(&x->age);
			list_push_back(&v->ages, &x->age);
			return x;
		}
	}
	return NULL;
}

void imapd_views_share(struct imapd_views *v, uint64_t mailbox_id, uint32_t uidvalidity,
	uint64_t modseq, struct uidset **uids)
{
	struct view_entry *x = entry_find(v, mailbox_id);

	if (x && x->uidvalidity == uidvalidity && x->modseq == modseq) {
		uidset_unref(uids);
		*uids = uidset_ref(x->uids);
		return;
	}
	if (x && x->uidvalidity == uidvalidity && x->modseq > modseq)
		return;
	if (!x) {
		if (v->count == VIEWS_MAX)
			entry_drop(v, LIST_ITEM(v->ages.next, struct view_entry, age));
		x = NEW(struct view_entry);
		x->mailbox_id = mailbox_id;
		list_push_back(bucket_of(v, mailbox_id), &x->node);
		list_push_back(&v->ages, &x->age);
		v->count++;
	}
	uidset_unref(&x->uids);
	x->uids = uidset_ref(*uids);
	x->uidvalidity = uidvalidity;
	x->modseq = modseq;
}

/* ---- what changes do to a set ---- */

static int by_uid(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

/* Of sorted UIDs: each once, neighbours joined. */
static struct uid_range *ranges_of(
	struct arena *a, const uint32_t *uids, size_t count, size_t *count_r)
{
	struct uid_range *list = ARENA_ARRAY(a, struct uid_range, count + 1);
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		if (n && uids[i] <= list[n - 1].last + 1)
			list[n - 1].last = uids[i];
		else
			list[n++] = (struct uid_range){uids[i], uids[i]};
	}
	*count_r = n;
	return list;
}

static bool list_has(const uint32_t *sorted, size_t count, uint32_t uid)
{
	return count && bsearch(&uid, sorted, count, sizeof(uid), by_uid);
}

void imapd_tally_fini(struct imapd_tally *t)
{
	free(t->uids);
	free(t->is_gone);
	*t = (struct imapd_tally){0};
}

static void tally_add(struct imapd_tally *t, const struct mailbox_change *list, size_t count)
{
	if (t->count + count > t->cap) {
		t->cap = 2 * (t->count + count);
		t->uids = mem_realloc(t->uids, t->cap * sizeof(t->uids[0]));
		t->is_gone = mem_realloc(t->is_gone, t->cap * sizeof(t->is_gone[0]));
	}
	for (size_t i = 0; i < count; i++) {
		t->uids[t->count] = list[i].uid;
		t->is_gone[t->count++] = list[i].is_gone;
	}
}

FIBER int imapd_tally_read(struct imapd_tally *t, struct store *s, struct arena *page,
	uint64_t mailbox_id, struct mailbox_since *since, struct mailbox_info *info_r,
	struct mailbox_change **list_r, size_t *count_r, struct err *e)
{
	bool is_more = true;

	for (size_t pages = 0; is_more; pages++) {
		arena_reset(page);
		/* Mostly little has happened, and to many sessions at once: they take little room. */
		if (mailbox_changes(s, page, mailbox_id, since, pages ? 0 : VIEWS_FIRST_PAGE,
			    info_r, list_r, count_r, &is_more, e) < 0)
			return -1;
		tally_add(t, *list_r, *count_r);
		if (pages)
			*list_r = NULL;
	}
	return 0;
}

/* Those UIDs that are gone, or those that are not. */
static uint32_t *tally_pick(
	struct arena *a, const struct imapd_tally *t, bool is_gone, size_t *count_r)
{
	uint32_t *list = ARENA_ARRAY(a, uint32_t, t->count + 1);

	*count_r = 0;
	for (size_t i = 0; i < t->count; i++)
		if (t->is_gone[i] == is_gone)
			list[(*count_r)++] = t->uids[i];
	qsort(list, *count_r, sizeof(list[0]), by_uid);
	return list;
}

void imapd_delta(struct arena *a, const struct uidset *uids, const struct imapd_tally *t,
	struct imapd_delta *d)
{
	size_t gone_count, added_count, kept = 0;
	uint32_t *gone = tally_pick(a, t, true, &gone_count);
	uint32_t *added = tally_pick(a, t, false, &added_count);
	uint32_t last = uidset_last(uids);

	/* What came and went meanwhile was never there. */
	for (size_t i = 0; i < added_count; i++)
		if (added[i] > last && !list_has(gone, gone_count, added[i]))
			added[kept++] = added[i];
	d->added = ranges_of(a, added, kept, &d->added_count);
	kept = 0;
	for (size_t i = 0; i < gone_count; i++)
		if (uidset_seq(uids, gone[i]))
			gone[kept++] = gone[i];
	d->gone = ranges_of(a, gone, kept, &d->gone_count);
}

struct uid_range *imapd_tally_vanished(struct arena *a, const struct imapd_tally *t,
	const struct uidset *uids, const struct imap_set *known, size_t *count_r)
{
	size_t count, kept = 0;
	uint32_t *gone = tally_pick(a, t, true, &count);

	for (size_t i = 0; i < count; i++)
		if (!uidset_seq(uids, gone[i]) && (!known || imap_set_has(known, gone[i])))
			gone[kept++] = gone[i];
	return ranges_of(a, gone, kept, count_r);
}

/* ---- opening ---- */

/* From what was kept to what is there now. */
static FIBER int bring_forward(struct store *s, struct arena *a, uint64_t mailbox_id,
	uint64_t modseq, struct mailbox_info *info_r, struct uidset **uids, struct err *e)
{
	struct mailbox_since since = {.modseq = modseq};
	struct imapd_tally t = {0};
	struct arena *page = arena_new();
	struct mailbox_change *list;
	size_t count;
	int rc = imapd_tally_read(&t, s, page, mailbox_id, &since, info_r, &list, &count, e);

	if (rc == 0) {
		info_r->name = arena_span(a, info_r->name);
		info_r->special_use = arena_span(a, info_r->special_use);
	}
	if (rc == 0 && t.count) {
		struct imapd_delta d;
		struct uidset *next;

		imapd_delta(page, *uids, &t, &d);
		next = uidset_change(*uids, d.gone, d.gone_count, d.added, d.added_count);
		uidset_unref(uids);
		*uids = next;
	}
	arena_free(&page);
	imapd_tally_fini(&t);
	return rc;
}

FIBER int imapd_views_open(struct imapd_views *v, struct store *s, struct arena *a,
	uint64_t mailbox_id, struct mailbox_info *info_r, struct uidset **uids_r, struct err *e)
{
	struct view_entry *x = entry_find(v, mailbox_id);
	uint32_t uidvalidity = x ? x->uidvalidity : 0;

	*uids_r = NULL;
	if (x) {
		*uids_r = uidset_ref(x->uids);
		if (bring_forward(s, a, mailbox_id, x->modseq, info_r, uids_r, e) < 0) {
			uidset_unref(uids_r);
			return -1;
		}
	}
	if (!x || info_r->uidvalidity != uidvalidity) {
		uidset_unref(uids_r);
		if (mailbox_open(s, a, mailbox_id, info_r, uids_r, e) < 0)
			return -1;
	}
	imapd_views_share(v, mailbox_id, info_r->uidvalidity, info_r->highest_modseq, uids_r);
	return 0;
}
