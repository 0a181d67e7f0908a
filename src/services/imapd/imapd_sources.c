#include "services/imapd/imapd_sources.h"

#include "base/hash.h"

static bool is_below(struct span name, struct span parent, bool is_one_level)
{
	if (name.len <= parent.len || !span_starts(name, parent) ||
		name.ptr[parent.len] != IMAP_SEPARATOR)
		return false;
	return !is_one_level || span_find(span_skip(name, parent.len + 1), IMAP_SEPARATOR) < 0;
}

bool imapd_source_names(
	const struct imap_source *source, const struct mailbox_ref *ref, bool is_subscribed)
{
	struct span name = ref->seen_name;

	switch (source->kind) {
	/* RFC 5465 section 6.3: where mail may be delivered to: each account's INBOX */
	case IMAP_SOURCE_INBOXES: return ref->is_own && imap_name_is_inbox(ref->info.name);
	case IMAP_SOURCE_PERSONAL: return ref->is_own;
	case IMAP_SOURCE_SUBSCRIBED: return is_subscribed;
	case IMAP_SOURCE_SUBTREE:
	case IMAP_SOURCE_SUBTREE_ONE:
	case IMAP_SOURCE_MAILBOXES:
		for (size_t i = 0; i < source->count; i++) {
			if (!source->names[i].ptr)
				continue;
			if (span_eq(source->names[i], name))
				return true;
			if (source->kind != IMAP_SOURCE_MAILBOXES &&
				is_below(name, source->names[i],
					source->kind == IMAP_SOURCE_SUBTREE_ONE))
				return true;
		}
		return false;
	default: return false;
	}
}

static bool wants_subscriptions(const struct imap_source *sources, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (sources[i].kind == IMAP_SOURCE_SUBSCRIBED)
			return true;
	return false;
}

FIBER int imapd_sources(struct imapd_conn *c, const struct imap_source *sources, size_t count,
	struct mailbox_ref **list_r, size_t *count_r, struct err *e)
{
	struct store *s = imapd_store(c);
	struct span *subs = NULL;
	struct mailbox_ref *refs;
	size_t n, sub_count = 0, kept = 0;
	struct hash_map names;

	*list_r = NULL;
	*count_r = 0;
	if (mailbox_visible(s, c->s->cmd, c->account_id, &refs, &n, e) < 0)
		return -1;
	if (wants_subscriptions(sources, count) &&
		mailbox_subscriptions(s, c->s->cmd, c->account_id, &subs, &sub_count, e) < 0)
		return -1;
	hash_map_init(&names, (struct hash_key){c->s->id, ~c->s->id});
	for (size_t i = 0; i < sub_count; i++)
		hash_map_set(&names, subs[i], refs);
	for (size_t i = 0; i < n; i++) {
		bool is_subscribed = hash_map_get(&names, refs[i].seen_name), is_named = false;

		for (size_t k = 0; k < count && !is_named; k++)
			is_named = imapd_source_names(&sources[k], &refs[i], is_subscribed);
		if (is_named)
			refs[kept++] = refs[i];
	}
	hash_map_fini(&names);
	*list_r = refs;
	*count_r = kept;
	return 0;
}
