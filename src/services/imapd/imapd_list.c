/* LIST and LSUB (RFC 9051 section 6.3.9, RFC 3501 section 6.3.9, RFC 5258). */
#include "services/imapd/imapd_names.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/must.h"

/* A name that may be told: a mailbox, a level above one, or a subscription. */
struct node {
	struct span name;
	const struct mailbox_ref *ref; /* NULL: there is no such mailbox */
	bool is_subscribed;
	/* what is below it */
	bool has_children, has_subscribed, has_special;
};

struct tree {
	struct node **nodes; /* sorted: a parent stands before its children */
	size_t count, room;
	struct hash_map names; /* name to node */
};

/* By levels, so that what is below a name follows it; INBOX and its children first. */
static int node_cmp(const void *pa, const void *pb)
{
	struct span a = (*(const struct node *const *)pa)->name;
	struct span b = (*(const struct node *const *)pb)->name;
	bool is_a = span_starts(a, SPAN("INBOX")) && (a.len == 5 || a.ptr[5] == '/');
	bool is_b = span_starts(b, SPAN("INBOX")) && (b.len == 5 || b.ptr[5] == '/');
	size_t n = a.len < b.len ? a.len : b.len;

	if (is_a != is_b)
		return is_a ? -1 : 1;
	for (size_t i = 0; i < n; i++) {
		unsigned char x = (unsigned char)a.ptr[i], y = (unsigned char)b.ptr[i];

		if (x == y)
			continue;
		if (x == IMAP_SEPARATOR || y == IMAP_SEPARATOR)
			return x == IMAP_SEPARATOR ? -1 : 1;
		return x < y ? -1 : 1;
	}
	return a.len < b.len ? -1 : a.len > b.len;
}

static struct node *tree_node(struct tree *t, struct arena *a, struct span name)
{
	struct node *n = hash_map_get(&t->names, name);
	struct node **more;

	if (n)
		return n;
	n = ARENA_NEW(a, struct node);
	n->name = name;
	if (t->count == t->room) {
		t->room = t->room ? 2 * t->room : 64;
		more = ARENA_ARRAY(a, struct node *, t->room);
		for (size_t i = 0; i < t->count; i++)
			more[i] = t->nodes[i];
		t->nodes = more;
	}
	t->nodes[t->count++] = n;
	hash_map_set(&t->names, name, n);
	return n;
}

/* The levels above `n` learn what is below them; those that are no mailboxes come into the tree where a
 * mailbox is below them. */
static void tree_parents(struct tree *t, struct arena *a, const struct node *n)
{
	const bool is_there = n->ref != NULL;
	struct span special = is_there && n->ref->is_own ? n->ref->info.special_use : SPAN("");
	struct span name = n->name;

	for (;;) {
		ptrdiff_t at = span_rfind(name, IMAP_SEPARATOR);
		struct node *up;

		if (at <= 0)
			return;
		name = span_sub(name, 0, (size_t)at);
		up = tree_node(t, a, name);
		up->has_children = up->has_children || is_there;
		up->has_subscribed = up->has_subscribed || n->is_subscribed;
		up->has_special = up->has_special || special.len;
	}
}

static FIBER int tree_build(
	struct imapd_conn *c, bool wants_subscriptions, struct tree *t, struct err *e)
{
	struct arena *a = c->s->cmd;
	struct mailbox_ref *refs;
	struct span *subs;
	size_t count, n;

	if (mailbox_visible(imapd_store(c), a, c->account_id, &refs, &count, e) < 0)
		return -1;
	for (size_t i = 0; i < count; i++)
		tree_node(t, a, refs[i].seen_name)->ref = &refs[i];
	if (wants_subscriptions) {
		if (mailbox_subscriptions(imapd_store(c), a, c->account_id, &subs, &n, e) < 0)
			return -1;
		for (size_t i = 0; i < n; i++)
			tree_node(t, a, subs[i])->is_subscribed = true;
	}
	n = t->count; /* parents are put behind */
	for (size_t i = 0; i < n; i++)
		tree_parents(t, a, t->nodes[i]);
	qsort(t->nodes, t->count, sizeof(struct node *), node_cmp);
	return 0;
}

static bool matches_any(const struct imap_list *l, struct span name)
{
	for (size_t i = 0; i < l->count; i++)
		if (l->patterns[i].ptr && imap_pattern_matches(l->patterns[i], name))
			return true;
	return false;
}

static struct span special_of(const struct node *n)
{
	return n->ref && n->ref->is_own ? n->ref->info.special_use : SPAN("");
}

