#include "services/imapd/imapd_keys.h"

#include "store/facts.h"
#include "services/imapd/imapd_find_priv.h"

void find_keys_fini(struct find_keys *keys)
{
	arena_free(&keys->arena);
}

static void take_key(struct find_keys *keys, const struct mailbox_msg *m)
{
	struct arena *a = keys->arena;
	struct find_key *k = &keys->list[keys->count++];
	const struct body_facts *f = m->facts;

	*k = (struct find_key){.uid = m->uid,
		.received_ns = m->received_ns,
		.sent_ns = m->received_ns,
		.size = m->size};
	if (!f)
		return;
	if (f->flags & FACT_DATE)
		k->sent_ns = f->sent_ns;
	k->is_reply = f->flags & FACT_REPLY;
	k->subject = arena_span(a, f->subject);
	if (keys->has_ids) {
		k->message_id = arena_span(a, f->message_id);
		k->refs = arena_span(a, f->refs);
		return;
	}
	k->from = arena_span(a, f->from_key);
	k->to = arena_span(a, f->to_key);
	k->cc = arena_span(a, f->cc_key);
	k->from_name = arena_span(a, f->from_name);
	k->to_name = arena_span(a, f->to_name);
}

static FIBER int read_page(struct imapd_conn *c, struct arena *a, struct mailbox_cursor *cursor,
	struct find_keys *keys, size_t *count_r, struct err *e)
{
	struct store *store = imapd_opts_of(c->d)->store;
	struct mailbox_cursor before = *cursor;
	struct facts_want *wants = ARENA_ARRAY(a, struct facts_want, FACTS_NEED_MAX);
	struct mailbox_msg *list;
	size_t n = 0;

	if (mailbox_page(store, a, cursor, keys->wants, &list, count_r, e) < 0)
		return -1;
	for (size_t i = 0; keys->wants && i < *count_r && n < FACTS_NEED_MAX; i++)
		if (!list[i].facts)
			wants[n++] = (struct facts_want){
				list[i].id, list[i].blob_id, list[i].blob_len};
	if (n) {
		*cursor = before;
		if (facts_need(store, wants, n, e) < 0 ||
			mailbox_page(store, a, cursor, keys->wants, &list, count_r, e) < 0)
			return -1;
	}
	for (size_t i = 0; i < *count_r; i++)
		take_key(keys, &list[i]);
	return 0;
}

/* Hits without a row are gone. */
static void leave_out_gone(struct find_result *found, const struct find_keys *keys)
{
	size_t n = 0, k = 0;

	for (size_t i = 0; i < found->count; i++) {
		while (k < keys->count && keys->list[k].uid < found->hits[i].uid)
			k++;
		if (k < keys->count && keys->list[k].uid == found->hits[i].uid)
			found->hits[n++] = found->hits[i];
	}
	found->count = n;
}

FIBER int find_keys_read(struct imapd_conn *c, const struct find_scope *scope,
	struct find_result *found, struct find_keys *keys, struct err *e)
{
	struct arena *a = arena_new();
	struct find_ranges r = {0};
	struct mailbox_cursor cursor = {.mailbox_id = scope->mailbox_id};
	size_t count = 1;
	int rc = 0;

	keys->arena = arena_new();
	keys->list = ARENA_ARRAY(keys->arena, struct find_key, found->count + 1);
	r.list = ARENA_ARRAY(keys->arena, struct uid_range, found->count + 1);
	for (size_t i = 0; i < found->count; i++) {
		uint32_t uid = found->hits[i].uid;

		if (r.count && r.list[r.count - 1].last + 1 == uid)
			r.list[r.count - 1].last = uid;
		else
			r.list[r.count++] = (struct uid_range){uid, uid};
	}
	cursor.ranges = r.list;
	cursor.count = r.count;
	while (rc == 0 && count) {
		arena_reset(a);
		rc = read_page(c, a, &cursor, keys, &count, e);
		if (rc == 0)
			rc = imap_progress(c->s, keys->count, found->count, e);
	}
	leave_out_gone(found, keys);
	arena_free(&a);
	return rc;
}
