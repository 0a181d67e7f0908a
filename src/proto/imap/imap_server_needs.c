/* What a command as it was sent stands on: a word that belongs to a capability that is switched off is
 * no word here. */

#include "proto/imap/imap_server_priv.h"

static uint64_t needs_select(const struct imap_select *s)
{
	return (s->is_condstore ? IMAP_BIT(CONDSTORE) : 0) |
		(s->has_qresync ? IMAP_BIT(QRESYNC) : 0);
}

static uint64_t needs_status(unsigned items)
{
	return (items & IMAP_STATUS_SIZE ? IMAP_BIT(STATUS_SIZE) : 0) |
		(items & IMAP_STATUS_HIGHESTMODSEQ ? IMAP_BIT(CONDSTORE) : 0) |
		(items & IMAP_STATUS_APPENDLIMIT ? IMAP_BIT(APPENDLIMIT) : 0) |
		(items & IMAP_STATUS_MAILBOXID ? IMAP_BIT(OBJECTID) : 0) |
		(items & IMAP_STATUS_DELETED_STORAGE ? IMAP_BIT(QUOTA_RES_STORAGE) : 0);
}

static uint64_t needs_list(const struct imap_list *l)
{
	return (l->is_extended ? IMAP_BIT(LIST_EXTENDED) : 0) |
		(l->select & IMAP_LIST_SPECIAL_USE ? IMAP_BIT(SPECIAL_USE) : 0) |
		(l->returns & IMAP_LIST_RETURN_SPECIAL_USE ? IMAP_BIT(SPECIAL_USE) : 0) |
		(l->returns & IMAP_LIST_RETURN_STATUS ? IMAP_BIT(LIST_STATUS) : 0) |
		(l->returns & IMAP_LIST_RETURN_MYRIGHTS ? IMAP_BIT(LIST_MYRIGHTS) : 0) |
		needs_status(l->status);
}

static uint64_t needs_items(const struct imap_fetch_items *items)
{
	uint64_t caps = 0;

	for (size_t i = 0; i < items->count; i++) {
		switch (items->items[i].kind) {
		case IMAP_FETCH_BINARY:
		case IMAP_FETCH_BINARY_SIZE: caps |= IMAP_BIT(BINARY); break;
		case IMAP_FETCH_MODSEQ: caps |= IMAP_BIT(CONDSTORE); break;
		case IMAP_FETCH_PREVIEW: caps |= IMAP_BIT(PREVIEW); break;
		case IMAP_FETCH_SAVEDATE: caps |= IMAP_BIT(SAVEDATE); break;
		case IMAP_FETCH_EMAILID:
		case IMAP_FETCH_THREADID: caps |= IMAP_BIT(OBJECTID); break;
		default: break;
		}
	}
	return caps;
}

static uint64_t needs_fetch(const struct imap_fetch *f)
{
	return needs_items(&f->what) | (f->has_changed_since ? IMAP_BIT(CONDSTORE) : 0) |
		(f->is_vanished ? IMAP_BIT(QRESYNC) : 0) | (f->has_partial ? IMAP_BIT(PARTIAL) : 0);
}

static uint64_t needs_key(const struct imap_key *k)
{
	switch (k->op) {
	case IMAP_OP_OLDER:
	case IMAP_OP_YOUNGER: return IMAP_BIT(WITHIN);
	case IMAP_OP_SAVED_BEFORE:
	case IMAP_OP_SAVED_ON:
	case IMAP_OP_SAVED_SINCE:
	case IMAP_OP_SAVEDATE_SUPPORTED: return IMAP_BIT(SAVEDATE);
	case IMAP_OP_EMAILID:
	case IMAP_OP_THREADID: return IMAP_BIT(OBJECTID);
	default: return 0;
	}
}

/* The tree is at most IMAP_DEPTH_MAX deep. */
static uint64_t needs_keys(const struct imap_key *k)
{
	uint64_t caps = needs_key(k);

	for (const struct imap_key *child = k->child; child; child = child->next)
		caps |= needs_keys(child);
	return caps;
}