/* Does the name itself meet the selection? */
static bool is_selected(const struct imap_list *l, const struct node *n)
{
	if ((l->select & IMAP_LIST_SUBSCRIBED) && !n->is_subscribed)
		return false;
	if ((l->select & IMAP_LIST_SPECIAL_USE) && special_of(n).len == 0)
		return false;
	if (l->select & (IMAP_LIST_SUBSCRIBED | IMAP_LIST_SPECIAL_USE))
		return true;
	return n->ref || n->has_children; /* no mailbox, and a level above none: a subscription */
}

/* Does something below it meet the selection (RFC 5258 section 3.5)? */
static bool has_selected_below(const struct imap_list *l, const struct node *n)
{
	if (!(l->select & IMAP_LIST_RECURSIVEMATCH))
		return false;
	return (!(l->select & IMAP_LIST_SUBSCRIBED) || n->has_subscribed) &&
		(!(l->select & IMAP_LIST_SPECIAL_USE) || n->has_special);
}

static void put_attribute(struct buf *b, bool *is_first, struct span word)
{
	if (!*is_first)
		buf_char(b, ' ');
	*is_first = false;
	buf_span_put(b, word);
}

static void put_attributes(
	struct imapd_conn *c, struct buf *b, const struct imap_list *l, const struct node *n)
{
	const bool is_new = l->is_extended || imap_is_enabled(c->s, IMAP_BIT(IMAP4REV2));
	struct span special = special_of(n);
	bool is_first = true;

	if (!n->ref && is_new)
		put_attribute(b, &is_first, SPAN("\\NonExistent"));
	/* \NonExistent implies \Noselect (RFC 9051 section 7.3.1); older clients know this one alone */
	if (n->ref ? !(n->ref->rights & MAILBOX_RIGHT_READ) : !is_new)
		put_attribute(b, &is_first, SPAN("\\Noselect"));
	if (n->is_subscribed &&
		((l->select & IMAP_LIST_SUBSCRIBED) || (l->returns & IMAP_LIST_RETURN_SUBSCRIBED)))
		put_attribute(b, &is_first, SPAN("\\Subscribed"));
	if (!l->is_extended || (l->returns & IMAP_LIST_RETURN_CHILDREN))
		put_attribute(b, &is_first,
			n->has_children ? SPAN("\\HasChildren") : SPAN("\\HasNoChildren"));
	if (special.len && imap_has(c->s, IMAP_BIT(SPECIAL_USE)) &&
		(!l->is_extended || (l->select & IMAP_LIST_SPECIAL_USE) ||
			(l->returns & IMAP_LIST_RETURN_SPECIAL_USE)))
		put_attribute(b, &is_first, special);
}

static void put_list(struct imapd_conn *c, const struct imap_list *l, const struct node *n)
{
	struct buf *b = imap_out(c->s);
	struct imap_out_mode mode = names_mode(c);

	buf_str(b, "* LIST (");
	put_attributes(c, b, l, n);
	buf_str(b, ") \"/\" ");
	imap_put_name(b, n->name, &mode);
	if (has_selected_below(l, n)) { /* childinfo-extended-item */
		bool is_first = true;

		buf_str(b, " (\"CHILDINFO\" (");
		if (l->select & IMAP_LIST_SUBSCRIBED)
			put_attribute(b, &is_first, SPAN("\"SUBSCRIBED\""));
		if (l->select & IMAP_LIST_SPECIAL_USE)
			put_attribute(b, &is_first, SPAN("\"SPECIAL-USE\""));
		buf_str(b, "))");
	}
	buf_str(b, "\r\n");
}

/* What else was asked for about it: STATUS (RFC 5819), MYRIGHTS (RFC 8440), METADATA (RFC 9590); of
 * mailboxes that may be read. */
static FIBER int put_beside(
	struct imapd_conn *c, const struct imap_list *l, const struct node *n, struct err *e)
{
	if (!n->ref)
		return 0;
	if ((l->returns & IMAP_LIST_RETURN_MYRIGHTS))
		names_put_my_rights(c, n->ref);
	if (!(n->ref->rights & MAILBOX_RIGHT_READ))
		return 0;
	if ((l->returns & IMAP_LIST_RETURN_STATUS))
		names_put_status(c, n->ref, l->status);
	if ((l->returns & IMAP_LIST_RETURN_METADATA))
		return names_put_metadata(c, n->ref, l->entries, l->entry_count, e);
	return 0;
}