static uint64_t needs_search(const struct imap_search *s)
{
	return (s->root ? needs_keys(s->root) : 0) | (s->has_modseq ? IMAP_BIT(CONDSTORE) : 0) |
		(s->has_saved ? IMAP_BIT(SEARCHRES) : 0) |
		(s->has_fuzzy ? IMAP_BIT(SEARCH_FUZZY) : 0);
}

static uint64_t needs_find(const struct imap_command *c)
{
	const struct imap_find *f = &c->find;
	uint64_t caps = needs_search(&f->search);

	if (f->returns.is_given)
		caps |= c->verb == IMAP_SORT ? IMAP_BIT(ESORT) : IMAP_BIT(ESEARCH);
	if (f->returns.what & IMAP_RETURN_SAVE)
		caps |= IMAP_BIT(SEARCHRES);
	if (f->returns.what & IMAP_RETURN_PARTIAL)
		caps |= IMAP_BIT(PARTIAL);
	if (f->returns.what & IMAP_RETURN_RELEVANCY)
		caps |= IMAP_BIT(SEARCH_FUZZY);
	for (size_t i = 0; i < f->sort_count; i++)
		if (f->sort[i].key == IMAP_SORT_DISPLAYFROM ||
			f->sort[i].key == IMAP_SORT_DISPLAYTO)
			caps |= IMAP_BIT(SORT_DISPLAY);
		else if (f->sort[i].key == IMAP_SORT_RELEVANCY)
			caps |= IMAP_BIT(SEARCH_FUZZY);
	if (c->verb == IMAP_THREAD)
		caps |= f->thread == IMAP_THREAD_REFERENCES ? IMAP_BIT(THREAD_REFERENCES)
							    : IMAP_BIT(THREAD_ORDEREDSUBJECT);
	return caps;
}

static uint64_t needs_notify(const struct imap_notify *n)
{
	uint64_t caps = 0;

	for (size_t i = 0; i < n->count; i++)
		caps |= needs_items(&n->groups[i].items);
	return caps;
}

uint64_t imap_server_needs(const struct imap_command *c)
{
	switch (c->verb) {
	case IMAP_SELECT:
	case IMAP_EXAMINE: return needs_select(&c->select);
	case IMAP_CREATE: return c->create.use ? IMAP_BIT(CREATE_SPECIAL_USE) : 0;
	case IMAP_LIST:
	case IMAP_LSUB: return needs_list(&c->list);
	case IMAP_STATUS: return needs_status(c->status.items);
	case IMAP_FETCH:
		return needs_fetch(&c->fetch) | (c->fetch.set.is_saved ? IMAP_BIT(SEARCHRES) : 0);
	case IMAP_STORE:
		return (c->store.has_unchanged_since ? IMAP_BIT(CONDSTORE) : 0) |
			(c->store.set.is_saved ? IMAP_BIT(SEARCHRES) : 0);
	case IMAP_COPY:
	case IMAP_MOVE: return c->set.is_saved ? IMAP_BIT(SEARCHRES) : 0;
	case IMAP_EXPUNGE:
		return (c->is_uid ? IMAP_BIT(UIDPLUS) : 0) |
			(c->set.is_saved ? IMAP_BIT(SEARCHRES) : 0);
	case IMAP_SEARCH:
	case IMAP_SORT:
	case IMAP_THREAD:
	case IMAP_ESEARCH: return needs_find(c);
	case IMAP_NOTIFY: return needs_notify(&c->notify);
	default: return 0;
	}
}

/* RFC 9586 section 3 */
bool imap_server_counts(const struct imap_command *c)
{
	switch (c->verb) {
	case IMAP_FETCH:
	case IMAP_STORE:
	case IMAP_COPY:
	case IMAP_MOVE:
	case IMAP_REPLACE: return !c->is_uid;
	case IMAP_SEARCH:
	case IMAP_SORT:
	case IMAP_THREAD: return !c->is_uid || c->find.search.has_numbers;
	case IMAP_ESEARCH: return c->find.search.has_numbers;
	case IMAP_SELECT:
	case IMAP_EXAMINE: return c->select.has_match;
	default: return false;
	}
}