static FIBER int tell(
	struct imapd_conn *c, const struct imap_list *l, const struct tree *t, struct err *e)
{
	for (size_t i = 0; i < t->count; i++) {
		const struct node *n = t->nodes[i];

		if (imap_progress(c->s, i, t->count, e) < 0) /* other fibers get on */
			return -1;
		if (!matches_any(l, n->name) || (!is_selected(l, n) && !has_selected_below(l, n)))
			continue;
		put_list(c, l, n);
		if (put_beside(c, l, n, e) < 0 || imap_relieve(c->s, e) < 0)
			return -1;
	}
	return 0;
}

/* Options whose capability this client has not. */
static bool is_unserved(const struct imapd_conn *c, const struct imap_list *l)
{
	static const struct {
		unsigned bit;
		uint64_t cap;
	} returns[] = {
		{IMAP_LIST_RETURN_SPECIAL_USE, IMAP_BIT(SPECIAL_USE)},
		{IMAP_LIST_RETURN_STATUS, IMAP_BIT(LIST_STATUS)},
		{IMAP_LIST_RETURN_MYRIGHTS, IMAP_BIT(LIST_MYRIGHTS)},
		{IMAP_LIST_RETURN_METADATA, IMAP_BIT(LIST_METADATA)},
	};

	if (l->is_extended && !imap_has(c->s, IMAP_BIT(LIST_EXTENDED)) &&
		!imap_has(c->s, IMAP_BIT(IMAP4REV2)))
		return true;
	if ((l->select & IMAP_LIST_SPECIAL_USE) && !imap_has(c->s, IMAP_BIT(SPECIAL_USE)))
		return true;
	for (size_t i = 0; i < ARRAY_LEN(returns); i++)
		if ((l->returns & returns[i].bit) && !imap_has(c->s, returns[i].cap) &&
			!(returns[i].bit == IMAP_LIST_RETURN_STATUS &&
				imap_has(c->s, IMAP_BIT(IMAP4REV2))))
			return true;
	return names_status_unserved(c, l->status) != 0;
}

static void tree_init(struct tree *t, const struct imap_session *s)
{
	*t = (struct tree){0};
	hash_map_init(&t->names, (struct hash_key){s->id, ~s->id});
}

FIBER int imapd_list(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	const struct imap_list *l = &cmd->list;
	struct tree t;
	int rc;

	if (is_unserved(c, l))
		return imap_result_bad(r, NULL, "Not all of these options are offered");
	if (l->is_root_asked && !l->is_extended) {
		imap_put(c->s, SPAN("* LIST (\\Noselect) \"/\" \"\"\r\n"));
		return 0;
	}
	tree_init(&t, c->s);
	rc = tree_build(c,
		(l->select & IMAP_LIST_SUBSCRIBED) || (l->returns & IMAP_LIST_RETURN_SUBSCRIBED),
		&t, e);
	if (rc == 0 && (l->status & IMAP_STATUS_HIGHESTMODSEQ))
		imapd_condstore(c); /* RFC 7162 section 3.1 */
	if (rc == 0)
		rc = tell(c, l, &t, e);
	hash_map_fini(&t.names);
	return rc;
}

/* ---- LSUB ---- */

/* A level above what is subscribed to is told where '%' stopped at it (RFC 3501 section 6.3.9). */
static bool is_lsub_told(const struct imap_list *l, const struct node *n)
{
	if (!matches_any(l, n->name))
		return false;
	return n->is_subscribed ||
		(n->has_subscribed && l->patterns[0].ptr && span_find(l->patterns[0], '%') >= 0);
}

FIBER int imapd_lsub(
	struct imapd_conn *c, const struct imap_command *cmd, struct imap_result *r, struct err *e)
{
	const struct imap_list *l = &cmd->list;
	struct imap_out_mode mode = names_mode(c);
	struct buf *b = imap_out(c->s);
	struct tree t;
	int rc;

	tree_init(&t, c->s);
	rc = tree_build(c, true, &t, e);
	for (size_t i = 0; rc == 0 && i < t.count; i++) {
		const struct node *n = t.nodes[i];

		rc = imap_progress(c->s, i, t.count, e);
		if (rc < 0 || !is_lsub_told(l, n))
			continue;
		buf_str(b,
			n->is_subscribed && n->ref ? "* LSUB () \"/\" "
						   : "* LSUB (\\Noselect) \"/\" ");
		imap_put_name(b, n->name, &mode);
		buf_str(b, "\r\n");
		rc = imap_relieve(c->s, e);
	}
	hash_map_fini(&t.names);
	return rc;
}
